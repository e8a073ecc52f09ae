//! Taking in a file of persons: every rule of the resource, typed, profiled and encrypted. Each
//! turn runs in a process of its own, so that its memory can be told.

use std::{
    fs::File,
    io::BufWriter,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shuyu_generate::{FileManifest, Plan, Table, declarations, write_table};
use shuyu_kernel::{DatasetId, Id as _, SystemClock, SystemEntropy};
use shuyu_vault::{DatasetSpec, Part, Vault, parse_specs};

use crate::{Failure, report::Report};

/// The peers, if they are there.
pub(crate) struct Peers<'a> {
    pub(crate) python: &'a Path,
    pub(crate) programs: &'a Path,
}

/// What a turn, ours or a peer's, says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Turn {
    seconds: f64,
    pub(crate) rows: u64,
    /// The lines refused; a peer that cannot tell lines says how many.
    #[serde(default)]
    lines: Vec<u64>,
    refused: u64,
    /// The greatest resident memory, in KiB.
    peak_kib: u64,
}

impl Turn {
    /// A turn that refused nothing, in this process.
    pub(crate) fn of(seconds: f64, rows: u64) -> Self {
        Self { seconds, rows, lines: Vec::new(), refused: 0, peak_kib: peak_kib() }
    }
}

pub(crate) fn measure(
    rounds: usize,
    persons: u64,
    peers: Option<&Peers<'_>>,
) -> Result<Report, Failure> {
    let mut report =
        Report::new("ingest", "at least 1,500,000 rows/s, < 1,024 MiB, refused to the line");
    let folder = tempfile::TempDir::new()?;
    let csv = folder.path().join("persons.csv");
    let made = write_table(&plan(persons), Table::Persons, BufWriter::new(File::create(&csv)?))?;
    report.note(format!(
        "{} rows, {} bytes, {} rows made wrong; ours also profiles, encrypts and syncs to disk",
        made.rows,
        made.bytes,
        made.dirty.len()
    ));
    let ourselves = std::env::current_exe()?;
    for round in 0..rounds {
        let vault = folder.path().join(format!("vault-{round}"));
        let ours = child(Command::new(&ourselves).arg("ingest-once").arg(&csv).arg(&vault))?;
        check(&made, &ours)?;
        std::fs::remove_dir_all(&vault)?;
        add(&mut report, "Shuyu", made.rows, &ours);
        for (name, program) in [("DuckDB", "ingest_duckdb.py"), ("Polars", "ingest_polars.py")] {
            let Some(peers) = peers else { continue };
            let out = folder.path().join("peer");
            std::fs::create_dir_all(&out)?;
            let program = peers.programs.join(program);
            let theirs = child(Command::new(peers.python).arg(program).arg(&csv).arg(&out))?;
            std::fs::remove_dir_all(&out)?;
            if theirs.refused != made.dirty.len() as u64 {
                return Err(format!(
                    "{name} refuses {} rows of {} made wrong: it does not apply the same rules",
                    theirs.refused,
                    made.dirty.len()
                )
                .into());
            }
            add(&mut report, name, made.rows, &theirs);
        }
    }
    report.note("every turn of ours refused exactly the lines made wrong");
    Ok(report)
}

pub(crate) fn plan(persons: u64) -> Plan {
    Plan { persons, seed: 7, start: NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default() }
}

/// How the generator declares the persons.
pub(crate) fn declared() -> Result<DatasetSpec, Failure> {
    parse_specs(&declarations()?)?
        .into_iter()
        .find(|spec| spec.file == Table::Persons.file())
        .ok_or_else(|| "the persons are not declared".into())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people to read")]
pub(crate) fn add(report: &mut Report, contestant: &str, rows: u64, turn: &Turn) {
    report.add(contestant, "rows/s", rows as f64 / turn.seconds);
    report.add(contestant, "peak MiB", turn.peak_kib as f64 / 1024.0);
}

/// Refuses a turn that has refused another line than those made wrong.
fn check(made: &FileManifest, turn: &Turn) -> Result<(), Failure> {
    let mut wrong: Vec<u64> = made.dirty.iter().map(|row| row.line).collect();
    wrong.sort_unstable();
    if turn.lines == wrong && turn.rows + turn.refused == made.rows {
        return Ok(());
    }
    let found = turn.lines.iter().find(|line| wrong.binary_search(line).is_err());
    let missed = wrong.iter().find(|line| turn.lines.binary_search(line).is_err());
    Err(format!("refused {found:?} without reason, took {missed:?} all the same").into())
}

fn child(command: &mut Command) -> Result<Turn, Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One turn of ours; prints what it has to say.
pub(crate) async fn once(csv: &Path, folder: &Path) -> Result<(), Failure> {
    let vault = Vault::local(folder, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
    let (spec, dataset) = (declared()?, DatasetId::from_u128(1));
    let begin = Instant::now();
    let ingested = vault.ingest(dataset, 1, &spec, File::open(csv)?).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let peak_kib = peak_kib();
    let lines = match ingested.manifest.quarantined {
        0 => Vec::new(),
        _some => lines(&vault.open_part(&ingested.manifest, Part::Quarantine).await?),
    };
    let refused = ingested.manifest.quarantined;
    let turn = Turn { seconds, rows: ingested.manifest.rows, lines, refused, peak_kib };
    println!("{}", serde_json::to_string(&turn)?);
    Ok(())
}

/// The lines that a quarantine names. No record of persons has a line end within.
fn lines(quarantine: &[u8]) -> Vec<u64> {
    String::from_utf8_lossy(quarantine)
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next()?.parse().ok())
        .collect()
}

fn peak_kib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse().ok()
        })
        .unwrap_or(0)
}
