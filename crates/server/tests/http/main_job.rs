//! The main job over the interface, each step by its actor, under each of the five packs.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use shuyu_kernel::Clock as _;
use shuyu_server::http;
use shuyu_testkit::Backend;
use shuyu_vault::{DatasetSpec, FieldRole, SubjectKind, parse_specs};

use crate::{
    app::{Person, TestApp},
    walk::Errand,
};

/// How often the query API is called, and what a call and a package cost, in fen.
const CALLS: i64 = 7;
const CALL_FEN: i64 = 37;
const PACKAGE_FEN: i64 = 88_800;

/// So many persons are supplied.
const PERSONS: u64 = 600;

/// The columns that the scenario needs.
const COLUMNS: [&str; 2] = ["division", "id_number"];

/// What the operator works under.
pub(crate) struct Job<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) operator: Person,
    pub(crate) agreement: String,
    pub(crate) grant: String,
    pub(crate) table: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_under_taizhou() {
    main_job("taizhou").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_under_changchun() {
    main_job("changchun").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_under_jingzhou() {
    main_job("jingzhou").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_under_beijing() {
    main_job("beijing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_under_hangzhou() {
    main_job("hangzhou").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_on_a_server_of_databases() {
    match Backend::postgres() {
        Some(backend) => {
            main_job_in(TestApp::on("changchun", http::Bounds::default(), &backend).await).await;
        }
        None => println!("skipped: SHUYU_TEST_POSTGRES is not set"),
    }
}

async fn main_job(city: &str) {
    main_job_in(TestApp::new(city).await).await;
}

async fn main_job_in(app: TestApp) {
    let (resource, spec) = supply(&app).await;
    let agreement = admit(&app).await;
    let grant = grant(&app, &agreement, &resource).await;
    let operator = app.person("operator", 1).await;
    let job = Job { app: &app, operator, agreement, grant, table: spec.name };
    let session = job.ask().await;
    let release = job.release().await;
    let sold = job.sell(&release).await;
    job.share(&sold).await;
    job.suspend(&session, &sold).await;
    job.leave(&sold).await;
    prove(&app).await;
    app.finish().await;
}

pub(crate) async fn supply(app: &TestApp) -> (String, DatasetSpec) {
    let dir = tempfile::tempdir().expect("a directory");
    let start = app.clock.now().date_naive();
    let plan = shuyu_generate::Plan { persons: PERSONS, seed: 7, start };
    shuyu_generate::generate(&plan, dir.path()).expect("a synthetic city");
    let declared = std::fs::read_to_string(dir.path().join("datasets.toml")).expect("declared");
    let specs = parse_specs(&declared).expect("a declaration");
    let spec = specs.into_iter().find(|spec| spec.name == "persons").expect("persons");
    let provider = app.person("provider", 1).await;
    let resource = app.post("/resources", &provider, description(app, &spec)).await.id();

    let file = std::fs::read(dir.path().join(&spec.file)).expect("a file");
    let path = format!("/resources/{resource}/deliveries");
    let consumer = app.person("product_user", 1).await;
    app.send_bytes(&path, &consumer, file.clone()).await.refused();
    let delivered = app.send_bytes(&path, &provider, file).await.good();
    let (rows, bad) = (delivered["rows"].as_u64(), delivered["quarantined"].as_u64());
    assert!(rows.is_some_and(|rows| rows > PERSONS * 9 / 10), "{delivered}");
    assert!(bad.is_some_and(|bad| bad > 0), "the synthetic city has dirty rows: {delivered}");
    let set_aside = app.get(&format!("/resources/{resource}/quarantine"), &provider).await;
    assert_eq!(set_aside.status, StatusCode::OK);
    app.get(&format!("/resources/{resource}/quarantine"), &consumer).await.refused();
    app.post(&format!("/resources/{resource}/submit"), &provider, json!({})).await.good();
    // What nobody has reviewed is in nobody's catalogue but the provider's.
    app.get(&format!("/resources/{resource}"), &consumer).await.refused();

    let errand = Errand::new("resource").about(&resource).give("resource", resource.clone());
    app.run(&errand).await.expect("a review of resources");
    let seen = app.get(&format!("/resources/{resource}"), &consumer).await.good();
    assert_eq!(seen["status"], json!("published"));
    (resource, spec)
}

fn description(app: &TestApp, spec: &DatasetSpec) -> Value {
    let class = |name: &str| {
        let known = app.law().parameter(name)?;
        known.ids().first().map(|id| (*id).to_owned())
    };
    let fields: Vec<Value> = spec
        .fields
        .iter()
        .map(|field| {
            json!({
                "name": field.name, "meaning": field.name, "kind": field.kind,
                "required": field.required,
                "role": match field.role {
                    FieldRole::Identifier => "identifier",
                    FieldRole::Dimension => "dimension",
                    FieldRole::Measure => "measure",
                    FieldRole::Text => "text",
                },
            })
        })
        .collect();
    assert_eq!(spec.subject_kind, SubjectKind::Person);
    json!({
        "name": spec.name, "title": spec.title.zh, "fields": fields,
        "subject": { "kind": "natural_person", "key": spec.subject_key }, "level": 2,
        "sharing_class": class("sharing_classes"), "opening_class": class("opening_classes"),
        "update_cycle": spec.update_cycle, "source_system": "register",
    })
}

pub(crate) async fn admit(app: &TestApp) -> String {
    app.run(&Errand::new("plan")).await;
    let operator = app.person("operator", 1).await;
    let mut errand = Errand::new("admission").give("operator", operator.organisation.clone());
    if app.law().parameter("agreement_term").is_none() {
        // The city leaves the term to the parties.
        let today = app.law().local_date(app.clock.now());
        let to = today.checked_add_months(chrono::Months::new(36)).expect("a day");
        errand = errand.give("from", json!(today)).give("to", json!(to));
    }
    let case = app.run(&errand).await.expect("an admission");
    let found = app.get(&format!("/agreements?parent={case}"), &operator).await.good();
    let agreement = found["items"][0]["id"].as_str().expect("an agreement").to_owned();
    assert!(["trial", "active"].contains(&found["items"][0]["status"].as_str().unwrap_or("")));

    // Another operator neither sees the agreement nor the case.
    let other = app.person_of("operator", "other", 1).await;
    let found = app.get("/agreements", &other).await.good();
    assert_eq!(found["items"], json!([]));
    app.get(&format!("/agreements/{agreement}"), &other).await.refused();
    app.get(&format!("/cases/{case}"), &other).await.refused();

    let mut people = Vec::new();
    for number in 1..=3 {
        people.push(app.person("operator", number).await.id);
    }
    let today = app.law().local_date(app.clock.now());
    let roles = app.law().parameter("training_roles").map(|it| it.ids()).unwrap_or_default();
    let training: Vec<Value> = roles
        .iter()
        .zip(people.iter().cycle())
        .map(|(role, person)| {
            json!({
                "person": person, "role": role, "course": "data security and the law",
                "date": today, "passed": true,
            })
        })
        .collect();
    let errand = Errand::new("access").under(&agreement);
    app.run(&errand.give("people", json!(people)).give("training", training)).await;
    agreement
}

pub(crate) async fn grant(app: &TestApp, agreement: &str, resource: &str) -> String {
    let operator = app.person("operator", 1).await;
    let fields = COLUMNS.map(|column| {
        json!({
            "resource": resource, "column": column,
            "necessity": "needed for the figures by area that the scenario is about",
        })
    });
    let errand = Errand::new("scenario")
        .under(agreement)
        .give("title", "figures by area for planning")
        .give("purpose", "publish figures on which services can be planned")
        .give("use_kind", "industry")
        .give("fields", json!(fields));
    app.run(&errand).await.expect("a scenario");
    let found = app.get(&format!("/scenarios?parent={agreement}"), &operator).await.good();
    let scenario = found["items"][0]["id"].as_str().expect("a scenario").to_owned();

    let mut people = Vec::new();
    for number in 1..=3 {
        people.push(app.person("operator", number).await.id);
    }
    let today = app.law().local_date(app.clock.now());
    let until = today.checked_add_months(chrono::Months::new(18)).expect("a day");
    let errand = Errand::new("data_request")
        .under(agreement)
        .give("scenario", scenario)
        .give("items", json!([{ "resource": resource, "columns": COLUMNS }]))
        .give("operations", json!(["develop", "ask", "produce"]))
        .give("form_of_use", "usable_not_visible")
        .give("returned_provincial", false)
        .give("shared_in", false)
        .give("people", json!(people))
        .give("from", json!(today))
        .give("to", json!(until));
    app.run(&errand).await.expect("a grant");
    let found = app.get(&format!("/grants?parent={agreement}"), &operator).await.good();
    assert_eq!(found["items"][0]["status"], json!("active"));
    found["items"][0]["id"].as_str().expect("a grant").to_owned()
}

/// What was sold, and how it is used.
pub(crate) struct Sold {
    pub(crate) package: String,
    pub(crate) api: String,
    key: String,
    area: String,
}

impl Job<'_> {
    /// Develops on a sample, asks, and is refused what the law refuses. The session stays open.
    pub(crate) async fn ask(&self) -> String {
        let Self { app, operator, grant, table, .. } = self;
        let open = format!("/grants/{grant}/sessions");
        let outsider = app.person_of("operator", "other", 1).await;
        app.post(&open, &outsider, json!({ "operation": "ask" })).await.refused();
        let develop = app.post(&open, operator, json!({ "operation": "develop" })).await.id();
        let sample = app.get(&format!("/sessions/{develop}/sample?table={table}"), operator).await;
        let rows = sample.good()["rows"].as_array().map_or(0, Vec::len);
        assert!((1..=100).contains(&rows), "{rows} rows");
        let closed = app.post(&format!("/sessions/{develop}/close"), operator, json!({})).await;
        assert_eq!(closed.status, StatusCode::NO_CONTENT);

        let session = app.post(&open, operator, json!({ "operation": "ask" })).await.id();
        let ask = format!("/sessions/{session}/ask");
        let by_area = json!({
            "sql": format!("SELECT division, COUNT(*) AS n FROM {table} GROUP BY division")
        });
        let sheet = app.post(&ask, operator, by_area).await.good();
        assert_eq!(sheet["columns"], json!(["division", "n"]));
        let counts: Vec<i64> = sheet["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row[1].as_str().and_then(|n| n.parse().ok()).expect("a count"))
            .collect();
        assert!(!counts.is_empty() && counts.iter().all(|n| *n >= 10), "{counts:?}");
        for (sql, rule) in [
            (format!("SELECT * FROM {table}"), "no-raw-output"),
            (format!("SELECT name, COUNT(*) FROM {table} GROUP BY name"), "granted-names"),
            ("SELECT * FROM '/etc/passwd'".to_owned(), "granted-names"),
        ] {
            let problem = app.post(&ask, operator, json!({ "sql": sql })).await.refused();
            assert_eq!(problem["code"], json!(rule), "{sql}: {problem}");
        }
        let explain = format!("/sessions/{session}/explain");
        let sql = json!({ "sql": format!("SELECT * FROM {table}") });
        let explained = app.post(&explain, operator, sql).await.good();
        assert_eq!(explained["is_answered"], json!(false));
        // A session is its owner's alone.
        let colleague = app.person("operator", 2).await;
        let sql = json!({ "sql": "SELECT 1" });
        app.post(&ask, &colleague, sql).await.refused();
        session
    }

    /// Runs a job, and takes its output through the gate.
    pub(crate) async fn release(&self) -> String {
        let Self { app, operator, grant, table, .. } = self;
        let jobs = format!("/grants/{grant}/jobs");
        let job = |sql: &str, purpose: &str| json!({ "program": { "kind": "sql", "text": sql }, "purpose": purpose });
        let raw = job(&format!("SELECT * FROM {table}"), "a copy");
        app.post(&jobs, operator, raw).await.refused();
        let sql = format!(
            "SELECT division, COUNT(*) AS records FROM {table} GROUP BY division ORDER BY division"
        );
        let body = job(&sql, "figures by area");
        let job = app.post(&jobs, operator, body).await.id();
        let ran = app.post(&format!("/jobs/{job}/run"), operator, json!({})).await.good();
        assert_eq!(ran["status"], json!("succeeded"));
        let body = json!({ "purpose": "figures by area", "form": "data_package" });
        let release = app.post(&format!("/jobs/{job}/releases"), operator, body).await.id();

        let path = format!("/releases/{release}");
        let seen = app.get(&path, operator).await.good();
        assert_eq!(seen["status"], json!("in_review"), "{seen}");
        let content = seen["content"].as_str().expect("a digest");
        app.get(&format!("{path}/content"), operator).await.refused();
        app.get(&format!("{path}/quarantine"), operator).await.refused();
        let approve = format!("{path}/approve");
        app.post(&approve, operator, json!({ "content": content })).await.refused();
        let role =
            if app.law().roles.contains_key("implementer") { "implementer" } else { "authority" };
        let needed = usize::try_from(seen["needed"].as_u64().expect("a number")).expect("few");
        assert!(needed >= 1);
        let first = app.person(role, 1).await;
        // Before its release nobody outside learns so much as its size.
        app.get(&format!("{path}/findings"), operator).await.refused();
        let job = app.get(&format!("/jobs/{job}"), operator).await.good();
        for told in ["rows", "package", "standing", "findings"] {
            assert!(job.get(told).is_none() && seen.get(told).is_none(), "{job} {seen}");
        }
        let record = app.get(&format!("{path}/findings"), &first).await.good();
        assert!(record["rows"].as_u64() > Some(0), "{record}");
        assert!(record["findings"].as_array().is_some_and(|it| it.len() >= 6), "{record}");
        let inspected = app.get(&format!("{path}/quarantine"), &first).await;
        assert_eq!(inspected.text.lines().next(), Some("division,records"), "{}", inspected.text);
        let other = "0".repeat(64);
        app.post(&approve, &first, json!({ "content": other })).await.refused();
        for number in 1..=needed {
            let reviewer = app.person(role, number).await;
            app.post(&approve, &reviewer, json!({ "content": content })).await.good();
        }
        app.post(&approve, &first, json!({ "content": content })).await.refused();
        let read = app.get(&format!("{path}/content"), operator).await;
        assert_eq!(read.text, inspected.text, "what was reviewed is what came out");
        release
    }

    /// Makes a data package and a query API of it, and sells them.
    pub(crate) async fn sell(&self, release: &str) -> Sold {
        let Self { app, operator, .. } = self;
        let package = self.product(release, "data_package", json!({ "delivery": "package" })).await;
        let delivery = json!({
            "delivery": "api", "columns": ["division", "records"], "row_limit": 10,
            "parameters": [{
                "name": "area", "column": "division", "value_type": "text",
                "comparison": "equal", "required": true,
            }],
        });
        let api = self.product(release, "api", delivery).await;
        let read = app.get(&format!("/releases/{release}/content"), operator).await;
        let area = read.text.lines().nth(1).and_then(|line| line.split(',').next());
        let area = area.expect("a row").to_owned();

        let consumer = app.person("product_user", 1).await;
        let order = |quota: u64| {
            json!({
                "purpose": self.purpose(), "statement": "planning of services in our own area",
                "quota": quota, "no_resale": true,
            })
        };
        let path = format!("/products/{package}/subscriptions");
        let subscribed = app.post(&path, &consumer, order(5)).await.good();
        assert_eq!(subscribed["key"], Value::Null);
        let package = subscribed["id"].as_str().expect("an id").to_owned();
        let download = format!("/subscriptions/{package}/download");
        app.get(&download, operator).await.refused();
        let downloaded = app.get(&download, &consumer).await;
        assert_eq!(downloaded.text, read.text);

        let path = format!("/products/{api}/subscriptions");
        let subscribed = app.post(&path, &consumer, order(100)).await.good();
        let key = subscribed["key"].as_str().expect("a key").to_owned();
        let api = subscribed["id"].as_str().expect("an id").to_owned();
        let calls = format!("/subscriptions/{api}/calls");
        for _ in 0..CALLS {
            let answer = app.call(&calls, &key, &json!({ "area": area })).await.good();
            assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1), "{answer}");
        }
        app.call(&calls, "sk-0", &json!({ "area": area })).await.refused();
        let problem = app.call(&calls, &key, &json!({ "place": area })).await;
        problem.problem(StatusCode::UNPROCESSABLE_ENTITY);
        Sold { package, api, key, area }
    }

    async fn product(&self, release: &str, form: &str, delivery: Value) -> String {
        let Self { app, operator, .. } = self;
        let known: Vec<&str> = ["product_forms", "platform_product_forms", "service_kinds"]
            .iter()
            .filter_map(|name| app.law().parameter(name))
            .flat_map(shuyu_law::Parameter::ids)
            .collect();
        let same = known.iter().find(|it| **it == form).copied();
        let other = || {
            let named = known.iter().find(|it| ["interface", "data_interface"].contains(it));
            named.filter(|_| form == "api").copied()
        };
        let named = same.or_else(other).unwrap_or(form);
        let draft = json!({
            "title": format!("figures by area ({form})"), "form": named, "delivery": delivery,
            "use_kind": "industry", "purposes": [self.purpose()], "release": release,
        });
        let product = app.post("/products", operator, draft).await.id();
        let consumer = app.person("product_user", 1).await;
        app.get(&format!("/products/{product}"), &consumer).await.refused();
        let (unit, fen) = if form == "api" { ("call", CALL_FEN) } else { ("package", PACKAGE_FEN) };
        let errand = Errand::new("price")
            .about(&product)
            .give("product", product.clone())
            .give("fen", fen)
            .give("ceiling_fen", fen * 2)
            .give("unit", unit)
            .give("basis", "cost of processing and supply");
        app.run(&errand).await;
        let errand = Errand::new("product")
            .about(&product)
            .give("product", product.clone())
            .give("release", release)
            .give("form", named)
            .give("basis", "cost of processing and supply")
            .give("scenario", "figures by area for planning")
            .give("scope", "as declared")
            .give("manner", form);
        app.run(&errand).await;
        let seen = app.get(&format!("/products/{product}"), &consumer).await.good();
        assert_eq!(seen["status"], json!("listed"));
        product
    }

    /// A purpose for which use is paid.
    fn purpose(&self) -> String {
        let paid = self.app.law().parameter("paid_use").map(|it| it.ids()).unwrap_or_default();
        paid.iter().min().map_or_else(|| "industry".to_owned(), |it| (*it).to_owned())
    }

    /// Invoices, is paid, and shares the proceeds to the fen.
    async fn share(&self, sold: &Sold) {
        let Self { app, operator, agreement, .. } = self;
        app.clock.advance(chrono::Duration::days(30));
        let consumer = app.person("product_user", 1).await;
        let mut total = 0;
        for (subscription, due) in [(&sold.package, PACKAGE_FEN), (&sold.api, CALLS * CALL_FEN)] {
            let path = format!("/subscriptions/{subscription}/invoices");
            app.post(&path, &consumer, json!({})).await.refused();
            let invoice = app.post(&path, operator, json!({})).await.good();
            assert_eq!(invoice["total_fen"], json!(due), "{invoice}");
            let id = invoice["id"].as_str().expect("an id");
            let body = json!({ "reference": "transfer 1" });
            let path = format!("/invoices/{id}/pay");
            app.post(&path, &consumer, body.clone()).await.refused();
            let paid = app.post(&path, operator, body).await.good();
            assert_eq!(paid["status"], json!("paid"));
            total += due;
        }
        let role = if app.law().roles.contains_key("finance") { "finance" } else { "authority" };
        let settler = app.person(role, 1).await;
        let path = format!("/agreements/{agreement}/settlements");
        app.post(&path, &consumer, json!({})).await.refused();
        let settled = app.post(&path, &settler, json!({})).await.good();
        assert_eq!(settled["proceeds_fen"], json!(total));
        let parts = settled["parts"].as_array().expect("parts");
        let sum: i64 = parts.iter().filter_map(|part| part["amount_fen"].as_i64()).sum();
        assert!(parts.len() > 1 && sum == total, "{settled}");
        let books = app.get("/books", &settler).await.good();
        assert_eq!(books["total_fen"], json!(0));
        assert!(!books["accounts"].as_array().expect("accounts").is_empty());
        app.get("/books", &consumer).await.refused();
    }

    /// A violation is answered by a suspension, which cuts session, job and key; then a
    /// rectification restores them, and an evaluation is recorded.
    async fn suspend(&self, session: &str, sold: &Sold) {
        let Self { app, operator, agreement, grant, table } = self;
        let officer = app.person("authority", 1).await;
        // What was refused before has been noticed by the platform itself.
        let noticed = app.get(&format!("/alerts?owner={}", operator.organisation), &officer).await;
        let noticed = noticed.good()["items"].as_array().cloned().unwrap_or_default();
        assert!(noticed.iter().any(|it| it["ground"] == json!("out_of_scope_attempts")), "none");
        let alert = json!({
            "ground": "out_of_scope_attempts", "detail": "raw rows were asked for again",
            "severity": "critical", "subject": agreement, "organisation": operator.organisation,
            "agreement": agreement,
        });
        let alert = app.post("/alerts", &officer, alert).await.id();
        let seen = app.get(&format!("/alerts/{alert}"), operator).await.good();
        assert_eq!(seen["severity"], json!("critical"), "who is watched is told");
        let sql = format!("SELECT division, COUNT(*) AS n FROM {table} GROUP BY division");
        let program = json!({ "kind": "sql", "text": sql });
        let body = json!({ "program": program, "purpose": "under way" });
        let job = app.post(&format!("/grants/{grant}/jobs"), operator, body).await.id();

        let correcting = Errand {
            prefer: &["suspended", "suspend"],
            until: &["plan", "correction", "correct"],
            ..Errand::new("rectification").under(agreement)
        }
        .give("finding", "raw rows were asked for, against the scenario");
        let case = app.run(&correcting).await.expect("a rectification");
        let began = Instant::now();
        let question = json!({ "sql": sql });
        let ask = format!("/sessions/{session}/ask");
        app.post(&ask, operator, question.clone()).await.refused();
        app.post(&format!("/jobs/{job}/run"), operator, json!({})).await.refused();
        let calls = format!("/subscriptions/{}/calls", sold.api);
        let arguments = json!({ "area": sold.area });
        app.call(&calls, &sold.key, &arguments).await.refused();
        let consumer = app.person("product_user", 1).await;
        app.get(&format!("/subscriptions/{}/download", sold.package), &consumer).await.refused();
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

        let errand = Errand { until: &[], ..correcting };
        app.go_on(&case, &errand).await;
        app.call(&calls, &sold.key, &arguments).await.good();
        let ran = app.post(&format!("/jobs/{job}/run"), operator, json!({})).await.good();
        assert_eq!(ran["status"], json!("succeeded"));
        let session = format!("/grants/{grant}/sessions");
        let session = app.post(&session, operator, json!({ "operation": "ask" })).await.id();
        app.post(&format!("/sessions/{session}/ask"), operator, question).await.good();

        let errand = Errand::new("evaluation")
            .under(agreement)
            .give("period", "first year")
            .give("score", 88)
            .give("grade", "pass")
            .give("finding", "in order");
        if app.run(&errand).await.is_some() {
            let found = app.get(&format!("/evaluations?parent={agreement}"), &officer).await.good();
            assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
        }
        let tasks = app.get(&format!("/tasks?parent={agreement}"), &officer).await.good();
        assert!(tasks["items"].as_array().is_some_and(|it| !it.is_empty()), "{tasks}");
    }

    /// The operator leaves: access closes, data are destroyed, and that is certified.
    async fn leave(&self, sold: &Sold) {
        let Self { app, operator, agreement, grant, .. } = self;
        let errand = Errand::new("exit")
            .under(agreement)
            .give("ground", "early_termination")
            .give("reason", "the operator asks to end early");
        app.run(&errand).await.expect("an exit");
        let ended = app.get(&format!("/agreements/{agreement}"), operator).await.good();
        assert_eq!(ended["status"], json!("closed"), "{ended}");
        let path = format!("/agreements/{agreement}/certificates");
        let certificates = app.get(&path, operator).await.good();
        let certificates = certificates.as_array().expect("certificates");
        assert!(!certificates.is_empty());
        assert!(certificates.iter().all(|it| it["reading_fails"] == json!(true)));
        let open = json!({ "operation": "ask" });
        app.post(&format!("/grants/{grant}/sessions"), operator, open).await.refused();
        let consumer = app.person("product_user", 1).await;
        app.get(&format!("/subscriptions/{}/download", sold.package), &consumer).await.refused();
        let calls = format!("/subscriptions/{}/calls", sold.api);
        app.call(&calls, &sold.key, &json!({ "area": sold.area })).await.refused();
    }
}

async fn prove(app: &TestApp) {
    let auditor = app.founder("auditor").await;
    let verified = app.post("/ledger/verify", &auditor, json!({})).await.good();
    assert_eq!(verified["faults"], json!([]));
    assert!(verified["size"].as_u64().is_some_and(|size| size > 300), "{verified}");
    let entries = app.get("/ledger/entries?act=agreement.sign", &auditor).await.good();
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries}");
    let operator = app.person("operator", 1).await;
    app.get("/ledger/entries", &operator).await.refused();
    let proof = app.get("/ledger/inclusion?index=0", &operator).await.good();
    assert!(proof["path"].as_array().is_some_and(|path| path.len() > 7), "{proof}");
}
