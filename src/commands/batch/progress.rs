//! The line on a terminal that says how far a batch is: drawn in place, and gone at its end.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::terminal;

/// The line is not drawn more often.
const PAUSE: Duration = Duration::from_millis(100);
/// Columns of the bar, which a terminal with less than [`WIDE`] columns does not get.
const BAR: u64 = 30;
const WIDE: usize = 72;

/// The progress of a batch, which threads report; hidden: nothing is drawn.
pub struct Progress(Option<Mutex<Line>>);

struct Line {
    count: Count,
    began: Instant,
    drawn: Option<Instant>,
    over: bool,
}

#[derive(Clone, Copy)]
struct Count {
    /// Of how many cases; `None`: it is not known.
    total: Option<u64>,
    ran: u64,
    /// Those that had a verdict before.
    skipped: u64,
}

impl Progress {
    pub fn hidden() -> Progress {
        Progress(None)
    }

    /// Drawn on stderr.
    pub fn of(total: Option<u64>) -> Progress {
        Progress(Some(Mutex::new(Line {
            count: Count {
                total,
                ran: 0,
                skipped: 0,
            },
            began: Instant::now(),
            drawn: None,
            over: false,
        })))
    }

    pub fn skip(&self, cases: u64) {
        self.update(|line| line.count.skipped += cases);
    }

    pub fn ran_one(&self) {
        self.update(|line| line.count.ran += 1);
    }

    /// Removes the line, which is not drawn again.
    pub fn clear(&self) {
        self.update(|line| {
            line.over = true;
            if line.drawn.is_some() {
                put("");
            }
        });
    }

    fn update(&self, change: impl FnOnce(&mut Line)) {
        let Some(line) = &self.0 else { return };
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut line);
        let now = Instant::now();
        let recent = |drawn: Instant| now.duration_since(drawn) < PAUSE;
        if line.over || line.drawn.is_some_and(recent) {
            return;
        }
        line.drawn = Some(now);
        let columns = terminal::columns(std::io::stderr());
        let wide = columns.is_none_or(|columns| columns >= WIDE);
        put(&line.count.text(now.duration_since(line.began), wide));
    }
}

impl Count {
    fn text(self, passed: Duration, wide: bool) -> String {
        let done = self.ran.saturating_add(self.skipped);
        let mut text = String::new();
        let Some(total) = self.total else {
            let millis = passed.as_millis().max(1);
            let rate = u128::from(self.ran) * 1000 / millis;
            let _ = write!(text, "{done} done  {rate}/s");
            return text;
        };
        if wide {
            let full = done.saturating_mul(BAR).checked_div(total);
            for column in 0..BAR {
                text.push(if column < full.unwrap_or(BAR) {
                    '█'
                } else {
                    '░'
                });
            }
            text.push_str("  ");
        }
        let _ = write!(text, "{done}/{total}");
        let rest = u128::from(total.saturating_sub(done));
        if let Some(left) = (passed.as_secs() as u128 * rest).checked_div(self.ran.into()) {
            let _ = write!(text, "  {}:{:02} left", left / 60, left % 60);
        }
        text
    }
}

/// Replaces the line. That it cannot be drawn harms no case.
fn put(text: &str) {
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn text(total: Option<u64>, ran: u64, skipped: u64, wide: bool) -> String {
        let count = Count {
            total,
            ran,
            skipped,
        };
        count.text(MINUTE, wide)
    }

    #[test]
    fn the_line_says_how_many_and_how_long() {
        assert_eq!(text(Some(400), 100, 0, false), "100/400  3:00 left");
        assert_eq!(text(Some(400), 0, 0, false), "0/400");
        assert_eq!(text(Some(400), 400, 0, false), "400/400  0:00 left");
        let half = format!("{}{}  200/400  1:00 left", "█".repeat(15), "░".repeat(15));
        assert_eq!(text(Some(400), 200, 0, true), half);
        assert_eq!(text(None, 120, 0, true), "120 done  2/s");
    }

    #[test]
    fn the_rate_is_of_what_has_run() {
        assert_eq!(text(Some(400), 100, 200, false), "300/400  1:00 left");
        assert_eq!(text(None, 120, 600, false), "720 done  2/s");
    }

    #[test]
    fn a_batch_without_cases_has_a_full_bar() {
        assert_eq!(
            text(Some(0), 0, 0, true),
            format!("{}  0/0", "█".repeat(30))
        );
    }

    #[test]
    fn numbers_past_the_total_are_shown() {
        let line = text(Some(u64::MAX), u64::MAX, 0, true);
        assert!(line.ends_with("0:00 left"), "{line}");
        assert!(text(Some(1), 3, 0, false).starts_with("3/1  "));
    }
}
