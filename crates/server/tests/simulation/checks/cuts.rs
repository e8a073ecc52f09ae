//! Cuts: nothing is open, and nothing is used, under an agreement that is not in operation.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use shuyu_casework::agreement;
use shuyu_enclave::{GrantEvent, JobEvent, Operation, SessionEvent, Terms};
use shuyu_kernel::{AgreementId, GrantId, PersonId, ProductId};
use shuyu_law::Law;
use shuyu_market::{KeyHash, ProductEvent, SubscriptionEvent};
use shuyu_store::Recorded;

use super::{Check, Found, event, is_refusal, must};

/// An agreement: whether work under it may go on, and until when.
struct Agreement {
    operates: bool,
    expires_at: DateTime<Utc>,
}

/// A grant, and whether it can be used.
struct Grant {
    terms: Terms,
    active: bool,
}

/// A subscription, and whether its product may be used.
struct Subscription {
    product: ProductId,
    agreement: AgreementId,
    active: bool,
    key: Option<KeyHash>,
}

/// What rests on what.
#[derive(Default)]
pub struct Cuts {
    agreements: HashMap<AgreementId, Agreement>,
    grants: HashMap<GrantId, Grant>,
    /// Of each open session, its grant and whose it is.
    sessions: HashMap<String, (GrantId, PersonId)>,
    /// Of each job, its grant and who wrote it.
    jobs: HashMap<String, (GrantId, PersonId)>,
    /// Of each listed product, its agreement.
    listed: HashMap<ProductId, AgreementId>,
    agreement_of: HashMap<ProductId, AgreementId>,
    subscriptions: HashMap<String, Subscription>,
    /// What is active now, so that looking at it all is quick.
    active_grants: BTreeSet<GrantId>,
    active_subscriptions: BTreeSet<String>,
}

impl Check for Cuts {
    fn entry(&mut self, entry: &Recorded, _law: &Law) -> Found {
        if is_refusal(entry) {
            return Ok(());
        }
        let id = entry.stream.id().to_owned();
        match (entry.stream.kind(), entry.version.is_some()) {
            ("agreement", true) => self.agreement(&id, entry),
            ("grant", true) => self.grant(&id, entry),
            ("session", true) => self.session(id, entry),
            ("job", true) => self.job(id, entry),
            ("product", true) => self.product(&id, entry),
            ("subscription", true) => self.subscription(id, entry),
            ("session", false) => {
                let Some((grant, person)) = self.sessions.get(&id) else {
                    return Err("a session that is not open is used".to_owned());
                };
                must(*person == entry.person, || "another's session is used".to_owned())?;
                let operation = match entry.act.as_str() {
                    "session.sample" => Operation::Develop,
                    _ => Operation::Ask,
                };
                self.use_of(*grant, Some(operation), entry)
            }
            ("subscription", false) => self.use_of_subscription(&id, entry),
            _ => Ok(()),
        }
    }

    fn rest(&self) -> Found {
        for id in &self.active_grants {
            let grant = self.grants.get(id).ok_or("an active grant that was never issued")?;
            self.must_operate(grant.terms.agreement, || format!("the grant {id} is active"))?;
        }
        for (id, agreement) in &self.listed {
            self.must_operate(*agreement, || format!("the product {id} is listed"))?;
        }
        for id in &self.active_subscriptions {
            let found = self.subscriptions.get(id).ok_or("a subscription that never began")?;
            let live = match found.key {
                Some(_) => "key is live",
                None => "subscription is active",
            };
            self.must_operate(found.agreement, || format!("the {live} of {id}"))?;
        }
        Ok(())
    }
}

impl Cuts {
    fn must_operate(&self, agreement: AgreementId, what: impl FnOnce() -> String) -> Found {
        let operates = self.agreements.get(&agreement).is_some_and(|it| it.operates);
        must(operates, || format!("{}, and {agreement} is not in operation", what()))
    }

    /// Whether work under a grant may go on when this is recorded.
    fn use_of(&self, id: GrantId, operation: Option<Operation>, entry: &Recorded) -> Found {
        let Some(grant) = self.grants.get(&id) else {
            return Err("work under a grant that was never issued".to_owned());
        };
        must(grant.active, || format!("work under {id}, which is not active"))?;
        let terms = &grant.terms;
        must(terms.from <= entry.at && entry.at < terms.to, || format!("not in the term of {id}"))?;
        must(operation.is_none_or(|it| terms.operations.contains(&it)), || {
            format!("{id} does not grant this operation")
        })?;
        self.must_operate_at(terms.agreement, entry.at)
    }

    fn must_operate_at(&self, agreement: AgreementId, at: DateTime<Utc>) -> Found {
        self.must_operate(agreement, || "it is worked under".to_owned())?;
        let over = self.agreements.get(&agreement).is_none_or(|it| at > it.expires_at);
        must(!over, || format!("it is worked under {agreement} after its last day"))
    }

    fn agreement(&mut self, id: &str, entry: &Recorded) -> Found {
        let id: AgreementId = id.parse().map_err(|error| format!("{error}"))?;
        let operates = match event::<agreement::Event>(entry)? {
            agreement::Event::Signed { expires_at, .. } => {
                self.agreements.insert(id, Agreement { operates: false, expires_at });
                false
            }
            agreement::Event::Activated { .. }
            | agreement::Event::TrialPassed { .. }
            | agreement::Event::Restored { .. } => true,
            agreement::Event::Filed { .. }
            | agreement::Event::Suspended { .. }
            | agreement::Event::Expired { .. }
            | agreement::Event::Ended { .. }
            | agreement::Event::Closed { .. } => false,
        };
        let agreement = self.agreements.get_mut(&id).ok_or("an agreement that was never signed")?;
        agreement.operates = operates;
        must(!operates || entry.at <= agreement.expires_at, || {
            "it comes into operation after its last day".to_owned()
        })
    }

    fn grant(&mut self, id: &str, entry: &Recorded) -> Found {
        let id: GrantId = id.parse().map_err(|error| format!("{error}"))?;
        let active = match event::<GrantEvent>(entry)? {
            GrantEvent::Issued { terms, .. } => {
                let agreement = self.agreements.get(&terms.agreement);
                let expires_at = agreement.map(|it| it.expires_at).unwrap_or_default();
                // Its term ends with the day on which the agreement's does.
                let within = terms.to <= expires_at + chrono::Duration::seconds(1);
                must(within, || "the grant outlives its agreement".to_owned())?;
                self.grants.insert(id, Grant { terms: *terms, active: true });
                true
            }
            GrantEvent::Restored => true,
            GrantEvent::Suspended { .. } | GrantEvent::Ended { .. } => false,
        };
        let grant = self.grants.get_mut(&id).ok_or("a grant that was never issued")?;
        grant.active = active;
        if active {
            self.active_grants.insert(id);
        } else {
            self.active_grants.remove(&id);
        }
        Ok(())
    }

    fn session(&mut self, id: String, entry: &Recorded) -> Found {
        match event::<SessionEvent>(entry)? {
            SessionEvent::Opened { grant, person, .. } => {
                let named = self.grants.get(&grant).map(|it| it.terms.people.contains(&person));
                must(named == Some(true), || "a session of somebody not named".to_owned())?;
                self.sessions.insert(id, (grant, person));
                self.use_of(grant, None, entry)
            }
            SessionEvent::Closed { .. } => {
                self.sessions.remove(&id);
                Ok(())
            }
        }
    }

    fn job(&mut self, id: String, entry: &Recorded) -> Found {
        match event::<JobEvent>(entry)? {
            JobEvent::Submitted { specification, author, .. } => {
                self.jobs.insert(id, (specification.grant, author));
                self.use_of(specification.grant, Some(Operation::Produce), entry)
            }
            JobEvent::Started { .. } | JobEvent::Succeeded { .. } => {
                let (grant, _) = *self.jobs.get(&id).ok_or("a job that was never submitted")?;
                self.use_of(grant, Some(Operation::Produce), entry)
            }
            JobEvent::Failed { .. }
            | JobEvent::Cancelled { .. }
            | JobEvent::Interrupted
            | JobEvent::Charged { .. } => Ok(()),
        }
    }

    fn product(&mut self, id: &str, entry: &Recorded) -> Found {
        let id: ProductId = id.parse().map_err(|error| format!("{error}"))?;
        match event::<ProductEvent>(entry)? {
            ProductEvent::Drafted { product } => {
                self.agreement_of.insert(id, product.agreement);
            }
            ProductEvent::Listed | ProductEvent::Resumed => {
                let agreement = self.agreement_of.get(&id).ok_or("a product never drafted")?;
                self.listed.insert(id, *agreement);
            }
            ProductEvent::Suspended { .. } | ProductEvent::Withdrawn { .. } => {
                self.listed.remove(&id);
            }
            ProductEvent::Registered { .. }
            | ProductEvent::Filed { .. }
            | ProductEvent::Reviewed { .. } => {}
        }
        Ok(())
    }

    fn subscription(&mut self, id: String, entry: &Recorded) -> Found {
        let active = match event::<SubscriptionEvent>(entry)? {
            SubscriptionEvent::Subscribed { subscription } => {
                let (product, agreement) = (subscription.product, subscription.agreement);
                must(self.listed.contains_key(&product), || {
                    "a subscription to what is not on offer".to_owned()
                })?;
                let key = subscription.key;
                let subscription = Subscription { product, agreement, active: true, key };
                self.subscriptions.insert(id.clone(), subscription);
                true
            }
            SubscriptionEvent::Rotated { .. } | SubscriptionEvent::Billed { .. } => return Ok(()),
            SubscriptionEvent::Resumed => true,
            SubscriptionEvent::Suspended { .. } | SubscriptionEvent::Ended { .. } => false,
        };
        let subscription =
            self.subscriptions.get_mut(&id).ok_or("a subscription that never began")?;
        subscription.active = active;
        if active {
            self.active_subscriptions.insert(id);
        } else {
            self.active_subscriptions.remove(&id);
        }
        Ok(())
    }

    fn use_of_subscription(&self, id: &str, entry: &Recorded) -> Found {
        let found = self.subscriptions.get(id).ok_or("a use without a subscription")?;
        must(found.active, || "a use under a subscription that is not active".to_owned())?;
        must(self.listed.contains_key(&found.product), || {
            format!("{} is delivered, and it is not listed", found.product)
        })?;
        self.must_operate_at(found.agreement, entry.at)
    }
}
