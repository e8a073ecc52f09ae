//! `shuyu ledger`: the history of a deployment, checked without the deployment.

use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use shuyu_kernel::{SystemClock, SystemEntropy};
use shuyu_ledger::Verifier;
use shuyu_server::app::{Access, App, Deployment, WITNESS, registry};

use crate::{Done, Outcome, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Check the whole history and every state against it, with nothing but the public key.
    Verify(Verify),
    /// Compute every state anew from the log, and say what differed.
    Rebuild(Rebuild),
    /// Write the log as files (C2SP tlog-tiles), for anyone to verify.
    Export(Export),
    /// Go on with a database that was restored from a backup: it lacks what came after. That it
    /// was done, and why, is put on record.
    AcceptBackup(AcceptBackup),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
    /// The public key, as in `ledger.vkey`; absent: that of the directory.
    #[arg(long)]
    key: Option<String>,
    /// Checkpoints that you kept earlier: the log must still continue them.
    #[arg(long)]
    held: Vec<PathBuf>,
    /// Print faults as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
    /// Where to write; absent: `ledger/` of the directory.
    #[arg(long)]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptBackup {
    /// The directory of the deployment.
    #[arg(long)]
    dir: PathBuf,
    /// Why.
    #[arg(long)]
    reason: String,
}

impl Ledger {
    pub(crate) async fn run(self) -> Outcome {
        match self {
            Self::Verify(it) => it.run().await,
            Self::Rebuild(it) => it.run().await,
            Self::Export(it) => it.run().await,
            Self::AcceptBackup(it) => it.run().await,
        }
    }
}

impl Verify {
    async fn run(self) -> Outcome {
        let deployment = Deployment::open(&self.dir, Access::ReadOnly)?;
        let key = match self.key {
            Some(key) => key,
            None => fs::read_to_string(self.dir.join("ledger.vkey"))?,
        };
        let verifier: Verifier = key.trim().parse()?;
        let mut held = self.held.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
        // What the platform itself has seen, outside its database.
        held.extend(fs::read_to_string(self.dir.join(WITNESS)));
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let faults =
            shuyu_store::verify(&deployment.store(), &registry(), &verifier, &held).await?;
        if self.json {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            output::json(&texts)?;
        } else {
            for fault in &faults {
                println!("{fault}");
            }
            match faults.len() {
                0 => println!("the ledger verifies: every entry, every state, every checkpoint"),
                n => println!("{n} faults"),
            }
        }
        Ok(if faults.is_empty() { Done::Well } else { Done::Found })
    }
}

impl Rebuild {
    async fn run(self) -> Outcome {
        let app = open(&self.dir).await?;
        let faults = app.desk().rebuild().await?;
        for fault in &faults {
            println!("{fault}");
        }
        println!("every state rebuilt from the log: {} differed", faults.len());
        match app.desk().erased().await? {
            0 => {}
            erased => {
                println!("{erased} entries stand without their personal data, which were erased");
            }
        }
        app.close().await;
        Ok(if faults.is_empty() { Done::Well } else { Done::Found })
    }
}

impl Export {
    async fn run(self) -> Outcome {
        let app = open(&self.dir).await?;
        let to = self.to.unwrap_or_else(|| self.dir.join("ledger"));
        let size = app.export_ledger(&to).await?;
        app.close().await;
        println!("{size} entries written to {}", to.display());
        Ok(Done::Well)
    }
}

impl AcceptBackup {
    async fn run(self) -> Outcome {
        if self.reason.trim().is_empty() {
            return Err("say why, with --reason".into());
        }
        let app = open(&self.dir).await?;
        app.accept_backup(&self.reason).await?;
        app.close().await;
        println!("the database is accepted as it is; what came after it is lost");
        Ok(Done::Well)
    }
}

/// The deployment as it is, alone: nothing is taken up, cleared away or checked.
pub(crate) async fn open(dir: &std::path::Path) -> Result<App, Box<dyn std::error::Error>> {
    let deployment = Deployment::open(dir, Access::Alone)?;
    Ok(App::open_as_it_is(deployment, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?)
}
