//! What a file without a declaration seems to be: types, roles, whom it concerns. A person
//! confirms it.

use std::{io::Read, path::Path};

use shuyu_law::Text;

use crate::{
    DatasetSpec, FieldRole, FieldSpec, FieldType, Result, SubjectKind, VaultError, cell,
    header::looks_like_header,
    ingest::first_records,
    profile::{Counts, proposed_level},
    read::{Block, Blocks, Cells, ReadLimits, Scan, detect},
};

/// How much of the file its dialect is told from.
const HEAD: usize = 1 << 20;
/// Of the values of a column, so many in a hundred must be of a type for it to be proposed.
const CONFORMING_PERCENT: u64 = 97;
/// A number with fewer different values than this is rather a code.
const CODES: u64 = 20;
/// A column with more different values than this is no dimension.
const DIMENSION_VALUES: u64 = 200;
/// How often each value of a number must come, on the average, for it to be a dimension where
/// nothing else is one.
const REPEATED: u64 = 20;
/// The most decimals that are kept.
const DECIMALS: u8 = 6;

/// In the order in which they are tried: what is told by a check digit comes first.
const TYPES: [FieldType; 9] = [
    FieldType::ResidentId,
    FieldType::CreditCode,
    FieldType::Mobile,
    FieldType::Date,
    FieldType::Timestamp,
    FieldType::Integer,
    FieldType::Decimal,
    FieldType::Boolean,
    FieldType::Text,
];

/// What one column holds.
struct Seen {
    conforming: [u64; TYPES.len()],
    values: u64,
    decimals: usize,
    counts: Counts,
}

/// Proposes a declaration of a file from all of its rows.
///
/// # Errors
///
/// [`VaultError::Unreadable`] if it has no rows.
pub fn propose(path: &Path) -> Result<DatasetSpec> {
    let name = path.file_name().and_then(|it| it.to_str()).unwrap_or("data").to_owned();
    propose_from(&name, std::fs::File::open(path)?)
}

/// As [`propose`], from anything that can be read; `file` names it.
pub fn propose_from(file: &str, mut reader: impl Read) -> Result<DatasetSpec> {
    let (dialect, head) = detect(&mut reader, HEAD)?;
    let first = first_records(&head, &dialect);
    let common = first.iter().map(Vec::len).max().unwrap_or(0);
    let header = first.iter().position(|record| record.len() == common);
    let header =
        header.and_then(|at| first.get(at)).filter(|record| looks_like_header(record)).cloned();
    let names: Vec<String> = match &header {
        Some(header) => unique(header),
        None => (1..=common).map(|number| format!("column_{number}")).collect(),
    };
    if names.is_empty() {
        return Err(VaultError::Unreadable("it has no rows".into()));
    }
    let mut seen: Vec<Seen> = names.iter().map(|_| Seen::new()).collect();
    let mut rows = 0_u64;
    let (mut cells, mut scratch) = (Cells::default(), Vec::new());
    let input = std::io::Cursor::new(head).chain(reader);
    let mut blocks = Blocks::new(input, dialect.clone(), ReadLimits::default());
    while let Some(block) = blocks.next()? {
        let Block::Records { text, .. } = block else { continue };
        let mut rest = text.as_slice();
        while let Scan::Record { next, blank } =
            cells.scan(rest, dialect.delimiter, dialect.terminator, true)
        {
            let record = rest.get(..next).unwrap_or_default();
            rest = rest.get(next..).unwrap_or_default();
            if blank || cells.len() < names.len() {
                continue;
            }
            let is_header = header.as_ref().is_some_and(|header| {
                header
                    .iter()
                    .enumerate()
                    .all(|(place, name)| cells.get(record, place, &mut scratch) == name.as_bytes())
            });
            if is_header {
                continue;
            }
            rows += 1;
            for (place, seen) in seen.iter_mut().enumerate() {
                seen.add(cells.get(record, place, &mut scratch));
            }
        }
    }
    let mut fields: Vec<FieldSpec> =
        names.iter().zip(&seen).map(|(name, seen)| seen.field(name, rows)).collect();
    group_by_a_number(&mut fields, &seen, rows);
    Ok(declared(file, fields))
}

/// Where nothing else is a dimension, the whole number of the fewest values is one.
fn group_by_a_number(fields: &mut [FieldSpec], seen: &[Seen], rows: u64) {
    if fields.iter().any(|field| field.role == FieldRole::Dimension) {
        return;
    }
    let found = fields
        .iter_mut()
        .zip(seen)
        .filter(|(field, _)| field.role == FieldRole::Measure && field.kind == FieldType::Integer)
        .map(|(field, seen)| (seen.counts.distinct(), field))
        .filter(|(distinct, _)| {
            (2..=DIMENSION_VALUES).contains(distinct) && distinct * REPEATED <= rows
        })
        .min_by_key(|(distinct, _)| *distinct);
    if let Some((_, field)) = found {
        field.role = FieldRole::Dimension;
    }
}

fn declared(file: &str, mut fields: Vec<FieldSpec>) -> DatasetSpec {
    let of_kind = |kind| fields.iter().position(|field| field.kind == kind);
    let hinted = |hints: &[&str]| {
        fields.iter().position(|field| {
            let name = field.name.to_lowercase();
            field.role == FieldRole::Identifier && hints.iter().any(|hint| name.contains(hint))
        })
    };
    let person = of_kind(FieldType::ResidentId)
        .or_else(|| hinted(&["patient", "person", "resident", "身份", "client"]));
    let enterprise =
        of_kind(FieldType::CreditCode).or_else(|| hinted(&["信用代码", "credit_code"]));
    let (subject, subject_kind) = match (person, enterprise) {
        (Some(at), _) => (Some(at), SubjectKind::Person),
        (None, Some(at)) => (Some(at), SubjectKind::Enterprise),
        (None, None) => (None, SubjectKind::None),
    };
    if let Some(field) = subject.and_then(|at| fields.get_mut(at)) {
        field.role = FieldRole::Identifier;
        field.required = true;
    }
    let level = fields.iter().map(proposed_level).max().unwrap_or(1);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    DatasetSpec {
        file: file.to_owned(),
        name: identifier_of(stem),
        title: Text { zh: stem.to_owned(), en: stem.to_owned() },
        provider: String::new(),
        subject_key: subject.and_then(|at| fields.get(at)).map(|field| field.name.clone()),
        subject_kind,
        level,
        sharing: "conditional".to_owned(),
        opening: "not_opened".to_owned(),
        update_cycle: "irregular".to_owned(),
        fields,
    }
}

/// A name that can stand in a query without quotes.
fn identifier_of(text: &str) -> String {
    let mut name: String = text
        .to_lowercase()
        .chars()
        .map(|symbol| if symbol.is_ascii_alphanumeric() { symbol } else { '_' })
        .collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name.insert_str(0, "t_");
    }
    name
}

/// The names, each told from those before it.
fn unique(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (place, name) in header.iter().enumerate() {
        let taken = name.is_empty() || names.contains(name);
        names.push(if taken { format!("{name}_{}", place + 1) } else { name.clone() });
    }
    names
}

impl Seen {
    fn new() -> Self {
        let field = FieldSpec {
            name: String::new(),
            title: String::new(),
            kind: FieldType::Text,
            role: FieldRole::Text,
            required: false,
            scale: None,
        };
        Self { conforming: [0; TYPES.len()], values: 0, decimals: 0, counts: Counts::new(&field) }
    }

    fn add(&mut self, value: &[u8]) {
        if cell::is_missing(value) {
            return;
        }
        self.values += 1;
        self.counts.add(value);
        for (count, kind) in self.conforming.iter_mut().zip(TYPES) {
            *count += u64::from(conforms(value, kind));
        }
        if cell::decimal(value, DECIMALS).is_some() {
            self.decimals = self.decimals.max(cell::decimals(value));
        }
    }

    fn kind(&self) -> FieldType {
        if self.values == 0 {
            return FieldType::Text;
        }
        TYPES
            .into_iter()
            .zip(self.conforming)
            .find(|(_, count)| count * 100 >= self.values * CONFORMING_PERCENT)
            .map_or(FieldType::Text, |(kind, _)| kind)
    }

    fn field(&self, name: &str, rows: u64) -> FieldSpec {
        let kind = self.kind();
        let distinct = self.counts.distinct();
        let lower = name.to_lowercase();
        let named_as_id =
            ["id", "no", "number", "nbr", "uuid", "编号", "代码", "号"].iter().any(|hint| {
                lower == *hint || lower.ends_with(hint) || lower.ends_with(&format!("_{hint}"))
            });
        let named_as_code = ["code", "代码"].iter().any(|hint| lower.ends_with(hint));
        let few = distinct <= DIMENSION_VALUES && distinct * 5 <= rows.max(1);
        let is_number = matches!(kind, FieldType::Integer | FieldType::Decimal);
        let role = if kind.is_identifier() || (named_as_id && distinct * 2 > rows && !few) {
            FieldRole::Identifier
        } else if kind == FieldType::Decimal
            || (is_number && distinct > CODES && !(named_as_code && few))
        {
            FieldRole::Measure
        } else if few {
            FieldRole::Dimension
        } else if is_number {
            FieldRole::Measure
        } else {
            FieldRole::Text
        };
        let scale = u8::try_from(self.decimals).unwrap_or(DECIMALS).min(DECIMALS);
        FieldSpec {
            name: name.to_owned(),
            title: name.to_owned(),
            kind,
            role,
            required: false,
            scale: (kind == FieldType::Decimal).then_some(scale),
        }
    }
}

fn conforms(value: &[u8], kind: FieldType) -> bool {
    use shuyu_kernel::identifier as id;
    match kind {
        FieldType::ResidentId => id::is_resident_id(value),
        FieldType::CreditCode => id::is_credit_code(value),
        FieldType::Mobile => id::is_mobile(value),
        FieldType::RegistrationNumber => id::is_registration_number(value),
        FieldType::Division => id::is_division_code(value),
        FieldType::Date => cell::date(value).is_some(),
        FieldType::Timestamp => cell::timestamp(value).is_some(),
        FieldType::Integer => cell::integer(value).is_some(),
        FieldType::Decimal => cell::decimal(value, DECIMALS).is_some(),
        FieldType::Boolean => cell::boolean(value).is_some() && cell::integer(value).is_none(),
        FieldType::Text => true,
    }
}
