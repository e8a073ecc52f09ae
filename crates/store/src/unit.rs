//! The unit of work: some acts that happen together or not at all.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shuyu_kernel::Actor;
use shuyu_law::{Attribute, Attributes, ClauseId, Law, Permit, Refusal, Request};
use tokio::sync::oneshot;

use crate::{
    ActError, Command, Context, Desk, Entity, Entry, Receipt, StoreError, StreamId, Version,
    cache::Cached,
    record::{Draft, Frame, StateRow},
    writer::{Allowance, Submission},
};

/// What an act amounts to, once its unit is committed.
pub struct Decided<E: Entity> {
    /// What it makes happen.
    pub events: Vec<E::Event>,
    /// The version that the act makes.
    pub version: Version,
    /// The state after it.
    pub state: E,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
}

impl<E: Entity + fmt::Debug> fmt::Debug for Decided<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decided")
            .field("version", &self.version)
            .field("state", &self.state)
            .field("events", &self.events.len())
            .field("clauses", &self.clauses)
            .finish()
    }
}

/// Acts of one actor that are written together. A clone is a handle of the same unit.
///
/// Every version that is read through the unit is checked when it is committed: if one of them
/// has changed, nothing is written and the answer is [`ActError::Conflict`].
#[derive(Clone)]
pub struct Unit {
    desk: Desk,
    actor: Arc<Actor>,
    staged: Arc<Mutex<Staged>>,
}

#[derive(Default)]
struct Staged {
    reads: BTreeMap<StreamId, i64>,
    drafts: Vec<Draft>,
    states: BTreeMap<StreamId, (StateRow, Cached)>,
    allowances: Vec<Allowance>,
    refused: Option<Refusal>,
}

/// How often an act may be noted of a subject, and what is said once it has been.
#[derive(Debug, Clone)]
pub struct AtMost {
    /// How often, the note itself included.
    pub times: u64,
    /// Since when notes are counted.
    pub since: DateTime<Utc>,
    /// The act under which a refusal is noted: another one, as refusals are not counted.
    pub refused_act: String,
    /// The refusal.
    pub refusal: Refusal,
}

/// An entity as the unit sees it.
struct Seen<E> {
    version: i64,
    state: Option<E>,
}

impl Unit {
    pub(crate) fn new(desk: Desk, actor: Arc<Actor>) -> Self {
        Self { desk, actor, staged: Arc::default() }
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The same unit, for what follows from something that another actor has done before, such
    /// as their approval in a case. Those consequences are recorded as theirs.
    pub fn on_behalf_of(&self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self.clone() }
    }

    /// The desk at which the unit was begun.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The state of an entity, with what the unit has done to it, if it exists.
    pub async fn find<E: Entity>(&self, id: E::Id) -> Result<Option<(Version, E)>, ActError> {
        let seen = self.see::<E>(&StreamId::of::<E>(id)).await?;
        Ok(seen.state.map(|state| (Version::of_column(seen.version), state)))
    }

    /// The state of an entity, with what the unit has done to it.
    pub async fn load<E: Entity>(&self, id: E::Id) -> Result<E, ActError> {
        let stream = StreamId::of::<E>(id);
        self.see::<E>(&stream).await?.state.ok_or(ActError::NotFound(stream))
    }

    /// Lets the unit rest on this version of an entity: the one that the caller has read.
    pub async fn expect<E: Entity>(&self, id: E::Id, version: Version) -> Result<(), ActError> {
        let stream = StreamId::of::<E>(id);
        // A state at hand may be older than the one that the caller has read.
        if self.lock().reads.get(&stream) != Some(&version.column()) {
            self.desk.forget(&stream);
        }
        if self.see::<E>(&stream).await?.version == version.column() {
            Ok(())
        } else {
            Err(ActError::Conflict(stream))
        }
    }

    /// Does `command` to an entity, if the policies and the entity permit it.
    ///
    /// A refusal drops what the unit holds, and stands in the log before it is returned.
    pub async fn act<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
    ) -> Result<Decided<E>, ActError> {
        self.decide::<E>(id, command, None).await
    }

    /// Does `command` to an entity as a consequence of an act that was permitted: no policy is
    /// asked. `clauses` are those that ask for the consequence.
    pub async fn follow<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
        clauses: &[ClauseId],
    ) -> Result<Decided<E>, ActError> {
        self.decide::<E>(id, command, Some(clauses)).await
    }

    /// Notes something that changes nothing, such as a read or a call.
    pub fn journal(&self, entry: &Entry) {
        let draft = self.frame(&entry.subject, &entry.act, &self.desk.laws().current);
        let draft = draft.journal(&entry.clauses, &entry.body);
        self.lock().drafts.push(draft);
    }

    /// Notes something that changes nothing, as long as it has not been noted often enough.
    ///
    /// It is counted where the unit is written, so that of notes that are made at the same time,
    /// by any process, exactly as many succeed as there is room for. When there is none, nothing
    /// of the unit is written but the refusal.
    pub fn journal_at_most(&self, entry: &Entry, at_most: AtMost) {
        let AtMost { times, since, refused_act, refusal } = at_most;
        let law = &self.desk.laws().current;
        let otherwise = self.frame(&entry.subject, &refused_act, law);
        let otherwise = otherwise.journal(&refusal.clauses, &refused(&refusal));
        let (stream, act) = (entry.subject.clone(), entry.act.clone());
        self.journal(entry);
        self.lock().allowances.push(Allowance { stream, act, times, since, refusal, otherwise });
    }

    /// Refuses what the unit is about: drops what it holds, and records the refusal durably.
    /// For rules that no single entity can check.
    pub async fn refuse(&self, subject: &StreamId, act: &str, refusal: Refusal) -> ActError {
        let law = Arc::clone(&self.desk.laws().current);
        self.record_refusal(subject, act, &law, refusal).await
    }

    /// Writes what the unit holds, all or nothing. When this returns, it is durable.
    pub async fn commit(self) -> Result<Receipt, ActError> {
        let staged = std::mem::take(&mut *self.lock());
        if let Some(refusal) = staged.refused {
            return Err(ActError::Refused(refusal));
        }
        self.desk
            .submit(|answer| Submission {
                reads: staged.reads.into_iter().collect(),
                drafts: staged.drafts,
                states: staged.states.into_values().collect(),
                allowances: staged.allowances,
                erase: None,
                answer,
            })
            .await
    }

    async fn decide<E: Entity>(
        &self,
        id: E::Id,
        command: E::Command,
        consequence: Option<&[ClauseId]>,
    ) -> Result<Decided<E>, ActError> {
        let stream = StreamId::of::<E>(id);
        let act = format!("{}.{}", E::KIND, command.name());
        let seen = self.see::<E>(&stream).await?;
        let law = Arc::clone(self.desk.laws().of(seen.state.as_ref().and_then(Entity::pack))?);
        let ctx = Context { now: self.desk.clock().now(), actor: &self.actor, law: &law };
        let permit = match consequence {
            Some(clauses) => Ok(Permit { policies: Vec::new(), clauses: clauses.to_vec() }),
            None => authorise(&ctx, &stream, &act, seen.state.as_ref(), &command),
        };
        let decided = permit.and_then(|permit| {
            E::decide(seen.state.as_ref(), command, &ctx).map(|events| (permit, events))
        });
        match decided {
            Ok((permit, events)) => self.stage(&stream, &act, &ctx, seen, &permit, events),
            Err(refusal) => Err(self.record_refusal(&stream, &act, &law, refusal).await),
        }
    }

    /// Holds the events of an act until the unit is committed.
    fn stage<E: Entity>(
        &self,
        stream: &StreamId,
        act: &str,
        ctx: &Context<'_>,
        seen: Seen<E>,
        permit: &Permit,
        events: Vec<E::Event>,
    ) -> Result<Decided<E>, ActError> {
        let frame = Frame { decided_at: ctx.now, ..self.frame(stream, act, ctx.law) };
        let mut drafts = Vec::with_capacity(events.len());
        let (mut version, mut state, mut all_clauses) =
            (seen.version, seen.state, permit.clauses.clone());
        for event in &events {
            version += 1;
            let clauses = union(&permit.clauses, E::clauses(event));
            all_clauses = union(&all_clauses, clauses.clone());
            let body = serde_json::to_value(event)
                .map_err(|e| StoreError::unreadable(format!("an event of {stream}"), &e))?;
            let entropy = self.desk.entropy();
            drafts.push(frame.event(version, &clauses, body, E::PERSONAL, entropy)?);
            state = E::evolve(state, event);
        }
        let Some(state) = state else {
            return Err(match events.as_slice() {
                [] => ActError::NotFound(stream.clone()),
                _ => StoreError::NoState(stream.clone()).into(),
            });
        };
        if events.is_empty() {
            // What was permitted is in the log even if nothing was left to do.
            drafts.push(frame.journal(&permit.clauses, &json!({ "unchanged": true })));
        }
        let row = StateRow::of(stream, version, &state)
            .map_err(|e| StoreError::unreadable(format!("the state of {stream}"), &e))?;
        let cached =
            Cached { version, state: Arc::new(state.clone()) as Arc<dyn Any + Send + Sync> };
        let mut staged = self.lock();
        staged.drafts.extend(drafts);
        if !events.is_empty() {
            staged.states.insert(stream.clone(), (row, cached));
        }
        Ok(Decided { events, version: Version::of_column(version), state, clauses: all_clauses })
    }

    /// Drops what the unit holds and writes the refusal, which rests on what was read as an act
    /// does: if that has changed, it is no refusal but a conflict.
    async fn record_refusal(
        &self,
        stream: &StreamId,
        act: &str,
        law: &Law,
        refusal: Refusal,
    ) -> ActError {
        let draft = self.frame(stream, act, law).journal(&refusal.clauses, &refused(&refusal));
        let reads = {
            let mut staged = self.lock();
            let staged = std::mem::replace(
                &mut *staged,
                Staged { refused: Some(refusal.clone()), ..Staged::default() },
            );
            staged.reads.into_iter().collect()
        };
        let recorded = self
            .desk
            .submit(|answer| Submission {
                reads,
                drafts: vec![draft],
                states: Vec::new(),
                allowances: Vec::new(),
                erase: None,
                answer,
            })
            .await;
        match recorded {
            Ok(_) => ActError::Refused(refusal),
            Err(error) => error,
        }
    }

    async fn see<E: Entity>(&self, stream: &StreamId) -> Result<Seen<E>, ActError> {
        if !self.desk.registry().has(E::KIND) {
            return Err(StoreError::UnknownKind(E::KIND.to_owned()).into());
        }
        if let Some((row, cached)) = self.lock().states.get(stream) {
            return Ok(Seen {
                version: row.version,
                state: cached.state.downcast_ref::<E>().cloned(),
            });
        }
        let cached = self.desk.cached::<E>(stream).await?;
        let (version, state) = match cached {
            Some(cached) => (cached.version, cached.state.downcast_ref::<E>().cloned()),
            None => (0, None),
        };
        let first = *self.lock().reads.entry(stream.clone()).or_insert(version);
        if first == version {
            Ok(Seen { version, state })
        } else {
            Err(ActError::Conflict(stream.clone()))
        }
    }

    fn frame<'a>(&'a self, stream: &'a StreamId, act: &str, law: &'a Law) -> Frame<'a> {
        Frame {
            stream,
            act: act.to_owned(),
            actor: &self.actor,
            pack: &law.version,
            decided_at: self.desk.clock().now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Staged> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) type Answer = oneshot::Sender<Result<Receipt, ActError>>;

/// What the log says of a refusal.
fn refused(refusal: &Refusal) -> Value {
    json!({ "refused": refusal.rule, "code": refusal.code, "clauses": refusal.clauses })
}

/// Asks the law whether the actor may do this.
fn authorise<E: Entity>(
    ctx: &Context<'_>,
    stream: &StreamId,
    act: &str,
    state: Option<&E>,
    command: &E::Command,
) -> Result<Permit, Refusal> {
    let attributes = state.map(Entity::attributes).unwrap_or_default();
    let of_command = command.attributes();
    debug_assert!(
        attributes
            .keys()
            .chain(of_command.keys())
            .all(|name| E::ATTRIBUTES.contains(&name.as_str())),
        "{} does not name all its attributes",
        E::KIND
    );
    ask(ctx, stream, act, attributes, &of_command)
}

/// Asks the law whether the actor may do `act` to what has these attributes.
pub(crate) fn ask(
    ctx: &Context<'_>,
    stream: &StreamId,
    act: &str,
    mut attributes: Attributes,
    context: &Attributes,
) -> Result<Permit, Refusal> {
    let text = |text: &str| Attribute::Text(text.to_owned());
    attributes.insert("id".to_owned(), text(stream.id()));
    attributes.insert("kind".to_owned(), text(stream.kind()));
    ctx.law.authorise(&Request {
        actor: ctx.actor,
        action: act,
        resource: stream.id(),
        attributes: &attributes,
        context,
    })
}

fn union(first: &[ClauseId], more: Vec<ClauseId>) -> Vec<ClauseId> {
    let mut all = first.to_vec();
    for clause in more {
        if !all.contains(&clause) {
            all.push(clause);
        }
    }
    all
}

impl Entry {
    /// An entry about `subject`, without clauses.
    pub fn new(subject: StreamId, act: impl Into<String>, body: Value) -> Self {
        Self { subject, act: act.into(), clauses: Vec::new(), body }
    }
}
