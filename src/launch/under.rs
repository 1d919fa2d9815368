//! Applies `[process]` of a policy to a command. This needs facts of the host that the policy does not
//! know: the caller's capabilities, a user's ids, whether a file can be opened.

use super::unavailable::Unavailable;
use super::{Command, Isolation, Temporary, User};
use crate::nss;
use crate::plan::Host;
use crate::policy::{self, Isolation as Word, LimitKind, List, Policy, Setting};
use caps::{CapSet, Capability};
use nix::unistd;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path in the command's own `/tmp`.
const PRIVATE_TMPDIR: &str = "/tmp/jail-tmpdir";

impl Command {
    /// The command with `[process]` of a policy applied. Its environment, which must be the caller's, is
    /// filtered and added to; a directory that is already set stays. The rest is replaced where the
    /// policy sets it.
    ///
    /// # Errors
    /// If the policy asks for what this process does not have. Nothing has changed then.
    pub fn under(mut self, policy: &Policy, host: &Host) -> Result<Command, Unavailable> {
        let process = &policy.process;
        if let Some(pass) = &process.pass {
            self.environment.retain(|(name, _)| {
                let name = name.as_bytes();
                pass.iter().any(|variables| variables.glob.matches(name))
            });
        }
        for (name, value) in &process.set {
            self.set_variable(name.as_ref(), value.value.as_ref());
        }
        if let (Some(setting), None) = (&process.directory, &self.directory) {
            let directory = match policy.tmpdir.as_ref() {
                // The run's own directory, which is created later.
                Some(tmpdir) if setting.value.starts_with(tmpdir) => Ok(setting.value.clone()),
                _ => directory(&setting.value),
            };
            self.directory = Some(
                directory
                    .map_err(|(reason, help)| unavailable(policy, setting, "cwd", reason, help))?,
            );
        }
        self.umask = process
            .umask
            .as_ref()
            .map(|setting| setting.value)
            .or(self.umask);
        self.nice = process
            .nice
            .as_ref()
            .map(|setting| setting.value)
            .or(self.nice);
        if let Some(kept) = &process.capabilities {
            for setting in kept {
                held(setting.value)
                    .map_err(|(reason, help)| unavailable(policy, setting, "caps", reason, help))?;
            }
            self.capabilities = kept.iter().map(|setting| setting.value).collect();
        }
        if let Some(setting) = &process.user {
            let user = user(&setting.value)
                .map_err(|(reason, help)| unavailable(policy, setting, "user", reason, help))?;
            self.user = Some(user);
        }
        if let Some(setting) = &process.stdin {
            let file = open(&setting.value)
                .map_err(|(reason, help)| unavailable(policy, setting, "stdin", reason, help))?;
            self.stdin = Some(Arc::new(file.into()));
        }
        self.isolation = isolation(policy, host)?;
        Ok(self)
    }
}

impl Command {
    /// Replaces the placeholder for the run's temporary directory.
    fn settle_tmpdir(&mut self, from: &Path, to: &Path) {
        if let Some(directory) = &mut self.directory
            && let Ok(rest) = directory.strip_prefix(from)
        {
            *directory = to.join(rest);
        }
        let (Some(from), Some(to)) = (from.to_str(), to.to_str()) else {
            return;
        };
        for (_, value) in &mut self.environment {
            if let Some(text) = value.to_str().filter(|text| text.contains(from)) {
                *value = text.replace(from, to).into();
            }
        }
    }

    /// Gives it this temporary directory instead of the policy's placeholder. Its variables then name that, except
    /// those that the caller has `set`.
    pub fn adopt_tmpdir(&mut self, policy: &Policy, path: &Path, set: &dyn Fn(&OsStr) -> bool) {
        if self.isolation.mount {
            self.isolation.tmpdir = Some(path.to_owned());
        }
        if let Some(place) = &policy.tmpdir {
            self.settle_tmpdir(place, path);
        }
        for name in policy::TEMPORARY_VARIABLES.map(OsStr::new) {
            if !set(name) {
                self.set_variable(name, path.as_os_str());
            }
        }
    }
}

impl Temporary {
    /// Applies `tmpdir = "fresh"` of a policy: creates the directory, opens it in the policy, and makes
    /// the command's variables name it, except those that the caller has `set`. Dropping the returned
    /// value removes the directory; `None` if nothing has to be removed.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn settle(
        policy: &mut Policy,
        command: &mut Command,
        set: &dyn Fn(&OsStr) -> bool,
    ) -> Result<Option<Temporary>, Unavailable> {
        let Some((made, path)) = Temporary::of(policy, command, None)? else {
            return Ok(None);
        };
        command.adopt_tmpdir(policy, &path, set);
        policy.settle_tmpdir(&path);
        Ok(made)
    }

    /// The directory of a command under `tmpdir = "fresh"`, and its path: that of an `earlier` run, if it is free. If
    /// the command has it in mounts of its own, nothing has to be removed. `None`: the policy asks for none.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn of(
        policy: &Policy,
        command: &Command,
        earlier: Option<&Path>,
    ) -> Result<Option<(Option<Temporary>, PathBuf)>, Unavailable> {
        let (Some(setting), Some(place)) = (&policy.process.tmpdir, &policy.tmpdir) else {
            return Ok(None);
        };
        // The command's own `/tmp` hides the host's, and is gone at the end.
        if command.isolation.mount {
            return Ok(Some((None, PathBuf::from(PRIVATE_TMPDIR))));
        }
        let base = place.ancestors().nth(2).unwrap_or(place);
        let made = Temporary::make(base, command.user.as_ref(), earlier).map_err(|error| {
            let base = base.display();
            let reason = format!("cannot create a directory in {base}: {}", described(&error));
            let remedy = "set TMPDIR to a writable directory";
            unavailable(policy, setting, "tmpdir", reason, remedy)
        })?;
        let path = made.path().to_owned();
        Ok(Some((Some(made), path)))
    }
}

/// The namespaces that `isolate` asks for. Whether the kernel grants them is found out when the command
/// starts.
fn isolation(policy: &Policy, host: &Host) -> Result<Isolation, Unavailable> {
    let words = &policy.process.isolate;
    let entry = |word: Word| words.iter().find(|setting| setting.value == word);
    let Some(first) = words.first() else {
        return Ok(Isolation::default());
    };
    let unavailable =
        |setting, (reason, help): Missing| unavailable(policy, setting, "isolate", reason, help);
    let writable = policy
        .paths
        .iter()
        .filter(|entry| entry.list == List::Write);
    let writable = || {
        writable
            .map(|entry| entry.pattern.base().to_owned())
            .collect()
    };
    let isolation = Isolation {
        user: entry(Word::User).is_some(),
        pid: entry(Word::Pid).is_some(),
        net: entry(Word::Net).is_some(),
        ipc: entry(Word::Ipc).is_some(),
        uts: entry(Word::Uts).is_some(),
        mount: entry(Word::Mount).or(entry(Word::ReadOnly)).is_some(),
        read_only: entry(Word::ReadOnly).map(|_| writable()),
        temporary: policy.limits.number(LimitKind::Memory),
        tmpdir: None,
        place: policy.place(first.origin),
    };
    if !host.namespaces {
        return Err(unavailable(
            first,
            (
                "JAIL_NAMESPACES=none turns namespaces off".to_owned(),
                "unset it, or remove `isolate`",
            ),
        ));
    }
    if isolation.needs_users() {
        let why = match isolation.user {
            true => "\"user\" is in the list",
            false => "the caller has no CAP_SYS_ADMIN, so a user namespace is needed",
        };
        if policy
            .process
            .capabilities
            .iter()
            .flatten()
            .next()
            .is_some()
        {
            let reason = format!(
                "no capability of `caps` can be kept: {why}, and capabilities in a user namespace apply to that namespace only"
            );
            return Err(unavailable(first, (reason, "remove one of the two")));
        }
        if policy.process.user.is_some() {
            let reason =
                format!("`user` cannot be used: {why}, in which the caller is the only user");
            return Err(unavailable(first, (reason, "remove one of the two")));
        }
    }
    Ok(isolation)
}

/// What is missing, and the next step.
type Missing = (String, &'static str);

fn unavailable<T>(
    policy: &Policy,
    setting: &Setting<T>,
    key: &'static str,
    reason: String,
    help: &'static str,
) -> Unavailable {
    Unavailable {
        place: policy.place(setting.origin),
        key,
        reason,
        help,
    }
}

/// Whether this process has a capability in the sets from which it can be kept.
fn held(capability: Capability) -> Result<(), Missing> {
    let has = |set| caps::has_cap(None, set, capability);
    let reason = match (has(CapSet::Permitted), has(CapSet::Bounding)) {
        (Ok(true), Ok(true)) => return Ok(()),
        (Ok(false), _) => format!("{capability} cannot be kept: jail does not have it itself"),
        (Ok(true), Ok(false)) => {
            format!("{capability} cannot be kept: it is missing in the bounding set")
        }
        (Err(error), _) | (_, Err(error)) => {
            format!(
                "{capability} cannot be kept: this process's capabilities cannot be read: {error}"
            )
        }
    };
    Err((reason, "start jail as a user who has it, or remove it"))
}

fn user(user: &policy::User) -> Result<User, Missing> {
    if !unistd::geteuid().is_root() {
        let reason = format!("only root can run a command as {user}");
        return Err((reason, "start jail as root, or remove it"));
    }
    let name = match user {
        policy::User::Ids { uid, gid } => {
            return Ok(User {
                uid: *uid,
                gid: *gid,
                groups: Vec::new(),
            });
        }
        policy::User::Name(name) => name,
    };
    let help = "give the name of a user of this host, or UID:GID";
    let found = nss::user(name)
        .map_err(|error| (format!("{name}: {error}"), help))?
        .ok_or_else(|| (format!("there is no user {name}"), help))?;
    let groups = nss::groups(name, &found)
        .map_err(|error| (format!("the groups of {name}: {error}"), help))?;
    Ok(User {
        uid: found.uid,
        gid: found.gid,
        groups,
    })
}

fn directory(path: &Path) -> Result<std::path::PathBuf, Missing> {
    let reason = match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(path.to_owned()),
        Ok(_) => format!("{} is not a directory", path.display()),
        Err(error) => format!("{}: {}", path.display(), described(&error)),
    };
    Err((reason, "create it, or give another directory with --cwd"))
}

/// Opens stdin for reading.
fn open(path: &Path) -> Result<File, Missing> {
    let file = File::open(path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
    let reason = match file {
        Ok((false, file)) => return Ok(file),
        Ok((true, _)) => format!("{} is a directory", path.display()),
        Err(error) => format!("cannot open {}: {}", path.display(), described(&error)),
    };
    Err((reason, "give a file that the caller can read"))
}

/// The message without the error number.
fn described(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}
