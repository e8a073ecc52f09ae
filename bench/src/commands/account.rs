//! An entity to measure with: an account of small change.

use serde::{Deserialize, Serialize};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::trial_law::Condition;

shuyu_kernel::id!(
    /// An account.
    AccountId,
    "acc"
);

const OVERDRAWN: Rule = Rule::new("account-is-not-overdrawn");

pub(super) const CONDITION: Condition = Condition {
    kind: "account",
    actions: &["open", "pay"],
    resource: "(!(resource has balance) || resource.balance >= 0)",
};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Account {
    balance: i64,
}

#[derive(Debug, Clone)]
pub(super) enum AccountCommand {
    Open,
    Pay { fen: i64 },
}

impl Command for AccountCommand {
    shuyu_store::names! {
        Self::Open => "open",
        Self::Pay { .. } => "pay",
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub(super) enum AccountEvent {
    Opened,
    Paid { fen: i64 },
}

impl Entity for Account {
    const KIND: &'static str = "account";
    const ATTRIBUTES: &'static [&'static str] = &["balance"];
    type Id = AccountId;
    type Command = AccountCommand;
    type Event = AccountEvent;

    fn decide(
        state: Option<&Self>,
        command: AccountCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<AccountEvent>, Refusal> {
        match (state, command) {
            (None, AccountCommand::Open) => Ok(vec![AccountEvent::Opened]),
            (Some(state), AccountCommand::Pay { fen }) if state.balance + fen < 0 => {
                Err(ctx.refuse(OVERDRAWN))
            }
            (Some(_), AccountCommand::Pay { fen }) => Ok(vec![AccountEvent::Paid { fen }]),
            (Some(_), AccountCommand::Open) | (None, AccountCommand::Pay { .. }) => Ok(vec![]),
        }
    }

    fn evolve(state: Option<Self>, event: &AccountEvent) -> Option<Self> {
        match event {
            AccountEvent::Opened => Some(Self { balance: 0 }),
            AccountEvent::Paid { fen } => state.map(|state| Self { balance: state.balance + fen }),
        }
    }

    fn keys(&self) -> Keys {
        let status = if self.balance == 0 { "empty" } else { "filled" };
        Keys { status: status.to_owned(), ..Keys::default() }
    }

    fn attributes(&self) -> Attributes {
        [("balance".to_owned(), Attribute::Number(self.balance))].into()
    }
}
