//! What is to be trained: written, and frozen, before the data is seen.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

/// The most rounds of boosting, the deepest tree and the most clusters that can be asked for.
pub(crate) const MOST: (u32, u32, u32) = (1000, 8, 100);

/// The longest statement of an intended use, in characters.
const LONGEST_USE: usize = 500;

/// A model to be trained. It names columns and codes; everything else in a model comes from data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Specification {
    /// Which kind of model, with its parameters.
    pub kind: Kind,
    /// What it looks at.
    pub features: Vec<Feature>,
    /// What it tells. Clusters tell none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How many percent of subjects it is trained on; it is validated on the others. 50 to 90.
    pub training_percent: u8,
    /// Draws the split and all else that is drawn: the same seed on the same data gives the same model.
    pub seed: u64,
    /// What the model is to be used for, in the words of whoever asks for it; it stands in the card.
    pub intended_use: String,
}

/// The kinds of models. Parameters are whole numbers, so that a specification has one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Kind {
    /// Least squares.
    Linear,
    /// Logistic regression with a squared penalty on weights of standardised features.
    Logistic {
        /// The weight of the penalty in thousandths, 1 or more.
        penalty_thousandths: u32,
    },
    /// Gradient-boosted trees: of squared error for a number, of log loss for two codes.
    Trees {
        /// Rounds of boosting, one tree each; 1 to 1000.
        rounds: u32,
        /// How many splits lie between the root and a leaf; 1 to 8.
        depth: u32,
        /// By how many percent of its value each leaf moves the score, 1 to 100.
        rate_percent: u32,
        /// Distinct subjects of a leaf. Not given, it is the platform's least number; fewer can be
        /// asked for, and will then fail the check of leaves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaf_subjects: Option<u64>,
    },
    /// k-means on standardised features.
    Clusters {
        /// How many, 2 to 100.
        clusters: u32,
    },
}

/// A feature: a column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The column.
    pub column: String,
    /// The code list of a column of codes. Without one it is a column of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codes: Option<Vec<String>>,
    /// Whether it may not be inferred about a subject from the model. What is sensitive is tested.
    #[serde(default)]
    pub sensitive: bool,
}

/// What a model tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A number.
    Number {
        /// The column.
        column: String,
    },
    /// Which of two codes.
    Code {
        /// The column.
        column: String,
        /// The code whose probability the model gives.
        positive: String,
        /// The other one.
        negative: String,
    },
}

impl Target {
    /// The column that holds it.
    pub fn column(&self) -> &str {
        match self {
            Self::Number { column } | Self::Code { column, .. } => column,
        }
    }
}

/// What is wrong with a specification, for whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecificationError {
    /// A parameter is out of bounds.
    #[error("{0} is out of bounds")]
    OutOfBounds(&'static str),
    /// The kind of model does not tell this kind of target.
    #[error("this kind of model does not have such a target")]
    Target,
    /// No features.
    #[error("no features")]
    NoFeatures,
    /// A column is used twice, or is both a feature and the target.
    #[error("column {0:?} is used twice")]
    Repeated(String),
    /// A code list is empty or repeats a code.
    #[error("the code list of {0:?} is empty or repeats a code")]
    Codes(String),
}

impl Specification {
    /// Checks all that can be checked without data.
    pub fn check(&self) -> Result<(), SpecificationError> {
        use SpecificationError::{Codes, NoFeatures, OutOfBounds, Repeated, Target as Wrong};
        if !(50..=90).contains(&self.training_percent) {
            return Err(OutOfBounds("training_percent"));
        }
        if self.intended_use.chars().count() > LONGEST_USE {
            return Err(OutOfBounds("intended_use"));
        }
        self.kind.check()?;
        match (&self.kind, &self.target) {
            (Kind::Linear, Some(Target::Number { .. }))
            | (Kind::Logistic { .. }, Some(Target::Code { .. }))
            | (Kind::Trees { .. }, Some(_))
            | (Kind::Clusters { .. }, None) => {}
            _ => return Err(Wrong),
        }
        if self.features.is_empty() {
            return Err(NoFeatures);
        }
        let mut columns: HashSet<&str> = HashSet::new();
        let features = self.features.iter().map(|feature| feature.column.as_str());
        for column in features.chain(self.target.as_ref().map(Target::column)) {
            if !columns.insert(column) {
                return Err(Repeated(column.to_owned()));
            }
        }
        for feature in &self.features {
            let Some(codes) = &feature.codes else { continue };
            let distinct: HashSet<&String> = codes.iter().collect();
            if codes.is_empty() || distinct.len() != codes.len() {
                return Err(Codes(feature.column.clone()));
            }
        }
        if let Some(Target::Code { column, positive, negative }) = &self.target
            && positive == negative
        {
            return Err(Codes(column.clone()));
        }
        Ok(())
    }
}

impl Kind {
    fn check(&self) -> Result<(), SpecificationError> {
        let (rounds_most, depth_most, clusters_most) = MOST;
        let wrong = match self {
            Self::Linear => None,
            Self::Logistic { penalty_thousandths } => {
                (*penalty_thousandths == 0).then_some("penalty_thousandths")
            }
            Self::Trees { rounds, .. } if !(1..=rounds_most).contains(rounds) => Some("rounds"),
            Self::Trees { depth, .. } if !(1..=depth_most).contains(depth) => Some("depth"),
            Self::Trees { leaf_subjects: Some(0), .. } => Some("leaf_subjects"),
            Self::Trees { rate_percent, .. } => {
                (!(1..=100).contains(rate_percent)).then_some("rate_percent")
            }
            Self::Clusters { clusters } => {
                (!(2..=clusters_most).contains(clusters)).then_some("clusters")
            }
        };
        wrong.map_or(Ok(()), |name| Err(SpecificationError::OutOfBounds(name)))
    }
}
