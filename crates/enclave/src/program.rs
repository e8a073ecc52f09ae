//! What a job runs: code and parameters, as they are frozen.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use datafusion::common::{ParamValues, ScalarValue, metadata::ScalarAndMetadata};
use serde::{Deserialize, Serialize};
use shuyu_kernel::ContentHash;
use shuyu_vault::DECIMAL_PRECISION;

use crate::{Objection, rules::JOB_PARAMETERS};

/// A value that is put in for `$name`: a scalar of a declared type, never a piece of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum Parameter {
    /// A text.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A number with decimals, as it is written.
    Decimal(String),
    /// A calendar day.
    Date(NaiveDate),
    /// Yes or no.
    Boolean(bool),
}

/// What a job runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Program {
    /// Statements of SQL: any number of `CREATE TEMPORARY TABLE … AS SELECT …`, then one `SELECT`,
    /// whose rows are the output.
    Sql {
        /// The statements.
        text: String,
        /// What stands for `$name` in them, by name.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        parameters: BTreeMap<String, Parameter>,
    },
    /// A program in Python, which runs in a room without doors.
    Python(Box<Python>),
}

/// A program in Python: it reads each granted table as `/in/<table>.arrow`, and makes one table,
/// `/out/output.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// Its text.
    pub script: String,
    /// What it reads from `/job/parameters.json`.
    #[serde(default)]
    pub parameters: serde_json::Value,
    /// The columns of the table that it makes.
    pub columns: Vec<shuyu_sandbox::Column>,
    /// How many seconds are reserved for it: it takes no more, of time and of processors, its end is
    /// told when they are over, and they are charged, whatever it used. What a program uses can be
    /// made to tell of the data.
    pub seconds: u32,
    /// The interpreter and the packages that it runs with. The platform notes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<ContentHash>,
}

impl Program {
    /// Statements of SQL without parameters.
    pub fn sql(text: impl Into<String>) -> Self {
        Self::Sql { text: text.into(), parameters: BTreeMap::new() }
    }

    /// The code.
    pub fn text(&self) -> &str {
        match self {
            Self::Sql { text, .. } => text,
            Self::Python(python) => &python.script,
        }
    }
}

/// The parameters as the engine takes them.
pub(crate) fn values(parameters: &BTreeMap<String, Parameter>) -> Result<ParamValues, Objection> {
    let bound = parameters.iter().map(|(name, parameter)| {
        let value = scalar(parameter).ok_or_else(|| {
            Objection::new(
                JOB_PARAMETERS,
                format!(
                    "`${name}` is not a number of at most {DECIMAL_PRECISION} digits, written with \
                     a point"
                ),
            )
        })?;
        Ok((name.clone(), ScalarAndMetadata::from(value)))
    });
    Ok(ParamValues::Map(bound.collect::<Result<_, Objection>>()?))
}

fn scalar(parameter: &Parameter) -> Option<ScalarValue> {
    Some(match parameter {
        Parameter::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Parameter::Integer(number) => ScalarValue::Int64(Some(*number)),
        Parameter::Decimal(text) => decimal(text)?,
        Parameter::Date(day) => {
            ScalarValue::try_from_string(day.to_string(), &arrow::datatypes::DataType::Date32)
                .ok()?
        }
        Parameter::Boolean(flag) => ScalarValue::Boolean(Some(*flag)),
    })
}

fn decimal(text: &str) -> Option<ScalarValue> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = whole.len() + part.len();
    let is_number = !whole.is_empty() && [whole, part].concat().bytes().all(|b| b.is_ascii_digit());
    if !is_number || all > usize::from(DECIMAL_PRECISION) {
        return None;
    }
    let number: i128 = format!("{whole}{part}").parse().ok()?;
    let signed = if text.starts_with('-') { -number } else { number };
    let scale = i8::try_from(part.len()).ok()?;
    Some(ScalarValue::Decimal128(Some(signed), DECIMAL_PRECISION, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_digits_and_nothing_else_is_one() {
        let of = |text: &str| scalar(&Parameter::Decimal(text.to_owned()));
        assert_eq!(of("-12.50"), Some(ScalarValue::Decimal128(Some(-1250), DECIMAL_PRECISION, 2)));
        assert_eq!(of("7"), Some(ScalarValue::Decimal128(Some(7), DECIMAL_PRECISION, 0)));
        for wrong in ["", "-", ".5", "1e3", "1 OR 1", "0x1", "1.2.3", "1234567890123456789"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
