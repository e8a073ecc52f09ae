//! Benchmarks beside peers: what is measured, and the peer, take turns in the same run, so that
//! what else the machine does falls on both. A target is printed beside its figure; whether it
//! is met is for the reader to say, because a busy machine meets none.

mod anonymity;
mod authorise;
mod commands;
mod desensitise;
mod ingest;
mod labels;
mod query;
mod report;
mod trial_law;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::report::Report;

/// What ends a benchmark without a figure: what stopped it, said by whoever noticed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Benchmarks of Shuyu. `bench/run` builds this, prepares the peers and calls it.
#[derive(Parser)]
struct Arguments {
    /// Where figures are written, a file for each benchmark.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// How many times each contestant has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Acts a second on SQLite from 64 callers, beside one transaction an act and PostgreSQL.
    Commands {
        /// How long a turn lasts.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// The server of the PostgreSQL peer; without it that peer is left out.
        #[arg(long)]
        postgres: Option<String>,
    },
    /// Uses of one subscription a second from 64 callers on one quota, beside none.
    Metering {
        /// How long a turn lasts.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
    },
    /// Rulings under 600 policies, with 10 to 100,000 grants.
    Authorise,
    /// Rows a second from CSV to encrypted Parquet under all rules, beside `DuckDB` and Polars.
    Ingest {
        /// How many persons the file has.
        #[arg(long, default_value_t = 1_000_000)]
        persons: u64,
        /// A Python that has the peers; without it they are left out.
        #[arg(long)]
        python: Option<PathBuf>,
        /// Where the peers' programs are.
        #[arg(long, default_value = "bench/peers")]
        peers: PathBuf,
    },
    /// One turn of `ingest`, in a process of its own.
    #[command(hide = true)]
    IngestOnce {
        /// The file.
        csv: PathBuf,
        /// Where the vault is made.
        vault: PathBuf,
    },
    /// Rows a second from CSV to Parquet with all masks, beside DataFusion SQL.
    Desensitise {
        /// How many persons the file has.
        #[arg(long, default_value_t = 1_000_000)]
        persons: u64,
        /// A Python that has the peer; without it, it is left out.
        #[arg(long)]
        python: Option<PathBuf>,
        /// Where the peer's program is.
        #[arg(long, default_value = "bench/peers")]
        peers: PathBuf,
    },
    /// One turn of `desensitise`, in a process of its own.
    #[command(hide = true)]
    DesensitiseOnce {
        /// The file.
        csv: PathBuf,
        /// Where the Parquet is written.
        out: PathBuf,
    },
    /// Generalisation of a public table to k = 5, with its loss, beside Mondrian.
    Anonymity {
        /// The folder of `adult.csv` and `adult_hierarchy_<column>.csv`.
        #[arg(long)]
        folder: PathBuf,
        /// A Python that has the peer; without it, it is left out.
        #[arg(long)]
        python: Option<PathBuf>,
        /// Where the peer's program is.
        #[arg(long, default_value = "bench/peers")]
        peers: PathBuf,
    },
    /// A governed aggregate over encrypted data, beside the bare engine on plain data.
    Query {
        /// How many persons the table has.
        #[arg(long, default_value_t = 6_000_000)]
        persons: u64,
    },
    /// The checks of a question and of a job, beside planning the same texts unchecked.
    Labels,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let published = run(&arguments)
        .await
        .and_then(|report| report.map_or(Ok(()), |report| report.publish(&arguments.out)));
    match published {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Option<Report>, Failure> {
    match &arguments.bench {
        Bench::Commands { seconds, postgres } => {
            let turn = Duration::from_secs(*seconds);
            commands::measure(arguments.rounds, turn, postgres.as_deref()).await.map(Some)
        }
        Bench::Metering { seconds } => {
            let turn = Duration::from_secs(*seconds);
            commands::metering::measure(arguments.rounds, turn).await.map(Some)
        }
        Bench::Authorise => authorise::measure(arguments.rounds).map(Some),
        Bench::Ingest { persons, python, peers } => {
            let peers = python.as_deref().map(|python| ingest::Peers { python, programs: peers });
            ingest::measure(arguments.rounds, *persons, peers.as_ref()).map(Some)
        }
        Bench::IngestOnce { csv, vault } => ingest::once(csv, vault).await.map(|()| None),
        Bench::Desensitise { persons, python, peers } => {
            let peers = python.as_deref().map(|python| ingest::Peers { python, programs: peers });
            desensitise::measure(arguments.rounds, *persons, peers.as_ref()).map(Some)
        }
        Bench::DesensitiseOnce { csv, out } => desensitise::once(csv, out).map(|()| None),
        Bench::Anonymity { folder, python, peers } => {
            let peers = python.as_deref().map(|python| ingest::Peers { python, programs: peers });
            anonymity::measure(arguments.rounds, folder, peers.as_ref()).map(Some)
        }
        Bench::Query { persons } => query::measure(arguments.rounds, *persons).await.map(Some),
        Bench::Labels => labels::measure(arguments.rounds).await.map(Some),
    }
}
