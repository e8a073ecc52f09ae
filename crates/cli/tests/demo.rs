//! The main job from the command line: under every pack, on generated and on real data, and
//! killed in the middle.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

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
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

fn summary(lines: &[Value]) -> &Value {
    lines.last().and_then(|line| line.get("summary")).expect("a summary")
}

#[test]
fn the_main_job_runs_to_its_end_under_every_pack() {
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
    }
}

#[test]
fn the_main_job_ends_in_a_product_on_real_files_without_any_declaration() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.exists() {
        println!("skipped: the folder of real data is not there");
        return;
    }
    for folder in ["enterprise", "medical", "transport", "housing", "population"] {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("deployment");
        let data = data.join(folder);
        let lines = demo("hangzhou", &dir, &["--data", path(&data)]);
        let proceeds = summary(&lines)["proceeds"].as_str().expect("proceeds");
        assert!(proceeds.ends_with("yuan") && !proceeds.starts_with("0.00"), "{folder}");
    }
}

/// How often the demonstration is killed.
const KILLS: u64 = 50;

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let whole = tempfile::tempdir().expect("a directory");
    let begun = Instant::now();
    demo("taizhou", &whole.path().join("d"), &["--persons", "200"]);
    let length = begun.elapsed();
    for kill in 0..KILLS {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("d");
        let mut child = shuyu()
            .args(["demo", "--city", "taizhou", "--json", "--persons", "200", "--dir", path(&dir)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let output = child.stdout.take().expect("its output");
        let reader = std::thread::spawn(move || {
            BufReader::new(output)
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| serde_json::from_str::<Value>(&line).ok()?["entry"].as_u64())
                .max()
        });
        // Moments spread over the whole run, each another one.
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_nanos(
            nanos / KILLS * kill + nanos / 97 * (kill % 7) / 7,
        ));
        child.kill().expect("is killed");
        child.wait().expect("ends");
        let acknowledged = reader.join().expect("is read");
        if !dir.join("shuyu.toml").exists() {
            assert_eq!(acknowledged, None, "acknowledged before the deployment was there");
            continue;
        }
        if !dir.join("shuyu.db").exists() {
            continue;
        }
        let verified = run(&["ledger", "verify", "--dir", path(&dir)]);
        assert!(verified.status.success(), "kill {kill}: {}", text(&verified));
        let rebuilt = run(&["ledger", "rebuild", "--dir", path(&dir)]);
        if acknowledged.is_none() && text(&rebuilt).contains("holds no ledger") {
            // Killed before the first entry: there is nothing to keep.
            continue;
        }
        assert!(rebuilt.status.success(), "kill {kill}: {}", text(&rebuilt));
        let exported = run(&["ledger", "export", "--dir", path(&dir)]);
        let size: u64 = String::from_utf8_lossy(&exported.stdout)
            .split(' ')
            .next()
            .and_then(|size| size.parse().ok())
            .unwrap_or(0);
        if let Some(entry) = acknowledged {
            assert!(size > entry, "kill {kill}: entry {entry} was acknowledged, {size} are there");
        }
    }
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
fn the_packs_that_are_built_in_are_sound() {
    let output = run(&["law", "check"]);
    assert!(output.status.success(), "{}", text(&output));
}
