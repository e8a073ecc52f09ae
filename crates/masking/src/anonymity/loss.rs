//! How much generalisation takes away.
//!
//! The measure is ARX's *Loss* (Prasser, Kohlmayer et al., `MetricMDNMLoss`, after Iyengar,
//! *Transforming data to satisfy privacy constraints*, KDD 2002): in each column a value that
//! stands for `m` of `n` loses `m / n`, a suppressed one 1; the sum over rows is brought to 0 (all
//! rows as they are) to 1 (all suppressed), and columns are joined by the geometric mean of
//! `1 + loss`, less 1.

use serde::Serialize;

/// What was lost: 0 nothing, 1 everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loss {
    /// In each column.
    pub by_column: Vec<f64>,
    /// Over all columns.
    pub total: f64,
}

impl Loss {
    /// The loss, from what the values of each column stand for, summed over `rows` rows, and how
    /// many values it may have.
    pub(super) fn of(sums: impl Iterator<Item = (f64, usize)>, rows: f64) -> Self {
        let by_column: Vec<f64> = sums.map(|(sum, leaves)| normalised(sum, leaves, rows)).collect();
        let total = total(by_column.iter().copied());
        Self { by_column, total }
    }
}

/// The loss of one column.
pub(super) fn normalised(sum: f64, leaves: usize, rows: f64) -> f64 {
    if leaves < 2 || rows <= 0.0 {
        return 0.0;
    }
    let least = rows / f64::from(u32::try_from(leaves).unwrap_or(u32::MAX));
    ((sum - least) / (rows - least)).clamp(0.0, 1.0)
}

/// The loss over all columns.
pub(super) fn total(by_column: impl ExactSizeIterator<Item = f64>) -> f64 {
    let columns = by_column.len();
    if columns == 0 {
        return 0.0;
    }
    let product: f64 = by_column.map(|loss| 1.0 + loss).product();
    product.powf(1.0 / f64::from(u32::try_from(columns).unwrap_or(u32::MAX))) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lost_is_nought_and_everything_one() {
        let sums = [(10.0 / 4.0, 4), (10.0, 5), (10.0, 1)];
        let loss = Loss::of(sums.into_iter(), 10.0);
        assert_eq!(loss.by_column, [0.0, 1.0, 0.0]);
        assert!((loss.total - (2_f64.powf(1.0 / 3.0) - 1.0)).abs() < 1e-12);
        assert!((Loss::of([(8.0, 2)].into_iter(), 8.0).total - 1.0).abs() < 1e-12);
    }
}
