//! Whatever is changed behind the store's back is found and named, on both databases.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is not as the test expects fails it"
)]

#[expect(dead_code, reason = "the tests of acts use more of it")]
mod support;

use shuyu_ledger::Verifier;
use shuyu_store::{Fault, Place, StoreConfig, StoreError, StreamId, verify};
use shuyu_testkit::{Backend, TestDesk, actor, on_both};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use support::{Account, AccountId, Want, law, named, opened, registry};

/// A log of six entries: two accounts opened (0, 1), three payments (2, 3, 4), a refusal (5).
async fn filled(backend: &Backend) -> (TestDesk, [AccountId; 2]) {
    let test = TestDesk::on(backend, registry(), law()).await;
    let li = actor(1, 1, &[]);
    let ids: [AccountId; 2] = [test.ids.fresh(), test.ids.fresh()];
    let acts = [
        (ids[0], named("purse")),
        (ids[1], opened()),
        (ids[0], Want::Pay(3)),
        (ids[1], Want::Pay(4)),
        (ids[0], Want::Pay(5)),
    ];
    for (id, want) in acts {
        test.desk.act::<Account>(&li, id, want).await.unwrap();
    }
    test.desk.act::<Account>(&li, ids[0], Want::Pay(-9)).await.unwrap_err();
    (test, ids)
}

/// Runs statements as somebody would who has the database in hand, triggers off.
async fn spoil(test: &TestDesk, statements: &[&str]) {
    match &test.config().place {
        Place::Sqlite(path) => {
            let url = format!("sqlite:{}", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            let off = "PRAGMA foreign_keys = OFF;
                       DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_dropped;";
            connection.execute(sqlx::raw_sql(off)).await.unwrap();
            for statement in statements {
                let statement = sqlx::AssertSqlSafe(*statement);
                connection.execute(sqlx::raw_sql(statement)).await.unwrap();
            }
        }
        Place::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let off = "ALTER TABLE event DISABLE TRIGGER USER;
                       ALTER TABLE personal DROP CONSTRAINT personal_seq_fkey;";
            connection.execute(sqlx::raw_sql(off)).await.unwrap();
            for statement in statements {
                let statement = sqlx::AssertSqlSafe(*statement);
                connection.execute(sqlx::raw_sql(statement)).await.unwrap();
            }
        }
    }
}

/// Spoils a fresh log and gives what an auditor finds who has nothing but the public key.
async fn found(backend: &Backend, statements: &[&str], held: &[&str]) -> Vec<String> {
    let (test, [first, second]) = filled(backend).await;
    spoil(&test, statements).await;
    let faults = audit(test.config(), &TestDesk::verifier(), held).await;
    test.abandon().await;
    let names =
        [(StreamId::of::<Account>(first), "first"), (StreamId::of::<Account>(second), "second")];
    faults
        .iter()
        .map(|fault| {
            names
                .iter()
                .fold(fault.to_string(), |text, (stream, name)| text.replace(stream.as_str(), name))
        })
        .collect()
}

async fn audit(config: &StoreConfig, verifier: &Verifier, held: &[&str]) -> Vec<Fault> {
    verify(config, &registry(), verifier, held).await.unwrap()
}

on_both! {
    async fn an_untouched_log_verifies_with_the_public_key_alone(backend: Backend) {
        assert_eq!(found(&backend, &[], &[]).await, [""; 0]);
    }

    async fn a_changed_body_is_named(backend: Backend) {
        let change = "UPDATE event SET body = replace(body, '3', '4') WHERE seq = 2";
        assert_eq!(
            found(&backend, &[change], &[]).await,
            ["entry 2 of the log (first) has been changed", "the state of first has been changed: body"]
        );
    }

    async fn a_changed_actor_instant_or_clause_is_named(backend: Backend) {
        for change in [
            "UPDATE event SET person = 'per-0000000000000000000000000z' WHERE seq = 3",
            "UPDATE event SET at = at + 1 WHERE seq = 3",
            "UPDATE event SET clauses = '[]' WHERE seq = 3",
            "UPDATE event SET act = 'account.open' WHERE seq = 3",
        ] {
            let found = found(&backend, &[change], &[]).await;
            assert_eq!(found[0], "entry 3 of the log (second) has been changed", "{change}");
        }
    }

    async fn a_body_changed_together_with_its_leaf_is_named_by_the_checkpoint(backend: Backend) {
        // The leaf of another entry stands in for any other hash.
        let change = "UPDATE event SET leaf = (SELECT leaf FROM event AS other WHERE other.seq = 0) WHERE seq = 2";
        let found = found(&backend, &[change], &[]).await;
        assert_eq!(found[1], "entries 2 to 2 of the log are not those of checkpoint 3: the root is another");
    }

    async fn a_dropped_entry_is_named(backend: Backend) {
        assert_eq!(
            found(&backend, &["DELETE FROM event WHERE seq = 3"], &[]).await,
            [
                "entry 3 of the log is missing",
                "the state of second has been changed: version, status, body",
            ]
        );
    }

    async fn a_dropped_refusal_at_the_end_is_named(backend: Backend) {
        assert_eq!(
            found(&backend, &["DELETE FROM event WHERE seq = 5"], &[]).await,
            ["the head of the log has been changed", "the log has 5 entries, but 6 are signed"]
        );
    }

    async fn a_log_cut_short_with_its_checkpoints_is_named_by_its_head_and_by_one_that_is_held(backend: Backend) {
        let (test, _) = filled(&backend).await;
        let held = test.desk.checkpoint().await.unwrap().unwrap();
        spoil(&test, &["DELETE FROM event WHERE seq = 5", "DELETE FROM checkpoint WHERE size = 6"]).await;
        let faults = audit(test.config(), &TestDesk::verifier(), &[]).await;
        assert_eq!(faults, [Fault::Head]);
        let faults = audit(test.config(), &TestDesk::verifier(), &[&held]).await;
        assert_eq!(faults, [Fault::Head, Fault::End { found: 5, signed: 6 }]);
        test.abandon().await;
    }

    async fn reordered_entries_are_named(backend: Backend) {
        let swap = [
            "UPDATE event SET seq = 99 WHERE seq = 3",
            "UPDATE event SET seq = 3 WHERE seq = 2",
            "UPDATE event SET seq = 2 WHERE seq = 99",
        ];
        let found = found(&backend, &swap, &[]).await;
        assert_eq!(found[0], "entry 2 of the log (second) has been changed");
        assert!(found.contains(&"entry 3 of the log (first) has been changed".to_owned()));
    }

    async fn an_entry_that_nobody_signed_is_named(backend: Backend) {
        let add = "INSERT INTO event SELECT 6, stream, kind, NULL, act, NULL, at, decided_at, person,
                   organisation, roles, pack, clauses, body, commitment, leaf FROM event WHERE seq = 5";
        let found = found(&backend, &[add], &[]).await;
        assert!(found.contains(&"the log has 7 entries, but 6 are signed".to_owned()), "{found:?}");
    }

    async fn a_changed_state_is_named_with_its_columns(backend: Backend) {
        let change = "UPDATE state SET status = 'empty', body = replace(body, '8', '9') WHERE name = 'purse'";
        assert_eq!(
            found(&backend, &[change], &[]).await,
            ["the state of first has been changed: status, body"]
        );
    }

    async fn a_state_that_is_gone_or_invented_is_named(backend: Backend) {
        let gone = "DELETE FROM state WHERE name = 'purse'";
        assert_eq!(found(&backend, &[gone], &[]).await, ["the state of first is missing"]);
        let invented = "INSERT INTO state SELECT 'account/acc-x', kind, 'acc-x', version, status, owner,
                        parent, NULL, due_at, body FROM state WHERE name = 'purse'";
        assert_eq!(
            found(&backend, &[invented], &[]).await,
            ["the state of account/acc-x has no events"]
        );
    }

    async fn a_changed_checkpoint_is_named(backend: Backend) {
        let root = "UPDATE checkpoint SET root = (SELECT root FROM checkpoint AS other WHERE other.size = 1) WHERE size = 4";
        let why = "entries 3 to 3 of the log are not those of checkpoint 4";
        let found_root = found(&backend, &[root], &[]).await;
        assert!(found_root.len() == 1 && found_root[0].starts_with(why), "{found_root:?}");
        let note = "UPDATE checkpoint SET note = replace(note, '— ', '— x') WHERE size = 4";
        let found_note = found(&backend, &[note], &[]).await;
        assert!(found_note.len() == 1 && found_note[0].starts_with(why), "{found_note:?}");
    }

    async fn a_changed_head_is_named_and_mended(backend: Backend) {
        let earlier = "UPDATE head SET last_at = last_at - 1";
        assert_eq!(found(&backend, &[earlier], &[]).await, ["the head of the log has been changed"]);
        let (test, ids) = filled(&backend).await;
        spoil(&test, &[earlier]).await;
        assert_eq!(test.desk.rebuild().await.unwrap(), [Fault::Head]);
        assert_eq!(audit(test.config(), &TestDesk::verifier(), &[]).await, []);
        test.desk.act::<Account>(&actor(1, 1, &[]), ids[0], Want::Pay(1)).await.unwrap();
        assert_eq!(audit(test.config(), &TestDesk::verifier(), &[]).await, []);
        test.finish().await;
    }

    async fn nothing_is_rebuilt_from_a_log_that_is_not_what_was_signed(backend: Backend) {
        let (test, _) = filled(&backend).await;
        let change = "UPDATE event SET body = replace(body, '3', '4') WHERE seq = 2";
        let state = "UPDATE state SET status = 'lost' WHERE name = 'purse'";
        spoil(&test, &[change, state]).await;
        let before = audit(test.config(), &TestDesk::verifier(), &[]).await;
        assert!(matches!(test.desk.rebuild().await, Err(StoreError::Unsound(1))));
        assert_eq!(audit(test.config(), &TestDesk::verifier(), &[]).await, before);
        test.abandon().await;
    }

    async fn another_key_verifies_nothing(backend: Backend) {
        let (test, _) = filled(&backend).await;
        let other = shuyu_ledger::Signer::ed25519(shuyu_testkit::KEY_NAME, &[9; 32]).unwrap();
        let faults = audit(test.config(), other.verifier(), &[]).await;
        assert_eq!(faults.len(), 6, "{faults:?}");
        test.finish().await;
    }

    async fn changed_or_vanished_personal_fields_are_named(backend: Backend) {
        let change = "UPDATE personal SET body = replace(body, 'Li', 'Wu') WHERE seq = 0";
        assert_eq!(
            found(&backend, &[change], &[]).await,
            [
                "the personal fields of entry 0 of the log have been changed",
                "the state of first has been changed: body",
            ]
        );
        let gone = "DELETE FROM personal WHERE seq = 0";
        assert_eq!(
            found(&backend, &[gone], &[]).await[0],
            "the personal fields of entry 0 of the log are gone without an erasure"
        );
    }

    async fn a_rebuild_finds_nothing_on_a_sound_store_and_mends_a_spoilt_one(backend: Backend) {
        let (test, ids) = filled(&backend).await;
        assert_eq!(test.desk.rebuild().await.unwrap(), []);
        spoil(&test, &["UPDATE state SET status = 'lost' WHERE name = 'purse'"]).await;
        let faults = test.desk.rebuild().await.unwrap();
        assert_eq!(
            faults,
            [Fault::StateChanged { stream: StreamId::of::<Account>(ids[0]), columns: vec!["status".to_owned()] }]
        );
        test.finish().await;
    }

    async fn erasure_leaves_nothing_personal_and_the_log_still_verifies(backend: Backend) {
        let (test, [first, second]) = filled(&backend).await;
        let officer = actor(3, 1, &[]);
        let before = test.desk.find::<Account>(first).await.unwrap().unwrap();
        assert_eq!(before.1.holder.as_deref(), Some("Li"));

        let receipt = test.desk.erase::<Account>(&officer, first).await.unwrap();
        let (version, after) = test.desk.find::<Account>(first).await.unwrap().unwrap();
        assert_eq!((version.0, after.holder, after.balance), (before.0.0 + 1, None, 8));
        let kept = test.desk.find::<Account>(second).await.unwrap().unwrap().1;
        assert_eq!(kept.holder.as_deref(), Some("Li"));

        let acted = test.desk.act::<Account>(&officer, first, Want::Pay(1)).await.unwrap();
        assert_eq!((acted.state.holder, acted.state.balance), (None, 9));
        let past = test.desk.find_at::<Account>(first, receipt.at).await.unwrap().unwrap().1;
        assert_eq!(past.holder, None);
        assert_eq!(test.desk.rebuild().await.unwrap(), []);
        test.finish().await;
    }

    async fn the_log_takes_no_update_and_no_deletion(backend: Backend) {
        let (test, _) = filled(&backend).await;
        for statement in ["UPDATE event SET at = at + 1", "DELETE FROM event"] {
            let error = match &test.config().place {
                Place::Sqlite(path) => {
                    let url = format!("sqlite:{}", path.display());
                    let mut connection = SqliteConnection::connect(&url).await.unwrap();
                    connection.execute(statement).await.unwrap_err()
                }
                Place::Postgres(url) => {
                    let mut connection = PgConnection::connect(url).await.unwrap();
                    connection.execute(statement).await.unwrap_err()
                }
            };
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        test.finish().await;
    }
}
