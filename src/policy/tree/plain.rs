//! Reads TOML of the plain kind that policies are written in: in a tenth of the time of the whole language's parser,
//! which each start of a jail would take, and for presets while jail is compiled.
//!
//! It knows only what most policies need: tables, arrays of tables, lists, inline tables, strings without escapes,
//! and truth values. Of any other text, and of any text with an error, it makes nothing, and the whole parser reads
//! it. Tests hold that its trees are those of the whole parser, with the place of each value.

use super::{Node, NodeKind};

/// Values within values, of which the deepest policies have four. Reading a deeper one could need more than the
/// stack.
const DEPTH: usize = 16;

/// How many keys a table may have, and how many headers an array: a new one is compared with all of them.
const MOST: usize = 1024;

/// The nodes of a preset.
const MOST_OF_PRESET: usize = 2048;

/// The nodes for which there is memory, 20 bytes each: what a text could have is known by its punctuation, of which a
/// comment of a large one may have much.
const MOST_OF_TEXT: usize = 1 << 16;

/// `?` for a constant function.
macro_rules! some {
    ($value:expr) => {
        match $value {
            Some(value) => value,
            None => return None,
        }
    };
}

/// The nodes of a text; `None`: it has something that this reader does not know.
pub(super) fn of(text: &str) -> Option<Vec<Node>> {
    let count = |of: u8| text.bytes().filter(|byte| *byte == of).count();
    // The whole text's table; a key and its value; an item, which follows `[` or `,`; for each name of a header at
    // most a key, a list and a table.
    let most = 1 + 2 * count(b'=') + 3 * (count(b'[') + count(b'.')) + count(b',');
    if most > MOST_OF_TEXT {
        return None;
    }
    let mut nodes = vec![Node::new(NodeKind::Table, 0); most];
    let made = read(text, &mut nodes)?;
    nodes.truncate(made);
    Some(nodes)
}

/// How many nodes a preset has.
pub(in super::super) const fn count(text: &str) -> usize {
    let mut nodes = [Node::new(NodeKind::Table, 0); MOST_OF_PRESET];
    match read(text, &mut nodes) {
        Some(made) => made,
        None => panic!("a preset has more than plain TOML"),
    }
}

/// The nodes of a preset, which are `N`.
pub(in super::super) const fn nodes<const N: usize>(text: &str) -> [Node; N] {
    let mut nodes = [Node::new(NodeKind::Table, 0); N];
    match read(text, &mut nodes) {
        Some(made) if made == N => nodes,
        _ => panic!("a preset has another number of nodes"),
    }
}

/// Writes the nodes of a text; returns how many they are.
const fn read(text: &str, nodes: &mut [Node]) -> Option<usize> {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        depth: 0,
        nodes,
        made: 0,
    };
    let mut table = some!(reader.add(NodeKind::Section, 0));
    while let Some(byte) = reader.next_line() {
        if byte == b'[' {
            table = some!(reader.header());
        } else {
            some!(reader.pair(table));
        }
        some!(reader.end_of_line());
    }
    Some(reader.made)
}

/// The number of a node.
type At = usize;

struct Reader<'n> {
    text: &'n [u8],
    at: usize,
    /// How many values the next one is in.
    depth: usize,
    nodes: &'n mut [Node],
    /// How many nodes there are.
    made: usize,
}

impl Reader<'_> {
    const fn peek(&self) -> Option<u8> {
        if self.at < self.text.len() {
            return Some(self.text[self.at]);
        }
        None
    }

    /// Whether this byte is the next; takes it.
    const fn took(&mut self, byte: u8) -> bool {
        match self.peek() {
            Some(next) if next == byte => {
                self.at += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes this byte.
    const fn take(&mut self, byte: u8) -> Option<()> {
        if self.took(byte) { Some(()) } else { None }
    }

    const fn blank(&mut self) {
        while self.took(b' ') {}
    }

    /// Skips spaces, empty lines and comments; returns the byte that follows.
    const fn next_line(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n') => self.at += 1,
                Some(b'#') => self.comment(),
                other => return other,
            }
        }
    }

    /// Skips a comment up to the end of the line, or up to a character that is not allowed in one.
    const fn comment(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\0'..=b'\x08' | b'\x0a'..=b'\x1f' | b'\x7f' => return,
                _ => self.at += 1,
            }
        }
    }

    /// Nothing but a comment follows on the line.
    const fn end_of_line(&mut self) -> Option<()> {
        self.blank();
        if let Some(b'#') = self.peek() {
            self.comment();
        }
        match self.peek() {
            None | Some(b'\n') => Some(()),
            Some(_) => None,
        }
    }

    /// A new node, which ends here.
    const fn add(&mut self, kind: NodeKind, start: usize) -> Option<At> {
        if self.made == self.nodes.len() {
            return None;
        }
        let mut node = Node::new(kind, start);
        node.end = self.at as u32;
        self.nodes[self.made] = node;
        self.made += 1;
        Some(self.made - 1)
    }

    /// `[table]` or `[[table]]`, perhaps within other tables; returns the table that it opens.
    const fn header(&mut self) -> Option<At> {
        let start = self.at;
        some!(self.take(b'['));
        let item = self.took(b'[');
        let mut table = 0;
        let mut key = some!(self.key());
        while self.took(b'.') {
            table = some!(self.inner(table, key));
            key = some!(self.key());
        }
        some!(self.take(b']'));
        if item {
            some!(self.take(b']'));
        }
        if let Some(known) = some!(self.find(table, key)) {
            // The key is there already.
            self.made = key;
            if !item || !matches!(self.nodes[known].kind, NodeKind::Sections) {
                return None;
            }
            let next = some!(self.add(NodeKind::Section, start));
            some!(self.append(known, next));
            return Some(next);
        }
        some!(self.append(table, key));
        if !item {
            return self.add(NodeKind::Section, start);
        }
        let list = some!(self.add(NodeKind::Sections, start));
        let first = some!(self.add(NodeKind::Section, start));
        self.nodes[list].child = first as u32;
        Some(first)
    }

    /// The table in which a header's next name is.
    const fn inner(&mut self, table: At, key: At) -> Option<At> {
        if let Some(known) = some!(self.find(table, key)) {
            self.made = key;
            return match self.nodes[known].kind {
                NodeKind::Section => Some(known),
                _ => None,
            };
        }
        some!(self.append(table, key));
        let start = self.nodes[key].start as usize;
        let inner = some!(self.add(NodeKind::Section, start));
        self.nodes[inner].end = self.nodes[key].end;
        Some(inner)
    }

    /// The value of the key in a table that has the same name. The outer `None`: the table is too large.
    const fn find(&self, table: At, key: At) -> Option<Option<At>> {
        let mut known = self.nodes[table].child as usize;
        let mut seen = 0;
        while known != 0 {
            if seen == MOST {
                return None;
            }
            if self.same(known, key) {
                return Some(Some(known + 1));
            }
            known = self.nodes[known].next as usize;
            seen += 1;
        }
        Some(None)
    }

    /// Whether two keys have the same name.
    const fn same(&self, one: At, other: At) -> bool {
        let (one, other) = (self.name(one), self.name(other));
        if one.1 - one.0 != other.1 - other.0 {
            return false;
        }
        let mut at = 0;
        while at < one.1 - one.0 {
            if self.text[one.0 + at] != self.text[other.0 + at] {
                return false;
            }
            at += 1;
        }
        true
    }

    /// The place of a key's name, without quotes.
    const fn name(&self, key: At) -> (usize, usize) {
        let (start, end) = (self.nodes[key].start as usize, self.nodes[key].end as usize);
        match self.text[start] {
            b'"' => (start + 1, end - 1),
            _ => (start, end),
        }
    }

    /// Makes a node the last within another; `None`: that one is too large.
    const fn append(&mut self, within: At, at: At) -> Option<()> {
        let mut last = self.nodes[within].child as usize;
        if last == 0 {
            self.nodes[within].child = at as u32;
            return Some(());
        }
        let mut seen = 0;
        while self.nodes[last].next != 0 {
            if seen == MOST {
                return None;
            }
            last = self.nodes[last].next as usize;
            seen += 1;
        }
        self.nodes[last].next = at as u32;
        Some(())
    }

    /// A key and its value, in a table.
    const fn pair(&mut self, table: At) -> Option<()> {
        let key = some!(self.key());
        if some!(self.find(table, key)).is_some() {
            return None;
        }
        some!(self.append(table, key));
        self.blank();
        some!(self.take(b'='));
        self.blank();
        some!(self.value());
        Some(())
    }

    const fn key(&mut self) -> Option<At> {
        let start = self.at;
        if let Some(b'"') = self.peek() {
            some!(self.string());
        } else {
            while let Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_') = self.peek() {
                self.at += 1;
            }
        }
        if self.at == start {
            return None;
        }
        self.add(NodeKind::Key, start)
    }

    const fn value(&mut self) -> Option<At> {
        let start = self.at;
        if self.depth == DEPTH {
            return None;
        }
        self.depth += 1;
        let made = match some!(self.peek()) {
            b'"' => {
                some!(self.string());
                some!(self.add(NodeKind::String, start))
            }
            b'[' => some!(self.list()),
            b'{' => some!(self.table()),
            b't' => some!(self.word(b"true", NodeKind::True)),
            b'f' => some!(self.word(b"false", NodeKind::False)),
            _ => return None,
        };
        self.depth -= 1;
        Some(made)
    }

    /// A string on one line, without escapes.
    const fn string(&mut self) -> Option<()> {
        some!(self.take(b'"'));
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' | b'\\' | b'\0'..=b'\x1f' | b'\x7f' => break,
                _ => self.at += 1,
            }
        }
        let empty = self.at == start;
        some!(self.take(b'"'));
        // Three quotes begin a string of several lines.
        match self.peek() {
            Some(b'"') if empty => None,
            _ => Some(()),
        }
    }

    const fn word(&mut self, word: &[u8], kind: NodeKind) -> Option<At> {
        let start = self.at;
        let mut at = 0;
        while at < word.len() {
            some!(self.take(word[at]));
            at += 1;
        }
        match self.peek() {
            Some(b'a'..=b'z' | b'A'..=b'Z') => None,
            _ => self.add(kind, start),
        }
    }

    const fn list(&mut self) -> Option<At> {
        let list = some!(self.add(NodeKind::List, self.at));
        let mut last = 0;
        some!(self.take(b'['));
        while some!(self.next_line()) != b']' {
            let item = some!(self.value());
            if last == 0 {
                self.nodes[list].child = item as u32;
            } else {
                self.nodes[last].next = item as u32;
            }
            last = item;
            if some!(self.next_line()) != b']' {
                some!(self.take(b','));
            }
        }
        some!(self.take(b']'));
        self.nodes[list].end = self.at as u32;
        Some(list)
    }

    const fn table(&mut self) -> Option<At> {
        let table = some!(self.add(NodeKind::Table, self.at));
        some!(self.take(b'{'));
        self.blank();
        while some!(self.peek()) != b'}' {
            some!(self.pair(table));
            self.blank();
            if some!(self.peek()) != b'}' {
                some!(self.take(b','));
                self.blank();
            }
        }
        some!(self.take(b'}'));
        self.nodes[table].end = self.at as u32;
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Table, Tree, Value};
    use super::*;
    use crate::policy::presets;
    use proptest::prelude::*;
    use std::fmt::Write as _;
    use toml::de::DeTable;

    /// A table with the place of everything in it, sorted by key.
    fn shown(table: Table<'_>) -> String {
        fn value(out: &mut String, of: Value<'_>) {
            let _ = write!(out, "@{:?} ", of.span());
            match of.kind() {
                Kind::Table(inner) => out.push_str(&shown(inner)),
                Kind::List(items) => {
                    out.push('[');
                    items.for_each(|item| value(out, item));
                    out.push(']');
                }
                Kind::String(text) => _ = write!(out, "{text:?}"),
                Kind::Boolean(of) => _ = write!(out, "{of}"),
                Kind::Integer(_) | Kind::Float | Kind::Datetime => out.push('?'),
            }
        }
        let mut entries: Vec<_> = table.collect();
        entries.sort_by_key(|(key, _)| key.name());
        let mut out = "{".to_owned();
        for (key, of) in entries {
            let _ = write!(out, "{:?}@{:?} = ", key.name(), key.span());
            value(&mut out, of);
        }
        out + "}"
    }

    /// As the whole language's parser reads a text; `Err`: it is wrong.
    fn whole(text: &str) -> Result<String, String> {
        let (whole, errors) = DeTable::parse_recoverable(text);
        match errors.is_empty() {
            true => Ok(shown(Tree::of(whole.into_inner()).root())),
            false => Err(format!("{errors:?}")),
        }
    }

    #[test]
    fn presets_have_the_trees_that_the_whole_parser_makes() {
        for preset in presets() {
            let start = whole(preset.without_tests).expect(preset.name);
            assert_eq!(shown(preset.tree().root()), start, "{}", preset.name);
            let all = whole(preset.text).expect(preset.name);
            if let Some(tree) = Tree::plain(preset.text) {
                assert_eq!(shown(tree.root()), all, "{}", preset.name);
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
        "[a.b.c]\n",
        "[b.a]\n",
        "[[a.b]]\n",
        "[[b.a]]\n",
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
            if let Some(tree) = Tree::plain(&text) {
                prop_assert_eq!(Ok(shown(tree.root())), whole(&text), "{:?}", text);
            }
        }
    }

    #[test]
    fn a_deep_text_is_left_to_the_whole_parser() {
        let deep = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(of(&deep(DEPTH)).is_some());
        assert!(of(&deep(DEPTH + 1)).is_none());
        assert!(of(&deep(100_000)).is_none());
    }

    #[test]
    fn a_large_table_is_left_to_the_whole_parser() {
        let keys = |count: usize| (0..count).map(|at| format!("k{at} = true\n")).collect();
        let headers = |count: usize| "[[a]]\n".repeat(count);
        let items = |count: usize| format!("a = [{}]", "true,".repeat(count));
        let texts: [fn(usize) -> String; 2] = [keys, headers];
        for text in texts {
            assert!(of(&text(MOST)).is_some());
            assert!(of(&text(3 * MOST)).is_none());
        }
        assert!(of(&items(60 * MOST)).is_some());
        assert!(of(&items(100 * MOST)).is_none());
        assert!(of(&format!("a = true # {}", "[".repeat(1 << 20))).is_none());
    }

    #[test]
    fn what_it_does_not_know_it_leaves_to_the_whole_parser() {
        for text in [
            "a = 1",
            "a = 'b'",
            "a = \"b\\n\"",
            "a = \"\"\"b\"\"\"",
            "a.b = true",
            "[a.b]\n[a]",
            "[a]\n[a.b]\n[a.b]",
            "[[a]]\n[a.b]",
            "a = true\n[a.b]",
            "a = {}\n[a.b]",
            "[a . b]",
            "[a.]",
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
            assert!(of(text).is_none(), "{text}");
        }
    }
}
