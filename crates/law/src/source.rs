//! The text of one file of a pack: parsing with the line in every error, and the line on which
//! a key stands.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::PackError;

/// The line, counted from 1, of the byte at `offset`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count()
}

/// The first line on which `words` stands, or the first.
pub(crate) fn line_with(text: &str, words: &str) -> usize {
    text.find(words).map_or(1, |offset| line_at(text, offset))
}

/// The file as `T`. `file` names it in the error.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, PackError> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(text, span.start));
        PackError::invalid(file, line, error.message().replace('\n', "; "))
    })
}

/// A step into a document: a key, or a place in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// A file of a pack, to find lines in.
pub(crate) struct Document<'a> {
    pub(crate) file: String,
    pub(crate) text: &'a str,
    parsed: OnceCell<Option<Spanned<DeTable<'a>>>>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: impl Into<String>, text: &'a str) -> Self {
        Self { file: file.into(), text, parsed: OnceCell::new() }
    }

    /// The line on which what `path` leads to stands; where it leads nowhere, the line of the
    /// last thing found on the way.
    pub(crate) fn line(&self, path: &[Step<'_>]) -> usize {
        let parsed = self.parsed.get_or_init(|| DeTable::parse(self.text).ok());
        let Some(document) = parsed else { return 1 };
        let mut line = 1;
        let mut table = Some(document.get_ref());
        let mut value: Option<&DeValue<'_>> = None;
        for step in path {
            let next = match step {
                Step::Key(name) => table
                    .and_then(|table| table.get_key_value(*name))
                    .map(|(key, value)| (key.span().start, value.get_ref())),
                Step::Index(index) => value
                    .and_then(DeValue::as_array)
                    .and_then(|items| items.get(*index))
                    .map(|item| (item.span().start, item.get_ref())),
            };
            let Some((offset, found)) = next else { return line };
            line = line_at(self.text, offset);
            table = found.as_table();
            value = Some(found);
        }
        line
    }
}

/// The line of `path` in a text that is looked at once.
pub(crate) fn line_of(text: &str, path: &[Step<'_>]) -> usize {
    Document::new("", text).line(path)
}

/// Days and instants of TOML as the texts that they are written with, wherever they stand.
pub(crate) fn dates_as_texts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) =
                fields.get("$__toml_private_datetime").filter(|_| fields.len() == 1)
            {
                *value = Value::String(text.clone());
                return;
            }
            fields.values_mut().for_each(dates_as_texts);
        }
        Value::Array(items) => items.iter_mut().for_each(dates_as_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_key_is_found_by_its_path() {
        let text = "a = 1\n[[stage]]\nid = \"x\"\n\n[[stage]]\nid = \"y\"\nguards = [\n  \"g\",\n  \"h\",\n]\n";
        let check = |path: &[Step<'_>], line| assert_eq!(line_of(text, path), line, "{path:?}");
        check(&[Step::Key("a")], 1);
        check(&[Step::Key("stage"), Step::Index(1), Step::Key("id")], 6);
        check(&[Step::Key("stage"), Step::Index(1), Step::Key("guards"), Step::Index(1)], 9);
        check(&[Step::Key("stage"), Step::Index(1), Step::Key("absent")], 5);
        check(&[Step::Key("absent")], 1);
    }
}
