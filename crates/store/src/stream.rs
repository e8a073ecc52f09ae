//! What events belong to, and how many there are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Entity;

/// The stream of an entity, `<kind>/<id>`. Journal entries have one as their subject, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(String);

impl StreamId {
    /// The stream of the entity of kind `E` with this id.
    pub fn of<E: Entity>(id: E::Id) -> Self {
        Self::new(E::KIND, &id)
    }

    /// The stream `<kind>/<id>`, for subjects that are no entities, such as `portal/search`.
    pub fn new(kind: &str, id: &dyn fmt::Display) -> Self {
        Self(format!("{kind}/{id}"))
    }

    /// The stream as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first stroke.
    pub fn kind(&self) -> &str {
        self.0.split_once('/').map_or("", |(kind, _)| kind)
    }

    /// What stands behind the first stroke.
    pub fn id(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, id)| id)
    }

    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many events an entity has had. A decision rests on one version and no other.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    pub(crate) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    pub(crate) fn of_column(value: i64) -> Self {
        Self(u64::try_from(value).unwrap_or(0))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
