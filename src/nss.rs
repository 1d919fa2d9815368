//! The host's own databases of names (nsswitch.conf(5)): addresses of hosts, users and their groups.
//!
//! The C library looks names up through modules that it loads when it is first asked, so a statically linked glibc
//! cannot: it would have to load the modules of the host's glibc into a program that has another one. Such a jail
//! asks getent(1) and id(1), which every host has; each is one process, outside the jail.

use std::net::IpAddr;

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's primary group.
    pub gid: u32,
}

/// The programs that are asked, as a name for `PATH`; none where the C library looks names up itself.
pub const PROGRAMS: &[&str] = if cfg!(all(target_env = "gnu", target_feature = "crt-static")) {
    &["getent", "id"]
} else {
    &[]
};

#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub use library::{addresses, groups, user};
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub use programs::{addresses, groups, user};

#[cfg(any(test, not(all(target_env = "gnu", target_feature = "crt-static"))))]
mod library {
    use super::{IpAddr, User};
    use nix::unistd;
    use std::ffi::CString;
    use std::io;
    use std::net::ToSocketAddrs;

    /// The addresses of a host, in the resolver's order; none where the name is unknown.
    pub fn addresses(name: &str) -> Vec<IpAddr> {
        let found = (name, 0).to_socket_addrs().into_iter().flatten();
        found.map(|address| address.ip()).collect()
    }

    /// A user by name; `None` where there is no such user.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn user(name: &str) -> io::Result<Option<User>> {
        let found = unistd::User::from_name(name)?;
        Ok(found.map(|user| User {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        }))
    }

    /// The numbers of all groups of a user, with the primary one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn groups(name: &str, user: &User) -> io::Result<Vec<u32>> {
        let groups = unistd::getgrouplist(&CString::new(name)?, user.gid.into())?;
        Ok(groups.into_iter().map(unistd::Gid::as_raw).collect())
    }
}

#[cfg(any(test, all(target_env = "gnu", target_feature = "crt-static")))]
mod programs {
    use super::{IpAddr, User};
    use crate::sys;
    use std::io::{self, ErrorKind};
    use std::process::{Command, Stdio};

    /// The code by which getent(1) says that a name is unknown.
    const UNKNOWN: i32 = 2;

    /// The addresses of a host, in the resolver's order; none where the name is unknown.
    pub fn addresses(name: &str) -> Vec<IpAddr> {
        let text = ask("getent", &["ahosts", name]).ok().flatten();
        let mut found = Vec::new();
        // A line for each kind of socket: "192.0.2.1  STREAM name".
        for line in text.unwrap_or_default().lines() {
            let address = line.split_whitespace().next().map(str::parse);
            if let Some(Ok(address)) = address
                && !found.contains(&address)
            {
                found.push(address);
            }
        }
        found
    }

    /// A user by name; `None` where there is no such user.
    ///
    /// # Errors
    /// If getent(1) cannot be run, fails, or prints something else than passwd(5) says.
    pub fn user(name: &str) -> io::Result<Option<User>> {
        let Some(text) = ask("getent", &["passwd", name])? else {
            return Ok(None);
        };
        let mut fields = text.trim_end().split(':');
        // A number finds the user who has it, too.
        if fields.next() != Some(name) {
            return Ok(None);
        }
        let mut numbers = fields.skip(1).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(uid)), Some(Ok(gid))) => Ok(Some(User { uid, gid })),
            _ => Err(io::Error::new(
                ErrorKind::InvalidData,
                "getent printed no numbers",
            )),
        }
    }

    /// The numbers of all groups of a user, with the primary one.
    ///
    /// # Errors
    /// If id(1) cannot be run, fails, or prints something else than numbers.
    pub fn groups(name: &str, user: &User) -> io::Result<Vec<u32>> {
        let text = ask("id", &["-G", name])?.unwrap_or_default();
        let mut groups: Vec<u32> = text
            .split_whitespace()
            .map(|number| {
                number
                    .parse()
                    .map_err(|_| io::Error::new(ErrorKind::InvalidData, "id printed no numbers"))
            })
            .collect::<io::Result<_>>()?;
        if !groups.contains(&user.gid) {
            groups.insert(0, user.gid);
        }
        Ok(groups)
    }

    /// What a program prints; `None` where it does not know the name.
    fn ask(program: &str, arguments: &[&str]) -> io::Result<Option<String>> {
        let [database, name] = arguments else {
            return Err(ErrorKind::InvalidInput.into());
        };
        // It would be an option.
        if name.starts_with('-') {
            return Ok(None);
        }
        let mut command = Command::new(program);
        command.args([database, name]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        sys::namespace::end_with_parent(&mut command);
        let output = command
            .output()
            .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        match output.status.code() {
            Some(0) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
            Some(UNKNOWN) if program == "getent" => Ok(None),
            _ => Err(io::Error::other(format!("{program} failed"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{User, library, programs};

    #[test]
    fn getent_finds_the_addresses_that_the_library_finds() {
        let mut library = library::addresses("localhost");
        let mut programs = programs::addresses("localhost");
        library.sort();
        library.dedup();
        programs.sort();
        assert!(!library.is_empty());
        // getent leaves out addresses of a family that this host has not.
        assert!(!programs.is_empty());
        assert!(programs.iter().all(|address| library.contains(address)));
        for unknown in ["no-such-host.invalid", "-A", "--help", ""] {
            assert!(programs::addresses(unknown).is_empty(), "{unknown}");
        }
        let numeric = programs::addresses("192.0.2.7");
        assert_eq!(numeric, library::addresses("192.0.2.7"));
    }

    #[test]
    fn getent_and_id_find_the_users_that_the_library_finds() {
        let users = std::fs::read_to_string("/etc/passwd").expect("a database");
        let names = users.lines().filter_map(|line| line.split(':').next());
        let mut seen = 0;
        for name in names.take(5) {
            let user = library::user(name).expect("an answer").expect("a user");
            assert_eq!(programs::user(name).expect("an answer"), Some(user.clone()));
            let sorted = |mut groups: Vec<u32>| {
                groups.sort_unstable();
                groups
            };
            assert_eq!(
                sorted(programs::groups(name, &user).expect("groups")),
                sorted(library::groups(name, &user).expect("groups")),
                "{name}"
            );
            seen += 1;
        }
        assert!(seen > 0);
        for unknown in ["no-such-user", "0", "-h", ""] {
            assert_eq!(programs::user(unknown).expect("an answer"), None);
            assert_eq!(library::user(unknown).expect("an answer"), None::<User>);
        }
    }
}
