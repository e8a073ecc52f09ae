//! What a suspended or ended agreement still sells, and how what it earned is shared.

use chrono::Duration;
use shuyu_kernel::Fen;
use shuyu_market::{Account, Beneficiary, Product, Subscription, SubscriptionCommand};
use shuyu_server::app::TradeError;
use shuyu_store::Filter;

use crate::town::{Town, api, north, order, refused};

#[tokio::test]
async fn a_suspended_agreement_sells_nothing_and_what_it_earned_is_shared_once() {
    let town = Town::new("hangzhou").await;
    let app = &town.app;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (id, key) = town.subscription(product, None).await;
    for _ in 0..3 {
        app.call(id, &key, &north()).await.expect("answered");
    }
    app.cut(&town.officer(), agreement, "incident", "a leak").await.expect("cut");
    assert!(matches!(app.call(id, &key, &north()).await, Err(TradeError::Act(_))));
    let more = app.subscribe(&town.buyer(), product, order(None)).await;
    assert_eq!(refused(more), "subscription-product-on-offer");
    // Not even when the operator takes its own subscription up again.
    let resume = SubscriptionCommand::Resume { product_is_listed: true };
    let resumed = app.desk().act::<Subscription>(&town.analyst(), id, resume).await;
    resumed.expect("the operator may");
    assert!(matches!(app.call(id, &key, &north()).await, Err(TradeError::Act(_))));

    // Earlier uses are invoiced, paid and shared, three to one, to the fen.
    town.clock.advance(Duration::seconds(1));
    let nothing_paid = app.settle(&town.officer(), agreement).await;
    assert_eq!(refused(nothing_paid), "settlement-invoices-paid");
    let (invoice, issued) = app.invoice(&town.analyst(), id).await.expect("invoiced");
    assert_eq!(issued.total, Fen(21));
    let unpaid = app.settle(&town.officer(), agreement).await;
    assert_eq!(refused(unpaid), "settlement-invoices-paid");
    app.pay(&town.analyst(), invoice, "bank 1").await.expect("paid");
    let (_, settlement) = app.settle(&town.officer(), agreement).await.expect("shared");
    let parts: Vec<_> = settlement.parts.iter().map(|part| part.amount.0).collect();
    assert_eq!((settlement.proceeds, parts), (Fen(21), vec![16, 5]));
    let again = app.settle(&town.officer(), agreement).await;
    assert_eq!(refused(again), "settlement-invoices-paid");
    let twice = app.pay(&town.analyst(), invoice, "bank 1").await;
    assert_eq!(refused(twice), "invoice-step-in-order");

    let balance = app.trial_balance().await.expect("reads");
    assert_eq!(balance.total(), 0);
    assert_eq!(balance.fen(&Account::Revenue { agreement }), 0);
    assert_eq!(balance.fen(&Account::Cash), 21);
    let due = |id| Account::Payable { to: Beneficiary::Organisation { id } };
    assert_eq!(balance.fen(&due(town.operator)), -16);
    assert_eq!(balance.fen(&due(town.authority)), -5);
}

#[tokio::test]
async fn an_agreement_that_has_expired_sells_nothing_before_the_clock_is_looked_at_or_after() {
    let town = Town::new("hangzhou").await;
    let app = &town.app;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (id, key) = town.subscription(product, None).await;
    app.call(id, &key, &north()).await.expect("answered");
    let expires_at = app.agreement(agreement).await.expect("reads").expires_at;
    town.clock.advance_to(expires_at + Duration::seconds(1));
    for ticked in [false, true] {
        assert!(app.call(id, &key, &north()).await.is_err(), "{ticked}");
        let more = app.subscribe(&town.buyer(), product, order(None)).await;
        assert_eq!(refused(more), "subscription-product-on-offer", "{ticked}");
        if !ticked {
            assert_eq!(app.tick().await.expect("ticks").expired, [agreement]);
        }
    }
    // What was used before is invoiced and shared all the same.
    let (invoice, issued) = app.invoice(&town.analyst(), id).await.expect("invoiced");
    assert_eq!((issued.lines[0].count, issued.total), (1, Fen(7)));
    app.pay(&town.analyst(), invoice, "bank 1").await.expect("paid");
    let (_, settlement) = app.settle(&town.officer(), agreement).await.expect("shared");
    assert_eq!(settlement.parts.iter().map(|part| part.amount.0).sum::<i64>(), 7);
}

#[tokio::test]
async fn what_was_suspended_for_a_reason_of_its_own_is_not_restored_with_the_agreement() {
    let town = Town::new("hangzhou").await;
    let app = &town.app;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (breach, breach_key) = town.subscription(product, None).await;
    let (other, other_key) = town.subscription(product, None).await;
    let suspend = SubscriptionCommand::Suspend { reason: "sold on".to_owned() };
    app.desk().act::<Subscription>(&town.analyst(), breach, suspend).await.expect("suspended");

    app.cut(&town.officer(), agreement, "incident", "a leak").await.expect("cut");
    restore(&town, agreement).await;
    assert!(app.call(other, &other_key, &north()).await.is_ok(), "this one is restored");
    assert!(app.call(breach, &breach_key, &north()).await.is_err(), "this one is not");
    let (_, state) = app.desk().find::<Subscription>(breach).await.expect("reads").expect("there");
    assert_eq!(state.suspended_for.as_deref(), Some("sold on"));
    let (_, sold) = app.desk().find::<Product>(product).await.expect("reads").expect("there");
    assert_eq!((sold.status.name(), sold.suspended_for), ("listed", None));
}

#[tokio::test]
async fn what_is_opened_while_an_agreement_is_cut_does_not_outlive_the_cut() {
    let town = Town::new("hangzhou").await;
    let app = &town.app;
    let (officer, buyer) = (town.officer(), town.buyer());
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let begin = (0..8).map(|_| app.subscribe(&buyer, product, order(None)));
    let (cut, opened) = tokio::join!(
        app.cut(&officer, agreement, "incident", "a leak"),
        futures::future::join_all(begin),
    );
    cut.expect("cut");
    for (id, key) in opened.into_iter().flatten() {
        let key = key.expect("an API has a key");
        assert!(app.call(id, &key, &north()).await.is_err(), "{id} is open");
    }
    let open = app.desk().list::<Subscription>(&Filter::status("active")).await.expect("reads");
    assert!(open.is_empty(), "{open:?}");
}

/// Restores by the city's own procedure of rectification.
async fn restore(town: &Town, agreement: shuyu_kernel::AgreementId) {
    let given = serde_json::Map::from_iter([
        ("agreement".to_owned(), serde_json::json!(agreement)),
        ("assessment".to_owned(), serde_json::json!("corrected")),
    ]);
    let opened = town
        .app
        .open_case(&town.officer(), "rectification", "rectify", None, Some(agreement))
        .await
        .expect("opened");
    let view = town.walk(opened.id, "", &given).await;
    assert!(view.end.is_some());
    let status = town.app.agreement(agreement).await.expect("reads").status;
    assert_eq!(status.name(), "active");
}

#[tokio::test]
async fn a_product_that_is_free_by_law_is_counted_and_nothing_is_owed_for_it() {
    let town = Town::new("taizhou").await;
    let app = &town.app;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let law = app.law();
    let free = law.parameter("free_use").and_then(|uses| uses.value.as_array().cloned());
    let purpose = free
        .into_iter()
        .flatten()
        .find(|entry| entry.get("by").and_then(serde_json::Value::as_str) == Some("purpose"))
        .and_then(|entry| Some(entry.get("id")?.as_str()?.to_owned()))
        .expect("the city has a purpose that is free");
    let mut order = order(Some(10));
    order.purpose = purpose;
    order.until = Some(town.today() + Duration::days(100));
    let (id, key) = app.subscribe(&town.buyer(), product, order).await.expect("subscribed");
    let key = key.expect("a key");
    for _ in 0..4 {
        app.call(id, &key, &north()).await.expect("answered");
    }
    town.clock.advance(Duration::seconds(1));
    let (invoice, counted) = app.invoice(&town.analyst(), id).await.expect("counted");
    assert_eq!((counted.lines[0].count, counted.total), (4, Fen(0)));
    assert!(counted.lines[0].free.is_some(), "the reason stands on it");
    let paid = app.pay(&town.analyst(), invoice, "bank 1").await;
    assert_eq!(refused(paid), "invoice-step-in-order");
    let (_, settlement) = app.settle(&town.officer(), agreement).await.expect("shared");
    assert!(settlement.parts.iter().all(|part| part.amount == Fen(0)));
    let balance = app.trial_balance().await.expect("reads");
    assert_eq!(balance.rows().count(), 0, "nothing was posted");
}
