//! Models that are asked inside and do not leave.

use std::collections::BTreeMap;

use shuyu_models::{Given, Kind, ServeError, Served, train};

use crate::cases::{features, people, quick, specified, told, told_code};

fn given(age: f64, district: &str) -> BTreeMap<String, Given> {
    BTreeMap::from([
        ("age".to_owned(), Given::Number(age)),
        ("income".to_owned(), Given::Number(50.0)),
        ("district".to_owned(), Given::Code(district.to_owned())),
    ])
}

#[test]
fn numbers_are_told_to_three_digits() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let trained = train(&specification, &people(5000), &quick()).unwrap();
    let ask = |given| trained.model.serve(&specification.features, &given);
    // 100 + 3·40 + 2·50 = 320, and 40 more in the west.
    let Ok(Served::Number { number }) = ask(given(40.0, "east")) else { panic!() };
    assert!((number - 320.0).abs() < 5.0 && number.fract() == 0.0, "{number}");
    let Ok(Served::Number { number: west }) = ask(given(40.0, "west")) else { panic!() };
    assert!((west - number - 40.0).abs() < 4.0, "{west}");
}

#[test]
fn nobody_is_asked_about_who_was_not_there() {
    let specification = specified(Kind::Linear, features(), told("cost"));
    let trained = train(&specification, &people(3000), &quick()).unwrap();
    let ask = |given| trained.model.serve(&specification.features, &given).unwrap_err();
    assert_eq!(ask(given(150.0, "east")), ServeError::OutOfRange("age".into()));
    assert_eq!(ask(given(f64::NAN, "east")), ServeError::OutOfRange("age".into()));
    assert_eq!(ask(given(40.0, "moon")), ServeError::OutOfRange("district".into()));
    let mut short = given(40.0, "east");
    short.remove("income");
    assert_eq!(ask(short), ServeError::Feature("income".into()));
    let mut long = given(40.0, "east");
    long.insert("name".into(), Given::Code("x".into()));
    assert_eq!(ask(long), ServeError::Feature("name".into()));
    let mut wrong = given(40.0, "east");
    wrong.insert("age".into(), Given::Code("old".into()));
    assert_eq!(ask(wrong), ServeError::WrongType("age".into()));
}

#[test]
fn probabilities_are_coarse_and_never_certain() {
    let kind = Kind::Logistic { penalty_thousandths: 10 };
    let specification = specified(kind, features(), told_code("ill"));
    let trained = train(&specification, &people(4000), &quick()).unwrap();
    for age in [25.0, 45.0, 75.0] {
        let told = trained.model.serve(&specification.features, &given(age, "west"));
        let Ok(Served::Code { code, probability }) = told else { panic!("{told:?}") };
        assert!((0.01..=0.99).contains(&probability));
        assert!((probability * 100.0 - (probability * 100.0).round()).abs() < 1e-9);
        assert_eq!(code == "yes", probability > 0.5);
    }
}
