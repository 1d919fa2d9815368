//! A moment of much memory: a program that takes it and gives it back, or ends, at once.

use crate::raw;
use crate::raw::memory::{map, memfd};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Barrier;

/// How many processes, or threads, share what several have.
const SEVERAL: usize = 8;
/// What the allocator takes from its heap.
const PIECE: usize = 60 << 10;

/// `peak KIND KIBIBYTES`: has so much memory at one moment, in one way, and loses it in the next.
pub fn peak(arguments: &[String]) -> i32 {
    let [kind, size] = arguments else {
        return 2;
    };
    let Ok(size) = size.parse::<usize>() else {
        return 2;
    };
    let result = has(kind, size << 10);
    require!(result.is_ok(), "{kind}: {result:?}");
    0
}

fn has(kind: &str, bytes: usize) -> std::io::Result<()> {
    match kind {
        "ends" => touched(bytes).map(drop),
        "unmaps" => Ok(touched(bytes)?.unmap(0, bytes)?),
        "discards" => Ok(touched(bytes)?.advise(0, bytes, libc::MADV_DONTNEED)?),
        "replaces" => Ok(touched(bytes)?.replace()?),
        "shares" => {
            let region = map(bytes, libc::MAP_SHARED, None)?;
            region.touch();
            Ok(region.unmap(0, bytes)?)
        }
        "writes" => {
            let chunk = vec![1; 64 << 10];
            let mut file = memfd()?;
            let written = (0..bytes / chunk.len()).try_for_each(|_| file.write_all(&chunk));
            // It is still open at the end.
            std::mem::forget(file);
            written
        }
        "frees" => {
            let piece = |_| std::hint::black_box(vec![1_u8; PIECE].into_boxed_slice());
            let mut pieces: Vec<_> = (0..bytes / PIECE).map(piece).collect();
            while pieces.pop().is_some() {}
            Ok(())
        }
        "executes" => {
            let _region = touched(bytes)?;
            Err(Command::new("/bin/true").exec())
        }
        "spawns" => {
            let _region = touched(bytes)?;
            Command::new("/bin/true").status().map(drop)
        }
        "vforks" => {
            let region = map(bytes, libc::MAP_PRIVATE, None)?;
            let child = raw::vfork(|| {
                region.touch();
                0
            });
            let _ = raw::reap(child);
            Ok(region.unmap(0, bytes)?)
        }
        "forks" => {
            let child = raw::fork(|| i32::from(touched(bytes).is_err()));
            is_well(child)
        }
        "threads" => {
            let (all, each) = (Barrier::new(SEVERAL), bytes / SEVERAL);
            std::thread::scope(|scope| {
                let thread = || {
                    let region = touched(each);
                    all.wait();
                    region.map(drop)
                };
                let threads: Vec<_> = (0..SEVERAL).map(|_| scope.spawn(thread)).collect();
                let ends = threads.into_iter().map(|thread| thread.join());
                ends.into_iter().try_for_each(|end| end.expect("no panic"))
            })
        }
        "several" => several(bytes / SEVERAL),
        _ => Err(std::io::ErrorKind::InvalidInput.into()),
    }
}

fn touched(bytes: usize) -> std::io::Result<raw::memory::Region> {
    let region = map(bytes, libc::MAP_PRIVATE, None)?;
    region.touch();
    Ok(region)
}

/// Children that all have some, and end as soon as the last one has.
fn several(each: usize) -> std::io::Result<()> {
    let (ready, all) = (std::io::pipe()?, std::io::pipe()?);
    let child = |_| {
        raw::fork(|| {
            let region = touched(each);
            let _ = (&ready.1).write_all(b".");
            let _ = (&all.0).read_exact(&mut [0]);
            i32::from(region.is_err())
        })
    };
    let children: Vec<i32> = (0..SEVERAL).map(child).collect();
    (&ready.0).read_exact(&mut [0; SEVERAL])?;
    (&all.1).write_all(&[0; SEVERAL])?;
    children.into_iter().try_for_each(is_well)
}

fn is_well(child: i32) -> std::io::Result<()> {
    match raw::reap(child) {
        Some(raw::Status::Exited(0)) => Ok(()),
        _ => Err(std::io::ErrorKind::Other.into()),
    }
}
