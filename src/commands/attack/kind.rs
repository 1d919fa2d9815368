//! What an attack is: a row of [`super::list`].

use super::given::{Given, Tried};

/// What an attack tries to reach. The policy must deny it, or the attack says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// The content of the file outside.
    Read,
    /// A change of the file outside.
    Write,
    /// The execution of the program outside.
    Exec,
    /// The memory, the signals or the limits of the process outside; what it guards.
    Process,
    /// A process of another jail.
    Sibling,
    /// The listener of the suite, by TCP.
    Tcp,
    /// The socket of the suite, by UDP.
    Udp,
    /// A unix socket of the suite, by its path or by its abstract name.
    UnixPath,
    UnixAbstract,
    /// The netlink socket of the suite.
    Netlink,
    /// What is typed into the command's own terminal.
    Typed,
    /// What another terminal shows.
    Shown,
    /// A process that is alive when the jail has ended.
    Survivor,
    /// A process that is alive when the supervisor was killed.
    Orphan,
    /// A supervisor that answers nothing more.
    Held,
    /// More processes, output or time than the policy allows.
    Processes,
    Output,
    Wall,
    /// The listener, by a name of the policy that a forged answer leads there.
    Name,
}

/// The code of an attack.
pub type Run = fn(&Given) -> Tried;

/// One attack.
pub struct Attack {
    /// Its stable name.
    pub name: &'static str,
    /// What it belongs to, as a heading.
    pub area: &'static str,
    /// What it does.
    pub tries: &'static str,
    pub aim: Aim,
    /// Why this host cannot have the attack at all, whether in a jail or not.
    pub host: fn() -> Option<String>,
    /// Runs it; only ever called inside of a jail.
    pub run: Run,
}

impl Attack {
    /// What a second jail in the same directory does meanwhile.
    pub fn sibling(&self) -> Option<&'static str> {
        match self.aim {
            Aim::Sibling => Some("sibling-waits"),
            _ => (self.name == "sibling-jail").then_some("sibling-swaps"),
        }
    }

    /// Whether it needs the process outside.
    pub fn aims_at_process(&self) -> bool {
        self.aim == Aim::Process || ["proc-outside", "take-descriptor"].contains(&self.name)
    }
}
