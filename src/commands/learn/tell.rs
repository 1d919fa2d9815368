//! What `jail learn` says at its end: what was added, what that allows beyond what was seen, what stayed
//! denied, and whether what was seen passes now.

use super::evidence;
use super::record::Recorded;
use super::replay::Replayed;
use super::sockets::Socket;
use crate::learn::{Asked, Beyond, Entry, Evidence, Request};
use crate::net::To;
use crate::report::escaped;
use std::fmt::Write;

/// Lines of one kind; further ones are counted.
const MOST: usize = 12;
/// The same of an audit.
const MOST_AUDITED: usize = 200;

/// What an audit says: what the policy would have denied, and what it did deny.
pub fn audit(name: &str, recorded: &Recorded, sockets: &[(Socket, &Evidence)]) -> String {
    let mut out = String::new();
    let _ = match recorded.lacking() + sockets.len() {
        0 => writeln!(out, "jail: {name} would have denied nothing more"),
        count => writeln!(out, "jail: {name} would have denied {}", accesses(count)),
    };
    let line = |request: &Request, evidence: &Evidence, by: &str| {
        let evidence = evidence::text(evidence);
        format!("        {}, {evidence}{by}\n", described(request))
    };
    let requests = &recorded.requests;
    let main = requests.iter().map(|(it, evidence)| line(it, evidence, ""));
    let domains = recorded.lacking_in_domains().flat_map(|(name, lacking)| {
        let only = lacking.iter().filter(|(it, _)| !requests.contains_key(it));
        only.map(move |(it, evidence)| line(it, evidence, &format!(" [domain {name}]")))
    });
    let sockets = sockets
        .iter()
        .map(|(socket, seen)| format!("        {}, {}\n", socket.name(), evidence::text(seen)));
    let lines: Vec<String> = main.chain(domains).chain(sockets).collect();
    out.extend(lines.iter().take(MOST_AUDITED).map(String::as_str));
    if lines.len() > MOST_AUDITED {
        let _ = writeln!(out, "        … and {} more", lines.len() - MOST_AUDITED);
    }
    let denied = recorded.denied.iter();
    let lines = denied.map(|(what, program)| format!("{what}, by {program}"));
    list(
        &mut out,
        "Denied all the same, because it is guarded:",
        lines,
    );
    out
}

pub struct Told<'a> {
    pub name: &'a str,
    pub exists: bool,
    pub added: &'a [&'a Entry],
    /// What was added to domains.
    pub in_domains: &'a [(&'a str, Vec<&'a Entry>)],
    pub left: &'a [(Request, &'static str)],
    /// What is said of domains, where they were asked for.
    pub domains: Option<&'a Vec<String>>,
    pub recorded: &'a Recorded,
    /// How many kinds of sockets the policy had no entry for.
    pub sockets: usize,
    pub replayed: &'a Replayed,
    pub partial: Option<&'a str>,
    pub quiet: bool,
}

impl Told<'_> {
    pub fn text(&self) -> String {
        let mut out = String::new();
        let seen = self.recorded.lacking() + self.sockets;
        let in_domains = self.in_domains.iter().map(|(_, entries)| entries.len());
        let _ = match (self.added.len() + in_domains.sum::<usize>(), seen) {
            (0, 0) => writeln!(out, "jail: {} lacks nothing: nothing was added", self.name),
            (0, _) => writeln!(out, "jail: nothing was added to {}", self.name),
            (added, _) => {
                let verb = if self.exists { "added to" } else { "written:" };
                let entries = if added == 1 { "entry" } else { "entries" };
                let seen = accesses(seen);
                writeln!(
                    out,
                    "jail: {verb} {}, {added} {entries} for {seen}",
                    self.name
                )
            }
        };
        if let Some(why) = self.partial {
            let _ = writeln!(out, "      partial: {why}");
        }
        self.continued(&mut out);
        for line in self.domains.into_iter().flatten() {
            let _ = writeln!(out, "      {line}");
        }
        if !self.quiet && self.domains.is_some_and(Vec::is_empty) {
            out.push_str("      no domain was added: no compiler, build script or program of cargo, hook of\n      npm, build of pip or `go generate` ran that the policy has none for\n");
        }
        if !self.quiet {
            self.beyond(&mut out);
            self.denied(&mut out);
        }
        self.replay(&mut out);
        out
    }

    /// What was added to domains that the policy had.
    fn continued(&self, out: &mut String) {
        for (name, entries) in self.in_domains {
            let _ = writeln!(out, "      Added to [domain.{name}]:");
            for entry in entries {
                let (_, key) = entry.section.key();
                let _ = writeln!(out, "        {key} {}", entry.text);
            }
        }
        let main = &self.recorded.requests;
        let mut domains = self.recorded.lacking_in_domains();
        if domains.any(|(_, lacking)| lacking.keys().any(|request| main.contains_key(request))) {
            out.push_str("      The main policy lacked some of that, too, and has entries for it now:\n      a domain only narrows the main policy\n");
        }
    }

    fn beyond(&self, out: &mut String) {
        let main = self.added.iter().map(|entry| (String::new(), entry));
        let domains = self.in_domains.iter().flat_map(|(name, entries)| {
            let entries = entries.iter();
            entries.map(move |entry| (format!(" in domain {name}"), entry))
        });
        let all = main.chain(domains);
        let wide = all.filter(|(_, entry)| entry.beyond != Beyond::Nothing);
        let lines = wide.map(|(place, entry)| {
            let (_, key) = entry.section.key();
            let what = match entry.beyond {
                Beyond::Nothing => "",
                Beyond::Names => "every name that matches",
                Beyond::Beneath => "everything in it",
                Beyond::Peers => "every such address and port",
            };
            format!(
                "{key} {}{place}: {what} ({} seen)",
                entry.text, entry.requests
            )
        });
        list(out, "It allows more than was seen:", lines);
    }

    fn denied(&self, out: &mut String) {
        let denied = &self.recorded.denied;
        let lines = denied
            .iter()
            .map(|(what, program)| format!("{what}, by {program}"));
        list(
            out,
            "Stayed denied while learning, and was not learned:",
            lines,
        );
        if self.recorded.guarded {
            out.push_str(
                "      If you trust the command with one of them: learn again with --lift PATH\n",
            );
        }
        if self.recorded.closed {
            out.push_str("      A list of a domain without an entry stays as it is, and so does a domain\n      of a policy that this one extends: change them by hand\n");
        }
    }

    fn replay(&self, out: &mut String) {
        if let Some(error) = &self.replayed.broken {
            let _ = writeln!(out, "jail: {error}");
            return;
        }
        if self.replayed.requests == 0 {
            return;
        }
        if self.replayed.denied.is_empty() && self.replayed.in_domains.is_empty() {
            let text = match self.replayed.requests {
                1 => "the access that it lacked passes now".to_owned(),
                count => format!("all {count} accesses that it lacked pass now"),
            };
            let _ = writeln!(out, "      Replayed: {text}");
            return;
        }
        let why = |request: &Request| {
            let left = self.left.iter().find(|(left, _)| left == request);
            left.map(|(_, why)| *why)
        };
        let denied = &self.replayed.denied;
        let in_domains = &self.replayed.in_domains;
        let on_purpose =
            in_domains.is_empty() && denied.iter().all(|request| why(request).is_some());
        let heading = match on_purpose {
            true => {
                let seen = self.replayed.requests;
                let pass = seen.saturating_sub(denied.len());
                format!(
                    "Replayed: {pass} of {} pass now. Left out on purpose:",
                    accesses(seen)
                )
            }
            false => "Replayed: it does not allow all that was seen:".to_owned(),
        };
        let lines = denied.iter().map(|request| {
            let why = why(request).unwrap_or("an entry denies it");
            format!("{}: {why}", described(request))
        });
        let in_domains = in_domains.iter().map(|(name, request)| {
            let why = "no entry that the main policy allows is narrow enough";
            format!("{} in domain {name}: {why}", described(request))
        });
        list(out, &heading, lines.chain(in_domains));
    }
}

fn accesses(count: usize) -> String {
    match count {
        1 => "1 access".to_owned(),
        more => format!("{more} accesses"),
    }
}

/// A heading and its lines, if there are any.
fn list(out: &mut String, heading: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "      {heading}");
    for line in lines.iter().take(MOST) {
        let _ = writeln!(out, "        {line}");
    }
    if lines.len() > MOST {
        let _ = writeln!(out, "        … and {} more", lines.len() - MOST);
    }
}

fn described(request: &Request) -> String {
    let text = |bytes: &[u8]| escaped(&String::from_utf8_lossy(bytes), 120);
    request.ask(|asked| match asked {
        Asked::Path(access, path) => format!("{access} {}", text(path)),
        Asked::Peer(reach) => {
            // A name says more than the address that it stood for.
            let to = match reach.to {
                To::Inet {
                    protocol,
                    port,
                    names: [name, ..],
                    ..
                } => format!("{}{name}:{port}", protocol.scheme()),
                to => to.to_string(),
            };
            format!("{} {}", reach.way.word(), text(to.as_bytes()))
        }
    })
}
