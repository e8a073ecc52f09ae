//! Filings: what is filed, with whom, until when, and the number of the receipt.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const RECIPIENT_KNOWN: Rule = Rule::new("filing-recipient-known");
pub(crate) const RECEIPT_NUMBERED: Rule = Rule::new("filing-receipt-numbered");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("filing-step-in-order");

shuyu_kernel::id!(
    /// A filing.
    FilingId,
    "fil"
);

/// Where a filing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilingStatus {
    /// To be sent.
    Due,
    /// Sent.
    Sent,
    /// Received.
    Received,
}

impl FilingStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// A filing with one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filing {
    /// What is filed, as the pack names it.
    pub subject: String,
    /// The agreement that it concerns, where there is one.
    pub agreement: Option<AgreementId>,
    /// Who files.
    pub by: OrganisationId,
    /// With which role.
    pub recipient: String,
    /// Until when.
    pub due_at: DateTime<Utc>,
    /// The digest of what was sent.
    pub content: Option<ContentHash>,
    /// The number of the receipt.
    pub receipt: Option<String>,
    /// Where it stands.
    pub status: FilingStatus,
}

/// What can be wanted of a filing.
#[derive(Debug, Clone)]
pub enum FilingCommand {
    /// Open it.
    Open {
        /// What is filed, as the pack names it.
        subject: String,
        /// The agreement that it concerns.
        agreement: Option<AgreementId>,
        /// With which role.
        recipient: String,
        /// The day on which what is filed came about.
        on: NaiveDate,
    },
    /// Send it.
    Send {
        /// The digest of what is sent.
        content: ContentHash,
    },
    /// Record the receipt.
    Receive {
        /// Its number.
        receipt: String,
    },
}

impl Command for FilingCommand {
    shuyu_store::names! {
        Self::Open { .. } => "open",
        Self::Send { .. } => "send",
        Self::Receive { .. } => "receive",
    }
}

/// What can happen to a filing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum FilingEvent {
    /// It was opened.
    Opened {
        /// The filing.
        filing: Box<Filing>,
    },
    /// It was sent.
    Sent {
        /// The digest of what was sent.
        content: ContentHash,
    },
    /// It was received.
    Received {
        /// The number of the receipt.
        receipt: String,
    },
}

impl Entity for Filing {
    const KIND: &'static str = "filing";
    const ATTRIBUTES: &'static [&'static str] = &["status", "subject", "recipient"];
    type Id = FilingId;
    type Command = FilingCommand;
    type Event = FilingEvent;

    fn decide(
        state: Option<&Self>,
        command: FilingCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<FilingEvent>, Refusal> {
        let event = match (state, command) {
            (None, FilingCommand::Open { subject, agreement, recipient, on }) => {
                let known = recipients(ctx.law, &subject);
                if !known.contains(&recipient) {
                    return Err(ctx
                        .refuse(RECIPIENT_KNOWN)
                        .because(format!("{subject} is filed with: {}", known.join(", "))));
                }
                let due_at = pack::end_of(ctx.law, filing_due(ctx.law, &subject, on));
                FilingEvent::Opened {
                    filing: Box::new(Self {
                        subject,
                        agreement,
                        by: ctx.actor.organisation,
                        recipient,
                        due_at,
                        content: None,
                        receipt: None,
                        status: FilingStatus::Due,
                    }),
                }
            }
            (Some(filing), FilingCommand::Send { content })
                if filing.status != FilingStatus::Received =>
            {
                FilingEvent::Sent { content }
            }
            (Some(filing), FilingCommand::Receive { receipt })
                if filing.status == FilingStatus::Sent =>
            {
                if receipt.trim().is_empty() {
                    return Err(ctx.refuse(RECEIPT_NUMBERED));
                }
                FilingEvent::Received { receipt }
            }
            (state, _) => {
                let status = state.map_or("not opened", |filing| filing.status.name());
                return Err(ctx.refuse(STEP_IN_ORDER).because(format!("the filing is {status}")));
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &FilingEvent) -> Option<Self> {
        match event {
            FilingEvent::Opened { filing } => Some((**filing).clone()),
            FilingEvent::Sent { content } => state.map(|filing| Self {
                content: Some(*content),
                status: FilingStatus::Sent,
                ..filing
            }),
            FilingEvent::Received { receipt } => state.map(|filing| Self {
                receipt: Some(receipt.clone()),
                status: FilingStatus::Received,
                ..filing
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: Some(self.by.to_string()),
            parent: self.agreement.map(|agreement| agreement.to_string()),
            due_at: (self.status == FilingStatus::Due).then_some(self.due_at),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("subject".to_owned(), Attribute::Text(self.subject.clone())),
            ("recipient".to_owned(), Attribute::Text(self.recipient.clone())),
        ]
        .into()
    }
}

/// With whom the pack has `subject` filed; nobody where it is silent.
pub(crate) fn recipients(law: &Law, subject: &str) -> Vec<String> {
    pack::entries(law, "filings")
        .filter(|entry| entry.get("subject").and_then(Value::as_str) == Some(subject))
        .filter_map(|entry| entry.get("recipients").and_then(Value::as_array))
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The last day to file `subject`, which came about `on`; the same day where the pack gives no
/// time.
pub fn filing_due(law: &Law, subject: &str, on: NaiveDate) -> NaiveDate {
    let days = law
        .parameter("filing_working_days")
        .and_then(|parameter| parameter.field(subject))
        .and_then(Value::as_u64)
        .and_then(|days| u32::try_from(days).ok())
        .unwrap_or(0);
    pack::after_working_days(law, on, days)
}
