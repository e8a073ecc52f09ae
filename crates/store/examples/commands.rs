//! Measures the command path: authorise, decide, append, project, commit.
//!
//! Sixty-four callers at once with durable commits, and beside it the same with one transaction
//! an act. On SQLite in a temporary folder, or on the PostgreSQL server given as an argument:
//! `cargo run --release -p shuyu-store --example commands [seconds] [postgres://…]`.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a measurement that cannot run has nothing to say"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shuyu_kernel::{Ids, SystemClock, SystemEntropy};
use shuyu_ledger::Signer;
use shuyu_store::{Desk, Laws, StoreConfig};
use shuyu_testkit::actor;
use support::{Account, AccountId, Want, law, opened, registry};

const CALLERS: u128 = 64;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(5));
    let server = arguments.next();
    for (name, group) in [("group commit", 256), ("one transaction an act", 1)] {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let config = match &server {
            Some(url) => StoreConfig::postgres(url),
            None => StoreConfig::sqlite(folder.path().join("commands.db")),
        };
        measure(name, StoreConfig { group, ..config }, time).await;
    }
}

async fn measure(name: &str, config: StoreConfig, time: Duration) {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let ids = Ids::new(Arc::clone(&clock) as _, Arc::clone(&entropy) as _);
    let signer = Signer::ed25519("bench.shuyu.example/log", &[7; 32]).expect("a key");
    let laws = Laws::new(Arc::new(law()));
    let desk = Desk::open(config, Arc::new(registry()), laws, clock, entropy, signer)
        .await
        .expect("the store opens");
    let begin = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(call(desk.clone(), ids.fresh(), caller, begin + time)))
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.expect("a caller"));
    }
    let elapsed = begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| {
        let place = (times.len() * share / 1000).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let rate = times.len() as f64 / elapsed;
    println!(
        "{name:24} {rate:8.0} commands/s   p50 {:6.2} ms   p99 {:6.2} ms   longest {:6.2} ms",
        at(500),
        at(990),
        at(1000)
    );
    let faults = desk.verify().await.expect("the ledger can be read");
    assert!(faults.is_empty(), "{faults:?}");
    desk.close().await;
}

async fn call(desk: Desk, id: AccountId, caller: u128, until: Instant) -> Vec<Duration> {
    let who = actor(caller, 1, &["clerk"]);
    desk.act::<Account>(&who, id, opened()).await.unwrap();
    let mut times = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        desk.act::<Account>(&who, id, Want::Pay(1)).await.unwrap();
        times.push(begin.elapsed());
    }
    times
}
