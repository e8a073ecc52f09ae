//! What each kind of model learns from tables whose truth is known.

use shuyu_models::{Body, Input, Kind, Metrics, Rules, Table, Values, Verdict, train};

use crate::cases::{
    code, codes, features, number, numbers, objections, people, quick, slope, specified, told,
    told_code, trees,
};

fn is_column(name: &'static str) -> impl Fn(&Input) -> bool {
    move |input| input.column() == name
}

#[test]
fn least_squares_finds_the_true_coefficients_and_passes() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let trained = train(&specification, &people(5000), &Rules::default()).unwrap();

    let model = &trained.model;
    let age = slope(model, is_column("age"));
    assert!((age - 3.0).abs() < 0.1, "{age}");
    let income = slope(model, is_column("income"));
    assert!((income - 2.0).abs() < 0.1, "{income}");
    let is_west = |input: &Input| matches!(input, Input::Code { code, .. } if code == "west");
    let west = slope(model, is_west);
    assert!((west - 40.0).abs() < 3.0, "{west}");

    // Variances: 9·300 of age, 4·144 of income, 1600·0.21 of the west, 400 of noise.
    let Metrics::Number { r2, rmse, .. } = trained.card.validation else { panic!() };
    assert!((0.87..0.93).contains(&r2), "{r2}");
    assert!((18.0..22.0).contains(&rmse), "{rmse}");
    assert_eq!(objections(&trained), []);
}

#[test]
fn a_code_of_few_people_has_no_input_and_no_name() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let trained = train(&specification, &people(5000), &quick()).unwrap();
    assert_eq!(trained.card.trained_on.codes_collapsed, 1);
    let written = String::from_utf8(trained.to_json().unwrap()).unwrap();
    assert!(!written.contains("island"), "{written}");
    // The most frequent code is told by the absence of others.
    assert!(!written.contains(r#""code":"east""#), "{written}");
}

#[test]
fn logistic_regression_finds_the_true_odds_and_passes() {
    let kind = Kind::Logistic { penalty_thousandths: 10 };
    let specification = specified(kind, features(), told_code("ill"));
    let trained = train(&specification, &people(8000), &Rules::default()).unwrap();

    let age = slope(&trained.model, is_column("age"));
    assert!((age - 0.05).abs() < 0.006, "{age}");
    let is_west = |input: &Input| matches!(input, Input::Code { code, .. } if code == "west");
    let west = slope(&trained.model, is_west);
    assert!((west - 0.8).abs() < 0.2, "{west}");

    let Metrics::Code { auc, accuracy, accuracy_of_guessing, .. } = trained.card.validation else {
        panic!()
    };
    assert!((0.68..0.8).contains(&auc), "{auc}");
    assert!(accuracy > accuracy_of_guessing, "{accuracy} {accuracy_of_guessing}");
    assert_eq!(objections(&trained), []);
    // Calibration: in each band the probability that is told is about the share that comes true.
    for line in &trained.card.plots[0].lines {
        assert!((line[0] - line[1]).abs() < 0.1, "{line:?}");
    }
}

#[test]
fn the_rarer_code_may_be_positive() {
    let table = people(3000);
    let kind = Kind::Logistic { penalty_thousandths: 10 };
    let mut specification = specified(kind, features(), told_code("ill"));
    let one = train(&specification, &table, &quick()).unwrap();
    specification.target = Some(shuyu_models::Target::Code {
        column: "ill".into(),
        positive: "no".into(),
        negative: "yes".into(),
    });
    let other = train(&specification, &table, &quick()).unwrap();
    let (a, b) = (slope(&one.model, is_column("age")), slope(&other.model, is_column("age")));
    assert!((a + b).abs() < 0.002 && a > 0.0, "{a} {b}");
}

#[test]
fn trees_find_what_lines_cannot_and_pass() {
    // The cost is high for the young of the east and the old of elsewhere.
    let table = people(6000);
    let Some(Values::Numbers(age)) = table.column("age") else { panic!() };
    let Some(Values::Codes(district)) = table.column("district") else { panic!() };
    let cost = age.iter().zip(district).zip(0u32..).map(|((age, district), row)| {
        let is_old = age.unwrap() >= 50.0;
        let is_east = district.as_deref() == Some("east");
        f64::from(u8::from(is_old != is_east)) * 100.0 + f64::from(row * 7919 % 60)
    });
    let columns = vec![
        numbers("age", age.iter().flatten().copied()),
        codes("district", district.iter().flatten().map(String::as_str)),
        numbers("cost", cost.collect::<Vec<_>>()),
    ];
    let table = Table::new(table.subjects().to_vec(), columns).unwrap();
    let features = vec![number("age"), code("district", &crate::cases::DISTRICTS)];

    let line = specified(Kind::Linear, features.clone(), told("cost"));
    let line = train(&line, &table, &quick()).unwrap();
    let Metrics::Number { r2, .. } = line.card.validation else { panic!() };
    assert!(r2 < 0.2, "{r2}");

    let forest = specified(trees(40, 3), features, told("cost"));
    let forest = train(&forest, &table, &Rules::default()).unwrap();
    let Metrics::Number { r2, .. } = forest.card.validation else { panic!() };
    // Noise is uniform over 60: a variance of 300 beside 2500.
    assert!((0.84..0.92).contains(&r2), "{r2}");
    assert_eq!(objections(&forest), []);
}

#[test]
fn clusters_are_found_where_they_are_and_pass() {
    let centres = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)];
    let noise = crate::cases::random_numbers(3000, 2, 5);
    let shifted = |column: usize| {
        let Values::Numbers(values) = &noise[column].values else { panic!() };
        let values = values.iter().enumerate().map(|(row, value)| {
            let centre = centres[row % 3];
            value.unwrap() + if column == 0 { centre.0 } else { centre.1 }
        });
        numbers(&noise[column].name, values.collect::<Vec<_>>())
    };
    let table = Table::new((0..3000).collect(), vec![shifted(0), shifted(1)]).unwrap();
    let kind = Kind::Clusters { clusters: 3 };
    let specification = specified(kind, vec![number("x0"), number("x1")], None);
    let trained = train(&specification, &table, &Rules::default()).unwrap();

    let Body::Clusters { centres: found } = &trained.model.body else { panic!() };
    for (x, y) in centres {
        let near = found.iter().any(|centre| {
            let raw = |at: usize| match &trained.model.inputs[at] {
                Input::Number { centre: middle, scale, .. } => centre[at] * scale + middle,
                _ => panic!(),
            };
            (raw(0) - x).abs() < 0.3 && (raw(1) - y).abs() < 0.3
        });
        assert!(near, "no centre at {x}, {y}: {found:?}");
    }
    let Metrics::Clusters { silhouette, .. } = trained.card.validation else { panic!() };
    assert!(silhouette > 0.7, "{silhouette}");
    assert_eq!(objections(&trained), []);
}

#[test]
fn the_same_is_the_same_to_the_byte_and_another_seed_draws_others() {
    let table = people(2000);
    for kind in [Kind::Linear, trees(10, 3)] {
        let mut specification = specified(kind, features(), told("cost"));
        let one = train(&specification, &table, &quick()).unwrap();
        let two = train(&specification, &table, &quick()).unwrap();
        assert_eq!(one.card.render(), two.card.render());
        assert_eq!(one.to_json().unwrap(), two.to_json().unwrap());
        assert_eq!(one.to_onnx(), two.to_onnx());
        specification.seed += 1;
        let other = train(&specification, &table, &quick()).unwrap();
        assert_ne!(one.to_json().unwrap(), other.to_json().unwrap());
    }
}

#[test]
fn rows_with_gaps_are_left_out_and_counted_by_tens() {
    let table = people(2000);
    let Some(Values::Numbers(age)) = table.column("age") else { panic!() };
    let gaps = age.iter().enumerate().map(|(row, age)| age.filter(|_| row >= 203));
    let columns = vec![
        shuyu_models::Column { name: "age".into(), values: Values::Numbers(gaps.collect()) },
        numbers("cost", age.iter().map(|age| age.unwrap() * 2.0 + 1.0)),
    ];
    let table = Table::new(table.subjects().to_vec(), columns).unwrap();
    let specification = specified(Kind::Linear, vec![number("age")], told("cost"));
    let trained = train(&specification, &table, &quick()).unwrap();
    assert_eq!(trained.card.trained_on.rows_left_out, 200);
    assert_eq!(trained.card.trained_on.subjects_trained, 1260);
    assert_eq!(trained.card.trained_on.subjects_held_out, 540);
}

#[test]
fn the_card_says_what_a_reader_has_to_know() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let trained = train(&specification, &people(3000), &Rules::default()).unwrap();
    let text = trained.card.render();
    for part in [
        "intended use: to plan clinics by district",
        "| trained on | 2100 | 2100 |",
        "| R² |",
        "## Predicted and true, by bands of the prediction",
        "| age |",
        "## Checks: pass",
        "| membership by likelihood ratio | pass |",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert_eq!(trained.verdict(), Verdict::Pass);
    let json = serde_json::to_string(&trained.card).unwrap();
    assert_eq!(serde_json::from_str::<shuyu_models::Card>(&json).unwrap(), trained.card);
}
