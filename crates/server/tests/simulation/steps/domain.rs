//! Work in the operation domain, and the gate.

use std::collections::BTreeSet;

use shuyu_enclave::{
    Grant, GrantCommand, GrantStatus, Job, JobStatus, Operation, Release, ReleaseCommand,
    ReleaseStatus, Session, Submission,
};
use shuyu_kernel::{Actor, ContentHash, GrantId, JobId};
use shuyu_store::Filter;

use crate::{
    step::Step,
    world::{World, name},
};

const QUESTIONS: [&str; 6] = [
    "SELECT area, COUNT(*) AS n FROM {table} GROUP BY area",
    "SELECT area, SUM(fee) AS fees FROM {table} GROUP BY area",
    "SELECT * FROM {table}",
    "SELECT person, COUNT(*) FROM {table} GROUP BY person",
    "SELECT * FROM '/etc/hostname'",
    "DROP TABLE {table}",
];

impl World {
    /// A grant, mostly an active one.
    async fn a_grant(&mut self) -> Option<(shuyu_kernel::GrantId, Grant)> {
        let now = self.app.now();
        self.seek::<Grant>(|it| it.status == GrantStatus::Active && it.terms.to > now).await
    }

    /// Mostly one of the people whom a grant names.
    async fn named_by(&mut self, grant: &Grant) -> Actor {
        let people: Vec<_> = grant.terms.people.iter().copied().collect();
        match self.dice.pick(&people) {
            Some(person) if self.dice.chance(88) => self.known_actor(person).await,
            _ => self.anybody().await,
        }
    }

    fn question(&mut self, grant: &Grant) -> String {
        let table = grant.terms.items.first().map_or("nothing", |item| item.table.as_str());
        let good = self.dice.chance(65);
        let question = if good { QUESTIONS.get(..2) } else { QUESTIONS.get(2..) };
        let question = self.dice.pick(question.unwrap_or_default()).unwrap_or_default();
        question.replace("{table}", table)
    }

    pub(super) async fn session(&mut self) -> Option<Step> {
        if self.dice.chance(65) {
            let (id, grant) = self.a_grant().await?;
            let actor = self.named_by(&grant).await;
            let operations = [Operation::Ask, Operation::Develop, Operation::Produce];
            let operation = self.dice.pick(&operations)?;
            let done = self.app.open_session(&actor, id, operation).await;
            return Some(Step::new("session.open", format!("{id} by {}", name(&actor)), done));
        }
        let (id, session) = self.seek::<Session>(|it| it.closed.is_none()).await?;
        let actor = self.mostly(session.person, 80).await;
        let done = self.app.close_session(&actor, id).await;
        Some(Step::new("session.close", format!("{id} by {}", name(&actor)), done))
    }

    /// A question is asked in a session, explained, or a sample is taken.
    pub(super) async fn ask(&mut self) -> Option<Step> {
        let (id, session) = self.seek::<Session>(|it| it.closed.is_none()).await?;
        let grant = self.find::<Grant>(session.grant).await?;
        let actor = self.mostly(session.person, 90).await;
        let question = self.question(&grant);
        let what = format!("{id} by {}: {question}", name(&actor));
        Some(match self.dice.below(3) {
            0 => Step::new("session.explain", what, self.app.explain(&actor, id, &question).await),
            1 => {
                let table = grant.terms.items.first().map_or("nothing", |it| it.table.as_str());
                let done = self.app.sample(&actor, id, table).await;
                Step::new("session.sample", what, done)
            }
            _ => Step::new("session.ask", what, self.app.ask(&actor, id, &question).await),
        })
    }

    pub(super) async fn submit_job(&mut self) -> Option<Step> {
        let (id, grant) = self.a_grant().await?;
        let actor = self.named_by(&grant).await;
        let question = self.question(&grant);
        let done = self
            .app
            .submit_job(&actor, id, &Submission::sql(question.as_str(), "figures by area"))
            .await;
        Some(Step::new("job.submit", format!("{id} by {}: {question}", name(&actor)), done))
    }

    pub(super) async fn run_job(&mut self) -> Option<Step> {
        let (id, job) = self.seek::<Job>(|it| matches!(it.status, JobStatus::Submitted)).await?;
        let actor = self.mostly(job.author, 85).await;
        let what = format!("{id} by {}", name(&actor));
        if self.dice.chance(10) {
            let done = self.app.enclave().cancel_job(&actor, id, "not needed").await;
            return Some(Step::new("job.cancel", what, done));
        }
        Some(Step::new("job.run", what, self.app.run_job(&actor, id).await).composite())
    }

    /// Something at the gate: a request, or a review by the right ones and by the wrong ones.
    pub(super) async fn gate(&mut self) -> Option<Step> {
        if self.dice.chance(35) {
            return self.request_release().await;
        }
        let grants = self.active_grants().await;
        let in_review =
            |it: &Release| it.status == ReleaseStatus::InReview && grants.contains(&it.grant);
        let (id, release) = self.seek::<Release>(in_review).await?;
        let reviewers =
            ["authority", "platform_operator", "implementer", "zone_supervisor", "provider"];
        let actor = match self.dice.below(10) {
            0 => self.known_actor(release.author).await,
            1 => self.who_of(release.operator).await,
            _ => self.who(&reviewers).await,
        };
        let content = if self.dice.chance(88) {
            release.proposal.hash()
        } else {
            ContentHash::of(&self.dice.number().to_be_bytes())
        };
        let what = format!("{id} by {}", name(&actor));
        Some(match self.dice.below(12) {
            0 => {
                let done = self.app.reject_release(&actor, id, content, "too narrow").await;
                Step::new("release.reject", what, done)
            }
            1 => {
                let reason = "found wanting".to_owned();
                let withdraw = ReleaseCommand::Withdraw { reason };
                Step::new("release.withdraw", what, self.raw::<Release>(&actor, id, withdraw).await)
            }
            2 | 3 => {
                let mut proposal = release.proposal.clone();
                proposal.purpose = "another purpose".to_owned();
                let actor = self.who_of(release.operator).await;
                let amend = ReleaseCommand::Amend { proposal: Box::new(proposal) };
                let what = format!("{id} by {}", name(&actor));
                Step::new("release.amend", what, self.raw::<Release>(&actor, id, amend).await)
            }
            _ => {
                let done = self.app.approve_release(&actor, id, content).await;
                Step::new("release.approve", what, done)
            }
        })
    }

    async fn request_release(&mut self) -> Option<Step> {
        let grants = self.active_grants().await;
        let done = |it: &Job| {
            matches!(it.status, JobStatus::Succeeded { .. })
                && grants.contains(&it.specification.grant)
        };
        let (id, job): (JobId, Job) = self.seek::<Job>(done).await?;
        let actor = self.mostly(job.author, 85).await;
        let asked = self.app.request_release(&actor, id, "figures by area", "data_package").await;
        Some(Step::new("release.submit", format!("{id} by {}", name(&actor)), asked))
    }

    /// The grants under which something can be done.
    pub(super) async fn active_grants(&self) -> BTreeSet<GrantId> {
        let active = self.app.desk().list::<Grant>(&Filter::status("active")).await;
        active.expect("a list").into_iter().map(|(id, _)| id).collect()
    }

    pub(super) async fn read_released(&mut self) -> Option<Step> {
        let (id, release) = self.released().await?;
        let actor = self.who_of(release.operator).await;
        let what = format!("{id} by {}", name(&actor));
        Some(Step::new("release.read", what, self.app.read_released(&actor, id).await))
    }

    /// A grant is suspended, restored or ended by itself, apart from its agreement.
    pub(super) async fn grant(&mut self) -> Option<Step> {
        let (id, grant) = self.seek::<Grant>(|it| it.status != GrantStatus::Ended).await?;
        let reason = "looked into".to_owned();
        let actor = self.who(&["authority"]).await;
        let what = format!("{id} by {}", name(&actor));
        Some(match (self.dice.below(8), grant.status) {
            (0, _) => {
                let end = GrantCommand::End { reason };
                Step::new("grant.end", what, self.raw::<Grant>(&actor, id, end).await)
            }
            (1..4, _) | (_, GrantStatus::Suspended) => {
                Step::new("grant.restore", what, self.app.restore_grant(&actor, id).await)
            }
            _ => {
                let suspend = GrantCommand::Suspend { reason };
                Step::new("grant.suspend", what, self.raw::<Grant>(&actor, id, suspend).await)
            }
        })
    }
}
