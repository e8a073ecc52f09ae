//! What a program may not use up.

use std::time::Duration;

use serde_json::json;
use shuyu_sandbox::{End, Failure, Limits};

use crate::support::{document, limits, marker, persons, processes_with, program, room, said};

#[tokio::test]
async fn a_fork_bomb_meets_its_limit_and_leaves_nobody() {
    let Some(room) = room().await else { return };
    let word = marker("bomb");
    let script = format!(
        r#"
import json, os, sys
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)", "{word}"])
        made += 1
except OSError as error:
    json.dump({{"made": made < 40, "error": os.strerror(error.errno)}}, open("/out/said.json", "w"))
"#
    );
    let limits = Limits { processes: 40, memory_bytes: 1 << 30, ..limits() };

    let outcome = said(&room, &script, limits).await;

    let expected = json!({ "made": true, "error": "Resource temporarily unavailable" });
    assert_eq!(document(&outcome), expected);
    assert_eq!(processes_with(&word), Vec::<u32>::new());
}

#[tokio::test]
async fn eight_gigabytes_at_once_are_refused_and_little_by_little_end_it() {
    let Some(room) = room().await else { return };
    let script = "
import json
try:
    bytearray(8 << 30)
except MemoryError:
    json.dump('refused', open('/out/said.json', 'w'))
";
    assert_eq!(document(&said(&room, script, limits()).await), json!("refused"));

    let script = "
held = []
while True:
    held.append(bytearray(b'x') * (16 << 20))
";
    let outcome = said(&room, script, limits()).await;
    assert_eq!(outcome.end, End::Failed(Failure::Memory));
    assert!(outcome.cost.peak_bytes <= 512 << 20, "{:?}", outcome.cost);

    // Files in memory are memory.
    let script = "
for n in range(100):
    open(f'/tmp/{n}', 'wb').write(b'x' * (16 << 20))
";
    let room_for_all = Limits { scratch_bytes: 4 << 30, ..limits() };
    let outcome = said(&room, script, room_for_all).await;
    assert_eq!(outcome.end, End::Failed(Failure::Memory));
}

#[tokio::test]
async fn outputs_and_scratch_are_as_large_as_they_may_be() {
    let Some(room) = room().await else { return };
    let script = "
import json, os
said = {}
for place in ['/out', '/tmp', '/dev/shm']:
    try:
        with open(place + '/large', 'wb') as file:
            while True:
                file.write(b'x' * 65536)
    except OSError as error:
        said[place] = os.strerror(error.errno)
    os.remove(place + '/large')
json.dump(said, open('/out/said.json', 'w'))
";
    let limits = Limits { scratch_bytes: 4 << 20, ..limits() };

    let said = document(&said(&room, script, limits).await);

    let full = "No space left on device";
    assert_eq!(said, json!({ "/dev/shm": full, "/out": full, "/tmp": full }));
}

#[tokio::test]
async fn time_ends_it() {
    let Some(room) = room().await else { return };
    let wall = Limits { wall: Duration::from_millis(700), ..limits() };
    let outcome = said(&room, "import time; time.sleep(600)", wall).await;
    assert_eq!(outcome.end, End::Failed(Failure::WallTime));

    let cpu = Limits { cpu: Duration::from_millis(700), ..limits() };
    let outcome = said(&room, "while True: pass", cpu).await;
    assert_eq!(outcome.end, End::Failed(Failure::ProcessorTime));
    assert!(outcome.cost.cpu_micros >= 700_000, "{:?}", outcome.cost);
}

#[tokio::test]
async fn inputs_are_as_large_as_they_may_be() {
    let Some(room) = room().await else { return };
    let limits = Limits { input_bytes: 10_000, ..limits() };
    let program = program(
        "open('/out/said.json', 'w').write('1')",
        vec![crate::support::json_output("said")],
    );

    let outcome = room.run(&program, vec![persons()], limits, std::future::pending()).await;

    assert_eq!(outcome.unwrap().end, End::Failed(Failure::InputSize));
}

#[tokio::test]
async fn what_it_says_is_kept_up_to_a_size_and_never_waits() {
    let Some(room) = room().await else { return };
    let script = "
import sys
for stream in (sys.stdout, sys.stderr):
    stream.write('row' * 1_000_000)
open('/out/said.json', 'w').write('1')
";
    let limits = Limits { log_bytes: 1_000, ..limits() };

    let outcome = said(&room, script, limits).await;

    assert_eq!(document(&outcome), json!(1));
    assert_eq!((outcome.log.out.len(), outcome.log.err.len()), (1_000, 1_000));
    assert!(outcome.log.is_cut);
}
