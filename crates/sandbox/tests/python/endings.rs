//! However it ends, nothing is left.

use std::{
    fs,
    future::{pending, ready},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, mpsc},
    time::Duration,
};

use arrow::datatypes::{DataType, Field, Schema};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use shuyu_sandbox::{End, Failure, Input, Room};
use tokio::sync::oneshot;

use crate::support::{document, json_output, limits, marker, processes_with, program, room, said};

/// A program that starts another, which has left its session and ignores what it can, and waits.
fn lingering(word: &str, then: &str) -> String {
    let child =
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)";
    format!(
        "
import os, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-c', {child:?}, '{word}'])
    os._exit(0)
time.sleep(0.3)
{then}
"
    )
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come about");
}

#[tokio::test]
async fn a_daemon_ends_with_its_program() {
    let Some(room) = room().await else { return };
    let word = marker("daemon");
    let script = lingering(&word, "open('/out/said.json', 'w').write('1')");

    let outcome = said(&room, &script, limits()).await;

    assert_eq!(document(&outcome), serde_json::json!(1));
    assert_eq!(processes_with(&word), Vec::<u32>::new());
}

#[tokio::test]
async fn a_stop_ends_all_of_it() {
    let Some(room) = room().await else { return };
    let word = marker("stopped");
    let program = program(&lingering(&word, "time.sleep(600)"), vec![json_output("said")]);
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(async move {
        room.run(&program, Vec::new(), limits(), async move { drop(stopped.await) }).await
    });
    until(|| processes_with(&word).len() == 1).await;
    // Outside it is a user whom nobody else is, where the platform could choose one.
    let of =
        |process: &dyn std::fmt::Display| fs::metadata(format!("/proc/{process}")).unwrap().uid();
    let (own, inside) = (of(&"self"), of(&processes_with(&word)[0]));
    assert!(if own == 0 { inside >= 65534 } else { inside == own }, "{own} {inside}");

    drop(stop);
    let outcome = run.await.unwrap().unwrap();

    assert_eq!(outcome.end, End::Failed(Failure::Stopped));
    assert_eq!(processes_with(&word), Vec::<u32>::new());
}

#[tokio::test]
async fn what_was_stopped_before_does_not_begin() {
    let Some(room) = room().await else { return };
    let program = program("open('/out/said.json', 'w').write('1')", vec![json_output("said")]);

    let outcome = room.run(&program, Vec::new(), limits(), ready(())).await.unwrap();

    assert_eq!(outcome.end, End::Failed(Failure::Stopped));
}

#[tokio::test]
async fn it_ends_when_nobody_waits() {
    let Some(room) = room().await else { return };
    let word = marker("abandoned");
    let program = program(&lingering(&word, "time.sleep(600)"), vec![json_output("said")]);
    let run =
        tokio::spawn(async move { room.run(&program, Vec::new(), limits(), pending()).await });
    until(|| processes_with(&word).len() == 1).await;

    run.abort();

    until(|| processes_with(&word).is_empty()).await;
}

#[tokio::test]
async fn it_does_not_begin_before_its_inputs_are_in() {
    let Some(room) = room().await else { return };
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let (more, rows) = mpsc::channel();
    let input = Input { name: "t".to_owned(), schema, rows: Box::new(rows.into_iter()) };
    let program = program("print('begun')", vec![json_output("said")]);
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(async move {
        let stop = async move { drop(stopped.await) };
        room.run(&program, vec![input], limits(), stop).await
    });

    // Rows that never end are stopped, too.
    drop(stop);
    let outcome = run.await.unwrap().unwrap();

    assert_eq!(outcome.end, End::Failed(Failure::Stopped));
    assert_eq!(outcome.log.out, b"");
    drop(more);
}

const ROLE: &str = "SHUYU_TEST_SANDBOX_WORD";

/// Not a test of its own: the platform that another test kills.
#[tokio::test]
async fn a_platform_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "this is how the other test speaks to it")]
    let Ok(word) = std::env::var(ROLE) else { return };
    let Some(room) = room().await else { return };
    let program = program(&lingering(&word, "time.sleep(600)"), vec![json_output("said")]);
    let _ = room.run(&program, Vec::new(), limits(), pending()).await;
}

#[tokio::test]
async fn the_kernel_ends_it_when_the_platform_is_killed() {
    let Some(room) = room().await else { return };
    let word = marker("orphan");
    let mut platform = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "endings::a_platform_that_is_killed"])
        .env(ROLE, &word)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| processes_with(&word).len() == 1).await;
    let group = format!("shuyu-sandbox-{}-", platform.id());
    assert!(is_below(Path::new("/sys/fs/cgroup"), &group, 8));

    kill(Pid::from_raw(i32::try_from(platform.id()).unwrap()), Signal::SIGKILL).unwrap();
    platform.wait().unwrap();

    until(|| processes_with(&word).is_empty()).await;
    // What the platform could not put away, the next one does.
    Room::open(room.runtime().clone()).await.unwrap();
    assert!(!is_below(Path::new("/sys/fs/cgroup"), &group, 8));
}

/// Whether a directory whose name begins so is below another.
fn is_below(place: &Path, name: &str, depth: usize) -> bool {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let directories = entries.filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.into_iter().any(|it| {
        it.file_name().to_string_lossy().starts_with(name)
            || (depth > 0 && is_below(&it.path(), name, depth - 1))
    })
}
