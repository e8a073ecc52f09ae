//! The FROM clause of a question, and by what names its columns go.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::{
    common::{Column, JoinType},
    logical_expr::{Expr, Join, LogicalPlan, Operator},
};

use super::{Checks, outside};
use crate::{
    Domain, Label, Objection,
    domain::Table,
    question::{ColumnOf, Relation},
    rules::{GRANTED_NAMES, JOIN_COLUMNS},
};

/// The tables of the FROM clause, by the name under which columns speak of them.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) names: BTreeMap<String, &'a Table>,
    joins: Vec<(Column, Column)>,
}

impl<'a> Scope<'a> {
    pub(super) fn find(&self, column: &Column) -> Checks<(&'a Table, ColumnOf, &'a Label)> {
        let unknown = || Objection::new(GRANTED_NAMES, "a column is not granted");
        let relation = column.relation.as_ref().ok_or_else(unknown)?;
        let table = *self.names.get(relation.table()).ok_or_else(unknown)?;
        let label = table.item.columns.get(&column.name).ok_or_else(unknown)?;
        let of = ColumnOf { source: table.version, column: column.name.clone() };
        Ok((table, of, label))
    }

    /// The table of a dataset version.
    pub(super) fn table(&self, of: &ColumnOf) -> Option<&'a Table> {
        self.names.values().find(|table| table.version == of.source).copied()
    }
}

/// Checks the FROM clause: granted tables, each once, joined by equality of join columns.
pub(super) fn check_relation<'a>(
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
        for (table, column, label) in
            [(left_table, &left, left_label), (right_table, &right, right_label)]
        {
            if *label != Label::Join {
                let name = format!("{}.{}", table.item.table, column.name);
                return Err(refused("only columns granted as join columns join tables")
                    .about(name, &["scan", "join"])
                    .passing("ON join column = join column, of two granted tables"));
            }
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

pub(super) fn relation(
    scope: &Scope<'_>,
    columns: &mut BTreeMap<ColumnOf, Column>,
) -> Checks<Relation> {
    let mut joins = BTreeSet::new();
    for (left, right) in &scope.joins {
        let ((_, left_of, _), (_, right_of, _)) = (scope.find(left)?, scope.find(right)?);
        columns.insert(left_of.clone(), left.clone());
        columns.insert(right_of.clone(), right.clone());
        joins.insert(if left_of <= right_of { (left_of, right_of) } else { (right_of, left_of) });
    }
    Ok(Relation { sources: scope.names.values().map(|table| table.version).collect(), joins })
}
