//! What holds of acts, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "what is not as the test expects fails it"
)]

mod support;

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use serde_json::json;
use shuyu_kernel::{Clock, VirtualClock};
use shuyu_law::Law;
use shuyu_store::{
    ActError, AtMost, Desk, Entry, Filter, Receipt, StoreError, StreamId, Trail, Version,
};
use shuyu_testkit::{Backend, TestDesk, actor, law_of, on_both};
use support::{Account, AccountId, Want, law, named, opened, registry};

async fn on(backend: &Backend) -> TestDesk {
    TestDesk::on(backend, registry(), law()).await
}

async fn account(test: &TestDesk) -> AccountId {
    let id = test.ids.fresh();
    let li = actor(1, 1, &["clerk"]);
    test.desk.act::<Account>(&li, id, opened()).await.unwrap();
    id
}

async fn balance(desk: &Desk, id: AccountId) -> i64 {
    desk.find::<Account>(id).await.unwrap().unwrap().1.balance
}

async fn trail(test: &TestDesk, id: AccountId) -> Vec<String> {
    let trail = Trail::of(StreamId::of::<Account>(id));
    let entries = test.desk.entries(&trail).await.unwrap();
    entries.into_iter().map(|entry| entry.event.unwrap_or(entry.act)).collect()
}

fn at_most(desk: &Desk, times: u64, since: chrono::DateTime<chrono::Utc>) -> AtMost {
    AtMost {
        times,
        since,
        refused_act: "product.refuse_call".to_owned(),
        refusal: desk.laws().current.refuse(support::OVERDRAWN, &[]),
    }
}

/// Notes a call that is allowed so many times.
async fn call(
    desk: &Desk,
    who: u128,
    subject: &StreamId,
    since: chrono::DateTime<chrono::Utc>,
    times: u64,
) -> Result<Receipt, ActError> {
    let unit = desk.unit(&actor(who, 1, &[]));
    let entry = Entry::new(subject.clone(), "product.call", json!({ "rows": 1 }));
    unit.journal_at_most(&entry, at_most(desk, times, since));
    unit.commit().await
}

fn only_reading_is_refused() -> Law {
    law_of(&[
        (
            "policies.cedar",
            "@id(\"clerks\") @clauses(\"baseline/1\")
             permit (principal, action in [Action::\"account.open\", Action::\"account.pay\"], resource)
             when { principal.roles.contains(\"clerk\") };",
        ),
        (
            "rules.toml",
            "[account-is-not-overdrawn]
             clauses = [\"baseline/7\"]
             message = { zh = \"余额不足\", en = \"the account would be overdrawn\" }",
        ),
    ])
}

on_both! {
    async fn of_two_writers_on_one_version_the_second_has_a_conflict(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let (first, second) = (test.desk.unit(&li), test.desk.unit(&li));
        first.act::<Account>(id, Want::Pay(1)).await.unwrap();
        second.act::<Account>(id, Want::Pay(2)).await.unwrap();

        assert!(first.commit().await.is_ok());
        assert!(matches!(second.commit().await, Err(ActError::Conflict(_))));
        assert_eq!(balance(&test.desk, id).await, 1);
        test.finish().await;
    }

    async fn a_version_that_was_only_read_is_checked_too(backend: Backend) {
        let test = on(&backend).await;
        let (li, read, written) = (actor(1, 1, &[]), account(&test).await, account(&test).await);
        let unit = test.desk.unit(&li);
        unit.load::<Account>(read).await.unwrap();
        unit.act::<Account>(written, Want::Pay(1)).await.unwrap();
        test.desk.act::<Account>(&li, read, Want::Pay(1)).await.unwrap();

        assert!(matches!(unit.commit().await, Err(ActError::Conflict(_))));
        test.finish().await;
    }

    async fn a_caller_who_read_an_earlier_version_is_told(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        test.desk.act_on::<Account>(&li, id, Version(1), Want::Pay(1)).await.unwrap();
        let late = test.desk.act_on::<Account>(&li, id, Version(1), Want::Pay(1)).await;

        assert!(matches!(late, Err(ActError::Conflict(_))), "{late:?}");
        test.finish().await;
    }

    async fn what_is_acknowledged_survives_a_desk_that_is_dropped(backend: Backend) {
        let mut test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        test.desk.act::<Account>(&li, id, Want::Pay(5)).await.unwrap();
        test.reopen().await;

        assert_eq!(balance(&test.desk, id).await, 5);
        test.desk.act::<Account>(&li, id, Want::Pay(5)).await.unwrap();
        assert_eq!(balance(&test.desk, id).await, 10);
        test.finish().await;
    }

    async fn a_refusal_is_recorded_and_changes_nothing(backend: Backend) {
        let test = TestDesk::on(&backend, registry(), only_reading_is_refused()).await;
        let (clerk, guest) = (actor(1, 1, &["clerk"]), actor(2, 1, &[]));
        let id = account(&test).await;

        let by_rule = test.desk.act::<Account>(&clerk, id, Want::Pay(-1)).await;
        let Err(ActError::Refused(refusal)) = by_rule else { panic!("{by_rule:?}") };
        assert_eq!(refusal.rule, "account-is-not-overdrawn");
        let by_policy = test.desk.act::<Account>(&guest, id, Want::Pay(1)).await;
        assert!(matches!(by_policy, Err(ActError::Refused(_))), "{by_policy:?}");

        let entries = test.desk.entries(&Trail::of(StreamId::of::<Account>(id))).await.unwrap();
        let refused = &entries[1];
        assert_eq!(refused.body["refused"], "account-is-not-overdrawn");
        assert_eq!(refused.clauses[0].as_str(), "baseline/7");
        assert_eq!((refused.act.as_str(), refused.version), ("account.pay", None));
        assert_eq!(entries[2].person, guest.person);
        assert_eq!(entries.len(), 3);
        assert_eq!(balance(&test.desk, id).await, 0);
        test.finish().await;
    }

    async fn a_unit_happens_whole_or_not_at_all(backend: Backend) {
        let test = on(&backend).await;
        let li = actor(1, 1, &[]);
        let (from, to) = (account(&test).await, account(&test).await);
        test.desk.act::<Account>(&li, from, Want::Pay(3)).await.unwrap();
        let transfer = |amount| {
            test.desk.run(&li, move |unit| async move {
                unit.follow::<Account>(to, Want::Pay(amount), &["baseline/2".into()]).await?;
                unit.act::<Account>(from, Want::Pay(-amount)).await
            })
        };

        assert_eq!(transfer(2).await.unwrap().state.balance, 1);
        assert!(matches!(transfer(2).await, Err(ActError::Refused(_))));
        assert_eq!((balance(&test.desk, from).await, balance(&test.desk, to).await), (1, 2));
        assert_eq!(trail(&test, to).await, ["Opened", "Paid"]);
        assert_eq!(trail(&test, from).await, ["Opened", "Paid", "Paid", "account.pay"]);
        test.finish().await;
    }

    async fn a_unit_that_caught_its_refusal_still_commits_nothing(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let unit = test.desk.unit(&li);
        unit.act::<Account>(id, Want::Pay(1)).await.unwrap();
        unit.act::<Account>(id, Want::Pay(-9)).await.unwrap_err();

        assert!(matches!(unit.commit().await, Err(ActError::Refused(_))));
        assert_eq!(balance(&test.desk, id).await, 0);
        test.finish().await;
    }

    async fn a_name_is_taken_once(backend: Backend) {
        let test = on(&backend).await;
        let li = actor(1, 1, &[]);
        let (first, second) = (test.ids.fresh(), test.ids.fresh());
        test.desk.act::<Account>(&li, first, named("purse")).await.unwrap();

        let taken = test.desk.act::<Account>(&li, second, named("purse")).await;
        assert!(matches!(taken, Err(ActError::Store(StoreError::NameTaken { .. }))), "{taken:?}");
        test.desk.act::<Account>(&li, first, Want::Rename("chest".into())).await.unwrap();
        test.desk.act::<Account>(&li, second, named("purse")).await.unwrap();
        let found = test.desk.list::<Account>(&Filter::name("chest")).await.unwrap();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first]);
        test.finish().await;
    }

    async fn entities_are_found_by_their_keys(backend: Backend) {
        let test = on(&backend).await;
        let li = actor(1, 1, &[]);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(account(&test).await);
        }
        ids.sort();
        test.desk.act::<Account>(&li, ids[1], Want::Pay(1)).await.unwrap();
        let list = async |filter| {
            let found = test.desk.list::<Account>(&filter).await.unwrap();
            found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };

        assert_eq!(list(Filter::default()).await, ids);
        assert_eq!(list(Filter::status("filled")).await, [ids[1]]);
        let after = Filter { after: Some(ids[0].to_string()), limit: Some(1), ..Filter::default() };
        assert_eq!(list(after).await, [ids[1]]);
        assert!(list(Filter::owner("nobody")).await.is_empty());
        test.finish().await;
    }

    async fn what_is_not_there_is_not_found_and_what_changes_nothing_is_noted(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let absent = test.desk.act::<Account>(&li, test.ids.fresh(), Want::Pay(1)).await;
        assert!(matches!(absent, Err(ActError::NotFound(_))), "{absent:?}");

        let acted = test.desk.act::<Account>(&li, id, Want::Nothing).await.unwrap();
        assert_eq!((acted.version, acted.receipt.entries), (Version(1), 1));
        assert_eq!(trail(&test, id).await, ["Opened", "account.nothing"]);
        test.finish().await;
    }

    async fn journal_entries_are_counted_by_the_instant(backend: Backend) {
        let test = on(&backend).await;
        let li = actor(1, 1, &[]);
        let subject = StreamId::new("product", &"p1");
        let begin = test.clock.now();
        for _ in 0..3 {
            let entry = Entry::new(subject.clone(), "product.call", json!({ "rows": 1 }));
            test.desk.journal(&li, entry).await.unwrap();
            test.clock.advance(TimeDelta::hours(1));
        }
        let count = async |from: i64, until: i64| {
            let (from, until) = (begin + TimeDelta::hours(from), begin + TimeDelta::hours(until));
            test.desk.count(&subject, "product.call", from, until).await.unwrap()
        };

        assert_eq!((count(0, 3).await, count(0, 1).await, count(1, 3).await), (3, 1, 2));
        assert_eq!(count(3, 9).await, 0);
        test.finish().await;
    }

    async fn of_notes_that_are_made_at_once_exactly_as_many_succeed_as_there_is_room_for(backend: Backend) {
        let test = on(&backend).await;
        let (subject, since) = (StreamId::new("product", &"p1"), test.clock.now());
        let other = test.second().await;
        let calls: Vec<_> = (0..90_u128)
            .map(|number| {
                let desk = if number % 2 == 0 { test.desk.clone() } else { other.clone() };
                let subject = subject.clone();
                tokio::spawn(async move { call(&desk, number, &subject, since, 25).await })
            })
            .collect();
        let mut noted = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(receipt) => {
                    assert_eq!(receipt.entries, 1);
                    noted += 1;
                }
                Err(ActError::Refused(refusal)) => {
                    assert_eq!(refusal.rule, "account-is-not-overdrawn");
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(noted, 25);
        let until = test.clock.now() + TimeDelta::hours(1);
        let count = async |act| test.desk.count(&subject, act, since, until).await.unwrap();
        assert_eq!((count("product.call").await, count("product.refuse_call").await), (25, 65));
        // What a desk counted last is no more than there is: the other may have counted since.
        let last = test.desk.last_count(&subject, "product.call", since);
        assert!(last.is_some_and(|last| last <= 25), "{last:?}");
        assert_eq!(test.desk.last_count(&subject, "product.other", since), None);
        other.close().await;
        test.finish().await;
    }

    async fn what_is_noted_beyond_its_room_takes_the_whole_unit_with_it(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let (subject, since) = (StreamId::new("product", &"p1"), test.clock.now());
        let pay = async |times| {
            test.desk
                .run(&li, |unit| {
                    let subject = &subject;
                    async move {
                        unit.act::<Account>(id, Want::Pay(1)).await?;
                        for _ in 0..2 {
                            let entry = Entry::new(subject.clone(), "product.call", json!({}));
                            unit.journal_at_most(&entry, at_most(unit.desk(), times, since));
                        }
                        Ok(())
                    }
                })
                .await
        };
        pay(3).await.unwrap();
        assert!(matches!(pay(3).await, Err(ActError::Refused(_))), "two more than three");
        assert_eq!(balance(&test.desk, id).await, 1);
        pay(4).await.unwrap();
        assert_eq!(balance(&test.desk, id).await, 2);
        // Counting begins with the instant that is named.
        test.clock.advance(TimeDelta::hours(1));
        call(&test.desk, 1, &subject, test.clock.now(), 1).await.unwrap();
        assert!(call(&test.desk, 1, &subject, since, 5).await.is_err());
        call(&test.desk, 1, &subject, since, 6).await.unwrap();
        test.finish().await;
    }

    async fn the_past_is_what_the_log_says(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let before = test.clock.now();
        test.clock.advance(TimeDelta::hours(1));
        test.desk.act::<Account>(&li, id, Want::Pay(4)).await.unwrap();
        let at = async |instant| test.desk.find_at::<Account>(id, instant).await.unwrap();

        assert_eq!(at(before).await.unwrap().1.balance, 0);
        assert_eq!(at(test.clock.now()).await.unwrap().1.balance, 4);
        assert!(at(before - TimeDelta::seconds(1)).await.is_none());
        test.finish().await;
    }

    async fn time_does_not_run_backwards(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let slow = Arc::new(VirtualClock::new(test.clock.now() - TimeDelta::hours(1)));
        let late = test.second_at(slow).await;

        let refused = late.act::<Account>(&li, id, Want::Pay(1)).await;
        let Err(ActError::Store(error @ StoreError::ClockBackwards { .. })) = refused else {
            panic!("{refused:?}")
        };
        assert!(error.to_string().contains("time may not run backwards"), "{error}");
        late.close().await;
        test.finish().await;
    }

    async fn sixty_four_callers_are_served_and_none_is_lost(backend: Backend) {
        let test = on(&backend).await;
        let shared = account(&test).await;
        let callers: Vec<_> = (0..64_u128)
            .map(|caller| {
                let (desk, own) = (test.desk.clone(), test.ids.fresh::<AccountId>());
                tokio::spawn(async move {
                    let who = actor(caller, 1, &[]);
                    desk.act::<Account>(&who, own, opened()).await.unwrap();
                    for _ in 0..4 {
                        desk.act::<Account>(&who, own, Want::Pay(1)).await.unwrap();
                    }
                    desk.act::<Account>(&who, shared, Want::Pay(1)).await.unwrap();
                    own
                })
            })
            .collect();
        for caller in callers {
            let own = caller.await.unwrap();
            assert_eq!(balance(&test.desk, own).await, 4);
        }
        assert_eq!(balance(&test.desk, shared).await, 64);
        test.finish().await;
    }

    async fn two_desks_on_one_database_see_each_other(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let other = test.second().await;
        let mut feed = other.subscribe();
        other.act::<Account>(&li, id, Want::Pay(1)).await.unwrap();
        // The first desk holds version 1 in memory, by which the account would be overdrawn.
        test.desk.act::<Account>(&li, id, Want::Pay(-1)).await.unwrap();

        let own = feed.recv().await.unwrap();
        let foreign = tokio::time::timeout(Duration::from_secs(1), feed.recv()).await;
        let foreign = foreign.expect("within a second").unwrap();
        assert_eq!((own.version, foreign.version), (Some(Version(2)), Some(Version(3))));
        assert_eq!(foreign.event.as_deref(), Some("Paid"));
        other.close().await;
        test.finish().await;
    }

    async fn a_unit_that_begins_after_a_conflict_reads_what_is_there(backend: Backend) {
        let test = on(&backend).await;
        let (li, id) = (actor(1, 1, &[]), account(&test).await);
        let other = test.second().await;
        other.act::<Account>(&li, id, Want::Pay(1)).await.unwrap();
        let pay = async || {
            let unit = test.desk.unit(&li);
            unit.act::<Account>(id, Want::Pay(-1)).await?;
            unit.commit().await
        };
        let outcomes = [pay().await.is_ok(), pay().await.is_ok()];
        assert_eq!(outcomes.iter().filter(|done| **done).count(), 1, "{outcomes:?}");

        other.act::<Account>(&li, id, Want::Pay(1)).await.unwrap();
        test.desk.act_on::<Account>(&li, id, Version(4), Want::Pay(1)).await.unwrap();
        assert_eq!(balance(&test.desk, id).await, 2);
        other.close().await;
        test.finish().await;
    }

    async fn a_database_of_another_log_is_not_opened(backend: Backend) {
        let test = on(&backend).await;
        let error = test.second_signed_by(&[8; 32]).await.expect_err("another key");
        assert!(matches!(error, StoreError::Foreign(_)), "{error}");
        test.finish().await;
    }
}

#[tokio::test]
async fn a_database_file_that_is_none_gives_a_clear_error() {
    let test = TestDesk::new(registry(), law()).await;
    let path = test.folder().join("noise.db");
    std::fs::write(&path, [7_u8; 8192]).unwrap();
    let config = shuyu_store::StoreConfig::sqlite(&path);
    let error = test.open_at(config).await.expect_err("noise");
    assert!(error.to_string().contains("noise.db"), "{error}");
    assert!(error.to_string().contains("not a database"), "{error}");
    test.finish().await;
}
