//! Alerts: what a supervisor has to look at, raised by a person or by a rule.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, AlertId, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Task, pack};

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
    Person,
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
    /// Whom it concerns.
    pub organisation: OrganisationId,
    /// The agreement that it concerns.
    pub agreement: Option<AgreementId>,
    /// What raised it.
    pub source: Source,
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
            (None, AlertCommand::Raise(finding)) => AlertEvent::Raised { finding, at: ctx.now },
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("there is no such alert")),
            (Some(alert), command) => {
                if ctx.actor.organisation == alert.finding.organisation {
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
            owner: Some(self.finding.organisation.to_string()),
            parent: self.finding.agreement.map(|agreement| agreement.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("severity".to_owned(), Attribute::Text(self.finding.severity.name().to_owned())),
            ("organisation".to_owned(), Attribute::Text(self.finding.organisation.to_string())),
        ]
        .into()
    }
}

/// An act of an operator that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedAct {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it was an attempt to take something out of the domain.
    pub is_export: bool,
}

/// The figures that raise an alert: the parameter, its window in minutes, whether it counts
/// exports only, the ground, and how much it matters.
const FIGURES: &[(&str, i64, bool, &str, Severity)] = &[
    ("out_of_scope_attempts_per_day", 24 * 60, false, "out_of_scope_attempts", Severity::Warning),
    ("refused_exports_per_hour", 60, true, "refused_exports", Severity::Critical),
];

/// The alerts that the refusals of one organisation call for at `now`: one for each figure of
/// the pack that they reach within its window.
pub fn alerts_of_refusals(
    law: &Law,
    organisation: OrganisationId,
    agreement: Option<AgreementId>,
    refusals: &[RefusedAct],
    now: DateTime<Utc>,
) -> Vec<AlertFinding> {
    FIGURES
        .iter()
        .filter_map(|(parameter, minutes, exports_only, ground, severity)| {
            let figure = pack::count(law, parameter).filter(|figure| *figure > 0)?;
            let since = now - Duration::minutes(*minutes);
            let count = refusals
                .iter()
                .filter(|act| act.at > since && act.at <= now)
                .filter(|act| act.is_export || !exports_only)
                .count();
            (count >= usize::try_from(figure).ok()?).then(|| AlertFinding {
                ground: (*ground).to_owned(),
                detail: format!(
                    "{count} refusals within {minutes} minutes; the figure is {figure}"
                ),
                severity: *severity,
                organisation,
                agreement,
                source: Source::Figure { parameter: (*parameter).to_owned() },
            })
        })
        .collect()
}

/// The alert that an overdue task calls for.
pub fn alert_of_overdue(task: &Task, organisation: OrganisationId) -> AlertFinding {
    AlertFinding {
        ground: "task_overdue".to_owned(),
        detail: format!("{} {} was due at {}", task.kind.name(), task.subject, task.due_at),
        severity: Severity::Warning,
        organisation,
        agreement: Some(task.agreement),
        source: Source::Figure { parameter: "task_reminder_days".to_owned() },
    }
}
