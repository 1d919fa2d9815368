//! Which mechanism enforces what, and the statistics of the filter. `tests/filter` tests the program
//! by running it.

use super::*;
use crate::condition::{Comparison, Condition};
use crate::syscalls::parse_call;

fn policy(text: &str) -> Policy {
    Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

const OLD: Host = Host {
    landlock_abi: 0,
    kernel: (5, 4),
    memory: MemoryCgroup::None,
    namespaces: true,
    memory_files: true,
    proc_elsewhere: ProcElsewhere::NOWHERE,
};

fn route(text: &str, host: &Host, what: What) -> Route {
    let policy = policy(text);
    let routes = Plan::new(&policy, host).unwrap().routes(&policy);
    let found = routes.iter().find(|route| route.what == what);
    found.unwrap_or_else(|| panic!("no {what:?}")).clone()
}

fn entry(text: &str) -> Route {
    route(
        &format!("[syscalls]\n{text}"),
        &Host::newest(),
        What::Entry(0),
    )
}

fn protection(text: &str, host: &Host, id: &str) -> Route {
    let rule = Baseline::new(0).rules().find(|rule| rule.id == id).unwrap();
    route(text, host, What::Baseline(rule))
}

#[test]
fn what_a_number_decides_is_allowed_by_the_filter_at_no_cost() {
    let found = entry("mkdir = \"allow\"");
    assert_eq!(
        (found.enforcer, found.cost),
        (Enforcer::Filter, Cost::Nothing)
    );
}

#[test]
fn what_the_baseline_looks_into_costs_a_run_of_the_program() {
    let found = entry("clone = \"allow\"");
    assert_eq!(
        (found.enforcer, found.cost),
        (Enforcer::Filter, Cost::Program)
    );
}

#[test]
fn a_reported_denial_costs_a_stop_and_a_silent_one_does_not() {
    let found = entry("mkdir = \"deny\"");
    assert_eq!(
        (found.enforcer, found.cost),
        (Enforcer::FilterThenSupervisor, Cost::StopIfDenied)
    );
    let found = entry("mkdir = \"kill\"");
    assert_eq!(
        (found.enforcer, found.cost),
        (Enforcer::FilterThenSupervisor, Cost::StopIfDenied)
    );
    let found = entry("mkdir = \"ENOSYS\"");
    assert_eq!(
        (found.enforcer, found.cost),
        (Enforcer::Filter, Cost::Program)
    );
}

#[test]
fn a_silent_denial_of_exec_still_reaches_the_supervisor() {
    let found = entry("execve = { action = \"deny\", quiet = true }");
    assert_eq!(found.enforcer, Enforcer::FilterThenSupervisor);
}

#[test]
fn a_group_tells_how_much_of_it_is_left_to_it() {
    let text = "[syscalls]\n\"@chown\" = \"allow\"\nfchown = \"deny\"\nlchown = \"deny\"";
    let found = route(text, &Host::newest(), What::Entry(0));
    assert_eq!(found.reach.0 + 2, found.reach.1);
    let text = "[syscalls]\n\"@keyring\" = \"allow\"\nadd_key = \"deny\"\nkeyctl = \"deny\"\nrequest_key = \"deny\"";
    let found = route(text, &Host::newest(), What::Entry(0));
    assert_eq!((found.enforcer, found.reach.0), (Enforcer::NotNeeded, 0));
}

#[test]
fn what_the_baseline_closes_is_not_counted_as_allowed() {
    let closed = |s: &crate::syscalls::Syscall| crate::baseline::closed(s.name).is_some();
    let debug = crate::syscalls::group("@debug").unwrap();
    let closed = debug.set.iter().filter(|s| closed(s)).count();
    assert!(closed > 0);
    let found = entry("\"@debug\" = \"allow\"");
    assert_eq!(found.reach.0, found.reach.1 - closed);
}

#[test]
fn signals_are_landlocks_where_it_can_and_the_supervisors_where_not() {
    let text = "default = \"allow\"";
    assert_eq!(
        route(text, &Host::newest(), What::Signals).enforcer,
        Enforcer::Landlock
    );
    let domain = |host: &Host| Plan::new(&policy(text), host).unwrap().domain;
    assert_eq!(domain(&Host::newest()), Domain::Signals);
    let kill = protection(text, &OLD, "no-foreign-kill");
    assert_eq!(
        (kill.enforcer, kill.cost),
        (Enforcer::Supervisor, Cost::Stop)
    );
    assert_eq!(domain(&OLD), Domain::None);
    let middle = Host {
        landlock_abi: 5,
        ..OLD
    };
    assert_eq!(domain(&middle), Domain::Plain);
    assert_eq!(
        route(text, &middle, What::Memory).enforcer,
        Enforcer::Landlock
    );
    assert_eq!(route(text, &OLD, What::Memory).enforcer, Enforcer::Missing);
}

#[test]
fn a_protection_that_the_policy_makes_needless_has_no_enforcer() {
    let found = protection("[syscalls]\nptrace = \"kill\"", &OLD, "no-ptrace");
    assert_eq!(found.enforcer, Enforcer::NotNeeded);
    let found = protection("default = \"deny\"", &OLD, "no-ptrace");
    assert_eq!(found.enforcer, Enforcer::FilterThenSupervisor);
}

#[test]
fn every_entry_rule_and_protection_has_a_route() {
    for preset in crate::policy::presets() {
        let policy = Policy::preset(preset.name).unwrap();
        for host in [Host::newest(), OLD] {
            let plan = Plan::new(&policy, &host).unwrap();
            let routes = plan.routes(&policy);
            let has = |what| routes.iter().filter(|route| route.what == what).count() == 1;
            assert!((0..policy.syscalls.len()).all(|index| has(What::Entry(index))));
            assert!((0..policy.rules.len()).all(|index| has(What::Rule(index))));
            let mut rules = Baseline::new(host.landlock_abi).rules();
            assert!(rules.all(|rule| has(What::Baseline(rule))));
            assert!(has(What::Default) && has(What::Always) && has(What::Foreign));
        }
    }
}

#[test]
fn the_mechanism_of_a_call_follows_its_registers() {
    let policy = policy("default = \"allow\"");
    let by = |call: &str, host: &Host| {
        Plan::new(&policy, host)
            .unwrap()
            .enforcer(&parse_call(call).unwrap())
    };
    let newest = Host::newest();
    assert_eq!(
        by("mkdir(\"x\")", &newest),
        (Enforcer::Filter, Cost::Nothing)
    );
    assert_eq!(
        by("clone(CLONE_VM)", &newest),
        (Enforcer::Filter, Cost::Program)
    );
    assert_eq!(
        by("clone(CLONE_NEWUSER)", &newest),
        (Enforcer::FilterThenSupervisor, Cost::Stop)
    );
    assert_eq!(by("clone3()", &newest), (Enforcer::Filter, Cost::Program));
    assert_eq!(
        by("prlimit64(7)", &newest),
        (Enforcer::Supervisor, Cost::Stop)
    );
    assert_eq!(
        by("kill(7, SIGTERM)", &newest),
        (Enforcer::Landlock, Cost::Nothing)
    );
    assert_eq!(
        by("kill(7, SIGTERM)", &OLD),
        (Enforcer::Supervisor, Cost::Stop)
    );
}

#[test]
fn the_summary_counts_every_system_call_once() {
    let plan = Plan::new(&policy("default = \"allow\""), &Host::newest()).unwrap();
    let Summary {
        instructions,
        allowed,
        conditional,
        failing,
        stopped,
    } = plan.summary();
    let numbers = crate::syscalls::all()
        .iter()
        .filter(|s| s.number().is_some())
        .count();
    assert_eq!(allowed + conditional + failing + stopped, numbers);
    assert_eq!(instructions, plan.filter.len());
    assert!(failing >= 4 && stopped >= 7, "{failing} {stopped}");
}

#[test]
fn a_condition_too_large_for_the_filter_is_the_supervisors() {
    let text = "default = \"allow\"\n[[rule]]\nsyscall = \"lseek\"\nwhen = \"whence == 1\"\naction = \"deny\"";
    let mut policy = policy(text);
    let (syscall, one) = policy.rules[0].conditions[0].clone();
    let other = Condition::parse("(offset & 3) == 1", syscall).unwrap();
    let either = |bit: u64| {
        let Condition::Compare(compare) = &other else {
            panic!("not one comparison")
        };
        let with = |value: u64| {
            Condition::Compare(Comparison {
                mask: Some(3 << bit),
                value: value << bit,
                ..*compare
            })
        };
        Condition::Any(vec![with(1), with(2)])
    };
    let large = (0..10).map(|bit| either(2 * bit)).chain([one]).collect();
    policy.rules[0].conditions[0].1 = Condition::All(large);
    assert!(policy.rules[0].conditions[0].1.alternatives().is_err());

    let plan = Plan::new(&policy, &Host::newest()).unwrap();
    assert_eq!(plan.routes(&policy)[0].enforcer, Enforcer::Supervisor);
    let leaf = plan
        .leaves
        .iter()
        .find(|(nr, _)| Some(*nr) == syscall.number());
    assert_eq!(leaf.unwrap().1, Leaf::Plain(Return::TRACE));
}

#[test]
fn a_filter_that_is_too_long_names_what_takes_most_of_it() {
    // 60 rules of 16 masked 64-bit tests: about 100 instructions each.
    let mut text = String::new();
    for rule in 0..60 {
        let tests: Vec<String> = (0..16)
            .map(|bit| {
                format!(
                    "(offset & {:#x}) == {:#x}",
                    0x1_0000_0001_u64 << bit,
                    (rule + 1) % 2 * (1_u64 << bit)
                )
            })
            .collect();
        text += &format!(
            "[[rule]]\nsyscall = \"lseek\"\nwhen = \"whence == {rule} && {}\"\naction = \"deny\"\n",
            tests.join(" && ")
        );
    }
    let text = format!("default = \"allow\"\n{text}");
    let error = Plan::new(&policy(&text), &Host::newest()).unwrap_err();
    let PlanError::TooLong {
        instructions,
        ref costliest,
    } = error
    else {
        panic!("{error}")
    };
    assert!(instructions > 4096);
    assert_eq!(costliest[0].0, "lseek");
    let message = error.to_string();
    assert!(
        message.contains("4096") && message.contains("lseek (") && message.contains("fewer"),
        "{message}"
    );
}

mod net {
    use super::*;
    use crate::baseline::Watch;
    use crate::plan::Net;

    fn net_of(text: &str, host: &Host) -> Net {
        let policy =
            Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"));
        Net::new(&policy, host, PlanOptions::default())
    }

    fn net(text: &str) -> Net {
        net_of(text, &Host::newest())
    }

    #[test]
    fn a_policy_without_a_network_makes_no_internet_socket() {
        let plan = net("default = \"deny\"");
        assert!(plan.watch.has(Watch::NO_INTERNET.and(Watch::NO_DETOURS)));
        assert!(plan.watch.has(Watch::CONNECT) && plan.scoped);
        assert_eq!(plan.connect_ports, Some(vec![]));
        assert_eq!(net("default = \"allow\"").watch, Watch::NONE);
    }

    #[test]
    fn where_all_is_tcp_there_are_no_datagrams_and_no_send_is_looked_at() {
        let plan = net("[net]\nconnect = [\"10.0.0.0/8:443\"]");
        let closed = Watch::NO_DATAGRAMS
            .and(Watch::NO_UNIX_DATAGRAMS)
            .and(Watch::NO_OTHERS);
        assert!(plan.watch.has(closed) && !plan.watch.any(Watch::NO_INTERNET));
        assert!(plan.watch.has(Watch::CONNECT.and(Watch::FAST_OPEN)));
        assert!(!plan.watch.any(Watch::SEND_TO.and(Watch::SEND_MESSAGE)));
    }

    #[test]
    fn one_endpoint_of_udp_makes_sends_stops() {
        let plan = net("[net]\nconnect = [\"10.0.0.0/8:443\", \"udp://10.0.0.1:53\"]");
        assert!(plan.watch.has(Watch::SEND_TO.and(Watch::SEND_MESSAGE)));
        assert!(
            !plan
                .watch
                .any(Watch::NO_DATAGRAMS.and(Watch::NO_UNIX_DATAGRAMS))
        );
    }

    #[test]
    fn ports_alone_are_landlocks_where_it_knows_them() {
        let text = "[net]\nconnect = [\"*:443,80\", \"unix:*\"]\nlisten = [\"*:8000-8002\"]";
        let plan = net(text);
        assert_eq!(plan.connect_ports, Some(vec![80, 443]));
        assert_eq!(plan.bind_ports, Some(vec![0, 8000, 8001, 8002]));
        assert!(!plan.watch.any(Watch::CONNECT) && plan.silent);
        // The calls that it does not see.
        assert!(plan.watch.has(Watch::FAST_OPEN.and(Watch::LISTEN)));
        let policy = Policy::parse(text, "net.toml").unwrap();
        let options = PlanOptions {
            trace_denials: true,
            ..PlanOptions::default()
        };
        let traced = Net::new(&policy, &Host::newest(), options);
        assert!(traced.watch.has(Watch::CONNECT) && !traced.silent);
        let before = Host {
            landlock_abi: 3,
            ..Host::newest()
        };
        let plan = net_of(text, &before);
        assert!(plan.watch.has(Watch::CONNECT) && plan.connect_ports.is_none());
    }

    #[test]
    fn a_host_or_a_denial_takes_the_supervisor_and_leaves_the_floor() {
        for text in [
            "[net]\nconnect = [\"10.0.0.1:443\", \"unix:*\"]",
            "[net]\nconnect = [\"*:443\", \"unix:*\"]\ndeny = [\"10.0.0.0/8\"]",
            "[net]\nconnect = [\"registry.example:443\", \"unix:*\"]",
        ] {
            let plan = net(text);
            assert!(plan.watch.has(Watch::CONNECT), "{text}");
            assert_eq!(plan.connect_ports, Some(vec![443]), "{text}");
        }
    }

    #[test]
    fn names_are_kept_from_answers_that_are_none() {
        let open = "listen = [\"*\", \"udp://*\", \"unix:*\"]";
        let of = |connect: &str| net(&format!("[net]\nconnect = [{connect}]\n{open}"));
        let named = of("\"registry.example:443\"");
        // The resolvers' port cannot be bound, and no peek starts within a datagram.
        assert!(named.watch.has(Watch::NAMES.and(Watch::BIND)));
        assert!(named.names && named.observes);
        let other = of("\"10.0.0.1:443\"");
        assert!(!other.watch.any(Watch::NAMES.and(Watch::BIND)));
        assert!(!other.names && !other.observes);
        let alone = "[process]\nisolate = [\"net\"]\n[net]\nconnect = [\"registry.example:443\"]";
        assert!(net(alone).names && !net(alone).observes);
    }

    #[test]
    fn more_ports_than_rules_are_worth_have_no_floor() {
        let plan = net("[net]\nconnect = [\"*:1-65535\"]");
        assert!(plan.connect_ports.is_none() && plan.watch.has(Watch::CONNECT));
        let all = net(
            "[net]\nconnect = [\"*\", \"udp://*\", \"unix:*\"]\nlisten = [\"*\", \"udp://*\", \"unix:*\"]",
        );
        let looks = Watch::CONNECT.and(Watch::SEND_TO).and(Watch::BIND);
        assert!(
            !all.watch
                .any(looks.and(Watch::FAST_OPEN).and(Watch::LISTEN))
        );
    }

    #[test]
    fn a_denial_under_an_open_default_is_looked_for_and_nothing_else_is_closed() {
        let plan = net("default = \"allow\"\n[net]\ndeny = [{ to = \"tcp://10.0.0.0/8\" }]");
        assert!(
            plan.watch
                .has(Watch::CONNECT.and(Watch::FAST_OPEN).and(Watch::NO_DETOURS))
        );
        let closed = Watch::NO_INTERNET
            .and(Watch::NO_DATAGRAMS)
            .and(Watch::NO_OTHERS);
        assert!(!plan.watch.any(closed.and(Watch::SEND_TO).and(Watch::BIND)));
        assert!(plan.connect_ports.is_none() && !plan.scoped);
        // Without a scheme it covers all protocols.
        let plan = net("default = \"allow\"\n[net]\ndeny = [\"10.0.0.0/8\"]");
        assert!(plan.watch.has(Watch::SEND_MESSAGE.and(Watch::BIND)));
    }

    #[test]
    fn abstract_sockets_are_out_of_scope_unless_an_entry_names_one() {
        assert!(net("[net]\nconnect = [\"unix:/run/x\"]").scoped);
        assert!(!net("[net]\nconnect = [\"unix:@x\"]").scoped);
        assert!(!net("[net]\nconnect = [\"unix:*\"]").scoped);
        let before = Host {
            landlock_abi: 5,
            ..Host::newest()
        };
        assert!(!net_of("[net]\nconnect = [\"unix:/run/x\"]", &before).scoped);
    }

    #[test]
    fn what_fs_denies_is_denied_to_connects_too() {
        let text = "default = \"allow\"\n[fs]\ndeny = [\"/run/docker.sock\"]";
        assert!(net(text).watch.has(Watch::CONNECT));
    }
}

#[test]
fn memory_is_a_cgroups_where_one_can_be_made_that_the_command_cannot_change() {
    let keeper = |text: &str, memory, alone| {
        let host = Host {
            memory,
            ..Host::newest()
        };
        let options = PlanOptions {
            alone,
            ..PlanOptions::default()
        };
        let text = format!("{text}\n[limits]\nmemory = \"1MiB\"\n");
        let plan = Plan::with(&policy(&text), &host, options).unwrap();
        let keeper = plan.memory.expect("an enforcer");
        // Only the memory limit needs to know which tasks fill a file.
        let adds_up = matches!(keeper, Memory::Sampler(_));
        assert_eq!(plan.files.watch.has(Watch::FILL), adds_up);
        keeper
    };
    let is_sampler = |keeper| matches!(keeper, Memory::Sampler(_));
    use MemoryCgroup::{None, V1, V2, V2Alone};
    let closed = "[fs]\nread = [\"/\"]\nwrite = [\"/tmp\"]";
    assert_eq!(keeper(closed, V1, false), Memory::CgroupV1);
    assert_eq!(keeper(closed, V2, false), Memory::CgroupV2 { alone: false });
    let alone = Memory::CgroupV2 { alone: true };
    assert_eq!(keeper(closed, V2Alone, true), alone);
    assert!(is_sampler(keeper(closed, V2Alone, false)));
    assert!(is_sampler(keeper(closed, None, true)));
    for open in [
        "default = \"allow\"",
        "[fs]\nwrite = [\"/\"]",
        "[fs]\nwrite = [\"/sys/fs/cgroup\"]",
        "[fs]\nwrite = [\"/sys/fs/cgroup/memory/mine\"]",
        "[fs]\nwrite = [\"/sys/**/x\"]",
    ] {
        assert!(is_sampler(keeper(open, V2, false)), "{open}");
    }
    let denied = "default = \"allow\"\n[fs]\ndeny = [\"/sys\"]";
    assert_eq!(keeper(denied, V1, false), Memory::CgroupV1);
    // If the supervisor's check can be raced, and Landlock is not beneath it, the command could write
    // there.
    let host = Host { memory: V1, ..OLD };
    let limited = format!("{denied}\n[limits]\nmemory = \"1MiB\"");
    let racy = Plan::new(&policy(&limited), &host);
    assert!(is_sampler(racy.unwrap().memory.expect("an enforcer")));
    assert_eq!(
        Plan::new(&policy(closed), &OLD).unwrap().memory,
        Option::None
    );
}

#[test]
fn message_queues_are_closed_where_their_file_system_is_not_open() {
    let closed = |text: &str| {
        let plan = Plan::new(&policy(text), &Host::newest()).expect("a plan");
        plan.files.watch.has(crate::baseline::Watch::NO_QUEUES)
    };
    let deny = "default = \"deny\"\n";
    assert!(closed(deny));
    assert!(closed(&format!("{deny}[fs]\nread = [\"/\"]\n")));
    assert!(!closed(&format!("{deny}[fs]\nwrite = [\"/\"]\n")));
    // An existing directory, as where the file system is mounted.
    assert!(!closed(&format!("{deny}[fs]\nwrite = [\"/dev\"]\n")));
    let isolated = "[process]\nisolate = [\"ipc\"]\n";
    assert!(closed(&format!(
        "{deny}[fs]\nwrite = [\"/dev\"]\n{isolated}"
    )));
    assert!(!closed("default = \"allow\"\n[fs]\ndeny = [\"**/.env\"]\n"));
}

fn unsupervised(text: &str, host: &Host) -> (Policy, Plan) {
    let policy = policy(text);
    let options = PlanOptions {
        unsupervised: true,
        ..PlanOptions::default()
    };
    let plan = Plan::with(&policy, host, options).unwrap();
    (policy, plan)
}

/// A tracer outside would answer it by its own policy.
#[test]
fn a_filter_without_a_supervisor_never_asks_a_tracer() {
    const ACTION: u32 = 0xffff_0000;
    const RET_TRACE: u32 = 0x7ff0_0000;
    for preset in crate::policy::presets() {
        for host in [OLD, Host::newest()] {
            let text = format!("extends = [\"{}\"]", preset.name);
            let (_, plan) = unsupervised(&text, &host);
            let returns = plan.filter.iter().filter(|step| step.code == 0x06);
            let mut traces = returns.filter(|step| step.k & ACTION == RET_TRACE);
            assert!(traces.next().is_none(), "{}", preset.name);
        }
    }
}

#[test]
fn a_policy_of_subtrees_needs_no_supervisor() {
    let text = "extends = [\"base\"]\n[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/srv\"]\n";
    let (policy, plan) = unsupervised(text, &Host::newest());
    assert_eq!(plan.needs(&policy), []);
    // Landlock holds unix sockets outside of the jail, and no internet socket can be made.
    let denied = ["chmod, chown, utimes, setxattr", "bind"];
    assert_eq!(plan.unchecked(), denied);
    let older = Host {
        landlock_abi: 8,
        ..Host::newest()
    };
    let (policy, plan) = unsupervised(text, &older);
    assert_eq!(plan.needs(&policy), []);
    let denied = [
        "chmod, chown, utimes, setxattr",
        "connect",
        "bind",
        "sendmsg",
    ];
    assert_eq!(plan.unchecked(), denied);
    assert_eq!(plan.not_denied(), None);
    let few = text.replace("exec = [\"/\"]", "exec = [\"/usr\"]");
    let (_, plan) = unsupervised(&few, &Host::newest());
    let [.., descriptor, memfd] = plan.unchecked()[..] else {
        panic!("{:?}", plan.unchecked());
    };
    assert_eq!(descriptor, "execveat of a descriptor");
    assert_eq!(memfd, "memfd_create without MFD_NOEXEC_SEAL");
    assert!(plan.not_denied().is_some());
    let (policy, plan) = unsupervised(text, &OLD);
    assert!(plan.needs(&policy).contains(&Need::Signals));
}

#[test]
fn what_needs_a_supervisor_is_known() {
    let needs = |more: &str| {
        let text = format!("extends = [\"base\"]\n{more}");
        let (policy, plan) = unsupervised(&text, &Host::newest());
        plan.needs(&policy)
    };
    assert_eq!(needs(""), []);
    assert_eq!(needs("[syscalls]\nexecve = \"EACCES\"\n"), [Need::Start]);
    assert_eq!(needs("[limits]\nopen-files = 20\n"), []);
    let wall = Need::Row(What::Limit(LimitKind::Wall));
    assert_eq!(needs("[limits]\nwall = \"1s\"\n"), [wall]);
    let of = |more: &str| needs(more).len();
    assert_eq!(of("[fs]\nread = [\"/\"]\ndeny = [\"/srv/**/.env\"]\n"), 1);
    assert_eq!(of("[fs]\nread = [\"/srv/*.txt\"]\n"), 1);
    assert_eq!(of("[fs]\nread = [\"/\"]\nhide = [\"/srv\"]\n"), 1);
    assert_eq!(of("[net]\nconnect = [\"192.0.2.1:80\"]\n"), 1);
    assert_eq!(of("[net]\nconnect = [\"*:80\", \"unix:*\"]\n"), 0);
    assert_eq!(of("[process]\nisolate = [\"net\"]\n"), 1);
    assert_eq!(of("[syscalls]\nuname = \"kill\"\n"), 1);
}

/// A host with this kernel, without Landlock.
fn of_kernel(kernel: (u32, u32)) -> Host {
    Host { kernel, ..OLD }
}

#[test]
fn what_is_judged_is_guarded_from_linux_5_10_on() {
    let guarded = |text: &str, kernel| {
        let plan = Plan::new(&policy(text), &of_kernel(kernel)).unwrap();
        plan.files.watch.has(Watch::PINS)
    };
    let paths = "[fs]\nread = [\"/usr\"]\ndeny = [\"**/.env\"]";
    let peers = "default = \"allow\"\n[net]\ndeny = [\"10.0.0.0/8\"]";
    for text in [paths, peers] {
        assert!(guarded(text, (5, 10)) && !guarded(text, (5, 9)), "{text}");
    }
    // Nothing is judged by what is in memory.
    assert!(!guarded(
        "default = \"allow\"\n[syscalls]\nmkdir = \"deny\"",
        (5, 10)
    ));
}

#[test]
fn no_entry_of_a_preset_is_racy_from_linux_5_10_on() {
    let racy = |policy: &Policy, kernel, landlock_abi| {
        let host = Host {
            landlock_abi,
            ..of_kernel(kernel)
        };
        let plan = Plan::new(policy, &host).unwrap();
        let mut routes = plan.routes(policy).into_iter();
        routes.any(|route| route.enforcer == Enforcer::RacySupervisor)
    };
    let mut before = 0;
    for preset in crate::policy::presets() {
        let policy = Policy::preset(preset.name).unwrap();
        for abi in 0..=11 {
            assert!(!racy(&policy, (5, 10), abi), "{} {abi}", preset.name);
        }
        before += usize::from(racy(&policy, (5, 9), 0));
    }
    assert!(before > 0, "no preset needs the supervisor for paths");
}

#[test]
fn where_peers_are_judged_no_task_may_write_to_its_own_memory_by_a_file() {
    let writes = |text: &str| {
        let plan = Plan::new(&policy(text), &Host::newest()).unwrap();
        plan.files.watch.has(Watch::WRITE)
    };
    let peers = "[net]\ndeny = [\"10.0.0.0/8\"]";
    assert!(writes(&format!("default = \"allow\"\n{peers}")));
    assert!(writes(
        "[fs]\nread = [\"/\"]\nwrite = [\"/\"]\nexec = [\"/\"]\n[net]\nconnect = [\"udp://10.0.0.1:53\"]"
    ));
    assert!(!writes(
        "[fs]\nwrite = [\"/tmp\"]\n[net]\nconnect = [\"udp://10.0.0.1:53\"]"
    ));
}

/// A host with proc at this place.
fn told(place: &str) -> ProcElsewhere {
    ProcElsewhere(match place {
        "/" => |trees| meet(trees, Path::new("/")),
        "/tmp" => |trees| meet(trees, Path::new("/tmp")),
        "/tmp/root/proc" => |trees| meet(trees, Path::new("/tmp/root/proc")),
        "/srv/proc" => |trees| meet(trees, Path::new("/srv/proc")),
        _ => |trees| meet(trees, Path::new("/tmpfs")),
    })
}

#[test]
fn proc_that_is_mounted_where_the_policy_lets_write_is_seen() {
    let seen = |place: &str, rest: &str| {
        let host = Host {
            proc_elsewhere: told(place),
            ..Host::newest()
        };
        let text = format!("[fs]\nread = [\"/\"]\nexec = [\"/\"]\nwrite = [\"/tmp\"]\n{rest}");
        let plan = Plan::new(&policy(&text), &host).unwrap();
        plan.files.watch.has(Watch::WRITE)
    };
    for rest in ["", "[net]\nconnect = [\"udp://10.0.0.1:53\"]"] {
        for place in ["/", "/tmp", "/tmp/root/proc"] {
            assert!(seen(place, rest), "{place}");
        }
        assert!(!seen("/srv/proc", rest) && !seen("/tmpfs", rest));
    }
}

#[test]
fn only_a_plan_that_depends_on_the_mounts_asks_for_them() {
    use std::cell::Cell;
    thread_local!(static ASKED: Cell<u32> = const { Cell::new(0) });
    let host = Host {
        // True once, then false.
        proc_elsewhere: ProcElsewhere(|_| ASKED.replace(ASKED.get() + 1) == 0),
        ..Host::newest()
    };
    let asked = |text: &str| {
        ASKED.set(0);
        let plan = Plan::new(&policy(text), &host).unwrap();
        (plan, ASKED.get())
    };
    let write = "write = [\"/tmp\"]";
    for text in [
        "extends = \"permissive\"",
        "extends = \"workspace\"",
        "[fs]\nread = [\"/\"]",
        &format!("[fs]\n{write}\ndeny = [\"/tmp/x\"]"),
        "[fs]\nread = [\"/\"]\nwrite = [\"/\"]",
    ] {
        let (plan, times) = asked(text);
        assert!(times == 0 && plan.is_current(), "{text}");
    }
    for text in [
        &format!("[fs]\n{write}"),
        &format!("[fs]\n{write}\n[net]\nconnect = [\"udp://10.0.0.1:53\"]"),
    ] {
        let (plan, times) = asked(text);
        assert_eq!(times, 1, "{text}");
        assert!(plan.files.watch.has(Watch::WRITE), "{text}");
        // The answer has changed since.
        assert!(!plan.is_current(), "{text}");
    }
}

const DOMAIN: &str = "[domain.build]\non-exec = [\"/x/build\"]\nnet = { connect = [], listen = [] }\nfs = { deny = [\"/x/secret\"], write = [\"/x/target\"] }\nsyscalls = { sync = \"EROFS\" }\n";

/// Only execve stops more outside of a domain; what a domain restricts is for its own filter.
#[test]
fn a_domain_costs_an_execve_outside() {
    for main in [
        "default = \"allow\"\n",
        "extends = [\"base\", \"https\"]\n[fs]\nwrite = [\"/x\"]\n",
    ] {
        let (without, with) = (policy(main), policy(&format!("{main}{DOMAIN}")));
        for host in [Host::newest(), OLD] {
            let plan = |policy| Plan::new(policy, &host).expect("a plan");
            let (without, with) = (plan(&without), plan(&with));
            let differ = without.leaves.iter().zip(&with.leaves);
            let differ = differ.filter(|((_, one), (_, other))| match (one, other) {
                // The number of a block is no difference.
                (Leaf::Conditional(_), Leaf::Conditional(_)) => false,
                (one, other) => one != other,
            });
            let names = differ.filter_map(|((nr, _), _)| crate::syscalls::by_number(*nr));
            let names: Vec<&str> = names.map(|syscall| syscall.name).collect();
            assert!(
                names
                    .iter()
                    .all(|name| ["execve", "execveat"].contains(name)),
                "{names:?}"
            );
            assert_eq!(without.domains.is_none(), with.domains.is_some());
            assert!(without.entry.is_none() && without.within(DomainSet::one(0)).entry.is_none());
        }
    }
}

#[test]
fn a_task_in_a_domain_is_judged_by_both() {
    let with = policy(&format!(
        "default = \"allow\"\n[fs]\ndeny = [\"/x/main\"]\n{DOMAIN}"
    ));
    let plan = Plan::new(&with, &Host::newest()).expect("a plan");
    let inside = plan.within(DomainSet::one(0));
    let path = |plan: &Plan, access, path: &[u8]| plan.judge.path(access, path);
    for (access, at, outside, within) in [
        (Access::Read, &b"/x/secret"[..], true, false),
        (Access::Read, b"/x/main", false, false),
        (Access::Read, b"/x/other", true, true),
        (Access::Write, b"/x/other", true, false),
        (Access::Write, b"/x/target/a", true, true),
        (Access::Exec, b"/x/other", true, true),
    ] {
        let allowed = |verdict: crate::judge::Verdict| verdict.action == Action::Allow;
        assert_eq!(
            allowed(path(&plan, access, at)),
            outside,
            "{access} outside"
        );
        let verdict = path(inside, access, at);
        assert_eq!(allowed(verdict), within, "{access} {at:?} inside");
        let domain = (outside && !within).then_some(0);
        assert_eq!(verdict.domain, domain, "{access} {at:?}");
    }
    let call = |plan: &Plan, text| plan.judge.call(&parse_call(text).expect("a call"));
    assert_eq!(call(&plan, "sync()").action, Action::Allow);
    assert_eq!(
        call(inside, "sync()").action,
        Action::Deny(crate::syscalls::Errno::EROFS)
    );
    assert_eq!(
        call(&plan, "socket(AF_INET, SOCK_STREAM, 0)").action,
        Action::Allow
    );
    assert_ne!(
        call(inside, "socket(AF_INET, SOCK_STREAM, 0)").action,
        Action::Allow
    );
    // Its calls are handed over by its own filter, with the number of the set.
    let filter = plan
        .entry
        .as_ref()
        .expect("domains")
        .filter(0, DomainSet::one(0));
    assert!(filter.len() / 8 > 50 && filter.len().is_multiple_of(8));
    let told = filter.chunks_exact(8).filter(|one| {
        let data = one
            .get(4..6)
            .map(|data| u16::from_ne_bytes([data[0], data[1]]));
        data.map(u64::from).and_then(domains_of) == Some(DomainSet::one(0))
    });
    assert!(told.count() > 0);
}

#[test]
fn the_numbers_of_stops_tell_the_domains_and_no_others_do() {
    assert_eq!(domains_of(u64::from(TRACE_DATA)), Some(DomainSet::NONE));
    for bits in 1..=u8::MAX {
        let set = DomainSet::of_bits(bits);
        let data = Return::trace_in(set).instruction().k & 0xffff;
        assert_eq!(domains_of(u64::from(data)), Some(set));
    }
    for other in [0, 1, 0x6b00, 0x6a00, 0x6c01, 0x1_6b01, u64::MAX] {
        assert_eq!(domains_of(other), None, "{other:x}");
    }
}

#[test]
fn a_filter_is_taken_from_another_plan_only_if_it_is_the_same() {
    fn plan(policy: &Policy, like: Option<&Plan>) -> Plan {
        let options = PlanOptions {
            like,
            ..PlanOptions::default()
        };
        Plan::with(policy, &Host::newest(), options).expect("a plan")
    }
    let mut policies: Vec<Policy> = crate::policy::presets()
        .iter()
        .map(|preset| Policy::preset(preset.name).expect("a preset"))
        .collect();
    for text in [
        "extends = [\"base\"]\n[fs]\nread = [\"/srv\"]\n",
        "extends = [\"base\"]\n[fs]\nwrite = [\"/srv/a\"]\ndeny = [\"**/x\"]\n",
        "extends = [\"base\"]\n[limits]\nmemory = \"64MiB\"\n",
        "extends = [\"base\"]\n[[rule]]\nsyscall = \"kill\"\nwhen = \"sig == 9\"\naction = \"deny\"\n",
        "extends = [\"base\"]\n[[rule]]\nsyscall = \"kill\"\nwhen = \"sig == 8\"\naction = \"deny\"\n",
    ] {
        policies.push(Policy::parse(text, "a.toml").expect(text));
    }
    let mut taken = 0;
    for like in &policies {
        let like = plan(like, None);
        for policy in &policies {
            let (alone, beside) = (plan(policy, None), plan(policy, Some(&like)));
            assert_eq!(alone.filter, beside.filter, "{}", policy.name());
            assert_eq!(alone.leaves, beside.leaves, "{}", policy.name());
            taken += usize::from(like.judge.compiles_as(&alone.judge));
        }
    }
    assert!(
        taken > policies.len() && taken < policies.len() * policies.len() / 2,
        "{taken}"
    );
}
