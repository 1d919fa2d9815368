//! Which paths a call names, how links in them are followed, and which access the call needs.
//!
//! One row per path argument of the [table](super::table): a test walks the table and fails if a path
//! has none. Facts are from the manual pages of section 2 and, for newer calls, from fs/*.c of Linux
//! 6.18.

use super::Call;

/// A path argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The system call.
    pub syscall: &'static str,
    /// Which argument is the path (for bind, the socket address).
    pub path: u8,
    /// Which argument holds the directory that a relative path starts from; `None`: the working
    /// directory.
    pub dirfd: Option<u8>,
    /// Whether a symbolic link at its end is followed.
    pub follow: Follow,
    /// Whether an empty path means the descriptor itself.
    pub empty: Empty,
    /// The access that the call needs.
    pub asks: Asks,
}

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Unless this argument has this bit.
    Unless(u8, u64),
    /// If this argument has this bit.
    If(u8, u64),
    /// As the open flags in this argument say: O_NOFOLLOW, or O_CREAT with O_EXCL.
    Open(u8),
}

/// Whether an empty path means the descriptor in `dirfd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// ENOENT.
    No,
    /// If this argument has AT_EMPTY_PATH.
    Flag(u8),
    /// Always (readlinkat).
    Yes,
}

/// The access that a call needs to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// As the open flags in this argument say.
    Open(u8),
    /// As O_CREAT|O_WRONLY|O_TRUNC.
    Creat,
    /// As `struct open_how` at this argument says.
    How(u8),
    /// A descriptor by O_PATH.
    Handle,
    /// List or watch it.
    Read,
    /// Change it: contents, name or metadata.
    Write,
    /// Create it: it must not exist yet.
    Make,
    /// Execute it.
    Exec,
    /// Metadata.
    Stat,
}

const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_SYMLINK_FOLLOW: u64 = 0x400;
const IN_DONT_FOLLOW: u64 = 0x0200_0000;
const FAN_MARK_DONT_FOLLOW: u64 = 4;
/// AT_EMPTY_PATH of linux/fcntl.h.
pub const AT_EMPTY_PATH: u64 = 0x1000;

const fn row(
    syscall: &'static str,
    path: u8,
    dirfd: Option<u8>,
    follow: Follow,
    empty: Empty,
    asks: Asks,
) -> Named {
    Named {
        syscall,
        path,
        dirfd,
        follow,
        empty,
        asks,
    }
}

use Asks::{Creat, Exec, Handle, How, Make, Open, Read, Stat, Write};
use Empty::Flag;
use Follow::{If, Unless};
const YES: Follow = Follow::Yes;
const NO: Follow = Follow::No;
const NEVER: Empty = Empty::No;
const fn unless(arg: u8) -> Follow {
    Unless(arg, AT_SYMLINK_NOFOLLOW)
}

/// All rows, by name and argument.
#[rustfmt::skip]
pub static NAMED: &[Named] = &[
    row("access",            0, None,    YES,                             NEVER,      Stat),
    row("acct",              0, None,    YES,                             NEVER,      Write),
    row("bind",              1, None,    NO,                              NEVER,      Make),
    row("chdir",             0, None,    YES,                             NEVER,      Stat),
    row("chmod",             0, None,    YES,                             NEVER,      Write),
    row("chown",             0, None,    YES,                             NEVER,      Write),
    row("chroot",            0, None,    YES,                             NEVER,      Stat),
    row("creat",             0, None,    YES,                             NEVER,      Creat),
    row("execve",            0, None,    YES,                             NEVER,      Exec),
    row("execveat",          1, Some(0), unless(4),                       Flag(4),    Exec),
    row("faccessat",         1, Some(0), YES,                             NEVER,      Stat),
    row("faccessat2",        1, Some(0), unless(3),                       Flag(3),    Stat),
    row("fanotify_mark",     4, Some(3), Unless(1, FAN_MARK_DONT_FOLLOW), NEVER,      Read),
    row("fchmodat",          1, Some(0), YES,                             NEVER,      Write),
    row("fchmodat2",         1, Some(0), unless(3),                       Flag(3),    Write),
    row("fchownat",          1, Some(0), unless(4),                       Flag(4),    Write),
    row("file_getattr",      1, Some(0), unless(4),                       Flag(4),    Stat),
    row("file_setattr",      1, Some(0), unless(4),                       Flag(4),    Write),
    row("fspick",            1, Some(0), Unless(2, 2),                    NEVER,      Stat),
    row("futimesat",         1, Some(0), YES,                             NEVER,      Write),
    row("getxattr",          0, None,    YES,                             NEVER,      Stat),
    row("getxattrat",        1, Some(0), unless(2),                       Flag(2),    Stat),
    row("inotify_add_watch", 1, None,    Unless(2, IN_DONT_FOLLOW),       NEVER,      Read),
    row("lchown",            0, None,    NO,                              NEVER,      Write),
    row("lgetxattr",         0, None,    NO,                              NEVER,      Stat),
    row("link",              0, None,    NO,                              NEVER,      Write),
    row("link",              1, None,    NO,                              NEVER,      Make),
    row("linkat",            1, Some(0), If(4, AT_SYMLINK_FOLLOW),        Flag(4),    Write),
    row("linkat",            3, Some(2), NO,                              NEVER,      Make),
    row("listxattr",         0, None,    YES,                             NEVER,      Stat),
    row("listxattrat",       1, Some(0), unless(2),                       Flag(2),    Stat),
    row("llistxattr",        0, None,    NO,                              NEVER,      Stat),
    row("lremovexattr",      0, None,    NO,                              NEVER,      Write),
    row("lsetxattr",         0, None,    NO,                              NEVER,      Write),
    row("lstat",             0, None,    NO,                              NEVER,      Stat),
    row("mkdir",             0, None,    NO,                              NEVER,      Make),
    row("mkdirat",           1, Some(0), NO,                              NEVER,      Make),
    row("mknod",             0, None,    NO,                              NEVER,      Make),
    row("mknodat",           1, Some(0), NO,                              NEVER,      Make),
    row("mount",             0, None,    YES,                             NEVER,      Stat),
    row("mount",             1, None,    YES,                             NEVER,      Write),
    row("mount_setattr",     1, Some(0), unless(2),                       Flag(2),    Write),
    row("move_mount",        1, Some(0), If(4, 1),                        NEVER,      Write),
    row("move_mount",        3, Some(2), If(4, 0x10),                     NEVER,      Write),
    row("name_to_handle_at", 1, Some(0), If(4, AT_SYMLINK_FOLLOW),        Flag(4),    Stat),
    row("newfstatat",        1, Some(0), unless(3),                       Flag(3),    Stat),
    row("open",              0, None,    Follow::Open(1),                 NEVER,      Open(1)),
    row("open_tree",         1, Some(0), unless(2),                       Flag(2),    Handle),
    row("open_tree_attr",    1, Some(0), unless(2),                       Flag(2),    Handle),
    row("openat",            1, Some(0), Follow::Open(2),                 NEVER,      Open(2)),
    row("openat2",           1, Some(0), YES,                             NEVER,      How(2)),
    row("pivot_root",        0, None,    YES,                             NEVER,      Write),
    row("pivot_root",        1, None,    YES,                             NEVER,      Write),
    row("quotactl",          1, None,    YES,                             NEVER,      Write),
    row("readlink",          0, None,    NO,                              NEVER,      Stat),
    row("readlinkat",        1, Some(0), NO,                              Empty::Yes, Stat),
    row("removexattr",       0, None,    YES,                             NEVER,      Write),
    row("removexattrat",     1, Some(0), unless(2),                       Flag(2),    Write),
    row("rename",            0, None,    NO,                              NEVER,      Write),
    row("rename",            1, None,    NO,                              NEVER,      Make),
    row("renameat",          1, Some(0), NO,                              NEVER,      Write),
    row("renameat",          3, Some(2), NO,                              NEVER,      Make),
    row("renameat2",         1, Some(0), NO,                              NEVER,      Write),
    row("renameat2",         3, Some(2), NO,                              NEVER,      Make),
    row("rmdir",             0, None,    NO,                              NEVER,      Write),
    row("setxattr",          0, None,    YES,                             NEVER,      Write),
    row("setxattrat",        1, Some(0), unless(2),                       Flag(2),    Write),
    row("stat",              0, None,    YES,                             NEVER,      Stat),
    row("statfs",            0, None,    YES,                             NEVER,      Stat),
    row("statx",             1, Some(0), unless(2),                       Flag(2),    Stat),
    row("swapoff",           0, None,    YES,                             NEVER,      Write),
    row("swapon",            0, None,    YES,                             NEVER,      Write),
    row("symlink",           1, None,    NO,                              NEVER,      Make),
    row("symlinkat",         2, Some(1), NO,                              NEVER,      Make),
    row("truncate",          0, None,    YES,                             NEVER,      Write),
    row("umount2",           0, None,    Unless(1, 8),                    NEVER,      Write),
    row("unlink",            0, None,    NO,                              NEVER,      Write),
    row("unlinkat",          1, Some(0), NO,                              NEVER,      Write),
    row("uselib",            0, None,    YES,                             NEVER,      Exec),
    row("utime",             0, None,    YES,                             NEVER,      Write),
    row("utimensat",         1, Some(0), unless(3),                       Flag(3),    Write),
    row("utimes",            0, None,    YES,                             NEVER,      Write),
];

/// The paths that a system call names.
pub fn named(syscall: &str) -> &'static [Named] {
    let start = NAMED.partition_point(|row| row.syscall < syscall);
    let rest = NAMED.get(start..).unwrap_or(&[]);
    let count = rest.iter().take_while(|row| row.syscall == syscall).count();
    rest.get(..count).unwrap_or(&[])
}

/// open(2)'s flags on x86-64 and in asm-generic/fcntl.h.
pub mod open_flags {
    #![allow(missing_docs, reason = "their names are those of open(2)")]
    pub const O_ACCMODE: u64 = 3;
    pub const O_WRONLY: u64 = 1;
    #[cfg(test)]
    pub const O_RDWR: u64 = 2;
    pub const O_CREAT: u64 = 0o100;
    pub const O_EXCL: u64 = 0o200;
    pub const O_TRUNC: u64 = 0o1000;
    /// The kernel's, which the C library calls 0: openat adds it, openat2 does not (fs/open.c).
    #[cfg(not(target_arch = "aarch64"))]
    pub const O_LARGEFILE: u64 = 0o100_000;
    #[cfg(not(target_arch = "aarch64"))]
    pub const O_DIRECTORY: u64 = 0o200_000;
    #[cfg(not(target_arch = "aarch64"))]
    pub const O_NOFOLLOW: u64 = 0o400_000;
    #[cfg(target_arch = "aarch64")]
    pub const O_LARGEFILE: u64 = 0o400_000;
    #[cfg(target_arch = "aarch64")]
    pub const O_DIRECTORY: u64 = 0o40_000;
    #[cfg(target_arch = "aarch64")]
    pub const O_NOFOLLOW: u64 = 0o100_000;
    pub const O_PATH: u64 = 0o10_000_000;
    /// Without the O_DIRECTORY that O_TMPFILE includes.
    pub const O_TMPFILE: u64 = 0o20_000_000;
}

impl Named {
    /// Whether a symbolic link at the end is followed, in a call with these registers.
    pub fn follows(&self, call: &Call) -> bool {
        let arg = |index: u8| call.args.get(usize::from(index)).copied().unwrap_or(0);
        match self.follow {
            Follow::Yes => true,
            Follow::No => false,
            Follow::Unless(index, bit) => arg(index) & bit == 0,
            Follow::If(index, bit) => arg(index) & bit != 0,
            Follow::Open(index) => follows_open(arg(index)),
        }
    }

    /// Whether an empty path means the descriptor, in a call with these registers.
    pub fn may_be_empty(&self, call: &Call) -> bool {
        match self.empty {
            Empty::No => false,
            Empty::Yes => true,
            Empty::Flag(index) => {
                call.args.get(usize::from(index)).copied().unwrap_or(0) & AT_EMPTY_PATH != 0
            }
        }
    }
}

/// Whether an open with these flags follows a symbolic link at the end of its path.
pub fn follows_open(flags: u64) -> bool {
    use open_flags::{O_CREAT, O_EXCL, O_NOFOLLOW};
    flags & O_NOFOLLOW == 0 && flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, all};
    use super::*;

    #[test]
    fn rows_are_sorted_so_that_they_are_found() {
        let keys: Vec<_> = NAMED.iter().map(|row| (row.syscall, row.path)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(named("renameat2").len(), 2);
        assert_eq!(named("getpid").len(), 0);
    }

    /// The walk over the table: a path argument without a row is a hole in every policy.
    #[test]
    fn every_path_argument_of_the_table_has_a_row() {
        let mut missing = Vec::new();
        for syscall in all() {
            for (index, arg) in syscall.args.iter().enumerate() {
                if let Kind::Path { dirfd } = arg.kind {
                    let row = named(syscall.name)
                        .iter()
                        .find(|row| usize::from(row.path) == index);
                    if row.is_none_or(|row| row.dirfd != dirfd) {
                        missing.push(format!("{}({})", syscall.name, arg.name));
                    }
                }
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn every_row_is_an_argument_of_the_table() {
        for row in NAMED {
            let syscall = super::super::by_name(row.syscall).expect(row.syscall);
            let kind = syscall.args.get(usize::from(row.path)).map(|arg| arg.kind);
            let path = matches!(kind, Some(Kind::Path { .. } | Kind::Sockaddr { .. }));
            assert!(path || row.syscall == "quotactl", "{}", row.syscall);
        }
    }

    /// Some differ between processors: aarch64's O_NOFOLLOW is the O_LARGEFILE of x86-64.
    #[test]
    fn open_flags_are_those_of_the_table() {
        use open_flags::*;
        for (name, value) in [
            ("O_WRONLY", O_WRONLY),
            ("O_RDWR", O_RDWR),
            ("O_CREAT", O_CREAT),
            ("O_EXCL", O_EXCL),
            ("O_TRUNC", O_TRUNC),
            ("O_LARGEFILE", O_LARGEFILE),
            ("O_DIRECTORY", O_DIRECTORY),
            ("O_NOFOLLOW", O_NOFOLLOW),
            ("O_PATH", O_PATH),
            ("O_TMPFILE", O_TMPFILE | O_DIRECTORY),
        ] {
            assert_eq!(super::super::constant(name), Some(value), "{name}");
        }
    }

    #[test]
    fn flags_decide_whether_a_link_is_followed() {
        let open = |flags| {
            named("open").iter().all(|row| {
                row.follows(&Call {
                    nr: 2,
                    args: [0, flags, 0, 0, 0, 0],
                })
            })
        };
        assert!(open(0) && open(0o100));
        assert!(!open(open_flags::O_NOFOLLOW) && !open(0o300));
    }
}
