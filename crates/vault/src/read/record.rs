//! Records and cells in a piece of text.
//!
//! A quote opens a quoted cell at the beginning of a cell only; anywhere else it is a character.

use memchr::{memchr, memchr_iter, memchr2};

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A record; the next begins at `next`.
    Record {
        /// Where the next record begins.
        next: usize,
        /// Whether nothing stands in it.
        blank: bool,
    },
    /// No end of the record in this piece.
    Open {
        /// Whether a quote was opened and not closed.
        quoted: bool,
    },
    /// Nothing is left.
    End,
}

/// A cell: where it stands, and whether quotes in it are doubled.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    start: usize,
    end: usize,
    doubled: bool,
}

/// The cells of the record last scanned. Kept from record to record, so nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    quoted: bool,
}

impl Cells {
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// How many lines the `record` last scanned takes, its last one with or without an end.
    pub(crate) fn lines(&self, record: &[u8], terminator: u8) -> u64 {
        // Only a quoted cell can hold the end of a line.
        if self.quoted { memchr_iter(terminator, record).count() as u64 } else { 1 }
    }

    /// The cell at `position` of the record at the beginning of `text`, without white space
    /// around it. `scratch` takes a cell whose quotes must be undone.
    pub(crate) fn get<'a>(
        &self,
        text: &'a [u8],
        position: usize,
        scratch: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let Some(cell) = self.cells.get(position) else {
            return b"";
        };
        let bytes = text.get(cell.start..cell.end).unwrap_or_default();
        if !cell.doubled {
            return bytes.trim_ascii();
        }
        scratch.clear();
        let mut rest = bytes;
        while let Some(at) = memchr(b'"', rest) {
            scratch.extend_from_slice(rest.get(..=at).unwrap_or_default());
            rest = rest.get(at + 1..).unwrap_or_default();
            rest = rest.strip_prefix(b"\"").unwrap_or(rest);
        }
        scratch.extend_from_slice(rest);
        scratch.trim_ascii()
    }

    /// Scans the record at the beginning of `text`. At the end of the file (`last`) a record
    /// needs no end.
    pub(crate) fn scan(&mut self, text: &[u8], delimiter: u8, terminator: u8, last: bool) -> Scan {
        self.cells.clear();
        self.quoted = false;
        if text.is_empty() {
            return Scan::End;
        }
        let mut position = 0;
        loop {
            let rest = text.get(position..).unwrap_or_default();
            let (cell, length) = if rest.first() == Some(&b'"') {
                self.quoted = true;
                match quoted(rest, delimiter, terminator, last) {
                    Some(found) => found,
                    None => return Scan::Open { quoted: true },
                }
            } else {
                match memchr2(delimiter, terminator, rest) {
                    Some(length) => (Cell { start: 0, end: length, doubled: false }, length),
                    None if last => {
                        (Cell { start: 0, end: rest.len(), doubled: false }, rest.len())
                    }
                    None => return Scan::Open { quoted: false },
                }
            };
            self.cells.push(Cell {
                start: position + cell.start,
                end: position + cell.end,
                doubled: cell.doubled,
            });
            position += length;
            match text.get(position) {
                Some(byte) if *byte == delimiter => position += 1,
                Some(_) | None => {
                    let next = (position + 1).min(text.len());
                    return Scan::Record { next, blank: self.is_blank(text) };
                }
            }
        }
    }

    fn is_blank(&self, text: &[u8]) -> bool {
        match self.cells.as_slice() {
            [only] => {
                text.get(only.start..only.end).is_none_or(|bytes| bytes.trim_ascii().is_empty())
            }
            _ => false,
        }
    }
}

/// A quoted cell at the beginning of `text`, and how far it goes: to the delimiter or
/// terminator after its closing quote. What stands between belongs to the cell.
fn quoted(text: &[u8], delimiter: u8, terminator: u8, last: bool) -> Option<(Cell, usize)> {
    let mut doubled = false;
    let mut from = 1;
    loop {
        let close = from + memchr(b'"', text.get(from..)?)?;
        match text.get(close + 1) {
            Some(b'"') => {
                doubled = true;
                from = close + 2;
            }
            Some(byte) if *byte == delimiter || *byte == terminator => {
                return Some((Cell { start: 1, end: close, doubled }, close + 1));
            }
            // At the end of a piece it cannot be known whether another quote follows.
            None if last => return Some((Cell { start: 1, end: close, doubled }, close + 1)),
            None => return None,
            // A CR before LF, or text after the quote, as in `"Zhang" San`.
            Some(_) => {
                let after = text.get(close + 1..)?;
                let length = match memchr2(delimiter, terminator, after) {
                    Some(length) => length,
                    None if last => after.len(),
                    None => return None,
                };
                let tail = after.get(..length).unwrap_or_default();
                if tail.trim_ascii().is_empty() {
                    return Some((Cell { start: 1, end: close, doubled }, close + 1 + length));
                }
                return Some((
                    Cell { start: 0, end: close + 1 + length, doubled: false },
                    close + 1 + length,
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str) -> Vec<Vec<String>> {
        let (mut cells, mut scratch, mut rest) = (Cells::default(), Vec::new(), text.as_bytes());
        let mut found = Vec::new();
        while let Scan::Record { next, blank } = cells.scan(rest, b',', b'\n', true) {
            if !blank {
                found.push(
                    (0..cells.len())
                        .map(|i| {
                            String::from_utf8_lossy(cells.get(rest, i, &mut scratch)).into_owned()
                        })
                        .collect(),
                );
            }
            rest = &rest[next..];
        }
        found
    }

    #[test]
    fn lines_are_counted_also_within_quotes() {
        let mut cells = Cells::default();
        for (record, lines) in
            [("a,b\n", 1), ("\n", 1), ("a", 1), ("\"a\nb\n\",c\r\n", 3), ("5\",c\n", 1)]
        {
            cells.scan(record.as_bytes(), b',', b'\n', true);
            assert_eq!(cells.lines(record.as_bytes(), b'\n'), lines, "{record:?}");
        }
    }

    fn check(text: &str, expected: &[&[&str]]) {
        assert_eq!(records(text), expected, "{text:?}");
    }

    #[test]
    fn cells_are_told_apart() {
        check("a,b\nc,d", &[&["a", "b"], &["c", "d"]]);
        check("a,b\r\n\r\nc,\r\n", &[&["a", "b"], &["c", ""]]);
        check("\"a\nb\",\"say \"\"hi\"\"\"\n", &[&["a\nb", "say \"hi\""]]);
        check("5\" pipe,x\n", &[&["5\" pipe", "x"]]);
        check("\"Zhang\" San,x\n", &[&["\"Zhang\" San", "x"]]);
        check("\"a\" ,b\r\n", &[&["a", "b"]]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_to_the_end(text in prop::collection::vec(prop_oneof![
            Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(0), any::<u8>()], 0..200), last: bool) {
            let (mut cells, mut rest, mut scratch) = (Cells::default(), &text[..], Vec::new());
            while let Scan::Record { next, .. } = cells.scan(rest, b',', b'\n', last) {
                prop_assert!(next > 0);
                for cell in 0..=cells.len() {
                    cells.get(rest, cell, &mut scratch);
                }
                rest = &rest[next..];
            }
        }
    }
}
