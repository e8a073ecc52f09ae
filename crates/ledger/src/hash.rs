//! Hashing of leaves and nodes, behind the choice of a suite.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The hash function of a log. It belongs to the log, as its keys do: a checkpoint does not
/// name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashSuite {
    /// SHA-256, the function of RFC 6962 and C2SP tlog-tiles.
    #[default]
    Sha256,
    /// SM3 (GB/T 32905), for deployments under the national suite.
    Sm3,
}

/// One octet before what is hashed keeps leaves, nodes and commitments apart.
const LEAF: u8 = 0;
const NODE: u8 = 1;
const COMMITMENT: u8 = 2;

impl HashSuite {
    /// The root of the tree without leaves.
    pub fn empty(self) -> NodeHash {
        self.digest(&[])
    }

    /// The hash of a leaf (RFC 6962 §2.1).
    pub fn leaf(self, entry: &[u8]) -> NodeHash {
        self.digest(&[&[LEAF], entry])
    }

    /// The hash of two subtrees, the left one first (RFC 6962 §2.1).
    pub fn node(self, left: &NodeHash, right: &NodeHash) -> NodeHash {
        self.digest(&[&[NODE], &left.0, &right.0])
    }

    /// A salted commitment to `content` that stays outside the leaf.
    ///
    /// The commitment stands in the leaf; when salt and content are erased, proofs of the leaf
    /// still hold and the content can't be found by trying. The salt must be random and used once.
    pub fn commitment(self, salt: &[u8; 32], content: &[u8]) -> NodeHash {
        self.digest(&[&[COMMITMENT], salt, content])
    }

    fn digest(self, parts: &[&[u8]]) -> NodeHash {
        let mut hash = [0; 32];
        match self {
            Self::Sha256 => {
                let mut context = ring::digest::Context::new(&ring::digest::SHA256);
                for part in parts {
                    context.update(part);
                }
                hash.copy_from_slice(context.finish().as_ref());
            }
            Self::Sm3 => {
                use sm3::Digest as _;
                let mut context = sm3::Sm3::new();
                for part in parts {
                    context.update(part);
                }
                hash.copy_from_slice(&context.finalize());
            }
        }
        NodeHash(hash)
    }
}

/// The hash of a leaf or of a subtree. Its text form is base64, as in a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeHash(pub [u8; 32]);

impl NodeHash {
    /// The length of a hash.
    pub const BYTES: usize = 32;

    /// The hash as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A text or a run of bytes that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 32 bytes, written in base64")]
pub struct HashError;

impl TryFrom<&[u8]> for NodeHash {
    type Error = HashError;
    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes.try_into().map(Self).map_err(|_| HashError)
    }
}

impl FromStr for NodeHash {
    type Err = HashError;
    fn from_str(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError)?;
        bytes.as_slice().try_into()
    }
}

impl TryFrom<String> for NodeHash {
    type Error = HashError;
    fn try_from(text: String) -> Result<Self, HashError> {
        text.parse()
    }
}

impl From<NodeHash> for String {
    fn from(hash: NodeHash) -> Self {
        STANDARD.encode(hash.0)
    }
}

impl fmt::Display for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for NodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sm3_gives_the_digest_of_the_standard() {
        // GB/T 32905-2016, appendix A.1.
        assert_eq!(
            hex::encode(HashSuite::Sm3.digest(&[b"a", b"bc"]).0),
            "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        );
    }

    #[test]
    fn leaves_nodes_and_commitments_are_kept_apart() {
        for suite in [HashSuite::Sha256, HashSuite::Sm3] {
            let half = suite.leaf(b"a");
            let both = [half.0, half.0].concat();
            let node = suite.node(&half, &half);
            let commitment = suite.commitment(&half.0, &half.0);
            assert_ne!(node, suite.leaf(&both));
            assert_ne!(node, commitment);
            assert_ne!(commitment, suite.leaf(&both));
        }
    }

    #[test]
    fn a_hash_reads_back_from_its_text() {
        let hash = HashSuite::Sha256.leaf(b"x");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!("AAAA".parse::<NodeHash>(), Err(HashError));
        assert_eq!("not base64".parse::<NodeHash>(), Err(HashError));
    }
}
