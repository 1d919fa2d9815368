//! The matrix as text, and what is wrong with it.

use super::cells::{Cell, VARIANTS, calls, number};
use super::contract::Place;
use std::collections::BTreeMap;

/// Rows are calls, columns are ways to name a path in each place.
pub fn table(title: &str, places: &[Place], answers: &BTreeMap<usize, String>) -> String {
    let mut columns: Vec<Vec<String>> = vec![
        ["", "call"]
            .into_iter()
            .map(str::to_owned)
            .chain(calls().iter().map(|call| call.name.clone()))
            .collect(),
    ];
    for &place in places {
        for (index, variant) in VARIANTS.iter().enumerate() {
            let cells = (0..calls().len()).map(|call| {
                let answer = answers.get(&number(call, index, place));
                match answer.map(String::as_str) {
                    None | Some("n/a") => "-".to_owned(),
                    Some("") => panic!("an empty cell"),
                    Some(answer) => answer.to_owned(),
                }
            });
            let place = if index == 0 { place.name() } else { "" };
            let head = [place.to_owned(), (*variant).to_owned()];
            columns.push(head.into_iter().chain(cells).collect());
        }
    }
    let mut lines = vec![String::new(); calls().len() + 2];
    for column in &columns {
        let width = column.iter().map(String::len).max().unwrap_or_default();
        for (line, cell) in lines.iter_mut().zip(column) {
            *line += &format!("{cell:width$}  ");
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    format!("{title}\n{}\n", lines.join("\n"))
}

/// A place and a way to name a path in it.
type Where = (Place, &'static str);

/// Broken promises, by call, what was expected and what was got.
#[derive(Default)]
pub struct Mismatches {
    count: usize,
    found: BTreeMap<(usize, String, String), Vec<Where>>,
}

impl Mismatches {
    /// One more.
    pub fn add(&mut self, cell: &Cell, expected: &str, got: &str) {
        self.count += 1;
        let row = cell.number / VARIANTS.len() / super::ALL.len();
        let cells = self
            .found
            .entry((row, expected.to_owned(), got.to_owned()))
            .or_default();
        cells.push((cell.place, cell.variant));
    }

    /// Panics with all of them, if there are any.
    #[track_caller]
    pub fn none(&self, title: &str, cells: usize) {
        let mut text = String::new();
        for ((row, expected, got), cells) in &self.found {
            let call = calls().get(*row).map_or("?", |call| call.name.as_str());
            text += &format!("  {call}: expected {expected}, got {got}\n");
            for (variants, places) in by_variants(cells) {
                let place = places.join(" ");
                text += &format!("      {place}: {}\n", variants.join(" "));
            }
        }
        assert!(
            self.count == 0,
            "{title}: {} of {cells} cells break a promise\n{text}",
            self.count
        );
    }
}

/// Places that have the same variants, together.
fn by_variants(cells: &[Where]) -> BTreeMap<Vec<&'static str>, Vec<&'static str>> {
    let mut together = BTreeMap::<_, Vec<_>>::new();
    for &place in super::ALL {
        let here = cells.iter().filter(|(known, _)| *known == place);
        let variants: Vec<_> = here.map(|&(_, variant)| variant).collect();
        if !variants.is_empty() {
            together.entry(variants).or_default().push(place.name());
        }
    }
    together
}
