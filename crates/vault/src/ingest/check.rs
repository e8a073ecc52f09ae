//! One block of a file against the rules of its fields.

use arrow::record_batch::RecordBatch;

use crate::{
    DatasetSpec, Result,
    column::{self, Column},
    header::Layout,
    profile::Counts,
    read::{Block, Cells, Dialect, Scan},
    spec::schema_of,
};

/// How often each value of a column must come, on the average, for a dictionary of them.
const REPEATED: u64 = 8;

/// The rule of a record with too many or too few cells.
const RAGGED: &str = "cells-of-record";
/// The rule of a record that names the columns again.
const REPEATED_HEADER: &str = "repeated-header";
/// The rule of a record before the one that names the columns.
const BEFORE_HEADER: &str = "before-header";
/// The rule of text that is not in the encoding of the file.
const NOT_TEXT: &str = "not-text";

/// A record that was refused.
pub(super) struct Refused {
    pub(super) line: u64,
    pub(super) column: String,
    pub(super) rule: &'static str,
    pub(super) text: Vec<u8>,
}

/// A block, checked.
pub(super) struct Checked {
    pub(super) batch: Option<RecordBatch>,
    pub(super) counts: Vec<Counts>,
    pub(super) nulls: Vec<usize>,
    pub(super) rounded: Vec<u64>,
    pub(super) newest: Option<i32>,
    pub(super) refused: Vec<Refused>,
    pub(super) records: u64,
}

impl Checked {
    /// Of each column, whether its values repeat themselves: so much that a dictionary pays.
    pub(super) fn repeats(&self) -> Vec<bool> {
        let rows = self.batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        self.counts.iter().map(|counts| counts.distinct() * REPEATED <= rows).collect()
    }
}

/// What is the same for all blocks.
pub(super) struct Rules<'a> {
    pub(super) spec: &'a DatasetSpec,
    pub(super) layout: Layout,
    pub(super) dialect: Dialect,
}

impl Rules<'_> {
    pub(super) fn check(&self, is_first: bool, block: Block) -> Result<Checked> {
        match block {
            Block::Bad { text, line, rule } => {
                let refused = Refused { line, column: String::new(), rule, text };
                Ok(Checked {
                    batch: None,
                    counts: Vec::new(),
                    nulls: Vec::new(),
                    rounded: Vec::new(),
                    newest: None,
                    refused: vec![refused],
                    records: 1,
                })
            }
            Block::Records { text, line } => self.check_records(is_first, &text, line),
        }
    }

    fn check_records(&self, is_first: bool, text: &[u8], first_line: u64) -> Result<Checked> {
        let fields = &self.spec.fields;
        let all_text = std::str::from_utf8(text).is_ok();
        let guess = text.len() / (fields.len().max(1) * 8) + 16;
        let mut columns: Vec<Column> =
            fields.iter().map(|field| Column::new(field, guess)).collect();
        let (mut cells, mut scratch) = (Cells::default(), Vec::new());
        let (mut rows, mut records, mut seen) = (0_usize, 0_u64, 0_usize);
        let mut refused = Vec::new();
        let (mut rest, mut line) = (text, first_line);
        let (delimiter, terminator) = (self.dialect.delimiter, self.dialect.terminator);
        while let Scan::Record { next, blank } = cells.scan(rest, delimiter, terminator, true) {
            let record = rest.get(..next).unwrap_or_default();
            let at = line;
            line += cells.lines(record, terminator);
            rest = rest.get(next..).unwrap_or_default();
            if blank {
                continue;
            }
            seen += 1;
            let mut refuse = |column: String, rule: &'static str| {
                let text = record.trim_ascii_end().to_vec();
                refused.push(Refused { line: at, column, rule, text });
            };
            if let Some(header) = &self.layout.header {
                if is_first && seen == self.layout.before + 1 {
                    continue;
                }
                records += 1;
                if is_first && seen <= self.layout.before {
                    refuse(String::new(), BEFORE_HEADER);
                    continue;
                }
                if is_repeated(header, &cells, record, &mut scratch) {
                    refuse(String::new(), REPEATED_HEADER);
                    continue;
                }
            } else {
                records += 1;
            }
            if !self.has_its_cells(&cells, record, &mut scratch) {
                refuse(String::new(), RAGGED);
                continue;
            }
            if !all_text && std::str::from_utf8(record).is_err() {
                refuse(String::new(), NOT_TEXT);
                continue;
            }
            let broken = columns.iter_mut().zip(fields).zip(&self.layout.places).find_map(
                |((column, field), place)| {
                    let cell = place.map_or(&b""[..], |it| cells.get(record, it, &mut scratch));
                    column.push(cell).err().map(|rule| (field.name.clone(), rule))
                },
            );
            if let Some((column, rule)) = broken {
                for column in &mut columns {
                    column.truncate(rows);
                }
                refuse(column, rule);
                continue;
            }
            rows += 1;
        }
        let counts = columns
            .iter()
            .zip(fields)
            .map(|(column, field)| {
                let mut counts = Counts::new(field);
                column.count(&mut counts);
                counts
            })
            .collect();
        let nulls = columns.iter().map(Column::nulls).collect();
        let rounded = columns.iter().map(|column| column.rounded).collect();
        let newest = columns.iter().filter_map(Column::latest).max();
        let arrays = columns.into_iter().map(Column::finish).collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(column::stored(&schema_of(fields)).into(), arrays)?;
        let batch = (rows > 0).then_some(batch);
        Ok(Checked { batch, counts, nulls, rounded, newest, refused, records })
    }

    /// Whether a record has as many cells as it should; empty ones at the end are no matter.
    fn has_its_cells(&self, cells: &Cells, record: &[u8], scratch: &mut Vec<u8>) -> bool {
        let expected = self.layout.cells;
        cells.len() >= expected
            && (expected..cells.len()).all(|place| cells.get(record, place, scratch).is_empty())
    }
}

fn is_repeated(header: &[String], cells: &Cells, record: &[u8], scratch: &mut Vec<u8>) -> bool {
    cells.len() == header.len()
        && header
            .iter()
            .enumerate()
            .all(|(place, name)| cells.get(record, place, scratch) == name.as_bytes())
}
