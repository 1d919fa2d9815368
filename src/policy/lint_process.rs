//! Warnings of `jail check` about what `[process]` names and this host does not have. Another host may
//! have it.

use super::{Code, Diagnostic, Origin, Policy, User};
use crate::nss;

/// Warnings about the main file's keys.
pub(super) fn lint(policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    let process = &policy.process;
    if let Some(setting) = &process.directory
        // The run's own directory is created later.
        && policy.tmpdir.as_ref().is_none_or(|tmpdir| !setting.value.starts_with(tmpdir))
    {
        let path = setting.value.display();
        let message = match setting.value.metadata() {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some(format!("process.cwd: {path} is not a directory")),
            Err(_) => Some(format!("process.cwd: {path} does not exist")),
        };
        let help = "jail cannot start the command without it: create it, or give another directory with --cwd";
        warnings.extend(message.and_then(|text| warning(policy, setting.origin, text, help)));
    }
    if let Some(setting) = &process.stdin {
        let path = setting.value.display();
        let message = match setting.value.metadata() {
            Ok(found) if !found.is_dir() => None,
            Ok(_) => Some(format!("process.stdin: {path} is a directory")),
            Err(_) => Some(format!("process.stdin: {path} does not exist")),
        };
        let help =
            "jail cannot start the command without it: create it first, or name another file";
        warnings.extend(message.and_then(|text| warning(policy, setting.origin, text, help)));
    }
    if let Some(setting) = &process.user
        && let User::Name(name) = &setting.value
        && let Ok(None) = nss::user(name)
    {
        let text = format!("process.user: there is no user {name} on this host");
        let help =
            "jail cannot start the command without it: give the name of a user, or \"UID:GID\"";
        warnings.extend(warning(policy, setting.origin, text, help));
    }
}

fn warning(policy: &Policy, origin: Origin, message: String, help: &str) -> Option<Diagnostic> {
    let span = policy.span(origin, "");
    let warning = Diagnostic::warning(Code::Missing, message).at(origin.source, span);
    policy.is_own(origin).then(|| warning.help(help))
}
