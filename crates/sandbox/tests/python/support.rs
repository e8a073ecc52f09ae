//! Rooms, programs and what there is of them on the host.

use std::{fs, future::pending, path::PathBuf, sync::Arc};

use arrow::{
    array::{Float64Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde_json::{Value, json};
use shuyu_sandbox::{
    Column, Content, Declared, End, Form, Input, Kind, Limits, Outcome, Program, Room, Runtime,
};

/// The interpreter that `SHUYU_TEST_PYTHON` names.
#[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
pub fn python() -> Option<PathBuf> {
    let named = std::env::var("SHUYU_TEST_PYTHON").ok().filter(|it| !it.is_empty());
    if named.is_none() {
        println!("skipped: SHUYU_TEST_PYTHON is not set");
    }
    named.map(PathBuf::from)
}

/// A room, unless this host cannot have one.
pub async fn room() -> Option<Room> {
    let runtime = match Runtime::discover(&python()?) {
        Ok(runtime) => Room::open(runtime).await,
        Err(unfit) => Err(unfit),
    };
    match runtime {
        Ok(room) => Some(room),
        Err(unfit) => {
            println!("skipped: {unfit}");
            None
        }
    }
}

/// Little, and enough for Python.
pub fn limits() -> Limits {
    Limits { memory_bytes: 512 << 20, output_bytes: 1 << 20, ..Limits::default() }
}

pub fn json_output(name: &str) -> Declared {
    Declared { name: name.to_owned(), form: Form::Json }
}

pub fn table(name: &str, columns: &[(&str, Kind)]) -> Declared {
    let columns =
        columns.iter().map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind });
    Declared { name: name.to_owned(), form: Form::Csv { columns: columns.collect() } }
}

pub fn program(script: &str, outputs: Vec<Declared>) -> Program {
    Program { script: script.to_owned(), parameters: json!({}), outputs }
}

/// Runs a program that makes one document, `said`.
pub async fn said(room: &Room, script: &str, limits: Limits) -> Outcome {
    let program = program(script, vec![json_output("said")]);
    room.run(&program, Vec::new(), limits, pending()).await.expect("the host can run it")
}

/// The one document of an outcome.
pub fn document(outcome: &Outcome) -> Value {
    let End::Completed(made) = &outcome.end else {
        panic!("{:?} {}", outcome.end, String::from_utf8_lossy(&outcome.log.err));
    };
    let [one] = made.as_slice() else { panic!("{made:?}") };
    let Content::Document(document) = &one.content else { panic!("{one:?}") };
    document.value().clone()
}

/// Twelve thousand persons: three districts by turns, an age, and an income that grows with it.
pub fn persons() -> Input {
    let schema = Arc::new(Schema::new(vec![
        Field::new("district", DataType::Utf8, false),
        Field::new("age", DataType::Int64, false),
        Field::new("income", DataType::Float64, true),
    ]));
    let of = Arc::clone(&schema);
    let rows = (0..12_i64).map(move |batch| {
        let range = batch * 1_000..(batch + 1) * 1_000;
        let district: Vec<&str> = range
            .clone()
            .map(|it| ["east", "north", "west"][usize::try_from(it % 3).unwrap()])
            .collect();
        let age: Vec<i64> = range.clone().map(|it| 20 + it % 40).collect();
        let income: Vec<Option<f64>> = age
            .iter()
            .zip(range)
            .map(|(age, it)| {
                let age = f64::from(i32::try_from(*age).unwrap());
                (it % 100 != 0).then_some(1_000.0 + 50.0 * age)
            })
            .collect();
        RecordBatch::try_new(
            Arc::clone(&of),
            vec![
                Arc::new(StringArray::from(district)),
                Arc::new(Int64Array::from(age)),
                Arc::new(Float64Array::from(income)),
            ],
        )
    });
    Input { name: "persons".to_owned(), schema, rows: Box::new(rows) }
}

/// A word that stands nowhere else on the host.
pub fn marker(name: &str) -> String {
    format!("marker-{name}-{}", std::process::id())
}

/// The processes of the host whose command line has a word.
pub fn processes_with(word: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|it| it.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(word)
        })
        .collect()
}
