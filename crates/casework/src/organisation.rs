//! Organisations that take part, and the roles that they are bound to.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{OrganisationId, SYSTEM};
use shuyu_law::{Attribute, Attributes, Law, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::rules;

/// Roles of the platform itself that nobody combines with each other or with work on data: who
/// administers does not read data; who audits does not administer.
const ADMINISTRATOR: &str = "administrator";
const AUDITOR: &str = "auditor";

/// What is on record of an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its legal form, by an id of the pack's list.
    #[serde(default)]
    pub legal_form: String,
    /// How it is owned, such as `state_owned`.
    #[serde(default)]
    pub ownership: String,
    /// Its unified social credit code.
    #[serde(default)]
    pub credit_code: String,
    /// The lists that it stands on, by ids of the pack.
    #[serde(default)]
    pub lists: BTreeSet<String>,
    /// The day of its last security incident.
    #[serde(default)]
    pub last_incident: Option<NaiveDate>,
}

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// What it is called.
    pub name: String,
    /// The roles that it is bound to, by names of the pack.
    pub roles: BTreeSet<String>,
    /// What is on record of it.
    pub record: Record,
    /// Whether it takes part.
    pub is_open: bool,
}

/// What somebody wants to be done to an organisation.
#[derive(Debug, Clone)]
pub enum Command {
    /// Register it.
    Register {
        /// What it is called.
        name: String,
        /// The roles that it is bound to.
        roles: BTreeSet<String>,
        /// What is on record of it.
        record: Record,
    },
    /// Bind it to these roles, and no others.
    Bind {
        /// The roles.
        roles: BTreeSet<String>,
    },
    /// Correct what is on record.
    Amend {
        /// The record.
        record: Record,
    },
    /// End its taking part.
    Close {
        /// Why.
        reason: String,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Register { .. } => "register",
        Self::Bind { .. } => "bind",
        Self::Amend { .. } => "amend",
        Self::Close { .. } => "close",
    }
}

/// What happened to an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// It was registered.
    Registered {
        /// What it is called.
        name: String,
        /// The roles that it is bound to.
        roles: BTreeSet<String>,
        /// What is on record of it.
        record: Record,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was bound to roles.
    Bound {
        /// The roles, all of them.
        roles: BTreeSet<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its record was corrected.
    Amended {
        /// The record.
        record: Record,
        /// When.
        at: DateTime<Utc>,
    },
    /// Its taking part ended.
    Closed {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Organisation {
    const KIND: &'static str = "organisation";
    const ATTRIBUTES: &'static [&'static str] = &["bound_roles"];

    type Id = OrganisationId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let at = ctx.now;
        let event = match (state, command) {
            (None, Command::Register { name, roles, record }) => {
                if name.trim().is_empty() {
                    return Err(ctx.refuse(rules::NAMED));
                }
                check_roles_known(&roles, ctx)?;
                check_roles_apart(&roles, ctx)?;
                Event::Registered { name, roles, record, at }
            }
            (None, _) => return Err(ctx.refuse(rules::EXISTS)),
            (Some(_), Command::Register { .. }) => return Err(ctx.refuse(rules::NEW)),
            (Some(organisation), _) if !organisation.is_open => {
                return Err(ctx.refuse(rules::REGISTERED));
            }
            (Some(_), Command::Bind { roles }) => {
                check_roles_known(&roles, ctx)?;
                check_roles_apart(&roles, ctx)?;
                Event::Bound { roles, at }
            }
            (Some(_), Command::Amend { record }) => Event::Amended { record, at },
            (Some(_), Command::Close { reason }) => {
                if reason.trim().is_empty() {
                    return Err(ctx.refuse(rules::REASON_GIVEN));
                }
                Event::Closed { reason, at }
            }
        };
        Ok(vec![event])
    }

    fn evolve(state: Option<Self>, event: &Event) -> Option<Self> {
        match event {
            Event::Registered { name, roles, record, .. } => Some(Self {
                name: name.clone(),
                roles: roles.clone(),
                record: record.clone(),
                is_open: true,
            }),
            Event::Bound { roles, .. } => {
                state.map(|organisation| Self { roles: roles.clone(), ..organisation })
            }
            Event::Amended { record, .. } => {
                state.map(|organisation| Self { record: record.clone(), ..organisation })
            }
            Event::Closed { .. } => {
                state.map(|organisation| Self { is_open: false, ..organisation })
            }
        }
    }

    fn keys(&self) -> Keys {
        Keys {
            status: if self.is_open { "open" } else { "closed" }.to_owned(),
            name: Some(self.name.clone()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [("bound_roles".to_owned(), Attribute::Set(self.roles.clone()))].into()
    }
}

impl Organisation {
    /// The roles that it acts in under this law: those it is bound to, and those that the city
    /// gives to whoever holds them.
    pub fn roles_under(&self, law: &Law) -> BTreeSet<String> {
        self.roles.iter().flat_map(|role| law.roles_of(role)).collect()
    }

    /// What is on record of it, as `operator.eligible` wants it.
    pub fn fact(&self) -> serde_json::Value {
        serde_json::json!(self.record)
    }
}

/// Refuses roles that the city has not, and the platform's own, in which nobody else acts.
pub(crate) fn check_roles_known(
    roles: &BTreeSet<String>,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    if roles.contains(SYSTEM) {
        let why = format!("`{SYSTEM}` is the platform itself");
        return Err(ctx.refuse(rules::ROLES_APART).because(why));
    }
    match roles.iter().find(|role| !ctx.law.roles.contains_key(*role)) {
        Some(unknown) => {
            Err(ctx.refuse(rules::ROLE_KNOWN).because(format!("the city has no role `{unknown}`")))
        }
        None => Ok(()),
    }
}

/// Refuses the administrator or the auditor in any other role.
pub(crate) fn check_roles_apart(
    roles: &BTreeSet<String>,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    let alone = [ADMINISTRATOR, AUDITOR].into_iter().find(|role| roles.contains(*role));
    match alone.filter(|_| roles.len() > 1) {
        Some(role) => Err(ctx.refuse(rules::ROLES_APART).because(format!("`{role}` stands alone"))),
        None => Ok(()),
    }
}
