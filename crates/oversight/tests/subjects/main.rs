//! Tests across the subjects of this room, under the cities' own packs.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod cuts;
mod evaluations;
mod lives;
mod planning;
mod policies;

use chrono::{DateTime, NaiveDate, Utc};
use shuyu_kernel::{Actor, ContentHash, Id, Role};
use shuyu_store::Entity;
use shuyu_testkit::{act_at, law_in as law};

use shuyu_oversight::AgreementTerm;

const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];
const AGREEMENT: u128 = 1;
const OPERATOR: u128 = 10;
const AUTHORITY: u128 = 20;

fn id<I: Id>(number: u128) -> I {
    I::from_u128(number)
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn hash(text: &str) -> ContentHash {
    ContentHash::of(text.as_bytes())
}

/// Person `person` of `organisation` in these roles.
fn actor(organisation: u128, person: u128, roles: &[&str]) -> Actor {
    Actor {
        person: id(person),
        organisation: id(organisation),
        roles: roles.iter().map(|role| Role::new(*role)).collect(),
    }
}

fn operator() -> Actor {
    actor(OPERATOR, 11, &["operator"])
}

fn authority() -> Actor {
    actor(AUTHORITY, 21, &["authority"])
}

fn term(from: &str, to: &str) -> AgreementTerm {
    AgreementTerm {
        id: id(AGREEMENT),
        operator: id(OPERATOR),
        starts_on: day(from),
        ends_on: day(to),
    }
}

/// The rule that refuses.
fn refused<E: Entity>(result: Result<E, String>) -> String {
    match result {
        Ok(_) => "nothing".to_owned(),
        Err(rule) => rule,
    }
}

#[test]
fn every_rule_of_the_room_has_words_and_clauses_in_every_city() {
    for city in CITIES {
        for rule in shuyu_oversight::RULES {
            let refusal = law(city).refuse(*rule, &[]);
            assert!(!refusal.clauses.is_empty(), "{city}: {} cites no clause", rule.name());
        }
    }
}
