//! The printed tables, and the part of docs/performance.md that is made of them.

use crate::pairs::Spread;
use crate::peers::Peer;
use crate::works::{WORKS, Work};
use crate::{Cell, Cells, Result};

pub const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/performance.md");
pub const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/peers.svg");
/// What the part of the manual stands between.
const MARKS: [&str; 2] = [
    "<!-- peers: made by the bench -->\n",
    "<!-- peers: end -->\n",
];

/// One work: times, and ratios to unjailed within a round.
pub fn print(work: &Work, peers: &[Peer], row: &[Option<Cell>]) {
    let title = format!("{}, {}", work.title, work.unit);
    println!(
        "{title:<26}{:>9}{:>9}{:>9}  {:>24}",
        "q1", "median", "q3", "to unjailed (q1–q3)"
    );
    for (peer, cell) in peers.iter().zip(row) {
        let Some(Cell { time, ratio }) = cell else {
            continue;
        };
        let Spread {
            low, median, high, ..
        } = ratio;
        let ratio = format!("{median:.2} ({low:.2}–{high:.2})");
        println!(
            "  {:<24}{:>9.2}{:>9.2}{:>9.2}  {ratio:>24}",
            peer.name, time.low, time.median, time.high
        );
    }
    println!();
}

/// All works: median ratios, and what is enforced for them.
pub fn markdown(peers: &[Peer], absent: &[String], cells: &Cells) -> String {
    let mut page = String::from("| under | enforces |");
    for work in &WORKS {
        page += &format!(" {} |", work.title);
    }
    page += &format!("\n|---|---|{}\n", "---|".repeat(WORKS.len()));
    for (index, peer) in peers.iter().enumerate() {
        page += &format!("| {} | {} |", peer.name, peer.enforces);
        for (work, row) in WORKS.iter().zip(cells) {
            let text = match &row[index] {
                None => "does not run".to_owned(),
                Some(cell) if index == 0 => format!("{:.2} {}", cell.time.median, work.unit),
                Some(cell) => format!(
                    "{:.2} ({:.2}–{:.2})",
                    cell.ratio.median, cell.ratio.low, cell.ratio.high
                ),
            };
            page += &format!(" {text} |");
        }
        page += "\n";
    }
    if !absent.is_empty() {
        page += &format!("\nNot measured: {}.\n", absent.join("; "));
    }
    page
}

/// Replaces the part of the manual.
pub fn into_manual(page: &str) -> Result<()> {
    let text = std::fs::read_to_string(MANUAL)?;
    let parts = text.split_once(MARKS[0]);
    let parts = parts.and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{MANUAL} lacks the lines {MARKS:?}"))?;
    let plot = "\n![Ratios to unjailed](peers.svg)\n\n";
    let [begin, end] = MARKS;
    std::fs::write(MANUAL, format!("{before}{begin}{plot}{page}\n{end}{after}"))?;
    Ok(())
}
