//! Totals by group in which each subject's part is bounded.

use ahash::RandomState;
use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Int64Type},
    record_batch::RecordBatch,
};

use crate::{
    Code, Measure, Part, PrivacyError, Shape,
    codes::{Coder, NONE, Pairs},
    subjects::Subjects,
};

/// How the columns of a batch are laid out: keys, then the subject if there is one, then measures
/// in their smallest unit, as whole numbers or decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How many key columns there are.
    pub keys: usize,
    /// Whether a column says whose a row is. Without one each row is taken for a subject of its
    /// own, which the caller has to know.
    pub has_subject: bool,
}

/// Totals by group, without noise. They never leave the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    pub(crate) keys: Vec<Vec<Code>>,
    pub(crate) columns: Vec<(Part, Vec<i128>)>,
}

impl Totals {
    /// The keys of the groups.
    pub fn keys(&self) -> &[Vec<Code>] {
        &self.keys
    }

    /// A column of totals, in the order of the keys.
    pub fn column(&self, part: Part) -> Option<&[i128]> {
        let found = self.columns.iter().find(|(other, _)| *other == part);
        found.map(|(_, totals)| totals.as_slice())
    }
}

/// Sums over rows at numbered places.
#[derive(Debug, Default)]
struct Tallies {
    rows: Vec<u64>,
    measures: Vec<Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    present: Vec<u64>,
    sum: Vec<i128>,
}

/// An aggregation on its way: batches come in, totals come out.
#[derive(Debug)]
pub struct Aggregation {
    shape: Shape,
    parts: Vec<Part>,
    layout: Layout,
    hasher: RandomState,
    coders: Vec<Coder>,
    pairs: Vec<Pairs>,
    subjects: Option<Subjects>,
    tallies: Tallies,
}

/// Words of a secret, so that nobody can choose what counts.
fn keyed(secret: &[u8; 32]) -> RandomState {
    let mut words = secret
        .chunks_exact(8)
        .map(|chunk| chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte)));
    let mut next = || words.next().unwrap_or(0);
    RandomState::with_seeds(next(), next(), next(), next())
}

impl Aggregation {
    /// An aggregation of a question's totals. `declared` are the published keys where keys are
    /// declared: rows of others count nowhere. `secret` decides which groups of a subject count.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Layout`] if a declared key has not as many values as there are key columns,
    /// or each row would be a subject of its own while subjects have several.
    pub fn new(
        design: &crate::Design,
        layout: Layout,
        declared: Option<&[Vec<Code>]>,
        secret: &[u8; 32],
    ) -> Result<Self, PrivacyError> {
        let shape = design.shape.clone();
        let fixed = declared.is_some() || layout.keys == 0;
        let is_one_row = shape.bound == crate::Bound::ONE_ROW;
        if fixed != (shape.keys == crate::Keys::Declared) || !(layout.has_subject || is_one_row) {
            return Err(PrivacyError::Layout);
        }
        let hasher = keyed(secret);
        let mut aggregation = Self {
            parts: design.drawn.iter().map(|drawn| drawn.part).collect(),
            coders: vec![Coder::new(&hasher, fixed); layout.keys],
            pairs: vec![Pairs::new(&hasher, fixed); layout.keys.saturating_sub(1)],
            subjects: layout.has_subject.then(|| Subjects::new(&hasher)),
            tallies: Tallies {
                rows: Vec::new(),
                measures: shape.measures.iter().map(|_| Tally::default()).collect(),
            },
            shape,
            layout,
            hasher,
        };
        for key in declared.unwrap_or_default() {
            aggregation.declare(key)?;
        }
        Ok(aggregation)
    }

    fn declare(&mut self, key: &[Code]) -> Result<(), PrivacyError> {
        if key.len() != self.layout.keys {
            return Err(PrivacyError::Layout);
        }
        let mut group = None;
        let mut pairs = self.pairs.iter_mut();
        for (coder, text) in self.coders.iter_mut().zip(key) {
            let code = coder.declare(text)?;
            group = Some(match group {
                None => code,
                Some(left) => pairs.next().ok_or(PrivacyError::Layout)?.declare((left, code))?,
            });
        }
        Ok(())
    }

    fn group_count(&self) -> usize {
        match (self.pairs.last(), self.coders.last()) {
            (Some(pairs), _) => pairs.len(),
            (None, Some(coder)) => coder.len(),
            (None, None) => 1,
        }
    }

    /// Takes in the rows of a batch.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), PrivacyError> {
        let Layout { keys, has_subject } = self.layout;
        let expected = keys + usize::from(has_subject) + self.shape.measures.len();
        if batch.num_columns() != expected {
            return Err(PrivacyError::Layout);
        }
        let groups = self.groups(batch)?;
        let (places, length) = match (&mut self.subjects, batch.columns().get(keys)) {
            (Some(subjects), Some(column)) => {
                let places = subjects.encode(column, &groups)?;
                (places, subjects.len())
            }
            (Some(_), None) => return Err(PrivacyError::Layout),
            (None, _) => {
                let length = self.group_count();
                (groups, length)
            }
        };
        let measures = batch.columns().iter().skip(keys + usize::from(has_subject));
        self.tallies.widen(length);
        self.tallies.count(&places);
        for ((tally, measure), column) in
            self.tallies.measures.iter_mut().zip(&self.shape.measures).zip(measures)
        {
            tally.add(&places, column, *measure)?;
        }
        Ok(())
    }

    /// The number of each row's group.
    fn groups(&mut self, batch: &RecordBatch) -> Result<Vec<u32>, PrivacyError> {
        let mut groups: Option<(Vec<u32>, usize)> = None;
        let mut pairs = self.pairs.iter_mut();
        for (coder, column) in self.coders.iter_mut().zip(batch.columns()) {
            let codes = coder.encode(column)?;
            groups = Some(match groups {
                None => (codes, coder.len()),
                Some((left, length)) => {
                    let pairs = pairs.next().ok_or(PrivacyError::Layout)?;
                    let codes = pairs.encode(&left, &codes, (length, coder.len()))?;
                    (codes, pairs.len())
                }
            });
        }
        Ok(groups.map_or_else(|| vec![0; batch.num_rows()], |(groups, _)| groups))
    }

    /// The values of a group's key.
    fn key(&self, group: u32) -> Vec<Code> {
        let mut key = Vec::with_capacity(self.coders.len());
        let mut rest = group;
        for (coder, pairs) in self.coders.iter().skip(1).zip(&self.pairs).rev() {
            let (left, right) = pairs.parts(rest).unwrap_or((NONE, NONE));
            key.push(coder.text(right));
            rest = left;
        }
        if let Some(coder) = self.coders.first() {
            key.push(coder.text(rest));
        }
        key.reverse();
        key
    }

    /// The totals of all that came in, each subject's part bounded.
    pub fn finish(mut self) -> Totals {
        let count = self.group_count();
        let numbers = 0..u32::try_from(count).unwrap_or(NONE);
        let keys: Vec<Vec<Code>> = numbers.map(|group| self.key(group)).collect();
        let digests: Vec<u64> = keys.iter().map(|key| self.hasher.hash_one(key)).collect();
        self.tallies.widen(self.subjects.as_ref().map_or(count, Subjects::len));
        let chosen = self.subjects.as_ref().map(|it| it.chosen(self.shape.bound.groups, &digests));
        let columns = self.parts.iter().map(|part| {
            let at = self.bounded(*part);
            let totals = match &chosen {
                None => at,
                Some(chosen) => {
                    let mut totals = vec![0_i128; count];
                    for (group, value) in chosen.iter().zip(at) {
                        let slot = group.and_then(|group| totals.get_mut(group as usize));
                        if let Some(total) = slot {
                            *total += value;
                        }
                    }
                    totals
                }
            };
            (*part, totals)
        });
        let columns = columns.collect();
        Totals { keys, columns }
    }

    /// What each place adds to a total, within its bound.
    fn bounded(&self, part: Part) -> Vec<i128> {
        let most = u64::from(self.shape.bound.rows);
        // Without a subject column a place is a group of many subjects, each of whose rows was
        // bounded when it came in.
        let is_one = self.subjects.is_some();
        let rows = |tally: &[u64]| -> Vec<i128> {
            let bounded = |rows: &u64| if is_one { (*rows).min(most) } else { *rows };
            tally.iter().map(|rows| i128::from(bounded(rows))).collect()
        };
        let measure = |place: usize| self.tallies.measures.get(place);
        match part {
            Part::Subjects if is_one => vec![1; self.tallies.rows.len()],
            Part::Subjects | Part::Rows => rows(&self.tallies.rows),
            Part::Present(place) => measure(place).map(|it| rows(&it.present)).unwrap_or_default(),
            Part::Sum(place) => {
                let (Some(tally), Some(of)) = (measure(place), self.shape.measures.get(place))
                else {
                    return Vec::new();
                };
                let times = |bound: i64| i128::from(bound) * i128::from(most);
                let (least, greatest) = (times(of.lower.min(0)), times(of.upper.max(0)));
                let bounded =
                    |sum: &i128| if is_one { (*sum).clamp(least, greatest) } else { *sum };
                tally.sum.iter().map(bounded).collect()
            }
        }
    }
}

impl Tallies {
    fn widen(&mut self, length: usize) {
        self.rows.resize(length, 0);
        for tally in &mut self.measures {
            tally.present.resize(length, 0);
            tally.sum.resize(length, 0);
        }
    }

    fn count(&mut self, places: &[u32]) {
        for place in places {
            if let Some(rows) = self.rows.get_mut(*place as usize) {
                *rows += 1;
            }
        }
    }
}

impl Tally {
    fn add(
        &mut self,
        places: &[u32],
        column: &ArrayRef,
        measure: Measure,
    ) -> Result<(), PrivacyError> {
        match column.data_type() {
            DataType::Int64 => self.add_values(places, column.as_primitive::<Int64Type>(), measure),
            DataType::Decimal128(_, _) => {
                self.add_values(places, column.as_primitive::<Decimal128Type>(), measure);
            }
            data_type if data_type.is_integer() && *data_type != DataType::UInt64 => {
                let column = cast(column, &DataType::Int64).map_err(|_| PrivacyError::Layout)?;
                self.add_values(places, column.as_primitive::<Int64Type>(), measure);
            }
            _other => return Err(PrivacyError::Layout),
        }
        Ok(())
    }

    fn add_values<T: ArrowPrimitiveType>(
        &mut self,
        places: &[u32],
        values: &PrimitiveArray<T>,
        measure: Measure,
    ) where
        T::Native: Into<i128>,
    {
        let (lower, upper) = (i128::from(measure.lower), i128::from(measure.upper));
        let mut add = |place: u32, value: T::Native| {
            let place = place as usize;
            if let (Some(present), Some(sum)) =
                (self.present.get_mut(place), self.sum.get_mut(place))
            {
                *present += 1;
                *sum += value.into().clamp(lower, upper);
            }
        };
        if values.null_count() == 0 {
            for (place, value) in places.iter().zip(values.values()) {
                add(*place, *value);
            }
        } else {
            for (place, value) in places.iter().zip(values) {
                if let Some(value) = value {
                    add(*place, value);
                }
            }
        }
    }
}
