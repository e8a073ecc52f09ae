//! Tasks: what falls due, when, from whom, and what came of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId, TaskId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{PlannedTask, pack};

pub(crate) const STEP_IN_ORDER: Rule = Rule::new("task-step-in-order");
pub(crate) const OWNER_SUBMITS: Rule = Rule::new("task-submitted-by-owner");
pub(crate) const OWNER_DOES_NOT_ACCEPT: Rule = Rule::new("task-owner-does-not-accept");
pub(crate) const SECTIONS_COMPLETE: Rule = Rule::new("task-sections-complete");
pub(crate) const RETURN_STATES_WHY: Rule = Rule::new("task-return-states-why");

/// What sort of thing falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// A report to a supervisor.
    Report,
    /// An evaluation of a party.
    Evaluation,
    /// A filing with a recipient.
    Filing,
    /// A disclosure to the public.
    Disclosure,
    /// An inspection on the spot.
    Inspection,
    /// An assessment by a third party, or a check of one's own.
    Assessment,
    /// A drill of the emergency plan.
    Drill,
    /// The last day to apply for renewal.
    Renewal,
    /// The end of a term.
    Expiry,
}

impl TaskKind {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Evaluation => "evaluation",
            Self::Filing => "filing",
            Self::Disclosure => "disclosure",
            Self::Inspection => "inspection",
            Self::Assessment => "assessment",
            Self::Drill => "drill",
            Self::Renewal => "renewal",
            Self::Expiry => "expiry",
        }
    }
}

/// What is handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// The digest of the document, or of the sections where there is none.
    pub evidence: ContentHash,
    /// The sections, by name.
    pub sections: BTreeMap<String, String>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// To be done.
    Open,
    /// Handed in.
    Submitted,
    /// Done.
    Accepted,
    /// Handed back, to be done again.
    Returned,
    /// Not done in time.
    Overdue,
    /// No longer called for.
    Cancelled,
}

impl TaskStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Submitted => "submitted",
            Self::Accepted => "accepted",
            Self::Returned => "returned",
            Self::Overdue => "overdue",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Something that falls due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What sort of thing.
    pub kind: TaskKind,
    /// Which, as the pack names it, such as `annual_operation`.
    pub subject: String,
    /// The agreement that it concerns.
    pub agreement: AgreementId,
    /// Whose it is, where it is one organisation's.
    pub owner: Option<OrganisationId>,
    /// In which role it is done.
    pub owner_role: String,
    /// To which role it goes.
    pub recipient: Option<String>,
    /// The period that it covers.
    pub period: (NaiveDate, NaiveDate),
    /// Until when.
    pub due_at: DateTime<Utc>,
    /// When to remind of it, in order.
    pub reminders: Vec<DateTime<Utc>>,
    /// How many reminders were given.
    pub reminded: usize,
    /// What was handed in.
    pub submission: Option<Submission>,
    /// Whether it was not done in time.
    pub was_overdue: bool,
    /// Where it stands.
    pub status: TaskStatus,
}

/// What can be wanted of a task.
#[derive(Debug, Clone)]
pub enum TaskCommand {
    /// Plan it.
    Plan(Box<PlannedTask>),
    /// Remind of it; the platform does, when the time has come.
    Remind,
    /// Note that it is overdue; the platform does, when the time has come.
    Lapse,
    /// Hand it in.
    Submit(Submission),
    /// Accept what was handed in.
    Accept,
    /// Hand it back.
    Return {
        /// What is wrong with it.
        reason: String,
    },
    /// Call it off.
    Cancel {
        /// Why.
        reason: String,
    },
}

impl Command for TaskCommand {
    shuyu_store::names! {
        Self::Plan(_) => "plan",
        Self::Remind => "remind",
        Self::Lapse => "lapse",
        Self::Submit(_) => "submit",
        Self::Accept => "accept",
        Self::Return { .. } => "return",
        Self::Cancel { .. } => "cancel",
    }
}

/// What can happen to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum TaskEvent {
    /// It was planned.
    Planned {
        /// The task.
        task: Box<Task>,
    },
    /// Somebody was reminded of it.
    Reminded {
        /// When the reminder was for.
        at: DateTime<Utc>,
    },
    /// It was not done in time.
    Lapsed,
    /// It was handed in.
    Submitted {
        /// What.
        submission: Submission,
        /// Whether it came late.
        late: bool,
    },
    /// It was accepted.
    Accepted,
    /// It was handed back.
    Returned {
        /// What is wrong with it.
        reason: String,
    },
    /// It was called off.
    Cancelled {
        /// Why.
        reason: String,
    },
}

impl Entity for Task {
    const KIND: &'static str = "task";
    const ATTRIBUTES: &'static [&'static str] =
        &["status", "task", "subject", "owner_role", "recipient", "owner"];
    type Id = TaskId;
    type Command = TaskCommand;
    type Event = TaskEvent;

    fn decide(
        state: Option<&Self>,
        command: TaskCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<TaskEvent>, Refusal> {
        match (state, command) {
            (None, TaskCommand::Plan(planned)) => {
                Ok(vec![TaskEvent::Planned { task: Box::new(planned.task(ctx.law)) }])
            }
            (None, _) => Err(ctx.refuse(STEP_IN_ORDER).because("there is no such task")),
            (Some(task), command) => task.next(command, ctx).map(|event| vec![event]),
        }
    }

    fn evolve(state: Option<Self>, event: &TaskEvent) -> Option<Self> {
        if let TaskEvent::Planned { task } = event {
            return Some((**task).clone());
        }
        let mut task = state?;
        match event {
            TaskEvent::Planned { .. } => {}
            TaskEvent::Reminded { at } => {
                task.reminded = task.reminders.iter().filter(|reminder| *reminder <= at).count();
            }
            TaskEvent::Lapsed => {
                task.was_overdue = true;
                task.status = TaskStatus::Overdue;
            }
            TaskEvent::Submitted { submission, late } => {
                task.submission = Some(submission.clone());
                task.was_overdue |= late;
                task.status = TaskStatus::Submitted;
            }
            TaskEvent::Accepted => task.status = TaskStatus::Accepted,
            TaskEvent::Returned { .. } => task.status = TaskStatus::Returned,
            TaskEvent::Cancelled { .. } => task.status = TaskStatus::Cancelled,
        }
        Some(task)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            owner: self.owner.map(|owner| owner.to_string()),
            parent: Some(self.agreement.to_string()),
            due_at: self.wake_at(),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        let mut attributes: Attributes = [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("task".to_owned(), Attribute::Text(self.kind.name().to_owned())),
            ("subject".to_owned(), Attribute::Text(self.subject.clone())),
            ("owner_role".to_owned(), Attribute::Text(self.owner_role.clone())),
            ("recipient".to_owned(), Attribute::Text(self.recipient.clone().unwrap_or_default())),
        ]
        .into();
        if let Some(owner) = self.owner {
            attributes.insert("owner".to_owned(), Attribute::Text(owner.to_string()));
        }
        attributes
    }
}

impl Task {
    /// When the platform has to look at it again: at the next reminder, else when it is due.
    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        match self.status {
            TaskStatus::Open | TaskStatus::Returned => {
                Some(self.reminders.get(self.reminded).copied().unwrap_or(self.due_at))
            }
            TaskStatus::Submitted
            | TaskStatus::Accepted
            | TaskStatus::Overdue
            | TaskStatus::Cancelled => None,
        }
    }

    /// What the platform does about it at `now`, if anything: remind, or note that it lapsed.
    pub fn tick(&self, now: DateTime<Utc>) -> Option<TaskCommand> {
        if self.wake_at()? > now {
            None
        } else if now >= self.due_at {
            Some(TaskCommand::Lapse)
        } else {
            Some(TaskCommand::Remind)
        }
    }

    fn next(&self, command: TaskCommand, ctx: &Context<'_>) -> Result<TaskEvent, Refusal> {
        use TaskStatus::{Accepted, Cancelled, Open, Overdue, Returned, Submitted};
        match (command, self.status) {
            (TaskCommand::Remind, Open | Returned) if self.tick(ctx.now).is_some() => {
                Ok(TaskEvent::Reminded { at: ctx.now })
            }
            (TaskCommand::Lapse, Open | Returned) if ctx.now >= self.due_at => {
                Ok(TaskEvent::Lapsed)
            }
            (TaskCommand::Submit(submission), Open | Returned | Overdue) => {
                self.check_submission(&submission, ctx)?;
                let late = ctx.now >= self.due_at;
                Ok(TaskEvent::Submitted { submission, late })
            }
            (TaskCommand::Accept, Submitted) => {
                self.check_recipient(ctx)?;
                Ok(TaskEvent::Accepted)
            }
            (TaskCommand::Return { reason }, Submitted) => {
                self.check_recipient(ctx)?;
                if reason.trim().is_empty() {
                    return Err(ctx.refuse(RETURN_STATES_WHY));
                }
                Ok(TaskEvent::Returned { reason })
            }
            (TaskCommand::Cancel { reason }, Open | Returned | Overdue) => {
                Ok(TaskEvent::Cancelled { reason })
            }
            (
                TaskCommand::Plan(_)
                | TaskCommand::Remind
                | TaskCommand::Lapse
                | TaskCommand::Submit(_)
                | TaskCommand::Accept
                | TaskCommand::Return { .. }
                | TaskCommand::Cancel { .. },
                Open | Submitted | Accepted | Returned | Overdue | Cancelled,
            ) => Err(ctx.refuse(STEP_IN_ORDER).because(format!(
                "the task is {}, due at {}",
                self.status.name(),
                self.due_at
            ))),
        }
    }

    /// Refuses what somebody else than its owner hands in, or lacks a section that the pack asks
    /// for.
    fn check_submission(&self, submission: &Submission, ctx: &Context<'_>) -> Result<(), Refusal> {
        let is_owner = match self.owner {
            Some(owner) => ctx.actor.organisation == owner,
            None => ctx.actor.has_role(&self.owner_role),
        };
        if !is_owner {
            return Err(ctx
                .refuse(OWNER_SUBMITS)
                .because(format!("it falls to the {}", self.owner_role)));
        }
        let sections = match (self.kind, self.subject.as_str()) {
            (TaskKind::Report, "annual_operation") => {
                pack::ids(ctx.law, "annual_report_sections").unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let missing: Vec<&str> = sections
            .into_iter()
            .filter(|name| {
                let text = submission.sections.get(*name);
                text.is_none_or(|text| text.trim().is_empty())
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ctx.refuse(SECTIONS_COMPLETE).because(format!("missing: {}", missing.join(", "))))
    }

    /// Refuses a decision by its owner.
    fn check_recipient(&self, ctx: &Context<'_>) -> Result<(), Refusal> {
        if self.owner == Some(ctx.actor.organisation) {
            return Err(ctx.refuse(OWNER_DOES_NOT_ACCEPT));
        }
        Ok(())
    }
}

/// The instants at which to remind of something due at `due_at`, given the days before.
pub(crate) fn reminders(due_at: DateTime<Utc>, days_before: &[i64]) -> Vec<DateTime<Utc>> {
    let mut at: Vec<_> = days_before.iter().map(|days| due_at - Duration::days(*days)).collect();
    at.sort();
    at.dedup();
    at
}
