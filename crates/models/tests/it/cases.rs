//! Tables whose truth is known, and specifications for them.

use rand::{Rng, SeedableRng, rngs::StdRng};
use shuyu_models::{
    Body, Check, Column, Feature, Input, Kind, Model, Rules, Specification, Table, Target, Trained,
    Values, Verdict,
};

/// Five districts, the last of which hardly anybody lives in.
pub const DISTRICTS: [&str; 5] = ["east", "west", "north", "south", "island"];

pub fn number(column: &str) -> Feature {
    Feature { column: column.into(), codes: None, sensitive: false }
}

pub fn code(column: &str, codes: &[&str]) -> Feature {
    let codes = codes.iter().map(|code| (*code).to_owned()).collect();
    Feature { column: column.into(), codes: Some(codes), sensitive: false }
}

pub fn numbers(name: &str, values: impl IntoIterator<Item = f64>) -> Column {
    let values = values.into_iter().map(Some).collect();
    Column { name: name.into(), values: Values::Numbers(values) }
}

pub fn codes<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Column {
    let values = values.into_iter().map(|code| Some(code.to_owned())).collect();
    Column { name: name.into(), values: Values::Codes(values) }
}

pub fn told(column: &str) -> Target {
    Target::Number { column: column.into() }
}

pub fn told_code(column: &str) -> Target {
    Target::Code { column: column.into(), positive: "yes".into(), negative: "no".into() }
}

pub fn specified(
    kind: Kind,
    features: Vec<Feature>,
    target: impl Into<Option<Target>>,
) -> Specification {
    Specification {
        kind,
        features,
        target: target.into(),
        training_percent: 70,
        seed: 7,
        intended_use: "to plan clinics by district".into(),
    }
}

pub fn trees(rounds: u32, depth: u32) -> Kind {
    Kind::Trees { rounds, depth, rate_percent: 10, leaf_subjects: None }
}

/// Noise that is about normal: a sum of twelve draws, less six.
fn noise(rng: &mut StdRng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// People of 20 to 79 with an income, a district and a cost that is
/// 100 + 3 age + 2 income + 40 in the west, with a deviation of 20.
pub fn people(count: u64) -> Table {
    let mut rng = StdRng::seed_from_u64(1);
    let (mut age, mut income, mut district, mut cost, mut ill) =
        (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..count {
        let years = f64::from(rng.random_range(20..80));
        let earned = (50.0 + 12.0 * noise(&mut rng)).max(1.0);
        let at = match rng.random_range(0..1000) {
            0..=399 => "east",
            400..=699 => "west",
            700..=849 => "north",
            850..=998 => "south",
            _ => "island",
        };
        let west = f64::from(at == "west");
        cost.push(100.0 + 3.0 * years + 2.0 * earned + 40.0 * west + 20.0 * noise(&mut rng));
        let log_odds = -3.0 + 0.05 * years + 0.8 * west;
        ill.push(if rng.random::<f64>() < 1.0 / (1.0 + (-log_odds).exp()) { "yes" } else { "no" });
        age.push(years);
        income.push(earned);
        district.push(at);
    }
    let columns = vec![
        numbers("age", age),
        numbers("income", income),
        codes("district", district),
        numbers("cost", cost),
        codes("ill", ill),
    ];
    Table::new((0..count).collect(), columns).unwrap()
}

pub fn features() -> Vec<Feature> {
    vec![number("age"), number("income"), code("district", &DISTRICTS)]
}

/// Figures of noise: nothing can be learnt but by heart.
pub fn random_numbers(rows: u64, columns: usize, seed: u64) -> Vec<Column> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..columns)
        .map(|column| {
            numbers(&format!("x{column}"), (0..rows).map(|_| noise(&mut rng)).collect::<Vec<_>>())
        })
        .collect()
}

pub fn check<'a>(trained: &'a Trained, name: &str) -> &'a Check {
    let found = trained.card.checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check {name:?} in {:?}", trained.card.checks))
}

pub fn verdict(trained: &Trained, name: &str) -> Verdict {
    check(trained, name).verdict
}

/// All that does not pass.
pub fn objections(trained: &Trained) -> Vec<(&str, Verdict)> {
    let checks = trained.card.checks.iter().filter(|check| check.verdict != Verdict::Pass);
    checks.map(|check| (check.name.as_str(), check.verdict)).collect()
}

/// The weight of an input of a linear model, for a whole unit of the column.
pub fn slope(model: &Model, is_it: impl Fn(&Input) -> bool) -> f64 {
    let Body::Linear { weights, .. } = &model.body else { panic!("not linear") };
    let at = model.inputs.iter().position(is_it).expect("such an input");
    match &model.inputs[at] {
        Input::Number { scale, .. } => weights[at] / scale,
        Input::Code { .. } | Input::Rest { .. } => weights[at],
    }
}

/// Rows of inputs as the model takes them, some beyond its limits.
pub fn probes(model: &Model, count: usize) -> Vec<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(99);
    (0..count)
        .map(|_| {
            let values = model.inputs.iter().map(|input| match input {
                Input::Number { low, high, .. } => {
                    low + (high - low) * (rng.random::<f64>() * 1.2 - 0.1)
                }
                Input::Code { .. } | Input::Rest { .. } => f64::from(rng.random::<f64>() < 0.3),
            });
            values.collect()
        })
        .collect()
}

/// Rules without shadow models, for what does not concern membership.
pub fn quick() -> Rules {
    Rules { shadow_models: 0, ..Rules::default() }
}
