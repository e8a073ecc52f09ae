//! Supervision: alerts, and what falls due as time goes on.

use chrono::{DateTime, Utc};
use shuyu_casework::{Agreement, Case, agreement};
use shuyu_kernel::{Actor, AgreementId, AlertId, TaskId};
use shuyu_oversight::{
    Alert, AlertCommand, AlertFinding, Cut, CutCommand, CutId, CutScope, Task, TaskCommand,
};
use shuyu_store::{ActError, Filter, StreamId};

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
    /// What could not fall due, and why: it is tried again the next time.
    pub stuck: Vec<(StreamId, String)>,
}

impl Fallen {
    fn stuck(&mut self, what: StreamId, error: &ActError) {
        tracing::error!(%error, %what, "what is due cannot be done");
        self.stuck.push((what, error.to_string()));
    }
}

impl App {
    /// Lets fall due what has: terms, stages, tasks. Can be called at any time, and twice. What
    /// cannot fall due does not hold up the rest.
    pub async fn tick(&self) -> Result<Fallen, ActError> {
        let now = self.now();
        let mut fallen = Fallen::default();
        for (id, agreement) in self.due::<Agreement>(now).await? {
            let Some(command) = agreement.tick(now) else { continue };
            match self.tick_agreement(id, command).await {
                Ok(true) => fallen.expired.push(id),
                Ok(false) => fallen.begun.push(id),
                Err(error) => fallen.stuck(StreamId::of::<Agreement>(id), &error),
            }
        }
        for (id, _) in self.due::<Case>(now).await? {
            match self.note_overdue(id).await {
                Ok(()) => fallen.stages += 1,
                Err(error) => fallen.stuck(StreamId::of::<Case>(id), &error),
            }
        }
        for (id, task) in self.due::<Task>(now).await? {
            let Some(command) = task.tick(now) else { continue };
            match self.tick_task(id, command).await {
                Ok(()) => fallen.tasks.push(id),
                Err(error) => fallen.stuck(StreamId::of::<Task>(id), &error),
            }
        }
        self.witness().await?;
        match self.watch().await {
            Ok(alerts) => fallen.alerts = alerts,
            Err(error) => fallen.stuck(self.log(), &error),
        }
        Ok(fallen)
    }

    /// Ends an agreement's term or trial, with all that rests on it. Tells whether it has ended.
    async fn tick_agreement(
        &self,
        id: AgreementId,
        command: agreement::Command,
    ) -> Result<bool, ActError> {
        let unit = self.desk().unit(&Actor::system());
        let ticked = unit.follow::<Agreement>(id, command, &[]).await?;
        let agreement::Status::Ended { ground, .. } = ticked.state.status else {
            unit.commit().await?;
            return Ok(false);
        };
        self.end_all(&unit, id, &ground, &[]).await?;
        unit.commit().await?;
        self.close_late(id).await?;
        Ok(true)
    }

    async fn tick_task(&self, id: TaskId, command: TaskCommand) -> Result<(), ActError> {
        let unit = self.desk().unit(&Actor::system());
        unit.follow::<Task>(id, command, &[]).await?;
        unit.commit().await.map(drop)
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
        let pulled = self
            .desk()
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
            .await?;
        self.close_late(agreement).await?;
        Ok(pulled)
    }
}
