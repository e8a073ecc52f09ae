//! The one task that writes.
//!
//! Callers queue what they want written; the task takes what is waiting, writes it in one
//! transaction, and answers once that is durable. While a group is being written the next one
//! gathers, so the cost of a durable commit is shared by as many as there are callers.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use shuyu_kernel::Clock;
use shuyu_law::Refusal;
use shuyu_ledger::{Checkpoint, Frontier, Signer};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    ActError, StoreError, StreamId, Version,
    cache::{Cache, Cached},
    database::{Batch, Database, Transaction},
    filter::TrailRow,
    record::{Draft, EventRow, PersonalRow, SUITE, StateRow, instant},
    rows::{CheckpointRow, Head},
    tally::Tallies,
};

/// How often the end of the log is looked at for what another process has appended.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How far this machine's clock may be behind that of another which appended last, and be
/// waited for.
const SKEW: i64 = 50_000;

/// Something that has been committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its place in the log.
    pub seq: u64,
    /// What it happened to.
    pub stream: StreamId,
    /// The version that it made; `None`: it changed nothing.
    pub version: Option<Version>,
    /// What was wanted.
    pub act: String,
    /// What happened; `None` for a journal entry.
    pub event: Option<String>,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// Where in the log an act stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The place of its first entry; of the next entry to come, if it made none.
    pub first: u64,
    /// How many entries it made.
    pub entries: u64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// What one caller wants to be written, all or nothing.
pub(crate) struct Submission {
    /// Versions that the decisions rest on.
    pub(crate) reads: Vec<(StreamId, i64)>,
    pub(crate) drafts: Vec<Draft>,
    pub(crate) states: Vec<(StateRow, Cached)>,
    /// How often what the drafts note may be noted.
    pub(crate) allowances: Vec<Allowance>,
    /// A stream whose personal fields are to be erased.
    pub(crate) erase: Option<StreamId>,
    pub(crate) answer: oneshot::Sender<Result<Receipt, ActError>>,
}

/// How often an act may be noted of a stream; and the refusal of whoever comes too late.
pub(crate) struct Allowance {
    pub(crate) stream: StreamId,
    pub(crate) act: String,
    pub(crate) times: u64,
    pub(crate) since: DateTime<Utc>,
    pub(crate) refusal: Refusal,
    pub(crate) otherwise: Draft,
}

pub(crate) struct Writer {
    pub(crate) database: Arc<Database>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: Signer,
    pub(crate) cache: Arc<Cache>,
    pub(crate) feed: broadcast::Sender<Committed>,
    /// What has been counted of acts that are allowed so many times.
    pub(crate) tallies: Tallies,
    /// How much of the log has been told to those who listen.
    pub(crate) told: i64,
    pub(crate) limit: usize,
}

/// What has been found about a group within its transaction.
struct Checked {
    verdicts: Vec<Result<Receipt, ActError>>,
    rows: Vec<EventRow>,
    personal: Vec<PersonalRow>,
    streams: HashSet<StreamId>,
}

impl Writer {
    /// Writes what is submitted, until nobody can submit any more or the database is closed.
    pub(crate) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Submission>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut group = Vec::with_capacity(self.limit);
        loop {
            tokio::select! {
                biased;
                taken = inbox.recv_many(&mut group, self.limit) => {
                    if taken == 0 {
                        return;
                    }
                    // Callers that the last answers have woken queue up before the group closes.
                    tokio::task::yield_now().await;
                    while group.len() < self.limit && let Ok(more) = inbox.try_recv() {
                        group.push(more);
                    }
                    self.commit(std::mem::take(&mut group)).await;
                }
                _ = look.tick() => match self.look().await {
                    Ok(()) => {}
                    // The desk is closed, though others still have a handle of it: they are told
                    // so, as what they submit is not taken any more.
                    Err(StoreError::Database(error))
                        if matches!(*error, sqlx::Error::PoolClosed) =>
                    {
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "the end of the log cannot be read"),
                }
            }
        }
    }

    /// Writes a group, and answers each caller.
    async fn commit(&mut self, group: Vec<Submission>) {
        match self.write(&group).await {
            Ok(verdicts) => answer(group, verdicts),
            // One of the group breaks what the schema enforces: each is written alone, so that
            // it does not spoil the others.
            Err(StoreError::Database(error))
                if group.len() > 1 && matches!(*error, sqlx::Error::Database(_)) =>
            {
                for alone in group {
                    let group = vec![alone];
                    let verdicts = self.write(&group).await;
                    match verdicts {
                        Ok(verdicts) => answer(group, verdicts),
                        Err(error) => fail(group, &error),
                    }
                }
            }
            Err(error) => fail(group, &error),
        }
    }

    async fn write(
        &mut self,
        group: &[Submission],
    ) -> Result<Vec<Result<Receipt, ActError>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let head = tx.head().await?;
        let now = self.instant_from(head.last_at).await?;
        let checked = self.check(&mut tx, group, &head, now).await?;
        if checked.rows.is_empty() {
            tx.roll_back().await?;
            return Ok(checked.verdicts);
        }
        let rows = self.append(&mut tx, group, &head, now, &checked).await?;
        tx.commit().await?;
        self.publish(group, &checked, &head, rows).await;
        Ok(checked.verdicts)
    }

    /// The present instant, which is not before `last`.
    async fn instant_from(&self, last: i64) -> Result<i64, StoreError> {
        let mut now = self.clock.now().timestamp_micros();
        if now < last && last - now <= SKEW {
            tokio::time::sleep(Duration::from_micros(last.abs_diff(now))).await;
            now = self.clock.now().timestamp_micros();
        }
        if now < last {
            return Err(StoreError::ClockBackwards { last: instant(last), now: instant(now) });
        }
        Ok(now)
    }

    /// Decides for each of the group whether it can be written, and gives it its place.
    async fn check(
        &self,
        tx: &mut Transaction,
        group: &[Submission],
        head: &Head,
        now: i64,
    ) -> Result<Checked, StoreError> {
        let mut versions = self.versions(tx, group).await?;
        let mut names = self.names(tx, group).await?;
        let mut counts = self.tallies.count(tx, group, head).await?;
        let mut checked = Checked {
            verdicts: Vec::with_capacity(group.len()),
            rows: Vec::new(),
            personal: Vec::new(),
            streams: HashSet::new(),
        };
        let mut next = head.size;
        for submission in group {
            if let Err(error) = check_one(submission, &versions, &names, now) {
                checked.verdicts.push(Err(error));
                continue;
            }
            if let Some(late) = counts.take(submission) {
                let (row, _) = late.otherwise.clone().place(next, now);
                checked.rows.push(row);
                checked.verdicts.push(Err(ActError::Refused(late.refusal.clone())));
                next += 1;
                continue;
            }
            for (row, _) in &submission.states {
                versions.insert(row.stream.clone(), row.version);
                checked.streams.insert(StreamId::from_text(row.stream.clone()));
                if let Some(name) = &row.name {
                    names.insert((row.kind.clone(), name.clone()), row.stream.clone());
                }
            }
            checked.verdicts.push(Ok(Receipt {
                first: next.unsigned_abs(),
                entries: submission.drafts.len() as u64,
                at: instant(now),
            }));
            for draft in &submission.drafts {
                let (row, personal) = draft.clone().place(next, now);
                checked.rows.push(row);
                checked.personal.extend(personal);
                next += 1;
            }
        }
        Ok(checked)
    }

    async fn versions(
        &self,
        tx: &mut Transaction,
        group: &[Submission],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let streams: HashSet<&str> = group
            .iter()
            .flat_map(|submission| &submission.reads)
            .map(|(stream, _)| stream.as_str())
            .collect();
        if streams.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(tx.versions(&json(&streams)?).await?.into_iter().collect())
    }

    async fn names(
        &self,
        tx: &mut Transaction,
        group: &[Submission],
    ) -> Result<HashMap<(String, String), String>, StoreError> {
        let names: Vec<(&str, &str)> = group
            .iter()
            .flat_map(|submission| &submission.states)
            .filter_map(|(row, _)| Some((row.kind.as_str(), row.name.as_deref()?)))
            .collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(tx
            .names(&json(&names)?)
            .await?
            .into_iter()
            .map(|(kind, name, stream)| ((kind, name), stream))
            .collect())
    }

    /// Hashes, signs and writes what has been found good.
    async fn append(
        &self,
        tx: &mut Transaction,
        group: &[Submission],
        head: &Head,
        now: i64,
        checked: &Checked,
    ) -> Result<Vec<EventRow>, StoreError> {
        let mut frontier = frontier(head)?;
        let mut rows = checked.rows.clone();
        for row in &mut rows {
            row.leaf = frontier.append_entry(&row.leaf_bytes()).to_string();
        }
        let root = frontier.root();
        let origin = self.signer.verifier().name();
        let note = Checkpoint::new(origin, frontier.size(), root)
            .sign(&[&self.signer])
            .map_err(|error| StoreError::unreadable("the checkpoint", &error))?;
        let mut states = Vec::new();
        for (submission, verdict) in group.iter().zip(&checked.verdicts) {
            if verdict.is_ok() {
                states.extend(submission.states.iter().map(|(row, _)| row));
                if let Some(stream) = &submission.erase {
                    tx.erase_personal(stream.as_str()).await?;
                }
            }
        }
        let size = head.size + i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let batch = Batch {
            events: &rows,
            personal: &checked.personal,
            states: &states,
            head: Head { size, last_at: now, frontier: json(&frontier)? },
            checkpoint: CheckpointRow { size, root: root.to_string(), note: note.to_string() },
        };
        tx.append(&batch).await?;
        Ok(rows)
    }

    /// Keeps the new states at hand, and tells those who listen.
    async fn publish(
        &mut self,
        group: &[Submission],
        checked: &Checked,
        head: &Head,
        rows: Vec<EventRow>,
    ) {
        if self.told < head.size
            && let Err(error) = self.tell_until(head.size).await
        {
            tracing::warn!(%error, "what another process appended cannot be read");
        }
        for (submission, verdict) in group.iter().zip(&checked.verdicts) {
            if verdict.is_ok() {
                for (row, cached) in &submission.states {
                    let stream = StreamId::from_text(row.stream.clone());
                    self.cache.put(&stream, cached.clone());
                }
            } else {
                self.cache.drop_all(
                    submission
                        .reads
                        .iter()
                        .map(|(stream, _)| stream)
                        .filter(|stream| !checked.streams.contains(*stream)),
                );
            }
        }
        for row in rows {
            self.tell(row);
        }
    }

    /// Tells those who listen what another process has appended.
    async fn look(&mut self) -> Result<(), StoreError> {
        let size = self.database.head().await?.size;
        if self.told < size {
            self.tell_until(size).await?;
        }
        Ok(())
    }

    async fn tell_until(&mut self, size: i64) -> Result<(), StoreError> {
        while self.told < size {
            let rows = self.database.trail(&TrailRow::between(self.told, size)).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                self.cache.drop_all([&StreamId::from_text(row.stream.clone())]);
                self.tell(row);
            }
        }
        Ok(())
    }

    fn tell(&mut self, row: EventRow) {
        self.told = row.seq + 1;
        // An error says that nobody listens.
        let _ = self.feed.send(Committed {
            seq: row.seq.unsigned_abs(),
            stream: StreamId::from_text(row.stream),
            version: row.version.map(Version::of_column),
            act: row.act,
            event: row.event,
            at: instant(row.at),
        });
    }
}

/// Whether one submission can be written, given what stands and what of its group came before.
fn check_one(
    submission: &Submission,
    versions: &HashMap<String, i64>,
    names: &HashMap<(String, String), String>,
    now: i64,
) -> Result<(), ActError> {
    for (stream, expected) in &submission.reads {
        if versions.get(stream.as_str()).copied().unwrap_or(0) != *expected {
            return Err(ActError::Conflict(stream.clone()));
        }
    }
    for (row, _) in &submission.states {
        if let Some(name) = &row.name
            && let Some(stream) = names.get(&(row.kind.clone(), name.clone()))
            && *stream != row.stream
        {
            return Err(ActError::Store(StoreError::NameTaken {
                kind: row.kind.clone(),
                name: name.clone(),
            }));
        }
    }
    match submission.drafts.iter().map(|draft| draft.decided_at).max() {
        Some(decided) if decided > now => Err(ActError::Store(StoreError::ClockBackwards {
            last: instant(decided),
            now: instant(now),
        })),
        _ => Ok(()),
    }
}

/// The frontier that the head of the log holds.
pub(crate) fn frontier(head: &Head) -> Result<Frontier, StoreError> {
    if head.size == 0 {
        return Ok(Frontier::new(SUITE));
    }
    let frontier: Frontier = serde_json::from_str(&head.frontier)
        .map_err(|error| StoreError::unreadable("the head of the log", &error))?;
    if i64::try_from(frontier.size()) != Ok(head.size) || frontier.suite() != SUITE {
        return Err(StoreError::unreadable(
            "the head of the log",
            &"its frontier is of another log",
        ));
    }
    Ok(frontier)
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable("a group of rows", &error))
}

fn answer(group: Vec<Submission>, verdicts: Vec<Result<Receipt, ActError>>) {
    for (submission, verdict) in group.into_iter().zip(verdicts) {
        // An error says that the caller has gone away; what is committed stays.
        let _ = submission.answer.send(verdict);
    }
}

fn fail(group: Vec<Submission>, error: &StoreError) {
    for submission in group {
        let _ = submission.answer.send(Err(ActError::Store(error.clone())));
    }
}
