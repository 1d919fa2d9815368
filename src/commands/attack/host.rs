//! Attacks that this host cannot have at all. The questions are harmless: a process asks for its own id, or for
//! a namespace of a child.

use crate::sys;
use crate::sys::attack;

/// Every host has it.
pub fn any() -> Option<String> {
    None
}

fn x86_64(has: bool, what: &str) -> Option<String> {
    match (cfg!(target_arch = "x86_64"), has) {
        (false, _) => Some("this architecture has no such calls".to_owned()),
        (true, false) => Some(format!("this kernel has no {what}")),
        (true, true) => None,
    }
}

/// Calls of i386.
pub fn i386() -> Option<String> {
    x86_64(attack::has_i386(), "calls of i386")
}

/// Calls of x32.
pub fn x32() -> Option<String> {
    x86_64(attack::has_x32(), "calls of x32")
}

/// A setting beneath /proc/sys that is this number.
fn is_set(setting: &str, to: &str) -> bool {
    let text = std::fs::read_to_string(format!("/proc/sys/{setting}"));
    text.is_ok_and(|text| text.trim() == to)
}

/// io_uring, which a setting or the filter of a container may close.
pub fn ring() -> Option<String> {
    (!attack::has_ring()).then(|| "this host gives no io_uring".to_owned())
}

/// clone3, which the filter of a container may close.
pub fn clone3() -> Option<String> {
    (!attack::has_clone3()).then(|| "this host has no clone3".to_owned())
}

/// The memory of other processes of the same user.
pub fn tracing() -> Option<String> {
    let closed = ["2", "3"]
        .into_iter()
        .find(|most| is_set("kernel/yama/ptrace_scope", most));
    closed.map(|scope| format!("kernel.yama.ptrace_scope is {scope} here"))
}

/// Programs in memory.
pub fn memory_programs() -> Option<String> {
    is_set("vm/memfd_noexec", "2").then(|| "vm.memfd_noexec is 2 here".to_owned())
}

/// TIOCSTI.
pub fn typed() -> Option<String> {
    is_set("dev/tty/legacy_tiocsti", "0").then(|| "dev.tty.legacy_tiocsti is 0 here".to_owned())
}

/// User namespaces.
pub fn user_namespaces() -> Option<String> {
    let why = "this host lets this user make no user namespace";
    (!attack::can_make_user_namespace()).then(|| why.to_owned())
}

/// MADV_FREE, and MADV_PAGEOUT, which has the kernel take such a page at once.
pub fn lazy() -> Option<String> {
    let page = attack::Page::new(false).ok()?;
    page.write(page.half(), b"x");
    for advice in [libc::MADV_FREE, libc::MADV_PAGEOUT] {
        page.advise_second(advice).ok();
    }
    let why = "this kernel takes no page that was given back when it is asked to";
    (page.read(page.half()) != Some(0)).then(|| why.to_owned())
}

/// Whether the dynamic loader may be tried: a small program that it starts.
pub const LINKED: [&str; 2] = ["/usr/bin/echo", "/bin/echo"];

/// Whether the process is in a jail: a filter is installed, or it may not ask.
pub fn is_jailed() -> bool {
    sys::attack::filter_mode().is_none_or(|mode| mode == libc::SECCOMP_MODE_FILTER as i32)
}
