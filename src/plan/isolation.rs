//! `isolate` of `[process]`: what each word does. The kernel enforces namespaces; nothing is planned.

use super::route::{Cost, Enforcer, Route, What};
use crate::policy::{Isolation, Policy};

/// One row per word.
pub(super) fn routes(policy: &Policy) -> Vec<Route> {
    let route = |word: Isolation| {
        let because = match word {
            Isolation::User => "no user and group but the command's own",
            Isolation::Pid => "no process outside has an id",
            Isolation::Net => "no interface but a loopback of its own",
            Isolation::Ipc => "System V IPC and message queues of its own",
            Isolation::Uts => "a hostname of its own",
            Isolation::Mount => "a /tmp and /dev/shm of its own",
            Isolation::ReadOnly => "nothing can be changed but [fs] write, /tmp, /dev/shm",
        };
        Route {
            what: What::Isolation(word),
            enforcer: Enforcer::Namespace,
            because: because.into(),
            cost: Cost::Nothing,
            abi: None,
            reach: (0, 0),
        }
    };
    let words = policy.process.isolate.iter();
    words.map(|said| route(said.value)).collect()
}
