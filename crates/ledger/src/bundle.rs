//! Entry bundles: the leaves' contents, 256 to a file (C2SP tlog-tiles).

use std::{fmt, str::FromStr};

use crate::{
    TileError,
    tile::{FULL, parse_index, width, write_index},
};

/// The longest entry: its length is written in two bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// The name of an entry bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bundle {
    /// Which bundle: its first entry is 256 times this.
    pub index: u64,
    /// How many entries: 256, or fewer in the last one.
    pub width: u16,
}

/// Entries that can't be bundled, or a bundle that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is too long for the format.
    #[error("entry {position} of the bundle has {length} bytes; {MAX_ENTRY_BYTES} are allowed")]
    TooLong {
        /// Which entry of the bundle.
        position: usize,
        /// Its length.
        length: usize,
    },
    /// The bundle ends within or before an entry.
    #[error("the bundle ends before its entry {position} does")]
    Truncated {
        /// The first entry that is not whole.
        position: usize,
    },
    /// Bytes follow the last entry.
    #[error("{length} bytes follow the last entry of the bundle")]
    Trailing {
        /// How many.
        length: usize,
    },
}

impl Bundle {
    /// All bundles of a log of `size` entries.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..size.div_ceil(FULL))
            .filter_map(move |index| Some(Self { index, width: width(size, index)? }))
    }

    /// The index of the first entry.
    pub fn first_leaf(self) -> u64 {
        self.index.saturating_mul(FULL)
    }

    /// Writes entries, each after its length.
    pub fn encode<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, BundleError> {
        let mut bytes = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            let length = u16::try_from(entry.len())
                .map_err(|_| BundleError::TooLong { position, length: entry.len() })?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// Reads the entries of this bundle: as many as its width says, and nothing after them.
    pub fn decode(self, bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
        let (entries, rest) = self.read(bytes);
        if entries.len() < self.width.into() {
            return Err(BundleError::Truncated { position: entries.len() });
        }
        if !rest.is_empty() {
            return Err(BundleError::Trailing { length: rest.len() });
        }
        Ok(entries)
    }

    /// The entries that can be read, up to the width, and the bytes after them.
    pub(crate) fn read(self, mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
        let mut entries = Vec::with_capacity(self.width.into());
        while entries.len() < self.width.into() {
            let Some((entry, rest)) = bytes.split_first_chunk().and_then(|(length, rest)| {
                rest.split_at_checked(u16::from_be_bytes(*length).into())
            }) else {
                break;
            };
            entries.push(entry);
            bytes = rest;
        }
        (entries, bytes)
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_index(f, self.index, self.width)
    }
}

impl FromStr for Bundle {
    type Err = TileError;
    fn from_str(path: &str) -> Result<Self, TileError> {
        path.strip_prefix("tile/entries/")
            .and_then(parse_index)
            .map(|(index, width)| Self { index, width })
            .filter(|bundle| bundle.to_string() == path)
            .ok_or_else(|| TileError::Path(path.to_owned()))
    }
}
