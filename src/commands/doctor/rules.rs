//! Which mechanism enforces each kind of rule on a host, and at what cost: what the plans of small
//! policies say. This asks the host nothing.

use super::findings::Supervision;
use crate::plan::{Cost, Enforcer, Host, Need, Plan, PlanOptions, What};
use crate::policy::{LimitKind, List, Policy};
use crate::syscalls::parse_call;
use serde::Serialize;
use std::cell::RefCell;

/// A kind of rule, and what enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// The kind.
    pub rules: &'static str,
    /// The mechanism.
    pub enforcer: &'static str,
    /// Why this one.
    pub because: String,
    /// What it costs a program.
    pub cost: &'static str,
}

/// A kind of rule.
struct Sample {
    rules: &'static str,
    /// A policy that has one.
    policy: &'static str,
    subject: Subject,
}

/// The part of the plan that a sample is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The policy's own entry of a list of `[fs]`.
    Path(List),
    /// Its own entry of `[net]`.
    Peer,
    Memory,
    Signals,
    /// The memory of processes outside.
    Outside,
}

/// None of these paths and addresses is used: the policies are planned and not run. `base` opens /usr, so
/// it exists.
#[rustfmt::skip]
const SAMPLES: &[Sample] = &[
    Sample { rules: "[fs] read, exec",     policy: TREES,   subject: Subject::Path(List::Read) },
    Sample { rules: "[fs] write",          policy: TREES,   subject: Subject::Path(List::Write) },
    Sample { rules: "[fs] deny, patterns", policy: DENIES,  subject: Subject::Path(List::Deny) },
    Sample { rules: "[net] TCP ports",     policy: PORTS,   subject: Subject::Peer },
    Sample { rules: "[net] UDP ports",     policy: UDP,     subject: Subject::Peer },
    Sample { rules: "[net] addresses",     policy: PEERS,   subject: Subject::Peer },
    Sample { rules: "[limits] memory",     policy: MEMORY,  subject: Subject::Memory },
    Sample { rules: "signals to outside",  policy: NOTHING, subject: Subject::Signals },
    Sample { rules: "/proc of outsiders",  policy: NOTHING, subject: Subject::Outside },
];

const NOTHING: &str = "";
const TREES: &str = "[fs]\nread = [\"/usr\"]\nwrite = [\"/usr\"]\n";
const DENIES: &str = "[fs]\nread = [\"/usr\"]\ndeny = [\"/usr/**/.env\"]\n";
const PORTS: &str = "[net]\nconnect = [\"*:443\", \"unix:*\"]\n";
const UDP: &str = "[net]\nconnect = [\"udp://*:443\", \"unix:*\"]\n";
const PEERS: &str = "[net]\nconnect = [\"192.0.2.1:443\"]\n";
const MEMORY: &str = "[limits]\nmemory = \"1GiB\"\n";

/// The samples with their policies, read once, and the rows of the hosts that were planned for.
pub struct Samples {
    policies: Vec<(&'static Sample, Policy)>,
    planned: RefCell<Vec<Planned>>,
}

/// A host, what a supervisor can do there, and its rows.
type Planned = (Host, Supervision, Vec<Row>);

impl Samples {
    /// Reads the policies.
    pub fn new() -> Samples {
        let read = |sample: &'static Sample| {
            let text = format!("extends = [\"base\"]\n{}", sample.policy);
            // A test holds that each can be read.
            let policy = Policy::parse(&text, "jail doctor").ok()?;
            Some((sample, policy))
        };
        Samples {
            policies: SAMPLES.iter().filter_map(read).collect(),
            planned: RefCell::default(),
        }
    }

    /// One row for each sample.
    pub fn rows(&self, host: &Host, supervision: Supervision) -> Vec<Row> {
        let mut planned = self.planned.borrow_mut();
        let is = |known: &&Planned| (known.0, known.1) == (*host, supervision);
        if let Some((_, _, rows)) = planned.iter().find(is) {
            return rows.clone();
        }
        let samples = self.policies.iter();
        let rows = samples.filter_map(|(sample, policy)| row(sample, policy, host, supervision));
        let rows: Vec<Row> = rows.collect();
        planned.push((*host, supervision, rows.clone()));
        rows
    }
}

fn row(sample: &Sample, policy: &Policy, host: &Host, supervision: Supervision) -> Option<Row> {
    let options = PlanOptions {
        alone: true,
        unsupervised: supervision == Supervision::None,
        ..PlanOptions::default()
    };
    let plan = Plan::with(policy, host, options).ok()?;
    let row = |enforcer: Enforcer, because: String, cost: Cost| Row {
        rules: sample.rules,
        enforcer: enforcer.text(),
        because,
        cost: match (enforcer, supervision) {
            (Enforcer::Missing, _) => "-",
            (_, Supervision::None) => without_stops(cost),
            _ => cost.text(),
        },
    };
    if plan.net.takes_sockets && supervision == Supervision::WithoutSockets {
        let because = "pidfd_getfd(2) is missing, so nothing is run".to_owned();
        return Some(row(Enforcer::Missing, because, Cost::Nothing));
    }
    let what = match sample.subject {
        Subject::Path(list) => {
            let mut paths = policy.paths.iter();
            let own = paths.position(|entry| entry.list == list && entry.origin.source == 0)?;
            What::Path(own)
        }
        Subject::Peer => {
            let mut peers = policy.peers.iter();
            What::Peer(peers.position(|entry| entry.origin.source == 0)?)
        }
        Subject::Memory => What::Limit(LimitKind::Memory),
        Subject::Outside => What::Memory,
        Subject::Signals => {
            let (enforcer, cost) = plan.enforcer(&parse_call("kill(1, SIGTERM)").ok()?);
            let because = match enforcer {
                Enforcer::Landlock => "its domains scope signals",
                _ => "the supervisor looks up the target",
            };
            return Some(row(enforcer, because.to_owned(), cost));
        }
    };
    if options.unsupervised && plan.needs(policy).contains(&Need::Row(what)) {
        let because = "it needs a supervisor, so nothing is run".to_owned();
        return Some(row(Enforcer::Missing, because, Cost::Nothing));
    }
    let mut routes = plan.routes(policy).into_iter();
    let route = routes.find(|route| route.what == what)?;
    Some(row(route.enforcer, route.because.into_owned(), route.cost))
}

/// The cost where no supervisor can answer a stop.
fn without_stops(cost: Cost) -> &'static str {
    match cost {
        Cost::Nothing | Cost::Program | Cost::StopIfDenied => "none",
        Cost::StopIfMetadata => "chmod, chown, utimes are denied",
        _ => "these calls are denied",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::MemoryCgroup;
    use crate::plan::ProcElsewhere;

    #[test]
    fn every_sample_has_a_row_on_every_host() {
        let samples = Samples::new();
        for landlock_abi in [0, 1, 2, 3, 4, 6, 9, 10, u32::MAX] {
            for kernel in [(5, 9), (5, 10), (6, 11)] {
                let host = Host {
                    landlock_abi,
                    kernel,
                    memory: MemoryCgroup::None,
                    namespaces: true,
                    memory_files: true,
                    proc_elsewhere: ProcElsewhere::NOWHERE,
                };
                for supervision in [
                    Supervision::Whole,
                    Supervision::WithoutSockets,
                    Supervision::None,
                ] {
                    let rows = samples.rows(&host, supervision);
                    assert_eq!(rows.len(), SAMPLES.len(), "{host:?} {supervision:?}");
                }
            }
        }
    }
}
