//! Where outputs lie, unseen, until they are released: encrypted, under their digest.

use std::{path::PathBuf, sync::Arc};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use shuyu_kernel::{ContentHash, Entropy};
use shuyu_law::Law;
use shuyu_vault::DataKey;

use crate::{Release, rules::QUARANTINE_INTACT};

/// Why something could not be put into or taken out of quarantine.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// The law refuses.
    #[error(transparent)]
    Refused(#[from] shuyu_law::Refusal),
    /// The file could not be read or written.
    #[error("the quarantine cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// The key does not fit the cipher, or encryption failed.
    #[error("the output cannot be encrypted")]
    Cipher,
}

/// The outputs of jobs, each encrypted under one key and bound to its digest.
pub struct Quarantine {
    directory: PathBuf,
    key: LessSafeKey,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quarantine").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Quarantine {
    /// The quarantine in a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`QuarantineError`] if the directory cannot be made.
    pub fn open(
        directory: impl Into<PathBuf>,
        key: &DataKey,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, QuarantineError> {
        let directory = directory.into();
        std::fs::create_dir_all(&directory)?;
        let key =
            UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| QuarantineError::Cipher)?;
        Ok(Self { directory, key: LessSafeKey::new(key), entropy })
    }

    fn path(&self, package: ContentHash) -> PathBuf {
        self.directory.join(format!("{package}.sealed"))
    }

    /// Puts an output into quarantine, durably, and gives its digest.
    ///
    /// # Errors
    ///
    /// [`QuarantineError`] if it cannot be encrypted or written.
    pub fn put(&self, bytes: &[u8]) -> Result<ContentHash, QuarantineError> {
        use std::io::Write as _;
        let package = ContentHash::of(bytes);
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut sealed = bytes.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(package.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| QuarantineError::Cipher)?;
        let path = self.path(package);
        let written = path.with_extension("writing");
        let mut file = std::fs::File::create(&written)?;
        file.write_all(&nonce)?;
        file.write_all(&sealed)?;
        file.sync_all()?;
        std::fs::rename(&written, &path)?;
        std::fs::File::open(&self.directory)?.sync_all()?;
        Ok(package)
    }

    /// Reads out what a release has released, after comparing it with what was reviewed.
    ///
    /// # Errors
    ///
    /// A refusal if it is not released, or is not, to the byte, what was reviewed.
    pub fn read_released(&self, release: &Release, law: &Law) -> Result<Vec<u8>, QuarantineError> {
        let package = release.check_released(law)?;
        let stored = std::fs::read(self.path(package))?;
        let tampered = || QuarantineError::Refused(law.refuse(QUARANTINE_INTACT, &[]));
        let (nonce, sealed) = stored.split_at_checked(NONCE_LEN).ok_or_else(tampered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| tampered())?;
        let mut sealed = sealed.to_vec();
        let bytes = self
            .key
            .open_in_place(nonce, Aad::from(package.as_bytes()), &mut sealed)
            .map_err(|_| tampered())?;
        if ContentHash::of(bytes) != package {
            return Err(tampered());
        }
        Ok(bytes.to_vec())
    }
}
