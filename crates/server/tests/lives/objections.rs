//! Objections in a stage that stands open for them, through the application.

use chrono::Duration;
use serde_json::Map;
use shuyu_casework::view::View;
use shuyu_kernel::{Actor, CaseId, Id as _, OrganisationId};

use crate::town::{Town, refused};

/// A procedure of each city that lets the public object, and the stage in which it does.
pub(crate) const OPEN: [(&str, &str, &str); 2] =
    [("taizhou", "admission", "objections"), ("changchun", "disclosure", "supervise")];

/// A case that stands open for objections.
pub(crate) async fn open_case(town: &Town, procedure: &str, stage: &str) -> CaseId {
    let law = town.app.law();
    let first = law.procedure(procedure).expect("it has it").stages.first().expect("a stage");
    let role = first.actors.first().expect("a role");
    let opener = shuyu_casework::simulate::actor(law, role, 1);
    let case = town.app.open_case(&opener, procedure, "a case", None, None).await;
    let id = case.expect("opened").id;
    let view = town.walk(id, stage, &Map::new()).await;
    assert_eq!(view.stage.expect("a stage").id, stage);
    id
}

pub(crate) fn citizen(town: &Town) -> Actor {
    town.person(OrganisationId::from_u128(4242), 1, &["public"])
}

async fn view(town: &Town, id: CaseId) -> View {
    town.app.case(&Actor::system(), id).await.expect("a case")
}

/// Tries to end the stage well, as the first who may.
async fn try_to_end(town: &Town, id: CaseId) -> String {
    let view = view(town, id).await;
    let (stage, has_form) = town.stage(&view);
    let (role, actor) = town.voices(&view, &stage).remove(0);
    let form = has_form.then(|| town.form(&view, &Map::new())).flatten();
    let act = Town::act(&view, &stage, role, form);
    refused(town.app.act_in_case(&actor, id, act).await)
}

#[tokio::test]
async fn an_objection_is_answered_before_the_stage_ends_and_is_shown() {
    for (city, procedure, stage) in OPEN {
        let town = Town::new(city).await;
        let id = open_case(&town, procedure, stage).await;
        let citizen = citizen(&town);
        let (current, _) = town.stage(&view(&town, id).await);
        let (_, officer) = town.voices(&view(&town, id).await, &current).remove(0);
        let before = view(&town, id).await.content;

        assert_eq!(refused(town.app.object(&citizen, id, "  ").await), "reason-given", "{city}");
        town.app.object(&citizen, id, "the scope is too wide").await.expect("raised");
        town.app.object(&citizen, id, "nobody was asked").await.expect("raised");
        let seen = view(&town, id).await;
        let shown: Vec<_> =
            seen.objections.iter().map(|it| (it.number, it.text.as_str(), &it.answer)).collect();
        assert_eq!(shown, [(1, "the scope is too wide", &None), (2, "nobody was asked", &None)]);
        assert!(seen.stage.as_ref().is_some_and(|stage| stage.objections));
        assert_ne!(seen.content, before, "who read before has not read the objections");

        if let Some(not_before) = seen.stage.as_ref().and_then(|stage| stage.not_before) {
            assert_eq!(try_to_end(&town, id).await, "waiting-time-elapsed", "{city}");
            town.clock.advance_to(not_before + Duration::seconds(1));
        }
        assert_eq!(try_to_end(&town, id).await, "objections-answered", "{city}");

        let answer =
            async |who: &Actor, number, text| refused(town.app.answer(who, id, number, text).await);
        assert_eq!(answer(&citizen, 1, "so be it").await, "not-permitted", "{city}");
        assert_eq!(answer(&officer, 3, "so be it").await, "objection-known", "{city}");
        assert_eq!(answer(&officer, 1, " ").await, "reason-given", "{city}");
        assert_eq!(answer(&officer, 1, "it is that of the law").await, "nothing", "{city}");
        assert_eq!(answer(&officer, 1, "twice").await, "objection-known", "{city}");
        assert_eq!(try_to_end(&town, id).await, "objections-answered", "{city}: one of two");
        assert_eq!(answer(&officer, 2, "the call was public").await, "nothing", "{city}");
        assert_eq!(try_to_end(&town, id).await, "nothing", "{city}");

        let after = view(&town, id).await;
        assert!(after.stage.is_none_or(|now| now.id != stage), "{city}: it went on");
        let answers: Vec<_> =
            after.objections.iter().filter_map(|it| it.answer.as_deref()).collect();
        assert_eq!(answers, ["it is that of the law", "the call was public"], "{city}");
        let late = refused(town.app.object(&citizen, id, "too late").await);
        assert!(["objection-time", "case-is-open"].contains(&late.as_str()), "{city}: {late}");
        assert!(town.app.verify().await.expect("reads").is_empty(), "{city}");
    }
}

#[tokio::test]
async fn a_stage_that_gives_no_time_for_objections_takes_none() {
    for (city, procedure, _) in OPEN {
        let town = Town::new(city).await;
        let law = town.app.law();
        let first = law.procedure(procedure).expect("it has it").stages.first().expect("a stage");
        let opener = shuyu_casework::simulate::actor(law, &first.actors[0], 1);
        let case = town.app.open_case(&opener, procedure, "a case", None, None).await;
        let id = case.expect("opened").id;
        let outcome = town.app.object(&citizen(&town), id, "too early").await;
        assert_eq!(refused(outcome), "objection-time", "{city}");
        assert!(view(&town, id).await.objections.is_empty());
    }
}

#[tokio::test]
async fn whoever_objects_does_not_answer_themselves() {
    let (city, procedure, stage) = OPEN[0];
    let town = Town::new(city).await;
    let id = open_case(&town, procedure, stage).await;
    let (current, _) = town.stage(&view(&town, id).await);
    let (_, officer) = town.voices(&view(&town, id).await, &current).remove(0);
    town.app.object(&officer, id, "I have doubts").await.expect("raised");
    let own = town.app.answer(&officer, id, 1, "I have none any more").await;
    assert_eq!(refused(own), "submitter-does-not-approve");
}
