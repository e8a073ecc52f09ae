//! The log: nothing vanishes, time goes on, refusals cite the law and change nothing.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use shuyu_law::{ClauseId, Law};
use shuyu_store::{Recorded, StreamId};

use super::{Found, is_refusal, must};
use crate::step::{Outcome, Step};

/// The log as it has been seen so far.
#[derive(Default)]
pub struct Ledger {
    next: u64,
    last_at: DateTime<Utc>,
    versions: HashMap<StreamId, u64>,
}

impl Ledger {
    /// How many entries have been seen.
    pub fn size(&self) -> u64 {
        self.next
    }

    /// Takes in an entry at the time `now`.
    pub fn entry(&mut self, entry: &Recorded, now: DateTime<Utc>, law: &Law) -> Found {
        let (due, last) = (self.next, self.last_at);
        self.next = entry.seq + 1;
        self.last_at = entry.at;
        must(entry.seq == due, || format!("it stands where {due} is due"))?;
        must(entry.at >= last, || format!("time runs backwards, from {last}"))?;
        must(entry.at <= now, || format!("it is of {}, and it is {now}", entry.at))?;
        must(entry.decided_at <= entry.at, || "it was decided after it was recorded".to_owned())?;
        must(entry.pack == law.version, || "another pack than the one in force".to_owned())?;
        if let Some(version) = entry.version {
            let before = self.versions.insert(entry.stream.clone(), version.0).unwrap_or(0);
            must(version.0 == before + 1, || format!("version {version} follows {before}"))?;
            must(entry.event.is_some(), || "a version without an event".to_owned())?;
        }
        if is_refusal(entry) {
            check_clauses(&entry.clauses, law)?;
        }
        Ok(())
    }
}

/// What came of a step, held against the entries that it made.
pub fn outcome(step: &Step, entries: &[Recorded], law: &Law) -> Found {
    let changed = entries.iter().filter(|entry| entry.version.is_some()).count();
    match &step.outcome {
        Outcome::Accepted => must(step.is_composite || !entries.is_empty(), || {
            "it was accepted, and the log says nothing".to_owned()
        })?,
        Outcome::Refused(refusal) => {
            check_clauses(&refusal.clauses, law)?;
            let says = |entry: &&Recorded| {
                is_refusal(entry)
                    && entry.body.get("refused").and_then(|it| it.as_str()) == Some(&refusal.rule)
                    && entry.clauses == refusal.clauses
            };
            must(entries.iter().any(|entry| says(&entry)), || {
                format!("{} refused, and the log does not say so", refusal.rule)
            })?;
        }
        Outcome::Absent(_) | Outcome::Invalid(_) => {}
        Outcome::Broken(why) => return Err(format!("it broke: {why}")),
    }
    let stands = matches!(step.outcome, Outcome::Accepted) || step.is_composite;
    must(stands || changed == 0, || format!("it did not happen, and {changed} events did"))?;
    // Whoever reads a refusal must be able to read the law: time itself is never refused.
    let in_time = step.act != "tick" || matches!(step.outcome, Outcome::Accepted);
    must(in_time, || "what falls due is held up".to_owned())
}

fn check_clauses(clauses: &[ClauseId], law: &Law) -> Found {
    must(!clauses.is_empty(), || "a refusal that cites no clause".to_owned())?;
    for clause in clauses {
        let known = law.clauses.iter().any(|it| it.id == *clause);
        must(known, || format!("{clause} is no clause of the pack"))?;
    }
    Ok(())
}
