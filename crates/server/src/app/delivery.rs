//! Delivery: a product is handed out to whoever subscribes to it, and every use is metered.
//!
//! A use is noted before anything is handed out, in a unit of work that rests on subscription,
//! product and agreement as they stand and that counts against the quota: whatever happens at the
//! same time, a use that is noted was permitted, and exactly the quota is.

use std::collections::BTreeMap;

use serde_json::json;
use shuyu_casework::Agreement;
use shuyu_kernel::{Actor, ContentHash, SubscriptionId};
use shuyu_law::{Refusal, Rule};
use shuyu_market::{
    Answer, KeyHash, Product, QueryError, ReleasedTable, Subscription, Substance, Usage,
};
use shuyu_store::{ActError, AtMost, Context, Entry, StoreError, StreamId, Unit};

use super::{App, gate::GateError};

pub(super) const USE_BY_SUBSCRIBER: Rule = Rule::new("use-by-subscriber");

/// The act under which each use of a product is metered.
pub(super) const USE: &str = "subscription.use";
/// The act under which a refused use is noted, so that it is not metered.
const REFUSED_USE: &str = "subscription.refuse_use";

/// Why a product is not delivered.
#[derive(Debug, thiserror::Error)]
pub enum TradeError {
    /// The act.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The released content cannot be had.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The call of a query API is not as its template asks.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A package is asked of an API, or the other way round.
    #[error("this product is not delivered in that way")]
    OtherDelivery,
}

impl From<StoreError> for TradeError {
    fn from(error: StoreError) -> Self {
        Self::Act(ActError::Store(error))
    }
}

/// A data package as it is delivered.
#[derive(Debug, Clone)]
pub struct Downloaded {
    /// Its bytes, re-hashed at delivery.
    pub bytes: Vec<u8>,
    /// Their hash.
    pub content: ContentHash,
}

/// By what somebody is let in to use a subscription.
#[derive(Clone, Copy)]
enum Admitted<'a> {
    /// As a member of the organisation that subscribes.
    Subscriber,
    /// By the key that was issued for it.
    Key(&'a KeyHash),
}

impl App {
    /// Delivers a data package to a subscriber. The delivery is metered before it is handed out.
    pub async fn download(
        &self,
        actor: &Actor,
        id: SubscriptionId,
    ) -> Result<Downloaded, TradeError> {
        let (subscription, product) = self.offered(id).await?;
        if !matches!(product.substance, Substance::Package) {
            return Err(TradeError::OtherDelivery);
        }
        self.check_use(actor, id, Admitted::Subscriber).await?;
        let bytes = self.released(product.release).await?;
        let usage = usage(&subscription, product.content, None);
        self.meter(actor, id, Admitted::Subscriber, &usage).await?;
        Ok(Downloaded { bytes, content: product.content })
    }

    /// Answers a call of a query API, by its key. The call is metered before it is answered.
    pub async fn call(
        &self,
        id: SubscriptionId,
        key: &str,
        arguments: &BTreeMap<String, serde_json::Value>,
    ) -> Result<Answer, TradeError> {
        let (subscription, product) = self.offered(id).await?;
        let Substance::Api { template } = &product.substance else {
            return Err(TradeError::OtherDelivery);
        };
        let key = KeyHash::of(key);
        let caller = Actor { organisation: subscription.consumer, ..Actor::system() };
        self.check_use(&caller, id, Admitted::Key(&key)).await?;
        let table = ReleasedTable::from_csv(&self.released(product.release).await?)?;
        let answer = table.answer(template, arguments)?;
        let body = serde_json::to_vec(&answer.rows).unwrap_or_default();
        let usage = usage(&subscription, ContentHash::of(&body), Some(answer.rows.len() as u64));
        self.meter(&caller, id, Admitted::Key(&key), &usage).await?;
        Ok(answer)
    }

    async fn offered(&self, id: SubscriptionId) -> Result<(Subscription, Product), ActError> {
        let subscription = self.subscription(id).await?;
        let product = self.product(subscription.product).await?;
        Ok((subscription, product))
    }

    /// Refuses whoever may not use it, before anything is read for them. Whether the quota has
    /// room is decided by [`Self::meter`]; that it is used up is known once that was decided.
    async fn check_use(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        admitted: Admitted<'_>,
    ) -> Result<(), ActError> {
        if self.permit(&self.desk().unit(actor), id, admitted).await?.is_ok() {
            return Ok(());
        }
        // What was looked at may be older than what is there: a refusal rests on the latter.
        self.desk()
            .run(actor, |unit| async move { self.usable(&unit, id, admitted).await.map(drop) })
            .await
    }

    /// Notes a use, durably, if it is still permitted and the quota has room for it.
    async fn meter(
        &self,
        actor: &Actor,
        id: SubscriptionId,
        admitted: Admitted<'_>,
        usage: &Usage,
    ) -> Result<(), ActError> {
        let entry = Entry {
            subject: StreamId::of::<Subscription>(id),
            act: USE.to_owned(),
            clauses: Vec::new(),
            body: serde_json::to_value(usage).unwrap_or_else(|_| json!({})),
        };
        let entry = &entry;
        self.desk()
            .run(actor, |unit| async move {
                let subscription = self.usable(&unit, id, admitted).await?;
                match subscription.order.quota {
                    None => unit.journal(entry),
                    Some(quota) => unit.journal_at_most(
                        entry,
                        AtMost {
                            times: quota,
                            since: subscription.since,
                            refused_act: REFUSED_USE.to_owned(),
                            refusal: subscription.spent(quota, &self.context(unit.actor())),
                        },
                    ),
                }
                Ok(())
            })
            .await
    }

    /// The subscription, if whoever acts may use it now; the refusal is recorded.
    async fn usable(
        &self,
        unit: &Unit,
        id: SubscriptionId,
        admitted: Admitted<'_>,
    ) -> Result<Subscription, ActError> {
        match self.permit(unit, id, admitted).await? {
            Ok(subscription) => Ok(subscription),
            Err(refusal) => {
                let subject = StreamId::of::<Subscription>(id);
                Err(unit.refuse(&subject, REFUSED_USE, refusal).await)
            }
        }
    }

    /// The subscription, if whoever acts may use it: the unit rests on it, its product and
    /// its agreement.
    async fn permit(
        &self,
        unit: &Unit,
        id: SubscriptionId,
        admitted: Admitted<'_>,
    ) -> Result<Result<Subscription, Refusal>, ActError> {
        let subscription = unit.load::<Subscription>(id).await?;
        let agreement = unit.find::<Agreement>(subscription.agreement).await?;
        let is_in_operation =
            agreement.is_some_and(|(_, agreement)| agreement.is_in_operation(self.now()));
        let ctx = self.context(unit.actor());
        let admission = match admitted {
            Admitted::Key(key) => subscription.check_key(key, &ctx),
            Admitted::Subscriber if unit.actor().organisation == subscription.consumer => Ok(()),
            Admitted::Subscriber => Err(self.law().refuse(USE_BY_SUBSCRIBER, &[])),
        };
        let product = unit.load::<Product>(subscription.product).await?;
        let checked =
            admission.and_then(|()| subscription.check_use(&product, is_in_operation, &ctx));
        if let Err(refusal) = checked {
            return Ok(Err(refusal));
        }
        let subject = StreamId::of::<Subscription>(id);
        let used = self.desk().last_count(&subject, USE, subscription.since).unwrap_or(0);
        Ok(match subscription.order.quota {
            Some(quota) if used >= quota => Err(subscription.spent(quota, &ctx)),
            Some(_) | None => Ok(subscription),
        })
    }

    fn context<'a>(&'a self, actor: &'a Actor) -> Context<'a> {
        Context { now: self.now(), actor, law: self.law() }
    }
}

fn usage(subscription: &Subscription, delivered: ContentHash, rows: Option<u64>) -> Usage {
    Usage {
        product: subscription.product,
        consumer: subscription.consumer,
        unit: subscription.unit,
        delivered,
        rows,
        charge: subscription.charge.clone(),
    }
}
