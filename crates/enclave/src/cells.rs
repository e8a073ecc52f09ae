//! What the engine finds of the cells of a question, and which of them may be shown.
//!
//! **Invariant:** what is found never leaves this module but by [`Found::shown`], which holds every
//! rule for a cell by itself. What cells tell together is compared elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrowPrimitiveType, AsArray, PrimitiveArray},
    datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, i256},
    record_batch::RecordBatch,
};
use datafusion::{
    common::{Column, Result as EngineResult, ScalarValue, plan_datafusion_err},
    functions_aggregate::{
        expr_fn::{count, max, min, sum},
        sum::sum_udaf,
    },
    logical_expr::{
        Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder,
        WindowFunctionDefinition, cast, expr::WindowFunction, lit, try_cast, when,
    },
    prelude::col,
};

use crate::{
    Cell, Domain, Objection, SMALLEST_CELL, SubjectKind, Thresholds,
    answer::{Facts, Protected, batches, exact, integers, measures_of, protected},
    checker::ask::{Checked, code},
    domain::constant_error,
    figures::{Moments, mean_text, sum_text},
    question::{Code, ColumnOf, Figure, Question},
    second::second_largest,
};

/// A variance is of so many independent deviations at least (ACRO `safe_dof_threshold`; SACRO-ML).
const DEGREES_OF_FREEDOM: u64 = 10;

/// How many values of a dimension are shown in each cell, by dimension.
pub(crate) type Values = BTreeMap<ColumnOf, BTreeMap<Vec<Code>, u64>>;

/// What the engine finds of one cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    rows: u64,
    measures: BTreeMap<ColumnOf, Measured>,
    /// Subjects by kind: the least of each.
    subjects: BTreeMap<SubjectKind, u64>,
    /// For each kind and measure, how many have it, and how many have it other than zero.
    having: BTreeMap<SubjectKind, Vec<[u64; 2]>>,
    /// Whether a measure is negative for, dominated by, or equal for all of, some subjects.
    open: bool,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    present: u64,
    sum: i128,
    scale: i8,
    squares: Option<i256>,
}

/// A measure of a question, as expressions over its rows.
struct Measure<'a> {
    of: &'a ColumnOf,
    value: Expr,
    /// The square, where it is asked for; what is too large to be squared has none.
    square: Option<Expr>,
}

impl<'a> Measure<'a> {
    fn new(of: &'a ColumnOf, value: Expr, squared: bool, plan: &LogicalPlan) -> EngineResult<Self> {
        let square = if squared {
            let DataType::Decimal128(_, scale) = value.get_type(plan.schema())? else {
                return Err(plan_datafusion_err!("not a decimal"));
            };
            // Nineteen digits squared are thirty-eight, which is what a decimal holds.
            let narrow = try_cast(value.clone(), DataType::Decimal128(19, scale));
            let wide = DataType::Decimal256(76, scale.saturating_mul(2));
            Some(cast(narrow.clone() * narrow, wide))
        } else {
            None
        };
        Ok(Self { of, value, square })
    }
}

fn named(prefix: &str, index: usize) -> String {
    format!("{prefix}{index}")
}

/// One, where a value is other than zero: that all of many contribute nothing tells of each.
fn nonzero(value: Expr) -> EngineResult<Expr> {
    when(value.not_eq(lit(0_i64)), lit(1_i64)).end()
}

/// What is found of contributions: how many there are, their sum, extremes and second largest.
fn contributions(value: &Expr, index: usize) -> EngineResult<Vec<Expr>> {
    Ok(vec![
        count(value.clone()).alias(named("__having", index)),
        count(nonzero(value.clone())?).alias(named("__contributors", index)),
        sum(value.clone()).alias(named("__sum", index)),
        min(value.clone()).alias(named("__min", index)),
        max(value.clone()).alias(named("__max", index)),
        second_largest(value.clone()).alias(named("__next", index)),
    ])
}

/// The plan that finds, for each group, subjects, rows and the figures of each measure.
fn cells_plan(
    filtered: &Arc<LogicalPlan>,
    groups: &[Expr],
    measures: &[Measure<'_>],
    key: Option<&Column>,
) -> EngineResult<LogicalPlan> {
    let rows = LogicalPlanBuilder::new_from_arc(Arc::clone(filtered));
    let group_names: Vec<String> = (0..groups.len()).map(|index| named("__g", index)).collect();
    let mut inner_groups: Vec<Expr> =
        groups.iter().zip(&group_names).map(|(group, name)| group.clone().alias(name)).collect();
    let Some(key) = key else {
        // Each row is a subject: nothing is counted twice under two names.
        let mut aggregates = vec![count(lit(1_i64)).alias("__rows")];
        let mut columns: Vec<Expr> = group_names.iter().map(col).collect();
        columns.extend([col("__rows").alias("__subjects"), col("__rows")]);
        for (index, measure) in measures.iter().enumerate() {
            aggregates.extend(contributions(&measure.value, index)?);
            columns.push(col(named("__having", index)).alias(named("__present", index)));
            for name in ["__having", "__contributors", "__sum", "__min", "__max", "__next"] {
                columns.push(col(named(name, index)));
            }
            if let Some(square) = &measure.square {
                aggregates.push(sum(square.clone()).alias(named("__squares", index)));
                aggregates.push(count(square.clone()).alias(named("__squared", index)));
                columns.extend(["__squares", "__squared"].map(|name| col(named(name, index))));
            }
        }
        return rows.aggregate(inner_groups, aggregates)?.project(columns)?.build();
    };
    inner_groups.push(Expr::Column(key.clone()).alias("__subject"));
    let mut inner = vec![count(lit(1_i64)).alias("__n")];
    let mut outer = vec![count(lit(1_i64)).alias("__subjects"), sum(col("__n")).alias("__rows")];
    for (index, measure) in measures.iter().enumerate() {
        inner.push(count(measure.value.clone()).alias(named("__p", index)));
        inner.push(sum(measure.value.clone()).alias(named("__s", index)));
        outer.push(sum(col(named("__p", index))).alias(named("__present", index)));
        outer.extend(contributions(&col(named("__s", index)), index)?);
        if let Some(square) = &measure.square {
            inner.push(sum(square.clone()).alias(named("__q", index)));
            inner.push(count(square.clone()).alias(named("__f", index)));
            outer.push(sum(col(named("__q", index))).alias(named("__squares", index)));
            outer.push(sum(col(named("__f", index))).alias(named("__squared", index)));
        }
    }
    rows.aggregate(inner_groups, inner)?
        .aggregate(group_names.iter().map(col).collect::<Vec<_>>(), outer)?
        .build()
}

/// The plan that finds, for each group, what subjects contribute to a sum of squares and to the
/// squared deviations from the mean: either may be mostly one subject's where the sum is not.
fn spread_plan(
    filtered: &Arc<LogicalPlan>,
    groups: &[Expr],
    measure: &Measure<'_>,
    key: &Column,
) -> EngineResult<LogicalPlan> {
    let value = cast(measure.value.clone(), DataType::Float64);
    let group_names: Vec<String> = (0..groups.len()).map(|index| named("__g", index)).collect();
    let with_groups =
        |columns: Vec<Expr>| -> Vec<Expr> { group_names.iter().map(col).chain(columns).collect() };
    let mut by_subject: Vec<Expr> =
        groups.iter().zip(&group_names).map(|(group, name)| group.clone().alias(name)).collect();
    by_subject.push(Expr::Column(key.clone()).alias("__subject"));
    let each = [
        count(value.clone()).alias("__n"),
        sum(value.clone()).alias("__s"),
        sum(value.clone() * value).alias("__q"),
    ];
    let number = cast(col("__n"), DataType::Float64).alias("__p");
    let all = |name: &str| -> EngineResult<Expr> {
        let definition = WindowFunctionDefinition::AggregateUDF(sum_udaf());
        let all = Expr::from(WindowFunction::new(definition, vec![col(name)]));
        Ok(all.partition_by(with_groups(Vec::new())).build()?.alias(format!("{name}_all")))
    };
    let mean = col("__s_all") / col("__p_all");
    let deviation =
        col("__q") - lit(2.0_f64) * mean.clone() * col("__s") + mean.clone() * mean * col("__p");
    let parts = vec![col("__q").alias("__square"), deviation.alias("__deviation")];
    let shares = ["__square", "__deviation"].into_iter().flat_map(|name| {
        [
            sum(col(name)).alias(format!("{name}_sum")),
            max(col(name)).alias(format!("{name}_max")),
            second_largest(col(name)).alias(format!("{name}_next")),
        ]
    });
    LogicalPlanBuilder::new_from_arc(Arc::clone(filtered))
        .aggregate(by_subject, each)?
        .project(with_groups(vec![number, col("__s"), col("__q")]))?
        .window([all("__s")?, all("__p")?])?
        .project(with_groups(parts))?
        .aggregate(with_groups(Vec::new()), shares.collect::<Vec<_>>())?
        .build()
}

/// The values of a column of one type.
fn typed<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> EngineResult<&'a PrimitiveArray<T>> {
    let array = batch.column_by_name(name).ok_or_else(|| plan_datafusion_err!("no column"))?;
    array.as_primitive_opt::<T>().ok_or_else(|| plan_datafusion_err!("another type"))
}

fn value_at<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    array.is_valid(row).then(|| array.value(row))
}

/// The codes of the groups of a row.
fn codes_at(batch: &RecordBatch, groups: usize, row: usize) -> EngineResult<Vec<Code>> {
    let missing = || plan_datafusion_err!("no column");
    (0..groups)
        .map(|index| {
            let array = batch.column_by_name(&named("__g", index)).ok_or_else(missing)?;
            code(&ScalarValue::try_from_array(array, row)?).ok_or_else(missing)
        })
        .collect()
}

/// Finds the cells of a checked question.
///
/// # Errors
///
/// An objection in constant words if the engine cannot complete it.
pub(crate) async fn find(
    domain: &Domain,
    facts: &Facts,
    checked: &Checked,
    thresholds: &Thresholds,
) -> Result<BTreeMap<Vec<Code>, Found>, Objection> {
    let tables = protected(domain, checked);
    let is_alone = checked.question.relation.sources.len() == 1;
    let mut known = Vec::with_capacity(tables.len());
    for table in &tables {
        known.push(if is_alone { Some(facts.of(domain, &table.of).await?) } else { None });
    }
    let one_row_each = known.iter().all(|key| key.is_some_and(|key| key.unique));
    // Rows without a subject belong to nobody: they are in no cell, under no count. Where every
    // row is known to have one, the key need not even be read.
    let incomplete = tables
        .iter()
        .zip(&known)
        .filter(|(_, key)| !key.is_some_and(|key| key.complete))
        .map(|(table, _)| table.key.clone());
    let incomplete: Vec<Column> = incomplete.collect();
    let search = Search { domain, checked, thresholds, tables, one_row_each };
    search.run(incomplete).await.map_err(|error| constant_error(&error))
}

/// A search for cells.
struct Search<'a> {
    domain: &'a Domain,
    checked: &'a Checked,
    thresholds: &'a Thresholds,
    tables: Vec<Protected>,
    /// Whether no two rows are one subject's.
    one_row_each: bool,
}

impl Search<'_> {
    async fn run(&self, incomplete: Vec<Column>) -> EngineResult<BTreeMap<Vec<Code>, Found>> {
        let column = |of: &ColumnOf| -> EngineResult<&Column> {
            self.checked.columns.get(of).ok_or_else(|| plan_datafusion_err!("no column"))
        };
        let question = &self.checked.question;
        let groups = question.groups.iter();
        let groups: Vec<Expr> =
            groups.map(|of| Ok(Expr::Column(column(of)?.clone()))).collect::<EngineResult<_>>()?;
        let squared: BTreeSet<&ColumnOf> =
            question.figures.iter().filter_map(Figure::squared).collect();
        let filtered = &self.checked.filtered;
        let measures: Vec<Measure<'_>> = measures_of(question)
            .into_iter()
            .map(|of| {
                let value = exact(filtered, column(of)?)?;
                Measure::new(of, value, squared.contains(of), filtered)
            })
            .collect::<EngineResult<_>>()?;
        let mut rows = LogicalPlanBuilder::new_from_arc(Arc::clone(filtered));
        for key in incomplete {
            rows = rows.filter(Expr::Column(key).is_not_null())?;
        }
        let rows = Arc::new(rows.build()?);
        let mut cells: BTreeMap<Vec<Code>, Found> = BTreeMap::new();
        for table in &self.tables {
            let key = Some(&table.key).filter(|_| !self.one_row_each);
            let plan = cells_plan(&rows, &groups, &measures, key)?;
            for batch in batches(self.domain, plan).await? {
                self.read(&batch, groups.len(), &measures, Some(table.kind), &mut cells)?;
            }
            for measure in measures.iter().filter(|measure| measure.square.is_some()) {
                let plan = spread_plan(&rows, &groups, measure, &table.key)?;
                for batch in batches(self.domain, plan).await? {
                    self.read_spread(&batch, groups.len(), &mut cells)?;
                }
            }
        }
        if self.tables.is_empty() {
            // The rows are about nobody, so they are counted themselves.
            let plan = cells_plan(&rows, &groups, &measures, None)?;
            for batch in batches(self.domain, plan).await? {
                self.read(&batch, groups.len(), &measures, None, &mut cells)?;
            }
        }
        Ok(cells)
    }

    /// Takes in what is found of cells, by the subjects of one table.
    fn read(
        &self,
        batch: &RecordBatch,
        groups: usize,
        measures: &[Measure<'_>],
        kind: Option<SubjectKind>,
        cells: &mut BTreeMap<Vec<Code>, Found>,
    ) -> EngineResult<()> {
        let (subjects, rows) = (integers(batch, "__subjects")?, integers(batch, "__rows")?);
        let mut numbers = Vec::with_capacity(measures.len());
        for index in 0..measures.len() {
            let of = |name| integers(batch, &named(name, index));
            numbers.push([of("__having")?, of("__contributors")?, of("__present")?]);
        }
        let at = |numbers: &[u64], row: usize| numbers.get(row).copied().unwrap_or(0);
        for row in 0..batch.num_rows() {
            let found = cells.entry(codes_at(batch, groups, row)?).or_default();
            found.rows = at(&rows, row);
            if let Some(kind) = kind {
                let least = found.subjects.entry(kind).or_insert(u64::MAX);
                *least = (*least).min(at(&subjects, row));
                let having =
                    numbers.iter().map(|[having, others, _]| [at(having, row), at(others, row)]);
                found.having.insert(kind, having.collect());
            }
            for (index, (measure, [.., present])) in measures.iter().zip(&numbers).enumerate() {
                match self.measured(batch, (index, row), measure, at(present, row), kind)? {
                    Some(told) => {
                        found.measures.insert(measure.of.clone(), told);
                    }
                    None => found.open = true,
                }
            }
        }
        Ok(())
    }

    /// The figures of a measure in a cell; none where nothing of it may be shown.
    fn measured(
        &self,
        batch: &RecordBatch,
        (index, row): (usize, usize),
        measure: &Measure<'_>,
        present: u64,
        kind: Option<SubjectKind>,
    ) -> EngineResult<Option<Measured>> {
        let of = |name: &str| typed::<Decimal128Type>(batch, &named(name, index));
        let sums = of("__sum")?;
        let DataType::Decimal128(_, scale) = sums.data_type() else { return Ok(None) };
        let values =
            (value_at(sums, row), value_at(of("__min")?, row), value_at(of("__max")?, row));
        let (Some(sum), Some(least), Some(most)) = values else {
            // Nobody has the measure, so nothing of it is shown.
            return Ok(None);
        };
        let next = value_at(of("__next")?, row).unwrap_or(0);
        let percent = i128::from(self.thresholds.dominance_percent);
        let rest = sum.saturating_sub(most).saturating_sub(next);
        // Dominance is not defined where contributions are negative: such cells stay closed.
        let is_open = kind.is_some()
            && (least < 0
                || least == most
                || rest.saturating_mul(100) < most.saturating_mul(percent));
        let mut measured = Measured { present, sum, scale: *scale, squares: None };
        if measure.square.is_some() {
            let squares = typed::<Decimal256Type>(batch, &named("__squares", index))?;
            let taken = integers(batch, &named("__squared", index))?;
            // A value that is too large to be squared would be missing.
            if taken.get(row) != Some(&present) {
                return Ok(None);
            }
            measured.squares = value_at(squares, row);
        }
        Ok((!is_open).then_some(measured))
    }

    /// Closes cells of which the squares or the deviations are mostly one subject's.
    fn read_spread(
        &self,
        batch: &RecordBatch,
        groups: usize,
        cells: &mut BTreeMap<Vec<Code>, Found>,
    ) -> EngineResult<()> {
        let percent = f64::from(self.thresholds.dominance_percent);
        for name in ["__square", "__deviation"] {
            let of = |what: &str| typed::<Float64Type>(batch, &format!("{name}_{what}"));
            let (sums, most, next) = (of("sum")?, of("max")?, of("next")?);
            for row in 0..batch.num_rows() {
                let most = value_at(most, row).unwrap_or(0.0);
                let rest =
                    value_at(sums, row).unwrap_or(0.0) - most - value_at(next, row).unwrap_or(0.0);
                // What is not known to be enough is too little.
                let bears = rest * 100.0 >= most * percent;
                if let Some(found) = cells.get_mut(&codes_at(batch, groups, row)?) {
                    found.open |= !bears;
                }
            }
        }
        Ok(())
    }
}

impl Found {
    /// The cell as it is shown, if it may be.
    pub(crate) fn shown(
        &self,
        question: &Question,
        codes: Vec<Code>,
        values: &Values,
        thresholds: &Thresholds,
    ) -> Option<Cell> {
        // Rows about nobody: a cell of one is that row.
        let is_row = self.subjects.is_empty() && self.rows < u64::from(SMALLEST_CELL);
        if self.open || is_row {
            return None;
        }
        for (kind, subjects) in &self.subjects {
            let least = u64::from(thresholds.of(*kind));
            if *subjects < least {
                return None;
            }
            for [having, contributors] in self.having.get(kind).into_iter().flatten() {
                let absent = subjects - having.min(subjects);
                if *contributors < least || (absent > 0 && absent < least) {
                    return None;
                }
            }
        }
        let figures = question
            .figures
            .iter()
            .map(|figure| self.figure(figure, question, &codes, values))
            .collect::<Option<Vec<String>>>()?;
        Some(Cell {
            codes,
            figures,
            rows: self.rows,
            subjects: self.subjects.values().copied().min().unwrap_or(0),
        })
    }

    fn figure(
        &self,
        figure: &Figure,
        question: &Question,
        codes: &[Code],
        values: &Values,
    ) -> Option<String> {
        let measured = |of: &ColumnOf| self.measures.get(of);
        match figure {
            Figure::Rows => Some(self.rows.to_string()),
            Figure::Subjects(_) => self.subjects.values().min().map(ToString::to_string),
            Figure::Present(of) => measured(of).map(|found| found.present.to_string()),
            Figure::Sum(of) => measured(of).and_then(|found| sum_text(found.sum, found.scale)),
            Figure::Mean(of) => {
                measured(of).and_then(|found| mean_text(found.sum, found.scale, found.present))
            }
            Figure::Distinct(of) => values.get(of)?.get(codes).map(ToString::to_string),
            Figure::Variance(of) => self.moments(question, of)?.variance_text(),
            Figure::Deviation(of) => self.moments(question, of)?.deviation_text(),
        }
    }

    /// What the variance of a measure is made of, where there are enough degrees of freedom: of
    /// subjects, or of rows about nobody.
    fn moments(&self, question: &Question, of: &ColumnOf) -> Option<Moments> {
        let Measured { present, sum, scale, squares } = *self.measures.get(of)?;
        let place = measures_of(question).into_iter().position(|other| other == of)?;
        let having =
            self.having.values().filter_map(|all| all.get(place)).map(|[having, _]| *having);
        let independent = having.min().unwrap_or(present);
        let moments = Moments { count: present, sum, squares: squares?, scale };
        (independent > DEGREES_OF_FREEDOM).then_some(moments)
    }
}
