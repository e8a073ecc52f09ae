//! A whole tree in memory.

use crate::{
    ConsistencyProof, HashSuite, InclusionProof, Node, NodeHash, ProofError, Tile, TileContent,
};

/// A tree with all its hashes in memory, for logs that fit: 64 bytes a leaf.
#[derive(Debug, Clone)]
pub struct Tree {
    suite: HashSuite,
    levels: Vec<Vec<NodeHash>>,
}

impl Tree {
    /// The tree without leaves.
    pub fn new(suite: HashSuite) -> Self {
        Self { suite, levels: Vec::new() }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends an entry and returns the hash of its leaf.
    pub fn append_entry(&mut self, entry: &[u8]) -> NodeHash {
        let leaf = self.suite.leaf(entry);
        self.append(leaf);
        leaf
    }

    /// Appends the hash of a leaf.
    pub fn append(&mut self, leaf: NodeHash) {
        let mut hash = leaf;
        for level in 0.. {
            let Some(row) = self.levels.get_mut(level) else {
                self.levels.push(vec![hash]);
                return;
            };
            row.push(hash);
            let ([.., left, right], true) = (row.as_slice(), row.len().is_multiple_of(2)) else {
                return;
            };
            hash = self.suite.node(left, right);
        }
    }

    /// The hash of a complete subtree.
    pub fn node(&self, node: Node) -> Result<NodeHash, ProofError> {
        self.levels
            .get(usize::from(node.level))
            .and_then(|row| row.get(usize::try_from(node.index).ok()?))
            .copied()
            .ok_or(ProofError::Missing(node))
    }

    /// The root of the first `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<NodeHash, ProofError> {
        let peaks: Vec<_> = Node::covering(0..size)
            .into_iter()
            .map(|node| self.node(node))
            .collect::<Result<_, _>>()?;
        Ok(crate::node::fold(self.suite, &peaks))
    }

    /// Proves that leaf `index` is among the first `size`.
    pub fn prove_inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ProofError> {
        InclusionProof::generate(self.suite, index, size, |node| self.node(node))
    }

    /// Proves that the first `new` leaves begin with the first `old`.
    pub fn prove_consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof, ProofError> {
        ConsistencyProof::generate(self.suite, old, new, |node| self.node(node))
    }

    /// A tile of this tree.
    pub fn tile(&self, tile: Tile) -> Result<TileContent, ProofError> {
        let hashes = tile.nodes().map(|node| self.node(node)).collect::<Result<_, _>>()?;
        Ok(TileContent::new(tile, hashes))
    }
}
