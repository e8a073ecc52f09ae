//! A column as a few groups, each of at least k subjects: what distances and synthetic rows are
//! made from, so that neither knows anything that is only somebody's.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Float64Type},
};

use crate::{MaskingError, NOBODY, mask};

/// How many ranges a column of numbers has at most.
const RANGES: usize = 10;

/// The groups of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Groups {
    /// Values that at least k subjects have; no value is one of them.
    Values {
        /// The values, in their order.
        values: Vec<Option<String>>,
    },
    /// Ranges of numbers, days or instants, each with at least k subjects.
    Ranges {
        /// Where each range ends, the last one too; a range has its end, not its beginning. Ends
        /// are rounded, so that they are nobody's number.
        ends: Vec<f64>,
        /// Where the first range begins.
        begin: f64,
        /// Whether at least k subjects have no number; that group comes after the ranges.
        absent: bool,
    },
}

/// For each row whose it is: the subjects told apart, or each row by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a>(pub(crate) Option<&'a [u32]>);

impl Whose<'_> {
    /// The subject of a row, if it has one.
    pub(crate) fn of(self, row: usize) -> Option<u32> {
        match self.0 {
            None => u32::try_from(row).ok(),
            Some(subjects) => subjects.get(row).copied().filter(|it| *it != NOBODY),
        }
    }
}

/// Whether a column is one of numbers, days or instants.
pub(crate) fn is_number(kind: &DataType) -> bool {
    kind.is_numeric() || matches!(kind, DataType::Date32 | DataType::Timestamp(..))
}

/// A column as numbers: days and instants as they are counted from 1970.
pub(crate) fn numbers(array: &ArrayRef, column: &str) -> Result<Vec<Option<f64>>, MaskingError> {
    let wrong = |_| MaskingError::WrongType {
        column: column.to_owned(),
        found: array.data_type().to_string(),
        wanted: "a number",
    };
    let counted = match array.data_type() {
        DataType::Date32 => cast(array, &DataType::Int32).map_err(wrong)?,
        DataType::Timestamp(..) => cast(array, &DataType::Int64).map_err(wrong)?,
        _other => ArrayRef::clone(array),
    };
    let floats = cast(&counted, &DataType::Float64).map_err(wrong)?;
    let floats = floats.as_primitive::<Float64Type>();
    Ok(floats.iter().map(|value| value.filter(|it| it.is_finite())).collect())
}

impl Groups {
    /// The groups of a column of the data.
    pub(crate) fn of(
        array: &ArrayRef,
        column: &str,
        whose: Whose<'_>,
        k: u32,
    ) -> Result<Self, MaskingError> {
        if is_number(array.data_type()) {
            return Ok(Self::ranges(&numbers(array, column)?, whose, k));
        }
        let text = mask::as_text(array, column)?;
        let mut met: BTreeMap<Option<&str>, HashSet<u32>> = BTreeMap::new();
        for (row, value) in text.iter().enumerate() {
            if let Some(subject) = whose.of(row) {
                met.entry(value).or_default().insert(subject);
            }
        }
        let met = met.into_iter().filter(|(_, subjects)| subjects.len() >= k as usize);
        Ok(Self::Values { values: met.map(|(value, _)| value.map(str::to_owned)).collect() })
    }

    fn ranges(numbers: &[Option<f64>], whose: Whose<'_>, k: u32) -> Self {
        let k = k.max(1) as usize;
        let absent: HashSet<u32> = numbers
            .iter()
            .enumerate()
            .filter_map(|(row, value)| whose.of(row).filter(|_| value.is_none()))
            .collect();
        let absent = absent.len() >= k;
        let mut known: Vec<(f64, u32)> = numbers
            .iter()
            .enumerate()
            .filter_map(|(row, value)| value.zip(whose.of(row)))
            .collect();
        known.sort_by(|one, other| one.0.total_cmp(&other.0));
        let each = known.len().div_ceil(RANGES).max(1);
        let (mut ends, mut inside, mut rows) = (Vec::new(), HashSet::new(), 0);
        let mut before = HashSet::new();
        let mut begin = None;
        for (place, (value, subject)) in known.iter().enumerate() {
            before.insert(*subject);
            // The least number that is shown is one that k subjects are not above.
            if begin.is_none() && before.len() >= k {
                begin = Some(rounded(*value));
            }
            inside.insert(*subject);
            rows += 1;
            let is_last_of_its_kind = known.get(place + 1).is_none_or(|next| next.0 > *value);
            let end = rounded(*value);
            if rows >= each
                && inside.len() >= k
                && is_last_of_its_kind
                && ends.last().is_none_or(|last| *last < end)
                && begin.is_some_and(|begin| begin < end)
            {
                ends.push(end);
                inside.clear();
                rows = 0;
            }
        }
        // What is left over at the end is too little for a range: it belongs to the last one,
        // whose end k subjects reach, as the beginning is one that k subjects do not pass.
        match begin {
            Some(begin) if ends.is_empty() && known.len() >= k => {
                Self::Ranges { ends: vec![begin], begin, absent }
            }
            begin => Self::Ranges { ends, begin: begin.unwrap_or(0.0), absent },
        }
    }

    /// How many groups there are, the one of all else not among them.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Values { values } => values.len(),
            Self::Ranges { ends, absent, .. } => ends.len() + usize::from(*absent),
        }
    }

    /// The group of each row; what is in none has the number [`count`](Self::count).
    pub(crate) fn codes(&self, array: &ArrayRef, column: &str) -> Result<Vec<u32>, MaskingError> {
        let none = u32::try_from(self.count()).unwrap_or(u32::MAX);
        match self {
            Self::Values { values } => {
                let index: HashMap<Option<&str>, u32> =
                    values.iter().map(Option::as_deref).zip(0..).collect();
                let text = mask::as_text(array, column)?;
                Ok(text.iter().map(|value| index.get(&value).copied().unwrap_or(none)).collect())
            }
            Self::Ranges { ends, absent, .. } => {
                let last = ends.len().saturating_sub(1);
                let numbers = numbers(array, column)?.into_iter();
                Ok(numbers
                    .map(|value| match value {
                        None if *absent => none - 1,
                        Some(value) if !ends.is_empty() => {
                            let at = ends.partition_point(|end| *end < value).min(last);
                            u32::try_from(at).unwrap_or(none)
                        }
                        _other => none,
                    })
                    .collect())
            }
        }
    }
}

/// What two columns have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The group in either column.
    pub(crate) at: (u32, u32),
    /// How many distinct subjects.
    pub(crate) subjects: usize,
    /// How many rows.
    pub(crate) rows: usize,
}

/// All cells of two columns that some row is in, in their order.
pub(crate) fn cells(one: &[u32], other: &[u32], whose: Whose<'_>) -> Vec<Cell> {
    let mut rows: Vec<(u32, u32, Option<u32>)> = one
        .iter()
        .zip(other)
        .enumerate()
        .map(|(row, (one, other))| (*one, *other, whose.of(row)))
        .collect();
    rows.sort_unstable();
    let cells = rows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter_map(|rows| {
        let first = rows.first()?;
        let subjects = rows
            .chunk_by(|a, b| a.2 == b.2)
            .filter(|own| own.first().is_some_and(|row| row.2.is_some()))
            .count();
        Some(Cell { at: (first.0, first.1), subjects, rows: rows.len() })
    });
    cells.collect()
}

/// To two significant digits.
pub(crate) fn rounded(value: f64) -> f64 {
    mask::significant(value, 2)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn values_and_ranges_have_k_subjects_and_ends_are_nobodys() {
        let text: ArrayRef =
            Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("b"), None, None]));
        let subjects = [1, 2, 3, 4, 4];
        let it = Groups::of(&text, "x", Whose(Some(&subjects)), 2).unwrap();
        assert_eq!(it, Groups::Values { values: vec![Some("a".to_owned())] });
        assert_eq!(it.codes(&text, "x").unwrap(), [0, 0, 1, 1, 1]);

        let incomes: Vec<i64> = (0..1000).map(|n| 10_001 + n * 37).chain([876_543]).collect();
        let array: ArrayRef = Arc::new(Int64Array::from(incomes.clone()));
        let it = Groups::of(&array, "x", Whose(None), 10).unwrap();
        let Groups::Ranges { ends, begin, absent } = &it else { panic!("{it:?}") };
        assert!(ends.len() >= 8 && *ends.last().unwrap() < 50_000.0 && !absent, "{it:?}");
        let told = ends.iter().chain([begin]).map(|end| format!("{end:.0}"));
        let known: Vec<String> = incomes.iter().map(i64::to_string).collect();
        assert!(told.into_iter().all(|end| !known.contains(&end)));
        let codes = it.codes(&array, "x").unwrap();
        for range in 0..ends.len() {
            let inside = codes.iter().filter(|code| **code as usize == range).count();
            assert!(inside >= 10, "{range}: {inside}");
        }
        let few: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        assert_eq!(Groups::of(&few, "x", Whose(None), 10).unwrap().count(), 0);
    }
}
