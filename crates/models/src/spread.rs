//! How the values of a number lie over subjects, and which figures may stand for them in a model.
//!
//! A threshold or limit taken from data is a value of somebody's. So each figure here is rounded,
//! has k distinct subjects on either side, and is no value that fewer than k subjects have.

use std::collections::HashMap;

use crate::number::{half_unit, round_to};

/// The values of one column over the subjects that a model is trained on.
pub(crate) struct Spread {
    /// The least value of each subject, in order.
    least: Vec<f64>,
    /// The greatest value of each subject, in order.
    greatest: Vec<f64>,
    /// Values in order, each subject's once.
    held: Vec<(f64, u64)>,
}

impl Spread {
    pub(crate) fn of(values: &[f64], subjects: &[u64]) -> Self {
        let mut ranges: HashMap<u64, (f64, f64)> = HashMap::new();
        for (value, subject) in values.iter().zip(subjects) {
            let range = ranges.entry(*subject).or_insert((*value, *value));
            *range = (range.0.min(*value), range.1.max(*value));
        }
        let mut least: Vec<f64> = ranges.values().map(|range| range.0).collect();
        let mut greatest: Vec<f64> = ranges.values().map(|range| range.1).collect();
        least.sort_by(f64::total_cmp);
        greatest.sort_by(f64::total_cmp);
        let mut held: Vec<(f64, u64)> =
            values.iter().copied().zip(subjects.iter().copied()).collect();
        held.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        held.dedup();
        Self { least, greatest, held }
    }

    /// Distinct subjects with a value below `at`.
    pub(crate) fn below(&self, at: f64) -> usize {
        self.least.partition_point(|value| *value < at)
    }

    /// Distinct subjects with a value of at least `at`.
    pub(crate) fn from(&self, at: f64) -> usize {
        self.greatest.len() - self.greatest.partition_point(|value| *value < at)
    }

    fn up_to(&self, at: f64) -> usize {
        self.least.partition_point(|value| *value <= at)
    }

    /// Whether `value` is somebody's, and of fewer than `k` subjects.
    pub(crate) fn is_rare(&self, value: f64, k: usize) -> bool {
        let holders = self.held.partition_point(|(held, _)| *held <= value)
            - self.held.partition_point(|(held, _)| *held < value);
        (1..k).contains(&holders)
    }

    /// Rounded limits with `k` subjects at or beyond each; none if they would not differ, which is
    /// so where all but fewer than `k` subjects have one value.
    pub(crate) fn limits(&self, k: usize, digits: usize) -> Option<(f64, f64)> {
        let lowest = *self.least.get(k.checked_sub(1)?)?;
        let highest = *self.greatest.get(self.greatest.len().checked_sub(k)?)?;
        let low = self.stand_in(lowest, k, digits, |at| self.up_to(at) >= k)?;
        let high = self.stand_in(highest, k, digits, |at| self.from(at) >= k)?;
        (low < high).then_some((low, high))
    }

    /// At most `most` rounded thresholds in order, spread over subjects evenly.
    pub(crate) fn thresholds(&self, most: usize, k: usize, digits: usize) -> Vec<f64> {
        let is_fair = |at: f64| self.below(at) >= k && self.from(at) >= k;
        let mut found: Vec<f64> = (1..=most)
            .filter_map(|part| self.held.get(self.held.len() * part / (most + 1)))
            .filter_map(|(value, _)| self.stand_in(*value, k, digits, is_fair))
            .collect();
        found.sort_by(f64::total_cmp);
        found.dedup();
        found
    }

    /// A rounded figure near `value` that is fair and nobody's, or of many.
    fn stand_in(
        &self,
        value: f64,
        k: usize,
        digits: usize,
        is_fair: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let fine = std::iter::once(round_to(value, digits));
        let coarse = (1..=2).filter_map(|fewer| digits.checked_sub(fewer)).filter(|d| *d > 0);
        let coarse = coarse.flat_map(|coarser| {
            let (near, half) = (round_to(value, coarser), half_unit(value, coarser));
            [near, round_to(near + half, digits), round_to(near - half, digits)]
        });
        fine.chain(coarse).find(|at| is_fair(*at) && !self.is_rare(*at, k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dummy_of_one_person_has_no_limits() {
        let values: Vec<f64> = (0..100).map(|row| f64::from(row == 7)).collect();
        let subjects: Vec<u64> = (0..100).collect();
        assert_eq!(Spread::of(&values, &subjects).limits(10, 4), None);
    }

    #[test]
    fn one_persons_many_rows_are_one_subject() {
        // Forty rows hold 1, and all are of one subject.
        let values: Vec<f64> = (0..100).map(|row| f64::from(row < 40)).collect();
        let subjects: Vec<u64> = (0..100).map(|row| if row < 40 { 0 } else { row }).collect();
        let spread = Spread::of(&values, &subjects);
        assert_eq!(spread.limits(10, 4), None);
        assert!(spread.thresholds(8, 10, 4).is_empty());
    }

    #[test]
    fn thresholds_are_nobodys_own_values() {
        let values: Vec<f64> = (0..500).map(|row| f64::from(row * 17 % 3001)).collect();
        let subjects: Vec<u64> = (0..500).collect();
        let spread = Spread::of(&values, &subjects);
        let thresholds = spread.thresholds(32, 10, 4);
        assert!(thresholds.len() > 20, "{}", thresholds.len());
        for at in thresholds {
            assert!(!values.contains(&at), "{at}");
            assert!(spread.below(at) >= 10 && spread.from(at) >= 10);
        }
    }

    #[test]
    fn whole_years_that_many_have_stay_as_they_are() {
        let values: Vec<f64> = (0..600).map(|row| f64::from(20 + row % 30)).collect();
        let subjects: Vec<u64> = (0..600).collect();
        let spread = Spread::of(&values, &subjects);
        assert_eq!(spread.limits(10, 4), Some((20.0, 49.0)));
        assert!(spread.thresholds(16, 10, 4).contains(&35.0));
    }
}
