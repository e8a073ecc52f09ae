//! Effects: what outcomes of cases do, by the names that procedures use.
//!
//! Each is a consequence of acts that were permitted in a case, so no policy is asked again; the
//! entities' own rules still are. It is recorded as the act of whoever did its part in the case.

mod access;
mod agreements;
mod closing;
mod papers;
mod products;
mod resources;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use shuyu_casework::{Agreement, Case, agreement, instrument};
use shuyu_kernel::{AgreementId, CaseId};
use shuyu_law::{ClauseId, Rule};
use shuyu_oversight::NoticeKind;
use shuyu_store::{ActError, Filter, StreamId, Unit};

use super::{
    App,
    facts::{agreement_of, id_in},
};
use papers::receipts;

pub(super) const DOSSIER_COMPLETE: Rule = Rule::new("effect-dossier-complete");

/// Of which case an effect is, and on which clauses it rests.
pub(super) struct Cause<'a> {
    pub(super) id: CaseId,
    pub(super) case: &'a Case,
    pub(super) clauses: &'a [ClauseId],
}

impl Cause<'_> {
    fn fields(&self) -> Map<String, Value> {
        self.case.dossier.fields()
    }

    /// The agreement that the case is about.
    pub(super) fn agreement(&self) -> AgreementId {
        agreement_of(self.id, self.case, &self.fields())
    }
}

impl App {
    /// Applies the effect of this name, in the unit of the act that it follows from.
    pub(super) async fn apply(
        &self,
        unit: &Unit,
        effect: &str,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        match effect {
            "resource.publish" => self.publish_resource(unit, cause).await,
            "plan.approve" => {
                self.approve(unit, cause, instrument::InstrumentKind::Plan, None).await
            }
            "call.publish" => {
                self.approve(unit, cause, instrument::InstrumentKind::Call, None).await?;
                self.publish(unit, cause, NoticeKind::Call).await
            }
            "emergency_plan.approve" => {
                let agreement = Some(cause.agreement());
                self.approve(unit, cause, instrument::InstrumentKind::EmergencyPlan, agreement)
                    .await
            }
            "publicity.publish" => self.publish(unit, cause, NoticeKind::Operator).await,
            "filing.record" => self.record_filing(unit, cause).await,
            "operator.admit" => self.admit(unit, cause).await,
            "agreement.sign" => self.sign(unit, cause).await,
            "agreement.file" => {
                let receipts = receipts(&cause.fields()).into_iter().map(|(_, number)| number);
                let command = agreement::Command::File { receipts: receipts.collect() };
                unit.follow::<Agreement>(cause.agreement(), command, cause.clauses).await?;
                Ok(())
            }
            "agreement.activate" => self.activate(unit, cause).await,
            "trial.pass" => {
                let pass = agreement::Command::PassTrial;
                unit.follow::<Agreement>(cause.agreement(), pass, cause.clauses).await?;
                Ok(())
            }
            "agreement.suspend" => self.suspend(unit, cause).await,
            "agreement.restore" => self.restore(unit, cause).await,
            "agreement.end" => self.end(unit, cause).await,
            "access.open" => self.open_access(unit, cause).await,
            "scenario.approve" => self.approve_scenario(unit, cause).await,
            "grant.issue" => self.issue_grant(unit, cause).await,
            "product.register" => self.register_product(unit, cause).await,
            "product.list" => self.list_product(unit, cause).await,
            "price.set" => self.set_price(unit, cause).await,
            "evaluation.record" => self.record_evaluation(unit, cause).await,
            "report.accept" => self.accept_report(unit, cause).await,
            "dataset.destroy" => self.order_destruction(unit, cause).await,
            // Closed with the certificate, as soon as the destruction is shown: see `exit`.
            "agreement.close" => Ok(()),
            _ => {
                let refusal = self.law().refuse(DOSSIER_COMPLETE, &[]);
                let why = refusal.because(format!("the platform has no effect `{effect}`"));
                Err(unit.refuse(&StreamId::of::<Case>(cause.id), "case.act", why).await)
            }
        }
    }

    /// The ids of entities of a kind that belong to something and stand in a state.
    pub(super) async fn ids_of<E: shuyu_store::Entity>(
        &self,
        parent: impl ToString,
        status: &str,
    ) -> Result<Vec<E::Id>, ActError> {
        Ok(self.of::<E>(parent, status).await?.into_iter().map(|(id, _)| id).collect())
    }

    /// Entities of a kind that belong to something and stand in a state.
    async fn of<E: shuyu_store::Entity>(
        &self,
        parent: impl ToString,
        status: &str,
    ) -> Result<Vec<(E::Id, E)>, ActError> {
        let filter = Filter { status: Some(status.to_owned()), ..Filter::parent(parent) };
        Ok(self.desk().list::<E>(&filter).await?)
    }

    /// A field of the dossier as `T`, or the refusal that it is missing or of another form.
    pub(super) async fn field_of<T: DeserializeOwned>(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        name: &str,
    ) -> Result<T, ActError> {
        let value = cause.fields().remove(name).unwrap_or(Value::Null);
        match serde_json::from_value(value) {
            Ok(value) => Ok(value),
            Err(_) => Err(self.incomplete(unit, cause, name).await),
        }
    }

    async fn id_of<I: std::str::FromStr>(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
        name: &str,
    ) -> Result<I, ActError> {
        let named = id_in(&cause.fields(), name);
        let subject = || cause.case.subject.as_deref().and_then(|text| text.parse().ok());
        match named.or_else(subject) {
            Some(id) => Ok(id),
            None => Err(self.incomplete(unit, cause, name).await),
        }
    }

    pub(super) async fn incomplete(&self, unit: &Unit, cause: &Cause<'_>, what: &str) -> ActError {
        let refusal = self.law().refuse(DOSSIER_COMPLETE, &[]);
        let why = refusal.because(format!("the dossier does not say `{what}` as it must"));
        unit.refuse(&StreamId::of::<Case>(cause.id), "case.act", why).await
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn texts(fields: &Map<String, Value>, name: &str) -> BTreeSet<String> {
    fields
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn number(fields: &Map<String, Value>, name: &str) -> u32 {
    fields.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}
