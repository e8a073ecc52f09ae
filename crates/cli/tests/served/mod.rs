//! A deployment that is served by a process of its own.

#![expect(clippy::panic, reason = "helpers of tests")]

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use reqwest::{Client, Response};
use serde_json::{Value, json};

/// The password of everyone in a demonstration.
const PASSWORD: &str = "Demo-2024!";

/// A deployment that is served.
pub(crate) struct Served {
    child: Child,
    output: BufReader<ChildStdout>,
    base: String,
    client: Client,
}

impl Served {
    /// Serves a directory, and waits until it says that it listens.
    pub(crate) fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shuyu"))
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let listening = output.by_ref().lines().map_while(Result::ok).find_map(|line| {
            Some(line.split_once("http://")?.1.split_once("/api/v1")?.0.to_owned())
        });
        let Some(address) = listening else {
            let told = child.wait_with_output().expect("it ends").stderr;
            panic!("{} is not served: {}", dir.display(), String::from_utf8_lossy(&told));
        };
        let base = format!("http://{address}/api/v1");
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { child, output, base, client }
    }

    /// A token for somebody of the demonstration.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let body = json!({ "sign_in": name, "password": PASSWORD });
        let signed = self.client.post(format!("{}/sign-in", self.base)).json(&body).send().await;
        let signed: Value = signed.expect("an answer").json().await.expect("JSON");
        let token = signed.get("token").and_then(Value::as_str);
        token.unwrap_or_else(|| panic!("no token: {signed}")).to_owned()
    }

    /// What is answered to somebody who is signed in.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(token);
        request.send().await.expect("an answer")
    }

    /// Tells it to stop: it ends well, and has nothing to complain of.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().expect("it is told").success());
        self.output.read_to_string(&mut String::new()).expect("what it still says");
        let mut told = String::new();
        let mut errors = self.child.stderr.take().expect("its complaints");
        errors.read_to_string(&mut told).expect("what it complains of");
        let status = self.child.wait().expect("it ends");
        assert!(status.success() && told.is_empty(), "{status}: {told}");
    }
}

impl Drop for Served {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
