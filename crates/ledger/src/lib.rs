//! A tamper-evident log: an append-only Merkle tree (RFC 6962) under signed checkpoints.
//!
//! **Invariant:** a leaf, once appended, never changes or moves; every checkpoint commits to all
//! leaves before it, so a consistency proof links any two checkpoints.
//!
//! **Invariant:** this crate sees bytes: no domain types, no database, no clock, no I/O. Where a
//! proof needs hashes that someone else keeps, it says which ([`Plan`]), or takes a function that
//! gives them.
//!
//! Formats: leaves and nodes are hashed as in RFC 6962 §2.1; tiles and entry bundles are laid out
//! as in C2SP tlog-tiles; checkpoints are C2SP tlog-checkpoint in C2SP signed-note.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod audit;
mod bundle;
mod checkpoint;
mod frontier;
mod hash;
mod node;
mod note;
mod proof;
mod signature;
mod tile;
mod tree;

pub use audit::{Audit, Fault, LogReader, verify_log};
pub use bundle::{Bundle, BundleError, MAX_ENTRY_BYTES};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use frontier::{Frontier, FrontierError};
pub use hash::{HashError, HashSuite, NodeHash};
pub use node::Node;
pub use note::{NoteError, NoteSignature, SignedNote};
pub use proof::{ConsistencyProof, InclusionProof, Plan, ProofError};
pub use signature::{KeyError, SignatureSuite, Signer, Verifier};
pub use tile::{Tile, TileContent, TileError, TileSet};
pub use tree::Tree;
