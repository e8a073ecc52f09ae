//! Who takes part: the organisations that the pack's roles ask for, with some people each.

use std::collections::{BTreeMap, BTreeSet};

use shuyu_casework::organisation::Record;
use shuyu_kernel::{Actor, OrganisationId};
use shuyu_law::Law;
use shuyu_server::app::{App, NewPerson};

/// So many people an organisation has at least: who does, who reviews with another, and one more.
const PEOPLE: usize = 4;
/// The password of everyone in a demonstration, which holds no real data.
pub(super) const PASSWORD: &str = "Demo-2024!";

/// A person with what to call them.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) actor: Actor,
    pub(super) name: String,
}

/// Everyone who takes part.
pub(super) struct Cast {
    members: Vec<Member>,
    providers: BTreeMap<String, OrganisationId>,
    pub(super) operator: OrganisationId,
}

impl Cast {
    /// Registers an organisation for each role that the pack founds by itself, one for each
    /// provider named, and the people of each.
    pub(super) async fn register(
        app: &App,
        administrator: &Actor,
        providers: &BTreeSet<String>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let law = app.law();
        let mut cast = Self {
            members: Vec::new(),
            providers: BTreeMap::new(),
            operator: administrator.organisation,
        };
        for (role, holder) in &law.roles {
            let founds = holder == "self"
                && !["administrator", "auditor", "system"].contains(&role.as_str());
            if !founds {
                continue;
            }
            let names: Vec<String> = if role == "provider" {
                providers.iter().cloned().collect()
            } else {
                vec![law.term(role).zh]
            };
            for (number, name) in names.into_iter().enumerate() {
                let id = cast.found(app, administrator, role, &name, number).await?;
                match role.as_str() {
                    "provider" => {
                        cast.providers.insert(name, id);
                    }
                    "operator" => cast.operator = id,
                    _ => {}
                }
            }
        }
        Ok(cast)
    }

    async fn found(
        &mut self,
        app: &App,
        administrator: &Actor,
        role: &str,
        name: &str,
        number: usize,
    ) -> Result<OrganisationId, Box<dyn std::error::Error>> {
        let law = app.law();
        let roles = BTreeSet::from([role.to_owned()]);
        let record = if role == "operator" { record(law) } else { Record::default() };
        let id = app.register_organisation(administrator, name, roles, record).await?;
        let held = law.roles_of(role);
        let people = (1..=people_of(law, &held)).map(|person| {
            let sign_in = match number {
                0 => format!("{role}-{person}"),
                _ => format!("{role}-{}-{person}", number + 1),
            };
            let new = NewPerson {
                organisation: id,
                name: format!("{name} {person}"),
                sign_in: sign_in.clone(),
                password: PASSWORD.to_owned(),
                roles: held.clone(),
            };
            async move {
                let actor = app.actor(app.register_person(administrator, new).await?).await?;
                Ok::<_, Box<dyn std::error::Error>>(Member { actor, name: sign_in })
            }
        });
        self.members.extend(futures::future::try_join_all(people).await?);
        Ok(id)
    }

    /// The people who hold a role.
    pub(super) fn holders<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Member> {
        self.members.iter().filter(move |member| member.actor.has_role(role))
    }

    /// The first person who holds a role.
    pub(super) fn holder(&self, role: &str) -> Result<&Member, String> {
        self.members
            .iter()
            .find(|member| member.actor.has_role(role))
            .ok_or_else(|| format!("nobody holds the role `{role}`"))
    }

    /// The people of the operator.
    pub(super) fn operators(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.actor.organisation == self.operator)
    }

    /// Somebody of the provider of this name.
    pub(super) fn provider(&self, name: &str) -> Result<&Member, String> {
        let id =
            self.providers.get(name).ok_or_else(|| format!("there is no provider `{name}`"))?;
        self.members
            .iter()
            .find(|member| member.actor.organisation == *id)
            .ok_or_else(|| format!("`{name}` has nobody"))
    }
}

/// How many people the pack's stages ask for of those who hold these roles: as many as must agree,
/// besides those who acted where whoever acts here may not have.
fn people_of(law: &Law, held: &BTreeSet<String>) -> usize {
    let stages = law.procedures.values().flat_map(|procedure| &procedure.stages);
    stages
        .filter(|stage| stage.actors.iter().any(|role| held.contains(role)))
        .map(|stage| {
            let figure = stage.persons_from.as_ref().and_then(|name| law.integer(name));
            let persons = figure.and_then(|it| usize::try_from(it).ok()).unwrap_or(1);
            persons.max(stage.persons as usize) + stage.unlike.len()
        })
        .max()
        .unwrap_or(0)
        .max(PEOPLE)
}

/// What the register says of an operator whom the city's conditions let in.
fn record(law: &Law) -> Record {
    let first =
        |name: &str| law.parameter(name).and_then(|it| it.ids().first().map(|id| (*id).to_owned()));
    Record {
        legal_form: first("operator_legal_forms").unwrap_or_else(|| "legal_person".to_owned()),
        ownership: law
            .parameter("operator_ownership")
            .and_then(|it| it.text().map(str::to_owned))
            .unwrap_or_else(|| "state_owned".to_owned()),
        credit_code: "91350100M000100Y43".to_owned(),
        ..Record::default()
    }
}
