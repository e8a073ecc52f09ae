//! The desensitised sample: rows to develop against, that are nobody's.
//!
//! Each column is sampled by itself, so that no row of the sample is a row of the data: what two
//! columns say of the same person is never beside one another. Besides, identifiers become
//! pseudonyms keyed per agreement, numbers are rounded, days are moved to the first of their
//! month, and free text is hidden.

use arrow::{
    array::RecordBatch,
    datatypes::DataType,
    util::display::{ArrayFormatter, FormatOptions},
};
use ring::hmac;
use serde::{Deserialize, Serialize};
use shuyu_kernel::ContentHash;

use crate::Label;

/// The most rows that a sample has.
pub(crate) const MOST_ROWS: usize = 100;
/// The share of the rows that a sample has where the pack sets none, in percent.
const SHARE_PERCENT: u64 = 5;

/// A desensitised sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// How each column was desensitised.
    pub treatment: Vec<String>,
}

/// How many rows a sample of `rows` may have.
pub(crate) fn size(rows: u64, share_percent: Option<u32>) -> usize {
    let share = share_percent.map_or(SHARE_PERCENT, u64::from);
    let allowed = usize::try_from(rows.saturating_mul(share) / 100).unwrap_or(usize::MAX);
    allowed.min(MOST_ROWS)
}

/// Makes a sample of `wanted` rows from `batch`, whose columns bear these labels.
pub(crate) fn make(
    batch: &RecordBatch,
    labels: &[(String, Label)],
    wanted: usize,
    key: &hmac::Key,
) -> Sample {
    let rows = batch.num_rows();
    let mut columns: Vec<Vec<String>> = Vec::new();
    let mut sample = Sample { columns: Vec::new(), rows: Vec::new(), treatment: Vec::new() };
    for (position, (name, label)) in labels.iter().enumerate() {
        let Some(array) = batch.column_by_name(name) else { continue };
        let options = FormatOptions::default();
        let Ok(formatter) = ArrayFormatter::try_new(array, &options) else { continue };
        let treatment = Treatment::of(label, array.data_type());
        // An order of its own for every column, which depends on the key and on no value.
        let mut order: Vec<(ContentHash, usize)> =
            (0..rows).map(|row| (keyed(key, &format!("{position}/{name}/{row}")), row)).collect();
        order.sort_unstable();
        columns.push(
            order
                .iter()
                .take(wanted)
                .map(|(_, row)| treatment.apply(&formatter.value(*row).to_string(), key))
                .collect(),
        );
        sample.columns.push(name.clone());
        sample.treatment.push(treatment.name().to_owned());
    }
    let length = columns.iter().map(Vec::len).min().unwrap_or(0);
    sample.rows = (0..length)
        .map(|row| columns.iter().filter_map(|column| column.get(row).cloned()).collect())
        .collect();
    sample
}

fn keyed(key: &hmac::Key, text: &str) -> ContentHash {
    ContentHash::of(hmac::sign(key, text.as_bytes()).as_ref())
}

/// What is done to the values of a column.
enum Treatment {
    Pseudonym,
    Rounded,
    Month,
    Kept,
    Hidden,
}

impl Treatment {
    fn of(label: &Label, kind: &DataType) -> Self {
        match (label, kind) {
            (Label::Join | Label::Blocked, _) => Self::Pseudonym,
            (_, DataType::Date32 | DataType::Timestamp(..)) => Self::Month,
            (Label::Measure { .. }, _) => Self::Rounded,
            (Label::Dimension { .. }, kind) if kind.is_numeric() => Self::Rounded,
            (Label::Dimension { .. }, DataType::Utf8 | DataType::Utf8View | DataType::Boolean) => {
                Self::Kept
            }
            (Label::Dimension { .. }, _) => Self::Hidden,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Pseudonym => "keyed pseudonym",
            Self::Rounded => "rounded to one significant digit",
            Self::Month => "moved to the first of the month",
            Self::Kept => "values of the column in another order",
            Self::Hidden => "hidden",
        }
    }

    fn apply(&self, value: &str, key: &hmac::Key) -> String {
        match self {
            Self::Pseudonym => format!("p-{}", keyed(key, value).short()),
            Self::Rounded => rounded(value),
            Self::Month => match value.get(..7) {
                Some(month) => format!("{month}-01"),
                None => String::new(),
            },
            Self::Kept => value.to_owned(),
            Self::Hidden => "…".to_owned(),
        }
    }
}

/// A number with all digits but the first made zero.
fn rounded(value: &str) -> String {
    let whole = value.split('.').next().unwrap_or_default();
    let mut seen = false;
    whole
        .chars()
        .map(|digit| match digit {
            '1'..='9' if seen => '0',
            '1'..='9' => {
                seen = true;
                digit
            }
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn no_row_of_a_sample_is_a_row_of_the_data_and_no_identifier_is_in_it() {
        let ids: Vec<String> = (0..200).map(|n| format!("id-{n:03}")).collect();
        let areas: Vec<String> = (0..200).map(|n| format!("area {n:03}")).collect();
        let incomes: Vec<i64> = (0..200).map(|n| 10_000 + n * 37).collect();
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(StringArray::from(ids.clone())) as _),
            ("area", Arc::new(StringArray::from(areas.clone())) as _),
            ("income", Arc::new(Int64Array::from(incomes)) as _),
        ])
        .expect("a batch");
        let labels = [
            ("id".to_owned(), Label::Join),
            ("area".to_owned(), Label::dimension()),
            ("income".to_owned(), Label::measure()),
        ];
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"agreement");
        let sample = make(&batch, &labels, 50, &key);
        assert_eq!(sample.rows.len(), 50);
        assert_eq!(sample, make(&batch, &labels, 50, &key), "the same key gives the same sample");
        assert!(sample.rows.iter().all(|row| !ids.contains(&row[0]) && row[2] == "10000"));
        let other = make(&batch, &labels, 50, &hmac::Key::new(hmac::HMAC_SHA256, b"other"));
        assert_ne!(sample.rows[0][0], other.rows[0][0], "pseudonyms are of one agreement");
    }

    #[test]
    fn a_sample_is_no_larger_than_the_pack_allows() {
        assert_eq!(size(1_000, Some(10)), 100);
        assert_eq!(size(50, Some(10)), 5);
        assert_eq!(size(1_000_000, None), MOST_ROWS);
    }
}
