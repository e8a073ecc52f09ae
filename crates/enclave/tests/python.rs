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

use std::{collections::BTreeMap, future::pending, path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray},
    datatypes::{DataType, Field, Schema},
};
use datafusion::{
    catalog::TableProvider, datasource::MemTable, execution::runtime_env::RuntimeEnv,
};
use serde_json::json;
use shuyu_enclave::{Band, DatasetVersion, Domain, Item, Label, SubjectKind};
use shuyu_kernel::{DatasetId, Id as _, ResourceId};
use shuyu_sandbox::{Column, Declared, End, Form, Kind, Limits, Outcome, Program, Room, Runtime};

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

    let refused = domain().run_program(&room, &program, Limits::default(), &SECRET, pending());

    let objection = refused.await.unwrap_err();
    assert_eq!(objection.detail, "a program makes at least one output");
}
