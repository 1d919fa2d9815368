//! The printed table: aligned columns, one block a case.

use crate::pairs::{Rounds, Spread};

/// A block of lines.
pub struct Table(String);

impl Table {
    pub fn new(title: &str) -> Self {
        let columns = ["min", "q1", "median", "q3"]
            .map(|name| format!("{name:>9}"))
            .concat();
        let ratios = format!("{:>12}{:>20}", "to unjailed", "to floor (q1–q3)");
        Self(format!("{title:<56}{columns}{ratios}  target\n"))
    }

    /// A second heading within the block.
    pub fn title(&mut self, title: &str) {
        self.0 += &format!("{title}\n");
    }

    /// One line a variant, in their order: its label, and its target as a ratio to the floor.
    pub fn add(&mut self, rounds: &Rounds, labels: &[(&str, Option<f64>)]) {
        for (variant, &(label, target)) in labels.iter().enumerate() {
            let Spread {
                min,
                low,
                median,
                high,
            } = rounds.spread(variant);
            let values = [min, low, median, high]
                .map(|value| format!("{value:>9.2}"))
                .concat();
            self.0 += &format!("  {label:<54}{values}");
            if variant > 0 {
                self.0 += &format!("{:>12.2}", rounds.ratio(variant, 0).median);
            }
            if variant > 1 {
                let Spread {
                    low, median, high, ..
                } = rounds.ratio(variant, 1);
                self.0 += &format!("{:>20}", format!("{median:.2} ({low:.2}–{high:.2})"));
                if let Some(target) = target {
                    let verdict = if median <= target { "met" } else { "missed" };
                    self.0 += &format!("  ≤ {target:.2} {verdict}");
                }
            }
            self.0 += "\n";
        }
    }

    pub fn print(&self) {
        println!("{}", self.0);
    }
}
