//! The books: postings in double entry, and the trial balance that they give.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, Fen, OrganisationId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Beneficiary, pack};

pub(crate) const POSTING_BALANCES: Rule = Rule::new("posting-sums-to-zero");
pub(crate) const POSTED_ONCE: Rule = Rule::new("posted-once");
pub(crate) const COST_ITEM_KNOWN: Rule = Rule::new("operator-cost-item-known");

shuyu_kernel::id!(
    /// A posting in the books.
    PostingId,
    "pos"
);

/// An account of the books.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "account", rename_all = "snake_case")]
pub enum Account {
    /// Money at the bank.
    Cash,
    /// What an organisation owes.
    Receivable {
        /// Who owes it.
        from: OrganisationId,
    },
    /// What has been earned under an agreement and is not yet shared.
    Revenue {
        /// The agreement.
        agreement: AgreementId,
    },
    /// What is due to a party of an agreement.
    Payable {
        /// To whom.
        to: Beneficiary,
    },
    /// What the platform spent on an operator's work and the operator bears.
    PlatformCost {
        /// The item, as the pack names it.
        item: String,
    },
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cash => f.write_str("cash"),
            Self::Receivable { from } => write!(f, "receivable/{from}"),
            Self::Revenue { agreement } => write!(f, "revenue/{agreement}"),
            Self::Payable { to } => write!(f, "payable/{to}"),
            Self::PlatformCost { item } => write!(f, "platform_cost/{item}"),
        }
    }
}

/// A line of a posting: a debit above zero, a credit below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// How much.
    pub amount: Fen,
}

/// A posting: it happened, and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What it records, by kind and id, such as `issue/inv-…`; posted once.
    pub source: String,
    /// In words.
    pub memo: String,
    /// The lines, which sum to zero.
    pub lines: Vec<Line>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What can be wanted of the books.
#[derive(Debug, Clone)]
pub enum PostingCommand {
    /// Post lines that sum to zero.
    Post {
        /// What they record.
        source: String,
        /// In words.
        memo: String,
        /// The lines.
        lines: Vec<Line>,
    },
}

impl Command for PostingCommand {
    shuyu_store::names! {
        Self::Post { .. } => "post",
    }
}

/// What can happen to the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum PostingEvent {
    /// A posting was made.
    Posted {
        /// The posting.
        posting: Posting,
    },
}

impl Entity for Posting {
    const KIND: &'static str = "posting";
    const ATTRIBUTES: &'static [&'static str] = &["source"];
    type Id = PostingId;
    type Command = PostingCommand;
    type Event = PostingEvent;

    fn decide(
        state: Option<&Self>,
        command: PostingCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<PostingEvent>, Refusal> {
        if state.is_some() {
            return Err(ctx.refuse(POSTED_ONCE));
        }
        let PostingCommand::Post { source, memo, lines } = command;
        check_lines(&lines, ctx)?;
        let posting = Self { source, memo, lines, at: ctx.now };
        Ok(vec![PostingEvent::Posted { posting }])
    }

    fn evolve(_: Option<Self>, event: &PostingEvent) -> Option<Self> {
        let PostingEvent::Posted { posting } = event;
        Some(posting.clone())
    }

    fn keys(&self) -> Keys {
        Keys { status: "posted".to_owned(), name: Some(self.source.clone()), ..Keys::default() }
    }

    fn attributes(&self) -> Attributes {
        [("source".to_owned(), Attribute::Text(self.source.clone()))].into()
    }
}

/// Refuses lines that do not sum to zero, or a cost that the pack does not lay on the operator.
fn check_lines(lines: &[Line], ctx: &Context<'_>) -> Result<(), Refusal> {
    let sum: i128 = lines.iter().map(|line| i128::from(line.amount.0)).sum();
    if sum != 0 || lines.len() < 2 {
        return Err(ctx
            .refuse(POSTING_BALANCES)
            .because(format!("{} lines sum to {sum} fen", lines.len())));
    }
    let known = pack::ids(ctx.law, "operator_cost_items").unwrap_or_default();
    for line in lines {
        if let Account::PlatformCost { item } = &line.account
            && !known.contains(&item.as_str())
        {
            return Err(ctx
                .refuse(COST_ITEM_KNOWN)
                .because(format!("{item} is no cost that the operator bears here")));
        }
    }
    Ok(())
}

/// The posting of a cost that the operator bears.
pub fn cost_lines(operator: OrganisationId, item: impl Into<String>, amount: Fen) -> Vec<Line> {
    vec![
        Line { account: Account::Receivable { from: operator }, amount },
        Line { account: Account::PlatformCost { item: item.into() }, amount: -amount },
    ]
}

/// What each account holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialBalance {
    accounts: BTreeMap<Account, i128>,
}

impl TrialBalance {
    /// The balance of these postings.
    pub fn of<'a>(postings: impl IntoIterator<Item = &'a Posting>) -> Self {
        let mut accounts: BTreeMap<Account, i128> = BTreeMap::new();
        for line in postings.into_iter().flat_map(|posting| &posting.lines) {
            *accounts.entry(line.account.clone()).or_default() += i128::from(line.amount.0);
        }
        Self { accounts }
    }

    /// What the account holds, in fen: a debit above zero, a credit below.
    pub fn fen(&self, account: &Account) -> i128 {
        self.accounts.get(account).copied().unwrap_or(0)
    }

    /// The accounts, in order, with what they hold in fen.
    pub fn rows(&self) -> impl Iterator<Item = (&Account, i128)> {
        self.accounts.iter().map(|(account, fen)| (account, *fen))
    }

    /// The sum over all accounts, which is zero as long as every posting sums to zero.
    pub fn total(&self) -> i128 {
        self.accounts.values().sum()
    }
}
