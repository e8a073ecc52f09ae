//! Jobs: any SELECT, as long as protected data leave it only as aggregates over enough subjects.
//!
//! Labels and the rows' protection are inferred bottom-up; on the way the aggregates by which
//! protection ends get the threshold built in, and what comes out is the plan that runs.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef, JoinType, ScalarValue},
    functions_aggregate::expr_fn::{count_distinct, max, min, sum},
    logical_expr::{
        Aggregate, Case, Distinct, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder,
        Operator, TableScan, cast, expr::AggregateFunction, lit,
    },
};

use super::ask::equalities;
use crate::{
    Domain, Label, Objection, SubjectKind, Thresholds,
    domain::constant_error,
    rules::{
        GRANTED_NAMES, IDENTIFIERS_JOIN_ONLY, JOIN_COLUMNS, KNOWN_FUNCTIONS, NO_RAW_OUTPUT,
        SUBJECT_COUNTABLE, TOTAL_FUNCTIONS, UNDERSTOOD_ONLY,
    },
};

type Checks<T> = Result<T, Objection>;

/// What may be done with a value, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Comes from no protected row, or from an aggregate over enough subjects.
    Free,
    /// Groups.
    Dimension,
    /// Is aggregated.
    Measure,
    /// Joins and counts.
    Identity,
}

/// Where a column of a plan comes from.
#[derive(Debug, Clone)]
struct Trace {
    reach: Reach,
    /// The granted columns in it, as `table.column`.
    sources: BTreeSet<String>,
}

impl Trace {
    fn free() -> Self {
        Self { reach: Reach::Free, sources: BTreeSet::new() }
    }

    fn join(&mut self, other: &Self) {
        self.reach = self.reach.max(other.reach);
        self.sources.extend(other.sources.iter().cloned());
    }

    fn named(&self) -> String {
        self.sources.iter().map(|source| format!("`{source}`")).collect::<Vec<_>>().join(", ")
    }
}

/// A protected table whose subjects can still be told apart in the rows of a plan.
#[derive(Debug, Clone)]
struct Protection {
    table: String,
    kind: SubjectKind,
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
    fn is_protected(&self) -> bool {
        !self.protections.is_empty()
    }

    fn through(mut self, step: &'static str) -> Self {
        self.path.push(step);
        self
    }
}

fn unknown(what: &str) -> Objection {
    Objection::new(UNDERSTOOD_ONLY, format!("{what} is not understood on protected data"))
}

/// Checks a job's plan, and gives the plan that runs.
pub(crate) fn check(
    domain: &Domain,
    plan: &LogicalPlan,
    thresholds: &Thresholds,
) -> Checks<LogicalPlan> {
    let walk = Walk { domain, thresholds };
    let flow = walk.plan(plan)?;
    if flow.is_protected() {
        let schema = flow.plan.schema();
        let leak = flow
            .columns
            .iter()
            .enumerate()
            .find(|(_, trace)| trace.reach > Reach::Free)
            .map_or_else(String::new, |(index, trace)| {
                let output = schema.fields().get(index).map_or("", |field| field.name().as_str());
                format!(
                    "{} would reach output `{output}` by way of {}; ",
                    trace.named(),
                    flow.path.join(" → ")
                )
            });
        return Err(Objection::new(
            NO_RAW_OUTPUT,
            format!(
                "{leak}rows of protected tables ({}) leave only as COUNT, SUM or AVG over groups of \
                 dimensions",
                flow.protections.iter().map(|p| p.table.as_str()).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    Ok(flow.plan)
}

struct Walk<'a> {
    domain: &'a Domain,
    thresholds: &'a Thresholds,
}

impl Walk<'_> {
    fn plan(&self, plan: &LogicalPlan) -> Checks<Flow> {
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

    fn scan(&self, plan: &LogicalPlan, scan: &TableScan) -> Checks<Flow> {
        let denied = || Objection::new(GRANTED_NAMES, "a table is not granted");
        let table = self.domain.tables.get(scan.table_name.table()).ok_or_else(denied)?;
        if !scan.filters.is_empty() || scan.fetch.is_some() || scan.projection.is_some() {
            return Err(unknown("a prepared scan"));
        }
        let item = &table.item;
        let mut carriers = BTreeSet::new();
        let mut columns = Vec::new();
        for (index, field) in scan.projected_schema.fields().iter().enumerate() {
            let reach = match item.columns.get(field.name()) {
                _ if !item.is_protected() => Reach::Free,
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
            });
        }
        let protections = item
            .subject_kind
            .map(|kind| Protection { table: item.table.clone(), kind, carriers })
            .into_iter()
            .collect();
        Ok(Flow { plan: plan.clone(), columns, protections, path: vec!["scan"] })
    }

    fn free(plan: &LogicalPlan, inputs: Vec<Flow>) -> Checks<Flow> {
        let columns = vec![Trace::free(); plan.schema().fields().len()];
        let inputs = inputs.into_iter().map(|input| input.plan).collect();
        Ok(Flow {
            plan: rebuild(plan, inputs)?,
            columns,
            protections: Vec::new(),
            path: Vec::new(),
        })
    }

    /// The traces of expressions that become columns: identities only as they are.
    fn traces(expressions: &[Expr], input: &Flow) -> Checks<Vec<Trace>> {
        expressions
            .iter()
            .map(|expression| match bare(expression) {
                Some(column) => Self::column(column, input),
                None => Self::trace(expression, input),
            })
            .collect()
    }

    fn no_identity(expression: &Expr, input: &Flow) -> Checks<()> {
        Self::trace(expression, input).map(|_| ())
    }

    fn column(column: &Column, input: &Flow) -> Checks<Trace> {
        index_of(input.plan.schema(), column)
            .and_then(|index| input.columns.get(index).cloned())
            .ok_or_else(|| Objection::new(GRANTED_NAMES, "a column is not granted"))
    }

    /// The trace of an expression. A protected identity in it is refused, and so is what is not
    /// known to give a value for every value.
    #[expect(clippy::too_many_lines, reason = "one exhaustive match")]
    fn trace(expression: &Expr, input: &Flow) -> Checks<Trace> {
        let all = |parts: &[&Expr]| -> Checks<Trace> {
            let mut trace = Trace::free();
            for part in parts {
                trace.join(&Self::trace(part, input)?);
            }
            Ok(trace)
        };
        match expression {
            Expr::Column(column) => {
                let trace = Self::column(column, input)?;
                if trace.reach == Reach::Identity {
                    return Err(Objection::new(
                        IDENTIFIERS_JOIN_ONLY,
                        format!(
                            "{} is compared or computed with; it joins tables and is counted \
                             (COUNT DISTINCT), nothing else",
                            trace.named()
                        ),
                    ));
                }
                Ok(trace)
            }
            Expr::Literal(..) => Ok(Trace::free()),
            Expr::Alias(alias) => Self::trace(&alias.expr, input),
            Expr::IsNotNull(inner) | Expr::IsNull(inner) => match bare(inner) {
                Some(column) => {
                    let mut trace = Self::column(column, input)?;
                    trace.reach = trace.reach.min(Reach::Measure);
                    Ok(trace)
                }
                None => Self::trace(inner, input),
            },
            Expr::Not(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::Negative(inner) => Self::trace(inner, input),
            Expr::BinaryExpr(binary) => {
                let trace = all(&[&binary.left, &binary.right])?;
                if trace.reach > Reach::Free {
                    check_operator(binary.op, &binary.right)?;
                }
                Ok(trace)
            }
            Expr::Like(like) | Expr::SimilarTo(like) => all(&[&like.expr, &like.pattern]),
            Expr::Between(between) => all(&[&between.expr, &between.low, &between.high]),
            Expr::Case(case) => {
                let mut parts: Vec<&Expr> = case.expr.iter().map(AsRef::as_ref).collect();
                for (when, then) in &case.when_then_expr {
                    parts.extend([when.as_ref(), then.as_ref()]);
                }
                parts.extend(case.else_expr.iter().map(AsRef::as_ref));
                all(&parts)
            }
            Expr::InList(list) => {
                let mut parts: Vec<&Expr> = vec![&list.expr];
                parts.extend(&list.list);
                all(&parts)
            }
            Expr::TryCast(cast) => Self::trace(&cast.expr, input),
            Expr::Cast(cast) => {
                let trace = Self::trace(&cast.expr, input)?;
                if trace.reach > Reach::Free {
                    let from = cast
                        .expr
                        .get_type(input.plan.schema())
                        .map_err(|error| constant_error(&error))?;
                    if !is_total_cast(&from, cast.field.data_type()) {
                        return Err(Objection::new(
                            TOTAL_FUNCTIONS,
                            format!(
                                "CAST of {} can fail for some values; use TRY_CAST",
                                trace.named()
                            ),
                        ));
                    }
                }
                Ok(trace)
            }
            Expr::ScalarFunction(function) => {
                const TOTAL: &[&str] = &[
                    "upper",
                    "lower",
                    "substr",
                    "left",
                    "right",
                    "trim",
                    "btrim",
                    "ltrim",
                    "rtrim",
                    "character_length",
                    "abs",
                    "round",
                    "floor",
                    "ceil",
                    "coalesce",
                    "nullif",
                    "date_part",
                    "date_trunc",
                    "greatest",
                    "least",
                    "concat",
                    "starts_with",
                ];
                if !TOTAL.contains(&function.name()) {
                    return Err(Objection::new(
                        KNOWN_FUNCTIONS,
                        format!(
                            "the function `{}` is not known to be safe; known are {}",
                            function.name(),
                            TOTAL.join(", ")
                        ),
                    ));
                }
                all(&function.args.iter().collect::<Vec<_>>())
            }
            Expr::WindowFunction(function) => {
                if input.is_protected() {
                    return Err(unknown("a window function"));
                }
                all(&function.params.args.iter().collect::<Vec<_>>())
            }
            Expr::AggregateFunction(_) => Err(unknown("an aggregate within an expression")),
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::ScalarSubquery(_) => {
                Err(unknown("a subquery in an expression (join a derived table instead)"))
            }
            Expr::OuterReferenceColumn(..) => Err(unknown("a correlated subquery")),
            Expr::GroupingSet(_) => Err(unknown("ROLLUP, CUBE or GROUPING SETS")),
            Expr::Placeholder(_) => Err(unknown("a parameter")),
            Expr::ScalarVariable(..) => Err(unknown("a variable")),
            Expr::Unnest(_) => Err(unknown("UNNEST")),
            Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => {
                Err(unknown("a lambda"))
            }
            #[expect(deprecated, reason = "the match is exhaustive")]
            Expr::Wildcard { .. } => Err(unknown("a wildcard")),
        }
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
        let both = left.is_protected() && right.is_protected();
        let any = left.is_protected() || right.is_protected();
        let mut pairs: Vec<(Column, Column)> = Vec::new();
        if any {
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
            equal.push((one, other));
        }
        if both && pairs.is_empty() {
            return Err(refused("protected tables are joined by an equality of join columns"));
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

    fn aggregate(&self, plan: &LogicalPlan, aggregate: &Aggregate, input: Flow) -> Checks<Flow> {
        if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return Err(unknown("ROLLUP, CUBE or GROUPING SETS"));
        }
        if !input.is_protected() {
            for expression in &aggregate.group_expr {
                Self::trace(expression, &input)?;
            }
            return Self::free(plan, vec![input]);
        }
        let keys: Vec<Option<usize>> = aggregate
            .group_expr
            .iter()
            .map(|group| bare(group).and_then(|column| index_of(input.plan.schema(), column)))
            .collect();
        let by_subject = input.protections.iter().any(|protection| {
            keys.iter().flatten().any(|index| protection.carriers.contains(index))
        });
        let groups = Self::traces(&aggregate.group_expr, &input)?;
        let figures: Vec<Trace> = aggregate
            .aggr_expr
            .iter()
            .map(|figure| Self::figure(figure, &input, by_subject))
            .collect::<Checks<_>>()?;
        if by_subject {
            return per_subject(plan, &input, &keys, groups, figures);
        }
        for trace in &groups {
            if trace.reach > Reach::Dimension {
                return Err(Objection::new(
                    NO_RAW_OUTPUT,
                    format!("{} is not a dimension, so it cannot group", trace.named()),
                ));
            }
        }
        let plan = self.with_threshold(aggregate, &input, &figures)?;
        let columns = vec![Trace::free(); plan.schema().fields().len()];
        Ok(Flow { plan, columns, protections: Vec::new(), path: Vec::new() })
    }

    /// The trace of an aggregate's figure.
    fn figure(figure: &Expr, input: &Flow, by_subject: bool) -> Checks<Trace> {
        let function = aggregate_of(figure)
            .ok_or_else(|| unknown("an expression in the place of an aggregate"))?;
        let params = &function.params;
        if params.filter.is_some() || !params.order_by.is_empty() || params.null_treatment.is_some()
        {
            return Err(unknown("FILTER, ORDER BY or RESPECT NULLS in an aggregate"));
        }
        let name = function.func.name();
        let [argument] = params.args.as_slice() else {
            return Err(unknown("an aggregate of several arguments"));
        };
        let is_key = bare(argument).is_some_and(|column| {
            Self::column(column, input).is_ok_and(|trace| trace.reach == Reach::Identity)
        });
        let trace = match bare(argument) {
            Some(column) if name == "count" => Self::column(column, input)?,
            Some(_) | None => Self::trace(argument, input)?,
        };
        let allowed = match name {
            "count" => true,
            "sum" | "avg" => !params.distinct,
            "min" | "max" => by_subject,
            _ => false,
        };
        if !allowed {
            return Err(Objection::new(
                NO_RAW_OUTPUT,
                format!(
                    "`{name}` carries single values of {} to the output; COUNT, SUM and AVG pass",
                    if trace.sources.is_empty() { "rows".to_owned() } else { trace.named() }
                ),
            ));
        }
        if params.distinct && name == "count" && !is_key && trace.reach > Reach::Dimension {
            return Err(Objection::new(
                NO_RAW_OUTPUT,
                format!("the distinct values of {} are not counted; subjects are", trace.named()),
            ));
        }
        Ok(Trace { reach: Reach::Measure, sources: trace.sources })
    }

    /// The aggregate with what it needs to know whether a group may be seen, a filter that lets
    /// only such groups through, and a projection to the columns that were asked for.
    fn with_threshold(
        &self,
        aggregate: &Aggregate,
        input: &Flow,
        figures: &[Trace],
    ) -> Checks<LogicalPlan> {
        let schema = input.plan.schema();
        let key_of = |protection: &Protection| -> Checks<Expr> {
            protection
                .carriers
                .first()
                .map(|index| Expr::Column(Column::from(schema.qualified_field(*index))))
                .ok_or_else(|| {
                    Objection::new(
                        SUBJECT_COUNTABLE,
                        format!(
                            "the subject key of `{}` is lost below the aggregate, so its subjects \
                             cannot be counted; keep it in the derived table",
                            protection.table
                        ),
                    )
                })
        };
        let mut extra: Vec<Expr> = Vec::new();
        let mut keep = lit(true);
        let add = |extra: &mut Vec<Expr>, expression: Expr| {
            let name = format!("__guard_{}", extra.len());
            extra.push(expression.alias(&name));
            Expr::Column(Column::new_unqualified(name))
        };
        for protection in &input.protections {
            let key = key_of(protection)?;
            let least = lit(i64::from(self.thresholds.of(protection.kind)));
            let subjects = add(&mut extra, count_distinct(key.clone()));
            keep = keep.and(subjects.gt_eq(least.clone()));
            for figure in &aggregate.aggr_expr {
                let Some(argument) = argument_of(figure) else { continue };
                if matches!(argument, Expr::Literal(..)) {
                    continue;
                }
                let contributing = contributes(argument, figure, schema)?;
                let counted = Expr::Case(Case::new(
                    None,
                    vec![(Box::new(contributing), Box::new(key.clone()))],
                    None,
                ));
                let contributors = add(&mut extra, count_distinct(counted));
                keep = keep.and(contributors.gt_eq(least.clone()));
            }
        }
        for (figure, trace) in aggregate.aggr_expr.iter().zip(figures) {
            let name = aggregate_of(figure).map_or("", |function| function.func.name());
            if name == "count" || trace.sources.is_empty() {
                continue;
            }
            let Some(argument) = argument_of(figure) else { continue };
            let value = cast(argument.clone(), DataType::Float64);
            let size = Expr::Case(Case::new(
                None,
                vec![(
                    Box::new(value.clone().lt(lit(0.0_f64))),
                    Box::new(Expr::Negative(Box::new(value.clone()))),
                )],
                Some(Box::new(value.clone())),
            ));
            let total = add(&mut extra, sum(size.clone()));
            let most = add(&mut extra, max(size));
            let least_value = add(&mut extra, min(value.clone()));
            let most_value = add(&mut extra, max(value));
            let limit = f64::from(self.thresholds.dominance_percent) / 100.0;
            keep = keep.and(most.lt_eq(total * lit(limit))).and(least_value.not_eq(most_value));
        }
        let asked: Vec<Expr> = (0..aggregate.schema.fields().len())
            .map(|index| Expr::Column(Column::from(aggregate.schema.qualified_field(index))))
            .collect();
        let figures: Vec<Expr> = aggregate.aggr_expr.iter().cloned().chain(extra).collect();
        LogicalPlanBuilder::from(input.plan.clone())
            .aggregate(aggregate.group_expr.clone(), figures)
            .and_then(|builder| builder.filter(keep))
            .and_then(|builder| builder.project(asked))
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| constant_error(&error))
    }
}

/// An aggregate that leaves one row, or some, for each subject: rows are still protected.
fn per_subject(
    plan: &LogicalPlan,
    input: &Flow,
    keys: &[Option<usize>],
    groups: Vec<Trace>,
    figures: Vec<Trace>,
) -> Checks<Flow> {
    let protections = input
        .protections
        .iter()
        .map(|protection| Protection {
            carriers: keys
                .iter()
                .enumerate()
                .filter(|(_, key)| key.is_some_and(|key| protection.carriers.contains(&key)))
                .map(|(position, _)| position)
                .collect(),
            ..protection.clone()
        })
        .collect();
    let columns = groups.into_iter().chain(figures).collect();
    let path = input.path.clone();
    Ok(Flow { plan: rebuild(plan, vec![input.plan.clone()])?, columns, protections, path }
        .through("aggregate for each subject"))
}

/// Whether a row contributes to a figure: zeros and absent values do not.
fn contributes(argument: &Expr, figure: &Expr, schema: &DFSchemaRef) -> Checks<Expr> {
    let present = argument.clone().is_not_null();
    let counts = aggregate_of(figure).is_some_and(|function| function.func.name() == "count");
    let data_type = argument.get_type(schema).map_err(|error| constant_error(&error))?;
    Ok(if counts || !data_type.is_numeric() {
        present
    } else {
        present.and(cast(argument.clone(), DataType::Float64).not_eq(lit(0.0_f64)))
    })
}

fn aggregate_of(expression: &Expr) -> Option<&AggregateFunction> {
    match expression {
        Expr::AggregateFunction(function) => Some(function),
        Expr::Alias(alias) => aggregate_of(&alias.expr),
        _ => None,
    }
}

fn argument_of(figure: &Expr) -> Option<&Expr> {
    aggregate_of(figure).and_then(|function| function.params.args.first())
}

/// The column that an expression is, under whatever name.
fn bare(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare(&alias.expr),
        _ => None,
    }
}

fn index_of(schema: &DFSchemaRef, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
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

/// Refuses operators that fail for some values of protected columns.
fn check_operator(operator: Operator, right: &Expr) -> Checks<()> {
    const TOTAL: &[Operator] = &[
        Operator::Eq,
        Operator::NotEq,
        Operator::Lt,
        Operator::LtEq,
        Operator::Gt,
        Operator::GtEq,
        Operator::Plus,
        Operator::Minus,
        Operator::Multiply,
        Operator::And,
        Operator::Or,
        Operator::IsDistinctFrom,
        Operator::IsNotDistinctFrom,
        Operator::StringConcat,
    ];
    if TOTAL.contains(&operator) {
        return Ok(());
    }
    if matches!(operator, Operator::Divide | Operator::Modulo) {
        let never_zero = match right {
            Expr::Literal(value, _) => {
                !value.is_null()
                    && ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero != *value)
            }
            Expr::ScalarFunction(function) => {
                function.name() == "nullif"
                    && matches!(function.args.get(1), Some(Expr::Literal(value, _))
                        if ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value))
            }
            _ => false,
        };
        if never_zero {
            return Ok(());
        }
        return Err(Objection::new(
            TOTAL_FUNCTIONS,
            "division can fail for some values; divide by a literal or by nullif(…, 0)",
        ));
    }
    Err(unknown("this operator"))
}

/// Whether every value of `from` has a value in `to`.
fn is_total_cast(from: &DataType, to: &DataType) -> bool {
    from == to
        || matches!(to, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
        || (from.is_numeric() && *to == DataType::Float64)
        || (from.is_signed_integer() && *to == DataType::Int64)
}
