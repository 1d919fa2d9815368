//! Attacks on processes outside of the jail: memory, descriptors, limits, scheduling.

use super::raw::{self, DIRTY, at, at_mut, call, call3};
use super::{Arguments, Attack, Loot};
use std::io::Write as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

#[rustfmt::skip]
pub const ATTACKS: &[(&str, Attack)] = &[
    ("ptrace",             ptrace),
    ("ptrace-sibling",     ptrace_sibling),
    ("process_vm_readv",   process_vm_readv),
    ("process_vm_writev",  process_vm_writev),
    ("process_madvise",    process_madvise),
    ("proc-mem",           proc_mem),
    ("pidfd_getfd",        pidfd_getfd),
    ("kcmp",               kcmp),
    ("setns",              setns),
    ("prlimit64",          prlimit64),
    ("setpriority",        setpriority),
    ("ioprio_set",         ioprio_set),
    ("sched_setaffinity",  sched_setaffinity),
    ("sched_setscheduler", sched_setscheduler),
    ("sched_setattr",      sched_setattr),
    ("sched_setparam",     sched_setparam),
    ("migrate_pages",      migrate_pages),
    ("move_pages",         move_pages),
    ("perf_event_open",    perf_event_open),
    ("core-scheduling",    core_scheduling),
    ("look-at-parent",     look_at_parent),
    ("own-tasks",          own_tasks),
];

/// What the attacks write into a victim's value.
const LOOT: u64 = 0x6666;

fn trace(pid: i32, address: u64) -> Result<(), i32> {
    let request = |request: u32, address: u64, data: u64| {
        call(
            libc::SYS_ptrace,
            [request.into(), pid as u64, address, data, 0, 0],
        )
    };
    request(libc::PTRACE_ATTACH, 0, 0)?;
    raw::wait(pid, libc::__WALL)?;
    let poked = request(libc::PTRACE_POKEDATA, address, LOOT);
    request(libc::PTRACE_DETACH, 0, 0)?;
    poked.map(drop)
}

/// Victim, address of its value.
fn ptrace(arguments: &Arguments<'_>) -> Loot {
    trace(arguments.pid(0), arguments.number(1)).map(|()| "attached, wrote, detached".into())
}

/// Two children of this process: one attaches to the other.
fn ptrace_sibling(_: &Arguments<'_>) -> Loot {
    let address = raw::map(4096, -1, 0)?;
    let fork = libc::SIGCHLD as u64;
    let prey = raw::clone(fork, || {
        std::thread::sleep(Duration::from_millis(400));
        i32::from(raw::peek(address) == LOOT as u32)
    })?;
    let hunter = raw::clone(fork, || trace(prey, address).err().unwrap_or(0))?;
    let errno = raw::exit_code(hunter)?;
    let changed = raw::exit_code(prey)? == 1;
    match (errno, changed) {
        (0, true) => Ok("the sibling's memory changed".into()),
        (0, false) => Err(libc::EIO),
        _ => Err(errno),
    }
}

fn vm(nr: i64, arguments: &Arguments<'_>) -> Result<u64, i32> {
    let buffer = raw::map(4096, -1, 0)?;
    raw::poke(buffer, LOOT as u32);
    let local = [buffer, 8];
    let remote = [arguments.number(1), 8];
    call(nr, [arguments.number(0), at(&local), 1, at(&remote), 1, 0])?;
    Ok(raw::peek(buffer).into())
}

fn process_vm_readv(arguments: &Arguments<'_>) -> Loot {
    vm(libc::SYS_process_vm_readv, arguments).map(|value| format!("{value:#x}"))
}

fn process_vm_writev(arguments: &Arguments<'_>) -> Loot {
    vm(libc::SYS_process_vm_writev, arguments).map(|_| "wrote".into())
}

fn pidfd(arguments: &Arguments<'_>) -> Result<u64, i32> {
    call3(libc::SYS_pidfd_open, arguments.number(0), 0, 0)
}

/// Victim, address and length of its mapped file.
fn process_madvise(arguments: &Arguments<'_>) -> Loot {
    let pidfd = pidfd(arguments)?;
    let range = [arguments.number(1), arguments.number(2)];
    call(
        libc::SYS_process_madvise,
        [pidfd, at(&range), 1, libc::MADV_PAGEOUT as u64, 0, 0],
    )
    .map(|bytes| format!("{bytes} bytes"))
}

/// Victim, address of its value: by the file instead of a call for it.
fn proc_mem(arguments: &Arguments<'_>) -> Loot {
    let path = format!("/proc/{}/mem", arguments.pid(0));
    let write = || {
        let memory = std::fs::File::options().write(true).open(path)?;
        memory.write_all_at(&LOOT.to_ne_bytes(), arguments.number(1))
    };
    write()
        .map(|()| "wrote".into())
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

/// Victim: writes into its standard output.
fn pidfd_getfd(arguments: &Arguments<'_>) -> Loot {
    let stolen = call3(libc::SYS_pidfd_getfd, pidfd(arguments)?, 1, 0)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else owns it.
    #[allow(unsafe_code)]
    let stolen = unsafe { OwnedFd::from_raw_fd(stolen as i32) };
    let written = std::fs::File::from(stolen).write_all(b"stolen\n");
    written
        .map(|()| "took descriptor 1".into())
        .map_err(|_| libc::EIO)
}

/// Victim: compares its descriptors 0, 1 and 2 (KCMP_FILE).
fn kcmp(arguments: &Arguments<'_>) -> Loot {
    let pid = arguments.number(0);
    let same = |a, b| call(libc::SYS_kcmp, [pid, pid, 0, a, b, 0]).map(|order| order == 0);
    Ok(format!("0=2:{} 0=1:{}", same(0, 2)?, same(0, 1)?))
}

/// Victim in a user namespace that its (and our) user has made.
fn setns(arguments: &Arguments<'_>) -> Loot {
    let pidfd = pidfd(arguments)?;
    call3(libc::SYS_setns, pidfd, libc::CLONE_NEWUSER as u64, 0)?;
    call3(libc::SYS_setns, pidfd, libc::CLONE_NEWUTS as u64, 0)?;
    super::escape::namespace("uts")
}

fn prlimit64(arguments: &Arguments<'_>) -> Loot {
    let limit = [64u64, 64];
    let nofile = u64::from(libc::RLIMIT_NOFILE);
    call(
        libc::SYS_prlimit64,
        [
            DIRTY | arguments.number(0),
            DIRTY | nofile,
            at(&limit),
            0,
            0,
            0,
        ],
    )
    .map(|_| "64 open files".into())
}

/// `which`, `who`: three steps nicer than this process.
fn setpriority(arguments: &Arguments<'_>) -> Loot {
    // The kernel's getpriority returns 20 - nice.
    let nice = 23_u64.wrapping_sub(call3(libc::SYS_getpriority, 0, 0, 0)?);
    let (which, who) = (DIRTY | arguments.number(0), DIRTY | arguments.number(1));
    call3(libc::SYS_setpriority, which, who, nice).map(|_| "three steps nicer".into())
}

/// `which`, `who`: class IDLE.
fn ioprio_set(arguments: &Arguments<'_>) -> Loot {
    call3(
        libc::SYS_ioprio_set,
        DIRTY | arguments.number(0),
        DIRTY | arguments.number(1),
        3 << 13,
    )
    .map(|_| "idle".into())
}

fn sched_setaffinity(arguments: &Arguments<'_>) -> Loot {
    let mask = 1u64;
    call3(
        libc::SYS_sched_setaffinity,
        DIRTY | arguments.number(0),
        8,
        at(&mask),
    )
    .map(|_| "processor 0 only".into())
}

fn sched_setscheduler(arguments: &Arguments<'_>) -> Loot {
    let priority = 0u64;
    call3(
        libc::SYS_sched_setscheduler,
        DIRTY | arguments.number(0),
        libc::SCHED_IDLE as u64,
        at(&priority),
    )
    .map(|_| "SCHED_IDLE".into())
}

fn sched_setattr(arguments: &Arguments<'_>) -> Loot {
    // struct sched_attr (linux/sched/types.h), its first version: size, policy, flags, nice …
    let mut attribute = [0u32; 12];
    attribute[0] = 48;
    attribute[1] = libc::SCHED_BATCH as u32;
    // Less nice than it is needs a privilege.
    attribute[4] = 19;
    call3(
        libc::SYS_sched_setattr,
        DIRTY | arguments.number(0),
        at(&attribute),
        0,
    )
    .map(|_| "SCHED_BATCH".into())
}

fn sched_setparam(arguments: &Arguments<'_>) -> Loot {
    let priority = arguments.number(1);
    call3(
        libc::SYS_sched_setparam,
        DIRTY | arguments.number(0),
        at(&priority),
        0,
    )
    .map(|_| format!("priority {priority}"))
}

fn migrate_pages(arguments: &Arguments<'_>) -> Loot {
    let node = 1u64;
    call(
        libc::SYS_migrate_pages,
        [DIRTY | arguments.number(0), 8, at(&node), at(&node), 0, 0],
    )
    .map(|left| format!("{left} pages left"))
}

/// Victim, address of its value: on which node it lies.
fn move_pages(arguments: &Arguments<'_>) -> Loot {
    let page = arguments.number(1) & !4095;
    let mut status = -1i32;
    call(
        libc::SYS_move_pages,
        [
            DIRTY | arguments.number(0),
            1,
            at(&page),
            0,
            at_mut(&mut status),
            0,
        ],
    )?;
    if status < 0 {
        Err(-status)
    } else {
        Ok(format!("node {status}"))
    }
}

/// Victim (or -1), processor (or -1): how long it ran within a while.
fn perf_event_open(arguments: &Arguments<'_>) -> Loot {
    const SOFTWARE: u32 = 1;
    const TASK_CLOCK: u64 = 1;
    const CPU_CLOCK: u64 = 0;
    // struct perf_event_attr (linux/perf_event.h), PERF_ATTR_SIZE_VER0: type, size, config …
    let mut attribute = [0u64; 8];
    attribute[0] = u64::from(SOFTWARE) | 64 << 32;
    attribute[1] = if arguments.pid(0) == -1 {
        CPU_CLOCK
    } else {
        TASK_CLOCK
    };
    // exclude_kernel | exclude_hv: all that perf_event_paranoid 2 leaves.
    attribute[5] = 1 << 5 | 1 << 6;
    let (pid, cpu) = (
        DIRTY | u64::from(arguments.pid(0) as u32),
        arguments.number(1),
    );
    let fd = call(
        libc::SYS_perf_event_open,
        [at(&attribute), pid, cpu, u64::MAX, 0, 0],
    )?;
    std::thread::sleep(Duration::from_millis(60));
    let mut ran = 0u64;
    call3(libc::SYS_read, fd, at_mut(&mut ran), 8)?;
    if ran == 0 {
        Err(libc::ENODATA)
    } else {
        Ok(format!("ran {ran} ns"))
    }
}

/// Victim: shares this process's core cookie with it (PR_SCHED_CORE_SHARE_TO).
fn core_scheduling(arguments: &Arguments<'_>) -> Loot {
    let prctl = |command: u64, pid: u64| {
        call(
            libc::SYS_prctl,
            [DIRTY | 62, DIRTY | command, DIRTY | pid, 0, 0, 0],
        )
    };
    // PR_SCHED_CORE_CREATE for this process alone is no attack.
    let _ = call(libc::SYS_prctl, [62, 1, 0, 1, 0, 0]);
    prctl(2, arguments.number(0)).map(|_| "cookie given".into())
}

/// What /proc gives away of the parent: which of its files can be opened.
fn look_at_parent(_: &Arguments<'_>) -> Loot {
    let parent = std::os::unix::process::parent_id();
    let path = |name: &str| format!("/proc/{parent}/{name}");
    let writable = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path("mem"));
    let tried = [
        ("mem", writable.map(drop)),
        ("maps", std::fs::read_to_string(path("maps")).map(drop)),
        ("fd", std::fs::read_dir(path("fd")).map(drop)),
        ("environ", std::fs::read(path("environ")).map(drop)),
        ("exe", std::fs::read_link(path("exe")).map(drop)),
        ("root", std::fs::read_link(path("root")).map(drop)),
        ("syscall", std::fs::read(path("syscall")).map(drop)),
        ("ns", std::fs::read_link(path("ns/user")).map(drop)),
        ("fd/0", std::fs::File::open(path("fd/0")).map(drop)),
        ("map_files", std::fs::read_dir(path("map_files")).map(drop)),
        (
            "oom_score_adj",
            std::fs::write(path("oom_score_adj"), "900"),
        ),
        (
            "timerslack_ns",
            std::fs::write(path("timerslack_ns"), "1000000"),
        ),
        (
            "coredump_filter",
            std::fs::write(path("coredump_filter"), "0"),
        ),
        ("clear_refs", std::fs::write(path("clear_refs"), "1")),
        ("comm", std::fs::write(path("comm"), "other")),
    ];
    let open: Vec<&str> = tried
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(name, _)| *name)
        .collect();
    if open.is_empty() {
        Err(libc::EACCES)
    } else {
        Ok(open.join(","))
    }
}

/// Honest use: the same calls on this process by its own pid, on a child, and on a thread.
fn own_tasks(_: &Arguments<'_>) -> Loot {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let _ = sender.send(call3(libc::SYS_gettid, 0, 0, 0).unwrap_or(0));
        let _ = stopped.recv();
    });
    let tid = receiver.recv().map_err(|_| libc::EIO)?;
    let child = raw::clone(libc::SIGCHLD as u64, || {
        std::thread::sleep(Duration::from_secs(20));
        0
    })?;
    let mut report = Vec::new();
    for (name, id) in [
        ("self", u64::from(std::process::id())),
        ("child", child as u64),
        ("thread", tid),
    ] {
        let id = id.to_string();
        let one = [id.clone()];
        let who = ["0".to_owned(), id.clone()];
        let process = ["1".to_owned(), id.clone()];
        let param = [id.clone(), "0".to_owned()];
        let profile = [id, "-1".to_owned()];
        let tries: [(&str, Attack, &[String]); 9] = [
            ("prlimit64", prlimit64, &one),
            ("setpriority", setpriority, &who),
            ("ioprio_set", ioprio_set, &process),
            ("sched_setaffinity", sched_setaffinity, &one),
            ("sched_setparam", sched_setparam, &param),
            ("sched_setattr", sched_setattr, &one),
            ("sched_setscheduler", sched_setscheduler, &one),
            ("migrate_pages", migrate_pages, &one),
            ("perf_event_open", perf_event_open, &profile),
        ];
        for (what, attack, words) in tries {
            // ENODATA: profiled, and asleep.
            if let Err(errno) = attack(&Arguments(words))
                && errno != libc::ENODATA
            {
                report.push(format!(
                    "{what}({name})={:?}",
                    nix::errno::Errno::from_raw(errno)
                ));
            }
        }
    }
    // A group and a user of which all members are here.
    let _ = call3(libc::SYS_setpgid, child as u64, 0, 0);
    if let Err(errno) = call3(libc::SYS_setpriority, 1, child as u64, 19) {
        report.push(format!("setpriority(group)={errno}"));
    }
    let _ = call3(libc::SYS_kill, child as u64, libc::SIGKILL as u64, 0);
    raw::exit_code(child)?;
    drop(stop);
    let _ = thread.join();
    Ok(if report.is_empty() {
        "all".into()
    } else {
        report.join(" ")
    })
}
