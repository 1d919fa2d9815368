//! The numbers of calls that newer architectures lack, which have the at-forms only. There each is a number that no
//! call has, and [`current`] says which call stands for it.
#![allow(non_upper_case_globals, unused_imports, dead_code)]

/// Whether there are such calls here.
pub const EXIST: bool = cfg!(target_arch = "x86_64");

macro_rules! old {
    ($($name:ident = $number:literal)*) => {
        #[cfg(target_arch = "x86_64")]
        pub use libc::{$($name),*};
        #[cfg(not(target_arch = "x86_64"))]
        mod none {
            $(pub const $name: i64 = 1_000_000 + $number;)*
        }
        #[cfg(not(target_arch = "x86_64"))]
        pub use none::*;
    };
}

old! {
    SYS_access = 1 SYS_chmod = 2 SYS_chown = 3 SYS_creat = 4 SYS_futimesat = 5 SYS_getdents = 6 SYS_lchown = 7
    SYS_link = 8 SYS_lstat = 9 SYS_mkdir = 10 SYS_mknod = 11 SYS_open = 12 SYS_readlink = 13 SYS_rename = 14
    SYS_rmdir = 15 SYS_stat = 16 SYS_symlink = 17 SYS_unlink = 18 SYS_utime = 19 SYS_utimes = 20
}

/// The call that does this here, and its arguments.
pub fn current(number: i64, arguments: [i64; 6]) -> (i64, [i64; 6]) {
    if EXIST {
        return (number, arguments);
    }
    const CWD: i64 = libc::AT_FDCWD as i64;
    const NO_FOLLOW: i64 = libc::AT_SYMLINK_NOFOLLOW as i64;
    const NEW: i64 = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as i64;
    let [a, b, c, ..] = arguments;
    match number {
        SYS_access => (libc::SYS_faccessat, [CWD, a, b, 0, 0, 0]),
        SYS_chmod => (libc::SYS_fchmodat, [CWD, a, b, 0, 0, 0]),
        SYS_chown => (libc::SYS_fchownat, [CWD, a, b, c, 0, 0]),
        SYS_lchown => (libc::SYS_fchownat, [CWD, a, b, c, NO_FOLLOW, 0]),
        SYS_creat => (libc::SYS_openat, [CWD, a, NEW, b, 0, 0]),
        SYS_getdents => (libc::SYS_getdents64, arguments),
        SYS_link => (libc::SYS_linkat, [CWD, a, CWD, b, 0, 0]),
        SYS_stat => (libc::SYS_newfstatat, [CWD, a, b, 0, 0, 0]),
        SYS_lstat => (libc::SYS_newfstatat, [CWD, a, b, NO_FOLLOW, 0, 0]),
        SYS_mkdir => (libc::SYS_mkdirat, [CWD, a, b, 0, 0, 0]),
        SYS_mknod => (libc::SYS_mknodat, [CWD, a, b, c, 0, 0]),
        SYS_open => (libc::SYS_openat, [CWD, a, b, c, 0, 0]),
        SYS_readlink => (libc::SYS_readlinkat, [CWD, a, b, c, 0, 0]),
        SYS_rename => (libc::SYS_renameat, [CWD, a, CWD, b, 0, 0]),
        SYS_rmdir => (
            libc::SYS_unlinkat,
            [CWD, a, libc::AT_REMOVEDIR.into(), 0, 0, 0],
        ),
        SYS_symlink => (libc::SYS_symlinkat, [a, CWD, b, 0, 0, 0]),
        SYS_unlink => (libc::SYS_unlinkat, [CWD, a, 0, 0, 0, 0]),
        SYS_utime | SYS_utimes => (libc::SYS_utimensat, [CWD, a, 0, 0, 0, 0]),
        _ => (number, arguments),
    }
}
