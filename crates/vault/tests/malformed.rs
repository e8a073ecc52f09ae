//! Files that are hardly files: nothing panics, nothing is dropped, and what is wrong is said.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{io::Cursor, sync::Arc};

use proptest::prelude::*;
use shuyu_kernel::{DatasetId, Id, SystemClock, SystemEntropy};
use shuyu_vault::{DatasetSpec, Ingested, Vault, VaultError, parse_specs};

fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().expect("a directory");
    let vault =
        Vault::local(dir.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).expect("a vault");
    (dir, vault)
}

/// A required text and a number.
fn spec() -> DatasetSpec {
    parse_specs(
        "[[dataset]]\nfile='a.csv'\nname='a'\ntitle={zh='a',en='a'}\n[[dataset.field]]\nname='note'\ntype='text'\nrole='text'\nrequired=true\n[[dataset.field]]\nname='n'\ntype='integer'\nrole='measure'\n",
    )
    .expect("parses")
    .remove(0)
}

async fn ingest(bytes: &[u8]) -> Result<Ingested, VaultError> {
    let (_keep, vault) = vault();
    vault.ingest(DatasetId::from_u128(1), 1, &spec(), Cursor::new(bytes.to_vec())).await
}

/// Rows, refused rows, and the rules that refused them.
async fn come_to(bytes: &[u8]) -> (u64, u64, Vec<String>) {
    let ingested = ingest(bytes).await.expect("is taken in");
    assert_eq!(
        ingested.quality.records,
        ingested.manifest.rows + ingested.manifest.quarantined,
        "every record is a row or refused"
    );
    let rules = ingested.quality.rules.into_keys().collect();
    (ingested.manifest.rows, ingested.manifest.quarantined, rules)
}

#[tokio::test]
async fn malformed_records_are_refused_one_by_one_with_the_reason() {
    let check = async |text: &[u8], rows, refused, rules: &[&str]| {
        let found = come_to(text).await;
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        assert_eq!(found, (rows, refused, rules), "{}", String::from_utf8_lossy(text));
    };
    check(b"note,n\na,1\nb,2\n", 2, 0, &[]).await;
    check(b"note,n\na\nb,2\n", 1, 1, &["cells-of-record"]).await;
    check(b"note,n\na,1,2,3\nb,2\n", 1, 1, &["cells-of-record"]).await;
    check(b"note,n\na,one\nb,2\n", 1, 1, &["n:integer"]).await;
    check(b"note,n\na,1\nnote,n\nb,2\n", 2, 1, &["repeated-header"]).await;
    // No end of the last line; ends of two kinds; a mark at the beginning.
    check(b"note,n\r\na,1\r\nb,2", 2, 0, &[]).await;
    check(b"\xef\xbb\xbfnote,n\na,1\n", 1, 0, &[]).await;
    check(b"note,n\n\"a\nb\",1\nc,2\n", 2, 0, &[]).await;
}

#[tokio::test]
async fn a_row_that_is_not_in_the_encoding_of_the_file_is_refused() {
    // The encoding is told from the beginning of a file; what breaks it comes later.
    let mut bytes = b"note,n\n".to_vec();
    for _ in 0..80_000 {
        bytes.extend_from_slice("\u{6d4b}\u{8bd5}\u{6570}\u{636e},1\n".as_bytes());
    }
    bytes.extend_from_slice(b"\xff\xfe\xff,2\nb,3\n");
    assert!(bytes.len() > 1 << 20, "{}", bytes.len());
    assert_eq!(come_to(&bytes).await, (80_001, 1, vec!["not-text".to_owned()]));
}

#[tokio::test]
async fn a_quote_that_is_never_closed_takes_one_line_and_no_more() {
    let (rows, refused, rules) = come_to(b"note,n\na,1\n\"b,2\nc,3\nd,4\n").await;
    assert_eq!((rows, refused), (3, 1), "{rules:?}");
    assert_eq!(rules, ["unclosed-quote"]);
}

#[tokio::test]
async fn a_file_without_what_is_required_is_refused_whole_and_says_why() {
    let check = async |bytes: &[u8]| {
        let error = ingest(bytes).await.expect_err("is refused");
        assert!(matches!(error, VaultError::Unreadable(_)), "{error}");
        assert!(error.to_string().contains("note"), "{error}");
    };
    check(b"remark,n\na,1\n").await;
    check(b"n\n1\n").await;
}

#[tokio::test]
async fn an_empty_file_is_no_reason_to_panic() {
    for bytes in [&b""[..], b"\n", b"\n\n\r\n", b"\xef\xbb\xbf", b"note,n\n", b"note,n", b"\0"] {
        if let Ok(ingested) = ingest(bytes).await {
            assert_eq!(ingested.manifest.rows, 0, "{bytes:?}");
        }
    }
}

#[tokio::test]
async fn text_in_another_encoding_is_read_in_it() {
    // GB 18030, as agencies still deliver it.
    let text = "note,n\n\u{6d4b}\u{8bd5}\u{6570}\u{636e},1\n\u{7b2c}\u{4e8c}\u{884c},2\n";
    let gbk: &[u8] = b"note,n\n\xb2\xe2\xca\xd4\xca\xfd\xbe\xdd,1\n\xb5\xda\xb6\xfe\xd0\xd0,2\n";
    for bytes in [text.as_bytes(), gbk] {
        assert_eq!(come_to(bytes).await, (2, 0, Vec::new()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the bytes, it is taken in with every record accounted for, or refused whole.
    #[test]
    fn no_bytes_make_it_panic_and_none_are_dropped_silently(
        head in prop::sample::select(vec!["note,n\n", "note;n\r\n", "n,note\n", ""]),
        tail in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            prop::collection::vec(prop::sample::select(b"\",;\t\r\n\\\0ab1\xff\xe5\xbc".to_vec()), 0..400),
        ],
    ) {
        let bytes = [head.as_bytes(), &tail].concat();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let outcome = runtime.block_on(ingest(&bytes));
        if let Ok(ingested) = outcome {
            prop_assert_eq!(
                ingested.quality.records,
                ingested.manifest.rows + ingested.manifest.quarantined
            );
            prop_assert_eq!(
                ingested.quality.rules.values().sum::<u64>(),
                ingested.manifest.quarantined
            );
        }
    }
}
