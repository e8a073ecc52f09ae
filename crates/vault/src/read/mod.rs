//! Delimited text as it really comes: any encoding, any record end, broken quotes, endless lines.
//!
//! **Invariant:** memory is bounded by the limit of a record, whatever the file holds.

mod dialect;
mod record;

use std::io::Read;

use encoding_rs::{CoderResult, Decoder, UTF_8};

pub use dialect::Dialect;
pub(crate) use record::{Cells, Scan};

use crate::Result;

/// Limits of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The longest record that is taken.
    pub record_bytes: usize,
    /// How much text is handed to a worker at a time.
    pub block_bytes: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { record_bytes: 16 * 1024 * 1024, block_bytes: 4 * 1024 * 1024 }
    }
}

/// A piece of the file.
#[derive(Debug)]
pub(crate) enum Block {
    /// Whole records.
    Records {
        /// The text, in UTF-8 unless the file breaks it.
        text: Vec<u8>,
        /// The number of the first line in it.
        line: u64,
    },
    /// What is not a record.
    Bad {
        /// Its beginning.
        text: Vec<u8>,
        /// The number of its line.
        line: u64,
        /// What is wrong with it.
        rule: &'static str,
    },
}

/// The rule of a record longer than the limit.
pub(crate) const TOO_LONG: &str = "record-too-long";
/// The rule of a quote that is never closed.
pub(crate) const UNCLOSED: &str = "unclosed-quote";
/// How much of a bad record is kept.
const KEPT: usize = 4096;

/// Cuts a file into blocks of whole records, decoding on the way.
pub(crate) struct Blocks<R> {
    input: R,
    dialect: Dialect,
    limits: ReadLimits,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    pending: Vec<u8>,
    line: u64,
    ended: bool,
    digest: ring::digest::Context,
    skip_mark: usize,
}

impl<R: Read> Blocks<R> {
    pub(crate) fn new(input: R, dialect: Dialect, limits: ReadLimits) -> Self {
        let decoder = (dialect.encoding != UTF_8)
            .then(|| dialect.encoding.new_decoder_without_bom_handling());
        Self {
            input,
            skip_mark: dialect.mark,
            dialect,
            limits,
            decoder,
            raw: Vec::new(),
            pending: Vec::new(),
            line: 1,
            ended: false,
            digest: ring::digest::Context::new(&ring::digest::SHA256),
        }
    }

    /// The digest of everything read.
    pub(crate) fn digest(self) -> shuyu_kernel::ContentHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.digest.finish().as_ref());
        hash.into()
    }

    /// The next block; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Block>> {
        loop {
            if self.pending.len() < self.limits.block_bytes && !self.ended {
                self.fill()?;
                continue;
            }
            if self.pending.is_empty() {
                return Ok(None);
            }
            let (end, quoted) = self.whole_records();
            if end > 0 {
                let rest = self.pending.get(end..).unwrap_or_default().to_vec();
                self.pending.truncate(end);
                let text = std::mem::replace(&mut self.pending, rest);
                let line = self.count(&text);
                return Ok(Some(Block::Records { text, line }));
            }
            if !self.ended && self.pending.len() < self.limits.record_bytes {
                self.fill()?;
                continue;
            }
            return self.bad(quoted).map(Some);
        }
    }

    /// Where the last whole record of what is pending ends, and whether a quote is open there.
    fn whole_records(&self) -> (usize, bool) {
        let (delimiter, terminator) = (self.dialect.delimiter, self.dialect.terminator);
        if memchr::memchr(b'"', &self.pending).is_none() {
            let end = if self.ended {
                self.pending.len()
            } else {
                memchr::memrchr(terminator, &self.pending).map_or(0, |at| at + 1)
            };
            return (end, false);
        }
        let (mut cells, mut end) = (Cells::default(), 0);
        loop {
            let rest = self.pending.get(end..).unwrap_or_default();
            match cells.scan(rest, delimiter, terminator, self.ended) {
                Scan::Record { next, .. } => end += next,
                Scan::Open { quoted } => return (end, quoted),
                Scan::End => return (end, false),
            }
        }
    }

    /// Takes away the line at the beginning, which is not a record, and goes on after it.
    fn bad(&mut self, quoted: bool) -> Result<Block> {
        let line = self.line;
        let mut kept = Vec::new();
        loop {
            let end = memchr::memchr(self.dialect.terminator, &self.pending);
            let upto = end.map_or(self.pending.len(), |at| at + 1);
            let room = KEPT.saturating_sub(kept.len()).min(upto);
            kept.extend_from_slice(self.pending.get(..room).unwrap_or_default());
            self.pending.drain(..upto);
            if end.is_some() {
                self.line += 1;
                break;
            }
            if self.ended {
                break;
            }
            self.fill()?;
        }
        let rule = if quoted { UNCLOSED } else { TOO_LONG };
        Ok(Block::Bad { text: kept, line, rule })
    }

    /// Counts the lines of a block, and returns the number of its first.
    fn count(&mut self, text: &[u8]) -> u64 {
        let line = self.line;
        self.line += memchr::memchr_iter(self.dialect.terminator, text).count() as u64;
        line
    }

    /// Reads more.
    fn fill(&mut self) -> Result<()> {
        const STEP: usize = 1024 * 1024;
        if self.decoder.is_none() {
            let before = self.pending.len();
            let read = (&mut self.input).take(STEP as u64).read_to_end(&mut self.pending)?;
            self.digest.update(self.pending.get(before..).unwrap_or_default());
            self.ended = read < STEP;
            if self.skip_mark > 0 {
                let mark = self.skip_mark.min(self.pending.len());
                self.pending.drain(..mark);
                self.skip_mark = 0;
            }
            return Ok(());
        }
        self.raw.clear();
        let read = (&mut self.input).take(STEP as u64).read_to_end(&mut self.raw)?;
        self.digest.update(&self.raw);
        self.ended = read < STEP;
        let mut raw = self.raw.get(self.skip_mark.min(self.raw.len())..).unwrap_or_default();
        self.skip_mark = 0;
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        loop {
            let mut text =
                vec![0; decoder.max_utf8_buffer_length(raw.len()).unwrap_or(STEP).max(16)];
            let (result, taken, written, _) = decoder.decode_to_utf8(raw, &mut text, self.ended);
            self.pending.extend_from_slice(text.get(..written).unwrap_or_default());
            raw = raw.get(taken..).unwrap_or_default();
            if result == CoderResult::InputEmpty {
                return Ok(());
            }
        }
    }
}

/// Reads the head of a file, and tells its dialect.
pub(crate) fn detect(input: &mut impl Read, head_bytes: usize) -> Result<(Dialect, Vec<u8>)> {
    let mut head = Vec::new();
    input.take(head_bytes as u64).read_to_end(&mut head)?;
    // Nothing more is read here: what is read and not handed on would be lost.
    Ok((Dialect::detect(&head, &head), head))
}
