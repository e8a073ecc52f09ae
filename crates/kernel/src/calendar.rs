//! Calendar days of the place where the law applies: months, and working days.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Offset, TimeZone, Utc, Weekday};
use serde::{Deserialize, Serialize};

/// Working days: Monday to Friday, less holidays, plus days made up on a weekend.
///
/// The days of rest and of make-up work of each year are official notices, so they come from
/// the pack; a year without a notice has plain weekends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Days of rest that are not a weekend.
    #[serde(default)]
    pub holidays: BTreeSet<NaiveDate>,
    /// Weekend days on which work is made up.
    #[serde(default)]
    pub workdays: BTreeSet<NaiveDate>,
}

/// Why a day cannot be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the day lies outside the calendar that can be computed")]
pub struct CalendarError;

impl Calendar {
    /// Whether work is done on `day`.
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        self.workdays.contains(&day) || (!weekend && !self.holidays.contains(&day))
    }

    /// The last day of a period of `count` working days that begins the day after `from`.
    pub fn add_working_days(
        &self,
        from: NaiveDate,
        count: u32,
    ) -> Result<NaiveDate, CalendarError> {
        let (mut day, mut left) = (from, count);
        while left > 0 {
            day = day.checked_add_days(Days::new(1)).ok_or(CalendarError)?;
            if self.is_working_day(day) {
                left -= 1;
            }
        }
        Ok(day)
    }
}

/// `day` moved by `months`, back if negative; the end of a short month stands in for a day
/// that it does not have.
pub fn add_months(day: NaiveDate, months: i32) -> Result<NaiveDate, CalendarError> {
    let step = Months::new(months.unsigned_abs());
    if months < 0 { day.checked_sub_months(step) } else { day.checked_add_months(step) }
        .ok_or(CalendarError)
}

/// The calendar day at `at` in a zone `offset_hours` east of Greenwich.
pub fn local_date(at: DateTime<Utc>, offset_hours: i32) -> NaiveDate {
    let zone = chrono::FixedOffset::east_opt(offset_hours * 3600).unwrap_or(Utc.fix());
    zone.from_utc_datetime(&at.naive_utc()).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn working_days_pass_over_weekends_and_holidays_and_count_made_up_days() {
        let calendar = Calendar {
            holidays: [
                day("2024-10-01"),
                day("2024-10-02"),
                day("2024-10-03"),
                day("2024-10-04"),
                day("2024-10-07"),
            ]
            .into(),
            workdays: [day("2024-09-29"), day("2024-10-12")].into(),
        };
        let check = |from: &str, count, expected: &str| {
            assert_eq!(
                calendar.add_working_days(day(from), count),
                Ok(day(expected)),
                "{from} + {count}"
            );
        };
        check("2024-09-27", 0, "2024-09-27");
        check("2024-09-27", 1, "2024-09-29");
        check("2024-09-30", 1, "2024-10-08");
        check("2024-10-11", 1, "2024-10-12");
        check("2024-10-12", 1, "2024-10-14");
    }

    #[test]
    fn months_end_with_the_shorter_month() {
        assert_eq!(add_months(day("2024-08-31"), -6), Ok(day("2024-02-29")));
        assert_eq!(add_months(day("2023-01-31"), 1), Ok(day("2023-02-28")));
        assert_eq!(add_months(day("2026-01-14"), -3), Ok(day("2025-10-14")));
    }

    #[test]
    fn the_local_day_begins_before_that_of_greenwich() {
        let at = "2024-03-01T16:00:00Z".parse().expect("an instant");
        assert_eq!(local_date(at, 8), day("2024-03-02"));
    }
}
