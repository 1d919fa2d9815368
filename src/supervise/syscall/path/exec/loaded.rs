//! The look at a program that has been loaded, before its first instruction: /proc/PID/exe is what
//! runs, whatever was changed since the call was judged.
//!
//! Whatever cannot be looked at does not run. A process that was killed meanwhile needs no exception:
//! to refuse its program kills it once more, and nothing is reported of it.

use super::program::mapped;
use super::vector::{JudgedExec, Keys};
use super::{CALLS, NO_LOADER};
use crate::baseline::{Answer, Rule, Watch, When};
use crate::judge::{Judge, Reason, Verdict};
use crate::paths::Access;
use crate::plan::Plan;
use crate::policy::Action;
use crate::supervise::object::Object;
use crate::supervise::syscall::lacks::Lacks;
use crate::supervise::syscall::path::resolve::PATH_MAX;
use crate::supervise::syscall::path::{PathObject, Paths, refusal};
use crate::supervise::tracee::Task;
use crate::sys::Errno;
use crate::syscalls;
use crate::trace::Tid;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

/// The kernel does not tell what has been loaded.
static UNSEEN: Rule = unseen(
    "unseen-program",
    "the supervisor could not look at the program that was loaded",
);

/// readlink(2) of /proc/PID/exe gives no more than a page (do_proc_readlink of fs/proc/base.c), and the
/// kernel does not tell the path otherwise.
static TOO_LONG: Rule = unseen(
    "long-path",
    "its path is longer than 4,095 bytes, and could not be read",
);

const fn unseen(id: &'static str, reason: &'static str) -> Rule {
    Rule {
        id,
        syscalls: CALLS,
        when: When {
            text: "",
            any: &[&[]],
        },
        answer: Answer::Deny(syscalls::Errno::EACCES),
        reason,
        attack: "a program whose path cannot be read is judged by no entry",
    }
}

/// Why a program must not run.
type Refusal = (Verdict, Object);

/// What was loaded.
struct Image {
    /// Its path, or what the kernel calls it.
    path: Vec<u8>,
    file: File,
    /// It has no path, or none any more.
    nameless: bool,
}

impl Paths {
    /// What has been loaded is judged. What denies it, if anything. `former`: the task that has made the
    /// execve.
    pub fn loaded(&mut self, plan: &Plan, pid: Tid, former: Option<&Task>) -> Option<Refusal> {
        let judged = former.and_then(|task| task.paths.judged.take());
        if !plan.files.judges_programs() && judged.is_none() {
            return None;
        }
        self.judge_loaded(plan, pid, judged, former).err()
    }

    fn judge_loaded(
        &mut self,
        plan: &Plan,
        pid: Tid,
        judged: Option<JudgedExec>,
        former: Option<&Task>,
    ) -> Result<(), Refusal> {
        let lacks = self.lacks.clone();
        let lacks = lacks.as_deref().map(|lacks| (lacks, former));
        let image = Image::of(pid)?;
        if judged.is_some_and(|judged| !ran_as(self.exec.keys(), pid, &judged, &image.path)) {
            return Err((refusal(Reason::Changed), exec_of(image.path)));
        }
        if !plan.files.judges_programs() {
            return Ok(());
        }
        judge(&plan.judge, lacks, &image.path, image.nameless)?;
        if !image.nameless
            && self.is_loader(&image.file, &image.path)
            && !plan.judge.names_program(&image.path)
        {
            return Err((refusal(Reason::Baseline(&NO_LOADER)), exec_of(image.path)));
        }
        // Its loader: where Landlock holds programs it holds this one, too.
        if plan.files.watch.has(Watch::EXEC) {
            for file in mapped(pid).map_err(|_| unseen_program(pid))? {
                if file != image.path {
                    let nameless = !file.starts_with(b"/") || without_deleted(&file).is_some();
                    judge(&plan.judge, lacks, &file, nameless)?;
                }
            }
        }
        Ok(())
    }
}

impl Image {
    fn of(pid: Tid) -> Result<Image, Refusal> {
        let link = format!("/proc/{pid}/exe");
        let path = match std::fs::read_link(&link) {
            Ok(path) => path.into_os_string().into_vec(),
            // A program that may not be read: the supervisor is blind to it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err((refusal(Reason::Pathless), exec_of(link.into_bytes())));
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENAMETOOLONG as i32) => {
                long_path(pid, &link).ok_or_else(|| {
                    let reason = Reason::Baseline(&TOO_LONG);
                    (refusal(reason), exec_of(link.clone().into_bytes()))
                })?
            }
            Err(_) => return Err(unseen_program(pid)),
        };
        let file = File::open(&link).map_err(|_| unseen_program(pid))?;
        let links = file.metadata().map_err(|_| unseen_program(pid))?.nlink();
        let nameless = links == 0 || !path.starts_with(b"/");
        Ok(Image {
            path,
            file,
            nameless,
        })
    }
}

/// The path of a program that is longer than readlink(2) gives it: /proc/PID/maps has it whole. Nothing
/// but the program and its loader is mapped yet.
fn long_path(pid: Tid, link: &str) -> Option<Vec<u8>> {
    let program = std::fs::metadata(link).ok()?;
    let files = mapped(pid).ok()?;
    let mut long = files.into_iter().filter(|file| file.len() >= PATH_MAX);
    let path = long.next()?;
    // Of two one might be taken for the other.
    (long.next().is_none() && program.is_file()).then_some(path)
}

/// What the policy says of a file that is executed, by each name that it may mean.
///
/// To the name of a file that is removed the kernel adds " (deleted)", which may also be part of one.
/// A denial of either holds. What has no name may be executed where any file may be.
fn judge(
    judge: &Judge,
    lacks: Option<(&RefCell<Lacks>, Option<&Task>)>,
    path: &[u8],
    nameless: bool,
) -> Result<(), Refusal> {
    let denial = |name: &[u8]| {
        let verdict = judge.path(Access::Exec, name);
        let lets = |(lacks, former): (&RefCell<Lacks>, Option<&Task>)| {
            lacks.borrow().let_program(&verdict, name, former)
        };
        match verdict.action != Action::Allow && lacks.is_some_and(lets) {
            true => judge.path_in_domains(Access::Exec, name),
            false => (verdict.action != Action::Allow).then_some(verdict),
        }
    };
    if nameless && let Some(verdict) = denial(b"/") {
        let reason = Reason::Pathless;
        return Err((Verdict { reason, ..verdict }, exec_of(path.to_vec())));
    }
    if !path.starts_with(b"/") {
        return Ok(());
    }
    let names = [Some(path), without_deleted(path)];
    match names.into_iter().flatten().find_map(denial) {
        Some(verdict) => Err((verdict, exec_of(path.to_vec()))),
        None => Ok(()),
    }
}

fn without_deleted(path: &[u8]) -> Option<&[u8]> {
    path.strip_suffix(b" (deleted)")
}

/// Whether a program that has just been loaded is the one, with the arguments, that was judged.
fn ran_as(keys: &Keys, pid: Tid, judged: &JudgedExec, path: &[u8]) -> bool {
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    if !judged.script {
        return keys.text(path) == judged.path && judged.vector.is(keys, &line);
    }
    match (judged.vector.of_script(keys, &line), judged.given) {
        (None, _) => false,
        (Some(script), Some(given)) => keys.text(script) == given,
        (Some(script), None) => script.starts_with(b"/dev/fd/"),
    }
}

fn unseen_program(pid: Tid) -> Refusal {
    let link = format!("/proc/{pid}/exe").into_bytes();
    (refusal(Reason::Baseline(&UNSEEN)), exec_of(link))
}

fn exec_of(path: Vec<u8>) -> Object {
    Object::Path(PathObject {
        access: Access::Exec,
        given: path.clone(),
        resolved: path,
        exists: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Baseline;
    use crate::policy::Policy;

    fn by(fs: &str) -> Judge {
        let text = format!("default = \"allow\"\n[fs]\n{fs}\n");
        let policy = Policy::parse(&text, "test.toml").expect("a policy");
        Judge::new(&policy, &Baseline::newest())
    }

    #[test]
    fn a_name_that_ends_as_that_of_a_removed_file_is_judged_as_both() {
        let named = by("deny = [\"/x/forbidden\"]");
        assert!(judge(&named, None, b"/x/allowed (deleted)", false).is_ok());
        assert!(judge(&named, None, b"/x/forbidden (deleted)", false).is_err());
        assert!(judge(&named, None, b"/x/forbidden (deleted)", true).is_err());
        let marked = by("deny = [\"/x/* (deleted)\"]");
        assert!(judge(&marked, None, b"/x/any (deleted)", false).is_err());
        assert!(judge(&marked, None, b"/x/any", false).is_ok());
    }

    #[test]
    fn what_is_called_like_a_memfd_and_is_a_file_is_judged_by_its_path() {
        let named = by("deny = [\"/memfd:x/forbidden\"]");
        assert!(judge(&named, None, b"/memfd:x/forbidden", false).is_err());
        assert!(judge(&named, None, b"/memfd:other (deleted)", true).is_ok());
    }

    #[test]
    fn what_cannot_be_looked_at_is_refused() {
        let Err((verdict, _)) = Image::of(Tid::MAX) else {
            panic!("there is no such process");
        };
        assert_eq!(verdict.reason, Reason::Baseline(&UNSEEN));
        assert!(long_path(Tid::MAX, "/proc/self/exe").is_none());
    }
}
