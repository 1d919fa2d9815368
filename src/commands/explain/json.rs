//! The plan, or the answers to requests, as one JSON document.

use serde::Serialize;

use super::On;
use super::answer::Answer;
use super::subject::Subject;
use crate::judge::Reason;
use crate::plan::{BY_DOMAIN, Plan, Route, What, domain_routes};
use crate::policy::{Action, DomainSet, OnExec, Origin, Policy};
use crate::report;

/// The version of the document's format.
const VERSION: u32 = 1;

/// The fields, their order and their meaning are those of `docs/explain.md`: later versions add fields and
/// never rename one.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    jail: &'static str,
    policy: &'a str,
    host: Host<'a>,
    filter: Filter,
    domains: Option<Vec<Domain<'a>>>,
    entries: Option<Vec<Entry>>,
    lifted: Option<Vec<Lifted<'a>>>,
    left_out: Option<Vec<LeftOut<'a>>>,
    answers: Vec<Explained<'a>>,
}

#[derive(Serialize)]
struct Host<'a> {
    other: Option<&'a str>,
    kernel: String,
    landlock_abi: u32,
}

/// A domain, and the programs that enter it.
#[derive(Serialize)]
struct Domain<'a> {
    domain: &'a str,
    file: &'a str,
    line: u32,
    on_exec: Vec<String>,
    closed: Vec<&'static str>,
}

/// How many system calls the filter answers in each way.
#[derive(Serialize)]
struct Filter {
    instructions: usize,
    allowed: usize,
    conditional: usize,
    failing: usize,
    stopped: usize,
}

#[derive(Serialize)]
struct Entry {
    domain: Option<String>,
    section: &'static str,
    list: Option<String>,
    text: String,
    file: Option<String>,
    line: Option<u32>,
    name: Option<String>,
    action: String,
    enforcer: &'static str,
    landlock_abi: Option<u32>,
    because: String,
    cost: &'static str,
    decides: Option<usize>,
    names: Option<usize>,
}

#[derive(Serialize)]
struct Lifted<'a> {
    list: &'a str,
    text: &'a str,
    file: &'a str,
    line: u32,
    lift: &'a str,
    by_file: &'a str,
    by_line: u32,
    why: &'a str,
}

#[derive(Serialize)]
struct LeftOut<'a> {
    list: String,
    text: &'a str,
    file: &'a str,
    line: u32,
}

#[derive(Serialize)]
struct Explained<'a> {
    request: &'a str,
    within: Vec<&'a str>,
    domain: Option<&'a str>,
    verdict: &'static str,
    errno: Option<&'static str>,
    reported: bool,
    decided_by: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
    source: Option<&'a str>,
    provided: &'a [String],
    notes: &'a [String],
    enforcer: &'static str,
    because: Option<&'a str>,
    landlock_abi: Option<u32>,
    cost: &'static str,
    lifted: &'a [String],
    at_call: Option<&'a str>,
    not_by: Vec<NotBy<'a>>,
    also: Vec<Also<'a>>,
    remedy: Option<&'a str>,
}

/// A call that is denied, although another one makes the access possible.
#[derive(Serialize)]
struct NotBy<'a> {
    call: &'a str,
    reason: &'a str,
}

/// An entry that matches and did not decide.
#[derive(Serialize)]
struct Also<'a> {
    text: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
    because: &'static str,
}

/// `whole`: whether the plan is part of it.
pub fn document(policy: &Policy, on: &On, plan: &Plan, answers: &[Answer], whole: bool) -> Vec<u8> {
    let (major, minor) = on.host.kernel;
    let summary = plan.summary();
    let routes = plan.routes(policy);
    report::line(&Document {
        version: VERSION,
        jail: env!("CARGO_PKG_VERSION"),
        policy: policy.sources.first().map_or("", |source| &source.name),
        host: Host {
            other: on.name.as_deref(),
            kernel: format!("{major}.{minor}"),
            landlock_abi: on.host.landlock_abi,
        },
        filter: Filter {
            instructions: summary.instructions,
            allowed: summary.allowed,
            conditional: summary.conditional,
            failing: summary.failing,
            stopped: summary.stopped,
        },
        domains: whole.then(|| domains(policy)),
        entries: whole.then(|| {
            let main = routes.iter().filter_map(|route| entry(policy, None, route));
            let inner = policy.domains.iter().flat_map(|domain| {
                let routes = domain_routes(domain).into_iter();
                routes.filter_map(|route| entry(&domain.policy, Some(&domain.name), &route))
            });
            main.chain(inner).collect()
        }),
        lifted: whole.then(|| lifted(policy)),
        left_out: whole.then(|| {
            let entries = policy.left_out.iter().map(|entry| LeftOut {
                list: entry.key(),
                text: &entry.text,
                file: file(policy, entry.origin),
                line: entry.origin.line,
            });
            entries.collect()
        }),
        answers: answers
            .iter()
            .map(|it| explained(policy, &routes, it))
            .collect(),
    })
}

fn file(policy: &Policy, origin: Origin) -> &str {
    let source = policy.sources.get(usize::from(origin.source));
    source.map_or("", |source| &source.name)
}

fn domains(policy: &Policy) -> Vec<Domain<'_>> {
    let domains = policy.domains.iter().map(|domain| Domain {
        domain: &domain.name,
        file: file(policy, domain.origin),
        line: domain.origin.line,
        on_exec: domain.programs.iter().map(OnExec::to_string).collect(),
        closed: domain.closed(),
    });
    domains.collect()
}

fn entry(policy: &Policy, domain: Option<&str>, route: &Route) -> Option<Entry> {
    let subject = Subject::of(policy, route.what)?;
    let counted = route.reach.1 > 0;
    Some(Entry {
        domain: domain.map(str::to_owned),
        section: subject.section.name(),
        list: Some(subject.key).filter(|key| !key.is_empty()),
        text: subject.text,
        file: subject.origin.map(|origin| file(policy, origin).to_owned()),
        line: subject.origin.map(|origin| origin.line),
        name: Some(subject.place).filter(|place| subject.origin.is_none() && !place.is_empty()),
        action: subject.does.text(),
        enforcer: route.enforcer.text(),
        landlock_abi: route.abi.filter(|_| route.enforcer.uses_landlock()),
        because: route.because.clone().into_owned(),
        cost: route.cost.text(),
        decides: counted.then_some(route.reach.0),
        names: counted.then_some(route.reach.1),
    })
}

fn lifted(policy: &Policy) -> Vec<Lifted<'_>> {
    let lifts = policy.lifts.iter().flat_map(|lift| {
        lift.lifted.iter().map(move |entry| Lifted {
            list: &entry.key,
            text: &entry.text,
            file: file(policy, entry.origin),
            line: entry.origin.line,
            lift: &lift.text,
            by_file: file(policy, lift.origin),
            by_line: lift.origin.line,
            why: &lift.why,
        })
    });
    lifts.collect()
}

/// Why the deciding entry has this mechanism, and no cheaper one; `None`: another one than the entry's own.
fn because<'a>(routes: &'a [Route], answer: &Answer) -> Option<&'a str> {
    if answer.verdict.domain.is_some() {
        return Some(BY_DOMAIN);
    }
    let what = match answer.verdict.reason {
        Reason::Rule(index) => What::Rule(index),
        Reason::Entry(index) => What::Entry(index),
        Reason::Path(index) => What::Path(index),
        Reason::Peer(index) => What::Peer(index),
        Reason::Baseline(rule) => What::Baseline(rule),
        _ => return None,
    };
    let mut own = routes.iter().filter(|route| route.what == what);
    let route = own.find(|route| route.enforcer == answer.enforcer)?;
    Some(&route.because)
}

fn explained<'a>(policy: &'a Policy, routes: &'a [Route], answer: &'a Answer) -> Explained<'a> {
    let (verdict, errno) = match answer.verdict.action {
        Action::Allow => ("allow", None),
        Action::Deny(errno) => ("deny", Some(errno.name())),
        Action::Kill => ("kill", None),
    };
    let not_by = answer
        .not_by
        .iter()
        .map(|(call, reason)| NotBy { call, reason });
    let also = answer.also.iter().map(|lost| Also {
        text: &lost.text,
        file: lost.origin.map(|origin| file(policy, origin)),
        line: lost.origin.map(|origin| origin.line),
        because: lost.because,
    });
    let decided = answer
        .verdict
        .domain
        .map_or(DomainSet::NONE, DomainSet::one);
    Explained {
        request: &answer.request,
        within: policy.domain_names(answer.within),
        domain: (policy.domain_names(decided).first()).copied(),
        verdict,
        errno,
        reported: answer.verdict.action != Action::Allow && !answer.verdict.quiet,
        decided_by: &answer.decided_by,
        file: answer.origin.map(|origin| file(policy, origin)),
        line: answer.origin.map(|origin| origin.line),
        source: answer.origin.map(|origin| policy.line(origin)),
        provided: &answer.provided,
        notes: &answer.notes,
        enforcer: answer.enforcer.text(),
        because: because(routes, answer),
        landlock_abi: answer
            .landlock_abi
            .filter(|_| answer.enforcer.uses_landlock()),
        cost: answer.cost.text(),
        lifted: &answer.lifted,
        at_call: answer.at_call.as_deref(),
        not_by: not_by.collect(),
        also: also.collect(),
        remedy: answer.remedy.as_deref(),
    }
}
