//! A model served inside: nothing of it leaves but an answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Feature, Input, Model, Output, number::round_to};

/// Digits of a number that is told.
const DIGITS: usize = 3;

/// A value given for a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// Of a number.
    Number(f64),
    /// Of a code.
    Code(String),
}

/// What is told, rounded: a finer answer would tell more of those trained on (H07).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Served {
    /// A number, to three digits.
    Number {
        /// It.
        number: f64,
    },
    /// The likelier code and the probability of the positive one, to two places, never 0 or 1.
    Code {
        /// The likelier code.
        code: String,
        /// The probability of the positive code, 0.01 to 0.99.
        probability: f64,
    },
    /// The cluster.
    Cluster {
        /// Its number.
        cluster: f64,
    },
}

/// Why a question is not answered. It names features, and tells no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// A feature is not given, or something is given that is none.
    #[error("feature {0:?} is missing or unknown")]
    Feature(String),
    /// A number where a code belongs, or the reverse.
    #[error("feature {0:?} has the wrong type")]
    WrongType(String),
    /// A number beyond the limits of training, or a code that is not declared.
    #[error("feature {0:?} is out of range")]
    OutOfRange(String),
}

impl Model {
    /// Answers for one case, whose features are those that the model was specified with.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if features are missing, unknown, of the wrong type or out of range. A model must
    /// not be asked where nobody was: there it tells of how it was made.
    pub fn serve(
        &self,
        features: &[Feature],
        given: &BTreeMap<String, Given>,
    ) -> Result<Served, ServeError> {
        let is_known = |name: &&String| features.iter().any(|feature| &feature.column == *name);
        if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
            return Err(ServeError::Feature(unknown.clone()));
        }
        for feature in features {
            check(feature, given)?;
        }
        let row: Result<Vec<f64>, ServeError> =
            self.inputs.iter().map(|input| value_of(input, given)).collect();
        let told = self.predict(&row?);
        Ok(match &self.output {
            Output::Number { .. } => Served::Number { number: round_to(told, DIGITS) },
            Output::Code { positive, negative, .. } => {
                let code = if told > 0.5 { positive } else { negative }.clone();
                let probability = ((told * 100.0).round() / 100.0).clamp(0.01, 0.99);
                Served::Code { code, probability }
            }
            Output::Cluster => Served::Cluster { cluster: told },
        })
    }
}

fn check(feature: &Feature, given: &BTreeMap<String, Given>) -> Result<(), ServeError> {
    let name = || feature.column.clone();
    match (given.get(&feature.column), &feature.codes) {
        (None, _) => Err(ServeError::Feature(name())),
        (Some(Given::Number(_)), None) => Ok(()),
        (Some(Given::Code(code)), Some(codes)) if codes.contains(code) => Ok(()),
        (Some(Given::Code(_)), Some(_)) => Err(ServeError::OutOfRange(name())),
        (Some(_), _) => Err(ServeError::WrongType(name())),
    }
}

fn value_of(input: &Input, given: &BTreeMap<String, Given>) -> Result<f64, ServeError> {
    let name = || input.column().to_owned();
    match (input, given.get(input.column())) {
        (_, None) => Err(ServeError::Feature(name())),
        (Input::Number { low, high, .. }, Some(Given::Number(number))) => {
            if (*low..=*high).contains(number) {
                Ok(*number)
            } else {
                Err(ServeError::OutOfRange(name()))
            }
        }
        (Input::Code { code, .. }, Some(Given::Code(given))) => Ok(f64::from(code == given)),
        (Input::Rest { but, .. }, Some(Given::Code(given))) => Ok(f64::from(!but.contains(given))),
        (_, Some(_)) => Err(ServeError::WrongType(name())),
    }
}
