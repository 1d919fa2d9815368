//! The printed table: aligned columns, one block a case.

use crate::pairs::{Rounds, Spread};

/// What the second ratio compares, within a round.
#[derive(Clone, Copy)]
pub enum Compare {
    /// The whole time to the floor's.
    Whole,
    /// What was added to the unjailed time to what the floor adds.
    Added,
}

/// One variant's line.
pub struct Line {
    pub label: &'static str,
    /// At most this in the second ratio.
    pub target: Option<f64>,
    /// Printed after it.
    pub remark: String,
}

impl Line {
    pub fn new(label: &'static str, target: Option<f64>) -> Self {
        Self {
            label,
            target,
            remark: String::new(),
        }
    }
}

/// A block of lines. The first variant is the unjailed one, the second the floor.
pub fn print(title: &str, rounds: &Rounds, compare: Compare, lines: &[Line]) {
    let columns = ["min", "q1", "median", "q3"]
        .map(|name| format!("{name:>9}"))
        .concat();
    let second = match compare {
        Compare::Whole => "to floor (q1–q3)",
        Compare::Added => "added, to floor's",
    };
    println!(
        "{title:<52}{columns}{:>21}{second:>21}  target",
        "to unjailed (q1–q3)"
    );
    for (variant, line) in lines.iter().enumerate() {
        let Spread {
            min,
            low,
            median,
            high,
        } = rounds.spread(variant);
        let values = [min, low, median, high]
            .map(|value| format!("{value:>9.2}"))
            .concat();
        let mut text = format!("  {:<50}{values}", line.label);
        if variant > 0 {
            text += &quartiles(rounds.ratio(variant, 0));
        }
        if variant > 1 {
            let ratio = match compare {
                Compare::Whole => rounds.ratio(variant, 1),
                Compare::Added => added(rounds, variant),
            };
            text += &quartiles(ratio);
            if let Some(target) = line.target {
                let met = ratio.median <= target;
                text += &format!("  ≤ {target:.2} {}", if met { "met" } else { "missed" });
            }
        }
        println!("{text}");
        if !line.remark.is_empty() {
            println!("      {}", line.remark);
        }
    }
    println!();
}

fn quartiles(ratio: Spread) -> String {
    let Spread {
        low, median, high, ..
    } = ratio;
    format!("{:>21}", format!("{median:.2} ({low:.2}–{high:.2})"))
}

fn added(rounds: &Rounds, variant: usize) -> Spread {
    let ratio =
        |round: &Vec<f64>| Some((round.get(variant)? - round[0]) / (round.get(1)? - round[0]));
    Spread::of(rounds.0.iter().filter_map(ratio).collect())
}
