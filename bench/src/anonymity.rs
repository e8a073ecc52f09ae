//! Generalisation of a public table to k = 5: how long it takes, and what is lost.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use serde::Deserialize;
use shuyu_masking::{Column, Demand, Hierarchy, Rows, generalise};

use crate::{Failure, ingest::Peers, report::Report};

const K: u32 = 5;
/// Columns by which somebody could be found.
const COLUMNS: usize = 8;

/// What a turn of the peer says of itself.
#[derive(Debug, Deserialize)]
struct Turn {
    seconds: f64,
    loss: f64,
}

pub(crate) fn measure(
    rounds: usize,
    folder: &Path,
    peers: Option<&Peers<'_>>,
) -> Result<Report, Failure> {
    let mut report = Report::new("anonymity", "under 75 ms, a loss of 0.252 as ARX's");
    let table = read(&folder.join("adult.csv"))?;
    let (header, rows) = table.split_first().ok_or("the table is empty")?;
    for _ in 0..rounds {
        let begin = Instant::now();
        let columns = columns(folder, header, rows)?;
        let it = generalise(&columns, Rows::default(), Demand::of(K))?;
        report.add("Shuyu", "ms", begin.elapsed().as_secs_f64() * 1e3);
        report.add("Shuyu", "loss", it.loss.total);
        if it.smallest < K || !it.is_best {
            return Err("a class is too small, or other levels may lose less".into());
        }
        if let Some(peers) = peers {
            let mut command = Command::new(peers.python);
            command.arg(peers.programs.join("anonymise_anonypy.py")).arg(folder);
            let output = command.arg(K.to_string()).stderr(Stdio::inherit()).output()?;
            let turn: Turn = serde_json::from_slice(&output.stdout)?;
            report.add("anonypy (Mondrian)", "ms", turn.seconds * 1e3);
            report.add("anonypy (Mondrian)", "loss", turn.loss);
        }
    }
    report.note(format!("{} rows; ours codes them, too, and leaves out at most 5 %", rows.len()));
    report.note("one level for each column, as ARX; Mondrian cuts each class by itself");
    Ok(report)
}

fn columns(folder: &Path, header: &[String], rows: &[Vec<String>]) -> Result<Vec<Column>, Failure> {
    let mut columns = Vec::new();
    for (at, name) in header.iter().take(COLUMNS).enumerate() {
        let levels = read(&folder.join(format!("adult_hierarchy_{name}.csv")))?;
        let hierarchy = Hierarchy::declared(name, &levels)?;
        let index = hierarchy.index();
        let code = |row: &Vec<String>| row.get(at).and_then(|it| index.get(it.as_str())).copied();
        let codes: Option<Vec<u32>> = rows.iter().map(code).collect();
        let codes = codes.ok_or("a value is not in its hierarchy")?;
        columns.push(Column { codes, hierarchy: hierarchy.clone() });
    }
    Ok(columns)
}

fn read(file: &Path) -> Result<Vec<Vec<String>>, Failure> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().map(|line| line.split(';').map(str::to_owned).collect()).collect())
}
