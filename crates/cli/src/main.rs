//! The `shuyu` command: found a deployment, serve it, show it, and prove what it has done.

// First, for its macro.
#[macro_use]
mod output;

mod demo;
mod founding;
mod generate;
mod law;
mod ledger;
mod progress;
mod serve;
mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The platform on which a city runs its public data.
///
/// Exit codes: 0 done; 1 it failed, and standard error says why; 2 the command line is wrong;
/// 3 a check found something; 141 whoever read standard output has stopped reading.
#[derive(Debug, Parser)]
#[command(name = "shuyu", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// How much to log to standard error, such as `info` or `shuyu_server=debug`.
    #[arg(long, global = true, env = "SHUYU_LOG", default_value = "warn")]
    log: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Found a deployment in a new directory: pack, keys, ledger, first administrators.
    Init(founding::Init),
    /// Serve the HTTP interface of a deployment.
    Serve(serve::Serve),
    /// Run the main job from an agency's data to a paid product and its destruction.
    Demo(demo::Demo),
    /// Write the files of a synthetic city.
    Generate(generate::Generate),
    /// Check regulation packs, see how far their clauses are kept, explain a clause.
    #[command(subcommand)]
    Law(law::Law),
    /// Verify, rebuild and export the ledger of a deployment.
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Check what the vault of a deployment keeps.
    #[command(subcommand)]
    Vault(vault::Vault),
}

/// What a command comes to, when it does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// All is well.
    Well,
    /// A check found something, which was printed.
    Found,
}

type Outcome = Result<Done, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(&cli.log))
        .with_writer(std::io::stderr)
        .init();
    match run(cli.command) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Found) => ExitCode::from(3),
        Err(error) => {
            output::error(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Law(law) => law.run(),
        Command::Generate(generate) => generate.run(),
        Command::Init(init) => on_runtime(init.run()),
        Command::Serve(serve) => on_runtime(serve.run()),
        Command::Demo(demo) => on_runtime(demo.run()),
        Command::Ledger(ledger) => on_runtime(ledger.run()),
        Command::Vault(vault) => on_runtime(vault.run()),
    }
}

fn on_runtime(work: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
