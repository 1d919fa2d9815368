//! One attack from its scene to its result: started, watched, and held against what its targets show.

use super::kind::{Aim, Attack};
use super::openly::Entry;
use super::scene::Scene;
use super::start::INSIDE;
use super::tools::{BEGAN, REACHED, READY, SIBLING, STOPPED, by};
use crate::report::escaped;
use crate::sys::attack::take_terminal;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an attack may take beyond its race.
const MOST: Duration = Duration::from_secs(6);
/// How long processes may take to die with their jail.
const DYING: Duration = Duration::from_millis(1500);
/// How late a jail may enforce a limit of time.
const LATE: Duration = Duration::from_secs(3);
/// How much of the output is kept.
const KEPT: usize = 1 << 20;
/// The longest text of an attack that is shown.
const LONGEST: usize = 200;

/// What came of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What stopped it.
    Contained(String),
    /// What it reached.
    Escaped(String),
    /// Why it says nothing here.
    NotApplicable(String),
    /// Why the command of the jail did not begin.
    Unstarted(String),
}

/// One attack and what came of it.
pub struct Row {
    pub attack: &'static Attack,
    pub outcome: Outcome,
}

/// How the command of an attack is started: its words, its directory, and entries for the run.
pub type Start<'a> = &'a (dyn Fn(&[OsString], &Path, &[Entry]) -> Command + Sync);

/// Runs the attack.
pub fn attack(
    attack: &Attack,
    scene: &mut Scene,
    program: &Path,
    entries: &[Entry],
    start: Start<'_>,
) -> Result<Outcome, String> {
    let sibling = attack.sibling().map(|name| {
        let words = words(name, scene, program)?;
        Running::start(start(&words, &scene.given.work, entries), None)
    });
    let mut sibling = sibling.transpose()?;
    if let (Some(sibling), Aim::Sibling) = (&mut sibling, attack.aim) {
        match sibling.said(SIBLING).and_then(|pid| pid.parse().ok()) {
            Some(pid) => scene.given.bystander = pid,
            None => return Ok(Outcome::Unstarted(sibling.complaint())),
        }
    }
    let words = words(attack.name, scene, program)?;
    let command = start(&words, &scene.given.work, entries);
    let terminal = match attack.aim {
        Aim::Typed => match scene.own_terminal() {
            Some(terminal) => Some(terminal),
            None => {
                return Ok(Outcome::NotApplicable(
                    "this host gives no pseudoterminal".to_owned(),
                ));
            }
        },
        _ => None,
    };
    let running = Running::start(command, terminal)?;
    let ran = running.watch(attack.aim, scene.given.seconds, scene.given.limit);
    let mut outcome = outcome(attack.aim, scene, &ran);
    if let (Some(sibling), Aim::Sibling) = (&mut sibling, attack.aim) {
        // A jail whose command was ended takes a moment to end.
        std::thread::sleep(Duration::from_millis(50));
        if !matches!(sibling.child.try_wait(), Ok(None)) {
            outcome = Outcome::Escaped("a process of another jail was ended".to_owned());
        }
    }
    Ok(outcome)
}

/// The command of an attack.
fn words(name: &str, scene: &Scene, program: &Path) -> Result<Vec<OsString>, String> {
    let given = serde_json::to_string(&scene.given).map_err(|error| error.to_string())?;
    let words = [
        program.as_os_str(),
        INSIDE.as_ref(),
        name.as_ref(),
        given.as_ref(),
    ];
    Ok(words.map(OsString::from).to_vec())
}

/// What a command did.
struct Ran {
    printed: String,
    /// How much it wrote to stdout.
    bytes: u64,
    complaint: String,
    /// `None`: it was killed here.
    status: Option<ExitStatus>,
    /// Whether a process held its stdout when it had ended.
    survived: bool,
}

fn outcome(aim: Aim, scene: &mut Scene, ran: &Ran) -> Outcome {
    let line = |mark: &str| {
        let lines = ran.printed.lines();
        let found = lines.filter_map(|line| line.split_once(mark)).next_back();
        found.map(|(_, text)| escaped(text, LONGEST))
    };
    if !ran.printed.contains(BEGAN) {
        let mut lines = ran.complaint.lines();
        let why = lines.next().unwrap_or("it printed nothing");
        return Outcome::Unstarted(escaped(why, LONGEST));
    }
    let ended = line(STOPPED).or_else(|| line(REACHED));
    let itself = match aim {
        Aim::Survivor if ran.survived => Some("a process outlived the jail".to_owned()),
        Aim::Orphan if ran.survived => Some("a process outlived its supervisor".to_owned()),
        Aim::Held if ran.status.is_none() => {
            Some("the supervisor answered nothing more".to_owned())
        }
        Aim::Wall if ran.status.is_none() => {
            Some(format!("it ran on {} s after its end", LATE.as_secs()))
        }
        Aim::Processes => line(REACHED),
        Aim::Output if ran.bytes > scene.given.limit => {
            let (bytes, limit) = (ran.bytes, scene.given.limit);
            Some(format!(
                "{bytes} bytes were written, where {limit} are allowed"
            ))
        }
        _ => None,
    };
    if let Some(what) = itself.or_else(|| scene.reached(aim, &ran.printed)) {
        return Outcome::Escaped(what);
    }
    Outcome::Contained(match (ended, ran.status) {
        (_, Some(status)) if status.code() == Some(159) => {
            "the policy killed the command".to_owned()
        }
        (_, Some(status)) if status.code() == Some(124) => "the limit ended the command".to_owned(),
        (_, None) if aim == Aim::Orphan => "no process was left".to_owned(),
        (_, Some(status)) if status.signal().is_some() && aim == Aim::Orphan => {
            "no process was left".to_owned()
        }
        (Some(why), _) if aim == Aim::Survivor => match why.contains(':') {
            true => why,
            false => "it ended with the jail".to_owned(),
        },
        (Some(why), _) => why,
        (None, Some(status)) => format!("the command ended: {status}"),
        (None, None) => "it did not end, and was killed".to_owned(),
    })
}

/// The output of a child, as far as it was read.
#[derive(Default)]
struct Collected {
    kept: Vec<u8>,
    bytes: u64,
}

type Shared = Arc<Mutex<Collected>>;

/// Reads to the end in a thread of its own; the channel closes then.
fn collect(mut from: impl Read + Send + 'static) -> Result<(Shared, Receiver<()>), String> {
    let shared = Shared::default();
    let into = Arc::clone(&shared);
    let (send, receive) = channel::<()>();
    let read = move || {
        let _open = send;
        let mut room = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut room) {
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            into.bytes += length as u64;
            let space = KEPT.saturating_sub(into.kept.len()).min(length);
            into.kept
                .extend_from_slice(room.get(..space).unwrap_or_default());
        }
    };
    let thread = std::thread::Builder::new().spawn(read);
    thread.map_err(by("cannot start a thread"))?;
    Ok((shared, receive))
}

fn text(shared: &Shared) -> String {
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&shared.kept).into_owned()
}

/// A command that runs. Dropped, it is killed.
struct Running {
    child: Child,
    out: Shared,
    ended: Receiver<()>,
    err: Shared,
}

impl Running {
    fn start(
        mut command: Command,
        terminal: Option<std::os::fd::OwnedFd>,
    ) -> Result<Running, String> {
        match terminal {
            Some(terminal) => {
                command.stdin(terminal);
                take_terminal(&mut command);
            }
            None => {
                command.stdin(Stdio::piped());
            }
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(by("cannot start an attack"))?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("cannot start an attack: it has no streams".to_owned());
        };
        let (out, ended) = collect(out)?;
        let (err, _) = collect(err)?;
        Ok(Running {
            child,
            out,
            ended,
            err,
        })
    }

    /// What follows a word at the beginning of a line, as soon as it is printed.
    fn said(&mut self, word: &str) -> Option<String> {
        let end = Instant::now() + MOST;
        while Instant::now() < end {
            // The last part may be half a line.
            let text = text(&self.out);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(found) = whole.lines().find_map(|line| line.strip_prefix(word)) {
                return Some(found.to_owned());
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        None
    }

    /// The first line of its stderr.
    fn complaint(&self) -> String {
        let text = text(&self.err);
        let first = text
            .lines()
            .next()
            .unwrap_or("the other jail printed nothing");
        escaped(first, LONGEST)
    }

    /// Waits for its end, and for that of its processes. Kills it where the attack asks for that, or where it
    /// takes too long.
    fn watch(mut self, aim: Aim, seconds: f64, limit: u64) -> Ran {
        let most = match aim {
            Aim::Wall => Duration::from_millis(limit) + LATE,
            _ => MOST + Duration::from_secs_f64(seconds),
        };
        let end = Instant::now() + most;
        let mut status = None;
        while Instant::now() < end {
            if let Ok(Some(ended)) = self.child.try_wait() {
                status = Some(ended);
                break;
            }
            if aim == Aim::Orphan && text(&self.out).contains(READY) {
                break;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        if status.is_none() {
            let _ = self.child.kill();
        }
        // The stdin of the command stays open, which its processes wait for.
        let stdin = self.child.stdin.take();
        let _ = self.child.wait();
        let survived = matches!(
            self.ended.recv_timeout(DYING),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        );
        drop(stdin);
        let bytes = self
            .out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes;
        Ran {
            printed: text(&self.out),
            bytes,
            complaint: text(&self.err),
            status,
            survived,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
