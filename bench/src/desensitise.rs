//! Desensitising a file of persons: CSV to Parquet with keyed tokens and all masks; each turn in
//! a process of its own.

mod pipeline;

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use shuyu_generate::{Table, write_table};

use crate::{Failure, ingest, report::Report};

pub(crate) fn measure(
    rounds: usize,
    persons: u64,
    peers: Option<&ingest::Peers<'_>>,
) -> Result<Report, Failure> {
    let mut report = Report::new("desensitise", "at least 2 times DataFusion SQL");
    let folder = tempfile::TempDir::new()?;
    let csv = folder.path().join("persons.csv");
    let rows = clean(persons, &folder.path().join("dirty.csv"), &csv)?;
    let ourselves = std::env::current_exe()?;
    let out = folder.path().join("out");
    for _ in 0..rounds {
        let mut turns = vec![(
            "Shuyu",
            Command::new(&ourselves).arg("desensitise-once").arg(&csv).arg(&out).output()?,
        )];
        if let Some(peers) = peers {
            let program = peers.programs.join("desensitise_datafusion.py");
            let peer = folder.path().join("peer");
            std::fs::create_dir_all(&peer)?;
            let turn = Command::new(peers.python).arg(program).arg(&csv).arg(&peer).output()?;
            turns.push(("DataFusion SQL", turn));
            std::fs::remove_dir_all(&peer)?;
        }
        std::fs::remove_dir_all(&out)?;
        for (name, output) in turns {
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("{name} ended with {}: {said}", output.status).into());
            }
            let turn: ingest::Turn = serde_json::from_slice(&output.stdout)?;
            if turn.rows != rows {
                return Err(format!("{name} wrote {} rows of {rows}", turn.rows).into());
            }
            ingest::add(&mut report, name, rows, &turn);
        }
    }
    report.note(format!("{rows} rows; ours: every token has the form of its value and is invalid"));
    report.note("DataFusion: the same tokens as HMAC in hexadecimal, names by their first sign");
    Ok(report)
}

/// The persons without those made wrong; how many there are.
fn clean(persons: u64, dirty: &Path, csv: &Path) -> Result<u64, Failure> {
    let made =
        write_table(&ingest::plan(persons), Table::Persons, BufWriter::new(File::create(dirty)?))?;
    let wrong: HashSet<u64> = made.dirty.iter().map(|row| row.line).collect();
    let mut out = BufWriter::new(File::create(csv)?);
    let mut rows = 0;
    for (line, text) in (1..).zip(BufReader::new(File::open(dirty)?).split(b'\n')) {
        if !wrong.contains(&line) {
            out.write_all(&text?)?;
            out.write_all(b"\n")?;
            rows += 1;
        }
    }
    out.flush()?;
    std::fs::remove_file(dirty)?;
    // The header is none of them.
    Ok(rows - 1)
}

/// One turn of ours; prints what it has to say.
pub(crate) fn once(csv: &Path, out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out)?;
    let begin = Instant::now();
    let rows = pipeline::desensitise(csv, out)?;
    let seconds = begin.elapsed().as_secs_f64();
    let turn = ingest::Turn::of(seconds, rows);
    println!("{}", serde_json::to_string(&turn)?);
    Ok(())
}
