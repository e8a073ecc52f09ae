//! All answers together, whoever was given them: three that overlap, other joined tables, later
//! deliveries. What singles nobody out is still answered.

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

use arrow::{
    array::{Int64Array, StringArray},
    record_batch::RecordBatch,
};
use shuyu_enclave::{Answer, Band, Engine, Item, Label, Operation, Sheet};
use shuyu_kernel::{Actor, GrantId, Id as _, SessionId};
use shuyu_store::ActError;
use shuyu_testkit::actor;
use shuyu_vault::{DatasetSpec, FieldRole, FieldType};
use support::world::{
    OTHER, PERSONS, Row, VICTIM, World, analyst, field, item, items, persons, rows, rule, spec,
};
use support::{DISTRICTS, Person, persons_domain, thresholds};

const INSURED: u128 = 4;
const VISITS: u128 = 5;
const OTHERS_GRANT: u128 = 13;

/// Of whom a table is, by their places among the persons, each with a code and an amount.
fn table_of(
    name: &str,
    dimension: &str,
    measure: &str,
    rows: &[(&Row, String, i64)],
) -> (DatasetSpec, RecordBatch) {
    let fields = vec![
        field("id_no", FieldType::Text, FieldRole::Identifier),
        field(dimension, FieldType::Text, FieldRole::Dimension),
        field(measure, FieldType::Integer, FieldRole::Measure),
    ];
    let spec = spec(name, fields, Some("id_no"));
    let ids: StringArray = rows.iter().map(|(row, ..)| Some(row.id_no.as_str())).collect();
    let codes: StringArray = rows.iter().map(|(_, code, _)| Some(code.as_str())).collect();
    let amounts = Int64Array::from_iter_values(rows.iter().map(|(.., amount)| *amount));
    let batch = RecordBatch::try_new(
        spec.schema(),
        vec![Arc::new(ids), Arc::new(codes), Arc::new(amounts)],
    );
    (spec, batch.unwrap())
}

/// Everybody but the victim is insured.
fn insured() -> (DatasetSpec, RecordBatch) {
    let rows = rows(300);
    let insured: Vec<(&Row, String, i64)> = rows
        .iter()
        .zip(0_i64..)
        .filter(|(row, _)| row.id_no != VICTIM)
        .map(|(row, n)| (row, if n % 5 == 4 { "full" } else { "basic" }.to_owned(), 100 + n))
        .collect();
    table_of("insured", "plan", "fee", &insured)
}

/// Everybody but the victim has been somewhere once; one in so many was in two wards.
fn visits(one_in: i64) -> (DatasetSpec, RecordBatch) {
    let rows = rows(300);
    let mut visits = Vec::new();
    for (row, n) in rows.iter().zip(0_i64..).filter(|(row, _)| row.id_no != VICTIM) {
        visits.push((row, if n % 2 == 0 { "a" } else { "b" }.to_owned(), 1_000 + n));
        if n % one_in == 0 {
            visits.push((row, "b".to_owned(), 2_000 + n));
        }
    }
    table_of("visits", "ward", "cost", &visits)
}

fn granted(name: &str, dataset: u128, dimension: &str, measure: &str) -> Item {
    let columns =
        [("id_no", Label::Join), (dimension, Label::dimension()), (measure, Label::measure())];
    item(name, dataset, &columns, Some("id_no"))
}

/// The analyst of another operator.
fn other() -> Actor {
    actor(5, OTHER, &["operator"])
}

/// A world with two operators, both of which see the persons, and the second all else.
struct City {
    world: World,
    first: SessionId,
    second: SessionId,
}

impl City {
    async fn new() -> Self {
        let world = World::new("hangzhou").await;
        world.supply(INSURED, 1, insured()).await;
        world.supply(VISITS, 1, visits(10)).await;
        let mut all = items();
        all.push(granted("insured", INSURED, "plan", "fee"));
        all.push(granted("visits", VISITS, "ward", "cost"));
        let grant = GrantId::from_u128(OTHERS_GRANT);
        world.issue_to(grant, &other(), all).await;
        let first = world.session(Operation::Ask).await;
        let second = world.enclave.open_session(&other(), grant, Operation::Ask).await.unwrap();
        Self { world, first, second }
    }

    /// The first operator asks.
    async fn ask(&self, sql: &str) -> Result<Sheet, ActError> {
        self.world.enclave.ask(&analyst(), self.first, sql).await
    }

    /// The second operator asks.
    async fn other_asks(&self, sql: &str) -> Result<Sheet, ActError> {
        self.world.enclave.ask(&other(), self.second, sql).await
    }
}

fn shown(answer: Result<Sheet, ActError>) -> usize {
    answer.unwrap().rows.len()
}

fn of_years(figures: &str, years: &str) -> String {
    format!("SELECT {figures} FROM persons WHERE district = 'XIHU' AND birth_year IN ({years})")
}

#[tokio::test]
async fn three_answers_that_overlap_do_not_come_to_one_person() {
    // Half of the first two less the third is the year that the victim is alone in.
    for figures in ["count(*) AS n", "sum(income) AS s", "count(*) AS n, avg(income) AS m"] {
        let city = City::new().await;
        assert_eq!(shown(city.ask(&of_years(figures, "1990, 1980")).await), 1, "{figures}");
        assert_eq!(shown(city.other_asks(&of_years(figures, "1990, 1981")).await), 1);
        let third = of_years(figures, "1980, 1981");
        assert_eq!(rule(city.ask(&third).await), "no-differencing", "{figures}");
        assert_eq!(rule(city.other_asks(&third).await), "no-differencing", "{figures}");
        // Two others lie beside it, and what was given is given again.
        assert_eq!(shown(city.ask(&of_years(figures, "1981, 1982")).await), 1);
        assert_eq!(shown(city.other_asks(&of_years(figures, "1990, 1980")).await), 1);
        city.world.finish().await;
    }
}

#[tokio::test]
async fn a_joined_table_does_not_single_out_who_is_not_in_it() {
    let joined = "FROM persons p JOIN insured i ON p.id_no = i.id_no";
    for figures in ["count(*) AS n", "sum(p.income) AS s", "count(DISTINCT p.id_no) AS n"] {
        let city = City::new().await;
        let of_persons = format!("SELECT {figures} FROM persons p WHERE p.gender = 'F'");
        let of_insured = format!("SELECT {figures} {joined} WHERE p.gender = 'F'");
        assert_eq!(shown(city.ask(&of_persons).await), 1);
        assert_eq!(rule(city.other_asks(&of_insured).await), "no-differencing", "{figures}");
        // The victim is not among the men, so both are the same.
        let men = |from: &str| format!("SELECT {figures} {from} WHERE p.gender = 'M'");
        assert_eq!(shown(city.ask(&men("FROM persons p")).await), 1);
        assert_eq!(shown(city.other_asks(&men(joined)).await), 1);
        city.world.finish().await;
        // The other way about, and whoever cannot see the joined table is held to it as well.
        let city = City::new().await;
        assert_eq!(shown(city.other_asks(&of_insured).await), 1);
        assert_eq!(rule(city.ask(&of_persons).await), "no-differencing", "{figures}");
        city.world.finish().await;
    }
}

#[tokio::test]
async fn a_join_that_multiplies_rows_does_not_single_out_who_is_not_in_it() {
    let city = City::new().await;
    let joined = "SELECT count(DISTINCT p.id_no) AS n FROM persons p \
                  JOIN visits v ON p.id_no = v.id_no WHERE p.gender = 'F'";
    assert_eq!(shown(city.other_asks(joined).await), 1);
    let all = "SELECT count(*) AS n FROM persons WHERE gender = 'F'";
    assert_eq!(rule(city.ask(all).await), "no-differencing");
    // Who was in both wards is nobody's figure but everybody's who asks for enough of them.
    let by_ward = "SELECT v.ward, count(*) AS n, sum(v.cost) AS s FROM visits v GROUP BY v.ward";
    assert_eq!(shown(city.other_asks(by_ward).await), 2);
    city.world.finish().await;
}

#[tokio::test]
async fn who_has_rows_in_several_cells_is_not_singled_out() {
    let in_ward =
        |ward| format!("SELECT count(DISTINCT id_no) AS n FROM visits WHERE ward IN ({ward})");
    // Both wards less all: three were in both, or thirty.
    for (one_in, is_told) in [(100, false), (10, true)] {
        let city = City::new().await;
        city.world.supply(VISITS, 2, visits(one_in)).await;
        assert_eq!(shown(city.other_asks(&in_ward("'a'")).await), 1);
        assert_eq!(shown(city.other_asks(&in_ward("'b'")).await), 1);
        let all = city.other_asks(&in_ward("'a', 'b'")).await;
        if is_told {
            assert_eq!(shown(all), 1);
        } else {
            assert_eq!(rule(all), "no-differencing");
        }
        city.world.finish().await;
    }
}

#[tokio::test]
async fn columns_that_another_grant_does_not_see_or_sees_in_bands_are_compared() {
    let band = |label: &str, from: &str, below: &str| Band {
        label: label.to_owned(),
        from: Some(from.to_owned()),
        below: Some(below.to_owned()),
    };
    let bands = vec![band("80s", "1980", "1990"), band("90s", "1990", "2000")];
    let years = Label::Dimension { codes: Vec::new(), bands };
    let columns = [("id_no", Label::Join), ("birth_year", years), ("income", Label::measure())];
    let by_band = "SELECT birth_year, count(*) AS n FROM persons GROUP BY birth_year";
    for (given, is_told) in [
        ("SELECT gender, count(*) AS n FROM persons GROUP BY gender", false),
        ("SELECT district, count(*) AS n FROM persons WHERE birth_year = 1980 GROUP BY 1", true),
    ] {
        let city = City::new().await;
        let persons = item("persons", PERSONS, &columns, Some("id_no"));
        let (id, who) = (GrantId::from_u128(OTHERS_GRANT + 1), actor(6, OTHER + 1, &["operator"]));
        city.world.issue_to(id, &who, vec![persons]).await;
        let session = city.world.enclave.open_session(&who, id, Operation::Ask).await.unwrap();
        assert!(shown(city.ask(given).await) > 1, "{given}");
        let answer = city.world.enclave.ask(&who, session, by_band).await;
        if is_told {
            let rows = answer.unwrap().rows;
            assert_eq!(rows, [[Some("80s".to_owned()), Some("300".to_owned())]], "{given}");
        } else {
            assert_eq!(rule(answer), "no-differencing", "{given}");
        }
        city.world.finish().await;
    }
}

#[tokio::test]
async fn a_delivery_of_one_more_does_not_single_them_out() {
    for figures in ["count(*) AS n", "sum(income) AS s", "count(DISTINCT id_no) AS n"] {
        let city = City::new().await;
        let all = format!("SELECT {figures} FROM persons");
        let by_gender = format!("SELECT gender, {figures} FROM persons GROUP BY gender");
        assert_eq!(shown(city.ask(&all).await), 1);
        city.world.supply_persons_again().await;
        assert_eq!(rule(city.ask(&all).await), "no-differencing", "{figures}");
        assert_eq!(rule(city.other_asks(&by_gender).await), "no-differencing", "{figures}");
        // Of whom nobody came, the later answer is the earlier one; with enough more, it differs.
        city.world.supply(PERSONS, 3, persons(340)).await;
        assert_eq!(shown(city.other_asks(&all).await), 1, "{figures}");
        city.world.finish().await;
    }
}

#[tokio::test]
async fn a_delivery_that_corrects_one_person_does_not_single_them_out() {
    let city = City::new().await;
    let sums = "SELECT gender, count(*) AS n, sum(income) AS s FROM persons GROUP BY gender";
    let counts = "SELECT gender, count(*) AS n FROM persons GROUP BY gender";
    assert_eq!(shown(city.ask(sums).await), 2);
    let (spec, batch) = persons(300);
    let incomes = batch.column_by_name("income").unwrap();
    let incomes = incomes.as_any().downcast_ref::<Int64Array>().unwrap();
    let corrected = incomes.iter().zip(0..).map(|(it, n)| it.map(|it| it + i64::from(n == 17)));
    let corrected: Int64Array = corrected.collect();
    let at = batch.schema().index_of("income").unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = Arc::new(corrected);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    city.world.supply(PERSONS, 2, (spec, batch)).await;
    assert_eq!(rule(city.ask(sums).await), "no-differencing");
    assert_eq!(shown(city.ask(counts).await), 2, "nobody came or went");
    city.world.finish().await;
}

#[tokio::test]
async fn tables_and_their_margins_are_answered() {
    let city = City::new().await;
    for groups in ["district, birth_year", "district", "gender", "district, gender", "street"] {
        let sql = format!(
            "SELECT {groups}, count(*) AS n, avg(income) AS m FROM persons \
             WHERE birth_year IN (1980, 1981, 1982) GROUP BY {groups}"
        );
        assert!(shown(city.ask(&sql).await) > 1, "{groups}");
        assert!(shown(city.other_asks(&sql).await) > 1, "{groups}");
    }
    let all = "SELECT count(*) AS n FROM persons WHERE birth_year IN (1980, 1981, 1982)";
    assert_eq!(shown(city.ask(all).await), 1);
    let joined = "SELECT i.plan, p.district, sum(i.fee) AS s FROM persons p \
                  JOIN insured i ON p.id_no = i.id_no GROUP BY i.plan, p.district";
    assert_eq!(shown(city.other_asks(joined).await), 6);
    let plans = "SELECT plan, sum(fee) AS s FROM insured GROUP BY plan";
    assert_eq!(shown(city.other_asks(plans).await), 2);
    city.world.finish().await;
}

/// So many people, of twenty years of birth.
fn people(count: u32) -> Vec<Person> {
    let person = |n: u32| Person {
        id_no: format!("{n:018}"),
        gender: if n.is_multiple_of(2) { "F" } else { "M" },
        district: DISTRICTS[(n / 2 % 3) as usize],
        birth_year: 1980 + (n / 6 % 20).cast_signed(),
        income: Some(f64::from(50_000 + n * 7_919 % 50_000)),
        phone: String::new(),
    };
    (0..count).map(person).collect()
}

#[tokio::test]
async fn a_question_beside_a_hundred_answers_is_judged_in_time() {
    let (engine, domain) = (Engine::new(), persons_domain(&people(6_000)));
    let checked = async |sql: &str| engine.check_ask(&domain, sql).await.unwrap();
    let answer = async |sql: &str, earlier: &[Answer]| {
        engine.answer(&domain, &checked(sql).await, earlier, &thresholds()).await
    };
    let mut given = Vec::new();
    for years in 0..20 {
        let years: Vec<String> = (0..=years).map(|year| (1980 + year).to_string()).collect();
        let years = years.join(", ");
        for by in ["", "district", "gender", "district, gender", "birth_year"] {
            let (shown, group) = match by {
                "" => (String::new(), String::new()),
                by => (format!("{by}, "), format!("GROUP BY {by}")),
            };
            let sql = format!(
                "SELECT {shown}count(*) AS n, sum(income) AS s FROM persons \
                 WHERE birth_year IN ({years}) {group}"
            );
            given.push(answer(&sql, &[]).await.unwrap());
        }
    }
    assert_eq!(given.len(), 100);
    let began = std::time::Instant::now();
    let next = "SELECT district, birth_year, count(*) AS n, sum(income) AS s FROM persons \
                GROUP BY district, birth_year";
    let next = answer(next, &given).await.unwrap();
    assert_eq!(next.cells.len(), 60);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
