//! Attacks on the jail itself: tasks that nobody traces, filters that overrule it, other doors
//! into the kernel, privileges, the caller's terminal.

use super::raw::{self, DIRTY, at, at_mut, call, call3};
use super::{Arguments, Attack, Loot};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt;
use std::time::Duration;

#[rustfmt::skip]
pub const ATTACKS: &[(&str, Attack)] = &[
    ("untraced-clone",  untraced_clone),
    ("clone3",          clone3),
    ("survivors",       survivors),
    ("clone",           clone),
    ("unshare",         unshare),
    ("open_tree",       open_tree),
    ("fsmount",         fsmount),
    ("fchroot",         fchroot),
    ("listener",        listener),
    ("stacked-filter",  stacked_filter),
    ("own-trace",       own_trace),
    ("own-trace-prctl", own_trace_prctl),
    ("own-kill",        own_kill),
    ("own-seal",        own_seal),
    ("io_uring",        io_uring),
    ("terminal-input",  terminal_input),
    ("terminal-linux",  terminal_linux),
    ("x32",             x32),
    ("i386",            i386),
    ("vsyscall",        vsyscall),
    ("number",          number),
    ("getppid",         getppid),
    ("times",           times),
    ("getppid-in-tree", getppid_in_tree),
    ("descriptors",     descriptors),
    ("chroot",          chroot),
    ("mknod",           mknod),
    ("mount",           mount),
    ("sethostname",     sethostname),
    ("setuid",          setuid),
    ("chown",           chown),
    ("euid",            euid),
    ("threads",         threads),
];

/// What a namespace of this process is called.
pub fn namespace(kind: &str) -> Loot {
    std::fs::read_link(format!("/proc/self/ns/{kind}"))
        .map(|link| link.display().to_string())
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
}

fn getppid(_: &Arguments<'_>) -> Loot {
    call3(libc::SYS_getppid, 0, 0, 0).map(|pid| pid.to_string())
}

fn times(_: &Arguments<'_>) -> Loot {
    call3(libc::SYS_times, 0, 0, 0).map(|_| "ran".into())
}

/// Two children wait, then getppid: with a rule that kills, nobody is left.
fn getppid_in_tree(arguments: &Arguments<'_>) -> Loot {
    let sleep = || {
        std::thread::sleep(Duration::from_secs(60));
        0
    };
    let fork = libc::SIGCHLD as u64;
    let pids = [raw::clone(fork, sleep)?, raw::clone(fork, sleep)?];
    println!("pids {} {} {}", pids[0], pids[1], std::process::id());
    let looted = getppid(arguments);
    for pid in pids {
        let _ = call3(libc::SYS_kill, pid as u64, libc::SIGKILL as u64, 0);
    }
    looted
}

const CLONE_UNTRACED: u64 = libc::CLONE_UNTRACED as u64;

/// A child that no tracer gets: it runs, and asks getppid.
fn untraced_clone(_: &Arguments<'_>) -> Loot {
    let pid = raw::clone(DIRTY | CLONE_UNTRACED | libc::SIGCHLD as u64, || {
        i32::from(call3(libc::SYS_getppid, 0, 0, 0).is_ok())
    })?;
    raw::exit_code(pid).map(|code| {
        format!(
            "untraced child, getppid {}",
            if code == 1 { "ran" } else { "failed" }
        )
    })
}

/// The same, with the flags in memory. Then glibc's own uses of it, which must fall back.
fn clone3(_: &Arguments<'_>) -> Loot {
    let spawned = std::process::Command::new("true")
        .status()
        .is_ok_and(|status| status.success());
    let joined = std::thread::spawn(|| 7)
        .join()
        .is_ok_and(|value| value == 7);
    println!("glibc spawn:{spawned} thread:{joined}");
    let pid = raw::clone3(CLONE_UNTRACED, || {
        i32::from(call3(libc::SYS_getppid, 0, 0, 0).is_ok())
    })?;
    raw::exit_code(pid).map(|code| format!("child returned {code}"))
}

/// Children by every door that there is; all stay. The test kills what started this process.
fn survivors(_: &Arguments<'_>) -> Loot {
    let stay = || -> i32 {
        raw::block_all();
        let _ = call3(libc::SYS_setsid, 0, 0, 0);
        std::thread::sleep(Duration::from_secs(60));
        0
    };
    let fork = libc::SIGCHLD as u64;
    let orphan = raw::map(4096, -1, 0)?;
    let made = [
        raw::clone(fork, stay),
        raw::clone(CLONE_UNTRACED | fork, stay),
        raw::clone(DIRTY | CLONE_UNTRACED, stay),
        raw::clone3(CLONE_UNTRACED, stay),
        raw::clone3(0, stay),
        // Orphaned at once: its parent only tells its pid.
        raw::clone(fork, || {
            raw::clone(fork, stay).map_or(1, |pid| {
                raw::poke(orphan, pid as u32);
                0
            })
        })
        .and_then(raw::exit_code)
        .map(|_| raw::peek(orphan) as i32),
    ];
    let pids: Vec<String> = made.iter().flatten().map(i32::to_string).collect();
    println!("pids {} {}", std::process::id(), pids.join(" "));
    raw::block_all();
    std::thread::sleep(Duration::from_secs(60));
    Ok("still here".into())
}

/// Flags, the namespace's name in /proc: the child's differs from ours.
fn clone(arguments: &Arguments<'_>) -> Loot {
    let kind = arguments.word(1);
    let before = namespace(kind)?;
    let seen = raw::map(4096, -1, 0)?;
    let pid = raw::clone(DIRTY | arguments.number(0) | libc::SIGCHLD as u64, || {
        // In a new pid namespace /proc is still that of the old one: the pid tells.
        let new = match kind {
            "pid" => std::process::id() == 1,
            _ => namespace(kind).is_ok_and(|now| now != before),
        };
        raw::poke(seen, u32::from(new));
        0
    })?;
    raw::exit_code(pid)?;
    if raw::peek(seen) == 1 {
        Ok(format!("a new {kind} namespace"))
    } else {
        Err(libc::EIO)
    }
}

/// Flags, the namespace's name in /proc.
fn unshare(arguments: &Arguments<'_>) -> Loot {
    let kind = match arguments.word(1) {
        "pid" => "pid_for_children",
        "time" => "time_for_children",
        kind => kind,
    };
    let before = namespace(kind)?;
    // The flags are an unsigned long, of which the kernel knows the low half only: it refuses
    // others, so nothing may be dirty here.
    call3(libc::SYS_unshare, arguments.number(0), 0, 0)?;
    match namespace(kind) {
        Ok(now) if now != before => Ok(format!("a new {kind} namespace")),
        // pid_for_children has no name before the first child.
        Err(libc::ENOENT) => Ok(format!("a new {kind} namespace")),
        _ => Err(libc::EIO),
    }
}

/// OPEN_TREE_NAMESPACE (Linux 7.0) and FSMOUNT_NAMESPACE (Linux 7.1) of linux/mount.h.
const MOUNT_NAMESPACE: u64 = 2;

/// The number of open_tree or open_tree_attr: a mount namespace of its own for `/`.
fn open_tree(arguments: &Arguments<'_>) -> Loot {
    let root = c"/".as_ptr() as u64;
    let flags = DIRTY | MOUNT_NAMESPACE;
    call(arguments.number(0) as i64, [AT_FDCWD, root, flags, 0, 0, 0])?;
    Ok("a new mount namespace".into())
}

/// A mount namespace of its own for a new tmpfs.
fn fsmount(_: &Arguments<'_>) -> Loot {
    // FSCONFIG_CMD_CREATE of linux/mount.h.
    const CREATE: u64 = 6;
    let tmpfs = call3(libc::SYS_fsopen, c"tmpfs".as_ptr() as u64, 0, 0);
    // Without privileges there is none, and the call is made all the same.
    let fd = tmpfs.unwrap_or(u64::MAX);
    let _ = call(libc::SYS_fsconfig, [fd, CREATE, 0, 0, 0, 0]);
    call3(libc::SYS_fsmount, fd, DIRTY | MOUNT_NAMESPACE, 0)?;
    Ok("a new mount namespace".into())
}

/// A root where every look-up fails (Linux 7.3): no privileges are needed with no_new_privs.
fn fchroot(_: &Arguments<'_>) -> Loot {
    const SYS_FCHROOT: i64 = 472;
    const FD_FAILFS_ROOT: i32 = -10004;
    call3(SYS_FCHROOT, FD_FAILFS_ROOT as u32 as u64, 0, 0)?;
    match std::fs::metadata("/").map_err(|error| error.raw_os_error()) {
        Err(Some(libc::EOPNOTSUPP)) => Ok("a root without files".into()),
        _ => Err(libc::EIO),
    }
}

// linux/seccomp.h
const SET_MODE_FILTER: u64 = 1;
const NEW_LISTENER: u64 = 1 << 3;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_ERRNO: u32 = 0x0005_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_KILL_PROCESS: u32 = 0x8000_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

/// Installs a filter that answers getppid with `answer` and allows the rest; it looks at the
/// number only, as careless filters do.
fn filter(answer: u32, flags: u64) -> Result<u64, i32> {
    install(answer, |fprog| {
        call3(libc::SYS_seccomp, DIRTY | SET_MODE_FILTER, flags, fprog)
    })
}

fn install(answer: u32, install: impl FnOnce(u64) -> Result<u64, i32>) -> Result<u64, i32> {
    install_for(libc::SYS_getppid, answer, install)
}

/// The same for another call.
fn install_for(
    number: libc::c_long,
    answer: u32,
    install: impl FnOnce(u64) -> Result<u64, i32>,
) -> Result<u64, i32> {
    let word = |code: u64, jumps: u64, k: u64| code | jumps << 16 | k << 32;
    let program = [
        word(0x20, 0, 0),                  // load nr
        word(0x15, 1 << 8, number as u64), // equal: next; else skip one
        word(0x06, 0, answer.into()),
        word(0x06, 0, RET_ALLOW.into()),
    ];
    let fprog = [program.len() as u64, at(&program)];
    call(
        libc::SYS_prctl,
        [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0],
    )?;
    install(at(&fprog))
}

/// A filter that fails getppid with `errno`.
pub fn filter_out_getppid(errno: u32, flags: u64) -> Result<u64, i32> {
    filter(RET_ERRNO | errno, flags)
}

/// A listener that answers getppid with CONTINUE: a tracer is not asked any more.
fn listener(_: &Arguments<'_>) -> Loot {
    let fd = filter(RET_USER_NOTIF, DIRTY | NEW_LISTENER)?;
    let answering = std::thread::spawn(move || {
        // struct seccomp_notif and seccomp_notif_resp; SECCOMP_IOCTL_NOTIF_RECV and _SEND.
        let mut notice = [0u64; 10];
        call3(libc::SYS_ioctl, fd, 0xc050_2100, at_mut(&mut notice))?;
        let answer = [notice[0], 0, 1 << 32];
        call3(libc::SYS_ioctl, fd, 0xc018_2101, at(&answer))?;
        Ok::<i32, i32>(notice[2] as i32)
    });
    let result = call3(libc::SYS_getppid, 0, 0, 0);
    let nr = answering.join().map_err(|_| libc::EIO)??;
    result.map(|_| format!("got call {nr}, had it continued"))
}

/// Honest use: a program's own sandbox.
fn stacked_filter(_: &Arguments<'_>) -> Loot {
    filter_out_getppid(libc::EXDEV as u32, 0)?;
    match call3(libc::SYS_getppid, 0, 0, 0) {
        Err(libc::EXDEV) => Ok("the filter answers".into()),
        Err(errno) => Err(errno),
        Ok(_) => Err(libc::EIO),
    }
}

/// A filter of its own that asks for a tracer, with this number: ENOSYS without one.
fn own_trace(arguments: &Arguments<'_>) -> Loot {
    filter(RET_TRACE | trace_data(arguments)?, 0)?;
    getppid(arguments)
}

/// The same, by prctl(2).
fn own_trace_prctl(arguments: &Arguments<'_>) -> Loot {
    let number = libc::PR_SET_SECCOMP as u64;
    let mode = u64::from(libc::SECCOMP_MODE_FILTER);
    install(RET_TRACE | trace_data(arguments)?, |fprog| {
        call3(libc::SYS_prctl, DIRTY | number, mode, fprog)
    })?;
    getppid(arguments)
}

fn trace_data(arguments: &Arguments<'_>) -> Result<u32, i32> {
    let data = arguments
        .0
        .first()
        .map_or(Ok(0), |data| data.parse::<u16>());
    data.map(u32::from).map_err(|_| libc::EINVAL)
}

/// A filter of its own that kills.
fn own_kill(arguments: &Arguments<'_>) -> Loot {
    filter(RET_KILL_PROCESS, 0)?;
    getppid(arguments)
}

/// A filter of its own that answers a call (by number) with success and does not make it. Then a child
/// looks for pages that are read-only and can be opened to writing, where a supervisor could keep what it has
/// judged. With a second argument a program that is executed under the filter does so.
fn own_seal(arguments: &Arguments<'_>) -> Loot {
    const REGION: u64 = 1 << 20;
    install_for(arguments.number(0) as libc::c_long, RET_ERRNO, |fprog| {
        call3(libc::SYS_seccomp, SET_MODE_FILTER, 0, fprog)
    })?;
    if arguments.number(1) != 0 {
        let own = std::env::current_exe().map_err(|_| libc::ENOENT)?;
        let getppid = libc::SYS_getppid.to_string();
        let mut again = std::process::Command::new(own);
        let error = again.args(["attack", "own-seal", &getppid]).exec();
        return Err(error.raw_os_error().unwrap_or(libc::EIO));
    }
    let pid = raw::clone(libc::SIGCHLD as u64, || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let regions = maps
            .lines()
            .filter(|line| line.contains(" r--p 00000000 00:00 0"));
        let open: Vec<i32> = regions
            .filter_map(|line| {
                let (start, end) = line.split(' ').next()?.split_once('-')?;
                let number = |text| u64::from_str_radix(text, 16).ok();
                let (start, end) = (number(start)?, number(end)?);
                let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
                let at = (start..end).step_by(REGION as usize);
                let opens = |at: &u64| call3(libc::SYS_mprotect, *at, REGION, access).is_ok();
                (end - start >= REGION).then(|| at.filter(opens).count() as i32)
            })
            .collect();
        match open.is_empty() {
            true => 100,
            false => open.iter().sum(),
        }
    })?;
    match raw::exit_code(pid)? {
        0 => Ok("all is closed".into()),
        100 => Ok("no pages".into()),
        open => Ok(format!("{open} open to writing")),
    }
}

/// Writes "ring\n" to standard output with no call for it.
fn io_uring(_: &Arguments<'_>) -> Loot {
    // struct io_uring_params (linux/io_uring.h): 10 words, then the offsets of both rings.
    let mut params = [0u32; 30];
    let fd = call3(libc::SYS_io_uring_setup, 4, at_mut(&mut params), 0)?;
    let map = |offset| raw::map(4096 * 4, fd as i32, offset);
    let (submissions, completions, entries) = (map(0)?, map(0x0800_0000)?, map(0x1000_0000)?);
    let (tail, array) = (u64::from(params[11]), u64::from(params[16]));
    let results = u64::from(params[25]);
    let text = raw::map(4096, -1, 0)?;
    for (index, word) in [
        u32::from_ne_bytes(*b"ring"),
        u32::from_ne_bytes(*b"\n\0\0\0"),
    ]
    .into_iter()
    .enumerate()
    {
        raw::poke(text + 4 * index as u64, word);
    }
    // struct io_uring_sqe: opcode, fd, offset -1 (as write), address, length.
    const OP_WRITE: u32 = 23;
    for (word, value) in [
        OP_WRITE,
        1,
        u32::MAX,
        u32::MAX,
        text as u32,
        (text >> 32) as u32,
        5,
    ]
    .into_iter()
    .enumerate()
    {
        raw::poke(entries + 4 * word as u64, value);
    }
    raw::poke(submissions + array, 0);
    raw::poke(submissions + tail, 1);
    const GET_EVENTS: u64 = 1;
    call(libc::SYS_io_uring_enter, [fd, 1, 1, GET_EVENTS, 0, 0])?;
    match raw::peek(completions + results + 8) as i32 {
        error if error < 0 => Err(-error),
        bytes => Ok(format!("wrote {bytes} bytes")),
    }
}

/// Types "id" and a newline into the controlling terminal.
fn terminal_input(_: &Arguments<'_>) -> Loot {
    for byte in *b"id\n" {
        call3(libc::SYS_ioctl, 0, DIRTY | libc::TIOCSTI, at(&byte))?;
    }
    Ok("typed".into())
}

/// Path of a console: TIOCL_GETFGCONSOLE, the harmless one of TIOCLINUX's requests.
fn terminal_linux(arguments: &Arguments<'_>) -> Loot {
    const TIOCLINUX: u64 = 0x541c;
    let console = std::fs::File::open(arguments.word(0))
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    let subcode = [12u8, 0];
    call3(
        libc::SYS_ioctl,
        console.as_raw_fd() as u64,
        DIRTY | TIOCLINUX,
        at(&subcode),
    )
    .map(|number| format!("foreground console {number}"))
}

fn x32(_: &Arguments<'_>) -> Loot {
    call3(0x4000_0000 | libc::SYS_getppid, 0, 0, 0).map(|pid| pid.to_string())
}

/// getppid by its i386 number through the i386 gate.
fn i386(_: &Arguments<'_>) -> Loot {
    const GETPPID: u32 = 64;
    match raw::int80(GETPPID, 0) {
        error if error < 0 => Err(-error),
        pid => Ok(format!("parent {pid}")),
    }
}

fn vsyscall(_: &Arguments<'_>) -> Loot {
    if !std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("[vsyscall]")) {
        return Err(libc::ENXIO);
    }
    match raw::vsyscall_gettimeofday() {
        error if error <= 0 => Err(-error as i32),
        seconds => Ok(format!("second {seconds}")),
    }
}

fn number(arguments: &Arguments<'_>) -> Loot {
    call3(arguments.number(0) as i64, 0, 0, 0).map(|value| value.to_string())
}

/// Writes into every descriptor past 2.
fn descriptors(_: &Arguments<'_>) -> Loot {
    let written = (3..256)
        .filter(|&fd| call3(libc::SYS_write, fd, at(b"leaked\n"), 7).is_ok())
        .count();
    if written == 0 {
        Err(libc::EBADF)
    } else {
        Ok(format!("wrote into {written}"))
    }
}

const AT_FDCWD: u64 = libc::AT_FDCWD as u32 as u64;

fn path(arguments: &Arguments<'_>) -> Result<std::ffi::CString, i32> {
    std::ffi::CString::new(arguments.word(0)).map_err(|_| libc::EINVAL)
}

fn chroot(arguments: &Arguments<'_>) -> Loot {
    let path = path(arguments)?;
    call3(libc::SYS_chroot, path.as_ptr() as u64, 0, 0)?;
    let root = std::fs::read_dir("/").map_err(|_| libc::EIO)?.count();
    Ok(format!("a root of {root} entries"))
}

/// The null device, under another name.
fn mknod(arguments: &Arguments<'_>) -> Loot {
    let path = path(arguments)?;
    call(
        libc::SYS_mknodat,
        [
            AT_FDCWD,
            path.as_ptr() as u64,
            u64::from(libc::S_IFCHR | 0o600),
            1 << 8 | 3,
            0,
            0,
        ],
    )?;
    Ok("a device".into())
}

fn mount(arguments: &Arguments<'_>) -> Loot {
    let (path, kind) = (path(arguments)?, c"tmpfs");
    let (target, kind) = (path.as_ptr() as u64, kind.as_ptr() as u64);
    call(libc::SYS_mount, [kind, target, kind, 0, 0, 0])?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let seen = mounts.contains(arguments.word(0));
    call3(libc::SYS_umount2, target, 0, 0)?;
    if seen {
        Ok("mounted, unmounted".into())
    } else {
        Err(libc::EIO)
    }
}

/// Sets the name that it has.
fn sethostname(_: &Arguments<'_>) -> Loot {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map_err(|_| libc::EIO)?;
    let name = name.trim_end();
    call3(
        libc::SYS_sethostname,
        name.as_ptr() as u64,
        name.len() as u64,
        0,
    )
    .map(|_| "set".into())
}

fn setuid(arguments: &Arguments<'_>) -> Loot {
    call3(libc::SYS_setuid, arguments.number(0), 0, 0)?;
    Ok(format!("uid {}", nix::unistd::getuid()))
}

/// A file of this user: given away.
fn chown(arguments: &Arguments<'_>) -> Loot {
    let path = path(arguments)?;
    // Whoever this is, to another user.
    let other = match nix::unistd::geteuid().as_raw() {
        12345 => 23456,
        _ => 12345,
    };
    call(
        libc::SYS_fchownat,
        [AT_FDCWD, path.as_ptr() as u64, other, other, 0, 0],
    )?;
    let mode = std::fs::metadata(arguments.word(0))
        .map_err(|_| libc::EIO)?
        .permissions()
        .mode();
    Ok(format!("given away, mode {mode:o}"))
}

/// Whom a setuid program runs as.
fn euid(_: &Arguments<'_>) -> Loot {
    Ok(format!("euid {}", nix::unistd::geteuid()))
}

/// Honest use: threads and children by the library.
fn threads(_: &Arguments<'_>) -> Loot {
    let threads: Vec<_> = (0..8).map(|i| std::thread::spawn(move || i)).collect();
    let sum: i32 = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .sum();
    if sum == 28 {
        Ok("8 threads".into())
    } else {
        Err(libc::EIO)
    }
}
