//! Tables among a program's outputs: read strictly, and written anew in one canonical form.

use std::{fmt::Write as _, io::Cursor};

use arrow::{
    array::Array as _,
    datatypes::DataType,
    ipc::{Block, reader::FileReader, root_as_footer, root_as_message},
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// A column that is foreseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a column are. Each may also be missing, which is written as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Other numbers, of which six significant digits are kept: lower ones can carry anything.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// Days, as `2026-03-01`.
    Date,
    /// Words of at most 200 characters, all of which can be seen.
    Text,
}

/// A table: columns as declared, and rows of values in canonical form, sorted as texts, because an
/// order can carry anything, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// Significant digits of numbers that are not whole.
const DIGITS: usize = 6;
/// The greatest length of a text, in characters.
const LENGTH: usize = 200;

impl Table {
    /// The table as CSV (RFC 4180, UTF-8), with a heading.
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        let heading: Vec<String> = self.columns.iter().map(|it| it.name.clone()).collect();
        for row in std::iter::once(&heading).chain(&self.rows) {
            for (position, value) in row.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                if value.contains(['"', ',']) {
                    let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
                } else {
                    text.push_str(value);
                }
            }
            text.push_str("\r\n");
        }
        text
    }

    /// Reads a file of CSV.
    pub(crate) fn from_csv(
        name: &str,
        columns: &[Column],
        bytes: &[u8],
        most: usize,
    ) -> Result<Self, Fault> {
        let form = |_| Fault::Form(name.to_owned());
        let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
        check_columns(name, columns, reader.headers().map_err(form)?.iter())?;
        let mut rows = Vec::new();
        for record in reader.records() {
            if rows.len() == most {
                return Err(Fault::Size(name.to_owned()));
            }
            rows.push(row(name, columns, record.map_err(form)?.iter().map(Some))?);
        }
        rows.sort();
        Ok(Self { columns: columns.to_vec(), rows })
    }

    /// Reads an Arrow IPC file.
    pub(crate) fn from_arrow(
        name: &str,
        columns: &[Column],
        bytes: &[u8],
        most: usize,
    ) -> Result<Self, Fault> {
        let form = || Fault::Form(name.to_owned());
        if !is_plain(bytes, most).unwrap_or(false) {
            return Err(form());
        }
        let reader = FileReader::try_new(Cursor::new(bytes), None).map_err(|_| form())?;
        let schema = reader.schema();
        check_columns(name, columns, schema.fields().iter().map(|it| it.name().as_str()))?;
        if !schema.fields().iter().all(|it| is_readable(it.data_type())) {
            return Err(form());
        }
        let options = FormatOptions::new();
        let mut rows = Vec::new();
        for batch in reader {
            let batch = batch.map_err(|_| form())?;
            if batch.num_rows() > most - rows.len() {
                return Err(Fault::Size(name.to_owned()));
            }
            let formatters = batch
                .columns()
                .iter()
                .map(|it| ArrayFormatter::try_new(it, &options))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| form())?;
            for at in 0..batch.num_rows() {
                let values: Vec<Option<String>> = formatters
                    .iter()
                    .zip(batch.columns())
                    .map(|(it, column)| column.is_valid(at).then(|| it.value(at).try_to_string()))
                    .map(Option::transpose)
                    .collect::<Result<_, _>>()
                    .map_err(|_| form())?;
                rows.push(row(name, columns, values.iter().map(Option::as_deref))?);
            }
        }
        rows.sort();
        Ok(Self { columns: columns.to_vec(), rows })
    }
}

/// Whether an Arrow IPC file is what it says by itself: no dictionaries, no compression, of which a
/// few bytes may unfold to any number, and nothing in it longer than the file. The reader makes room
/// for what a file says before it looks whether that is there, so a file of a few bytes could end
/// the platform.
fn is_plain(bytes: &[u8], most: usize) -> Option<bool> {
    let (rest, magic) = bytes.split_last_chunk::<6>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
    let footer = root_as_footer(rest.get(rest.len().checked_sub(length)?..)?).ok()?;
    let no_dictionaries = footer.dictionaries().is_none_or(|it| it.is_empty());
    let mut batches = footer.recordBatches().into_iter().flatten();
    let is_plain = |it: &Block| is_plain_batch(bytes, it, most) == Some(true);
    Some(magic == b"ARROW1" && no_dictionaries && batches.all(is_plain))
}

fn is_plain_batch(bytes: &[u8], block: &Block, most: usize) -> Option<bool> {
    let from = usize::try_from(block.offset()).ok()?;
    let metadata = usize::try_from(block.metaDataLength()).ok()?;
    let body = usize::try_from(block.bodyLength()).ok()?;
    let message = bytes.get(from..from.checked_add(metadata)?)?;
    bytes.get(from.checked_add(metadata)?..from.checked_add(metadata)?.checked_add(body)?)?;
    // The length of the message goes before it, since version 5 after four bytes of ones.
    let skipped = if message.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = root_as_message(message.get(skipped..)?).ok()?;
    let batch = message.header_as_record_batch()?;
    let is_few = |rows: i64| usize::try_from(rows).is_ok_and(|it| it <= most);
    let nodes_fit = batch.nodes()?.iter().all(|node| {
        node.length() == batch.length() && (0..=node.length()).contains(&node.null_count())
    });
    let buffers_fit = batch.buffers()?.iter().all(|buffer| {
        let end = usize::try_from(buffer.length())
            .ok()
            .zip(usize::try_from(buffer.offset()).ok())
            .and_then(|(length, offset)| length.checked_add(offset));
        end.is_some_and(|end| end <= body)
    });
    Some(batch.compression().is_none() && is_few(batch.length()) && nodes_fit && buffers_fit)
}

/// Whether values of a type have one plain form.
fn is_readable(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Float32
                | DataType::Float64
                | DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Date32
        )
}

fn check_columns<'a>(
    name: &str,
    columns: &[Column],
    found: impl Iterator<Item = &'a str>,
) -> Result<(), Fault> {
    if columns.iter().map(|it| it.name.as_str()).eq(found) {
        Ok(())
    } else {
        Err(Fault::Columns(name.to_owned()))
    }
}

fn row<'a>(
    name: &str,
    columns: &[Column],
    values: impl Iterator<Item = Option<&'a str>>,
) -> Result<Vec<String>, Fault> {
    let canonical = |(column, value): (&Column, Option<&str>)| {
        value
            .map_or(Some(String::new()), |value| canonical(column.kind, value))
            .ok_or_else(|| Fault::Value { output: name.to_owned(), column: column.name.clone() })
    };
    columns.iter().zip(values).map(canonical).collect()
}

/// A value in its one form, if it is of the kind.
fn canonical(kind: Kind, value: &str) -> Option<String> {
    let value = value.trim();
    if value.is_empty() {
        return Some(String::new());
    }
    match kind {
        Kind::Integer => value.parse::<i64>().ok().map(|it| it.to_string()),
        Kind::Decimal => {
            let number: f64 = value.parse().ok()?;
            // Not a number is how Python's tables write what is missing.
            if number.is_nan() { Some(String::new()) } else { rounded(number).map(written) }
        }
        Kind::Boolean => {
            let value = value.to_ascii_lowercase();
            (value == "true" || value == "false").then_some(value)
        }
        Kind::Date => NaiveDate::parse_from_str(value, "%Y-%m-%d").ok().map(|it| it.to_string()),
        Kind::Text => is_visible(value).then(|| value.to_owned()),
    }
}

/// The number to six significant digits; none if it is infinite.
pub(crate) fn rounded(number: f64) -> Option<f64> {
    if !number.is_finite() {
        return None;
    }
    let number: f64 = format!("{number:.*e}", DIGITS - 1).parse().ok()?;
    // There is one zero.
    Some(if number == 0.0 { 0.0 } else { number })
}

/// The number in its shortest form: with an exponent where it is very large or very small.
fn written(number: f64) -> String {
    let is_plain = number == 0.0 || (1e-5..1e15).contains(&number.abs());
    if is_plain { number.to_string() } else { format!("{number:e}") }
}

/// Whether all of a text can be seen: no control characters, none of no width, no variants of
/// others, and not too many.
pub(crate) fn is_visible(text: &str) -> bool {
    let is_hidden = |it: char| {
        it.is_control()
            || matches!(it,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{10ffff}')
    };
    text.chars().count() <= LENGTH && !text.chars().any(is_hidden)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray},
        datatypes::{Field, Int32Type, Schema},
        ipc::{
            CompressionType,
            writer::{FileWriter, IpcWriteOptions},
        },
    };

    use super::*;

    fn columns() -> Vec<Column> {
        [("district", Kind::Text), ("persons", Kind::Integer), ("mean", Kind::Decimal)]
            .map(|(name, kind)| Column { name: name.to_owned(), kind })
            .to_vec()
    }

    fn csv(text: &str) -> Result<String, Fault> {
        Table::from_csv("t", &columns(), text.as_bytes(), 3).map(|it| it.to_csv())
    }

    #[test]
    fn values_are_written_in_their_one_form() {
        let check = |kind, value: &str, expected: Option<&str>| {
            assert_eq!(canonical(kind, value).as_deref(), expected, "{kind:?} {value:?}");
        };
        check(Kind::Integer, " 007 ", Some("7"));
        check(Kind::Integer, "7.0", None);
        check(Kind::Integer, "9223372036854775808", None);
        check(Kind::Decimal, "0.1234567890123", Some("0.123457"));
        check(Kind::Decimal, "123456789", Some("123457000"));
        check(Kind::Decimal, "-0.0", Some("0"));
        check(Kind::Decimal, "-1e300", Some("-1e300"));
        check(Kind::Decimal, "0.000001", Some("1e-6"));
        check(Kind::Decimal, "nan", Some(""));
        check(Kind::Decimal, "inf", None);
        check(Kind::Boolean, "True", Some("true"));
        check(Kind::Boolean, "yes", None);
        check(Kind::Date, "2026-02-29", None);
        check(Kind::Date, "2026-3-1", Some("2026-03-01"));
        check(Kind::Text, "丙城区", Some("丙城区"));
        check(Kind::Text, "a\u{200b}b", None);
        check(Kind::Text, "a\nb", None);
        check(Kind::Text, &"a".repeat(201), None);
    }

    #[test]
    fn a_table_is_read_and_written_anew() {
        let text = "district,persons,mean\n\"x, \"\"y\"\"\",12,0.50000001\nb,,\n";
        assert_eq!(
            csv(text).unwrap(),
            "district,persons,mean\r\nb,,\r\n\"x, \"\"y\"\"\",12,0.5\r\n"
        );
    }

    #[test]
    fn what_is_not_the_declared_table_is_refused() {
        let value = |column: &str| Fault::Value { output: "t".into(), column: column.into() };
        let head = "district,persons,mean\n";
        assert_eq!(csv("district,persons\na,1\n"), Err(Fault::Columns("t".into())));
        assert_eq!(csv("persons,district,mean\n1,a,2\n"), Err(Fault::Columns("t".into())));
        assert_eq!(csv(&format!("{head}a,b,1\n")), Err(value("persons")));
        assert_eq!(csv(&format!("{head}a,1,1,1\n")), Err(Fault::Form("t".into())));
        assert_eq!(csv(&format!("{head}{}", "a,1,1\n".repeat(4))), Err(Fault::Size("t".into())));
        let invalid = Table::from_csv("t", &columns(), b"district,persons,mean\n\xff,1,1\n", 3);
        assert_eq!(invalid, Err(Fault::Form("t".into())));
    }

    fn arrow(batch: &RecordBatch, options: IpcWriteOptions) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
        drop(writer);
        bytes
    }

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("district", DataType::Utf8, true),
            Field::new("persons", DataType::Int64, true),
            Field::new("mean", DataType::Float64, true),
        ]);
        let schema = schema.with_metadata([("pandas".to_owned(), "anything".to_owned())].into());
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(StringArray::from(vec![Some("b"), None])),
                Arc::new(Int64Array::from(vec![12, 7])),
                Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN)])),
            ],
        )
        .unwrap()
    }

    #[test]
    fn an_arrow_file_comes_to_the_same() {
        let bytes = arrow(&batch(), IpcWriteOptions::default());

        let table = Table::from_arrow("t", &columns(), &bytes, 3).unwrap();

        assert_eq!(table.to_csv(), "district,persons,mean\r\n,7,\r\nb,12,0.5\r\n");
        let few = Table::from_arrow("t", &columns(), &bytes, 1);
        assert_eq!(few, Err(Fault::Form("t".into())));
    }

    #[test]
    fn an_arrow_file_that_unfolds_is_refused() {
        let zstd = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD));
        let bytes = arrow(&batch(), zstd.unwrap());
        assert_eq!(Table::from_arrow("t", &columns(), &bytes, 3), Err(Fault::Form("t".into())));

        let words: DictionaryArray<Int32Type> = ["a", "a"].into_iter().collect();
        let field = Field::new("district", words.data_type().clone(), true);
        let one = vec![Column { name: "district".into(), kind: Kind::Text }];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(words)])
            .unwrap();
        let bytes = arrow(&batch, IpcWriteOptions::default());
        assert_eq!(Table::from_arrow("t", &one, &bytes, 3), Err(Fault::Form("t".into())));
    }

    #[test]
    fn a_damaged_arrow_file_is_refused_or_read_but_never_worse() {
        let whole = arrow(&batch(), IpcWriteOptions::default());
        let check = |bytes: &[u8]| {
            let read = std::panic::catch_unwind(|| Table::from_arrow("t", &columns(), bytes, 3));
            if let Ok(Ok(table)) = read {
                assert!(table.rows.len() <= 3);
            }
        };
        for at in 0..whole.len() {
            check(&whole[..at]);
            for mask in [0xff, 0x80, 0x7f, 0x01] {
                let mut damaged = whole.clone();
                damaged[at] ^= mask;
                check(&damaged);
                // And another, some way on.
                let other = at * 31 % whole.len();
                damaged[other] ^= mask;
                check(&damaged);
            }
        }
    }
}
