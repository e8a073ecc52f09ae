//! What a dataset looks like, and how good it is.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{FieldRole, FieldSpec, FieldType};

/// How many different values are counted one by one before a column has too many for it.
const COUNTED: usize = 512;
/// How many of the most frequent values are shown.
const SHOWN: usize = 10;

/// What a dataset looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The file's character encoding.
    pub encoding: String,
    /// What stands between its cells.
    pub delimiter: char,
    /// Whether its first record names the columns.
    pub has_header: bool,
    /// Its columns.
    pub columns: Vec<ColumnProfile>,
}

/// What a column looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: FieldType,
    /// Missing values.
    pub nulls: u64,
    /// Different values, estimated within about one per cent.
    pub distinct: u64,
    /// The shortest text, in bytes of UTF-8; 0 where cells are not kept as text.
    pub shortest: usize,
    /// The longest text, in bytes of UTF-8; 0 where cells are not kept as text.
    pub longest: usize,
    /// The most frequent values; none for identifiers, and where there are many different ones.
    pub top: Vec<(String, u64)>,
    /// What the column is proposed to be for.
    pub role: FieldRole,
    /// The grade of protection proposed.
    pub level: u8,
}

/// How good a delivery is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Records delivered, without blank lines and the header.
    pub records: u64,
    /// Rows taken.
    pub rows: u64,
    /// Records refused; they lie in the quarantine.
    pub quarantined: u64,
    /// Broken rules: `<column>:<rule>`, or `<rule>` where the whole record is concerned.
    pub rules: BTreeMap<String, u64>,
    /// Decimals rounded to the scale of their column, by column: taken, but not as written.
    pub rounded: BTreeMap<String, u64>,
    /// Columns of the file that the declaration does not name: left out.
    pub ignored: Vec<String>,
    /// Cells that hold a value, of all cells of the rows taken.
    pub completeness: f64,
    /// Records that keep every rule, of all.
    pub validity: f64,
    /// Different values of the subject key (or else the first identifier), of the rows.
    pub uniqueness: Option<f64>,
    /// Rows whose resident number agrees with the day of birth beside it, where both are there.
    pub consistency: Option<f64>,
    /// The latest day in the data that is not in the future.
    pub newest: Option<NaiveDate>,
    /// Days from then to the delivery.
    pub age_days: Option<i64>,
}

/// Takes a hash for itself.
#[derive(Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A hash of 64 bits, spread evenly. Not against an enemy: it only counts.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        #[expect(clippy::cast_possible_truncation, reason = "the halves are folded")]
        let (low, high) = (product as u64, (product >> 64) as u64);
        low ^ high
    };
    let mut state = K ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), K | 1);
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    fold(fold(state ^ u64::from_le_bytes(last), K | 1) ^ K, 0xD6E8_FEB8_6659_FD93)
}

/// How often each value was seen, by its hash, as long as there are few.
type Few = HashMap<u64, (u64, Box<[u8]>), BuildHasherDefault<Same>>;

/// Counts different values (`HyperLogLog` with 4096 registers, error below two per cent) and the
/// most frequent ones, exactly, as long as they are few.
pub(crate) struct Counts {
    /// All zero as long as values are few.
    registers: Vec<u8>,
    few: Option<Few>,
    shortest: usize,
    longest: usize,
}

impl Counts {
    const BITS: u32 = 12;

    pub(crate) fn new(field: &FieldSpec) -> Self {
        let counts_values = field.role != FieldRole::Identifier && !field.kind.is_identifier();
        Self {
            registers: vec![0; 1 << Self::BITS],
            few: counts_values.then(HashMap::default),
            shortest: usize::MAX,
            longest: 0,
        }
    }

    /// Counts a text.
    pub(crate) fn add(&mut self, text: &[u8]) {
        self.shortest = self.shortest.min(text.len());
        self.longest = self.longest.max(text.len());
        self.count(hash(text), || text.into());
    }

    /// Counts a value that is not text; `text` says how it is shown.
    pub(crate) fn add_number(&mut self, value: i64, text: impl FnOnce() -> String) {
        self.count(hash(&value.to_le_bytes()), || text().into_bytes().into());
    }

    fn count(&mut self, hash: u64, value: impl FnOnce() -> Box<[u8]>) {
        let Some(few) = &mut self.few else {
            return self.register(hash);
        };
        few.entry(hash).or_insert_with(|| (0, value())).0 += 1;
        if few.len() > COUNTED {
            self.give_up_on_few();
        }
    }

    fn register(&mut self, hash: u64) {
        let rank = (hash << Self::BITS | 1 << (Self::BITS - 1)).leading_zeros() + 1;
        if let Some(register) = usize::try_from(hash >> (64 - Self::BITS))
            .ok()
            .and_then(|at| self.registers.get_mut(at))
        {
            *register = (*register).max(u8::try_from(rank).unwrap_or(u8::MAX));
        }
    }

    /// Goes over to estimating: what has been counted one by one enters the registers.
    fn give_up_on_few(&mut self) {
        for hash in self.few.take().into_iter().flat_map(HashMap::into_keys) {
            self.register(hash);
        }
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        if let (Some(few), Some(others)) = (&mut self.few, &mut other.few) {
            for (hash, (count, value)) in others.drain() {
                few.entry(hash).or_insert((0, value)).0 += count;
            }
            if few.len() > COUNTED {
                self.give_up_on_few();
            }
            return;
        }
        self.give_up_on_few();
        other.give_up_on_few();
        for (register, rank) in self.registers.iter_mut().zip(other.registers) {
            *register = (*register).max(rank);
        }
    }

    pub(crate) fn distinct(&self) -> u64 {
        if let Some(few) = &self.few {
            return few.len() as u64;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        {
            let m = self.registers.len() as f64;
            let sum: f64 = self.registers.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
            let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
            let empty = self.registers.iter().map(|rank| usize::from(*rank == 0)).sum::<usize>();
            let estimate =
                if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
            estimate.round() as u64
        }
    }

    pub(crate) fn profile(&self, field: &FieldSpec, nulls: u64) -> ColumnProfile {
        let mut top: Vec<(String, u64)> = self
            .few
            .iter()
            .flatten()
            .map(|(_, (count, value))| (String::from_utf8_lossy(value).into_owned(), *count))
            .collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        top.truncate(SHOWN);
        ColumnProfile {
            name: field.name.clone(),
            kind: field.kind,
            nulls,
            distinct: self.distinct(),
            shortest: if self.shortest == usize::MAX { 0 } else { self.shortest },
            longest: self.longest,
            top,
            role: field.role,
            level: proposed_level(field),
        }
    }
}

/// What points at a person is graded high, other identifiers in the middle, the rest low.
pub(crate) fn proposed_level(field: &FieldSpec) -> u8 {
    match field.kind {
        FieldType::ResidentId | FieldType::Mobile => 3,
        _ if field.role == FieldRole::Identifier => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_values_are_counted_within_a_few_per_cent() {
        let field = FieldSpec {
            name: "a".into(),
            title: String::new(),
            kind: FieldType::ResidentId,
            role: FieldRole::Identifier,
            required: false,
            scale: None,
        };
        for n in [100_u64, 10_000, 300_000] {
            let mut halves = [Counts::new(&field), Counts::new(&field)];
            for i in 0..n {
                halves[usize::try_from(i % 2).unwrap()].add(format!("33010619{i:010}").as_bytes());
            }
            let [mut all, other] = halves;
            all.merge(other);
            let error = all.distinct().abs_diff(n) * 100 / n;
            assert!(error <= 5, "{n}: {}", all.distinct());
            assert!(all.profile(&field, 0).top.is_empty());
        }
    }
}
