//! Instruments: plans, rules, calls, zones and emergency plans that others rest on.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, CaseId, ContentHash};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::rules;

shuyu_kernel::id!(
    /// An instrument.
    InstrumentId,
    "ins"
);

/// What sort of instrument it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstrumentKind {
    /// An implementation plan.
    Plan,
    /// Rules under which is authorised.
    Rules,
    /// A zone.
    Zone,
    /// A call for applications.
    Call,
    /// An emergency plan.
    EmergencyPlan,
}

impl InstrumentKind {
    /// Its name, as lists and facts know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Rules => "rules",
            Self::Zone => "zone",
            Self::Call => "call",
            Self::EmergencyPlan => "emergency_plan",
        }
    }
}

/// An instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// What sort it is.
    pub kind: InstrumentKind,
    /// What people call it.
    pub title: String,
    /// What it covers, by ids of the pack's lists.
    pub contents: BTreeSet<String>,
    /// The digest of its text: the dossier of the case that approved it.
    pub text: ContentHash,
    /// The case that approved it.
    pub case: CaseId,
    /// The agreement that it is for, where it is for one.
    pub agreement: Option<AgreementId>,
    /// Where it stands.
    pub status: Status,
}

/// Where an instrument stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// It applies.
    InForce {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// It applies no more.
    Ended {
        /// Why.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
}

/// What somebody wants to be done to an instrument.
#[derive(Debug, Clone)]
pub enum Command {
    /// Put it in force, as the outcome of its case.
    Approve {
        /// What sort it is.
        kind: InstrumentKind,
        /// What people call it.
        title: String,
        /// What it covers.
        contents: BTreeSet<String>,
        /// The digest of its text.
        text: ContentHash,
        /// The case that approved it.
        case: CaseId,
        /// The agreement that it is for.
        agreement: Option<AgreementId>,
    },
    /// End it.
    End {
        /// Why.
        reason: String,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Approve { .. } => "approve",
        Self::End { .. } => "end",
    }
}

/// What happened to an instrument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was put in force.
    Approved {
        /// What sort it is.
        kind: InstrumentKind,
        /// What people call it.
        title: String,
        /// What it covers.
        contents: BTreeSet<String>,
        /// The digest of its text.
        text: ContentHash,
        /// The case that approved it.
        case: CaseId,
        /// The agreement that it is for.
        agreement: Option<AgreementId>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was ended.
    Ended {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Instrument {
    const KIND: &'static str = "instrument";
    const ATTRIBUTES: &'static [&'static str] = &["status", "instrument"];

    type Id = InstrumentId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let at = ctx.now;
        match (state, command) {
            (None, Command::Approve { kind, title, contents, text, case, agreement }) => {
                if title.trim().is_empty() {
                    return Err(ctx.refuse(rules::NAMED));
                }
                Ok(vec![Event::Approved { kind, title, contents, text, case, agreement, at }])
            }
            (Some(_), Command::Approve { .. }) => Err(ctx.refuse(rules::NEW)),
            (None, Command::End { .. }) => Err(ctx.refuse(rules::EXISTS)),
            (Some(instrument), Command::End { reason }) => match instrument.status {
                Status::InForce { .. } if reason.trim().is_empty() => {
                    Err(ctx.refuse(rules::REASON_GIVEN))
                }
                Status::InForce { .. } => Ok(vec![Event::Ended { reason, at }]),
                Status::Ended { .. } => {
                    Err(ctx.refuse(rules::INSTRUMENT_STATE).because("it applies no more"))
                }
            },
        }
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        match event {
            Event::Approved { kind, title, contents, text, case, agreement, at } => Some(Self {
                kind: *kind,
                title: title.clone(),
                contents: contents.clone(),
                text: *text,
                case: *case,
                agreement: *agreement,
                status: Status::InForce { at: *at },
            }),
            Event::Ended { reason, at } => state.map(|instrument| Self {
                status: Status::Ended { reason: reason.clone(), at: *at },
                ..instrument
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: format!("{}:{}", self.kind.name(), self.status_name()),
            parent: self.agreement.map(|agreement| agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status_name().to_owned())),
            ("instrument".to_owned(), Attribute::Text(self.kind.name().to_owned())),
        ]
        .into()
    }
}

impl Instrument {
    /// The name of its status: `in_force` or `ended`.
    pub fn status_name(&self) -> &'static str {
        match self.status {
            Status::InForce { .. } => "in_force",
            Status::Ended { .. } => "ended",
        }
    }

    /// The instrument as guards want it.
    pub fn fact(&self) -> serde_json::Value {
        serde_json::json!({ "status": self.status_name(), "contents": self.contents })
    }
}
