//! The room at work: its threads, its limits and its switch, and the questions that are answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use datafusion::{
    catalog::TableProvider,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, DatasetId, GrantId, Ids, ScenarioId, SessionId};
use shuyu_sandbox::Room;
use shuyu_store::{ActError, Desk, Entry, StreamId, Unit};
use shuyu_vault::Vault;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    Answer, Asked, Consents, ConsentsId, Cuts, DatasetVersion, Domain, Engine, Given, GivenId,
    Grant, Held, Item, Limits, Objection, Operation, Session, Sheet, Tally, TallyId, Thresholds,
    consent::{Book, Pseudonyms},
    cost::Meters,
    domain::{Histories, not_comparable},
    foreign::Foreign,
    given::GivenCommand,
    memory::share_of,
    queue::Queue,
    rules::{CONSENT_STANDS, GRANT_TERM, JOB_LIMITS, NO_RAW_OUTPUT, SESSION_OPEN},
    source::VaultSource,
    stop::Stop,
    tally::TallyCommand,
    workers::Workers,
};

/// Where the data of granted tables come from: the vault.
#[async_trait]
pub trait Source: Send + Sync {
    /// The current version of each table, with the granted columns and no others.
    async fn tables(
        &self,
        items: &[Item],
    ) -> Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection>;

    /// A dataset version with these of its columns, to compare answers: whatever a grant holds.
    /// A source that keeps no versions has none, and what would have to be compared is refused.
    async fn held(
        &self,
        _version: DatasetVersion,
        _columns: &BTreeSet<String>,
    ) -> Result<Held, Objection> {
        Err(not_comparable())
    }
}

/// The operation domain of a deployment.
pub struct Enclave {
    pub(crate) desk: Desk,
    pub(crate) vault: Vault,
    pub(crate) ids: Ids,
    pub(crate) secret: [u8; 32],
    pub(crate) limits: Limits,
    pub(crate) engine: Arc<Engine>,
    pub(crate) cuts: Cuts,
    pub(crate) workers: Workers,
    pub(crate) queue: Queue,
    pub(crate) meters: Meters,
    /// Where programs in Python run, if they do.
    pub(crate) python: Option<Room>,
    /// Told when a job waits that begins in turn.
    pub(crate) begun: Arc<Notify>,
    pub(crate) pseudonyms: Pseudonyms,
    source: Arc<dyn Source>,
    runtime: Arc<RuntimeEnv>,
}

impl std::fmt::Debug for Enclave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enclave")
    }
}

/// The tables of a grant, to be opened where the work is done.
pub(crate) struct Opening {
    source: Arc<dyn Source>,
    runtime: Arc<RuntimeEnv>,
    items: Vec<Item>,
    stop: Arc<Stop>,
    book: Book,
    cuts: Cuts,
}

impl Opening {
    /// The granted tables at their current versions, and nothing else.
    pub(crate) async fn domain(self) -> Result<Domain, Objection> {
        let histories = self.histories().await?;
        let tables = self.source.tables(&self.items).await?;
        let domain = Domain::consented(self.runtime, tables, &histories)?;
        Ok(domain.until(&self.stop).beside(self.source, self.book))
    }

    /// The consents that rows rest on, which are watched from now on.
    async fn histories(&self) -> Result<Histories, Objection> {
        let failed = |_| Objection::new(CONSENT_STANDS, "consents could not be read");
        let mut histories = Histories::new();
        let scenarios: BTreeSet<ScenarioId> =
            self.items.iter().filter_map(|item| item.barrier.consent).collect();
        for scenario in scenarios {
            let history = self.book.history(scenario).await.map_err(failed)?;
            let (book, work) = (self.book.clone(), Arc::downgrade(&self.stop));
            tokio::spawn(self.cuts.clone().watch_consents(book, scenario, history.number, work));
            histories.insert(scenario, Arc::new(history));
        }
        Ok(histories)
    }
}

impl Enclave {
    /// The domain of a deployment. What runs under a grant is stopped when the desk commits that
    /// the grant is suspended or has ended, whoever commits it. `secret` keys pseudonyms.
    ///
    /// # Errors
    ///
    /// If the threads on which work is done cannot be started.
    pub fn open(
        desk: Desk,
        vault: Vault,
        ids: Ids,
        secret: [u8; 32],
        limits: Limits,
    ) -> std::io::Result<Self> {
        let cuts = Cuts::new();
        tokio::spawn(cuts.clone().watch(&desk));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(limits.memory_bytes, 1.0)
            // What does not fit into memory fails: rows never lie on disk in clear.
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
            )
            .build_arc()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            source: Arc::new(VaultSource { desk: desk.clone(), vault: vault.clone() }),
            desk,
            vault,
            ids,
            secret,
            limits,
            engine: Arc::new(Engine::new()),
            runtime,
            cuts,
            workers: Workers::start()?,
            queue: Queue::new(limits.room()),
            meters: Meters::default(),
            python: None,
            begun: Arc::default(),
            pseudonyms: Pseudonyms::new(&secret),
        })
    }

    /// The same domain on data from elsewhere.
    #[must_use]
    pub fn with_source(self, source: Arc<dyn Source>) -> Self {
        Self { source, ..self }
    }

    /// The same domain, in which programs in Python run, too.
    #[must_use]
    pub fn with_python(self, room: Room) -> Self {
        Self { python: Some(room), ..self }
    }

    /// What runs foreign code.
    pub(crate) fn foreign(&self) -> Foreign {
        Foreign { room: self.python.clone(), limits: self.limits }
    }

    /// The granted tables, for work that ends when `stop` says so and takes no more than its
    /// share of memory.
    pub(crate) fn opening(&self, items: &[Item], stop: &Arc<Stop>) -> Opening {
        Opening {
            source: Arc::clone(&self.source),
            runtime: share_of(&self.runtime, self.limits.share_bytes),
            items: items.to_vec(),
            stop: Arc::clone(stop),
            book: Book { desk: self.desk.clone(), pseudonyms: self.pseudonyms.clone() },
            cuts: self.cuts.clone(),
        }
    }

    /// When work under a grant must end: when the grant is cut, when it is over, or after so long.
    pub(crate) fn stop(&self, grant: &Grant, cut: CancellationToken, longest: Duration) -> Stop {
        let left = grant.terms.to.signed_duration_since(self.desk.clock().now());
        let left = left.to_std().unwrap_or_default();
        let rule = if left < longest { GRANT_TERM } else { JOB_LIMITS };
        Stop::new(cut, Instant::now() + left.min(longest), rule)
    }

    /// The switch of this domain.
    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// Answers an immediate question in a session of the actor's own.
    ///
    /// # Errors
    ///
    /// [`ActError::Refused`], recorded, with constant words wherever data are concerned.
    pub async fn ask(
        &self,
        actor: &Actor,
        session: SessionId,
        sql: &str,
    ) -> Result<Sheet, ActError> {
        let open = self.granted(actor, session, Operation::Ask, ASK).await?;
        let stop = Arc::new(self.stop(&open.grant, open.cut, self.limits.question()));
        let subject = StreamId::of::<Session>(session);
        let asking = Asking {
            actor: actor.clone(),
            subject: subject.clone(),
            query: ContentHash::of(sql.as_bytes()),
            engine: Arc::clone(&self.engine),
            under: self.digest_of(&open.grant.thresholds),
            grant: open.grant,
        };
        let opening = self.opening(&asking.grant.terms.items, &stop);
        let (desk, sql) = (self.desk.clone(), sql.to_owned());
        let work = async move { asking.answer(&desk, opening, &sql).await };
        match Box::pin(self.workers.run(&stop, work)).await {
            Ok(Ok(sheet)) => Ok(sheet),
            Ok(Err(Unanswered::Act(error))) => Err(error),
            Ok(Err(Unanswered::Objection(objection))) | Err(objection) => {
                Err(self.object(actor, &subject, ASK, &objection).await)
            }
        }
    }

    /// The grant, if the actor may do this under it at this instant.
    pub(crate) async fn grant(
        &self,
        actor: &Actor,
        id: GrantId,
        operation: Operation,
        subject: &StreamId,
        act: &str,
    ) -> Result<Grant, ActError> {
        let found = self.desk.find::<Grant>(id).await?;
        let (_, grant) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Grant>(id)))?;
        let law = self.desk.laws().of(Some(&grant.pack))?;
        let thresholds = grant.thresholds.with_margin(&self.secret);
        match grant.check_use(actor, operation, self.desk.clock().now(), law) {
            Ok(()) => Ok(Grant { thresholds, ..grant }),
            Err(refusal) => Err(self.desk.refuse(actor, subject, act, refusal).await),
        }
    }

    /// A digest of thresholds, which are told to nobody, from which they cannot be tried out.
    fn digest_of(&self, thresholds: &Thresholds) -> ContentHash {
        let text = serde_json::to_vec(thresholds).unwrap_or_default();
        ContentHash::of_parts(&[b"thresholds", &self.secret, &text])
    }

    /// The grant of a session, if the session is the actor's own and open, and they may do this.
    pub(crate) async fn granted(
        &self,
        actor: &Actor,
        id: SessionId,
        operation: Operation,
        act: &str,
    ) -> Result<Open, ActError> {
        let subject = StreamId::of::<Session>(id);
        let found = self.desk.find::<Session>(id).await?;
        if let Some((_, session)) = found.filter(|(_, session)| session.is_open_for(actor)) {
            let cut = self.cuts.token(session.grant);
            let grant = self.grant(actor, session.grant, operation, &subject, act).await?;
            return Ok(Open { grant, cut });
        }
        let refusal = self.desk.laws().current.refuse(SESSION_OPEN, &[]);
        Err(self.desk.refuse(actor, &subject, act, refusal).await)
    }

    /// Records an objection as the refusal that it comes to.
    pub(crate) async fn object(
        &self,
        actor: &Actor,
        subject: &StreamId,
        act: &str,
        objection: &Objection,
    ) -> ActError {
        let refusal = objection.refusal(&self.desk.laws().current);
        self.desk.refuse(actor, subject, act, refusal).await
    }
}

/// A grant that can be used, and what tells that it is cut.
pub(crate) struct Open {
    pub(crate) grant: Grant,
    pub(crate) cut: CancellationToken,
}

/// What an immediate question is called in the log.
const ASK: &str = "session.ask";

/// A question on its way to its answer.
#[derive(Clone)]
struct Asking {
    actor: Actor,
    subject: StreamId,
    query: ContentHash,
    engine: Arc<Engine>,
    grant: Grant,
    /// The keyed digest of its thresholds.
    under: ContentHash,
}

/// Why there is no answer.
enum Unanswered {
    /// It was objected to; the refusal is still to be recorded.
    Objection(Objection),
    /// It was refused, and recorded, or could not be written down.
    Act(ActError),
}

impl From<Objection> for Unanswered {
    fn from(objection: Objection) -> Self {
        Self::Objection(objection)
    }
}

impl Asking {
    async fn answer(self, desk: &Desk, opening: Opening, sql: &str) -> Result<Sheet, Unanswered> {
        let domain = opening.domain().await?;
        let asked = self.engine.check_ask(&domain, sql).await?;
        let id = GivenId::of(asked.question());
        let given = desk.find::<Given>(id).await.map_err(|error| Unanswered::Act(error.into()))?;
        let stored = given.and_then(|(_, given)| given.stored.get(&self.under).cloned());
        let answer = match stored {
            Some(answer) => answer,
            None => self.engine.answer(&domain, &asked, &[], &self.grant.thresholds).await?,
        };
        let noted = desk.run(&self.actor, |unit| {
            let (asking, domain) = (self.clone(), domain.clone());
            let (asked, answer) = (asked.clone(), answer.clone());
            async move { asking.note(&unit, &domain, &asked, answer).await }
        });
        noted.await.map_err(Unanswered::Act)?;
        Ok(asked.sheet(&answer))
    }

    /// Compares an answer with those given before about the same datasets, to any operator, and
    /// notes it, before it is handed out. The grant that it rests on, and the counts of what was
    /// given, are read in the same unit of work.
    async fn note(
        &self,
        unit: &Unit,
        domain: &Domain,
        asked: &Asked,
        answer: Answer,
    ) -> Result<(), ActError> {
        let desk = unit.desk();
        let grant = unit.load::<Grant>(self.grant.id).await?;
        let law = desk.laws().of(Some(&grant.pack))?;
        let now = desk.clock().now();
        if let Err(refusal) = grant.check_use(&self.actor, Operation::Ask, now, law) {
            return Err(unit.refuse(&self.subject, ASK, refusal).await);
        }
        let question = asked.question();
        for mark in question.consents.values() {
            let found = unit.find::<Consents>(ConsentsId::of(mark.scenario)).await?;
            if found.is_some_and(|(_, consents)| !consents.stand_since(mark.number)) {
                let refusal = desk.laws().current.refuse(CONSENT_STANDS, &[]);
                return Err(unit.refuse(&self.subject, ASK, refusal).await);
            }
        }
        let sources = question.relation.sources.iter();
        let datasets: BTreeSet<DatasetId> = sources.map(|source| source.dataset).collect();
        let id = GivenId::of(question);
        for dataset in &datasets {
            unit.find::<Tally>(TallyId::of(*dataset)).await?;
        }
        let given = unit.find::<Given>(id).await?;
        // The same question again, or an answer of which everything has been shown, adds nothing;
        // an answer under looser thresholds than before does.
        if !given.is_some_and(|(_, given)| given.covers(&answer)) {
            let earlier = earlier(desk, &datasets).await?;
            let thresholds = &self.grant.thresholds;
            let compared = self.engine.compare(domain, asked, &answer, &earlier, thresholds).await;
            if let Err(objection) = compared {
                let refusal = objection.refusal(&desk.laws().current);
                return Err(unit.refuse(&self.subject, ASK, refusal).await);
            }
            for dataset in &datasets {
                let tally = TallyId::of(*dataset);
                unit.follow::<Tally>(tally, TallyCommand::Count, &[]).await?;
            }
            let under = self.under;
            let give = GivenCommand::Give { answer: Box::new(answer.clone()), under };
            unit.follow::<Given>(id, give, &[]).await?;
        }
        let body = json!({
            "query": self.query, "question": question.hash(), "cells": answer.cells.len(),
        });
        // What an answer keeps to.
        let clauses = desk.laws().current.refuse(NO_RAW_OUTPUT, &[]).clauses;
        unit.journal(&Entry { clauses, ..Entry::new(self.subject.clone(), ASK, body) });
        Ok(())
    }
}

/// The answers that were given about any of some datasets.
async fn earlier(desk: &Desk, datasets: &BTreeSet<DatasetId>) -> Result<Vec<Answer>, ActError> {
    let mut all = BTreeMap::new();
    for dataset in datasets {
        for filter in Given::about(*dataset) {
            let given = desk.list::<Given>(&filter).await?.into_iter();
            all.extend(given.filter(|(_, given)| given.is_about(*dataset)));
        }
    }
    Ok(all.into_values().map(|given| given.answer).collect())
}
