//! What is asked of the law, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shuyu_kernel::Actor;

use crate::ClauseId;

/// A value that a policy can test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A text, such as a state or an id.
    Text(String),
    /// A set of texts, such as roles or persons.
    Set(BTreeSet<String>),
}

/// What a policy can see of something, by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// May this actor do this to that?
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Who asks: Cedar's principal, with `roles`, `person` and `organisation`.
    pub actor: &'a Actor,
    /// What they want to do, `<kind>.<command>`: Cedar's action.
    pub action: &'a str,
    /// What to, by id: Cedar's resource.
    pub resource: &'a str,
    /// What a policy can see of it; empty before it exists.
    pub attributes: &'a Attributes,
    /// What a policy can see of the command: Cedar's context.
    pub context: &'a Attributes,
}

/// Permission, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit {
    /// The policies that gave it.
    pub policies: Vec<String>,
    /// The clauses that they rest on.
    pub clauses: Vec<ClauseId>,
}
