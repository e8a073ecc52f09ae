//! From a table to rows of inputs: who is trained on, what each column becomes, what is left out.

use std::collections::{HashMap, HashSet};

use ndarray::Array2;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    Input, Output, Rules, Specification, Table, Target, TrainError, Values,
    encode::{CodeColumn, encode_number},
    number::distinct,
    spread::Spread,
};

/// Rows of inputs with their target and subject.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// One row for each row, limited but not standardised.
    pub(crate) inputs: Vec<Vec<f64>>,
    /// The target: the limited number, or 1 for the positive code. 0 where there is none.
    pub(crate) targets: Vec<f64>,
    pub(crate) subjects: Vec<u64>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Row by row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[f64], f64, u64)> {
        let inputs = self.inputs.iter().map(Vec::as_slice);
        let rest = self.targets.iter().copied().zip(self.subjects.iter().copied());
        inputs.zip(rest).map(|(row, (target, subject))| (row, target, subject))
    }

    /// The rows of these subjects.
    pub(crate) fn of(&self, chosen: &HashSet<u64>) -> Self {
        let mut rows = Self { inputs: vec![], targets: vec![], subjects: vec![] };
        for (row, target, subject) in self.iter().filter(|(_, _, s)| chosen.contains(s)) {
            rows.inputs.push(row.to_vec());
            rows.targets.push(target);
            rows.subjects.push(subject);
        }
        rows
    }

    /// These rows and others.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut rows = self.clone();
        rows.inputs.extend(other.inputs.iter().cloned());
        rows.targets.extend(&other.targets);
        rows.subjects.extend(&other.subjects);
        rows
    }

    /// Who is in them, in order.
    pub(crate) fn people(&self) -> Vec<u64> {
        let mut people: Vec<u64> =
            self.subjects.iter().copied().collect::<HashSet<u64>>().into_iter().collect();
        people.sort_unstable();
        people
    }

    /// Standardised inputs as a matrix.
    pub(crate) fn matrix(&self, inputs: &[Input]) -> Array2<f64> {
        let flat: Vec<f64> = self
            .inputs
            .iter()
            .flat_map(|row| inputs.iter().zip(row).map(|(input, value)| input.standardised(*value)))
            .collect();
        // INVARIANT: each row has one value for each input.
        Array2::from_shape_vec((self.len(), inputs.len()), flat).unwrap_or_default()
    }

    /// The values of one input.
    pub(crate) fn input(&self, number: usize) -> Vec<f64> {
        self.inputs.iter().filter_map(|row| row.get(number)).copied().collect()
    }
}

/// A table made ready for training.
#[derive(Debug, Clone)]
pub(crate) struct Design {
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Output,
    /// For each input the thresholds that a tree may use, in order.
    pub(crate) thresholds: Vec<Vec<f64>>,
    pub(crate) training: Rows,
    pub(crate) validation: Rows,
    /// Rows with a value missing, or a code that is not declared.
    pub(crate) left_out: usize,
    /// Columns without input, because all but fewer than k subjects have the same value.
    pub(crate) singling: Vec<String>,
    /// Declared codes that have no input of their own for want of subjects.
    pub(crate) collapsed: usize,
    /// To what the target is limited.
    pub(crate) target_limits: Option<(f64, f64)>,
}

/// A column whose values are all there.
enum Whole {
    Numbers(Vec<f64>),
    /// Places in the code list.
    Codes(Vec<usize>),
}

impl Design {
    pub(crate) fn of(
        specification: &Specification,
        table: &Table,
        rules: &Rules,
    ) -> Result<Self, TrainError> {
        let (columns, targets, subjects) = complete(specification, table)?;
        let left_out = table.subjects().len() - subjects.len();
        let trained_on = split(&subjects, specification);
        let is_training: Vec<bool> = subjects.iter().map(|s| trained_on.contains(s)).collect();
        let validated_on = distinct(subjects.iter().copied()) - trained_on.len();
        if trained_on.len() < 2 * rules.k() || validated_on < rules.k() {
            return Err(TrainError::TooFewSubjects);
        }
        let (targets, output, target_limits) =
            limited_target(specification, targets, &subjects, &is_training, rules)?;

        let mut design = Self {
            inputs: vec![],
            output,
            thresholds: vec![],
            training: Rows { inputs: vec![], targets: vec![], subjects: vec![] },
            validation: Rows { inputs: vec![], targets: vec![], subjects: vec![] },
            left_out,
            singling: vec![],
            collapsed: 0,
            target_limits,
        };
        let mut rows: Vec<Vec<f64>> = vec![vec![]; subjects.len()];
        for (feature, whole) in specification.features.iter().zip(&columns) {
            let before = design.inputs.len();
            match (whole, &feature.codes) {
                (Whole::Codes(places), Some(codes)) => {
                    let column = CodeColumn { feature, codes, places, subjects: &subjects };
                    column.encode(&mut design, &mut rows, &is_training, rules);
                }
                (Whole::Numbers(values), _) => {
                    encode_number(
                        &mut design,
                        &mut rows,
                        feature,
                        values,
                        &subjects,
                        &is_training,
                        rules,
                    );
                }
                (Whole::Codes(_), None) => {}
            }
            if design.inputs.len() == before {
                design.singling.push(feature.column.clone());
            }
        }
        if design.inputs.is_empty() {
            return Err(TrainError::NoFeatures);
        }
        for (((row, target), subject), is_training) in
            rows.into_iter().zip(targets).zip(subjects).zip(is_training)
        {
            let part = if is_training { &mut design.training } else { &mut design.validation };
            part.inputs.push(row);
            part.targets.push(target);
            part.subjects.push(subject);
        }
        design.check_classes(rules)?;
        Ok(design)
    }

    /// Both parts need k subjects of each of two codes.
    fn check_classes(&self, rules: &Rules) -> Result<(), TrainError> {
        if !matches!(self.output, Output::Code { .. }) {
            return Ok(());
        }
        for part in [&self.training, &self.validation] {
            for is_positive in [true, false] {
                let of_class = part.iter().filter(|(_, target, _)| (*target > 0.5) == is_positive);
                if distinct(of_class.map(|(_, _, subject)| subject)) < rules.k() {
                    return Err(TrainError::TooFewSubjects);
                }
            }
        }
        Ok(())
    }
}

type Complete = (Vec<Whole>, Vec<f64>, Vec<u64>);

/// All columns without the rows in which something is missing.
fn complete(specification: &Specification, table: &Table) -> Result<Complete, TrainError> {
    let mut columns: Vec<Vec<Option<f64>>> = vec![];
    for feature in &specification.features {
        columns.push(read(table, &feature.column, feature.codes.as_deref())?);
    }
    let target = match &specification.target {
        None => vec![Some(0.0); table.subjects().len()],
        Some(Target::Number { column }) => read(table, column, None)?,
        // The place in this list is the value: 1 for the positive code.
        Some(Target::Code { column, positive, negative }) => {
            read(table, column, Some(&[negative.clone(), positive.clone()]))?
        }
    };
    let is_whole: Vec<bool> = (0..table.subjects().len())
        .map(|row| {
            let all = columns.iter().chain(std::iter::once(&target));
            all.into_iter().all(|column| column.get(row).is_some_and(Option::is_some))
        })
        .collect();
    let keep = |column: &[Option<f64>]| -> Vec<f64> {
        column.iter().zip(&is_whole).filter(|(_, keep)| **keep).filter_map(|(v, _)| *v).collect()
    };
    let whole = specification.features.iter().zip(&columns).map(|(feature, column)| {
        let values = keep(column);
        match &feature.codes {
            None => Whole::Numbers(values),
            Some(_) => Whole::Codes(values.iter().map(|place| place_of(*place)).collect()),
        }
    });
    let whole = whole.collect();
    let subjects =
        table.subjects().iter().zip(&is_whole).filter(|(_, keep)| **keep).map(|(s, _)| *s);
    Ok((whole, keep(&target), subjects.collect()))
}

/// A place in a code list that was carried as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it came from a usize")]
fn place_of(value: f64) -> usize {
    value as usize
}

/// A column as numbers; codes as their places in `codes`.
fn read(
    table: &Table,
    name: &str,
    codes: Option<&[String]>,
) -> Result<Vec<Option<f64>>, TrainError> {
    let column = table.column(name).ok_or_else(|| TrainError::NoColumn(name.to_owned()))?;
    match (column, codes) {
        (Values::Numbers(values), None) => {
            Ok(values.iter().map(|value| value.filter(|number| number.is_finite())).collect())
        }
        (Values::Codes(values), Some(codes)) => {
            let mut at = 0.0;
            let mut places: HashMap<&str, f64> = HashMap::new();
            for code in codes {
                places.insert(code, at);
                at += 1.0;
            }
            Ok(values
                .iter()
                .map(|value| value.as_deref().and_then(|code| places.get(code)).copied())
                .collect())
        }
        _ => Err(TrainError::WrongType(name.to_owned())),
    }
}

/// Draws who is trained on. All rows of a subject are on one side.
fn split(subjects: &[u64], specification: &Specification) -> HashSet<u64> {
    let mut people: Vec<u64> =
        subjects.iter().copied().collect::<HashSet<u64>>().into_iter().collect();
    people.sort_unstable();
    people.shuffle(&mut StdRng::seed_from_u64(specification.seed));
    let kept = people.len() * usize::from(specification.training_percent) / 100;
    people.truncate(kept);
    people.into_iter().collect()
}

type LimitedTarget = (Vec<f64>, Output, Option<(f64, f64)>);

/// The target, limited so that no single subject's extreme can pull the model.
fn limited_target(
    specification: &Specification,
    targets: Vec<f64>,
    subjects: &[u64],
    is_training: &[bool],
    rules: &Rules,
) -> Result<LimitedTarget, TrainError> {
    match &specification.target {
        None => Ok((targets, Output::Cluster, None)),
        Some(Target::Code { column, positive, negative }) => {
            let output = Output::Code {
                column: column.clone(),
                positive: positive.clone(),
                negative: negative.clone(),
            };
            Ok((targets, output, None))
        }
        Some(Target::Number { column }) => {
            let spread = training_spread(&targets, subjects, is_training);
            let (low, high) =
                spread.limits(rules.k(), rules.digits()).ok_or(TrainError::TargetTooNarrow)?;
            let limited = targets.iter().map(|value| value.clamp(low, high)).collect();
            Ok((limited, Output::Number { column: column.clone() }, Some((low, high))))
        }
    }
}

/// How values lie over those trained on.
pub(crate) fn training_spread(values: &[f64], subjects: &[u64], is_training: &[bool]) -> Spread {
    let (values, subjects): (Vec<f64>, Vec<u64>) = values
        .iter()
        .zip(subjects)
        .zip(is_training)
        .filter(|(_, is_training)| **is_training)
        .map(|((value, subject), _)| (*value, *subject))
        .unzip();
    Spread::of(&values, &subjects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Feature, Kind};

    #[test]
    fn nobody_is_on_both_sides_and_extremes_are_limited() {
        let rows = 0..900u32;
        let numbers = |name: &str, extreme: f64| {
            let values =
                rows.clone().map(|row| Some(if row == 5 { extreme } else { f64::from(row) }));
            Column { name: name.into(), values: Values::Numbers(values.collect()) }
        };
        // Three rows each.
        let subjects = rows.clone().map(|row| u64::from(row % 300)).collect();
        let columns = vec![numbers("x", -1e6), numbers("y", 1e6)];
        let table = Table::new(subjects, columns).unwrap();
        let specification = Specification {
            kind: Kind::Linear,
            features: vec![Feature { column: "x".into(), codes: None, sensitive: false }],
            target: Some(Target::Number { column: "y".into() }),
            training_percent: 60,
            seed: 3,
            intended_use: String::new(),
        };
        let design = Design::of(&specification, &table, &Rules::default()).unwrap();
        let trained: HashSet<u64> = design.training.people().into_iter().collect();
        let held_out: HashSet<u64> = design.validation.people().into_iter().collect();
        assert_eq!((trained.len(), held_out.len()), (180, 120));
        assert!(trained.is_disjoint(&held_out));
        assert_eq!((design.training.len(), design.validation.len()), (540, 360));
        let all = design.training.iter().chain(design.validation.iter());
        for (row, target, _) in all {
            assert!(row[0] >= 0.0 && target <= 900.0, "{row:?} {target}");
        }
    }
}
