//! Which figures are shown, and when: dominance, zeros, variances, distinct values, bands.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use std::sync::Arc;

use shuyu_enclave::{
    Aggregate, Answer, Band, Domain, Engine, Item, Label, Objection, OutputLimits,
};
use support::{Person, city, persons_domain, persons_item, persons_table, thresholds, version};

/// People of one district, with so much each.
fn people(incomes: &[f64]) -> Vec<Person> {
    let person = |(n, income): (usize, &f64)| Person {
        id_no: format!("person-{n}"),
        gender: "F",
        district: "XIHU",
        birth_year: 1980,
        income: Some(*income),
        phone: String::new(),
    };
    incomes.iter().enumerate().map(person).collect()
}

fn domain(people: &[Person], change: impl Fn(&mut Item)) -> Domain {
    let mut item = persons_item();
    change(&mut item);
    Domain::new(Arc::default(), vec![(item, version(1), persons_table(people))]).unwrap()
}

async fn answer(domain: &Domain, sql: &str) -> Result<Answer, Objection> {
    let engine = Engine::new();
    let asked = engine.check_ask(domain, sql).await?;
    engine.answer(domain, &asked, &[], &thresholds()).await
}

/// The figures of the only cell, if it is shown.
async fn figures(domain: &Domain, sql: &str) -> Option<Vec<String>> {
    let cells = answer(domain, sql).await.unwrap().cells;
    assert!(cells.len() < 2, "{sql}: {cells:?}");
    cells.into_iter().next().map(|cell| cell.figures)
}

async fn rows_of_job(domain: &Domain, sql: &str) -> usize {
    let engine = Engine::new();
    let job = engine.check_job(domain, sql, &thresholds()).await.expect(sql);
    engine.run(domain, &job, OutputLimits::default()).await.unwrap().rows.len()
}

#[tokio::test]
async fn a_sum_in_which_the_second_knows_the_first_is_not_shown() {
    // Eight others come to 828, which is 20 percent of 4,140.
    let with = |largest: f64| {
        let mut incomes: Vec<f64> = (0..8).map(|n| f64::from(100 + n)).collect();
        incomes.extend([500.0, largest]);
        persons_domain(&people(&incomes))
    };
    let sql = "SELECT sum(income) AS s FROM persons";
    assert_eq!(figures(&with(4_140.0), sql).await, Some(vec!["5468.0000".to_owned()]));
    assert_eq!(figures(&with(4_141.0), sql).await, None);
    assert_eq!(figures(&with(4_141.0), "SELECT avg(income) AS m FROM persons").await, None);
    assert_eq!(figures(&with(4_141.0), "SELECT count(*) AS n FROM persons").await.unwrap(), ["10"]);
    for (largest, shown) in [(4_100.0, 1), (4_200.0, 0)] {
        assert_eq!(rows_of_job(&with(largest), sql).await, shown, "{largest}");
    }
}

#[tokio::test]
async fn who_contributes_nothing_is_no_contributor_and_equal_contributions_are_not_shown() {
    let with = |zeros: usize, others: &[f64]| {
        let incomes: Vec<f64> = vec![0.0; zeros].into_iter().chain(others.to_vec()).collect();
        persons_domain(&people(&incomes))
    };
    let sql = "SELECT sum(income) AS s FROM persons";
    assert_eq!(figures(&with(7, &[100.0, 101.0, 102.0, 103.0]), sql).await, None);
    let five = with(7, &[100.0, 101.0, 102.0, 103.0, 104.0]);
    assert_eq!(figures(&five, sql).await, Some(vec!["510.0000".to_owned()]));
    assert_eq!(figures(&with(12, &[]), sql).await, None, "all zero");
    assert_eq!(figures(&with(0, &[7.0; 12]), sql).await, None, "all equal");
    let negative = [-1.0, 100.0, 101.0, 102.0, 103.0, 104.0, 105.0];
    assert_eq!(figures(&with(0, &negative), sql).await, None, "dominance is not defined");
}

#[tokio::test]
async fn a_variance_has_ten_degrees_of_freedom_and_is_nobodys() {
    let sql = "SELECT var_samp(income) AS v, stddev(income) AS s FROM persons";
    let spread = |count: i32| -> Vec<f64> { (0..count).map(|n| f64::from(100 + n * 10)).collect() };
    let shown = figures(&persons_domain(&people(&spread(11))), sql).await;
    assert_eq!(shown.unwrap(), ["1100.00", "33.17"]);
    assert_eq!(figures(&persons_domain(&people(&spread(10))), sql).await, None);
    // Two rows each of ten are twenty rows of ten.
    let mut twice = people(&spread(20));
    for (n, person) in twice.iter_mut().enumerate() {
        person.id_no = format!("person-{}", n / 2);
    }
    assert_eq!(figures(&persons_domain(&twice), sql).await, None);
    let mut more = people(&spread(22));
    for (n, person) in more.iter_mut().enumerate() {
        person.id_no = format!("person-{}", n / 2);
    }
    // Σ (10 (n − 10.5))² / 21 over 22 rows.
    assert_eq!(figures(&persons_domain(&more), sql).await.unwrap(), ["4216.67", "64.94"]);
    // All but one are alike: their sum hides the one, the deviation is theirs alone.
    let mut outlier: Vec<f64> = (0..11).map(|n| f64::from(10_000 + n)).collect();
    outlier.push(10_500.0);
    let outlier = persons_domain(&people(&outlier));
    assert!(figures(&outlier, "SELECT avg(income) AS m FROM persons").await.is_some());
    assert_eq!(figures(&outlier, sql).await, None);
    let refused = answer(&outlier, "SELECT var_pop(income) AS v FROM persons").await;
    assert_eq!(refused.unwrap_err().rule.name(), "ask-measures");
}

#[tokio::test]
async fn what_a_variance_tells_is_compared_with_other_answers() {
    let engine = Engine::new();
    let mut all = people(&(0..40).map(|n| f64::from(1_000 + n * 10)).collect::<Vec<_>>());
    for (n, person) in all.iter_mut().enumerate() {
        person.birth_year = if n < 2 { 1990 } else { 1980 };
    }
    let domain = persons_domain(&all);
    let ask = async |sql: &str, earlier: &[Answer]| {
        let asked = engine.check_ask(&domain, sql).await.unwrap();
        engine.answer(&domain, &asked, earlier, &thresholds()).await
    };
    let whole = ask("SELECT var_samp(income) AS v FROM persons", &[]).await.unwrap();
    assert_eq!(whole.cells.len(), 1);
    let earlier = std::slice::from_ref(&whole);
    for figure in ["var_samp(income)", "stddev(income)", "avg(income)", "count(income)"] {
        let sql = format!("SELECT {figure} AS f FROM persons WHERE birth_year = 1980");
        let refused = ask(&sql, earlier).await.expect_err("two are left");
        assert_eq!(refused.rule.name(), "no-differencing", "{figure}");
    }
}

#[tokio::test]
async fn of_the_values_of_a_dimension_those_are_counted_that_would_be_shown() {
    let all = persons_domain(&city(0));
    // The victim is alone in a year of birth.
    let sql = "SELECT count(DISTINCT birth_year) AS years FROM persons";
    assert_eq!(figures(&all, sql).await.unwrap(), ["3"]);
    let mut without = city(0);
    without.pop();
    assert_eq!(figures(&persons_domain(&without), sql).await.unwrap(), ["3"]);
    let by = "SELECT gender, count(DISTINCT district) AS n, count(DISTINCT gender) AS one \
              FROM persons GROUP BY gender";
    let cells = answer(&all, by).await.unwrap().cells;
    let shown: Vec<_> = cells.iter().map(|cell| cell.figures.join(" ")).collect();
    assert_eq!(shown, ["3 1", "3 1"]);
    // Where none would be shown nothing is: nought would say that all are small.
    let scattered: Vec<Person> = city(0)
        .into_iter()
        .zip(1_900..)
        .map(|(person, birth_year)| Person { birth_year, ..person })
        .collect();
    assert_eq!(figures(&persons_domain(&scattered), sql).await, None);
    for refused in ["count(DISTINCT income)", "sum(DISTINCT birth_year)", "count(birth_year)"] {
        let sql = format!("SELECT {refused} AS n FROM persons");
        assert_eq!(answer(&all, &sql).await.unwrap_err().rule.name(), "ask-measures", "{sql}");
    }
}

#[tokio::test]
async fn regions_that_differ_by_one_person_are_not_both_counted_by_distinct_values() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let ask = async |sql: &str, earlier: &[Answer]| {
        let asked = engine.check_ask(&domain, sql).await.unwrap();
        engine.answer(&domain, &asked, earlier, &thresholds()).await
    };
    let all = ask("SELECT count(DISTINCT district) AS n FROM persons", &[]).await.unwrap();
    let most = "SELECT count(DISTINCT district) AS n FROM persons \
                WHERE birth_year IN (1980, 1981, 1982)";
    let refused = ask(most, &[all]).await.expect_err("one is left");
    assert_eq!(refused.rule.name(), "no-differencing");
}

#[tokio::test]
async fn bands_are_compared_at_their_ends_and_nowhere_else() {
    let band = |label: &str, from: Option<&str>, below: Option<&str>| Band {
        label: label.to_owned(),
        from: from.map(str::to_owned),
        below: below.map(str::to_owned),
    };
    let bands = vec![
        band("before 1981", None, Some("1981")),
        band("1981", Some("1981"), Some("1982")),
        band("later", Some("1982"), None),
    ];
    let domain = domain(&city(0), |item| {
        let label = Label::Dimension { codes: Vec::new(), bands: bands.clone() };
        item.columns.insert("birth_year".to_owned(), label);
    });
    let engine = Engine::new();
    let counted = async |condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM persons WHERE {condition}");
        let asked =
            engine.check_ask(&domain, &sql).await.map_err(|it| (it.rule.name(), it.cause))?;
        let answer = engine.answer(&domain, &asked, &[], &thresholds()).await.unwrap();
        let shown = answer.cells.first().map(|cell| cell.figures[0].clone());
        Ok((asked.question().hash(), shown))
    };
    let (early, shown) = counted("birth_year < 1982").await.unwrap();
    assert_eq!(shown.as_deref(), Some("40"));
    for same in [
        "birth_year <= 1981",
        "1982 > birth_year",
        "birth_year IN ('1981', 'before 1981')",
        "birth_year < 1982 AND birth_year <= 1981",
    ] {
        assert_eq!(counted(same).await.unwrap(), (early, shown.clone()), "{same}");
    }
    let (_, later) = counted("birth_year >= 1982").await.unwrap();
    assert_eq!(later.as_deref(), Some("21"));
    let (one, shown) = counted("birth_year BETWEEN 1981 AND 1981").await.unwrap();
    assert_eq!(
        (one, shown.as_deref()),
        (counted("birth_year = '1981'").await.unwrap().0, Some("20"))
    );
    assert_eq!(counted("birth_year < 1981 AND birth_year > 1981").await.unwrap().1, None);
    for divided in ["birth_year > 1985", "birth_year < 1980", "birth_year <= 1982"] {
        let (rule, cause) = counted(divided).await.expect_err(divided);
        assert_eq!(rule, "ask-filters", "{divided}");
        assert_eq!(cause.column.as_deref(), Some("persons.birth_year"));
        assert!(cause.passes.unwrap().contains("1981, 1982"), "{divided}");
    }
    let (rule, _) = counted("gender > 'F'").await.expect_err("it has no bands");
    assert_eq!(rule, "ask-filters");
}

#[tokio::test]
async fn a_measure_is_aggregated_by_what_its_grant_names() {
    let domain = domain(&city(0), |item| {
        let aggregates = [Aggregate::Count, Aggregate::Sum].into();
        let label = Label::Measure { lower: None, upper: None, aggregates };
        item.columns.insert("income".to_owned(), label);
    });
    let engine = Engine::new();
    for (figure, passes) in [("sum(income)", true), ("count(income)", true), ("avg(income)", false)]
    {
        let sql = format!("SELECT gender, {figure} AS f FROM persons GROUP BY gender");
        let asked = engine.check_ask(&domain, &sql).await;
        let job = engine.check_job(&domain, &sql, &thresholds()).await;
        assert_eq!((asked.is_ok(), job.is_ok()), (passes, passes), "{figure}");
        let (Err(asked), Err(job)) = (asked, job) else { continue };
        for objection in [asked, job] {
            assert_eq!(objection.cause.column.as_deref(), Some("persons.income"));
            assert_eq!(objection.cause.passes.as_deref(), Some("COUNT, SUM of it"));
        }
    }
    let nested = "SELECT avg(t.s) AS m FROM (SELECT id_no, sum(income) AS s FROM persons \
                  GROUP BY id_no) t";
    let refused = engine.check_job(&domain, nested, &thresholds()).await.expect_err("a mean of it");
    assert_eq!(refused.rule.name(), "no-raw-output");
    let refused = engine.check_ask(&domain, "SELECT stddev(income) FROM persons").await;
    assert_eq!(refused.err().map(|it| it.rule.name()), Some("ask-measures"));
}

#[tokio::test]
async fn a_refusal_names_the_column_its_way_and_what_would_pass() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let asked = "SELECT id_no, count(*) AS n FROM persons GROUP BY id_no";
    let cause = engine.check_ask(&domain, asked).await.expect_err("by identity").cause;
    assert_eq!(cause.column.as_deref(), Some("persons.id_no"));
    assert_eq!(cause.path, ["scan", "group", "output"]);
    assert_eq!(cause.passes.as_deref(), Some("GROUP BY dimension, dimension"));
    let job = "SELECT t.x AS y FROM (SELECT lower(gender) AS x FROM persons) t";
    let cause = engine.check_job(&domain, job, &thresholds()).await.expect_err("raw").cause;
    assert_eq!(cause.column.as_deref(), Some("persons.gender"));
    assert_eq!(cause.path, ["scan", "projection", "projection", "output `y`"]);
    assert!(cause.passes.unwrap().starts_with("COUNT, SUM or AVG"));
    let compared = "SELECT count(*) AS n FROM persons WHERE id_no = 'x'";
    let cause =
        engine.check_job(&domain, compared, &thresholds()).await.expect_err("identity").cause;
    assert_eq!(cause.column.as_deref(), Some("persons.id_no"));
    assert_eq!(cause.path, ["scan", "expression"]);
}
