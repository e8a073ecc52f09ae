//! The room at work: sessions ask, under a grant that is looked at anew each time.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::TableProvider,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
};
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, Ids, SessionId};
use shuyu_store::{ActError, Desk, Entry, Filter, StreamId};
use shuyu_vault::Vault;
use tokio::sync::Mutex;

use crate::{
    Cuts, DatasetVersion, Domain, Engine, Given, GivenId, Grant, Item, Objection, Operation,
    Session, Sheet, given::GivenCommand, rules::SESSION_OPEN, source::VaultSource, until_cut,
    workers::Workers,
};

/// How much memory queries and jobs may use together.
const MEMORY_BYTES: usize = 4 << 30;

/// Where the data of granted tables come from: the vault.
#[async_trait]
pub trait Source: Send + Sync {
    /// The current version of each table, with the granted columns and no others.
    async fn tables(
        &self,
        items: &[Item],
    ) -> Result<Vec<(Item, DatasetVersion, Arc<dyn TableProvider>)>, Objection>;
}

/// The operation domain of a deployment.
pub struct Enclave {
    pub(crate) desk: Desk,
    pub(crate) vault: Vault,
    pub(crate) ids: Ids,
    pub(crate) secret: [u8; 32],
    source: Arc<dyn Source>,
    pub(crate) engine: Arc<Engine>,
    runtime: Arc<RuntimeEnv>,
    pub(crate) cuts: Cuts,
    pub(crate) workers: Workers,
    /// Answers are compared with earlier ones and recorded one at a time.
    giving: Mutex<()>,
}

impl std::fmt::Debug for Enclave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enclave")
    }
}

impl Enclave {
    /// The domain of a deployment. What runs under a grant is stopped when the desk commits that
    /// the grant is suspended or has ended, whoever commits it. `secret` keys pseudonyms.
    ///
    /// # Errors
    ///
    /// If the threads on which work is done cannot be started.
    pub fn open(desk: Desk, vault: Vault, ids: Ids, secret: [u8; 32]) -> std::io::Result<Self> {
        let cuts = Cuts::new();
        tokio::spawn(cuts.clone().watch(desk.clone()));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(MEMORY_BYTES, 0.8)
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
            engine: Arc::new(Engine::new()),
            runtime,
            cuts,
            workers: Workers::start()?,
            giving: Mutex::default(),
        })
    }

    /// The granted tables at their current versions, and nothing else.
    pub(crate) async fn domain(&self, items: &[Item]) -> Result<Domain, Objection> {
        let tables = self.source.tables(items).await?;
        Domain::new(Arc::clone(&self.runtime), tables)
    }

    /// The switch of this domain; [`Cuts::watch`] is to be spawned once.
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
        const ACT: &str = "session.ask";
        let subject = StreamId::of::<Session>(session);
        let law = Arc::clone(self.desk.laws().of(None)?);
        let found = self.desk.find::<Session>(session).await?;
        let own = found.map(|(_, found)| found).filter(|found| found.is_open_for(actor));
        let Some(own) = own else {
            let refusal = law.refuse(SESSION_OPEN, &[]);
            return Err(self.desk.refuse(actor, &subject, ACT, refusal).await);
        };
        let token = self.cuts.token(own.grant);
        let grant = self.grant(actor, own.grant, Operation::Ask, &subject, ACT).await?;
        let outcome = until_cut(&token, self.answer(actor, &grant, sql)).await;
        let (sheet, question) = match outcome {
            Ok(answered) => answered,
            Err(objection) => {
                let refusal = objection.refusal(&law);
                return Err(self.desk.refuse(actor, &subject, ACT, refusal).await);
            }
        };
        // The grant may have ended while the answer was made; then it is not shown.
        self.grant(actor, own.grant, Operation::Ask, &subject, ACT).await?;
        let body = json!({
            "query": ContentHash::of(sql.as_bytes()), "question": question, "cells": sheet.rows.len(),
        });
        self.desk.journal(actor, Entry::new(subject, ACT, body)).await?;
        Ok(sheet)
    }

    /// The grant, if the actor may do this under it at this instant.
    pub(crate) async fn grant(
        &self,
        actor: &Actor,
        id: shuyu_kernel::GrantId,
        operation: Operation,
        subject: &StreamId,
        act: &str,
    ) -> Result<Grant, ActError> {
        let found = self.desk.find::<Grant>(id).await?;
        let (_, grant) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Grant>(id)))?;
        let law = self.desk.laws().of(Some(&grant.pack))?;
        match grant.check_use(actor, operation, self.desk.clock().now(), law) {
            Ok(()) => Ok(grant),
            Err(refusal) => Err(self.desk.refuse(actor, subject, act, refusal).await),
        }
    }

    async fn answer(
        &self,
        actor: &Actor,
        grant: &Grant,
        sql: &str,
    ) -> Result<(Sheet, ContentHash), Objection> {
        let failed =
            || Objection::new(crate::rules::QUERY_COMPLETED, "the query could not be completed");
        let domain = self.domain(&grant.terms.items).await?;
        let asked = self.engine.check_ask(&domain, sql).await?;
        let id = GivenId::of(asked.question());
        let hash = asked.question().hash();
        let _turn = self.giving.lock().await;
        // An answer given under looser thresholds is made anew: the stricter grant binds.
        let parent = Given::relation_key(&asked.question().relation);
        let earlier: Vec<_> = self
            .desk
            .list::<Given>(&Filter::parent(parent))
            .await
            .map_err(|_| failed())?
            .into_iter()
            .map(|(_, given)| given.answer)
            .collect();
        let answer = self.engine.answer(&domain, &asked, &earlier, &grant.thresholds).await?;
        let unit = self.desk.unit(actor);
        let command = GivenCommand::Give { answer: Box::new(answer.clone()) };
        if self.desk.find::<Given>(id).await.map_err(|_| failed())?.is_none() {
            unit.follow::<Given>(id, command, &[]).await.map_err(|_| failed())?;
            unit.commit().await.map_err(|_| failed())?;
        }
        Ok((asked.sheet(&answer), hash))
    }
}
