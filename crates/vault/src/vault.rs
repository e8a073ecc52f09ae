//! The vault: where dataset versions lie, encrypted, and how they are read and destroyed.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::record_batch::RecordBatch;
use datafusion::datasource::TableProvider;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as ObjectPath};
use parquet::encryption::{decrypt::FileDecryptionProperties, encrypt::FileEncryptionProperties};
use shuyu_kernel::{Clock, ContentHash, DatasetId, Entropy};

use crate::{
    Certificate, DataKey, DatasetSpec, KeyId, Keyring, Manifest, Part, Result, StoredObject,
    VaultError, manifest::label, provider::VersionTable, sealed, upload::Upload,
};

/// Where versions lie.
pub(crate) const DATA: &str = "data";
/// Where what is being written lies.
pub(crate) const STAGING: &str = "staging";
/// Where versions lie that no manifest is known to name.
const ASIDE: &str = "aside";

/// Datasets at rest: objects in an object store, keys in a keyring.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The directory behind the store, where it is a local one: files there are synced.
    pub(crate) root: Option<PathBuf>,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// Under which name the query engine knows the store: its own for each vault.
    pub(crate) url: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.inner.store)
    }
}

/// What [`Vault::sweep`] put aside, or [`Vault::purge`] destroyed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Objects that no manifest names, by the path at which they lay.
    pub objects: Vec<String>,
    /// Keys of versions that no manifest names.
    pub keys: Vec<KeyId>,
}

impl Swept {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.keys.is_empty()
    }
}

impl Vault {
    /// The vault in `directory`: objects under `objects/`, keys under `keys/`, both made if absent.
    pub fn local(
        directory: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self> {
        let root = directory.join("objects");
        std::fs::create_dir_all(&root)?;
        let store = LocalFileSystem::new_with_prefix(&root)?.with_automatic_cleanup(true);
        let keyring = Keyring::local(&directory.join("keys"), entropy.clone())?;
        let mut vault = Self::new(Arc::new(store), keyring, clock, entropy);
        if let Some(inner) = Arc::get_mut(&mut vault.inner) {
            inner.root = Some(root);
        }
        Ok(vault)
    }

    /// A vault on any object store.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let mut name = [0; 8];
        entropy.fill(&mut name);
        Self {
            inner: Arc::new(Inner {
                url: format!("vault://{}", hex::encode(name)),
                store,
                root: None,
                keyring,
                clock,
                entropy,
            }),
        }
    }

    /// The keyring.
    pub fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// A table of the version that has the columns named, in that order, and no others: a column
    /// that is not named does not exist for whoever holds the table.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoSuchColumn`]; [`VaultError::KeyMissing`] if the version was destroyed.
    pub async fn table(
        &self,
        manifest: &Manifest,
        columns: &[impl AsRef<str> + Sync],
    ) -> Result<Arc<dyn TableProvider>> {
        self.inner.keyring.unlock(manifest.key).await?;
        Ok(Arc::new(VersionTable::new(self.clone(), manifest, columns)?))
    }

    /// Stores batches as a version, as [`ingest`](Self::ingest) stores a file: for what the
    /// platform itself makes, such as copies and results in quarantine.
    pub async fn write(
        &self,
        dataset: DatasetId,
        version: u32,
        table: &DatasetSpec,
        batches: Vec<RecordBatch>,
    ) -> Result<Manifest> {
        let (key_id, key) = self.inner.keyring.create().await?;
        let schema = table.schema();
        let properties = Self::encryption(dataset, version, &key)?;
        let mut upload = Upload::begin(&self.inner, dataset, version, key_id, Part::Rows);
        let writer = upload.writer();
        let (rows, digest) = tokio::task::spawn_blocking(move || -> Result<_> {
            let options = parquet::file::properties::WriterProperties::builder()
                .set_compression(parquet::basic::Compression::LZ4_RAW)
                .with_file_encryption_properties(properties)
                .build();
            let mut parquet =
                parquet::arrow::ArrowWriter::try_new(writer, schema.clone(), Some(options))?;
            let (mut rows, mut digest) = (0, Vec::new());
            for batch in batches {
                let batch = batch.with_schema(schema.clone())?;
                parquet.write(&batch)?;
                rows += batch.num_rows() as u64;
                digest.extend_from_slice(batch_digest(&batch)?.as_bytes());
            }
            parquet.close()?;
            Ok((rows, ContentHash::of(&digest)))
        })
        .await
        .map_err(|_| VaultError::Interrupted("writing"))??;
        let object = upload.finish().await?;
        Ok(Manifest {
            dataset,
            version,
            key: key_id,
            objects: vec![object],
            rows,
            quarantined: 0,
            fields: table.fields.clone(),
            subject_key: table.subject_key.clone(),
            subject_kind: table.subject_kind,
            profile: ContentHash::of(b""),
            source: digest,
        })
    }

    /// Opens a sealed part of a version: its profile or its quarantine.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoSuchPart`], [`VaultError::Altered`], or that of the key.
    pub async fn open_part(&self, manifest: &Manifest, part: Part) -> Result<Vec<u8>> {
        let object = manifest.object(part).ok_or(VaultError::NoSuchPart {
            dataset: manifest.dataset,
            version: manifest.version,
            part: part.name(),
        })?;
        let key = self.inner.keyring.unlock(manifest.key).await?;
        let path = ObjectPath::from(object.path.as_str());
        let bytes = self.inner.store.get(&path).await?.bytes().await?;
        if ContentHash::of(&bytes) != object.hash {
            return Err(VaultError::Altered(object.path.clone()));
        }
        sealed::open(&bytes, manifest.key, &key, &label(manifest.dataset, manifest.version, part))
    }

    /// Checks that every object of a version is, byte for byte, what its manifest says.
    pub async fn verify(&self, manifest: &Manifest) -> Result<()> {
        for object in &manifest.objects {
            let path = ObjectPath::from(object.path.as_str());
            let mut stream = self.inner.store.get(&path).await?.into_stream();
            let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
            while let Some(bytes) = stream.try_next().await? {
                digest.update(&bytes);
            }
            if digest.finish().as_ref() != object.hash.as_bytes() {
                return Err(VaultError::Altered(object.path.clone()));
            }
        }
        Ok(())
    }

    /// Destroys versions of a dataset: each wrapped data key is overwritten, synced and deleted,
    /// so that what it encrypted is noise; then the objects are deleted; then everything is tried
    /// to be read again, which must fail. Can be repeated after a crash.
    ///
    /// # Errors
    ///
    /// [`VaultError::DestructionIncomplete`] if anything can still be read.
    pub async fn destroy(&self, dataset: DatasetId, manifests: &[Manifest]) -> Result<Certificate> {
        let keys: Vec<KeyId> = manifests.iter().map(|manifest| manifest.key).collect();
        let objects: Vec<StoredObject> =
            manifests.iter().flat_map(|manifest| manifest.objects.clone()).collect();
        if manifests.iter().any(|manifest| manifest.dataset != dataset) {
            return Err(VaultError::DestructionIncomplete("a manifest of another dataset".into()));
        }
        for key in &keys {
            self.inner.keyring.destroy(*key)?;
        }
        for object in &objects {
            self.delete(&ObjectPath::from(object.path.as_str())).await?;
        }
        let mut attempts = Vec::new();
        for key in &keys {
            match self.inner.keyring.unlock(*key).await {
                Err(error) => attempts.push(error.to_string()),
                Ok(_) => return Err(VaultError::DestructionIncomplete(key.to_string())),
            }
        }
        for object in &objects {
            match self.inner.store.get(&ObjectPath::from(object.path.as_str())).await {
                Err(object_store::Error::NotFound { .. }) => {
                    attempts.push(format!("{} is not there", object.path));
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Err(VaultError::DestructionIncomplete(object.path.clone())),
            }
        }
        Ok(Certificate {
            dataset,
            objects,
            keys,
            method: "AES-256-GCM data keys overwritten with random bytes, synced and deleted; \
                     encrypted objects deleted; reading tried and failed"
                .into(),
            at: self.inner.clock.now(),
            reading_fails: true,
            attempts,
        })
    }

    /// Clears up what a crash left. What was being written is deleted. Versions and keys that none
    /// of the committed manifests names are put aside, where nothing reads them; those that lie
    /// aside and are named are brought back. Nothing that a manifest could still name is
    /// destroyed here, so that a database that lost its memory does not take the data with it:
    /// [`purge`](Self::purge) does that, when somebody asks for it.
    ///
    /// To be called at start, before anything is ingested.
    pub async fn sweep(&self, committed: &[Manifest]) -> Result<Swept> {
        let named: BTreeSet<&str> = committed
            .iter()
            .flat_map(|manifest| manifest.objects.iter().map(|object| object.path.as_str()))
            .collect();
        let used: BTreeSet<KeyId> = committed.iter().map(|manifest| manifest.key).collect();
        for path in self.objects_in(ASIDE).await? {
            let place = outside(&path);
            if named.contains(place.as_ref()) {
                self.inner.store.rename(&path, &place).await?;
            }
        }
        for key in self.inner.keyring.ids_aside()? {
            if used.contains(&key) {
                self.inner.keyring.bring_back(key)?;
            }
        }
        let mut swept = Swept::default();
        for path in self.objects_in(STAGING).await? {
            self.delete(&path).await?;
            swept.objects.push(path.to_string());
        }
        for path in self.objects_in(DATA).await? {
            if !named.contains(path.as_ref()) {
                self.inner.store.rename(&path, &inside(&path)).await?;
                swept.objects.push(path.to_string());
            }
        }
        for key in self.inner.keyring.ids()? {
            if !used.contains(&key) {
                self.inner.keyring.set_aside(key)?;
                swept.keys.push(key);
            }
        }
        if let Some(root) = &self.inner.root {
            remove_half_written(root, &mut swept.objects)?;
        }
        Ok(swept)
    }

    /// Destroys what [`sweep`](Self::sweep) put aside: keys first, then objects.
    pub async fn purge(&self) -> Result<Swept> {
        let mut purged = Swept { objects: Vec::new(), keys: self.inner.keyring.ids_aside()? };
        for key in &purged.keys {
            self.inner.keyring.destroy(*key)?;
        }
        for path in self.objects_in(ASIDE).await? {
            self.delete(&path).await?;
            purged.objects.push(outside(&path).to_string());
        }
        Ok(purged)
    }

    async fn objects_in(&self, area: &str) -> Result<Vec<ObjectPath>> {
        let area = ObjectPath::from(area);
        let found = self.inner.store.list(Some(&area)).map_ok(|object| object.location);
        Ok(found.try_collect().await?)
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        match self.inner.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn encryption(
        dataset: DatasetId,
        version: u32,
        key: &DataKey,
    ) -> Result<Arc<FileEncryptionProperties>> {
        Ok(FileEncryptionProperties::builder(key.bytes().to_vec())
            .with_aad_prefix(label(dataset, version, Part::Rows).into_bytes())
            .with_aad_prefix_storage(false)
            .build()?)
    }
}

/// Where an object lies once it is put aside.
fn inside(path: &ObjectPath) -> ObjectPath {
    ObjectPath::from(ASIDE).parts().chain(path.parts()).collect()
}

/// Where an object that is aside lay before.
fn outside(path: &ObjectPath) -> ObjectPath {
    path.parts().skip(1).collect()
}

/// The decryption of the rows of a version.
pub(crate) fn decryption(
    manifest: (DatasetId, u32),
    key: &DataKey,
) -> Result<Arc<FileDecryptionProperties>> {
    Ok(FileDecryptionProperties::builder(key.bytes().to_vec())
        .with_aad_prefix(label(manifest.0, manifest.1, Part::Rows).into_bytes())
        .build()?)
}

/// The digest of a batch's content, whatever made it.
fn batch_digest(batch: &RecordBatch) -> Result<ContentHash> {
    let mut stream = Vec::new();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut stream, &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(ContentHash::of(&stream))
}

/// Files that the local object store was writing when the power went: `name#1`, which it does not list.
fn remove_half_written(directory: &Path, removed: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_half_written(&path, removed)?;
        } else if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.contains('#'))
        {
            std::fs::remove_file(&path)?;
            removed.push(path.display().to_string());
        }
    }
    Ok(())
}
