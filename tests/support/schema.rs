//! What jail writes, held against the schema that `jail schema` prints for it.

use super::jail;
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The schemas that were printed and read, by name.
static READ: Mutex<BTreeMap<&str, Arc<Validator>>> = Mutex::new(BTreeMap::new());

fn validator(name: &'static str) -> Arc<Validator> {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read.entry(name).or_insert_with(|| {
        let schema = jail(["schema", name]).output().ends_with(0).out;
        let schema: Value = serde_json::from_str(&schema).expect("one document");
        jsonschema::meta::validate(&schema).expect("a schema");
        Arc::new(jsonschema::validator_for(&schema).expect("a schema"))
    });
    Arc::clone(read)
}

/// What does not fit the schema of this name.
pub fn misfits(name: &'static str, value: &Value) -> Vec<String> {
    let validator = validator(name);
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// A document or a line as JSON. Panics unless it fits the schema of this name.
#[track_caller]
pub fn fitting(name: &'static str, text: &str) -> Value {
    let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let wrong = misfits(name, &value);
    assert!(
        wrong.is_empty(),
        "the schema `{name}` does not hold: {wrong:#?}\n{value:#}"
    );
    value
}

/// The same of each line.
#[track_caller]
pub fn fitting_lines(name: &'static str, text: &str) -> Vec<Value> {
    text.lines().map(|line| fitting(name, line)).collect()
}
