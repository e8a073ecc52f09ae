//! `shuyu vault`: what the vault keeps, checked against what the ledger says of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{Done, Outcome, ledger, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Read every dataset version as it is kept, and say what is missing or altered.
    Verify(Verify),
    /// Destroy for good what no dataset version is known to use: what crashes left. Check first
    /// that the ledger verifies: a database that has gone back would not know its newest versions.
    Purge(Purge),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
    /// Print faults as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Purge {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
}

impl Vault {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::Verify(it) => it.run().await,
            Self::Purge(it) => it.run().await,
        }
    }
}

impl Verify {
    async fn run(self) -> Outcome {
        let app = ledger::open(&self.dir).await?;
        let faults = app.verify_vault().await?;
        app.close().await;
        if self.json {
            output::json(&faults)?;
        } else {
            for fault in &faults {
                println!("{fault}");
            }
            match faults.len() {
                0 => println!("the vault verifies: every version that is not destroyed"),
                n => println!("{n} faults"),
            }
        }
        Ok(if faults.is_empty() { Done::Well } else { Done::Found })
    }
}

impl Purge {
    async fn run(self) -> Outcome {
        let app = ledger::open(&self.dir).await?;
        let purged = app.purge_vault().await?;
        app.close().await;
        println!("{} keys and {} objects destroyed", purged.keys.len(), purged.objects.len());
        Ok(Done::Well)
    }
}
