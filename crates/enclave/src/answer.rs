//! Runs a checked question, and shows only the cells that enough subjects stand behind.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use arrow::{
    array::AsArray,
    datatypes::{DataType, Int64Type},
    record_batch::RecordBatch,
};
use datafusion::{
    common::{Column, Result as EngineResult, plan_datafusion_err},
    dataframe::DataFrame,
    datasource::provider_as_source,
    functions_aggregate::expr_fn::{count, count_distinct},
    logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, try_cast},
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::{
    Domain, Held, Label, Objection, SubjectKind, Thresholds,
    cells::{self, Values},
    checker::ask::Checked,
    domain::constant_error,
    question::{Code, ColumnOf, Figure, Layout, Question, Shown},
    rules::JOIN_COLUMNS,
};

/// A cell that is shown: enough subjects stand behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The values of the question's groups, in the question's order.
    pub codes: Vec<Code>,
    /// The values of the question's figures, in the question's order.
    pub figures: Vec<String>,
    /// The rows behind it.
    pub rows: u64,
    /// The least number of distinct subjects of a protected table behind it; 0: it is about nobody.
    pub subjects: u64,
}

/// The answer to a question: cells in canonical order, and how many declared cells are not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// The cells that are shown.
    pub cells: Vec<Cell>,
    /// How many declared cells are not shown, whether small, dominated or empty; none where the
    /// cells are not declared, for then their number would itself tell.
    pub withheld: Option<u64>,
}

/// An answer laid out as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows; an absent value is `None`.
    pub rows: Vec<Vec<Option<String>>>,
    /// How many declared cells are not shown.
    pub withheld: Option<u64>,
}

impl Answer {
    /// The answer under the names and in the order that the asker chose.
    pub fn sheet(&self, layout: &Layout) -> Sheet {
        let groups: Vec<&ColumnOf> = self.question.groups.iter().collect();
        let figures: Vec<&Figure> = self.question.figures.iter().collect();
        let value = |cell: &Cell, shown: &Shown| -> Option<String> {
            match shown {
                Shown::Group(of) => groups
                    .iter()
                    .position(|group| *group == of)
                    .and_then(|index| cell.codes.get(index).cloned().flatten()),
                Shown::Figure(figure) => figures
                    .iter()
                    .position(|other| *other == figure)
                    .and_then(|index| cell.figures.get(index).cloned()),
            }
        };
        let mut rows: Vec<Vec<Option<String>>> = self
            .cells
            .iter()
            .map(|cell| layout.columns.iter().map(|(_, shown)| value(cell, shown)).collect())
            .collect();
        let key = |value: &Option<String>| -> (bool, Option<i128>, Option<String>) {
            let number = value.as_ref().and_then(|text| text.replace('.', "").parse().ok());
            (value.is_none(), number, value.clone())
        };
        rows.sort_by(|left, right| {
            layout
                .order
                .iter()
                .map(|(index, down)| {
                    let empty = None;
                    let (left, right) =
                        (left.get(*index).unwrap_or(&empty), right.get(*index).unwrap_or(&empty));
                    let order = key(left).cmp(&key(right));
                    if *down { order.reverse() } else { order }
                })
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        Sheet {
            columns: layout.columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: rows
                .into_iter()
                .skip(layout.skip)
                .take(layout.limit.unwrap_or(usize::MAX))
                .collect(),
            withheld: self.withheld,
        }
    }
}

/// Facts of immutable dataset versions that need to be found out once.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    known: Mutex<HashMap<ColumnOf, KeyFacts>>,
}

/// What holds of a column of an immutable dataset version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyFacts {
    /// No two rows share a value.
    pub(crate) unique: bool,
    /// No row is without one.
    pub(crate) complete: bool,
}

type Checks<T> = Result<T, Objection>;

/// One protected table of a question.
pub(crate) struct Protected {
    pub(crate) kind: SubjectKind,
    pub(crate) key: Column,
    pub(crate) of: ColumnOf,
}

pub(crate) fn protected(domain: &Domain, checked: &Checked) -> Vec<Protected> {
    let mut all: Vec<Protected> = Vec::new();
    for table in domain.tables.values() {
        if !checked.question.relation.sources.contains(&table.version) {
            continue;
        }
        if let (Some(kind), Some(key)) = (table.item.subject_kind, &table.item.subject_key) {
            let of = ColumnOf { source: table.version, column: key.clone() };
            if let Some(column) = checked.columns.get(&of) {
                all.push(Protected { kind, key: column.clone(), of });
            }
        }
    }
    // Two keys that the join makes equal count the same subjects.
    let joins = &checked.question.relation.joins;
    let mut kept: Vec<Protected> = Vec::new();
    for next in all {
        let same = kept.iter().any(|other| {
            other.kind == next.kind
                && (joins.contains(&(other.of.clone(), next.of.clone()))
                    || joins.contains(&(next.of.clone(), other.of.clone())))
        });
        if !same {
            kept.push(next);
        }
    }
    kept
}

pub(crate) async fn batches(domain: &Domain, plan: LogicalPlan) -> EngineResult<Vec<RecordBatch>> {
    let mut stream = DataFrame::new(domain.state.clone(), plan).execute_stream().await?;
    let mut all = Vec::new();
    while let Some(batch) = stream.next().await {
        all.push(batch?);
    }
    Ok(all)
}

pub(crate) fn integers(batch: &RecordBatch, name: &str) -> EngineResult<Vec<u64>> {
    let array = batch.column_by_name(name).ok_or_else(|| plan_datafusion_err!("no column"))?;
    let array = arrow::compute::cast(array, &DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().iter().map(|n| n.unwrap_or(0).cast_unsigned()).collect())
}

impl Facts {
    /// What holds of a column, over all rows of its version: less would hold of those that a grant
    /// lets through, and could not be kept for another grant.
    pub(crate) async fn of(&self, domain: &Domain, of: &ColumnOf) -> Checks<KeyFacts> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(of).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let held = domain.held(of.source, &BTreeSet::from([of.column.clone()])).await?;
        let found = find(domain, held, &of.column).await;
        let facts = found.map_err(|error| constant_error(&error))?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone(), facts);
        Ok(facts)
    }
}

/// Finds out, by reading it, what holds of a column.
async fn find(domain: &Domain, held: Held, column: &str) -> EngineResult<KeyFacts> {
    let key = Expr::Column(Column::new(Some("t"), column));
    let counted = LogicalPlanBuilder::scan("t", provider_as_source(held.table), None)?
        .aggregate(
            Vec::<Expr>::new(),
            [
                count(lit(1_i64)).alias("__rows"),
                count(key.clone()).alias("__all"),
                count_distinct(key).alias("__distinct"),
            ],
        )?
        .build()?;
    let mut found = None;
    for batch in batches(domain, counted).await?.iter().filter(|it| it.num_rows() > 0) {
        let all = integers(batch, "__all")?;
        found = Some(KeyFacts {
            unique: all == integers(batch, "__distinct")?,
            complete: all == integers(batch, "__rows")?,
        });
    }
    found.ok_or_else(|| plan_datafusion_err!("an aggregate without a row"))
}

/// Refuses a join that would multiply the rows of both sides.
pub(crate) async fn check_fan_out(domain: &Domain, facts: &Facts, checked: &Checked) -> Checks<()> {
    for (left, right) in &checked.question.relation.joins {
        let mut unique = false;
        for of in [left, right] {
            unique |= facts.of(domain, of).await?.unique;
        }
        if !unique {
            return Err(Objection::new(
                JOIN_COLUMNS,
                format!(
                    "neither side of the join on `{}` is unique, so rows would multiply; join to a \
                     table with one row for each key",
                    left.column
                ),
            ));
        }
    }
    Ok(())
}

/// A measure as an exact decimal, so that no order of summing shows; what is no number is absent.
pub(crate) fn exact(plan: &LogicalPlan, column: &Column) -> EngineResult<Expr> {
    let expression = Expr::Column(column.clone());
    let data_type = expression.get_type(plan.schema())?;
    Ok(match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => cast(expression, DataType::Decimal128(19, 0)),
        DataType::UInt64 => cast(expression, DataType::Decimal128(20, 0)),
        DataType::Decimal128(_, _) => expression,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            try_cast(expression, DataType::Decimal128(28, 4))
        }
        _ => return Err(plan_datafusion_err!("not a number")),
    })
}

/// Answers a checked question.
///
/// # Errors
///
/// An objection in constant words if the engine cannot complete it.
pub(crate) async fn answer(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    thresholds: &Thresholds,
) -> Checks<Answer> {
    check_fan_out(domain, facts, checked).await?;
    let found = cells::find(domain, facts, checked, thresholds).await?;
    let question = checked.question.clone();
    let mut values = Values::new();
    for figure in &question.figures {
        if let Figure::Distinct(of) = figure {
            values.insert(of.clone(), distinct(domain, facts, checked, of, thresholds).await?);
        }
    }
    let declared = declared_codes(domain, &question);
    let mut cells: Vec<Cell> = found
        .into_iter()
        .filter(|(codes, _)| is_declared(codes, &declared))
        .filter_map(|(codes, found)| found.shown(&question, codes, &values, thresholds))
        .collect();
    cells.sort_by(|left, right| left.codes.cmp(&right.codes));
    let withheld = declared
        .iter()
        .map(|codes| codes.as_ref().map(|codes| codes.len() as u64))
        .try_fold(1_u64, |product, count| count.and_then(|count| product.checked_mul(count)))
        .map(|total| total.saturating_sub(cells.len() as u64));
    Ok(Answer { question, cells, withheld })
}

/// For each cell, how many values of a dimension would be shown if it were a group: a count of all
/// would tell that there are small ones.
async fn distinct(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    of: &ColumnOf,
    thresholds: &Thresholds,
) -> Checks<BTreeMap<Vec<Code>, u64>> {
    let mut finer = checked.clone();
    finer.question.groups.insert(of.clone());
    finer.question.figures = BTreeSet::from([Figure::Rows]);
    let is_group = checked.question.groups.contains(of);
    let place = finer.question.groups.iter().position(|group| group == of).unwrap_or(0);
    let declared = declared_codes(domain, &finer.question);
    let mut counts: BTreeMap<Vec<Code>, u64> = BTreeMap::new();
    for (codes, found) in cells::find(domain, facts, &finer, thresholds).await? {
        let is_value = codes.get(place).is_some_and(Option::is_some);
        let shown = is_declared(&codes, &declared)
            && found.shown(&finer.question, codes.clone(), &Values::new(), thresholds).is_some();
        if is_value && shown {
            let mut cell = codes;
            if !is_group {
                cell.remove(place);
            }
            *counts.entry(cell).or_default() += 1;
        }
    }
    Ok(counts)
}

pub(crate) fn measures_of(question: &Question) -> BTreeSet<&ColumnOf> {
    question.figures.iter().filter_map(Figure::measure).collect()
}

/// For each group the codes that can be shown, where they are declared.
fn declared_codes(domain: &Domain, question: &Question) -> Vec<Option<BTreeSet<Code>>> {
    question
        .groups
        .iter()
        .map(|of| {
            let table = domain.tables.values().find(|table| table.version == of.source)?;
            let declared: BTreeSet<Code> = match table.item.columns.get(&of.column)? {
                Label::Dimension { codes, bands } if !bands.is_empty() || !codes.is_empty() => {
                    let names = bands.iter().map(|band| &band.label);
                    if bands.is_empty() {
                        codes.iter().cloned().map(Some).collect()
                    } else {
                        names.cloned().map(Some).collect()
                    }
                }
                Label::Dimension { .. } | Label::Measure { .. } | Label::Join | Label::Blocked => {
                    return None;
                }
            };
            Some(match question.filter.get(of) {
                Some(chosen) => declared.intersection(chosen).cloned().collect(),
                None => declared,
            })
        })
        .collect()
}

fn is_declared(codes: &[Code], declared: &[Option<BTreeSet<Code>>]) -> bool {
    codes
        .iter()
        .zip(declared)
        .all(|(code, declared)| declared.as_ref().is_none_or(|declared| declared.contains(code)))
}
