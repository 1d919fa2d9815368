//! Whether what was seen passes under the policy that was learned from it. The judge decides, and nothing
//! is run.

use super::Ran;
use crate::baseline::Baseline;
use crate::judge::{Judge, Verdict};
use crate::launch;
use crate::learn::{Asked, Recording, Request};
use crate::policy::Action;

/// What a replay found.
pub struct Replayed {
    /// The number of requests.
    pub requests: usize,
    /// Those that the policy denies.
    pub denied: Vec<Request>,
    /// Why the policy cannot be used at all.
    pub broken: Option<String>,
}

/// Decides what was recorded under a policy with this text.
pub fn replay(ran: &Ran<'_>, text: &str, recording: &Recording, color: bool) -> Replayed {
    let mut replayed = Replayed {
        requests: recording.len(),
        denied: Vec::new(),
        broken: None,
    };
    let mut policy = match ran.base.load(text, color) {
        Ok(policy) => policy,
        Err(error) => {
            replayed.broken = Some(error);
            return replayed;
        }
    };
    if let Some(own) = &ran.policy.tmpdir {
        policy.settle_tmpdir(own);
    }
    let program = launch::program(&ran.command);
    let terminals = ran.command.terminals(&policy, [false; 3]);
    let baseline = Baseline::new(ran.host.landlock_abi);
    let judge = Judge::of_command(&policy, &baseline, program.as_deref(), &terminals);
    let passes = |request: &&Request| verdict(&judge, request).action == Action::Allow;
    let denied = recording.keys().filter(|request| !passes(request));
    replayed.denied = denied.cloned().collect();
    replayed
}

fn verdict(judge: &Judge, request: &Request) -> Verdict {
    request.ask(|asked| match asked {
        Asked::Path(access, path) => judge.path(access, path),
        Asked::Peer(reach) => judge.reach(&reach),
    })
}
