//! The streams of a run: what is done with them when a pipe is ready, and at the end of the jail.

use super::Written;
use super::flow::{Feed, Flow};
use crate::supervise::{StopHandle, StopReason};

/// The size of one read.
pub const BUFFER: usize = 1 << 16;

/// The pipes of a run, and its limit.
pub struct Work {
    pub feed: Option<Feed>,
    pub flows: [Option<Flow>; 2],
    /// The remaining bytes of the limit.
    pub left: u64,
    pub stop_handle: StopHandle,
}

impl Work {
    /// Passes on what was read; if there is nothing, reads.
    pub fn go_on(&mut self, index: usize, buffer: &mut [u8]) {
        match &mut self.flows[index] {
            Some(flow) if flow.is_pending() => flow.write(),
            _ => _ = self.take(index, buffer),
        }
    }

    /// Reads; returns whether there was anything.
    fn take(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let left = self.left;
        let flow = self.flows[index].as_mut();
        let Some(read) = flow.and_then(|flow| flow.read(buffer, left)) else {
            return false;
        };
        if read > left {
            // Request the stop first: a command that then dies of the closed pipe dies because of the
            // limit.
            self.stop_handle.request(StopReason::Output);
            // If the command lives long enough to write again, it gets EPIPE.
            for flow in self.flows.iter_mut().flatten() {
                flow.from = None;
            }
        }
        self.left = left.saturating_sub(read);
        true
    }

    /// The jail has ended: reads what each pipe holds, and no more.
    pub fn end(&mut self, buffer: &mut [u8]) {
        self.feed = None;
        for index in 0..2 {
            let mut left = self.flows[index].as_ref().map_or(0, Flow::capacity);
            while left > 0 && self.take(index, buffer) {
                left = left.saturating_sub(buffer.len());
            }
            if let Some(flow) = &mut self.flows[index] {
                flow.from = None;
            }
        }
    }

    pub fn written(self) -> Written {
        let count = |flow: &Option<Flow>| flow.as_ref().map(|flow| flow.count);
        let [stdout, stderr] = &self.flows;
        let (stdout, stderr) = (count(stdout), count(stderr));
        Written {
            stdout,
            stderr,
            kept: self
                .flows
                .map(|flow| flow.map(|flow| flow.kept).unwrap_or_default()),
        }
    }
}
