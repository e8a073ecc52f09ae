//! Amounts: rounded or blurred, and brought within bounds so that the greatest do not stand out.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, StringArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type},
};
use serde::{Deserialize, Serialize};

use crate::{MaskingError, Tokens};

/// How exact an amount remains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "blur", rename_all = "snake_case")]
pub enum Blur {
    /// So many digits that say something, half away from zero.
    Digits {
        /// How many, at least one.
        digits: u8,
    },
    /// A multiple of a step, in units of the column, half away from zero.
    Step {
        /// The step, above zero.
        step: f64,
    },
    /// Made greater or smaller by up to so many percent, by chance that is the subject's and the
    /// value's, then rounded to two digits. Asked again, it is the same, so no mean removes it.
    Noise {
        /// The most percent, from 1 to 100.
        percent: u8,
    },
}

impl Blur {
    pub(super) fn words(self) -> String {
        match self {
            Self::Digits { digits: 1 } => "rounded to one significant digit".to_owned(),
            Self::Digits { digits } => format!("rounded to {digits} significant digits"),
            Self::Step { step } => format!("rounded to multiples of {step}"),
            Self::Noise { percent } => {
                format!("changed by up to {percent} %, then rounded to two significant digits")
            }
        }
    }
}

/// What an amount is brought within, in units of the column, after it was blurred.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bounds {
    /// The least; none: no lower bound.
    #[serde(default)]
    pub lower: Option<f64>,
    /// The greatest; none: no upper bound.
    #[serde(default)]
    pub upper: Option<f64>,
}

impl Bounds {
    /// Whether there is none.
    pub fn is_open(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }

    fn within(&self, value: f64) -> f64 {
        let value = self.lower.map_or(value, |lower| value.max(lower));
        self.upper.map_or(value, |upper| value.min(upper))
    }
}

/// Bounds that at least `k` subjects reach or pass on either side, so that who has the least or
/// the greatest amount does not stand out (top and bottom coding; Hundepool et al., *Statistical
/// Disclosure Control*, 2012, 3.3.3). Bounds are rounded inwards to one significant digit, so that
/// they are nobody's exact amount. None where fewer than `k` subjects have an amount.
pub fn ends(array: &ArrayRef, subject: &StringArray, k: usize) -> Option<Bounds> {
    let values = cast(array, &DataType::Float64).ok()?;
    let values = values.as_primitive::<Float64Type>();
    let mut known: Vec<(f64, &str)> = values
        .iter()
        .zip(subject.iter())
        .filter_map(|(value, subject)| value.filter(|it| it.is_finite()).zip(subject))
        .collect();
    known.sort_by(|one, other| one.0.total_cmp(&other.0));
    let lower = reached(known.iter(), k)?;
    let upper = reached(known.iter().rev(), k)?;
    let (lower, upper) = (-one_digit_below(-lower), one_digit_below(upper));
    // Nearly all amounts alike: one figure for all of them.
    let (lower, upper) = if lower <= upper { (lower, upper) } else { (upper, upper) };
    Some(Bounds { lower: Some(lower), upper: Some(upper) })
}

/// The first of ordered amounts by which `k` subjects have been met.
fn reached<'a>(mut ordered: impl Iterator<Item = &'a (f64, &'a str)>, k: usize) -> Option<f64> {
    let mut seen = std::collections::HashSet::new();
    ordered.find(|(_, subject)| seen.insert(*subject) && seen.len() >= k).map(|it| it.0)
}

/// The greatest number of one significant digit that is not above.
fn one_digit_below(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powi(exponent(value));
    // Of 1,000 the quotient may come out as 0.999...: what is nearly whole is whole.
    let steps = value / unit;
    let near = steps.round();
    if (steps - near).abs() < 1e-9 { near * unit } else { steps.floor() * unit }
}

/// Amounts rounded, each by itself.
pub(super) fn round(
    array: &ArrayRef,
    blur: Blur,
    bounds: Bounds,
    column: &str,
) -> Result<ArrayRef, MaskingError> {
    check(blur, column)?;
    let rounded = move |value: f64| match blur {
        Blur::Digits { digits } => significant(value, digits),
        Blur::Step { step } => (value / step).round() * step,
        Blur::Noise { .. } => value,
    };
    each(array, column, |_, value| Some(bounds.within(rounded(value))))
}

/// Amounts changed by chance, which is the subject's and the value's.
pub(super) fn noise(
    array: &ArrayRef,
    subject: &StringArray,
    percent: u8,
    bounds: Bounds,
    tokens: &Tokens,
    column: &str,
) -> Result<ArrayRef, MaskingError> {
    check(Blur::Noise { percent }, column)?;
    if subject.len() != array.len() {
        return Err(MaskingError::Length);
    }
    let most = f64::from(percent) / 100.0;
    each(array, column, |row, value| {
        if subject.is_null(row) {
            return None;
        }
        let parts: [&[u8]; 3] =
            [column.as_bytes(), subject.value(row).as_bytes(), &value.to_bits().to_be_bytes()];
        let by = (tokens.of_parts(&parts).unit() * 2.0 - 1.0) * most;
        Some(bounds.within(significant(value * (1.0 + by), 2)))
    })
}

fn check(blur: Blur, column: &str) -> Result<(), MaskingError> {
    let wrong = |reason| Err(MaskingError::Parameter { column: column.to_owned(), reason });
    match blur {
        Blur::Digits { digits: 0 } => wrong("an amount keeps at least one digit"),
        Blur::Step { step } if !step.is_finite() || step <= 0.0 => wrong("a step is above zero"),
        Blur::Noise { percent } if percent == 0 || percent > 100 => {
            wrong("an amount is changed by 1 to 100 percent")
        }
        Blur::Digits { .. } | Blur::Step { .. } | Blur::Noise { .. } => Ok(()),
    }
}

/// The number with so many digits that say something.
pub(crate) fn significant(value: f64, digits: u8) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let places = i32::from(digits) - 1 - exponent(value);
    // Powers of ten are exact up to 10^22, so dividing by one rounds once.
    if places >= 0 {
        let scale = 10_f64.powi(places);
        (value * scale).round() / scale
    } else {
        let scale = 10_f64.powi(-places);
        (value / scale).round() * scale
    }
}

/// The place of the first digit of a number other than nought: 0 for units.
#[expect(clippy::cast_possible_truncation, reason = "an exponent of a float is below 400")]
fn exponent(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// Every number, in units of the column, becomes what `of` makes of it; the type stays.
fn each(
    array: &ArrayRef,
    column: &str,
    of: impl Fn(usize, f64) -> Option<f64>,
) -> Result<ArrayRef, MaskingError> {
    match array.data_type() {
        DataType::Int64 => {
            let from = array.as_primitive::<Int64Type>();
            let to: Int64Array = from
                .iter()
                .enumerate()
                .map(|(row, value)| value.and_then(|value| whole(of(row, floating(value)))))
                .collect();
            Ok(Arc::new(to))
        }
        DataType::Float64 => {
            let from = array.as_primitive::<Float64Type>();
            let to: Float64Array = from
                .iter()
                .enumerate()
                .map(|(row, value)| value.and_then(|value| of(row, value)))
                .collect();
            Ok(Arc::new(to))
        }
        DataType::Decimal128(precision, scale) => {
            let unit = 10_f64.powi(i32::from(*scale));
            let from = array.as_primitive::<Decimal128Type>();
            let to: Decimal128Array = from
                .iter()
                .enumerate()
                .map(|(row, value)| {
                    let value = i64::try_from(value?).ok()?;
                    let masked = of(row, floating(value) / unit)?;
                    whole(Some(masked * unit)).map(i128::from)
                })
                .collect();
            let to = to.with_precision_and_scale(*precision, *scale);
            to.map(|to| Arc::new(to) as ArrayRef).map_err(|_| wrong(array, column))
        }
        kind if kind.is_integer() => {
            let wide = cast(array, &DataType::Int64).map_err(|_| wrong(array, column))?;
            each(&wide, column, of)
        }
        kind if kind.is_floating() => {
            let wide = cast(array, &DataType::Float64).map_err(|_| wrong(array, column))?;
            each(&wide, column, of)
        }
        _other => Err(wrong(array, column)),
    }
}

fn wrong(array: &ArrayRef, column: &str) -> MaskingError {
    MaskingError::WrongType {
        column: column.to_owned(),
        found: array.data_type().to_string(),
        wanted: "an amount",
    }
}

#[expect(clippy::cast_precision_loss, reason = "an amount that is blurred needs no 17th digit")]
fn floating(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "what is too great is not shown")]
fn whole(value: Option<f64>) -> Option<i64> {
    value.map(f64::round).filter(|value| value.abs() < 9.2e18).map(|value| value as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Kind, MaskingKey, Scope};

    fn numbers(array: &ArrayRef) -> Vec<i64> {
        array.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn amounts_are_rounded_and_brought_within_bounds() {
        let from: ArrayRef = Arc::new(Int64Array::from(vec![876_543, -149, 0, 95, 1]));
        let round = |blur, bounds| numbers(&round(&from, blur, bounds, "income").unwrap());
        let open = Bounds::default();
        assert_eq!(round(Blur::Digits { digits: 1 }, open), [900_000, -100, 0, 100, 1]);
        assert_eq!(round(Blur::Digits { digits: 2 }, open), [880_000, -150, 0, 95, 1]);
        assert_eq!(round(Blur::Step { step: 500.0 }, open), [876_500, 0, 0, 0, 0]);
        let bounds = Bounds { lower: Some(0.0), upper: Some(1000.0) };
        assert_eq!(round(Blur::Digits { digits: 1 }, bounds), [1000, 0, 0, 100, 1]);
    }

    #[test]
    fn cents_are_kept_as_such_and_figures_without_sense_refused() {
        let from = Decimal128Array::from(vec![Some(123_456), None]);
        let from: ArrayRef = Arc::new(from.with_precision_and_scale(18, 2).unwrap());
        let it = round(&from, Blur::Digits { digits: 2 }, Bounds::default(), "x").unwrap();
        assert_eq!(it.data_type(), &DataType::Decimal128(18, 2));
        assert_eq!(it.as_primitive::<Decimal128Type>().value(0), 120_000);
        assert!(it.is_null(1));
        for blur in [Blur::Digits { digits: 0 }, Blur::Step { step: 0.0 }] {
            assert!(round(&from, blur, Bounds::default(), "x").is_err());
        }
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
        assert!(round(&text, Blur::Digits { digits: 1 }, Bounds::default(), "x").is_err());
    }

    #[test]
    fn who_has_most_does_not_stand_out() {
        let amounts: ArrayRef = Arc::new(Int64Array::from(vec![9, 9, 8, 7, 6, 1, 2, 3]));
        // The two greatest amounts are of one person.
        let subjects = StringArray::from(vec!["a", "a", "b", "c", "d", "e", "f", "g"]);
        let bounds = ends(&amounts, &subjects, 3).unwrap();
        assert_eq!(bounds, Bounds { lower: Some(3.0), upper: Some(7.0) });
        assert_eq!(ends(&amounts, &subjects, 8), None);
        let amounts: ArrayRef = Arc::new(Int64Array::from(vec![-55, -44, 876_543, 123_456]));
        let subjects = StringArray::from(vec!["a", "b", "c", "d"]);
        let bounds = ends(&amounts, &subjects, 2).unwrap();
        assert_eq!(bounds, Bounds { lower: Some(-40.0), upper: Some(100_000.0) });
    }

    proptest! {
        #[test]
        fn noise_is_bounded_and_the_same_when_asked_again(
            values in prop::collection::vec(1_i64..10_000_000, 1..50), percent in 1_u8..=100
        ) {
            let key = MaskingKey::derive(b"s", Scope { agreement: "a", family: "f" });
            let from: ArrayRef = Arc::new(Int64Array::from(values.clone()));
            let subjects = StringArray::from_iter_values((0..values.len()).map(|n| n.to_string()));
            let tokens = key.tokens(Kind::Amount);
            let make = || noise(&from, &subjects, percent, Bounds::default(), &tokens, "x").unwrap();
            let it = numbers(&make());
            prop_assert_eq!(&it, &numbers(&make()));
            for (to, from) in it.iter().zip(&values) {
                let most = floating(*from) * (f64::from(percent) / 100.0);
                // Rounding to two digits adds at most half of the second one.
                let most = most + (floating(*from) + most) * 0.05 + 1.0;
                prop_assert!((floating(*to) - floating(*from)).abs() <= most, "{} {}", to, from);
            }
        }
    }
}
