//! Whether what was seen passes under the policy that was learned from it. The judge decides, and nothing
//! is run.

use super::Ran;
use super::record::Recorded;
use crate::judge::Judge;
use crate::launch;
use crate::learn::{Recording, Request};
use crate::plan::{Host, Plan, PlanOptions};
use crate::policy::Action;

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
        let program = launch::program(&ran.command);
        let terminals = ran.command.terminals(&policy, [false; 3]);
        let options = PlanOptions {
            command: program.as_deref(),
            terminals: &terminals,
            ..PlanOptions::default()
        };
        let plan = Plan::with(&policy, &Host::newest(), options);
        let plan = plan.map_err(|error| error.to_string())?;
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

fn denied(judge: &Judge, requests: &Recording) -> Vec<Request> {
    let denied = |request: &&Request| request.judged(judge).action != Action::Allow;
    requests.keys().filter(denied).cloned().collect()
}
