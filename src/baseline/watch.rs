//! Classes of calls that the supervisor must see. Which classes a jail needs is the plan's to say.

/// Classes of calls, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch(u64);

impl Watch {
    /// None.
    pub const NONE: Watch = Watch(0);
    /// Opens that only read.
    pub const READ: Watch = Watch(1 << 0);
    /// Opens that may change something.
    pub const WRITE: Watch = Watch(1 << 1);
    /// Opens by O_PATH.
    pub const HANDLE: Watch = Watch(1 << 2);
    /// Opens that truncate but do not write: Landlock below ABI 3 allows them.
    pub const TRUNCATING: Watch = Watch(1 << 3);
    /// truncate(2).
    pub const TRUNCATE: Watch = Watch(1 << 4);
    /// Calls that create and remove names.
    pub const CHANGE: Watch = Watch(1 << 5);
    /// rename(2) and link(2).
    pub const MOVE: Watch = Watch(1 << 6);
    /// chmod, chown, utimes, setxattr: by path or descriptor.
    pub const METADATA: Watch = Watch(1 << 7);
    /// stat, access, readlink, chdir …
    pub const STAT: Watch = Watch(1 << 8);
    /// inotify and fanotify.
    pub const NOTIFY: Watch = Watch(1 << 9);
    /// execve.
    pub const EXEC: Watch = Watch(1 << 10);
    /// execveat of a descriptor, which needs no path.
    pub const EXEC_OF_DESCRIPTOR: Watch = Watch(1 << 11);
    /// Calls that bypass paths, or change what they mean.
    pub const GOVERNED: Watch = Watch(1 << 12);
    /// Opens with access mode 3, which open(2) documents for device control: Landlock requires no right
    /// for them, and yet they truncate, and return a descriptor for changing metadata.
    pub const MODE_3: Watch = Watch(1 << 14);
    /// Calls that could touch the pages in which the supervisor keeps what it has judged. Denied where it
    /// uses them.
    pub const PINS: Watch = Watch(1 << 15);
    /// Calls that would blind the supervisor, or change memory unnoticed by it.
    pub const MEMORY: Watch = Watch(1 << 13);
    /// connect(2).
    pub const CONNECT: Watch = Watch(1 << 16);
    /// sendto(2) with an address.
    pub const SEND_TO: Watch = Watch(1 << 17);
    /// sendmsg(2) and sendmmsg(2), whose addresses are in memory.
    pub const SEND_MESSAGE: Watch = Watch(1 << 18);
    /// Sends with MSG_FASTOPEN: they connect.
    pub const FAST_OPEN: Watch = Watch(1 << 19);
    /// bind(2).
    pub const BIND: Watch = Watch(1 << 20);
    /// listen(2).
    pub const LISTEN: Watch = Watch(1 << 21);
    /// No internet socket can be created.
    pub const NO_INTERNET: Watch = Watch(1 << 22);
    /// No TCP socket.
    pub const NO_STREAMS: Watch = Watch(1 << 23);
    /// No UDP socket.
    pub const NO_DATAGRAMS: Watch = Watch(1 << 24);
    /// No unix datagram socket.
    pub const NO_UNIX_DATAGRAMS: Watch = Watch(1 << 25);
    /// No internet socket but TCP and UDP.
    pub const NO_OTHERS: Watch = Watch(1 << 26);
    /// No socket that connects to addresses that no call names.
    pub const NO_DETOURS: Watch = Watch(1 << 27);

    /// Calls that would hide a process's memory from the supervisor.
    pub const DUMPABLE: Watch = Watch(1 << 28);

    /// Opens through which files in memory may grow, and calls that give memory back, if the supervisor
    /// adds up memory.
    pub const FILL: Watch = Watch(1 << 29);

    /// Calls by which the command installs seccomp filters. Needed in every jail.
    pub const OWN_FILTER: Watch = Watch(1 << 31);

    /// Calls for memory whose content the kernel may discard later by itself. Denied if arguments are
    /// judged in the command's own memory.
    pub const LAZY_MEMORY: Watch = Watch(1 << 30);

    /// Files in memory that can be executed by a name in /proc: Landlock has no path for them, and only a supervisor
    /// sees what was loaded.
    pub const MEMFD: Watch = Watch(1 << 33);

    /// Calls that would make a resolver's answer look like another one.
    pub const NAMES: Watch = Watch(1 << 32);

    /// Opens of terminals that the command has created: Landlock cannot name one that is created later.
    pub const TERMINALS: Watch = Watch(1 << 40);

    /// No POSIX message queue can be created, opened or removed.
    pub const NO_QUEUES: Watch = Watch(1 << 41);

    /// Opens that only read, which Landlock decides: the supervisor checks them to report denials.
    pub const LOOK_READ: Watch = Watch(1 << 45);
    /// The same for opens that may change something.
    pub const LOOK_WRITE: Watch = Watch(1 << 42);
    /// The same for calls that create, remove and rename, and for truncate(2).
    pub const LOOK_NAMES: Watch = Watch(1 << 43);
    /// The same for execve.
    pub const LOOK_EXEC: Watch = Watch(1 << 44);
    /// Calls that create sockets of the kinds that a policy may close, to learn that they are needed.
    pub const SOCKETS: Watch = Watch(1 << 46);
    /// All of `LOOK_…`.
    pub const LOOK: Watch = Watch::LOOK_READ
        .and(Watch::LOOK_WRITE)
        .and(Watch::LOOK_NAMES)
        .and(Watch::LOOK_EXEC);

    /// Classes of calls of which one at least is watched wherever paths or peers are judged.
    pub const JUDGED: Watch = Watch::MEMORY
        .and(Watch::MOVE)
        .and(Watch::CONNECT)
        .and(Watch::SEND_TO)
        .and(Watch::SEND_MESSAGE)
        .and(Watch::FAST_OPEN)
        .and(Watch::BIND)
        .and(Watch::LISTEN);

    /// Every class of opens by which a writing open is judged by its path.
    pub const WRITING: Watch = Watch::READ.and(Watch::WRITE);

    /// Both.
    pub const fn and(self, other: Watch) -> Watch {
        Watch(self.0 | other.0)
    }

    /// Without these.
    pub const fn without(self, other: Watch) -> Watch {
        Watch(self.0 & !other.0)
    }

    /// Those of these.
    pub const fn only(self, other: Watch) -> Watch {
        Watch(self.0 & other.0)
    }

    /// Adds a class if it is needed.
    pub fn add(&mut self, class: Watch, needed: bool) {
        if needed {
            self.0 |= class.0;
        }
    }

    /// Whether all of these are watched.
    pub const fn has(self, class: Watch) -> bool {
        self.0 & class.0 == class.0
    }

    /// Whether any of these is watched.
    pub const fn any(self, class: Watch) -> bool {
        self.0 & class.0 != 0
    }
}
