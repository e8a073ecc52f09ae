//! The statements of one group of acts.

use sqlx::{QueryBuilder, Sqlite};

use crate::{
    database::Batch,
    record::StateRow,
    rows::{self, AnyRow, Head},
};

/// How many rows one statement takes. A JSON list would be taken in one, and costs SQLite several
/// times as much: it is searched once more for every column of every row.
const SIZES: [usize; 3] = [16, 4, 1];

/// A transaction that holds the lock on the end of the log.
pub(crate) struct Transaction(sqlx::Transaction<'static, Sqlite>);

impl Transaction {
    pub(super) fn new(tx: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self(tx)
    }

    /// The end of the log.
    pub(crate) async fn head(&mut self) -> Result<Head, sqlx::Error> {
        let row = sqlx::query("SELECT size, last_at, frontier FROM head WHERE id = 1")
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
             FROM json_each($1) AS wanted CROSS JOIN state ON state.stream = wanted.value",
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
             FROM json_each($1) AS wanted CROSS JOIN state
               ON state.kind = wanted.value ->> 0 AND state.name = wanted.value ->> 1",
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
        for rows in pieces(batch.events) {
            let mut insert = QueryBuilder::new(
                "INSERT INTO event (seq, stream, kind, version, act, event, at, decided_at, person,
                                    organisation, roles, pack, clauses, body, commitment, leaf) ",
            );
            insert.push_values(rows, |mut values, row| {
                values
                    .push_bind(row.seq)
                    .push_bind(row.stream.as_str())
                    .push_bind(row.kind.as_str())
                    .push_bind(row.version)
                    .push_bind(row.act.as_str())
                    .push_bind(row.event.as_deref())
                    .push_bind(row.at)
                    .push_bind(row.decided_at)
                    .push_bind(row.person.as_str())
                    .push_bind(row.organisation.as_str())
                    .push_bind(row.roles.as_str())
                    .push_bind(row.pack.as_str())
                    .push_bind(row.clauses.as_str())
                    .push_bind(row.body.as_str())
                    .push_bind(row.commitment.as_deref())
                    .push_bind(row.leaf.as_str());
            });
            insert.build().execute(&mut *self.0).await?;
        }
        for rows in pieces(batch.personal) {
            let mut insert = QueryBuilder::new("INSERT INTO personal (seq, salt, body) ");
            insert.push_values(rows, |mut values, row| {
                values.push_bind(row.seq).push_bind(row.salt.as_str()).push_bind(row.body.as_str());
            });
            insert.build().execute(&mut *self.0).await?;
        }
        self.put_states(batch.states).await?;
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
        for rows in pieces(states) {
            let mut insert = QueryBuilder::new(
                "INSERT INTO state (stream, kind, id, version, status, owner, parent, name, due_at,
                                    body) ",
            );
            insert.push_values(rows, |mut values, row| {
                values
                    .push_bind(row.stream.as_str())
                    .push_bind(row.kind.as_str())
                    .push_bind(row.id.as_str())
                    .push_bind(row.version)
                    .push_bind(row.status.as_str())
                    .push_bind(row.owner.as_deref())
                    .push_bind(row.parent.as_deref())
                    .push_bind(row.name.as_deref())
                    .push_bind(row.due_at)
                    .push_bind(row.body.as_str());
            });
            insert.push(
                " ON CONFLICT (stream) DO UPDATE SET
                     version = excluded.version, status = excluded.status, owner = excluded.owner,
                     parent = excluded.parent, name = excluded.name, due_at = excluded.due_at,
                     body = excluded.body",
            );
            insert.build().execute(&mut *self.0).await?;
        }
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
        sqlx::query("SELECT * FROM state ORDER BY stream")
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

/// Rows by the statement: many at a time, in few sizes, so that statements are prepared once.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (some, rest) = rows.split_at(size);
        rows = rest;
        Some(some)
    })
}
