//! The row space of all answers of one quantity, kept in echelon form over blocks of atoms.
//!
//! **Invariant:** the rows span what the standing answers span. A row is zero at the pivots of
//! all rows before it, and one at its own.
//!
//! **Invariant:** a row whose pivot is not *safe* is zero in every safe column, so these rows
//! span exactly the vectors of the row space that no safe column takes part in: the echelon of
//! the safe columns comes first.

#![expect(clippy::indexing_slicing, reason = "columns and rows are added before they are named")]
#![expect(clippy::cast_possible_truncation, reason = "there are fewer rows than 2^31")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
};

use crate::{
    field::Field,
    search::{root, subtract},
};

const NOBODY: u32 = u32::MAX;

/// What a column may do in the echelon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It is zero in the eyes of all, and so in no row.
    Absent,
    /// It may be among what is singled out.
    Small(Preference),
    /// It is large enough never to be.
    Safe(Preference),
}

impl Standing {
    fn is_safe(self) -> bool {
        match self {
            Self::Safe(_) => true,
            Self::Absent | Self::Small(_) => false,
        }
    }
}

/// Which of several columns becomes a pivot: that of the highest tier, and there the one that
/// comes first.
///
/// Atoms in the order of the cube keep the rows of its tables sparse. Call the first code of each
/// dimension its reference. The first atom of a table's cell has the references of all dimensions
/// that the table does not show, so cells of different tables have different first atoms unless
/// they fix references themselves, and a coarser cell's is in no finer cell that fixes others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Preference {
    pub(crate) tier: u8,
    pub(crate) first: Reverse<u32>,
}

type Entry = (u32, u64);

/// The values of a row, and the rows that it is combined from.
type Combined = (Vec<Entry>, Vec<Entry>);

/// A row in reduced form.
#[derive(Debug, Clone)]
struct Reduced {
    pivot: u32,
    is_small: bool,
    entries: Vec<Entry>,
    /// How it is combined from the rows that were given.
    origins: Vec<Entry>,
}

/// A sum of sparse rows.
#[derive(Debug, Clone, Default)]
struct Accumulator {
    values: Vec<u64>,
    is_touched: Vec<bool>,
    touched: Vec<u32>,
}

impl Accumulator {
    /// Subtracts a multiple at a column; whether the column was touched before.
    fn subtract(&mut self, column: u32, factor: u64, value: u64, field: &Field) -> bool {
        let at = column as usize;
        if at >= self.values.len() {
            self.values.resize(at + 1, 0);
            self.is_touched.resize(at + 1, false);
        }
        self.values[at] = field.sub_mul(self.values[at], factor, value);
        let before = std::mem::replace(&mut self.is_touched[at], true);
        if !before {
            self.touched.push(column);
        }
        before
    }

    /// What there is, in order; nothing is left.
    fn drain(&mut self) -> Vec<Entry> {
        self.touched.sort_unstable();
        let mut entries = Vec::with_capacity(self.touched.len());
        for column in self.touched.drain(..) {
            self.is_touched[column as usize] = false;
            let value = std::mem::take(&mut self.values[column as usize]);
            if value != 0 {
                entries.push((column, value));
            }
        }
        entries
    }
}

/// Rows in echelon form.
#[derive(Debug, Clone)]
pub(crate) struct Echelon {
    field: Field,
    rows: Vec<Option<Reduced>>,
    /// Which row has its pivot in a column.
    holder: Vec<u32>,
    /// Which rows are not zero in a column; some may no longer be there.
    holders: Vec<Vec<u32>>,
    standing: Vec<Standing>,
    given: u32,
    cells: Accumulator,
    origins: Accumulator,
}

/// How many rows there were at some time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    rows: usize,
    given: u32,
}

/// Rows as dense vectors over their columns; the tail of each says which of them it is.
pub(crate) struct Dense {
    pub(crate) columns: Vec<u32>,
    pub(crate) rows: Vec<Vec<u64>>,
    sources: Vec<Vec<Entry>>,
}

impl Echelon {
    pub(crate) fn new(field: Field) -> Self {
        Self {
            field,
            rows: Vec::new(),
            holder: Vec::new(),
            holders: Vec::new(),
            standing: Vec::new(),
            given: 0,
            cells: Accumulator::default(),
            origins: Accumulator::default(),
        }
    }

    pub(crate) fn field(&self) -> &Field {
        &self.field
    }

    /// How many values the rows hold.
    pub(crate) fn size(&self) -> usize {
        self.rows.iter().flatten().map(|row| row.entries.len() + row.origins.len()).sum()
    }

    /// Adds columns up to a number.
    pub(crate) fn widen(&mut self, columns: usize) {
        self.holder.resize(columns, NOBODY);
        self.holders.resize(columns, Vec::new());
        self.standing.resize(columns, Standing::Absent);
    }

    /// Makes `part` a column like `of`.
    pub(crate) fn split(&mut self, of: u32, part: u32) {
        let mut holders = Vec::new();
        for order in std::mem::take(&mut self.holders[of as usize]) {
            let Some(row) = &mut self.rows[order as usize] else {
                continue;
            };
            if let Ok(index) = row.entries.binary_search_by_key(&of, |(column, _)| *column) {
                let value = row.entries[index].1;
                // A part is the newest column, so that the entries stay in order.
                row.entries.push((part, value));
                holders.push(order);
            }
        }
        self.holders[part as usize].clone_from(&holders);
        self.holders[of as usize] = holders;
    }

    /// Sets what columns may do, and puts the echelon in order again. `families` holds the columns
    /// that were one before, each family's first column being the one that they were.
    pub(crate) fn settle(&mut self, families: &[Vec<u32>], standing: &[(u32, Standing)]) {
        for (column, standing) in standing {
            self.standing[*column as usize] = *standing;
        }
        let mut lost = Vec::new();
        for family in families {
            let Some(order) = family.first().map(|first| self.holder[*first as usize]) else {
                continue;
            };
            let best = family.iter().copied().max_by_key(|it| self.standing[*it as usize]);
            if let (true, Some(best)) = (order != NOBODY, best) {
                self.holder[family[0] as usize] = NOBODY;
                self.holder[best as usize] = order;
                if let Some(row) = &mut self.rows[order as usize] {
                    row.pivot = best;
                    if !row.is_small && !self.standing[best as usize].is_safe() {
                        lost.push(order);
                    }
                }
            }
        }
        for (column, standing) in standing {
            if *standing == Standing::Absent {
                self.remove(*column);
            }
        }
        for order in lost {
            if let Some(row) = self.rows[order as usize].take() {
                self.holder[row.pivot as usize] = NOBODY;
                self.insert(&row.entries, &row.origins);
            }
        }
    }

    /// Takes a column out of all rows.
    fn remove(&mut self, column: u32) {
        for order in std::mem::take(&mut self.holders[column as usize]) {
            if let Some(row) = &mut self.rows[order as usize] {
                row.entries.retain(|(other, _)| *other != column);
            }
        }
    }

    /// The state to come back to with [`Echelon::rewind`].
    pub(crate) fn mark(&self) -> Mark {
        Mark { rows: self.rows.len(), given: self.given }
    }

    /// Whether a row was added since that does not follow from those before.
    pub(crate) fn has_grown(&self, mark: Mark) -> bool {
        self.rows.len() > mark.rows
    }

    /// Forgets all rows that were added since. No split and no [`Echelon::settle`] lies between.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.given = mark.given;
        for row in self.rows.drain(mark.rows..).flatten() {
            self.holder[row.pivot as usize] = NOBODY;
            for (column, _) in row.entries {
                let holders = &mut self.holders[column as usize];
                while holders.last().is_some_and(|order| *order as usize >= mark.rows) {
                    holders.pop();
                }
            }
        }
    }

    /// Adds a row that is one in some columns, under the next number.
    pub(crate) fn add(&mut self, columns: &[u32]) {
        let number = self.given;
        self.given += 1;
        let one = self.field.one();
        let entries: Vec<Entry> = columns
            .iter()
            .filter(|column| self.standing[**column as usize] != Standing::Absent)
            .map(|column| (*column, one))
            .collect();
        self.insert(&entries, &[(number, one)]);
    }

    /// Whether all of some rows follow from those there are: a combination of them at powers of a
    /// secret point does, which it otherwise does for as many points as there are rows at most.
    pub(crate) fn follow<'a>(&mut self, rows: impl Iterator<Item = &'a [u32]>) -> bool {
        let point = self.field.points().0;
        let (mut factor, mut sum) = (self.field.one(), Accumulator::default());
        for columns in rows {
            factor = self.field.mul(factor, point);
            for column in columns {
                if self.standing[*column as usize] != Standing::Absent {
                    sum.subtract(*column, factor, self.field.one(), &self.field);
                }
            }
        }
        self.reduced(&sum.drain(), &[]).0.is_empty()
    }

    fn insert(&mut self, entries: &[Entry], origins: &[Entry]) {
        let (mut entries, mut origins) = self.reduced(entries, origins);
        let columns = entries.iter().map(|(column, _)| *column);
        let best = columns.max_by_key(|column| self.standing[*column as usize]);
        let Some(pivot) = best else {
            return;
        };
        let leading = entries.iter().find(|(column, _)| *column == pivot);
        let inverse = leading.map_or(0, |(_, value)| self.field.inverse(*value));
        for (_, value) in entries.iter_mut().chain(&mut origins) {
            *value = self.field.mul(*value, inverse);
        }
        let order = self.rows.len() as u32;
        for (column, _) in &entries {
            self.holders[*column as usize].push(order);
        }
        self.holder[pivot as usize] = order;
        let is_small = !self.standing[pivot as usize].is_safe();
        self.rows.push(Some(Reduced { pivot, is_small, entries, origins }));
    }

    /// A row less the multiples of all rows that make it zero at their pivots. Without origins none
    /// are computed.
    fn reduced(&mut self, entries: &[Entry], origins: &[Entry]) -> Combined {
        let field = self.field.clone();
        let minus_one = field.sub_mul(0, field.one(), field.one());
        let has_origins = !origins.is_empty();
        let mut due: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
        let mut cells = std::mem::take(&mut self.cells);
        let mut sources = std::mem::take(&mut self.origins);
        let mut subtract = |cells: &mut Accumulator,
                            due: &mut BinaryHeap<Reverse<u32>>,
                            factor: u64,
                            entries: &[Entry],
                            origins: &[Entry]| {
            for (column, value) in entries {
                let before = cells.subtract(*column, factor, *value, &field);
                let order = self.holder[*column as usize];
                if !before && order != NOBODY {
                    due.push(Reverse(order));
                }
            }
            for (number, value) in origins.iter().filter(|_| has_origins) {
                sources.subtract(*number, factor, *value, &field);
            }
        };
        subtract(&mut cells, &mut due, minus_one, entries, origins);
        // A row is zero at the pivots of those before it, so no pivot comes back.
        while let Some(Reverse(order)) = due.pop() {
            if let Some(row) = &self.rows[order as usize] {
                let factor = cells.values[row.pivot as usize];
                if factor != 0 {
                    subtract(&mut cells, &mut due, factor, &row.entries, &row.origins);
                }
            }
        }
        let result = (cells.drain(), sources.drain());
        (self.cells, self.origins) = (cells, sources);
        result
    }

    /// The vectors of small columns, in parts that share no column; of these, the parts that rows
    /// since take part in. Columns that are not wanted are left out. `None` if there would be more
    /// values than `most`.
    pub(crate) fn small_since(
        &mut self,
        mark: Mark,
        wanted: impl Fn(u32) -> bool,
        most: u64,
    ) -> Option<Vec<Dense>> {
        let is_small = |row: &Option<Reduced>| row.as_ref().is_some_and(|row| row.is_small);
        // All that is new may follow from large groups alone.
        if !self.rows.iter().skip(mark.rows).any(is_small) {
            return Some(Vec::new());
        }
        let chosen: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|order| is_small(&self.rows[*order as usize]))
            .collect();
        self.dense(&chosen, mark, wanted, most)
    }

    /// The vectors of the row space that are zero at all pivots but some, in parts as above.
    pub(crate) fn free_at(
        &mut self,
        mark: Mark,
        is_free: impl Fn(u32) -> bool,
        wanted: impl Fn(u32) -> bool,
        most: u64,
    ) -> Option<Vec<Dense>> {
        let chosen: Vec<u32> = (0..self.rows.len() as u32)
            .filter(|order| {
                self.rows[*order as usize].as_ref().is_some_and(|row| is_free(row.pivot))
            })
            .collect();
        self.dense(&chosen, mark, wanted, most)
    }

    /// Rows, each zero at all pivots but its own, in parts that share no column. A vector's
    /// components in the parts are vectors themselves, so parts that only older rows make were
    /// looked at before.
    fn dense(
        &mut self,
        chosen: &[u32],
        mark: Mark,
        wanted: impl Fn(u32) -> bool,
        most: u64,
    ) -> Option<Vec<Dense>> {
        let mut sparse: Vec<Combined> = Vec::new();
        let mut size = 0;
        for order in chosen {
            // Without the row itself, which would take all of it away.
            let Some(row) = self.rows[*order as usize].take() else {
                continue;
            };
            let (mut entries, origins) = self.reduced(&row.entries, &row.origins);
            self.rows[*order as usize] = Some(row);
            entries.retain(|(column, _)| wanted(*column));
            size += entries.len() as u64;
            if size > most {
                return None;
            }
            sparse.push((entries, origins));
        }
        let mut parent: Vec<usize> = (0..sparse.len()).collect();
        let mut holder: HashMap<u32, usize> = HashMap::new();
        for (index, (entries, _)) in sparse.iter().enumerate() {
            for (column, _) in entries {
                let other = *holder.entry(*column).or_insert(index);
                let (left, right) = (root(&mut parent, index), root(&mut parent, other));
                parent[left] = right;
            }
        }
        let mut parts: BTreeMap<usize, Vec<Combined>> = BTreeMap::new();
        for (index, row) in sparse.into_iter().enumerate() {
            parts.entry(root(&mut parent, index)).or_default().push(row);
        }
        let is_new = |(_, origins): &Combined| {
            origins.last().is_some_and(|(number, _)| *number >= mark.given)
        };
        let mut all = Vec::new();
        for part in parts.into_values().filter(|part| part.iter().any(is_new)) {
            all.push(self.densified(part, most)?);
        }
        Some(all)
    }

    fn densified(&self, part: Vec<Combined>, most: u64) -> Option<Dense> {
        let mut columns: Vec<u32> =
            part.iter().flat_map(|(entries, _)| entries).map(|(column, _)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        let width = columns.len() + part.len();
        if (width * part.len()) as u64 > most {
            return None;
        }
        let (mut rows, mut sources) = (Vec::new(), Vec::new());
        for (index, (entries, origins)) in part.into_iter().enumerate() {
            let mut row = vec![0; width];
            row[columns.len() + index] = self.field.one();
            for (column, value) in entries {
                if let Ok(at) = columns.binary_search(&column) {
                    row[at] = value;
                }
            }
            rows.push(row);
            sources.push(origins);
        }
        Some(Dense { columns, rows, sources })
    }
}

impl Dense {
    /// The given rows that a vector is combined from; its tail says from which of these rows.
    pub(crate) fn given(&self, tail: &[u64], field: &Field) -> Vec<u32> {
        let mut sum = Accumulator::default();
        for (factor, origins) in tail.iter().zip(&self.sources) {
            if *factor != 0 {
                for (number, value) in origins {
                    sum.subtract(*number, *factor, *value, field);
                }
            }
        }
        sum.drain().into_iter().map(|(number, _)| number).collect()
    }

    /// The columns in which a combination of these rows is not zero.
    pub(crate) fn support(&self, tail: &[u64], field: &Field) -> Vec<u32> {
        let mut sum = vec![0; self.columns.len()];
        for (factor, row) in tail.iter().zip(&self.rows) {
            subtract(&mut sum, *factor, row, field);
        }
        let support = self.columns.iter().zip(sum).filter(|(_, value)| *value != 0);
        support.map(|(column, _)| *column).collect()
    }
}
