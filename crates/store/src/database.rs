//! Either database, behind the same functions.

use std::path::PathBuf;

use futures::stream::BoxStream;
use sqlx::migrate::MigrateError;

use crate::{
    StoreError,
    filter::{FilterRow, TrailRow},
    postgres,
    record::{EventRow, PersonalRow, StateRow},
    rows::{CheckpointRow, Head},
    sqlite,
};

/// Where the store is, and how it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// The database.
    pub place: Place,
    /// How many connections read.
    pub readers: u32,
    /// How many acts are committed together at the most.
    pub group: usize,
    /// How many states are kept in memory at the most.
    pub cached: usize,
}

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file, which is made if it is absent.
    Sqlite(PathBuf),
    /// A server, `postgres://user:password@host:port/database`.
    Postgres(String),
}

impl StoreConfig {
    /// The SQLite database in this file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Sqlite(path.into()))
    }

    /// The PostgreSQL database at this address.
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::at(Place::Postgres(url.into()))
    }

    fn at(place: Place) -> Self {
        Self { place, readers: 4, group: 256, cached: 10_000 }
    }
}

pub(crate) enum Database {
    Sqlite(sqlite::Database),
    Postgres(postgres::Database),
}

/// The database as it stood at one moment.
pub(crate) enum Snapshot {
    Sqlite(sqlite::Snapshot),
    Postgres(postgres::Snapshot),
}

pub(crate) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

/// What a group adds.
pub(crate) struct Batch<'a> {
    pub(crate) events: &'a [EventRow],
    pub(crate) personal: &'a [PersonalRow],
    pub(crate) states: &'a [&'a StateRow],
    pub(crate) head: Head,
    pub(crate) checkpoint: CheckpointRow,
}

pub(crate) fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => error.into(),
        error => StoreError::Foreign(error.to_string()),
    }
}

/// Calls the function of whichever database it is.
macro_rules! either {
    ($on:expr, $inner:ident => $call:expr) => {
        match $on {
            Self::Sqlite($inner) => $call,
            Self::Postgres($inner) => $call,
        }
    };
}

type Result<T> = std::result::Result<T, sqlx::Error>;
type Entry = (EventRow, Option<PersonalRow>);

impl Database {
    pub(crate) async fn open(config: &StoreConfig) -> std::result::Result<Self, StoreError> {
        Ok(match &config.place {
            Place::Sqlite(path) => {
                Self::Sqlite(sqlite::Database::open(path, config.readers).await?)
            }
            Place::Postgres(url) => {
                Self::Postgres(postgres::Database::open(url, config.readers).await?)
            }
        })
    }

    /// Opens a database that must exist and is not written.
    pub(crate) async fn open_to_read(
        config: &StoreConfig,
    ) -> std::result::Result<Self, StoreError> {
        Ok(match &config.place {
            Place::Sqlite(path) => {
                Self::Sqlite(sqlite::Database::open_to_read(path, config.readers).await?)
            }
            Place::Postgres(url) => {
                Self::Postgres(postgres::Database::open_to_read(url, config.readers).await?)
            }
        })
    }

    pub(crate) async fn begin(&self) -> Result<Transaction> {
        Ok(match self {
            Self::Sqlite(database) => Transaction::Sqlite(database.begin().await?),
            Self::Postgres(database) => Transaction::Postgres(database.begin().await?),
        })
    }

    pub(crate) async fn settle(&self) -> Result<()> {
        either!(self, it => it.settle().await)
    }

    pub(crate) async fn close(&self) {
        either!(self, it => it.close().await);
    }

    pub(crate) async fn state(&self, stream: &str) -> Result<Option<StateRow>> {
        either!(self, it => it.state(stream).await)
    }

    pub(crate) async fn list(&self, filter: &FilterRow) -> Result<Vec<StateRow>> {
        either!(self, it => it.list(filter).await)
    }

    pub(crate) async fn trail(&self, trail: &TrailRow) -> Result<Vec<EventRow>> {
        either!(self, it => it.trail(trail).await)
    }

    pub(crate) async fn count(
        &self,
        stream: &str,
        act: &str,
        from: i64,
        until: i64,
    ) -> Result<i64> {
        either!(self, it => it.count(stream, act, from, until).await)
    }

    pub(crate) async fn erased(&self) -> Result<i64> {
        either!(self, it => it.erased().await)
    }

    pub(crate) async fn events_of(&self, stream: &str, until: i64) -> Result<Vec<Entry>> {
        either!(self, it => it.events_of(stream, until).await)
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        Ok(match self {
            Self::Sqlite(database) => Snapshot::Sqlite(database.snapshot().await?),
            Self::Postgres(database) => Snapshot::Postgres(database.snapshot().await?),
        })
    }

    pub(crate) async fn head(&self) -> Result<Head> {
        either!(self, it => it.head().await)
    }

    pub(crate) async fn checkpoint(&self) -> Result<Option<CheckpointRow>> {
        either!(self, it => it.checkpoint().await)
    }

    pub(crate) async fn checkpoint_of(&self, size: i64) -> Result<Option<CheckpointRow>> {
        either!(self, it => it.checkpoint_of(size).await)
    }

    pub(crate) async fn leaves(&self, from: i64, until: i64) -> Result<Vec<String>> {
        either!(self, it => it.leaves(from, until).await)
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<String>> {
        either!(self, it => it.meta(name).await)
    }

    pub(crate) async fn set_meta(&self, name: &str, value: &str) -> Result<()> {
        either!(self, it => it.set_meta(name, value).await)
    }
}

impl Snapshot {
    pub(crate) fn log(&mut self) -> BoxStream<'_, Result<Entry>> {
        either!(self, it => it.log())
    }

    pub(crate) fn events_by_stream(&mut self) -> BoxStream<'_, Result<Entry>> {
        either!(self, it => it.events_by_stream())
    }

    pub(crate) async fn states(&mut self) -> Result<Vec<StateRow>> {
        either!(self, it => it.states().await)
    }

    pub(crate) async fn head(&mut self) -> Result<Head> {
        either!(self, it => it.head().await)
    }

    pub(crate) async fn checkpoints(&mut self) -> Result<Vec<CheckpointRow>> {
        either!(self, it => it.checkpoints().await)
    }
}

impl Transaction {
    pub(crate) async fn head(&mut self) -> Result<Head> {
        either!(self, it => it.head().await)
    }

    pub(crate) async fn versions(&mut self, streams: &str) -> Result<Vec<(String, i64)>> {
        either!(self, it => it.versions(streams).await)
    }

    pub(crate) async fn names(&mut self, names: &str) -> Result<Vec<(String, String, String)>> {
        either!(self, it => it.names(names).await)
    }

    pub(crate) async fn count_after(
        &mut self,
        stream: &str,
        act: &str,
        from: i64,
        place: i64,
    ) -> Result<i64> {
        either!(self, it => it.count_after(stream, act, from, place).await)
    }

    pub(crate) async fn append(&mut self, batch: &Batch<'_>) -> Result<()> {
        either!(self, it => it.append(batch).await)
    }

    pub(crate) async fn put_states(&mut self, states: &[&StateRow]) -> Result<()> {
        either!(self, it => it.put_states(states).await)
    }

    pub(crate) async fn put_head(&mut self, head: &Head) -> Result<()> {
        either!(self, it => it.put_head(head).await)
    }

    pub(crate) async fn drop_states(&mut self) -> Result<()> {
        either!(self, it => it.drop_states().await)
    }

    pub(crate) async fn states(&mut self) -> Result<Vec<StateRow>> {
        either!(self, it => it.states().await)
    }

    pub(crate) async fn erase_personal(&mut self, stream: &str) -> Result<Vec<i64>> {
        either!(self, it => it.erase_personal(stream).await)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        either!(self, it => it.commit().await)
    }

    pub(crate) async fn roll_back(self) -> Result<()> {
        either!(self, it => it.roll_back().await)
    }
}
