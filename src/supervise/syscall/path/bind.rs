//! bind(2) of a unix socket, made by the supervisor.
//!
//! The kernel resolves the path again, following links, and no flag keeps it from that; a process of
//! another jail may rename on the way meanwhile. The socket must keep the address that it was given, so
//! the path cannot be replaced by another one. So a thread of its own confines itself by Landlock to the
//! directory that was judged, and binds: anywhere else the kernel answers EACCES.
//!
//! Not held: a denied directory beneath the very directory that was judged.

use crate::sys::{self, Errno, landlock, signal, socket};
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
    /// Whether a denial is kept out of the audit log.
    pub quiet: bool,
}

impl Binding<'_> {
    /// Binds with the umask of this thread.
    pub fn make(&self) -> Result<(), Errno> {
        // The thread must take no signal of this process: the supervisor's wait would go on.
        let mask = signal::block_all()?;
        let made = std::thread::scope(|scope| {
            std::thread::Builder::new()
                .spawn_scoped(scope, || self.make_confined())
                .map_err(|_| Errno::EAGAIN)
                .and_then(|thread| thread.join().unwrap_or(Err(Errno::EACCES)))
        });
        signal::set_mask(&mask)?;
        made
    }

    fn make_confined(&self) -> Result<(), Errno> {
        // From here on the umask and the working directory are this thread's own.
        sys::files::own_umask()?;
        nix::unistd::fchdir(self.start)?;
        let ruleset = landlock::sockets_beneath(self.directory.as_fd())?;
        sys::process::no_new_privs()?;
        landlock::restrict_self(ruleset.as_fd(), self.quiet)?;
        socket::bind(self.socket, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
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
                quiet: landlock::abi() >= landlock::QUIET_ABI,
            };
            let made = binding.make();
            (made, socket.local_addr().unwrap())
        };
        let (made, address) = bind(Path::new("judged/one"));
        assert_eq!(made, Ok(()));
        assert_eq!(address.as_pathname(), Some(Path::new("judged/one")));
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
