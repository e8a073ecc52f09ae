//! The rooms put together: every act of the platform, for HTTP, the command line and tests alike.
//!
//! An act that touches several rooms is one function here, in one unit of work. What is decided
//! is decided by the rooms and the law; here it is only gathered and handed on.

mod cases;
mod delivery;
pub mod deployment;
mod documents;
mod domain;
mod duties;
mod effects;
mod exit;
mod facts;
mod gate;
mod grants;
pub mod password;
mod people;
mod prove;
mod reads;
mod sign_in;
mod supervise;
mod supply;
pub mod token;
mod trade;
mod watch;
mod witness;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use shuyu_enclave::Enclave;
use shuyu_kernel::{Clock, ContentHash, Entropy, Id, Ids};
use shuyu_law::{Law, Rule};
use shuyu_sandbox::{Room, Runtime};
use shuyu_store::{ActError, Desk, Registry, StoreError};
use shuyu_vault::{Vault, VaultError};

pub use cases::Act;
pub use delivery::{Downloaded, TradeError};
pub use deployment::{Access, Config, Deployment, DeploymentError};
pub use documents::{DocumentError, LARGEST_DOCUMENT_BYTES};
pub use gate::GateError;
pub use people::NewPerson;
pub use prove::ProveError;
pub(crate) use reads::CONCERNED;
pub use sign_in::SignInError;
pub use supervise::Fallen;
pub use supply::{Delivered, SupplyError};
use token::TokenKey;
pub use trade::NewProduct;
pub use witness::{Behind, WITNESS};

/// The application: one deployment, opened.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    dir: PathBuf,
    /// Kept for its lock, too.
    deployment: Deployment,
    desk: Desk,
    ids: Ids,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    vault: Vault,
    enclave: Arc<Enclave>,
    tokens: TokenKey,
    turns: sign_in::Turns,
    watch: tokio::sync::Mutex<watch::Watch>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.0.dir.display())
    }
}

/// Why an application cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is gone, or was never begun.
    #[error(
        "the database of {} holds no ledger: restore it from a backup, or found the deployment \
         anew in another directory",
        .0.display()
    )]
    Empty(PathBuf),
    /// The database is older than what was seen of it.
    #[error(transparent)]
    Behind(#[from] Behind),
    /// The vault.
    #[error("the vault: {0}")]
    Vault(#[from] VaultError),
    /// What a crash left could not be taken up.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The operating system refused a file or a thread.
    #[error("a file or a thread: {0}")]
    Io(#[from] std::io::Error),
}

/// Where programs in Python run: nowhere, unless they are wanted and the host can hold them.
async fn room_of(config: &Config) -> Option<Room> {
    let opened = match Runtime::discover(config.python.as_deref()?) {
        Ok(runtime) => Room::open(runtime).await,
        Err(unfit) => Err(unfit),
    };
    opened
        .inspect_err(|unfit| tracing::warn!("programs in Python are off, and refused: {unfit}"))
        .ok()
}

impl App {
    /// Opens a deployment to act in it: database, vault, domain. What a crash left half-done is
    /// taken up or cleared away.
    ///
    /// # Errors
    ///
    /// [`OpenError::Behind`] if the database has gone back behind what was witnessed.
    pub async fn open(
        deployment: Deployment,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let app = Self::open_as_it_is(deployment, clock, entropy).await?;
        app.check_witness().await?;
        if app.0.deployment.is_alone() {
            app.recover().await?;
        }
        app.0.deployment.admit_others()?;
        app.witness().await?;
        Ok(app)
    }

    /// Opens a deployment and leaves everything in it as it is: to look at, or to mend.
    pub async fn open_as_it_is(
        deployment: Deployment,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        let desk = Desk::open(
            deployment.store(),
            Arc::new(registry()),
            deployment.laws().clone(),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            deployment.signer()?,
        )
        .await?;
        if !deployment.is_new() && desk.size().await? == 0 {
            desk.close().await;
            return Err(OpenError::Empty(deployment.dir().to_owned()));
        }
        let vault = Vault::local(
            &deployment.dir().join("vault"),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        )?;
        let ids = Ids::new(Arc::clone(&clock), Arc::clone(&entropy));
        let enclave = Enclave::open(
            desk.clone(),
            vault.clone(),
            ids.clone(),
            deployment.pseudonym_secret()?,
            deployment.config().domain,
        )?;
        let enclave = match room_of(deployment.config()).await {
            Some(room) => enclave.with_python(room),
            None => enclave,
        };
        let enclave = Arc::new(enclave);
        Ok(Self(Arc::new(Parts {
            dir: deployment.dir().to_owned(),
            ids,
            tokens: deployment.token_key()?,
            desk,
            clock,
            entropy,
            vault,
            enclave,
            turns: sign_in::Turns::default(),
            watch: tokio::sync::Mutex::default(),
            deployment,
        })))
    }

    /// Ends work: what was last signed is witnessed, and the database is closed. Whoever still
    /// acts is told that it is.
    pub async fn close(self) {
        if let Err(error) = self.witness().await {
            tracing::warn!(%error, "the checkpoint is not witnessed");
        }
        self.desk().clone().close().await;
    }

    /// The store.
    pub fn desk(&self) -> &Desk {
        &self.0.desk
    }

    /// The law in force.
    pub fn law(&self) -> &Law {
        &self.0.desk.laws().current
    }

    /// The vault.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The operation domain.
    pub fn enclave(&self) -> &Enclave {
        &self.0.enclave
    }

    /// Begins jobs that wait for their turn, and those of schedules, until it is dropped.
    pub fn work_off(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.0.enclave).work_off()
    }

    /// The directory of the deployment.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// An id that was not given out before.
    pub fn fresh<I: Id>(&self) -> I {
        self.0.ids.fresh()
    }
}

/// Acts that are no command of an entity, and that policies permit all the same.
pub const ACTIONS: &[&str] =
    &["release.inspect", reads::READ_LOG, reads::VERIFY_LOG, trade::READ_BOOKS];

/// The rules that the composition enforces.
pub const RULES: &[Rule] = &[
    sign_in::MAY_SIGN_IN,
    documents::READ_BY_PARTIES,
    documents::KEPT_BEFORE,
    effects::DOSSIER_COMPLETE,
    facts::ONE_AGREEMENT,
    domain::PEOPLE_WITH_ACCESS,
    supply::DATA_OF_PROVIDER,
    domain::RESOURCE_SUPPLIED,
    prove::LEDGER_PROVES,
    delivery::USE_BY_SUBSCRIBER,
];

/// Every kind of entity that a deployment knows.
pub fn registry() -> Registry {
    Registry::new()
        .with::<shuyu_casework::Case>()
        .with::<shuyu_casework::Agreement>()
        .with::<shuyu_casework::Scenario>()
        .with::<shuyu_casework::Organisation>()
        .with::<shuyu_casework::Person>()
        .with::<shuyu_casework::Instrument>()
        .with::<shuyu_catalogue::Resource>()
        .with::<shuyu_vault::Dataset>()
        .with::<shuyu_enclave::Grant>()
        .with::<shuyu_enclave::Session>()
        .with::<shuyu_enclave::Job>()
        .with::<shuyu_enclave::Release>()
        .with::<shuyu_enclave::Given>()
        .with::<shuyu_enclave::Tally>()
        .with::<shuyu_enclave::Usage>()
        .with::<shuyu_enclave::Schedule>()
        .with::<shuyu_enclave::Consent>()
        .with::<shuyu_enclave::Consents>()
        .with::<shuyu_market::Product>()
        .with::<shuyu_market::Price>()
        .with::<shuyu_market::Subscription>()
        .with::<shuyu_market::Invoice>()
        .with::<shuyu_market::Posting>()
        .with::<shuyu_market::Settlement>()
        .with::<shuyu_oversight::Alert>()
        .with::<shuyu_oversight::Task>()
        .with::<shuyu_oversight::Evaluation>()
        .with::<shuyu_oversight::Cut>()
        .with::<shuyu_oversight::Destruction>()
        .with::<shuyu_oversight::Notice>()
        .with::<shuyu_oversight::Filing>()
}

/// The id of another kind with the same number: what a case makes has the number of the case, so
/// that each can be found from the other.
pub(crate) fn same_number<I: Id>(of: impl Id) -> I {
    I::from_u128(of.to_u128())
}

/// The digest under which a case's content stands for what it decided on.
pub(crate) fn content_of(case: &shuyu_casework::Case) -> ContentHash {
    case.dossier.content
}

/// A failure of the store inside an act.
pub(crate) fn store(error: StoreError) -> ActError {
    ActError::Store(error)
}
