//! Jobs at work: run on exactly what was frozen, their output sealed in quarantine, their cost
//! charged to the operator.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ring::hmac;
use shuyu_kernel::{Actor, ContentHash, DatasetId, Id, JobId, OrganisationId};
use shuyu_store::{ActError, Desk, StreamId, Unit};
use shuyu_vault::{Dataset, DatasetCommand, Manifest, Part};

use crate::{
    Cost, Cuts, DatasetVersion, Enclave, Grant, Job, JobCommand, JobStatus, Objection, Operation,
    Output, Program, Specification, Usage, UsageCommand, UsageId,
    cost::{Meter, Meters},
    rules::{JOB_FROZEN, JOB_QUOTA, QUARANTINE_INTACT, QUERY_COMPLETED},
    stop::Stop,
    workers,
};

const RUN: &str = "job.run";
/// How long a job may wait for its turn: longer than any term.
const WAIT: Duration = Duration::from_hours(366 * 24);

impl Enclave {
    /// Runs a frozen job on the full data, when it is its turn. Its output lies in quarantine,
    /// unseen.
    pub async fn run_job(&self, actor: &Actor, id: JobId) -> Result<Job, ActError> {
        let subject = StreamId::of::<Job>(id);
        let job = self.job(id).await?;
        let grant_id = job.specification.grant;
        let cut = self.cuts.token(grant_id);
        let grant = self.grant(actor, grant_id, Operation::Produce, &subject, RUN).await?;
        let waiting = self.stop(&grant, cut.clone(), WAIT).or_cancelled(self.cuts.of_job(id));
        let mut running = Running::new(self, id);
        let place = tokio::select! {
            biased;
            objection = waiting.reached() => Err(objection),
            place = self.queue.enter(id, grant.terms.operator, job.priority) => Ok(place),
        };
        let turn = match place {
            Ok(place) => self.quota_left(&grant).await?.map(|()| place),
            Err(objection) => Err(objection),
        };
        let _place = match turn {
            Ok(place) => place,
            Err(objection) => return Err(self.object(actor, &subject, RUN, &objection).await),
        };
        // It may have been suspended, or have ended, while it waited.
        let grant = self.grant(actor, grant_id, Operation::Produce, &subject, RUN).await?;
        let (program, purpose) = (&job.specification.program, &job.specification.purpose);
        let now = Box::new(self.specification(&grant, program, purpose).await?);
        let most_attempts = self.limits.job_attempts;
        let start = JobCommand::Start { specification: now, most_attempts };
        self.desk.act::<Job>(actor, id, start).await?;
        running.has_begun = true;
        let meter = self.meters.begin(id);
        let stop = self.stop(&grant, cut, self.limits.job());
        let stop = Arc::new(stop.or_cancelled(self.cuts.of_job(id)));
        if !matches!(self.job(id).await?.status, JobStatus::Running { .. }) {
            // It was cancelled before anything listened.
            self.cuts.of_job(id).cancel();
        }
        let cost = || program.charged(meter.cost());
        let output = match self.output_of(&grant, &job.specification, &stop, &meter).await {
            // The grant may have ended while the last rows were made.
            Ok(output) => stop.why().map_or(Ok(output), Err),
            Err(objection) => Err(objection),
        };
        let done = match output {
            Ok(made) => self.keep(id, &grant, &made, cost()).await,
            Err(objection) => {
                self.note_failure(id, &grant, &objection, &stop, cost()).await?;
                Err(self.object(actor, &subject, RUN, &objection).await)
            }
        };
        if done.is_ok() {
            running.is_over = true;
        }
        done
    }

    /// Objects if the operator's jobs have taken what they may in this month.
    async fn quota_left(&self, grant: &Grant) -> Result<Result<(), Objection>, ActError> {
        let Some(seconds) = self.limits.operator_cpu_seconds else { return Ok(Ok(())) };
        let account = UsageId::of(grant.terms.operator, self.desk.clock().now());
        let used = self.desk.find::<Usage>(account).await?;
        let used = used.map_or(0, |(_, usage)| usage.cost.cpu_seconds);
        Ok(if used < seconds {
            Ok(())
        } else {
            Err(Objection::new(
                JOB_QUOTA,
                format!("jobs of the operator took {used} seconds of {seconds} in this month"),
            ))
        })
    }

    async fn output_of(
        &self,
        grant: &Grant,
        frozen: &Specification,
        stop: &Arc<Stop>,
        meter: &Arc<Meter>,
    ) -> Result<Product, Objection> {
        let opening = self.opening(&grant.terms.items, stop);
        let (engine, thresholds) = (Arc::clone(&self.engine), grant.thresholds);
        let program = frozen.program.clone();
        let versions: BTreeSet<DatasetVersion> = frozen.versions.iter().copied().collect();
        let limits = self.limits.output();
        let counting = Arc::clone(meter);
        let rows = self.rows_in(frozen).await?;
        let foreign = self.foreign();
        let secret = self.secret_of(frozen);
        let ends = Arc::clone(stop);
        let work = async move {
            let domain = opening.domain().await?.counted_by(&counting);
            if domain.versions() != versions {
                return Err(Objection::new(JOB_FROZEN, "its data have a new version"));
            }
            match program {
                Program::Sql { text, parameters } => {
                    let checked =
                        engine.check_script(&domain, &text, &parameters, &thresholds).await?;
                    counting.expect_rows(domain.rows_of(&checked.scans(), &rows));
                    let output = engine.run(&domain, &checked, limits).await?;
                    Ok(Product { output, report: None })
                }
                Program::Python(python) => {
                    let names: Vec<String> = domain.tables.keys().cloned().collect();
                    counting.expect_rows(domain.rows_of(&names, &rows));
                    foreign.run(&python, &domain, &secret, ends).await
                }
            }
        };
        workers::run_metered(stop, meter, work).await.flatten()
    }

    /// How many rows each of the frozen versions has.
    async fn rows_in(
        &self,
        frozen: &Specification,
    ) -> Result<BTreeMap<DatasetVersion, u64>, Objection> {
        let failed = |_| Objection::new(QUERY_COMPLETED, "its data cannot be found");
        let mut rows = BTreeMap::new();
        for version in &frozen.versions {
            let found = self.desk.find::<Dataset>(version.dataset).await.map_err(failed)?;
            let manifest = found.as_ref().and_then(|(_, it)| it.version(version.version));
            rows.extend(manifest.map(|manifest| (*version, manifest.rows)));
        }
        Ok(rows)
    }

    /// Notes that a job came to nothing: it was stopped, or could not be completed. What was
    /// cancelled by a person has been noted already.
    async fn note_failure(
        &self,
        id: JobId,
        grant: &Grant,
        objection: &Objection,
        stop: &Stop,
        cost: Cost,
    ) -> Result<(), ActError> {
        let rule = objection.rule.name().to_owned();
        let command = match stop.why() {
            Some(_) => JobCommand::Cancel { reason: rule },
            None => JobCommand::Fail { rule },
        };
        let operator = grant.terms.operator;
        self.desk
            .run(&Actor::system(), |unit| {
                let command = command.clone();
                async move {
                    let job = unit.load::<Job>(id).await?;
                    if matches!(job.status, JobStatus::Running { .. }) {
                        unit.act::<Job>(id, command).await?;
                    }
                    charge(&unit, id, operator, cost).await.map(drop)
                }
            })
            .await
    }

    /// Puts what a job made into quarantine, each part sealed under a key of its own, in the same
    /// unit of work as the end of its job. What does not get there is destroyed.
    async fn keep(
        &self,
        id: JobId,
        grant: &Grant,
        made: &Product,
        cost: Cost,
    ) -> Result<Job, ActError> {
        let mut sealed = Vec::new();
        let mut kept = Ok(());
        for (dataset, bytes) in made.parts(id) {
            match self.vault.put_sealed(dataset, 1, bytes).await {
                Ok(manifest) => sealed.push((dataset, manifest)),
                Err(error) => {
                    tracing::error!(%error, job = %id, "an output could not be kept");
                    let rule = QUERY_COMPLETED.name().to_owned();
                    self.desk.act::<Job>(&Actor::system(), id, JobCommand::Fail { rule }).await?;
                    let law = &self.desk.laws().current;
                    kept = Err(ActError::Refused(law.refuse(QUERY_COMPLETED, &[])));
                    break;
                }
            }
        }
        let kept = match kept {
            Ok(()) => self.note_output(id, grant, &made.output, &sealed, cost).await,
            Err(error) => Err(error),
        };
        if kept.is_err() {
            for (dataset, manifest) in sealed {
                if let Err(error) = self.vault.destroy(dataset, &[manifest]).await {
                    tracing::error!(%error, job = %id, "what was not kept is left to the sweep");
                }
            }
        }
        kept
    }

    async fn note_output(
        &self,
        id: JobId,
        grant: &Grant,
        output: &Output,
        sealed: &[(DatasetId, Manifest)],
        cost: Cost,
    ) -> Result<Job, ActError> {
        let (package, rows) = (output.hash(), output.rows.len() as u64);
        let item = grant.terms.items.first();
        let create = |dataset: DatasetId| DatasetCommand::Create {
            id: dataset,
            resource: item.map_or_else(|| Id::from_u128(0), |item| item.resource),
            owner: grant.terms.operator,
            agreement: Some(grant.terms.agreement),
            name: if dataset == dataset_of(id) {
                format!("output of {id}")
            } else {
                format!("report of {id}")
            },
        };
        self.desk
            .run(&Actor::system(), |unit| {
                let sealed = sealed.to_vec();
                async move {
                    for (dataset, manifest) in sealed {
                        unit.act::<Dataset>(dataset, create(dataset)).await?;
                        let commit = DatasetCommand::CommitVersion { manifest };
                        unit.act::<Dataset>(dataset, commit).await?;
                    }
                    unit.act::<Job>(id, JobCommand::Succeed { package, rows }).await?;
                    charge(&unit, id, grant.terms.operator, cost).await
                }
            })
            .await
    }

    /// What keys the pseudonyms that a job's program reads: the same whenever it runs, and others
    /// than any other job's.
    fn secret_of(&self, frozen: &Specification) -> [u8; 32] {
        let mut secret = [0; 32];
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let tag = hmac::sign(&key, frozen.hash().to_string().as_bytes());
        for (to, from) in secret.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        secret
    }

    /// The bytes of an output in quarantine. For the gate alone.
    pub(crate) async fn output(&self, job: JobId) -> Result<Vec<u8>, ActError> {
        self.sealed(dataset_of(job)).await
    }

    /// What reviewers are told of a program beside its output, as JSON. For the gate alone.
    pub(crate) async fn report_of(&self, job: JobId) -> Result<Vec<u8>, ActError> {
        self.sealed(report_dataset_of(job)).await
    }

    async fn sealed(&self, dataset: DatasetId) -> Result<Vec<u8>, ActError> {
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

/// Charges an attempt to its operator, on the job and on the account of the month.
async fn charge(
    unit: &Unit,
    id: JobId,
    operator: OrganisationId,
    cost: Cost,
) -> Result<Job, ActError> {
    let account = UsageId::of(operator, unit.desk().clock().now());
    unit.find::<Usage>(account).await?;
    unit.follow::<Usage>(account, UsageCommand::Charge { operator, cost }, &[]).await?;
    Ok(unit.follow::<Job>(id, JobCommand::Charge { cost }, &[]).await?.state)
}

/// What a job made.
pub(crate) struct Product {
    /// The table that it was to make.
    pub(crate) output: Output,
    /// What there is to tell reviewers beside it, as JSON.
    pub(crate) report: Option<String>,
}

impl Product {
    fn parts(&self, id: JobId) -> Vec<(DatasetId, Vec<u8>)> {
        let output = (dataset_of(id), self.output.to_csv().into_bytes());
        let report = self.report.clone().map(|it| (report_dataset_of(id), it.into_bytes()));
        std::iter::once(output).chain(report).collect()
    }
}

/// The dataset that holds the report on a job: its number follows from the job's.
fn report_dataset_of(job: JobId) -> DatasetId {
    let digest = ContentHash::of(format!("report of {job}").as_bytes()).to_string();
    let number = digest.get(..32).and_then(|it| u128::from_str_radix(it, 16).ok());
    DatasetId::from_u128(number.unwrap_or_else(|| !job.to_u128()))
}

/// The dataset that holds the output of a job: it has the job's number.
fn dataset_of(job: JobId) -> DatasetId {
    DatasetId::from_u128(job.to_u128())
}

/// A job that runs, or waits to. If whoever waits for it goes away while it runs, it is noted as
/// interrupted, as it would be if the program had ended.
struct Running {
    desk: Desk,
    cuts: Cuts,
    meters: Meters,
    job: JobId,
    has_begun: bool,
    is_over: bool,
}

impl Running {
    fn new(enclave: &Enclave, job: JobId) -> Self {
        Self {
            desk: enclave.desk.clone(),
            cuts: enclave.cuts.clone(),
            meters: enclave.meters.clone(),
            job,
            has_begun: false,
            is_over: false,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_begun {
            // Whoever else runs it here still listens.
            if self.meters.find(self.job).is_none() {
                self.cuts.forget_job(self.job);
            }
            return;
        }
        self.cuts.forget_job(self.job);
        self.meters.forget(self.job);
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
