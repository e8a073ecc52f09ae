//! What all blocks of a file add up to: profile and quality.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::check::{Checked, Rules};
use crate::{DatasetSpec, FieldRole, Profile, QualityReport, profile::Counts};

/// What all blocks add up to.
pub(super) struct Sum {
    counts: Vec<Counts>,
    nulls: Vec<u64>,
    rounded: Vec<u64>,
    rules: BTreeMap<String, u64>,
    rows: u64,
    records: u64,
    newest: Option<i32>,
}

impl Sum {
    pub(super) fn new(spec: &DatasetSpec) -> Self {
        let fields = spec.fields.len();
        Self {
            counts: spec.fields.iter().map(Counts::new).collect(),
            nulls: vec![0; fields],
            rounded: vec![0; fields],
            rules: BTreeMap::new(),
            rows: 0,
            records: 0,
            newest: None,
        }
    }

    pub(super) fn add(&mut self, checked: Checked) {
        self.records += checked.records;
        self.rows += checked.batch.map_or(0, |batch| batch.num_rows() as u64);
        self.newest = self.newest.max(checked.newest);
        for (sum, counts) in self.counts.iter_mut().zip(checked.counts) {
            sum.merge(counts);
        }
        for (sum, nulls) in self.nulls.iter_mut().zip(checked.nulls) {
            *sum += nulls as u64;
        }
        for (sum, rounded) in self.rounded.iter_mut().zip(checked.rounded) {
            *sum += rounded;
        }
        for refused in checked.refused {
            let rule = match refused.column.as_str() {
                "" => refused.rule.to_owned(),
                column => format!("{column}:{}", refused.rule),
            };
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "ratios of counts, for people to read")]
    pub(super) fn finish(
        self,
        rules: &Rules<'_>,
        quarantined: u64,
        today: NaiveDate,
    ) -> (Profile, QualityReport) {
        let spec = rules.spec;
        let columns = spec
            .fields
            .iter()
            .zip(&self.counts)
            .zip(&self.nulls)
            .map(|((field, counts), nulls)| counts.profile(field, *nulls))
            .collect();
        let profile = Profile {
            encoding: rules.dialect.encoding.name().to_owned(),
            delimiter: char::from(rules.dialect.delimiter),
            has_header: rules.layout.header.is_some(),
            columns,
        };
        let ratio = |part: u64, whole: u64| {
            if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
        };
        let key =
            spec.fields.iter().position(|field| Some(&field.name) == spec.subject_key.as_ref());
        let identifier = || spec.fields.iter().position(|it| it.role == FieldRole::Identifier);
        let distinct = key.or_else(identifier).and_then(|at| self.counts.get(at));
        let epoch = NaiveDate::default();
        let newest = self
            .newest
            .and_then(|day| u64::try_from(day).ok())
            .and_then(|day| epoch.checked_add_days(Days::new(day)))
            .filter(|day| *day <= today);
        let all_cells = self.rows * spec.fields.len() as u64;
        let quality = QualityReport {
            records: self.records,
            rows: self.rows,
            quarantined,
            rules: self.rules,
            rounded: spec
                .fields
                .iter()
                .zip(&self.rounded)
                .filter(|(_, rounded)| **rounded > 0)
                .map(|(field, rounded)| (field.name.clone(), *rounded))
                .collect(),
            ignored: rules.layout.ignored.clone(),
            completeness: ratio(all_cells - self.nulls.iter().sum::<u64>(), all_cells),
            validity: ratio(self.rows, self.records),
            uniqueness: distinct.map(|counts| ratio(counts.distinct(), self.rows).min(1.0)),
            consistency: None,
            newest,
            age_days: newest.map(|day| (today - day).num_days()),
        };
        (profile, quality)
    }
}
