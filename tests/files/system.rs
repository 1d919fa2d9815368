//! What the built-in policies open of the system's own directories: settings and no secrets, and
//! nothing in which programs of other people meet.

use super::scene::{Scene, open, run};
use crate::support::landlock::landlocks;
use crate::support::{installed, is_root, jail, plain, token};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The policies that promise to open of the system what programs need, and no more.
const NARROW: [&str; 4] = ["base", "compute", "workspace", "build"];

/// Regular files beneath a directory that root may read and other users may not.
fn secrets(above: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        if data.is_dir() {
            secrets(&path, found);
        } else if data.is_file() && data.uid() == 0 && data.mode() & 0o404 == 0o400 {
            found.push(path);
        }
    }
}

#[test]
fn root_reads_no_secret_of_etc_and_the_kernel() {
    if !is_root() {
        println!("NOT TRIED HERE: secrets that root may read: not root");
        return;
    }
    let scene = Scene::new();
    let mut paths = vec![PathBuf::from("/etc/shadow")];
    secrets(Path::new("/etc"), &mut paths);
    paths.truncate(20);
    // Without capabilities root may read these, too.
    for place in [
        "/sys/firmware/dmi/tables/DMI",
        "/sys/kernel/debug/sched/features",
        "/sys/kernel/tracing/available_events",
        "/sys/kernel/security/lsm",
    ] {
        if Path::new(place).exists() {
            paths.push(place.into());
        }
    }
    for path in &paths {
        let path = path.to_str().expect("a path of text");
        run(scene.outside(&["cat", path])).ends_with(0);
        for policy in NARROW {
            for landlock in landlocks() {
                let ran = run(scene.within(landlock, policy, &["cat", path]));
                if ran.code() != Some(1) {
                    ran.fail(&format!("{policy} opens {path}, Landlock {landlock:?}"));
                }
            }
        }
    }
}

#[test]
fn what_programs_need_of_etc_can_be_read() {
    let scene = Scene::new();
    // What a dynamic program, a look-up of names and a certificate check open.
    let places = [
        "/etc/ld.so.cache",
        "/etc/nsswitch.conf",
        "/etc/passwd",
        "/etc/group",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/services",
        "/etc/localtime",
        "/etc/os-release",
        "/etc/ssl/openssl.cnf",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/profile",
        "/etc/mtab",
    ];
    let places: Vec<&str> = places
        .into_iter()
        .filter(|path| fs::File::open(path).is_ok())
        .collect();
    assert!(places.len() > 4, "{places:?}");
    for policy in NARROW {
        for landlock in landlocks() {
            let command = [&["cat"], places.as_slice()].concat();
            run(scene.within(landlock, policy, &command)).ends_with(0);
        }
    }
}

/// Shared memory, which every program may write to.
#[test]
fn two_jails_pass_no_note_through_shared_memory() {
    let shared = Path::new("/dev/shm");
    let name = token();
    let foreign = shared.join(&name);
    if fs::write(&foreign, "another program's").is_err() {
        println!("NOT TRIED HERE: /dev/shm: it cannot be written to");
        return;
    }
    let scene = Scene::new();
    let note = scene.write("w/note", "note");
    let target = foreign.to_str().expect("a path of text");
    run(scene.outside(&["cp", &note, target])).ends_with(0);
    fs::write(&foreign, "another program's").expect("a segment");
    for policy in ["base", "compute", "net"] {
        for landlock in landlocks() {
            let held = scene.policy_file(
                "held.toml",
                &format!("extends = [\"{policy}\"]\n[fs]\nread = [\"@/w\"]\n"),
            );
            let new = format!("{target}-new");
            for (command, path) in [("cp", target), ("cp", new.as_str())] {
                let ran = run(scene.within(landlock, &held, &[command, &note, path]));
                assert_ne!(ran.code(), Some(0), "{policy} {landlock:?}: {}", ran.err);
            }
            let ran = run(scene.within(landlock, &held, &["cat", target]));
            assert_ne!(ran.code(), Some(0), "{policy} {landlock:?}: {}", ran.out);
            assert!(!Path::new(&new).exists());
        }
    }
    let kept = fs::read_to_string(&foreign);
    let _ = fs::remove_file(&foreign);
    assert_eq!(kept.ok().as_deref(), Some("another program's"));
}

#[test]
fn a_denial_in_shared_memory_names_the_file_and_not_the_directory() {
    let scene = Scene::new();
    let name = format!("/dev/shm/{}", token());
    let options = ["--trace-denials", "--policy", "base", "--"];
    run(scene.with(None, &options, &["mkfifo", &name]))
        .ends_with(1)
        .complains(&format!("add \"{name}\" to write in [fs]"));
    let ran = jail(["--policy", "workspace", "--", "mkfifo", &name]).output();
    let _ = fs::remove_file(&name);
    ran.ends_with(0);
}

/// A process's own files in /proc, but for its memory where the supervisor keeps judged paths in it.
#[test]
fn a_process_opens_its_own_files_in_proc_as_outside() {
    let names = [
        "maps",
        "environ",
        "auxv",
        "pagemap",
        "clear_refs",
        "comm",
        "oom_score_adj",
        "coredump_filter",
        "timerslack_ns",
        "syscall",
        "personality",
        "io",
        "wchan",
        "setgroups",
        "uid_map",
        "mem",
    ];
    let modes = [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR];
    let steps: Vec<String> = names
        .iter()
        .flat_map(|name| modes.map(|mode| open(&format!("/proc/self/{name}"), mode)))
        .collect();
    let free = Scene::new().steps_outside(&steps);
    let (files, memory) = free.split_at(steps.len() - modes.len());
    assert_eq!(memory, ["ok"; 3]);
    for (policy, writes) in [
        // A file of a policy is protected; a preset is none.
        ("", "ok"),
        (
            "default = \"allow\"\n[fs]\ndeny = [\"@/r/secret\"]\n",
            "EACCES",
        ),
        (
            "default = \"allow\"\n[net]\ndeny = [\"10.0.0.0/8\"]\n",
            "EACCES",
        ),
    ] {
        for landlock in landlocks() {
            let scene = Scene::new();
            let file = match policy {
                "" => "permissive".to_owned(),
                text => scene.policy_file("proc.toml", text),
            };
            let within = scene.steps_within(landlock, &file, &steps);
            let (within_files, within_memory) = within.split_at(files.len());
            assert_eq!(within_files, files, "{policy} {landlock:?}");
            assert_eq!(
                within_memory,
                ["ok", writes, writes],
                "{policy} {landlock:?}"
            );
        }
    }
}

/// Queues of all programs of an IPC namespace lie in one file system. Landlock denied mq_open without a word,
/// and let mq_unlink remove anybody's.
#[test]
fn a_message_queue_is_denied_with_a_report_and_those_of_others_stay() {
    const PYTHON: &str = "/usr/bin/python3";
    if !installed(PYTHON) {
        return;
    }
    // mq_open(3) by ctypes: what to do, and the name.
    let script = "import ctypes, os, sys
rt = ctypes.CDLL(None, use_errno=True)
if not hasattr(rt, 'mq_open'): rt = ctypes.CDLL('librt.so.1', use_errno=True)
what, name = sys.argv[1], sys.argv[2].encode()
flags = {'make': os.O_CREAT | os.O_RDWR, 'open': os.O_RDWR}
done = rt.mq_unlink(name) if what == 'remove' else rt.mq_open(name, flags[what], 0o600, None)
print('ok' if done >= 0 else os.strerror(ctypes.get_errno()))";
    let name = format!("/{}", token());
    let words = |what| [PYTHON, "-I", "-c", script, what, name.as_str()];
    let outside = |what| plain(words(what)).output();
    outside("make").says("ok\n");
    for landlock in landlocks() {
        let within = |policy: &str, what| {
            let scene = Scene::new();
            run(scene.with(landlock, &["--policy", policy, "--"], &words(what)))
        };
        for policy in ["base", "read-only"] {
            for (what, call) in [("open", "mq_open"), ("remove", "mq_unlink")] {
                let ran = within(policy, what).says("Permission denied\n");
                ran.complains(&format!("denied {call}("))
                    .complains("add \"/dev/mqueue\" to write in [fs]");
            }
        }
        outside("open").says("ok\n");
        for policy in ["permissive", "offline"] {
            let ran = within(policy, "open").says("ok\n");
            assert!(!ran.err.contains("denied"), "{}", ran.err);
        }
        match Path::new("/dev/mqueue").exists() {
            true => _ = within("workspace", "open").says("ok\n"),
            false => println!("NOT TRIED HERE: no /dev/mqueue, which workspace opens"),
        }
    }
    outside("remove").says("ok\n");
}
