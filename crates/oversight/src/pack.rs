//! What this room reads from a pack.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveTime, Utc};
use serde_json::Value;
use shuyu_law::{Law, Parameter};

/// The ids of a list, where the pack has the list.
pub(crate) fn ids<'a>(law: &'a Law, name: &str) -> Option<Vec<&'a str>> {
    law.parameter(name).map(Parameter::ids)
}

/// A whole number of zero or more, where the pack sets it.
pub(crate) fn count(law: &Law, name: &str) -> Option<u32> {
    law.integer(name).and_then(|number| u32::try_from(number).ok())
}

/// The entries of a list.
pub(crate) fn entries<'a>(law: &'a Law, name: &str) -> impl Iterator<Item = &'a Value> {
    law.parameter(name).and_then(|parameter| parameter.value.as_array()).into_iter().flatten()
}

/// The whole numbers of a list.
pub(crate) fn numbers(law: &Law, name: &str) -> Option<Vec<i64>> {
    law.parameter(name)
        .and_then(|parameter| parameter.value.as_array())
        .map(|list| list.iter().filter_map(Value::as_i64).collect())
}

/// The instant at which `day` ends where the law applies.
pub(crate) fn end_of(law: &Law, day: NaiveDate) -> DateTime<Utc> {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    next.and_time(NaiveTime::MIN).and_utc() - Duration::hours(i64::from(law.utc_offset_hours))
}

/// `day` and `count` working days, as the city counts them.
pub(crate) fn after_working_days(law: &Law, day: NaiveDate, count: u32) -> NaiveDate {
    law.calendar.add_working_days(day, count).unwrap_or(NaiveDate::MAX)
}

/// `day` and `count` days.
pub(crate) fn after_days(day: NaiveDate, count: u32) -> NaiveDate {
    day.checked_add_days(Days::new(u64::from(count))).unwrap_or(NaiveDate::MAX)
}
