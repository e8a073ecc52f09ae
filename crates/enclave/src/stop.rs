//! What makes work end before it is done: its grant is cut, it is cancelled, or its time is up.
//!
//! **Invariant:** no operator of the engine computes long without being asked whether it may go
//! on. [`Stops`] puts the question between any two operators of a plan, so that it is asked for
//! every batch, and [`FiltersAboveJoins`] keeps a join from matching rows without handing any on.

use std::{sync::Arc, time::Instant};

use datafusion::{
    common::{
        DataFusionError, Result,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{Filter, JoinType, LogicalPlan},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
    physical_expr::PhysicalExpr,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, coop::make_cooperative,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::StreamExt;
use shuyu_law::Rule;
use tokio_util::sync::CancellationToken;

use crate::{
    Objection,
    cost::Meter,
    rules::{CONSENT_STANDS, GRANT_ACTIVE, JOB_STATE},
};

/// When a piece of work must end.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    grant: CancellationToken,
    work: CancellationToken,
    /// Cancelled when a consent on which its rows rest is withdrawn.
    consents: CancellationToken,
    until: Instant,
    /// What it keeps to by ending then.
    rule: Rule,
}

impl Stop {
    /// Work that ends when the grant is cut, and at `until` under `rule`.
    pub(crate) fn new(grant: CancellationToken, until: Instant, rule: Rule) -> Self {
        let (work, consents) = (grant.child_token(), grant.child_token());
        Self { grant, work, consents, until, rule }
    }

    /// Ends it because a consent was withdrawn.
    pub(crate) fn withdraw(&self) {
        self.consents.cancel();
    }

    /// The same, and it ends when it is cancelled itself.
    pub(crate) fn or_cancelled(self, work: CancellationToken) -> Self {
        Self { work, ..self }
    }

    /// Why it must end now, if it must.
    pub(crate) fn why(&self) -> Option<Objection> {
        if self.grant.is_cancelled() {
            Some(Objection::new(GRANT_ACTIVE, "the grant was cut while this ran"))
        } else if self.consents.is_cancelled() {
            Some(Objection::new(CONSENT_STANDS, "a consent was withdrawn while this ran"))
        } else if self.work.is_cancelled() {
            Some(Objection::new(JOB_STATE, "it was cancelled while it ran"))
        } else if Instant::now() >= self.until {
            Some(Objection::new(self.rule, "it ran until the end of its time"))
        } else {
            None
        }
    }

    /// Waits until it must end.
    pub(crate) async fn reached(&self) -> Objection {
        loop {
            if let Some(objection) = self.why() {
                return objection;
            }
            tokio::select! {
                () = self.grant.cancelled() => {}
                () = self.work.cancelled() => {}
                () = self.consents.cancelled() => {}
                () = tokio::time::sleep_until(self.until.into()) => {}
            }
        }
    }
}

/// Puts a [`Stoppable`] above every operator of a plan.
#[derive(Debug)]
pub(crate) struct Stops;

impl PhysicalOptimizerRule for Stops {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| Ok(Transformed::yes(Arc::new(Stoppable(plan)) as _)))
            .map(|transformed| transformed.data)
    }

    fn name(&self) -> &'static str {
        "Stops"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Hands the batches of an operator on for as long as the work may go on, and lets go of the
/// thread now and then.
#[derive(Debug)]
struct Stoppable(Arc<dyn ExecutionPlan>);

impl DisplayAs for Stoppable {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stoppable")
    }
}

impl ExecutionPlan for Stoppable {
    fn name(&self) -> &'static str {
        "Stoppable"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let one = || DataFusionError::Internal("one child".to_owned());
        Ok(Arc::new(Self(children.into_iter().next().ok_or_else(one)?)))
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let stop = context.session_config().get_extension::<Stop>();
        let reads = self.0.children().is_empty();
        let meter = context.session_config().get_extension::<Meter>().filter(|_| reads);
        let stream = make_cooperative(self.0.execute(partition, context)?);
        let Some(stop) = stop else { return Ok(stream) };
        let schema = stream.schema();
        let batches = stream.map(move |batch| match stop.why() {
            None => {
                if let (Some(meter), Ok(batch)) = (&meter, &batch) {
                    meter.read_rows(batch.num_rows());
                }
                batch
            }
            Some(_) => Err(DataFusionError::Execution("stopped".to_owned())),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// Takes conditions that compare the two sides out of inner joins: within a join they can throw
/// away every pair, and it would go on pairing without ever handing on a batch.
#[derive(Debug)]
pub(crate) struct FiltersAboveJoins;

impl OptimizerRule for FiltersAboveJoins {
    fn name(&self) -> &'static str {
        "filters_above_joins"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(mut join)
                if join.join_type == JoinType::Inner && !join.on.is_empty() =>
            {
                let Some(filter) = join.filter.take() else {
                    return Ok(Transformed::no(LogicalPlan::Join(join)));
                };
                let filter = Filter::try_new(filter, Arc::new(LogicalPlan::Join(join)))?;
                Ok(Transformed::yes(LogicalPlan::Filter(filter)))
            }
            plan => Ok(Transformed::no(plan)),
        }
    }
}
