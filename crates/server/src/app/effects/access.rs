//! Access: people let in, scenarios approved, grants issued.

use shuyu_casework::{Agreement, Person, Scenario, person, scenario};
use shuyu_enclave::{Grant, GrantCommand};
use shuyu_kernel::{GrantId, PersonId, ScenarioId};
use shuyu_store::{ActError, StreamId, Unit};

use super::Cause;
use crate::app::{App, domain::PEOPLE_WITH_ACCESS, same_number};

impl App {
    pub(super) async fn open_access(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let agreement = cause.agreement();
        let people: Vec<PersonId> = self.field_of(unit, cause, "people").await?;
        let trained = cause.fields().contains_key("training");
        let operator = unit.load::<Agreement>(agreement).await?.terms.operator;
        for id in people {
            if unit.load::<Person>(id).await?.organisation != operator {
                let refusal = self.law().refuse(PEOPLE_WITH_ACCESS, &[]);
                let subject = StreamId::of::<Person>(id);
                return Err(unit.refuse(&subject, "person.open_access", refusal).await);
            }
            if trained {
                let train = person::Command::Train { training: cause.id.to_string() };
                unit.follow::<Person>(id, train, cause.clauses).await?;
            }
            let open = person::Command::OpenAccess { agreement };
            unit.follow::<Person>(id, open, cause.clauses).await?;
        }
        Ok(())
    }

    pub(super) async fn approve_scenario(
        &self,
        unit: &Unit,
        cause: &Cause<'_>,
    ) -> Result<(), ActError> {
        let id: ScenarioId = same_number(cause.id);
        let command = scenario::Command::Approve {
            agreement: cause.agreement(),
            case: cause.id,
            title: self.field_of(unit, cause, "title").await?,
            purpose: self.field_of(unit, cause, "purpose").await?,
            use_kind: self.field_of(unit, cause, "use_kind").await?,
            fields: self.field_of(unit, cause, "fields").await?,
        };
        unit.follow::<Scenario>(id, command, cause.clauses).await?;
        Ok(())
    }

    pub(super) async fn issue_grant(&self, unit: &Unit, cause: &Cause<'_>) -> Result<(), ActError> {
        let id: GrantId = same_number(cause.id);
        let terms = self.grant_terms(unit, cause).await?;
        let agreement = unit.load::<Agreement>(terms.agreement).await?;
        let command = GrantCommand::Issue {
            id,
            terms: Box::new(terms),
            agreement_is_active: agreement.is_in_operation(self.now()),
        };
        unit.follow::<Grant>(id, command, cause.clauses).await?;
        Ok(())
    }
}
