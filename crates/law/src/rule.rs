//! Rules that the platform enforces, and the refusals that they give.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ClauseId, Text};

/// A rule by its name. The room that enforces a rule declares it as a constant and lists it in
/// its `RULES`; the pack says on which clauses it rests and in which words it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(&'static str);

impl Rule {
    /// The rule of this name, in lower case with dashes.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name, which is also the stable code of the refusal.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// What a pack says of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// The city's own code for the refusal, if it has one.
    #[serde(default)]
    pub code: Option<String>,
    /// The words of the refusal; `{name}` stands for a detail.
    pub message: Text,
}

/// What a refusal of a query is about: which column would go where, and what would pass instead.
/// It is made from the query and what is granted, never from data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cause {
    /// The column, as `table.column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The nodes of the plan on its way, from where it is read to where it may not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// What would pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passes: Option<String>,
}

/// A refusal by law: which rule, on which clauses, in which words. A value, not an accident;
/// it is recorded in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Refusal {
    /// The name of the rule.
    pub rule: String,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// The city's own code, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason, with its details filled in.
    pub message: Text,
    /// What is wrong and what would pass, in plain words, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What of a query it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<Cause>>,
}

impl Refusal {
    /// Adds what of a query it is about.
    #[must_use]
    pub fn caused(mut self, cause: Cause) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Adds what is wrong in this case, and what would pass.
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message.en)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let clauses: Vec<&str> = self.clauses.iter().map(ClauseId::as_str).collect();
        write!(f, " [{}]", clauses.join(", "))
    }
}
