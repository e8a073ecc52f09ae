//! What a model is trained on: named columns, and for each row the subject that it concerns.

use std::collections::HashSet;

/// The values of one column, a missing one as `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Numbers. One that is not finite counts as missing.
    Numbers(Vec<Option<f64>>),
    /// Codes, as they stand in the data. One that the specification does not declare counts as missing.
    Codes(Vec<Option<String>>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Codes(values) => values.len(),
        }
    }
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its values, one for each row.
    pub values: Values,
}

/// Why a table cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A column is not as long as the list of subjects.
    #[error("column {0:?} has not one value for each row")]
    Ragged(String),
    /// Two columns of one name.
    #[error("column {0:?} is there twice")]
    Repeated(String),
}

/// Rows, each of which concerns one subject. Subjects are numbers that mean nothing outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    subjects: Vec<u64>,
    columns: Vec<Column>,
}

impl Table {
    /// A table of these columns, whose rows concern `subjects`.
    ///
    /// # Errors
    ///
    /// [`TableError`] if columns differ in length or share a name.
    pub fn new(subjects: Vec<u64>, columns: Vec<Column>) -> Result<Self, TableError> {
        let mut names = HashSet::new();
        for column in &columns {
            if column.values.len() != subjects.len() {
                return Err(TableError::Ragged(column.name.clone()));
            }
            if !names.insert(&column.name) {
                return Err(TableError::Repeated(column.name.clone()));
            }
        }
        Ok(Self { subjects, columns })
    }

    /// Whom each row concerns.
    pub fn subjects(&self) -> &[u64] {
        &self.subjects
    }

    /// The values of the column of this name, if there is one.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.values)
    }
}
