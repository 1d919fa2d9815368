//! `lift`: a file takes away denials that it inherits, with a reason, and nothing else.

use std::path::{Path, PathBuf};

use jail::internal::judge::Judge;
use jail::internal::net::Way;
use jail::internal::paths::Access;
use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Action, PathContext, Policy, peer};

/// Files of a directory of the test's own.
struct Files(PathBuf);

impl Files {
    fn new(name: &str, files: &[(&str, &str)]) -> Files {
        let place = format!("jail-lift-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(place);
        std::fs::create_dir_all(&directory).expect("a directory");
        let directory = directory.canonicalize().expect("a directory");
        for (file, text) in files {
            std::fs::write(directory.join(file), text).expect("a file");
        }
        Files(directory)
    }

    fn load(&self) -> Policy {
        Policy::load("./main.toml", &self.0).unwrap_or_else(|problems| panic!("{problems}"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn judge(policy: &Policy) -> Judge {
    let plan = Plan::new(policy, &Host::newest());
    plan.unwrap_or_else(|error| panic!("{error}")).judge
}

fn allows(judge: &Judge, access: Access, path: &str) -> bool {
    judge
        .path(access, Path::new(path).as_os_str().as_encoded_bytes())
        .action
        == Action::Allow
}

fn connects(judge: &Judge, to: &str) -> bool {
    let peer = peer(Way::Connect, to, &PathContext::own()).expect("a peer");
    judge.peer(&peer).verdict.action == Action::Allow
}

const TEAM: &str = r#"
extends = ["base"]
[fs]
deny    = ["/j/secret", "/j/keys/one", { path = "/j/kill", action = "kill" }, "/j/w/**/.env"]
hide    = ["/j/hidden"]
protect = ["/j/w/.git", "/j/w/**/.envrc"]
[net]
deny = ["10.0.0.0/8", { to = "192.168.0.0/16" }, "unix:/j/run/agent.sock"]
"#;

#[test]
fn an_entry_that_lies_whole_in_the_place_is_gone_and_of_others_the_rest_stays() {
    let main = r#"
extends = ["./team.toml"]
[fs]
read  = ["/j"]
write = ["/j/w"]
lift = [
  { path = "/j/keys", why = "the whole directory" },
  { path = "/j/secret/public", why = "a part" },
  { path = "/j/kill", why = "no longer" },
  { path = "/j/hidden/seen", why = "a part" },
  { path = "/j/w/.git/info", why = "a part" },
  { path = "/j/w/tests/.env", why = "a match of a pattern" },
]
"#;
    let files = Files::new("parts", &[("team.toml", TEAM), ("main.toml", main)]);
    let policy = files.load();
    let judge = judge(&policy);
    for (access, path, allowed) in [
        (Access::Read, "/j/keys/one", true),
        (Access::Read, "/j/secret/x", false),
        (Access::Read, "/j/secret", false),
        (Access::Read, "/j/secret/public", true),
        (Access::Read, "/j/secret/public/x", true),
        (Access::Read, "/j/secret/publicly", false),
        (Access::Write, "/j/secret/public/x", false),
        (Access::Read, "/j/kill", true),
        (Access::Stat, "/j/hidden/seen", true),
        (Access::Stat, "/j/hidden/x", false),
        (Access::Write, "/j/w/.git/info/x", true),
        (Access::Write, "/j/w/.git/config", false),
        (Access::Read, "/j/w/tests/.env", true),
        (Access::Read, "/j/w/app/.env", false),
        (Access::Read, "/j/w/tests/deep/.env", false),
        (Access::Write, "/j/w/.envrc", false),
    ] {
        assert_eq!(allows(&judge, access, path), allowed, "{access:?} {path}");
    }
    let lifted: Vec<String> = policy
        .lifts
        .iter()
        .flat_map(|lift| &lift.lifted)
        .map(|entry| format!("{} {} {}", entry.key, entry.text, entry.whole))
        .collect();
    let expected = [
        "fs.deny /j/keys/one true",
        "fs.deny /j/secret false",
        "fs.deny /j/kill true",
        "fs.hide /j/hidden false",
        "fs.protect /j/w/.git false",
        "fs.deny /j/w/**/.env false",
    ];
    assert_eq!(lifted, expected);
}

#[test]
fn nothing_is_granted_by_it() {
    let main = "extends = [\"./team.toml\"]\n[fs]\nlift = [{ path = \"/j/secret\", why = \"x\" }]\n\
        [net]\nlift = [{ to = \"10.0.0.0/8\", why = \"x\" }]\n";
    let files = Files::new("nothing", &[("team.toml", TEAM), ("main.toml", main)]);
    let judge = judge(&files.load());
    assert!(!allows(&judge, Access::Read, "/j/secret/x"));
    assert!(!connects(&judge, "10.0.0.1:80"));
}

#[test]
fn entries_of_the_same_file_and_of_files_that_extend_it_stay() {
    let middle = r#"
extends = ["./team.toml"]
[fs]
deny = ["/j/own"]
lift = [
  { path = "/j/own", why = "the same file's" },
  { path = "/j/secret", why = "inherited" },
  { path = "/j/main", why = "of the file that extends this one" },
]
"#;
    let main = "extends = [\"./middle.toml\"]\n[fs]\nread = [\"/j\"]\ndeny = [\"/j/main\"]\n";
    let all = [
        ("team.toml", TEAM),
        ("middle.toml", middle),
        ("main.toml", main),
    ];
    let judge = judge(&Files::new("same", &all).load());
    assert!(allows(&judge, Access::Read, "/j/secret/x"));
    assert!(!allows(&judge, Access::Read, "/j/own"));
    assert!(!allows(&judge, Access::Read, "/j/main"));
}

#[test]
fn what_is_inherited_on_two_ways_is_lifted_if_it_is_on_both() {
    let lifting =
        "extends = [\"./team.toml\"]\n[fs]\nlift = [{ path = \"/j/secret\", why = \"x\" }]\n";
    let plain = "extends = [\"./team.toml\"]\n";
    for (name, other, allowed) in [("one", plain, false), ("both", lifting, true)] {
        let main = "extends = [\"./a.toml\", \"./b.toml\"]\n[fs]\nread = [\"/j\"]\n";
        let all = [
            ("team.toml", TEAM),
            ("a.toml", lifting),
            ("b.toml", other),
            ("main.toml", main),
        ];
        let judge = judge(&Files::new(name, &all).load());
        assert_eq!(
            allows(&judge, Access::Read, "/j/secret/x"),
            allowed,
            "{name}"
        );
    }
}

#[test]
fn peers_are_lifted_in_one_direction_and_no_further_than_the_place() {
    let main = r#"
extends = ["./team.toml"]
[fs]
write = ["/j/run"]
[net]
connect = ["*", "udp://*", "unix:*"]
listen = ["*"]
lift = [
  { to = "10.1.0.0/16:5432", why = "the database" },
  { to = "192.168.0.0/16", why = "the office" },
  { to = "unix:/j/run/agent.sock", why = "the agent" },
]
"#;
    let files = Files::new("peers", &[("team.toml", TEAM), ("main.toml", main)]);
    let judge = judge(&files.load());
    for (to, allowed) in [
        ("10.1.2.3:5432", true),
        ("udp://10.1.2.3:5432", true),
        ("10.1.2.3:80", false),
        ("10.2.2.3:5432", false),
        ("192.168.1.1:80", true),
        ("[64:ff9b::10.1.2.3]:5432", false),
        ("unix:/j/run/agent.sock", true),
    ] {
        assert_eq!(connects(&judge, to), allowed, "{to}");
    }
    let listen = peer(Way::Listen, "10.1.2.3:5432", &PathContext::own()).expect("a peer");
    assert_ne!(judge.peer(&listen).verdict.action, Action::Allow);
}

#[test]
fn a_preset_gives_one_place_back_and_keeps_the_rest() {
    let home = std::env::var("HOME").expect("HOME");
    let text = r#"
extends = ["workspace", "deny-metadata"]
[fs]
read = ["~/.npmrc"]
lift = [{ path = "~/.npmrc", why = "the registry's token" }, { path = "./.git/hooks", why = "made here" }]
[net]
connect = ["169.254.170.2:80", "169.254.169.254:80"]
lift = [{ to = "169.254.170.2", why = "the task's own role" }]
[[test]]
allow = ["read ~/.npmrc", "write ./.git/hooks/pre-commit", "connect 169.254.170.2:80"]
deny = ["write ~/.npmrc", "read ~/.netrc", "write ./.git/config", "write ./sub/.git/hooks/x", "connect 169.254.169.254:80"]
"#;
    let policy = Policy::parse(text, "main.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let judge = judge(&policy);
    for test in &policy.tests {
        let allowed = judge.about(&test.about).action == Action::Allow;
        let expected = test.expect == jail::internal::policy::Expect::Allow;
        assert_eq!(allowed, expected, "{} with HOME={home}", test.sentence);
    }
}

/// A directory that is moved takes nothing out of an entry into a lifted place, nor the other way round.
#[test]
fn no_directory_is_moved_between_what_is_lifted_and_what_is_not() {
    let main = r#"
extends = ["./team.toml"]
[fs]
read  = ["/j"]
write = ["/j"]
lift = [
  { path = "/j/w/tests/.env", why = "a part" },
  { path = "/j/w/tests/.envrc", why = "a part" },
]
"#;
    let files = Files::new("moves", &[("team.toml", TEAM), ("main.toml", main)]);
    let judge = judge(&files.load());
    let moved = |from: &str, to: &str| {
        judge.moved(from.as_bytes(), to.as_bytes()).is_some()
            || judge.gained(from.as_bytes(), to.as_bytes()).is_some()
    };
    // What is denied in `app` would be lifted as `tests`, what is lifted in `tests` protected as `app`.
    assert!(moved("/j/w/app", "/j/w/tests"));
    assert!(moved("/j/w/tests", "/j/w/app"));
    assert!(!moved("/j/w/app", "/j/w/other"));
}

/// Where all that is granted of a denied tree is lifted, Landlock holds it, and no open stops.
#[test]
fn what_is_lifted_whole_costs_no_stop() {
    let main = |read: &str| {
        format!(
            "extends = [\"./team.toml\"]\n[fs]\nread = [{read:?}]\n\
            lift = [{{ path = \"/etc/ssl\", why = \"certificates\" }}]\n"
        )
    };
    let team = "extends = [\"base\"]\n[fs]\ndeny = [\"/etc/ssl\", \"/srv\", \"/etc/X11\"]\n";
    for (read, supervised) in [("/etc/ssl", false), ("/etc", true)] {
        let files = Files::new("stops", &[("team.toml", team), ("main.toml", &main(read))]);
        let plan = Plan::new(&files.load(), &Host::newest());
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.files.excepts, supervised, "{read}");
    }
}

/// A link that a command of an earlier run may have made lifts nothing.
#[test]
fn no_link_of_the_commands_own_lifts_anything() {
    let files = Files::new("led", &[("team.toml", TEAM)]);
    let place = files.0.display();
    let main = format!(
        "extends = [\"./team.toml\"]\n[fs]\nread = [\"/j\"]\nwrite = [\"{place}\"]\n\
        lift = [{{ path = \"{place}/token\", why = \"x\" }}]\n"
    );
    for text in [
        main.clone(),
        main.replace("\n[fs]", "\ndefault = \"allow\"\n[fs]"),
    ] {
        std::fs::write(files.0.join("main.toml"), text).expect("a file");
        let link = files.0.join("token");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink("/j/secret", &link).expect("a link");
        let problems = Policy::load("./main.toml", &files.0).expect_err("a link of the command's");
        let codes: Vec<&str> = problems
            .diagnostics
            .iter()
            .map(|found| found.code.name())
            .collect();
        assert_eq!(codes, ["led-elsewhere"], "{problems}");
    }
}

#[test]
fn check_and_explain_show_what_is_lifted() {
    let main = "extends = [\"./team.toml\"]\n[fs]\nread = [\"/j\"]\nlift = [\n\
        { path = \"/j/secret/public\", why = \"for all\" },\n{ path = \"/j/kill\", why = \"no longer\" },\n]\n\
        [net]\nconnect = [\"10.0.0.1:80\"]\nlift = [{ to = \"10.0.0.1\", why = \"the database\" }]\n";
    let files = Files::new("shown", &[("team.toml", TEAM), ("main.toml", main)]);
    let said = |arguments: &[&str]| {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_jail"))
            .args(arguments)
            .current_dir(&files.0)
            .env("COLUMNS", "1000")
            .output()
            .expect("jail");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let checked = said(&["check", "./main.toml"]);
    for line in [
        "lifted: \"/j/secret/public\" of fs.deny \"/j/secret\" at ./team.toml:4, by ./main.toml:5: for all",
        "lifted: fs.deny \"/j/kill\" at ./team.toml:4, by ./main.toml:6: no longer",
        "lifted: \"10.0.0.1\" of net.deny \"10.0.0.0/8\" at ./team.toml:8, by ./main.toml:10: the database",
    ] {
        assert!(checked.contains(line), "{line:?} of {checked}");
    }
    for (question, shown) in [
        ("read /j/secret/public/x", "for all"),
        ("connect 10.0.0.1:80", "the database"),
    ] {
        let explained = said(&["explain", "./main.toml", question]);
        assert!(explained.contains("allow"), "{explained}");
        assert!(
            explained.contains("lifted") && explained.contains(shown),
            "{explained}"
        );
    }
    let all = said(&["explain", "./main.toml"]);
    assert!(all.contains("Lifted") && all.contains("no longer"), "{all}");
}

#[test]
fn no_denied_socket_is_renamed_to_one_that_is_lifted() {
    for deny in ["unix:/j/run", "unix:*"] {
        let team = format!("extends = [\"base\"]\n[net]\ndeny = [{deny:?}]\n");
        let main = "extends = [\"./team.toml\"]\n[fs]\nwrite = [\"/j\"]\n[net]\nconnect = [\"unix:*\"]\n\
            lift = [{ to = \"unix:/j/run/agent.sock\", why = \"the agent\" }]\n";
        let files = Files::new("sockets", &[("team.toml", &team), ("main.toml", main)]);
        let judge = judge(&files.load());
        assert!(connects(&judge, "unix:/j/run/agent.sock"), "{deny}");
        assert!(!connects(&judge, "unix:/j/run/other.sock"), "{deny}");
        let renamed = judge.renamed(b"/j/run/other.sock", b"/j/run/agent.sock");
        assert!(renamed.is_some(), "{deny}");
        let moved = judge.moved(b"/j/run/other", b"/j/run/agent.sock");
        assert!(moved.is_some(), "{deny}");
        assert!(
            judge.renamed(b"/j/run/agent.sock", b"/j/run/x").is_none(),
            "{deny}"
        );
    }
}
