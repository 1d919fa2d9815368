//! `lift`: the denials that a file removes from those that it inherits, each with a reason.
//!
//! It applies to `deny`, `hide` and `protect` of `[fs]` and `deny` of `[net]`, in files that the file
//! with the `lift` extends, directly or not. An entry that is wholly within a lifted place is removed.
//! An entry that covers more stays, and the place becomes an exception to it ([`PathEntry::covers`]). If
//! a policy inherits an entry in two ways, it is lifted only if it is lifted in both.
//!
//! It never lifts an entry of the same file, nor what the baseline protects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::document::Document;
use super::endpoint::{Wrong, endpoint};
use super::file::File;
use super::lint_net::{contains, meet};
use super::places::{PathContext, locate};
use super::read::{names, note};
use super::tree::{Kind, Table, Value};
use super::{Code, Diagnostic, NetEntry, NetList, Origin, PathEntry, Policy};
use crate::condition::nearest;
use crate::net::{Endpoint, Reach, Way};
use crate::paths::Pattern;

/// An entry of `lift`.
#[derive(Debug, Clone)]
pub struct Lift {
    /// The place as written.
    pub text: String,
    /// What it covers.
    pub place: LiftedPlace,
    /// The author's reason.
    pub why: String,
    /// Whether it is marked `optional`: it may lift nothing.
    pub optional: bool,
    /// Its place in the policy.
    pub origin: Origin,
    /// The entries that it lifts.
    pub lifted: Vec<LiftedEntry>,
    /// The symbolic links on the way to it.
    pub(super) links: Vec<PathBuf>,
    /// Whether something may be beneath it: it is a directory, or a pattern.
    holds: bool,
}

/// The kind of place that an entry of `lift` names.
#[derive(Debug, Clone)]
pub enum LiftedPlace {
    /// A path of `[fs]`.
    Path(Pattern),
    /// An endpoint of `[net]`, in one direction.
    Peer(Endpoint, Way),
}

/// An entry that is lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiftedEntry {
    /// Its list: `fs.deny`.
    pub key: String,
    /// Its place as written.
    pub text: String,
    /// Its place in the policy.
    pub origin: Origin,
    /// Whether the lift removes all of it.
    pub whole: bool,
}

/// The section that contains an entry of `lift`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Files,
    Net,
}

impl Section {
    pub(super) const fn keys(self) -> &'static [&'static str] {
        match self {
            Section::Files => &["path", "why", "optional"],
            Section::Net => &["to", "on", "why", "optional"],
        }
    }

    const fn place(self) -> &'static str {
        match self {
            Section::Files => "an entry of fs.lift",
            Section::Net => "an entry of net.lift",
        }
    }

    const fn form(self) -> &'static str {
        match self {
            Section::Files => "{ path = \"…\", why = \"…\" }",
            Section::Net => "{ to = \"…\", why = \"…\" }",
        }
    }
}

/// The entries of a `lift`.
pub(super) fn entries(
    document: &mut Document<'_>,
    section: Section,
    value: Value<'_>,
    around: &PathContext,
) -> Vec<Lift> {
    let mut lifts = Vec::new();
    let expected = "a table with a reason, or a list of such tables";
    for item in document.items("lift", expected, value) {
        entry(document, section, item, around, &mut lifts);
    }
    lifts
}

fn entry(
    document: &mut Document<'_>,
    section: Section,
    item: Value<'_>,
    around: &PathContext,
    lifts: &mut Vec<Lift>,
) {
    let table = match item.kind() {
        Kind::Table(table) => table,
        Kind::String(_) => {
            let message = "an entry of `lift` needs a reason";
            document
                .error(Code::MissingKey, item.span(), message)
                .help(format!("write {}", section.form()));
            return;
        }
        other => {
            document.wrong_type("lift", section.form(), other, item.span());
            return;
        }
    };
    let said = Setting::read(document, section, table);
    let Some(places) = said.places else {
        let message = match section {
            Section::Files => "this entry has no `path`",
            Section::Net => "this entry has neither `to` nor `on`",
        };
        document
            .error(Code::MissingKey, item.span(), message)
            .help(format!("write {}", section.form()));
        return;
    };
    let why = match said.why {
        Some(Some(why)) if !why.is_empty() => why,
        // The value is not a string, which has been noted.
        Some(None) => return,
        _ => {
            let help = "say why this may be used although another file denies it: why = \"…\"";
            let message = "an entry of `lift` needs a reason";
            document
                .error(Code::MissingKey, item.span(), message)
                .help(help);
            return;
        }
    };
    let (way, optional) = (said.way, said.optional);
    let several = places.len() > 1;
    for (text, span) in places {
        let start = if several { &span } else { &item.span() };
        let origin = document.origin(start);
        let read = match section {
            Section::Files => path(document, &text, &span, optional, around),
            Section::Net => peer(document, &text, &span, (way, optional), around),
        };
        lifts.extend(read.map(|(place, links, holds)| Lift {
            text,
            place,
            why: why.clone(),
            optional,
            origin,
            lifted: Vec::new(),
            links,
            holds,
        }));
    }
}

/// What an entry says.
struct Setting {
    places: Option<Vec<(String, std::ops::Range<usize>)>>,
    way: Way,
    /// The inner `None`: something else than a text, which has been noted.
    why: Option<Option<String>>,
    optional: bool,
}

impl Setting {
    fn read(document: &mut Document<'_>, section: Section, table: Table<'_>) -> Setting {
        let mut said = Setting {
            places: None,
            way: Way::Connect,
            why: None,
            optional: false,
        };
        for (key, value) in table {
            let name = key.name();
            match name {
                _ if !section.keys().contains(&name) => {
                    document.unknown_key(key, section.place(), section.keys());
                }
                "why" => {
                    let why = document.string(name, value);
                    said.why = Some(why.map(|why| why.trim().to_owned()));
                }
                "optional" => said.optional = document.boolean(name, value).unwrap_or(false),
                _ if said.places.is_some() => {
                    let message = "an entry has `to` or `on`, not both";
                    document
                        .error(Code::Endpoint, key.span(), message)
                        .help("write two entries");
                }
                _ => {
                    said.places = names(document, name, value);
                    if name == "on" {
                        said.way = Way::Listen;
                    }
                }
            }
        }
        said
    }
}

/// A place, the links on the way to it, and whether something may be beneath it.
type Read = (LiftedPlace, Vec<PathBuf>, bool);

fn path(
    document: &mut Document<'_>,
    text: &str,
    span: &std::ops::Range<usize>,
    optional: bool,
    around: &PathContext,
) -> Option<Read> {
    match locate(text, around) {
        Ok(mut located) => {
            located.look();
            let directory = located.place.is_some_and(|place| place.directory);
            let holds = directory || !located.pattern.is_literal();
            Some((LiftedPlace::Path(located.pattern), located.links, holds))
        }
        Err(super::PlaceError::Unset(_)) if optional => None,
        Err(error) => {
            note(document, text, span, error);
            None
        }
    }
}

fn peer(
    document: &mut Document<'_>,
    text: &str,
    span: &std::ops::Range<usize>,
    (way, optional): (Way, bool),
    around: &PathContext,
) -> Option<Read> {
    match endpoint(text, true, around) {
        Ok(endpoint) => {
            // A socket's path may be redirected like any path.
            let path = text
                .strip_prefix("unix:")
                .and_then(|path| locate(path, around).ok());
            let links = path.map(|located| located.links).unwrap_or_default();
            Some((LiftedPlace::Peer(endpoint, way), links, true))
        }
        Err(Wrong::Place(super::PlaceError::Unset(_))) if optional => None,
        Err(wrong) => {
            wrong.note(document, text, span);
            None
        }
    }
}

impl Lift {
    /// The entry's list, as messages name it.
    pub fn key(&self) -> &'static str {
        match self.place {
            LiftedPlace::Path(_) => "fs.lift",
            LiftedPlace::Peer(..) => "net.lift",
        }
    }

    /// Whether it is about a path.
    pub fn covers_path(&self, path: &[u8]) -> bool {
        matches!(&self.place, LiftedPlace::Path(pattern) if pattern.covers(path))
    }

    /// Whether it covers the peer of a call.
    pub fn covers_peer(&self, reach: &Reach<'_>) -> bool {
        matches!(&self.place, LiftedPlace::Peer(endpoint, way)
            if *way == reach.way && endpoint.covers(reach, false))
    }

    /// Whether it lifts all that another lifts.
    fn contains(&self, inner: &Lift) -> bool {
        match (&self.place, &inner.place) {
            (LiftedPlace::Path(outer), LiftedPlace::Path(inner)) => {
                outer.covers(inner.base_bytes()) || outer.is_same(inner)
            }
            (LiftedPlace::Peer(outer, way), LiftedPlace::Peer(inner, other)) => {
                way == other && contains(outer, inner)
            }
            _ => false,
        }
    }

    /// Its effect on an entry of `[fs]`: whether it removes all of it. `None`: it does not apply.
    fn of_path(&self, entry: &PathEntry) -> Option<bool> {
        let LiftedPlace::Path(place) = &self.place else {
            return None;
        };
        if entry.list.allows() {
            return None;
        }
        let (own, other) = (place.base_bytes(), entry.pattern.base_bytes());
        if place.covers(other) || place.is_same(&entry.pattern) {
            return Some(true);
        }
        // A pattern may match beneath a directory that it does not name.
        let beneath =
            || self.holds && !entry.pattern.is_literal() && entry.pattern.progress(own).leads_on();
        (entry.pattern.covers(own) || beneath()).then_some(false)
    }

    /// The same for an entry of `[net]`.
    fn of_peer(&self, entry: &NetEntry) -> Option<bool> {
        let LiftedPlace::Peer(endpoint, way) = &self.place else {
            return None;
        };
        if !entry.closes() || !entry.ways.contains(way) {
            return None;
        }
        if contains(endpoint, &entry.endpoint) {
            return Some(entry.ways.len() == 1);
        }
        // Which address a name has is not known in advance; the name itself is.
        (endpoint.name().is_none() && meet(endpoint, &entry.endpoint)).then_some(false)
    }
}

impl PathEntry {
    /// Whether the entry applies to a path: it covers it, and no lift has made it an exception.
    pub fn covers(&self, path: &[u8]) -> bool {
        self.pattern.covers(path) && !self.lifted.iter().any(|lifted| lifted.covers(path))
    }
}

/// An entry of a file: whether of `[fs]` (otherwise `[net]`), the file, and its index in the list.
type Position = (bool, usize, usize);
/// Entries of `lift`: the file, and the index in its list.
type Lifts = BTreeSet<(usize, usize)>;

/// Applies the lifts of all files, of which the first extends the others.
pub(super) fn apply(files: &mut [File], parents: &[Vec<u16>]) -> Vec<Lift> {
    if files.iter().all(|file| file.lifts.is_empty()) {
        return Vec::new();
    }
    let mut known = vec![None; files.len()];
    let lifted = inherited(files, parents, 0, &mut known);
    let mut gone: BTreeSet<Position> = BTreeSet::new();
    for (position, lifts) in lifted {
        for (file, place) in lifts {
            let Some(lift) = files.get(file).and_then(|file| file.lifts.get(place)) else {
                continue;
            };
            let (lift, whole) = (lift.clone(), relation(files, lift, position));
            let Some(whole) = whole else { continue };
            let entry = except(files, position, &lift, whole);
            if whole {
                gone.insert(position);
            }
            let lift = files
                .get_mut(file)
                .and_then(|file| file.lifts.get_mut(place));
            if let (Some(lift), Some(entry)) = (lift, entry) {
                lift.lifted.push(entry);
            }
        }
    }
    for (index, file) in files.iter_mut().enumerate() {
        let mut place = 0..;
        let mut stays = |is_path| !gone.contains(&(is_path, index, place.next().unwrap_or(0)));
        file.paths.retain(|_| stays(true));
        let mut place = 0..;
        let mut stays = |is_path| !gone.contains(&(is_path, index, place.next().unwrap_or(0)));
        file.peers.retain(|_| stays(false));
    }
    files
        .iter_mut()
        .flat_map(|file| std::mem::take(&mut file.lifts))
        .collect()
}

/// For each entry that a file has or inherits, the lifts on its path of inheritance; if there are
/// several paths, those on every path.
fn inherited(
    files: &[File],
    parents: &[Vec<u16>],
    file: usize,
    known: &mut [Option<BTreeMap<Position, Lifts>>],
) -> BTreeMap<Position, Lifts> {
    if let Some(Some(found)) = known.get(file) {
        return found.clone();
    }
    let mut found: BTreeMap<Position, Lifts> = BTreeMap::new();
    let Some(own) = files.get(file) else {
        return found;
    };
    for parent in parents.get(file).map_or(&[][..], Vec::as_slice) {
        for (position, mut lifts) in inherited(files, parents, usize::from(*parent), known) {
            let touching = own.lifts.iter().enumerate();
            let touching = touching.filter(|(_, lift)| relation(files, lift, position).is_some());
            lifts.extend(touching.map(|(place, _)| (file, place)));
            match found.get_mut(&position) {
                Some(known) => *known = on_both(files, known, &lifts),
                None => {
                    found.insert(position, lifts);
                }
            }
        }
    }
    let paths = (0..own.paths.len()).map(|place| (true, file, place));
    let peers = (0..own.peers.len()).map(|place| (false, file, place));
    found.extend(paths.chain(peers).map(|position| (position, Lifts::new())));
    if let Some(slot) = known.get_mut(file) {
        *slot = Some(found.clone());
    }
    found
}

/// The lifts that two paths of inheritance share: those of each that the other path also covers.
fn on_both(files: &[File], one: &Lifts, other: &Lifts) -> Lifts {
    let lift = |(file, place): &(usize, usize)| files.get(*file)?.lifts.get(*place);
    let wider = |outer: &(usize, usize), inner: &(usize, usize)| match (lift(outer), lift(inner)) {
        (Some(outer), Some(inner)) => outer.contains(inner),
        _ => false,
    };
    let of = |some: &Lifts, more: &Lifts| -> Vec<(usize, usize)> {
        let held = some
            .iter()
            .filter(|lift| more.iter().any(|outer| wider(outer, lift)));
        held.copied().collect()
    };
    of(one, other).into_iter().chain(of(other, one)).collect()
}

fn relation(files: &[File], lift: &Lift, (is_path, file, place): Position) -> Option<bool> {
    let file = files.get(file)?;
    match is_path {
        true => lift.of_path(file.paths.get(place)?),
        false => lift.of_peer(file.peers.get(place)?),
    }
}

/// Makes the exception, and returns the entry that it applies to.
fn except(
    files: &mut [File],
    (is_path, file, place): Position,
    lift: &Lift,
    whole: bool,
) -> Option<LiftedEntry> {
    let file = files.get_mut(file)?;
    let (key, text, origin) = match (is_path, &lift.place) {
        (true, LiftedPlace::Path(pattern)) => {
            let entry = file.paths.get_mut(place)?;
            entry.lifted.push(pattern.clone());
            (entry.key(), entry.text.clone(), entry.origin)
        }
        (false, LiftedPlace::Peer(endpoint, way)) => {
            let entry = file.peers.get_mut(place)?;
            entry.lifted.push((endpoint.clone(), *way));
            (entry.key(), entry.text.clone(), entry.origin)
        }
        _ => return None,
    };
    Some(LiftedEntry {
        key,
        text,
        origin,
        whole,
    })
}

/// Errors for lifts that name what the baseline protects: the memory of processes, and the files of the
/// policy itself.
pub(super) fn past_baseline(policy: &Policy) -> Vec<Diagnostic> {
    let protected = |lift: &Lift| -> Option<&'static str> {
        let LiftedPlace::Path(pattern) = &lift.place else {
            return None;
        };
        let named = |file: &PathBuf| pattern.is_literal() && pattern.base() == file;
        let mut files = policy.sources.iter().flat_map(|source| &source.files);
        if files.any(named) {
            return Some("a file of the policy itself");
        }
        let path = pattern.base_bytes();
        let memory = path.starts_with(b"/proc/") && path.ends_with(b"/mem");
        memory.then_some("the memory of a process")
    };
    let lifts = policy.lifts.iter();
    lifts
        .filter_map(|lift| {
            let what = protected(lift)?;
            let message = format!(
                "{} \"{}\" is {what}: no policy can lift that",
                lift.key(),
                lift.text
            );
            let span = policy.span(lift.origin, &lift.text);
            Some(
                Diagnostic::error(Code::Baseline, message)
                    .at(lift.origin.source, span)
                    .help("the jail protects itself with it: remove the entry"),
            )
        })
        .collect()
}

/// Warnings about lifts of the main file that lift nothing.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    for lift in &policy.lifts {
        if !policy.is_own(lift.origin) || lift.optional || !lift.lifted.is_empty() {
            continue;
        }
        let message = format!("{} \"{}\" lifts nothing", lift.key(), lift.text);
        let span = policy.span(lift.origin, &lift.text);
        let warning = Diagnostic::warning(Code::LiftsNothing, message).at(lift.origin.source, span);
        warnings.push(warning.help(instead(policy, lift)));
    }
}

/// An entry that denies: its list, text and place.
type Closing<'p> = (String, &'p str, Origin);

/// What may have been meant.
fn instead(policy: &Policy, lift: &Lift) -> String {
    let paths = policy.paths.iter().filter(|entry| !entry.list.allows());
    let paths = paths.map(|entry| {
        let closing: Closing<'_> = (entry.key(), &entry.text, entry.origin);
        (closing, lift.of_path(entry).is_some())
    });
    let peers = policy
        .peers
        .iter()
        .filter(|entry| entry.list == NetList::Deny);
    let peers = peers.map(|entry| {
        let closing: Closing<'_> = (entry.key(), &entry.text, entry.origin);
        (closing, lift.of_peer(entry).is_some())
    });
    let all: Vec<(Closing<'_>, bool)> = match lift.place {
        LiftedPlace::Path(_) => paths.collect(),
        LiftedPlace::Peer(..) => peers.collect(),
    };
    if let Some(((key, text, origin), _)) = all.iter().find(|(_, about)| *about) {
        let at = policy.place(*origin);
        return match origin.source == lift.origin.source {
            true => format!("{key} \"{text}\" at {at} is not inherited: change it there"),
            false => {
                format!("{key} \"{text}\" at {at} is also inherited another way: lift it there")
            }
        };
    }
    let inherited = || {
        all.iter()
            .filter(|((_, _, origin), _)| origin.source != lift.origin.source)
    };
    let texts = inherited().map(|((_, text, _), _)| *text);
    let near = nearest(&lift.text, texts).or_else(|| {
        let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
        let same = |text: &&str| name(text) == name(&lift.text);
        inherited().map(|((_, text, _), _)| *text).find(same)
    });
    let found = near.and_then(|near| inherited().find(|((_, text, _), _)| *text == near));
    match found {
        Some(((key, text, origin), _)) => {
            format!(
                "the nearest inherited entry is {key} \"{text}\" at {}",
                policy.place(*origin)
            )
        }
        None if inherited().next().is_none() => {
            "no file that this one extends denies anything of this kind: remove it".to_owned()
        }
        None => "no inherited entry covers it or lies in it: remove it, or write `optional = true`"
            .to_owned(),
    }
}
