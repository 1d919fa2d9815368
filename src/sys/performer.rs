//! A process that makes calls for the supervisor, because the kernel charges the memory that it
//! allocates for a call to the cgroup of the calling process.
//!
//! It is a fork that shares with its parent only the descriptors and one area of memory, through which
//! it gets requests. It only makes system calls, because other threads of the parent may have held locks
//! at the fork.

use super::files::{Arg, is_sound};
use super::{Errno, check, wait};
use libc::{c_int, c_long, pid_t};
use std::mem::offset_of;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

/// For an attribute of XATTR_SIZE_MAX and two paths.
const ROOM: usize = 80 << 10;
/// Which process may use the area.
const PARENT: u32 = 0;
const CHILD: u32 = 1;
/// How often the parent checks whether the child has ended.
const LOOK: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// `struct __user_cap_header_struct` of linux/capability.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapHeader {
    version: u32,
    pid: c_int,
}

/// _LINUX_CAPABILITY_VERSION_3, of this thread.
const OWN: CapHeader = CapHeader {
    version: 0x2008_0522,
    pid: 0,
};

/// Two of `struct __user_cap_data_struct`: effective, permitted, inheritable.
type Capabilities = [u32; 6];

/// What both processes have mapped, at the same address.
#[repr(C)]
struct Area {
    turn: AtomicU32,
    umask: u32,
    number: c_long,
    registers: [u64; 6],
    /// As a system call returns it: -errno for an error.
    result: i64,
    capabilities: Capabilities,
    bytes: [u8; ROOM],
}

/// The process, a child of the thread that has made it.
pub struct Performer {
    area: NonNull<Area>,
    pid: pid_t,
    parent: pid_t,
}

impl Performer {
    /// Forks it. It ends with the calling thread.
    pub fn start() -> Result<Self, Errno> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
        let address = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            libc::mmap(null_mut(), size_of::<Area>(), access, flags, -1, 0)
        };
        let area = match NonNull::new(address.cast::<Area>()) {
            Some(area) if area.as_ptr().cast() != libc::MAP_FAILED => area,
            _ => return Err(Errno::last()),
        };
        let parent = super::process::getpid();
        let mut performer = Self {
            area,
            pid: 0,
            parent,
        };
        // SAFETY: a signal set for writing, and one for reading that was filled before; of this thread
        // alone, and taken back below.
        let before = unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            before
        };
        let flags = libc::CLONE_FILES as u64;
        // SAFETY: without CLONE_VM this is a fork, on a copy of the same stack. The child calls `serve`
        // alone, which never returns and makes system calls only.
        let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0u64, 0u64, 0u64, 0u64) });
        if pid == Ok(0) {
            serve(area, parent);
        }
        // SAFETY: the set that was there before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, null_mut()) };
        performer.pid = pid? as pid_t;
        Ok(performer)
    }

    /// Its process id.
    pub fn pid(&self) -> pid_t {
        self.pid
    }

    /// Makes a call in that process, with this thread's capabilities and this umask, as
    /// [`super::files::perform`] does; but EINVAL if the call fills a buffer. ENOMEM: the process has
    /// ended.
    pub fn perform(
        &self,
        number: c_long,
        args: [Arg<'_>; 6],
        umask: Option<u32>,
    ) -> Result<i64, Errno> {
        if !is_sound(number, &args) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the area is mapped while `self` lives. It is this process's turn, so the other one
        // only touches `turn`, which is atomic.
        let area = unsafe { &mut *self.area.as_ptr() };
        let begin = self.area.as_ptr().addr() + offset_of!(Area, bytes);
        let mut used = 0;
        let mut put = |bytes: &[u8]| {
            let at = used;
            let place = area.bytes.get_mut(at..at + bytes.len());
            place.ok_or(Errno::EINVAL)?.copy_from_slice(bytes);
            used = (at + bytes.len()).next_multiple_of(8);
            Ok((begin + at) as u64)
        };
        let mut registers = [0; 6];
        for (register, arg) in registers.iter_mut().zip(&args) {
            *register = match arg {
                Arg::Number(number) => *number,
                Arg::Text(text) => put(text.to_bytes_with_nul())?,
                Arg::In(bytes) => put(bytes)?,
                Arg::Out(_) => return Err(Errno::EINVAL),
                Arg::Null => 0,
            };
        }
        (area.number, area.registers) = (number, registers);
        area.umask = umask.unwrap_or(u32::MAX);
        capget(&mut area.capabilities)?;
        self.hand_over()?;
        // SAFETY: as above; it is this process's turn again.
        let result = unsafe { (*self.area.as_ptr()).result };
        match result {
            -4095..0 => Err(Errno::from_raw(-result as i32)),
            result => Ok(result),
        }
    }

    /// Gives the turn to the other process, and waits for it to come back.
    fn hand_over(&self) -> Result<(), Errno> {
        // SAFETY: mapped while `self` lives, and only ever accessed as an atomic.
        let turn = unsafe { &(*self.area.as_ptr()).turn };
        turn.store(CHILD, Ordering::Release);
        futex_wake(turn);
        while turn.load(Ordering::Acquire) == CHILD {
            futex_wait(turn, CHILD, Some(&LOOK));
            let ended = || {
                matches!(
                    wait::peek(self.pid, libc::WNOHANG),
                    Ok(Some(wait::Pending::End(_))) | Err(_)
                )
            };
            if turn.load(Ordering::Acquire) == CHILD && ended() {
                return Err(Errno::ENOMEM);
            }
        }
        Ok(())
    }
}

impl Drop for Performer {
    /// This thread's usual wait reaps it, like all of its children.
    fn drop(&mut self) {
        if self.pid > 0 && super::process::getpid() == self.parent && wait::is_own(self.pid) {
            let _ = super::process::kill(self.pid, libc::SIGKILL);
        }
        // SAFETY: mapped by `start` with this size; no reference outlives `self`.
        unsafe { libc::munmap(self.area.as_ptr().cast(), size_of::<Area>()) };
    }
}

/// The child: makes the requested calls one after another.
fn serve(area: NonNull<Area>, parent: pid_t) -> ! {
    let area = area.as_ptr();
    // SAFETY: the mapping was copied by the fork, and stays. Fields but `turn` are touched while it is
    // this process's turn only. Each call is one that `is_sound` knows, of numbers, and of pointers into
    // the area, where its parent has put what they stand for.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if libc::getppid() != parent {
            libc::_exit(0);
        }
        // A program that runs jails may be dumpable; a command of the same user must not be able to read
        // this process.
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::prctl(libc::PR_SET_NAME, c"jail-performer".as_ptr());
        // Signals for the caller's process group must not reach it.
        libc::setsid();
        let mut last: Capabilities = [0; 6];
        let turn = &(*area).turn;
        loop {
            while turn.load(Ordering::Acquire) != CHILD {
                futex_wait(turn, PARENT, None);
            }
            let wanted = (*area).capabilities;
            let taken = last == wanted || capset(&wanted);
            last = wanted;
            if (*area).umask != u32::MAX {
                libc::umask((*area).umask);
            }
            let [a, b, c, d, e, f] = (*area).registers;
            let result = match taken {
                true => libc::syscall((*area).number, a, b, c, d, e, f),
                false => {
                    last = [u32::MAX; 6];
                    -1
                }
            };
            (*area).result = match result {
                -1 => -i64::from(*libc::__errno_location()),
                result => result,
            };
            turn.store(PARENT, Ordering::Release);
            futex_wake(turn);
        }
    }
}

/// capget(2) of this thread.
fn capget(into: &mut Capabilities) -> Result<(), Errno> {
    let mut own = OWN;
    // SAFETY: a header of version 3, and room for its two parts.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut own, into.as_mut_ptr()) }).map(drop)
}

/// capset(2) of this thread.
fn capset(from: &Capabilities) -> bool {
    let mut own = OWN;
    // SAFETY: a header of version 3, and its two parts.
    unsafe { libc::syscall(libc::SYS_capset, &raw mut own, from.as_ptr()) == 0 }
}

/// futex(2), on memory that two processes share.
fn futex_wait(word: &AtomicU32, value: u32, time: Option<&libc::timespec>) {
    let time = time.map_or(null(), std::ptr::from_ref);
    // SAFETY: the word is valid, and so is the time where there is one.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            time,
        )
    };
}

fn futex_wake(word: &AtomicU32) {
    // SAFETY: the word is valid.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn six<const N: usize>(args: [Arg<'_>; N]) -> [Arg<'_>; 6] {
        let mut args = args.into_iter();
        std::array::from_fn(|_| args.next().unwrap_or(Arg::Number(0)))
    }

    #[test]
    fn what_it_makes_is_made_with_its_parents_descriptors_and_the_umask_given() {
        use std::os::unix::fs::PermissionsExt;
        let root = std::env::temp_dir().join(format!("jail-performer-{}", std::process::id()));
        std::fs::create_dir(&root).expect("mkdir");
        let performer = Performer::start().expect("a process");
        // Opened after the fork, so the child sees it only because descriptors are shared.
        let directory = std::fs::File::open(&root).expect("a directory");
        let at = || Arg::Number(directory.as_raw_fd() as u64);
        let mkdir = |name, mask| {
            let args = six([at(), Arg::Text(name), Arg::Number(0o777)]);
            performer.perform(libc::SYS_mkdirat, args, Some(mask))
        };
        assert_eq!(mkdir(c"made", 0o027), Ok(0));
        assert_eq!(mkdir(c"made", 0o027), Err(Errno::EEXIST));
        let mode = std::fs::metadata(root.join("made"))
            .expect("made")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o750);
        let target = std::ffi::CString::new("t".repeat(4000)).expect("a text");
        let args = six([Arg::Text(&target), at(), Arg::Text(c"link")]);
        assert_eq!(performer.perform(libc::SYS_symlinkat, args, None), Ok(0));
        // No other call is accepted.
        let args = || six([Arg::Number(0)]);
        assert_eq!(
            performer.perform(libc::SYS_close, args(), None),
            Err(Errno::EINVAL)
        );
        let pid = performer.pid();
        super::super::process::kill(pid, libc::SIGKILL).expect("kill");
        assert_eq!(mkdir(c"more", 0), Err(Errno::ENOMEM));
        drop(performer);
        assert!(matches!(wait::wait(pid, 0), Ok(Some(_))));
        std::fs::remove_dir_all(&root).expect("removed");
    }
}
