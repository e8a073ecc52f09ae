//! The desensitised sample: rows to develop against, each of which could be one of k subjects'.
//!
//! It is drawn by subject, so that tables of one grant can be joined by their pseudonyms. By the
//! dimensions that it shows nobody is one of fewer than k subjects; amounts are blurred and
//! brought within bounds that k subjects reach; keys are pseudonyms of the agreement and scenario.
//!
//! A sample is a function of the key, the grant and the dataset version: read again it is the
//! same, and nothing of it lies anywhere, so nothing of it outlives the grant or the data.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, UInt32Array},
    compute::take_record_batch,
    util::display::{ArrayFormatter, FormatOptions},
};
use serde::{Deserialize, Serialize};
use shuyu_masking::{
    Blur, Bounds, Column, Days, Demand, Distances, Drawn, Generalised, Ladder, Mask, MaskingError,
    MaskingKey, Masks, Rows, Treatment, distances, ends, generalise,
};
use shuyu_vault::FieldType;

use crate::{Item, Label};

/// The most rows that a sample has where the pack sets no figure.
const MOST_ROWS: usize = 1_000;
/// The share of the rows that a sample has where the pack sets none, in percent.
const SHARE_PERCENT: u64 = 5;
/// From how many rows a sample is taken, at most; subjects are counted among them.
pub(crate) const DRAWN_FROM: usize = 20_000;
/// The greatest share of rows that is left out rather than made coarser.
const LEFT_OUT: f64 = 0.1;
/// By how much an amount may be changed, in percent.
const NOISE_PERCENT: u8 = 10;

/// A desensitised sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// How each column was desensitised.
    pub treatment: Vec<String>,
    /// How far the sample is from the data; of pseudonyms there is nothing to tell.
    pub distances: Distances,
}

/// How many rows a sample of `rows` may have.
pub(crate) fn size(rows: u64, share_percent: Option<u32>, most_rows: Option<u32>) -> usize {
    let share = share_percent.map_or(SHARE_PERCENT, u64::from);
    let allowed = usize::try_from(rows.saturating_mul(share) / 100).unwrap_or(usize::MAX);
    let most = most_rows.map_or(MOST_ROWS, |most| usize::try_from(most).unwrap_or(MOST_ROWS));
    allowed.min(most)
}

/// What is sampled.
pub(crate) struct Sampled<'a> {
    /// The granted table.
    pub(crate) item: &'a Item,
    /// What the cells of its columns are.
    pub(crate) fields: &'a BTreeMap<String, FieldType>,
    /// How many rows are wanted.
    pub(crate) wanted: usize,
    /// The least number of subjects.
    pub(crate) k: u32,
    /// The key of the scope.
    pub(crate) key: &'a MaskingKey,
}

/// Makes a sample of what was drawn from the data.
///
/// # Errors
///
/// A column is of a type that cannot be treated.
pub(crate) fn make(drawn: &Drawn, of: &Sampled<'_>) -> Result<Sample, MaskingError> {
    let subjects = of.item.is_protected().then(|| drawn.subjects());
    let plain = of.plain(drawn, subjects.as_deref())?;
    let rows = UInt32Array::from(drawn.first(of.wanted, &plain.shown));
    let taken = |batch| take_record_batch(batch, &rows).map_err(|_| MaskingError::Length);
    // Masks that depend on whose a row is need its key beside what is shown.
    let masks = Masks {
        treatments: plain.treatments,
        subject: subjects.is_some().then(|| of.item.subject_key.clone()).flatten(),
    };
    let sample = masks.apply(&taken(&plain.batch)?, of.key)?;
    let compared: Vec<&str> = masks
        .treatments
        .iter()
        .filter(|it| of.item.columns.get(&it.column) != Some(&Label::Join))
        .map(|it| it.column.as_str())
        .collect();
    // Of what is about nobody every single row may be told of.
    let least = if subjects.is_some() { of.k } else { 1 };
    let far = distances(&plain.batch, &sample, &compared, subjects.as_deref(), least)?;
    Ok(Sample {
        columns: masks.treatments.iter().map(|it| it.column.clone()).collect(),
        rows: texts(&sample)?,
        treatment: plain.words,
        distances: far,
    })
}

/// A table before its masks: dimensions already as coarse as they are shown.
struct Plain {
    batch: RecordBatch,
    shown: Vec<bool>,
    treatments: Vec<Treatment>,
    words: Vec<String>,
}

impl Sampled<'_> {
    fn plain(&self, drawn: &Drawn, subjects: Option<&[u32]>) -> Result<Plain, MaskingError> {
        let mut coarse = match subjects {
            Some(subjects) => self.coarsened(drawn, subjects)?,
            None => Coarse::default(),
        };
        let mut plain = Plain {
            batch: drawn.rows.clone(),
            shown: coarse.shown.take().unwrap_or_else(|| vec![true; drawn.rows.num_rows()]),
            treatments: Vec::new(),
            words: Vec::new(),
        };
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (name, label) in &self.item.columns {
            let Some(array) = drawn.rows.column_by_name(name) else { continue };
            let (array, mask, words) = if let Some((array, words)) = coarse.columns.remove(name) {
                (array, Mask::Keep, words)
            } else {
                let mask = self.mask(label, name, array, drawn);
                (Arc::clone(array), mask, mask.words())
            };
            columns.push((name.clone(), array));
            plain.treatments.push(Treatment { column: name.clone(), mask });
            plain.words.push(words);
        }
        plain.batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .map_err(|_| MaskingError::Length)?;
        Ok(plain)
    }

    /// What is done to a column that was not made coarser with the dimensions.
    fn mask(&self, label: &Label, name: &str, array: &ArrayRef, drawn: &Drawn) -> Mask {
        let kind = array.data_type();
        match label {
            Label::Join => match self.fields.get(name) {
                Some(FieldType::ResidentId) => Mask::ResidentId,
                Some(FieldType::CreditCode) => Mask::CreditCode,
                Some(FieldType::RegistrationNumber) => Mask::RegistrationNumber,
                Some(FieldType::Mobile) => Mask::Mobile,
                _other => Mask::Pseudonym,
            },
            Label::Dimension { .. } | Label::Measure { .. } if !self.item.is_protected() => {
                Mask::Keep
            }
            Label::Measure { .. } if kind.is_temporal() => Mask::Date { days: Days::Month },
            Label::Measure { .. } if kind.is_numeric() => {
                let subject = self.item.subject_key.as_deref();
                let subject = subject.and_then(|key| drawn.rows.column_by_name(key));
                // Where fewer than k subjects have an amount none is shown.
                match subject.and_then(|subject| bounds(array, subject, self.k)) {
                    Some(bounds) => {
                        Mask::Amount { blur: Blur::Noise { percent: NOISE_PERCENT }, bounds }
                    }
                    None => Mask::Hide,
                }
            }
            Label::Dimension { .. } | Label::Measure { .. } | Label::Blocked => Mask::Hide,
        }
    }

    /// The dimensions of a table that is about somebody, as coarse as k demands.
    fn coarsened(&self, drawn: &Drawn, subjects: &[u32]) -> Result<Coarse, MaskingError> {
        let mut columns = Vec::new();
        for (name, label) in &self.item.columns {
            if let (Label::Dimension { .. }, Some(array)) = (label, drawn.rows.column_by_name(name))
            {
                let ladder = match self.fields.get(name) {
                    Some(FieldType::Division) => Ladder::Prefixes(vec![4, 2]),
                    _other => Ladder::of(array),
                };
                columns.push(Column::of(name, array, &ladder)?);
            }
        }
        let rows = Rows { subjects: Some(subjects), sensitive: None };
        let demand = Demand { k: self.k, diversity: 1, limit: LEFT_OUT };
        loop {
            match generalise(&columns, rows, demand) {
                Ok(generalised) => return Ok(Coarse::of(&columns, generalised, self.k)),
                // Too many values beside one another: the column of most is not shown.
                Err(MaskingError::TooWide) => {
                    let most = (0..columns.len())
                        .max_by_key(|at| columns.get(*at).map_or(0, |it| it.hierarchy.leaves()));
                    columns.remove(most.ok_or(MaskingError::TooWide)?);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Dimensions at their levels.
#[derive(Default)]
struct Coarse {
    columns: BTreeMap<String, (ArrayRef, String)>,
    shown: Option<Vec<bool>>,
}

impl Coarse {
    fn of(columns: &[Column], generalised: Generalised, k: u32) -> Self {
        let at_levels = columns.iter().zip(&generalised.levels).map(|(column, level)| {
            let name = |code: &u32| column.hierarchy.at(*level, *code).map(|(_, name)| name);
            let values: StringArray = column.codes.iter().map(name).collect();
            let words = if *level == 0 {
                format!("as it is, where at least {k} subjects are alike")
            } else if *level + 1 == column.hierarchy.depth() {
                "hidden: with it too few subjects would be alike".to_owned()
            } else {
                format!("coarser by {level}, where at least {k} subjects are alike")
            };
            (column.hierarchy.name().to_owned(), (Arc::new(values) as ArrayRef, words))
        });
        Self { columns: at_levels.collect(), shown: Some(generalised.shown) }
    }
}

fn bounds(array: &ArrayRef, subject: &ArrayRef, k: u32) -> Option<Bounds> {
    let subject = arrow::compute::cast(subject, &arrow::datatypes::DataType::Utf8).ok()?;
    let subject = subject.as_any().downcast_ref::<StringArray>()?;
    ends(array, subject, usize::try_from(k).unwrap_or(usize::MAX))
}

fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>, MaskingError> {
    let options = FormatOptions::default();
    let formatters = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| MaskingError::Length)?;
    let row = |row| formatters.iter().map(|it| it.value(row).to_string()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use arrow::array::Int64Array;
    use shuyu_kernel::{DatasetId, Id, ResourceId};
    use shuyu_masking::{Draw, Scope};

    use super::*;
    use crate::{Barrier, SubjectKind};

    const K: u32 = 5;

    fn key(agreement: &str) -> MaskingKey {
        MaskingKey::derive(b"secret", Scope { agreement, family: "scenario" })
    }

    fn item() -> Item {
        let columns = [
            ("id", Label::Join),
            ("area", Label::dimension()),
            ("born", Label::dimension()),
            ("income", Label::measure()),
        ];
        Item {
            resource: ResourceId::from_u128(1),
            dataset: DatasetId::from_u128(1),
            table: "persons".to_owned(),
            columns: columns.map(|(name, label)| (name.to_owned(), label)).into(),
            subject_key: Some("id".to_owned()),
            subject_kind: Some(SubjectKind::Person),
            facts: BTreeMap::new(),
            barrier: Barrier::default(),
        }
    }

    /// 400 persons of four areas, and one who is alone in an area and has most.
    fn data() -> RecordBatch {
        let ids: StringArray = (0..401).map(|n| Some(format!("33010619800101{n:04}"))).collect();
        let areas: StringArray = (0..400)
            .map(|n| ["north", "south", "east", "west"].get(n % 4).copied())
            .chain([Some("island")])
            .collect();
        let born: Int64Array = (0..401).map(|n| Some(1950 + n * 7 % 60)).collect();
        let incomes: Int64Array =
            (0..400).map(|n| Some(30_011 + n * 137)).chain([Some(876_543)]).collect();
        RecordBatch::try_from_iter([
            ("id", Arc::new(ids) as ArrayRef),
            ("area", Arc::new(areas) as _),
            ("born", Arc::new(born) as _),
            ("income", Arc::new(incomes) as _),
        ])
        .expect("a batch")
    }

    fn sample(kind: FieldType, wanted: usize, agreement: &str) -> Sample {
        let (data, item, key) = (data(), item(), key(agreement));
        let mut draw = Draw::new(data.schema(), Some("id"), DRAWN_FROM, &key).expect("a column");
        draw.meet(&data).expect("a batch");
        let fields = BTreeMap::from([("id".to_owned(), kind)]);
        let of = Sampled { item: &item, fields: &fields, wanted, k: K, key: &key };
        make(&draw.finish().expect("rows"), &of).expect("a sample")
    }

    #[test]
    fn no_row_of_a_sample_is_a_row_of_the_data_and_no_identifier_is_in_it() {
        let it = sample(FieldType::ResidentId, 401, "a");
        assert_eq!(it.columns, ["area", "born", "id", "income"]);
        let known: BTreeSet<Vec<String>> = texts(&data()).expect("rows").into_iter().collect();
        let ids: BTreeSet<&String> = known.iter().filter_map(|row| row.first()).collect();
        for row in &it.rows {
            let [area, born, id, income] = row.as_slice() else { panic!("{row:?}") };
            assert!(!ids.contains(id) && id.len() == 18 && id.starts_with('9'), "{row:?}");
            assert_ne!(area, "island");
            assert!(income.parse::<i64>().expect("a number") < 100_000, "{row:?}");
            let same = [id, area, born, income].map(Clone::clone).to_vec();
            assert!(!known.contains(&same));
        }
        // Whoever knows where and when somebody was born finds at least k of them.
        let mut alike: HashMap<(&str, &str), BTreeSet<&str>> = HashMap::new();
        for row in &it.rows {
            alike.entry((&row[0], &row[1])).or_default().insert(&row[2]);
        }
        assert!(alike.values().all(|subjects| subjects.len() >= K as usize), "{alike:?}");
        assert!(it.rows.len() >= 360, "{}: at most a tenth is left out", it.rows.len());
        for column in &it.distances.columns {
            assert!(column.total_variation <= 0.15, "{column:?}");
        }
    }

    #[test]
    fn the_same_key_gives_the_same_sample_and_another_agreement_other_pseudonyms() {
        let it = sample(FieldType::Text, 50, "a");
        assert_eq!(it.rows.len(), 50);
        assert_eq!(it, sample(FieldType::Text, 50, "a"));
        let ids = |sample: &Sample| -> BTreeSet<String> {
            sample.rows.iter().map(|row| row[2].clone()).collect()
        };
        assert!(ids(&it).iter().all(|id| id.starts_with("p-")));
        assert!(ids(&it).is_disjoint(&ids(&sample(FieldType::Text, 50, "b"))));
    }

    #[test]
    fn a_sample_is_no_larger_than_the_pack_allows() {
        assert_eq!(size(1_000, Some(10), None), 100);
        assert_eq!(size(50, Some(10), None), 5);
        assert_eq!(size(1_000_000, None, None), MOST_ROWS);
        assert_eq!(size(1_000_000, Some(10), Some(30)), 30);
    }
}
