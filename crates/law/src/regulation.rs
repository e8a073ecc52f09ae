//! What a regulation is called, who issued it, from when to when it applies, and how the city
//! is made up: its terms, its roles, its calendar.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Deserializer, Serialize};
use shuyu_kernel::Calendar;

use crate::Text;

/// Whether a regulation applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Put out for comment; runs in trial mode only.
    Draft,
    /// Applies.
    InForce,
}

/// The instrument that a pack writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulation {
    /// The pack's id, which is also the name of its folder.
    pub id: String,
    /// What it is called.
    pub title: Text,
    /// Who issued it.
    pub issuer: String,
    /// Its number, or nothing.
    #[serde(default)]
    pub document_no: String,
    /// The day of its publication, where it is stated.
    #[serde(default, deserialize_with = "stated")]
    pub published: Option<NaiveDate>,
    /// The first day on which it applies, where it is stated.
    #[serde(default, deserialize_with = "stated")]
    pub effective: Option<NaiveDate>,
    /// The last day on which it applies, where it is stated.
    #[serde(default, deserialize_with = "stated")]
    pub expires: Option<NaiveDate>,
    /// Whether it applies.
    pub status: Status,
    /// What else there is to know of it.
    #[serde(default)]
    pub note: String,
    /// Hours east of Greenwich of the place where it applies; a city may leave it to the baseline.
    #[serde(default)]
    pub utc_offset_hours: Option<i32>,
}

/// The file `pack.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) pack: Regulation,
    #[serde(default)]
    pub(crate) terms: BTreeMap<String, Text>,
    #[serde(default)]
    pub(crate) roles: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) calendar: Calendar,
}

/// A day, or an empty text where the regulation states none.
fn stated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a day like 2024-01-31")))
}
