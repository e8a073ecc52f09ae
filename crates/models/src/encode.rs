//! From one column to inputs, each of which has k subjects on either side.

use std::collections::{HashMap, HashSet};

use crate::{
    Feature, Input, Rules,
    design::{Design, training_spread},
    number::{deviation, mean, round_to},
};

/// Thresholds at most that trees may choose from, for each number.
const THRESHOLDS: usize = 32;

/// Digits of centres and scales.
const COARSE: usize = 3;

/// Gives a column of numbers one input, or none where all but fewer than k subjects have one value.
pub(crate) fn encode_number(
    design: &mut Design,
    rows: &mut [Vec<f64>],
    feature: &Feature,
    values: &[f64],
    subjects: &[u64],
    is_training: &[bool],
    rules: &Rules,
) {
    let (k, digits) = (rules.k(), rules.digits());
    let spread = training_spread(values, subjects, is_training);
    let Some((low, high)) = spread.limits(k, digits) else { return };
    let limited: Vec<f64> = values.iter().map(|value| value.clamp(low, high)).collect();
    let trained: Vec<f64> =
        limited.iter().zip(is_training).filter(|(_, t)| **t).map(|(v, _)| *v).collect();
    let scale = round_to(deviation(&trained), COARSE);
    if scale <= 0.0 {
        return;
    }
    let centre = round_to(mean(trained.iter().copied()), COARSE);
    for (row, value) in rows.iter_mut().zip(limited) {
        row.push(value);
    }
    let inside = |at: &f64| *at > low && *at <= high;
    let mut thresholds = spread.thresholds(THRESHOLDS, k, digits);
    thresholds.retain(inside);
    design.inputs.push(Input::Number { column: feature.column.clone(), low, high, centre, scale });
    design.thresholds.push(thresholds);
}

/// A column of codes on its way to indicators.
pub(crate) struct CodeColumn<'a> {
    pub(crate) feature: &'a Feature,
    pub(crate) codes: &'a [String],
    /// For each row the place of its code in the list.
    pub(crate) places: &'a [usize],
    pub(crate) subjects: &'a [u64],
}

impl CodeColumn<'_> {
    /// Gives each code with k subjects on either side an input, the most frequent excepted, and one
    /// to the rest together if these are as many.
    pub(crate) fn encode(
        &self,
        design: &mut Design,
        rows: &mut [Vec<f64>],
        is_training: &[bool],
        rules: &Rules,
    ) {
        // For each subject trained on, the codes of its rows.
        let mut held: HashMap<u64, HashSet<usize>> = HashMap::new();
        for ((place, subject), is_training) in
            self.places.iter().zip(self.subjects).zip(is_training)
        {
            if *is_training {
                held.entry(*subject).or_default().insert(*place);
            }
        }
        let mut within = vec![0; self.codes.len()];
        let mut nothing_else = vec![0; self.codes.len()];
        for places in held.values() {
            for place in places {
                if let (Some(with), Some(alone)) =
                    (within.get_mut(*place), nothing_else.get_mut(*place))
                {
                    *with += 1;
                    *alone += usize::from(places.len() == 1);
                }
            }
        }
        let k = rules.k();
        let counts: Vec<(usize, usize)> = within
            .into_iter()
            .zip(nothing_else)
            .enumerate()
            .filter(|(_, (within, alone))| *within >= k && held.len() - alone >= k)
            .map(|(place, (within, _))| (place, within))
            .collect();
        let kept: HashSet<usize> = counts.iter().map(|(place, _)| *place).collect();
        design.collapsed += self.codes.len() - kept.len();
        let reference = counts.iter().max_by_key(|(place, count)| (*count, usize::MAX - place));
        let reference = reference.map(|(place, _)| *place);

        let column = &self.feature.column;
        for (place, code) in self.codes.iter().enumerate() {
            if kept.contains(&place) && Some(place) != reference {
                let (column, code) = (column.clone(), code.clone());
                design.inputs.push(Input::Code { column, code });
                design.thresholds.push(vec![0.5]);
                for (row, at) in rows.iter_mut().zip(self.places) {
                    row.push(f64::from(*at == place));
                }
            }
        }
        let in_rest = |is_in: bool| {
            let is_so =
                |places: &&HashSet<usize>| places.iter().any(|place| kept.contains(place) != is_in);
            held.values().filter(is_so).count()
        };
        if in_rest(true) >= k && in_rest(false) >= k {
            let all = self.codes.iter().enumerate();
            let but = all.filter(|(place, _)| kept.contains(place)).map(|(_, code)| code.clone());
            design.inputs.push(Input::Rest { column: column.clone(), but: but.collect() });
            design.thresholds.push(vec![0.5]);
            for (row, at) in rows.iter_mut().zip(self.places) {
                row.push(f64::from(!kept.contains(at)));
            }
        }
    }
}
