//! Files as they really come: generated ones with known faults, and real ones.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, fs::File, io::Cursor, path::PathBuf, sync::Arc};

use shuyu_generate::{Plan, generate};
use shuyu_kernel::{DatasetId, Id, SystemClock, SystemEntropy};
use shuyu_vault::{DatasetSpec, FieldType, Ingested, Part, Vault, parse_specs, propose};

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().expect("a directory");
    let vault =
        Vault::local(dir.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).expect("a vault");
    (dir, vault)
}

async fn ingest(vault: &Vault, spec: &DatasetSpec, path: PathBuf) -> Ingested {
    let file = File::open(&path).expect("the file");
    vault.ingest(DatasetId::from_u128(1), 1, spec, file).await.expect("is taken in")
}

async fn quarantine(vault: &Vault, ingested: &Ingested) -> String {
    let bytes = vault.open_part(&ingested.manifest, Part::Quarantine).await.expect("quarantine");
    String::from_utf8(bytes).expect("text")
}

/// The lines that a quarantine names.
fn lines(quarantine: &str) -> Vec<u64> {
    let mut reader = quarantine.split("\r\n").skip(1).filter(|line| !line.is_empty());
    let mut lines = Vec::new();
    // A refused record may itself have several lines; each entry begins with its number.
    for line in &mut reader {
        if let Some(Ok(number)) = line.split(',').next().map(str::parse) {
            lines.push(number);
        }
    }
    lines
}

/// A real file, or nothing where the folder of real data is absent.
fn real(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {name} is not there");
        return None;
    }
    Some(path)
}

#[tokio::test]
async fn exactly_the_rows_that_were_made_wrong_are_refused_with_their_lines() {
    let dir = tempfile::tempdir().expect("a directory");
    let start = "2024-01-01".parse().expect("a day");
    let made = generate(&Plan { persons: 3_000, seed: 7, start }, dir.path()).expect("generated");
    let declared = std::fs::read_to_string(dir.path().join("datasets.toml")).expect("declared");
    for spec in parse_specs(&declared).expect("parses") {
        let (_keep, vault) = vault();
        let ingested = ingest(&vault, &spec, dir.path().join(&spec.file)).await;
        let file = made.files.iter().find(|file| file.file == spec.file).expect("made");
        let mut expected: Vec<u64> = file.dirty.iter().map(|row| row.line).collect();
        expected.sort_unstable();
        let refused = match ingested.manifest.quarantined {
            0 => Vec::new(),
            _ => lines(&quarantine(&vault, &ingested).await),
        };
        assert_eq!(refused, expected, "{}", spec.file);
        assert_eq!(
            ingested.manifest.rows + ingested.manifest.quarantined,
            file.rows,
            "{}",
            spec.file
        );
        assert_eq!(ingested.quality.records, file.rows, "{}", spec.file);
    }
}

#[tokio::test]
async fn the_same_file_gives_the_same_figures_and_nothing_of_it_lies_in_clear() {
    let spec = parse_specs(
        "[[dataset]]\nfile='a.csv'\nname='a'\ntitle={zh='a',en='a'}\n[[dataset.field]]\nname='note'\ntype='text'\nrole='text'\n[[dataset.field]]\nname='n'\ntype='integer'\nrole='measure'\n",
    )
    .expect("parses")
    .remove(0);
    let text = "note,n\nCANARY-7731,1\nCANARY-7732,x\n";
    let (dir, vault) = vault();
    let ingested = vault
        .ingest(DatasetId::from_u128(1), 1, &spec, Cursor::new(text))
        .await
        .expect("is taken in");
    assert_eq!((ingested.manifest.rows, ingested.manifest.quarantined), (1, 1));
    assert_eq!(
        quarantine(&vault, &ingested).await,
        "line,column,rule,record\r\n3,\"n\",integer,\"CANARY-7732,x\"\r\n"
    );
    for entry in walk(dir.path()) {
        let bytes = std::fs::read(&entry).expect("reads");
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"), "{}", entry.display());
    }
}

fn walk(dir: &std::path::Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn real_files_are_read_to_the_record() {
    // File, records, delimiter, encoding, header.
    let expected = [
        ("transport/kunming_bus_stops_gbk.csv", 2_184, ',', "gb18030", true),
        ("transport/kunming_bus_edges_gbk.csv", 4_087, ',', "gb18030", true),
        ("transport/kunming_bus_line_stops_utf8bom.csv", 7_254, ',', "UTF-8", true),
        ("transport/hangzhou_bus_stops.csv", 5_589, ';', "UTF-8", false),
        ("housing/beijing_housing_listings.csv", 23_677, ',', "UTF-8", true),
        ("population/adult.csv", 30_162, ';', "UTF-8", true),
        ("population/adult_raw_noheader.csv", 32_561, ',', "UTF-8", false),
        ("medical/diabetic_data.csv", 101_766, ',', "UTF-8", true),
        ("credit/taiwan_credit_card_default.csv", 30_000, ',', "UTF-8", true),
        ("enterprise/enterprise_2004_jiangsu.csv", 10_100, ',', "UTF-8", true),
        ("enterprise/enterprise_2004_liaoning.csv", 7_605, ',', "UTF-8", true),
        ("standards/GB-2260.csv", 6_564, ',', "UTF-8", true),
        ("air/beijing_pm25_2010_2014.csv", 43_824, ',', "UTF-8", true),
    ];
    for (name, records, delimiter, encoding, header) in expected {
        let Some(path) = real(name) else { return };
        let spec = propose(&path).expect(name);
        let (_keep, vault) = vault();
        let ingested = ingest(&vault, &spec, path).await;
        let profile = &ingested.profile;
        assert_eq!(
            (
                ingested.quality.records,
                profile.delimiter,
                profile.encoding.as_str(),
                profile.has_header
            ),
            (records, delimiter, encoding, header),
            "{name}: {:?}",
            ingested.quality.rules
        );
        assert!(ingested.quality.validity > 0.9, "{name}: {:?}", ingested.quality.rules);
    }
}

#[tokio::test]
async fn titles_and_repeated_headers_inside_a_file_are_refused_with_the_reason() {
    let Some(path) = real("weather/hangzhou_weather_daily.csv") else { return };
    let spec = propose(&path).expect("proposes");
    let (_keep, vault) = vault();
    let ingested = ingest(&vault, &spec, path).await;
    let rules = &ingested.quality.rules;
    let of = |name: &str| rules.get(name).copied().unwrap_or(0);
    assert_eq!(of("repeated-header"), 208, "{rules:?}");
    assert_eq!(of("cells-of-record") + of("before-header"), 209, "{rules:?}");
}

#[tokio::test]
async fn credit_codes_of_real_enterprises_are_told_by_their_check_characters() {
    let Some(path) = real("enterprise/enterprise_2004_jiangsu.csv") else { return };
    let mut spec = propose(&path).expect("proposes");
    for field in &mut spec.fields {
        if field.name.contains("信用代码") {
            field.kind = FieldType::CreditCode;
            field.required = true;
        } else {
            field.kind = FieldType::Text;
        }
    }
    let (_keep, vault) = vault();
    let ingested = ingest(&vault, &spec, path).await;
    assert_eq!((ingested.manifest.rows, ingested.manifest.quarantined), (9_402, 698));
    let rules: BTreeMap<_, _> = ingested.quality.rules.clone();
    assert_eq!(rules.values().sum::<u64>(), 698, "{rules:?}");
}
