//! Supervision: alerts, and what falls due as time goes on.

use chrono::{DateTime, Utc};
use shuyu_casework::{Agreement, Case, agreement};
use shuyu_kernel::{Actor, AgreementId, AlertId, TaskId};
use shuyu_oversight::{Alert, AlertCommand, AlertFinding, Cut, CutCommand, CutId, CutScope, Task};
use shuyu_store::{ActError, Filter};

use super::{App, store};

/// What came to pass when the clock was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fallen {
    /// Stages whose time has passed.
    pub stages: usize,
    /// Tasks reminded of or lapsed.
    pub tasks: Vec<TaskId>,
    /// Agreements that expired, or whose trial ran out without a pass.
    pub expired: Vec<AgreementId>,
    /// Agreements that went over from a passed trial into their term.
    pub begun: Vec<AgreementId>,
    /// Alerts that refusals called for.
    pub alerts: Vec<AlertId>,
}

impl App {
    /// Lets fall due what has: stages, tasks, terms. Can be called at any time, and twice.
    pub async fn tick(&self) -> Result<Fallen, ActError> {
        let now = self.now();
        let mut fallen = Fallen::default();
        // What cannot be watched does not keep from falling what is due.
        let watched = self.watch().await;
        for (id, _) in self.due::<Case>(now).await? {
            self.note_overdue(id).await?;
            fallen.stages += 1;
        }
        for (id, task) in self.due::<Task>(now).await? {
            if let Some(command) = task.tick(now) {
                let unit = self.desk().unit(&Actor::system());
                unit.follow::<Task>(id, command, &[]).await?;
                unit.commit().await?;
                fallen.tasks.push(id);
            }
        }
        for (id, agreement) in self.due::<Agreement>(now).await? {
            let Some(command) = agreement.tick(now) else { continue };
            let unit = self.desk().unit(&Actor::system());
            let ticked = unit.follow::<Agreement>(id, command, &[]).await?;
            let list = match ticked.state.status {
                agreement::Status::Ended { ground, .. } => {
                    self.end_all(&unit, id, &ground, &[]).await?;
                    &mut fallen.expired
                }
                _ => &mut fallen.begun,
            };
            unit.commit().await?;
            list.push(id);
        }
        fallen.alerts = watched?;
        Ok(fallen)
    }

    /// The entities of a kind that want to be looked at by `now`.
    async fn due<E: shuyu_store::Entity>(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(E::Id, E)>, ActError> {
        self.desk().list::<E>(&Filter::due_before(now)).await.map_err(store)
    }

    /// Raises an alert about an organisation, on somebody's observation.
    pub async fn raise_alert(
        &self,
        actor: &Actor,
        finding: AlertFinding,
    ) -> Result<AlertId, ActError> {
        let id: AlertId = self.fresh();
        let command = AlertCommand::Raise(finding);
        self.desk().act::<Alert>(actor, id, command).await?;
        Ok(id)
    }

    /// Looks into an alert, or closes it.
    pub async fn change_alert(
        &self,
        actor: &Actor,
        id: AlertId,
        command: AlertCommand,
    ) -> Result<Alert, ActError> {
        Ok(self.desk().act::<Alert>(actor, id, command).await?.state)
    }

    /// Cuts everything that rests on an agreement at once, where the city lets the actor do so.
    pub async fn cut(
        &self,
        actor: &Actor,
        agreement: AgreementId,
        trigger: &str,
        reason: &str,
    ) -> Result<CutId, ActError> {
        let id: CutId = self.fresh();
        self.desk()
            .run(actor, |unit| async move {
                let pull = CutCommand::Pull {
                    agreement,
                    scope: CutScope::Agreement,
                    trigger: trigger.to_owned(),
                    reason: reason.to_owned(),
                };
                let cut = unit.act::<Cut>(id, pull).await?;
                let suspend = agreement::Command::Suspend { ground: reason.to_owned() };
                unit.follow::<Agreement>(agreement, suspend, &cut.clauses).await?;
                self.suspend_all(&unit, agreement, reason, &cut.clauses).await?;
                Ok(id)
            })
            .await
    }
}
