//! What scores amount to where a city grades, and what follows from a bad or a good one.

use std::collections::BTreeMap;

use shuyu_kernel::Actor;

use super::{AGREEMENT, CITIES, OPERATOR, act_at, at, authority, day, id, law, operator, refused};
use shuyu_oversight::{Evaluation, EvaluationCommand, grade, poor_in_a_row};

fn scores(score: u32) -> BTreeMap<String, u32> {
    [("supervisor".to_owned(), score), ("provider".to_owned(), score)].into()
}

/// The evaluation of a year, after so many worst grades in a row.
fn record(year: i32, scores: BTreeMap<String, u32>, poor_before: u32) -> EvaluationCommand {
    EvaluationCommand::Record {
        agreement: id(AGREEMENT),
        operator: id(OPERATOR),
        period: (day(&format!("{year}-01-01")), day(&format!("{year}-12-31"))),
        scores,
        poor_before,
    }
}

/// The evaluations of these scores, year by year, and how many of the last are poor in a row.
fn years(city: &str, each: &[u32]) -> (Vec<Evaluation>, u32) {
    let law = law(city);
    let mut evaluations: Vec<Evaluation> = Vec::new();
    for (year, score) in (2023..).zip(each) {
        let before = poor_in_a_row(evaluations.iter());
        let command = record(year, scores(*score), before);
        let now = at(&format!("{}-01-15T00:00:00Z", year + 1));
        let evaluation = act_at(&law, &authority(), now, None, command).expect("recorded");
        evaluations.push(evaluation);
    }
    let in_a_row = poor_in_a_row(evaluations.iter());
    (evaluations, in_a_row)
}

#[test]
fn a_score_has_the_grade_of_its_band() {
    let law = law("beijing");
    for (score, expected) in [
        (100, "excellent"),
        (90, "excellent"),
        (89, "good"),
        (75, "good"),
        (74, "qualified"),
        (60, "qualified"),
        (59, "poor"),
        (58, "poor"),
        (0, "poor"),
    ] {
        let graded = grade(&law, &scores(score), 0);
        assert_eq!(graded.grade.as_deref(), Some(expected), "{score}");
        assert_eq!(graded.score_hundredths, score * 100);
    }
}

#[test]
fn poor_results_in_a_row_and_they_alone_lead_to_the_end_of_the_agreement() {
    let end = "propose_termination".to_owned();
    let ends = |each: &[u32]| {
        let (evaluations, in_a_row) = years("beijing", each);
        let last = evaluations.last().expect("an evaluation");
        assert_eq!(last.poor_in_a_row, in_a_row, "{each:?}");
        (in_a_row, last.grading.consequences.contains(&end))
    };
    assert_eq!(ends(&[58]), (1, false));
    assert_eq!(ends(&[58, 40]), (2, true));
    assert_eq!(ends(&[58, 80, 40]), (1, false));
    assert_eq!(ends(&[80, 58, 59]), (2, true));
    assert_eq!(ends(&[58, 60]), (0, false));
}

#[test]
fn a_grade_brings_the_measures_or_the_benefits_that_the_city_lists() {
    let consequences = |score| grade(&law("beijing"), &scores(score), 0).consequences;
    assert_eq!(consequences(58), ["reminder", "interview"]);
    assert_eq!(
        consequences(93),
        ["pilot_priority", "data_application_preference", "industrial_policy_preference"]
    );
    assert!(consequences(80).is_empty());
    for city in
        CITIES.into_iter().filter(|city| law(city).parameter("excellent_benefits").is_none())
    {
        let benefits = grade(&law(city), &scores(100), 0).consequences;
        assert!(benefits.is_empty(), "{city}: {benefits:?}");
    }
}

#[test]
fn an_operator_does_not_score_itself_and_no_score_is_more_than_a_hundred() {
    let now = at("2026-01-15T00:00:00Z");
    for city in CITIES {
        let law = law(city);
        let go =
            |who: &Actor, command| refused(act_at::<Evaluation>(&law, who, now, None, command));
        let cases = [
            (operator(), record(2025, scores(90), 0), "evaluated-does-not-score"),
            (authority(), record(2025, scores(101), 0), "evaluation-scores-valid"),
            (authority(), record(2025, BTreeMap::new(), 0), "evaluation-scores-valid"),
            (authority(), record(2026, scores(90), 0), "evaluation-scores-valid"),
            (authority(), record(2025, scores(90), 0), "nothing"),
        ];
        for (who, command, expected) in cases {
            assert_eq!(go(&who, command), expected, "{city}");
        }
    }
}
