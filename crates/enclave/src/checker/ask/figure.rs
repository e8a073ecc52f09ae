//! What a question shows: dimensions, and figures of bare columns.

use std::collections::BTreeMap;

use datafusion::{
    common::{Column, ScalarValue},
    logical_expr::{
        Aggregate as AggregatePlan, Expr,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
};

use super::{Checks, outside, relation::Scope};
use crate::{
    Aggregate, Label, Objection,
    question::{ColumnOf, Figure, Shown},
    rules::{ASK_DIMENSIONS, ASK_MEASURES, IDENTIFIERS_JOIN_ONLY},
};

/// What passes.
const PASSES: &str = "COUNT(*), COUNT(DISTINCT subject key or dimension), COUNT, SUM, AVG, \
                      VAR_SAMP and STDDEV_SAMP of a bare measure";

/// Checks the groups and the figures.
pub(super) fn check_aggregate(
    aggregate: &AggregatePlan,
    scope: &Scope<'_>,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<(Vec<ColumnOf>, Vec<Figure>)> {
    let mut groups = Vec::new();
    for group in &aggregate.group_expr {
        let Expr::Column(column) = group else {
            return Err(Objection::new(
                ASK_DIMENSIONS,
                "groups are bare dimension columns, without expressions, ROLLUP or CUBE",
            )
            .passing("GROUP BY dimension, dimension"));
        };
        let (table, of, label) = scope.find(column)?;
        if !matches!(label, Label::Dimension { .. }) {
            let rule = if *label == Label::Join { IDENTIFIERS_JOIN_ONLY } else { ASK_DIMENSIONS };
            let name = format!("{}.{}", table.item.table, column.name);
            return Err(Objection::new(
                rule,
                format!("`{name}` is not a dimension, so it cannot group"),
            )
            .about(name, &["scan", "group", "output"])
            .passing("GROUP BY dimension, dimension"));
        }
        columns.insert(of.clone(), column.clone());
        groups.push(of);
    }
    let figures = aggregate
        .aggr_expr
        .iter()
        .map(|expression| check_figure(expression, scope, columns))
        .collect::<Checks<Vec<_>>>()?;
    if figures.is_empty() {
        return Err(outside("a list of groups without a figure"));
    }
    Ok((groups, figures))
}

fn refused(what: &str) -> Objection {
    Objection::new(ASK_MEASURES, format!("{what}; what passes: {PASSES}")).passing(PASSES)
}

fn check_figure(
    expression: &Expr,
    scope: &Scope<'_>,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<Figure> {
    let function = match expression {
        Expr::Alias(alias) => return check_figure(&alias.expr, scope, columns),
        Expr::AggregateFunction(function) => function,
        _ => return Err(refused("an expression stands where an aggregate should")),
    };
    let AggregateFunction {
        func,
        params: AggregateFunctionParams { args, distinct, filter, order_by, null_treatment },
    } = function;
    if filter.is_some() || !order_by.is_empty() || null_treatment.is_some() {
        return Err(refused("FILTER, ORDER BY and RESPECT NULLS are outside the class"));
    }
    let [argument] = args.as_slice() else {
        return Err(refused(&format!("`{}` has not exactly one argument", func.name())));
    };
    let name = func.name();
    let column = match argument {
        Expr::Column(column) => column,
        Expr::Literal(ScalarValue::Int64(Some(1)), _) if name == "count" && !distinct => {
            return Ok(Figure::Rows);
        }
        _ => return Err(refused(&format!("the argument of `{name}` is not a bare column"))),
    };
    let (table, of, label) = scope.find(column)?;
    let path = format!("{}.{}", table.item.table, column.name);
    let about = |objection: Objection| objection.about(path.clone(), &["scan", name, "output"]);
    columns.insert(of.clone(), column.clone());
    let is_subject = table.item.subject_key.as_deref() == Some(column.name.as_str());
    let aggregate = match (name, *distinct) {
        ("count", false) => Some(Aggregate::Count),
        ("sum", false) => Some(Aggregate::Sum),
        ("avg", false) => Some(Aggregate::Mean),
        ("var" | "stddev", false) => Some(Aggregate::Variance),
        _ => None,
    };
    match (aggregate, label) {
        (None, Label::Join) if name == "count" && is_subject => Ok(Figure::Subjects(of)),
        (None, Label::Dimension { .. }) if name == "count" => Ok(Figure::Distinct(of)),
        (Some(aggregate), Label::Measure { aggregates, .. }) => {
            if !aggregates.contains(&aggregate) {
                let allowed: Vec<&str> = aggregates.iter().map(|it| it.name()).collect();
                let what = format!("`{path}` is not granted for {}", aggregate.name());
                return Err(about(Objection::new(ASK_MEASURES, what))
                    .passing(format!("{} of it", allowed.join(", "))));
            }
            Ok(match (aggregate, name) {
                (Aggregate::Count, _) => Figure::Present(of),
                (Aggregate::Sum, _) => Figure::Sum(of),
                (Aggregate::Mean, _) => Figure::Mean(of),
                (Aggregate::Variance, "stddev") => Figure::Deviation(of),
                (Aggregate::Variance, _) => Figure::Variance(of),
            })
        }
        (_, Label::Join) if matches!(name, "count" | "sum" | "avg") => Err(about(Objection::new(
            IDENTIFIERS_JOIN_ONLY,
            format!("`{path}` joins tables and counts subjects, nothing else"),
        ))
        .passing("COUNT(DISTINCT subject key)")),
        _ if matches!(name, "count" | "sum" | "avg" | "var" | "stddev") => {
            Err(about(refused(&format!("`{path}` is not a measure, or is DISTINCT"))))
        }
        _ => Err(about(refused(&format!("`{name}` can carry a single value of `{path}`")))),
    }
}

/// The name of a column that the asker did not name: made by us, never by the engine.
pub(super) fn default_name(shown: &Shown) -> String {
    match shown {
        Shown::Group(of) => of.column.clone(),
        Shown::Figure(Figure::Rows) => "count".to_owned(),
        Shown::Figure(Figure::Subjects(of)) => format!("subjects_{}", of.column),
        Shown::Figure(Figure::Present(of)) => format!("count_{}", of.column),
        Shown::Figure(Figure::Sum(of)) => format!("sum_{}", of.column),
        Shown::Figure(Figure::Mean(of)) => format!("avg_{}", of.column),
        Shown::Figure(Figure::Distinct(of)) => format!("distinct_{}", of.column),
        Shown::Figure(Figure::Variance(of)) => format!("var_{}", of.column),
        Shown::Figure(Figure::Deviation(of)) => format!("stddev_{}", of.column),
    }
}
