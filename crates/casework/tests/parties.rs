//! Who takes part, in which roles.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::json;
use shuyu_casework::{
    Organisation, PARTIES, Person, organisation, person,
    simulate::{self, Walk},
};
use shuyu_kernel::{Actor, AgreementId, Id as _, OrganisationId, PersonId};
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

/// Of several whose data are asked for, none agrees for another; one of them says no for all.
#[test]
fn every_provider_whose_data_are_asked_for_agrees_and_none_for_another() {
    for (city, stage_of_providers) in [("jingzhou", "supply"), ("hangzhou", "review")] {
        let law = Law::load(city).expect("a pack");
        let mut walk = Walk::open(&law, "data_request", DateTime::UNIX_EPOCH)
            .expect("a procedure")
            .expect("it opens");
        while walk.stage().expect("a stage").id != stage_of_providers {
            walk.step().expect("a step");
        }
        let stage = walk.stage().expect("a stage");
        let one = simulate::actor(&law, "provider", 1);
        let other = Actor {
            person: PersonId::from_u128(7),
            organisation: OrganisationId::from_u128(7),
            ..one.clone()
        };
        let stranger = Actor {
            person: PersonId::from_u128(8),
            organisation: OrganisationId::from_u128(8),
            ..one.clone()
        };
        let parties = json!({ "provider": [one.organisation, other.organisation] });
        let act = |walk: &mut Walk<'_>, actor: &Actor, role: &str| {
            let mut acting = walk.good_act(stage);
            acting.role = Some(role.to_owned());
            acting.facts.insert(PARTIES.to_owned(), parties.clone());
            walk.act(actor, acting).map_err(|refusal| refusal.rule)
        };
        if stage.every {
            let authority = simulate::actor(&law, "authority", 1);
            act(&mut walk, &authority, "authority").expect("the authority agrees");
        }
        act(&mut walk, &one, "provider").expect("the one agrees");
        assert_eq!(walk.stage().expect("a stage").id, stage.id, "{city}: the other was asked, too");
        let foreign = act(&mut walk, &stranger, "provider");
        assert_eq!(foreign, Err("stage-is-for-the-party".to_owned()), "{city}");
        act(&mut walk, &other, "provider").expect("the other agrees");
        assert_ne!(walk.stage().map(|it| it.id.as_str()), Some(stage.id.as_str()), "{city}");
    }
}
