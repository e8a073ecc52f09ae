//! Columns under construction: plain buffers that can take back a row.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal64Array, Int64Array,
        TimestampMicrosecondArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType, Field, Schema},
};
use shuyu_kernel::identifier;

use crate::{DECIMAL_PRECISION, FieldSpec, FieldType, Result, cell, profile::Counts};

/// The buffers of one column.
pub(crate) enum Values {
    Text { ends: Vec<i32>, bytes: Vec<u8> },
    Long(Vec<i64>),
    Decimal(Vec<i64>),
    Day(Vec<i32>),
    Flag(Vec<bool>),
}

/// A column of one block.
pub(crate) struct Column {
    kind: FieldType,
    scale: u8,
    required: bool,
    values: Values,
    valid: Vec<bool>,
    nulls: usize,
    /// Decimals rounded away.
    pub(crate) rounded: u64,
}

/// The columns of a schema as they are built: texts as bytes, because they are cut from text that
/// has been found good as a whole, and decimals in 64 bits, which all of them fit into.
pub(crate) fn stored(schema: &Schema) -> Schema {
    let column = |field: &Arc<Field>| {
        let kind = match field.data_type() {
            DataType::Utf8 => DataType::Binary,
            DataType::Decimal128(precision, scale) => DataType::Decimal64(*precision, *scale),
            other => other.clone(),
        };
        Field::new(field.name(), kind, field.is_nullable())
    };
    Schema::new(schema.fields().iter().map(column).collect::<Vec<_>>())
}

/// The rule of a missing value in a required field.
pub(crate) const REQUIRED: &str = "required";

impl Column {
    pub(crate) fn new(field: &FieldSpec, rows: usize) -> Self {
        let values = match field.kind {
            FieldType::Integer | FieldType::Timestamp => Values::Long(Vec::with_capacity(rows)),
            FieldType::Decimal => Values::Decimal(Vec::with_capacity(rows)),
            FieldType::Date => Values::Day(Vec::with_capacity(rows)),
            FieldType::Boolean => Values::Flag(Vec::with_capacity(rows)),
            FieldType::Text
            | FieldType::ResidentId
            | FieldType::CreditCode
            | FieldType::RegistrationNumber
            | FieldType::Mobile
            | FieldType::Division => {
                let mut ends = Vec::with_capacity(rows + 1);
                ends.push(0);
                Values::Text { ends, bytes: Vec::with_capacity(rows * 16) }
            }
        };
        Self {
            kind: field.kind,
            scale: field.scale.unwrap_or(2),
            required: field.required,
            values,
            valid: Vec::with_capacity(rows),
            nulls: 0,
            rounded: 0,
        }
    }

    /// Appends a cell; true if it held a value.
    ///
    /// # Errors
    ///
    /// The name of the rule that it breaks; nothing is appended then.
    pub(crate) fn push(&mut self, cell: &[u8]) -> Result<bool, &'static str> {
        if cell::is_missing(cell) {
            if self.required {
                return Err(REQUIRED);
            }
            self.push_null();
            return Ok(false);
        }
        let broken = match self.kind {
            FieldType::ResidentId => !identifier::is_resident_id(cell),
            FieldType::CreditCode => !identifier::is_credit_code(cell),
            FieldType::RegistrationNumber => !identifier::is_registration_number(cell),
            FieldType::Mobile => !identifier::is_mobile(cell),
            FieldType::Division => !identifier::is_division_code(cell),
            FieldType::Text
            | FieldType::Integer
            | FieldType::Decimal
            | FieldType::Date
            | FieldType::Timestamp
            | FieldType::Boolean => false,
        };
        if broken {
            return Err(self.kind.name());
        }
        match &mut self.values {
            Values::Text { ends, bytes } => {
                bytes.extend_from_slice(cell);
                ends.push(i32::try_from(bytes.len()).map_err(|_| "text")?);
            }
            Values::Long(values) => values.push(
                if self.kind == FieldType::Integer {
                    cell::integer(cell)
                } else {
                    cell::timestamp(cell)
                }
                .ok_or(self.kind.name())?,
            ),
            Values::Decimal(values) => {
                let (value, lost) = cell::decimal(cell, self.scale).ok_or("decimal")?;
                self.rounded += u64::from(lost);
                values.push(value);
            }
            Values::Day(values) => values.push(cell::date(cell).ok_or("date")?),
            Values::Flag(values) => values.push(cell::boolean(cell).ok_or("boolean")?),
        }
        self.valid.push(true);
        Ok(true)
    }

    fn push_null(&mut self) {
        match &mut self.values {
            Values::Text { ends, .. } => ends.push(ends.last().copied().unwrap_or(0)),
            Values::Long(values) | Values::Decimal(values) => values.push(0),
            Values::Day(values) => values.push(0),
            Values::Flag(values) => values.push(false),
        }
        self.valid.push(false);
        self.nulls += 1;
    }

    /// Takes back what was appended beyond `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.nulls -= self.valid.iter().skip(rows).filter(|valid| !**valid).count();
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Text { ends, bytes } => {
                ends.truncate(rows + 1);
                let end = ends.last().copied().unwrap_or(0);
                bytes.truncate(usize::try_from(end).unwrap_or(0));
            }
            Values::Long(values) | Values::Decimal(values) => values.truncate(rows),
            Values::Day(values) => values.truncate(rows),
            Values::Flag(values) => values.truncate(rows),
        }
    }

    /// Counts the values.
    pub(crate) fn count(&self, counts: &mut Counts) {
        match &self.values {
            Values::Text { ends, bytes } => {
                let mut start = 0;
                for (end, valid) in ends.iter().skip(1).zip(&self.valid) {
                    let end = usize::try_from(*end).unwrap_or(start);
                    if *valid {
                        counts.add(bytes.get(start..end).unwrap_or_default());
                    }
                    start = end;
                }
            }
            Values::Long(values) if self.kind == FieldType::Timestamp => {
                self.count_numbers(values, counts, cell::timestamp_text);
            }
            Values::Long(values) => self.count_numbers(values, counts, |value| value.to_string()),
            Values::Decimal(values) => {
                self.count_numbers(values, counts, |value| cell::decimal_text(value, self.scale));
            }
            Values::Day(values) => self.count_numbers(values, counts, cell::date_text),
            Values::Flag(values) => {
                self.count_numbers(values, counts, |value| (value == 1).to_string());
            }
        }
    }

    fn count_numbers<T: Copy + Into<i64>>(
        &self,
        values: &[T],
        counts: &mut Counts,
        text: impl Fn(i64) -> String,
    ) {
        for (value, _) in values.iter().zip(&self.valid).filter(|(_, valid)| **valid) {
            let value = (*value).into();
            counts.add_number(value, || text(value));
        }
    }

    /// How many values are missing.
    pub(crate) fn nulls(&self) -> usize {
        self.nulls
    }

    /// The latest day, in a column of days.
    pub(crate) fn latest(&self) -> Option<i32> {
        match &self.values {
            Values::Day(values) => values
                .iter()
                .zip(&self.valid)
                .filter(|(_, valid)| **valid)
                .map(|(day, _)| *day)
                .max(),
            Values::Text { .. } | Values::Long(_) | Values::Decimal(_) | Values::Flag(_) => None,
        }
    }

    /// The column in the type that [`stored`] gives it.
    pub(crate) fn finish(self) -> Result<ArrayRef> {
        let nulls = (self.nulls > 0).then(|| NullBuffer::from(self.valid));
        Ok(match self.values {
            Values::Text { ends, bytes } => Arc::new(BinaryArray::try_new(
                OffsetBuffer::new(ScalarBuffer::from(ends)),
                Buffer::from_vec(bytes),
                nulls,
            )?),
            Values::Long(values) if self.kind == FieldType::Timestamp => {
                Arc::new(TimestampMicrosecondArray::try_new(values.into(), nulls)?)
            }
            Values::Long(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Values::Decimal(values) => Arc::new(
                Decimal64Array::try_new(values.into(), nulls)?
                    .with_precision_and_scale(DECIMAL_PRECISION, self.scale.cast_signed())?,
            ),
            Values::Day(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::Flag(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
        })
    }
}
