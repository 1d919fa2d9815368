//! Which messages and connects Landlock alone decides, by its ABI; run on no kernel.

use super::*;
use crate::plan::PlanOptions;

const SENDS: Watch = Watch::SEND_TO.and(Watch::SEND_MESSAGE);

fn policy(text: &str) -> Policy {
    Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn with_abi(landlock_abi: u32) -> Host {
    Host {
        landlock_abi,
        ..Host::newest()
    }
}

/// The plan of a `[net]` table on a host with this ABI.
fn net(text: &str, abi: u32) -> Net {
    let policy = policy(&format!("[net]\n{text}"));
    Net::new(&policy, &with_abi(abi), PlanOptions::default())
}

#[test]
fn udp_ports_alone_are_landlocks_from_abi_10_on_and_no_send_stops() {
    let text = "connect = [\"udp://*:53,123\", \"*:443\"]\nlisten = [\"udp://*:5353\"]";
    for abi in [10, 11, u32::MAX] {
        let plan = net(text, abi);
        assert_eq!(plan.connect_udp, Some(vec![53, 123]), "{abi}");
        // A client binds to any free port, also at its first send.
        assert_eq!(plan.bind_udp, Some(vec![0, 5353]), "{abi}");
        assert!(!plan.watch.any(SENDS) && plan.silent, "{abi}");
        // Unix datagrams can be made; Landlock holds those to sockets outside.
        assert_eq!(plan.unix, Some(vec![]), "{abi}");
        assert!(plan.scoped && !plan.watch.any(Watch::NO_UNIX_DATAGRAMS));
        // Landlock does not see UDP-Lite, ping and raw sockets, so they cannot be made.
        assert!(plan.watch.has(Watch::NO_OTHERS.and(Watch::NO_DETOURS)));
        // The supervisor still judges each connect to a unix socket, and each bind.
        let judged = Watch::CONNECT.and(Watch::BIND).and(Watch::FAST_OPEN);
        assert!(plan.watch.has(judged), "{abi}");
    }
    for abi in [4, 8, 9] {
        let plan = net(text, abi);
        assert!(plan.watch.has(SENDS), "{abi}");
        assert_eq!((plan.connect_udp, plan.bind_udp), (None, None), "{abi}");
        assert_eq!(plan.unix, None, "{abi}");
    }
    let whole = net("connect = [\"udp://*:53\", \"*:443\", \"unix:*\"]", 10);
    assert!(!whole.watch.any(SENDS.and(Watch::CONNECT)) && whole.unix.is_none());
    // A server that sends to no port but answers: it has to name them.
    let server = net("listen = [\"udp://*:53\"]", 10);
    assert_eq!(server.connect_udp, Some(vec![]));
    assert!(!server.watch.any(SENDS));
}

#[test]
fn what_landlock_cannot_tell_of_udp_stays_with_the_supervisor() {
    for text in [
        // A host, or a denial of one.
        "connect = [\"udp://10.0.0.1:53\"]",
        "connect = [\"udp://localhost:53\"]",
        "connect = [\"udp://public:53\"]",
        "connect = [\"udp://*:53\"]\ndeny = [\"10.0.0.0/8\"]",
        "connect = [\"udp://*:53\"]\ndeny = [{ to = \"udp://10.0.0.0/8\" }]",
        "connect = [\"udp://*:53\"]\ndeny = [{ to = \"udp://*:53\", action = \"kill\" }]",
        // The supervisor reads questions to resolvers.
        "connect = [\"udp://*:53\", \"registry.example:443\"]",
        // More ports than rules are worth.
        "connect = [\"udp://*:1-65535\"]",
        // Landlock knows no abstract names.
        "connect = [\"udp://*:53\", \"unix:@x\"]",
        // A server may replace its socket by another file, and only a directory stays.
        "connect = [\"udp://*:53\", \"unix:/etc/passwd\"]",
        "connect = [\"udp://*:53\", \"unix:/nowhere/at/all\"]",
        "connect = [\"udp://*:53\", \"unix:/usr/*\"]",
        "connect = [\"udp://*:53\", \"unix:/proc/self\"]",
        // Landlock cannot kill, nor deny within a directory.
        "connect = [\"udp://*:53\"]\ndeny = [{ to = \"unix:*\", action = \"kill\" }]",
        "connect = [\"udp://*:53\", \"unix:/usr\"]\ndeny = [\"unix:/usr/lib/x\"]",
        "connect = [\"udp://*:53\", \"unix:/usr/lib\"]\ndeny = [\"unix:/usr\"]",
        "connect = [\"udp://*:53\", \"unix:*\"]\ndeny = [\"unix:/usr\"]",
    ] {
        let plan = net(text, u32::MAX);
        assert!(plan.watch.has(SENDS), "{text}");
    }
    // Its rules would save no stop.
    let judged = net("connect = [\"udp://10.0.0.1:53\", \"udp://*:123\"]", 10);
    assert_eq!((judged.connect_udp, judged.bind_udp), (None, None));
    // It reports nothing, and does not see every socket that a command may inherit.
    let traced = PlanOptions {
        trace_denials: true,
        ..PlanOptions::default()
    };
    let inherits = PlanOptions {
        datagrams: true,
        ..PlanOptions::default()
    };
    for options in [traced, inherits] {
        let policy = policy("[net]\nconnect = [\"udp://*:53\", \"unix:*\"]");
        let plan = Net::new(&policy, &Host::newest(), options);
        assert!(plan.watch.has(SENDS.and(Watch::CONNECT)));
    }
}

#[test]
fn unix_sockets_in_directories_are_landlocks_from_abi_9_on_and_no_send_stops() {
    let text = "connect = [\"*:443\", \"unix:/usr\"]";
    for abi in [9, 10, 11] {
        let plan = net(text, abi);
        assert_eq!(plan.unix, Some(vec!["/usr".into()]), "{abi}");
        assert!(!plan.watch.any(SENDS) && plan.watch.has(Watch::CONNECT));
    }
    for abi in [6, 8] {
        let plan = net(text, abi);
        assert!(plan.unix.is_none() && plan.watch.has(SENDS), "{abi}");
    }
    // Where there are no datagrams, it saves no stop, and its rules are not needed.
    assert_eq!(net("connect = [\"*:443\"]", 11).unix, None);
    let with = |fs: &str| net(&format!("{text}\n[fs]\n{fs}"), 11);
    assert!(
        !with("write = [\"/srv\"]\nread = [\"/usr\"]")
            .watch
            .any(SENDS)
    );
    assert!(!with("deny = [\"/srv\"]").watch.any(SENDS));
    for fs in [
        // The command could rename a socket into the directory.
        "write = [\"/usr/lib\"]",
        "write = [\"/\"]",
        // Landlock cannot hide, nor kill.
        "hide = [\"/srv\"]",
        "deny = [{ path = \"/srv\", action = \"kill\" }]",
        "deny = [\"/usr/lib/x\"]",
        "deny = [\"/**/.env\"]",
    ] {
        let plan = with(fs);
        assert!(plan.unix.is_none() && plan.watch.has(SENDS), "{fs}");
    }
}

/// The filter keeps such sockets from being made, and cannot keep them from being used.
#[test]
fn what_an_inherited_socket_reaches_is_judged() {
    let open = "connect = [\"*:443\", \"unix:*\"]\nlisten = [\"*\", \"unix:*\"]";
    let judged = SENDS.and(Watch::CONNECT).and(Watch::BIND);
    for abi in [7, 9, 10, 11] {
        for unsupervised in [false, true] {
            let plan = |datagrams| {
                let options = PlanOptions {
                    datagrams,
                    unsupervised,
                    ..PlanOptions::default()
                };
                let policy = policy(&format!("[net]\n{open}"));
                Net::new(&policy, &with_abi(abi), options)
            };
            assert!(plan(true).watch.has(judged), "{abi}");
            assert!(!plan(false).watch.any(judged), "{abi}");
        }
    }
}

#[test]
fn without_a_supervisor_landlock_holds_connects_to_unix_sockets_too() {
    let plan = |text: &str, abi| {
        let options = PlanOptions {
            unsupervised: true,
            ..PlanOptions::default()
        };
        Net::new(&policy(text), &with_abi(abi), options)
    };
    let text = "[net]\nconnect = [\"*:443\", \"udp://*:53\"]";
    let held = plan(text, 10);
    assert!(!held.watch.any(SENDS.and(Watch::CONNECT)));
    assert_eq!(held.unix, Some(vec![]));
    assert!(plan(text, 8).watch.has(SENDS.and(Watch::CONNECT)));
}
