//! Reads the rows that answers are about, and says of each in which cell of its space it lies.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, btree_map, hash_map::RandomState},
    hash::BuildHasher,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    compute::cast as cast_array,
    datatypes::{DataType, Decimal128Type},
    record_batch::RecordBatch,
};
use datafusion::{
    common::{Column, JoinType, Result as EngineResult, ScalarValue, plan_datafusion_err},
    dataframe::DataFrame,
    datasource::provider_as_source,
    execution::memory_pool::{MemoryConsumer, MemoryReservation},
    logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit, try_cast},
};
use futures::StreamExt;

use super::shape::{Base, End, Link, Marks, Place, Rows, Shape, Space};
use crate::{
    ColumnOf, DatasetVersion, Domain, Held, Mark, Objection, Question, Relation,
    answer::{Facts, exact},
    barrier::sight,
    checker::ask::code,
    consent::Consented,
    domain::{Histories, constant_error, not_comparable},
    governed::Governed,
};

type Checks<T> = Result<T, Objection>;

/// The rows of one subject in one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) subject: u32,
    pub(super) base: u32,
    pub(super) cell: u32,
    /// Where its amounts begin.
    at: usize,
    pub(super) rows: u64,
}

/// What rows come to in a measure: in how many it is present, and their sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) present: u64,
    pub(super) sum: i128,
}

/// The cells of a space that rows lie in.
#[derive(Debug, Default)]
pub(super) struct Cells {
    /// For each lens, the numbers of its codes; 0 is the absent one.
    codes: Vec<HashMap<String, u32>>,
    numbers: HashMap<Vec<u32>, u32>,
    /// For each cell, the codes under the lenses, and then for each link whether it keeps the row.
    pub(super) all: Vec<Vec<u32>>,
}

impl Cells {
    /// The number of a code, if a row has it.
    pub(super) fn code(&self, lens: usize, code: Option<&str>) -> Option<u32> {
        match code {
            None => Some(0),
            Some(text) => self.codes.get(lens)?.get(text).copied(),
        }
    }

    fn number(&mut self, codes: &[u32]) -> u32 {
        if let Some(number) = self.numbers.get(codes) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.numbers.insert(codes.to_vec(), number);
        self.all.push(codes.to_vec());
        number
    }
}

/// The numbers that cells must have, by place.
pub(super) type Wanted = Vec<(usize, HashSet<u32>)>;

/// All rows, by subject.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    totals: Vec<Total>,
    pub(super) spaces: Vec<Cells>,
    subjects: HashMap<u64, u32>,
    /// Subjects are told apart by a keyed digest, which is as good as their key and shorter.
    digests: RandomState,
    /// What all this takes of the memory of the question.
    memory: MemoryReservation,
}

impl Read {
    fn new(domain: &Domain, shape: &Shape) -> Self {
        let cells = |lenses| Cells { codes: vec![HashMap::new(); lenses], ..Cells::default() };
        let pool = &domain.state.runtime_env().memory_pool;
        Self {
            entries: Vec::new(),
            totals: Vec::new(),
            spaces: shape.spaces.iter().map(|space| cells(space.lenses.len())).collect(),
            subjects: HashMap::new(),
            digests: RandomState::new(),
            memory: MemoryConsumer::new("comparison").register(pool),
        }
    }

    /// Takes memory for so many rows: each is sorted and gathered, and divides an atom at worst.
    fn grow(&mut self, rows: usize, amounts: usize) -> EngineResult<()> {
        const ATOM_BYTES: usize = 64;
        let row = 2 * size_of::<Entry>() + amounts * size_of::<Total>() + ATOM_BYTES;
        self.memory.try_grow(rows.saturating_mul(row))
    }

    /// The amounts of an entry, which has so many.
    pub(super) fn totals(&self, entry: &Entry, amounts: usize) -> &[Total] {
        self.totals.get(entry.at..entry.at + amounts).unwrap_or(&[])
    }

    /// What the cells must have of the rows that a question's grant lets through, by place: none if
    /// the question is in other terms.
    pub(super) fn barrier(&self, shape: &Shape, question: &Question) -> Option<Wanted> {
        let seen = shape.seen(question)?;
        let (space, cells) = (shape.spaces.get(seen.space)?, self.spaces.get(seen.space)?);
        let mut wanted = Vec::new();
        for (of, values) in &question.scope {
            let lens = shape.scope_lens(seen, of)?;
            let codes = values.iter().filter_map(|value| cells.code(lens, Some(value)));
            wanted.push((lens, codes.collect()));
        }
        let marks = space.lenses.len() + space.links.len();
        wanted.extend(seen.mark.map(|mark| (marks + mark, HashSet::from([1]))));
        Some(wanted)
    }

    /// Forgets rows that none of the questions was about: what cannot be seen changes nothing.
    pub(super) fn restrict<'q>(
        &mut self,
        shape: &Shape,
        questions: impl Iterator<Item = &'q Question>,
    ) {
        let mut seen_in: BTreeMap<usize, Vec<Wanted>> = BTreeMap::new();
        for question in questions {
            if let (Some(seen), Some(wanted)) =
                (shape.seen(question), self.barrier(shape, question))
            {
                seen_in.entry(seen.base).or_default().push(wanted);
            }
        }
        let spaces = &self.spaces;
        self.entries.retain(|entry| {
            let base = entry.base as usize;
            let space = shape.bases.get(base).and_then(|base| spaces.get(base.space));
            let Some(cell) = space.and_then(|space| space.all.get(entry.cell as usize)) else {
                return false;
            };
            seen_in.get(&base).into_iter().flatten().any(|wanted| {
                wanted
                    .iter()
                    .all(|(place, codes)| cell.get(*place).is_some_and(|it| codes.contains(it)))
            })
        });
    }

    fn subject(&mut self, key: &str) -> u32 {
        let next = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        *self.subjects.entry(self.digests.hash_one(key)).or_insert(next)
    }

    /// Brings the entries of each subject together, one for each cell.
    fn gather(&mut self, shape: &Shape) {
        self.entries.sort_unstable();
        let mut gathered: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for entry in std::mem::take(&mut self.entries) {
            let place = |it: &Entry| (it.subject, it.base, it.cell);
            match gathered.last_mut() {
                Some(last) if place(last) == place(&entry) => {
                    last.rows += entry.rows;
                    let base = shape.bases.get(entry.base as usize);
                    let space = base.and_then(|base| shape.spaces.get(base.space));
                    for index in 0..space.map_or(0, |space| space.amounts.len()) {
                        let more = self.totals.get(entry.at + index).copied().unwrap_or_default();
                        if let Some(total) = self.totals.get_mut(last.at + index) {
                            total.present += more.present;
                            total.sum = total.sum.saturating_add(more.sum);
                        }
                    }
                }
                _ => gathered.push(entry),
            }
        }
        self.entries = gathered;
    }
}

/// Reads all rows that a comparison is about.
pub(super) async fn read(domain: &Domain, shape: &Shape, key: &str) -> Checks<Read> {
    let mut read = Read::new(domain, shape);
    let histories = histories(domain, shape).await?;
    let reading = Reading { domain, histories: &histories };
    for (index, base) in (0_u32..).zip(&shape.bases) {
        let Some(space) = shape.spaces.get(base.space) else { continue };
        let plan = match &base.rows {
            Rows::Of(version) => spine(reading, space, *version, key).await?,
            Rows::Joined(relation, consents) => {
                joined(reading, shape, space, (relation, consents), key).await?
            }
        };
        let frame = DataFrame::new(domain.state.clone(), plan);
        let mut batches = frame.execute_stream().await.map_err(|error| constant_error(&error))?;
        while let Some(batch) = batches.next().await {
            batch
                .and_then(|batch| read_batch(&batch, index, base, (space, &histories), &mut read))
                .map_err(|error| constant_error(&error))?;
        }
    }
    read.gather(shape);
    Ok(read)
}

/// Where rows are read, and by whose consents they were there.
#[derive(Clone, Copy)]
struct Reading<'a> {
    domain: &'a Domain,
    histories: &'a Histories,
}

/// The consents that answers rested on.
async fn histories(domain: &Domain, shape: &Shape) -> Checks<Histories> {
    let mut histories = Histories::new();
    let own = shape.spaces.iter().flat_map(|space| &space.marks);
    let links = shape.spaces.iter().flat_map(|space| &space.links);
    let joined = shape.bases.iter().filter_map(|base| match &base.rows {
        Rows::Joined(_, consents) => Some(consents),
        Rows::Of(_) => None,
    });
    let others = links.map(|link| &link.consents).chain(joined).flat_map(BTreeMap::values);
    for mark in own.chain(others) {
        if let btree_map::Entry::Vacant(entry) = histories.entry(mark.scenario) {
            entry.insert(domain.history(mark.scenario).await?);
        }
    }
    Ok(histories)
}

fn column_of(batch: &RecordBatch, name: &str) -> EngineResult<ArrayRef> {
    batch.column_by_name(name).cloned().ok_or_else(|| plan_datafusion_err!("no column"))
}

/// The codes of a column, as texts.
fn texts(array: &ArrayRef) -> EngineResult<StringArray> {
    let is_plain = match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        other => other.is_integer(),
    };
    if is_plain {
        return Ok(cast_array(array, &DataType::Utf8)?.as_string::<i32>().clone());
    }
    (0..array.len())
        .map(|row| {
            code(&ScalarValue::try_from_array(array, row)?)
                .ok_or_else(|| plan_datafusion_err!("not a dimension"))
        })
        .collect()
}

fn read_batch(
    batch: &RecordBatch,
    index: u32,
    base: &Base,
    (space, histories): (&Space, &Histories),
    into: &mut Read,
) -> EngineResult<()> {
    /// Measures have so many decimal digits at least, so that versions of other types compare, and
    /// their squares twice as many.
    const SCALE: i8 = 4;
    into.grow(batch.num_rows(), space.amounts.len())?;
    let keys = texts(&column_of(batch, "k")?)?;
    let lenses: Vec<StringArray> = (0..space.lenses.len())
        .map(|lens| texts(&column_of(batch, &format!("c{lens}"))?))
        .collect::<EngineResult<_>>()?;
    let links: Vec<ArrayRef> = (0..space.links.len())
        .map(|link| column_of(batch, &format!("f{link}")))
        .collect::<EngineResult<_>>()?;
    let mut amounts: Vec<(ArrayRef, i128)> = Vec::new();
    for (number, amount) in space.amounts.iter().enumerate() {
        let array = column_of(batch, &format!("a{number}"))?;
        let DataType::Decimal128(_, scale) = array.data_type() else {
            return Err(plan_datafusion_err!("not a decimal"));
        };
        let wanted = if amount.squared { 2 * SCALE } else { SCALE };
        let digits = u32::from(wanted.saturating_sub(*scale).max(0).unsigned_abs());
        amounts.push((array, 10_i128.saturating_pow(digits)));
    }
    let mut codes: Vec<u32> = Vec::with_capacity(lenses.len() + links.len());
    for row in 0..batch.num_rows() {
        if keys.is_null(row) {
            continue;
        }
        codes.clear();
        let Some(cells) = into.spaces.get_mut(base.space) else { continue };
        for (lens, known) in lenses.iter().zip(&mut cells.codes) {
            codes.push(if lens.is_null(row) { 0 } else { number_of(known, lens.value(row)) });
        }
        codes.extend(links.iter().map(|link| u32::from(link.as_boolean().value(row))));
        codes.extend(space.marks.iter().map(|mark| {
            let history = histories.get(&mark.scenario);
            u32::from(history.is_some_and(|it| it.stood(keys.value(row), mark.number)))
        }));
        let cell = cells.number(&codes);
        let subject = into.subject(keys.value(row));
        let at = into.totals.len();
        for (array, factor) in &amounts {
            into.totals.push(if array.is_null(row) {
                Total::default()
            } else {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                Total { present: 1, sum: value.saturating_mul(*factor) }
            });
        }
        into.entries.push(Entry { subject, base: index, cell, at, rows: 1 });
    }
    Ok(())
}

fn number_of(known: &mut HashMap<String, u32>, text: &str) -> u32 {
    if let Some(number) = known.get(text) {
        return *number;
    }
    let number = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
    known.insert(text.to_owned(), number);
    number
}

/// A table of a comparison: what it must have, and under which names.
struct Table<'a> {
    version: DatasetVersion,
    space: &'a Space,
    place: Place,
    /// The names of its columns begin so.
    prefix: String,
    joins: BTreeSet<&'a str>,
    key: Option<&'a str>,
    /// As of which consents its rows are there, if they are chosen so.
    mark: Option<&'a Mark>,
}

impl Table<'_> {
    fn name_of(prefix: &str, column: usize) -> String {
        format!("{prefix}j{column}")
    }

    fn lenses(&self) -> impl Iterator<Item = (usize, &super::shape::Lens)> {
        self.space.lenses.iter().enumerate().filter(|(_, lens)| lens.place == self.place)
    }

    fn amounts(&self) -> impl Iterator<Item = (usize, &super::shape::Amount)> {
        self.space.amounts.iter().enumerate().filter(|(_, amount)| amount.place == self.place)
    }

    async fn held(&self, domain: &Domain) -> Checks<Held> {
        let mut columns: BTreeSet<String> =
            self.joins.iter().copied().chain(self.key).map(str::to_owned).collect();
        columns.extend(self.lenses().map(|(_, lens)| lens.column.clone()));
        columns.extend(self.amounts().map(|(_, amount)| amount.column.clone()));
        columns.extend(self.mark.map(|mark| mark.key.clone()));
        let held = domain.held(self.version, &columns).await?;
        match &held.subject {
            Some((_, key)) if columns.insert(key.clone()) => {
                domain.held(self.version, &columns).await
            }
            _ => Ok(held),
        }
    }

    /// Its columns under their names: joined ones, dimensions as `c`, measures as `a`, the subject
    /// as `k` where one is asked for, and `in`, which says that there is a row.
    async fn plan(&self, reading: Reading<'_>) -> Checks<LogicalPlan> {
        let mut held = self.held(reading.domain).await?;
        if let Some(mark) = self.mark {
            let history = reading.histories.get(&mark.scenario).ok_or_else(not_comparable)?;
            let consented = Consented { history: Arc::clone(history), mark: mark.clone() };
            let chosen = Governed::chosen(held.table, consented);
            held.table = Arc::new(chosen.map_err(|error| constant_error(&error))?);
        }
        let build = || -> EngineResult<LogicalPlan> {
            let schema = held.table.schema();
            let source = provider_as_source(Arc::clone(&held.table));
            let scan = LogicalPlanBuilder::scan("t", source, None)?.build()?;
            let from = |column: &str| Expr::Column(Column::new(Some("t"), column));
            let mut shown = vec![lit(true).alias(format!("{}in", self.prefix))];
            for (number, column) in self.joins.iter().enumerate() {
                shown.push(from(column).alias(Self::name_of(&self.prefix, number)));
            }
            for (number, lens) in self.lenses() {
                let code = match schema.field_with_name(&lens.column) {
                    Err(_) => lit(ScalarValue::Utf8(None)),
                    Ok(field) => sight(&lens.column, field.data_type(), &lens.bands, lens.mask)?
                        .unwrap_or_else(|| from(&lens.column)),
                };
                shown.push(code.alias(format!("c{number}")));
            }
            for (number, amount) in self.amounts() {
                let value = if schema.field_with_name(&amount.column).is_ok() {
                    let value = exact(&scan, &Column::new(Some("t"), &amount.column))?;
                    if amount.squared { squared(value, &scan)? } else { value }
                } else {
                    lit(ScalarValue::Decimal128(None, 19, 0))
                };
                shown.push(value.alias(format!("a{number}")));
            }
            if let Some(key) = self.key {
                shown.push(cast(from(key), DataType::Utf8).alias("k"));
            }
            let mut rows = LogicalPlanBuilder::from(scan);
            // Rows without a subject belong to nobody, wherever a table is about somebody.
            if let Some((_, key)) = &held.subject {
                rows = rows.filter(from(key).is_not_null())?;
            }
            rows.project(shown)?.build()
        };
        build().map_err(|error| constant_error(&error))
    }
}

/// The square of a decimal. One too large to be squared as it is, which no variance is shown of,
/// is squared with what fits.
fn squared(value: Expr, plan: &LogicalPlan) -> EngineResult<Expr> {
    let DataType::Decimal128(_, scale) = value.get_type(plan.schema())? else {
        return Err(plan_datafusion_err!("not a decimal"));
    };
    let narrow = try_cast(value, DataType::Decimal128(19, scale));
    Ok(narrow.clone() * narrow)
}

/// The columns of a table by which a relation joins it.
fn ends(link: &Link, table: Option<DatasetVersion>) -> BTreeSet<&str> {
    link.joins
        .iter()
        .flat_map(|(left, right)| [left, right])
        .filter(|end| end.table() == table)
        .map(|end| match end {
            End::Own(column) => column.as_str(),
            End::Other(of) => of.column.as_str(),
        })
        .collect()
}

/// Adds the tables of a link one after the other, each to those reached.
async fn add_tables<'a>(
    reading: Reading<'_>,
    plan: LogicalPlan,
    link: &'a Link,
    own: &BTreeSet<&str>,
    how: JoinType,
    table_of: impl Fn(DatasetVersion, usize) -> Table<'a>,
) -> Checks<LogicalPlan> {
    let mut rows = plan;
    let mut reached = BTreeSet::from([None]);
    let mut names: BTreeMap<&End, String> = BTreeMap::new();
    for end in link.joins.iter().flat_map(|(left, right)| [left, right]) {
        if let End::Own(column) = end
            && let Some(number) = own.iter().position(|other| *other == column)
        {
            names.insert(end, Table::name_of("", number));
        }
    }
    let mut waiting: Vec<(usize, DatasetVersion)> =
        link.others.iter().copied().enumerate().collect();
    while !waiting.is_empty() {
        let next = waiting.iter().position(|(_, it)| !link.pairs(&reached, *it).is_empty());
        let (number, version) = waiting.remove(next.ok_or_else(not_comparable)?);
        let table = table_of(version, number);
        let right = table.plan(reading).await?;
        let end_name = |end: &End| match end {
            End::Other(of) if of.source == version => {
                let number = table.joins.iter().position(|other| *other == of.column)?;
                Some(Table::name_of(&table.prefix, number))
            }
            _ => names.get(end).cloned(),
        };
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for (left, right) in link.pairs(&reached, version) {
            near.push(Column::from_name(end_name(left).ok_or_else(not_comparable)?));
            far.push(Column::from_name(end_name(right).ok_or_else(not_comparable)?));
        }
        rows = LogicalPlanBuilder::from(rows)
            .join(right, how, (near, far), None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| constant_error(&error))?;
        let ends = link.joins.iter().flat_map(|(left, right)| [left, right]);
        let ends = ends.filter(|end| end.table() == Some(version));
        let own: Vec<(&End, String)> = ends.filter_map(|end| Some((end, end_name(end)?))).collect();
        names.extend(own);
        reached.insert(Some(version));
    }
    Ok(rows)
}

/// The columns that a reader wants, and no others.
fn output(plan: LogicalPlan, space: &Space, flags: Vec<Expr>) -> Checks<LogicalPlan> {
    let named = |name: String| Expr::Column(Column::from_name(name));
    let mut shown = vec![named("k".to_owned())];
    shown.extend((0..space.lenses.len()).map(|number| named(format!("c{number}"))));
    shown.extend((0..space.amounts.len()).map(|number| named(format!("a{number}"))));
    shown.extend(flags);
    LogicalPlanBuilder::from(plan)
        .project(shown)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| constant_error(&error))
}

/// The rows of a version of the dataset, each once, with what the links add to it.
async fn spine(
    reading: Reading<'_>,
    space: &Space,
    version: DatasetVersion,
    key: &str,
) -> Checks<LogicalPlan> {
    let own: BTreeSet<&str> = space.links.iter().flat_map(|link| ends(link, None)).collect();
    let table = Table {
        version,
        space,
        place: Place::Own,
        prefix: String::new(),
        joins: own.clone(),
        key: Some(key),
        mark: None,
    };
    let mut plan = table.plan(reading).await?;
    let mut flags = Vec::new();
    for (number, link) in space.links.iter().enumerate() {
        let prefix = |table: usize| format!("x{number}y{table}");
        plan = add_tables(reading, plan, link, &own, JoinType::Left, |version, table| Table {
            version,
            space,
            place: Place::Linked(number, version),
            prefix: prefix(table),
            joins: ends(link, Some(version)),
            key: None,
            mark: link.consents.get(&version),
        })
        .await?;
        let is_kept = (0..link.others.len())
            .map(|table| Expr::Column(Column::from_name(format!("{}in", prefix(table)))))
            .fold(lit(true), |all, marker| all.and(marker.is_not_null()));
        flags.push(is_kept.alias(format!("f{number}")));
    }
    output(plan, space, flags)
}

/// The rows of a relation that multiplies those of the dataset.
async fn joined(
    reading: Reading<'_>,
    shape: &Shape,
    space: &Space,
    (relation, consents): (&Relation, &Marks),
    key: &str,
) -> Checks<LogicalPlan> {
    let own = relation.sources.iter().find(|source| source.dataset == shape.dataset);
    let version = *own.ok_or_else(not_comparable)?;
    let link = Link::of(shape.dataset, relation, consents);
    let own = ends(&link, None);
    let table = Table {
        version,
        space,
        place: Place::Own,
        prefix: String::new(),
        joins: own.clone(),
        key: Some(key),
        mark: None,
    };
    let plan = table.plan(reading).await?;
    let plan = add_tables(reading, plan, &link, &own, JoinType::Inner, |version, table| Table {
        version,
        space,
        place: Place::Joined(version.dataset),
        prefix: format!("x{table}"),
        joins: ends(&link, Some(version)),
        key: None,
        mark: link.consents.get(&version),
    })
    .await?;
    output(plan, space, Vec::new())
}

/// Whether a relation keeps each row of a dataset once at most: each other table is joined by a
/// column of which no two of its rows have the same value.
pub(super) async fn keeps(
    domain: &Domain,
    facts: &Facts,
    shape: &Shape,
    relation: &Relation,
) -> Checks<bool> {
    let link = Link::of(shape.dataset, relation, &Marks::new());
    let mut reached = BTreeSet::from([None]);
    let mut waiting: Vec<DatasetVersion> = link.others.iter().copied().collect();
    'next: while !waiting.is_empty() {
        for (at, version) in waiting.iter().enumerate() {
            for (_, end) in link.pairs(&reached, *version) {
                let End::Other(of) = end else { continue };
                if is_unique(domain, facts, of).await? {
                    reached.insert(Some(*version));
                    waiting.remove(at);
                    continue 'next;
                }
            }
        }
        return Ok(false);
    }
    Ok(true)
}

/// Whether no two rows of a version share a value of a column.
pub(super) async fn is_unique(domain: &Domain, facts: &Facts, of: &ColumnOf) -> Checks<bool> {
    Ok(facts.of(domain, of).await?.unique)
}
