//! Cases and the catalogue: real cases, led by the engine, with one event that must not be.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::json;
use shuyu_casework::{Act, case::Event, simulate::Walk};
use shuyu_catalogue::resource;
use shuyu_kernel::{Actor, CaseId, ContentHash, PersonId, ResourceId, Role};
use shuyu_law::Next;
use shuyu_store::StreamId;

use super::{History, authority, id};

fn case(number: u128) -> StreamId {
    StreamId::new("case", &id::<CaseId>(number))
}

/// Who does what an event of a case says.
fn by(event: &Event) -> Actor {
    match event {
        Event::Acted { act, .. } => Actor {
            person: act.person,
            organisation: act.organisation,
            roles: [Role::new(act.role.clone())].into(),
        },
        _ => authority(),
    }
}

/// A case of this procedure that the engine led to its end, shown until before an event; with the
/// events that are left.
fn led(procedure: &str, until: impl Fn(&Event) -> bool) -> (History, Vec<Event>) {
    let mut history = History::new();
    let law = history.law.clone();
    let walk = Walk::open(&law, procedure, history.now).expect("a procedure");
    let mut walk = walk.expect("it opens");
    walk.to_end().expect("it is led to its end");
    let place = walk.events.iter().position(until).expect("such an event");
    history.now = walk.now;
    for event in &walk.events[..place] {
        let entry = history.entry(case(1), &by(event), event);
        history.write(entry);
    }
    (history, walk.events[place..].to_vec())
}

fn acted_in(stage: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Acted { act, .. } if act.stage == stage)
}

/// The act of an event, changed.
fn changed(event: &Event, change: impl Fn(&mut Act)) -> Event {
    let mut event = event.clone();
    if let Event::Acted { act, .. } = &mut event {
        change(act);
    }
    event
}

/// Shows the first of the events that are left, changed, and looks for the fault.
fn ill(procedure: &str, stage: &'static str, change: impl Fn(&mut Act), why: &str) {
    let (mut history, rest) = led(procedure, acted_in(stage));
    let event = changed(&rest[0], change);
    history.ill(case(1), &by(&event), &event, why);
}

#[test]
fn cases_that_go_their_way_are_well() {
    let mut history = History::new();
    let law = history.law.clone();
    let mut shown = 0;
    for (number, procedure) in (1..).zip(law.procedures.keys()) {
        let Some(Ok(mut walk)) = Walk::open(&law, procedure, history.now) else { continue };
        if !matches!(walk.to_end(), Ok(Some(_))) {
            continue;
        }
        history.now = walk.now;
        let (last, before) = walk.events.split_last().expect("events");
        for event in before {
            let entry = history.entry(case(number), &by(event), event);
            history.write(entry);
        }
        history.well(case(number), &by(last), last);
        shown += 1;
    }
    assert!(shown > 20, "{shown} of {} procedures", law.procedures.len());
}

#[test]
fn who_submits_does_not_approve() {
    let submitter: PersonId = {
        let (_, rest) = led("resource", acted_in("registration"));
        let Event::Acted { act, .. } = &rest[0] else { panic!("no act") };
        act.person
    };
    let why = "who acted in registration acts in review";
    ill("resource", "review", |act| act.person = submitter, why);
}

#[test]
fn an_approval_names_the_content_that_stands() {
    let stale = |act: &mut Act| act.read = ContentHash::of(b"another");
    ill("resource", "review", stale, "what was read is");
    // What came in later is part of the content: an earlier reading no longer serves.
    let (mut history, rest) = led("resource", acted_in("registration"));
    let Event::Acted { act, .. } = &rest[0] else { panic!("no act") };
    let before = act.read;
    for event in &rest[..2] {
        let entry = history.entry(case(1), &by(event), event);
        history.write(entry);
    }
    history.well(case(1), &by(&rest[2]), &rest[2]);
    let late = changed(&rest[3], |act| act.read = before);
    history.ill(case(1), &by(&late), &late, "what was read is");
}

#[test]
fn nobody_acts_who_may_not_or_where_the_case_is_not() {
    let outsider = |act: &mut Act| act.role = "product_user".to_owned();
    ill("resource", "review", outsider, "who may not");
    let elsewhere = |act: &mut Act| act.stage = "registration".to_owned();
    ill("resource", "review", elsewhere, "and it is in review");
}

#[test]
fn a_stage_is_left_in_the_way_of_the_procedure() {
    let closes =
        |event: &Event| matches!(event, Event::StageClosed { stage, .. } if stage == "review");
    let (mut history, rest) = led("resource", closes);
    let mut astray = rest[0].clone();
    if let Event::StageClosed { next, .. } = &mut astray {
        *next = Next::End("elsewhere".to_owned());
    }
    history.ill(case(1), &authority(), &astray, "does not lead to");

    // Nobody has agreed.
    let (mut history, rest) = led("resource", acted_in("review"));
    history.ill(case(1), &authority(), &rest[1], "0 persons agree");

    // It ends elsewhere than its outcome leads.
    let (mut history, rest) = led("resource", |event| matches!(event, Event::Closed { .. }));
    let end = match &rest[0] {
        Event::Closed { at, .. } => Event::Closed { end: "elsewhere".to_owned(), at: *at },
        other => other.clone(),
    };
    history.ill(case(1), &authority(), &end, "where the procedure leads to");
}

#[test]
fn a_case_stands_somewhere() {
    let entered =
        |event: &Event| matches!(event, Event::StageEntered(stage) if stage.stage == "review");
    let (mut history, _) = led("resource", entered);
    let entry = history.written.pop().expect("the stage closed");
    history.ill_entry(entry, "stands nowhere");
}

#[test]
fn no_stage_is_left_before_its_time() {
    let mut waiting = BTreeSet::new();
    let law = History::new().law;
    for procedure in law.procedures.values() {
        for stage in procedure.stages.iter().filter(|stage| stage.at_least.is_some()) {
            waiting.insert((procedure.id.clone(), stage.id.clone()));
        }
    }
    let mut shown = 0;
    for (procedure, wanted) in waiting {
        let mut history = History::new();
        let Some(Ok(mut walk)) = Walk::open(&law, &procedure, history.now) else { continue };
        if walk.to_end().is_err() {
            continue;
        }
        let entered = |event: &Event| match event {
            Event::StageEntered(stage) if stage.stage == wanted => stage.not_before,
            _ => None,
        };
        let Some(not_before) = walk.events.iter().find_map(entered) else { continue };
        let closes =
            |event: &Event| matches!(event, Event::StageClosed { stage, .. } if *stage == wanted);
        let Some(place) = walk.events.iter().position(closes) else { continue };
        history.now = not_before - Duration::minutes(1);
        for event in &walk.events[..place] {
            let entry = history.entry(case(1), &by(event), event);
            history.write(entry);
        }
        history.ill(case(1), &authority(), &walk.events[place], "is left before");
        shown += 1;
    }
    assert!(shown > 0, "no stage waits");
}

#[test]
fn objections_have_their_time_and_their_answer() {
    let objection = |history: &History, stage: &str| {
        json!({
            "event": "Objected", "number": 1, "stage": stage, "person": id::<PersonId>(9),
            "organisation": authority().organisation, "at": history.now, "answer": null,
        })
    };
    let (mut history, _) = led("resource", acted_in("review"));
    let event = objection(&history, "review");
    history.ill(case(1), &authority(), &event, "no time for objections");

    // The same stage, under a law that gives it a time for objections.
    let closes =
        |event: &Event| matches!(event, Event::StageClosed { stage, .. } if stage == "review");
    let (mut history, rest) = led("resource", closes);
    for entry in &mut history.written {
        if entry.event.as_deref() == Some("StageEntered") {
            entry.body["objections"] = json!(true);
        }
    }
    let event = objection(&history, "review");
    let entry = history.entry(case(1), &authority(), &event);
    history.write(entry);
    history.ill(case(1), &authority(), &rest[0], "objections have no answer");
}

fn described(title: &str) -> resource::Description {
    serde_json::from_value(json!({
        "name": "visits", "title": title, "fields": [], "level": 1, "update_cycle": "daily",
        "source_system": "registry",
    }))
    .expect("a description")
}

/// A resource that was handed in, whose case has named it where that is wanted.
fn handed_in(named: bool) -> (History, StreamId, ContentHash) {
    let (history, rest) = led("resource", acted_in("registration"));
    let mut history = history;
    let id: ResourceId = id(4);
    let stream = StreamId::new("resource", &id);
    let provider = authority();
    let (at, content) = (history.now, described("visits").content());
    let registered = resource::Event::Registered {
        provider: provider.organisation,
        description: described("visits"),
        at,
    };
    history.well(stream.clone(), &provider, &registered);
    history.well(stream.clone(), &provider, &resource::Event::Submitted { content, at });
    if named {
        let act = changed(&rest[0], |act| act.form = Some(json!({ "resource": id })));
        history.well(case(1), &by(&act), &act);
    }
    (history, stream, content)
}

#[test]
fn what_is_published_is_what_its_case_had_before_it() {
    let published = |content, history: &History| resource::Event::Published {
        case: id(1),
        content,
        at: history.now,
    };
    let (mut history, stream, content) = handed_in(true);
    let event = published(content, &history);
    history.well(stream, &authority(), &event);

    let (mut history, stream, _) = handed_in(true);
    let event = published(ContentHash::of(b"another"), &history);
    history.ill(stream, &authority(), &event, "another content");

    let (mut history, stream, content) = handed_in(false);
    let event = published(content, &history);
    history.ill(stream, &authority(), &event, "after its case had named it");
}
