//! Who may do what in the catalogue: every command, under the policies of every city, and on
//! which clause it is permitted or refused.

use std::collections::BTreeSet;

use shuyu_catalogue::Resource;
use shuyu_kernel::{Actor, Id as _, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Request};
use shuyu_store::{Command, Entity};
use shuyu_testkit::actor;

const PROVIDER: u128 = 40;

/// The clause of each city on which whoever has no right is refused.
const CITIES: [(&str, &str); 5] = [
    ("taizhou", "taizhou/4.p3.2"),
    ("changchun", "changchun/7c"),
    ("jingzhou", "jingzhou/28d"),
    ("beijing", "beijing/4b"),
    ("hangzhou", "hangzhou/3.3a"),
];

/// An action, the clause on which it is permitted, who may, and who may not. `provider` is the
/// one whose resource it is; `other_provider` and `outsider` belong to another organisation, the
/// latter in no role.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    (
        "resource.register",
        "baseline/5.1",
        &["provider", "other_provider"],
        &["operator", "administrator", "auditor", "outsider"],
    ),
    (
        "resource.amend",
        "baseline/4.3",
        &["provider"],
        &["other_provider", "authority", "operator", "administrator"],
    ),
    (
        "resource.submit",
        "baseline/4.3",
        &["provider"],
        &["other_provider", "authority", "operator", "outsider"],
    ),
    (
        "resource.attach_dataset",
        "baseline/4.3",
        &["provider"],
        &["other_provider", "authority", "operator", "administrator"],
    ),
    (
        "resource.retire",
        "baseline/5.1",
        &["provider", "authority"],
        &["other_provider", "operator"],
    ),
    ("resource.return", "baseline/5.1", &["authority"], &["provider", "operator", "auditor"]),
];

/// What follows from a case alone, whoever asks.
const BY_CASE_ALONE: &[&str] = &["resource.publish"];

fn who(name: &str) -> Actor {
    match name {
        "provider" => actor(41, PROVIDER, &["provider"]),
        "other_provider" => actor(91, 90, &["provider"]),
        "outsider" => actor(92, 90, &[]),
        role => actor(21, 20, &[role]),
    }
}

fn ask(law: &Law, actor: &Actor, action: &str) -> Result<shuyu_law::Permit, shuyu_law::Refusal> {
    let provider = OrganisationId::from_u128(PROVIDER).to_string();
    let attributes: Attributes = [("provider".to_owned(), Attribute::Text(provider))].into();
    let context = Attributes::new();
    law.authorise(&Request {
        actor,
        action,
        resource: "res-1",
        attributes: &attributes,
        context: &context,
    })
}

#[test]
fn the_table_speaks_of_every_command_of_the_room() {
    let spoken: BTreeSet<String> = TABLE
        .iter()
        .map(|(action, ..)| *action)
        .chain(BY_CASE_ALONE.iter().copied())
        .map(str::to_owned)
        .collect();
    let all: BTreeSet<String> = <<Resource as Entity>::Command as Command>::NAMES
        .iter()
        .map(|command| format!("resource.{command}"))
        .collect();
    assert_eq!(spoken, all);
}

#[test]
fn every_command_is_permitted_to_whom_it_falls_and_refused_to_others_on_its_clause() {
    let cites = |clauses: &[shuyu_law::ClauseId], wanted: &str| {
        clauses.iter().any(|clause| clause.as_str() == wanted)
    };
    for (city, no_right) in CITIES {
        let law = Law::load(city).expect("the pack loads");
        let check_refused = |name: &str, action: &str| {
            let refusal = ask(&law, &who(name), action).expect_err(action);
            assert_eq!(refusal.rule, "not-permitted", "{city}: {name} {action}");
            assert!(cites(&refusal.clauses, no_right), "{city}: {:?}", refusal.clauses);
        };
        for (action, clause, right, wrong) in TABLE {
            for name in *right {
                let permit = ask(&law, &who(name), action);
                let permit = permit.unwrap_or_else(|why| panic!("{city}: {name} {action}: {why}"));
                assert!(cites(&permit.clauses, clause), "{city}: {:?}", permit.clauses);
            }
            for name in *wrong {
                check_refused(name, action);
            }
        }
        for action in BY_CASE_ALONE {
            for name in ["provider", "authority", "operator", "administrator", "system"] {
                check_refused(name, action);
            }
        }
    }
}
