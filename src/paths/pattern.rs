//! A path pattern: compared component by component, as a small automaton. It tells not only whether it
//! covers a path but also how far a path leads into it.

use super::Glob;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// A pattern for absolute, resolved paths. It covers what it matches and everything beneath.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The components before the first wildcard; all components if there is none.
    base: Arc<Path>,
    /// The number of these components.
    depth: usize,
    /// The components from the first wildcard on.
    tail: Arc<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Glob(Glob),
    /// `**`: any number of components.
    AnyDepth,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(pub String);

/// How far into a pattern a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// The pattern matches the path or one above it.
    Covered,
    /// One bit for each part that names beneath the path may still match. None: nothing beneath it can
    /// match.
    Open(u64),
}

impl Progress {
    /// Whether `other` matches everything beneath that this matches.
    pub fn is_kept_by(self, other: Progress) -> bool {
        match (self, other) {
            (_, Progress::Covered) => true,
            (Progress::Covered, Progress::Open(_)) => false,
            (Progress::Open(before), Progress::Open(after)) => before & !after == 0,
        }
    }

    /// Whether something beneath may match.
    pub fn leads_on(self) -> bool {
        self != Progress::Open(0)
    }
}

/// What a pattern waits for beneath a directory: names, and wildcards.
#[derive(Debug, Default)]
pub struct Awaited<'a> {
    /// Names as they are.
    pub names: Vec<Vec<u8>>,
    /// Names that match one of these.
    pub globs: Vec<&'a Glob>,
}

/// The largest number of examples of a pattern.
const EXAMPLES: usize = 16;

/// More parts would not fit into the bits of [`Progress`].
const MAX_PARTS: usize = 63;

impl Pattern {
    /// A path without wildcards.
    ///
    /// # Errors
    /// If it is too deep.
    pub fn literal(path: &Path) -> Result<Pattern, PatternError> {
        Pattern::new(path, Vec::new())
    }

    /// The literal path `base`, then the components of `glob`, in which `* ? [ {` and `\` have
    /// their meaning, and `**` stands for any number of components.
    ///
    /// # Errors
    /// If the glob is invalid, or the path too deep.
    pub fn glob(base: &Path, glob: &str) -> Result<Pattern, PatternError> {
        let mut tail = Vec::new();
        for text in glob.split('/').filter(|text| !text.is_empty()) {
            tail.push(match text {
                "**" => Part::AnyDepth,
                _ if text.contains("**") => {
                    return Err(PatternError(format!(
                        "`**` must stand alone between slashes, not in `{text}`"
                    )));
                }
                _ if has_wildcard(text) => Part::Glob(Glob::new(text)?),
                _ => Part::Literal(unescaped(text).into_bytes()),
            });
        }
        // `a/**` covers what is in `a`, as `a/**/*` does, but not `a` itself.
        if let Some(Part::AnyDepth) = tail.last() {
            tail.push(Part::Glob(Glob::new("*")?));
        }
        Pattern::new(base, tail)
    }

    fn new(base: &Path, tail: Vec<Part>) -> Result<Pattern, PatternError> {
        let depth = depth(base.as_os_str().as_bytes());
        if depth + tail.len() > MAX_PARTS {
            return Err(PatternError(format!(
                "a path of more than {MAX_PARTS} components"
            )));
        }
        Ok(Pattern {
            base: base.into(),
            depth,
            // The default needs no memory.
            tail: match tail.is_empty() {
                true => Arc::default(),
                false => tail.into(),
            },
        })
    }

    /// The same pattern moved to another directory, if it begins beneath `from`, which must have at
    /// least as many components as `to`.
    pub fn rebase(&mut self, from: &Path, to: &Path) {
        if !is_beneath(self.base_bytes(), from.as_os_str().as_bytes()) {
            return;
        }
        if let Ok(rest) = self.base.strip_prefix(from) {
            let mut base = to.to_owned();
            // Joining an empty path would add a slash.
            base.extend(rest.components());
            self.depth = depth(base.as_os_str().as_bytes());
            self.base = base.into();
        }
    }

    /// Whether it has no wildcard.
    pub fn is_literal(&self) -> bool {
        self.tail.is_empty()
    }

    /// The components before the first wildcard.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The bytes of [`Pattern::base`].
    pub fn base_bytes(&self) -> &[u8] {
        self.base.as_os_str().as_bytes()
    }

    /// Whether two patterns are the same, after variables and links are resolved.
    pub fn is_same(&self, other: &Pattern) -> bool {
        self.base == other.base && self.tail == other.tail
    }

    /// Whether the pattern matches `path` or a path above it.
    pub fn covers(&self, path: &[u8]) -> bool {
        is_beneath(path, self.base.as_os_str().as_bytes())
            && (self.tail.is_empty() || self.progress(path) == Progress::Covered)
    }

    /// How far `path`, absolute and resolved, leads into the pattern.
    pub fn progress(&self, path: &[u8]) -> Progress {
        let mut rest = components(path);
        for (place, part) in components(self.base.as_os_str().as_bytes()).enumerate() {
            match rest.next() {
                Some(component) if component == part => {}
                Some(_) => return Progress::Open(0),
                None => return Progress::Open(1 << place),
            }
        }
        let mut progress = self.tail_progress(self.closure(1));
        for component in rest {
            match progress {
                Progress::Covered | Progress::Open(0) => break,
                Progress::Open(states) => {
                    progress = self.tail_step(states >> self.depth, component);
                }
            }
        }
        progress
    }

    /// How far the entry `component` of a directory leads, given how far the directory does.
    pub fn step(&self, directory: Progress, component: &[u8]) -> Progress {
        let Progress::Open(states) = directory else {
            return Progress::Covered;
        };
        let base = (1u64 << self.depth) - 1;
        if states & base == 0 {
            return self.tail_step(states >> self.depth, component);
        }
        let place = states.trailing_zeros() as usize;
        match components(self.base.as_os_str().as_bytes()).nth(place) {
            Some(part) if part == component && place + 1 == self.depth => {
                self.tail_progress(self.closure(1))
            }
            Some(part) if part == component => Progress::Open(1 << (place + 1)),
            _ => Progress::Open(0),
        }
    }

    /// What a pattern waits for beneath a directory, given how far the directory leads.
    pub fn awaits(&self, directory: Progress) -> Awaited<'_> {
        let mut awaited = Awaited::default();
        let Progress::Open(states) = directory else {
            return awaited;
        };
        let base = components(self.base.as_os_str().as_bytes()).map(<[u8]>::to_vec);
        let live = |place: usize| states >> place & 1 == 1;
        awaited.names.extend(
            base.enumerate()
                .filter(|(place, _)| live(*place))
                .map(|(_, name)| name),
        );
        for (place, part) in self.tail.iter().enumerate() {
            match part {
                _ if !live(self.depth + place) => {}
                Part::Literal(name) => awaited.names.push(name.clone()),
                Part::Glob(glob) => awaited.globs.push(glob),
                Part::AnyDepth => {}
            }
        }
        awaited
    }

    /// Some of the paths that it matches.
    pub fn examples(&self) -> Vec<std::path::PathBuf> {
        let mut all = vec![self.base.as_os_str().as_bytes().to_vec()];
        for part in self.tail.iter() {
            let names = match part {
                Part::Literal(name) => vec![name.clone()],
                Part::Glob(glob) => glob.examples(),
                Part::AnyDepth => continue,
            };
            let join = |path: &Vec<u8>, name: &Vec<u8>| {
                let path = path.strip_suffix(b"/").unwrap_or(path);
                [path, b"/", name].concat()
            };
            all = all
                .iter()
                .flat_map(|path| names.iter().map(move |name| join(path, name)))
                .take(EXAMPLES)
                .collect();
        }
        let path = |path| std::path::PathBuf::from(std::ffi::OsString::from_vec(path));
        all.into_iter().map(path).collect()
    }

    fn tail_step(&self, states: u64, component: &[u8]) -> Progress {
        let mut next = 0;
        for (place, part) in self.tail.iter().enumerate() {
            if states >> place & 1 == 0 {
                continue;
            }
            match part {
                Part::Literal(text) if text == component => next |= 1 << (place + 1),
                Part::Glob(glob) if glob.matches(component) => next |= 1 << (place + 1),
                Part::AnyDepth => next |= 1 << place,
                Part::Literal(_) | Part::Glob(_) => {}
            }
        }
        self.tail_progress(self.closure(next))
    }

    fn tail_progress(&self, states: u64) -> Progress {
        match states & (1 << self.tail.len()) {
            0 => Progress::Open(states << self.depth),
            _ => Progress::Covered,
        }
    }

    /// Whether the pattern names `path`, or a path above it, on the way to what it covers: a symbolic
    /// link there would redirect everything beneath. A match by `*` and `**` is not enough, since they
    /// match any name.
    pub fn is_led_by(&self, path: &[u8]) -> bool {
        let states = match self.progress(path) {
            Progress::Covered => return true,
            Progress::Open(states) => states >> self.depth,
        };
        if states == 0 {
            // The name can only be in the base.
            return self.progress(path).leads_on();
        }
        let mut anywhere = self.closure(1);
        let mut deep = false;
        for _ in components(path).skip(self.depth) {
            let mut next = 0;
            for (place, part) in self.tail.iter().enumerate() {
                match part {
                    _ if anywhere >> place & 1 == 0 => {}
                    Part::AnyDepth => next |= 1 << place,
                    Part::Glob(glob) if glob.is_any() => next |= 1 << (place + 1),
                    Part::Literal(_) | Part::Glob(_) => {}
                }
            }
            anywhere = self.closure(next);
            deep = true;
        }
        !deep || states & !anywhere != 0
    }

    /// Whether the pattern names `path` literally, not by a wildcard, as a directory above what it
    /// covers: then only a directory may be there.
    pub fn names_above(&self, path: &[u8]) -> bool {
        let base = self.base.as_os_str().as_bytes();
        if is_beneath(base, path) {
            return base.len() > path.len() || !self.tail.is_empty();
        }
        let Some(at) = path.iter().rposition(|byte| *byte == b'/') else {
            return false;
        };
        let (above, name) = (path.get(..at), path.get(at + 1..));
        let (above, name) = (above.unwrap_or_default(), name.unwrap_or_default());
        if self.tail.is_empty() || !is_beneath(above, base) {
            return false;
        }
        let Progress::Open(states) = self.progress(above) else {
            return false;
        };
        let states = states >> self.depth;
        let parts = self.tail.iter().enumerate();
        parts.take(self.tail.len() - 1).any(|(place, part)| {
            states >> place & 1 == 1 && matches!(part, Part::Literal(text) if text == name)
        })
    }

    /// `**` may also match no component at all.
    fn closure(&self, mut states: u64) -> u64 {
        for (place, part) in self.tail.iter().enumerate() {
            if states >> place & 1 == 1 && matches!(part, Part::AnyDepth) {
                states |= 1 << (place + 1);
            }
        }
        states
    }
}

/// Whether a literal `path` is `above` or beneath it.
pub(crate) fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    match path.strip_prefix(above) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/") || above == b"/",
        None => false,
    }
}

/// The number of components of a path.
fn depth(path: &[u8]) -> usize {
    let mut before = b'/';
    let begins = |byte: &&u8| std::mem::replace(&mut before, **byte) == b'/' && **byte != b'/';
    path.iter().filter(begins).count()
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
}

/// Whether a component has a wildcard that is not escaped.
pub(crate) fn has_wildcard(text: &str) -> bool {
    let mut escaped = false;
    text.chars().any(|c| {
        let meant = !escaped && matches!(c, '*' | '?' | '[' | '{');
        escaped = !escaped && c == '\\';
        meant
    })
}

/// The component without its escapes.
pub(crate) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => chars.next().unwrap_or('\\'),
            other => other,
        });
    }
    plain
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(base: &str, glob: &str) -> Pattern {
        Pattern::glob(Path::new(base), glob).expect("a pattern")
    }

    fn literal(path: &str) -> Pattern {
        Pattern::literal(Path::new(path)).expect("a path")
    }

    #[test]
    fn a_path_covers_itself_and_what_is_beneath() {
        let home = literal("/home/u");
        for inside in ["/home/u", "/home/u/x", "/home/u/x/y"] {
            assert!(home.covers(inside.as_bytes()), "{inside}");
        }
        for outside in ["/", "/home", "/home/user", "/home/v/u"] {
            assert!(!home.covers(outside.as_bytes()), "{outside}");
        }
        assert!(literal("/").covers(b"/anything"));
        assert!(literal("/").covers(b"/"));
    }

    #[test]
    fn a_pattern_covers_what_it_matches_and_what_is_beneath() {
        let env = pattern("/p", "**/.env");
        for inside in ["/p/.env", "/p/a/.env", "/p/a/b/.env", "/p/.env/x"] {
            assert!(env.covers(inside.as_bytes()), "{inside}");
        }
        for outside in ["/.env", "/p", "/p/env", "/p/a.env", "/q/.env"] {
            assert!(!env.covers(outside.as_bytes()), "{outside}");
        }
        let libraries = pattern("/usr/lib", "*.so");
        assert!(libraries.covers(b"/usr/lib/a.so"));
        assert!(!libraries.covers(b"/usr/lib/x/a.so"));
        let either = pattern("/", "{a,b}/c?[0-9]");
        assert!(either.covers(b"/a/cx7") && either.covers(b"/b/cx7/d"));
        assert!(!either.covers(b"/c/cx7") && !either.covers(b"/a/cxy"));
    }

    #[test]
    fn two_stars_at_the_end_do_not_cover_the_directory_itself() {
        let inside = pattern("/p", "**");
        assert!(inside.covers(b"/p/x"));
        assert!(!inside.covers(b"/p"));
    }

    #[test]
    fn bytes_that_are_no_text_are_compared_as_they_are() {
        assert!(pattern("/p", "*.o").covers(b"/p/\xff\xfe.o"));
    }

    #[test]
    fn an_escaped_wildcard_is_itself() {
        let star = pattern("/p", r"\*/a*");
        assert!(star.covers(b"/p/*/ab"));
        assert!(!star.covers(b"/p/x/ab"));
        assert!(!has_wildcard(r"\[a\]"));
    }

    #[test]
    fn what_would_get_away_from_a_pattern_by_a_rename_is_told() {
        let env = pattern("/p", "**/.env");
        let kept = |from: &str, to: &str| {
            env.progress(from.as_bytes())
                .is_kept_by(env.progress(to.as_bytes()))
        };
        assert!(kept("/p/a", "/p/b/c"));
        assert!(!kept("/p/a", "/tmp/a"));
        assert!(kept("/tmp/a", "/p/a"));
        let key = literal("/p/secret/key");
        let kept = |from: &str, to: &str| {
            key.progress(from.as_bytes())
                .is_kept_by(key.progress(to.as_bytes()))
        };
        assert!(!kept("/p/secret", "/p/other"));
        assert!(!kept("/p", "/q"));
        assert!(kept("/p/other", "/p/third"));
    }

    #[test]
    fn a_name_on_the_way_of_a_pattern_is_told_from_any_name() {
        let hooks = pattern("/p", "**/.git/hooks");
        for led in ["/p", "/p/.git", "/p/a/.git", "/p/.git/hooks/x"] {
            assert!(hooks.is_led_by(led.as_bytes()), "{led}");
        }
        for free in ["/p/a", "/p/a/git", "/q/.git", "/p/.git/x"] {
            assert!(!hooks.is_led_by(free.as_bytes()), "{free}");
        }
        let modules = pattern("/p", "**/.git/modules/**/config");
        for led in [
            "/p/.git/modules",
            "/p/.git/modules/a",
            "/p/.git/modules/a/b",
        ] {
            assert!(modules.is_led_by(led.as_bytes()), "{led}");
        }
        assert!(!modules.is_led_by(b"/p/.git/x") && !modules.is_led_by(b"/p/modules"));
        let near = pattern("/p", "*/.git/x*/y");
        for led in ["/p", "/", "/p/a/.git", "/p/a/.git/xx"] {
            assert!(near.is_led_by(led.as_bytes()), "{led}");
        }
        for free in ["/p/a", "/p/.git", "/p/a/b", "/p/a/.git/y", "/q"] {
            assert!(!near.is_led_by(free.as_bytes()), "{free}");
        }
        let file = literal("/p/a/b");
        assert!(file.is_led_by(b"/p") && file.is_led_by(b"/p/a") && file.is_led_by(b"/p/a/b"));
        assert!(!file.is_led_by(b"/p/b") && !file.is_led_by(b"/q"));
    }

    #[test]
    fn a_directory_that_a_pattern_names_is_told_from_what_a_wildcard_matches() {
        let hooks = pattern("/p", "**/.git/hooks");
        for named in ["/", "/p", "/p/.git", "/p/a/b/.git"] {
            assert!(hooks.names_above(named.as_bytes()), "{named}");
        }
        for free in [
            "/p/a",
            "/p/a/.git/x",
            "/p/.git/hooks",
            "/q/.git",
            "/p/x.git",
        ] {
            assert!(!hooks.names_above(free.as_bytes()), "{free}");
        }
        let modules = pattern("/p/.git/modules", "**/config");
        assert!(modules.names_above(b"/p/.git") && modules.names_above(b"/p/.git/modules"));
        assert!(!modules.names_above(b"/p/.git/modules/a"));
        let file = literal("/p/.git/config");
        assert!(file.names_above(b"/p/.git") && !file.names_above(b"/p/.git/config"));
        assert!(!file.names_above(b"/p/.gi") && !file.names_above(b"/p/.git/x"));
        assert!(!pattern("/p", "*.d/x").names_above(b"/p/a.d"));
    }

    #[test]
    fn steps_lead_as_far_as_the_whole_path() {
        let patterns = [
            pattern("/p", "**/.git/hooks"),
            pattern("/", "**/x*/y"),
            literal("/p/.git"),
            literal("/"),
        ];
        for path in ["/p/.git/hooks/x", "/p/a/xx/y", "/q/xx", "/", "/p/.git"] {
            for pattern in &patterns {
                let stepped = components(path.as_bytes())
                    .fold(pattern.progress(b"/"), |at, part| pattern.step(at, part));
                assert_eq!(stepped, pattern.progress(path.as_bytes()), "{path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["[a", "{a", "a**b"] {
            assert!(Pattern::glob(Path::new("/"), wrong).is_err(), "{wrong}");
        }
        let deep = "x/".repeat(64);
        assert!(Pattern::glob(Path::new("/"), &deep).is_err());
    }
}
