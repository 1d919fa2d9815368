//! The stops that a supervisor counted, found among what was written to standard error.

const TABLE: &str = "jail: stops by kind";

/// All counts that are not 0, in one line: jail's table of `--stats`, or the floor's opens.
pub fn stops(stderr: &str) -> String {
    if let Some(line) = stderr.lines().find_map(|line| line.strip_prefix("floor: ")) {
        return line.to_owned();
    }
    let rows = stderr
        .lines()
        .skip_while(|line| *line != TABLE)
        .skip(1)
        .take_while(|line| line.starts_with(' '));
    let counts: Vec<String> = rows
        .filter_map(|row| row.trim().rsplit_once(' '))
        .filter(|(_, count)| *count != "0")
        .map(|(what, count)| format!("{} {count}", what.trim_end()))
        .collect();
    counts.join("; ")
}

/// The stops for paths, and those at the returns of calls that jail has changed. `None` where there
/// is no table.
pub fn for_paths(stderr: &str) -> Option<[f64; 2]> {
    stderr.find(TABLE)?;
    let count = |row: &str| {
        let (_, count) = stderr
            .lines()
            .filter_map(|line| line.trim().rsplit_once(' '))
            .find(|(what, _)| what.trim_end() == row)?;
        count.replace(',', "").parse().ok()
    };
    let rows = ["of them for paths", "returns of such calls"];
    Some(rows.map(|row| count(row).unwrap_or(0.0)))
}
