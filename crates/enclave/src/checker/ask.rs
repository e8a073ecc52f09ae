//! The closed class of immediate questions. What is not in it is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchemaRef, JoinType, ScalarValue},
    logical_expr::{
        Aggregate, Expr, Join, LogicalPlan, Operator, Sort,
        expr::{AggregateFunction, AggregateFunctionParams},
    },
};

use crate::{
    Band, Domain, Label, Objection,
    domain::Table,
    question::{Code, ColumnOf, Figure, Layout, Question, Region, Relation, Shown},
    rules::{
        ASK_CLOSED_CLASS, ASK_DIMENSIONS, ASK_FILTERS, ASK_MEASURES, GRANTED_NAMES,
        IDENTIFIERS_JOIN_ONLY, JOIN_COLUMNS, NO_RAW_OUTPUT,
    },
};

/// A question that passed, with the very plan objects that were checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) question: Question,
    pub(crate) layout: Layout,
    /// The joined tables, unfiltered.
    pub(crate) base: Arc<LogicalPlan>,
    /// The joined tables under the question's filter: the input of its aggregate.
    pub(crate) filtered: Arc<LogicalPlan>,
    /// Where each column is found in the plans.
    pub(crate) columns: BTreeMap<ColumnOf, Column>,
}

type Checks<T> = Result<T, Objection>;

fn outside(what: &str) -> Objection {
    Objection::new(
        ASK_CLOSED_CLASS,
        format!(
            "{what} is outside the closed class; what passes: SELECT dimensions, COUNT(*), \
             COUNT(DISTINCT subject key), COUNT/SUM/AVG(measure) FROM granted tables joined by \
             equality WHERE dimension = literal AND dimension IN (literals) GROUP BY dimensions; \
             for more, submit a job"
        ),
    )
}

/// The tables of the FROM clause, by the name under which columns speak of them.
struct Scope<'a> {
    names: BTreeMap<String, &'a Table>,
    joins: Vec<(Column, Column)>,
}

impl<'a> Scope<'a> {
    fn find(&self, column: &Column) -> Checks<(&'a Table, ColumnOf, &'a Label)> {
        let unknown = || Objection::new(GRANTED_NAMES, "a column is not granted");
        let relation = column.relation.as_ref().ok_or_else(unknown)?;
        let table = *self.names.get(relation.table()).ok_or_else(unknown)?;
        let label = table.item.columns.get(&column.name).ok_or_else(unknown)?;
        let of = ColumnOf { source: table.version, column: column.name.clone() };
        Ok((table, of, label))
    }
}

/// Checks that a resolved plan is a question of the closed class.
pub(crate) fn check(domain: &Domain, plan: &LogicalPlan) -> Checks<Checked> {
    let mut layout = Layout::default();
    let projected = peel_presentation(plan, &mut layout)?;
    let (aggregate, items) = match &projected.plan {
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Aggregate(aggregate) => (aggregate, Some(&projection.expr)),
            other => return Err(not_an_aggregate(other)),
        },
        LogicalPlan::Aggregate(aggregate) => (aggregate, None),
        other => return Err(not_an_aggregate(other)),
    };
    let (base, conditions) = match aggregate.input.as_ref() {
        LogicalPlan::Filter(filter) => (Arc::clone(&filter.input), Some(&filter.predicate)),
        _other => (Arc::clone(&aggregate.input), None),
    };
    let mut scope = Scope { names: BTreeMap::new(), joins: Vec::new() };
    check_relation(domain, &base, None, &mut scope)?;
    let mut columns = BTreeMap::new();
    let relation = relation(&scope, &mut columns)?;
    let mut filter = Region::new();
    if let Some(predicate) = conditions {
        check_condition(predicate, &scope, base.schema(), &mut filter, &mut columns)?;
    }
    let (groups, figures) = check_aggregate(aggregate, &scope, &mut columns)?;
    for table in scope.names.values() {
        if let Some(key) = &table.item.subject_key {
            let of = ColumnOf { source: table.version, column: key.clone() };
            let named = scope.names.iter().find(|(_, other)| other.version == table.version);
            if let Some((name, _)) = named {
                columns.insert(of, Column::new(Some(name.as_str()), key));
            }
        }
    }
    let shown: Vec<Shown> = groups
        .iter()
        .cloned()
        .map(Shown::Group)
        .chain(figures.iter().cloned().map(Shown::Figure))
        .collect();
    layout.columns = output_columns(aggregate, items, &shown)?;
    layout.order = projected
        .order
        .iter()
        .map(|(column, down)| {
            let index = plan_index(projected.plan.schema(), column)
                .ok_or_else(|| outside("sorting by what is not shown"))?;
            Ok((index, *down))
        })
        .collect::<Checks<_>>()?;
    let bands = bands(&scope, groups.iter().chain(filter.keys()));
    let question = Question {
        relation,
        filter,
        groups: groups.into_iter().collect(),
        figures: figures.into_iter().collect(),
        bands,
    };
    Ok(Checked { question, layout, base, filtered: Arc::clone(&aggregate.input), columns })
}

/// The bands through which columns are seen.
fn bands<'a>(
    scope: &Scope<'_>,
    columns: impl Iterator<Item = &'a ColumnOf>,
) -> BTreeMap<ColumnOf, Vec<Band>> {
    let mut all = BTreeMap::new();
    for of in columns {
        let table = scope.names.values().find(|table| table.version == of.source);
        if let Some(Label::Dimension { bands, .. }) =
            table.and_then(|table| table.item.columns.get(&of.column))
            && !bands.is_empty()
        {
            all.insert(of.clone(), bands.clone());
        }
    }
    all
}

struct Peeled<'a> {
    plan: &'a LogicalPlan,
    order: Vec<(Column, bool)>,
}

/// Takes off LIMIT and ORDER BY, which are applied to what is shown, never to what is not.
fn peel_presentation<'a>(plan: &'a LogicalPlan, layout: &mut Layout) -> Checks<Peeled<'a>> {
    let mut plan = plan;
    if let LogicalPlan::Limit(limit) = plan {
        let number = |expression: Option<&Expr>| match expression {
            None => Ok(None),
            Some(Expr::Literal(ScalarValue::Int64(Some(number)), _)) => usize::try_from(*number)
                .map(Some)
                .map_err(|_| outside("a limit that is not a number")),
            Some(_) => Err(outside("a limit that is not a number")),
        };
        layout.skip = number(limit.skip.as_deref())?.unwrap_or(0);
        layout.limit = number(limit.fetch.as_deref())?;
        plan = limit.input.as_ref();
    }
    let mut order = Vec::new();
    if let LogicalPlan::Sort(sort) = plan {
        order = sort_columns(sort)?;
        plan = sort.input.as_ref();
    }
    Ok(Peeled { plan, order })
}

fn sort_columns(sort: &Sort) -> Checks<Vec<(Column, bool)>> {
    sort.expr
        .iter()
        .map(|by| match &by.expr {
            Expr::Column(column) => Ok((column.clone(), !by.asc)),
            _ => Err(outside("sorting by an expression")),
        })
        .collect()
}

fn plan_index(schema: &DFSchemaRef, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

/// Says why a plan that is not an aggregate of granted tables is refused.
fn not_an_aggregate(plan: &LogicalPlan) -> Objection {
    let raw = || {
        Objection::new(
            NO_RAW_OUTPUT,
            "rows are never shown; ask for COUNT, SUM or AVG by dimensions, or submit a job",
        )
    };
    match plan {
        LogicalPlan::TableScan(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Projection(_) => raw(),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Aggregate(_) => outside("HAVING"),
            _other => raw(),
        },
        LogicalPlan::Distinct(_) => outside("DISTINCT"),
        LogicalPlan::Window(_) => outside("a window function"),
        LogicalPlan::Union(_) => outside("UNION"),
        LogicalPlan::Aggregate(_) => outside("an aggregate of an aggregate"),
        LogicalPlan::Subquery(_) => outside("a subquery"),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => outside("a table of literals"),
        LogicalPlan::Unnest(_) => outside("UNNEST"),
        LogicalPlan::RecursiveQuery(_) => outside("a recursive query"),
        LogicalPlan::Repartition(_) | LogicalPlan::Extension(_) => outside("an unknown form"),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => outside("a statement that is not a SELECT"),
    }
}

/// Checks the FROM clause: granted tables, each once, joined by equality of join columns.
fn check_relation<'a>(
    domain: &'a Domain,
    plan: &LogicalPlan,
    alias: Option<&str>,
    scope: &mut Scope<'a>,
) -> Checks<()> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            if !scan.filters.is_empty() || scan.fetch.is_some() || scan.projection.is_some() {
                return Err(outside("a prepared scan"));
            }
            let table = domain
                .tables
                .get(scan.table_name.table())
                .ok_or_else(|| Objection::new(GRANTED_NAMES, "a table is not granted"))?;
            if scope.names.values().any(|other| other.version == table.version) {
                return Err(outside("a table joined with itself"));
            }
            let name = alias.unwrap_or(table.item.table.as_str());
            match scope.names.insert(name.to_owned(), table) {
                None => Ok(()),
                Some(_) => Err(outside("one name for two tables")),
            }
        }
        LogicalPlan::SubqueryAlias(aliased) => match aliased.input.as_ref() {
            LogicalPlan::TableScan(_) => {
                check_relation(domain, &aliased.input, Some(aliased.alias.table()), scope)
            }
            _other => Err(outside("a subquery or common table expression")),
        },
        LogicalPlan::Join(join) => {
            check_relation(domain, &join.left, None, scope)?;
            check_relation(domain, &join.right, None, scope)?;
            check_join(join, scope)
        }
        LogicalPlan::Projection(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Subquery(_) => Err(outside("a subquery")),
        LogicalPlan::Distinct(_) => Err(outside("DISTINCT")),
        LogicalPlan::Window(_) => Err(outside("a window function")),
        LogicalPlan::Union(_) => Err(outside("UNION")),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
            Err(outside("a table of literals"))
        }
        LogicalPlan::Unnest(_) => Err(outside("UNNEST")),
        LogicalPlan::RecursiveQuery(_) => Err(outside("a recursive query")),
        LogicalPlan::Repartition(_) | LogicalPlan::Extension(_) => Err(outside("an unknown form")),
        LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => Err(outside("a statement that is not a SELECT")),
    }
}

fn check_join(join: &Join, scope: &mut Scope<'_>) -> Checks<()> {
    let refused = |detail: &str| Objection::new(JOIN_COLUMNS, detail);
    match join.join_type {
        JoinType::Inner => {}
        JoinType::Left
        | JoinType::Right
        | JoinType::Full
        | JoinType::LeftSemi
        | JoinType::RightSemi
        | JoinType::LeftAnti
        | JoinType::RightAnti
        | JoinType::LeftMark
        | JoinType::RightMark => return Err(refused("only an inner JOIN … ON passes")),
    }
    let mut pairs: Vec<(Column, Column)> = Vec::new();
    for (left, right) in &join.on {
        match (left, right) {
            (Expr::Column(left), Expr::Column(right)) => pairs.push((left.clone(), right.clone())),
            _ => return Err(refused("a join compares columns, not expressions")),
        }
    }
    if let Some(filter) = &join.filter {
        equalities(filter, &mut pairs)
            .map_err(|()| refused("a join compares columns by `=` and AND only"))?;
    }
    if pairs.is_empty() {
        return Err(refused("a join needs an equality of join columns"));
    }
    for (left, right) in pairs {
        let ((left_table, _, left_label), (right_table, _, right_label)) =
            (scope.find(&left)?, scope.find(&right)?);
        if *left_label != Label::Join || *right_label != Label::Join {
            return Err(refused("only columns granted as join columns join tables"));
        }
        if left_table.version == right_table.version {
            return Err(refused("a join compares columns of two tables"));
        }
        scope.joins.push((left, right));
    }
    Ok(())
}

/// Reads `a = b AND c = d`.
pub(crate) fn equalities(expression: &Expr, pairs: &mut Vec<(Column, Column)>) -> Result<(), ()> {
    let Expr::BinaryExpr(binary) = expression else { return Err(()) };
    match (binary.left.as_ref(), binary.op, binary.right.as_ref()) {
        (left, Operator::And, right) => {
            equalities(left, pairs)?;
            equalities(right, pairs)
        }
        (Expr::Column(left), Operator::Eq, Expr::Column(right)) => {
            pairs.push((left.clone(), right.clone()));
            Ok(())
        }
        _ => Err(()),
    }
}

fn relation(scope: &Scope<'_>, columns: &mut BTreeMap<ColumnOf, Column>) -> Checks<Relation> {
    let mut joins = BTreeSet::new();
    for (left, right) in &scope.joins {
        let ((_, left_of, _), (_, right_of, _)) = (scope.find(left)?, scope.find(right)?);
        columns.insert(left_of.clone(), left.clone());
        columns.insert(right_of.clone(), right.clone());
        joins.insert(if left_of <= right_of { (left_of, right_of) } else { (right_of, left_of) });
    }
    Ok(Relation { sources: scope.names.values().map(|table| table.version).collect(), joins })
}

#[expect(clippy::match_same_arms, reason = "the deprecated variant needs an arm of its own")]
/// Checks WHERE: a conjunction of `dimension = literal` and `dimension IN (literals)`.
fn check_condition(
    expression: &Expr,
    scope: &Scope<'_>,
    schema: &DFSchemaRef,
    filter: &mut Region,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<()> {
    let refused = |what: &str| {
        Objection::new(
            ASK_FILTERS,
            format!(
                "{what}: a condition is `dimension = literal` or `dimension IN (literals)`, joined by AND"
            ),
        )
    };
    match expression {
        Expr::BinaryExpr(binary) => {
            match (binary.left.as_ref(), binary.op, binary.right.as_ref()) {
                (left, Operator::And, right) => {
                    check_condition(left, scope, schema, filter, columns)?;
                    check_condition(right, scope, schema, filter, columns)
                }
                (Expr::Column(column), Operator::Eq, literal)
                | (literal, Operator::Eq, Expr::Column(column)) => {
                    add_condition(column, &[literal], scope, schema, filter, columns)
                }
                _ => Err(refused("this comparison is not among them")),
            }
        }
        Expr::InList(list) if !list.negated => match list.expr.as_ref() {
            Expr::Column(column) => {
                let literals: Vec<&Expr> = list.list.iter().collect();
                add_condition(column, &literals, scope, schema, filter, columns)
            }
            _other => Err(refused("an expression is compared")),
        },
        Expr::InList(_) | Expr::Not(_) => Err(refused("negation")),
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
        | Expr::Between(_)
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

fn add_condition(
    column: &Column,
    literals: &[&Expr],
    scope: &Scope<'_>,
    schema: &DFSchemaRef,
    filter: &mut Region,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<()> {
    let (table, of, label) = scope.find(column)?;
    match label {
        Label::Dimension { .. } => {}
        Label::Join => {
            return Err(Objection::new(
                IDENTIFIERS_JOIN_ONLY,
                format!("`{}.{}` is never compared with a literal", table.item.table, column.name),
            ));
        }
        Label::Measure { .. } | Label::Blocked => {
            return Err(Objection::new(
                ASK_FILTERS,
                format!("`{}.{}` is not a dimension", table.item.table, column.name),
            ));
        }
    }
    let data_type = schema
        .qualified_field_from_column(column)
        .map_err(|_| Objection::new(GRANTED_NAMES, "a column is not granted"))?
        .1
        .data_type()
        .clone();
    let values = literals
        .iter()
        .map(|literal| literal_code(literal, &data_type))
        .collect::<Checks<BTreeSet<Code>>>()?;
    columns.insert(of.clone(), column.clone());
    match filter.entry(of) {
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(values);
        }
        std::collections::btree_map::Entry::Occupied(mut entry) => {
            entry.get_mut().retain(|value| values.contains(value));
        }
    }
    Ok(())
}

/// A literal as the code of a column of this type.
fn literal_code(expression: &Expr, data_type: &DataType) -> Checks<Code> {
    let refused = || Objection::new(ASK_FILTERS, "a literal does not fit the column, or is none");
    let value = match expression {
        Expr::Literal(value, _) => value.clone(),
        // DATE '2024-01-01' is written by the planner as a cast of a literal.
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, _) => {
                value.cast_to(cast.field.data_type()).map_err(|_| refused())?
            }
            _other => return Err(refused()),
        },
        _ => return Err(refused()),
    };
    if value.is_null() {
        return Err(refused());
    }
    let value = value.cast_to(data_type).map_err(|_| refused())?;
    code(&value).ok_or_else(refused)?.map_or_else(|| Err(refused()), |code| Ok(Some(code)))
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

fn check_aggregate(
    aggregate: &Aggregate,
    scope: &Scope<'_>,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<(Vec<ColumnOf>, Vec<Figure>)> {
    let mut groups = Vec::new();
    for group in &aggregate.group_expr {
        let Expr::Column(column) = group else {
            return Err(Objection::new(
                ASK_DIMENSIONS,
                "groups are bare dimension columns, without expressions, ROLLUP or CUBE",
            ));
        };
        let (table, of, label) = scope.find(column)?;
        if !matches!(label, Label::Dimension { .. }) {
            let rule = if *label == Label::Join { IDENTIFIERS_JOIN_ONLY } else { ASK_DIMENSIONS };
            return Err(Objection::new(
                rule,
                format!(
                    "`{}.{}` is not a dimension, so it cannot group",
                    table.item.table, column.name
                ),
            ));
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

fn check_figure(
    expression: &Expr,
    scope: &Scope<'_>,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<Figure> {
    let refused = |what: String| {
        Objection::new(
            ASK_MEASURES,
            format!(
                "{what}; what passes: COUNT(*), COUNT(DISTINCT subject key), COUNT, SUM and AVG of a bare measure"
            ),
        )
    };
    let function = match expression {
        Expr::Alias(alias) => return check_figure(&alias.expr, scope, columns),
        Expr::AggregateFunction(function) => function,
        _ => return Err(refused("an expression stands where an aggregate should".to_owned())),
    };
    let AggregateFunction {
        func,
        params: AggregateFunctionParams { args, distinct, filter, order_by, null_treatment },
    } = function;
    if filter.is_some() || !order_by.is_empty() || null_treatment.is_some() {
        return Err(refused("FILTER, ORDER BY and RESPECT NULLS are outside the class".to_owned()));
    }
    let [argument] = args.as_slice() else {
        return Err(refused(format!("`{}` has not exactly one argument", func.name())));
    };
    let name = func.name();
    let column = match argument {
        Expr::Column(column) => column,
        Expr::Literal(ScalarValue::Int64(Some(1)), _) if name == "count" && !distinct => {
            return Ok(Figure::Rows);
        }
        _ => return Err(refused(format!("the argument of `{name}` is not a bare column"))),
    };
    let (table, of, label) = scope.find(column)?;
    let path = format!("`{}.{}`", table.item.table, column.name);
    columns.insert(of.clone(), column.clone());
    let is_subject = table.item.subject_key.as_deref() == Some(column.name.as_str());
    match (name, *distinct, label) {
        ("count", true, Label::Join) if is_subject => Ok(Figure::Subjects(of)),
        ("count", false, Label::Measure { .. }) => Ok(Figure::Present(of)),
        ("sum", false, Label::Measure { .. }) => Ok(Figure::Sum(of)),
        ("avg", false, Label::Measure { .. }) => Ok(Figure::Mean(of)),
        ("count" | "sum" | "avg", _, Label::Join) => Err(Objection::new(
            IDENTIFIERS_JOIN_ONLY,
            format!("{path} joins tables and counts subjects, nothing else"),
        )),
        ("count" | "sum" | "avg", ..) => {
            Err(refused(format!("{path} is not a measure, or is DISTINCT")))
        }
        _ => Err(refused(format!("`{name}` can carry a single value of {path}"))),
    }
}

/// Maps each output column to what it shows.
fn output_columns(
    aggregate: &Aggregate,
    items: Option<&Vec<Expr>>,
    shown: &[Shown],
) -> Checks<Vec<(String, Shown)>> {
    let bare = |index: usize| {
        shown.get(index).cloned().ok_or_else(|| outside("a column that is not of the aggregate"))
    };
    let Some(items) = items else {
        return (0..shown.len())
            .map(|index| {
                let shown = bare(index)?;
                Ok((default_name(&shown), shown))
            })
            .collect();
    };
    items
        .iter()
        .map(|item| {
            let mut name = None;
            let mut expression = item;
            while let Expr::Alias(alias) = expression {
                name.get_or_insert_with(|| alias.name.clone());
                expression = alias.expr.as_ref();
            }
            let Expr::Column(column) = expression else {
                return Err(outside("an expression over the figures"));
            };
            let index = plan_index(&aggregate.schema, column)
                .ok_or_else(|| outside("a column that is not of the aggregate"))?;
            let shown = bare(index)?;
            Ok((name.unwrap_or_else(|| default_name(&shown)), shown))
        })
        .collect()
}

/// The name of a column that the asker did not name: made by us, never by the engine.
fn default_name(shown: &Shown) -> String {
    match shown {
        Shown::Group(of) => of.column.clone(),
        Shown::Figure(Figure::Rows) => "count".to_owned(),
        Shown::Figure(Figure::Subjects(of)) => format!("subjects_{}", of.column),
        Shown::Figure(Figure::Present(of)) => format!("count_{}", of.column),
        Shown::Figure(Figure::Sum(of)) => format!("sum_{}", of.column),
        Shown::Figure(Figure::Mean(of)) => format!("avg_{}", of.column),
    }
}
