//! Alerts: what a supervisor has to look at, raised by a person or by a rule.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, AgreementId, AlertId, ContentHash, Id as _, OrganisationId, PersonId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::Task;

pub(crate) const STEP_IN_ORDER: Rule = Rule::new("alert-step-in-order");
pub(crate) const SUBJECT_DOES_NOT_CLOSE: Rule = Rule::new("alert-subject-does-not-close");

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be known.
    Notice,
    /// To be looked at.
    Warning,
    /// To be acted on at once.
    Critical,
}

impl Severity {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What raised an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Source {
    /// A person.
    Person {
        /// Who.
        id: PersonId,
    },
    /// The platform, by the parameter that sets the figure.
    Figure {
        /// The parameter.
        parameter: String,
    },
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertFinding {
    /// What it is about, such as `out_of_scope_attempts`.
    pub ground: String,
    /// In words.
    pub detail: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it concerns, by id.
    pub subject: String,
    /// The organisation that it concerns, if it is one's.
    pub organisation: Option<OrganisationId>,
    /// The agreement that it concerns.
    pub agreement: Option<AgreementId>,
    /// What raised it.
    pub source: Source,
}

impl AlertFinding {
    /// The id of the alert that the platform raises of it for `day`: the same however often the
    /// same is found of the same organisation on a day, so that it is raised once.
    pub fn id_on(&self, day: NaiveDate) -> AlertId {
        let text = format!("{}/{}/{day}", self.ground, self.subject);
        let mut number = [0_u8; 16];
        let digest = ContentHash::of(text.as_bytes());
        for (to, from) in number.iter_mut().zip(digest.as_bytes()) {
            *to = *from;
        }
        AlertId::from_u128(u128::from_be_bytes(number))
    }
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// Nobody has looked at it.
    Raised,
    /// Somebody looks into it.
    Acknowledged,
    /// Dealt with.
    Closed,
}

impl AlertStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What was found.
    pub finding: AlertFinding,
    /// When.
    pub raised_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: Option<String>,
    /// Where it stands.
    pub status: AlertStatus,
}

/// What can be wanted of an alert.
#[derive(Debug, Clone)]
pub enum AlertCommand {
    /// Raise it.
    Raise(AlertFinding),
    /// Look into it.
    Acknowledge,
    /// Close it.
    Close {
        /// What came of it.
        outcome: String,
    },
}

impl AlertCommand {
    /// To raise what `by` has observed of `subject`: an organisation, an agreement, or something
    /// else, by id.
    pub fn raise(
        by: &Actor,
        subject: impl Into<String>,
        severity: Severity,
        ground: impl Into<String>,
    ) -> Self {
        let (subject, ground) = (subject.into(), ground.into());
        Self::Raise(AlertFinding {
            detail: ground.clone(),
            ground,
            severity,
            organisation: subject.parse().ok(),
            agreement: subject.parse().ok(),
            subject,
            source: Source::Person { id: by.person },
        })
    }
}

impl Command for AlertCommand {
    shuyu_store::names! {
        Self::Raise(_) => "raise",
        Self::Acknowledge => "acknowledge",
        Self::Close { .. } => "close",
    }
}

/// What can happen to an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum AlertEvent {
    /// It was raised.
    Raised {
        /// What was found.
        finding: AlertFinding,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody looks into it.
    Acknowledged,
    /// It was closed.
    Closed {
        /// What came of it.
        outcome: String,
    },
}

impl Entity for Alert {
    const KIND: &'static str = "alert";
    const ATTRIBUTES: &'static [&'static str] = &["status", "severity", "organisation"];
    type Id = AlertId;
    type Command = AlertCommand;
    type Event = AlertEvent;

    fn decide(
        state: Option<&Self>,
        command: AlertCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<AlertEvent>, Refusal> {
        let event = match (state, command) {
            (None, AlertCommand::Raise(finding)) => {
                if finding.ground.trim().is_empty() || finding.subject.trim().is_empty() {
                    return Err(ctx
                        .refuse(STEP_IN_ORDER)
                        .because("an alert says what it is about and whom or what it concerns"));
                }
                AlertEvent::Raised { finding, at: ctx.now }
            }
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("there is no such alert")),
            (Some(alert), command) => {
                if Some(ctx.actor.organisation) == alert.finding.organisation {
                    return Err(ctx.refuse(SUBJECT_DOES_NOT_CLOSE));
                }
                match (command, alert.status) {
                    (AlertCommand::Acknowledge, AlertStatus::Raised) => AlertEvent::Acknowledged,
                    (
                        AlertCommand::Close { outcome },
                        AlertStatus::Raised | AlertStatus::Acknowledged,
                    ) if !outcome.trim().is_empty() => AlertEvent::Closed { outcome },
                    (
                        AlertCommand::Raise(_)
                        | AlertCommand::Acknowledge
                        | AlertCommand::Close { .. },
                        AlertStatus::Raised | AlertStatus::Acknowledged | AlertStatus::Closed,
                    ) => {
                        return Err(ctx.refuse(STEP_IN_ORDER).because(format!(
                            "the alert is {}; it is closed by saying what came of it",
                            alert.status.name()
                        )));
                    }
                }
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &AlertEvent) -> Option<Self> {
        match event {
            AlertEvent::Raised { finding, at } => Some(Self {
                finding: finding.clone(),
                raised_at: *at,
                outcome: None,
                status: AlertStatus::Raised,
            }),
            AlertEvent::Acknowledged => {
                state.map(|alert| Self { status: AlertStatus::Acknowledged, ..alert })
            }
            AlertEvent::Closed { outcome } => state.map(|alert| Self {
                outcome: Some(outcome.clone()),
                status: AlertStatus::Closed,
                ..alert
            }),
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: self.finding.organisation.map(|organisation| organisation.to_string()),
            parent: self.finding.agreement.map(|agreement| agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes: Attributes = [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("severity".to_owned(), Attribute::Text(self.finding.severity.name().to_owned())),
        ]
        .into();
        if let Some(organisation) = self.finding.organisation {
            attributes.insert("organisation".to_owned(), Attribute::Text(organisation.to_string()));
        }
        attributes
    }
}

/// The alert that an overdue task calls for.
pub fn alert_of_overdue(task: &Task, organisation: OrganisationId) -> AlertFinding {
    AlertFinding {
        ground: "task_overdue".to_owned(),
        detail: format!("{} {} was due at {}", task.kind.name(), task.subject, task.due_at),
        severity: Severity::Warning,
        subject: task.agreement.to_string(),
        organisation: Some(organisation),
        agreement: Some(task.agreement),
        source: Source::Figure { parameter: "task_reminder_days".to_owned() },
    }
}
