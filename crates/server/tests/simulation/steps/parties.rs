//! Organisations and people, signing in, documents.

use std::collections::BTreeSet;

use shuyu_casework::{Organisation, Person, organisation, person};
use shuyu_kernel::{ContentHash, Id as _, OrganisationId, PersonId};

use crate::{
    step::Step,
    world::{World, name},
};

/// Names of those who come and go; those of the cast stay, or nobody would be left to act.
const GUEST: &str = "guest";

impl World {
    pub(super) async fn organisation(&mut self) -> Option<Step> {
        let actor = self.who(&["administrator"]).await;
        let roles = self.roles();
        if self.dice.chance(55) {
            let called = format!("{GUEST} {}", self.dice.below(1_000_000));
            let record = organisation::Record::default();
            let what = format!("{called} as {roles:?} by {}", name(&actor));
            let done = self.app.register_organisation(&actor, &called, roles, record).await;
            return Some(Step::new("organisation.register", what, done));
        }
        let guest = |it: &Organisation| it.name.starts_with(GUEST) && it.is_open;
        let (id, found) = self.seek::<Organisation>(guest).await?;
        if !found.name.starts_with(GUEST) {
            return None;
        }
        let (verb, command) = match self.dice.below(3) {
            0 => ("bind", organisation::Command::Bind { roles }),
            1 => ("amend", organisation::Command::Amend { record: found.record }),
            _ => ("close", organisation::Command::Close { reason: "left".to_owned() }),
        };
        let done = self.raw::<Organisation>(&actor, id, command).await;
        Some(Step::new(format!("organisation.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// Some roles: mostly one that there is, sometimes those that nobody holds together.
    fn roles(&mut self) -> BTreeSet<String> {
        let known: Vec<String> = self.law().roles.keys().cloned().collect();
        let role = self.dice.pick(&known).unwrap_or_default();
        match self.dice.below(10) {
            0 => ["administrator".to_owned(), role].into(),
            1 => ["auditor".to_owned(), "operator".to_owned()].into(),
            2 => ["emperor".to_owned()].into(),
            _ => [role].into(),
        }
    }

    pub(super) async fn person(&mut self) -> Option<Step> {
        let actor = self.who(&["administrator"]).await;
        let guest = |it: &Organisation| it.name.starts_with(GUEST) && it.is_open;
        let (organisation, found): (OrganisationId, _) = self.seek::<Organisation>(guest).await?;
        if !found.name.starts_with(GUEST) {
            return None;
        }
        if self.dice.chance(50) {
            let id: PersonId = self.app.fresh();
            let number = self.dice.below(400);
            let roles = if self.dice.chance(85) { found.roles.clone() } else { self.roles() };
            let register = person::Command::Register {
                organisation,
                organisation_roles: found.roles,
                sign_in: format!("{GUEST}-{number}"),
                name: format!("{GUEST} {number}"),
                password_hash: "none".to_owned(),
                roles,
            };
            let done = self.raw::<Person>(&actor, id, register).await;
            return Some(Step::new("person.register", format!("{id} by {}", name(&actor)), done));
        }
        let guest = |it: &Person| it.sign_in.starts_with(GUEST) && it.is_open;
        let (id, person) = self.seek::<Person>(guest).await?;
        if !person.sign_in.starts_with(GUEST) {
            return None;
        }
        let (verb, command) = match self.dice.below(6) {
            0 => {
                let roles = self.roles();
                ("bind", person::Command::Bind { organisation_roles: found.roles, roles })
            }
            1 => ("train", person::Command::Train { training: "security".to_owned() }),
            2 => ("sign_out", person::Command::SignOut),
            3 => {
                let password_hash = "another".to_owned();
                ("change_password", person::Command::ChangePassword { password_hash })
            }
            4 => {
                let agreement = shuyu_kernel::AgreementId::from_u128(self.dice.number());
                ("open_access", person::Command::OpenAccess { agreement })
            }
            _ => ("close", person::Command::Close { reason: "left".to_owned() }),
        };
        let done = self.raw::<Person>(&actor, id, command).await;
        Some(Step::new(format!("person.{verb}"), format!("{id} by {}", name(&actor)), done))
    }

    /// Somebody signs in, mostly with a wrong password.
    pub(super) async fn sign_in(&mut self) -> Step {
        let name = self.dice.pick(&["administrator", "auditor", "nobody"]).unwrap_or("nobody");
        let password = if self.dice.chance(50) { "Walks-2024!" } else { "guessed" };
        let done = self.app.sign_in(name, password).await;
        // A wrong password stands in the log although no law refuses it.
        Step::new("person.sign_in", name, done).composite()
    }

    pub(super) async fn document(&mut self) -> Option<Step> {
        let actor = self.anybody().await;
        let text = format!("document {}", self.dice.below(40));
        if self.dice.chance(60) {
            let bytes = if self.dice.chance(92) { text.into_bytes() } else { Vec::new() };
            let done = self.app.keep_document(&actor, bytes).await;
            return Some(Step::new("document.keep", name(&actor), done));
        }
        let hash = ContentHash::of(text.as_bytes());
        let case = self.dice.pick(&self.under_way)?;
        let done = self.app.read_document(&actor, case, hash).await;
        Some(Step::new("document.read", name(&actor), done))
    }
}
