//! The tables of the city.

mod clinic_visits;
mod districts;
mod enterprises;
mod persons;
mod social_insurance;
mod tax;

use std::io::{self, Write};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::{Dataset, FileManifest, Plan, sheet::Sheet};

/// A table of the city.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// Residents.
    Persons,
    /// Enterprises.
    Enterprises,
    /// Contributions to social insurance.
    SocialInsurance,
    /// Taxes of enterprises.
    Tax,
    /// Visits to clinics.
    ClinicVisits,
    /// The districts of the city.
    Districts,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 6] = [
        Self::Persons,
        Self::Enterprises,
        Self::SocialInsurance,
        Self::Tax,
        Self::ClinicVisits,
        Self::Districts,
    ];

    /// The declaration, as in `datasets.toml`.
    pub fn dataset(self) -> Dataset {
        match self {
            Self::Persons => persons::DATASET,
            Self::Enterprises => enterprises::DATASET,
            Self::SocialInsurance => social_insurance::DATASET,
            Self::Tax => tax::DATASET,
            Self::ClinicVisits => clinic_visits::DATASET,
            Self::Districts => districts::DATASET,
        }
    }

    /// The name of the file.
    pub fn file(self) -> &'static str {
        self.dataset().file
    }

    pub(crate) fn write(self, plan: &Plan, out: impl Write) -> io::Result<FileManifest> {
        let form = match self {
            Self::Persons => &persons::FORM,
            Self::Enterprises => &enterprises::FORM,
            Self::SocialInsurance => &social_insurance::FORM,
            Self::Tax => &tax::FORM,
            Self::ClinicVisits => &clinic_visits::FORM,
            Self::Districts => &districts::FORM,
        };
        let mut sheet = Sheet::new(plan, self, form, out)?;
        match self {
            Self::Persons => persons::write(plan, &mut sheet)?,
            Self::Enterprises => enterprises::write(plan, &mut sheet)?,
            Self::SocialInsurance => social_insurance::write(plan, &mut sheet)?,
            Self::Tax => tax::write(plan, &mut sheet)?,
            Self::ClinicVisits => clinic_visits::write(plan, &mut sheet)?,
            Self::Districts => districts::write(&mut sheet)?,
        }
        sheet.finish()
    }
}

/// The first days of the four quarters of the plan's year.
fn quarters(plan: &Plan) -> [NaiveDate; 4] {
    [0, 3, 6, 9].map(|months| {
        plan.start.checked_add_months(chrono::Months::new(months)).unwrap_or(plan.start)
    })
}

/// A day `days` after another, or that day where the calendar ends.
fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(chrono::Days::new(days)).unwrap_or(day)
}

/// A day `days` before another, or that day where the calendar begins.
fn earlier(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(chrono::Days::new(days)).unwrap_or(day)
}

/// How many days lie between two days.
fn days_between(from: NaiveDate, to: NaiveDate) -> u64 {
    u64::try_from(to.num_days_from_ce() - from.num_days_from_ce()).unwrap_or_default()
}
