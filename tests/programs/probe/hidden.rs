//! Each way to keep memory in no process's page tables.

use crate::raw;
use crate::raw::memory::{Region, map, memfd, page_tables};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const MEBIBYTE: usize = 1 << 20;
/// How much is resident at a time while memory is hidden.
const CHUNK: usize = 8 * MEBIBYTE;
const PAGE: usize = 4096;
/// How long what was had is kept.
const KEPT: Duration = Duration::from_millis(600);

/// Has so many bytes hidden in one way for a moment. `None`: no such way.
pub fn has(kind: &str, bytes: usize, directory: &Path) -> Option<std::io::Result<()>> {
    let chunks = bytes / CHUNK;
    Some(match kind {
        "dropped-shared" => dropped(bytes, None),
        "dropped-memfd" => memfd().map_err(Into::into).and_then(|file| {
            file.set_len(bytes as u64)?;
            dropped(bytes, Some(file))
        }),
        "dropped-segment" => each(1, || {
            let region = raw::memory::attached(bytes)?;
            touch_and_drop(&region, bytes)
        }),
        "touched-by-children" => touched_by_children(bytes),
        "shrunk-shared" => each(chunks, || {
            let region = map(CHUNK, libc::MAP_SHARED, None)?;
            region.touch();
            Ok(region.unmap(PAGE, CHUNK - PAGE)?)
        }),
        "shrunk-zero" => each(chunks, || {
            let zero = File::options().read(true).write(true).open("/dev/zero")?;
            let region = map(CHUNK, libc::MAP_SHARED, Some(&zero))?;
            region.touch();
            Ok(region.unmap(PAGE, CHUNK - PAGE)?)
        }),
        // All that a mapping of one page tells is one page.
        "page-of-memfd" => each(chunks, || page_of(&filled(memfd()?)?)),
        "page-of-unlinked" => each(chunks, || {
            let path = directory.join("unlinked");
            let file = filled(
                File::options()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(&path)?,
            )?;
            std::fs::remove_file(&path)?;
            page_of(&file)
        }),
        "in-flight" => in_flight(chunks),
        "own-descriptors" => own_descriptors(bytes),
        "page-tables" => page_tables(bytes).map_err(Into::into),
        "without-leader" => raw::memory::without_leader(bytes, KEPT),
        "secret" => raw::memory::secret(bytes).map_err(Into::into),
        "spliced" => spliced(bytes),
        "semaphores" => raw::memory::semaphores(bytes, KEPT).map_err(Into::into),
        "messages" => raw::memory::messages(bytes, KEPT).map_err(Into::into),
        // Of each there is one at a time.
        "shared-in-turn" => in_turn(|| {
            let region = map(bytes, libc::MAP_SHARED, None)?;
            region.touch();
            Ok(region.unmap(0, bytes)?)
        }),
        "memfds-in-turn" => in_turn(|| {
            let file = memfd()?;
            file.set_len(bytes as u64)?;
            let region = map(bytes, libc::MAP_SHARED, Some(&file))?;
            region.touch();
            Ok(region.unmap(0, bytes)?)
        }),
        "unlinked-in-turn" => in_turn(|| {
            let path = directory.join("unlinked");
            let file = File::create(&path)?;
            std::fs::remove_file(&path)?;
            (0..bytes / CHUNK).try_for_each(|_| (&file).write_all(&vec![1; CHUNK]))
        }),
        // More than the supervisor keeps in sight at one time.
        "many-files" => (0..3000).try_for_each(|number| {
            let path = directory.join(format!("file-{number}"));
            std::fs::write(path, b"x")
        }),
        "many-memfds" => (0..60)
            .map(|_| Ok(memfd()?))
            .collect::<std::io::Result<Vec<_>>>()
            .map(drop),
        _ => return None,
    })
}

fn each(number: usize, mut make: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    (0..number).try_for_each(|_| make())?;
    std::thread::sleep(KEPT);
    Ok(())
}

fn in_turn(make: impl Fn() -> std::io::Result<()>) -> std::io::Result<()> {
    (0..12).try_for_each(|_| make())
}

fn touch_and_drop(region: &Region, bytes: usize) -> std::io::Result<()> {
    for from in (0..bytes).step_by(CHUNK) {
        region.touch_part(from, CHUNK);
        region.advise(from, CHUNK, libc::MADV_DONTNEED)?;
    }
    std::thread::sleep(KEPT);
    match region.holds(bytes - PAGE) {
        true => Ok(()),
        false => Err(std::io::Error::other("it was given back")),
    }
}

fn dropped(bytes: usize, file: Option<File>) -> std::io::Result<()> {
    let region = map(bytes, libc::MAP_SHARED, file.as_ref())?;
    drop(file);
    touch_and_drop(&region, bytes)
}

/// Nothing of it is in the page tables of the only process that stays.
fn touched_by_children(bytes: usize) -> std::io::Result<()> {
    let region = map(bytes, libc::MAP_SHARED, None)?;
    for from in (0..bytes).step_by(CHUNK) {
        let child = raw::fork(|| {
            region.touch_part(from, CHUNK);
            0
        });
        raw::reap(child);
    }
    std::thread::sleep(KEPT);
    Ok(())
}

fn filled(mut file: File) -> std::io::Result<File> {
    file.write_all(&vec![1; CHUNK])?;
    Ok(file)
}

fn page_of(file: &File) -> std::io::Result<()> {
    map(PAGE, libc::MAP_PRIVATE, Some(file))?;
    Ok(())
}

/// In no process's descriptors, but in messages that nobody has received yet.
fn in_flight(number: usize) -> std::io::Result<()> {
    let (near, far) = UnixStream::pair()?;
    each(number, || {
        raw::memory::send(near.as_fd(), filled(memfd()?)?.as_fd())
    })?;
    drop(far);
    Ok(())
}

/// Those of one thread, which are not those of its process.
fn own_descriptors(bytes: usize) -> std::io::Result<()> {
    let thread = std::thread::spawn(move || {
        raw::memory::own_descriptors()?;
        let mut file = memfd()?;
        let chunk = vec![1; MEBIBYTE];
        (0..bytes / MEBIBYTE).try_for_each(|_| file.write_all(&chunk))?;
        std::thread::sleep(KEPT);
        Ok(())
    });
    thread.join().map_err(|_| std::io::Error::other("panic"))?
}

/// A pipe that holds one byte of a huge page holds all of it.
fn spliced(bytes: usize) -> std::io::Result<()> {
    const HUGE: usize = 2 * MEBIBYTE;
    let mut pipes = Vec::new();
    for number in 0..bytes / HUGE {
        if number % 16 == 0 {
            pipes.push(std::io::pipe()?);
        }
        let region = map(2 * HUGE, libc::MAP_PRIVATE, None)?;
        let from = region.aligned(HUGE);
        region.advise(from, HUGE, libc::MADV_HUGEPAGE)?;
        region.touch_part(from, HUGE);
        if let Some((_, writer)) = pipes.last() {
            raw::memory::splice(writer.as_fd(), &region, from)?;
        }
        region.unmap(0, 2 * HUGE)?;
    }
    std::thread::sleep(KEPT);
    Ok(())
}
