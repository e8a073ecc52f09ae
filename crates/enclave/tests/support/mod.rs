//! A small city in memory.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]
#![allow(missing_docs, reason = "fixtures")]

pub mod world;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Float64Array, Int32Array, StringArray},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use datafusion::{catalog::TableProvider, datasource::MemTable, prelude::SessionContext};
use shuyu_enclave::{Barrier, DatasetVersion, Domain, Item, Label, SubjectKind, Thresholds};
use shuyu_kernel::{DatasetId, Id, ResourceId};

/// A person of the test city.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    pub id_no: String,
    pub gender: &'static str,
    pub district: &'static str,
    pub birth_year: i32,
    pub income: Option<f64>,
    pub phone: String,
}

pub const DISTRICTS: [&str; 3] = ["XIHU", "BINJIANG", "CHUNAN"];

/// Sixty people; one of them is the victim, alone in a year of birth, with a telling income.
pub fn city(seed: u32) -> Vec<Person> {
    let mut people: Vec<Person> = (0..60_u32)
        .map(|n| Person {
            id_no: format!("3301061980{:08}", n + seed * 1000),
            gender: if n % 2 == 0 { "F" } else { "M" },
            district: DISTRICTS[(n % 7 % 3) as usize],
            birth_year: 1980 + (n % 3).cast_signed(),
            income: Some(f64::from(50_000 + n * 137)),
            phone: format!("138{n:08}"),
        })
        .collect();
    people.push(Person {
        id_no: "330106199003070011".to_owned(),
        gender: "F",
        district: "XIHU",
        birth_year: 1990,
        income: Some(876_543.0),
        phone: "13800138000".to_owned(),
    });
    people
}

pub fn thresholds() -> Thresholds {
    Thresholds {
        persons: 5,
        enterprises: 3,
        dominance_percent: 20,
        sample_max_percent: Some(10),
        sample_max_rows: None,
    }
}

pub fn persons_table(people: &[Person]) -> Arc<dyn TableProvider> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id_no", DataType::Utf8, false),
        Field::new("gender", DataType::Utf8, false),
        Field::new("district", DataType::Utf8, false),
        Field::new("birth_year", DataType::Int32, false),
        Field::new("income", DataType::Float64, true),
        Field::new("phone", DataType::Utf8, false),
    ]));
    let text = |of: fn(&Person) -> String| {
        Arc::new(StringArray::from(people.iter().map(of).collect::<Vec<_>>()))
    };
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            text(|p| p.id_no.clone()),
            text(|p| p.gender.to_owned()),
            text(|p| p.district.to_owned()),
            Arc::new(Int32Array::from(people.iter().map(|p| p.birth_year).collect::<Vec<_>>())),
            Arc::new(Float64Array::from(people.iter().map(|p| p.income).collect::<Vec<_>>())),
            text(|p| p.phone.clone()),
        ],
    )
    .unwrap();
    Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())
}

pub fn persons_item() -> Item {
    Item {
        resource: ResourceId::from_u128(1),
        dataset: DatasetId::from_u128(1),
        table: "persons".to_owned(),
        columns: BTreeMap::from([
            ("id_no".to_owned(), Label::Join),
            ("gender".to_owned(), Label::dimension()),
            ("district".to_owned(), Label::dimension()),
            ("birth_year".to_owned(), Label::dimension()),
            ("income".to_owned(), Label::measure()),
            ("phone".to_owned(), Label::Blocked),
        ]),
        subject_key: Some("id_no".to_owned()),
        subject_kind: Some(SubjectKind::Person),
        facts: BTreeMap::new(),
        barrier: Barrier::default(),
    }
}

pub fn version(of: u128) -> DatasetVersion {
    DatasetVersion { dataset: DatasetId::from_u128(of), version: 1 }
}

pub fn persons_domain(people: &[Person]) -> Domain {
    Domain::new(Arc::default(), vec![(persons_item(), version(1), persons_table(people))]).unwrap()
}

/// For each text, whether an engine without a checker answers it.
pub async fn bare_answers(
    people: &[Person],
    texts: impl Iterator<Item = &'static str>,
) -> Vec<bool> {
    let mut answered = Vec::new();
    for sql in texts {
        let config = datafusion::prelude::SessionConfig::new().with_information_schema(true);
        let context = SessionContext::new_with_config(config);
        context.register_table("persons", persons_table(people)).unwrap();
        answered.push(match context.sql(sql).await {
            Ok(frame) => frame.collect().await.is_ok(),
            Err(_) => false,
        });
    }
    answered
}
