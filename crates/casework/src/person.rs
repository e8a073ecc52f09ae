//! Persons: who signs in, for whom, in which roles, and with which access to the domain.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, AgreementId, OrganisationId, PersonId, Role};
use shuyu_law::{Attribute, Attributes, Law, Refusal};
use shuyu_store::{Context, Entity, Keys};

use crate::{
    organisation::{Organisation, check_roles_apart, check_roles_known},
    rules,
};

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// For whom they act.
    pub organisation: OrganisationId,
    /// The name that they sign in by; empty after erasure.
    pub sign_in: String,
    /// Their own name; empty after erasure.
    pub name: String,
    /// The hash of their password; empty after erasure, which ends signing in.
    pub password_hash: String,
    /// The roles that they hold of their organisation's.
    pub roles: BTreeSet<String>,
    /// What they were trained in: role of the training, and when.
    pub trained: BTreeMap<String, DateTime<Utc>>,
    /// The agreements under which they may work in the domain.
    pub access: BTreeSet<AgreementId>,
    /// How often they have signed out. A token of an earlier time is no longer good.
    #[serde(default)]
    pub epoch: u32,
    /// Whether they may sign in.
    pub is_open: bool,
}

/// What somebody wants to be done to a person.
#[derive(Debug, Clone)]
pub enum Command {
    /// Sign them out everywhere.
    SignOut,
    /// Register them.
    Register {
        /// For whom they act.
        organisation: OrganisationId,
        /// The roles that the organisation is bound to, read in the same unit of work.
        organisation_roles: BTreeSet<String>,
        /// The name to sign in by.
        sign_in: String,
        /// Their own name.
        name: String,
        /// The hash of their password.
        password_hash: String,
        /// The roles that they are to hold.
        roles: BTreeSet<String>,
    },
    /// Give them these roles, and no others.
    Bind {
        /// The roles that the organisation is bound to, read in the same unit of work.
        organisation_roles: BTreeSet<String>,
        /// The roles.
        roles: BTreeSet<String>,
    },
    /// Change the password.
    ChangePassword {
        /// The hash of the new one.
        password_hash: String,
    },
    /// Record that they passed a training.
    Train {
        /// The role of the training.
        training: String,
    },
    /// Let them work in the domain under an agreement.
    OpenAccess {
        /// The agreement.
        agreement: AgreementId,
    },
    /// End their access under an agreement.
    CloseAccess {
        /// The agreement.
        agreement: AgreementId,
    },
    /// End their signing in.
    Close {
        /// Why.
        reason: String,
    },
}

impl shuyu_store::Command for Command {
    shuyu_store::names! {
        Self::Register { .. } => "register",
        Self::Bind { .. } => "bind",
        Self::ChangePassword { .. } => "change_password",
        Self::Train { .. } => "train",
        Self::OpenAccess { .. } => "open_access",
        Self::CloseAccess { .. } => "close_access",
        Self::Close { .. } => "close",
        Self::SignOut => "sign_out",
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Register { organisation, roles, .. } => [
                ("organisation".to_owned(), Attribute::Text(organisation.to_string())),
                ("roles".to_owned(), Attribute::Set(roles.clone())),
            ]
            .into(),
            Self::Bind { roles, .. } => {
                [("roles".to_owned(), Attribute::Set(roles.clone()))].into()
            }
            Self::ChangePassword { .. }
            | Self::Train { .. }
            | Self::SignOut
            | Self::OpenAccess { .. }
            | Self::CloseAccess { .. }
            | Self::Close { .. } => Attributes::new(),
        }
    }
}

/// What happened to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub enum Event {
    /// They were signed out everywhere.
    SignedOut {
        /// When.
        at: DateTime<Utc>,
    },
    /// They were registered.
    Registered {
        /// For whom they act.
        organisation: OrganisationId,
        /// The name that they sign in by.
        #[serde(default)]
        sign_in: String,
        /// Their own name.
        #[serde(default)]
        name: String,
        /// The hash of their password.
        #[serde(default)]
        password_hash: String,
        /// Their roles.
        roles: BTreeSet<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// They were given roles.
    Bound {
        /// The roles, all of them.
        roles: BTreeSet<String>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Their password was changed.
    PasswordChanged {
        /// The hash of the new one.
        #[serde(default)]
        password_hash: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// They passed a training.
    Trained {
        /// The role of the training.
        training: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// They may work in the domain under an agreement.
    AccessOpened {
        /// The agreement.
        agreement: AgreementId,
        /// When.
        at: DateTime<Utc>,
    },
    /// They may no longer work under an agreement.
    AccessClosed {
        /// The agreement.
        agreement: AgreementId,
        /// When.
        at: DateTime<Utc>,
    },
    /// They may not sign in any more.
    Closed {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
}

impl Entity for Person {
    const KIND: &'static str = "person";
    const ATTRIBUTES: &'static [&'static str] = &["organisation", "held_roles", "roles", "status"];
    const PERSONAL: &'static [&'static str] = &["sign_in", "name", "password_hash"];

    type Id = PersonId;
    type Command = Command;
    type Event = Event;

    fn decide(
        state: Option<&Self>,
        command: Command,
        ctx: &Context<'_>,
    ) -> Result<Vec<Event>, Refusal> {
        let at = ctx.now;
        let event = match (state, command) {
            (
                None,
                Command::Register {
                    organisation,
                    organisation_roles,
                    sign_in,
                    name,
                    password_hash,
                    roles,
                },
            ) => {
                if [&sign_in, &name, &password_hash].iter().any(|text| text.trim().is_empty()) {
                    return Err(ctx.refuse(rules::NAMED));
                }
                check_roles(&roles, &organisation_roles, ctx)?;
                Event::Registered { organisation, sign_in, name, password_hash, roles, at }
            }
            (None, _) => return Err(ctx.refuse(rules::EXISTS)),
            (Some(_), Command::Register { .. }) => return Err(ctx.refuse(rules::NEW)),
            (Some(person), Command::CloseAccess { agreement }) => {
                if !person.access.contains(&agreement) {
                    return Err(ctx.refuse(rules::ACCESS_OPEN));
                }
                Event::AccessClosed { agreement, at }
            }
            (Some(person), _) if !person.is_open => return Err(ctx.refuse(rules::REGISTERED)),
            (Some(_), Command::Bind { organisation_roles, roles }) => {
                check_roles(&roles, &organisation_roles, ctx)?;
                Event::Bound { roles, at }
            }
            (Some(_), Command::ChangePassword { password_hash }) => {
                if password_hash.trim().is_empty() {
                    return Err(ctx.refuse(rules::NAMED));
                }
                Event::PasswordChanged { password_hash, at }
            }
            (Some(_), Command::SignOut) => Event::SignedOut { at },
            (Some(_), Command::Train { training }) => {
                if training.trim().is_empty() {
                    return Err(ctx.refuse(rules::NAMED));
                }
                Event::Trained { training, at }
            }
            (Some(person), Command::OpenAccess { agreement }) => {
                check_may_work(person, ctx)?;
                Event::AccessOpened { agreement, at }
            }
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
        if let Event::Registered { organisation, sign_in, name, password_hash, roles, .. } = event {
            return Some(Self {
                organisation: *organisation,
                sign_in: sign_in.clone(),
                name: name.clone(),
                password_hash: password_hash.clone(),
                roles: roles.clone(),
                trained: BTreeMap::new(),
                access: BTreeSet::new(),
                epoch: 0,
                is_open: true,
            });
        }
        let mut person = state?;
        match event {
            Event::Registered { .. } => {}
            Event::Bound { roles, .. } => person.roles.clone_from(roles),
            Event::PasswordChanged { password_hash, .. } => {
                person.password_hash.clone_from(password_hash);
            }
            Event::Trained { training, at } => {
                person.trained.insert(training.clone(), *at);
            }
            Event::AccessOpened { agreement, .. } => {
                person.access.insert(*agreement);
            }
            Event::AccessClosed { agreement, .. } => {
                person.access.remove(agreement);
            }
            Event::SignedOut { .. } => person.epoch = person.epoch.saturating_add(1),
            Event::Closed { .. } => {
                person.is_open = false;
                person.access.clear();
            }
        }
        Some(person)
    }

    fn keys(&self) -> Keys {
        Keys {
            status: self.status().to_owned(),
            owner: Some(self.organisation.to_string()),
            name: Some(self.sign_in.clone()).filter(|name| !name.is_empty()),
            ..Keys::default()
        }
    }

    fn attributes(&self) -> Attributes {
        [
            ("organisation".to_owned(), Attribute::Text(self.organisation.to_string())),
            ("held_roles".to_owned(), Attribute::Set(self.roles.clone())),
            ("status".to_owned(), Attribute::Text(self.status().to_owned())),
        ]
        .into()
    }
}

impl Person {
    fn status(&self) -> &'static str {
        if self.is_open { "open" } else { "closed" }
    }

    /// The person as an actor: in the roles that they hold and their organisation still holds,
    /// with those that the city gives to whoever holds these.
    pub fn actor(&self, id: PersonId, organisation: &Organisation, law: &Law) -> Actor {
        let open = self.is_open && organisation.is_open;
        let of_organisation = organisation.roles_under(law);
        Actor {
            person: id,
            organisation: self.organisation,
            roles: self
                .roles
                .iter()
                .filter(|_| open)
                .flat_map(|role| law.roles_of(role))
                .filter(|role| of_organisation.contains(role))
                .map(Role::new)
                .collect(),
        }
    }
}

fn check_roles(
    roles: &BTreeSet<String>,
    of_organisation: &BTreeSet<String>,
    ctx: &Context<'_>,
) -> Result<(), Refusal> {
    check_roles_known(roles, ctx)?;
    check_roles_apart(roles, ctx)?;
    let held: BTreeSet<String> =
        of_organisation.iter().flat_map(|role| ctx.law.roles_of(role)).collect();
    match roles.iter().find(|role| !held.contains(*role)) {
        Some(role) => Err(ctx
            .refuse(rules::ROLE_OF_ORGANISATION)
            .because(format!("the organisation is not bound to `{role}`"))),
        None => Ok(()),
    }
}

/// Who administers or audits does not work on data.
fn check_may_work(person: &Person, ctx: &Context<'_>) -> Result<(), Refusal> {
    let mut roles = person.roles.clone();
    roles.insert("operator".to_owned());
    check_roles_apart(&roles, ctx)
}
