//! The rows as the search sees them: equal ones together, and each time fewer as they become
//! coarser.

use crate::Hierarchy;

/// The places of all columns in one number.
pub(super) type Key = u64;

/// Rows with the same values, of subjects that have no row elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) key: Key,
    /// How many distinct subjects.
    pub(super) subjects: u32,
    /// How many rows.
    pub(super) rows: u32,
    /// Which sensitive values they have, by their number modulo 64: too few are counted, never
    /// too many.
    pub(super) seen: u64,
}

/// Rows with the same values, of one subject that also has rows elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub(super) subject: u32,
    pub(super) item: Item,
}

/// All rows at given levels.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    pub(super) single: Vec<Item>,
    /// Ordered by subject.
    pub(super) shared: Vec<Shared>,
}

/// Where a column lies in a key, and what its values become at each level.
#[derive(Debug)]
pub(super) struct Lane {
    shift: u32,
    mask: Key,
    /// For each level, for each value of level 0, the number at that level in its place.
    levels: Vec<Vec<Key>>,
}

/// What makes the values of one lane coarser.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raise<'a> {
    shift: u32,
    mask: Key,
    places: &'a [Key],
}

impl Lane {
    /// The lanes of columns beside one another; none if they do not fit.
    pub(super) fn of(hierarchies: &[&Hierarchy]) -> Option<Vec<Self>> {
        let mut shift = 0;
        let mut lanes = Vec::new();
        for hierarchy in hierarchies {
            // A column of one value has a bit, too, so that every lane begins within the key.
            let bits = usize::BITS - hierarchy.leaves().saturating_sub(1).max(1).leading_zeros();
            if shift + bits > Key::BITS {
                return None;
            }
            let place = |code: &u32| Key::from(*code) << shift;
            let levels = (0..hierarchy.depth())
                .map(|level| hierarchy.of_leaf(level).iter().map(place).collect())
                .collect();
            lanes.push(Self { shift, mask: (Key::MAX >> (Key::BITS - bits)) << shift, levels });
            shift += bits;
        }
        Some(lanes)
    }

    /// The place of a value of level 0.
    pub(super) fn place(&self, leaf: u32) -> Key {
        Key::from(leaf) << self.shift
    }

    /// The number in this lane.
    pub(super) fn read(&self, key: Key) -> u32 {
        u32::try_from((key & self.mask) >> self.shift).unwrap_or(0)
    }

    /// What brings values of level 0 in this lane to a level.
    pub(super) fn raise(&self, level: usize) -> Raise<'_> {
        let places = self.levels.get(level).map(Vec::as_slice).unwrap_or_default();
        Raise { shift: self.shift, mask: self.mask, places }
    }
}

/// A key of level 0 in some lanes, at their levels.
pub(super) fn raised(key: Key, lanes: &[Raise<'_>]) -> Key {
    lanes.iter().fold(key, |key, lane| {
        let leaf = usize::try_from((key & lane.mask) >> lane.shift).unwrap_or(usize::MAX);
        (key & !lane.mask) | lane.places.get(leaf).copied().unwrap_or(0)
    })
}

/// Finds what has the same key.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One more than the place among the items; 0: empty.
    slots: Vec<u32>,
    /// Of how many slots, a power of two, the first are in use.
    used: usize,
}

impl Table {
    fn clear(&mut self, items: usize) {
        self.used = (items * 2).next_power_of_two().max(16);
        if self.slots.len() < self.used {
            self.slots.resize(self.used, 0);
        }
        for slot in self.slots.iter_mut().take(self.used) {
            *slot = 0;
        }
    }

    /// The place of `key` among `items`, where it is put if it is not there.
    fn place(&mut self, key: Key, items: &mut Vec<Item>) -> usize {
        let bits = self.used.trailing_zeros();
        let mask = self.used - 1;
        let mut at = hashed(key, bits);
        loop {
            let Some(slot) = self.slots.get_mut(at) else { return 0 };
            if *slot == 0 {
                items.push(Item { key, subjects: 0, rows: 0, seen: 0 });
                *slot = u32::try_from(items.len()).unwrap_or(u32::MAX);
                return items.len() - 1;
            }
            let found = *slot as usize - 1;
            if items.get(found).is_some_and(|item| item.key == key) {
                return found;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Multiplicative hashing (Knuth, *The Art of Computer Programming* 3, 6.4): the upper bits.
#[expect(clippy::cast_possible_truncation, reason = "a hash keeps some bits and drops others")]
fn hashed(key: Key, bits: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.single.len() + self.shared.len()
    }

    /// The same rows with each of `lanes` at its level; in those lanes they are at level 0.
    pub(super) fn raised(&self, lanes: &[Raise<'_>], table: &mut Table) -> Self {
        let mut coarse = Self::default();
        table.clear(self.single.len());
        for item in &self.single {
            let place = table.place(raised(item.key, lanes), &mut coarse.single);
            if let Some(into) = coarse.single.get_mut(place) {
                into.take(item);
            }
        }
        for Shared { subject, item } in &self.shared {
            let item = Item { key: raised(item.key, lanes), ..*item };
            // What a subject has lies together, and is little.
            let own = coarse.shared.iter_mut().rev().take_while(|it| it.subject == *subject);
            match own.into_iter().find(|it| it.item.key == item.key) {
                Some(into) => {
                    into.item.rows += item.rows;
                    into.item.seen |= item.seen;
                }
                None => coarse.shared.push(Shared { subject: *subject, item }),
            }
        }
        coarse
    }

    /// The classes: what has the same values, with how many distinct subjects.
    pub(super) fn classes(&self, lanes: &[Raise<'_>], table: &mut Table, into: &mut Vec<Item>) {
        into.clear();
        table.clear(self.len());
        for item in &self.single {
            let place = table.place(raised(item.key, lanes), into);
            if let Some(class) = into.get_mut(place) {
                class.take(item);
            }
        }
        let mut last = vec![u32::MAX; if self.shared.is_empty() { 0 } else { into.len() }];
        for Shared { subject, item } in &self.shared {
            let place = table.place(raised(item.key, lanes), into);
            if last.len() < into.len() {
                last.resize(into.len(), u32::MAX);
            }
            let (Some(class), Some(last)) = (into.get_mut(place), last.get_mut(place)) else {
                continue;
            };
            class.rows += item.rows;
            class.seen |= item.seen;
            // The rows of a subject come one after another: it is counted once in a class.
            if *last != *subject {
                *last = *subject;
                class.subjects += 1;
            }
        }
    }
}

impl Item {
    fn take(&mut self, other: &Self) {
        self.subjects += other.subjects;
        self.rows += other.rows;
        self.seen |= other.seen;
    }
}
