//! Rounds of measurements, one of each variant a round, and their statistics.
//!
//! A ratio is taken within a round; what is reported is the median of ratios, never a ratio of
//! averages.

use crate::Result;
use crate::programs::command;
use std::time::Instant;

/// Minimum, quartiles.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub min: f64,
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len().saturating_sub(1)) as f64;
            let (below, above) = (
                values.get(place.floor() as usize),
                values.get(place.ceil() as usize),
            );
            let (below, above) = (
                below.copied().unwrap_or(f64::NAN),
                above.copied().unwrap_or(f64::NAN),
            );
            below + (above - below) * place.fract()
        };
        Self {
            min: at(0.0),
            low: at(0.25),
            median: at(0.5),
            high: at(0.75),
        }
    }
}

/// Measurements: each round one number of each variant.
#[derive(Debug, Default)]
pub struct Rounds(pub Vec<Vec<f64>>);

impl Rounds {
    /// Runs every variant once a round, in turn. The first round warms caches and is not counted.
    pub fn interleave(
        count: usize,
        variants: usize,
        mut measure: impl FnMut(usize) -> Result<f64>,
    ) -> Result<Self> {
        let mut rounds = Vec::with_capacity(count);
        for round in 0..=count {
            let row = (0..variants)
                .map(&mut measure)
                .collect::<Result<Vec<f64>>>()?;
            if round > 0 {
                rounds.push(row);
            }
        }
        Ok(Self(rounds))
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Result<Self> {
        let row = |line: &str| line.split(' ').map(|value| Ok(value.parse()?)).collect();
        Ok(Self(text.lines().map(row).collect::<Result<_>>()?))
    }

    /// One variant's values.
    pub fn spread(&self, variant: usize) -> Spread {
        Spread::of(
            self.0
                .iter()
                .filter_map(|round| round.get(variant).copied())
                .collect(),
        )
    }

    /// One variant's ratio to another, round by round.
    pub fn ratio(&self, variant: usize, to: usize) -> Spread {
        let ratio = |round: &Vec<f64>| Some(round.get(variant)? / round.get(to)?);
        Spread::of(self.0.iter().filter_map(ratio).collect())
    }
}

/// One line a round.
impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for round in &self.0 {
            let values: Vec<String> = round.iter().map(f64::to_string).collect();
            writeln!(f, "{}", values.join(" "))?;
        }
        Ok(())
    }
}

/// Microseconds from before a program is started until it is reaped.
pub fn whole(words: &[&str]) -> Result<f64> {
    let mut command = command(words);
    let before = Instant::now();
    let status = command.status()?;
    let micros = before.elapsed().as_secs_f64() * 1e6;
    if status.success() {
        Ok(micros)
    } else {
        Err(format!("{}: {status}", words.join(" ")).into())
    }
}

/// The number that a workload prints.
pub fn inner(words: &[&str]) -> Result<f64> {
    let output = command(words)
        .stdout(std::process::Stdio::piped())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| format!("{}: {}, printed {text:?}", words.join(" "), output.status).into())
}
