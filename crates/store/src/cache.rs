//! States of entities that were read or written lately.
//!
//! **Invariant:** what stands here may be out of date, and never harms: every version that a
//! decision read is checked in the database, under the lock on the head of the log, before
//! anything that follows from it is written, refusals included.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::StreamId;

/// A state and its version.
#[derive(Clone)]
pub(crate) struct Cached {
    pub(crate) version: i64,
    pub(crate) state: Arc<dyn Any + Send + Sync>,
}

pub(crate) struct Cache {
    limit: usize,
    entries: Mutex<HashMap<StreamId, Cached>>,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, entries: Mutex::default() }
    }

    pub(crate) fn get(&self, stream: &StreamId) -> Option<Cached> {
        self.lock().get(stream).cloned()
    }

    /// Keeps a state, unless a later one is kept already.
    pub(crate) fn put(&self, stream: &StreamId, cached: Cached) {
        let mut entries = self.lock();
        if let Some(kept) = entries.get(stream)
            && kept.version >= cached.version
        {
            return;
        }
        if entries.len() >= self.limit {
            entries.clear();
        }
        entries.insert(stream.clone(), cached);
    }

    pub(crate) fn drop_all<'a>(&self, streams: impl IntoIterator<Item = &'a StreamId>) {
        let mut entries = self.lock();
        for stream in streams {
            entries.remove(stream);
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Cached>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
