//! System calls that leave the C library's thread-local variables alone, for a process that shares its
//! parent's memory and thread pointer ([`super::companion`]).
//!
//! A wrapper of libc would store its errno in a variable of the parent's thread. So the system call
//! instruction is used directly. Nothing here allocates, locks or panics.

use libc::{c_int, c_long, pid_t, timespec};
use std::ffi::CStr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// One system call: its result, or minus an errno.
///
/// # Safety
/// The conditions of the call itself: pointers must be valid for what the kernel does with
/// them.
unsafe fn call(number: c_long, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    let result: isize;
    // SAFETY: the registers are those of the system call ABI; the kernel changes no other than those
    // named here, and memory as the caller has agreed to.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

fn time(duration: Duration) -> timespec {
    timespec {
        tv_sec: duration.as_secs() as libc::time_t,
        tv_nsec: duration.subsec_nanos().into(),
    }
}

/// futex(2) FUTEX_WAIT: sleeps until the word is no longer `expected` and its waiters are woken, or
/// until the time is over.
pub fn wait_for_change(word: &AtomicU32, expected: u32, at_most: Duration) {
    let time = time(at_most);
    let (word, time) = (word.as_ptr() as usize, &raw const time as usize);
    let wait = libc::FUTEX_WAIT as usize;
    // SAFETY: the word and the time are valid for the call.
    unsafe { call(libc::SYS_futex, [word, wait, expected as usize, time, 0, 0]) };
}

fn clock(id: libc::clockid_t) -> Option<Duration> {
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let to = &raw mut time as usize;
    // SAFETY: `time` is valid for writing.
    match unsafe { call(libc::SYS_clock_gettime, [id as usize, to, 0, 0, 0, 0]) } {
        0 => Some(
            Duration::from_secs(time.tv_sec as u64)
                .saturating_add(Duration::from_nanos(time.tv_nsec as u64)),
        ),
        _ => None,
    }
}

/// CLOCK_MONOTONIC.
pub fn now() -> Duration {
    clock(libc::CLOCK_MONOTONIC).unwrap_or_default()
}

/// As [`super::clock::ran`]: takes no lock that a process could hold while it is not running.
pub fn ran(pid: pid_t) -> Option<Duration> {
    clock(super::clock::whole_process(pid))
}

/// getpid(2).
pub fn getpid() -> pid_t {
    // SAFETY: takes nothing.
    unsafe { call(libc::SYS_getpid, [0; 6]) as pid_t }
}

/// kill(2).
pub fn kill(pid: pid_t, signal: c_int) {
    // SAFETY: takes numbers only.
    unsafe { call(libc::SYS_kill, [pid as usize, signal as usize, 0, 0, 0, 0]) };
}

/// sched_setaffinity(2): a task may run on every processor that its cpuset has.
pub fn run_anywhere(tid: pid_t) {
    // The kernel ignores bits beyond its processors, and bits of processors that do not exist.
    let all = [u64::MAX; 128];
    let (length, mask) = (size_of_val(&all), all.as_ptr() as usize);
    // SAFETY: the mask is valid for reading, of this length.
    unsafe {
        call(
            libc::SYS_sched_setaffinity,
            [tid as usize, length, mask, 0, 0, 0],
        )
    };
}

/// tgkill(2).
pub fn signal_thread(pid: pid_t, tid: pid_t, signal: c_int) {
    let [pid, tid, signal] = [pid, tid, signal].map(|number| number as usize);
    // SAFETY: takes numbers only.
    unsafe { call(libc::SYS_tgkill, [pid, tid, signal, 0, 0, 0]) };
}

/// A file that was opened for reading; closed when it is dropped.
pub struct File(c_int);

impl File {
    /// open(2), closed by execve.
    pub fn open(path: &CStr) -> Option<File> {
        let (at, path) = (libc::AT_FDCWD as usize, path.as_ptr() as usize);
        let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as usize;
        // SAFETY: the path is NUL-terminated.
        let fd = unsafe { call(libc::SYS_openat, [at, path, flags, 0, 0, 0]) };
        (fd >= 0).then_some(File(fd as c_int))
    }

    /// Reads from its beginning, up to the size of the buffer. A file of proc(5) is generated anew for
    /// each call.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> &'a [u8] {
        let (to, length) = (buffer.as_mut_ptr() as usize, buffer.len());
        let args = [self.0 as usize, to, length, 0, 0, 0];
        // SAFETY: the buffer is valid for writing.
        let read = unsafe { call(libc::SYS_pread64, args) };
        let read = usize::try_from(read).unwrap_or_default();
        buffer.get(..read).unwrap_or_default()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: takes a number only, of a descriptor that this value owns.
        unsafe { call(libc::SYS_close, [self.0 as usize, 0, 0, 0, 0, 0]) };
    }
}

/// close_range(2) (Linux 5.9) with CLOSE_RANGE_UNSHARE: gives this process an empty table of descriptors
/// of its own, instead of the one that it shares with its parent.
pub(super) fn leave_descriptors() {
    let unshare = libc::CLOSE_RANGE_UNSHARE as usize;
    let all = u32::MAX as usize;
    // SAFETY: takes numbers only; no descriptor is used afterwards that was opened before.
    unsafe { call(libc::SYS_close_range, [0, all, unshare, 0, 0, 0]) };
}

/// PR_SET_PDEATHSIG: this process dies with the thread that created it.
pub(super) fn die_with_parent() {
    let (option, signal) = (libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize);
    // SAFETY: takes numbers only.
    unsafe { call(libc::SYS_prctl, [option, signal, 0, 0, 0, 0]) };
}

/// getppid(2).
pub(super) fn parent() -> pid_t {
    // SAFETY: takes nothing.
    unsafe { call(libc::SYS_getppid, [0; 6]) as pid_t }
}

/// setsid(2): this process gets no signal from the terminal or for the parent's process group.
pub(super) fn leave_session() {
    // SAFETY: takes nothing.
    unsafe { call(libc::SYS_setsid, [0; 6]) };
}

/// PR_SET_NAME: what ps(1) and /proc/PID/comm call this process.
pub(super) fn set_name(name: &CStr) {
    let (option, name) = (libc::PR_SET_NAME as usize, name.as_ptr() as usize);
    // SAFETY: the name is NUL-terminated; the kernel takes 15 bytes of it at most.
    unsafe { call(libc::SYS_prctl, [option, name, 0, 0, 0, 0]) };
}

/// Whether this thread of that process exists.
pub(super) fn has_thread(pid: pid_t, tid: pid_t) -> bool {
    // SAFETY: takes numbers only; signal 0 sends nothing.
    unsafe { call(libc::SYS_tgkill, [pid as usize, tid as usize, 0, 0, 0, 0]) == 0 }
}

/// exit_group(2).
pub(super) fn exit() -> ! {
    loop {
        // SAFETY: takes a number only, and does not return.
        unsafe { call(libc::SYS_exit_group, [0; 6]) };
    }
}

/// The number that follows a word at the beginning of a line; without a word, the number at the
/// beginning of the text.
pub fn number_after(text: &[u8], word: &[u8]) -> Option<u64> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let rest = match word {
        [] => lines.next()?,
        word => lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(b" "))?,
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| number(rest.get(..digits).unwrap_or_default()))
}

/// A number in decimal.
pub fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |number, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        number.wrapping_mul(10).wrapping_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_word() {
        let events = b"low 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n";
        assert_eq!(number_after(events, b"oom"), Some(2));
        assert_eq!(number_after(events, b"oom_kill"), Some(3));
        assert_eq!(number_after(events, b"swap"), None);
        let control = b"oom_kill_disable 0\noom_kill 1\n";
        assert_eq!(number_after(control, b"oom_kill"), Some(1));
        assert_eq!(number_after(b"4096\n", b""), Some(4096));
        assert_eq!(number_after(b"134217728\n", b""), Some(134_217_728));
        assert_eq!(number_after(b"", b""), None);
    }
}
