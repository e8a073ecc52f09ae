//! Keys: a data key for each dataset version, wrapped by a key-encryption key.
//!
//! **Invariant:** a data key is nowhere on disk but wrapped; in memory it is wiped when dropped.

use std::{
    collections::HashMap,
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Entropy, Id};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Result, VaultError};

shuyu_kernel::id!(
    /// A data key: it encrypts one dataset version and nothing else.
    KeyId,
    "key"
);

/// The bytes of a data key, wiped when dropped, and never shown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A key of fresh randomness.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self(key)
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a cipher.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn cipher(&self) -> Result<LessSafeKey> {
        cipher(&self.0)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| VaultError::Keyring("not a key of AES-256".into()))
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Which data key this is.
    pub id: KeyId,
    /// Which key-encryption key wraps it, by the provider's own name for it.
    pub by: String,
    /// The wrapped bytes, in hexadecimal, in the provider's own form.
    pub wrapped: String,
}

/// Who holds the key-encryption key: a file, a hardware module, a key service.
#[async_trait]
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// Wraps a data key. The wrapping is bound to the key's id.
    async fn wrap(&self, id: KeyId, key: &DataKey) -> Result<WrappedKey>;

    /// Unwraps what [`wrap`](Self::wrap) wrapped.
    async fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey>;
}

/// A key-encryption key in a file that only its owner may read.
pub struct LocalKeyProvider {
    name: String,
    key: Zeroizing<[u8; 32]>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for LocalKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKeyProvider({})", self.name)
    }
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct KeyFile {
    name: String,
    key: String,
}

impl LocalKeyProvider {
    /// Opens the file at `path`, or makes it with a fresh key if there is none.
    ///
    /// # Errors
    ///
    /// [`VaultError::Keyring`] if the file is not a keyring or others may read it.
    pub fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self> {
        if path.exists() {
            check_private(path)?;
            let text = Zeroizing::new(fs::read_to_string(path)?);
            let file: KeyFile = serde_json::from_str(&text)
                .map_err(|_| VaultError::Keyring(format!("{} is damaged", path.display())))?;
            let mut key = Zeroizing::new([0; 32]);
            hex::decode_to_slice(&file.key, key.as_mut())
                .map_err(|_| VaultError::Keyring(format!("{} is damaged", path.display())))?;
            let name = file.name.clone();
            return Ok(Self { name, key, entropy });
        }
        let (mut key, mut name) = (Zeroizing::new([0; 32]), [0; 8]);
        entropy.fill(key.as_mut());
        entropy.fill(&mut name);
        let file = KeyFile {
            name: format!("local-{}", hex::encode(name)),
            key: hex::encode(key.as_ref()),
        };
        let text = Zeroizing::new(
            serde_json::to_string(&file).map_err(|error| VaultError::Keyring(error.to_string()))?,
        );
        write_private(path, text.as_bytes())?;
        let name = file.name.clone();
        Ok(Self { name, key, entropy })
    }
}

#[async_trait]
impl KeyProvider for LocalKeyProvider {
    async fn wrap(&self, id: KeyId, key: &DataKey) -> Result<WrappedKey> {
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut wrapped = Zeroizing::new(key.bytes().to_vec());
        cipher(&self.key)?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(id.to_string()),
                &mut *wrapped,
            )
            .map_err(|_| VaultError::KeyRefused(id))?;
        Ok(WrappedKey {
            id,
            by: self.name.clone(),
            wrapped: hex::encode(nonce) + &hex::encode(&*wrapped),
        })
    }

    async fn unwrap(&self, wrapped: &WrappedKey) -> Result<DataKey> {
        let refused = || VaultError::KeyRefused(wrapped.id);
        let bytes = Zeroizing::new(hex::decode(&wrapped.wrapped).map_err(|_| refused())?);
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(refused)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = cipher(&self.key)?
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(wrapped.id.to_string()),
                &mut sealed,
            )
            .map_err(|_| refused())?;
        Ok(DataKey::from_bytes((&*opened).try_into().map_err(|_| refused())?))
    }
}

/// Where wrapped keys lie that versions use.
const IN_USE: &str = "wrapped";
/// Where wrapped keys lie that no version is known to use.
const ASIDE: &str = "aside";

/// The wrapped keys of a vault, in a directory, under a [`KeyProvider`].
pub struct Keyring {
    provider: Arc<dyn KeyProvider>,
    directory: PathBuf,
    entropy: Arc<dyn Entropy>,
    open: Mutex<HashMap<KeyId, Arc<DataKey>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?})", self.provider)
    }
}

impl Keyring {
    /// The keyring in `directory`, made if absent, with a key-encryption key in a file there.
    pub fn local(directory: &Path, entropy: Arc<dyn Entropy>) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join("keyring.json");
        let has_keys = fs::read_dir(directory.join(IN_USE)).is_ok_and(|mut it| it.next().is_some());
        if has_keys && !path.exists() {
            // A fresh key would open none of them.
            return Err(VaultError::Keyring(format!(
                "{} is gone, and with it what opens the keys there: restore it from a backup",
                path.display()
            )));
        }
        let provider = LocalKeyProvider::open(&path, entropy.clone())?;
        Self::new(Arc::new(provider), directory, entropy)
    }

    /// A keyring whose wrapped keys lie in `directory` and whose key-encryption key `provider` holds.
    pub fn new(
        provider: Arc<dyn KeyProvider>,
        directory: &Path,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        fs::create_dir_all(directory.join(IN_USE))?;
        fs::create_dir_all(directory.join(ASIDE))?;
        Ok(Self { provider, directory: directory.to_owned(), entropy, open: Mutex::default() })
    }

    /// Makes a data key and keeps it wrapped, durably, before it encrypts anything.
    pub async fn create(&self) -> Result<(KeyId, Arc<DataKey>)> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id);
        let id = KeyId::from_u128(u128::from_be_bytes(id));
        let key = Arc::new(DataKey::generate(&*self.entropy));
        let wrapped = self.provider.wrap(id, &key).await?;
        let text = serde_json::to_string(&wrapped)
            .map_err(|error| VaultError::Keyring(error.to_string()))?;
        write_private(&self.path(id), text.as_bytes())?;
        self.cache().insert(id, key.clone());
        Ok((id, key))
    }

    /// The data key of this id.
    ///
    /// # Errors
    ///
    /// [`VaultError::KeyMissing`] if it was destroyed; [`VaultError::KeyRefused`] if the
    /// key-encryption key does not open it.
    pub async fn unlock(&self, id: KeyId) -> Result<Arc<DataKey>> {
        if let Some(key) = self.cache().get(&id) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.provider.unwrap(&self.wrapped(id)?).await?);
        self.cache().insert(id, key.clone());
        // A destruction between the read and the insert must win.
        if !self.path(id).exists() {
            self.cache().remove(&id);
            return Err(VaultError::KeyMissing(id));
        }
        Ok(key)
    }

    /// The data key as it lies on disk.
    pub fn wrapped(&self, id: KeyId) -> Result<WrappedKey> {
        let text = match fs::read_to_string(self.path(id)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(VaultError::KeyMissing(id));
            }
            Err(error) => return Err(error.into()),
        };
        serde_json::from_str(&text)
            .ok()
            .filter(|wrapped: &WrappedKey| wrapped.id == id)
            .ok_or(VaultError::KeyRefused(id))
    }

    /// Destroys a data key, in use or aside: the wrapped bytes are overwritten, synced and
    /// deleted. What it encrypted is noise from then on. Destroying twice is not an error.
    pub fn destroy(&self, id: KeyId) -> Result<()> {
        self.cache().remove(&id);
        self.erase(&self.path(id))?;
        self.erase(&self.path_aside(id))?;
        self.cache().remove(&id);
        Ok(())
    }

    /// Puts a data key aside: nothing opens with it until it is brought back.
    pub fn set_aside(&self, id: KeyId) -> Result<()> {
        self.cache().remove(&id);
        fs::rename(self.path(id), self.path_aside(id))?;
        sync_directory(&self.path_aside(id))?;
        sync_directory(&self.path(id))
    }

    /// Brings back a data key that was put aside.
    pub fn bring_back(&self, id: KeyId) -> Result<()> {
        fs::rename(self.path_aside(id), self.path(id))?;
        sync_directory(&self.path(id))?;
        sync_directory(&self.path_aside(id))
    }

    fn erase(&self, path: &Path) -> Result<()> {
        let length = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut noise = vec![0; usize::try_from(length).unwrap_or(4096)];
        self.entropy.fill(&mut noise);
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        file.write_all(&noise)?;
        file.sync_all()?;
        drop(file);
        fs::remove_file(path)?;
        sync_directory(path)
    }

    /// The ids of all keys in use.
    pub fn ids(&self) -> Result<Vec<KeyId>> {
        self.ids_in(IN_USE)
    }

    /// The ids of all keys that were put aside.
    pub fn ids_aside(&self) -> Result<Vec<KeyId>> {
        self.ids_in(ASIDE)
    }

    fn ids_in(&self, place: &str) -> Result<Vec<KeyId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.directory.join(place))? {
            if let Some(id) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(|name| name.parse().ok())
            {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn path(&self, id: KeyId) -> PathBuf {
        self.directory.join(IN_USE).join(format!("{id}.json"))
    }

    fn path_aside(&self, id: KeyId) -> PathBuf {
        self.directory.join(ASIDE).join(format!("{id}.json"))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<KeyId, Arc<DataKey>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        return Err(VaultError::Keyring(format!(
            "{} may be read by others; make it readable by its owner alone (mode 0600)",
            path.display()
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_path: &Path) -> Result<()> {
    Ok(())
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let staging = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&staging)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&staging, path)?;
    sync_directory(path)
}

/// Makes the directory that holds `path` durable.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shuyu_kernel::SystemEntropy;

    use super::*;

    fn keyring(directory: &Path) -> Keyring {
        Keyring::local(directory, Arc::new(SystemEntropy)).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_found_again_and_never_lies_in_clear() {
        let directory = tempfile::tempdir().unwrap();
        let (id, key) = keyring(directory.path()).create().await.unwrap();
        let again = keyring(directory.path()).unlock(id).await.unwrap();
        assert_eq!(again.bytes(), key.bytes());
        let stored =
            fs::read_to_string(directory.path().join(format!("wrapped/{id}.json"))).unwrap();
        assert!(!stored.contains(&hex::encode(key.bytes())));
        assert_eq!(format!("{key:?}"), "DataKey(..)");
    }

    #[tokio::test]
    async fn a_keyring_that_is_gone_is_not_replaced_while_keys_wait_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let (id, _) = keyring(directory.path()).create().await.unwrap();
        let file = directory.path().join("keyring.json");
        let kept = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let error = Keyring::local(directory.path(), Arc::new(SystemEntropy)).unwrap_err();
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
        write_private(&file, &kept).unwrap();
        keyring(directory.path()).unlock(id).await.unwrap();
    }

    #[tokio::test]
    async fn a_destroyed_key_is_gone_also_for_who_had_it_open() {
        let directory = tempfile::tempdir().unwrap();
        let keyring = keyring(directory.path());
        let (id, _) = keyring.create().await.unwrap();
        keyring.unlock(id).await.unwrap();
        keyring.destroy(id).unwrap();
        keyring.destroy(id).unwrap();
        assert!(matches!(keyring.unlock(id).await, Err(VaultError::KeyMissing(_))));
        assert_eq!(keyring.ids().unwrap(), []);
    }

    #[tokio::test]
    async fn a_wrapped_key_under_another_id_or_altered_does_not_open() {
        let directory = tempfile::tempdir().unwrap();
        let keyring = keyring(directory.path());
        let (id, _) = keyring.create().await.unwrap();
        let mut wrapped = keyring.wrapped(id).unwrap();
        wrapped.id = KeyId::from_u128(7);
        assert!(keyring.provider.unwrap(&wrapped).await.is_err());
        wrapped.id = id;
        wrapped
            .wrapped
            .replace_range(30..31, if &wrapped.wrapped[30..31] == "0" { "1" } else { "0" });
        assert!(keyring.provider.unwrap(&wrapped).await.is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_keyring_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        keyring(directory.path());
        let path = directory.path().join("keyring.json");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Keyring::local(directory.path(), Arc::new(SystemEntropy)).unwrap_err();
        assert!(error.to_string().contains("0600"));
    }
}
