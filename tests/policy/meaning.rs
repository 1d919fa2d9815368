//! What a policy file means: entries, rules, defaults, and how files extend one another.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use jail::internal::policy::{Action, Expect, Policy, Target, lint};
use jail::internal::syscalls::Errno;

const DENY: Action = Action::Deny(Errno::EPERM);

/// A directory of its own for each test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "policy-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        for (name, text) in files {
            let path = folder.0.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a new directory");
            fs::write(path, text).expect("a new file");
        }
        folder
    }

    fn load(&self, name: &str) -> Policy {
        Policy::load(name, &self.0).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn refused(&self, name: &str) -> String {
        Policy::load(name, &self.0)
            .expect_err("a wrong policy")
            .to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn parse(text: &str) -> Policy {
    Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

/// `place key = action` of each entry.
fn entries(policy: &Policy) -> Vec<String> {
    policy
        .syscalls
        .iter()
        .map(|entry| {
            format!(
                "{} {} = {}",
                policy.place(entry.origin),
                entry.key,
                entry.action
            )
        })
        .collect()
}

#[test]
fn an_empty_policy_denies() {
    let policy = parse("");
    assert_eq!(policy.default.action, DENY);
    assert_eq!(policy.place(policy.default.origin), "net.toml:1");
}

#[test]
fn an_entry_knows_its_action_its_reason_and_its_line() {
    let policy = parse(
        "[syscalls]\nsocket = \"kill\"\n\"@debug\" = { action = \"deny\", why = \"no\" }\nuname = \"EWOULDBLOCK\"\nvm86 = \"allow\"\n",
    );
    assert_eq!(
        entries(&policy),
        [
            "net.toml:2 socket = kill",
            "net.toml:3 @debug = deny",
            "net.toml:4 uname = EAGAIN",
            "net.toml:5 vm86 = allow"
        ]
    );
    let targets: Vec<bool> = policy
        .syscalls
        .iter()
        .map(|entry| matches!(entry.target, Target::Syscall(_)))
        .collect();
    assert_eq!(targets, [true, false, true, false]);
    assert!(matches!(policy.syscalls[3].target, Target::Foreign));
    assert_eq!(policy.syscalls[1].why.as_deref(), Some("no"));
    assert_eq!(policy.line(policy.syscalls[0].origin), "socket = \"kill\"");
}

#[test]
fn enosys_is_quiet_unless_the_author_says_otherwise() {
    let policy = parse(
        "[syscalls]\nuname = \"ENOSYS\"\nsync = { action = \"ENOSYS\", quiet = false }\nread = { action = \"deny\", quiet = true }\nwrite = \"deny\"\n",
    );
    let quiet: Vec<bool> = policy.syscalls.iter().map(|entry| entry.quiet).collect();
    assert_eq!(quiet, [true, false, true, false]);
}

#[test]
fn a_rule_has_the_condition_of_each_syscall_that_it_covers() {
    let policy = parse(
        "[[rule]]\nsyscall = [\"open\", \"openat\", \"open\"]\nwhen = \"(flags & O_CREAT) != 0\"\naction = \"EROFS\"\n",
    );
    let conditions: Vec<String> = policy.rules[0]
        .conditions
        .iter()
        .map(|(syscall, condition)| format!("{}: {condition}", syscall.name))
        .collect();
    assert_eq!(
        conditions,
        ["open: (arg1 & 0x40) != 0", "openat: (arg2 & 0x40) != 0"]
    );
    assert_eq!(policy.rules[0].action, Action::Deny(Errno::EROFS));
    assert_eq!(policy.rules[0].origin.line, 1);
}

#[test]
fn a_rule_of_another_architecture_does_nothing() {
    let policy = parse("[[rule]]\nsyscall = \"vm86\"\nwhen = \"arg0 == 0\"\naction = \"kill\"\n");
    assert!(policy.rules[0].conditions.is_empty());
    assert!(lint(&policy).is_empty());
}

#[test]
fn tests_are_read_in_the_order_of_the_file() {
    let policy = parse(
        "[[test]]\nkill = [\"read(0)\"]\nallow = [\"write(1)\"]\n[[test]]\ndeny = [\"fork()\"]\n",
    );
    let tests: Vec<_> = policy
        .tests
        .iter()
        .map(|test| (test.sentence.as_str(), test.expect, test.origin.line))
        .collect();
    assert_eq!(
        tests,
        [
            ("read(0)", Expect::Kill, 2),
            ("write(1)", Expect::Allow, 3),
            ("fork()", Expect::Deny, 5)
        ]
    );
}

#[test]
fn the_extending_files_key_replaces_the_inherited_one() {
    let folder = Folder::new(&[
        (
            "main.toml",
            "extends = ['sub/team.toml']\n[syscalls]\nread = 'kill'\n",
        ),
        (
            "sub/team.toml",
            "extends = './more.toml'\n[syscalls]\nread = 'deny'\nwrite = 'deny'\n",
        ),
        (
            "sub/more.toml",
            "default = 'allow'\n[syscalls]\nread = 'allow'\nwrite = 'allow'\n'@debug' = 'kill'\n",
        ),
    ]);
    let policy = folder.load("main.toml");
    assert_eq!(
        entries(&policy),
        [
            "main.toml:3 read = kill",
            "sub/team.toml:4 write = deny",
            "sub/more.toml:5 @debug = kill"
        ]
    );
    assert_eq!(
        policy.syscalls[0]
            .replaces
            .map(|origin| policy.place(origin))
            .as_deref(),
        Some("sub/team.toml:3")
    );
    assert_eq!(policy.default.action, Action::Allow);
    assert_eq!(policy.place(policy.default.origin), "sub/more.toml:1");
}

#[test]
fn a_file_may_loosen_what_it_inherits() {
    let policy = parse("extends = ['base']\n[syscalls]\nuserfaultfd = 'allow'\n");
    let entry = policy
        .syscalls
        .iter()
        .find(|entry| entry.key == "userfaultfd")
        .expect("an entry");
    assert_eq!(entry.action, Action::Allow);
    assert_eq!(
        policy
            .syscalls
            .iter()
            .filter(|entry| entry.key == "userfaultfd")
            .count(),
        1
    );
}

#[test]
fn siblings_both_stay_and_the_strictest_default_is_inherited() {
    let folder = Folder::new(&[
        ("main.toml", "extends = ['a.toml', 'b.toml', 'c.toml']\n"),
        ("a.toml", "default = 'allow'\n[syscalls]\nread = 'allow'\n"),
        ("b.toml", "default = 'deny'\n[syscalls]\nread = 'deny'\n"),
        ("c.toml", "default = 'allow'\n"),
    ]);
    let policy = folder.load("main.toml");
    assert_eq!(
        entries(&policy),
        ["a.toml:3 read = allow", "b.toml:3 read = deny"]
    );
    assert_eq!(policy.default.action, DENY);
    assert_eq!(policy.place(policy.default.origin), "b.toml:1");
}

#[test]
fn a_file_reached_on_two_ways_is_loaded_once() {
    let folder = Folder::new(&[
        (
            "main.toml",
            "extends = ['left.toml', 'sub/right.toml', 'offline', 'compute']\n",
        ),
        (
            "left.toml",
            "extends = ['./sub/../ground.toml']\n[syscalls]\nread = 'kill'\n",
        ),
        ("sub/right.toml", "extends = ['../ground.toml']\n"),
        (
            "ground.toml",
            "[syscalls]\nread = 'deny'\n[[rule]]\nsyscall = 'dup'\nwhen = 'oldfd == 1'\naction = 'deny'\n",
        ),
    ]);
    let policy = folder.load("main.toml");
    let names: Vec<&str> = policy
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "main.toml",
            "left.toml",
            "sub/../ground.toml",
            "sub/right.toml",
            "offline",
            "base",
            "compute"
        ]
    );
    assert_eq!(
        policy
            .rules
            .iter()
            .filter(|rule| policy.place(rule.origin).contains("ground"))
            .count(),
        1
    );
    // By the left way it is replaced, by the right way it is not.
    let read: Vec<String> = entries(&policy)
        .into_iter()
        .filter(|entry| entry.contains(" read "))
        .collect();
    assert_eq!(
        read,
        [
            "left.toml:3 read = kill",
            "sub/../ground.toml:2 read = deny"
        ]
    );
}

#[test]
fn rules_of_all_files_are_joined_and_tests_are_the_main_files() {
    let policy = parse(
        "extends = ['offline']\n[[rule]]\nsyscall = 'dup'\nwhen = 'oldfd == 1'\naction = 'deny'\n[[test]]\nallow = ['read(0)']\n",
    );
    let places: Vec<String> = policy
        .rules
        .iter()
        .map(|rule| policy.place(rule.origin))
        .collect();
    assert_eq!(places.len(), 4);
    assert_eq!(places[0], "net.toml:2");
    assert!(places[1].starts_with("offline:") && places[2].starts_with("base:"));
    assert_eq!(policy.tests.len(), 1);
}

#[test]
fn a_chain_without_end_is_refused() {
    let files: Vec<(String, String)> = (0..40)
        .map(|file| {
            (
                format!("{file}.toml"),
                format!("extends = '{}.toml'\n", file + 1),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    assert!(
        Folder::new(&files)
            .refused("0.toml")
            .contains("too many files")
    );
}

#[test]
fn a_file_that_extends_itself_is_a_cycle() {
    let folder = Folder::new(&[("self.toml", "extends = ['./self.toml']\n")]);
    assert!(
        folder
            .refused("./self.toml")
            .contains("./self.toml → ./self.toml")
    );
}

#[test]
fn a_file_that_looks_like_a_preset_is_pointed_at() {
    let folder = Folder::new(&[("mine", "default = 'allow'\n")]);
    assert!(folder.refused("mine").contains("write `./mine`"));
    assert_eq!(folder.load("./mine").default.action, Action::Allow);
}

#[test]
fn what_is_no_text_is_refused_by_line() {
    let folder = Folder::new(&[]);
    fs::create_dir_all(&folder.0).expect("a new directory");
    fs::write(folder.0.join("bytes.toml"), b"default = 'deny'\n# \xff\n").expect("a new file");
    assert!(
        folder
            .refused("bytes.toml")
            .contains("line 2 is not UTF-8 text")
    );
}

#[test]
fn to_run_a_preset_its_tests_are_not_read_and_nothing_else_differs() {
    for preset in jail::internal::policy::presets() {
        let here = Path::new(".");
        let (Ok(whole), Ok(run)) = (
            Policy::load(preset.name, here),
            Policy::load_to_run(preset.name, here),
        ) else {
            panic!("{} cannot be loaded", preset.name);
        };
        assert_eq!(entries(&whole), entries(&run));
        assert_eq!(whole.rules.len(), run.rules.len());
        assert_eq!(
            (whole.tests.is_empty(), run.tests.is_empty()),
            (false, true)
        );
    }
}

#[test]
fn a_policy_of_ones_own_is_read_whole_to_run_too() {
    let folder = Folder::new(&[(
        "own.toml",
        "default = 'deny'\n[[test]]\nallow = ['nosuchcall()']\n",
    )]);
    assert!(Policy::load_to_run("own.toml", &folder.0).is_err());
}

#[test]
fn what_says_the_same_as_its_group_is_no_mistake() {
    let policy =
        parse("[syscalls]\n'@basic-io' = 'allow'\nread = 'allow'\n'@file-system' = 'allow'\n");
    assert!(lint(&policy).is_empty());
}

#[test]
fn a_group_beneath_a_stricter_one_can_never_decide() {
    let policy = parse("[syscalls]\n'@pkey' = 'allow'\n'@known' = 'kill'\n");
    let messages: Vec<String> = lint(&policy)
        .into_iter()
        .map(|warning| warning.message)
        .collect();
    assert_eq!(messages, ["the entry `@pkey` can never decide anything"]);
}

#[test]
fn an_entry_may_name_several_places_that_share_all_it_says() {
    let policy = parse(
        r#"
[fs]
deny = [
  { why = "keys", action = "EPERM", path = [
    "/a",
    "/b",
  ] },
]

[net]
deny = [{ why = "metadata", to = ["10.0.0.1", "10.0.0.2"] }]
"#,
    );
    let paths: Vec<String> = policy
        .paths
        .iter()
        .map(|entry| {
            let (place, why) = (policy.place(entry.origin), entry.why.as_deref());
            format!("{place} {} {} {why:?}", entry.text, entry.action)
        })
        .collect();
    assert_eq!(
        paths,
        [
            "net.toml:5 /a deny Some(\"keys\")",
            "net.toml:6 /b deny Some(\"keys\")",
        ]
    );
    let peers: Vec<&str> = policy
        .peers
        .iter()
        .map(|entry| entry.text.as_str())
        .collect();
    assert_eq!(peers, ["10.0.0.1", "10.0.0.2"]);
    let ways = policy.peers.iter().map(|entry| entry.ways.len());
    assert_eq!(ways.sum::<usize>(), 2, "connecting alone");
}

#[test]
fn an_entry_that_names_no_place_is_refused() {
    let folder = Folder::new(&[("p.toml", "[fs]\ndeny = [{ path = [] }]\n")]);
    assert!(folder.refused("./p.toml").contains("empty list"));
    let folder = Folder::new(&[("p.toml", "[net]\ndeny = [{ to = [5] }]\n")]);
    assert!(folder.refused("./p.toml").contains("must be a string"));
}
