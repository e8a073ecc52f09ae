//! Callers who take their time: they are cut off, and keep nobody else out.

use std::time::Duration;

use reqwest::Method;
use shuyu_server::http::Bounds;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::app::TestApp;

/// Far more than the bounds of these tests, and far less than those of a deployment.
const LONG: Duration = Duration::from_secs(10);

const BOUNDS: Bounds =
    Bounds { head: Duration::from_millis(300), body: Duration::from_millis(300), connections: 4 };

/// Sends a part of a request, and tells what is answered until the server hangs up.
async fn send_part(app: &TestApp, part: &str) -> String {
    let mut stream = TcpStream::connect(app.address).await.expect("a connection");
    stream.write_all(part.as_bytes()).await.expect("sent");
    until_cut(&mut stream).await
}

async fn until_cut(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the server hangs up");
    // A connection that is reset has ended, too.
    drop(read);
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_cut_off_wherever_it_breaks_off() {
    let app = TestApp::within("hangzhou", BOUNDS).await;
    let whole = "GET /api/v1/ledger/key HTTP/1.1\r\nhost: x\r\n\r\n";
    for part in ["", "P", "PRI * HTTP/2.0\r\n", "GET /api", "GET / HTTP/1.1\r\nhost: x\r\n"] {
        let answer = send_part(&app, part).await;
        assert!(!answer.contains("200 OK"), "{part:?}: {answer}");
    }
    // What asks is answered; then the connection may wait for as long as a head may take.
    let answer = send_part(&app, whole).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let answer = send_part(&app, &format!("{whole}GET /api")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_pauses_is_a_problem_and_changes_nothing() {
    let app = TestApp::within("hangzhou", BOUNDS).await;
    let before = app.app.desk().size().await.expect("a size");
    let part = "POST /api/v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 99\r\n\r\n{\"sign_in\":";
    let answer = send_part(&app, part).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("too-slow"), "{answer}");
    assert_eq!(app.app.desk().size().await.expect("a size"), before);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_keep_nobody_out() {
    let app = TestApp::within("hangzhou", BOUNDS).await;
    let mut silent = Vec::new();
    for _ in 0..3 * BOUNDS.connections {
        silent.push(TcpStream::connect(app.address).await.expect("a connection"));
    }
    let asked = app.send(Method::GET, "/ledger/key", None, None);
    let answer = timeout(LONG, asked).await.expect("an answer in time");
    assert!(answer.status.is_success());
    for mut stream in silent {
        until_cut(&mut stream).await;
    }
    app.finish().await;
}
