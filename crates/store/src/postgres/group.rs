//! The statements of one group of acts.

use sqlx::Postgres;

use crate::{
    database::Batch,
    record::StateRow,
    rows::{self, AnyRow, Head},
};

/// A transaction that holds the lock on the end of the log.
pub(crate) struct Transaction(sqlx::Transaction<'static, Postgres>);

impl Transaction {
    pub(super) fn new(tx: sqlx::Transaction<'static, Postgres>) -> Self {
        Self(tx)
    }

    /// The end of the log.
    pub(crate) async fn head(&mut self) -> Result<Head, sqlx::Error> {
        let row = sqlx::query("SELECT size, last_at, frontier FROM head WHERE id = 1 FOR UPDATE")
            .fetch_one(&mut *self.0)
            .await?;
        rows::head(&row)
    }

    /// The versions of those of `streams` (a JSON list) that have a state.
    pub(crate) async fn versions(
        &mut self,
        streams: &str,
    ) -> Result<Vec<(String, i64)>, sqlx::Error> {
        sqlx::query(
            "SELECT state.stream, state.version
             FROM json_array_elements_text($1::json) AS wanted (stream)
             JOIN state ON state.stream = wanted.stream",
        )
        .bind(streams)
        .fetch_all(&mut *self.0)
        .await?
        .iter()
        .map(|row| Ok((row.text("stream")?, row.number("version")?)))
        .collect()
    }

    /// Which streams have those of `names` (a JSON list of `[kind, name]`) that are taken.
    pub(crate) async fn names(
        &mut self,
        names: &str,
    ) -> Result<Vec<(String, String, String)>, sqlx::Error> {
        sqlx::query(
            "SELECT state.kind, state.name, state.stream
             FROM json_array_elements($1::json) AS wanted (pair)
             JOIN state ON state.kind = wanted.pair ->> 0 AND state.name = wanted.pair ->> 1",
        )
        .bind(names)
        .fetch_all(&mut *self.0)
        .await?
        .iter()
        .map(|row| Ok((row.text("kind")?, row.text("name")?, row.text("stream")?)))
        .collect()
    }

    /// How many journal entries a stream has of an act, from an instant on, at a place or after.
    pub(crate) async fn count_after(
        &mut self,
        stream: &str,
        act: &str,
        from: i64,
        place: i64,
    ) -> Result<i64, sqlx::Error> {
        sqlx::query(
            "SELECT count(*) AS entries FROM event
             WHERE stream = $1 AND act = $2 AND at >= $3 AND seq >= $4 AND version IS NULL",
        )
        .bind(stream)
        .bind(act)
        .bind(from)
        .bind(place)
        .fetch_one(&mut *self.0)
        .await?
        .number("entries")
    }

    /// Appends entries, writes states, moves the head, and adds the checkpoint.
    pub(crate) async fn append(&mut self, batch: &Batch<'_>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO event (seq, stream, kind, version, act, event, at, decided_at, person,
                                organisation, roles, pack, clauses, body, commitment, leaf)
             SELECT seq, stream, kind, version, act, event, at, decided_at, person,
                    organisation, roles, pack, clauses, body, commitment, leaf
             FROM json_populate_recordset(NULL::event, $1::json)",
        )
        .bind(json(&batch.events)?)
        .execute(&mut *self.0)
        .await?;
        if !batch.personal.is_empty() {
            sqlx::query(
                "INSERT INTO personal (seq, salt, body)
                 SELECT seq, salt, body FROM json_populate_recordset(NULL::personal, $1::json)",
            )
            .bind(json(&batch.personal)?)
            .execute(&mut *self.0)
            .await?;
        }
        if !batch.states.is_empty() {
            self.put_states(batch.states).await?;
        }
        self.put_head(&batch.head).await?;
        sqlx::query("INSERT INTO checkpoint (size, root, note) VALUES ($1, $2, $3)")
            .bind(batch.checkpoint.size)
            .bind(&batch.checkpoint.root)
            .bind(&batch.checkpoint.note)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Writes states over those of the same streams.
    pub(crate) async fn put_states(&mut self, states: &[&StateRow]) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO state (stream, kind, id, version, status, owner, parent, name, due_at, body)
             SELECT stream, kind, id, version, status, owner, parent, name, due_at, body
             FROM json_populate_recordset(NULL::state, $1::json)
             ON CONFLICT (stream) DO UPDATE SET
                 version = excluded.version, status = excluded.status, owner = excluded.owner,
                 parent = excluded.parent, name = excluded.name, due_at = excluded.due_at,
                 body = excluded.body",
        )
        .bind(json(&states)?)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Drops every state.
    pub(crate) async fn put_head(&mut self, head: &Head) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE head SET size = $1, last_at = $2, frontier = $3 WHERE id = 1")
            .bind(head.size)
            .bind(head.last_at)
            .bind(&head.frontier)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub(crate) async fn drop_states(&mut self) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM state").execute(&mut *self.0).await?;
        Ok(())
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

    /// Erases the personal fields of a stream's entries, and says of which.
    pub(crate) async fn erase_personal(&mut self, stream: &str) -> Result<Vec<i64>, sqlx::Error> {
        let mut erased = sqlx::query(
            "DELETE FROM personal WHERE seq IN (SELECT seq FROM event WHERE stream = $1)
             RETURNING seq",
        )
        .bind(stream)
        .fetch_all(&mut *self.0)
        .await?
        .iter()
        .map(|row| row.number("seq"))
        .collect::<Result<Vec<_>, _>>()?;
        erased.sort_unstable();
        Ok(erased)
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.0.commit().await
    }

    pub(crate) async fn roll_back(self) -> Result<(), sqlx::Error> {
        self.0.rollback().await
    }
}

/// Rows as a JSON list, which one statement takes.
fn json<T: serde::Serialize>(rows: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))
}
