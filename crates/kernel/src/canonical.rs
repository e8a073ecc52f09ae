//! One text for one JSON value, so that equal values have equal digests.

use serde_json::Value;

/// `value` with object keys in byte order and no white space.
///
/// Numbers and strings are written as `serde_json` writes them. Two values that compare equal
/// give the same text, whatever order their keys came in.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            text.push('{');
            for (position, key) in keys.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                if let Some(field) = fields.get(key) {
                    write(field, text);
                }
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_show() {
        let (a, b) = (
            json!({"b": [1, {"d": 1, "c": "\n"}], "a": null}),
            json!({"a": null, "b": [1, {"c": "\n", "d": 1}]}),
        );
        assert_eq!(canonical_json(&a), canonical_json(&b));
        assert_eq!(canonical_json(&a), r#"{"a":null,"b":[1,{"c":"\n","d":1}]}"#);
    }
}
