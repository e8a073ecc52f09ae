//! Tests across the subjects of this room: its rules, and what falls due in each city.

use shuyu_kernel::Id as _;
use shuyu_law::Law;

use crate::{AgreementTerm, TaskKind, plan_tasks};

const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];

#[test]
fn every_rule_of_the_room_has_words_and_clauses_in_every_city() {
    for city in CITIES {
        let law = Law::load(city).expect("the pack loads");
        for rule in crate::RULES {
            let refusal = law.refuse(*rule, &[]);
            assert!(!refusal.clauses.is_empty(), "{city}: {} cites no clause", rule.name());
        }
    }
}

#[test]
fn what_falls_due_is_what_the_city_asks_for() {
    let day = |text: &str| text.parse().expect("a day");
    let term = AgreementTerm {
        id: shuyu_kernel::AgreementId::from_u128(1),
        operator: shuyu_kernel::OrganisationId::from_u128(2),
        starts_on: day("2025-03-01"),
        ends_on: day("2027-02-28"),
    };
    let check = |city: &str, kind: TaskKind, subject: &str, expected: &[&str]| {
        let law = Law::load(city).expect("the pack loads");
        let due: Vec<String> = plan_tasks(&law, &term)
            .into_iter()
            .filter(|task| task.kind == kind && task.subject == subject)
            .map(|task| task.due_on.to_string())
            .collect();
        assert_eq!(due, expected, "{city} {subject}");
    };
    check("hangzhou", TaskKind::Report, "annual_operation", &["2026-03-30", "2027-03-30"]);
    check(
        "taizhou",
        TaskKind::Report,
        "annual_operation",
        &["2026-03-31", "2027-03-31", "2028-03-31"],
    );
    check("jingzhou", TaskKind::Report, "annual_operation", &[]);
    check("hangzhou", TaskKind::Renewal, "agreement", &["2026-11-28"]);
    check("taizhou", TaskKind::Renewal, "agreement", &["2026-08-28"]);
    check("beijing", TaskKind::Renewal, "agreement", &[]);
}
