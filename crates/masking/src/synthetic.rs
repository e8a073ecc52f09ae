//! Rows that nobody is behind: drawn from what groups of at least k subjects have in common.
//!
//! The model is a tree of pairwise dependencies of greatest mutual information (Chow and Liu,
//! *Approximating discrete probability distributions with dependence trees*, 1968), learned from
//! cells of at least k distinct subjects only. A row is drawn from the root along the tree; where
//! a group of one column has no large enough cell with the next, that column is drawn by itself.
//! Dependencies of three columns and more are lost. It is no differential privacy: what is kept
//! is what a table of two columns with a threshold would show.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::{cast, concat_batches, filter_record_batch},
    datatypes::{DataType, Field, Schema},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    Kind, MaskingError, MaskingKey,
    coded::{Groups, Whose, cells, rounded},
    mask,
};

/// How often rows are drawn in place of those that are somebody's.
const ROUNDS: usize = 20;

/// Weights of groups, each with the sum up to it.
type Weights = Vec<(u32, f64)>;

/// A column of the model.
struct Node {
    name: String,
    kind: DataType,
    groups: Groups,
    alone: Weights,
    /// The column that it depends on, and what follows from each of its groups.
    after: Option<(usize, HashMap<u32, Weights>)>,
}

/// So many synthetic rows of `columns`, of the types that the data have, texts as `Utf8`. The
/// same key gives the same rows.
///
/// No row is one that the data have once: such rows are drawn anew, and left out if that does not
/// help. There are none at all where a column has no group of k subjects.
///
/// # Errors
///
/// A column is not there, or of a type that is neither text nor number.
pub fn synthesise(
    data: &RecordBatch,
    columns: &[&str],
    subjects: Option<&[u32]>,
    k: u32,
    rows: usize,
    key: &MaskingKey,
) -> Result<RecordBatch, MaskingError> {
    if subjects.is_some_and(|subjects| subjects.len() != data.num_rows()) {
        return Err(MaskingError::Length);
    }
    let nodes = learn(data, columns, Whose(subjects), k)?;
    let fields = nodes.iter().map(|node| Field::new(&node.name, node.kind.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    if nodes.iter().any(|node| node.alone.is_empty()) {
        return Ok(RecordBatch::new_empty(schema));
    }
    let mut once: HashMap<u64, usize> = HashMap::new();
    for row in digests(data, columns)? {
        *once.entry(row).or_default() += 1;
    }
    let mut chance = StdRng::from_seed(key.tokens(Kind::Synthetic).of(b"rows").seed());
    let (mut drawn, mut wanted) = (Vec::new(), rows);
    for _ in 0..ROUNDS {
        if wanted == 0 {
            break;
        }
        let batch = draw(&nodes, &schema, wanted, &mut chance)?;
        let nobodys = digests(&batch, columns)?.into_iter();
        let nobodys: BooleanArray =
            nobodys.map(|row| Some(once.get(&row).is_none_or(|times| *times > 1))).collect();
        let kept = filter_record_batch(&batch, &nobodys).map_err(|_| MaskingError::Length)?;
        wanted = wanted.saturating_sub(kept.num_rows());
        drawn.push(kept);
    }
    concat_batches(&schema, &drawn).map_err(|_| MaskingError::TooLarge)
}

/// A digest of each row, by its texts. Two rows of one digest are taken for alike: that leaves
/// out one row too many, never one too few.
fn digests(batch: &RecordBatch, columns: &[&str]) -> Result<Vec<u64>, MaskingError> {
    let mut rows: Vec<DefaultHasher> = vec![DefaultHasher::new(); batch.num_rows()];
    for column in columns {
        for (row, value) in rows.iter_mut().zip(&mask::text_of(batch, column)?) {
            value.hash(row);
        }
    }
    Ok(rows.into_iter().map(|row| row.finish()).collect())
}

fn learn(
    data: &RecordBatch,
    columns: &[&str],
    whose: Whose<'_>,
    k: u32,
) -> Result<Vec<Node>, MaskingError> {
    let (mut nodes, mut codes) = (Vec::new(), Vec::new());
    for column in columns {
        let array = mask::column_of(data, column)?;
        let groups = Groups::of(array, column, whose, k)?;
        let rows = groups.codes(array, column)?;
        let kind = match array.data_type() {
            kind if matches!(groups, Groups::Ranges { .. }) => kind.clone(),
            _text => DataType::Utf8,
        };
        nodes.push(Node {
            name: (*column).to_owned(),
            kind,
            alone: alone(&rows, groups.count()),
            groups,
            after: None,
        });
        codes.push(rows);
    }
    for (column, before) in tree(&codes, &nodes, whose, k) {
        let (Some(one), Some(other)) = (codes.get(before), codes.get(column)) else { continue };
        let mut after: HashMap<u32, Weights> = HashMap::new();
        for (at, rows) in large(one, other, &nodes, (before, column), whose, k) {
            let weights = after.entry(at.0).or_default();
            let sum = weights.last().map_or(0.0, |last| last.1);
            weights.push((at.1, sum + rows));
        }
        if let Some(node) = nodes.get_mut(column) {
            node.after = Some((before, after));
        }
    }
    Ok(nodes)
}

fn alone(codes: &[u32], groups: usize) -> Weights {
    let mut counts = vec![0.0; groups];
    for code in codes {
        if let Some(count) = counts.get_mut(*code as usize) {
            *count += 1.0;
        }
    }
    let sums = counts.into_iter().scan(0.0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    (0..).zip(sums).collect()
}

/// The cells of two columns that at least k subjects are in, with their rows.
fn large(
    one: &[u32],
    other: &[u32],
    nodes: &[Node],
    which: (usize, usize),
    whose: Whose<'_>,
    k: u32,
) -> Vec<((u32, u32), f64)> {
    let count = |node: usize| nodes.get(node).map_or(0, |node| node.groups.count());
    let (first, second) = (count(which.0), count(which.1));
    let inside = |at: (u32, u32)| (at.0 as usize) < first && (at.1 as usize) < second;
    cells(one, other, whose)
        .into_iter()
        .filter(|cell| cell.subjects >= k as usize && inside(cell.at))
        .map(|cell| (cell.at, f64::from(u32::try_from(cell.rows).unwrap_or(u32::MAX))))
        .collect()
}

/// Each column but the first with the one before it in the tree, in the order of drawing
/// (Prim's algorithm, on mutual information).
fn tree(codes: &[Vec<u32>], nodes: &[Node], whose: Whose<'_>, k: u32) -> Vec<(usize, usize)> {
    let mut order = Vec::new();
    let mut inside = vec![0];
    let mut best: HashMap<usize, (f64, usize)> = HashMap::new();
    while let Some(last) = inside.last().copied() {
        for column in (0..codes.len()).filter(|column| !inside.contains(column)) {
            let (Some(one), Some(other)) = (codes.get(last), codes.get(column)) else { continue };
            let told = information(&large(one, other, nodes, (last, column), whose, k));
            let known = best.entry(column).or_insert((told, last));
            if told > known.0 {
                *known = (told, last);
            }
        }
        let next =
            best.iter().max_by(|one, other| one.1.0.total_cmp(&other.1.0).then(other.0.cmp(one.0)));
        let Some((column, (_, before))) = next.map(|(column, it)| (*column, *it)) else { break };
        best.remove(&column);
        order.push((column, before));
        inside.push(column);
    }
    order
}

/// What one column tells of the other, in nats.
fn information(cells: &[((u32, u32), f64)]) -> f64 {
    let all: f64 = cells.iter().map(|cell| cell.1).sum();
    let (mut one, mut other): (HashMap<u32, f64>, HashMap<u32, f64>) = Default::default();
    for (at, rows) in cells {
        *one.entry(at.0).or_default() += rows / all;
        *other.entry(at.1).or_default() += rows / all;
    }
    cells
        .iter()
        .map(|(at, rows)| {
            let alone =
                one.get(&at.0).copied().unwrap_or(1.0) * other.get(&at.1).copied().unwrap_or(1.0);
            rows / all * (rows / all / alone).ln()
        })
        .sum()
}

fn draw(
    nodes: &[Node],
    schema: &Arc<Schema>,
    rows: usize,
    chance: &mut StdRng,
) -> Result<RecordBatch, MaskingError> {
    let mut drawn: Vec<Option<Vec<u32>>> = vec![None; nodes.len()];
    // Columns come after those that they depend on; a round draws at least one of them.
    while drawn.iter().any(Option::is_none) {
        for (column, node) in nodes.iter().enumerate() {
            if drawn.get(column).is_none_or(Option::is_some) {
                continue;
            }
            let codes = match &node.after {
                None => (0..rows).map(|_| choose(&node.alone, chance)).collect(),
                Some((before, after)) => {
                    let Some(Some(before)) = drawn.get(*before) else { continue };
                    let weights = |group: &u32| after.get(group).unwrap_or(&node.alone);
                    before.iter().map(|group| choose(weights(group), chance)).collect()
                }
            };
            if let Some(slot) = drawn.get_mut(column) {
                *slot = Some(codes);
            }
        }
    }
    let columns = nodes
        .iter()
        .zip(drawn.iter().flatten())
        .map(|(node, codes)| node.values(codes, chance))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|_| MaskingError::Length)
}

fn choose(weights: &Weights, chance: &mut StdRng) -> u32 {
    let all = weights.last().map_or(0.0, |last| last.1);
    let drawn = chance.random::<f64>() * all;
    let at = weights.partition_point(|(_, sum)| *sum <= drawn);
    weights.get(at).or(weights.last()).map_or(0, |(group, _)| *group)
}

impl Node {
    /// A value of each group: of a range any number of two significant digits within.
    fn values(&self, codes: &[u32], chance: &mut StdRng) -> Result<ArrayRef, MaskingError> {
        let wrong = |_| MaskingError::WrongType {
            column: self.name.clone(),
            found: self.kind.to_string(),
            wanted: "a number",
        };
        let (ends, begin) = match &self.groups {
            Groups::Values { values } => {
                let of = |code: &u32| values.get(*code as usize).and_then(Option::as_deref);
                return Ok(Arc::new(codes.iter().map(of).collect::<StringArray>()));
            }
            Groups::Ranges { ends, begin, .. } => (ends, *begin),
        };
        let numbers: Float64Array = codes
            .iter()
            .map(|code| {
                let at = *code as usize;
                let to = *ends.get(at)?;
                let from = at.checked_sub(1).and_then(|at| ends.get(at)).copied().unwrap_or(begin);
                let within = from + chance.random::<f64>() * (to - from);
                Some(if self.kind.is_temporal() { within } else { rounded(within).clamp(from, to) })
            })
            .collect();
        let counted: Int64Array = numbers.iter().map(|it| it.map(whole)).collect();
        let array: ArrayRef = match &self.kind {
            DataType::Date32 => {
                let days = cast(&counted, &DataType::Int32).map_err(wrong)?;
                return cast(&days, &self.kind).map_err(wrong);
            }
            kind if kind.is_integer() || kind.is_temporal() => Arc::new(counted),
            _other => Arc::new(numbers),
        };
        cast(&array, &self.kind).map_err(wrong)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the ends of ranges are numbers of the column")]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use arrow::{array::AsArray, datatypes::Int64Type};

    use super::*;
    use crate::{Scope, distances};

    fn key(agreement: &str) -> MaskingKey {
        MaskingKey::derive(b"secret", Scope { agreement, family: "f" })
    }

    /// Persons of a place, an income that depends on it and a trade that depends on neither;
    /// last, one alone in a place, with an income that tells.
    fn city() -> RecordBatch {
        let places: StringArray = (0..5000)
            .map(|n| ["north", "south", "east"].get(n % 3).copied())
            .chain([Some("island")])
            .collect();
        let incomes: Int64Array = (0..5000_i64)
            .map(|n| Some(n % 3 * 30_000 + n * 7919 % 20_011 + 10_000))
            .chain([Some(876_543)])
            .collect();
        let trades: StringArray = (0..5001)
            .map(|n| ["smith", "baker", "clerk", "smith", "baker"].get(n / 3 % 5).copied())
            .collect();
        RecordBatch::try_from_iter_with_nullable([
            ("place", Arc::new(places) as _, true),
            ("income", Arc::new(incomes) as _, true),
            ("trade", Arc::new(trades) as _, true),
        ])
        .unwrap()
    }

    const COLUMNS: [&str; 3] = ["place", "income", "trade"];

    #[test]
    fn synthetic_rows_are_like_the_data_and_no_row_is_somebodys() {
        let data = city();
        let it = synthesise(&data, &COLUMNS, None, 10, 4000, &key("a")).unwrap();
        assert_eq!(it.num_rows(), 4000);
        assert_eq!(it.schema().field(1).data_type(), &DataType::Int64);
        let report = distances(&data, &it, &COLUMNS, None, 10).unwrap();
        for column in &report.columns {
            assert!(column.total_variation <= 0.05, "{column:?}");
        }
        for pair in &report.pairs {
            assert!((pair.association[0] - pair.association[1]).abs() <= 0.1, "{pair:?}");
        }
        // Who is alone is not in it: neither the place nor the income.
        assert!(it.column(0).as_string::<i32>().iter().all(|place| place != Some("island")));
        assert!(it.column(1).as_primitive::<Int64Type>().values().iter().all(|it| *it < 100_000));
        let mut times: HashMap<u64, usize> = HashMap::new();
        for row in digests(&data, &COLUMNS).unwrap() {
            *times.entry(row).or_default() += 1;
        }
        let unique: HashSet<u64> =
            times.into_iter().filter(|(_, times)| *times == 1).map(|(row, _)| row).collect();
        assert!(digests(&it, &COLUMNS).unwrap().iter().all(|row| !unique.contains(row)));
        assert_eq!(it, synthesise(&data, &COLUMNS, None, 10, 4000, &key("a")).unwrap());
        assert_ne!(it, synthesise(&data, &COLUMNS, None, 10, 4000, &key("b")).unwrap());
    }

    #[test]
    fn rows_that_the_data_have_once_are_drawn_anew_or_left_out() {
        // Every pair of the two columns is there once: nothing else can be drawn.
        let one: StringArray = (0..100)
            .map(|n| ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].get(n / 10).copied())
            .collect();
        let other: StringArray = (0..100)
            .map(|n| ["k", "l", "m", "n", "o", "p", "q", "r", "s", "t"].get(n % 10).copied())
            .collect();
        let data = RecordBatch::try_from_iter([
            ("one", Arc::new(one) as _),
            ("other", Arc::new(other) as _),
        ])
        .unwrap();
        let it = synthesise(&data, &["one", "other"], None, 5, 50, &key("a")).unwrap();
        assert_eq!(it.num_rows(), 0);
        // With fewer than k subjects there is nothing to draw from.
        let subjects = vec![1; 100];
        let it = synthesise(&data, &["one"], Some(&subjects), 5, 50, &key("a")).unwrap();
        assert_eq!(it.num_rows(), 0);
    }
}
