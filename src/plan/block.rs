//! One system call's conditions as BPF: a block of instructions that always ends in a return.
//!
//! `compare` has the instructions of the tests; here is which of them are needed, and in what order.
//! It decides nothing that `judge` does not: it follows [`Chain`].

use seccompiler::sock_filter;

use super::bpf::{Return, jump};
use super::compare;
use crate::baseline::Answer;
use crate::condition::{Test, TooComplex};
use crate::judge::{Chain, Ruling};
use crate::policy::Action;

/// How the filter answers the calls of one system call.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// All alike.
    Plain(Return),
    /// By its registers.
    Conditional(Vec<sock_filter>),
}

/// A test of registers and where it leads.
struct Branch<'a> {
    when: When<'a>,
    to: To,
}

enum When<'a> {
    /// From a policy: lowered when it is compiled.
    Owned(Vec<Vec<Test>>),
    /// From the baseline: already lowered.
    Table(&'a [&'a [Test]]),
}

/// The target of a branch: an answer, or the baseline's check of the policy's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum To {
    Return(Return),
    /// The tail for calls that the policy allows.
    IfAllowed,
    /// The tail for calls that the policy does not name.
    IfDefault,
}

/// The baseline's part, after the policy's decision.
struct Tail<'a> {
    branches: Vec<Branch<'a>>,
    last: Return,
}

impl Block {
    /// Compiles a chain. `traced`: a silent denial goes to the supervisor too.
    pub fn new(chain: &Chain<'_>, traced: bool) -> Result<Block, TooComplex> {
        let answer = |ruling: &Ruling| match answer(ruling.action, ruling.quiet) {
            errno if traced && errno != Return::ALLOW => Return::TRACE,
            other => other,
        };
        // Most system calls have neither rules nor protections.
        if chain.rules.is_empty()
            && (chain.baseline.is_empty() || chain.otherwise.outranks_baseline())
        {
            return Ok(Block::Plain(answer(&chain.otherwise)));
        }
        let allowed = Tail::new(
            chain,
            &Ruling {
                action: Action::Allow,
                ..chain.otherwise
            },
            Return::ALLOW,
        );
        let default = Tail::new(chain, &chain.otherwise, answer(&chain.otherwise));
        let to = |ruling: &Ruling| {
            let (to, tail) = match ruling.action {
                _ if ruling.outranks_baseline() => return To::Return(answer(ruling)),
                Action::Allow => (To::IfAllowed, &allowed),
                _ => (To::IfDefault, &default),
            };
            if tail.branches.is_empty() {
                To::Return(tail.last)
            } else {
                to
            }
        };

        let mut branches = Vec::with_capacity(chain.rules.len());
        let mut last = to(&chain.otherwise);
        for step in chain.rules {
            // Rules about memory are for the supervisor.
            let to = |ruling: &Ruling| match step.object {
                Some(_) => To::Return(Return::TRACE),
                None => to(ruling),
            };
            match step.condition.alternatives() {
                // Too large for a filter, so from here on the supervisor decides.
                Err(_) => {
                    last = To::Return(Return::TRACE);
                    break;
                }
                Ok(any) if any.iter().any(Vec::is_empty) => {
                    last = to(&step.ruling);
                    break;
                }
                Ok(any) if any.is_empty() => {}
                Ok(any) => branches.push(Branch {
                    when: When::Owned(any),
                    to: to(&step.ruling),
                }),
            }
        }
        while branches.last().is_some_and(|branch| branch.to == last) {
            branches.pop();
        }
        if let (true, To::Return(answer)) = (branches.is_empty(), last) {
            return Ok(Block::Plain(answer));
        }
        assemble(&branches, last, &allowed, &default).map(Block::Conditional)
    }
}

impl<'a> Tail<'a> {
    fn new(chain: &Chain<'a>, ruling: &Ruling, last: Return) -> Tail<'a> {
        let mut tail = Tail {
            branches: Vec::new(),
            last,
        };
        for rule in chain.baseline.iter().filter(|rule| ruling.subject_to(rule)) {
            let to = match rule.answer {
                Answer::Quiet(errno) => Return::errno(errno),
                Answer::Deny(_) | Answer::Close(_) | Answer::Check(_) => Return::TRACE,
            };
            if rule.covers_each() {
                tail.last = to;
                break;
            }
            tail.branches.push(Branch {
                when: When::Table(rule.when.any),
                to: To::Return(to),
            });
        }
        while tail
            .branches
            .last()
            .is_some_and(|branch| branch.to == To::Return(tail.last))
        {
            tail.branches.pop();
        }
        tail
    }
}

/// The filter's action for a ruling: a call that is to be reported goes to the supervisor.
fn answer(action: Action, quiet: bool) -> Return {
    match (action, quiet) {
        (Action::Allow, _) => Return::ALLOW,
        (Action::Deny(errno), true) => Return::errno(errno),
        (Action::Deny(_), false) | (Action::Kill, _) => Return::TRACE,
    }
}

/// Policy branches first, then the tails that they or `last` lead to. `last`'s own tail comes first, so
/// that control can fall through into it.
fn assemble(
    branches: &[Branch<'_>],
    last: To,
    allowed: &Tail<'_>,
    default: &Tail<'_>,
) -> Result<Vec<sock_filter>, TooComplex> {
    let mut code = Vec::with_capacity(32);
    let mut pending = Vec::new();
    for branch in branches {
        emit(&mut code, branch, &mut pending)?;
    }
    let order = if last == To::IfDefault {
        [(To::IfDefault, default), (To::IfAllowed, allowed)]
    } else {
        [(To::IfAllowed, allowed), (To::IfDefault, default)]
    };
    if let To::Return(answer) = last {
        code.push(answer.instruction());
    }
    for (name, tail) in order {
        if last != name && !pending.iter().any(|(to, _)| *to == name) {
            continue;
        }
        for (_, at) in pending.iter().filter(|(to, _)| *to == name) {
            let distance = code.len() - at - 1;
            if let Some(placeholder) = code.get_mut(*at) {
                *placeholder = jump(distance as u32);
            }
        }
        for branch in &tail.branches {
            emit(&mut code, branch, &mut Vec::new())?;
        }
        code.push(tail.last.instruction());
    }
    Ok(code)
}

/// One branch: for each alternative its tests, then the one instruction taken if all hold.
fn emit(
    code: &mut Vec<sock_filter>,
    branch: &Branch<'_>,
    pending: &mut Vec<(To, usize)>,
) -> Result<(), TooComplex> {
    let mut one = |tests: &[Test]| {
        compare::all(code, tests)?;
        let taken = match branch.to {
            To::Return(answer) => answer.instruction(),
            to => {
                pending.push((to, code.len()));
                jump(0)
            }
        };
        code.push(taken);
        Ok(())
    };
    match &branch.when {
        When::Owned(any) => any.iter().try_for_each(|tests| one(tests)),
        When::Table(any) => any.iter().try_for_each(|tests| one(tests)),
    }
}
