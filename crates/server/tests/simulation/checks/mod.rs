//! What must hold after every step, seen from the log alone: each check keeps its own account of
//! what has happened, so that it does not lean on the code that it watches.

mod apart;
mod broken;
mod cases;
mod catalogue;
mod cuts;
mod gate;
mod ledger;
mod lives;
mod money;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use shuyu_law::Law;
use shuyu_store::Recorded;

use crate::step::Step;

pub use lives::standing_of;

/// What a check found wrong, or nothing.
pub type Found = Result<(), String>;

/// An account of one side of what has happened.
pub trait Check {
    /// Takes in an entry of the log, and says what is wrong with it.
    fn entry(&mut self, entry: &Recorded, law: &Law) -> Found;

    /// What is wrong once an act is done.
    fn rest(&self) -> Found {
        Ok(())
    }
}

/// All that is watched.
pub struct Watch {
    ledger: ledger::Ledger,
    /// The lives of entities, by which their states can be compared.
    pub lives: lives::Lives,
    checks: Vec<Box<dyn Check>>,
}

impl Watch {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self {
            ledger: ledger::Ledger::default(),
            lives: lives::Lives::default(),
            checks: vec![
                Box::new(cases::Cases::default()),
                Box::new(apart::Apart::default()),
                Box::new(gate::Gate::default()),
                Box::new(cuts::Cuts::default()),
                Box::new(money::Money::default()),
                Box::new(catalogue::Catalogue::default()),
            ],
        }
    }

    /// How many entries have been seen.
    pub fn size(&self) -> u64 {
        self.ledger.size()
    }

    /// Takes in what stood in the log before the first step.
    pub fn begin(&mut self, entries: &[Recorded], now: DateTime<Utc>, law: &Law) -> Vec<String> {
        self.take(entries, now, law)
    }

    /// Takes in one step and the entries that it made, and says all that is wrong.
    pub fn step(
        &mut self,
        step: &Step,
        entries: &[Recorded],
        now: DateTime<Utc>,
        law: &Law,
    ) -> Vec<String> {
        let mut faults = self.take(entries, now, law);
        faults.extend(ledger::outcome(step, entries, law).err());
        faults
    }

    fn take(&mut self, entries: &[Recorded], now: DateTime<Utc>, law: &Law) -> Vec<String> {
        let mut faults = Vec::new();
        for entry in entries {
            let at =
                |why| format!("entry {} ({} on {}): {why}", entry.seq, entry.act, entry.stream);
            faults.extend(self.ledger.entry(entry, now, law).err().map(at));
            faults.extend(self.lives.entry(entry, law).err().map(at));
            for check in &mut self.checks {
                faults.extend(check.entry(entry, law).err().map(at));
            }
        }
        for check in &self.checks {
            faults.extend(check.rest().err());
        }
        faults
    }
}

/// The event of an entry, as its room writes it.
fn event<T: DeserializeOwned>(entry: &Recorded) -> Result<T, String> {
    serde_json::from_value(entry.body.clone())
        .map_err(|error| format!("an event that cannot be read: {error}"))
}

/// Whether the entry is a refusal.
fn is_refusal(entry: &Recorded) -> bool {
    entry.version.is_none() && entry.body.get("refused").is_some()
}

/// `Err` with the words, unless it holds.
fn must(holds: bool, why: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(why()) }
}
