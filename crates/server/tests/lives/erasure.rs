//! Erasure: what is personal is gone for good, and everything is still proved.

use std::path::Path;

use chrono::Duration;
use shuyu_casework::{Case, Person};
use shuyu_ledger::HashSuite;
use shuyu_server::app::{App, NewPerson, SignInError};
use shuyu_store::{StreamId, Trail};

use crate::{
    objections::{OPEN, citizen, open_case},
    town::{Town, refused},
};

/// The files of a deployment in which a text can be read.
fn found_in(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(found_in(&path, text));
        } else {
            let bytes = std::fs::read(&path).expect("reads");
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

async fn administrator(app: &App) -> shuyu_kernel::Actor {
    let token = app.sign_in("admin", "Correct-horse-7").await.expect("signs in");
    app.actor_of(&token).await.expect("acts")
}

#[tokio::test]
async fn a_person_is_erased_and_every_proof_still_verifies() {
    const NAME: &str = "Ouyang Canary";
    const SIGN_IN: &str = "ouyang.canary";
    let town = Town::new("hangzhou").await;
    let app = &town.app;
    let admin = administrator(app).await;
    let new = || NewPerson {
        organisation: town.operator,
        sign_in: SIGN_IN.to_owned(),
        name: NAME.to_owned(),
        password: "Correct-horse-9".to_owned(), // pragma: allowlist secret
        roles: ["operator".to_owned()].into(),
    };
    let id = app.register_person(&admin, new()).await.expect("registered");
    let wrong = app.sign_in(SIGN_IN, "Wrong-horse-9").await;
    assert!(matches!(wrong, Err(SignInError::Wrong)), "{wrong:?}");
    let token = app.sign_in(SIGN_IN, "Correct-horse-9").await.expect("signs in");
    let database = town.folder.path().join("d");
    assert!(!found_in(&database, NAME).is_empty(), "the name is there before");

    // A proof that an auditor has kept: the registration is in the log.
    let trail = Trail::of(StreamId::of::<Person>(id));
    let registration = app.desk().entries(&trail).await.expect("reads").remove(0);
    let size = app.desk().size().await.expect("reads");
    let kept = app.prove_inclusion(registration.seq, size).await.expect("proves");
    let leaves = app.desk().leaves(0..size).await.expect("reads");
    let root = root_of(&leaves);
    assert!(registration.commitment.is_some());
    assert!(!registration.body.to_string().contains("anary"), "no name in the leaf");

    // Not while they are there, and not by anybody.
    assert_eq!(refused(app.erase_person(&admin, id).await), "not-permitted");
    let closed = app.close_person(&admin, id, "has left").await;
    closed.expect("closed");
    for other in [town.officer(), town.analyst(), town.person(town.authority, 8, &["auditor"])] {
        assert_eq!(refused(app.erase_person(&other, id).await), "not-permitted");
    }
    app.erase_person(&admin, id).await.expect("erased");

    let (_, person) = app.desk().find::<Person>(id).await.expect("reads").expect("stays");
    assert_eq!((person.name.as_str(), person.sign_in.as_str()), ("", ""));
    assert_eq!(person.password_hash, "");
    assert_eq!(person.organisation, town.operator, "what is not personal stays");
    for instant in [town.now(), town.now() + Duration::days(1)] {
        let past = app.desk().find_at::<Person>(id, instant).await.expect("reads");
        assert_eq!(past.expect("stays").1.name, "", "the past does not know it either");
    }
    assert!(app.actor_of(&token).await.is_err());
    let again = app.sign_in(SIGN_IN, "Correct-horse-9").await;
    assert!(matches!(again, Err(SignInError::Wrong)), "{again:?}");

    // The log is what it was: the kept proof and the kept root still hold.
    let later = app.desk().size().await.expect("reads");
    let now = app.desk().leaves(0..later).await.expect("reads");
    assert_eq!(now[..leaves.len()], leaves);
    let place = usize::try_from(registration.seq).expect("few");
    kept.verify(HashSuite::Sha256, &now[place], &root).expect("still proves");
    assert!(app.verify().await.expect("reads").is_empty());
    assert_eq!(app.desk().erased().await.expect("reads"), 1);
    assert!(app.desk().rebuild().await.expect("rebuilds").is_empty());
    let (_, rebuilt) = app.desk().find::<Person>(id).await.expect("reads").expect("stays");
    assert_eq!(rebuilt, person);

    // Nothing of it can be read in any file of the deployment, the exported log included.
    app.export_ledger(&database.join("ledger")).await.expect("exported");
    for text in [NAME, SIGN_IN] {
        assert_eq!(found_in(&database, text), [""; 0], "{text}");
    }
    // The name to sign in by is free again.
    let heir = app.register_person(&admin, new()).await.expect("registered");
    assert_ne!(heir, id);
    assert!(app.sign_in(SIGN_IN, "Correct-horse-9").await.is_ok());
}

#[tokio::test]
async fn the_words_of_an_objection_are_erased_and_its_answer_stays() {
    const WORDS: &str = "my neighbour Canary says otherwise";
    let (city, procedure, stage) = OPEN[1];
    let town = Town::new(city).await;
    let app = &town.app;
    let id = open_case(&town, procedure, stage).await;
    let view = app.case(&shuyu_kernel::Actor::system(), id).await.expect("a case");
    let (current, _) = town.stage(&view);
    let (_, officer) = town.voices(&view, &current).remove(0);
    app.object(&citizen(&town), id, WORDS).await.expect("raised");
    app.answer(&officer, id, 1, "it was looked into").await.expect("answered");
    let authority = town.officer();
    assert_eq!(refused(app.erase_objections(&authority, id).await), "not-permitted");

    let ended = town.walk(id, "", &serde_json::Map::new()).await;
    assert!(ended.end.is_some());
    assert_eq!(refused(app.erase_objections(&citizen(&town), id).await), "not-permitted");
    app.erase_objections(&authority, id).await.expect("erased");
    let after = app.case(&officer, id).await.expect("a case");
    let objection = &after.objections[0];
    assert_eq!((objection.number, objection.text.as_str()), (1, ""));
    assert_eq!(objection.answer.as_deref(), Some("it was looked into"));
    assert_eq!(after.content, ended.content, "what was approved is what it was");
    assert!(app.verify().await.expect("reads").is_empty());
    assert!(app.desk().rebuild().await.expect("rebuilds").is_empty());
    assert_eq!(app.desk().erased().await.expect("reads"), 1);
    let dir = town.folder.path().join("d");
    assert_eq!(found_in(&dir, WORDS), [""; 0]);
    let events = app.desk().entries(&Trail::of(StreamId::of::<Case>(id))).await.expect("reads");
    assert!(events.iter().any(|entry| entry.act == "case.erase"), "who erased it is in the log");
}

/// The root over these leaves.
fn root_of(leaves: &[shuyu_ledger::NodeHash]) -> shuyu_ledger::NodeHash {
    let mut tree = shuyu_ledger::Tree::new(HashSuite::Sha256);
    for leaf in leaves {
        tree.append(*leaf);
    }
    tree.root_at(leaves.len() as u64).expect("they are there")
}
