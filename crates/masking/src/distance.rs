//! How far a sample is from its data, told so that the report itself tells of nobody.
//!
//! Groups of fewer than k subjects are taken together, no value is named, and every figure is
//! rounded to a step at least k times as great as what one row of the data can change in a
//! distance. It is a rounding, not differential privacy: of data that change often, not every
//! version should have a report that strangers read.

use std::collections::{HashMap, HashSet};

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::{
    MaskingError,
    coded::{Groups, Whose, cells, is_number, numbers},
    mask,
};

/// A report of distances: 0 alike, 1 nothing in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Groups of fewer subjects were taken together.
    pub k: u32,
    /// Figures are multiples of it.
    pub step: f64,
    /// By column.
    pub columns: Vec<ColumnDistance>,
    /// By two columns.
    pub pairs: Vec<PairDistance>,
}

/// How far a column of the sample is from that of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDistance {
    /// The column.
    pub column: String,
    /// Total variation over its groups: half the sum of differences of shares.
    pub total_variation: f64,
    /// Of numbers, days and instants: Kolmogorov and Smirnov's greatest difference of shares up
    /// to a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kolmogorov_smirnov: Option<f64>,
    /// Of numbers, days and instants: Wasserstein's distance (how far, on average, amounts would
    /// have to be moved), as a share of the span that k subjects reach at either end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasserstein: Option<f64>,
    /// The share of rows without a value, in the data and in the sample.
    pub absent: [f64; 2],
    /// How many groups of at least k subjects the data have, and how many of them the sample.
    pub groups: [usize; 2],
}

/// How far two columns of the sample, together, are from those of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairDistance {
    /// The columns.
    pub columns: [String; 2],
    /// Total variation over pairs of groups.
    pub total_variation: f64,
    /// Cramér's V of the data, and of the sample: 0 independent, 1 one follows from the other.
    pub association: [f64; 2],
}

/// Compares `columns` of a sample with those of its data; `subjects` are those of the data's
/// rows.
///
/// # Errors
///
/// A column is not in both, or of a type that is neither text nor number.
pub fn distances(
    data: &RecordBatch,
    sample: &RecordBatch,
    columns: &[&str],
    subjects: Option<&[u32]>,
    k: u32,
) -> Result<Distances, MaskingError> {
    if subjects.is_some_and(|subjects| subjects.len() != data.num_rows()) {
        return Err(MaskingError::Length);
    }
    let rows = floating(data.num_rows().max(1));
    let step = (f64::from(k) / rows).clamp(0.01, 1.0);
    let told = |figure: f64| (((figure / step).round() * step).min(1.0) * 1e6).round() / 1e6;
    let mut all = Vec::new();
    let mut report = Distances { k, step: told(step), columns: Vec::new(), pairs: Vec::new() };
    for column in columns {
        let (of_data, of_sample) =
            (mask::column_of(data, column)?, mask::column_of(sample, column)?);
        let groups = Groups::of(of_data, column, Whose(subjects), k)?;
        let codes = [groups.codes(of_data, column)?, groups.codes(of_sample, column)?];
        let counts = codes.each_ref().map(|codes| shares(codes.iter().copied()));
        let (mut greatest, mut moved) = (None, None);
        if is_number(of_data.data_type()) && is_number(of_sample.data_type()) {
            let one = sorted(numbers(of_data, column)?);
            let other = sorted(numbers(of_sample, column)?);
            if let Groups::Ranges { begin, ends, .. } = &groups
                && let Some(end) = ends.last()
            {
                let (ks, w) = apart(&one, &other, *begin, *end);
                (greatest, moved) = (Some(told(ks)), Some(told(w)));
            }
        }
        let absent = [of_data, of_sample]
            .map(|array| told(floating(array.null_count()) / floating(array.len().max(1))));
        let met = (0..groups.count()).filter(|group| {
            u32::try_from(*group).is_ok_and(|group| counts[1].contains_key(&group))
        });
        report.columns.push(ColumnDistance {
            column: (*column).to_owned(),
            total_variation: told(variation(&counts[0], &counts[1])),
            kolmogorov_smirnov: greatest,
            wasserstein: moved,
            absent,
            groups: [groups.count(), met.count()],
        });
        all.push((*column, groups.count(), codes));
    }
    for (place, one) in all.iter().enumerate() {
        for other in all.iter().skip(place + 1) {
            report.pairs.push(pair(one, other, Whose(subjects), k, told));
        }
    }
    Ok(report)
}

/// A column, how many groups it has, and the group of each row of the data and of the sample.
type Coded<'a> = (&'a str, usize, [Vec<u32>; 2]);

fn pair(
    one: &Coded<'_>,
    other: &Coded<'_>,
    whose: Whose<'_>,
    k: u32,
    told: impl Fn(f64) -> f64,
) -> PairDistance {
    let pairs = |of: usize| {
        let one = one.2.get(of).into_iter().flatten().copied();
        one.zip(other.2.get(of).into_iter().flatten().copied())
    };
    let [ours, _] = &one.2;
    let [theirs, _] = &other.2;
    let met = cells(ours, theirs, whose).into_iter();
    let met = met.filter(|cell| cell.subjects >= k as usize).map(|cell| cell.at);
    let met: HashSet<(u32, u32)> = met.collect();
    let large = |cell| if met.contains(&cell) { cell } else { (u32::MAX, u32::MAX) };
    let (data, sample) = (shares(pairs(0).map(large)), shares(pairs(1).map(large)));
    // The rows of the sample are seen anyway, so none of its cells is too small.
    let inside = |cell: &(u32, u32)| (cell.0 as usize) < one.1 && (cell.1 as usize) < other.1;
    let association = [told(cramers_v(&data)), told(cramers_v(&shares(pairs(1).filter(inside))))];
    PairDistance {
        columns: [one.0.to_owned(), other.0.to_owned()],
        total_variation: told(variation(&data, &sample)),
        association,
    }
}

/// The share of each group.
fn shares<G: std::hash::Hash + Eq>(groups: impl Iterator<Item = G>) -> HashMap<G, f64> {
    let mut counts: HashMap<G, f64> = HashMap::new();
    let mut all = 0.0;
    for group in groups {
        *counts.entry(group).or_default() += 1.0;
        all += 1.0;
    }
    for count in counts.values_mut() {
        *count /= all;
    }
    counts
}

fn variation<G: std::hash::Hash + Eq>(one: &HashMap<G, f64>, other: &HashMap<G, f64>) -> f64 {
    let theirs =
        other.iter().filter(|(group, _)| !one.contains_key(group)).map(|(_, share)| *share);
    let ours =
        one.iter().map(|(group, share)| (share - other.get(group).copied().unwrap_or(0.0)).abs());
    ours.chain(theirs).sum::<f64>() / 2.0
}

/// Cramér's V (*Mathematical Methods of Statistics*, 1946, 21.9), over cells of at least k
/// subjects.
fn cramers_v(cells: &HashMap<(u32, u32), f64>) -> f64 {
    let cells: Vec<(u32, u32, f64)> = cells
        .iter()
        .filter(|((one, _), _)| *one != u32::MAX)
        .map(|((one, other), share)| (*one, *other, *share))
        .collect();
    let all: f64 = cells.iter().map(|cell| cell.2).sum();
    let (mut rows, mut columns): (HashMap<u32, f64>, HashMap<u32, f64>) = Default::default();
    for (one, other, share) in &cells {
        *rows.entry(*one).or_default() += share / all;
        *columns.entry(*other).or_default() += share / all;
    }
    let least = rows.len().min(columns.len());
    if least < 2 {
        return 0.0;
    }
    // Pearson's chi-squared over n is the sum of p² / (p of row x p of column), less 1.
    let squared: f64 = cells
        .iter()
        .map(|(one, other, share)| {
            let expected =
                rows.get(one).copied().unwrap_or(1.0) * columns.get(other).copied().unwrap_or(1.0);
            (share / all).powi(2) / expected
        })
        .sum();
    ((squared - 1.0).max(0.0) / floating(least - 1)).sqrt().min(1.0)
}

fn sorted(values: Vec<Option<f64>>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The greatest difference between two distributions, and the area between them as a share of
/// the span from `begin` to `end`, beyond which numbers count as its ends.
fn apart(one: &[f64], other: &[f64], begin: f64, end: f64) -> (f64, f64) {
    if one.is_empty() || other.is_empty() {
        return (1.0, 1.0);
    }
    let (mut greatest, mut area) = (0.0_f64, 0.0);
    let (mut of_one, mut of_other) = (one.iter().peekable(), other.iter().peekable());
    let (mut seen_one, mut seen_other) = (0_usize, 0_usize);
    let mut at = begin;
    loop {
        let next = match (of_one.peek(), of_other.peek()) {
            (Some(one), Some(other)) => one.min(**other),
            (Some(next), None) | (None, Some(next)) => **next,
            (None, None) => break,
        };
        let apart = (floating(seen_one) / floating(one.len())
            - floating(seen_other) / floating(other.len()))
        .abs();
        greatest = greatest.max(apart);
        let to = next.clamp(begin, end);
        area += apart * (to - at);
        at = to;
        while of_one.next_if(|value| **value <= next).is_some() {
            seen_one += 1;
        }
        while of_other.next_if(|value| **value <= next).is_some() {
            seen_other += 1;
        }
    }
    let span = end - begin;
    (greatest, if span > 0.0 { area / span } else { 0.0 })
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
fn floating(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    const NOUGHT: f64 = 1e-9;

    /// Rows of a place and an income that depends on it.
    fn table(rows: impl Iterator<Item = u64>) -> RecordBatch {
        let rows: Vec<u64> = rows.collect();
        let places = rows.iter().map(|n| ["north", "south", "east"].get((n % 3) as usize).copied());
        let incomes =
            rows.iter().map(|n| Some((1000 + n * 7919 % 500 + n % 3 * 400).cast_signed()));
        RecordBatch::try_from_iter_with_nullable([
            ("place", Arc::new(places.collect::<StringArray>()) as _, true),
            ("income", Arc::new(incomes.collect::<Int64Array>()) as _, true),
        ])
        .unwrap()
    }

    #[test]
    fn a_table_is_like_itself_and_unlike_one_without_its_dependencies() {
        let data = table(0..3000);
        let same = distances(&data, &data, &["place", "income"], None, 10).unwrap();
        for column in &same.columns {
            assert!(column.total_variation < NOUGHT);
            assert!(column.absent.iter().all(|absent| *absent < NOUGHT));
            assert_eq!(column.groups[0], column.groups[1]);
        }
        assert_eq!(same.columns[1].kolmogorov_smirnov, Some(0.0));
        assert!(same.pairs[0].total_variation < NOUGHT);
        assert!(same.pairs[0].association[0] > 0.5, "{same:?}");

        // Places as they are, incomes in another order.
        let incomes = table((0..3000).map(|n| n * 7 + n / 3));
        let torn = RecordBatch::try_from_iter([
            ("place", Arc::clone(data.column(0))),
            ("income", Arc::clone(incomes.column(1))),
        ])
        .unwrap();
        let torn = distances(&data, &torn, &["place", "income"], None, 10).unwrap();
        assert!(torn.columns.iter().all(|column| column.total_variation < 0.1), "{torn:?}");
        assert!(torn.pairs[0].association[1] < 0.2, "{torn:?}");
        assert!(torn.pairs[0].total_variation > 0.3, "{torn:?}");
    }

    #[test]
    fn numbers_are_as_far_apart_as_they_were_moved() {
        let of = |from: i64| -> RecordBatch {
            let array = Int64Array::from_iter_values((0..1000).map(|n| n + from));
            RecordBatch::try_from_iter([("n", Arc::new(array) as _)]).unwrap()
        };
        let it = distances(&of(0), &of(100), &["n"], None, 5).unwrap().columns.remove(0);
        assert_eq!((it.kolmogorov_smirnov, it.wasserstein), (Some(0.1), Some(0.1)), "{it:?}");
    }

    #[test]
    fn a_report_is_the_same_without_any_one_person() {
        let data = table(0..2000);
        let sample = table((0..2000).step_by(10));
        let told = |data: &RecordBatch| distances(data, &sample, &["place", "income"], None, 10);
        let whole = told(&data).unwrap();
        let mut changed = 0;
        for row in (0..2000).step_by(97) {
            let without = arrow::compute::concat_batches(
                &data.schema(),
                [&data.slice(0, row), &data.slice(row + 1, 1999 - row)],
            );
            let without = told(&without.unwrap()).unwrap();
            // A figure at the edge of a step may fall to the next one; none moves further.
            for (one, other) in whole.columns.iter().zip(&without.columns) {
                assert!((one.total_variation - other.total_variation).abs() <= whole.step + 1e-9);
                changed += usize::from(one != other);
            }
        }
        assert!(changed <= 2, "{changed}");
        assert!(!format!("{whole:?}").contains("north"), "no value is named");
    }
}
