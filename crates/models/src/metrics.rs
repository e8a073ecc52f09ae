//! How well a model does, and series to draw it by.

use linfa::metrics::SingleTargetRegression;
use ndarray::Array1;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde::{Deserialize, Serialize};

use crate::{
    Body, Model, Output, Rules,
    design::Rows,
    model::squared_distance,
    number::{area_under_curve, distinct, mean, real, round_to},
};

/// Digits of all that is told here.
const DIGITS: usize = 3;

/// Bands at most in a series.
const BANDS: usize = 10;

/// How well a model does on rows, to three digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Metrics {
    /// Of a number.
    Number {
        /// The share of variance that the model explains.
        r2: f64,
        /// Root of the mean squared error, in the unit of the target.
        rmse: f64,
        /// Mean absolute error, in the unit of the target.
        mae: f64,
    },
    /// Of two codes.
    Code {
        /// The area under the receiver operating characteristic.
        auc: f64,
        /// The mean log loss, natural logarithm.
        log_loss: f64,
        /// The share of rows whose likelier code is right.
        accuracy: f64,
        /// That share if the more frequent code were always told.
        accuracy_of_guessing: f64,
    },
    /// Of clusters.
    Clusters {
        /// The mean squared distance to the nearest centre, standardised (inertia).
        inertia: f64,
        /// The mean silhouette by distances to centres (Hruschka et al. 2004), from −1 to 1.
        silhouette: f64,
    },
}

/// A table to draw a plot from. Each line stands for k subjects or more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it shows.
    pub title: String,
    /// What each column holds.
    pub columns: Vec<String>,
    /// The lines, to three digits.
    pub lines: Vec<Vec<f64>>,
}

/// How much worse a model does without a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The feature.
    pub column: String,
    /// By what share the mean loss grows when the feature is shuffled among those held out.
    pub loss_growth: f64,
}

pub(crate) fn measure(model: &Model, rows: &Rows) -> Metrics {
    let round = |value: f64| round_to(value, DIGITS);
    match &model.output {
        Output::Number { .. } => {
            let told: Array1<f64> = rows.inputs.iter().map(|row| model.predict(row)).collect();
            let truth = Array1::from(rows.targets.clone());
            Metrics::Number {
                r2: round(told.r2(&truth).unwrap_or_default()),
                rmse: round(told.mean_squared_error(&truth).unwrap_or_default().sqrt()),
                mae: round(told.mean_absolute_error(&truth).unwrap_or_default()),
            }
        }
        Output::Code { .. } => {
            let (positives, negatives) = scores(model, rows);
            let right = positives.iter().filter(|score| **score > 0.0).count()
                + negatives.iter().filter(|score| **score <= 0.0).count();
            let losses = rows.iter().map(|(row, target, _)| model.loss(row, target));
            let most = positives.len().max(negatives.len());
            Metrics::Code {
                auc: round(area_under_curve(&positives, &negatives)),
                log_loss: round(mean(losses)),
                accuracy: round(real(right) / real(rows.len().max(1))),
                accuracy_of_guessing: round(real(most) / real(rows.len().max(1))),
            }
        }
        Output::Cluster => Metrics::Clusters {
            inertia: round(mean(rows.iter().map(|(row, target, _)| model.loss(row, target)))),
            silhouette: round(silhouette(model, rows)),
        },
    }
}

fn scores(model: &Model, rows: &Rows) -> (Vec<f64>, Vec<f64>) {
    let (mut positives, mut negatives) = (vec![], vec![]);
    for (row, target, _) in rows.iter() {
        let side = if target > 0.5 { &mut positives } else { &mut negatives };
        side.push(model.score(row));
    }
    (positives, negatives)
}

fn silhouette(model: &Model, rows: &Rows) -> f64 {
    let Body::Clusters { centres } = &model.body else { return 0.0 };
    mean(rows.inputs.iter().map(|row| {
        let row: Vec<f64> = model.standardised(row).collect();
        let mut distances: Vec<f64> =
            centres.iter().map(|centre| squared_distance(centre, &row).sqrt()).collect();
        distances.sort_by(f64::total_cmp);
        match distances.as_slice() {
            [near, next, ..] if *next > 0.0 => (next - near) / next,
            _ => 0.0,
        }
    }))
}

/// Series on the rows that were held out.
pub(crate) fn plots(model: &Model, rows: &Rows, rules: &Rules) -> Vec<Series> {
    match &model.output {
        Output::Number { .. } => vec![by_prediction(model, rows, rules)],
        Output::Code { .. } => by_probability(model, rows, rules),
        Output::Cluster => vec![by_cluster(model, rows, rules)],
    }
}

type Line<'a> = (f64, f64, u64);

fn in_order<'a>(model: &Model, rows: &'a Rows) -> Vec<Line<'a>> {
    let mut lines: Vec<Line> =
        rows.iter().map(|(row, target, subject)| (model.predict(row), target, subject)).collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    lines
}

/// Cuts lines into bands, each of which `is_full`; what is left over joins the last one.
fn bands<'a>(lines: &[Line<'a>], is_full: impl Fn(&[Line<'a>]) -> bool) -> Vec<Vec<Line<'a>>> {
    let (mut bands, mut open): (Vec<Vec<Line>>, Vec<Line>) = (vec![], vec![]);
    let size = lines.len().div_ceil(BANDS).max(1);
    for (number, line) in lines.iter().enumerate() {
        open.push(*line);
        // Equal predictions are not parted.
        let is_parted = lines.get(number + 1).is_none_or(|next| next.0 > line.0);
        if open.len() >= size && is_parted && is_full(&open) {
            bands.push(std::mem::take(&mut open));
        }
    }
    match bands.last_mut() {
        Some(last) => last.extend(open),
        None if is_full(&open) => bands.push(open),
        None => {}
    }
    bands
}

fn has_subjects<'a>(lines: impl Iterator<Item = &'a Line<'a>>, k: usize) -> bool {
    distinct(lines.map(|line| line.2)) >= k
}

fn by_prediction(model: &Model, rows: &Rows, rules: &Rules) -> Series {
    let lines = in_order(model, rows);
    let bands = bands(&lines, |band| has_subjects(band.iter(), rules.k()));
    let lines = bands.iter().map(|band| {
        let average = |of: &dyn Fn(&Line) -> f64| round_to(mean(band.iter().map(of)), DIGITS);
        vec![
            average(&|line| line.0),
            average(&|line| line.1),
            average(&|line| (line.0 - line.1).abs()),
        ]
    });
    Series {
        title: "Predicted and true, by bands of the prediction".into(),
        columns: vec!["mean predicted".into(), "mean true".into(), "mean absolute error".into()],
        lines: lines.collect(),
    }
}

/// Calibration, and the receiver operating characteristic at the edges of the same bands: each holds k
/// subjects of either code, so that no band tells of all in it.
fn by_probability(model: &Model, rows: &Rows, rules: &Rules) -> Vec<Series> {
    let lines = in_order(model, rows);
    let bands = bands(&lines, |band| {
        [true, false].iter().all(|is_positive| {
            has_subjects(band.iter().filter(|line| (line.1 > 0.5) == *is_positive), rules.k())
        })
    });
    let round = |value: f64| round_to(value, DIGITS);
    let calibration = bands.iter().map(|band| {
        vec![
            round(mean(band.iter().map(|line| line.0))),
            round(mean(band.iter().map(|line| line.1))),
        ]
    });
    let positives: f64 = lines.iter().map(|line| line.1).sum();
    let negatives = real(lines.len()) - positives;
    let (mut above_positives, mut above_negatives) = (positives, negatives);
    let mut curve = vec![vec![1.0, 1.0]];
    for band in &bands {
        let held: f64 = band.iter().map(|line| line.1).sum();
        above_positives -= held;
        above_negatives -= real(band.len()) - held;
        curve.push(vec![
            round(above_negatives / negatives.max(1.0)),
            round(above_positives / positives.max(1.0)),
        ]);
    }
    vec![
        Series {
            title: "Calibration, by bands of the probability".into(),
            columns: vec!["mean probability".into(), "share of positives".into()],
            lines: calibration.collect(),
        },
        Series {
            title: "Receiver operating characteristic".into(),
            columns: vec!["false-positive rate".into(), "true-positive rate".into()],
            lines: curve,
        },
    ]
}

fn by_cluster(model: &Model, rows: &Rows, rules: &Rules) -> Series {
    let Body::Clusters { centres } = &model.body else {
        return Series { title: String::new(), columns: vec![], lines: vec![] };
    };
    let mut lines = vec![];
    let mut number = 0.0;
    for _ in centres {
        let near = || rows.iter().filter(|(row, _, _)| (model.predict(row) - number).abs() < 0.5);
        if distinct(near().map(|(_, _, subject)| subject)) >= rules.k() {
            let share = real(near().count()) / real(rows.len().max(1));
            let spread = mean(near().map(|(row, target, _)| model.loss(row, target)));
            lines.push(vec![number, round_to(share, 2), round_to(spread, DIGITS)]);
        }
        number += 1.0;
    }
    Series {
        title: "Clusters of k subjects or more among those held out".into(),
        columns: vec!["cluster".into(), "share of rows".into(), "mean squared distance".into()],
        lines,
    }
}

/// By how much the loss grows when the inputs of one feature are shuffled among rows (Breiman 2001).
pub(crate) fn importances(model: &Model, rows: &Rows, seed: u64) -> Vec<Importance> {
    let loss = |inputs: &[Vec<f64>]| {
        mean(inputs.iter().zip(&rows.targets).map(|(row, target)| model.loss(row, *target)))
    };
    let before = loss(&rows.inputs).max(f64::MIN_POSITIVE);
    let mut columns: Vec<&str> = model.inputs.iter().map(crate::Input::column).collect();
    columns.dedup();
    let grown = columns.into_iter().map(|column| {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let mut shuffled = rows.inputs.clone();
        for (row, from) in shuffled.iter_mut().zip(order) {
            let Some(other) = rows.inputs.get(from) else { continue };
            for ((value, taken), input) in row.iter_mut().zip(other).zip(&model.inputs) {
                if input.column() == column {
                    *value = *taken;
                }
            }
        }
        let loss_growth = round_to(loss(&shuffled) / before - 1.0, 2);
        Importance { column: column.to_owned(), loss_growth }
    });
    grown.collect()
}
