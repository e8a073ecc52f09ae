//! Agreements: an operator admitted, what was signed, begun and ended.

use std::collections::BTreeSet;

use serde::Deserialize;
use shuyu_casework::{Agreement, Organisation, agreement, organisation};
use shuyu_kernel::{OrganisationId, Share, TaskId};
use shuyu_oversight::{AgreementTerm, Task, TaskCommand, plan_tasks};
use shuyu_store::{ActError, Unit};

use super::{Cause, number, text};
use crate::app::{App, content_of};

impl App {
    pub(super) async fn admit(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: OrganisationId = self.id_of(unit, cause, "operator").await?;
        let mut roles = unit.load::<Organisation>(id).await?.roles;
        if roles.insert("operator".to_owned()) {
            let command = organisation::Command::Bind { roles };
            unit.follow::<Organisation>(id, command, cause.clauses).await?;
        }
        Ok(())
    }

    pub(super) async fn sign(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let fields = cause.fields();
        let operator: OrganisationId = self.id_of(unit, cause, "operator").await?;
        let shares: Vec<ShareForm> = self.field_of(unit, cause, "shares").await?;
        for share in &shares {
            if self.beneficiary(&share.party, operator).await?.is_none() {
                let whom = format!("shares: whom it means by {}, by id", share.party);
                return Err(self.incomplete(unit, cause, &whom).await);
            }
        }
        let signatories: BTreeSet<OrganisationId> = cause
            .case
            .dossier
            .acts_of("sign")
            .map(|act| act.organisation)
            .chain([unit.actor().organisation])
            .collect();
        let terms = agreement::Terms {
            case: cause.id,
            operator,
            signatories: signatories.into_iter().collect(),
            from: self.field_of(unit, cause, "from").await?,
            to: self.field_of(unit, cause, "to").await?,
            trial_months: number(&fields, "trial_months"),
            shares: shares.into_iter().map(Into::into).collect(),
            scope: text(&fields, "scope").unwrap_or_else(|| cause.case.title.clone()),
            text: content_of(cause.case),
        };
        let command = agreement::Command::Sign(Box::new(terms));
        unit.follow::<Agreement>(cause.agreement(), command, cause.clauses).await?;
        Ok(())
    }

    pub(super) async fn activate(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id = cause.agreement();
        let activate = agreement::Command::Activate;
        let decided = unit.follow::<Agreement>(id, activate, cause.clauses).await?;
        let terms = decided.state.terms;
        let term = AgreementTerm {
            id,
            operator: terms.operator,
            starts_on: terms.from,
            ends_on: terms.to,
        };
        for planned in plan_tasks(self.law(), &term) {
            let task: TaskId = planned.id();
            let command = TaskCommand::Plan(Box::new(planned));
            unit.follow::<Task>(task, command, cause.clauses).await?;
        }
        Ok(())
    }

    /// Ends an agreement, unless its term has ended it already.
    pub(super) async fn end(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let ground = text(&cause.fields(), "ground").unwrap_or_else(|| "ended".to_owned());
        let status = unit.load::<Agreement>(agreement).await?.status;
        if !matches!(status, agreement::Status::Ended { .. } | agreement::Status::Closed { .. }) {
            let command = agreement::Command::End { ground: ground.clone() };
            unit.follow::<Agreement>(agreement, command, cause.clauses).await?;
        }
        self.end_all(unit, agreement, &ground, cause.clauses).await
    }
}

/// A share of the proceeds, as forms write it.
#[derive(Debug, Deserialize)]
struct ShareForm {
    party: String,
    weight: u32,
}

impl From<ShareForm> for Share<String> {
    fn from(share: ShareForm) -> Self {
        Self { party: share.party, weight: share.weight }
    }
}
