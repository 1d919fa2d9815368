//! No policy, however broken, makes the reader panic or its message point outside the file.

use std::path::Path;

use jail::internal::policy::{Policy, lint, render};
use proptest::prelude::*;

/// Read, lint and show it, both ways.
fn survive(text: &str) {
    match Policy::parse(text, "any.toml") {
        Ok(policy) => {
            render(&policy.sources, &lint(&policy), true);
        }
        Err(problems) => {
            assert!(!problems.diagnostics.is_empty());
            for diagnostic in &problems.diagnostics {
                let inside = text.get(diagnostic.span.clone()).is_some();
                assert!(
                    inside || diagnostic.source != Some(0) || diagnostic.code.name() == "toml",
                    "{diagnostic:?} in {text:?}"
                );
            }
            problems.render(true);
            assert!(!problems.to_string().is_empty());
        }
    }
}

const WORDS: &[&str] = &[
    "allow",
    "deny",
    "kill",
    "ENOSYS",
    "base",
    "offline",
    "./x.toml",
    "socket",
    "openat",
    "@basic-io",
    "@debug",
    "ptrace",
    "exit",
    "vm86",
    "domain == AF_INET",
    "(flags & O_CREAT) != 0",
    "fd <",
    "é€",
    "",
    "\\u0000",
    "a\\tb",
    "socket(AF_INET, 0)",
    "read ./x",
    "read(",
];
const KEYS: &[&str] = &[
    "description",
    "default",
    "extends",
    "syscalls",
    "rule",
    "test",
    "fs",
    "syscall",
    "when",
    "action",
    "why",
    "quiet",
    "path",
    "allow",
    "kill",
    "socket",
    "\"@basic-io\"",
    "vm86",
    "\"\"",
    "a.b",
    "é",
    "rule.action",
];

fn value() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(WORDS).prop_map(|word| format!("\"{word}\""));
    let leaf = prop_oneof![
        8 => word,
        1 => Just("3".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("1979-05-27".to_owned()),
        1 => Just("'''\n x'''".to_owned()),
        1 => Just("nan".to_owned()),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let pair = (proptest::sample::select(KEYS), inner.clone())
            .prop_map(|(key, value)| format!("{key} = {value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(pair, 0..4)
                .prop_map(|pairs| format!("{{ {} }}", pairs.join(", "))),
        ]
    })
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (proptest::sample::select(KEYS), value()).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => proptest::sample::select(vec!["[syscalls]", "[[rule]]", "[[test]]", "[fs]", "[rule]", "[syscalls.read]"])
            .prop_map(str::to_owned),
        1 => Just("# a comment".to_owned()),
        1 => "[ -~]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        survive(&text);
    }

    #[test]
    fn no_toml_makes_it_panic(lines in proptest::collection::vec(line(), 0..16), windows in any::<bool>()) {
        survive(&lines.join(if windows { "\r\n" } else { "\n" }));
    }

    #[test]
    fn no_damage_to_a_preset_makes_it_panic(
        preset in 0..4usize,
        at in any::<prop::sample::Index>(),
        length in 0..12usize,
        instead in "\\PC{0,6}",
    ) {
        let mut text: Vec<char> = jail::internal::policy::presets()[preset].text.chars().collect();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, instead.chars());
        survive(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_name_makes_it_panic(name in any::<String>()) {
        let _ = Policy::preset(&name).map_err(|problems| problems.to_string());
        // A path that is there could be anything.
        if !name.contains('/') {
            let _ = Policy::load(&name, Path::new("/nonexistent")).map_err(|problems| problems.to_string());
        }
    }
}
