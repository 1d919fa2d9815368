//! Names: a world with resolvers of its own (`tests/programs/names`), in a network namespace, and jailed
//! clients that may reach some names.
//!
//! Making the namespace needs root, or user namespaces; where neither is to be had the tests say so.

use crate::support::races::seconds;
use crate::support::{Dir, JAIL, Ran, example, is_root, plain};
use std::process::Command;

fn names() -> String {
    example("names")
}

/// How a namespace is made here.
fn unshare() -> Option<&'static [&'static str]> {
    let way: &[&str] = match is_root() {
        true => &["unshare", "-nm"],
        false => &["unshare", "-Urnm"],
    };
    let works = Command::new(way[0])
        .args(&way[1..])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        eprintln!(
            "NOT TRIED HERE: {} does not work: no namespace for a resolver",
            way.join(" ")
        );
    }
    works.then_some(way)
}

/// A world for one test.
struct World {
    dir: Dir,
    policy: String,
    /// The resolver of /etc/resolv.conf, which jail itself asks, too: none answers there, so that
    /// what is leased is what the command was told.
    own: &'static str,
    /// What root of the namespace does before, in words of the shell.
    prepare: &'static str,
}

const RESOLVER: &str = r#""udp://127.0.0.53:53", "127.0.0.53:53""#;

impl World {
    /// Clients may connect to these, and ask the one resolver.
    fn new(connect: &str) -> World {
        World::with(&format!("connect = [{connect}, {RESOLVER}]"))
    }

    fn with(net: &str) -> World {
        let dir = Dir::new();
        let policy =
            format!("extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\n[net]\n{net}\n");
        let policy = dir.write("names.toml", policy);
        World {
            dir,
            policy,
            own: "127.0.0.99",
            prepare: "",
        }
    }

    /// Runs a command in it, jailed; `None` where there can be no such world.
    fn run(&self, command: &[&str]) -> Option<Ran> {
        self.jail(&["--policy", &self.policy, "--"], command)
    }

    /// Runs `jail` in it with these words and a command.
    fn jail(&self, words: &[&str], command: &[&str]) -> Option<Ran> {
        let way = unshare()?;
        let (etc, own, prepare) = (self.dir.file("etc"), self.own, self.prepare);
        let script = format!(
            "ip link set lo up && cp -a /etc/. {etc} 2>/dev/null; \
             printf 'nameserver {own}\\noptions timeout:1 attempts:4\\n' > {etc}/resolv.conf; \
             {prepare} \
             echo '127.0.1.5 hosted.example' >> {etc}/hosts; \
             mount --bind {etc} /etc && exec \"$@\""
        );
        std::fs::create_dir_all(&etc).expect("a directory");
        let names = names();
        let mut all: Vec<&str> = way.to_vec();
        all.extend(["sh", "-c", &script, "sh", &names, "world"]);
        all.push(JAIL);
        all.extend(words);
        all.extend(command);
        Some(plain(all).output())
    }

    /// Does steps in it, and compares what came of each.
    fn does(&self, steps: &[(&str, &str)]) -> Option<Ran> {
        let names = names();
        let mut command = vec![names.as_str(), "do"];
        command.extend(steps.iter().map(|(step, _)| *step));
        let ran = self.run(&command)?;
        let expected: String = steps
            .iter()
            .map(|(step, outcome)| format!("{step} {outcome}\n"))
            .collect();
        assert_eq!(ran.out, expected, "stderr:\n{}", ran.err);
        Some(ran)
    }
}

const DENIED: &str = "failed: PermissionDenied";

#[test]
fn an_address_is_open_once_its_name_was_answered_however_that_is_received() {
    let ways = [
        "recv", "late", "read", "readv", "recvmsg", "recvmmsg", "from", "tcp", "waiting",
    ];
    for way in ways {
        for thread in [false, true] {
            let world = World::new(r#""*.wild.example:8090""#);
            let ask = format!("ask:{way}:127.0.0.53:a.wild.example");
            let mut steps = vec![
                ("connect:127.0.1.4", DENIED),
                (ask.as_str(), "127.0.1.4"),
                ("connect:127.0.1.4", "connected"),
                ("connect:127.0.1.5", DENIED),
            ];
            if thread {
                steps.insert(0, ("thread", "started"));
            }
            world.does(&steps);
        }
    }
}

#[test]
fn changing_addresses_are_all_leased_and_no_others() {
    let world = World::new(r#""registry.example:8090""#);
    world.does(&[
        ("ask:recv:127.0.0.53:registry.example", "127.0.1.1"),
        ("ask:recv:127.0.0.53:registry.example", "127.0.1.2"),
        ("connect:127.0.1.1", "connected"),
        ("connect:127.0.1.2", "connected"),
        ("connect:127.0.1.3", DENIED),
    ]);
}

#[test]
fn a_short_ttl_does_not_end_a_lease_before_a_program_can_use_it() {
    let world = World::new(r#""www.registry.example:8090""#);
    world.does(&[
        ("ask:recv:127.0.0.53:www.registry.example", "127.0.1.3"),
        ("sleep:2500", "slept"),
        ("connect:127.0.1.3", "connected"),
    ]);
}

#[test]
fn an_alias_is_followed_from_the_name_that_was_asked_for() {
    let world = World::new(r#""www.registry.example:8090""#);
    world.does(&[
        // By itself the name at the end of the alias is not the policy's.
        ("ask:recv:127.0.0.53:edge.cdn.test", "127.0.1.3"),
        ("connect:127.0.1.3", DENIED),
        ("ask:recv:127.0.0.53:www.registry.example", "127.0.1.3"),
        ("connect:127.0.1.3", "connected"),
    ]);
}

#[test]
fn ipv6_addresses_are_leased_too() {
    let world = World::new(r#""registry.example:8090""#);
    world.does(&[
        ("connect:::1", DENIED),
        ("ask:recv:127.0.0.53:registry.example:AAAA", "::1"),
        ("connect:::1", "connected"),
    ]);
}

#[test]
fn an_answer_leases_nothing_for_names_that_were_not_asked_for() {
    let world = World::new(r#""registry.example:8090""#);
    let ran = world.does(&[
        ("ask:recv:127.0.0.53:evil.test", "127.0.1.8"),
        ("connect:127.0.1.8", DENIED),
        ("connect:127.0.1.9", DENIED),
    ]);
    // What is known of an address is told.
    if let Some(ran) = ran {
        ran.complains("connect to 127.0.1.9:8090 (evil.test)")
            .complains("names.toml");
    }
}

#[test]
fn a_resolver_that_the_policy_does_not_allow_leases_nothing() {
    let world = World::new(r#""registry.example:8090""#);
    world.does(&[
        ("ask:recv:127.0.0.54:registry.example", DENIED),
        ("ask:tcp:127.0.0.54:registry.example", DENIED),
        // Its answer arrives unasked on a socket that asked the other one.
        ("ask:both:127.0.0.53:rogue.test", "127.0.1.9"),
        ("connect:127.0.1.7", DENIED),
        ("connect:127.0.1.9", DENIED),
    ]);
}

#[test]
fn a_name_of_the_hosts_file_needs_no_resolver() {
    let world = World::new(r#""hosted.example:8090""#);
    world.does(&[
        ("connect:127.0.1.5", "connected"),
        ("connect:127.0.1.6", DENIED),
    ]);
}

#[test]
fn what_jail_itself_is_told_is_leased() {
    let mut world = World::new(r#""www.registry.example:8090""#);
    world.own = "127.0.0.53";
    world.does(&[
        ("connect:127.0.1.3", "connected"),
        ("connect:127.0.1.9", DENIED),
    ]);
}

#[test]
fn a_denied_name_is_closed_while_it_is_known() {
    let world = World::with(&format!(
        "connect = [\"127.0.1.0/24:8090\", {RESOLVER}]\ndeny = [\"*.wild.example\"]"
    ));
    world.does(&[
        ("connect:127.0.1.4", "connected"),
        ("ask:recv:127.0.0.53:a.wild.example", "127.0.1.4"),
        ("connect:127.0.1.4", DENIED),
        ("connect:127.0.1.5", "connected"),
    ]);
}

#[test]
fn ordinary_clients_resolve_and_connect() {
    let mut world = World::new(r#""registry.example:8090", "*.wild.example:8090""#);
    world.own = "127.0.0.53";
    let python = "import socket\n\
        for name in ('registry.example', 'a.wild.example', 'evil.test'):\n\
        \x20 try:\n\
        \x20   socket.create_connection((name, 8090), 5).close(); print(name, 'connected')\n\
        \x20 except OSError as error: print(name, error.errno)\n";
    if let Some(ran) = world.run(&["/usr/bin/python3", "-c", python]) {
        ran.says("registry.example connected\na.wild.example connected\nevil.test 13\n")
            .complains("connect to 127.0.1.");
    }
}

/// Each attack of `tests/programs/names/attack.rs` in a world of its own, and a connect that tells whether it
/// has won.
fn attacked(attacks: &[&str], world: impl Fn() -> World) {
    let names = names();
    let mut won = Vec::new();
    for how in attacks {
        let attack = format!("attack:{how}:127.0.1.6");
        let steps = [&names, "do", &attack, "connect:127.0.1.6"];
        let Some(ran) = world().run(&steps) else {
            return;
        };
        if ran.out != format!("{attack} tried\nconnect:127.0.1.6 {DENIED}\n") {
            won.push(format!("{how}:\n{}{}", ran.out, ran.err));
        }
    }
    assert!(won.is_empty(), "{}", won.join("\n"));
}

#[test]
fn an_answer_is_read_from_its_first_byte_whatever_the_offset_of_peeks() {
    attacked(&["echo", "peek-offset", "peek-offset-of-stream"], || {
        World::new(r#""registry.example:8090""#)
    });
}

#[test]
fn a_stream_that_was_read_in_any_way_leases_nothing_that_was_not_answered() {
    attacked(&["peek", "duplicate", "splice", "child"], || {
        World::new(r#""registry.example:8090""#)
    });
}

#[test]
fn a_datagram_of_another_peer_is_not_the_resolvers() {
    let attacks = ["queued", "queued-mapped", "queued-before-change"];
    attacked(&attacks, || {
        World::new(r#""registry.example:8090", "udp://127.0.0.1:*""#)
    });
}

#[test]
fn no_race_for_a_socket_makes_an_answer_of_what_is_none() {
    let seconds = seconds();
    attacked(&[&format!("race={seconds}")], || {
        World::new(r#""registry.example:8090", "udp://127.0.0.1:*""#)
    });
}

/// Where an ordinary user may bind every port, as in many containers.
const EVERY_PORT: &str = "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start;";

#[test]
fn a_command_cannot_answer_in_the_place_of_a_resolver() {
    let net = format!(
        "connect = [\"registry.example:8090\", \"udp://127.0.0.1:*\", {RESOLVER}]\n\
         listen = [\"udp://127.0.0.1:*\", \"udp://127.0.0.99:53\"]"
    );
    attacked(&["other-source", "resolver"], || World {
        prepare: EVERY_PORT,
        ..World::with(&net)
    });
}

#[test]
fn changing_addresses_are_leased_over_tcp_too() {
    let world = World::new(r#""registry.example:8090""#);
    world.does(&[
        ("ask:tcp:127.0.0.53:registry.example", "127.0.1.1"),
        ("connect:127.0.1.1", "connected"),
        ("connect:127.0.1.3", DENIED),
    ]);
}

/// A world whose host asks a resolver that never answers.
fn silent() -> World {
    let mut world = World::new(r#""registry.example:8090", "127.0.1.200:8090""#);
    world.own = "127.0.0.98";
    world
}

#[test]
fn a_connect_that_waits_for_a_resolver_holds_up_no_other() {
    silent().does(&[
        ("beat:start", "started"),
        ("connect:127.0.1.9", DENIED),
        ("beat:stop", "steady"),
        // And the next does not wait again.
        ("connect:127.0.1.9", DENIED),
    ]);
}

#[test]
fn a_connect_that_waits_for_a_resolver_is_not_interrupted_by_a_signal() {
    silent().does(&[("signalled:127.0.1.9", DENIED)]);
}

#[test]
fn a_limit_of_time_holds_while_a_connect_waits_for_a_resolver() {
    let net = format!(
        "connect = [\"registry.example:8090\", {RESOLVER}]\n[limits]\nwall = \"1s\"\ngrace = \"100ms\""
    );
    let world = World {
        own: "127.0.0.98",
        ..World::with(&net)
    };
    if let Some(ran) = world.run(&[&names(), "do", "connect:127.0.1.9"]) {
        assert_eq!(ran.code(), Some(124), "{}{}", ran.out, ran.err);
        ran.complains("limits.wall");
    }
}

/// `jail learn` names the host that the command asked for, not the address that it was told.
#[test]
fn a_name_that_was_answered_is_learned_in_place_of_its_address() {
    let mut world = World::with("");
    let learned = world.dir.file("learned.toml");
    let names = names();
    let steps = [
        "ask:from:127.0.0.53:a.wild.example",
        "connect:127.0.1.4",
        "connect:127.0.1.9",
    ];
    let command = [[names.as_str(), "do"].as_slice(), &steps].concat();
    let words = ["learn", "-o", &learned, "--extends", &world.policy, "--"];
    let Some(ran) = world.jail(&words, &command) else {
        return;
    };
    let ran = ran
        .ends_with(0)
        .complains("all 3 accesses that it lacked pass now");
    assert_eq!(ran.out.matches("connected").count(), 2, "{}", ran.out);
    let text = std::fs::read_to_string(&learned).expect("a policy");
    for endpoint in [
        "\"a.wild.example:8090\"",
        "\"udp://127.0.0.53:53\"",
        "\"127.0.1.9:8090\"",
    ] {
        assert!(text.contains(endpoint), "{endpoint}\n{text}");
    }
    assert!(!text.contains("127.0.1.4"), "{text}");
    // What was learned opens the name: the address is open once it was answered, and not before.
    world.policy = learned;
    world.does(&[
        ("connect:127.0.1.4", DENIED),
        ("ask:from:127.0.0.53:a.wild.example", "127.0.1.4"),
        ("connect:127.0.1.4", "connected"),
        ("connect:127.0.1.9", "connected"),
    ]);
}
