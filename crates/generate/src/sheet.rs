//! Writing a table as CSV, with its dirt.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
};

use encoding_rs::GBK;
use serde::{Deserialize, Serialize};

use crate::{
    DirtyRow, Flaw, Plan, Table,
    dice::{Dice, Stream},
};

/// One row of each block of so many is spoilt.
const BLOCK: u64 = 100;

/// How a file is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 after a byte order mark.
    Utf8Bom,
    /// GBK.
    Gbk,
}

/// What was written for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileManifest {
    /// The table.
    pub table: Table,
    /// The file's name.
    pub file: String,
    /// How it is encoded.
    pub encoding: Encoding,
    /// How many rows of data it has, the dirty ones included.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The rows spoilt on purpose.
    pub dirty: Vec<DirtyRow>,
}

/// A row that is being filled; its memory is used again for the next.
#[derive(Default)]
pub(crate) struct Row {
    cells: Vec<String>,
    filled: usize,
}

impl Row {
    /// Begins the next row.
    pub(crate) fn clear(&mut self) -> &mut Self {
        self.filled = 0;
        self
    }

    /// Adds a cell.
    pub(crate) fn push(&mut self, value: impl Display) -> &mut Self {
        if self.cells.len() == self.filled {
            self.cells.push(String::new());
        }
        if let Some(cell) = self.cells.get_mut(self.filled) {
            cell.clear();
            // Writing to a string does not fail.
            let _ = write!(cell, "{value}");
        }
        self.filled += 1;
        self
    }
}

/// Fen as yuan with two decimals.
pub(crate) struct Yuan(pub(crate) u64);

impl Display for Yuan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// How a table is written and spoilt.
pub(crate) struct Form {
    pub(crate) encoding: Encoding,
    pub(crate) line_end: &'static str,
    /// What is done to the dirty rows in turn, and to which column.
    pub(crate) flaws: &'static [(Flaw, &'static str)],
}

/// A table that is being written.
pub(crate) struct Sheet<'a, W> {
    out: W,
    plan: &'a Plan,
    form: &'a Form,
    columns: Vec<&'a str>,
    line: u64,
    buffer: String,
    manifest: FileManifest,
}

impl<'a, W: Write> Sheet<'a, W> {
    /// Begins a file: the byte order mark, if it is to have one, and the header.
    pub(crate) fn new(plan: &'a Plan, table: Table, form: &'a Form, out: W) -> io::Result<Self> {
        let mut sheet = Self {
            out,
            plan,
            form,
            columns: table.dataset().fields.iter().map(|field| field.name).collect(),
            line: 1,
            buffer: String::new(),
            manifest: FileManifest {
                table,
                file: table.file().to_owned(),
                encoding: form.encoding,
                rows: 0,
                bytes: 0,
                dirty: Vec::new(),
            },
        };
        if form.encoding == Encoding::Utf8Bom {
            sheet.emit("\u{feff}".as_bytes())?;
        }
        let header: Vec<String> = sheet.columns.iter().map(ToString::to_string).collect();
        sheet.record(&header)?;
        Ok(sheet)
    }

    /// Writes a row, spoilt if it is its turn.
    pub(crate) fn row(&mut self, row: &Row) -> io::Result<()> {
        let (block, place) = (self.manifest.rows / BLOCK, self.manifest.rows % BLOCK);
        self.manifest.rows += 1;
        let cells = row.cells.get(..row.filled).unwrap_or_default();
        debug_assert_eq!(cells.len(), self.columns.len());
        let stream = block << 8 | self.manifest.table as u64;
        let is_dirty = Dice::new(self.plan.seed, Stream::Flaw, stream).below(BLOCK) == place;
        let turn = block.checked_rem(self.form.flaws.len() as u64).filter(|_| is_dirty);
        let flaw = turn.and_then(|turn| self.form.flaws.get(usize::try_from(turn).ok()?));
        let Some((flaw, column)) = flaw else {
            return self.record(cells);
        };
        let mut cells = cells.to_vec();
        let place = self.columns.iter().position(|name| name == column);
        flaw.spoil(&mut cells, place.unwrap_or_default());
        self.manifest.dirty.push(DirtyRow {
            line: self.line,
            row: self.manifest.rows,
            flaw: *flaw,
            column: (*column).to_owned(),
        });
        self.record(&cells)
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> io::Result<FileManifest> {
        self.out.flush()?;
        Ok(self.manifest)
    }

    fn record(&mut self, cells: &[String]) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for (position, cell) in cells.iter().enumerate() {
            if position > 0 {
                buffer.push(',');
            }
            if cell.contains([',', '"', '\n', '\r']) {
                buffer.push('"');
                buffer.push_str(&cell.replace('"', "\"\""));
                buffer.push('"');
                self.line += cell.matches('\n').count() as u64;
            } else {
                buffer.push_str(cell);
            }
        }
        buffer.push_str(self.form.line_end);
        self.line += 1;
        match self.form.encoding {
            Encoding::Utf8 | Encoding::Utf8Bom => self.emit(buffer.as_bytes())?,
            Encoding::Gbk => self.emit(&GBK.encode(&buffer).0)?,
        }
        self.buffer = buffer;
        Ok(())
    }

    fn emit(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.manifest.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
