//! Fitting, by kind. All that is learnt is rounded here, once, before anything is measured with it.

use linfa::{Dataset, DatasetBase, traits::Fit};
use linfa_clustering::KMeans;
use linfa_linear::LinearRegression;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Axis};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    Body, Input, Kind, Output, Rules, TrainError,
    boost::{Boost, boost},
    design::Rows,
    number::{real, round_to},
};

/// Steps of the solver of logistic regression, and of k-means, at most.
const STEPS: u64 = 300;

/// How often k-means begins anew; the best run counts.
const RUNS: usize = 4;

/// What a fit rests on besides rows. Shadow models share it with the model itself.
pub(crate) struct Fitting<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) inputs: &'a [Input],
    pub(crate) output: &'a Output,
    pub(crate) thresholds: &'a [Vec<f64>],
    pub(crate) rules: &'a Rules,
    pub(crate) seed: u64,
    /// Whether the work has to end.
    pub(crate) is_over: &'a dyn Fn() -> bool,
}

impl Fitting<'_> {
    /// Learns from `rows`.
    pub(crate) fn fit(&self, rows: &Rows) -> Result<Body, TrainError> {
        self.go_on()?;
        let digits = self.rules.digits();
        match self.kind {
            Kind::Linear => {
                let data =
                    Dataset::new(rows.matrix(self.inputs), Array1::from(rows.targets.clone()));
                // The library solves what is all but singular without a word.
                if leverages(rows, self.inputs).is_none() {
                    return Err(TrainError::Dependent);
                }
                let fitted =
                    LinearRegression::new().fit(&data).map_err(|_| TrainError::Dependent)?;
                linear(fitted.params(), fitted.intercept(), digits)
            }
            Kind::Logistic { penalty_thousandths } => {
                let codes: Array1<bool> = rows.targets.iter().map(|target| *target > 0.5).collect();
                let data = Dataset::new(rows.matrix(self.inputs), codes);
                let fitted = LogisticRegression::default()
                    .alpha(f64::from(*penalty_thousandths) / 1000.0)
                    .max_iterations(STEPS)
                    .fit(&data)
                    .map_err(|_| TrainError::NoFit)?;
                // The library calls the more frequent code positive, whichever it is.
                let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
                linear(&(fitted.params() * sign), fitted.intercept() * sign, digits)
            }
            Kind::Trees { rounds, depth, rate_percent, leaf_subjects } => {
                let floor = leaf_subjects.unwrap_or(self.rules.least_subjects);
                let settings = Boost {
                    rounds: *rounds,
                    depth: *depth,
                    rate: f64::from(*rate_percent) / 100.0,
                    leaf_subjects: usize::try_from(floor).unwrap_or(usize::MAX),
                    is_probability: matches!(self.output, Output::Code { .. }),
                    digits,
                };
                Ok(boost(rows, self.thresholds, &settings, self.is_over))
            }
            Kind::Clusters { clusters } => self.clusters(rows, *clusters),
        }
    }

    /// Refuses to go on where the work has to end.
    pub(crate) fn go_on(&self) -> Result<(), TrainError> {
        if (self.is_over)() { Err(TrainError::Stopped) } else { Ok(()) }
    }

    fn clusters(&self, rows: &Rows, clusters: u32) -> Result<Body, TrainError> {
        let count = usize::try_from(clusters).unwrap_or(usize::MAX);
        if rows.len() < count {
            return Err(TrainError::TooFewSubjects);
        }
        // The library draws its beginnings with a seed of its own, so the order of rows is drawn here.
        let mut matrix = rows.matrix(self.inputs);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(self.seed));
        matrix = matrix.select(Axis(0), &order);
        let fitted = KMeans::params(count)
            .n_runs(RUNS)
            .max_n_iterations(STEPS)
            .fit(&DatasetBase::from(matrix))
            .map_err(|_| TrainError::NoFit)?;
        let digits = self.rules.digits();
        let centres = fitted.centroids().rows().into_iter();
        let centres: Vec<Vec<f64>> =
            centres.map(|row| row.iter().map(|value| round_to(*value, digits)).collect()).collect();
        finite(centres.iter().flatten())?;
        Ok(Body::Clusters { centres })
    }
}

fn linear(weights: &Array1<f64>, intercept: f64, digits: usize) -> Result<Body, TrainError> {
    finite(weights.iter().chain(std::iter::once(&intercept)))?;
    let weights = weights.iter().map(|weight| round_to(*weight, digits)).collect();
    Ok(Body::Linear { weights, intercept: round_to(intercept, digits) })
}

fn finite<'a>(figures: impl IntoIterator<Item = &'a f64>) -> Result<(), TrainError> {
    if figures.into_iter().all(|figure| figure.is_finite()) {
        Ok(())
    } else {
        Err(TrainError::NoFit)
    }
}

/// The leverage of each row in a linear fit on standardised inputs: by how much its own target moves
/// what the model tells of it. `None` if inputs are linearly dependent.
pub(crate) fn leverages(rows: &Rows, inputs: &[Input]) -> Option<Vec<f64>> {
    let matrix = rows.matrix(inputs);
    let width = matrix.ncols() + 1;
    let with_one =
        |row: &[f64]| -> Vec<f64> { std::iter::once(1.0).chain(row.iter().copied()).collect() };
    let rows: Vec<Vec<f64>> =
        matrix.rows().into_iter().map(|row| with_one(&row.to_vec())).collect();
    let mut gram = vec![vec![0.0; width]; width];
    for row in &rows {
        for (line, a) in gram.iter_mut().zip(row) {
            for (cell, b) in line.iter_mut().zip(row) {
                *cell += a * b;
            }
        }
    }
    let factor = cholesky(&gram, 1e-10 * real(rows.len()))?;
    // With G = L L', the leverage x' G^-1 x is the squared length of z where L z = x.
    Some(rows.iter().map(|row| forward(&factor, row).iter().map(|z| z * z).sum()).collect())
}

/// The lower triangle L of a positive definite matrix L L'.
fn cholesky(matrix: &[Vec<f64>], least: f64) -> Option<Vec<Vec<f64>>> {
    let mut factor: Vec<Vec<f64>> = vec![];
    for (number, line) in matrix.iter().enumerate() {
        let mut row = forward(&factor, line.get(..number)?);
        let rest = line.get(number)? - row.iter().map(|z| z * z).sum::<f64>();
        if rest <= least {
            return None;
        }
        row.push(rest.sqrt());
        factor.push(row);
    }
    Some(factor)
}

/// Solves L z = x.
fn forward(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let mut solved: Vec<f64> = vec![];
    for (line, value) in factor.iter().zip(right) {
        let known: f64 = line.iter().zip(&solved).map(|(l, z)| l * z).sum();
        let Some(pivot) = line.last() else { break };
        solved.push((value - known) / pivot);
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leverage_of_a_dummy_of_one_is_one() {
        let inputs = [Input::Code { column: "it".into(), code: "1".into() }];
        let rows = Rows {
            inputs: (0..50).map(|row| vec![f64::from(row == 0)]).collect(),
            targets: vec![0.0; 50],
            subjects: (0..50).collect(),
        };
        let found = leverages(&rows, &inputs).unwrap();
        assert!((found[0] - 1.0).abs() < 1e-9, "{}", found[0]);
        assert!((found[1] - 1.0 / 49.0).abs() < 1e-9, "{}", found[1]);
        // They sum to the number of parameters.
        assert!((found.iter().sum::<f64>() - 2.0).abs() < 1e-9);
    }
}
