//! Odd names: the kernel's errors are those without a jail, and no odd name leads past a denial.

use super::scene::{SUBTREES, Scene, open, openat, run};
use crate::support::landlock::landlocks;
use libc::{
    AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_APPEND, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL,
    O_NOATIME, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_SYNC, O_TMPFILE, O_TRUNC,
    O_WRONLY,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The policies that the errors must not depend on.
fn policies(scene: &Scene) -> [(&'static str, String); 3] {
    let everything = "read = [\"@\"]\nwrite = [\"@/w\"]\nexec = [\"@\"]\n";
    let with = |more: &str| {
        scene.policy_file(
            &format!("{}.toml", more.len()),
            &format!("extends = [\"base\"]\n[fs]\n{everything}{more}"),
        )
    };
    [
        ("subtrees", with("")),
        ("a denied pattern", with("deny = [\"@/**/secret-*\"]")),
        ("a hidden pattern", with("hide = [\"@/**/ghost-*\"]")),
    ]
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("w/a/b/deep", "deep");
    scene.write("w/a/beside", "beside");
    scene.write("w/full/x", "x");
    scene.write("w/second", "second");
    scene.program("w/no-format", "neither a script nor a program\n");
    fs::create_dir(scene.at("w/empty")).expect("a directory");
    scene.link("a/b", "w/to-b");
    scene.link("two", "w/one");
    scene.link("one", "w/two");
    scene.link("itself", "w/itself");
    scene.link("not-yet", "w/dangling");
    scene.link("file", "w/to-file");
    scene.link("file/", "w/to-file-slash");
    scene.link("@/w/a", "w/absolute");
    let mut last = "file".to_owned();
    for hop in 1..=41 {
        scene.link(&last, &format!("w/hop-{hop}"));
        last = format!("hop-{hop}");
    }
    nix::unistd::mkfifo(
        &PathBuf::from(scene.at("w/fifo")),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .expect("a FIFO");
    scene
}

/// A path of `length` bytes to `w/file`, from `w`.
fn long(length: usize) -> String {
    let name = "file";
    let room = length - name.len();
    match room % 2 {
        0 => "./".repeat(room / 2) + name,
        _ => format!(".//{}{name}", "./".repeat((room - 3) / 2)),
    }
}

/// One step and what it must answer outside; paths are relative to `w`.
fn steps() -> Vec<(String, &'static str)> {
    let path = |number: i64, path: &str, rest: &str| {
        format!("{number} :{path} {rest}").trim_end().to_owned()
    };
    let two = |number: i64, from: &str, to: &str| format!("{number} :{from} :{to}");
    let raw = |word: &str, flags: i32| format!("{} {word} {flags}", crate::old::SYS_open);
    let component = "c".repeat(256);
    vec![
        (open("to-b/../beside", O_RDONLY), "ok"),
        (open("to-b/../deep", O_RDONLY), "ENOENT"),
        (open("absolute/../second", O_RDONLY), "ok"),
        (open("a/b/../../second", O_RDONLY), "ok"),
        (
            open("../../../../../../../../../../../../etc/passwd", O_RDONLY),
            "ok",
        ),
        (open("/../etc/./passwd", O_RDONLY), "ok"),
        (open("//etc//passwd", O_RDONLY), "ok"),
        (open(&long(4095), O_RDONLY), "ok"),
        (open(&long(4094), O_RDONLY), "ok"),
        (open(&long(4096), O_RDONLY), "ENAMETOOLONG"),
        (open(&long(5000), O_RDONLY), "ENAMETOOLONG"),
        (open(&component, O_RDONLY), "ENAMETOOLONG"),
        (open(&component[1..], O_RDONLY), "ENOENT"),
        (open(&format!("{component}/x"), O_RDONLY), "ENAMETOOLONG"),
        (
            path(crate::old::SYS_mkdir, &component, "448"),
            "ENAMETOOLONG",
        ),
        (raw("end:file", O_RDONLY), "EFAULT"),
        (raw("end:", O_RDONLY), "EFAULT"),
        (raw("sealed", O_RDONLY), "EFAULT"),
        (raw("bad", O_RDONLY), "EFAULT"),
        (raw("null", O_RDONLY), "EFAULT"),
        (raw("-1", O_RDONLY), "EFAULT"),
        (raw("-4096", O_RDONLY), "EFAULT"),
        (raw("140737488355327", O_RDONLY), "EFAULT"),
        (format!("{} sealed 448", crate::old::SYS_mkdir), "EFAULT"),
        (format!("{} :file bad", crate::old::SYS_rename), "EFAULT"),
        (format!("{} end:file 384", crate::old::SYS_chmod), "EFAULT"),
        (format!("{} :file bad", crate::old::SYS_stat), "EFAULT"),
        (open("", O_RDONLY), "ENOENT"),
        (open("one", O_RDONLY), "ELOOP"),
        (open("itself/x", O_RDONLY), "ELOOP"),
        (open("one", O_RDWR | O_CREAT), "ELOOP"),
        (open("hop-40", O_RDONLY), "ok"),
        (open("hop-41", O_RDONLY), "ELOOP"),
        (path(crate::old::SYS_stat, "one", "buf"), "ELOOP"),
        (path(crate::old::SYS_lstat, "one", "buf"), "ok"),
        (open("file/", O_RDONLY), "ENOTDIR"),
        (open("file/.", O_RDONLY), "ENOTDIR"),
        (open("file/..", O_RDONLY), "ENOTDIR"),
        (open("file/x", O_RDONLY), "ENOTDIR"),
        (open("to-file/", O_RDONLY), "ENOTDIR"),
        (open("to-file-slash", O_RDONLY), "ENOTDIR"),
        (open("a/", O_RDONLY), "ok"),
        (open("absolute/", O_RDONLY), "ok"),
        (open("missing/x", O_RDONLY), "ENOENT"),
        (open("missing/../file", O_RDONLY), "ENOENT"),
        (openat("4294967196", "file", O_RDONLY), "ok"),
        (openat("-100", "file", O_RDONLY), "ok"),
        (openat("99", "file", O_RDONLY), "EBADF"),
        (openat("99", "/etc/passwd", O_RDONLY), "ok"),
        (openat("-1", "file", O_RDONLY), "EBADF"),
        (openat("1", "file", O_RDONLY), "ENOTDIR"),
        (open("file", O_RDONLY | O_DIRECTORY), "ENOTDIR"),
        (open("to-file", O_RDONLY | O_NOFOLLOW), "ELOOP"),
        (open("to-b/deep", O_RDONLY | O_NOFOLLOW), "ok"),
        (open("to-b", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), "ENOTDIR"),
        (open("a", O_WRONLY), "EISDIR"),
        (open("a", O_RDONLY | O_TRUNC), "EISDIR"),
        (open("a", O_RDONLY | O_CREAT), "EISDIR"),
        (open("file", O_CREAT | O_EXCL | O_WRONLY), "EEXIST"),
        (open("dangling", O_CREAT | O_EXCL | O_WRONLY), "EEXIST"),
        (open("dangling", O_RDONLY), "ENOENT"),
        (open("dangling", O_CREAT | O_WRONLY), "ok"),
        (open("not-yet", O_RDONLY), "ok"),
        (open("new/", O_CREAT | O_WRONLY), "EISDIR"),
        (open(".", O_CREAT | O_WRONLY), "EISDIR"),
        (open("file", O_RDONLY | O_CREAT), "ok"),
        (open("file", O_TMPFILE | O_WRONLY), "ENOTDIR"),
        (open("a", O_TMPFILE | O_RDONLY), "EINVAL"),
        (open("missing", O_TMPFILE | O_WRONLY), "ENOENT"),
        (open("file", O_RDONLY | 1 << 30), "ok"),
        (open("file", O_PATH | O_RDWR | O_CREAT), "ok"),
        (open("fifo", O_WRONLY | O_NONBLOCK), "ENXIO"),
        (open("fifo", O_RDONLY | O_NONBLOCK), "ok"),
        (path(crate::old::SYS_mkdir, "a", "448"), "EEXIST"),
        (path(crate::old::SYS_mkdir, "dangling/x", "448"), "ENOTDIR"),
        (path(crate::old::SYS_mkdir, "one", "448"), "EEXIST"),
        (path(crate::old::SYS_mkdir, "/", "448"), "EEXIST"),
        (path(crate::old::SYS_mkdir, ".", "448"), "EEXIST"),
        (path(crate::old::SYS_mkdir, "..", "448"), "EEXIST"),
        (path(crate::old::SYS_mkdir, "missing/x", "448"), "ENOENT"),
        (path(crate::old::SYS_mkdir, "file/x", "448"), "ENOTDIR"),
        (path(crate::old::SYS_mkdir, "made/", "448"), "ok"),
        (path(crate::old::SYS_rmdir, "made/", ""), "ok"),
        (path(crate::old::SYS_rmdir, "full", ""), "ENOTEMPTY"),
        (path(crate::old::SYS_rmdir, "file", ""), "ENOTDIR"),
        (path(crate::old::SYS_rmdir, "absolute", ""), "ENOTDIR"),
        (path(crate::old::SYS_rmdir, "empty/.", ""), "EINVAL"),
        (path(crate::old::SYS_rmdir, "empty/..", ""), "ENOTEMPTY"),
        (path(crate::old::SYS_rmdir, "missing", ""), "ENOENT"),
        (path(crate::old::SYS_unlink, "a", ""), "EISDIR"),
        (path(crate::old::SYS_unlink, "file/", ""), "ENOTDIR"),
        (path(crate::old::SYS_unlink, "a/", ""), "EISDIR"),
        (path(crate::old::SYS_unlink, "missing", ""), "ENOENT"),
        (path(crate::old::SYS_unlink, "missing/x", ""), "ENOENT"),
        (path(crate::old::SYS_unlink, "one", ""), "ok"),
        (
            format!("{} {AT_FDCWD} :file {AT_REMOVEDIR}", libc::SYS_unlinkat),
            "ENOTDIR",
        ),
        (
            format!("{} {AT_FDCWD} :file 1", libc::SYS_unlinkat),
            "EINVAL",
        ),
        (two(crate::old::SYS_rename, "a", "a/b/c"), "EINVAL"),
        (two(crate::old::SYS_rename, "a", "full"), "ENOTEMPTY"),
        (two(crate::old::SYS_rename, "a", "file"), "ENOTDIR"),
        (two(crate::old::SYS_rename, "file", "a"), "EISDIR"),
        (two(crate::old::SYS_rename, "file", "new/"), "ENOTDIR"),
        (two(crate::old::SYS_rename, "file/", "new"), "ENOTDIR"),
        (two(crate::old::SYS_rename, ".", "new"), "EBUSY"),
        (two(crate::old::SYS_rename, "a/..", "new"), "EBUSY"),
        (two(crate::old::SYS_rename, "a/b", "a"), "ENOTEMPTY"),
        (two(crate::old::SYS_rename, "missing", "new"), "ENOENT"),
        (two(crate::old::SYS_rename, "file", "missing/new"), "ENOENT"),
        (two(crate::old::SYS_rename, "file", "file"), "ok"),
        (two(crate::old::SYS_rename, "empty/", "renamed/"), "ok"),
        (
            format!(
                "{} {AT_FDCWD} :file {AT_FDCWD} :second 1",
                libc::SYS_renameat2
            ),
            "EEXIST",
        ),
        (
            format!(
                "{} {AT_FDCWD} :file {AT_FDCWD} :second 3",
                libc::SYS_renameat2
            ),
            "EINVAL",
        ),
        (
            format!(
                "{} {AT_FDCWD} :file {AT_FDCWD} :missing 2",
                libc::SYS_renameat2
            ),
            "ENOENT",
        ),
        (
            format!("{} {AT_FDCWD} :a {AT_FDCWD} :a/b 2", libc::SYS_renameat2),
            "EINVAL",
        ),
        (two(crate::old::SYS_link, "file", "second"), "EEXIST"),
        (two(crate::old::SYS_link, "a", "linked"), "EPERM"),
        (two(crate::old::SYS_link, "missing", "linked"), "ENOENT"),
        (two(crate::old::SYS_link, "file", "linked/"), "ENOENT"),
        (two(crate::old::SYS_link, "to-file", "linked-link"), "ok"),
        (two(crate::old::SYS_symlink, "x", "file"), "EEXIST"),
        (two(crate::old::SYS_symlink, "x", "dangling"), "EEXIST"),
        (two(crate::old::SYS_symlink, "x", "missing/x"), "ENOENT"),
        (two(crate::old::SYS_symlink, "", "sym"), "ENOENT"),
        (two(crate::old::SYS_symlink, "x", "sym/"), "ENOENT"),
        (path(libc::SYS_truncate, "a", "0"), "EISDIR"),
        (path(libc::SYS_truncate, "file", "-1"), "EINVAL"),
        (path(libc::SYS_truncate, "fifo", "0"), "EINVAL"),
        (path(libc::SYS_truncate, "missing", "0"), "ENOENT"),
        (path(crate::old::SYS_chmod, "missing", "384"), "ENOENT"),
        (path(crate::old::SYS_chmod, "file/", "384"), "ENOTDIR"),
        (path(crate::old::SYS_chmod, "dangling-too", "384"), "ENOENT"),
        (path(crate::old::SYS_readlink, "file", "buf 100"), "EINVAL"),
        (path(crate::old::SYS_readlink, "to-file", "buf 0"), "EINVAL"),
        (
            path(crate::old::SYS_readlink, "to-file", "buf -1"),
            "EINVAL",
        ),
        (
            path(crate::old::SYS_readlink, "to-file", "bad 100"),
            "EFAULT",
        ),
        (
            path(crate::old::SYS_readlink, "missing", "buf 100"),
            "ENOENT",
        ),
        (path(crate::old::SYS_readlink, "to-b/", "buf 100"), "EINVAL"),
        (path(crate::old::SYS_access, "missing", "0"), "ENOENT"),
        (path(crate::old::SYS_access, "file", "8"), "EINVAL"),
        (path(crate::old::SYS_access, "file/x", "0"), "ENOTDIR"),
        (path(libc::SYS_chdir, "file", ""), "ENOTDIR"),
        (path(libc::SYS_chdir, "missing", ""), "ENOENT"),
        (path(libc::SYS_chdir, "one/x", ""), "ENOENT"),
        (path(libc::SYS_chdir, "a/b", ""), "ok"),
        (open("deep", O_RDONLY), "ok"),
        (open("../beside", O_RDONLY), "ok"),
        (path(libc::SYS_chdir, "../..", ""), "ok"),
        (
            format!(
                "{} {AT_FDCWD} :one buf {AT_SYMLINK_NOFOLLOW}",
                libc::SYS_newfstatat
            ),
            "ENOENT",
        ),
        (
            format!("{} {AT_FDCWD} : buf 0", libc::SYS_newfstatat),
            "ENOENT",
        ),
        (format!("{} 99 : buf 4096", libc::SYS_newfstatat), "EBADF"),
        (path(crate::old::SYS_mknod, "file", "33152 0"), "EEXIST"),
        (path(crate::old::SYS_mknod, "node", "16384 0"), "EPERM"),
        (path(crate::old::SYS_mknod, "node", "61440 0"), "EINVAL"),
        (path(libc::SYS_setxattr, "file", ":user. buf 1 0"), "EINVAL"),
        (
            path(libc::SYS_setxattr, "file", ":nothing.x buf 1 0"),
            "EOPNOTSUPP",
        ),
        (path(libc::SYS_setxattr, "file", ": buf 1 0"), "ERANGE"),
        (
            path(libc::SYS_setxattr, "file", ":user.x buf 1 4"),
            "EINVAL",
        ),
        (
            path(libc::SYS_setxattr, "file", ":user.x buf 1 2"),
            "ENODATA",
        ),
        (
            path(libc::SYS_setxattr, "file", ":user.x buf 65537 0"),
            "E2BIG",
        ),
        (path(libc::SYS_removexattr, "file", ":user.x"), "ENODATA"),
        (path(libc::SYS_getxattr, "file", ":user.x buf 0"), "ENODATA"),
        ("exec :missing".to_owned(), "ENOENT"),
        ("exec :a".to_owned(), "EACCES"),
        ("exec :file".to_owned(), "EACCES"),
        ("exec :file/x".to_owned(), "ENOTDIR"),
        ("exec :two".to_owned(), "ENOENT"),
        ("exec :itself".to_owned(), "ELOOP"),
        ("exec :no-format".to_owned(), "ENOEXEC"),
        (format!("exec :{}", long(4096)), "ENAMETOOLONG"),
        ("exec :".to_owned(), "ENOENT"),
        ("exec :/bin/true".to_owned(), "ok"),
    ]
}

/// Flags that a call does not have; paths are relative to `w`.
fn unknown_flags() -> Vec<(String, &'static str)> {
    let at = |number: i64, rest: &str| (format!("{number} {AT_FDCWD} :file {rest}"), "EINVAL");
    let how = |flags: i32, mode: i32, resolve: i32| format!("words:{flags},{mode},{resolve} 24");
    let mut calls = vec![
        at(libc::SYS_newfstatat, "buf 1"),
        at(libc::SYS_statx, "1 2047 buf"),
        at(libc::SYS_statx, "0 2147483648 buf"),
        at(libc::SYS_faccessat2, "4 1"),
        at(452, "384 1"),
        at(libc::SYS_fchownat, "-1 -1 1"),
        at(libc::SYS_utimensat, "null 1"),
        at(libc::SYS_utimensat, "words:0,1000000000,0,0 0"),
        at(libc::SYS_unlinkat, "1"),
        at(libc::SYS_linkat, &format!("{AT_FDCWD} :linked 1")),
        at(libc::SYS_renameat2, &format!("{AT_FDCWD} :renamed 8")),
        at(libc::SYS_name_to_handle_at, "words:128 buf 8"),
        at(libc::SYS_execveat, "null null 1"),
        // setxattrat, getxattrat, listxattrat, removexattrat, file_getattr, file_setattr.
        at(463, "1 :user.x words:0,0 16"),
        at(464, "1 :user.x words:0,0 16"),
        at(465, "1 buf 100"),
        at(466, "1 :user.x"),
        at(468, "buf 24 1"),
        at(469, "buf 24 1"),
        at(468, "buf 8 0"),
        at(libc::SYS_openat2, &how(1 << 30, 0, 0)),
        at(libc::SYS_openat2, &how(0, 0o600, 0)),
        at(libc::SYS_openat2, &how(O_CREAT, 0o10_600, 0)),
        at(libc::SYS_openat2, &how(0, 0, 0x40)),
        at(libc::SYS_openat2, &how(0, 0, 0x18)),
        at(libc::SYS_openat2, "words:0,0,0 16"),
        (
            format!("{} 1 :file 0", libc::SYS_inotify_add_watch),
            "EINVAL",
        ),
        (
            format!("{} 99 :file 2", libc::SYS_inotify_add_watch),
            "EBADF",
        ),
        (
            format!("{} 1 :file 2", libc::SYS_inotify_add_watch),
            "EINVAL",
        ),
    ];
    // What stands for it elsewhere takes other times.
    if crate::old::EXIST {
        let utimes = crate::old::SYS_utimes;
        calls.push((format!("{utimes} :file words:0,2000000,0,0"), "EINVAL"));
    }
    calls
}

/// openat2(2), and what it leaves.
fn restricted() -> Vec<(String, &'static str)> {
    const BENEATH: u64 = 8;
    const IN_ROOT: u64 = 16;
    const NO_SYMLINKS: u64 = 4;
    const NO_MAGICLINKS: u64 = 2;
    const NO_XDEV: u64 = 1;
    let openat2 = |path: &str, flags: i32, resolve: u64| {
        let mode = if flags & O_CREAT == 0 { 0 } else { 0o600 };
        let call = libc::SYS_openat2;
        format!("{call} {AT_FDCWD} :{path} words:{flags},{mode},{resolve} 24")
    };
    vec![
        (openat2("file", O_RDONLY, BENEATH), "ok"),
        (openat2("a/../file", O_RDONLY, BENEATH), "ok"),
        (openat2("../w/file", O_RDONLY, BENEATH), "EXDEV"),
        (openat2("/etc/passwd", O_RDONLY, BENEATH), "EXDEV"),
        (openat2("absolute/beside", O_RDONLY, BENEATH), "EXDEV"),
        (openat2("made-beneath", O_RDWR | O_CREAT, BENEATH), "ok"),
        (openat2("/file", O_RDONLY, IN_ROOT), "ok"),
        (openat2("/../../file", O_RDONLY, IN_ROOT), "ok"),
        (openat2("absolute/beside", O_RDONLY, IN_ROOT), "ENOENT"),
        (openat2("to-file", O_RDONLY, NO_SYMLINKS), "ELOOP"),
        (openat2("to-b/deep", O_RDONLY, NO_SYMLINKS), "ELOOP"),
        (openat2("a/b/deep", O_RDONLY, NO_SYMLINKS), "ok"),
        (openat2("made-plainly", O_RDWR | O_CREAT, NO_SYMLINKS), "ok"),
        (openat2("to-file", O_RDONLY, NO_MAGICLINKS), "ok"),
        (
            openat2("/proc/self/cwd/file", O_RDONLY, NO_MAGICLINKS),
            "ELOOP",
        ),
        (openat2("/proc/self/cwd/file", O_RDONLY, 0), "ok"),
        (openat2("/proc/version", O_RDONLY, NO_XDEV), "EXDEV"),
        (openat2("file", O_RDONLY, NO_XDEV), "ok"),
    ]
}

/// What the flags of an open become.
fn kept() -> Vec<(String, &'static str)> {
    // What the test has been given itself.
    let close = format!("{} 3 4294967295 0", libc::SYS_close_range);
    let mut steps = vec![(close, "ok")];
    for flags in [
        O_RDONLY,
        O_RDWR | O_CLOEXEC,
        O_WRONLY | O_APPEND | O_NONBLOCK,
        O_RDONLY | O_NOATIME | O_CLOEXEC,
        O_PATH | O_CLOEXEC,
        O_RDWR | O_SYNC | O_CREAT,
        3,
    ] {
        let fd = steps.len() + 1;
        steps.push((open("file", flags), "ok"));
        for command in [libc::F_GETFD, libc::F_GETFL] {
            let fcntl = format!("value {} {{{fd}}} {command}", libc::SYS_fcntl);
            steps.push((fcntl, "any"));
        }
    }
    // Descriptors are the lowest that are free, also after an open that fails.
    steps.push((open("missing", O_RDONLY), "ENOENT"));
    let last = format!("value {} {AT_FDCWD} :file 0", libc::SYS_openat);
    steps.push((last, "any"));
    steps
}

/// Each step answers outside as the table says, and within as outside: with one task in the jail,
/// whose calls may go on as they are, and with two. The first step is the one that makes it.
#[track_caller]
fn same(table: &[(String, &str)]) {
    for first in [libc::SYS_getpid.to_string(), "child".to_owned()] {
        let mut made = vec![first];
        made.extend(table.iter().map(|(step, _)| step.clone()));
        let mut expected = vec!["ok"];
        expected.extend(table.iter().map(|(_, expected)| *expected));
        compare(&made, &expected);
    }
}

#[track_caller]
fn compare(made: &[String], expected: &[&str]) {
    let outside = scene().steps_outside(made);
    let mut faults = Vec::new();
    for ((step, expected), got) in made.iter().zip(expected).zip(&outside) {
        if expected != got && *expected != "any" {
            let step = short(step);
            if ["ENOSYS", "EOPNOTSUPP"].contains(&got.as_str()) {
                println!("NOT TRIED HERE: {step}: {got} without a jail, too");
                continue;
            }
            faults.push(format!("outside: {step}: expected {expected}, got {got}"));
        }
    }
    let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for landlock in landlocks() {
        for policy in 0..3 {
            let scene = scene();
            let (title, file) = &policies(&scene)[policy];
            let found = scene.steps_within(landlock, file, made);
            assert_eq!(found.len(), made.len());
            let abi = landlock.unwrap_or("newest");
            for ((step, outside), got) in made.iter().zip(&outside).zip(&found) {
                if outside != got {
                    let fault = format!("{}: {got}, outside {outside}", short(step));
                    let cases = differing.entry(fault).or_default();
                    cases.push(format!("{title} ({abi})"));
                }
            }
        }
    }
    let cases = |(fault, cases): (String, Vec<String>)| format!("{fault}: {}", cases.join(", "));
    faults.extend(differing.into_iter().map(cases));
    let count = faults.len();
    assert!(faults.is_empty(), "{count} differ\n{}", faults.join("\n"));
}

#[test]
fn odd_names_get_the_kernels_own_errors() {
    same(&steps());
}

#[test]
fn unknown_flags_get_the_kernels_own_errors() {
    same(&unknown_flags());
}

#[test]
fn restricted_resolution_is_the_kernels_own() {
    same(&restricted());
}

#[test]
fn descriptors_are_what_the_flags_of_an_open_make_them() {
    same(&kept());
}

/// Links of /proc, and directories that have no path any more. The step before these made `first`.
fn magic() -> Vec<(String, &'static str)> {
    let path = |number: i64, path: &str, rest: &str| {
        format!("{number} :{path} {rest}").trim_end().to_owned()
    };
    vec![
        (open("file", O_RDWR), "ok"),
        (open("a", O_RDONLY | O_DIRECTORY), "ok"),
        (open("/proc/self/fd/{1}", O_RDWR), "ok"),
        (open("/proc/self/fd/{1}", O_RDONLY | O_NOFOLLOW), "ELOOP"),
        (open("/proc/self/fd/{1}", O_PATH | O_NOFOLLOW), "ok"),
        (open("/proc/self/fd/{1}/", O_RDONLY), "ENOTDIR"),
        (open("/proc/self/fd/{1}/x", O_RDONLY), "ENOTDIR"),
        (open("/proc/self/fd/{2}/beside", O_RDONLY), "ok"),
        (open("/proc/self/fd/{2}/../second", O_RDONLY), "ok"),
        (open("/proc/self/fd/{2}/..", O_RDONLY | O_DIRECTORY), "ok"),
        (open("/proc/self/fd/99", O_RDONLY), "ENOENT"),
        (open("/proc/self/fd/file", O_RDONLY), "ENOENT"),
        (open("/proc/self/fd", O_RDONLY | O_DIRECTORY), "ok"),
        (open("/proc/self/cwd", O_RDONLY | O_DIRECTORY), "ok"),
        (open("/proc/self/cwd/..", O_PATH), "ok"),
        (open("/proc/self/exe", O_RDONLY), "ok"),
        (open("/proc/self/status", O_RDONLY), "ok"),
        (open("/proc/thread-self/status", O_RDONLY), "ok"),
        (open("/proc/self/task", O_RDONLY), "ok"),
        (open("/proc/self", O_PATH | O_NOFOLLOW), "ok"),
        (open("/proc/self", O_RDONLY | O_NOFOLLOW), "ELOOP"),
        (
            open("/proc/self/fd/{1}", O_CREAT | O_EXCL | O_RDWR),
            "EEXIST",
        ),
        (path(crate::old::SYS_stat, "/proc/self/fd/{1}", "buf"), "ok"),
        (
            path(crate::old::SYS_readlink, "/proc/self/fd/{1}", "buf 100"),
            "ok",
        ),
        (
            path(crate::old::SYS_readlink, "/proc/self/cwd", "buf 4096"),
            "ok",
        ),
        (
            path(crate::old::SYS_readlink, "/proc/self/fd/99", "buf 100"),
            "ENOENT",
        ),
        (
            path(crate::old::SYS_chmod, "/proc/self/fd/{1}", "384"),
            "ok",
        ),
        (path(libc::SYS_truncate, "/proc/self/fd/{1}", "0"), "ok"),
        (path(libc::SYS_chdir, "/proc/self/fd/{1}", ""), "ENOTDIR"),
        (path(libc::SYS_chdir, "/proc/self/fd/{2}", ""), "ok"),
        (open("beside", O_RDONLY), "ok"),
        (path(libc::SYS_chdir, "../empty", ""), "ok"),
        (path(crate::old::SYS_rmdir, "../empty", ""), "ok"),
        (open(".", O_RDONLY | O_DIRECTORY), "ok"),
        (open("x", O_RDONLY), "ENOENT"),
        (open("x", O_RDWR | O_CREAT), "ENOENT"),
        (path(crate::old::SYS_mkdir, "x", "448"), "ENOENT"),
        (open("../second", O_RDONLY), "ok"),
        (open("../second", O_RDWR), "ok"),
        (path(crate::old::SYS_stat, ".", "buf"), "ok"),
        (path(crate::old::SYS_stat, "../second", "buf"), "ok"),
        (path(crate::old::SYS_mkdir, "../from-nowhere", "448"), "ok"),
        (path(libc::SYS_chdir, "..", ""), "ok"),
        (open("second", O_RDWR), "ok"),
    ]
}

#[test]
fn magic_links_and_lost_directories_lead_where_they_lead_outside() {
    same(&magic());
}

#[test]
fn the_umask_is_the_callers_own() {
    let path = |number: i64, name: &str, rest: &str| format!("{number} :{name} {rest}");
    let steps = [
        format!("{} 23", libc::SYS_umask),
        path(crate::old::SYS_mkdir, "directory", "511"),
        open("opened", O_RDWR | O_CREAT).replace(" 384", " 511"),
        path(crate::old::SYS_mknod, "fifo-made", "4607 0"),
        format!("{} 63", libc::SYS_umask),
        path(crate::old::SYS_mkdir, "directory-2", "511"),
        open("opened-2", O_RDWR | O_CREAT).replace(" 384", " 511"),
    ];
    let modes = |scene: &Scene| {
        [
            "directory",
            "opened",
            "fifo-made",
            "directory-2",
            "opened-2",
        ]
        .map(|name| scene.state(&format!("w/{name}"))[1] & 0o7777)
    };
    let free = scene();
    assert_eq!(free.steps_outside(&steps), ["ok"; 7]);
    assert_eq!(modes(&free), [0o750, 0o750, 0o750, 0o700, 0o700]);
    for landlock in landlocks() {
        for policy in 0..3 {
            let scene = scene();
            let (title, file) = &policies(&scene)[policy];
            let found = scene.steps_within(landlock, file, &steps);
            assert_eq!(found, ["ok"; 7], "{title} {landlock:?}");
            assert_eq!(modes(&scene), modes(&free), "{title} {landlock:?}");
        }
    }
}

fn short(step: &str) -> String {
    let mut words = step.split(' ');
    let number = words.next().unwrap_or_default();
    let name = number
        .parse()
        .ok()
        .and_then(jail::internal::syscalls::by_number);
    let name = name.map_or(number, |syscall| syscall.name);
    let rest: Vec<&str> = words.map(|word| word.get(..60).unwrap_or(word)).collect();
    format!("{name} {}", rest.join(" "))
}

#[test]
fn a_path_deeper_than_any_name_is_no_way_round_a_denial() {
    let component = "d".repeat(200);
    let mut steps = Vec::new();
    for _ in 0..24 {
        steps.push(format!("{} :{component} 448", crate::old::SYS_mkdir));
        steps.push(format!("{} :{component}", libc::SYS_chdir));
    }
    let made = steps.len();
    steps.push(open("plain", O_RDWR | O_CREAT));
    steps.push(open("secret-x", O_RDWR | O_CREAT));
    steps.push(open("plain", O_RDONLY));
    let free = Scene::new();
    assert_eq!(free.steps_outside(&steps), vec!["ok"; steps.len()]);
    for landlock in landlocks() {
        let scene = Scene::new();
        let denies = scene.policy(&format!("{SUBTREES}deny = [\"@/**/secret-*\"]"));
        let found = scene.steps_within(landlock, &denies, &steps);
        assert_ne!(found[made + 1], "ok", "{landlock:?}");
        for answer in &found {
            assert!(
                matches!(answer.as_str(), "ok" | "ENAMETOOLONG" | "EACCES" | "ENOENT"),
                "{found:?}"
            );
        }
    }
    // What only Landlock holds is as it is outside.
    let scene = Scene::new();
    let subtrees = scene.policy(SUBTREES);
    assert_eq!(
        scene.steps_within(None, &subtrees, &steps),
        vec!["ok"; steps.len()]
    );
}

/// A rule of Landlock is about a file, and an entry about its name: what replaces the file is covered, too.
#[test]
fn a_single_file_that_may_be_changed_may_be_made_anew() {
    for landlock in landlocks() {
        for lists in [
            "write = [\"@/w/made\"]\n",
            "write = [\"@/w/made\"]\nread = [\"@/w\"]\n",
        ] {
            let scene = Scene::new();
            let policy = scene.policy(lists);
            scene.write("w/made", "old\n");
            let script =
                "rm made && echo new > made && cat made; echo x > other; mv made other; ls";
            let ran = run(scene.within(landlock, &policy, &["sh", "-c", script]));
            assert!(
                ran.out.starts_with("new\n"),
                "{landlock:?} {lists}: {} {}",
                ran.out,
                ran.err
            );
            assert!(
                !ran.out.contains("other"),
                "{landlock:?} {lists}: {}",
                ran.out
            );
            assert!(!scene.exists("w/other"));
        }
    }
}
