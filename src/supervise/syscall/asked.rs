//! Open questions, and what was answered: which task waits for which answer, and what it may do once.
//!
//! A task that asks does not stay in its stop: it sleeps in a call that takes the place of its own, and then makes
//! its own call again, as it does for a look-up of a name. So signals, stops and SIGKILL reach it as ever, and
//! the call that an answer allows is judged and carried out like any other: from its first word.

use crate::judge::{Judge, Verdict};
use crate::net::Reach;
use crate::paths::Access;
use crate::policy::Action;
use crate::supervise::ask::{Answer, Reply};
use crate::supervise::object::{Object, PeerObject, path_key};
use crate::supervise::tracee::Task;
use crate::trace::Tid;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

/// Questions that are open at one time. The tasks of further ones wait until one is answered.
pub const MOST_OPEN: usize = 64;
/// Answers that last. A further one holds once.
const MOST_LASTING: usize = 4096;
/// Answers that a task has not used yet. A further one replaces the oldest.
const MOST_TOLD: usize = 16;
/// How long a task sleeps until it looks for its answer.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);

/// A request: what was asked of which path or peer, and by which programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Without the programs: what an answer that lasts is about.
    key: Vec<u8>,
    /// The programs, the first one first.
    programs: String,
}

impl Request {
    /// `own`: a path as policies have it.
    pub fn new(task: &Task, object: &Object, own: &[u8]) -> Self {
        let key = object.key(own);
        let programs = task.program().ancestry().join(" > ");
        Self { key, programs }
    }
}

/// Of a task that waits.
pub enum Waits {
    /// Its question is open; it is to look again after this pause.
    Open(Duration),
    /// Its question has this number, and must be put.
    New(u64),
}

/// What was answered to a task, until its call uses it.
struct Told {
    request: Request,
    answer: Answer,
    /// What the call needed of it, once it has been judged again.
    used: Option<(Verdict, Object)>,
}

struct Open {
    request: Request,
    since: Instant,
    tasks: Vec<Tid>,
}

/// An answer for the rest of the run.
struct Lasting {
    key: Vec<u8>,
    scope: Option<Box<Judge>>,
    answer: Answer,
}

impl Lasting {
    fn covers(&self, key: &[u8], object: &Object, own: &[u8]) -> bool {
        match object {
            Object::Path(path) => self.covers_path(key, path.access, own),
            Object::Peer(peer) => {
                let opens = |scope: &Judge| {
                    let verdict = reached(scope, peer);
                    verdict.is_some_and(|verdict| verdict.action == Action::Allow)
                };
                self.key == key || self.scope.as_deref().is_some_and(opens)
            }
        }
    }

    fn covers_path(&self, key: &[u8], access: Access, own: &[u8]) -> bool {
        let opens = |scope: &Judge| scope.path(access, own).action == Action::Allow;
        self.key == key || self.scope.as_deref().is_some_and(opens)
    }
}

/// What an entry says of a peer; `None`: no entry can name it.
fn reached(scope: &Judge, peer: &PeerObject) -> Option<Verdict> {
    let names: Vec<&str> = peer.names.iter().map(String::as_str).collect();
    let to = peer.who.as_deref()?.to(&names);
    Some(scope.reach(&Reach { way: peer.way, to }))
}

/// The questions of a jail.
#[derive(Default)]
pub struct Asked {
    open: BTreeMap<u64, Open>,
    last: u64,
    told: HashMap<Tid, Vec<Told>>,
    lasting: Vec<Lasting>,
    /// Tasks whose execve goes on by answers: what is loaded is judged by them, too.
    executing: HashSet<Tid>,
}

impl Asked {
    /// What was answered to this request of a task.
    pub fn said(&self, tid: Tid, request: &Request, object: &Object, own: &[u8]) -> Option<Answer> {
        let told = self.told.get(&tid).into_iter().flatten();
        let mut told = told.filter(|told| told.request == *request);
        told.next().map(|told| told.answer).or_else(|| {
            let mut lasting = self.lasting.iter();
            let covers = |it: &&Lasting| it.covers(&request.key, object, own);
            lasting.find(covers).map(|it| it.answer)
        })
    }

    /// Whether a program that has been loaded was let through when the execve of `former` was judged.
    pub fn let_program(&self, path: &[u8], former: Option<&Task>) -> bool {
        let key = path_key(Access::Exec, path);
        let told = former.and_then(|task| self.told.get(&task.tid()));
        let mut told = told.into_iter().flatten();
        if told.any(|told| told.request.key == key && told.answer.allows()) {
            return true;
        }
        let mut lasting = self.lasting.iter();
        let covers = |it: &&Lasting| it.covers_path(&key, Access::Exec, path);
        lasting.find(covers).is_some_and(|it| it.answer.allows())
    }

    /// Whether a denied request of a task is let through. What was answered to this task is then in use.
    pub fn lets(&mut self, task: &Task, verdict: &Verdict, object: &Object, own: &[u8]) -> bool {
        let (tid, request) = (task.tid(), Request::new(task, object, own));
        let lets = self
            .said(tid, &request, object, own)
            .is_some_and(Answer::allows);
        if lets {
            let told = self.told.get_mut(&tid).into_iter().flatten();
            for told in told.filter(|told| told.request == request) {
                told.used = Some((*verdict, object.clone()));
            }
        }
        lets
    }

    /// A task waits for the answer to this request, and for no other any more. The numbers of the questions that
    /// no task waits for any more go to `withdrawn`. `None`: there are too many questions.
    pub fn wait(&mut self, tid: Tid, request: &Request, withdrawn: &mut Vec<u64>) -> Option<Waits> {
        self.leave(tid, Some(request), withdrawn);
        if let Some(open) = self.open.values_mut().find(|open| open.request == *request) {
            if !open.tasks.contains(&tid) {
                open.tasks.push(tid);
            }
            return Some(Waits::Open(
                (open.since.elapsed() / 8).clamp(SHORTEST, LONGEST),
            ));
        }
        if self.open.len() >= MOST_OPEN {
            return None;
        }
        self.last += 1;
        let open = Open {
            request: request.clone(),
            since: Instant::now(),
            tasks: vec![tid],
        };
        self.open.insert(self.last, open);
        Some(Waits::New(self.last))
    }

    /// A question could not be put.
    pub fn unput(&mut self, id: u64) {
        self.open.remove(&id);
    }

    /// How long a task sleeps whose question is new, or that there is no room for.
    pub const fn pause(is_new: bool) -> Duration {
        if is_new { SHORTEST } else { LONGEST }
    }

    /// An answer has come. One to a question that is not open is ignored.
    pub fn replied(&mut self, reply: Reply) {
        let Some(open) = self.open.remove(&reply.id) else {
            return;
        };
        for tid in open.tasks {
            let told = self.told.entry(tid).or_default();
            told.retain(|told| told.request != open.request);
            if told.len() >= MOST_TOLD {
                told.remove(0);
            }
            told.push(Told {
                request: open.request.clone(),
                answer: reply.answer,
                used: None,
            });
        }
        if reply.answer.lasts() && self.lasting.len() < MOST_LASTING {
            self.lasting.push(Lasting {
                key: open.request.key,
                scope: reply.scope,
                answer: reply.answer,
            });
        }
    }

    /// A task's execve goes on.
    pub fn executes(&mut self, tid: Tid) {
        self.executing.insert(tid);
    }

    /// A task makes a call, or has executed a program. Whether an execve of its has ended that went on by answers.
    /// Else what the call needs is still to be seen.
    pub fn has_executed(&mut self, tid: Tid) -> bool {
        if self.executing.remove(&tid) {
            return true;
        }
        for told in self.told.get_mut(&tid).into_iter().flatten() {
            told.used = None;
        }
        false
    }

    /// A task's call goes on by answers, or has gone on: they are used up.
    pub fn used(&mut self, tid: Tid) -> Vec<(Answer, Verdict, Object)> {
        let Some(told) = self.told.get_mut(&tid) else {
            return Vec::new();
        };
        let used = told.extract_if(.., |told| told.used.is_some());
        let used: Vec<Told> = used.collect();
        if told.is_empty() {
            self.told.remove(&tid);
        }
        let whole = |told: Told| {
            told.used
                .map(|(verdict, object)| (told.answer, verdict, object))
        };
        used.into_iter().filter_map(whole).collect()
    }

    /// A task's call was denied by an answer, or for another reason: what it was told is used up.
    pub fn denied(&mut self, tid: Tid) {
        self.told.remove(&tid);
    }

    /// A task has ended.
    pub fn gone(&mut self, tid: Tid, withdrawn: &mut Vec<u64>) {
        self.told.remove(&tid);
        self.executing.remove(&tid);
        self.leave(tid, None, withdrawn);
    }

    /// A task waits for no question but this one.
    fn leave(&mut self, tid: Tid, but: Option<&Request>, withdrawn: &mut Vec<u64>) {
        for (id, open) in &mut self.open {
            if but != Some(&open.request) {
                open.tasks.retain(|task| *task != tid);
            }
            if open.tasks.is_empty() {
                withdrawn.push(*id);
            }
        }
        self.open.retain(|_, open| !open.tasks.is_empty());
    }
}
