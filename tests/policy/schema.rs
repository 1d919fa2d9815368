//! The JSON Schema that `jail schema` prints accepts every preset and every example, and rejects the unknown keys
//! and the wrong types that the parser rejects.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Dir, installed, plain};
use jail::internal::policy::{Policy, presets};
use jsonschema::Validator;
use serde_json::{Value, json};

fn printed() -> Value {
    let jail = Command::new(env!("CARGO_BIN_EXE_jail"))
        .arg("schema")
        .output();
    let jail = jail.expect("jail");
    assert!(jail.status.success() && jail.stderr.is_empty(), "{jail:?}");
    serde_json::from_slice(&jail.stdout).expect("one document")
}

fn validator() -> Validator {
    let schema = printed();
    jsonschema::meta::validate(&schema).expect("a schema");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn value(text: &str) -> Value {
    let table: toml::Table = text
        .parse()
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(table).expect("JSON")
}

fn accepts(validator: &Validator, name: &str, text: &str) {
    let value = value(text);
    let wrong: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
}

fn policies(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            policies(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_preset_and_every_example_fits_the_schema() {
    let validator = validator();
    for preset in presets() {
        accepts(&validator, preset.name, preset.text);
    }
    let mut found = Vec::new();
    policies(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"),
        &mut found,
    );
    // These are not policies.
    let other = [
        "Cargo.toml",
        "judge.toml",
        ".cargo/config.toml",
        ".config/nextest.toml",
    ];
    found.retain(|path| !other.iter().any(|name| path.ends_with(name)));
    assert!(found.len() >= 10, "{found:?}");
    for path in found {
        let text = fs::read_to_string(&path).expect("a file");
        accepts(&validator, &path.display().to_string(), &text);
    }
    let text = "#:schema ./jail.schema.json\nextends = [\"base\"]\n";
    accepts(&validator, "with #:schema", text);
    Policy::parse(text, "a.toml").expect("a policy");
}

/// A policy with every key.
fn whole() -> Value {
    let entry = json!({ "path": "/x", "why": "y", "optional": true });
    let denial = json!({ "path": ["/x"], "why": "y", "optional": true, "action": "kill" });
    let to = json!({ "to": "1.2.3.4:5", "why": "y", "optional": true });
    let on = json!({ "on": "1.2.3.4:5", "why": "y", "optional": true });
    let closed = json!({ "to": ["1.2.3.4:5"], "why": "y", "optional": true, "action": "kill" });
    json!({
        "description": "All.",
        "extends": ["base"],
        "default": "deny",
        "fs": {
            "read": ["/x", entry], "write": [entry], "exec": [entry], "hide": [entry],
            "deny": ["/x", denial], "protect": [denial],
            "lift": [{ "path": "/x", "why": "y", "optional": true }],
        },
        "net": {
            "connect": ["1.2.3.4:5", to], "listen": [on], "deny": ["1.2.3.4", closed],
            "lift": [{ "to": "1.2.3.4:5", "why": "y", "optional": true }],
        },
        "limits": {
            "wall": "10s", "grace": "1s", "cpu": "5s", "memory": "512MiB", "processes": 64,
            "open-files": 64, "file-size": "64MiB", "stack": "64MiB", "output": "1MiB",
        },
        "process": {
            "env": { "pass": ["PATH"], "set": { "CI": "1" } },
            "cwd": ".", "umask": "022", "nice": 5, "caps": ["CAP_CHOWN"], "stdin": "x",
            "user": "nobody", "isolate": ["pid"], "tmpdir": "fresh",
        },
        "syscalls": {
            "ptrace": "deny", "sync": { "action": "ENOSYS", "why": "y", "quiet": true },
        },
        "rule": [
            { "syscall": ["ioctl"], "when": "request == TIOCSTI", "action": "deny", "why": "y", "quiet": true },
            { "syscall": "openat", "path": "/x", "action": "deny" },
            { "syscall": "connect", "peer": "1.2.3.4:5", "action": "deny" },
            { "syscall": "execve", "argv": ["git", "push"], "action": "deny" },
        ],
        "domain": {
            "build": {
                "on-exec": ["/x", { "path": ["/x"], "argv": ["x", "**"] }],
                "extends": ["base"], "default": "deny",
                "fs": { "read": ["/x", entry], "deny": [denial] },
                "net": { "connect": ["1.2.3.4:5", to], "deny": [closed] },
                "syscalls": { "ptrace": "deny" },
                "rule": [{ "syscall": "openat", "path": "/x", "action": "deny" }],
            },
        },
        "test": [{
            "allow": ["read /x"], "deny": ["read /x"], "kill": ["read /x"], "domain": "build",
        }],
    })
}

/// The places of a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                places(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Whether a policy fits the schema. Where the parser does not agree on its keys and types, that is noted.
fn agree(validator: &Validator, value: &Value, what: &str, wrong: &mut Vec<String>) -> bool {
    let text = toml::to_string(value).expect("TOML");
    let fits = validator.is_valid(value);
    let problems = match Policy::parse(&text, "a.toml") {
        Ok(_) => Vec::new(),
        Err(problems) => problems.diagnostics,
    };
    let names: Vec<&str> = problems.iter().map(|problem| problem.code.name()).collect();
    const SHAPE: [&str; 4] = ["wrong-type", "unknown-key", "missing-key", "empty-list"];
    let of_shape = names.iter().any(|name| SHAPE.contains(name));
    if fits && of_shape {
        wrong.push(format!(
            "{what}: the schema accepts what the parser rejects: {names:?}"
        ));
    }
    if !fits && names.is_empty() {
        wrong.push(format!(
            "{what}: the schema rejects what the parser accepts"
        ));
    }
    fits
}

#[test]
fn the_schema_rejects_the_keys_and_types_that_the_parser_rejects() {
    let validator = validator();
    let whole = whole();
    let mut wrong = Vec::new();
    assert!(agree(&validator, &whole, "the whole policy", &mut wrong));
    let mut all = Vec::new();
    places(&whole, "", &mut all);
    let others = [
        json!("x"),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([1]),
        json!([{}]),
        json!(["x"]),
        json!({ "x": 1 }),
        json!({ "action": "deny" }),
    ];
    let (mut rejected, mut accepted) = (0, 0);
    let mut count = |fits: bool| match fits {
        true => accepted += 1,
        false => rejected += 1,
    };
    for place in all {
        for other in &others {
            let mut changed = whole.clone();
            let found = changed.pointer_mut(&place).expect("a place");
            // Not the policy itself, and no list of two types that TOML cannot write.
            if place.is_empty() {
                continue;
            }
            *found = other.clone();
            count(agree(
                &validator,
                &changed,
                &format!("{place} = {other}"),
                &mut wrong,
            ));
        }
        let mut changed = whole.clone();
        let found = changed.pointer_mut(&place).expect("a place");
        let is_map = place.ends_with("/syscalls") || place == "/process/env/set";
        if let Some(table) = found.as_object_mut().filter(|_| !is_map) {
            table.insert("unknown-thing".to_owned(), json!("x"));
            let what = format!("{place}/unknown-thing");
            assert!(!agree(&validator, &changed, &what, &mut wrong), "{what}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rejected > 500 && accepted > 50, "{rejected} {accepted}");
}

/// Taplo, the language server of TOML in editors, reads the schema that a policy names in its first line.
#[test]
fn taplo_finds_a_misspelt_key_by_the_schema() {
    let dir = Dir::new();
    dir.write("jail.schema.json", printed().to_string());
    let lint = |name: &str, text: &str| {
        let file = dir.write(name, format!("#:schema ./jail.schema.json\n{text}"));
        let run = plain(["taplo", "lint", "--colors", "never", &file]);
        run.cwd(dir.path()).env("HOME", dir.path()).output()
    };
    if !installed("taplo") {
        return;
    }
    for (index, preset) in presets().iter().enumerate() {
        lint(&format!("{index}.toml"), preset.text).ends_with(0);
    }
    for (text, message) in [
        ("[fs]\nreed = [\".\"]\n", "'reed' was unexpected"),
        ("[limits]\nwal = \"1s\"\n", "'wal' was unexpected"),
        ("default = \"alow\"\n", "\"alow\" is not"),
    ] {
        lint("wrong.toml", text).ends_with(1).complains(message);
    }
}
