//! The WHERE clause of a question: a conjunction of conditions on dimensions.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef, ScalarValue},
    logical_expr::{Expr, Operator, lit},
};

use super::{Checks, outside, relation::Scope};
use crate::{
    Band, Label, Objection,
    domain::Table,
    question::{Code, ColumnOf, Region},
    rules::{ASK_FILTERS, GRANTED_NAMES, IDENTIFIERS_JOIN_ONLY},
};

/// What passes.
const PASSES: &str = "dimension = literal, dimension IN (literals), and of a dimension with \
                      published bands comparisons with the ends of bands, joined by AND";

fn refused(what: &str) -> Objection {
    Objection::new(ASK_FILTERS, format!("{what}: a condition is {PASSES}")).passing(PASSES)
}

/// Conditions, as they are found.
pub(super) struct Conditions<'a, 'b> {
    scope: &'b Scope<'a>,
    schema: &'b DFSchemaRef,
    /// For each column that is compared, the values that pass, each by its code.
    found: BTreeMap<ColumnOf, (Column, BTreeMap<Code, ScalarValue>)>,
}

impl<'a, 'b> Conditions<'a, 'b> {
    pub(super) fn new(scope: &'b Scope<'a>, schema: &'b DFSchemaRef) -> Self {
        Self { scope, schema, found: BTreeMap::new() }
    }

    /// The conditions as a region.
    pub(super) fn region(&self) -> Region {
        let found = self.found.iter();
        found.map(|(of, (_, values))| (of.clone(), values.keys().cloned().collect())).collect()
    }

    /// Where each column is found.
    pub(super) fn columns(&self) -> impl Iterator<Item = (ColumnOf, Column)> {
        self.found.iter().map(|(of, (column, _))| (of.clone(), column.clone()))
    }

    /// The condition that is run, one for each column, however the text writes it. A column is
    /// compared with values of its own type, so that nothing of it is ever read as another.
    pub(super) fn predicate(&self) -> Option<Expr> {
        let found = self.found.values().map(|(column, values)| {
            if values.is_empty() {
                return lit(false);
            }
            let values = values.values().cloned().map(lit).collect();
            Expr::Column(column.clone()).in_list(values, false)
        });
        found.reduce(Expr::and)
    }

    /// Checks a condition.
    #[expect(clippy::match_same_arms, reason = "the deprecated variant needs an arm of its own")]
    pub(super) fn check(&mut self, expression: &Expr) -> Checks<()> {
        match expression {
            Expr::BinaryExpr(binary) => {
                match (binary.left.as_ref(), binary.op, binary.right.as_ref()) {
                    (left, Operator::And, right) => {
                        self.check(left)?;
                        self.check(right)
                    }
                    (Expr::Column(column), Operator::Eq, literal)
                    | (literal, Operator::Eq, Expr::Column(column)) => {
                        self.one_of(column, &[literal])
                    }
                    (Expr::Column(column), operator, literal) => {
                        self.compared(column, &[(operator, literal)])
                    }
                    (literal, operator, Expr::Column(column)) => {
                        let swapped = operator
                            .swap()
                            .ok_or_else(|| refused("this comparison is not among them"))?;
                        self.compared(column, &[(swapped, literal)])
                    }
                    _ => Err(refused("this comparison is not among them")),
                }
            }
            Expr::InList(list) if !list.negated => match list.expr.as_ref() {
                Expr::Column(column) => {
                    let literals: Vec<&Expr> = list.list.iter().collect();
                    self.one_of(column, &literals)
                }
                _other => Err(refused("an expression is compared")),
            },
            Expr::Between(between) if !between.negated => match between.expr.as_ref() {
                Expr::Column(column) => {
                    let (low, high) = (between.low.as_ref(), between.high.as_ref());
                    self.compared(column, &[(Operator::GtEq, low), (Operator::LtEq, high)])
                }
                _other => Err(refused("an expression is compared")),
            },
            Expr::InList(_) | Expr::Between(_) | Expr::Not(_) => Err(refused("negation")),
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::ScalarSubquery(_) => Err(outside("a subquery")),
            Expr::Alias(_)
            | Expr::Column(_)
            | Expr::ScalarVariable(..)
            | Expr::Literal(..)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Case(_)
            | Expr::Cast(_)
            | Expr::TryCast(_)
            | Expr::ScalarFunction(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::GroupingSet(_)
            | Expr::Placeholder(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Unnest(_)
            | Expr::HigherOrderFunction(_)
            | Expr::Lambda(_)
            | Expr::LambdaVariable(_) => Err(refused("this condition is not among them")),
            #[expect(deprecated, reason = "the match is exhaustive")]
            Expr::Wildcard { .. } => Err(refused("this condition is not among them")),
        }
    }

    /// A dimension, with what is granted of it.
    fn dimension(&self, column: &Column) -> Checks<(&'a Table, ColumnOf, &'a [Band])> {
        let (table, of, label) = self.scope.find(column)?;
        let name = format!("{}.{}", table.item.table, column.name);
        match label {
            Label::Dimension { bands, .. } => Ok((table, of, bands)),
            Label::Join => Err(Objection::new(
                IDENTIFIERS_JOIN_ONLY,
                format!("`{name}` is never compared with a literal"),
            )
            .about(name, &["scan", "filter"])
            .passing("ON join column = join column; COUNT(DISTINCT subject key)")),
            Label::Measure { .. } | Label::Blocked => {
                Err(Objection::new(ASK_FILTERS, format!("`{name}` is not a dimension"))
                    .about(name, &["scan", "filter"])
                    .passing(PASSES))
            }
        }
    }

    /// `column = literal`, `column IN (literals)`.
    fn one_of(&mut self, column: &Column, literals: &[&Expr]) -> Checks<()> {
        let (_, of, _) = self.dimension(column)?;
        let data_type = self
            .schema
            .qualified_field_from_column(column)
            .map_err(|_| Objection::new(GRANTED_NAMES, "a column is not granted"))?
            .1
            .data_type()
            .clone();
        let mut values: BTreeMap<Code, ScalarValue> = BTreeMap::new();
        for literal in literals {
            let (code, value) = literal_code(literal, &data_type)?;
            values.insert(code, value);
        }
        self.add(of, column, values);
        Ok(())
    }

    /// Comparisons of a column with ends of its bands, which come to some of the bands.
    fn compared(&mut self, column: &Column, bounds: &[(Operator, &Expr)]) -> Checks<()> {
        let is_known = |operator: &Operator| {
            matches!(operator, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
        };
        if !bounds.iter().all(|(operator, _)| is_known(operator)) {
            return Err(refused("this comparison is not among them"));
        }
        let (table, of, bands) = self.dimension(column)?;
        let name = format!("{}.{}", table.item.table, column.name);
        if bands.is_empty() {
            return Err(
                refused("this comparison is not among them").about(name, &["scan", "filter"])
            );
        }
        let ends = Ends::new(table, &of, bands)?;
        let mut chosen: BTreeSet<&str> = bands.iter().map(|band| band.label.as_str()).collect();
        for (operator, literal) in bounds {
            let of_bound = ends.within(*operator, literal).ok_or_else(|| {
                Objection::new(
                    ASK_FILTERS,
                    format!("`{name}` is compared with what is not the end of a published band"),
                )
                .about(name.clone(), &["scan", "filter"])
                .passing(ends.named())
            })?;
            chosen.retain(|label| of_bound.contains(label));
        }
        let value = |label: &str| (Some(label.to_owned()), ScalarValue::from(label));
        self.add(of, column, chosen.into_iter().map(value).collect());
        Ok(())
    }

    fn add(&mut self, of: ColumnOf, column: &Column, values: BTreeMap<Code, ScalarValue>) {
        match self.found.entry(of) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((column.clone(), values));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                entry.get_mut().1.retain(|code, _| values.contains_key(code));
            }
        }
    }
}

/// The ends of the bands of a column, as values of the column below.
struct Ends<'a> {
    data_type: DataType,
    bands: Vec<(&'a str, Option<ScalarValue>, Option<ScalarValue>)>,
}

impl<'a> Ends<'a> {
    fn new(table: &Table, of: &ColumnOf, bands: &'a [Band]) -> Checks<Self> {
        let unknown = || Objection::new(GRANTED_NAMES, "a column is not granted");
        let schema = table.provider.schema();
        let data_type =
            schema.field_with_name(&of.column).map_err(|_| unknown())?.data_type().clone();
        let end = |text: &Option<String>| -> Checks<Option<ScalarValue>> {
            let value = |text: &String| ScalarValue::try_from_string(text.clone(), &data_type);
            text.as_ref().map(value).transpose().map_err(|_| unknown())
        };
        let bands = bands
            .iter()
            .map(|band| Ok((band.label.as_str(), end(&band.from)?, end(&band.below)?)))
            .collect::<Checks<_>>()?;
        Ok(Self { data_type, bands })
    }

    /// The bands that a comparison comes to; none if it divides one, or ends where none does.
    fn within(&self, operator: Operator, literal: &Expr) -> Option<BTreeSet<&'a str>> {
        let value = literal_value(literal).ok()?.cast_to(&self.data_type).ok()?;
        // `> x` begins, and `<= x` ends, with what comes after x.
        let end = match operator {
            Operator::GtEq | Operator::Lt => value,
            Operator::Gt | Operator::LtEq => successor(&value)?,
            _ => return None,
        };
        let is_end = self
            .bands
            .iter()
            .any(|(_, from, below)| from.as_ref() == Some(&end) || below.as_ref() == Some(&end));
        if !is_end {
            return None;
        }
        let is_upward = matches!(operator, Operator::GtEq | Operator::Gt);
        let mut within = BTreeSet::new();
        for (label, from, below) in &self.bands {
            // Bands may overlap, so each is held against the end by itself.
            let begins_after = from.as_ref().is_some_and(|from| *from >= end);
            let ends_before = below.as_ref().is_some_and(|below| *below <= end);
            match (begins_after, ends_before) {
                (true, _) if is_upward => {
                    within.insert(*label);
                }
                (_, true) if !is_upward => {
                    within.insert(*label);
                }
                (true, _) | (_, true) => {}
                (false, false) => return None,
            }
        }
        Some(within)
    }

    fn named(&self) -> String {
        let ends: Vec<String> = self
            .bands
            .iter()
            .flat_map(|(_, from, below)| [from, below])
            .flatten()
            .map(ToString::to_string)
            .collect();
        let ends: BTreeSet<String> = ends.into_iter().collect();
        let ends: Vec<String> = ends.into_iter().collect();
        format!("comparison with {}; = and IN with the names of bands", ends.join(", "))
    }
}

/// The next value of a type that has one.
fn successor(value: &ScalarValue) -> Option<ScalarValue> {
    let data_type = value.data_type();
    let is_counted = data_type.is_integer() || data_type == DataType::Date32;
    let number = match value.cast_to(&DataType::Int32) {
        Ok(ScalarValue::Int32(Some(days))) if data_type == DataType::Date32 => i64::from(days),
        _ => match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(number))) => number,
            _ => return None,
        },
    };
    let next = ScalarValue::Int64(Some(number.checked_add(1)?));
    let next =
        if data_type == DataType::Date32 { next.cast_to(&DataType::Int32).ok()? } else { next };
    next.cast_to(&data_type).ok().filter(|_| is_counted)
}

/// The value of a literal.
fn literal_value(expression: &Expr) -> Checks<ScalarValue> {
    let refused = || Objection::new(ASK_FILTERS, "a literal does not fit the column, or is none");
    match expression {
        Expr::Literal(value, _) => Ok(value.clone()),
        // DATE '2024-01-01' is written by the planner as a cast of a literal.
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, _) => value.cast_to(cast.field.data_type()).map_err(|_| refused()),
            _other => Err(refused()),
        },
        _ => Err(refused()),
    }
}

/// A literal as the code and the value of a column of this type.
fn literal_code(expression: &Expr, data_type: &DataType) -> Checks<(Code, ScalarValue)> {
    let refused = || Objection::new(ASK_FILTERS, "a literal does not fit the column, or is none");
    let value = literal_value(expression)?;
    if value.is_null() {
        return Err(refused());
    }
    let value = value.cast_to(data_type).map_err(|_| refused())?;
    match code(&value).ok_or_else(refused)? {
        Some(code) => Ok((Some(code), value)),
        None => Err(refused()),
    }
}

/// The code that a value is written as; `None` for types that no dimension has.
pub(crate) fn code(value: &ScalarValue) -> Option<Code> {
    if value.is_null() {
        return Some(None);
    }
    match value.data_type() {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Date32 => Some(Some(value.to_string())),
        DataType::Dictionary(_, _) => match value {
            ScalarValue::Dictionary(_, inner) => code(inner),
            _other => None,
        },
        _ => None,
    }
}
