//! How a file is written: encoding, delimiter, record ends, header.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8};

use super::record::{Cells, Scan};

/// How a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialect {
    /// The character encoding.
    pub encoding: &'static Encoding,
    /// How many bytes of byte order mark stand before the first record.
    pub mark: usize,
    /// What stands between cells.
    pub delimiter: u8,
    /// What stands at the end of a record: LF (a CR before it belongs to it) or CR.
    pub terminator: u8,
}

impl Dialect {
    /// The dialect of a file that begins with `head`; `sample` holds its first bytes that are
    /// not ASCII, if `head` has none.
    pub fn detect(head: &[u8], sample: &[u8]) -> Self {
        let (encoding, mark) = Encoding::for_bom(head).unwrap_or_else(|| {
            let telling = if head.is_ascii() { sample } else { head };
            (detect_encoding(telling), 0)
        });
        let text = encoding.decode_with_bom_removal(head).0;
        let terminator = detect_terminator(text.as_bytes());
        Self {
            encoding,
            mark,
            delimiter: detect_delimiter(text.as_bytes(), terminator),
            terminator,
        }
    }
}

fn detect_encoding(bytes: &[u8]) -> &'static Encoding {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // A character may be cut off at the end of the sample.
        Err(error) => error.error_len().is_none() && bytes.len() - error.valid_up_to() < 4,
    };
    if is_utf8 {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guess = detector.guess(Some(b"cn"), Utf8Detection::Deny);
    // GB 18030 contains GBK, and is what the state's systems must support.
    if guess == GBK { GB18030 } else { guess }
}

fn detect_terminator(text: &[u8]) -> u8 {
    if memchr::memchr(b'\n', text).is_none() && memchr::memchr(b'\r', text).is_some() {
        b'\r'
    } else {
        b'\n'
    }
}

/// The delimiter by which most records have the same number of cells, more than one.
fn detect_delimiter(text: &[u8], terminator: u8) -> u8 {
    let mut best = (0, 0, b',');
    for delimiter in [b',', b';', b'\t', b'|'] {
        let mut counts = std::collections::BTreeMap::new();
        let (mut rest, mut cells) = (text, Cells::default());
        for _ in 0..200 {
            let Scan::Record { next, blank } = cells.scan(rest, delimiter, terminator, true) else {
                break;
            };
            if !blank {
                *counts.entry(cells.len()).or_insert(0_usize) += 1;
            }
            rest = rest.get(next..).unwrap_or_default();
        }
        counts.remove(&1);
        if let Some((cells, records)) = counts.into_iter().max_by_key(|(cells, n)| (*n, *cells)) {
            best = best.max((records, cells, delimiter));
        }
    }
    best.2
}
