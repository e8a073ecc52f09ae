//! Proofs that a leaf is in a tree, and that one tree begins with another (RFC 6962 §2.1).

use std::{collections::BTreeSet, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{HashSuite, Node, NodeHash, Tile, node::fold};

/// Why there is no proof, or why it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not below the size.
    #[error("leaf {index} is outside a tree of {size} leaves")]
    OutsideTree {
        /// The leaf asked for.
        index: u64,
        /// The number of leaves.
        size: u64,
    },
    /// The tree to compare with is the longer one.
    #[error("a tree of {old} leaves can't be the beginning of one of {new}")]
    Shrunk {
        /// The size of the earlier tree.
        old: u64,
        /// The size of the later tree.
        new: u64,
    },
    /// The number of hashes is not that of a proof between these sizes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The hashes don't lead to the root.
    #[error("the proof does not lead to the root")]
    Root,
    /// A hash that the proof needs is not there.
    #[error("the hash of {0:?} is missing")]
    Missing(Node),
}

/// Which hashes a proof consists of: for each, the complete subtrees that it is folded from.
///
/// A caller that reads asynchronously gets the nodes or tiles first, and then [`Self::resolve`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Vec<Node>>);

impl Plan {
    /// The plan of the root of a tree of `size` leaves.
    pub fn root(size: u64) -> Self {
        Self(vec![Node::covering(0..size)])
    }

    fn of(mut ranges: Vec<Range<u64>>) -> Self {
        ranges.reverse();
        Self(ranges.into_iter().map(Node::covering).collect())
    }

    /// The nodes whose hashes are needed.
    pub fn nodes(&self) -> impl Iterator<Item = Node> {
        self.0.iter().flatten().copied()
    }

    /// The tiles of a tree of `size` leaves that hold what is needed.
    pub fn tiles(&self, size: u64) -> BTreeSet<Tile> {
        self.nodes().filter_map(|node| Tile::holding(node, size)).collect()
    }

    /// The hashes, from those that `source` gives.
    pub fn resolve<E>(
        &self,
        suite: HashSuite,
        mut source: impl FnMut(Node) -> Result<NodeHash, E>,
    ) -> Result<Vec<NodeHash>, E> {
        self.0
            .iter()
            .map(|nodes| {
                let hashes: Vec<_> =
                    nodes.iter().copied().map(&mut source).collect::<Result<_, E>>()?;
                Ok(fold(suite, &hashes))
            })
            .collect()
    }
}

/// Proves that a leaf is in the tree of the first `size` leaves.
///
/// An auditor checks it with [`Self::verify`], offline, against a checkpoint they hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Which leaf.
    pub index: u64,
    /// The number of leaves of the tree.
    pub size: u64,
    /// The hashes beside the way from the leaf to the root.
    pub path: Vec<NodeHash>,
}

impl InclusionProof {
    /// Which hashes the proof needs.
    ///
    /// # Errors
    ///
    /// [`ProofError::OutsideTree`] if `index` is not below `size`.
    pub fn plan(index: u64, size: u64) -> Result<Plan, ProofError> {
        if index >= size {
            return Err(ProofError::OutsideTree { index, size });
        }
        let (mut start, mut end, mut beside) = (0, size, Vec::new());
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                beside.push(middle..end);
                end = middle;
            } else {
                beside.push(start..middle);
                start = middle;
            }
        }
        Ok(Plan::of(beside))
    }

    /// The proof, from the hashes that `source` gives.
    pub fn generate<E: From<ProofError>>(
        suite: HashSuite,
        index: u64,
        size: u64,
        source: impl FnMut(Node) -> Result<NodeHash, E>,
    ) -> Result<Self, E> {
        let path = Self::plan(index, size)?.resolve(suite, source)?;
        Ok(Self { index, size, path })
    }

    /// Checks that the leaf whose hash is `leaf` is in the tree whose root is `root`.
    pub fn verify(
        &self,
        suite: HashSuite,
        leaf: &NodeHash,
        root: &NodeHash,
    ) -> Result<(), ProofError> {
        if self.index >= self.size {
            return Err(ProofError::OutsideTree { index: self.index, size: self.size });
        }
        // RFC 9162 §2.1.3.2.
        let (mut place, mut last, mut hash) = (self.index, self.size - 1, *leaf);
        for beside in &self.path {
            if last == 0 {
                return Err(ProofError::Length);
            }
            if place & 1 == 1 || place == last {
                hash = suite.node(beside, &hash);
                let steps = if place == 0 { 0 } else { place.trailing_zeros() };
                place >>= steps;
                last >>= steps;
            } else {
                hash = suite.node(&hash, beside);
            }
            place >>= 1;
            last >>= 1;
        }
        settle(last == 0, hash == *root)
    }
}

/// Proves that the tree of the first `new` leaves begins with the tree of the first `old`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The number of leaves of the earlier tree.
    pub old: u64,
    /// The number of leaves of the later tree.
    pub new: u64,
    /// The hashes that lead to both roots.
    pub path: Vec<NodeHash>,
}

impl ConsistencyProof {
    /// Which hashes the proof needs. From the empty tree, and from a tree to itself, none.
    ///
    /// # Errors
    ///
    /// [`ProofError::Shrunk`] if `old` is greater than `new`.
    pub fn plan(old: u64, new: u64) -> Result<Plan, ProofError> {
        if old > new {
            return Err(ProofError::Shrunk { old, new });
        }
        if old == 0 {
            return Ok(Plan(Vec::new()));
        }
        let (mut start, mut end, mut beside) = (0, new, Vec::new());
        while old != end {
            let middle = start + split(end - start);
            if old <= middle {
                beside.push(middle..end);
                end = middle;
            } else {
                beside.push(start..middle);
                start = middle;
            }
        }
        // A subtree that begins at the first leaf is the old tree itself, whose root is known.
        if start > 0 {
            beside.push(start..end);
        }
        Ok(Plan::of(beside))
    }

    /// The proof, from the hashes that `source` gives.
    pub fn generate<E: From<ProofError>>(
        suite: HashSuite,
        old: u64,
        new: u64,
        source: impl FnMut(Node) -> Result<NodeHash, E>,
    ) -> Result<Self, E> {
        let path = Self::plan(old, new)?.resolve(suite, source)?;
        Ok(Self { old, new, path })
    }

    /// Checks that the tree of `new_root` begins with that of `old_root`.
    pub fn verify(
        &self,
        suite: HashSuite,
        old_root: &NodeHash,
        new_root: &NodeHash,
    ) -> Result<(), ProofError> {
        let (old, new) = (self.old, self.new);
        if old > new {
            return Err(ProofError::Shrunk { old, new });
        }
        if old == new {
            return settle(self.path.is_empty(), old_root == new_root);
        }
        if old == 0 {
            return settle(self.path.is_empty(), *old_root == suite.empty());
        }
        // RFC 9162 §2.1.4.2.
        let (first, rest) = if old.is_power_of_two() {
            (old_root, self.path.as_slice())
        } else {
            self.path.split_first().ok_or(ProofError::Length)?
        };
        let steps = (old - 1).trailing_ones();
        let (mut place, mut last) = ((old - 1) >> steps, (new - 1) >> steps);
        let (mut before, mut after) = (*first, *first);
        for beside in rest {
            if last == 0 {
                return Err(ProofError::Length);
            }
            if place & 1 == 1 || place == last {
                before = suite.node(beside, &before);
                after = suite.node(beside, &after);
                let steps = if place == 0 { 0 } else { place.trailing_zeros() };
                place >>= steps;
                last >>= steps;
            } else {
                after = suite.node(&after, beside);
            }
            place >>= 1;
            last >>= 1;
        }
        settle(last == 0, before == *old_root && after == *new_root)
    }
}

fn settle(length: bool, root: bool) -> Result<(), ProofError> {
    match (length, root) {
        (false, _) => Err(ProofError::Length),
        (true, false) => Err(ProofError::Root),
        (true, true) => Ok(()),
    }
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
