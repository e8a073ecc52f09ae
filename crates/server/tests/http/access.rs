//! Who may do what over the interface: the document is walked, and every operation is called
//! unsigned, and by everybody whom it does not concern.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    document::operations,
    main_job::{Job, Sold, admit, grant, supply},
};

/// Operations that nobody needs to sign in for. The list only shrinks.
const PUBLIC: [&str; 9] = [
    "signIn",
    "readLaw",
    "readProcedure",
    "listClauses",
    "explainClause",
    "listPublicNotices",
    "readCheckpoint",
    "readLedgerKey",
    "proveInclusion",
];

/// Operations that are everybody's who is signed in: what they do or show is the caller's own,
/// or open to all who take part. The list only shrinks.
const EVERYBODYS: [&str; 9] = [
    "signOut",
    "readMe",
    "changePassword",
    "listMyCases",
    "keepDocument",
    "readOrganisation",
    "readInstrument",
    "readNotice",
    "objectToCase",
];

/// What one of the uninvolved may do all the same, because of the role that they hold.
const ALLOWED: [(&str, &[&str]); 10] = [
    (
        "admin",
        &[
            "registerOrganisation",
            "amendOrganisation",
            "bindOrganisation",
            "closeOrganisation",
            "registerPerson",
            "bindPerson",
            "closePerson",
            "erasePerson",
            "readPerson",
        ],
    ),
    (
        "auditor",
        &[
            "readCase",
            "readAgreement",
            "listCertificates",
            "readScenario",
            "readResource",
            "readDataset",
            "readGrant",
            "readSession",
            "readJob",
            "jobProgress",
            "readSchedule",
            "readUsage",
            "readRelease",
            "readProduct",
            "readPrice",
            "readSubscription",
            "readInvoice",
            "readSettlement",
            "readPosting",
            "readBooks",
            "readAlert",
            "raiseAlert",
            "readTask",
            "readEvaluation",
            "readCut",
            "readDestruction",
            "readFiling",
            "readPerson",
            "listEntries",
            "verifyLedger",
        ],
    ),
    ("operator", &["readResource", "readProduct", "readPrice"]),
    ("operator", &["openCase"]),
    ("provider", &["readResource", "readProduct", "readPrice"]),
    ("provider", &["registerResource", "raiseAlert"]),
    // An agency is a consumer, too.
    ("provider", &["subscribe"]),
    ("product_user", &["readResource", "readProduct", "readPrice"]),
    ("product_user", &["subscribe"]),
    ("public", &["readResource", "readProduct", "readPrice"]),
];

/// The entities that the walk asks for, by the kind of their ids.
pub(crate) struct Things(pub(crate) BTreeMap<&'static str, String>);

impl Things {
    fn path(&self, template: &str) -> String {
        let path = template.strip_prefix("/api/v1").unwrap_or(template);
        let kind = path.split('/').nth(1).unwrap_or_default();
        let id = self.0.get(kind).cloned().unwrap_or_default();
        path.replace("{id}", &id).replace("{number}", "1").replace("{hash}", &self.0["documents"])
    }
}

fn query(operation: &str) -> &'static str {
    match operation {
        "readSample" => "?table=persons",
        "explainClause" => "?id=baseline/1",
        "proveInclusion" => "?index=0",
        _ => "",
    }
}

/// A body that the operation takes.
fn body(operation: &str, things: &Things) -> Option<Value> {
    let digest = "0".repeat(64);
    let of = |kind: &str| things.0[kind].clone();
    Some(match operation {
        "signIn" => json!({ "sign_in": "nobody", "password": "x" }),
        "changePassword" => json!({ "current": "x", "new": "y" }),
        "registerOrganisation" => json!({ "name": "another", "roles": ["provider"] }),
        "registerPerson" => json!({
            "organisation": of("organisations"), "sign_in": "another", "name": "another",
            "password": "Test-2024!", "roles": ["provider"],
        }),
        "closeOrganisation"
        | "closePerson"
        | "withdrawCase"
        | "retireResource"
        | "sealDataset"
        | "unsealDataset"
        | "closeScenario"
        | "suspendGrant"
        | "endGrant"
        | "cancelJob"
        | "withdrawRelease"
        | "suspendProduct"
        | "withdrawProduct"
        | "suspendSubscription"
        | "endSubscription"
        | "returnTask"
        | "cancelTask"
        | "objectToEvaluation" => {
            json!({ "reason": "x" })
        }
        "amendOrganisation" | "submitTask" | "callProduct" => json!({}),
        "bindOrganisation" | "bindPerson" => json!({ "roles": ["operator"] }),
        "answerEvaluation" => json!({ "answer": "x", "scores": { "total": 1 } }),
        "payOutSettlement" => json!({ "to": of("organisations"), "reference": "x" }),
        "openCase" => json!({ "procedure": "scenario", "title": "x" }),
        "actInCase" => json!({ "stage": "x", "outcome": "x", "read": digest }),
        "objectToCase" => json!({ "text": "x" }),
        "answerObjection" => json!({ "answer": "x" }),
        "registerResource" | "amendResource" => json!({
            "name": "another", "title": "another", "level": 1, "update_cycle": "monthly",
            "source_system": "x",
            "fields": [{ "name": "a", "meaning": "a", "kind": "text", "role": "dimension" }],
        }),
        "cutAgreement" => json!({ "trigger": "x", "reason": "x" }),
        "openSession" => json!({ "operation": "ask" }),
        "giveConsent" | "withdrawConsent" => json!({ "subject": "x" }),
        "ask" | "explainQuestion" => json!({ "sql": "SELECT 1" }),
        "submitJob" => json!({ "program": { "kind": "sql", "text": "SELECT 1" }, "purpose": "x" }),
        "orderSchedule" => json!({
            "program": { "kind": "sql", "text": "SELECT 1" }, "purpose": "x",
            "first_at": "2030-01-01T00:00:00Z", "every_minutes": 60,
        }),
        "requestRelease" | "amendRelease" => json!({ "purpose": "x", "form": "data_package" }),
        "approveRelease" => json!({ "content": digest }),
        "rejectRelease" => json!({ "content": digest, "reason": "x" }),
        "draftProduct" => json!({
            "title": "x", "form": "data_package", "delivery": { "delivery": "package" },
            "use_kind": "industry", "release": of("releases"),
        }),
        "subscribe" => json!({ "purpose": "x", "statement": "x", "no_resale": true }),
        "payInvoice" => json!({ "reference": "x" }),
        "raiseAlert" => json!({
            "ground": "x", "detail": "x", "severity": "notice", "subject": of("agreements"),
        }),
        "closeAlert" => json!({ "outcome": "x" }),
        _ => return None,
    })
}

/// A deployment in which there is one of everything, made by an operator who is concerned.
pub(crate) async fn furnish(app: &TestApp) -> Things {
    let (resource, spec) = supply(app).await;
    let agreement = admit(app).await;
    let grant = grant(app, &agreement, &resource).await;
    let operator = app.person("operator", 1).await;
    let table = spec.name.clone();
    let job = Job { app, operator, agreement, grant, table: spec.name };
    let session = job.ask().await;
    let release = job.release().await;
    let Sold { package, .. } = job.sell(&release).await;
    let Job { operator, agreement, grant, .. } = job;

    let auditor = app.founder("auditor").await;
    let officer = app.person("authority", 1).await;
    let first = async |path: &str| -> String {
        let found = app.get(path, &auditor).await.good();
        found["items"][0]["id"].as_str().unwrap_or_default().to_owned()
    };
    app.clock.advance(chrono::Duration::days(1));
    let invoice = format!("/subscriptions/{package}/invoices");
    let invoice = app.post(&invoice, &operator, json!({})).await.id();
    let pay = json!({ "reference": "transfer" });
    app.post(&format!("/invoices/{invoice}/pay"), &operator, pay).await.good();
    let role = if app.law().roles.contains_key("finance") { "finance" } else { "authority" };
    let settler = app.person(role, 1).await;
    let settle = format!("/agreements/{agreement}/settlements");
    let settlement = app.post(&settle, &settler, json!({})).await.id();
    let alert = json!({
        "ground": "x", "detail": "x", "severity": "notice", "subject": agreement,
        "agreement": agreement,
    });
    let alert = app.post("/alerts", &officer, alert).await.id();
    let text = format!("SELECT division, COUNT(*) AS n FROM {table} GROUP BY division");
    let order = json!({
        "program": { "kind": "sql", "text": text }, "purpose": "figures by area",
        "first_at": "2030-01-01T00:00:00Z", "every_minutes": 60,
    });
    let schedule = app.post(&format!("/grants/{grant}/schedules"), &operator, order).await.id();
    let document = app.send_bytes("/documents", &operator, b"a document".to_vec()).await.good();
    let open = json!({ "procedure": "scenario", "title": "x", "agreement": agreement });
    let case = app.post("/cases", &operator, open).await.id();
    Things(BTreeMap::from([
        ("organisations", operator.organisation.clone()),
        ("persons", operator.id.clone()),
        ("cases", case),
        ("documents", document["hash"].as_str().expect("a hash").to_owned()),
        ("datasets", resource.replacen("res-", "dat-", 1)),
        ("resources", resource),
        ("agreements", agreement.clone()),
        ("scenarios", first(&format!("/scenarios?parent={agreement}")).await),
        ("instruments", first("/instruments").await),
        ("grants", grant.clone()),
        ("sessions", session),
        ("jobs", first(&format!("/jobs?parent={grant}")).await),
        ("schedules", schedule),
        ("usage", first("/usage").await),
        ("releases", release),
        ("products", first(&format!("/products?parent={agreement}")).await),
        ("subscriptions", package),
        ("invoices", invoice),
        ("settlements", settlement),
        ("postings", first("/postings").await),
        ("alerts", alert),
        ("tasks", first(&format!("/tasks?parent={agreement}")).await),
        ("filings", first("/filings").await),
        ("notices", first("/notices").await),
        ("law", "admission".to_owned()),
    ]))
}

/// Kinds of which the furnished deployment has none.
const ABSENT: [(&str, &str); 3] = [
    ("evaluations", "eva-00000000000000000000000001"),
    ("cuts", "cut-00000000000000000000000001"),
    ("destructions", "des-00000000000000000000000001"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_whoever_is_not_signed_in_or_not_concerned() {
    let app = TestApp::new("hangzhou").await;
    let mut things = furnish(&app).await;
    things.0.extend(ABSENT.map(|(kind, id)| (kind, id.to_owned())));
    for (kind, id) in &things.0 {
        assert!(!id.is_empty(), "there is none of {kind}");
    }
    let callers: [(&str, Person); 6] = [
        ("admin", app.founder("admin").await),
        ("auditor", app.founder("auditor").await),
        ("operator", app.person_of("operator", "other", 1).await),
        ("provider", app.person_of("provider", "another provider", 1).await),
        ("product_user", app.person_of("product_user", "another consumer", 1).await),
        ("public", app.person_of("public", "a citizen", 1).await),
    ];
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (template, method, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        let path = format!("{}{}", things.path(&template), query(id));
        let method: Method = method.to_uppercase().parse().expect("a method");
        let body = body(id, &things);
        let unsigned = app.send(method.clone(), &path, None, body.as_ref()).await;
        let must = if PUBLIC.contains(&id) && id != "signIn" {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        if unsigned.status != must {
            wrong.push(format!("{id} unsigned: {} {}", unsigned.status, unsigned.text));
        }
        if PUBLIC.contains(&id) || EVERYBODYS.contains(&id) || id == "callProduct" {
            continue;
        }
        for (role, caller) in &callers {
            let token = app.token_of(caller).await;
            let answer = app.send(method.clone(), &path, Some(&token), body.as_ref()).await;
            let may = ALLOWED.iter().any(|(of, ids)| of == role && ids.contains(&id));
            let is_list = id.starts_with("list") && answer.status == StatusCode::OK;
            let is_absent = ABSENT.iter().any(|(kind, _)| path.starts_with(&format!("/{kind}/")));
            let fits = match answer.status {
                // What one may not see is left out of a list.
                StatusCode::OK if is_list => {
                    may || shows_only_what_is_open(id, &answer.json(), role)
                }
                StatusCode::NOT_FOUND => is_absent,
                StatusCode::FORBIDDEN => {
                    refused += 1;
                    let cites = answer.json()["clauses"].as_array().map_or(0, Vec::len) > 0;
                    // Who may by role can still be refused by a rule of the thing itself.
                    cites && (!may || answer.json()["code"] != json!("not-permitted"))
                }
                status => may && status.is_success(),
            };
            if !fits {
                wrong.push(format!("{id} by {role}: {} {}", answer.status, answer.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(refused > 200, "{refused} were refused");
    app.finish().await;
}

/// Whether a list shows the uninvolved nothing but what everybody may see.
fn shows_only_what_is_open(id: &str, list: &Value, role: &str) -> bool {
    let open = [
        "listOrganisations",
        "listResources",
        "listProducts",
        "listPrices",
        "listInstruments",
        "listNotices",
    ];
    let supervises = ["auditor"];
    // A provider reviews what leaves the domain; somebody sees themselves and their colleagues.
    let by_role = id == "listReleases" && role == "provider"
        || id == "listPersons"
        || id == "listFilings" && role == "auditor"
        // Who was refused again and again in this walk is told that it was noticed.
        || id == "listAlerts" && role == "operator";
    let items = list["items"].as_array().map_or(0, Vec::len);
    items == 0 || open.contains(&id) || supervises.contains(&role) || by_role
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_their_colleagues_and_nobody_else() {
    let app = TestApp::new("hangzhou").await;
    let own = app.person("operator", 1).await;
    app.person("operator", 2).await;
    app.person("provider", 1).await;
    let found = app.get("/persons", &own).await.good();
    let items = found["items"].as_array().expect("items");
    let names: BTreeSet<&str> = items.iter().filter_map(|it| it["sign_in"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["operator-1", "operator-2"]));
    assert!(!found.to_string().contains("password"), "{found}");
    app.finish().await;
}
