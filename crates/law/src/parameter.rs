//! The figures and lists that a regulation sets.

use serde::{Deserialize, Serialize};

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The regulation states it.
    Text,
    /// Chosen where the regulation gives none; the city may change it.
    Default,
    /// Another instrument that the regulation refers to; to be confirmed against it.
    External,
}

/// A value that the law sets: a number, a choice, a list of named entries, a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The value. Lists of named entries hold objects with an `id` and the city's words, `zh`.
    pub value: serde_json::Value,
    /// The article that sets it, as the regulation counts.
    pub article: String,
    /// Where it comes from.
    pub source: Source,
}

impl Parameter {
    /// The value as a whole number.
    pub fn integer(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// The value as a text.
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The ids of a list: of its entries, or the entries themselves where they are texts.
    pub fn ids(&self) -> Vec<&str> {
        self.value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                entry.as_str().or_else(|| entry.get("id").and_then(serde_json::Value::as_str))
            })
            .collect()
    }

    /// A field of a table.
    pub fn field(&self, name: &str) -> Option<&serde_json::Value> {
        self.value.get(name)
    }
}
