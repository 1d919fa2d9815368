//! Every kind of denial.

use super::paste::{Files, paste};
use super::scene::{Ended, Scene, files, in_tree};
use crate::support::Dir;
use jail::internal::baseline::Baseline;
use jail::internal::judge::remedy::{Denied, Object, remedy};
use jail::internal::judge::varying::Run;
use jail::internal::judge::{Code, Reason, Verdict};
use jail::internal::net::Way;
use jail::internal::paths::Access;
use jail::internal::policy::{Action, Policy};
use jail::internal::syscalls::{Errno, parse_call};
use std::fs;
use std::os::unix::net::{UnixDatagram, UnixListener};

/// How following the advice ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// The last step answers this, and nothing is denied.
    Answers(&'static str),
    /// The advice is that no policy can allow it.
    Never,
}
pub(super) use End::{Answers, Never};

/// A denial: the kinds of its reasons, as the log has them, in the order in which advice is followed.
pub(super) struct Row {
    pub kind: &'static str,
    pub policy: &'static str,
    /// Steps of the probe program `files`, with `@` for the tree.
    pub steps: Vec<String>,
    pub end: End,
    /// What the first advice says.
    pub says: &'static str,
}

fn row(
    kind: &'static str,
    policy: &'static str,
    steps: &[String],
    end: End,
    says: &'static str,
) -> Row {
    Row {
        kind,
        policy,
        steps: steps.to_vec(),
        end,
        says,
    }
}

/// A step: a system call with its arguments.
fn call(number: i64, arguments: &str) -> String {
    format!("{number} {arguments}")
}

/// A socket address as memory that holds it: numbers of 64 bits.
fn address(bytes: &[u8]) -> String {
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word).to_string()
    });
    format!(
        "words:{} {}",
        words.collect::<Vec<_>>().join(","),
        bytes.len()
    )
}

fn v4(port: u16) -> String {
    let mut bytes = (libc::AF_INET as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    address(&bytes)
}

fn v6(port: u16) -> String {
    let mut bytes = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(std::net::Ipv6Addr::LOCALHOST.octets());
    bytes.extend([0; 4]);
    address(&bytes)
}

fn unix(name: &[u8]) -> String {
    let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    bytes.extend(name);
    address(&bytes)
}

fn socket(family: i32, kind: i32, protocol: i32) -> String {
    call(libc::SYS_socket, &format!("{family} {kind} {protocol}"))
}

/// A socket, and a call on it.
fn on(socket: String, number: i64, arguments: &str) -> Vec<String> {
    vec![socket, call(number, &format!("{{0}} {arguments}"))]
}

const NET: &str = "extends = [\"base\"]\n[fs]\nread = [\n\"@/r\",\n]\n";
const OPEN: &str = "default = \"allow\"\n";
const TCP: i32 = libc::SOCK_STREAM;
const UDP: i32 = libc::SOCK_DGRAM;
/// A port on which no program listens, as far as can be known, and no user needs a capability to bind.
const PORT: u16 = 18_231;

/// `[net]` and sockets.
pub(super) fn peers(tree: &str) -> Vec<Row> {
    use libc::{AF_INET, AF_INET6, AF_UNIX, SYS_bind, SYS_connect, SYS_sendto};
    let tcp = || socket(AF_INET, TCP, 0);
    let udp = || socket(AF_INET, UDP, 0);
    let stream = || socket(AF_UNIX, TCP, 0);
    let datagram = || socket(AF_UNIX, UDP, 0);
    let named = |name: &str| unix(format!("{tree}/{name}").as_bytes());
    let refused = Answers("ECONNREFUSED");
    let ok = Answers("ok");
    let sends = |socket: String, to: String| {
        on(
            socket,
            SYS_sendto,
            &format!("buf 1 {} {to}", libc::MSG_NOSIGNAL),
        )
    };
    vec![
        row("default", NET, &[tcp()], ok, "192.0.2.1:443"),
        row("default", NET, &[udp()], ok, "udp://192.0.2.1:53"),
        row(
            "default",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"udp://127.0.0.1:9\",\n]\n",
            &[tcp()],
            ok,
            "192.0.2.1:443",
        ),
        row(
            "default",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"127.0.0.1:9\",\n]\n",
            &[udp()],
            ok,
            "udp://",
        ),
        row(
            "default",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"127.0.0.1:9\",\n]\n",
            &[socket(AF_INET, TCP, 262)],
            Answers("EPROTONOSUPPORT"),
            "",
        ),
        row(
            "default",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"127.0.0.1:9\",\n]\n",
            &[socket(AF_INET, libc::SOCK_RAW, 1)],
            Never,
            "about TCP and UDP",
        ),
        row(
            "default",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"127.0.0.1:9\",\n]\n",
            &[socket(AF_INET, UDP, 136)],
            Never,
            "about TCP and UDP",
        ),
        row(
            "default",
            NET,
            &on(tcp(), SYS_connect, &v4(PORT)),
            refused,
            "192.0.2.1",
        ),
        row(
            "default",
            NET,
            &on(socket(AF_INET6, TCP, 0), SYS_connect, &v6(PORT)),
            refused,
            "192.0.2.1",
        ),
        row("default", NET, &sends(udp(), v4(PORT)), ok, "udp://"),
        row(
            "default",
            NET,
            &on(tcp(), SYS_bind, &v4(PORT)),
            ok,
            "192.0.2.1",
        ),
        row(
            "default",
            NET,
            &on(udp(), SYS_bind, &v4(PORT)),
            ok,
            "udp://",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &named("s/[a]{b}$c")),
            ok,
            r"s/\\[a\\]\\{b\\}\\$c",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &unix(b"\0jail-no[b]ody$")),
            refused,
            r"unix:@jail-no\\[b\\]ody\\$",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &unix(b"\0/tmp/x-Ab3dX9Qx")),
            refused,
            "unix:@/tmp/x-*",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &unix(b"\0\xff")),
            refused,
            "unix:@[! -~]",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &unix(b"\0Ab3dX9Qx")),
            Never,
            "opens every abstract socket",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_connect, &unix(b"\x000002f")),
            refused,
            "unix:@[0-9a-f]",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_bind, &unix(b"\0jail-{me}")),
            ok,
            r"unix:@jail-\\{me\\}",
        ),
        // The kernel chooses a name.
        row(
            "default",
            NET,
            &on(stream(), SYS_bind, &unix(b"")),
            ok,
            "unix:@*",
        ),
        row(
            "default",
            NET,
            &on(stream(), SYS_bind, &named("s/new")),
            ok,
            "s/new",
        ),
        row(
            "default",
            NET,
            &sends(datagram(), named("s/datagrams")),
            ok,
            "s/datagrams",
        ),
        row(
            "peer",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"127.0.0.1\",\n]\ndeny = [\n\"127.0.0.1:18231\",\n]\n",
            &on(tcp(), SYS_connect, &v4(PORT)),
            refused,
            "remove or narrow net.deny at ",
        ),
        row(
            "peer",
            "extends = [\"base\"]\n[net]\nlisten = [\n\"127.0.0.1\",\n]\ndeny = [\n{ on = \"127.0.0.1:18231\" },\n]\n",
            &on(tcp(), SYS_bind, &v4(PORT)),
            ok,
            "remove or narrow net.deny at ",
        ),
        row(
            "rule",
            "default = \"allow\"\n[[rule]]\nsyscall = \"connect\"\npeer = \"127.0.0.1\"\naction = \"deny\"\n",
            &on(tcp(), SYS_connect, &v4(PORT)),
            refused,
            "change the rule at ",
        ),
        row(
            "baseline",
            "extends = [\"base\"]\n[net]\nconnect = [\n\"registry.invalid:443\",\n]\nlisten = [\n\"udp://*\",\n]\n",
            &on(udp(), SYS_bind, &v4(53)),
            Never,
            "no policy that has a host name",
        ),
        row(
            "rule",
            "extends = [\"base\"]\n",
            &[socket(libc::AF_VSOCK, TCP, 0)],
            Answers(""),
            "copy the preset (jail presets base)",
        ),
    ]
}

/// `[fs]`, and programs.
pub(super) fn places(_: &str) -> Vec<Row> {
    use libc::{O_RDONLY, O_WRONLY, SYS_open, SYS_stat, SYS_unlink};
    let open = |path: &str, flags: i32| call(SYS_open, &format!(":{path} {flags}"));
    let ok = Answers("ok");
    let write = |path: &str| vec![open(path, O_WRONLY)];
    vec![
        row(
            "path",
            "extends = [\"base\"]\n[fs]\nread = [\n\"@\",\n]\ndeny = [\n\"@/r/*\",\n]\n",
            &[open("@/r/file", O_RDONLY)],
            ok,
            "remove or narrow fs.deny at ",
        ),
        row(
            "path",
            "extends = [\"base\"]\n[fs]\nread = [\n\"@\",\n]\nhide = [\n\"@/r/file\",\n]\n",
            &[call(SYS_stat, ":@/r/file buf")],
            ok,
            "remove or narrow fs.hide at ",
        ),
        row(
            "path",
            "extends = [\"base\"]\n[fs]\nwrite = [\n\"@\",\n]\nprotect = [\n\"@/r\",\n]\n",
            &[call(SYS_unlink, ":@/r/file")],
            ok,
            "remove or narrow fs.protect at ",
        ),
        row(
            "path",
            "default = \"allow\"\n[fs]\ndeny = [\n{ path = \"@/r/file\", action = \"kill\" },\n]\n",
            &[open("@/r/file", O_RDONLY)],
            ok,
            "remove or narrow fs.deny at ",
        ),
        row(
            "path",
            "extends = [\"permissive\", \"protect-credentials\"]\n",
            &[open("@/.ssh/id_rsa", O_RDONLY)],
            ok,
            "to lift in [fs]",
        ),
        // A link on the way to what an entry protects.
        row(
            "path",
            "extends = [\"permissive\", \"protect-triggers\"]\n",
            &[call(libc::SYS_symlink, ":elsewhere :@/.git/link")],
            ok,
            "\"**/.git/**/config.worktree\", why = \"...\" } to lift in [fs]",
        ),
        row(
            "rule",
            "default = \"allow\"\n[[rule]]\nsyscall = \"open\"\npath = \"@/r/file\"\naction = \"deny\"\n",
            &[open("@/r/file", O_RDONLY)],
            ok,
            "change the rule at ",
        ),
        row(
            "default",
            NET,
            &write("/proc/self/oom_score_adj"),
            ok,
            "\"/proc/self/oom_score_adj\"",
        ),
        row(
            "default",
            NET,
            &write("/proc/thread-self/comm"),
            ok,
            "\"/proc/self/task/[0-9]*/comm\"",
        ),
        row(
            "default",
            NET,
            &[
                "child".to_owned(),
                open("/proc/{0}/oom_score_adj", O_WRONLY),
            ],
            Never,
            "opens every process of this user",
        ),
        // The first run of many programs makes it.
        row(
            "default",
            NET,
            &[call(libc::SYS_mkdir, ":@/.cache 448")],
            Never,
            "if it is missing, make it before",
        ),
        // A watch of the directory itself, which an entry cannot tell from one of everything beneath.
        row(
            "default",
            NET,
            &[
                call(libc::SYS_inotify_init1, "0"),
                call(libc::SYS_inotify_add_watch, "{0} :/etc 2"),
            ],
            Never,
            "\"/etc\" in read opens everything beneath it",
        ),
        row(
            "default",
            NET,
            &[open("/", O_RDONLY)],
            Never,
            "\"/\" in read opens everything beneath it",
        ),
        row(
            "default",
            "extends = [\"base\"]\n[fs]\nwrite = [\n\"@\",\n]\n[process]\ntmpdir = \"fresh\"\n",
            &[call(
                SYS_open,
                &format!(":/tmp/jail-advice {} 384", libc::O_CREAT | O_WRONLY),
            )],
            Never,
            "let the program use $TMPDIR",
        ),
        row(
            "baseline",
            NET,
            &write("/proc/self/mem"),
            Never,
            "no policy can allow it",
        ),
        row(
            "pathless",
            "extends = [\"base\"]\n",
            &["memfd /bin/true".to_owned(), "exec-fd {0}".to_owned()],
            Never,
            "no narrow entry can allow it",
        ),
        row(
            "baseline",
            "extends = [\"base\"]\n",
            &["exec :LOADER".to_owned()],
            Answers(""),
            "to exec in [fs]",
        ),
    ]
}

/// `deny` and `hide` of each access, and the files of the policy.
pub(super) fn closed_places() -> Vec<Row> {
    use libc::{O_PATH, O_RDONLY, O_WRONLY, SYS_open};
    let open = |flags: i32| call(SYS_open, &format!(":@/r/file {flags}"));
    let accesses = [
        ("read", open(O_RDONLY), "ok"),
        ("write", open(O_WRONLY), "ok"),
        // It is no program.
        ("exec", "exec :@/r/file".to_owned(), "EACCES"),
        ("read", open(O_PATH), "ok"),
    ];
    let mut rows = Vec::new();
    for (list, says) in [
        ("deny", "narrow fs.deny at "),
        ("hide", "narrow fs.hide at "),
    ] {
        for (opening, step, answer) in &accesses {
            let policy = format!(
                "extends = [\"base\"]\n[fs]\n{opening} = [\n\"@\",\n]\n{list} = [\n\"@/r/file\",\n]\n"
            );
            rows.push(row(
                "path",
                policy.leak(),
                std::slice::from_ref(step),
                Answers(answer),
                says,
            ));
        }
    }
    let exec = "exec :@/r/file".to_owned();
    rows.push(row(
        "default",
        NET,
        &[exec],
        Answers("EACCES"),
        "to exec in [fs]",
    ));
    rows.push(row(
        "policy-file",
        "extends = [\"base\", \"@/r/more.toml\"]\n[fs]\nwrite = [\n\"@\",\n]\n",
        &[call(SYS_open, &format!(":@/r/more.toml {O_WRONLY}"))],
        Never,
        "no policy can allow it",
    ));
    rows
}

/// `[syscalls]` and the baseline.
pub(super) fn calls() -> Vec<Row> {
    let ok = Answers("ok");
    vec![
        // How large the kernel's log is.
        row(
            "default",
            "extends = [\"base\"]\n",
            &[call(libc::SYS_syslog, "10 null 0")],
            Answers(""),
            "syslog = \"allow\"",
        ),
        row(
            "entry",
            "default = \"allow\"\n[syscalls]\nmkdir = \"deny\"\n",
            &[call(libc::SYS_mkdir, ":@/r/new 448")],
            ok,
            "change mkdir at ",
        ),
        row(
            "entry",
            "default = \"allow\"\n[syscalls]\n\"@file-system\" = \"deny\"\nexecve = \"allow\"\n",
            &[call(libc::SYS_mkdir, ":@/r/new 448")],
            ok,
            "",
        ),
        row(
            "entry",
            "default = \"allow\"\n[syscalls]\nsocket = \"kill\"\n",
            &[socket(libc::AF_UNIX, TCP, 0)],
            ok,
            "\n[[rule]]\n",
        ),
        row(
            "entry",
            "default = \"allow\"\n[syscalls]\nprctl = \"deny\"\n",
            &[call(libc::SYS_prctl, &format!("{}", libc::PR_GET_DUMPABLE))],
            ok,
            "\n[[rule]]\n",
        ),
        row(
            "rule",
            "default = \"allow\"\n[[rule]]\nsyscall = \"prctl\"\nwhen = \"option == PR_GET_DUMPABLE\"\naction = \"deny\"\n",
            &[call(libc::SYS_prctl, &format!("{}", libc::PR_GET_DUMPABLE))],
            ok,
            "change the rule at ",
        ),
        row(
            "baseline",
            OPEN,
            &[call(libc::SYS_ptrace, "0 0 0 0")],
            Never,
            "no policy can allow it",
        ),
        row(
            "entry",
            "default = \"allow\"\n[syscalls]\nptrace = \"kill\"\n",
            &[call(libc::SYS_ptrace, "16 1 0 0")],
            Never,
            "no policy can allow it",
        ),
    ]
}

/// Follows the advice of a row in a tree of its own.
pub(super) fn follow(row: &Row) -> Ended {
    in_scene(row, |scene| scene.follow())
}

/// Merges the remedies of a row in a tree of its own.
fn remedied(row: &Row) -> Ended {
    in_scene(row, |scene| scene.remedy())
}

fn in_scene(row: &Row, end: impl Fn(&Scene<'_>) -> Ended) -> Ended {
    let tree = Dir::new();
    let path = tree.path();
    let text = |text: &str| in_tree(text, path).replace("LOADER", &loader());
    let steps = row.steps.iter().map(|step| match step.contains("words:") {
        true => step.clone(),
        false => text(step),
    });
    let program = [files(), "steps".to_owned()].into_iter();
    let before = || {
        for directory in ["r", "s", ".ssh", ".git"] {
            let _ = fs::remove_dir_all(path.join(directory));
            fs::create_dir(path.join(directory)).expect("a directory");
        }
        for file in ["r/file", ".ssh/id_rsa"] {
            fs::write(path.join(file), "x").expect("a file");
        }
        fs::write(path.join("r/more.toml"), "").expect("a policy");
    };
    before();
    let scene = Scene {
        tree: path,
        policy: row.policy,
        command: program.chain(steps).map(Into::into).collect(),
        landlock: None,
        variables: Vec::new(),
        before: &before,
    };
    end(&scene)
}

/// The dynamic loader of this host.
fn loader() -> String {
    let loader = fs::canonicalize("/lib64/ld-linux-x86-64.so.2");
    loader.map_or_else(|_| "/nowhere".to_owned(), |path| path.display().to_string())
}

#[track_caller]
pub(super) fn check(row: &Row, ended: &Ended) {
    let first = ended.advices.first().map_or("", String::as_str);
    let what = format!("{:?} under {}\n{:?}", row.steps, row.policy, ended.advices);
    assert!(first.contains(row.says), "{:?} of {what}", row.says);
    match row.end {
        Never => assert!(!ended.allowed, "{what}"),
        Answers(answer) => {
            assert!(ended.allowed, "{what}");
            let last = ended.ran.out.lines().next_back().unwrap_or_default();
            let said = answer.is_empty() || last == answer;
            assert!(said, "{last:?} of {what}\n{}", ended.ran.err);
        }
    }
    let kind = ended.kinds.first().map_or("", String::as_str);
    assert!(
        ended.advices.is_empty() || kind == row.kind,
        "{kind} of {what}"
    );
}

/// As [`check`], of a remedy; where a preset's rule denies, only a person can change that.
#[track_caller]
pub(super) fn check_remedy(row: &Row) -> Vec<String> {
    let ended = remedied(row);
    match row.says.contains("copy the preset") {
        true => assert!(!ended.allowed, "{:?}", ended.advices),
        false => check(row, &ended),
    }
    for code in &ended.codes {
        let known = Code::ALL.iter().any(|known| known.name() == code);
        assert!(known, "{code}");
    }
    ended.codes
}

/// Every kind of denial: its remedy, parsed as TOML and merged into the policy, allows the call.
#[test]
fn every_remedy_merged_into_the_policy_allows_the_call() {
    let sockets = Dir::new();
    let at = |name: &str| sockets.path().join("s").join(name);
    fs::create_dir(sockets.path().join("s")).expect("a directory");
    let _stream = UnixListener::bind(at("[a]{b}$c")).expect("a socket");
    let _datagrams = UnixDatagram::bind(at("datagrams")).expect("a socket");
    let tree = sockets.path().display().to_string();
    let mut seen: Vec<String> = Vec::new();
    let rows = peers(&tree).into_iter().chain(places(""));
    for row in rows.chain(closed_places()).chain(calls()) {
        let _ = fs::remove_file(at("new"));
        seen.extend(check_remedy(&row));
    }
    // Each code, so that a new one needs a row.
    for code in Code::ALL {
        let met = seen.iter().any(|known| known == code.name());
        let why = NOT_MET.iter().find(|(other, _)| other == code);
        assert!(met != why.is_some(), "{}: {why:?} {seen:?}", code.name());
    }
}

/// Codes that no row meets, each with the reason.
pub(super) const NOT_MET: [(Code, &str); 5] = [
    (
        Code::FsUnsearched,
        "it takes a directory with 65,536 names; its advice is in the test of all reasons",
    ),
    (
        Code::FsChanged,
        "it takes a race that is won: no policy allows it",
    ),
    (
        Code::NetUnpinned,
        "it takes a race that is won: no policy allows it",
    ),
    (
        Code::SyscallUnknown,
        "it is answered with ENOSYS, which is not reported: no policy allows it",
    ),
    (
        Code::SyscallForeign,
        "it takes a 32-bit program: no policy allows it",
    ),
];

#[test]
fn what_is_denied_of_a_place_is_allowed_by_the_advice() {
    for row in places("").iter().chain(&closed_places()) {
        check(row, &follow(row));
    }
}

#[test]
fn what_is_denied_of_a_call_is_allowed_by_the_advice() {
    for row in calls() {
        check(&row, &follow(&row));
    }
}

#[test]
fn what_is_denied_of_a_peer_is_allowed_by_the_advice() {
    let sockets = Dir::new();
    let at = |name: &str| sockets.path().join("s").join(name);
    fs::create_dir(sockets.path().join("s")).expect("a directory");
    let _stream = UnixListener::bind(at("[a]{b}$c")).expect("a socket");
    let _datagrams = UnixDatagram::bind(at("datagrams")).expect("a socket");
    for row in peers(&sockets.path().display().to_string()) {
        let _ = fs::remove_file(at("new"));
        check(&row, &follow(&row));
    }
}

#[test]
fn message_queues_are_allowed_by_the_advice_where_they_are_mounted() {
    if !fs::read_to_string("/proc/self/mounts").is_ok_and(|text| text.contains(" /dev/mqueue ")) {
        println!("NOT TRIED HERE: /dev/mqueue is not mounted");
        return;
    }
    let name = format!("jail-advice-{}", std::process::id());
    let step = call(
        libc::SYS_mq_open,
        &format!(":{name} {} 384 null", libc::O_CREAT),
    );
    let row = row("default", NET, &[step], Answers("ok"), "\"/dev/mqueue\"");
    check(&row, &follow(&row));
    let _ = fs::remove_file(format!("/dev/mqueue/{name}"));
}

/// Names that are other ones in each run.
#[test]
fn a_name_that_is_another_one_the_next_time_is_allowed_by_the_advice() {
    let cases = [
        ("echo > @/r/lock.$$", "", "\"@/r\" to write"),
        ("echo > @/r/x.$(date +%N)", "", "\"@/r\" to write"),
        ("mktemp", "@/t/", "\"$TMPDIR\" to write"),
        (
            "d=$(mktemp -d) && echo > $d/x",
            "@/t/",
            "\"$TMPDIR\" to write",
        ),
    ];
    for (script, tmpdir, says) in cases {
        let tree = Dir::new();
        let text = |text: &str| in_tree(text, tree.path());
        for name in ["r", "t"] {
            fs::create_dir(tree.path().join(name)).expect("a directory");
        }
        let scene = Scene {
            tree: tree.path(),
            policy: "extends = [\"base\"]\n",
            command: ["/bin/sh".into(), "-c".into(), text(script).into()].into(),
            landlock: None,
            variables: vec![("TMPDIR", text(tmpdir))],
            before: &|| {},
        };
        let ended = scene.follow();
        let [advice] = ended.advices.as_slice() else {
            panic!("one is enough: {:?}", ended.advices);
        };
        assert!(ended.allowed && advice.contains(&text(says)), "{advice}");
        let _ = ended.ran.ends_with(0);
    }
}

/// What the advice comes to.
#[derive(Debug, PartialEq)]
enum Advice {
    /// It is put into the policy, and there is a policy then.
    Pasted,
    /// No policy can allow it.
    None,
    /// Nothing is denied for this reason.
    Silent,
}

/// A number for each reason that there is, and what is advised. A new one needs an arm here, and an example
/// in the test below; if it denies, a row above.
fn of(reason: Reason) -> (usize, Advice) {
    match reason {
        Reason::Baseline(_) => (0, Advice::None),
        Reason::Always => (1, Advice::Silent),
        Reason::Rule(_) => (2, Advice::Pasted),
        Reason::Entry(_) => (3, Advice::Pasted),
        Reason::Default => (4, Advice::Pasted),
        Reason::Path(_) => (5, Advice::Pasted),
        Reason::PolicyFile(_) => (6, Advice::None),
        Reason::Unsearched(_) => (7, Advice::Pasted),
        Reason::PathDefault => (8, Advice::Pasted),
        Reason::Peer(_) => (9, Advice::Pasted),
        Reason::PeerDefault => (10, Advice::None),
        Reason::Closed(_) => (11, Advice::Pasted),
        Reason::Metadata => (12, Advice::Silent),
        Reason::Command => (13, Advice::Silent),
        Reason::Terminal => (14, Advice::Silent),
        Reason::Pathless => (15, Advice::None),
        Reason::Unpinned => (16, Advice::None),
        Reason::Changed => (17, Advice::None),
        Reason::UnknownNumber => (18, Advice::None),
    }
}
const REASONS: usize = 19;

#[test]
fn every_reason_has_an_advice_that_can_be_followed() {
    const POLICY: &str = "extends = [\"base\"]\n[fs]\nprotect = [\n\"/nowhere\",\n]\n\
        [net]\ndeny = [\n\"192.0.2.1\",\n]\n[syscalls]\nmkdir = \"deny\"\n\
        [[rule]]\nsyscall = \"mkdir\"\nwhen = \"mode == 1\"\naction = \"deny\"\n";
    let policy = Policy::parse(POLICY, "net.toml").expect("a policy");
    let index = |found: Option<usize>| found.expect("an entry of the main file");
    let own = |origin: jail::internal::policy::Origin| origin.source == 0;
    let rule = index(policy.rules.iter().position(|rule| own(rule.origin)));
    let entry = index(policy.syscalls.iter().position(|entry| own(entry.origin)));
    let path = index(policy.paths.iter().position(|entry| own(entry.origin)));
    let peer = index(policy.peers.iter().position(|entry| own(entry.origin)));
    let protection = Baseline::newest().rules().next().expect("a protection");
    let closed = jail::internal::baseline::Watch::all_rules().find(|rule| rule.id == "no-tcp");
    let examples = [
        Reason::Baseline(protection),
        Reason::Always,
        Reason::Rule(rule),
        Reason::Entry(entry),
        Reason::Default,
        Reason::Path(path),
        Reason::PolicyFile(0),
        Reason::Unsearched(path),
        Reason::PathDefault,
        Reason::Peer(peer),
        Reason::PeerDefault,
        Reason::Closed(closed.expect("no-tcp")),
        Reason::Metadata,
        Reason::Command,
        Reason::Terminal,
        Reason::Pathless,
        Reason::Unpinned,
        Reason::Changed,
        Reason::UnknownNumber,
    ];
    let run = Run::default();
    let [mkdir, rmdir] =
        ["mkdir(\"x\")", "rmdir(\"x\")"].map(|text| parse_call(text).expect("a call"));
    let mut seen = [false; REASONS];
    for reason in examples {
        let (number, expected) = of(reason);
        seen[number] = true;
        let object = match reason {
            // What no entry can name.
            Reason::PeerDefault => Object::Peer(Way::Connect, None, &[]),
            _ => Object::Path(Access::Read, b"/nowhere/$x"),
        };
        let denied = Denied {
            call: Some(match reason {
                Reason::Default => &rmdir,
                _ => &mkdir,
            }),
            object,
            run: &run,
        };
        let verdict = Verdict {
            action: Action::Deny(Errno::EACCES),
            quiet: false,
            reason,
            check: None,
            domain: None,
        };
        let files = Files(vec![("net.toml".to_owned(), POLICY.to_owned())]);
        let found = match remedy(&policy, &denied, &verdict) {
            None => Advice::Silent,
            Some(remedy) => match paste(files, &remedy.text) {
                None => Advice::None,
                Some(files) => {
                    let text = &files.0.first().expect("a policy").1;
                    assert!(
                        Policy::parse(text, "net.toml").is_ok(),
                        "{}\n{text}",
                        remedy.text
                    );
                    assert_ne!(text, POLICY, "{}", remedy.text);
                    Advice::Pasted
                }
            },
        };
        assert_eq!(found, expected, "{reason:?}");
    }
    assert_eq!(seen, [true; REASONS]);
}
