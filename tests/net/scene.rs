//! A directory, policies for it, the users that run a jail in it, and what they say.

use crate::support::{Dir, JAIL, Ran, Run, is_root, plain};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Says on stderr that something was not tested, also of a test that passes.
#[macro_export]
macro_rules! not_tested {
    ($($text:tt)*) => {{
        // Not by eprintln, which the harness keeps to itself.
        let text = format!("NOT TRIED HERE: {}\n", format_args!($($text)*));
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    }};
}

/// A user and group that own nothing.
pub const NOBODY: u32 = 65534;

/// Who runs the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Caller,
    /// As root: an ordinary user too.
    Nobody,
}

/// A directory that all users may change.
pub struct Scene {
    dir: Dir,
    jail: String,
}

impl Scene {
    pub fn new() -> Self {
        let dir = Dir::new();
        let all = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(dir.path(), all).expect("a directory of the test's own");
        let jail = match is_open(Path::new(JAIL)) {
            true => JAIL.to_owned(),
            // Copied by another process: one that is open for writing here could not be executed.
            false => {
                let copy = dir.file("jail");
                plain(["cp", JAIL, &copy]).output().ends_with(0);
                plain(["chmod", "755", &copy]).output().ends_with(0);
                copy
            }
        };
        Self { dir, jail }
    }

    /// The path of a file in it.
    pub fn at(&self, name: &str) -> String {
        self.dir.file(name)
    }

    /// The path of a jail that all users may execute.
    pub fn jail(&self) -> &str {
        &self.jail
    }

    /// Writes a file, with `@` for the directory.
    pub fn write(&self, name: &str, content: &str) -> String {
        let directory = self.dir.path().display().to_string();
        self.dir.write(name, content.replace('@', &directory))
    }

    /// Writes a program's text as it is.
    pub fn script(&self, name: &str, content: &str) -> String {
        self.dir.write(name, content)
    }

    /// Writes a policy that extends `base`, lets the directory be changed, and has this `[net]`.
    pub fn policy(&self, net: &str) -> Policy {
        let text = format!(
            "extends = [\"base\"]\n\n[fs]\nwrite = [\"@\", {{ path = \"/dev/shm\", optional = true }}]\nread = [{}]\nexec = [{}]\n\n[net]\n{net}\n",
            elsewhere(),
            elsewhere(),
        );
        self.whole_policy("net.toml", &text)
    }

    /// Writes a policy.
    pub fn whole_policy(&self, name: &str, text: &str) -> Policy {
        self.write(name, text);
        Policy {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// A built-in policy.
    pub fn preset(&self, name: &str) -> Policy {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("policies/{name}.toml"));
        Policy {
            name: name.to_owned(),
            text: std::fs::read_to_string(file).expect("a preset"),
        }
    }

    /// `jail OPTIONS --policy POLICY -- COMMAND`, in the directory.
    pub fn with<S: AsRef<str>>(
        &self,
        user: User,
        options: &[&str],
        policy: &Policy,
        command: &[S],
    ) -> Run {
        let jail = [self.jail.as_str()];
        let policy = ["--policy", &policy.name, "--"];
        let command = command.iter().map(AsRef::as_ref);
        let words = jail.iter().chain(options).chain(&policy).copied();
        self.as_user(user, words.chain(command))
    }

    /// `jail --policy POLICY -- COMMAND`, in the directory.
    pub fn within<S: AsRef<str>>(&self, user: User, policy: &Policy, command: &[S]) -> Run {
        self.with(user, &[], policy, command)
    }

    /// What `jail explain` says of a question.
    pub fn explained(&self, policy: &Policy, question: &str) -> String {
        let words = [self.jail.as_str(), "explain", &policy.name, question];
        let ran = self.as_user(User::Caller, words.into_iter());
        ran.env("COLUMNS", "1000").output().ends_with(0).out
    }

    /// The command without a jail.
    pub fn outside<S: AsRef<str>>(&self, user: User, command: &[S]) -> Run {
        self.as_user(user, command.iter().map(AsRef::as_ref))
    }

    fn as_user<'a>(&self, user: User, words: impl Iterator<Item = &'a str>) -> Run {
        let run = match user {
            User::Caller => plain(words),
            User::Nobody => {
                let ids = [NOBODY; 2].map(|id| id.to_string());
                let [uid, gid] = [("--reuid", &ids[0]), ("--regid", &ids[1])]
                    .map(|(option, id)| format!("{option}={id}"));
                plain(["setpriv", &uid, &gid, "--clear-groups"]).args(words)
            }
        };
        run.cwd(self.dir.path())
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C")
    }
}

/// A policy file, and its text to find lines in.
pub struct Policy {
    name: String,
    text: String,
}

impl Policy {
    /// Where a text stands, as messages name it: `net.toml:9`.
    #[track_caller]
    pub fn line(&self, text: &str) -> String {
        let line = self.text.lines().position(|line| line.contains(text));
        let line = line.unwrap_or_else(|| panic!("no {text:?} in {}", self.text));
        format!("{}:{}", self.name, line + 1)
    }
}

/// The users to try: as root, an ordinary one too.
pub fn users() -> Vec<User> {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    // In a user namespace of one user there is nobody else.
    match is_root() && map.split_whitespace().last() != Some("1") {
        true => vec![User::Caller, User::Nobody],
        false => vec![User::Caller],
    }
}

/// Each user, alone and with another thread. These run side by side, for most of what is tried waits.
pub fn each_way(test: impl Fn(User, &str) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        for user in users() {
            for mode in ["alone", "threads"] {
                scope.spawn(move || test(user, mode));
            }
        }
    });
}

/// Panics unless a denied way to a peer was reported with the line that decided, and with what to
/// change.
#[track_caller]
pub fn denied(ran: &Ran, peer: &str, line: &str) {
    let start = format!("jail: denied {peer} ");
    let mut lines = ran.err.lines().skip_while(|line| !line.starts_with(&start));
    let Some(head) = lines.next() else {
        ran.fail(&format!("should have reported {peer:?}"))
    };
    if ![" ", "]"]
        .iter()
        .any(|end| head.contains(&format!("[{line}{end}")))
    {
        ran.fail(&format!("should have named {line}"));
    }
    let mut rest = lines.take_while(|line| line.starts_with("      "));
    if !rest.any(|line| line.trim().starts_with("to allow: ")) {
        ran.fail("should have said what to change");
    }
}

/// Panics if anything was reported.
#[track_caller]
pub fn silent(ran: &Ran) {
    // That something was left to wait for is no report of a denial.
    let left = "jail: the command has ended, and ";
    let reports = |line: &str| line.contains("jail: ") && !line.starts_with(left);
    if ran.err.lines().any(reports) {
        ran.fail("nothing should have been reported");
    }
}

/// Panics if a peer or an address was denied. That a program asks for a kind of socket that it can
/// do without may be reported, and how it ended.
#[track_caller]
pub fn unhindered(ran: &Ran) {
    let reported = ["denied connect to", "denied listen on", "killed"];
    if reported
        .iter()
        .any(|what| ran.err.contains(&format!("jail: {what}")))
    {
        ran.fail("nothing should have been denied");
    }
}

/// Where a program is. Says so if it is nowhere.
pub fn program(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let more = ["/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"];
    let found = more
        .into_iter()
        .chain(path.split(':'))
        .map(|directory| format!("{directory}/{name}"))
        .find(|file| is_open(Path::new(file)));
    if found.is_none() {
        not_tested!("{name} is not here: it is in no directory of {path}");
    }
    found
}

/// A Python 3 that all users may run: the system's, or whichever the caller's PATH names.
pub fn python() -> Option<String> {
    const SYSTEM: &str = "/usr/bin/python3";
    if is_open(Path::new(SYSTEM)) {
        return Some(SYSTEM.to_owned());
    }
    let found = python_says("sys.executable");
    if found.is_none() {
        not_tested!("python3 is not here");
    }
    found
}

fn python_says(what: &str) -> Option<String> {
    let script = format!("import sys; print({what})");
    let said = std::process::Command::new("python3")
        .args(["-c", &script])
        .output();
    let text = String::from_utf8(said.ok()?.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Where programs lie that `base` does not open, as entries of a list.
fn elsewhere() -> String {
    static FOUND: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let found = FOUND.get_or_init(|| match is_open(Path::new("/usr/bin/python3")) {
        true => String::new(),
        false => python_says("sys.base_prefix").map_or(String::new(), |path| format!("{path:?}")),
    });
    found.clone()
}

/// Whether all users may execute a file.
fn is_open(file: &Path) -> bool {
    let Ok(file) = file.canonicalize() else {
        return false;
    };
    let open = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o5 == 0o5)
    };
    // To pass through a directory, x is enough.
    let passes = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o1 == 0o1)
    };
    file.is_file() && open(&file) && file.ancestors().skip(1).all(passes)
}

/// A port that is free on all loopback addresses, as far as can be known.
pub fn free_port() -> u16 {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = one.local_addr().expect("its address").port();
        let free = TcpListener::bind(("127.0.0.2", port)).is_ok()
            && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free {
            return port;
        }
    }
}

/// Runs this test again in a network namespace of its own, in which `setup` has run; returns whether
/// this is that run.
#[track_caller]
pub fn own_network(test: &str, setup: &str) -> bool {
    const VARIABLE: &str = "JAIL_TEST_NETWORK";
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let enter = ["unshare", if is_root() { "-n" } else { "-rn" }, "sh", "-ec"];
    let script = |then: &str| format!("ip link set lo up\n{setup}\n{then}");
    let tried = plain(enter).args([script("true")]).output();
    if tried.code() != Some(0) {
        not_tested!("{test}: no network namespace can be made: {}", tried.err);
        return false;
    }
    let own = std::env::current_exe().expect("the path of the tests");
    let ran = plain(enter)
        .args([script("exec \"$@\""), "sh".to_owned()])
        .args([own])
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, test)
        .output();
    eprint!("{}", ran.err);
    let ran = ran.ends_with(0);
    if !ran.out.contains("1 passed") {
        ran.fail(&format!("{test} is the name of no test"));
    }
    false
}
