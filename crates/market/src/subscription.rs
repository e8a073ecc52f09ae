//! Subscriptions: who may use a product, for what, at what price, how often.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{
    AgreementId, ContentHash, Entropy, InvoiceId, OrganisationId, ProductId, SubscriptionId,
};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Charge, ChargeUnit, Consumer, Price, Product, Substance, charge, pack};

pub(crate) const PRODUCT_ON_OFFER: Rule = Rule::new("subscription-product-on-offer");
pub(crate) const PURPOSE_DECLARED: Rule = Rule::new("subscription-purpose-declared");
pub(crate) const PURPOSE_PERMITTED: Rule = Rule::new("subscription-purpose-permitted");
pub(crate) const FREE_USE_CONDITIONS: Rule = Rule::new("subscription-free-use-conditions");
pub(crate) const CONSUMER_SUBSCRIBES: Rule = Rule::new("subscription-by-consumer");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("subscription-step-in-order");
pub(crate) const USE_IS_ACTIVE: Rule = Rule::new("use-under-active-subscription");
pub(crate) const USE_WITHIN_QUOTA: Rule = Rule::new("use-within-quota");
pub(crate) const KEY_IS_LIVE: Rule = Rule::new("use-with-live-key");
pub(crate) const COUNTED_ONCE: Rule = Rule::new("use-counted-once");

/// The digest of an API key. The key itself is shown once and kept nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(ContentHash);

impl KeyHash {
    /// A new key, to be shown once, and the digest that is kept of it.
    pub fn issue(entropy: &dyn Entropy) -> (String, Self) {
        let mut bytes = [0_u8; 32];
        entropy.fill(&mut bytes);
        let key = format!("sk-{}", ContentHash::from(bytes));
        let hash = Self::of(&key);
        (key, hash)
    }

    /// The digest of a key that somebody shows.
    pub fn of(key: &str) -> Self {
        Self(ContentHash::of(key.as_bytes()))
    }

    /// Whether the two are equal, in a time that does not depend on where they differ.
    pub fn is(&self, other: &Self) -> bool {
        let pairs = self.0.as_bytes().iter().zip(other.0.as_bytes());
        std::hint::black_box(pairs.fold(0_u8, |difference, (a, b)| difference | (a ^ b))) == 0
    }
}

/// What is known of the product that somebody wants to use.
#[derive(Debug, Clone)]
pub struct OfferFacts {
    /// The product's id.
    pub id: ProductId,
    /// The product.
    pub product: Product,
    /// Its price, if one was ever set.
    pub price: Option<Price>,
    /// Whether its agreement is in operation: neither suspended nor over.
    pub agreement_is_in_operation: bool,
}

/// What a consumer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionOrder {
    /// The purpose, as the pack names purposes.
    pub purpose: String,
    /// What the product is used for, in the consumer's words.
    pub statement: String,
    /// How many calls or downloads at most; `None`: no limit.
    pub quota: Option<u64>,
    /// The last day.
    pub until: Option<NaiveDate>,
    /// Whether the consumer undertakes not to sell it on.
    pub no_resale: bool,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// The product may be used.
    Active,
    /// Not for the time being.
    Suspended,
    /// Never again.
    Ended,
}

impl SubscriptionStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
        }
    }
}

/// A consumer's subscription to a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The product.
    pub product: ProductId,
    /// The agreement under which the product is made.
    pub agreement: AgreementId,
    /// Who offers it.
    pub operator: OrganisationId,
    /// Who uses it.
    pub consumer: OrganisationId,
    /// What was ordered.
    pub order: SubscriptionOrder,
    /// What is counted.
    pub unit: ChargeUnit,
    /// What each use costs, as it was at the order, and why.
    pub charge: Charge,
    /// The digest of the key, for what is called with one.
    pub key: Option<KeyHash>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How many uses have been invoiced.
    pub billed: u64,
    /// Up to when.
    pub billed_until: DateTime<Utc>,
    /// Why it is suspended, while it is.
    #[serde(default)]
    pub suspended_for: Option<String>,
    /// Where it stands.
    pub status: SubscriptionStatus,
}

/// A use of a product: the body of the entry in the subscription's stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The product.
    pub product: ProductId,
    /// Who used it.
    pub consumer: OrganisationId,
    /// What was counted.
    pub unit: ChargeUnit,
    /// The digest of what was delivered.
    pub delivered: ContentHash,
    /// How many rows were answered, for a call.
    pub rows: Option<u64>,
    /// What it cost, and why.
    pub charge: Charge,
}

/// What can be wanted of a subscription.
#[derive(Debug, Clone)]
pub enum SubscriptionCommand {
    /// Subscribe to a product.
    Subscribe {
        /// The product.
        offer: Box<OfferFacts>,
        /// What is ordered.
        order: SubscriptionOrder,
        /// The digest of the key made for it.
        key: Option<KeyHash>,
    },
    /// Replace the key.
    Rotate {
        /// The digest of the new one.
        key: KeyHash,
    },
    /// Stop use for the time being.
    Suspend {
        /// Why.
        reason: String,
    },
    /// Take use up again.
    Resume {
        /// Whether the product is on offer.
        product_is_listed: bool,
    },
    /// End it for good.
    End {
        /// Why.
        reason: String,
    },
    /// Count the uses that no invoice has counted yet.
    Bill {
        /// The invoice that counts them.
        invoice: InvoiceId,
        /// How many uses the log holds up to `until`, since the beginning.
        total: u64,
        /// Up to when they were counted.
        until: DateTime<Utc>,
    },
}

impl Command for SubscriptionCommand {
    shuyu_store::names! {
        Self::Subscribe { .. } => "subscribe",
        Self::Rotate { .. } => "rotate",
        Self::Suspend { .. } => "suspend",
        Self::Resume { .. } => "resume",
        Self::End { .. } => "end",
        Self::Bill { .. } => "bill",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Subscribe { order, .. } => {
                [("purpose".to_owned(), Attribute::Text(order.purpose.clone()))].into()
            }
            Self::Rotate { .. }
            | Self::Suspend { .. }
            | Self::Resume { .. }
            | Self::End { .. }
            | Self::Bill { .. } => Attributes::new(),
        }
    }
}

/// What can happen to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum SubscriptionEvent {
    /// It began.
    Subscribed {
        /// The subscription.
        subscription: Box<Subscription>,
    },
    /// Its key was replaced.
    Rotated {
        /// The digest of the new one.
        key: KeyHash,
    },
    /// Its use was stopped.
    Suspended {
        /// Why.
        reason: String,
    },
    /// Its use was taken up again.
    Resumed,
    /// It ended.
    Ended {
        /// Why.
        reason: String,
    },
    /// Uses were counted for an invoice.
    Billed {
        /// The invoice.
        invoice: InvoiceId,
        /// How many uses it counts.
        count: u64,
        /// How many have now been counted in all.
        total: u64,
        /// Since when.
        from: DateTime<Utc>,
        /// Up to when.
        until: DateTime<Utc>,
    },
}

impl Entity for Subscription {
    const KIND: &'static str = "subscription";
    const ATTRIBUTES: &'static [&'static str] =
        &["status", "consumer", "operator", "product", "purpose"];
    type Id = SubscriptionId;
    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;

    fn decide(
        state: Option<&Self>,
        command: SubscriptionCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<SubscriptionEvent>, Refusal> {
        use SubscriptionStatus::{Active, Ended, Suspended};
        let order = |why: &str| ctx.refuse(STEP_IN_ORDER).because(why);
        let event = match (state, command) {
            (None, SubscriptionCommand::Subscribe { offer, order, key }) => {
                let subscription = Box::new(subscribed(*offer, order, key, ctx)?);
                SubscriptionEvent::Subscribed { subscription }
            }
            (None, _) => return Err(order("there is no such subscription")),
            (Some(_), SubscriptionCommand::Subscribe { .. }) => {
                return Err(order("it has begun already"));
            }
            (Some(subscription), SubscriptionCommand::Bill { invoice, total, until }) => {
                subscription.billed(invoice, total, until, ctx)?
            }
            (Some(subscription), command) => match (command, subscription.status) {
                (SubscriptionCommand::Rotate { key }, Active) => SubscriptionEvent::Rotated { key },
                (SubscriptionCommand::Suspend { reason }, Active) => {
                    SubscriptionEvent::Suspended { reason }
                }
                (SubscriptionCommand::Resume { product_is_listed: true }, Suspended) => {
                    SubscriptionEvent::Resumed
                }
                (SubscriptionCommand::Resume { product_is_listed: false }, Suspended) => {
                    return Err(ctx.refuse(PRODUCT_ON_OFFER));
                }
                (SubscriptionCommand::End { reason }, Active | Suspended) => {
                    SubscriptionEvent::Ended { reason }
                }
                (_, Ended) => return Err(order("it has ended")),
                (_, Active) => return Err(order("it is active")),
                (_, Suspended) => return Err(order("it is suspended")),
            },
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &SubscriptionEvent) -> Option<Self> {
        if let SubscriptionEvent::Subscribed { subscription } = event {
            return Some((**subscription).clone());
        }
        let mut subscription = state?;
        match event {
            SubscriptionEvent::Subscribed { .. } => {}
            SubscriptionEvent::Rotated { key } => subscription.key = Some(*key),
            SubscriptionEvent::Suspended { reason } => {
                subscription.suspended_for = Some(reason.clone());
                subscription.status = SubscriptionStatus::Suspended;
            }
            SubscriptionEvent::Resumed => {
                subscription.suspended_for = None;
                subscription.status = SubscriptionStatus::Active;
            }
            SubscriptionEvent::Ended { .. } => subscription.status = SubscriptionStatus::Ended,
            SubscriptionEvent::Billed { total, until, .. } => {
                subscription.billed = *total;
                subscription.billed_until = *until;
            }
        }
        Some(subscription)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.consumer.to_string()),
            parent: Some(self.product.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("consumer".to_owned(), Attribute::Text(self.consumer.to_string())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("product".to_owned(), Attribute::Text(self.product.to_string())),
        ]
        .into()
    }
}

impl Subscription {
    /// Refuses a use when the subscription is not active, its term is over, its product is not
    /// delivered or the agreement is not in operation. The quota counts where the use is noted:
    /// see [`Self::spent`].
    ///
    /// # Errors
    ///
    /// The refusal by law.
    pub fn check_use(
        &self,
        product: &Product,
        agreement_is_in_operation: bool,
        ctx: &Context<'_>,
    ) -> Result<(), Refusal> {
        if self.status != SubscriptionStatus::Active {
            return Err(ctx.refuse(USE_IS_ACTIVE).because(format!("it is {}", self.status.name())));
        }
        if self.order.until.is_some_and(|until| ctx.today() > until) {
            return Err(ctx.refuse(USE_IS_ACTIVE).because("its term is over"));
        }
        if !product.is_on_offer() {
            let why = format!("its product is {}", product.status.name());
            return Err(ctx.refuse(USE_IS_ACTIVE).because(why));
        }
        if !agreement_is_in_operation {
            return Err(ctx.refuse(USE_IS_ACTIVE).because("its agreement is not in operation"));
        }
        Ok(())
    }

    /// The refusal of a use beyond the quota.
    pub fn spent(&self, quota: u64, ctx: &Context<'_>) -> Refusal {
        ctx.refuse(USE_WITHIN_QUOTA).because(format!("all {quota} are used"))
    }

    /// Refuses a key that is not the one issued for it.
    ///
    /// # Errors
    ///
    /// The refusal by law.
    pub fn check_key(&self, shown: &KeyHash, ctx: &Context<'_>) -> Result<(), Refusal> {
        match &self.key {
            Some(key) if key.is(shown) => Ok(()),
            _ => Err(ctx.refuse(KEY_IS_LIVE)),
        }
    }

    /// Counts what no invoice has counted. Counting from the beginning each time and taking
    /// away what was counted before leaves nothing out and nothing twice, whatever the clock did.
    fn billed(
        &self,
        invoice: InvoiceId,
        total: u64,
        until: DateTime<Utc>,
        ctx: &Context<'_>,
    ) -> Result<SubscriptionEvent, Refusal> {
        if until > ctx.now || until <= self.billed_until {
            return Err(ctx
                .refuse(COUNTED_ONCE)
                .because("the period ends in the future, or no later than one that is invoiced"));
        }
        match total.checked_sub(self.billed) {
            None | Some(0) => {
                Err(ctx.refuse(COUNTED_ONCE).because("every use up to then is invoiced already"))
            }
            Some(count) => Ok(SubscriptionEvent::Billed {
                invoice,
                count,
                total,
                from: self.billed_until,
                until,
            }),
        }
    }
}

/// The subscription of an order, or why it may not begin.
fn subscribed(
    offer: OfferFacts,
    order: SubscriptionOrder,
    key: Option<KeyHash>,
    ctx: &Context<'_>,
) -> Result<Subscription, Refusal> {
    let OfferFacts { id, product, price, agreement_is_in_operation } = offer;
    if !product.is_on_offer() {
        return Err(ctx
            .refuse(PRODUCT_ON_OFFER)
            .because(format!("it is {}", product.status.name())));
    }
    if !agreement_is_in_operation {
        return Err(ctx
            .refuse(PRODUCT_ON_OFFER)
            .because("the agreement under which it is made is not in operation"));
    }
    let consumer = ctx.actor.organisation;
    if consumer == product.operator {
        return Err(ctx
            .refuse(CONSUMER_SUBSCRIBES)
            .because("who offers a product does not subscribe to it"));
    }
    check_purpose(&product, &order, ctx)?;
    let unit = match &product.substance {
        Substance::Package => ChargeUnit::Package,
        Substance::Api { .. } => ChargeUnit::Call,
    };
    if (unit == ChargeUnit::Call) != key.is_some() {
        return Err(ctx
            .refuse(KEY_IS_LIVE)
            .because("an API is called with a key of its own; a package has none"));
    }
    let wanted = Consumer { organisation: consumer, purpose: &order.purpose };
    let charge = charge(ctx.law, &product, price.as_ref(), wanted)
        .ok_or_else(|| ctx.refuse(PRODUCT_ON_OFFER).because("no price is in force for it"))?;
    match &charge {
        Charge::Paid { amount } if amount.unit != unit => {
            return Err(ctx.refuse(PRODUCT_ON_OFFER).because("its price is for another unit"));
        }
        Charge::Paid { .. } => {}
        Charge::Free { .. } => check_free_use(&order, ctx)?,
    }
    Ok(Subscription {
        product: id,
        agreement: product.agreement,
        operator: product.operator,
        consumer,
        order,
        unit,
        charge,
        key,
        since: ctx.now,
        billed: 0,
        billed_until: ctx.now,
        suspended_for: None,
        status: SubscriptionStatus::Active,
    })
}

/// Refuses a purpose that is not declared, that the pack does not know or forbids, or for which
/// the product may not be used.
fn check_purpose(
    product: &Product,
    order: &SubscriptionOrder,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if order.purpose.trim().is_empty() || order.statement.trim().is_empty() {
        return Err(ctx
            .refuse(PURPOSE_DECLARED)
            .because("name the purpose, and say what the product is used for"));
    }
    let purpose = order.purpose.as_str();
    let not_permitted =
        |why: &str| ctx.refuse(PURPOSE_PERMITTED).because(format!("{purpose} {why}"));
    if pack::ids(ctx.law, "prohibited_purposes").is_some_and(|ids| ids.contains(&purpose)) {
        return Err(not_permitted("is forbidden"));
    }
    if !product.purposes.is_empty() && !product.purposes.contains(purpose) {
        return Err(not_permitted("is none of the purposes for which the product is approved"));
    }
    let known = known_purposes(ctx);
    if !known.is_empty() && !known.contains(&purpose) {
        return Err(not_permitted(&format!("is none of: {}", known.join(", "))));
    }
    Ok(())
}

/// The purposes that the pack tells apart; empty if it tells none.
fn known_purposes<'a>(ctx: &Context<'a>) -> Vec<&'a str> {
    let by_purpose = ctx
        .law
        .parameter("free_use")
        .and_then(|uses| uses.value.as_array())
        .into_iter()
        .flatten()
        .filter(|entry| entry.get("by").and_then(serde_json::Value::as_str) == Some("purpose"))
        .filter_map(|entry| entry.get("id").and_then(serde_json::Value::as_str));
    by_purpose.chain(pack::ids(ctx.law, "paid_use").unwrap_or_default()).collect()
}

/// Refuses free use that does not meet the conditions that the pack lists.
fn check_free_use(order: &SubscriptionOrder, ctx: &Context<'_>) -> Result<(), Refusal> {
    let is_met = |condition: &str| match condition {
        "term" => order.until.is_some(),
        "volume_cap" => order.quota.is_some(),
        "no_resale" => order.no_resale,
        // The statement of purpose is asked of everybody; the named body is who subscribes.
        "purpose_statement" | "named_user_body" => true,
        // A condition that the platform cannot see is no reason to give data away.
        _ => false,
    };
    let missing: Vec<&str> = pack::ids(ctx.law, "free_use_conditions")
        .unwrap_or_default()
        .into_iter()
        .filter(|condition| !is_met(condition))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ctx.refuse(FREE_USE_CONDITIONS).because(format!("not met: {}", missing.join(", "))))
}
