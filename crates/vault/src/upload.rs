//! Writing an object: to a staging name, hashed on the way, synced, then put in its place.

use std::{io::Write, path::Path, sync::Arc};

use bytes::Bytes;
use object_store::{ObjectStoreExt, WriteMultipart, path::Path as ObjectPath};
use shuyu_kernel::{ContentHash, DatasetId};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};

use crate::{
    KeyId, Part, Result, StoredObject, VaultError,
    keyring::sync_directory,
    vault::{DATA, Inner, STAGING},
};

/// How many bytes are gathered before they are handed on.
const GATHERED: usize = 1024 * 1024;

/// The name of an object under `area`. The key's id makes it one that was never used before.
pub(crate) fn place(
    area: &str,
    dataset: DatasetId,
    version: u32,
    key: KeyId,
    part: Part,
) -> String {
    format!("{area}/{dataset}/{version}-{key}/{}", part.file())
}

/// An object on its way into the store.
pub(crate) struct Upload {
    inner: Arc<Inner>,
    part: Part,
    staging: ObjectPath,
    place: ObjectPath,
    sender: Option<Sender<Bytes>>,
    task: JoinHandle<Result<(ContentHash, u64)>>,
}

impl Upload {
    pub(crate) fn begin(
        inner: &Arc<Inner>,
        dataset: DatasetId,
        version: u32,
        key: KeyId,
        part: Part,
    ) -> Self {
        let staging = ObjectPath::from(place(STAGING, dataset, version, key, part));
        let (sender, receiver) = channel(16);
        let task = tokio::spawn(upload(inner.clone(), staging.clone(), receiver));
        Self {
            inner: inner.clone(),
            part,
            staging,
            place: ObjectPath::from(place(DATA, dataset, version, key, part)),
            sender: Some(sender),
            task,
        }
    }

    /// A writer for a thread that may block. Dropping it ends the object.
    pub(crate) fn writer(&mut self) -> UploadWriter {
        UploadWriter { sender: self.sender.take(), gathered: Vec::with_capacity(GATHERED) }
    }

    /// Waits until everything is stored and durable, and puts it in its place.
    pub(crate) async fn finish(mut self) -> Result<StoredObject> {
        self.sender = None;
        let (hash, size_bytes) =
            self.task.await.map_err(|_| VaultError::Interrupted("uploading"))??;
        sync(&self.inner, &self.staging)?;
        self.inner.store.rename(&self.staging, &self.place).await?;
        sync(&self.inner, &self.place)?;
        Ok(StoredObject { part: self.part, path: self.place.to_string(), hash, size_bytes })
    }
}

async fn upload(
    inner: Arc<Inner>,
    path: ObjectPath,
    mut receiver: Receiver<Bytes>,
) -> Result<(ContentHash, u64)> {
    let mut parts = WriteMultipart::new(inner.store.put_multipart(&path).await?);
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut size = 0;
    while let Some(bytes) = receiver.recv().await {
        digest.update(&bytes);
        size += bytes.len() as u64;
        parts.wait_for_capacity(2).await?;
        parts.put(bytes);
    }
    parts.finish().await?;
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.finish().as_ref());
    Ok((hash.into(), size))
}

/// Makes a local object and its name durable. Other stores are durable when they answer.
fn sync(inner: &Inner, path: &ObjectPath) -> Result<()> {
    if let Some(root) = &inner.root {
        let path = root.join(Path::new(path.as_ref()));
        std::fs::File::open(&path)?.sync_all()?;
        for ancestor in path.ancestors().take_while(|ancestor| *ancestor != root.as_path()) {
            sync_directory(ancestor)?;
        }
    }
    Ok(())
}

/// The blocking end of an [`Upload`].
pub(crate) struct UploadWriter {
    sender: Option<Sender<Bytes>>,
    gathered: Vec<u8>,
}

impl UploadWriter {
    fn send(&mut self) -> std::io::Result<()> {
        let bytes = std::mem::replace(&mut self.gathered, Vec::with_capacity(GATHERED));
        match &self.sender {
            Some(sender) if !bytes.is_empty() => sender
                .blocking_send(bytes.into())
                .map_err(|_| std::io::Error::other("the object store stopped taking bytes")),
            Some(_) | None => Ok(()),
        }
    }
}

impl Write for UploadWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send()
    }
}

impl Drop for UploadWriter {
    fn drop(&mut self) {
        // A failed send shows in `Upload::finish`, whose task has ended with the cause.
        let _ = self.send();
    }
}
