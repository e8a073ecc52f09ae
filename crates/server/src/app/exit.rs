//! Exit: what the domain holds for an agreement is destroyed, shown to be gone, and certified.
//!
//! The case orders it in one unit of work; the deed comes after the commit, can be repeated, and
//! is taken up again where a crash cut it off.

use std::collections::BTreeSet;

use serde_json::json;
use shuyu_casework::{Agreement, Case, agreement};
use shuyu_enclave::Grant;
use shuyu_kernel::{Actor, AgreementId, CaseId, DatasetId, PersonId};
use shuyu_law::{Attributes, ClauseId};
use shuyu_oversight::{Destruction, DestructionCommand, DestructionId, DestructionStatus, Shown};
use shuyu_store::{ActError, Entry, Filter, StreamId, Unit};
use shuyu_vault::{Certificate, Dataset, DatasetCommand, DatasetState, Swept};

use super::{App, effects::Cause, same_number, store};

/// How data are destroyed here.
const METHOD: &str = "data keys overwritten and deleted, encrypted objects deleted, reading tried";

impl App {
    /// Orders the destruction of everything that the domain holds for the case's agreement.
    pub(super) async fn order_destruction(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let mut objects = BTreeSet::new();
        for (id, dataset) in self.held_for(agreement).await? {
            let reason = cause.case.title.clone();
            if matches!(dataset.state, DatasetState::Open | DatasetState::Sealed { .. }) {
                let order = DatasetCommand::OrderDestruction { reason };
                unit.follow::<Dataset>(id, order, cause.clauses).await?;
            }
            objects.insert(id.to_string());
        }
        // Keys of the agreement's grants end with it, whether or not a result was made.
        objects.insert(agreement.to_string());
        // What is determined stands in the dossier: nobody else can say so.
        let conditions = match cause.case.dossier.field("determined") {
            Some(serde_json::Value::Array(determined)) => determined
                .iter()
                .filter_map(|condition| condition.as_str().map(str::to_owned))
                .collect(),
            _ => BTreeSet::new(),
        };
        let command = DestructionCommand::Order {
            agreement: Some(agreement),
            objects,
            ground: cause.case.title.clone(),
            conditions,
        };
        let id: DestructionId = same_number(cause.id);
        unit.follow::<Destruction>(id, command, cause.clauses).await?;
        Ok(())
    }

    /// Carries out what was ordered, certifies it, and closes the agreements. Can be repeated.
    /// One that cannot be finished does not hold up the others.
    pub(super) async fn finish_exits(&self) -> Result<(), ActError> {
        let mut outcome = Ok(());
        for status in ["ordered", "approved", "destroyed"] {
            let open = self.desk().list::<Destruction>(&Filter::status(status)).await;
            for (id, destruction) in open.map_err(store)? {
                if let Err(error) = self.finish(id, destruction).await {
                    outcome = Err(error);
                }
            }
        }
        outcome
    }

    async fn finish(&self, id: DestructionId, ordered: Destruction) -> Result<(), ActError> {
        let case: CaseId = same_number(id);
        let Some((_, case)) = self.desk().find::<Case>(case).await.map_err(store)? else {
            return Ok(());
        };
        // Those who said yes in the case have approved, as far as the law lets them approve a
        // destruction, and one of them witnesses.
        let mut approvers: Vec<(PersonId, Actor)> = Vec::new();
        for act in case.dossier.acts.iter().filter(|act| !act.negative) {
            let known = approvers.iter().any(|(person, _)| *person == act.person);
            if act.person == ordered.ordered_by || known {
                continue;
            }
            let actor = self.actor(act.person).await?;
            let nothing = Attributes::new();
            let may = self.desk().judge::<Destruction>(&actor, id, "approve", &ordered, &nothing);
            if may.is_ok() {
                approvers.push((act.person, actor));
            }
        }
        let clauses: Vec<ClauseId> =
            self.law().refuse(shuyu_vault::DESTRUCTION_IS_PROVED, &[]).clauses;
        let mut status = ordered.status;
        if status == DestructionStatus::Ordered {
            for (_, actor) in &approvers {
                let approve = DestructionCommand::Approve;
                status = self.desk().act::<Destruction>(actor, id, approve).await?.state.status;
                if status == DestructionStatus::Approved {
                    break;
                }
            }
        }
        if status == DestructionStatus::Ordered {
            return Ok(());
        }
        let Some(agreement) = ordered.agreement else { return Ok(()) };
        let shown = self.destroy_all(agreement, &clauses).await?;
        let by = self.actor(ordered.ordered_by).await?;
        let witness = approvers.first().map_or(ordered.ordered_by, |(person, _)| *person);
        self.desk()
            .run(&by, |unit| {
                let (shown, clauses) = (shown.clone(), clauses.clone());
                async move {
                    if status == DestructionStatus::Approved {
                        let method = METHOD.to_owned();
                        let destroy = DestructionCommand::Destroy { method, witness };
                        unit.follow::<Destruction>(id, destroy, &clauses).await?;
                    }
                    let verify = DestructionCommand::Verify { shown };
                    let done = unit.follow::<Destruction>(id, verify, &clauses).await?;
                    let certificate = done.state.certificate.map(|it| it.content);
                    let ended = unit.load::<Agreement>(agreement).await?;
                    if let (Some(certificate), agreement::Status::Ended { .. }) =
                        (certificate, &ended.status)
                    {
                        let close = agreement::Command::Close { certificate };
                        unit.follow::<Agreement>(agreement, close, &clauses).await?;
                    }
                    Ok(())
                }
            })
            .await
    }

    /// Destroys what the domain holds for an agreement, and tries to read each piece.
    async fn destroy_all(
        &self,
        agreement: AgreementId,
        clauses: &[ClauseId],
    ) -> Result<Vec<Shown>, ActError> {
        let mut shown = vec![self.use_of(agreement).await?];
        for (id, dataset) in self.held_for(agreement).await? {
            let certificate = match &dataset.state {
                DatasetState::Destroyed { certificate } => certificate.clone(),
                DatasetState::Open
                | DatasetState::Sealed { .. }
                | DatasetState::DestructionOrdered { .. } => {
                    self.destroy_one(agreement, id, &dataset, clauses).await?
                }
            };
            shown.push(Shown {
                object: id.to_string(),
                is_readable: !certificate.reading_fails,
                detail: certificate.attempts.join("; "),
            });
        }
        Ok(shown)
    }

    /// Whether anything can still be read under an agreement: each of its grants is tried.
    async fn use_of(&self, agreement: AgreementId) -> Result<Shown, ActError> {
        let grants = self.desk().list::<Grant>(&Filter::parent(agreement)).await.map_err(store)?;
        let stands = |grant: &Grant| grant.check_standing(self.now(), self.law()).is_ok();
        let standing = grants.iter().filter(|(_, grant)| stands(grant)).count();
        Ok(Shown {
            object: agreement.to_string(),
            is_readable: standing > 0,
            detail: format!("of its {} grants {standing} can be used", grants.len()),
        })
    }

    async fn destroy_one(
        &self,
        agreement: AgreementId,
        id: DatasetId,
        dataset: &Dataset,
        clauses: &[ClauseId],
    ) -> Result<Certificate, ActError> {
        let destroyed = self.vault().destroy(id, &dataset.manifests()).await;
        let certificate = destroyed.map_err(|error| {
            tracing::error!(%error, dataset = %id, "destruction is incomplete");
            ActError::NotFound(StreamId::of::<Dataset>(id))
        })?;
        let unit = self.desk().unit(&Actor::system());
        let record = DatasetCommand::RecordDestruction { certificate: certificate.clone() };
        unit.follow::<Dataset>(id, record, clauses).await?;
        unit.journal(&Entry {
            subject: StreamId::of::<Agreement>(agreement),
            act: "dataset.destroyed".to_owned(),
            clauses: clauses.to_vec(),
            body: json!({ "dataset": id, "objects": certificate.objects.len() }),
        });
        unit.commit().await?;
        Ok(certificate)
    }

    /// What the domain holds for an agreement: results in quarantine and copies.
    async fn held_for(
        &self,
        agreement: AgreementId,
    ) -> Result<Vec<(DatasetId, Dataset)>, ActError> {
        let all = self.desk().list::<Dataset>(&Filter::default()).await.map_err(store)?;
        Ok(all.into_iter().filter(|(_, dataset)| dataset.agreement == Some(agreement)).collect())
    }

    /// The certificates of what was destroyed for an agreement.
    pub async fn destroyed_for(
        &self,
        agreement: AgreementId,
    ) -> Result<Vec<(DatasetId, Certificate)>, ActError> {
        let held = self.held_for(agreement).await?;
        Ok(held
            .into_iter()
            .filter_map(|(id, dataset)| match dataset.state {
                DatasetState::Destroyed { certificate } => Some((id, certificate)),
                DatasetState::Open
                | DatasetState::Sealed { .. }
                | DatasetState::DestructionOrdered { .. } => None,
            })
            .collect())
    }

    /// Puts aside what no dataset version uses, and brings back what one does.
    pub(super) async fn sweep(&self) -> Result<Swept, super::OpenError> {
        let datasets = self.desk().list::<Dataset>(&Filter::default()).await?;
        let committed: Vec<_> =
            datasets.iter().flat_map(|(_, dataset)| dataset.manifests()).collect();
        Ok(self.vault().sweep(&committed).await?)
    }

    /// What a crash left half-done is taken up or cleared away.
    pub(super) async fn recover(&self) -> Result<(), super::OpenError> {
        let swept = self.sweep().await?;
        if !swept.is_empty() {
            let (objects, keys) = (swept.objects.len(), swept.keys.len());
            tracing::info!(objects, keys, "put aside or cleared away what no version uses");
        }
        self.enclave().recover().await?;
        if let Err(error) = self.finish_exits().await {
            tracing::warn!(%error, "a destruction waits to be finished");
        }
        Ok(())
    }
}
