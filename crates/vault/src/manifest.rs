//! What a dataset version consists of, and what proves that it is gone.

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, DatasetId};

use crate::{FieldSpec, KeyId, SubjectKind, spec::schema_of};

/// What an object of a version holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The rows, as encrypted Parquet.
    Rows,
    /// The rows that were refused, with reasons, as sealed CSV.
    Quarantine,
    /// The profile and the quality report, as sealed JSON.
    Profile,
    /// The output of a job, sealed.
    Output,
}

impl Part {
    /// Its name, as it stands in object names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Quarantine => "quarantine",
            Self::Profile => "profile",
            Self::Output => "output",
        }
    }

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Rows => "rows.parquet",
            Self::Quarantine => "quarantine.csv.sealed",
            Self::Profile => "profile.json.sealed",
            Self::Output => "output.sealed",
        }
    }
}

/// A stored object: always encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// What it holds.
    pub part: Part,
    /// Where it lies in the object store.
    pub path: String,
    /// The digest of its bytes as stored.
    pub hash: ContentHash,
    /// Its length as stored.
    pub size_bytes: u64,
}

/// What a version consists of. It is what the ledger records, and the only way to read the rows:
/// files that no recorded manifest names are leftovers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The dataset.
    pub dataset: DatasetId,
    /// The number of the version, from 1.
    pub version: u32,
    /// The data key of this version.
    pub key: KeyId,
    /// Its objects.
    pub objects: Vec<StoredObject>,
    /// Rows that may be read.
    pub rows: u64,
    /// Rows that were refused.
    pub quarantined: u64,
    /// The columns.
    pub fields: Vec<FieldSpec>,
    /// The column that tells data subjects apart.
    pub subject_key: Option<String>,
    /// Whom the rows concern.
    pub subject_kind: SubjectKind,
    /// The digest of the profile and quality report.
    pub profile: ContentHash,
    /// The digest of what was supplied, byte for byte.
    pub source: ContentHash,
}

impl Manifest {
    /// The Arrow schema of all columns.
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.fields)
    }

    /// The digest of the manifest, to which an approval can bind.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of_json(&serde_json::to_value(self).unwrap_or_default())
    }

    pub(crate) fn object(&self, part: Part) -> Option<&StoredObject> {
        self.objects.iter().find(|object| object.part == part)
    }
}

/// What binds the stored bytes of a part to their place.
pub(crate) fn label(dataset: DatasetId, version: u32, part: Part) -> String {
    format!("shuyu/{dataset}/{version}/{}", part.name())
}

/// The evidence that a dataset is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The dataset.
    pub dataset: DatasetId,
    /// The objects deleted, with the digests that they had.
    pub objects: Vec<StoredObject>,
    /// The data keys destroyed.
    pub keys: Vec<KeyId>,
    /// How: see [`Vault::destroy`](crate::Vault::destroy).
    pub method: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether reading every key and object afterwards was tried and failed.
    pub reading_fails: bool,
    /// What each attempt to read gave, in the order of `keys`, then of `objects`.
    pub attempts: Vec<String>,
}
