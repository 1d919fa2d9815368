//! Every call that takes a path, as a row.
//!
//! A row must make exactly one call that names the victim, and whatever has to be there before.

use crate::job::{Answer, Job, text};
use crate::old;
use crate::raw::{self, Arg, Arg::*};
use libc::{
    AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_CREAT, O_DIRECTORY,
    O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY,
};
use nix::errno::Errno;

type Run = Result<(), Answer>;

/// A row.
pub struct Call {
    /// What the test calls it.
    pub name: &'static str,
    /// The victim: `file`, `marked` (with an extended attribute), `directory`, `program`, `symlink`
    /// (to a file beside the second path) or `nothing`.
    pub wants: &'static str,
    /// What the policy language calls it: `read`, `write`, `exec`, `meta` or `path` (O_PATH).
    pub access: &'static str,
    /// The second path: `file`, `nothing`, or `-` if the call has none.
    pub other: &'static str,
    /// Takes the descriptor of a directory.
    pub at: bool,
    /// Follows a symbolic link that the path ends in.
    pub follows: bool,
    /// Newer architectures lack the call.
    pub old: bool,
    /// Makes the call.
    pub run: fn(&Job) -> Run,
}

const CWD: i64 = libc::AT_FDCWD as i64;
const ATTRIBUTE: Arg = P(c"user.files");
// libc has no such number of aarch64.
const SYS_FCHMODAT2: i64 = 452;
const SYS_SETXATTRAT: i64 = 463;
const SYS_GETXATTRAT: i64 = 464;
const SYS_LISTXATTRAT: i64 = 465;
const SYS_REMOVEXATTRAT: i64 = 466;
const SYS_FILE_GETATTR: i64 = 468;
const SYS_FILE_SETATTR: i64 = 469;
const RESOLVE_BENEATH: u64 = 0x08;
const RESOLVE_IN_ROOT: u64 = 0x10;
const FIFO: i64 = (libc::S_IFIFO | 0o600) as i64;

const fn row(
    name: &'static str,
    wants: &'static str,
    access: &'static str,
    other: &'static str,
    shape: &str,
    run: fn(&Job) -> Run,
) -> Call {
    let shape = shape.as_bytes();
    Call {
        name,
        wants,
        access,
        other,
        at: shape[0] == b'@',
        follows: shape[1] == b'>',
        old: false,
        run,
    }
}

/// A row of a call that newer architectures lack.
const fn old(
    name: &'static str,
    wants: &'static str,
    access: &'static str,
    other: &'static str,
    shape: &str,
    run: fn(&Job) -> Run,
) -> Call {
    Call {
        old: true,
        ..row(name, wants, access, other, shape, run)
    }
}

/// `@`: takes a dirfd; `>`: follows a final symbolic link.
#[rustfmt::skip]
pub const CALLS: &[Call] = &[
    old("open-read",               "file",      "read",  "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_RDONLY)])),
    old("open-write",              "file",      "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_WRONLY)])),
    old("open-create",             "nothing",   "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_RDONLY | O_CREAT), I(0o600)])),
    old("open-create-excl",        "nothing",   "write", "-",       "--", |j| sys(old::SYS_open, &[P(&j.path), flags(O_RDONLY | O_CREAT | O_EXCL), I(0o600)])),
    old("open-truncate",           "file",      "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_RDONLY | O_TRUNC)])),
    old("open-access-3",           "file",      "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), I(3)])),
    old("open-access-3-truncate",  "file",      "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), I(i64::from(O_TRUNC) | 3)])),
    old("open-create-existing",    "file",      "read",  "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_RDONLY | O_CREAT), I(0o600)])),
    old("open-path",               "file",      "path",  "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_PATH)])),
    old("open-path-link",          "symlink",   "path",  "-",       "--", |j| sys(old::SYS_open, &[P(&j.path), flags(O_PATH | O_NOFOLLOW)])),
    old("open-tmpfile",            "directory", "write", "-",       "->", |j| sys(old::SYS_open, &[P(&j.path), flags(O_TMPFILE | O_WRONLY), I(0o600)])),
    old("creat",                   "nothing",   "write", "-",       "->", |j| sys(old::SYS_creat, &[P(&j.path), I(0o600)])),
    old("creat-again",             "file",      "write", "-",       "->", |j| sys(old::SYS_creat, &[P(&j.path), I(0o600)])),
    row("openat-read",             "file",      "read",  "-",       "@>", |j| sys(libc::SYS_openat, &[I(j.at), P(&j.path), flags(O_RDONLY)])),
    row("openat-write",            "file",      "write", "-",       "@>", |j| sys(libc::SYS_openat, &[I(j.at), P(&j.path), flags(O_WRONLY)])),
    row("openat-create",           "nothing",   "write", "-",       "@>", |j| sys(libc::SYS_openat, &[I(j.at), P(&j.path), flags(O_WRONLY | O_CREAT), I(0o600)])),
    row("openat-path",             "file",      "path",  "-",       "@>", |j| sys(libc::SYS_openat, &[I(j.at), P(&j.path), flags(O_PATH)])),
    row("openat-tmpfile",          "directory", "write", "-",       "@>", |j| sys(libc::SYS_openat, &[I(j.at), P(&j.path), flags(O_TMPFILE | O_WRONLY), I(0o600)])),
    row("openat2-read",            "file",      "read",  "-",       "@>", |j| openat2(j, O_RDONLY, 0)),
    row("openat2-write",           "file",      "write", "-",       "@>", |j| openat2(j, O_WRONLY, 0)),
    row("openat2-create",          "nothing",   "write", "-",       "@>", |j| openat2(j, O_WRONLY | O_CREAT, 0)),
    row("openat2-path",            "file",      "path",  "-",       "@>", |j| openat2(j, O_PATH, 0)),
    row("openat2-beneath-read",    "file",      "read",  "-",       "@-", |j| openat2(j, O_RDONLY, RESOLVE_BENEATH)),
    row("openat2-in-root-read",    "file",      "read",  "-",       "@-", |j| openat2(j, O_RDONLY, RESOLVE_IN_ROOT)),
    row("openat2-in-root-write",   "file",      "write", "-",       "@-", |j| openat2(j, O_WRONLY, RESOLVE_IN_ROOT)),
    old("reopen-read",             "file",      "read",  "-",       "@>", |j| { let path = by_descriptor(j)?; sys(old::SYS_open, &[P(&path), flags(O_RDONLY)]) }),
    old("reopen-write",            "file",      "write", "-",       "@>", |j| { let path = by_descriptor(j)?; sys(old::SYS_open, &[P(&path), flags(O_WRONLY)]) }),
    row("getdents",                "directory", "read",  "-",       "@>", |j| { let fd = opened(j, O_RDONLY | O_DIRECTORY)?; sys(libc::SYS_getdents64, &[I(fd), ROOM, SIZE]) }),
    old("getdents-old",            "directory", "read",  "-",       "@>", |j| { let fd = opened(j, O_RDONLY | O_DIRECTORY)?; sys(old::SYS_getdents, &[I(fd), ROOM, SIZE]) }),

    old("stat",                    "file",      "meta",  "-",       "->", |j| sys(old::SYS_stat, &[P(&j.path), ROOM])),
    old("lstat",                   "file",      "meta",  "-",       "--", |j| sys(old::SYS_lstat, &[P(&j.path), ROOM])),
    old("lstat-link",              "symlink",   "meta",  "-",       "--", |j| sys(old::SYS_lstat, &[P(&j.path), ROOM])),
    row("newfstatat",              "file",      "meta",  "-",       "@>", |j| sys(libc::SYS_newfstatat, &[I(j.at), P(&j.path), ROOM, I(0)])),
    row("newfstatat-nofollow",     "symlink",   "meta",  "-",       "@-", |j| sys(libc::SYS_newfstatat, &[I(j.at), P(&j.path), ROOM, flags(AT_SYMLINK_NOFOLLOW)])),
    row("newfstatat-empty",        "file",      "path",  "-",       "@>", |j| { let fd = opened(j, O_PATH)?; sys(libc::SYS_newfstatat, &[I(fd), EMPTY, ROOM, flags(AT_EMPTY_PATH)]) }),
    row("statx",                   "file",      "meta",  "-",       "@>", |j| sys(libc::SYS_statx, &[I(j.at), P(&j.path), I(0), I(0x7ff), ROOM])),
    old("access",                  "file",      "meta",  "-",       "->", |j| sys(old::SYS_access, &[P(&j.path), I(4)])),
    old("access-write",            "file",      "meta",  "-",       "->", |j| sys(old::SYS_access, &[P(&j.path), I(2)])),
    row("faccessat",               "file",      "meta",  "-",       "@>", |j| sys(libc::SYS_faccessat, &[I(j.at), P(&j.path), I(4)])),
    row("faccessat2",              "file",      "meta",  "-",       "@>", |j| sys(libc::SYS_faccessat2, &[I(j.at), P(&j.path), I(4), I(0)])),
    old("readlink",                "symlink",   "meta",  "-",       "--", |j| sys(old::SYS_readlink, &[P(&j.path), ROOM, SIZE])),
    row("readlinkat",              "symlink",   "meta",  "-",       "@-", |j| sys(libc::SYS_readlinkat, &[I(j.at), P(&j.path), ROOM, SIZE])),
    row("chdir",                   "directory", "meta",  "-",       "->", |j| sys(libc::SYS_chdir, &[P(&j.path)])),
    row("fchdir",                  "directory", "path",  "-",       "@>", |j| { let fd = opened(j, O_PATH)?; sys(libc::SYS_fchdir, &[I(fd)]) }),
    row("statfs",                  "file",      "meta",  "-",       "->", |j| sys(libc::SYS_statfs, &[P(&j.path), ROOM])),
    row("getxattr",                "marked",    "meta",  "-",       "->", |j| sys(libc::SYS_getxattr, &[P(&j.path), ATTRIBUTE, ROOM, SIZE])),
    row("lgetxattr",               "marked",    "meta",  "-",       "--", |j| sys(libc::SYS_lgetxattr, &[P(&j.path), ATTRIBUTE, ROOM, SIZE])),
    row("getxattrat",              "marked",    "meta",  "-",       "@>", |j| sys(SYS_GETXATTRAT, &[I(j.at), P(&j.path), I(0), ATTRIBUTE, X(&[0; 64]), I(16)])),
    row("listxattr",               "marked",    "meta",  "-",       "->", |j| sys(libc::SYS_listxattr, &[P(&j.path), ROOM, SIZE])),
    row("llistxattr",              "marked",    "meta",  "-",       "--", |j| sys(libc::SYS_llistxattr, &[P(&j.path), ROOM, SIZE])),
    row("listxattrat",             "marked",    "meta",  "-",       "@>", |j| sys(SYS_LISTXATTRAT, &[I(j.at), P(&j.path), I(0), ROOM, SIZE])),
    row("name_to_handle_at",       "file",      "meta",  "-",       "@-", |j| sys(libc::SYS_name_to_handle_at, &[I(j.at), P(&j.path), B(&[128]), ROOM, I(0)])),
    row("name_to_handle_at-follow", "file",     "meta",  "-",       "@>", |j| sys(libc::SYS_name_to_handle_at, &[I(j.at), P(&j.path), B(&[128]), ROOM, flags(AT_SYMLINK_FOLLOW)])),
    row("file_getattr",            "file",      "meta",  "-",       "@>", |j| sys(SYS_FILE_GETATTR, &[I(j.at), P(&j.path), ROOM, I(24), I(0)])),
    row("inotify_add_watch",       "file",      "read",  "-",       "->", |j| inotify(j, libc::IN_MODIFY)),
    row("inotify-directory",       "directory", "read",  "-",       "->", |j| inotify(j, libc::IN_CREATE)),
    row("inotify-link",            "symlink",   "read",  "-",       "--", |j| inotify(j, libc::IN_ATTRIB | libc::IN_DONT_FOLLOW)),

    row("setxattr",                "file",      "write", "-",       "->", |j| sys(libc::SYS_setxattr, &[P(&j.path), ATTRIBUTE, B(b"2"), I(1), I(0)])),
    row("lsetxattr",               "file",      "write", "-",       "--", |j| sys(libc::SYS_lsetxattr, &[P(&j.path), ATTRIBUTE, B(b"2"), I(1), I(0)])),
    row("setxattrat",              "file",      "write", "-",       "@>", |j| sys(SYS_SETXATTRAT, &[I(j.at), P(&j.path), I(0), ATTRIBUTE, X(b"2"), I(16)])),
    row("setxattrat-empty",        "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(SYS_SETXATTRAT, &[I(fd), EMPTY, flags(AT_EMPTY_PATH), ATTRIBUTE, X(b"2"), I(16)]) }),
    row("fsetxattr",               "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(libc::SYS_fsetxattr, &[I(fd), ATTRIBUTE, B(b"2"), I(1), I(0)]) }),
    row("removexattr",             "marked",    "write", "-",       "->", |j| sys(libc::SYS_removexattr, &[P(&j.path), ATTRIBUTE])),
    row("lremovexattr",            "marked",    "write", "-",       "--", |j| sys(libc::SYS_lremovexattr, &[P(&j.path), ATTRIBUTE])),
    row("removexattrat",           "marked",    "write", "-",       "@>", |j| sys(SYS_REMOVEXATTRAT, &[I(j.at), P(&j.path), I(0), ATTRIBUTE])),
    row("fremovexattr",            "marked",    "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(libc::SYS_fremovexattr, &[I(fd), ATTRIBUTE]) }),
    old("chmod",                   "file",      "write", "-",       "->", |j| sys(old::SYS_chmod, &[P(&j.path), I(0o640)])),
    old("chmod-reopened",          "file",      "write", "-",       "@>", |j| { let path = by_descriptor(j)?; sys(old::SYS_chmod, &[P(&path), I(0o640)]) }),
    row("fchmod",                  "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(libc::SYS_fchmod, &[I(fd), I(0o640)]) }),
    row("fchmod-access-3",         "file",      "write", "-",       "@>", |j| { let fd = opened(j, 3)?; sys(libc::SYS_fchmod, &[I(fd), I(0o640)]) }),
    row("fchmodat",                "file",      "write", "-",       "@>", |j| sys(libc::SYS_fchmodat, &[I(j.at), P(&j.path), I(0o640)])),
    row("fchmodat2",               "file",      "write", "-",       "@>", |j| sys(SYS_FCHMODAT2, &[I(j.at), P(&j.path), I(0o640), I(0)])),
    row("fchmodat2-empty",         "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_PATH)?; sys(SYS_FCHMODAT2, &[I(fd), EMPTY, I(0o640), flags(AT_EMPTY_PATH)]) }),
    old("chown",                   "file",      "write", "-",       "->", |j| sys(old::SYS_chown, &[P(&j.path), uid(), gid()])),
    row("fchown",                  "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(libc::SYS_fchown, &[I(fd), uid(), gid()]) }),
    old("lchown",                  "file",      "write", "-",       "--", |j| sys(old::SYS_lchown, &[P(&j.path), uid(), gid()])),
    old("lchown-link",             "symlink",   "write", "-",       "--", |j| sys(old::SYS_lchown, &[P(&j.path), uid(), gid()])),
    row("fchownat",                "file",      "write", "-",       "@>", |j| sys(libc::SYS_fchownat, &[I(j.at), P(&j.path), uid(), gid(), I(0)])),
    row("fchownat-nofollow",       "symlink",   "write", "-",       "@-", |j| sys(libc::SYS_fchownat, &[I(j.at), P(&j.path), uid(), gid(), flags(AT_SYMLINK_NOFOLLOW)])),
    row("fchownat-empty",          "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_PATH)?; sys(libc::SYS_fchownat, &[I(fd), EMPTY, uid(), gid(), flags(AT_EMPTY_PATH)]) }),
    old("utime",                   "file",      "write", "-",       "->", |j| sys(old::SYS_utime, &[P(&j.path), N])),
    old("utimes",                  "file",      "write", "-",       "->", |j| sys(old::SYS_utimes, &[P(&j.path), N])),
    old("futimesat",               "file",      "write", "-",       "@>", |j| sys(old::SYS_futimesat, &[I(j.at), P(&j.path), N])),
    row("utimensat",               "file",      "write", "-",       "@>", |j| sys(libc::SYS_utimensat, &[I(j.at), P(&j.path), N, I(0)])),
    row("utimensat-nofollow",      "symlink",   "write", "-",       "@-", |j| sys(libc::SYS_utimensat, &[I(j.at), P(&j.path), N, flags(AT_SYMLINK_NOFOLLOW)])),
    row("futimens",                "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(libc::SYS_utimensat, &[I(fd), N, N, I(0)]) }),
    old("futimesat-null",          "file",      "write", "-",       "@>", |j| { let fd = opened(j, O_RDONLY)?; sys(old::SYS_futimesat, &[I(fd), N, N]) }),
    row("setflags",                "file",      "write", "-",       "@>", |j| setflags(j, O_RDONLY)),
    row("setflags-access-3",       "file",      "write", "-",       "@>", |j| setflags(j, 3)),
    row("file_setattr",            "file",      "write", "-",       "@>", setattr),
    row("truncate",                "file",      "write", "-",       "->", |j| sys(libc::SYS_truncate, &[P(&j.path), I(1)])),

    old("mkdir",                   "nothing",   "write", "-",       "--", |j| sys(old::SYS_mkdir, &[P(&j.path), I(0o700)])),
    old("mkdir-existing",          "directory", "write", "-",       "--", |j| sys(old::SYS_mkdir, &[P(&j.path), I(0o700)])),
    row("mkdirat",                 "nothing",   "write", "-",       "@-", |j| sys(libc::SYS_mkdirat, &[I(j.at), P(&j.path), I(0o700)])),
    old("mknod-fifo",              "nothing",   "write", "-",       "--", |j| sys(old::SYS_mknod, &[P(&j.path), I(FIFO), I(0)])),
    old("mknod-file",              "nothing",   "write", "-",       "--", |j| sys(old::SYS_mknod, &[P(&j.path), I(0o600), I(0)])),
    row("mknodat-fifo",            "nothing",   "write", "-",       "@-", |j| sys(libc::SYS_mknodat, &[I(j.at), P(&j.path), I(FIFO), I(0)])),
    old("symlink",                 "nothing",   "write", "-",       "--", |j| sys(old::SYS_symlink, &[P(c"target"), P(&j.path)])),
    row("symlinkat",               "nothing",   "write", "-",       "@-", |j| sys(libc::SYS_symlinkat, &[P(c"target"), I(j.at), P(&j.path)])),
    row("bind",                    "nothing",   "write", "-",       "--", bind),
    old("rmdir",                   "directory", "write", "-",       "--", |j| sys(old::SYS_rmdir, &[P(&j.path)])),
    old("unlink",                  "file",      "write", "-",       "--", |j| sys(old::SYS_unlink, &[P(&j.path)])),
    old("unlink-link",             "symlink",   "write", "-",       "--", |j| sys(old::SYS_unlink, &[P(&j.path)])),
    row("unlinkat",                "file",      "write", "-",       "@-", |j| sys(libc::SYS_unlinkat, &[I(j.at), P(&j.path), I(0)])),
    row("unlinkat-removedir",      "directory", "write", "-",       "@-", |j| sys(libc::SYS_unlinkat, &[I(j.at), P(&j.path), flags(AT_REMOVEDIR)])),

    old("rename-within",           "file",      "write", "-",       "--", |j| sys(old::SYS_rename, &[P(&j.path), P(&j.beside)])),
    old("rename-within-directory", "directory", "write", "-",       "--", |j| sys(old::SYS_rename, &[P(&j.path), P(&j.beside)])),
    old("rename-from",             "file",      "write", "nothing", "--", |j| sys(old::SYS_rename, &[P(&j.path), P(&j.other)])),
    old("rename-from-link",        "symlink",   "write", "nothing", "--", |j| sys(old::SYS_rename, &[P(&j.path), P(&j.other)])),
    old("rename-from-directory",   "directory", "write", "nothing", "--", |j| sys(old::SYS_rename, &[P(&j.path), P(&j.other)])),
    old("rename-to",               "nothing",   "write", "file",    "--", |j| sys(old::SYS_rename, &[P(&j.other), P(&j.path)])),
    old("rename-over",             "file",      "write", "file",    "--", |j| sys(old::SYS_rename, &[P(&j.other), P(&j.path)])),
    row("renameat-within",         "file",      "write", "-",       "@-", |j| sys(libc::SYS_renameat, &[I(j.at), P(&j.path), I(j.at), P(&j.beside)])),
    row("renameat-from",           "file",      "write", "nothing", "@-", |j| sys(libc::SYS_renameat, &[I(j.at), P(&j.path), I(CWD), P(&j.other)])),
    row("renameat-to",             "nothing",   "write", "file",    "@-", |j| sys(libc::SYS_renameat, &[I(CWD), P(&j.other), I(j.at), P(&j.path)])),
    row("renameat2-from",          "file",      "write", "nothing", "@-", |j| sys(libc::SYS_renameat2, &[I(j.at), P(&j.path), I(CWD), P(&j.other), I(0)])),
    row("renameat2-to",            "nothing",   "write", "file",    "@-", |j| sys(libc::SYS_renameat2, &[I(CWD), P(&j.other), I(j.at), P(&j.path), I(0)])),
    row("renameat2-noreplace-from", "file",     "write", "nothing", "@-", |j| sys(libc::SYS_renameat2, &[I(j.at), P(&j.path), I(CWD), P(&j.other), I(1)])),
    row("renameat2-noreplace-to",  "nothing",   "write", "file",    "@-", |j| sys(libc::SYS_renameat2, &[I(CWD), P(&j.other), I(j.at), P(&j.path), I(1)])),
    row("renameat2-exchange",      "file",      "write", "file",    "@-", |j| sys(libc::SYS_renameat2, &[I(j.at), P(&j.path), I(CWD), P(&j.other), I(2)])),
    row("renameat2-exchange-back", "file",      "write", "file",    "@-", |j| sys(libc::SYS_renameat2, &[I(CWD), P(&j.other), I(j.at), P(&j.path), I(2)])),
    old("link-within",             "file",      "write", "-",       "--", |j| sys(old::SYS_link, &[P(&j.path), P(&j.beside)])),
    old("link-from",               "file",      "write", "nothing", "--", |j| sys(old::SYS_link, &[P(&j.path), P(&j.other)])),
    old("link-from-link",          "symlink",   "write", "nothing", "--", |j| sys(old::SYS_link, &[P(&j.path), P(&j.other)])),
    old("link-to",                 "nothing",   "write", "file",    "--", |j| sys(old::SYS_link, &[P(&j.other), P(&j.path)])),
    row("linkat-within",           "file",      "write", "-",       "@-", |j| sys(libc::SYS_linkat, &[I(j.at), P(&j.path), I(j.at), P(&j.beside), I(0)])),
    row("linkat-from",             "file",      "write", "nothing", "@-", |j| sys(libc::SYS_linkat, &[I(j.at), P(&j.path), I(CWD), P(&j.other), I(0)])),
    row("linkat-to",               "nothing",   "write", "file",    "@-", |j| sys(libc::SYS_linkat, &[I(CWD), P(&j.other), I(j.at), P(&j.path), I(0)])),
    row("linkat-follow-from",      "file",      "write", "nothing", "@>", |j| sys(libc::SYS_linkat, &[I(j.at), P(&j.path), I(CWD), P(&j.other), flags(AT_SYMLINK_FOLLOW)])),
    row("linkat-empty-from",       "file",      "write", "nothing", "@>", |j| { let fd = opened(j, O_PATH)?; sys(libc::SYS_linkat, &[I(fd), EMPTY, I(CWD), P(&j.other), flags(AT_EMPTY_PATH)]) }),
    row("linkat-reopened-from",    "file",      "write", "nothing", "@>", |j| { let path = by_descriptor(j)?; sys(libc::SYS_linkat, &[I(CWD), P(&path), I(CWD), P(&j.other), flags(AT_SYMLINK_FOLLOW)]) }),

    row("execve",                  "program",   "exec",  "-",       "->", |j| Ok(raw::exec(None, &j.path)?)),
    row("execveat",                "program",   "exec",  "-",       "@>", |j| Ok(raw::exec(Some((j.at, 0)), &j.path)?)),
    row("execveat-empty",          "program",   "exec",  "-",       "@>", |j| { let fd = opened(j, O_PATH)?; Ok(raw::exec(Some((fd, AT_EMPTY_PATH)), c"")?) }),
    row("execve-reopened",         "program",   "exec",  "-",       "@>", |j| { let path = by_descriptor(j)?; Ok(raw::exec(None, &path)?) }),
];

const ROOM: Arg = B(&[]);
const SIZE: Arg = I(4096);
const EMPTY: Arg = P(c"");

fn sys(number: i64, arguments: &[Arg]) -> Run {
    raw::call(number, arguments)?;
    Ok(())
}

fn flags(flags: i32) -> Arg<'static> {
    I(i64::from(flags))
}

fn uid() -> Arg<'static> {
    I(i64::from(nix::unistd::geteuid().as_raw()))
}

fn gid() -> Arg<'static> {
    I(i64::from(nix::unistd::getegid().as_raw()))
}

/// The victim, opened.
fn opened(job: &Job, how: i32) -> Result<i64, Errno> {
    raw::call(libc::SYS_openat, &[I(job.at), P(&job.path), flags(how)])
}

/// The victim's path in /proc/self/fd.
fn by_descriptor(job: &Job) -> Result<std::ffi::CString, Errno> {
    Ok(text(format!("/proc/self/fd/{}", opened(job, O_PATH)?)))
}

fn openat2(job: &Job, how: i32, resolve: u64) -> Run {
    let mode = if how & O_CREAT != 0 { 0o600 } else { 0 };
    let how = [how as u64, mode, resolve];
    let how: Vec<u8> = how.into_iter().flat_map(u64::to_ne_bytes).collect();
    sys(
        libc::SYS_openat2,
        &[I(job.at), P(&job.path), B(&how), I(24)],
    )
}

fn inotify(job: &Job, mask: u32) -> Run {
    let watcher = raw::call(libc::SYS_inotify_init1, &[I(0)])
        .map_err(|errno| Answer::Unprepared("inotify_init1", errno))?;
    sys(
        libc::SYS_inotify_add_watch,
        &[I(watcher), P(&job.path), I(i64::from(mask))],
    )
}

fn setflags(job: &Job, how: i32) -> Run {
    let victim = opened(job, how)?;
    let get = I(libc::FS_IOC_GETFLAGS as i64);
    let set = I(libc::FS_IOC_SETFLAGS as i64);
    let (_, [_, _, held, ..]) = raw::call_reading(libc::SYS_ioctl, &[I(victim), get, ROOM])?;
    sys(libc::SYS_ioctl, &[I(victim), set, B(&held.0)])
}

fn setattr(job: &Job) -> Run {
    let name = [I(job.at), P(&job.path)];
    let [at, path] = name;
    let get = [at, path, ROOM, I(24), I(0)];
    let (_, [_, _, held, ..]) = raw::call_reading(SYS_FILE_GETATTR, &get)?;
    sys(SYS_FILE_SETATTR, &[at, path, B(&held.0), I(24), I(0)])
}

fn bind(job: &Job) -> Run {
    let path = job.path.as_bytes_with_nul();
    if path.len() > 108 {
        return Err(Answer::NotApplicable);
    }
    let socket = raw::call(
        libc::SYS_socket,
        &[
            I(i64::from(libc::AF_UNIX)),
            I(i64::from(libc::SOCK_STREAM)),
            I(0),
        ],
    )
    .map_err(|errno| Answer::Unprepared("socket", errno))?;
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend_from_slice(path);
    let length = address.len() as i64;
    sys(libc::SYS_bind, &[I(socket), B(&address), I(length)])
}
