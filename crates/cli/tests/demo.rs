//! The main job from the command line: under every pack, on generated and on real data, and
//! killed in the middle.

#![expect(clippy::expect_used, reason = "helpers of tests")]

mod served;

use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use serde_json::Value;
use served::Served;

const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];

fn shuyu() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shuyu"))
}

fn run(arguments: &[&str]) -> Output {
    shuyu().args(arguments).output().expect("the command runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn path(dir: &Path) -> &str {
    dir.to_str().expect("a path in UTF-8")
}

/// Runs the demonstration, and gives the lines of JSON that it prints.
fn demo(city: &str, dir: &Path, more: &[&str]) -> Vec<Value> {
    let arguments = [&["demo", "--city", city, "--json", "--dir", path(dir)], more].concat();
    let output = run(&arguments);
    assert!(output.status.success(), "{city}: {}", text(&output));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "{city}: {complaints}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn summary(lines: &[Value]) -> &Value {
    lines.last().and_then(|line| line.get("summary")).expect("a summary")
}

/// What is in a directory can be served: whoever signs in is answered.
async fn check_served(dir: &Path) {
    let served = Served::start(dir);
    let token = served.sign_in("admin").await;
    let answer = served.get("/me", &token).await;
    assert!(answer.status().is_success(), "{}", answer.status());
    served.stop();
}

#[tokio::test]
async fn the_main_job_runs_to_its_end_under_every_pack() {
    for city in CITIES {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("deployment");
        let lines = demo(city, &dir, &["--persons", "600"]);
        let summary = summary(&lines);
        let proceeds = summary["proceeds"].as_str().expect("proceeds");
        assert!(proceeds.ends_with("yuan") && !proceeds.starts_with("0.00"), "{city}: {proceeds}");
        let cites_the_city = lines.iter().any(|line| {
            line["clauses"].as_array().is_some_and(|clauses| {
                clauses.iter().any(|clause| clause.as_str().is_some_and(|it| it.starts_with(city)))
            })
        });
        assert!(cites_the_city, "{city}");
        let refused = lines.iter().filter(|line| line.get("refused").is_some());
        for line in refused.clone() {
            assert!(
                line["clauses"].as_array().is_some_and(|clauses| !clauses.is_empty()),
                "{city}: refused without a clause: {line}"
            );
        }
        assert!(refused.count() >= 8, "{city}");
        let verified = run(&["ledger", "verify", "--dir", path(&dir)]);
        assert!(verified.status.success(), "{city}: {}", text(&verified));
        let rebuilt = run(&["ledger", "rebuild", "--dir", path(&dir)]);
        assert!(rebuilt.status.success(), "{city}: {}", text(&rebuilt));
        check_served(&dir).await;
    }
}

#[test]
fn the_main_job_ends_in_a_product_on_real_files_without_any_declaration() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.exists() {
        println!("skipped: the folder of real data is not there");
        return;
    }
    for folder in [
        "enterprise",
        "medical",
        "transport",
        "housing",
        "population",
        "credit",
        "divisions",
        "standards",
        "weather",
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("deployment");
        let data = data.join(folder);
        let lines = demo("hangzhou", &dir, &["--data", path(&data)]);
        let proceeds = summary(&lines)["proceeds"].as_str().expect("proceeds");
        assert!(proceeds.ends_with("yuan") && !proceeds.starts_with("0.00"), "{folder}");
    }
}

/// How often the demonstration is killed after it has acknowledged something.
const KILLS: usize = 50;

/// How often it is killed before that.
const EARLY_KILLS: usize = 5;

/// One kill in so many is followed by a restart.
const RESTARTED: usize = 5;

/// What the moments of the kills follow from.
const SEED: u64 = 2_024;

/// Numbers that seem random, each a share of the whole: at least 0, and below 1.
fn shares(seed: u64) -> impl Iterator<Item = f64> {
    let next = |it: &u64| Some(it.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(next(&seed), next).map(|it| {
        let share = u32::try_from(it >> 32).expect("the upper half");
        f64::from(share) / (f64::from(u32::MAX) + 1.0)
    })
}

/// Starts a demonstration, and gives the entries that it acknowledges, as it does.
fn start_demo(dir: &Path) -> (Child, impl Iterator<Item = u64> + Send + use<>) {
    let mut child = shuyu()
        .args(["demo", "--city", "hangzhou", "--json", "--persons", "200", "--dir", path(dir)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let acknowledged = output
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok()?.get("entry")?.as_u64());
    (child, acknowledged)
}

/// What is in a directory after a kill is whole, and holds what was acknowledged last.
fn check_whole(dir: &Path, acknowledged: u64) {
    let verified = run(&["ledger", "verify", "--dir", path(dir)]);
    assert!(verified.status.success(), "{}", text(&verified));
    let rebuilt = run(&["ledger", "rebuild", "--dir", path(dir)]);
    assert!(rebuilt.status.success(), "{}", text(&rebuilt));
    let exported = run(&["ledger", "export", "--dir", path(dir)]);
    let size = String::from_utf8_lossy(&exported.stdout)
        .split_once(" entries written")
        .and_then(|(size, _)| size.parse::<u64>().ok())
        .expect("a number of entries");
    assert!(size > acknowledged, "entry {acknowledged} was acknowledged, {size} are there");
}

/// When to kill: so long after so many acknowledgements, however fast the machine is just now.
struct Moment {
    acknowledgements: usize,
    wait: Duration,
}

/// Moments at random, evenly over a whole run that is watched: a few before anything is
/// acknowledged, and the others after.
fn moments() -> Vec<Moment> {
    let dir = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    let (mut child, acknowledged) = start_demo(&dir.path().join("d"));
    let seen: Vec<Duration> = acknowledged.map(|_| begun.elapsed()).collect();
    assert!(child.wait().expect("ends").success());
    let end = begun.elapsed();
    let first = seen.first().copied().expect("something is acknowledged");
    let early = shares(SEED).take(EARLY_KILLS).map(|share| first.mul_f64(share));
    let late =
        shares(SEED).take(KILLS).map(|share| first + end.saturating_sub(first).mul_f64(share));
    let moment = |at: Duration| {
        let acknowledgements = seen.partition_point(|seen| *seen <= at);
        let last = seen.get(..acknowledgements).and_then(<[_]>::last).copied();
        Moment { acknowledgements, wait: at.saturating_sub(last.unwrap_or_default()) }
    };
    early.chain(late).map(moment).collect()
}

/// Kills a demonstration at a moment, and tells what it had acknowledged last, if it was killed
/// before its end.
fn kill_at(moment: &Moment, dir: &Path) -> (Option<u64>, bool) {
    let (mut child, mut acknowledged) = start_demo(dir);
    let first = acknowledged.by_ref().take(moment.acknowledgements).last();
    let rest = std::thread::spawn(move || acknowledged.last());
    std::thread::sleep(moment.wait);
    child.kill().expect("is killed");
    let ended = child.wait().expect("ends");
    (rest.join().expect("is read").or(first), ended.signal().is_some())
}

/// Kills one demonstration, and checks what it leaves. Whether it was in the middle of it.
fn kill_and_check(kill: usize, moment: &Moment) -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("d");
    let (acknowledged, is_killed) = kill_at(moment, &dir);
    println!(
        "kill {kill} of seed {SEED}: {:?} after acknowledgement {}, at entry {acknowledged:?}",
        moment.wait, moment.acknowledgements
    );
    let Some(acknowledged) = acknowledged else {
        // Nothing needs to be there; what is there is whole, or is said not to be a deployment.
        let verified = run(&["ledger", "verify", "--dir", path(&dir)]);
        assert!(matches!(verified.status.code(), Some(0 | 1)), "{}", text(&verified));
        return false;
    };
    check_whole(&dir, acknowledged);
    if kill.is_multiple_of(RESTARTED) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(check_served(&dir));
        let kept = run(&["vault", "verify", "--dir", path(&dir)]);
        assert!(kept.status.success(), "{}", text(&kept));
        check_whole(&dir, acknowledged);
    }
    is_killed
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let moments = moments();
    let next = AtomicUsize::new(0);
    let in_the_middle = AtomicUsize::new(0);
    let work = || {
        loop {
            let kill = next.fetch_add(1, Ordering::Relaxed);
            let Some(moment) = moments.get(kill) else { return };
            let is_in_the_middle = kill_and_check(kill, moment);
            in_the_middle.fetch_add(usize::from(is_in_the_middle), Ordering::Relaxed);
        }
    };
    // A demonstration is at work on one processor for the most.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let in_the_middle = in_the_middle.into_inner();
    assert!(in_the_middle * 5 >= KILLS * 4, "{in_the_middle} of {KILLS} in the middle");
}

#[test]
fn whatever_is_changed_in_the_database_is_found_and_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("d");
    demo("beijing", &dir, &["--persons", "200"]);
    let key = std::fs::read_to_string(dir.join("ledger.vkey")).expect("the public key");
    let database = dir.join("shuyu.db");
    let bytes = std::fs::read(&database).expect("the database");
    // The first digit of proceeds wherever they stand: pages that are no longer in use hold
    // copies, and a change of those alone is none.
    let needle = b"\"proceeds\":";
    let mut altered = bytes.clone();
    let mut found = 0;
    for at in 0..bytes.len().saturating_sub(needle.len()) {
        if bytes.get(at..at + needle.len()) == Some(needle.as_slice()) {
            let digit = altered.get_mut(at + needle.len()).expect("a digit");
            *digit = if *digit == b'9' { b'8' } else { b'9' };
            found += 1;
        }
    }
    assert!(found > 0, "an event with proceeds");
    std::fs::write(&database, altered).expect("is written");
    let verified = run(&["ledger", "verify", "--dir", path(&dir), "--key", key.trim()]);
    assert_eq!(verified.status.code(), Some(3), "{}", text(&verified));
    assert!(text(&verified).contains("settlement"), "{}", text(&verified));
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_done() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = |arguments: &[&str], said: &str| {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    };
    let new = dir.path().join("new");
    check(&["demo", "--city", "atlantis", "--dir", path(&new)], "there is no pack `atlantis`");
    assert!(!new.join("shuyu.toml").exists());
    std::fs::write(dir.path().join("file"), "x").expect("is written");
    check(&["init", "--city", "beijing", "--dir", path(dir.path())], "is not empty");
    check(&["ledger", "verify", "--dir", path(&new)], "holds no deployment");
    check(&["law", "explain", "beijing/99"], "there is no clause `beijing/99`");
    check(&["law", "coverage", "--city", "atlantis"], "there is no pack `atlantis`");
    let weak = ["init", "--city", "beijing", "--dir", path(&new), "--admin-password", "weak"];
    check(&weak, "a password has at least");
    assert!(!new.exists(), "a weak password leaves nothing behind");
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_command_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = shuyu();
    command.args(["law", "coverage"]).stdout(writer);
    let output = command.output().expect("the command runs");
    assert_eq!((output.status.code(), text(&output).as_str()), (Some(141), ""));
}

#[test]
fn the_packs_that_are_built_in_are_sound() {
    let output = run(&["law", "check"]);
    assert!(output.status.success(), "{}", text(&output));
}
