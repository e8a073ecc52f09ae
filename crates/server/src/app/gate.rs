//! The one gate: requests for release, their reviews, and what was released.

use shuyu_enclave::{Release, ReleaseCommand};
use shuyu_kernel::{Actor, ContentHash, JobId, ReleaseId};
use shuyu_market::{QueryError, ReleasedTable};
use shuyu_store::{ActError, StreamId};

use super::{App, store};

/// Why released content cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The act: it is not released, or no longer what was reviewed.
    #[error(transparent)]
    Act(#[from] ActError),
    /// It is no table.
    #[error(transparent)]
    Table(#[from] QueryError),
}

impl App {
    /// Asks for the output of a job to be released. The automatic checks are made at once.
    pub async fn request_release(
        &self,
        actor: &Actor,
        job: JobId,
        purpose: &str,
        form: &str,
    ) -> Result<ReleaseId, ActError> {
        self.enclave().request_release(actor, job, purpose, form).await
    }

    /// Changes what an output is to be used for, and in which form. It is checked again, and its
    /// reviews begin anew.
    pub async fn amend_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        purpose: &str,
        form: &str,
    ) -> Result<Release, ActError> {
        self.enclave().amend_release(actor, id, purpose, form).await
    }

    /// Takes a release back: nothing of it is handed out any more, nor of what was made of it.
    pub async fn withdraw_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        reason: &str,
    ) -> Result<Release, ActError> {
        let withdraw = ReleaseCommand::Withdraw { reason: reason.to_owned() };
        Ok(self.desk().act::<Release>(actor, id, withdraw).await?.state)
    }

    /// Approves the content of this hash for release.
    pub async fn approve_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        content: ContentHash,
    ) -> Result<Release, ActError> {
        self.enclave().approve(actor, id, content).await
    }

    /// Rejects it.
    pub async fn reject_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        content: ContentHash,
        reason: &str,
    ) -> Result<Release, ActError> {
        self.enclave().reject(actor, id, content, reason).await
    }

    /// Reads out what was released.
    pub async fn read_released(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        self.enclave().read_released(actor, id).await
    }

    /// A release, with its checks and reviews.
    pub async fn release(&self, id: ReleaseId) -> Result<Release, ActError> {
        let found = self.desk().find::<Release>(id).await.map_err(store)?;
        found.map(|(_, it)| it).ok_or_else(|| ActError::NotFound(StreamId::of::<Release>(id)))
    }

    /// The columns of a released table and its first value of each, for a product to be made of.
    pub async fn released_table(&self, id: ReleaseId) -> Result<ReleasedTable, GateError> {
        Ok(ReleasedTable::from_csv(&self.released(id).await?)?)
    }

    /// Released bytes, re-hashed, for products that are made of them.
    pub(super) async fn released(&self, id: ReleaseId) -> Result<Vec<u8>, GateError> {
        Ok(self.enclave().released_bytes(id).await?)
    }
}
