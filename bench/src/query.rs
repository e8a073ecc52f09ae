//! A governed aggregate over encrypted data, from its text to the cells that may be shown, beside
//! the bare engine with the same text on the same rows in plain Parquet.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::{
    catalog::TableProvider,
    dataframe::DataFrameWriteOptions,
    prelude::{ParquetReadOptions, SessionContext},
};
use shuyu_enclave::{
    Barrier, DatasetVersion, Domain, Engine, Item, Label, Sheet, SubjectKind, Thresholds,
};
use shuyu_generate::{Table, write_table};
use shuyu_kernel::{DatasetId, Id as _, ResourceId, SystemClock, SystemEntropy};
use shuyu_vault::{Manifest, Vault};

use crate::{
    Failure,
    ingest::{declared, plan},
    report::Report,
};

const QUERIES: [(&str, &str); 3] = [
    (
        "rows and a sum by district and sex",
        "SELECT division, sex, count(*) AS persons, sum(annual_income) AS income \
         FROM persons GROUP BY division, sex",
    ),
    (
        "the same, of one education",
        "SELECT division, sex, count(*) AS persons, sum(annual_income) AS income \
         FROM persons WHERE education = '本科' GROUP BY division, sex",
    ),
    (
        "persons, told apart, by district and sex",
        "SELECT division, sex, count(DISTINCT id_number) AS persons, sum(annual_income) AS income \
         FROM persons GROUP BY division, sex",
    ),
];
const COLUMNS: [&str; 5] = ["id_number", "sex", "division", "education", "annual_income"];

pub(crate) async fn measure(rounds: usize, persons: u64) -> Result<Report, Failure> {
    let mut report = Report::new("query", "within 1.10 of the bare engine on plain Parquet");
    let folder = tempfile::TempDir::new()?;
    let vault = Vault::local(folder.path(), Arc::new(SystemClock), Arc::new(SystemEntropy))?;
    let manifest = ingest(&vault, persons).await?;
    let plain = folder.path().join("plain.parquet");
    export(&vault, &manifest, &plain).await?;
    report
        .note(format!("{} rows; the same rows, row groups and compression in both", manifest.rows));

    let governed = Governed { vault, manifest, engine: Engine::new() };
    let begin = Instant::now();
    governed.ask(first_query()?).await?;
    report.note(format!(
        "the first question of a version, which finds out once that every row has somebody and nobody two rows: {:.0} ms",
        begin.elapsed().as_secs_f64() * 1e3
    ));
    for _ in 0..rounds {
        for (name, sql) in QUERIES {
            let begin = Instant::now();
            let sheet = governed.ask(sql).await?;
            let ours = begin.elapsed();
            let begin = Instant::now();
            let rows = bare(&plain, sql).await?;
            let theirs = begin.elapsed();
            if rows == 0 || sheet.rows.len() != rows {
                return Err(format!("`{name}`: {} cells, not {rows}", sheet.rows.len()).into());
            }
            report.add(&format!("Shuyu: {name}"), measure_of(name), millis(ours));
            report.add(&format!("DataFusion: {name}"), measure_of(name), millis(theirs));
        }
    }
    Ok(report)
}

/// Each question is a measure of its own, so that its ratio is that to its own peer.
fn measure_of(name: &str) -> &'static str {
    let place = QUERIES.iter().position(|(known, _)| *known == name);
    ["ms, first", "ms, second", "ms, third"].get(place.unwrap_or(0)).copied().unwrap_or("ms")
}

fn first_query() -> Result<&'static str, Failure> {
    QUERIES.first().map(|(_, sql)| *sql).ok_or_else(|| "no query".into())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Generates the persons straight into the vault.
async fn ingest(vault: &Vault, persons: u64) -> Result<Manifest, Failure> {
    let (reader, writer) = std::io::pipe()?;
    let made = std::thread::spawn(move || {
        let out = std::io::BufWriter::with_capacity(1 << 20, writer);
        write_table(&plan(persons), Table::Persons, out)
    });
    let spec = declared()?;
    let ingested = vault.ingest(DatasetId::from_u128(1), 1, &spec, reader).await?;
    made.join().map_err(|_| "the generator panicked")??;
    Ok(ingested.manifest)
}

/// Writes the same columns of the same rows as plain Parquet.
async fn export(vault: &Vault, manifest: &Manifest, path: &Path) -> Result<(), Failure> {
    let table = vault.table(manifest, &COLUMNS).await?;
    let context = SessionContext::new();
    let mut options = datafusion::config::TableParquetOptions::default();
    options.global.compression = Some("lz4_raw".to_owned());
    options.global.max_row_group_size = 128 * 1024;
    let path = path.to_str().ok_or("the folder's name is not text")?;
    context
        .read_table(table)?
        .write_parquet(
            path,
            DataFrameWriteOptions::new().with_single_file_output(true),
            Some(options),
        )
        .await?;
    Ok(())
}

struct Governed {
    vault: Vault,
    manifest: Manifest,
    engine: Engine,
}

impl Governed {
    /// The whole way: table, closed catalogue, check, run, and what may be shown.
    async fn ask(&self, sql: &str) -> Result<Sheet, Failure> {
        let table: Arc<dyn TableProvider> = self.vault.table(&self.manifest, &COLUMNS).await?;
        let version = DatasetVersion { dataset: self.manifest.dataset, version: 1 };
        let objected = |objection: shuyu_enclave::Objection| objection.detail;
        let domain = Domain::new(Arc::default(), vec![(item(&self.manifest), version, table)])
            .map_err(objected)?;
        let asked = self.engine.check_ask(&domain, sql).await.map_err(objected)?;
        let thresholds = Thresholds {
            persons: 10,
            enterprises: 10,
            dominance_percent: 25,
            sample_max_percent: None,
            sample_max_rows: None,
        };
        let answer =
            self.engine.answer(&domain, &asked, &[], &thresholds).await.map_err(objected)?;
        Ok(asked.sheet(&answer))
    }
}

fn item(manifest: &Manifest) -> Item {
    let labels =
        [Label::Join, Label::dimension(), Label::dimension(), Label::dimension(), Label::measure()];
    Item {
        resource: ResourceId::from_u128(1),
        dataset: manifest.dataset,
        table: "persons".to_owned(),
        columns: COLUMNS.iter().map(ToString::to_string).zip(labels).collect::<BTreeMap<_, _>>(),
        subject_key: Some("id_number".to_owned()),
        subject_kind: Some(SubjectKind::Person),
        facts: BTreeMap::new(),
        barrier: Barrier::default(),
    }
}

/// A context of its own each time, as a governed question has one; returns how many rows came.
async fn bare(path: &Path, sql: &str) -> Result<usize, Failure> {
    let context = SessionContext::new();
    let path = path.to_str().ok_or("the folder's name is not text")?;
    context.register_parquet("persons", path, ParquetReadOptions::default()).await?;
    let batches = context.sql(sql).await?.collect().await?;
    Ok(batches.iter().map(datafusion::arrow::array::RecordBatch::num_rows).sum())
}
