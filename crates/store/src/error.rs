//! What can go wrong.

use chrono::{DateTime, Utc};
use shuyu_law::{PackVersion, Refusal};

use crate::StreamId;

/// Why an act did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The law refuses. The refusal is in the log.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is nothing with this id.
    #[error("there is no {0}")]
    NotFound(StreamId),
    /// Somebody else changed what the act rests on. Whoever reads again may try again.
    #[error("{0} has changed in the meantime")]
    Conflict(StreamId),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The clock shows an earlier instant than the last entry of the log.
    #[error("the clock shows {now}, but the log has reached {last}: time may not run backwards")]
    ClockBackwards {
        /// The instant of the last entry.
        last: DateTime<Utc>,
        /// What the clock shows.
        now: DateTime<Utc>,
    },
    /// Another entity of the kind has this name.
    #[error("another {kind} has the name `{name}`")]
    NameTaken {
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// A kind of entity that the registry does not know: it could not be rebuilt.
    #[error("the registry does not know the kind `{0}`")]
    UnknownKind(String),
    /// An entity keeps a version of a pack that is not loaded.
    #[error("the pack version {} is not loaded", .0.0)]
    UnknownPack(PackVersion),
    /// Something in the database cannot be read back as what it should be.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What cannot be read.
        what: String,
        /// Why.
        why: String,
    },
    /// Events that leave no state: an entity that has ended keeps a state that says so.
    #[error("the events of {0} leave no state")]
    NoState(StreamId),
    /// The database belongs to another ledger, or to another version of this program.
    #[error("the database does not fit: {0}")]
    Foreign(String),
    /// The log itself is not what was signed, or cannot be read by this program, so that not
    /// every state can be computed from it.
    #[error(
        "the log is not what was signed, or was written by another version of this program ({0} \
         faults; `shuyu ledger verify` names them): restore the database from a backup"
    )]
    Unsound(usize),
    /// The database refused or could not be reached.
    #[error("the database failed: {0}")]
    Database(#[source] std::sync::Arc<sqlx::Error>),
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(std::sync::Arc::new(error))
    }
}

impl StoreError {
    pub(crate) fn unreadable(what: impl Into<String>, why: &dyn std::fmt::Display) -> Self {
        Self::Unreadable { what: what.into(), why: why.to_string() }
    }
}
