//! What `datasets.toml` says of the tables.

use std::io;

use serde::Serialize;

use crate::Table;

/// A title in two languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Title {
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// The declaration of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// The file's name.
    pub file: &'static str,
    /// The table's name.
    pub name: &'static str,
    /// What it is called.
    pub title: Title,
    /// The agency that holds it.
    pub provider: &'static str,
    /// The column that says whom a row concerns, if it concerns anyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_key: Option<&'static str>,
    /// `person`, `enterprise` or `none`.
    pub subject_kind: &'static str,
    /// From 1 to 4.
    pub level: u8,
    /// `unconditional`, `conditional` or `not_shared`.
    pub sharing: &'static str,
    /// `unconditional`, `conditional` or `not_opened`.
    pub opening: &'static str,
    /// How often it is brought up to date.
    pub update_cycle: &'static str,
    /// The columns, in their order.
    #[serde(rename = "field")]
    pub fields: &'static [DatasetField],
}

/// The declaration of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DatasetField {
    /// Its name, as in the header.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `identifier`, `dimension`, `measure` or `text`.
    pub role: &'static str,
    /// Whether a row without it is refused.
    pub required: bool,
    /// How many decimals it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u8>,
}

impl DatasetField {
    pub(crate) const fn new(
        name: &'static str,
        title: &'static str,
        kind: &'static str,
        role: &'static str,
    ) -> Self {
        Self { name, title, kind, role, required: true, scale: None }
    }

    pub(crate) const fn yuan(name: &'static str, title: &'static str) -> Self {
        Self { scale: Some(2), ..Self::new(name, title, "decimal", "measure") }
    }

    pub(crate) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

/// The column that marks every row.
pub(crate) const MARK: DatasetField =
    DatasetField::new("synthetic", "合成数据标记", "text", "dimension");

/// What stands in it.
pub(crate) const SYNTHETIC: &str = "SYNTHETIC";

/// The text of `datasets.toml`.
pub fn declarations() -> io::Result<String> {
    #[derive(Serialize)]
    struct File {
        dataset: Vec<Dataset>,
    }
    let dataset = Table::ALL.into_iter().map(Table::dataset).collect();
    toml::to_string(&File { dataset }).map_err(io::Error::other)
}
