//! From a specification and a table to a model with its card and its checks.

use std::collections::HashSet;

use crate::{
    Card, Model, Rules, Specification, SpecificationError, Table, Target,
    attribute::attributes,
    card::{Counts, limits_of_use},
    check::{Verdict, gravest},
    design::Design,
    fit::Fitting,
    membership::membership,
    metrics::{importances, measure, plots},
    model::SCHEMA,
    onnx::to_onnx,
    reversal::reversal,
    structure::{artefact, structural},
};

/// Why nothing was trained. No value from the data is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    /// The specification contradicts itself.
    #[error(transparent)]
    Specification(#[from] SpecificationError),
    /// The table has no such column.
    #[error("there is no column {0:?}")]
    NoColumn(String),
    /// A column of numbers is declared with codes, or one of codes without.
    #[error("column {0:?} has the wrong type")]
    WrongType(String),
    /// Too few subjects to train on, to hold out, or of one of two codes.
    #[error("too few subjects")]
    TooFewSubjects,
    /// Each feature has one value for all but a few subjects.
    #[error("no feature is left that enough subjects differ in")]
    NoFeatures,
    /// The target has one value for all but a few subjects.
    #[error("too few subjects differ in the target")]
    TargetTooNarrow,
    /// Features determine one another.
    #[error("features are linearly dependent")]
    Dependent,
    /// The fit does not converge.
    #[error("the model does not fit")]
    NoFit,
    /// It had to end.
    #[error("training was stopped")]
    Stopped,
    /// A structure that cannot be written as JSON.
    #[error("the model cannot be written")]
    NotWritten,
}

/// A model with its card, in which all checks stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The model. What is measured, checked and written is this, rounded already.
    pub model: Model,
    /// Its card.
    pub card: Card,
}

/// Trains a model, validates it and runs all checks. The same specification, table and rules give the
/// same model and the same card, to the byte, on processors of one kind.
///
/// # Errors
///
/// [`TrainError`] if nothing can be trained. A model that fails checks is no error: its card says so.
pub fn train(
    specification: &Specification,
    table: &Table,
    rules: &Rules,
) -> Result<Trained, TrainError> {
    train_until(specification, table, rules, &|| false)
}

/// As [`train`], but ends with [`TrainError::Stopped`] soon after `is_over` is true: between trees,
/// models of an attack, and checks. A single fit of a linear model or of clusters runs to its end.
pub fn train_until(
    specification: &Specification,
    table: &Table,
    rules: &Rules,
    is_over: &dyn Fn() -> bool,
) -> Result<Trained, TrainError> {
    specification.check()?;
    let design = Design::of(specification, table, rules)?;
    let fitting = Fitting {
        kind: &specification.kind,
        inputs: &design.inputs,
        output: &design.output,
        thresholds: &design.thresholds,
        rules,
        seed: specification.seed,
        is_over,
    };
    let body = fitting.fit(&design.training)?;
    fitting.go_on()?;
    let model = Model {
        schema: SCHEMA.to_owned(),
        inputs: design.inputs.clone(),
        output: design.output.clone(),
        body,
    };
    let mut checks = structural(&model, &design, rules);
    checks.extend(reversal(&model, &design, rules));
    fitting.go_on()?;
    checks.extend(membership(&model, &design, &fitting));
    fitting.go_on()?;
    checks.extend(attributes(&model, &design, &specification.features, rules));
    let card = Card {
        kind: specification.kind.clone(),
        features: specification.features.iter().map(|it| it.column.clone()).collect(),
        target: specification.target.clone(),
        intended_use: specification.intended_use.clone(),
        limits_of_use: limits_of_use(specification),
        trained_on: Counts::of(&design, rules),
        target_limits: design.target_limits,
        parameters: model.parameters(),
        digits: rules.digits(),
        training: measure(&model, &design.training),
        validation: measure(&model, &design.validation),
        plots: plots(&model, &design.validation, rules),
        importances: importances(&model, &design.validation, specification.seed),
        verdict: gravest(&checks),
        checks,
    };
    let mut trained = Trained { model, card };
    let written = serde_json::to_value(&trained.model).map_err(|_| TrainError::NotWritten)?;
    let sizes = [("JSON", trained.to_json()?.len()), ("ONNX", trained.to_onnx().len())];
    let names = declared(specification);
    let content = artefact(&written, &sizes, &trained.model, &names, rules);
    trained.card.add_checks(vec![content]);
    fitting.go_on()?;
    Ok(trained)
}

/// All text that a model may hold: names of columns and codes, as the specification gives them.
fn declared(specification: &Specification) -> HashSet<&str> {
    let mut names: HashSet<&str> = HashSet::new();
    for feature in &specification.features {
        names.insert(&feature.column);
        names.extend(feature.codes.iter().flatten().map(String::as_str));
    }
    match &specification.target {
        Some(Target::Code { column, positive, negative }) => {
            names.extend([column.as_str(), positive, negative]);
        }
        Some(Target::Number { column }) => {
            names.insert(column);
        }
        None => {}
    }
    names
}

impl Trained {
    /// The gravest verdict of all checks.
    pub fn verdict(&self) -> Verdict {
        self.card.verdict
    }

    /// The model as JSON, in the form that the crate's README documents.
    pub fn to_json(&self) -> Result<Vec<u8>, TrainError> {
        serde_json::to_vec(&self.model).map_err(|_| TrainError::NotWritten)
    }

    /// The model in ONNX.
    pub fn to_onnx(&self) -> Vec<u8> {
        to_onnx(&self.model)
    }
}
