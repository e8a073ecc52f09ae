//! The log, and the states that follow from it.

use chrono::Duration;
use serde_json::json;
use shuyu_enclave::GrantEvent;
use shuyu_law::{ClauseId, Refusal, Text};
use shuyu_store::{StreamId, Version};

use super::{History, actor, agreement_stream, authority, grant_stream, operator, refused, signed};
use crate::{
    checks::ledger,
    step::{Outcome, Step},
};

fn about() -> StreamId {
    StreamId::new("portal", &"search")
}

#[test]
fn an_entry_that_vanished_is_missed() {
    let mut history = History::new();
    history.well(about(), &authority(), &json!({}));
    let mut entry = history.entry(about(), &authority(), &json!({}));
    entry.seq += 1;
    history.ill_entry(entry, "where 1 is due");
}

#[test]
fn a_version_that_vanished_is_missed() {
    let mut history = History::new();
    let mut entry = history.entry(agreement_stream(), &authority(), &signed(history.now));
    entry.version = Some(Version(2));
    history.ill_entry(entry, "version 2 follows 0");
}

#[test]
fn time_that_runs_backwards_or_ahead_is_seen() {
    let mut history = History::new();
    history.well(about(), &authority(), &json!({}));
    let mut entry = history.entry(about(), &authority(), &json!({}));
    (entry.at, entry.decided_at) = (entry.at - Duration::hours(1), entry.at - Duration::hours(1));
    history.ill_entry(entry, "time runs backwards");

    let mut history = History::new();
    let mut entry = history.entry(about(), &authority(), &json!({}));
    entry.at += Duration::hours(1);
    history.ill_entry(entry, "and it is");

    let mut history = History::new();
    let mut entry = history.entry(about(), &authority(), &json!({}));
    entry.decided_at += Duration::hours(1);
    history.ill_entry(entry, "decided after");
}

#[test]
fn a_refusal_cites_clauses_of_the_pack() {
    let mut history = History::new();
    history.ill(about(), &authority(), &refused("some-rule"), "cites no clause");
    let mut entry = history.entry(about(), &authority(), &refused("some-rule"));
    entry.clauses = vec![ClauseId::new("atlantis/1.1")];
    history.ill_entry(entry, "no clause of the pack");
    let mut entry = history.entry(about(), &authority(), &refused("some-rule"));
    entry.clauses = vec![history.law.clauses[0].id.clone()];
    assert!(history.show(entry).is_empty());
}

/// What is found wrong with an act that came to `outcome`, with these entries in the log.
fn found(history: &History, act: &str, outcome: Outcome, refusals: usize, events: usize) -> String {
    let clauses = vec![history.law.clauses[0].id.clone()];
    let mut entries = Vec::new();
    for _ in 0..refusals {
        let mut entry = history.entry(about(), &authority(), &refused("some-rule"));
        entry.clauses = clauses.clone();
        entries.push(entry);
    }
    for _ in 0..events {
        entries.push(history.entry(agreement_stream(), &authority(), &signed(history.now)));
    }
    let step = Step::new(act, "", outcome);
    ledger::outcome(&step, &entries, &history.law).err().unwrap_or_default()
}

#[test]
fn an_act_is_held_against_what_the_log_says_of_it() {
    let history = History::new();
    let refusal = |clauses: Vec<ClauseId>| {
        Outcome::Refused(Refusal {
            rule: "some-rule".to_owned(),
            clauses,
            code: None,
            message: Text::default(),
            detail: None,
            cause: None,
        })
    };
    let law = || refusal(vec![history.law.clauses[0].id.clone()]);
    let absent = || Outcome::Absent("nothing".to_owned());
    let check = |act: &str, outcome, refusals, events, expected: &str| {
        let found = found(&history, act, outcome, refusals, events);
        assert!(found.contains(expected), "{found} for {expected}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
    };
    check("a.b", Outcome::Accepted, 0, 1, "");
    check("a.b", Outcome::Accepted, 0, 0, "the log says nothing");
    check("a.b", law(), 1, 0, "");
    check("a.b", law(), 0, 0, "the log does not say so");
    check("a.b", law(), 1, 1, "1 events did");
    check("a.b", refusal(Vec::new()), 1, 0, "cites no clause");
    check("a.b", absent(), 0, 0, "");
    check("a.b", absent(), 0, 2, "2 events did");
    check("a.b", Outcome::Invalid("no table".to_owned()), 0, 1, "1 events did");
    check("a.b", Outcome::Broken("conflict".to_owned()), 0, 0, "it broke");
    check("tick", law(), 1, 0, "held up");
}

#[test]
fn a_state_that_cannot_be_reached_is_seen() {
    let mut history = History::new();
    history.granted();
    history.ill(grant_stream(), &authority(), &GrantEvent::Restored, "cannot happen to what is");

    let mut history = History::new();
    history.granted();
    let reason = "looked into".to_owned();
    history.well(grant_stream(), &authority(), &GrantEvent::Suspended { reason });
    assert!(history.watch.lives.compare(&grant_stream(), "suspended").is_ok());
    let compared = history.watch.lives.compare(&grant_stream(), "active");
    assert!(compared.is_err_and(|why| why.contains("cannot have become")));
    let stranger = StreamId::new("grant", &"none");
    assert!(history.watch.lives.compare(&stranger, "active").is_err());
}

#[test]
fn who_administers_or_audits_keeps_to_it() {
    let mut history = History::new();
    history.granted();
    let administrator = actor(1, 1, &["administrator"]);
    let mut read = history.entry(StreamId::new("document", &"x"), &administrator, &json!({}));
    read.act = "document.read".to_owned();
    history.ill_entry(read, "administers reads");

    let auditor = actor(2, 2, &["auditor"]);
    let about = StreamId::new("person", &"x");
    let mut bind = history.entry(about, &auditor, &json!({}));
    bind.act = "person.bind".to_owned();
    history.ill_entry(bind, "audits administers");

    let both = actor(3, 3, &["administrator", "operator"]);
    let entry = history.entry(StreamId::new("portal", &"x"), &both, &json!({}));
    history.ill_entry(entry, "beside other roles");
    let entry = history.entry(StreamId::new("portal", &"x"), &operator(), &json!({}));
    assert!(history.show(entry).is_empty());
}
