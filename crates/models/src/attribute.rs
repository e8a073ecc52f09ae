//! Can a sensitive feature of a subject be guessed from the model?
//!
//! The attacker knows everything else of a subject, the target too, tries each value and takes the one
//! under which the target is likeliest (Fredrikson et al. 2014). What it gains over the most frequent
//! value is knowledge about people in general; what it gains of those trained on beyond others is the
//! model's memory of them.

use crate::{
    Body, Check, Feature, Input, Model, Output, Rules, Verdict,
    check::against,
    design::{Design, Rows},
    number::{log_loss, mean, real, wilson},
};

/// Standard errors of a one-sided bound at 95%.
const Z: f64 = 1.645;

/// Bands into which a sensitive number is cut.
const BANDS: usize = 4;

/// One check for each sensitive feature that has inputs.
pub(crate) fn attributes(
    model: &Model,
    design: &Design,
    features: &[Feature],
    rules: &Rules,
) -> Vec<Check> {
    let sensitive = features.iter().filter(|feature| feature.sensitive);
    let attacked = sensitive.filter_map(|feature| {
        let attack = Attack::on(&feature.column, model, design)?;
        Some(attack.judge(&feature.column, design, rules))
    });
    attacked.collect()
}

/// One guess at a feature: what its inputs would be, and its share of those trained on.
struct Guess {
    values: Vec<(usize, f64)>,
    log_share: f64,
}

struct Attack<'a> {
    model: &'a Model,
    /// The inputs that are made from the feature.
    inputs: Vec<usize>,
    /// Cuts between bands, of a number.
    cuts: Vec<f64>,
    guesses: Vec<Guess>,
    /// The variance of what a model of numbers is wrong by.
    variance: f64,
}

impl<'a> Attack<'a> {
    fn on(column: &str, model: &'a Model, design: &Design) -> Option<Self> {
        let all = model.inputs.iter().enumerate();
        let own: Vec<(usize, &Input)> = all.filter(|(_, input)| input.column() == column).collect();
        let inputs: Vec<usize> = own.iter().map(|(number, _)| *number).collect();
        let number = *inputs.first()?;
        let (mut cuts, mut candidates) = (vec![], vec![]);
        if let Some((_, Input::Number { low, high, .. })) = own.first() {
            let thresholds = design.thresholds.get(number)?;
            cuts = (1..BANDS)
                .filter_map(|part| thresholds.get(thresholds.len() * part / BANDS).copied())
                .collect();
            cuts.dedup();
            let ends: Vec<f64> =
                std::iter::once(*low).chain(cuts.iter().copied()).chain([*high]).collect();
            for (from, to) in ends.iter().zip(ends.iter().skip(1)) {
                candidates.push(vec![(number, f64::midpoint(*from, *to))]);
            }
        } else {
            // The code without an input of its own, then each that has one.
            let ones = std::iter::once(None).chain(inputs.iter().copied().map(Some));
            for one in ones {
                let value = |input: &usize| (*input, f64::from(Some(*input) == one));
                candidates.push(inputs.iter().map(value).collect());
            }
        }
        let variance = mean(design.training.iter().map(|(row, target, _)| model.loss(row, target)));
        let mut attack =
            Self { model, inputs, cuts, guesses: vec![], variance: variance.max(1e-12) };
        let truths: Vec<usize> =
            design.training.iter().map(|(row, _, _)| attack.truth(row)).collect();
        attack.guesses = candidates
            .into_iter()
            .enumerate()
            .map(|(number, values)| {
                let held = truths.iter().filter(|truth| **truth == number).count();
                Guess { values, log_share: (real(held + 1) / real(truths.len() + 1)).ln() }
            })
            .collect();
        Some(attack)
    }

    /// The number of the guess that is right.
    fn truth(&self, row: &[f64]) -> usize {
        let own = self.inputs.iter().filter_map(|input| row.get(*input));
        if self.cuts.is_empty() {
            own.into_iter().position(|value| *value > 0.5).map_or(0, |at| at + 1)
        } else {
            let value = own.into_iter().next().copied().unwrap_or_default();
            self.cuts.partition_point(|cut| *cut <= value)
        }
    }

    /// The likeliest guess, the more frequent of two that are equal.
    fn guess(&self, row: &[f64], target: f64) -> usize {
        let seen = self.model.predict(row);
        let mut best = (0, f64::NEG_INFINITY);
        for (number, guess) in self.guesses.iter().enumerate() {
            let mut tried = row.to_vec();
            for (input, value) in &guess.values {
                if let Some(at) = tried.get_mut(*input) {
                    *at = *value;
                }
            }
            let likelihood = guess.log_share + self.log_likelihood(&tried, target, seen);
            if likelihood > best.1 {
                best = (number, likelihood);
            }
        }
        best.0
    }

    fn log_likelihood(&self, tried: &[f64], target: f64, seen: f64) -> f64 {
        match (&self.model.output, &self.model.body) {
            (Output::Code { .. }, _) => -log_loss(self.model.score(tried), target > 0.5),
            (Output::Cluster, _) | (_, Body::Clusters { .. }) => {
                // Whoever asks was told the cluster of the subject.
                let is_same = (self.model.predict(tried) - seen).abs() < 0.5;
                if is_same { 0.0 } else { -20.0 }
            }
            (Output::Number { .. }, _) => {
                -(self.model.score(tried) - target).powi(2) / (2.0 * self.variance)
            }
        }
    }

    /// Right guesses and right first choices without the model, of so many subjects, by a row of each.
    fn outcome(&self, rows: &Rows) -> (usize, usize, usize) {
        let usual = self.guesses.iter().enumerate();
        let usual = usual.max_by(|a, b| a.1.log_share.total_cmp(&b.1.log_share));
        let usual = usual.map_or(0, |(number, _)| number);
        let mut seen = std::collections::HashSet::new();
        let (mut right, mut by_share) = (0, 0);
        for (row, target, subject) in rows.iter() {
            if seen.insert(subject) {
                let truth = self.truth(row);
                right += usize::from(self.guess(row, target) == truth);
                by_share += usize::from(usual == truth);
            }
        }
        (right, by_share, seen.len())
    }

    fn judge(&self, column: &str, design: &Design, rules: &Rules) -> Check {
        let (right, by_share, trained) = self.outcome(&design.training);
        let (right_there, _, held_out) = self.outcome(&design.validation);
        let share = |hits: usize, of: usize| real(hits) / real(of.max(1));
        let excess = share(right, trained) - share(right_there, held_out);
        let error = |hits: usize, of: usize| {
            let (low, high) = wilson(hits, of, 1.0);
            (high - low) / 2.0
        };
        let spread = error(right, trained).hypot(error(right_there, held_out));
        let gain = share(right, trained) - share(by_share, trained);
        let by_memory = against(rules.attribute_excess, (excess - Z * spread, excess + Z * spread));
        // What holds of people in general is for a person to judge.
        let by_gain = if gain > rules.attribute_gain { Verdict::Review } else { Verdict::Pass };
        let verdict = by_memory.max(by_gain);
        let reason = match (verdict, by_memory) {
            (Verdict::Pass, _) => "guessing it gains little from the model",
            (_, Verdict::Fail) => "it is guessed better of those trained on than of others",
            (_, Verdict::Review) => {
                "it cannot be excluded that it is guessed better of those trained on"
            }
            (_, Verdict::Pass) => {
                "it is guessed much better with the model than without, of anybody"
            }
        };
        Check::new(&format!("inference of {column}"), verdict, reason)
            .with("gain over the most frequent value", gain)
            .with("gain over those held out", excess)
            .with("gain over those held out, upper bound", excess + Z * spread)
    }
}
