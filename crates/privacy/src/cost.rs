//! What an answer costs the people in the data.

use opendp::{combinators::ConcentratedMeasure, measures::ZeroConcentratedDivergence};
use serde::{Deserialize, Serialize};

use crate::PrivacyError;

/// A cost: zero-concentrated differential privacy (Bun and Steinke 2016) with a chance of failure.
///
/// Costs of answers add up, whoever asked and whatever was asked next (composition). They are
/// whole numbers, rounded up when they are made, so that a sum in the log is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub struct Cost {
    /// The concentration ρ, in units of 10⁻⁹.
    pub rho_nano: u64,
    /// The chance that a key of one subject is shown, in units of 10⁻¹⁸.
    pub delta_atto: u64,
}

/// What a limit or a sum of costs promises: with all but a chance of δ, nobody's odds about one
/// subject change by more than a factor of `e^ε`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guarantee {
    /// ε.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
}

const NANO: f64 = 1e9;
const ATTO: f64 = 1e18;
/// Above this a promise is none: ρ of 10⁹, or a failure for certain.
const MOST: f64 = 1e18;

/// A figure in whole units, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative and fits"
)]
fn units_up(figure: f64, unit: f64) -> Result<u64, PrivacyError> {
    let units = if figure == 0.0 { 0.0 } else { (figure * unit).next_up().ceil() };
    if (0.0..=MOST).contains(&units) { Ok(units as u64) } else { Err(PrivacyError::Bounds) }
}

#[expect(clippy::cast_precision_loss, reason = "more than 15 digits say nothing to anybody")]
fn figure_of(units: u64, unit: f64) -> f64 {
    units as f64 / unit
}

impl Cost {
    /// The cost of ρ and δ, as the library gives them, rounded up.
    pub fn of(rho: f64, delta: f64) -> Result<Self, PrivacyError> {
        Ok(Self { rho_nano: units_up(rho, NANO)?, delta_atto: units_up(delta, ATTO)? })
    }

    /// The largest cost that still keeps a promise. Half of δ is kept for the conversion, half for
    /// keys.
    pub fn within(guarantee: Guarantee) -> Result<Self, PrivacyError> {
        let Guarantee { epsilon, delta } = guarantee;
        if !(epsilon > 0.0 && epsilon <= 100.0 && delta > 0.0 && delta <= 0.001) {
            return Err(PrivacyError::Bounds);
        }
        // Rounded up and one less: never more than the half.
        let keys = units_up(delta / 2.0, ATTO)?.saturating_sub(1);
        let (mut fits, mut exceeds) = (0_u64, units_up(epsilon * epsilon, NANO)?.max(2));
        while epsilon_of(exceeds, delta / 2.0)? <= epsilon {
            exceeds = exceeds.checked_mul(2).ok_or(PrivacyError::Bounds)?;
        }
        while exceeds - fits > 1 {
            let middle = fits + (exceeds - fits) / 2;
            if epsilon_of(middle, delta / 2.0)? <= epsilon {
                fits = middle;
            } else {
                exceeds = middle;
            }
        }
        if fits == 0 {
            return Err(PrivacyError::TooLittle);
        }
        Ok(Self { rho_nano: fits, delta_atto: keys })
    }

    /// What the cost promises, by the library's conversion, at a chance of failure of `delta`
    /// besides that of keys.
    pub fn guarantee(self, delta: f64) -> Result<Guarantee, PrivacyError> {
        Ok(Guarantee {
            epsilon: epsilon_of(self.rho_nano, delta)?,
            delta: delta + figure_of(self.delta_atto, ATTO),
        })
    }

    /// ρ.
    pub fn rho(self) -> f64 {
        figure_of(self.rho_nano, NANO)
    }

    /// The chance that a key of one subject is shown.
    pub fn delta(self) -> f64 {
        figure_of(self.delta_atto, ATTO)
    }

    /// Both together; none if that cannot be counted.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            rho_nano: self.rho_nano.checked_add(other.rho_nano)?,
            delta_atto: self.delta_atto.checked_add(other.delta_atto)?,
        })
    }

    /// Whether neither part is more than the other's.
    pub fn is_within(self, limit: Self) -> bool {
        self.rho_nano <= limit.rho_nano && self.delta_atto <= limit.delta_atto
    }

    /// So many thousandths of it, rounded down.
    pub fn thousandths(self, of: u32) -> Self {
        let share = |whole: u64| {
            let part = u128::from(whole) * u128::from(of) / 1_000;
            u64::try_from(part).unwrap_or(u64::MAX)
        };
        Self { rho_nano: share(self.rho_nano), delta_atto: share(self.delta_atto) }
    }
}

/// ε of ρ at δ.
fn epsilon_of(rho_nano: u64, delta: f64) -> Result<f64, PrivacyError> {
    if rho_nano == 0 {
        return Ok(0.0);
    }
    ZeroConcentratedDivergence::convert(figure_of(rho_nano, NANO))
        .and_then(|profile| profile.epsilon(delta))
        .map_err(|_| PrivacyError::Mechanism)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_largest_cost_that_keeps_its_promise() {
        for (epsilon, delta) in [(0.1, 1e-9), (1.0, 1e-9), (1.0, 1e-6), (8.0, 1e-12)] {
            let limit = Cost::within(Guarantee { epsilon, delta }).unwrap();
            let kept = limit.guarantee(delta / 2.0).unwrap();
            assert!(kept.epsilon <= epsilon && kept.delta <= delta * (1.0 + 1e-9), "{kept:?}");
            let more = Cost { rho_nano: limit.rho_nano + 1, ..limit };
            assert!(more.guarantee(delta / 2.0).unwrap().epsilon > epsilon, "{limit:?}");
        }
    }

    #[test]
    fn the_conversion_is_tighter_than_the_first_published_and_no_promise_is_not_one() {
        // ε ≤ ρ + 2·√(ρ·ln(1/δ)), Bun and Steinke 2016, proposition 1.3.
        let cost = Cost { rho_nano: 10_000_000, delta_atto: 0 };
        let epsilon = cost.guarantee(1e-9).unwrap().epsilon;
        let published = 0.01 + 2.0 * (0.01 * 1e9_f64.ln()).sqrt();
        assert!(epsilon < published && epsilon > published * 0.8, "{epsilon} of {published}");
        for (epsilon, delta) in
            [(0.0, 1e-9), (-1.0, 1e-9), (1.0, 0.0), (1.0, 0.5), (f64::NAN, 1e-9)]
        {
            assert_eq!(Cost::within(Guarantee { epsilon, delta }), Err(PrivacyError::Bounds));
        }
    }
}
