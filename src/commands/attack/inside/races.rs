//! Races: a name that leads elsewhere between the check of a call and its work.

use super::super::given::{Given, Tried};
use super::super::tools::{TOOL, by, content};
use crate::sys;
use crate::sys::attack::Page;
use crate::sys::process::Fork;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Repeats an attempt until one yields what is not public, or the time is over.
fn repeat(given: &Given, mut attempt: impl FnMut() -> Result<String, String>) -> Tried {
    let end = Instant::now() + Duration::from_secs_f64(given.seconds);
    let (mut tries, mut passed, mut last) = (0_u64, 0_u64, String::new());
    while Instant::now() < end {
        tries += 1;
        match attempt() {
            Ok(text) if text.contains(&given.token) => return Ok(text),
            Ok(_) => passed += 1,
            Err(why) => last = why,
        }
    }
    let last = match last.is_empty() {
        true => String::new(),
        false => format!(", else {last}"),
    };
    Err(format!(
        "{tries} tries, {passed} reached the public file{last}"
    ))
}

/// Runs `disturb` in a second thread for as long as the attempts last.
fn beside(
    given: &Given,
    disturb: impl Fn() + Send + Sync,
    attempt: impl FnMut() -> Result<String, String>,
) -> Tried {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let helper = || {
            while !over.load(Ordering::Relaxed) {
                disturb();
            }
        };
        let started = std::thread::Builder::new().spawn_scoped(scope, helper);
        if let Err(error) = started {
            return Err(by("clone of a thread")(error));
        }
        let result = repeat(given, attempt);
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// Both paths with a NUL, padded to the same length.
fn names(given: &Given) -> [Vec<u8>; 2] {
    let mut names =
        [&given.allowed, &given.secret].map(|path| path.as_os_str().as_bytes().to_vec());
    let longest = names.iter().map(Vec::len).max().unwrap_or_default() + 1;
    names.iter_mut().for_each(|name| name.resize(longest, 0));
    names
}

fn opened(page: &Page, at: usize) -> Result<String, String> {
    content(page.open(at).map_err(by("openat"))?)
}

/// Another thread rewrites the path while it is checked.
pub fn path(given: &Given) -> Tried {
    let page = Page::new(false).map_err(by("mmap"))?;
    let [good, bad] = names(given);
    let rewrite = || {
        page.write(0, &bad);
        page.write(0, &good);
    };
    beside(given, rewrite, || opened(&page, 0))
}

/// Another process rewrites the path, in memory that both share.
pub fn shared_path(given: &Given) -> Tried {
    let page = Page::new(true).map_err(by("mmap"))?;
    let [good, bad] = names(given);
    let end = Instant::now() + Duration::from_secs_f64(given.seconds + 0.1);
    let child = match sys::process::fork().map_err(by("fork"))? {
        Fork::Child => {
            while Instant::now() < end {
                page.write(0, &bad);
                page.write(0, &good);
            }
            sys::process::exit(0)
        }
        Fork::Parent(child) => child,
    };
    let result = repeat(given, || opened(&page, 0));
    let _ = sys::process::kill(child, libc::SIGKILL);
    let _ = sys::wait::wait(child, 0);
    result
}

/// A path that continues in a page that is given back: the kernel reads zeros there, and a shorter path, which
/// is a link to the secret.
fn lazy(given: &Given, advices: &[i32]) -> Tried {
    let page = Page::new(false).map_err(by("mmap"))?;
    let (long, short) = (
        given.public.as_os_str().as_bytes(),
        given.near.as_os_str().as_bytes(),
    );
    let rest = [long.strip_prefix(short).unwrap_or_default(), b"\0"].concat();
    let at = page.half() - short.len();
    page.write(at, short);
    page.write(page.half(), &rest);
    for advice in advices {
        page.advise_second(*advice).map_err(by("madvise"))?;
    }
    let disturb = || {
        page.write(page.half(), &rest);
        for advice in advices {
            let _ = page.advise_second(*advice);
        }
    };
    beside(given, disturb, || opened(&page, at))
}

/// The page is discarded at once.
pub fn discarded_page(given: &Given) -> Tried {
    lazy(given, &[libc::MADV_DONTNEED])
}

/// The page may be discarded when the kernel needs memory, and the kernel is asked to take it.
pub fn freed_page(given: &Given) -> Tried {
    lazy(given, &[libc::MADV_FREE, libc::MADV_PAGEOUT])
}

/// Swaps the target of a link, until the attempts end.
fn swap(given: &Given, turn: &std::sync::atomic::AtomicU32, targets: [&Path; 2], link: &Path) {
    let turn = turn.fetch_add(1, Ordering::Relaxed);
    let target = targets
        .get(turn as usize % 2)
        .copied()
        .unwrap_or(&given.public);
    let new = link.with_extension("new");
    let _ = symlink(target, &new);
    let _ = fs::rename(&new, link);
}

/// A second thread swaps the target of a symbolic link.
pub fn link(given: &Given) -> Tried {
    let link = given.work.join("swapped");
    symlink(&given.allowed, &link).map_err(by("symlink"))?;
    let turn = Default::default();
    let targets = [given.secret.as_path(), given.allowed.as_path()];
    let disturb = || swap(given, &turn, targets, &link);
    beside(given, disturb, || {
        content(File::open(&link).map_err(by("open"))?)
    })
}

/// A second thread swaps a directory above the file for a link to the directory outside.
pub fn directory(given: &Given) -> Tried {
    let place = given.work.join("place");
    let aside = given.work.join("aside");
    let name = given.secret.file_name().unwrap_or_default();
    fs::create_dir(&place).map_err(by("mkdir"))?;
    fs::write(place.join(name), "public").map_err(by("open in the working directory"))?;
    let above = given.secret.parent().unwrap_or(Path::new("/"));
    let link = given.work.join("led");
    symlink(above, &link).map_err(by("symlink"))?;
    let file = place.join(name);
    let disturb = || {
        let _ = fs::rename(&place, &aside);
        let _ = fs::rename(&link, &place);
        let _ = fs::rename(&place, &link);
        let _ = fs::rename(&aside, &place);
    };
    beside(given, disturb, || {
        content(File::open(&file).map_err(by("open"))?)
    })
}

/// A second thread swaps the target of a link while it is executed.
pub fn program(given: &Given) -> Tried {
    let link = given.work.join("swapped-program");
    let allowed = Path::new("/bin/true");
    symlink(allowed, &link).map_err(by("symlink"))?;
    let turn = Default::default();
    let targets = [given.tool.as_path(), allowed];
    let disturb = || {
        swap(given, &turn, targets, &link);
        std::thread::yield_now();
    };
    // A program that printed nothing was the allowed one.
    let found = beside(given, disturb, || {
        let output = std::process::Command::new(&link)
            .output()
            .map_err(by("execve"))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        match (output.status.success(), printed.contains(TOOL)) {
            (true, true) => Ok(format!("{printed}{}", given.token)),
            (true, false) => Ok(String::new()),
            (false, _) => Err(format!("execve: {}", output.status)),
        }
    });
    found.map_err(|why| why.replace("public file", "allowed program"))
}

/// Opens a link that another jail in the same directory swaps.
pub fn sibling(given: &Given) -> Tried {
    let link = given.work.join("swapped");
    let end = Instant::now() + Duration::from_secs(2);
    while link.symlink_metadata().is_err() {
        if Instant::now() > end {
            return Err("the other jail may not make a link here".to_owned());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    repeat(given, || content(File::open(&link).map_err(by("open"))?))
}

/// What the other jail does.
pub fn swap_for_sibling(given: &Given) -> Tried {
    let link = given.work.join("swapped");
    symlink(&given.allowed, &link).map_err(by("symlink"))?;
    let turn = Default::default();
    let end = Instant::now() + Duration::from_secs_f64(given.seconds + 1.0);
    while Instant::now() < end {
        swap(given, &turn, [&given.secret, &given.allowed], &link);
    }
    Err("it only swaps a link".to_owned())
}

/// `struct sockaddr_in`.
fn address(port: u16, ip: std::net::Ipv4Addr) -> Vec<u8> {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(ip.octets());
    bytes.resize(16, 0);
    bytes
}

/// Another thread rewrites the address while it is checked.
pub fn peer(given: &Given) -> Tried {
    let page = Page::new(false).map_err(by("mmap"))?;
    let good = address(given.tcp, std::net::Ipv4Addr::new(203, 0, 113, 1));
    let bad = address(given.tcp, std::net::Ipv4Addr::LOCALHOST);
    let rewrite = || {
        page.write(0, &bad);
        page.write(0, &good);
    };
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    beside(given, rewrite, || {
        let socket: OwnedFd = sys::attack::socket(libc::AF_INET, kind, 0).map_err(by("socket"))?;
        match page.connect(socket.as_fd(), 0, 16) {
            Ok(()) | Err(sys::Errno::EINPROGRESS) => Ok(String::new()),
            Err(errno) => Err(by("connect")(errno)),
        }
    })
}
