use chrono::Duration;

use shuyu_oversight::{Notice, NoticeCommand, NoticeKind};

use super::{expected, table};
use crate::{CITIES, act_at, actor, at, authority, hash, law, refused};

const NOW: &str = "2025-03-03T02:00:00Z";

fn publish(kind: NoticeKind, title: &str, body: &str) -> NoticeCommand {
    NoticeCommand::Publish {
        kind,
        title: title.to_owned(),
        body: body.to_owned(),
        subject: "cas-1".to_owned(),
    }
}

fn object(reason: &str) -> NoticeCommand {
    NoticeCommand::Object { reason: reason.to_owned() }
}

fn answer(objection: usize, answer: &str) -> NoticeCommand {
    NoticeCommand::Answer { objection, answer: answer.to_owned() }
}

fn withdraw() -> NoticeCommand {
    NoticeCommand::Withdraw { reason: "published by mistake".to_owned() }
}

/// A notice of a decision that is open to objections for seven days.
const CITY: &str = "taizhou";

#[test]
fn a_decision_stands_open_is_objected_to_answered_and_closed() {
    let (law, now, who) = (law(CITY), at(NOW), authority());
    let citizen = actor(77, 78, &["public"]);
    let until = at("2025-03-10T16:00:00Z");
    let act = |by, now, state: Option<&Notice>, command| act_at(&law, by, now, state, command);
    let published = act(&who, now, None, publish(NoticeKind::Decision, "chosen", "an operator"));
    let published = published.expect("published");
    assert_eq!(published.objections_until, Some(until), "seven days and the rest of the day");
    let last = until - Duration::seconds(1);
    let objected = act(&citizen, last, Some(&published), object("not fair")).expect("objected");
    let answered = act(&who, until, Some(&objected), answer(0, "it was drawn")).expect("answered");
    let closed = act(&who, until, Some(&answered), NoticeCommand::Close).expect("closed");
    let withdrawn = act(&who, now, Some(&published), withdraw()).expect("withdrawn");
    let states = [
        ("none", None),
        ("published", Some(&published)),
        ("objected", Some(&objected)),
        ("answered", Some(&answered)),
        ("closed", Some(&closed)),
        ("withdrawn", Some(&withdrawn)),
    ];
    let wanted = [
        (&who, publish(NoticeKind::Decision, "chosen", "an operator")),
        (&citizen, object("not fair")),
        (&who, answer(0, "it was drawn")),
        (&who, answer(0, " ")),
        (&who, answer(1, "it was drawn")),
        (&who, NoticeCommand::Close),
        (&who, withdraw()),
    ];
    let (step, runs) = ("!notice-step-in-order", "!notice-window-runs");
    let open = "!notice-objections-answered";
    assert_eq!(
        table(&law, last, &states, &wanted),
        expected(&format!(
            "none: publish=published object={step} answer={step} answer={step} answer={step} close={step} withdraw={step}
             published: publish={step} object=published answer={step} answer={step} answer={step} close={runs} withdraw=withdrawn
             objected: publish={step} object=published answer=published answer={step} answer={step} close={runs} withdraw=withdrawn
             answered: publish={step} object=published answer={step} answer={step} answer={step} close={runs} withdraw=withdrawn
             closed: publish={step} object={step} answer={step} answer={step} answer={step} close={step} withdraw={step}
             withdrawn: publish={step} object={step} answer={step} answer={step} answer={step} close={step} withdraw={step}"
        )),
        "while objections may be made"
    );
    assert_eq!(
        table(&law, until, &states[1..4], &wanted[1..]),
        expected(&format!(
            "published: object={runs} answer={step} answer={step} answer={step} close=closed withdraw=withdrawn
             objected: object={runs} answer=published answer={step} answer={step} close={open} withdraw=withdrawn
             answered: object={runs} answer={step} answer={step} answer={step} close=closed withdraw=withdrawn"
        )),
        "once the time is over"
    );
    let objection = &closed.objections[0];
    assert_eq!(objection.by, Some(citizen.person));
    assert_eq!(
        (objection.reason.as_str(), objection.answer.as_deref()),
        ("not fair", Some("it was drawn"))
    );
}

#[test]
fn a_notice_has_a_title_and_a_text_and_is_bound_to_both() {
    let (law, now, who) = (law(CITY), at(NOW), authority());
    let check = |title: &str, body: &str, expected: &str| {
        let publish = publish(NoticeKind::Call, title, body);
        assert_eq!(refused(act_at::<Notice>(&law, &who, now, None, publish)), expected);
    };
    check("", "a text", "notice-step-in-order");
    check("a title", " ", "notice-step-in-order");
    check("a title", "a text", "nothing");
    let publish = publish(NoticeKind::Call, "a title", "a text");
    let notice = act_at::<Notice>(&law, &who, now, None, publish).expect("published");
    assert_eq!(notice.content, hash("a title\na text"));
}

#[test]
fn only_decisions_are_open_to_objections_and_only_where_the_city_says_so() {
    for city in CITIES {
        let law = law(city);
        let days = law.integer("objection_window_days");
        for (kind, decides) in [
            (NoticeKind::Call, false),
            (NoticeKind::Decision, true),
            (NoticeKind::Operator, true),
            (NoticeKind::Plan, false),
            (NoticeKind::Disclosure, false),
        ] {
            let publish = publish(kind, "a title", "a text");
            let notice = act_at::<Notice>(&law, &authority(), at(NOW), None, publish);
            let notice = notice.expect("published");
            let open = notice.objections_until.is_some();
            assert_eq!(open, decides && days.is_some(), "{city} {}", kind.name());
            let objection = act_at(&law, &actor(77, 78, &[]), at(NOW), Some(&notice), object("no"));
            let expected = if open { "nothing" } else { "notice-window-runs" };
            assert_eq!(refused(objection), expected, "{city} {}", kind.name());
        }
    }
}
