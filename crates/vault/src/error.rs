//! What can go wrong in the vault.

use shuyu_kernel::DatasetId;

use crate::KeyId;

/// Why the vault could not do what was asked. Messages carry no value of any cell.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The key is not there: it was destroyed, or never was. What it encrypted cannot be read.
    #[error("the key {0} is not in the keyring: what it encrypted cannot be read")]
    KeyMissing(KeyId),
    /// The key is there, and does not open what it should open.
    #[error("the key {0} does not open this: wrong key-encryption key, or altered data")]
    KeyRefused(KeyId),
    /// The keyring itself cannot be used.
    #[error("the keyring cannot be used: {0}")]
    Keyring(String),
    /// A column that the dataset version does not have.
    #[error("version {version} of {dataset} has no column `{column}`")]
    NoSuchColumn {
        /// The dataset.
        dataset: DatasetId,
        /// Its version.
        version: u32,
        /// The name asked for.
        column: String,
    },
    /// A part of the version that was never written, such as a quarantine without bad rows.
    #[error("version {version} of {dataset} has no {part}")]
    NoSuchPart {
        /// The dataset.
        dataset: DatasetId,
        /// Its version.
        version: u32,
        /// What was asked for.
        part: &'static str,
    },
    /// The file cannot be read as a table.
    #[error("the file cannot be read as a table: {0}")]
    Unreadable(String),
    /// A description of datasets that does not hold.
    #[error("datasets.toml: {0}")]
    Spec(String),
    /// Stored bytes are not what the manifest says.
    #[error("`{0}` is not what the manifest says it is")]
    Altered(String),
    /// Stored bytes are gone.
    #[error("`{0}` is missing: restore it from a backup")]
    Missing(String),
    /// After destruction something could still be read.
    #[error("destruction is incomplete: {0}")]
    DestructionIncomplete(String),
    /// Reading or writing files.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
    /// Reading or writing objects.
    #[error("the object store failed")]
    Objects(#[source] object_store::Error),
    /// Encoding or decoding Parquet.
    #[error("Parquet failed")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Making record batches.
    #[error("Arrow failed")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Running a scan.
    #[error("the query engine failed")]
    Engine(#[from] datafusion::error::DataFusionError),
    /// A thread of the ingest ended early.
    #[error("the ingest was interrupted: {0}")]
    Interrupted(&'static str),
}

/// What the vault's functions give.
pub type Result<T, E = VaultError> = std::result::Result<T, E>;

impl From<object_store::Error> for VaultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::Missing(path),
            other => Self::Objects(other),
        }
    }
}
