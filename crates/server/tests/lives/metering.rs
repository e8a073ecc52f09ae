//! Quotas are exact and every use is billed once, however many use a product at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::Duration;
use shuyu_kernel::Fen;
use shuyu_market::{Account, Invoice, Subscription, Substance};
use shuyu_server::app::TradeError;
use shuyu_store::{ActError, Filter, StreamId, Trail};

use crate::town::{FEN, Town, api, north, refused};

fn rule<T>(outcome: Result<T, TradeError>) -> String {
    match outcome {
        Ok(_) => "nothing".to_owned(),
        Err(TradeError::Act(error)) => refused::<T>(Err(error)),
        Err(other) => panic!("{other}"),
    }
}

/// How often an act stands in the log of a subscription.
async fn noted(town: &Town, id: shuyu_kernel::SubscriptionId, act: &str) -> usize {
    let trail = Trail { act: Some(act.to_owned()), ..Trail::of(StreamId::of::<Subscription>(id)) };
    town.app.desk().entries(&trail).await.expect("reads").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_parallel_calls_exactly_the_quota_is_answered() {
    const QUOTA: u64 = 40;
    const CALLS: usize = 200;
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (id, key) = town.subscription(product, Some(QUOTA)).await;
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let (app, key) = (town.app.clone(), key.clone());
            tokio::spawn(async move { app.call(id, &key, &north()).await })
        })
        .collect();
    let (mut answered, mut spent) = (0, 0);
    for call in calls {
        match call.await.expect("it ran") {
            Ok(answer) => {
                assert_eq!(answer.rows.len(), 2);
                answered += 1;
            }
            outcome @ Err(_) => {
                assert_eq!(rule(outcome), "use-within-quota");
                spent += 1;
            }
        }
    }
    assert_eq!((answered, spent), (40, 160));
    assert_eq!(noted(&town, id, "subscription.use").await, 40);
    assert_eq!(noted(&town, id, "subscription.refuse_use").await, 160);
    assert_eq!(rule(town.app.call(id, &key, &north()).await), "use-within-quota");

    // What was refused is not invoiced.
    town.clock.advance(Duration::seconds(1));
    let (_, invoice) = town.app.invoice(&town.analyst(), id).await.expect("invoiced");
    assert_eq!((invoice.lines[0].count, invoice.total), (QUOTA, Fen(280)));
    assert!(town.app.verify().await.expect("reads").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_of_downloads_is_exact_too_and_each_subscription_has_its_own() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, Substance::Package).await;
    let (one, _) = town.subscription(product, Some(3)).await;
    let (other, _) = town.subscription(product, Some(5)).await;
    let downloads: Vec<_> = (0..24)
        .map(|number| {
            let (app, buyer) = (town.app.clone(), town.buyer());
            let id = if number % 2 == 0 { one } else { other };
            tokio::spawn(async move { (id, app.download(&buyer, id).await.is_ok()) })
        })
        .collect();
    let mut delivered = [0, 0];
    for download in downloads {
        let (id, is_ok) = download.await.expect("it ran");
        delivered[usize::from(id == other)] += usize::from(is_ok);
    }
    assert_eq!(delivered, [3, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_use_is_billed_exactly_once_while_calls_go_on() {
    const CALLERS: u64 = 8;
    const EACH: u64 = 40;
    let town = Arc::new(Town::new("hangzhou").await);
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (id, key) = town.subscription(product, None).await;
    let left = Arc::new(AtomicU64::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (town, key, left) = (Arc::clone(&town), key.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                for _ in 0..EACH {
                    town.app.call(id, &key, &north()).await.expect("answered");
                    town.clock.advance(Duration::microseconds(10));
                }
                left.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    // Two bill at the same time, as fast as they can, until the calls end.
    let billers: Vec<_> = (0..2)
        .map(|_| {
            let (town, left) = (Arc::clone(&town), Arc::clone(&left));
            tokio::spawn(async move {
                let mut counts = Vec::new();
                while left.load(Ordering::SeqCst) > 0 {
                    match town.app.invoice(&town.analyst(), id).await {
                        Ok((_, invoice)) => counts.push(invoice.lines[0].count),
                        Err(ActError::Refused(refusal)) => {
                            assert_eq!(refusal.rule, "use-counted-once");
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                counts
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("it ran");
    }
    let mut counts = Vec::new();
    for biller in billers {
        counts.extend(biller.await.expect("it ran"));
    }
    town.clock.advance(Duration::seconds(1));
    match town.app.invoice(&town.analyst(), id).await {
        Ok((_, last)) => counts.push(last.lines[0].count),
        Err(error) => assert_eq!(refused::<()>(Err(error)), "use-counted-once"),
    }
    let uses = CALLERS * EACH;
    assert_eq!(counts.iter().sum::<u64>(), uses, "{counts:?}");
    assert!(counts.len() > 1, "billed while calls went on: {counts:?}");
    assert_eq!(noted(&town, id, "subscription.use").await as u64, uses);

    let invoices = town.app.desk().list::<Invoice>(&Filter::default()).await.expect("reads");
    let total: i64 = invoices.iter().map(|(_, invoice)| invoice.total.0).sum();
    assert_eq!((invoices.len(), total), (counts.len(), i64::try_from(uses).expect("few") * FEN));
    let mut periods: Vec<_> = invoices.iter().map(|(_, it)| (it.from, it.until)).collect();
    periods.sort_unstable();
    assert!(periods.windows(2).all(|pair| pair[0].1 == pair[1].0), "periods follow one another");
    let balance = town.app.trial_balance().await.expect("reads");
    assert_eq!(balance.fen(&Account::Revenue { agreement }), -i128::from(total));
    assert_eq!(balance.total(), 0);
    assert!(town.app.verify().await.expect("reads").is_empty());
}

#[tokio::test]
async fn a_use_needs_the_key_the_organisation_and_an_agreement_in_operation() {
    let town = Town::new("hangzhou").await;
    let agreement = town.agreement(0).await;
    let product = town.product(agreement, api()).await;
    let (id, key) = town.subscription(product, Some(2)).await;
    assert_eq!(rule(town.app.call(id, "sk-guess", &north()).await), "use-with-live-key");
    assert!(town.app.call(id, &key, &north()).await.is_ok());
    let other = town.person(town.authority, 9, &["authority"]);
    assert!(matches!(town.app.download(&other, id).await, Err(TradeError::OtherDelivery)));

    town.app.cut(&town.officer(), agreement, "incident", "a leak").await.expect("cut");
    assert_eq!(rule(town.app.call(id, &key, &north()).await), "use-under-active-subscription");
    assert_eq!(noted(&town, id, "subscription.use").await, 1);
    assert_eq!(noted(&town, id, "subscription.refuse_use").await, 2);
}
