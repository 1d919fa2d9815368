//! What to change in `[fs]`: an entry that is narrow enough, or the statement that there is none.

use super::super::varying::{self, Named};
use super::super::width::is_shared;
use super::patch::Place;
use super::{Denied, NO_NARROW_ENTRY, Remedy, Run, list_of, tools};
use crate::paths::Access;
use crate::policy::{Policy, written};
use crate::syscalls::op::Names;
use crate::syscalls::{Call, Op};

/// The remedy for a path that no entry allows.
pub fn denied(policy: &Policy, denied: &Denied<'_>, access: Access, path: &[u8]) -> Remedy {
    if access == Access::Write
        && let Some(advice) = tools::fetches(policy, path)
    {
        return Remedy::decide(advice);
    }
    let list = list_of(access);
    let of_name =
        access == Access::Write && path != b"/" && denied.call.is_some_and(removes_or_changes_name);
    let place = match of_name {
        true => varying::above(path),
        false => path,
    };
    let refused = match of_name {
        true => denied.run.refused.directory,
        false => denied.run.refused.object,
    };
    if refused {
        return Remedy::never(REFUSED);
    }
    let why = match of_name {
        true => "; removing or changing a name needs write to its directory",
        false => "",
    };
    if is_shared(denied.run, place) {
        return Remedy::decide(format!("{}{why}", too_wide(place, list, SHARED)));
    }
    // A link itself is not a directory.
    let run = Run {
        link: denied.run.link && !of_name,
        ..denied.run.clone()
    };
    match varying::named(policy, &run, access, place) {
        Named::Entry(entry) => {
            let entry = written::quoted(&entry);
            let more = tools::toolchain(policy, access, path).unwrap_or_default();
            Remedy::add(policy, &entry, &entry, Place::List(list, "fs"))
                .and(why)
                .and(&more)
        }
        Named::Temporary(directory) => temporary(policy, &directory),
        Named::Wide(directory) => {
            Remedy::decide(format!("{}{why}", too_wide(&directory, list, BENEATH)))
        }
        Named::Process => Remedy::decide(format!(
            "{NO_NARROW_ENTRY}: a process has another number each time, and an entry for all numbers opens \
             every process of this user"
        )),
    }
}

const REFUSED: &str = "no policy can allow it: file permissions deny it to this user, too";
/// What an entry for a directory opens, if nothing else is said of it.
const BENEATH: &str = "everything beneath it";
/// The same of a directory of the home.
const SHARED: &str =
    "what many programs keep there; if it is missing, make it before, and run this again";

fn too_wide(directory: &[u8], key: &str, opens: &str) -> String {
    let entry = written::quoted(&written::path(directory));
    match directory {
        b"/dev/pts" => {
            format!("{NO_NARROW_ENTRY}: {entry} in {key} opens every terminal of this user")
        }
        b"/dev/shm" => format!(
            "{NO_NARROW_ENTRY}: {entry} in {key} opens the memory that all programs of the host share; with \
             isolate = [\"mount\"] in [process] it is the command's own"
        ),
        _ => format!("{NO_NARROW_ENTRY}: {entry} in {key} opens {opens}"),
    }
}

/// The remedy for a temporary file outside of the run's own directory.
fn temporary(policy: &Policy, directory: &[u8]) -> Remedy {
    if policy.tmpdir.is_none() {
        let line = "tmpdir = \"fresh\"";
        return Remedy::add(policy, line, line, Place::Process)
            .and(": TMPDIR then names a directory of the run's own");
    }
    let directory = written::quoted(&written::path(directory));
    Remedy::decide(format!(
        "to run it: let the program use $TMPDIR, the run's own directory, by its option or variable for that; \
         {directory} in write of [fs] opens other programs' files, but not with isolate = [\"mount\"] in [process]"
    ))
}

/// A file without a path, or without one that an entry could name.
pub fn pathless(access: Access) -> Remedy {
    match access {
        Access::Exec => Remedy::decide(format!(
            "{NO_NARROW_ENTRY}: a file without a path can be executed only if everything can, by \"/\" in exec"
        )),
        _ => Remedy::never(
            "no policy can allow it: use the descriptor itself, or open it from a program without threads, since another thread could replace it by one of a protected file",
        ),
    }
}

/// Whether a call removes or changes a name: this is a change of its directory, and Landlock cannot grant the
/// removal of a single name.
fn removes_or_changes_name(call: &Call) -> bool {
    use Names::{Link, Linkat, Rename, Renameat, Renameat2, Rmdir, Unlink, Unlinkat};
    matches!(
        call.op(),
        Op::Names(Link | Linkat | Rename | Renameat | Renameat2 | Rmdir | Unlink | Unlinkat)
    )
}
