//! A trial: the clock makes a term of it when it was passed, and an end when it was not.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, json};
use shuyu_casework::{Agreement, agreement};
use shuyu_enclave::Grant;
use shuyu_kernel::{Actor, AgreementId, CaseId};
use shuyu_market::{Product, Subscription};

use crate::town::{Town, api, north, refused};

/// The last instant of a trial of six months that begins on 2 March 2026, eight hours east.
const LAST: &str = "2026-09-01T15:59:59Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// The case in which a trial is assessed, walked up to the decision.
async fn assessed(town: &Town, agreement: AgreementId) -> CaseId {
    let given = Map::from_iter([("agreement".to_owned(), json!(agreement))]);
    let opened = town
        .app
        .open_case(&town.officer(), "trial", "the trial", None, Some(agreement))
        .await
        .expect("opened");
    town.walk(opened.id, "decision", &given).await;
    opened.id
}

async fn decide(town: &Town, id: CaseId, outcome: &str) -> String {
    let view = town.app.case(&Actor::system(), id).await.expect("a case");
    let (stage, _) = town.stage(&view);
    let (role, actor) = town.voices(&view, &stage).remove(0);
    let mut act = Town::act(&view, &stage, role, town.form(&view, &Map::new()));
    outcome.clone_into(&mut act.outcome);
    act.reason = Some("as assessed".to_owned());
    refused(town.app.act_in_case(&actor, id, act).await)
}

#[tokio::test]
async fn a_trial_that_was_passed_becomes_the_term_by_the_clock() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(6).await;
    let product = town.product(agreement, api()).await;
    let (subscription, key) = town.subscription(product, None).await;
    assert_eq!(town.status(agreement).await, "trial");
    let case = assessed(&town, agreement).await;
    assert_eq!(decide(&town, case, "passed").await, "nothing");
    assert_eq!(town.status(agreement).await, "trial", "its days are not over");

    town.clock.advance_to(at(LAST));
    assert!(town.app.tick().await.expect("ticks").begun.is_empty());
    assert_eq!(town.status(agreement).await, "trial");
    town.clock.advance(Duration::seconds(2));
    // Nobody waits for the timer: what was passed goes on.
    assert!(town.app.call(subscription, &key, &north()).await.is_ok());
    let fallen = town.app.tick().await.expect("ticks");
    assert_eq!((fallen.begun, fallen.expired), (vec![agreement], vec![]));
    assert_eq!(town.status(agreement).await, "active");
    assert!(town.app.call(subscription, &key, &north()).await.is_ok());
    let again = town.app.tick().await.expect("ticks");
    assert!(again.begun.is_empty() && again.expired.is_empty(), "{again:?}");

    // The term ends two years after the trial.
    town.clock.advance_to(at("2028-09-01T15:59:59Z"));
    assert!(town.app.tick().await.expect("ticks").expired.is_empty());
    town.clock.advance(Duration::seconds(2));
    assert_eq!(town.app.tick().await.expect("ticks").expired, [agreement]);
    assert!(town.app.verify().await.expect("reads").is_empty());
}

#[tokio::test]
async fn a_trial_that_was_not_passed_ends_and_all_that_rests_on_it() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(6).await;
    let product = town.product(agreement, api()).await;
    let (subscription, key) = town.subscription(product, None).await;
    assessed(&town, agreement).await;
    town.clock.advance_to(at(LAST));
    assert!(town.app.tick().await.expect("ticks").expired.is_empty());
    assert!(town.app.call(subscription, &key, &north()).await.is_ok());

    town.clock.advance(Duration::seconds(2));
    assert!(town.app.call(subscription, &key, &north()).await.is_err(), "nobody waits");
    let fallen = town.app.tick().await.expect("ticks");
    assert_eq!((fallen.expired, fallen.begun), (vec![agreement], vec![]));
    let desk = town.app.desk();
    let (_, ended) = desk.find::<Agreement>(agreement).await.expect("reads").expect("there");
    assert!(
        matches!(&ended.status, agreement::Status::Ended { ground, .. } if ground == "trial_not_passed"),
        "{:?}",
        ended.status
    );
    let (_, sold) = desk.find::<Product>(product).await.expect("reads").expect("there");
    let (_, used) = desk.find::<Subscription>(subscription).await.expect("reads").expect("there");
    assert_eq!((sold.status.name(), used.status.name()), ("withdrawn", "ended"));
    let grants = desk.list::<Grant>(&shuyu_store::Filter::parent(agreement)).await.expect("reads");
    assert!(grants.iter().all(|(_, grant)| grant.status.name() == "ended"));
    assert!(!grants.is_empty());
    assert!(town.app.tick().await.expect("ticks").expired.is_empty(), "once");
}

#[tokio::test]
async fn a_trial_that_failed_ends_at_once_and_one_passed_too_late_does_not_begin() {
    let town = Town::new("hangzhou").await;
    let (failed, late) = (town.agreement(6).await, town.agreement(6).await);
    let case = assessed(&town, failed).await;
    assert_eq!(decide(&town, case, "failed").await, "nothing");
    assert_eq!(town.status(failed).await, "ended");

    let case = assessed(&town, late).await;
    town.clock.advance_to(at(LAST) + Duration::seconds(2));
    assert_eq!(decide(&town, case, "passed").await, "agreement-state");
    assert_eq!(town.app.tick().await.expect("ticks").expired, [late]);
    assert_eq!(town.status(late).await, "ended");
}

#[tokio::test]
async fn a_suspended_trial_waits_for_what_becomes_of_it() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(6).await;
    let suspend = agreement::Command::Suspend { ground: "a risk".to_owned() };
    let system = Actor::system();
    let follow = async |command: agreement::Command| {
        let command = &command;
        town.follow(&system, |unit| {
            let command = command.clone();
            async move { unit.follow::<Agreement>(agreement, command, &[]).await.map(drop) }
        })
        .await;
    };
    follow(suspend).await;
    town.clock.advance_to(at(LAST) + Duration::days(3));
    assert!(town.app.tick().await.expect("ticks").expired.is_empty());
    assert_eq!(town.status(agreement).await, "suspended");
    follow(agreement::Command::Restore).await;
    assert_eq!(town.status(agreement).await, "trial");
    assert_eq!(town.app.tick().await.expect("ticks").expired, [agreement]);
}

#[tokio::test]
async fn an_agreement_without_a_trial_is_not_touched_by_one() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    assert_eq!(town.status(agreement).await, "active");
    let case = assessed(&town, agreement).await;
    assert_eq!(decide(&town, case, "passed").await, "agreement-state");
    town.clock.advance_to(at(LAST) + Duration::seconds(2));
    let fallen = town.app.tick().await.expect("ticks");
    assert!(fallen.begun.is_empty() && fallen.expired.is_empty(), "{fallen:?}");
}
