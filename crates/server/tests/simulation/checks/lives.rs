//! Lives: an entity goes only from a state in which an event may come to a state that it may lead
//! to, and the store says that it stands there.

use std::collections::{BTreeSet, HashMap};

use shuyu_casework::{Agreement, Instrument, Organisation, Person, Scenario, instrument};
use shuyu_catalogue::Resource;
use shuyu_enclave::{Grant, Job, Release, Session};
use shuyu_kernel::Id;
use shuyu_law::Law;
use shuyu_market::{Invoice, Product, Subscription};
use shuyu_oversight::{Alert, Cut, Destruction, Evaluation, Filing, Notice, Task};
use shuyu_store::{Desk, Entity, Recorded, StoreError, StreamId};
use shuyu_vault::{Dataset, DatasetState};

use super::{Check, Found, must};

/// No state: the entity is not there yet.
const NONE: &str = "";
/// The state stays what it was.
const SAME: &str = "=";

/// From which states an event may come, and to which it leads. Where it may lead to several, the
/// store says to which it did.
type Way = (&'static [&'static str], &'static str, &'static [&'static str]);

const AGREEMENT: &[Way] = &[
    (&[NONE], "Signed", &["signed"]),
    (&["signed"], "Filed", &["filed"]),
    (&["signed", "filed", "trial"], "Activated", &["trial", "active"]),
    (&["trial"], "TrialPassed", &[SAME]),
    (&["trial", "active"], "Suspended", &["suspended"]),
    (&["suspended"], "Restored", &["trial", "active"]),
    (&["signed", "filed", "trial", "active", "suspended"], "Expired", &["ended"]),
    (&["signed", "filed", "trial", "active", "suspended"], "Ended", &["ended"]),
    (&["ended"], "Closed", &["closed"]),
];
const GRANT: &[Way] = &[
    (&[NONE], "Issued", &["active"]),
    (&["active"], "Suspended", &["suspended"]),
    (&["suspended"], "Restored", &["active"]),
    (&["active", "suspended"], "Ended", &["ended"]),
];
const SESSION: &[Way] = &[(&[NONE], "Opened", &["open"]), (&["open"], "Closed", &["closed"])];
const JOB: &[Way] = &[
    (&[NONE], "Submitted", &["submitted"]),
    (&["submitted", "interrupted"], "Started", &["running"]),
    (&["running"], "Succeeded", &["succeeded"]),
    (&["running"], "Failed", &["failed"]),
    (&["submitted", "interrupted", "running"], "Cancelled", &["cancelled"]),
    (&["running"], "Interrupted", &["interrupted"]),
    // An attempt is charged when it is over, however it ended.
    (&["succeeded", "failed", "cancelled", "interrupted"], "Charged", &[SAME]),
];
const RELEASE: &[Way] = &[
    (&[NONE], "Submitted", &["in_review"]),
    (&["in_review"], "Amended", &["in_review"]),
    (&["in_review"], "Approved", &[SAME]),
    (&["in_review"], "Released", &["released"]),
    (&["in_review"], "Rejected", &["rejected"]),
    (&["in_review", "released"], "Withdrawn", &["withdrawn"]),
];
const PRODUCT: &[Way] = &[
    (&[NONE], "Drafted", &["draft"]),
    (&["draft"], "Registered", &["registered"]),
    (&["registered", "reviewed"], "Registered", &[SAME]),
    (&["draft", "registered", "reviewed", "listed"], "Filed", &[SAME]),
    (&["draft", "registered", "reviewed"], "Reviewed", &[SAME, "reviewed"]),
    (&["registered", "reviewed"], "Listed", &["listed"]),
    (&["listed"], "Suspended", &["suspended"]),
    (&["suspended"], "Resumed", &["listed"]),
    (&["draft", "registered", "reviewed", "listed", "suspended"], "Withdrawn", &["withdrawn"]),
];
const SUBSCRIPTION: &[Way] = &[
    (&[NONE], "Subscribed", &["active"]),
    (&["active"], "Rotated", &[SAME]),
    (&["active"], "Suspended", &["suspended"]),
    (&["suspended"], "Resumed", &["active"]),
    (&["active", "suspended"], "Ended", &["ended"]),
    (&["active", "suspended", "ended"], "Billed", &[SAME]),
];
const INVOICE: &[Way] = &[
    (&[NONE], "Issued", &["issued", "paid"]),
    (&["issued"], "Paid", &["paid"]),
    (&["paid"], "Settled", &["settled"]),
];
const ALERT: &[Way] = &[
    (&[NONE], "Raised", &["raised"]),
    (&["raised"], "Acknowledged", &["acknowledged"]),
    (&["raised", "acknowledged"], "Closed", &["closed"]),
];
const TASK: &[Way] = &[
    (&[NONE], "Planned", &["open"]),
    (&["open", "returned"], "Reminded", &[SAME]),
    (&["open", "returned"], "Lapsed", &["overdue"]),
    (&["open", "returned", "overdue"], "Submitted", &["submitted"]),
    (&["submitted"], "Accepted", &["accepted"]),
    (&["submitted"], "Returned", &["returned"]),
    (&["open", "returned", "overdue"], "Cancelled", &["cancelled"]),
];
const EVALUATION: &[Way] = &[
    (&[NONE], "Recorded", &["recorded"]),
    (&["recorded"], "Objected", &["objected"]),
    (&["objected"], "Answered", &["final"]),
    (&["recorded"], "Finished", &["final"]),
];
const CUT: &[Way] = &[
    (&[NONE], "Pulled", &["closed"]),
    (&["closed"], "Effected", &[SAME]),
    (&["closed"], "Restored", &["restored"]),
    (&["closed"], "Ended", &["ended"]),
];
const DESTRUCTION: &[Way] = &[
    (&[NONE], "Ordered", &["ordered"]),
    (&["ordered"], "Approved", &["ordered", "approved"]),
    (&["ordered", "approved"], "Refused", &["refused"]),
    (&["approved"], "Destroyed", &["destroyed"]),
    (&["destroyed"], "Verified", &["verified"]),
];
const NOTICE: &[Way] = &[
    (&[NONE], "Published", &["published"]),
    (&["published"], "Objected", &[SAME]),
    (&["published"], "Answered", &[SAME]),
    (&["published"], "Closed", &["closed"]),
    (&["published"], "Withdrawn", &["withdrawn"]),
];
const FILING: &[Way] = &[
    (&[NONE], "Opened", &["due"]),
    (&["due", "sent"], "Sent", &["sent"]),
    (&["sent"], "Received", &["received"]),
];
const RESOURCE: &[Way] = &[
    (&[NONE], "Registered", &["draft"]),
    (&["draft", "returned", "published", "changed"], "Amended", &["draft", "changed"]),
    (&["draft", "returned", "changed"], "Submitted", &["submitted"]),
    (&["submitted"], "Published", &["published"]),
    (&["submitted"], "Returned", &["returned"]),
    (&["draft", "returned", "published", "changed"], "Retired", &["retired"]),
    (&["draft", "submitted", "returned", "published", "changed"], "DatasetAttached", &[SAME]),
];
const DATASET: &[Way] = &[
    (&[NONE], "Created", &["open"]),
    (&["open"], "VersionCommitted", &[SAME]),
    (&["open"], "Sealed", &["sealed"]),
    (&["sealed"], "Unsealed", &["open"]),
    (&["open", "sealed"], "DestructionOrdered", &["destruction_ordered"]),
    (&["destruction_ordered"], "Destroyed", &["destroyed"]),
];
const SCENARIO: &[Way] =
    &[(&[NONE], "Approved", &["approved"]), (&["approved"], "Closed", &["closed"])];
const INSTRUMENT: &[Way] =
    &[(&[NONE], "Approved", &["in_force"]), (&["in_force"], "Ended", &["ended"])];
const ORGANISATION: &[Way] = &[
    (&[NONE], "Registered", &["open"]),
    (&["open"], "Bound", &[SAME]),
    (&["open"], "Amended", &[SAME]),
    (&["open"], "Closed", &["closed"]),
];
const PERSON: &[Way] = &[
    (&[NONE], "Registered", &["open"]),
    (&["open"], "Bound", &[SAME]),
    (&["open"], "PasswordChanged", &[SAME]),
    (&["open"], "Trained", &[SAME]),
    (&["open"], "AccessOpened", &[SAME]),
    (&["open", "closed"], "AccessClosed", &[SAME]),
    (&["open"], "SignedOut", &[SAME]),
    (&["open"], "Closed", &["closed"]),
];

/// The ways of a kind. Cases have theirs in the pack; prices, postings, settlements, answers given
/// and accounts are no more than their events.
fn ways(kind: &str) -> Option<&'static [Way]> {
    Some(match kind {
        "agreement" => AGREEMENT,
        "grant" => GRANT,
        "session" => SESSION,
        "job" => JOB,
        "release" => RELEASE,
        "product" => PRODUCT,
        "subscription" => SUBSCRIPTION,
        "invoice" => INVOICE,
        "alert" => ALERT,
        "task" => TASK,
        "evaluation" => EVALUATION,
        "cut" => CUT,
        "destruction" => DESTRUCTION,
        "notice" => NOTICE,
        "filing" => FILING,
        "resource" => RESOURCE,
        "dataset" => DATASET,
        "scenario" => SCENARIO,
        "instrument" => INSTRUMENT,
        "organisation" => ORGANISATION,
        "person" => PERSON,
        "case" | "price" | "posting" | "settlement" | "given" | "tally" | "usage" | "consents" => {
            return None;
        }
        _ => &[],
    })
}

/// Where each entity may stand by what has happened to it.
#[derive(Default)]
pub struct Lives {
    standing: HashMap<StreamId, BTreeSet<&'static str>>,
}

impl Check for Lives {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        let (Some(event), Some(ways)) = (&entry.event, ways(entry.stream.kind())) else {
            return Ok(());
        };
        let standing = self.standing.entry(entry.stream.clone()).or_insert([NONE].into());
        let mut after = BTreeSet::new();
        for (from, _, to) in ways.iter().filter(|(_, name, _)| name == event) {
            let here: BTreeSet<&str> =
                standing.iter().copied().filter(|state| from.contains(state)).collect();
            if here.is_empty() {
                continue;
            }
            for state in *to {
                if *state == SAME {
                    after.extend(standing.iter().copied().filter(|state| from.contains(state)));
                } else {
                    after.insert(*state);
                }
            }
        }
        let before = std::mem::replace(standing, after);
        must(!standing.is_empty(), || format!("{event} cannot happen to what is {before:?}"))
    }
}

impl Lives {
    /// Holds where an entity stands against what has happened to it, and keeps it in mind.
    pub fn compare(&mut self, stream: &StreamId, standing: &str) -> Found {
        let Some(may) = self.standing.get_mut(stream) else {
            return Err(format!("{stream} stands, and nothing has happened to it"));
        };
        may.retain(|state| *state == standing);
        must(!may.is_empty(), || format!("{stream} is {standing}, which it cannot have become"))
    }
}

/// Where the store says that an entity stands; `None`: of this kind, nothing is compared.
pub async fn standing_of(desk: &Desk, stream: &StreamId) -> Result<Option<String>, StoreError> {
    async fn of<E: Entity>(
        desk: &Desk,
        stream: &StreamId,
        name: impl Fn(&E) -> &'static str,
    ) -> Result<Option<String>, StoreError> {
        let id: E::Id = stream.id().parse().unwrap_or_else(|_| E::Id::from_u128(0));
        let found = desk.find::<E>(id).await?;
        Ok(Some(found.map_or(NONE, |(_, state)| name(&state)).to_owned()))
    }
    let open = |is_open: bool| if is_open { "open" } else { "closed" };
    match stream.kind() {
        "agreement" => of::<Agreement>(desk, stream, |it| it.status.name()).await,
        "grant" => of::<Grant>(desk, stream, |it| it.status.name()).await,
        "session" => of::<Session>(desk, stream, |it| open(it.closed.is_none())).await,
        "job" => of::<Job>(desk, stream, |it| it.status.name()).await,
        "release" => of::<Release>(desk, stream, |it| it.status.name()).await,
        "product" => of::<Product>(desk, stream, |it| it.status.name()).await,
        "subscription" => of::<Subscription>(desk, stream, |it| it.status.name()).await,
        "invoice" => of::<Invoice>(desk, stream, |it| it.status.name()).await,
        "alert" => of::<Alert>(desk, stream, |it| it.status.name()).await,
        "task" => of::<Task>(desk, stream, |it| it.status.name()).await,
        "evaluation" => of::<Evaluation>(desk, stream, |it| it.status.name()).await,
        "cut" => of::<Cut>(desk, stream, |it| it.status.name()).await,
        "destruction" => of::<Destruction>(desk, stream, |it| it.status.name()).await,
        "notice" => of::<Notice>(desk, stream, |it| it.status.name()).await,
        "filing" => of::<Filing>(desk, stream, |it| it.status.name()).await,
        "resource" => of::<Resource>(desk, stream, |it| it.status.name()).await,
        "scenario" => of::<Scenario>(desk, stream, Scenario::status_name).await,
        "organisation" => of::<Organisation>(desk, stream, |it| open(it.is_open)).await,
        "person" => of::<Person>(desk, stream, |it| open(it.is_open)).await,
        "instrument" => {
            of::<Instrument>(desk, stream, |it| match it.status {
                instrument::Status::InForce { .. } => "in_force",
                instrument::Status::Ended { .. } => "ended",
            })
            .await
        }
        "dataset" => {
            of::<Dataset>(desk, stream, |it| match it.state {
                DatasetState::Open => "open",
                DatasetState::Sealed { .. } => "sealed",
                DatasetState::DestructionOrdered { .. } => "destruction_ordered",
                DatasetState::Destroyed { .. } => "destroyed",
            })
            .await
        }
        _ => Ok(None),
    }
}
