//! The neighbour test: dropping one person changes nothing that is shown, except cells behind
//! which enough subjects stand.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string,
    reason = "helpers of tests"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use shuyu_enclave::{Answer, Domain, Engine, Objection};
use support::{
    DISTRICTS, Person, persons_domain, persons_item, persons_table, thresholds, version,
};

fn people() -> impl Strategy<Value = Vec<Person>> {
    let person = (0..2_usize, 0..3_usize, 1980..1984_i32, prop::option::of(0..400_i32));
    prop::collection::vec(person, 1..40).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(n, (gender, district, birth_year, income))| Person {
                // Every third row belongs to an earlier person: the unit is not the row.
                id_no: format!("person-{}", if n % 3 == 2 { n - 2 } else { n }),
                gender: ["F", "M"][gender],
                district: DISTRICTS[district],
                birth_year,
                income: income.map(|units| f64::from(units) * 12.5),
                phone: String::new(),
            })
            .collect()
    })
}

fn question() -> impl Strategy<Value = String> {
    let figure = prop::sample::select(vec![
        "count(*)",
        "count(DISTINCT id_no)",
        "count(income)",
        "sum(income)",
        "avg(income)",
        "var_samp(income)",
        "stddev(income)",
        "count(DISTINCT birth_year)",
        "count(DISTINCT gender)",
    ]);
    let dimension = prop::sample::select(vec!["gender", "district", "birth_year"]);
    let condition = prop::sample::select(vec![
        "gender = 'F'",
        "district IN ('XIHU', 'CHUNAN')",
        "birth_year = 1981",
        "birth_year IN (1980, 1983)",
    ]);
    (
        prop::collection::btree_set(figure, 1..3),
        prop::collection::btree_set(dimension, 0..3),
        prop::collection::btree_set(condition, 0..3),
    )
        .prop_map(|(figures, groups, conditions)| {
            let list = |items: &std::collections::BTreeSet<&str>, by: &str| {
                items.iter().copied().collect::<Vec<_>>().join(by)
            };
            let mut sql = "SELECT ".to_owned();
            if !groups.is_empty() {
                sql += &format!("{}, ", list(&groups, ", "));
            }
            sql += &format!("{} FROM persons", list(&figures, ", "));
            if !conditions.is_empty() {
                sql += &format!(" WHERE {}", list(&conditions, " AND "));
            }
            if !groups.is_empty() {
                sql += &format!(" GROUP BY {}", list(&groups, ", "));
            }
            sql
        })
}

fn ask(people: &[Person], sql: &str) -> Result<Answer, Objection> {
    ask_in(&persons_domain(people), sql)
}

fn ask_in(domain: &Domain, sql: &str) -> Result<Answer, Objection> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::new();
        let asked = engine.check_ask(domain, sql).await?;
        engine.answer(domain, &asked, &[], &thresholds()).await
    })
}

fn subjects_of(people: &[Person], answer: &Answer, codes: &[Option<String>]) -> usize {
    let matches = |person: &Person, column: &str, code: &Option<String>| {
        let value = match column {
            "gender" => person.gender.to_owned(),
            "district" => person.district.to_owned(),
            "birth_year" => person.birth_year.to_string(),
            other => panic!("{other}"),
        };
        code.as_deref() == Some(value.as_str())
    };
    let subjects: std::collections::BTreeSet<&str> =
        people
            .iter()
            .filter(|person| {
                answer
                    .question
                    .groups
                    .iter()
                    .zip(codes)
                    .all(|(of, code)| matches(person, &of.column, code))
                    && answer.question.filter.iter().all(|(of, codes)| {
                        codes.iter().any(|code| matches(person, &of.column, code))
                    })
            })
            .map(|person| person.id_no.as_str())
            .collect();
    subjects.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn without_one_person_only_cells_of_enough_subjects_change(
        people in people(), sql in question(), dropped in any::<prop::sample::Index>()
    ) {
        let gone = dropped.get(&people).id_no.clone();
        let without: Vec<Person> =
            people.iter().filter(|person| person.id_no != gone).cloned().collect();
        let (with, less) = (ask(&people, &sql).unwrap(), ask(&without, &sql).unwrap());
        prop_assert_eq!(with.withheld.is_some(), less.withheld.is_some());
        for cell in with.cells.iter().chain(&less.cells) {
            let same = with.cells.contains(cell) && less.cells.contains(cell);
            let subjects = subjects_of(&people, &with, &cell.codes);
            prop_assert!(same || subjects >= 5, "{sql}: {cell:?} changed with {subjects} subjects");
            prop_assert!(subjects >= 5, "{sql}: {cell:?} shown with {subjects} subjects");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn what_is_outside_of_a_scope_changes_nothing(
        people in people(), sql in question(), dropped in any::<prop::sample::Index>()
    ) {
        let scoped = |people: &[Person]| {
            let mut item = persons_item();
            let districts = BTreeSet::from(["XIHU".to_owned(), "CHUNAN".to_owned()]);
            item.barrier.scope = BTreeMap::from([("district".to_owned(), districts)]);
            let tables = vec![(item, version(1), persons_table(people))];
            Domain::new(Arc::default(), tables).unwrap()
        };
        let gone = dropped.get(&people).clone();
        let without: Vec<Person> = people
            .iter()
            .filter(|person| person.district != "BINJIANG" || **person != gone)
            .cloned()
            .collect();
        let (with, less) = (ask_in(&scoped(&people), &sql), ask_in(&scoped(&without), &sql));
        prop_assert_eq!(with.unwrap(), less.unwrap(), "{}", sql);
        let inside: Vec<Person> =
            people.iter().filter(|person| person.district != "BINJIANG").cloned().collect();
        let (scoped, plain) = (ask_in(&scoped(&people), &sql).unwrap(), ask(&inside, &sql).unwrap());
        prop_assert_eq!(scoped.cells, plain.cells, "{}", sql);
    }
}

#[tokio::test]
async fn a_small_group_is_left_out_and_a_large_one_is_right() {
    let (engine, domain) = (Engine::new(), persons_domain(&support::city(0)));
    let sql = "SELECT birth_year, count(*) AS n FROM persons GROUP BY birth_year";
    let asked = engine.check_ask(&domain, sql).await.unwrap();
    let answer = engine.answer(&domain, &asked, &[], &thresholds()).await.unwrap();
    let sheet = asked.sheet(&answer);
    assert_eq!(sheet.columns, ["birth_year", "n"]);
    let rows: Vec<(&str, &str)> = sheet
        .rows
        .iter()
        .map(|row| (row[0].as_deref().unwrap(), row[1].as_deref().unwrap()))
        .collect();
    assert_eq!(rows, [("1980", "20"), ("1981", "20"), ("1982", "20")]);
}

#[tokio::test]
async fn the_difference_of_two_answers_does_not_single_out_one_person() {
    let (engine, domain) = (Engine::new(), persons_domain(&support::city(0)));
    let ask = async |sql: &str, earlier: &[Answer]| {
        let asked = engine.check_ask(&domain, sql).await.unwrap();
        engine.answer(&domain, &asked, earlier, &thresholds()).await
    };
    let all = ask("SELECT count(*) FROM persons", &[]).await.unwrap();
    let years = "SELECT count(*) FROM persons WHERE birth_year IN (1980, 1981, 1982)";
    let refused = ask(years, std::slice::from_ref(&all)).await.expect_err("one person is left");
    assert_eq!(refused.rule.name(), "no-differencing");
    // The cells of a grouped answer leave the one person just as well.
    let grouped = "SELECT birth_year, count(*) FROM persons GROUP BY birth_year";
    let refused = ask(grouped, std::slice::from_ref(&all)).await.expect_err("one person is left");
    assert_eq!(refused.rule.name(), "no-differencing");
    // A cohort that leaves enough is answered, and so is the same question again.
    let half =
        ask("SELECT count(*) FROM persons WHERE gender = 'F'", std::slice::from_ref(&all)).await;
    assert!(half.is_ok());
    assert_eq!(ask("SELECT count(*) FROM persons", std::slice::from_ref(&all)).await.unwrap(), all);
}

#[tokio::test]
async fn a_job_shows_large_groups_and_leaves_small_ones_out() {
    let (engine, domain) = (Engine::new(), persons_domain(&support::city(0)));
    let sql = "SELECT t.birth_year, count(*) AS n, avg(t.total) AS mean FROM \
               (SELECT id_no, birth_year, sum(income) AS total FROM persons GROUP BY id_no, birth_year) t \
               GROUP BY t.birth_year HAVING count(*) > 1 ORDER BY t.birth_year";
    let job = engine.check_job(&domain, sql, &thresholds()).await.unwrap();
    let output = engine.run(&domain, &job, shuyu_enclave::OutputLimits::default()).await.unwrap();
    let years: Vec<&str> = output.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(years, ["1980", "1981", "1982"]);
}

/// People of one district, with so many rows of so much each.
fn people_with(rows: &[(&str, u32, f64)]) -> Vec<Person> {
    let person = |id_no: &str, n: u32, income: f64| Person {
        id_no: id_no.to_owned(),
        gender: "F",
        district: "XIHU",
        birth_year: 1980,
        income: Some(income + f64::from(n)),
        phone: String::new(),
    };
    let rows = rows.iter();
    rows.flat_map(|(id_no, count, income)| (0..*count).map(|n| person(id_no, n, *income))).collect()
}

#[tokio::test]
async fn all_rows_of_one_subject_are_one_contribution_to_a_sum_of_a_job() {
    let names: Vec<String> = (0..10).map(|n| format!("person-{n}")).collect();
    let city = |rows: u32, income: f64| {
        let mut all: Vec<(&str, u32, f64)> = names
            .iter()
            .zip(1_u8..)
            .map(|(name, n)| (name.as_str(), 1, 100.0 + f64::from(n)))
            .collect();
        all.push(("large", rows, income));
        people_with(&all)
    };
    let plain = "SELECT sum(income) AS s FROM persons";
    let grouped = "SELECT district, avg(income) AS m FROM persons GROUP BY district";
    let repeated = "SELECT sum(p.income) AS s FROM persons p \
                    JOIN (VALUES ('XIHU'), ('XIHU'), ('XIHU')) v(d) ON p.district = v.d";
    for (rows, income, is_shown) in [(1, 500.0, true), (1, 5_000.0, false), (50, 100.0, false)] {
        let (engine, domain) = (Engine::new(), persons_domain(&city(rows, income)));
        for sql in [plain, grouped, repeated] {
            let job = engine.check_job(&domain, sql, &thresholds()).await.expect(sql);
            let output = engine.run(&domain, &job, shuyu_enclave::OutputLimits::default()).await;
            let shown = output.unwrap().rows.len();
            assert_eq!(shown == 1, is_shown, "{sql}: {rows} of {income}");
        }
    }
}
