//! The directory of a deployment: its configuration, keys, pack, database and data.
//!
//! | path | what |
//! |---|---|
//! | `shuyu.toml` | which city, which database, what work in the domain may use up |
//! | `packs/<version>/` | the packs that it has been under; cases keep theirs |
//! | `keys/` | the ledger's signing key, the keys of tokens and of pseudonyms; owner-only |
//! | `ledger.vkey` | the ledger's public key: all that verification needs |
//! | `witness` | the last checkpoint seen, kept outside the database to notice one that went back |
//! | `shuyu.db` | the database, where it is the embedded one |
//! | `vault/` | datasets, encrypted |
//! | `documents/` | what was attached to cases, by content hash |
//! | `ledger/` | the log as files (C2SP tlog-tiles), for anyone to verify |

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use shuyu_enclave::Limits;
use shuyu_kernel::Entropy;
use shuyu_law::{Law, PackError, PackVersion, Packs};
use shuyu_ledger::Signer;
use shuyu_store::{Laws, StoreConfig};

use super::token::TokenKey;

/// The name of the configuration file.
const CONFIG: &str = "shuyu.toml";
/// The file by whose lock processes know of one another.
const LOCK: &str = "lock";

/// What `shuyu.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The id of the city's pack.
    pub city: String,
    /// The version of the pack in force; earlier ones stay under `packs/`.
    pub pack: PackVersion,
    /// The address of a PostgreSQL database; absent: SQLite in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
    /// What work in the operation domain may use up.
    #[serde(default)]
    pub domain: Limits,
    /// The interpreter with which programs in Python run; absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<PathBuf>,
}

/// Why a directory cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// Something is there already.
    #[error("{} is not empty: choose a new directory, or open this one with `shuyu serve`", .0.display())]
    Occupied(PathBuf),
    /// Nothing is there.
    #[error("{} holds no deployment (no {CONFIG}): make one with `shuyu init`", .0.display())]
    Absent(PathBuf),
    /// The configuration cannot be read.
    #[error("{}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The pack is unsound or unknown.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A key is missing or damaged.
    #[error("the key {} is missing or damaged: restore it from a backup ({why})", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process works on the directory.
    #[error("another process works on {}: stop it first", .0.display())]
    Busy(PathBuf),
    /// The file system failed.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// An opened directory. While it lives, others open it only as its [`Access`] lets them.
#[derive(Debug)]
pub struct Deployment {
    dir: PathBuf,
    config: Config,
    laws: Laws,
    is_new: bool,
    /// Whether nobody else has it open.
    is_alone: bool,
    lock: Option<fs::File>,
}

/// Whether others may open the directory at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To act: alone on the embedded database, which has one writer; beside others who act on a
    /// PostgreSQL database.
    Act,
    /// To mend: alone, whatever the database.
    Alone,
    /// Beside whoever acts, to verify.
    ReadOnly,
}

impl Deployment {
    /// Makes a deployment of `city` in `dir`, which must be absent or empty.
    pub fn found(
        dir: &Path,
        city: &str,
        packs: &Packs,
        postgres: Option<String>,
        entropy: &dyn Entropy,
    ) -> Result<Self, DeploymentError> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(DeploymentError::Occupied(dir.to_owned()));
        }
        let packs = packs.only(city)?;
        let law = packs.load(city)?;
        let (of, pack) = (city.to_owned(), law.version.clone());
        let config = Config { city: of, pack, postgres, domain: Limits::default(), python: None };
        for sub in ["keys", "vault", "documents", "ledger", "packs"] {
            make_dir(&dir.join(sub))?;
        }
        // The database, the configuration and documents are nobody else's to read.
        owner_only(dir)?;
        for private in ["keys", "documents", "vault"] {
            owner_only(&dir.join(private))?;
        }
        write_packs(&dir.join("packs").join(&law.version.0), &packs, city)?;

        let mut seed = [0; 32];
        entropy.fill(&mut seed);
        let key = dir.join("keys/ledger");
        let origin = format!("shuyu/{city}");
        let damaged = |why: &dyn std::fmt::Display| DeploymentError::Key {
            path: key.clone(),
            why: why.to_string(),
        };
        let secret = Signer::secret_text(&origin, &seed).map_err(|error| damaged(&error))?;
        let signer = Signer::from_secret_text(&secret).map_err(|error| damaged(&error))?;
        write_secret(&key, secret.as_bytes())?;
        write(&dir.join("ledger.vkey"), format!("{}\n", signer.verifier()).as_bytes())?;
        let token = TokenKey::generate(entropy);
        write_secret(&dir.join("keys/token"), hex::encode(token).as_bytes())?;
        let pseudonyms = TokenKey::generate(entropy);
        write_secret(&dir.join("keys/pseudonyms"), hex::encode(pseudonyms).as_bytes())?;
        // Written last: a directory with a configuration is whole.
        let text = toml_of(&config)
            .map_err(|why| DeploymentError::Config { path: dir.join(CONFIG), why })?;
        write(&dir.join(CONFIG), text.as_bytes())?;
        Ok(Self { is_new: true, ..Self::open(dir, Access::Act)? })
    }

    /// Opens the deployment in `dir`.
    pub fn open(dir: &Path, access: Access) -> Result<Self, DeploymentError> {
        let path = dir.join(CONFIG);
        if !path.is_file() {
            return Err(DeploymentError::Absent(dir.to_owned()));
        }
        let text = fs::read_to_string(&path).map_err(io_at(&path))?;
        let config: Config = toml::from_str(&text).map_err(|error| DeploymentError::Config {
            path: path.clone(),
            why: error.message().to_owned(),
        })?;
        let lock = match access {
            Access::ReadOnly => None,
            Access::Act | Access::Alone => Some(open_lock(dir)?),
        };
        let is_alone = match &lock {
            None => false,
            Some(lock) => take_lock(dir, lock, access == Access::Act && config.postgres.is_some())?,
        };
        let laws = load_laws(dir, &config)?;
        Ok(Self { dir: dir.to_owned(), config, laws, is_new: false, is_alone, lock })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it was made just now, so that nothing can have happened in it yet.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether nobody else has it open: only then is what lies half-done left by a crash.
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Lets others act beside this process, where the database can bear it.
    pub(super) fn admit_others(&self) -> Result<(), DeploymentError> {
        match &self.lock {
            Some(lock) if self.config.postgres.is_some() => {
                lock.lock_shared().map_err(io_at(&self.dir.join(LOCK)))
            }
            _ => Ok(()),
        }
    }

    /// What `shuyu.toml` says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The law in force, and earlier ones.
    pub fn laws(&self) -> &Laws {
        &self.laws
    }

    /// Where the store is.
    pub fn store(&self) -> StoreConfig {
        match &self.config.postgres {
            Some(url) => StoreConfig::postgres(url.clone()),
            None => StoreConfig::sqlite(self.dir.join("shuyu.db")),
        }
    }

    /// The key that signs the ledger's checkpoints.
    pub fn signer(&self) -> Result<Signer, DeploymentError> {
        let path = self.dir.join("keys/ledger");
        let damaged = |why: String| DeploymentError::Key { path: path.clone(), why };
        let text = fs::read_to_string(&path).map_err(|error| damaged(error.to_string()))?;
        Signer::from_secret_text(text.trim()).map_err(|error| damaged(error.to_string()))
    }

    /// The key that seals bearer tokens.
    pub fn token_key(&self) -> Result<TokenKey, DeploymentError> {
        Ok(TokenKey::new(&self.secret("keys/token")?))
    }

    /// What pseudonyms in samples are keyed with.
    pub fn pseudonym_secret(&self) -> Result<[u8; 32], DeploymentError> {
        self.secret("keys/pseudonyms")
    }

    fn secret(&self, name: &str) -> Result<[u8; 32], DeploymentError> {
        let path = self.dir.join(name);
        let damaged = |why: String| DeploymentError::Key { path: path.clone(), why };
        let text = fs::read_to_string(&path).map_err(|error| damaged(error.to_string()))?;
        let mut secret = [0; 32];
        hex::decode_to_slice(text.trim(), &mut secret)
            .map_err(|error| damaged(error.to_string()))?;
        Ok(secret)
    }
}

fn load_laws(dir: &Path, config: &Config) -> Result<Laws, DeploymentError> {
    let load = |version: &Path| -> Result<Arc<Law>, DeploymentError> {
        Ok(Arc::new(Packs::read(version)?.load(&config.city)?))
    };
    let root = dir.join("packs");
    let mut laws = Laws::new(load(&root.join(&config.pack.0))?);
    if laws.current.version != config.pack {
        return Err(DeploymentError::Config {
            path: root.join(&config.pack.0),
            why: format!(
                "the pack has been altered: its version is now {}; restore the files, or adopt \
                 the new version",
                laws.current.version.0
            ),
        });
    }
    for entry in fs::read_dir(&root).map_err(io_at(&root))? {
        let path = entry.map_err(io_at(&root))?.path();
        if path.file_name().and_then(|name| name.to_str()) != Some(&config.pack.0) {
            laws = laws.with_earlier(load(&path)?);
        }
    }
    Ok(laws)
}

fn write_packs(dir: &Path, packs: &Packs, city: &str) -> Result<(), DeploymentError> {
    for name in ["baseline", city] {
        for (path, text) in packs.files(name)? {
            let path = dir.join(name).join(path);
            if let Some(parent) = path.parent() {
                make_dir(parent)?;
            }
            write(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

fn open_lock(dir: &Path) -> Result<fs::File, DeploymentError> {
    let path = dir.join(LOCK);
    fs::File::create(&path).map_err(io_at(&path))
}

/// Takes the lock: alone if it can be had, or else, `beside` others who let it be shared. Tells
/// whether it was had alone.
fn take_lock(dir: &Path, lock: &fs::File, beside: bool) -> Result<bool, DeploymentError> {
    let outcome = match lock.try_lock() {
        Ok(()) => return Ok(true),
        Err(fs::TryLockError::WouldBlock) if beside => lock.try_lock_shared(),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => Ok(false),
        Err(fs::TryLockError::WouldBlock) => Err(DeploymentError::Busy(dir.to_owned())),
        Err(fs::TryLockError::Error(cause)) => {
            Err(DeploymentError::Io { path: dir.join(LOCK), cause })
        }
    }
}

fn toml_of(config: &Config) -> Result<String, String> {
    toml::to_string_pretty(config).map_err(|error| error.to_string())
}

fn make_dir(path: &Path) -> Result<(), DeploymentError> {
    fs::create_dir_all(path).map_err(io_at(path))
}

/// Writes a file whole or not at all: under another name, synced, then renamed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), DeploymentError> {
    let staging = path.with_extension("part");
    let outcome = (|| {
        let mut file = fs::File::create(&staging)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&staging, path)
    })();
    outcome.map_err(io_at(path))
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DeploymentError> {
    write(path, bytes)?;
    owner_only(path)
}

fn owner_only(path: &Path) -> Result<(), DeploymentError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io_at(path))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> DeploymentError {
    move |cause| DeploymentError::Io { path: path.to_owned(), cause }
}
