//! What a data scientist comes for.

use std::future::pending;

use serde_json::json;
use shuyu_sandbox::{End, Form, Kind, Limits};

use crate::support::{json_output, limits, persons, program, room, table};

#[tokio::test]
async fn pandas_reads_granted_data_and_writes_an_aggregate() {
    let Some(room) = room().await else { return };
    let script = r#"
import json
import pandas as pd
import pyarrow as pa

least = json.load(open("/job/parameters.json"))["least"]
persons = pa.ipc.open_file("/in/persons.arrow").read_pandas()
table = persons.groupby("district", as_index=False).agg(
    persons=("age", "size"), income=("income", "mean"))
table = table[table.persons >= least]
table["is_large"] = table.persons > 4000
table.to_csv("/out/districts.csv", index=False)
print("read", len(persons))
"#;
    let columns = [
        ("district", Kind::Text),
        ("persons", Kind::Integer),
        ("income", Kind::Decimal),
        ("is_large", Kind::Boolean),
    ];
    let mut program = program(script, vec![table("districts", &columns)]);
    program.parameters = json!({ "least": 10 });
    let limits = Limits { memory_bytes: 1 << 30, ..limits() };

    let outcome = room.run(&program, vec![persons()], limits, pending()).await.unwrap();

    let End::Completed(made) = &outcome.end else { panic!("{outcome:?}") };
    assert_eq!(
        String::from_utf8(made[0].to_bytes()).unwrap(),
        "district,persons,income,is_large\r\n\
         east,4000,2979.8,false\r\nnorth,4000,2979.8,false\r\nwest,4000,2979.8,false\r\n"
    );
    assert_eq!(outcome.log.out, b"read 12000\n");
    assert!(!outcome.log.is_cut);
    let cost = outcome.cost;
    assert!(cost.cpu_micros > 100_000, "{cost:?}");
    assert!((30 << 20..=1 << 30).contains(&cost.peak_bytes), "{cost:?}");
    assert!(cost.wall_micros > 0, "{cost:?}");

    // The same job on the same data comes to the same.
    let again = room.run(&program, vec![persons()], limits, pending()).await.unwrap();
    assert_eq!(again.end, outcome.end);
}

#[tokio::test]
async fn scikit_learn_trains_and_leaves_coefficients_and_arrow() {
    let Some(room) = room().await else { return };
    let script = r#"
import json
import pandas as pd
import pyarrow as pa
from joblib import Parallel, delayed
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeRegressor

frame = pa.ipc.open_file("/in/persons.arrow").read_pandas().dropna()
train, test = train_test_split(frame, random_state=7)
line = LinearRegression().fit(train[["age"]], train.income)
tree = DecisionTreeRegressor(max_leaf_nodes=4).fit(train[["age"]], train.income)
halves = Parallel(n_jobs=2)(delayed(len)(part) for part in (train, test))
json.dump({"slope": line.coef_[0], "intercept": line.intercept_, "leaves": int(tree.get_n_leaves()),
           "r2": line.score(test[["age"]], test.income), "halves": sum(halves)}, open("/out/model.json", "w"))
fit = pa.table({"model": ["line", "tree"], "r2": [m.score(test[["age"]], test.income) for m in (line, tree)]})
with pa.ipc.new_file("/out/fit.arrow", fit.schema) as writer:
    writer.write_table(fit)
"#;
    let mut fit = table("fit", &[("model", Kind::Text), ("r2", Kind::Decimal)]);
    let Form::Csv { columns } = fit.form else { panic!() };
    fit.form = Form::Arrow { columns };
    let program = program(script, vec![json_output("model"), fit]);
    let limits = Limits { memory_bytes: 1 << 30, ..limits() };

    let outcome = room.run(&program, vec![persons()], limits, pending()).await.unwrap();

    let End::Completed(made) = &outcome.end else {
        panic!("{:?} {}", outcome.end, String::from_utf8_lossy(&outcome.log.err));
    };
    assert_eq!(
        String::from_utf8(made[0].to_bytes()).unwrap(),
        r#"{"halves":11880,"intercept":1000.0,"leaves":4,"r2":1.0,"slope":50.0}"#
    );
    let fit = String::from_utf8(made[1].to_bytes()).unwrap();
    assert!(fit.starts_with("model,r2\r\nline,1\r\ntree,0.9"), "{fit}");
}

#[tokio::test]
async fn the_runtime_is_known_by_its_packages() {
    let Some(room) = room().await else { return };
    let runtime = room.runtime();

    for package in ["pandas", "pyarrow", "scikit-learn"] {
        assert!(runtime.packages.contains_key(package), "{package}");
    }
    let mut other = runtime.clone();
    other.packages.insert("pandas".to_owned(), "0".to_owned());
    assert_ne!(other.digest(), runtime.digest());
}

#[tokio::test]
async fn the_guides_example_runs() {
    let Some(room) = room().await else { return };
    let columns = [
        ("district", Kind::Text),
        ("persons", Kind::Integer),
        ("income", Kind::Decimal),
        ("slope", Kind::Decimal),
        ("r2", Kind::Decimal),
    ];
    let script = include_str!("../../../../docs/guides/python-job.py");
    let mut program = program(script, vec![table("output", &columns)]);
    program.parameters = json!({ "least": 10 });
    let limits = Limits { memory_bytes: 1 << 30, ..limits() };

    let outcome = room.run(&program, vec![persons()], limits, pending()).await.unwrap();

    let End::Completed(made) = &outcome.end else {
        panic!("{:?} {}", outcome.end, String::from_utf8_lossy(&outcome.log.err));
    };
    assert_eq!(
        String::from_utf8(made[0].to_bytes()).unwrap(),
        "district,persons,income,slope,r2\r\neast,3960,2979.8,50,1\r\n\
         north,3960,2979.8,50,1\r\nwest,3960,2979.8,50,1\r\n"
    );
    assert_eq!(outcome.log.out, b"read 12000 rows, of which 120 lack a value and are left out\n");
}
