//! Rows of either database, read into the types that both share.

use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::record::{EventRow, PersonalRow, StateRow};

/// The end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: i64,
    pub(crate) last_at: i64,
    pub(crate) frontier: String,
}

/// A signed statement of what the log held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckpointRow {
    pub(crate) size: i64,
    pub(crate) root: String,
    pub(crate) note: String,
}

/// A row of a database that has the column types that the store uses.
pub(crate) trait AnyRow {
    fn number(&self, column: &'static str) -> Result<i64, sqlx::Error>;
    fn perhaps_number(&self, column: &'static str) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, column: &'static str) -> Result<String, sqlx::Error>;
    fn perhaps_text(&self, column: &'static str) -> Result<Option<String>, sqlx::Error>;
}

impl<R> AnyRow for R
where
    R: Row,
    &'static str: ColumnIndex<R>,
    i64: for<'r> Decode<'r, R::Database> + Type<R::Database>,
    String: for<'r> Decode<'r, R::Database> + Type<R::Database>,
{
    fn number(&self, column: &'static str) -> Result<i64, sqlx::Error> {
        self.try_get(column)
    }

    fn perhaps_number(&self, column: &'static str) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(column)
    }

    fn text(&self, column: &'static str) -> Result<String, sqlx::Error> {
        self.try_get(column)
    }

    fn perhaps_text(&self, column: &'static str) -> Result<Option<String>, sqlx::Error> {
        self.try_get(column)
    }
}

pub(crate) fn event(row: &impl AnyRow) -> Result<EventRow, sqlx::Error> {
    Ok(EventRow {
        seq: row.number("seq")?,
        stream: row.text("stream")?,
        kind: row.text("kind")?,
        version: row.perhaps_number("version")?,
        act: row.text("act")?,
        event: row.perhaps_text("event")?,
        at: row.number("at")?,
        decided_at: row.number("decided_at")?,
        person: row.text("person")?,
        organisation: row.text("organisation")?,
        roles: row.text("roles")?,
        pack: row.text("pack")?,
        clauses: row.text("clauses")?,
        body: row.text("body")?,
        commitment: row.perhaps_text("commitment")?,
        leaf: row.text("leaf")?,
    })
}

/// The personal fields of an entry in a row of a left join, if they are still there.
pub(crate) fn personal(row: &impl AnyRow) -> Result<Option<PersonalRow>, sqlx::Error> {
    let (salt, body) = (row.perhaps_text("personal_salt")?, row.perhaps_text("personal_body")?);
    let seq = row.number("seq")?;
    Ok(salt.zip(body).map(|(salt, body)| PersonalRow { seq, salt, body }))
}

pub(crate) fn state(row: &impl AnyRow) -> Result<StateRow, sqlx::Error> {
    Ok(StateRow {
        stream: row.text("stream")?,
        kind: row.text("kind")?,
        id: row.text("id")?,
        version: row.number("version")?,
        status: row.text("status")?,
        owner: row.perhaps_text("owner")?,
        parent: row.perhaps_text("parent")?,
        name: row.perhaps_text("name")?,
        due_at: row.perhaps_number("due_at")?,
        body: row.text("body")?,
    })
}

pub(crate) fn head(row: &impl AnyRow) -> Result<Head, sqlx::Error> {
    Ok(Head {
        size: row.number("size")?,
        last_at: row.number("last_at")?,
        frontier: row.text("frontier")?,
    })
}

pub(crate) fn checkpoint(row: &impl AnyRow) -> Result<CheckpointRow, sqlx::Error> {
    Ok(CheckpointRow {
        size: row.number("size")?,
        root: row.text("root")?,
        note: row.text("note")?,
    })
}
