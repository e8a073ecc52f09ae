//! Where the value of an expression comes from, and what may be done with it.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef, ScalarValue},
    logical_expr::{Expr, ExprSchemable, Operator},
};

use super::{Checks, Flow, Walk, located, unknown};
use crate::{
    Aggregate, Objection,
    domain::constant_error,
    rules::{GRANTED_NAMES, IDENTIFIERS_JOIN_ONLY, KNOWN_FUNCTIONS, TOTAL_FUNCTIONS},
};

/// How many times the longest value of a source a computed text may be.
const WIDEST: usize = 64;
/// How many bytes of a literal count as one value.
const LITERAL_PART: usize = 64;

/// What may be done with a value, from most to least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Comes from no raw row, or from an aggregate over enough of them.
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
pub(super) struct Trace {
    pub(super) reach: Reach,
    /// The granted columns in it, as `table.column`.
    pub(super) sources: BTreeSet<String>,
    /// How long a text in it can be, against the longest value of a source.
    pub(super) width: usize,
    /// Whether it is computed from granted columns, and not one of them as it is.
    pub(super) is_computed: bool,
    /// What its measures may not be aggregated by.
    pub(super) denied: BTreeSet<Aggregate>,
}

impl Trace {
    pub(super) fn free() -> Self {
        Self {
            reach: Reach::Free,
            sources: BTreeSet::new(),
            width: 1,
            is_computed: false,
            denied: BTreeSet::new(),
        }
    }

    fn join(&mut self, other: &Self) {
        self.reach = self.reach.max(other.reach);
        self.sources.extend(other.sources.iter().cloned());
        self.width = self.width.max(other.width);
        self.is_computed |= other.is_computed;
        self.denied.extend(&other.denied);
    }

    pub(super) fn named(&self) -> String {
        self.sources.iter().map(|source| format!("`{source}`")).collect::<Vec<_>>().join(", ")
    }
}

/// Refuses a text that can be longer than it may.
fn within(trace: Trace) -> Checks<Trace> {
    if trace.width <= WIDEST {
        return Ok(trace);
    }
    Err(Objection::new(
        TOTAL_FUNCTIONS,
        format!(
            "a text is put together of more than {WIDEST} values or {LITERAL_PART} letters each"
        ),
    ))
}

impl Walk<'_> {
    /// The traces of expressions that become columns: identities only as they are.
    pub(super) fn traces(expressions: &[Expr], input: &Flow) -> Checks<Vec<Trace>> {
        expressions
            .iter()
            .map(|expression| match bare(expression) {
                Some(column) => Self::column(column, input),
                None => Self::trace(expression, input).map(|trace| Trace {
                    is_computed: trace.is_computed || trace.reach > Reach::Free,
                    ..trace
                }),
            })
            .collect()
    }

    pub(super) fn no_identity(expression: &Expr, input: &Flow) -> Checks<()> {
        Self::trace(expression, input).map(|_| ())
    }

    pub(super) fn column(column: &Column, input: &Flow) -> Checks<Trace> {
        index_of(input.plan.schema(), column)
            .and_then(|index| input.columns.get(index).cloned())
            .ok_or_else(|| Objection::new(GRANTED_NAMES, "a column is not granted"))
    }

    /// The trace of an expression. A protected identity in it is refused, and so is what is not
    /// known to give a value for every value, whether raw or a figure.
    #[expect(clippy::too_many_lines, reason = "one exhaustive match")]
    pub(super) fn trace(expression: &Expr, input: &Flow) -> Checks<Trace> {
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
                    let objection = Objection::new(
                        IDENTIFIERS_JOIN_ONLY,
                        format!(
                            "{} is compared or computed with; it joins tables and is counted \
                             (COUNT DISTINCT), nothing else",
                            trace.named()
                        ),
                    );
                    return Err(located(objection, &trace, &input.path, "expression")
                        .passing("JOIN … ON, COUNT(DISTINCT …)"));
                }
                Ok(trace)
            }
            Expr::Literal(value, _) => {
                let length = value.try_as_str().flatten().map_or(0, str::len);
                within(Trace { width: 1 + length / LITERAL_PART, ..Trace::free() })
            }
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
            Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
                Self::concatenated([binary.left.as_ref(), binary.right.as_ref()], input)
            }
            Expr::BinaryExpr(binary) => {
                check_operator(binary.op, &binary.right)?;
                all(&[&binary.left, &binary.right])
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
                let from = cast
                    .expr
                    .get_type(input.plan.schema())
                    .map_err(|error| constant_error(&error))?;
                let is_written = matches!(*cast.expr, Expr::Literal(..));
                if !is_written && !is_total_cast(&from, cast.field.data_type()) {
                    let of =
                        if trace.sources.is_empty() { "a value".to_owned() } else { trace.named() };
                    return Err(Objection::new(
                        TOTAL_FUNCTIONS,
                        format!("CAST of {of} can fail for some values; use TRY_CAST"),
                    ));
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
                if function.name() == "concat" {
                    return Self::concatenated(&function.args, input);
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

    /// The trace of texts that are put together. Nothing may grow by being put together with
    /// itself again and again: how much memory that takes is told by whether it is there.
    fn concatenated<'a>(parts: impl IntoIterator<Item = &'a Expr>, input: &Flow) -> Checks<Trace> {
        let mut all = Trace::free();
        let mut width = 0;
        for part in parts {
            let trace = Self::trace(part, input)?;
            width += trace.width;
            all.join(&trace);
        }
        within(Trace { width, ..all })
    }
}

/// The column that an expression is, under whatever name.
pub(super) fn bare(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => bare(&alias.expr),
        _ => None,
    }
}

pub(super) fn index_of(schema: &DFSchemaRef, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// Refuses operators that fail for some values: also of figures, for whether a job fails is told
/// before anybody has reviewed what it made.
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
