//! Counting acts that are allowed so many times, where they are written.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use crate::{
    StoreError, StreamId,
    database::Transaction,
    rows::Head,
    writer::{Allowance, Submission},
};

/// How many counts are kept at hand. Without one, the log is counted from the beginning.
const KEPT: usize = 10_000;

/// A stream, an act, and since when (in microseconds) it is counted.
type Key = (String, String, i64);

/// What the log held of an act when it was this long.
#[derive(Debug, Clone, Copy)]
struct Tally {
    count: u64,
    size: i64,
    last_at: i64,
}

/// Counts of acts, each of which is continued with what the log has gained since.
///
/// The log only grows, so a count stays true of the length that it was taken at, whoever appends
/// and whatever becomes of the transaction in which it was taken.
/// A clone is a handle of the same counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies(Arc<Mutex<HashMap<Key, Tally>>>);

/// The counts for one group, with what the group itself adds.
#[derive(Debug)]
pub(crate) struct Counts(HashMap<Key, u64>);

fn key(allowance: &Allowance) -> Key {
    let since = allowance.since.timestamp_micros();
    (allowance.stream.to_string(), allowance.act.clone(), since)
}

impl Tallies {
    /// Counts what the allowances of a group ask for, up to the end of the log.
    pub(crate) async fn count(
        &self,
        tx: &mut Transaction,
        group: &[Submission],
        head: &Head,
    ) -> Result<Counts, StoreError> {
        let mut counts = HashMap::new();
        for allowance in group.iter().flat_map(|submission| &submission.allowances) {
            let key = key(allowance);
            if counts.contains_key(&key) {
                continue;
            }
            let before = self.at(&key).unwrap_or(Tally { count: 0, size: 0, last_at: key.2 });
            let mut count = before.count;
            if before.size < head.size {
                let from = before.last_at.max(key.2);
                count += tx.count_after(&key.0, &key.1, from, before.size).await?.unsigned_abs();
            }
            self.keep(key.clone(), Tally { count, size: head.size, last_at: head.last_at });
            counts.insert(key, count);
        }
        Ok(Counts(counts))
    }

    /// The last count that was taken, if one was.
    pub(crate) fn last(&self, stream: &StreamId, act: &str, since: DateTime<Utc>) -> Option<u64> {
        let key = (stream.to_string(), act.to_owned(), since.timestamp_micros());
        self.at(&key).map(|tally| tally.count)
    }

    fn at(&self, key: &Key) -> Option<Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn keep(&self, key: Key, tally: Tally) {
        let mut tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tallies.len() >= KEPT {
            tallies.clear();
        }
        tallies.insert(key, tally);
    }
}

impl Counts {
    /// Takes what a submission is allowed, or says which allowance is used up.
    pub(crate) fn take<'a>(&mut self, submission: &'a Submission) -> Option<&'a Allowance> {
        let mut wanted: HashMap<Key, u64> = HashMap::new();
        for allowance in &submission.allowances {
            let key = key(allowance);
            let more = wanted.entry(key.clone()).or_default();
            *more += 1;
            if self.0.get(&key).copied().unwrap_or(0) + *more > allowance.times {
                return Some(allowance);
            }
        }
        for (key, more) in wanted {
            *self.0.entry(key).or_default() += more;
        }
        None
    }
}
