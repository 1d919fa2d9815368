//! `[fs]` on a host: what Landlock enforces, what the supervisor must see, and why.
//!
//! Landlock enforces grants of subtrees that exist when the jail starts; it has no denial within a
//! grant. What it cannot enforce exactly, the supervisor enforces, and Landlock's rules still bound the
//! worst case (the floor).

use std::path::{Path, PathBuf};

use super::domain::REFER_ABI;
use super::grants::Grants;
use super::route::{Cost, Enforcer, Route, What};
use super::{Host, Net, ProcElsewhere, meet};
use crate::baseline::Watch;
use crate::paths::{Access, Pattern, Terminal, above, is_beneath};
use crate::policy::{Action, DomainSet, Isolation, List, PathEntry, Policy, Setting};
use crate::sorting::sort_by_key;
use crate::syscalls::Errno;
use std::os::unix::ffi::OsStrExt;

/// The first that knows of truncation (LANDLOCK_ACCESS_FS_TRUNCATE, Linux 6.2).
const TRUNCATE_ABI: u32 = 3;
/// The first kernel on which the guarded pages were tried. They need openat2(2) of Linux 5.6 and
/// MAP_FIXED_NOREPLACE of 4.17.
pub const PINS: (u32, u32) = (5, 10);

/// Why an entry that Landlock could enforce is not left to it.
pub(super) const DENIED_WITHIN: &str = "another entry denies within it";
/// The same, of changes only.
pub(super) const PROTECTED_WITHIN: &str = "a part of what may be changed is protected";

/// Rights of a Landlock rule, in the terms of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// Read files, list directories.
    pub read: bool,
    /// Change.
    pub write: bool,
    /// Execute.
    pub exec: bool,
}

impl Rights {
    const NONE: Rights = Rights {
        read: false,
        write: false,
        exec: false,
    };

    const ALL: Rights = Rights {
        read: true,
        write: true,
        exec: true,
    };

    fn of(list: List) -> Rights {
        match list {
            List::Read => Rights {
                read: true,
                ..Rights::NONE
            },
            List::Write => Rights {
                read: true,
                write: true,
                exec: false,
            },
            List::Exec => Rights {
                exec: true,
                ..Rights::NONE
            },
            List::Deny | List::Hide | List::Protect => Rights::NONE,
        }
    }

    fn or_all(self, all: bool) -> Rights {
        if all { Rights::ALL } else { self }
    }

    pub(super) fn and(self, other: Rights) -> Rights {
        Rights {
            read: self.read | other.read,
            write: self.write | other.write,
            exec: self.exec | other.exec,
        }
    }

    pub(super) fn within(self, other: Rights) -> Rights {
        Rights {
            read: self.read & other.read,
            write: self.write & other.write,
            exec: self.exec & other.exec,
        }
    }

    /// Whether there are no rights.
    pub fn is_none(self) -> bool {
        self == Rights::NONE
    }
}

/// How `[fs]` is enforced on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// What the supervisor sees.
    pub watch: Watch,
    /// The accesses that the Landlock domain denies unless a rule grants them.
    pub handled: Rights,
    /// The grants. A path that no longer exists when the jail starts is left out.
    pub grants: Vec<(PathBuf, Rights)>,
    /// The accesses for which, even if the supervisor is deceived, only the policy's denials can be
    /// bypassed: Landlock enforces what is granted exactly, or everything is granted.
    pub floor: Rights,
    /// Which accesses the policy restricts at all.
    pub governed: Rights,
    /// Whether judged paths can be protected from change: guarded pages, and openat2.
    pub pins: bool,
    /// Whether the pages are written through /proc/PID/mem ([`Host::memory_files`]).
    pub memory_files: bool,
    proc_elsewhere: ProcElsewhere,
    /// What it said of [`Files::writable`], if the plan depends on that.
    reaches_proc: Option<bool>,
    /// Whether the kernel may write core dumps: these bypass the supervisor, but not Landlock.
    pub core_dumps: bool,
    /// Whether denials happen that the supervisor does not see and so cannot report.
    pub silent: bool,
    /// Whether something is denied, hidden or protected within what is otherwise allowed.
    pub excepts: bool,
    /// Where the jailed command may change anything; `None`: anywhere.
    pub writable: Option<Vec<PathBuf>>,
    /// For each entry of the policy, why Landlock does not enforce it alone.
    why: Vec<Option<&'static str>>,
    /// For each entry of the policy, whether it denies something that is otherwise allowed.
    effective: Vec<bool>,
    abi: u32,
}

/// What a plan depends on besides policy and host.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions<'a> {
    /// The program that the caller named, resolved.
    pub command: Option<&'a Path>,
    /// The domains that it is in from the start.
    pub domains: DomainSet,
    /// The terminals that it is started with, which it may also open by name.
    pub terminals: &'a [Terminal],
    /// Whether every denial must be seen and reported.
    pub trace_denials: bool,
    /// Whether what is allowed must be seen and reported, too.
    pub records: bool,
    /// Whether the command inherits a socket that is neither TCP nor a unix socket that must be connected:
    /// neither the filter nor Landlock holds what it reaches.
    pub datagrams: bool,
    /// Whether this process only runs the jail, so that it may be moved into another cgroup.
    pub alone: bool,
    /// Whether there is no supervisor, because no tracer can be had: filter and Landlock hold what they
    /// can, and [`Plan::needs`](super::Plan::needs) names the entries that need more.
    pub unsupervised: bool,
    /// Whether an access that the policy's `default` denies is let through and told
    /// (`Event::Lacking` of the supervisor). What an entry or the baseline denies stays denied.
    pub learns: bool,
    /// Whether it is asked about (`Observer::asker` of the supervisor) instead of let through.
    pub asks: bool,
    /// Without a supervisor: the descriptor from which the program is started if execve is denied. The
    /// launcher ensures that it never exists again.
    pub start: Option<u32>,
    /// A plan whose filter is taken instead of being compiled again, if it is the same.
    pub like: Option<&'a super::Plan>,
}

impl Files {
    /// Plans `[fs]`.
    pub fn new(policy: &Policy, host: &Host, options: PlanOptions<'_>) -> Files {
        let scene = Scene::of(policy);
        let governed = scene.governed().or_all(options.learns);
        let abi = host.landlock_abi;
        let pins = host.kernel >= PINS;
        let mut files = Files {
            watch: Watch::NONE,
            handled: Rights::NONE,
            grants: Vec::new(),
            floor: scene.everywhere,
            governed,
            pins,
            memory_files: host.memory_files,
            proc_elsewhere: host.proc_elsewhere,
            reaches_proc: None,
            core_dumps: true,
            silent: false,
            excepts: scene.denies() || scene.hides() || scene.protects(),
            writable: scene.writable(),
            why: scene.why.clone(),
            effective: scene.effective.clone(),
            abi,
        };
        // A rule about paths or arguments needs what [fs] needs: what it judged must not change.
        let rules = policy.rules.iter().any(|rule| rule.object.is_some());
        if governed.is_none() && !scene.hides() && !rules {
            if options.records {
                files.look_at_all();
            }
            return files;
        }
        let exact = match abi {
            0 => Rights::NONE,
            _ => scene.exact(),
        };
        // What the supervisor must decide: accesses that are restricted and that Landlock does not
        // enforce exactly.
        let supervised = Rights {
            read: governed.read && !exact.read,
            write: governed.write && !exact.write,
            exec: governed.exec && !exact.exec,
        };
        if abi > 0 && policy.default.action != Action::Allow {
            // An access that is granted everywhere need not be checked at each open.
            let open = scene.everywhere;
            files.handled = Rights {
                read: governed.read && !open.read,
                write: governed.write && !open.write,
                exec: governed.exec && !open.exec,
            };
            files.grants = scene.grants(options);
            files.floor = open.and(files.handled.within(scene.literal()));
        }
        // The command may get a read-only descriptor of a protected file.
        files.floor.write &= !scene.protects();
        files.watch_calls(&scene, supervised);
        files.core_dumps = !governed.write || exact.write;
        files.keep_judged(rules);
        files.silent = !files.unseen().is_none();
        if options.trace_denials {
            files.look();
        }
        if options.records {
            files.look_at_all();
        }
        files
    }

    /// Has the supervisor see the calls that it must decide, and those that Landlock lets pass.
    fn watch_calls(&mut self, scene: &Scene<'_>, supervised: Rights) {
        let (governed, abi) = (self.governed, self.abi);
        let landlock = !self.handled.is_none();
        let uniform = !governed.write || scene.is_uniform(self.handled);
        let moves = landlock && (abi < REFER_ABI || !uniform);
        let watch = &mut self.watch;
        watch.add(Watch::READ, supervised.read);
        watch.add(Watch::WRITE, supervised.write);
        watch.add(Watch::HANDLE, scene.denies());
        watch.add(
            Watch::TRUNCATING,
            governed.write && !supervised.write && abi < TRUNCATE_ABI,
        );
        watch.add(Watch::MODE_3, governed.write && !supervised.write);
        watch.add(
            Watch::TRUNCATE,
            supervised.write || governed.write && abi < TRUNCATE_ABI,
        );
        watch.add(Watch::CHANGE, supervised.write);
        watch.add(Watch::TERMINALS, scene.makes_terminals());
        watch.add(Watch::NO_QUEUES, scene.closes_queues());
        watch.add(Watch::MOVE, supervised.write || moves);
        watch.add(Watch::METADATA, governed.write);
        watch.add(Watch::STAT, scene.hides());
        watch.add(Watch::NOTIFY, governed.read);
        watch.add(Watch::EXEC, supervised.exec);
        watch.add(Watch::EXEC_OF_DESCRIPTOR, governed.exec && !supervised.exec);
        watch.add(Watch::GOVERNED, true);
        watch.add(Watch::MEMORY, true);
    }

    /// Keeps what was judged from changing before its call goes on. `rules`: some are about paths or
    /// arguments.
    fn keep_judged(&mut self, rules: bool) {
        // The pages that hold judged paths must not be writable through /proc/PID/mem.
        let opens = Watch::READ
            .and(Watch::WRITE)
            .and(Watch::HANDLE)
            .and(Watch::TRUNCATING)
            .and(Watch::MODE_3);
        self.close_memory(rules || self.watch.any(opens));
        let often = Watch::READ
            .and(Watch::WRITE)
            .and(Watch::HANDLE)
            .and(Watch::TRUNCATING)
            .and(Watch::CHANGE)
            .and(Watch::STAT);
        // The paths of rare calls are always pinned, so these calls need no restrictions on memory.
        self.watch.add(Watch::LAZY_MEMORY, self.watch.any(often));
    }

    /// Keeps what is judged in pages that no task can touch, where paths or peers are judged.
    pub(super) fn guard_pages(&mut self, net: &Net) {
        let judges = self.watch.and(net.watch).any(Watch::JUDGED);
        self.watch.add(Watch::PINS, self.pins && judges);
        // Also where [fs] opens everything.
        let peers = self.pins && net.watch.any(Watch::JUDGED);
        self.close_memory(peers);
    }

    /// Has the supervisor see opens for writing, one of which may be of /proc/PID/mem, if something is `judged`
    /// in memory.
    fn close_memory(&mut self, judged: bool) {
        let closes = judged && !self.watch.has(Watch::WRITE) && self.reaches_memory();
        self.watch.add(Watch::WRITE, closes);
    }

    /// Whether the policy lets the command write to /proc/PID/mem, as far as Landlock can keep it from that.
    fn reaches_memory(&mut self) -> bool {
        let Some(trees) = &self.writable else {
            return true;
        };
        let ask = self.proc_elsewhere.0;
        meet(trees, Path::new("/proc"))
            || !trees.is_empty() && *self.reaches_proc.get_or_insert_with(|| ask(trees))
    }

    /// Whether a plan that was made now would be the same, as far as the mounts of the host matter to it.
    pub(super) fn is_current(&self) -> bool {
        let now = || (self.proc_elsewhere.0)(self.writable.as_deref().unwrap_or_default());
        self.reaches_proc.is_none_or(|reaches| reaches == now())
    }

    /// Adds what a domain needs.
    pub(super) fn narrow(&mut self, domain: &Files) {
        self.watch = self.watch.and(domain.watch);
        self.governed = self.governed.and(domain.governed);
        self.floor = self.floor.within(domain.floor);
        self.excepts |= domain.excepts;
        self.silent = false;
    }

    /// Closes POSIX message queues if `policy` does, because their calls name no path that could be
    /// learned.
    pub(super) fn close_queues(&mut self, policy: &Policy) {
        let closes = Scene::of(policy).closes_queues();
        self.watch.add(Watch::NO_QUEUES, closes);
    }

    /// The accesses that Landlock alone decides.
    fn unseen(&self) -> Rights {
        Rights {
            read: self.handled.read && !self.watch.has(Watch::READ),
            write: self.handled.write && !self.watch.has(Watch::WRITE),
            exec: self.handled.exec && !self.watch.has(Watch::EXEC),
        }
    }

    /// Makes the supervisor also check what Landlock alone decides, to report its denials.
    fn look(&mut self) {
        let unseen = self.unseen();
        self.watch.add(Watch::LOOK_READ, unseen.read);
        self.watch.add(Watch::LOOK_WRITE, unseen.write);
        self.watch.add(Watch::LOOK_NAMES, unseen.write);
        self.watch.add(Watch::LOOK_EXEC, unseen.exec);
        self.silent = false;
    }

    /// Makes the supervisor also look at what nothing restricts, to record it.
    fn look_at_all(&mut self) {
        let seen = |class| self.watch.has(class);
        let (read, write, names, exec) = (
            !seen(Watch::READ),
            !seen(Watch::WRITE),
            !seen(Watch::CHANGE),
            !seen(Watch::EXEC),
        );
        self.watch.add(Watch::LOOK_READ, read);
        self.watch.add(Watch::LOOK_WRITE, write);
        self.watch.add(Watch::LOOK_NAMES, names);
        self.watch.add(Watch::LOOK_EXEC, exec);
    }

    /// Whether the supervisor makes a tracee run calls of the supervisor: to map pages that hold paths,
    /// and to open what was judged.
    pub fn rewrites(&self) -> bool {
        self.watch.has(Watch::PINS)
    }

    /// The Landlock ABI that was planned for.
    pub fn abi(&self) -> u32 {
        self.abi
    }

    /// Whether a program must be judged once it is loaded.
    pub fn judges_programs(&self) -> bool {
        self.governed.exec
    }

    /// The enforcer of an access, as far as its path does not matter.
    pub fn enforcer(&self, access: Access) -> (Enforcer, Cost) {
        let (governed, class) = match access {
            Access::Read => (self.governed.read, Watch::READ),
            Access::Write => (self.governed.write, Watch::WRITE),
            Access::Exec => (self.governed.exec, Watch::EXEC),
            Access::Stat => (self.watch.has(Watch::STAT), Watch::STAT),
            Access::Handle => (self.watch.has(Watch::HANDLE), Watch::HANDLE),
        };
        match (governed, self.watch.has(class)) {
            (false, _) => (Enforcer::NotNeeded, Cost::Nothing),
            (true, true) => (self.supervisor(), Cost::Stop),
            (true, false) => (Enforcer::Landlock, Cost::Nothing),
        }
    }

    /// The first Landlock ABI that can enforce an access, as far as this host's can.
    pub fn needs_abi(&self, access: Access) -> Option<u32> {
        match access {
            Access::Read | Access::Exec | Access::Handle => Some(1),
            Access::Write => Some(TRUNCATE_ABI.min(self.abi)),
            Access::Stat => None,
        }
    }

    /// One row per entry, and one per file of the policy.
    pub(super) fn routes(&self, policy: &Policy) -> Vec<Route> {
        let entries = policy.paths.iter().enumerate();
        let scene = Scene::of(policy);
        let own = policy
            .sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !source.files.is_empty());
        entries
            .map(|(index, entry)| self.route(index, entry))
            .chain(own.map(|(index, source)| {
                let open = scene.opens(&source.files);
                self.protecting(What::PolicyFile(index), open)
            }))
            .collect()
    }

    /// The row of an entry of `protect`; `open`: whether it could otherwise be changed.
    fn protecting(&self, what: What, open: bool) -> Route {
        let (enforcer, because, cost) = match open && self.watch.has(Watch::WRITE) {
            true => (
                self.supervisor(),
                "within what may be changed",
                Cost::StopPerChange,
            ),
            false => (
                self.enforcer(Access::Write).0,
                "nothing lets it be changed anyway",
                Cost::Nothing,
            ),
        };
        Route {
            what,
            enforcer,
            because: because.into(),
            cost,
            abi: self.needs_abi(Access::Write),
            reach: (0, 0),
        }
    }

    fn route(&self, index: usize, entry: &PathEntry) -> Route {
        let route = |enforcer, because: &'static str, cost| Route {
            what: What::Path(index),
            enforcer,
            because: because.into(),
            cost,
            abi: self.needs_abi(match entry.list {
                List::Write | List::Protect => Access::Write,
                _ => Access::Read,
            }),
            reach: (0, 0),
        };
        let why = self.why.get(index).copied().flatten();
        let opens = Watch::READ.and(Watch::WRITE).and(Watch::EXEC);
        let inert = self.effective.get(index) == Some(&false);
        match entry.list {
            List::Deny if !self.watch.any(opens) || inert && !self.watch.has(Watch::READ) => route(
                Enforcer::Landlock,
                why.unwrap_or("nothing allows it anyway"),
                Cost::Nothing,
            ),
            List::Deny => route(
                self.supervisor(),
                why.unwrap_or("a denial within what is allowed"),
                Cost::StopPerOpen,
            ),
            List::Hide => route(
                self.supervisor(),
                "only the supervisor can hide",
                Cost::StopPerPath,
            ),
            List::Protect => self.protecting(What::Path(index), !inert),
            List::Read | List::Write | List::Exec => {
                let rights = Rights::of(entry.list).within(self.governed);
                let watched = rights.read && self.watch.has(Watch::READ)
                    || rights.write && self.watch.has(Watch::WRITE)
                    || rights.exec && self.watch.has(Watch::EXEC);
                if rights.is_none() {
                    route(Enforcer::NotNeeded, "nothing restricts it", Cost::Nothing)
                } else if !watched && entry.list == List::Write {
                    route(
                        Enforcer::Landlock,
                        "a subtree; the supervisor sees changes of metadata",
                        Cost::StopIfMetadata,
                    )
                } else if !watched {
                    route(Enforcer::Landlock, "a subtree", Cost::Nothing)
                } else if self.abi == 0 {
                    route(
                        self.supervisor(),
                        "this host has no Landlock",
                        Cost::StopPerOpen,
                    )
                } else if self.watch.has(Watch::READ) || entry.list == List::Exec {
                    let because = why.unwrap_or(DENIED_WITHIN);
                    route(self.supervisor(), because, Cost::StopPerOpen)
                } else {
                    let because = why.unwrap_or(PROTECTED_WITHIN);
                    route(self.supervisor(), because, Cost::StopPerChange)
                }
            }
        }
    }

    fn supervisor(&self) -> Enforcer {
        match (self.pins, self.handled.is_none()) {
            (false, _) => Enforcer::RacySupervisor,
            (true, true) => Enforcer::Supervisor,
            (true, false) => Enforcer::SupervisorOnFloor,
        }
    }
}

/// Questions about all entries of a policy together.
struct Scene<'a> {
    policy: &'a Policy,
    /// The accesses that are granted for the whole tree.
    everywhere: Rights,
    /// Whether an entry of `deny` denies something that is otherwise allowed.
    effective: Vec<bool>,
    why: Vec<Option<&'static str>>,
}

impl<'a> Scene<'a> {
    fn of(policy: &'a Policy) -> Scene<'a> {
        let open = policy.default.action == Action::Allow;
        let allows = policy.paths.iter().filter(|entry| entry.list.allows());
        let allows = ByBase::new(allows.map(|entry| &entry.pattern));
        let protects = |entry: &PathEntry| {
            opens_but(policy, &entry.pattern, &entry.lifted)
                || entry
                    .links
                    .iter()
                    .any(|link| Pattern::literal(link).is_ok_and(|link| opens(policy, &link)))
        };
        let effective = |entry: &PathEntry| {
            if entry.list == List::Protect {
                return protects(entry);
            }
            !entry.list.allows()
                && (open
                    || entry.action != Action::Deny(Errno::EACCES)
                    || entry.own
                    || allows
                        .near(entry.pattern.base_bytes())
                        .any(|allow| meets(&entry.pattern, allow) && !is_lifted(entry, allow)))
        };
        let why = |entry: &PathEntry| -> Option<&'static str> {
            match entry.list {
                List::Deny if entry.action == Action::Kill => Some("only the supervisor can kill"),
                List::Deny if entry.action != Action::Deny(Errno::EACCES) => {
                    Some("Landlock answers EACCES alone")
                }
                List::Deny | List::Hide | List::Protect => None,
                _ if !entry.pattern.is_literal() => Some("a pattern"),
                _ if entry.own => Some("each process has its own"),
                _ if entry.place.is_none() => Some("it does not exist yet"),
                // A rule of Landlock is about the file that was there first.
                List::Write if entry.place.is_some_and(|place| place.file) => {
                    Some("a single file, which may be replaced")
                }
                _ => None,
            }
        };
        Scene {
            policy,
            everywhere: everywhere(policy),
            effective: policy.paths.iter().map(effective).collect(),
            why: policy.paths.iter().map(why).collect(),
        }
    }

    /// Whether an entry of `deny` or `hide` denies something that is otherwise allowed.
    fn denies(&self) -> bool {
        let mut entries = self.policy.paths.iter().zip(&self.effective);
        entries.any(|(entry, effective)| *effective && entry.list.denies())
    }

    /// Whether something is protected that could otherwise be changed.
    fn protects(&self) -> bool {
        let mut entries = self.policy.paths.iter().zip(&self.effective);
        let mut sources = self.policy.sources.iter();
        entries.any(|(entry, effective)| *effective && entry.list == List::Protect)
            || sources.any(|source| self.opens(&source.files))
    }

    /// Whether the other entries let one of these files be changed.
    fn opens(&self, files: &[PathBuf]) -> bool {
        let mut files = files.iter().filter_map(|file| Pattern::literal(file).ok());
        files.any(|file| opens(self.policy, &file))
    }

    fn hides(&self) -> bool {
        self.policy
            .paths
            .iter()
            .any(|entry| entry.list == List::Hide)
    }

    /// The granting entries, and which of them Landlock cannot express.
    fn allows(&self) -> impl Iterator<Item = (&'a PathEntry, Option<&'static str>)> + '_ {
        let why = self.why.iter().copied();
        self.policy
            .paths
            .iter()
            .zip(why)
            .filter(|(entry, _)| entry.list.allows())
    }

    fn governed(&self) -> Rights {
        if self.denies() {
            return Rights::ALL;
        }
        let open = self.everywhere;
        Rights {
            read: !open.read,
            write: !open.write || self.protects(),
            exec: !open.exec,
        }
    }

    /// The accesses that Landlock enforces exactly, if the host has it: every entry that grants them is
    /// an existing path, or is within one.
    fn exact(&self) -> Rights {
        if self.denies() || self.policy.default.action == Action::Allow {
            return Rights::NONE;
        }
        let literal = self.literal();
        Rights {
            write: literal.write && !self.protects(),
            ..literal
        }
    }

    /// The accesses that are granted only by existing paths.
    fn literal(&self) -> Rights {
        let holds = |has: fn(Rights) -> bool| {
            let granting = || {
                self.allows()
                    .filter(move |(entry, _)| has(Rights::of(entry.list)))
            };
            granting().all(|(entry, why)| {
                why.is_none()
                    || granting().any(|(other, why)| {
                        why.is_none() && within(entry.pattern.base(), other.pattern.base())
                    })
            })
        };
        // The kernel reads a program to execute it, so Landlock must grant reading (fs/exec.c opens it
        // with FMODE_READ), which then applies to all reads.
        let readable = |entry: &PathEntry| {
            let mut reads = self.allows().filter(|(other, _)| other.list != List::Exec);
            reads.any(|(other, _)| within(entry.pattern.base(), other.pattern.base()))
        };
        let mut programs = self.allows().filter(|(entry, _)| entry.list == List::Exec);
        Rights {
            read: holds(|rights| rights.read) && programs.all(|(entry, _)| readable(entry)),
            write: holds(|rights| rights.write),
            exec: holds(|rights| rights.exec),
        }
    }

    /// Landlock's rules. An entry that it cannot express is granted from its base on, or from the part
    /// of the base that exists.
    fn grants(&self, options: PlanOptions<'_>) -> Vec<(PathBuf, Rights)> {
        let mut grants = Grants::default();
        for (entry, why) in self.allows() {
            let base = entry.pattern.base();
            let base = match why {
                None => base,
                Some(_) if entry.own => Path::new("/proc"),
                Some(_) if entry.pattern.is_literal() => base.parent().unwrap_or(base),
                Some(_) => base,
            };
            grants.add(base, Rights::of(entry.list));
        }
        for terminal in options.terminals {
            let rights = Rights {
                read: terminal.read,
                write: terminal.write,
                exec: false,
            };
            grants.add(&terminal.path, rights);
        }
        if let Some(command) = options.command {
            grants.add(
                command,
                Rights {
                    read: true,
                    write: false,
                    exec: true,
                },
            );
        }
        grants.needed()
    }

    /// Whether Landlock allows renaming a file between any two paths that may be changed: it denies a
    /// rename by which a file would gain a right.
    fn is_uniform(&self, governed: Rights) -> bool {
        let trees: Vec<&PathEntry> = self
            .allows()
            .map(|(entry, _)| entry)
            .filter(|entry| {
                entry.list == List::Write && entry.place.is_none_or(|place| place.directory)
            })
            .collect();
        let rights = |at: &Path| {
            self.allows()
                .filter(|(entry, _)| within(at, entry.pattern.base()))
                .fold(Rights::NONE, |rights, (entry, _)| {
                    rights.and(Rights::of(entry.list))
                })
                .within(governed)
        };
        let device = |entry: &PathEntry| entry.place.map(|place| place.device);
        let alike = |one: &&PathEntry, other: &&PathEntry| {
            device(one) != device(other) && device(one).is_some() && device(other).is_some()
                || rights(one.pattern.base()) == rights(other.pattern.base())
        };
        // A grant within a tree gives a part of it different rights.
        let nested = self.allows().any(|(entry, _)| {
            trees.iter().any(|tree| {
                let (inner, outer) = (entry.pattern.base(), tree.pattern.base());
                !same(inner, outer) && within(inner, outer) && rights(inner) != rights(outer)
            })
        });
        !nested
            && trees
                .iter()
                .all(|one| trees.iter().all(|other| alike(one, other)))
    }

    /// Whether the command may create pseudoterminals, but not open all existing ones.
    fn makes_terminals(&self) -> bool {
        let opens = |name: &str| {
            let covers = |entry: &PathEntry| entry.pattern.covers(name.as_bytes());
            let mut allows = self.allows();
            allows.any(|(entry, _)| entry.list == List::Write && covers(entry))
        };
        (opens("/dev/ptmx") || opens("/dev/pts/ptmx")) && !opens("/dev/pts/0")
    }

    /// Whether the command cannot reach POSIX message queues: their file system is not open for changes,
    /// or the command has its own IPC namespace, whose file system no path leads to.
    fn closes_queues(&self) -> bool {
        let own = |setting: &Setting<Isolation>| setting.value == Isolation::Ipc;
        let isolated = self.policy.process.isolate.iter().any(own);
        let opens = |(entry, _): (&PathEntry, _)| {
            entry.list == List::Write && entry.place.is_some() && entry.pattern.covers(QUEUES)
        };
        !self.everywhere.write && (isolated || !self.allows().any(opens))
    }

    fn writable(&self) -> Option<Vec<PathBuf>> {
        if self.everywhere.write {
            return None;
        }
        let trees = self.allows().filter(|(entry, _)| entry.list == List::Write);
        Some(
            trees
                .map(|(entry, _)| entry.pattern.base().to_owned())
                .collect(),
        )
    }
}

/// The accesses that a policy grants for the whole tree.
fn everywhere(policy: &Policy) -> Rights {
    if policy.default.action == Action::Allow {
        return Rights::ALL;
    }
    let root =
        |entry: &&PathEntry| entry.pattern.base_bytes() == b"/" && entry.pattern.is_literal();
    let entries = policy.paths.iter().filter(|entry| entry.list.allows());
    entries.filter(root).fold(Rights::NONE, |rights, entry| {
        rights.and(Rights::of(entry.list))
    })
}

/// Patterns in the order of their bases, so that those near a path are found without comparing all: a policy has
/// hundreds of entries that deny, and a hundred that allow.
struct ByBase<'a>(Vec<&'a Pattern>);

impl<'a> ByBase<'a> {
    fn new(patterns: impl Iterator<Item = &'a Pattern>) -> ByBase<'a> {
        let mut all: Vec<&Pattern> = patterns.collect();
        sort_by_key(&mut all, |pattern| pattern.base_bytes());
        // The same place is often named in two lists.
        let same = |one: &mut &Pattern, other: &mut &Pattern| {
            one.is_literal() && other.is_literal() && one.base_bytes() == other.base_bytes()
        };
        all.dedup_by(same);
        ByBase(all)
    }

    /// Those whose base is a path, above it or beneath it.
    fn near<'p>(&'p self, path: &'p [u8]) -> impl Iterator<Item = &'a Pattern> + 'p {
        let itself = std::iter::once(path);
        let exact = above(path).chain(itself).flat_map(|base| self.at(base));
        exact.chain(self.beneath(path)).copied()
    }

    /// Those with this base.
    fn at(&self, base: &[u8]) -> &[&'a Pattern] {
        let start = self
            .0
            .partition_point(|pattern| pattern.base_bytes() < base);
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.partition_point(|pattern| pattern.base_bytes() == base);
        rest.get(..len).unwrap_or_default()
    }

    /// Those with a base beneath this path.
    fn beneath(&self, path: &[u8]) -> &[&'a Pattern] {
        // What begins with `/a/` is one range, but others may be between it and `/a`: `/a-b`.
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let order = |pattern: &&Pattern| {
            let base = pattern.base_bytes();
            let (start, rest) = base.split_at(path.len().min(base.len()));
            start.cmp(path).then_with(|| match rest {
                [] => std::cmp::Ordering::Less,
                [first, ..] => first.cmp(&b'/'),
            })
        };
        let start = self.0.partition_point(|pattern| order(pattern).is_lt());
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.partition_point(|pattern| order(pattern).is_eq());
        rest.get(..len).unwrap_or_default()
    }
}

/// Where the file system of POSIX message queues is mounted (mq_overview(7)).
const QUEUES: &[u8] = b"/dev/mqueue";

/// Whether a path equals another one or is beneath it, compared by bytes for speed.
fn within(path: &Path, above: &Path) -> bool {
    is_beneath(path.as_os_str().as_bytes(), above.as_os_str().as_bytes())
}

/// Whether two resolved paths are the same. [`Path`]'s own comparison splits components, which would
/// dominate the cost when each of a hundred entries is compared with each.
fn same(one: &Path, other: &Path) -> bool {
    one.as_os_str() == other.as_os_str()
}

/// Whether `write` and the default let something be changed that a pattern covers.
fn opens(policy: &Policy, pattern: &Pattern) -> bool {
    opens_but(policy, pattern, &[])
}

/// The same, except what is lifted.
fn opens_but(policy: &Policy, pattern: &Pattern, lifted: &[Pattern]) -> bool {
    let mut trees = policy
        .paths
        .iter()
        .filter(|entry| entry.list == List::Write);
    policy.default.action == Action::Allow
        || trees.any(|entry| {
            let is_lifted = lifted
                .iter()
                .any(|lifted| lifted.covers(entry.pattern.base_bytes()));
            !is_lifted && meets(pattern, &entry.pattern)
        })
}

/// Whether everything that an entry allows is lifted from one that denies.
fn is_lifted(entry: &PathEntry, allow: &Pattern) -> bool {
    entry
        .lifted
        .iter()
        .any(|lifted| lifted.covers(allow.base_bytes()))
}

/// Whether an entry of `deny` and one that allows may cover the same path.
pub(super) fn meets(deny: &Pattern, allow: &Pattern) -> bool {
    let (inner, outer) = (deny.base(), allow.base());
    // The denial starts above the allowed path: whether it reaches it.
    within(inner, outer)
        || within(outer, inner) && deny.progress(outer.as_os_str().as_bytes()).leads_on()
}
