//! The acts: what is done with the argument while it is flipped, and what would be a win.

use crate::flip::Flipping;
use crate::place::{BAD_PROGRAM, Evidence, INTERPRETED, Place, SECRET};
use crate::raw::{self, Birth, Called, How, Text};
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

/// What is attempted.
#[derive(Clone, Copy, PartialEq)]
pub enum Act {
    /// Opens and reads; a win has read SECRET.
    Open,
    /// Opens with O_PATH; a win has a descriptor of BAD.
    OpenPath,
    /// Opens for writing what may be written, such as a memfd; a win may write BAD.
    Reopen,
    /// Opens by a struct that is flipped; a win may write.
    OpenHow,
    /// Executes; in a win the bad program has run.
    Fork,
    Vfork,
    /// Executes a program whose interpreter is flipped; in a win the bad one has run.
    Interpret,
    /// Goes to a directory from one that is removed; a win is in BAD's.
    Enter,
    /// Goes to a directory; a win is in BAD.
    Visit,
    // All below would change BAD or its directory.
    Create,
    Mkdir,
    Mkfifo,
    Bind,
    Symlink,
    LinkTo,
    LinkFrom,
    RenameTo,
    RenameFrom,
    Exchange,
    Unlink,
    Rmdir,
    Truncate,
    Chmod,
    Chown,
    Touch,
    SetAttribute,
}

/// How a try went.
pub enum Try {
    Denied,
    Passed,
    Won,
}

/// An act at its place.
pub struct Acting {
    act: Act,
    place: Place,
    bad: PathBuf,
    before: Evidence,
    spare: Text,
    gone: Text,
    home: Text,
}

const HERE: i32 = libc::AT_FDCWD;

/// The user and group of this process. Every owner of a file may give it to these, and its time of change
/// shows it.
static OWN: LazyLock<(u32, u32)> = LazyLock::new(|| {
    (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    )
});

impl Act {
    /// The name in both directories that the flipped path ends with.
    pub fn leaf(self) -> Option<&'static str> {
        match self {
            Self::Create
            | Self::Mkdir
            | Self::Mkfifo
            | Self::Bind
            | Self::Symlink
            | Self::LinkTo => Some("new"),
            Self::Rmdir | Self::Visit => Some("empty"),
            _ => None,
        }
    }

    /// Whether something is executed.
    pub fn executes(self) -> bool {
        matches!(self, Self::Fork | Self::Vfork | Self::Interpret)
    }

    /// Whether a win changes BAD for good.
    pub fn changes(self) -> bool {
        !self.executes()
            && !matches!(
                self,
                Self::Open | Self::OpenPath | Self::Reopen | Self::Enter | Self::Visit
            )
    }

    pub fn at(self, place: Place) -> Acting {
        // The clock of time stamps ticks once in some milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        Acting {
            act: self,
            bad: place.bad.clone(),
            before: place.evidence(&place.bad),
            spare: Text::private(place.scratch.join("spare")),
            gone: Text::private(place.scratch.join("gone")),
            home: Text::private(&place.scratch),
            place,
        }
    }
}

impl Acting {
    /// Tries once.
    pub fn attempt(&self, on: &Flipping, number: u64) -> Try {
        match self.act {
            Act::Open => read(open(on, number)),
            Act::OpenPath => {
                let opened = raw::open_at(on.dirfd, on.path, libc::O_PATH);
                refers(opened, &self.bad)
            }
            Act::Reopen => refers(raw::open_at(on.dirfd, on.path, libc::O_RDWR), &self.bad),
            Act::OpenHow => match writable(raw::open_how(on.dirfd, on.path, on.how)) {
                _ if self.place.evidence(&self.bad) != self.before => Try::Won,
                tried => tried,
            },
            Act::Fork => ran(raw::run(Birth::Fork, on.dirfd, on.path)),
            Act::Vfork => ran(raw::run(Birth::Vfork, on.dirfd, on.path)),
            Act::Interpret => {
                let leaf = self.bad.file_name().unwrap_or_default().to_string_lossy();
                let program = self.place.above_bad().join(format!("{INTERPRETED}{leaf}"));
                ran(raw::run(Birth::Fork, HERE, Text::private(program)))
            }
            Act::Enter => self.enter(on),
            Act::Visit => self.visit(on),
            _ => {
                let result = self.change(on, number);
                if self.place.evidence(&self.bad) != self.before {
                    return Try::Won;
                }
                // What is missing or there already is from a try that was not put right.
                if matches!(
                    result,
                    Ok(_) | Err(Errno::ENOENT | Errno::EEXIST | Errno::EADDRINUSE)
                ) {
                    self.restore(on);
                }
                result.map_or(Try::Denied, |_| Try::Passed)
            }
        }
    }

    fn enter(&self, on: &Flipping) -> Try {
        let gone = self.gone;
        let _ = raw::mkdir_at(HERE, gone);
        let _ = raw::change_directory(gone);
        let _ = raw::unlink_at(HERE, gone, libc::AT_REMOVEDIR);
        match raw::change_directory(on.path) {
            _ if std::env::current_dir().is_ok_and(|it| it == self.place.bad_directory()) => {
                Try::Won
            }
            Ok(_) => Try::Passed,
            Err(_) => Try::Denied,
        }
    }

    fn visit(&self, on: &Flipping) -> Try {
        let entered = raw::change_directory(on.path);
        let won = std::env::current_dir().is_ok_and(|it| it == self.bad);
        let _ = raw::change_directory(self.home);
        match entered {
            _ if won => Try::Won,
            Ok(_) => Try::Passed,
            Err(_) => Try::Denied,
        }
    }

    fn change(&self, on: &Flipping, number: u64) -> Called {
        let (fd, path, spare) = (on.dirfd, on.path, self.spare);
        match self.act {
            Act::Create => create(fd, path),
            Act::Mkdir => raw::mkdir_at(fd, path),
            Act::Mkfifo => raw::mkfifo_at(fd, path),
            Act::Bind => raw::bind(path),
            Act::Symlink => raw::symlink_at(spare, fd, path),
            Act::LinkTo => create(HERE, spare).and_then(|_| raw::link_at(HERE, spare, fd, path)),
            Act::LinkFrom => raw::link_at(fd, path, HERE, spare),
            Act::RenameTo => {
                create(HERE, spare).and_then(|_| raw::rename_at(HERE, spare, fd, path, 0))
            }
            Act::RenameFrom => raw::rename_at(fd, path, HERE, spare, 0),
            Act::Exchange => {
                let flags = libc::RENAME_EXCHANGE;
                create(HERE, spare).and_then(|_| raw::rename_at(HERE, spare, fd, path, flags))
            }
            Act::Unlink => raw::unlink_at(fd, path, 0),
            Act::Rmdir => raw::unlink_at(fd, path, libc::AT_REMOVEDIR),
            Act::Truncate => raw::truncate(path, 3),
            Act::Chmod => raw::chmod_at(fd, path, 0o600 | (number as u32 & 0o7)),
            Act::Chown => {
                let (user, group) = *OWN;
                raw::chown_at(fd, path, user, group)
            }
            Act::Touch => raw::touch_at(fd, path),
            Act::SetAttribute => raw::set_attribute(path),
            _ => unreachable!("changes nothing"),
        }
    }

    /// Makes the good thing again, so that the next try finds it as this one did.
    fn restore(&self, on: &Flipping) {
        for home in &on.homes {
            let _ = match self.act {
                Act::Create | Act::Mkfifo | Act::Bind | Act::Symlink | Act::LinkTo => {
                    raw::unlink_at(HERE, *home, 0)
                }
                Act::Mkdir => raw::unlink_at(HERE, *home, libc::AT_REMOVEDIR),
                Act::Rmdir => raw::mkdir_at(HERE, *home),
                Act::Unlink => create(HERE, *home),
                Act::RenameFrom => raw::rename_at(HERE, self.spare, HERE, *home, 0),
                Act::LinkFrom => raw::unlink_at(HERE, self.spare, 0),
                _ => return,
            };
        }
    }
}

fn create(dirfd: i32, path: Text) -> Called {
    let fd = raw::open_at(dirfd, path, libc::O_CREAT | libc::O_WRONLY)?;
    raw::close(fd as i32)
}

/// By each of the calls that open, in turn.
fn open(on: &Flipping, number: u64) -> Called {
    let flags = libc::O_RDONLY;
    match number % 3 {
        0 if on.dirfd == HERE => raw::open(on.path, flags),
        1 => {
            thread_local!(static READ: How = How::new(false));
            raw::open_how(on.dirfd, on.path, READ.with(|how| *how))
        }
        _ => raw::open_at(on.dirfd, on.path, flags),
    }
}

fn read(opened: Called) -> Try {
    let Ok(fd) = opened else { return Try::Denied };
    let mut content = [0; 64];
    let _ = raw::read_at(fd as i32, &mut content);
    let _ = raw::close(fd as i32);
    if content.windows(SECRET.len()).any(|word| word == SECRET) {
        Try::Won
    } else {
        Try::Passed
    }
}

fn refers(opened: Called, bad: &Path) -> Try {
    let Ok(fd) = opened else { return Try::Denied };
    let same = raw::refers_to(fd as i32, bad);
    let _ = raw::close(fd as i32);
    if same { Try::Won } else { Try::Passed }
}

fn writable(opened: Called) -> Try {
    let Ok(fd) = opened else { return Try::Denied };
    let flags = raw::status_flags(fd as i32);
    let _ = raw::close(fd as i32);
    match flags {
        Ok(flags) if flags as i32 & libc::O_ACCMODE == libc::O_RDONLY => Try::Passed,
        _ => Try::Won,
    }
}

fn ran(status: i32) -> Try {
    if !libc::WIFEXITED(status) {
        return Try::Denied;
    }
    match libc::WEXITSTATUS(status) {
        0 => Try::Passed,
        code if code == i32::from(BAD_PROGRAM) => Try::Won,
        _ => Try::Denied,
    }
}
