//! An entity to test with: an account of small change.

use serde::{Deserialize, Serialize};
use shuyu_law::{Attribute, Attributes, Law, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys, Registry};
use shuyu_testkit::permissive_law;

shuyu_kernel::id!(
    /// An account.
    AccountId,
    "acc"
);

pub const OVERDRAWN: Rule = Rule::new("account-is-not-overdrawn");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: Option<String>,
    pub holder: Option<String>,
    pub balance: i64,
}

#[derive(Debug, Clone)]
pub enum Want {
    Open { name: Option<String>, holder: String },
    Pay(i64),
    Rename(String),
    Nothing,
}

impl Command for Want {
    shuyu_store::names! {
        Self::Open { .. } => "open",
        Self::Pay(_) => "pay",
        Self::Rename(_) => "rename",
        Self::Nothing => "nothing",
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Happening {
    Opened {
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        holder: Option<String>,
    },
    Paid {
        amount: i64,
    },
    Renamed {
        name: String,
    },
}

impl Entity for Account {
    const KIND: &'static str = "account";
    const ATTRIBUTES: &'static [&'static str] = &["balance"];
    const PERSONAL: &'static [&'static str] = &["holder"];
    type Id = AccountId;
    type Command = Want;
    type Event = Happening;

    fn decide(
        state: Option<&Self>,
        command: Want,
        ctx: &Context<'_>,
    ) -> Result<Vec<Happening>, Refusal> {
        Ok(match (state, command) {
            (_, Want::Open { name, holder }) => {
                vec![Happening::Opened { name, holder: Some(holder) }]
            }
            (Some(state), Want::Pay(amount)) if state.balance + amount < 0 => {
                return Err(ctx.refuse(OVERDRAWN));
            }
            (Some(_), Want::Pay(amount)) => vec![Happening::Paid { amount }],
            (Some(_), Want::Rename(name)) => vec![Happening::Renamed { name }],
            (None, _) | (_, Want::Nothing) => vec![],
        })
    }

    fn evolve(state: Option<Self>, event: &Happening) -> Option<Self> {
        match event {
            Happening::Opened { name, holder } => {
                Some(Self { name: name.clone(), holder: holder.clone(), balance: 0 })
            }
            Happening::Paid { amount } => {
                state.map(|state| Self { balance: state.balance + amount, ..state })
            }
            Happening::Renamed { name } => {
                state.map(|state| Self { name: Some(name.clone()), ..state })
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: if self.balance == 0 { "empty" } else { "filled" }.to_owned(),
            name: self.name.clone(),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [("balance".to_owned(), Attribute::Number(self.balance))].into()
    }
}

pub fn registry() -> Registry {
    Registry::new().with::<Account>()
}

pub fn law() -> Law {
    permissive_law(&[
        "account.open",
        "account.pay",
        "account.rename",
        "account.nothing",
        "account.erase",
    ])
}

pub fn opened() -> Want {
    Want::Open { name: None, holder: "Li".to_owned() }
}

pub fn named(name: &str) -> Want {
    Want::Open { name: Some(name.to_owned()), holder: "Li".to_owned() }
}
