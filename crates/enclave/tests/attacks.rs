//! The catalogue of attacks, run: the bare engine answers each; the checker refuses each, by a
//! known rule, in both modes.

#![allow(clippy::allow_attributes, reason = "which of them occur differs by test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod support;

use shuyu_enclave::{Engine, OutputLimits};
use support::{city, persons_domain, thresholds};

/// Name, text, the rule in Ask mode, the rule in Produce mode (`""`: answered, and harmless).
const ATTACKS: &[(&str, &str, &str, &str)] = &[
    ("A00 everything", "SELECT * FROM persons", "no-raw-output", "no-raw-output"),
    (
        "A01 projection",
        "SELECT id_no, income FROM persons WHERE district = 'XIHU'",
        "no-raw-output",
        "no-raw-output",
    ),
    (
        "A03 cast",
        "SELECT CAST(income AS VARCHAR) AS n FROM persons",
        "no-raw-output",
        "no-raw-output",
    ),
    (
        "A07 identity functions",
        "SELECT coalesce(income, 0) AS a, CASE WHEN true THEN income END AS c FROM persons",
        "no-raw-output",
        "no-raw-output",
    ),
    (
        "A09 hash",
        "SELECT upper(id_no) AS pid, count(*) AS n FROM persons GROUP BY 1",
        "ask-dimensions",
        "identifiers-join-only",
    ),
    (
        "A10 concatenation",
        "SELECT 'x' || id_no AS d, count(*) AS n FROM persons GROUP BY 1",
        "ask-dimensions",
        "identifiers-join-only",
    ),
    (
        "A12 VALUES fan-out",
        "SELECT district, sum(n) / 5 AS s FROM (SELECT district, income AS n FROM persons WHERE birth_year = 1990) t CROSS JOIN (VALUES (1),(2),(3),(4),(5)) v(x) GROUP BY district",
        "ask-closed-class",
        "join-by-equality",
    ),
    (
        "A13 scalar subquery",
        "SELECT (SELECT id_no FROM persons LIMIT 1) AS d, count(*) AS n FROM persons",
        "ask-closed-class",
        "understood-only",
    ),
    (
        "A16 DISTINCT ON",
        "SELECT DISTINCT ON (district) district, id_no, income FROM persons ORDER BY district, income DESC",
        "ask-closed-class",
        "understood-only",
    ),
    ("A17 DISTINCT", "SELECT DISTINCT income FROM persons", "ask-closed-class", "no-raw-output"),
    (
        "B02 string_agg",
        "SELECT district, string_agg(gender, ',') AS s FROM persons GROUP BY district",
        "ask-measures",
        "understood-only",
    ),
    (
        "B02b array_agg",
        "SELECT district, array_agg(income) AS s FROM persons GROUP BY district",
        "ask-measures",
        "no-raw-output",
    ),
    (
        "B02c first_value",
        "SELECT district, first_value(income) AS s FROM persons GROUP BY district",
        "ask-measures",
        "no-raw-output",
    ),
    (
        "B04 min and max",
        "SELECT district, max(income) AS m, min(income) AS p FROM persons GROUP BY district",
        "ask-measures",
        "no-raw-output",
    ),
    ("B05 median", "SELECT median(income) AS p FROM persons", "ask-measures", "no-raw-output"),
    (
        "B08 CASE in SUM",
        "SELECT sum(CASE WHEN birth_year = 1990 THEN income ELSE 0 END) AS s FROM persons",
        "ask-measures",
        "",
    ),
    (
        "B09 FILTER",
        "SELECT sum(income) FILTER (WHERE birth_year = 1990) AS s FROM persons",
        "ask-measures",
        "understood-only",
    ),
    (
        "B10 CASE in AVG",
        "SELECT avg(CASE WHEN birth_year = 1990 THEN income END) AS s FROM persons",
        "ask-measures",
        "",
    ),
    (
        "B11 weight",
        "SELECT sum(income * (CASE WHEN birth_year = 1990 THEN 1000000000 ELSE 0 END)) AS s FROM persons",
        "ask-measures",
        "",
    ),
    (
        "B12 boolean cast",
        "SELECT sum(income * CAST((birth_year = 1990) AS INT)) AS s FROM persons",
        "ask-measures",
        "total-functions",
    ),
    ("B14 bit_or", "SELECT bit_or(birth_year) AS b FROM persons", "ask-measures", "no-raw-output"),
    (
        "B15 bit_xor",
        "SELECT bit_xor(birth_year) AS b FROM persons",
        "ask-measures",
        "no-raw-output",
    ),
    ("B16 variance", "SELECT var_pop(income) AS v FROM persons", "ask-measures", "no-raw-output"),
    (
        "B18 regression",
        "SELECT regr_avgx(1.0, income) AS s FROM persons",
        "ask-measures",
        "understood-only",
    ),
    (
        "B20 bool_or",
        "SELECT bool_or(birth_year = 1990 AND gender = 'F') AS b FROM persons",
        "ask-measures",
        "no-raw-output",
    ),
    (
        "B21 count distinct CASE",
        "SELECT count(DISTINCT CASE WHEN birth_year = 1990 THEN 1 END) AS b FROM persons",
        "ask-measures",
        "",
    ),
    (
        "B23 sum distinct",
        "SELECT sum(DISTINCT income) AS a FROM persons",
        "ask-measures",
        "no-raw-output",
    ),
    (
        "B25 filter on a measure",
        "SELECT district, avg(income) AS m FROM persons WHERE income = 876543 GROUP BY district",
        "ask-filters",
        "",
    ),
    (
        "C01 group by identifier",
        "SELECT id_no, count(*) AS n FROM persons GROUP BY id_no",
        "identifiers-join-only",
        "no-raw-output",
    ),
    (
        "C02 group by measure",
        "SELECT income, count(*) AS n FROM persons GROUP BY income",
        "ask-dimensions",
        "no-raw-output",
    ),
    (
        "C04 HAVING singletons",
        "SELECT birth_year, count(*) AS n, sum(income) AS s FROM persons GROUP BY birth_year HAVING count(*) = 1",
        "ask-closed-class",
        "",
    ),
    (
        "C05 HAVING max",
        "SELECT count(*) AS n FROM persons HAVING max(income) = 876543",
        "ask-closed-class",
        "no-raw-output",
    ),
    (
        "C09 UNION padding",
        "SELECT sum(income) AS s FROM (SELECT income, id_no FROM persons UNION ALL SELECT * FROM (VALUES (0.0, 'a')) v) t",
        "ask-closed-class",
        "understood-only",
    ),
    (
        "C11 ROLLUP",
        "SELECT district, count(*) AS n FROM persons GROUP BY ROLLUP(district)",
        "ask-dimensions",
        "understood-only",
    ),
    (
        "C14 value in the key",
        "SELECT gender || district AS k, count(*) AS n FROM persons GROUP BY 1",
        "ask-dimensions",
        "",
    ),
    (
        "D01 name one person",
        "SELECT sum(income) AS s FROM persons WHERE id_no <> '330106199003070011'",
        "ask-filters",
        "identifiers-join-only",
    ),
    (
        "D01b equal to one person",
        "SELECT sum(income) AS s FROM persons WHERE id_no = '330106199003070011'",
        "identifiers-join-only",
        "identifiers-join-only",
    ),
    (
        "D03 OR",
        "SELECT count(*) AS n FROM persons WHERE gender = 'F' OR district = 'XIHU'",
        "ask-filters",
        "",
    ),
    (
        "D04 NOT",
        "SELECT sum(income) AS s FROM persons WHERE NOT (gender = 'F' AND district = 'XIHU')",
        "ask-filters",
        "",
    ),
    (
        "D06 EXCEPT",
        "SELECT sum(income) AS s FROM (SELECT * FROM persons EXCEPT SELECT * FROM persons WHERE gender = 'F') t",
        "ask-closed-class",
        "join-columns",
    ),
    (
        "D07 NOT IN subquery",
        "SELECT count(*) AS n FROM persons p WHERE p.id_no NOT IN (SELECT id_no FROM persons WHERE gender = 'F')",
        "ask-closed-class",
        "understood-only",
    ),
    (
        "E02 subquery in WHERE",
        "SELECT count(*) AS n FROM persons WHERE (SELECT max(income) FROM persons) > 876542",
        "ask-filters",
        "understood-only",
    ),
    (
        "E07 window",
        "SELECT district, row_number() OVER (ORDER BY income DESC) AS rk FROM persons",
        "ask-closed-class",
        "understood-only",
    ),
    (
        "E09 division",
        "SELECT sum(1 / (CASE WHEN birth_year = 1990 THEN 2 ELSE 1 END)) AS s FROM persons",
        "ask-measures",
        "total-functions",
    ),
    (
        "E11 cast error",
        "SELECT sum(CAST(district AS BIGINT)) AS s FROM persons WHERE district = '1'",
        "ask-measures",
        "total-functions",
    ),
    (
        "E14 EXPLAIN ANALYZE",
        "EXPLAIN ANALYZE SELECT count(*) FROM persons",
        "one-query",
        "one-query",
    ),
    ("E14b EXPLAIN", "EXPLAIN SELECT max(income) FROM persons", "one-query", "one-query"),
    (
        "E24 order by a measure",
        "SELECT district FROM persons ORDER BY income",
        "no-raw-output",
        "no-raw-output",
    ),
    ("E25 LIMIT on rows", "SELECT district FROM persons LIMIT 1", "no-raw-output", "no-raw-output"),
    (
        "F03 self anti-join",
        "SELECT sum(p.income) AS s FROM persons p LEFT JOIN persons u ON p.id_no = u.id_no WHERE u.id_no IS NULL",
        "ask-closed-class",
        "",
    ),
    (
        "F06 fuzzy join",
        "SELECT count(*) AS n FROM persons p JOIN persons u ON p.income < u.income",
        "ask-closed-class",
        "join-columns",
    ),
    ("G01 COPY", "COPY persons TO '/tmp/shuyu-stolen.csv'", "one-query", "one-query"),
    ("G04 SET", "SET datafusion.catalog.information_schema = true", "one-query", "one-query"),
    ("G06 DESCRIBE", "DESCRIBE persons", "one-query", "one-query"),
    ("G07 SHOW", "SHOW ALL", "one-query", "one-query"),
    ("G14 two statements", "SELECT count(*) FROM persons; SELECT 1", "one-query", "one-query"),
    (
        "G15 CTE",
        "WITH t AS (SELECT income FROM persons WHERE birth_year = 1990) SELECT sum(income) AS s FROM t",
        "ask-closed-class",
        "subject-countable",
    ),
    (
        "G21 series",
        "SELECT sum(value) AS s FROM generate_series(1, 3)",
        "granted-names",
        "granted-names",
    ),
    ("G22 INSERT", "INSERT INTO persons SELECT * FROM persons", "one-query", "one-query"),
    (
        "G23 CREATE EXTERNAL",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "one-query",
        "one-query",
    ),
    (
        "A04 struct as a key",
        "SELECT named_struct('k', id_no, 'v', income) AS district, count(*) AS n FROM persons GROUP BY 1",
        "ask-dimensions",
        "known-functions",
    ),
    (
        "A03b arrow_cast",
        "SELECT arrow_cast(district, 'LargeUtf8') AS d, count(*) AS n FROM persons GROUP BY 1",
        "ask-dimensions",
        "known-functions",
    ),
    (
        "C15 histogram of single persons",
        "SELECT t.s, count(*) AS n FROM (SELECT id_no, sum(income) AS s FROM persons GROUP BY id_no) t GROUP BY t.s",
        "ask-closed-class",
        "no-raw-output",
    ),
    (
        "C16 HAVING within each person",
        "SELECT sum(t.s) AS s FROM (SELECT id_no, sum(income) AS s FROM persons GROUP BY id_no HAVING sum(income) = 876543) t",
        "ask-closed-class",
        "",
    ),
    (
        "D01c part of an identifier",
        "SELECT count(*) AS n FROM persons WHERE id_no LIKE '330106199003%'",
        "ask-filters",
        "identifiers-join-only",
    ),
    (
        "D01d list of identifiers",
        "SELECT count(*) AS n FROM persons WHERE id_no IN ('330106199003070011', 'x', 'y')",
        "identifiers-join-only",
        "identifiers-join-only",
    ),
    (
        "D02 all but one by quasi-identifiers",
        "SELECT sum(income) AS s FROM persons WHERE NOT (birth_year = 1990 AND gender = 'F' AND district = 'XIHU')",
        "ask-filters",
        "",
    ),
    (
        "E08 window of one",
        "SELECT sum(a) / 5 AS s FROM (SELECT avg(income) OVER (PARTITION BY birth_year, gender) AS a FROM persons) t",
        "ask-closed-class",
        "understood-only",
    ),
    (
        "E17 error on rows",
        "SELECT district, count(*) AS n FROM persons WHERE CAST(CASE WHEN birth_year = 1 THEN gender ELSE '1' END AS BIGINT) = 1 GROUP BY district",
        "ask-filters",
        "total-functions",
    ),
    (
        "E19 work for one person",
        "SELECT count(*) AS n FROM persons WHERE CASE WHEN birth_year = 1990 THEN (SELECT count(*) FROM persons a CROSS JOIN persons b) ELSE 1 END >= 0",
        "ask-filters",
        "understood-only",
    ),
    (
        "E19b every pair",
        "SELECT count(*) AS n FROM persons a CROSS JOIN persons b",
        "ask-closed-class",
        "join-by-equality",
    ),
    (
        "E19c an equality of one side",
        "SELECT count(*) AS n FROM persons a JOIN persons b ON a.id_no = a.id_no",
        "ask-closed-class",
        "join-by-equality",
    ),
    (
        "E19d every pair of a comma",
        "SELECT count(*) AS n FROM persons a, persons b WHERE a.id_no = b.id_no",
        "ask-closed-class",
        "join-by-equality",
    ),
    (
        "E19e every pair of literals",
        "SELECT count(*) AS n FROM (VALUES (1), (2)) a(x) CROSS JOIN (VALUES (1), (2)) b(y)",
        "ask-closed-class",
        "join-by-equality",
    ),
    (
        "E19f every pair of a district",
        "SELECT count(*) AS n FROM persons a JOIN persons b ON a.district = b.district",
        "ask-closed-class",
        "join-columns",
    ),
    (
        "E20 memory for one person",
        "SELECT sum(character_length(repeat('x', CASE WHEN birth_year = 1990 THEN 20000 ELSE 1 END))) AS s FROM persons",
        "ask-measures",
        "known-functions",
    ),
    (
        "E20b memory for literals",
        "SELECT max(repeat('x', 20000)) AS m FROM (VALUES (1)) v(x)",
        "ask-closed-class",
        "known-functions",
    ),
    (
        "E26 volatile",
        "SELECT sum(income * random()) AS s FROM persons",
        "ask-measures",
        "known-functions",
    ),
    (
        "F01 join of literals",
        "SELECT district, count(*) AS n FROM persons p JOIN (VALUES ('330106199003070011')) u(id) ON p.id_no = u.id GROUP BY district",
        "ask-closed-class",
        "identifiers-join-only",
    ),
    (
        "F02 left join of literals",
        "SELECT district, count(*) AS n FROM persons p LEFT JOIN (SELECT '330106199003070011' AS id) u ON p.id_no = u.id WHERE u.id IS NOT NULL GROUP BY district",
        "ask-closed-class",
        "identifiers-join-only",
    ),
    (
        "C01 division by a figure: whether it fails tells a figure",
        "SELECT 1 / (n - 2030) AS d FROM (SELECT count(*) AS n FROM persons) t",
        "no-raw-output",
        "total-functions",
    ),
    (
        "C01b cast of a figure: whether it fails tells a figure",
        "SELECT CAST(CASE WHEN n > 7 THEN 'x' ELSE '1' END AS INT) AS d FROM (SELECT count(*) AS n FROM persons) t",
        "no-raw-output",
        "total-functions",
    ),
    (
        "C08 a measure as the key of a join",
        "SELECT count(*) AS n FROM persons p JOIN (VALUES (876543)) v(x) ON p.income = v.x",
        "ask-closed-class",
        "join-columns",
    ),
    (
        "G14d comments for spaces",
        "SELECT/**/*/**/FROM/**/persons",
        "no-raw-output",
        "no-raw-output",
    ),
];

/// Jobs that single somebody out inside figures over many: reviewers must compare them.
const COMPARED: &[(&str, &str)] = &[
    (
        "H01 a case on the way",
        "SELECT count(*) AS n, sum(t.x) AS s FROM (SELECT id_no, CASE WHEN district = 'XIHU' THEN income ELSE 1000000 END AS x FROM persons) t",
    ),
    (
        "H02 groups that overlap, by rows of the job's own",
        "SELECT v.g, count(*) AS n FROM persons p JOIN (VALUES ('all', 'XIHU'), ('all', 'BINJIANG'), ('rest', 'BINJIANG')) v(g, d) ON p.district = v.d GROUP BY v.g",
    ),
    (
        "H03 a group that was computed",
        "SELECT t.g, count(*) AS n FROM (SELECT id_no, CASE WHEN district = 'XIHU' THEN 'a' ELSE 'b' END AS g FROM persons) t GROUP BY t.g",
    ),
];

const NAMES: &str = "granted-names";
const ONE: &str = "one-query";

/// Texts that even the bare engine of a test cannot answer, but that must be refused as well.
const FOREIGN: &[(&str, &str, &str, &str)] = &[
    ("G02 file as table", "SELECT * FROM '/etc/passwd'", NAMES, NAMES),
    ("G03 read_csv", "SELECT * FROM read_csv('/etc/passwd')", NAMES, NAMES),
    ("E15 information_schema", "SELECT * FROM information_schema.tables", NAMES, NAMES),
    ("E22 parquet_metadata", "SELECT * FROM parquet_metadata('rows.parquet')", NAMES, NAMES),
    ("E22b metadata_cache", "SELECT * FROM metadata_cache()", NAMES, NAMES),
    ("E16 unknown column", "SELECT no_such_col, count(*) FROM persons GROUP BY 1", NAMES, NAMES),
    ("E16b ungranted column", "SELECT phone, count(*) FROM persons GROUP BY 1", NAMES, NAMES),
    ("E15b unknown table", "SELECT count(*) FROM nowhere", NAMES, NAMES),
    ("E15c ungranted table", "SELECT count(*) FROM clinic", NAMES, NAMES),
    ("A05 array", "SELECT make_array(id_no, gender) AS d FROM persons", NAMES, NAMES),
    (
        "C06 fan-out by a series",
        "SELECT sum(income) / 10 AS s FROM persons CROSS JOIN generate_series(1, 10) t",
        NAMES,
        NAMES,
    ),
    (
        "C07 fan-out by unnest",
        "SELECT sum(income) / 3 AS s FROM (SELECT income, unnest([1, 2, 3]) AS u FROM persons) t",
        NAMES,
        NAMES,
    ),
    (
        "C02 a job of literals, to try on the checks",
        "SELECT 'XIHU' AS district",
        "ask-closed-class",
        NAMES,
    ),
    ("G14b rubbish", "SELEC count(*) FRM persons", ONE, ONE),
    ("G14c nothing", "", ONE, ONE),
    ("G14e another semicolon", "SELECT count(*) FROM persons\u{37e} SELECT 1", ONE, ONE),
    (
        "G13 parameter",
        "SELECT count(*) FROM persons WHERE district = $1",
        "ask-filters",
        "job-parameters",
    ),
    (
        "G13b parameter as a limit",
        "SELECT count(*) FROM persons LIMIT $1",
        "ask-closed-class",
        "job-parameters",
    ),
];

#[tokio::test]
async fn every_attack_is_refused_by_its_rule_when_asked() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let mut wrong = Vec::new();
    for (name, sql, rule, _) in ATTACKS.iter().chain(FOREIGN) {
        match engine.check_ask(&domain, sql).await {
            Ok(_) => wrong.push(format!("{name}: passed")),
            Err(objection) if objection.rule.name() != *rule => {
                wrong.push(format!(
                    "{name}: {} not {rule} ({})",
                    objection.rule.name(),
                    objection.detail
                ));
            }
            Err(objection) => assert!(!objection.detail.contains("876543"), "{name}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_attack_on_a_job_is_refused_by_its_rule_or_shows_no_small_group() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let mut wrong = Vec::new();
    for (name, sql, _, rule) in ATTACKS.iter().chain(FOREIGN) {
        match engine.check_job(&domain, sql, &thresholds()).await {
            Ok(job) if rule.is_empty() => {
                let output = engine.run(&domain, &job, OutputLimits::default()).await.expect(name);
                let csv = output.to_csv();
                for secret in ["876543", "330106199003070011"] {
                    assert!(!csv.contains(secret), "{name}: {csv}");
                }
            }
            Ok(_) => wrong.push(format!("{name}: passed, not {rule}")),
            Err(objection) if objection.rule.name() != *rule => {
                wrong.push(format!(
                    "{name}: {} not `{rule}` ({})",
                    objection.rule.name(),
                    objection.detail
                ));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn figures_that_a_job_shapes_are_compared_by_reviewers() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    for (name, sql) in COMPARED {
        let job = engine.check_job(&domain, sql, &thresholds()).await.expect(name);
        assert!(job.comparison().is_some(), "{name}");
    }
    let plain = "SELECT district, count(*) AS n, sum(income) AS s FROM persons GROUP BY district";
    let job = engine.check_job(&domain, plain, &thresholds()).await.expect("a plain job");
    assert_eq!(job.comparison(), None);
}

#[tokio::test]
async fn the_bare_engine_answers_the_attacks() {
    let answered = support::bare_answers(&city(0), ATTACKS.iter().map(|(_, sql, ..)| *sql)).await;
    let refused: Vec<&str> = ATTACKS
        .iter()
        .zip(&answered)
        .filter(|(_, answered)| !**answered)
        .map(|((name, ..), _)| *name)
        .collect();
    // A plain engine has no catalogue of statements to refuse these by; it fails on their form.
    assert!(refused.len() <= 6, "{} of {}: {refused:?}", refused.len(), ATTACKS.len());
}

#[tokio::test]
async fn unknown_and_ungranted_names_are_refused_in_the_same_words() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let mut words = Vec::new();
    for sql in [
        "SELECT count(*) FROM nowhere",
        "SELECT count(*) FROM clinic",
        "SELECT count(phone) FROM persons",
        "SELECT count(no_such_col) FROM persons",
    ] {
        words.push(engine.check_ask(&domain, sql).await.expect_err(sql));
    }
    words.dedup();
    assert_eq!(words.len(), 1);
}

#[tokio::test]
async fn a_refusal_of_a_job_names_column_output_and_path() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let objection = engine
        .check_job(
            &domain,
            "SELECT t.x AS y FROM (SELECT income + 1 AS x FROM persons) t",
            &thresholds(),
        )
        .await
        .expect_err("raw");
    assert!(objection.detail.contains("`persons.income`"), "{}", objection.detail);
    assert!(objection.detail.contains("output `y`"), "{}", objection.detail);
    assert!(objection.detail.contains("scan → projection"), "{}", objection.detail);
}

#[tokio::test]
async fn a_plan_that_grows_with_every_name_is_refused_before_it_is_made() {
    use std::fmt::Write as _;
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let started = std::time::Instant::now();
    for join in [
        "SELECT x FROM t{n} UNION ALL SELECT x FROM t{n}",
        "SELECT a.x FROM t{n} a JOIN t{n} b ON a.x = b.x",
    ] {
        let mut sql = "WITH t0 AS (SELECT count(*) AS x FROM persons)".to_owned();
        for n in 0..40 {
            write!(sql, ", t{} AS ({})", n + 1, join.replace("{n}", &n.to_string())).unwrap();
        }
        sql += " SELECT x FROM t40";
        let job = engine.check_job(&domain, &sql, &thresholds()).await.expect_err("too large");
        assert_eq!(job.rule.name(), "one-query", "{}", job.detail);
        let asked = engine.check_ask(&domain, &sql).await.expect_err("too large");
        assert_eq!(asked.rule.name(), "one-query", "{}", asked.detail);
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn no_text_grows_by_being_put_together_with_itself() {
    let (engine, domain) = (Engine::new(), persons_domain(&city(0)));
    let check = async |sql: &str| {
        let checked = engine.check_job(&domain, sql, &thresholds()).await;
        checked.err().map(|objection| objection.rule.name())
    };
    let doubled = |times: usize, grouped: bool| {
        (0..times).fold("SELECT district AS d, id_no FROM persons".to_owned(), |inner, n| {
            if grouped && n == 4 {
                let grouped =
                    format!("SELECT d || d AS d, count(*) AS n FROM ({inner}) t GROUP BY 1");
                return format!("SELECT d, '' AS id_no FROM ({grouped}) t");
            }
            format!("SELECT d || d AS d, id_no FROM ({inner}) t")
        })
    };
    let count = |inner: String| format!("SELECT d, count(*) AS n FROM ({inner}) t GROUP BY d");
    assert_eq!(check(&count(doubled(6, false))).await, None, "64 times the longest value");
    assert_eq!(check(&count(doubled(7, false))).await, Some("total-functions"));
    assert_eq!(check(&count(doubled(6, true))).await, None);
    assert_eq!(
        check(&count(doubled(7, true))).await,
        Some("total-functions"),
        "an aggregate forgets nothing"
    );
    let concat = format!(
        "SELECT concat({}) AS d, count(*) AS n FROM persons GROUP BY 1",
        ["district"; 65].join(", ")
    );
    assert_eq!(check(&concat).await, Some("total-functions"));
    let literal = format!(
        "SELECT district || '{}' AS d, count(*) AS n FROM persons GROUP BY 1",
        "x".repeat(5_000)
    );
    assert_eq!(check(&literal).await, Some("total-functions"));
}

#[test]
fn no_pack_goes_below_the_smallest_cell() {
    let figures = |min: u32, percent: u32| {
        let parameters = format!(
            "[small_cell_min]\nvalue = {min}\narticle = \"1\"\nsource = \"default\"\n\
             [dominance_p_percent]\nvalue = {percent}\narticle = \"1\"\nsource = \"default\"\n"
        );
        let law = shuyu_testkit::law_of(&[("parameters.toml", &parameters)]);
        let thresholds = shuyu_enclave::Thresholds::of_law(&law);
        (thresholds.persons, thresholds.enterprises, thresholds.dominance_percent)
    };
    assert_eq!(figures(1, 0), (3, 3, 10));
    assert_eq!(figures(20, 30), (20, 20, 30));
}
