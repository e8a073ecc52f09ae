//! The switch: what runs under a grant stops when the grant does, a job when it is cancelled, and
//! what runs on rows that rest on consents when one of them is withdrawn.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use shuyu_kernel::{GrantId, JobId, ScenarioId};
use shuyu_store::{Committed, Desk, Entity as _};
use tokio::sync::{Notify, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{Consents, consent::Book, stop::Stop};

/// One token for each grant that something runs under, and one for each job that runs.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Arc<Mutex<Tokens>>);

#[derive(Debug, Default)]
struct Tokens {
    grants: HashMap<GrantId, CancellationToken>,
    jobs: HashMap<JobId, CancellationToken>,
    /// Told when a consent is withdrawn.
    withdrawn: Arc<Notify>,
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

    /// Ends a piece of work when a consent on which it rests is withdrawn, for as long as it goes
    /// on. `number` is how many changes there had been when consents were read: work that has begun
    /// since rests on later ones, and goes on. What another process notes is asked for.
    pub(crate) async fn watch_consents(
        self,
        book: Book,
        scenario: ScenarioId,
        number: u64,
        work: Weak<Stop>,
    ) {
        /// Within a second, with time to spare.
        const EVERY: Duration = Duration::from_millis(250);
        let withdrawn = Arc::clone(&self.lock().withdrawn);
        while work.strong_count() > 0 {
            let told = withdrawn.notified();
            if !book.stands(scenario, number).await {
                if let Some(work) = work.upgrade() {
                    work.withdraw();
                }
                return;
            }
            let _ = tokio::time::timeout(EVERY, told).await;
        }
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
        for token in std::mem::take(&mut self.lock().grants).into_values() {
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
            (Consents::KIND, Some("Lost")) => self.lock().withdrawn.notify_waiters(),
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
