//! A store to test on.

use std::{path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use shuyu_kernel::{Clock, Ids, SeededEntropy, VirtualClock};
use shuyu_law::Law;
use shuyu_ledger::{Signer, Verifier};
use shuyu_store::{Desk, Laws, Registry, StoreConfig, StoreError};
use tempfile::TempDir;

use crate::{Backend, database::Fresh};

const SEED: [u8; 32] = [7; 32];

/// The name of the key, which is the origin of the log.
pub const KEY_NAME: &str = "test.shuyu.example/log";

/// A desk on a database of its own, with a clock that stands still and a seeded randomness.
pub struct TestDesk {
    /// The desk.
    pub desk: Desk,
    /// The clock; it stands at the beginning of 2 January 2024, eight hours east of Greenwich.
    pub clock: Arc<VirtualClock>,
    /// The randomness.
    pub entropy: Arc<SeededEntropy>,
    /// Fresh ids.
    pub ids: Ids,
    registry: Arc<Registry>,
    laws: Laws,
    database: Fresh,
    folder: TempDir,
}

impl TestDesk {
    /// A desk on SQLite.
    pub async fn new(registry: Registry, law: Law) -> Self {
        Self::on(&Backend::Sqlite, registry, law).await
    }

    /// A desk on a database of this kind.
    ///
    /// # Panics
    ///
    /// If the database cannot be made.
    pub async fn on(backend: &Backend, registry: Registry, law: Law) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let database = Fresh::new(backend, folder.path()).await;
        let clock = Arc::new(VirtualClock::new(beginning()));
        let entropy = Arc::new(SeededEntropy::new(1));
        let registry = Arc::new(registry);
        let laws = Laws::new(Arc::new(law));
        let desk = open(&database.config, &registry, &laws, &clock, &entropy).await;
        Self {
            desk,
            ids: Ids::new(Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&entropy) as _),
            clock,
            entropy,
            registry,
            laws,
            database,
            folder,
        }
    }

    /// Where the database is.
    pub fn config(&self) -> &StoreConfig {
        &self.database.config
    }

    /// The folder of the test, which goes away with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The public key of the log.
    pub fn verifier() -> Verifier {
        signer(&SEED).verifier().clone()
    }

    /// A second desk on the same database, as another process would open it.
    pub async fn second(&self) -> Desk {
        let Self { registry, laws, clock, entropy, .. } = self;
        open(self.config(), registry, laws, clock, entropy).await
    }

    /// A second desk on the same database, with a clock of its own.
    pub async fn second_at(&self, clock: Arc<VirtualClock>) -> Desk {
        let Self { registry, laws, entropy, .. } = self;
        open(self.config(), registry, laws, &clock, entropy).await
    }

    /// Tries to open the same database with the key of another seed.
    pub async fn second_signed_by(&self, seed: &[u8; 32]) -> Result<Desk, StoreError> {
        self.try_open(self.config().clone(), seed).await
    }

    /// Tries to open another database.
    pub async fn open_at(&self, config: StoreConfig) -> Result<Desk, StoreError> {
        self.try_open(config, &SEED).await
    }

    async fn try_open(&self, config: StoreConfig, seed: &[u8; 32]) -> Result<Desk, StoreError> {
        Desk::open(
            config,
            Arc::clone(&self.registry),
            self.laws.clone(),
            Arc::clone(&self.clock) as _,
            Arc::clone(&self.entropy) as _,
            signer(seed),
        )
        .await
    }

    /// Drops the desk without closing it, and opens the database anew.
    pub async fn reopen(&mut self) {
        self.desk = self.second().await;
    }

    /// Verifies the ledger and every state, and closes the desk.
    ///
    /// # Panics
    ///
    /// If something is not as it was written.
    pub async fn finish(self) {
        let faults = self.desk.verify().await.expect("the ledger can be read");
        assert!(faults.is_empty(), "the ledger does not verify: {faults:?}");
        self.abandon().await;
    }

    /// Closes the desk without verifying its ledger, which the test has spoilt.
    pub async fn abandon(self) {
        self.desk.close().await;
        self.database.drop_database().await;
    }
}

fn beginning() -> DateTime<Utc> {
    DateTime::from_timestamp(1_704_124_800, 0).unwrap_or_default()
}

fn signer(seed: &[u8; 32]) -> Signer {
    Signer::ed25519(KEY_NAME, seed).expect("the seed makes a key")
}

async fn open(
    config: &StoreConfig,
    registry: &Arc<Registry>,
    laws: &Laws,
    clock: &Arc<VirtualClock>,
    entropy: &Arc<SeededEntropy>,
) -> Desk {
    Desk::open(
        config.clone(),
        Arc::clone(registry),
        laws.clone(),
        Arc::clone(clock) as _,
        Arc::clone(entropy) as _,
        signer(&SEED),
    )
    .await
    .expect("the store opens")
}
