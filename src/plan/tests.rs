//! Who enforces what, and what the filter says of itself. What the program does is tested by
//! running it, in `tests/filter_*.rs`.

use super::*;
use crate::condition::{Comparison, Condition};
use crate::syscalls::parse_call;

fn policy(text: &str) -> Policy {
    Policy::parse(text, "net.toml").unwrap_or_else(|problems| panic!("{problems}"))
}

const OLD: Host = Host {
    landlock_abi: 0,
    kernel: (5, 4),
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
    assert_eq!((found.enforcer, found.reach.0), (Enforcer::Nobody, 0));
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
fn a_protection_that_the_policy_makes_needless_is_nobodys() {
    let found = protection("[syscalls]\nptrace = \"kill\"", &OLD, "no-ptrace");
    assert_eq!(found.enforcer, Enforcer::Nobody);
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
