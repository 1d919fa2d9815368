//! No advice opens more than the denied call needs: never the root, a directory of the system or a home
//! directory as a whole, and nothing but the object itself, the directory in which a name changes, or the
//! run's temporary directory. Nothing runs.

use jail::internal::baseline::Baseline;
use jail::internal::judge::remedy::{Denied, Object, remedy};
use jail::internal::judge::varying::Run;
use jail::internal::judge::{Judge, Reason, Verdict};
use jail::internal::net::Way;
use jail::internal::paths::{Access, Pattern};
use jail::internal::policy::{Action, Policy, Who};
use jail::internal::syscalls::{Call, Errno, parse_call};
use std::path::Path;

/// What no advice may open as a whole.
const WIDE: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/etc",
    "/home",
    "/home/u",
    "/home/other",
    "/lib",
    "/opt",
    "/proc",
    "/proc/1",
    "/proc/4711",
    "/proc/sys",
    "/root",
    "/run",
    "/run/user",
    "/run/user/1000",
    "/sbin",
    "/srv",
    "/sys",
    "/sys/class",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/tmp",
];

/// Names in each of them: plain, temporary, of a process, no text, of a removed file.
const NAMES: &[&[u8]] = &[
    b"",
    b"/x",
    b"/x/y",
    b"/.hidden",
    b"/tmp.Ab3dX9QxYz",
    b"/tmp.Ab3dX9QxYz/y",
    b"/tmpab12cd_8",
    b"/Ab3dX9Qx",
    b"/lock.4711",
    b"/4711",
    b"/4711/oom_score_adj",
    b"/\xff",
    b"/no\xfftext",
    b"/x (deleted)",
];

const POLICIES: &[&str] = &[
    "extends = [\"base\"]\n",
    "extends = [\"base\"]\n[process]\ntmpdir = \"fresh\"\n",
    "extends = [\"build\"]\n",
    "default = \"allow\"\nextends = [\"protect-credentials\", \"protect-triggers\"]\n",
];

const CALLS: &[(&str, Access)] = &[
    ("openat(AT_FDCWD, \"x\", O_RDONLY)", Access::Read),
    ("inotify_add_watch(3, \"x\", 2)", Access::Read),
    (
        "openat(AT_FDCWD, \"x\", O_WRONLY|O_CREAT, 0600)",
        Access::Write,
    ),
    ("unlink(\"x\")", Access::Write),
    ("rename(\"x\", \"y\")", Access::Write),
    ("linkat(AT_FDCWD, \"x\", AT_FDCWD, \"y\", 0)", Access::Write),
    ("chmod(\"x\", 0600)", Access::Write),
    ("execve(\"x\")", Access::Exec),
    ("openat(AT_FDCWD, \"x\", O_PATH)", Access::Handle),
];

fn runs() -> Vec<Run> {
    let run = |tmpdir: Option<&str>, link| Run {
        tmpdir: tmpdir.map(Into::into),
        directory: Some("/work".into()),
        home: Some("/home/u".into()),
        processes: vec![4711],
        link,
        ..Run::default()
    };
    vec![
        run(None, false),
        run(None, true),
        run(Some("/tmp"), false),
        run(Some("/home/u/t"), false),
    ]
}

/// The entry that an advice says to add, and its list: `read in [fs]`.
fn entry(advice: &str) -> Option<(String, String)> {
    let (_, rest) = advice.split_once("add ")?;
    let rest = rest.strip_prefix("{ path = ").unwrap_or(rest);
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, character)| {
        let ends = *character == '"' && !escaped;
        escaped = *character == '\\' && !escaped;
        ends
    })?;
    let (quoted, after) = rest.split_at(end.0 + 1);
    let table: toml::Table = format!("x = {quoted}").parse().ok()?;
    let (_, list) = after.split_once(" to ")?;
    let list = list.split(" of ").next()?.trim_end_matches(':');
    Some((table["x"].as_str()?.to_owned(), list.to_owned()))
}

fn above(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(end) => &path[..end],
    }
}

/// The pattern of an entry, as a policy has it; the caller's `$TMPDIR` is none that opens too much.
fn pattern(text: &str) -> Option<Pattern> {
    if text.starts_with("$TMPDIR") {
        return None;
    }
    Some(Pattern::glob(Path::new("/"), text.trim_start_matches('/')).expect(text))
}

#[track_caller]
fn is_narrow(advice: &str, path: &[u8], list: &str, what: &str) {
    let Some((text, at)) = entry(advice) else {
        return;
    };
    if text == "fresh" {
        return;
    }
    assert!(
        at.starts_with(list) || at.starts_with("lift in"),
        "{what}: {advice}"
    );
    let Some(pattern) = pattern(text.strip_prefix("unix:").unwrap_or(&text)) else {
        return;
    };
    for wide in WIDE {
        assert!(!pattern.covers(wide.as_bytes()), "{what}: {advice}");
    }
    // The object, or its directory. Of what lies deeper only what does not vary.
    let covers = |path: &[u8]| pattern.covers(path);
    assert!(covers(path) || covers(above(path)), "{what}: {advice}");
    let beside = [above(above(path)), b"/jail-beside"].concat();
    assert!(!covers(&beside), "{what}: {advice}");
}

fn verdict(reason: Reason) -> Verdict {
    Verdict {
        action: Action::Deny(Errno::EACCES),
        quiet: false,
        reason,
        check: None,
        domain: None,
    }
}

#[test]
fn no_advice_about_a_path_opens_more_than_the_call_needs() {
    let calls: Vec<(Call, Access)> = CALLS
        .iter()
        .map(|(text, access)| (parse_call(text).expect(text), *access))
        .collect();
    let mut tried = 0;
    for text in POLICIES {
        let policy = Policy::parse(text, "net.toml").expect("a policy");
        let judge = Judge::new(&policy, &Baseline::newest());
        for place in WIDE {
            for name in NAMES {
                let place = if *place == "/" && !name.is_empty() {
                    ""
                } else {
                    place
                };
                let path = [place.as_bytes(), name].concat();
                for (call, access) in &calls {
                    let verdict = match judge.path(*access, &path) {
                        found if found.action == Action::Allow => continue,
                        found => found,
                    };
                    for run in runs() {
                        let denied = Denied {
                            call: Some(call),
                            object: Object::Path(*access, &path),
                            run: &run,
                        };
                        let Some(advice) = remedy(&policy, &denied, &verdict) else {
                            continue;
                        };
                        let advice = advice.text;
                        let list = match access {
                            Access::Write => "write in",
                            Access::Exec => "exec in",
                            _ => "read in",
                        };
                        let shown = String::from_utf8_lossy(&path).into_owned();
                        is_narrow(
                            &advice,
                            &path,
                            list,
                            &format!("{access} {shown:?} {text:?}"),
                        );
                        tried += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
}

#[test]
fn no_advice_about_a_socket_opens_more_than_the_call_needs() {
    let policy = Policy::parse("extends = [\"base\"]\n", "net.toml").expect("a policy");
    let call = parse_call("connect(3, \"\")").expect("a call");
    for run in runs() {
        let advice = |who: &Who, reason| {
            let denied = Denied {
                call: Some(&call),
                object: Object::Peer(Way::Connect, Some(who), &[]),
                run: &run,
            };
            remedy(&policy, &denied, &verdict(reason))
                .expect("an advice")
                .text
        };
        for place in WIDE {
            for name in NAMES {
                let Ok(name) = std::str::from_utf8(name) else {
                    continue;
                };
                let path = format!("{place}{name}").replace("//", "/");
                let text = advice(&Who::Path(path.clone().into()), Reason::PeerDefault);
                is_narrow(&text, path.as_bytes(), "connect in", &path);
            }
        }
        for name in [&b"\xff"[..], b"Ab3dX9Qx", b"x", b"\xff\xfe"] {
            let text = advice(&Who::Abstract(name.to_vec()), Reason::PeerDefault);
            assert!(!text.contains("add \"unix:@*\""), "{text}");
        }
        let text = advice(&Who::Path("/run/x".into()), Reason::Unpinned);
        assert!(!text.contains("add "), "{text}");
    }
}
