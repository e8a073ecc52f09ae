//! Generalisation to k: values become coarser until every row is like those of at least k
//! subjects, and rows that never are, are left out.
//!
//! The model is k-anonymity by full-domain generalisation with suppression (Samarati, *Protecting
//! respondents' identities in microdata release*, 2001), counted in distinct subjects, not rows;
//! besides, distinct l-diversity (Machanavajjhala et al. 2007) of one sensitive column. In one
//! column all values have one level, so that programs written against the outcome meet values of
//! one form.

mod items;
mod loss;
mod search;

use std::collections::HashMap;

use arrow::array::StringArray;

pub use loss::Loss;

use self::{
    items::{Item, Items, Key, Lane, Raise, Shared, Table, raised},
    search::{Levels, MOST_COLUMNS, Search, level},
};
use crate::{Hierarchy, MaskingError};

/// A column by which somebody could be found, coded.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its levels.
    pub hierarchy: Hierarchy,
    /// For each row, the number of its value at level 0.
    pub codes: Vec<u32>,
}

/// What a class must have to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// At least so many distinct subjects.
    pub k: u32,
    /// At least so many distinct values of the sensitive column, up to 64; 1: any.
    pub diversity: u32,
    /// The greatest share of rows, from 0 to 1, that may be left out.
    pub limit: f64,
}

impl Demand {
    /// At least `k` subjects, and at most one row in twenty left out.
    pub fn of(k: u32) -> Self {
        Self { k, diversity: 1, limit: 0.05 }
    }

    fn is_met(&self, class: &Item) -> bool {
        class.subjects >= self.k
            && (self.diversity <= 1 || class.seen.count_ones() >= self.diversity)
    }
}

/// The subject of a row that names none: it counts for nobody.
pub const NOBODY: u32 = u32::MAX;

/// Whom rows are about, and what is sensitive of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows<'a> {
    /// For each row, the number of its subject, or [`NOBODY`]; none: each row has one of its own.
    pub subjects: Option<&'a [u32]>,
    /// For each row, the number of its sensitive value, if one column is.
    pub sensitive: Option<&'a [u32]>,
}

/// A generalised table.
#[derive(Debug, Clone, PartialEq)]
pub struct Generalised {
    /// The level of each column.
    pub levels: Vec<usize>,
    /// For each row, whether it is shown.
    pub shown: Vec<bool>,
    /// What was lost.
    pub loss: Loss,
    /// How many classes are shown.
    pub classes: usize,
    /// The least number of subjects of a class that is shown.
    pub smallest: u32,
    /// How many levels were tried.
    pub tried: usize,
    /// Whether no other levels lose less. Where there are too many to look at all of them, those
    /// found by descent are taken.
    pub is_best: bool,
}

impl Generalised {
    /// A column at its level; rows that are left out have no value.
    pub fn values(&self, columns: &[Column], at: usize) -> Option<StringArray> {
        let (column, level) = (columns.get(at)?, *self.levels.get(at)?);
        let values = column.codes.iter().zip(&self.shown).map(|(code, shown)| {
            let (_, name) = column.hierarchy.at(level, *code).filter(|_| *shown)?;
            Some(name)
        });
        Some(values.collect())
    }
}

/// The generalisation that loses least.
///
/// # Errors
///
/// Columns differ in length, there are more than 16, or their values do not fit beside one
/// another into 64 bits; a code is not in its hierarchy.
pub fn generalise(
    columns: &[Column],
    rows: Rows<'_>,
    demand: Demand,
) -> Result<Generalised, MaskingError> {
    let count = columns.first().map_or(0, |column| column.codes.len());
    let lengths = columns.iter().map(|column| column.codes.len());
    let others = [rows.subjects, rows.sensitive].into_iter().flatten().map(<[u32]>::len);
    if lengths.chain(others).any(|length| length != count) {
        return Err(MaskingError::Length);
    }
    for column in columns {
        let leaves = column.hierarchy.leaves();
        if column.codes.iter().any(|code| *code as usize >= leaves) {
            let (column, reason) = (column.hierarchy.name().to_owned(), "lacks a value");
            return Err(MaskingError::Hierarchy { column, reason });
        }
    }
    let hierarchies: Vec<&Hierarchy> = columns.iter().map(|column| &column.hierarchy).collect();
    let lanes = Lane::of(&hierarchies).filter(|lanes| lanes.len() <= MOST_COLUMNS);
    let lanes = lanes.ok_or(MaskingError::TooWide)?;
    let keys = keys(columns, &lanes, count);
    let items = items(&keys, rows);
    let found = Search::new(&hierarchies, &lanes, items.clone(), demand).run();
    let Some(found) = found else {
        return Ok(nothing(columns, count));
    };
    Ok(shown(found, &lanes, &items, &keys, demand))
}

/// Marks the rows of classes that are large enough.
fn shown(
    found: search::Found,
    lanes: &[Lane],
    items: &Items,
    keys: &[Key],
    demand: Demand,
) -> Generalised {
    let raising: Vec<Raise<'_>> = raising(lanes, found.levels);
    let (mut table, mut classes) = (Table::default(), Vec::new());
    items.classes(&raising, &mut table, &mut classes);
    let large: Vec<&Item> = classes.iter().filter(|class| demand.is_met(class)).collect();
    let keyed: std::collections::HashSet<Key> = large.iter().map(|class| class.key).collect();
    // Rows with the same values share their fate.
    let mut fates: HashMap<Key, bool> = HashMap::with_capacity(items.len());
    let shown = keys
        .iter()
        .map(|key| *fates.entry(*key).or_insert_with(|| keyed.contains(&raised(*key, &raising))))
        .collect();
    Generalised {
        levels: (0..lanes.len()).map(|column| level(found.levels, column)).collect(),
        shown,
        loss: found.loss,
        classes: large.len(),
        smallest: large.iter().map(|class| class.subjects).min().unwrap_or(0),
        tried: found.tried,
        is_best: found.is_best,
    }
}

/// Fewer subjects than one class needs: nothing can be shown.
fn nothing(columns: &[Column], count: usize) -> Generalised {
    Generalised {
        levels: columns.iter().map(|column| column.hierarchy.depth() - 1).collect(),
        shown: vec![false; count],
        loss: Loss { by_column: vec![1.0; columns.len()], total: 1.0 },
        classes: 0,
        smallest: 0,
        tried: 1,
        is_best: true,
    }
}

fn raising(lanes: &[Lane], levels: Levels) -> Vec<Raise<'_>> {
    let all = lanes.iter().enumerate().map(|(column, lane)| (lane, level(levels, column)));
    all.filter(|(_, level)| *level > 0).map(|(lane, level)| lane.raise(level)).collect()
}

fn keys(columns: &[Column], lanes: &[Lane], count: usize) -> Vec<Key> {
    let mut keys = vec![0; count];
    for (column, lane) in columns.iter().zip(lanes) {
        for (key, code) in keys.iter_mut().zip(&column.codes) {
            *key |= lane.place(*code);
        }
    }
    keys
}

/// Rows with the same values together; apart from them the rows of subjects that have several
/// different ones.
fn items(keys: &[Key], rows: Rows<'_>) -> Items {
    let seen = |row: usize| {
        let code = rows.sensitive.and_then(|codes| codes.get(row)).copied().unwrap_or(0);
        1_u64 << (code % 64)
    };
    let mut items = Items::default();
    let Some(subjects) = rows.subjects else {
        items.single = keys
            .iter()
            .enumerate()
            .map(|(row, key)| Item { key: *key, subjects: 1, rows: 1, seen: seen(row) })
            .collect();
        return items.raised(&[], &mut Table::default());
    };
    let mut order: Vec<(u32, Key, usize)> = subjects
        .iter()
        .zip(keys)
        .enumerate()
        .map(|(row, (subject, key))| (*subject, *key, row))
        .collect();
    order.sort_unstable();
    for own in order.chunk_by(|one, other| one.0 == other.0) {
        let Some((subject, first, _)) = own.first() else { continue };
        let is_single = *subject == NOBODY || own.iter().all(|(_, key, _)| key == first);
        for (_, key, row) in own {
            let item = Item { key: *key, subjects: 0, rows: 1, seen: seen(*row) };
            if is_single {
                items.single.push(item);
            } else {
                items.shared.push(Shared { subject: *subject, item });
            }
        }
        if is_single
            && *subject != NOBODY
            && let Some(last) = items.single.last_mut()
        {
            last.subjects = 1;
        }
    }
    items.raised(&[], &mut Table::default())
}

#[cfg(test)]
mod tests;
