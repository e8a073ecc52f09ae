//! Sessions: one person, one grant.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{GrantId, OrganisationId, PersonId, SessionId};
use shuyu_law::{Attribute, Attributes, Refusal};
use shuyu_store::{Command, Context, Entity, Keys};

use crate::{Grant, Operation, rules::SESSION_OPEN};

/// A session of one person in the operation domain, under one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which session.
    pub id: SessionId,
    /// Whose.
    pub person: PersonId,
    /// For whom.
    pub operator: OrganisationId,
    /// Under which grant.
    pub grant: GrantId,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Why it was closed; none: it is open.
    pub closed: Option<String>,
}

/// What can be wanted of a session.
#[derive(Debug, Clone)]
pub enum SessionCommand {
    /// Open it.
    Open {
        /// Which session.
        id: SessionId,
        /// Under which grant, as it stands in the same unit of work.
        grant: Box<Grant>,
        /// To do what first.
        operation: Operation,
    },
    /// Close it.
    Close {
        /// Why.
        reason: String,
    },
}

impl Command for SessionCommand {
    shuyu_store::names! {
        Self::Open { .. } => "open",
        Self::Close { .. } => "close",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Open { grant, .. } => grant.attributes(),
            Self::Close { .. } => Attributes::new(),
        }
    }
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum SessionEvent {
    /// It was opened.
    Opened {
        /// Which session.
        id: SessionId,
        /// Whose.
        person: PersonId,
        /// For whom.
        operator: OrganisationId,
        /// Under which grant.
        grant: GrantId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was closed.
    Closed {
        /// Why.
        reason: String,
    },
}

impl Session {
    /// Whether it is the actor's own, and open.
    pub(crate) fn is_open_for(&self, actor: &shuyu_kernel::Actor) -> bool {
        self.person == actor.person && self.operator == actor.organisation && self.closed.is_none()
    }
}

impl Entity for Session {
    const KIND: &'static str = "session";
    const ATTRIBUTES: &'static [&'static str] =
        &["owner", "operator", "grant", "agreement", "status", "people", "operations"];
    type Id = SessionId;
    type Command = SessionCommand;
    type Event = SessionEvent;

    fn decide(
        state: Option<&Self>,
        command: SessionCommand,
        ctx: &Context<'_>,
    ) -> Result<Vec<SessionEvent>, Refusal> {
        match (state, command) {
            (None, SessionCommand::Open { id, grant, operation }) => {
                grant.check_use(ctx.actor, operation, ctx.now, ctx.law)?;
                Ok(vec![SessionEvent::Opened {
                    id,
                    person: ctx.actor.person,
                    operator: ctx.actor.organisation,
                    grant: grant.id,
                    at: ctx.now,
                }])
            }
            (Some(session), SessionCommand::Close { reason }) if session.closed.is_none() => {
                Ok(vec![SessionEvent::Closed { reason }])
            }
            (Some(_) | None, SessionCommand::Open { .. } | SessionCommand::Close { .. }) => {
                Err(ctx.refuse(SESSION_OPEN))
            }
        }
    }

    fn evolve(state: Option<Self>, event: &SessionEvent) -> Option<Self> {
        match event {
            SessionEvent::Opened { id, person, operator, grant, at } => Some(Self {
                id: *id,
                person: *person,
                operator: *operator,
                grant: *grant,
                opened_at: *at,
                closed: None,
            }),
            SessionEvent::Closed { reason } => {
                state.map(|session| Self { closed: Some(reason.clone()), ..session })
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: if self.closed.is_some() { "closed" } else { "open" }.to_owned(),
            owner: Some(self.person.to_string()),
            parent: Some(self.grant.to_string()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::from([
            ("owner".to_owned(), Attribute::Text(self.person.to_string())),
            ("operator".to_owned(), Attribute::Text(self.operator.to_string())),
            ("grant".to_owned(), Attribute::Text(self.grant.to_string())),
        ])
    }
}
