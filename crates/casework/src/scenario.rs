//! Scenarios: purposes for which data may be used, with the need for every field.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, CaseId, ResourceId, ScenarioId};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::rules;

/// Whom a scenario serves; prices and free use depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UseKind {
    /// Public governance or public welfare.
    Public,
    /// Industry and trade.
    Industry,
}

/// A field that a scenario needs, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededField {
    /// The resource.
    pub resource: ResourceId,
    /// Its column.
    pub column: String,
    /// Why it is needed.
    pub necessity: String,
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// The agreement that it belongs to.
    pub agreement: AgreementId,
    /// The case that approved it.
    pub case: CaseId,
    /// What people call it.
    pub title: String,
    /// What the data are used for.
    pub purpose: String,
    /// Whom it serves.
    pub use_kind: UseKind,
    /// The fields that it needs.
    pub fields: Vec<NeededField>,
    /// Where it stands.
    pub status: Status,
}

/// Where a scenario stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// It may be worked for.
    Approved {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// It is over.
    Closed {
        /// Why.
        reason: String,
        /// Since when.
        at: DateTime<Utc>,
    },
}

/// What somebody wants to be done to a scenario.
#[derive(Debug, Clone)]
pub enum Command {
    /// Approve it, as the outcome of its case.
    Approve {
        /// The agreement that it belongs to.
        agreement: AgreementId,
        /// The case that approved it.
        case: CaseId,
        /// What people call it.
        title: String,
        /// What the data are used for.
        purpose: String,
        /// Whom it serves.
        use_kind: UseKind,
        /// The fields that it needs.
        fields: Vec<NeededField>,
    },
    /// End it.
    Close {
        /// Why.
        reason: String,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Approve { .. } => "approve",
        Self::Close { .. } => "close",
    }
}

/// What happened to a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was approved.
    Approved {
        /// The agreement that it belongs to.
        agreement: AgreementId,
        /// The case that approved it.
        case: CaseId,
        /// What people call it.
        title: String,
        /// What the data are used for.
        purpose: String,
        /// Whom it serves.
        use_kind: UseKind,
        /// The fields that it needs.
        fields: Vec<NeededField>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was ended.
    Closed {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Scenario {
    const KIND: &'static str = "scenario";
    const ATTRIBUTES: &'static [&'static str] = &["status", "agreement"];

    type Id = ScenarioId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let at = ctx.now;
        let event = match (state, command) {
            (None, Command::Approve { agreement, case, title, purpose, use_kind, fields }) => {
                if [&title, &purpose].iter().any(|text| text.trim().is_empty()) {
                    return Err(ctx.refuse(rules::NAMED));
                }
                let unneeded = |field: &&NeededField| field.necessity.trim().is_empty();
                if fields.is_empty() || fields.iter().find(unneeded).is_some() {
                    return Err(ctx.refuse(rules::SCENARIO_NECESSITY));
                }
                Event::Approved { agreement, case, title, purpose, use_kind, fields, at }
            }
            (Some(_), Command::Approve { .. }) => return Err(ctx.refuse(rules::NEW)),
            (None, Command::Close { .. }) => return Err(ctx.refuse(rules::EXISTS)),
            (Some(scenario), Command::Close { reason }) => match scenario.status {
                Status::Approved { .. } if reason.trim().is_empty() => {
                    return Err(ctx.refuse(rules::REASON_GIVEN));
                }
                Status::Approved { .. } => Event::Closed { reason, at },
                Status::Closed { .. } => {
                    return Err(ctx.refuse(rules::SCENARIO_STATE).because("it is over"));
                }
            },
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        match event {
            Event::Approved { agreement, case, title, purpose, use_kind, fields, at } => {
                Some(Self {
                    agreement: *agreement,
                    case: *case,
                    title: title.clone(),
                    purpose: purpose.clone(),
                    use_kind: *use_kind,
                    fields: fields.clone(),
                    status: Status::Approved { at: *at },
                })
            }
            Event::Closed { reason, at } => state.map(|scenario| Self {
                status: Status::Closed { reason: reason.clone(), at: *at },
                ..scenario
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status_name().to_owned(),
            parent: Some(self.agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status_name().to_owned())),
            ("agreement".to_owned(), Attribute::Text(self.agreement.to_string())),
        ]
        .into()
    }
}

impl Scenario {
    /// The name of its status: `approved` or `closed`.
    pub fn status_name(&self) -> &'static str {
        match self.status {
            Status::Approved { .. } => "approved",
            Status::Closed { .. } => "closed",
        }
    }

    /// The scenario as the guards of a data request want it.
    pub fn fact(&self) -> serde_json::Value {
        serde_json::json!({
            "status": self.status_name(),
            "agreement": self.agreement,
            "fields": self.fields,
        })
    }
}
