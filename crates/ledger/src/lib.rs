//! A tamper-evident log: an append-only Merkle tree under signed checkpoints.
