//! Subscriptions, their keys, terms and quotas.

use crate::testing::*;
use proptest::prelude::*;
use shuyu_kernel::{Fen, Id as _, InvoiceId, ProductId, SeededEntropy};
use shuyu_market::{
    Amount, Charge, ChargeUnit, KeyHash, OfferFacts, Price, Proposal, Subscription,
    SubscriptionCommand, SubscriptionOrder, Substance,
};
use shuyu_store::Context;

fn offer(law: &shuyu_law::Law) -> OfferFacts {
    let price = Price {
        product: ProductId::from_u128(1),
        operator: Some(organisation(OPERATOR)),
        guide: None,
        proposal: None,
        current: Some((
            Proposal {
                amount: Amount { unit: ChargeUnit::Call, fen: Fen(7) },
                basis: "cost".to_owned(),
                method: None,
                filed: None,
                agreed: None,
            },
            now(),
        )),
    };
    OfferFacts {
        id: ProductId::from_u128(1),
        product: product(law, Substance::Api { template: template() }),
        price: Some(price),
        agreement_is_in_operation: true,
    }
}

fn order(purpose: &str) -> SubscriptionOrder {
    SubscriptionOrder {
        purpose: purpose.to_owned(),
        statement: "to plan clinics".to_owned(),
        quota: Some(2),
        until: Some("2025-12-31".parse().expect("a day")),
        no_resale: true,
    }
}

fn key() -> KeyHash {
    KeyHash::of("sk-test")
}

fn subscribe(
    city: &str,
    who: &shuyu_kernel::Actor,
    change: fn(&mut OfferFacts, &mut SubscriptionOrder),
) -> Result<Subscription, String> {
    let law = law(city);
    let (mut offer, mut order) = (offer(&law), order("industrial_development"));
    change(&mut offer, &mut order);
    let command =
        SubscriptionCommand::Subscribe { offer: Box::new(offer), order, key: Some(key()) };
    act(&law, who, None, command)
}

#[test]
fn a_subscription_needs_an_offer_a_purpose_and_a_price() {
    let check = |change: fn(&mut OfferFacts, &mut SubscriptionOrder), expected: Option<&str>| {
        let outcome = subscribe("taizhou", &consumer(), change);
        assert_eq!(outcome.err().as_deref(), expected);
    };
    check(|_, _| {}, None);
    check(
        |o, _| o.product.status = shuyu_market::ProductStatus::Suspended,
        Some("subscription-product-on-offer"),
    );
    check(|o, _| o.price = None, Some("subscription-product-on-offer"));
    check(|o, _| o.agreement_is_in_operation = false, Some("subscription-product-on-offer"));
    check(|_, s| s.purpose.clear(), Some("subscription-purpose-declared"));
    check(|_, s| s.statement.clear(), Some("subscription-purpose-declared"));
    check(|_, s| s.purpose = "curiosity".to_owned(), Some("subscription-purpose-permitted"));
    check(
        |_, s| s.purpose = "re_identification".to_owned(),
        Some("subscription-purpose-permitted"),
    );
    check(
        |o, _| o.product.purposes = ["public_welfare".to_owned()].into(),
        Some("subscription-purpose-permitted"),
    );
    assert_eq!(
        subscribe("taizhou", &operator(), |_, _| {}).err().as_deref(),
        Some("subscription-by-consumer")
    );
}

#[test]
fn the_price_of_a_subscription_is_the_one_in_force_or_none_by_law() {
    let paid = subscribe("taizhou", &consumer(), |_, _| {}).expect("subscribed");
    assert_eq!(paid.charge.fen(), Fen(7));
    let free = subscribe("taizhou", &consumer(), |_, s| s.purpose = "public_welfare".to_owned());
    assert!(
        matches!(free.expect("subscribed").charge, Charge::Free { reason, .. } if reason == "public_welfare")
    );
}

#[test]
fn free_use_meets_the_conditions_that_the_city_lists() {
    let check =
        |city, change: fn(&mut OfferFacts, &mut SubscriptionOrder), expected: Option<&str>| {
            assert_eq!(subscribe(city, &consumer(), change).err().as_deref(), expected, "{city}");
        };
    let rule = Some("subscription-free-use-conditions");
    check("changchun", |_, s| s.purpose = "public_welfare".to_owned(), None);
    check("changchun", |_, s| (s.purpose, s.until) = ("public_welfare".to_owned(), None), rule);
    check("changchun", |_, s| (s.purpose, s.quota) = ("public_welfare".to_owned(), None), rule);
    check(
        "changchun",
        |_, s| (s.purpose, s.no_resale) = ("public_welfare".to_owned(), false),
        rule,
    );
    check("taizhou", |_, s| (s.purpose, s.quota) = ("public_welfare".to_owned(), None), None);
}

#[test]
fn a_use_needs_an_active_subscription_its_key_its_term_and_its_quota() {
    let law = law("taizhou");
    let active = subscribe("taizhou", &consumer(), |_, _| {}).expect("subscribed");
    let caller = consumer();
    let listed = product(&law, Substance::Api { template: template() });
    let check = |subscription: &Subscription, at: &str, operates: bool, expected: Option<&str>| {
        let ctx = Context { now: at.parse().expect("an instant"), actor: &caller, law: &law };
        let outcome = subscription.check_use(&listed, operates, &ctx);
        assert_eq!(outcome.err().map(|refusal| refusal.rule).as_deref(), expected, "{at}");
    };
    check(&active, "2025-03-04T00:00:00Z", true, None);
    check(&active, "2025-03-04T00:00:00Z", false, Some("use-under-active-subscription"));
    check(&active, "2025-12-31T15:59:59Z", true, None);
    check(&active, "2025-12-31T16:00:00Z", true, Some("use-under-active-subscription"));
    let ctx = Context { now: now(), actor: &caller, law: &law };
    let mut suspended = listed.clone();
    suspended.status = shuyu_market::ProductStatus::Suspended;
    let outcome = active.check_use(&suspended, true, &ctx).map_err(|refusal| refusal.rule);
    assert_eq!(outcome, Err("use-under-active-subscription".to_owned()));
    let spent = active.spent(2, &ctx);
    assert_eq!(
        (spent.rule.as_str(), spent.detail.as_deref()),
        ("use-within-quota", Some("all 2 are used"))
    );
    let suspend = SubscriptionCommand::Suspend { reason: "a breach".to_owned() };
    let suspended = act(&law, &authority(), Some(&active), suspend).expect("suspended");
    check(&suspended, "2025-03-04T00:00:00Z", true, Some("use-under-active-subscription"));
    let resume = |product_is_listed| SubscriptionCommand::Resume { product_is_listed };
    let early = act(&law, &operator(), Some(&suspended), resume(false));
    assert_eq!(early, Err("subscription-product-on-offer".to_owned()));
    let resumed = act(&law, &authority(), Some(&suspended), resume(true));
    check(&resumed.expect("resumed"), "2025-03-04T00:00:00Z", true, None);

    let ctx = Context { now: now(), actor: &caller, law: &law };
    assert!(active.check_key(&key(), &ctx).is_ok());
    assert!(active.check_key(&KeyHash::of("sk-guess"), &ctx).is_err());
    let rotated = act(
        &law,
        &consumer(),
        Some(&active),
        SubscriptionCommand::Rotate { key: KeyHash::of("sk-new") },
    )
    .expect("rotated");
    assert!(rotated.check_key(&key(), &ctx).is_err());
    assert!(rotated.check_key(&KeyHash::of("sk-new"), &ctx).is_ok());
}

#[test]
fn a_key_is_random_and_only_its_digest_is_kept() {
    let entropy = SeededEntropy::new(7);
    let (first, hash) = KeyHash::issue(&entropy);
    let (second, _) = KeyHash::issue(&entropy);
    assert_ne!(first, second);
    assert_eq!(first.len(), 3 + 64);
    assert!(hash.is(&KeyHash::of(&first)));
    assert!(!hash.is(&KeyHash::of(&second)));
    let kept = serde_json::to_string(&hash).expect("is written");
    assert!(!kept.contains(first.trim_start_matches("sk-")));
}

#[test]
fn what_has_ended_never_begins_again() {
    let law = law("taizhou");
    let active = subscribe("taizhou", &consumer(), |_, _| {}).expect("subscribed");
    let end = SubscriptionCommand::End { reason: "enough".to_owned() };
    let ended = act(&law, &consumer(), Some(&active), end).expect("ended");
    let suspend = SubscriptionCommand::Suspend { reason: "a breach".to_owned() };
    let resume = SubscriptionCommand::Resume { product_is_listed: true };
    for command in [resume, suspend] {
        let rule = act(&law, &authority(), Some(&ended), command).expect_err("refused");
        assert_eq!(rule, "subscription-step-in-order");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_use_is_counted_exactly_once(uses in prop::collection::vec(0_u64..5, 1..12)) {
        let law = law("taizhou");
        let mut subscription = subscribe("taizhou", &consumer(), |_, _| {}).unwrap();
        let (mut total, mut counted) = (0, 0);
        for (month, more) in uses.into_iter().enumerate() {
            total += more;
            let at = now() + chrono::Duration::days(30 * (i64::try_from(month).unwrap() + 1));
            let before = subscription.billed;
            let command = SubscriptionCommand::Bill { invoice: InvoiceId::from_u128(1), total, until: at };
            match act_at(&law, &operator(), at, Some(&subscription), command.clone()) {
                Ok(after) => {
                    counted += after.billed - before;
                    let again = act_at(&law, &operator(), at, Some(&after), command);
                    prop_assert_eq!(again, Err("use-counted-once".to_owned()));
                    subscription = after;
                }
                Err(rule) => {
                    prop_assert_eq!(rule, "use-counted-once");
                    prop_assert_eq!(more, 0);
                }
            }
        }
        prop_assert_eq!(counted, total);
    }
}

#[test]
fn a_period_ends_neither_in_the_future_nor_before_one_that_is_invoiced() {
    let law = law("taizhou");
    let subscription = subscribe("taizhou", &consumer(), |_, _| {}).expect("subscribed");
    for until in [now() + chrono::Duration::seconds(1), now() - chrono::Duration::seconds(1)] {
        let command =
            SubscriptionCommand::Bill { invoice: InvoiceId::from_u128(1), total: 3, until };
        assert_eq!(
            act(&law, &operator(), Some(&subscription), command),
            Err("use-counted-once".to_owned())
        );
    }
}
