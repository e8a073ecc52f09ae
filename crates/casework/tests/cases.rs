//! Cases on a real store, under a city's own policies.

use shuyu_casework::{
    Case,
    case::{Acting, Command, Event},
    simulate::{self, Walk},
    view::{View, view},
};
use shuyu_kernel::{Actor, AgreementId, CaseId, Id as _};
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
    let id = CaseId::from_u128(1);
    let seen = async |actor: &Actor| -> View {
        let (_, case) = test.desk.find::<Case>(id).await.expect("read").expect("a case");
        view(&law, id, &case, actor)
    };
    let may_act = async |actor: &Actor| seen(actor).await.stage.expect("a stage").may_act;
    let operator = simulate::actor(&law, "operator", 1);
    let supervisor = simulate::actor(&law, "zone_supervisor", 1);
    let walk = Walk::open(&law, "scenario", test.desk.clock().now())
        .expect("a procedure")
        .expect("it opens");

    let opened = test.desk.act::<Case>(&operator, id, open("scenario")).await.expect("opened");
    assert!(may_act(&operator).await && !may_act(&supervisor).await);

    let stage = walk.stage().expect("a stage");
    let acting = Acting { read: opened.state.dossier.content, ..walk.good_act(stage) };
    let act = |acting: Acting| Command::Act(Box::new(acting));
    let foreign = test.desk.act::<Case>(&supervisor, id, act(acting.clone())).await;
    assert!(matches!(foreign, Err(ActError::Refused(refusal)) if refusal.rule == "not-permitted"));
    let proposed = test.desk.act::<Case>(&operator, id, act(acting)).await.expect("proposed");
    assert!(!may_act(&operator).await && may_act(&supervisor).await);

    let stage = seen(&supervisor).await.stage.expect("a stage");
    assert!(!stage.clauses.is_empty());
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
    let unit = test.desk.unit(&supervisor);
    let decided = unit.act::<Case>(id, act(approval)).await.expect("approved");
    let effects: Vec<&str> = decided.events.iter().flat_map(Event::effects).collect();
    assert_eq!(effects, ["scenario.approve"]);
    unit.commit().await.expect("committed");
    assert_eq!(seen(&supervisor).await.end.as_deref(), Some("approved"));
    test.finish().await;
}
