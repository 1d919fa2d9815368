//! Files in a mount namespace: what is private, what stays, and that the supervisor acts on the
//! command's objects, by Landlock and without.

use crate::scene::{ALL, How, Scene, tried};
use crate::support::{Dir, installed, plain, token};

/// Nothing watched; opens and changes; all that names a path.
const WATCHES: [&str; 3] = ["", "deny = [\"**/.env\"]\n", "hide = [\"**/.env\"]\n"];

fn scene(fs: &str, words: &str) -> Scene {
    Scene::new(&format!(
        "default = \"allow\"\n[fs]\n{fs}[process]\nisolate = [{words}]\n"
    ))
}

#[test]
fn tmp_and_shm_are_private_and_the_starting_directory_is_there() {
    let name = token();
    for directory in ["/tmp", "/dev/shm"] {
        std::fs::write(format!("{directory}/{name}"), "host").expect("a file");
    }
    let script = format!(
        "cat /tmp/{name} /dev/shm/{name} 2>/dev/null; echo own >/tmp/{name} && echo own >/dev/shm/{name} && cat /tmp/{name} /dev/shm/{name}; pwd; cat policy.toml | head -1; echo x >open/{name} && cat open/{name} && rm open/{name}"
    );
    let result = std::panic::catch_unwind(|| {
        for fs in WATCHES {
            for words in ["\"mount\"", ALL] {
                let scene = scene(fs, words);
                let here = scene.dir.path().display();
                let said = format!("own\nown\n{here}\ndefault = \"allow\"\nx\n");
                scene.says(&script, &said);
            }
        }
    });
    for directory in ["/tmp", "/dev/shm"] {
        let file = format!("{directory}/{name}");
        assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some("host"));
        let _ = std::fs::remove_file(file);
    }
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Each call that the supervisor makes in the command's name, in a directory of its own `/tmp`.
#[test]
fn what_the_supervisor_does_it_does_in_the_commands_mounts() {
    let script = "set -e; cd /tmp; mkdir d; echo a >d/f; chmod 640 d/f; stat -c %a d/f; mv d/f d/g; ln -s g d/l; cat d/l; ln d/g d/h; touch -d @0 d/g; stat -c %Y d/h; truncate -s 1 d/g; cat d/h; echo; \
         cp d/g /tmp/copy; rm d/h; test ! -e d/f; readlink d/l; readlink -f /tmp/d/l; cd d; cat ../copy; echo; echo b >./l; cat /tmp/d/../d/g; cat /proc/self/cwd/g; cat < /dev/fd/0 < g; \
         mkfifo p; (echo through >p &) ; cat p; rmdir /tmp/d 2>/dev/null || echo full; rm -r /tmp/d; ls /tmp/copy";
    let said = "640\na\n0\na\ng\n/tmp/d/g\na\nb\nb\nb\nthrough\nfull\n/tmp/copy\n";
    for fs in WATCHES {
        for words in ["\"mount\"", "\"pid\", \"mount\"", ALL] {
            scene(fs, words).says(script, said);
        }
    }
}

#[test]
fn denials_hold_in_private_mounts() {
    let deny = "deny = [\"/tmp/secret\", \"/tmp/**/.env\"]\n";
    let script = "echo x >/tmp/secret; echo y >/tmp/.env; mkdir /tmp/d; echo z >/tmp/d/.env; echo w >/tmp/free; cp /tmp/free /tmp/d; mv /tmp/d/free /tmp/secret; ln -s secret /tmp/l; echo v >/tmp/l; ls -A /tmp /tmp/d";
    for words in ["\"mount\"", ALL] {
        let scene = scene(deny, words);
        scene.each(script, |ran, how| {
            let names: Vec<&str> = ran.out.lines().collect();
            assert!(
                !names.contains(&"secret") && !names.contains(&".env"),
                "{how:?}: {}",
                ran.out
            );
            assert!(
                names.contains(&"free") && names.contains(&"l"),
                "{how:?}: {}",
                ran.out
            );
            assert!(ran.err.contains("/tmp/secret"), "{how:?}: {}", ran.err);
        });
    }
}

/// `write = ["/dev/shm"]` is the private one, whoever holds it.
#[test]
fn a_policys_paths_are_those_of_the_commands_mounts() {
    let name = token();
    for words in ["\"mount\"", "\"pid\", \"mount\"", ALL] {
        for read in ["\"/\"", "\"/\", \"/tmp/**/x\""] {
            let policy = format!(
                "default = \"deny\"\n[syscalls]\n\"@system-service\" = \"allow\"\n\"@file-system\" = \"allow\"\n[fs]\nread = [{read}]\nexec = [\"/usr\", \"/bin\", \"/lib\", \"/lib64\", \".\"]\nwrite = [\"/dev/shm\", \"./open\", \"/dev/null\"]\n[process]\nisolate = [{words}]\n"
            );
            let scene = Scene::new(&policy);
            let script = format!(
                "echo own >/dev/shm/{name}; cat /dev/shm/{name}; echo x >open/f && cat open/f; rm open/f; echo y >./closed || echo denied; test -e closed || echo nothing"
            );
            scene.each(&script, |ran, how| {
                assert_eq!(
                    ran.out, "own\nx\ndenied\nnothing\n",
                    "{how:?} {words}: {}",
                    ran.err
                );
            });
            assert!(!std::path::Path::new(&format!("/dev/shm/{name}")).exists());
        }
    }
}

#[test]
fn read_only_closes_all_but_what_write_names() {
    let outside = Dir::new();
    let outside = outside.path().display();
    for (fs, words) in [
        ("write = [\"./open\"]\n", "\"read-only\""),
        (
            "write = [\"./open\"]\ndeny = [\"**/.env\"]\n",
            "\"read-only\", \"pid\"",
        ),
        (
            "write = [\"./open\"]\n",
            "\"user\", \"pid\", \"net\", \"ipc\", \"uts\", \"read-only\"",
        ),
    ] {
        let scene = scene(fs, words);
        let script = format!(
            "echo a >open/a && cat open/a && rm open/a; echo b 2>/dev/null >closed || echo closed; echo c 2>/dev/null >{outside}/c || echo none; \
             echo d >/tmp/d && cat /tmp/d; echo e >/dev/shm/e && cat /dev/shm/e; echo f >/dev/null && echo null; mkdir /var/tmp/{t} 2>/dev/null || echo var; \
             chmod 700 . 2>/dev/null || echo mode; echo name >/proc/self/comm && echo comm",
            t = token()
        );
        scene.says(&script, "a\nclosed\nnone\nd\ne\nnull\nvar\nmode\ncomm\n");
        assert!(!scene.dir.path().join("closed").exists());
    }
}

/// Not even root, whom nothing else keeps from it.
#[test]
fn without_read_only_the_rest_is_as_writable_as_it_was() {
    let scene = scene("", "\"mount\"");
    scene.says("echo x >open/x && cat open/x; rm open/x", "x\n");
}

#[test]
fn links_of_proc_are_the_callers_own() {
    let script = "exec 5<policy.toml; head -1 /proc/self/fd/5; head -1 /dev/fd/5; ls /proc/self/task | grep -c .; cat /proc/$$/comm; readlink /proc/$$/cwd; cat <(echo piped); readlink /proc/self | grep -c '^[0-9]*$'; test -r /proc/thread-self/status && echo thread; \
         sleep 5 & head -1 /proc/$!/cwd/policy.toml; kill $!; cat /proc/1/environ 2>/dev/null | wc -c; ls /proc/1/fd 2>/dev/null | wc -l";
    for fs in WATCHES {
        for words in ["\"pid\", \"mount\"", "\"pid\"", ALL] {
            let scene = scene(fs, words);
            let here = scene.dir.path().display().to_string();
            for how in How::all() {
                let Some(ran) = tried(scene.run(how, &["bash", "-c", script]).output(), how) else {
                    continue;
                };
                if words == "\"pid\"" {
                    // /proc stays the host's: what goes by `self` works, numbers do not fit.
                    assert!(
                        ran.out
                            .starts_with("default = \"allow\"\ndefault = \"allow\"\n1\n"),
                        "{how:?}: {}",
                        ran.out
                    );
                    assert!(ran.out.contains("piped\n"), "{how:?}: {}", ran.out);
                    continue;
                }
                let said = format!(
                    "default = \"allow\"\ndefault = \"allow\"\n1\nbash\n{here}\npiped\n1\nthread\ndefault = \"allow\"\n0\n0\n"
                );
                assert_eq!(ran.out, said, "{how:?} {fs} {words}: {}", ran.err);
            }
        }
    }
}

#[test]
fn a_policy_about_proc_self_means_the_caller() {
    for words in ["\"pid\", \"mount\"", "\"mount\""] {
        let scene = scene("deny = [\"/proc/self/environ\"]\n", words);
        let script = "cat /proc/self/environ; cat /proc/$$/environ >/dev/null && echo mine; cat /proc/self/comm";
        scene.each(script, |ran, how| {
            assert!(
                ran.out.ends_with("cat\n") && !ran.out.contains("PATH="),
                "{how:?}: {}",
                ran.out
            );
            assert!(ran.err.contains("environ"), "{how:?}: {}", ran.err);
        });
    }
}

#[test]
fn a_working_directory_beneath_tmp_is_there_and_nothing_else_of_it() {
    let scene = Scene::isolated("\"mount\"");
    let deeper = scene.dir.path().join("deeper/still");
    std::fs::create_dir_all(&deeper).expect("mkdir");
    scene.dir.write("deeper/file", "file");
    for how in How::all() {
        let run = scene.with(
            how,
            &["--cwd", "deeper/still"],
            &["sh", "-c", "pwd; ls ..; ls /tmp | wc -l"],
        );
        if let Some(ran) = tried(run.output(), how) {
            let said = format!("{}\nstill\n1\n", deeper.display());
            ran.ends_with(0).says(&said);
        }
    }
    // A stdin that only the host has is opened before.
    let scene = Scene::new(
        "default = \"allow\"\n[process]\nstdin = \"./input\"\ncwd = \"./open\"\nisolate = [\"mount\"]\n",
    );
    scene.dir.write("input", "typed");
    scene.says("cat; ls ..", "typedopen\n");
}

#[test]
fn a_program_beneath_tmp_that_would_not_be_there_is_refused() {
    let scene = Scene::isolated("\"mount\"");
    let other = Dir::new();
    let program = other.program("hidden", "#!/bin/sh\necho ran\n");
    plain(["chmod", "755", &other.path().display().to_string()])
        .output()
        .ends_with(0);
    if !program.starts_with("/tmp/") {
        return println!("NOT TRIED HERE: temporary directories are not in /tmp");
    }
    for how in How::all() {
        let ran = scene.run(how, &[&program]).output();
        ran.ends_with(125)
            .complains("policy.toml:3: process.isolate:")
            .complains("the command cannot see")
            .complains("hidden, because");
    }
}

/// openat2(2) with its RESOLVE flags, which the kernel resolves for the supervisor: it must not end in
/// the supervisor's mounts.
#[test]
fn a_restricted_resolution_stays_in_the_commands_mounts() {
    if !installed("perl") {
        return;
    }
    let name = token();
    let host = format!("/tmp/{name}");
    std::fs::write(&host, "host\n").expect("a file");
    let open = "o() { perl -e '$r = syscall(437, -100, $ARGV[0], pack(\"QQQ\", 0, 0, $ARGV[1]), 24); if ($r < 0) { print \"$!\\n\" } else { open(F, \"<&=\", $r); print <F> }' \"$@\"; }";
    let mut lines = vec![
        open.to_owned(),
        "cd /tmp; echo own >own; ln -s own link; mkdir d; echo root >d/own; cd - >/dev/null".into(),
        format!("ln -s {host} open/{name}"),
    ];
    for flag in [2, 4, 8, 16] {
        lines.push(format!(
            "o {host} {flag}; o open/{name} {flag}; (cd /tmp; o own {flag}; o link {flag})"
        ));
    }
    lines.push("(cd /tmp/d; o /own 16)".into());
    lines.push(format!("o /tmp/own 4; rm open/{name}"));
    for fs in WATCHES {
        for words in ["\"mount\"", ALL] {
            let scene = scene(fs, words);
            scene.each(&lines.join("\n"), |ran, how| {
                assert!(!ran.out.contains("host"), "{how:?} {fs}: {}", ran.out);
                let own = ran.out.lines().filter(|line| *line == "own").count();
                // All but a link where links are forbidden.
                assert_eq!(own, 8, "{how:?} {fs}: {}{}", ran.out, ran.err);
                assert!(ran.out.contains("root\n"), "{how:?} {fs}: {}", ran.out);
            });
        }
    }
    let _ = std::fs::remove_file(host);
}

/// Programs in a `/tmp` of its own, by Landlock, and by the supervisor before and after they are loaded.
#[test]
fn programs_are_judged_by_where_they_lie_in_the_commands_mounts() {
    let script = "mkdir /tmp/bin /tmp/other; cp /bin/echo /tmp/bin; cp /bin/echo /tmp/other; /tmp/bin/echo good; /tmp/other/echo bad; \
                  printf '#!/tmp/bin/echo\\n' >/tmp/bin/script; chmod 755 /tmp/bin/script; /tmp/bin/script; printf '#!/tmp/other/echo\\n' >/tmp/bin/second; chmod 755 /tmp/bin/second; /tmp/bin/second; true";
    for words in ["\"mount\"", ALL] {
        let policy = format!(
            "default = \"deny\"\n[syscalls]\n\"@system-service\" = \"allow\"\n[fs]\nread = [\"/\"]\nexec = [\"/usr\", \"/bin\", \"/lib\", \"/lib64\", \"/tmp/bin\"]\nwrite = [\"/tmp\", \"/dev/null\"]\n[process]\nisolate = [{words}]\n"
        );
        let scene = Scene::new(&policy);
        scene.each(script, |ran, how| {
            assert_eq!(
                ran.out, "good\n/tmp/bin/script\n",
                "{how:?} {words}: {}",
                ran.err
            );
        });
    }
}

/// A working directory that something was mounted over is not the host's any more.
#[test]
fn a_command_that_starts_in_a_private_directory_does_not_see_the_hosts() {
    let scene = Scene::isolated("\"pid\", \"mount\"");
    for how in How::all() {
        for (directory, script) in [
            ("/tmp", "pwd; ls -A | wc -l; echo x >f; cat /tmp/f"),
            ("/dev/shm", "pwd; ls -A | wc -l; echo x >f; cat /dev/shm/f"),
            ("/proc", "pwd; cat 1/comm; cat self/comm"),
        ] {
            let run = scene.with(how, &["--cwd", directory], &["sh", "-c", script]);
            let Some(ran) = tried(run.output(), how) else {
                continue;
            };
            let rest = match directory {
                "/proc" => "jail-init\ncat\n",
                _ => "0\nx\n",
            };
            ran.ends_with(0).says(&format!("{directory}\n{rest}"));
        }
    }
    // A program there would not be found.
    let name = format!("/tmp/{}", token());
    plain(["cp", "/bin/echo", &name]).output().ends_with(0);
    for how in How::all() {
        let ran = scene.with(how, &["--cwd", "/tmp"], &[&name]).output();
        ran.ends_with(125).complains("the command cannot see");
    }
    let _ = std::fs::remove_file(name);
}

/// What stays writable is mounted over the directory that the command was in.
#[test]
fn read_only_leaves_a_starting_directory_writable_that_is_not_private() {
    let directory = format!("/var/tmp/{}", token());
    std::fs::create_dir(&directory).expect("a directory in /var/tmp");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&directory, mode).expect("chmod");
    for fs in [
        format!("write = [\"{directory}\"]\n"),
        "write = [\"/\"]\n".to_owned(),
        format!("write = [\"{directory}\"]\ndeny = [\"**/.env\"]\n"),
    ] {
        let scene = scene(&fs, "\"read-only\"");
        for how in How::all() {
            let script = "echo x >f && cat f && rm f; pwd";
            let run = scene.with(how, &["--cwd", &directory], &["sh", "-c", script]);
            if let Some(ran) = tried(run.output(), how) {
                ran.ends_with(0).says(&format!("x\n{directory}\n"));
            }
        }
    }
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn a_limit_of_memory_is_the_size_of_what_is_private() {
    let scene = Scene::new(
        "default = \"allow\"\n[limits]\nmemory = \"64MiB\"\n[process]\nisolate = [\"pid\", \"mount\"]\n",
    );
    let script = "df -k --output=size /tmp /dev/shm | tail -2 | tr -d ' '";
    scene.says(script, "65536\n65536\n");
}
