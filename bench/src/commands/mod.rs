//! The command path: authorise, decide, append, project, commit, each act durable before it is
//! answered. Its peers: the same with one transaction an act, and a table with a hash chain in
//! PostgreSQL, which neither authorises, decides nor projects.

mod account;
mod chain;
pub(crate) mod metering;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use account::{Account, AccountCommand, AccountId, CONDITION};
use shuyu_kernel::{Actor, Id as _, Ids, OrganisationId, PersonId, SystemClock, SystemEntropy};
use shuyu_ledger::Signer;
use shuyu_store::{Desk, Laws, Registry, StoreConfig};

use crate::{
    Failure,
    report::{Report, millis_at, rate},
    trial_law::{fitting_role, trial_law},
};

const CALLERS: usize = 64;

/// What the callers of one turn have seen.
struct Turn {
    times: Vec<Duration>,
    elapsed: Duration,
}

pub(crate) async fn measure(
    rounds: usize,
    time: Duration,
    postgres: Option<&str>,
) -> Result<Report, Failure> {
    let mut report =
        Report::new("commands", "at least 5,000 commands/s from 64 callers, p99 < 25 ms");
    report.note("600 policies; durable commits (fsync); every log is verified after its turn");
    let group = StoreConfig::sqlite("").group;
    for _ in 0..rounds {
        add(&mut report, "SQLite, group commit", ours(group, time).await?);
        add(&mut report, "SQLite, one transaction an act", ours(1, time).await?);
        if let Some(server) = postgres {
            add(&mut report, "PostgreSQL, chain by trigger", chain::turn(server, time).await?);
        }
    }
    Ok(report)
}

fn add(report: &mut Report, contestant: &str, mut turn: Turn) {
    turn.times.sort_unstable();
    report.add(contestant, "commands/s", rate(turn.times.len(), turn.elapsed));
    report.add(contestant, "p50 ms", millis_at(&turn.times, 500));
    report.add(contestant, "p99 ms", millis_at(&turn.times, 990));
    report.add(contestant, "longest ms", millis_at(&turn.times, 1000));
}

/// A desk on a new database; `group`: how many acts it commits together, if not as many as it
/// does by itself.
async fn open(database: &Path, group: Option<usize>) -> Result<Desk, Failure> {
    let config = StoreConfig::sqlite(database);
    let config = StoreConfig { group: group.unwrap_or(config.group), ..config };
    let signer = Signer::ed25519("bench.shuyu.example/log", &[7; 32])?;
    let laws = Laws::new(Arc::new(trial_law(&CONDITION)?));
    let registry = Arc::new(Registry::new().with::<Account>());
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Ok(Desk::open(config, registry, laws, clock, entropy, signer).await?)
}

async fn ours(group: usize, time: Duration) -> Result<Turn, Failure> {
    let folder = tempfile::TempDir::new()?;
    let desk = open(&folder.path().join("commands.db"), Some(group)).await?;
    let ids = Ids::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(call(desk.clone(), ids.fresh(), caller, begin + time)))
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let elapsed = begin.elapsed();
    let faults = desk.verify().await?;
    desk.close().await;
    if !faults.is_empty() {
        return Err(format!("the log does not verify: {faults:?}").into());
    }
    Ok(Turn { times, elapsed })
}

async fn call(
    desk: Desk,
    id: AccountId,
    caller: usize,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let actor = Actor {
        person: PersonId::from_u128(caller as u128),
        organisation: OrganisationId::from_u128(1),
        roles: [fitting_role()].into(),
    };
    desk.act::<Account>(&actor, id, AccountCommand::Open).await?;
    let mut times = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        desk.act::<Account>(&actor, id, AccountCommand::Pay { fen: 1 }).await?;
        times.push(begin.elapsed());
    }
    Ok(times)
}
