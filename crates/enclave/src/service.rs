//! Sessions at work: what is granted, what a question would come to, and the sample to develop on.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, GrantId, SessionId};
use shuyu_law::Cause;
use shuyu_masking::{Draw, Drawn, MaskingKey, Scope};
use shuyu_store::{ActError, Entry, StreamId};
use shuyu_vault::{Dataset, FieldType};

use crate::{
    Domain, Enclave, Grant, HIGHEST_LEVEL, Item, Label, Objection, Operation, Sample, Session,
    SessionCommand, Step, SubjectKind,
    rules::{GRANTED_NAMES, QUERY_COMPLETED, SAMPLE_LIMIT},
    sample::{self, Sampled},
};

/// What a label, or a limit of it, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What the provider has declared the column to be.
    Classification,
    /// Its level.
    Level,
    /// The grant.
    Grant,
    /// A figure of the city's pack.
    Pack,
}

/// Why a column has its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// From what it follows.
    pub by: Basis,
    /// What follows.
    pub what: String,
}

/// A granted column, and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What it may do.
    pub label: Label,
    /// Why.
    pub why: Vec<Reason>,
}

/// Why a query would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The rule.
    pub rule: String,
    /// What is wrong, and what would pass.
    pub detail: String,
    /// Which column would go where, and what would pass instead.
    pub cause: Cause,
}

/// What a question would come to, found without touching data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether it would be answered at once.
    pub is_answered: bool,
    /// Whether it could run as a job.
    pub runs_as_job: bool,
    /// Why it would not be answered at once.
    pub objection: Option<Told>,
    /// Why it could not run as a job.
    pub job_objection: Option<Told>,
    /// The granted columns with their labels.
    pub columns: Vec<Column>,
    /// What is inferred at each node of the plan, from the scans upwards, as far as it is
    /// understood.
    pub derivation: Vec<Step>,
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
        self.desk
            .run(actor, |unit| async move {
                let grant = Box::new(unit.load::<Grant>(grant).await?);
                unit.act::<Session>(id, SessionCommand::Open { id, grant, operation }).await
            })
            .await?;
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
        let open = self.granted(actor, id, Operation::Ask, "session.columns").await?;
        Ok(columns_of(&open.grant))
    }

    /// What a question would come to, without touching data.
    pub async fn explain(
        &self,
        actor: &Actor,
        id: SessionId,
        sql: &str,
    ) -> Result<Explanation, ActError> {
        const ACT: &str = "session.explain";
        let open = self.granted(actor, id, Operation::Ask, ACT).await?;
        let grant = open.grant;
        let stop = Arc::new(self.stop(&grant, open.cut, self.limits.question()));
        let opening = self.opening(&grant.terms.items, &stop);
        let (engine, thresholds) = (Arc::clone(&self.engine), grant.thresholds);
        let text = sql.to_owned();
        let work = async move {
            let domain = opening.domain().await?;
            let job = engine.check_job(&domain, &text, &thresholds).await.err();
            let derivation = engine.derive(&domain, &text, &thresholds).await.unwrap_or_default();
            Ok((engine.check_ask(&domain, &text).await.err(), job, derivation))
        };
        let (objection, job, derivation) = match self.workers.run(&stop, work).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(objection)) | Err(objection) => {
                (Some(objection.clone()), Some(objection), Vec::new())
            }
        };
        let explanation = Explanation {
            is_answered: objection.is_none(),
            runs_as_job: job.is_none(),
            objection: objection.map(told),
            job_objection: job.map(told),
            columns: columns_of(&grant),
            derivation,
        };
        let body = json!({ "query": ContentHash::of(sql.as_bytes()) });
        let entry = Entry::new(StreamId::of::<Session>(id), ACT, body);
        self.desk.journal(actor, entry).await?;
        Ok(explanation)
    }

    /// A desensitised sample of a granted table, as large as the pack allows. Of one version
    /// of the data it is the same under a grant, whoever asks and however often.
    pub async fn sample(
        &self,
        actor: &Actor,
        id: SessionId,
        table: &str,
    ) -> Result<Sample, ActError> {
        const ACT: &str = "session.sample";
        let subject = StreamId::of::<Session>(id);
        let open = self.granted(actor, id, Operation::Develop, ACT).await?;
        let grant = open.grant;
        let stop = Arc::new(self.stop(&grant, open.cut, self.limits.question()));
        let sampling = async {
            let unknown = || Objection::new(GRANTED_NAMES, "there is no such table");
            let item = grant.item(table).cloned().ok_or_else(unknown)?;
            let fields = self.fields_of(&item).await?;
            let thresholds = grant.thresholds;
            let k = item.subject_kind.map_or(1, |kind| thresholds.of(kind));
            let key = self.masking_key(&grant);
            let opening = self.opening(std::slice::from_ref(&item), &stop);
            let work = async move {
                let domain = opening.domain().await?;
                // Of what a barrier lets through, no greater share is shown than of all.
                let (drawn, rows) = draw(&domain, &item, &key).await?;
                let (percent, most) = (thresholds.sample_max_percent, thresholds.sample_max_rows);
                let wanted = sample::size(rows, percent, most);
                let of = Sampled { item: &item, fields: &fields, wanted, k, key: &key };
                let sample = sample::make(&drawn, &of).map_err(untaken)?;
                let version = domain.tables.get(&item.table).map(|table| table.version.version);
                Ok((sample, version))
            };
            self.workers.run(&stop, work).await?
        };
        match sampling.await {
            Ok((sample, version)) => {
                let digest = serde_json::to_value(&sample).map(|it| ContentHash::of_json(&it)).ok();
                let rows = sample.rows.len();
                let body =
                    json!({ "table": table, "version": version, "rows": rows, "sample": digest });
                let clauses = self.desk.laws().current.refuse(SAMPLE_LIMIT, &[]).clauses;
                let entry = Entry { clauses, ..Entry::new(subject, ACT, body) };
                self.desk.journal(actor, entry).await?;
                Ok(sample)
            }
            Err(objection) => Err(self.object(actor, &subject, ACT, &objection).await),
        }
    }

    /// What the cells of a granted table's columns are.
    async fn fields_of(&self, item: &Item) -> Result<BTreeMap<String, FieldType>, Objection> {
        let absent = || Objection::new(QUERY_COMPLETED, "the dataset has no version");
        let found = self.desk.find::<Dataset>(item.dataset).await.map_err(|_| absent())?;
        let (_, dataset) = found.ok_or_else(absent)?;
        let manifest = dataset.current().ok_or_else(absent)?;
        let kinds = manifest.fields.iter().map(|field| (field.name.clone(), field.kind));
        Ok(kinds.collect())
    }

    /// What pseudonyms are keyed with. The tables of a scenario are one family: they can be
    /// joined with one another, and with those of no other scenario or agreement.
    fn masking_key(&self, grant: &Grant) -> MaskingKey {
        let (agreement, family) =
            (grant.terms.agreement.to_string(), grant.terms.scenario.to_string());
        MaskingKey::derive(&self.secret, Scope { agreement: &agreement, family: &family })
    }
}

fn told(objection: Objection) -> Told {
    let Objection { rule, detail, cause } = objection;
    Told { rule: rule.name().to_owned(), detail, cause }
}

fn columns_of(grant: &Grant) -> Vec<Column> {
    let items = grant.terms.items.iter();
    let columns = items.flat_map(|item| item.columns.iter().map(move |of| (item, of)));
    columns
        .map(|(item, (column, label))| Column {
            table: item.table.clone(),
            column: column.clone(),
            label: label.clone(),
            why: reasons(grant, item, column, label),
        })
        .collect()
}

/// Why a column has its label. The parameters of dominance are a secret and stand in no reason.
fn reasons(grant: &Grant, item: &Item, column: &str, label: &Label) -> Vec<Reason> {
    let mut why = Vec::new();
    let mut add = |by, what: String| why.push(Reason { by, what });
    if let Some(facts) = item.facts.get(column) {
        let what = if facts.subject_key {
            "it says whose a row is"
        } else if facts.identifier {
            "it identifies somebody directly"
        } else if facts.categorical {
            "it takes few published values"
        } else if facts.quantity {
            "it is a quantity"
        } else {
            "it is none of what may be shown"
        };
        add(Basis::Classification, what.to_owned());
        let level = format!("level {}; at level {HIGHEST_LEVEL} nothing is shown", facts.level);
        add(Basis::Level, level);
    }
    add(Basis::Grant, format!("granted as {}", label.name()));
    if let Label::Measure { aggregates, .. } = label {
        let names: Vec<&str> = aggregates.iter().map(|it| it.name()).collect();
        add(Basis::Grant, format!("by {}", names.join(", ")));
    }
    if let Some(mask) = item.barrier.masks.get(column) {
        add(Basis::Grant, format!("of it, {} is seen", mask.name()));
    }
    if item.barrier.scope.contains_key(column) {
        add(Basis::Grant, "rows are within a scope of its values".to_owned());
    }
    if item.barrier.consent.is_some() && item.subject_key.as_deref() == Some(column) {
        add(Basis::Grant, "rows are of those who consent to the scenario".to_owned());
    }
    if let Some(kind) = item.subject_kind {
        let of = match kind {
            SubjectKind::Person => "persons",
            SubjectKind::Enterprise => "enterprises",
        };
        let least = grant.thresholds.of(kind);
        add(Basis::Pack, format!("a figure rests on {least} {of} or more"));
    }
    why
}

fn untaken<E>(_error: E) -> Objection {
    Objection::new(QUERY_COMPLETED, "the sample could not be taken")
}

/// The rows of the subjects that the key ranks first, and how many rows there are. Partitions are
/// read one after another, so that rows come in the same order each time.
async fn draw(domain: &Domain, item: &Item, key: &MaskingKey) -> Result<(Drawn, u64), Objection> {
    let ctx = SessionContext::new_with_state(domain.state.clone());
    let frame = ctx.table(item.table.as_str()).await.map_err(untaken)?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let subject = item.subject_key.as_deref();
    let mut draw = Draw::new(schema, subject, sample::DRAWN_FROM, key).map_err(untaken)?;
    let mut rows = 0;
    for mut partition in frame.execute_stream_partitioned().await.map_err(untaken)? {
        while let Some(batch) = partition.try_next().await.map_err(untaken)? {
            rows += batch.num_rows() as u64;
            draw.meet(&batch).map_err(untaken)?;
        }
    }
    Ok((draw.finish().map_err(untaken)?, rows))
}
