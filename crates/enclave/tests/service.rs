//! Sessions, samples and jobs on a real desk and a real vault.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, StringArray},
    record_batch::RecordBatch,
};

use shuyu_enclave::{
    Grant, Job, JobStatus, Label, Limits, Operation, Session, Specification, Submission,
};
use shuyu_kernel::{Clock as _, ContentHash, GrantId, Id as _};
use shuyu_law::PackVersion;
use shuyu_store::{ActError, StreamId};
use shuyu_testkit::actor;
use shuyu_vault::{DatasetSpec, FieldRole, FieldType};
use support::world::{
    CITIES, VICTIM, VICTIMS_INCOME, World, analyst, colleague, field, item, items, manifests,
    reviewer, rows, rule, spec,
};

const BY_DISTRICT: &str =
    "SELECT district, count(*) AS n, avg(income) AS mean FROM persons GROUP BY district";

#[tokio::test]
async fn a_session_sees_what_is_granted_and_no_other_name() {
    let world = World::new("hangzhou").await;
    let session = world.session(Operation::Ask).await;
    let columns = world.enclave.columns(&analyst(), session).await.unwrap();
    let names: BTreeSet<String> =
        columns.iter().map(|it| format!("{}.{}", it.table, it.column)).collect();
    let granted = [
        "persons.birth_year",
        "persons.district",
        "persons.gender",
        "persons.id_no",
        "persons.income",
        "persons.street",
        "stops.district",
        "stops.lines",
    ];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), granted);
    // What is in the vault but not granted is refused in the words of what is nowhere.
    let mut words = BTreeSet::new();
    for sql in [
        "SELECT count(*) FROM clinic",
        "SELECT count(*) FROM nowhere",
        "SELECT count(phone) FROM persons",
        "SELECT count(nothing) FROM persons",
    ] {
        let Err(ActError::Refused(refusal)) = world.enclave.ask(&analyst(), session, sql).await
        else {
            panic!("{sql}");
        };
        assert_eq!(refusal.rule, "granted-names", "{sql}");
        words.insert((refusal.message.en, refusal.detail));
        let told = world.enclave.explain(&analyst(), session, sql).await.unwrap();
        assert!(!told.is_answered && !told.runs_as_job, "{sql}");
        assert_eq!(told.columns, columns);
    }
    assert_eq!(words.len(), 1, "{words:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_session_is_its_owners_and_a_grant_its_peoples() {
    let world = World::new("hangzhou").await;
    let session = world.session(Operation::Ask).await;
    let ask = async |who, sql| world.enclave.ask(&who, session, sql).await;
    assert_eq!(rule(ask(colleague(), BY_DISTRICT).await), "session-open");
    assert_eq!(rule(ask(actor(1, 8, &["operator"]), BY_DISTRICT).await), "session-open");
    let opened = world.enclave.open_session(&colleague(), world.grant, Operation::Ask).await;
    assert_eq!(rule(opened), "not-permitted");
    let sheet = ask(analyst(), BY_DISTRICT).await.unwrap();
    assert_eq!(sheet.rows.len(), 3);
    world.enclave.close_session(&analyst(), session).await.unwrap();
    assert_eq!(rule(ask(analyst(), BY_DISTRICT).await), "session-open");
    let log = world.log_of(StreamId::of::<Session>(session)).await;
    let expected = [
        "Opened",
        "session.ask refused: session-open",
        "session.ask refused: session-open",
        "session.ask",
        "Closed",
        "session.ask refused: session-open",
    ];
    assert_eq!(log, expected);
    world.finish().await;
}

#[tokio::test]
async fn a_grant_is_used_for_the_operations_that_it_names_and_no_other() {
    let world = World::new("hangzhou").await;
    let all = [Operation::Develop, Operation::Ask, Operation::Produce];
    for (number, granted) in (100..).zip(all) {
        let grant = GrantId::from_u128(number);
        world.issue_for(grant, &analyst(), items(), [granted].into()).await;
        for operation in all {
            let expected = if operation == granted { "" } else { "grant-operation" };
            let refused = match operation {
                Operation::Develop | Operation::Ask => {
                    world.enclave.open_session(&analyst(), grant, operation).await.err()
                }
                Operation::Produce => world
                    .enclave
                    .submit_job(&analyst(), grant, &Submission::sql(BY_DISTRICT, "trend"))
                    .await
                    .err(),
            };
            let refused = refused.map(|error| rule::<()>(Err(error))).unwrap_or_default();
            assert_eq!(refused, expected, "{operation:?} under a grant for {granted:?}");
        }
    }
    world.finish().await;
}

/// Visits to two districts, twelve each; in the second, of so many it is known whose they are.
fn visits(known: usize) -> (DatasetSpec, RecordBatch) {
    let text = |name: &str, role| field(name, FieldType::Text, role);
    let spec = spec(
        "visits",
        vec![text("id_no", FieldRole::Identifier), text("district", FieldRole::Dimension)],
        Some("id_no"),
    );
    let whose = (0..24).map(|n| (n < 12 + known).then(|| format!("3301061990{n:08}")));
    let districts = (0..24).map(|n| Some(if n < 12 { "A" } else { "B" }));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(whose.collect::<StringArray>()),
        Arc::new(districts.collect::<StringArray>()),
    ];
    let batch = RecordBatch::try_new(spec.schema(), columns).unwrap();
    (spec, batch)
}

#[tokio::test]
async fn rows_of_nobody_fill_no_cell() {
    let world = World::new("hangzhou").await;
    for (dataset, known, expected) in [(77, 3, &["A"][..]), (78, 12, &["A", "B"])] {
        world.supply(dataset, 1, visits(known)).await;
        let columns = [("id_no", Label::Join), ("district", Label::dimension())];
        let granted = vec![item("visits", dataset, &columns, Some("id_no"))];
        let grant = GrantId::from_u128(dataset);
        world.issue_to(grant, &analyst(), granted).await;
        let session = world.enclave.open_session(&analyst(), grant, Operation::Ask).await.unwrap();
        let ask = async |sql| world.enclave.ask(&analyst(), session, sql).await;
        let by_district = "SELECT district, count(*) AS n FROM visits GROUP BY district";
        let sheet = ask(by_district).await.unwrap();
        let shown: Vec<&str> = sheet.rows.iter().filter_map(|row| row[0].as_deref()).collect();
        assert_eq!(shown, expected, "of {known} it is known whose they are");
        let all = ask("SELECT count(*) AS n FROM visits").await;
        if known == 12 {
            assert_eq!(all.unwrap().rows, [[Some("24".to_owned())]]);
        } else {
            assert_eq!(rule(all), "no-differencing", "three would be left");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn data_are_neither_written_nor_deleted_nor_kept_past_their_term() {
    let world = World::new("hangzhou").await;
    let session = world.session(Operation::Ask).await;
    let before = manifests(world.desk()).await;
    let check = |answer: Option<ActError>, rule: &str, code: &str, clause: &str| {
        let Some(ActError::Refused(refusal)) = answer else { panic!("{rule}: {answer:?}") };
        assert_eq!((refusal.rule.as_str(), refusal.code.as_deref()), (rule, Some(code)));
        assert!(refusal.clauses.iter().any(|it| it.as_str() == clause), "{:?}", refusal.clauses);
    };
    for sql in [
        "UPDATE persons SET income = 0",
        "DELETE FROM persons",
        "INSERT INTO persons SELECT * FROM persons",
        "DROP TABLE persons",
    ] {
        let asked = world.enclave.ask(&analyst(), session, sql).await.err();
        check(asked, "one-query", "HZ-3.5.6-3", "hangzhou/3.5.6c");
        let job = world
            .enclave
            .submit_job(&analyst(), world.grant, &Submission::sql(sql, "a copy"))
            .await
            .err();
        check(job, "one-query", "HZ-3.5.6-3", "hangzhou/3.5.6c");
    }
    assert_eq!(manifests(world.desk()).await, before);

    // Who is not among those named does not work with them, of this organisation or another.
    let (_, grant) = world.desk().find::<Grant>(world.grant).await.unwrap().unwrap();
    let law = world.desk().laws().current.clone();
    let now = world.test.clock.now();
    let strangers = [colleague(), actor(9, 99, &["operator"]), actor(1, 99, &["operator"])];
    for stranger in strangers {
        let used = grant.check_use(&stranger, Operation::Ask, now, &law).map_err(ActError::Refused);
        check(used.err(), "grant-person", "HZ-3.5.6-5", "hangzhou/3.5.6d");
        let opened = world.enclave.open_session(&stranger, world.grant, Operation::Ask).await;
        assert!(matches!(opened, Err(ActError::Refused(_))), "{stranger:?}");
    }

    // On the day after the last one they are gone.
    assert_eq!(world.enclave.ask(&analyst(), session, BY_DISTRICT).await.unwrap().rows.len(), 3);
    world.test.clock.advance(chrono::Duration::days(31));
    let asked = world.enclave.ask(&analyst(), session, BY_DISTRICT).await.err();
    check(asked, "grant-term", "HZ-3.5.6-4", "hangzhou/3.5.6d");
    world.finish().await;
}

#[tokio::test]
async fn a_sample_is_desensitised_bounded_and_nobodys_row() {
    for city in CITIES {
        let world = World::new(city).await;
        let session = world.session(Operation::Develop).await;
        let sample = world.enclave.sample(&analyst(), session, "persons").await.unwrap();
        let (_, grant) = world.desk().find::<Grant>(world.grant).await.unwrap().unwrap();
        let percent = grant.thresholds.sample_max_percent.unwrap_or(5) as usize;
        assert_eq!(sample.rows.len(), 301 * percent / 100, "{city}");
        let columns = ["birth_year", "district", "gender", "id_no", "income", "street"];
        assert_eq!(sample.columns, columns, "{city}");
        let at = |name| sample.columns.iter().position(|column| column == name).unwrap();
        let (district, street) = (at("district"), at("street"));
        let known: BTreeSet<String> = rows(300)
            .into_iter()
            .flat_map(|row| [row.id_no, row.income.to_string(), row.phone])
            .collect();
        for row in &sample.rows {
            assert!(row[at("id_no")].starts_with("p-"), "{city}: {row:?}");
            assert!(row.iter().all(|value| !known.contains(value)), "{city}: {row:?}");
        }
        // What belongs together still does, where it is shown; who is alone in a year of birth
        // is not there, nor is that year.
        let born = at("birth_year");
        for row in &sample.rows {
            let whole = [&row[district], &row[street]].iter().all(|it| it.as_str() != "*");
            assert!(!whole || row[street] == format!("street of {}", row[district]), "{row:?}");
            assert_ne!(row[born], "1990", "{city}");
        }
        assert!(!sample.rows.iter().all(|row| row[district] == "*"), "{city}: {sample:?}");
        assert_eq!(sample.treatment[at("id_no")], "keyed pseudonym", "{city}");
        let far = &sample.distances;
        let compared = ["birth_year", "district", "gender", "income", "street"];
        assert!(far.columns.iter().map(|it| it.column.as_str()).eq(compared), "{city}");
        // Thirty amounts fall into few classes; how far one must move them says more.
        let near = |moved: Option<f64>, varied: f64| moved.map_or(varied < 0.5, |it| it < 0.15);
        let near = far.columns.iter().all(|it| near(it.wasserstein, it.total_variation));
        assert!(near, "{city}: {far:?}");
        assert_eq!(
            sample,
            world.enclave.sample(&analyst(), session, "persons").await.unwrap(),
            "{city}: asked again, a sample shows nothing more"
        );
        let refused = world.enclave.sample(&analyst(), session, "clinic").await;
        assert_eq!(rule(refused), "granted-names", "{city}");
        let log = world.log_of(StreamId::of::<Session>(session)).await;
        let expected =
            ["Opened", "session.sample", "session.sample", "session.sample refused: granted-names"];
        assert_eq!(log, expected, "{city}");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_job_is_frozen_by_the_hash_of_all_that_it_depends_on() {
    let world = World::new("hangzhou").await;
    let submit = async |sql: &str, purpose: &str| {
        let id = world
            .enclave
            .submit_job(&analyst(), world.grant, &Submission::sql(sql, purpose))
            .await
            .unwrap();
        let (_, job) = world.desk().find::<Job>(id).await.unwrap().unwrap();
        assert_eq!(job.frozen, job.specification.hash());
        (id, job)
    };
    let (first, job) = submit(BY_DISTRICT, "statistics").await;
    assert_eq!(submit(BY_DISTRICT, "statistics").await.1.frozen, job.frozen, "the same job");
    let other = "SELECT gender, count(*) AS n FROM persons GROUP BY gender";
    let mut hashes = BTreeSet::from([job.frozen]);
    assert!(hashes.insert(submit(other, "statistics").await.1.frozen), "another query");
    assert!(hashes.insert(submit(BY_DISTRICT, "prices").await.1.frozen), "another purpose");
    let changed = |change: &dyn Fn(&mut Specification)| {
        let mut specification = job.specification.clone();
        change(&mut specification);
        specification.hash()
    };
    let pack = PackVersion("another law".to_owned());
    assert!(hashes.insert(changed(&|it| it.pack = pack.clone())), "another law");
    assert!(hashes.insert(changed(&|it| it.versions[0].version += 8)), "other data");
    world.supply_persons_again().await;
    assert!(hashes.insert(submit(BY_DISTRICT, "statistics").await.1.frozen), "a new version");
    // What was frozen on the earlier data does not run on later ones.
    assert_eq!(rule(world.enclave.run_job(&analyst(), first).await), "job-frozen");
    let (_, job) = world.desk().find::<Job>(first).await.unwrap().unwrap();
    assert_eq!(job.status, JobStatus::Submitted);
    world.finish().await;
}

#[tokio::test]
async fn an_output_lies_in_quarantine_and_nobody_reads_it_before_its_release() {
    let world = World::new("hangzhou").await;
    let job = world.produced(BY_DISTRICT).await;
    let JobStatus::Succeeded { package, rows: 3 } = job.status else { panic!("{:?}", job.status) };
    let said = serde_json::to_string(&job).unwrap();
    assert!(!said.contains("XIHU"), "what is said of a job says nothing of its output: {said}");
    for file in walk(world.test.folder()) {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(12).any(|window| window == b"district,n,m");
        assert!(!found, "{} holds the output in clear", file.display());
    }
    let (id, purpose) = (job.id, "planning");
    let release = world.enclave.request_release(&analyst(), id, purpose, "data_package").await;
    let release = release.unwrap();
    for who in [analyst(), colleague(), reviewer(3), actor(4, 9, &["provider"])] {
        assert_eq!(rule(world.enclave.read_released(&who, release).await), "released-only");
    }
    assert_eq!(rule(world.enclave.released_bytes(release).await), "released-only");
    let (_, it) = world.desk().find::<shuyu_enclave::Release>(release).await.unwrap().unwrap();
    for number in [3, 4] {
        let content = it.proposal.hash();
        world.enclave.approve(&reviewer(number), release, content).await.unwrap();
    }
    let bytes = world.enclave.read_released(&analyst(), release).await.unwrap();
    assert_eq!(ContentHash::of(&bytes), package);
    assert!(String::from_utf8(bytes).unwrap().starts_with("district,n,mean\r\nBINJIANG,"));
    assert_eq!(rule(world.enclave.read_released(&reviewer(3), release).await), "released-only");
    world.finish().await;
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn each_city_refuses_what_would_leave_raw_and_names_the_clause() {
    /// A query, and the rules by which it is refused when asked and as a job.
    const REFUSED: &[(&str, &str, &str)] = &[
        ("SELECT * FROM persons", "no-raw-output", "no-raw-output"),
        ("SELECT * FROM stops", "no-raw-output", "no-raw-output"),
        ("SELECT lines AS other FROM stops", "no-raw-output", "no-raw-output"),
        (
            "SELECT phone, count(*) AS n FROM persons GROUP BY phone",
            "granted-names",
            "granted-names",
        ),
        ("SELECT * FROM '/etc/passwd'", "granted-names", "granted-names"),
        ("SELECT * FROM read_csv('/etc/passwd')", "granted-names", "granted-names"),
        ("COPY persons TO '/tmp/stolen.csv'", "one-query", "one-query"),
        (
            "SELECT count(*) AS n FROM persons p CROSS JOIN stops s",
            "join-columns",
            "join-by-equality",
        ),
    ];
    for city in CITIES {
        let world = World::new(city).await;
        let session = world.session(Operation::Ask).await;
        let law = world.desk().laws().current.clone();
        let check = |sql: &str, error: ActError, expected: &str| {
            let ActError::Refused(refusal) = error else { panic!("{city}: {sql}: {error}") };
            assert_eq!(refusal.rule, expected, "{city}: {sql}: {:?}", refusal.detail);
            assert!(!refusal.clauses.is_empty(), "{city}: {sql}");
            for clause in &refusal.clauses {
                assert!(law.clauses.iter().any(|it| it.id == *clause), "{city}: {clause:?}");
            }
            assert!(!refusal.message.zh.is_empty() && !refusal.message.en.is_empty());
        };
        for (sql, asked, as_job) in REFUSED {
            let answer = world.enclave.ask(&analyst(), session, sql).await;
            check(sql, answer.expect_err(sql), asked);
            let job = world
                .enclave
                .submit_job(&analyst(), world.grant, &Submission::sql(*sql, "a copy"))
                .await;
            check(sql, job.expect_err(sql), as_job);
        }
        // A small group is not shown, nor what would come to one by subtraction.
        let ask = async |sql| world.enclave.ask(&analyst(), session, sql).await;
        let victim = "SELECT count(*) AS n, sum(income) AS s FROM persons WHERE birth_year = 1990";
        assert!(ask(victim).await.unwrap().rows.is_empty(), "{city}");
        assert_eq!(ask("SELECT count(*) AS n FROM persons").await.unwrap().rows.len(), 1);
        let rest = "SELECT count(*) AS n FROM persons WHERE birth_year IN (1980, 1981, 1982)";
        check(rest, ask(rest).await.expect_err("one person is left"), "no-differencing");
        let years = "SELECT birth_year, sum(income) AS s FROM persons GROUP BY birth_year";
        let job = world.produced(years).await;
        assert!(matches!(job.status, JobStatus::Succeeded { rows: 3, .. }), "{city}: {job:?}");
        let log = world.log_of(StreamId::of::<Session>(session)).await;
        let refused = log.iter().filter(|entry| entry.contains("refused")).count();
        assert_eq!(refused, REFUSED.len() + 1, "{city}: every refusal is in the log");
        world.finish().await;
    }
}

#[tokio::test]
async fn rows_about_nobody_leave_as_figures_over_some_of_them() {
    let world = World::new("jingzhou").await;
    let session = world.session(Operation::Ask).await;
    let sql = "SELECT district, count(*) AS n, sum(lines) AS lines FROM stops GROUP BY district";
    let sheet = world.enclave.ask(&analyst(), session, sql).await.unwrap();
    let districts: Vec<_> = sheet.rows.iter().map(|row| row[0].clone().unwrap()).collect();
    assert_eq!(districts, ["BINJIANG", "XIHU"], "the only stop of a district is its raw row");
    let job = world.produced(sql).await;
    assert!(matches!(job.status, JobStatus::Succeeded { rows: 2, .. }), "{job:?}");
    world.finish().await;
}

#[tokio::test]
async fn what_ended_half_done_is_interrupted_runs_again_and_leaves_nothing_behind() {
    let world = World::new("hangzhou").await;
    let id = world
        .enclave
        .submit_job(&analyst(), world.grant, &Submission::sql(BY_DISTRICT, "statistics"))
        .await
        .unwrap();
    // The program ends when the job has started and its output is sealed, but nothing was noted.
    let (_, job) = world.desk().find::<Job>(id).await.unwrap().unwrap();
    let start = shuyu_enclave::JobCommand::Start {
        specification: Box::new(job.specification),
        most_attempts: 3,
    };
    world.desk().act::<Job>(&analyst(), id, start).await.unwrap();
    let dataset = shuyu_kernel::DatasetId::from_u128(id.to_u128());
    let sealed = world.vault.put_sealed(dataset, 1, b"district,n\r\n".to_vec()).await.unwrap();
    let world = world.restart().await;
    let swept = world.vault.sweep(&manifests(world.desk()).await).await.unwrap();
    assert_eq!((swept.objects.len(), swept.keys), (1, vec![sealed.key]));
    assert_eq!(world.enclave.recover().await.unwrap(), 1);
    let (_, job) = world.desk().find::<Job>(id).await.unwrap().unwrap();
    assert_eq!(job.status, JobStatus::Interrupted);
    let request = world.enclave.request_release(&analyst(), id, "planning", "data_package").await;
    assert_eq!(rule(request), "release-of-job");
    let job = world.enclave.run_job(&analyst(), id).await.unwrap();
    assert!(matches!(job.status, JobStatus::Succeeded { rows: 3, .. }));
    let log = world.log_of(StreamId::of::<Job>(id)).await;
    let expected = [
        "Submitted",
        "Started",
        "Interrupted",
        "job.check refused: release-of-job",
        "Started",
        "Succeeded",
        "Charged",
    ];
    assert_eq!(log, expected);
    assert_eq!(world.enclave.recover().await.unwrap(), 0);
    world.finish().await;
}

#[tokio::test]
async fn under_a_suspended_grant_nothing_is_asked_sampled_submitted_run_or_put_forward() {
    let world = World::new("hangzhou").await;
    let ask = world.session(Operation::Ask).await;
    let develop = world.session(Operation::Develop).await;
    let done = world.produced(BY_DISTRICT).await;
    let waiting = world
        .enclave
        .submit_job(&analyst(), world.grant, &Submission::sql(BY_DISTRICT, "again"))
        .await
        .unwrap();
    let form = "data_package";
    let put = world.enclave.request_release(&analyst(), done.id, "planning", form).await.unwrap();
    let released =
        world.enclave.request_release(&analyst(), done.id, "statistics", form).await.unwrap();
    let content = async |id| {
        let found = world.desk().find::<shuyu_enclave::Release>(id).await.unwrap().unwrap();
        found.1.proposal.hash()
    };
    for number in [3, 4] {
        let content = content(released).await;
        world.enclave.approve(&reviewer(number), released, content).await.unwrap();
    }
    world.suspend().await;
    let (who, it) = (analyst(), &world.enclave);
    assert_eq!(rule(it.ask(&who, ask, BY_DISTRICT).await), "grant-active");
    assert_eq!(rule(it.sample(&who, develop, "persons").await), "grant-active");
    assert_eq!(
        rule(it.submit_job(&who, world.grant, &Submission::sql(BY_DISTRICT, "more")).await),
        "grant-active"
    );
    assert_eq!(rule(it.run_job(&who, waiting).await), "grant-active");
    assert_eq!(rule(it.request_release(&who, done.id, "more", form).await), "grant-active");
    assert_eq!(rule(it.amend_release(&who, put, "more", form).await), "grant-active");
    assert_eq!(rule(it.approve(&reviewer(3), put, content(put).await).await), "grant-active");
    assert_eq!(rule(it.read_released(&who, released).await), "grant-active");
    assert_eq!(rule(it.open_session(&who, world.grant, Operation::Ask).await), "grant-active");
    world.restore().await;
    assert_eq!(it.ask(&who, ask, BY_DISTRICT).await.unwrap().rows.len(), 3);
    assert!(it.run_job(&who, waiting).await.is_ok());
    assert!(it.approve(&reviewer(3), put, content(put).await).await.is_ok());
    assert!(it.read_released(&who, released).await.is_ok());
    world.finish().await;
}

#[tokio::test]
async fn nothing_that_is_written_down_of_a_question_tells_a_value() {
    let world = World::new("hangzhou").await;
    let session = world.session(Operation::Ask).await;
    let naming = format!("SELECT sum(income) AS s FROM persons WHERE id_no <> '{VICTIM}'");
    assert_eq!(rule(world.enclave.ask(&analyst(), session, &naming).await), "ask-filters");
    world.enclave.ask(&analyst(), session, BY_DISTRICT).await.unwrap();
    let entries = world.desk().entries(&shuyu_store::Trail::default()).await.unwrap();
    let said: String = entries.iter().map(|entry| entry.body.to_string()).collect();
    assert!(said.contains("BINJIANG"), "answers of large groups are noted");
    assert!(!said.contains(VICTIM) && !said.contains(VICTIMS_INCOME));
    world.finish().await;
}

#[tokio::test]
async fn a_query_that_nests_as_deep_as_it_can_ends_no_program() {
    // The engine writes such a query out again and again while it plans it.
    let patient = Limits { question_seconds: 600, ..Limits::default() };
    let world = World::with("hangzhou", patient).await;
    let session = world.session(Operation::Ask).await;
    let ask = async |sql: &str| world.enclave.ask(&analyst(), session, sql).await;
    let submit = async |sql: &str| {
        world
            .enclave
            .submit_job(&analyst(), world.grant, &Submission::sql(sql, "deep"))
            .await
            .map(drop)
    };
    let chain = |part: &str, by: &str, times| vec![part; times].join(by);
    let all_of = |times| {
        format!(
            "SELECT count(*) AS n FROM persons WHERE {}",
            chain("district = 'XIHU'", " AND ", times)
        )
    };
    let sum_of =
        |times| format!("SELECT sum(income * ({})) AS s FROM persons", chain("1", "+", times));
    assert_eq!(ask(&all_of(990)).await.unwrap().rows.len(), 1);
    submit(&all_of(990)).await.unwrap();
    submit(&sum_of(1_990)).await.unwrap();
    for sql in [all_of(1_000), sum_of(30_000)] {
        assert_eq!(rule(ask(&sql).await), "one-query");
        assert_eq!(rule(submit(&sql).await), "one-query");
    }
    let derived = |times| {
        (0..times).fold("WITH t0 AS (SELECT income, id_no FROM persons)".to_owned(), |text, n| {
            format!("{text}, t{} AS (SELECT income, id_no FROM t{n})", n + 1)
        }) + &format!(" SELECT sum(income) AS s FROM t{times}")
    };
    submit(&derived(20)).await.unwrap();
    assert_eq!(rule(submit(&derived(100)).await), "understood-only");
    assert_eq!(rule(submit(&derived(300)).await), "one-query");
    let nested = (0..60)
        .fold("persons".to_owned(), |inner, n| format!("(SELECT income, id_no FROM {inner}) t{n}"));
    let nested = submit(&format!("SELECT sum(income) AS s FROM {nested}")).await;
    assert_eq!(rule(nested), "one-query");
    world.finish().await;
}
