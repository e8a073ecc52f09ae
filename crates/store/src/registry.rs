//! The kinds of entities: how the state of each follows from its events.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use crate::{Command, Entity, record::StateRow, stream::StreamId};

/// The name of the event by which personal payloads of a stream are erased. It is the store's
/// own: no entity sees it.
pub(crate) const ERASED: &str = "$erased";

/// An event as the log holds it.
pub(crate) struct Happened {
    pub(crate) version: i64,
    pub(crate) event: String,
    pub(crate) body: Value,
}

/// A state, and its row.
pub(crate) struct Folded {
    pub(crate) state: Arc<dyn Any + Send + Sync>,
    pub(crate) row: StateRow,
}

type Fold = fn(&StreamId, &[Happened]) -> Result<Option<Folded>, String>;

/// What policies can say of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The names of its commands.
    pub commands: &'static [&'static str],
    /// The names of the attributes of its entities and of its commands.
    pub attributes: &'static [&'static str],
}

#[derive(Clone, Copy)]
struct Registered {
    kind: Kind,
    fold: Fold,
}

/// The kinds of entities of a deployment. What is not registered cannot be acted on, because
/// its state could not be rebuilt from the log.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Registered>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

impl Registry {
    /// No kinds yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind.
    pub fn with<E: Entity>(mut self) -> Self {
        let kind = Kind {
            name: E::KIND,
            commands: <E::Command as Command>::NAMES,
            attributes: E::ATTRIBUTES,
        };
        self.kinds.insert(E::KIND, Registered { kind, fold: fold::<E> });
        self
    }

    /// The names of the kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.keys().copied()
    }

    /// What policies can say of each kind: its commands and attributes by name.
    pub fn vocabulary(&self) -> impl Iterator<Item = Kind> {
        self.kinds.values().map(|registered| registered.kind)
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The state that the events of a stream, in order, amount to.
    pub(crate) fn fold(
        &self,
        stream: &StreamId,
        events: &[Happened],
    ) -> Result<Option<Folded>, String> {
        let registered = self
            .kinds
            .get(stream.kind())
            .ok_or_else(|| format!("the registry does not know the kind `{}`", stream.kind()))?;
        (registered.fold)(stream, events)
    }
}

fn fold<E: Entity>(stream: &StreamId, events: &[Happened]) -> Result<Option<Folded>, String> {
    let mut state: Option<E> = None;
    let mut version = 0;
    for happened in events {
        version = happened.version;
        if happened.event == ERASED {
            continue;
        }
        let event = serde_json::from_value(happened.body.clone())
            .map_err(|error| format!("event {} of {stream}: {error}", happened.version))?;
        state = E::evolve(state, &event);
    }
    state
        .map(|state| {
            let row = StateRow::of(stream, version, &state)
                .map_err(|error| format!("state of {stream}: {error}"))?;
            Ok(Folded { state: Arc::new(state), row })
        })
        .transpose()
}
