//! Runs a checked question, and shows only the cells that enough subjects stand behind.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Decimal128Type, Int64Type},
    record_batch::RecordBatch,
};
use datafusion::{
    common::{Column, Result as EngineResult, ScalarValue, plan_datafusion_err},
    dataframe::DataFrame,
    functions_aggregate::expr_fn::{count, count_distinct, max, min, sum},
    logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, try_cast},
    prelude::col,
};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::{
    Domain, Label, Objection, SMALLEST_CELL, SubjectKind, Thresholds,
    checker::ask::{Checked, code},
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

/// What the engine finds of one cell. It never leaves this module unless the cell is shown.
#[derive(Debug, Clone, Default)]
struct Found {
    rows: u64,
    measures: Vec<FoundMeasure>,
    /// Subjects, and for each measure contributors, by subject kind: the least of each.
    subjects: BTreeMap<SubjectKind, u64>,
    contributors: BTreeMap<SubjectKind, Vec<u64>>,
    /// Whether a measure is negative for, dominated by, or equal for all of, some subjects.
    open: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct FoundMeasure {
    present: u64,
    sum: i128,
    scale: i8,
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
struct Protected {
    kind: SubjectKind,
    key: Column,
    of: ColumnOf,
}

fn protected(domain: &Domain, checked: &Checked) -> Vec<Protected> {
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

async fn batches(domain: &Domain, plan: LogicalPlan) -> EngineResult<Vec<RecordBatch>> {
    let mut stream = DataFrame::new(domain.state.clone(), plan).execute_stream().await?;
    let mut all = Vec::new();
    while let Some(batch) = stream.next().await {
        all.push(batch?);
    }
    Ok(all)
}

fn integers(batch: &RecordBatch, name: &str) -> EngineResult<Vec<u64>> {
    let array = batch.column_by_name(name).ok_or_else(|| plan_datafusion_err!("no column"))?;
    let array = arrow::compute::cast(array, &DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().iter().map(|n| n.unwrap_or(0).cast_unsigned()).collect())
}

impl Facts {
    /// What holds of a column.
    async fn of(
        &self,
        domain: &Domain,
        plan: &Arc<LogicalPlan>,
        of: &ColumnOf,
        column: &Column,
    ) -> EngineResult<KeyFacts> {
        if let Some(known) = self.known(of) {
            return Ok(known);
        }
        let scan = scan_of(plan, column).unwrap_or_else(|| Arc::clone(plan));
        self.find(domain, scan, of, column).await
    }

    /// What was found out of a column.
    pub(crate) fn known(&self, of: &ColumnOf) -> Option<KeyFacts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(of).copied()
    }

    /// Finds out, by reading it, what holds of a column of a scan.
    pub(crate) async fn find(
        &self,
        domain: &Domain,
        scan: Arc<LogicalPlan>,
        of: &ColumnOf,
        column: &Column,
    ) -> EngineResult<KeyFacts> {
        let key = Expr::Column(column.clone());
        let counted = LogicalPlanBuilder::new_from_arc(scan)
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
        let facts = found.ok_or_else(|| plan_datafusion_err!("an aggregate without a row"))?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(of.clone(), facts);
        Ok(facts)
    }
}

/// The scan, under its alias if it has one, that a column comes from.
fn scan_of(plan: &Arc<LogicalPlan>, column: &Column) -> Option<Arc<LogicalPlan>> {
    match plan.as_ref() {
        LogicalPlan::Join(join) => {
            scan_of(&join.left, column).or_else(|| scan_of(&join.right, column))
        }
        _table => plan.schema().has_column(column).then(|| Arc::clone(plan)),
    }
}

/// Refuses a join that would multiply the rows of both sides.
pub(crate) async fn check_fan_out(domain: &Domain, facts: &Facts, checked: &Checked) -> Checks<()> {
    for (left, right) in &checked.question.relation.joins {
        let mut unique = false;
        for of in [left, right] {
            if let Some(column) = checked.columns.get(of) {
                unique |= facts
                    .of(domain, &checked.base, of, column)
                    .await
                    .map_err(|error| constant_error(&error))?
                    .unique;
            }
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

/// The plan that finds, for each group, subjects, rows and the figures of each measure.
fn cells_plan(
    filtered: &Arc<LogicalPlan>,
    groups: &[Expr],
    measures: &[Expr],
    key: Option<&Column>,
    one_row_each: bool,
) -> EngineResult<LogicalPlan> {
    let rows = LogicalPlanBuilder::new_from_arc(Arc::clone(filtered));
    let named = |prefix: &str, index: usize| format!("{prefix}{index}");
    let group_names: Vec<String> = (0..groups.len()).map(|index| named("__g", index)).collect();
    let Some(key) = key.filter(|_| !one_row_each) else {
        // Each row is a subject: nothing is counted twice under two names.
        let mut aggregates = vec![count(lit(1_i64)).alias("__rows")];
        let mut columns: Vec<Expr> = group_names.iter().map(col).collect();
        columns.extend([col("__rows").alias("__subjects"), col("__rows")]);
        for (index, measure) in measures.iter().enumerate() {
            let present = named("__present", index);
            columns.extend([col(&present).alias(named("__contributors", index)), col(&present)]);
            aggregates.push(count(measure.clone()).alias(present));
            for (name, figure) in [
                ("__sum", sum(measure.clone())),
                ("__min", min(measure.clone())),
                ("__max", max(measure.clone())),
            ] {
                aggregates.push(figure.alias(named(name, index)));
                columns.push(col(named(name, index)));
            }
        }
        let groups: Vec<Expr> = groups
            .iter()
            .zip(&group_names)
            .map(|(group, name)| group.clone().alias(name))
            .collect();
        return rows.aggregate(groups, aggregates)?.project(columns)?.build();
    };
    let mut inner_groups: Vec<Expr> =
        groups.iter().zip(&group_names).map(|(group, name)| group.clone().alias(name)).collect();
    inner_groups.push(Expr::Column(key.clone()).alias("__subject"));
    let mut inner = vec![count(lit(1_i64)).alias("__n")];
    for (index, measure) in measures.iter().enumerate() {
        inner.extend([
            count(measure.clone()).alias(named("__p", index)),
            sum(measure.clone()).alias(named("__s", index)),
        ]);
    }
    let mut outer = vec![count(lit(1_i64)).alias("__subjects"), sum(col("__n")).alias("__rows")];
    for index in 0..measures.len() {
        let of_subject = || col(named("__s", index));
        outer.extend([
            count(of_subject()).alias(named("__contributors", index)),
            sum(col(named("__p", index))).alias(named("__present", index)),
            sum(of_subject()).alias(named("__sum", index)),
            min(of_subject()).alias(named("__min", index)),
            max(of_subject()).alias(named("__max", index)),
        ]);
    }
    rows.aggregate(inner_groups, inner)?
        .aggregate(group_names.iter().map(col).collect::<Vec<_>>(), outer)?
        .build()
}

/// The value of a decimal column at a row, with its scale.
fn decimal(batch: &RecordBatch, name: &str, row: usize) -> EngineResult<Option<(i128, i8)>> {
    let array = batch.column_by_name(name).ok_or_else(|| plan_datafusion_err!("no column"))?;
    let DataType::Decimal128(_, scale) = array.data_type() else {
        return Err(plan_datafusion_err!("not a decimal"));
    };
    let array = array.as_primitive::<Decimal128Type>();
    Ok(array.is_valid(row).then(|| (array.value(row), *scale)))
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
    let found = find_cells(domain, facts, checked, thresholds)
        .await
        .map_err(|error| constant_error(&error))?;
    let question = checked.question.clone();
    let declared = declared_codes(domain, &question);
    let measures: Vec<&ColumnOf> = measures_of(&question).into_iter().collect();
    let mut cells: Vec<Cell> = found
        .into_iter()
        .filter(|(codes, _)| is_declared(codes, &declared))
        .filter_map(|(codes, found)| shown(&question, &measures, codes, &found, thresholds))
        .collect();
    cells.sort_by(|left, right| left.codes.cmp(&right.codes));
    let withheld = declared
        .iter()
        .map(|codes| codes.as_ref().map(|codes| codes.len() as u64))
        .try_fold(1_u64, |product, count| count.and_then(|count| product.checked_mul(count)))
        .map(|total| total.saturating_sub(cells.len() as u64));
    Ok(Answer { question, cells, withheld })
}

fn measures_of(question: &Question) -> BTreeSet<&ColumnOf> {
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

async fn find_cells(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    thresholds: &Thresholds,
) -> EngineResult<BTreeMap<Vec<Code>, Found>> {
    let column = |of: &ColumnOf| -> EngineResult<&Column> {
        checked.columns.get(of).ok_or_else(|| plan_datafusion_err!("no column"))
    };
    let groups: Vec<Expr> = checked
        .question
        .groups
        .iter()
        .map(|of| Ok(Expr::Column(column(of)?.clone())))
        .collect::<EngineResult<_>>()?;
    let measures: Vec<Expr> = measures_of(&checked.question)
        .into_iter()
        .map(|of| exact(&checked.filtered, column(of)?))
        .collect::<EngineResult<_>>()?;
    let tables = protected(domain, checked);
    let is_alone = checked.question.relation.sources.len() == 1;
    let mut filtered = LogicalPlanBuilder::new_from_arc(Arc::clone(&checked.filtered));
    let mut one_row_each = Vec::with_capacity(tables.len());
    for table in &tables {
        let known = if is_alone {
            Some(facts.of(domain, &checked.base, &table.of, &table.key).await?)
        } else {
            None
        };
        // Rows without a subject belong to nobody: they are in no cell, under no count. Where
        // every row is known to have one, the key need not even be read.
        if !known.is_some_and(|key| key.complete) {
            filtered = filtered.filter(Expr::Column(table.key.clone()).is_not_null())?;
        }
        one_row_each.push(known.is_some_and(|key| key.unique));
    }
    let filtered = Arc::new(filtered.build()?);
    let mut cells: BTreeMap<Vec<Code>, Found> = BTreeMap::new();
    for (table, one_row_each) in tables.iter().zip(one_row_each) {
        let plan = cells_plan(&filtered, &groups, &measures, Some(&table.key), one_row_each)?;
        let kind = Some(table.kind);
        for batch in batches(domain, plan).await? {
            read_cells(&batch, groups.len(), measures.len(), kind, thresholds, &mut cells)?;
        }
    }
    if tables.is_empty() {
        // The rows are about nobody, so they are counted themselves.
        let plan = cells_plan(&filtered, &groups, &measures, None, true)?;
        for batch in batches(domain, plan).await? {
            read_cells(&batch, groups.len(), measures.len(), None, thresholds, &mut cells)?;
        }
    }
    Ok(cells)
}

fn read_cells(
    batch: &RecordBatch,
    groups: usize,
    measures: usize,
    kind: Option<SubjectKind>,
    thresholds: &Thresholds,
    cells: &mut BTreeMap<Vec<Code>, Found>,
) -> EngineResult<()> {
    let missing = || plan_datafusion_err!("no column");
    let (subjects, rows) = (integers(batch, "__subjects")?, integers(batch, "__rows")?);
    let mut counts = Vec::with_capacity(measures);
    for index in 0..measures {
        counts.push((
            integers(batch, &format!("__contributors{index}"))?,
            integers(batch, &format!("__present{index}"))?,
        ));
    }
    for row in 0..batch.num_rows() {
        let codes: Vec<Code> = (0..groups)
            .map(|index| {
                let array = batch.column_by_name(&format!("__g{index}")).ok_or_else(missing)?;
                code(&ScalarValue::try_from_array(array, row)?).ok_or_else(missing)
            })
            .collect::<EngineResult<_>>()?;
        let at = |numbers: &[u64]| numbers.get(row).copied().unwrap_or(0);
        let found = cells.entry(codes).or_default();
        found.rows = at(&rows);
        if let Some(kind) = kind {
            let least = found.subjects.entry(kind).or_insert(u64::MAX);
            *least = (*least).min(at(&subjects));
            let contributors = counts.iter().map(|(contributors, _)| at(contributors)).collect();
            found.contributors.insert(kind, contributors);
        }
        found.measures.clear();
        for (index, (_, present)) in counts.iter().enumerate() {
            let value = |name: &str| decimal(batch, &format!("{name}{index}"), row);
            let (total, least, most) = (value("__sum")?, value("__min")?, value("__max")?);
            let (Some((sum, scale)), Some((least, _)), Some((most, _))) = (total, least, most)
            else {
                // Nobody has the measure, so nothing of it is shown.
                found.open = true;
                found.measures.push(FoundMeasure::default());
                continue;
            };
            let limit = i128::from(thresholds.dominance_percent);
            // Dominance is not defined where contributions are negative: such cells stay closed.
            found.open |= kind.is_some()
                && (least < 0
                    || least == most
                    || most.saturating_mul(100) > sum.saturating_mul(limit));
            found.measures.push(FoundMeasure { present: at(present), sum, scale });
        }
    }
    Ok(())
}

/// The cell as it is shown, if it may be.
fn shown(
    question: &Question,
    measures: &[&ColumnOf],
    codes: Vec<Code>,
    found: &Found,
    thresholds: &Thresholds,
) -> Option<Cell> {
    // Rows about nobody: a cell of one is that row.
    let is_row = found.subjects.is_empty() && found.rows < u64::from(SMALLEST_CELL);
    if found.open || is_row {
        return None;
    }
    for (kind, subjects) in &found.subjects {
        let least = u64::from(thresholds.of(*kind));
        if *subjects < least {
            return None;
        }
        for contributors in found.contributors.get(kind).into_iter().flatten() {
            let absent = subjects - contributors.min(subjects);
            if *contributors < least || (absent > 0 && absent < least) {
                return None;
            }
        }
    }
    let measure = |of: &ColumnOf| {
        measures.iter().position(|other| *other == of).and_then(|index| found.measures.get(index))
    };
    let figures = question
        .figures
        .iter()
        .map(|figure| match figure {
            Figure::Rows => Some(found.rows.to_string()),
            Figure::Subjects(_) => found.subjects.values().min().map(ToString::to_string),
            Figure::Present(of) => measure(of).map(|found| found.present.to_string()),
            Figure::Sum(of) => measure(of).map(|found| decimal_text(found.sum, found.scale)),
            Figure::Mean(of) => measure(of).and_then(mean_text),
        })
        .collect::<Option<Vec<String>>>()?;
    Some(Cell {
        codes,
        figures,
        rows: found.rows,
        subjects: found.subjects.values().copied().min().unwrap_or(0),
    })
}

/// A decimal of which `scale` digits stand after the point.
fn decimal_text(value: i128, scale: i8) -> String {
    let scale = usize::from(scale.max(0).unsigned_abs());
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// The mean, rounded half up to two places: finer digits would tell the number behind it.
fn mean_text(found: &FoundMeasure) -> Option<String> {
    let count = i128::from(found.present);
    let unit = 10_i128.checked_pow(u32::from(found.scale.max(0).unsigned_abs()))?;
    let hundredths = found.sum.checked_mul(100)?;
    let divisor = unit.checked_mul(count).filter(|divisor| *divisor > 0)?;
    Some(decimal_text((hundredths + divisor / 2).div_euclid(divisor), 2))
}
