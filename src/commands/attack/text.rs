//! The results for people: a table.

use super::Results;
use super::suite::Outcome;
use crate::commands::explain::View;
use crate::commands::table::{Cell, Table};
use anstyle::{AnsiColor, Style};

/// The width where the terminal's is not known.
const WIDTH: usize = 80;

/// The table, and a sentence.
pub fn text(results: &Results, view: View) -> String {
    let mut table: Table<3> = Table::new(&[2]);
    let mut area = "";
    for result in &results.rows {
        if area != result.attack.area {
            area = result.attack.area;
            table.title(area);
        }
        let (word, color) = match &result.outcome {
            Outcome::Contained(_) => ("contained", AnsiColor::Green.on_default()),
            Outcome::Escaped(_) => ("escaped", AnsiColor::Red.on_default().bold()),
            _ => ("not applicable", Style::new().dimmed()),
        };
        let detail = match &result.outcome {
            Outcome::Escaped(what) => format!("{what}: {}", result.attack.tries),
            Outcome::Contained(why) | Outcome::NotApplicable(why) => why.clone(),
            Outcome::Unstarted(why) => format!("the attack cannot start: {why}"),
        };
        table.row([
            result.attack.name.into(),
            Cell::styled(word, color),
            detail.into(),
        ]);
    }
    let table = table.render(view.color, Some(view.width.unwrap_or(WIDTH)));
    let [contained, escaped, other] = results.counts();
    let all = results.rows.len();
    let attacks = if all == 1 { "attack" } else { "attacks" };
    format!(
        "{table}\n{all} {attacks} under {}: {contained} contained, {escaped} escaped, {other} not applicable\n",
        results.policy
    )
}
