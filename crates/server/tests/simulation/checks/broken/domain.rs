//! Cuts and the gate.

use std::collections::BTreeSet;

use chrono::Duration;
use serde_json::json;
use shuyu_casework::agreement;
use shuyu_enclave::{
    Approval, Finding, GrantEvent, Proposal, Record, ReleaseEvent, SessionEvent, Verdict,
};
use shuyu_kernel::{Actor, ContentHash};
use shuyu_store::{Recorded, StreamId};

use super::{
    History, actor, agreement_stream, authority, grant, grant_stream, id, operator, suspended,
};

fn session() -> StreamId {
    StreamId::new("session", &id::<shuyu_kernel::SessionId>(5))
}

fn opened(history: &History, by: &Actor) -> SessionEvent {
    SessionEvent::Opened {
        id: id(5),
        person: by.person,
        operator: by.organisation,
        grant: grant(),
        at: history.now,
    }
}

fn asked(history: &History) -> Recorded {
    let mut asked = history.entry(session(), &operator(), &json!({ "cells": 3 }));
    asked.act = "session.ask".to_owned();
    asked
}

#[test]
fn a_grant_does_not_outlast_a_suspension() {
    let mut history = History::new();
    history.granted();
    let suspended = suspended(history.now);
    history.ill(agreement_stream(), &authority(), &suspended, "is active");
    let reason = "agreement suspended".to_owned();
    history.well(grant_stream(), &authority(), &GrantEvent::Suspended { reason });
    history.ill(grant_stream(), &authority(), &GrantEvent::Restored, "is not in operation");
}

#[test]
fn nothing_is_open_after_the_end() {
    let mut history = History::new();
    history.granted();
    let ended = agreement::Event::Ended { ground: "exit".to_owned(), at: history.now };
    history.ill(agreement_stream(), &authority(), &ended, "is not in operation");
}

#[test]
fn a_cut_session_answers_no_more() {
    let mut history = History::new();
    history.granted();
    let event = opened(&history, &operator());
    history.well(session(), &operator(), &event);
    let asked_well = asked(&history);
    assert!(history.show(asked_well).is_empty());
    let reason = "looked into".to_owned();
    history.well(grant_stream(), &authority(), &GrantEvent::Suspended { reason });
    let asked = asked(&history);
    history.ill_entry(asked, "which is not active");
}

#[test]
fn time_alone_cuts() {
    let mut history = History::new();
    history.granted();
    let event = opened(&history, &operator());
    history.well(session(), &operator(), &event);
    history.now += Duration::days(350);
    let asked = asked(&history);
    history.ill_entry(asked, "not in the term");
}

#[test]
fn a_session_is_of_somebody_named() {
    let mut history = History::new();
    history.granted();
    let other = actor(12, 10, &["operator"]);
    let event = opened(&history, &other);
    history.ill(session(), &other, &event, "not named");
}

#[test]
fn another_session_is_not_used() {
    let mut history = History::new();
    history.granted();
    let event = opened(&history, &operator());
    history.well(session(), &operator(), &event);
    let mut asked = asked(&history);
    asked.person = id(12);
    history.ill_entry(asked, "another's session");
}

fn release() -> StreamId {
    StreamId::new("release", &id::<shuyu_kernel::ReleaseId>(6))
}

fn proposal(purpose: &str) -> Proposal {
    let package = ContentHash::of(b"output");
    let finding =
        Finding { check: "rows".to_owned(), verdict: Verdict::Pass, reason: String::new() };
    Proposal {
        package,
        purpose: purpose.to_owned(),
        form: "data_package".to_owned(),
        record: Record { package, rows: 3, findings: vec![finding] },
        salt: "00".to_owned(),
    }
}

fn submitted(history: &mut History) {
    let event = ReleaseEvent::Submitted {
        id: id(6),
        job: id(7),
        grant: grant(),
        author: operator().person,
        operator: operator().organisation,
        providers: BTreeSet::new(),
        proposal: Box::new(proposal("figures")),
        needed: 2,
        pack: history.law.version.clone(),
    };
    history.well(release(), &operator(), &event);
}

fn approved(history: &History, by: &Actor, purpose: &str) -> ReleaseEvent {
    let content = proposal(purpose).hash();
    let (by, organisation) = (by.person, by.organisation);
    ReleaseEvent::Approved { approval: Approval { by, organisation, content, at: history.now } }
}

#[test]
fn a_release_is_approved_by_others_and_enough_of_them() {
    let mut history = History::new();
    submitted(&mut history);
    let event = approved(&history, &operator(), "figures");
    history.ill(release(), &operator(), &event, "its author approves");
    let colleague = actor(12, 10, &["operator"]);
    let event = approved(&history, &colleague, "figures");
    history.ill(release(), &colleague, &event, "its operator approves");

    let mut history = History::new();
    submitted(&mut history);
    let event = approved(&history, &authority(), "figures");
    history.well(release(), &authority(), &event);
    history.ill(release(), &authority(), &event, "approves twice");

    let mut history = History::new();
    submitted(&mut history);
    let event = approved(&history, &authority(), "figures");
    history.well(release(), &authority(), &event);
    let event = ReleaseEvent::Released { at: history.now };
    history.ill(release(), &authority(), &event, "1 of 2 have approved");
}

#[test]
fn an_approval_falls_with_what_it_approved() {
    let mut history = History::new();
    submitted(&mut history);
    let event = approved(&history, &authority(), "figures");
    history.well(release(), &authority(), &event);
    let amended = ReleaseEvent::Amended { proposal: Box::new(proposal("others")) };
    history.well(release(), &operator(), &amended);
    let second = actor(22, 20, &["authority"]);
    let event = approved(&history, &second, "figures");
    history.ill(release(), &second, &event, "not what stands");
    let event = approved(&history, &authority(), "others");
    history.well(release(), &authority(), &event);
    let event = ReleaseEvent::Released { at: history.now };
    history.ill(release(), &authority(), &event, "1 of 2 have approved");
}

#[test]
fn nothing_is_read_out_before_it_is_released() {
    let mut history = History::new();
    submitted(&mut history);
    let mut read = history.entry(release(), &operator(), &json!({ "bytes": 9 }));
    read.act = "release.read".to_owned();
    history.ill_entry(read, "not released");
}
