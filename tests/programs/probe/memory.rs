//! Each way to have memory.

use crate::raw;
use crate::raw::memory::{map, memfd, remove, segment};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long what was had is kept.
const KEPT: Duration = Duration::from_millis(400);
/// How much a process of many has.
const SMALL: usize = 2;
const MEBIBYTE: usize = 1 << 20;
/// Of a size by which a test knows those that were left behind.
const SEGMENT: usize = 4 * MEBIBYTE - 4096;

/// `memory KIND MEBIBYTES DIRECTORY`: has so much memory of a kind for a moment, and says `done`. The
/// directory is for files, and lies in memory.
pub fn memory(arguments: &[String]) -> i32 {
    let [kind, size, rest @ ..] = arguments else {
        return 2;
    };
    let Ok(size) = size.parse::<usize>() else {
        return 2;
    };
    let directory = Path::new(rest.first().map_or("/dev/shm", String::as_str));
    let result = has(kind, size, directory);
    require!(result.is_ok(), "{kind}: {result:?}");
    println!("done");
    0
}

fn has(kind: &str, size: usize, directory: &Path) -> std::io::Result<()> {
    let bytes = size * MEBIBYTE;
    match kind {
        "private" => map(bytes, libc::MAP_PRIVATE, None)?.touch(),
        // Also where there is less than that: the kernel would not even try (MAP_NORESERVE of mmap(2)).
        "populated" => {
            let flags = libc::MAP_PRIVATE | libc::MAP_POPULATE | libc::MAP_NORESERVE;
            map(bytes, flags, None)?;
        }
        "shared" => map(bytes, libc::MAP_SHARED, None)?.touch(),
        "threads" => {
            let each = move || map(SMALL * MEBIBYTE, libc::MAP_PRIVATE, None).map(|it| it.touch());
            let threads = (0..size / SMALL).map(|_| std::thread::spawn(each));
            for thread in threads.collect::<Vec<_>>() {
                let _ = thread.join();
            }
        }
        "processes" => return processes(size / SMALL),
        // All of it is the parent's, which each child has as well.
        "copies" => {
            map(bytes, libc::MAP_PRIVATE, None)?.touch();
            return children(20, || std::thread::sleep(KEPT));
        }
        // Of each child in its turn, and given back.
        "turns" => {
            for _ in 0..6 {
                children(1, || {
                    let _ = map(bytes, libc::MAP_PRIVATE, None).map(|it| it.touch());
                })?;
            }
        }
        "memfd" => {
            let file = memfd()?;
            write(&file, size)?;
            std::thread::sleep(KEPT);
        }
        // Twice to be seen, and there once.
        "mapped-memfd" => {
            let file = memfd()?;
            file.set_len(bytes as u64)?;
            map(bytes, libc::MAP_SHARED, Some(&file))?.touch();
            std::thread::sleep(KEPT);
        }
        "closed-memfd" => {
            let file = memfd()?;
            file.set_len(bytes as u64)?;
            let region = map(bytes, libc::MAP_SHARED, Some(&file))?;
            drop(file);
            region.touch();
        }
        "unlinked" => {
            let path = directory.join("unlinked");
            let file = File::create(&path)?;
            std::fs::remove_file(path)?;
            write(&file, size)?;
            std::thread::sleep(KEPT);
        }
        "files" => {
            for number in 0..size {
                write(&File::create(directory.join(format!("file-{number}")))?, 1)?;
            }
        }
        // Each is open for so short that hardly any look finds it so.
        "allocated" => {
            let flags = nix::fcntl::FallocateFlags::empty();
            for number in 0..size {
                let file = File::create(directory.join(format!("file-{number}")))?;
                nix::fcntl::fallocate(&file, flags, 0, 1 << 20)?;
            }
        }
        "locked-away" => {
            let path = directory.join("away");
            std::fs::create_dir(&path)?;
            let file = File::create(path.join("file"))?;
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o0))?;
            write(&file, size)?;
        }
        // Each is attached only while it is filled.
        "segments" => {
            let each = |_| segment(SEGMENT);
            let segments: Vec<i32> = (0..size / 4).map(each).collect::<Result<_, _>>()?;
            std::thread::sleep(KEPT);
            segments.into_iter().try_for_each(remove)?;
        }
        // Whom nobody may look at.
        "undumpable" => {
            nix::errno::Errno::result(raw::undumpable())?;
            let file = memfd()?;
            write(&file, size)?;
            std::thread::sleep(KEPT);
        }
        other => {
            let unknown = || Err(std::io::ErrorKind::InvalidInput.into());
            return crate::hidden::has(other, bytes, directory)
                .or_else(|| crate::kernel::has(other, bytes, directory))
                .unwrap_or_else(unknown);
        }
    }
    std::thread::sleep(KEPT);
    Ok(())
}

fn write(mut file: &File, mebibytes: usize) -> std::io::Result<()> {
    let chunk = vec![1; MEBIBYTE];
    (0..mebibytes).try_for_each(|_| file.write_all(&chunk))
}

/// A tree in which each has a little.
fn processes(left: usize) -> std::io::Result<()> {
    if left == 0 {
        std::thread::sleep(KEPT * 20);
        return Ok(());
    }
    map(SMALL * MEBIBYTE, libc::MAP_PRIVATE, None)?.touch();
    children(1, || _ = processes(left - 1))
}

fn children(number: usize, run: impl Fn()) -> std::io::Result<()> {
    let child = |_| {
        raw::fork(|| {
            run();
            0
        })
    };
    let children: Vec<i32> = (0..number).map(child).collect();
    for child in children {
        if raw::reap(child) != Some(raw::Status::Exited(0)) {
            return Err(std::io::ErrorKind::Other.into());
        }
    }
    Ok(())
}
