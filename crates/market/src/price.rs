//! Prices, by the method of the pack; and use that is free by law.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Fen, OrganisationId, ProductId};
use shuyu_law::{Attribute, Attributes, ClauseId, Law, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Product, pack};

pub(crate) const METHOD_FOLLOWED: Rule = Rule::new("price-method-followed");
pub(crate) const WITHIN_GUIDE: Rule = Rule::new("price-within-guide");
pub(crate) const FILED_BEFORE_USE: Rule = Rule::new("price-filed-before-use");
pub(crate) const BASIS_STATED: Rule = Rule::new("price-basis-stated");
pub(crate) const SET_BY_OPERATOR: Rule = Rule::new("price-set-by-operator");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("price-step-in-order");

/// What a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeUnit {
    /// One call of a query API.
    Call,
    /// One download of a data package.
    Package,
}

/// A price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// For what.
    pub unit: ChargeUnit,
    /// How much.
    pub fen: Fen,
}

/// A guided price: the base that the public side issues, around which the price may float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guide {
    /// The base.
    pub base: Amount,
    /// On what it rests.
    pub basis: String,
    /// The first day.
    pub from: NaiveDate,
    /// The last day; `None`: until another is issued.
    pub until: Option<NaiveDate>,
}

/// A price that the operator proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The price.
    pub amount: Amount,
    /// On what it rests.
    pub basis: String,
    /// The method that it follows, as the pack names it; `None`: the pack names none.
    pub method: Option<String>,
    /// The receipt of its filing, once filed.
    pub filed: Option<String>,
    /// The decision by which the public side agreed to it, where it did.
    pub agreed: Option<String>,
}

/// The price of one product; it has the product's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The product.
    pub product: ProductId,
    /// Who sets it; `None` as long as there is a guide only.
    pub operator: Option<OrganisationId>,
    /// The guided price, where one was issued.
    pub guide: Option<Guide>,
    /// What is proposed and not yet in force.
    pub proposal: Option<Proposal>,
    /// What is in force, and since when.
    pub current: Option<(Proposal, DateTime<Utc>)>,
}

/// What can be wanted of a price.
#[derive(Debug, Clone)]
pub enum PriceCommand {
    /// Issue a guided price.
    Guide {
        /// The product.
        product: ProductId,
        /// The guided price.
        guide: Guide,
    },
    /// Propose a price. `operator` is the one that offers the product.
    Propose {
        /// The product.
        product: ProductId,
        /// Who offers the product.
        operator: OrganisationId,
        /// The price.
        amount: Amount,
        /// On what it rests.
        basis: String,
        /// The method that it is meant to follow.
        method: Option<String>,
    },
    /// Record that the proposal is filed.
    File {
        /// The receipt.
        receipt: String,
    },
    /// Agree to the proposal for the public side.
    Agree {
        /// The decision.
        decision: String,
    },
    /// Put the proposal in force.
    Set,
}

impl Command for PriceCommand {
    shuyu_store::names! {
        Self::Guide { .. } => "guide",
        Self::Propose { .. } => "propose",
        Self::File { .. } => "file",
        Self::Agree { .. } => "agree",
        Self::Set => "set",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Propose { operator, .. } => {
                [("operator".to_owned(), Attribute::Text(operator.to_string()))].into()
            }
            Self::Guide { .. } | Self::File { .. } | Self::Agree { .. } | Self::Set => {
                Attributes::new()
            }
        }
    }
}

/// What can happen to a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum PriceEvent {
    /// A guided price was issued.
    Guided {
        /// The product.
        product: ProductId,
        /// The guided price.
        guide: Guide,
    },
    /// A price was proposed.
    Proposed {
        /// The product.
        product: ProductId,
        /// Who offers the product.
        operator: OrganisationId,
        /// The proposal.
        proposal: Proposal,
    },
    /// The proposal was filed.
    Filed {
        /// The receipt.
        receipt: String,
    },
    /// The public side agreed.
    Agreed {
        /// The decision.
        decision: String,
    },
    /// The proposal came into force.
    Set {
        /// The price.
        amount: Amount,
        /// Since when.
        at: DateTime<Utc>,
    },
}

impl Entity for Price {
    const KIND: &'static str = "price";
    const ATTRIBUTES: &'static [&'static str] = &["status", "operator"];
    type Id = ProductId;
    type Command = PriceCommand;
    type Event = PriceEvent;

    fn decide(
        state: Option<&Self>,
        command: PriceCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<PriceEvent>, Refusal> {
        let event = match command {
            PriceCommand::Guide { product, guide } => {
                check_guide(&guide, ctx)?;
                PriceEvent::Guided { product, guide }
            }
            PriceCommand::Propose { product, operator, amount, basis, method } => {
                if ctx.actor.organisation != operator {
                    return Err(ctx.refuse(SET_BY_OPERATOR));
                }
                check_proposal(state, amount, &basis, method.as_deref(), ctx)?;
                let method = pack::choice(ctx.law, "price_method").map(str::to_owned);
                let proposal = Proposal { amount, basis, method, filed: None, agreed: None };
                PriceEvent::Proposed { product, operator, proposal }
            }
            PriceCommand::File { receipt } => {
                proposal(state, ctx)?;
                if receipt.trim().is_empty() {
                    return Err(ctx.refuse(FILED_BEFORE_USE).because("a filing has a receipt"));
                }
                PriceEvent::Filed { receipt }
            }
            PriceCommand::Agree { decision } => {
                let price = proposal(state, ctx)?;
                if price.0.operator == Some(ctx.actor.organisation) {
                    return Err(ctx
                        .refuse(METHOD_FOLLOWED)
                        .because("who proposes a price does not agree to it"));
                }
                PriceEvent::Agreed { decision }
            }
            PriceCommand::Set => {
                let (price, proposal) = proposal(state, ctx)?;
                price.check_in_force(proposal, ctx)?;
                PriceEvent::Set { amount: proposal.amount, at: ctx.now }
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &PriceEvent) -> Option<Self> {
        let empty =
            |product| Self { product, operator: None, guide: None, proposal: None, current: None };
        let mut price = match event {
            PriceEvent::Guided { product, .. } | PriceEvent::Proposed { product, .. } => {
                state.unwrap_or_else(|| empty(*product))
            }
            PriceEvent::Filed { .. } | PriceEvent::Agreed { .. } | PriceEvent::Set { .. } => state?,
        };
        match event {
            PriceEvent::Guided { guide, .. } => price.guide = Some(guide.clone()),
            PriceEvent::Proposed { operator, proposal, .. } => {
                price.operator = Some(*operator);
                price.proposal = Some(proposal.clone());
            }
            PriceEvent::Filed { receipt } => {
                if let Some(proposal) = &mut price.proposal {
                    proposal.filed = Some(receipt.clone());
                }
            }
            PriceEvent::Agreed { decision } => {
                if let Some(proposal) = &mut price.proposal {
                    proposal.agreed = Some(decision.clone());
                }
            }
            PriceEvent::Set { at, .. } => {
                if let Some(proposal) = price.proposal.take() {
                    price.current = Some((proposal, *at));
                }
            }
        }
        Some(price)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status().to_owned(),
            owner: self.operator.map(|operator| operator.to_string()),
            parent: Some(self.product.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes: Attributes =
            [("status".to_owned(), Attribute::Text(self.status().to_owned()))].into();
        if let Some(operator) = self.operator {
            attributes.insert("operator".to_owned(), Attribute::Text(operator.to_string()));
        }
        attributes
    }
}

impl Price {
    fn status(&self) -> &'static str {
        match (&self.current, &self.proposal) {
            (Some(_), _) => "in_force",
            (None, Some(_)) => "proposed",
            (None, None) => "guided",
        }
    }

    /// The price in force.
    pub fn in_force(&self) -> Option<Amount> {
        self.current.as_ref().map(|(proposal, _)| proposal.amount)
    }

    /// Refuses a price that has not gone the way of the pack's method.
    fn check_in_force(&self, proposal: &Proposal, ctx: &Context<'_>) -> Result<(), Refusal> {
        if proposal.amount.fen == Fen::ZERO {
            return Ok(());
        }
        match pack::choice(ctx.law, "price_method") {
            Some("guided") => check_within_guide(self.guide.as_ref(), proposal.amount, ctx),
            Some("market_filed") if proposal.filed.is_none() => Err(ctx.refuse(FILED_BEFORE_USE)),
            Some("system") if proposal.agreed.is_none() => Err(ctx
                .refuse(METHOD_FOLLOWED)
                .because("the public side has not confirmed that it follows the pricing system")),
            _ => Ok(()),
        }
    }
}

/// The price and its proposal, or the refusal if there is none.
fn proposal<'a>(
    state: Option<&'a Price>,
    ctx: &Context<'_>,
) -> Result<(&'a Price, &'a Proposal), Refusal> {
    state
        .and_then(|price| price.proposal.as_ref().map(|proposal| (price, proposal)))
        .ok_or_else(|| ctx.refuse(STEP_IN_ORDER).because("no price is proposed"))
}

/// Refuses a guided price where the pack's method is another, or that guides to nothing.
fn check_guide(guide: &Guide, ctx: &Context<'_>) -> Result<(), Refusal> {
    if pack::choice(ctx.law, "price_method") != Some("guided") {
        return Err(ctx.refuse(METHOD_FOLLOWED).because("no prices are guided here"));
    }
    if guide.base.fen.0 < 0 || guide.until.is_some_and(|until| until < guide.from) {
        return Err(ctx.refuse(WITHIN_GUIDE).because("the guided price guides to nothing"));
    }
    if guide.basis.trim().is_empty() {
        return Err(ctx.refuse(BASIS_STATED));
    }
    Ok(())
}

/// Refuses a proposal below zero, without its basis, by another method than the pack's, or
/// outside the guided price.
fn check_proposal(
    state: Option<&Price>,
    amount: Amount,
    basis: &str,
    method: Option<&str>,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let lawful = pack::choice(ctx.law, "price_method");
    if let (Some(method), Some(lawful)) = (method, lawful)
        && method != lawful
    {
        return Err(ctx
            .refuse(METHOD_FOLLOWED)
            .because(format!("prices are set by the method {lawful}")));
    }
    if basis.trim().is_empty() {
        return Err(ctx.refuse(BASIS_STATED));
    }
    if amount.fen.0 < 0 {
        return Err(ctx.refuse(WITHIN_GUIDE).because("a price is not below zero"));
    }
    if lawful == Some("guided") && amount.fen > Fen::ZERO {
        check_within_guide(state.and_then(|price| price.guide.as_ref()), amount, ctx)?;
    }
    Ok(())
}

/// Refuses a price above the guided price and its float, or where none is in force.
fn check_within_guide(
    guide: Option<&Guide>,
    amount: Amount,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let today = ctx.today();
    let guide = guide
        .filter(|guide| guide.from <= today && guide.until.is_none_or(|until| today <= until))
        .ok_or_else(|| {
            ctx.refuse(WITHIN_GUIDE).because("no guided price is in force for the product")
        })?;
    if guide.base.unit != amount.unit {
        return Err(ctx.refuse(WITHIN_GUIDE).because("the guided price is for another unit"));
    }
    let float = ctx.law.integer("price_float_percent").unwrap_or(0);
    let ceiling = i128::from(guide.base.fen.0) * i128::from(100 + float) / 100;
    if i128::from(amount.fen.0) > ceiling {
        let ceiling = Fen(i64::try_from(ceiling).unwrap_or(i64::MAX));
        return Err(ctx
            .refuse(WITHIN_GUIDE)
            .because(format!("{} is above {ceiling} yuan", amount.fen)));
    }
    Ok(())
}

/// Who wants to use a product, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer<'a> {
    /// The organisation.
    pub organisation: OrganisationId,
    /// The purpose that it declares, as the pack names purposes.
    pub purpose: &'a str,
}

/// What a use costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "charge", rename_all = "snake_case")]
pub enum Charge {
    /// The price in force.
    Paid {
        /// The price.
        amount: Amount,
    },
    /// Free by law.
    Free {
        /// The use that is free, as the pack names it.
        reason: String,
        /// The clauses that say so.
        clauses: BTreeSet<ClauseId>,
    },
}

impl Charge {
    /// What one use costs.
    pub fn fen(&self) -> Fen {
        match self {
            Self::Paid { amount } => amount.fen,
            Self::Free { .. } => Fen::ZERO,
        }
    }
}

/// What the use of `product` costs `consumer`: nothing where the pack makes the use free, by
/// its purpose or by the origin of the data; else the price in force, if there is one.
pub fn charge(
    law: &Law,
    product: &Product,
    price: Option<&Price>,
    consumer: Consumer<'_>,
) -> Option<Charge> {
    free_use(law, product, consumer)
        .map(|reason| Charge::Free {
            reason,
            clauses: pack::clauses_reading(law, "free_use").into_iter().collect(),
        })
        .or_else(|| price?.in_force().map(|amount| Charge::Paid { amount }))
}

/// The id of the free use that applies.
fn free_use(law: &Law, product: &Product, consumer: Consumer<'_>) -> Option<String> {
    let uses = law.parameter("free_use")?.value.as_array()?;
    uses.iter().find_map(|entry| {
        let id = entry.get("id")?.as_str()?;
        let applies = match entry.get("by")?.as_str()? {
            "purpose" => id == consumer.purpose,
            "origin" => {
                product.is_from_free_data && product.providers.contains(&consumer.organisation)
            }
            _ => false,
        };
        applies.then(|| id.to_owned())
    })
}
