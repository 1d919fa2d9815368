//! chdir and bind: calls of one path that no flag keeps from following links, and that only the task
//! itself can make. Their path lies in a page that nobody can change, and nothing else is answered
//! until they have returned.

use super::resolve::{Start, Wants, resolve};
use super::{Asked, Files, Judged, row};
use crate::paths::Access;
use crate::sys::Errno;
use crate::trace::Resume;

/// `struct sockaddr_storage` is as large (socket(7)): no address is longer.
pub const SOCKADDR: usize = 128;
/// The path in `struct sockaddr_un`: unix(7).
const SUN_PATH: usize = 108;

impl Files {
    /// chdir(2): relative paths start there, and are resolved anew each time.
    pub(super) fn chdir(&mut self, asked: &mut Asked<'_>) -> Judged<Resume> {
        let row = row("chdir")?;
        let given = asked.path(row)?;
        let found = asked.found(row, &given, Wants::object(true))?;
        asked.judge(Access::Stat, &given, &found)?;
        if found.object.is_none() {
            return Err(Errno::ENOENT.into());
        }
        if !asked.plan.files.pins {
            return Ok(Resume::Continue);
        }
        // What has no path to it is reached by the link that led there.
        let path = match (&found.magic, found.pathless) {
            (Some(magic), true) => magic.clone(),
            // Out of a directory that is gone: no path leads there.
            (None, true) if self.memories.is_alone(asked.tracee.tid()) => {
                return Ok(Resume::Continue);
            }
            (None, true) => return Err(Errno::ENOENT.into()),
            (_, false) => found.path,
        };
        self.pinned_at_once(asked, &[], &path, |slot| [slot.path(), 0, 0, 0, 0, 0])
    }

    /// bind(2) of a unix socket makes a file.
    pub(super) fn bind(&mut self, asked: &mut Asked<'_>) -> Judged<Resume> {
        let tid = asked.tracee.tid();
        let [_, address, length, ..] = asked.call.args;
        let length = length as u32 as usize;
        if length > SOCKADDR {
            return Err(Errno::EINVAL.into());
        }
        let mut bytes = [0; SOCKADDR];
        let buffer = bytes.get_mut(..length).unwrap_or_default();
        let read = crate::sys::memory::read(tid, address, buffer).unwrap_or(0);
        if read < length {
            return Err(Errno::EFAULT.into());
        }
        self.bind_address(asked, bytes, length)
    }

    /// bind(2) of this address, which is not read again: another task may have changed it.
    pub fn bind_address(
        &mut self,
        asked: &mut Asked<'_>,
        mut bytes: [u8; SOCKADDR],
        length: usize,
    ) -> Judged<Resume> {
        const FAMILY: usize = 2;
        let tid = asked.tracee.tid();
        let address = asked.arg(1);
        let family = i32::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let name = bytes.get(FAMILY..length).unwrap_or_default();
        let end = name.iter().position(|byte| *byte == 0);
        let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        if family != libc::AF_UNIX || name.is_empty() {
            // No path: whatever it is changed to meanwhile, is bound by what [net] says.
            return self.bind_to(asked, bytes, length);
        }
        let name = name.to_vec();
        let wants = Wants::NAME;
        let found = resolve(asked.view(), Start::Directory, &name, wants)?;
        if found.object.is_some() {
            asked.judge(Access::Handle, &name, &found)?;
            return Err(Errno::EADDRINUSE.into());
        }
        asked.judge(Access::Write, &name, &found)?;
        if self.is_settled(
            asked,
            address,
            bytes.get(..length).unwrap_or_default(),
            &found,
        ) {
            return Ok(Resume::Continue);
        }
        // A name stays what it is, unless somebody else may change where it leads.
        let settled = name.starts_with(b"/") || self.memories.is_alone(tid);
        if found.links || !settled {
            let whole = found.path.as_slice();
            let room = bytes.get_mut(FAMILY..FAMILY + SUN_PATH).unwrap_or_default();
            let Some(place) = room
                .get_mut(..whole.len())
                .filter(|_| whole.len() < SUN_PATH)
            else {
                return Err(Errno::ENAMETOOLONG.into());
            };
            place.copy_from_slice(whole);
            let end = FAMILY + whole.len();
            if let Some(end) = bytes.get_mut(end) {
                *end = 0;
            }
            return self.bind_to(asked, bytes, end + 1);
        }
        self.bind_to(asked, bytes, length)
    }

    /// bind(2) of this address.
    fn bind_to(
        &mut self,
        asked: &Asked<'_>,
        bytes: [u8; SOCKADDR],
        length: usize,
    ) -> Judged<Resume> {
        if !asked.plan.files.pins {
            return Ok(Resume::Continue);
        }
        let fd = asked.arg(0);
        self.pinned_at_once(asked, &bytes, &[], |slot| {
            [fd, slot.address, length as u64, 0, 0, 0]
        })
    }
}
