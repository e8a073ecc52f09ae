//! What is read outside a group.

use super::Database;
use crate::{
    filter::{FilterRow, TrailRow},
    record::{EventRow, PersonalRow, StateRow},
    rows::{self, AnyRow, CheckpointRow, Head},
};

impl Database {
    pub(crate) async fn state(&self, stream: &str) -> Result<Option<StateRow>, sqlx::Error> {
        sqlx::query("SELECT * FROM state WHERE stream = $1")
            .bind(stream)
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(rows::state)
            .transpose()
    }

    pub(crate) async fn list(&self, filter: &FilterRow) -> Result<Vec<StateRow>, sqlx::Error> {
        sqlx::query(
            "SELECT * FROM state
             WHERE kind = $1 AND ($2 IS NULL OR status = $2) AND ($3 IS NULL OR owner = $3)
               AND ($4 IS NULL OR parent = $4) AND ($5 IS NULL OR name = $5)
               AND ($6 IS NULL OR due_at < $6) AND ($7 IS NULL OR id > $7)
             ORDER BY id LIMIT $8",
        )
        .bind(filter.kind)
        .bind(&filter.status)
        .bind(&filter.owner)
        .bind(&filter.parent)
        .bind(&filter.name)
        .bind(filter.due_before)
        .bind(&filter.after)
        .bind(filter.limit)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(rows::state)
        .collect()
    }

    pub(crate) async fn trail(&self, trail: &TrailRow) -> Result<Vec<EventRow>, sqlx::Error> {
        sqlx::query(
            "SELECT * FROM event
             WHERE ($1 IS NULL OR stream = $1) AND ($2 IS NULL OR act = $2)
               AND ($3 IS NULL OR at >= $3) AND ($4 IS NULL OR at < $4) AND seq > $5
             ORDER BY seq LIMIT $6",
        )
        .bind(&trail.stream)
        .bind(&trail.act)
        .bind(trail.from)
        .bind(trail.until)
        .bind(trail.after)
        .bind(trail.limit)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(rows::event)
        .collect()
    }

    /// How many journal entries a stream has of an act from one instant until before another.
    pub(crate) async fn count(
        &self,
        stream: &str,
        act: &str,
        from: i64,
        until: i64,
    ) -> Result<i64, sqlx::Error> {
        sqlx::query(
            "SELECT count(*) AS entries FROM event
             WHERE stream = $1 AND act = $2 AND at >= $3 AND at < $4 AND version IS NULL",
        )
        .bind(stream)
        .bind(act)
        .bind(from)
        .bind(until)
        .fetch_one(&self.reader)
        .await?
        .number("entries")
    }

    /// How many entries have had their personal fields erased.
    pub(crate) async fn erased(&self) -> Result<i64, sqlx::Error> {
        sqlx::query(
            "SELECT count(*) AS entries FROM event LEFT JOIN personal USING (seq)
             WHERE event.commitment IS NOT NULL AND personal.salt IS NULL",
        )
        .fetch_one(&self.reader)
        .await?
        .number("entries")
    }

    /// The events of a stream up to an instant, with personal fields that are still there.
    pub(crate) async fn events_of(
        &self,
        stream: &str,
        until: i64,
    ) -> Result<Vec<(EventRow, Option<PersonalRow>)>, sqlx::Error> {
        sqlx::query(
            "SELECT event.*, personal.salt AS personal_salt, personal.body AS personal_body
             FROM event LEFT JOIN personal ON personal.seq = event.seq
             WHERE event.stream = $1 AND event.version IS NOT NULL AND event.at <= $2
             ORDER BY event.version",
        )
        .bind(stream)
        .bind(until)
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| Ok((rows::event(row)?, rows::personal(row)?)))
        .collect()
    }

    pub(crate) async fn head(&self) -> Result<Head, sqlx::Error> {
        let row = sqlx::query("SELECT size, last_at, frontier FROM head WHERE id = 1")
            .fetch_one(&self.reader)
            .await?;
        rows::head(&row)
    }

    /// The latest checkpoint, if there is one.
    pub(crate) async fn checkpoint(&self) -> Result<Option<CheckpointRow>, sqlx::Error> {
        sqlx::query("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1")
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(rows::checkpoint)
            .transpose()
    }

    /// The checkpoint of exactly so many entries, if there is one.
    pub(crate) async fn checkpoint_of(
        &self,
        size: i64,
    ) -> Result<Option<CheckpointRow>, sqlx::Error> {
        sqlx::query("SELECT size, root, note FROM checkpoint WHERE size = $1")
            .bind(size)
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(rows::checkpoint)
            .transpose()
    }

    /// The hashes of leaves from one place until before another.
    pub(crate) async fn leaves(&self, from: i64, until: i64) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query("SELECT leaf FROM event WHERE seq >= $1 AND seq < $2 ORDER BY seq")
            .bind(from)
            .bind(until)
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(|row| row.text("leaf"))
            .collect()
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?
            .map(|row| row.text("value"))
            .transpose()
    }

    /// Keeps a value under a name, unless there is one.
    pub(crate) async fn set_meta(&self, name: &str, value: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(value)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
