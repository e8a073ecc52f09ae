//! A version as a table of the query engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{path::Path, sync::Arc};

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    util::pretty::pretty_format_batches,
};
use datafusion::prelude::SessionContext;
use shuyu_kernel::{DatasetId, Id, SystemClock, SystemEntropy};
use shuyu_law::Text;
use shuyu_vault::{
    DatasetSpec, FieldRole, FieldSpec, FieldType, Manifest, SubjectKind, Vault, VaultError,
};

const CANARY: &str = "canary-7f3a91-金丝雀";

fn vault(directory: &Path) -> Vault {
    Vault::local(directory, Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap()
}

fn dataset() -> DatasetId {
    DatasetId::from_u128(1)
}

fn spec() -> DatasetSpec {
    let field = |name: &str, kind, role| FieldSpec {
        name: name.into(),
        title: String::new(),
        kind,
        role,
        required: false,
        scale: None,
    };
    DatasetSpec {
        file: String::new(),
        name: "persons".into(),
        title: Text::default(),
        provider: String::new(),
        subject_key: Some("id".into()),
        subject_kind: SubjectKind::Person,
        level: 3,
        sharing: String::new(),
        opening: String::new(),
        update_cycle: String::new(),
        fields: vec![
            field("id", FieldType::Text, FieldRole::Identifier),
            field("district", FieldType::Text, FieldRole::Dimension),
            field("income", FieldType::Integer, FieldRole::Measure),
        ],
    }
}

async fn written(vault: &Vault) -> Manifest {
    let batch = RecordBatch::try_new(
        spec().schema(),
        vec![
            Arc::new(StringArray::from(vec![CANARY, "b", "c"])),
            Arc::new(StringArray::from(vec!["x", "y", "y"])),
            Arc::new(Int64Array::from(vec![Some(1), Some(2), None])),
        ],
    )
    .unwrap();
    vault.write(dataset(), 1, &spec(), vec![batch]).await.unwrap()
}

async fn query(
    vault: &Vault,
    manifest: &Manifest,
    columns: &[&str],
    sql: &str,
) -> Result<String, String> {
    let ctx = SessionContext::new();
    let table = vault.table(manifest, columns).await.map_err(|e| e.to_string())?;
    ctx.register_table("persons", table).unwrap();
    let batches = ctx
        .sql(sql)
        .await
        .map_err(|e| e.to_string())?
        .collect()
        .await
        .map_err(|e| e.to_string())?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn only_the_columns_given_exist() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let manifest = written(&vault).await;
    let answer = query(&vault, &manifest, &["district", "income"],
        "SELECT district, count(*) AS n, sum(income) AS total FROM persons GROUP BY district ORDER BY district").await.unwrap();
    insta::assert_snapshot!(answer, @r"
    +----------+---+-------+
    | district | n | total |
    +----------+---+-------+
    | x        | 1 | 1     |
    | y        | 2 | 2     |
    +----------+---+-------+
    ");
    let refused =
        query(&vault, &manifest, &["district"], "SELECT id FROM persons").await.unwrap_err();
    assert!(refused.contains("No field named id"), "{refused}");
    let error = vault.table(&manifest, &["salary"]).await.unwrap_err();
    assert!(matches!(error, VaultError::NoSuchColumn { .. }));
}

#[tokio::test]
async fn a_plan_shows_neither_statistics_nor_files_and_no_filter_goes_below_the_scan() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let manifest = written(&vault).await;
    let ctx = SessionContext::new();
    ctx.register_table("persons", vault.table(&manifest, &["district", "income"]).await.unwrap())
        .unwrap();
    ctx.sql("SET datafusion.explain.show_statistics = true")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    ctx.sql("SET datafusion.execution.parquet.pushdown_filters = true")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let plan = ctx
        .sql("EXPLAIN VERBOSE SELECT count(*), max(income) FROM persons WHERE income > 1")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let plan = pretty_format_batches(&plan).unwrap().to_string();
    assert!(plan.contains("VersionScan"), "{plan}");
    assert!(plan.contains("FilterExec"), "{plan}");
    for secret in ["Exact(3)", "rows.parquet", "DataSourceExec", "dat-"] {
        assert!(!plan.contains(secret), "{secret} in\n{plan}");
    }
    // Above the scan the engine infers from the query's own words, such as `income > 1`.
    let mut scans = 0;
    for line in plan.lines().filter(|line| line.contains("VersionScan, statistics")) {
        assert!(line.contains("statistics=[Rows=Absent, Bytes=Absent, [(Col[0]:)]]"), "{line}");
        scans += 1;
    }
    assert!(scans > 0, "{plan}");
    let answer = ctx.sql("SELECT count(*) FROM persons").await.unwrap().collect().await.unwrap();
    assert!(pretty_format_batches(&answer).unwrap().to_string().contains("| 3 "));
}

#[tokio::test]
async fn nothing_lies_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let manifest = written(&vault).await;
    vault.verify(&manifest).await.unwrap();
    let found = files(directory.path());
    assert!(found.len() >= 3, "{found:?}");
    for file in found {
        let bytes = std::fs::read(&file).unwrap();
        for secret in [CANARY.as_bytes(), b"district", b"income"] {
            assert!(memchr::memmem::find(&bytes, secret).is_none(), "{file:?}");
        }
    }
}

#[tokio::test]
async fn what_is_destroyed_cannot_be_read_even_from_a_copy_of_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let manifest = written(&vault).await;
    let held = vault.table(&manifest, &["district"]).await.unwrap();
    let file = directory.path().join("objects").join(&manifest.objects[0].path);
    let copy = std::fs::read(&file).unwrap();

    let certificate = vault.destroy(dataset(), std::slice::from_ref(&manifest)).await.unwrap();

    assert!(certificate.reading_fails);
    assert_eq!(certificate.keys, [manifest.key]);
    assert_eq!(certificate.objects, manifest.objects);
    assert_eq!(certificate.attempts.len(), 2);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, copy).unwrap();
    let error = query(&vault, &manifest, &["district"], "SELECT * FROM persons").await.unwrap_err();
    assert!(error.contains("is not in the keyring"), "{error}");
    let ctx = SessionContext::new();
    ctx.register_table("held", held).unwrap();
    let error = ctx.sql("SELECT * FROM held").await.unwrap().collect().await.unwrap_err();
    assert!(error.to_string().contains("is not in the keyring"), "{error}");
}

#[tokio::test]
async fn what_a_crash_left_is_put_aside_and_what_was_committed_stays_or_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let committed = written(&vault).await;
    let lost = written(&vault).await;
    let half = directory.path().join("objects/staging/x/rows.parquet");
    std::fs::create_dir_all(half.parent().unwrap()).unwrap();
    std::fs::write(&half, b"half").unwrap();
    std::fs::write(half.with_extension("parquet#1"), b"half").unwrap();

    let swept = vault.sweep(std::slice::from_ref(&committed)).await.unwrap();

    assert_eq!(swept.keys, [lost.key]);
    assert_eq!(swept.objects.len(), 3, "{swept:?}");
    assert!(!half.exists());
    query(&vault, &committed, &["district"], "SELECT * FROM persons").await.unwrap();
    assert!(vault.table(&lost, &["district"]).await.is_err());
    assert!(vault.sweep(std::slice::from_ref(&committed)).await.unwrap().is_empty());

    // A database that forgot everything takes nothing with it, and finds it when it remembers.
    let sql = "SELECT * FROM persons";
    assert_eq!(vault.sweep(&[]).await.unwrap().keys, [committed.key]);
    assert!(query(&vault, &committed, &["district"], sql).await.is_err());
    assert!(vault.sweep(&[committed.clone(), lost.clone()]).await.unwrap().is_empty());
    for manifest in [&committed, &lost] {
        query(&vault, manifest, &["district"], sql).await.unwrap();
    }

    vault.sweep(std::slice::from_ref(&committed)).await.unwrap();
    let purged = vault.purge().await.unwrap();
    assert_eq!((purged.keys, purged.objects.len()), (vec![lost.key], 1));
    vault.sweep(&[committed.clone(), lost.clone()]).await.unwrap();
    query(&vault, &committed, &["district"], sql).await.unwrap();
    assert!(query(&vault, &lost, &["district"], sql).await.is_err());
}

#[tokio::test]
async fn altered_objects_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let vault = vault(directory.path());
    let manifest = written(&vault).await;
    let file = directory.path().join("objects").join(&manifest.objects[0].path);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert!(matches!(vault.verify(&manifest).await, Err(VaultError::Altered(_))));
    assert!(
        query(&vault, &manifest, &["id", "district", "income"], "SELECT * FROM persons")
            .await
            .is_err()
    );
}
