//! The threads on which queries and jobs run, apart from those that answer callers.
//!
//! Whoever waits is released at once when the work must end. The work itself ends at its next
//! batch: every operator asks [`Stop`] then, and the task is dropped when it next lets go of its
//! thread.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::AbortHandle,
};

use crate::{Objection, cost::Meter, rules::QUERY_COMPLETED, stop::Stop};

/// How many threads work at the same time.
const THREADS: usize = 4;
/// How deep, in bytes, they may call: a query of the greatest length nests as deep as it can.
const STACK_BYTES: usize = 16 << 20;
/// How long it is waited for threads of a job to end, so that their time is counted.
const LAST_BATCH: Duration = Duration::from_millis(500);
/// What they are called.
const NAME: &str = "enclave";

/// The threads.
pub(crate) struct Workers(Option<Runtime>);

impl Workers {
    pub(crate) fn start() -> std::io::Result<Self> {
        Ok(Self(Some(threads().build()?)))
    }

    /// Does `work` until it is done or must end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        stop: &Arc<Stop>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Objection> {
        match &self.0 {
            Some(runtime) => run_on(runtime, stop, work).await,
            None => Err(failed()),
        }
    }
}

/// Does `work` until it is done or must end, on threads of its own, whose time the meter counts.
/// A thread that does not come to its next batch within half a second is not waited for.
pub(crate) async fn run_metered<T: Send + 'static>(
    stop: &Arc<Stop>,
    meter: &Arc<Meter>,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Objection> {
    let counting = Arc::clone(meter);
    let built = threads().on_thread_stop(move || counting.count_thread()).build();
    let own = Own(Some(built.map_err(|_| failed())?));
    let Some(runtime) = &own.0 else { return Err(failed()) };
    let done = run_on(runtime, stop, work).await;
    let _ = tokio::task::spawn_blocking(move || own.end(LAST_BATCH)).await;
    done
}

/// Threads of one job. Dropped, they are left to end by themselves.
struct Own(Option<Runtime>);

impl Own {
    fn end(mut self, patience: Duration) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(patience);
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn threads() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).thread_name(NAME).thread_stack_size(STACK_BYTES).enable_all();
    builder
}

fn failed() -> Objection {
    Objection::new(QUERY_COMPLETED, "the query could not be completed")
}

async fn run_on<T: Send + 'static>(
    runtime: &Runtime,
    stop: &Arc<Stop>,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Objection> {
    let task = runtime.spawn(work);
    let _abort = Abort(task.abort_handle());
    tokio::select! {
        biased;
        objection = stop.reached() => Err(objection),
        done = task => done.map_err(|_| failed()),
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
