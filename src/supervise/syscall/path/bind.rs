//! bind(2) of a unix socket, made by the supervisor.
//!
//! The kernel resolves the path again, following links, and no flag keeps it from that; a process of
//! another jail may rename on the way meanwhile. The socket must keep the address that it was given, so
//! the path cannot be replaced by another one. So a process of its own confines itself by Landlock to the
//! directory that was judged, and binds: anywhere else the kernel answers EACCES. (A thread would do if it could
//! have its own umask and working directory, but containers deny unshare(2).)
//!
//! Not held: a denied directory beneath the very directory that was judged.

use crate::sys::process::{self, Fork};
use crate::sys::{Errno, files, landlock, namespace, signal, socket, wait};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What a bind needs.
pub(super) struct Binding<'a> {
    pub socket: BorrowedFd<'a>,
    /// `struct sockaddr_un`, as it was judged.
    pub address: &'a [u8],
    /// The task's working directory.
    pub start: &'a OwnedFd,
    /// Where the path leads to.
    pub directory: &'a OwnedFd,
    /// The task's umask.
    pub umask: u32,
    /// Whether a denial is kept out of the audit log.
    pub quiet: bool,
}

impl Binding<'_> {
    pub fn make(&self) -> Result<(), Errno> {
        let ruleset = landlock::sockets_beneath(self.directory.as_fd())?;
        // No handler of this program may run in the child.
        let mask = signal::block_all()?;
        let made = match namespace::fork_into(0) {
            Ok(Fork::Child) => {
                let made = self.make_confined(ruleset.as_fd());
                process::exit(made.err().map_or(0, |errno| errno as i32))
            }
            Ok(Fork::Parent(pid)) => ended(pid),
            Err(errno) => Err(errno),
        };
        signal::set_mask(&mask)?;
        made
    }

    /// The child's part: system calls only.
    fn make_confined(&self, ruleset: BorrowedFd<'_>) -> Result<(), Errno> {
        // A command of the same user must not be able to read the copy of this process's memory.
        process::set_dumpable(false)?;
        files::set_umask(self.umask);
        nix::unistd::fchdir(self.start)?;
        process::no_new_privs()?;
        landlock::restrict_self(ruleset, self.quiet)?;
        socket::bind(self.socket, self.address)
    }
}

/// What the child has exited with: an errno.
fn ended(pid: libc::pid_t) -> Result<(), Errno> {
    loop {
        match wait::wait(pid, 0) {
            Ok(Some((_, status))) if libc::WIFEXITED(status) => {
                return match libc::WEXITSTATUS(status) {
                    0 => Ok(()),
                    errno => Err(Errno::from_raw(errno)),
                };
            }
            Ok(Some(_)) => return Err(Errno::EACCES),
            Ok(None) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn address(path: &Path) -> Vec<u8> {
        let mut bytes = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
        bytes.extend(path.as_os_str().as_bytes());
        bytes.push(0);
        bytes
    }

    #[test]
    fn a_socket_is_bound_in_the_directory_that_was_judged_and_nowhere_else() {
        if landlock::abi() == 0 {
            println!("NOT TRIED HERE: this kernel has no Landlock");
            return;
        }
        let root = std::env::temp_dir().join(format!("jail-bind-{}", std::process::id()));
        for name in ["judged", "other"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let open = |path: &Path| OwnedFd::from(std::fs::File::open(path).unwrap());
        let (start, directory) = (open(&root), open(&root.join("judged")));
        let bind = |path: &Path| {
            let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
            let address = address(path);
            let binding = Binding {
                socket: socket.as_fd(),
                address: &address,
                start: &start,
                directory: &directory,
                umask: 0o077,
                quiet: landlock::abi() >= landlock::QUIET_ABI,
            };
            let made = binding.make();
            (made, socket.local_addr().unwrap())
        };
        let (made, address) = bind(Path::new("judged/one"));
        assert_eq!(made, Ok(()));
        assert_eq!(address.as_pathname(), Some(Path::new("judged/one")));
        let mode = root.join("judged/one").metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let (made, address) = bind(&root.join("other/two"));
        assert_eq!(made, Err(Errno::EACCES));
        assert!(address.is_unnamed() && address.as_abstract_name().is_none());
        assert!(!root.join("other/two").exists());
        // Nothing of it stays with this thread.
        std::fs::write(root.join("other/file"), "").unwrap();
        assert_ne!(std::env::current_dir().unwrap(), root);
        std::fs::remove_dir_all(root).unwrap();
    }
}
