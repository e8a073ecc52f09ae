//! Real public data: what is known of it is found again. Skipped where it is absent.

use std::{collections::HashMap, path::PathBuf};

use shuyu_models::{Column, Feature, Kind, Metrics, Rules, Table, Target, Values, Verdict, train};

use crate::cases::{code, number, objections, specified, told, verdict};

/// Columns of a file by name, its records ended by `end`, the first `rows` of them.
fn read(name: &str, end: char, rows: usize) -> Option<HashMap<String, Vec<String>>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {name} is absent");
        return None;
    };
    let lines: Vec<&str> = text.split(end).map(str::trim).filter(|line| !line.is_empty()).collect();
    let header: Vec<&str> = lines[0].trim_start_matches('\u{feff}').split(',').collect();
    let mut columns: HashMap<String, Vec<String>> = HashMap::new();
    for line in lines.iter().skip(1).take(rows) {
        for (name, value) in header.iter().zip(line.split(',')) {
            columns.entry((*name).to_owned()).or_default().push(value.to_owned());
        }
    }
    Some(columns)
}

type File = HashMap<String, Vec<String>>;

fn numbers(file: &File, name: &str) -> Column {
    let values = file[name].iter().map(|value| value.parse().ok()).collect();
    Column { name: name.into(), values: Values::Numbers(values) }
}

fn codes(file: &File, name: &str) -> Column {
    let values = file[name].iter().map(|value| (value != "?").then(|| value.clone())).collect();
    Column { name: name.into(), values: Values::Codes(values) }
}

fn subjects(file: &File, name: &str) -> Vec<u64> {
    file[name].iter().map(|value| value.parse().unwrap()).collect()
}

#[test]
fn days_in_hospital_follow_medication_and_tests() {
    let Some(file) = read("medical/diabetic_data.csv", '\n', 20_000) else { return };
    let looked_at = ["num_lab_procedures", "num_procedures", "num_medications", "number_diagnoses"];
    let mut columns: Vec<Column> = looked_at.map(|name| numbers(&file, name)).to_vec();
    columns.push(codes(&file, "age"));
    columns.push(numbers(&file, "time_in_hospital"));
    let ages: Vec<String> = (0..10).map(|at| format!("[{}-{})", at * 10, at * 10 + 10)).collect();
    let ages: Vec<&str> = ages.iter().map(String::as_str).collect();
    let mut features: Vec<Feature> = looked_at.map(number).to_vec();
    features.push(code("age", &ages));
    let table = Table::new(subjects(&file, "patient_nbr"), columns).unwrap();

    let line = specified(Kind::Linear, features.clone(), told("time_in_hospital"));
    let line = train(&line, &table, &Rules::default()).unwrap();
    let Metrics::Number { r2: by_line, .. } = line.card.validation else { panic!() };
    assert!((0.2..0.4).contains(&by_line), "{by_line}");
    assert_eq!(objections(&line), []);
    let matters =
        line.card.importances.iter().max_by(|a, b| a.loss_growth.total_cmp(&b.loss_growth));
    assert_eq!(matters.unwrap().column, "num_medications");

    let kind = Kind::Trees { rounds: 30, depth: 3, rate_percent: 20, leaf_subjects: None };
    let forest = specified(kind, features, told("time_in_hospital"));
    let rules = Rules { shadow_models: 4, ..Rules::default() };
    let forest = train(&forest, &table, &rules).unwrap();
    let Metrics::Number { r2: by_trees, .. } = forest.card.validation else { panic!() };
    assert!(by_trees > by_line, "{by_trees} {by_line}");
    assert_eq!(verdict(&forest, "leaves"), Verdict::Pass);
    assert_ne!(forest.verdict(), Verdict::Fail, "{:?}", objections(&forest));
    println!("days in hospital: R² {by_line} by a line, {by_trees} by trees");
}

#[test]
fn default_on_credit_follows_late_payment() {
    let Some(file) = read("credit/taiwan_credit_card_default.csv", '\n', 12_000) else { return };
    let looked_at = ["X1", "X5", "X6", "X7", "X12", "X18"];
    let mut columns: Vec<Column> = looked_at.map(|name| numbers(&file, name)).to_vec();
    columns.push(codes(&file, "Y"));
    let features: Vec<Feature> = looked_at.map(number).to_vec();
    let table = Table::new(subjects(&file, "ID"), columns).unwrap();
    let target =
        Some(Target::Code { column: "Y".into(), positive: "1".into(), negative: "0".into() });

    let kind = Kind::Logistic { penalty_thousandths: 1000 };
    let line = specified(kind, features.clone(), target.clone());
    let line = train(&line, &table, &Rules::default()).unwrap();
    let Metrics::Code { auc: by_line, .. } = line.card.validation else { panic!() };
    assert!((0.65..0.75).contains(&by_line), "{by_line}");
    assert_eq!(verdict(&line, "membership by loss"), Verdict::Pass);
    assert_ne!(line.verdict(), Verdict::Fail, "{:?}", objections(&line));

    let kind = Kind::Trees { rounds: 30, depth: 3, rate_percent: 20, leaf_subjects: None };
    let rules = Rules { shadow_models: 4, ..Rules::default() };
    let forest = train(&specified(kind, features, target), &table, &rules).unwrap();
    let Metrics::Code { auc: by_trees, .. } = forest.card.validation else { panic!() };
    assert!(by_trees > by_line && by_trees < 0.85, "{by_trees} {by_line}");
    assert_eq!(verdict(&forest, "leaves"), Verdict::Pass);
    assert_ne!(forest.verdict(), Verdict::Fail, "{:?}", objections(&forest));
    println!("default on credit: AUC {by_line} by a line, {by_trees} by trees");
}

#[test]
fn prices_of_flats_follow_their_size() {
    let Some(file) = read("housing/beijing_housing_listings.csv", '\r', 24_000) else { return };
    let looked_at = ["Size", "Floor", "Year"];
    let mut columns: Vec<Column> = looked_at.map(|name| numbers(&file, name)).to_vec();
    columns.push(codes(&file, "Region"));
    columns.push(numbers(&file, "Price"));
    let mut regions = file["Region"].clone();
    regions.sort();
    regions.dedup();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let mut features: Vec<Feature> = looked_at.map(number).to_vec();
    features.push(code("Region", &regions));
    let table = Table::new(subjects(&file, "Id"), columns).unwrap();
    let specification = specified(Kind::Linear, features, told("Price"));
    let trained = train(&specification, &table, &Rules::default()).unwrap();
    let Metrics::Number { r2, .. } = trained.card.validation else { panic!() };
    assert!((0.5..0.85).contains(&r2), "{r2}");
    let size =
        trained.card.importances.iter().max_by(|a, b| a.loss_growth.total_cmp(&b.loss_growth));
    assert_eq!(size.unwrap().column, "Size");
    assert_ne!(trained.verdict(), Verdict::Fail, "{:?}", objections(&trained));
    println!("prices of flats: R² {r2}");
}
