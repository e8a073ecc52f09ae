//! The threads on which queries and jobs run, apart from those that answer callers.
//!
//! Whoever waits is released at once when the work must end. The work itself ends at its next
//! batch: every operator asks [`Stop`] then, and the task is dropped when it next lets go of its
//! thread.

use std::sync::Arc;

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
};

use crate::{Objection, rules::QUERY_COMPLETED, stop::Stop};

/// How many threads work at the same time.
const THREADS: usize = 4;
/// How deep, in bytes, they may call: a query of the greatest length nests as deep as it can.
const STACK_BYTES: usize = 16 << 20;
/// What they are called.
const NAME: &str = "enclave";

/// The threads.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    pub(crate) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(NAME)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Does `work` until it is done or must end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        stop: &Arc<Stop>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Objection> {
        let failed = || Objection::new(QUERY_COMPLETED, "the query could not be completed");
        let Some(runtime) = &self.0 else { return Err(failed()) };
        let task = runtime.spawn(work);
        let _abort = Abort(task.abort_handle());
        tokio::select! {
            biased;
            objection = stop.reached() => Err(objection),
            done = task => done.map_err(|_| failed()),
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
