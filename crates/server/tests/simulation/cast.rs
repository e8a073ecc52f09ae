//! Who takes part: organisations for the roles of the pack, with people, and strangers.

use std::collections::BTreeSet;

use shuyu_casework::{Organisation, Person, organisation, person};
use shuyu_kernel::{Actor, OrganisationId, PersonId};
use shuyu_law::Law;
use shuyu_server::app::App;
use shuyu_store::{ActError, Filter};

/// How many people each organisation has. Panels ask for several, and who drafts does not sign.
const PEOPLE: usize = 7;

/// Somebody of an organisation.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// Their roles, as the pack gives them to the organisation.
    pub roles: BTreeSet<String>,
    /// What to call them.
    pub name: String,
}

/// Everyone who takes part.
#[derive(Debug, Default)]
pub struct Cast {
    /// The people.
    pub members: Vec<Member>,
    /// Organisations that the pack founds as operators, and as providers.
    pub operators: Vec<OrganisationId>,
    /// See above.
    pub providers: Vec<OrganisationId>,
}

impl Cast {
    /// Registers everyone, as consequences: a password would cost more than all else together.
    pub async fn register(app: &App) -> Result<Self, ActError> {
        let mut cast = Self::default();
        let law = app.law();
        let unit = app.desk().unit(&Actor::system());
        for (role, holder) in &law.roles {
            if holder != "self" || ["administrator", "auditor", "system"].contains(&role.as_str()) {
                continue;
            }
            let several = ["provider", "operator", "product_user"].contains(&role.as_str());
            for number in 1..=if several { 2 } else { 1 } {
                let id: OrganisationId = app.fresh();
                let register = organisation::Command::Register {
                    name: format!("{role} {number}"),
                    roles: BTreeSet::from([role.clone()]),
                    record: record(law, role),
                };
                unit.follow::<Organisation>(id, register, &[]).await?;
                match role.as_str() {
                    "operator" => cast.operators.push(id),
                    "provider" => cast.providers.push(id),
                    _ => {}
                }
                for person in 1..=PEOPLE {
                    let name = format!("{role}-{number}-{person}");
                    let roles = law.roles_of(role);
                    let member = Member { person: app.fresh(), organisation: id, roles, name };
                    let register = person::Command::Register {
                        organisation: id,
                        organisation_roles: BTreeSet::from([role.clone()]),
                        sign_in: member.name.clone(),
                        name: member.name.clone(),
                        password_hash: "none".to_owned(),
                        roles: member.roles.clone(),
                    };
                    unit.follow::<Person>(member.person, register, &[]).await?;
                    cast.members.push(member);
                }
            }
        }
        unit.commit().await?;
        for name in ["administrator", "auditor"] {
            for (person, found) in app.desk().list::<Person>(&Filter::name(name)).await? {
                cast.members.push(Member {
                    person,
                    organisation: found.organisation,
                    roles: found.roles,
                    name: name.to_owned(),
                });
            }
        }
        Ok(cast)
    }

    /// The people who hold a role.
    pub fn holders(&self, role: &str) -> Vec<Member> {
        self.members.iter().filter(|member| member.roles.contains(role)).cloned().collect()
    }

    /// The people of an organisation.
    pub fn of(&self, organisation: OrganisationId) -> Vec<Member> {
        let of = self.members.iter().filter(|member| member.organisation == organisation);
        of.cloned().collect()
    }
}

/// What the register says of an organisation; an operator's is as the city's conditions ask.
fn record(law: &Law, role: &str) -> organisation::Record {
    if role != "operator" {
        return organisation::Record::default();
    }
    let legal_form = law
        .parameter("operator_legal_forms")
        .and_then(|it| it.ids().first().map(|id| (*id).to_owned()))
        .unwrap_or_else(|| "legal_person".to_owned());
    organisation::Record {
        legal_form,
        ownership: law
            .parameter("operator_ownership")
            .and_then(|it| it.text().map(str::to_owned))
            .unwrap_or_else(|| "state_owned".to_owned()),
        credit_code: "91350100M000100Y43".to_owned(),
        ..organisation::Record::default()
    }
}
