//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;
use shuyu_server::http;

/// Every operation of the document: path, method, and what it says.
pub(crate) fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(http::openapi()).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            all.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let served = http::openapi().to_pretty_json().expect("a document");
    assert!(
        committed.trim_end() == served.trim_end(),
        "docs/openapi.json is not the interface's: write it anew with `make openapi`"
    );
}

#[test]
fn every_operation_says_what_it_is_and_how_it_fails() {
    let mut ids = BTreeSet::new();
    let all = operations();
    assert!(all.len() > 80, "{} operations", all.len());
    for (path, method, operation) in all {
        let id = operation["operationId"].as_str().expect("an id").to_owned();
        assert!(operation["summary"].as_str().is_some_and(|it| it.ends_with('.')), "{id}");
        assert!(path.starts_with("/api/v1/"), "{path}");
        assert!(ids.insert(id.clone()), "{id} stands twice");
        let takes = operation["parameters"].is_array() || operation["requestBody"].is_object();
        let signed = operation["security"].as_array().is_none_or(|it| {
            it.iter().any(|way| way.as_object().is_some_and(|way| !way.is_empty()))
        });
        if takes || signed {
            let problem = &operation["responses"]["4XX"]["content"][http::PROBLEM_JSON]["schema"];
            assert_eq!(problem["$ref"], "#/components/schemas/Problem", "{method} {path}");
        }
    }
}
