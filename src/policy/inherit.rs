//! Merges `[process]` of files that extend one another: a file's own value replaces inherited ones, and
//! values that are inherited twice must be equal. `isolate` is a list of restrictions, so these lists
//! are joined.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::File;
use super::isolate::{self, Isolation};
use super::process::{Process, Setting, TemporaryDirectory, User, Variables};
use super::{Code, Diagnostic, Origin, Source};
use caps::Capability;

/// The values that a file has or inherits: more than one if the files that it extends differ.
#[derive(Clone, std::default::Default)]
struct Candidates {
    pass: Option<Vec<Variables>>,
    set: BTreeMap<String, Vec<Setting<String>>>,
    directory: Vec<Setting<PathBuf>>,
    umask: Vec<Setting<u32>>,
    nice: Vec<Setting<i32>>,
    capabilities: Option<Vec<Setting<Capability>>>,
    stdin: Vec<Setting<PathBuf>>,
    user: Vec<Setting<User>>,
    isolate: Vec<Setting<Isolation>>,
    tmpdir: Vec<Setting<TemporaryDirectory>>,
}

/// Merges the first file and those that it extends, and reports conflicts.
pub(super) fn inherit(
    files: &[File],
    parents: &[Vec<u16>],
    sources: &[Source],
) -> (Process, Vec<Diagnostic>) {
    let mut known = vec![None; files.len()];
    let found = candidates(files, parents, &mut known, 0);
    let mut settle = Settle {
        sources,
        problems: Vec::new(),
    };
    let process = Process {
        pass: found.pass,
        set: found
            .set
            .into_iter()
            .filter_map(|(name, values)| {
                let value = settle.one(&format!("env.set.{name}"), values, |text| {
                    format!("{text:?}")
                });
                Some((name, value?))
            })
            .collect(),
        directory: settle.one("cwd", found.directory, |path| shown_path(path)),
        umask: settle.one("umask", found.umask, |mask| format!("\"{mask:03o}\"")),
        nice: settle.one("nice", found.nice, i32::to_string),
        capabilities: found.capabilities,
        stdin: settle.one("stdin", found.stdin, |path| shown_path(path)),
        user: settle.one("user", found.user, |user| format!("\"{user}\"")),
        isolate: found.isolate,
        tmpdir: settle.one("tmpdir", found.tmpdir, |value| format!("\"{value}\"")),
    };
    (process, settle.problems)
}

fn shown_path(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn candidates(
    files: &[File],
    parents: &[Vec<u16>],
    known: &mut [Option<Candidates>],
    at: usize,
) -> Candidates {
    if let Some(Some(known)) = known.get(at) {
        return known.clone();
    }
    let mut inherited = Candidates::default();
    for parent in parents.get(at).into_iter().flatten() {
        inherited.join(candidates(files, parents, known, usize::from(*parent)));
    }
    if let Some(file) = files.get(at) {
        inherited.replace(&file.process);
    }
    if let Some(slot) = known.get_mut(at) {
        *slot = Some(inherited.clone());
    }
    inherited
}

impl Candidates {
    /// Adds the values of another extended file.
    fn join(&mut self, other: Candidates) {
        fn more<T: PartialEq>(values: &mut Vec<Setting<T>>, others: Vec<Setting<T>>) {
            for other in others {
                if values.iter().all(|known| known.value != other.value) {
                    values.push(other);
                }
            }
        }
        for variables in other.pass.into_iter().flatten() {
            let known = self.pass.get_or_insert_default();
            if !known.contains(&variables) {
                known.push(variables);
            }
        }
        for (name, values) in other.set {
            more(self.set.entry(name).or_default(), values);
        }
        more(&mut self.directory, other.directory);
        more(&mut self.umask, other.umask);
        more(&mut self.nice, other.nice);
        more(&mut self.stdin, other.stdin);
        more(&mut self.user, other.user);
        more(&mut self.tmpdir, other.tmpdir);
        self.isolated(&other.isolate);
        self.capabilities = match (self.capabilities.take(), other.capabilities) {
            (Some(mut one), Some(other)) => {
                one.retain(|setting| other.iter().any(|other| other.value == setting.value));
                Some(one)
            }
            (one, other) => one.or(other),
        };
    }

    fn isolated(&mut self, words: &[Setting<Isolation>]) {
        for word in words {
            isolate::add(&mut self.isolate, word.clone());
        }
    }

    /// The file's own values.
    fn replace(&mut self, own: &Process) {
        fn by<T: Clone>(values: &mut Vec<Setting<T>>, own: &Option<Setting<T>>) {
            if let Some(own) = own {
                *values = vec![own.clone()];
            }
        }
        if own.pass.is_some() {
            self.pass.clone_from(&own.pass);
        }
        for (name, value) in &own.set {
            self.set.insert(name.clone(), vec![value.clone()]);
        }
        by(&mut self.directory, &own.directory);
        by(&mut self.umask, &own.umask);
        by(&mut self.nice, &own.nice);
        by(&mut self.stdin, &own.stdin);
        by(&mut self.user, &own.user);
        by(&mut self.tmpdir, &own.tmpdir);
        self.isolated(&own.isolate);
        if own.capabilities.is_some() {
            self.capabilities.clone_from(&own.capabilities);
        }
    }
}

/// Reduces several values to one, or notes a conflict.
struct Settle<'s> {
    sources: &'s [Source],
    problems: Vec<Diagnostic>,
}

impl Settle<'_> {
    fn one<T>(
        &mut self,
        key: &str,
        values: Vec<Setting<T>>,
        shown: impl Fn(&T) -> String,
    ) -> Option<Setting<T>> {
        if let [one, other, ..] = values.as_slice() {
            let message = format!(
                "`{key}` is inherited as {} from {} and as {} from {}",
                shown(&one.value),
                self.place(one.origin),
                shown(&other.value),
                self.place(other.origin),
            );
            let help = match self.sources.first() {
                Some(main) if main.flags => format!("decide with --set process.{key}=VALUE"),
                main => {
                    let main = main.map_or("", |source| &source.name);
                    format!("set it in `[process]` of {main}")
                }
            };
            self.problems.push(
                Diagnostic::error(Code::TwoValues, message)
                    .at(other.origin.source, other.span.clone())
                    .help(help),
            );
        }
        values.into_iter().next()
    }

    fn place(&self, origin: Origin) -> impl fmt::Display {
        let source = self.sources.get(usize::from(origin.source));
        let name = source.map_or("?", |source| &source.name);
        format!("{name}:{}", origin.line)
    }
}
