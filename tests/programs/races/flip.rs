//! The flips: ways to let one path argument mean the good path at one moment and the bad one at
//! the next, and who does it meanwhile.

use crate::busy::busy;
use crate::place::{LINK, Place};
use crate::raw::aio::{self, Reads};
use crate::raw::{self, How, Text};
use crate::role::{self, Role};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// What is flipped, and by whom.
#[derive(Clone, Copy, PartialEq)]
pub enum Flip {
    /// The string, by a thread.
    Thread,
    /// The string, in memory that is shared with children too, by a thread.
    SharedThread,
    /// The string, in shared memory, by a process.
    Process,
    /// The string, in shared memory, by ever new children that a thread forks.
    Forks,
    /// The string, in private memory, by a process that shares the memory but is no thread.
    CloneVm,
    /// The string, in private memory, by a process through /proc/PID/mem.
    MemFile,
    /// The string, in private memory, by a process with process_vm_writev.
    VmWrite,
    /// The string, on a private page of a file that a process writes.
    FilePage,
    /// The page of the string, by a thread that maps others over it.
    Remap,
    /// The string, in private memory of a process without threads, by reads from the disk.
    Aio,
    /// A directory with a symbolic link, by a process.
    Directory,
    /// As before, named by a relative path.
    Relative,
    /// A directory that the path leaves again by `..`, with a symbolic link, by a process.
    Above,
    /// The target of a symbolic link, by a process.
    Symlink,
    /// The working directory, by a thread.
    Cwd,
    /// The working directory, named /proc/self/cwd.
    ProcCwd,
    /// The directory descriptor, by a thread.
    Dirfd,
    /// The directory descriptor, named /proc/self/fd/N.
    ProcFd,
    /// A descriptor of a file, opened again as /proc/self/fd/N.
    ProcFdFile,
    /// A descriptor, between a memfd and BAD opened for reading, opened again as /proc/self/fd/N.
    ProcFdMemfd,
    /// A descriptor, between what the attack was started with as stdin and BAD opened for reading, opened
    /// again as /proc/self/fd/N.
    ProcFdStdin,
    /// A descriptor of another process, between a memfd and BAD, opened again as /proc/PID/fd/N; the
    /// owner has BAD opened with O_PATH.
    OtherFd,
    /// As before, but the owner has BAD opened for reading.
    OtherMemfd,
    /// The string, relative to the directory in /proc of a process that has ended.
    DeadProcess,
    /// The working directory, by another program that shares it.
    CwdOfProgram,
    /// The string, between the working directory and that of BAD.
    Here,
    /// The flags of a struct open_how, by a thread.
    How,
    /// The flags of a struct open_how in shared memory, by a process.
    SharedHow,
}

/// Makes the argument bad (or good).
pub type Turn = Box<dyn Fn(bool) + Send>;

/// A flip that goes on until this is dropped.
pub struct Flipping {
    pub dirfd: i32,
    pub path: Text,
    pub how: How,
    /// Where the good thing may be found, to restore it.
    pub homes: Vec<Text>,
    reads: Option<Reads>,
    control: Control,
    process: Option<i32>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// State and end of the flipping, in shared memory.
#[derive(Clone, Copy)]
struct Control(&'static [AtomicU8]);

const STARTING: u8 = 0;
const RUNNING: u8 = 1;
const UNAVAILABLE: u8 = 2;

impl Control {
    fn state(self) -> u8 {
        self.0[0].load(Ordering::Acquire)
    }

    fn set_state(self, state: u8) {
        self.0[0].store(state, Ordering::Release);
    }

    fn ended(self) -> bool {
        self.0[1].load(Ordering::Relaxed) != 0
    }

    /// Flips until the end.
    fn flip(self, turn: &Turn) {
        self.set_state(RUNNING);
        while !self.ended() {
            self.flip_some(turn);
        }
    }

    fn flip_some(self, turn: &Turn) {
        for _ in 0..64 {
            turn(true);
            turn(false);
            if self.ended() {
                return;
            }
        }
    }
}

/// A string that begins as `good`, and what turns it into `bad` and back; if `good` is relative it
/// begins with `.`.
pub fn turning(good: &Path, bad: &Path) -> (Text, Turn) {
    let (mut good, bad) = (good.to_path_buf(), bad.to_path_buf());
    if let Ok(rest) = good.strip_prefix(".") {
        let missing = bad.as_os_str().len() - 1 - rest.as_os_str().len();
        good = format!(".{}{}", "/".repeat(missing), rest.display()).into();
    }
    let strings = Strings::new(&good, &bad);
    let text = Text::private(strings.path());
    (text, strings.turn(text))
}

/// Two strings of one length, which differ where these bytes do.
struct Strings {
    good: Vec<u8>,
    bad: Vec<u8>,
}

impl Strings {
    /// Slashes in front make up for a difference in length.
    fn new(good: &Path, bad: &Path) -> Self {
        let [good, bad] = [good, bad].map(|path| path.as_os_str().as_bytes());
        let length = good.len().max(bad.len());
        let padded = |path: &[u8]| {
            let mut padded = vec![b'/'; length - path.len()];
            padded.extend_from_slice(path);
            padded
        };
        Self {
            good: padded(good),
            bad: padded(bad),
        }
    }

    fn path(&self) -> PathBuf {
        raw::path_of(&self.good).to_path_buf()
    }

    /// Stores what differs.
    fn turn(self, text: Text) -> Turn {
        let differing: Vec<(usize, u8, u8)> = (0..self.good.len())
            .map(|at| (at, self.good[at], self.bad[at]))
            .filter(|(_, good, bad)| good != bad)
            .collect();
        Box::new(move |to_bad| {
            for (at, good, bad) in &differing {
                let byte = if to_bad { bad } else { good };
                text.0[*at].store(*byte, Ordering::Relaxed);
            }
        })
    }
}

impl Flip {
    /// Begins; `None` if this cannot be done here.
    pub fn start(self, place: &Place) -> Option<Flipping> {
        let strings = Strings::new(&place.good, &place.bad);
        let mut on = Flipping {
            dirfd: libc::AT_FDCWD,
            path: match self {
                Self::SharedThread | Self::Process | Self::Forks => Text::shared(strings.path()),
                _ => Text::private(strings.path()),
            },
            how: How::new(self == Self::SharedHow),
            homes: vec![Text::private(&place.good)],
            reads: None,
            control: Control(raw::map(2, true)),
            process: None,
            thread: None,
        };
        let text = on.path;
        match self {
            Self::Thread | Self::SharedThread => on.by_thread(strings.turn(text)),
            Self::Process => on.by_process(|| Some(strings.turn(text))),
            Self::Forks => on.by_children(strings.turn(text)),
            Self::CloneVm => on.by_clone(strings.turn(text)),
            Self::MemFile => on.by_process(|| through_mem(strings, text)),
            Self::VmWrite => on.by_process(|| through_vm(strings, text)),
            Self::FilePage => on.file_page(strings, place),
            Self::Remap => on.remap(strings),
            Self::Aio => on.aio(&strings, place)?,
            Self::Directory => on.directory(place),
            Self::Relative => {
                on.directory(place);
                on.path = Text::private(Path::new(SWAP).join("dir").join(leaf_of(place)));
            }
            Self::Above => on.above(place),
            Self::Symlink => on.symlink(place),
            Self::Cwd => on.cwd(place, place.below()),
            Self::ProcCwd => on.cwd(place, &Path::new("/proc/self/cwd").join(place.below())),
            Self::Dirfd | Self::ProcFd => on.descriptor(place, self == Self::ProcFd)?,
            Self::ProcFdMemfd => on.reopened(raw::memfd(b"GOOD"), place)?,
            Self::ProcFdStdin => on.reopened(raw::dup(0).ok()? as i32, place)?,
            Self::ProcFdFile => on.file_descriptor(place)?,
            Self::OtherFd => on.other_descriptor(place, libc::O_PATH),
            Self::OtherMemfd => on.other_descriptor(place, libc::O_RDONLY),
            Self::DeadProcess => on.dead_process(place)?,
            Self::CwdOfProgram => on.cwd_of_program(place),
            Self::Here => {
                let turn;
                (on.path, turn) = turning(Path::new("."), place.bad_directory());
                on.by_thread(Box::new(move |to_bad| {
                    turn(to_bad);
                    busy(1000);
                }));
            }
            Self::How | Self::SharedHow => on.open_how(self == Self::SharedHow),
        }
        on.wait_for_start()
    }
}

impl Flipping {
    fn wait_for_start(self) -> Option<Self> {
        let end = Instant::now() + Duration::from_secs(5);
        while self.control.state() == STARTING {
            assert!(Instant::now() < end, "the flipping never starts");
            std::thread::sleep(Duration::from_micros(100));
        }
        (self.control.state() != UNAVAILABLE).then_some(self)
    }

    fn by_thread(&mut self, turn: Turn) {
        let control = self.control;
        self.thread = Some(std::thread::spawn(move || control.flip(&turn)));
    }

    /// `turn` is made in the process that uses it.
    fn by_process(&mut self, turn: impl FnOnce() -> Option<Turn>) {
        let control = self.control;
        if role::is(Role::Acts) {
            return control.set_state(RUNNING);
        }
        if role::is(Role::Flips) {
            match turn() {
                Some(turn) => {
                    println!("flipping");
                    control.flip(&turn);
                }
                None => println!("unavailable"),
            }
            return;
        }
        self.process = Some(raw::fork(|| {
            raw::die_with_parent();
            match turn() {
                Some(turn) => control.flip(&turn),
                None => control.set_state(UNAVAILABLE),
            }
            0
        }));
    }

    fn by_children(&mut self, turn: Turn) {
        let control = self.control;
        self.thread = Some(std::thread::spawn(move || {
            control.set_state(RUNNING);
            while !control.ended() {
                let child = raw::fork(|| {
                    (0..16).for_each(|_| control.flip_some(&turn));
                    0
                });
                let _ = raw::wait(child, 0);
            }
        }));
    }

    fn by_clone(&mut self, turn: Turn) {
        let control = self.control;
        self.process = Some(raw::clone_vm(Box::new(move || {
            control.flip(&turn);
            std::mem::forget(turn);
        })));
    }

    fn file_page(&mut self, strings: Strings, place: &Place) {
        let file = place.scratch.join("page");
        let mut content = strings.good.clone();
        content.push(0);
        role::set_up(|| fs::write(&file, &content).expect("cannot write the file of the page"));
        let fd = raw::open_path(&file, libc::O_RDWR).expect("cannot open it again") as i32;
        self.path = Text(raw::map_file(fd, content.len()));
        self.by_process(|| {
            Some(Box::new(move |to_bad| {
                let bytes = if to_bad { &strings.bad } else { &strings.good };
                let _ = raw::write_at(fd, bytes, 0);
            }))
        });
    }

    fn remap(&mut self, strings: Strings) {
        let [good, bad] = [&strings.good, &strings.bad].map(|path| raw::memfd(path));
        let text = self.path;
        self.by_thread(Box::new(move |to_bad| {
            raw::map_over(text, if to_bad { bad } else { good });
        }));
    }

    fn aio(&mut self, strings: &Strings, place: &Place) -> Option<()> {
        let file = place.scratch.join("blocks");
        let mut content = vec![0; 2 * raw::PAGE];
        for (page, path) in [&strings.good, &strings.bad].into_iter().enumerate() {
            content[page * raw::PAGE..][..path.len()].copy_from_slice(path);
        }
        fs::write(&file, &content).expect("cannot write the blocks");
        let fd = raw::open_path(&file, libc::O_RDONLY | libc::O_DIRECT).ok()? as i32;
        self.reads = Some(Reads::new(fd, self.path).ok()?);
        self.control.set_state(RUNNING);
        Some(())
    }

    /// Runs a try while whatever must be begun for each try is under way.
    pub fn during<T>(&self, number: u64, attempt: impl FnOnce() -> T) -> T {
        let count = number as usize % aio::DEPTH + 1;
        let begun = self.reads.as_ref();
        let begun = begun.map(|reads| (reads, reads.begin(count)));
        let tried = attempt();
        if let Some((reads, Ok(begun))) = begun {
            reads.finish(begun);
        }
        tried
    }

    /// A true directory with a good file changes places with a link to the bad directory.
    fn directory(&mut self, place: &Place) {
        let swap = place.scratch.join(SWAP);
        let [directory, link] = ["dir", "link"].map(|name| swap.join(name));
        let leaf = leaf_of(place);
        role::set_up(|| {
            fs::create_dir_all(&directory).expect("cannot make a directory");
            symlink(place.bad_directory(), &link).expect("cannot make a link");
            if place.good.is_dir() {
                fs::create_dir_all(directory.join(leaf)).expect("cannot make a directory");
            } else if place.good.exists() {
                fs::write(directory.join(leaf), b"GOOD\n").expect("cannot write a file");
            }
        });
        let [directory, link] = [directory, link].map(|path| {
            self.homes.push(Text::private(path.join(leaf)));
            Text::private(path)
        });
        self.homes.remove(0);
        self.path = self.homes[0];
        self.exchange(directory, link);
    }

    /// A directory changes places with a link to one as deep beneath the bad tree.
    fn above(&mut self, place: &Place) {
        let swap = place.scratch.join("above");
        let [directory, link] = ["dir", "link"].map(|name| swap.join(name));
        let root = place.good_directory().parent();
        let root = root.expect("GOOD lies two directories deep");
        let way = directory.strip_prefix(root);
        let way = way.expect("the working directory lies in the tree of GOOD");
        let deep: PathBuf = way.components().map(|_| "deep").collect();
        let deep = place.above_bad().join(deep);
        role::set_up(|| {
            fs::create_dir_all(&directory).expect("cannot make a directory");
            symlink(&deep, &link).expect("cannot make a link");
        });
        let up: PathBuf = way.components().map(|_| "..").collect();
        let rest = place.good.strip_prefix(root);
        let rest = rest.expect("GOOD lies in its tree");
        self.path = Text::private(directory.join(up).join(rest));
        let [directory, link] = [directory, link].map(Text::private);
        self.exchange(directory, link);
    }

    fn exchange(&mut self, one: Text, other: Text) {
        self.by_process(|| {
            Some(Box::new(move |_| {
                let here = libc::AT_FDCWD;
                let _ = raw::rename_at(here, one, here, other, libc::RENAME_EXCHANGE);
            }))
        });
    }

    /// A symbolic link is replaced by ever new ones.
    fn symlink(&mut self, place: &Place) {
        let link = place.scratch.join(LINK);
        role::set_up(|| {
            // That of an earlier attack.
            let _ = std::fs::remove_file(&link);
            symlink(place.good_directory(), &link).expect("cannot make a link");
        });
        let leaf = place.good.file_name().expect("GOOD has a name");
        self.path = Text::private(link.join(leaf));
        let targets = [place.good_directory(), place.bad_directory()].map(Text::private);
        let [link, next] = [&link, &place.scratch.join("next")].map(Text::private);
        self.by_process(|| {
            Some(Box::new(move |to_bad| {
                let here = libc::AT_FDCWD;
                let _ = raw::symlink_at(targets[usize::from(to_bad)], here, next);
                let _ = raw::rename_at(here, next, here, link, 0);
            }))
        });
    }

    /// One relative path; the good directory holds a decoy where `above_bad` holds the bad one.
    fn cwd(&mut self, place: &Place, path: &Path) {
        self.path = Text::private(path);
        self.homes = vec![Text::private(place.good_directory().join(place.below()))];
        let [good, bad] = [place.good_directory(), place.above_bad()].map(Text::private);
        self.by_thread(Box::new(move |to_bad| {
            let _ = raw::change_directory(if to_bad { bad } else { good });
        }));
    }

    fn descriptor(&mut self, place: &Place, named: bool) -> Option<()> {
        let open = |path: &Path| raw::open_path(path, libc::O_PATH).ok().map(|fd| fd as i32);
        let [good, bad] = [open(place.good_directory())?, open(place.above_bad())?];
        self.homes = vec![Text::private(place.good_directory().join(place.below()))];
        let fd = raw::dup(good).ok()? as i32;
        if named {
            let directory = PathBuf::from(format!("/proc/self/fd/{fd}"));
            self.path = Text::private(directory.join(place.below()));
        } else {
            self.dirfd = fd;
            self.path = Text::private(place.below());
        }
        self.by_thread(Box::new(move |to_bad| {
            let _ = raw::dup_over(if to_bad { bad } else { good }, fd);
        }));
        Some(())
    }

    /// The descriptor of BAD is itself to be won, unless it is free.
    fn file_descriptor(&mut self, place: &Place) -> Option<()> {
        let open = |path: &Path| raw::open_path(path, libc::O_PATH).ok().map(|fd| fd as i32);
        let good = open(&place.good)?;
        let bad = open(&place.bad).or_else(|| win_descriptor(place))?;
        let fd = raw::dup(good).ok()? as i32;
        self.path = Text::private(format!("/proc/self/fd/{fd}"));
        self.by_thread(Box::new(move |to_bad| {
            let _ = raw::dup_over(if to_bad { bad } else { good }, fd);
        }));
        Some(())
    }

    fn reopened(&mut self, good: i32, place: &Place) -> Option<()> {
        let bad = raw::open_path(&place.bad, libc::O_RDONLY).ok()? as i32;
        let fd = raw::dup(good).ok()? as i32;
        self.path = Text::private(format!("/proc/self/fd/{fd}"));
        self.by_thread(Box::new(move |to_bad| {
            let _ = raw::dup_over(if to_bad { bad } else { good }, fd);
        }));
        Some(())
    }

    fn other_descriptor(&mut self, place: &Place, flags: i32) {
        const NUMBER: i32 = 50;
        let bad = place.bad.clone();
        self.by_process(|| {
            let good = raw::memfd(b"GOOD");
            let bad = raw::open_path(bad, flags).ok()? as i32;
            raw::dup_over(good, NUMBER).ok()?;
            Some(Box::new(move |to_bad| {
                let _ = raw::dup_over(if to_bad { bad } else { good }, NUMBER);
            }))
        });
        let owner = self.process.expect("a process was just started");
        self.path = Text::private(format!("/proc/{owner}/fd/{NUMBER}"));
    }

    fn dead_process(&mut self, place: &Place) -> Option<()> {
        let process = raw::fork(|| {
            raw::die_with_parent();
            std::thread::sleep(Duration::from_secs(100));
            0
        });
        let directory = raw::open_path(format!("/proc/{process}"), libc::O_DIRECTORY);
        raw::end(process);
        self.dirfd = directory.ok()? as i32;
        let turn;
        (self.path, turn) = turning(Path::new("./stat"), &place.bad);
        self.by_thread(turn);
        Some(())
    }

    fn cwd_of_program(&mut self, place: &Place) {
        self.path = Text::private(place.good.file_name().expect("GOOD has a name"));
        let [good, bad] = [place.good_directory(), place.bad_directory()];
        let program = std::env::current_exe().expect("this program has a path");
        let words = ["races", "case", "swap"].map(|word| word.as_bytes());
        let words = words.into_iter();
        let words = words.chain([good, bad].map(|path| path.as_os_str().as_bytes()));
        let words = words.map(|word| CString::new(word).expect("a path without NUL"));
        std::env::set_current_dir(bad).expect("cannot change the directory");
        self.process = Some(raw::programs::share_directory(
            Text::private(program),
            words.collect(),
        ));
        // It has begun when the directory has changed.
        for _ in 0..5000 {
            if std::env::current_dir().is_ok_and(|it| it == good) {
                self.control.set_state(RUNNING);
                return;
            }
            std::thread::sleep(Duration::from_micros(997));
        }
        self.control.set_state(UNAVAILABLE);
    }

    fn open_how(&mut self, shared: bool) {
        let how = self.how;
        // Reading, and writing in two ways; all flags lie in the low two bytes.
        let turn: Turn = Box::new(move |to_bad| {
            let bad = how.0[How::UNUSED].fetch_add(1, Ordering::Relaxed) & 2;
            let flags = match (to_bad, bad) {
                (false, _) => libc::O_RDONLY,
                (true, 0) => libc::O_RDWR,
                (true, _) => libc::O_WRONLY | libc::O_TRUNC,
            };
            let [low, high, ..] = flags.to_le_bytes();
            how.0[0].store(low, Ordering::Relaxed);
            how.0[1].store(high, Ordering::Relaxed);
        });
        if shared {
            self.by_process(|| Some(turn));
        } else {
            self.by_thread(turn);
        }
    }
}

/// The directory in which two things change places.
const SWAP: &str = "swap";

fn leaf_of(place: &Place) -> &Path {
    place.good.file_name().expect("GOOD has a name").as_ref()
}

/// A descriptor of BAD, if a race for it is won soon.
fn win_descriptor(place: &Place) -> Option<i32> {
    let on = Flip::Thread.start(place)?;
    for _ in 0..20_000 {
        let Ok(fd) = raw::open_at(on.dirfd, on.path, libc::O_PATH) else {
            continue;
        };
        if raw::refers_to(fd as i32, &place.bad) {
            return Some(fd as i32);
        }
        let _ = raw::close(fd as i32);
    }
    None
}

fn through_mem(strings: Strings, text: Text) -> Option<Turn> {
    let file = format!("/proc/{}/mem", std::os::unix::process::parent_id());
    let fd = raw::open_path(file, libc::O_RDWR).ok()? as i32;
    raw::write_at(fd, &strings.good, text.address()).ok()?;
    Some(Box::new(move |to_bad| {
        let bytes = if to_bad { &strings.bad } else { &strings.good };
        let _ = raw::write_at(fd, bytes, text.address());
    }))
}

fn through_vm(strings: Strings, text: Text) -> Option<Turn> {
    let parent = std::os::unix::process::parent_id() as i32;
    raw::vm_write(parent, &strings.good, text.address()).ok()?;
    Some(Box::new(move |to_bad| {
        let bytes = if to_bad { &strings.bad } else { &strings.good };
        let _ = raw::vm_write(parent, bytes, text.address());
    }))
}

impl Drop for Flipping {
    fn drop(&mut self) {
        self.control.0[1].store(1, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(process) = self.process.take() {
            raw::end(process);
        }
    }
}
