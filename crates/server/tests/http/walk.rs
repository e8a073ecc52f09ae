//! Taking a case through its procedure over the interface, each stage by who may act there.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value, json};
use shuyu_casework::simulate;
use shuyu_kernel::Clock as _;
use shuyu_law::Stage;

use crate::app::{Person, TestApp};

/// Persons of one organisation that a walk tries at the most.
const PEOPLE: usize = 8;

/// A case to be run.
#[derive(Clone)]
pub(crate) struct Errand {
    pub(crate) procedure: &'static str,
    pub(crate) subject: Option<String>,
    pub(crate) agreement: Option<String>,
    /// Values of form fields, wherever a form asks for them.
    pub(crate) given: Map<String, Value>,
    /// Outcomes to be taken where a stage has them, instead of its first.
    pub(crate) prefer: &'static [&'static str],
    /// The stages before which to stop.
    pub(crate) until: &'static [&'static str],
}

impl Errand {
    pub(crate) fn new(procedure: &'static str) -> Self {
        Self {
            procedure,
            subject: None,
            agreement: None,
            given: Map::new(),
            prefer: &[],
            until: &[],
        }
    }

    pub(crate) fn give(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn about(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    pub(crate) fn under(mut self, agreement: &str) -> Self {
        self.agreement = Some(agreement.to_owned());
        self
    }
}

impl TestApp {
    /// Runs a case to its end. `None`: the city has no such procedure, so there is no such step.
    pub(crate) async fn run(&self, errand: &Errand) -> Option<String> {
        let procedure = self.law().procedure(errand.procedure)?.clone();
        let first = procedure.stages.first()?.actors.first()?;
        let opener = self.person(first, 1).await;
        let body = json!({
            "procedure": errand.procedure, "title": errand.procedure,
            "subject": errand.subject, "agreement": errand.agreement,
        });
        let id = self.post("/cases", &opener, body).await.id();
        self.go_on(&id, errand).await;
        Some(id)
    }

    /// Goes on with a case until it ends, or comes to a stage before which to stop.
    pub(crate) async fn go_on(&self, id: &str, errand: &Errand) {
        loop {
            let case = self.case(id).await;
            let Some(stage) = case["stage"]["id"].as_str().map(str::to_owned) else { return };
            if errand.until.contains(&stage.as_str()) {
                return;
            }
            let law = self.law().clone();
            let procedure = law.procedure(errand.procedure).expect("the procedure");
            let stage = procedure.stage(&stage).expect("the stage").clone();
            self.emergency_plan(id, &stage).await;
            if let Some(not_before) = case["stage"]["not_before"].as_str() {
                let not_before: DateTime<Utc> = not_before.parse().expect("an instant");
                self.clock.advance_to(not_before + Duration::seconds(1));
            }
            self.pass(id, &stage, errand).await;
        }
    }

    /// A case as the auditor sees it.
    pub(crate) async fn case(&self, id: &str) -> Value {
        let auditor = self.founder("auditor").await;
        self.get(&format!("/cases/{id}"), &auditor).await.good()
    }

    /// Everyone acts who must, so that the stage closes.
    async fn pass(&self, id: &str, stage: &Stage, errand: &Errand) {
        let preferred = errand.prefer.iter().find_map(|wanted| stage.outcome(wanted));
        let outcome = preferred.or_else(|| simulate::onward(stage)).expect("an outcome").clone();
        for (number, (role, person)) in self.actors(id, stage).await.into_iter().enumerate() {
            let seen = self.get(&format!("/cases/{id}"), &person).await.good();
            if seen["stage"]["id"] != json!(stage.id) {
                return;
            }
            assert_eq!(seen["stage"]["may_act"], json!(true), "{}: {}", person.sign_in, stage.id);
            let (form, documents) = match number {
                0 => (self.form(&seen, errand), self.documents(&person, &seen).await),
                _ => (Value::Null, json!({})),
            };
            let body = json!({
                "stage": stage.id, "outcome": outcome.id, "role": role, "form": form,
                "documents": documents, "read": seen["content"],
                "reason": outcome.negative.then_some("in the test"),
            });
            let acted = self.post(&format!("/cases/{id}/acts"), &person, body).await;
            let acted = acted.good();
            assert!(!acted["clauses"].as_array().expect("clauses").is_empty());
            self.clock.advance(Duration::minutes(10));
        }
        let now = self.case(id).await;
        assert_ne!(now["stage"]["id"], json!(stage.id), "{} did not close: {now}", stage.id);
    }

    fn form(&self, seen: &Value, errand: &Errand) -> Value {
        let schema = &seen["stage"]["form"];
        if schema.is_null() {
            return Value::Null;
        }
        let law = self.law();
        let today = law.local_date(self.clock.now());
        let mut earlier = Map::new();
        for act in seen["acts"].as_array().expect("acts") {
            if let Value::Object(form) = &act["form"] {
                earlier.extend(form.clone());
            }
        }
        let mut given = simulate::given(law, today, earlier);
        given.remove("agreement");
        if let Some(agreement) = &errand.agreement {
            given.insert("agreement".to_owned(), json!(agreement));
        }
        given.extend(errand.given.clone());
        simulate::example(schema, &given, &today.to_string())
    }

    async fn documents(&self, person: &Person, seen: &Value) -> Value {
        let mut attached = Map::new();
        for document in seen["stage"]["documents"].as_array().expect("documents") {
            let id = document["id"].as_str().expect("an id");
            let text = format!("{id} {}", seen["id"]);
            let kept = self.send_bytes("/documents", person, text.into_bytes()).await.good();
            attached.insert(id.to_owned(), kept["hash"].clone());
        }
        Value::Object(attached)
    }

    /// Those who can take the stage to its outcome, none of whom acted in a stage that keeps
    /// them from this one.
    async fn actors(&self, id: &str, stage: &Stage) -> Vec<(String, Person)> {
        let case = self.case(id).await;
        let kept_out: BTreeSet<&str> = case["acts"]
            .as_array()
            .expect("acts")
            .iter()
            .filter(|act| stage.unlike.iter().any(|it| act["stage"] == json!(it)))
            .filter_map(|act| act["person"].as_str())
            .collect();
        let needed = case["stage"]["persons"].as_u64().unwrap_or(1).max(1);
        let roles = if stage.every { &stage.actors[..] } else { &stage.actors[..1] };
        let wanted = usize::try_from(needed).expect("few").max(roles.len());
        let mut chosen: Vec<(String, Person)> = Vec::new();
        for number in 1..=PEOPLE {
            for role in roles {
                let person = self.person(role, number).await;
                let is_free = !kept_out.contains(person.id.as_str())
                    && chosen.iter().all(|(_, other)| other.id != person.id);
                if is_free && chosen.len() < wanted {
                    chosen.push((role.clone(), person));
                }
            }
            if chosen.len() == wanted {
                break;
            }
        }
        assert_eq!(chosen.len(), wanted, "nobody is left to act in {}", stage.id);
        chosen
    }

    /// A plan that a guard asks for is made before the stage ends.
    async fn emergency_plan(&self, case: &str, stage: &Stage) {
        if !stage.guards.iter().any(|guard| guard == "emergency_plan.in_force") {
            return;
        }
        let agreement = case.replacen("cas-", "agr-", 1);
        let errand = Errand::new("emergency_plan").under(&agreement);
        Box::pin(self.run(&errand)).await;
    }
}
