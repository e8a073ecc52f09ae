//! What an auditor reads: everything, as it stood at one moment.

use futures::{StreamExt as _, stream::BoxStream};
use sqlx::Postgres;

use crate::{
    record::{EventRow, PersonalRow, StateRow},
    rows::{self, CheckpointRow, Head},
};

/// The database as it stood when the first of these functions was called.
pub(crate) struct Snapshot(sqlx::Transaction<'static, Postgres>);

impl Snapshot {
    pub(super) fn new(tx: sqlx::Transaction<'static, Postgres>) -> Self {
        Self(tx)
    }

    /// The whole log, in order.
    pub(crate) fn log(
        &mut self,
    ) -> BoxStream<'_, Result<(EventRow, Option<PersonalRow>), sqlx::Error>> {
        sqlx::query(
            "SELECT event.*, personal.salt AS personal_salt, personal.body AS personal_body
             FROM event LEFT JOIN personal ON personal.seq = event.seq
             ORDER BY event.seq",
        )
        .fetch(&mut *self.0)
        .map(|row| row.and_then(|row| Ok((rows::event(&row)?, rows::personal(&row)?))))
        .boxed()
    }

    /// The events of every stream, stream by stream, each in order.
    pub(crate) fn events_by_stream(
        &mut self,
    ) -> BoxStream<'_, Result<(EventRow, Option<PersonalRow>), sqlx::Error>> {
        sqlx::query(
            "SELECT event.*, personal.salt AS personal_salt, personal.body AS personal_body
             FROM event LEFT JOIN personal ON personal.seq = event.seq
             WHERE event.version IS NOT NULL ORDER BY event.stream COLLATE \"C\", event.version",
        )
        .fetch(&mut *self.0)
        .map(|row| row.and_then(|row| Ok((rows::event(&row)?, rows::personal(&row)?))))
        .boxed()
    }

    /// Where the log ends.
    pub(crate) async fn head(&mut self) -> Result<Head, sqlx::Error> {
        let row = sqlx::query("SELECT size, last_at, frontier FROM head WHERE id = 1")
            .fetch_one(&mut *self.0)
            .await?;
        rows::head(&row)
    }

    /// Every state, by stream.
    pub(crate) async fn states(&mut self) -> Result<Vec<StateRow>, sqlx::Error> {
        sqlx::query("SELECT * FROM state ORDER BY stream COLLATE \"C\"")
            .fetch_all(&mut *self.0)
            .await?
            .iter()
            .map(rows::state)
            .collect()
    }

    /// Every checkpoint, by size.
    pub(crate) async fn checkpoints(&mut self) -> Result<Vec<CheckpointRow>, sqlx::Error> {
        sqlx::query("SELECT size, root, note FROM checkpoint ORDER BY size")
            .fetch_all(&mut *self.0)
            .await?
            .iter()
            .map(rows::checkpoint)
            .collect()
    }
}
