//! Linux AIO: reads from a disk that change memory while its owner does something else.

use super::*;

/// How many reads are under way at once.
pub const DEPTH: usize = 8;

/// `struct iocb` of a read, as words.
type Request = [u64; 8];

/// Reads that overwrite a page with blocks of a file in turn, none of which lasts.
pub struct Reads {
    context: u64,
    requests: &'static [Request; DEPTH],
}

impl Reads {
    /// From a file opened with O_DIRECT, whose first two pages are read to the page of `text`.
    pub fn new(fd: i32, text: Text) -> Result<Self, Errno> {
        let mut context = 0_u64;
        // SAFETY: the kernel writes the context.
        check(unsafe { libc::syscall(libc::SYS_io_setup, DEPTH, &raw mut context) })?;
        let mut requests = [[0; 8]; DEPTH];
        for (number, request) in requests.iter_mut().enumerate() {
            request[2] = (fd as u64) << 32;
            request[3] = text.address() as u64;
            request[4] = PAGE as u64;
            request[5] = ((number + 1) % 2 * PAGE) as u64;
        }
        let requests = Box::leak(Box::new(requests));
        Ok(Self { context, requests })
    }

    /// Begins this many; the last one that is done decides what the page holds then.
    pub fn begin(&self, count: usize) -> Called {
        let count = count.min(DEPTH);
        let list: [*const Request; DEPTH] = std::array::from_fn(|at| &raw const self.requests[at]);
        let number = libc::SYS_io_submit;
        // SAFETY: the requests are never freed; they write to a page that is never unmapped.
        check(unsafe { libc::syscall(number, self.context, count, list.as_ptr()) })
    }

    /// Waits for as many as have begun.
    pub fn finish(&self, begun: i64) {
        let mut events = [[0_u64; 4]; DEPTH];
        let (number, events) = (libc::SYS_io_getevents, events.as_mut_ptr());
        // SAFETY: the kernel writes at most `DEPTH` events.
        let _ = check(unsafe { libc::syscall(number, self.context, begun, begun, events, 0) });
    }
}
