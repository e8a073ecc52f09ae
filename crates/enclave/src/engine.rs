//! The engine behind the checker: what passed runs, as it was checked.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    dataframe::DataFrame,
    logical_expr::LogicalPlan,
    physical_plan::execute_stream,
};
use futures::StreamExt;
use shuyu_kernel::ContentHash;

use crate::{
    Answer, Domain, Objection, Parameter, Question, Sheet, Thresholds,
    answer::{self, Facts},
    checker::{
        ask,
        produce::{self, Step},
    },
    comparison,
    cost::Meter,
    domain::constant_error,
    rules::JOB_LIMITS,
};

/// A question that passed the checker.
#[derive(Debug, Clone)]
pub struct Asked(ask::Checked);

impl Asked {
    /// What is asked, in the one form for all texts that mean the same.
    pub fn question(&self) -> &Question {
        &self.0.question
    }

    /// An answer to the question as its asker wanted it laid out.
    pub fn sheet(&self, answer: &Answer) -> Sheet {
        answer.sheet(&self.0.layout)
    }
}

/// A job's plan that passed the checker, with its thresholds built in.
#[derive(Debug, Clone)]
pub struct CheckedJob {
    checked: produce::Checked,
    ordered: bool,
}

impl CheckedJob {
    /// The granted tables that it reads, each as often as it reads it.
    pub(crate) fn scans(&self) -> Vec<String> {
        let mut names = Vec::new();
        // Nothing in the visit fails.
        let _ = self.checked.plan.apply(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                names.push(scan.table_name.table().to_owned());
            }
            Ok(TreeNodeRecursion::Continue)
        });
        names
    }

    /// Why its figures may have to be compared with one another, if they may.
    pub fn comparison(&self) -> Option<&'static str> {
        if self.checked.aggregates > 1 {
            Some("it aggregates more than once")
        } else {
            self.checked.is_conditional.then_some("it aggregates under conditions")
        }
    }
}

/// What a job may use up.
#[derive(Debug, Clone, Copy)]
pub struct OutputLimits {
    /// The greatest number of rows.
    pub rows: usize,
    /// The greatest size in bytes.
    pub bytes: usize,
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 256 << 20 }
    }
}

/// The output of a job: a table as CSV (RFC 4180, UTF-8), with its column names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, as texts.
    pub rows: Vec<Vec<String>>,
}

impl Output {
    /// The table as CSV.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            for (position, value) in row.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                if value.contains(['"', ',', '\n', '\r']) {
                    let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
                } else {
                    text.push_str(value);
                }
            }
            text.push_str("\r\n");
        }
        text
    }

    /// The table that [`to_csv`](Self::to_csv) wrote.
    pub fn from_csv(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
        let (mut quoted, mut symbols) = (false, text.chars().peekable());
        while let Some(symbol) = symbols.next() {
            match symbol {
                '"' if quoted && symbols.peek() == Some(&'"') => {
                    cell.push('"');
                    symbols.next();
                }
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted => {}
                '\n' if !quoted => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        let mut rows = rows.into_iter();
        Some(Self { columns: rows.next()?, rows: rows.collect() })
    }

    /// The digest of the table as CSV.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(self.to_csv().as_bytes())
    }
}

/// Checks queries and runs what passes.
#[derive(Debug, Default)]
pub struct Engine {
    facts: Facts,
}

impl Engine {
    /// An engine that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks an immediate question.
    ///
    /// # Errors
    ///
    /// The objection, made from the text and the grant alone.
    pub async fn check_ask(&self, domain: &Domain, sql: &str) -> Result<Asked, Objection> {
        let plan = domain.resolve(sql).await?;
        ask::check(domain, &plan).map(Asked)
    }

    /// Answers a checked question, unless it would single out too few subjects with all earlier
    /// answers: those about any of its datasets, at any version, to any operator.
    ///
    /// # Errors
    ///
    /// The objection, in words that do not depend on values.
    pub async fn answer(
        &self,
        domain: &Domain,
        asked: &Asked,
        earlier: &[Answer],
        thresholds: &Thresholds,
    ) -> Result<Answer, Objection> {
        let answer = answer::answer(domain, &self.facts, &asked.0, thresholds).await?;
        let answer = comparison::settle(domain, &self.facts, &asked.0, answer, thresholds).await?;
        self.compare(domain, asked, &answer, earlier, thresholds).await?;
        Ok(answer)
    }

    /// Refuses an answer that, with all earlier ones, would single out too few subjects.
    ///
    /// # Errors
    ///
    /// The objection, in words that do not depend on values.
    pub async fn compare(
        &self,
        domain: &Domain,
        asked: &Asked,
        answer: &Answer,
        earlier: &[Answer],
        thresholds: &Thresholds,
    ) -> Result<(), Objection> {
        let facts = &self.facts;
        comparison::check(domain, facts, &asked.0, answer, earlier, thresholds).await
    }

    /// What is inferred of a query, node by node, without touching data.
    ///
    /// # Errors
    ///
    /// The objection to a text that is no query over granted names.
    pub async fn derive(
        &self,
        domain: &Domain,
        sql: &str,
        thresholds: &Thresholds,
    ) -> Result<Vec<Step>, Objection> {
        let plan = domain.resolve(sql).await?;
        Ok(produce::derive(domain, &plan, thresholds))
    }

    /// Checks a job's query, and builds the thresholds into its plan.
    ///
    /// # Errors
    ///
    /// The objection, made from the text and the grant alone.
    pub async fn check_job(
        &self,
        domain: &Domain,
        sql: &str,
        thresholds: &Thresholds,
    ) -> Result<CheckedJob, Objection> {
        self.check_script(domain, sql, &BTreeMap::new(), thresholds).await
    }

    /// Checks a job's statements with their parameters, and builds the thresholds into the plan.
    ///
    /// # Errors
    ///
    /// The objection, made from the text, the parameters and the grant alone.
    pub async fn check_script(
        &self,
        domain: &Domain,
        sql: &str,
        parameters: &BTreeMap<String, Parameter>,
        thresholds: &Thresholds,
    ) -> Result<CheckedJob, Objection> {
        let plan = domain.resolve_script(sql, parameters).await?;
        let ordered = is_ordered(&plan);
        Ok(CheckedJob { checked: produce::check(domain, &plan, thresholds)?, ordered })
    }

    /// Runs a checked job. Rows come in the order asked for, or else sorted as texts, so that
    /// the order of execution does not show.
    ///
    /// # Errors
    ///
    /// The objection, in constant words.
    pub async fn run(
        &self,
        domain: &Domain,
        job: &CheckedJob,
        limits: OutputLimits,
    ) -> Result<Output, Objection> {
        let too_much = || Objection::new(JOB_LIMITS, "the output is larger than the job may make");
        let error = |error: datafusion::common::DataFusionError| constant_error(&error);
        let frame = DataFrame::new(domain.state.clone(), job.checked.plan.clone());
        let context = Arc::new(frame.task_ctx());
        let physical = frame.create_physical_plan().await.map_err(error)?;
        if let Some(meter) = domain.state.config().get_extension::<Meter>() {
            meter.watch(&physical);
        }
        let mut stream = execute_stream(physical, context).map_err(error)?;
        let plan = &job.checked.plan;
        let columns = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut rows = Vec::new();
        let mut size = 0;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(error)?;
            let options = FormatOptions::default();
            let formatters = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|cause| error(cause.into()))?;
            for row in 0..batch.num_rows() {
                let values: Vec<String> = formatters
                    .iter()
                    .map(|formatter| formatter.value(row).try_to_string())
                    .collect::<Result<_, _>>()
                    .map_err(|cause| error(cause.into()))?;
                size += values.iter().map(|value| value.len() + 1).sum::<usize>();
                rows.push(values);
            }
            if rows.len() > limits.rows || size > limits.bytes {
                return Err(too_much());
            }
        }
        if !job.ordered {
            rows.sort();
        }
        Ok(Output { columns, rows })
    }
}

/// Whether the text asks for an order at its outermost level.
fn is_ordered(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Limit(limit) => is_ordered(&limit.input),
        LogicalPlan::Projection(projection) => is_ordered(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_ordered(&alias.input),
        _other => false,
    }
}
