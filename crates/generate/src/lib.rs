//! A synthetic city: reproducible data of agencies, with known dirt.
//!
//! **Invariant:** what is written is a function of the [`Plan`] alone, byte for byte, on any
//! machine: only whole numbers are computed with, and each record's chances follow from the
//! seed and its place. So a table is written as a stream, however long.
//!
//! **Invariant:** every row that the manifest does not list is well formed: check digits, days
//! and references hold. Every row that it lists breaks the declaration in `datasets.toml`.
//!
//! **Invariant:** no record can be that of a real person or enterprise; see the README.

mod city;
mod declaration;
mod dice;
mod enterprise;
mod flaw;
mod person;
mod sheet;
mod tables;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

pub use declaration::{Dataset, DatasetField, Title, declarations};
pub use flaw::{DirtyRow, Flaw};
pub use person::MAX_PERSONS;
pub use sheet::{Encoding, FileManifest};
pub use tables::Table;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How many persons live in the city; all else follows.
    pub persons: u64,
    /// What chance follows from.
    pub seed: u64,
    /// The first day of the year that the records are of. Everyone is born before it.
    pub start: NaiveDate,
}

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it follows from.
    #[serde(flatten)]
    pub plan: Plan,
    /// The files.
    pub files: Vec<FileManifest>,
}

impl Manifest {
    /// What was written for a table.
    pub fn file(&self, table: Table) -> Option<&FileManifest> {
        self.files.iter().find(|file| file.table == table)
    }
}

/// Writes all tables, `datasets.toml` and `dirty.json` into `dir`, which is made if need be.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] if there are to be more than [`MAX_PERSONS`], or in a year before
/// 1900 or after 2199; else what writing gives.
pub fn generate(plan: &Plan, dir: &Path) -> io::Result<Manifest> {
    generate_showing(plan, dir, |_| {})
}

/// Does what [`generate`] does, and shows each file when it is written.
pub fn generate_showing(
    plan: &Plan,
    dir: &Path,
    mut written: impl FnMut(&FileManifest),
) -> io::Result<Manifest> {
    std::fs::create_dir_all(dir)?;
    let files = Table::ALL
        .into_iter()
        .map(|table| {
            let file = File::create(dir.join(table.file()))?;
            let out = BufWriter::with_capacity(1 << 20, file);
            write_table(plan, table, out).inspect(&mut written)
        })
        .collect::<io::Result<_>>()?;
    let manifest = Manifest { plan: *plan, files };
    std::fs::write(dir.join("datasets.toml"), declarations()?)?;
    let mut dirty = BufWriter::new(File::create(dir.join("dirty.json"))?);
    serde_json::to_writer_pretty(&mut dirty, &manifest)?;
    dirty.flush()?;
    Ok(manifest)
}

/// Writes one table, in memory that does not grow with it (but for the list of dirty rows).
pub fn write_table(plan: &Plan, table: Table, out: impl Write) -> io::Result<FileManifest> {
    let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if plan.persons > MAX_PERSONS {
        return refuse(format!(
            "at most {MAX_PERSONS} persons can be told apart by their identity numbers"
        ));
    }
    if !(1900..2200).contains(&plan.start.year()) {
        return refuse("the year must be between 1900 and 2199".into());
    }
    table.write(plan, out)
}
