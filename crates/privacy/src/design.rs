//! How a budget is divided among the figures of a question. Nothing here sees data.

use serde::{Deserialize, Serialize};

use crate::{
    Cost, PrivacyError,
    mechanism::{Sensitivity, cost, cost_with_threshold, error_95, scale_for, threshold_for},
};

/// A measure of which sums are made, in its smallest unit. A value outside is taken for the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Measure {
    /// The least value of a row.
    pub lower: i64,
    /// The greatest value of a row.
    pub upper: i64,
}

/// How much of the data of one subject counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bound {
    /// In how many groups at most.
    pub groups: u32,
    /// As how many rows at most in each.
    pub rows: u32,
}

impl Bound {
    /// What holds of a table in which no subject has two rows.
    pub const ONE_ROW: Self = Self { groups: 1, rows: 1 };
}

/// A column of totals by group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "part", content = "of", rename_all = "snake_case")]
pub enum Part {
    /// How many subjects.
    Subjects,
    /// How many rows.
    Rows,
    /// In how many rows a measure is present; the measure by its place.
    Present(usize),
    /// The sum of a measure; the measure by its place.
    Sum(usize),
}

/// Whether the keys of groups are known without looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// They are published: each is shown, with noise even where nobody is.
    Declared,
    /// They come out of the data: a key is shown if enough subjects have it, noise included.
    Found,
}

/// What is asked of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The totals.
    pub parts: Vec<Part>,
    /// The measures that they are of.
    pub measures: Vec<Measure>,
    /// How much of the data of one subject counts.
    pub bound: Bound,
    /// Whether the keys of groups are known.
    pub keys: Keys,
}

/// A column of totals with the noise that it gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The totals.
    pub part: Part,
    /// The standard deviation of the noise.
    pub scale: f64,
    /// How far from the truth 19 of 20 figures are at most, what was bounded apart.
    pub error: f64,
    /// What it costs.
    pub cost: Cost,
}

/// A question with its noise and its cost, found before data are touched.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    pub(crate) shape: Shape,
    pub(crate) drawn: Vec<Drawn>,
    pub(crate) threshold: Option<i128>,
    cost: Cost,
}

impl Shape {
    /// The totals that are made: each once, and the subjects where keys are to be found.
    fn all_parts(&self) -> Vec<Part> {
        let mut parts = self.parts.clone();
        if self.keys == Keys::Found {
            parts.push(Part::Subjects);
        }
        if self.bound.rows == 1 {
            // Where a subject counts as one row in a group, rows and subjects are one figure.
            for part in &mut parts {
                if *part == Part::Rows {
                    *part = Part::Subjects;
                }
            }
        }
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    fn sensitivity(&self, part: Part) -> Result<Sensitivity, PrivacyError> {
        let Bound { groups, rows } = self.bound;
        let each = match part {
            Part::Subjects => 1,
            Part::Rows => u64::from(rows),
            Part::Present(measure) => {
                self.measure(measure)?;
                u64::from(rows)
            }
            Part::Sum(measure) => {
                let Measure { lower, upper } = self.measure(measure)?;
                let most = lower.unsigned_abs().max(upper.unsigned_abs());
                most.checked_mul(u64::from(rows)).ok_or(PrivacyError::Bounds)?
            }
        };
        Ok(Sensitivity { groups, each })
    }

    fn measure(&self, place: usize) -> Result<Measure, PrivacyError> {
        let measure = self.measures.get(place).ok_or(PrivacyError::Bounds)?;
        if measure.lower <= measure.upper { Ok(*measure) } else { Err(PrivacyError::Bounds) }
    }
}

impl Design {
    /// Divides a budget evenly among the totals of a question.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Bounds`] if a bound cannot be worked with, [`PrivacyError::TooLittle`] if
    /// the budget buys no noise that can be drawn.
    pub fn new(shape: Shape, budget: Cost) -> Result<Self, PrivacyError> {
        let parts = shape.all_parts();
        let among = u64::try_from(parts.len()).map_err(|_| PrivacyError::TooMany)?;
        let each = budget.rho_nano.checked_div(among).ok_or(PrivacyError::Bounds)?;
        if each == 0 {
            return Err(PrivacyError::TooLittle);
        }
        let (mut drawn, mut threshold) = (Vec::new(), None);
        let mut whole = Cost::default();
        for part in parts {
            let sensitivity = shape.sensitivity(part)?;
            let scale = scale_for(sensitivity, each)?;
            let cost = if part == Part::Subjects && shape.keys == Keys::Found {
                let least = threshold_for(sensitivity, scale, budget.delta_atto)?;
                threshold = Some(least);
                cost_with_threshold(sensitivity, scale, least)?
            } else {
                cost(sensitivity, scale)?
            };
            drawn.push(Drawn { part, scale, error: error_95(scale)?, cost });
            whole = whole.plus(cost).ok_or(PrivacyError::Bounds)?;
        }
        Ok(Self { shape, drawn, threshold, cost: whole })
    }

    /// What it costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The totals with their noise, in the order in which cells have them.
    pub fn drawn(&self) -> &[Drawn] {
        &self.drawn
    }

    /// Fewer subjects than this, noise included, are not shown where keys are found.
    pub fn threshold(&self) -> Option<i128> {
        self.threshold
    }

    /// Where a cell has a total.
    pub fn place(&self, part: Part) -> Option<usize> {
        let at = |part| self.drawn.iter().position(|drawn| drawn.part == part);
        match part {
            Part::Rows => at(Part::Rows).or_else(|| at(Part::Subjects)),
            Part::Subjects | Part::Present(_) | Part::Sum(_) => at(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(parts: &[Part], bound: Bound, keys: Keys) -> Shape {
        let measures = vec![Measure { lower: -50, upper: 4_000 }];
        Shape { parts: parts.to_vec(), measures, bound, keys }
    }

    const BUDGET: Cost = Cost { rho_nano: 900_000, delta_atto: 1_000_000 };

    #[test]
    fn what_is_charged_is_within_the_budget_and_most_of_it() {
        let bound = Bound { groups: 3, rows: 5 };
        let all = [Part::Subjects, Part::Rows, Part::Present(0), Part::Sum(0)];
        for keys in [Keys::Declared, Keys::Found] {
            for parts in [&all[..], &all[1..2], &all[3..]] {
                let design = Design::new(shape(parts, bound, keys), BUDGET).unwrap();
                assert!(design.cost().is_within(BUDGET), "{:?}", design.cost());
                assert!(design.cost().rho_nano > BUDGET.rho_nano / 100 * 99, "{:?}", design.cost());
                assert_eq!(design.threshold().is_some(), keys == Keys::Found);
                assert_eq!(design.cost().delta_atto > 0, keys == Keys::Found);
            }
        }
    }

    #[test]
    fn noise_grows_with_what_one_subject_can_change() {
        let scale = |groups, rows| {
            let shape = shape(&[Part::Sum(0)], Bound { groups, rows }, Keys::Declared);
            Design::new(shape, BUDGET).unwrap().drawn()[0].scale
        };
        let one = scale(1, 1);
        assert!((one - 4_000.0 / (2.0 * 0.0009_f64).sqrt()).abs() < 1.0, "{one}");
        assert!((scale(1, 6) / one - 6.0).abs() < 1e-6);
        assert!((scale(4, 1) / one - 2.0).abs() < 1e-6);
    }

    #[test]
    fn one_figure_is_not_paid_for_twice() {
        let twice = [Part::Rows, Part::Subjects, Part::Rows];
        let design = Design::new(shape(&twice, Bound::ONE_ROW, Keys::Found), BUDGET).unwrap();
        assert_eq!(design.drawn().len(), 1);
        assert_eq!((design.place(Part::Rows), design.place(Part::Subjects)), (Some(0), Some(0)));
    }

    #[test]
    fn what_has_no_bound_is_refused() {
        let refused = |shape| Design::new(shape, BUDGET).unwrap_err();
        let declared = |parts: &[Part], bound| shape(parts, bound, Keys::Declared);
        assert_eq!(refused(declared(&[Part::Sum(1)], Bound::ONE_ROW)), PrivacyError::Bounds);
        let none = Bound { groups: 0, rows: 1 };
        assert_eq!(refused(declared(&[Part::Rows], none)), PrivacyError::Bounds);
        let none = Bound { groups: 1, rows: 0 };
        assert_eq!(refused(declared(&[Part::Rows], none)), PrivacyError::Bounds);
        assert_eq!(refused(declared(&[], Bound::ONE_ROW)), PrivacyError::Bounds);
        let mut reversed = declared(&[Part::Sum(0)], Bound::ONE_ROW);
        reversed.measures = vec![Measure { lower: 5, upper: 4 }];
        assert_eq!(refused(reversed), PrivacyError::Bounds);
        let little = Cost { rho_nano: 0, ..BUDGET };
        let rows = declared(&[Part::Rows], Bound::ONE_ROW);
        assert_eq!(Design::new(rows, little), Err(PrivacyError::TooLittle));
    }
}
