//! Could a row that a model was trained on be restored from the model?
//!
//! Raw data may not leave, nor anything from which a reversible model restores it. Three ways back
//! are tried: a fit that follows one subject's target alone, a centre that is somebody's row, and
//! outputs that hit the targets of those trained on more often than those of others.

use std::collections::HashMap;

use crate::{
    Body, Check, Model, Output, Rules, Verdict,
    design::{Design, Rows},
    fit::leverages,
    number::{distinct, half_unit, real, round_to, wilson},
};

/// Standard errors of each bound where two shares are compared.
const Z: f64 = 2.0;

/// Digits to which a target counts as hit.
const HIT: usize = 3;

/// All checks of reversibility.
pub(crate) fn reversal(model: &Model, design: &Design, rules: &Rules) -> Vec<Check> {
    let mut checks = vec![solvable(model, &design.training)];
    match &model.body {
        Body::Linear { .. } => checks.push(influence(model, &design.training, rules)),
        Body::Clusters { centres } => checks.push(stored(model, centres, &design.training, rules)),
        Body::Trees { .. } => {}
    }
    if matches!(model.output, Output::Number { .. }) {
        checks.push(hits(model, design));
    }
    checks
}

/// As many figures as rows determine the rows.
fn solvable(model: &Model, training: &Rows) -> Check {
    let equations = model.parameters();
    Check::require(
        "reversal by solving",
        equations < training.people().len(),
        "there are more subjects than figures, so the figures do not determine their rows",
        "there are as many figures as subjects: solving for the rows may restore them",
    )
}

/// How far one subject's own target moves what the model tells of the subject. A leverage of h is that of
/// one of a group of 1/h who are alike; 1 gives the target back exactly.
fn influence(model: &Model, training: &Rows, rules: &Rules) -> Check {
    const NAME: &str = "reversal by influence";
    let Some(leverages) = leverages(training, &model.inputs) else {
        return Check::new(NAME, Verdict::Fail, "inputs are linearly dependent");
    };
    let mut by_subject: HashMap<u64, f64> = HashMap::new();
    for (leverage, subject) in leverages.iter().zip(&training.subjects) {
        *by_subject.entry(*subject).or_default() += leverage;
    }
    let most = by_subject.values().copied().fold(0.0, f64::max);
    let (verdict, reason) = if most > 1.0 / 3.0 {
        (Verdict::Fail, "somebody's own target outweighs all others in what is told of them")
    } else if most > 1.0 / real(rules.k()) {
        (Verdict::Review, "somebody's own target weighs more than as one of k who are alike")
    } else {
        (Verdict::Pass, "nobody's own target weighs more than as one of k who are alike")
    };
    Check::new(NAME, verdict, reason)
}

/// Whether a centre is a row of fewer than k subjects, to the digits that are written.
fn stored(model: &Model, centres: &[Vec<f64>], training: &Rows, rules: &Rules) -> Check {
    let digits = rules.digits();
    let near = |a: f64, b: f64| (a - b).abs() <= 2.0 * half_unit(b, digits).min(0.5e-3);
    let is_rare = centres.iter().any(|centre| {
        let same = training.iter().filter(|(row, _, _)| {
            model
                .standardised(row)
                .zip(centre)
                .all(|(value, at)| near(round_to(value, digits), *at))
        });
        (1..rules.k()).contains(&distinct(same.map(|(_, _, subject)| subject)))
    });
    Check::require(
        "reversal by stored rows",
        !is_rare,
        "no centre is the row of fewer than k subjects",
        "a centre is the row of fewer than k subjects",
    )
}

/// How often the model tells a target to three digits: of those trained on, and of others.
fn hits(model: &Model, design: &Design) -> Check {
    const NAME: &str = "reversal by output";
    let count = |rows: &Rows| {
        let hit = rows.iter().filter(|(row, target, _)| {
            (model.score(row) - target).abs() <= half_unit(*target, HIT)
        });
        distinct(hit.map(|(_, _, subject)| subject))
    };
    let (trained, held_out) = (&design.training, &design.validation);
    let (of_trained, of_held_out) = (trained.people().len(), held_out.people().len());
    let (here, there) = (count(trained), count(held_out));
    let (least, _) = wilson(here, of_trained, Z);
    let (_, most) = wilson(there, of_held_out, Z);
    let more = real(here) / real(of_trained.max(1)) - real(there) / real(of_held_out.max(1));
    Check::require(
        NAME,
        least <= most,
        "targets of those trained on are told exactly no more often than those of others",
        "targets of those trained on are told exactly more often than those of others",
    )
    .with("share told exactly beyond that of others", more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, model::SCHEMA};

    fn rows(inputs: Vec<Vec<f64>>) -> Rows {
        let subjects = (0u64..).take(inputs.len()).collect();
        Rows { targets: vec![0.0; inputs.len()], subjects, inputs }
    }

    #[test]
    fn a_centre_that_is_somebodys_row_fails_and_a_mean_passes() {
        let number = |name: &str| Input::Number {
            column: name.into(),
            low: 0.0,
            high: 100.0,
            centre: 0.0,
            scale: 10.0,
        };
        let inputs = vec![number("a"), number("b")];
        let training =
            rows((0..100).map(|row| vec![f64::from(row), f64::from(row * 7 % 100)]).collect());
        let check = |centre: Vec<f64>| {
            let model = Model {
                schema: SCHEMA.into(),
                inputs: inputs.clone(),
                output: Output::Cluster,
                body: Body::Clusters { centres: vec![centre.clone()] },
            };
            stored(&model, &[centre], &training, &Rules::default()).verdict
        };
        assert_eq!(check(vec![1.2, 8.4]), Verdict::Fail);
        assert_eq!(check(vec![1.23, 8.41]), Verdict::Pass);
    }
}
