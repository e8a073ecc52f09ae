//! Masks: what becomes of the values of a column, by what they are.
//!
//! A mask works on whole columns. What has no value has none afterwards either; all else follows
//! from the value, the key and, where days are shifted or amounts blurred, from whose row it is.

mod address;
mod amount;
mod column;
mod day;
mod identity;
mod name;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use serde::{Deserialize, Serialize};

pub use address::Part;
pub(crate) use amount::significant;
pub use amount::{Blur, Bounds, ends};
pub use day::Days;

use crate::{Kind, MaskingError, MaskingKey};

/// What is done to a column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mask", rename_all = "snake_case")]
pub enum Mask {
    /// Nothing. What is generalised to k before may be kept.
    Keep,
    /// Every value becomes `…`, or nothing where the column has no text.
    Hide,
    /// A pseudonym `p-` and 16 signs (80 bits), of any type.
    Pseudonym,
    /// A number of the form of GB 11643 whose division does not exist and whose check character
    /// is wrong: nobody has it, nothing takes it for genuine, and programs can still read it.
    ResidentId,
    /// A code of the form of GB 32100 with the first two signs kept, which say what kind of
    /// organisation it is; its division does not exist and its check character is wrong.
    CreditCode,
    /// Fifteen digits with a wrong check digit (GB/T 36104 and what was before it).
    RegistrationNumber,
    /// Eleven digits of which the first are `12`: no mobile number begins so.
    Mobile,
    /// Another name of the same form and length, out of common signs.
    Name,
    /// The surname, and 某 for each sign of the given name. A rare surname remains rare.
    Surname,
    /// An address up to a part of the country.
    Address {
        /// The finest part that is shown.
        part: Part,
    },
    /// A division code with all digits but the first made zero (GB/T 2260).
    Division {
        /// How many digits are kept: 2 (province), 4 (city) or 6.
        digits: u8,
    },
    /// A day or an instant.
    Date {
        /// What becomes of it.
        days: Days,
    },
    /// An amount.
    Amount {
        /// How exact it remains.
        blur: Blur,
        /// What it is brought within.
        #[serde(default)]
        bounds: Bounds,
    },
}

impl Mask {
    /// What is done, in words for whoever works with the outcome.
    pub fn words(&self) -> String {
        match self {
            Self::Keep => "as it is".to_owned(),
            Self::Hide => "hidden".to_owned(),
            Self::Pseudonym => "keyed pseudonym".to_owned(),
            Self::ResidentId => "keyed pseudonym of the same form, check digit wrong".to_owned(),
            Self::CreditCode => {
                "keyed pseudonym of the same form, kind kept, check digit wrong".to_owned()
            }
            Self::RegistrationNumber => {
                "keyed pseudonym of the same form, check digit wrong".to_owned()
            }
            Self::Mobile => "keyed pseudonym of the same form, not assignable".to_owned(),
            Self::Name => "another name of the same form, keyed".to_owned(),
            Self::Surname => "surname kept, given name hidden".to_owned(),
            Self::Address { part } => format!("cut after the {}", part.words()),
            Self::Division { digits } => format!("cut to {digits} digits"),
            Self::Date { days } => days.words(),
            Self::Amount { blur, bounds } => {
                let bounded = if bounds.is_open() { "" } else { ", within bounds" };
                format!("{}{bounded}", blur.words())
            }
        }
    }
}

/// A column of the outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Treatment {
    /// The column.
    pub column: String,
    /// What is done to it.
    pub mask: Mask,
}

/// What is done to a table. **Deny by default:** a column that no treatment names is not in the
/// outcome.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Masks {
    /// The columns of the outcome, in their order.
    pub treatments: Vec<Treatment>,
    /// The column that says whose a row is, for masks that depend on it. It is in the outcome
    /// only if a treatment names it, too.
    #[serde(default)]
    pub subject: Option<String>,
}

impl Masks {
    /// The desensitised columns of `batch`.
    ///
    /// # Errors
    ///
    /// A column is not there or of a type that its mask does not know; a mask that depends on
    /// the subject has none.
    pub fn apply(
        &self,
        batch: &RecordBatch,
        key: &MaskingKey,
    ) -> Result<RecordBatch, MaskingError> {
        let subject = self.subject.as_deref().map(|name| text_of(batch, name)).transpose()?;
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for treatment in &self.treatments {
            let array = column_of(batch, &treatment.column)?;
            let masked = treatment.apply(array, subject.as_ref(), key)?;
            fields.push(Field::new(&treatment.column, masked.data_type().clone(), true));
            columns.push(masked);
        }
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
            .map_err(|_| MaskingError::Length)
    }
}

impl Treatment {
    fn apply(
        &self,
        array: &ArrayRef,
        subject: Option<&StringArray>,
        key: &MaskingKey,
    ) -> Result<ArrayRef, MaskingError> {
        let name = &self.column;
        let text = || as_text(array, name);
        let of_subject = || {
            subject.ok_or_else(|| MaskingError::Parameter {
                column: name.clone(),
                reason: "a mask that depends on whose a row is needs a subject column",
            })
        };
        match &self.mask {
            Mask::Keep => Ok(Arc::clone(array)),
            Mask::Hide if is_text(array.data_type()) => {
                let hidden = text()?.iter().map(|value| value.map(|_| HIDDEN)).collect();
                Ok(Arc::<StringArray>::new(hidden))
            }
            Mask::Hide => Ok(new_null_array(array.data_type(), array.len())),
            Mask::Pseudonym => identity::pseudonyms(&text()?, &key.tokens(Kind::Other)),
            Mask::ResidentId => identity::residents(&text()?, &key.tokens(Kind::Resident)),
            Mask::CreditCode => identity::credits(&text()?, &key.tokens(Kind::Credit)),
            Mask::RegistrationNumber => {
                identity::registrations(&text()?, &key.tokens(Kind::Registration))
            }
            Mask::Mobile => identity::mobiles(&text()?, &key.tokens(Kind::Mobile)),
            Mask::Name => name::substitutes(&text()?, &key.tokens(Kind::Name)),
            Mask::Surname => name::surnames(&text()?),
            Mask::Address { part } => address::cut(&text()?, *part),
            Mask::Division { digits } => address::divisions(&text()?, *digits, name),
            Mask::Date { days: Days::Shifted { most } } => {
                day::shift(array, of_subject()?, *most, &key.tokens(Kind::Day), name)
            }
            Mask::Date { days } => day::coarsen(array, *days, name),
            Mask::Amount { blur: Blur::Noise { percent }, bounds } => {
                let tokens = key.tokens(Kind::Amount);
                amount::noise(array, of_subject()?, *percent, *bounds, &tokens, name)
            }
            Mask::Amount { blur, bounds } => amount::round(array, *blur, *bounds, name),
        }
    }
}

/// What stands for a text that is not shown.
pub(crate) const HIDDEN: &str = "…";

pub(crate) fn column_of<'a>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a ArrayRef, MaskingError> {
    batch.column_by_name(name).ok_or_else(|| MaskingError::NoColumn(name.to_owned()))
}

/// A column as text, however it lies in memory.
pub(crate) fn text_of(batch: &RecordBatch, name: &str) -> Result<StringArray, MaskingError> {
    as_text(column_of(batch, name)?, name)
}

pub(crate) fn as_text(array: &ArrayRef, name: &str) -> Result<StringArray, MaskingError> {
    let wrong = || MaskingError::WrongType {
        column: name.to_owned(),
        found: array.data_type().to_string(),
        wanted: "text",
    };
    let text = match array.data_type() {
        DataType::Utf8 => Arc::clone(array),
        _other => cast(array, &DataType::Utf8).map_err(|_| wrong())?,
    };
    text.as_any().downcast_ref::<StringArray>().cloned().ok_or_else(wrong)
}

pub(crate) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _other => false,
    }
}
