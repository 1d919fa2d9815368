//! The terminal: its size, its mode, and its foreground process group.

use super::{Errno, check};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The controlling terminal, if this process has one.
fn controlling() -> Option<std::fs::File> {
    std::fs::File::open("/dev/tty").ok()
}

/// Whether it is a descriptor of a terminal: isatty(3).
pub fn is_terminal(fd: RawFd) -> bool {
    // SAFETY: takes a number only, and a closed descriptor is an error.
    unsafe { libc::isatty(fd) == 1 }
}

/// The number of the controlling terminal's device: TIOCGDEV of ioctl_tty(2), Linux 2.6.37.
pub fn controlling_device() -> Option<u32> {
    let terminal = controlling()?;
    let mut device: libc::c_uint = 0;
    // SAFETY: the kernel writes one unsigned int to the address, which is valid for that.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGDEV as _, &raw mut device) };
    (result == 0).then_some(device)
}

/// The number of the pseudoterminal whose master this is: TIOCGPTN of ioctl_tty(2).
pub fn number(master: impl AsFd) -> Result<u32, Errno> {
    let mut number: libc::c_uint = 0;
    let fd = master.as_fd().as_raw_fd();
    // SAFETY: the kernel writes one unsigned int to the address, which is valid for that.
    check(unsafe { libc::ioctl(fd, libc::TIOCGPTN as _, &raw mut number) })?;
    Ok(number)
}

/// Opens the slave of the pseudoterminal whose master this is: TIOCGPTPEER of ioctl_tty(2), Linux 4.13.
pub fn open_peer(master: impl AsFd, flags: libc::c_int) -> Result<OwnedFd, Errno> {
    let fd = master.as_fd().as_raw_fd();
    // SAFETY: takes numbers only; `master` is open during the call.
    let peer = check(unsafe { libc::ioctl(fd, libc::TIOCGPTPEER as _, flags) })?;
    // SAFETY: the kernel has just returned this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(peer as RawFd) })
}

/// The foreground process group of the controlling terminal.
pub fn foreground() -> Option<libc::pid_t> {
    let terminal = controlling()?;
    // SAFETY: takes and returns numbers only; `terminal` is open during the call.
    let group = unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) };
    (group > 0).then_some(group)
}

/// Puts a process group of this session into the foreground. The group need not exist any more.
pub fn set_foreground(group: libc::pid_t) {
    if let Some(terminal) = controlling() {
        // SAFETY: takes numbers only; `terminal` is open during the call.
        unsafe { libc::tcsetpgrp(terminal.as_raw_fd(), group) };
    }
}

/// The width in columns of the terminal behind this descriptor: TIOCGWINSZ, see ioctl_tty(2). `None` if
/// it is not a terminal, or one without a known width.
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

/// How a terminal treats what is typed and written: termios(3).
#[derive(Clone, Copy)]
pub struct Mode(libc::termios);

impl Mode {
    /// That of a terminal.
    pub fn of(terminal: impl AsFd) -> Result<Mode, Errno> {
        let mut mode = MaybeUninit::<libc::termios>::zeroed();
        let fd = terminal.as_fd().as_raw_fd();
        // SAFETY: the kernel writes a termios; zeroed bytes are one as well.
        check(unsafe { libc::tcgetattr(fd, mode.as_mut_ptr()) })?;
        // SAFETY: it was filled in.
        Ok(Mode(unsafe { mode.assume_init() }))
    }

    /// Sets it. This process may have to block SIGTTOU for that. `flush`: what was typed and not read is dropped.
    pub fn set(&self, terminal: impl AsFd, flush: bool) -> Result<(), Errno> {
        let how = if flush {
            libc::TCSAFLUSH
        } else {
            libc::TCSANOW
        };
        // SAFETY: `self` is valid for reading, and `terminal` is open during the call.
        check(unsafe { libc::tcsetattr(terminal.as_fd().as_raw_fd(), how, &self.0) }).map(drop)
    }

    /// Whether programs get whole lines.
    pub fn is_of_lines(&self) -> bool {
        self.0.c_lflag & libc::ICANON != 0
    }

    /// The same, but one key is read at once, without an echo. Ctrl-C and the like send their signals.
    pub fn of_keys(&self) -> Mode {
        let mut mode = self.0;
        mode.c_lflag &= !(libc::ICANON | libc::ECHO | libc::IEXTEN);
        mode.c_lflag |= libc::ISIG;
        mode.c_iflag |= libc::ICRNL;
        mode.c_oflag |= libc::OPOST | libc::ONLCR;
        mode.c_cc[libc::VMIN] = 1;
        mode.c_cc[libc::VTIME] = 0;
        mode.c_cc[libc::VINTR] = 3;
        mode.c_cc[libc::VQUIT] = 28;
        mode.c_cc[libc::VSUSP] = 26;
        Mode(mode)
    }
}

/// The foreground process group of this terminal, if it is the controlling one.
pub fn foreground_of(terminal: impl AsFd) -> Option<libc::pid_t> {
    // SAFETY: takes and returns numbers only; `terminal` is open during the call.
    let group = unsafe { libc::tcgetpgrp(terminal.as_fd().as_raw_fd()) };
    (group > 0).then_some(group)
}

/// Puts a process group into the foreground of this terminal. SIGTTOU must be blocked or ignored.
pub fn set_foreground_of(terminal: impl AsFd, group: libc::pid_t) -> Result<(), Errno> {
    // SAFETY: takes numbers only; `terminal` is open during the call.
    check(unsafe { libc::tcsetpgrp(terminal.as_fd().as_raw_fd(), group) }).map(drop)
}
