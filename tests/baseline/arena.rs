//! Where attacks are run: the same one without a jail and within, against victims of its own.
//! It judges nothing; the tests do.

use crate::support::slow;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Allows whatever a policy can: what fails under it, fails by the baseline alone. The preset
/// `permissive` is stricter.
pub const ANYTHING: &str = "default = \"allow\"\n";

/// Longer than any attack takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether this runs as root, who can do more without a jail.
pub fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The program that attacks.
pub fn probe() -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_jail"))
        .parent()
        .expect("the folder of the binaries");
    bin.join("examples/probe").display().to_string()
}

/// A directory of this test's own.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("jail-baseline-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Run {
    /// What the attack got, or the errno that it met.
    pub fn result(&self) -> Result<&str, &str> {
        let said = |line: &&str| !line.starts_with("victim ");
        let line = self.out.lines().rfind(said).unwrap_or_default();
        let said = line.split_once(' ').map_or("", |(_, said)| said);
        match said.strip_prefix("done") {
            Some(loot) => Ok(loot.trim()),
            None => Err(said),
        }
    }

    /// What the stage "alone" says of its victim: `pending false nice 0`. `None` where it could
    /// not be set up.
    pub fn victim(&self) -> Option<&str> {
        self.out
            .lines()
            .find_map(|line| line.strip_prefix("victim "))
    }

    /// For the table; never empty.
    pub fn cell(&self) -> String {
        match (self.result(), self.status.signal()) {
            (_, Some(signal)) => format!("killed by signal {signal}"),
            (Ok(loot), _) => loot.to_owned(),
            (Err(""), _) => format!("exit code {}", self.status.code().unwrap_or(-1)),
            (Err(errno), _) => errno.to_owned(),
        }
    }

    /// 128+n for signals.
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .or(self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1)
    }
}

/// How to run one command.
#[derive(Default)]
pub struct How<'a> {
    /// The policy's text; `None`: no jail.
    pub policy: Option<&'a str>,
    /// Lowers the Landlock ABI for jail.
    pub landlock: Option<u32>,
    /// The process group to join.
    pub group: Option<i32>,
    /// Words to put before everything: a stage to run the jail on.
    pub before: Vec<String>,
}

impl How<'_> {
    pub fn command(&self, scratch: &Scratch, words: &[String]) -> Command {
        let mut line = self.before.clone();
        if let Some(policy) = self.policy {
            let file = if policy.contains('=') {
                scratch.write("policy.toml", policy)
            } else {
                policy.to_owned()
            };
            line.extend([
                env!("CARGO_BIN_EXE_jail").to_owned(),
                "--policy".into(),
                file,
                "--".into(),
            ]);
        }
        line.extend_from_slice(words);
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .stdin(Stdio::null())
            .env_remove("JAIL_LANDLOCK_ABI");
        if let Some(abi) = self.landlock {
            command.env("JAIL_LANDLOCK_ABI", abi.to_string());
        }
        // Never the harness's own group: attacks on groups are among them.
        command.process_group(self.group.unwrap_or(0));
        command
    }

    pub fn run(&self, words: &[String]) -> Run {
        let scratch = Scratch::new();
        let (out, err) = (scratch.path("out"), scratch.path("err"));
        let mut command = self.command(&scratch, words);
        command
            .stdout(File::create(&out).expect("out"))
            .stderr(File::create(&err).expect("err"));
        let mut child = command.spawn().expect("the command starts");
        let status = end_of(&mut child, &format!("{words:?}"));
        let read =
            |path: &str| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Run {
            status,
            out: read(&out),
            err: read(&err),
        }
    }
}

/// Waits for a child; kills it when it takes too long.
pub fn end_of(child: &mut Child, what: &str) -> ExitStatus {
    let end = Instant::now() + slow(PATIENCE);
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{what}: hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether this comes true within a while.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + slow(Duration::from_secs(5));
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Whether a process is there and has not ended.
pub fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !matches!(
            stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]),
            Some("Z" | "X")
        )
    })
}

/// The nice value of this process, which all that it starts inherit.
pub fn own_nice() -> i64 {
    stat_field("/proc/self/stat", 19)
}

/// A field of a stat file, numbered as proc_pid_stat(5) does.
fn stat_field(path: &str, field: usize) -> i64 {
    let stat = fs::read_to_string(path).expect(path);
    let rest = stat.rsplit_once(") ").expect("stat").1;
    rest.split(' ')
        .nth(field - 3)
        .and_then(|word| word.trim().parse().ok())
        .expect("a number")
}

/// The words of `probe attack`.
pub fn attack(name: &str, arguments: &[&dyn ToString]) -> Vec<String> {
    let mut words = vec![probe(), "attack".into(), name.into()];
    words.extend(arguments.iter().map(|argument| argument.to_string()));
    words
}

/// The words of `probe stage`.
pub fn stage(name: &str, arguments: &[&str]) -> Vec<String> {
    let mut words = vec![probe(), "stage".into(), name.into()];
    words.extend(arguments.iter().map(|&argument| argument.to_owned()));
    words
}

/// One row of the table that `--nocapture` shows.
pub fn row(line: &str, bare: &str, within: &str) {
    static HEAD: Once = Once::new();
    HEAD.call_once(|| println!("| line | without jail | within |\n|---|---|---|"));
    let filled = |cell: &str| {
        if cell.is_empty() {
            "-".to_owned()
        } else {
            cell.replace('\n', " ")
        }
    };
    println!(
        "| {} | {} | {} |",
        filled(line),
        filled(bare),
        filled(within)
    );
}

/// A process out of every jail, with every signal blocked, that may be attacked.
pub struct Victim {
    child: Child,
    out: BufReader<ChildStdout>,
    value: u64,
    pub mapping: u64,
    scratch: Scratch,
}

impl Victim {
    pub fn new() -> Self {
        Self::start(0, "").expect("a victim")
    }

    /// In this process group.
    pub fn in_group(group: i32) -> Self {
        Self::start(group, "").expect("a victim")
    }

    /// In a user namespace of its own making; `None` where the host forbids those.
    pub fn in_namespace() -> Option<Self> {
        Self::start(0, "namespace")
    }

    fn start(group: i32, kind: &str) -> Option<Self> {
        let scratch = Scratch::new();
        let null = File::open("/dev/null").expect("/dev/null");
        let mut child = Command::new(probe())
            .args(["stage", "victim", &scratch.path("mapped"), kind])
            // The same open file twice: something for kcmp to find out.
            .stdin(null.try_clone().expect("dup"))
            .stderr(null)
            .stdout(Stdio::piped())
            .process_group(group)
            .spawn()
            .expect("a victim");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", value, mapping] = words[..] else {
            let _ = child.wait();
            return None;
        };
        let number = |word: &str| word.parse().expect("an address");
        Some(Self {
            child,
            out,
            value: number(value),
            mapping: number(mapping),
            scratch,
        })
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Where its value is.
    pub fn address(&self) -> u64 {
        self.value
    }

    pub fn value(&self) -> u64 {
        let memory = File::open(format!("/proc/{}/mem", self.pid())).expect("its memory");
        let mut bytes = [0; 8];
        memory
            .read_exact_at(&mut bytes, self.value)
            .expect("its value");
        u64::from_ne_bytes(bytes)
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.pid())).expect(name)
    }

    /// The rest of a line of one of its files in /proc.
    pub fn line(&self, name: &str, head: &str) -> String {
        let text = self.proc(name);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(head))
            .unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A field of its stat file.
    pub fn stat(&self, field: usize) -> i64 {
        stat_field(&format!("/proc/{}/stat", self.pid()), field)
    }

    /// Whether this signal has reached it.
    pub fn pending(&self, signal: i32) -> bool {
        ["SigPnd:", "ShdPnd:"].iter().any(|head| {
            let set = u64::from_str_radix(&self.line("status", head), 16).expect("a set");
            set >> (signal - 1) & 1 == 1
        })
    }

    /// How much of its mapped file is in its memory, in KiB.
    pub fn resident(&self) -> u64 {
        let smaps = self.proc("smaps");
        let mapped = self.scratch.path("mapped");
        let mut lines = smaps.lines().skip_while(|line| !line.ends_with(&mapped));
        let rss = lines
            .find_map(|line| line.strip_prefix("Rss:"))
            .expect("its mapping");
        rss.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }

    pub fn namespace(&self, kind: &str) -> String {
        let link = fs::read_link(format!("/proc/{}/ns/{kind}", self.pid())).expect("a namespace");
        link.display().to_string()
    }

    pub fn ioprio(&self) -> String {
        let output = Command::new(probe())
            .args(["stage", "ioprio", &self.pid().to_string()])
            .output();
        String::from_utf8_lossy(&output.expect("ioprio").stdout)
            .trim()
            .to_owned()
    }

    /// Ends it; whatever was written to its standard output.
    pub fn written(mut self) -> String {
        let _ = self.child.kill();
        let mut line = String::new();
        let _ = self.out.read_line(&mut line);
        line
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
