//! The JSON Schema of policy files, for editors. It is made from the tables of keys, words and units that the
//! parser uses, so that both know the same keys.
//!
//! It says which keys there are and which types their values have. What a text means (a path, an endpoint, a
//! condition) only the parser knows.

use serde_json::{Map, Value, json};

use super::files::List;
use super::limits::{LimitKind, Unit};
use super::net::NetList;
use super::{domain_section, entry, isolate, lift, parse, presets, process, rule};

/// The schema as a JSON document.
pub fn schema() -> Value {
    let mut whole = table(parse::KEYS, &[], section);
    if let Some(whole) = whole.as_object_mut() {
        let about = [
            ("$schema", "https://json-schema.org/draft/2020-12/schema"),
            ("title", "A policy of jail"),
        ];
        for (key, value) in about {
            whole.insert(key.to_owned(), value.into());
        }
    }
    whole
}

/// A table with these keys and no others.
fn table(keys: &[&str], required: &[&str], of: impl Fn(&str) -> Value) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_owned(), of(key)))
        .collect();
    let mut table = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    if let Some(table) = table.as_object_mut().filter(|_| !required.is_empty()) {
        table.insert("required".to_owned(), required.into());
    }
    table
}

/// A key of a policy.
fn section(key: &str) -> Value {
    match key {
        "description" => about(text(), "One sentence; jail presets prints it"),
        "extends" => {
            let known: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
            let name = json!({ "type": "string", "examples": known });
            about(one_or_more(name), "Built-in policies, or paths of files")
        }
        "default" => about(
            words(&["allow", "deny"]),
            "What applies to all that no entry names",
        ),
        "fs" => about(files(), "Which paths may be read, changed and executed"),
        "net" => about(
            net(),
            "Which peers may be connected to, and where to listen",
        ),
        "limits" => about(
            limits(&LimitKind::ALL),
            "How much of time, memory and the like may be used",
        ),
        "process" => about(
            table(process::KEYS, &[], of_process),
            "What the command starts with",
        ),
        "syscalls" => {
            let entry = any_of(&[text(), table(entry::KEYS, &["action"], says)]);
            let entries = json!({ "type": "object", "additionalProperties": entry });
            about(entries, "Actions of system calls and @groups")
        }
        "rule" => {
            let mut one = table(rule::KEYS, &["syscall", "action"], of_rule);
            let conditions = ["when", "path", "peer", "argv"];
            let has = conditions.map(|key| json!({ "required": [key] }));
            if let Some(one) = one.as_object_mut() {
                one.insert("anyOf".to_owned(), has.to_vec().into());
            }
            let rules = json!({ "type": "array", "items": one });
            about(rules, "Entries with a condition")
        }
        "test" => {
            let one = table(parse::TEST_KEYS, &[], |key| match key {
                "domain" => about(text(), "The domain that the program is in"),
                _ => strings(),
            });
            let tests = json!({ "type": "array", "items": one });
            about(tests, "Sentences that the policy must decide so")
        }
        "domain" => {
            let one = table(domain_section::KEYS, &[], of_domain);
            let domains = json!({ "type": "object", "additionalProperties": one });
            about(domains, "Programs that run under less than the policy says")
        }
        _ => json!(true),
    }
}

/// A key of a domain.
fn of_domain(key: &str) -> Value {
    match key {
        "on-exec" => {
            let program = table(domain_section::ON_EXEC_KEYS, &["path"], |key| match key {
                "path" => one_or_some(text()),
                "optional" => boolean(),
                _ => strings(),
            });
            about(items(&[text(), program]), "The programs that enter it")
        }
        "default" => words(&["deny"]),
        "limits" => about(
            limits(&LimitKind::OF_DOMAIN),
            "How much the processes below one entry may use together",
        ),
        key => section(key),
    }
}

fn files() -> Value {
    let keys = List::ALL.map(List::key).into_iter().chain(["lift"]);
    let keys: Vec<&str> = keys.collect();
    table(&keys, &[], |key| {
        match List::ALL.into_iter().find(|list| list.key() == key) {
            Some(list) => items(&[text(), table(list.keys(), &["path"], of_entry)]),
            None => items(&[table(
                lift::Section::Files.keys(),
                &["path", "why"],
                of_entry,
            )]),
        }
    })
}

fn net() -> Value {
    let keys = NetList::ALL.map(NetList::key).into_iter().chain(["lift"]);
    let keys: Vec<&str> = keys.collect();
    table(&keys, &[], |key| {
        match NetList::ALL.into_iter().find(|list| list.key() == key) {
            Some(list) => items(&[text(), endpoint(table(list.keys(), &[], of_entry))]),
            None => {
                let lift = table(lift::Section::Net.keys(), &["why"], of_entry);
                items(&[endpoint(lift)])
            }
        }
    })
}

/// A table that has `to` or `on`.
fn endpoint(mut table: Value) -> Value {
    let has = |key: &str| !table["properties"][key].is_null();
    let named = ["to", "on"].into_iter().filter(|key| has(key));
    let named: Vec<Value> = named.map(|key| json!({ "required": [key] })).collect();
    if let Some(table) = table.as_object_mut() {
        table.insert("oneOf".to_owned(), named.into());
    }
    table
}

/// A key of an entry of `[fs]` or `[net]`.
fn of_entry(key: &str) -> Value {
    match key {
        "path" | "to" | "on" => one_or_some(text()),
        "optional" => boolean(),
        "why" => about(text(), "The reason, which messages show"),
        _ => about(text(), "\"deny\", \"kill\" or the name of an errno"),
    }
}

/// A key that entries of `[syscalls]` and rules share.
fn says(key: &str) -> Value {
    match key {
        "quiet" => boolean(),
        "why" => about(text(), "The reason, which messages show"),
        _ => about(
            text(),
            "\"allow\", \"deny\", \"kill\" or the name of an errno",
        ),
    }
}

fn of_rule(key: &str) -> Value {
    match key {
        "syscall" => one_or_some(text()),
        "argv" => strings(),
        "when" => about(text(), "A condition on the arguments: flags == O_RDONLY"),
        "path" | "peer" => text(),
        _ => says(key),
    }
}

fn limits(kinds: &[LimitKind]) -> Value {
    let keys: Vec<&str> = kinds.iter().map(|kind| kind.key()).collect();
    table(&keys, &[], |key| {
        match LimitKind::of_key(key).map(LimitKind::unit) {
            Some(Unit::Number) => json!({ "type": "integer", "minimum": 1 }),
            Some(Unit::Time) => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" }),
            Some(Unit::Bytes) => json!({
                "type": "string", "pattern": "^[0-9]+(B|[KMGT]iB|[kKMG]B)$",
            }),
            None => json!(true),
        }
    })
}

fn of_process(key: &str) -> Value {
    match key {
        "env" => table(process::ENVIRONMENT_KEYS, &[], |key| match key {
            "pass" => strings(),
            _ => json!({ "type": "object", "additionalProperties": text() }),
        }),
        "umask" => json!({ "type": "string", "pattern": "^0*[0-7]{1,3}$" }),
        "nice" => json!({ "type": "integer", "minimum": 0, "maximum": 19 }),
        "caps" => strings(),
        "isolate" => {
            let known: Vec<&str> = isolate::WORDS.iter().map(|(word, _)| *word).collect();
            one_or_more(words(&known))
        }
        "tmpdir" => words(&["fresh"]),
        _ => text(),
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn words(known: &[&str]) -> Value {
    json!({ "type": "string", "enum": known })
}

fn strings() -> Value {
    one_or_more(text())
}

/// One, or a list of them.
fn one_or_more(one: Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// One, or a list of at least one.
fn one_or_some(one: Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// One of these forms, or a list of them.
fn items(forms: &[Value]) -> Value {
    one_or_more(any_of(forms))
}

fn any_of(forms: &[Value]) -> Value {
    match forms {
        [one] => one.clone(),
        forms => json!({ "anyOf": forms }),
    }
}

fn about(mut schema: Value, description: &str) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), description.into());
    }
    schema
}
