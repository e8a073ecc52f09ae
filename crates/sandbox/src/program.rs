//! What is to run: a program, what it reads, and what it will have made.

use std::collections::BTreeSet;

use arrow::{datatypes::SchemaRef, error::ArrowError, record_batch::RecordBatch};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::{Column, Document, Table};

/// A program, and what it will have made when it ends. A frozen job depends on all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The text of the program, in Python.
    pub script: String,
    /// What it reads from `/job/parameters.json`.
    pub parameters: Value,
    /// What it makes. Anything else is refused, and so is the lack of any of these.
    pub outputs: Vec<Declared>,
}

/// An output that is foreseen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its name: the file is `/out/<name>.<csv, arrow or json>`.
    pub name: String,
    /// Its form.
    pub form: Form,
}

/// The form of an output. There are no others: what can be carried beside the declared data, or
/// can be executed (pickles, pictures, spreadsheets), is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// A table as CSV (RFC 4180, UTF-8, with a heading).
    Csv {
        /// Its columns.
        columns: Vec<Column>,
    },
    /// A table as an Arrow IPC file, without compression or dictionaries.
    Arrow {
        /// Its columns.
        columns: Vec<Column>,
    },
    /// A JSON document: coefficients, trees, measures of fit.
    Json,
}

impl Declared {
    /// The name of its file.
    pub fn file(&self) -> String {
        let ending = match self.form {
            Form::Csv { .. } => "csv",
            Form::Arrow { .. } => "arrow",
            Form::Json => "json",
        };
        format!("{}.{ending}", self.name)
    }
}

/// The rows of an input, batch by batch.
pub type Rows = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// What a program reads as `/in/<name>.arrow`, an Arrow IPC file: granted data with row filters
/// and masks applied. It goes through a pipe into memory, and never onto a disk.
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Its rows.
    pub rows: Rows,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An output that is what was declared, as the platform writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Its name, as declared.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What is in an output: parsed, bounded, and without whatever its file held besides.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A table.
    Table(Table),
    /// A document.
    Document(Document),
}

impl Made {
    /// The output in its one canonical form: CSV or JSON. Not a byte of the program's own file
    /// is in it.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Table(table) => table.to_csv().into_bytes(),
            Content::Document(document) => document.to_json().into_bytes(),
        }
    }
}

/// What is wrong with a program or its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// A name is not of lower-case letters, digits and `_`, beginning with a letter, 63 at most.
    #[error("`{0}` is not a name: lower-case letters, digits and `_`, at most 63")]
    Name(String),
    /// Two have one name.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A table has no columns.
    #[error("`{0}` has no columns")]
    NoColumns(String),
    /// It makes nothing.
    #[error("a program makes at least one output")]
    NoOutput,
}

impl Program {
    /// Refuses a program that could not make what it is to make.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn check(&self) -> Result<(), ProgramError> {
        if self.outputs.is_empty() {
            return Err(ProgramError::NoOutput);
        }
        check_names(self.outputs.iter().map(|it| it.name.as_str()))?;
        for output in &self.outputs {
            if let Form::Csv { columns } | Form::Arrow { columns } = &output.form {
                if columns.is_empty() {
                    return Err(ProgramError::NoColumns(output.name.clone()));
                }
                check_names(columns.iter().map(|it| it.name.as_str()))?;
            }
        }
        Ok(())
    }
}

/// Refuses what is not a name, and what is there twice.
pub(crate) fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), ProgramError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let is_name = name.len() <= 63
            && name.starts_with(|it: char| it.is_ascii_lowercase())
            && name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
        if !is_name {
            return Err(ProgramError::Name(name.to_owned()));
        }
        if !seen.insert(name) {
            return Err(ProgramError::Twice(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_program_names_what_it_makes_without_contradiction() {
        let check = |outputs: Vec<Declared>| {
            Program { script: String::new(), parameters: Value::Null, outputs }.check()
        };
        let json = |name: &str| Declared { name: name.to_owned(), form: Form::Json };
        let table = |columns: &[&str]| {
            let column = |it: &&str| Column { name: (*it).to_owned(), kind: Kind::Integer };
            let columns = columns.iter().map(column).collect();
            Declared { name: "t".to_owned(), form: Form::Csv { columns } }
        };

        assert_eq!(check(vec![json("model"), table(&["n"])]), Ok(()));
        assert_eq!(check(vec![]), Err(ProgramError::NoOutput));
        for name in ["", "../etc", "Model", "a/b", "a.b", "1a", &"a".repeat(64)] {
            assert_eq!(check(vec![json(name)]), Err(ProgramError::Name(name.to_owned())));
        }
        assert_eq!(check(vec![json("t"), table(&["n"])]), Err(ProgramError::Twice("t".into())));
        assert_eq!(check(vec![table(&[])]), Err(ProgramError::NoColumns("t".into())));
        assert_eq!(check(vec![table(&["n", "n"])]), Err(ProgramError::Twice("n".into())));
    }
}
