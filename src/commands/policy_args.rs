//! The arguments that say which policy holds: `--policy`, and the flags that are entries for one run. All
//! commands that take a policy share them.

use crate::policy::{Flag, FlagKind, Layers, written};
use clap::Args;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

/// The policies, and the flags.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyArgs {
    /// A built-in policy (see `jail presets`) or a TOML file; may be given several times, and is joined as
    /// `extends` joins
    #[arg(short, long, value_name = "POLICY")]
    policy: Vec<String>,
    #[command(flatten)]
    flags: PolicyFlags,
}

/// Their heading in `--help`.
const ENTRIES: &str = "Entries of the policy for this run";

/// The flags that are entries of the policy for one run. Their values are written as in a policy file.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyFlags {
    /// Let the command read this path and all beneath it
    #[arg(long, help_heading = ENTRIES, value_name = "PATH")]
    allow_read: Vec<OsString>,
    /// Let the command read and change this path and all beneath it
    #[arg(long, help_heading = ENTRIES, value_name = "PATH")]
    allow_write: Vec<OsString>,
    /// Let the command execute this program, or those beneath this directory
    #[arg(long, help_heading = ENTRIES, value_name = "PATH")]
    allow_exec: Vec<OsString>,
    /// Let the command connect there: HOST:PORTS, udp://HOST:PORTS, unix:PATH
    #[arg(long, help_heading = ENTRIES, value_name = "ENDPOINT")]
    allow_net: Vec<OsString>,
    /// Deny this path or endpoint, whatever else allows it
    #[arg(long, help_heading = ENTRIES, value_name = "PATH|ENDPOINT")]
    deny: Vec<OsString>,
    /// Set a key of limits, process or syscalls, or default: limits.wall=10s
    #[arg(long, help_heading = ENTRIES, value_name = "KEY=VALUE")]
    set: Vec<OsString>,
}

impl PolicyArgs {
    /// What they say; the error is a message.
    pub fn layers(&self) -> Result<Layers, String> {
        self.flags.layers(self.policy.clone())
    }

    /// The flags on top of this policy, or of those that are named; `None`: none is named.
    pub fn over(&self, policy: Option<String>) -> Result<Option<Layers>, String> {
        let policies = policy.map_or_else(|| self.policy.clone(), |policy| vec![policy]);
        match policies.is_empty() {
            true => Ok(None),
            false => self.flags.layers(policies).map(Some),
        }
    }

    /// What they say; the error is printed, and `None` returned.
    pub fn layers_or_message(&self, err: &mut dyn Write) -> io::Result<Option<Layers>> {
        self.flags.layers_or_message(self.policy.clone(), err)
    }

    /// The same as arguments of another jail.
    pub fn arguments(&self) -> Vec<OsString> {
        let policies = self
            .policy
            .iter()
            .flat_map(|name| ["--policy".into(), name.into()]);
        policies.chain(self.flags.arguments()).collect()
    }

    /// Adds what the option of this name says, as clap would; `None`: it is none of these.
    pub fn set(&mut self, name: &[u8], value: OsString) -> Option<()> {
        let flags = &mut self.flags;
        match name {
            b"-p" | b"--policy" => self.policy.push(value.into_string().ok()?),
            b"--allow-read" => flags.allow_read.push(value),
            b"--allow-write" => flags.allow_write.push(value),
            b"--allow-exec" => flags.allow_exec.push(value),
            b"--allow-net" => flags.allow_net.push(value),
            b"--deny" => flags.deny.push(value),
            b"--set" => flags.set.push(value),
            _ => return None,
        }
        Some(())
    }

    /// The presets and files.
    pub fn named(&self) -> &[String] {
        &self.policy
    }
}

impl PolicyFlags {
    /// The flags on top of these policies; an error is printed, and `None` returned.
    pub fn layers_or_message(
        &self,
        policies: Vec<String>,
        err: &mut dyn Write,
    ) -> io::Result<Option<Layers>> {
        match self.layers(policies) {
            Ok(layers) => Ok(Some(layers)),
            Err(message) => {
                writeln!(err, "jail: {message}")?;
                Ok(None)
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        let lists = [
            &self.allow_read,
            &self.allow_write,
            &self.allow_exec,
            &self.allow_net,
            &self.deny,
            &self.set,
        ];
        lists.iter().all(|list| list.is_empty())
    }

    /// The same as arguments of another jail.
    fn arguments(&self) -> Vec<OsString> {
        let all = self.all().into_iter();
        let words = all.flat_map(|(kind, values)| {
            values.iter().map(move |value| {
                let mut word = OsString::from(format!("{}=", kind.name()));
                word.push(value);
                word
            })
        });
        words.collect()
    }

    /// Each kind with its values.
    fn all(&self) -> [(FlagKind, &Vec<OsString>); 6] {
        [
            (FlagKind::AllowRead, &self.allow_read),
            (FlagKind::AllowWrite, &self.allow_write),
            (FlagKind::AllowExec, &self.allow_exec),
            (FlagKind::AllowNet, &self.allow_net),
            (FlagKind::Deny, &self.deny),
            (FlagKind::Set, &self.set),
        ]
    }

    /// The flags on top of these policies; the error is a message.
    pub fn layers(&self, policies: Vec<String>) -> Result<Layers, String> {
        let mut flags = Vec::new();
        for (kind, values) in self.all() {
            for value in values {
                let value = text(kind, value)?;
                flags.push(Flag { kind, value });
            }
        }
        Ok(Layers { policies, flags })
    }
}

/// The value as text, which all parts of a policy are.
fn text(kind: FlagKind, value: &OsString) -> Result<String, String> {
    if let Some(text) = value.to_str() {
        return Ok(text.to_owned());
    }
    let shown = value.to_string_lossy();
    let name = kind.name();
    let help = match value.as_bytes() {
        path if path.starts_with(b"/") => {
            format!(
                "; write `[! -~]` for each byte that is not: {name} '{}'",
                written::path(path)
            )
        }
        _ => "; write `[! -~]` for each byte that is not".to_owned(),
    };
    Err(format!("{name} {shown}: it is not UTF-8 text{help}"))
}
