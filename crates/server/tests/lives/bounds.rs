//! What keeps a case to what it is about, work to those who have access, and time going on.

use chrono::Duration;
use serde_json::{Map, json};
use shuyu_casework::{Agreement, agreement};
use shuyu_enclave::{Operation, Submission};
use shuyu_kernel::{Actor, AgreementId, CaseId, Id as _};

use crate::town::{Town, refused};

/// A case of a procedure about an agreement, opened by the operator.
async fn opened(town: &Town, procedure: &str, agreement: Option<AgreementId>) -> CaseId {
    let by = if procedure == "exit" { town.analyst() } else { town.officer() };
    let opened = town.app.open_case(&by, procedure, "x", None, agreement).await;
    opened.expect("opened").id
}

/// The refusal of the operator's first act, in a form that names an agreement.
async fn naming(town: &Town, case: CaseId, named: AgreementId) -> String {
    let view = town.app.case(&Actor::system(), case).await.expect("a case");
    let (stage, _) = town.stage(&view);
    let given = Map::from_iter([("agreement".to_owned(), json!(named))]);
    let act = Town::act(&view, &stage, "operator".to_owned(), town.form(&view, &given));
    refused(town.app.act_in_case(&town.analyst(), case, act).await)
}

#[tokio::test]
async fn a_case_is_about_one_agreement_and_one_that_there_is() {
    let town = Town::new("hangzhou").await;
    let (own, other) = (town.agreement(0).await, town.agreement(0).await);
    let case = opened(&town, "exit", Some(own)).await;
    assert_eq!(naming(&town, case, other).await, "case-of-one-agreement");
    let case = opened(&town, "exit", None).await;
    assert_eq!(naming(&town, case, AgreementId::from_u128(4242)).await, "case-of-one-agreement");
    assert_eq!(
        (town.status(own).await, town.status(other).await),
        ("active".into(), "active".into())
    );
}

#[tokio::test]
async fn who_is_named_in_a_grant_and_has_no_access_under_its_agreement_does_not_work() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    let grant = town.grant(agreement).await;
    let session = town.app.open_session(&town.analyst(), grant, Operation::Ask).await;
    assert_eq!(refused(session), "work-by-people-with-access");
    let sql = "SELECT count(*) AS n FROM claims";
    let job =
        town.app.submit_job(&town.analyst(), grant, &Submission::sql(sql, "statistics")).await;
    assert_eq!(refused(job), "work-by-people-with-access");
}

/// What falls due of an agreement that has ended meanwhile holds up nothing else.
#[tokio::test]
async fn time_goes_on_over_a_case_whose_agreement_has_ended() {
    let town = Town::new("jingzhou").await;
    let (ended, kept) = (town.agreement(0).await, town.agreement(0).await);
    for agreement in [ended, kept] {
        let case = opened(&town, "security_finding", Some(agreement)).await;
        let given = Map::from_iter([
            ("agreement".to_owned(), json!(agreement)),
            ("level".to_owned(), json!("high")),
            ("owner".to_owned(), json!(town.operator)),
        ]);
        town.walk(case, "high", &given).await;
    }
    town.follow(&Actor::system(), |unit| async move {
        let end = agreement::Command::End { ground: "early_termination".to_owned() };
        unit.follow::<Agreement>(ended, end, &[]).await.map(drop)
    })
    .await;
    town.clock.advance(Duration::days(60));
    let fallen = town.app.tick().await.expect("ticks");
    assert_eq!((fallen.stages, fallen.stuck), (2, vec![]));
    assert_eq!(town.status(ended).await, "ended");
    assert_eq!(town.status(kept).await, "suspended", "a high finding was open past its time");
    assert_eq!(town.app.tick().await.expect("ticks").stages, 0, "once");
}
