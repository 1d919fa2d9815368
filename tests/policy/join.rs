//! Presets that are joined: the whole grants what each of them grants alone, and nothing else.

use jail::internal::judge::{Judge, explain_reason};
use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{About, Action, PathContext, Policy, peer, presets};
use jail::internal::{net::Way, syscalls};

/// The presets that take something away whatever they are joined with: their descriptions say so.
const RESTRICTING: [&str; 5] = [
    "compute",             // no other program, no socket
    "deny-metadata",       // no credentials of a cloud
    "offline",             // no network
    "protect-credentials", // no keys, tokens, password stores and sockets of agents
    "protect-triggers",    // nothing changed that other programs run later
];

/// Allows what it does not name, which no part of a whole with another default can do.
const OPEN: &str = "permissive";

struct Joined {
    policy: Policy,
    judge: Judge,
}

fn judged(policy: Policy) -> Joined {
    let plan = Plan::new(&policy, &Host::newest());
    let judge = plan.unwrap_or_else(|error| panic!("{error}")).judge;
    Joined { policy, judge }
}

fn joined(names: &[&str]) -> Joined {
    let text = format!("extends = {names:?}\n");
    judged(Policy::parse(&text, "joined.toml").unwrap_or_else(|problems| panic!("{problems}")))
}

/// What is asked: every sentence of every preset, every system call, and peers of all kinds.
fn questions() -> Vec<(String, About)> {
    let mut all = Vec::new();
    for preset in presets() {
        let policy = Policy::preset(preset.name).unwrap_or_else(|problems| panic!("{problems}"));
        let asked = policy.tests.into_iter();
        all.extend(asked.map(|test| (test.sentence, test.about)));
    }
    for syscall in syscalls::all()
        .iter()
        .filter(|call| call.number().is_some())
    {
        let text = format!("{}()", syscall.name);
        if let Ok(call) = syscalls::parse_call(&text) {
            all.push((text, About::Call(call)));
        }
    }
    let around = PathContext::own();
    for host in [
        "8.8.8.8",
        "[2606:4700::1]",
        "127.0.0.1",
        "127.1.2.3",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "[fe80::1]",
        "[fd00::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b::8.8.8.8]",
        "[2002:a00:1::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:8.8.8.8]",
        "name.example",
    ] {
        for scheme in ["", "udp://"] {
            for port in [22, 53, 80, 443, 8080] {
                for (word, way) in [("connect", Way::Connect), ("listen", Way::Listen)] {
                    let text = format!("{scheme}{host}:{port}");
                    let peer = peer(way, &text, &around).unwrap_or_else(|error| panic!("{error}"));
                    all.push((format!("{word} {text}"), About::Peer(peer)));
                }
            }
        }
    }
    all
}

/// Every pair, some of three, and all at once.
fn sets() -> Vec<Vec<&'static str>> {
    let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
    let (mut pairs, mut threes) = (Vec::new(), Vec::new());
    for (first, one) in names.iter().enumerate() {
        for (second, two) in names.iter().enumerate().skip(first + 1) {
            pairs.push(vec![*one, *two]);
            let rest = names.iter().skip(second + 1);
            threes.extend(rest.map(|three| vec![*one, *two, *three]));
        }
    }
    pairs.extend(threes.into_iter().step_by(19));
    pairs.push(names);
    pairs
}

#[test]
fn what_each_preset_grants_the_whole_grants_and_nothing_else() {
    let questions = questions();
    let grants = |judge: &Judge| -> Vec<bool> {
        let about = questions.iter().map(|(_, about)| judge.about(about).action);
        about.map(|action| action == Action::Allow).collect()
    };
    let alone: Vec<(&str, Vec<bool>)> = presets()
        .iter()
        .map(|preset| (preset.name, grants(&joined(&[preset.name]).judge)))
        .collect();
    let mut wrong = Vec::new();
    for set in sets() {
        let Joined { policy, judge } = joined(&set);
        let members: Vec<_> = alone
            .iter()
            .filter(|(name, _)| set.contains(name))
            .collect();
        for (place, (sentence, about)) in questions.iter().enumerate() {
            let verdict = judge.about(about);
            let granting = members.iter().filter(|(_, grants)| grants[place]);
            let granting: Vec<&str> = granting.map(|(name, _)| *name).collect();
            if verdict.action == Action::Allow {
                if granting.is_empty() {
                    wrong.push(format!("{set:?}: `{sentence}` is granted by none of them"));
                }
                continue;
            }
            let reason = explain_reason(&policy, &verdict);
            let restricted = RESTRICTING
                .iter()
                .any(|name| reason.contains(&format!("{name}:")));
            if granting.iter().any(|name| *name != OPEN) && !restricted {
                wrong.push(format!(
                    "{set:?}: `{sentence}`, which {granting:?} grant, is denied: {reason}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn the_order_of_presets_means_nothing() {
    let questions = questions();
    let said = |names: &[&str]| -> Vec<Action> {
        let judge = joined(names).judge;
        questions
            .iter()
            .map(|(_, about)| judge.about(about).action)
            .collect()
    };
    for [one, two, three] in [
        ["workspace", "https", "localhost"],
        ["build", "net", "localhost"],
        ["compute", "https", "read-only"],
    ] {
        let first = said(&[one, two, three]);
        for other in [
            [one, three, two],
            [two, one, three],
            [two, three, one],
            [three, one, two],
            [three, two, one],
        ] {
            assert!(said(&other) == first, "{other:?}");
        }
    }
}

#[test]
fn workspace_https_and_localhost_work_together() {
    let text = r#"
extends = ["workspace", "https", "localhost"]

[[test]]
allow = [
  "connect 127.0.0.1:5432",
  "connect [::1]:443",
  "listen 127.0.0.1:8080",
  "connect 93.184.216.34:443",
  "write ./x",
]
deny = [
  "connect 93.184.216.34:80",
  "connect 10.0.0.1:443",
  "connect 192.168.1.1:443",
  "connect 169.254.169.254:443",
  "connect 169.254.169.254:80",
  "connect [fd00:ec2::254]:443",
  "read ~/.ssh/id_ed25519",
]
"#;
    let policy = Policy::parse(text, "joined.toml").unwrap_or_else(|problems| panic!("{problems}"));
    let Joined { policy, judge } = judged(policy);
    for test in &policy.tests {
        let allowed = judge.about(&test.about).action == Action::Allow;
        assert_eq!(
            allowed,
            test.expect == jail::internal::policy::Expect::Allow,
            "{}",
            test.sentence
        );
    }
}
