//! From a text to one statement: what is looked at before anything is planned.
//!
//! **Invariant:** what comes out is one query, no deeper than the threads' stacks, and its plan has
//! a bounded number of nodes: planning itself cannot be stopped, so it must be short.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ops::ControlFlow,
};

use datafusion::sql::{
    parser::{DFParser, Statement},
    sqlparser::{
        ast::{
            Cte, Expr as SqlExpr, Ident, ObjectNamePart, Query, Select, Statement as Sql,
            TableAlias, Value, Visit, Visitor, With, helpers::attached_token::AttachedToken,
            visit_expressions, visit_relations,
        },
        dialect::GenericDialect,
        tokenizer::{Token, Tokenizer},
    },
};

use crate::{
    Objection,
    rules::{JOB_PARAMETERS, ONE_QUERY},
};

/// The greatest length of a text, in bytes.
const LONGEST: usize = 64 * 1024;
/// The greatest number of its words: an expression is as deep as it has words, and what walks it
/// calls itself as often.
const MOST_WORDS: usize = 4_000;
/// How many tables it may come to, once every derived table stands where it is named: a text that
/// names one twice in each of forty comes to a million million.
const MOST_TABLES: usize = 256;

fn not_one() -> Objection {
    Objection::new(
        ONE_QUERY,
        "exactly one SELECT passes: no other statement, no EXPLAIN, SHOW, SET or COPY",
    )
}

fn not_a_script() -> Objection {
    Objection::new(
        ONE_QUERY,
        "a job is any number of CREATE TEMPORARY TABLE name AS SELECT …, and one SELECT at its end",
    )
}

fn too_long(what: &str) -> Objection {
    Objection::new(ONE_QUERY, format!("the query is too long: {what}"))
}

/// The one query of a text.
pub(crate) fn query_of(sql: &str) -> Result<Statement, Objection> {
    let mut statements = statements_of(sql)?;
    let query = query(statements.pop_front().ok_or_else(not_one)?)?;
    if !statements.is_empty() {
        return Err(not_one());
    }
    check_derived(&query)?;
    Ok(statement(query))
}

/// What a job consists of.
#[derive(Debug)]
pub(crate) struct Script {
    /// One query: its temporary tables have become derived tables of it, so that what is inferred
    /// of it holds for all that it rests on.
    pub(crate) statement: Statement,
    /// The names of its temporary tables.
    pub(crate) tables: BTreeSet<String>,
}

/// The statements of a job: `CREATE TEMPORARY TABLE … AS SELECT …` any number of times, then one
/// `SELECT`.
pub(crate) fn script_of(sql: &str) -> Result<Script, Objection> {
    let mut statements = statements_of(sql)?;
    let mut last = query(statements.pop_back().ok_or_else(not_a_script)?)?;
    let mut tables = BTreeSet::new();
    let mut derived: Vec<Cte> = Vec::new();
    for statement in statements {
        let (name, mut query) = temporary_table(statement)?;
        tables.insert(name.value.to_lowercase());
        derived.extend(hoisted(&mut query)?);
        derived.push(Cte {
            alias: TableAlias { explicit: true, name, columns: Vec::new(), at: None },
            query,
            from: None,
            materialized: None,
            closing_paren_token: AttachedToken::empty(),
        });
    }
    if !tables.is_empty() {
        derived.extend(hoisted(&mut last)?);
        let mut names = BTreeSet::new();
        for Cte { alias, .. } in &derived {
            if !names.insert(alias.name.value.to_lowercase()) {
                return Err(Objection::new(
                    ONE_QUERY,
                    format!("two tables of the job are called `{}`", alias.name.value),
                ));
            }
        }
        last.with = Some(With {
            with_token: AttachedToken::empty(),
            recursive: false,
            cte_tables: derived,
        });
    }
    check_derived(&last)?;
    Ok(Script { statement: statement(last), tables })
}

/// The statements of a text that is not too long.
fn statements_of(sql: &str) -> Result<VecDeque<Statement>, Objection> {
    if sql.len() > LONGEST {
        return Err(too_long(&format!("it has more than {LONGEST} bytes")));
    }
    let words = Tokenizer::new(&GenericDialect {}, sql).tokenize().map_err(|_| not_one())?;
    if words.iter().filter(|word| !matches!(word, Token::Whitespace(_))).count() > MOST_WORDS {
        return Err(too_long(&format!("it has more than {MOST_WORDS} words")));
    }
    DFParser::parse_sql(sql).map_err(|_| not_one())
}

fn query(statement: Statement) -> Result<Box<Query>, Objection> {
    match statement {
        Statement::Statement(parsed) => match *parsed {
            Sql::Query(query) => Ok(query),
            _other => Err(not_one()),
        },
        _other => Err(not_one()),
    }
}

fn statement(query: Box<Query>) -> Statement {
    Statement::Statement(Box::new(Sql::Query(query)))
}

/// The name and the query of `CREATE TEMPORARY TABLE name AS SELECT …`, which has nothing else.
fn temporary_table(statement: Statement) -> Result<(Ident, Box<Query>), Objection> {
    let Statement::Statement(parsed) = statement else { return Err(not_a_script()) };
    let Sql::CreateTable(create) = *parsed else { return Err(not_a_script()) };
    let written = create.to_string();
    let Some(query) = create.query else { return Err(not_a_script()) };
    let [ObjectNamePart::Identifier(name)] = create.name.0.as_slice() else {
        return Err(not_a_script());
    };
    if written != format!("CREATE TEMPORARY TABLE {name} AS {query}") {
        return Err(not_a_script());
    }
    Ok((name.clone(), query))
}

/// Takes the derived tables off a query.
fn hoisted(query: &mut Query) -> Result<Vec<Cte>, Objection> {
    match query.with.take() {
        Some(with) if with.recursive => Err(not_a_script()),
        Some(with) => Ok(with.cte_tables),
        None => Ok(Vec::new()),
    }
}

/// Refuses `$name` anywhere but where a value stands: it may not choose groups, order or how many
/// rows are shown.
pub(crate) fn check_placeholders(statement: &Statement) -> Result<(), Objection> {
    let Statement::Statement(parsed) = statement else { return Ok(()) };
    match parsed.visit(&mut Placeholders) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Objection::new(
            JOB_PARAMETERS,
            "a parameter stands where a value does, not in GROUP BY, ORDER BY, LIMIT or OFFSET",
        )),
    }
}

/// Breaks off at a placeholder in a place where no value stands.
struct Placeholders;

impl Placeholders {
    fn none_in(part: &impl Visit) -> ControlFlow<()> {
        visit_expressions(part, |expression| match expression {
            SqlExpr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                ControlFlow::Break(())
            }
            _other => ControlFlow::Continue(()),
        })
    }
}

impl Visitor for Placeholders {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        Self::none_in(&query.order_by)?;
        Self::none_in(&query.limit_clause)?;
        Self::none_in(&query.fetch)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        Self::none_in(&select.group_by)
    }
}

/// Counts the queries that name derived tables.
struct Withs(usize);

impl Visitor for Withs {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0 += usize::from(query.with.is_some());
        ControlFlow::Continue(())
    }
}

/// Refuses derived tables that are named too often, one by the other.
fn check_derived(query: &Query) -> Result<(), Objection> {
    let mut withs = Withs(0);
    let _ = query.visit(&mut withs);
    let outermost = usize::from(query.with.is_some());
    if withs.0 > outermost {
        return Err(Objection::new(ONE_QUERY, "WITH stands at the beginning and nowhere else"));
    }
    let mut sizes: HashMap<String, usize> = HashMap::new();
    for derived in query.with.iter().flat_map(|with| &with.cte_tables) {
        let size = size_of(&*derived.query, &sizes)?;
        sizes.insert(derived.alias.name.value.to_lowercase(), size);
    }
    size_of(&*query.body, &sizes).map(|_| ())
}

/// How many tables a part of a query comes to.
fn size_of(part: &impl Visit, sizes: &HashMap<String, usize>) -> Result<usize, Objection> {
    let mut size = 1;
    let counted = visit_relations(part, |name| {
        let name = name.to_string().replace('"', "").to_lowercase();
        size += sizes.get(&name).copied().unwrap_or(1);
        if size > MOST_TABLES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match counted {
        ControlFlow::Continue(()) => Ok(size),
        ControlFlow::Break(()) => {
            Err(too_long(&format!("it comes to more than {MOST_TABLES} tables")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, passes: bool) {
        assert_eq!(query_of(sql).is_ok(), passes, "{sql}");
    }

    #[test]
    fn derived_tables_are_counted_where_they_are_named() {
        let doubled = |times: usize, quote: &str| {
            (0..times).fold("WITH t0 AS (SELECT 1 AS x)".to_owned(), |text, n| {
                let one = format!("SELECT x FROM {quote}t{n}{quote}");
                format!("{text}, T{} AS ({one} UNION ALL {one})", n + 1)
            }) + &format!(" SELECT x FROM t{times}")
        };
        check(&doubled(5, ""), true);
        check(&doubled(8, ""), false);
        check(&doubled(40, ""), false);
        check(&doubled(40, "\""), false);
        check("SELECT 1 FROM (WITH t AS (SELECT 1) SELECT * FROM t) u", false);
        check("WITH t AS (WITH u AS (SELECT 1) SELECT * FROM u) SELECT * FROM t", false);
        check("WITH t AS (SELECT 1 AS x) SELECT x FROM t WHERE x IN (SELECT x FROM t)", true);
    }

    #[test]
    fn a_script_is_temporary_tables_and_one_query() {
        let tables = |sql: &str| script_of(sql).ok().map(|script| script.tables.len());
        let one = "CREATE TEMPORARY TABLE t AS SELECT 1 AS x";
        assert_eq!(tables("SELECT 1"), Some(0));
        assert_eq!(tables(&format!("{one}; SELECT x FROM t;")), Some(1));
        assert_eq!(
            tables(&format!(
                "{one}; CREATE TEMPORARY TABLE u AS WITH v AS (SELECT x FROM t) \
                             SELECT x FROM v; WITH w AS (SELECT * FROM u) SELECT * FROM w"
            )),
            Some(2)
        );
        for refused in [
            one.to_owned(),
            format!("{one}; {one}; SELECT 1"),
            format!("{one}; WITH T AS (SELECT 2 AS x) SELECT * FROM t"),
            "CREATE TABLE t AS SELECT 1 AS x; SELECT x FROM t".to_owned(),
            "CREATE OR REPLACE TEMPORARY TABLE t AS SELECT 1 AS x; SELECT x FROM t".to_owned(),
            "CREATE TEMPORARY TABLE a.t AS SELECT 1 AS x; SELECT x FROM t".to_owned(),
            "CREATE TEMPORARY TABLE t (x INT); SELECT x FROM t".to_owned(),
            "CREATE TEMPORARY TABLE t (x INT) AS SELECT 1; SELECT x FROM t".to_owned(),
            format!("DROP TABLE t; {one}; SELECT x FROM t"),
            format!("{one}; SELECT x FROM t; SELECT x FROM t"),
            "CREATE TEMPORARY TABLE t AS WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM \
             r) SELECT x FROM r; SELECT x FROM t"
                .to_owned(),
        ] {
            assert_eq!(tables(&refused), None, "{refused}");
        }
    }

    #[test]
    fn temporary_tables_are_counted_where_they_are_named() {
        let doubled = |times: usize| {
            (0..times).fold("CREATE TEMPORARY TABLE t0 AS SELECT 1 AS x".to_owned(), |text, n| {
                let one = format!("SELECT x FROM t{n}");
                format!("{text}; CREATE TEMPORARY TABLE t{} AS {one} UNION ALL {one}", n + 1)
            }) + &format!("; SELECT x FROM t{times}")
        };
        assert!(script_of(&doubled(5)).is_ok());
        assert!(script_of(&doubled(8)).is_err());
    }

    #[test]
    fn a_parameter_stands_where_a_value_does() {
        let passes = |sql: &str| check_placeholders(&query_of(sql).unwrap()).is_ok();
        assert!(passes("SELECT a, sum(b) FROM t WHERE a = $x AND c IN ($y, $z) GROUP BY a"));
        for sql in [
            "SELECT a FROM t LIMIT $n",
            "SELECT a FROM t LIMIT 1 OFFSET $n",
            "SELECT a FROM t ORDER BY $n",
            "SELECT count(*) FROM t GROUP BY $n",
            "SELECT a FROM (SELECT a FROM t GROUP BY a, $n) u",
        ] {
            assert!(!passes(sql), "{sql}");
        }
    }
}
