use std::collections::BTreeMap;

use proptest::prelude::*;

use shuyu_oversight::{Evaluation, EvaluationCommand, grade, poor_in_a_row};

use super::{expected, table};
use crate::{AGREEMENT, CITIES, OPERATOR, act_at, at, authority, day, id, law, operator, refused};

const NOW: &str = "2025-03-03T02:00:00Z";

fn scores(scores: &[(&str, u32)]) -> BTreeMap<String, u32> {
    scores.iter().map(|(item, score)| ((*item).to_owned(), *score)).collect()
}

fn record(given: &[(&str, u32)], poor_before: u32) -> EvaluationCommand {
    EvaluationCommand::Record {
        agreement: id(AGREEMENT),
        operator: id(OPERATOR),
        period: (day("2024-03-03"), day("2025-03-02")),
        scores: scores(given),
        poor_before,
    }
}

fn object(reason: &str) -> EvaluationCommand {
    EvaluationCommand::Object { reason: reason.to_owned() }
}

fn answer(given: &[(&str, u32)]) -> EvaluationCommand {
    EvaluationCommand::Answer { answer: "counted again".to_owned(), scores: scores(given) }
}

#[test]
fn an_evaluation_is_recorded_objected_to_answered_and_final() {
    for city in CITIES {
        let (law, now, scorer, evaluated) = (law(city), at(NOW), authority(), operator());
        let act = |who, state: Option<&Evaluation>, command| act_at(&law, who, now, state, command);
        let recorded =
            act(&scorer, None, record(&[("use", 60), ("care", 85)], 0)).expect("recorded");
        let objected = act(&evaluated, Some(&recorded), object("miscounted")).expect("objected");
        let answered = act(&scorer, Some(&objected), answer(&[("use", 70)])).expect("answered");
        let finished = act(&scorer, Some(&recorded), EvaluationCommand::Finish).expect("finished");
        let states = [
            ("none", None),
            ("recorded", Some(&recorded)),
            ("objected", Some(&objected)),
            ("answered", Some(&answered)),
            ("finished", Some(&finished)),
        ];
        let wanted = [
            (&scorer, record(&[("use", 60)], 0)),
            (&evaluated, object("miscounted")),
            (&evaluated, object("")),
            (&scorer, answer(&[("use", 70)])),
            (&scorer, EvaluationCommand::Finish),
        ];
        let step = "!evaluation-step-in-order";
        assert_eq!(
            table(&law, now, &states, &wanted),
            expected(&format!(
                "none: record=recorded object={step} object={step} answer={step} finish={step}
                 recorded: record={step} object=objected object={step} answer={step} finish=final
                 objected: record={step} object={step} object={step} answer=final finish={step}
                 answered: record={step} object={step} object={step} answer={step} finish={step}
                 finished: record={step} object={step} object={step} answer={step} finish={step}"
            )),
            "{city}"
        );
        assert_eq!(recorded.grading.score_hundredths, 7_250);
        assert_eq!(answered.grading.score_hundredths, 7_000);
        let kept = answered.objection.expect("it stays");
        assert_eq!(kept, ("miscounted".to_owned(), Some("counted again".to_owned())));
    }
}

#[test]
fn who_is_evaluated_neither_scores_nor_answers_nor_ends_it() {
    let (law, now) = (law("beijing"), at(NOW));
    let act = |who, state: Option<&Evaluation>, command| act_at(&law, who, now, state, command);
    let (scorer, evaluated) = (authority(), operator());
    let recorded = act(&scorer, None, record(&[("use", 60)], 0)).expect("recorded");
    let objected = act(&evaluated, Some(&recorded), object("miscounted")).expect("objected");
    let rule = "evaluated-does-not-score";
    assert_eq!(refused(act(&evaluated, None, record(&[("use", 100)], 0))), rule);
    assert_eq!(refused(act(&evaluated, Some(&objected), answer(&[("use", 100)]))), rule);
    assert_eq!(refused(act(&evaluated, Some(&recorded), EvaluationCommand::Finish)), rule);
}

#[test]
fn scores_are_of_a_hundred_and_of_a_period_that_is_over() {
    let (law, now) = (law("beijing"), at(NOW));
    let check = |command: EvaluationCommand, expected: &str| {
        let outcome = act_at::<Evaluation>(&law, &authority(), now, None, command);
        assert_eq!(refused(outcome), expected);
    };
    let of = |from: &str, to: &str| EvaluationCommand::Record {
        agreement: id(AGREEMENT),
        operator: id(OPERATOR),
        period: (day(from), day(to)),
        scores: scores(&[("use", 60)]),
        poor_before: 0,
    };
    check(record(&[], 0), "evaluation-scores-valid");
    check(record(&[("use", 101)], 0), "evaluation-scores-valid");
    check(record(&[("use", 100), ("care", 0)], 0), "nothing");
    // It is the third of March there, and the day itself may be the last of the period.
    check(of("2025-01-01", "2025-03-03"), "nothing");
    check(of("2025-01-01", "2025-03-04"), "evaluation-scores-valid");
    check(of("2025-03-02", "2025-03-01"), "evaluation-scores-valid");
}

#[test]
fn two_poor_grades_in_a_row_propose_to_end_it_and_an_answer_takes_one_back() {
    let (law, now) = (law("beijing"), at(NOW));
    let act = |who, state: Option<&Evaluation>, command| act_at(&law, who, now, state, command);
    let (scorer, evaluated) = (authority(), operator());
    let once = act(&scorer, None, record(&[("use", 59)], 0)).expect("recorded");
    assert_eq!((once.grading.grade.as_deref(), once.poor_in_a_row), (Some("poor"), 1));
    assert_eq!(once.grading.consequences, ["reminder", "interview"]);
    let twice = act(&scorer, None, record(&[("use", 59)], 1)).expect("recorded");
    assert_eq!(twice.poor_in_a_row, 2);
    assert_eq!(twice.grading.consequences, ["reminder", "interview", "propose_termination"]);
    let objected = act(&evaluated, Some(&twice), object("miscounted")).expect("objected");
    let lifted = act(&scorer, Some(&objected), answer(&[("use", 60)])).expect("answered");
    assert_eq!((lifted.grading.grade.as_deref(), lifted.poor_in_a_row), (Some("qualified"), 0));
    let same = act(&scorer, Some(&objected), answer(&[("use", 10)])).expect("answered");
    assert_eq!(same.poor_in_a_row, 2, "the same evaluation is not counted twice");
    assert_eq!(poor_in_a_row([&once, &twice].into_iter()), 2);
    assert_eq!(poor_in_a_row([&once, &lifted].into_iter()), 0, "the latest is not poor");
}

#[test]
fn a_city_without_grades_gives_none_and_one_with_a_pass_mark_tells_who_passed() {
    let grading = |city: &str, score| grade(&law(city), &scores(&[("use", score)]), 0);
    assert_eq!(grading("hangzhou", 5).grade, None);
    assert!(!grading("hangzhou", 5).is_poor);
    assert_eq!(grading("hangzhou", 5).passed, None);
    assert_eq!(grading("changchun", 59).passed, Some(false));
    assert_eq!(grading("changchun", 60).passed, Some(true));
    assert_eq!(grading("beijing", 90).grade.as_deref(), Some("excellent"));
    assert_eq!(grading("beijing", 90).consequences.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn more_points_never_give_a_worse_grade(
        given in prop::collection::btree_map("[a-d]", 0_u32..=100, 1..4),
        more in 0_u32..=100,
        poor_before in 0_u32..3,
    ) {
        let law = law("beijing");
        let raised: BTreeMap<String, u32> =
            given.iter().map(|(item, score)| (item.clone(), (score + more).min(100))).collect();
        let (low, high) = (grade(&law, &given, poor_before), grade(&law, &raised, poor_before));
        prop_assert!(low.score_hundredths <= high.score_hundredths && high.score_hundredths <= 10_000);
        prop_assert!(low.is_poor || !high.is_poor);
        let ends = |grading: &shuyu_oversight::Grading| grading.consequences.iter().any(|it| it == "propose_termination");
        prop_assert_eq!(ends(&low), low.is_poor && poor_before + 1 >= 2);
        prop_assert!(ends(&low) || !ends(&high));
    }
}
