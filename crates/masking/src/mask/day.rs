//! Days and instants: made coarser, or shifted for each subject by a distance of its own.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Date32Array, PrimitiveArray, StringArray,
        TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType},
};
use chrono::{DateTime, Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{MaskingError, Tokens};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// What becomes of a day or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "days", rename_all = "snake_case")]
pub enum Days {
    /// The first of its month.
    Month,
    /// The first of its year.
    Year,
    /// The first of the first of so many years, counted from year nought.
    Years {
        /// How many years become one.
        span: u16,
    },
    /// Moved by up to so many days, for all days of one subject by the same: how long lies
    /// between them remains. At least one day.
    Shifted {
        /// The most days, in either direction.
        most: u16,
    },
}

impl Days {
    pub(super) fn words(self) -> String {
        match self {
            Self::Month => "moved to the first of the month".to_owned(),
            Self::Year => "moved to the first of the year".to_owned(),
            Self::Years { span } => format!("moved to the first of {span} years"),
            Self::Shifted { most } => {
                format!("moved by up to {most} days, all of one subject by the same")
            }
        }
    }
}

/// Days and instants made coarser.
pub(super) fn coarsen(
    array: &ArrayRef,
    days: Days,
    column: &str,
) -> Result<ArrayRef, MaskingError> {
    if matches!(days, Days::Years { span: 0 }) {
        let reason = "a span of years is at least one";
        return Err(MaskingError::Parameter { column: column.to_owned(), reason });
    }
    each(array, column, |_, day| first(day, days))
}

/// Days and instants moved by a keyed distance that is the subject's.
pub(super) fn shift(
    array: &ArrayRef,
    subject: &StringArray,
    most: u16,
    tokens: &Tokens,
    column: &str,
) -> Result<ArrayRef, MaskingError> {
    if most == 0 {
        let reason = "a shift is at least one day";
        return Err(MaskingError::Parameter { column: column.to_owned(), reason });
    }
    if subject.len() != array.len() {
        return Err(MaskingError::Length);
    }
    each(array, column, |row, day| {
        if subject.is_null(row) {
            return None;
        }
        let mut draws = tokens.of(subject.value(row).as_bytes()).draws();
        let distance = 1 + i32::try_from(draws.below(u64::from(most))).unwrap_or(0);
        day.checked_add(if draws.more(2) == 0 { distance } else { -distance })
    })
}

/// Every day, counted from 1970, becomes what `of` makes of it; an instant keeps its time of
/// day only if it was shifted, else it is the beginning of the day.
fn each(
    array: &ArrayRef,
    column: &str,
    of: impl Fn(usize, i32) -> Option<i32>,
) -> Result<ArrayRef, MaskingError> {
    let wrong = || MaskingError::WrongType {
        column: column.to_owned(),
        found: array.data_type().to_string(),
        wanted: "a day",
    };
    let rows = |row: usize, value: Option<i32>| value.and_then(|day| of(row, day));
    match array.data_type() {
        DataType::Date32 => {
            let from: &Date32Array = array.as_primitive::<Date32Type>();
            let to: Date32Array =
                from.iter().enumerate().map(|(row, value)| rows(row, value)).collect();
            Ok(Arc::new(to))
        }
        DataType::Date64 | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            let days = cast(array, &DataType::Date32).map_err(|_| wrong())?;
            each(&days, column, of)
        }
        DataType::Timestamp(_, zone) => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let micros = cast(array, &kind).map_err(|_| wrong())?;
            let from: &TimestampMicrosecondArray =
                micros.as_primitive::<TimestampMicrosecondType>();
            let to: PrimitiveArray<TimestampMicrosecondType> = from
                .iter()
                .enumerate()
                .map(|(row, value)| {
                    let day =
                        value.and_then(|value| i32::try_from(value.div_euclid(MICROS_A_DAY)).ok());
                    rows(row, day).map(|day| i64::from(day) * MICROS_A_DAY)
                })
                .collect();
            Ok(Arc::new(to.with_timezone_opt(zone.clone())))
        }
        _other => Err(wrong()),
    }
}

fn first(day: i32, days: Days) -> Option<i32> {
    let date = DateTime::from_timestamp(i64::from(day) * 86_400, 0)?.date_naive();
    let first = match days {
        Days::Month => date.with_day(1)?,
        Days::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
        Days::Years { span } => {
            let span = i32::from(span);
            NaiveDate::from_ymd_opt(date.year().div_euclid(span) * span, 1, 1)?
        }
        Days::Shifted { .. } => return None,
    };
    let distance = first.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(distance).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, MaskingKey, Scope};

    fn days(texts: &[&str]) -> ArrayRef {
        cast(&(Arc::new(StringArray::from(texts.to_vec())) as ArrayRef), &DataType::Date32).unwrap()
    }

    #[test]
    fn days_are_made_coarser() {
        let from = days(&["1987-11-23", "1969-02-28", "2000-01-01"]);
        for (mask, expected) in [
            (Days::Month, ["1987-11-01", "1969-02-01", "2000-01-01"]),
            (Days::Year, ["1987-01-01", "1969-01-01", "2000-01-01"]),
            (Days::Years { span: 10 }, ["1980-01-01", "1960-01-01", "2000-01-01"]),
        ] {
            assert_eq!(&coarsen(&from, mask, "born").unwrap(), &days(&expected), "{mask:?}");
        }
        assert!(coarsen(&from, Days::Years { span: 0 }, "born").is_err());
        let numbers: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![1]));
        assert!(coarsen(&numbers, Days::Year, "born").is_err());
    }

    #[test]
    fn an_instant_loses_its_time_of_day() {
        let kind = DataType::Timestamp(TimeUnit::Microsecond, None);
        let at =
            |text| cast(&(Arc::new(StringArray::from(vec![text])) as ArrayRef), &kind).unwrap();
        let it = coarsen(&at("1969-12-31T23:59:59.5"), Days::Month, "at").unwrap();
        assert_eq!(&it, &at("1969-12-01T00:00:00"));
    }

    #[test]
    fn all_days_of_one_subject_move_by_the_same_and_never_by_nothing() {
        let key = MaskingKey::derive(b"s", Scope { agreement: "a", family: "f" });
        let subjects: Vec<String> = (0..500).map(|row| format!("s{}", row / 2)).collect();
        let subjects = StringArray::from(subjects);
        let from: ArrayRef = Arc::new(Date32Array::from_iter_values((0..500).map(|row| row * 3)));
        let it = shift(&from, &subjects, 30, &key.tokens(Kind::Day), "on").unwrap();
        let moved: Vec<i32> = it
            .as_primitive::<Date32Type>()
            .values()
            .iter()
            .zip(from.as_primitive::<Date32Type>().values())
            .map(|(to, from)| to - from)
            .collect();
        assert!(moved.iter().all(|by| *by != 0 && by.abs() <= 30));
        assert!(moved.chunks(2).all(|two| two[0] == two[1]));
        assert!(moved.iter().collect::<std::collections::HashSet<_>>().len() > 40);
        let unknown = StringArray::from(vec![None::<&str>; 500]);
        let it = shift(&from, &unknown, 30, &key.tokens(Kind::Day), "on").unwrap();
        assert_eq!(it.null_count(), 500, "a day of nobody known is not shown");
    }
}
