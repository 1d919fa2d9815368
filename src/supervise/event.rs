//! What happens in a jail, for its listeners.

use super::ask::Asker;
use super::{Denial, Object, Program, Used};
use crate::policy::{DomainId, DomainSet, LimitKind};
use crate::syscalls::Call;
use crate::trace::{Exit, Tid};

/// One event, borrowed: the tracee it is about may still be in its stop.
pub enum Event<'a> {
    /// The command was started.
    Start {
        /// The main process.
        pid: Tid,
        /// The program that was found.
        program: &'a std::path::Path,
    },
    /// A process runs another program.
    Exec {
        /// The process.
        pid: Tid,
        /// The program and those before it.
        program: &'a Program,
        /// The domains that it is in.
        domains: DomainSet,
    },
    /// A process or thread was made.
    Spawn {
        /// The process that made it.
        parent: Tid,
        /// The new process or thread.
        child: Tid,
        /// Whether it is a thread of `parent`.
        thread: bool,
    },
    /// A call was denied, and not quietly.
    Denied(Denial<'a>),
    /// A call on a path or a peer was allowed, where that is recorded
    /// ([`Plan::records`](crate::plan::Plan)).
    Accessed {
        /// The process.
        pid: Tid,
        /// The thread.
        tid: Tid,
        /// The call, as its registers had it.
        call: &'a Call,
        /// The path or the peer.
        object: &'a Object,
        /// The program that made the call, and those before it.
        program: &'a Program,
        /// The domains of the process.
        domains: DomainSet,
    },
    /// What the policy lacks for a call that was let through, where that is learned
    /// ([`Plan::learns`](crate::plan::Plan)): one path or peer.
    Lacking(Denial<'a>),
    /// A socket is created, where that is learned: the policy may need an entry for its kind.
    Socket {
        /// The call, as its registers had it.
        call: &'a Call,
        /// The program that made the call, and those before it.
        program: &'a Program,
    },
    /// A call goes on although the policy lacks an entry for this path or peer, because the answer to a question
    /// allows it.
    Granted(Denial<'a>),
    /// A call ended the jail.
    Killed(Denial<'a>),
    /// The command is past a limit, and is being ended.
    Limit(LimitKind),
    /// Processes in a domain are past a limit of the domain, and are being killed.
    DomainLimit {
        /// The process that entered the domain, or one of those that it made.
        pid: Tid,
        /// Its program and those before it.
        program: &'a Program,
        /// The domain.
        domain: DomainId,
        /// The limit.
        limit: LimitKind,
    },
    /// A program of a foreign ABI was started, and killed: all of its calls are closed.
    Foreign {
        /// The process.
        pid: Tid,
        /// The program and those before it.
        program: &'a Program,
    },
    /// A seccomp filter of the command's own has refused a call that jail made in place of an open.
    Refused {
        /// The process.
        pid: Tid,
        /// The program and those before it.
        program: &'a Program,
        /// That call.
        call: &'static str,
    },
    /// A signal is delivered.
    Signal {
        /// The process.
        pid: Tid,
        /// The thread.
        tid: Tid,
        /// The signal's number.
        signal: i32,
    },
    /// A process ended.
    Exit {
        /// The process.
        pid: Tid,
        /// The process that made it, if that is known.
        parent: Option<Tid>,
        /// How.
        exit: Exit,
    },
    /// The command has ended, what it left behind has not, and the user asks to end.
    Waiting {
        /// The processes left, as `name (pid N)`.
        tree: &'a [String],
        /// Whether the user has asked the command to end.
        asked: bool,
    },
    /// No process of the jail is left: what they used, where that was measured.
    Used(Used),
}

/// A listener.
pub trait Observer {
    /// Takes an event. Must not block for long: the tree waits.
    fn event(&mut self, event: &Event<'_>);

    /// Whether more than denials is wanted: exec, spawn, signal and exit events cost time.
    fn wants_all(&self) -> bool {
        false
    }

    /// Whether exec and exit events are wanted from now on, although not all are.
    fn wants_ends(&self) -> bool {
        false
    }

    /// What puts questions, if there is any ([`Plan::asks`](crate::plan::Plan)).
    fn asker(&mut self) -> Option<&mut dyn Asker> {
        None
    }
}
