//! The files of a city, read back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};
use proptest::prelude::*;
use shuyu_generate::{
    DatasetField, Encoding, FileManifest, Flaw, MAX_PERSONS, Manifest, Plan, Table, generate,
    generate_showing, write_table,
};
use shuyu_kernel::{ContentHash, identifier};

fn plan(persons: u64, seed: u64) -> Plan {
    Plan { persons, seed, start: NaiveDate::from_ymd_opt(2025, 1, 1).unwrap() }
}

fn written(plan: &Plan, table: Table) -> (FileManifest, Vec<u8>) {
    let mut bytes = Vec::new();
    let manifest = write_table(plan, table, &mut bytes).unwrap();
    assert_eq!(manifest.bytes, bytes.len() as u64);
    (manifest, bytes)
}

fn text(encoding: Encoding, bytes: &[u8]) -> String {
    let text = match encoding {
        Encoding::Utf8 => std::str::from_utf8(bytes).unwrap().to_owned(),
        Encoding::Utf8Bom => {
            std::str::from_utf8(bytes).unwrap().strip_prefix('\u{feff}').unwrap().to_owned()
        }
        Encoding::Gbk => {
            assert!(std::str::from_utf8(bytes).is_err());
            let (text, _, malformed) = encoding_rs::GBK.decode(bytes);
            assert!(!malformed);
            text.into_owned()
        }
    };
    // What GBK lacks would have been written as a character reference.
    assert!(!text.contains("&#"));
    text
}

/// The records of a CSV text, each with the line on which it begins.
fn records(text: &str) -> Vec<(u64, Vec<String>)> {
    let (mut records, mut cells, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begun, mut is_quoted) = (1, 1, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if is_quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' => {
                line += 1;
                if is_quoted {
                    cell.push(c);
                } else {
                    cells.push(std::mem::take(&mut cell));
                    records.push((begun, std::mem::take(&mut cells)));
                    begun = line;
                }
            }
            _ => cell.push(c),
        }
    }
    assert!(cells.is_empty() && cell.is_empty() && !is_quoted);
    records
}

/// Whether a cell is what its column is declared to hold.
fn fits(field: &DatasetField, cell: &str) -> bool {
    let bytes = cell.as_bytes();
    if cell.is_empty() {
        return !field.required;
    }
    match field.kind {
        "text" => true,
        "integer" => cell.parse::<i64>().is_ok(),
        "decimal" => cell
            .split_once('.')
            .is_some_and(|(whole, part)| whole.parse::<u64>().is_ok() && part.len() == 2),
        "date" => cell.parse::<NaiveDate>().is_ok(),
        "timestamp" => NaiveDateTime::parse_from_str(cell, "%Y-%m-%d %H:%M:%S").is_ok(),
        "boolean" => cell.parse::<bool>().is_ok(),
        "resident_id" => identifier::is_resident_id(bytes),
        "credit_code" => identifier::is_credit_code(bytes),
        "registration_number" => identifier::is_registration_number(bytes),
        "mobile" => identifier::is_mobile(bytes),
        "division" => identifier::is_division_code(bytes),
        other => panic!("{other} is not a type"),
    }
}

/// The rows that fit the declaration, after a check that the others are those listed.
fn clean(plan: &Plan, table: Table) -> Vec<Vec<String>> {
    let (manifest, bytes) = written(plan, table);
    let fields = table.dataset().fields;
    let mut records = records(&text(manifest.encoding, &bytes)).into_iter();
    let header: Vec<_> = fields.iter().map(|field| field.name.to_owned()).collect();
    assert_eq!(records.next(), Some((1, header)));
    let (mut clean, mut dirty, mut rows) = (Vec::new(), Vec::new(), 0);
    for (line, cells) in records {
        rows += 1;
        let is_clean = cells.len() == fields.len()
            && fields.iter().zip(&cells).all(|(field, cell)| fits(field, cell));
        if is_clean {
            assert_eq!(cells.last().unwrap(), "SYNTHETIC");
            clean.push(cells);
        } else {
            dirty.push((line, rows));
        }
    }
    assert_eq!(rows, manifest.rows);
    let listed: Vec<_> = manifest.dirty.iter().map(|dirty| (dirty.line, dirty.row)).collect();
    assert_eq!(dirty, listed, "{table:?}");
    clean
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn exactly_the_listed_rows_break_the_declaration(persons in 0_u64..1500, seed in any::<u64>()) {
        for table in Table::ALL {
            clean(&plan(persons, seed), table);
        }
    }

    #[test]
    fn every_hundredth_row_or_so_is_dirty(persons in 0_u64..3000, seed in any::<u64>()) {
        let (manifest, _) = written(&plan(persons, seed), Table::Persons);
        let dirty = manifest.dirty.len() as u64;
        prop_assert!(dirty == persons / 100 || dirty == persons.div_ceil(100));
    }
}

#[test]
fn every_flaw_occurs_somewhere() {
    let mut seen = BTreeSet::new();
    for table in Table::ALL {
        let (manifest, _) = written(&plan(4000, 3), table);
        seen.extend(manifest.dirty.iter().map(|dirty| dirty.flaw));
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [
            Flaw::WrongCheck,
            Flaw::ImpossibleDate,
            Flaw::ImpossibleBirth,
            Flaw::MissingCell,
            Flaw::WrongType,
            Flaw::ShortMobile,
            Flaw::LandLine,
            Flaw::UnknownDivision,
            Flaw::ColumnLost,
            Flaw::ColumnShifted,
            Flaw::ColumnAdded,
        ]
    );
}

#[test]
fn tables_refer_to_one_another() {
    let plan = plan(3000, 11);
    let column = |table: Table, name: &str| -> Vec<String> {
        let place = table.dataset().fields.iter().position(|field| field.name == name).unwrap();
        clean(&plan, table).into_iter().map(|mut row| row.swap_remove(place)).collect()
    };
    let distinct = |table, name| column(table, name).into_iter().collect::<BTreeSet<_>>();

    // What a reference names may stand in a dirty row, which is one of a hundred.
    let check = |from: BTreeSet<String>, to: BTreeSet<String>| {
        let missing = from.difference(&to).count();
        assert!(missing * 50 <= from.len(), "{missing} of {}", from.len());
    };
    let persons = distinct(Table::Persons, "id_number");
    let enterprises = distinct(Table::Enterprises, "credit_code");
    assert_eq!(persons.len(), column(Table::Persons, "id_number").len());
    assert_eq!(enterprises.len(), column(Table::Enterprises, "credit_code").len());
    check(distinct(Table::SocialInsurance, "id_number"), persons.clone());
    check(distinct(Table::ClinicVisits, "id_number"), persons);
    check(distinct(Table::SocialInsurance, "credit_code"), enterprises.clone());
    check(distinct(Table::Tax, "credit_code"), enterprises);
    let districts = distinct(Table::Districts, "division");
    for table in [Table::Persons, Table::Enterprises, Table::Tax, Table::ClinicVisits] {
        assert!(distinct(table, "division").is_subset(&districts));
    }
}

#[test]
fn there_are_small_cells_a_heavy_tail_and_a_dominant_taxpayer() {
    let plan = plan(20_000, 5);
    let count = |table: Table, place: usize| {
        let mut counts = BTreeMap::new();
        for mut row in clean(&plan, table) {
            *counts.entry(row.swap_remove(place)).or_insert(0_u64) += 1;
        }
        counts
    };
    let diagnoses = count(Table::ClinicVisits, 6);
    assert!(diagnoses.values().any(|count| *count < 10), "{diagnoses:?}");
    assert!(diagnoses.values().any(|count| *count > 2000), "{diagnoses:?}");
    let homes = count(Table::Persons, 4);
    assert!(homes["339823"] < 120 && homes["339802"] > 4000, "{homes:?}");

    let mut incomes: Vec<f64> =
        clean(&plan, Table::Persons).iter().map(|row| row[9].parse().unwrap()).collect();
    incomes.retain(|income| *income > 0.0);
    incomes.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(incomes.len()).unwrap());
    let (median, mean) = (incomes[incomes.len() / 2], incomes.iter().sum::<f64>() / count);
    assert!((55_000.0..65_000.0).contains(&median), "{median}");
    assert!(mean > median * 1.15, "{mean}");

    for seed in 0..20 {
        let plan = Plan { persons: 2000 + seed * 900, seed, ..plan };
        let mut paid = BTreeMap::new();
        for row in clean(&plan, Table::Tax).into_iter().filter(|row| row[3] == "C26") {
            *paid.entry(row[0].clone()).or_insert(0.0) += row[5].parse::<f64>().unwrap();
        }
        let (all, most) = (paid.values().sum::<f64>(), paid.values().copied().fold(0.0, f64::max));
        assert!(paid.len() > 1 && most > all * 0.5 && most < all, "{most} of {all}");
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_others() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let manifest = generate(&plan(500, 1), one.path()).unwrap();
    let mut shown = Vec::new();
    let folder = two.path().join("new/folder");
    let again = generate_showing(&plan(500, 1), &folder, |file| shown.push(file.clone())).unwrap();
    assert_eq!((&again, &shown), (&manifest, &manifest.files));
    let read = |dir: &std::path::Path, file: &str| std::fs::read(dir.join(file)).unwrap();
    let mut files: Vec<_> = Table::ALL.iter().map(|table| table.file()).collect();
    files.extend(["datasets.toml", "dirty.json"]);
    assert_eq!(std::fs::read_dir(one.path()).unwrap().count(), files.len());
    for file in files {
        assert_eq!(read(one.path(), file), read(&folder, file), "{file}");
    }
    let listed: Manifest = serde_json::from_slice(&read(one.path(), "dirty.json")).unwrap();
    assert_eq!(listed, manifest);
    assert_eq!(listed.file(Table::Tax).unwrap().file, "tax.csv");
    let other = written(&plan(500, 2), Table::Persons).1;
    assert_ne!(other, read(one.path(), "persons.csv"));
}

#[test]
fn the_bytes_do_not_change_with_the_machine_or_the_version() {
    let digest = |table| ContentHash::of(&written(&plan(500, 1), table).1).short();
    assert_eq!(
        Table::ALL.map(digest),
        ["1de00d35", "3bcb57bd", "be9e4f73", "3e91373d", "e4fbfa77", "b1f1f170"]
    );
}

#[test]
fn the_declarations_are_those_of_the_files() {
    let declared: toml::Table = shuyu_generate::declarations().unwrap().parse().unwrap();
    let datasets = declared["dataset"].as_array().unwrap();
    assert_eq!(datasets.len(), Table::ALL.len());
    for (dataset, table) in datasets.iter().zip(Table::ALL) {
        assert_eq!(dataset["file"].as_str(), Some(table.file()));
        let fields = dataset["field"].as_array().unwrap();
        let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let (_, bytes) = written(&plan(1, 1), table);
        let header = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap());
        assert_eq!(header.trim_start_matches('\u{feff}').trim_end(), names.join(","));
        if let Some(key) = dataset.get("subject_key") {
            assert!(names.contains(&key.as_str().unwrap()));
        }
    }
}

#[test]
fn the_peculiar_files_are_peculiar() {
    let plan = plan(2000, 1);
    let (_, bytes) = written(&plan, Table::SocialInsurance);
    assert!(bytes.starts_with(b"\xef\xbb\xbfid_number,") && bytes.ends_with(b"SYNTHETIC\r\n"));
    let rows = clean(&plan, Table::Enterprises);
    assert!(rows.iter().any(|row| row[9].contains('\n') && row[9].contains('"')));
    assert!(rows.iter().any(|row| row[9].contains(',') && !row[9].contains('\n')));
    assert!(rows.iter().any(|row| row[2].is_empty()));
}

#[test]
fn what_identity_numbers_cannot_express_is_refused() {
    let start = |year| NaiveDate::from_ymd_opt(year, 6, 1).unwrap();
    for plan in [
        plan(MAX_PERSONS + 1, 1),
        Plan { start: start(1899), ..plan(1, 1) },
        Plan { start: start(2200), ..plan(1, 1) },
    ] {
        let error = write_table(&plan, Table::Districts, Vec::new()).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    for year in [1900, 2199] {
        clean(&Plan { start: start(year), ..plan(300, 1) }, Table::Persons);
    }
}
