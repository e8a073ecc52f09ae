//! What work in the domain costs: seconds of processors, and bytes read.

use std::{
    collections::HashMap,
    iter::Sum,
    ops::Add,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cpu_time::ThreadTime;
use datafusion::physical_plan::{
    ExecutionPlan,
    metrics::{MetricValue, MetricsSet},
};
use serde::{Deserialize, Serialize};
use shuyu_kernel::JobId;

/// What a piece of work used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Time of processors of all its threads together, each attempt rounded up to whole seconds: what
    /// is told more finely tells of the data.
    pub cpu_seconds: u64,
    /// How many bytes of stored data it read.
    pub bytes_scanned: u64,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds.saturating_add(other.cpu_seconds),
            bytes_scanned: self.bytes_scanned.saturating_add(other.bytes_scanned),
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// What measures one piece of work while it runs, and after it was stopped.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    cpu_nanoseconds: AtomicU64,
    plans: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
    rows: AtomicU64,
    expected: OnceLock<u64>,
}

impl Meter {
    /// Counts what a plan reads that is about to run.
    pub(crate) fn watch(&self, plan: &Arc<dyn ExecutionPlan>) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(plan));
    }

    /// So many rows will be read, as far as the manifests tell.
    pub(crate) fn expect_rows(&self, rows: u64) {
        let _ = self.expected.set(rows);
    }

    /// So many rows more were read.
    pub(crate) fn read_rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Relaxed);
    }

    /// How many quarters of the rows were read, at most four. It says nothing of what is in them.
    pub(crate) fn quarters(&self) -> u8 {
        let expected = self.expected.get().copied().unwrap_or(0).max(1);
        let quarters = self.rows.load(Relaxed).saturating_mul(4) / expected;
        u8::try_from(quarters.min(4)).unwrap_or(4)
    }

    /// What was used up until now, by threads that have ended and by plans however they ended.
    pub(crate) fn cost(&self) -> Cost {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        Cost {
            cpu_seconds: self.cpu_nanoseconds.load(Relaxed).div_ceil(1_000_000_000),
            bytes_scanned: plans.iter().map(bytes_scanned).sum(),
        }
    }

    /// Counts the time of the thread that calls, which is about to end.
    pub(crate) fn count_thread(&self) {
        let used: Duration = ThreadTime::now().as_duration();
        self.cpu_nanoseconds.fetch_add(u64::try_from(used.as_nanos()).unwrap_or(0), Relaxed);
    }
}

/// The meters of what runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters(Arc<Mutex<HashMap<JobId, Arc<Meter>>>>);

impl Meters {
    /// A meter for a job that begins.
    pub(crate) fn begin(&self, job: JobId) -> Arc<Meter> {
        let meter = Arc::new(Meter::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(job, Arc::clone(&meter));
        meter
    }

    /// The meter of a job that runs here.
    pub(crate) fn find(&self, job: JobId) -> Option<Arc<Meter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&job).cloned()
    }

    /// Forgets a job that runs no more.
    pub(crate) fn forget(&self, job: JobId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&job);
    }
}

/// The bytes that the scans of a plan read, of their own account.
fn bytes_scanned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own: usize = plan
        .metrics()
        .iter()
        .flat_map(MetricsSet::iter)
        .filter_map(|metric| match metric.value() {
            MetricValue::Count { name, count } if name == "bytes_scanned" => Some(count.value()),
            _other => None,
        })
        .sum();
    own as u64 + plan.children().into_iter().map(bytes_scanned).sum::<u64>()
}
