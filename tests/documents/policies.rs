//! The examples of the documentation are policies that are valid, and whose tests hold.

use jail::internal::plan::{Host, Plan};
use jail::internal::policy::{Action, Expect, Policy};
use std::fs;
use std::path::Path;

/// Every fenced block of that language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(fence.as_str()).skip(1);
    parts
        .filter_map(|part| part.split("\n```").next())
        .map(str::to_owned)
        .collect()
}

fn check(document: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(path).expect("a readable document");
    let policies = blocks(&text, "toml");
    for block in &policies {
        let policy = Policy::parse(block, document)
            .unwrap_or_else(|problems| panic!("{document}:\n{problems}\nin\n{block}"));
        let plan = Plan::new(&policy, &Host::newest());
        let plan = plan.unwrap_or_else(|error| panic!("{document}: {error}"));
        for test in &policy.tests {
            let judge = &plan.within_named(&policy, test.domain.as_deref()).judge;
            let found = match judge.about(&test.about).action {
                Action::Allow => Expect::Allow,
                Action::Deny(_) => Expect::Deny,
                Action::Kill => Expect::Kill,
            };
            assert_eq!(found, test.expect, "{document}: {}", test.sentence);
        }
    }
    policies.len()
}

#[test]
fn every_policy_in_the_documentation_is_valid_and_its_tests_hold() {
    assert!(check("docs/policy.md") >= 4);
    assert!(check("README.md") >= 1);
    assert!(check("docs/learn.md") >= 1);
}
