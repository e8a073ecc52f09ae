//! `shuyu init`: a new deployment.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use shuyu_kernel::{Entropy, SystemClock, SystemEntropy};
use shuyu_law::Packs;
use shuyu_server::app::{App, Deployment, password};

use crate::{Done, Outcome};

/// Founds a deployment: loads and checks the city's pack, makes the keys, writes the ledger's
/// first entry, and registers the first administrator and the first auditor.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The city whose pack it is to be under.
    #[arg(long)]
    city: String,
    /// A new or empty directory.
    #[arg(long)]
    dir: PathBuf,
    /// A folder of packs; absent: those built in.
    #[arg(long)]
    packs: Option<PathBuf>,
    /// The address of a PostgreSQL database; absent: SQLite in the directory.
    #[arg(long, env = "SHUYU_POSTGRES")]
    postgres: Option<String>,
    /// The administrator's first password; absent: one is made and shown once.
    #[arg(long, env = "SHUYU_ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: Option<String>,
    /// The auditor's first password; absent: one is made and shown once.
    #[arg(long, env = "SHUYU_AUDITOR_PASSWORD", hide_env_values = true)]
    auditor_password: Option<String>,
}

impl Init {
    pub(crate) async fn run(self) -> Outcome {
        let packs = match &self.packs {
            Some(folder) => Packs::read(folder)?,
            None => Packs::embedded(),
        };
        let entropy = Arc::new(SystemEntropy);
        let first = |given: Option<String>| match given {
            Some(given) => (given, false),
            None => (made_up(&*entropy), true),
        };
        let (admin, admin_is_new) = first(self.admin_password);
        let (auditor, auditor_is_new) = first(self.auditor_password);
        // Before anything is made.
        password::check(&admin, password::LENGTH)?;
        password::check(&auditor, password::LENGTH)?;
        let deployment =
            Deployment::found(&self.dir, &self.city, &packs, self.postgres, &*entropy)?;
        let app = App::open(deployment, Arc::new(SystemClock), entropy).await?;
        app.found(("admin", &admin), ("auditor", &auditor)).await?;
        let title = app.law().regulation.title.clone();
        app.close().await;
        println!("founded {title} in {}", self.dir.display());
        for (name, password, is_new) in
            [("admin", admin, admin_is_new), ("auditor", auditor, auditor_is_new)]
        {
            if is_new {
                println!("sign-in `{name}`, password `{password}` (shown this once)");
            }
        }
        println!("next: shuyu ledger verify --dir {}", self.dir.display());
        Ok(Done::Well)
    }
}

/// A password of four kinds of characters and 96 bits of chance.
fn made_up(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 12];
    entropy.fill(&mut bytes);
    format!("Sy-{}", hex::encode(bytes))
}
