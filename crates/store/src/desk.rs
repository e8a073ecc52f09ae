//! The desk: where acts are handed in, and what has become of them is read.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shuyu_kernel::{Actor, Clock, Entropy};
use shuyu_law::{Attributes, ClauseId, Permit, Refusal};
use shuyu_ledger::{Signer, Verifier};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    ActError, Context, Entity, Filter, Laws, Receipt, Recorded, Registry, StoreConfig, StoreError,
    StreamId, Trail, Unit, Version,
    cache::{Cache, Cached},
    database::Database,
    record::{EventRow, Frame, PersonalRow, StateRow},
    registry::{ERASED, Happened},
    tally::Tallies,
    unit::{Answer, ask},
    writer::{Committed, Submission, Writer},
};

/// How often an act is decided anew because what it rests on has changed.
const TRIES: usize = 256;

/// How many turns there are for acts that are decided anew; those on one entity share one.
const TURNS: usize = 64;

/// An act that changes nothing: a read, a call, a refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What it is about.
    pub subject: StreamId,
    /// What was done, `<kind>.<verb>`.
    pub act: String,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// What there is to say. It stands in the leaf for ever, so it holds nothing personal.
    pub body: Value,
}

/// What an act has come to.
pub struct Acted<E: Entity> {
    /// What it made happen.
    pub events: Vec<E::Event>,
    /// The version that the act made.
    pub version: Version,
    /// The state after it.
    pub state: E,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// Where in the log it stands.
    pub receipt: Receipt,
}

impl<E: Entity + fmt::Debug> fmt::Debug for Acted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acted")
            .field("version", &self.version)
            .field("state", &self.state)
            .field("events", &self.events.len())
            .field("clauses", &self.clauses)
            .field("receipt", &self.receipt)
            .finish()
    }
}

/// The store of a deployment. A clone is a handle of the same desk.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    registry: Arc<Registry>,
    laws: Laws,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    verifier: Verifier,
    cache: Arc<Cache>,
    inbox: mpsc::UnboundedSender<Submission>,
    feed: broadcast::Sender<Committed>,
    tallies: Tallies,
    turns: Vec<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// Opens the store, and makes it if it is new. The log's origin is the name of the signer.
    pub async fn open(
        config: StoreConfig,
        registry: Arc<Registry>,
        laws: Laws,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        signer: Signer,
    ) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(&config).await?);
        let verifier = signer.verifier().clone();
        own(&database, &verifier).await?;
        let head = database.head().await?;
        crate::writer::frontier(&head)?;
        let cache = Arc::new(Cache::new(config.cached));
        let (inbox, submissions) = mpsc::unbounded_channel();
        let (feed, _) = broadcast::channel(4096);
        let tallies = Tallies::default();
        let writer = Writer {
            database: Arc::clone(&database),
            clock: Arc::clone(&clock),
            signer,
            cache: Arc::clone(&cache),
            feed: feed.clone(),
            tallies: tallies.clone(),
            told: head.size,
            limit: config.group.max(1),
        };
        tokio::spawn(writer.run(submissions));
        Ok(Self(Arc::new(Inner {
            database,
            registry,
            laws,
            clock,
            entropy,
            verifier,
            cache,
            inbox,
            feed,
            tallies,
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::default()).collect(),
        })))
    }

    /// The law in force, and earlier laws.
    pub fn laws(&self) -> &Laws {
        &self.0.laws
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// The source of randomness.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.0.entropy
    }

    /// The kinds of entities.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The public key of the log.
    pub fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn forget(&self, stream: &StreamId) {
        self.0.cache.drop_all([stream]);
    }

    pub(crate) fn forget_states(&self) {
        self.0.cache.clear();
    }

    /// A unit of work of `actor`.
    pub fn unit(&self, actor: &Actor) -> Unit {
        Unit::new(self.clone(), Arc::new(actor.clone()))
    }

    /// Does `command` to an entity: load, authorise, decide, and write events and state in one
    /// durable transaction. Decided anew if the entity has changed in the meantime.
    pub async fn act<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        command: E::Command,
    ) -> Result<Acted<E>, ActError> {
        self.retry(|| async {
            let unit = self.unit(actor);
            let decided = unit.act::<E>(id, command.clone()).await?;
            let receipt = unit.commit().await?;
            Ok(Acted {
                events: decided.events,
                version: decided.version,
                state: decided.state,
                clauses: decided.clauses,
                receipt,
            })
        })
        .await
    }

    /// As [`Self::act`], on the version that the caller has read and no other.
    pub async fn act_on<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        version: Version,
        command: E::Command,
    ) -> Result<Acted<E>, ActError> {
        let unit = self.unit(actor);
        unit.expect::<E>(id, version).await?;
        let decided = unit.act::<E>(id, command).await?;
        let receipt = unit.commit().await?;
        Ok(Acted {
            version: decided.version,
            state: decided.state,
            clauses: decided.clauses,
            events: decided.events,
            receipt,
        })
    }

    /// Does several acts together or not at all: `work` is handed a unit, which is committed
    /// when it returns. Done anew, from the beginning, if what was read has changed.
    pub async fn run<T, F, Fut>(&self, actor: &Actor, mut work: F) -> Result<T, ActError>
    where
        F: FnMut(Unit) -> Fut,
        Fut: Future<Output = Result<T, ActError>>,
    {
        let actor = Arc::new(actor.clone());
        self.retry(move || {
            let unit = Unit::new(self.clone(), Arc::clone(&actor));
            let done = work(unit.clone());
            async move {
                let value = done.await?;
                unit.commit().await?;
                Ok(value)
            }
        })
        .await
    }

    /// Tries until what was read has not changed in the meantime. Those that have failed once
    /// take turns, so that one of them at a time tries again.
    async fn retry<T, F, Fut>(&self, mut work: F) -> Result<T, ActError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, ActError>>,
    {
        let mut outcome = work().await;
        for _ in 1..TRIES {
            let Err(ActError::Conflict(stream)) = &outcome else {
                break;
            };
            let _turn = match self.turn_of(stream) {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            self.forget(stream);
            outcome = work().await;
        }
        outcome
    }

    fn turn_of(&self, stream: &StreamId) -> Option<&tokio::sync::Mutex<()>> {
        use std::hash::{Hash as _, Hasher as _};
        let mut hasher = std::hash::DefaultHasher::new();
        stream.hash(&mut hasher);
        let place = hasher.finish() % (TURNS as u64);
        usize::try_from(place).ok().and_then(|place| self.0.turns.get(place))
    }

    /// Notes an act that changes nothing. When this returns, it is durable.
    pub async fn journal(&self, actor: &Actor, entry: Entry) -> Result<Receipt, ActError> {
        let unit = self.unit(actor);
        unit.journal(&entry);
        unit.commit().await
    }

    /// Records a refusal that no entity gave, durably, and returns it as an error.
    pub async fn refuse(
        &self,
        actor: &Actor,
        subject: &StreamId,
        act: &str,
        refusal: Refusal,
    ) -> ActError {
        self.unit(actor).refuse(subject, act, refusal).await
    }

    /// The state of an entity and its version, if it exists.
    pub async fn find<E: Entity>(&self, id: E::Id) -> Result<Option<(Version, E)>, StoreError> {
        let stream = StreamId::of::<E>(id);
        match self.database().state(stream.as_str()).await? {
            None => Ok(None),
            Some(row) => Ok(Some((Version::of_column(row.version), state_of(&row)?))),
        }
    }

    /// Entities of a kind, by id.
    pub async fn list<E: Entity>(&self, filter: &Filter) -> Result<Vec<(E::Id, E)>, StoreError> {
        self.database()
            .list(&filter.row(E::KIND))
            .await?
            .iter()
            .map(|row| {
                let id = row.id.parse().map_err(|error| {
                    StoreError::unreadable(format!("the id of {}", row.stream), &error)
                })?;
                Ok((id, state_of(row)?))
            })
            .collect()
    }

    /// The state of an entity as it was at `instant`, if it existed then.
    pub async fn find_at<E: Entity>(
        &self,
        id: E::Id,
        instant: DateTime<Utc>,
    ) -> Result<Option<(Version, E)>, StoreError> {
        let stream = StreamId::of::<E>(id);
        let rows = self.database().events_of(stream.as_str(), instant.timestamp_micros()).await?;
        let events = happened(rows, Payload::Whole)?;
        let folded = self
            .registry()
            .fold(&stream, &events)
            .map_err(|why| StoreError::unreadable(stream.as_str(), &why))?;
        Ok(folded.and_then(|folded| {
            let state = folded.state.downcast_ref::<E>()?.clone();
            Some((Version::of_column(folded.row.version), state))
        }))
    }

    /// Reads an entity for `actor`, if the policies permit `<kind>.<act>`, such as `case.read`.
    /// `context` is what the policies are told besides. That it was read, or that it was
    /// refused, stands in the log before this returns.
    pub async fn read<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        act: &str,
        context: &Attributes,
    ) -> Result<(Version, E), ActError> {
        let stream = StreamId::of::<E>(id);
        let Some((version, state)) = self.find::<E>(id).await? else {
            return Err(ActError::NotFound(stream));
        };
        let judged = self.judge::<E>(actor, id, act, &state, context);
        let act = format!("{}.{act}", E::KIND);
        match judged {
            Ok(permit) => {
                let entry = Entry { clauses: permit.clauses, ..Entry::new(stream, act, json!({})) };
                self.journal(actor, entry).await?;
                Ok((version, state))
            }
            Err(refusal) => Err(self.refuse(actor, &stream, &act, refusal).await),
        }
    }

    /// Permits `act` on something that is no entity, such as the log itself, if the policies do.
    /// That it was permitted or refused stands in the log before this returns.
    pub async fn permit(
        &self,
        actor: &Actor,
        subject: &StreamId,
        act: &str,
    ) -> Result<(), ActError> {
        let law = &self.laws().current;
        let ctx = Context { now: self.clock().now(), actor, law };
        let empty = Attributes::new();
        match ask(&ctx, subject, act, Attributes::new(), &empty) {
            Ok(permit) => {
                let entry = Entry::new(subject.clone(), act, json!({}));
                self.journal(actor, Entry { clauses: permit.clauses, ..entry }).await?;
                Ok(())
            }
            Err(refusal) => Err(self.refuse(actor, subject, act, refusal).await),
        }
    }

    /// What the policies say of `<kind>.<act>` on an entity. Nothing is recorded: for lists, which
    /// leave out what their reader may not see.
    pub fn judge<E: Entity>(
        &self,
        actor: &Actor,
        id: E::Id,
        act: &str,
        state: &E,
        context: &Attributes,
    ) -> Result<Permit, Refusal> {
        // Who may look at what is for the law in force to say, whatever law the entity keeps.
        let law = &self.laws().current;
        let ctx = Context { now: self.clock().now(), actor, law };
        let act = format!("{}.{act}", E::KIND);
        ask(&ctx, &StreamId::of::<E>(id), &act, state.attributes(), context)
    }

    /// Entries of the log, in order, without personal fields.
    pub async fn entries(&self, trail: &Trail) -> Result<Vec<Recorded>, StoreError> {
        self.database().trail(&trail.row()).await?.into_iter().map(EventRow::recorded).collect()
    }

    /// The bytes of leaves from one place until before another: what the log commits to.
    pub async fn leaf_entries(
        &self,
        places: std::ops::Range<u64>,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let column = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
        let mut trail = Trail::default().row();
        trail.after = column(places.start) - 1;
        trail.limit = column(places.end.saturating_sub(places.start));
        Ok(self.database().trail(&trail).await?.iter().map(EventRow::leaf_bytes).collect())
    }

    /// How many times `act` was noted of `subject`, from one instant until before another; a
    /// refusal that was noted under the same act is one of them.
    pub async fn count(
        &self,
        subject: &StreamId,
        act: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let (from, until) = (from.timestamp_micros(), until.timestamp_micros());
        let count = self.database().count(subject.as_str(), act, from, until).await?;
        Ok(count.unsigned_abs())
    }

    /// What is committed from now on, by this process or another. A listener that falls behind
    /// is told how much it has missed, and reads the rest from [`Self::entries`].
    pub fn subscribe(&self) -> broadcast::Receiver<Committed> {
        self.0.feed.subscribe()
    }

    /// How many entries the log has.
    pub async fn size(&self) -> Result<u64, StoreError> {
        Ok(self.database().head().await?.size.unsigned_abs())
    }

    /// How many times `act` was noted of `subject` since an instant, as it was last counted for
    /// [`Unit::journal_at_most`]: never more often than it was. `None`: it was not counted yet.
    pub fn last_count(&self, subject: &StreamId, act: &str, since: DateTime<Utc>) -> Option<u64> {
        self.0.tallies.last(subject, act, since)
    }

    /// How many entries stand in the log without their personal fields, which were erased.
    pub async fn erased(&self) -> Result<u64, StoreError> {
        Ok(self.database().erased().await?.unsigned_abs())
    }

    /// The latest signed checkpoint, as a note, if the log has an entry.
    pub async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        Ok(self.database().checkpoint().await?.map(|row| row.note))
    }

    /// The signed checkpoint of exactly so many entries, as a note, if one was made.
    pub async fn checkpoint_of(&self, size: u64) -> Result<Option<String>, StoreError> {
        let Ok(size) = i64::try_from(size) else { return Ok(None) };
        Ok(self.database().checkpoint_of(size).await?.map(|row| row.note))
    }

    /// The hashes of leaves from one place until before another, for proofs.
    pub async fn leaves(
        &self,
        places: std::ops::Range<u64>,
    ) -> Result<Vec<shuyu_ledger::NodeHash>, StoreError> {
        let column = |place: u64| i64::try_from(place).unwrap_or(i64::MAX);
        self.database()
            .leaves(column(places.start), column(places.end))
            .await?
            .iter()
            .map(|leaf| {
                leaf.parse().map_err(|error| StoreError::unreadable("a leaf of the log", &error))
            })
            .collect()
    }

    /// Erases the personal payloads of an entity's events, if the policies permit the act
    /// `<kind>.erase`. The log still verifies; the state is what the events say without them.
    pub async fn erase<E: Entity>(&self, actor: &Actor, id: E::Id) -> Result<Receipt, ActError> {
        let stream = StreamId::of::<E>(id);
        let receipt = self.retry(|| self.try_erase::<E>(actor, &stream)).await?;
        // What has been erased is durably gone; that the write-ahead log is emptied, too, may
        // fail while somebody reads, and is done at the next occasion.
        if let Err(error) = self.database().settle().await {
            tracing::warn!(%error, "the write-ahead log was not emptied after an erasure");
        }
        Ok(receipt)
    }

    async fn try_erase<E: Entity>(
        &self,
        actor: &Actor,
        stream: &StreamId,
    ) -> Result<Receipt, ActError> {
        let act = format!("{}.erase", E::KIND);
        let Some(cached) = self.cached::<E>(stream).await? else {
            return Err(ActError::NotFound(stream.clone()));
        };
        let state = cached.state.downcast_ref::<E>();
        let law = Arc::clone(self.laws().of(state.and_then(Entity::pack))?);
        let ctx = Context { now: self.clock().now(), actor, law: &law };
        let attributes = state.map(Entity::attributes).unwrap_or_default();
        let permit = match ask(&ctx, stream, &act, attributes, &BTreeMap::new()) {
            Ok(permit) => permit,
            Err(refusal) => return Err(self.refuse(actor, stream, &act, refusal).await),
        };
        let rows =
            self.database().events_of(stream.as_str(), i64::MAX).await.map_err(StoreError::from)?;
        let erased: Vec<i64> = rows
            .iter()
            .filter_map(|(_, personal)| personal.as_ref().map(|personal| personal.seq))
            .collect();
        let version = rows.last().map_or(0, |(row, _)| row.version.unwrap_or(0));
        let frame = Frame { stream, act, actor, pack: &law.version, decided_at: ctx.now };
        let body = json!({ "event": ERASED, "entries": erased });
        let draft = frame.event(version + 1, &permit.clauses, body, &[], self.entropy())?;
        let events = happened(rows, Payload::WithoutPersonal)?;
        let folded = self
            .registry()
            .fold(stream, &events)
            .map_err(|why| StoreError::unreadable(stream.as_str(), &why))?
            .ok_or_else(|| StoreError::NoState(stream.clone()))?;
        let row = StateRow { version: version + 1, ..folded.row };
        let cached = Cached { version: version + 1, state: folded.state };
        self.submit(|answer| Submission {
            reads: vec![(stream.clone(), version)],
            drafts: vec![draft],
            states: vec![(row, cached)],
            allowances: Vec::new(),
            erase: Some(stream.clone()),
            answer,
        })
        .await
    }

    /// Ends the writing task and closes the database. Acts that were handed in are finished.
    pub async fn close(self) {
        let database = Arc::clone(&self.0.database);
        drop(self);
        database.close().await;
    }

    pub(crate) async fn submit(
        &self,
        submission: impl FnOnce(Answer) -> Submission,
    ) -> Result<Receipt, ActError> {
        let (answer, answered) = oneshot::channel();
        let submission = submission(answer);
        if submission.drafts.is_empty() && submission.reads.is_empty() {
            return Ok(Receipt { first: self.size().await?, entries: 0, at: self.clock().now() });
        }
        self.0.inbox.send(submission).map_err(|_| StoreError::Closed)?;
        let outcome = answered.await.map_err(|_| StoreError::Closed)?;
        if let Err(ActError::Conflict(stream)) = &outcome {
            // Whoever tries again reads what is there now.
            self.forget(stream);
        }
        outcome
    }

    /// The state of a stream, from memory if it is there: to be checked when it is written.
    pub(crate) async fn cached<E: Entity>(
        &self,
        stream: &StreamId,
    ) -> Result<Option<Cached>, StoreError> {
        if let Some(cached) = self.0.cache.get(stream) {
            return Ok(Some(cached));
        }
        let Some(row) = self.database().state(stream.as_str()).await? else {
            return Ok(None);
        };
        let cached = Cached {
            version: row.version,
            state: Arc::new(state_of::<E>(&row)?) as Arc<dyn Any + Send + Sync>,
        };
        self.0.cache.put(stream, cached.clone());
        Ok(Some(cached))
    }
}

/// Whether events are read with the personal fields that are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    Whole,
    WithoutPersonal,
}

/// Events as entities know them, in the order of their versions.
pub(crate) fn happened(
    rows: impl IntoIterator<Item = (EventRow, Option<PersonalRow>)>,
    payload: Payload,
) -> Result<Vec<Happened>, StoreError> {
    rows.into_iter()
        .filter_map(|(row, personal)| Some((row.version?, row.event?, row.seq, row.body, personal)))
        .map(|(version, event, seq, body, personal)| {
            let parse = |text: &str| {
                serde_json::from_str::<Value>(text)
                    .map_err(|e| StoreError::unreadable(format!("entry {seq} of the log"), &e))
            };
            let mut body = parse(&body)?;
            if let (Payload::Whole, Some(personal), Some(fields)) =
                (payload, personal, body.as_object_mut())
                && let Value::Object(apart) = parse(&personal.body)?
            {
                fields.extend(apart);
            }
            Ok(Happened { version, event, body })
        })
        .collect()
}

fn state_of<E: Entity>(row: &StateRow) -> Result<E, StoreError> {
    serde_json::from_str(&row.body)
        .map_err(|error| StoreError::unreadable(format!("the state of {}", row.stream), &error))
}

/// Marks a new database as that of this log, and checks that another one is.
async fn own(database: &Database, verifier: &Verifier) -> Result<(), StoreError> {
    let key = hex::encode(verifier.public_key());
    for (name, value) in [("origin", verifier.name()), ("key", &key)] {
        database.set_meta(name, value).await?;
        let found = database.meta(name).await?.unwrap_or_default();
        if found != value {
            return Err(StoreError::Foreign(format!(
                "its {name} is {found}, but the key that was handed in says {value}"
            )));
        }
    }
    Ok(())
}
