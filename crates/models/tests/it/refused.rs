//! Models that would carry data out, and what is said of them.

use rand::{Rng, SeedableRng, rngs::StdRng};
use shuyu_models::{
    Body, Column, Feature, Kind, Rules, Specification, SpecificationError, Table, TableError,
    TrainError, Values, Verdict, train, train_until,
};

use crate::cases::{
    check, code, codes, features, number, numbers, people, quick, random_numbers, slope, specified,
    told, told_code, trees, verdict,
};

/// Trees that learn noise by heart.
fn by_heart() -> Kind {
    Kind::Trees { rounds: 60, depth: 8, rate_percent: 50, leaf_subjects: Some(1) }
}

fn noise_table(rows: u64) -> (Table, Vec<Feature>) {
    let mut columns = random_numbers(rows, 7, 3);
    columns[6].name = "cost".into();
    let features = (0..6).map(|column| number(&format!("x{column}"))).collect();
    (Table::new((0..rows).collect(), columns).unwrap(), features)
}

#[test]
fn trees_that_learn_noise_by_heart_fail_every_test_made_for_them() {
    let (table, features) = noise_table(1200);
    let specification = specified(by_heart(), features.clone(), told("cost"));
    let rules = Rules { shadow_models: 8, ..Rules::default() };
    let trained = train(&specification, &table, &rules).unwrap();
    for name in [
        "leaves",
        "residual degrees of freedom",
        "reversal by solving",
        "reversal by output",
        "membership by loss",
        "membership by a trained attack",
        "membership by likelihood ratio",
    ] {
        assert_eq!(verdict(&trained, name), Verdict::Fail, "{name}: {:?}", check(&trained, name));
    }
    let attack = check(&trained, "membership by a trained attack");
    assert!(attack.figures["area under curve"] > 0.9, "{attack:?}");
    let shuffled = attack.figures["area under curve, membership shuffled"];
    assert!((0.4..0.6).contains(&shuffled), "{attack:?}");

    // The same noise, but leaves of ten subjects and few of them: it learns nothing, and passes.
    let specification = specified(trees(5, 2), features, told("cost"));
    let trained = train(&specification, &table, &rules).unwrap();
    for name in ["leaves", "reversal by output", "residual degrees of freedom"] {
        assert_eq!(verdict(&trained, name), Verdict::Pass, "{:?}", check(&trained, name));
    }
    for name in ["membership by loss", "membership by a trained attack"] {
        assert_ne!(verdict(&trained, name), Verdict::Fail, "{:?}", check(&trained, name));
    }
}

#[test]
fn a_dummy_for_each_of_some_people_fails_and_stays_out_of_the_model() {
    let table = people(1000);
    let mut columns: Vec<Column> = ["age", "cost"]
        .map(|name| Column { name: name.into(), values: table.column(name).unwrap().clone() })
        .to_vec();
    let mut features = vec![number("age")];
    for person in 0..20u32 {
        let name = format!("is_person_{person}");
        columns.push(numbers(&name, (0..1000).map(|row| f64::from(row == person))));
        features.push(number(&name));
    }
    let table = Table::new((0..1000).collect(), columns).unwrap();
    let trained =
        train(&specified(Kind::Linear, features, told("cost")), &table, &quick()).unwrap();
    let found = check(&trained, "features that single out");
    assert_eq!(found.verdict, Verdict::Fail);
    assert!(found.reason.contains("is_person_19"), "{found:?}");
    assert_eq!(trained.model.inputs.len(), 1);
}

#[test]
fn codes_that_are_names_of_people_fail_and_are_not_written() {
    let ids: Vec<String> = (0..1000).map(|person| format!("33010619900101{person:04}")).collect();
    let list: Vec<&str> = ids.iter().map(String::as_str).collect();
    let table = people(1000);
    let columns = vec![
        codes("id", list.iter().copied()),
        Column { name: "age".into(), values: table.column("age").unwrap().clone() },
        Column { name: "cost".into(), values: table.column("cost").unwrap().clone() },
    ];
    let table = Table::new((0..1000).collect(), columns).unwrap();
    let features = vec![code("id", &list), number("age")];
    let specification = specified(Kind::Linear, features, told("cost"));
    let trained = train(&specification, &table, &quick()).unwrap();
    assert_eq!(verdict(&trained, "features that single out"), Verdict::Fail);
    let card = serde_json::to_vec(&trained.card).unwrap();
    let written = [trained.to_json().unwrap(), trained.to_onnx(), card];
    for bytes in written {
        assert!(!String::from_utf8_lossy(&bytes).contains("3301061990"));
    }
    // A column of nothing but names leaves nothing to train on.
    let specification = Specification {
        features: vec![code("id", &list)],
        ..specified(Kind::Linear, vec![], told("cost"))
    };
    assert_eq!(train(&specification, &table, &quick()), Err(TrainError::NoFeatures));
}

#[test]
fn as_many_features_as_people_fail() {
    let mut columns = random_numbers(80, 51, 4);
    columns[50].name = "cost".into();
    let features = (0..50).map(|column| number(&format!("x{column}"))).collect();
    let table = Table::new((0..80).collect(), columns).unwrap();
    let rules = Rules { least_subjects: 5, ..quick() };
    let trained = train(&specified(Kind::Linear, features, told("cost")), &table, &rules).unwrap();
    // 56 people, 51 figures.
    assert_eq!(verdict(&trained, "residual degrees of freedom"), Verdict::Fail);
    assert_eq!(verdict(&trained, "reversal by influence"), Verdict::Fail);
}

#[test]
fn a_cluster_for_each_person_fails() {
    let columns = random_numbers(100, 2, 8);
    let table = Table::new((0..100).collect(), columns).unwrap();
    let kind = Kind::Clusters { clusters: 60 };
    let specification = specified(kind, vec![number("x0"), number("x1")], None);
    let trained = train(&specification, &table, &quick()).unwrap();
    for name in ["cluster sizes", "residual degrees of freedom", "reversal by solving"] {
        assert_eq!(verdict(&trained, name), Verdict::Fail, "{name}");
    }
    assert_eq!(verdict(&trained, "reversal by stored rows"), Verdict::Fail);
}

#[test]
fn a_sensitive_code_is_not_guessed_from_a_sound_model_and_is_from_one_by_heart() {
    let mut rng = StdRng::seed_from_u64(11);
    let rows = 1500;
    let mut columns = random_numbers(rows, 4, 12);
    let secret: Vec<&str> =
        (0..rows).map(|_| if rng.random::<f64>() < 0.5 { "a" } else { "b" }).collect();
    let cost = secret.iter().map(|secret| f64::from(*secret == "a") * 0.5 + rng.random::<f64>());
    columns.push(numbers("cost", cost.collect::<Vec<_>>()));
    columns.push(codes("secret", secret));
    let table = Table::new((0..rows).collect(), columns).unwrap();
    let mut features: Vec<Feature> = (0..4).map(|column| number(&format!("x{column}"))).collect();
    features.push(Feature { sensitive: true, ..code("secret", &["a", "b"]) });

    let heart = specified(by_heart(), features.clone(), told("cost"));
    let heart = train(&heart, &table, &quick()).unwrap();
    let found = check(&heart, "inference of secret");
    assert_eq!(found.verdict, Verdict::Fail, "{found:?}");

    let sound = specified(Kind::Linear, features, told("cost"));
    let sound = train(&sound, &table, &quick()).unwrap();
    let found = check(&sound, "inference of secret");
    assert_ne!(found.verdict, Verdict::Fail, "{found:?}");
    assert!(found.figures["gain over those held out"].abs() < 0.06, "{found:?}");
}

#[test]
fn one_persons_extreme_does_not_move_a_model() {
    let table = people(3000);
    let with = |extreme: f64| {
        let columns = ["age", "income", "cost"].map(|name| {
            let mut values = table.column(name).unwrap().clone();
            if let (true, Values::Numbers(values)) = (name != "age", &mut values) {
                values[17] = Some(extreme);
            }
            Column { name: name.into(), values }
        });
        let table = Table::new((0..3000).collect(), columns.to_vec()).unwrap();
        let features = vec![number("age"), number("income")];
        train(&specified(Kind::Linear, features, told("cost")), &table, &quick()).unwrap()
    };
    let income = |extreme: f64| slope(&with(extreme).model, |input| input.column() == "income");
    let (usual, far) = (income(60.0), income(1e9));
    assert!((usual - far).abs() < 0.02 * usual, "{usual} {far}");
    let written = String::from_utf8(with(1e9).to_json().unwrap()).unwrap();
    assert!(!written.contains("1000000000"), "{written}");
}

#[test]
fn a_model_that_is_certain_tells_of_all_who_look_alike() {
    // Whoever is older than 50 is ill, without exception.
    let table = people(2000);
    let Some(Values::Numbers(age)) = table.column("age") else { panic!() };
    let ill = age.iter().map(|age| if age.unwrap() > 50.0 { "yes" } else { "no" });
    let columns =
        vec![numbers("age", age.iter().flatten().copied()), codes("ill", ill.collect::<Vec<_>>())];
    let table = Table::new((0..2000).collect(), columns).unwrap();
    let kind = Kind::Trees { rounds: 60, depth: 1, rate_percent: 50, leaf_subjects: None };
    let specification = specified(kind, vec![number("age")], told_code("ill"));
    let trained = train(&specification, &table, &quick()).unwrap();
    assert_eq!(verdict(&trained, "certainty"), Verdict::Review);
}

#[test]
fn many_rows_of_one_person_are_one_person() {
    // Two thousand rows, of twelve people.
    let table = people(2000);
    let columns = ["age", "cost"]
        .map(|name| Column { name: name.into(), values: table.column(name).unwrap().clone() });
    let subjects = (0..2000).map(|row| row % 12).collect();
    let table = Table::new(subjects, columns.to_vec()).unwrap();
    let specification = specified(Kind::Linear, vec![number("age")], told("cost"));
    assert_eq!(train(&specification, &table, &quick()), Err(TrainError::TooFewSubjects));
}

#[test]
fn what_does_not_fit_together_is_refused_with_its_reason() {
    let table = people(500);
    let refuse =
        |specification: &Specification| train(specification, &table, &quick()).unwrap_err();
    let good = specified(Kind::Linear, features(), told("cost"));

    let wrong = Specification { target: Some(told_code("ill")), ..good.clone() };
    assert_eq!(refuse(&wrong), TrainError::Specification(SpecificationError::Target));
    let wrong = Specification { training_percent: 99, ..good.clone() };
    let out = SpecificationError::OutOfBounds("training_percent");
    assert_eq!(refuse(&wrong), TrainError::Specification(out));
    let wrong = Specification { features: vec![number("cost")], ..good.clone() };
    let twice = SpecificationError::Repeated("cost".into());
    assert_eq!(refuse(&wrong), TrainError::Specification(twice));
    let wrong = Specification { features: vec![number("height")], ..good.clone() };
    assert_eq!(refuse(&wrong), TrainError::NoColumn("height".into()));
    let wrong = Specification { features: vec![number("district")], ..good.clone() };
    assert_eq!(refuse(&wrong), TrainError::WrongType("district".into()));
    let kind = Kind::Trees { rounds: 0, depth: 3, rate_percent: 10, leaf_subjects: None };
    let wrong = Specification { kind, ..good.clone() };
    let out = SpecificationError::OutOfBounds("rounds");
    assert_eq!(refuse(&wrong), TrainError::Specification(out));
    assert_eq!(
        Table::new(vec![1, 2], vec![numbers("a", [1.0])]),
        Err(TableError::Ragged("a".into()))
    );

    // The same column under two names.
    let columns = vec![
        Column { name: "age".into(), values: table.column("age").unwrap().clone() },
        Column { name: "years".into(), values: table.column("age").unwrap().clone() },
        Column { name: "cost".into(), values: table.column("cost").unwrap().clone() },
    ];
    let table = Table::new((0..500).collect(), columns).unwrap();
    let twice = Specification { features: vec![number("age"), number("years")], ..good };
    assert_eq!(train(&twice, &table, &quick()), Err(TrainError::Dependent));
}

#[test]
fn training_ends_when_it_must() {
    use std::cell::Cell;
    let table = people(3000);
    let specification = specified(trees(1000, 8), features(), told("cost"));
    let asked = Cell::new(0);
    let is_over = || {
        asked.set(asked.get() + 1);
        asked.get() > 5
    };
    let stopped = train_until(&specification, &table, &Rules::default(), &is_over);
    assert_eq!(stopped, Err(TrainError::Stopped));
    assert!(asked.get() < 10, "it was asked {} times", asked.get());
}

#[test]
fn a_specification_knows_all_its_fields() {
    let text = r#"{"kind":{"kind":"trees","rounds":10,"depth":3,"rate_percent":10},"features":[{"column":"age"}],
        "target":{"type":"number","column":"cost"},"training_percent":70,"seed":1,"intended_use":"plans"}"#;
    let read: Specification = serde_json::from_str(text).unwrap();
    assert_eq!(read.kind, trees(10, 3));
    let hidden = text.replacen("\"seed\"", "\"note\":\"3301\",\"seed\"", 1);
    assert!(serde_json::from_str::<Specification>(&hidden).is_err());
}

#[test]
fn weights_have_no_digits_to_hide_in() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let rules = Rules { digits: 3, ..quick() };
    let trained = train(&specification, &people(3000), &rules).unwrap();
    let Body::Linear { weights, intercept } = &trained.model.body else { panic!() };
    for figure in weights.iter().chain([intercept]) {
        let digits = figure.to_string().replace(['-', '.'], "");
        assert!(digits.trim_start_matches('0').trim_end_matches('0').len() <= 3, "{figure}");
    }
}
