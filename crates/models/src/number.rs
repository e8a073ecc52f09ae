//! Rounding and small statistics. Counts become floats here and nowhere else.

use std::collections::HashSet;

/// `value` to so many significant decimal digits.
pub(crate) fn round_to(value: f64, digits: usize) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let rounded = format!("{value:.*e}", digits.saturating_sub(1));
    rounded.parse().unwrap_or(0.0)
}

/// Half of a unit of the last of so many significant digits of `value`.
pub(crate) fn half_unit(value: f64, digits: usize) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.5;
    }
    let exponent = value.abs().log10().floor();
    #[expect(clippy::cast_precision_loss, reason = "at most six digits")]
    let places = digits.saturating_sub(1) as f64;
    0.5 * 10f64.powf(exponent - places)
}

/// A count as a float. Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "no table here has 2^53 rows")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

/// The mean, 0 of none.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    if count == 0 { 0.0 } else { sum / real(count) }
}

/// The standard deviation about the mean, with divisor n.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values.iter().copied());
    mean(values.iter().map(|value| (value - centre).powi(2))).sqrt()
}

/// How many distinct ones there are.
pub(crate) fn distinct(subjects: impl IntoIterator<Item = u64>) -> usize {
    subjects.into_iter().collect::<HashSet<u64>>().len()
}

/// The logistic function.
pub(crate) fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// The loss of giving the outcome `is_positive` a log-odds of `score`: stable for large scores.
pub(crate) fn log_loss(score: f64, is_positive: bool) -> f64 {
    let against = if is_positive { -score } else { score };
    if against > 30.0 { against } else { against.exp().ln_1p() }
}

/// The area under the curve of telling `positives` from `negatives` by a higher score: the share of
/// pairs in the right order, a tie counting half (Mann and Whitney 1947).
pub(crate) fn area_under_curve(positives: &[f64], negatives: &[f64]) -> f64 {
    if positives.is_empty() || negatives.is_empty() {
        return 0.5;
    }
    let mut sorted = negatives.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins: f64 = positives
        .iter()
        .map(|score| {
            let below = sorted.partition_point(|other| other < score);
            let up_to = sorted.partition_point(|other| other <= score);
            real(below) + 0.5 * real(up_to - below)
        })
        .sum();
    wins / (real(positives.len()) * real(negatives.len()))
}

/// The standard error of an area under the curve (Hanley and `McNeil` 1982).
pub(crate) fn area_error(area: f64, positives: usize, negatives: usize) -> f64 {
    let (p, n) = (real(positives.max(1)), real(negatives.max(1)));
    let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
    let variance =
        area * (1.0 - area) + (p - 1.0) * (q1 - area * area) + (n - 1.0) * (q2 - area * area);
    (variance / (p * n)).max(0.0).sqrt()
}

/// The bounds of a share of `hits` in `of` at `z` standard errors (Wilson 1927).
pub(crate) fn wilson(hits: usize, of: usize, z: f64) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (real(of), real(hits) / real(of));
    let centre = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z * z / n;
    (((centre - spread) / whole).max(0.0), ((centre + spread) / whole).min(1.0))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is rounded is equal to the digit")]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_significant_digits() {
        assert_eq!(round_to(123_456.0, 3), 123_000.0);
        assert_eq!(round_to(-0.001_234_5, 2), -0.0012);
        assert_eq!(round_to(f64::NAN, 3), 0.0);
        assert_eq!(half_unit(123_456.0, 3), 500.0);
    }

    #[test]
    fn area_counts_pairs_in_order_and_ties_by_half() {
        assert_eq!(area_under_curve(&[3.0, 4.0], &[1.0, 2.0]), 1.0);
        assert_eq!(area_under_curve(&[1.0, 1.0], &[1.0]), 0.5);
        assert_eq!(area_under_curve(&[1.0, 3.0], &[2.0]), 0.5);
    }

    #[test]
    fn wilson_bounds_of_published_cases() {
        let (low, high) = wilson(0, 10, 1.96);
        assert!(low < 1e-9 && (high - 0.2775).abs() < 1e-3, "{low} {high}");
        let (low, high) = wilson(50, 100, 1.96);
        assert!((low - 0.4038).abs() < 1e-3 && (high - 0.5962).abs() < 1e-3, "{low} {high}");
    }
}
