//! `jail learn --domains`: what package managers run for packages, as domains of the policy.
//!
//! Which programs these are is what the presets of the package managers say. While jail learns, such a domain
//! restricts nothing. It tells which calls its programs make, also those that the main policy allows: the lists of a
//! domain close what they do not name.

use super::Ran;
use super::domain_text::{Lists, with_domain as text_with_domain};
use super::kinds::{Kind, kind};
use super::record::{InDomain, Recorded};
use crate::judge::Judge;
use crate::learn::{self, Entry, Evidence, Level, Recording, Request, Scene, Section};
use crate::paths::{Access, is_beneath};
use crate::plan::{Host, Plan};
use crate::policy::{Action, Domain};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The text of the learned policy with a domain for each kind of which programs ran, and what to say of each.
pub fn propose(
    ran: &Ran<'_>,
    mut text: String,
    recorded: &Recorded,
    (scene, level): (&Scene, Level),
) -> (String, Vec<String>) {
    let mut told = Vec::new();
    let known = ran.base.load(&text, false);
    let has = |name: &str| {
        known
            .as_ref()
            .is_ok_and(|policy| policy.domain(name).is_some())
    };
    for (name, seen) in &recorded.domains {
        let domain = kind(name)
            .filter(|_| seen.started)
            .and_then(Kind::of_preset);
        let Some(domain) = domain.filter(|_| !has(name)) else {
            continue;
        };
        match with_domain(ran, &text, &domain, seen, (scene, level)) {
            Some(with) => {
                text = with;
                let programs = super::evidence::names(&seen.programs);
                told.push(format!("[domain.{name}] for {programs}"));
            }
            None => told.push(format!(
                "no [domain.{name}]: its programs needed more than its lists can say"
            )),
        }
    }
    (text, told)
}

/// The text with the domain. Lists under which something would be denied that was seen are left out.
fn with_domain(
    ran: &Ran<'_>,
    text: &str,
    domain: &Domain,
    seen: &InDomain,
    (scene, level): (&Scene, Level),
) -> Option<String> {
    let mut lists = lists(&seen.requests, scene, level);
    if seen.more_paths {
        lists.write = None;
    }
    if seen.more_peers {
        lists.peers = None;
    }
    loop {
        let with = text_with_domain(text, domain, Some(&lists)).ok()?;
        match lack(ran, &with, &domain.name, &seen.requests) {
            Ok(None) => return Some(with),
            Ok(Some(Request::Path(..))) if lists.write.is_some() => lists.write = None,
            Ok(Some(_)) if lists.peers.is_some() => lists.peers = None,
            Err(_) if lists.write.is_some() => lists.write = None,
            Err(_) if lists.peers.is_some() => lists.peers = None,
            Ok(Some(_)) | Err(_) => return None,
        }
    }
}

/// The lists for what the programs of a domain did.
fn lists(requests: &Recording, scene: &Scene, level: Level) -> Lists {
    let entries = entries(requests, scene, level);
    let of = |section| {
        let entries = entries.iter().filter(move |entry| entry.section == section);
        entries.cloned().collect::<Vec<Entry>>()
    };
    Lists {
        write: Some(of(Section::Write)),
        peers: Some([of(Section::Connect), of(Section::Listen)]),
    }
}

/// The entries for what the programs of a domain did. The run's own temporary directory, which the main policy opens
/// without an entry, is one of them.
pub fn entries(requests: &Recording, scene: &Scene, level: Level) -> Vec<Entry> {
    let own = scene.run.tmpdir.as_deref();
    let temporary = |request: &Request| match request {
        Request::Path(access, path) if is_in(own, path) => Some(match access {
            Access::Exec => Section::Exec,
            Access::Write => Section::Write,
            _ => Section::Read,
        }),
        _ => None,
    };
    let mut rest = Recording::new();
    let mut found: BTreeMap<Section, (Evidence, usize)> = BTreeMap::new();
    for (request, evidence) in requests {
        match temporary(request) {
            Some(section) => {
                let (all, count) = found.entry(section).or_default();
                all.join(evidence);
                *count += 1;
            }
            None => drop(rest.insert(request.clone(), evidence.clone())),
        }
    }
    let mut entries = learn::generalize(&rest, scene, level).entries;
    let temporary = found
        .into_iter()
        .map(|(section, (evidence, requests))| Entry {
            section,
            text: "$TMPDIR".to_owned(),
            evidence,
            requests,
            beyond: learn::Beyond::Beneath,
            why: None,
        });
    entries.extend(temporary);
    entries
}

fn is_in(directory: Option<&Path>, path: &[u8]) -> bool {
    directory.is_some_and(|directory| is_beneath(path, directory.as_os_str().as_bytes()))
}

/// The first request of the domain's programs that the domain denies, of those that the main policy allows. An error
/// if the policy cannot be used.
fn lack(
    ran: &Ran<'_>,
    text: &str,
    name: &str,
    requests: &Recording,
) -> Result<Option<Request>, String> {
    let policy = ran.settled(text, false)?;
    let plan = Plan::new(&policy, &Host::newest()).map_err(|error| error.to_string())?;
    let inner = &plan.within_named(&policy, Some(name)).judge;
    let allows = |judge: &Judge, request: &Request| request.judged(judge).action == Action::Allow;
    let denies = |request: &&Request| allows(&plan.judge, request) && !allows(inner, request);
    Ok(requests.keys().find(denies).cloned())
}
