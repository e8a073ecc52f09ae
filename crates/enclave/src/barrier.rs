//! What stands between a granted table and whoever queries it: which of its rows are there, and
//! what is done to values before an operator's expression meets them.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::{
    common::{Result, ScalarValue, plan_datafusion_err},
    functions::unicode::expr_fn::left,
    logical_expr::{Expr, cast, conditional_expressions::CaseBuilder, ident, lit, when},
};
use serde::{Deserialize, Serialize};
use shuyu_kernel::ScenarioId;

use crate::Band;

/// A coarser form in which the values of a dimension are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "mask", rename_all = "snake_case")]
pub enum Mask {
    /// Of a day, its year.
    Year,
    /// Of a day, its month with the year.
    Month,
    /// Of a code, so many of its first letters: of a division, the division above it.
    Prefix {
        /// How many.
        length: u8,
    },
}

impl Mask {
    /// What is done, in words.
    pub fn name(self) -> String {
        match self {
            Self::Year => "the year".to_owned(),
            Self::Month => "the month".to_owned(),
            Self::Prefix { length } => format!("the first {length} letters"),
        }
    }

    /// How many letters of a value's text are seen.
    fn letters(self) -> i64 {
        match self {
            Self::Year => 4,
            Self::Month => 7,
            Self::Prefix { length } => length.into(),
        }
    }

    fn is_for(self, data_type: &DataType) -> bool {
        match self {
            Self::Year | Self::Month => {
                matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
            }
            Self::Prefix { length } => {
                let is_text =
                    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
                length > 0 && (is_text || data_type.is_integer())
            }
        }
    }
}

/// Which rows of a granted table are there, and how their values are seen. Rows that are not
/// there are in no sample, no question and no job, and no expression of a query meets them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// Only rows whose value of each of these columns, as it lies in the vault, is one of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scope: BTreeMap<String, BTreeSet<String>>,
    /// Only rows of subjects who consent to this scenario, which is the grant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ScenarioId>,
    /// Columns that are seen through a mask.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masks: BTreeMap<String, Mask>,
}

impl Barrier {
    /// Whether it hides nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// A column as it is seen through bands or a mask; none: as it is.
///
/// # Errors
///
/// If a mask or the end of a band is not for values of this type.
pub(crate) fn sight(
    name: &str,
    data_type: &DataType,
    bands: &[Band],
    mask: Option<Mask>,
) -> Result<Option<Expr>> {
    match mask {
        Some(mask) if mask.is_for(data_type) => {
            Ok(Some(left(cast(ident(name), DataType::Utf8), lit(mask.letters()))))
        }
        Some(_) => Err(plan_datafusion_err!("a mask does not fit its column")),
        None => band_of(name, data_type, bands),
    }
}

/// The name of the band in which a value lies; none if it lies in no band.
fn band_of(name: &str, data_type: &DataType, bands: &[Band]) -> Result<Option<Expr>> {
    let bound = |text: &str| -> Result<Expr> {
        Ok(lit(ScalarValue::try_from_string(text.to_owned(), data_type)?))
    };
    let mut cases = None::<CaseBuilder>;
    for band in bands {
        let mut condition = ident(name).is_not_null();
        if let Some(from) = &band.from {
            condition = condition.and(ident(name).gt_eq(bound(from)?));
        }
        if let Some(below) = &band.below {
            condition = condition.and(ident(name).lt(bound(below)?));
        }
        let label = lit(band.label.clone());
        cases = Some(match cases {
            None => when(condition, label),
            Some(mut cases) => cases.when(condition, label),
        });
    }
    cases.map(|cases| cases.end()).transpose()
}
