//! Tiles: 256 hashes of one level, as a file (C2SP tlog-tiles).

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{HashSuite, Node, NodeHash, ProofError, node::fold};

/// How many hashes or entries a full tile or bundle has.
pub(crate) const FULL: u64 = 256;

/// The name of a tile: which hashes of the tree it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// The level: its hashes are of nodes at 8 times this level.
    pub level: u8,
    /// Which tile of the level.
    pub index: u64,
    /// How many hashes: 256, or fewer in a partial tile.
    pub width: u16,
}

/// A path that names no tile or bundle, or contents that do not fit the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The path is not one of the layout.
    #[error("{0:?} is not the path of a tile or an entry bundle")]
    Path(String),
    /// The contents are too short or too long.
    #[error("tile {tile} has {found} bytes")]
    Length {
        /// Which tile.
        tile: Tile,
        /// How long it is.
        found: usize,
    },
}

impl Tile {
    /// The tile of a tree of `size` leaves that holds `node`, or the hashes it is made of.
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let level = node.level / 8;
        let first = node.index.checked_shl(u32::from(node.level % 8))?;
        Self::at(level, first / FULL, size)
    }

    /// The tile at a place in a tree of `size` leaves, if there is one.
    pub fn at(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = width(size.checked_shr(u32::from(level) * 8)?, index)?;
        Some(Self { level, index, width })
    }

    /// All tiles of a tree of `size` leaves, the partial ones included, level by level.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..8).flat_map(move |level| {
            let count = size >> (u32::from(level) * 8);
            (0..count.div_ceil(FULL)).filter_map(move |index| Self::at(level, index, size))
        })
    }

    /// The nodes whose hashes the tile holds.
    pub fn nodes(self) -> impl Iterator<Item = Node> {
        (0..u64::from(self.width)).map(move |offset| Node {
            level: self.level.saturating_mul(8),
            index: self.index.saturating_mul(FULL).saturating_add(offset),
        })
    }
}

/// How many of `count` things are in group `index` of 256.
pub(crate) fn width(count: u64, index: u64) -> Option<u16> {
    let before = index.checked_mul(FULL)?;
    let width = count.checked_sub(before)?.min(FULL);
    u16::try_from(width).ok().filter(|width| *width > 0)
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_index(f, self.index, self.width)
    }
}

impl FromStr for Tile {
    type Err = TileError;
    fn from_str(path: &str) -> Result<Self, TileError> {
        let parse = || {
            let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
            let (index, width) = parse_index(rest)?;
            let level: u8 = level.parse().ok().filter(|level| *level < 64)?;
            Some(Self { level, index, width })
        };
        // What is not written as we write it (leading zeroes, say) is another path.
        parse()
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| TileError::Path(path.to_owned()))
    }
}

/// Writes `1234067` as `x001/x234/067`, and `.p/` and the width if it is not full.
pub(crate) fn write_index(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    let mut groups = vec![index % 1000];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(rest % 1000);
        rest /= 1000;
    }
    while let Some(group) = groups.pop() {
        if groups.is_empty() {
            write!(f, "{group:03}")?;
        } else {
            write!(f, "x{group:03}/")?;
        }
    }
    if u64::from(width) < FULL {
        write!(f, ".p/{width}")?;
    }
    Ok(())
}

/// Reads what [`write_index`] writes, and some more: the caller compares.
pub(crate) fn parse_index(text: &str) -> Option<(u64, u16)> {
    let (index, width) = match text.split_once(".p/") {
        None => (text, 256),
        Some((index, width)) => (index, width.parse().ok().filter(|w| (1..256).contains(w))?),
    };
    let mut value: u64 = 0;
    for group in index.split('/') {
        let digits: u64 = group.trim_start_matches('x').parse().ok()?;
        value = value.checked_mul(1000)?.checked_add(digits)?;
    }
    // Larger ones can't be in any tree, and their leaves could not be counted.
    value.checked_mul(FULL)?.checked_add(FULL)?;
    Some((value, width))
}

/// A tile with its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileContent {
    tile: Tile,
    hashes: Vec<NodeHash>,
}

impl TileContent {
    /// The tile of these hashes; its width is their number.
    pub(crate) fn new(tile: Tile, hashes: Vec<NodeHash>) -> Self {
        Self { tile, hashes }
    }

    /// Reads a tile: its hashes one after another.
    pub fn parse(tile: Tile, bytes: &[u8]) -> Result<Self, TileError> {
        let (hashes, rest) = bytes.as_chunks();
        if hashes.len() != usize::from(tile.width) || !rest.is_empty() {
            return Err(TileError::Length { tile, found: bytes.len() });
        }
        let hashes = hashes.iter().copied().map(NodeHash).collect();
        Ok(Self { tile, hashes })
    }

    /// The hashes one after another.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// Which tile this is.
    pub fn tile(&self) -> Tile {
        self.tile
    }

    /// The hashes.
    pub fn hashes(&self) -> &[NodeHash] {
        &self.hashes
    }

    /// The hash of a node in this tile, or up to 7 levels above its hashes.
    pub fn node(&self, suite: HashSuite, node: Node) -> Option<NodeHash> {
        if node.level / 8 != self.tile.level {
            return None;
        }
        let height = u32::from(node.level % 8);
        let first = node.index.checked_shl(height)?;
        if first / FULL != self.tile.index {
            return None;
        }
        let start = usize::try_from(first % FULL).ok()?;
        let mut hashes = self.hashes.get(start..start + (1 << height))?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|pair| fold(suite, pair)).collect();
        }
        hashes.first().copied()
    }
}

/// Tiles that were loaded for a [`Plan`](crate::Plan), as a source of hashes.
#[derive(Debug, Clone, Default)]
pub struct TileSet {
    suite: HashSuite,
    tiles: BTreeMap<(u8, u64), TileContent>,
}

impl TileSet {
    /// No tiles.
    pub fn new(suite: HashSuite) -> Self {
        Self { suite, tiles: BTreeMap::new() }
    }

    /// Adds a tile; of two at one place the wider one stays.
    pub fn insert(&mut self, content: TileContent) {
        let place = (content.tile.level, content.tile.index);
        match self.tiles.get(&place) {
            Some(held) if held.tile.width >= content.tile.width => {}
            _ => {
                self.tiles.insert(place, content);
            }
        }
    }

    /// The hash of a node, from the tile that holds it.
    pub fn node(&self, node: Node) -> Result<NodeHash, ProofError> {
        let find = || {
            let first = node.index.checked_shl(u32::from(node.level % 8))?;
            self.tiles.get(&(node.level / 8, first / FULL))?.node(self.suite, node)
        };
        find().ok_or(ProofError::Missing(node))
    }
}
