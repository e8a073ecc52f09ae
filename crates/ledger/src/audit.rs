//! Offline verification of a whole log.

use std::{collections::VecDeque, ops::Range};

use crate::{Bundle, Checkpoint, Frontier, HashSuite, Node, NodeHash, Tile, TileContent};

/// What is wrong with a log, and where it is wrong first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An entry does not have the hash that was recorded for it.
    #[error("leaf {index} is not what was recorded")]
    LeafDiffers {
        /// Which leaf.
        index: u64,
    },
    /// The log ends before a leaf that a checkpoint commits to.
    #[error("leaf {index} is missing")]
    LeafMissing {
        /// The first leaf that is not there.
        index: u64,
    },
    /// A leaf has no checkpoint that commits to it.
    #[error("leaf {index} and what follows it are under no checkpoint")]
    LeafUnsigned {
        /// The first such leaf.
        index: u64,
    },
    /// Bytes stand after the last entry of a bundle.
    #[error("something follows leaf {index} in its bundle")]
    LeafFollowed {
        /// The last leaf of the bundle.
        index: u64,
    },
    /// A tile is not there or has the wrong length.
    #[error("{tile} is missing or malformed")]
    TileMissing {
        /// Which tile.
        tile: Tile,
    },
    /// A tile holds another hash than the leaves give.
    #[error("{tile} is not what leaves {} to {} give", leaves.start, leaves.end - 1)]
    TileDiffers {
        /// Which tile.
        tile: Tile,
        /// The leaves below the hash that differs.
        leaves: Range<u64>,
    },
    /// The leaves do not give the root that a checkpoint commits to.
    #[error(
        "the first {size} leaves are not what the checkpoint commits to; the first {agreed} are"
    )]
    RootDiffers {
        /// The size of the checkpoint.
        size: u64,
        /// Up to where an earlier checkpoint agrees: the first leaf that differs is not before.
        agreed: u64,
    },
}

/// Recomputes a log leaf by leaf and compares it with checkpoints.
///
/// The more checkpoints, the closer the place of a difference. The caller has checked their
/// signatures ([`Checkpoint::open`]).
#[derive(Debug)]
pub struct Audit {
    frontier: Frontier,
    checkpoints: VecDeque<Checkpoint>,
    agreed: u64,
}

impl Audit {
    /// Begins an audit of a log under some checkpoints, in any order.
    pub fn new(
        suite: HashSuite,
        checkpoints: impl IntoIterator<Item = Checkpoint>,
    ) -> Result<Self, Fault> {
        let mut checkpoints: Vec<_> = checkpoints.into_iter().collect();
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        let mut audit =
            Self { frontier: Frontier::new(suite), checkpoints: checkpoints.into(), agreed: 0 };
        audit.compare()?;
        Ok(audit)
    }

    /// Takes the next entry, and returns the hash of its leaf.
    pub fn entry(&mut self, entry: &[u8]) -> Result<NodeHash, Fault> {
        let leaf = self.frontier.suite().leaf(entry);
        self.leaf(leaf, |_, _| {})?;
        Ok(leaf)
    }

    /// Takes the next entry, whose leaf is recorded to have the hash `recorded`.
    pub fn recorded_entry(&mut self, entry: &[u8], recorded: &NodeHash) -> Result<(), Fault> {
        let index = self.frontier.size();
        let leaf = self.frontier.suite().leaf(entry);
        if leaf != *recorded {
            return Err(Fault::LeafDiffers { index });
        }
        self.leaf(leaf, |_, _| {})
    }

    fn leaf(&mut self, leaf: NodeHash, completed: impl FnMut(Node, NodeHash)) -> Result<(), Fault> {
        self.frontier.append_with(leaf, completed);
        self.compare()
    }

    fn compare(&mut self) -> Result<(), Fault> {
        let size = self.frontier.size();
        while let Some(checkpoint) = self.checkpoints.pop_front_if(|next| next.size == size) {
            if checkpoint.root != self.frontier.root() {
                return Err(Fault::RootDiffers { size, agreed: self.agreed });
            }
            self.agreed = size;
        }
        Ok(())
    }

    /// Ends the audit: every checkpoint was reached, and nothing follows the last.
    pub fn finish(self) -> Result<Frontier, Fault> {
        let size = self.frontier.size();
        if !self.checkpoints.is_empty() {
            return Err(Fault::LeafMissing { index: size });
        }
        if self.agreed < size {
            return Err(Fault::LeafUnsigned { index: self.agreed });
        }
        Ok(self.frontier)
    }
}

/// Where the files of a log are read from.
pub trait LogReader {
    /// What may go wrong with reading.
    type Error: From<Fault>;

    /// The bytes of a tile, if it is there. A full tile is asked for as such; where a partial
    /// one is asked for, a reader may not give a longer one.
    fn tile(&mut self, tile: Tile) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The bytes of an entry bundle, if it is there.
    fn bundle(&mut self, bundle: Bundle) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Checks entries, tiles and checkpoints of a log against one another.
///
/// Every leaf and every hash in every tile is recomputed from the entries; the first that
/// differs is named. The log goes as far as the largest of the checkpoints.
pub fn verify_log<R: LogReader>(
    suite: HashSuite,
    reader: &mut R,
    checkpoints: impl IntoIterator<Item = Checkpoint>,
) -> Result<Frontier, R::Error> {
    let mut audit = Audit::new(suite, checkpoints)?;
    let size = audit.checkpoints.back().map_or(0, |last| last.size);
    let mut tiles: Vec<TileContent> = Vec::new();
    let mut completed = Vec::new();
    for bundle in Bundle::all(size) {
        let first = bundle.first_leaf();
        let bytes = reader.bundle(bundle)?.ok_or(Fault::LeafMissing { index: first })?;
        let (entries, rest) = bundle.read(&bytes);
        let whole = entries.len() == usize::from(bundle.width);
        for entry in entries {
            completed.clear();
            let checked = audit.leaf(suite.leaf(entry), |node, hash| completed.push((node, hash)));
            for (node, hash) in completed.iter().filter(|(node, _)| node.level % 8 == 0) {
                compare(reader, &mut tiles, size, *node, *hash)?;
            }
            checked?;
        }
        let next = audit.frontier.size();
        if !whole {
            return Err(Fault::LeafMissing { index: next }.into());
        }
        if !rest.is_empty() {
            return Err(Fault::LeafFollowed { index: next - 1 }.into());
        }
    }
    Ok(audit.finish()?)
}

/// Compares a hash with the tile that holds it. One tile of each level is kept at hand.
fn compare<R: LogReader>(
    reader: &mut R,
    tiles: &mut Vec<TileContent>,
    size: u64,
    node: Node,
    hash: NodeHash,
) -> Result<(), R::Error> {
    let Some(tile) = Tile::holding(node, size) else {
        return Ok(());
    };
    if !tiles.iter().any(|held| held.tile() == tile) {
        let bytes = reader.tile(tile)?.ok_or(Fault::TileMissing { tile })?;
        let content = TileContent::parse(tile, &bytes).map_err(|_| Fault::TileMissing { tile })?;
        tiles.retain(|held| held.tile().level != tile.level);
        tiles.push(content);
    }
    let offset = usize::try_from(node.index % 256).unwrap_or_default();
    let recorded =
        tiles.iter().find(|held| held.tile() == tile).and_then(|held| held.hashes().get(offset));
    match recorded {
        Some(recorded) if *recorded == hash => Ok(()),
        _ if node.level == 0 => Err(Fault::LeafDiffers { index: node.index }.into()),
        _ => Err(Fault::TileDiffers { tile, leaves: node.leaves() }.into()),
    }
}
