//! Every call that takes a path, and names of every kind.

use super::paste::{Files, paste};
use super::scene::{Scene, files};
use crate::support::{Dir, copy, plain};
use jail::internal::syscalls::named::{Asks, NAMED};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Mutex;

/// A policy that allows nothing of the tree; `other` is where the second path of a call lies.
const NOTHING: &str = "extends = [\"base\"]\n[fs]\nwrite = [\n\"@/other\",\n]\n";

/// A row of `files calls`.
struct Row {
    name: String,
    wants: String,
    access: String,
    other: String,
}

fn rows() -> Vec<Row> {
    let listed = plain([files().as_str(), "calls"]).output().ends_with(0).out;
    let row = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let mut next = || words.next().expect("four words");
        Row {
            name: next(),
            wants: next(),
            access: next(),
            other: next(),
        }
    };
    listed.lines().map(row).collect()
}

/// Puts the tree as the call wants it.
fn prepare(tree: &Path, row: &Row) {
    for directory in ["place", "other"] {
        let _ = fs::remove_dir_all(tree.join(directory));
        fs::create_dir(tree.join(directory)).expect("a directory");
    }
    let victim = tree.join("place/victim");
    match row.wants.as_str() {
        "nothing" => {}
        "file" | "marked" => fs::write(&victim, "victim").expect("a file"),
        "directory" => fs::create_dir(&victim).expect("a directory"),
        "program" => copy("/bin/true", &victim),
        "symlink" => {
            fs::write(tree.join("other/target"), "target").expect("a file");
            std::os::unix::fs::symlink("../other/target", &victim).expect("a symbolic link");
        }
        wants => panic!("`files` wants a {wants:?}"),
    }
    if row.wants == "marked" {
        let path = victim.display().to_string();
        let mark = ["setfattr", "-n", "user.files", "-v", "1", path.as_str()];
        let _ = std::process::Command::new(mark[0])
            .args(&mark[1..])
            .status();
    }
    if row.other == "file" {
        fs::write(tree.join("other/victim"), "other").expect("a file");
    }
}

/// What a call answers outside and, once the advice has been followed, within.
fn follow(row: &Row, landlock: Option<&str>) -> Result<(), String> {
    let tree = Dir::new();
    let command = [files().as_str(), &row.name, "absolute"].map(OsString::from);
    let directory = tree.path().join("place").into_os_string();
    let command = command.into_iter().chain([directory, "victim".into()]);
    let command: Vec<OsString> = command.collect();
    let other = tree.file("other");
    prepare(tree.path(), row);
    let outside = plain(&command).env("FILES_OTHER", &other).cwd(tree.path());
    let outside = outside.output().out;
    let scene = Scene {
        tree: tree.path(),
        policy: NOTHING,
        command,
        landlock,
        variables: vec![("FILES_OTHER", other)],
        before: &|| prepare(tree.path(), row),
    };
    let ended = scene.follow();
    let name = &row.name;
    match (ended.allowed, row.access.as_str()) {
        (false, _) => Err(format!("{name}: {:?}", ended.advices)),
        (_, "write" | "read" | "exec") if ended.advices.is_empty() && outside == "ok\n" => {
            Err(format!("{name}: nothing was denied"))
        }
        _ if ended.ran.out != outside => Err(format!(
            "{name}: {outside:?} outside, {:?} within, after {:?}\n{}",
            ended.ran.out, ended.advices, ended.ran.err
        )),
        _ => Ok(()),
    }
}

/// Two at a time.
fn each(rows: &[Row], landlock: Option<&str>) {
    let failed = Mutex::new(Vec::new());
    let next = Mutex::new(rows.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = { next.lock().expect("the rows").next() } {
                    if let Err(text) = follow(row, landlock) {
                        failed.lock().expect("the list").push(text);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("the list");
    assert!(failed.is_empty(), "{}\n{}", failed.len(), failed.join("\n"));
}

/// Calls of the table that need a capability, and that the baseline or `base` closes.
const CLOSED: &[&str] = &[
    "acct",
    "chroot",
    "fanotify_mark",
    "fspick",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "open_tree_attr",
    "pivot_root",
    "quotactl",
    "swapoff",
    "swapon",
    "umount2",
    "uselib",
];

#[test]
fn every_call_that_takes_a_path_is_tried() {
    let rows = rows();
    let tried = |syscall: &str| {
        rows.iter().any(|row| {
            let rest = row.name.strip_prefix(syscall);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    for named in NAMED.iter().filter(|named| named.asks != Asks::Stat) {
        let known = tried(named.syscall) || CLOSED.contains(&named.syscall);
        assert!(
            known,
            "{} needs a row in tests/programs/files",
            named.syscall
        );
    }
}

#[test]
fn what_is_denied_of_a_path_is_allowed_by_the_advice() {
    each(&rows(), None);
}

#[test]
fn what_is_denied_of_a_path_without_landlock_is_allowed_by_the_advice() {
    // One call of each kind: all are judged by the supervisor.
    let kinds = [
        "open-read",
        "open-create",
        "getdents",
        "mkdir",
        "unlink",
        "rename-from",
        "execve",
    ];
    let rows: Vec<Row> = rows()
        .into_iter()
        .filter(|row| kinds.contains(&row.name.as_str()))
        .collect();
    assert_eq!(rows.len(), kinds.len());
    each(&rows, Some("0"));
}

/// What a file may be called.
const ODD: &[&[u8]] = &[
    b"[slug]",
    b"{a,b}",
    b"*",
    b"a**b",
    b"?",
    b"$id.tsx",
    b"${HOME}",
    b"~",
    b"!x",
    b"a\\b",
    b"\"quoted\"",
    b"a b",
    b"line\nline",
    b"\x1b[2J\t\x7f",
    "\u{202e}e\u{301}日".as_bytes(),
    b"no\xfftext",
];

#[test]
fn a_name_of_any_kind_is_allowed_by_the_advice() {
    let tree = Dir::new();
    for name in ODD {
        let directory = tree.path().join(OsString::from_vec(name.to_vec()));
        fs::create_dir(&directory).expect("a directory");
        let file = directory.join(std::ffi::OsStr::from_bytes(name));
        fs::write(&file, "content").expect("a file");
        let scene = Scene {
            tree: tree.path(),
            policy: "extends = [\"base\"]\n",
            command: vec!["/bin/cat".into(), file.into_os_string()],
            landlock: None,
            variables: Vec::new(),
            before: &|| {},
        };
        let ended = scene.follow();
        assert!(
            ended.allowed && ended.advices.len() == 1,
            "{:?}",
            ended.advices
        );
        ended.ran.ends_with(0).says("content");
    }
}

/// The line of a message is that of the log, on a terminal of any width.
#[test]
fn the_message_has_the_advice_as_the_log_has_it() {
    let tree = Dir::new();
    let name = "a [long] name/".repeat(20);
    let file = tree.write(&format!("{name}file"), "x");
    let policy = tree.write("net.toml", "extends = [\"base\"]\n");
    let command = [
        "--trace-denials",
        "--policy",
        &policy,
        "--",
        "/bin/cat",
        &file,
    ];
    let ran = crate::support::jail(command).output().ends_with(1);
    let entry = file.replace('[', "\\\\[").replace(']', "\\\\]");
    let _ = ran.complains(&format!("to allow: add \"{entry}\" to read in [fs] of "));
}

/// What jail says of a program that it could not start.
#[test]
fn an_interpreter_is_allowed_by_the_advice() {
    let tree = Dir::new();
    let [interpreter, link, script] =
        ["home [x]/$python", "link", "work/run.py"].map(|name| tree.file(name));
    // By another process: what is open for writing in this one could not be executed. The kernel splits the
    // line of a script at a blank.
    const MAKE: &str = r##"mkdir "${1%/*}" "${3%/*}" && cp /bin/echo "$1" && ln -s "$1" "$2" &&
        printf '#!%s\n' "$2" > "$3" && chmod 755 "$3""##;
    let make = ["/bin/sh", "-c", MAKE, "sh", &interpreter, &link, &script];
    plain(make).output().ends_with(0);
    let mut text = format!(
        "extends = [\"base\"]\n[fs]\nread = [\n{:?},\n]\nexec = [\n{:?},\n]\n",
        tree.file("work"),
        tree.file("work"),
    );
    for code in [126, 0] {
        let place = Dir::new();
        let policy = place.write("net.toml", &text);
        let ran = crate::support::jail(["--policy", &policy, "--", &script]).output();
        let ran = ran.ends_with(code);
        if let Some((_, advice)) = ran.err.split_once("; add ") {
            let advice = format!("to allow: add {} of net.toml", advice.trim_end());
            let files = Files(vec![("net.toml".to_owned(), text.clone())]);
            let files = paste(files, &advice).expect("an entry");
            text = files.0.into_iter().next().expect("a policy").1;
        }
    }
}
