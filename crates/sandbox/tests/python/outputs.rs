//! What a program may not leave.

use shuyu_sandbox::{End, Failure, Fault};

use crate::support::{limits, room, said};

#[tokio::test]
async fn only_what_was_declared_comes_out() {
    let Some(room) = room().await else { return };
    let name = || "said".to_owned();
    for (script, fault) in [
        ("os.symlink('/etc/passwd', '/out/said.json')", Fault::NotAFile(name())),
        ("os.symlink('/job/parameters.json', '/out/said.json')", Fault::NotAFile(name())),
        ("os.mkdir('/out/said.json')", Fault::NotAFile(name())),
        ("pass", Fault::Missing(name())),
        ("open('/out/said.json', 'w').truncate(1 << 19)", Fault::Form(name())),
        ("pickle.dump([1], open('/out/said.json', 'wb'))", Fault::Form(name())),
        ("open('/out/said.json', 'w').write('{}'); open('/out/rows.pkl', 'w')", Fault::Undeclared),
        ("open('/out/said.json', 'w').write('{}'); os.mkdir('/out/more')", Fault::Undeclared),
        ("open('/out/said.json', 'w').write('{}'); open('/out/.x', 'w')", Fault::Undeclared),
        ("open('/out/said.json', 'w').write('[NaN]')", Fault::Form(name())),
    ] {
        let outcome = said(&room, &format!("import os, pickle\n{script}"), limits()).await;
        assert_eq!(outcome.end, End::Failed(Failure::Output(fault)), "{script}");
    }
}

#[tokio::test]
async fn what_ends_with_an_error_leaves_nothing_but_its_log() {
    let Some(room) = room().await else { return };
    let script = "
open('/out/said.json', 'w').write('{}')
raise ValueError('330106199002291234')
";

    let outcome = said(&room, script, limits()).await;

    assert_eq!(outcome.end, End::Failed(Failure::Status(1)));
    let report = outcome.report();
    assert_eq!(report["ended"], "it ended with status 1");
    let log = report["err"].as_str().unwrap();
    assert!(log.contains("ValueError: 330106199002291234"), "{log}");
}

#[tokio::test]
async fn places_are_new_for_each_program() {
    let Some(room) = room().await else { return };
    let script = "
import json, os
found = [os.path.exists(it + '/left') for it in ('/tmp', '/dev/shm')] + os.listdir('/out')
json.dump(found, open('/out/said.json', 'w'))
for place in ('/tmp', '/dev/shm'):
    open(place + '/left', 'w').write('rows of one job')
";
    for _ in 0..2 {
        let outcome = said(&room, script, limits()).await;
        let expected = serde_json::json!([false, false]);
        assert_eq!(crate::support::document(&outcome), expected);
    }
}
