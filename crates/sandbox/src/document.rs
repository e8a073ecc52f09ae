//! Documents among a program's outputs: JSON, bounded, and written anew.

use serde_json::{Map, Number, Value};

use crate::{
    Fault,
    table::{is_visible, rounded},
};

/// The deepest nesting of a document.
const DEPTH: usize = 16;

/// A JSON document without anything that cannot be seen: texts of at most 200 visible characters,
/// six significant digits of numbers that are not whole, keys in their order, no spaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Value);

impl Document {
    /// The document as JSON.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }

    /// What is in the document.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Reads a file of JSON.
    pub(crate) fn from_json(name: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let read = serde_json::from_slice(bytes).ok();
        let clean = read.and_then(|value| canonical(value, DEPTH));
        clean.map(Self).ok_or_else(|| Fault::Form(name.to_owned()))
    }
}

fn canonical(value: Value, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::Null | Value::Bool(_) => Some(value),
        Value::Number(number) if number.is_f64() => {
            Number::from_f64(rounded(number.as_f64()?)?).map(Value::Number)
        }
        Value::Number(number) => Some(Value::Number(number)),
        Value::String(text) => is_visible(&text).then_some(Value::String(text)),
        Value::Array(values) => {
            let values = values.into_iter().map(|it| canonical(it, depth));
            values.collect::<Option<_>>().map(Value::Array)
        }
        Value::Object(entries) => {
            let mut entries: Vec<(String, Value)> = entries.into_iter().collect();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            let entries = entries
                .into_iter()
                .map(|(key, it)| is_visible(&key).then_some((key, canonical(it, depth)?)));
            entries.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Document;
    use crate::Fault;

    #[test]
    fn a_document_is_read_and_written_anew() {
        let read = |text: &str| Document::from_json("m", text.as_bytes()).map(|it| it.to_json());

        assert_eq!(
            read(r#" {"b": [1.23456789, 12345678, null], "a": "斜率", "b2": true, "a": "x"} "#),
            Ok(r#"{"a":"x","b":[1.23457,12345678,null],"b2":true}"#.to_owned())
        );
        let nested = format!("{}1{}", "[".repeat(16), "]".repeat(16));
        for text in ["", "NaN", "{} {}", "{\"a\u{200b}\":1}", r#"["a\u0000"]"#, nested.as_str()] {
            assert_eq!(read(text), Err(Fault::Form("m".to_owned())), "{text:?}");
        }
    }
}
