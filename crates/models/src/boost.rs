//! Gradient-boosted trees whose leaves hold k distinct subjects each.
//!
//! Second-order boosting (Friedman 2001; Chen and Guestrin 2016, eq. 5 to 7) on thresholds that were
//! chosen before ([`crate::spread`]), so that a tree cannot split at a value of somebody's. A split
//! is taken only if both sides have enough distinct subjects: a subject's many rows are no crowd.

use std::collections::HashSet;

use crate::{
    Body, Node, Tree,
    design::Rows,
    number::{logistic, mean, round_to},
};

/// The penalty on squared values of leaves.
const PENALTY: f64 = 1.0;

/// What a split must gain.
const LEAST_GAIN: f64 = 1e-9;

pub(crate) struct Boost {
    pub(crate) rounds: u32,
    pub(crate) depth: u32,
    pub(crate) rate: f64,
    pub(crate) leaf_subjects: usize,
    pub(crate) is_probability: bool,
    pub(crate) digits: usize,
}

/// Rows by the bin of each input: how many thresholds its value is not below.
struct Binned<'a> {
    /// One list of bins for each input.
    bins: Vec<Vec<u16>>,
    thresholds: &'a [Vec<f64>],
    subjects: &'a [u64],
    /// Gradient and curvature of the loss at the present score, for each row.
    slopes: Vec<(f64, f64)>,
}

#[derive(Clone, Copy)]
struct Split {
    input: usize,
    bin: u16,
    threshold: f64,
    gain: f64,
}

/// Sums over rows: gradient, curvature, rows.
#[derive(Clone, Copy, Default)]
struct Sums {
    gradient: f64,
    curvature: f64,
    rows: usize,
}

impl Sums {
    fn add(&mut self, (gradient, curvature): (f64, f64), rows: usize) {
        self.gradient += gradient;
        self.curvature += curvature;
        self.rows += rows;
    }

    fn worth(self) -> f64 {
        self.gradient * self.gradient / (self.curvature + PENALTY)
    }

    fn without(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            rows: self.rows - other.rows,
        }
    }
}

/// Trains trees. The same rows in the same order give the same trees. Where it `is_over`, fewer trees
/// come back: the caller asks again.
pub(crate) fn boost(
    rows: &Rows,
    thresholds: &[Vec<f64>],
    settings: &Boost,
    is_over: &dyn Fn() -> bool,
) -> Body {
    let share = mean(rows.targets.iter().copied());
    let base = if settings.is_probability {
        let share = share.clamp(1e-6, 1.0 - 1e-6);
        round_to((share / (1.0 - share)).ln(), settings.digits)
    } else {
        round_to(share, settings.digits)
    };
    let bins = thresholds.iter().enumerate().map(|(input, cuts)| {
        let bin = |value: f64| u16::try_from(cuts.partition_point(|cut| *cut <= value));
        rows.input(input).into_iter().map(|value| bin(value).unwrap_or(u16::MAX)).collect()
    });
    let bins = bins.collect();
    let mut binned = Binned { bins, thresholds, subjects: &rows.subjects, slopes: vec![] };
    let mut scores = vec![base; rows.len()];
    let mut trees = vec![];
    for _ in 0..settings.rounds {
        if is_over() {
            break;
        }
        binned.slopes = scores
            .iter()
            .zip(&rows.targets)
            .map(|(score, target)| {
                if settings.is_probability {
                    let probability = logistic(*score);
                    (probability - target, (probability * (1.0 - probability)).max(1e-9))
                } else {
                    (score - target, 1.0)
                }
            })
            .collect();
        let mut tree = Tree { nodes: vec![] };
        binned.grow(&mut tree, (0..rows.len()).collect(), settings.depth, settings);
        if tree.nodes.len() < 2 {
            break;
        }
        for (score, row) in scores.iter_mut().zip(&rows.inputs) {
            *score += tree.leaf(row).map_or(0.0, |(_, value)| value);
        }
        trees.push(tree);
    }
    Body::Trees { base, trees }
}

impl Binned<'_> {
    /// Adds the subtree of these rows and returns the number of its root.
    fn grow(&self, tree: &mut Tree, rows: Vec<usize>, depth: u32, settings: &Boost) -> usize {
        let number = tree.nodes.len();
        let total = self.total(&rows);
        let value = -settings.rate * total.gradient / (total.curvature + PENALTY);
        tree.nodes.push(Node::Leaf { value: round_to(value, settings.digits) });
        if depth == 0 {
            return number;
        }
        let Some((split, low, high)) = self.best(&rows, total, settings) else { return number };
        drop(rows);
        let left = self.grow(tree, low, depth - 1, settings);
        let right = self.grow(tree, high, depth - 1, settings);
        if let Some(node) = tree.nodes.get_mut(number) {
            let Split { input, threshold, .. } = split;
            *node = Node::Split { input, threshold, left, right };
        }
        number
    }

    fn total(&self, rows: &[usize]) -> Sums {
        let mut total = Sums::default();
        for slope in rows.iter().filter_map(|row| self.slopes.get(*row)) {
            total.add(*slope, 1);
        }
        total
    }

    /// The split that gains most among those that leave enough subjects on both sides.
    fn best(
        &self,
        rows: &[usize],
        total: Sums,
        settings: &Boost,
    ) -> Option<(Split, Vec<usize>, Vec<usize>)> {
        let mut splits = self.splits(rows, total, settings.leaf_subjects);
        splits.sort_by(|a, b| {
            b.gain.total_cmp(&a.gain).then(a.input.cmp(&b.input)).then(a.bin.cmp(&b.bin))
        });
        splits.into_iter().find_map(|split| {
            let bins = self.bins.get(split.input)?;
            let (low, high): (Vec<usize>, Vec<usize>) =
                rows.iter().partition(|row| bins.get(**row).is_some_and(|bin| *bin <= split.bin));
            let is_enough = [&low, &high].iter().all(|side| self.has(side, settings.leaf_subjects));
            is_enough.then_some((split, low, high))
        })
    }

    /// Every split with rows enough. Rows bound subjects, which are counted later, for few splits.
    fn splits(&self, rows: &[usize], total: Sums, least: usize) -> Vec<Split> {
        let mut splits = vec![];
        for (input, (bins, cuts)) in self.bins.iter().zip(self.thresholds).enumerate() {
            let mut sums = vec![Sums::default(); cuts.len() + 1];
            for row in rows {
                let (Some(bin), Some(slope)) = (bins.get(*row), self.slopes.get(*row)) else {
                    continue;
                };
                if let Some(sum) = sums.get_mut(usize::from(*bin)) {
                    sum.add(*slope, 1);
                }
            }
            let mut below = Sums::default();
            for ((bin, sum), threshold) in (0u16..).zip(sums).zip(cuts) {
                below.add((sum.gradient, sum.curvature), sum.rows);
                let above = total.without(below);
                let gain = below.worth() + above.worth() - total.worth();
                if below.rows >= least && above.rows >= least && gain > LEAST_GAIN {
                    splits.push(Split { input, bin, threshold: *threshold, gain });
                }
            }
        }
        splits
    }

    /// Whether at least so many distinct subjects are in these rows.
    fn has(&self, rows: &[usize], least: usize) -> bool {
        let mut seen: HashSet<u64> = HashSet::new();
        rows.iter().any(|row| {
            seen.extend(self.subjects.get(*row));
            seen.len() >= least
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Boost {
        Boost { rounds: 1, depth: 3, rate: 1.0, leaf_subjects: 5, is_probability: false, digits: 6 }
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let rows = Rows {
            inputs: (0..100).map(|row| vec![f64::from(row)]).collect(),
            targets: (0..100).map(|row| if row < 40 { 0.0 } else { 10.0 }).collect(),
            subjects: (0..100).collect(),
        };
        let thresholds = [vec![20.0, 40.0, 60.0]];
        let Body::Trees { trees, .. } = boost(&rows, &thresholds, &settings(), &|| false) else {
            panic!()
        };
        assert!(matches!(trees[0].nodes[0], Node::Split { threshold: 40.0, .. }));
    }

    #[test]
    fn one_subjects_many_rows_do_not_make_a_leaf() {
        // Forty rows below the step are all of one subject.
        let rows = Rows {
            inputs: (0..100).map(|row| vec![f64::from(row)]).collect(),
            targets: (0..100).map(|row| if row < 40 { 0.0 } else { 10.0 }).collect(),
            subjects: (0..100).map(|row| if row < 40 { 0 } else { row }).collect(),
        };
        let Body::Trees { trees, .. } = boost(&rows, &[vec![40.0]], &settings(), &|| false) else {
            panic!()
        };
        assert!(trees.is_empty());
    }
}
