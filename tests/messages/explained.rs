//! What `jail explain` says of a sentence is what a running command meets: policies of all kinds, each
//! with the same accesses, explained and then made by a program under it.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::{Dir, jail, plain, probe, rounds};
use jail::internal::judge::Sentence;
use jail::internal::launch;
use jail::internal::net::Way;
use jail::internal::paths::Access;
use jail::internal::plan::Plan;
use jail::internal::policy::{Action, PathContext, Policy, locate, peer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A tree of files, a socket and a port that somebody listens on; a port that is free.
struct Scene {
    dir: Dir,
    _socket: UnixListener,
    _listener: TcpListener,
    port: u16,
    free: u16,
}

impl Scene {
    fn new() -> Scene {
        let dir = Dir::new();
        for name in ["r/file", "w/file", "w/secret-key", "none/file"] {
            dir.write(name, name);
        }
        plain(["cp", "/bin/true", &dir.file("w/true")])
            .output()
            .ends_with(0);
        let socket = UnixListener::bind(dir.path().join("w/socket")).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let free = other.local_addr().expect("its address").port();
        Scene {
            dir,
            _socket: socket,
            _listener: listener,
            port,
            free,
        }
    }

    /// `@` is the tree, `%` the port that is listened on, `^` one that is free.
    fn text(&self, text: &str) -> String {
        text.replace('@', self.dir.path().to_str().expect("text"))
            .replace('%', &self.port.to_string())
            .replace('^', &self.free.to_string())
    }
}

const SENTENCES: &[&str] = &[
    "read @/r/file",
    "read @/w/file",
    "read @/w/secret-key",
    "read @/none/file",
    "read /etc/passwd",
    "read /etc/hosts",
    "write @/r/file",
    "write @/w/file",
    "write @/w/secret-key",
    "write @/none/file",
    "exec @/w/true",
    "exec /bin/true",
    "stat @/none/file",
    "stat @/w/secret-key",
    "connect 127.0.0.1:%",
    "connect 127.0.0.1:^",
    "connect [::1]:^",
    "connect unix:@/w/socket",
    "listen 127.0.0.1:^",
    "listen udp://127.0.0.1:^",
    "listen unix:@/w/new",
];

/// The first part of a policy.
const HEADS: &[&str] = &[
    "extends = [\"base\"]",
    "extends = [\"offline\"]",
    "extends = [\"compute\"]",
    "extends = [\"localhost\"]",
    "extends = [\"https\"]",
    "extends = [\"net\"]",
    "extends = [\"read-only\"]",
    "extends = [\"workspace\"]",
    "extends = [\"permissive\"]",
    "extends = [\"permissive\", \"protect-credentials\"]",
    "default = \"allow\"",
];

const FILES: &[&str] = &[
    "read = [\"@/r\"]",
    "write = [\"@/w\"]",
    "read = [\"@\"]\nexec = [\"@/w\"]",
    "read = [\"/\"]\nexec = [\"/\"]",
    "write = [\"@/w/file\"]\nexec = [\"@/w/true\"]",
    "write = [\"@\"]\ndeny = [\"@/w/**/secret-*\"]",
    "write = [\"@\"]\nhide = [\"@/none\"]",
    "write = [\"@\"]\nprotect = [\"@/w/secret-key\"]",
    "deny = [\"@/r\", \"/bin/true\", \"/usr/bin/true\"]",
];

const NET: &[&str] = &[
    "connect = [\"127.0.0.1:%\"]",
    "connect = [\"localhost\", \"unix:*\"]",
    "connect = [\"*\"]\nlisten = [\"127.0.0.1\"]",
    "connect = [\"unix:@/w\"]\nlisten = [\"unix:@/w\"]",
    "listen = [\"*:^\", \"udp://*:^\"]",
    "connect = [\"*\"]\ndeny = [\"127.0.0.1:^\"]",
    "deny = [{ to = \"localhost\" }, { on = \"localhost\" }]",
    "connect = [\"udp://*:53\"]",
];

/// What the loader needs stays open: a program that cannot start tells nothing.
const SYSCALLS: &[&str] = &[
    "execve = \"deny\"\nexecveat = \"deny\"",
    "socket = \"EACCES\"",
    "connect = \"deny\"",
    "bind = \"deny\"",
    "connect = \"deny\"\nsendto = \"deny\"\nsendmsg = \"deny\"\nsendmmsg = \"deny\"",
    "statx = \"EACCES\"\nnewfstatat = \"EACCES\"\nstat = \"EACCES\"\nlstat = \"EACCES\"",
    "open = \"deny\"",
];

const RULES: &[&str] = &[
    "syscall = [\"open\", \"openat\"]\nwhen = \"(flags & O_ACCMODE) != O_RDONLY\"\naction = \"EACCES\"",
    "syscall = [\"socket\"]\nwhen = \"domain == AF_UNIX\"\naction = \"deny\"",
    "syscall = [\"socket\"]\nwhen = \"domain != AF_INET\"\naction = \"deny\"",
    "syscall = [\"openat\", \"open\", \"openat2\"]\npath = \"@/r\"\naction = \"deny\"",
    "syscall = [\"connect\"]\npeer = \"127.0.0.1:%\"\naction = \"EACCES\"",
];

fn some(texts: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
    prop::option::of(prop::sample::select(texts))
}

fn policies() -> impl Strategy<Value = String> {
    let head = prop::sample::select(HEADS);
    (head, some(FILES), some(NET), some(SYSCALLS), some(RULES)).prop_map(
        |(head, files, net, syscalls, rule)| {
            let mut text = format!("{head}\n");
            for (title, part) in [
                ("[fs]", files),
                ("[net]", net),
                ("[syscalls]", syscalls),
                ("[[rule]]", rule),
            ] {
                if let Some(part) = part {
                    text += &format!("{title}\n{part}\n");
                }
            }
            text
        },
    )
}

/// What `jail explain` finds.
fn decided(plan: &Plan, sentence: &str) -> Sentence {
    let around = PathContext::own();
    let (verb, object) = sentence.split_once(' ').expect("a sentence");
    match Way::from_word(verb) {
        Some(way) => plan
            .judge
            .peer(&peer(way, object, &around).expect("a peer")),
        None => {
            let place = locate(object, &around).expect("a path");
            let access = Access::from_word(verb).expect("an access");
            plan.judge.access(access, place.pattern.base())
        }
    }
}

/// Explains and makes all accesses; `None` if no program can start under the policy.
fn agree(scene: &Scene, text: &str) -> Option<()> {
    let text = scene.text(text);
    let path = scene.dir.write("policies/p.toml", &text);
    let policy = Policy::load(&path, Path::new(".")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let sentences: Vec<String> = SENTENCES.iter().map(|text| scene.text(text)).collect();
    let _ = std::fs::remove_file(scene.dir.path().join("w/new"));
    let ran = jail(["--quiet", "--policy", &path, "--", probe(), "sentences"])
        .args(&sentences)
        .output();
    if ran.out.is_empty() {
        return None;
    }
    assert_eq!(ran.out.lines().count(), sentences.len(), "{}", ran.err);
    let plan = Plan::new(
        &policy,
        &launch::probe_for(&policy, &launch::Withheld::from_environment()),
    )
    .expect("a plan");
    for (sentence, met) in sentences.iter().zip(ran.out.lines()) {
        let said = decided(&plan, sentence);
        let agrees = (said.verdict.action == Action::Allow) == (met == "allowed");
        // Where one call is denied and another makes the same access, it depends on the program.
        assert!(
            agrees || !said.beside.is_empty(),
            "the command met `{met}` of `{sentence}` under\n{text}\nexplained as {said:?}"
        );
    }
    Some(())
}

#[test]
fn offline_and_an_entry_to_connect_are_explained_as_they_are() {
    let scene = Scene::new();
    for text in [
        "extends = [\"offline\"]\n[net]\nconnect = [\"127.0.0.1:%\"]\n",
        "extends = [\"compute\"]\n[fs]\nexec = [\"@/w\"]\n",
        "extends = [\"base\"]\n[fs]\nwrite = [\"@\"]\n[syscalls]\nbind = \"deny\"\n[net]\nlisten = [\"*\"]\n",
    ] {
        agree(&scene, text).expect("a program that starts");
    }
    let policy = scene.dir.write(
        "policies/p.toml",
        "extends = [\"offline\"]\n[net]\nconnect = [\"127.0.0.1:80\"]\n",
    );
    jail(["explain", &policy, "connect 127.0.0.1:80"])
        .output()
        .ends_with(0)
        .says_part("verdict      denied with EPERM\ndecided by   offline:")
        .says_part("at the call  socket(AF_INET, ");
}

#[test]
fn explain_and_run_agree_under_any_policy() {
    let scene = Scene::new();
    let cases = rounds(24);
    let mut runner = TestRunner::new(Config {
        cases: cases as u32,
        failure_persistence: None,
        ..Config::default()
    });
    let started = std::cell::Cell::new(0);
    runner
        .run(&policies(), |text| {
            started.set(started.get() + usize::from(agree(&scene, &text).is_some()));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(started.get() * 2 > cases, "{} of {cases}", started.get());
}
