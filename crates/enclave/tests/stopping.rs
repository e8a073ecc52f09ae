//! What must end ends: its threads let go within a second, and its state says so.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arrow::{
    array::{Int64Array, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use datafusion::{
    catalog::{TableProvider, streaming::StreamingTable},
    datasource::MemTable,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use shuyu_enclave::{
    DatasetVersion, Enclave, Item, Job, JobStatus, Limits, Objection, Operation, Source, Submission,
};
use shuyu_kernel::JobId;
use shuyu_store::{ActError, StreamId};
use support::world::{World, analyst, open, rule};
use tokio::{
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

/// One test at a time: they look at what the threads of the process do.
static ALONE: Mutex<()> = Mutex::const_new(());

const SECOND: Duration = Duration::from_secs(1);
/// A table whose rows never end, and that never pauses.
const ENDLESS: &str = "SELECT district, count(*) AS n FROM persons GROUP BY district";
/// Every row of one table with every row of the other, by an equality.
const EVERY_PAIR: &str = "SELECT p.district, count(*) AS n FROM persons p JOIN stops s ON p.district = s.district \
     GROUP BY p.district";
/// The same, and no pair is ever handed on.
const NO_PAIR: &str = "SELECT p.district, count(*) AS n FROM persons p JOIN stops s ON p.district = s.district \
     WHERE p.income < s.lines - 1000000000 GROUP BY p.district";

/// A table in which everybody is in one district.
fn many(item: &Item, rows: usize) -> RecordBatch {
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for name in item.columns.keys() {
        let (kind, array): (_, arrow::array::ArrayRef) = match name.as_str() {
            "income" | "lines" | "birth_year" => {
                (DataType::Int64, Arc::new(Int64Array::from(vec![1_980; rows])))
            }
            "id_no" => {
                let ids = (0..rows).map(|n| Some(format!("person-{n}")));
                (DataType::Utf8, Arc::new(ids.collect::<StringArray>()))
            }
            _district => (DataType::Utf8, Arc::new(StringArray::from(vec!["XIHU"; rows]))),
        };
        fields.push(Field::new(name, kind, true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Tables of many rows.
struct Many(usize);

/// Tables without an end, that count the batches they are asked for.
struct Endless(Arc<AtomicU64>);

#[derive(Debug)]
struct Forever {
    batch: RecordBatch,
    asked: Arc<AtomicU64>,
}

impl PartitionStream for Forever {
    fn schema(&self) -> &SchemaRef {
        self.batch.schema_ref()
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (batch, asked) = (self.batch.clone(), Arc::clone(&self.asked));
        let batches = futures::stream::repeat_with(move || {
            asked.fetch_add(1, Relaxed);
            Ok(batch.clone())
        });
        Box::pin(RecordBatchStreamAdapter::new(self.batch.schema(), batches))
    }
}

type Tables = Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection>;

fn version(item: &Item) -> DatasetVersion {
    DatasetVersion { dataset: item.dataset, version: 1 }
}

#[async_trait]
impl Source for Many {
    async fn tables(&self, items: &[Item]) -> Tables {
        let table = |item: &Item| -> Arc<dyn TableProvider> {
            let batch = many(item, self.0);
            Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap())
        };
        Ok(items.iter().map(|item| (item.clone(), version(item), table(item))).collect())
    }
}

#[async_trait]
impl Source for Endless {
    async fn tables(&self, items: &[Item]) -> Tables {
        let table = |item: &Item| -> Arc<dyn TableProvider> {
            let forever = Forever { batch: many(item, 100), asked: Arc::clone(&self.0) };
            let schema = forever.batch.schema();
            Arc::new(StreamingTable::try_new(schema, vec![Arc::new(forever)]).unwrap())
        };
        Ok(items.iter().map(|item| (item.clone(), version(item), table(item))).collect())
    }
}

/// A world whose domain reads from this source, and a domain to hand to tasks.
async fn world_on(source: impl Source + 'static, limits: Limits) -> (World, Arc<Enclave>) {
    let world = World::new("hangzhou").await;
    let enclave = open(&world.test, world.desk().clone(), &world.vault, limits);
    (world, Arc::new(enclave.with_source(Arc::new(source))))
}

type Outcome = JoinHandle<Result<Job, ActError>>;

/// A job that has begun.
async fn started(world: &World, enclave: &Arc<Enclave>, sql: &str) -> (JobId, Outcome) {
    let id = enclave
        .submit_job(&analyst(), world.grant, &Submission::sql(sql, "under way"))
        .await
        .unwrap();
    let domain = Arc::clone(enclave);
    let task = tokio::spawn(async move { domain.run_job(&analyst(), id).await });
    while !matches!(status(world, id).await, JobStatus::Running { .. }) {
        assert!(!task.is_finished(), "it did not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (id, task)
}

async fn status(world: &World, id: JobId) -> JobStatus {
    world.desk().find::<Job>(id).await.unwrap().unwrap().1.status
}

/// How much the threads of the domain have computed, in ticks of the kernel (10 ms); 0 where the
/// system does not tell.
fn computed() -> u64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
            let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok());
            (name.trim() == "enclave").then_some(ticks(11)? + ticks(12)?)
        })
        .sum()
}

/// Waits until the threads of the domain compute.
async fn busy() {
    let before = computed();
    while computed() < before + 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if !std::path::Path::new("/proc/self/task").exists() {
            return;
        }
    }
}

/// Whoever waits is released, and the threads let go, within a second of `since`.
async fn lets_go(since: Instant, outcome: Outcome) -> Result<Job, ActError> {
    let outcome = tokio::time::timeout(SECOND, outcome).await.expect("it is released").unwrap();
    tokio::time::sleep(SECOND.saturating_sub(since.elapsed())).await;
    idle().await;
    outcome
}

async fn idle() {
    let before = computed();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let ticks = computed() - before;
    assert!(ticks <= 2, "the threads computed {ticks} ticks after they had to let go");
}

async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_never_pauses_ends_within_a_second_of_the_suspension_of_its_grant() {
    let _alone = alone().await;
    let asked = Arc::new(AtomicU64::new(0));
    let (world, enclave) = world_on(Endless(Arc::clone(&asked)), Limits::default()).await;
    let (id, task) = started(&world, &enclave, ENDLESS).await;
    while asked.load(Relaxed) < 1_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.suspend().await;
    let since = Instant::now();
    let refused = lets_go(since, task).await;
    assert_eq!(rule(refused), "grant-active");
    let batches = asked.load(Relaxed);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked.load(Relaxed), batches, "the table is asked for nothing more");
    let cancelled = JobStatus::Cancelled { reason: "grant-active".to_owned() };
    assert_eq!(status(&world, id).await, cancelled);
    drop(enclave);
    let world = world.restart().await;
    assert_eq!(world.enclave.recover().await.unwrap(), 0);
    assert_eq!(status(&world, id).await, cancelled);
    world.restore().await;
    assert_eq!(rule(world.enclave.run_job(&analyst(), id).await), "job-state");
    let log = world.log_of(StreamId::of::<Job>(id)).await;
    let expected = [
        "Submitted",
        "Started",
        "Cancelled",
        "Charged",
        "job.run refused: grant-active",
        "job.start refused: job-state",
    ];
    assert_eq!(log, expected);
    world.finish().await;
}

shuyu_testkit::on_both! {
    async fn what_another_process_suspends_ends_here_within_a_second(backend: Backend) {
        let _alone = alone().await;
        let asked = Arc::new(AtomicU64::new(0));
        let world = World::on(&backend, "hangzhou", Limits::default()).await;
        let here = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
        let enclave = Arc::new(here.with_source(Arc::new(Endless(Arc::clone(&asked)))));
        let there = world.test.second().await;
        let (id, task) = started(&world, &enclave, ENDLESS).await;
        let session = world.session(Operation::Ask).await;
        world.suspend_at(&there).await;
        let refused = lets_go(Instant::now(), task).await;
        assert_eq!(rule(refused), "grant-active");
        let cancelled = JobStatus::Cancelled { reason: "grant-active".to_owned() };
        assert_eq!(status(&world, id).await, cancelled);
        let ask = enclave.ask(&analyst(), session, "SELECT count(*) AS n FROM persons").await;
        assert_eq!(rule(ask), "grant-active");
        there.close().await;
        drop(enclave);
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_of_every_row_with_every_other_ends_when_it_must() {
    let _alone = alone().await;
    for sql in [EVERY_PAIR, NO_PAIR] {
        let (world, enclave) = world_on(Many(200_000), Limits::default()).await;
        let (id, task) = started(&world, &enclave, sql).await;
        busy().await;
        let since = Instant::now();
        enclave.cancel_job(&analyst(), id, "it takes too long").await.unwrap();
        assert_eq!(rule(lets_go(since, task).await), "job-state");
        let cancelled = JobStatus::Cancelled { reason: "it takes too long".to_owned() };
        assert_eq!(status(&world, id).await, cancelled);
        let (_, task) = started(&world, &enclave, sql).await;
        busy().await;
        let since = Instant::now();
        world.suspend().await;
        assert_eq!(rule(lets_go(since, task).await), "grant-active");
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_ends_with_its_time_and_with_the_term_of_its_grant() {
    let _alone = alone().await;
    let limits = Limits { job_seconds: 1, ..Limits::default() };
    let (world, enclave) = world_on(Many(200_000), limits).await;
    let since = Instant::now();
    let (id, task) = started(&world, &enclave, EVERY_PAIR).await;
    let refused = tokio::time::timeout(2 * SECOND, task).await.expect("released").unwrap();
    assert_eq!(rule(refused), "job-limits");
    assert!(since.elapsed() >= SECOND);
    idle().await;
    assert_eq!(status(&world, id).await, JobStatus::Cancelled { reason: "job-limits".to_owned() });
    // The clock stands one second before the term ends.
    let enclave = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let enclave = Arc::new(enclave.with_source(Arc::new(Many(200_000))));
    let left = chrono::Duration::days(30) - chrono::Duration::seconds(1);
    world.test.clock.advance(left);
    let (_, task) = started(&world, &enclave, EVERY_PAIR).await;
    let refused = tokio::time::timeout(2 * SECOND, task).await.expect("released").unwrap();
    assert_eq!(rule(refused), "grant-term");
    idle().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_nobody_waits_for_is_interrupted_and_can_be_run_again() {
    let _alone = alone().await;
    let (world, enclave) = world_on(Many(200_000), Limits::default()).await;
    let (id, task) = started(&world, &enclave, EVERY_PAIR).await;
    busy().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    tokio::time::sleep(SECOND).await;
    idle().await;
    assert_eq!(status(&world, id).await, JobStatus::Interrupted);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_never_pauses_ends_and_takes_nobody_elses_thread() {
    let _alone = alone().await;
    let asked = Arc::new(AtomicU64::new(0));
    let (world, enclave) = world_on(Endless(Arc::clone(&asked)), Limits::default()).await;
    let session = world.session(Operation::Ask).await;
    let domain = Arc::clone(&enclave);
    let task = tokio::spawn(async move { domain.ask(&analyst(), session, ENDLESS).await });
    while asked.load(Relaxed) < 1_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.suspend().await;
    let refused = tokio::time::timeout(SECOND, task).await.expect("released").unwrap();
    assert_eq!(rule(refused), "grant-active");
    tokio::time::sleep(Duration::from_millis(200)).await;
    idle().await;
    let batches = asked.load(Relaxed);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked.load(Relaxed), batches);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_takes_no_more_than_its_share_of_memory() {
    let _alone = alone().await;
    let limits = Limits { share_bytes: 1 << 20, ..Limits::default() };
    let (world, enclave) = world_on(Many(200_000), limits).await;
    let id = enclave
        .submit_job(&analyst(), world.grant, &Submission::sql(ENDLESS, "too large"))
        .await
        .unwrap();
    // It counts 200 000 people in one district, whom it must remember.
    assert_eq!(rule(enclave.run_job(&analyst(), id).await), "query-completed");
    assert_eq!(status(&world, id).await, JobStatus::Failed { rule: "query-completed".to_owned() });
    let enclave = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let enclave = enclave.with_source(Arc::new(Many(200_000)));
    let id = enclave
        .submit_job(&analyst(), world.grant, &Submission::sql(ENDLESS, "not too large"))
        .await
        .unwrap();
    let job = enclave.run_job(&analyst(), id).await.unwrap();
    assert!(matches!(job.status, JobStatus::Succeeded { rows: 1, .. }), "{job:?}");
    world.finish().await;
}
