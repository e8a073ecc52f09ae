//! A deployment of a city, served, and its callers.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use reqwest::{Client, Method, StatusCode, header};
use serde_json::{Value, json};
use shuyu_kernel::{Clock, SystemEntropy, VirtualClock};
use shuyu_law::{Law, Packs};
use shuyu_server::{
    app::{App, Deployment},
    http,
};
use shuyu_testkit::{Backend, Fresh};
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, oneshot},
    task::JoinHandle,
};

/// The password of everyone in these tests.
pub(crate) const PASSWORD: &str = "Test-2024!";

/// A served deployment.
pub(crate) struct TestApp {
    /// The application behind the interface: for its law, and for looking at what has become.
    pub(crate) app: App,
    /// The clock.
    pub(crate) clock: Arc<VirtualClock>,
    /// Where it is served.
    pub(crate) address: SocketAddr,
    base: String,
    client: Client,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    known: Mutex<Known>,
    database: Fresh,
    _dir: TempDir,
}

/// Who has been registered, and who is signed in.
#[derive(Default)]
struct Known {
    organisations: std::collections::BTreeMap<String, String>,
    people: std::collections::BTreeMap<String, Person>,
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) sign_in: String,
    pub(crate) id: String,
    pub(crate) organisation: String,
    token: String,
    signed_in_at: DateTime<Utc>,
}

/// What the interface answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("JSON, not {}", self.text))
    }

    /// The body of a success.
    pub(crate) fn good(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The id of what was made.
    pub(crate) fn id(self) -> String {
        self.good()["id"].as_str().expect("an id").to_owned()
    }

    /// The problem of a refusal by the law, which cites a clause.
    pub(crate) fn refused(self) -> Value {
        let problem = self.problem(StatusCode::FORBIDDEN);
        let clauses = problem["clauses"].as_array().map_or(0, Vec::len);
        assert!(clauses > 0, "refused without a clause: {problem}");
        problem
    }

    /// The problem of this status.
    pub(crate) fn problem(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let media = self.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
        assert_eq!(media, Some(http::PROBLEM_JSON), "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["status"], json!(status.as_u16()));
        for member in ["type", "title", "detail", "code"] {
            assert!(problem[member].is_string(), "no {member}: {problem}");
        }
        problem
    }
}

impl TestApp {
    /// A deployment of a city, founded and served.
    pub(crate) async fn new(city: &str) -> Self {
        Self::within(city, http::Bounds::default()).await
    }

    /// A deployment of a city, founded and served within these bounds.
    pub(crate) async fn within(city: &str, bounds: http::Bounds) -> Self {
        Self::on(city, bounds, &Backend::Sqlite).await
    }

    /// A deployment of a city on a database of its own, founded and served within these bounds.
    pub(crate) async fn on(city: &str, bounds: http::Bounds, backend: &Backend) -> Self {
        let dir = TempDir::new().expect("a directory");
        let database = Fresh::new(backend, dir.path()).await;
        let entropy = Arc::new(SystemEntropy);
        let deployment = Deployment::found(
            &dir.path().join("deployment"),
            city,
            &Packs::embedded(),
            database.address().map(str::to_owned),
            &*entropy,
        )
        .expect("a deployment");
        let clock = Arc::new(VirtualClock::new(first_morning(&deployment.laws().current)));
        let app = App::open(deployment, Arc::clone(&clock) as Arc<dyn Clock>, entropy)
            .await
            .expect("an application");
        app.found(("admin", PASSWORD), ("auditor", PASSWORD)).await.expect("founded");
        let (stop, stopped) = oneshot::channel();
        let (told, address) = oneshot::channel();
        let serving = app.clone();
        let served = tokio::spawn(async move {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let listening = |address| told.send(address).expect("the test waits for it");
            let stopped = async { drop(stopped.await) };
            http::serve(serving, any, bounds, listening, stopped).await.expect("served");
        });
        let address = address.await.expect("an address");
        Self {
            app,
            clock,
            address,
            base: format!("http://{address}/api/v1"),
            client: Client::builder().no_proxy().build().expect("a client"),
            stop,
            served,
            known: Mutex::default(),
            database,
            _dir: dir,
        }
    }

    pub(crate) fn law(&self) -> &Law {
        self.app.law()
    }

    /// Stops serving, and verifies the ledger.
    pub(crate) async fn finish(self) {
        drop(self.stop);
        self.served.await.expect("served to its end");
        let faults = self.app.verify().await.expect("the ledger can be read");
        assert!(faults.is_empty(), "the ledger does not verify: {faults:?}");
        self.app.close().await;
        self.database.drop_database().await;
    }

    /// Sends a request: a body in JSON, and a bearer token if there is one.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Sends bytes.
    pub(crate) async fn send_bytes(&self, path: &str, by: &Person, bytes: Vec<u8>) -> Answer {
        let token = self.token_of(by).await;
        let request = self.client.post(format!("{}{path}", self.base));
        answer(request.bearer_auth(token).body(bytes)).await
    }

    /// Calls a query API with a key.
    pub(crate) async fn call(&self, path: &str, key: &str, arguments: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base));
        answer(request.header(http::API_KEY, key).json(arguments)).await
    }

    pub(crate) async fn get(&self, path: &str, by: &Person) -> Answer {
        let token = self.token_of(by).await;
        self.send(Method::GET, path, Some(&token), None).await
    }

    pub(crate) async fn post(&self, path: &str, by: &Person, body: Value) -> Answer {
        let token = self.token_of(by).await;
        self.send(Method::POST, path, Some(&token), Some(&body)).await
    }

    /// The first administrator, or auditor.
    pub(crate) async fn founder(&self, sign_in: &str) -> Person {
        let known = self.known.lock().await.people.get(sign_in).cloned();
        match known {
            Some(person) => person,
            None => self.signed_in(sign_in).await,
        }
    }

    /// The `number`th person, from 1, of the organisation that holds a role: registered by the
    /// administrator, over the interface, when first asked for.
    pub(crate) async fn person(&self, role: &str, number: usize) -> Person {
        let holder = self.law().holder_of(role).to_owned();
        self.person_of(&holder, &holder, number).await
    }

    /// The `number`th person of the organisation of this name, which holds a role.
    pub(crate) async fn person_of(&self, holder: &str, name: &str, number: usize) -> Person {
        let sign_in = format!("{name}-{number}");
        if let Some(person) = self.known.lock().await.people.get(&sign_in) {
            return person.clone();
        }
        let admin = self.founder("admin").await;
        let organisation = self.known.lock().await.organisations.get(name).cloned();
        let organisation = if let Some(organisation) = organisation {
            organisation
        } else {
            let record = if holder == "operator" { self.record() } else { Value::Null };
            let body = json!({ "name": name, "roles": [holder], "record": record });
            let id = self.post("/organisations", &admin, body).await.id();
            self.known.lock().await.organisations.insert(name.to_owned(), id.clone());
            id
        };
        let roles: BTreeSet<String> = self.law().roles_of(holder);
        let body = json!({
            "organisation": organisation, "sign_in": sign_in, "name": sign_in,
            "password": PASSWORD, "roles": roles,
        });
        self.post("/persons", &admin, body).await.id();
        self.signed_in(&sign_in).await
    }

    /// A token that is good now.
    pub(crate) async fn token_of(&self, person: &Person) -> String {
        let known = self.known.lock().await.people.get(&person.sign_in).cloned();
        let person = known.unwrap_or_else(|| person.clone());
        if self.clock.now() - person.signed_in_at < Duration::hours(7) {
            return person.token;
        }
        self.signed_in(&person.sign_in).await.token
    }

    async fn signed_in(&self, sign_in: &str) -> Person {
        let body = json!({ "sign_in": sign_in, "password": PASSWORD });
        let signed = self.send(Method::POST, "/sign-in", None, Some(&body)).await.good();
        let text = |name: &str| signed[name].as_str().expect(name).to_owned();
        let person = Person {
            sign_in: sign_in.to_owned(),
            id: text("person"),
            organisation: text("organisation"),
            token: text("token"),
            signed_in_at: self.clock.now(),
        };
        self.known.lock().await.people.insert(sign_in.to_owned(), person.clone());
        person
    }

    /// What the register says of an operator whom the city's conditions let in.
    fn record(&self) -> Value {
        let first = |name: &str| {
            self.law()
                .parameter(name)
                .and_then(|it| it.ids().first().map(|id| (*id).to_owned()))
                .unwrap_or_else(|| "legal_person".to_owned())
        };
        json!({
            "legal_form": first("operator_legal_forms"), "ownership": "state_owned",
            "credit_code": "91350100M000100Y43",
        })
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a body in UTF-8"),
    }
}

/// Nine in the morning of the first working day on which the law is in force.
fn first_morning(law: &Law) -> DateTime<Utc> {
    let first = [law.regulation.effective, law.regulation.published].into_iter().flatten().next();
    let mut day = first.unwrap_or(NaiveDate::from_ymd_opt(2024, 3, 1).expect("a day"));
    loop {
        day = day.succ_opt().expect("a next day");
        if law.calendar.is_working_day(day) {
            let morning = day.and_hms_opt(9, 0, 0).expect("a time").and_utc();
            return morning - Duration::hours(i64::from(law.utc_offset_hours));
        }
    }
}
