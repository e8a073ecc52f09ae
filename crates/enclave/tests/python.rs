//! A program in Python on granted tables: it reads what a query could read, and nothing leaves
//! but what was declared.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::{collections::BTreeMap, future::pending, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray},
    datatypes::{Field, Schema},
};
use datafusion::{
    catalog::TableProvider, datasource::MemTable, execution::runtime_env::RuntimeEnv,
};
use serde_json::json;
use shuyu_enclave::{
    Band, Barrier, DatasetVersion, Domain, Item, Label, Program as Job, Python, SubjectKind,
    Submission,
};
use shuyu_kernel::{DatasetId, Id as _, ResourceId};
use shuyu_sandbox::{Column, Declared, End, Form, Kind, Limits, Outcome, Program, Room, Runtime};
use support::world::{VICTIMS_INCOME, World, analyst, reviewer, rule};

const SECRET: [u8; 32] = [7; 32];

/// A room, unless this host cannot have one.
async fn room() -> Option<Room> {
    #[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
    let Some(python) = std::env::var("SHUYU_TEST_PYTHON").ok().filter(|it| !it.is_empty()) else {
        println!("skipped: SHUYU_TEST_PYTHON is not set");
        return None;
    };
    let opened = match Runtime::discover(Path::new(&python)) {
        Ok(runtime) => Room::open(runtime).await,
        Err(unfit) => Err(unfit),
    };
    opened.map_err(|unfit| println!("skipped: {unfit}")).ok()
}

fn number(person: usize) -> String {
    format!("33010619900101{person:04}")
}

fn table(
    number: u128,
    name: &str,
    columns: Vec<(&str, ArrayRef, Label)>,
) -> (Item, DatasetVersion, Arc<dyn TableProvider>) {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array, _)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.iter().map(|(_, array, _)| Arc::clone(array)).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    // Several batches in several partitions.
    let batches = (0..4).map(|it| vec![batch.slice(it * 100, 100)]).collect();
    let item = Item {
        resource: ResourceId::from_u128(number),
        dataset: DatasetId::from_u128(number),
        table: name.to_owned(),
        columns: columns.into_iter().map(|(name, _, label)| (name.to_owned(), label)).collect(),
        subject_key: Some("id_no".to_owned()),
        subject_kind: Some(SubjectKind::Person),
        facts: BTreeMap::new(),
        barrier: Barrier::default(),
    };
    let version = DatasetVersion { dataset: item.dataset, version: 1 };
    (item, version, Arc::new(MemTable::try_new(schema, batches).unwrap()))
}

/// Four hundred persons, and what they were paid: of every other one.
fn domain() -> Domain {
    let persons = 0..400;
    let ids = StringArray::from_iter_values(persons.clone().map(number));
    let names = StringArray::from_iter_values(persons.clone().map(|it| format!("name {it}")));
    let years = Int64Array::from_iter_values((0..400).map(|it| 1950 + it % 50));
    let districts = StringViewArray::from_iter_values(
        persons.clone().map(|it| ["a district of a long name", "another"][it % 2]),
    );
    let bands = vec![
        Band { label: "older".into(), from: None, below: Some("1975".into()) },
        Band { label: "younger".into(), from: Some("1975".into()), below: None },
    ];
    let paid = StringViewArray::from_iter_values(persons.map(|it| number(it / 2 * 2)));
    let amounts = Int64Array::from_iter_values((0..400).map(|it| it * 10));
    let banded = Label::Dimension { codes: Vec::new(), bands };
    let tables = vec![
        table(
            1,
            "persons",
            vec![
                ("id_no", Arc::new(ids), Label::Join),
                ("name", Arc::new(names), Label::Blocked),
                ("birth_year", Arc::new(years), banded),
                ("district", Arc::new(districts), Label::dimension()),
            ],
        ),
        table(
            2,
            "payments",
            vec![
                ("id_no", Arc::new(paid), Label::Join),
                ("amount", Arc::new(amounts), Label::measure()),
            ],
        ),
    ];
    Domain::new(Arc::new(RuntimeEnv::default()), tables).unwrap()
}

async fn run(room: &Room, script: &str, columns: &[(&str, Kind)]) -> Outcome {
    let columns =
        columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
    let form = Form::Csv { columns: columns.collect() };
    let program = Program {
        script: script.to_owned(),
        parameters: json!({}),
        outputs: vec![Declared { name: "output".to_owned(), form }],
    };
    let limits = Limits { memory_bytes: 1 << 30, ..Limits::default() };
    domain().run_program(room, &program, limits, &SECRET, pending()).await.unwrap()
}

fn text(outcome: &Outcome) -> String {
    let End::Completed(made) = &outcome.end else { panic!("{}", outcome.report()) };
    String::from_utf8(made[0].to_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_what_a_query_could_read_and_joins_by_pseudonyms() {
    let Some(room) = room().await else { return };
    let script = r#"
import os
import pyarrow as pa

read = lambda name: pa.ipc.open_file(f"/in/{name}.arrow").read_pandas()
persons, payments = read("persons"), read("payments")
print(sorted(os.listdir("/in")), list(persons), list(payments), len(persons), len(payments))
print(persons.id_no[0], len(persons.id_no.unique()), len(payments.id_no.unique()))
joined = payments.merge(persons, on="id_no")
table = joined.groupby(["district", "birth_year"], as_index=False).agg(
    persons=("id_no", "nunique"), amount=("amount", "sum"))
table.to_csv("/out/output.csv", index=False)
"#;
    let columns = [
        ("district", Kind::Text),
        ("birth_year", Kind::Text),
        ("persons", Kind::Integer),
        ("amount", Kind::Integer),
    ];

    let outcome = run(&room, script, &columns).await;

    let expected = expected_figures();
    let lines: Vec<String> = expected
        .iter()
        .map(|(band, (persons, amount))| {
            format!("a district of a long name,{band},{persons},{amount}\r\n")
        })
        .collect();
    assert_eq!(text(&outcome), format!("district,birth_year,persons,amount\r\n{}", lines.concat()));
    let log = String::from_utf8(outcome.log.out).unwrap();
    let (seen, pseudonyms) = log.split_once('\n').unwrap();
    assert_eq!(
        seen,
        "['payments.arrow', 'persons.arrow'] ['birth_year', 'district', 'id_no'] \
         ['amount', 'id_no'] 400 400"
    );
    let (one, counts) = pseudonyms.trim().split_once(' ').unwrap();
    assert_eq!(counts, "400 200");
    assert!(one.len() == 32 && one.chars().all(|it| it.is_ascii_hexdigit()), "{one}");
    // Nothing of an identifier or a blocked column is anywhere.
    assert!(!log.contains("330106") && !log.contains("name 0"), "{log}");
}

/// By band of the year of birth: how many were paid, and how much.
fn expected_figures() -> BTreeMap<&'static str, (usize, i64)> {
    let mut figures: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for person in (0..400_i64).step_by(2) {
        let band = if 1950 + person % 50 < 1975 { "older" } else { "younger" };
        let entry = figures.entry(band).or_default();
        entry.0 += 1;
        entry.1 += person * 10 + (person + 1) * 10;
    }
    figures
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_one_order() {
    let Some(room) = room().await else { return };
    let script = r#"
import hashlib
import pyarrow as pa
table = pa.ipc.open_file("/in/persons.arrow").read_all()
digest = hashlib.sha256(repr(table.to_pydict()).encode()).hexdigest()
open("/out/output.csv", "w").write(f"digest\n{digest}\n")
"#;
    let columns = [("digest", Kind::Text)];

    let first = text(&run(&room, script, &columns).await);

    assert_eq!(text(&run(&room, script, &columns).await), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_rows_do_not_fit_into_what_was_declared() {
    let Some(room) = room().await else { return };
    let script = r#"
import pyarrow as pa
pa.ipc.open_file("/in/persons.arrow").read_pandas().to_csv("/out/output.csv", index=False)
"#;

    let outcome = run(&room, script, &[("district", Kind::Text), ("n", Kind::Integer)]).await;

    assert_eq!(
        outcome.report()["ended"],
        "an output is not what was declared: the columns of `output` are not those declared"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_well_formed_is_refused_before_it_runs() {
    let Some(room) = room().await else { return };
    let program = Program { script: String::new(), parameters: json!({}), outputs: Vec::new() };

    let domain = domain();
    let refused = domain.run_program(&room, &program, Limits::default(), &SECRET, pending());

    let objection = refused.await.unwrap_err();
    assert_eq!(objection.detail, "a program makes at least one output");
}

/// As the operator submits it: figures by district of those persons who are many.
fn submission(script: &str, seconds: u32) -> Submission {
    let columns = [("district", Kind::Text), ("n", Kind::Integer), ("income", Kind::Decimal)]
        .map(|(name, kind)| Column { name: name.to_owned(), kind });
    let python = Python {
        script: script.to_owned(),
        parameters: json!({ "least": 10 }),
        columns: columns.to_vec(),
        seconds,
        runtime: None,
    };
    Submission { program: Job::Python(Box::new(python)), ..Submission::sql("", "statistics") }
}

const BY_DISTRICT: &str = r#"
import json
import pyarrow as pa
least = json.load(open("/job/parameters.json"))["least"]
persons = pa.ipc.open_file("/in/persons.arrow").read_pandas()
table = persons.groupby("district", as_index=False).agg(n=("id_no", "nunique"), income=("income", "mean"))
table[table.n >= least].to_csv("/out/output.csv", index=False)
print(persons.id_no[0], persons.income.max())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn where_the_host_cannot_hold_it_python_is_refused() {
    let world = World::new("hangzhou").await;

    let refused = world.enclave.submit_job(&analyst(), world.grant, &submission("", 1)).await;

    assert_eq!(rule(refused), "foreign-code");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_python_lies_in_quarantine_with_its_report() {
    let Some(room) = room().await else { return };
    let world = World::new("hangzhou").await;
    let world = World { enclave: world.enclave.with_python(room), ..world };
    let made = run_job(&world, BY_DISTRICT).await;
    let failed = run_job(&world, "raise ValueError('nothing is told of this')").await;

    // To its author, what succeeded and what failed are the same.
    for job in [&made, &failed] {
        assert_eq!(job.status.name(), "succeeded");
        assert_eq!(job.cost.cpu_seconds, 20);
    }
    assert_eq!(made.cost.bytes_scanned, failed.cost.bytes_scanned);
    let inspect = async |job: &shuyu_enclave::Job| {
        let release = world
            .enclave
            .request_release(&analyst(), job.id, "statistics", "data_package")
            .await
            .unwrap();
        let output = world.enclave.inspect(&reviewer(41), release).await.unwrap();
        let report = world.enclave.report(&reviewer(41), release).await.unwrap().unwrap();
        assert_eq!(rule(world.enclave.report(&analyst(), release).await), "not-permitted");
        let record = world.enclave.findings(&reviewer(41), release).await.unwrap();
        let checked = record.findings.into_iter().find(|it| it.check == "minimum-subjects");
        assert_eq!(checked.unwrap().verdict, shuyu_enclave::Verdict::Review);
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        (String::from_utf8(output).unwrap(), report)
    };
    let (output, report) = inspect(&made).await;
    assert!(output.starts_with("district,n,income\r\n"), "{output}");
    let counted: usize = output
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(counted, 301, "{output}");
    assert_eq!(report["ended"], "it made what it was to make");
    let said = report["out"].as_str().unwrap();
    assert!(said.trim_end().ends_with(VICTIMS_INCOME) && !said.contains("330106"), "{said}");
    let (output, report) = inspect(&failed).await;
    assert_eq!(output, "district,n,income\r\n");
    assert_eq!(report["ended"], "it ended with status 1");
    assert!(report["err"].as_str().unwrap().contains("nothing is told of this"));
    world.finish().await;
}

async fn run_job(world: &World, script: &str) -> shuyu_enclave::Job {
    let submission = submission(script, 20);
    let id = world.enclave.submit_job(&analyst(), world.grant, &submission).await.unwrap();
    world.enclave.run_job(&analyst(), id).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_run_is_refused_when_it_is_submitted() {
    let Some(room) = room().await else { return };
    let world = World::new("hangzhou").await;
    let world = World { enclave: world.enclave.with_python(room), ..world };
    let mut unnamed = submission("", 10);
    if let Job::Python(python) = &mut unnamed.program {
        python.columns[0].name = "../etc/passwd".to_owned();
    }
    for (submission, expected) in [
        (submission("", 0), "job-limits"),
        (submission("", 3_600), "job-limits"),
        (unnamed, "understood-only"),
    ] {
        let refused = world.enclave.submit_job(&analyst(), world.grant, &submission).await;
        assert_eq!(rule(refused), expected);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_a_program_at_once() {
    let Some(room) = room().await else { return };
    let world = World::new("hangzhou").await;
    let world = Arc::new(World { enclave: world.enclave.with_python(room), ..world });
    let mark = format!("marker-cut-{}", std::process::id());
    let script = format!(
        "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'])"
    );
    let submission = submission(&script, 900);
    let id = world.enclave.submit_job(&analyst(), world.grant, &submission).await.unwrap();
    let running = Arc::clone(&world);
    let run = tokio::spawn(async move { running.enclave.run_job(&analyst(), id).await });
    until(|| processes_with(&mark) == 1).await;

    world.enclave.cancel_job(&analyst(), id, "no longer wanted").await.unwrap();

    assert!(run.await.unwrap().is_err());
    until(|| processes_with(&mark) == 0).await;
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it did not come about");
}

/// How many processes of the host have a word on their command line.
fn processes_with(word: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let has = |it: &std::fs::DirEntry| {
        let line = std::fs::read(it.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(word)
    };
    entries.filter(has).count()
}
