//! What a dataset is declared to be: its fields, their types and roles, and whom it concerns.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};
use shuyu_law::Text;

use crate::{Result, VaultError};

/// Digits of a decimal column: what fits into 64 bits.
pub const DECIMAL_PRECISION: u8 = 18;

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Any text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A number with decimals, kept exactly.
    Decimal,
    /// A calendar day.
    Date,
    /// An instant without a zone, as written.
    Timestamp,
    /// Yes or no.
    Boolean,
    /// A resident identity number (GB 11643).
    ResidentId,
    /// A unified social credit code (GB 32100).
    CreditCode,
    /// A business registration number of 15 digits.
    RegistrationNumber,
    /// A mobile telephone number.
    Mobile,
    /// A division code of six digits (GB/T 2260).
    Division,
}

impl FieldType {
    /// Whether cells are kept as text.
    pub fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Integer | Self::Decimal | Self::Date | Self::Timestamp | Self::Boolean
        )
    }

    /// Whether a value points at one person or enterprise.
    pub fn is_identifier(self) -> bool {
        matches!(
            self,
            Self::ResidentId | Self::CreditCode | Self::RegistrationNumber | Self::Mobile
        )
    }

    /// The name, as `datasets.toml` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Boolean => "boolean",
            Self::ResidentId => "resident_id",
            Self::CreditCode => "credit_code",
            Self::RegistrationNumber => "registration_number",
            Self::Mobile => "mobile",
            Self::Division => "division",
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldRole {
    /// Points at a person, an enterprise or a record.
    Identifier,
    /// Few values, by which one groups.
    Dimension,
    /// A number that one adds up.
    Measure,
    /// Anything else.
    Text,
}

/// Whom the rows concern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Natural persons.
    Person,
    /// Enterprises.
    Enterprise,
    /// Nobody.
    #[default]
    None,
}

/// A declared field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// Its name: the header of the column.
    pub name: String,
    /// What it is called.
    #[serde(default)]
    pub title: String,
    /// What its cells are.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// What it is for.
    pub role: FieldRole,
    /// Whether a missing value is an error.
    #[serde(default)]
    pub required: bool,
    /// Decimals kept, of a decimal field; absent: as many as a sample of the file shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u8>,
}

impl FieldSpec {
    /// The Arrow type of the column.
    pub fn data_type(&self) -> DataType {
        match self.kind {
            FieldType::Integer => DataType::Int64,
            FieldType::Decimal => {
                DataType::Decimal128(DECIMAL_PRECISION, self.scale.unwrap_or(2).cast_signed())
            }
            FieldType::Date => DataType::Date32,
            FieldType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            FieldType::Boolean => DataType::Boolean,
            FieldType::Text
            | FieldType::ResidentId
            | FieldType::CreditCode
            | FieldType::RegistrationNumber
            | FieldType::Mobile
            | FieldType::Division => DataType::Utf8,
        }
    }
}

/// A declared dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// The file's name in its folder.
    pub file: String,
    /// The table's name.
    pub name: String,
    /// What it is called.
    pub title: Text,
    /// The organisation that provides it, by name.
    #[serde(default)]
    pub provider: String,
    /// The field that tells data subjects apart; absent: the data concern nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_key: Option<String>,
    /// Whom the rows concern.
    #[serde(default)]
    pub subject_kind: SubjectKind,
    /// The grade of protection.
    #[serde(default)]
    pub level: u8,
    /// The sharing class.
    #[serde(default)]
    pub sharing: String,
    /// The opening class.
    #[serde(default)]
    pub opening: String,
    /// How often the data are renewed.
    #[serde(default)]
    pub update_cycle: String,
    /// The fields, in the order of the table.
    #[serde(default, rename = "field")]
    pub fields: Vec<FieldSpec>,
}

impl DatasetSpec {
    /// The Arrow schema of the table.
    pub fn schema(&self) -> SchemaRef {
        schema_of(&self.fields)
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&FieldSpec> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The Arrow schema of `fields`. Every column is nullable: a required field without a value
/// is a bad row, which never gets this far.
pub(crate) fn schema_of(fields: &[FieldSpec]) -> SchemaRef {
    Schema::new(
        fields
            .iter()
            .map(|field| Field::new(&field.name, field.data_type(), true))
            .collect::<Vec<_>>(),
    )
    .into()
}

/// Reads a `datasets.toml`.
///
/// # Errors
///
/// [`VaultError::Spec`], with the place, if it is not TOML of the known form, if two datasets
/// or two fields of one share a name, or if a subject key is not a field.
pub fn parse_specs(text: &str) -> Result<Vec<DatasetSpec>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        dataset: Vec<DatasetSpec>,
    }
    let file: File = toml::from_str(text).map_err(|error| VaultError::Spec(error.to_string()))?;
    let mut names = std::collections::BTreeSet::new();
    for spec in &file.dataset {
        if !names.insert(spec.name.clone()) {
            return Err(VaultError::Spec(format!("two datasets are named `{}`", spec.name)));
        }
        check_fields(spec)?;
    }
    Ok(file.dataset)
}

fn check_fields(spec: &DatasetSpec) -> Result<()> {
    let wrong = |what: String| Err(VaultError::Spec(format!("dataset `{}`: {what}", spec.name)));
    let mut names = std::collections::BTreeSet::new();
    for field in &spec.fields {
        if field.name.is_empty() || !names.insert(field.name.as_str()) {
            return wrong(format!("the field name `{}` is empty or not unique", field.name));
        }
        if field.scale.is_some_and(|scale| scale >= DECIMAL_PRECISION) {
            return wrong(format!("`{}` keeps too many decimals", field.name));
        }
    }
    match (&spec.subject_key, spec.subject_kind) {
        (Some(key), _) if spec.field(key).is_none() => {
            wrong(format!("the subject key `{key}` is not a field"))
        }
        (Some(_), SubjectKind::None) => wrong("a subject key needs a subject_kind".into()),
        (None, SubjectKind::Person | SubjectKind::Enterprise) => {
            wrong("a subject_kind needs a subject key".into())
        }
        (Some(_) | None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSONS: &str = r#"
        [[dataset]]
        file = "persons.csv"
        name = "persons"
        title = { zh = "人口", en = "Persons" }
        provider = "公安局"
        subject_key = "id_number"
        subject_kind = "person"
        level = 3
        sharing = "conditional"
        opening = "not_opened"
        update_cycle = "monthly"
        [[dataset.field]]
        name = "id_number"
        title = "身份证号"
        type = "resident_id"
        role = "identifier"
        required = true
    "#;

    #[test]
    fn a_description_is_read() {
        let specs = parse_specs(PERSONS).unwrap();
        assert_eq!(specs.len(), 1);
        assert_eq!(specs[0].fields[0].kind, FieldType::ResidentId);
        assert!(specs[0].fields[0].required);
        assert_eq!(specs[0].subject_kind, SubjectKind::Person);
    }

    #[test]
    fn what_does_not_hold_is_named() {
        for (from, to, expected) in [
            ("subject_key = \"id_number\"", "subject_key = \"no\"", "`no` is not a field"),
            ("subject_kind = \"person\"", "", "needs a subject_kind"),
            ("resident_id", "passport", "passport"),
            ("level = 3", "level = 3\ncolour = 1", "colour"),
        ] {
            let error = parse_specs(&PERSONS.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
