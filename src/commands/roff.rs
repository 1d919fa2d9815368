//! Markdown, as the documents of this project use it, as a manual page: headings, paragraphs, lists, tables and
//! blocks of code. Links become their texts.

use std::fmt::Write as _;

/// The page; the first heading of the text is its name there.
pub fn page(name: &str, section: u8, summary: &str, markdown: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let upper = name.to_uppercase();
    let mut out = format!(
        ".TH {} {section} \"\" \"jail {version}\" \"\"\n.SH NAME\n{} \\- {}\n",
        escaped(&upper),
        escaped(name),
        escaped(summary),
    );
    out.push_str(".SH DESCRIPTION\n");
    let mut page = Page {
        out,
        paragraph: String::new(),
        row: None,
        is_block: false,
    };
    let mut is_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            page.end();
            is_code = !is_code;
            page.out
                .push_str(if is_code { ".PP\n.EX\n" } else { ".EE\n" });
        } else if is_code {
            page.verbatim(line);
        } else {
            page.line(line);
        }
    }
    page.end();
    page.out
}

struct Page {
    out: String,
    /// The lines of the paragraph that is not yet written.
    paragraph: String,
    /// The row of a table that is not yet written.
    row: Option<String>,
    /// Whether the lines before are an indented block of code.
    is_block: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        let block = line.strip_prefix("    ");
        if let Some(code) = block.filter(|_| self.is_block || self.paragraph.is_empty()) {
            if !self.is_block {
                self.end();
                self.out.push_str(".PP\n.EX\n");
                self.is_block = true;
            }
            return self.verbatim(code);
        }
        if self.is_block && !line.trim().is_empty() {
            self.end();
        }
        let heading = line.trim_start_matches('#');
        let depth = line.len() - heading.len();
        if depth > 0 && heading.starts_with(' ') {
            self.end();
            let text = inline(heading.trim());
            match depth {
                // The title, which NAME says already.
                1 => {}
                2 => _ = writeln!(self.out, ".SH \"{}\"", text.to_uppercase_plain()),
                _ => _ = writeln!(self.out, ".SS \"{}\"", text.0),
            }
        } else if line.trim().is_empty() {
            self.end();
        } else if let Some(row) = line.strip_prefix('|') {
            self.row(row);
        } else if let Some(item) = line.trim_start().strip_prefix("- ") {
            self.end();
            self.out.push_str(".IP \\(bu 2\n");
            self.paragraph = format!("\u{1}{item}");
        } else {
            if !self.paragraph.is_empty() {
                self.paragraph.push(' ');
            }
            self.paragraph.push_str(line.trim());
        }
    }

    /// A row of a table: its first cell as a term, the others as its text.
    fn row(&mut self, row: &str) {
        let row = row.trim_end().trim_end_matches('|').replace("\\|", "\u{2}");
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let is_rule = |cell: &&str| !cell.is_empty() && cell.bytes().all(|it| b"-:".contains(&it));
        if cells.iter().any(is_rule) {
            // The row before was the head.
            self.row = None;
            return;
        }
        self.end();
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| inline(&cell.replace('\u{2}', "|")).0)
            .collect();
        let Some((first, rest)) = cells.split_first() else {
            return;
        };
        let rest = rest.iter().filter(|cell| !cell.is_empty()).cloned();
        let rest = rest.collect::<Vec<String>>().join("; ");
        if first.is_empty() && rest.is_empty() {
            return;
        }
        let first = if first.is_empty() { "\\&" } else { first };
        self.row = Some(format!(".TP\n{}\n{}\n", safe(first), safe(&rest)));
    }

    fn verbatim(&mut self, line: &str) {
        let _ = writeln!(self.out, "{}", safe(&escaped(line)));
    }

    /// Writes the paragraph, the row, or the end of the block.
    fn end(&mut self) {
        if std::mem::take(&mut self.is_block) {
            self.out.push_str(".EE\n");
        }
        if let Some(row) = self.row.take() {
            self.out.push_str(&row);
        }
        let paragraph = std::mem::take(&mut self.paragraph);
        if paragraph.is_empty() {
            return;
        }
        let text = match paragraph.strip_prefix('\u{1}') {
            Some(item) => inline(item).0,
            None => {
                self.out.push_str(".PP\n");
                inline(&paragraph).0
            }
        };
        let _ = writeln!(self.out, "{}", safe(&text));
    }
}

/// A text with fonts.
struct Inline(String);

impl Inline {
    /// In capitals, but for the names of fonts and characters.
    fn to_uppercase_plain(&self) -> String {
        let plain = self.0.replace("\\fB", "").replace("\\fR", "");
        match plain.contains('\\') {
            true => plain,
            false => plain.to_uppercase(),
        }
    }
}

/// Code and strong text in bold; links as their texts.
fn inline(text: &str) -> Inline {
    let mut out = String::new();
    let (mut is_code, mut is_strong, mut is_stressed) = (false, false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            is_code = !is_code;
            out.push_str(if is_code { "\\fB" } else { "\\fR" });
            rest = rest.get(1..).unwrap_or_default();
        } else if !is_code && rest.starts_with("**") {
            is_strong = !is_strong;
            out.push_str(if is_strong { "\\fB" } else { "\\fR" });
            rest = rest.get(2..).unwrap_or_default();
        } else if !is_code && c == '*' && (is_stressed || starts_stress(rest)) {
            is_stressed = !is_stressed;
            out.push_str(if is_stressed { "\\fI" } else { "\\fR" });
            rest = rest.get(1..).unwrap_or_default();
        } else if let Some((label, after)) = (c == '[' && !is_code).then(|| link(rest)).flatten() {
            out.push_str(&inline(label).0);
            rest = after;
        } else {
            out.push_str(&escaped(c.encode_utf8(&mut [0; 4])));
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    Inline(out)
}

/// Whether an emphasised word begins here.
fn starts_stress(text: &str) -> bool {
    let word = text.strip_prefix('*');
    word.is_some_and(|word| word.starts_with(|c: char| c.is_alphanumeric()) && word.contains('*'))
}

/// The label of `[label](target)`, and what follows.
fn link(text: &str) -> Option<(&str, &str)> {
    let (label, after) = text.get(1..)?.split_once("](")?;
    if label.contains('[') {
        return None;
    }
    Some((label, after.split_once(')')?.1))
}

/// The text with what roff would read as a request or an escape written as a character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\(rs"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '"' => out.push_str("\\(dq"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            '`' => out.push_str("\\(ga"),
            c if c.is_ascii() => out.push(c),
            c => _ = write!(out, "\\[u{:04X}]", u32::from(c)),
        }
    }
    out
}

/// A line that does not begin with a control character of roff.
fn safe(line: &str) -> String {
    match line.starts_with(['.', '\'']) {
        true => format!("\\&{line}"),
        false => line.to_owned(),
    }
}
