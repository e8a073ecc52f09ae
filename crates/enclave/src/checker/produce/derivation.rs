//! How labels were inferred, node by node: for whoever asks what a query would come to.

use datafusion::logical_expr::{Distinct, LogicalPlan};
use serde::{Deserialize, Serialize};

use super::{Flow, expression::Reach};

/// What is known of a column that a node hands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived {
    /// How it is called.
    pub name: String,
    /// What may be done with it: `free`, `dimension`, `measure` or `identity`.
    pub role: String,
    /// The granted columns in it, as `table.column`.
    pub from: Vec<String>,
}

/// What was inferred at a node of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What the node does.
    pub node: String,
    /// What it hands on.
    pub columns: Vec<Derived>,
    /// The tables whose raw rows can still be told apart in what it hands on.
    pub protected: Vec<String>,
}

impl Step {
    pub(super) fn of(plan: &LogicalPlan, flow: &Flow) -> Self {
        let fields = plan.schema().fields().iter();
        let columns = fields.zip(&flow.columns).map(|(field, trace)| Derived {
            name: field.name().clone(),
            role: role_of(trace.reach).to_owned(),
            from: trace.sources.iter().cloned().collect(),
        });
        Self {
            node: name_of(plan).to_owned(),
            columns: columns.collect(),
            protected: flow.protections.iter().map(|it| it.table.clone()).collect(),
        }
    }
}

fn role_of(reach: Reach) -> &'static str {
    match reach {
        Reach::Free => "free",
        Reach::Dimension => "dimension",
        Reach::Measure => "measure",
        Reach::Identity => "identity",
    }
}

fn name_of(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::TableScan(_) => "scan",
        LogicalPlan::Projection(_) => "projection",
        LogicalPlan::Filter(_) => "filter",
        LogicalPlan::Sort(_) => "sort",
        LogicalPlan::Limit(_) => "limit",
        LogicalPlan::SubqueryAlias(_) => "alias",
        LogicalPlan::Aggregate(_) => "aggregate",
        LogicalPlan::Join(_) => "join",
        LogicalPlan::Distinct(Distinct::All(_) | Distinct::On(_)) => "distinct",
        LogicalPlan::Union(_) => "union",
        LogicalPlan::Window(_) => "window",
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => "literals",
        LogicalPlan::Repartition(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_)
        | LogicalPlan::Extension(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => "another node",
    }
}
