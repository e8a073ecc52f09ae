//! The store on PostgreSQL. `sqlite` has the same functions.

mod group;
mod read;

use std::{borrow::Cow, str::FromStr, time::Duration};

use sqlx::{
    PgPool,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(crate) use group::Transaction;

use crate::StoreError;

/// Connections for writing and reading.
pub(crate) struct Database {
    pool: PgPool,
}

impl Database {
    pub(crate) async fn open(url: &str, readers: u32) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("shuyu")
            // A commit is on the server's disk before it is acknowledged, whatever the server's
            // own setting.
            .options([("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new()
            .max_connections(readers + 1)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await?;
        migrator().run(&pool).await.map_err(crate::database::migration_error)?;
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

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
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
