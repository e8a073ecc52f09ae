//! Jobs on their way: their scripts and parameters, the queue, what they cost, and schedules.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{NaiveDate, TimeDelta};
use shuyu_enclave::{
    Begin, Cost, Enclave, Job, JobCommand, JobStatus, Limits, Parameter, Priority, Program,
    Progress, Recurrence, Schedule, ScheduleCommand, Submission, Usage, UsageId, month_of,
};
use shuyu_kernel::{Clock as _, Id as _, JobId};
use shuyu_store::{Filter, StreamId};
use shuyu_testkit::actor;
use support::world::{OTHER, World, analyst, open, rule};

const BY_DISTRICT: &str = "SELECT district, count(*) AS n FROM persons GROUP BY district";

fn script(text: &str, parameters: &[(&str, Parameter)]) -> Submission {
    let parameters: BTreeMap<String, Parameter> =
        parameters.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
    let program = Program::Sql { text: text.to_owned(), parameters };
    Submission { program, ..Submission::sql("", "statistics") }
}

/// The output of a job, as the gate reads it.
async fn rows(world: &World, submission: &Submission) -> Vec<Vec<String>> {
    let id = world.enclave.submit_job(&analyst(), world.grant, submission).await.unwrap();
    let job = world.enclave.run_job(&analyst(), id).await.unwrap();
    let dataset = shuyu_kernel::DatasetId::from_u128(id.to_u128());
    let (_, held) = world.desk().find::<shuyu_vault::Dataset>(dataset).await.unwrap().unwrap();
    let part = shuyu_vault::Part::Output;
    let bytes = world.vault.open_part(held.current().unwrap(), part).await.unwrap();
    assert!(matches!(job.status, JobStatus::Succeeded { .. }));
    shuyu_enclave::Output::from_csv(&bytes).unwrap().rows
}

async fn status(world: &World, id: JobId) -> JobStatus {
    world.desk().find::<Job>(id).await.unwrap().unwrap().1.status
}

async fn wait_until(world: &World, id: JobId, wanted: &str) -> Job {
    for _ in 0..2_000 {
        let job = world.desk().find::<Job>(id).await.unwrap().unwrap().1;
        if job.status.name() == wanted {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the job is {}, not {wanted}", status(world, id).await.name());
}

#[tokio::test]
async fn temporary_tables_and_parameters_come_to_the_same_as_one_query() {
    let world = World::new("hangzhou").await;
    let plain = "SELECT gender, COUNT(*) AS n, SUM(income) AS total FROM persons \
                 WHERE birth_year = 1981 AND district = 'XIHU' GROUP BY gender";
    let tables = "CREATE TEMPORARY TABLE of_year AS SELECT * FROM persons WHERE birth_year = $year; \
                  CREATE TEMPORARY TABLE chosen AS WITH d AS (SELECT * FROM of_year) \
                  SELECT id_no, gender, income FROM d WHERE district = $district; \
                  SELECT gender, COUNT(*) AS n, SUM(income) AS total FROM chosen GROUP BY gender";
    let year = ("year", Parameter::Integer(1981));
    let district = ("district", Parameter::Text("XIHU".to_owned()));
    let one = rows(&world, &script(plain, &[])).await;
    assert_eq!(one.len(), 2, "two genders have enough persons: {one:?}");
    assert_eq!(one, rows(&world, &script(tables, &[year.clone(), district])).await);
    // The threshold holds through a temporary table, and a text is a value, never a piece of code.
    let nobody = ("district", Parameter::Text("XIHU' OR district <> '".to_owned()));
    assert!(rows(&world, &script(tables, &[year, nobody])).await.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn scripts_that_hide_rows_or_names_and_parameters_that_are_none_are_refused() {
    let world = World::new("hangzhou").await;
    let year = |value| ("year", value);
    let named = |name: &str| {
        format!(
            "CREATE TEMPORARY TABLE {name} AS SELECT * FROM persons; SELECT COUNT(*) FROM {name}"
        )
    };
    let raw = "CREATE TEMPORARY TABLE t AS SELECT id_no, income FROM persons; SELECT * FROM t";
    let hidden = "CREATE TEMPORARY TABLE t AS SELECT district, MAX(income) AS top FROM persons \
                  GROUP BY district; SELECT * FROM t";
    let by_year = "SELECT COUNT(*) FROM persons WHERE birth_year = $year";
    let cases = [
        (script(raw, &[]), "no-raw-output"),
        (script(hidden, &[]), "no-raw-output"),
        (script(&named("persons"), &[]), "one-query"),
        (script(&named("stops"), &[]), "one-query"),
        (script("DROP TABLE persons; SELECT 1", &[]), "one-query"),
        (
            script("CREATE TEMPORARY TABLE t AS SELECT phone FROM persons; SELECT 1", &[]),
            "granted-names",
        ),
        (script(by_year, &[]), "job-parameters"),
        (script(by_year, &[("years", Parameter::Integer(1981))]), "job-parameters"),
        (script(by_year, &[year(Parameter::Decimal("1 OR 1".to_owned()))]), "job-parameters"),
        (
            script(
                "SELECT district, COUNT(*) FROM persons GROUP BY district LIMIT $year",
                &[year(Parameter::Integer(1))],
            ),
            "job-parameters",
        ),
        (
            script(
                "SELECT COUNT(*) FROM persons WHERE id_no = $year",
                &[year(Parameter::Text("x".to_owned()))],
            ),
            "identifiers-join-only",
        ),
    ];
    for (submission, expected) in cases {
        let refused = world.enclave.submit_job(&analyst(), world.grant, &submission).await;
        assert_eq!(rule(refused), expected, "{}", submission.program.text());
    }
    assert!(world.desk().list::<Job>(&Filter::default()).await.unwrap().is_empty());
    let day = Parameter::Date(NaiveDate::from_ymd_opt(2026, 1, 1).unwrap());
    let unused = script("SELECT COUNT(*) FROM persons", &[("day", day)]);
    assert!(world.enclave.submit_job(&analyst(), world.grant, &unused).await.is_ok());
    world.finish().await;
}

#[tokio::test]
async fn every_attempt_is_charged_and_a_quota_ends_them() {
    let limits = Limits { operator_cpu_seconds: Some(0), operator_waiting: 2, ..Limits::default() };
    let world = World::new("hangzhou").await;
    let job = world.produced(BY_DISTRICT).await;
    assert!(job.cost.bytes_scanned > 1_000, "the columns of 301 persons: {:?}", job.cost);
    assert!(job.cost.cpu_seconds > 0, "{:?}", job.cost);
    assert_eq!(job.attempts, 1);
    let second = world.produced("SELECT COUNT(*) AS n FROM persons").await;
    assert!(second.cost.bytes_scanned < job.cost.bytes_scanned, "it reads fewer columns");
    let now = world.test.clock.now();
    let account = UsageId::of(analyst().organisation, now);
    let (_, usage) = world.desk().find::<Usage>(account).await.unwrap().unwrap();
    let all: Cost = [job.cost, second.cost].into_iter().sum();
    assert_eq!((usage.attempts, usage.cost, usage.month), (2, all, month_of(now)));
    // What waits, what is begun and what is taken have each their limit.
    let strict = open(&world.test, world.desk().clone(), &world.vault, limits);
    let submission = Submission::sql(BY_DISTRICT, "statistics");
    let waiting = strict.submit_job(&analyst(), world.grant, &submission).await.unwrap();
    strict.submit_job(&analyst(), world.grant, &submission).await.unwrap();
    let third = strict.submit_job(&analyst(), world.grant, &submission).await;
    assert_eq!(rule(third), "job-quota");
    assert_eq!(rule(strict.run_job(&analyst(), waiting).await), "job-quota");
    assert_eq!(status(&world, waiting).await, JobStatus::Submitted, "it waits for another month");
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_waits_for_its_turn_says_so_and_leaves_when_it_is_cut_or_cancelled() {
    let limits = Limits { jobs_running: 1, ..Limits::default() };
    let world = World::with("hangzhou", limits).await;
    let enclave = Arc::new(open(&world.test, world.desk().clone(), &world.vault, limits));
    let submit = |text: &str, priority| {
        let submission = Submission { priority, ..Submission::sql(text.to_owned(), "statistics") };
        let (enclave, grant) = (Arc::clone(&enclave), world.grant);
        async move { enclave.submit_job(&analyst(), grant, &submission).await.unwrap() }
    };
    // It holds the only place for as long as it is let.
    let joined = |text: String, n: usize| {
        format!("{text} JOIN stops s{n} ON s{}.district = s{n}.district", n - 1)
    };
    let rows = (1..8).fold("stops s0".to_owned(), joined);
    let endless = &format!("SELECT s0.district, COUNT(*) AS n FROM {rows} GROUP BY s0.district");
    let first = submit(endless, Priority::Normal).await;
    let run = |id: JobId| {
        let enclave = Arc::clone(&enclave);
        tokio::spawn(async move { enclave.run_job(&analyst(), id).await })
    };
    let running = run(first);
    wait_until(&world, first, "running").await;
    let reads = |id: JobId| {
        let enclave = Arc::clone(&enclave);
        async move {
            for _ in 0..12_000 {
                if matches!(
                    enclave.progress(id).await.unwrap(),
                    Progress::Running { quarters: Some(1..=4), .. }
                ) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("it reads nothing: {:?}", enclave.progress(id).await);
        }
    };
    reads(first).await;
    let low = submit(BY_DISTRICT, Priority::Low).await;
    let high = submit(BY_DISTRICT, Priority::High).await;
    let (run_low, run_high) = (run(low), run(high));
    let ahead = |wanted: usize, id| {
        let enclave = Arc::clone(&enclave);
        async move {
            for _ in 0..1_000 {
                let progress = enclave.progress(id).await.unwrap();
                if progress == (Progress::Waiting { ahead: Some(wanted) }) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("{:?}", enclave.progress(id).await);
        }
    };
    ahead(0, high).await;
    ahead(1, low).await;
    enclave.cancel_job(&analyst(), high, "not needed").await.unwrap();
    assert_eq!(rule(run_high.await.unwrap()), "job-state");
    ahead(0, low).await;
    enclave.cancel_job(&analyst(), first, "too long").await.unwrap();
    assert_eq!(rule(running.await.unwrap()), "job-state");
    // The place is free, and the one that waited runs to its end.
    assert!(matches!(run_low.await.unwrap().unwrap().status, JobStatus::Succeeded { .. }));
    let (_, cancelled) = world.desk().find::<Job>(first).await.unwrap().unwrap();
    assert!(cancelled.cost.bytes_scanned > 0, "what was stopped is charged: {:?}", cancelled.cost);
    assert_eq!(cancelled.status, JobStatus::Cancelled { reason: "too long".to_owned() });
    // A suspension ends the wait, too.
    let second = submit(endless, Priority::Normal).await;
    let holding = run(second);
    wait_until(&world, second, "running").await;
    let waiting = submit(BY_DISTRICT, Priority::High).await;
    let run_waiting = run(waiting);
    ahead(0, waiting).await;
    world.suspend().await;
    let ended = tokio::time::timeout(Duration::from_secs(1), run_waiting).await.expect("cut");
    assert_eq!(rule(ended.unwrap()), "grant-active");
    assert_eq!(rule(holding.await.unwrap()), "grant-active");
    assert_eq!(status(&world, waiting).await, JobStatus::Submitted);
    world.finish().await;
}

fn recurrence(world: &World, text: &str) -> Recurrence {
    Recurrence {
        program: Program::sql(text),
        purpose: "statistics".to_owned(),
        priority: Priority::Normal,
        first_at: world.test.clock.now() + TimeDelta::hours(1),
        every_minutes: 24 * 60,
    }
}

#[tokio::test]
async fn a_schedule_submits_its_job_once_each_time_frozen_anew() {
    let world = World::new("hangzhou").await;
    let daily = recurrence(&world, BY_DISTRICT);
    let order = |it: &Recurrence| {
        let it = it.clone();
        let (enclave, grant) = (&world.enclave, world.grant);
        async move { enclave.order_schedule(&analyst(), grant, &it).await }
    };
    let raw = order(&recurrence(&world, "SELECT * FROM persons")).await;
    assert_eq!(rule(raw), "no-raw-output");
    let hasty = order(&Recurrence { every_minutes: 59, ..daily.clone() }).await;
    assert_eq!(rule(hasty), "schedule-state");
    let id = order(&daily).await.unwrap();
    assert!(world.enclave.fire_schedules().await.unwrap().is_empty(), "it is not yet time");
    world.test.clock.advance(TimeDelta::hours(1));
    let other = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let (here, there) = tokio::join!(world.enclave.fire_schedules(), other.fire_schedules());
    let first = [here.unwrap(), there.unwrap()].concat();
    assert_eq!(first.len(), 1, "two processes, one job");
    world.supply_persons_again().await;
    // Three days were missed: one job, and then the next day.
    world.test.clock.advance(TimeDelta::days(3));
    let second = world.enclave.fire_schedules().await.unwrap();
    assert_eq!(second.len(), 1);
    assert!(world.enclave.fire_schedules().await.unwrap().is_empty());
    let job = |id: JobId| {
        let desk = world.desk().clone();
        async move { desk.find::<Job>(id).await.unwrap().unwrap().1 }
    };
    let (before, after) = (job(first[0]).await, job(second[0]).await);
    assert_ne!(before.frozen, after.frozen, "the data have a new version");
    assert_eq!((after.author, after.begin), (analyst().person, Begin::InTurn));
    world.desk().act::<Schedule>(&analyst(), id, ScheduleCommand::Pause).await.unwrap();
    world.test.clock.advance(TimeDelta::days(1));
    assert!(world.enclave.fire_schedules().await.unwrap().is_empty(), "it rests");
    world.desk().act::<Schedule>(&analyst(), id, ScheduleCommand::Resume).await.unwrap();
    assert!(world.enclave.fire_schedules().await.unwrap().is_empty(), "nothing is made up for");
    // Under a grant that is cut it submits nothing, and says so once a time.
    world.suspend().await;
    world.test.clock.advance(TimeDelta::days(1));
    assert!(world.enclave.fire_schedules().await.unwrap().is_empty());
    let log = world.log_of(StreamId::of::<Schedule>(id)).await;
    assert_eq!(
        log,
        [
            "Ordered",
            "Fired",
            "Fired",
            "Paused",
            "Resumed",
            "schedule.fire refused: grant-active",
            "Fired"
        ]
    );
    let (_, schedule) = world.desk().find::<Schedule>(id).await.unwrap().unwrap();
    assert_eq!(schedule.last, Some(second[0]));
    let stranger = actor(77, OTHER, &["operator"]);
    let theirs = world.desk().act::<Schedule>(&stranger, id, ScheduleCommand::End).await;
    assert!(theirs.is_err(), "another operator ends it");
    world.finish().await;
}

#[tokio::test]
async fn jobs_in_turn_begin_by_themselves_and_again_after_an_interruption() {
    let world = World::new("hangzhou").await;
    let in_turn = Submission { begin: Begin::InTurn, ..Submission::sql(BY_DISTRICT, "statistics") };
    let submit = |it: Submission| {
        let (enclave, grant) = (&world.enclave, world.grant);
        async move { enclave.submit_job(&analyst(), grant, &it).await.unwrap() }
    };
    let by_hand = submit(Submission::sql(BY_DISTRICT, "statistics")).await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(submit(in_turn.clone()).await);
    }
    // One was under way when the program ended.
    let (_, job) = world.desk().find::<Job>(waiting[0]).await.unwrap().unwrap();
    let start = JobCommand::Start { specification: Box::new(job.specification), most_attempts: 3 };
    world.desk().act::<Job>(&analyst(), waiting[0], start).await.unwrap();
    assert_eq!(world.enclave.recover().await.unwrap(), 1);
    let workers: Vec<_> = (0..2)
        .map(|_| open(&world.test, world.desk().clone(), &world.vault, Limits::default()))
        .map(|enclave: Enclave| tokio::spawn(Arc::new(enclave).work_off()))
        .collect();
    for id in &waiting {
        let job = wait_until(&world, *id, "succeeded").await;
        assert_eq!(job.attempts, if *id == waiting[0] { 2 } else { 1 }, "each runs once");
    }
    assert_eq!(status(&world, by_hand).await, JobStatus::Submitted);
    for worker in workers {
        worker.abort();
    }
    world.finish().await;
}
