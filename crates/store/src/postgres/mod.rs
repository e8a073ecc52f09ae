//! The store on PostgreSQL. `sqlite` has the same functions.

mod audit;
mod group;
mod read;

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    PgPool,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(crate) use audit::Snapshot;
pub(crate) use group::Transaction;

use crate::StoreError;

/// Connections for writing and reading.
pub(crate) struct Database {
    pool: PgPool,
}

impl Database {
    pub(crate) async fn open(url: &str, readers: u32) -> Result<Self, StoreError> {
        // A commit is on the server's disk before it is acknowledged, whatever the server's own
        // setting.
        let pool = connect(url, readers + 1, ("synchronous_commit", "on")).await?;
        migrator().run(&pool).await.map_err(crate::database::migration_error)?;
        Ok(Self { pool })
    }

    pub(crate) async fn open_to_read(url: &str, readers: u32) -> Result<Self, StoreError> {
        let read_only = ("default_transaction_read_only", "on");
        let pool = connect(url, readers, read_only).await?;
        Ok(Self { pool })
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Ok(Transaction::new(self.pool.begin().await?))
    }

    /// Lets the server reclaim the room of what was erased.
    pub(crate) async fn settle(&self) -> Result<(), sqlx::Error> {
        sqlx::query("VACUUM personal").execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn snapshot(&self) -> Result<Snapshot, sqlx::Error> {
        Ok(Snapshot::new(
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
        ))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn connect(
    url: &str,
    connections: u32,
    setting: (&str, &str),
) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("shuyu").options([setting]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await
}

fn migrator() -> Migrator {
    Migrator {
        migrations: Cow::Owned(vec![Migration::new(
            1,
            Cow::Borrowed("log"),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(include_str!("../../migrations/postgres/0001_log.sql")),
            false,
        )]),
        ..Migrator::DEFAULT
    }
}
