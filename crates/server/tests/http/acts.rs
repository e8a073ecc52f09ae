//! Acts on what is there, one by one: whoever may does it, and it shows; whoever may not is refused.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    access::{Things, furnish},
    app::{Person, TestApp},
    main_job::grant,
    walk::Errand,
};

impl TestApp {
    async fn put(&self, path: &str, by: &Person, body: Value) -> Value {
        self.try_put(path, by, body).await.good()
    }

    async fn try_put(&self, path: &str, by: &Person, body: Value) -> crate::app::Answer {
        let token = self.token_of(by).await;
        self.send(Method::PUT, path, Some(&token), Some(&body)).await
    }

    /// Does it as one who may not, who is refused by policy, and then as one who may.
    async fn post_as(&self, path: &str, [wrong, right]: [&Person; 2], body: Value) -> Value {
        let problem = self.post(path, wrong, body.clone()).await.refused();
        assert_eq!(problem["code"], json!("not-permitted"), "{path} by {}", wrong.sign_in);
        self.post(path, right, body).await.good()
    }

    async fn status(&self, path: &str) -> Value {
        let auditor = self.founder("auditor").await;
        self.get(path, &auditor).await.good()["status"].clone()
    }
}

fn why() -> Value {
    json!({ "reason": "for the test" })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_register_is_kept_by_its_administrator_alone() {
    let app = TestApp::new("hangzhou").await;
    let admin = app.founder("admin").await;
    let auditor = app.founder("auditor").await;
    let one = app.person("operator", 1).await;
    let two = app.person("operator", 2).await;
    let organisation = format!("/organisations/{}", one.organisation);
    let roles_of = async |person: &Person| app.get("/me", person).await.good()["roles"].clone();

    let record = json!({ "legal_form": "unincorporated_organisation", "ownership": "private" });
    let path = format!("{organisation}/record");
    app.try_put(&path, &one, record.clone()).await.refused();
    let amended = app.put(&path, &admin, record).await;
    assert_eq!(amended["record"]["ownership"], json!("private"));

    let path = format!("/persons/{}/roles", two.id);
    app.try_put(&path, &one, json!({ "roles": [] })).await.refused();
    let unbound = app.try_put(&path, &admin, json!({ "roles": ["provider"] })).await.refused();
    assert_eq!(unbound["code"], json!("role-of-organisation"));
    assert_eq!(app.put(&path, &admin, json!({ "roles": [] })).await["roles"], json!([]));
    assert_eq!(roles_of(&two).await, json!([]), "with the next request");

    let path = format!("{organisation}/roles");
    app.try_put(&path, &auditor, json!({ "roles": ["provider"] })).await.refused();
    let bound = app.put(&path, &admin, json!({ "roles": ["provider"] })).await;
    assert_eq!(bound["roles"], json!(["provider"]));
    assert_eq!(roles_of(&one).await, json!([]), "what the organisation lost, its people lost");
    app.put(&path, &admin, json!({ "roles": ["operator"] })).await;
    assert!(roles_of(&one).await.as_array().is_some_and(|roles| !roles.is_empty()));

    let path = format!("/persons/{}", two.id);
    let erase = format!("{path}/erase");
    app.post(&erase, &admin, json!({})).await.refused();
    app.post(&format!("{path}/close"), &admin, why()).await.good();
    app.post(&erase, &auditor, json!({})).await.refused();
    app.post(&erase, &admin, json!({})).await.good();
    let erased = app.get(&path, &admin).await.good();
    assert_eq!((&erased["name"], &erased["sign_in"]), (&json!(""), &json!("")));

    let closed = app.post_as(&format!("{organisation}/close"), [&one, &admin], why()).await;
    assert_eq!(closed["is_open"], json!(false));
    assert_eq!(roles_of(&one).await, json!([]));
    app.finish().await;
}

/// A deployment in which there is one of everything, and those who act in it.
struct Scene {
    app: TestApp,
    things: Things,
    operator: Person,
    other: Person,
    officer: Person,
    consumer: Person,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new("hangzhou").await;
        let things = furnish(&app).await;
        Self {
            operator: app.person("operator", 1).await,
            other: app.person_of("operator", "other", 1).await,
            officer: app.person("authority", 1).await,
            consumer: app.person("product_user", 1).await,
            things,
            app,
        }
    }

    fn path(&self, kind: &str) -> String {
        format!("/{kind}/{}", self.things.0[kind])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sold_is_stopped_and_taken_up_again() {
    let scene = Scene::new().await;
    let Scene { app, operator, other, officer, consumer, .. } = &scene;
    let subscription = scene.path("subscriptions");
    let download = format!("{subscription}/download");
    let downloads = async || app.get(&download, consumer).await;

    let path = format!("{subscription}/suspend");
    let suspended = app.post_as(&path, [consumer, operator], why()).await;
    assert_eq!(suspended["status"], json!("suspended"));
    downloads().await.refused();
    let path = format!("{subscription}/resume");
    let resumed = app.post_as(&path, [consumer, operator], json!({})).await;
    assert_eq!(resumed["status"], json!("active"));
    assert_eq!(downloads().await.status, StatusCode::OK);

    let subscribed = app.get(&subscription, consumer).await.good();
    let product = format!("/products/{}", subscribed["product"].as_str().expect("an id"));
    let suspended = app.post_as(&format!("{product}/suspend"), [operator, officer], why()).await;
    assert_eq!(suspended["status"], json!("suspended"));
    downloads().await.refused();
    let resumed = app.post_as(&format!("{product}/resume"), [operator, officer], json!({})).await;
    assert_eq!(resumed["status"], json!("listed"));
    assert_eq!(downloads().await.status, StatusCode::OK);

    let settlement = scene.path("settlements");
    let path = format!("{settlement}/payments");
    let finance = if app.law().roles.contains_key("finance") { "finance" } else { "authority" };
    let settler = app.person(finance, 1).await;
    let parts = app.get(&settlement, &settler).await.good()["parts"].clone();
    for (part, payer) in
        parts.as_array().expect("parts").iter().zip([&settler, operator].iter().cycle())
    {
        let body = json!({ "to": part["to"], "reference": "transfer 2" });
        let paid = app.post_as(&path, [other, payer], body.clone()).await;
        let found =
            paid["parts"].as_array().expect("parts").iter().find(|it| it["to"] == part["to"]);
        assert_eq!(found.expect("the part")["paid"], json!("transfer 2"));
        let again = app.post(&path, payer, body).await.refused();
        assert_eq!(again["code"], json!("settlement-once"));
    }
    let body = json!({ "to": "somebody", "reference": "x" });
    app.post(&path, &settler, body).await.problem(StatusCode::UNPROCESSABLE_ENTITY);
    let books = app.get("/books", &settler).await.good();
    assert_eq!(books["total_fen"], json!(0));

    let agreement = format!("{}/settlements", scene.path("agreements"));
    let problem = app.post(&agreement, other, json!({})).await.refused();
    assert_eq!(problem["code"], json!("not-permitted"), "the proceeds are another operator's");

    let release = scene.path("releases");
    let withdrawn = app.post_as(&format!("{release}/withdraw"), [operator, officer], why()).await;
    assert_eq!(withdrawn["status"], json!("withdrawn"));
    assert_eq!(withdrawn["reason"], why()["reason"], "the operator is told why");
    app.get(&format!("{release}/content"), operator).await.refused();
    downloads().await.refused();
    scene.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_domain_rests_on_is_changed_stopped_and_ended() {
    let scene = Scene::new().await;
    let Scene { app, operator, other, officer, things, .. } = &scene;

    let dataset = scene.path("datasets");
    let provider = app.person("provider", 1).await;
    let sealed = app.post_as(&format!("{dataset}/seal"), [operator, &provider], why()).await;
    assert_eq!(sealed["status"], json!("sealed"));
    let again = app.post(&format!("{dataset}/seal"), &provider, why()).await.refused();
    assert_eq!(again["code"], json!("seal-changes-state"));
    let unsealed = app.post_as(&format!("{dataset}/unseal"), [operator, officer], why()).await;
    assert_eq!(unsealed["status"], json!("open"));
    app.get(&dataset, operator).await.refused();
    assert_eq!(app.get(&dataset, &provider).await.good()["versions"], json!(1));

    let path = format!("{}/releases", scene.path("jobs"));
    let body = json!({ "purpose": "figures by area", "form": "data_package" });
    let release = format!("/releases/{}", app.post(&path, operator, body).await.id());
    let seen = app.get(&release, operator).await.good();
    assert_eq!(seen["status"], json!("in_review"), "{seen}");
    let read = json!({ "content": seen["content"] });
    let role =
        if app.law().roles.contains_key("implementer") { "implementer" } else { "authority" };
    let reviewer = app.person(role, 1).await;
    let approved = app.post(&format!("{release}/approve"), &reviewer, read.clone()).await.good();
    assert_eq!(approved["approvals"].as_array().map(Vec::len), Some(1), "{approved}");
    let body = json!({ "purpose": "figures by area, for planning", "form": "data_package" });
    app.try_put(&release, other, body.clone()).await.refused();
    app.try_put(&release, officer, body.clone()).await.refused();
    let amended = app.put(&release, operator, body).await;
    assert_eq!(amended["purpose"], json!("figures by area, for planning"));
    assert_eq!(amended["approvals"], json!([]), "reviews begin anew");
    let stale = app.post(&format!("{release}/approve"), &reviewer, read).await.refused();
    assert_eq!(stale["code"], json!("review-binds-content"));
    app.post(&format!("{release}/withdraw"), officer, why()).await.good();

    let session = format!("{}/ask", scene.path("sessions"));
    let question =
        json!({ "sql": "SELECT division, COUNT(*) AS n FROM persons GROUP BY division" });
    let first = scene.path("grants");
    let suspended = app.post_as(&format!("{first}/suspend"), [operator, officer], why()).await;
    assert_eq!(suspended["status"], json!("suspended"));
    app.post(&session, operator, question).await.refused();
    let restored = app.post_as(&format!("{first}/restore"), [operator, officer], json!({})).await;
    assert_eq!(restored["status"], json!("active"));

    // A second grant for the same scenario: the operator gives up one, the other ends with it.
    grant(app, &things.0["agreements"], &things.0["resources"]).await;
    let ended = app.post_as(&format!("{first}/end"), [other, operator], why()).await;
    assert_eq!(ended["status"], json!("ended"));
    let open = json!({ "operation": "ask" });
    app.post(&format!("{first}/sessions"), operator, open.clone()).await.refused();
    let active = format!("/grants?parent={}&status=active", things.0["agreements"]);
    let found = app.get(&active, operator).await.good();
    let second = found["items"][0]["id"].as_str().expect("a second grant").to_owned();
    let scenario = scene.path("scenarios");
    let closed = app.post_as(&format!("{scenario}/close"), [operator, officer], why()).await;
    assert_eq!(closed["status"], json!("closed"));
    assert_eq!(app.status(&format!("/grants/{second}")).await, json!("ended"));
    app.post(&format!("/grants/{second}/sessions"), operator, open).await.refused();
    scene.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duties_are_handed_in_and_decided_on_and_evaluations_answered() {
    let scene = Scene::new().await;
    let Scene { app, operator, other, officer, things, .. } = &scene;
    let agreement = &things.0["agreements"];
    let tasks = app.get(&format!("/tasks?parent={agreement}&limit=500"), officer).await.good();
    let own: Vec<String> = tasks["items"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter(|task| task["owner"] == json!(operator.organisation))
        .filter_map(|task| Some(format!("/tasks/{}", task["id"].as_str()?)))
        .collect();
    let [task, another, ..] = &own[..] else { panic!("too few tasks: {tasks}") };
    let asked = app.law().parameter("annual_report_sections").map(|it| it.ids());
    let sections: serde_json::Map<String, Value> = asked
        .unwrap_or_default()
        .into_iter()
        .map(|name| (name.to_owned(), json!("as it is")))
        .chain([("summary".to_owned(), json!("in order"))])
        .collect();
    let report = json!({ "sections": sections });
    let submit = format!("{task}/submit");
    let submitted = app.post_as(&submit, [other, operator], report.clone()).await;
    assert_eq!(submitted["status"], json!("submitted"));
    assert_eq!(submitted["submission"]["sections"]["summary"], json!("in order"));
    let returned = app.post_as(&format!("{task}/return"), [operator, officer], why()).await;
    assert_eq!(returned["status"], json!("returned"));
    app.post(&format!("{task}/accept"), officer, json!({})).await.refused();
    app.post(&submit, operator, report).await.good();
    let accepted = app.post_as(&format!("{task}/accept"), [operator, officer], json!({})).await;
    assert_eq!(accepted["status"], json!("accepted"));
    let cancelled = app.post_as(&format!("{another}/cancel"), [operator, officer], why()).await;
    assert_eq!(cancelled["status"], json!("cancelled"));

    let evaluate = async || {
        app.clock.advance(chrono::Duration::days(1));
        let errand = Errand::new("evaluation")
            .under(agreement)
            .give("period", "a month")
            .give("score", 61)
            .give("grade", "pass")
            .give("finding", "in order");
        app.run(&errand).await.expect("an evaluation");
        let path = format!("/evaluations?parent={agreement}&status=recorded");
        let found = app.get(&path, officer).await.good();
        format!("/evaluations/{}", found["items"][0]["id"].as_str().expect("an evaluation"))
    };
    let evaluation = evaluate().await;
    let objected = app.post_as(&format!("{evaluation}/object"), [other, operator], why()).await;
    assert_eq!(objected["objection"], json!("for the test"));
    let answer = json!({ "answer": "it was counted wrongly", "scores": { "total": 97 } });
    let answered = app.post_as(&format!("{evaluation}/answer"), [operator, officer], answer).await;
    assert_eq!(answered["score_hundredths"], json!(9700));
    assert_eq!(answered["answer"], json!("it was counted wrongly"));
    assert_eq!(answered["status"], json!("final"));
    let second = evaluate().await;
    let finished = app.post_as(&format!("{second}/finish"), [operator, officer], json!({})).await;
    assert_eq!(finished["status"], json!("final"));
    let late = app.post(&format!("{second}/object"), operator, why()).await.refused();
    assert_eq!(late["code"], json!("evaluation-step-in-order"));
    scene.app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_objections_are_erased_once_their_case_has_ended() {
    let app = TestApp::new("changchun").await;
    let errand = Errand { until: &["supervise"], ..Errand::new("disclosure") };
    let case = app.run(&errand).await.expect("a case");
    let citizen = app.person_of("public", "a citizen", 1).await;
    let objections = format!("/cases/{case}/objections");
    let text = json!({ "text": "my neighbour says otherwise" });
    app.post(&objections, &citizen, text).await.good();
    let procedure = app.law().procedure("disclosure").expect("a procedure").clone();
    let stage = procedure.stage("supervise").expect("a stage");
    let answerer = app.person(&stage.actors[0], 1).await;
    let answer = json!({ "answer": "it was looked into" });
    app.post(&format!("{objections}/1/answer"), &answerer, answer).await.good();
    let officer = app.person("authority", 1).await;
    let erase = format!("{objections}/erase");
    app.post(&erase, &officer, json!({})).await.refused();
    app.go_on(&case, &Errand { until: &[], ..errand }).await;
    let seen = app.case(&case).await;
    assert_eq!(seen["objections"][0]["text"], json!("my neighbour says otherwise"));
    app.post(&erase, &citizen, json!({})).await.refused();
    app.post(&erase, &officer, json!({})).await.good();
    let seen = app.case(&case).await;
    assert_eq!(seen["objections"][0]["text"], json!(""));
    assert_eq!(seen["objections"][0]["answer"], json!("it was looked into"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_waits_for_whoever_may_act_in_it_and_for_nobody_else() {
    let app = TestApp::new("hangzhou").await;
    let errand = Errand { until: &["appoint"], ..Errand::new("expert_roster") };
    let case = app.run(&errand).await.expect("the procedure");
    let (proposer, other) = (app.person("authority", 1).await, app.person("authority", 2).await);
    let operator = app.person("operator", 1).await;
    let waits_for = async |person: &Person| -> Vec<Value> {
        let cases = app.get("/me/cases", person).await.good();
        cases.as_array().expect("a list").iter().map(|case| case["id"].clone()).collect()
    };
    assert_eq!(waits_for(&other).await, [json!(case)]);
    assert!(waits_for(&proposer).await.is_empty(), "who proposed does not appoint");
    assert!(waits_for(&operator).await.is_empty());
    app.go_on(&case, &Errand::new("expert_roster")).await;
    assert!(waits_for(&other).await.is_empty(), "it is done");
    app.finish().await;
}
