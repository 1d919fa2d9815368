//! What is done unjailed and under each peer.

use crate::Result;
use crate::pairs::{inner, whole};
use crate::programs::Programs;

pub struct Work {
    pub title: &'static str,
    pub unit: &'static str,
    pub rounds: usize,
    /// Whether it runs on one processor: where a peer stops each call, two would measure the scheduler.
    pub one_processor: bool,
    /// Runs it behind these words, and returns what it took in its unit.
    pub run: fn(&Programs, &[&str]) -> Result<f64>,
}

const MILLISECOND: f64 = 1e3;

/// Together they take less than three minutes.
pub const WORKS: [Work; 5] = [
    Work {
        title: "start of `true`",
        unit: "ms",
        rounds: 40,
        one_processor: false,
        run: |_, before| Ok(whole(&[before, &["true"]].concat())? / MILLISECOND),
    },
    Work {
        title: "200 short commands",
        unit: "ms",
        rounds: 8,
        one_processor: false,
        run: |_, before| {
            let script = "i=0; while [ $i -lt 200 ]; do /usr/bin/env true; i=$((i + 1)); done";
            Ok(whole(&[before, &["/bin/sh", "-c", script]].concat())? / MILLISECOND)
        },
    },
    Work {
        title: "make -j2, 40 C files",
        unit: "ms",
        rounds: 4,
        one_processor: false,
        run: make,
    },
    Work {
        title: "open and close",
        unit: "µs",
        rounds: 12,
        one_processor: true,
        run: |programs, before| {
            let file = programs.sources.join("part0.c");
            let words = [
                programs.this.as_str(),
                "opens",
                &file.to_string_lossy(),
                "10000",
            ];
            Ok(inner(&[before, &words].concat())? / 1e3)
        },
    },
    Work {
        title: "connect and close",
        unit: "µs",
        rounds: 12,
        one_processor: true,
        run: |programs, before| {
            let words = [programs.this.as_str(), "connects", &programs.port, "3000"];
            Ok(inner(&[before, &words].concat())? / 1e3)
        },
    },
];

/// A build from nothing.
fn make(programs: &Programs, before: &[&str]) -> Result<f64> {
    let sources = programs.sources.to_string_lossy();
    whole(&["make", "-s", "-C", &sources, "clean"])?;
    Ok(whole(&[before, &["make", "-s", "-j2", "-C", &sources]].concat())? / MILLISECOND)
}
