//! The switch: what runs under a grant stops when the grant does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use shuyu_kernel::GrantId;
use shuyu_store::{Committed, Desk};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::{Objection, rules::GRANT_ACTIVE};

/// One token for each grant that something runs under.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Arc<Mutex<HashMap<GrantId, CancellationToken>>>);

impl Cuts {
    /// No grant is in use yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the grant is cut. Taken before the grant's state is
    /// read, so that a cut in between is not missed.
    pub fn token(&self, grant: GrantId) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(grant).or_default().clone()
    }

    /// Stops everything that runs under a grant. What begins later reads the grant's state anew.
    pub fn cut(&self, grant: GrantId) {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&grant);
        if let Some(token) = token {
            token.cancel();
        }
    }

    /// Stops everything.
    pub fn cut_all(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for token in all.into_values() {
            token.cancel();
        }
    }

    /// Cuts the grant that something committed suspended or ended, whoever committed it.
    pub fn on_committed(&self, committed: &Committed) {
        let ends = matches!(committed.event.as_deref(), Some("Suspended" | "Ended"));
        if ends
            && committed.stream.kind() == "grant"
            && let Ok(grant) = committed.stream.id().parse()
        {
            self.cut(grant);
        }
    }

    /// Cuts as the desk commits, until the desk is closed. Whoever has missed something cuts
    /// everything: running work is begun again, a missed cut is not.
    pub async fn watch(self, desk: Desk) {
        let mut feed = desk.subscribe();
        drop(desk);
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

/// Does `work` until it is done or the token is cancelled; then the work is dropped when it next
/// yields. An operator of the engine that computes long without yielding holds it until then.
///
/// # Errors
///
/// The objection that the grant is not active, or the work's own.
pub async fn until_cut<T>(
    token: &CancellationToken,
    work: impl Future<Output = Result<T, Objection>>,
) -> Result<T, Objection> {
    tokio::select! {
        biased;
        () = token.cancelled() => {
            Err(Objection::new(GRANT_ACTIVE, "the grant was cut while this ran"))
        }
        done = work => done,
    }
}
