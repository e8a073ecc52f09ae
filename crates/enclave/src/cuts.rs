//! The switch: what runs under a grant stops when the grant does, and a job when it is cancelled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shuyu_kernel::{GrantId, JobId};
use shuyu_store::{Committed, Desk};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// One token for each grant that something runs under, and one for each job that runs.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Arc<Mutex<Tokens>>);

#[derive(Debug, Default)]
struct Tokens {
    grants: HashMap<GrantId, CancellationToken>,
    jobs: HashMap<JobId, CancellationToken>,
}

impl Cuts {
    /// No grant is in use yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the grant is cut. Taken before the grant's state is
    /// read, so that a cut in between is not missed.
    pub fn token(&self, grant: GrantId) -> CancellationToken {
        self.lock().grants.entry(grant).or_default().clone()
    }

    /// The token that is cancelled when the job is. Taken before the job's state is read.
    pub(crate) fn of_job(&self, job: JobId) -> CancellationToken {
        self.lock().jobs.entry(job).or_default().clone()
    }

    /// Forgets a job that runs no more.
    pub(crate) fn forget_job(&self, job: JobId) {
        self.lock().jobs.remove(&job);
    }

    /// Stops everything that runs under a grant. What begins later reads the grant's state anew.
    pub fn cut(&self, grant: GrantId) {
        let token = self.lock().grants.remove(&grant);
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Stops everything.
    pub fn cut_all(&self) {
        for token in std::mem::take(&mut *self.lock()).grants.into_values() {
            token.cancel();
        }
    }

    /// Cuts the grant that something committed suspended or ended, and the job that it cancelled,
    /// whoever committed it.
    pub fn on_committed(&self, committed: &Committed) {
        let id = committed.stream.id();
        match (committed.stream.kind(), committed.event.as_deref()) {
            ("grant", Some("Suspended" | "Ended")) => {
                if let Ok(grant) = id.parse() {
                    self.cut(grant);
                }
            }
            ("job", Some("Cancelled")) => {
                let token = id.parse().ok().and_then(|job: JobId| self.lock().jobs.remove(&job));
                if let Some(token) = token {
                    token.cancel();
                }
            }
            _other => {}
        }
    }

    /// Cuts as the desk commits, until the desk is closed. Whoever has missed something cuts
    /// everything: running work is begun again, a missed cut is not.
    /// It listens from now on, whenever it is polled first.
    pub fn watch(self, desk: &Desk) -> impl Future<Output = ()> + Send + 'static {
        let mut feed = desk.subscribe();
        async move {
            loop {
                match feed.recv().await {
                    Ok(committed) => self.on_committed(&committed),
                    Err(RecvError::Lagged(_)) => self.cut_all(),
                    Err(RecvError::Closed) => {
                        self.cut_all();
                        return;
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
