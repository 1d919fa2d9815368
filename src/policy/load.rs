//! Reads the files and presets that make up a policy, each once, and joins them.
//!
//! This is the only I/O of `policy`: opening and reading the named files.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::capability::past_peers;
use super::domains::Domains;
use super::file::File;
use super::inherit::inherit;
use super::layers::{self, Layers};
use super::led;
use super::lift;
use super::merge::merge;
use super::parse::{parse, parse_preset};
use super::places::{PathContext, way_to};
use super::presets::{Preset, names, preset, presets};
use super::temporary;
use super::{Action, Code, Default, Diagnostic, Origin, Policy, Problems, Source};
use crate::condition::nearest;
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;

/// The maximum size of a policy; it stops the reading of an endless device file.
const MAX_BYTES: u64 = 1 << 20;
/// How many files may make up a policy, and how long a chain of `extends` may be.
const MAX_FILES: usize = 256;
const MAX_CHAIN: usize = 32;

impl Policy {
    /// Loads the argument of `--policy`: a preset's name, or a path relative to `dir`.
    ///
    /// # Errors
    /// All errors in all files.
    pub fn load(name_or_path: &str, dir: &Path) -> Result<Policy, Problems> {
        Policy::of(&Layers::one(name_or_path), dir)
    }

    /// The policy of a command line; its files are relative to `dir`.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn of(layers: &Layers, dir: &Path) -> Result<Policy, Problems> {
        Loading::new(PathContext::own()).start(layers, dir)
    }

    /// As [`Policy::of`], with warnings: [`lint`](super::lint) returns them, and if the policy cannot
    /// be used, they are listed with the errors.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn of_to_check(layers: &Layers, dir: &Path) -> Result<Policy, Problems> {
        Loading {
            warns: true,
            ..Loading::new(PathContext::own())
        }
        .start(layers, dir)
    }

    /// As [`Policy::load`], to start a command: the `[[test]]`s of presets, which are known to pass, are
    /// left out to save time.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_to_run(name_or_path: &str, dir: &Path) -> Result<Policy, Problems> {
        Policy::load_to_run_in(name_or_path, dir, PathContext::own())
    }

    /// As [`Policy::load_to_run`], for a command that starts elsewhere: its paths are relative to
    /// that place.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_to_run_in(
        name_or_path: &str,
        dir: &Path,
        around: PathContext,
    ) -> Result<Policy, Problems> {
        Policy::of_to_run_in(&Layers::one(name_or_path), dir, around)
    }

    /// As [`Policy::load_to_run_in`], for the policy of a command line.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn of_to_run_in(
        layers: &Layers,
        dir: &Path,
        around: PathContext,
    ) -> Result<Policy, Problems> {
        Loading {
            to_run: true,
            ..Loading::new(around)
        }
        .start(layers, dir)
    }

    /// A built-in policy.
    ///
    /// # Errors
    /// If there is none with that name.
    pub fn preset(name: &str) -> Result<Policy, Problems> {
        let mut loading = Loading::new(PathContext::own());
        match preset(name) {
            Some(preset) => loading.add(Found::preset(preset)),
            None => loading.problems.push(unknown_preset(name, "")),
        }
        loading.finish()
    }

    /// A policy given as text, as if it were the content of the file `path`, which need not exist and is
    /// protected as that of a policy.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_text_in(
        text: &str,
        name: &str,
        path: &Path,
        around: PathContext,
    ) -> Result<Policy, Problems> {
        let mut loading = Loading {
            to_run: true,
            ..Loading::new(around)
        };
        let directory = path.parent().map(Path::to_path_buf);
        loading.add(Found {
            name: name.to_owned(),
            preset: None,
            text: Cow::Owned(text.to_owned()),
            layers: None,
            dir: directory,
            identity: None,
            files: way_to(path),
        });
        loading.finish()
    }

    /// A policy given as text, which may extend presets only; `name` is its name in messages.
    ///
    /// # Errors
    /// All errors.
    pub fn parse(text: &str, name: &str) -> Result<Policy, Problems> {
        let mut loading = Loading::new(PathContext::own());
        let text = Cow::Owned(text.to_owned());
        loading.add(Found {
            name: name.to_owned(),
            preset: None,
            text,
            layers: None,
            dir: None,
            identity: None,
            files: Vec::new(),
        });
        loading.finish()
    }
}

/// The meaning of a name in `--policy` or `extends`.
pub(super) enum Reference {
    Preset(&'static Preset),
    File(PathBuf),
}

/// Boxed, because it is rare and large.
pub(super) type Refusal = Box<Diagnostic>;

pub(super) fn reference(name: &str, dir: Option<&Path>) -> Result<Reference, Refusal> {
    if name.contains('/') || name.ends_with(".toml") {
        let Some(dir) = dir else {
            return Err(Box::new(
                Diagnostic::error(
                    Code::Extends,
                    format!("only presets can be extended here, not `{name}`"),
                )
                .help("a policy without a file has no directory to resolve a path from"),
            ));
        };
        return Ok(Reference::File(dir.join(name)));
    }
    if let Some(preset) = preset(name) {
        return Ok(Reference::Preset(preset));
    }
    let hint = match dir {
        Some(dir) if dir.join(name).is_file() => {
            &format!("There is a file of this name: write `./{name}`")
        }
        Some(_) => "A path contains `/` or ends in .toml",
        None => "",
    };
    Err(Box::new(unknown_preset(name, hint)))
}

fn unknown_preset(name: &str, hint: &str) -> Diagnostic {
    let help = match nearest(name, presets().iter().map(|preset| preset.name)) {
        Some(near) => format!("did you mean `{near}`? {hint}"),
        None => format!("the presets are {}. {hint}", names()),
    };
    Diagnostic::error(Code::UnknownPreset, format!("unknown preset `{name}`")).help(help.trim_end())
}

fn unreadable(name: &str, error: &io::Error) -> Diagnostic {
    let reason = error.to_string();
    let reason = reason.split(" (os error").next().unwrap_or_default();
    let problem = Diagnostic::error(
        Code::Unreadable,
        format!("cannot read the policy `{name}`: {reason}"),
    );
    let stem = Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    problem.help(match error.kind() {
        io::ErrorKind::NotFound if preset(stem).is_some() => {
            format!("the preset is called `{stem}`")
        }
        io::ErrorKind::PermissionDenied => {
            "make the file readable for the user who starts jail".to_owned()
        }
        io::ErrorKind::FileTooLarge => {
            "a policy is a short text: is this the right file?".to_owned()
        }
        io::ErrorKind::InvalidData => "save the file as UTF-8".to_owned(),
        io::ErrorKind::IsADirectory => "give the path of a file in it".to_owned(),
        _ => format!("give the path of a policy file, or a preset: {}", names()),
    })
}

/// Device and inode, which identify a file that is reached by two paths.
type Identity = (u64, u64);

/// The text of a file, its identity, and its path ([`Source::files`]).
fn read(path: &Path) -> io::Result<(String, Identity, Vec<PathBuf>)> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    // A pipe has no path that could affect a later run.
    let files = match metadata.is_file() {
        true => way_to(path),
        false => Vec::new(),
    };
    let mut bytes = Vec::with_capacity(metadata.len().min(MAX_BYTES) as usize + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error
            .as_bytes()
            .iter()
            .take(valid)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("line {line} is not UTF-8 text"),
        )
    })?;
    Ok((text, (metadata.dev(), metadata.ino()), files))
}

/// A file or a preset that has been read.
#[derive(Clone)]
struct Found {
    name: String,
    preset: Option<&'static Preset>,
    text: Cow<'static, str>,
    /// What the text shows, for the command line.
    layers: Option<Layers>,
    /// The directory that its paths are relative to.
    dir: Option<PathBuf>,
    /// Its identity; presets and texts have none.
    identity: Option<Identity>,
    /// As [`Source::files`].
    files: Vec<PathBuf>,
}

impl Found {
    fn preset(preset: &'static Preset) -> Found {
        let text = Cow::Borrowed(preset.text);
        Found {
            name: preset.name.to_owned(),
            preset: Some(preset),
            text,
            layers: None,
            dir: None,
            identity: None,
            files: Vec::new(),
        }
    }

    fn command_line(layers: &Layers, dir: &Path) -> Found {
        Found {
            name: layers::NAME.to_owned(),
            preset: None,
            text: Cow::Owned(layers.text()),
            layers: Some(layers.clone()),
            dir: Some(dir.to_owned()),
            identity: None,
            files: Vec::new(),
        }
    }

    fn file(name: String, path: &Path) -> io::Result<Found> {
        let (text, identity, files) = read(path)?;
        let dir = path.parent().map(Path::to_path_buf);
        Ok(Found {
            name,
            preset: None,
            text: Cow::Owned(text),
            layers: None,
            dir,
            identity: Some(identity),
            files,
        })
    }
}

struct Loading {
    sources: Vec<Source>,
    files: Vec<File>,
    /// The identity of each source.
    identities: Vec<Option<Identity>>,
    /// For each source, the sources that it extends.
    parents: Vec<Vec<u16>>,
    /// The sources that are being loaded: each is extended by the one before it.
    chain: Vec<u16>,
    problems: Vec<Diagnostic>,
    /// Whether the tests of a preset are left out.
    to_run: bool,
    /// Whether to collect warnings for a policy that cannot be used.
    warns: bool,
    around: PathContext,
    /// The first source, in case all must be read again.
    main: Option<Found>,
}

impl Loading {
    fn new(around: PathContext) -> Loading {
        Loading {
            sources: Vec::new(),
            files: Vec::new(),
            identities: Vec::new(),
            parents: Vec::new(),
            chain: Vec::new(),
            problems: Vec::new(),
            to_run: false,
            warns: false,
            around,
            main: None,
        }
    }

    fn start(mut self, layers: &Layers, dir: &Path) -> Result<Policy, Problems> {
        let Some(name_or_path) = layers.alone() else {
            self.add(Found::command_line(layers, dir));
            return self.finish();
        };
        match reference(name_or_path, Some(dir)) {
            Ok(Reference::Preset(preset)) => self.add(Found::preset(preset)),
            Ok(Reference::File(path)) => match Found::file(name_or_path.to_owned(), &path) {
                Ok(found) => self.add(found),
                Err(error) => self.problems.push(unreadable(name_or_path, &error)),
            },
            Err(problem) => self.problems.push(*problem),
        }
        self.finish()
    }

    /// Adds a source and all that it extends.
    fn add(&mut self, found: Found) {
        if self.sources.is_empty() {
            self.main = Some(found.clone());
        }
        let Found {
            name,
            preset,
            text,
            layers,
            dir,
            identity,
            files,
        } = found;
        let index = self.sources.len() as u16;
        let without_tests = self.to_run || index != 0 && !self.is_named();
        let (mut file, problems) = match (&layers, preset) {
            (Some(layers), _) => layers::parse(index, &text, layers, &self.around),
            (None, Some(preset)) if without_tests => parse_preset(index, preset, &self.around),
            (None, _) => parse(index, &text, &self.around),
        };
        self.problems.extend(problems);
        let extends = std::mem::take(&mut file.extends);
        self.sources.push(Source {
            name: name.clone(),
            preset: preset.is_some(),
            flags: layers.is_some(),
            text,
            extends: Vec::new(),
            files,
        });
        self.files.push(file);
        self.identities.push(identity);
        self.parents.push(Vec::new());
        self.chain.push(index);
        for (extended, span) in extends {
            let parent = match self.extended(&extended, &name, dir.as_deref()) {
                Ok(parent) => parent,
                Err(problem) => {
                    self.problems.push(problem.at(index, span));
                    continue;
                }
            };
            let line = self.line(index, span.start);
            if let Some(parents) = self.parents.get_mut(usize::from(index)) {
                parents.push(parent);
            }
            if let Some(source) = self.sources.get_mut(usize::from(index)) {
                source.extends.push((parent, line));
            }
        }
        self.extend_domains(index, &name, dir.as_deref());
        self.chain.pop();
    }

    /// Loads what the domains of a source extend. It is no part of the main policy.
    fn extend_domains(&mut self, index: u16, name: &str, dir: Option<&Path>) {
        let file = self.files.get_mut(usize::from(index));
        let mut parts = file.map_or_else(Vec::new, |file| std::mem::take(&mut file.domains));
        for part in &mut parts {
            for (extended, span) in std::mem::take(&mut part.file.extends) {
                match self.extended(&extended, name, dir) {
                    Ok(found) => part.extended.push((found, span)),
                    Err(problem) => self.problems.push(problem.at(index, span)),
                }
            }
        }
        if let Some(file) = self.files.get_mut(usize::from(index)) {
            file.domains = parts;
        }
    }

    /// Whether the command line names the source that is about to be added.
    fn is_named(&self) -> bool {
        let main = self.sources.first();
        self.chain.len() == 1 && main.is_some_and(|main| main.flags)
    }

    /// The index of an extended source, which is loaded unless it has been before.
    fn extended(&mut self, name: &str, by: &str, dir: Option<&Path>) -> Result<u16, Diagnostic> {
        if self.sources.len() == MAX_FILES || self.chain.len() == MAX_CHAIN {
            return Err(
                Diagnostic::error(Code::Extends, "too many files extend one another")
                    .help(format!("at most {MAX_FILES} files, {MAX_CHAIN} in a chain")),
            );
        }
        match reference(name, dir).map_err(|problem| *problem)? {
            Reference::Preset(preset) => {
                let known = self
                    .sources
                    .iter()
                    .position(|source| source.preset && source.name == name);
                if let Some(known) = known {
                    return self.no_cycle(known as u16);
                }
                let index = self.sources.len() as u16;
                self.add(Found::preset(preset));
                Ok(index)
            }
            Reference::File(path) => {
                let found = Found::file(shown(name, by), &path)
                    .map_err(|error| unreadable(name, &error))?;
                let known = self
                    .identities
                    .iter()
                    .position(|known| known.is_some() && *known == found.identity);
                if let Some(known) = known {
                    // The same file by another path, which is protected, too.
                    if let Some(source) = self.sources.get_mut(known) {
                        source.files.extend(found.files);
                    }
                    return self.no_cycle(known as u16);
                }
                let index = self.sources.len() as u16;
                self.add(found);
                Ok(index)
            }
        }
    }

    /// The source, unless it is one of those that are being loaded (a cycle).
    fn no_cycle(&self, known: u16) -> Result<u16, Diagnostic> {
        let Some(start) = self.chain.iter().position(|index| *index == known) else {
            return Ok(known);
        };
        let cycle = self
            .chain
            .get(start..)
            .unwrap_or_default()
            .iter()
            .chain([&known]);
        let names: Vec<&str> = cycle
            .filter_map(|index| self.sources.get(usize::from(*index)))
            .map(|source| source.name.as_str())
            .collect();
        Err(Diagnostic::error(
            Code::Cycle,
            format!("`extends` forms a cycle: {}", names.join(" → ")),
        )
        .help("remove one of these `extends`"))
    }

    fn line(&self, source: u16, at: usize) -> u32 {
        let text = self
            .sources
            .get(usize::from(source))
            .map_or("", |source| &source.text);
        text.bytes().take(at).filter(|byte| *byte == b'\n').count() as u32 + 1
    }

    /// A file used TMPDIR before another said that it is not the caller's.
    fn again(mut self) -> Result<Policy, Problems> {
        let place = temporary::place(&self.around);
        let around = self.around.with_tmpdir(place);
        let main = self.main.take();
        let mut anew = Loading {
            to_run: self.to_run,
            warns: self.warns,
            ..Loading::new(around)
        };
        let Some(main) = main else {
            return anew.finish();
        };
        anew.add(main);
        anew.finish()
    }

    /// The main file; the command line has the tests and the description of the files that it names.
    fn main_file(&mut self) -> File {
        let mut main = self.files.first_mut().map(std::mem::take);
        let main_flags = self.sources.first().is_some_and(|main| main.flags);
        let named = self.parents.first().filter(|_| main_flags);
        let named = named.map(Vec::as_slice).unwrap_or_default();
        if let Some(main) = &mut main {
            for index in named {
                let Some(file) = self.files.get_mut(usize::from(*index)) else {
                    continue;
                };
                main.tests.append(&mut file.tests);
                if named.len() == 1 {
                    main.description = file.description.take();
                }
            }
        }
        main.unwrap_or_default()
    }

    fn finish(mut self) -> Result<Policy, Problems> {
        if self.around.tmpdir_is_fresh.get()
            && self.around.tmpdir_is_used.get()
            && self.around.tmpdir.get().is_none()
        {
            return self.again();
        }
        let mut wrong = std::mem::take(&mut self.problems);
        let broken = wrong.iter().any(|problem| problem.code == Code::Toml);
        if self.files.is_empty() || !wrong.is_empty() && (broken || !self.warns) {
            sort_by_key(&mut wrong, |problem| (problem.source, problem.span.start));
            return Err(Problems {
                sources: self.sources,
                diagnostics: wrong,
            });
        }
        let domains = Domains::new(&mut self.files, &self.parents);
        let (process, mut problems) = inherit(&self.files, &self.parents, &self.sources);
        let lifts = lift::apply(&mut self.files, &self.parents);
        let merged = merge(&mut self.files, &self.parents);
        let main = self.main_file();
        let mut policy = Policy {
            sources: self.sources.into(),
            description: main.description,
            default: merged.default.unwrap_or(Default {
                action: Action::Deny(Errno::EPERM),
                origin: Origin { source: 0, line: 1 },
            }),
            syscalls: merged.entries,
            rules: merged.rules,
            paths: merged.paths,
            left_out: merged.left_out,
            peers: merged.peers,
            lifts,
            limits: merged.limits,
            process,
            tests: main.tests,
            tmpdir: None,
            relative: self.around.relative.get(),
            domains: Vec::new(),
            domain_name: None,
            open_calls: false,
        };
        if !wrong.is_empty() {
            wrong.extend(super::lint::lint_rest(&policy));
            sort_by_key(&mut wrong, |problem| (problem.source, problem.span.start));
            return Err(Problems {
                sources: policy.sources.to_vec(),
                diagnostics: wrong,
            });
        }
        temporary::grant(&mut policy, &self.around);
        problems.extend(domains.add_to(&mut policy));
        problems.extend(past_peers(&policy));
        problems.extend(led::elsewhere(&policy));
        problems.extend(lift::past_baseline(&policy));
        sort_by_key(&mut problems, |problem| {
            (problem.source, problem.span.start)
        });
        match problems.is_empty() {
            true => Ok(policy),
            false => Err(Problems {
                sources: policy.sources.to_vec(),
                diagnostics: problems,
            }),
        }
    }
}

/// The name of an extended file in messages: its path relative to where the first file's paths start.
fn shown(name: &str, by: &str) -> String {
    let name = name.strip_prefix("./").unwrap_or(name);
    match by.rsplit_once('/') {
        Some((dir, _)) if !name.starts_with('/') => format!("{dir}/{name}"),
        _ => name.to_owned(),
    }
}
