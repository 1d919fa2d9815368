//! What an attack aims at: files, sockets, terminals and a process, all made for it in a temporary directory.

use super::bystander::Bystander;
use super::given::Given;
use super::host::LINKED;
use super::kind::{Aim, Attack};
use super::sockets::{Sockets, without_waiting};
use super::tool;
use super::tools::{TOOL, by, c_path};
use crate::sys;
use crate::sys::attack;
use std::fs::{self, File, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::io::Read;
use std::net::{SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// What the file that is to be changed holds, and its mode.
const UNTOUCHED: &str = "untouched\n";
const MODE: u32 = 0o666;

/// The targets of one attack. Dropped, sockets and processes are closed; the directory is its owner's.
pub struct Scene {
    pub given: Given,
    bystander: Option<Bystander>,
    sockets: Sockets,
    /// The address that a forged answer leads to.
    forged: Option<TcpListener>,
    /// The masters of the command's own terminal and of another one, with the slave of the first.
    own: Option<(File, File)>,
    other: Option<File>,
    /// A descriptor of the secret that children of this process inherit.
    _leaked: File,
}

/// A word that occurs nowhere else.
fn token() -> String {
    let mut words = [0, 1].map(|word: u64| {
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u64(word);
        hasher.finish()
    });
    words.sort_unstable();
    words.iter().map(|word| format!("{word:016x}")).collect()
}

fn file(path: &Path, content: &[u8], mode: u32) -> Result<(), String> {
    fs::write(path, content).map_err(by("cannot write a file of the scene"))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(by("chmod"))
}

/// A new directory, where an earlier attack may have left another one, or something else.
fn directory(path: &Path) -> Result<(), String> {
    let removed = match path.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(by("cannot remove a directory of the scene"))?;
    fs::create_dir(path).map_err(by("cannot make a directory of the scene"))?;
    fs::set_permissions(path, Permissions::from_mode(0o777)).map_err(by("chmod"))
}

/// A new pseudoterminal: its master, and its number.
fn terminal() -> Option<(File, u32)> {
    let master = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/ptmx")
        .ok()?;
    attack::unlock_terminal(master.as_fd()).ok()?;
    let number = sys::terminal::number(&master).ok()?;
    Some((master, number))
}

impl Scene {
    /// Makes one in a directory, from which an earlier one is removed; with a process outside if the attack aims
    /// at one.
    pub fn make(place: &Path, program: &Path, attack: Option<&Attack>) -> Result<Scene, String> {
        let (work, away) = (place.join("work"), place.join("away"));
        [&work, &away]
            .iter()
            .try_for_each(|place| directory(place))?;
        let mut given = Given {
            public: work.join("nearby"),
            near: work.join("near"),
            allowed: work.join("nearby"),
            secret: away.join("secret"),
            canary: away.join("canary"),
            tool: away.join("tool"),
            stream: away.join("stream"),
            datagram: away.join("datagram"),
            token: token(),
            work,
            ..Given::default()
        };
        files(&mut given)?;
        let bystander = match attack.is_some_and(Attack::aims_at_process) {
            true => Some(Bystander::start(program, &away, &given.token)?),
            false => None,
        };
        if let Some(bystander) = &bystander {
            given.bystander = bystander.pid();
            (given.address, given.descriptor) = (bystander.address, bystander.descriptor);
        }
        let leaked = File::open(&given.secret).map_err(by("open"))?;
        sys::process::keep_over_exec(leaked.as_raw_fd()).map_err(by("fcntl"))?;
        let sockets = Sockets::make(&mut given)?;
        let other = terminal();
        if let Some((master, number)) = &other {
            without_waiting(master);
            given.terminal = format!("/dev/pts/{number}").into();
        }
        Ok(Scene {
            given,
            bystander,
            sockets,
            forged: None,
            own: None,
            other: other.map(|(master, _)| master),
            _leaked: leaked,
        })
    }

    /// Makes the command's own terminal; its slave, for stdin.
    pub fn own_terminal(&mut self) -> Option<OwnedFd> {
        let (master, _) = terminal()?;
        let flags = libc::O_RDWR | libc::O_NOCTTY;
        let peer = || sys::terminal::open_peer(&master, flags | libc::O_CLOEXEC).ok();
        let (slave, stdin) = (peer()?, peer()?);
        without_waiting(&slave);
        self.own = Some((master, File::from(slave)));
        Some(stdin)
    }

    /// Listens where a forged answer is to lead; the error says why not.
    pub fn forge(&mut self, name: &str, address: SocketAddrV4) -> Result<(), String> {
        let listener = TcpListener::bind(address).map_err(by("bind"))?;
        without_waiting(&listener);
        self.forged = Some(listener);
        (self.given.name, self.given.forged) = (name.to_owned(), Some(address));
        Ok(())
    }

    /// Whether this host could make the target at all.
    pub fn lacks(&self, aim: Aim) -> Option<&'static str> {
        match aim {
            Aim::Netlink if !self.sockets.has_netlink() => {
                Some("this host gives no netlink socket")
            }
            Aim::Shown if self.other.is_none() => Some("this host gives no pseudoterminal"),
            _ => None,
        }
    }

    /// What the attack has reached, as the targets show; `printed`: what it has printed.
    pub fn reached(&mut self, aim: Aim, printed: &str) -> Option<String> {
        let when = |reached: bool, what: &str| reached.then(|| what.to_owned());
        let secret = printed.contains(&self.given.token);
        match aim {
            Aim::Read => when(secret, "the secret outside was read"),
            Aim::Write => self.change(),
            Aim::Exec => when(printed.contains(TOOL), "the denied program was executed"),
            Aim::Process => {
                let read = when(secret, "memory of the process outside was read");
                self.bystander.as_mut().and_then(Bystander::harm).or(read)
            }
            Aim::Typed => {
                let token = self.given.token.clone();
                let typed = self
                    .own
                    .as_mut()
                    .is_some_and(|(_, slave)| holds(slave, &token));
                when(typed, "a line was typed into the caller's terminal")
            }
            Aim::Shown => {
                let token = self.given.token.clone();
                let shown = self
                    .other
                    .as_mut()
                    .is_some_and(|master| holds(master, &token));
                when(shown, "another terminal was written to")
            }
            Aim::Name => {
                let got = self.forged.as_ref().is_some_and(|it| it.accept().is_ok());
                when(got, "a forged answer led to the suite's listener")
            }
            Aim::Tcp | Aim::Udp | Aim::UnixPath | Aim::UnixAbstract | Aim::Netlink => {
                self.sockets.reached(aim).map(str::to_owned)
            }
            Aim::Sibling
            | Aim::Survivor
            | Aim::Orphan
            | Aim::Held
            | Aim::Processes
            | Aim::Output
            | Aim::Wall => None,
        }
    }

    fn change(&self) -> Option<String> {
        let Ok(metadata) = fs::symlink_metadata(&self.given.canary) else {
            return Some("the file outside was removed".to_owned());
        };
        let content = fs::read_to_string(&self.given.canary);
        if content.ok().as_deref() != Some(UNTOUCHED) {
            return Some("the file outside was changed".to_owned());
        }
        (metadata.permissions().mode() & 0o7777 != MODE)
            .then(|| "the mode of the file outside was changed".to_owned())
    }
}

/// Whether what can be read there holds the text.
fn holds(file: &mut File, text: &str) -> bool {
    let mut room = [0; 4096];
    let length = file.read(&mut room).unwrap_or_default();
    String::from_utf8_lossy(room.get(..length).unwrap_or_default()).contains(text)
}

/// The files of the scene.
fn files(given: &mut Given) -> Result<(), String> {
    file(&given.public, b"public\n", 0o666)?;
    symlink(&given.secret, &given.near).map_err(by("symlink"))?;
    let fifo = given.work.join("fifo");
    attack::make_fifo(&c_path(&fifo)?).map_err(by("mkfifo"))?;
    fs::set_permissions(&fifo, Permissions::from_mode(MODE)).map_err(by("chmod"))?;
    file(&given.secret, given.token.as_bytes(), MODE)?;
    file(&given.canary, UNTOUCHED.as_bytes(), MODE)?;
    file(&given.tool, &tool::elf(), 0o755)?;
    if let Some(program) = LINKED.iter().find(|program| Path::new(program).is_file()) {
        // Under its own name, because a program of many names does what its name says.
        let copy = given.tool.with_file_name("echo");
        fs::copy(program, &copy).map_err(by("copy"))?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).map_err(by("chmod"))?;
        given.linked = Some(copy);
    }
    Ok(())
}
