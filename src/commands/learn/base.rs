//! The policy that is continued, and the one that holds while it is learned.

use super::{file, kinds};
use crate::baseline::Baseline;
use crate::judge::Judge;
use crate::paths::Access;
use crate::policy::{Action, List, PathContext, PathEntry, Policy, Problems, written};
use crate::report::Place;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The presets that hold while jail learns, whatever the policy extends.
pub const GUARDS: [&str; 3] = ["protect-credentials", "protect-triggers", "deny-metadata"];
/// Those of them that a new policy extends.
const KEPT: usize = 2;

/// The policy that is continued.
pub struct Base {
    /// Its file as typed; `None`: it is printed.
    file: Option<PathBuf>,
    /// Its name in messages.
    name: String,
    /// The text of the file; `None`: it does not exist.
    disk: Option<String>,
    /// The text to which entries are added.
    text: String,
    /// The presets that it consists of.
    presets: Vec<String>,
    /// The domains that the file itself has.
    domains: Vec<String>,
}

impl Base {
    /// `file`, if it exists, else a new policy that extends `extends`. `lift`: guarded places that may be
    /// learned.
    pub fn new(
        file: Option<&Path>,
        extends: &[String],
        lift: &[String],
        color: bool,
    ) -> Result<Base, String> {
        let name = file.map_or("the learned policy".into(), |file| file.to_string_lossy());
        let found = match file.map(fs::read_to_string) {
            Some(Ok(text)) => Some(text),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                return Err(format!(
                    "cannot read the policy {name}: {error}; nothing was run"
                ));
            }
            Some(Err(_)) | None => None,
        };
        let mut base = Base {
            file: file.map(Path::to_owned),
            name: name.into_owned(),
            text: found.clone().unwrap_or_else(|| template(extends)),
            disk: found,
            presets: Vec::new(),
            domains: Vec::new(),
        };
        let policy = base.load(&base.text, color)?;
        let own = policy
            .domains
            .iter()
            .filter(|domain| domain.is_of_main_file());
        base.domains = own.map(|domain| domain.name.clone()).collect();
        let open = policy.default.action == Action::Allow;
        if open && base.domains.is_empty() {
            return Err(format!(
                "{} has default = \"allow\": it lacks nothing that could be learned; nothing was run",
                base.name
            ));
        }
        base.presets = presets(&policy);
        let guards = GUARDS.into_iter().take(KEPT);
        let lacking: Vec<&str> = guards.filter(|guard| !base.has(guard)).collect();
        if !lacking.is_empty() && !open {
            let text = file::extended(&base.text, &lacking)?;
            let extended = base.load(&text, color)?;
            if keeps_open(&policy, &extended) {
                base.text = text;
                base.presets = presets(&extended);
            }
        }
        base.text = file::lifted(&base.text, lift)?;
        base.load(&base.text, color)?;
        Ok(base)
    }

    fn has(&self, preset: &str) -> bool {
        self.presets.iter().any(|known| known == preset)
    }

    /// The domains that are continued.
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// The policy that holds while it is learned: this one, with [`GUARDS`], and with domains that are watched.
    pub fn guarded(&self, watches: bool, color: bool) -> Result<Policy, String> {
        let lacking: Vec<&str> = GUARDS
            .into_iter()
            .filter(|guard| !self.has(guard))
            .collect();
        let text = match lacking.is_empty() {
            true => self.text.clone(),
            false => file::extended(&self.text, &lacking)?,
        };
        let policy = self.load(&text, color)?;
        match watches {
            true => self.load(&kinds::watched(&text, &policy)?, color),
            false => Ok(policy),
        }
    }

    /// A policy with this text in the place of the file.
    pub fn load(&self, text: &str, color: bool) -> Result<Policy, String> {
        self.parse(text).map_err(|problems| {
            let shown = problems.render(color);
            format!("the policy {} cannot be used\n{shown}", self.name)
        })
    }

    fn parse(&self, text: &str) -> Result<Policy, Problems> {
        Policy::load_text_in(text, &self.name, &self.path(), PathContext::own())
    }

    /// The file, absolute. A policy that is printed is one in this directory.
    fn path(&self) -> PathBuf {
        let file = self.file.as_deref().unwrap_or(Path::new("learned.toml"));
        std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file as it was before; `None`: it does not exist.
    pub fn disk(&self) -> Option<&str> {
        self.disk.as_deref()
    }

    /// The text to continue. The file must still be what it was.
    pub fn text(&self) -> Result<&str, String> {
        let Some(file) = &self.file else {
            return Ok(&self.text);
        };
        let same = match fs::read_to_string(file) {
            Ok(text) => self.disk.as_ref() == Some(&text),
            Err(error) => error.kind() == ErrorKind::NotFound && self.disk.is_none(),
        };
        match same {
            true => Ok(&self.text),
            false => Err(format!("{} was changed while the command ran", self.name)),
        }
    }

    /// Writes the file whole or not at all, unless it would stay as it is; or prints it.
    pub fn save(&self, text: &str) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("cannot write the policy {}: {error}", self.name)
        };
        let Some(file) = &self.file else {
            print!("{text}");
            return Ok(());
        };
        if self.disk.as_deref() == Some(text) {
            return Ok(());
        }
        let place = Place::file(file).map_err(|error| failed(&error))?;
        place.write(text.as_bytes()).map_err(|error| failed(&error))
    }
}

/// The presets that a policy consists of.
fn presets(policy: &Policy) -> Vec<String> {
    let presets = policy.sources.iter().filter(|source| source.preset);
    presets.map(|source| source.name.clone()).collect()
}

/// Whether all that the entries of one policy open is open in another one.
fn keeps_open(policy: &Policy, other: &Policy) -> bool {
    let judge = |policy: &Policy| Judge::new(policy, &Baseline::new(0));
    let (before, after) = (judge(policy), judge(other));
    let literal = |entry: &&PathEntry| entry.list.allows() && entry.pattern.is_literal();
    policy.paths.iter().filter(literal).all(|entry| {
        let access = match entry.list {
            List::Write => Access::Write,
            List::Exec => Access::Exec,
            _ => Access::Read,
        };
        let open =
            |judge: &Judge| judge.path(access, entry.pattern.base_bytes()).action == Action::Allow;
        !open(&before) || open(&after)
    })
}

/// A new policy.
fn template(extends: &[String]) -> String {
    let extends: Vec<String> = extends.iter().map(|name| written::quoted(name)).collect();
    format!(
        "extends = [{}]\n\n[process]\ntmpdir = \"fresh\"\n",
        extends.join(", ")
    )
}
