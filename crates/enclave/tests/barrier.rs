//! What is behind the barrier is not there: rows outside of a scope or without consent, and values
//! under a mask, in questions, samples and jobs.

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
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{array::StringArray, datatypes::SchemaRef, record_batch::RecordBatch};
use async_trait::async_trait;
use datafusion::{
    catalog::{TableProvider, streaming::StreamingTable},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use shuyu_enclave::{
    Barrier, Basis, Consent, DatasetVersion, Enclave, Item, Label, Limits, Mask, Objection,
    Operation, Sheet, Source, Submission,
};
use shuyu_kernel::{Actor, DatasetId, GrantId, Id as _, ScenarioId, SessionId};
use shuyu_store::{ActError, StreamId};
use shuyu_testkit::actor;
use shuyu_vault::{DatasetSpec, FieldRole, FieldType};
use support::world::{
    OTHER, PERSONS, Row, VICTIM, World, analyst, field, item, items, open, rows, rule, spec,
};

/// The scenario of every grant of a world.
fn scenario() -> ScenarioId {
    ScenarioId::from_u128(31)
}

fn keeper() -> Actor {
    actor(4, 9, &["platform_operator"])
}

fn scoped(column: &str, values: &[&str]) -> Vec<Item> {
    let mut items = items();
    let values: BTreeSet<String> = values.iter().map(|value| (*value).to_owned()).collect();
    items[0].barrier.scope = BTreeMap::from([(column.to_owned(), values)]);
    items
}

fn consented() -> Vec<Item> {
    let mut items = items();
    items[0].barrier.consent = Some(scenario());
    items
}

async fn session(world: &World, grant: u128, to: &Actor, items: Vec<Item>) -> SessionId {
    let id = GrantId::from_u128(grant);
    world.issue_to(id, to, items).await;
    world.enclave.open_session(to, id, Operation::Ask).await.unwrap()
}

fn shown(sheet: &Sheet) -> Vec<Vec<&str>> {
    let rows = sheet.rows.iter();
    rows.map(|row| row.iter().map(|value| value.as_deref().unwrap_or("")).collect()).collect()
}

async fn produced(world: &World, grant: u128, sql: &str) -> u64 {
    let grant = GrantId::from_u128(grant);
    let id = world
        .enclave
        .submit_job(&analyst(), grant, &Submission::sql(sql, "statistics"))
        .await
        .unwrap();
    let job = world.enclave.run_job(&analyst(), id).await.unwrap();
    match job.status {
        shuyu_enclave::JobStatus::Succeeded { rows, .. } => rows,
        other => panic!("{other:?}"),
    }
}

const BY_DISTRICT: &str = "SELECT district, count(*) AS n FROM persons GROUP BY district";

#[tokio::test]
async fn rows_outside_of_the_scope_are_not_there() {
    let world = World::new("hangzhou").await;
    let grant = 50;
    let who = analyst();
    let mut items = scoped("district", &["BINJIANG"]);
    // The column by which rows are chosen need not be granted.
    let by = items[0].columns.remove("district").unwrap();
    let session_without = session(&world, 49, &who, items).await;
    let total = "SELECT count(*) AS n FROM persons";
    let there = rows(300).iter().filter(|row| row.district == "BINJIANG").count().to_string();
    let sheet = world.enclave.ask(&who, session_without, total).await.unwrap();
    assert_eq!(shown(&sheet), [[there.as_str()]]);

    let mut items = scoped("district", &["BINJIANG"]);
    items[0].columns.insert("district".to_owned(), by);
    let asking = session(&world, grant, &who, items).await;
    let sheet = world.enclave.ask(&who, asking, BY_DISTRICT).await.unwrap();
    assert_eq!(shown(&sheet), [["BINJIANG", there.as_str()]]);
    assert_eq!(produced(&world, grant, BY_DISTRICT).await, 1);
    let id = GrantId::from_u128(grant);
    let developing = world.enclave.open_session(&who, id, Operation::Develop).await.unwrap();
    let sample = world.enclave.sample(&who, developing, "persons").await.unwrap();
    let at = sample.columns.iter().position(|column| column == "district").unwrap();
    assert_eq!(sample.rows.len(), there.parse::<usize>().unwrap() * 5 / 100);
    assert!(
        sample.rows.iter().all(|row| ["BINJIANG", "*"].contains(&row[at].as_str())),
        "{sample:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_scope_that_leaves_one_person_out_is_compared_with_one_that_does_not() {
    let world = World::new("hangzhou").await;
    let total = "SELECT count(*) AS n FROM persons";
    let all = world.session(Operation::Ask).await;
    assert_eq!(shown(&world.enclave.ask(&analyst(), all, total).await.unwrap()), [["301"]]);
    let other = actor(5, OTHER, &["operator"]);
    let most = scoped("birth_year", &["1980", "1981", "1982"]);
    let most = session(&world, 51, &other, most).await;
    assert_eq!(rule(world.enclave.ask(&other, most, total).await), "no-differencing");
    let some = session(&world, 52, &other, scoped("birth_year", &["1980", "1981"])).await;
    assert_eq!(shown(&world.enclave.ask(&other, some, total).await.unwrap()), [["200"]]);
    world.finish().await;
}

fn born() -> (DatasetSpec, RecordBatch) {
    let fields = vec![
        field("id_no", FieldType::Text, FieldRole::Identifier),
        field("born", FieldType::Date, FieldRole::Dimension),
        field("division", FieldType::Text, FieldRole::Dimension),
    ];
    let spec = spec("births", fields, Some("id_no"));
    let all: Vec<Row> = rows(300);
    let ids: StringArray = all.iter().map(|row| Some(row.id_no.as_str())).collect();
    let days: arrow::array::Date32Array =
        (0..301).map(|n| Some(3_653 + n % 3 * 365 + n % 28)).collect();
    let divisions: StringArray = (0..301).map(|n| Some(format!("3301{:02}00", n % 9))).collect();
    let columns = vec![Arc::new(ids) as _, Arc::new(days) as _, Arc::new(divisions) as _];
    let batch = RecordBatch::try_new(spec.schema(), columns).unwrap();
    (spec, batch)
}

#[tokio::test]
async fn a_masked_column_is_seen_through_its_mask_by_all_ways() {
    let world = World::new("hangzhou").await;
    world.supply(60, 1, born()).await;
    let columns =
        [("id_no", Label::Join), ("born", Label::dimension()), ("division", Label::dimension())];
    let mut births = item("births", 60, &columns, Some("id_no"));
    births.barrier.masks = BTreeMap::from([
        ("born".to_owned(), Mask::Year),
        ("division".to_owned(), Mask::Prefix { length: 4 }),
    ]);
    let asking = session(&world, 53, &analyst(), vec![births]).await;
    let ask = async |sql: &str| world.enclave.ask(&analyst(), asking, sql).await;
    let by = "SELECT born, division, count(*) AS n FROM births GROUP BY born, division";
    let sheet = ask(by).await.unwrap();
    assert_eq!(
        shown(&sheet),
        [["1980", "3301", "101"], ["1981", "3301", "100"], ["1982", "3301", "100"]]
    );
    let year = ask("SELECT count(*) AS n FROM births WHERE born = '1980'").await.unwrap();
    assert_eq!(shown(&year), [["101"]]);
    // No day is there to be compared with.
    let day = ask("SELECT count(*) AS n FROM births WHERE born = DATE '1980-01-01'").await.unwrap();
    assert!(day.rows.is_empty());
    assert_eq!(produced(&world, 53, by).await, 3);
    let grant = GrantId::from_u128(53);
    let developing =
        world.enclave.open_session(&analyst(), grant, Operation::Develop).await.unwrap();
    let sample = world.enclave.sample(&analyst(), developing, "births").await.unwrap();
    for row in &sample.rows {
        let (born, division) = (row[0].as_str(), row[1].as_str());
        assert!(["1980", "1981", "1982", "*"].contains(&born), "{row:?}");
        assert!(["3301", "*"].contains(&division), "{row:?}");
    }
    world.finish().await;
}

async fn consent(world: &World, people: &[Row]) {
    for row in people {
        world.enclave.give_consent(&keeper(), scenario(), &row.id_no).await.unwrap();
    }
}

#[tokio::test]
async fn rows_are_there_of_those_who_consent_and_withdrawn_ones_by_no_way() {
    let world = World::new("hangzhou").await;
    let (who, grant, total) = (analyst(), 54, "SELECT count(*) AS n FROM persons");
    let asking = session(&world, grant, &who, consented()).await;
    let ask = async |sql: &str| world.enclave.ask(&who, asking, sql).await;
    assert!(ask(total).await.unwrap().rows.is_empty(), "nobody has consented");
    let all = rows(300);
    let (asked, victim) = (&all[..40], &all[300..]);
    consent(&world, asked).await;
    consent(&world, victim).await;
    // A withdrawal before anything was told of it.
    let id = world.enclave.withdraw_consent(&keeper(), scenario(), VICTIM).await.unwrap();
    assert_eq!(shown(&ask(total).await.unwrap()), [["40"]]);
    let by_year = "SELECT birth_year, count(*) AS n FROM persons GROUP BY birth_year";
    assert_eq!(produced(&world, grant, by_year).await, 3);
    let grant_id = GrantId::from_u128(grant);
    let developing = world.enclave.open_session(&who, grant_id, Operation::Develop).await.unwrap();
    let sample = world.enclave.sample(&who, developing, "persons").await.unwrap();
    let year = sample.columns.iter().position(|column| column == "birth_year").unwrap();
    assert_eq!(sample.rows.len(), 2, "five percent of forty");
    assert!(sample.rows.iter().all(|row| row[year] != "1990"), "{sample:?}");

    // What one withdrawal changes is not shown beside what was told before it; ten are.
    world.enclave.withdraw_consent(&keeper(), scenario(), &asked[0].id_no).await.unwrap();
    assert_eq!(rule(ask(total).await), "no-differencing");
    for row in &asked[1..10] {
        world.enclave.withdraw_consent(&keeper(), scenario(), &row.id_no).await.unwrap();
    }
    assert_eq!(shown(&ask(total).await.unwrap()), [["30"]]);

    // The log says that somebody consented, and not who.
    let log = world.log_of(StreamId::of::<Consent>(id)).await;
    assert_eq!(log, ["Given", "Withdrawn"]);
    let trail = shuyu_store::Trail::of(StreamId::of::<Consent>(id));
    for entry in world.desk().entries(&trail).await.unwrap() {
        let said = format!("{entry:?}");
        assert!(!said.contains(VICTIM) && !said.contains(&VICTIM[..14]), "{said}");
    }
    let again = world.enclave.withdraw_consent(&keeper(), scenario(), VICTIM).await;
    assert_eq!(rule(again), "consent-state");
    let operator = world.enclave.give_consent(&who, scenario(), VICTIM).await;
    assert_eq!(rule(operator), "not-permitted");
    world.finish().await;
}

#[tokio::test]
async fn a_withdrawal_is_seen_by_another_process() {
    let world = World::new("hangzhou").await;
    let all = rows(300);
    consent(&world, &all[..40]).await;
    let desk = world.test.second().await;
    let second = open(&world.test, desk, &world.vault, Limits::default());
    let asking = session(&world, 55, &analyst(), consented()).await;
    let total = "SELECT count(*) AS n FROM persons";
    let sheet = second.ask(&analyst(), asking, total).await.unwrap();
    assert_eq!(shown(&sheet), [["40"]]);
    for row in &all[..8] {
        world.enclave.withdraw_consent(&keeper(), scenario(), &row.id_no).await.unwrap();
    }
    let sheet = second.ask(&analyst(), asking, total).await.unwrap();
    assert_eq!(shown(&sheet), [["32"]]);
    drop(second);
    world.finish().await;
}

/// Rows that never end.
#[derive(Debug)]
struct Endless(RecordBatch);

impl PartitionStream for Endless {
    fn schema(&self) -> &SchemaRef {
        self.0.schema_ref()
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = self.0.clone();
        let batches = futures::stream::repeat_with(move || Ok(batch.clone()));
        Box::pin(RecordBatchStreamAdapter::new(self.0.schema(), batches))
    }
}

struct EndlessPersons;

#[async_trait]
impl Source for EndlessPersons {
    async fn tables(
        &self,
        items: &[Item],
    ) -> Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection> {
        let item = items[0].clone();
        let (_, batch) = support::world::persons(50);
        let table =
            StreamingTable::try_new(batch.schema(), vec![Arc::new(Endless(batch))]).unwrap();
        let version = DatasetVersion { dataset: DatasetId::from_u128(PERSONS), version: 1 };
        Ok(vec![(item, version, Arc::new(table))])
    }
}

/// Runs what never ends, withdraws a consent elsewhere, and says how long it still ran.
async fn withdrawn_while_running(world: &World, withdrawing: &Enclave, grant: u128) -> Duration {
    let asking = session(world, grant, &analyst(), consented()).await;
    let runs = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let runs = Arc::new(runs.with_source(Arc::new(EndlessPersons)));
    let ask = Arc::clone(&runs);
    let running = tokio::spawn(async move { ask.ask(&analyst(), asking, BY_DISTRICT).await });
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!running.is_finished());
    let subject = &rows(300)[usize::try_from(grant).unwrap()].id_no;
    withdrawing.withdraw_consent(&keeper(), scenario(), subject).await.unwrap();
    let begin = Instant::now();
    let ended: Result<Sheet, ActError> = running.await.unwrap();
    assert_eq!(rule(ended), "consent-stands");
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_runs_on_withdrawn_rows_ends_whoever_notes_the_withdrawal() {
    let world = World::new("hangzhou").await;
    consent(&world, &rows(300)[50..70]).await;
    // In this process it is told; another is asked every quarter of a second.
    let same = withdrawn_while_running(&world, &world.enclave, 56).await;
    let second = open(&world.test, world.test.second().await, &world.vault, Limits::default());
    let other = withdrawn_while_running(&world, &second, 57).await;
    println!("ended after {same:?} and {other:?}");
    drop(second);
    world.finish().await;
}

#[tokio::test]
async fn a_grant_names_no_barrier_that_contradicts_itself() {
    let world = World::new("hangzhou").await;
    let issue = async |change: &dyn Fn(&mut Item)| {
        let mut all = items();
        change(&mut all[0]);
        let id = world.test.ids.fresh();
        let terms = shuyu_enclave::Terms {
            agreement: shuyu_kernel::AgreementId::from_u128(21),
            scenario: scenario(),
            operator: analyst().organisation,
            items: all,
            operations: BTreeSet::from([Operation::Ask]),
            people: BTreeSet::from([analyst().person]),
            from: chrono::DateTime::UNIX_EPOCH,
            to: chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(1),
        };
        let command = shuyu_enclave::GrantCommand::Issue {
            id,
            terms: Box::new(terms),
            agreement_is_active: true,
        };
        let unit = world.desk().unit(&Actor::system());
        unit.follow::<shuyu_enclave::Grant>(id, command, &[]).await.map(drop)
    };
    let barrier = |barrier: Barrier| move |item: &mut Item| item.barrier = barrier.clone();
    let mask = |column: &str| Barrier {
        masks: BTreeMap::from([(column.to_owned(), Mask::Year)]),
        ..Barrier::default()
    };
    let empty = Barrier {
        scope: BTreeMap::from([("district".to_owned(), BTreeSet::new())]),
        ..Barrier::default()
    };
    let other = Barrier { consent: Some(ScenarioId::from_u128(99)), ..Barrier::default() };
    for wrong in [mask("income"), mask("id_no"), mask("phone"), empty, other] {
        let refused = issue(&barrier(wrong.clone())).await;
        assert_eq!(rule(refused), "grant-well-formed", "{wrong:?}");
    }
    issue(&barrier(Barrier { consent: Some(scenario()), ..Barrier::default() })).await.unwrap();
    world.finish().await;
}

/// Tables that fail when anybody reads them.
struct Untouchable;

#[derive(Debug)]
struct Untouched(SchemaRef);

#[async_trait]
impl TableProvider for Untouched {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn table_type(&self) -> datafusion::logical_expr::TableType {
        datafusion::logical_expr::TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn datafusion::catalog::Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[datafusion::logical_expr::Expr],
        _limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn datafusion::physical_plan::ExecutionPlan>> {
        panic!("data were touched")
    }
}

#[async_trait]
impl Source for Untouchable {
    async fn tables(
        &self,
        items: &[Item],
    ) -> Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection> {
        let (_, batch) = support::world::persons(1);
        let version = DatasetVersion { dataset: DatasetId::from_u128(PERSONS), version: 1 };
        Ok(vec![(items[0].clone(), version, Arc::new(Untouched(batch.schema())))])
    }
}

#[tokio::test]
async fn an_equal_question_gets_the_stored_answer() {
    let world = World::new("hangzhou").await;
    let asking = world.session(Operation::Ask).await;
    let sql = "SELECT gender, count(*) AS n FROM persons WHERE district IN ('XIHU', 'CHUNAN') \
               GROUP BY gender";
    let sheet = world.enclave.ask(&analyst(), asking, sql).await.unwrap();
    assert_eq!(sheet.rows.len(), 2);
    // Where data cannot be read, it is there all the same, in whatever words it is asked for.
    let enclave = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let enclave = enclave.with_source(Arc::new(Untouchable));
    let same = "SELECT p.gender AS gender, count(*) AS n FROM persons p \
                WHERE p.district IN ('CHUNAN', 'XIHU', 'XIHU') GROUP BY p.gender";
    assert_eq!(enclave.ask(&analyst(), asking, same).await.unwrap(), sheet);
    world.finish().await;
}

#[tokio::test]
async fn labels_and_their_derivation_are_told_without_touching_data() {
    let world = World::new("hangzhou").await;
    let mut all = items();
    all[0].facts = BTreeMap::from([(
        "income".to_owned(),
        shuyu_enclave::ColumnFacts {
            subject_key: false,
            identifier: false,
            quantity: true,
            categorical: false,
            level: 3,
        },
    )]);
    let asking = session(&world, 58, &analyst(), all).await;
    let enclave = open(&world.test, world.desk().clone(), &world.vault, Limits::default());
    let enclave = enclave.with_source(Arc::new(Untouchable));
    let sql = "SELECT t.district, avg(t.total) AS m FROM (SELECT id_no, district, \
               sum(income) AS total FROM persons GROUP BY id_no, district) t GROUP BY t.district";
    let told = enclave.explain(&analyst(), asking, sql).await.unwrap();
    assert!(!told.is_answered && told.runs_as_job);
    assert_eq!(told.objection.unwrap().rule, "ask-closed-class");
    let nodes: Vec<&str> = told.derivation.iter().map(|step| step.node.as_str()).collect();
    let expected = ["scan", "aggregate", "projection", "alias", "aggregate", "projection"];
    assert_eq!(nodes, expected);
    let column = |step: usize, name: &str| {
        let found = told.derivation[step].columns.iter().find(|column| column.name == name);
        found.map(|column| (column.role.as_str(), column.from.join(" "))).unwrap()
    };
    assert_eq!(column(0, "id_no"), ("identity", "persons.id_no".to_owned()));
    assert_eq!(column(3, "total"), ("measure", "persons.income".to_owned()));
    assert_eq!(column(5, "m"), ("free", String::new()));
    assert_eq!(told.derivation[3].protected, ["persons"]);
    assert!(told.derivation[5].protected.is_empty());
    let income = told.columns.iter().find(|column| column.column == "income").unwrap();
    let why: Vec<(Basis, &str)> = income.why.iter().map(|it| (it.by, it.what.as_str())).collect();
    assert_eq!(
        why,
        [
            (Basis::Classification, "it is a quantity"),
            (Basis::Level, "level 3; at level 4 nothing is shown"),
            (Basis::Grant, "granted as measure"),
            (Basis::Grant, "by COUNT, SUM, AVG, VAR and STDDEV"),
            (Basis::Pack, "a figure rests on 5 persons or more"),
        ]
    );
    // Nothing says how dominance is judged.
    let said = serde_json::to_string(&told.columns).unwrap();
    assert!(!said.contains("domin") && !said.contains("25"), "{said}");
    let raw = enclave.explain(&analyst(), asking, "SELECT income AS i FROM persons").await.unwrap();
    let cause = raw.job_objection.unwrap().cause;
    assert_eq!(cause.column.as_deref(), Some("persons.income"));
    assert_eq!(cause.path, ["scan", "projection", "output `i`"]);
    world.finish().await;
}
