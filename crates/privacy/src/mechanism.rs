//! OpenDP's discrete Gaussian (Canonne, Kamath and Steinke 2020) on whole numbers.

use std::collections::HashMap;

use opendp::{
    core::Measurement,
    domains::{AtomDomain, MapDomain, VectorDomain},
    measurements::{make_gaussian, make_gaussian_threshold},
    measures::{Approximate, ZeroConcentratedDivergence},
    metrics::{AbsoluteDistance, L2Distance, L02InfDistance},
};

use crate::{Cost, PrivacyError};

type Totals = VectorDomain<AtomDomain<i128>>;
type Noised = Measurement<Totals, L2Distance<f64>, ZeroConcentratedDivergence, Vec<i128>>;
type Keyed = MapDomain<AtomDomain<u32>, AtomDomain<i128>>;
type Thresholded = Measurement<
    Keyed,
    L02InfDistance<AbsoluteDistance<f64>>,
    Approximate<ZeroConcentratedDivergence>,
    HashMap<u32, i128>,
>;

/// By how much one subject can change a column of totals: in how many groups at most, and by how
/// much at most in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sensitivity {
    pub(crate) groups: u32,
    pub(crate) each: u64,
}

/// Sensitivities beyond this are not exact as the library's distances.
const MOST: u64 = 1 << 52;
/// Scales are multiples of this, so that the library's rational arithmetic stays small.
const GRAIN: f64 = 1.0 / 256.0;
/// Thresholds beyond this are none.
const MOST_THRESHOLD: i128 = 1 << 100;

impl Sensitivity {
    /// The greatest change of one total.
    #[expect(clippy::cast_precision_loss, reason = "checked to be within exact numbers")]
    fn most(self) -> Result<f64, PrivacyError> {
        let usable = self.groups > 0 && (1..=MOST).contains(&self.each);
        if usable { Ok(self.each as f64) } else { Err(PrivacyError::Bounds) }
    }

    /// The length of the greatest change of all totals, rounded up.
    fn length(self) -> Result<f64, PrivacyError> {
        let each = self.most()?;
        if self.groups == 1 {
            return Ok(each);
        }
        Ok((f64::from(self.groups).sqrt().next_up() * each).next_up())
    }
}

fn noised(scale: f64) -> Result<Noised, PrivacyError> {
    make_gaussian(VectorDomain::new(AtomDomain::default()), L2Distance::default(), scale, None)
        .map_err(|_| PrivacyError::Mechanism)
}

fn thresholded(scale: f64, threshold: i128) -> Result<Thresholded, PrivacyError> {
    let domain = MapDomain::new(AtomDomain::default(), AtomDomain::default());
    make_gaussian_threshold(domain, L02InfDistance::default(), scale, threshold, None)
        .map_err(|_| PrivacyError::Mechanism)
}

/// The least standard deviation of noise whose cost is within ρ.
pub(crate) fn scale_for(sensitivity: Sensitivity, rho_nano: u64) -> Result<f64, PrivacyError> {
    let length = sensitivity.length()?;
    let rho = Cost { rho_nano, delta_atto: 0 }.rho();
    let scale = length / (2.0 * rho).sqrt();
    if !(scale.is_finite() && scale < 1e30) {
        return Err(PrivacyError::TooLittle);
    }
    let mut scale = (scale / GRAIN).ceil().max(1.0) * GRAIN;
    // The formula rounds; the library decides.
    for _ in 0..8 {
        if cost(sensitivity, scale)?.rho_nano <= rho_nano {
            return Ok(scale);
        }
        scale = (scale + GRAIN).max(scale.next_up());
    }
    Err(PrivacyError::TooLittle)
}

/// What noise of this scale costs, by the library's privacy map.
pub(crate) fn cost(sensitivity: Sensitivity, scale: f64) -> Result<Cost, PrivacyError> {
    let rho = noised(scale)?.map(&sensitivity.length()?).map_err(|_| PrivacyError::Mechanism)?;
    Cost::of(rho, 0.0)
}

/// What a threshold costs together with its noise, by the library's privacy map.
pub(crate) fn cost_with_threshold(
    sensitivity: Sensitivity,
    scale: f64,
    threshold: i128,
) -> Result<Cost, PrivacyError> {
    let distance = (sensitivity.groups, sensitivity.length()?, sensitivity.most()?);
    let (rho, delta) =
        thresholded(scale, threshold)?.map(&distance).map_err(|_| PrivacyError::Mechanism)?;
    Cost::of(rho, delta)
}

/// The least threshold at which the keys of one subject are shown with no more than this chance.
pub(crate) fn threshold_for(
    sensitivity: Sensitivity,
    scale: f64,
    delta_atto: u64,
) -> Result<i128, PrivacyError> {
    let is_enough = |threshold: i128| -> Result<bool, PrivacyError> {
        Ok(cost_with_threshold(sensitivity, scale, threshold)?.delta_atto <= delta_atto)
    };
    let mut small = i128::from(sensitivity.each);
    let mut large = small + 1;
    while !is_enough(large)? {
        if large >= MOST_THRESHOLD {
            return Err(PrivacyError::TooLittle);
        }
        (small, large) = (large, large * 2);
    }
    while large - small > 1 {
        let middle = small + (large - small) / 2;
        if is_enough(middle)? { large = middle } else { small = middle }
    }
    Ok(large)
}

/// Adds noise to each of some totals.
pub(crate) fn add_noise(scale: f64, totals: &Vec<i128>) -> Result<Vec<i128>, PrivacyError> {
    noised(scale)?.invoke(totals).map_err(|_| PrivacyError::Mechanism)
}

/// Adds noise to the totals of keys, and leaves out those that then are below the threshold.
pub(crate) fn add_noise_above(
    scale: f64,
    threshold: i128,
    totals: &HashMap<u32, i128>,
) -> Result<HashMap<u32, i128>, PrivacyError> {
    thresholded(scale, threshold)?.invoke(totals).map_err(|_| PrivacyError::Mechanism)
}

/// How far from the truth 19 of 20 figures are at most.
pub(crate) fn error_95(scale: f64) -> Result<f64, PrivacyError> {
    let width = opendp::accuracy::gaussian_scale_to_accuracy::<f64>(scale, 0.05)
        .map_err(|_| PrivacyError::Mechanism)?;
    // The discrete distribution is no wider than the next whole number.
    Ok(width.ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Sensitivity = Sensitivity { groups: 1, each: 1 };

    #[test]
    fn the_charge_is_the_librarys_figure_and_within_the_budget() {
        for (groups, each, rho_nano) in
            [(1, 1, 1_000), (1, 1, 500_000_000), (7, 1, 20_000), (3, 250_000, 100_000), (12, 40, 9)]
        {
            let sensitivity = Sensitivity { groups, each };
            let scale = scale_for(sensitivity, rho_nano).unwrap();
            let charged = cost(sensitivity, scale).unwrap();
            let length = f64::from(groups).sqrt() * f64::from(u32::try_from(each).unwrap());
            let rho = length * length / (2.0 * scale * scale);
            assert!(charged.rho_nano <= rho_nano, "{charged:?}");
            assert!(charged.rho() >= rho * (1.0 - 1e-12), "{charged:?} {rho}");
            assert!(charged.rho() <= rho * (1.0 + 1e-6) + 1e-9, "{charged:?} {rho}");
            // Less noise would cost more than there is.
            let less = scale - 2.0 * GRAIN;
            assert!(less <= 0.0 || cost(sensitivity, less).unwrap().rho_nano > rho_nano);
        }
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        for sensitivity in [
            Sensitivity { groups: 0, each: 1 },
            Sensitivity { groups: 1, each: 0 },
            Sensitivity { groups: 1, each: MOST + 1 },
        ] {
            assert_eq!(scale_for(sensitivity, 1_000), Err(PrivacyError::Bounds));
        }
        assert_eq!(scale_for(ONE, 0), Err(PrivacyError::TooLittle));
    }

    /// The exact probabilities of the discrete Gaussian, for |x| up to `most`.
    fn probabilities(scale: f64, most: i32) -> Vec<f64> {
        let weight = |x: i32| (-f64::from(x).powi(2) / (2.0 * scale * scale)).exp();
        let all: f64 = (-400..=400).map(weight).sum();
        (-most..=most).map(|x| weight(x) / all).collect()
    }

    #[test]
    fn noise_is_distributed_as_the_formula_says() {
        // The library draws from the operating system, so the bounds are such that a fault of this
        // test by chance is rarer than 1 in 10⁹: the 1 - 10⁻⁹ quantile of χ² with d degrees is
        // below d + 2·√(d·20.8) + 2·20.8 (Laurent and Massart 2000).
        let draws = 20_000_u32;
        for scale in [0.5, 3.0, 8.25] {
            let totals = vec![1_000_i128; draws as usize];
            let noised = add_noise(scale, &totals).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "a test's few")]
            let most = (scale * 2.5).ceil() as i32;
            let expected = probabilities(scale, most);
            let mut seen = vec![0_u32; expected.len()];
            let (mut sum, mut below) = (0_i128, 0_u32);
            for value in &noised {
                let noise = value - 1_000;
                sum += noise;
                below += u32::from(noise < 0);
                if let Ok(place) = usize::try_from(noise + i128::from(most))
                    && let Some(seen) = seen.get_mut(place)
                {
                    *seen += 1;
                }
            }
            let statistic: f64 = expected
                .iter()
                .zip(&seen)
                .map(|(share, seen)| {
                    let expected = share * f64::from(draws);
                    (f64::from(*seen) - expected).powi(2) / expected
                })
                .sum();
            let degrees = f64::from(u32::try_from(expected.len()).unwrap());
            let bound = degrees + 2.0 * (degrees * 20.8).sqrt() + 41.6;
            assert!(statistic < bound, "{statistic} of {bound} at {scale}");
            // Unbiased: 6.2 standard errors.
            let error = scale * f64::from(draws).sqrt() * 6.2;
            assert!(f64::from(i32::try_from(sum).unwrap()).abs() < error, "{sum} at {scale}");
            let half = (1.0 - expected[expected.len() / 2]) / 2.0 * f64::from(draws);
            assert!((f64::from(below) - half).abs() < 6.2 * (f64::from(draws) / 4.0).sqrt());
        }
    }

    #[test]
    fn a_key_of_one_subject_is_not_shown_beyond_delta() {
        for (groups, rho_nano, delta) in [(1, 10_000_000, 1e-3), (4, 2_000_000, 1e-3)] {
            let sensitivity = Sensitivity { groups, each: 1 };
            let scale = scale_for(sensitivity, rho_nano).unwrap();
            let atto = Cost::of(0.0, delta).unwrap().delta_atto;
            let threshold = threshold_for(sensitivity, scale, atto).unwrap();
            assert!(cost_with_threshold(sensitivity, scale, threshold).unwrap().delta_atto <= atto);
            assert!(
                cost_with_threshold(sensitivity, scale, threshold - 1).unwrap().delta_atto > atto
            );
            // So many subjects with keys of their own: each is shown with the chance δ at most,
            // so the number shown is below 20·δ·n + 30 but for 1 in 10⁹ (Chernoff).
            let subjects = 20_000_u32;
            let alone: HashMap<u32, i128> = (0..subjects * groups).map(|key| (key, 1)).collect();
            let shown = add_noise_above(scale, threshold, &alone).unwrap();
            let whose: std::collections::BTreeSet<u32> =
                shown.keys().map(|key| key / groups).collect();
            let most =
                f64::from(subjects) * delta + 6.2 * (f64::from(subjects) * delta).sqrt() + 6.2;
            let whose = f64::from(u32::try_from(whose.len()).unwrap());
            assert!(whose < most, "{whose} of {most}");
            // A large group is shown.
            let large = HashMap::from([(0, threshold + 100 * i128::from(groups) * 10)]);
            assert_eq!(add_noise_above(scale, threshold, &large).unwrap().len(), 1);
        }
    }

    #[test]
    fn the_promised_error_is_kept_in_19_of_20_cases() {
        let scale = scale_for(ONE, 5_000).unwrap();
        let error = error_95(scale).unwrap();
        let draws = 20_000;
        let noised = add_noise(scale, &vec![0; draws]).unwrap();
        let is_within = |noise: &&i128| f64::from(i32::try_from(**noise).unwrap()).abs() <= error;
        let within = noised.iter().filter(is_within).count();
        // 95% of 20,000 with a standard deviation of 31; the width is rounded up.
        assert!((19_000 - 200..19_400).contains(&within), "{within}");
    }
}
