//! Generalisation hierarchies: for every value of a column, what stands for it at each level.

use std::collections::HashMap;

use chrono::{DateTime, Datelike};

use crate::MaskingError;

/// What stands for every value at the coarsest level.
pub const ANY: &str = "*";
/// What stands for the absence of a value, at all levels but the coarsest.
pub const ABSENT: &str = "∅";

/// The levels of a column, from its values as they are (level 0) to one that is all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Hierarchy {
    name: String,
    levels: Vec<Level>,
}

/// One level.
#[derive(Debug, Clone, PartialEq)]
struct Level {
    /// For each value of the column, the number of what stands for it.
    of_leaf: Vec<u32>,
    /// What stands there.
    names: Vec<String>,
    /// For each of them, how many values it stands for, of how many.
    share: Vec<f64>,
}

impl Hierarchy {
    /// A hierarchy written out: for each value its name at level 0, then at each level above.
    ///
    /// # Errors
    ///
    /// There is no value or no level; rows differ in length; a value stands twice; or two values
    /// that a level makes one are again two above it.
    pub fn declared<R, S>(name: &str, rows: &[R]) -> Result<Self, MaskingError>
    where
        R: AsRef<[S]>,
        S: AsRef<str>,
    {
        let wrong = |reason| MaskingError::Hierarchy { column: name.to_owned(), reason };
        let depth = rows.first().map_or(0, |row| row.as_ref().len());
        if depth == 0 {
            return Err(wrong("has no value or no level"));
        }
        if rows.iter().any(|row| row.as_ref().len() != depth) {
            return Err(wrong("has rows of different length"));
        }
        let levels: Vec<Level> = (0..depth)
            .map(|level| {
                Level::of(rows.iter().filter_map(|row| row.as_ref().get(level)).map(AsRef::as_ref))
            })
            .collect();
        if levels.first().is_some_and(|level| level.names.len() < rows.len()) {
            return Err(wrong("has a value twice"));
        }
        let it = Self { name: name.to_owned(), levels };
        if it.is_nested() { Ok(it) } else { Err(wrong("parts again what it made one")) }
    }

    /// A hierarchy whose level above the values is [`ANY`]. The values are taken as they come;
    /// each stands once.
    pub fn shown_or_not(name: &str, values: &[&str]) -> Result<Self, MaskingError> {
        let rows: Vec<[&str; 2]> = values.iter().map(|value| [*value, ANY]).collect();
        Self::declared(name, &rows)
    }

    /// Codes of which each level keeps fewer signs, the others made `0`, such as division codes
    /// (GB/T 2260) by 4 and 2; last [`ANY`].
    pub fn of_prefixes(name: &str, values: &[&str], kept: &[usize]) -> Result<Self, MaskingError> {
        let rows: Vec<_> = values.iter().map(|value| prefixes(value, kept)).collect();
        Self::declared(name, &rows)
    }

    /// Whole numbers that become ranges `from-to` of each width, then [`ANY`]. Each width is a
    /// multiple of the one before.
    pub fn of_ranges(name: &str, values: &[i64], widths: &[i64]) -> Result<Self, MaskingError> {
        if widths.iter().any(|width| *width <= 0) {
            let reason = "has a width that is not above zero";
            return Err(MaskingError::Hierarchy { column: name.to_owned(), reason });
        }
        let rows: Vec<_> = values.iter().map(|value| ranges(*value, widths)).collect();
        Self::declared(name, &rows)
    }

    /// Days, counted from 1970, that become their month, their year and ten years, then [`ANY`].
    pub fn of_days(name: &str, values: &[i32]) -> Result<Self, MaskingError> {
        let rows: Vec<_> = values.iter().map(|day| days(*day)).collect();
        Self::declared(name, &rows)
    }

    /// The column.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many levels there are, level 0 among them.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// How many values the column may have.
    pub fn leaves(&self) -> usize {
        self.levels.first().map_or(0, |level| level.of_leaf.len())
    }

    /// What stands for the value `leaf` at a level, and its number there.
    pub fn at(&self, level: usize, leaf: u32) -> Option<(u32, &str)> {
        let level = self.levels.get(level)?;
        let code = *level.of_leaf.get(leaf as usize)?;
        Some((code, level.names.get(code as usize)?))
    }

    /// The number of a value.
    pub fn leaf(&self, value: &str) -> Option<u32> {
        let names = &self.levels.first()?.names;
        names.iter().position(|name| name == value).and_then(|at| u32::try_from(at).ok())
    }

    /// The number of every value.
    pub fn index(&self) -> HashMap<&str, u32> {
        let names = self.levels.first().map(|level| level.names.as_slice()).unwrap_or_default();
        names.iter().map(String::as_str).zip(0..).collect()
    }

    /// For each value, the number of what stands for it at a level.
    pub(crate) fn of_leaf(&self, level: usize) -> &[u32] {
        self.levels.get(level).map(|level| level.of_leaf.as_slice()).unwrap_or_default()
    }

    /// For each that stands at a level, the share of all values that it stands for.
    pub(crate) fn share(&self, level: usize) -> &[f64] {
        self.levels.get(level).map(|level| level.share.as_slice()).unwrap_or_default()
    }

    /// Whether what one level makes one is one at all levels above.
    fn is_nested(&self) -> bool {
        self.levels.windows(2).all(|two| {
            let [below, above] = two else { return true };
            let mut parent = vec![None; below.names.len()];
            below.of_leaf.iter().zip(&above.of_leaf).all(|(code, its)| {
                parent
                    .get_mut(*code as usize)
                    .is_some_and(|parent| *parent.get_or_insert(*its) == *its)
            })
        })
    }
}

/// A code at each level.
pub(crate) fn prefixes(code: &str, kept: &[usize]) -> Vec<String> {
    let length = code.chars().count();
    let cut = |kept: &usize| {
        let zeros = std::iter::repeat_n('0', length.saturating_sub(*kept));
        code.chars().take(*kept).chain(zeros).collect()
    };
    let levels = std::iter::once(code.to_owned()).chain(kept.iter().map(cut));
    levels.chain([ANY.to_owned()]).collect()
}

/// A whole number at each level.
pub(crate) fn ranges(number: i64, widths: &[i64]) -> Vec<String> {
    let range = |width: &i64| {
        let from = number.div_euclid(*width).saturating_mul(*width);
        format!("{from}-{}", from.saturating_add(width - 1))
    };
    let levels = std::iter::once(number.to_string()).chain(widths.iter().map(range));
    levels.chain([ANY.to_owned()]).collect()
}

/// A day, counted from 1970, at each level.
pub(crate) fn days(day: i32) -> Vec<String> {
    let date = DateTime::from_timestamp(i64::from(day) * 86_400, 0).unwrap_or_default();
    let date = date.date_naive();
    let decade = date.year().div_euclid(10) * 10;
    vec![
        date.to_string(),
        format!("{:04}-{:02}", date.year(), date.month()),
        format!("{:04}", date.year()),
        format!("{decade:04}-{:04}", decade + 9),
        ANY.to_owned(),
    ]
}

impl Level {
    fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut index: HashMap<&str, u32> = HashMap::new();
        let (mut of_leaf, mut names, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for value in values {
            let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let code = *index.entry(value).or_insert_with(|| {
                names.push(value.to_owned());
                counts.push(0_u32);
                next
            });
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
            of_leaf.push(code);
        }
        let all = f64::from(u32::try_from(of_leaf.len()).unwrap_or(u32::MAX));
        Self { of_leaf, names, share: counts.into_iter().map(|it| f64::from(it) / all).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_coarser_level_by_level() {
        let codes = ["330106", "330108", "320501"];
        let it = Hierarchy::of_prefixes("division", &codes, &[4, 2]).unwrap();
        assert_eq!((it.depth(), it.leaves()), (4, 3));
        assert_eq!(it.at(1, 1), Some((0, "330100")));
        assert_eq!(it.at(2, 2), Some((1, "320000")));
        assert_eq!(it.at(3, 2), Some((0, ANY)));
        assert_eq!(it.share(1), [2.0 / 3.0, 1.0 / 3.0]);
        let it = Hierarchy::of_ranges("age", &[-1, 0, 9, 10], &[5, 10]).unwrap();
        assert_eq!(it.at(1, 0), Some((0, "-5--1")));
        assert_eq!(it.at(2, 2), Some((1, "0-9")));
        let it = Hierarchy::of_days("born", &[0, 400]).unwrap();
        assert_eq!(it.at(1, 1), Some((1, "1971-02")));
        assert_eq!(it.at(3, 1), Some((0, "1970-1979")));
    }

    #[test]
    fn what_is_no_hierarchy_is_refused() {
        let check = |rows: &[Vec<&str>], expected: &str| {
            let error = Hierarchy::declared("x", rows).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "no value");
        check(&[vec!["a", "*"], vec!["b"]], "different length");
        check(&[vec!["a", "*"], vec!["a", "*"]], "a value twice");
        check(&[vec!["a", "g", "1"], vec!["b", "g", "2"]], "parts again");
        assert!(Hierarchy::of_ranges("x", &[1], &[0]).is_err());
        assert!(Hierarchy::of_ranges("x", &[10, 19, 20, 29], &[10, 15]).is_err());
    }
}
