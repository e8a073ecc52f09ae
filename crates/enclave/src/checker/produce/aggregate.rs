//! Aggregates: by which rows stop being raw, and what is built into them for that.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef},
    functions_aggregate::expr_fn::{count, count_distinct, max, min, sum},
    logical_expr::{
        Aggregate, Case, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast,
        expr::AggregateFunction, lit,
    },
};

use super::{
    Checks, Flow, Protection, Walk,
    expression::{Reach, Trace, bare, index_of},
    rebuild, unknown,
};
use crate::{
    Objection, SMALLEST_CELL,
    domain::constant_error,
    rules::{NO_RAW_OUTPUT, SUBJECT_COUNTABLE},
};

impl Walk<'_> {
    pub(super) fn aggregate(
        &self,
        plan: &LogicalPlan,
        aggregate: &Aggregate,
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
                return Err(Objection::new(
                    NO_RAW_OUTPUT,
                    format!("{} is not a dimension, so it cannot group", trace.named()),
                ));
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
        Ok(Trace { reach: Reach::Measure, ..trace })
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
        for (figure, trace) in aggregate.aggr_expr.iter().zip(figures) {
            let name = aggregate_of(figure).map_or("", |function| function.func.name());
            if name == "count" || trace.sources.is_empty() || !input.has_subjects() {
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
