//! A model as it may leave: named inputs, rounded figures, nothing else.

use serde::{Deserialize, Serialize};

use crate::number::{log_loss, logistic};

/// The name of the form in which a model is written as JSON; the crate's README documents it.
pub const SCHEMA: &str = "shuyu-model/1";

/// One input of a model: a number made from one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Input {
    /// The number, limited to `low..=high`. Linear models and clusters then take
    /// `(number - centre) / scale`, trees take it as it is.
    Number {
        /// The column.
        column: String,
        /// What is less counts as this.
        low: f64,
        /// What is more counts as this.
        high: f64,
        /// About the mean.
        centre: f64,
        /// About the standard deviation.
        scale: f64,
    },
    /// 1 where the column has this code, otherwise 0.
    Code {
        /// The column.
        column: String,
        /// The code.
        code: String,
    },
    /// 1 where the column has none of these codes, otherwise 0. Codes of too few subjects are in here.
    Rest {
        /// The column.
        column: String,
        /// All codes that have enough subjects, with the one that has no input of its own.
        but: Vec<String>,
    },
}

impl Input {
    /// The column that it is made from.
    pub fn column(&self) -> &str {
        match self {
            Self::Number { column, .. } | Self::Code { column, .. } | Self::Rest { column, .. } => {
                column
            }
        }
    }

    /// What linear models and clusters make of a value of this input.
    pub(crate) fn standardised(&self, value: f64) -> f64 {
        match self {
            Self::Number { low, high, centre, scale, .. } => {
                (value.max(*low).min(*high) - centre) / scale
            }
            Self::Code { .. } | Self::Rest { .. } => value,
        }
    }
}

/// What a model tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Output {
    /// A number.
    Number {
        /// The column of the target.
        column: String,
    },
    /// The probability that the target is `positive`.
    Code {
        /// The column of the target.
        column: String,
        /// This code.
        positive: String,
        /// Otherwise this one.
        negative: String,
    },
    /// The number of the nearest cluster, from 0.
    Cluster,
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Node {
    /// To `left` where the input is below `threshold`, otherwise to `right`.
    Split {
        /// The number of the input.
        input: usize,
        /// The threshold.
        threshold: f64,
        /// The number of a node.
        left: usize,
        /// The number of a node.
        right: usize,
    },
    /// What the tree adds to the score.
    Leaf {
        /// So much.
        value: f64,
    },
}

/// A tree: its nodes, the root first, children after their parents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Its nodes.
    pub nodes: Vec<Node>,
}

impl Tree {
    /// The number of the leaf that a row comes to, with its value.
    pub fn leaf(&self, row: &[f64]) -> Option<(usize, f64)> {
        let mut at = 0;
        loop {
            match self.nodes.get(at)? {
                Node::Leaf { value } => return Some((at, *value)),
                Node::Split { input, threshold, left, right } => {
                    let next = if row.get(*input)? < threshold { *left } else { *right };
                    // INVARIANT: children come after their parents, so this ends.
                    if next <= at {
                        return None;
                    }
                    at = next;
                }
            }
        }
    }

    fn leaves(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node, Node::Leaf { .. })).count()
    }
}

/// What a model has learnt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Body {
    /// The score is the intercept and the weighted sum of standardised inputs.
    Linear {
        /// One for each input.
        weights: Vec<f64>,
        /// What is told where all standardised inputs are 0.
        intercept: f64,
    },
    /// The score is the base and a leaf of each tree.
    Trees {
        /// Where the sum begins.
        base: f64,
        /// The trees.
        trees: Vec<Tree>,
    },
    /// The nearest centre, by squared distance of standardised inputs.
    Clusters {
        /// The centres, each with a standardised figure for each input.
        centres: Vec<Vec<f64>>,
    },
}

/// A trained model. It is written from this structure alone, and no model from elsewhere is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// [`SCHEMA`].
    pub schema: String,
    /// What it looks at, in the order of a row.
    pub inputs: Vec<Input>,
    /// What it tells.
    pub output: Output,
    /// How it comes to it. A score of [`Output::Code`] is a log-odds.
    pub body: Body,
}

impl Model {
    /// How many figures were fitted to data: weights, leaves, coordinates of centres.
    pub fn parameters(&self) -> usize {
        match &self.body {
            Body::Linear { weights, .. } => weights.len() + 1,
            Body::Trees { trees, .. } => 1 + trees.iter().map(Tree::leaves).sum::<usize>(),
            Body::Clusters { centres } => centres.iter().map(Vec::len).sum(),
        }
    }

    /// What the model tells of a row of inputs: a number, a probability, or the number of a cluster.
    /// A row that is too short is taken to be 0 where it ends.
    pub fn predict(&self, row: &[f64]) -> f64 {
        match (&self.body, &self.output) {
            (Body::Clusters { .. }, _) => self.nearest(row).0,
            (_, Output::Code { .. }) => logistic(self.score(row)),
            (_, Output::Number { .. } | Output::Cluster) => self.score(row),
        }
    }

    /// The score of a row: the number, the log-odds, or the squared distance to the nearest centre.
    pub(crate) fn score(&self, row: &[f64]) -> f64 {
        match &self.body {
            Body::Linear { weights, intercept } => {
                intercept
                    + weights.iter().zip(self.standardised(row)).map(|(w, x)| w * x).sum::<f64>()
            }
            Body::Trees { base, trees } => {
                base + trees
                    .iter()
                    .filter_map(|tree| tree.leaf(row))
                    .map(|(_, value)| value)
                    .sum::<f64>()
            }
            Body::Clusters { .. } => self.nearest(row).1,
        }
    }

    /// How badly the model tells `target` of a row: squared error, log loss, or squared distance.
    pub(crate) fn loss(&self, row: &[f64], target: f64) -> f64 {
        let score = self.score(row);
        match &self.output {
            Output::Number { .. } => (score - target).powi(2),
            Output::Code { .. } => log_loss(score, target > 0.5),
            Output::Cluster => score,
        }
    }

    /// The number of the nearest centre, as a float like other outputs, and the squared distance.
    fn nearest(&self, row: &[f64]) -> (f64, f64) {
        let Body::Clusters { centres } = &self.body else { return (0.0, 0.0) };
        let row: Vec<f64> = self.standardised(row).collect();
        let mut best = (0.0, f64::INFINITY);
        let mut number = 0.0;
        for centre in centres {
            let distance = squared_distance(centre, &row);
            if distance < best.1 {
                best = (number, distance);
            }
            number += 1.0;
        }
        best
    }

    pub(crate) fn standardised<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.inputs.iter().zip(row).map(|(input, value)| input.standardised(*value))
    }
}

pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}
