//! Cases on a real store, under a city's own policies.

use shuyu_casework::{
    Case, Cases,
    case::{Acting, Command, Event},
    simulate::{self, Walk},
};
use shuyu_kernel::{AgreementId, CaseId, Id as _};
use shuyu_law::Law;
use shuyu_store::{ActError, Registry};
use shuyu_testkit::TestDesk;

fn open(procedure: &str) -> Command {
    Command::Open {
        procedure: procedure.to_owned(),
        title: "a case".to_owned(),
        subject: None,
        agreement: Some(AgreementId::from_u128(1)),
    }
}

#[tokio::test]
async fn a_case_runs_under_the_citys_policies_and_shows_each_actor_their_tasks() {
    let law = Law::load("beijing").expect("a pack");
    let test = TestDesk::new(Registry::new().with::<Case>(), law.clone()).await;
    let cases = Cases::new(test.desk.clone());
    let operator = simulate::actor(&law, "operator", 1);
    let supervisor = simulate::actor(&law, "zone_supervisor", 1);
    let id = CaseId::from_u128(1);
    let walk = Walk::open(&law, "scenario", test.desk.clock().now())
        .expect("a procedure")
        .expect("it opens");

    let opened = cases.open(&operator, id, open("scenario")).await.expect("opened");
    assert_eq!(cases.tasks(&operator).await.expect("tasks").len(), 1);
    assert!(cases.tasks(&supervisor).await.expect("tasks").is_empty());

    let stage = walk.stage().expect("a stage");
    let acting = Acting { read: opened.state.dossier.content, ..walk.good_act(stage) };
    let foreign = cases.act(&supervisor, id, acting.clone()).await;
    assert!(matches!(foreign, Err(ActError::Refused(refusal)) if refusal.rule == "not-permitted"));
    let proposed = cases.act(&operator, id, acting).await.expect("proposed");
    assert!(cases.tasks(&operator).await.expect("tasks").is_empty());

    let view = cases.view(&supervisor, id).await.expect("read").expect("a case");
    let stage = view.stage.expect("a stage");
    assert!(stage.may_act && !stage.clauses.is_empty());
    let approval = Acting {
        stage: stage.id,
        outcome: stage.outcomes.first().map(|(id, _, _)| id.clone()).expect("an outcome"),
        role: None,
        form: Some(serde_json::json!({ "harm_excluded": "none of the four is touched" })),
        documents: std::collections::BTreeMap::new(),
        reason: None,
        read: proposed.state.dossier.content,
        facts: simulate::facts(&law),
    };
    // Its outcome has an effect, so it belongs into a unit of work with that.
    let alone = cases.act(&supervisor, id, approval.clone()).await;
    let rule = "effects-follow-at-once";
    assert!(matches!(alone, Err(ActError::Refused(refusal)) if refusal.rule == rule));
    let unit = test.desk.unit(&supervisor);
    let decided = unit.act::<Case>(id, Command::Act(Box::new(approval))).await.expect("approved");
    let effects: Vec<&str> = decided.events.iter().flat_map(Event::effects).collect();
    assert_eq!(effects, ["scenario.approve"]);
    unit.commit().await.expect("committed");
    let view = cases.view(&supervisor, id).await.expect("read").expect("a case");
    assert_eq!(view.end.as_deref(), Some("approved"));
    drop(cases);
    test.finish().await;
}
