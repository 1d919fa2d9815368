//! Reads TOML of the plain kind that policies are written in: in a tenth of the time of the whole language's parser,
//! which each start of a jail would take.
//!
//! It knows only what most policies need: tables, arrays of tables, lists, inline tables, strings without escapes,
//! and truth values. Of any other text, and of any text with an error, it makes nothing, and the whole parser reads
//! it. Tests hold that its trees are those of the whole parser, with the place of each value.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

/// A TOML value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;
/// A TOML key with its place.
pub(super) type Key<'t> = Spanned<DeString<'t>>;

/// Values within values, of which the deepest policies have four. Reading a deeper one could need more than the
/// stack.
const DEPTH: usize = 16;

/// The tree of a text; `None`: it has something that this reader does not know.
pub(super) fn tree(text: &str) -> Option<DeTable<'_>> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let mut root = DeTable::new();
    let mut section: Option<Section<'_>> = None;
    while let Some(byte) = reader.next_line() {
        match byte {
            b'[' => {
                let next = reader.section()?;
                if let Some(done) = section.replace(next) {
                    done.add_to(&mut root)?;
                }
            }
            _ => {
                let (key, value) = reader.pair()?;
                let table = section
                    .as_mut()
                    .map_or(&mut root, |section| &mut section.table);
                insert(table, key, value)?;
            }
        }
        reader.end_of_line()?;
    }
    if let Some(done) = section {
        done.add_to(&mut root)?;
    }
    Some(root)
}

/// A `[table]`, or an item of an array: `[[table]]`.
struct Section<'t> {
    key: Key<'t>,
    place: Range<usize>,
    item: bool,
    table: DeTable<'t>,
}

impl<'t> Section<'t> {
    fn add_to(self, root: &mut DeTable<'t>) -> Option<()> {
        let table = Spanned::new(self.place.clone(), DeValue::Table(self.table));
        if !self.item {
            return insert(root, self.key, table);
        }
        if let Some(known) = root.get_mut(self.key.get_ref().as_ref()) {
            let DeValue::Array(items) = known.get_mut() else {
                return None;
            };
            items.push(table);
            return Some(());
        }
        let mut items = DeArray::new();
        items.push(table);
        insert(
            root,
            self.key,
            Spanned::new(self.place, DeValue::Array(items)),
        )
    }
}

/// `None`: the table has such a key.
fn insert<'t>(table: &mut DeTable<'t>, key: Key<'t>, value: Value<'t>) -> Option<()> {
    match table.insert(key, value) {
        None => Some(()),
        Some(_) => None,
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// How many values the next one is in.
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes this byte.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Takes all bytes of a kind; returns how many.
    fn skip(&mut self, kind: fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(kind) {
            self.at += 1;
        }
        self.at - start
    }

    fn blank(&mut self) {
        self.skip(|byte| byte == b' ');
    }

    /// Skips spaces, empty lines and comments; returns the byte that follows.
    fn next_line(&mut self) -> Option<u8> {
        loop {
            self.skip(|byte| matches!(byte, b' ' | b'\n'));
            match self.peek()? {
                b'#' => self.comment(),
                other => return Some(other),
            }
        }
    }

    /// Skips a comment up to the end of the line, or up to a character that is not allowed in one.
    fn comment(&mut self) {
        self.skip(|byte| !matches!(byte, b'\0'..=b'\x08' | b'\x0a'..=b'\x1f' | b'\x7f'));
    }

    /// Nothing but a comment follows on the line.
    fn end_of_line(&mut self) -> Option<()> {
        self.blank();
        if self.peek() == Some(b'#') {
            self.comment();
        }
        match self.peek() {
            None | Some(b'\n') => Some(()),
            Some(_) => None,
        }
    }

    fn section(&mut self) -> Option<Section<'t>> {
        let start = self.at;
        self.take(b'[')?;
        let item = self.take(b'[').is_some();
        let key = self.key()?;
        self.take(b']')?;
        if item {
            self.take(b']')?;
        }
        Some(Section {
            key,
            place: start..self.at,
            item,
            table: DeTable::new(),
        })
    }

    fn pair(&mut self) -> Option<(Key<'t>, Value<'t>)> {
        let key = self.key()?;
        self.blank();
        self.take(b'=')?;
        self.blank();
        Some((key, self.value()?))
    }

    fn key(&mut self) -> Option<Key<'t>> {
        let start = self.at;
        let name = match self.peek()? {
            b'"' => self.string()?,
            _ => {
                self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
                self.text.get(start..self.at)?
            }
        };
        (self.at > start).then(|| Spanned::new(start..self.at, Cow::Borrowed(name)))
    }

    fn value(&mut self) -> Option<Value<'t>> {
        let start = self.at;
        if self.depth == DEPTH {
            return None;
        }
        self.depth += 1;
        let value = match self.peek()? {
            b'"' => DeValue::String(Cow::Borrowed(self.string()?)),
            b'[' => DeValue::Array(self.array()?),
            b'{' => DeValue::Table(self.table()?),
            _ => {
                self.skip(|byte| byte.is_ascii_alphabetic());
                match self.text.get(start..self.at)? {
                    "true" => DeValue::Boolean(true),
                    "false" => DeValue::Boolean(false),
                    _ => return None,
                }
            }
        };
        self.depth -= 1;
        Some(Spanned::new(start..self.at, value))
    }

    /// A string on one line, without escapes.
    fn string(&mut self) -> Option<&'t str> {
        self.take(b'"')?;
        let start = self.at;
        self.skip(|byte| !matches!(byte, b'"' | b'\\' | b'\0'..=b'\x1f' | b'\x7f'));
        let content = self.text.get(start..self.at)?;
        self.take(b'"')?;
        // Three quotes begin a string of several lines.
        (!content.is_empty() || self.peek() != Some(b'"')).then_some(content)
    }

    fn array(&mut self) -> Option<DeArray<'t>> {
        let mut items = DeArray::new();
        self.take(b'[')?;
        while self.next_line()? != b']' {
            items.push(self.value()?);
            if self.next_line()? != b']' {
                self.take(b',')?;
            }
        }
        self.take(b']')?;
        Some(items)
    }

    fn table(&mut self) -> Option<DeTable<'t>> {
        let mut table = DeTable::new();
        self.take(b'{')?;
        self.blank();
        while self.peek()? != b'}' {
            let (key, value) = self.pair()?;
            insert(&mut table, key, value)?;
            self.blank();
            if self.peek()? != b'}' {
                self.take(b',')?;
                self.blank();
            }
        }
        self.take(b'}')?;
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets::{presets, without_tests};
    use super::*;
    use proptest::prelude::*;

    /// A tree with the place of everything in it.
    fn shown(tree: &DeTable<'_>) -> String {
        format!("{tree:#?}")
    }

    #[test]
    fn presets_have_the_trees_that_the_whole_parser_makes() {
        for preset in presets() {
            for text in [preset.text, without_tests(preset.text)] {
                let (whole, errors) = DeTable::parse_recoverable(text);
                assert_eq!(errors.len(), 0, "{}", preset.name);
                if let Some(tree) = tree(text) {
                    assert_eq!(shown(&tree), shown(whole.get_ref()), "{}", preset.name);
                }
            }
        }
    }

    /// What texts are made of: much of it is valid, and some of it is not known to this reader.
    const PARTS: &[&str] = &[
        "[a]\n",
        "[[a]]\n",
        "[b]\n",
        "[\"a\"]\n",
        "[a.b]\n",
        "a = ",
        "b = ",
        "\"\" = ",
        "a-_1 = ",
        "a.b = ",
        "[",
        "]",
        "[[",
        "{",
        "}",
        ",",
        "=",
        " ",
        "\n",
        "\n",
        "\n",
        "\"s\"",
        "\"é\"",
        "\"\"",
        "\"",
        "\"a\\n\"",
        "'s'",
        "true",
        "false",
        "a",
        "1",
        "1.5",
        "# c\n",
        "#",
        "#\u{7f}",
        "#\u{1}",
        "#\t\n",
        "\t",
        "\r\n",
        "\u{feff}",
        ".",
        "\"\t\"",
        "\"\u{7f}\"",
        "a = true\n",
        "b = [\"x\", \"y\"]\n",
        "c = { d = true, e = [] }\n",
        "[\n  # c\n  \"x\",\n]\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]
        #[test]
        fn of_any_text_it_makes_the_tree_of_the_whole_parser_or_none(
            places in proptest::collection::vec(0..PARTS.len(), 0..12),
        ) {
            let text: String = places.iter().filter_map(|place| PARTS.get(*place)).copied().collect();
            if let Some(tree) = tree(&text) {
                let (whole, errors) = DeTable::parse_recoverable(&text);
                prop_assert!(errors.is_empty(), "{text:?} is wrong: {errors:?}");
                prop_assert_eq!(shown(&tree), shown(whole.get_ref()), "{:?}", text);
            }
        }
    }

    #[test]
    fn a_deep_text_is_left_to_the_whole_parser() {
        let deep = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(tree(&deep(DEPTH)).is_some());
        assert!(tree(&deep(DEPTH + 1)).is_none());
        assert!(tree(&deep(100_000)).is_none());
    }

    #[test]
    fn presets_are_read_quickly_when_a_command_starts() {
        let quick = |text| tree(without_tests(text)).is_some();
        let slow = presets().iter().filter(|preset| !quick(preset.text));
        let slow: Vec<&str> = slow.map(|preset| preset.name).collect();
        // They have a table within a table: `[process.env.set]`, `[domain.compiler.fs]`.
        assert_eq!(slow, ["build", "cargo", "go", "npm", "pip"]);
    }

    #[test]
    fn what_it_does_not_know_it_leaves_to_the_whole_parser() {
        for text in [
            "a = 1",
            "a = 'b'",
            "a = \"b\\n\"",
            "a = \"\"\"b\"\"\"",
            "a.b = true",
            "[a.b]",
            "a = true\na = true",
            "[a]\n[a]",
            "[[a]]\n[a]",
            "a = true\n[[a]]",
            "a = true b = true",
            "a = [true",
            "a = [true false]",
            "a = {b = true",
            "a = {b = true, b = true}",
            "a = tru",
            "a",
            "= true",
            "a = \"b",
            "[a",
            "[[a]",
            "a = true\r\n",
            "a = true # \u{1}",
            "# \u{7f}\na = true",
            "\u{feff}a = true",
        ] {
            assert!(tree(text).is_none(), "{text}");
        }
    }
}
