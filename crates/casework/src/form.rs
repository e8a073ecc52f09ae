//! Forms: JSON Schema of the pack, with the city's lists filled in.

use serde_json::{Map, Value};
use shuyu_law::{Law, Procedure, Stage};

/// The schema of a stage's form, with `{"$parameter": "name"}` replaced by the parameter's
/// value, or by the ids of a list of entries. `None`: there is nothing to fill in.
pub fn schema(law: &Law, stage: &Stage) -> Option<Value> {
    stage.form.as_ref().map(|form| fill(law, form))
}

/// What is wrong with a filled-in form; empty: nothing.
pub(crate) fn faults(law: &Law, _procedure: &Procedure, stage: &Stage, form: &Value) -> Vec<String> {
    let Some(schema) = schema(law, stage) else { return Vec::new() };
    let validator =
        match jsonschema::options().should_validate_formats(true).build(&schema) {
            Ok(validator) => validator,
            Err(error) => return vec![format!("the form of the pack is not sound: {error}")],
        };
    validator
        .iter_errors(form)
        .map(|error| match error.instance_path().to_string() {
            path if path.is_empty() => error.to_string(),
            path => format!("{path}: {error}"),
        })
        .collect()
}

fn fill(law: &Law, schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => match fields.get("$parameter").and_then(Value::as_str) {
            Some(name) => law.parameter(name).map_or(Value::Array(Vec::new()), |parameter| {
                let ids = parameter.ids();
                if ids.is_empty() {
                    parameter.value.clone()
                } else {
                    ids.into_iter().map(Value::from).collect()
                }
            }),
            None => Value::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), fill(law, value)))
                    .collect::<Map<_, _>>(),
            ),
        },
        Value::Array(items) => items.iter().map(|item| fill(law, item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    }
}
