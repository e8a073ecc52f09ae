//! The clauses of a regulation, and what the platform does about each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Text;

/// The id of a clause, `<pack>/<article>[.<step>…][<letter>]`. Stable: never renumbered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClauseId(String);

impl ClauseId {
    /// The clause of this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The pack that the clause belongs to.
    pub fn pack(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ClauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ClauseId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// What sort of norm a clause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Says what a word means.
    Definition,
    /// A condition, limit or prohibition.
    Rule,
    /// A continuing duty.
    Duty,
    /// A step of a procedure.
    Step,
    /// Something that the platform must offer.
    Capability,
    /// Something that must be kept, filed or published.
    Record,
}

/// How strongly a clause binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    /// Enforced.
    Must,
    /// Encouraged: offered, never compulsory.
    Should,
    /// An option of an actor: offered, its use recorded.
    May,
}

/// A clause of the register, in our own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its id.
    pub id: ClauseId,
    /// Its place in the regulation, as the regulation counts.
    pub article: String,
    /// What sort of norm it is.
    pub kind: Kind,
    /// What it is about, such as `authorisation` or `exit`.
    pub area: String,
    /// How strongly it binds.
    pub force: Force,
    /// Whom it concerns: role names of the pack.
    pub actors: Vec<String>,
    /// The parameters that it reads.
    #[serde(default)]
    pub params: Vec<String>,
    /// The city's refusal codes that rest on it.
    #[serde(default)]
    pub codes: Vec<String>,
    /// What it says.
    pub summary: Text,
}

/// What the platform does about a clause, and how that is shown to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The clause.
    pub clause: ClauseId,
    /// What enforces it: `rule:<name>`, `procedure:<id>[/<stage>]`, `policy:<id>`,
    /// `parameter:<name>`, `guard:<name>`, `effect:<name>` or `term:<id>`.
    #[serde(default)]
    pub by: Vec<String>,
    /// The tests that prove it: `proof:<name>` of one that stands beside the pack, or
    /// `<crate>::<path of the test>`; empty: bound, not yet proved.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Where nothing enforces it yet: why, and what is missing.
    #[serde(default)]
    pub open: Option<String>,
}

/// How far the platform has come with a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Something enforces it, and a test proves that.
    Proved,
    /// Something enforces it; no test names it yet.
    Bound,
    /// Nothing enforces it yet.
    Open,
}

impl Binding {
    /// How far the platform has come with this clause.
    pub fn proof(&self) -> Proof {
        match (self.by.is_empty(), self.tests.is_empty()) {
            (true, _) => Proof::Open,
            (false, true) => Proof::Bound,
            (false, false) => Proof::Proved,
        }
    }
}
