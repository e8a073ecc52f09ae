//! Blocks are checked and columns encoded by whichever thread is free; a version is the file all
//! the same.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::{
    fmt::Write as _,
    io::{self, Cursor, Read},
    sync::Arc,
};

use arrow::{
    array::AsArray,
    datatypes::{
        DataType, Date32Type, Decimal128Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
};
use datafusion::prelude::{SessionConfig, SessionContext};
use shuyu_kernel::{DatasetId, Id, SystemClock, SystemEntropy};
use shuyu_vault::{DatasetSpec, Ingested, Vault, VaultError, parse_specs};

/// More than one row group, and several blocks.
const ROWS: i64 = 140_000;

fn vault() -> (tempfile::TempDir, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let vault =
        Vault::local(directory.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).unwrap();
    (directory, vault)
}

fn spec() -> DatasetSpec {
    let mut text = "[[dataset]]\nfile='a.csv'\nname='a'\ntitle={zh='a',en='a'}\n".to_owned();
    for (name, kind) in [
        ("n", "integer"),
        ("name", "text"),
        ("kind", "text"),
        ("amount", "decimal"),
        ("day", "date"),
        ("instant", "timestamp"),
        ("flag", "boolean"),
    ] {
        let _ = write!(text, "[[dataset.field]]\nname='{name}'\ntype='{kind}'\nrole='dimension'\n");
    }
    parse_specs(&text).unwrap().remove(0)
}

async fn ingest(vault: &Vault, file: impl Read + Send + 'static) -> Result<Ingested, VaultError> {
    vault.ingest(DatasetId::from_u128(1), 1, &spec(), file).await
}

const HEADER: &str = "n,name,kind,amount,day,instant,flag\n";

fn file() -> String {
    let mut text = HEADER.to_owned();
    for n in 0..ROWS {
        // Every 1000th row lacks all but its number, and every 7000th is wrong.
        if n % 1000 == 0 {
            let number = if n % 7000 == 0 { "x".to_owned() } else { n.to_string() };
            let _ = writeln!(text, "{number},,,,,,");
        } else {
            let (day, second) = (n % 28 + 1, n % 60);
            let _ = writeln!(
                text,
                "{n},\"第{n}\",{},-{n}.25,2024-02-{day:02},2024-02-{day:02} 10:00:{second:02},{}",
                ["甲", "乙", "丙"][usize::try_from(n % 3).unwrap()],
                n % 2,
            );
        }
    }
    text
}

#[tokio::test]
async fn what_was_taken_in_reads_back_value_by_value_in_the_order_of_the_file() {
    let (_keep, vault) = vault();
    let ingested = ingest(&vault, Cursor::new(file())).await.unwrap();
    let wrong = ROWS.unsigned_abs() / 7000;
    assert_eq!(
        (ingested.manifest.rows, ingested.manifest.quarantined),
        (ROWS.unsigned_abs() - wrong, wrong)
    );
    let columns = ["n", "name", "kind", "amount", "day", "instant", "flag"];
    let table = vault.table(&ingested.manifest, &columns).await.unwrap();
    let kinds: Vec<DataType> =
        table.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(
        kinds,
        [
            DataType::Int64,
            DataType::Utf8View,
            DataType::Utf8View,
            DataType::Decimal128(18, 2),
            DataType::Date32,
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Boolean
        ]
    );
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let batches = context.read_table(table).unwrap().collect().await.unwrap();
    let mut expected = (0..ROWS).filter(|n| n % 7000 != 0);
    for batch in batches {
        let of = |place: usize| batch.column(place).clone();
        let (numbers, names, kinds) = (of(0), of(1), of(2));
        let (amounts, days, instants, flags) = (of(3), of(4), of(5), of(6));
        for row in 0..batch.num_rows() {
            let n = expected.next().unwrap();
            assert_eq!(numbers.as_primitive::<Int64Type>().value(row), n);
            if n % 1000 == 0 {
                assert!(batch.columns().iter().skip(1).all(|column| column.is_null(row)), "{n}");
                continue;
            }
            assert_eq!(names.as_string_view().value(row), format!("第{n}"));
            let kind = ["甲", "乙", "丙"][usize::try_from(n % 3).unwrap()];
            assert_eq!(kinds.as_string_view().value(row), kind);
            let amount = amounts.as_primitive::<Decimal128Type>().value(row);
            assert_eq!(amount, -i128::from(n * 100 + 25));
            let day = 19_754 + n % 28;
            assert_eq!(i64::from(days.as_primitive::<Date32Type>().value(row)), day);
            assert_eq!(
                instants.as_primitive::<TimestampMicrosecondType>().value(row),
                (day * 86_400 + 36_000 + n % 60) * 1_000_000
            );
            assert_eq!(flags.as_boolean().value(row), n % 2 == 1);
        }
    }
    assert_eq!(expected.next(), None);
    let profile = &ingested.profile.columns;
    let kind = profile.iter().find(|column| column.name == "kind").unwrap();
    assert_eq!((kind.distinct, kind.top.len(), kind.shortest, kind.longest), (3, 3, 3, 3));
    let day = profile.iter().find(|column| column.name == "day").unwrap();
    assert_eq!((day.distinct, day.nulls), (28, 120));
    assert!(day.top.iter().all(|(day, _)| day.starts_with("2024-02-")), "{:?}", day.top);
    let name = profile.iter().find(|column| column.name == "name").unwrap();
    assert!(name.distinct.abs_diff(139_860) < 139_860 / 20, "{}", name.distinct);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_an_error_and_no_version() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line broke"))
        }
    }
    let (_keep, vault) = vault();
    for length in [0, 1, HEADER.len(), 6 << 20] {
        let text = file();
        let begun = Cursor::new(text.into_bytes()).take(length as u64);
        let error = ingest(&vault, begun.chain(Broken)).await.unwrap_err();
        assert!(matches!(error, VaultError::Io(_)), "{length}: {error}");
    }
}

#[tokio::test]
async fn a_file_without_a_good_row_is_an_empty_version() {
    let (_keep, vault) = vault();
    for (text, refused) in [(HEADER.to_owned(), 0), (format!("{HEADER}x,,,,,,\n"), 1)] {
        let ingested = ingest(&vault, Cursor::new(text)).await.unwrap();
        assert_eq!((ingested.manifest.rows, ingested.manifest.quarantined), (0, refused));
        let table = vault.table(&ingested.manifest, &["n", "name"]).await.unwrap();
        let batches = SessionContext::new().read_table(table).unwrap().collect().await.unwrap();
        assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 0);
    }
}
