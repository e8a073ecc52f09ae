//! Who may do what in the market: every command, under the policies of every city, and on which
//! clause it is permitted or refused.

#![expect(clippy::expect_used, reason = "helpers of tests")]

use std::{collections::BTreeSet, sync::LazyLock};

use shuyu_kernel::{Actor, Id as _, OrganisationId};
use shuyu_law::{Attribute, Attributes, Law, Permit, Refusal, Request};
use shuyu_market::{Invoice, Posting, Price, Product, Settlement, Subscription};
use shuyu_store::{Command, Entity};
use shuyu_testkit::actor;

const OPERATOR: u128 = 10;
const CONSUMER: u128 = 30;
const ELSEWHERE: u128 = 90;

/// The clause of each city on which whoever has no right is refused.
const CITIES: [(&str, &str); 5] = [
    ("taizhou", "taizhou/4.p3.2"),
    ("changchun", "changchun/7c"),
    ("jingzhou", "jingzhou/28d"),
    ("beijing", "beijing/4b"),
    ("hangzhou", "hangzhou/3.3a"),
];

static LAWS: LazyLock<Vec<Law>> = LazyLock::new(|| {
    CITIES.iter().map(|(city, _)| Law::load(city).expect("the pack loads")).collect()
});

/// An action, the clause on which it is permitted, who may, and who may not.
///
/// `operator` and `consumer` are those whom the product, subscription or invoice concerns;
/// `stranger` and `other_consumer` hold the same roles elsewhere; `insider` is one of the public
/// side within the operator's own organisation. Any other name is a role of somebody else.
type Row = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const TABLE: &[Row] = &[
    ("product.draft", "baseline/6.3", &["operator"], &["stranger", "authority", "nobody"]),
    (
        "product.register",
        "baseline/5",
        &["authority", "implementer"],
        &["stranger", "insider", "product_user", "auditor"],
    ),
    ("product.register", "baseline/6.3", &["operator"], &["stranger", "nobody"]),
    ("product.file", "baseline/6.3", &["operator"], &["stranger", "authority", "nobody"]),
    (
        "product.review",
        "baseline/5",
        &["authority", "platform_operator", "expert_panel"],
        &["operator", "insider", "provider", "product_user", "nobody"],
    ),
    ("product.list", "baseline/5", &["authority"], &["operator", "insider", "product_user"]),
    ("product.suspend", "baseline/5", &["authority"], &["operator", "insider", "auditor"]),
    ("product.resume", "baseline/5", &["authority"], &["operator", "insider", "auditor"]),
    ("product.withdraw", "baseline/5", &["authority"], &["stranger", "insider", "product_user"]),
    ("product.withdraw", "baseline/6.3", &["operator"], &["stranger", "nobody"]),
    ("price.guide", "baseline/6.2", &["authority", "price_authority"], &["operator", "auditor"]),
    ("price.propose", "baseline/6.2", &["operator"], &["stranger", "authority", "nobody"]),
    ("price.file", "baseline/6.2", &["operator", "authority"], &["stranger", "product_user"]),
    ("price.agree", "baseline/6.2", &["authority", "implementer"], &["operator", "auditor"]),
    ("price.set", "baseline/6.2", &["operator", "authority"], &["stranger", "product_user"]),
    (
        "subscription.subscribe",
        "baseline/6.1",
        &["consumer", "provider", "consumer_agency"],
        &["operator", "authority", "administrator", "auditor", "nobody"],
    ),
    (
        "subscription.rotate",
        "baseline/6.1",
        &["consumer"],
        &["operator", "other_consumer", "authority", "administrator"],
    ),
    (
        "subscription.suspend",
        "baseline/6.1",
        &["operator"],
        &["consumer", "stranger", "other_consumer", "auditor"],
    ),
    ("subscription.suspend", "baseline/3", &["authority", "system"], &["provider", "nobody"]),
    ("subscription.resume", "baseline/6.1", &["operator"], &["consumer", "stranger"]),
    ("subscription.resume", "baseline/3", &["authority", "system"], &["provider", "nobody"]),
    (
        "subscription.end",
        "baseline/6.1",
        &["operator", "consumer"],
        &["stranger", "other_consumer", "auditor"],
    ),
    ("subscription.end", "baseline/3", &["authority", "system"], &["provider", "nobody"]),
    ("subscription.bill", "baseline/6.1", &["operator"], &["consumer", "stranger", "authority"]),
    ("invoice.issue", "baseline/6", &["operator"], &["stranger", "consumer", "authority"]),
    (
        "invoice.pay",
        "baseline/6",
        &["operator", "finance"],
        &["stranger", "consumer", "other_consumer"],
    ),
    ("invoice.settle", "baseline/6", &["operator"], &["consumer", "stranger", "authority"]),
    (
        "posting.post",
        "baseline/6",
        &["operator", "platform_operator", "authority", "finance"],
        &["product_user", "provider", "auditor", "administrator", "nobody"],
    ),
    (
        "settlement.share",
        "baseline/6",
        &["operator", "platform_operator", "authority", "finance"],
        &["stranger", "product_user", "provider", "auditor", "administrator", "nobody"],
    ),
    (
        "settlement.pay_out",
        "baseline/6",
        &["operator", "platform_operator", "authority", "finance"],
        &["stranger", "product_user", "provider", "auditor", "administrator", "nobody"],
    ),
];

fn names<E: Entity>() -> impl Iterator<Item = String> {
    let commands = <E::Command as Command>::NAMES.iter();
    commands.map(|command| format!("{}.{command}", E::KIND))
}

fn who(name: &str) -> Actor {
    match name {
        "operator" => actor(11, OPERATOR, &["operator"]),
        "consumer" => actor(31, CONSUMER, &["product_user"]),
        "insider" => actor(12, OPERATOR, &["authority"]),
        "stranger" => actor(91, ELSEWHERE, &["operator"]),
        "other_consumer" => actor(92, ELSEWHERE, &["product_user"]),
        "nobody" => actor(93, ELSEWHERE, &[]),
        role => actor(21, 20, &[role]),
    }
}

fn of(pairs: &[(&str, u128)]) -> Attributes {
    let text = |number: u128| Attribute::Text(OrganisationId::from_u128(number).to_string());
    pairs.iter().map(|(name, number)| ((*name).to_owned(), text(*number))).collect()
}

/// Asks for `action` on something that the operator offers and the consumer uses.
fn ask(law: &Law, actor: &Actor, action: &str, more: &Attributes) -> Result<Permit, Refusal> {
    let attributes = of(&[("operator", OPERATOR), ("consumer", CONSUMER)]);
    let mut context = of(&[("operator", OPERATOR)]);
    context.extend(more.clone());
    law.authorise(&Request {
        actor,
        action,
        resource: "some-1",
        attributes: &attributes,
        context: &context,
    })
}

fn cites(clauses: &[shuyu_law::ClauseId], wanted: &str) -> bool {
    clauses.iter().any(|clause| clause.as_str() == wanted)
}

#[test]
fn the_table_speaks_of_every_command_of_the_room() {
    let spoken: BTreeSet<String> = TABLE.iter().map(|(action, ..)| (*action).to_owned()).collect();
    let all: BTreeSet<String> = names::<Product>()
        .chain(names::<Price>())
        .chain(names::<Subscription>())
        .chain(names::<Invoice>())
        .chain(names::<Posting>())
        .chain(names::<Settlement>())
        .collect();
    assert_eq!(spoken, all);
    assert!(TABLE.iter().all(|(_, _, right, wrong)| !right.is_empty() && !wrong.is_empty()));
}

#[test]
fn every_command_is_permitted_to_whom_it_falls_and_refused_to_others_on_its_clause() {
    for (law, (city, no_right)) in LAWS.iter().zip(CITIES) {
        for (action, clause, right, wrong) in TABLE {
            for name in *right {
                let permit = ask(law, &who(name), action, &Attributes::new());
                let permit = permit.unwrap_or_else(|why| panic!("{city}: {name} {action}: {why}"));
                assert!(cites(&permit.clauses, clause), "{city}: {action} {:?}", permit.clauses);
            }
            for name in *wrong {
                let Err(refusal) = ask(law, &who(name), action, &Attributes::new()) else {
                    panic!("{city}: {name} may {action}")
                };
                assert_eq!(refusal.rule, "not-permitted", "{city}: {name} {action}");
                assert!(cites(&refusal.clauses, no_right), "{city}: {:?}", refusal.clauses);
                assert!(refusal.code.is_some(), "{city}: {name} {action} has no code");
            }
        }
    }
}

#[test]
fn an_operator_does_not_exempt_itself_from_registration() {
    let exempted: Attributes = [("exempted".to_owned(), Attribute::Flag(true))].into();
    for (law, (city, no_right)) in LAWS.iter().zip(CITIES) {
        let refusal = ask(law, &who("operator"), "product.register", &exempted);
        let refusal = refusal.expect_err("it is the public side's to say");
        assert!(cites(&refusal.clauses, no_right), "{city}: {refusal}");
        assert!(ask(law, &who("authority"), "product.register", &exempted).is_ok(), "{city}");
    }
}

#[test]
fn what_a_city_forbids_is_refused_on_its_own_clause_though_the_operator_asks() {
    // A prohibition refuses by its own rule where its policy names one.
    let check = |city: &str, role: &str, forbidden: Option<(&str, &str)>| {
        let law = Law::load(city).expect("the pack loads");
        let both = actor(11, OPERATOR, &["operator", role]);
        for action in ["product.draft", "price.propose"] {
            let outcome = ask(&law, &both, action, &Attributes::new());
            match forbidden {
                Some((rule, clause)) => {
                    let refusal = outcome.expect_err("it is forbidden");
                    assert_eq!(refusal.rule, rule, "{city} {role} {action}");
                    assert!(cites(&refusal.clauses, clause), "{city}: {:?}", refusal.clauses);
                }
                None => assert!(outcome.is_ok(), "{city} {role} {action}"),
            }
        }
    };
    check("hangzhou", "platform_operator", Some(("forbidden-by-policy", "hangzhou/3.1.3b")));
    check("hangzhou", "third_party", Some(("forbidden-by-policy", "hangzhou/3.3f")));
    check("hangzhou", "assessor", None);
    check("jingzhou", "assessor", Some(("not-permitted", "jingzhou/22.p1a")));
    check("jingzhou", "valuer", Some(("not-permitted", "jingzhou/22.p1a")));
    check("jingzhou", "third_party", None);
    check("taizhou", "platform_operator", None);
    check("beijing", "platform_operator", None);

    let law = Law::load("changchun").expect("the pack loads");
    for role in ["sector_authority", "affiliated_body", "provider"] {
        let own = actor(11, OPERATOR, &[role]);
        let refusal = ask(&law, &own, "product.draft", &Attributes::new());
        let refusal = refusal.expect_err("departments sell nothing");
        assert!(cites(&refusal.clauses, "changchun/16a"), "{role}: {:?}", refusal.clauses);
    }
}
