//! What a demonstration leaves is served, and stops when it is told to.

#![expect(clippy::expect_used, reason = "helpers of tests")]

mod served;

use std::process::Command;

use serde_json::{Value, json};
use served::Served;

fn shuyu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shuyu"));
    command.args(arguments);
    command
}

#[tokio::test]
async fn what_a_demonstration_leaves_is_served_until_it_is_told_to_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("deployment");
    let path = dir.to_str().expect("a path in UTF-8");
    let arguments = ["demo", "--city", "hangzhou", "--dir", path, "--persons", "600", "--json"];
    let made = shuyu(&arguments).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let served = Served::start(&dir);
    let token = served.sign_in("authority-1").await;
    let found: Value = served.get("/agreements", &token).await.json().await.expect("JSON");
    assert_eq!(found["items"][0]["status"], json!("closed"), "{found}");
    let checkpoint = served.get("/ledger/checkpoint", &token).await.text().await.expect("a note");
    assert!(checkpoint.starts_with("shuyu/hangzhou\n"), "{checkpoint}");

    // Nobody else opens the directory meanwhile.
    let second = shuyu(&["serve", "--dir", path]).output().expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("another process works on"), "{told}");

    served.stop();
    let verified = shuyu(&["ledger", "verify", "--dir", path]).output().expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_directory_without_a_deployment_is_a_clear_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a path in UTF-8");
    let output = shuyu(&["serve", "--dir", path]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("make one with `shuyu init`"), "{told}");
}
