//! Each schema is that of the type which is written: the derived one, compared with the file.

use super::Name;
use crate::commands::{ask, attack, batch, check, diff, doctor, explain, replay};
use crate::report::{DenialLine, Record, Verdict};
use clap::ValueEnum;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;
use std::path::Path;

/// Set it to write the files.
const WRITE: &str = "JAIL_WRITE_SCHEMAS";

fn derived(name: Name) -> Option<Schema> {
    Some(match name {
        Name::Policy => return None,
        Name::Report => of::<Verdict>("The report of a run of jail"),
        Name::Log => of::<Record<'_>>("A line of a log of jail"),
        Name::Denials => of::<DenialLine<'_>>("A denial of jail"),
        Name::Ask => {
            of::<ask::Line>("A line between jail and a program that answers its questions")
        }
        Name::Batch => of::<batch::Line<'_>>("A verdict of jail batch"),
        Name::Check => of::<check::Document<'_>>("What jail check says of policies"),
        Name::Explain => of::<explain::Document<'_>>("What jail explain says of a policy"),
        Name::Diff => of::<diff::Document<'_>>("What jail diff says of two policies"),
        Name::Replay => of::<replay::Document<'_>>("What jail replay says of a log"),
        Name::Doctor => of::<doctor::Document<'_>>("What jail doctor says of a host"),
        Name::Attack => of::<attack::Document<'_>>("What jail attack says of a policy"),
    })
}

fn of<T: JsonSchema>(title: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(RecursiveTransform(for_readers_of_json));
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema
}

/// Leaves out what is about Rust's types alone, calls `null` by its name, and lists the words of an enum, of which
/// the manual says what each means.
fn for_readers_of_json(schema: &mut Schema) {
    schema.remove("format");
    schema.remove("default");
    let word = |one: &Value| one.get("const").filter(|word| word.is_string()).cloned();
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let words: Option<Vec<Value>> = variants.and_then(|all| all.iter().map(word).collect());
    if let Some(words) = words {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), words.into());
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace("`None`", "`null`").replace('\n', " ");
    }
}

/// The width that a line may have.
const WIDTH: usize = 120;

/// The text of a schema, which keeps on one line what fits there: the binary holds it.
fn text(value: &Value, indent: usize, width: usize) -> String {
    let line = value.to_string();
    let members: Vec<(String, &Value)> = match value {
        _ if line.len() + indent <= width => return line,
        Value::Array(list) if !list.iter().any(Value::is_object) => return line,
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().collect();
            members.sort_by_key(|(key, _)| (*key == "$defs", *key));
            let key = |key: &String| format!("{}: ", Value::from(key.as_str()));
            members
                .into_iter()
                .map(|(name, member)| (key(name), member))
                .collect()
        }
        Value::Array(list) => list.iter().map(|member| (String::new(), member)).collect(),
        _ => return line,
    };
    let inner = indent + 1;
    let lines = members.iter().map(|(key, member)| {
        format!(
            "{:inner$}{key}{}",
            "",
            text(member, inner, width.saturating_sub(key.len() + 1))
        )
    });
    let lines = lines.collect::<Vec<_>>().join(",\n");
    let (open, close) = if value.is_array() {
        ("[", "]")
    } else {
        ("{", "}")
    };
    format!("{open}\n{lines}\n{:indent$}{close}", "")
}

#[test]
fn each_schema_is_that_of_the_type_which_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/schema");
    let mut stale = Vec::new();
    for name in Name::value_variants() {
        let Some(schema) = derived(*name) else {
            continue;
        };
        let text = text(schema.as_value(), 0, WIDTH) + "\n";
        if Some(text.as_str()) == name.text() {
            continue;
        }
        let word = name.to_possible_value().expect("a name");
        let file = folder.join(format!("{}.json", word.get_name()));
        if std::env::var_os(WRITE).is_some() {
            std::fs::write(&file, text).expect("a writable file");
        }
        stale.push(file);
    }
    assert!(
        stale.is_empty(),
        "run this test with {WRITE}=1 to write these anew, and compile again: {stale:#?}"
    );
}
