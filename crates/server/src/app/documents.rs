//! Documents that are attached to cases: kept by the hash of their content, in owner-only files.

use std::{fs, io, path::PathBuf};

use shuyu_casework::Case;
use shuyu_kernel::{Actor, CaseId, ContentHash};
use shuyu_law::Rule;
use shuyu_store::{ActError, Entry, StreamId, Trail};

use super::App;

/// The largest document that is taken.
pub const LARGEST_DOCUMENT_BYTES: usize = 64 << 20;

pub(super) const READ_BY_PARTIES: Rule = Rule::new("documents-read-by-parties");
pub(super) const KEPT_BEFORE: Rule = Rule::new("documents-kept-before");

const KEEP: &str = "document.keep";

/// Why a document cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is empty or too large.
    #[error("a document has 1 to {LARGEST_DOCUMENT_BYTES} bytes; this one has {0}")]
    Size(usize),
    /// There is none with this hash.
    #[error("there is no document {0}")]
    Absent(ContentHash),
    /// It is not what its name says: it was altered.
    #[error("the document {0} was altered: restore it from a backup")]
    Altered(ContentHash),
    /// The act.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The file system failed.
    #[error("documents: {0}")]
    Io(#[from] io::Error),
}

impl App {
    /// Keeps a document, and tells the hash by which a case refers to it. Twice is once.
    pub async fn keep_document(
        &self,
        actor: &Actor,
        bytes: Vec<u8>,
    ) -> Result<ContentHash, DocumentError> {
        if bytes.is_empty() || bytes.len() > LARGEST_DOCUMENT_BYTES {
            return Err(DocumentError::Size(bytes.len()));
        }
        let hash = ContentHash::of(&bytes);
        let path = self.document_path(hash);
        tokio::task::spawn_blocking(move || -> io::Result<()> {
            if path.exists() {
                return Ok(());
            }
            let staging = path.with_extension(format!("{:?}", std::thread::current().id()));
            let mut file = fs::File::create(&staging)?;
            io::Write::write_all(&mut file, &bytes)?;
            file.sync_all()?;
            fs::rename(&staging, &path)
        })
        .await
        .map_err(io::Error::other)??;
        self.desk().journal(actor, entry(hash, KEEP)).await?;
        Ok(hash)
    }

    /// Refuses to attach what the actor's organisation has not handed in: a hash alone is no
    /// document, and who knows another's is not given it to read.
    pub(super) async fn check_kept(
        &self,
        actor: &Actor,
        case: CaseId,
        documents: impl Iterator<Item = ContentHash>,
    ) -> Result<(), ActError> {
        for hash in documents {
            let trail = Trail { act: Some(KEEP.to_owned()), ..Trail::of(subject(hash)) };
            let kept = self.desk().entries(&trail).await?;
            if kept.iter().any(|entry| entry.organisation == actor.organisation) {
                continue;
            }
            let refusal = self.law().refuse(KEPT_BEFORE, &[("document", &hash.to_string())]);
            let subject = StreamId::of::<Case>(case);
            return Err(self.desk().refuse(actor, &subject, "case.act", refusal).await);
        }
        Ok(())
    }

    /// Reads a document that is attached to a case, if the actor may read the case. The read is
    /// recorded.
    pub async fn read_document(
        &self,
        actor: &Actor,
        case: CaseId,
        hash: ContentHash,
    ) -> Result<Vec<u8>, DocumentError> {
        let dossier = self.read::<Case>(actor, case).await?.dossier;
        if !dossier.acts.iter().any(|act| act.documents.values().any(|it| *it == hash)) {
            let refusal = self.law().refuse(READ_BY_PARTIES, &[]);
            let subject = StreamId::of::<Case>(case);
            return Err(self.desk().refuse(actor, &subject, "document.read", refusal).await.into());
        }
        let path = self.document_path(hash);
        let bytes = tokio::task::spawn_blocking(move || fs::read(path))
            .await
            .map_err(io::Error::other)?
            .map_err(|_| DocumentError::Absent(hash))?;
        if ContentHash::of(&bytes) != hash {
            return Err(DocumentError::Altered(hash));
        }
        self.desk().journal(actor, entry(hash, "document.read")).await?;
        Ok(bytes)
    }

    fn document_path(&self, hash: ContentHash) -> PathBuf {
        self.0.dir.join("documents").join(hash.to_string())
    }
}

fn subject(hash: ContentHash) -> StreamId {
    StreamId::new("document", &hash)
}

fn entry(hash: ContentHash, act: &str) -> Entry {
    Entry {
        subject: subject(hash),
        act: act.to_owned(),
        clauses: Vec::new(),
        body: serde_json::json!({}),
    }
}
