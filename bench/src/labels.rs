//! How long the checker takes to infer labels over a plan and to build thresholds into it, apart
//! from reading the text: the checks are what a question costs beyond the engine.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema},
    catalog::TableProvider,
    datasource::MemTable,
    prelude::SessionContext,
};
use shuyu_enclave::{
    Barrier, DatasetVersion, Domain, Engine, Item, Label, SubjectKind, Thresholds,
};
use shuyu_kernel::{DatasetId, Id as _, ResourceId};

use crate::{Failure, report::Report};

/// How often a turn checks each text.
const TIMES: u32 = 200;
const THRESHOLDS: Thresholds = Thresholds {
    persons: 10,
    enterprises: 10,
    dominance_percent: 25,
    sample_max_percent: None,
    sample_max_rows: None,
};
/// A question, whose plan has four nodes.
const ASKED: &str = "SELECT division, sex, count(*) AS n, sum(income) AS s FROM persons \
                     WHERE education = '本科' GROUP BY division, sex";

/// A job of twenty nodes: two tables with a subject each, brought together and aggregated by
/// subject, filtered, named anew and aggregated again.
const JOB: &str = "\
    WITH a AS (SELECT id, division, sum(income) AS total FROM persons WHERE sex = '女' \
               GROUP BY id, division), \
         b AS (SELECT id, sum(fee) AS fees FROM visits WHERE ward = 'a' GROUP BY id), \
         c AS (SELECT a.id AS id, a.division AS division, a.total AS total, b.fees AS fees \
               FROM a JOIN b ON a.id = b.id) \
    SELECT d.division AS division, d.n AS n, d.m AS m FROM \
        (SELECT c.division AS division, count(*) AS n, avg(c.total) AS m FROM c \
         WHERE c.fees > 10.0 GROUP BY c.division) d \
    WHERE d.n > 20 ORDER BY d.division LIMIT 100";

pub(crate) async fn measure(rounds: usize) -> Result<Report, Failure> {
    let mut report = Report::new("labels", "below 2 ms for a plan of 20 nodes");
    let (engine, domain) = (Engine::new(), domain()?);
    let objected = |objection: shuyu_enclave::Objection| objection.detail;
    let steps = engine.derive(&domain, JOB, &THRESHOLDS).await.map_err(objected)?;
    if steps.len() < 20 {
        return Err(format!("the job's plan has {} nodes, not 20", steps.len()).into());
    }
    report.note(format!("the job's plan has {} nodes; the question's has 4", steps.len()));
    let bare = bare()?;
    for _ in 0..rounds {
        let begin = Instant::now();
        for _ in 0..TIMES {
            engine.check_job(&domain, JOB, &THRESHOLDS).await.map_err(objected)?;
        }
        report.add("Shuyu: a job, from its text to the plan that runs", "ms", each(begin));
        let begin = Instant::now();
        for _ in 0..TIMES {
            bare.state().create_logical_plan(JOB).await?;
        }
        report.add("DataFusion: the job's text to its plan, unchecked", "ms", each(begin));
        let begin = Instant::now();
        for _ in 0..TIMES {
            engine.check_ask(&domain, ASKED).await.map_err(objected)?;
        }
        report.add("Shuyu: a question, from its text to the plan that runs", "ms", each(begin));
        let begin = Instant::now();
        for _ in 0..TIMES {
            bare.state().create_logical_plan(ASKED).await?;
        }
        report.add("DataFusion: the question's text to its plan, unchecked", "ms", each(begin));
    }
    Ok(report)
}

/// Milliseconds for each of the times since then.
fn each(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES)
}

/// The columns of a table, each with its type and label.
type Columns = Vec<(&'static str, DataType, Label)>;

fn tables() -> [(&'static str, Columns); 2] {
    let persons = vec![
        ("id", DataType::Utf8, Label::Join),
        ("sex", DataType::Utf8, Label::dimension()),
        ("division", DataType::Utf8, Label::dimension()),
        ("education", DataType::Utf8, Label::dimension()),
        ("income", DataType::Float64, Label::measure()),
    ];
    let visits = vec![
        ("id", DataType::Utf8, Label::Join),
        ("ward", DataType::Utf8, Label::dimension()),
        ("fee", DataType::Float64, Label::measure()),
    ];
    [("persons", persons), ("visits", visits)]
}

fn empty(columns: &[(&'static str, DataType, Label)]) -> Result<Arc<dyn TableProvider>, Failure> {
    let fields = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(Arc::new(MemTable::try_new(schema, vec![Vec::new()])?))
}

fn domain() -> Result<Domain, Failure> {
    let mut granted = Vec::new();
    for (number, (name, columns)) in (1..).zip(tables()) {
        let table = empty(&columns)?;
        let labels = columns.into_iter().map(|(name, _, label)| (name.to_owned(), label));
        let item = Item {
            resource: ResourceId::from_u128(number),
            dataset: DatasetId::from_u128(number),
            table: name.to_owned(),
            columns: labels.collect(),
            subject_key: Some("id".to_owned()),
            subject_kind: Some(SubjectKind::Person),
            facts: BTreeMap::new(),
            barrier: Barrier::default(),
        };
        let version = DatasetVersion { dataset: item.dataset, version: 1 };
        granted.push((item, version, table));
    }
    Ok(Domain::new(Arc::default(), granted).map_err(|objection| objection.detail)?)
}

fn bare() -> Result<SessionContext, Failure> {
    let context = SessionContext::new();
    for (name, columns) in tables() {
        context.register_table(name, empty(&columns)?)?;
    }
    Ok(context)
}
