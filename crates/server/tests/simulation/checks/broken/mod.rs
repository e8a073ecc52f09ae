//! Each check is shown a history in which nothing is wrong, and then the one entry that must not
//! be: a check that cannot fail watches nothing.

mod cases;
mod domain;
mod log;
mod market;

use std::{collections::HashMap, sync::OnceLock};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use shuyu_casework::agreement;
use shuyu_enclave::{GrantEvent, Item, Label, Operation, Terms, Thresholds};
use shuyu_kernel::{
    Actor, AgreementId, ContentHash, GrantId, Id, OrganisationId, PersonId, Role, Share,
};
use shuyu_law::Law;
use shuyu_store::{Recorded, StreamId, Version};

use super::Watch;

/// Read once: it is the longest part of these tests.
static LAW: OnceLock<Law> = OnceLock::new();

/// When histories begin.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).expect("an instant")
}

/// A history that is written by hand.
struct History {
    law: Law,
    now: DateTime<Utc>,
    watch: Watch,
    versions: HashMap<StreamId, u64>,
    /// What is written and not yet shown: the entries of one act are shown together.
    written: Vec<Recorded>,
}

fn id<I: Id>(number: u128) -> I {
    I::from_u128(number)
}

/// Somebody of an organisation, in some roles.
fn actor(person: u128, organisation: u128, roles: &[&str]) -> Actor {
    let roles = roles.iter().copied().map(Role::from).collect();
    Actor { person: id(person), organisation: id(organisation), roles }
}

fn operator() -> Actor {
    actor(11, 10, &["operator"])
}

fn authority() -> Actor {
    actor(21, 20, &["authority"])
}

impl History {
    fn new() -> Self {
        let law = LAW.get_or_init(|| Law::load("hangzhou").expect("a pack")).clone();
        Self { law, now: now(), watch: Watch::new(), versions: HashMap::new(), written: Vec::new() }
    }

    /// The next entry: an event of `stream`, or what the journal says.
    fn entry(&self, stream: StreamId, by: &Actor, body: &impl Serialize) -> Recorded {
        let body = serde_json::to_value(body).expect("a body");
        let event = body.get("event").and_then(Value::as_str).map(str::to_owned);
        let version =
            event.as_ref().map(|_| Version(self.versions.get(&stream).copied().unwrap_or(0) + 1));
        Recorded {
            seq: self.watch.size() + self.written.len() as u64,
            act: format!("{}.do", stream.kind()),
            stream,
            version,
            event,
            at: self.now,
            decided_at: self.now,
            person: by.person,
            organisation: by.organisation,
            roles: by.roles.iter().cloned().collect(),
            pack: self.law.version.clone(),
            clauses: Vec::new(),
            body,
            commitment: None,
        }
    }

    /// Writes an entry, to be shown with those that follow.
    fn write(&mut self, entry: Recorded) {
        if let Some(version) = entry.version {
            self.versions.insert(entry.stream.clone(), version.0);
        }
        self.written.push(entry);
    }

    /// Shows an entry with those that are written, and says what was found wrong.
    fn show(&mut self, entry: Recorded) -> Vec<String> {
        self.write(entry);
        let entries = std::mem::take(&mut self.written);
        self.watch.begin(&entries, self.now, &self.law)
    }

    /// Shows what happened, in which nothing is wrong.
    fn well(&mut self, stream: StreamId, by: &Actor, body: &impl Serialize) {
        let entry = self.entry(stream, by, body);
        let faults = self.show(entry);
        assert_eq!(faults, Vec::<String>::new());
    }

    /// Shows what must not happen, for the reason that is found in these words.
    fn ill(&mut self, stream: StreamId, by: &Actor, body: &impl Serialize, why: &str) {
        let entry = self.entry(stream, by, body);
        self.ill_entry(entry, why);
    }

    fn ill_entry(&mut self, entry: Recorded, why: &str) {
        let faults = self.show(entry);
        assert!(faults.iter().any(|fault| fault.contains(why)), "`{why}` is not among {faults:?}");
    }

    /// An agreement in operation, of which a grant is active.
    fn granted(&mut self) {
        self.well(agreement_stream(), &authority(), &signed(self.now));
        let activated =
            agreement::Event::Activated { trial_until: None, trial_ends_at: None, at: self.now };
        self.well(agreement_stream(), &authority(), &activated);
        let issued = GrantEvent::Issued {
            id: grant(),
            terms: Box::new(terms(self.now)),
            thresholds: Thresholds::of_law(&self.law),
            pack: self.law.version.clone(),
        };
        self.well(grant_stream(), &authority(), &issued);
    }
}

fn agreement_id() -> AgreementId {
    id(1)
}

fn agreement_stream() -> StreamId {
    StreamId::new("agreement", &agreement_id())
}

fn grant() -> GrantId {
    id(2)
}

fn grant_stream() -> StreamId {
    StreamId::new("grant", &grant())
}

fn signed(now: DateTime<Utc>) -> agreement::Event {
    let terms = agreement::Terms {
        case: id(1),
        operator: operator().organisation,
        signatories: vec![authority().organisation],
        from: NaiveDate::from_ymd_opt(2025, 1, 1).expect("a day"),
        to: NaiveDate::from_ymd_opt(2027, 1, 1).expect("a day"),
        trial_months: 0,
        shares: vec![Share { party: "operator".to_owned(), weight: 1 }],
        scope: "figures".to_owned(),
        text: ContentHash::of(b"text"),
    };
    agreement::Event::Signed {
        terms,
        begins_at: now,
        expires_at: now + Duration::days(400),
        at: now,
    }
}

fn terms(now: DateTime<Utc>) -> Terms {
    Terms {
        agreement: agreement_id(),
        scenario: id(3),
        operator: operator().organisation,
        items: vec![Item {
            resource: id(4),
            dataset: id(4),
            table: "visits".to_owned(),
            columns: [("person".to_owned(), Label::Join)].into(),
            subject_key: None,
            subject_kind: None,
            facts: std::collections::BTreeMap::new(),
            barrier: shuyu_enclave::Barrier::default(),
        }],
        operations: [Operation::Ask, Operation::Produce].into(),
        people: [operator().person].into(),
        from: now,
        to: now + Duration::days(300),
    }
}

fn suspended(now: DateTime<Utc>) -> agreement::Event {
    agreement::Event::Suspended { ground: "danger".to_owned(), at: now }
}

/// A refusal as the journal writes it.
fn refused(rule: &str) -> Value {
    json!({ "refused": rule, "code": null, "clauses": [] })
}

fn person(number: u128) -> PersonId {
    id(number)
}

fn organisation(number: u128) -> OrganisationId {
    id(number)
}
