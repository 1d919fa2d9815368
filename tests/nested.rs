//! Where no tracer can be had: in another jail, under strace, in a container without ptrace. A policy that
//! needs a supervisor for nothing but reports runs without one; for any other the run stops with an error that
//! names its entries.

mod support;

use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use support::landlock::abi;
use support::schema::fitting;
use support::{Dir, JAIL, Ran, Run, installed, plain, probe};

/// The ABI from which on Landlock keeps signals in a jail.
const SIGNALS: u64 = 6;

struct Scene {
    dir: Dir,
}

impl Scene {
    /// `None` where this host's Landlock does not keep signals in a jail: then nothing runs without a supervisor.
    fn new() -> Option<Scene> {
        if abi() < SIGNALS {
            println!(
                "NOT TRIED HERE: a jail without a supervisor: it takes Landlock ABI {SIGNALS}"
            );
            return None;
        }
        Some(Scene::anywhere())
    }

    fn anywhere() -> Scene {
        let dir = Dir::new();
        let (at, programs) = (dir.path().display(), Path::new(JAIL).parent());
        let programs = programs.expect("a folder").display();
        // It opens what the inner jails need. A policy's own file needs a supervisor if it may be changed.
        let outer = format!(
            "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"{at}/open\"]\n"
        );
        let inner = format!(
            "extends = [\"base\"]\n[fs]\nread = [\"{at}/open\", \"{at}/policies\", \"{programs}\"]\n\
             exec = [\"{programs}\"]\nwrite = [\"{at}/open\"]\n"
        );
        dir.write("outer.toml", &outer);
        dir.write("policies/wide.toml", &outer);
        dir.write("inner.toml", &inner);
        dir.write("secret/file", "secret\n");
        dir.write("open/file", "open\n");
        Scene { dir }
    }

    /// A command under these policies, the outermost first.
    fn under(&self, policies: &[&str], command: &[&str]) -> Run {
        let mut words: Vec<String> = Vec::new();
        for policy in policies {
            let file = self.dir.path().join(format!("{policy}.toml"));
            let policy = match file.exists() {
                true => file.to_string_lossy().into_owned(),
                false => (*policy).to_owned(),
            };
            words.extend([JAIL, "--policy", &policy, "--"].map(str::to_owned));
        }
        words.extend(command.iter().map(|word| (*word).to_owned()));
        plain(words)
    }
}

fn says_once(ran: Ran) -> Ran {
    let told = ran.err.matches("jail: no tracer here").count();
    assert_eq!(told, 1, "{}", ran.err);
    ran
}

#[test]
fn jails_run_three_deep_with_exit_codes_and_signals() {
    let Some(scene) = Scene::new() else { return };
    let three = ["outer", "outer", "inner"];
    let ran = scene.under(&three, &["echo", "ran"]).output();
    ran.ends_with(0)
        .says("ran\n")
        .complains("jail: no tracer here");
    for (script, code) in [
        ("exit 7", 7),
        ("kill -TERM $$", 128 + 15),
        ("kill -9 $$", 128 + 9),
    ] {
        scene
            .under(&three, &["sh", "-c", script])
            .output()
            .ends_with(code);
        says_once(
            scene
                .under(&["outer", "inner"], &["sh", "-c", script])
                .output(),
        )
        .ends_with(code);
    }
    let missing = scene.under(&three, &["no-such-program"]).output();
    missing.ends_with(127).complains("command not found");
}

#[test]
fn an_inner_policy_narrows_and_does_not_widen() {
    let Some(scene) = Scene::new() else { return };
    let secret = scene.dir.file("secret/file");
    let open = scene.dir.file("open/file");
    scene
        .under(&["outer"], &["cat", &secret])
        .output()
        .ends_with(0);
    let ran = scene.under(&["outer", "inner"], &["cat", &open]).output();
    says_once(ran).ends_with(0).says("open\n");
    let ran = scene.under(&["outer", "inner"], &["cat", &secret]).output();
    ran.ends_with(1).complains("Permission denied");
    let ran = scene
        .under(&["inner", "policies/wide"], &["cat", &secret])
        .output();
    ran.ends_with(1).complains("Permission denied");
}

/// The filter answers it: the outer jail would allow the call, and has nothing to report.
#[test]
fn a_call_that_only_the_inner_policy_denies_fails_unreported() {
    let Some(scene) = Scene::new() else { return };
    let text = "extends = [\"outer.toml\"]\n[syscalls]\nuname = \"EPERM\"\n";
    scene.dir.write("calls.toml", text);
    let ran = scene.under(&["outer", "calls"], &["uname", "-s"]).output();
    let ran = says_once(ran).ends_with(1);
    assert!(!ran.err.contains("denied uname"), "{}", ran.err);
    scene
        .under(&["outer"], &["uname", "-s"])
        .output()
        .ends_with(0);
}

#[test]
fn what_needs_a_supervisor_is_named_and_nothing_runs() {
    let scene = Scene::anywhere();
    for (name, more, named) in [
        (
            "deny",
            "[fs]\ndeny = [\"**/.env\"]\n",
            "fs.deny \"**/.env\"",
        ),
        ("wall", "[limits]\nwall = \"5s\"\n", "limits.wall = 5s"),
        (
            "isolate",
            "[process]\nisolate = [\"net\"]\n",
            "process.isolate = \"net\"",
        ),
        ("kill", "[syscalls]\nuname = \"kill\"\n", "uname"),
        (
            "peer",
            "[net]\nconnect = [\"127.0.0.1:80\"]\n",
            "net.connect \"127.0.0.1:80\"",
        ),
    ] {
        let text = format!("extends = [\"outer.toml\"]\n{more}");
        scene.dir.write(&format!("{name}.toml"), text);
        let ran = scene.under(&["outer", name], &["echo", "ran"]).output();
        let named = format!("{named} ({}:3)", scene.dir.file(&format!("{name}.toml")));
        ran.ends_with(125)
            .says("")
            .complains(&named)
            .complains("nothing was run");
    }
}

/// As on kernels before Linux 6.12.
#[test]
fn where_landlock_keeps_no_signals_in_the_jail_that_is_named_and_nothing_runs() {
    let scene = Scene::anywhere();
    let ran = scene.under(&["outer", "inner"], &["echo", "ran"]);
    let ran = ran.env("JAIL_LANDLOCK_ABI", "5").output();
    ran.ends_with(125)
        .says("")
        .complains("that signals stay in the jail (it takes Landlock ABI 6)")
        .complains("nothing was run");
}

/// A preset has hundreds of such entries: the message names the first and counts the others.
#[test]
fn a_message_about_many_entries_is_short() {
    let Some(scene) = Scene::new() else { return };
    let own = "extends = [\"outer.toml\", \"protect-credentials\"]\n[fs]\nread = [\"~\"]\ndeny = [\"~/.mine\"]\n";
    scene.dir.write("many.toml", own);
    let ran = scene.under(&["outer", "many"], &["echo", "ran"]).output();
    let ran = ran.ends_with(125).says("");
    let mine = format!(
        "      fs.deny \"~/.mine\" ({}:4)\n",
        scene.dir.file("many.toml")
    );
    let ran = ran.complains(&mine).complains(" of protect-credentials");
    let message = ran
        .err
        .split("jail: cannot trace")
        .nth(1)
        .expect("a message");
    let entries = message.matches("fs.deny").count();
    assert!((2..=8).contains(&entries), "{message}");
    let lines = message
        .lines()
        .take_while(|line| !line.starts_with("jail:"));
    assert!(lines.count() <= 11, "{message}");
}

/// The first program is started by a descriptor that can never exist again.
#[test]
fn a_policy_that_denies_execve_starts_its_program_and_no_other() {
    let Some(scene) = Scene::new() else { return };
    let closed =
        "extends = [\"outer.toml\"]\n[syscalls]\nexecve = \"EACCES\"\nexecveat = \"EACCES\"\n";
    scene.dir.write("closed.toml", closed);
    for policy in ["closed", "compute"] {
        let run = |script: &str| {
            let run = scene.under(&["outer", policy], &["/bin/bash", "-c", script]);
            says_once(run.cwd(scene.dir.path()).output())
        };
        run("echo $0 $((3 + 4)); exit 5")
            .ends_with(5)
            .says("/bin/bash 7\n");
        run("/bin/true")
            .ends_with(126)
            .complains("Permission denied");
        let ran = run("ulimit -Hn").ends_with(0);
        let number: u32 = ran.out.trim().parse().expect("a limit");
        let again = format!("ulimit -n {}", number + 1);
        assert_ne!(run(&again).code(), Some(0));
        let opened = format!("exec {number}</bin/true && echo opened");
        assert_eq!(run(&opened).out, "");
    }
    // The filter in the middle denies execveat of a descriptor.
    let ran = scene.under(&["base", "base", "compute"], &["/bin/true"]);
    ran.output()
        .ends_with(125)
        .complains("denied as a whole:")
        .complains("execveat of a descriptor, memfd_create without MFD_NOEXEC_SEAL")
        .complains("; not denied: a dynamic loader that is started as a program")
        .complains("a jail outside denies execveat of a descriptor")
        .complains("nothing was run");
    scene.dir.program("script", "#!/bin/sh\nexit 0\n");
    let script = scene.dir.file("script");
    let ran = scene.under(&["outer", "closed"], &[&script]).output();
    ran.ends_with(125)
        .complains("a denied execve")
        .complains("nothing was run");
}

/// Executes a copy of a program in memory by each of its names, and makes a file in memory that cannot be executed.
const MEMORY: &str = r#"
import errno, os

def tried(way):
    try:
        return way()
    except OSError as error:
        return errno.errorcode[error.errno]

def copy():
    file = os.memfd_create("x", 0)
    os.write(file, open("/bin/true", "rb").read())
    return file

def ends(way):
    child = os.fork()
    if child == 0:
        try:
            way()
        finally:
            os._exit(3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

file = tried(copy)
if isinstance(file, int):
    os.set_inheritable(file, True)
    print(*(ends(lambda: os.execv(name % file, ["true"])) for name in ["/proc/self/fd/%d", "/dev/fd/%d"]))
else:
    print(file)
print(type(tried(lambda: os.memfd_create("x", 8))).__name__)
"#;

#[test]
fn a_file_in_memory_is_not_executed_by_its_name_in_proc() {
    const PYTHON: &str = "/usr/bin/python3";
    if !installed(PYTHON) {
        return;
    }
    let Some(scene) = Scene::new() else { return };
    let ran = |policies: &[&str]| scene.under(policies, &[PYTHON, "-c", MEMORY]).output();
    ran(&["outer"]).ends_with(0).says("0 0\nint\n");
    says_once(ran(&["outer", "inner"]))
        .ends_with(0)
        .says("EPERM\nint\n");
}

#[test]
fn limits_of_one_process_and_the_report_work() {
    let Some(scene) = Scene::new() else { return };
    scene.dir.write(
        "limited.toml",
        "extends = [\"outer.toml\"]\n[limits]\nopen-files = 17\n",
    );
    let ran = scene
        .under(&["outer", "limited"], &["sh", "-c", "ulimit -n"])
        .output();
    ran.ends_with(0).says("17\n");
    let report = scene.dir.file("open/report.json");
    let inner = scene.dir.file("inner.toml");
    let words = [
        JAIL, "--policy", &inner, "--report", &report, "--", "sh", "-c", "exit 3",
    ];
    scene.under(&["outer"], &words).output().ends_with(3);
    let report = std::fs::read_to_string(report).expect("a report");
    let report = fitting("report", &report);
    assert_eq!(report["ending"], "exited");
    assert_eq!(report["code"], 3);
}

#[test]
fn under_strace_and_without_ptrace_it_runs_too() {
    let Some(scene) = Scene::new() else { return };
    let inner = ["sh", "-c", "exit 7"];
    let policy = scene.dir.file("inner.toml");
    let jailed = [[JAIL, "--policy", &policy, "--"].as_slice(), &inner].concat();
    let ran = plain([probe(), "without", "ptrace"]).args(&jailed).output();
    says_once(ran).ends_with(7);
    if !installed("strace") {
        return;
    }
    let strace = ["strace", "-f", "-o", "/dev/null"];
    if plain(strace).args(["true"]).output().code() != Some(0) {
        println!("NOT TRIED HERE: strace cannot trace");
        return;
    }
    says_once(plain(strace).args(&jailed).output()).ends_with(7);
}

#[test]
fn signals_reach_the_command_and_options_that_need_a_tracer_are_errors() {
    let Some(scene) = Scene::new() else { return };
    let policy = scene.dir.file("inner.toml");
    let lacking = || plain([probe(), "without", "ptrace", JAIL]);
    for option in ["--kill-on-exit", "--stats", "--trace-denials"] {
        let ran = lacking().args([option, "--policy", &policy, "--", "true"]);
        ran.output().ends_with(125).complains(option);
    }
    let script = "trap 'echo got; exit 9' TERM ALRM; echo ready; while :; do sleep 0.1; done";
    let words = ["--policy", &policy, "--", "sh", "-c", script];
    for signal in [Signal::SIGTERM, Signal::SIGALRM] {
        let mut running = lacking().args(words).start();
        running.line("ready");
        running.signal(signal);
        running.finish().ends_with(9).says("ready\ngot\n");
    }
}

/// Reaches a port that is allowed and one that is not, by TCP and UDP, and unix sockets outside.
const REACHES: &str = r#"
import errno, socket, sys
good, bad, closed, path, name = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
HOST, INTERNET, UNIX = "127.0.0.1", socket.AF_INET, socket.AF_UNIX

def tried(way):
    try:
        way()
        return "reached"
    except OSError as error:
        return errno.errorcode[error.errno]

def connected(family, kind, to):
    return tried(lambda: socket.socket(family, kind).connect(to))

def sent(family, to):
    return tried(lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", to))

stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
print("tcp", connected(INTERNET, stream, (HOST, good)), connected(INTERNET, stream, (HOST, bad)))
print("udp", sent(INTERNET, (HOST, good)), connected(INTERNET, datagram, (HOST, good)))
print("closed", sent(INTERNET, (HOST, closed)), connected(INTERNET, datagram, (HOST, closed)))
print("path", connected(UNIX, stream, path), sent(UNIX, path + ".datagrams"))
print("abstract", connected(UNIX, stream, "\0" + name))
"#;

#[test]
fn ports_need_no_supervisor_where_landlock_knows_them_and_unix_sockets() {
    use std::net::{TcpListener, UdpSocket};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

    const PYTHON: &str = "/usr/bin/python3";
    if !installed(PYTHON) {
        return;
    }
    let Some(scene) = Scene::new() else { return };
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("its address").port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            break (tcp, udp);
        }
    };
    let good = udp.local_addr().expect("its address").port().to_string();
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let bad = other.local_addr().expect("its address").port().to_string();
    let hidden = UdpSocket::bind("127.0.0.1:0").expect("a port");
    hidden.set_nonblocking(true).expect("an open socket");
    let closed = hidden.local_addr().expect("its address").port().to_string();
    let path = scene.dir.file("open/socket");
    let _stream = UnixListener::bind(&path).expect("a socket");
    let datagrams = UnixDatagram::bind(format!("{path}.datagrams")).expect("a socket");
    datagrams.set_nonblocking(true).expect("an open socket");
    let name = support::token();
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _abstract = UnixListener::bind_addr(&address).expect("a socket");

    let open = "[net]\nconnect = [\"*\", \"udp://*\", \"unix:*\"]\nlisten = [\"*\", \"udp://*\", \"unix:*\"]\n";
    let outer = format!("extends = [\"outer.toml\"]\n{open}");
    scene.dir.write("open.toml", outer);
    let ports = format!("[net]\nconnect = [\"*:{good}\", \"udp://*:{good}\"]\n");
    let inner = format!("extends = [\"outer.toml\"]\n{ports}");
    scene.dir.write("ports.toml", inner);
    let script = scene.dir.write("open/reaches.py", REACHES);
    let command = [PYTHON, &script, &good, &bad, &closed, &path, &name];

    let all = "tcp reached reached\nudp reached reached\nclosed reached reached\npath reached reached\nabstract reached\n";
    let ran = scene.under(&["open"], &command).output();
    ran.ends_with(0).says(all);
    while hidden.recv(&mut [0; 8]).is_ok() || datagrams.recv(&mut [0; 8]).is_ok() {}
    let document = plain([JAIL, "doctor", "--json"]).output().out;
    let document: Value = serde_json::from_str(&document).expect("a document");
    let ran = scene.under(&["open", "ports"], &command).output();
    if document["landlock"]["used"].as_u64() < Some(10) {
        println!("NOT TRIED HERE: UDP ports by Landlock: this kernel's is older than 10");
        ran.ends_with(125).complains("net.connect");
        return;
    }
    says_once(ran).ends_with(0).says(
        "tcp reached EACCES\nudp reached reached\nclosed EACCES EACCES\npath EACCES EACCES\nabstract EPERM\n",
    );
    assert!(hidden.recv(&mut [0; 8]).is_err() && datagrams.recv(&mut [0; 8]).is_err());
    drop((tcp, udp, other));
}
