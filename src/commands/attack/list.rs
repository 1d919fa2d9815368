//! The attacks, one row each.

use super::host::{
    any, clone3, i386, lazy, memory_programs, ring, tracing, typed, user_namespaces, x32,
};
use super::inside::{
    files, kernel, limits, names, peers, proc, processes, programs, races, terminals, waits,
};
use super::kind::Aim::*;
use super::kind::{Attack, Run};

macro_rules! attacks {
    ($($area:literal { $($name:literal $aim:ident $host:ident $run:path, $tries:literal;)* })*) => {
        /// All of them, by area.
        pub const ATTACKS: &[Attack] = &[$($(
            Attack { name: $name, area: $area, tries: $tries, aim: $aim, host: $host, run: $run },
        )*)*];
    };
}

attacks! {
    "files" {
        "open"              Read  any  files::open,          "open a secret: by its path, relative to a directory, by O_PATH, as a copy";
        "climb"             Read  any  files::climb,         "climb to a secret by `..` and chdir";
        "write"             Write any  files::write,         "append to a file, truncate, replace and remove it";
        "mode"              Write any  files::change_mode,   "change the mode of a file by its path and by a descriptor";
        "hard-link"         Read  any  files::hard_link,     "give a secret another name by link";
        "rename"            Read  any  files::rename,        "move a secret, or its directory, to the working directory";
        "symlink"           Read  any  files::symbolic_link, "lead to a secret by a symbolic link";
        "leaked-descriptor" Read  any  files::descriptors,   "use descriptors that the caller has left open";
    }
    "races" {
        "path-in-memory"    Read  any  races::path,          "rewrite a path in a second thread while it is checked";
        "path-in-shared"    Read  any  races::shared_path,   "rewrite a path from another process, in shared memory";
        "page-discarded"    Read  any  races::discarded_page, "discard the page of a path (MADV_DONTNEED)";
        "page-freed"        Read  lazy races::freed_page,    "give the page of a path back (MADV_FREE)";
        "link-swap"         Read  any  races::link,          "swap the target of a symbolic link while it is followed";
        "directory-swap"    Read  any  races::directory,     "swap a directory for a link while a path passes it";
        "sibling-jail"      Read  any  races::sibling,       "follow a link that a second jail swaps";
        "program-swap" Exec any races::program, "swap the target of a link while it is executed";
        "address-in-memory" Tcp   any  races::peer,          "rewrite an address in a second thread while it is checked";
    }
    "/proc" {
        "proc-self"         Read  any  proc::own_links,      "reach a secret by /proc/self/root and cwd";
        "proc-outside"      Read  any  proc::bystander,      "reach a secret by root, cwd, fd and mem of a process outside";
        "proc-outside-mem"  Process tracing proc::bystander_memory, "write /proc/PID/mem of a process outside";
        "proc-supervisor"   Read  any  proc::supervisor,     "reach a secret by root and fd of the process above";
        "proc-self-mem"     Read  any  proc::own_memory,     "overwrite the paths that are kept for the supervisor";
    }
    "processes" {
        "signal"            Process any processes::signal,   "signal a process outside: kill, tgkill, sigqueue, pidfd, F_SETOWN";
        "memory"            Process tracing processes::memory,   "read and write memory outside by process_vm_readv and writev";
        "trace"             Process tracing processes::trace,    "trace a process outside";
        "take-descriptor"   Read  tracing  processes::descriptor, "take a descriptor of a process outside (pidfd_getfd)";
        "sibling-process" Sibling any processes::signal, "signal a process of another jail";
        "limit-outside"     Process any processes::limits,   "lower a limit of a process outside (prlimit)";
        "double-fork"       Survivor any processes::double_fork, "leave a process behind: two forks and a session of its own";
        "killed-supervisor" Orphan any processes::killed_supervisor, "outlive a supervisor that is killed";
        "untraced-clone"    Orphan any processes::untraced_clone, "the same by CLONE_UNTRACED of clone";
        "untraced-clone3"   Orphan clone3 processes::untraced_clone3, "the same by CLONE_UNTRACED of clone3";
    }
    "kernel" {
        "i386-call"         Read  i386 kernel::i386,         "open a secret by a call of i386 (int 0x80)";
        "x32-call"          Read  x32  kernel::x32,          "open a secret by a call of x32";
        "io-uring"          Read  ring kernel::ring,         "open a secret through io_uring";
        "listener-filter"   Read  any  kernel::listener,     "let a call continue by a seccomp listener of its own";
        "mount"             Read  user_namespaces kernel::mount, "mount a secret's directory in a namespace of its own";
        "copied-mount"      Read  user_namespaces kernel::copied_mount, "copy the mount of a secret's directory (open_tree)";
        "chroot"            Read  user_namespaces kernel::chroot, "make a secret's directory the root";
    }
    "programs" {
        "execute"           Exec  any  programs::execute,    "execute a denied program by its path and by a link";
        "interpreter"       Exec  any  programs::interpreter, "name a denied program in the first line of a script";
        "loader"            Exec  any  programs::loader,     "start a denied program by the dynamic loader";
        "from-memory"       Exec  memory_programs  programs::memory,     "execute a copy of a denied program in memory";
        "by-descriptor"     Exec  any  programs::descriptor, "execute a denied program by its descriptor";
    }
    "terminals" {
        "type"              Typed typed terminals::typed,    "type into the caller's terminal (TIOCSTI)";
        "other-terminal"    Shown any  terminals::shown,     "write to another terminal";
    }
    "peers" {
        "tcp"               Tcp   any  peers::tcp,           "connect by TCP: IPv4, IPv6, MPTCP, fast open";
        "udp"               Udp   any  peers::udp,           "send a message by UDP";
        "unix-socket"       UnixPath any peers::unix_path,   "connect and send to unix sockets by path";
        "abstract-socket"   UnixAbstract any peers::unix_abstract, "connect to an abstract unix socket";
        "netlink"           Netlink any peers::netlink,      "send a message by netlink to a process outside";
        "forged-answer"     Name  any  names::own_resolver,  "be the resolver, and forge the address of an allowed name";
    }
    "limits" {
        "processes"         Processes any limits::processes, "have more processes at once than allowed";
        "output"            Output any limits::output,       "write more than allowed, by four processes at once";
        "time"              Wall  any  limits::wall,         "run longer than allowed: ignore SIGTERM, stop, leave the session";
        "fifo"              Held  any  waits::fifo,          "hold the supervisor up by an open of a FIFO";
        "lease"             Held  any  waits::lease,         "hold the supervisor up by an open of a leased file";
    }
}

/// The attack of this name.
pub fn by_name(name: &str) -> Option<&'static Attack> {
    ATTACKS.iter().find(|attack| attack.name == name)
}

/// What the other jail does, for attacks that need one.
const SIBLINGS: [(&str, Run); 2] = [
    ("sibling-swaps", races::swap_for_sibling),
    ("sibling-waits", processes::wait_as_sibling),
];

/// The code of an attack, or of the other jail, by its name.
pub fn run_of(name: &str) -> Option<Run> {
    let sibling = || SIBLINGS.iter().find(|(found, _)| *found == name);
    let own = by_name(name).map(|attack| attack.run);
    own.or_else(|| sibling().map(|(_, run)| *run))
}
