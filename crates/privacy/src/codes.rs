//! Values of key columns as small numbers, so that groups are found by indexing.

use std::collections::HashMap;

use ahash::RandomState;
use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::PrivacyError;

/// A value of a key column, as a text; `None` is the absent value.
pub type Code = Option<String>;

/// The number of what is not among the declared.
pub(crate) const NONE: u32 = u32::MAX;
/// Whole numbers below this are found by indexing.
const DENSE: i64 = 1 << 16;
/// Pairs of so many are found by indexing.
const DENSE_PAIRS: usize = 1 << 20;

/// The numbers of the values of one column.
#[derive(Debug, Clone)]
pub(crate) struct Coder {
    texts: Vec<Code>,
    by_text: HashMap<Code, u32, RandomState>,
    small: Vec<Option<u32>>,
    whole: HashMap<i64, u32, RandomState>,
    words: HashMap<Box<str>, u32, RandomState>,
    is_fixed: bool,
}

impl Coder {
    pub(crate) fn new(hasher: &RandomState, is_fixed: bool) -> Self {
        Self {
            texts: Vec::new(),
            by_text: HashMap::with_hasher(hasher.clone()),
            small: Vec::new(),
            whole: HashMap::with_hasher(hasher.clone()),
            words: HashMap::with_hasher(hasher.clone()),
            is_fixed,
        }
    }

    /// The number of a value; a new one if there is none.
    pub(crate) fn declare(&mut self, text: &Code) -> Result<u32, PrivacyError> {
        if let Some(known) = self.by_text.get(text) {
            return Ok(*known);
        }
        let next = next(self.texts.len())?;
        self.texts.push(text.clone());
        self.by_text.insert(text.clone(), next);
        Ok(next)
    }

    pub(crate) fn text(&self, code: u32) -> Code {
        self.texts.get(code as usize).cloned().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    fn learn(&mut self, text: &Code) -> Result<u32, PrivacyError> {
        if self.is_fixed {
            Ok(self.by_text.get(text).copied().unwrap_or(NONE))
        } else {
            self.declare(text)
        }
    }

    /// The numbers of the values of an array.
    pub(crate) fn encode(&mut self, array: &ArrayRef) -> Result<Vec<u32>, PrivacyError> {
        let layout = |_| PrivacyError::Layout;
        match array.data_type() {
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                let codes = self.encode(dictionary.values())?;
                let absent = self.absent(dictionary.null_count() > 0)?;
                let keys = dictionary.normalized_keys().into_iter().enumerate();
                Ok(keys
                    .map(|(row, key)| {
                        let code = codes.get(key).copied().filter(|_| array.is_valid(row));
                        code.unwrap_or(absent)
                    })
                    .collect())
            }
            DataType::Utf8 => self.encode_texts(array),
            DataType::LargeUtf8 | DataType::Utf8View => {
                self.encode_texts(&cast(array, &DataType::Utf8).map_err(layout)?)
            }
            DataType::Int64 => self.encode_whole(array, array),
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::Date32 => {
                self.encode_whole(array, &cast(array, &DataType::Int64).map_err(layout)?)
            }
            _other => Err(PrivacyError::Layout),
        }
    }

    /// The number of the absent value, if it occurs.
    fn absent(&mut self, occurs: bool) -> Result<u32, PrivacyError> {
        if occurs { self.learn(&None) } else { Ok(NONE) }
    }

    fn encode_texts(&mut self, array: &ArrayRef) -> Result<Vec<u32>, PrivacyError> {
        let array = array.as_string::<i32>();
        let absent = self.absent(array.null_count() > 0)?;
        let mut codes = Vec::with_capacity(array.len());
        for value in array {
            codes.push(match value {
                None => absent,
                Some(text) => {
                    if let Some(code) = self.words.get(text) {
                        *code
                    } else {
                        let code = self.learn(&Some(text.to_owned()))?;
                        self.words.insert(text.into(), code);
                        code
                    }
                }
            });
        }
        Ok(codes)
    }

    fn encode_whole(
        &mut self,
        shown: &ArrayRef,
        array: &ArrayRef,
    ) -> Result<Vec<u32>, PrivacyError> {
        let array = array.as_primitive::<Int64Type>();
        let absent = self.absent(array.null_count() > 0)?;
        let mut codes = Vec::with_capacity(array.len());
        for (row, value) in array.values().iter().enumerate() {
            codes.push(match self.known_whole(*value) {
                _ if array.is_null(row) => absent,
                Some(code) => code,
                None => self.learn_whole(shown, row, *value)?,
            });
        }
        Ok(codes)
    }

    fn known_whole(&self, value: i64) -> Option<u32> {
        match usize::try_from(value) {
            Ok(place) if value < DENSE => self.small.get(place).copied().flatten(),
            Ok(_) | Err(_) => self.whole.get(&value).copied(),
        }
    }

    fn learn_whole(
        &mut self,
        shown: &ArrayRef,
        row: usize,
        value: i64,
    ) -> Result<u32, PrivacyError> {
        let options = FormatOptions::default();
        let formatter =
            ArrayFormatter::try_new(shown, &options).map_err(|_| PrivacyError::Layout)?;
        let text = formatter.value(row).try_to_string().map_err(|_| PrivacyError::Layout)?;
        let code = self.learn(&Some(text))?;
        match usize::try_from(value) {
            Ok(place) if value < DENSE => {
                if self.small.len() <= place {
                    self.small.resize(place + 1, None);
                }
                if let Some(slot) = self.small.get_mut(place) {
                    *slot = Some(code);
                }
            }
            Ok(_) | Err(_) => {
                self.whole.insert(value, code);
            }
        }
        Ok(code)
    }
}

/// The numbers of pairs of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Pairs {
    list: Vec<(u32, u32)>,
    map: HashMap<(u32, u32), u32, RandomState>,
    /// The pairs of which each part is below the side's length, by place, as long as they are few.
    table: Vec<Option<u32>>,
    sides: (usize, usize),
    is_fixed: bool,
}

impl Pairs {
    pub(crate) fn new(hasher: &RandomState, is_fixed: bool) -> Self {
        Self {
            list: Vec::new(),
            map: HashMap::with_hasher(hasher.clone()),
            table: Vec::new(),
            sides: (0, 0),
            is_fixed,
        }
    }

    pub(crate) fn declare(&mut self, pair: (u32, u32)) -> Result<u32, PrivacyError> {
        if let Some(known) = self.map.get(&pair) {
            return Ok(*known);
        }
        let next = next(self.list.len())?;
        self.list.push(pair);
        self.map.insert(pair, next);
        Ok(next)
    }

    pub(crate) fn parts(&self, pair: u32) -> Option<(u32, u32)> {
        self.list.get(pair as usize).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    fn place(&self, (left, right): (u32, u32)) -> Option<usize> {
        let (left, right) = (left as usize, right as usize);
        (left < self.sides.0 && right < self.sides.1).then(|| left * self.sides.1 + right)
    }

    /// Makes the table so large that numbers below these lengths are in it.
    fn widen(&mut self, lengths: (usize, usize)) {
        if lengths.0 <= self.sides.0 && lengths.1 <= self.sides.1 {
            return;
        }
        let sides = (lengths.0.next_power_of_two(), lengths.1.next_power_of_two());
        let size = sides.0.checked_mul(sides.1).filter(|size| *size <= DENSE_PAIRS);
        self.sides = if size.is_some() { sides } else { (0, 0) };
        self.table = vec![None; size.unwrap_or(0)];
        for (number, pair) in (0_u32..).zip(&self.list) {
            let place = self.place(*pair);
            if let Some(slot) = place.and_then(|place| self.table.get_mut(place)) {
                *slot = Some(number);
            }
        }
    }

    /// The numbers of the pairs of two lists, whose numbers are below `lengths`.
    pub(crate) fn encode(
        &mut self,
        left: &[u32],
        right: &[u32],
        lengths: (usize, usize),
    ) -> Result<Vec<u32>, PrivacyError> {
        self.widen(lengths);
        let mut codes = Vec::with_capacity(left.len());
        for pair in left.iter().copied().zip(right.iter().copied()) {
            let place = self.place(pair);
            let known = place.and_then(|place| self.table.get(place).copied().flatten());
            codes.push(match known {
                Some(code) => code,
                None => self.learn(pair, place)?,
            });
        }
        Ok(codes)
    }

    fn learn(&mut self, pair: (u32, u32), place: Option<usize>) -> Result<u32, PrivacyError> {
        if pair.0 == NONE || pair.1 == NONE {
            return Ok(NONE);
        }
        if self.is_fixed {
            return Ok(self.map.get(&pair).copied().unwrap_or(NONE));
        }
        let code = self.declare(pair)?;
        if let Some(slot) = place.and_then(|place| self.table.get_mut(place)) {
            *slot = Some(code);
        }
        Ok(code)
    }
}

fn next(length: usize) -> Result<u32, PrivacyError> {
    u32::try_from(length).ok().filter(|next| *next < NONE).ok_or(PrivacyError::TooMany)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BooleanArray, Date32Array, DictionaryArray, Float64Array, Int64Array, StringArray,
        },
        datatypes::Int8Type,
    };

    use super::*;

    fn hasher() -> RandomState {
        RandomState::with_seeds(1, 2, 3, 4)
    }

    fn texts(arrays: &[ArrayRef]) -> Vec<Vec<Code>> {
        let mut coder = Coder::new(&hasher(), false);
        arrays
            .iter()
            .map(|array| {
                let numbers = coder.encode(array).unwrap();
                numbers.into_iter().map(|code| coder.text(code)).collect()
            })
            .collect()
    }

    #[test]
    fn a_value_keeps_its_number_from_batch_to_batch_and_type_to_type() {
        let dictionary: DictionaryArray<Int8Type> =
            vec![Some("b"), None, Some("a"), Some("b")].into_iter().collect();
        let plain = StringArray::from(vec![Some("a"), Some("b"), None]);
        let shown = texts(&[Arc::new(dictionary), Arc::new(plain)]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(shown[0], [some("b"), None, some("a"), some("b")]);
        assert_eq!(shown[1], [some("a"), some("b"), None]);
        let whole = Int64Array::from(vec![Some(7), Some(-7), Some(1 << 40), None, Some(7)]);
        let shown = texts(&[Arc::new(whole)]);
        assert_eq!(shown[0], [some("7"), some("-7"), some("1099511627776"), None, some("7")]);
        let others: [ArrayRef; 2] = [
            Arc::new(BooleanArray::from(vec![true, false])),
            Arc::new(Date32Array::from(vec![0, 19_723])),
        ];
        assert_eq!(texts(&others[..1])[0], [some("true"), some("false")]);
        assert_eq!(texts(&others[1..])[0], [some("1970-01-01"), some("2024-01-01")]);
    }

    #[test]
    fn what_is_not_declared_has_no_number_and_fractions_are_no_keys() {
        let mut coder = Coder::new(&hasher(), true);
        coder.declare(&Some("a".to_owned())).unwrap();
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]));
        assert_eq!(coder.encode(&array).unwrap(), [0, NONE, NONE]);
        let array: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
        assert_eq!(coder.encode(&array), Err(PrivacyError::Layout));
    }

    #[test]
    fn pairs_keep_their_numbers_while_their_parts_grow() {
        let mut pairs = Pairs::new(&hasher(), false);
        let mut expected: HashMap<(u32, u32), u32> = HashMap::new();
        for size in [1_u32, 3, 40, 2_000] {
            let left: Vec<u32> = (0..size).collect();
            let right: Vec<u32> = (0..size).map(|n| n * 7 % size).collect();
            let length = size as usize;
            let codes = pairs.encode(&left, &right, (length, length)).unwrap();
            for ((left, right), code) in left.into_iter().zip(right).zip(codes) {
                assert_eq!(*expected.entry((left, right)).or_insert(code), code);
                assert_eq!(pairs.parts(code), Some((left, right)));
            }
        }
        assert_eq!(pairs.encode(&[NONE], &[0], (2_000, 2_000)).unwrap(), [NONE]);
    }
}
