//! Jobs: any SELECT, as long as protected data leave it only as aggregates over enough subjects.
//!
//! Labels and the rows' protection are inferred bottom-up; on the way the aggregates by which
//! protection ends get the threshold built in, and what comes out is the plan that runs.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use datafusion::{
    common::{Column, JoinType},
    logical_expr::{Distinct, Expr, Join, LogicalPlan, TableScan},
};

use self::expression::{Reach, Trace, bare, index_of};
use super::ask::equalities;
use crate::{
    Aggregate, Domain, Label, Objection, SubjectKind, Thresholds,
    domain::constant_error,
    rules::{
        GRANTED_NAMES, IDENTIFIERS_JOIN_ONLY, JOIN_BY_EQUALITY, JOIN_COLUMNS, NO_RAW_OUTPUT,
        UNDERSTOOD_ONLY,
    },
};

mod aggregate;
mod derivation;
mod expression;

pub use self::derivation::{Derived, Step};

type Checks<T> = Result<T, Objection>;

/// How many nodes a plan may have: a text that names a derived table twice in each of forty
/// derived tables has a plan of a million million.
const LARGEST_PLAN: usize = 1_000;
/// How many nodes of a plan may lie above one another.
const DEEPEST_PLAN: usize = 128;

/// A granted table whose raw rows can still be told apart in the rows of a plan.
#[derive(Debug, Clone)]
struct Protection {
    table: String,
    /// Whom it is about. Raw rows stay in the domain though they are about nobody.
    kind: Option<SubjectKind>,
    /// The columns that hold its subject key.
    carriers: BTreeSet<usize>,
}

/// What is known of a plan's output.
#[derive(Debug, Clone)]
struct Flow {
    plan: LogicalPlan,
    columns: Vec<Trace>,
    protections: Vec<Protection>,
    path: Vec<&'static str>,
}

impl Flow {
    /// Whether its rows are raw: none of them may leave.
    fn is_protected(&self) -> bool {
        !self.protections.is_empty()
    }

    /// Whether its rows are about somebody.
    fn has_subjects(&self) -> bool {
        self.protections.iter().any(|protection| protection.kind.is_some())
    }

    /// How long a text in it can be.
    fn width(&self) -> usize {
        self.columns.iter().map(|trace| trace.width).max().unwrap_or(1)
    }

    fn through(mut self, step: &'static str) -> Self {
        self.path.push(step);
        self
    }
}

/// An objection with the column that it is about, and its way to where it may not be.
fn located(objection: Objection, trace: &Trace, path: &[&'static str], end: &str) -> Objection {
    let path: Vec<&str> = path.iter().copied().chain([end]).collect();
    match trace.sources.first() {
        Some(source) => objection.about(source.clone(), &path),
        None => objection,
    }
}

fn unknown(what: &str) -> Objection {
    Objection::new(UNDERSTOOD_ONLY, format!("{what} is not understood on protected data"))
}

/// A job that passed.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The plan that runs.
    pub(crate) plan: LogicalPlan,
    /// How often it aggregates rows about somebody.
    pub(crate) aggregates: usize,
    /// Whether it does so under a condition, or of a computed value.
    pub(crate) is_conditional: bool,
}

/// Checks a job's plan, and gives the plan that runs.
pub(crate) fn check(
    domain: &Domain,
    plan: &LogicalPlan,
    thresholds: &Thresholds,
) -> Checks<Checked> {
    let walk = Walk::new(domain, thresholds);
    let flow = walk.plan(plan)?;
    if walk.scans.get() == 0 {
        return Err(Objection::new(GRANTED_NAMES, "a job reads at least one granted table"));
    }
    if flow.is_protected() {
        let schema = flow.plan.schema();
        let leak = flow.columns.iter().enumerate().find(|(_, trace)| trace.reach > Reach::Free);
        let leak = leak.map(|(index, trace)| {
            let output = schema.fields().get(index).map_or("", |field| field.name().as_str());
            (trace, format!("output `{output}`"))
        });
        let said = leak.as_ref().map_or_else(String::new, |(trace, output)| {
            let (named, path) = (trace.named(), flow.path.join(" → "));
            format!("{named} would reach {output} by way of {path}; ")
        });
        let passes = "COUNT, SUM or AVG over groups of dimensions";
        let tables: Vec<&str> = flow.protections.iter().map(|it| it.table.as_str()).collect();
        let tables = tables.join(", ");
        let objection = Objection::new(
            NO_RAW_OUTPUT,
            format!("{said}rows of granted tables ({tables}) leave only as {passes}"),
        );
        return Err(match leak {
            Some((trace, output)) => located(objection, trace, &flow.path, &output),
            None => objection,
        }
        .passing(passes));
    }
    Ok(Checked {
        plan: flow.plan,
        aggregates: walk.aggregates.get(),
        is_conditional: walk.is_conditional.get(),
    })
}

/// What is inferred at each node of a plan, from the scans upwards, as far as it is understood.
pub(crate) fn derive(domain: &Domain, plan: &LogicalPlan, thresholds: &Thresholds) -> Vec<Step> {
    let walk = Walk { steps: Some(RefCell::default()), ..Walk::new(domain, thresholds) };
    // Where it ends is said by the objection.
    let _ = walk.plan(plan);
    walk.steps.map(RefCell::into_inner).unwrap_or_default()
}

struct Walk<'a> {
    domain: &'a Domain,
    thresholds: &'a Thresholds,
    /// How many nodes may still come.
    left: Cell<usize>,
    /// How many nodes lie above.
    depth: Cell<usize>,
    /// How many granted tables are read.
    scans: Cell<usize>,
    /// As in [`Checked`].
    aggregates: Cell<usize>,
    /// As in [`Checked`].
    is_conditional: Cell<bool>,
    /// What was inferred, where that is asked for.
    steps: Option<RefCell<Vec<Step>>>,
}

impl<'a> Walk<'a> {
    fn new(domain: &'a Domain, thresholds: &'a Thresholds) -> Self {
        Walk {
            domain,
            thresholds,
            left: Cell::new(LARGEST_PLAN),
            depth: Cell::new(0),
            scans: Cell::new(0),
            aggregates: Cell::new(0),
            is_conditional: Cell::new(false),
            steps: None,
        }
    }
}

impl Walk<'_> {
    fn plan(&self, plan: &LogicalPlan) -> Checks<Flow> {
        let left = self.left.get().checked_sub(1);
        let depth = self.depth.get() + 1;
        let Some(left) = left.filter(|_| depth <= DEEPEST_PLAN) else {
            return Err(Objection::new(
                UNDERSTOOD_ONLY,
                format!(
                    "the plan is too large: it has more than {LARGEST_PLAN} nodes, or more than \
                     {DEEPEST_PLAN} above one another"
                ),
            ));
        };
        self.left.set(left);
        self.depth.set(depth);
        let flow = self.node(plan);
        self.depth.set(depth - 1);
        if let (Some(steps), Ok(flow)) = (&self.steps, &flow) {
            steps.borrow_mut().push(Step::of(plan, flow));
        }
        flow
    }

    fn node(&self, plan: &LogicalPlan) -> Checks<Flow> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(plan, scan),
            LogicalPlan::Projection(projection) => {
                let input = self.plan(&projection.input)?;
                let columns = Self::traces(&projection.expr, &input)?;
                let protections = carry(&input, &projection.expr);
                Ok(Flow {
                    plan: rebuild(plan, vec![input.plan.clone()])?,
                    columns,
                    protections,
                    path: input.path,
                }
                .through("projection"))
            }
            LogicalPlan::Filter(filter) => {
                let input = self.plan(&filter.input)?;
                Self::no_identity(&filter.predicate, &input)?;
                self.note_condition(input.has_subjects());
                Ok(same(plan, input)?.through("filter"))
            }
            LogicalPlan::Sort(sort) => {
                let input = self.plan(&sort.input)?;
                for by in &sort.expr {
                    Self::no_identity(&by.expr, &input)?;
                }
                Ok(same(plan, input)?.through("sort"))
            }
            LogicalPlan::Limit(limit) => {
                let input = self.plan(&limit.input)?;
                for expression in limit.skip.iter().chain(&limit.fetch) {
                    Self::no_identity(expression, &input)?;
                }
                self.note_condition(input.has_subjects());
                Ok(same(plan, input)?.through("limit"))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = self.plan(&alias.input)?;
                same(plan, input)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let input = self.plan(&aggregate.input)?;
                self.aggregate(plan, aggregate, input)
            }
            LogicalPlan::Join(join) => {
                let (left, right) = (self.plan(&join.left)?, self.plan(&join.right)?);
                // Rows of the job's own making repeat, choose or regroup those they meet.
                self.note_condition(left.has_subjects() != right.has_subjects());
                Self::join(plan, join, left, right)
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let input = self.plan(input)?;
                Ok(same(plan, input)?.through("distinct"))
            }
            LogicalPlan::Distinct(Distinct::On(_)) => Err(unknown("DISTINCT ON")),
            LogicalPlan::Union(union) => {
                let inputs: Vec<Flow> =
                    union.inputs.iter().map(|input| self.plan(input)).collect::<Checks<_>>()?;
                if inputs.iter().any(Flow::is_protected) {
                    return Err(unknown(
                        "UNION of protected rows (aggregate each side first, then unite)",
                    ));
                }
                Self::free(plan, inputs)
            }
            LogicalPlan::Window(window) => {
                let input = self.plan(&window.input)?;
                if input.is_protected() {
                    return Err(unknown("a window function"));
                }
                for expression in &window.window_expr {
                    Self::trace(expression, &input)?;
                }
                Self::free(plan, vec![input])
            }
            LogicalPlan::Values(values) => {
                let nothing = nothing();
                for expression in values.values.iter().flatten() {
                    Self::trace(expression, &nothing)?;
                }
                Self::free(plan, Vec::new())
            }
            LogicalPlan::EmptyRelation(_) => Self::free(plan, Vec::new()),
            LogicalPlan::Repartition(_) => Err(unknown("a repartition")),
            LogicalPlan::Subquery(_) => Err(unknown("a subquery in an expression")),
            LogicalPlan::Unnest(_) => Err(unknown("UNNEST")),
            LogicalPlan::RecursiveQuery(_) => Err(unknown("a recursive query")),
            LogicalPlan::Extension(_) => Err(unknown("an extension of the engine")),
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => Err(unknown("a statement that is not a SELECT")),
        }
    }

    fn note_condition(&self, is_one: bool) {
        self.is_conditional.set(self.is_conditional.get() || is_one);
    }

    fn scan(&self, plan: &LogicalPlan, scan: &TableScan) -> Checks<Flow> {
        let denied = || Objection::new(GRANTED_NAMES, "a table is not granted");
        let table = self.domain.tables.get(scan.table_name.table()).ok_or_else(denied)?;
        if !scan.filters.is_empty() || scan.fetch.is_some() || scan.projection.is_some() {
            return Err(unknown("a prepared scan"));
        }
        self.scans.set(self.scans.get() + 1);
        let item = &table.item;
        let mut carriers = BTreeSet::new();
        let mut columns = Vec::new();
        for (index, field) in scan.projected_schema.fields().iter().enumerate() {
            let reach = match item.columns.get(field.name()) {
                Some(Label::Dimension { .. }) => Reach::Dimension,
                Some(Label::Measure { .. }) => Reach::Measure,
                Some(Label::Join) => Reach::Identity,
                Some(Label::Blocked) | None => return Err(denied()),
            };
            if item.subject_key.as_ref() == Some(field.name()) {
                carriers.insert(index);
            }
            columns.push(Trace {
                reach,
                sources: BTreeSet::from([format!("{}.{}", item.table, field.name())]),
                width: 1,
                is_computed: false,
                denied: match item.columns.get(field.name()) {
                    Some(Label::Measure { aggregates, .. }) => {
                        Aggregate::ALL.into_iter().filter(|it| !aggregates.contains(it)).collect()
                    }
                    Some(Label::Dimension { .. } | Label::Join | Label::Blocked) | None => {
                        BTreeSet::new()
                    }
                },
            });
        }
        let kind = item.subject_kind;
        let protections = vec![Protection { table: item.table.clone(), kind, carriers }];
        Ok(Flow { plan: plan.clone(), columns, protections, path: vec!["scan"] })
    }

    fn free(plan: &LogicalPlan, inputs: Vec<Flow>) -> Checks<Flow> {
        let width = inputs.iter().map(Flow::width).max().unwrap_or(1);
        let columns = vec![Trace { width, ..Trace::free() }; plan.schema().fields().len()];
        let inputs = inputs.into_iter().map(|input| input.plan).collect();
        Ok(Flow {
            plan: rebuild(plan, inputs)?,
            columns,
            protections: Vec::new(),
            path: Vec::new(),
        })
    }

    fn join(plan: &LogicalPlan, join: &Join, left: Flow, right: Flow) -> Checks<Flow> {
        let refused = |detail: &str| Objection::new(JOIN_COLUMNS, detail);
        match join.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
            JoinType::LeftSemi
            | JoinType::RightSemi
            | JoinType::LeftAnti
            | JoinType::RightAnti
            | JoinType::LeftMark
            | JoinType::RightMark => return Err(refused("semi, anti and mark joins are refused")),
        }
        let both = left.has_subjects() && right.has_subjects();
        let mut pairs: Vec<(Column, Column)> = Vec::new();
        for (left, right) in &join.on {
            match (bare(left), bare(right)) {
                (Some(left), Some(right)) => pairs.push((left.clone(), right.clone())),
                _ => return Err(refused("a join compares columns, not expressions")),
            }
        }
        if let Some(filter) = &join.filter {
            equalities(filter, &mut pairs)
                .map_err(|()| refused("a join compares columns by `=` and AND only"))?;
        }
        let offset = left.columns.len();
        let mut columns = left.columns.clone();
        columns.extend(right.columns.clone());
        let schema = plan.schema();
        let mut equal = Vec::new();
        for (one, other) in &pairs {
            let (Some(one), Some(other)) = (index_of(schema, one), index_of(schema, other)) else {
                return Err(Objection::new(GRANTED_NAMES, "a column is not granted"));
            };
            let is_key = |index: usize| {
                columns.get(index).is_some_and(|trace| trace.reach == Reach::Identity)
            };
            if both && !(is_key(one) && is_key(other)) {
                return Err(refused("protected tables are joined by their join columns only"));
            }
            let is_measure = |index: usize| {
                columns.get(index).is_some_and(|trace| trace.reach == Reach::Measure)
            };
            if is_measure(one) || is_measure(other) {
                return Err(refused(
                    "a measure does not join: that would tell rows apart by its value",
                ));
            }
            if is_key(one) != is_key(other) {
                return Err(Objection::new(
                    IDENTIFIERS_JOIN_ONLY,
                    "a join column is joined with a join column of another granted table, with \
                     nothing else",
                ));
            }
            equal.push((one, other));
        }
        if !equal.iter().any(|(one, other)| (*one < offset) != (*other < offset)) {
            return Err(Objection::new(
                JOIN_BY_EQUALITY,
                "the join has no equality of a column of one side with a column of the other; \
                 write JOIN … ON left.column = right.column",
            ));
        }
        let shifted = right.protections.iter().map(|protection| Protection {
            carriers: protection.carriers.iter().map(|index| index + offset).collect(),
            ..protection.clone()
        });
        let mut protections: Vec<Protection> =
            left.protections.iter().cloned().chain(shifted).collect();
        // After an inner join equal keys are one: counting either counts both.
        if join.join_type == JoinType::Inner {
            for (one, other) in equal {
                for protection in &mut protections {
                    if protection.carriers.contains(&one) || protection.carriers.contains(&other) {
                        protection.carriers.extend([one, other]);
                    }
                }
            }
        }
        let mut path = left.path;
        path.extend(right.path);
        Ok(Flow { plan: rebuild(plan, vec![left.plan, right.plan])?, columns, protections, path }
            .through("join"))
    }
}

/// The protections of a projection: a subject key survives only as a bare column.
fn carry(input: &Flow, expressions: &[Expr]) -> Vec<Protection> {
    input
        .protections
        .iter()
        .map(|protection| Protection {
            carriers: expressions
                .iter()
                .enumerate()
                .filter(|(_, expression)| {
                    bare(expression)
                        .and_then(|column| index_of(input.plan.schema(), column))
                        .is_some_and(|index| protection.carriers.contains(&index))
                })
                .map(|(position, _)| position)
                .collect(),
            ..protection.clone()
        })
        .collect()
}

fn same(plan: &LogicalPlan, input: Flow) -> Checks<Flow> {
    let Flow { plan: below, columns, protections, path } = input;
    Ok(Flow { plan: rebuild(plan, vec![below])?, columns, protections, path })
}

fn nothing() -> Flow {
    Flow {
        plan: LogicalPlan::default(),
        columns: Vec::new(),
        protections: Vec::new(),
        path: Vec::new(),
    }
}

fn rebuild(plan: &LogicalPlan, inputs: Vec<LogicalPlan>) -> Checks<LogicalPlan> {
    plan.with_new_exprs(plan.expressions(), inputs).map_err(|error| constant_error(&error))
}
