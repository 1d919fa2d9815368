//! The terminal's size.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// How many columns the terminal behind this descriptor has: TIOCGWINSZ, see ioctl_tty(2). `None`
/// where it is no terminal, or one that does not know.
pub fn columns(fd: impl AsFd) -> Option<usize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the kernel writes a winsize; zeroed bytes are one as well.
    let (result, size) = unsafe {
        let fd = fd.as_fd().as_raw_fd();
        (
            libc::ioctl(fd, libc::TIOCGWINSZ, size.as_mut_ptr()),
            size.assume_init(),
        )
    };
    (result == 0 && size.ws_col > 0).then_some(size.ws_col.into())
}
