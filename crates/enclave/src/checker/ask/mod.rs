//! The closed class of immediate questions. What is not in it is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use datafusion::{
    common::{Column, DFSchemaRef, ScalarValue},
    logical_expr::{Aggregate, Expr, Filter, LogicalPlan, Sort},
};

use self::{
    condition::Conditions,
    figure::{check_aggregate, default_name},
    relation::{Scope, check_relation, relation},
};
pub(crate) use self::{condition::code, relation::equalities};
use crate::{
    Band, Domain, Label, Objection,
    domain::constant_error,
    question::{ColumnOf, Figure, Layout, Question, Region, Shown},
    rules::{ASK_CLOSED_CLASS, NO_RAW_OUTPUT},
};

mod condition;
mod figure;
mod relation;

/// A question that passed, with the very plan objects that were checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) question: Question,
    pub(crate) layout: Layout,
    /// The joined tables under the question's filter: what its figures are made of.
    pub(crate) filtered: Arc<LogicalPlan>,
    /// Where each column is found in the plans.
    pub(crate) columns: BTreeMap<ColumnOf, Column>,
}

type Checks<T> = Result<T, Objection>;

/// What passes.
const PASSES: &str = "SELECT dimensions, COUNT(*), COUNT(DISTINCT subject key or dimension), \
                      COUNT/SUM/AVG/VAR_SAMP/STDDEV_SAMP(measure) FROM granted tables joined by \
                      equality WHERE dimension = literal AND dimension IN (literals) GROUP BY \
                      dimensions; for more, submit a job";

fn outside(what: &str) -> Objection {
    Objection::new(
        ASK_CLOSED_CLASS,
        format!("{what} is outside the closed class; what passes: {PASSES}"),
    )
    .passing(PASSES)
}

/// Checks that a resolved plan is a question of the closed class.
pub(crate) fn check(domain: &Domain, plan: &LogicalPlan) -> Checks<Checked> {
    let mut layout = Layout::default();
    let projected = peel_presentation(plan, &mut layout)?;
    let (aggregate, items) = match &projected.plan {
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Aggregate(aggregate) => (aggregate, Some(&projection.expr)),
            other => return Err(not_an_aggregate(other)),
        },
        LogicalPlan::Aggregate(aggregate) => (aggregate, None),
        other => return Err(not_an_aggregate(other)),
    };
    let (base, conditions) = match aggregate.input.as_ref() {
        LogicalPlan::Filter(filter) => (Arc::clone(&filter.input), Some(&filter.predicate)),
        _other => (Arc::clone(&aggregate.input), None),
    };
    let mut scope = Scope::default();
    check_relation(domain, &base, None, &mut scope)?;
    let mut columns = BTreeMap::new();
    let relation = relation(&scope, &mut columns)?;
    let mut filtered = Arc::clone(&aggregate.input);
    let mut filter = Region::new();
    if let Some(predicate) = conditions {
        let mut conditions = Conditions::new(&scope, base.schema());
        conditions.check(predicate)?;
        filter = conditions.region();
        columns.extend(conditions.columns());
        if let Some(predicate) = conditions.predicate() {
            let run = Filter::try_new(predicate, Arc::clone(&base));
            filtered = Arc::new(LogicalPlan::Filter(run.map_err(|error| constant_error(&error))?));
        }
    }
    let (groups, figures) = check_aggregate(aggregate, &scope, &mut columns)?;
    for table in scope.names.values() {
        if let Some(key) = &table.item.subject_key {
            let of = ColumnOf { source: table.version, column: key.clone() };
            let named = scope.names.iter().find(|(_, other)| other.version == table.version);
            if let Some((name, _)) = named {
                columns.insert(of, Column::new(Some(name.as_str()), key));
            }
        }
    }
    let shown: Vec<Shown> = groups
        .iter()
        .cloned()
        .map(Shown::Group)
        .chain(figures.iter().cloned().map(Shown::Figure))
        .collect();
    layout.columns = output_columns(aggregate, items, &shown)?;
    layout.order = projected
        .order
        .iter()
        .map(|(column, down)| {
            let index = plan_index(projected.plan.schema(), column)
                .ok_or_else(|| outside("sorting by what is not shown"))?;
            Ok((index, *down))
        })
        .collect::<Checks<_>>()?;
    let distinct = figures.iter().filter_map(|figure| match figure {
        Figure::Distinct(of) => Some(of),
        _other => None,
    });
    let seen: BTreeSet<ColumnOf> =
        groups.iter().chain(filter.keys()).chain(distinct).cloned().collect();
    let tables = scope.names.values();
    let question = Question {
        relation,
        filter,
        groups: groups.into_iter().collect(),
        figures: figures.into_iter().collect(),
        bands: bands(&scope, &seen),
        masks: seen
            .iter()
            .filter_map(|of| {
                let mask = scope.table(of)?.item.barrier.masks.get(&of.column)?;
                Some((of.clone(), *mask))
            })
            .collect(),
        scope: tables.clone().flat_map(|table| table.scope()).collect(),
        consents: tables
            .filter_map(|table| Some((table.version, table.consented.as_ref()?.mark.clone())))
            .collect(),
    };
    Ok(Checked { question, layout, filtered, columns })
}

/// The bands through which columns are seen.
fn bands(scope: &Scope<'_>, columns: &BTreeSet<ColumnOf>) -> BTreeMap<ColumnOf, Vec<Band>> {
    let mut all = BTreeMap::new();
    for of in columns {
        let label = scope.table(of).and_then(|table| table.item.columns.get(&of.column));
        if let Some(Label::Dimension { bands, .. }) = label
            && !bands.is_empty()
        {
            all.insert(of.clone(), bands.clone());
        }
    }
    all
}

struct Peeled<'a> {
    plan: &'a LogicalPlan,
    order: Vec<(Column, bool)>,
}

/// Takes off LIMIT and ORDER BY, which are applied to what is shown, never to what is not.
fn peel_presentation<'a>(plan: &'a LogicalPlan, layout: &mut Layout) -> Checks<Peeled<'a>> {
    let mut plan = plan;
    if let LogicalPlan::Limit(limit) = plan {
        let number = |expression: Option<&Expr>| match expression {
            None => Ok(None),
            Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) => usize::try_from(*number)
                .map(Some)
                .map_err(|_| outside("a limit that is not a number")),
            Some(_) => Err(outside("a limit that is not a number")),
        };
        layout.skip = number(limit.skip.as_deref())?.unwrap_or(0);
        layout.limit = number(limit.fetch.as_deref())?;
        plan = limit.input.as_ref();
    }
    let mut order = Vec::new();
    if let LogicalPlan::Sort(sort) = plan {
        order = sort_columns(sort)?;
        plan = sort.input.as_ref();
    }
    Ok(Peeled { plan, order })
}

fn sort_columns(sort: &Sort) -> Checks<Vec<(Column, bool)>> {
    sort.expr
        .iter()
        .map(|by| match &by.expr {
            Expr::Column(column) => Ok((column.clone(), !by.asc)),
            _ => Err(outside("sorting by an expression")),
        })
        .collect()
}

fn plan_index(schema: &DFSchemaRef, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// Says why a plan that is not an aggregate of granted tables is refused.
fn not_an_aggregate(plan: &LogicalPlan) -> Objection {
    let raw = || {
        Objection::new(
            NO_RAW_OUTPUT,
            "rows are never shown; ask for COUNT, SUM or AVG by dimensions, or submit a job",
        )
        .passing(PASSES)
    };
    match plan {
        LogicalPlan::TableScan(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Projection(_) => raw(),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Aggregate(_) => outside("HAVING"),
            _other => raw(),
        },
        LogicalPlan::Distinct(_) => outside("DISTINCT"),
        LogicalPlan::Window(_) => outside("a window function"),
        LogicalPlan::Union(_) => outside("UNION"),
        LogicalPlan::Aggregate(_) => outside("an aggregate of an aggregate"),
        LogicalPlan::Subquery(_) => outside("a subquery"),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => outside("a table of literals"),
        LogicalPlan::Unnest(_) => outside("UNNEST"),
        LogicalPlan::RecursiveQuery(_) => outside("a recursive query"),
        LogicalPlan::Repartition(_) | LogicalPlan::Extension(_) => outside("an unknown form"),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => outside("a statement that is not a SELECT"),
    }
}

/// Maps each output column to what it shows.
fn output_columns(
    aggregate: &Aggregate,
    items: Option<&Vec<Expr>>,
    shown: &[Shown],
) -> Checks<Vec<(String, Shown)>> {
    let bare = |index: usize| {
        shown.get(index).cloned().ok_or_else(|| outside("a column that is not of the aggregate"))
    };
    let Some(items) = items else {
        return (0..shown.len())
            .map(|index| {
                let shown = bare(index)?;
                Ok((default_name(&shown), shown))
            })
            .collect();
    };
    items
        .iter()
        .map(|item| {
            let mut name = None;
            let mut expression = item;
            while let Expr::Alias(alias) = expression {
                name.get_or_insert_with(|| alias.name.clone());
                expression = alias.expr.as_ref();
            }
            let Expr::Column(column) = expression else {
                return Err(outside("an expression over the figures"));
            };
            let index = plan_index(&aggregate.schema, column)
                .ok_or_else(|| outside("a column that is not of the aggregate"))?;
            let shown = bare(index)?;
            Ok((name.unwrap_or_else(|| default_name(&shown)), shown))
        })
        .collect()
}
