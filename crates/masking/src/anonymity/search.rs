//! The levels of all columns that lose least, among all that leave enough subjects together.
//!
//! The lattice of levels is searched whole, without looking at most of it (in the manner of
//! Kohlmayer, Prasser et al., *Flash*, PASSAT 2012, and of ARX's bounds):
//!
//! - Making values coarser joins classes, so of levels that leave too many rows in small classes
//!   all finer ones do, too: they are passed over.
//! - What levels lose without suppression is the sum over columns of figures known beforehand,
//!   and no coarser levels lose less: whatever loses as much as the best found is passed over.
//!
//! A first descent from the coarsest levels gives a good bound; the rest is tried from the
//! greatest loss below it down, so that each refusal strikes out as many finer levels as it can.

use std::{collections::HashMap, rc::Rc};

use super::{
    Demand,
    items::{Item, Items, Lane, Raise, Table},
    loss::{self, Loss},
};
use crate::Hierarchy;

/// The levels of up to 16 columns, a byte each: an order by columns is one subtraction.
pub(super) type Levels = u128;
const HIGHS: Levels = u128::MAX / 0xff * 0x80;
/// The most columns.
pub(super) const MOST_COLUMNS: usize = 16;
/// The most levels that are all looked at; beyond, the first descent is the answer.
const MOST_LEVELS: usize = 200_000;
/// How many items, of all levels of the first columns, are kept to begin from.
const MOST_KEPT: usize = 2_000_000;
/// How many columns are raised one by one, and what comes of it kept.
const KEPT_COLUMNS: usize = 3;

/// The level of a column.
pub(super) fn level(levels: Levels, column: usize) -> usize {
    usize::from(levels.to_le_bytes().get(column).copied().unwrap_or(0))
}

fn with_level(levels: Levels, column: usize, level: usize) -> Levels {
    let mut bytes = levels.to_le_bytes();
    if let Some(byte) = bytes.get_mut(column) {
        *byte = u8::try_from(level).unwrap_or(u8::MAX);
    }
    Levels::from_le_bytes(bytes)
}

/// Whether no column is at a coarser level in `fine` than in `coarse`.
fn is_finer(fine: Levels, coarse: Levels) -> bool {
    ((coarse | HIGHS) - fine) & HIGHS == HIGHS
}

/// What was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) levels: Levels,
    pub(super) loss: Loss,
    pub(super) tried: usize,
    pub(super) is_best: bool,
}

pub(super) struct Search<'a> {
    hierarchies: &'a [&'a Hierarchy],
    lanes: &'a [Lane],
    demand: Demand,
    rows: f64,
    /// For each column and level, what its values stand for, summed over all rows.
    sums: Vec<Vec<f64>>,
    /// The columns, that whose rows are spread widest first: raising it leaves the fewest items.
    order: Vec<usize>,
    kept: HashMap<Levels, Rc<Items>>,
    kept_items: usize,
    root: Rc<Items>,
    table: Table,
    classes: Vec<Item>,
    /// Levels that leave too many rows in small classes, as do all finer ones.
    refused: Vec<Levels>,
    tried: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        hierarchies: &'a [&'a Hierarchy],
        lanes: &'a [Lane],
        items: Items,
        demand: Demand,
    ) -> Self {
        let mut leaves: Vec<Vec<u64>> = hierarchies.iter().map(|it| vec![0; it.leaves()]).collect();
        let mut rows = 0_u64;
        for item in items.single.iter().chain(items.shared.iter().map(|shared| &shared.item)) {
            rows += u64::from(item.rows);
            for (lane, counts) in lanes.iter().zip(&mut leaves) {
                if let Some(count) = counts.get_mut(lane.read(item.key) as usize) {
                    *count += u64::from(item.rows);
                }
            }
        }
        let sums = hierarchies.iter().zip(&leaves).map(|(it, counts)| sums(it, counts)).collect();
        let mut order: Vec<(f64, usize)> =
            leaves.iter().map(|counts| concentration(counts)).zip(0..).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        let order = order.into_iter().map(|(_, column)| column).collect();
        Self {
            hierarchies,
            lanes,
            demand,
            rows: floating(rows),
            sums,
            order,
            kept: HashMap::new(),
            kept_items: 0,
            root: Rc::new(items),
            table: Table::default(),
            classes: Vec::new(),
            refused: Vec::new(),
            tried: 0,
        }
    }

    /// The levels that lose least; none if even the coarsest leave too many rows in small classes.
    pub(super) fn run(mut self) -> Option<Found> {
        let mut best = self.descend()?;
        let Some(mut all) = self.all_below(best.1) else {
            return Some(self.found(best.0, false));
        };
        all.sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(other.1.cmp(&one.1)));
        for (least, levels) in all {
            if least < best.1
                && let Some(lost) = self.lost(levels)
                && lost < best.1
            {
                best = (levels, lost);
            }
        }
        Some(self.found(best.0, true))
    }

    fn found(mut self, levels: Levels, is_best: bool) -> Found {
        let tried = self.tried;
        let sums = self.sums_of(levels).unwrap_or_default();
        let leaves = self.hierarchies.iter().map(|it| it.leaves());
        let loss = Loss::of(sums.into_iter().zip(leaves), self.rows);
        Found { levels, loss, tried, is_best }
    }

    /// From the coarsest levels down, each time to the finer neighbour that loses least.
    fn descend(&mut self) -> Option<(Levels, f64)> {
        let mut here = 0;
        for (column, hierarchy) in self.hierarchies.iter().enumerate() {
            here = with_level(here, column, hierarchy.depth() - 1);
        }
        let mut best = (here, self.lost(here)?);
        loop {
            let mut next: Option<(Levels, f64)> = None;
            for column in 0..self.hierarchies.len() {
                let Some(finer) = level(here, column).checked_sub(1) else { continue };
                let finer = with_level(here, column, finer);
                // A descent may pass through what loses more, but not through what must.
                if next.is_some_and(|next| self.least(finer) >= next.1) {
                    continue;
                }
                if let Some(lost) = self.lost(finer)
                    && next.is_none_or(|next| lost < next.1)
                {
                    next = Some((finer, lost));
                }
            }
            let Some(next) = next else { return Some(best) };
            here = next.0;
            if next.1 < best.1 {
                best = next;
            }
        }
    }

    /// All levels that could lose less than `bound`, with the least that they can lose; none
    /// where there are too many levels.
    fn all_below(&self, bound: f64) -> Option<Vec<(f64, Levels)>> {
        let count = self.hierarchies.iter().map(|it| it.depth()).try_fold(1, usize::checked_mul);
        if count? > MOST_LEVELS {
            return None;
        }
        // The product of `1 + loss` over columns grows column by column, so a beginning that is
        // too great ends all that begin so.
        let columns = f64::from(u32::try_from(self.hierarchies.len()).unwrap_or(u32::MAX));
        let most = (1.0 + bound).powf(columns);
        let mut begun: Vec<(f64, Levels)> = vec![(1.0, 0)];
        for (column, (hierarchy, sums)) in self.hierarchies.iter().zip(&self.sums).enumerate() {
            let losses =
                sums.iter().map(|sum| 1.0 + loss::normalised(*sum, hierarchy.leaves(), self.rows));
            let losses: Vec<f64> = losses.collect();
            begun = begun
                .iter()
                .flat_map(|(product, levels)| {
                    losses.iter().enumerate().map(move |(level, lost)| {
                        (product * lost, with_level(*levels, column, level))
                    })
                })
                .filter(|(product, _)| *product < most)
                .collect();
        }
        Some(
            begun
                .into_iter()
                .map(|(product, it)| (product.powf(1.0 / columns) - 1.0, it))
                .collect(),
        )
    }

    /// The least that levels can lose: with nothing suppressed.
    fn least(&self, levels: Levels) -> f64 {
        let columns = self.hierarchies.iter().zip(&self.sums).enumerate();
        loss::total(columns.map(|(column, (hierarchy, sums))| {
            let sum = sums.get(level(levels, column)).copied().unwrap_or(self.rows);
            loss::normalised(sum, hierarchy.leaves(), self.rows)
        }))
    }

    /// What levels lose; none if they leave too many rows in small classes.
    fn lost(&mut self, levels: Levels) -> Option<f64> {
        if self.refused.iter().rev().any(|coarse| is_finer(levels, *coarse)) {
            return None;
        }
        self.tried += 1;
        let Some(sums) = self.sums_of(levels) else {
            self.refused.push(levels);
            return None;
        };
        let columns = self.hierarchies.iter().zip(&sums);
        Some(loss::total(columns.map(|(it, sum)| loss::normalised(*sum, it.leaves(), self.rows))))
    }

    /// What the values of each column stand for, summed over rows, those of small classes as
    /// suppressed.
    fn sums_of(&mut self, levels: Levels) -> Option<Vec<f64>> {
        self.classify(levels);
        let small = |class: &&Item| !self.demand.is_met(class);
        let suppressed: u64 =
            self.classes.iter().filter(small).map(|class| u64::from(class.rows)).sum();
        if floating(suppressed) > self.demand.limit * self.rows {
            return None;
        }
        let columns = self.hierarchies.iter().zip(&self.sums).zip(self.lanes).enumerate();
        let sums = columns.map(|(column, ((hierarchy, sums), lane))| {
            let level = level(levels, column);
            let share = hierarchy.share(level);
            let more: f64 = self
                .classes
                .iter()
                .filter(small)
                .map(|class| {
                    let stands = share.get(lane.read(class.key) as usize).copied().unwrap_or(1.0);
                    f64::from(class.rows) * (1.0 - stands)
                })
                .sum();
            sums.get(level).copied().unwrap_or(self.rows) + more
        });
        Some(sums.collect())
    }

    /// Finds the classes at levels, from the nearest items that are kept.
    fn classify(&mut self, levels: Levels) {
        let (mut prefix, mut items) = (0, Rc::clone(&self.root));
        let order = self.order.clone();
        let (first, rest) = order.split_at(order.len().min(KEPT_COLUMNS));
        for column in first {
            let level = level(levels, *column);
            if level == 0 {
                continue;
            }
            prefix = with_level(prefix, *column, level);
            items = match self.kept.get(&prefix) {
                Some(kept) => Rc::clone(kept),
                None => self.raise(&items, *column, level, prefix),
            };
        }
        let lanes = rest.iter().filter_map(|column| {
            let level = level(levels, *column);
            self.lanes.get(*column).filter(|_| level > 0).map(|lane| lane.raise(level))
        });
        let lanes: Vec<Raise<'_>> = lanes.collect();
        items.classes(&lanes, &mut self.table, &mut self.classes);
    }

    fn raise(
        &mut self,
        items: &Rc<Items>,
        column: usize,
        level: usize,
        prefix: Levels,
    ) -> Rc<Items> {
        let Some(lane) = self.lanes.get(column) else { return Rc::clone(items) };
        let raised = Rc::new(items.raised(&[lane.raise(level)], &mut self.table));
        if self.kept_items + raised.len() <= MOST_KEPT {
            self.kept_items += raised.len();
            self.kept.insert(prefix, Rc::clone(&raised));
        }
        raised
    }
}

/// How likely two rows have the same value of a column (Simpson's index).
fn concentration(counts: &[u64]) -> f64 {
    let all = floating(counts.iter().sum());
    counts.iter().map(|count| (floating(*count) / all).powi(2)).sum()
}

/// For each level, what the values of a column stand for, summed over rows.
fn sums(hierarchy: &Hierarchy, counts: &[u64]) -> Vec<f64> {
    (0..hierarchy.depth())
        .map(|level| {
            let share = hierarchy.share(level);
            let codes = hierarchy.of_leaf(level).iter().zip(counts);
            codes
                .map(|(code, count)| {
                    floating(*count) * share.get(*code as usize).copied().unwrap_or(1.0)
                })
                .sum()
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are far below 2^53")]
fn floating(count: u64) -> f64 {
    count as f64
}
