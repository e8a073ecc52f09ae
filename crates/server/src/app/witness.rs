//! The witness: the last checkpoint that was seen, kept in a file outside the database, so that a
//! database that went back to an earlier day is noticed. What people had been refused or had used
//! up since then would be open to them again.

use std::{fs, io, path::Path};

use serde_json::json;
use shuyu_kernel::Actor;
use shuyu_ledger::Checkpoint;
use shuyu_store::{ActError, Entry};

use super::{App, OpenError, deployment};

/// The name of the file, in the directory of the deployment.
pub const WITNESS: &str = "witness";

/// Why a database is not opened that went back.
#[derive(Debug, thiserror::Error)]
#[error(
    "the database does not continue the checkpoint of {size} entries that {file} holds: it has \
     been set back or exchanged. Put the newer database back; or, if this one is a backup that you \
     mean to go on with, say so: `shuyu ledger accept-backup`"
)]
pub struct Behind {
    size: u64,
    file: String,
}

impl App {
    /// Keeps the latest checkpoint in the file, if it is not there yet.
    pub(super) async fn witness(&self) -> Result<(), ActError> {
        let Some(note) = self.desk().checkpoint().await? else { return Ok(()) };
        let path = self.dir().join(WITNESS);
        let kept = tokio::task::spawn_blocking(move || match fs::read_to_string(&path) {
            Ok(there) if there == note => Ok(()),
            _ => deployment::write(&path, note.as_bytes()),
        });
        match kept.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the checkpoint is not witnessed"),
            Err(error) => tracing::warn!(%error, "the checkpoint is not witnessed"),
        }
        Ok(())
    }

    /// Refuses a log that does not continue what was witnessed.
    pub(super) async fn check_witness(&self) -> Result<(), OpenError> {
        let Some((seen, _)) = self.witnessed()? else { return Ok(()) };
        let there = match self.desk().checkpoint_of(seen.size).await? {
            Some(note) => self.checkpoint_in(&note).map(|it| it.root),
            None => None,
        };
        if there == Some(seen.root) {
            return Ok(());
        }
        let file = self.dir().join(WITNESS).display().to_string();
        Err(Behind { size: seen.size, file }.into())
    }

    /// Goes on with a database that does not continue what was witnessed. That it was done, why,
    /// and what had been witnessed stand in the log.
    pub async fn accept_backup(&self, reason: &str) -> Result<(), OpenError> {
        if let Some((_, note)) = self.witnessed()? {
            let entry = Entry::new(
                self.log(),
                "ledger.accept_backup",
                json!({ "reason": reason, "witnessed": note }),
            );
            self.desk().journal(&Actor::system(), entry).await?;
        }
        self.witness().await?;
        Ok(())
    }

    /// What the file holds. One that is not of this ledger is damaged, and says nothing.
    fn witnessed(&self) -> Result<Option<(Checkpoint, String)>, OpenError> {
        let Some(note) = read(&self.dir().join(WITNESS))? else { return Ok(None) };
        let Some(checkpoint) = self.checkpoint_in(&note) else {
            tracing::warn!("the file `{WITNESS}` holds no checkpoint of this ledger");
            return Ok(None);
        };
        Ok(Some((checkpoint, note)))
    }

    fn checkpoint_in(&self, note: &str) -> Option<Checkpoint> {
        let verifier = self.desk().verifier();
        Checkpoint::open(note, verifier.name(), std::slice::from_ref(verifier)).ok()
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
