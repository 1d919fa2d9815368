//! Calls by the numbers of another architecture: i386 (`int 0x80`) and x32, which an x86-64 kernel may have.

use super::super::Errno;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::{CStr, Errno, OwnedFd};
    use crate::sys::check;
    use crate::sys::process::{Fork, exit, fork};
    use std::os::fd::FromRawFd;
    use std::ptr::null_mut;

    /// `open` of i386, and `getpid`.
    const OPEN_I386: u32 = 5;
    const GETPID_I386: u32 = 20;
    /// The bit of x32, and its `open` and `getpid`, whose numbers are those of x86-64.
    const X32: i64 = 0x4000_0000;

    /// `int 0x80`, which dies of SIGSEGV where the kernel has no i386 calls.
    ///
    /// # Safety
    /// As for the call of i386 with this number.
    unsafe fn int80(number: u32, first: u32, second: u32, third: u32) -> i32 {
        let result: u64;
        // SAFETY: rbx, which the compiler keeps for itself, is restored; the kernel may clear r8 to r11.
        unsafe {
            std::arch::asm!(
                "xchg rbx, {first}",
                "int 0x80",
                "xchg rbx, {first}",
                first = inout(reg) u64::from(first) => _,
                inlateout("rax") u64::from(number) => result,
                in("rcx") u64::from(second),
                in("rdx") u64::from(third),
                lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
            );
        }
        result as u32 as i32
    }

    pub fn open_i386(path: &CStr) -> Result<OwnedFd, Errno> {
        let bytes = path.to_bytes_with_nul();
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no other.
        let low = unsafe { libc::mmap(null_mut(), bytes.len(), access, flags, -1, 0) };
        if low == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the mapping is new and has room for the bytes. The call reads the path there.
        let result = unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), low.cast(), bytes.len());
            int80(OPEN_I386, low.addr() as u32, 0, 0)
        };
        match result {
            // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
            0.. => Ok(unsafe { OwnedFd::from_raw_fd(result) }),
            errno => Err(Errno::from_raw(-errno)),
        }
    }

    pub fn open_x32(path: &CStr) -> Result<OwnedFd, Errno> {
        // SAFETY: the path is NUL-terminated. A kernel without x32 answers ENOSYS.
        let fd = check(unsafe {
            libc::syscall(X32 | libc::SYS_open, path.as_ptr(), libc::O_RDONLY, 0)
        })?;
        // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }

    pub fn has_i386() -> bool {
        // The child dies of SIGSEGV where there is no such call.
        match fork() {
            Ok(Fork::Child) => {
                // SAFETY: getpid takes nothing.
                let pid = unsafe { int80(GETPID_I386, 0, 0, 0) };
                exit(i32::from(pid <= 0))
            }
            Ok(Fork::Parent(child)) => {
                matches!(crate::sys::wait::wait(child, 0), Ok(Some((_, 0))))
            }
            Err(_) => false,
        }
    }

    pub fn has_x32() -> bool {
        // SAFETY: getpid takes nothing. A kernel without x32 answers ENOSYS.
        unsafe { libc::syscall(X32 | libc::SYS_getpid) > 0 }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod x86_64 {
    use super::{CStr, Errno, OwnedFd};

    pub fn open_i386(_: &CStr) -> Result<OwnedFd, Errno> {
        Err(Errno::ENOSYS)
    }

    pub fn open_x32(_: &CStr) -> Result<OwnedFd, Errno> {
        Err(Errno::ENOSYS)
    }

    pub fn has_i386() -> bool {
        false
    }

    pub fn has_x32() -> bool {
        false
    }
}

/// Opens a file for reading by the call of i386. The process dies where the kernel has no such calls.
pub fn open_i386(path: &CStr) -> Result<OwnedFd, Errno> {
    x86_64::open_i386(path)
}

/// Opens a file for reading by the call of x32.
pub fn open_x32(path: &CStr) -> Result<OwnedFd, Errno> {
    x86_64::open_x32(path)
}

/// Whether this host has calls of i386: asks for the process's own id in a child.
pub fn has_i386() -> bool {
    x86_64::has_i386()
}

/// Whether this host has calls of x32: asks for the process's own id.
pub fn has_x32() -> bool {
    x86_64::has_x32()
}
