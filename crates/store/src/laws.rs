//! The law in force, and the laws that were.

use std::{collections::BTreeMap, sync::Arc};

use shuyu_law::{Law, PackVersion};

use crate::StoreError;

/// The law in force, and earlier versions for what began under them.
#[derive(Debug, Clone)]
pub struct Laws {
    /// The law in force.
    pub current: Arc<Law>,
    /// Every law that is loaded, by version.
    pub by_version: BTreeMap<PackVersion, Arc<Law>>,
}

impl Laws {
    /// One law, in force.
    pub fn new(current: Arc<Law>) -> Self {
        Self { by_version: [(current.version.clone(), Arc::clone(&current))].into(), current }
    }

    /// Adds an earlier version, for what began under it.
    pub fn with_earlier(mut self, law: Arc<Law>) -> Self {
        self.by_version.insert(law.version.clone(), law);
        self
    }

    /// The law of something that keeps `version`; the law in force, if it keeps none.
    pub fn of(&self, version: Option<&PackVersion>) -> Result<&Arc<Law>, StoreError> {
        match version {
            None => Ok(&self.current),
            Some(version) if *version == self.current.version => Ok(&self.current),
            Some(version) => {
                self.by_version.get(version).ok_or_else(|| StoreError::UnknownPack(version.clone()))
            }
        }
    }
}
