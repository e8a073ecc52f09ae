//! Figures as they are written: exact, rounded half up, and with no more digits than tell nothing
//! of how they came about.

use arrow::datatypes::i256;

/// A sum has at most so many digits after the point.
const PLACES: i8 = 4;

/// A decimal of which `scale` digits stand after the point.
pub(crate) fn decimal_text(value: i128, scale: i8) -> String {
    let scale = usize::from(scale.max(0).unsigned_abs());
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A sum, rounded to [`PLACES`]: finer digits of a decimal could carry a value of their own.
pub(crate) fn sum_text(sum: i128, scale: i8) -> Option<String> {
    let more = u32::from(scale.saturating_sub(PLACES).max(0).unsigned_abs());
    let unit = 10_i128.checked_pow(more)?;
    let rounded = sum.checked_add(unit / 2)?.div_euclid(unit);
    Some(decimal_text(if more == 0 { sum } else { rounded }, scale.min(PLACES)))
}

/// The mean of `count` values, rounded to two places: finer digits would tell the number behind it.
pub(crate) fn mean_text(sum: i128, scale: i8, count: u64) -> Option<String> {
    let unit = 10_i128.checked_pow(u32::from(scale.max(0).unsigned_abs()))?;
    let hundredths = sum.checked_mul(100)?;
    let divisor = unit.checked_mul(i128::from(count)).filter(|divisor| *divisor > 0)?;
    Some(decimal_text((hundredths + divisor / 2).div_euclid(divisor), 2))
}

/// What a variance is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    /// The sum, with `scale` digits after the point.
    pub(crate) sum: i128,
    /// The sum of squares, with twice as many.
    pub(crate) squares: i256,
    pub(crate) scale: i8,
}

impl Moments {
    /// The sample variance times `factor`, rounded down: (n Σx² − (Σx)²) / n (n − 1).
    fn variance(&self, factor: u32) -> Option<i128> {
        let (sum, count) = (i256::from_i128(self.sum), i256::from_i128(self.count.into()));
        let spread = count.checked_mul(self.squares)?.checked_sub(sum.checked_mul(sum)?)?;
        let unit = i256::from_i128(10).checked_pow(2 * u32::from(self.scale.max(0).unsigned_abs()));
        let pairs = count.checked_mul(count.checked_sub(i256::ONE)?)?;
        let divisor = pairs.checked_mul(unit?).filter(|divisor| *divisor > i256::ZERO)?;
        spread.checked_mul(i256::from_i128(factor.into()))?.checked_div(divisor)?.to_i128()
    }

    /// The sample variance, rounded to two places.
    pub(crate) fn variance_text(&self) -> Option<String> {
        let halves = self.variance(200)?;
        Some(decimal_text((halves + 1) / 2, 2))
    }

    /// The sample standard deviation, rounded to two places.
    pub(crate) fn deviation_text(&self) -> Option<String> {
        // ⌊√(4x)⌋ + 1 halved is √x rounded, of which x is counted in the squares of hundredths.
        let halves = self.variance(40_000).filter(|it| *it >= 0)?.isqrt();
        Some(decimal_text((halves + 1) / 2, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_half_up_and_have_few_digits() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(sum_text(1_234_567, 2).as_deref(), Some("12345.67"));
        assert_eq!(sum_text(1_234_565, 5).as_deref(), Some("12.3457"));
        assert_eq!(sum_text(-1_234_565, 5).as_deref(), Some("-12.3456"));
        assert_eq!(mean_text(10, 0, 3).as_deref(), Some("3.33"));
        assert_eq!(mean_text(1, 0, 200).as_deref(), Some("0.01"));
        assert_eq!(mean_text(1, 0, 0), None);
    }

    #[test]
    fn a_variance_is_that_of_a_sample() {
        let moments = |values: &[i128], scale| Moments {
            count: values.len() as u64,
            sum: values.iter().sum(),
            squares: i256::from_i128(values.iter().map(|it| it * it).sum()),
            scale,
        };
        // By hand: mean 5, squared deviations 9, 1, 1, 1, 0, 0, 4, 16 over 7.
        let known = moments(&[2, 4, 4, 4, 5, 5, 7, 9], 0);
        assert_eq!(known.variance_text().as_deref(), Some("4.57"));
        assert_eq!(known.deviation_text().as_deref(), Some("2.14"));
        // Hundredths: the same over ten thousand.
        let cents = moments(&[200, 400, 400, 400, 500, 500, 700, 900], 2);
        assert_eq!(cents.variance_text(), known.variance_text());
        assert_eq!(moments(&[7, 7], 0).deviation_text().as_deref(), Some("0.00"));
        assert_eq!(moments(&[7], 0).variance_text(), None, "of one there is none");
    }
}
