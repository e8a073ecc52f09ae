//! What the log holds: rows, and the leaves that follow from them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shuyu_kernel::{Actor, Entropy, OrganisationId, PersonId, Role, canonical_json};
use shuyu_law::{ClauseId, PackVersion};
use shuyu_ledger::{HashSuite, NodeHash};

use crate::{Entity, StoreError, StreamId, Version};

/// The hash function of the log.
pub(crate) const SUITE: HashSuite = HashSuite::Sha256;

/// An entry of the log, without its personal fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Its place in the log, from 0: the index of its leaf.
    pub seq: u64,
    /// What it happened to.
    pub stream: StreamId,
    /// The version that it made; `None`: it changed nothing (a read, a call, a refusal).
    pub version: Option<Version>,
    /// What was wanted: `<kind>.<command>`, or the act of a journal entry.
    pub act: String,
    /// What happened; `None` for a journal entry.
    pub event: Option<String>,
    /// When it was recorded. Never earlier than the entry before it.
    pub at: DateTime<Utc>,
    /// The instant that the decision rests on, not later than `at`.
    pub decided_at: DateTime<Utc>,
    /// Who acted.
    pub person: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// In which roles.
    pub roles: Vec<Role>,
    /// The version of the pack under which it was decided.
    pub pack: PackVersion,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// The event, or what the journal says, less personal fields.
    pub body: Value,
    /// The commitment to personal fields, if there are any.
    pub commitment: Option<NodeHash>,
}

/// An entry as the database holds it. JSON stands as its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EventRow {
    pub(crate) seq: i64,
    pub(crate) stream: String,
    pub(crate) kind: String,
    pub(crate) version: Option<i64>,
    pub(crate) act: String,
    pub(crate) event: Option<String>,
    pub(crate) at: i64,
    pub(crate) decided_at: i64,
    pub(crate) person: String,
    pub(crate) organisation: String,
    pub(crate) roles: String,
    pub(crate) pack: String,
    pub(crate) clauses: String,
    pub(crate) body: String,
    pub(crate) commitment: Option<String>,
    pub(crate) leaf: String,
}

/// Personal fields of an entry, with the salt of the commitment to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PersonalRow {
    pub(crate) seq: i64,
    pub(crate) salt: String,
    pub(crate) body: String,
}

/// The state of an entity as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateRow {
    pub(crate) stream: String,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) status: String,
    pub(crate) owner: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) due_at: Option<i64>,
    pub(crate) body: String,
}

impl StateRow {
    pub(crate) fn of<E: Entity>(
        stream: &StreamId,
        version: i64,
        state: &E,
    ) -> Result<Self, serde_json::Error> {
        let keys = state.keys();
        Ok(Self {
            stream: stream.to_string(),
            kind: stream.kind().to_owned(),
            id: stream.id().to_owned(),
            version,
            status: keys.status,
            owner: keys.owner,
            parent: keys.parent,
            name: keys.name,
            due_at: keys.due_at.map(|at| at.timestamp_micros()),
            body: serde_json::to_string(state)?,
        })
    }

    /// The columns in which `self` and `other` differ, bodies compared as JSON.
    pub(crate) fn differs_from(&self, other: &Self) -> Vec<&'static str> {
        let json = |row: &Self| {
            serde_json::from_str::<Value>(&row.body)
                .map_or(row.body.clone(), |v| canonical_json(&v))
        };
        [
            ("kind", self.kind != other.kind),
            ("id", self.id != other.id),
            ("version", self.version != other.version),
            ("status", self.status != other.status),
            ("owner", self.owner != other.owner),
            ("parent", self.parent != other.parent),
            ("name", self.name != other.name),
            ("due_at", self.due_at != other.due_at),
            ("body", self.body != other.body && json(self) != json(other)),
        ]
        .into_iter()
        .filter_map(|(column, differs)| differs.then_some(column))
        .collect()
    }
}

/// An entry before it has its place in the log and its instant.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) stream: StreamId,
    pub(crate) version: Option<i64>,
    pub(crate) act: String,
    pub(crate) event: Option<String>,
    pub(crate) decided_at: i64,
    pub(crate) person: String,
    pub(crate) organisation: String,
    pub(crate) roles: String,
    pub(crate) pack: String,
    pub(crate) clauses: String,
    pub(crate) body: String,
    pub(crate) personal: Option<Personal>,
}

/// What is kept outside the leaf.
#[derive(Debug, Clone)]
pub(crate) struct Personal {
    salt: String,
    body: String,
    commitment: String,
}

/// What every entry of one act has in common.
pub(crate) struct Frame<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) act: String,
    pub(crate) actor: &'a Actor,
    pub(crate) pack: &'a PackVersion,
    pub(crate) decided_at: DateTime<Utc>,
}

impl Frame<'_> {
    /// A journal entry.
    pub(crate) fn journal(&self, clauses: &[ClauseId], body: &Value) -> Draft {
        self.draft(None, None, clauses, canonical_json(body), None)
    }

    /// An event, its personal fields cut out and committed to.
    pub(crate) fn event(
        &self,
        version: i64,
        clauses: &[ClauseId],
        body: Value,
        personal: &[&str],
        entropy: &dyn Entropy,
    ) -> Result<Draft, StoreError> {
        let Value::Object(mut fields) = body else {
            return Err(StoreError::unreadable(
                format!("an event of {}", self.stream),
                &"it is not an object",
            ));
        };
        let Some(name) = fields.get("event").and_then(Value::as_str) else {
            return Err(StoreError::unreadable(
                format!("an event of {}", self.stream),
                &"it has no field `event` with its name",
            ));
        };
        let name = name.to_owned();
        let mut apart = Map::new();
        for field in personal {
            if let Some(value) = fields.shift_remove(*field) {
                apart.insert((*field).to_owned(), value);
            }
        }
        let personal =
            (!apart.is_empty()).then(|| Personal::commit(&Value::Object(apart), entropy));
        let body = canonical_json(&Value::Object(fields));
        Ok(self.draft(Some(version), Some(name), clauses, body, personal))
    }

    fn draft(
        &self,
        version: Option<i64>,
        event: Option<String>,
        clauses: &[ClauseId],
        body: String,
        personal: Option<Personal>,
    ) -> Draft {
        Draft {
            stream: self.stream.clone(),
            version,
            act: self.act.clone(),
            event,
            decided_at: self.decided_at.timestamp_micros(),
            person: self.actor.person.to_string(),
            organisation: self.actor.organisation.to_string(),
            roles: texts(self.actor.roles.iter().map(Role::as_str)),
            pack: self.pack.0.clone(),
            clauses: texts(clauses.iter().map(ClauseId::as_str)),
            body,
            personal,
        }
    }
}

impl Personal {
    fn commit(fields: &Value, entropy: &dyn Entropy) -> Self {
        let mut salt = [0; 32];
        entropy.fill(&mut salt);
        let body = canonical_json(fields);
        Self {
            commitment: SUITE.commitment(&salt, body.as_bytes()).to_string(),
            salt: hex::encode(salt),
            body,
        }
    }
}

impl PersonalRow {
    /// What an entry's leaf must say of these fields.
    pub(crate) fn commitment(&self) -> String {
        let mut salt = [0; 32];
        match hex::decode_to_slice(&self.salt, &mut salt) {
            Ok(()) => SUITE.commitment(&salt, self.body.as_bytes()).to_string(),
            Err(_) => String::new(),
        }
    }
}

impl Draft {
    /// The row of this draft at its place; its leaf is left to the caller.
    pub(crate) fn place(self, seq: i64, at: i64) -> (EventRow, Option<PersonalRow>) {
        let (commitment, personal) = match self.personal {
            Some(personal) => (
                Some(personal.commitment),
                Some(PersonalRow { seq, salt: personal.salt, body: personal.body }),
            ),
            None => (None, None),
        };
        let row = EventRow {
            seq,
            kind: self.stream.kind().to_owned(),
            stream: self.stream.to_string(),
            version: self.version,
            act: self.act,
            event: self.event,
            at,
            decided_at: self.decided_at,
            person: self.person,
            organisation: self.organisation,
            roles: self.roles,
            pack: self.pack,
            clauses: self.clauses,
            body: self.body,
            commitment,
            leaf: String::new(),
        };
        (row, personal)
    }
}

impl EventRow {
    /// The bytes that the leaf is the digest of: canonical JSON, keys in order.
    pub(crate) fn leaf_bytes(&self) -> Vec<u8> {
        let text = |text: &str| Value::from(text).to_string();
        let perhaps = |perhaps: Option<&str>| perhaps.map_or("null".to_owned(), text);
        let mut leaf = String::with_capacity(512 + self.body.len());
        let mut field = |name: &str, value: &str| {
            leaf.push(if leaf.is_empty() { '{' } else { ',' });
            leaf.push('"');
            leaf.push_str(name);
            leaf.push_str("\":");
            leaf.push_str(value);
        };
        field("act", &text(&self.act));
        field("at", &text(&instant_text(self.at)));
        field("body", &self.body);
        field("clauses", &self.clauses);
        field("commitment", &perhaps(self.commitment.as_deref()));
        field("decided_at", &text(&instant_text(self.decided_at)));
        field("event", &perhaps(self.event.as_deref()));
        field("organisation", &text(&self.organisation));
        field("pack", &text(&self.pack));
        field("person", &text(&self.person));
        field("roles", &self.roles);
        field("seq", &self.seq.to_string());
        field("stream", &text(&self.stream));
        field("version", &self.version.map_or("null".to_owned(), |v| v.to_string()));
        leaf.push('}');
        leaf.into_bytes()
    }

    /// The entry for readers.
    pub(crate) fn recorded(self) -> Result<Recorded, StoreError> {
        let what = format!("entry {} of the log", self.seq);
        let bad = |error: &dyn std::fmt::Display| StoreError::unreadable(what.clone(), error);
        Ok(Recorded {
            seq: u64::try_from(self.seq).map_err(|e| bad(&e))?,
            stream: StreamId::from_text(self.stream),
            version: self.version.map(Version::of_column),
            act: self.act,
            event: self.event,
            at: instant(self.at),
            decided_at: instant(self.decided_at),
            person: self.person.parse().map_err(|e| bad(&e))?,
            organisation: self.organisation.parse().map_err(|e| bad(&e))?,
            roles: serde_json::from_str(&self.roles).map_err(|e| bad(&e))?,
            pack: PackVersion(self.pack),
            clauses: serde_json::from_str(&self.clauses).map_err(|e| bad(&e))?,
            body: serde_json::from_str(&self.body).map_err(|e| bad(&e))?,
            commitment: self
                .commitment
                .map(|text| text.parse())
                .transpose()
                .map_err(|e| bad(&e))?,
        })
    }
}

/// The instant of a column.
pub(crate) fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn instant_text(micros: i64) -> String {
    instant(micros).to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    Value::Array(texts.map(Value::from).collect()).to_string()
}
