//! What a product is made of, and what it takes until it is on offer.

use crate::testing::*;
use shuyu_kernel::{AgreementId, ContentHash, Id as _, ScenarioId};
use shuyu_market::{
    Product, ProductCommand, ProductDraft, ProductStatus, Registration, Review, Substance,
};
use shuyu_store::Command as _;

const CITIES: [&str; 5] = ["taizhou", "changchun", "jingzhou", "beijing", "hangzhou"];

fn api() -> Substance {
    Substance::Api { template: template() }
}

#[test]
fn every_rule_of_the_room_has_words_and_clauses_in_every_city() {
    for city in CITIES {
        let law = law(city);
        for rule in shuyu_market::RULES {
            let refusal = law.refuse(*rule, &[]);
            assert!(!refusal.clauses.is_empty(), "{city}: {} cites no clause", rule.name());
            assert_ne!(refusal.message.zh, rule.name(), "{city}: {} has no words", rule.name());
        }
    }
}

#[test]
fn a_product_is_made_of_released_content_under_an_agreement_for_an_approved_scenario() {
    let law = law("hangzhou");
    let check = |change: fn(&mut ProductDraft), expected: Result<ProductStatus, &str>| {
        let mut draft = draft(api());
        change(&mut draft);
        let command = ProductCommand::Draft(Box::new(draft));
        let outcome = act::<Product>(&law, &operator(), None, command);
        let expected = expected.map_err(str::to_owned);
        assert_eq!(outcome.map(|product| product.status), expected);
    };
    check(|_| {}, Ok(ProductStatus::Draft));
    check(|d| d.content = ContentHash::of(b"other"), Err("product-content-is-released"));
    check(|d| d.release.content = None, Err("product-content-is-released"));
    check(|d| d.agreement.is_active = false, Err("product-agreement-active"));
    check(|d| d.agreement.operator = organisation(99), Err("product-by-operator-of-agreement"));
    check(|d| d.scenario.is_approved = false, Err("product-scenario-approved"));
    check(|d| d.release.scenario = ScenarioId::from_u128(9), Err("product-scenario-approved"));
    check(|d| d.release.agreement = AgreementId::from_u128(9), Err("product-scenario-approved"));
    check(|d| d.form = "oracle".to_owned(), Err("product-form-known"));
    check(
        |d| {
            let mut template = template();
            template.columns.clear();
            d.substance = Substance::Api { template };
        },
        Err("product-api-well-formed"),
    );
}

#[test]
fn each_city_asks_for_its_own_steps_before_a_product_is_on_offer() {
    // Without the step of this name, the offer is refused by this rule; `None`: not asked for.
    let check = |city: &str, step: &str, expected: Option<&str>| {
        let law = law(city);
        let command = ProductCommand::Draft(Box::new(draft(api())));
        let mut product = act::<Product>(&law, &operator(), None, command).expect("drafted");
        let mut outcome = Ok(());
        for command in steps_to_offer().into_iter().filter(|command| command.name() != step) {
            match act(&law, &operator(), Some(&product), command) {
                Ok(next) => product = next,
                Err(rule) => outcome = Err(rule),
            }
        }
        assert_eq!(outcome.err().as_deref(), expected, "{city} without {step}");
        assert_eq!(product.is_on_offer(), expected.is_none(), "{city} without {step}");
    };
    for city in CITIES {
        check(city, "nothing", None);
    }
    check("hangzhou", "register", Some("product-step-in-order"));
    check("taizhou", "register", Some("product-step-in-order"));
    check("hangzhou", "review", Some("product-reviewed-by-all"));
    check("jingzhou", "review", None);
    check("beijing", "file", Some("product-filing-complete"));
    check("changchun", "file", None);
}

#[test]
fn the_venue_of_the_pack_is_used_or_an_exemption_states_its_reason() {
    let check = |city: &str, venue: Option<&str>, exemption: Option<&str>, expected: bool| {
        let law = law(city);
        let command = ProductCommand::Draft(Box::new(draft(api())));
        let product = act::<Product>(&law, &operator(), None, command).expect("drafted");
        let registration = Registration {
            venue: venue.map(str::to_owned),
            number: "R-1".to_owned(),
            exemption: exemption.map(str::to_owned),
        };
        let command = ProductCommand::Register(registration);
        let outcome = act(&law, &operator(), Some(&product), command);
        assert_eq!(outcome.is_ok(), expected, "{city} {venue:?} {exemption:?}");
    };
    check("hangzhou", Some("exchange"), None, true);
    check("hangzhou", None, None, false);
    check("hangzhou", Some("elsewhere"), None, false);
    check("hangzhou", None, Some("a pilot"), true);
    check("hangzhou", None, Some(" "), false);
    check("taizhou", None, None, true);
}

#[test]
fn a_review_is_by_somebody_else_in_their_role_and_binds_to_the_content() {
    let law = law("hangzhou");
    let command = ProductCommand::Draft(Box::new(draft(api())));
    let product = act::<Product>(&law, &operator(), None, command).expect("drafted");
    let check = |who: &shuyu_kernel::Actor, role: &str, content: &[u8], expected: Option<&str>| {
        let review = Review {
            role: role.to_owned(),
            reviewer: who.person,
            organisation: who.organisation,
            content: ContentHash::of(content),
            passed: true,
            opinion: String::new(),
        };
        let command = ProductCommand::Review { review, by_case: false };
        let outcome = act(&law, who, Some(&product), command);
        assert_eq!(outcome.err().as_deref(), expected);
    };
    check(&authority(), "authority", TABLE, None);
    check(&authority(), "expert_panel", TABLE, Some("product-reviewed-by-all"));
    check(&authority(), "authority", b"other", Some("product-review-binds-content"));
    check(&operator(), "operator", TABLE, Some("product-author-does-not-review"));
    let colleague = actor(OPERATOR, 12, &["authority"]);
    check(&colleague, "authority", TABLE, Some("product-author-does-not-review"));
}

#[test]
fn a_failed_review_keeps_a_product_from_the_offer_even_where_none_is_asked_for() {
    let law = law("jingzhou");
    let command = ProductCommand::Draft(Box::new(draft(api())));
    let mut product = act::<Product>(&law, &operator(), None, command).expect("drafted");
    let mut rule = None;
    for mut command in steps_to_offer() {
        if let ProductCommand::Review { review, .. } = &mut command {
            review.passed = false;
        }
        match act(&law, &operator(), Some(&product), command) {
            Ok(next) => product = next,
            Err(refused) => rule = Some(refused),
        }
    }
    assert_eq!(rule.as_deref(), Some("product-reviewed-by-all"));
    assert_eq!(product.status, ProductStatus::Registered);
}

#[test]
fn only_what_is_on_offer_is_suspended_and_what_is_withdrawn_stays_withdrawn() {
    let law = law("taizhou");
    let listed = product(&law, api());
    let suspend = || ProductCommand::Suspend { reason: "a breach".to_owned() };
    let withdraw = || ProductCommand::Withdraw { reason: "the end".to_owned() };
    let suspended = act(&law, &authority(), Some(&listed), suspend()).expect("suspended");
    assert!(!suspended.is_on_offer());
    assert_eq!(
        act(&law, &authority(), Some(&suspended), suspend()),
        Err("product-step-in-order".to_owned())
    );
    let resume = |agreement_is_active| ProductCommand::Resume { agreement_is_active };
    let early = act(&law, &authority(), Some(&suspended), resume(false));
    assert_eq!(early, Err("product-agreement-active".to_owned()));
    let resumed = act(&law, &authority(), Some(&suspended), resume(true));
    assert_eq!(resumed.as_ref().map(Product::is_on_offer), Ok(true));
    let withdrawn = act(&law, &operator(), Some(&suspended), withdraw()).expect("withdrawn");
    for command in [resume(true), withdraw(), suspend()] {
        assert!(act(&law, &authority(), Some(&withdrawn), command).is_err());
    }
}
