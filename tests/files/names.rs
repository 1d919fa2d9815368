//! Odd names: the kernel's errors are those without a jail, and no odd name leads past a denial.

use super::scene::{LANDLOCK, SUBTREES, Scene, open, openat};
use libc::{
    AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW,
    O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY,
};
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
    let raw = |word: &str, flags: i32| format!("{} {word} {flags}", libc::SYS_open);
    let component = "c".repeat(256);
    vec![
        (open("to-b/../beside", O_RDONLY), "ok"),
        (open("to-b/../deep", O_RDONLY), "ENOENT"),
        (open("absolute/../second", O_RDONLY), "ok"),
        (open("a/b/../../second", O_RDONLY), "ok"),
        (
            open("../../../../../../../../../../../../etc/hosts", O_RDONLY),
            "ok",
        ),
        (open("/../etc/./hosts", O_RDONLY), "ok"),
        (open("//etc//hosts", O_RDONLY), "ok"),
        (open(&long(4095), O_RDONLY), "ok"),
        (open(&long(4094), O_RDONLY), "ok"),
        (open(&long(4096), O_RDONLY), "ENAMETOOLONG"),
        (open(&long(5000), O_RDONLY), "ENAMETOOLONG"),
        (open(&component, O_RDONLY), "ENAMETOOLONG"),
        (open(&component[1..], O_RDONLY), "ENOENT"),
        (open(&format!("{component}/x"), O_RDONLY), "ENAMETOOLONG"),
        (path(libc::SYS_mkdir, &component, "448"), "ENAMETOOLONG"),
        (raw("end:file", O_RDONLY), "EFAULT"),
        (raw("end:", O_RDONLY), "EFAULT"),
        (raw("sealed", O_RDONLY), "EFAULT"),
        (raw("bad", O_RDONLY), "EFAULT"),
        (raw("null", O_RDONLY), "EFAULT"),
        (raw("-1", O_RDONLY), "EFAULT"),
        (raw("-4096", O_RDONLY), "EFAULT"),
        (raw("140737488355327", O_RDONLY), "EFAULT"),
        (format!("{} sealed 448", libc::SYS_mkdir), "EFAULT"),
        (format!("{} :file bad", libc::SYS_rename), "EFAULT"),
        (format!("{} end:file 384", libc::SYS_chmod), "EFAULT"),
        (format!("{} :file bad", libc::SYS_stat), "EFAULT"),
        (open("", O_RDONLY), "ENOENT"),
        (open("one", O_RDONLY), "ELOOP"),
        (open("itself/x", O_RDONLY), "ELOOP"),
        (open("one", O_RDWR | O_CREAT), "ELOOP"),
        (open("hop-40", O_RDONLY), "ok"),
        (open("hop-41", O_RDONLY), "ELOOP"),
        (path(libc::SYS_stat, "one", "buf"), "ELOOP"),
        (path(libc::SYS_lstat, "one", "buf"), "ok"),
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
        (openat("18446744069414584220", "file", O_RDONLY), "no step"),
        (openat("99", "file", O_RDONLY), "EBADF"),
        (openat("99", "/etc/hosts", O_RDONLY), "ok"),
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
        (path(libc::SYS_mkdir, "a", "448"), "EEXIST"),
        (path(libc::SYS_mkdir, "dangling/x", "448"), "ENOTDIR"),
        (path(libc::SYS_mkdir, "one", "448"), "EEXIST"),
        (path(libc::SYS_mkdir, "/", "448"), "EEXIST"),
        (path(libc::SYS_mkdir, ".", "448"), "EEXIST"),
        (path(libc::SYS_mkdir, "..", "448"), "EEXIST"),
        (path(libc::SYS_mkdir, "missing/x", "448"), "ENOENT"),
        (path(libc::SYS_mkdir, "file/x", "448"), "ENOTDIR"),
        (path(libc::SYS_mkdir, "made/", "448"), "ok"),
        (path(libc::SYS_rmdir, "made/", ""), "ok"),
        (path(libc::SYS_rmdir, "full", ""), "ENOTEMPTY"),
        (path(libc::SYS_rmdir, "file", ""), "ENOTDIR"),
        (path(libc::SYS_rmdir, "absolute", ""), "ENOTDIR"),
        (path(libc::SYS_rmdir, "empty/.", ""), "EINVAL"),
        (path(libc::SYS_rmdir, "empty/..", ""), "ENOTEMPTY"),
        (path(libc::SYS_rmdir, "missing", ""), "ENOENT"),
        (path(libc::SYS_unlink, "a", ""), "EISDIR"),
        (path(libc::SYS_unlink, "file/", ""), "ENOTDIR"),
        (path(libc::SYS_unlink, "a/", ""), "EISDIR"),
        (path(libc::SYS_unlink, "missing", ""), "ENOENT"),
        (path(libc::SYS_unlink, "missing/x", ""), "ENOENT"),
        (path(libc::SYS_unlink, "one", ""), "ok"),
        (
            format!("{} {AT_FDCWD} :file {AT_REMOVEDIR}", libc::SYS_unlinkat),
            "ENOTDIR",
        ),
        (
            format!("{} {AT_FDCWD} :file 1", libc::SYS_unlinkat),
            "EINVAL",
        ),
        (two(libc::SYS_rename, "a", "a/b/c"), "EINVAL"),
        (two(libc::SYS_rename, "a", "full"), "ENOTEMPTY"),
        (two(libc::SYS_rename, "a", "file"), "ENOTDIR"),
        (two(libc::SYS_rename, "file", "a"), "EISDIR"),
        (two(libc::SYS_rename, "file", "new/"), "ENOTDIR"),
        (two(libc::SYS_rename, "file/", "new"), "ENOTDIR"),
        (two(libc::SYS_rename, ".", "new"), "EBUSY"),
        (two(libc::SYS_rename, "a/..", "new"), "EBUSY"),
        (two(libc::SYS_rename, "a/b", "a"), "ENOTEMPTY"),
        (two(libc::SYS_rename, "missing", "new"), "ENOENT"),
        (two(libc::SYS_rename, "file", "missing/new"), "ENOENT"),
        (two(libc::SYS_rename, "file", "file"), "ok"),
        (two(libc::SYS_rename, "empty/", "renamed/"), "ok"),
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
        (two(libc::SYS_link, "file", "second"), "EEXIST"),
        (two(libc::SYS_link, "a", "linked"), "EPERM"),
        (two(libc::SYS_link, "missing", "linked"), "ENOENT"),
        (two(libc::SYS_link, "file", "linked/"), "ENOENT"),
        (two(libc::SYS_link, "to-file", "linked-link"), "ok"),
        (two(libc::SYS_symlink, "x", "file"), "EEXIST"),
        (two(libc::SYS_symlink, "x", "dangling"), "EEXIST"),
        (two(libc::SYS_symlink, "x", "missing/x"), "ENOENT"),
        (two(libc::SYS_symlink, "", "sym"), "ENOENT"),
        (two(libc::SYS_symlink, "x", "sym/"), "ENOENT"),
        (path(libc::SYS_truncate, "a", "0"), "EISDIR"),
        (path(libc::SYS_truncate, "file", "-1"), "EINVAL"),
        (path(libc::SYS_truncate, "fifo", "0"), "EINVAL"),
        (path(libc::SYS_truncate, "missing", "0"), "ENOENT"),
        (path(libc::SYS_chmod, "missing", "384"), "ENOENT"),
        (path(libc::SYS_chmod, "file/", "384"), "ENOTDIR"),
        (path(libc::SYS_chmod, "dangling-too", "384"), "ENOENT"),
        (path(libc::SYS_readlink, "file", "buf 100"), "EINVAL"),
        (path(libc::SYS_readlink, "to-file", "buf 0"), "EINVAL"),
        (path(libc::SYS_readlink, "to-file", "buf -1"), "EINVAL"),
        (path(libc::SYS_readlink, "to-file", "bad 100"), "EFAULT"),
        (path(libc::SYS_readlink, "missing", "buf 100"), "ENOENT"),
        (path(libc::SYS_readlink, "to-b/", "buf 100"), "EINVAL"),
        (path(libc::SYS_access, "missing", "0"), "ENOENT"),
        (path(libc::SYS_access, "file", "8"), "EINVAL"),
        (path(libc::SYS_access, "file/x", "0"), "ENOTDIR"),
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
        (
            format!("{} {AT_FDCWD} :file buf 1", libc::SYS_newfstatat),
            "EINVAL",
        ),
        (
            format!("{} {AT_FDCWD} :file 384 1", libc::SYS_fchmodat2),
            "EINVAL",
        ),
        (
            format!("{} {AT_FDCWD} :file -1 -1 1", libc::SYS_fchownat),
            "EINVAL",
        ),
        (
            format!("{} {AT_FDCWD} :file null 1", libc::SYS_utimensat),
            "EINVAL",
        ),
        (
            format!("{} {AT_FDCWD} :file {AT_FDCWD} :linked 1", libc::SYS_linkat),
            "EINVAL",
        ),
        (path(libc::SYS_mknod, "file", "33152 0"), "EEXIST"),
        (path(libc::SYS_mknod, "node", "16384 0"), "EPERM"),
        (path(libc::SYS_mknod, "node", "61440 0"), "EINVAL"),
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

#[test]
fn odd_names_and_flags_get_the_kernels_own_errors() {
    let table: Vec<(String, &str)> = steps()
        .into_iter()
        .filter(|(_, expected)| *expected != "no step")
        .collect();
    let made: Vec<String> = table.iter().map(|(step, _)| step.clone()).collect();
    let outside = scene().steps_outside(&made);
    let mut faults = Vec::new();
    for ((step, expected), got) in table.iter().zip(&outside) {
        if expected != got {
            faults.push(format!(
                "outside: {}: expected {expected}, got {got}",
                short(step)
            ));
        }
    }
    for landlock in LANDLOCK {
        for policy in 0..3 {
            let scene = scene();
            let (title, file) = &policies(&scene)[policy];
            let found = scene.steps_within(landlock, file, &made);
            assert_eq!(found.len(), made.len());
            for ((step, outside), got) in made.iter().zip(&outside).zip(&found) {
                if outside != got {
                    faults.push(format!(
                        "{title}, Landlock {landlock:?}: {}: {got}, outside {outside}",
                        short(step)
                    ));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} differ\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn short(step: &str) -> String {
    let mut words = step.split(' ');
    let number = words.next().unwrap_or_default();
    let name = number.parse().ok().and_then(jail::syscalls::by_number);
    let name = name.map_or(number, |syscall| syscall.name);
    let rest: Vec<&str> = words.map(|word| word.get(..60).unwrap_or(word)).collect();
    format!("{name} {}", rest.join(" "))
}

#[test]
fn a_path_deeper_than_any_name_is_no_way_round_a_denial() {
    let component = "d".repeat(200);
    let mut steps = Vec::new();
    for _ in 0..24 {
        steps.push(format!("{} :{component} 448", libc::SYS_mkdir));
        steps.push(format!("{} :{component}", libc::SYS_chdir));
    }
    let made = steps.len();
    steps.push(open("plain", O_RDWR | O_CREAT));
    steps.push(open("secret-x", O_RDWR | O_CREAT));
    steps.push(open("plain", O_RDONLY));
    let free = Scene::new();
    assert_eq!(free.steps_outside(&steps), vec!["ok"; steps.len()]);
    for landlock in LANDLOCK {
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
