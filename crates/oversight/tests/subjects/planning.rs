//! What falls due in each city, when, from whom; and how a task lives.

use std::{collections::BTreeSet, fmt::Write as _};

use chrono::{DateTime, Days, Months, Utc};
use proptest::prelude::*;
use shuyu_kernel::Actor;

use super::{CITIES, act_at, at, authority, day, hash, id, law, operator, refused, term};
use shuyu_oversight::{
    AgreementTerm, PlannedTask, Submission, Task, TaskCommand, TaskKind, TaskStatus,
};
use shuyu_oversight::{filing_due, plan_filings, plan_tasks};

/// What falls due, a line for each thing: its days.
fn table(city: &str, term: &AgreementTerm) -> String {
    let tasks = plan_tasks(&law(city), term);
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for task in &tasks {
        let name = |task: &PlannedTask| {
            let to = task.recipient.clone().unwrap_or_else(|| "-".to_owned());
            format!("{} {} by {} to {to}", task.kind.name(), task.subject, task.owner_role)
        };
        if seen.insert(name(task)) {
            let same = tasks.iter().filter(|other| name(other) == name(task));
            let days: Vec<String> = same.map(|task| task.due_on.to_string()).collect();
            writeln!(text, "{}: {}", name(task), days.join(" ")).expect("text is written");
        }
    }
    text
}

#[test]
fn what_falls_due_is_what_the_city_asks_for() {
    let term = term("2025-03-01", "2027-02-28");
    for city in CITIES {
        insta::assert_snapshot!(city, table(city, &term));
    }
}

#[test]
fn filings_fall_due_with_each_recipient_that_the_city_names_and_nowhere_else() {
    let term = term("2025-03-01", "2027-02-28");
    let filed = |city: &str, subject: &str| -> Vec<(String, String)> {
        plan_filings(&law(city), &term, subject, day("2025-04-30"))
            .into_iter()
            .map(|task| (task.recipient.unwrap_or_default(), task.due_on.to_string()))
            .collect()
    };
    let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    // Ten working days after 30 April, over the weekends.
    let ten = filing_due(&law("changchun"), "agreement", day("2025-04-30")).to_string();
    assert!(ten.as_str() >= "2025-05-14", "{ten}");
    assert_eq!(
        filed("changchun", "agreement"),
        own(&[("provincial_authority", &ten), ("authority", &ten)])
    );
    assert_eq!(filed("taizhou", "operator_decision"), own(&[("government", "2025-04-30")]));
    assert_eq!(filed("jingzhou", "agreement"), []);
    assert_eq!(filed("taizhou", "agreement"), []);
}

/// A yearly report of Taizhou, due on 31 March.
fn report() -> Task {
    let law = law("taizhou");
    let planned = plan_tasks(&law, &term("2025-03-01", "2027-02-28"))
        .into_iter()
        .find(|task| task.kind == TaskKind::Report)
        .expect("a report is due");
    assert_eq!(planned.due_on, day("2026-03-31"));
    let command = TaskCommand::Plan(Box::new(planned));
    act_at(&law, &Actor::system(), at("2025-03-03T00:00:00Z"), None, command).expect("planned")
}

fn submission(sections: &[&str]) -> TaskCommand {
    TaskCommand::Submit(Submission {
        evidence: hash("report"),
        sections: sections.iter().map(|name| ((*name).to_owned(), "as told".to_owned())).collect(),
    })
}

const SECTIONS: [&str; 7] = [
    "authorised_storage",
    "processing",
    "analysis_mining",
    "fusion_use",
    "product_sales",
    "cost",
    "net_profit",
];

#[test]
fn a_task_is_reminded_of_twice_and_then_lapses_at_the_end_of_its_day() {
    let law = law("taizhou");
    let mut task = report();
    // The day ends at 16:00 UTC, eight hours east of Greenwich.
    assert_eq!(task.due_at, at("2026-03-31T16:00:00Z"));
    let mut happened = Vec::new();
    for hour in 0..24 * 40 {
        let now = at("2026-03-01T00:00:00Z") + chrono::Duration::hours(hour);
        while let Some(command) = task.tick(now) {
            let name = shuyu_store::Command::name(&command);
            task = act_at(&law, &Actor::system(), now, Some(&task), command).expect("it is due");
            happened.push((name, now));
        }
    }
    let expected = [
        ("remind", at("2026-03-24T16:00:00Z")),
        ("remind", at("2026-03-30T16:00:00Z")),
        ("lapse", at("2026-03-31T16:00:00Z")),
    ];
    assert_eq!(happened, expected);
    assert_eq!(task.status, TaskStatus::Overdue);
    assert!(task.was_overdue);
}

#[test]
fn a_task_lives_from_its_plan_to_its_acceptance_and_is_refused_every_other_step() {
    let law = law("taizhou");
    let early = at("2026-03-20T00:00:00Z");
    let go = |who: &Actor, when: DateTime<Utc>, task: Option<&Task>, command: TaskCommand| {
        act_at(&law, who, when, task, command)
    };
    let why = |reason: &str| TaskCommand::Return { reason: reason.to_owned() };
    let off = || TaskCommand::Cancel { reason: "merged".to_owned() };
    let open = report();
    assert_eq!(refused(go(&operator(), early, None, submission(&SECTIONS))), "task-step-in-order");
    let too_early = [
        TaskCommand::Remind,
        TaskCommand::Lapse,
        TaskCommand::Accept,
        why("incomplete"),
        TaskCommand::Plan(Box::new(plan_tasks(&law, &term("2025-03-01", "2027-02-28")).remove(0))),
    ];
    for command in too_early {
        assert_eq!(refused(go(&authority(), early, Some(&open), command)), "task-step-in-order");
    }
    let by_other = go(&authority(), early, Some(&open), submission(&SECTIONS));
    assert_eq!(refused(by_other), "task-submitted-by-owner");
    let incomplete = go(&operator(), early, Some(&open), submission(&SECTIONS[1..]));
    assert_eq!(refused(incomplete), "task-sections-complete");
    let handed_in = go(&operator(), early, Some(&open), submission(&SECTIONS)).expect("handed in");
    assert!(!handed_in.was_overdue);
    assert_eq!(handed_in.wake_at(), None);
    let own = go(&operator(), early, Some(&handed_in), TaskCommand::Accept);
    assert_eq!(refused(own), "task-owner-does-not-accept");
    assert_eq!(
        refused(go(&authority(), early, Some(&handed_in), why(" "))),
        "task-return-states-why"
    );
    assert_eq!(refused(go(&authority(), early, Some(&handed_in), off())), "task-step-in-order");
    let returned =
        go(&authority(), early, Some(&handed_in), why("costs are missing")).expect("back");
    assert!(returned.wake_at().is_some());
    let late = at("2026-04-02T00:00:00Z");
    let lapsed = go(&Actor::system(), late, Some(&returned), TaskCommand::Lapse).expect("lapsed");
    let again =
        go(&operator(), late, Some(&lapsed), submission(&SECTIONS)).expect("handed in late");
    assert!(again.was_overdue);
    let done = go(&authority(), late, Some(&again), TaskCommand::Accept).expect("accepted");
    assert_eq!(done.status, TaskStatus::Accepted);
    for command in [TaskCommand::Accept, submission(&SECTIONS), off(), TaskCommand::Lapse] {
        let result = go(&operator(), late, Some(&done), command);
        assert_eq!(refused(result), "task-step-in-order");
    }
    let cancelled = go(&authority(), early, Some(&open), off()).expect("called off");
    assert!(cancelled.tick(at("2030-01-01T00:00:00Z")).is_none());
}

proptest! {
    #[test]
    fn planning_is_the_same_each_time_and_nothing_is_planned_twice(
        offset in 0_u64..3000, months in 1_u32..60, city in 0_usize..5,
    ) {
        let starts_on = day("2024-01-01") + Days::new(offset);
        let ends_on = starts_on + Months::new(months) - Days::new(1);
        let term = AgreementTerm { id: id(1), operator: id(10), starts_on, ends_on };
        let law = law(CITIES[city]);
        let tasks = plan_tasks(&law, &term);
        prop_assert_eq!(&tasks, &plan_tasks(&law, &term));
        let ids: BTreeSet<_> = tasks.iter().map(PlannedTask::id).collect();
        prop_assert_eq!(ids.len(), tasks.len());
        prop_assert!(tasks.is_sorted_by_key(|task| task.due_on));
        for task in &tasks {
            prop_assert!(task.due_on >= starts_on);
            prop_assert!(task.period.0 >= starts_on && task.period.1 <= ends_on);
            prop_assert!(task.period.0 <= task.period.1);
            prop_assert_eq!(task.owner.is_some(), task.owner_role == "operator");
            prop_assert!(task.kind != TaskKind::Inspection || task.due_on <= ends_on);
            let task = task.task(&law);
            prop_assert!(task.reminders.iter().all(|reminder| *reminder < task.due_at));
            prop_assert!(task.wake_at().is_some_and(|at| at <= task.due_at));
        }
    }

    #[test]
    fn whenever_the_clock_is_looked_at_nothing_more_is_due_afterwards(
        hours in prop::collection::vec(0_i64..24 * 60, 1..20),
    ) {
        let law = law("taizhou");
        let mut task = report();
        let mut hours = hours;
        hours.sort_unstable();
        for hour in hours {
            let now = at("2026-02-15T00:00:00Z") + chrono::Duration::hours(hour);
            if let Some(command) = task.tick(now) {
                task = act_at(&law, &Actor::system(), now, Some(&task), command).expect("due");
            }
            prop_assert!(task.tick(now).is_none());
            prop_assert_eq!(task.status == TaskStatus::Overdue, now >= task.due_at);
        }
    }
}
