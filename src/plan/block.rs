//! One system call's conditions as BPF: a block of instructions that always ends in a return.
//!
//! `compare` has the instructions of the tests; here is which of them are needed, and in what order.
//! It decides nothing that `judge` does not: it follows [`Chain`].

use seccompiler::sock_filter;

use super::bpf::{self, Return, jump};
use super::compare;
use crate::baseline::{Answer, Check, Rule};
use crate::condition::{Test, TooComplex};
use crate::judge::{Chain, Ruling};
use crate::policy::Action;
use crate::syscalls::Errno;

/// How the filter answers the calls of one system call.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// All alike.
    Plain(Return),
    /// By its registers.
    Conditional(Vec<sock_filter>),
}

/// What answers a call that is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The supervisor, which reports it.
    Supervisor,
    /// The supervisor, also if the denial is silent.
    SupervisorAlways,
    /// The filter: there is no supervisor. It returns no RET_TRACE: a tracer outside might answer that.
    Filter,
}

impl By {
    /// The answer to what registers do not decide.
    fn undecided(self) -> Return {
        match self {
            By::Supervisor | By::SupervisorAlways => Return::TRACE,
            By::Filter => Return::errno(Errno::EPERM),
        }
    }
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
    /// Compiles a chain.
    pub fn new(chain: &Chain<'_>, by: By) -> Result<Block, TooComplex> {
        let answer = |ruling: &Ruling| match answer(ruling.action, ruling.quiet, by) {
            errno if by == By::SupervisorAlways && errno != Return::ALLOW => Return::TRACE,
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
            by,
        );
        let default = Tail::new(chain, &chain.otherwise, answer(&chain.otherwise), by);
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
                Some(_) => To::Return(by.undecided()),
                None => to(ruling),
            };
            match step.condition.alternatives() {
                // Too large for a filter, so from here on the supervisor decides.
                Err(_) => {
                    last = To::Return(by.undecided());
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

impl Block {
    /// The block of execveat(2), which also allows to execute an open file by this descriptor.
    pub fn or_executes(self, descriptor: u32) -> Block {
        const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
        // Both are ints: the kernel reads the low half, which comes first.
        let argument = |place: u32| bpf::load(bpf::ARGS + 8 * place);
        let mut code = vec![
            argument(0),
            bpf::if_equal(descriptor, 0, 3),
            argument(4),
            bpf::if_equal(AT_EMPTY_PATH, 0, 1),
            Return::ALLOW.instruction(),
        ];
        match self {
            Block::Plain(answer) => code.push(answer.instruction()),
            Block::Conditional(rest) => code.extend(rest),
        }
        Block::Conditional(code)
    }
}

impl<'a> Tail<'a> {
    fn new(chain: &Chain<'a>, ruling: &Ruling, last: Return, by: By) -> Tail<'a> {
        let mut tail = Tail {
            branches: Vec::new(),
            last,
        };
        for rule in chain.baseline.iter().filter(|rule| ruling.subject_to(rule)) {
            let to = match (rule.answer, by) {
                (Answer::Quiet(errno), _) => Return::errno(errno),
                (Answer::Deny(errno) | Answer::Close(errno), By::Filter) => Return::errno(errno),
                (Answer::Check(check), By::Filter) => Return::errno(unchecked(rule, check)),
                (Answer::Deny(_) | Answer::Close(_) | Answer::Check(_), _) => Return::TRACE,
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
fn answer(action: Action, quiet: bool, by: By) -> Return {
    match (action, quiet, by) {
        (Action::Allow, _, _) => Return::ALLOW,
        (Action::Deny(errno), true, _) | (Action::Deny(errno), _, By::Filter) => {
            Return::errno(errno)
        }
        // Such a policy is not run without a supervisor.
        (Action::Kill, _, By::Filter) => Return::errno(Errno::EPERM),
        (Action::Deny(_), false, _) | (Action::Kill, _, _) => Return::TRACE,
    }
}

/// The errno of a call whose target only the supervisor could look up: that of a target outside. Programs
/// can do without openat2(2).
fn unchecked(rule: &Rule, check: Check) -> Errno {
    match check {
        Check::Paths if rule.syscalls == ["openat2"] => Errno::ENOSYS,
        Check::Task { .. } | Check::Who { .. } | Check::Signal | Check::Owner => Errno::EPERM,
        Check::Paths
        | Check::Peers
        | Check::Filling
        | Check::Look
        | Check::Socket
        | Check::OwnFilter => Errno::EACCES,
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
