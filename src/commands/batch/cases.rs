//! Reads the cases of a batch line by line, and finds the id of each verdict.

use super::case::{self, Case, Named, Policy};
use super::copy::Copy;
use super::ids::{self, Ids, Numbers};
use super::output::Done;
use serde_json::Value;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;

/// The byte order mark that some editors put at the start of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// How often to search the file for a duplicate id: each search reads the file, and a file may have many
/// duplicates.
const SEARCHES: u32 = 64;

/// A case, or the error in its line.
pub struct Next {
    /// Its id; null if it has none.
    pub id: Value,
    /// The number of its line, from 1.
    pub line: u64,
    /// The command to run.
    pub case: Result<Case, String>,
    /// How many cases before it already have a verdict.
    pub skipped: u64,
}

/// The remaining cases.
pub struct Cases {
    lines: Box<dyn BufRead + Send>,
    name: String,
    /// A copy of the file, if it can be searched.
    copy: Option<Copy>,
    /// The number of the last line read, from 1.
    line: u64,
    /// The ids used so far.
    ids: Ids,
    /// How often the line of an id may still be searched for.
    searches: u32,
    /// What the first pass over a file found.
    scan: Option<Scan>,
}

/// The result of a first pass over all cases.
#[derive(Default)]
struct Scan {
    count: u64,
    /// Numbers that are used as ids, so the lines with these numbers cannot use them.
    numbers: Numbers,
    /// See [`Cases::policies`]: at most as many as are kept.
    policies: HashSet<Policy>,
}

impl Cases {
    /// Opens a file, or stdin if there is no name or it is `-`.
    ///
    /// # Errors
    /// A message.
    pub fn open(path: Option<&Path>) -> Result<Cases, String> {
        let (file, name) = match path.filter(|path| path.as_os_str() != "-") {
            Some(path) => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
                (Some(file), name)
            }
            None => (None, "stdin".to_owned()),
        };
        let failed = |error: io::Error| format!("{name}: {error}");
        let (copy, scan) = match &file {
            Some(file) => Copy::of(file.as_fd()).map_err(failed)?,
            None => Copy::of(io::stdin().as_fd()).map_err(failed)?,
        }
        .map(|copy| Scan::read(&copy).map(|scan| (copy, scan)))
        .transpose()
        .map_err(failed)?
        .unzip();
        let lines: Box<dyn BufRead + Send> = match (&copy, file) {
            (Some(copy), _) => Box::new(BufReader::new(copy.reader())),
            // A pipe can be read only once.
            (None, Some(file)) => Box::new(BufReader::new(file)),
            (None, None) => Box::new(BufReader::new(io::stdin())),
        };
        Ok(Cases {
            lines,
            name,
            copy,
            line: 0,
            ids: Ids::default(),
            searches: SEARCHES,
            scan,
        })
    }

    /// The file's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of cases, if it is known.
    pub fn count(&self) -> Option<u64> {
        self.scan.as_ref().map(|scan| scan.count)
    }

    /// The policies of single cases, as far as the first pass found them, with the directory of each.
    pub fn policies(&mut self) -> HashSet<Policy> {
        let scan = self.scan.as_mut();
        scan.map(|scan| std::mem::take(&mut scan.policies))
            .unwrap_or_default()
    }

    /// The next case that is not done.
    ///
    /// # Errors
    /// A message, if the line cannot be read.
    pub fn next(&mut self, done: &Done) -> Result<Option<Next>, String> {
        let mut text = Vec::new();
        let mut skipped = 0;
        loop {
            text.clear();
            let read = self.lines.read_until(b'\n', &mut text);
            let read = read.map_err(|error| format!("{}:{}: {error}", self.name, self.line + 1))?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            let line = self.line;
            let text = of_line(line, &text);
            if text.trim_ascii().is_empty() {
                continue;
            }
            let (id, refused) = self.identify(Named::read(text));
            if done.contains(&id, line) {
                skipped += 1;
                continue;
            }
            let case = match refused {
                Some(why) => Err(why),
                None => Case::read(text),
            };
            return Ok(Some(Next {
                id,
                line,
                case,
                skipped,
            }));
        }
    }

    /// The id of the last line read, and why it is not run, if so. No two verdicts have the same id,
    /// except null.
    fn identify(&mut self, named: Named) -> (Value, Option<String>) {
        match named {
            Named::Wrong => (Value::Null, None),
            Named::Id(id) => match self.ids.insert(&id) {
                true => (id, None),
                // Its verdict must not be mistaken for the other one's.
                false => (Value::Null, Some(self.twice(&id))),
            },
            Named::Line => {
                let scan = self.scan.as_ref();
                let number = self.line.into();
                let taken = scan.is_some_and(|scan| scan.numbers.contains(self.line));
                match !taken && self.ids.insert(&number) {
                    true => (number, None),
                    // Another case has this id, so this one is identified only by its line.
                    false => (Value::Null, None),
                }
            }
        }
    }

    /// Why a case with the id of an earlier one is not run.
    fn twice(&mut self, id: &Value) -> String {
        match (self.earlier(id), &self.scan, ids::number(id)) {
            (Some(line), ..) => format!("the id {id} is also the id of line {line}"),
            // A pipe cannot be searched for ids that come later.
            (None, None, Some(line)) => format!(
                "the id {id} is also the id of an earlier case, or of line {line}, which has \
                 none of its own; give each case a different id"
            ),
            _ => format!("the id {id} is also the id of an earlier case"),
        }
    }

    /// Searches the file for the first line with that id.
    fn earlier(&mut self, id: &Value) -> Option<u64> {
        let copy = self.copy.as_ref()?;
        self.searches = self.searches.checked_sub(1)?;
        let mut reader = BufReader::new(copy.reader());
        let mut wanted = Ids::default();
        wanted.insert(id);
        let mut text = Vec::new();
        for line in 1..self.line {
            text.clear();
            reader.read_until(b'\n', &mut text).ok()?;
            if let Named::Id(other) = Named::read(of_line(line, &text))
                && wanted.contains(&other)
            {
                return Some(line);
            }
        }
        None
    }
}

/// A line without the byte order mark that the first may have.
fn of_line(line: u64, text: &[u8]) -> &[u8] {
    match line {
        1 => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
        _ => text,
    }
}

impl Scan {
    /// The first pass over a copy of a file.
    fn read(copy: &Copy) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut reader = BufReader::new(copy.reader());
        let mut text = Vec::new();
        let mut line = 0;
        while reader.read_until(b'\n', &mut text)? > 0 {
            line += 1;
            let case = of_line(line, &text);
            scan.count += u64::from(!case.trim_ascii().is_empty());
            if let Named::Id(id) = Named::read(case)
                && let Some(number) = ids::number(&id)
            {
                scan.numbers.insert(number);
            }
            if scan.policies.len() < super::POLICIES
                && let Some(policy) = case::policy(case)
            {
                scan.policies.insert(policy);
            }
            text.clear();
        }
        Ok(scan)
    }
}
