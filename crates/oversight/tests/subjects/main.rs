//! Tests across the subjects of this room, under the cities' own packs.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

mod cuts;
mod evaluations;
mod lives;
mod planning;
mod policies;

use std::{collections::BTreeMap, sync::Mutex};

use chrono::{DateTime, NaiveDate, Utc};
use shuyu_kernel::{Actor, ContentHash, Id, Role};
use shuyu_law::Law;
use shuyu_store::{Context, Entity};

use shuyu_oversight::AgreementTerm;

const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];
const AGREEMENT: u128 = 1;
const OPERATOR: u128 = 10;
const AUTHORITY: u128 = 20;

/// The law of a city, from the packs that the program carries.
fn law(city: &str) -> Law {
    static LOADED: Mutex<BTreeMap<String, Law>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let law =
        loaded.entry(city.to_owned()).or_insert_with(|| Law::load(city).expect("the pack loads"));
    law.clone()
}

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

/// What a command comes to: the state after it, or the name of the rule that refuses.
fn act_at<E: Entity>(
    law: &Law,
    who: &Actor,
    now: DateTime<Utc>,
    state: Option<&E>,
    command: E::Command,
) -> Result<E, String> {
    let ctx = Context { now, actor: who, law };
    let events = E::decide(state, command, &ctx).map_err(|refusal| {
        assert!(!refusal.clauses.is_empty(), "{} cites no clause", refusal.rule);
        refusal.rule
    })?;
    let mut after = state.cloned();
    for event in &events {
        // What is stored is what is read back.
        let text = serde_json::to_string(event).expect("an event is written");
        let event: E::Event = serde_json::from_str(&text).expect("an event is read back");
        after = E::evolve(after, &event);
    }
    let after = after.expect("there is a state");
    for name in after.attributes().keys() {
        assert!(E::ATTRIBUTES.contains(&name.as_str()), "{} hides {name}", E::KIND);
    }
    let text = serde_json::to_string(&after).expect("a state is written");
    Ok(serde_json::from_str(&text).expect("a state is read back"))
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
