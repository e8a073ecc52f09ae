//! A line of a gigabyte is refused with its line, and memory stays bounded. In a process of its
//! own, because its memory is measured.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{
    io::{Cursor, Read},
    sync::Arc,
};

use shuyu_kernel::{DatasetId, Id, SystemClock, SystemEntropy};
use shuyu_vault::{DatasetSpec, Ingested, Part, Vault, parse_specs};

const GIB: u64 = 1 << 30;
/// What reading may take beside what the process has already.
const BOUND: u64 = 256 << 20;

/// The most memory that the process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("KiB");
    kib * 1024
}

fn spec() -> DatasetSpec {
    parse_specs(
        "[[dataset]]\nfile='a.csv'\nname='a'\ntitle={zh='a',en='a'}\n[[dataset.field]]\nname='note'\ntype='text'\nrole='text'\n[[dataset.field]]\nname='n'\ntype='integer'\nrole='measure'\n",
    )
    .expect("parses")
    .remove(0)
}

async fn ingest(vault: &Vault, number: u128, file: impl Read + Send + 'static) -> Ingested {
    let ingested = vault.ingest(DatasetId::from_u128(number), 1, &spec(), file).await;
    ingested.expect("is taken in")
}

/// A file with a line of `length` bytes between its third and its fifth, never written anywhere.
fn file(open: &str, length: u64, close: &str) -> impl Read + Send + 'static {
    let (before, after) =
        (format!("note,n\nfirst,1\nsecond,2\n{open}"), format!("{close}\nlast,3\n"));
    Cursor::new(before).chain(std::io::repeat(b'x').take(length)).chain(Cursor::new(after))
}

#[tokio::test]
async fn a_line_of_a_gigabyte_is_refused_with_its_line_in_bounded_memory() {
    let dir = tempfile::tempdir().expect("a directory");
    let vault =
        Vault::local(dir.path(), Arc::new(SystemClock), Arc::new(SystemEntropy)).expect("a vault");
    let warm = ingest(&vault, 1, file("", 1024, ",7")).await;
    assert_eq!((warm.manifest.rows, warm.manifest.quarantined), (4, 0));
    let before = peak();
    let cases = [
        ("bare", file("", GIB, ",7"), "record-too-long"),
        ("one cell of many", file("a,b,c,", GIB / 4, ",7"), "record-too-long"),
        ("quoted", file("\"", GIB / 4, "\",7"), "unclosed-quote"),
        ("never closed", file("\"", GIB / 4, ",7"), "unclosed-quote"),
    ];
    for (number, (name, file, rule)) in (2..).zip(cases) {
        let ingested = ingest(&vault, number, file).await;
        assert_eq!((ingested.manifest.rows, ingested.manifest.quarantined), (3, 1), "{name}");
        assert_eq!(ingested.quality.rules.get(rule), Some(&1), "{name}");
        let bytes = vault.open_part(&ingested.manifest, Part::Quarantine).await.expect("it is");
        let quarantine = String::from_utf8(bytes).expect("text");
        let entry = quarantine.split("\r\n").nth(1).expect("an entry");
        assert!(entry.starts_with(&format!("4,\"\",{rule},")), "{name}: its line");
        assert!(entry.len() < 10_000, "{name}: its beginning alone is kept");
        let grown = peak().saturating_sub(before);
        assert!(grown < BOUND, "{name}: {} MiB", grown >> 20);
    }
}
