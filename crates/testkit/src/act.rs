//! What a command comes to, without a store.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use shuyu_kernel::Actor;
use shuyu_law::Law;
use shuyu_store::{Context, Entity};

/// The law of a city, from the packs that the program carries; loaded once.
///
/// # Panics
///
/// If there is no such pack.
pub fn law_in(city: &str) -> Law {
    static LOADED: Mutex<BTreeMap<String, Law>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let law =
        loaded.entry(city.to_owned()).or_insert_with(|| Law::load(city).expect("the pack loads"));
    law.clone()
}

/// What a command comes to: the state after it, or the name of the rule that refuses. Events and
/// states are written and read back on the way, as a store would.
///
/// # Panics
///
/// If a refusal cites no clause, or the entity tells policies what it has not declared.
///
/// # Errors
///
/// The name of the rule.
pub fn act_at<E: Entity>(
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
