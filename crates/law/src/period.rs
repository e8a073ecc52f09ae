//! Periods of the law as instants.

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use serde_json::Value;
use shuyu_kernel::{add_months, local_date};

use crate::{Deadline, Law, Period, PeriodUnit, Stage};

/// No period of a regulation is longer; a figure beyond it is a mistake in the pack.
const LONGEST_DAYS: u32 = 200 * 366;

/// Why a period cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The parameter holds something else than a figure.
    #[error("the parameter `{0}` is not a whole number of a length that can be counted")]
    NotAFigure(String),
    /// The end lies outside the calendar.
    #[error("the period of the parameter `{0}` ends outside the calendar")]
    OutsideCalendar(String),
}

impl Law {
    /// The last instant of `period` if it begins at `from`; nothing where the city sets none.
    ///
    /// Working days, days, months and years begin on the day after `from` and end with the last
    /// second of a day where the law applies; the end of a short month stands in for a day that
    /// it does not have. Hours and minutes are counted from the instant. A parameter that is a day
    /// ends with that day, whenever the period began.
    pub fn due(
        &self,
        period: &Period,
        from: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, PeriodError> {
        let outside = || PeriodError::OutsideCalendar(period.parameter.clone());
        if let Some(day) = self.day(period) {
            return self.end_of_day(day).map(Some).ok_or_else(outside);
        }
        let Some(count) = self.figure(period)? else { return Ok(None) };
        let after = |length| from.checked_add_signed(length).map(Some).ok_or_else(outside);
        let first = local_date(from, self.utc_offset_hours);
        let months =
            |count: u32| i32::try_from(count).ok().and_then(|by| add_months(first, by).ok());
        let last = match period.unit {
            PeriodUnit::WorkingDays => self.calendar.add_working_days(first, count).ok(),
            PeriodUnit::Days => first.checked_add_days(Days::new(count.into())),
            PeriodUnit::Months => months(count),
            PeriodUnit::Years => count.checked_mul(12).and_then(months),
            PeriodUnit::Hours => return after(Duration::hours(count.into())),
            PeriodUnit::Minutes => return after(Duration::minutes(count.into())),
        };
        last.and_then(|day| self.end_of_day(day)).map(Some).ok_or_else(outside)
    }

    /// When a stage that is entered at `from` must be done; nothing where the city sets no time.
    pub fn deadline(
        &self,
        stage: &Stage,
        from: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, PeriodError> {
        let period = stage.deadline.as_ref().map(|deadline: &Deadline| &deadline.period);
        period.map_or(Ok(None), |period| self.due(period, from))
    }

    /// Until when a stage that is entered at `from` must at least stand open.
    pub fn open_until(
        &self,
        stage: &Stage,
        from: DateTime<Utc>,
    ) -> Result<Option<DateTime<Utc>>, PeriodError> {
        stage.at_least.as_ref().map_or(Ok(None), |period| self.due(period, from))
    }

    /// The first second of `day` where the law applies.
    pub fn start_of_day(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        let offset = Duration::hours(self.utc_offset_hours.into());
        day.and_hms_opt(0, 0, 0)?.checked_sub_signed(offset).map(|instant| instant.and_utc())
    }

    /// The last second of `day` where the law applies.
    pub fn end_of_day(&self, day: NaiveDate) -> Option<DateTime<Utc>> {
        let end = day.and_hms_opt(23, 59, 59)?;
        let offset = Duration::hours(self.utc_offset_hours.into());
        end.checked_sub_signed(offset).map(|instant| instant.and_utc())
    }

    fn value_of(&self, period: &Period) -> Option<&Value> {
        let parameter = self.parameter(&period.parameter)?;
        let value = match &period.field {
            Some(field) => parameter.field(field),
            None => Some(&parameter.value),
        };
        value.filter(|value| !value.is_null())
    }

    /// The day of a period, where the city sets one and no figure.
    fn day(&self, period: &Period) -> Option<NaiveDate> {
        self.value_of(period)?.as_str()?.parse().ok()
    }

    /// The figure of a period, if the city sets it.
    fn figure(&self, period: &Period) -> Result<Option<u32>, PeriodError> {
        let Some(value) = self.value_of(period) else { return Ok(None) };
        Value::as_u64(value)
            .and_then(|count| u32::try_from(count).ok())
            .filter(|count| *count <= LONGEST_DAYS)
            .map(Some)
            .ok_or_else(|| PeriodError::NotAFigure(period.parameter.clone()))
    }
}
