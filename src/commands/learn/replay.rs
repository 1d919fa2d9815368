//! Whether what was seen passes under the policy that was learned from it. The judge decides, and nothing
//! is run.

use super::record::Recorded;
use super::sockets::Socket;
use super::{Ran, file};
use crate::judge::Judge;
use crate::launch;
use crate::learn::{Entry, Evidence, Recording, Request};
use crate::plan::{Host, Plan, PlanOptions};
use crate::policy::{Action, Policy};

/// What a replay found.
pub struct Replayed {
    /// The number of requests.
    pub requests: usize,
    /// Those that the policy denies.
    pub denied: Vec<Request>,
    /// Those that only a domain denies, with its name.
    pub in_domains: Vec<(String, Request)>,
    /// Why the policy cannot be used at all.
    pub broken: Option<String>,
}

/// Decides what was recorded under a policy with this text.
pub fn replay(ran: &Ran<'_>, text: &str, recorded: &Recorded, color: bool) -> Replayed {
    let mut replayed = Replayed {
        requests: recorded.lacking(),
        denied: Vec::new(),
        in_domains: Vec::new(),
        broken: None,
    };
    let result = ran.settled(text, color).and_then(|policy| {
        let plan = planned(ran, &policy)?;
        replayed.denied = denied(&plan.judge, &recorded.requests);
        for (name, requests) in recorded.lacking_in_domains() {
            let judge = &plan.within_named(&policy, Some(name)).judge;
            let denied = denied(judge, requests).into_iter();
            let denied = denied.filter(|request| !replayed.denied.contains(request));
            let denied: Vec<_> = denied.map(|request| (name.to_owned(), request)).collect();
            replayed.in_domains.extend(denied);
        }
        Ok(())
    });
    replayed.broken = result.err();
    replayed
}

/// The plan of a run of the command under a policy.
fn planned(ran: &Ran<'_>, policy: &Policy) -> Result<Plan, String> {
    let program = launch::program(&ran.command);
    let terminals = ran.command.terminals(policy, [false; 3]);
    let options = PlanOptions {
        command: program.as_deref(),
        terminals: &terminals,
        ..PlanOptions::default()
    };
    Plan::with(policy, &Host::newest(), options).map_err(|error| error.to_string())
}

/// The kinds of sockets that were created and that a policy has no entry for: `text` with these entries. A text that
/// is no policy closes none: its replay says what is wrong with it.
pub fn closed_sockets<'r>(
    ran: &Ran<'_>,
    (text, entries): (&str, &[Entry]),
    recorded: &'r Recorded,
) -> Vec<(Socket, &'r Evidence)> {
    if recorded.sockets.is_empty() {
        return Vec::new();
    }
    let plan = file::parsed(text).and_then(|mut document| {
        file::add(document.as_item_mut(), entries)?;
        let policy = ran.settled(&document.to_string(), false)?;
        planned(ran, &policy)
    });
    let Ok(plan) = plan else {
        return Vec::new();
    };
    let sockets = recorded.sockets.iter();
    let closed = sockets.filter(|(socket, _)| socket.is_closed(&plan.judge));
    closed
        .map(|(socket, evidence)| (*socket, evidence))
        .collect()
}

fn denied(judge: &Judge, requests: &Recording) -> Vec<Request> {
    let denied = |request: &&Request| request.judged(judge).action != Action::Allow;
    requests.keys().filter(denied).cloned().collect()
}
