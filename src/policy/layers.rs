//! The policies and the flags of a command line, which together make one policy: `--policy` several times,
//! `--allow-net ENDPOINT`, `--set limits.wall=10s` and the like.
//!
//! They are read as a file of their own that extends the named policies. Its text has one flag a line, so
//! that messages and carets show the flags as they were typed. The values are put together as the tree of
//! such a file, and the parser of files reads them: what is valid in a file is valid in a flag.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::document::Document;
use super::file::File;
use super::files::List;
use super::limits::{LimitKind, Unit};
use super::net::NetList;
use super::object::{Named, named};
use super::places::PathContext;
use super::tree::Tree;
use super::{Code, Diagnostic, Policy, parse, process};
use crate::condition::nearest;

/// The policy of a command line that names none.
const DEFAULT_POLICY: &str = "workspace";
/// The flag that names a policy.
const POLICY: &str = "--policy";
/// The name of that file in messages.
pub(super) const NAME: &str = "command line";

/// What a command line says about the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Presets and files, joined as `extends` joins them; none: `workspace`.
    pub policies: Vec<String>,
    /// Entries for this one run.
    pub flags: Vec<Flag>,
}

/// A flag with its value, which is one entry of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flag {
    /// Which flag it is.
    pub kind: FlagKind,
    /// Its value as typed.
    pub value: String,
}

/// A flag that is an entry of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlagKind {
    /// An entry of `fs.read`.
    AllowRead,
    /// An entry of `fs.write`.
    AllowWrite,
    /// An entry of `fs.exec`.
    AllowExec,
    /// An entry of `net.connect`.
    AllowNet,
    /// An entry of `deny`, in `[fs]` or `[net]`.
    Deny,
    /// Any other key.
    Set,
}

impl FlagKind {
    /// As typed.
    pub const fn name(self) -> &'static str {
        match self {
            FlagKind::AllowRead => "--allow-read",
            FlagKind::AllowWrite => "--allow-write",
            FlagKind::AllowExec => "--allow-exec",
            FlagKind::AllowNet => "--allow-net",
            FlagKind::Deny => "--deny",
            FlagKind::Set => "--set",
        }
    }
}

impl Layers {
    /// One preset or file.
    pub fn one(policy: impl Into<String>) -> Layers {
        Layers {
            policies: vec![policy.into()],
            flags: Vec::new(),
        }
    }

    /// The one policy, if there is nothing to join.
    pub(super) fn alone(&self) -> Option<&str> {
        match self.policies.as_slice() {
            [one] if self.flags.is_empty() => Some(one),
            _ => None,
        }
    }

    /// A name for messages and reports: `base + ./team.toml + --allow-net 10.0.0.1:443`.
    pub fn name(&self) -> String {
        match self.alone() {
            Some(name) => name.to_owned(),
            None => joined(&self.text()),
        }
    }

    /// The presets and files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let default = self.policies.is_empty().then_some(DEFAULT_POLICY);
        self.policies.iter().map(String::as_str).chain(default)
    }

    /// The text of the file: one flag a line.
    pub(super) fn text(&self) -> String {
        let policies = self.names().map(|name| (POLICY, name));
        let flags = self.flags.iter();
        let flags = flags.map(|flag| (flag.kind.name(), flag.value.as_str()));
        let line = |(flag, value)| format!("{flag} {}\n", one_line(value));
        policies.chain(flags).map(line).collect()
    }
}

/// The lines of a command line's text as a name.
fn joined(text: &str) -> String {
    let parts = text.lines().map(|line| {
        let name = line
            .strip_prefix(POLICY)
            .and_then(|name| name.strip_prefix(' '));
        name.unwrap_or(line)
    });
    parts.collect::<Vec<&str>>().join(" + ")
}

impl Policy {
    /// The flags of a command line for its policies and one more: `--policy workspace --policy net`.
    pub fn and_policy(&self, more: &str) -> String {
        let text = self.sources.first().map_or("", |main| &main.text);
        let named = text.lines().filter(|line| line.starts_with(POLICY));
        let all: Vec<&str> = named.collect();
        format!("{} {POLICY} {more}", all.join(" "))
    }

    /// Its name in reports: that of the main file, or of all that a command line says.
    pub fn name(&self) -> String {
        match self.sources.first() {
            Some(main) if main.flags => joined(&main.text),
            Some(main) => main.name.clone(),
            None => String::new(),
        }
    }
}

/// The value with each line break as a space, which has the same length in bytes.
fn one_line(value: &str) -> String {
    value.replace(['\n', '\r'], " ")
}

/// The contents of the file that `text` shows.
pub(super) fn parse(
    source: u16,
    text: &str,
    layers: &Layers,
    around: &PathContext,
) -> (File, Vec<Diagnostic>) {
    let mut document = Document::of(source, text);
    // The texts that the tree borrows from.
    let padded = padded(layers);
    let tree = tree(&mut document, layers, &padded);
    parse::read(document, &Tree::of(tree), around)
}

/// Calls `read` with the tree; what is wrong with the flags is noted in the document.
pub(super) fn with_tree(
    document: &mut Document<'_>,
    layers: &Layers,
    read: impl FnOnce(&DeTable<'_>),
) {
    let padded = padded(layers);
    read(&tree(document, layers, &padded));
}

/// The value of each `--set` as the value of the key `v`, behind as many bytes as there are before it in
/// the text, so that the places of what is parsed from it are those in the text.
fn padded(layers: &Layers) -> Vec<String> {
    let mut at = 0;
    for name in layers.names() {
        spans(&mut at, POLICY, name);
    }
    let flags = layers.flags.iter();
    let padded = flags.map(|flag| {
        let (_, span) = spans(&mut at, flag.kind.name(), &flag.value);
        match flag.value.split_once('=') {
            Some((key, value)) if flag.kind == FlagKind::Set => {
                let before = span.start + key.len() + 1;
                format!("{:>before$}{value}", "v=")
            }
            _ => String::new(),
        }
    });
    padded.collect()
}

/// The tree of the file. Values that have no place in it are noted.
fn tree<'p>(document: &mut Document<'_>, layers: &Layers, padded: &'p [String]) -> DeTable<'p> {
    let mut root = Branch::default();
    let mut at = 0;
    for name in layers.names() {
        let (_, value) = spans(&mut at, POLICY, name);
        root.push(&["extends"], value.clone(), string(name, value));
    }
    for (flag, padded) in layers.flags.iter().zip(padded) {
        let at = spans(&mut at, flag.kind.name(), &flag.value);
        add(document, &mut root, (flag, padded), at);
    }
    root.table()
}

/// The places of the next line's flag and of its value.
fn spans(at: &mut usize, flag: &str, value: &str) -> (Range<usize>, Range<usize>) {
    let whole = *at..*at + flag.len() + 1 + value.len();
    let value = whole.start + flag.len() + 1..whole.end;
    *at = whole.end + 1;
    (whole, value)
}

fn string<'p>(text: &str, span: Range<usize>) -> Value<'p> {
    Spanned::new(span, DeValue::String(Cow::Owned(text.to_owned())))
}

fn add<'p>(
    document: &mut Document<'_>,
    root: &mut Branch<'p>,
    (flag, padded): (&Flag, &'p str),
    (whole, span): (Range<usize>, Range<usize>),
) {
    let text = flag.value.as_str();
    if text.is_empty() {
        let message = format!("{} has an empty value", flag.kind.name());
        document.error(Code::MissingKey, whole, message);
        return;
    }
    let fs = |list: List| ["fs", list.key()];
    let net = |list: NetList| ["net", list.key()];
    let place = match flag.kind {
        FlagKind::AllowRead => fs(List::Read),
        FlagKind::AllowWrite => fs(List::Write),
        FlagKind::AllowExec => fs(List::Exec),
        FlagKind::AllowNet => net(NetList::Connect),
        FlagKind::Deny => match named(text) {
            Named::Path => fs(List::Deny),
            Named::Endpoint => net(NetList::Deny),
            Named::Either => {
                let message = format!("\"{text}\" may be a path or an endpoint");
                document.error(Code::Endpoint, span, message).help(format!(
                    "write ./{text} for a path, {text}:* for an endpoint"
                ));
                return;
            }
        },
        FlagKind::Set => return set(document, root, (text, padded), span),
    };
    root.push(&place, span.clone(), string(text, span));
}

/// `--set KEY=VALUE`.
fn set<'p>(
    document: &mut Document<'_>,
    root: &mut Branch<'p>,
    (text, padded): (&str, &'p str),
    span: Range<usize>,
) {
    let Some((key, value)) = text.split_once('=') else {
        document
            .error(Code::MissingKey, span, format!("\"{text}\" has no value"))
            .help("write --set KEY=VALUE, as in --set limits.wall=10s");
        return;
    };
    let key_span = span.start..span.start + key.len();
    if let Some(help) = no_key(key) {
        let message = format!("--set cannot set `{key}`");
        document
            .error(Code::UnknownKey, key_span, message)
            .help(help);
        return;
    }
    let value_span = key_span.end + 1..span.end;
    let Some(value) = read(document, (key, value), padded, value_span) else {
        return;
    };
    let parts: Vec<&str> = match key.strip_prefix(VARIABLE) {
        Some(name) => vec!["process", "env", "set", name],
        None => key.split('.').collect(),
    };
    if !root.set(&parts, &key_span, value) {
        let message = format!("`{key}` is set twice");
        document
            .error(Code::Toml, key_span, message)
            .help("give --set once for each key");
    }
}

/// The start of the key of an environment variable, whose name may contain dots.
const VARIABLE: &str = "process.env.set.";

/// What to do instead, if `--set` cannot set the key; `None`: it can, or the parser knows better.
fn no_key(key: &str) -> Option<String> {
    const SECTIONS: [&str; 3] = ["limits", "process", "syscalls"];
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    match section {
        "default" if name.is_empty() => None,
        _ if SECTIONS.contains(&section) && !name.is_empty() => None,
        "fs" => Some(
            "the flags for [fs] are --allow-read, --allow-write, --allow-exec and --deny"
                .to_owned(),
        ),
        "net" => Some("the flags for [net] are --allow-net and --deny".to_owned()),
        "extends" => Some("give --policy once for each policy".to_owned()),
        _ if SECTIONS.contains(&section) => Some(format!("name a key of it: {section}.KEY")),
        _ if parse::is_key(section) => {
            Some("write it in a policy file, and give that file with --policy".to_owned())
        }
        _ if name.is_empty() && LimitKind::of_key(key).is_some() => {
            Some(format!("did you mean `limits.{key}`?"))
        }
        _ if name.is_empty() && process::is_key(key) => {
            Some(format!("did you mean `process.{key}`?"))
        }
        _ => Some(match nearest(section, SECTIONS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "it sets default, and the keys of limits, process and syscalls: limits.wall=10s"
                    .to_owned()
            }
        }),
    }
}

/// The value: TOML if it starts as an array, a table or a quoted string, or if the key takes a number;
/// otherwise a string.
fn read<'p>(
    document: &mut Document<'_>,
    (key, text): (&str, &str),
    padded: &'p str,
    span: Range<usize>,
) -> Option<Value<'p>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_toml = text.starts_with(['[', '{', '"', '\'']);
    if !is_toml && (!is_number || !takes_number(key)) {
        return Some(string(text, span));
    }
    let (at, message) = match DeTable::parse(padded) {
        // A line break in the value could begin another key.
        Ok(parsed) if parsed.get_ref().len() == 1 => {
            let mut entries = parsed.into_inner().into_iter();
            return entries.next().map(|(_, value)| value);
        }
        Ok(_) => (span, "this is more than one value".to_owned()),
        Err(error) => {
            let at = error.span().unwrap_or_else(|| span.clone());
            let at = at.start.clamp(span.start, span.end)..at.end.clamp(span.start, span.end);
            (at, error.message().trim_end().to_owned())
        }
    };
    document
        .error(Code::Toml, at, message)
        .help("quote the value for the shell: --set 'process.isolate=[\"pid\"]'");
    None
}

fn takes_number(key: &str) -> bool {
    let limit = key.strip_prefix("limits.").and_then(LimitKind::of_key);
    key == "process.nice" || limit.is_some_and(|limit| limit.unit() == Unit::Number)
}

type Value<'p> = Spanned<DeValue<'p>>;

/// A table that is being put together; keys are sorted.
#[derive(Default)]
struct Branch<'p>(BTreeMap<String, (Range<usize>, Node<'p>)>);

enum Node<'p> {
    Value(Value<'p>),
    List(Vec<Value<'p>>),
    Branch(Branch<'p>),
}

impl<'p> Branch<'p> {
    /// Adds to a list.
    fn push(&mut self, path: &[&str], span: Range<usize>, value: Value<'p>) {
        let Some((key, branch)) = self.at(path, &span) else {
            return;
        };
        let list = branch.0.entry(key.to_owned());
        let (_, list) = list.or_insert_with(|| (span, Node::List(Vec::new())));
        if let Node::List(values) = list {
            values.push(value);
        }
    }

    /// Sets a key; `false`: it is set.
    fn set(&mut self, path: &[&str], span: &Range<usize>, value: Value<'p>) -> bool {
        let Some((key, branch)) = self.at(path, span) else {
            return false;
        };
        if branch.0.contains_key(key) {
            return false;
        }
        let node = (span.clone(), Node::Value(value));
        branch.0.insert(key.to_owned(), node);
        true
    }

    /// The last key of a path, and the table that it belongs to; `None`: a value is in the way.
    fn at<'k>(
        &mut self,
        path: &[&'k str],
        span: &Range<usize>,
    ) -> Option<(&'k str, &mut Branch<'p>)> {
        let (key, above) = path.split_last()?;
        let mut branch = self;
        for name in above {
            let next = branch.0.entry((*name).to_owned());
            let next = next.or_insert_with(|| (span.clone(), Node::Branch(Branch::default())));
            match &mut next.1 {
                Node::Branch(next) => branch = next,
                Node::Value(_) | Node::List(_) => return None,
            }
        }
        Some((key, branch))
    }

    fn table(self) -> DeTable<'p> {
        let entries = self.0.into_iter().map(|(key, (span, node))| {
            let value = match node {
                Node::Value(value) => value,
                Node::List(values) => {
                    let values: DeArray<'p> = values.into_iter().collect();
                    Spanned::new(span.clone(), DeValue::Array(values))
                }
                Node::Branch(branch) => Spanned::new(span.clone(), DeValue::Table(branch.table())),
            };
            (Spanned::new(span, Cow::Owned(key)), value)
        });
        entries.collect()
    }
}
