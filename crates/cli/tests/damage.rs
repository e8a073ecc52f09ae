//! What is damaged is said clearly and named, and nothing panics.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

const CITY: &str = "hangzhou";

fn run(arguments: &[&str], dir: &Path) -> Output {
    let dir = dir.to_str().expect("a path in UTF-8");
    Command::new(env!("CARGO_BIN_EXE_shuyu"))
        .args(arguments)
        .args(["--dir", dir])
        .output()
        .expect("the command runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A deployment in which the main job has run, made once.
fn whole() -> &'static Path {
    static WHOLE: OnceLock<tempfile::TempDir> = OnceLock::new();
    WHOLE
        .get_or_init(|| {
            let made = tempfile::tempdir().expect("a directory");
            let demo = ["demo", "--city", CITY, "--json", "--persons", "200"];
            let output = run(&demo, &made.path().join("d"));
            assert!(output.status.success(), "{}", text(&output));
            made
        })
        .path()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("is made");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("is copied");
        }
    }
}

/// A copy of the deployment, to be damaged.
struct Copy(tempfile::TempDir);

impl Copy {
    fn new() -> Self {
        let made = tempfile::tempdir().expect("a directory");
        copy(&whole().join("d"), &made.path().join("d"));
        Self(made)
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("d")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(arguments, &self.dir())
    }

    /// The command fails with a message that says all of this, on one line or several.
    fn check(&self, arguments: &[&str], said: &[&str]) {
        let output = self.run(arguments);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.starts_with("shuyu: "), "{arguments:?}: {text}");
        for said in said {
            assert!(text.contains(said), "{arguments:?} does not say `{said}`: {text}");
        }
    }
}

const REBUILD: &[&str] = &["ledger", "rebuild"];
const VERIFY: &[&str] = &["ledger", "verify"];
const EXPORT: &[&str] = &["ledger", "export"];

#[test]
fn an_untouched_copy_is_whole() {
    let copy = Copy::new();
    for command in [VERIFY, REBUILD, EXPORT, &["vault", "verify"]] {
        let output = copy.run(command);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
    }
}

#[test]
fn a_configuration_that_is_none_is_named() {
    for (written, said) in [
        ("\u{0}\u{1} not toml", "shuyu.toml"),
        ("", "city"),
        ("city = 7\npack = \"x\"\n", "shuyu.toml"),
        ("city = \"hangzhou\"\npack = \"x\"\ncolour = \"red\"\n", "colour"),
        ("city = \"hangzhou\"\npack = \"no-such-version\"\n", "no-such-version"),
    ] {
        let copy = Copy::new();
        fs::write(copy.path("shuyu.toml"), written).expect("is written");
        for command in [REBUILD, VERIFY, EXPORT] {
            copy.check(command, &[said]);
        }
    }
    let copy = Copy::new();
    fs::write(copy.path("shuyu.toml"), [0xff, 0xfe, 0x00]).expect("is written");
    copy.check(REBUILD, &["shuyu.toml"]);
    fs::remove_file(copy.path("shuyu.toml")).expect("is removed");
    copy.check(REBUILD, &["holds no deployment"]);
    fs::remove_dir_all(copy.dir()).expect("is removed");
    copy.check(REBUILD, &["holds no deployment"]);
    fs::write(copy.dir(), "a file").expect("is written");
    copy.check(REBUILD, &["holds no deployment"]);
}

#[test]
fn an_unknown_or_altered_pack_is_named() {
    let copy = Copy::new();
    let config = fs::read_to_string(copy.path("shuyu.toml")).expect("reads");
    let unknown = config.replace(CITY, "atlantis");
    fs::write(copy.path("shuyu.toml"), unknown).expect("is written");
    for command in [REBUILD, VERIFY, EXPORT] {
        copy.check(command, &["atlantis"]);
    }

    let copy = Copy::new();
    let version = first_in(&copy.path("packs"));
    let rules = version.join(CITY).join("rules.toml");
    let altered = fs::read_to_string(&rules).expect("reads") + "\n# altered\n";
    fs::write(&rules, altered).expect("is written");
    copy.check(REBUILD, &["the pack has been altered"]);
    fs::write(&rules, "[broken").expect("is written");
    copy.check(REBUILD, &["rules.toml"]);
    fs::write(&rules, [0xff, 0xfe]).expect("is written");
    copy.check(REBUILD, &["rules.toml"]);
    fs::remove_dir_all(&version).expect("is removed");
    copy.check(REBUILD, &["packs"]);
}

fn first_in(dir: &Path) -> PathBuf {
    let mut entries = fs::read_dir(dir).expect("lists");
    entries.next().expect("one").expect("an entry").path()
}

#[test]
fn a_damaged_or_missing_key_is_named() {
    for name in ["keys/ledger", "keys/token", "keys/pseudonyms"] {
        let copy = Copy::new();
        let key = copy.path(name);
        let good = fs::read(&key).expect("reads");
        let half = good.get(..good.len() / 2).expect("half");
        for written in [&b""[..], half, b"not a key at all", &[0xff; 40]] {
            fs::write(&key, written).expect("is written");
            copy.check(REBUILD, &[name, "is missing or damaged"]);
        }
        fs::remove_file(&key).expect("is removed");
        copy.check(REBUILD, &[name, "is missing or damaged"]);
        fs::write(&key, good).expect("is written");
        let restored = copy.run(REBUILD);
        assert!(restored.status.success(), "{name}: {}", text(&restored));
    }
}

#[test]
fn a_public_key_that_is_none_or_another_ones_verifies_nothing() {
    let copy = Copy::new();
    let public = copy.path("ledger.vkey");
    for written in ["", "not a key", "shuyu/hangzhou+0123abcd+AAAA"] {
        fs::write(&public, written).expect("is written");
        copy.check(VERIFY, &[]);
    }
    let other = Copy::new();
    let made = other.0.path().join("other");
    let init = run(&["init", "--city", CITY], &made);
    assert!(init.status.success(), "{}", text(&init));
    fs::copy(made.join("ledger.vkey"), &public).expect("is copied");
    let output = copy.run(VERIFY);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    fs::copy(made.join("keys/ledger"), copy.path("keys/ledger")).expect("is copied");
    copy.check(REBUILD, &["the database does not fit"]);
}

#[test]
fn a_truncated_or_replaced_database_is_never_taken_for_a_whole_one() {
    let size = fs::metadata(whole().join("d/shuyu.db")).expect("is there").len();
    assert!(size > 100_000, "{size}");
    for keep in [0, 1, 100, 4096, 8192, size / 4, size / 2, size - 4096] {
        for command in [VERIFY, REBUILD, EXPORT] {
            let copy = Copy::new();
            truncate(&copy, keep);
            let output = copy.run(command);
            let text = text(&output);
            let code = output.status.code();
            assert!(matches!(code, Some(1 | 3)), "{keep} of {size}, {command:?}: {code:?} {text}");
            assert!(!text.contains("panicked"), "{keep} of {size}, {command:?}: {text}");
            assert!(text.len() > 20, "{keep} of {size}, {command:?}: {text}");
        }
    }
}

/// Cuts the database, with what waits beside it to be written into it.
fn truncate(copy: &Copy, keep: u64) {
    for beside in ["shuyu.db-wal", "shuyu.db-shm"] {
        let _ = fs::remove_file(copy.path(beside));
    }
    let file = fs::OpenOptions::new().write(true).open(copy.path("shuyu.db")).expect("opens");
    file.set_len(keep).expect("is cut");
}

#[test]
fn a_database_that_is_gone_or_none_is_named() {
    let copy = Copy::new();
    truncate(&copy, 0);
    copy.check(REBUILD, &["holds no ledger", "backup"]);
    fs::write(copy.path("shuyu.db"), [7_u8; 8192]).expect("is written");
    for command in [VERIFY, REBUILD, EXPORT] {
        copy.check(command, &["database"]);
    }
    let copy = Copy::new();
    truncate(&copy, 0);
    fs::remove_file(copy.path("shuyu.db")).expect("is removed");
    copy.check(VERIFY, &["shuyu.db"]);
    copy.check(REBUILD, &["holds no ledger", "backup"]);
}

/// Every file of the vault with its content.
fn kept(copy: &Copy) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = files(&copy.path("vault"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).expect("reads"))).collect()
}

#[test]
fn a_database_that_lost_its_states_is_rebuilt_and_no_data_go_with_them() {
    let copy = Copy::new();
    let before = kept(&copy);
    assert!(before.len() > 10, "{}", before.len());
    sqlite(&copy, "DELETE FROM state WHERE kind IN ('dataset', 'job', 'release')");
    let output = copy.run(REBUILD);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(copy.run(VERIFY).status.success());
    assert!(kept(&copy) == before, "the vault is as it was");
    assert!(copy.run(&["vault", "verify"]).status.success());
    // Nothing lies aside, so there is nothing to destroy.
    let output = copy.run(&["vault", "purge"]);
    assert!(text(&output).contains("0 keys and 0 objects"), "{}", text(&output));
}

#[test]
fn a_database_that_went_back_is_refused_until_that_is_put_on_record() {
    let copy = Copy::new();
    let witness = copy.path("witness");
    let seen = fs::read_to_string(&witness).expect("the last checkpoint is witnessed");
    assert!(seen.starts_with("shuyu/hangzhou\n"), "{seen}");
    // The last entries go with their checkpoints and what they led to.
    sqlite(
        &copy,
        "DROP TRIGGER event_is_never_dropped; PRAGMA foreign_keys = OFF;
         DELETE FROM personal WHERE seq >= (SELECT max(seq) - 3 FROM event);
         DELETE FROM checkpoint WHERE size > (SELECT max(seq) - 3 FROM event);
         DELETE FROM event WHERE seq >= (SELECT max(size) FROM checkpoint);",
    );
    let output = copy.run(VERIFY);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    copy.check(&["vault", "purge"], &["does not continue the checkpoint", "accept-backup"]);
    copy.check(&["serve", "--listen", "127.0.0.1:0"], &["does not continue the checkpoint"]);
    copy.check(&["ledger", "accept-backup", "--reason", " "], &["say why"]);
}

#[test]
fn a_backup_is_gone_on_with_once_somebody_has_said_so() {
    let made = tempfile::tempdir().expect("a directory");
    let dir = made.path().join("d");
    assert!(run(&["init", "--city", CITY], &dir).status.success());
    let (database, backup) = (dir.join("shuyu.db"), made.path().join("backup"));
    assert!(!dir.join("shuyu.db-wal").exists(), "a closed database is one file");
    fs::copy(&database, &backup).expect("is copied");
    let accept = |reason: &str| run(&["ledger", "accept-backup", "--reason", reason], &dir);
    assert!(accept("a rehearsal").status.success(), "this is an entry that the backup lacks");
    fs::copy(&backup, &database).expect("is put back");

    let refused = run(&["vault", "purge"], &dir);
    assert!(text(&refused).contains("does not continue the checkpoint"), "{}", text(&refused));
    assert_eq!(run(VERIFY, &dir).status.code(), Some(3));
    let accepted = accept("the disk failed");
    assert!(accepted.status.success(), "{}", text(&accepted));
    for command in [VERIFY, REBUILD, &["vault", "purge"]] {
        let output = run(command, &dir);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
    }
}

/// Runs statements on the database, as somebody would who has it in hand.
fn sqlite(copy: &Copy, statements: &str) {
    use sqlx::{Connection as _, Executor as _};
    let url = format!("sqlite:{}", copy.path("shuyu.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.expect("opens");
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        connection.execute(sqlx::raw_sql(statements)).await.expect("runs");
        connection.close().await.expect("closes");
    });
}

#[test]
fn a_missing_or_altered_object_of_the_vault_is_named_and_the_ledger_still_verifies() {
    let copy = Copy::new();
    let objects = files(&copy.path("vault/objects"));
    assert!(objects.len() > 3, "{objects:?}");
    // Of two datasets: the first and the last by path.
    let (gone, altered) = (&objects[0], &objects[objects.len() - 1]);
    fs::remove_file(gone).expect("is removed");
    let mut bytes = fs::read(altered).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(altered, bytes).expect("is written");
    let output = copy.run(&["vault", "verify"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("is missing: restore it from a backup"), "{said}");
    assert!(said.contains("is not what the manifest says it is"), "{said}");
    assert!(said.contains("2 faults"), "{said}");
    for object in [gone, altered] {
        let name = object.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(said.contains(name), "{name}: {said}");
    }
    for command in [VERIFY, REBUILD, EXPORT] {
        let output = copy.run(command);
        assert!(output.status.success(), "{command:?}: {}", text(&output));
    }

    let copy = Copy::new();
    for key in files(&copy.path("vault/keys")) {
        let name = key.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("key-") {
            fs::remove_file(&key).expect("is removed");
        }
    }
    let output = copy.run(&["vault", "verify"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("is not in the keyring"), "{}", text(&output));
    fs::remove_dir_all(copy.path("vault")).expect("is removed");
    let output = copy.run(&["vault", "verify"]);
    assert!(matches!(output.status.code(), Some(1 | 3)), "{}", text(&output));
    assert!(!text(&output).contains("panicked"), "{}", text(&output));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_deployment_is_not_worked_on_by_two_at_once() {
    let copy = Copy::new();
    let lock = fs::File::create(copy.path("lock")).expect("is made");
    lock.lock().expect("is locked");
    for command in [REBUILD, EXPORT] {
        copy.check(command, &["another process works on"]);
    }
    // Verifying needs nobody to stop.
    let output = copy.run(VERIFY);
    assert!(output.status.success(), "{}", text(&output));
}
