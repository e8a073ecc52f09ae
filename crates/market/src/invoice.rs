//! Invoices: each use counted once, with its price or the reason why it is free.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, Fen, InvoiceId, OrganisationId, ProductId, SubscriptionId};
use shuyu_law::{Attribute, Attributes, ClauseId, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Account, Charge, ChargeUnit, Line, SettlementId, Subscription, SubscriptionEvent};

pub(crate) const PERIOD_INVOICED_ONCE: Rule = Rule::new("invoice-period-once");
pub(crate) const LINES_ADD_UP: Rule = Rule::new("invoice-lines-add-up");
pub(crate) const PAYMENT_MATCHES: Rule = Rule::new("invoice-payment-matches");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("invoice-step-in-order");

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// What was used.
    pub product: ProductId,
    /// What was counted.
    pub unit: ChargeUnit,
    /// How often.
    pub count: u64,
    /// What each use costs.
    pub unit_price: Fen,
    /// What they cost together.
    pub amount: Fen,
    /// Why the use is free, where it is.
    pub free: Option<String>,
    /// The clauses on which the price, or its absence, rests.
    pub clauses: BTreeSet<ClauseId>,
}

/// Which uses an invoice counts, as the subscription counted them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageCount {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// How many uses.
    pub count: u64,
    /// Since when.
    pub from: DateTime<Utc>,
    /// Up to when.
    pub until: DateTime<Utc>,
}

impl UsageCount {
    /// What a `Billed` event of the subscription counts.
    pub fn of(subscription: SubscriptionId, event: &SubscriptionEvent) -> Option<Self> {
        match event {
            SubscriptionEvent::Billed { count, from, until, .. } => {
                Some(Self { subscription, count: *count, from: *from, until: *until })
            }
            _ => None,
        }
    }
}

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// How much.
    pub amount: Fen,
    /// By which it is found at the bank.
    pub reference: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// To be paid.
    Issued,
    /// Paid, or nothing to pay.
    Paid,
    /// Its proceeds are shared.
    Settled,
}

impl InvoiceStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Paid => "paid",
            Self::Settled => "settled",
        }
    }
}

/// An invoice for the uses of one subscription in one period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The agreement under which the product is made.
    pub agreement: AgreementId,
    /// To whom the money is due.
    pub operator: OrganisationId,
    /// Who pays.
    pub consumer: OrganisationId,
    /// Since when uses are counted.
    pub from: DateTime<Utc>,
    /// Up to when.
    pub until: DateTime<Utc>,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// What is due.
    pub total: Fen,
    /// The payment.
    pub payment: Option<Payment>,
    /// The settlement that shared its proceeds.
    pub settlement: Option<SettlementId>,
    /// Where it stands.
    pub status: InvoiceStatus,
}

/// What can be wanted of an invoice.
#[derive(Debug, Clone)]
pub enum InvoiceCommand {
    /// Issue it.
    Issue {
        /// The subscription.
        subscription: Box<Subscription>,
        /// The uses, as the subscription counted them in the same unit of work.
        usage: UsageCount,
    },
    /// Record its payment.
    Pay {
        /// How much.
        amount: Fen,
        /// By which it is found at the bank.
        reference: String,
    },
    /// Record that its proceeds are shared.
    Settle {
        /// By which settlement.
        settlement: SettlementId,
    },
}

impl Command for InvoiceCommand {
    shuyu_store::names! {
        Self::Issue { .. } => "issue",
        Self::Pay { .. } => "pay",
        Self::Settle { .. } => "settle",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Issue { subscription, .. } => {
                [("operator".to_owned(), Attribute::Text(subscription.operator.to_string()))].into()
            }
            Self::Pay { .. } | Self::Settle { .. } => Attributes::new(),
        }
    }
}

/// What can happen to an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum InvoiceEvent {
    /// It was issued.
    Issued {
        /// The invoice.
        invoice: Box<Invoice>,
    },
    /// It was paid.
    Paid {
        /// The payment.
        payment: Payment,
    },
    /// Its proceeds were shared.
    Settled {
        /// By which settlement.
        settlement: SettlementId,
    },
}

impl Entity for Invoice {
    const KIND: &'static str = "invoice";
    const ATTRIBUTES: &'static [&'static str] = &["status", "consumer", "operator"];
    type Id = InvoiceId;
    type Command = InvoiceCommand;
    type Event = InvoiceEvent;

    fn decide(
        state: Option<&Self>,
        command: InvoiceCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<InvoiceEvent>, Refusal> {
        let order = |why: &str| ctx.refuse(STEP_IN_ORDER).because(why);
        let event = match (state, command) {
            (None, InvoiceCommand::Issue { subscription, usage }) => {
                InvoiceEvent::Issued { invoice: Box::new(issued(&subscription, &usage, ctx)?) }
            }
            (None, _) => return Err(order("there is no such invoice")),
            (Some(_), InvoiceCommand::Issue { .. }) => return Err(ctx.refuse(PERIOD_INVOICED_ONCE)),
            (Some(invoice), InvoiceCommand::Pay { amount, reference }) => {
                if invoice.status != InvoiceStatus::Issued {
                    return Err(order("nothing is due on it"));
                }
                if amount != invoice.total || reference.trim().is_empty() {
                    return Err(ctx.refuse(PAYMENT_MATCHES).because(format!(
                        "{} yuan are due, and a payment has a reference",
                        invoice.total
                    )));
                }
                let payment = Payment { amount, reference, at: ctx.now };
                InvoiceEvent::Paid { payment }
            }
            (Some(invoice), InvoiceCommand::Settle { settlement }) => match invoice.status {
                InvoiceStatus::Paid => InvoiceEvent::Settled { settlement },
                InvoiceStatus::Issued => return Err(order("it is not paid")),
                InvoiceStatus::Settled => return Err(order("its proceeds are shared already")),
            },
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &InvoiceEvent) -> Option<Self> {
        match event {
            InvoiceEvent::Issued { invoice } => Some((**invoice).clone()),
            InvoiceEvent::Paid { payment } => state.map(|invoice| Self {
                payment: Some(payment.clone()),
                status: InvoiceStatus::Paid,
                ..invoice
            }),
            InvoiceEvent::Settled { settlement } => state.map(|invoice| Self {
                settlement: Some(*settlement),
                status: InvoiceStatus::Settled,
                ..invoice
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.consumer.to_string()),
            parent: Some(self.agreement.to_string()),
            name: Some(format!("{}/{}", self.subscription, self.until.to_rfc3339())),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("consumer".to_owned(), Attribute::Text(self.consumer.to_string())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
        ]
        .into()
    }
}

impl Invoice {
    /// The posting of its issue: the consumer owes what the operator has earned.
    pub fn issue_lines(&self) -> Vec<Line> {
        vec![
            Line { account: Account::Receivable { from: self.consumer }, amount: self.total },
            Line { account: Account::Revenue { agreement: self.agreement }, amount: -self.total },
        ]
    }

    /// The posting of its payment: what was owed is there.
    pub fn payment_lines(&self) -> Vec<Line> {
        vec![
            Line { account: Account::Cash, amount: self.total },
            Line { account: Account::Receivable { from: self.consumer }, amount: -self.total },
        ]
    }
}

/// The invoice for the uses counted, or why it may not be issued.
fn issued(
    subscription: &Subscription,
    usage: &UsageCount,
    ctx: &Context<'_>,
) -> Result<Invoice, Refusal> {
    if usage.count == 0 || usage.until > ctx.now || usage.from > usage.until {
        return Err(ctx
            .refuse(PERIOD_INVOICED_ONCE)
            .because("there is nothing to invoice in the period"));
    }
    let unit_price = subscription.charge.fen();
    let amount = unit_price.times(usage.count).ok_or_else(|| {
        ctx.refuse(LINES_ADD_UP).because("the amount is beyond what can be counted")
    })?;
    let (free, clauses) = match &subscription.charge {
        Charge::Paid { .. } => {
            (None, crate::pack::clauses_reading(ctx.law, "price_method").into_iter().collect())
        }
        Charge::Free { reason, clauses } => (Some(reason.clone()), clauses.clone()),
    };
    let line = InvoiceLine {
        product: subscription.product,
        unit: subscription.unit,
        count: usage.count,
        unit_price,
        amount,
        free,
        clauses,
    };
    Ok(Invoice {
        subscription: usage.subscription,
        agreement: subscription.agreement,
        operator: subscription.operator,
        consumer: subscription.consumer,
        from: usage.from,
        until: usage.until,
        lines: vec![line],
        total: amount,
        payment: None,
        settlement: None,
        status: if amount == Fen::ZERO { InvoiceStatus::Paid } else { InvoiceStatus::Issued },
    })
}
