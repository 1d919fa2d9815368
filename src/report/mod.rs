//! Events and the outcome to text for people (stderr), JSON lines (`--log`) and one document
//! (`--report`).
//!
//! It decides nothing, and a jailed program has no say in it: what it reports of one is escaped
//! and bounded, and a flood of denials is counted, not printed.
//!
//! | file | holds |
//! |---|---|
//! | `accesses` | which allowed accesses are recorded |
//! | `annotation` | annotations of GitHub Actions |
//! | `blame` | whether a reported denial explains a failure |
//! | `cause` | a reason of the judge, taken apart |
//! | `count` | counts as words |
//! | `tally` | denials counted, and which get a message |
//! | `text` | the messages |
//! | `layout` | the layout of a message on the screen |
//! | `escape` | text of the jailed program, made fit for a terminal |
//! | `summary` | the counts at the end |
//! | `schema` | the lines of the log |
//! | `log` | the log's file |
//! | `denials` | the file of `--denials` |
//! | `document` | what a verdict says, gathered while the jail runs |
//! | `verdict` | the verdict: the document of `--report`, and a line of `jail batch` |
//! | `format` | how its times, limits and registers are written |
//! | `evidence` | files of jail's own, opened without following a link |
//! | `place` | the destination of the document, written whole or not at all |
//! | `json` | JSON on one line |
//! | `noise` | denials that get no message |
//! | `caller` | the process that made a denied call |
//! | `console` | stderr, written without blocking |

mod accesses;
mod annotation;
mod blame;
mod caller;
mod cause;
mod console;
mod count;
mod denials;
mod document;
mod escape;
pub mod evidence;
mod format;
mod json;
mod layout;
mod limited;
mod log;
mod noise;
mod place;
mod rerun;
#[cfg(test)]
mod sample;
mod schema;
mod summary;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

pub use annotation::Annotation;
pub use caller::{is_refused, nameservers, numbers, run_context};
pub use count::times;
pub use denials::DenialLine;
pub use escape::text as escaped;
pub use layout::Layout;
pub use place::Place;
pub use schema::Record;
pub use verdict::{
    Asked, AskedCount, Cpu, Denial, DenialAction, DenialCount, Denials, DomainLimit, Ending, Line,
    Memory, OutputBytes, PathAccess, Peer, PeerAccess, PolicyId, Reason, ReasonKind, Resolved,
    Signal, Standing, Tasks, Verdict,
};

use crate::judge;
use crate::paths::Access;
use crate::policy::{LimitKind, Policy};
use crate::sorting::sort_by_key;
use crate::supervise::{self, Asker, Event, Object, Observer, Outcome, SuperviseError};
use crate::syscalls::Call;
use crate::trace::{Exit, Tid};
use accesses::Accesses;
use blame::Blame;
use caller::Caller;
use cause::Cause;
use console::{Console, Discard, Messages};
use denials::Denials as DenialFile;
use document::{End, Gathered, Known};
use log::Log;
use noise::is_noise;
use schema::{Grant, VERSION};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use summary::Totals;
use tally::{Count, Say, Tally};
use text::Facts;

/// How many paths are kept for the hints at the end.
const CHANGES: usize = 64;

/// What the user wants to see.
#[derive(Debug, Default)]
pub struct Settings {
    /// No messages about denials; jail's own failures are still reported.
    pub quiet: bool,
    /// With ANSI colours.
    pub color: bool,
    /// The terminal's width; `None` if stderr is not a terminal: nothing is wrapped.
    pub width: Option<usize>,
    /// Whether to print the table of stops at the end.
    pub stats: bool,
    /// Set if Landlock denies something without a report: the command line, which is printed if the
    /// command fails, so that the user can run it again and see the denials.
    pub silent: Option<Vec<OsString>>,
    /// The log, and its name in messages.
    pub log: Option<(File, String)>,
    /// The file of denials, and its name in messages.
    pub denials: Option<(File, String)>,
    /// The destination of the document.
    pub report: Option<Place>,
    /// The command, for the log and the document.
    pub command: Vec<OsString>,
    /// The policy's name as the user gave it, for the log and the document.
    pub policy_name: String,
}

/// A hint about a command that failed.
#[derive(Debug)]
pub struct Hint {
    /// One sentence.
    pub text: String,
    /// What to change, with a label: `to allow: …`.
    pub remedy: Option<String>,
}

/// Reports a jail: an [`Observer`] until it ends.
pub struct Report<'a> {
    policy: &'a Policy,
    quiet: bool,
    stats: bool,
    silent: Option<Vec<OsString>>,
    hints: Vec<Hint>,
    layout: Layout,
    out: Box<dyn Messages>,
    log: Option<Log>,
    log_name: String,
    denials: Option<DenialFile>,
    denials_name: String,
    /// The contents of the document, and its destination; `None`: the caller.
    document: Option<(Option<Place>, Gathered)>,
    command: Vec<OsString>,
    policy_name: String,
    tally: Tally,
    /// Denials that are in the log and in the counts, but have no message.
    noise: Tally,
    /// Whether denials explain how the command ends.
    blame: Blame,
    accesses: Accesses,
    /// Paths for which the default denied a change, no more than [`CHANGES`].
    changes: Vec<PathBuf>,
    foreign: u64,
    /// Programs of a foreign ABI that already had a message, by the hash of their name.
    foreign_shown: Vec<u64>,
    /// Limits of domains that had a message.
    limits_told: Vec<(String, Option<LimitKind>)>,
    killed: Option<Cause<'a>>,
    asker: Option<Box<dyn Asker + 'a>>,
    clock: fn() -> f64,
}

impl<'a> Report<'a> {
    /// A report to stderr, and to the log if there is one.
    pub fn new(policy: &'a Policy, settings: Settings) -> Self {
        let Settings {
            quiet,
            color,
            width,
            stats,
            silent,
            log,
            denials,
            report,
            command,
            policy_name,
        } = settings;
        let (log, log_name) = log.unzip();
        let (denials, denials_name) = denials.unzip();
        Self {
            policy,
            quiet,
            stats,
            silent,
            hints: Vec::new(),
            layout: Layout { color, width },
            out: Box::new(Console::new(std::io::stderr())),
            log: log.map(Log::new),
            log_name: log_name.unwrap_or_default(),
            denials: denials.map(DenialFile::new),
            denials_name: denials_name.unwrap_or_default(),
            document: report.map(|place| (Some(place), Gathered::default())),
            command,
            policy_name,
            tally: Tally::default(),
            noise: Tally::default(),
            blame: Blame::new(!quiet),
            accesses: Accesses::default(),
            changes: Vec::new(),
            foreign: 0,
            foreign_shown: Vec::new(),
            limits_told: Vec::new(),
            killed: None,
            asker: None,
            clock: now,
        }
    }

    /// A report that prints nothing, and returns a document at the end.
    pub fn recording(policy: &'a Policy, command: Vec<OsString>, policy_name: String) -> Self {
        let settings = Settings {
            quiet: true,
            command,
            policy_name,
            ..Settings::default()
        };
        Self {
            out: Box::new(Discard),
            document: Some((None, Gathered::default())),
            ..Self::new(policy, settings)
        }
    }

    /// Puts questions about what the policy leaves open.
    pub fn asks(&mut self, asker: Option<Box<dyn Asker + 'a>>) {
        self.asker = asker;
    }

    /// Records how many bytes the command wrote to stdout and to stderr.
    pub fn wrote(&mut self, stdout: Option<u64>, stderr: Option<u64>) {
        if let Some((_, gathered)) = &mut self.document {
            gathered.wrote(stdout, stderr);
        }
    }

    /// Called when the jail has ended: writes the document (or returns it if it has no destination), the
    /// summary, the table, and the last line of the log. The document comes first, so that a reader that
    /// does not read the rest cannot delay it.
    pub fn end(mut self, outcome: &Outcome) -> Option<Verdict> {
        let counts = DenialCount::all(self.policy, &self.counts());
        let verdict = self.verdict(counts.clone(), outcome.into());
        self.summary();
        let told = !self.quiet && outcome.failed().is_some();
        let hints = std::mem::take(&mut self.hints);
        let explained = !hints.is_empty() || self.blame.explains();
        for hint in hints {
            if told {
                self.say(&text::hint(&self.layout, &hint));
            }
        }
        if let Some(words) = self.silent.take()
            && told
            && !explained
        {
            self.say(&summary::silent(&self.layout, &words));
        }
        if self.stats {
            self.say(&summary::stats(&outcome.stats));
        }
        self.record(|time, lost| Record::ended(time, outcome, &counts, lost));
        self.loss();
        verdict
    }

    /// The first paths for which the default denied a change.
    pub fn changes(&self) -> &[PathBuf] {
        &self.changes
    }

    /// Whether something was denied because no entry of `[net]` is about it.
    pub fn lacks_peers(&self) -> bool {
        let lacks = |reason| {
            matches!(
                reason,
                judge::Reason::PeerDefault | judge::Reason::Closed(_)
            )
        };
        self.counts().iter().any(|count| lacks(count.reason))
    }

    /// Adds hints to print at the end if the command fails.
    pub fn hint(&mut self, hints: Vec<Hint>) {
        self.hints.extend(hints);
    }

    /// The number of all denials, including noise.
    fn counts(&self) -> Vec<Count> {
        let mut counts = self.tally.counts();
        for noise in self.noise.counts() {
            let same = |count: &&mut Count| {
                let key = |count: &Count| (count.nr, count.reason, count.domain);
                key(count) == key(&noise)
            };
            match counts.iter_mut().find(same) {
                Some(count) => count.times += noise.times,
                None => counts.push(noise),
            }
        }
        sort_by_key(&mut counts, |count| std::cmp::Reverse(count.times));
        counts
    }

    /// Called when the jail has failed and killed the command: writes the document and the reason, then
    /// continues as [`Report::end`].
    pub fn failed(mut self, error: &SuperviseError) -> Option<Verdict> {
        let counts = DenialCount::all(self.policy, &self.counts());
        let verdict = self.verdict(counts.clone(), error.into());
        let text = escape::text(&error.to_string(), 4096);
        let mut out = String::new();
        self.layout.note(&mut out, &text);
        self.say(&out);
        self.summary();
        let code = error.exit_code();
        self.record(|time, lost| Record::failed(time, code, error.to_string(), &counts, lost));
        self.loss();
        verdict
    }

    /// The verdict, if one was requested: written to its destination, or returned if it has none.
    fn verdict(&mut self, counts: Vec<DenialCount>, end: End) -> Option<Verdict> {
        let (place, gathered) = self.document.take()?;
        let known = Known {
            policy: &self.policy_name,
            digest: Some(self.policy.digest().to_owned()),
            command: &self.command,
            denied: self.tally.total() + self.noise.total(),
            counts,
            foreign: self.foreign,
        };
        let verdict = gathered.verdict(known, end);
        let Some(place) = place else {
            return Some(verdict);
        };
        let name = place.name().to_owned();
        if let Err(error) = place.write(&line(&verdict)) {
            let mut line = String::new();
            self.layout.note(&mut line, &unwritten(&name, &error));
            self.say(&line);
        }
        None
    }

    /// The command was started.
    fn start(&mut self, pid: Tid, program: &Path) {
        if let Some((_, gathered)) = &mut self.document {
            gathered.started(pid, program);
        }
        let command = std::mem::take(&mut self.command);
        let policy = std::mem::take(&mut self.policy_name);
        let domains = self.policy.domains.iter();
        let domains = domains.map(|domain| domain.name.as_str()).collect();
        self.record(|time, _| Record::Start {
            time,
            version: VERSION,
            pid,
            program: program.to_string_lossy(),
            command: command.iter().map(|word| word.to_string_lossy()).collect(),
            policy: &policy,
            domains,
        });
        self.command = command;
        self.policy_name = policy;
    }

    /// A denied call. If it was reported before and there is no log, this is its whole cost.
    fn denied(
        &mut self,
        call: &Call,
        verdict: &judge::Verdict,
        object: Option<&Object>,
        is_noise: bool,
        caller: impl FnOnce() -> Caller,
    ) {
        if let Some(Object::Path(path)) = object
            && (verdict.reason, path.access) == (judge::Reason::PathDefault, Access::Write)
            && self.changes.len() < CHANGES
        {
            let path = Path::new(OsStr::from_bytes(&path.resolved));
            if !self.changes.iter().any(|known| known == path) {
                self.changes.push(path.to_owned());
            }
        }
        let path = object.map(|object| match object {
            Object::Path(object) => object.resolved.as_slice(),
            Object::Peer(object) => object.to.as_bytes(),
        });
        let tally = match is_noise {
            true => &mut self.noise,
            false => &mut self.tally,
        };
        let say = match (tally.add(verdict, call, path), self.quiet || is_noise) {
            (say, false) => say,
            (_, true) => Say::Nothing,
        };
        let first = |(_, gathered): &(Option<Place>, Gathered)| gathered.wants_denial();
        // Which requests were asked about is counted.
        let keep = self.document.as_ref().is_some_and(first)
            || self.asker.is_some() && self.document.is_some();
        let listed = self.denials.is_some() && !is_noise;
        if say == Say::Message || self.log.is_some() || keep || listed {
            let facts = facts(self.policy, call, verdict, caller(), false);
            if say == Say::Message {
                self.say(&text::denial(&self.layout, &facts));
            }
            let denial = Denial::new(call, verdict.action, facts);
            if listed {
                self.list(&denial);
            }
            self.keep(denial);
        }
        let of = match say {
            Say::GroupFull => Some((
                call.nr,
                Cause::of(self.policy, verdict.domain, verdict.reason),
            )),
            Say::Full => None,
            Say::Nothing | Say::Message => return,
        };
        self.say(&summary::muted(&self.layout, of, self.log.is_some()));
    }

    /// The call that ended the jail.
    fn killed(&mut self, call: &Call, verdict: &judge::Verdict, caller: Caller) {
        let facts = facts(self.policy, call, verdict, caller, true);
        self.killed = Some(facts.cause);
        if !self.quiet {
            self.say(&text::denial(&self.layout, &facts));
        }
        let denial = Denial::new(call, verdict.action, facts);
        self.list(&denial);
        self.keep(denial);
    }

    /// A call was asked about and allowed.
    fn granted(&mut self, denied: &supervise::Denial<'_>) {
        if self.log.is_none() && self.document.is_none() {
            return;
        }
        let denial = denial(self.policy, denied, false);
        self.record(|time, _| Record::Granted {
            time,
            grant: Grant::of(&denial),
        });
        if let Some((_, gathered)) = &mut self.document {
            gathered.asked(&denial);
        }
    }

    /// For the file of denials.
    fn list(&mut self, denial: &Denial) {
        let Some(file) = &mut self.denials else {
            return;
        };
        if let Err(error) = file.write(&DenialLine::new((self.clock)(), denial)) {
            let text = summary::unlisted(&self.layout, &self.denials_name, error);
            self.say(&text);
        }
    }

    /// For the log and the document.
    fn keep(&mut self, denial: Denial) {
        self.record(|time, _| Record::denial(time, &denial));
        if let Some((_, gathered)) = &mut self.document {
            gathered.asked(&denial);
            gathered.denied(denial);
        }
    }

    /// A program of a foreign ABI: each name is reported once, and ten names at most.
    fn foreign(&mut self, pid: Tid, ancestry: &[String]) {
        self.foreign += 1;
        let mut hasher = DefaultHasher::new();
        ancestry.last().hash(&mut hasher);
        let name = hasher.finish();
        let room = self.foreign_shown.len() < tally::MESSAGES_EACH;
        if !self.quiet && room && !self.foreign_shown.contains(&name) {
            self.foreign_shown.push(name);
            self.say(&text::foreign(&self.layout, pid, ancestry));
        }
        let names = ancestry.iter().map(String::as_str).collect();
        if let Some(file) = &mut self.denials {
            let line = DenialLine::foreign((self.clock)(), pid, ancestry);
            if let Err(error) = file.write(&line) {
                let text = summary::unlisted(&self.layout, &self.denials_name, error);
                self.say(&text);
            }
        }
        self.record(|time, _| Record::Foreign {
            time,
            pid,
            ancestry: names,
            code: judge::Code::SyscallForeign.name(),
            standing: Standing::Final,
            reason: text::FOREIGN.into(),
        });
    }

    /// The command has exceeded a limit. This is printed even with `--quiet`.
    fn limit(&mut self, limit: LimitKind) {
        let text = text::limit(&self.layout, self.policy, limit);
        self.say(&text);
    }

    /// Processes in a domain are past a limit of the domain. Each limit has one message, also with `--quiet`.
    fn domain_limit(&mut self, limit: DomainLimit) {
        let key = (limit.domain.clone(), limit.limit);
        if !self.limits_told.contains(&key) {
            self.limits_told.push(key);
            self.say(&limit.text(&self.layout));
        }
        self.record(|time, _| Record::Limit {
            time,
            limit: &limit,
        });
        if let Some((_, gathered)) = &mut self.document {
            gathered.limited(limit);
        }
    }

    fn summary(&mut self) {
        if self.quiet {
            return;
        }
        let counts = self.tally.counts();
        let totals = Totals {
            counts: &counts,
            total: self.tally.total(),
            foreign: self.foreign,
            killed: self.killed,
            unshown: self.tally.unshown(),
            logged: self.log.is_some(),
        };
        if let Some(line) = summary::summary(&self.layout, self.policy, &totals) {
            self.say(&line);
        }
    }

    /// An incomplete log must not be mistaken for a complete one.
    fn loss(&mut self) {
        if let Some((lost, error)) = self.log.as_ref().and_then(Log::loss) {
            let line = summary::lost(&self.layout, &self.log_name, lost, error);
            self.say(&line);
        }
        if let Some(lost) = self.denials.as_mut().and_then(DenialFile::finish) {
            let line = summary::unread(&self.layout, &self.denials_name, &lost);
            self.say(&line);
        }
        let unread = self.out.lost();
        if unread > 0 {
            let mut line = String::new();
            let text =
                format!("{unread} messages were dropped because stderr was not read in time");
            self.layout.note(&mut line, &text);
            self.say(&line);
        }
    }

    /// Writes to the log if there is one. The closure gets the time, and how many events are lost.
    fn record<'r>(&mut self, record: impl FnOnce(f64, u64) -> Record<'r>) {
        let Some(log) = &mut self.log else { return };
        let record = record((self.clock)(), log.lost());
        if let Err(error) = log.write(&record) {
            let name = escape::text(&self.log_name, 200);
            let mut line = String::new();
            let text = format!("cannot write to the log {name}: {error}; events are being lost");
            self.layout.note(&mut line, &text);
            self.say(&line);
        }
    }

    /// A call was allowed.
    fn accessed(&mut self, pid: Tid, tid: Tid, call: &Call, object: &Object) {
        if self.log.is_some() && self.accesses.is_new(pid, object) {
            self.record(|time, _| Record::access(time, pid, tid, call, object));
        }
    }

    /// What only the log is about, and whether a denial explains a failure.
    fn log_event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Accessed {
                pid,
                tid,
                call,
                object,
                ..
            } => self.accessed(pid, tid, call, object),
            Event::Exec {
                pid,
                program,
                domains,
            } => {
                self.blame.executed(pid);
                self.accesses.forget(pid);
                let domains = self.policy.domain_names(domains);
                self.record(|time, _| Record::Exec {
                    time,
                    pid,
                    ancestry: program.ancestry(),
                    domains,
                });
            }
            Event::Spawn {
                parent,
                child,
                thread,
            } => {
                self.record(|time, _| Record::Spawn {
                    time,
                    pid: parent,
                    child,
                    thread,
                });
            }
            Event::Signal { pid, tid, signal } => {
                self.record(|time, _| Record::Signal {
                    time,
                    pid,
                    tid,
                    signal: signal.into(),
                });
            }
            Event::Exit { pid, parent, exit } => {
                self.blame.ended(pid, parent, exit != Exit::Code(0));
                self.accesses.forget(pid);
                self.record(|time, _| Record::Exit {
                    time,
                    pid,
                    exit: exit.into(),
                });
            }
            _ => {}
        }
    }

    /// One write per message, so that the command's own output cannot split it. The reader may have
    /// gone; that must not affect the command.
    fn say(&mut self, text: &str) {
        self.out.say(text);
    }
}

impl Observer for Report<'_> {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Denied(ref denial) => {
                let object = denial.object.as_ref();
                let is_noise = is_noise(self.policy, &denial.call, &denial.verdict, object, || {
                    denial.pid()
                });
                if !is_noise {
                    self.blame.denied(denial.pid(), denial.worker_of());
                }
                self.denied(&denial.call, &denial.verdict, object, is_noise, || {
                    Caller::of(denial)
                });
            }
            Event::Killed(ref denial) => {
                self.killed(&denial.call, &denial.verdict, Caller::of(denial));
            }
            // What is learned is told at the end.
            Event::Lacking(_) | Event::Socket { .. } => {}
            Event::Granted(ref denial) => self.granted(denial),
            Event::Limit(limit) => self.limit(limit),
            Event::DomainLimit {
                pid,
                program,
                domain,
                limit,
            } => {
                let process = (pid, owned(program.ancestry()));
                self.domain_limit(DomainLimit::of(self.policy, process, domain, limit));
            }
            Event::Foreign { pid, program } => self.foreign(pid, &owned(program.ancestry())),
            Event::Refused { pid, program, call } => {
                if !self.quiet {
                    let ancestry = owned(program.ancestry());
                    self.say(&text::refused(&self.layout, pid, &ancestry, call));
                }
            }
            Event::Waiting { tree, asked } => {
                // A user who interrupts the jail gets an answer even with `--quiet`.
                if asked || !self.quiet {
                    self.say(&text::waiting(&self.layout, tree, asked));
                }
                self.record(|time, _| Record::Waiting {
                    time,
                    processes: tree,
                });
            }
            Event::Start { pid, program } => {
                self.blame.started(pid);
                self.start(pid, program);
            }
            Event::Accessed { .. }
            | Event::Exec { .. }
            | Event::Spawn { .. }
            | Event::Signal { .. }
            | Event::Exit { .. } => self.log_event(event),
            // `Report::end` writes the end of the log, because it also knows failures.
            Event::Used(used) => {
                if let Some((_, gathered)) = &mut self.document {
                    gathered.ended(used);
                }
            }
        }
    }

    fn wants_all(&self) -> bool {
        self.log.is_some()
    }

    fn wants_ends(&self) -> bool {
        self.blame.is_open()
    }

    fn asker(&mut self) -> Option<&mut dyn Asker> {
        self.asker
            .as_mut()
            .map(|asker| &mut **asker as &mut dyn Asker)
    }
}

/// A denied call, or one that killed, as a verdict has it.
pub fn denial(policy: &Policy, denied: &supervise::Denial<'_>, killed: bool) -> Denial {
    let (call, verdict) = (&denied.call, &denied.verdict);
    let facts = facts(policy, call, verdict, Caller::of(denied), killed);
    Denial::new(call, verdict.action, facts)
}

fn facts<'a>(
    policy: &'a Policy,
    call: &Call,
    verdict: &judge::Verdict,
    caller: Caller,
    killed: bool,
) -> Facts<'a> {
    let object = match (&caller.path, &caller.peer) {
        (Some(path), _) => judge::remedy::Object::Path(path.access, &caller.own),
        (None, Some(peer)) => {
            judge::remedy::Object::Peer(peer.way, peer.who.as_deref(), &peer.names)
        }
        (None, None) => judge::remedy::Object::Nothing,
    };
    let denied = judge::remedy::Denied {
        call: Some(call),
        object,
        run: &caller.run,
    };
    let remedy = judge::remedy::remedy(policy, &denied, verdict);
    let remove = remedy.as_ref().and_then(|remedy| remedy.remove);
    Facts {
        killed,
        code: judge::code(policy, &denied, verdict),
        standing: remedy
            .as_ref()
            .map_or(judge::Standing::Final, |remedy| remedy.standing),
        remove: remove.and_then(|origin| Line::of(policy, origin)),
        remedy: remedy.as_ref().and_then(|remedy| remedy.patch.clone()),
        advice: remedy.map(|remedy| remedy.text),
        asked: caller.asked,
        call: caller.call,
        path: caller.path,
        peer: caller.peer,
        pid: caller.pid,
        tid: caller.tid,
        ancestry: caller.ancestry,
        domains: policy.domain_names(caller.domains),
        cause: Cause::of(policy, verdict.domain, verdict.reason),
    }
}

/// The verdict of a command that was not started, since jail could not use what it was given: that
/// text is known, and no more.
pub fn not_started(policy: &str, command: &[OsString], exit_code: u8, error: String) -> Verdict {
    let known = Known {
        policy,
        digest: None,
        command,
        denied: 0,
        counts: Vec::new(),
        foreign: 0,
    };
    Gathered::default().verdict(known, End::not_started(exit_code, error))
}

/// A verdict as a document: JSON on one line.
pub fn line(verdict: &impl serde::Serialize) -> Vec<u8> {
    let mut line = Vec::new();
    // All of it can be serialised, and writing to memory cannot fail.
    let _ = json::line(&mut line, verdict);
    line
}

/// Writes a document to its destination.
///
/// # Errors
/// A message about why it could not be written.
pub fn write(place: Place, verdict: &Verdict) -> Result<(), String> {
    let name = place.name().to_owned();
    place
        .write(&line(verdict))
        .map_err(|error| unwritten(&name, &error))
}

/// Prints a line about the run to stderr, unless that is not read.
pub fn notice(text: &str) {
    Console::new(std::io::stderr()).say(&format!("jail: {text}\n"));
}

/// Reports that there is no document.
fn unwritten(name: &str, error: &std::io::Error) -> String {
    let name = escape::text(name, 200);
    format!("cannot write the report {name}: {error}; no report was written")
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// Seconds since 1970, to the microsecond.
fn now() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_micros() as f64 / 1e6
}
