//! What a check comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::number::round_to;

/// What a check says of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may leave as far as this check goes.
    Pass,
    /// A person has to judge.
    Review,
    /// It may not leave.
    Fail,
}

/// One check, in the record that reviewers read. It holds no value from the data, and of small groups
/// only that they are small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why, in a sentence.
    pub reason: String,
    /// The figures that it rests on, rounded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
}

/// Digits of figures in a record.
const DIGITS: usize = 3;

impl Check {
    pub(crate) fn new(name: &str, verdict: Verdict, reason: impl Into<String>) -> Self {
        let (name, reason) = (name.to_owned(), reason.into());
        Self { name, verdict, reason, figures: BTreeMap::new() }
    }

    /// Passes if `is_met`, otherwise fails.
    pub(crate) fn require(name: &str, is_met: bool, pass: &str, fail: impl Into<String>) -> Self {
        if is_met {
            Self::new(name, Verdict::Pass, pass)
        } else {
            Self::new(name, Verdict::Fail, fail)
        }
    }

    pub(crate) fn with(mut self, figure: &str, value: f64) -> Self {
        self.figures.insert(figure.to_owned(), round_to(value, DIGITS));
        self
    }
}

/// The gravest verdict of these checks; [`Verdict::Pass`] of none.
pub fn gravest(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Pass)
}

/// What an estimate with its bounds says against a limit: it fails if the lower bound is above the
/// limit, passes if the upper bound is not, and is for a person in between.
pub(crate) fn against(limit: f64, (low, high): (f64, f64)) -> Verdict {
    if low > limit {
        Verdict::Fail
    } else if high > limit {
        Verdict::Review
    } else {
        Verdict::Pass
    }
}
