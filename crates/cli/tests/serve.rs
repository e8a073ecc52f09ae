//! What a demonstration leaves is served, and stops when it is told to.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

fn shuyu(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shuyu"));
    command.args(arguments);
    command
}

/// Serves a directory, and tells at which address.
fn serve(dir: &Path) -> (Child, String) {
    let dir = dir.to_str().expect("a path in UTF-8");
    let mut child = shuyu(&["serve", "--dir", dir, "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = child.stdout.take().expect("its output");
    let address = BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("http://")?.1.split_once("/api/v1")?.0.to_owned()))
        .expect("an address");
    (child, format!("http://{address}/api/v1"))
}

#[tokio::test]
async fn what_a_demonstration_leaves_is_served_until_it_is_told_to_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("deployment");
    let path = dir.to_str().expect("a path in UTF-8");
    let arguments = ["demo", "--city", "hangzhou", "--dir", path, "--persons", "600", "--json"];
    let made = shuyu(&arguments).output().expect("it runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let (mut child, base) = serve(&dir);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let body = json!({ "sign_in": "authority-1", "password": "Demo-2024!" });
    let signed = client.post(format!("{base}/sign-in")).json(&body).send().await;
    let signed: Value = signed.expect("an answer").json().await.expect("JSON");
    let token = signed["token"].as_str().expect("a token");
    let found = client.get(format!("{base}/agreements")).bearer_auth(token).send().await;
    let found: Value = found.expect("an answer").json().await.expect("JSON");
    assert_eq!(found["items"][0]["status"], json!("closed"), "{found}");
    let checkpoint = client.get(format!("{base}/ledger/checkpoint")).send().await;
    let checkpoint = checkpoint.expect("an answer").text().await.expect("a note");
    assert!(checkpoint.starts_with("shuyu/hangzhou\n"), "{checkpoint}");

    // Nobody else opens the directory meanwhile.
    let second = shuyu(&["serve", "--dir", path]).output().expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(told.contains("another process works on"), "{told}");

    let id = child.id().to_string();
    assert!(Command::new("kill").arg(&id).status().expect("it is told").success());
    assert!(child.wait().expect("it ends").success(), "it ends well when it is told to");
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
