//! `jail explain POLICY [CALL]`: prints the plan as a table, or how one call is decided. It runs
//! nothing.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};

use super::table::{Cell, Table};
use crate::baseline::{self, Answer, SIGNAL_SCOPE_ABI};
use crate::judge::remedy::{Denied, Object, remedy};
use crate::judge::varying::Run;
use crate::judge::{Reason, Sentence, Verdict, entry_text, explain_reason, rule_head};
use crate::net::Way;
use crate::paths::Access;
use crate::plan::{Cost, Enforcer, Host, Plan, PlanError, PlanOptions, Route, What};
use crate::policy::{
    Action, Lift, PathContext, Peer, PlaceError, Policy, Target, Who, locate, peer,
};
use crate::report::{nameservers, run_context};
use crate::syscalls::{Call, CallError, Errno, Syscall, parse_call};

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Whether to use colours.
    pub color: bool,
    /// The width of the terminal, if there is one.
    pub width: Option<usize>,
}

/// Why there is nothing to explain.
#[derive(Debug)]
pub enum ExplainError {
    /// The policy has no plan.
    Plan(PlanError),
    /// The text is not a call.
    Call {
        /// As given.
        text: String,
        /// What is wrong with it.
        source: CallError,
    },
    /// A sentence with an invalid path.
    Path(String),
    /// A sentence with an invalid peer.
    Peer(String),
    /// The output cannot be written.
    Output(io::Error),
}

/// Explains a policy, or one call under it.
pub fn run(
    policy: &Policy,
    host: &Host,
    call: Option<&str>,
    view: View,
    out: &mut dyn Write,
) -> Result<(), ExplainError> {
    let options = PlanOptions {
        alone: true,
        ..PlanOptions::default()
    };
    let plan = Plan::with(policy, host, options).map_err(ExplainError::Plan)?;
    let text = match call {
        None => whole(policy, host, &plan, view),
        Some(text) => of_call(policy, &plan, text, view)?,
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(ExplainError::Output)
}

/// One call, or the access to a path or a peer.
fn of_call(policy: &Policy, plan: &Plan, text: &str, view: View) -> Result<String, ExplainError> {
    if let Some((access, path)) = sentence(text)? {
        return Ok(of_path(policy, plan, access, &path, view));
    }
    if let Some(peer) = peer_of(text)? {
        return Ok(of_peer(policy, plan, &peer, text, view));
    }
    let call = parse_call(text).map_err(|source| ExplainError::Call {
        text: text.to_owned(),
        source,
    })?;
    Ok(one(policy, plan, &call, view))
}

/// Parses `read PATH` and the like; `None`: it is something else.
fn sentence(text: &str) -> Result<Option<(Access, PathBuf)>, ExplainError> {
    let Some((verb, path)) = text.trim().split_once(' ') else {
        return Ok(None);
    };
    let Some(access) = Access::from_word(verb) else {
        return Ok(None);
    };
    match locate(path.trim(), &PathContext::own()) {
        Ok(located) => Ok(Some((access, located.pattern.base().to_owned()))),
        Err(PlaceError::Unset(name)) => Err(ExplainError::Path(format!(
            "the variable {name} is not set"
        ))),
        Err(PlaceError::Malformed(message)) => Err(ExplainError::Path(message)),
    }
}

/// Parses `connect ENDPOINT` and `listen ENDPOINT`; `None`: it is something else.
fn peer_of(text: &str) -> Result<Option<Peer>, ExplainError> {
    let Some((verb, endpoint)) = text.trim().split_once(' ') else {
        return Ok(None);
    };
    match Way::from_word(verb) {
        None => Ok(None),
        Some(way) => {
            let mut peer =
                peer(way, endpoint.trim(), &PathContext::own()).map_err(ExplainError::Peer)?;
            // As the supervisor does when the call is made.
            if let (
                Way::Connect,
                Who::Inet {
                    ip: Some(ip), own, ..
                },
            ) = (way, &mut peer.who)
            {
                *own = crate::sys::route::is_own(*ip);
            }
            Ok(Some(peer))
        }
    }
}

/// What the verdict on a peer rests on that may change.
fn peer_notes(policy: &Policy, plan: &Plan, peer: &Peer, verdict: &Verdict, table: &mut Table<2>) {
    let head = |text: &str| Cell::styled(text, Style::new().dimmed());
    let by_name = match verdict.reason {
        Reason::Peer(index) => policy
            .peers
            .get(index)
            .and_then(|entry| entry.endpoint.name()),
        _ => None,
    };
    if let Some(name) = by_name {
        table.row([
            head("provided that"),
            format!("a resolver that the policy allows has answered {name} with the address, to the command or to jail, and its TTL (at least 60 s, plus 60 s) has not expired").into(),
        ]);
        table.row([
            head(""),
            "an address that serves many names is allowed for all of them; DNS over HTTPS or through a socket (nscd, resolved's varlink) is not seen".into(),
        ]);
    }
    let by_scope = match verdict.reason {
        Reason::Peer(index) => policy
            .peers
            .get(index)
            .is_some_and(|entry| !entry.closes() && entry.endpoint.leaves_out_own()),
        _ => false,
    };
    if by_scope && peer.way == Way::Connect {
        table.row([
            head("provided that"),
            "the address does not belong to this host when the call is made".into(),
        ]);
    }
    let own = |peer: &Peer| matches!(&peer.who, Who::Inet { own: true, ip: Some(ip), .. } if !ip.is_loopback());
    if plan.net.asks_own && own(peer) && verdict.action != Action::Allow {
        table.row([
            head("note"),
            "the address belongs to this host: `public` and `private` do not include it".into(),
        ]);
    }
}

/// Explains a peer: the verdict, what decided, what to change.
fn of_peer(policy: &Policy, plan: &Plan, peer: &Peer, given: &str, view: View) -> String {
    let said = plan.judge.peer(peer);
    let verdict = said.verdict;
    let mut table = Table::new(&[1]);
    let head = |text: &str| Cell::styled(text, Style::new().dimmed());
    table.title(given.trim().to_owned());
    table.row([head("verdict"), outcome(&verdict)]);
    table.row([head("decided by"), explain_reason(policy, &verdict).into()]);
    if let Some(line) = source_line(policy, &verdict) {
        table.row([head(""), line.into()]);
    }
    peer_notes(policy, plan, peer, &verdict, &mut table);
    let protocol = match peer.who {
        Who::Inet { protocol, .. } => Some(protocol),
        Who::Path(_) | Who::Abstract(_) => None,
    };
    let (enforced, abi) = match &said.by {
        Some(call) => (plan.enforcer(call), Some(SIGNAL_SCOPE_ABI)),
        None => (
            plan.net.enforcer(peer.way, protocol),
            plan.net.needs_abi(peer.way, protocol),
        ),
    };
    table.row([head("enforced by"), enforcement(enforced, abi)]);
    lifted(
        policy,
        |lift| peer.reach(|reach| lift.covers_peer(reach)),
        &mut table,
    );
    calls(policy, &said, &mut table);
    let mut text = table.render(view.color, view.width);
    let object = match (&peer.who, verdict.reason) {
        (Who::Path(path), Reason::Path(_) | Reason::PathDefault) => {
            Object::Path(Access::Write, path.as_os_str().as_bytes())
        }
        _ => Object::Peer(peer.way, Some(&peer.who), &[]),
    };
    advise(policy, said.by.as_ref(), object, &verdict, &mut text);
    text
}

/// Explains an access to a path: the verdict, what decided, what to change.
fn of_path(policy: &Policy, plan: &Plan, access: Access, path: &Path, view: View) -> String {
    let said = plan.judge.access(access, path);
    let verdict = said.verdict;
    let mut table = Table::new(&[1]);
    let head = |text: &str| Cell::styled(text, Style::new().dimmed());
    table.title(format!("{access} {}", path.display()));
    table.row([head("verdict"), outcome(&verdict)]);
    table.row([head("decided by"), explain_reason(policy, &verdict).into()]);
    if let Some(line) = source_line(policy, &verdict) {
        table.row([head(""), line.into()]);
    }
    let (enforced, abi) = match &said.by {
        Some(call) => (plan.enforcer(call), Some(SIGNAL_SCOPE_ABI)),
        None => (plan.files.enforcer(access), plan.files.needs_abi(access)),
    };
    table.row([head("enforced by"), enforcement(enforced, abi)]);
    lifted(
        policy,
        |lift| lift.covers_path(path.as_os_str().as_bytes()),
        &mut table,
    );
    calls(policy, &said, &mut table);
    let mut text = table.render(view.color, view.width);
    let object = match said.by {
        Some(_) => Object::Nothing,
        None => Object::Path(access, path.as_os_str().as_bytes()),
    };
    advise(policy, said.by.as_ref(), object, &verdict, &mut text);
    text
}

/// A mechanism, with the Landlock ABI that it uses, and its cost.
fn enforcement((enforcer, cost): (Enforcer, Cost), abi: Option<u32>) -> Cell {
    format!("{}; cost: {}", enforcer.with_abi(abi), cost.text()).into()
}

/// What to change so that it is allowed.
fn advise(
    policy: &Policy,
    call: Option<&Call>,
    object: Object<'_>,
    verdict: &Verdict,
    text: &mut String,
) {
    let run = Run {
        home: run_context().home,
        nameservers: nameservers(),
        ..Run::default()
    };
    let denied = Denied {
        call,
        object,
        run: &run,
    };
    if let Some(remedy) = remedy(policy, &denied, verdict) {
        let _ = writeln!(text, "\n{}", remedy.text);
    }
}

/// The call at which a sentence fails, and calls that are denied although another one makes the access
/// possible.
fn calls(policy: &Policy, said: &Sentence, table: &mut Table<2>) {
    let head = |text: &str| Cell::styled(text, Style::new().dimmed());
    if let Some(call) = &said.by {
        table.row([head("at the call"), call.to_string().into()]);
    }
    let mut label = "not by";
    for (call, verdict) in &said.beside {
        let name = call.syscall().map_or("?", |syscall| syscall.name);
        let reason = explain_reason(policy, verdict);
        table.row([head(label), format!("{name}: {reason}").into()]);
        label = "";
    }
}

/// The table of the whole plan.
fn whole(policy: &Policy, host: &Host, plan: &Plan, view: View) -> String {
    let mut table = Table::new(&[1, 3, 4, 5]);
    let (first, rest): (Vec<_>, Vec<_>) = plan.routes(policy).into_iter().partition(|route| {
        matches!(
            route.what,
            What::Entry(_)
                | What::Rule(_)
                | What::Path(_)
                | What::PolicyFile(_)
                | What::Peer(_)
                | What::Limit(_)
                | What::Isolation(_)
        )
    });
    let (default, baseline): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|route| route.what == What::Default);
    let groups = [
        ("The policy's entries", first),
        ("The baseline, which no policy can loosen", baseline),
        ("The default", default),
    ];
    for (title, routes) in groups {
        if routes.is_empty() {
            continue;
        }
        table.title(title);
        let head = Style::new().dimmed();
        table.row(
            ["line", "entry", "action", "enforced by", "because", "cost"]
                .map(|name| Cell::styled(name, head)),
        );
        for route in &routes {
            table.row(cells(policy, route));
        }
    }
    lifts(policy, &mut table);
    let mut text = table.render(view.color, view.width);
    text.push_str(&left_out(policy));
    let summary = plan.summary();
    let _ = write!(
        text,
        "\n{} instructions, on {}. Of the system calls {} are always allowed, {} are decided by their \
         registers, {} fail and {} stop for the supervisor.\n",
        summary.instructions,
        host_text(host),
        summary.allowed,
        summary.conditional,
        summary.failing,
        summary.stopped,
    );
    text
}

/// Optional entries that were left out; one line for those with the same text and place.
fn left_out(policy: &Policy) -> String {
    let mut lines: Vec<(String, &str, Vec<String>)> = Vec::new();
    for entry in &policy.left_out {
        let place = policy.place(entry.origin);
        let source = place.split(':').next().unwrap_or_default();
        let same = |line: &&mut (String, &str, Vec<String>)| {
            line.1 == entry.text && line.0.split(':').next() == Some(source)
        };
        match lines.iter_mut().find(same) {
            Some((.., keys)) => keys.push(entry.key().to_owned()),
            None => lines.push((place, &entry.text, vec![entry.key().to_owned()])),
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let mut text = "\nLeft out, since nothing is there now (`optional`)\n".to_owned();
    for (place, path, keys) in lines {
        let _ = writeln!(text, "  {place} {} {path:?}", keys.join(", "));
    }
    text
}

/// The rows of lifted entries.
fn lifts(policy: &Policy, table: &mut Table<6>) {
    let lifted = policy.lifts.iter().filter(|lift| !lift.lifted.is_empty());
    let lifted: Vec<_> = lifted.collect();
    if lifted.is_empty() {
        return;
    }
    table.title("Lifted");
    let head = Style::new().dimmed();
    let heads = ["line", "entry", "", "of", "because", ""];
    table.row(heads.map(|name| Cell::styled(name, head)));
    for lift in lifted {
        for entry in &lift.lifted {
            table.row([
                policy.place(lift.origin).into(),
                format!("{} \"{}\"", lift.key(), lift.text).into(),
                Cell::from(String::new()),
                format!(
                    "{} \"{}\" at {}",
                    entry.key,
                    entry.text,
                    policy.place(entry.origin)
                )
                .into(),
                lift.why.clone().into(),
                Cell::from(String::new()),
            ]);
        }
    }
}

/// The row of each lift that applies to the question.
fn lifted<'p>(policy: &'p Policy, covers: impl Fn(&Lift) -> bool + 'p, table: &mut Table<2>) {
    for lift in policy.lifts.iter().filter(|lift| covers(lift)) {
        for entry in &lift.lifted {
            let text = format!(
                "{} \"{}\" at {}, by {}: {}",
                entry.key,
                entry.text,
                policy.place(entry.origin),
                policy.place(lift.origin),
                lift.why
            );
            table.row([Cell::styled("lifted", Style::new().dimmed()), text.into()]);
        }
    }
}

fn host_text(host: &Host) -> String {
    let (major, minor) = host.kernel;
    match host.landlock_abi {
        0 => format!("Linux {major}.{minor} without Landlock"),
        abi => format!("Linux {major}.{minor} with Landlock {abi}"),
    }
}

fn cells(policy: &Policy, route: &Route) -> [Cell; 6] {
    let Some((place, mut entry, action)) = subject(policy, route.what) else {
        return Default::default();
    };
    if route.reach.0 != 0 && route.reach.0 < route.reach.1 {
        let _ = write!(entry, " ({} of {})", route.reach.0, route.reach.1);
    }
    [
        place.into(),
        entry.into(),
        action,
        route.enforcer.with_abi(route.abi).into_owned().into(),
        route.because.clone().into_owned().into(),
        route.cost.text().into(),
    ]
}

/// What a route is about, with its place: `fs.deny "**/.env" (net.toml:4)`.
pub fn name(policy: &Policy, what: What) -> String {
    match subject(policy, what) {
        Some((place, entry, _)) => format!("{entry} ({place})"),
        None => String::new(),
    }
}

/// What a route is about: where the policy says it, what it says, and what happens.
type Subject = (String, String, Cell);

fn subject(policy: &Policy, what: What) -> Option<Subject> {
    Some(match what {
        What::Entry(index) => {
            let entry = policy.syscalls.get(index)?;
            let place = policy.place(entry.origin);
            (place, entry.key.clone(), action(entry.action))
        }
        What::Rule(index) => {
            let rule = policy.rules.get(index)?;
            let place = policy.place(rule.origin);
            (place, rule_head(rule), action(rule.action))
        }
        What::Path(index) => {
            let entry = policy.paths.get(index)?;
            let text = format!("{} {:?}", entry.key(), entry.text);
            (policy.place(entry.origin), text, listed(entry.action))
        }
        What::PolicyFile(index) => {
            let name = policy.sources.get(index)?.name.clone();
            let denied = action(Action::Deny(Errno::EPERM));
            (name, "the policy file itself".to_owned(), denied)
        }
        What::Peer(index) => {
            let entry = policy.peers.get(index)?;
            let text = format!("{} {:?}", entry.key(), entry.text);
            (policy.place(entry.origin), text, listed(entry.action))
        }
        What::Limit(kind) => {
            let (origin, text) = policy.limits.said(kind)?;
            let entry = format!("limits.{} = {text}", kind.key());
            (policy.place(origin), entry, Cell::from("limit"))
        }
        What::Isolation(word) => {
            let mut said = policy.process.isolate.iter();
            let said = said.find(|said| said.value == word)?;
            let entry = format!("process.isolate = \"{}\"", word.word());
            (policy.place(said.origin), entry, Cell::from("own"))
        }
        What::Default => (
            policy.place(policy.default.origin),
            "anything that no entry names".to_owned(),
            action(policy.default.action),
        ),
        What::Baseline(rule) => (rule.id.to_owned(), protection(rule), answer(rule.answer)),
        What::Signals => unsaid("signals to processes outside", Action::Deny(Errno::EPERM)),
        What::Memory => unsaid(
            "memory and descriptors of processes outside, in /proc",
            Action::Deny(Errno::EACCES),
        ),
        What::Always => unsaid(&baseline::ALWAYS.join(", "), Action::Allow),
        What::Foreign => unsaid("x32, i386 and unknown calls", Action::Deny(Errno::ENOSYS)),
    })
}

/// The action of an entry of a list. EACCES is the one that the list implies.
fn listed(said: Action) -> Cell {
    action(match said {
        Action::Deny(Errno::EACCES) => Action::Deny(Errno::EPERM),
        other => other,
    })
}

/// What no policy says.
fn unsaid(text: &str, does: Action) -> Subject {
    (String::new(), text.to_owned(), action(does))
}

/// The system calls of a protection, and its condition.
fn protection(rule: &baseline::Rule) -> String {
    let calls = rule.syscalls.join(", ");
    match rule.when.text {
        "" => calls,
        when => format!("{calls} when {when}"),
    }
}

fn action(action: Action) -> Cell {
    let style = match action {
        Action::Allow => AnsiColor::Green.on_default(),
        Action::Deny(_) => AnsiColor::Yellow.on_default(),
        Action::Kill => AnsiColor::Red.on_default().bold(),
    };
    Cell::styled(action.to_string(), style)
}

fn answer(answer: Answer) -> Cell {
    match answer {
        Answer::Deny(errno) | Answer::Quiet(errno) | Answer::Close(errno) => {
            action(Action::Deny(errno))
        }
        Answer::Check(_) => Cell::styled("allow inside", AnsiColor::Green.on_default()),
    }
}

/// Explains a call: the verdict, what decided, what else matched, what enforces it, what to change.
fn one(policy: &Policy, plan: &Plan, call: &Call, view: View) -> String {
    let verdict = plan.judge.call(call);
    let mut table = Table::new(&[1]);
    let head = |text: &str| Cell::styled(text, Style::new().dimmed());
    table.title(call.to_string());
    table.row([head("verdict"), outcome(&verdict)]);
    table.row([head("decided by"), explain_reason(policy, &verdict).into()]);
    if let Some(line) = source_line(policy, &verdict) {
        table.row([head(""), line.into()]);
    }
    if let Some(check) = verdict.check.and_then(|_| checking(plan, call)) {
        table.row([
            head("provided that"),
            format!("{} ({})", check.reason, check.id).into(),
        ]);
    }
    // Of calls, Landlock decides about signals alone.
    let enforced = enforcement(plan.enforcer(call), Some(SIGNAL_SCOPE_ABI));
    table.row([head("enforced by"), enforced]);
    let mut label = "also said";
    for lost in lost(policy, plan, call, &verdict) {
        table.row([head(label), lost.into()]);
        label = "";
    }
    let mut text = table.render(view.color, view.width);
    advise(policy, Some(call), Object::Nothing, &verdict, &mut text);
    text
}

fn outcome(verdict: &Verdict) -> Cell {
    let text = match verdict.action {
        Action::Allow if verdict.check.is_some() => "allowed for targets in the jail".to_owned(),
        Action::Allow => "allowed".to_owned(),
        Action::Deny(errno) if verdict.quiet => {
            format!("denied with {}, not reported", errno.name())
        }
        Action::Deny(errno) => format!("denied with {}", errno.name()),
        Action::Kill => "kills the whole jail".to_owned(),
    };
    action(verdict.action).with_text(text)
}

/// The text of the deciding line, as written in the policy. A rule is already shown completely.
fn source_line<'a>(policy: &'a Policy, verdict: &Verdict) -> Option<&'a str> {
    let origin = match verdict.reason {
        Reason::Entry(index) => policy.syscalls.get(index)?.origin,
        Reason::Default => policy.default.origin,
        Reason::Path(index) => policy.paths.get(index)?.origin,
        Reason::Unsearched(index) => policy.paths.get(index)?.origin,
        Reason::PathDefault | Reason::PeerDefault | Reason::Closed(_) => policy.default.origin,
        Reason::Peer(index) => policy.peers.get(index)?.origin,
        Reason::Rule(_)
        | Reason::Baseline(_)
        | Reason::Always
        | Reason::UnknownNumber
        | Reason::Metadata
        | Reason::Command
        | Reason::Terminal
        | Reason::Pathless
        | Reason::PolicyFile(_)
        | Reason::Unpinned
        | Reason::Changed => return None,
    };
    Some(policy.line(origin)).filter(|line| !line.is_empty())
}

/// The protection that checks the target of an allowed call.
fn checking(plan: &Plan, call: &Call) -> Option<&'static baseline::Rule> {
    let chain = plan.judge.chain(call.nr)?;
    chain
        .baseline
        .iter()
        .copied()
        .find(|rule| matches!(rule.answer, Answer::Check(_)) && rule.applies(&call.args))
}

/// All other entries that name the system call, and why they did not decide.
fn lost(policy: &Policy, plan: &Plan, call: &Call, verdict: &Verdict) -> Vec<String> {
    let Some(syscall) = call.syscall() else {
        return Vec::new();
    };
    let above = matches!(verdict.reason, Reason::Baseline(_) | Reason::Always);
    let specific = match verdict.reason {
        Reason::Rule(_) => 3,
        Reason::Entry(index) => match policy.syscalls.get(index).map(|entry| entry.target) {
            Some(Target::Syscall(_)) => 2,
            _ => 1,
        },
        _ => 0,
    };
    let outweighed = |level: u8| match level {
        _ if above => "the baseline takes precedence",
        level if level < specific => "less specific",
        _ => "not stricter",
    };
    let mut lost = lost_rules(policy, call, syscall, verdict, outweighed(3));
    for (index, entry) in policy.syscalls.iter().enumerate() {
        let level = match entry.target {
            Target::Syscall(about) if about.name == syscall.name => 2,
            Target::Group(group) if group.set.contains(syscall) => 1,
            _ => continue,
        };
        if verdict.reason != Reason::Entry(index) {
            let place = policy.place(entry.origin);
            let because = outweighed(level);
            lost.push(format!("{place} {}: {because}", entry_text(entry)));
        }
    }
    if verdict.reason != Reason::Default {
        lost.push(format!(
            "{} default = \"{}\": {}",
            policy.place(policy.default.origin),
            policy.default.action,
            outweighed(0)
        ));
    }
    lost.extend(lost_protections(plan, call, verdict));
    lost
}

/// The rules that name a system call and did not decide. `outweighed`: why, where their condition holds.
fn lost_rules(
    policy: &Policy,
    call: &Call,
    syscall: &Syscall,
    verdict: &Verdict,
    outweighed: &str,
) -> Vec<String> {
    let mut lost = Vec::new();
    for (index, rule) in policy.rules.iter().enumerate() {
        let conditions = rule.conditions.iter();
        let mut conditions = conditions
            .filter(|(about, _)| about.name == syscall.name)
            .peekable();
        if conditions.peek().is_none() || verdict.reason == Reason::Rule(index) {
            continue;
        }
        let because = match conditions.any(|(_, condition)| condition.holds(&call.args)) {
            true => outweighed,
            false => "its condition does not hold",
        };
        let place = policy.place(rule.origin);
        let (head, action) = (rule_head(rule), rule.action);
        lost.push(format!("{place} {head} = \"{action}\": {because}"));
    }
    lost
}

/// The protections that hold for a call and did not decide.
fn lost_protections(plan: &Plan, call: &Call, verdict: &Verdict) -> Vec<String> {
    let protections = plan
        .judge
        .chain(call.nr)
        .map_or(&[][..], |chain| chain.baseline);
    let own = |rule: &&&baseline::Rule| !matches!(rule.answer, Answer::Close(_));
    let about = protections.iter().filter(own);
    let about = about.filter(|rule| rule.applies(&call.args));
    let lost = about.filter(|rule| {
        let decided = matches!(verdict.reason, Reason::Baseline(by) if by == **rule);
        let asked = matches!(rule.answer, Answer::Check(_)) && verdict.check.is_some();
        !decided && !asked
    });
    lost.map(|rule| format!("baseline {}: not stricter", rule.id))
        .collect()
}

impl std::fmt::Display for ExplainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExplainError::Plan(source) => write!(f, "cannot make a plan: {source}"),
            ExplainError::Call { text, source } => {
                writeln!(f, "not a call: {source}")?;
                writeln!(f, "    {text}")?;
                let before = text
                    .get(..source.range.start)
                    .map_or(0, |head| head.chars().count());
                let marked = text
                    .get(source.range.clone())
                    .map_or(1, |part| part.chars().count());
                write!(f, "    {:before$}{}", "", "^".repeat(marked.max(1)))
            }
            ExplainError::Path(message) => write!(f, "not a path: {message}"),
            ExplainError::Peer(message) => write!(f, "not an endpoint: {message}"),
            ExplainError::Output(_) => f.write_str("cannot write the explanation"),
        }
    }
}

impl std::error::Error for ExplainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExplainError::Plan(source) => source.source(),
            ExplainError::Call { .. } | ExplainError::Path(_) | ExplainError::Peer(_) => None,
            ExplainError::Output(source) => Some(source),
        }
    }
}
