//! Columns of text for people: aligned, and wrapped only if a terminal is too narrow.
//!
//! It never truncates text.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A table under construction.
#[derive(Debug)]
pub struct Table<const N: usize> {
    rows: Vec<Row<N>>,
    /// The columns that are wrapped if the table is too wide.
    wrapped: &'static [usize],
}

#[derive(Debug)]
enum Row<const N: usize> {
    Title(String),
    /// A text over all columns.
    Line(Cell),
    Cells([Cell; N]),
}

/// A text and its style.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text with a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell {
            text: text.into(),
            style,
        }
    }

    /// The same style with another text.
    pub fn with_text(self, text: impl Into<String>) -> Cell {
        Cell {
            text: text.into(),
            ..self
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(text, Style::new())
    }
}

/// What separates two columns.
const GAP: usize = 2;

/// A wrapped column stays wide enough for its longest word, up to this width.
const WORD: usize = 20;

impl<const N: usize> Table<N> {
    /// An empty table whose columns `wrapped` may be wrapped.
    pub fn new(wrapped: &'static [usize]) -> Table<N> {
        Table {
            rows: Vec::new(),
            wrapped,
        }
    }

    /// A title above the following rows, after an empty line.
    pub fn title(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Title(text.into()));
    }

    /// A line over all columns.
    pub fn line(&mut self, cell: Cell) {
        self.rows.push(Row::Line(cell));
    }

    /// A row.
    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(Row::Cells(cells));
    }

    /// Renders the table; `width`: of the terminal, if there is one.
    pub fn render(&self, color: bool, width: Option<usize>) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(columns(&cell.text));
                }
            }
        }
        if let Some(width) = width {
            self.narrow(&mut widths, width);
        }
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            match row {
                Row::Title(title) => {
                    let gap = if index == 0 { "" } else { "\n" };
                    let style = if color {
                        Style::new().bold()
                    } else {
                        Style::new()
                    };
                    let _ = writeln!(text, "{gap}{style}{title}{style:#}");
                }
                Row::Line(cell) => {
                    let width = width.unwrap_or(usize::MAX);
                    lines(&mut text, std::slice::from_ref(cell), &[width], color);
                }
                Row::Cells(cells) => lines(&mut text, cells, &widths, color),
            }
        }
        text
    }

    /// Narrows the widest of the wrapped columns until the table fits, or none can be narrower.
    fn narrow(&self, widths: &mut [usize; N], width: usize) {
        let mut words = [0; N];
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                for (longest, cell) in words.iter_mut().zip(cells) {
                    let word = cell.text.split(' ').map(columns).max();
                    *longest = word.unwrap_or(0).min(WORD).max(*longest);
                }
            }
        }
        let whole = widths.iter().sum::<usize>() + GAP * N.saturating_sub(1);
        for _ in width..whole {
            let spare = |column: &usize| widths.get(*column) > words.get(*column);
            let able = self.wrapped.iter().copied().filter(spare);
            let Some(widest) = able.max_by_key(|column| widths.get(*column).copied()) else {
                return;
            };
            if let Some(column) = widths.get_mut(widest) {
                *column -= 1;
            }
        }
    }
}

/// The lines of one row.
fn lines(text: &mut String, cells: &[Cell], widths: &[usize], color: bool) {
    let mut parts: Vec<_> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| wrap(&cell.text, *width).into_iter())
        .collect();
    loop {
        let mut line = String::new();
        let mut pad = 0;
        let mut any = false;
        for ((part, cell), width) in parts.iter_mut().zip(cells).zip(widths) {
            let piece = part.next();
            any |= piece.is_some();
            let piece = piece.unwrap_or_default();
            if !piece.is_empty() {
                line.extend(std::iter::repeat_n(' ', pad));
                pad = 0;
                let style = if color { cell.style } else { Style::new() };
                let _ = write!(line, "{style}{piece}{style:#}");
            }
            pad = width
                .saturating_sub(columns(piece))
                .saturating_add(pad + GAP);
        }
        if !any {
            return;
        }
        text.push_str(&line);
        text.push('\n');
    }
}

/// Where a word may be broken: within paths, lists and names of system calls.
const SEPARATORS: [char; 6] = ['/', ',', '|', ':', '_', '-'];

/// Pieces of at most `width` columns, broken at spaces; a longer word is broken behind a separator, or stays
/// whole if it has none.
fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while columns(rest) > width {
        // Where the first character begins that does not fit.
        let mut column = 0;
        let past = rest.char_indices().find(|(_, character)| {
            column += character.width().unwrap_or_default();
            column > width
        });
        let fits = past.map_or(rest.len(), |(at, _)| at);
        let before = rest.get(..=fits).and_then(|head| head.rfind(' '));
        // A word that is too long is broken behind a separator.
        let within = || {
            let head = rest.get(..fits)?;
            head.rfind(SEPARATORS).map(|at| at + 1).filter(|at| *at > 1)
        };
        let Some(at) = before.or_else(within).or_else(|| rest.find(' ')) else {
            break;
        };
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece.trim_end());
        rest = tail.trim_start();
    }
    pieces.push(rest);
    pieces
}

fn columns(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(&[1]);
        table.title("things");
        table.row(["a".into(), "one two three four five six".into(), "x".into()]);
        table.row(["bbb".into(), "seven".into(), "y".into()]);
        table
    }

    #[test]
    fn columns_are_aligned() {
        let text = table().render(false, None);
        assert_eq!(
            text,
            "things\na    one two three four five six  x\nbbb  seven                        y\n"
        );
    }

    /// Characters of two columns, and one that combines with the character before it.
    #[test]
    fn wide_text_is_in_line() {
        let mut table: Table<2> = Table::new(&[0]);
        table.row(["日本/e\u{301}".into(), "x".into()]);
        table.row(["123456".into(), "y".into()]);
        assert_eq!(table.render(false, None), "日本/e\u{301}  x\n123456  y\n");
        assert_eq!(wrap("日本 日本 日本", 9), ["日本 日本", "日本"]);
    }

    #[test]
    fn a_narrow_terminal_wraps_one_column_at_spaces() {
        let text = table().render(false, Some(30));
        assert_eq!(
            text,
            "things\na    one two three four      x\n     five six\nbbb  seven                   y\n"
        );
    }

    #[test]
    fn a_wrapped_last_column_stays_in_its_place() {
        let mut table: Table<3> = Table::new(&[2]);
        table.row(["a".into(), "b".into(), "one two three four".into()]);
        assert_eq!(
            table.render(false, Some(16)),
            "a  b  one two\n      three four\n"
        );
    }

    #[test]
    fn nothing_is_cut_off_and_no_word_broken_however_narrow_the_terminal() {
        assert_eq!(
            table().render(false, Some(1)),
            "things\na    one    x\n     two\n     three\n     four\n     five\n     six\nbbb  seven  y\n"
        );
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let mut table: Table<1> = Table::new(&[0]);
        table.title("t");
        table.row([Cell::styled("x", Style::new().bold())]);
        assert!(!table.render(false, None).contains('\u{1b}'));
        assert!(table.render(true, None).contains('\u{1b}'));
    }
}
