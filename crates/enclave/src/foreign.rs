//! Foreign code on granted tables: what it reads, and how it runs.
//!
//! Nobody can read what a program does, so nothing is checked beforehand: it reads what a query
//! could read, in a room without doors, and all that comes of it lies in quarantine.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use arrow::{
    array::{Array, ArrayRef, StringArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{
    execution::TaskContext, physical_plan::ExecutionPlan, physical_plan::ExecutionPlanProperties,
    prelude::SessionContext,
};
use futures::StreamExt;
use ring::hmac;
use shuyu_sandbox::{
    Content, Declared, End, Form, Input, Limits, Outcome, Program, ProgramError, Room, SandboxError,
};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    Cost, Domain, Label, Objection, Output, Python,
    cost::Meter,
    domain::constant_error,
    rules::{FOREIGN_CODE, JOB_LIMITS, QUERY_COMPLETED, UNDERSTOOD_ONLY},
    running::Product,
    stop::Stop,
};

/// How many batches of a table wait for the program to take them.
const WAITING: usize = 2;

/// The rows of a table on their way; nothing means that there are no more.
type Rows = Option<RecordBatch>;

/// The name of the table that a program makes.
const OUTPUT: &str = "output";

/// How long after the reserved time the end of a program is told, at the latest moment at which it
/// can have been ended and its output read.
const AFTER: Duration = Duration::from_secs(2);

/// What runs foreign code, where there is anything that may.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) room: Option<Room>,
    pub(crate) limits: crate::Limits,
}

impl Foreign {
    fn room(&self) -> Result<&Room, Objection> {
        let off = "there are no programs in Python on this platform: its host could not hold them";
        self.room.as_ref().ok_or_else(|| Objection::new(FOREIGN_CODE, off))
    }

    /// Refuses what could not run.
    pub(crate) fn check(&self, python: &Python) -> Result<(), Objection> {
        self.room()?;
        let most = self.limits.job_seconds.saturating_sub(AFTER.as_secs());
        if !(1..=most).contains(&u64::from(python.seconds)) {
            let why = format!("from 1 to {most} seconds can be reserved for a program");
            return Err(Objection::new(JOB_LIMITS, why));
        }
        python.program().check().map_err(|wrong| malformed(&wrong))
    }

    /// Runs a program. Whatever the program does, there is an output, empty if it made none, and
    /// it is there at the same time: how it ended is for reviewers.
    pub(crate) async fn run(
        &self,
        python: &Python,
        domain: &Domain,
        secret: &[u8; 32],
        stop: Arc<Stop>,
    ) -> Result<Product, Objection> {
        let seconds = Duration::from_secs(u64::from(python.seconds));
        let until = Instant::now() + seconds + AFTER;
        let limits = Limits {
            wall: seconds,
            cpu: seconds,
            memory_bytes: self.limits.share_bytes as u64,
            rows: self.limits.output_rows,
            ..Limits::default()
        };
        let ended = async move { drop(stop.reached().await) };
        let program = python.program();
        let outcome = domain.run_program(self.room()?, &program, limits, secret, ended).await?;
        let columns = python.columns.iter().map(|it| it.name.clone()).collect();
        let mut output = Output { columns, rows: Vec::new() };
        if let End::Completed(made) = &outcome.end
            && let Some(Content::Table(table)) = made.first().map(|it| &it.content)
        {
            output.rows.clone_from(&table.rows);
        }
        sleep_until(until).await;
        Ok(Product { output, report: Some(outcome.report().to_string()) })
    }
}

impl Python {
    fn program(&self) -> Program {
        let form = Form::Csv { columns: self.columns.clone() };
        Program {
            script: self.script.clone(),
            parameters: self.parameters.clone(),
            outputs: vec![Declared { name: OUTPUT.to_owned(), form }],
        }
    }
}

impl crate::Program {
    /// What an attempt is charged that cost this: of a program what was reserved for it.
    pub(crate) fn charged(&self, cost: Cost) -> Cost {
        match self {
            Self::Sql { .. } => cost,
            Self::Python(python) => Cost { cpu_seconds: python.seconds.into(), ..cost },
        }
    }
}

fn malformed(wrong: &ProgramError) -> Objection {
    Objection::new(UNDERSTOOD_ONLY, wrong.to_string())
}

impl Domain {
    /// Runs a program on the granted tables until it ends, exceeds its limits or `stop` is ready.
    ///
    /// It reads each table through the barrier that queries read it through: granted columns
    /// only, without blocked ones, with row filters, masks and bands. Columns that join are pseudonyms
    /// keyed by `secret`, the same in all tables: they join and count as the identifiers do, and
    /// say nothing outside. All of the outcome depends on protected data.
    ///
    /// # Errors
    ///
    /// An objection in words that do not depend on data: the program is not well-formed, or could
    /// not be run.
    pub async fn run_program(
        &self,
        room: &Room,
        program: &Program,
        limits: Limits,
        secret: &[u8; 32],
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Outcome, Objection> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        // Dropped with this future, it ends the scans.
        let mut scans = JoinSet::new();
        let mut inputs = Vec::new();
        for (name, table) in &self.tables {
            inputs.push(self.input(name, &table.item.columns, &key, &mut scans).await?);
        }
        room.run(program, inputs, limits, stop).await.map_err(|error| match error {
            SandboxError::Program(wrong) => malformed(&wrong),
            error => {
                tracing::error!(%error, "a program could not be run");
                Objection::new(QUERY_COMPLETED, "the program could not be run")
            }
        })
    }

    /// A table as a program reads it. Its scan begins at once, and waits for the program.
    async fn input(
        &self,
        name: &str,
        labels: &BTreeMap<String, Label>,
        key: &hmac::Key,
        scans: &mut JoinSet<()>,
    ) -> Result<Input, Objection> {
        let error = |error: datafusion::common::DataFusionError| constant_error(&error);
        let mut state = self.state.clone();
        // Rows come in one order, so that a program that runs again comes to the same.
        state.config_mut().options_mut().execution.target_partitions = 1;
        let ctx = SessionContext::new_with_state(state);
        let frame = ctx.table(name).await.map_err(error)?;
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(error)?;
        if let Some(meter) = self.state.config().get_extension::<Meter>() {
            meter.watch(&plan);
        }
        let joins: Vec<bool> = plan
            .schema()
            .fields()
            .iter()
            .map(|field| matches!(labels.get(field.name()), Some(Label::Join)))
            .collect();
        let schema = schema_of(&plan.schema(), &joins);
        let given = Given { schema: Arc::clone(&schema), joins, key: key.clone() };
        let (into, rows) = channel(WAITING);
        scans.spawn(async move {
            // What fails, or is aborted, closes the way without saying that it was all.
            if let Some(()) = scan(&plan, &context, &given, &into).await {
                let _ = into.send(None).await;
            }
        });
        Ok(Input { name: name.to_owned(), schema, rows: Box::new(Coming { rows, is_over: false }) })
    }
}

/// Sends all rows, partition by partition. None if it could not.
async fn scan(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    given: &Given,
    into: &Sender<Rows>,
) -> Option<()> {
    for partition in 0..plan.output_partitioning().partition_count() {
        let mut stream = plan.execute(partition, Arc::clone(context)).ok()?;
        while let Some(batch) = stream.next().await {
            into.send(Some(given.batch(&batch.ok()?).ok()?)).await.ok()?;
        }
    }
    Some(())
}

/// The rows of a table, as they come, for a thread that may wait.
struct Coming {
    rows: Receiver<Rows>,
    is_over: bool,
}

impl Iterator for Coming {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        match self.rows.blocking_recv() {
            Some(Some(batch)) => Some(Ok(batch)),
            Some(None) => {
                self.is_over = true;
                None
            }
            None => {
                self.is_over = true;
                Some(Err(ArrowError::ComputeError("the table could not be read".to_owned())))
            }
        }
    }
}

/// How a table is given to a program.
struct Given {
    schema: SchemaRef,
    /// For each column, whether it joins.
    joins: Vec<bool>,
    key: hmac::Key,
}

impl Given {
    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch.columns().iter().zip(&self.joins).zip(self.schema.fields());
        let columns = columns.map(|((column, joins), field)| {
            if *joins { self.pseudonyms(column) } else { cast(column, field.data_type()) }
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_, _>>()?)
    }

    /// The same for the same value, in whatever type a table has it.
    fn pseudonyms(&self, column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(column, &options)?;
        let values = (0..column.len()).map(|row| {
            if column.is_null(row) {
                return Ok(None);
            }
            let tag = hmac::sign(&self.key, formatter.value(row).try_to_string()?.as_bytes());
            Ok(Some(hex::encode(tag.as_ref().get(..16).unwrap_or_default())))
        });
        let values: StringArray = values.collect::<Result<_, ArrowError>>()?;
        Ok(Arc::new(values))
    }
}

/// Columns in types that Python's libraries know, without whatever the vault notes beside them.
fn schema_of(schema: &Schema, joins: &[bool]) -> SchemaRef {
    let fields = schema.fields().iter().zip(joins).map(|(field, joins)| {
        let data_type = match field.data_type() {
            _any if *joins => DataType::Utf8,
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        FieldRef::new(Field::new(field.name(), data_type, true))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_breaks_off_is_not_taken_for_a_whole_one() {
        let batch = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let coming = |sent: Vec<Rows>| {
            let (into, rows) = channel(8);
            for it in sent {
                into.try_send(it).expect("there is room");
            }
            drop(into);
            Coming { rows, is_over: false }.map(|it| it.is_ok()).collect::<Vec<_>>()
        };

        assert_eq!(coming(vec![Some(batch.clone()), None]), [true]);
        assert_eq!(coming(vec![Some(batch)]), [true, false]);
        assert_eq!(coming(vec![]), [false]);
    }
}
