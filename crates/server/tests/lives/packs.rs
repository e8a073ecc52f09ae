//! A new version of the pack is adopted while cases are under way.

use std::{fs, path::Path};

use shuyu_kernel::{Actor, CaseId, SeededEntropy};
use shuyu_law::Packs;
use shuyu_server::app::Deployment;

use crate::town::Town;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let (entry, to) = (entry.expect("an entry").path(), to.to_owned());
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, &to).expect("copied");
        }
    }
}

/// Adopts the pack with another text in its parameters, as `docs/guides/operate.md` says.
async fn adopt(town: Town, was: &str, is: &str) -> Town {
    let city = town.app.law().regulation.id.clone();
    let version = town.app.law().version.0.clone();
    let dir = town.folder.path().join("d");
    let edited = town.folder.path().join("edited");
    copy(&dir.join("packs").join(&version), &edited);
    let parameters = edited.join(&city).join("parameters.toml");
    let text = fs::read_to_string(&parameters).expect("parameters");
    assert!(text.contains(was));
    fs::write(&parameters, text.replacen(was, is, 1)).expect("written");
    let packs = Packs::read(&edited).expect("a sound pack");
    let scratch = town.folder.path().join("scratch");
    let made = Deployment::found(&scratch, &city, &packs, None, &SeededEntropy::new(9));
    let next = made.expect("founded").laws().current.version.0.clone();
    assert_ne!(next, version);
    copy(&scratch.join("packs").join(&next), &dir.join("packs").join(&next));
    let config = dir.join("shuyu.toml");
    let text = fs::read_to_string(&config).expect("the configuration");
    fs::write(&config, text.replace(&version, &next)).expect("written");
    town.restarted().await
}

#[tokio::test]
async fn a_case_keeps_the_pack_that_it_began_with() {
    let town = Town::new("hangzhou").await;
    let begin = async |town: &Town| -> CaseId {
        let officer = town.officer();
        let opened = town.app.open_case(&officer, "authority_matter", "a matter", None, None).await;
        opened.expect("opened").id
    };
    let old = begin(&town).await;
    let setting = |days: u32| format!("[function_matter_working_days]\nvalue = {days}\n");
    let town = adopt(town, &setting(20), &setting(5)).await;
    let new = begin(&town).await;
    // The stage that counts its days is reached by both after the change, within minutes.
    let mut due = Vec::new();
    for case in [old, new] {
        let view = town.walk(case, "answer", &serde_json::Map::new()).await;
        due.push(view.stage.expect("a stage").due_at.expect("a deadline"));
    }
    let (now, law) = (town.now(), town.app.law());
    let after =
        |days: u32| law.calendar.add_working_days(law.local_date(now), days).expect("a day");
    let days: Vec<_> = due.iter().map(|due| law.local_date(*due)).collect();
    assert_eq!(days, [after(20), after(5)], "twenty working days, as when it began, and five");
    // Both go on to their end, and the history is of one piece.
    for case in [old, new] {
        assert!(town.walk(case, "", &serde_json::Map::new()).await.end.is_some());
        assert!(town.app.case(&Actor::system(), case).await.expect("a case").stage.is_none());
    }
    assert!(town.app.verify().await.expect("reads").is_empty());
}
