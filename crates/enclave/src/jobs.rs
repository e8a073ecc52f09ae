//! Jobs on their way: frozen when they are submitted, waiting for their turn, cancelled.

use std::sync::Arc;

use shuyu_kernel::{Actor, GrantId, JobId};
use shuyu_store::{ActError, Filter, StoreError, StreamId};
use shuyu_vault::Dataset;

use crate::{
    Begin, DatasetVersion, Enclave, Grant, Job, JobCommand, Objection, Operation, Priority,
    Program, Specification, rules::JOB_QUOTA,
};

const SUBMIT: &str = "job.submit";

/// A job as somebody wants it.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its code and parameters.
    pub program: Program,
    /// What it is for.
    pub purpose: String,
    /// How urgent it is among the operator's own.
    pub priority: Priority,
    /// When it begins.
    pub begin: Begin,
}

impl Submission {
    /// Statements of SQL, begun by hand.
    pub fn sql(text: impl Into<String>, purpose: impl Into<String>) -> Self {
        Self {
            program: Program::sql(text),
            purpose: purpose.into(),
            priority: Priority::default(),
            begin: Begin::default(),
        }
    }
}

impl Enclave {
    /// Submits a job: its code, its parameters, the versions of its data and the law are frozen
    /// by their hash. What could not run is refused now.
    pub async fn submit_job(
        &self,
        actor: &Actor,
        grant: GrantId,
        submission: &Submission,
    ) -> Result<JobId, ActError> {
        let id: JobId = self.ids.fresh();
        let subject = StreamId::of::<Job>(id);
        let specification =
            Box::new(self.freeze(actor, grant, submission, &subject, SUBMIT).await?);
        let (priority, begin) = (submission.priority, submission.begin);
        self.desk
            .run(actor, |unit| {
                let specification = specification.clone();
                async move {
                    let grant = Box::new(unit.load::<Grant>(grant).await?);
                    let submit = JobCommand::Submit { id, specification, grant, priority, begin };
                    unit.act::<Job>(id, submit).await
                }
            })
            .await?;
        self.begun.notify_one();
        Ok(id)
    }

    /// What a job comes to that is frozen now, if the actor may submit it and it could run.
    pub(crate) async fn freeze(
        &self,
        actor: &Actor,
        grant: GrantId,
        submission: &Submission,
        subject: &StreamId,
        act: &str,
    ) -> Result<Specification, ActError> {
        let cut = self.cuts.token(grant);
        let granted = self.grant(actor, grant, Operation::Produce, subject, act).await?;
        if let Some(objection) = self.crowd(&granted).await? {
            return Err(self.object(actor, subject, act, &objection).await);
        }
        let stop = Arc::new(self.stop(&granted, cut, self.limits.question()));
        let opening = self.opening(&granted.terms.items, &stop);
        let (engine, thresholds) = (Arc::clone(&self.engine), granted.thresholds);
        let program = submission.program.clone();
        let foreign = self.foreign();
        let checking = async move {
            let domain = opening.domain().await?;
            match program {
                Program::Sql { text, parameters } => {
                    engine.check_script(&domain, &text, &parameters, &thresholds).await.map(drop)
                }
                Program::Python(python) => foreign.check(&python),
            }
        };
        let checked = self.workers.run(&stop, checking).await.flatten();
        if let Err(objection) = checked {
            return Err(self.object(actor, subject, act, &objection).await);
        }
        let (program, purpose) = (&submission.program, &submission.purpose);
        Ok(self.specification(&granted, program, purpose).await?)
    }

    /// Objects if too many jobs of the operator wait.
    async fn crowd(&self, grant: &Grant) -> Result<Option<Objection>, StoreError> {
        let most = self.limits.operator_waiting;
        let limit = u32::try_from(most).ok();
        let waiting = Filter {
            limit,
            ..Filter { status: Some("submitted".to_owned()), ..Filter::owner(grant.terms.operator) }
        };
        let full = self.desk.list::<Job>(&waiting).await?.len() >= most;
        Ok(full.then(|| Objection::new(JOB_QUOTA, format!("{most} jobs of the operator wait"))))
    }

    /// Cancels a job that has not ended. If it runs, it stops.
    pub async fn cancel_job(
        &self,
        actor: &Actor,
        id: JobId,
        reason: &str,
    ) -> Result<Job, ActError> {
        let command = JobCommand::Cancel { reason: reason.to_owned() };
        Ok(self.desk.act::<Job>(actor, id, command).await?.state)
    }

    /// Marks what was running when the program stopped: it can be run again.
    pub async fn recover(&self) -> Result<usize, ActError> {
        let running = self.desk.list::<Job>(&Filter::status("running")).await?;
        let count = running.len();
        for (id, _) in running {
            self.desk.act::<Job>(&Actor::system(), id, JobCommand::Interrupt).await?;
        }
        Ok(count)
    }

    pub(crate) async fn job(&self, id: JobId) -> Result<Job, ActError> {
        let found = self.desk.find::<Job>(id).await?;
        found.map(|(_, job)| job).ok_or_else(|| ActError::NotFound(StreamId::of::<Job>(id)))
    }

    /// What a job depends on, as it is now.
    pub(crate) async fn specification(
        &self,
        grant: &Grant,
        program: &Program,
        purpose: &str,
    ) -> Result<Specification, StoreError> {
        let mut versions = Vec::new();
        for item in &grant.terms.items {
            let found = self.desk.find::<Dataset>(item.dataset).await?;
            let version = found.and_then(|(_, it)| it.current().map(|it| it.version)).unwrap_or(0);
            versions.push(DatasetVersion { dataset: item.dataset, version });
        }
        let mut program = program.clone();
        if let Program::Python(python) = &mut program {
            python.runtime = self.python.as_ref().map(|room| room.runtime().digest());
        }
        Ok(Specification {
            grant: grant.id,
            program,
            purpose: purpose.to_owned(),
            versions,
            pack: grant.pack.clone(),
        })
    }
}
