//! Settlement: the proceeds of paid invoices, shared as the agreement says, to the fen.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, Fen, InvoiceId, OrganisationId, Share, split};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Account, Invoice, InvoiceStatus, Line, pack};

pub(crate) const SHARES_GIVEN: Rule = Rule::new("settlement-shares-given");
pub(crate) const PUBLIC_PART_ALLOWED: Rule = Rule::new("settlement-public-part-allowed");
pub(crate) const INVOICES_PAID: Rule = Rule::new("settlement-invoices-paid");
pub(crate) const SETTLED_ONCE: Rule = Rule::new("settlement-once");

shuyu_kernel::id!(
    /// A settlement.
    SettlementId,
    "set"
);

/// To whom a part of the proceeds goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "beneficiary", rename_all = "snake_case")]
pub enum Beneficiary {
    /// An organisation.
    Organisation {
        /// Which.
        id: OrganisationId,
    },
    /// The public side, to be distributed again.
    Redistribution,
    /// The public budget.
    Budget,
}

impl fmt::Display for Beneficiary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation { id } => id.fmt(f),
            Self::Redistribution => f.write_str("redistribution"),
            Self::Budget => f.write_str("budget"),
        }
    }
}

/// A part of the proceeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// To whom.
    pub to: Beneficiary,
    /// How much.
    pub amount: Fen,
    /// By which its payment is found at the bank, once paid.
    pub paid: Option<String>,
}

/// The proceeds of some invoices, shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The agreement.
    pub agreement: AgreementId,
    /// The invoices.
    pub invoices: Vec<InvoiceId>,
    /// What they brought.
    pub proceeds: Fen,
    /// To whom it goes.
    pub parts: Vec<Part>,
    /// When it was shared.
    pub at: DateTime<Utc>,
}

/// What can be wanted of a settlement.
#[derive(Debug, Clone)]
pub enum SettlementCommand {
    /// Share the proceeds.
    Share {
        /// The agreement.
        agreement: AgreementId,
        /// Who operates under it, read in the same unit of work.
        operator: OrganisationId,
        /// The invoices.
        invoices: BTreeMap<InvoiceId, Invoice>,
        /// The agreement's shares.
        shares: Vec<Share<Beneficiary>>,
    },
    /// Record that a part is paid.
    PayOut {
        /// To whom.
        to: Beneficiary,
        /// Who operates under the agreement, read in the same unit of work.
        operator: OrganisationId,
        /// By which it is found at the bank.
        reference: String,
    },
}

impl Command for SettlementCommand {
    shuyu_store::names! {
        Self::Share { .. } => "share",
        Self::PayOut { .. } => "pay_out",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Share { operator, .. } | Self::PayOut { operator, .. } => {
                [("operator".to_owned(), Attribute::Text(operator.to_string()))].into()
            }
        }
    }
}

/// What can happen to a settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum SettlementEvent {
    /// The proceeds were shared.
    Shared {
        /// The settlement.
        settlement: Settlement,
    },
    /// A part was paid.
    PaidOut {
        /// To whom.
        to: Beneficiary,
        /// By which it is found at the bank.
        reference: String,
    },
}

impl Entity for Settlement {
    const KIND: &'static str = "settlement";
    const ATTRIBUTES: &'static [&'static str] = &["status", "agreement", "operator"];
    type Id = SettlementId;
    type Command = SettlementCommand;
    type Event = SettlementEvent;

    fn decide(
        state: Option<&Self>,
        command: SettlementCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<SettlementEvent>, Refusal> {
        let event = match (state, command) {
            (None, SettlementCommand::Share { agreement, invoices, shares, .. }) => {
                let settlement = shared(agreement, &invoices, &shares, ctx)?;
                SettlementEvent::Shared { settlement }
            }
            (Some(_), SettlementCommand::Share { .. }) => return Err(ctx.refuse(SETTLED_ONCE)),
            (None, SettlementCommand::PayOut { .. }) => {
                return Err(ctx.refuse(SETTLED_ONCE).because("there is no such settlement"));
            }
            (Some(settlement), SettlementCommand::PayOut { to, reference, .. }) => {
                let part = settlement.parts.iter().find(|part| part.to == to);
                match part {
                    Some(part) if part.paid.is_none() => SettlementEvent::PaidOut { to, reference },
                    Some(_) => return Err(ctx.refuse(SETTLED_ONCE).because("it is paid already")),
                    None => {
                        return Err(ctx.refuse(SHARES_GIVEN).because("nothing is due to it"));
                    }
                }
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &SettlementEvent) -> Option<Self> {
        match event {
            SettlementEvent::Shared { settlement } => Some(settlement.clone()),
            SettlementEvent::PaidOut { to, reference } => {
                let mut settlement = state?;
                for part in settlement.parts.iter_mut().filter(|part| part.to == *to) {
                    part.paid = Some(reference.clone());
                }
                Some(settlement)
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status().to_owned(),
            parent: Some(self.agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status().to_owned())),
            ("agreement".to_owned(), Attribute::Text(self.agreement.to_string())),
        ]
        .into()
    }
}

impl Settlement {
    fn status(&self) -> &'static str {
        if self.parts.iter().all(|part| part.paid.is_some() || part.amount == Fen::ZERO) {
            "paid_out"
        } else {
            "shared"
        }
    }

    /// The posting of the sharing: what was earned is due to the parties.
    pub fn share_lines(&self) -> Vec<Line> {
        let revenue = Account::Revenue { agreement: self.agreement };
        let due = self
            .parts
            .iter()
            .map(|part| Line { account: Account::Payable { to: part.to }, amount: -part.amount });
        std::iter::once(Line { account: revenue, amount: self.proceeds }).chain(due).collect()
    }

    /// The posting of a part's payment, if the part exists.
    pub fn pay_out_lines(&self, to: Beneficiary) -> Option<Vec<Line>> {
        let part = self.parts.iter().find(|part| part.to == to)?;
        Some(vec![
            Line { account: Account::Payable { to }, amount: part.amount },
            Line { account: Account::Cash, amount: -part.amount },
        ])
    }
}

/// The settlement of paid invoices of one agreement, or why they may not be settled.
fn shared(
    agreement: AgreementId,
    invoices: &BTreeMap<InvoiceId, Invoice>,
    shares: &[Share<Beneficiary>],
    ctx: &Context<'_>,
) -> Result<Settlement, Refusal> {
    if invoices.is_empty() {
        return Err(ctx.refuse(INVOICES_PAID).because("there is no invoice to settle"));
    }
    for (id, invoice) in invoices {
        if invoice.agreement != agreement {
            return Err(ctx
                .refuse(INVOICES_PAID)
                .because(format!("{id} belongs to another agreement")));
        }
        match invoice.status {
            InvoiceStatus::Paid => {}
            InvoiceStatus::Issued => {
                return Err(ctx.refuse(INVOICES_PAID).because(format!("{id} is not paid")));
            }
            InvoiceStatus::Settled => {
                return Err(ctx.refuse(SETTLED_ONCE).because(format!("{id} is settled")));
            }
        }
    }
    check_shares(shares, ctx)?;
    let total = invoices
        .values()
        .try_fold(Fen::ZERO, |sum, invoice| sum.plus(invoice.total))
        .ok_or_else(|| ctx.refuse(SHARES_GIVEN).because("the sum is beyond what can be counted"))?;
    let parts = split(total, shares)
        .map_err(|error| ctx.refuse(SHARES_GIVEN).because(error.to_string()))?;
    Ok(Settlement {
        agreement,
        invoices: invoices.keys().copied().collect(),
        proceeds: total,
        parts: parts.into_iter().map(|(to, amount)| Part { to, amount, paid: None }).collect(),
        at: ctx.now,
    })
}

/// Refuses shares that name a party twice, or a public part that the pack does not know.
fn check_shares(shares: &[Share<Beneficiary>], ctx: &Context<'_>) -> Result<(), Refusal> {
    for (position, share) in shares.iter().enumerate() {
        if shares.iter().take(position).any(|earlier| earlier.party == share.party) {
            return Err(ctx.refuse(SHARES_GIVEN).because(format!("{} stands twice", share.party)));
        }
        let parameter = match share.party {
            Beneficiary::Organisation { .. } => continue,
            Beneficiary::Redistribution => "revenue_redistribution",
            Beneficiary::Budget => "revenue_budget_return",
        };
        if share.weight > 0 && !pack::is_on(ctx.law, parameter) {
            return Err(ctx
                .refuse(PUBLIC_PART_ALLOWED)
                .because(format!("a part for {} has no basis here", share.party)));
        }
    }
    Ok(())
}
