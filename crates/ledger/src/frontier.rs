//! The right edge of the tree: all that is needed to append.

use serde::{Deserialize, Serialize};

use crate::{HashSuite, Node, NodeHash, node::fold};

/// A compact range: the roots of the complete subtrees of a tree, the largest first.
///
/// It has one hash for each bit set in the size, so it stays below 2 KiB however long the log is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Frontier {
    suite: HashSuite,
    size: u64,
    peaks: Vec<NodeHash>,
}

/// A stored frontier that can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The hashes don't fit the size.
    #[error("a tree of {size} leaves has {expected} complete subtrees, not {found}")]
    Peaks {
        /// The number of leaves.
        size: u64,
        /// How many hashes there should be.
        expected: u32,
        /// How many hashes there are.
        found: usize,
    },
    /// The bytes end early or run on.
    #[error("a frontier is 8 bytes of size and 32 for each hash")]
    Length,
}

#[derive(Serialize, Deserialize)]
struct Parts {
    suite: HashSuite,
    size: u64,
    peaks: Vec<NodeHash>,
}

impl TryFrom<Parts> for Frontier {
    type Error = FrontierError;
    fn try_from(parts: Parts) -> Result<Self, FrontierError> {
        Self::from_peaks(parts.suite, parts.size, parts.peaks)
    }
}

impl From<Frontier> for Parts {
    fn from(frontier: Frontier) -> Self {
        Self { suite: frontier.suite, size: frontier.size, peaks: frontier.peaks }
    }
}

impl Frontier {
    /// The frontier of the tree without leaves.
    pub fn new(suite: HashSuite) -> Self {
        Self { suite, size: 0, peaks: Vec::new() }
    }

    /// The frontier of a tree of `size` leaves, from the hashes of [`Node::covering`]`(0..size)`.
    pub fn from_peaks(
        suite: HashSuite,
        size: u64,
        peaks: Vec<NodeHash>,
    ) -> Result<Self, FrontierError> {
        if usize::try_from(size.count_ones()) != Ok(peaks.len()) {
            return Err(FrontierError::Peaks {
                size,
                expected: size.count_ones(),
                found: peaks.len(),
            });
        }
        Ok(Self { suite, size, peaks })
    }

    /// The hash function.
    pub fn suite(&self) -> HashSuite {
        self.suite
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first.
    pub fn peaks(&self) -> &[NodeHash] {
        &self.peaks
    }

    /// The Merkle tree hash.
    pub fn root(&self) -> NodeHash {
        fold(self.suite, &self.peaks)
    }

    /// Appends an entry and returns the hash of its leaf.
    pub fn append_entry(&mut self, entry: &[u8]) -> NodeHash {
        let leaf = self.suite.leaf(entry);
        self.append(leaf);
        leaf
    }

    /// Appends the hash of a leaf.
    pub fn append(&mut self, leaf: NodeHash) {
        self.append_with(leaf, |_, _| {});
    }

    /// Appends the hash of a leaf and shows every subtree that it completes, itself first.
    ///
    /// A store of tiles keeps the nodes whose level is a multiple of 8.
    pub fn append_with(&mut self, leaf: NodeHash, mut completed: impl FnMut(Node, NodeHash)) {
        let mut node = Node::leaf(self.size);
        let mut hash = leaf;
        completed(node, hash);
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = self.suite.node(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            completed(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The size as 8 bytes, the most significant first, and then the hashes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        for peak in &self.peaks {
            bytes.extend_from_slice(&peak.0);
        }
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(suite: HashSuite, bytes: &[u8]) -> Result<Self, FrontierError> {
        let (size, hashes) = bytes.split_first_chunk().ok_or(FrontierError::Length)?;
        let (hashes, rest) = hashes.as_chunks();
        if !rest.is_empty() {
            return Err(FrontierError::Length);
        }
        let peaks = hashes.iter().copied().map(NodeHash).collect();
        Self::from_peaks(suite, u64::from_be_bytes(*size), peaks)
    }
}

impl Extend<NodeHash> for Frontier {
    fn extend<I: IntoIterator<Item = NodeHash>>(&mut self, leaves: I) {
        for leaf in leaves {
            self.append(leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontier_reads_back_and_goes_on_alike() {
        let mut frontier = Frontier::new(HashSuite::Sha256);
        for entry in 0..100_u8 {
            let bytes = frontier.to_bytes();
            assert_eq!(Frontier::from_bytes(HashSuite::Sha256, &bytes).as_ref(), Ok(&frontier));
            let text = serde_json::to_string(&frontier).unwrap();
            assert_eq!(serde_json::from_str::<Frontier>(&text).unwrap(), frontier);
            frontier.append_entry(&[entry]);
        }
    }

    #[test]
    fn a_mutilated_frontier_is_refused() {
        let mut frontier = Frontier::new(HashSuite::Sha256);
        frontier.extend([HashSuite::Sha256.leaf(b"a"); 7]);
        let bytes = frontier.to_bytes();
        for length in 0..bytes.len() {
            assert!(Frontier::from_bytes(HashSuite::Sha256, &bytes[..length]).is_err());
        }
        assert!(Frontier::from_bytes(HashSuite::Sha256, &[&bytes[..], &[0; 32]].concat()).is_err());
    }
}
