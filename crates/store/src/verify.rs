//! Verification: whether the log is whole, and the state what the log says.

use std::collections::{BTreeMap, BTreeSet};

use futures::{Stream, TryStreamExt as _};
use serde_json::Value;
use shuyu_ledger::{Checkpoint, Frontier, NodeHash, Verifier};

use crate::{
    Desk, Registry, StoreConfig, StoreError, StreamId,
    database::{Database, Snapshot},
    desk::{Payload, happened},
    record::{EventRow, PersonalRow, SUITE, StateRow},
    registry::ERASED,
    rows::{CheckpointRow, Head},
    writer,
};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An entry is gone: the log goes on behind it.
    #[error("entry {seq} of the log is missing")]
    Missing {
        /// Its place.
        seq: u64,
    },
    /// An entry is not what its leaf is the digest of.
    #[error("entry {seq} of the log ({stream}) has been changed")]
    Changed {
        /// Its place.
        seq: u64,
        /// What it says that it happened to.
        stream: StreamId,
    },
    /// An entry is earlier than the one before it.
    #[error("entry {seq} of the log is earlier than the one before it")]
    Time {
        /// Its place.
        seq: u64,
    },
    /// An entry's personal fields are not what it committed to.
    #[error("the personal fields of entry {seq} of the log have been changed")]
    Personal {
        /// Its place.
        seq: u64,
    },
    /// An entry's personal fields are gone, and no erasure says so.
    #[error("the personal fields of entry {seq} of the log are gone without an erasure")]
    PersonalGone {
        /// Its place.
        seq: u64,
    },
    /// A signed checkpoint does not fit the entries that came since the one before it.
    #[error("entries {from} to {until} of the log are not those of checkpoint {size}: {why}", size = until + 1)]
    Checkpoint {
        /// The first entry that it adds.
        from: u64,
        /// The last entry that it adds.
        until: u64,
        /// What is wrong.
        why: String,
    },
    /// The log ends elsewhere than its last signed checkpoint, or than one that an auditor holds.
    #[error("the log has {found} entries, but {signed} are signed")]
    End {
        /// How many entries there are.
        found: u64,
        /// How many are signed.
        signed: u64,
    },
    /// The mark of where the log ends, from which the next entry would go on, is not that of the
    /// log.
    #[error("the head of the log has been changed")]
    Head,
    /// A stream lacks a version.
    #[error("{stream} has version {found} where {expected} is due")]
    Version {
        /// The stream.
        stream: StreamId,
        /// The version that is due.
        expected: i64,
        /// The version that is there.
        found: i64,
    },
    /// The events of a stream cannot be folded.
    #[error("the state of {stream} cannot be computed: {why}")]
    Fold {
        /// The stream.
        stream: StreamId,
        /// Why not.
        why: String,
    },
    /// The events amount to a state that is not there.
    #[error("the state of {stream} is missing")]
    StateMissing {
        /// The stream.
        stream: StreamId,
    },
    /// There is a state that no events amount to.
    #[error("the state of {stream} has no events")]
    StateExtra {
        /// The stream.
        stream: StreamId,
    },
    /// A state is not what the events amount to.
    #[error("the state of {stream} has been changed: {}", columns.join(", "))]
    StateChanged {
        /// The stream.
        stream: StreamId,
        /// In which columns.
        columns: Vec<String>,
    },
}

/// Verifies a store that nothing need be running on, with nothing but the public key and the
/// kinds. `held` are checkpoints that the auditor has kept: the log must still continue them.
pub async fn verify(
    config: &StoreConfig,
    registry: &Registry,
    verifier: &Verifier,
    held: &[&str],
) -> Result<Vec<Fault>, StoreError> {
    let database = Database::open_to_read(config).await?;
    let faults = verify_database(&database, registry, verifier, held).await;
    database.close().await;
    faults
}

impl Desk {
    /// Verifies the whole log and every state, and says what is wrong.
    pub async fn verify(&self) -> Result<Vec<Fault>, StoreError> {
        verify_database(self.database(), self.registry(), self.verifier(), &[]).await
    }

    /// Computes every state and the head anew from the log, in one transaction, and says in what
    /// they differed from those that were there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unsound`] if the log itself is not what was signed, or holds events from
    /// which no state can be computed: nothing is written then.
    pub async fn rebuild(&self) -> Result<Vec<Fault>, StoreError> {
        let mut tx = self.database().begin().await?;
        // The head is locked until the end, so the log stands still meanwhile.
        tx.head().await?;
        let there = tx.states().await?;
        let mut faults = Vec::new();
        let mut rows = Vec::new();
        let mut snapshot = self.database().snapshot().await?;
        let head = verify_log(&mut snapshot, self.verifier(), &[], &mut faults).await?;
        match faults.iter().filter(|fault| !matches!(fault, Fault::Head)).count() {
            0 => {}
            unsound => return Err(StoreError::Unsound(unsound)),
        }
        let events = snapshot.events_by_stream();
        let keep = |row| rows.push(row);
        compare(self.registry(), events, there, &mut faults, keep).await?;
        let is_beyond =
            |fault: &&Fault| matches!(fault, Fault::Fold { .. } | Fault::Version { .. });
        match faults.iter().filter(is_beyond).count() {
            0 => {}
            unsound => return Err(StoreError::Unsound(unsound)),
        }
        tx.put_head(&head).await?;
        tx.drop_states().await?;
        for some in rows.chunks(1000) {
            tx.put_states(&some.iter().collect::<Vec<_>>()).await?;
        }
        tx.commit().await?;
        self.forget_states();
        Ok(faults)
    }
}

async fn verify_database(
    database: &Database,
    registry: &Registry,
    verifier: &Verifier,
    held: &[&str],
) -> Result<Vec<Fault>, StoreError> {
    let mut faults = Vec::new();
    let mut snapshot = database.snapshot().await?;
    verify_log(&mut snapshot, verifier, held, &mut faults).await?;
    let states = snapshot.states().await?;
    let events = snapshot.events_by_stream();
    compare(registry, events, states, &mut faults, |_| {}).await?;
    Ok(faults)
}

/// Verifies the log alone, and tells the head that it has.
async fn verify_log(
    snapshot: &mut Snapshot,
    verifier: &Verifier,
    held: &[&str],
    faults: &mut Vec<Fault>,
) -> Result<Head, StoreError> {
    let checkpoints = snapshot.checkpoints().await?;
    let found = snapshot.head().await?;
    let mut walk = Walk::new(&checkpoints, verifier, held, faults);
    let mut log = snapshot.log();
    while let Some((row, personal)) = log.try_next().await? {
        walk.entry(&row, personal.as_ref());
    }
    drop(log);
    walk.finish(&found)
}

/// A walk along the log, from its first entry to its last.
struct Walk<'a> {
    /// What must be the root of so many leaves, and what the statement says against it.
    signed: BTreeMap<u64, Vec<Result<NodeHash, String>>>,
    last_signed: u64,
    frontier: Frontier,
    /// Whether every leaf up to here is known.
    whole: bool,
    next: u64,
    last_at: i64,
    gone: BTreeSet<u64>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn new(
        rows: &[CheckpointRow],
        verifier: &Verifier,
        held: &[&str],
        faults: &'a mut Vec<Fault>,
    ) -> Self {
        let mut signed: BTreeMap<u64, Vec<Result<NodeHash, String>>> = BTreeMap::new();
        let open = |note: &str| {
            Checkpoint::open(note, verifier.name(), std::slice::from_ref(verifier))
                .map_err(|error| error.to_string())
        };
        for row in rows {
            let size = row.size.unsigned_abs();
            let root = open(&row.note).and_then(|checkpoint| {
                if checkpoint.size == size && checkpoint.root.to_string() == row.root {
                    Ok(checkpoint.root)
                } else {
                    Err("its row differs from the signed note".to_owned())
                }
            });
            signed.entry(size).or_default().push(root);
        }
        let mut last_signed = signed.keys().next_back().copied().unwrap_or(0);
        for note in held {
            match open(note) {
                Ok(checkpoint) => {
                    last_signed = last_signed.max(checkpoint.size);
                    let roots = signed.entry(checkpoint.size).or_default();
                    roots.push(Ok(checkpoint.root));
                }
                Err(why) => faults.push(Fault::Checkpoint { from: 0, until: 0, why }),
            }
        }
        Self {
            signed,
            last_signed,
            frontier: Frontier::new(SUITE),
            whole: true,
            next: 0,
            last_at: 0,
            gone: BTreeSet::new(),
            faults,
        }
    }

    fn entry(&mut self, row: &EventRow, personal: Option<&PersonalRow>) {
        let seq = row.seq.unsigned_abs();
        while self.next < seq {
            self.faults.push(Fault::Missing { seq: self.next });
            self.whole = false;
            self.next += 1;
        }
        self.next = seq + 1;
        if row.at < self.last_at {
            self.faults.push(Fault::Time { seq });
        }
        self.last_at = row.at;
        self.leaf(row, seq);
        self.personal(row, personal, seq);
        if self.whole {
            self.checkpoint(seq + 1);
        }
    }

    fn leaf(&mut self, row: &EventRow, seq: u64) {
        let leaf = SUITE.leaf(&row.leaf_bytes());
        let recorded: Option<NodeHash> = row.leaf.parse().ok();
        if recorded != Some(leaf) {
            self.faults
                .push(Fault::Changed { seq, stream: StreamId::from_text(row.stream.clone()) });
        }
        // The recorded hash keeps the tree as it was signed, so that one changed entry is named
        // and not every one behind it.
        self.frontier.append(recorded.unwrap_or(leaf));
    }

    fn personal(&mut self, row: &EventRow, personal: Option<&PersonalRow>, seq: u64) {
        match (&row.commitment, personal) {
            (None, None) => {}
            (Some(commitment), Some(personal)) if personal.commitment() == *commitment => {}
            (Some(_), None) => {
                self.gone.insert(seq);
            }
            _ => self.faults.push(Fault::Personal { seq }),
        }
        if row.event.as_deref() == Some(ERASED)
            && let Ok(body) = serde_json::from_str::<Value>(&row.body)
        {
            let entries = body.get("entries").and_then(Value::as_array);
            for erased in entries.into_iter().flatten().filter_map(Value::as_u64) {
                self.gone.remove(&erased);
            }
        }
    }

    fn checkpoint(&mut self, size: u64) {
        let from = |signed: &BTreeMap<u64, _>| {
            signed.range(..size).next_back().map_or(0, |(before, _)| *before)
        };
        let Some(roots) = self.signed.get(&size) else {
            return;
        };
        let found = self.frontier.root();
        for root in roots {
            let why = match root {
                Ok(root) if *root == found => continue,
                Ok(_) => "the root is another".to_owned(),
                Err(why) => why.clone(),
            };
            self.faults.push(Fault::Checkpoint { from: from(&self.signed), until: size - 1, why });
            // Once a root differs, all later ones do.
            self.whole &= root.is_err();
        }
    }

    fn finish(self, found: &Head) -> Result<Head, StoreError> {
        let head = Head {
            size: i64::try_from(self.next).unwrap_or(i64::MAX),
            last_at: self.last_at,
            frontier: writer::json(&self.frontier)?,
        };
        // Where entries are missing or other than signed, the head is not to be told from them.
        if self.whole && !is_same(&head, found) {
            self.faults.push(Fault::Head);
        }
        if self.next != self.last_signed {
            self.faults.push(Fault::End { found: self.next, signed: self.last_signed });
        }
        self.faults.extend(self.gone.into_iter().map(|seq| Fault::PersonalGone { seq }));
        Ok(head)
    }
}

/// Whether two heads are of the same log.
fn is_same(due: &Head, found: &Head) -> bool {
    let frontiers = (writer::frontier(due), writer::frontier(found));
    let same = matches!(frontiers, (Ok(due), Ok(found)) if due.root() == found.root());
    same && due.size == found.size && due.last_at == found.last_at
}

/// Folds every stream and compares it with the state that is there; both come in the order of
/// their streams. What each stream amounts to is shown to `computed`.
async fn compare(
    registry: &Registry,
    events: impl Stream<Item = Result<(EventRow, Option<PersonalRow>), sqlx::Error>>,
    states: Vec<StateRow>,
    faults: &mut Vec<Fault>,
    mut computed: impl FnMut(StateRow),
) -> Result<(), StoreError> {
    let mut events = Box::pin(events);
    let mut states = states.into_iter();
    let mut event = events.try_next().await?;
    let mut state = states.next();
    while let Some(first) = event.take() {
        let stream = StreamId::from_text(first.0.stream.clone());
        let mut rows = vec![first];
        while let Some(next) = events.try_next().await? {
            if next.0.stream == stream.as_str() {
                rows.push(next);
            } else {
                event = Some(next);
                break;
            }
        }
        let due = fold(registry, &stream, rows, faults);
        while let Some(extra) = state.take_if(|row| row.stream.as_str() < stream.as_str()) {
            faults.push(Fault::StateExtra { stream: StreamId::from_text(extra.stream) });
            state = states.next();
        }
        let there = state.take_if(|row| row.stream == stream.as_str());
        if there.is_some() {
            state = states.next();
        }
        if let Some(due) = due {
            faults.extend(difference(&stream, &due, there.as_ref()));
            computed(due);
        }
    }
    while let Some(extra) = state {
        faults.push(Fault::StateExtra { stream: StreamId::from_text(extra.stream) });
        state = states.next();
    }
    Ok(())
}

fn fold(
    registry: &Registry,
    stream: &StreamId,
    rows: Vec<(EventRow, Option<PersonalRow>)>,
    faults: &mut Vec<Fault>,
) -> Option<StateRow> {
    for (expected, (row, _)) in (1..).zip(&rows) {
        let found = row.version.unwrap_or(0);
        if found != expected {
            faults.push(Fault::Version { stream: stream.clone(), expected, found });
            break;
        }
    }
    let folded = happened(rows, Payload::Whole)
        .map_err(|error| error.to_string())
        .and_then(|events| registry.fold(stream, &events))
        .and_then(|folded| folded.ok_or_else(|| "its events leave none".to_owned()));
    match folded {
        Ok(folded) => Some(folded.row),
        Err(why) => {
            faults.push(Fault::Fold { stream: stream.clone(), why });
            None
        }
    }
}

fn difference(stream: &StreamId, due: &StateRow, there: Option<&StateRow>) -> Option<Fault> {
    let stream = stream.clone();
    let Some(there) = there else {
        return Some(Fault::StateMissing { stream });
    };
    let columns = due.differs_from(there);
    (!columns.is_empty()).then(|| Fault::StateChanged {
        stream,
        columns: columns.into_iter().map(str::to_owned).collect(),
    })
}
