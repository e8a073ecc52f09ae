//! Signing in: tokens, their end, and guessing passwords.

use chrono::Duration;
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use shuyu_store::Trail;

use crate::app::{PASSWORD, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signs_in_until_it_expires_and_signing_out_ends_all() {
    let app = TestApp::new("hangzhou").await;
    let person = app.person("authority", 1).await;
    let me = app.get("/me", &person).await.good();
    assert_eq!(me["person"], json!(person.id));
    assert!(me["roles"].as_array().is_some_and(|roles| roles.contains(&json!("authority"))));

    let token = app.token_of(&person).await;
    app.clock.advance(Duration::hours(8));
    let expired = app.send(Method::GET, "/me", Some(&token), None).await;
    assert_eq!(expired.headers.get(header::WWW_AUTHENTICATE).expect("a challenge"), "Bearer");
    assert_eq!(expired.problem(StatusCode::UNAUTHORIZED)["code"], json!("token-expired"));

    let token = app.token_of(&person).await;
    let second = json!({ "sign_in": person.sign_in, "password": PASSWORD });
    let second = app.send(Method::POST, "/sign-in", None, Some(&second)).await.good();
    let second = second["token"].as_str().expect("a token").to_owned();
    let out = app.send(Method::POST, "/sign-out", Some(&token), None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    for token in [token, second] {
        let answer = app.send(Method::GET, "/me", Some(&token), None).await;
        answer.problem(StatusCode::UNAUTHORIZED);
    }
    for token in ["", "00", "not-hex", &"0".repeat(120)] {
        let answer = app.send(Method::GET, "/me", Some(token), None).await;
        answer.problem(StatusCode::UNAUTHORIZED);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_passwords_lock_a_name_whether_or_not_it_exists() {
    let app = TestApp::new("taizhou").await;
    for name in ["admin", "nobody"] {
        let wrong = json!({ "sign_in": name, "password": "Wrong-2024!" });
        for _ in 0..5 {
            let answer = app.send(Method::POST, "/sign-in", None, Some(&wrong)).await;
            let problem = answer.problem(StatusCode::UNAUTHORIZED);
            assert_eq!(problem["code"], json!("sign-in-wrong"));
        }
        let right = json!({ "sign_in": name, "password": PASSWORD });
        let locked = app.send(Method::POST, "/sign-in", None, Some(&right)).await;
        assert_eq!(locked.headers.get(header::RETRY_AFTER).expect("when"), "1800");
        locked.problem(StatusCode::TOO_MANY_REQUESTS);
    }
    app.clock.advance(Duration::minutes(31));
    let right = json!({ "sign_in": "admin", "password": PASSWORD });
    app.send(Method::POST, "/sign-in", None, Some(&right)).await.good();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_no_more_are_tried_than_one_by_one() {
    const GUESSES: usize = 60;
    let app = TestApp::new("hangzhou").await;
    let wrong = json!({ "sign_in": "admin", "password": "Wrong-2024!" });
    let guesses = (0..GUESSES).map(|_| app.send(Method::POST, "/sign-in", None, Some(&wrong)));
    let answers = futures::future::join_all(guesses).await;
    let told = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(told(StatusCode::UNAUTHORIZED), 5);
    assert_eq!(told(StatusCode::TOO_MANY_REQUESTS), GUESSES - 5);

    // Each wrong password is on record; of those that were not tried, ever fewer.
    let recorded = async |act: &str| {
        let trail = Trail { act: Some(act.to_owned()), ..Trail::default() };
        app.app.desk().entries(&trail).await.expect("the log can be read")
    };
    assert_eq!(recorded("sign_in.refuse").await.len(), 5);
    let locked = recorded("sign_in.locked").await;
    let times: Vec<_> = locked.iter().filter_map(|entry| entry.body["times"].as_u64()).collect();
    assert_eq!(times, [1, 2, 4, 8, 16, 32]);
    assert!(locked.iter().all(|entry| !entry.clauses.is_empty()));

    // A new lock is counted anew.
    app.clock.advance(Duration::minutes(31));
    for _ in 0..7 {
        app.send(Method::POST, "/sign-in", None, Some(&wrong)).await;
    }
    assert_eq!(recorded("sign_in.locked").await.len(), times.len() + 2);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_the_one_that_holds_and_ends_all_tokens() {
    let app = TestApp::new("beijing").await;
    let person = app.person("authority", 1).await;
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    let wrong = app.post("/me/password", &person, change("Wrong-2024!", "Other-2024!")).await;
    wrong.problem(StatusCode::UNAUTHORIZED);
    let weak = app.post("/me/password", &person, change(PASSWORD, "weak")).await;
    weak.problem(StatusCode::UNPROCESSABLE_ENTITY);
    app.get("/me", &person).await.good();
    let changed = app.post("/me/password", &person, change(PASSWORD, "Other-2024!")).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    app.get("/me", &person).await.problem(StatusCode::UNAUTHORIZED);
    let old = json!({ "sign_in": person.sign_in, "password": PASSWORD });
    let answer = app.send(Method::POST, "/sign-in", None, Some(&old)).await;
    answer.problem(StatusCode::UNAUTHORIZED);
    let new = json!({ "sign_in": person.sign_in, "password": "Other-2024!" });
    app.send(Method::POST, "/sign-in", None, Some(&new)).await.good();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_closed_is_out_with_the_next_request() {
    let app = TestApp::new("jingzhou").await;
    let person = app.person("operator", 1).await;
    let admin = app.founder("admin").await;
    app.get("/me", &person).await.good();
    let close = format!("/persons/{}/close", person.id);
    app.post(&close, &person, json!({ "reason": "left" })).await.refused();
    app.post(&close, &admin, json!({ "reason": "left" })).await.good();
    app.get("/me", &person).await.problem(StatusCode::UNAUTHORIZED);
    app.finish().await;
}
