//! Is there a vector of a space whose support costs less than a limit?
//!
//! The least support of a linear code is hard to find in general (Vardy, 1997), so the search
//! works between two proofs. **A witness** is a vector whose support costs less. **A cover** is a
//! set of columns on which no vector in question vanishes altogether: a basis, or, where a target
//! column is to be determined, columns that span the target's. The supports of all vectors in
//! question meet every cover; where covers that share out the columns' costs cost the limit, counting each at
//! its cheapest share, there is no witness. Where that proves it for vectors that are not zero
//! in some columns, only the space of those that are is left to look at. In between, the search
//! branches over one cover: some column of it is the first that is not zero. It is complete; where its effort is used up it says so.

#![expect(clippy::indexing_slicing, reason = "rows are as wide as the space that made them")]

use std::collections::HashMap;

use crate::field::Field;

/// Vectors that span a space: in each the values by column, then how it was combined.
#[derive(Debug, Clone, Default)]
pub(crate) struct Space {
    pub(crate) rows: Vec<Vec<u64>>,
    pub(crate) columns: usize,
}

/// What is looked for.
pub(crate) struct Sought<'a> {
    /// What each column costs, if it is not zero.
    pub(crate) costs: &'a [u128],
    /// What a support must cost less than.
    pub(crate) limit: u128,
    /// A column that must not be zero; it is not paid for.
    pub(crate) target: Option<usize>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No vector's support costs less than the limit.
    Nothing,
    /// The tail of a vector whose support does: how it is combined from the rows.
    Found(Vec<u64>),
    /// The effort was used up.
    Undecided,
}

/// How many multiplications may still be spent.
#[derive(Debug)]
pub(crate) struct Effort(pub(crate) u64);

impl Effort {
    /// Spends some, if there is enough.
    pub(crate) fn spend(&mut self, work: usize) -> bool {
        let left = self.0.checked_sub(work as u64);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

impl Space {
    /// The vectors of the space that are zero in a column.
    fn vanish(&mut self, column: usize, field: &Field) {
        let Some(chosen) = self.rows.iter().position(|row| row[column] != 0) else {
            return;
        };
        let chosen = self.rows.swap_remove(chosen);
        let inverse = field.inverse(chosen[column]);
        for row in &mut self.rows {
            if row[column] != 0 {
                let factor = field.mul(row[column], inverse);
                subtract(row, factor, &chosen, field);
            }
        }
    }

    fn work(&self) -> usize {
        self.rows.len() * self.rows.first().map_or(0, Vec::len)
    }
}

pub(crate) fn subtract(row: &mut [u64], factor: u64, other: &[u64], field: &Field) {
    for (value, other) in row.iter_mut().zip(other) {
        if *other != 0 {
            *value = field.sub_mul(*value, factor, *other);
        }
    }
}

/// Looks for a vector that is not zero, or not zero in the target, whose support costs less than
/// the limit.
pub(crate) fn find(
    mut space: Space,
    sought: &Sought<'_>,
    field: &Field,
    effort: &mut Effort,
) -> Outcome {
    let mut costs = sought.costs.to_vec();
    let mut limit = sought.limit;
    if space.rows.len() == 1 {
        return descend(space, costs, limit, sought.target, field, effort);
    }
    loop {
        let dimensions = space.rows.len();
        if let Err(outcome) = drop_dear(&mut space, &costs, limit, sought.target, field, effort) {
            return outcome;
        }
        let Some(left) = merge_parallel(&mut space, &mut costs, limit, sought.target, field) else {
            return Outcome::Nothing;
        };
        limit = left;
        if space.rows.len() == dimensions {
            break;
        }
    }
    let columns = space.columns;
    for rows in components(space, sought.target) {
        let part = Space { rows, columns };
        match descend(part, costs.clone(), limit, sought.target, field, effort) {
            Outcome::Nothing => {}
            outcome @ (Outcome::Found(_) | Outcome::Undecided) => return outcome,
        }
    }
    Outcome::Nothing
}

/// Leaves the vectors that are zero in every column that alone costs too much.
fn drop_dear(
    space: &mut Space,
    costs: &[u128],
    limit: u128,
    target: Option<usize>,
    field: &Field,
    effort: &mut Effort,
) -> Result<(), Outcome> {
    for (column, cost) in costs.iter().enumerate() {
        if *cost < limit || Some(column) == target {
            continue;
        }
        if space.rows.is_empty() {
            return Ok(());
        }
        if space.rows.iter().any(|row| row[column] != 0) {
            if !effort.spend(space.work()) {
                return Err(Outcome::Undecided);
            }
            space.vanish(column, field);
        }
    }
    Ok(())
}

/// For each column three random combinations of its values. Of two columns that are no multiples of
/// one another these are multiples with a chance below (2d / 2^60)^2, for d rows.
fn fingerprints(space: &Space, field: &Field) -> Vec<[u64; 3]> {
    let (left, right) = field.points();
    let points = [left, right, field.mul(left, right)];
    let mut factors = points;
    let mut sums = vec![[0; 3]; space.columns];
    for row in &space.rows {
        for (sum, value) in sums.iter_mut().zip(row).filter(|(_, value)| **value != 0) {
            for (sum, factor) in sum.iter_mut().zip(factors) {
                *sum = field.add(*sum, field.mul(*value, factor));
            }
        }
        for (factor, point) in factors.iter_mut().zip(points) {
            *factor = field.mul(*factor, point);
        }
    }
    sums
}

/// Puts columns that are multiples of one another together: they are zero together. The target's
/// companions are paid for at once; `None` if that is too much already.
fn merge_parallel(
    space: &mut Space,
    costs: &mut [u128],
    mut limit: u128,
    target: Option<usize>,
    field: &Field,
) -> Option<u128> {
    let values = fingerprints(space, field);
    let mut first_of: HashMap<(u64, u64), usize> = HashMap::new();
    let order = target.into_iter().chain((0..space.columns).filter(|it| Some(*it) != target));
    for column in order {
        let [first, second, third] = values[column];
        // A column that is zero.
        if first == 0 {
            continue;
        }
        let inverse = field.inverse(first);
        let key = (field.mul(second, inverse), field.mul(third, inverse));
        let first = *first_of.entry(key).or_insert(column);
        if first == column {
            continue;
        }
        if Some(first) == target {
            limit = limit.checked_sub(costs[column]).filter(|left| *left > 0)?;
        } else {
            costs[first] = costs[first].saturating_add(costs[column]);
        }
        for row in &mut space.rows {
            row[column] = 0;
        }
    }
    Some(limit)
}

/// The root of a tree of a forest, whose paths are halved on the way.
pub(crate) fn root(parent: &mut [usize], mut of: usize) -> usize {
    while parent[of] != of {
        parent[of] = parent[parent[of]];
        of = parent[of];
    }
    of
}

/// The rows that share columns, directly or through others. With a target, those that it is in.
fn components(space: Space, target: Option<usize>) -> Vec<Vec<Vec<u64>>> {
    let mut parent: Vec<usize> = (0..space.rows.len()).collect();
    for column in 0..space.columns {
        let mut holders = (0..space.rows.len()).filter(|row| space.rows[*row][column] != 0);
        if let Some(first) = holders.next() {
            for other in holders {
                let (left, right) = (root(&mut parent, first), root(&mut parent, other));
                parent[left] = right;
            }
        }
    }
    let mut parts: HashMap<usize, Vec<Vec<u64>>> = HashMap::new();
    for (index, row) in space.rows.into_iter().enumerate() {
        parts.entry(root(&mut parent, index)).or_default().push(row);
    }
    let mut parts: Vec<Vec<Vec<u64>>> = parts.into_values().collect();
    if let Some(target) = target {
        parts.retain(|rows| rows.iter().any(|row| row[target] != 0));
    }
    parts.sort_by_key(Vec::len);
    parts
}

fn descend(
    mut space: Space,
    mut costs: Vec<u128>,
    limit: u128,
    target: Option<usize>,
    field: &Field,
    effort: &mut Effort,
) -> Outcome {
    if !effort.spend(space.work()) {
        return Outcome::Undecided;
    }
    if let Err(outcome) = drop_dear(&mut space, &costs, limit, target, field, effort) {
        return outcome;
    }
    let tail = |row: &Vec<u64>| Outcome::Found(row[space.columns..].to_vec());
    let is_sought = |row: &&Vec<u64>| target.is_none_or(|target| row[target] != 0);
    let cost_of = |row: &Vec<u64>| {
        let support = (0..space.columns).filter(|it| row[*it] != 0 && Some(*it) != target);
        support.fold(0_u128, |sum, column| sum.saturating_add(costs[column]))
    };
    let mut candidates = space.rows.iter().filter(is_sought).peekable();
    if candidates.peek().is_none() {
        return Outcome::Nothing;
    }
    if let Some(witness) = candidates.find(|row| cost_of(row) < limit) {
        return tail(witness);
    }
    if space.rows.len() == 1 {
        return Outcome::Nothing;
    }
    let branches = match covers(&space, &costs, limit, target, field, effort) {
        Covers::Enough => return Outcome::Nothing,
        Covers::Undecided => return Outcome::Undecided,
        Covers::Weak(columns) => {
            for column in columns {
                space.vanish(column, field);
            }
            return descend(space, costs, limit, target, field, effort);
        }
        Covers::Missing => {
            // Some vector in question is zero wherever it would cost.
            for column in (0..space.columns).filter(|it| costs[*it] > 0 && Some(*it) != target) {
                space.vanish(column, field);
            }
            let columns = space.columns;
            let is_sought = |row: &&Vec<u64>| target.is_none_or(|target| row[target] != 0);
            return space
                .rows
                .iter()
                .find(is_sought)
                .map_or(Outcome::Nothing, |row| Outcome::Found(row[columns..].to_vec()));
        }
        Covers::Few(branches) => branches,
    };
    let mut outcome = Outcome::Nothing;
    for column in branches {
        let cost = std::mem::take(&mut costs[column]);
        match descend(space.clone(), costs.clone(), limit - cost, target, field, effort) {
            found @ Outcome::Found(_) => return found,
            Outcome::Undecided => {
                outcome = Outcome::Undecided;
                if effort.0 == 0 {
                    return outcome;
                }
            }
            Outcome::Nothing => {}
        }
        costs[column] = cost;
        space.vanish(column, field);
    }
    outcome
}

enum Covers {
    /// Disjoint covers cost the limit.
    Enough,
    /// They do, for vectors that are not zero in all of these columns.
    Weak(Vec<usize>),
    /// They do not; one of them is this.
    Few(Vec<usize>),
    /// Columns that cost something are no cover.
    Missing,
    Undecided,
}

/// Covers that share out the columns' costs, each from the columns that have most left. The whole
/// cost of a column may go to several covers, as if it were as many columns of less cost.
fn covers(
    space: &Space,
    costs: &[u128],
    limit: u128,
    target: Option<usize>,
    field: &Field,
    effort: &mut Effort,
) -> Covers {
    let mut left: Vec<(u128, usize)> = (0..space.columns)
        .filter(|column| {
            costs[*column] > 0
                && Some(*column) != target
                && space.rows.iter().any(|row| row[*column] != 0)
        })
        .map(|column| (costs[column], column))
        .collect();
    let mut first: Option<Vec<usize>> = None;
    let mut weak: Option<Vec<usize>> = None;
    let mut rank = space.rows.len();
    let mut bound = 0_u128;
    loop {
        left.sort_unstable_by_key(|(cost, column)| (std::cmp::Reverse(*cost), *column));
        let mut span = Span::new(space, target);
        let mut is_complete = false;
        for (_, column) in &left {
            let Some(is_cover) = span.insert(*column, field, effort) else {
                return Covers::Undecided;
            };
            if is_cover || (target.is_none() && span.columns.len() == rank) {
                is_complete = true;
                break;
            }
        }
        if !is_complete {
            if first.is_none() || target.is_some() || span.columns.is_empty() {
                return first.map_or(Covers::Missing, Covers::Few);
            }
            // Vectors that are zero in all that is left are another matter; the others meet a basis
            // of what is left, too.
            rank = span.columns.len();
            weak = Some(left.iter().map(|(_, column)| *column).collect());
        }
        let mut cover = span.cover();
        cover.sort_unstable();
        let is_in = |column: usize| cover.binary_search(&column).is_ok();
        let shares = left.iter().filter(|(_, column)| is_in(*column)).map(|(cost, _)| *cost);
        let share = shares.min().unwrap_or(0);
        bound = bound.saturating_add(share);
        if bound >= limit {
            return weak.map_or(Covers::Enough, Covers::Weak);
        }
        for (cost, column) in &mut left {
            if is_in(*column) {
                *cost -= share;
            }
        }
        left.retain(|(cost, _)| *cost > 0);
        if first.is_none() {
            first = Some(span.cover());
        }
    }
}

/// The span of some columns, as vectors with one value for each row of the space, and how each is
/// combined from the columns.
struct Span<'a> {
    space: &'a Space,
    basis: Vec<(usize, Vec<u64>)>,
    columns: Vec<usize>,
    /// What is left of the target, and how much of each column was taken from it.
    target: Option<Vec<u64>>,
}

impl<'a> Span<'a> {
    fn new(space: &'a Space, target: Option<usize>) -> Self {
        let target = target.map(|target| space.rows.iter().map(|row| row[target]).collect());
        Self { space, basis: Vec::new(), columns: Vec::new(), target }
    }

    /// Adds a column; whether the span is a cover now. `None` if the effort is used up.
    fn insert(&mut self, column: usize, field: &Field, effort: &mut Effort) -> Option<bool> {
        let height = self.space.rows.len();
        let width = height + self.basis.len() + 1;
        let mut vector: Vec<u64> = self.space.rows.iter().map(|row| row[column]).collect();
        vector.resize(width, 0);
        vector[width - 1] = field.one();
        let mut work = 0;
        for (pivot, other) in &self.basis {
            let factor = vector[*pivot];
            if factor != 0 {
                work += other.len();
                subtract(&mut vector, factor, other, field);
            }
        }
        if !effort.spend(work + height) {
            return None;
        }
        let Some(pivot) = vector.iter().take(height).position(|value| *value != 0) else {
            return Some(false);
        };
        let inverse = field.inverse(vector[pivot]);
        for value in &mut vector {
            *value = field.mul(*value, inverse);
        }
        if let Some(target) = &mut self.target {
            target.resize(width, 0);
            let factor = target[pivot];
            if factor != 0 {
                subtract(target, factor, &vector, field);
            }
        }
        self.basis.push((pivot, vector));
        self.columns.push(column);
        Some(match &self.target {
            Some(target) => target.iter().take(height).all(|value| *value == 0),
            None => self.basis.len() == height,
        })
    }

    /// The columns that the cover needs.
    fn cover(&self) -> Vec<usize> {
        let Some(target) = &self.target else {
            return self.columns.clone();
        };
        let taken = target.iter().skip(self.space.rows.len());
        taken.zip(&self.columns).filter(|(taken, _)| **taken != 0).map(|(_, it)| *it).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least cost of a support, by trying every set of columns that may be other than zero.
    fn least(rows: &[Vec<u64>], costs: &[u128], target: Option<usize>, field: &Field) -> u128 {
        let columns = costs.len();
        (0_u32..1 << columns)
            .filter(|chosen| {
                let mut space = Space { rows: rows.to_vec(), columns };
                for column in (0..columns).filter(|column| chosen & (1 << column) == 0) {
                    space.vanish(column, field);
                }
                space.rows.iter().any(|row| match target {
                    Some(target) => row[target] != 0,
                    None => row.iter().any(|value| *value != 0),
                })
            })
            .map(|chosen| {
                (0..columns)
                    .filter(|column| chosen & (1 << column) != 0 && Some(*column) != target)
                    .map(|column| costs[column])
                    .sum()
            })
            .min()
            .unwrap_or(u128::MAX)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_vector_is_found_just_where_there_is_one(
            rows in prop::collection::vec(prop::collection::vec(0_u64..3, 8), 1..5),
            costs in prop::collection::vec(0_u128..6, 8),
            target in prop::option::of(0_usize..8),
            limit in 1_u128..14,
        ) {
            let field = Field::new([12_345, 6, 7]);
            let mut rows: Vec<Vec<u64>> = rows
                .into_iter()
                .map(|row| row.into_iter().map(|value| field.residue(value)).collect())
                .collect();
            // The search is handed independent rows.
            let mut independent: Vec<Vec<u64>> = Vec::new();
            for row in rows.drain(..) {
                let mut space = Space { rows: independent.clone(), columns: 8 };
                space.rows.push(row.clone());
                for column in 0..8 {
                    space.vanish(column, &field);
                }
                if space.rows.is_empty() {
                    independent.push(row);
                }
            }
            let expected = least(&independent, &costs, target, &field) < limit;
            let space = Space { rows: independent, columns: 8 };
            let sought = Sought { costs: &costs, limit, target };
            let found = find(space, &sought, &field, &mut Effort(u64::MAX));
            prop_assert_eq!(matches!(found, Outcome::Found(_)), expected, "{:?}", found);
        }
    }
}
