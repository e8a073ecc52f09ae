//! Publicity: what is made known to the public, and the objections to it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{ContentHash, PersonId};
use shuyu_law::{Attribute, Attributes, Refusal, Rule};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::pack;

pub(crate) const WINDOW_RUNS: Rule = Rule::new("notice-window-runs");
pub(crate) const OBJECTIONS_ANSWERED: Rule = Rule::new("notice-objections-answered");
pub(crate) const STEP_IN_ORDER: Rule = Rule::new("notice-step-in-order");

shuyu_kernel::id!(
    /// A notice to the public.
    NoticeId,
    "not"
);

/// What is made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A call for applications.
    Call,
    /// A decision.
    Decision,
    /// An operator, with its field and scenarios.
    Operator,
    /// A plan.
    Plan,
    /// What an operator or the public side discloses of its work.
    Disclosure,
}

impl NoticeKind {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Decision => "decision",
            Self::Operator => "operator",
            Self::Plan => "plan",
            Self::Disclosure => "disclosure",
        }
    }
}

/// An objection to what is made known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// By whom.
    #[serde(default)]
    pub by: Option<PersonId>,
    /// Why.
    pub reason: String,
    /// The answer.
    pub answer: Option<String>,
}

/// Where a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeStatus {
    /// Known to the public.
    Published,
    /// Its window is over and every objection is answered.
    Closed,
    /// Taken back.
    Withdrawn,
}

impl NoticeStatus {
    /// The name, as policies and filters know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// A notice to the public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What is made known.
    pub kind: NoticeKind,
    /// Its title.
    pub title: String,
    /// The text.
    pub body: String,
    /// What it concerns, by id.
    pub subject: String,
    /// The digest of title and text.
    pub content: ContentHash,
    /// When it was published.
    pub at: DateTime<Utc>,
    /// Until when objections may be made, where they may.
    pub objections_until: Option<DateTime<Utc>>,
    /// The objections, in order.
    pub objections: Vec<Objection>,
    /// Where it stands.
    pub status: NoticeStatus,
}

/// What can be wanted of a notice.
#[derive(Debug, Clone)]
pub enum NoticeCommand {
    /// Publish it.
    Publish {
        /// What is made known.
        kind: NoticeKind,
        /// Its title.
        title: String,
        /// The text.
        body: String,
        /// What it concerns, by id.
        subject: String,
    },
    /// Object to it.
    Object {
        /// Why.
        reason: String,
    },
    /// Answer an objection.
    Answer {
        /// Which, counted from zero.
        objection: usize,
        /// The answer.
        answer: String,
    },
    /// Close it.
    Close,
    /// Take it back.
    Withdraw {
        /// Why.
        reason: String,
    },
}

impl Command for NoticeCommand {
    shuyu_store::names! {
        Self::Publish { .. } => "publish",
        Self::Object { .. } => "object",
        Self::Answer { .. } => "answer",
        Self::Close => "close",
        Self::Withdraw { .. } => "withdraw",
    }
}

/// What can happen to a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum NoticeEvent {
    /// It was published.
    Published {
        /// The notice.
        notice: Box<Notice>,
    },
    /// Somebody objected.
    Objected {
        /// The objection.
        objection: Objection,
    },
    /// An objection was answered.
    Answered {
        /// Which.
        objection: usize,
        /// The answer.
        answer: String,
    },
    /// It was closed.
    Closed,
    /// It was taken back.
    Withdrawn {
        /// Why.
        reason: String,
    },
}

impl Entity for Notice {
    const KIND: &'static str = "notice";
    const ATTRIBUTES: &'static [&'static str] = &["status", "notice"];
    type Id = NoticeId;
    type Command = NoticeCommand;
    type Event = NoticeEvent;

    fn decide(
        state: Option<&Self>,
        command: NoticeCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<NoticeEvent>, Refusal> {
        let event = match (state, command) {
            (None, NoticeCommand::Publish { kind, title, body, subject }) => {
                NoticeEvent::Published {
                    notice: Box::new(published(kind, title, body, subject, ctx)?),
                }
            }
            (None, _) => return Err(ctx.refuse(STEP_IN_ORDER).because("nothing was published")),
            (Some(notice), command) => notice.next(command, ctx)?,
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &NoticeEvent) -> Option<Self> {
        if let NoticeEvent::Published { notice } = event {
            return Some((**notice).clone());
        }
        let mut notice = state?;
        match event {
            NoticeEvent::Published { .. } => {}
            NoticeEvent::Objected { objection } => notice.objections.push(objection.clone()),
            NoticeEvent::Answered { objection, answer } => {
                if let Some(objection) = notice.objections.get_mut(*objection) {
                    objection.answer = Some(answer.clone());
                }
            }
            NoticeEvent::Closed => notice.status = NoticeStatus::Closed,
            NoticeEvent::Withdrawn { .. } => notice.status = NoticeStatus::Withdrawn,
        }
        Some(notice)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status.name().to_owned(),
            parent: Some(self.subject.clone()),
            due_at: self.objections_until.filter(|_| self.status == NoticeStatus::Published),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("status".to_owned(), Attribute::Text(self.status.name().to_owned())),
            ("notice".to_owned(), Attribute::Text(self.kind.name().to_owned())),
        ]
        .into()
    }
}

impl Notice {
    fn next(&self, command: NoticeCommand, ctx: &Context<'_>) -> Result<NoticeEvent, Refusal> {
        if self.status != NoticeStatus::Published {
            return Err(ctx
                .refuse(STEP_IN_ORDER)
                .because(format!("the notice is {}", self.status.name())));
        }
        match command {
            NoticeCommand::Publish { .. } => {
                Err(ctx.refuse(STEP_IN_ORDER).because("it is published already"))
            }
            NoticeCommand::Object { reason } => {
                if self.objections_until.is_none_or(|until| ctx.now >= until) {
                    return Err(ctx.refuse(WINDOW_RUNS).because("the time to object is over"));
                }
                let by = Some(ctx.actor.person);
                let objection = Objection { by, reason, answer: None };
                Ok(NoticeEvent::Objected { objection })
            }
            NoticeCommand::Answer { objection, answer } => match self.objections.get(objection) {
                Some(Objection { answer: None, .. }) if !answer.trim().is_empty() => {
                    Ok(NoticeEvent::Answered { objection, answer })
                }
                Some(_) | None => {
                    Err(ctx.refuse(STEP_IN_ORDER).because("there is no such objection to answer"))
                }
            },
            NoticeCommand::Close => {
                if self.objections_until.is_some_and(|until| ctx.now < until) {
                    return Err(ctx.refuse(WINDOW_RUNS).because("objections may still be made"));
                }
                if self.objections.iter().any(|objection| objection.answer.is_none()) {
                    return Err(ctx.refuse(OBJECTIONS_ANSWERED));
                }
                Ok(NoticeEvent::Closed)
            }
            NoticeCommand::Withdraw { reason } => Ok(NoticeEvent::Withdrawn { reason }),
        }
    }
}

/// The notice as it is published; a decision is open to objections where the pack says so.
fn published(
    kind: NoticeKind,
    title: String,
    body: String,
    subject: String,
    ctx: &Context<'_>,
) -> Result<Notice, Refusal> {
    if title.trim().is_empty() || body.trim().is_empty() {
        return Err(ctx.refuse(STEP_IN_ORDER).because("a notice has a title and a text"));
    }
    let objections_until = match kind {
        NoticeKind::Decision | NoticeKind::Operator => {
            pack::count(ctx.law, "objection_window_days")
                .map(|days| pack::end_of(ctx.law, pack::after_days(ctx.today(), days)))
        }
        NoticeKind::Call | NoticeKind::Plan | NoticeKind::Disclosure => None,
    };
    Ok(Notice {
        kind,
        content: ContentHash::of_parts(&[title.as_bytes(), b"\n", body.as_bytes()]),
        title,
        body,
        subject,
        at: ctx.now,
        objections_until,
        objections: Vec::new(),
        status: NoticeStatus::Published,
    })
}
