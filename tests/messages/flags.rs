//! The flags that are entries of the policy for one run: what they allow and deny, how messages name them,
//! and what is wrong with each.

use super::support::{Dir, Run, jail};

fn run(dir: &Dir, arguments: &[&str]) -> Run {
    jail(arguments).cwd(dir.path())
}

/// The errors of a command line, which runs nothing.
fn refused(dir: &Dir, flags: &[&str]) -> String {
    let all: Vec<&str> = flags
        .iter()
        .copied()
        .chain(["--", "touch", "ran"])
        .collect();
    let ran = run(dir, &all).output().ends_with(125);
    assert!(!dir.path().join("ran").exists(), "{flags:?}");
    ran.err
}

#[test]
fn without_a_policy_the_preset_workspace_decides_and_no_file_of_that_name_does() {
    let dir = Dir::new();
    for name in ["workspace", "workspace.toml", "jail.toml", ".jail.toml"] {
        dir.write(name, "extends = [\"permissive\"]\n");
    }
    let outside = Dir::new();
    let file = outside.write("secret", "1");
    let command = format!("echo hi > made; cat made; cat {file}");
    let ran = run(&dir, &["--", "sh", "-c", &command]).output();
    ran.ends_with(1).says("hi\n").complains("Permission denied");
}

#[test]
fn each_flag_decides_and_is_named_in_the_denial() {
    let dir = Dir::new();
    dir.write("a", "content of a\n");
    let other = Dir::new();
    let file = other.write("b", "content of b\n");
    run(&dir, &["--allow-read", &file, "--", "cat", &file])
        .output()
        .ends_with(0)
        .says("content of b\n");
    run(&dir, &["--", "cat", &file]).output().ends_with(1);
    let made = other.path().join("c");
    let made = made.to_str().expect("a path");
    let above = other.path().to_str().expect("a path");
    run(&dir, &["--", "touch", made]).output().ends_with(1);
    run(&dir, &["--allow-write", above, "--", "touch", made])
        .output()
        .ends_with(0);
    let program = other.program("p", "#!/bin/sh\necho ran\n");
    run(
        &dir,
        &["--allow-read", &program, "--", "sh", "-c", &program],
    )
    .output()
    .ends_with(126);
    let flags = [
        "--allow-read",
        &program,
        "--allow-exec",
        &program,
        "--",
        "sh",
        "-c",
        &program,
    ];
    run(&dir, &flags).output().ends_with(0).says("ran\n");
    run(&dir, &["--deny", "./a", "--", "cat", "a"])
        .output()
        .ends_with(1)
        .complains("[--deny \"./a\"]")
        .complains("to allow: remove or narrow --deny ./a;");
    run(&dir, &["--set", "limits.wall=100ms", "--", "sleep", "9"])
        .output()
        .ends_with(124)
        .complains("[--set limits.wall]");
    run(
        &dir,
        &[
            "--set",
            "syscalls.getppid=ENOSYS",
            "--set",
            "syscalls.sync=deny",
            "--",
            "sync",
        ],
    )
    .output()
    .complains("[--set sync]");
}

#[test]
fn a_connection_is_allowed_and_denied_by_flags() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let dir = Dir::new();
    let client = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected");
    let endpoint = format!("127.0.0.1:{port}");
    let command = ["--", "bash", "-c", &client];
    let with = |flags: &[&str]| {
        let all: Vec<&str> = flags.iter().chain(&command).copied().collect();
        run(&dir, &all).output()
    };
    with(&[]).complains("--allow-net for its peer").ends_with(1);
    with(&["--allow-net", &endpoint])
        .ends_with(0)
        .says("connected\n");
    with(&["--allow-net", "10.0.0.1:80"])
        .complains(&format!("to allow: add --allow-net \"{endpoint}\"\n"))
        .ends_with(1);
    with(&["--allow-net", &endpoint, "--deny", "127.0.0.0/8"])
        .complains("[--deny \"127.0.0.0/8\"]")
        .ends_with(1);
}

#[test]
fn several_policies_are_joined_and_conflicts_name_both_files() {
    let dir = Dir::new();
    dir.write(
        "a.toml",
        "[process]\nnice = 3\n[limits]\nwall = \"9s\"\n[fs]\nread = [\".\"]\n",
    );
    dir.write(
        "b.toml",
        "[process]\nnice = 4\n[limits]\nwall = \"100ms\"\n[fs]\ndeny = [\"./x\"]\n",
    );
    dir.write("x", "1");
    let both = ["-p", "base", "-p", "a.toml", "-p", "b.toml"];
    let err = refused(&dir, &both);
    assert!(
        err.contains("`nice` is inherited as 3 from a.toml:2 and as 4 from b.toml:2"),
        "{err}"
    );
    assert!(
        err.contains("decide with --set process.nice=VALUE"),
        "{err}"
    );
    let decided: Vec<&str> = both
        .into_iter()
        .chain(["--set", "process.nice=5"])
        .collect();
    let with = |command: &[&str]| {
        let all: Vec<&str> = decided.iter().chain(command).copied().collect();
        run(&dir, &all).output()
    };
    with(&["--", "nice"]).ends_with(0).says("5\n");
    with(&["--", "cat", "x"])
        .ends_with(1)
        .complains("[b.toml:6 \"./x\"]");
    // Of two inherited limits the stricter holds.
    with(&["--", "sleep", "9"])
        .ends_with(124)
        .complains("[b.toml:4 limits.wall]");
}

#[test]
fn what_is_wrong_with_a_flag_is_shown_with_a_caret_beneath_it() {
    let dir = Dir::new();
    let cases = [
        (
            ["--allow-net", "1.2.3.4:x"],
            "`x` is not a port",
            "--allow-net 1.2.3.4:x\n",
            "^",
        ),
        (
            ["--allow-read", "$NO_SUCH_THING/x"],
            "the variable `NO_SUCH_THING` is not set",
            "--allow-read $NO_SUCH_THING/x\n",
            "^^^^^^^^^^^^^",
        ),
        (
            ["--allow-write", "./{a,b/c}"],
            "braces stand within one component",
            "--allow-write ./{a,b/c}\n",
            "^^^^^^^^^",
        ),
        (
            ["--allow-exec", ""],
            "--allow-exec has an empty value",
            "--allow-exec \n",
            "^^^^^^^^^^^^",
        ),
        (
            ["--deny", "secrets"],
            "\"secrets\" may be a path or an endpoint",
            "--deny secrets\n",
            "^^^^^^^",
        ),
        (["--deny", "10.0.0.0/99"], "99", "--deny 10.0.0.0/99\n", "^"),
        (
            ["--set", "limits.wal=1s"],
            "unknown key `wal` in [limits]",
            "--set limits.wal=1s\n",
            "^^^^^^^^^^",
        ),
        (
            ["--set", "limits.wall=10"],
            "\"10\" has no unit",
            "--set limits.wall=10\n",
            "^^",
        ),
        (
            ["--set", "limits.processes=0"],
            "`processes` must be at least 1",
            "--set limits.processes=0\n",
            "^",
        ),
        (
            ["--set", "process.isolate=[\"pidd\"]"],
            "does not know the word `pidd`",
            "--set process.isolate=[\"pidd\"]\n",
            "^^^^^^",
        ),
        (
            ["--set", "process.isolate=[\"pid\""],
            "unclosed array",
            "--set process.isolate=[\"pid\"\n",
            "^",
        ),
        (
            ["--set", "wall=1s"],
            "did you mean `limits.wall`?",
            "--set wall=1s\n",
            "^^^^",
        ),
        (
            ["--set", "fs.read=/x"],
            "the flags for [fs] are --allow-read",
            "--set fs.read=/x\n",
            "^^^^^^^",
        ),
        (
            ["--set", "extends=base"],
            "give --policy once for each policy",
            "--set extends=base\n",
            "^^^^^^^",
        ),
        (
            ["--set", "limits"],
            "\"limits\" has no value",
            "--set limits\n",
            "^^^^^^",
        ),
        (
            ["--set", "limits=1"],
            "name a key of it: limits.KEY",
            "--set limits=1\n",
            "^^^^^^",
        ),
        (
            ["--set", "default=maybe"],
            "`default` is \"allow\" or \"deny\"",
            "--set default=maybe\n",
            "^^^^^",
        ),
        (
            ["--set", "syscalls.getpidd=deny"],
            "did you mean `getpid`?",
            "--set syscalls.getpidd=deny\n",
            "^^^^^^^^^^^^^^^^",
        ),
        (
            ["--set", "process.isolate=[]\nx = 1"],
            "this is more than one value",
            "--set process.isolate=[] x = 1\n",
            "^^^^^^^^",
        ),
        (
            ["--policy", "./missing.toml"],
            "cannot read the policy `./missing.toml`",
            "--policy ./missing.toml\n",
            "^^^^^^^^^^^^^^",
        ),
    ];
    for (flag, message, line, caret) in cases {
        // The second policy makes it a command line of several lines.
        let err = refused(&dir, &["-p", "base", flag[0], flag[1]]);
        assert!(err.contains("--> command line:2:"), "{flag:?}: {err}");
        for part in [message, line, &format!(" {caret}")] {
            assert!(err.contains(part), "{flag:?}: {part:?} is missing in {err}");
        }
    }
    let err = refused(
        &dir,
        &["--set", "limits.wall=1s", "--set", "limits.wall=2s"],
    );
    assert!(err.contains("`limits.wall` is set twice"), "{err}");
}

#[test]
fn what_is_not_text_is_refused_with_the_next_step() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    let odd = OsStr::from_bytes(b"/srv/a\xffb");
    let arguments = [
        OsStr::new("--allow-read"),
        odd,
        OsStr::new("--"),
        OsStr::new("true"),
    ];
    let ran = jail(arguments).cwd(dir.path()).output().ends_with(125);
    ran.complains("it is not UTF-8 text; write `[! -~]` for each byte that is not: --allow-read '/srv/a[! -~]b'");
}

#[test]
fn the_other_commands_take_the_same_flags() {
    let dir = Dir::new();
    let policy = dir.write(
        "p.toml",
        "extends = [\"base\"]\n[fs]\nread = [\".\"]\n[[test]]\nallow = [\"read ./x\"]\n",
    );
    run(&dir, &["test", &policy]).output().ends_with(0);
    run(&dir, &["test", &policy, "--deny", "./x"])
        .output()
        .ends_with(1)
        .complains("read ./x is denied with EACCES, expected: allowed")
        .complains("decided by --deny fs.deny \"./x\"");
    run(&dir, &["check", "--strict", &policy])
        .output()
        .ends_with(0);
    run(
        &dir,
        &["check", "--strict", &policy, "--allow-read", "./nothing"],
    )
    .output()
    .ends_with(1)
    .complains("--> command line:2:14");
    run(&dir, &["explain", &policy, "read ./x", "--deny", "./x"])
        .output()
        .ends_with(0)
        .says_part("--deny fs.deny \"./x\"");
    let cases = dir.write(
        "cases.jsonl",
        "{\"command\": [\"cat\", \"p.toml\"], \"policy\": \"workspace\"}\n{\"command\": [\"true\"]}\n",
    );
    let ran = run(
        &dir,
        &[
            "batch", &cases, "-p", "base", "-p", "p.toml", "--deny", "./p.toml",
        ],
    );
    let ran = ran.output();
    // The flags hold for the case with a policy of its own, too.
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines.len() == 2, "{}", ran.out);
    let own = lines
        .iter()
        .find(|line| line.contains("\"cat\""))
        .expect("a verdict");
    assert!(own.contains("\"exit_code\":1"), "{own}");
    assert!(
        own.contains("\"name\":\"workspace + --deny ./p.toml\""),
        "{own}"
    );
    let joined = lines
        .iter()
        .find(|line| line.contains("\"true\""))
        .expect("a verdict");
    assert!(
        joined.contains("\"name\":\"base + p.toml + --deny ./p.toml\""),
        "{joined}"
    );
    assert!(joined.contains("\"exit_code\":0"), "{joined}");
}

/// A slip would look like a denial.
#[test]
fn a_flag_that_lets_a_missing_file_be_read_gets_a_warning() {
    let dir = Dir::new();
    let flags = ["--allow-read", "./mising", "--allow-exec", "./gone/p"];
    run(&dir, &[&flags[..], &["--", "true"]].concat())
        .output()
        .ends_with(0)
        .complains("jail: warning: --allow-read ./mising: there is no such file or directory\n")
        .complains("jail: warning: --allow-exec ./gone/p: there is no such file or directory\n");
    let flags = ["--allow-write", "./made", "--allow-read", "./*.txt"];
    let ran = run(&dir, &[&flags[..], &["--", "true"]].concat()).output();
    assert_eq!(ran.ends_with(0).err, "");
    let quiet = ["--quiet", "--allow-read", "./mising", "--", "true"];
    assert_eq!(run(&dir, &quiet).output().ends_with(0).err, "");
}
