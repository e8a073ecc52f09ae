//! Who may do what: every command of the room, under the policies of every city.

use std::collections::BTreeSet;

use shuyu_law::{Attribute, Attributes, Request};
use shuyu_store::{Command, Entity};

use super::{AUTHORITY, CITIES, OPERATOR, actor, id, law};
use shuyu_oversight::{Alert, Cut, Destruction, Evaluation, Filing, Notice, Task};

/// An action, whether it is about what belongs to the operator or to nobody yet, who may, and who
/// may not. A name is a role; `operator` is of the operator that it is about, `stranger` of
/// another one, `nobody` of none.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const SUPERVISORS: &[&str] = &["authority", "implementer", "zone_supervisor"];
const OUTSIDERS: &[&str] = &["operator", "stranger", "auditor", "product_user", "nobody"];

const TABLE: &[Row] = &[
    (
        "alert.raise",
        &["authority", "system", "auditor", "provider", "platform_operator"],
        &["operator", "product_user", "nobody"],
    ),
    ("alert.acknowledge", SUPERVISORS, &["operator", "auditor", "provider", "system", "nobody"]),
    ("alert.close", SUPERVISORS, &["operator", "auditor", "provider", "system", "nobody"]),
    ("task.plan", &["authority", "implementer", "system"], OUTSIDERS),
    ("task.remind", &["system"], &["authority", "operator", "nobody"]),
    ("task.lapse", &["system"], &["authority", "operator", "nobody"]),
    ("task.submit", &["operator"], &["stranger", "authority", "auditor", "nobody"]),
    ("task.accept", SUPERVISORS, OUTSIDERS),
    ("task.return", SUPERVISORS, OUTSIDERS),
    ("task.cancel", &["authority", "system"], OUTSIDERS),
    ("evaluation.record", &["authority", "assessor"], OUTSIDERS),
    ("evaluation.answer", SUPERVISORS, OUTSIDERS),
    ("evaluation.finish", SUPERVISORS, OUTSIDERS),
    ("evaluation.object", &["operator"], &["stranger", "authority", "auditor", "nobody"]),
    ("cut.pull", &["authority", "platform_operator", "system"], OUTSIDERS),
    ("cut.effect", &["authority", "platform_operator", "system"], OUTSIDERS),
    ("cut.restore", SUPERVISORS, &["platform_operator", "system", "operator", "nobody"]),
    ("cut.end", SUPERVISORS, &["platform_operator", "system", "operator", "nobody"]),
    (
        "destruction.order",
        &["authority", "provider", "operator", "system"],
        &["auditor", "product_user", "nobody"],
    ),
    ("destruction.approve", &["authority", "provider"], OUTSIDERS),
    ("destruction.refuse", &["authority", "provider"], OUTSIDERS),
    ("destruction.destroy", &["platform_operator", "system"], OUTSIDERS),
    ("destruction.verify", &["platform_operator", "system"], OUTSIDERS),
    ("notice.publish", &["authority", "government"], OUTSIDERS),
    // What is made known is made known to everybody, and everybody may object.
    ("notice.object", &["public", "operator", "stranger", "nobody"], &[]),
    ("notice.answer", &["authority"], OUTSIDERS),
    ("notice.close", &["authority"], OUTSIDERS),
    ("notice.withdraw", &["authority"], OUTSIDERS),
    ("filing.open", &["authority", "operator"], &["auditor", "product_user", "nobody"]),
    ("filing.send", &["authority", "operator"], &["auditor", "product_user", "nobody"]),
    ("filing.receive", &["authority", "operator"], &["auditor", "product_user", "nobody"]),
];

fn names<E: Entity>() -> impl Iterator<Item = String> {
    let commands = <E::Command as Command>::NAMES.iter();
    commands.map(|command| format!("{}.{command}", E::KIND))
}

fn all() -> BTreeSet<String> {
    names::<Alert>()
        .chain(names::<Task>())
        .chain(names::<Evaluation>())
        .chain(names::<Cut>())
        .chain(names::<Destruction>())
        .chain(names::<Notice>())
        .chain(names::<Filing>())
        .collect()
}

fn may(city: &str, who: &str, action: &str, attributes: &Attributes) -> bool {
    let actor = match who {
        "operator" => actor(OPERATOR, 11, &["operator"]),
        "stranger" => actor(OPERATOR + 1, 12, &["operator"]),
        "nobody" => actor(OPERATOR + 2, 13, &[]),
        role => actor(AUTHORITY, 21, &[role]),
    };
    let context = Attributes::new();
    let request =
        Request { actor: &actor, action, resource: "some-1", attributes, context: &context };
    match law(city).authorise(&request) {
        Ok(permit) => {
            assert!(!permit.clauses.is_empty(), "{city}: {action} rests on no clause");
            true
        }
        Err(refusal) => {
            assert!(!refusal.clauses.is_empty(), "{city}: {} cites no clause", refusal.rule);
            false
        }
    }
}

#[test]
fn the_table_speaks_of_every_command_of_the_room() {
    let spoken: BTreeSet<String> = TABLE.iter().map(|(action, ..)| (*action).to_owned()).collect();
    assert_eq!(spoken, all());
}

#[test]
fn every_command_is_permitted_to_whom_it_falls_and_refused_to_others() {
    let text =
        |number: u128| Attribute::Text(id::<shuyu_kernel::OrganisationId>(number).to_string());
    for city in CITIES {
        for (action, right, wrong) in TABLE {
            let mut attributes = Attributes::new();
            if action.starts_with("task.") {
                attributes.insert("owner".to_owned(), text(OPERATOR));
                attributes.insert("owner_role".to_owned(), Attribute::Text("operator".to_owned()));
            }
            if action.starts_with("evaluation.") {
                attributes.insert("operator".to_owned(), text(OPERATOR));
            }
            for who in *right {
                assert!(may(city, who, action, &attributes), "{city}: {who} may not {action}");
            }
            for who in *wrong {
                assert!(!may(city, who, action, &attributes), "{city}: {who} may {action}");
            }
        }
    }
}

#[test]
fn a_task_of_no_one_organisation_is_handed_in_by_whoever_holds_the_role() {
    let attributes: Attributes =
        [("owner_role".to_owned(), Attribute::Text("implementer".to_owned()))].into();
    for city in CITIES {
        assert!(may(city, "implementer", "task.submit", &attributes), "{city}");
        assert!(!may(city, "operator", "task.submit", &attributes), "{city}");
    }
}
