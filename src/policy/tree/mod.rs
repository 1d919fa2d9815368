//! The tree of a TOML text: its tables, lists and values, each with its place in the text.
//!
//! A tree is one list of nodes that refer to each other by number and to the text by place. So a preset's tree is
//! made when jail is compiled, takes no pointers that the loader must adjust, and costs a start nothing.

mod plain;

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

pub(super) use plain::{count, nodes};

/// A node of a tree: a key or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    kind: NodeKind,
    /// Its place in the text.
    start: u32,
    end: u32,
    /// Of a table: its first key. Of a list: its first item. 0 if there is none.
    child: u32,
    /// Of a key: the next one in its table. Of an item: the next one in its list. 0 if there is none.
    next: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    /// A key as the text has it, in quotes or not. The next node is its value.
    Key,
    /// A string as the text has it between two quotes.
    String,
    True,
    False,
    /// A list in brackets.
    List,
    /// A table in braces.
    Table,
    /// A table of a header, `[table]` or `[table.inner]`, to which later headers may add tables.
    Section,
    /// A list of tables with a header each: `[[table]]`.
    Sections,
    /// A key or a value that the text does not have literally: `child` is its number in [`Tree::parsed`].
    Parsed,
}

impl Node {
    const fn new(kind: NodeKind, start: usize) -> Node {
        Node {
            kind,
            start: start as u32,
            end: start as u32,
            child: 0,
            next: 0,
        }
    }
}

/// The tree of a text.
pub(super) struct Tree<'t> {
    text: &'t str,
    /// The first is the table of the whole text.
    nodes: Cow<'t, [Node]>,
    /// What the text does not have literally: numbers, and strings with escapes.
    parsed: Vec<DeValue<'t>>,
}

impl<'t> Tree<'t> {
    /// The tree of a preset's text, which has been read when jail was compiled.
    pub fn known(text: &'t str, nodes: &'t [Node]) -> Tree<'t> {
        Tree {
            text,
            nodes: Cow::Borrowed(nodes),
            parsed: Vec::new(),
        }
    }

    /// The tree of a text of the plain kind; `None`: see [`plain`].
    pub fn plain(text: &'t str) -> Option<Tree<'t>> {
        Some(Tree {
            text,
            nodes: Cow::Owned(plain::of(text)?),
            parsed: Vec::new(),
        })
    }

    /// The tree that the whole language's parser has made.
    pub fn of(root: DeTable<'t>) -> Tree<'t> {
        let mut nodes = Adding::default();
        nodes.value(Spanned::new(0..0, DeValue::Table(root)));
        Tree {
            text: "",
            nodes: Cow::Owned(nodes.nodes),
            parsed: nodes.parsed,
        }
    }

    /// The table of the whole text.
    pub fn root(&self) -> Table<'_> {
        Table(self.chain(self.node(0).child))
    }

    /// No other number than one of a node is ever in a node, so that the empty table stands for nothing.
    fn node(&self, at: u32) -> Node {
        const NOTHING: Node = Node::new(NodeKind::Table, 0);
        self.nodes.get(at as usize).copied().unwrap_or(NOTHING)
    }

    fn chain(&self, next: u32) -> Chain<'_> {
        Chain {
            tree: self,
            next,
            alone: false,
        }
    }

    /// A part of the text, without quotes.
    fn content(&self, node: Node) -> &str {
        let range = node.start as usize..node.end as usize;
        let text = self.text.get(range).unwrap_or_default();
        let content = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        content.unwrap_or(text)
    }

    fn parsed(&self, node: Node) -> Kind<'_> {
        match self.parsed.get(node.child as usize) {
            Some(DeValue::String(text)) => Kind::String(text),
            Some(DeValue::Integer(number)) => Kind::Integer(number),
            Some(DeValue::Float(_)) => Kind::Float,
            Some(DeValue::Datetime(_)) => Kind::Datetime,
            Some(DeValue::Boolean(value)) => Kind::Boolean(*value),
            Some(DeValue::Array(_) | DeValue::Table(_)) | None => Kind::Table(Table(self.chain(0))),
        }
    }
}

/// A value with its place.
#[derive(Clone, Copy)]
pub(super) struct Value<'t> {
    tree: &'t Tree<'t>,
    at: u32,
}

impl<'t> Value<'t> {
    /// Its place in the text.
    pub fn span(self) -> Range<usize> {
        let node = self.tree.node(self.at);
        node.start as usize..node.end as usize
    }

    /// What it is.
    pub fn kind(self) -> Kind<'t> {
        let node = self.tree.node(self.at);
        let chain = self.tree.chain(node.child);
        match node.kind {
            NodeKind::String | NodeKind::Key => Kind::String(self.tree.content(node)),
            NodeKind::True => Kind::Boolean(true),
            NodeKind::False => Kind::Boolean(false),
            NodeKind::List | NodeKind::Sections => Kind::List(Items(chain)),
            NodeKind::Table | NodeKind::Section => Kind::Table(Table(chain)),
            NodeKind::Parsed => self.tree.parsed(node),
        }
    }

    pub fn as_str(self) -> Option<&'t str> {
        match self.kind() {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_table(self) -> Option<Table<'t>> {
        match self.kind() {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// A list without an item.
    pub fn no_items(self) -> Items<'t> {
        Items(self.tree.chain(0))
    }

    /// A list of it alone.
    pub fn alone(self) -> Items<'t> {
        Items(Chain {
            tree: self.tree,
            next: self.at,
            alone: true,
        })
    }
}

/// What a value is.
#[derive(Clone, Copy)]
pub(super) enum Kind<'t> {
    String(&'t str),
    Integer(&'t DeInteger<'t>),
    Float,
    Boolean(bool),
    Datetime,
    List(Items<'t>),
    Table(Table<'t>),
}

/// A key with its place.
#[derive(Clone, Copy)]
pub(super) struct Key<'t>(Value<'t>);

impl<'t> Key<'t> {
    pub fn name(self) -> &'t str {
        self.0.as_str().unwrap_or_default()
    }

    /// Its place in the text.
    pub fn span(self) -> Range<usize> {
        self.0.span()
    }
}

/// Nodes that follow one another.
#[derive(Clone, Copy)]
struct Chain<'t> {
    tree: &'t Tree<'t>,
    next: u32,
    /// Whether the chain ends after the first.
    alone: bool,
}

impl<'t> Iterator for Chain<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        let at = self.next;
        if at == 0 {
            return None;
        }
        self.next = match self.alone {
            true => 0,
            false => self.tree.node(at).next,
        };
        Some(Value {
            tree: self.tree,
            at,
        })
    }
}

/// The items of a list.
#[derive(Clone, Copy)]
pub(super) struct Items<'t>(Chain<'t>);

impl Items<'_> {
    pub fn is_empty(self) -> bool {
        self.0.next == 0
    }
}

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        self.0.next()
    }
}

/// The keys of a table and their values.
#[derive(Clone, Copy)]
pub(super) struct Table<'t>(Chain<'t>);

impl<'t> Table<'t> {
    pub fn get(mut self, name: &str) -> Option<Value<'t>> {
        let found = self.find(|(key, _)| key.name() == name);
        found.map(|(_, value)| value)
    }
}

impl<'t> Iterator for Table<'t> {
    type Item = (Key<'t>, Value<'t>);

    fn next(&mut self) -> Option<(Key<'t>, Value<'t>)> {
        let key = self.0.next()?;
        let value = Value {
            tree: key.tree,
            at: key.at + 1,
        };
        Some((Key(key), value))
    }
}

/// A tree that is being made of another parser's.
#[derive(Default)]
struct Adding<'t> {
    nodes: Vec<Node>,
    parsed: Vec<DeValue<'t>>,
}

impl<'t> Adding<'t> {
    fn add(&mut self, kind: NodeKind, span: Range<usize>) -> usize {
        self.nodes.push(Node {
            end: span.end as u32,
            ..Node::new(kind, span.start)
        });
        self.nodes.len() - 1
    }

    fn parsed(&mut self, span: Range<usize>, value: DeValue<'t>) -> usize {
        let at = self.add(NodeKind::Parsed, span);
        self.nodes[at].child = self.parsed.len() as u32;
        self.parsed.push(value);
        at
    }

    fn value(&mut self, value: Spanned<DeValue<'t>>) -> usize {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => {
                let at = self.add(NodeKind::Table, span);
                let mut last = None;
                for (key, value) in table {
                    let span = key.span();
                    let key = self.parsed(span, DeValue::String(key.into_inner()));
                    self.link(at, &mut last, key);
                    self.value(value);
                }
                at
            }
            DeValue::Array(items) => {
                let at = self.add(NodeKind::List, span);
                let mut last = None;
                for item in items {
                    let item = self.value(item);
                    self.link(at, &mut last, item);
                }
                at
            }
            other => self.parsed(span, other),
        }
    }

    /// Makes a node the first within another, or the one after the last.
    fn link(&mut self, within: usize, last: &mut Option<usize>, at: usize) {
        match last.replace(at) {
            None => self.nodes[within].child = at as u32,
            Some(last) => self.nodes[last].next = at as u32,
        }
    }
}
