//! The printed table: aligned columns, each row compared with the first.

use crate::pairs::{Rounds, Spread};

/// Lines.
pub struct Table(String);

impl Table {
    pub fn new(title: &str) -> Self {
        let columns = ["min", "q1", "median", "q3"]
            .map(|name| format!("{name:>9}"))
            .concat();
        Self(format!(
            "{title:<50}{columns}{:>20}{:>12}  target\n",
            "to bare (q1–q3)", "throughput"
        ))
    }

    /// One line a variant, in their order: its label, and the most that it may take.
    pub fn add(&mut self, rounds: &Rounds, labels: &[(&str, Option<f64>)]) {
        for (variant, &(label, target)) in labels.iter().enumerate() {
            let Spread {
                min,
                low,
                median,
                high,
            } = rounds.spread(variant);
            let values = [min, low, median, high]
                .map(|value| format!("{value:>9.1}"))
                .concat();
            self.0 += &format!("  {label:<48}{values}");
            if variant > 0 {
                let Spread {
                    low, median, high, ..
                } = rounds.ratio(variant, 0);
                self.0 += &format!("{:>20}", format!("{median:.2} ({low:.2}–{high:.2})"));
                self.0 += &format!("{:>12.2}", 1.0 / median);
                if let Some(target) = target {
                    let verdict = if median <= target { "met" } else { "missed" };
                    self.0 += &format!("  ≥ {:.2} {verdict}", 1.0 / target);
                }
            }
            self.0 += "\n";
        }
    }

    pub fn print(&self) {
        println!("{}", self.0);
    }
}
