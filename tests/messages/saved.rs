//! A policy that `--write-policy` saves means what the flags meant, for every flag.

use std::fs;
use std::path::Path;

use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Flag, FlagKind, Layers, Policy};

use super::support::{Dir, jail};

/// All that a policy says, without the places where it says it.
fn meaning(policy: &Policy) -> String {
    let plan = Plan::new(policy, &Host::newest()).expect("a plan");
    let text = format!(
        "{:#?}",
        (
            (policy.default.action, &policy.syscalls, &policy.rules),
            (&policy.paths, &policy.left_out, &policy.peers),
            (&policy.limits, &policy.process, &policy.tmpdir),
            (
                &plan.filter,
                &plan.files.grants,
                plan.files.watch,
                plan.files.silent,
                plan.net.silent
            ),
        )
    );
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        let start = line.trim_start();
        inside |= start.starts_with("origin: Origin {") || start.starts_with("replaces:");
        if !inside && !start.starts_with("span: ") {
            kept.push_str(line);
            kept.push('\n');
        }
        inside &= !matches!(start, "}," | "),") && !start.starts_with("replaces: None");
    }
    kept
}

fn flags(all: &[(FlagKind, &str)]) -> Vec<Flag> {
    let flag = |(kind, value): &(FlagKind, &str)| Flag {
        kind: *kind,
        value: (*value).to_owned(),
    };
    all.iter().map(flag).collect()
}

#[test]
fn a_saved_policy_gives_an_equal_plan_for_every_flag() {
    use FlagKind::{AllowExec, AllowNet, AllowRead, AllowWrite, Deny, Set};
    let odd = "./a \"b\" \\$x \\*\té\u{202e}\n.txt";
    let values: &[(FlagKind, &[&str])] = &[
        (
            AllowRead,
            &["/srv", "~/x", "$HOME/y", "./[slug]", "**/*.c", odd],
        ),
        (AllowWrite, &["./out", "/proc/self/comm", "$HOME/z"]),
        (AllowExec, &["./tool", "/opt/x/bin"]),
        (
            AllowNet,
            &[
                "10.0.0.1:80,443",
                "[::1]:8000-8999",
                "udp://*:53",
                "x.example:443",
                "public:*",
                "unix:./s",
                "unix:@x*",
            ],
        ),
        (
            Deny,
            &[
                "**/.env",
                "/etc/passwd",
                "10.0.0.0/8",
                "udp://1.2.3.4:5",
                "unix:/run/x",
                "private",
            ],
        ),
        (Set, &["default=allow"]),
        (
            Set,
            &[
                "limits.wall=10s",
                "limits.memory=64MiB",
                "limits.processes=7",
                "limits.open-files=99",
            ],
        ),
        (
            Set,
            &[
                "process.nice=3",
                "process.umask=077",
                "process.cwd=/tmp",
                "process.stdin=/dev/null",
            ],
        ),
        (
            Set,
            &[
                "process.env.set.A=1",
                "process.env.set.B.C=$HOME 'x' \"y\"",
                "process.env.pass=[\"PATH\", \"LC_*\"]",
            ],
        ),
        (
            Set,
            &[
                "process.isolate=[\"pid\", \"ipc\"]",
                "process.user=65534:65534",
                "process.caps=[]",
            ],
        ),
        (
            Set,
            &[
                "syscalls.ptrace=ENOSYS",
                "syscalls.@debug=kill",
                "syscalls.sync={ action = \"deny\", why = \"slow\" }",
            ],
        ),
    ];
    let dir = Dir::new();
    let mut everything = Vec::new();
    let mut cases = Vec::new();
    for (kind, values) in values {
        for value in *values {
            cases.push(flags(&[(*kind, value)]));
            everything.push((*kind, *value));
        }
    }
    cases.push(flags(&everything));
    let here = Path::new(".");
    let own = dir.write("own.toml", "[fs]\nread = [\"/srv/own\"]\n");
    for (number, flags) in cases.into_iter().enumerate() {
        for policies in [&[][..], &["base", "protect-triggers", own.as_str()]] {
            let policies = policies.iter().map(|name| (*name).to_owned()).collect();
            let layers = Layers {
                policies,
                flags: flags.clone(),
            };
            let to = dir.path().join(format!("{number}.toml"));
            let text = layers.toml(here, &to).expect("a text");
            fs::write(&to, &text).expect("a written file");
            let given = Policy::of(&layers, here).unwrap_or_else(|error| panic!("{error}"));
            let name = to.to_str().expect("a path");
            let saved = Policy::load(name, here).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let (given, saved) = (meaning(&given), meaning(&saved));
            for (one, other) in given.lines().zip(saved.lines()) {
                assert_eq!(one, other, "{flags:?}\n{text}");
            }
            assert_eq!(given.len(), saved.len(), "{flags:?}\n{text}");
        }
    }
}

#[test]
fn a_file_is_written_once_is_never_replaced_and_cannot_be_changed_by_the_command() {
    let dir = Dir::new();
    dir.write("team.toml", "extends = [\"base\"]\n[fs]\nwrite = [\".\"]\n");
    let run = |flags: &[&str], command: &[&str]| {
        let all: Vec<&str> = flags.iter().chain(command).copied().collect();
        jail(all).cwd(dir.path()).output()
    };
    let save = [
        "-p",
        "./team.toml",
        "--deny",
        "./x",
        "--write-policy",
        "app.toml",
    ];
    run(&save, &[]).ends_with(0).says("");
    let text = fs::read_to_string(dir.path().join("app.toml")).expect("the file");
    assert_eq!(
        text,
        "extends = [\"./team.toml\"]\n\n[fs]\ndeny = [\n  \"./x\",\n]\n"
    );
    // The same again: nothing would be replaced, and the command cannot change it.
    let change = ["--", "sh", "-c", "echo ran; echo >> app.toml"];
    run(&save, &change)
        .complains("[policy file app.toml]")
        .says("ran\n");
    let other = [
        "-p",
        "./team.toml",
        "--deny",
        "./y",
        "--write-policy",
        "app.toml",
    ];
    run(&other, &["--", "echo", "ran"])
        .ends_with(125)
        .says("")
        .complains("--write-policy app.toml: the file exists, and says something else");
    assert_eq!(
        fs::read_to_string(dir.path().join("app.toml")).expect("the file"),
        text
    );
    run(&["-p", "app.toml"], &["--", "cat", "x"]).ends_with(1);
    // From another directory the name of a file still leads to it.
    fs::create_dir(dir.path().join("sub")).expect("a directory");
    run(
        &[
            "-p",
            "./team.toml",
            "-p",
            "https",
            "--write-policy",
            "sub/p.toml",
        ],
        &[],
    )
    .ends_with(0);
    let team = dir.path().canonicalize().expect("a path").join("team.toml");
    let text = fs::read_to_string(dir.path().join("sub/p.toml")).expect("the file");
    assert_eq!(
        text,
        format!("extends = [{:?}, \"https\"]\n", team.display().to_string())
    );
    run(&["-p", "sub/p.toml"], &["--", "true"]).ends_with(0);
    // What is wrong is not saved.
    run(
        &["--set", "limits.wall=1", "--write-policy", "no.toml"],
        &[],
    )
    .ends_with(125);
    assert!(!dir.path().join("no.toml").exists());
    std::os::unix::fs::symlink("/nowhere/x", dir.path().join("link")).expect("a link");
    run(&["--write-policy", "link"], &[])
        .ends_with(125)
        .complains("the file exists");
    run(&["--write-policy", "none/x.toml"], &[])
        .ends_with(125)
        .complains("cannot write it");
}
