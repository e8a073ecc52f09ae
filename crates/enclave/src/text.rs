//! From a text to one statement: what is looked at before anything is planned.
//!
//! **Invariant:** what comes out is one query, no deeper than the threads' stacks, and its plan has
//! a bounded number of nodes: planning itself cannot be stopped, so it must be short.

use std::{collections::HashMap, ops::ControlFlow};

use datafusion::sql::{
    parser::{DFParser, Statement},
    sqlparser::{
        ast::{Query, Statement as Sql, Visit, Visitor, visit_relations},
        dialect::GenericDialect,
        tokenizer::{Token, Tokenizer},
    },
};

use crate::{Objection, rules::ONE_QUERY};

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

fn too_long(what: &str) -> Objection {
    Objection::new(ONE_QUERY, format!("the query is too long: {what}"))
}

/// The one query of a text.
pub(crate) fn query_of(sql: &str) -> Result<Statement, Objection> {
    if sql.len() > LONGEST {
        return Err(too_long(&format!("it has more than {LONGEST} bytes")));
    }
    let words = Tokenizer::new(&GenericDialect {}, sql).tokenize().map_err(|_| not_one())?;
    if words.iter().filter(|word| !matches!(word, Token::Whitespace(_))).count() > MOST_WORDS {
        return Err(too_long(&format!("it has more than {MOST_WORDS} words")));
    }
    let mut statements = DFParser::parse_sql(sql).map_err(|_| not_one())?;
    let statement = statements.pop_front().ok_or_else(not_one)?;
    let Statement::Statement(parsed) = &statement else { return Err(not_one()) };
    let Sql::Query(query) = parsed.as_ref() else { return Err(not_one()) };
    if !statements.is_empty() {
        return Err(not_one());
    }
    check_derived(query)?;
    Ok(statement)
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
}
