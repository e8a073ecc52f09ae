//! The threads on which queries and jobs run, apart from those that answer callers.
//!
//! A computation that does not pause cannot be stopped from outside; but whoever waits for it is
//! released at once, and it is dropped at its next pause.

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Objection,
    rules::{GRANT_ACTIVE, QUERY_COMPLETED},
};

/// How many threads work at the same time.
const THREADS: usize = 4;

/// The threads.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("enclave")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does `work` until it is done or `token` is cancelled.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        token: &CancellationToken,
        work: impl Future<Output = Result<T, Objection>> + Send + 'static,
    ) -> Result<T, Objection> {
        let stopped = || Objection::new(QUERY_COMPLETED, "the query could not be completed");
        let Some(runtime) = &self.0 else { return Err(stopped()) };
        let task = runtime.spawn(work);
        let _abort = Abort(task.abort_handle());
        tokio::select! {
            biased;
            () = token.cancelled() => {
                Err(Objection::new(GRANT_ACTIVE, "the grant was cut while this ran"))
            }
            done = task => done.unwrap_or_else(|_| Err(stopped())),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Aborts a task when nobody waits for it any more.
struct Abort(AbortHandle);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
