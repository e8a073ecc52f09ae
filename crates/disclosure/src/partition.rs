//! Atoms in blocks: two atoms stand in one block as long as no answer tells them apart.
//!
//! **Invariant:** every atom is in exactly one block, and every cell that was refined by is a
//! union of blocks. Columns of one block are equal, so that a vector of the row space is zero on
//! all of its atoms or on none: nothing is lost by treating the block as one unknown.

use std::collections::HashMap;

/// A partition of atoms, refined by sets (Paige and Tarjan, 1987).
#[derive(Debug, Clone, Default)]
pub(crate) struct Partition {
    block_of: Vec<u32>,
    place: Vec<u32>,
    members: Vec<Vec<u32>>,
}

/// A block from which a part was taken: the part is a block of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) of: u32,
    pub(crate) part: u32,
}

#[expect(clippy::indexing_slicing, reason = "atoms and blocks are checked where they enter")]
#[expect(clippy::cast_possible_truncation, reason = "there are fewer atoms than 2^31")]
impl Partition {
    /// Puts all atoms up to `atoms` that are new in a block of their own; which, if there are any.
    /// They may not join a block that is there: answers may cover it.
    pub(crate) fn cover(&mut self, atoms: usize) -> Option<u32> {
        let block = self.members.len() as u32;
        let new = self.block_of.len()..atoms;
        if new.is_empty() {
            return None;
        }
        self.members.push(Vec::new());
        for atom in new {
            self.insert(atom as u32, block);
        }
        Some(block)
    }

    fn insert(&mut self, atom: u32, block: u32) {
        self.block_of.push(block);
        self.place.push(self.members[block as usize].len() as u32);
        self.members[block as usize].push(atom);
    }

    /// Adds an atom, the next in order, beside another.
    pub(crate) fn add_beside(&mut self, atom: u32, beside: u32) {
        let block = self.block_of[beside as usize];
        self.insert(atom, block);
    }

    pub(crate) fn blocks(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn members(&self, block: u32) -> &[u32] {
        &self.members[block as usize]
    }

    /// The blocks that a set is the union of, in order; it was refined by.
    pub(crate) fn blocks_of(&self, atoms: &[u32]) -> Vec<u32> {
        let mut blocks: Vec<u32> = atoms.iter().map(|atom| self.block_of[*atom as usize]).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Splits each block that a set without repetitions cuts in two.
    pub(crate) fn refine(&mut self, atoms: &[u32]) -> Vec<Split> {
        let mut covered: HashMap<u32, u32> = HashMap::new();
        for atom in atoms {
            *covered.entry(self.block_of[*atom as usize]).or_default() += 1;
        }
        let mut cut: Vec<u32> = covered
            .into_iter()
            .filter(|(block, count)| (*count as usize) < self.members[*block as usize].len())
            .map(|(block, _)| block)
            .collect();
        cut.sort_unstable();
        let mut parts: HashMap<u32, u32> = HashMap::new();
        for block in &cut {
            parts.insert(*block, self.members.len() as u32);
            self.members.push(Vec::new());
        }
        for atom in atoms {
            if let Some(part) = parts.get(&self.block_of[*atom as usize]) {
                self.shift(*atom, *part);
            }
        }
        cut.iter().map(|of| Split { of: *of, part: parts[of] }).collect()
    }

    fn shift(&mut self, atom: u32, part: u32) {
        let (block, place) = (self.block_of[atom as usize], self.place[atom as usize]);
        let members = &mut self.members[block as usize];
        members.swap_remove(place as usize);
        if let Some(moved) = members.get(place as usize) {
            self.place[*moved as usize] = place;
        }
        self.block_of[atom as usize] = part;
        self.place[atom as usize] = self.members[part as usize].len() as u32;
        self.members[part as usize].push(atom);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_set_is_a_union_of_blocks(
            sets in prop::collection::vec(prop::collection::btree_set(0_u32..30, 0..30), 0..8),
        ) {
            let mut partition = Partition::default();
            partition.cover(30);
            for set in &sets {
                partition.refine(&set.iter().copied().collect::<Vec<_>>());
            }
            partition.add_beside(30, 7);
            for set in &sets {
                let atoms: Vec<u32> = set.iter().copied().collect();
                let union: BTreeSet<u32> = partition
                    .blocks_of(&atoms)
                    .into_iter()
                    .flat_map(|block| partition.members(block).to_vec())
                    .collect();
                let mut expected = set.clone();
                if set.contains(&7) {
                    expected.insert(30);
                }
                prop_assert_eq!(union, expected);
            }
            let all: usize = partition.members.iter().map(Vec::len).sum();
            prop_assert_eq!(all, 31);
        }
    }
}
