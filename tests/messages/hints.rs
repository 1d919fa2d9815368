//! What is said of a command that failed, and what is not said since nothing depends on it.

use crate::support::schema::{fitting, fitting_lines};
use crate::support::{Dir, JAIL, Ran, Run, is_root, jail, plain};
use serde_json::Value;
use std::fs;

#[cfg(target_arch = "x86_64")]
const SECCOMP: u32 = 317;
#[cfg(not(target_arch = "x86_64"))]
const SECCOMP: u32 = 277;
#[cfg(target_arch = "x86_64")]
const CLONE: u32 = 56;
#[cfg(not(target_arch = "x86_64"))]
const CLONE: u32 = 220;

/// A policy for what a directory holds.
fn policy(dir: &Dir, more: &str) -> String {
    dir.write(
        "p.toml",
        format!("extends = [\"base\"]\n[fs]\nwrite = [\".\"]\nexec = [\".\"]\n{more}"),
    )
}

/// A shell in the directory `work`, which the policy lets it change.
fn shell(dir: &Dir, options: &[&str], policy: &str, script: &str) -> Run {
    dir.write("work/here", "");
    jail(
        options
            .iter()
            .chain(&["--policy", policy, "--", "sh", "-c", script]),
    )
    .cwd(dir.file("work"))
}

fn is_silent(ran: &Ran) {
    assert!(!ran.err.contains("jail:"), "{}", ran.err);
}

#[test]
fn a_program_that_a_shell_cannot_execute_is_named_with_its_interpreter() {
    let dir = Dir::new();
    let interpreter = dir.file("elsewhere/python3");
    dir.write("elsewhere/x", "");
    plain(["cp", "/bin/echo", &interpreter])
        .output()
        .ends_with(0);
    dir.program("work/run.py", format!("#!{interpreter}\n"));
    dir.write("work/plain.py", format!("#!{interpreter}\n"));
    let policy = policy(&dir, "");
    let advice = format!("to allow: add \"{interpreter}\" to exec in [fs] of {policy}");
    for (script, said) in [
        (
            "./run.py",
            format!(
                "the policy does not let {interpreter}, the interpreter of ./run.py, be executed"
            ),
        ),
        (
            "exec './run.py' x",
            format!(
                "the policy does not let {interpreter}, the interpreter of ./run.py, be executed"
            ),
        ),
        (
            interpreter.as_str(),
            format!("the policy does not let {interpreter} be executed"),
        ),
    ] {
        let ran = shell(&dir, &[], &policy, script).output().ends_with(126);
        // Where the host has no Landlock, the denial itself is reported.
        if !ran.err.contains("jail: denied exec") {
            ran.complains(&said).complains(&advice);
        }
        let ran = shell(&dir, &["--quiet"], &policy, script).output();
        is_silent(&ran.ends_with(126));
    }
    // The mode is the cause, or the script itself says 126: the policy has no part in it.
    for script in ["./plain.py", "exit 126"] {
        let ran = shell(&dir, &[], &policy, script).output().ends_with(126);
        assert!(!ran.err.contains("does not let"), "{}", ran.err);
    }
    // With the advice in the policy it runs.
    let policy = self::policy(&dir, &format!("read = [{interpreter:?}]\n"));
    let text = fs::read_to_string(&policy).expect("the policy");
    let text = text.replace("exec = [\".\"", &format!("exec = [\".\", {interpreter:?}"));
    fs::write(&policy, text).expect("the policy");
    shell(&dir, &[], &policy, "./run.py").output().ends_with(0);
}

#[test]
fn root_hears_that_its_capabilities_are_gone_and_how_to_keep_them() {
    const SAID: &str = "the command ran as root without root's capabilities";
    const CAPS: &str = "caps = [\"CAP_CHOWN\", \"CAP_DAC_OVERRIDE\", \"CAP_FOWNER\"]";
    let dir = Dir::new();
    let script = "touch f && chown 1234 f";
    let ran = shell(&dir, &[], &policy(&dir, ""), script)
        .output()
        .ends_with(1);
    let has =
        |capability| caps::has_cap(None, caps::CapSet::Effective, capability).unwrap_or(false);
    if !is_root() || !has(caps::Capability::CAP_CHOWN) {
        println!("NOT TRIED HERE: root with its capabilities");
        assert!(!ran.err.contains(SAID), "{}", ran.err);
        return;
    }
    ran.complains(SAID)
        .complains(&format!("add {CAPS} to [process] of "));
    let ran = shell(&dir, &[], &policy(&dir, ""), "true")
        .output()
        .ends_with(0);
    is_silent(&ran);
    let ran = shell(&dir, &[], &policy(&dir, ""), "false").output();
    assert!(!ran.err.contains(SAID), "{}", ran.err);
    // In a directory of another user, as a container has one of its host's.
    let other = Dir::new();
    other.write("work/file", "");
    for path in [other.file("work"), other.file("work/file")] {
        std::os::unix::fs::chown(path, Some(1234), Some(1234)).expect("root");
    }
    let ran = shell(&other, &[], &policy(&other, ""), "echo > file");
    ran.output().complains(SAID);
    let kept = policy(&other, &format!("[process]\n{CAPS}\n"));
    shell(&other, &[], &kept, "echo > file")
        .output()
        .ends_with(0);
    let kept = policy(&dir, &format!("[process]\n{CAPS}\n"));
    shell(&dir, &[], &kept, script).output().ends_with(0);
    // Who says which are kept knows; a jail that has none could keep none.
    let none = policy(&dir, "[process]\ncaps = []\n");
    let ran = shell(&dir, &[], &none, script).output().ends_with(1);
    assert!(!ran.err.contains(SAID), "{}", ran.err);
    let policy = policy(&dir, "");
    let ran = plain(["setpriv", "--bounding-set=-all", "--inh-caps=-all"])
        .args([JAIL, "--policy", &policy, "--", "false"])
        .cwd(dir.file("work"))
        .output()
        .ends_with(1);
    assert!(!ran.err.contains(SAID), "{}", ran.err);
}

/// `jail WORDS` in a fresh home.
fn in_fresh_home(dir: &Dir, variables: &[&str], words: &[&str]) -> Ran {
    dir.write("home/x", "");
    dir.write("work/x", "");
    let clean = [
        "-u",
        "CARGO_HOME",
        "-u",
        "XDG_CACHE_HOME",
        "-u",
        "CARGO_TARGET_DIR",
    ];
    plain(["env"])
        .args(clean)
        .args([&format!("HOME={}", dir.file("home"))])
        .args(variables)
        .args([JAIL])
        .args(words)
        .cwd(dir.file("work"))
        .output()
}

const LEFT_OUT: &str = "left out of write in [fs], because they do not exist: ";

/// `build` has no network, and lets caches that builds outside share be read only: there is one advice.
#[test]
fn a_package_manager_in_a_fresh_home_is_told_the_one_thing_that_helps() {
    let dir = Dir::new();
    let fails = |script: &str| {
        in_fresh_home(&dir, &[], &["-p", "build", "--", "sh", "-c", script]).ends_with(1)
    };
    for (script, fetch, variable) in [
        ("mkdir ~/.cargo", "cargo fetch", "CARGO_HOME"),
        ("mkdir ~/go", "go mod download", "GOMODCACHE"),
        ("mkdir ~/.m2", "mvn dependency:go-offline", "MAVEN_OPTS"),
    ] {
        let ran = fails(script)
            .complains(&format!("to run it: run {fetch} before jail is started"))
            .complains(&format!(
                "with extends = [\"build\", \"https\"] set {variable} = "
            ));
        for wrong in ["to allow:", "to grant it:", "run it again", LEFT_OUT] {
            assert!(!ran.err.contains(wrong), "{wrong}: {}", ran.err);
        }
    }
    // Once the cache is there, the same.
    dir.write("home/.cargo/registry/x", "");
    fails("mkdir ~/.cargo/registry/index").complains("to run it: run cargo fetch before");
    // What the advice says works.
    let own = dir.write(
        "own.toml",
        "extends = [\"build\", \"https\"]\n[process.env.set]\nCARGO_HOME = \"$TMPDIR/cargo\"\n",
    );
    let script = "mkdir \"$CARGO_HOME\" && test \"$CARGO_HOME\" = \"$TMPDIR/cargo\"";
    let words = ["-p", own.as_str(), "--", "sh", "-c", script];
    in_fresh_home(&dir, &[], &words).ends_with(0);
}

/// cargo goes on without its locks where it may only read its cache. If it fails for want of a package, that is said.
#[test]
fn the_locks_of_a_cache_that_may_only_be_read_are_no_news() {
    let dir = Dir::new();
    for file in ["registry/x", ".package-cache", ".global-cache"] {
        dir.write(&format!("home/.cargo/{file}"), "");
    }
    let locks = "for lock in package-cache package-cache-mutate global-cache; do (: >> ~/.cargo/.$lock); done 2>&-";
    let run = |end: &str| {
        let script = format!("{locks}; {end}");
        in_fresh_home(&dir, &[], &["-p", "build", "--", "bash", "-c", &script])
    };
    let quiet = run("true").ends_with(0);
    assert_eq!(quiet.err, "");
    let failed = run("exit 1").ends_with(1);
    assert!(!failed.err.contains("cargo fetch"), "{}", failed.err);
    run("exec 3<>/dev/tcp/192.0.2.1/443")
        .ends_with(1)
        .complains("jail: if the command lacks a package, it could not fetch it")
        .complains("to run it: run cargo fetch before jail is started");
    // The rest of the cache is news.
    run("(: >> ~/.cargo/registry/y) 2>&-")
        .complains("denied write of")
        .complains("/.cargo/registry/y");
}

/// A place that was left out is the cause of a failure only if something was denied there.
#[test]
fn what_was_left_out_is_said_only_if_a_change_was_denied_there() {
    let dir = Dir::new();
    let target = format!("CARGO_TARGET_DIR={}", dir.file("out/target"));
    dir.write("out/x", "");
    let run =
        |script: &str| in_fresh_home(&dir, &[&target], &["-p", "build", "--", "sh", "-c", script]);
    for script in [
        "echo npm; exit 1",
        "echo cargo target; exit 1",
        "cat ~/.npm/x",
        "cat $CARGO_TARGET_DIR/x",
        "mkdir ~/.npm",
    ] {
        let ran = run(script).ends_with(1);
        assert!(!ran.err.contains(LEFT_OUT), "{script}: {}", ran.err);
    }
    for script in [
        "mkdir $CARGO_TARGET_DIR",
        "mkdir -p $CARGO_TARGET_DIR/debug",
    ] {
        run(script)
            .ends_with(1)
            .complains(&format!("{LEFT_OUT}$CARGO_TARGET_DIR. "))
            .complains("to grant it: create them before jail is started");
    }
    is_silent(&run("echo npm").ends_with(0));
    let explain = || in_fresh_home(&dir, &[], &["explain", "--all", "build"]).ends_with(0);
    explain().says_part("fs.read, fs.exec \"~/.npm\"\n");
    dir.write("home/.npm/x", "");
    let ran = explain();
    let (_, left) = ran.out.split_once("Left out").expect("what is left out");
    assert!(!left.contains("~/.npm"), "{left}");
}

/// To run it again says nothing new where the cause was told.
#[test]
fn a_failure_that_a_reported_denial_explains_gets_no_other_hint() {
    const AGAIN: &str = "were not reported";
    let dir = Dir::new();
    dir.write("elsewhere/x", "");
    let policy = policy(&dir, "");
    let closed = dir.file("elsewhere/x");
    // A change of metadata is denied by the supervisor, an open by Landlock.
    let change = format!("chmod 600 {closed}");
    let read = format!("cat {closed}");
    let worker = |what: &str| {
        format!(
            "perl -e '$file = \"{closed}\"; pipe($r, $w); if (!fork) {{ {what}; exit 0 }} \
             close $w; exit(sysread($r, $_, 1))'"
        )
    };
    for (script, told) in [
        (change.clone(), false),
        (format!("{change}; exit 1"), false),
        (format!("(sh -c '{change}; exit 1'); exit 1"), false),
        (format!("{read}; {change}"), false),
        // A part of the program itself that tells the rest what failed.
        (worker("chmod(0600, $file) or syswrite($w, 1)"), false),
        // The denial is not why these fail.
        (format!("{change}; {read}"), true),
        (format!("({change}; true); {read}; exit 1"), true),
        (format!("{change}; exec {read}"), true),
    ] {
        let ran = shell(&dir, &[], &policy, &script).output().ends_with(1);
        if ran.err.contains(&format!("denied read of {closed}")) {
            println!("NOT TRIED HERE: a host with Landlock");
            return;
        }
        let ran = ran.complains("jail: denied write of ");
        assert_eq!(ran.err.contains(AGAIN), told, "{script}: {}", ran.err);
    }
}

#[test]
fn leak_sanitizer_is_told_how_to_run() {
    const SAID: &str = "ASAN_OPTIONS=detect_leaks=0";
    let dir = Dir::new();
    let policy = policy(&dir, "");
    let script = format!("perl -e 'exit(syscall({CLONE}, 0x800000 | 17, 0, 0, 0, 0) == -1)'");
    shell(&dir, &[], &policy, &script)
        .output()
        .ends_with(1)
        .complains(SAID);

    let source = dir.write("work/a.c", "int main(void) { return 0; }\n");
    let program = dir.file("work/a");
    let compiler = ["cc", "-fsanitize=address", "-o", &program, &source];
    if plain(compiler).output().code() != Some(0) {
        println!("NOT TRIED HERE: a C compiler with AddressSanitizer");
        return;
    }
    let ran = shell(&dir, &[], &policy, "ASAN_OPTIONS=detect_leaks=1 ./a").output();
    assert_ne!(ran.code(), Some(0), "{}", ran.err);
    let ran = ran.complains(SAID);
    drop(ran);
    let ran = shell(&dir, &[], &policy, "ASAN_OPTIONS=detect_leaks=0 ./a").output();
    is_silent(&ran.ends_with(0));
}

/// A denial that changes nothing for the program has no message, and is in the log, the report and the
/// counts of both.
#[test]
fn a_probe_and_a_setting_of_core_dumps_are_no_denials_to_read_of() {
    let dir = Dir::new();
    let policy = policy(&dir, "deny = [\"**/.env\"]\n");
    let log = dir.file("log.jsonl");
    let report = dir.file("report.json");
    let options = ["--trace-denials", "--log", &log, "--report", &report];
    let probe = |filter: &str| format!("perl -e 'exit(syscall({SECCOMP}, 1, 8, {filter}) != -1)'");
    for (script, syscall) in [
        (probe("0"), "seccomp"),
        (
            "echo 0 > /proc/self/coredump_filter || true".to_owned(),
            "openat",
        ),
    ] {
        let ran = shell(&dir, &options, &policy, &script)
            .output()
            .ends_with(0);
        is_silent(&ran);
        let text = fs::read_to_string(&log).expect("the log");
        let events = fitting_lines("log", &text).into_iter();
        let denied: Vec<Value> = events.filter(|event| event["event"] == "denied").collect();
        assert_eq!(denied.len(), 1, "{text}");
        assert_eq!(denied[0]["syscall"], syscall, "{text}");
        let text = fs::read_to_string(&report).expect("the report");
        let verdict = fitting("report", &text);
        assert_eq!(verdict["denied"]["total"], 1, "{text}");
    }
    // The attempt itself, and the setting of another process, are told.
    shell(&dir, &options, &policy, &probe("my $x = \"x\" x 16"))
        .output()
        .ends_with(0)
        .complains("jail: denied seccomp(");
    shell(
        &dir,
        &options,
        &policy,
        "(echo 0 > /proc/$$/coredump_filter) || true",
    )
    .output()
    .ends_with(0)
    .complains("jail: denied write of /proc/");
}

/// `check` warns of the whole home directory; whoever gives a reason, or names a directory of it, means it.
#[test]
fn a_policy_that_reads_the_whole_home_is_warned_of() {
    const SAID: &str = "opens the whole home directory";
    let dir = Dir::new();
    dir.write("home/sub/x", "");
    dir.write("work/x", "");
    let check = |entry: &str| {
        let text = format!("extends = [\"workspace\"]\n[fs]\nread = [{entry}]\n");
        let policy = dir.write("p.toml", text);
        let ran = jail(["check", policy.as_str()]).env("HOME", dir.file("home"));
        ran.cwd(dir.file("work")).output().ends_with(0)
    };
    for entry in ["\"~\"", "\"$HOME\"", "\"~/sub/..\""] {
        let ran = check(entry);
        assert!((ran.out + &ran.err).contains(SAID), "{entry}");
    }
    for entry in ["\"~/sub\"", "{ path = \"~\", why = \"a search\" }"] {
        let ran = check(entry);
        assert!(!(ran.out + &ran.err).contains(SAID), "{entry}");
    }
}

/// A program that has many other things denied before does not hide what the policy names.
#[test]
fn decoys_do_not_hide_the_denial_of_a_secret() {
    const DECOYS: &str = r#"
use POSIX;
for my $n (1 .. 40) {
    my $d = "$ARGV[0]/" . ($n % 10) . "/$n"; my $f = "$ARGV[0]/file$n";
    mkdir $d; symlink "x", "$d s"; POSIX::mkfifo("$d p", 0600); rename $f, "$d r"; link $f, "$d l"; unlink $f;
    chmod 0600, $f; utime 1, 1, $f; truncate $f, 1; chown 1, 1, $f; rmdir "$ARGV[0]/$n";
    open my $r, "<", $f; open my $w, ">", $d; mkdir "$ARGV[1]/$n"; open my $o, "<", "$ARGV[1]/$n";
}
open my $f, "<", $ARGV[2] and exit 3;
"#;
    let dir = Dir::new();
    for n in 0..=40 {
        dir.write(&format!("decoys/file{n}"), "x");
        dir.write(&format!("decoys/{n}/x"), "x");
    }
    let secret = dir.write("secrets/key", "x");
    let denied = dir.file("denied");
    dir.write("denied/x", "x");
    let policy = policy(
        &dir,
        &format!("deny = [\n{denied:?},\n{:?},\n]\n", dir.file("secrets")),
    );
    let script = dir.write("work/decoys.pl", DECOYS);
    let decoys = dir.file("decoys");
    let options = [
        "--trace-denials",
        "--policy",
        &policy,
        "--",
        "perl",
        &script,
    ];
    let ran = jail(options.iter().chain(&[decoys.as_str(), &denied, &secret]))
        .cwd(dir.file("work"))
        .output()
        .ends_with(0)
        .complains(&format!("jail: denied read of {secret} "))
        .complains(" without a message: --log FILE records each");
    let messages = ran.err.matches("jail: denied ").count();
    assert!(messages <= 202, "{messages}");
}

/// A resolver of this host is called that, since its address says nothing to an author.
#[test]
fn a_denied_resolver_is_named_for_what_it_is() {
    let dir = Dir::new();
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let addresses = text
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver "));
    let mut addresses = addresses.filter_map(|address| address.trim().parse().ok());
    let Some(address): Option<std::net::Ipv4Addr> = addresses.next() else {
        println!("NOT TRIED HERE: a nameserver in /etc/resolv.conf");
        return;
    };
    let policy = policy(&dir, "[net]\nconnect = [\"udp://192.0.2.1:9\"]\n");
    let send = |port: u16| {
        let send = format!("send(S, \"x\", 0, pack_sockaddr_in({port}, inet_aton(\"{address}\")))");
        let script = format!("socket(S, PF_INET, SOCK_DGRAM, 0); exit(defined {send} ? 0 : 1)");
        let command = ["--policy", &policy, "--", "perl", "-MSocket", "-e", &script];
        jail(command).output().ends_with(1)
    };
    send(53)
        .complains(&format!(
            "to allow: add \"udp://{address}:53\" to connect in [net] of "
        ))
        .complains("it is a nameserver of /etc/resolv.conf")
        .complains(":53\" covers all ");
    assert!(!send(54).err.contains("nameserver"));
}

/// What file permissions deny anyway is no reason to add an entry, and the message says so.
#[test]
fn a_denial_that_file_permissions_give_anyway_is_called_so() {
    const REFUSED: &str = "no policy can allow it: file permissions deny it to this user, too";
    let dir = Dir::new();
    let jail = dir.file("jail");
    plain(["cp", JAIL, &jail]).output().ends_with(0);
    plain(["chmod", "755", dir.path().to_str().expect("UTF-8"), &jail])
        .output()
        .ends_with(0);
    let policy = dir.write(
        "app.toml",
        "extends = [\"base\"]\n[fs]\nread = [\"/etc\"]\n",
    );
    let run = |script: &str| {
        let user = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ];
        let user = if is_root() { &user[..] } else { &[] };
        let command = [
            &jail,
            "--trace-denials",
            "--policy",
            &policy,
            "--",
            "sh",
            "-c",
            script,
        ];
        plain(user.iter().copied().chain(command))
            .cwd(dir.path())
            .output()
    };
    for script in [
        "echo x >> /etc/passwd",
        "mkdir /usr/x",
        "rm /etc/passwd",
        "touch /etc/passwd",
    ] {
        run(script)
            .complains("jail: denied write of /")
            .complains(REFUSED);
    }
    // This one the policy alone denies.
    let own = dir.file("own");
    plain(["mkdir", "-m", "777", &own]).output().ends_with(0);
    let ran = run(&format!("mkdir {own}/x")).complains("to allow: add ");
    assert!(!ran.err.contains(REFUSED), "{}", ran.err);
}
