//! Organisations and people: registering them, and in which roles somebody acts.

use std::collections::BTreeSet;

use serde_json::json;
use shuyu_casework::{Case, Organisation, Person, organisation, person};
use shuyu_kernel::{Actor, CaseId, OrganisationId, PersonId};
use shuyu_law::ClauseId;
use shuyu_store::{ActError, Entry, Receipt, StreamId};

use super::{
    App, SignInError,
    password::{self, PasswordError, PasswordHash},
    token::TokenError,
};

/// A person to be registered.
#[derive(Debug, Clone)]
pub struct NewPerson {
    /// For whom they act.
    pub organisation: OrganisationId,
    /// By what they sign in; unique.
    pub sign_in: String,
    /// Their name.
    pub name: String,
    /// Their first password.
    pub password: String,
    /// Their roles, among those of the organisation.
    pub roles: BTreeSet<String>,
}

impl App {
    /// Founds the deployment: its first entry, and the first administrator and auditor.
    ///
    /// Nobody is there yet to permit it, so the platform itself registers them.
    pub async fn found(
        &self,
        administrator: (&str, &str),
        auditor: (&str, &str),
    ) -> Result<(), SignInError> {
        let clauses = [ClauseId::new("baseline/4.1"), ClauseId::new("baseline/4.2")];
        let system = Actor::system();
        let mut staff = Vec::new();
        for (role, (sign_in, password)) in [("administrator", administrator), ("auditor", auditor)]
        {
            let hash = password::hash(password, password::LENGTH, &*self.0.entropy)?;
            staff.push((role, sign_in.to_owned(), kept(&hash)));
        }
        let unit = self.desk().unit(&system);
        unit.journal(&Entry {
            subject: StreamId::new("deployment", &self.law().city),
            act: "deployment.found".to_owned(),
            clauses: clauses.to_vec(),
            body: json!({
                "city": self.law().city,
                "pack": self.law().version,
                "status": self.law().regulation.status,
            }),
        });
        for (role, sign_in, password_hash) in staff {
            let organisation: OrganisationId = self.fresh();
            let roles = BTreeSet::from([role.to_owned()]);
            let register = organisation::Command::Register {
                name: format!("{}/{role}", self.law().city),
                roles: roles.clone(),
                record: organisation::Record::default(),
            };
            unit.follow::<Organisation>(organisation, register, &clauses).await?;
            let register = person::Command::Register {
                organisation,
                organisation_roles: roles.clone(),
                name: sign_in.clone(),
                sign_in,
                password_hash,
                roles,
            };
            unit.follow::<Person>(self.fresh(), register, &clauses).await?;
        }
        unit.commit().await?;
        Ok(())
    }

    /// Registers an organisation in its roles.
    pub async fn register_organisation(
        &self,
        actor: &Actor,
        name: &str,
        roles: BTreeSet<String>,
        record: organisation::Record,
    ) -> Result<OrganisationId, ActError> {
        let id = self.fresh();
        let command = organisation::Command::Register { name: name.to_owned(), roles, record };
        self.desk().act::<Organisation>(actor, id, command).await?;
        Ok(id)
    }

    /// Does something else to an organisation: corrects its record, binds it to roles, closes it.
    pub async fn change_organisation(
        &self,
        actor: &Actor,
        id: OrganisationId,
        command: organisation::Command,
    ) -> Result<Organisation, ActError> {
        Ok(self.desk().act::<Organisation>(actor, id, command).await?.state)
    }

    /// Registers a person of an organisation.
    pub async fn register_person(
        &self,
        actor: &Actor,
        new: NewPerson,
    ) -> Result<PersonId, SignInError> {
        let hash = self.hash(new.password).await?;
        let id: PersonId = self.fresh();
        self.desk()
            .run(actor, |unit| {
                let (new_roles, sign_in, name) =
                    (new.roles.clone(), new.sign_in.clone(), new.name.clone());
                let password_hash = kept(&hash);
                async move {
                    let organisation = unit.load::<Organisation>(new.organisation).await?;
                    let command = person::Command::Register {
                        organisation: new.organisation,
                        organisation_roles: organisation.roles.clone(),
                        sign_in,
                        name,
                        password_hash,
                        roles: new_roles,
                    };
                    unit.act::<Person>(id, command).await?;
                    Ok(())
                }
            })
            .await?;
        Ok(id)
    }

    /// Gives a person these roles of their organisation's, and no others.
    pub async fn bind_person(
        &self,
        actor: &Actor,
        id: PersonId,
        roles: BTreeSet<String>,
    ) -> Result<Person, ActError> {
        self.desk()
            .run(actor, |unit| {
                let roles = roles.clone();
                async move {
                    let organisation = unit.load::<Person>(id).await?.organisation;
                    let organisation = unit.load::<Organisation>(organisation).await?;
                    let organisation_roles = organisation.roles;
                    let bind = person::Command::Bind { organisation_roles, roles };
                    Ok(unit.act::<Person>(id, bind).await?.state)
                }
            })
            .await
    }

    /// Ends a person's signing in, with everything that they may do.
    pub async fn close_person(
        &self,
        actor: &Actor,
        id: PersonId,
        reason: &str,
    ) -> Result<(), ActError> {
        let close = person::Command::Close { reason: reason.to_owned() };
        self.desk().act::<Person>(actor, id, close).await?;
        Ok(())
    }

    /// Erases the personal data of a person who is closed: their names and the hash of their
    /// password. What they did stays in the log under their id, and every proof still verifies.
    pub async fn erase_person(&self, actor: &Actor, id: PersonId) -> Result<Receipt, ActError> {
        self.desk().erase::<Person>(actor, id).await
    }

    /// Erases the words of the objections in a case that has ended. That they were raised, and
    /// what was answered, stays.
    pub async fn erase_objections(&self, actor: &Actor, id: CaseId) -> Result<Receipt, ActError> {
        self.desk().erase::<Case>(actor, id).await
    }

    /// Changes the actor's own password. The one that holds is asked for again, so that whoever
    /// finds a browser open cannot lock its owner out; and every token ends.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: &str,
        new: String,
    ) -> Result<(), SignInError> {
        let (_, person) = self
            .desk()
            .find::<Person>(actor.person)
            .await?
            .ok_or_else(|| ActError::NotFound(StreamId::of::<Person>(actor.person)))?;
        self.check_password(&person.sign_in, current).await?;
        let password_hash = kept(&self.hash(new).await?);
        self.desk()
            .run(actor, |unit| {
                let password_hash = password_hash.clone();
                async move {
                    let change = person::Command::ChangePassword { password_hash };
                    unit.act::<Person>(actor.person, change).await?;
                    unit.act::<Person>(actor.person, person::Command::SignOut).await?;
                    Ok(())
                }
            })
            .await?;
        Ok(())
    }

    /// Signs a person out: all their tokens end.
    pub async fn sign_out(&self, actor: &Actor) -> Result<(), ActError> {
        self.desk().act::<Person>(actor, actor.person, person::Command::SignOut).await?;
        Ok(())
    }

    /// Who the bearer of a token is, and in which roles they act at this moment.
    pub async fn actor_of(&self, token: &str) -> Result<Actor, SignInError> {
        let token = self.0.tokens.open(token, self.now())?;
        let found = self.desk().find::<Person>(token.person).await?;
        match found {
            Some((_, person)) if person.is_open && person.epoch == token.epoch => {
                Ok(self.acting(token.person, &person).await?)
            }
            Some(_) | None => Err(TokenError::Invalid.into()),
        }
    }

    /// The actor that a registered person is.
    pub async fn actor(&self, id: PersonId) -> Result<Actor, ActError> {
        let found = self.desk().find::<Person>(id).await?;
        let (_, person) = found.ok_or_else(|| ActError::NotFound(StreamId::of::<Person>(id)))?;
        self.acting(id, &person).await
    }

    pub(super) async fn acting(&self, id: PersonId, person: &Person) -> Result<Actor, ActError> {
        let organisation = person.organisation;
        let found = self.desk().find::<Organisation>(organisation).await?;
        let (_, organisation) =
            found.ok_or_else(|| ActError::NotFound(StreamId::of::<Organisation>(organisation)))?;
        Ok(person.actor(id, &organisation, self.law()))
    }

    async fn hash(&self, password: String) -> Result<PasswordHash, PasswordError> {
        let entropy = std::sync::Arc::clone(&self.0.entropy);
        tokio::task::spawn_blocking(move || password::hash(&password, password::LENGTH, &*entropy))
            .await
            .unwrap_or(Err(PasswordError::Hash))
    }
}

fn kept(hash: &PasswordHash) -> String {
    serde_json::to_string(hash).unwrap_or_default()
}
