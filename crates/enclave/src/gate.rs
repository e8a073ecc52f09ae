//! The gate at work: outputs are put forward, checked, reviewed and read out, for as long as the
//! grant that they rest on stands.

use std::{collections::BTreeSet, sync::Arc};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, DatasetId, JobId, OrganisationId, ReleaseId};
use shuyu_law::{Attributes, Refusal};
use shuyu_store::{ActError, Command, Entry, Filter, StreamId, Unit};
use shuyu_vault::Dataset;

use crate::{
    Again, DatasetVersion, Domain, Enclave, Grant, Grounds, Item, Job, JobStatus, Label, Objection,
    Output, Overlap, Program, Proposal, Record, Release, ReleaseCommand, Specification,
    SubjectKind, examine, row_digest,
    rules::{
        JOB_STATE, QUARANTINE_INTACT, QUERY_COMPLETED, RELEASE_OF_JOB, RELEASED_ONLY,
        REVIEWER_INDEPENDENT,
    },
};

impl Enclave {
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
        let proposal = self.proposal(actor, &job, purpose, form).await?;
        let providers = self.providers_of(&job.specification).await?;
        let (grant, job) = (job.specification.grant, Box::new(job));
        let proposal = Box::new(proposal);
        let command = ReleaseCommand::Submit { id: release, job, providers, proposal };
        self.desk
            .run(actor, |unit| {
                let command = command.clone();
                async move {
                    let grant = unit.load::<Grant>(grant).await?;
                    standing(&unit, release, &grant, &command).await?;
                    unit.act::<Release>(release, command).await
                }
            })
            .await?;
        Ok(release)
    }

    /// Changes what an output is to be used for, and in which form. It is checked again, and
    /// every approval falls away.
    pub async fn amend_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        purpose: &str,
        form: &str,
    ) -> Result<Release, ActError> {
        let found = self.desk.find::<Release>(id).await?;
        let (_, release) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Release>(id)))?;
        let job = self.job(release.job).await?;
        let proposal = Box::new(self.proposal(actor, &job, purpose, form).await?);
        self.decide(actor, id, ReleaseCommand::Amend { proposal }).await
    }

    /// Approves the content of this hash.
    pub async fn approve(
        &self,
        actor: &Actor,
        id: ReleaseId,
        content: ContentHash,
    ) -> Result<Release, ActError> {
        self.decide(actor, id, ReleaseCommand::Approve { content }).await
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
        let release = self.inspected(actor, id).await?;
        self.output(release.job).await
    }

    /// Shows a reviewer how the program ended that made what is put forward, what it said and
    /// what it used, as JSON. There is none of a query.
    pub async fn report(&self, actor: &Actor, id: ReleaseId) -> Result<Option<Vec<u8>>, ActError> {
        let release = self.inspected(actor, id).await?;
        match self.job(release.job).await?.specification.program {
            Program::Sql { .. } => Ok(None),
            Program::Python(_) => self.report_of(release.job).await.map(Some),
        }
    }

    async fn inspected(&self, actor: &Actor, id: ReleaseId) -> Result<Release, ActError> {
        let (_, release) =
            self.desk.read::<Release>(actor, id, "inspect", &Attributes::new()).await?;
        if release.is_own(actor) {
            let subject = StreamId::of::<Release>(id);
            let refusal = self.desk.laws().current.refuse(REVIEWER_INDEPENDENT, &[]);
            return Err(self.desk.refuse(actor, &subject, "release.inspect", refusal).await);
        }
        Ok(release)
    }

    /// Reads out what was released: compared, to the byte, with what was reviewed.
    pub async fn read_released(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        const ACT: &str = "release.read";
        let subject = StreamId::of::<Release>(id);
        let law = &self.desk.laws().current;
        let found = self.desk.find::<Release>(id).await?.map(|(_, release)| release);
        let own = found.filter(|release| release.operator == actor.organisation);
        let Some(release) = own else {
            let refusal = law.refuse(RELEASED_ONLY, &[]);
            let refusal = refusal.because("it is handed to the operator that asked for it");
            return Err(self.desk.refuse(actor, &subject, ACT, refusal).await);
        };
        let grant = self.desk.find::<Grant>(release.grant).await?;
        let (_, grant) =
            grant.ok_or_else(|| ActError::NotFound(StreamId::of::<Grant>(release.grant)))?;
        if let Err(refusal) = grant.check_standing(self.desk.clock().now(), law) {
            return Err(self.desk.refuse(actor, &subject, ACT, refusal).await);
        }
        let bytes = self.bytes_of(actor, id).await?;
        let entry = Entry::new(subject, ACT, json!({ "bytes": bytes.len() }));
        self.desk.journal(actor, entry).await?;
        Ok(bytes)
    }

    /// Released bytes, for products that are made of them.
    pub async fn released_bytes(&self, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        self.bytes_of(&Actor::system(), id).await
    }

    async fn bytes_of(&self, actor: &Actor, id: ReleaseId) -> Result<Vec<u8>, ActError> {
        let subject = StreamId::of::<Release>(id);
        let refused = async |refusal: Refusal| {
            self.desk.refuse(actor, &subject, "release.read", refusal).await
        };
        let found = self.desk.find::<Release>(id).await?;
        let (_, release) = found.ok_or_else(|| ActError::NotFound(subject.clone()))?;
        let law = self.desk.laws().of(Some(&release.pack))?;
        let package = match release.check_released(law) {
            Ok(package) => package,
            Err(refusal) => return Err(refused(refusal).await),
        };
        let bytes = self.output(release.job).await?;
        if ContentHash::of(&bytes) != package {
            return Err(refused(law.refuse(QUARANTINE_INTACT, &[])).await);
        }
        Ok(bytes)
    }

    /// Does something to a release, for which its grant must stand in the same unit of work.
    async fn decide(
        &self,
        actor: &Actor,
        id: ReleaseId,
        command: ReleaseCommand,
    ) -> Result<Release, ActError> {
        self.desk
            .run(actor, |unit| {
                let command = command.clone();
                async move {
                    let release = unit.load::<Release>(id).await?;
                    let grant = unit.load::<Grant>(release.grant).await?;
                    standing(&unit, id, &grant, &command).await?;
                    Ok(unit.act::<Release>(id, command).await?.state)
                }
            })
            .await
    }

    /// What is put forward: the output of a job, with what the automatic checks find of it.
    async fn proposal(
        &self,
        actor: &Actor,
        job: &Job,
        purpose: &str,
        form: &str,
    ) -> Result<Proposal, ActError> {
        let record = self.record_of(actor, job).await?;
        let mut salt = [0; 16];
        self.desk.entropy().fill(&mut salt);
        Ok(Proposal {
            package: record.package,
            purpose: purpose.to_owned(),
            form: form.to_owned(),
            record,
            salt: hex::encode(salt),
        })
    }

    /// Whose data a job reads.
    async fn providers_of(
        &self,
        specification: &Specification,
    ) -> Result<BTreeSet<OrganisationId>, ActError> {
        let mut providers = BTreeSet::new();
        for version in &specification.versions {
            let found = self.desk.find::<Dataset>(version.dataset).await?;
            providers.extend(found.map(|(_, dataset)| dataset.owner));
        }
        Ok(providers)
    }

    /// What the automatic checks found of what is put forward, for who may look at it.
    pub async fn findings(&self, actor: &Actor, id: ReleaseId) -> Result<Record, ActError> {
        Ok(self.inspected(actor, id).await?.proposal.record)
    }

    /// What the automatic checks find of a job's output.
    async fn record_of(&self, actor: &Actor, job: &Job) -> Result<Record, ActError> {
        const ACT: &str = "job.check";
        let law = &self.desk.laws().current;
        let subject = StreamId::of::<Job>(job.id);
        let refused =
            async |refusal: Refusal| self.desk.refuse(actor, &subject, ACT, refusal).await;
        if actor.organisation != job.operator {
            let refusal = law.refuse(RELEASE_OF_JOB, &[]);
            return Err(refused(refusal.because("it is the job of another organisation")).await);
        }
        if !matches!(job.status, JobStatus::Succeeded { .. }) {
            let refusal = law.refuse(RELEASE_OF_JOB, &[]).because("the job has no output");
            return Err(refused(refusal).await);
        }
        let id = job.specification.grant;
        let cut = self.cuts.token(id);
        let found = self.desk.find::<Grant>(id).await?;
        let (_, grant) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Grant>(id)))?;
        if let Err(refusal) = grant.check_standing(self.desk.clock().now(), law) {
            return Err(refused(refusal).await);
        }
        let Some(output) = Output::from_csv(&self.output(job.id).await?) else {
            let refusal = law.refuse(JOB_STATE, &[]).because("its output is no table");
            return Err(refused(refusal).await);
        };
        // The job is run again, and its output compared with the sources: twice the time of one.
        let stop = Arc::new(self.stop(&grant, cut, self.limits.job() * 2));
        let items = grant.terms.items;
        let protected: Vec<SubjectKind> =
            items.iter().filter_map(|item| item.subject_kind).collect();
        let earlier = self.released_from(&job.specification, &items).await?;
        let opening = self.opening(&items, &stop);
        let program = job.specification.program.clone();
        let thresholds = grant.thresholds.with_margin(&self.secret);
        let engine = Arc::clone(&self.engine);
        let frozen: BTreeSet<DatasetVersion> = job.specification.versions.iter().copied().collect();
        let limits = self.limits.output();
        let work = async move {
            let domain = opening.domain().await?;
            let (again, comparison) = match &program {
                Program::Sql { text, parameters } => {
                    let checked =
                        engine.check_script(&domain, text, parameters, &thresholds).await?;
                    let again = if protected.is_empty() {
                        Again::AboutNobody
                    } else if domain.versions() == frozen {
                        Again::Rows(engine.run(&domain, &checked, limits).await?.rows)
                    } else {
                        Again::NewData
                    };
                    (again, checked.comparison())
                }
                Program::Python(_) if protected.is_empty() => (Again::AboutNobody, None),
                Program::Python(_) => (Again::Foreign, Some("a program made it")),
            };
            let grounds = Grounds {
                again,
                overlaps: overlaps(&domain, &output, &items).await?,
                comparison: comparison.map(str::to_owned),
                earlier,
            };
            Ok(examine(&output, &protected, &grounds))
        };
        // What cannot be compared with its sources is not put forward.
        match self.workers.run(&stop, work).await {
            Ok(Ok(record)) => Ok(record),
            Ok(Err(objection)) | Err(objection) => {
                Err(self.object(actor, &subject, ACT, &objection).await)
            }
        }
    }

    /// What was released from the same data about somebody, whatever its version, to any operator.
    async fn released_from(
        &self,
        specification: &Specification,
        items: &[Item],
    ) -> Result<Vec<ReleaseId>, ActError> {
        let protected: BTreeSet<DatasetId> =
            items.iter().filter(|item| item.is_protected()).map(|item| item.dataset).collect();
        let is_same = |it: &Specification| {
            it.versions.iter().any(|version| protected.contains(&version.dataset))
        };
        if !is_same(specification) {
            return Ok(Vec::new());
        }
        let mut earlier = Vec::new();
        for (id, release) in self.desk.list::<Release>(&Filter::status("released")).await? {
            if is_same(&self.job(release.job).await?.specification) {
                earlier.push(id);
            }
        }
        Ok(earlier)
    }
}

/// Refuses what is done to a release whose grant does not stand.
async fn standing(
    unit: &Unit,
    id: ReleaseId,
    grant: &Grant,
    command: &ReleaseCommand,
) -> Result<(), ActError> {
    let desk = unit.desk();
    match grant.check_standing(desk.clock().now(), &desk.laws().current) {
        Ok(()) => Ok(()),
        Err(refusal) => {
            let act = format!("release.{}", command.name());
            Err(unit.refuse(&StreamId::of::<Release>(id), &act, refusal).await)
        }
    }
}

/// For each source that an output shares columns with, one of them more than a dimension: these
/// columns, and the rows of the output that are rows of the source under them.
async fn overlaps(
    domain: &Domain,
    output: &Output,
    items: &[Item],
) -> Result<Vec<Overlap>, Objection> {
    let mut all = Vec::new();
    for item in items {
        let shared: Vec<(usize, &str)> = output
            .columns
            .iter()
            .enumerate()
            .filter(|(_, name)| item.columns.contains_key(*name))
            .map(|(index, name)| (index, name.as_str()))
            .collect();
        let tells = |(_, name): &(usize, &str)| {
            !matches!(
                item.columns.get(*name),
                Some(Label::Dimension { .. } | Label::Blocked) | None
            )
        };
        if !shared.iter().any(tells) {
            continue;
        }
        let columns: Vec<usize> = shared.iter().map(|(index, _)| *index).collect();
        let names: Vec<&str> = shared.iter().map(|(_, name)| *name).collect();
        let wanted: BTreeSet<ContentHash> = output
            .rows
            .iter()
            .map(|row| {
                let value = |index: &usize| row.get(*index).map_or("", String::as_str);
                row_digest(&columns.iter().map(value).collect::<Vec<_>>())
            })
            .collect();
        let rows = rows_among(domain, &item.table, &names, &wanted).await?;
        all.push(Overlap { columns, rows });
    }
    Ok(all)
}

/// Which of the wanted rows a table has, under these columns.
async fn rows_among(
    domain: &Domain,
    table: &str,
    names: &[&str],
    wanted: &BTreeSet<ContentHash>,
) -> Result<BTreeSet<ContentHash>, Objection> {
    let failed = || Objection::new(QUERY_COMPLETED, "the sources could not be compared");
    let ctx = SessionContext::new_with_state(domain.state.clone());
    let frame = ctx.table(table).await.map_err(|_| failed())?;
    let frame = frame.select_columns(names).map_err(|_| failed())?;
    let mut stream = frame.execute_stream().await.map_err(|_| failed())?;
    let mut found = BTreeSet::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|_| failed())?;
        let options = FormatOptions::default();
        let formatters: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()
            .map_err(|_| failed())?;
        for row in 0..batch.num_rows() {
            let values: Vec<String> =
                formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
            let digest = row_digest(&values.iter().map(String::as_str).collect::<Vec<_>>());
            if wanted.contains(&digest) {
                found.insert(digest);
            }
        }
    }
    Ok(found)
}
