use shuyu_oversight::{Alert, AlertCommand, AlertFinding, Severity, Source};

use super::{expected, table};
use crate::{AGREEMENT, CITIES, OPERATOR, act_at, at, authority, day, id, law, operator, refused};

const NOW: &str = "2025-03-03T02:00:00Z";

fn finding() -> AlertFinding {
    AlertFinding {
        ground: "out_of_scope_attempts".to_owned(),
        detail: "five within a day".to_owned(),
        severity: Severity::Warning,
        subject: id::<shuyu_kernel::OrganisationId>(OPERATOR).to_string(),
        organisation: Some(id(OPERATOR)),
        agreement: Some(id(AGREEMENT)),
        source: Source::Figure { parameter: "out_of_scope_attempts_per_day".to_owned() },
    }
}

fn close(outcome: &str) -> AlertCommand {
    AlertCommand::Close { outcome: outcome.to_owned() }
}

#[test]
fn an_alert_is_raised_looked_into_and_closed_with_what_came_of_it() {
    for city in CITIES {
        let (law, now, who) = (law(city), at(NOW), authority());
        let act = |state: Option<&Alert>, command| act_at(&law, &who, now, state, command);
        let raised = act(None, AlertCommand::Raise(finding())).expect("raised");
        let acknowledged = act(Some(&raised), AlertCommand::Acknowledge).expect("acknowledged");
        let closed = act(Some(&acknowledged), close("a warning was given")).expect("closed");
        let states = [
            ("none", None),
            ("raised", Some(&raised)),
            ("acknowledged", Some(&acknowledged)),
            ("closed", Some(&closed)),
        ];
        let wanted = [
            (&who, AlertCommand::Raise(finding())),
            (&who, AlertCommand::Acknowledge),
            (&who, close("looked into")),
            (&who, close("  ")),
        ];
        assert_eq!(
            table(&law, now, &states, &wanted),
            expected(
                "none: raise=raised acknowledge=!alert-step-in-order close=!alert-step-in-order close=!alert-step-in-order
                 raised: raise=!alert-step-in-order acknowledge=acknowledged close=closed close=!alert-step-in-order
                 acknowledged: raise=!alert-step-in-order acknowledge=!alert-step-in-order close=closed close=!alert-step-in-order
                 closed: raise=!alert-step-in-order acknowledge=!alert-step-in-order close=!alert-step-in-order close=!alert-step-in-order"
            ),
            "{city}"
        );
        assert_eq!((raised.raised_at, raised.outcome.as_deref()), (now, None));
        assert_eq!(closed.outcome.as_deref(), Some("a warning was given"));
    }
}

#[test]
fn whom_an_alert_concerns_neither_looks_into_it_nor_closes_it() {
    let (law, now) = (law("hangzhou"), at(NOW));
    let raised = act_at::<Alert>(&law, &authority(), now, None, AlertCommand::Raise(finding()))
        .expect("raised");
    for command in [AlertCommand::Acknowledge, close("nothing was wrong")] {
        let outcome = act_at(&law, &operator(), now, Some(&raised), command);
        assert_eq!(refused(outcome), "alert-subject-does-not-close");
    }
}

#[test]
fn an_alert_says_what_it_is_about_and_whom_it_concerns() {
    let (law, now) = (law("beijing"), at(NOW));
    for (ground, subject) in [("", "org-1"), (" ", "org-1"), ("a breach", ""), ("a breach", " ")] {
        let finding =
            AlertFinding { ground: ground.to_owned(), subject: subject.to_owned(), ..finding() };
        let raise = AlertCommand::Raise(finding);
        let outcome = act_at::<Alert>(&law, &authority(), now, None, raise);
        assert_eq!(refused(outcome), "alert-step-in-order", "`{ground}` `{subject}`");
    }
}

#[test]
fn a_person_raises_what_they_observed_of_an_organisation_or_an_agreement() {
    let who = authority();
    let raise = |subject: String| match AlertCommand::raise(&who, subject, Severity::Notice, "x") {
        AlertCommand::Raise(finding) => finding,
        other => panic!("{other:?}"),
    };
    let of_operator = raise(id::<shuyu_kernel::OrganisationId>(OPERATOR).to_string());
    assert_eq!((of_operator.organisation, of_operator.agreement), (Some(id(OPERATOR)), None));
    let of_agreement = raise(id::<shuyu_kernel::AgreementId>(AGREEMENT).to_string());
    assert_eq!((of_agreement.organisation, of_agreement.agreement), (None, Some(id(AGREEMENT))));
    assert_eq!(of_agreement.source, Source::Person { id: who.person });
}

#[test]
fn the_platform_raises_the_same_finding_once_a_day() {
    let finding = finding();
    let other = AlertFinding { ground: "refused_exports".to_owned(), ..finding.clone() };
    assert_eq!(finding.id_on(day("2025-03-03")), finding.id_on(day("2025-03-03")));
    assert_ne!(finding.id_on(day("2025-03-03")), finding.id_on(day("2025-03-04")));
    assert_ne!(finding.id_on(day("2025-03-03")), other.id_on(day("2025-03-03")));
}
