//! Columns of a table with the levels that their type suggests.

use std::{collections::HashMap, hash::Hash};

use arrow::{
    array::{ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Date32Type, Int64Type},
};

use crate::{
    ABSENT, ANY, Column, Hierarchy, MaskingError,
    hierarchy::{days, prefixes, ranges},
    mask,
};

/// How the values of a column become coarser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ladder {
    /// Shown or not.
    Shown,
    /// Codes by their first signs, from many to few, such as division codes by 4 and 2.
    Prefixes(Vec<usize>),
    /// Whole numbers by ranges, each of which is a multiple of the one before.
    Ranges(Vec<i64>),
    /// Days and instants by day, month, year and ten years.
    Days,
}

impl Ladder {
    /// The ladder of a type: days by the calendar, whole numbers by ranges of 5, 10, 50 and so
    /// on up to a quarter of what they span, all else shown or not.
    pub fn of(array: &ArrayRef) -> Self {
        match array.data_type() {
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Days,
            kind if kind.is_integer() => {
                let Ok(numbers) = cast(array, &DataType::Int64) else { return Self::Shown };
                let numbers = numbers.as_primitive::<Int64Type>();
                let least = arrow::compute::min(numbers).unwrap_or(0);
                let most = arrow::compute::max(numbers).unwrap_or(0);
                Self::Ranges(widths(most.saturating_sub(least) / 4))
            }
            _other => Self::Shown,
        }
    }
}

/// 5, 10, 50, 100 and so on; of more than five, those that are greatest.
fn widths(most: i64) -> Vec<i64> {
    let mut widths = Vec::new();
    let mut width = 5_i64;
    while width <= most {
        widths.push(width);
        match width.checked_mul(if widths.len() % 2 == 1 { 2 } else { 5 }) {
            Some(next) => width = next,
            None => break,
        }
    }
    widths.split_off(widths.len().saturating_sub(5))
}

impl Column {
    /// A column of a table, coded, with a ladder over the values that it has. What has no value
    /// is [`ABSENT`], a value like any other.
    ///
    /// # Errors
    ///
    /// The column is of a type that the ladder does not know.
    pub fn of(name: &str, array: &ArrayRef, ladder: &Ladder) -> Result<Self, MaskingError> {
        let wrong = |wanted| MaskingError::WrongType {
            column: name.to_owned(),
            found: array.data_type().to_string(),
            wanted,
        };
        match ladder {
            Ladder::Shown | Ladder::Prefixes(_) => {
                let text = mask::as_text(array, name)?;
                let kept = match ladder {
                    Ladder::Prefixes(kept) => kept.as_slice(),
                    Ladder::Shown | Ladder::Ranges(_) | Ladder::Days => &[],
                };
                coded(name, text.iter(), kept.len() + 2, |value| prefixes(value, kept))
            }
            Ladder::Ranges(widths) => {
                if widths.iter().any(|width| *width <= 0) {
                    let reason = "has a width that is not above zero";
                    return Err(MaskingError::Hierarchy { column: name.to_owned(), reason });
                }
                let numbers = cast(array, &DataType::Int64).map_err(|_| wrong("a whole number"))?;
                let numbers = numbers.as_primitive::<Int64Type>();
                coded(name, numbers.iter(), widths.len() + 2, |value| ranges(value, widths))
            }
            Ladder::Days => {
                let days_of = cast(array, &DataType::Date32).map_err(|_| wrong("a day"))?;
                coded(name, days_of.as_primitive::<Date32Type>().iter(), 5, days)
            }
        }
    }
}

fn coded<T: Copy + Eq + Hash>(
    name: &str,
    values: impl Iterator<Item = Option<T>>,
    depth: usize,
    levels: impl Fn(T) -> Vec<String>,
) -> Result<Column, MaskingError> {
    let mut index: HashMap<Option<T>, u32> = HashMap::new();
    let (mut rows, mut codes) = (Vec::new(), Vec::new());
    for value in values {
        let next = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        codes.push(*index.entry(value).or_insert_with(|| {
            rows.push(if let Some(value) = value {
                levels(value)
            } else {
                let absent = std::iter::repeat_n(ABSENT, depth - 1).chain([ANY]);
                absent.map(str::to_owned).collect()
            });
            next
        }));
    }
    if rows.is_empty() {
        // A table without rows has columns all the same.
        rows.push(vec![ANY.to_owned(); depth]);
    }
    Ok(Column { hierarchy: Hierarchy::declared(name, &rows)?, codes })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};

    use super::*;

    fn names(array: &ArrayRef, ladder: &Ladder, level: usize) -> Vec<String> {
        let it = Column::of("x", array, ladder).unwrap();
        let name = |code: &u32| it.hierarchy.at(level, *code).unwrap().1.to_owned();
        it.codes.iter().map(name).collect()
    }

    #[test]
    fn columns_have_the_levels_of_their_type() {
        let codes: ArrayRef =
            Arc::new(StringArray::from(vec![Some("330106"), None, Some("330106")]));
        let by_city = Ladder::Prefixes(vec![4, 2]);
        assert_eq!(names(&codes, &by_city, 1), ["330100", ABSENT, "330100"]);
        assert_eq!(names(&codes, &by_city, 3), [ANY; 3]);
        assert_eq!(Ladder::of(&codes), Ladder::Shown);
        let ages: ArrayRef = Arc::new(Int64Array::from(vec![0, 17, 99]));
        assert_eq!(Ladder::of(&ages), Ladder::Ranges(vec![5, 10]));
        assert_eq!(names(&ages, &Ladder::Ranges(vec![5, 10]), 2), ["0-9", "10-19", "90-99"]);
        let born: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), None]));
        assert_eq!(Ladder::of(&born), Ladder::Days);
        assert_eq!(names(&born, &Ladder::Days, 2), ["1970", ABSENT]);
        let none: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        assert!(names(&none, &Ladder::Ranges(vec![5]), 1).is_empty());
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        assert!(Column::of("x", &text, &Ladder::Ranges(vec![0])).is_err());
        let halves: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
        assert_eq!(names(&halves, &Ladder::Shown, 0), ["0.5"]);
    }

    #[test]
    fn widths_span_what_there_is() {
        assert_eq!(widths(4), Vec::<i64>::new());
        assert_eq!(widths(600), [5, 10, 50, 100, 500]);
        assert_eq!(widths(1_000_000), [10_000, 50_000, 100_000, 500_000, 1_000_000]);
        assert_eq!(widths(i64::MAX).len(), 5);
    }
}
