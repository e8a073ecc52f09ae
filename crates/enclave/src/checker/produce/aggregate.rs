//! Aggregates: by which rows stop being raw, and what is built into them for that.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef, JoinType, NullEquality, Result as EngineResult},
    functions_aggregate::expr_fn::{count, count_distinct, max, min, sum},
    logical_expr::{
        Aggregate as AggregatePlan, Case, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder,
        cast, expr::AggregateFunction, lit,
    },
};

use super::{
    Checks, Flow, Protection, Walk,
    expression::{Reach, Trace, bare, index_of},
    located, rebuild, unknown,
};
use crate::{
    Aggregate, Objection, SMALLEST_CELL,
    domain::constant_error,
    rules::{NO_RAW_OUTPUT, SUBJECT_COUNTABLE},
    second::second_largest,
};

impl Walk<'_> {
    pub(super) fn aggregate(
        &self,
        plan: &LogicalPlan,
        aggregate: &AggregatePlan,
        input: Flow,
    ) -> Checks<Flow> {
        if aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_))) {
            return Err(unknown("ROLLUP, CUBE or GROUPING SETS"));
        }
        if !input.is_protected() {
            for expression in &aggregate.group_expr {
                Self::trace(expression, &input)?;
            }
            for figure in &aggregate.aggr_expr {
                let function = aggregate_of(figure)
                    .ok_or_else(|| unknown("an expression in the place of an aggregate"))?;
                let filter = function.params.filter.as_deref();
                for expression in function.params.args.iter().chain(filter) {
                    Self::trace(expression, &input)?;
                }
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
                let what = format!("{} is not a dimension, so it cannot group", trace.named());
                let objection = Objection::new(NO_RAW_OUTPUT, what);
                return Err(
                    located(objection, trace, &input.path, "group").passing("GROUP BY dimensions")
                );
            }
        }
        if input.has_subjects() {
            // A value that was computed on the way, or by which rows are told apart, can single
            // somebody out as a filter can.
            let computed = |figure: &Expr| {
                argument_of(figure)
                    .is_some_and(|it| bare(it).is_none() && !matches!(it, Expr::Literal(..)))
            };
            self.aggregates.set(self.aggregates.get() + 1);
            self.note_condition(
                aggregate.aggr_expr.iter().any(computed)
                    || groups.iter().chain(&figures).any(|trace| trace.is_computed),
            );
        }
        let width = groups.iter().chain(&figures).map(|trace| trace.width).max().unwrap_or(1);
        let plan = self.with_threshold(aggregate, &input, &figures)?;
        let columns = vec![Trace { width, ..Trace::free() }; plan.schema().fields().len()];
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
            "min" | "max" => by_subject || !input.has_subjects(),
            _ => false,
        };
        if !allowed {
            let of = if trace.sources.is_empty() { "rows".to_owned() } else { trace.named() };
            let objection = Objection::new(
                NO_RAW_OUTPUT,
                format!(
                    "`{name}` carries single values of {of} to the output; COUNT, SUM and AVG pass"
                ),
            );
            return Err(located(objection, &trace, &input.path, name).passing("COUNT, SUM and AVG"));
        }
        let aggregate = match name {
            "count" => Aggregate::Count,
            "avg" => Aggregate::Mean,
            _ => Aggregate::Sum,
        };
        if trace.denied.contains(&aggregate) {
            let what = format!("{} is not granted for {}", trace.named(), aggregate.name());
            let passing: Vec<&str> = Aggregate::ALL
                .iter()
                .filter(|it| !trace.denied.contains(it))
                .map(|it| it.name())
                .collect();
            let objection = Objection::new(NO_RAW_OUTPUT, what);
            return Err(located(objection, &trace, &input.path, name)
                .passing(format!("{} of it", passing.join(", "))));
        }
        if params.distinct && name == "count" && !is_key && trace.reach > Reach::Dimension {
            let objection = Objection::new(
                NO_RAW_OUTPUT,
                format!("the distinct values of {} are not counted; subjects are", trace.named()),
            );
            return Err(located(objection, &trace, &input.path, name)
                .passing("COUNT(DISTINCT subject key)"));
        }
        Ok(Trace { reach: Reach::Measure, ..trace })
    }

    /// The aggregate with what it needs to know whether a group may be seen, a filter that lets
    /// only such groups through, and a projection to the columns that were asked for.
    fn with_threshold(
        &self,
        aggregate: &AggregatePlan,
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
        if !input.has_subjects() {
            // Rows about nobody: a group of one is that row.
            let rows = add(&mut extra, count(lit(1_i64)));
            keep = keep.and(rows.gt_eq(lit(i64::from(SMALLEST_CELL))));
        }
        for protection in &input.protections {
            let Some(kind) = protection.kind else { continue };
            let key = key_of(protection)?;
            let least = lit(i64::from(self.thresholds.of(kind)));
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
        let mut summed: Vec<Expr> = Vec::new();
        let mut totals: Vec<Expr> = Vec::new();
        for (figure, trace) in aggregate.aggr_expr.iter().zip(figures) {
            let name = aggregate_of(figure).map_or("", |function| function.func.name());
            if name == "count" || trace.sources.is_empty() || !input.has_subjects() {
                continue;
            }
            let Some(argument) = argument_of(figure) else { continue };
            let value = cast(argument.clone(), DataType::Float64);
            totals.push(add(&mut extra, sum(size_of(&value))));
            // Where all rows are equal, their mean is everybody's.
            let least_value = add(&mut extra, min(value.clone()));
            let most_value = add(&mut extra, max(value.clone()));
            keep = keep.and(least_value.not_eq(most_value));
            summed.push(value);
        }
        let asked: Vec<Expr> = (0..aggregate.schema.fields().len())
            .map(|index| Expr::Column(Column::from(aggregate.schema.qualified_field(index))))
            .collect();
        let figures: Vec<Expr> = aggregate.aggr_expr.iter().cloned().chain(extra).collect();
        let groups: Vec<Column> = (0..aggregate.group_expr.len())
            .map(|index| Column::from(aggregate.schema.qualified_field(index)))
            .collect();
        let part = f64::from(self.thresholds.dominance_percent) / 100.0;
        let build = || -> EngineResult<LogicalPlan> {
            let mut plan = LogicalPlanBuilder::from(input.plan.clone())
                .aggregate(aggregate.group_expr.clone(), figures)?;
            let protections = input.protections.iter().filter(|it| it.kind.is_some());
            for (number, protection) in protections.enumerate() {
                let (Some(key), false) = (protection.carriers.first(), summed.is_empty()) else {
                    continue;
                };
                let key = Expr::Column(Column::from(schema.qualified_field(*key)));
                let shares = Shares { prefix: format!("__of_{number}_"), key, values: &summed };
                plan = shares.join(plan, input, &aggregate.group_expr, &groups)?;
                for (index, total) in totals.iter().enumerate() {
                    // The p% rule: what the two largest leave is enough to hide the largest in.
                    let rest = total.clone() - shares.most(index) - shares.next(index);
                    keep = keep
                        .and(rest.gt_eq(shares.most(index) * lit(part)))
                        .and(shares.low(index).not_eq(shares.high(index)));
                }
            }
            plan.filter(keep)?.project(asked)?.build()
        };
        build().map_err(|error| constant_error(&error))
    }
}

/// What subjects contribute to sums, in each group: all their rows are one contribution, however
/// many there are, and however often a join repeats them.
struct Shares<'a> {
    prefix: String,
    key: Expr,
    values: &'a [Expr],
}

impl Shares<'_> {
    fn name(&self, what: &str, index: usize) -> String {
        format!("{}{what}_{index}", self.prefix)
    }

    fn column(&self, what: &str, index: usize) -> Expr {
        Expr::Column(Column::new_unqualified(self.name(what, index)))
    }

    /// The largest contribution.
    fn most(&self, index: usize) -> Expr {
        self.column("most", index)
    }

    /// The second largest.
    fn next(&self, index: usize) -> Expr {
        self.column("next", index)
    }

    /// The least contribution, with its sign.
    fn low(&self, index: usize) -> Expr {
        self.column("low", index)
    }

    /// The greatest contribution, with its sign.
    fn high(&self, index: usize) -> Expr {
        self.column("high", index)
    }

    /// Adds them to the groups.
    fn join(
        &self,
        plan: LogicalPlanBuilder,
        input: &Flow,
        group_expr: &[Expr],
        groups: &[Column],
    ) -> EngineResult<LogicalPlanBuilder> {
        let names: Vec<String> = (0..groups.len()).map(|at| self.name("group", at)).collect();
        let mut by_subject: Vec<Expr> = group_expr
            .iter()
            .zip(&names)
            .map(|(group, name)| bare_of(group).clone().alias(name))
            .collect();
        by_subject.push(self.key.clone().alias(self.name("key", 0)));
        let (mut each, mut all) = (Vec::new(), Vec::new());
        for (index, value) in self.values.iter().enumerate() {
            each.push(sum(size_of(value)).alias(self.name("size", index)));
            each.push(sum(value.clone()).alias(self.name("value", index)));
            all.push(max(self.column("size", index)).alias(self.name("most", index)));
            all.push(second_largest(self.column("size", index)).alias(self.name("next", index)));
            all.push(min(self.column("value", index)).alias(self.name("low", index)));
            all.push(max(self.column("value", index)).alias(self.name("high", index)));
        }
        let by_group: Vec<Expr> =
            names.iter().map(|name| Expr::Column(Column::new_unqualified(name))).collect();
        let shares = LogicalPlanBuilder::from(input.plan.clone())
            .aggregate(by_subject, each)?
            .aggregate(by_group, all)?
            .build()?;
        if groups.is_empty() {
            return plan.cross_join(shares);
        }
        let names: Vec<Column> = names.into_iter().map(Column::new_unqualified).collect();
        let keys = (groups.to_vec(), names);
        plan.join_detailed(shares, JoinType::Inner, keys, None, NullEquality::NullEqualsNull)
    }
}

/// A group without the name that it was given.
fn bare_of(group: &Expr) -> &Expr {
    match group {
        Expr::Alias(alias) => bare_of(&alias.expr),
        other => other,
    }
}

/// How large a value is, whatever its sign.
fn size_of(value: &Expr) -> Expr {
    Expr::Case(Case::new(
        None,
        vec![(
            Box::new(value.clone().lt(lit(0.0_f64))),
            Box::new(Expr::Negative(Box::new(value.clone()))),
        )],
        Some(Box::new(value.clone())),
    ))
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
