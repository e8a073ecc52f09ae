//! Bad input: a clear problem each, and nothing changed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{app::TestApp, walk::Errand};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_malformed_is_a_problem_that_says_what_is_wrong() {
    let app = TestApp::new("changchun").await;
    let provider = app.person("provider", 1).await;
    let before = app.app.desk().size().await.expect("a size");
    let cases: [(&str, Value, StatusCode, &str); 5] = [
        ("/cases", json!("no object"), StatusCode::UNPROCESSABLE_ENTITY, "OpenBody"),
        ("/cases", json!({ "procedure": 7 }), StatusCode::UNPROCESSABLE_ENTITY, "procedure"),
        (
            "/cases",
            json!({ "procedure": "plan", "title": "", "surprise": 1 }),
            StatusCode::UNPROCESSABLE_ENTITY,
            "surprise",
        ),
        ("/cases/nonsense/withdraw", json!({ "reason": "x" }), StatusCode::BAD_REQUEST, "nonsense"),
        (
            "/grants/cas-00000000000000000000000001/jobs",
            json!({ "program": { "kind": "sql", "text": "" }, "purpose": "" }),
            StatusCode::BAD_REQUEST,
            "gra-",
        ),
    ];
    for (path, body, status, told) in cases {
        let problem = app.post(path, &provider, body).await.problem(status);
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains(told), "{path}: {detail}");
    }
    for path in ["/nowhere", "/cases/", "/resources/res-0/x"] {
        let answer = app.get(path, &provider).await;
        assert_eq!(answer.problem(StatusCode::NOT_FOUND)["code"], json!("no-such-path"), "{path}");
    }
    let token = app.token_of(&provider).await;
    let answer = app.send(Method::DELETE, "/cases", Some(&token), None).await;
    answer.problem(StatusCode::METHOD_NOT_ALLOWED);
    let answer = app.get("/cases?limit=many", &provider).await;
    answer.problem(StatusCode::BAD_REQUEST);
    let answer = app.get("/ledger/inclusion?index=99999999", &provider).await;
    answer.problem(StatusCode::UNPROCESSABLE_ENTITY);
    let absent = "res-00000000000000000000000001";
    let answer = app.get(&format!("/resources/{absent}"), &provider).await;
    answer.problem(StatusCode::NOT_FOUND);
    assert_eq!(app.app.desk().size().await.expect("a size"), before, "nothing was recorded");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_procedure_and_a_wrong_role_are_refused_and_recorded() {
    let app = TestApp::new("hangzhou").await;
    let provider = app.person("provider", 1).await;
    let before = app.app.desk().size().await.expect("a size");
    let open = |procedure: &str| json!({ "procedure": procedure, "title": "x" });
    let problem = app.post("/cases", &provider, open("nonsense")).await.refused();
    assert_eq!(problem["code"], json!("procedure-known"));
    let problem = app.post("/cases", &provider, open("admission")).await.refused();
    assert_eq!(problem["code"], json!("stage-role"));
    assert!(problem["message"]["zh"].is_string() && problem["message"]["en"].is_string());
    assert_eq!(app.app.desk().size().await.expect("a size"), before + 2, "each is on record");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_on_a_dossier_that_has_changed_is_refused() {
    let app = TestApp::new("taizhou").await;
    let law = app.law().clone();
    let procedure = law.procedure("admission").expect("a procedure");
    let first = procedure.stages.first().expect("a stage");
    let actor = app.person(&first.actors[0], 1).await;
    let open = json!({ "procedure": "admission", "title": "x" });
    let case = app.post("/cases", &actor, open).await.good();
    let id = case["id"].as_str().expect("an id");
    let outcome = &first.outcomes[0].id;
    let act = json!({
        "stage": first.id, "outcome": outcome, "form": {}, "read": "0".repeat(64),
    });
    let problem = app.post(&format!("/cases/{id}/acts"), &actor, act).await.refused();
    assert_eq!(problem["code"], json!("approval-binds-content"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_act_at_once_on_what_both_have_read_one_is_told_that_it_has_changed() {
    let app = TestApp::new("changchun").await;
    app.run(&Errand::new("plan")).await;
    let operator = app.person("operator", 1).await;
    let errand = Errand {
        until: &["draft"],
        ..Errand::new("admission").give("operator", operator.organisation)
    };
    let id = app.run(&errand).await.expect("an admission");
    let (path, acts) = (format!("/cases/{id}"), format!("/cases/{id}/acts"));
    let (left, right) =
        (app.person("implementer", 1).await, app.person("sector_authority", 1).await);
    let seen = app.get(&path, &left).await.good();
    assert_eq!(seen["content"], app.get(&path, &right).await.good()["content"]);
    let act = |role: &str, read: &Value| {
        json!({
            "stage": "draft", "outcome": "drafted", "role": role, "read": read,
            "form": {
                "terms": "what the parties agree on", "basis": ["the implementation plan"],
                "departments": [{ "department": "x1", "opinion": "none", "answer": "none" }],
            },
        })
    };
    let (of_left, of_right) = tokio::join!(
        app.post(&acts, &left, act("implementer", &seen["content"])),
        app.post(&acts, &right, act("sector_authority", &seen["content"])),
    );
    let (late, role, refused) = if of_left.status.is_success() {
        (right, "sector_authority", of_right)
    } else {
        of_right.good();
        (left, "implementer", of_left)
    };
    assert_eq!(refused.refused()["code"], json!("approval-binds-content"));
    // Whoever has read again acts well, and the stage ends with both.
    let again = app.get(&path, &late).await.good();
    assert_ne!(again["content"], seen["content"]);
    let ended = app.post(&acts, &late, act(role, &again["content"])).await.good();
    assert_ne!(ended["case"]["stage"]["id"], json!("draft"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_kept_once_and_read_by_the_parties_of_their_case() {
    let app = TestApp::new("hangzhou").await;
    let provider = app.person("provider", 1).await;
    let kept = app.send_bytes("/documents", &provider, b"a plan".to_vec()).await.good();
    let again = app.send_bytes("/documents", &provider, b"a plan".to_vec()).await.good();
    assert_eq!(kept["hash"], again["hash"]);
    let empty = app.send_bytes("/documents", &provider, Vec::new()).await;
    empty.problem(StatusCode::UNPROCESSABLE_ENTITY);

    app.run(&Errand::new("plan")).await;
    let errand = Errand::new("admission");
    let operator = app.person("operator", 1).await;
    let errand = errand.give("operator", operator.organisation.clone());
    let case = app.run(&errand).await.expect("an admission");
    let seen = app.case(&case).await;
    let acts = seen["acts"].as_array().expect("acts");
    let attached = acts
        .iter()
        .filter_map(|act| act["documents"].as_object())
        .find_map(|documents| documents.values().next())
        .and_then(|hash| hash.as_str())
        .expect("an admission asks for documents");
    // What somebody else handed in is not attached by its hash, nor what nobody did.
    let stranger = app.person_of("authority", "stranger", 1).await;
    let open = json!({ "procedure": "admission", "title": "x" });
    let opened = app.post("/cases", &stranger, open).await.good();
    let id = opened["id"].as_str().expect("an id");
    for hash in [attached, &"ab".repeat(32)] {
        let act = json!({
            "stage": opened["stage"]["id"], "outcome": opened["stage"]["outcomes"][0]["id"],
            "form": {}, "documents": { "x": hash }, "read": opened["content"],
        });
        let problem = app.post(&format!("/cases/{id}/acts"), &stranger, act).await.refused();
        assert_eq!(problem["code"], json!("documents-kept-before"), "{problem}");
    }

    let path = format!("/cases/{case}/documents/{attached}");
    assert!(app.get(&path, &operator).await.text.contains(&case));
    let other = app.person_of("operator", "other", 1).await;
    app.get(&path, &other).await.refused();
    let admin = app.founder("admin").await;
    app.get(&path, &admin).await.refused();
    // Who may read a case may not read every document by its hash.
    let hash = kept["hash"].as_str().expect("a hash");
    let problem = app.get(&format!("/cases/{case}/documents/{hash}"), &operator).await.refused();
    assert_eq!(problem["code"], json!("documents-read-by-parties"));
    app.finish().await;
}
