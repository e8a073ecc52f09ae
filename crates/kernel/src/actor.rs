//! Who acts: a person, for an organisation, in the roles that a pack gives it.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

crate::id!(
    /// A natural person known to the deployment.
    PersonId,
    "per"
);
crate::id!(
    /// An organisation known to the deployment.
    OrganisationId,
    "org"
);

/// A role of the regulations' glossary, such as `authority` or `zone_supervisor`.
///
/// Which roles exist is the pack's; code treats the name as opaque.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(String);

impl Role {
    /// The role of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name of the role.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Role {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// The person who acts, the organisation that they act for, and the roles they hold in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who acts.
    pub person: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// In which roles: those of the organisation that are given to the person.
    pub roles: BTreeSet<Role>,
}

/// The role in which the platform acts, and nobody else.
pub const SYSTEM: &str = "system";

impl Actor {
    /// Whether the actor holds the role of this name.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.as_str() == role)
    }
}

impl Actor {
    /// The platform itself, acting when a time has come.
    pub fn system() -> Self {
        Self {
            person: crate::Id::from_u128(0),
            organisation: crate::Id::from_u128(0),
            roles: [Role::new(SYSTEM)].into(),
        }
    }

    /// Whether this is the platform itself. A role alone does not make it so.
    pub fn is_system(&self) -> bool {
        *self == Self::system()
    }
}
