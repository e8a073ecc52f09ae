//! Which cell of a record belongs to which field.

use crate::{FieldSpec, Result, VaultError};

/// How many records are looked at for one that names the columns.
pub(crate) const LOOKED_AT: usize = 20;

/// Where the fields stand in the records of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// For each field, the place of its cell; none: the file has no such column.
    pub(crate) places: Vec<Option<usize>>,
    /// How many cells a record has.
    pub(crate) cells: usize,
    /// The record that names the columns, if there is one.
    pub(crate) header: Option<Vec<String>>,
    /// How many records stand before it.
    pub(crate) before: usize,
    /// Columns of the file that no field names.
    pub(crate) ignored: Vec<String>,
}

impl Layout {
    /// The layout of a file that begins with these records, for declared fields.
    ///
    /// A record is the header if at least half of the fields are named in it. Without one, cells
    /// belong to fields by their order.
    pub(crate) fn of(first: &[Vec<String>], fields: &[FieldSpec]) -> Result<Self> {
        let named = |record: &[String]| {
            fields.iter().filter(|field| record.iter().any(|cell| is_name(cell, field))).count()
        };
        let found = first
            .iter()
            .take(LOOKED_AT)
            .position(|record| named(record) * 2 >= fields.len() && named(record) > 0);
        let Some(before) = found else {
            return Ok(Self {
                places: (0..fields.len()).map(Some).collect(),
                cells: fields.len(),
                header: None,
                before: 0,
                ignored: Vec::new(),
            });
        };
        let header = first.get(before).cloned().unwrap_or_default();
        let places: Vec<Option<usize>> = fields
            .iter()
            .map(|field| header.iter().position(|cell| is_name(cell, field)))
            .collect();
        for (field, place) in fields.iter().zip(&places) {
            if field.required && place.is_none() {
                return Err(VaultError::Unreadable(format!(
                    "it has no column `{}`, which is required; its columns are: {}",
                    field.name,
                    header.join(", ")
                )));
            }
        }
        let ignored = header
            .iter()
            .filter(|cell| !fields.iter().any(|field| is_name(cell, field)))
            .cloned()
            .collect();
        Ok(Self { places, cells: header.len(), header: Some(header), before, ignored })
    }
}

fn is_name(cell: &str, field: &FieldSpec) -> bool {
    let cell = cell.trim();
    cell.eq_ignore_ascii_case(&field.name) || (!field.title.is_empty() && cell == field.title)
}

/// Whether a record looks like the names of columns: each cell has a name, none twice, and none
/// is a number.
pub(crate) fn looks_like_header(record: &[String]) -> bool {
    let mut names: Vec<&str> = record.iter().map(String::as_str).collect();
    names.sort_unstable();
    let repeated = names.windows(2).any(|pair| pair.first() == pair.last());
    let value = |cell: &String| {
        let bytes = cell.as_bytes();
        crate::cell::is_missing(bytes)
            || crate::cell::decimal(bytes, 9).is_some()
            || crate::cell::date(bytes).is_some()
    };
    !record.is_empty() && !repeated && !record.iter().any(value)
}
