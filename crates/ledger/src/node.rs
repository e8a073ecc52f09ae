//! Places in the tree.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{HashSuite, NodeHash};

/// The place of a complete subtree: 2^`level` leaves, the first of them `index` · 2^`level`.
///
/// Its hash never changes once the tree holds those leaves, so it may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// How high the subtree is; a leaf is 0.
    pub level: u8,
    /// Which of the subtrees of this height it is.
    pub index: u64,
}

impl Node {
    /// The place of a leaf.
    pub fn leaf(index: u64) -> Self {
        Self { level: 0, index }
    }

    /// The leaves under this node.
    pub fn leaves(self) -> Range<u64> {
        let at = |index: u64| index.checked_shl(self.level.into()).unwrap_or(u64::MAX);
        at(self.index)..at(self.index.saturating_add(1))
    }

    /// The complete subtrees that make up `leaves`, from left to right.
    ///
    /// There are at most two a level. Their hashes, folded from the right, are the Merkle tree
    /// hash of the range, if the range is one that RFC 6962 speaks of.
    pub fn covering(leaves: Range<u64>) -> Vec<Self> {
        let mut nodes = Vec::new();
        let mut start = leaves.start;
        while start < leaves.end {
            let level = start.trailing_zeros().min((leaves.end - start).ilog2());
            nodes.push(Self {
                level: u8::try_from(level).unwrap_or(u8::MAX),
                index: start >> level,
            });
            start += 1 << level;
        }
        nodes
    }
}

/// The hash of adjacent subtrees, given from the left, folded from the right.
pub(crate) fn fold(suite: HashSuite, hashes: &[NodeHash]) -> NodeHash {
    match hashes.split_last() {
        None => suite.empty(),
        Some((last, before)) => {
            before.iter().rev().fold(*last, |right, left| suite.node(left, &right))
        }
    }
}
