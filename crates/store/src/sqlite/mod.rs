//! The store on SQLite. `postgres` has the same functions.

mod audit;
mod group;
mod read;

use std::{borrow::Cow, path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

pub(crate) use audit::Snapshot;
pub(crate) use group::Transaction;

use crate::StoreError;

/// One connection that writes, and some that read.
pub(crate) struct Database {
    writer: SqlitePool,
    reader: SqlitePool,
}

impl Database {
    pub(crate) async fn open(path: &Path, readers: u32) -> Result<Self, StoreError> {
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: the log of a commit is on the disk before the commit is acknowledged.
            .synchronous(SqliteSynchronous::Full)
            // What is erased is overwritten, not only forgotten.
            .pragma("secure_delete", "ON");
        let writer = connect(options.clone(), 1).await.map_err(unusable(path))?;
        migrator().run(&writer).await.map_err(crate::database::migration_error)?;
        let reader = connect(options, readers).await.map_err(unusable(path))?;
        Ok(Self { writer, reader })
    }

    pub(crate) async fn open_to_read(path: &Path, readers: u32) -> Result<Self, StoreError> {
        let options = options(path).pragma("query_only", "ON");
        let reader = connect(options, readers).await.map_err(unusable(path))?;
        Ok(Self { writer: reader.clone(), reader })
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        // IMMEDIATE: the lock on writing is taken before anything is read, so that what is
        // checked still holds when it is written.
        Ok(Transaction::new(self.writer.begin_with("BEGIN IMMEDIATE").await?))
    }

    /// Writes what the write-ahead log holds to the database and empties it, so that nothing
    /// erased stays behind in it.
    pub(crate) async fn settle(&self) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await?;
        Ok(())
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, sqlx::Error> {
        Ok(Snapshot::new(self.reader.begin().await?))
    }

    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .pragma("cache_size", "-65536")
        .busy_timeout(Duration::from_secs(10))
}

async fn connect(
    options: SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not hang up: asking before each use would double the way to its thread.
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

/// Says which file cannot be used.
fn unusable(path: &Path) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| StoreError::unreadable(format!("the database {}", path.display()), &error)
}

fn migrator() -> Migrator {
    Migrator {
        migrations: Cow::Owned(vec![Migration::new(
            1,
            Cow::Borrowed("log"),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(include_str!("../../migrations/sqlite/0001_log.sql")),
            false,
        )]),
        ..Migrator::DEFAULT
    }
}
