//! Who takes part, in which roles.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;

use chrono::DateTime;
use shuyu_casework::{Organisation, Person, organisation, person, simulate};
use shuyu_kernel::{AgreementId, Id as _, OrganisationId, PersonId};
use shuyu_law::Law;
use shuyu_store::{Context, Entity};

fn set(roles: &[&str]) -> BTreeSet<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn decide<E: Entity>(law: &Law, state: Option<&E>, command: E::Command) -> Result<E, String> {
    let actor = simulate::actor(law, "administrator", 1);
    let ctx = Context { now: DateTime::UNIX_EPOCH, actor: &actor, law };
    E::decide(state, command, &ctx)
        .map(|events| events.iter().fold(state.cloned(), E::evolve).expect("a state"))
        .map_err(|refusal| refusal.rule)
}

#[test]
fn who_administers_reads_no_data_and_who_audits_does_not_administer() {
    let law = Law::load("hangzhou").expect("a pack");
    let bound = |roles: &[&str]| {
        let command = organisation::Command::Register {
            name: "a bureau".to_owned(),
            roles: set(roles),
            record: organisation::Record::default(),
        };
        decide::<Organisation>(&law, None, command)
    };
    let registered = |of: &[&str], roles: &[&str]| {
        let command = person::Command::Register {
            organisation: OrganisationId::from_u128(1),
            organisation_roles: set(of),
            sign_in: "li".to_owned(),
            name: "Li".to_owned(),
            password_hash: "$argon2id$".to_owned(),
            roles: set(roles),
        };
        decide::<Person>(&law, None, command)
    };
    assert_eq!(bound(&["administrator", "operator"]), Err("roles-apart".to_owned()));
    assert_eq!(bound(&["administrator", "auditor"]), Err("roles-apart".to_owned()));
    assert_eq!(bound(&["emperor"]), Err("role-known".to_owned()));
    assert_eq!(bound(&["system"]), Err("roles-apart".to_owned()), "nobody else is the platform");
    assert_eq!(registered(&["system"], &["system"]), Err("roles-apart".to_owned()));
    let operator = bound(&["operator"]).expect("registered");
    assert_eq!(registered(&["operator"], &["authority"]), Err("role-of-organisation".to_owned()));

    let li = registered(&["operator"], &["operator"]).expect("registered");
    let actor = li.actor(PersonId::from_u128(1), &operator, &law);
    assert!(actor.has_role("operator") && !actor.has_role("authority"));

    let access = person::Command::OpenAccess { agreement: AgreementId::from_u128(1) };
    assert_eq!(decide(&law, Some(&li), access.clone()).map(|li| li.access.len()), Ok(1));
    let administrator = registered(&["administrator"], &["administrator"]).expect("registered");
    assert_eq!(decide(&law, Some(&administrator), access), Err("roles-apart".to_owned()));

    let close = person::Command::Close { reason: "left".to_owned() };
    let closed = decide(&law, Some(&li), close).expect("closed");
    assert!(closed.actor(PersonId::from_u128(1), &operator, &law).roles.is_empty());
}
