//! Questions to a released table: typed parameters, a filter, and nothing beyond the release.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a parameter, by which values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Any text, compared letter by letter.
    Text,
    /// A number.
    Number,
    /// A calendar day, `YYYY-MM-DD`.
    Day,
}

/// How a parameter restricts the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The column equals the value.
    Equal,
    /// The column is at least the value.
    AtLeast,
    /// The column is at most the value.
    AtMost,
}

/// A parameter of a query API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// The column that it restricts.
    pub column: String,
    /// Its type.
    pub value_type: ValueType,
    /// How it restricts.
    pub comparison: Comparison,
    /// Whether it must be given.
    pub required: bool,
}

/// What may be asked of a released table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryTemplate {
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// The columns that are answered, in order.
    pub columns: Vec<String>,
    /// How many rows an answer holds at most.
    pub row_limit: usize,
}

/// Why a question cannot be asked or answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The template answers nothing.
    #[error("the template names no column to answer, or no row")]
    Empty,
    /// A name stands twice.
    #[error("`{0}` stands twice")]
    Twice(String),
    /// The released table has no such column.
    #[error("the released table has no column `{0}`")]
    NoColumn(String),
    /// A parameter that must be given is not.
    #[error("the parameter `{0}` must be given")]
    Missing(String),
    /// A parameter that the template does not know.
    #[error("there is no parameter `{0}`")]
    Unknown(String),
    /// A value of the wrong type.
    #[error("the parameter `{name}` must be {expected}")]
    WrongType {
        /// The parameter.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The released content is not a table.
    #[error("the released content is not a table: {0}")]
    NotATable(String),
}

/// A value that can be compared.
#[derive(Debug, Clone, PartialEq)]
enum Comparable {
    Text(String),
    Number(f64),
    Day(NaiveDate),
}

impl ValueType {
    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Day => "a day, YYYY-MM-DD",
        }
    }

    fn read(self, text: &str) -> Option<Comparable> {
        match self {
            Self::Text => Some(Comparable::Text(text.to_owned())),
            Self::Number => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Comparable::Number),
            Self::Day => text.trim().parse().ok().map(Comparable::Day),
        }
    }
}

impl Comparable {
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Number(a), Self::Number(b)) => a.partial_cmp(b),
            (Self::Day(a), Self::Day(b)) => Some(a.cmp(b)),
            (Self::Text(_) | Self::Number(_) | Self::Day(_), _) => None,
        }
    }
}

impl QueryTemplate {
    /// Whether the template can be asked at all.
    ///
    /// # Errors
    ///
    /// [`QueryError::Empty`] or [`QueryError::Twice`].
    pub fn check(&self) -> Result<(), QueryError> {
        if self.columns.is_empty() || self.row_limit == 0 {
            return Err(QueryError::Empty);
        }
        let names = self.parameters.iter().map(|parameter| &parameter.name);
        for list in [self.columns.iter().collect::<Vec<_>>(), names.collect()] {
            for (position, name) in list.iter().enumerate() {
                if list.iter().take(position).any(|earlier| earlier == name) {
                    return Err(QueryError::Twice((*name).clone()));
                }
            }
        }
        Ok(())
    }

    /// The values of `given`, each by the parameter that it is for.
    fn read(
        &self,
        given: &BTreeMap<String, Value>,
    ) -> Result<Vec<(&Parameter, Comparable)>, QueryError> {
        if let Some(unknown) = given
            .keys()
            .find(|name| !self.parameters.iter().any(|parameter| &parameter.name == *name))
        {
            return Err(QueryError::Unknown(unknown.clone()));
        }
        let mut values = Vec::new();
        for parameter in &self.parameters {
            let wrong = || QueryError::WrongType {
                name: parameter.name.clone(),
                expected: parameter.value_type.expected(),
            };
            let text = match given.get(&parameter.name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) if parameter.value_type == ValueType::Number => {
                    number.to_string()
                }
                Some(_) => return Err(wrong()),
                None if parameter.required => {
                    return Err(QueryError::Missing(parameter.name.clone()));
                }
                None => continue,
            };
            values.push((parameter, parameter.value_type.read(&text).ok_or_else(wrong)?));
        }
        Ok(values)
    }
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The columns.
    pub columns: Vec<String>,
    /// The rows, each with a text for each column.
    pub rows: Vec<Vec<String>>,
    /// Whether more rows match than an answer may hold.
    pub truncated: bool,
}

/// A released table in memory. It is what the gate released, and holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedTable {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl ReleasedTable {
    /// The table of these columns and rows.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotATable`] if a row has more or fewer cells than there are columns.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<String>>) -> Result<Self, QueryError> {
        match rows.iter().position(|row| row.len() != columns.len()) {
            Some(row) => Err(QueryError::NotATable(format!(
                "row {} does not have {} cells",
                row + 1,
                columns.len()
            ))),
            None => Ok(Self { columns, rows }),
        }
    }

    /// The table written as CSV (RFC 4180), its first record the names of the columns.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotATable`] if the bytes are not such a text.
    pub fn from_csv(bytes: &[u8]) -> Result<Self, QueryError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| QueryError::NotATable("it is not UTF-8".to_owned()))?;
        let mut records = records(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
        let columns =
            records.next().ok_or_else(|| QueryError::NotATable("it has no header".to_owned()))?;
        Self::new(columns, records.collect())
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    fn position(&self, column: &str) -> Result<usize, QueryError> {
        self.columns
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| QueryError::NoColumn(column.to_owned()))
    }

    /// The rows that match `given`, in their order, with the columns of the template.
    ///
    /// A cell that is empty or cannot be read as the parameter's type matches nothing.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the template does not fit the table, or a value its parameter.
    pub fn answer(
        &self,
        template: &QueryTemplate,
        given: &BTreeMap<String, Value>,
    ) -> Result<Answer, QueryError> {
        template.check()?;
        let shown = template
            .columns
            .iter()
            .map(|column| self.position(column))
            .collect::<Result<Vec<_>, _>>()?;
        let mut conditions = Vec::new();
        for (parameter, value) in template.read(given)? {
            conditions.push((self.position(&parameter.column)?, parameter, value));
        }
        let matches = |row: &Vec<String>| {
            conditions.iter().all(|(position, parameter, value)| {
                row.get(*position)
                    .and_then(|cell| parameter.value_type.read(cell))
                    .and_then(|cell| cell.compare(value))
                    .is_some_and(|order| match parameter.comparison {
                        Comparison::Equal => order.is_eq(),
                        Comparison::AtLeast => order.is_ge(),
                        Comparison::AtMost => order.is_le(),
                    })
            })
        };
        let mut found = self.rows.iter().filter(|row| matches(row));
        let rows = found
            .by_ref()
            .take(template.row_limit)
            .map(|row| shown.iter().filter_map(|position| row.get(*position).cloned()).collect())
            .collect();
        Ok(Answer { columns: template.columns.clone(), rows, truncated: found.next().is_some() })
    }
}

/// The records of a CSV text.
fn records(text: &str) -> Result<Vec<Vec<String>>, QueryError> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            ',' if !quoted => {
                record.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut cell));
                was_quoted = false;
                records.push(std::mem::take(&mut record));
            }
            _ => cell.push(letter),
        }
    }
    if quoted {
        return Err(QueryError::NotATable("a quotation is not closed".to_owned()));
    }
    if !cell.is_empty() || was_quoted || !record.is_empty() {
        record.push(cell);
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TABLE: &str =
        "district,year,claims\nhailing,2023,412\nhailing,2024,\"1,020\"\n高港,2024,77\n";

    fn template() -> QueryTemplate {
        let parameter = |name: &str, column: &str, value_type, comparison, required| Parameter {
            name: name.to_owned(),
            column: column.to_owned(),
            value_type,
            comparison,
            required,
        };
        QueryTemplate {
            parameters: vec![
                parameter("district", "district", ValueType::Text, Comparison::Equal, true),
                parameter("from", "year", ValueType::Number, Comparison::AtLeast, false),
            ],
            columns: vec!["year".to_owned(), "claims".to_owned()],
            row_limit: 1,
        }
    }

    fn ask(given: &Value) -> Result<Answer, QueryError> {
        let table = ReleasedTable::from_csv(TABLE.as_bytes()).expect("a table");
        let given = serde_json::from_value(given.clone()).expect("an object");
        table.answer(&template(), &given)
    }

    #[test]
    fn an_answer_holds_the_rows_that_match_and_says_when_there_are_more() {
        let first = ask(&json!({"district": "hailing"})).expect("answers");
        assert_eq!(first.rows, [["2023", "412"]]);
        assert!(first.truncated);
        let later = ask(&json!({"district": "hailing", "from": 2024})).expect("answers");
        assert_eq!(later.rows, [["2024", "1,020"]]);
        assert!(!later.truncated);
        assert_eq!(ask(&json!({"district": "nowhere"})).expect("answers").rows.len(), 0);
    }

    #[test]
    fn a_question_that_the_template_does_not_know_is_refused() {
        assert_eq!(ask(&json!({})), Err(QueryError::Missing("district".to_owned())));
        assert_eq!(
            ask(&json!({"district": "hailing", "name": "li"})),
            Err(QueryError::Unknown("name".to_owned()))
        );
        assert!(matches!(
            ask(&json!({"district": "hailing", "from": "x"})),
            Err(QueryError::WrongType { .. })
        ));
        assert!(matches!(ask(&json!({"district": 7})), Err(QueryError::WrongType { .. })));
    }

    #[test]
    fn a_template_that_does_not_fit_the_table_is_refused() {
        let table = ReleasedTable::from_csv(TABLE.as_bytes()).expect("a table");
        let mut template = template();
        template.columns = vec!["secret".to_owned()];
        let given = [("district".to_owned(), json!("hailing"))].into();
        assert_eq!(table.answer(&template, &given), Err(QueryError::NoColumn("secret".to_owned())));
        template.columns.clear();
        assert_eq!(template.check(), Err(QueryError::Empty));
        template.columns = vec!["year".to_owned(), "year".to_owned()];
        assert_eq!(template.check(), Err(QueryError::Twice("year".to_owned())));
    }

    #[test]
    fn what_is_not_a_table_is_refused() {
        for text in ["", "a,b\n1\n", "a\n\"open\n"] {
            assert!(
                matches!(ReleasedTable::from_csv(text.as_bytes()), Err(QueryError::NotATable(_))),
                "{text:?}"
            );
        }
        assert!(ReleasedTable::from_csv(&[0xff, 0xfe]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ReleasedTable::from_csv(&bytes);
        }

        #[test]
        fn a_quoted_cell_is_read_back(cells in prop::collection::vec("[^\u{feff}]{0,8}", 1..5)) {
            let quoted: Vec<_> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            let text = format!("{}\r\n", quoted.join(","));
            prop_assert_eq!(records(&text).unwrap(), vec![cells]);
        }
    }
}
