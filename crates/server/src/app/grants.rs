//! Grants are stopped for a time or for good, and scenarios closed with every grant under them.

use shuyu_casework::{Scenario, scenario};
use shuyu_enclave::{Grant, GrantCommand, GrantStatus};
use shuyu_kernel::{Actor, GrantId, ScenarioId};
use shuyu_store::{ActError, Filter};

use super::App;

impl App {
    /// Stops the use of a grant for a time. What runs under it stops at once.
    pub async fn suspend_grant(
        &self,
        actor: &Actor,
        id: GrantId,
        reason: &str,
    ) -> Result<Grant, ActError> {
        let suspend = GrantCommand::Suspend { reason: reason.to_owned() };
        Ok(self.desk().act::<Grant>(actor, id, suspend).await?.state)
    }

    /// Stops the use of a grant for good. What runs under it stops at once.
    pub async fn end_grant(
        &self,
        actor: &Actor,
        id: GrantId,
        reason: &str,
    ) -> Result<Grant, ActError> {
        let end = GrantCommand::End { reason: reason.to_owned() };
        Ok(self.desk().act::<Grant>(actor, id, end).await?.state)
    }

    /// Ends a scenario, and with it the use of data for it: every grant under it ends.
    pub async fn close_scenario(
        &self,
        actor: &Actor,
        id: ScenarioId,
        reason: &str,
    ) -> Result<Scenario, ActError> {
        self.desk()
            .run(actor, |unit| async move {
                let close = scenario::Command::Close { reason: reason.to_owned() };
                let closed = unit.act::<Scenario>(id, close).await?;
                let of_agreement = Filter::parent(closed.state.agreement);
                for (grant, held) in self.desk().list::<Grant>(&of_agreement).await? {
                    if held.terms.scenario == id && held.status != GrantStatus::Ended {
                        let end = GrantCommand::End { reason: reason.to_owned() };
                        unit.follow::<Grant>(grant, end, &closed.clauses).await?;
                    }
                }
                Ok(closed.state)
            })
            .await
    }
}
