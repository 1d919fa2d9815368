//! Errors before the command runs, and what to do about them.

use super::lookup::script_interpreter;
use super::unavailable::Unavailable;
use crate::policy::written;
use crate::sys::proc::Status;
use crate::sys::{self, Errno};
use nix::unistd::{AccessFlags, access};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A step of the child before its program runs; the number travels through the shared page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Step {
    /// close_range(2).
    CloseDescriptors = 1,
    /// fcntl(2) F_SETFD on a descriptor to pass.
    PassDescriptors,
    /// chdir(2).
    Directory,
    /// prctl(2) PR_SET_SECUREBITS.
    Securebits,
    /// prctl(2) PR_CAPBSET_DROP.
    Bounding,
    /// prctl(2) PR_CAP_AMBIENT.
    Ambient,
    /// capset(2).
    Capabilities,
    /// prctl(2) PR_SET_NO_NEW_PRIVS.
    NoNewPrivs,
    /// landlock_restrict_self(2).
    Landlock,
    /// sigaction(2), sigprocmask(2).
    Signals,
    /// seccomp(2).
    Filter,
    /// execve(2).
    Exec,
    /// setrlimit(2) RLIMIT_CORE.
    CoreDumps,
    /// The limits of `[limits]` that apply to one process.
    Limits,
    /// dup2(2) of the descriptors for stdin, stdout and stderr.
    Streams,
    /// setpriority(2).
    Nice,
    /// setgroups(2), setresgid(2), setresuid(2).
    User,
    /// keyctl(2) KEYCTL_JOIN_SESSION_KEYRING.
    Keyring,
    /// landlock_add_rule(2) in the command's own mounts.
    Grant,
    /// uid_map and gid_map of a user namespace.
    Maps,
    /// ioctl(2) SIOCSIFFLAGS of the loopback interface.
    Loopback,
    /// mount(2) that cuts the mounts off from the host's.
    Private,
    /// mount_setattr(2), and the mounts that stay writable.
    ReadOnly,
    /// mount(2) of a tmpfs.
    Temporary,
    /// The starting directory in a private `/tmp`.
    Start,
    /// mount(2) of a procfs.
    Proc,
    /// clone(2) of the command by its init.
    Init,
}

/// In the order of their numbers.
const STEPS: [(Step, &str); 27] = [
    (Step::CloseDescriptors, "close_range"),
    (
        Step::PassDescriptors,
        "fcntl(F_SETFD) on a passed descriptor",
    ),
    (Step::Directory, "chdir"),
    (Step::Securebits, "prctl(PR_SET_SECUREBITS)"),
    (Step::Bounding, "prctl(PR_CAPBSET_DROP)"),
    (Step::Ambient, "prctl(PR_CAP_AMBIENT)"),
    (Step::Capabilities, "capset"),
    (Step::NoNewPrivs, "prctl(PR_SET_NO_NEW_PRIVS)"),
    (Step::Landlock, "landlock_restrict_self"),
    (Step::Signals, "sigprocmask"),
    (Step::Filter, "seccomp(SECCOMP_SET_MODE_FILTER)"),
    (Step::Exec, "execve"),
    (Step::CoreDumps, "setrlimit(RLIMIT_CORE)"),
    (Step::Limits, "setrlimit"),
    (Step::Streams, "dup2"),
    (Step::Nice, "setpriority"),
    (Step::User, "setresuid"),
    (Step::Keyring, "keyctl(KEYCTL_JOIN_SESSION_KEYRING)"),
    (Step::Grant, "landlock_add_rule"),
    (Step::Maps, "write to /proc/self/uid_map"),
    (
        Step::Loopback,
        "ioctl(SIOCSIFFLAGS) of the loopback interface",
    ),
    (Step::Private, "mount(MS_PRIVATE)"),
    (Step::ReadOnly, "mount_setattr(MOUNT_ATTR_RDONLY)"),
    (Step::Temporary, "mount of a tmpfs on /tmp or /dev/shm"),
    (
        Step::Start,
        "mount of the starting directory, or chdir to it",
    ),
    (Step::Proc, "mount of /proc"),
    (Step::Init, "clone"),
];

impl Step {
    /// The step with that number; `None` for 0, which means no failure.
    pub(super) fn from_number(number: u32) -> Option<Self> {
        STEPS
            .iter()
            .map(|&(step, _)| step)
            .find(|&step| step as u32 == number)
    }

    pub(super) fn name(self) -> &'static str {
        STEPS
            .iter()
            .find(|&&(step, _)| step == self)
            .map_or("", |&(_, name)| name)
    }
}

/// Why the command was not started.
#[derive(Debug)]
pub enum LaunchError {
    /// No command was given.
    NoCommand,
    /// An argument or a variable holds a NUL byte.
    Nul {
        /// The text.
        text: String,
    },
    /// `PATH` has no such program.
    NotFound {
        /// The name as given.
        name: OsString,
    },
    /// It is in `PATH`, but is not an executable file.
    NotExecutable {
        /// What was found.
        path: PathBuf,
    },
    /// The policy denies the program itself.
    Refused {
        /// What was found.
        program: PathBuf,
        /// The path without symbolic links.
        resolved: PathBuf,
    },
    /// The program lies in a directory that `isolate` makes private.
    Private {
        /// Where the policy asks for it.
        place: String,
        /// The program.
        program: PathBuf,
        /// The directory.
        private: PathBuf,
    },
    /// This host does not grant the namespaces that the policy asks for.
    Isolation(Unavailable),
    /// The Landlock ruleset could not be created.
    Ruleset(String),
    /// A call in the parent failed.
    System {
        /// Its name.
        call: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// The capability sets could not be read.
    Capabilities(String),
    /// pidfd_getfd failed, without which no socket can be let through.
    Sockets {
        /// Its errno.
        errno: Errno,
        /// What explains it.
        host: Circumstances,
    },
    /// PTRACE_SEIZE failed.
    Seize {
        /// Its errno.
        errno: Errno,
        /// What explains it.
        host: Circumstances,
    },
    /// The child failed before its program ran.
    Child {
        /// The step that failed.
        step: Step,
        /// Its errno.
        errno: Errno,
        /// The program that it would have run.
        program: PathBuf,
        /// What /proc says that may explain it.
        host: Circumstances,
    },
}

/// Facts about this host from /proc, read after a call was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// The process that already traces the child or this process: pid and name.
    pub tracer: Option<(i32, String)>,
    /// `kernel.yama.ptrace_scope`; `None` without Yama.
    pub yama: Option<u8>,
    /// This process runs under another seccomp filter, usually a container's.
    pub filtered: bool,
    /// This process is not dumpable.
    pub undumpable: bool,
}

impl Circumstances {
    /// Reads them; `child` is the process that could not be seized, if there is one.
    pub fn read(child: Option<i32>) -> Self {
        let own = Status::own().unwrap_or_default();
        let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok();
        let child = child.and_then(Status::of);
        Self {
            tracer: child.as_ref().and_then(tracer).or_else(|| tracer(&own)),
            yama: yama.and_then(|scope| scope.trim().parse().ok()),
            filtered: own.field("Seccomp") == Some("2"),
            undumpable: matches!(sys::process::is_dumpable(), Ok(false)),
        }
    }
}

impl LaunchError {
    pub(super) fn system(call: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { call, errno }
    }

    /// The exit code by shell convention: 127 not found, 126 not executable, otherwise 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } | Self::Refused { .. } => 126,
            Self::Child {
                step: Step::Exec,
                errno: Errno::ENOENT,
                ..
            } => 127,
            Self::Child {
                step: Step::Exec, ..
            } => 126,
            _ => 125,
        }
    }
}

impl std::error::Error for LaunchError {}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => write!(f, "no command to run; put it after `--`"),
            Self::Nul { text } => write!(f, "an argument or variable holds a NUL byte: {text:?}"),
            Self::NotFound { name } => {
                write!(f, "{}: command not found in PATH", name.to_string_lossy())
            }
            Self::NotExecutable { path } => {
                write!(f, "{}: {}", path.display(), not_executable(path))
            }
            Self::Refused { program, resolved } => {
                write!(
                    f,
                    "{}: the policy does not let it be executed",
                    program.display()
                )?;
                match program == resolved {
                    true => Ok(()),
                    false => write!(f, " (it is {})", resolved.display()),
                }
            }
            Self::Private {
                place,
                program,
                private,
            } => write!(
                f,
                "{place}: process.isolate: the command cannot see {}, because its {} is its own; \
                 start it in the directory that holds the program, or remove \"mount\"",
                program.display(),
                private.display()
            ),
            Self::Isolation(unavailable) => unavailable.fmt(f),
            Self::Ruleset(reason) => write!(
                f,
                "cannot create the Landlock ruleset: {reason}; set JAIL_LANDLOCK_ABI=0 to run without Landlock"
            ),
            Self::System { call, errno } => {
                write!(f, "cannot start the command: {call}: {}", describe(*errno))
            }
            Self::Capabilities(error) => {
                write!(f, "cannot read this process's capabilities: {error}")
            }
            Self::Sockets { errno, host } => sockets(f, *errno, host),
            Self::Seize { errno, host } => seize(f, *errno, host),
            Self::Child {
                step: Step::Exec,
                errno,
                program,
                ..
            } => exec(f, *errno, program),
            Self::Child {
                step, errno, host, ..
            } => {
                write!(
                    f,
                    "cannot confine the command: {}: {}",
                    step.name(),
                    describe(*errno)
                )?;
                advice(f, *step, *errno, host)
            }
        }
    }
}

fn describe(errno: Errno) -> String {
    format!("{} ({errno:?})", errno.desc())
}

/// The tracer of the process with this status, by pid and name.
fn tracer(status: &Status) -> Option<(i32, String)> {
    let tracer: i32 = status.number("TracerPid")?;
    if tracer == 0 {
        return None;
    }
    let name = std::fs::read_to_string(format!("/proc/{tracer}/comm")).unwrap_or_default();
    Some((tracer, name.trim_end().to_owned()))
}

fn seize(f: &mut fmt::Formatter<'_>, errno: Errno, host: &Circumstances) -> fmt::Result {
    write!(f, "cannot trace the command: ")?;
    if let Some((pid, name)) = &host.tracer {
        return write!(
            f,
            "it is already traced by {name} (pid {pid}), and Linux allows one tracer per process; run \
             jail outside of that debugger, strace or other jail"
        );
    }
    match host.yama {
        Some(3..) => {
            return write!(
                f,
                "Yama forbids ptrace altogether (kernel.yama.ptrace_scope is 3); \
                 set it to 1, which needs a reboot"
            );
        }
        Some(2) => {
            return write!(
                f,
                "Yama allows ptrace with CAP_SYS_PTRACE only (kernel.yama.ptrace_scope is 2); \
                 set it to 1: sysctl kernel.yama.ptrace_scope=1"
            );
        }
        _ => {}
    }
    write!(f, "PTRACE_SEIZE: {}; ", describe(errno))?;
    match errno {
        // ptrace(2), "Ptrace access mode checking": seizing then needs CAP_SYS_PTRACE.
        Errno::EPERM if host.undumpable => write!(
            f,
            "this program is not dumpable (prctl(2), PR_SET_DUMPABLE), and only CAP_SYS_PTRACE may trace \
             its children before they execute another program: make it dumpable, or let it start the \
             `jail` binary"
        ),
        _ if host.filtered => write!(
            f,
            "this container's seccomp profile forbids ptrace: allow `ptrace` in it \
             (docker: --cap-add=SYS_PTRACE, or --security-opt seccomp=PROFILE)"
        ),
        Errno::ENOSYS | Errno::EIO | Errno::EINVAL => {
            write!(f, "jail needs Linux 5.9 or newer, with ptrace")
        }
        _ => write!(f, "a security module or the container forbids it"),
    }
}

fn sockets(f: &mut fmt::Formatter<'_>, errno: Errno, host: &Circumstances) -> fmt::Result {
    write!(
        f,
        "cannot inspect the command's sockets, of which the policy allows some but not all: pidfd_getfd: {}; ",
        describe(errno)
    )?;
    match host.filtered {
        true => write!(
            f,
            "this container's seccomp profile forbids it: allow `pidfd_getfd` in it \
             (docker: --cap-add=SYS_PTRACE, or --security-opt seccomp=PROFILE), \
             or use a policy that allows none"
        ),
        false => write!(f, "this needs Linux 5.6 or newer"),
    }
}

fn advice(
    f: &mut fmt::Formatter<'_>,
    step: Step,
    errno: Errno,
    host: &Circumstances,
) -> fmt::Result {
    match (step, errno) {
        (Step::Directory, _) => write!(f, "; check --cwd"),
        (Step::Nice, _) => write!(
            f,
            "; the caller's own priority is lower than `nice` asks for, and raising it needs privileges"
        ),
        (Step::Capabilities | Step::Ambient, Errno::EPERM) if !host.filtered => {
            write!(f, "; only capabilities that the caller has can be kept")
        }
        (_, Errno::EPERM | Errno::EACCES | Errno::ENOSYS) if host.filtered => {
            let call = step.name().split('(').next().unwrap_or_default();
            write!(
                f,
                "; this container's seccomp profile forbids it: allow `{call}` in it \
                 (docker: --security-opt seccomp=PROFILE)"
            )
        }
        (Step::Filter, Errno::ENOSYS | Errno::EINVAL) => {
            write!(
                f,
                "; this kernel lacks seccomp filters (CONFIG_SECCOMP_FILTER)"
            )
        }
        (Step::CloseDescriptors, Errno::ENOSYS) => write!(f, "; jail needs Linux 5.9 or newer"),
        _ => Ok(()),
    }
}

fn exec(f: &mut fmt::Formatter<'_>, errno: Errno, program: &Path) -> fmt::Result {
    let path = program.display();
    match errno {
        Errno::ENOENT if program.exists() => {
            write!(
                f,
                "{path}: its interpreter does not exist (the `#!` line, or the ELF interpreter)"
            )
        }
        Errno::ENOENT => write!(f, "{path}: no such file"),
        Errno::EACCES => match denied_interpreter(program) {
            Some(interpreter) => write!(
                f,
                "{path}: permission denied: the policy does not let its interpreter {} be executed; \
                 add {} to exec in [fs]",
                interpreter.display(),
                written::quoted(&written::path(interpreter.as_os_str().as_bytes()))
            ),
            None => write!(f, "{path}: {}", not_executable(program)),
        },
        Errno::ENOEXEC => write!(
            f,
            "{path}: not a program that this kernel can run (ENOEXEC)"
        ),
        _ => write!(f, "{path}: cannot be executed: {}", describe(errno)),
    }
}

/// The interpreter of a script, if this user may execute both: then execve(2) returned EACCES because
/// the policy does not allow the interpreter.
fn denied_interpreter(script: &Path) -> Option<PathBuf> {
    let may = |path: &Path| access(path, AccessFlags::X_OK).is_ok();
    let interpreter = script_interpreter(script)?;
    (interpreter.is_file() && may(script) && may(&interpreter)).then_some(interpreter)
}

fn not_executable(path: &Path) -> &'static str {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => "is a directory, not a program",
        Ok(metadata) if metadata.is_file() => {
            "permission denied: not executable for this user (without capabilities)"
        }
        Ok(_) => "is not a regular file",
        Err(_) => "permission denied",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seize(errno: Errno, host: Circumstances) -> String {
        let error = LaunchError::Seize { errno, host };
        assert_eq!(error.exit_code(), 125);
        error.to_string()
    }

    #[test]
    fn each_obstacle_to_tracing_has_its_own_sentence() {
        let plain = Circumstances::default();
        let traced = Circumstances {
            tracer: Some((7, "gdb".into())),
            ..plain.clone()
        };
        assert!(seize(Errno::EPERM, traced).contains("already traced by gdb (pid 7)"));
        let yama = |scope| Circumstances {
            yama: Some(scope),
            ..plain.clone()
        };
        assert!(seize(Errno::EPERM, yama(3)).contains("ptrace_scope is 3"));
        assert!(seize(Errno::EPERM, yama(2)).contains("sysctl kernel.yama.ptrace_scope=1"));
        assert!(!seize(Errno::EPERM, yama(1)).contains("Yama"));
        let container = Circumstances {
            filtered: true,
            ..plain.clone()
        };
        assert!(seize(Errno::EPERM, container.clone()).contains("--cap-add=SYS_PTRACE"));
        assert!(seize(Errno::ENOSYS, container).contains("seccomp profile"));
        let undumpable = Circumstances {
            undumpable: true,
            ..plain.clone()
        };
        assert!(seize(Errno::EPERM, undumpable).contains("PR_SET_DUMPABLE"));
        assert!(seize(Errno::EIO, plain.clone()).contains("needs Linux 5.9"));
        assert!(seize(Errno::EPERM, plain).contains("security module"));
    }

    #[test]
    fn a_container_that_keeps_sockets_to_itself_is_told_which_call_to_allow() {
        let said = |filtered| {
            let host = Circumstances {
                filtered,
                ..Circumstances::default()
            };
            let errno = Errno::EPERM;
            LaunchError::Sockets { errno, host }.to_string()
        };
        assert!(said(true).contains("allow `pidfd_getfd`"));
        assert!(said(false).contains("Linux 5.6"));
    }

    #[test]
    fn each_step_that_an_old_kernel_or_a_container_refuses_says_what_to_do() {
        let child = |step, errno, filtered| {
            let host = Circumstances {
                filtered,
                ..Circumstances::default()
            };
            let error = LaunchError::Child {
                step,
                errno,
                program: "/bin/true".into(),
                host,
            };
            assert_eq!(error.exit_code(), 125);
            error.to_string()
        };
        assert!(child(Step::Filter, Errno::EPERM, true).contains("allow `seccomp`"));
        assert!(child(Step::CloseDescriptors, Errno::EPERM, true).contains("allow `close_range`"));
        assert!(child(Step::Filter, Errno::EINVAL, false).contains("CONFIG_SECCOMP_FILTER"));
        assert!(child(Step::CloseDescriptors, Errno::ENOSYS, false).contains("Linux 5.9"));
        assert!(child(Step::Directory, Errno::ENOENT, false).contains("check --cwd"));
    }

    #[test]
    fn every_step_survives_its_way_through_the_shared_page() {
        for &(step, name) in &STEPS {
            assert_eq!(Step::from_number(step as u32), Some(step));
            assert_eq!(step.name(), name);
        }
        assert_eq!(Step::from_number(0), None);
        assert_eq!(Step::from_number(99), None);
    }
}
