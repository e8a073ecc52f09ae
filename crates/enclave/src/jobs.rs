//! Jobs at work: frozen when they are submitted, run on exactly what was frozen, and their output
//! sealed in quarantine.

use std::{collections::BTreeSet, sync::Arc};

use shuyu_kernel::{Actor, DatasetId, GrantId, Id, JobId};
use shuyu_store::{ActError, Desk, Filter, StoreError, StreamId};
use shuyu_vault::{Dataset, DatasetCommand, Manifest, Part};

use crate::{
    Cuts, DatasetVersion, Enclave, Grant, Job, JobCommand, JobStatus, Objection, Operation, Output,
    Specification,
    rules::{JOB_FROZEN, QUARANTINE_INTACT, QUERY_COMPLETED},
    stop::Stop,
};

const SUBMIT: &str = "job.submit";
const RUN: &str = "job.run";

impl Enclave {
    /// Submits a job: its code, its parameters, the versions of its data and the law are frozen
    /// by their hash. What could not run is refused now.
    pub async fn submit_job(
        &self,
        actor: &Actor,
        grant: GrantId,
        sql: &str,
        purpose: &str,
    ) -> Result<JobId, ActError> {
        let id: JobId = self.ids.fresh();
        let subject = StreamId::of::<Job>(id);
        let cut = self.cuts.token(grant);
        let granted = self.grant(actor, grant, Operation::Produce, &subject, SUBMIT).await?;
        let stop = Arc::new(self.stop(&granted, cut, self.limits.question()));
        let opening = self.opening(&granted.terms.items, &stop);
        let (engine, thresholds, text) =
            (Arc::clone(&self.engine), granted.thresholds, sql.to_owned());
        let checking = async move {
            let domain = opening.domain().await?;
            engine.check_job(&domain, &text, &thresholds).await
        };
        let checked = self.workers.run(&stop, checking).await.flatten();
        if let Err(objection) = checked {
            return Err(self.object(actor, &subject, SUBMIT, &objection).await);
        }
        let specification = Box::new(self.specification(&granted, sql, purpose).await?);
        self.desk
            .run(actor, |unit| {
                let specification = specification.clone();
                async move {
                    let grant = Box::new(unit.load::<Grant>(grant).await?);
                    unit.act::<Job>(id, JobCommand::Submit { id, specification, grant }).await
                }
            })
            .await?;
        Ok(id)
    }

    /// Runs a frozen job on the full data. Its output lies in quarantine, unseen.
    pub async fn run_job(&self, actor: &Actor, id: JobId) -> Result<Job, ActError> {
        let subject = StreamId::of::<Job>(id);
        let job = self.job(id).await?;
        let grant_id = job.specification.grant;
        let cut = self.cuts.token(grant_id);
        let grant = self.grant(actor, grant_id, Operation::Produce, &subject, RUN).await?;
        let (sql, purpose) = (&job.specification.sql, &job.specification.purpose);
        let now = Box::new(self.specification(&grant, sql, purpose).await?);
        self.desk.act::<Job>(actor, id, JobCommand::Start { specification: now }).await?;
        let running = Running::new(&self.desk, &self.cuts, id);
        let stop = self.stop(&grant, cut, self.limits.job());
        let stop = Arc::new(stop.or_cancelled(self.cuts.of_job(id)));
        if !matches!(self.job(id).await?.status, JobStatus::Running { .. }) {
            // It was cancelled before anything listened.
            self.cuts.of_job(id).cancel();
        }
        let output = match self.output_of(&grant, &job.specification, &stop).await {
            // The grant may have ended while the last rows were made.
            Ok(output) => stop.why().map_or(Ok(output), Err),
            Err(objection) => Err(objection),
        };
        let done = match output {
            Ok(output) => self.keep(id, &grant, &output).await,
            Err(objection) => {
                self.note_failure(id, &objection, &stop).await?;
                Err(self.object(actor, &subject, RUN, &objection).await)
            }
        };
        if done.is_ok() {
            running.over();
        }
        done
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
    async fn specification(
        &self,
        grant: &Grant,
        sql: &str,
        purpose: &str,
    ) -> Result<Specification, StoreError> {
        let mut versions = Vec::new();
        for item in &grant.terms.items {
            let found = self.desk.find::<Dataset>(item.dataset).await?;
            let version = found.and_then(|(_, it)| it.current().map(|it| it.version)).unwrap_or(0);
            versions.push(DatasetVersion { dataset: item.dataset, version });
        }
        Ok(Specification {
            grant: grant.id,
            sql: sql.to_owned(),
            purpose: purpose.to_owned(),
            versions,
            pack: grant.pack.clone(),
        })
    }

    async fn output_of(
        &self,
        grant: &Grant,
        frozen: &Specification,
        stop: &Arc<Stop>,
    ) -> Result<Output, Objection> {
        let opening = self.opening(&grant.terms.items, stop);
        let (engine, thresholds) = (Arc::clone(&self.engine), grant.thresholds);
        let sql = frozen.sql.clone();
        let versions: BTreeSet<DatasetVersion> = frozen.versions.iter().copied().collect();
        let limits = self.limits.output();
        let work = async move {
            let domain = opening.domain().await?;
            if domain.versions() != versions {
                return Err(Objection::new(JOB_FROZEN, "its data have a new version"));
            }
            let checked = engine.check_job(&domain, &sql, &thresholds).await?;
            engine.run(&domain, &checked, limits).await
        };
        self.workers.run(stop, work).await.flatten()
    }

    /// Notes that a job came to nothing: it was stopped, or could not be completed. What was
    /// cancelled by a person has been noted already.
    async fn note_failure(
        &self,
        id: JobId,
        objection: &Objection,
        stop: &Stop,
    ) -> Result<(), ActError> {
        let rule = objection.rule.name().to_owned();
        if !matches!(self.job(id).await?.status, JobStatus::Running { .. }) {
            return Ok(());
        }
        let command = match stop.why() {
            Some(_) => JobCommand::Cancel { reason: rule },
            None => JobCommand::Fail { rule },
        };
        self.desk.act::<Job>(&Actor::system(), id, command).await.map(drop)
    }

    /// Puts an output into quarantine, sealed under a key of its own, in the same unit of work as
    /// the end of its job. An output that does not get there is destroyed.
    async fn keep(&self, id: JobId, grant: &Grant, output: &Output) -> Result<Job, ActError> {
        let dataset = dataset_of(id);
        let sealed = self.vault.put_sealed(dataset, 1, output.to_csv().into_bytes()).await;
        let manifest = match sealed {
            Ok(manifest) => manifest,
            Err(error) => {
                tracing::error!(%error, job = %id, "an output could not be kept");
                let rule = QUERY_COMPLETED.name().to_owned();
                self.desk.act::<Job>(&Actor::system(), id, JobCommand::Fail { rule }).await?;
                let law = &self.desk.laws().current;
                return Err(ActError::Refused(law.refuse(QUERY_COMPLETED, &[])));
            }
        };
        let kept = self.note_output(id, grant, output, &manifest).await;
        if kept.is_err()
            && let Err(error) = self.vault.destroy(dataset, &[manifest]).await
        {
            tracing::error!(%error, job = %id, "an output that was not kept is left to the sweep");
        }
        kept
    }

    async fn note_output(
        &self,
        id: JobId,
        grant: &Grant,
        output: &Output,
        manifest: &Manifest,
    ) -> Result<Job, ActError> {
        let dataset = dataset_of(id);
        let (package, rows) = (output.hash(), output.rows.len() as u64);
        let item = grant.terms.items.first();
        let create = DatasetCommand::Create {
            id: dataset,
            resource: item.map_or_else(|| Id::from_u128(0), |item| item.resource),
            owner: grant.terms.operator,
            agreement: Some(grant.terms.agreement),
            name: format!("output of {id}"),
        };
        let unit = self.desk.unit(&Actor::system());
        let commit = DatasetCommand::CommitVersion { manifest: manifest.clone() };
        unit.act::<Dataset>(dataset, create).await?;
        unit.act::<Dataset>(dataset, commit).await?;
        let done = unit.act::<Job>(id, JobCommand::Succeed { package, rows }).await?;
        unit.commit().await?;
        Ok(done.state)
    }

    /// The bytes of an output in quarantine. For the gate alone.
    pub(crate) async fn output(&self, job: JobId) -> Result<Vec<u8>, ActError> {
        let dataset = dataset_of(job);
        let law = &self.desk.laws().current;
        let subject = StreamId::of::<Dataset>(dataset);
        let gone = || law.refuse(QUARANTINE_INTACT, &[]).because("it is there no more");
        let found = self.desk.find::<Dataset>(dataset).await?;
        let manifest = found.and_then(|(_, it)| it.current().cloned());
        let opened = match &manifest {
            Some(manifest) => self.vault.open_part(manifest, Part::Output).await.ok(),
            None => None,
        };
        match opened {
            Some(bytes) => Ok(bytes),
            None => Err(self.desk.refuse(&Actor::system(), &subject, "output.read", gone()).await),
        }
    }
}

/// The dataset that holds the output of a job: it has the job's number.
fn dataset_of(job: JobId) -> DatasetId {
    DatasetId::from_u128(job.to_u128())
}

/// A job that runs. If whoever waits for it goes away, it is noted as interrupted, as it would be
/// if the program had ended.
struct Running {
    desk: Desk,
    cuts: Cuts,
    job: JobId,
    is_over: bool,
}

impl Running {
    fn new(desk: &Desk, cuts: &Cuts, job: JobId) -> Self {
        Self { desk: desk.clone(), cuts: cuts.clone(), job, is_over: false }
    }

    /// How it ended has been noted.
    fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cuts.forget_job(self.job);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_over {
            return;
        }
        let (desk, job) = (self.desk.clone(), self.job);
        runtime.spawn(async move {
            let running = matches!(
                desk.find::<Job>(job).await,
                Ok(Some((_, Job { status: JobStatus::Running { .. }, .. })))
            );
            if running
                && let Err(error) =
                    desk.act::<Job>(&Actor::system(), job, JobCommand::Interrupt).await
            {
                tracing::warn!(%error, %job, "an interrupted job is left to the next start");
            }
        });
    }
}
