//! The room at work: sessions, samples, jobs and the gate, each under a grant that is looked at
//! anew every time, and each in the log.

use std::{collections::BTreeSet, sync::Arc};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, DatasetId, GrantId, Id, JobId, ReleaseId, SessionId};
use shuyu_law::{Attributes, ClauseId};
use shuyu_store::{ActError, Entry, Filter, StoreError, StreamId};
use shuyu_vault::{Dataset, DatasetCommand, Part};

use crate::{
    DatasetVersion, Enclave, Grant, Item, Job, JobCommand, JobStatus, Label, Objection, Operation,
    Output, OutputLimits, Proposal, Record, Release, ReleaseCommand, Sample, Session,
    SessionCommand, Specification, SubjectKind, examine, row_digest,
    rules::{
        JOB_STATE, QUARANTINE_INTACT, QUERY_COMPLETED, RELEASE_OF_JOB, RELEASED_ONLY,
        REVIEWER_INDEPENDENT, SESSION_OPEN,
    },
    sample,
};

/// How many rows are read to take a sample from.
const SAMPLED_FROM: usize = 20_000;

/// A granted column, and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What it may do.
    pub label: Label,
}

/// What a question would come to, found without touching data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether it would be answered at once.
    pub is_answered: bool,
    /// Whether it could run as a job.
    pub runs_as_job: bool,
    /// Why not, by rule and in words, where it would not be answered.
    pub objection: Option<(String, String)>,
    /// The granted columns with their labels.
    pub columns: Vec<Column>,
}

impl Enclave {
    /// Opens a session of the actor under a grant.
    pub async fn open_session(
        &self,
        actor: &Actor,
        grant: GrantId,
        operation: Operation,
    ) -> Result<SessionId, ActError> {
        let id: SessionId = self.ids.fresh();
        let found = self.desk.find::<Grant>(grant).await?;
        let (_, grant) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Grant>(grant)))?;
        let command = SessionCommand::Open { id, grant: Box::new(grant), operation };
        self.desk.act::<Session>(actor, id, command).await?;
        Ok(id)
    }

    /// Closes a session.
    pub async fn close_session(&self, actor: &Actor, id: SessionId) -> Result<(), ActError> {
        let command = SessionCommand::Close { reason: "closed by its owner".to_owned() };
        self.desk.act::<Session>(actor, id, command).await?;
        Ok(())
    }

    /// The granted columns of a session, with their labels. Nothing else has a name here.
    pub async fn columns(&self, actor: &Actor, id: SessionId) -> Result<Vec<Column>, ActError> {
        let grant = self.granted(actor, id, Operation::Ask, "session.columns").await?;
        Ok(columns_of(&grant))
    }

    /// What a question would come to, without touching data.
    pub async fn explain(
        &self,
        actor: &Actor,
        id: SessionId,
        sql: &str,
    ) -> Result<Explanation, ActError> {
        const ACT: &str = "session.explain";
        let grant = self.granted(actor, id, Operation::Ask, ACT).await?;
        let verdict = async {
            let domain = self.domain(&grant.terms.items).await?;
            let job = self.engine.check_job(&domain, sql, &grant.thresholds).await.is_ok();
            Ok((self.engine.check_ask(&domain, sql).await, job))
        };
        let explanation = match verdict.await {
            Ok((asked, runs_as_job)) => Explanation {
                is_answered: asked.is_ok(),
                runs_as_job,
                objection: asked.err().map(named),
                columns: columns_of(&grant),
            },
            Err(objection) => Explanation {
                is_answered: false,
                runs_as_job: false,
                objection: Some(named(objection)),
                columns: columns_of(&grant),
            },
        };
        let body = json!({ "query": ContentHash::of(sql.as_bytes()) });
        let entry = Entry::new(StreamId::of::<Session>(id), ACT, body);
        self.desk.journal(actor, entry).await?;
        Ok(explanation)
    }

    /// A desensitised sample of a granted table, as large as the pack allows.
    pub async fn sample(
        &self,
        actor: &Actor,
        id: SessionId,
        table: &str,
    ) -> Result<Sample, ActError> {
        const ACT: &str = "session.sample";
        let subject = StreamId::of::<Session>(id);
        let grant = self.granted(actor, id, Operation::Develop, ACT).await?;
        let token = self.cuts.token(match self.desk.find::<Session>(id).await? {
            Some((_, session)) => session.grant,
            None => return Err(ActError::NotFound(subject)),
        });
        let item = grant.terms.items.iter().find(|item| item.table == table).cloned();
        let sampling = async {
            let unknown = || Objection::new(crate::rules::GRANTED_NAMES, "there is no such table");
            let item = item.ok_or_else(unknown)?;
            let rows = self.rows_of(&item).await?;
            let domain = self.domain(std::slice::from_ref(&item)).await?;
            let wanted = sample::size(rows, grant.thresholds.sample_max_percent);
            let key = hmac::Key::new(hmac::HMAC_SHA256, &self.sample_secret(&grant));
            let work = async move { take_sample(&domain, &item, wanted, &key).await };
            self.workers.run(&token, work).await
        };
        match sampling.await {
            Ok(sample) => {
                let body = json!({ "table": table, "rows": sample.rows.len() });
                let clauses: Vec<ClauseId> = vec![ClauseId::new("baseline/1.2")];
                let entry = Entry { clauses, ..Entry::new(subject, ACT, body) };
                self.desk.journal(actor, entry).await?;
                Ok(sample)
            }
            Err(objection) => Err(self.object(actor, &subject, ACT, &objection).await),
        }
    }

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
        let granted = self.grant(actor, grant, Operation::Produce, &subject, "job.submit").await?;
        let checked = async {
            let domain = self.domain(&granted.terms.items).await?;
            self.engine.check_job(&domain, sql, &granted.thresholds).await
        };
        if let Err(objection) = checked.await {
            return Err(self.object(actor, &subject, "job.submit", &objection).await);
        }
        let specification = Box::new(self.specification(&granted, sql, purpose).await?);
        let command = JobCommand::Submit { id, specification, grant: Box::new(granted) };
        self.desk.act::<Job>(actor, id, command).await?;
        Ok(id)
    }

    /// Runs a frozen job on the full data. Its output lies in quarantine, unseen.
    pub async fn run_job(&self, actor: &Actor, id: JobId) -> Result<Job, ActError> {
        const ACT: &str = "job.run";
        let subject = StreamId::of::<Job>(id);
        let job = self.job(id).await?;
        let grant_id = job.specification.grant;
        let token = self.cuts.token(grant_id);
        let grant = self.grant(actor, grant_id, Operation::Produce, &subject, ACT).await?;
        let (sql, purpose) = (&job.specification.sql, &job.specification.purpose);
        let now = Box::new(self.specification(&grant, sql, purpose).await?);
        self.desk.act::<Job>(actor, id, JobCommand::Start { specification: now }).await?;
        let outcome = self.output_of(&grant, sql.clone(), &token).await;
        let system = Actor::system();
        match outcome {
            Ok(output) => {
                self.grant(actor, grant_id, Operation::Produce, &subject, ACT).await?;
                self.keep(id, &grant, &output).await
            }
            Err(objection) => {
                let rule = objection.rule.name().to_owned();
                let command = if token.is_cancelled() {
                    JobCommand::Cancel { reason: rule }
                } else {
                    JobCommand::Fail { rule }
                };
                self.desk.act::<Job>(&system, id, command).await?;
                Err(self.object(actor, &subject, ACT, &objection).await)
            }
        }
    }

    /// Cancels a job that has not ended.
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

    /// Asks for the output of a job to be released. The record of automatic checks is made here,
    /// from the output itself.
    pub async fn request_release(
        &self,
        actor: &Actor,
        id: JobId,
        purpose: &str,
        form: &str,
    ) -> Result<ReleaseId, ActError> {
        let release: ReleaseId = self.ids.fresh();
        let job = self.job(id).await?;
        let record = self.record_of(actor, id, &job).await?;
        let proposal = Proposal {
            package: record.package,
            purpose: purpose.to_owned(),
            form: form.to_owned(),
            record,
        };
        let command = ReleaseCommand::Submit {
            id: release,
            job: Box::new(job),
            proposal: Box::new(proposal),
        };
        self.desk.act::<Release>(actor, release, command).await?;
        Ok(release)
    }

    /// Approves the content of this hash.
    pub async fn approve(
        &self,
        actor: &Actor,
        id: ReleaseId,
        content: ContentHash,
    ) -> Result<Release, ActError> {
        let command = ReleaseCommand::Approve { content };
        Ok(self.desk.act::<Release>(actor, id, command).await?.state)
    }

    /// Rejects the content of this hash.
    pub async fn reject(
        &self,
        actor: &Actor,
        id: ReleaseId,
        content: ContentHash,
        reason: &str,
    ) -> Result<Release, ActError> {
        let command = ReleaseCommand::Reject { content, reason: reason.to_owned() };
        Ok(self.desk.act::<Release>(actor, id, command).await?.state)
    }

    /// Shows a reviewer what is put forward, as it lies in quarantine. Nobody who wrote it or whose
    /// it is sees it here; that it was looked at stands in the log.
    pub async fn inspect(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        let (_, release) =
            self.desk.read::<Release>(actor, id, "inspect", &Attributes::new()).await?;
        if release.is_own(actor) {
            let subject = StreamId::of::<Release>(id);
            let refusal = self.desk.laws().current.refuse(REVIEWER_INDEPENDENT, &[]);
            return Err(self.desk.refuse(actor, &subject, "release.inspect", refusal).await);
        }
        self.output(release.job).await
    }

    /// Reads out what was released: compared, to the byte, with what was reviewed.
    pub async fn read_released(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        let subject = StreamId::of::<Release>(id);
        let found = self.desk.find::<Release>(id).await?;
        let own = found.is_some_and(|(_, release)| release.operator == actor.organisation);
        if !own {
            let refusal = self.desk.laws().current.refuse(RELEASED_ONLY, &[]);
            let refusal = refusal.because("it is handed to the operator that asked for it");
            return Err(self.desk.refuse(actor, &subject, "release.read", refusal).await);
        }
        let bytes = self.released_bytes(id).await?;
        let entry = Entry::new(subject, "release.read", json!({ "bytes": bytes.len() }));
        self.desk.journal(actor, entry).await?;
        Ok(bytes)
    }

    /// Released bytes, for products that are made of them.
    pub async fn released_bytes(&self, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        let subject = StreamId::of::<Release>(id);
        let found = self.desk.find::<Release>(id).await?;
        let (_, release) = found.ok_or_else(|| ActError::NotFound(subject.clone()))?;
        let law = Arc::clone(self.desk.laws().of(Some(&release.pack))?);
        let package = match release.check_released(&law) {
            Ok(package) => package,
            Err(refusal) => {
                let system = Actor::system();
                return Err(self.desk.refuse(&system, &subject, "release.read", refusal).await);
            }
        };
        let bytes = self.output(release.job).await?;
        if ContentHash::of(&bytes) != package {
            let refusal = law.refuse(QUARANTINE_INTACT, &[]);
            let system = Actor::system();
            return Err(self.desk.refuse(&system, &subject, "release.read", refusal).await);
        }
        Ok(bytes)
    }

    /// The grant of a session, if the session is the actor's own and open, and they may do this.
    async fn granted(
        &self,
        actor: &Actor,
        id: SessionId,
        operation: Operation,
        act: &str,
    ) -> Result<Grant, ActError> {
        let subject = StreamId::of::<Session>(id);
        let found = self.desk.find::<Session>(id).await?;
        if let Some((_, session)) = found.filter(|(_, session)| session.is_open_for(actor)) {
            return self.grant(actor, session.grant, operation, &subject, act).await;
        }
        let refusal = self.desk.laws().current.refuse(SESSION_OPEN, &[]);
        Err(self.desk.refuse(actor, &subject, act, refusal).await)
    }

    async fn object(
        &self,
        actor: &Actor,
        subject: &StreamId,
        act: &str,
        objection: &Objection,
    ) -> ActError {
        let refusal = objection.refusal(&self.desk.laws().current);
        self.desk.refuse(actor, subject, act, refusal).await
    }

    async fn job(&self, id: JobId) -> Result<Job, ActError> {
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
        sql: String,
        token: &tokio_util::sync::CancellationToken,
    ) -> Result<Output, Objection> {
        let domain = self.domain(&grant.terms.items).await?;
        let (engine, thresholds) = (Arc::clone(&self.engine), grant.thresholds);
        let work = async move {
            let checked = engine.check_job(&domain, &sql, &thresholds).await?;
            engine.run(&domain, &checked, OutputLimits::default()).await
        };
        self.workers.run(token, work).await
    }

    /// Puts an output into quarantine, sealed under a key of its own, in the same unit of work as
    /// the end of its job.
    async fn keep(&self, id: JobId, grant: &Grant, output: &Output) -> Result<Job, ActError> {
        let system = Actor::system();
        let (package, rows) = (output.hash(), output.rows.len() as u64);
        let dataset = dataset_of(id);
        let sealed = self.vault.put_sealed(dataset, 1, output.to_csv().into_bytes()).await;
        let manifest = match sealed {
            Ok(manifest) => manifest,
            Err(error) => {
                tracing::error!(%error, job = %id, "an output could not be kept");
                let rule = QUERY_COMPLETED.name().to_owned();
                self.desk.act::<Job>(&system, id, JobCommand::Fail { rule }).await?;
                let law = &self.desk.laws().current;
                return Err(ActError::Refused(law.refuse(QUERY_COMPLETED, &[])));
            }
        };
        let item = grant.terms.items.first();
        let create = DatasetCommand::Create {
            id: dataset,
            resource: item.map_or_else(|| Id::from_u128(0), |item| item.resource),
            owner: grant.terms.operator,
            agreement: Some(grant.terms.agreement),
            name: format!("output of {id}"),
        };
        let unit = self.desk.unit(&system);
        unit.act::<Dataset>(dataset, create).await?;
        unit.act::<Dataset>(dataset, DatasetCommand::CommitVersion { manifest }).await?;
        let done = unit.act::<Job>(id, JobCommand::Succeed { package, rows }).await?;
        unit.commit().await?;
        Ok(done.state)
    }

    /// The bytes of an output in quarantine. For the gate alone.
    async fn output(&self, job: JobId) -> Result<Vec<u8>, ActError> {
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

    /// What the automatic checks find of a job's output.
    async fn record_of(&self, actor: &Actor, id: JobId, job: &Job) -> Result<Record, ActError> {
        let law = &self.desk.laws().current;
        let subject = StreamId::of::<Job>(id);
        if !matches!(job.status, JobStatus::Succeeded { .. }) {
            let refusal = law.refuse(RELEASE_OF_JOB, &[]).because("the job has no output");
            return Err(self.desk.refuse(actor, &subject, "job.check", refusal).await);
        }
        let bytes = self.output(id).await?;
        let Some(output) = Output::from_csv(&bytes) else {
            let refusal = law.refuse(JOB_STATE, &[]).because("its output is no table");
            return Err(self.desk.refuse(actor, &subject, "job.check", refusal).await);
        };
        let found = self.desk.find::<Grant>(job.specification.grant).await?;
        let items = found.map(|(_, grant)| grant.terms.items).unwrap_or_default();
        let protected: Vec<SubjectKind> =
            items.iter().filter_map(|item| item.subject_kind).collect();
        let (shared, rows) = self.overlap(&output, &items).await.unwrap_or_default();
        Ok(examine(&output, &protected, &shared, &rows))
    }

    /// The columns that an output shares with a source, where one of them is more than a
    /// dimension, and the digests of the source's rows under these columns.
    async fn overlap(
        &self,
        output: &Output,
        items: &[Item],
    ) -> Result<(Vec<usize>, BTreeSet<ContentHash>), Objection> {
        for item in items {
            let shared: Vec<(usize, &String)> = output
                .columns
                .iter()
                .enumerate()
                .filter(|(_, name)| item.columns.contains_key(*name))
                .collect();
            let tells = |(_, name): &(usize, &String)| {
                !matches!(item.columns.get(*name), Some(Label::Dimension { .. }) | None)
            };
            if !shared.iter().any(tells) {
                continue;
            }
            let names: Vec<String> = shared.iter().map(|(_, name)| (*name).clone()).collect();
            let domain = self.domain(std::slice::from_ref(item)).await?;
            let rows = rows_under(&domain, &item.table, &names).await?;
            return Ok((shared.into_iter().map(|(index, _)| index).collect(), rows));
        }
        Ok(Default::default())
    }

    async fn rows_of(&self, item: &Item) -> Result<u64, Objection> {
        let absent = || Objection::new(QUERY_COMPLETED, "the dataset has no version");
        let found = self.desk.find::<Dataset>(item.dataset).await.map_err(|_| absent())?;
        found.and_then(|(_, it)| it.current().map(|it| it.rows)).ok_or_else(absent)
    }

    /// What pseudonyms of an agreement are keyed with: without it, nobody can try out whose a
    /// pseudonym is.
    fn sample_secret(&self, grant: &Grant) -> [u8; 32] {
        let agreement = grant.terms.agreement.to_string();
        *ContentHash::of_parts(&[b"sample", &self.secret, agreement.as_bytes()]).as_bytes()
    }
}

/// The dataset that holds the output of a job: it has the job's number.
fn dataset_of(job: JobId) -> DatasetId {
    DatasetId::from_u128(job.to_u128())
}

fn named(objection: Objection) -> (String, String) {
    (objection.rule.name().to_owned(), objection.detail)
}

fn columns_of(grant: &Grant) -> Vec<Column> {
    grant
        .terms
        .items
        .iter()
        .flat_map(|item| {
            item.columns.iter().map(|(column, label)| Column {
                table: item.table.clone(),
                column: column.clone(),
                label: label.clone(),
            })
        })
        .collect()
}

async fn take_sample(
    domain: &crate::Domain,
    item: &Item,
    wanted: usize,
    key: &hmac::Key,
) -> Result<Sample, Objection> {
    let failed = |_| Objection::new(QUERY_COMPLETED, "the sample could not be taken");
    let ctx = SessionContext::new_with_state(domain.state.clone());
    let frame = ctx.table(item.table.as_str()).await.map_err(failed)?;
    let frame = frame.limit(0, Some(SAMPLED_FROM)).map_err(failed)?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.map_err(failed)?;
    let batch = arrow::compute::concat_batches(&schema, &batches)
        .map_err(|_| Objection::new(QUERY_COMPLETED, "the sample could not be taken"))?;
    let labels: Vec<(String, Label)> =
        item.columns.iter().map(|(name, label)| (name.clone(), label.clone())).collect();
    Ok(sample::make(&batch, &labels, wanted, key))
}

async fn rows_under(
    domain: &crate::Domain,
    table: &str,
    names: &[String],
) -> Result<BTreeSet<ContentHash>, Objection> {
    let failed = |_| Objection::new(QUERY_COMPLETED, "the sources could not be compared");
    let ctx = SessionContext::new_with_state(domain.state.clone());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let frame = ctx.table(table).await.map_err(failed)?;
    let batches = frame.select_columns(&names).map_err(failed)?.collect().await.map_err(failed)?;
    let mut rows = BTreeSet::new();
    for batch in batches {
        let options = FormatOptions::default();
        let formatters: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .filter_map(|column| ArrayFormatter::try_new(column, &options).ok())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<String> =
                formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            rows.insert(row_digest(&values));
        }
    }
    Ok(rows)
}
