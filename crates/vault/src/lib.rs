//! Datasets at rest: ingest, profile, encrypt, version, seal, destroy.
//!
//! **Invariant:** nothing of a row lies on disk in clear: rows, refused rows and profiles are
//! encrypted under a data key of their own version, and a data key is stored wrapped only.
//!
//! **Invariant:** a version becomes visible by its manifest in the ledger, and by nothing else;
//! files that no recorded manifest names are leftovers, which [`Vault::sweep`] removes.
//!
//! **Invariant:** a bad row is never dropped silently: it lies in the version's quarantine with
//! its line, column and reason.
//!
//! This room does not know who may read what. Whoever holds a table sees its columns, so the
//! operation domain hands out tables of the granted columns only.

mod cell;
mod column;
mod dataset;
mod error;
mod header;
mod ingest;
mod keyring;
mod manifest;
mod profile;
mod propose;
mod provider;
mod read;
mod sealed;
mod spec;
mod upload;
mod vault;

pub use dataset::{
    DATASET_EXISTS, DATASET_IS_NEW, DESTROYED_DATASET_IS_GONE, DESTRUCTION_IS_ORDERED_FIRST,
    DESTRUCTION_IS_PROVED, Dataset, DatasetCommand, DatasetEvent, DatasetState, RULES,
    SEAL_CHANGES_STATE, SEALED_DATASET_IS_CLOSED, VERSION_IS_IMMUTABLE, Version,
};
pub use error::{Result, VaultError};
pub use ingest::Ingested;
pub use keyring::{DataKey, KeyId, KeyProvider, Keyring, LocalKeyProvider, WrappedKey};
pub use manifest::{Certificate, Manifest, Part, StoredObject};
pub use profile::{ColumnProfile, Profile, QualityReport};
pub use propose::{propose, propose_from};
pub use read::ReadLimits;
pub use spec::{
    DECIMAL_PRECISION, DatasetSpec, FieldRole, FieldSpec, FieldType, SubjectKind, parse_specs,
};
pub use vault::{Swept, Vault};
