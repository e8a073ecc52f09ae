//! Forms: what an actor fills in at a stage, by JSON Schema and the keywords of `keyword`.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Serialize;
use serde_json::Value;

use crate::{Law, Parameter, Procedure};

/// What is wrong with a field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormFault {
    /// The field, as a JSON pointer; empty: the form as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why a form cannot be used: the pack's schema is no schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the form of the stage is not a valid JSON Schema: {0}")]
pub struct SchemaError(pub String);

/// The forms of a pack, each compiled when it is first used.
#[derive(Debug, Default)]
pub struct Forms {
    forms: BTreeMap<(String, String), Form>,
}

/// The form of one stage.
#[derive(Debug)]
struct Form {
    schema: Value,
    validator: OnceLock<Result<jsonschema::Validator, SchemaError>>,
}

impl Forms {
    pub(crate) fn prepare(
        procedures: &BTreeMap<String, Procedure>,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Self {
        let mut forms = BTreeMap::new();
        for procedure in procedures.values() {
            for stage in &procedure.stages {
                if let Some(form) = &stage.form {
                    let schema = substitute(form, parameters).unwrap_or(Value::Bool(true));
                    let form = Form { schema, validator: OnceLock::new() };
                    forms.insert((procedure.id.clone(), stage.id.clone()), form);
                }
            }
        }
        Self { forms }
    }

    fn get(&self, procedure: &str, stage: &str) -> Option<&Form> {
        self.forms.get(&(procedure.to_owned(), stage.to_owned()))
    }
}

impl Form {
    fn validator(&self) -> Result<&jsonschema::Validator, SchemaError> {
        self.validator.get_or_init(|| compile(&self.schema)).as_ref().map_err(Clone::clone)
    }
}

/// The schema as a validator, or why it is none.
pub(crate) fn compile(schema: &Value) -> Result<jsonschema::Validator, SchemaError> {
    crate::keyword::build(schema).map_err(SchemaError)
}

/// The parameter that a value of a schema stands for.
pub(crate) fn reference(value: &Value) -> Option<(&str, Option<&str>)> {
    let name = value.get("$parameter")?.as_str()?;
    Some((name, value.get("field").and_then(Value::as_str)))
}

/// `schema` with the values of parameters in place of their names. A keyword or entry whose
/// parameter the city does not set is left out: silence is absence.
pub(crate) fn substitute(
    schema: &Value,
    parameters: &BTreeMap<String, Parameter>,
) -> Option<Value> {
    if let Some((name, field)) = reference(schema) {
        let parameter = parameters.get(name)?;
        return match field {
            Some(field) => parameter.field(field).cloned(),
            None => Some(plain(parameter)),
        };
    }
    Some(match schema {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), substitute(value, parameters)?)))
                .collect(),
        ),
        Value::Array(items) => {
            Value::Array(items.iter().filter_map(|item| substitute(item, parameters)).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema.clone(),
    })
}

/// The value of a parameter; of a list of named entries, their ids.
fn plain(parameter: &Parameter) -> Value {
    match &parameter.value {
        Value::Array(entries) => Value::Array(
            entries.iter().map(|entry| entry.get("id").unwrap_or(entry).clone()).collect(),
        ),
        value => value.clone(),
    }
}

impl Law {
    /// The schema of a stage's form, with the city's figures and lists filled in.
    pub fn form(&self, procedure: &str, stage: &str) -> Option<&Value> {
        self.forms.get(procedure, stage).map(|form| &form.schema)
    }

    /// What is wrong with a form as it was filled in; nothing: it is valid. A stage without a
    /// form accepts whatever is filled in.
    pub fn form_faults(
        &self,
        procedure: &str,
        stage: &str,
        filled_in: &Value,
    ) -> Result<Vec<FormFault>, SchemaError> {
        let Some(form) = self.forms.get(procedure, stage) else { return Ok(Vec::new()) };
        Ok(form
            .validator()?
            .iter_errors(filled_in)
            .map(|error| FormFault {
                path: error.instance_path().to_string(),
                message: error.to_string(),
            })
            .collect())
    }
}
