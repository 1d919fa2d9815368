//! The pages about what jail writes: each names its schema, and its examples fit it.

use crate::support::jail;
use crate::support::schema::{fitting, misfits};
use serde_json::Value;

/// The pages, each with the name of the schema and the number of examples.
const PAGES: [(&str, &str, &str, usize); 11] = [
    (
        "report.md",
        include_str!("../../docs/report.md"),
        "report",
        1,
    ),
    ("log.md", include_str!("../../docs/log.md"), "log", 15),
    (
        "agents.md",
        include_str!("../../docs/agents.md"),
        "denials",
        1,
    ),
    ("ask.md", include_str!("../../docs/ask.md"), "ask", 3),
    (
        "harness.md",
        include_str!("../../docs/harness.md"),
        "batch",
        0,
    ),
    ("lints.md", include_str!("../../docs/lints.md"), "check", 0),
    (
        "explain.md",
        include_str!("../../docs/explain.md"),
        "explain",
        0,
    ),
    (
        "compare.md",
        include_str!("../../docs/compare.md"),
        "diff",
        0,
    ),
    (
        "compare.md",
        include_str!("../../docs/compare.md"),
        "replay",
        0,
    ),
    (
        "doctor.md",
        include_str!("../../docs/doctor.md"),
        "doctor",
        1,
    ),
    (
        "attack.md",
        include_str!("../../docs/attack.md"),
        "attack",
        0,
    ),
];

/// The examples of a page: its blocks of JSON, of which some have a document on each line.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```json\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let parts = blocks.flat_map(|block| match block.lines().next() {
        Some("{") => vec![block.to_owned()],
        _ => block.lines().map(str::to_owned).collect(),
    });
    parts.collect()
}

#[test]
fn each_example_fits_its_schema_and_lacks_a_field_without_any_of_its_own() {
    for (page, text, name, count) in PAGES {
        let examples = examples(text);
        if count == 0 {
            continue;
        }
        assert_eq!(examples.len(), count, "{page}: {examples:#?}");
        for example in examples {
            let example = fitting(name, &example);
            for field in example.as_object().expect("an object").keys() {
                let mut less: Value = example.clone();
                less.as_object_mut().map(|fields| fields.remove(field));
                let optional = ["asked", "limited", "domain"].contains(&field.as_str());
                let fits = misfits(name, &less).is_empty();
                assert!(optional || !fits, "{page}: without {field}: {less}");
            }
        }
    }
}

#[test]
fn an_answer_to_a_question_fits_the_schema_and_another_word_does_not() {
    fitting("ask", r#"{"id":1,"answer":"once"}"#);
    for wrong in [
        r#"{"id":1,"answer":"yes"}"#,
        r#"{"id":1}"#,
        r#"{"answer":"once"}"#,
    ] {
        let wrong: Value = serde_json::from_str(wrong).expect("JSON");
        assert!(!misfits("ask", &wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn each_page_names_its_schema_and_a_wrong_name_lists_all() {
    let wrong = jail(["schema", "reports"]).output().ends_with(125);
    for (page, text, name, _) in PAGES {
        assert!(
            text.contains(&format!("`jail schema {name}`")),
            "docs/{page}"
        );
        assert!(wrong.err.contains(name), "{name}: {}", wrong.err);
    }
    assert!(wrong.err.contains("policy"), "{}", wrong.err);
    let default = jail(["schema"]).output().ends_with(0);
    jail(["schema", "policy"])
        .output()
        .ends_with(0)
        .says(&default.out);
}
