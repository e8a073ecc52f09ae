//! The rows as the search sees them: equal ones together, and each time fewer as they become
//! coarser.

use crate::Hierarchy;

/// The places of all columns in one number.
pub(super) type Key = u128;

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
    /// For each level, for each value of level 0, the number at that level.
    levels: Vec<Vec<u32>>,
}

impl Lane {
    /// The lanes of columns beside one another; none if they do not fit.
    pub(super) fn of(hierarchies: &[&Hierarchy]) -> Option<Vec<Self>> {
        let mut shift = 0;
        let mut lanes = Vec::new();
        for hierarchy in hierarchies {
            let bits = usize::BITS - hierarchy.leaves().saturating_sub(1).leading_zeros();
            let levels =
                (0..hierarchy.depth()).map(|level| hierarchy.of_leaf(level).to_vec()).collect();
            if shift + bits > Key::BITS {
                return None;
            }
            lanes.push(Self { shift, mask: ((1 << bits) - 1) << shift, levels });
            shift += bits;
        }
        Some(lanes)
    }

    /// The place of a value of level 0.
    pub(super) fn place(&self, leaf: u32) -> Key {
        // A lane of no bits, whose column has one value, may begin beyond the last bit.
        Key::from(leaf).checked_shl(self.shift).unwrap_or(0)
    }

    /// The number in this lane.
    pub(super) fn read(&self, key: Key) -> u32 {
        u32::try_from((key & self.mask).checked_shr(self.shift).unwrap_or(0)).unwrap_or(0)
    }

    /// A key of level 0 in this lane, at a level.
    pub(super) fn raise(&self, key: Key, level: usize) -> Key {
        let leaf = self.read(key) as usize;
        let code = self.levels.get(level).and_then(|codes| codes.get(leaf)).copied().unwrap_or(0);
        (key & !self.mask) | self.place(code)
    }
}

/// Finds what has the same key.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One more than the place among the items; 0: empty.
    slots: Vec<u32>,
}

impl Table {
    fn clear(&mut self, items: usize) {
        let wanted = (items * 2).next_power_of_two().max(16);
        if self.slots.len() < wanted {
            self.slots = vec![0; wanted];
        } else {
            // A table much larger than need be costs more to clear than to make smaller.
            self.slots.truncate(wanted);
            self.slots.fill(0);
        }
    }

    /// The place of `key` among `items`, where it is put if it is not there.
    fn place(&mut self, key: Key, items: &mut Vec<Item>) -> usize {
        let bits = self.slots.len().trailing_zeros();
        let mask = self.slots.len() - 1;
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
    let folded = (key as u64) ^ ((key >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
}

impl Items {
    pub(super) fn len(&self) -> usize {
        self.single.len() + self.shared.len()
    }

    /// The same rows with each of `lanes` at its level; in those lanes they are at level 0.
    pub(super) fn raised(&self, lanes: &[(&Lane, usize)], table: &mut Table) -> Self {
        let raise = |key| lanes.iter().fold(key, |key, (lane, level)| lane.raise(key, *level));
        let mut raised = Self::default();
        table.clear(self.single.len());
        for item in &self.single {
            let place = table.place(raise(item.key), &mut raised.single);
            if let Some(into) = raised.single.get_mut(place) {
                into.take(item);
            }
        }
        for Shared { subject, item } in &self.shared {
            let item = Item { key: raise(item.key), ..*item };
            // What a subject has lies together, and is little.
            let own = raised.shared.iter_mut().rev().take_while(|it| it.subject == *subject);
            match own.into_iter().find(|it| it.item.key == item.key) {
                Some(into) => {
                    into.item.rows += item.rows;
                    into.item.seen |= item.seen;
                }
                None => raised.shared.push(Shared { subject: *subject, item }),
            }
        }
        raised
    }

    /// The classes: what has the same values, with how many distinct subjects.
    pub(super) fn classes(
        &self,
        lanes: &[(&Lane, usize)],
        table: &mut Table,
        into: &mut Vec<Item>,
    ) {
        into.clear();
        let raise = |key| lanes.iter().fold(key, |key, (lane, level)| lane.raise(key, *level));
        table.clear(self.len());
        for item in &self.single {
            let place = table.place(raise(item.key), into);
            if let Some(class) = into.get_mut(place) {
                class.take(item);
            }
        }
        let mut last = vec![u32::MAX; if self.shared.is_empty() { 0 } else { into.len() }];
        for Shared { subject, item } in &self.shared {
            let place = table.place(raise(item.key), into);
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
