//! What to look for.

use chrono::{DateTime, Utc};

use crate::StreamId;

/// Which entities of a kind are wanted. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they stand.
    pub status: Option<String>,
    /// Whose they are.
    pub owner: Option<String>,
    /// What they belong to.
    pub parent: Option<String>,
    /// The unique name.
    pub name: Option<String>,
    /// Those that want to be looked at before this instant.
    pub due_before: Option<DateTime<Utc>>,
    /// How many at the most.
    pub limit: Option<u32>,
    /// Those whose ids, as texts, come after this one.
    pub after: Option<String>,
}

impl Filter {
    /// Those that stand there.
    pub fn status(status: impl Into<String>) -> Self {
        Self { status: Some(status.into()), ..Self::default() }
    }

    /// Those of this owner.
    #[expect(clippy::needless_pass_by_value, reason = "what is passed is an id, which is copied")]
    pub fn owner(owner: impl ToString) -> Self {
        Self { owner: Some(owner.to_string()), ..Self::default() }
    }

    /// Those that belong to this.
    #[expect(clippy::needless_pass_by_value, reason = "what is passed is an id, which is copied")]
    pub fn parent(parent: impl ToString) -> Self {
        Self { parent: Some(parent.to_string()), ..Self::default() }
    }

    /// The one of this name.
    pub fn name(name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Those that want to be looked at before `instant`.
    pub fn due_before(instant: DateTime<Utc>) -> Self {
        Self { due_before: Some(instant), ..Self::default() }
    }

    pub(crate) fn row(&self, kind: &'static str) -> FilterRow {
        FilterRow {
            kind,
            status: self.status.clone(),
            owner: self.owner.clone(),
            parent: self.parent.clone(),
            name: self.name.clone(),
            due_before: self.due_before.map(|at| at.timestamp_micros()),
            after: self.after.clone(),
            limit: self.limit.map_or(i64::MAX, i64::from),
        }
    }
}

/// Which entries of the log are wanted. What is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    /// What they happened to.
    pub stream: Option<StreamId>,
    /// What was wanted: `<kind>.<command>`, or the act of a journal entry.
    pub act: Option<String>,
    /// From this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub until: Option<DateTime<Utc>>,
    /// Those behind this place in the log.
    pub after: Option<u64>,
    /// How many at the most.
    pub limit: Option<u32>,
}

impl Trail {
    /// All that happened to `stream`.
    pub fn of(stream: StreamId) -> Self {
        Self { stream: Some(stream), ..Self::default() }
    }

    pub(crate) fn row(&self) -> TrailRow {
        TrailRow {
            stream: self.stream.as_ref().map(ToString::to_string),
            act: self.act.clone(),
            from: self.from.map(|at| at.timestamp_micros()),
            until: self.until.map(|at| at.timestamp_micros()),
            after: self.after.map_or(-1, |seq| i64::try_from(seq).unwrap_or(i64::MAX)),
            limit: self.limit.map_or(i64::MAX, i64::from),
        }
    }
}

/// A [`Filter`] as the statement takes it.
pub(crate) struct FilterRow {
    pub(crate) kind: &'static str,
    pub(crate) status: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) due_before: Option<i64>,
    pub(crate) after: Option<String>,
    pub(crate) limit: i64,
}

/// A [`Trail`] as the statement takes it.
pub(crate) struct TrailRow {
    pub(crate) stream: Option<String>,
    pub(crate) act: Option<String>,
    pub(crate) from: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) after: i64,
    pub(crate) limit: i64,
}

impl TrailRow {
    /// Entries from one place until before another, some at a time.
    pub(crate) fn between(from: i64, until: i64) -> Self {
        Self {
            stream: None,
            act: None,
            from: None,
            until: None,
            after: from - 1,
            limit: (until - from).min(1000),
        }
    }
}
