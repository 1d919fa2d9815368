//! The matrix as text.

use super::contract::{COLUMNS, Column, ROWS};
use std::collections::BTreeMap;

/// What a cell shows.
pub struct Cell {
    pub answer: String,
    pub because: &'static str,
}

/// The cells of a row and a column: with one thread, and with two.
pub type Cells = BTreeMap<(usize, usize), [Cell; 2]>;

/// Rows are attempts, columns are policies.
pub fn table(title: &str, cells: &Cells) -> String {
    let mut columns: Vec<Vec<String>> = vec![
        std::iter::once("attempt".to_owned())
            .chain(ROWS.iter().map(|row| row.name.to_owned()))
            .collect(),
    ];
    for (place, column) in COLUMNS.iter().enumerate() {
        let shown = (0..ROWS.len()).map(|row| {
            let Some([one, two]) = cells.get(&(row, place)) else {
                panic!("an empty cell: {} {}", ROWS[row].name, column.name());
            };
            let [one, two] = [one, two].map(|cell| shown(*column, cell));
            match one == two {
                true => one,
                false => format!("{one} / {two}"),
            }
        });
        columns.push(
            std::iter::once(column.name().to_owned())
                .chain(shown)
                .collect(),
        );
    }
    let mut lines = vec![String::new(); ROWS.len() + 1];
    for column in &columns {
        let width = column.iter().map(String::len).max().unwrap_or_default();
        for (line, cell) in lines.iter_mut().zip(column) {
            *line += &format!("{cell:width$}  ");
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    let lacking = lacking(cells);
    format!(
        "{title} (one thread / two, where they differ)\n{}\n{lacking}",
        lines.join("\n")
    )
}

fn shown(column: Column, cell: &Cell) -> String {
    match (cell.answer.as_str(), cell.because) {
        ("", _) => panic!("an empty cell in {}", column.name()),
        ("ok", "") => "ok".to_owned(),
        (answer, "") => answer.to_owned(),
        (answer, because) => format!("{answer}: {because}"),
    }
}

/// What could not be tried without a jail, so that the row proves less than it should.
fn lacking(cells: &Cells) -> String {
    let mut text = String::new();
    for (number, row) in ROWS.iter().enumerate() {
        let outside = cells.get(&(number, 0)).map(|[one, _]| one.answer.as_str());
        if let Some(answer) = outside
            && answer != "ok"
        {
            text += &format!(
                "!!! NOT TRIED HERE: {}: {answer} without a jail, too (no such protocol on this host, or not root)\n",
                row.name
            );
        }
    }
    text
}
