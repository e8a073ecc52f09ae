//! Sessions at work: what is granted, what a question would come to, and the sample to develop on.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, GrantId, SessionId};
use shuyu_masking::{Draw, Drawn, MaskingKey, Scope};
use shuyu_store::{ActError, Entry, StreamId};
use shuyu_vault::{Dataset, FieldType};

use crate::{
    Domain, Enclave, Grant, Item, Label, Objection, Operation, Sample, Session, SessionCommand,
    rules::{GRANTED_NAMES, QUERY_COMPLETED, SAMPLE_LIMIT},
    sample::{self, Sampled},
};

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
            let job = engine.check_job(&domain, &text, &thresholds).await.is_ok();
            Ok((engine.check_ask(&domain, &text).await.err(), job))
        };
        let (objection, runs_as_job) = match self.workers.run(&stop, work).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(objection)) | Err(objection) => (Some(objection), false),
        };
        let explanation = Explanation {
            is_answered: objection.is_none(),
            runs_as_job,
            objection: objection.map(named),
            columns: columns_of(&grant),
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
            let (rows, fields) = self.extent(&item).await?;
            let thresholds = grant.thresholds;
            let most = (thresholds.sample_max_percent, thresholds.sample_max_rows);
            let wanted = sample::size(rows, most.0, most.1);
            let k = item.subject_kind.map_or(1, |kind| thresholds.of(kind));
            let key = self.masking_key(&grant);
            let opening = self.opening(std::slice::from_ref(&item), &stop);
            let work = async move {
                let domain = opening.domain().await?;
                let drawn = draw(&domain, &item, &key).await?;
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

    /// How many rows a granted table has, and what the cells of its columns are.
    async fn extent(&self, item: &Item) -> Result<(u64, BTreeMap<String, FieldType>), Objection> {
        let absent = || Objection::new(QUERY_COMPLETED, "the dataset has no version");
        let found = self.desk.find::<Dataset>(item.dataset).await.map_err(|_| absent())?;
        let (_, dataset) = found.ok_or_else(absent)?;
        let manifest = dataset.current().ok_or_else(absent)?;
        let kinds = manifest.fields.iter().map(|field| (field.name.clone(), field.kind));
        Ok((manifest.rows, kinds.collect()))
    }

    /// What pseudonyms are keyed with. The tables of a scenario are one family: they can be
    /// joined with one another, and with those of no other scenario or agreement.
    fn masking_key(&self, grant: &Grant) -> MaskingKey {
        let (agreement, family) =
            (grant.terms.agreement.to_string(), grant.terms.scenario.to_string());
        MaskingKey::derive(&self.secret, Scope { agreement: &agreement, family: &family })
    }
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

fn untaken<E>(_error: E) -> Objection {
    Objection::new(QUERY_COMPLETED, "the sample could not be taken")
}

/// The rows of the subjects that the key ranks first. Partitions are read one after another, so
/// that rows come in the same order each time.
async fn draw(domain: &Domain, item: &Item, key: &MaskingKey) -> Result<Drawn, Objection> {
    let ctx = SessionContext::new_with_state(domain.state.clone());
    let frame = ctx.table(item.table.as_str()).await.map_err(untaken)?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let subject = item.subject_key.as_deref();
    let mut draw = Draw::new(schema, subject, sample::DRAWN_FROM, key).map_err(untaken)?;
    for mut partition in frame.execute_stream_partitioned().await.map_err(untaken)? {
        while let Some(batch) = partition.try_next().await.map_err(untaken)? {
            draw.meet(&batch).map_err(untaken)?;
        }
    }
    draw.finish().map_err(untaken)
}
