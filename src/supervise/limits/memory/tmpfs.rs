//! Files of a tmpfs that the jail has filled: those that one of its processes has opened for writing.
//! Open or not, they are in no process's memory.
//!
//! Others write to the same file systems at the same time, and nothing of a file tells who has filled
//! it. So each open that may write is seen at its return, and no other file counts; of one that was there
//! before, what it has grown by.

use super::mounts::{self, Mount, Search};
use super::smaps::Inode;
use crate::syscalls::Call;
use crate::syscalls::named::open_flags::{O_ACCMODE, O_CREAT, O_PATH, O_TRUNC};
use crate::syscalls::op::{Op, Open};
use crate::trace::Tid;
use std::collections::{HashMap, HashSet};
use std::fs::{Metadata, read_link, symlink_metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// What a look at them may take at a tick: some 2 µs each.
const TIME: Duration = Duration::from_millis(4);
/// What a search may take at a tick, and how many times as long none begins after it.
const SEARCH: Duration = Duration::from_millis(4);
const REST: u32 = 9;
/// So many searches must not have found a file that is taken to be gone: it may be moved during one.
const SEARCHES: u8 = 2;

/// What is known of a file.
#[derive(Debug)]
struct Written {
    /// Where it was last seen.
    path: PathBuf,
    /// What was in it before the jail, in bytes.
    before: u64,
    /// What is in it.
    bytes: u64,
    /// What was in it when it was last seen.
    last: u64,
    /// How many searches have not found it, where it is not at its path any more.
    lost: Option<u8>,
}

/// Bytes of a file of a tmpfs that is empty: `shmem_inode_info` and `dentry` of the kernel take some 900
/// on 64 bits, a [`Written`] in its table some 200.
const RECORD: usize = 1024 + 128;

/// All of them.
#[derive(Debug)]
pub struct TmpfsFiles {
    /// When the jail began.
    begun: SystemTime,
    mounts: Vec<Mount>,
    /// Devices that are none of those.
    others: HashSet<u64>,
    files: HashMap<Inode, Written>,
    /// Those that were opened since the last look.
    fresh: Vec<Inode>,
    /// The rest of a look at all.
    left: Vec<Inode>,
    /// How often all were looked at.
    passes: u64,
    search: Option<Search>,
    rest: Instant,
}

/// Whether a call may open a file for writing. What openat2 asks is in memory.
pub fn may_fill(call: &Call) -> bool {
    let writes = |arg: usize| {
        let flags = call.args.get(arg).copied().unwrap_or_default();
        flags & (O_ACCMODE | O_CREAT | O_TRUNC) != 0 && flags & O_PATH == 0
    };
    match call.op() {
        Op::Open(Open::Open) => writes(1),
        Op::Open(Open::Openat) => writes(2),
        Op::Open(Open::Creat | Open::Openat2) => true,
        _ => false,
    }
}

impl TmpfsFiles {
    /// `writable`: where the command may change files; `None`: anywhere.
    pub fn new(writable: Option<&[PathBuf]>) -> Self {
        Self {
            begun: SystemTime::now(),
            mounts: mounts::mounts(writable),
            others: HashSet::new(),
            files: HashMap::new(),
            fresh: Vec::new(),
            left: Vec::new(),
            passes: 0,
            search: None,
            rest: Instant::now(),
        }
    }

    /// A task has opened a file, and may write to it.
    pub fn opened(&mut self, tid: Tid, fd: i32) {
        let link = PathBuf::from(format!("/proc/{tid}/fd/{fd}"));
        if let Ok(stat) = std::fs::metadata(&link) {
            self.add(&link, &stat);
        }
    }

    /// Whether this is the device of a tmpfs where the command may write.
    pub fn is_tmpfs(&self, device: u64) -> bool {
        self.mounts.iter().any(|mount| mount.device == device)
    }

    fn add(&mut self, link: &Path, stat: &Metadata) {
        let inode = (stat.dev(), stat.ino());
        if self.others.contains(&inode.0) || !stat.is_file() {
            return;
        }
        if !self.is_tmpfs(inode.0) {
            self.others.insert(inode.0);
            return;
        }
        self.fresh.push(inode);
        // Another thread may have written to a new file before its open was seen to return (statx(2): a tmpfs
        // tells the time of birth since Linux 5.18).
        let new = stat.created().is_ok_and(|birth| birth >= self.begun);
        self.files.entry(inode).or_insert_with(|| {
            let bytes = stat.blocks() * 512;
            Written {
                path: read_link(link).unwrap_or_default(),
                before: if new { 0 } else { bytes },
                bytes,
                last: bytes,
                lost: None,
            }
        });
    }

    /// Whether something of this name can be one of them.
    pub fn may_have(&self, name: &Path) -> bool {
        self.mounts
            .iter()
            .any(|mount| name.starts_with(&mount.path))
    }

    /// The same of a descriptor, `link`, which has this name. One that is too long to be told may be anywhere.
    pub fn may_be(&self, link: &Path, name: &Path) -> bool {
        let too_long = |error: std::io::Error| error.raw_os_error() == Some(libc::ENAMETOOLONG);
        self.may_have(name)
            || name.as_os_str().is_empty()
                && !self.mounts.is_empty()
                && read_link(link).is_err_and(too_long)
    }

    /// Whether it is one of them. A file that a process has open for writing becomes one: it was inherited,
    /// or given by a process outside.
    pub fn has(&mut self, link: &Path, stat: &Metadata) -> bool {
        let inode = (stat.dev(), stat.ino());
        let writes = || symlink_metadata(link).is_ok_and(|link| link.mode() & 0o200 != 0);
        if !self.files.contains_key(&inode) && writes() {
            self.add(link, stat);
        }
        self.files.contains_key(&inode)
    }

    /// What the jail has written to this file of so many bytes.
    pub fn grown(&self, inode: Inode, bytes: u64) -> u64 {
        let before = self.files.get(&inode).map_or(0, |file| file.before);
        bytes.saturating_sub(before)
    }

    /// Looks how large they are. `open`: those that are open, and how large.
    pub fn look(&mut self, open: &HashMap<Inode, u64>) {
        let end = Instant::now() + TIME;
        for inode in std::mem::take(&mut self.fresh) {
            self.look_at(inode, open);
        }
        if self.left.is_empty() {
            self.left.extend(self.files.keys());
        }
        while let Some(inode) = self.left.pop() {
            self.look_at(inode, open);
            if Instant::now() >= end {
                break;
            }
        }
        self.passes += u64::from(self.left.is_empty());
        self.find();
    }

    fn look_at(&mut self, inode: Inode, open: &HashMap<Inode, u64>) {
        let Some(file) = self.files.get_mut(&inode) else {
            return;
        };
        let mut is = |bytes| {
            (file.bytes, file.last, file.lost) = (bytes, bytes, None);
            // What was cut away belongs to no process any more.
            file.before = file.before.min(bytes);
        };
        if let Some(&bytes) = open.get(&inode) {
            return is(bytes);
        }
        match symlink_metadata(&file.path) {
            Ok(stat) if (stat.dev(), stat.ino()) == inode => is(stat.blocks() * 512),
            // It was locked away, and is what it was.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            _ if file.lost.is_none() => (file.bytes, file.lost) = (0, Some(0)),
            _ => {}
        }
    }

    /// Looks for those that have another name now, or none.
    fn find(&mut self) {
        let begin = Instant::now();
        if self.search.is_none() {
            let lost = self.files.values().any(|file| file.lost.is_some());
            if !lost || begin < self.rest {
                return;
            }
            for file in self.files.values_mut() {
                file.lost = file.lost.map(|times| times.saturating_add(1));
            }
        }
        let search = self.search.take();
        let mut search = search.unwrap_or_else(|| Search::new(&self.mounts));
        let (files, fresh) = (&mut self.files, &mut self.fresh);
        let done = search.go(SEARCH, |inode, path| {
            if let Some(file) = files.get_mut(&inode)
                && file.lost.is_some()
            {
                (file.path, file.lost) = (path, None);
                fresh.push(inode);
            }
        });
        self.rest = Instant::now() + begin.elapsed() * REST;
        match done {
            // It may be where no process can look: it is what it was.
            true if search.is_blind() => {
                for file in self
                    .files
                    .values_mut()
                    .filter(|file| file.lost >= Some(SEARCHES))
                {
                    file.bytes = file.last;
                }
            }
            true => self
                .files
                .retain(|_, file| file.lost.is_none_or(|times| times < SEARCHES)),
            false => self.search = Some(search),
        }
    }

    /// How often all of them were looked at.
    pub fn passes(&self) -> u64 {
        self.passes
    }

    /// What is kept of the files themselves, however empty they are: an inode and a name in the kernel,
    /// the path here. It counts as the command's, so that its limit bounds what is kept for it.
    pub fn records(&self) -> u64 {
        let paths = self.files.values().map(|file| file.path.as_os_str().len());
        let paths = paths.fold(0, usize::saturating_add);
        (self.files.len() * RECORD).saturating_add(paths) as u64
    }

    /// What the jail has written to those that are not among `open`, in bytes.
    pub fn sum(&self, open: &HashMap<Inode, u64>) -> u64 {
        let closed = self.files.iter().filter(|(at, _)| !open.contains_key(at));
        closed
            .map(|(_, file)| file.bytes.saturating_sub(file.before))
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;

    const WRITTEN: usize = 1 << 16;

    /// Files in a directory that is taken for a tmpfs.
    fn files(root: &Path) -> TmpfsFiles {
        fs::create_dir_all(root.join("deep")).expect("mkdir");
        let device = symlink_metadata(root).expect("a directory").dev();
        TmpfsFiles {
            mounts: vec![Mount {
                path: root.to_owned(),
                device,
                trees: vec![root.to_owned()],
            }],
            ..TmpfsFiles::new(Some(&[]))
        }
    }

    #[test]
    fn what_was_opened_for_writing_counts_wherever_it_goes_and_no_other_file() {
        let root = std::env::temp_dir().join(format!("jail-written-{}", std::process::id()));
        let mut files = files(&root);
        let own = std::process::id() as Tid;
        let none = HashMap::new();
        let sum = |files: &mut TmpfsFiles| {
            (0..4).for_each(|_| {
                files.rest = Instant::now();
                files.look(&none);
            });
            files.sum(&none)
        };
        fs::write(root.join("other"), vec![1; WRITTEN]).expect("a file");
        assert_eq!(sum(&mut files), 0);

        let file = fs::File::create(root.join("own")).expect("a file");
        files.opened(own, file.as_raw_fd());
        fs::write(root.join("own"), vec![1; WRITTEN]).expect("a file");
        let bytes = file.metadata().expect("a file").blocks() * 512;
        assert_eq!(sum(&mut files), bytes);
        fs::rename(root.join("own"), root.join("deep/renamed")).expect("rename");
        assert_eq!(sum(&mut files), bytes);
        fs::remove_file(root.join("deep/renamed")).expect("unlink");
        assert_eq!(sum(&mut files), 0);
        assert!(files.files.is_empty());

        // Empty ones count by what is kept of them.
        assert_eq!(files.records(), 0);
        let names: Vec<PathBuf> = (0..8).map(|n| root.join(format!("empty-{n}"))).collect();
        for name in &names {
            let file = fs::File::create(name).expect("a file");
            files.opened(own, file.as_raw_fd());
        }
        assert!(files.records() >= 8 * 1024);
        names
            .iter()
            .for_each(|name| fs::remove_file(name).expect("unlink"));
        assert_eq!(sum(&mut files), 0);
        assert_eq!(files.records(), 0);

        // It was there before.
        files.begun = SystemTime::now() + Duration::from_secs(1);
        let old = fs::File::options().append(true).open(root.join("other"));
        files.opened(own, old.expect("a file").as_raw_fd());
        assert_eq!(sum(&mut files), 0);
        let _ = fs::remove_dir_all(&root);
    }

    /// What is counted after some looks.
    fn sum_after(files: &mut TmpfsFiles) -> u64 {
        let none = HashMap::new();
        (0..6).for_each(|_| {
            files.rest = Instant::now();
            files.look(&none);
        });
        files.sum(&none)
    }

    #[test]
    fn a_file_that_is_moved_into_a_locked_directory_counts() {
        use std::os::unix::fs::PermissionsExt;
        let root = std::env::temp_dir().join(format!("jail-locked-{}", std::process::id()));
        let mut files = files(&root);
        let (own, deep) = (std::process::id() as Tid, root.join("deep"));
        let file = fs::File::create(root.join("file")).expect("a file");
        files.opened(own, file.as_raw_fd());
        fs::write(root.join("file"), vec![1; WRITTEN]).expect("a file");
        let bytes = file.metadata().expect("a file").blocks() * 512;
        assert_eq!(sum_after(&mut files), bytes);
        // It may not be listed.
        let mode = |mode| fs::set_permissions(&deep, fs::Permissions::from_mode(mode));
        mode(0o300).expect("chmod");
        fs::rename(root.join("file"), deep.join("moved")).expect("rename");
        assert_eq!(sum_after(&mut files), bytes);
        fs::remove_file(deep.join("moved")).expect("unlink");
        mode(0o700).expect("chmod");
        assert_eq!(sum_after(&mut files), 0);
        let _ = fs::remove_dir_all(&root);
    }

    #[test]
    fn a_new_file_counts_whole_whatever_was_in_it_when_it_was_first_seen() {
        let root = std::env::temp_dir().join(format!("jail-new-{}", std::process::id()));
        let mut files = files(&root);
        // The kernel's clock of files is a tick late.
        files.begun -= Duration::from_secs(1);
        fs::write(root.join("file"), vec![1; WRITTEN]).expect("a file");
        let file = fs::File::open(root.join("file")).expect("a file");
        let stat = file.metadata().expect("a file");
        files.opened(std::process::id() as Tid, file.as_raw_fd());
        match stat.created() {
            Ok(_) => assert_eq!(sum_after(&mut files), stat.blocks() * 512),
            Err(error) => println!("NOT TRIED HERE: a file's time of birth: {error}"),
        }
        fs::remove_dir_all(&root).expect("removed");
    }

    #[test]
    fn a_file_whose_path_is_too_long_counts() {
        use nix::fcntl::{OFlag, openat};
        use nix::sys::stat::{Mode, mkdirat};
        let root = std::env::temp_dir().join(format!("jail-long-{}", std::process::id()));
        let mut files = files(&root);
        let name = "d".repeat(250);
        let directory = OFlag::O_DIRECTORY | OFlag::O_RDONLY;
        let mut at = openat(nix::fcntl::AT_FDCWD, &root, directory, Mode::empty()).expect("open");
        for _ in 0..20 {
            mkdirat(&at, name.as_str(), Mode::S_IRWXU).expect("mkdir");
            at = openat(&at, name.as_str(), directory, Mode::empty()).expect("open");
        }
        let flags = OFlag::O_CREAT | OFlag::O_RDWR;
        let file = openat(&at, "file", flags, Mode::S_IRWXU).expect("a file");
        let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        assert!(files.may_be(&link, Path::new("")));
        files.opened(std::process::id() as Tid, file.as_raw_fd());
        nix::unistd::write(&file, &[1; WRITTEN]).expect("a write");
        // It was open at one look at least: its pass has told its size.
        let stat = fs::metadata(&link).expect("a file");
        let open = HashMap::from([((stat.dev(), stat.ino()), stat.blocks() * 512)]);
        files.look(&open);
        drop(file);
        assert_eq!(sum_after(&mut files), stat.blocks() * 512);
        fs::remove_dir_all(&root).expect("removed");
    }
}
