//! Structural checks: what can be said of a model before anybody attacks it (SACRO-ML, structural attack).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{
    Body, Check, Input, Model, Node, Output, Rules, Verdict,
    design::{Design, Rows},
    model::SCHEMA,
    number::{distinct, real, round_to},
    spread::Spread,
};

/// All structural checks of a model on the rows that it was trained on.
pub(crate) fn structural(model: &Model, design: &Design, rules: &Rules) -> Vec<Check> {
    let mut checks = vec![
        degrees(model, &design.training, rules),
        singling(design),
        indicators(model, &design.training, rules),
    ];
    match &model.body {
        Body::Trees { .. } => {
            checks.push(leaves(model, &design.training, rules));
            checks.push(thresholds(model, &design.training, rules));
        }
        Body::Clusters { centres } => {
            checks.push(cluster_sizes(model, centres.len(), &design.training, rules));
        }
        Body::Linear { .. } => {}
    }
    if matches!(model.output, Output::Code { .. }) {
        checks.push(certainty(model, &design.training));
    }
    checks
}

/// FS-13 of the security statements: enough subjects beyond parameters, and for each of them.
fn degrees(model: &Model, training: &Rows, rules: &Rules) -> Check {
    let (subjects, parameters) = (training.people().len(), model.parameters());
    let floor = usize::try_from(rules.residual_degrees).unwrap_or(usize::MAX);
    let is_free = subjects >= parameters.saturating_add(floor);
    let ratio = real(subjects) / real(parameters.max(1));
    let check = if !is_free {
        Check::new(
            "residual degrees of freedom",
            Verdict::Fail,
            format!("fewer than {floor} subjects more than parameters: it can hold its rows"),
        )
    } else if ratio < rules.subjects_per_parameter {
        let reason = "too few subjects for each parameter";
        Check::new("residual degrees of freedom", Verdict::Fail, reason)
    } else {
        Check::new(
            "residual degrees of freedom",
            Verdict::Pass,
            "subjects exceed parameters by far",
        )
    };
    check.with("parameters", real(parameters)).with("subjects per parameter", ratio)
}

/// Features that would have been dummies of fewer than k subjects.
fn singling(design: &Design) -> Check {
    Check::require(
        "features that single out",
        design.singling.is_empty(),
        "no feature separates fewer than k subjects from all others",
        format!(
            "all but fewer than k subjects share one value of: {}; remove what singles out",
            design.singling.join(", ")
        ),
    )
}

/// Recounts each input: k subjects on either side of an indicator, k at or beyond each limit of a number.
fn indicators(model: &Model, training: &Rows, rules: &Rules) -> Check {
    let k = rules.k();
    let small = model.inputs.iter().enumerate().find(|(number, input)| {
        let values = training.input(*number);
        let count = |is_in: &dyn Fn(f64) -> bool| {
            let held = values.iter().zip(&training.subjects).filter(|(value, _)| is_in(**value));
            distinct(held.map(|(_, subject)| *subject))
        };
        match input {
            Input::Number { low, high, .. } => {
                count(&|value| value <= *low) < k || count(&|value| value >= *high) < k
            }
            Input::Code { .. } | Input::Rest { .. } => {
                count(&|value| value > 0.5) < k || count(&|value| value <= 0.5) < k
            }
        }
    });
    Check::require(
        "inputs",
        small.is_none(),
        "each indicator has k subjects on either side, each limit as many at or beyond it",
        format!("an input of {} stands for fewer than k subjects", name_of(small)),
    )
}

fn name_of(found: Option<(usize, &Input)>) -> &str {
    found.map_or("", |(_, input)| input.column())
}

/// Sends the rows through the trees as exported and counts distinct subjects in each leaf. A leaf that
/// nobody comes to has too few, too.
pub(crate) fn leaves(model: &Model, training: &Rows, rules: &Rules) -> Check {
    let Body::Trees { trees, .. } = &model.body else {
        return Check::new("leaves", Verdict::Pass, "no trees");
    };
    let (mut small, mut all) = (0, 0);
    for tree in trees {
        let mut held: HashMap<usize, HashSet<u64>> = HashMap::new();
        for (row, _, subject) in training.iter() {
            if let Some((leaf, _)) = tree.leaf(row) {
                held.entry(leaf).or_default().insert(subject);
            }
        }
        for (number, node) in tree.nodes.iter().enumerate() {
            if matches!(node, Node::Leaf { .. }) {
                all += 1;
                small += usize::from(held.get(&number).map_or(0, HashSet::len) < rules.k());
            }
        }
    }
    Check::require(
        "leaves",
        small == 0,
        "each leaf holds k distinct subjects",
        "leaves hold fewer than k distinct subjects",
    )
    .with("leaves", real(all))
    .with("small leaves, in percent", 100.0 * real(small) / real(all.max(1)))
}

/// Each threshold has k subjects on either side and is no value of fewer than k.
pub(crate) fn thresholds(model: &Model, training: &Rows, rules: &Rules) -> Check {
    let Body::Trees { trees, .. } = &model.body else {
        return Check::new("thresholds", Verdict::Pass, "no trees");
    };
    let spreads: Vec<Spread> = (0..model.inputs.len())
        .map(|number| Spread::of(&training.input(number), &training.subjects))
        .collect();
    let k = rules.k();
    let mut splits = trees.iter().flat_map(|tree| &tree.nodes);
    let is_fair = splits.all(|node| match node {
        Node::Leaf { .. } => true,
        Node::Split { input, threshold, .. } => spreads.get(*input).is_some_and(|spread| {
            spread.below(*threshold) >= k
                && spread.from(*threshold) >= k
                && !spread.is_rare(*threshold, k)
        }),
    });
    Check::require(
        "thresholds",
        is_fair,
        "each threshold has k subjects on either side and is no value of fewer",
        "a threshold has fewer than k subjects on a side, or is a value of fewer than k subjects",
    )
}

fn cluster_sizes(model: &Model, clusters: usize, training: &Rows, rules: &Rules) -> Check {
    let mut held: Vec<HashSet<u64>> = vec![HashSet::new(); clusters];
    let mut number = 0.0;
    for members in &mut held {
        let near = training.iter().filter(|(row, _, _)| (model.predict(row) - number).abs() < 0.5);
        members.extend(near.map(|(_, _, subject)| subject));
        number += 1.0;
    }
    Check::require(
        "cluster sizes",
        held.iter().all(|members| members.len() >= rules.k()),
        "each cluster holds k distinct subjects",
        "a cluster holds fewer than k distinct subjects",
    )
}

/// Class disclosure: of whom the model is certain, it tells as of a group of which all are equal
/// (FS-18; SACRO-ML, class disclosure risk). Whether that is harmless is for a person to judge.
fn certainty(model: &Model, training: &Rows) -> Check {
    let is_certain = |row: &[f64]| !(0.005..=0.995).contains(&model.predict(row));
    let certain = training.iter().filter(|(row, _, _)| is_certain(row));
    if certain.count() == 0 {
        Check::new("certainty", Verdict::Pass, "the model is certain of nobody")
    } else {
        let reason = "the model is all but certain of some, and so tells of all who look like them";
        Check::new("certainty", Verdict::Review, reason)
    }
}

/// Words that the form itself puts as values. All other text has to be declared.
const WORDS: [&str; 10] =
    [SCHEMA, "number", "code", "rest", "cluster", "linear", "trees", "clusters", "split", "leaf"];

/// The fields of the form.
const FIELDS: [&str; 26] = [
    "schema",
    "inputs",
    "output",
    "body",
    "type",
    "form",
    "column",
    "low",
    "high",
    "centre",
    "scale",
    "code",
    "but",
    "positive",
    "negative",
    "weights",
    "intercept",
    "base",
    "trees",
    "nodes",
    "input",
    "threshold",
    "left",
    "right",
    "value",
    "centres",
];

/// Fields that number inputs and nodes, and come from no data.
const NUMBERS: [&str; 3] = ["input", "left", "right"];

/// What is written, read as what it is: no text that was not declared before the data was seen, no
/// figure finer than it may be, no more bytes than parameters account for (H08).
pub(crate) fn artefact(
    written: &Value,
    sizes: &[(&str, usize)],
    model: &Model,
    declared: &HashSet<&str>,
    rules: &Rules,
) -> Check {
    const NAME: &str = "content of the artefact";
    let mut content = Content::default();
    content.gather(written);
    let is_known = |text: &&str| declared.contains(text) || WORDS.contains(text);
    if !content.fields.iter().all(|field| FIELDS.contains(field)) {
        return Check::new(NAME, Verdict::Fail, "it has a field that the form does not have");
    }
    if !content.texts.iter().all(is_known) {
        let reason = "it holds text that the specification does not declare";
        return Check::new(NAME, Verdict::Fail, reason);
    }
    let is_rounded =
        |figure: &f64| (figure - round_to(*figure, rules.digits())).abs() <= figure.abs() * 1e-12;
    if !content.figures.iter().all(is_rounded) {
        return Check::new(NAME, Verdict::Fail, "a figure has more digits than may leave");
    }
    let names: usize = content.texts.iter().map(|text| text.len() + 16).sum();
    let parameters = model.parameters() + model.inputs.len();
    let budget = 600 + names + rules.bytes_per_parameter * parameters;
    if let Some((form, _)) = sizes.iter().find(|(_, size)| *size > budget) {
        let reason = format!("{form} has more bytes than its parameters account for");
        return Check::new(NAME, Verdict::Fail, reason);
    }
    Check::new(NAME, Verdict::Pass, "declared names and rounded figures, no rows, no other text")
        .with("bytes allowed", real(budget))
}

/// All that a JSON value holds, by kind.
#[derive(Default)]
struct Content<'a> {
    fields: Vec<&'a str>,
    texts: Vec<&'a str>,
    figures: Vec<f64>,
}

impl<'a> Content<'a> {
    fn gather(&mut self, value: &'a Value) {
        match value {
            Value::String(text) => self.texts.push(text),
            Value::Number(figure) => self.figures.extend(figure.as_f64()),
            Value::Array(values) => values.iter().for_each(|value| self.gather(value)),
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.fields.push(field);
                    if !(NUMBERS.contains(&field.as_str()) && value.is_u64()) {
                        self.gather(value);
                    }
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Tree;

    fn training(rows: u32) -> Rows {
        Rows {
            inputs: (0..rows).map(|row| vec![f64::from(row)]).collect(),
            targets: vec![0.0; rows as usize],
            subjects: (0..u64::from(rows)).collect(),
        }
    }

    fn stump(threshold: f64) -> Model {
        let nodes = vec![
            Node::Split { input: 0, threshold, left: 1, right: 2 },
            Node::Leaf { value: 1.0 },
            Node::Leaf { value: 2.0 },
        ];
        Model {
            schema: SCHEMA.into(),
            inputs: vec![Input::Number {
                column: "age".into(),
                low: 0.0,
                high: 99.0,
                centre: 50.0,
                scale: 29.0,
            }],
            output: Output::Number { column: "cost".into() },
            body: Body::Trees { base: 0.5, trees: vec![Tree { nodes }] },
        }
    }

    #[test]
    fn leaves_and_thresholds_are_recounted() {
        let (rows, rules) = (training(100), Rules::default());
        let verdicts = |at: f64| {
            let model = stump(at);
            (leaves(&model, &rows, &rules).verdict, thresholds(&model, &rows, &rules).verdict)
        };
        assert_eq!(verdicts(49.5), (Verdict::Pass, Verdict::Pass));
        // Nine on one side.
        assert_eq!(verdicts(8.5), (Verdict::Fail, Verdict::Fail));
        // Enough on both sides, but 50 is the value of one person.
        assert_eq!(verdicts(50.0), (Verdict::Pass, Verdict::Fail));
    }

    #[test]
    fn nothing_can_be_hidden_in_an_artefact() {
        let (model, rules) = (stump(49.5), Rules::default());
        let declared = HashSet::from(["age", "cost"]);
        let good = serde_json::to_value(&model).unwrap();
        let verdict = |value: &Value, size: usize| {
            artefact(value, &[("JSON", size)], &model, &declared, &rules).verdict
        };
        assert_eq!(verdict(&good, 500), Verdict::Pass);
        assert_eq!(verdict(&good, 5000), Verdict::Fail);

        let with = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            verdict(&changed, 500)
        };
        assert_eq!(with("/inputs/0/column", json!("330106199001011234")), Verdict::Fail);
        assert_eq!(with("/body/trees/0/nodes/1/value", json!(1.000_000_017)), Verdict::Fail);
        assert_eq!(with("/body/base", json!(876_543.0)), Verdict::Fail);
        assert_eq!(with("/body/base", json!({ "330106": 1 })), Verdict::Fail);
        assert_eq!(with("/body/trees/0/nodes/0/left", json!("330106")), Verdict::Fail);
    }
}
