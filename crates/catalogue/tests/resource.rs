//! A resource's life under the cities' own packs.
#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::collections::BTreeSet;

use chrono::DateTime;
use shuyu_catalogue::{
    Resource,
    resource::{Command, Description, Field, FieldRole, Subject, SubjectKind},
};
use shuyu_kernel::{Actor, CaseId, ContentHash, Id as _, OrganisationId, PersonId};
use shuyu_law::Law;
use shuyu_store::{Context, Entity as _};

fn actor(organisation: u128) -> Actor {
    Actor {
        person: PersonId::from_u128(1),
        organisation: OrganisationId::from_u128(organisation),
        roles: ["provider".into()].into(),
    }
}

fn described() -> Description {
    let field = |name: &str, role| Field {
        name: name.to_owned(),
        meaning: "what it says".to_owned(),
        kind: "text".to_owned(),
        role,
        classification: String::new(),
        required: false,
    };
    Description {
        name: "admissions".to_owned(),
        title: "Admissions".to_owned(),
        fields: vec![field("id", FieldRole::Identifier), field("age", FieldRole::Dimension)],
        subject: Some(Subject { kind: SubjectKind::NaturalPerson, key: "id".to_owned() }),
        level: 2,
        sharing_class: Some("conditional".to_owned()),
        opening_class: Some("not_opened".to_owned()),
        not_shared_basis: None,
        update_cycle: "daily".to_owned(),
        source_system: "hospital".to_owned(),
        origin: None,
        excluded: BTreeSet::new(),
    }
}

fn decide(
    state: Option<&Resource>,
    command: Command,
    city: &str,
    organisation: u128,
) -> Result<Option<Resource>, String> {
    let law = Law::load(city).expect("a pack");
    let actor = actor(organisation);
    let ctx = Context { now: DateTime::UNIX_EPOCH, actor: &actor, law: &law };
    Resource::decide(state, command, &ctx)
        .map(|events| events.iter().fold(state.cloned(), Resource::evolve))
        .map_err(|refusal| {
            assert!(!refusal.clauses.is_empty(), "{} cites nothing", refusal.rule);
            refusal.rule
        })
}

fn check(city: &str, change: impl FnOnce(&mut Description), expected: Option<&str>) {
    let mut description = described();
    change(&mut description);
    let answer = decide(None, Command::Register(Box::new(description)), city, 7);
    assert_eq!(answer.err().as_deref(), expected, "{city}");
}

#[test]
fn a_description_is_whole_and_within_the_lists_of_the_city() {
    for city in ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"] {
        check(city, |_| {}, None);
        check(city, |d| d.level = 9, Some("resource-level"));
        check(city, |d| d.name.clear(), Some("resource-described"));
        check(city, |d| d.fields.clear(), Some("resource-described"));
        check(city, |d| d.fields.push(d.fields[0].clone()), Some("resource-described"));
    }
    check("jingzhou", |d| d.sharing_class = None, Some("resource-sharing-class"));
    check("jingzhou", |d| d.opening_class = Some("x".into()), Some("resource-opening-class"));
    check("hangzhou", |d| d.sharing_class = None, None);
    let not_shared = |d: &mut Description| d.sharing_class = Some("not_shared".into());
    check("jingzhou", not_shared, Some("resource-not-shared-basis"));
    let with_basis = |d: &mut Description| {
        d.sharing_class = Some("not_shared".into());
        d.not_shared_basis = Some("law".into());
    };
    check("jingzhou", with_basis, None);
    let secret = |d: &mut Description| d.excluded = ["state_secret".to_owned()].into();
    check("taizhou", secret, Some("resource-not-excluded"));
    check("jingzhou", secret, Some("resource-not-excluded"));
    check("beijing", secret, None);
    let no_key = |d: &mut Description| d.subject.as_mut().unwrap().key = "age".into();
    check("hangzhou", no_key, Some("resource-subject-key"));
    check("jingzhou", no_key, Some("resource-required-identifier"));
}

#[test]
fn a_resource_is_published_as_it_was_reviewed_and_by_nobody_elses_change() {
    let city = "hangzhou";
    let go = |state: &Resource, command| decide(Some(state), command, city, 7);
    let registered = decide(None, Command::Register(Box::new(described())), city, 7);
    let draft = registered.unwrap().unwrap();
    let case = CaseId::from_u128(1);
    let content = draft.description.content();

    let publish = |content| Command::Publish { case, content };
    assert_eq!(go(&draft, publish(content)).unwrap_err(), "resource-state");
    let theirs = decide(Some(&draft), Command::Submit, city, 8);
    assert_eq!(theirs.unwrap_err(), "resource-of-provider");

    let submitted = go(&draft, Command::Submit).unwrap().unwrap();
    let amended = Command::Amend(Box::new(described()));
    assert_eq!(go(&submitted, amended.clone()).unwrap_err(), "resource-state");
    let other = publish(ContentHash::of(b"other"));
    assert_eq!(go(&submitted, other).unwrap_err(), "resource-review-binds-content");
    let silent = Command::Return { reason: " ".into() };
    assert_eq!(go(&submitted, silent).unwrap_err(), "resource-reason-given");

    let published = go(&submitted, publish(content)).unwrap().unwrap();
    assert_eq!(published.status.name(), "published");
    let changed = go(&published, amended).unwrap().unwrap();
    assert_eq!(changed.status.name(), "changed");
    assert!(changed.published.is_some(), "what is published stays while a change waits");

    let retire = Command::Retire { reason: "replaced".into() };
    let retired = go(&published, retire).unwrap().unwrap();
    assert_eq!(go(&retired, Command::Submit).unwrap_err(), "resource-state");
}
