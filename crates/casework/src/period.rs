//! Periods of the pack, counted from an instant.

use chrono::{DateTime, Days, Duration, NaiveDate, TimeZone, Utc};
use shuyu_kernel::add_months;
use shuyu_law::{Law, Period, PeriodUnit};

/// When `period` that begins at `from` ends: the last instant of its last day, or the instant
/// itself for hours. `None` where the city sets no such period.
pub(crate) fn end_of(law: &Law, period: &Period, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let parameter = law.parameter(&period.parameter)?;
    let figure = match &period.field {
        Some(field) => parameter.field(field)?.as_i64()?,
        None => parameter.integer()?,
    };
    let count = u32::try_from(figure).ok()?;
    let day = law.local_date(from);
    let last = match period.unit {
        PeriodUnit::Hours => return from.checked_add_signed(Duration::try_hours(figure)?),
        PeriodUnit::WorkingDays => law.calendar.add_working_days(day, count).ok()?,
        PeriodUnit::Days => day.checked_add_days(Days::new(u64::from(count)))?,
        PeriodUnit::Months => add_months(day, i32::try_from(figure).ok()?).ok()?,
        PeriodUnit::Years => add_months(day, i32::try_from(figure).ok()?.checked_mul(12)?).ok()?,
    };
    Some(end_of_day(law, last))
}

/// The last second of `day` where the law applies.
pub(crate) fn end_of_day(law: &Law, day: NaiveDate) -> DateTime<Utc> {
    let night = day.and_hms_opt(23, 59, 59).unwrap_or_default();
    Utc.from_utc_datetime(&night) - Duration::hours(i64::from(law.utc_offset_hours))
}
