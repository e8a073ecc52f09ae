//! Money as whole fen (1/100 yuan), and its division without a remainder lost.

use std::{fmt, iter::Sum, ops};

use serde::{Deserialize, Serialize};

/// An amount of money in fen. Never a fraction, never a float.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fen(pub i64);

impl Fen {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// `self` × `count`, or `None` beyond what can be counted.
    pub fn times(self, count: u64) -> Option<Self> {
        i64::try_from(count).ok().and_then(|count| self.0.checked_mul(count)).map(Self)
    }

    /// The sum, or `None` beyond what can be counted.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }
}

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let fen = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}

impl ops::Neg for Fen {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Fen {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0, |sum, amount| sum.saturating_add(amount.0)))
    }
}

/// One party's part of a division, in any whole unit: 3, 1 and 1 are 60, 20 and 20 percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share<P> {
    /// Who receives.
    pub party: P,
    /// How much, beside the weights of the others.
    pub weight: u32,
}

/// Why an amount cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// There is nobody to receive it.
    #[error("the weights of a split must sum to more than zero")]
    NoWeight,
    /// A debt is not split here.
    #[error("only an amount of zero or more can be split")]
    Negative,
}

/// Divides `amount` by weight, by largest remainder; ties go to the earlier share.
///
/// The parts sum to `amount` exactly, and no part is further than one fen from its exact value.
pub fn split<P: Clone>(amount: Fen, shares: &[Share<P>]) -> Result<Vec<(P, Fen)>, MoneyError> {
    let total: i128 = shares.iter().map(|share| i128::from(share.weight)).sum();
    if total == 0 {
        return Err(MoneyError::NoWeight);
    }
    if amount.0 < 0 {
        return Err(MoneyError::Negative);
    }
    let amount = i128::from(amount.0);
    let mut parts: Vec<(usize, i128, i128)> = shares
        .iter()
        .enumerate()
        .map(|(index, share)| {
            let exact = amount * i128::from(share.weight);
            (index, exact / total, exact % total)
        })
        .collect();
    let left = amount - parts.iter().map(|(_, part, _)| part).sum::<i128>();
    parts.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for (_, part, _) in parts.iter_mut().take(usize::try_from(left).unwrap_or(0)) {
        *part += 1;
    }
    parts.sort_by_key(|(index, _, _)| *index);
    Ok(shares
        .iter()
        .zip(parts)
        .map(|(share, (_, part, _))| {
            (share.party.clone(), Fen(i64::try_from(part).unwrap_or(i64::MAX)))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(amount: i64, weights: &[u32], expected: &[i64]) {
        let shares: Vec<_> =
            weights.iter().map(|weight| Share { party: (), weight: *weight }).collect();
        let parts = split(Fen(amount), &shares).expect("divides");
        assert_eq!(parts.iter().map(|((), part)| part.0).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_remainder_goes_to_the_largest_fraction_first() {
        check(100, &[1, 1, 1], &[34, 33, 33]);
        check(1, &[1, 2], &[0, 1]);
        check(0, &[1, 2], &[0, 0]);
        check(10, &[0, 1], &[0, 10]);
    }

    #[test]
    fn nobody_to_receive_is_an_error() {
        assert_eq!(split::<()>(Fen(1), &[]), Err(MoneyError::NoWeight));
    }

    #[test]
    fn fen_print_as_yuan() {
        assert_eq!(Fen(-1205).to_string(), "-12.05");
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_are_fair(amount in 0..i64::MAX, weights in prop::collection::vec(0_u32.., 1..9)) {
            let shares: Vec<_> = weights.iter().map(|weight| Share { party: (), weight: *weight }).collect();
            let total: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            prop_assume!(total > 0);
            let parts = split(Fen(amount), &shares).unwrap();
            prop_assert_eq!(parts.iter().map(|((), part)| i128::from(part.0)).sum::<i128>(), i128::from(amount));
            for (share, ((), part)) in shares.iter().zip(&parts) {
                let exact = i128::from(amount) * i128::from(share.weight) / total;
                prop_assert!((i128::from(part.0) - exact).abs() <= 1);
            }
        }
    }
}
