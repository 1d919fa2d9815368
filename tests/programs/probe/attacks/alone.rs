//! A pid namespace with one victim in it, for attacks that reach whatever there is: they reach
//! nothing else, even if the jail that is being tested does not hold.

use super::raw;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Runs a command there, with a /proc of its own; then prints how the victim fared. An ordinary
/// user needs a user namespace for it.
pub fn alone(words: &[String]) -> i32 {
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let mut flags = (libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64;
    if !user.is_root() {
        flags |= libc::CLONE_NEWUSER as u64;
    }
    if let Err(errno) = raw::call3(libc::SYS_unshare, flags, 0, 0) {
        println!("alone {errno}");
        return 2;
    }
    if !user.is_root() {
        let map = |file, text: String| std::fs::write(format!("/proc/self/{file}"), text).is_ok();
        let mapped = map("setgroups", "deny".into())
            && map("uid_map", format!("{user} {user} 1"))
            && map("gid_map", format!("{group} {group} 1"));
        if !mapped {
            println!("alone {}", raw::errno());
            return 2;
        }
    }
    // The first child is the namespace's init: all ends with it.
    let init = raw::clone(libc::SIGCHLD as u64, || inside(words).unwrap_or(2));
    init.and_then(raw::exit_code).unwrap_or(2)
}

fn inside(words: &[String]) -> Option<i32> {
    let (root, proc) = (c"/".as_ptr() as u64, c"/proc".as_ptr() as u64);
    let kind = c"proc".as_ptr() as u64;
    let private = libc::MS_REC | libc::MS_PRIVATE;
    let ready = raw::call(libc::SYS_mount, [kind, root, 0, private, 0, 0])
        .and_then(|_| raw::call(libc::SYS_mount, [kind, proc, kind, 0, 0, 0]))
        .and_then(|_| raw::call3(libc::SYS_setsid, 0, 0, 0));
    if let Err(errno) = ready {
        println!("alone {errno}");
        return None;
    }
    let probe = std::env::current_exe().ok()?;
    let mut victim = Command::new(probe)
        .args(["stage", "victim"])
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    BufReader::new(victim.stdout.take()?)
        .read_line(&mut String::new())
        .ok()?;

    let (program, rest) = words.split_first()?;
    let status = Command::new(program).args(rest).status().ok()?;

    let read = |name| std::fs::read_to_string(format!("/proc/{}/{name}", victim.id())).ok();
    let pending = read("status")?.lines().any(|line| {
        matches!(line.split_once(":\t"), Some(("SigPnd" | "ShdPnd", set)) if set.contains(|digit| digit != '0'))
    });
    // proc_pid_stat(5): nice is the 19th field, the 17th after the name.
    let stat = read("stat")?;
    let nice = stat.rsplit_once(") ")?.1.split(' ').nth(16)?.to_owned();
    println!("victim pending {pending} nice {nice}");
    status.code()
}
