//! Whole commands that open many files, from their start to their end.

use crate::Result;
use crate::pairs::Rounds;
use crate::programs::Programs;
use crate::stats;
use crate::table::{self, Compare, Line};
use crate::trees;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What commands get of this process's environment. What cargo adds to it stays out: a jobserver,
/// and a library path that every program would search.
const KEPT: [&str; 7] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "CARGO",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

/// A command, and what it needs.
pub struct Job {
    pub title: &'static str,
    pub rounds: usize,
    /// Makes the directory that the command runs in.
    pub prepare: fn(&Path) -> Result<()>,
    /// For a shell.
    pub command: &'static str,
    /// For a shell, before each run: removes what the last one made.
    pub clean: &'static str,
}

/// The commands that take seconds.
pub const COMMANDS: [Job; 7] = [
    Job {
        title: "make -j2, 40 C files",
        rounds: 8,
        prepare: trees::c_project,
        command: "make -s -j2",
        clean: "make -s clean",
    },
    Job {
        title: "git status && git log --stat",
        rounds: 20,
        prepare: trees::repository,
        command: "git status && git log --stat",
        clean: "true",
    },
    Job {
        title: "tar x, 400 files",
        rounds: 20,
        prepare: trees::archive,
        command: "mkdir out && tar --no-same-owner -xf archive.tar -C out",
        clean: "rm -rf out",
    },
    Job {
        title: "find, 1000 directories",
        rounds: 20,
        prepare: trees::directories,
        command: "find . -name '*.c'",
        clean: "true",
    },
    Job {
        title: "python3 -c pass",
        rounds: 40,
        prepare: trees::empty,
        command: "python3 -c pass",
        clean: "true",
    },
    Job {
        title: "python3, 30 imports",
        rounds: 20,
        prepare: trees::empty,
        command: "python3 -c 'import argparse, ast, asyncio, base64, bisect, calendar, collections, configparser, copy, csv, dataclasses, datetime, difflib, email, enum, fractions, glob, gzip, hashlib, heapq, html, http.client, inspect, json, logging, pathlib, random, tempfile, unittest, urllib.request'",
        clean: "true",
    },
    Job {
        title: "cargo build --offline -p clap",
        rounds: 3,
        prepare: trees::this_project,
        command: "${CARGO:-cargo} build --offline -q -p clap --target-dir out",
        clean: "rm -rf out",
    },
];

const PROJECT: Job = Job {
    title: "cargo build --offline, this project",
    rounds: 3,
    prepare: trees::this_project,
    command: "${CARGO:-cargo} build --offline -q --target-dir out",
    clean: "rm -rf out",
};

/// The commands that take seconds.
pub fn print(programs: &Programs) -> Result<()> {
    COMMANDS.iter().try_for_each(|job| run(programs, job))
}

/// The build of this project, which takes minutes in all.
pub fn project(programs: &Programs) -> Result<()> {
    run(programs, &PROJECT)
}

/// A build with build scripts and procedural macros under the presets for builds, and for cargo, in which what builds
/// run is in a domain.
pub fn cargo(programs: &Programs) -> Result<()> {
    let job = Job {
        title: "cargo build --offline -p serde, -p nix",
        prepare: trees::own_workspace,
        command: "${CARGO:-cargo} build --offline -q -p serde -p serde_derive -p nix",
        clean: "rm -rf target",
        ..PROJECT
    };
    let under = |preset| {
        vec![
            &*programs.jail,
            "--quiet",
            "--stats",
            "--policy",
            preset,
            "--",
        ]
    };
    let variants = [
        ("unjailed", vec![]),
        ("jail, build", under("build")),
        ("jail, cargo", under("cargo")),
    ];
    compare(programs, &job, &variants)
}

/// Unjailed, under the floor and under jail.
fn run(programs: &Programs, job: &Job) -> Result<()> {
    let temporary = std::env::temp_dir();
    programs.policies(&[&temporary.to_string_lossy()])?;
    let jail = |policy| {
        let before = ["--quiet", "--stats", "--policy", policy, "--"];
        [&[&*programs.jail][..], &before].concat()
    };
    let traced = [
        &[&*programs.jail, "--trace-denials"],
        &jail(&programs.listed)[1..],
    ];
    let variants = [
        ("unjailed", vec![]),
        (
            "floor: opens stop, path read",
            vec![&*programs.floor, "stop"],
        ),
        ("jail, subtrees", jail(&programs.subtrees)),
        ("jail, a denied pattern", jail(&programs.pattern)),
        ("jail, subtrees by name", jail(&programs.listed)),
        ("jail, subtrees by name, --trace-denials", traced.concat()),
    ];
    compare(programs, job, &variants)
}

/// One job after these words, each beneath its title; once as the first one before all that, to warm caches.
fn compare(programs: &Programs, job: &Job, variants: &[(&'static str, Vec<&str>)]) -> Result<()> {
    let place = programs.work.join("tree");
    (job.prepare)(&place)?;
    let mut lines: Vec<Line> = variants
        .iter()
        .map(|(title, _)| Line::new(title, None))
        .collect();
    let measure = |before: &[&str]| {
        once(&["/bin/sh", "-c", job.clean], &place)?;
        once(&[before, &["/bin/sh", "-c", job.command]].concat(), &place)
    };
    measure(&variants[0].1)?;
    let mut rounds = Rounds::default();
    for _ in 0..job.rounds {
        let mut row = Vec::new();
        for ((_, before), line) in variants.iter().zip(&mut lines) {
            let (millis, stderr) = measure(before)?;
            line.remark = stats::stops(&stderr);
            row.push(millis);
        }
        rounds.0.push(row);
    }
    let title = format!("{}, ms", job.title);
    table::print(&title, &rounds, Compare::Whole, &lines);
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// Milliseconds from before the start to the end, and what was written to standard error.
pub fn once(words: &[&str], place: &Path) -> Result<(f64, String)> {
    let kept = KEPT
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(place);
    command.env_clear().envs(kept).env("CARGO_INCREMENTAL", "0");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    let before = Instant::now();
    let output = command.output()?;
    let millis = before.elapsed().as_secs_f64() * 1e3;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok((millis, stderr))
    } else {
        Err(format!("{}: {}\n{stderr}", words.join(" "), output.status).into())
    }
}
