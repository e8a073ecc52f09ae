//! What is exported tells the same as what is served inside, in another runtime.

use std::{path::Path, process::Command};

use shuyu_models::{Kind, Model, Trained, train};

use crate::cases::{features, number, people, probes, quick, specified, told, told_code, trees};

/// A Python with onnxruntime and numpy, or nothing.
#[expect(clippy::disallowed_methods, reason = "tests have no command line")]
fn python() -> Option<String> {
    let found = std::env::var("SHUYU_TEST_PYTHON").ok();
    if found.is_none() {
        println!("skipped: SHUYU_TEST_PYTHON is not set");
    }
    found
}

fn run(python: &str, folder: &Path, trained: &Trained, rows: &[Vec<f64>]) -> Vec<f64> {
    std::fs::write(folder.join("model.onnx"), trained.to_onnx()).unwrap();
    std::fs::write(folder.join("rows.json"), serde_json::to_string(rows).unwrap()).unwrap();
    let output = Command::new(python)
        .args(["-c", include_str!("onnx.py")])
        .arg(folder)
        .output()
        .expect("SHUYU_TEST_PYTHON names a Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn all() -> Vec<(&'static str, Trained)> {
    let table = people(3000);
    let logistic = Kind::Logistic { penalty_thousandths: 100 };
    let specifications = [
        ("linear", specified(Kind::Linear, features(), told("cost"))),
        ("logistic", specified(logistic, features(), told_code("ill"))),
        ("trees of a number", specified(trees(30, 4), features(), told("cost"))),
        ("trees of a code", specified(trees(30, 4), features(), told_code("ill"))),
        ("clusters", specified(Kind::Clusters { clusters: 4 }, features(), None)),
    ];
    specifications
        .into_iter()
        .map(|(name, specification)| (name, train(&specification, &table, &quick()).unwrap()))
        .collect()
}

#[test]
fn onnx_tells_what_the_model_tells() {
    let Some(python) = python() else { return };
    for (name, trained) in all() {
        let folder = tempfile::tempdir().unwrap();
        let rows = probes(&trained.model, 500);
        let told = run(&python, folder.path(), &trained, &rows);
        assert_eq!(told.len(), rows.len(), "{name}");
        for (row, told) in rows.iter().zip(told) {
            let ours = trained.model.predict(row);
            assert!((told - ours).abs() <= 1e-5 * ours.abs().max(1.0), "{name}: {told} {ours}");
        }
    }
}

#[test]
fn a_forest_without_a_split_is_still_a_model() {
    let Some(python) = python() else { return };
    // A column of noise, and a target that has nothing to do with it but by chance: one leaf.
    let table = people(60);
    let rules = shuyu_models::Rules { least_subjects: 18, ..quick() };
    let specification = specified(trees(1, 1), vec![number("age")], told("cost"));
    let trained = train(&specification, &table, &rules);
    let Ok(trained) = trained else { panic!("{trained:?}") };
    let folder = tempfile::tempdir().unwrap();
    let rows = probes(&trained.model, 5);
    let told = run(&python, folder.path(), &trained, &rows);
    assert!((told[0] - trained.model.predict(&rows[0])).abs() < 1e-3);
}

#[test]
fn json_is_read_back_as_the_same_model() {
    for (name, trained) in all() {
        let json = trained.to_json().unwrap();
        let read: Model = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, trained.model, "{name}");
    }
}
