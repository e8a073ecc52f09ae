//! `shuyu generate`: a synthetic city.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;

use crate::{Done, Outcome, output, progress};

/// Writes the files that the agencies of a synthetic city would supply, with `datasets.toml`,
/// which declares them, and `dirty.json`, which lists the rows that are wrong on purpose. The
/// same numbers give the same bytes.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// How many persons live in the city.
    #[arg(long, default_value_t = 10_000)]
    persons: u64,
    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first day of the year that the records are of.
    #[arg(long, default_value = "2024-01-01")]
    start: NaiveDate,
    /// Where to write.
    #[arg(long, default_value = "city")]
    dir: PathBuf,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

impl Generate {
    pub(crate) fn run(self) -> Outcome {
        let plan =
            shuyu_generate::Plan { persons: self.persons, seed: self.seed, start: self.start };
        let waiting = progress::waiting("writing the city's files");
        let manifest = shuyu_generate::generate(&plan, &self.dir)?;
        waiting.finish_and_clear();
        if self.json {
            output::json(&manifest)?;
            return Ok(Done::Well);
        }
        let mut table = output::table(["file", "rows", "bytes", "wrong on purpose"]);
        for file in &manifest.files {
            table.add_row([
                file.file.clone(),
                file.rows.to_string(),
                file.bytes.to_string(),
                file.dirty.len().to_string(),
            ]);
        }
        println!("{table}\nwritten to {}", self.dir.display());
        Ok(Done::Well)
    }
}
