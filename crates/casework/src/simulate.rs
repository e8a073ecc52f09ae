//! Walks cases through procedures without a store: forms filled from their schemas, the right
//! actors, the facts that guards want. For tests, simulation and proofs of clauses.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Map, Value, json};
use shuyu_kernel::{Actor, AgreementId, ContentHash, Id as _, OrganisationId, PersonId, Role};
use shuyu_law::{Law, Outcome, Procedure, Refusal, Stage, Sum};
use shuyu_store::{Context, Entity};

use crate::{
    Case, Facts,
    case::{Acting, Command, Event},
    deciding::{documents_asked, persons_needed},
};

/// A value that a JSON Schema permits, as small as it can be: fields that are required or that
/// `given` names, the first of a choice. `given` values are taken where they are named.
pub fn example(schema: &Value, given: &Map<String, Value>, today: &str) -> Value {
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|all| all.first()) {
        return first.clone();
    }
    let figure = |name: &str| schema.get(name).and_then(Value::as_u64);
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let required: BTreeSet<&str> = schema
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let known = schema.get("properties").and_then(Value::as_object);
            let mut filled = Map::new();
            for (name, part) in known.into_iter().flatten() {
                if let Some(value) = given.get(name).filter(|value| permits(part, value)) {
                    filled.insert(name.clone(), value.clone());
                } else if required.contains(name.as_str()) {
                    filled.insert(name.clone(), example(part, given, today));
                }
            }
            for sum in &shuyu_law::sums(schema) {
                come_to(sum, &mut filled);
            }
            Value::Object(filled)
        }
        Some("array") => {
            let item = schema.get("items").cloned().unwrap_or_else(|| json!({ "type": "string" }));
            let least = usize::try_from(figure("minItems").unwrap_or(0)).unwrap_or(0);
            // All of a closed list: what must be declared is declared.
            if let Some(all) = item.get("enum").and_then(Value::as_array) {
                return Value::Array(all.clone());
            }
            let one = example(&item, given, today);
            let each = variants(&item, &one);
            let missing = least.max(1).saturating_sub(each.len());
            each.into_iter().chain(std::iter::repeat_n(one, missing)).collect()
        }
        Some("integer" | "number") => {
            json!(schema.get("minimum").and_then(Value::as_i64).unwrap_or(1))
        }
        Some("boolean") => json!(true),
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date") => json!(within_days(schema, today)),
            Some("date-time") => json!(format!("{today}T01:00:00Z")),
            _ => json!(text(schema)),
        },
    }
}

/// Makes a sum come to what it must: by its first entry, or by the field that states it.
fn come_to(sum: &Sum, form: &mut Map<String, Value>) {
    let total = sum.total(form);
    if let Some(field) = sum.is.as_str() {
        form.insert(field.to_owned(), json!(total));
    } else if let (Some(must), Some(term)) = (sum.is.as_f64(), sum.terms.first()) {
        let first = form.get_mut(&sum.of).and_then(|list| list.get_mut(0)?.get_mut(term));
        if let Some(first) = first {
            *first = json!(first.as_f64().unwrap_or(0.0) + must - total);
        }
    }
}

/// Today, or a day within those that the schema permits.
fn within_days(schema: &Value, today: &str) -> String {
    let day = |name: &str| schema.get(name).and_then(Value::as_str);
    let before = day("formatExclusiveMaximum").filter(|last| today >= *last);
    let before = before.and_then(|last| last.parse::<NaiveDate>().ok()?.pred_opt());
    let first = day("formatMinimum").filter(|first| today < *first);
    before.map_or_else(|| first.unwrap_or(today).to_owned(), |day| day.to_string())
}

/// Whether a value is one of a closed choice, or there is no such choice.
fn permits(schema: &Value, value: &Value) -> bool {
    let within = |choice: &Value, value: &Value| {
        choice.get("const").is_none_or(|only| only == value)
            && choice.get("enum").and_then(Value::as_array).is_none_or(|all| all.contains(value))
    };
    let items = schema.get("items").zip(value.as_array());
    within(schema, value)
        && items.is_none_or(|(item, values)| values.iter().all(|value| within(item, value)))
}

/// `one` for every value of its first field that is a closed choice; `one` alone without such.
fn variants(item: &Value, one: &Value) -> Vec<Value> {
    let fields = item.get("properties").and_then(Value::as_object);
    let choice = fields.into_iter().flatten().find_map(|(name, part)| {
        Some((name, part.get("enum")?.as_array()?)).filter(|_| one.get(name).is_some())
    });
    let Some((name, all)) = choice else { return vec![one.clone()] };
    let with = |value: &Value| {
        let mut item = one.clone();
        if let Some(fields) = item.as_object_mut() {
            fields.insert(name.clone(), value.clone());
        }
        item
    };
    all.iter().map(with).collect()
}

/// A text of the length and the prefix that are asked for.
fn text(schema: &Value) -> String {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let prefix = pattern.strip_prefix('^').unwrap_or_default().trim_end_matches('$');
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
    let mut text = prefix.to_owned();
    while u64::try_from(text.chars().count()).unwrap_or(u64::MAX) < least.max(2) {
        text.push('x');
    }
    text
}

/// A case that is walked, with a clock of its own.
#[derive(Debug)]
pub struct Walk<'a> {
    /// The law that it is walked under.
    pub law: &'a Law,
    /// Its procedure.
    pub procedure: &'a Procedure,
    /// What time it is.
    pub now: DateTime<Utc>,
    /// The case.
    pub case: Case,
    /// What happened to it.
    pub events: Vec<Event>,
    /// What the guards are told.
    pub facts: Facts,
}

impl<'a> Walk<'a> {
    /// Opens a case of the procedure by the first actor of its first stage. `None`: the city has
    /// no such procedure.
    pub fn open(
        law: &'a Law,
        procedure: &str,
        now: DateTime<Utc>,
    ) -> Option<Result<Self, Refusal>> {
        let procedure = law.procedure(procedure)?;
        let role = procedure.stages.first()?.actors.first()?;
        let opener = actor(law, role, 1);
        let command = Command::Open {
            procedure: procedure.id.clone(),
            title: procedure.title.en.clone(),
            subject: None,
            agreement: Some(AgreementId::from_u128(1)),
        };
        let ctx = Context { now, actor: &opener, law };
        let events = match Case::decide(None, command, &ctx) {
            Ok(events) => events,
            Err(refusal) => return Some(Err(refusal)),
        };
        let case = events.iter().fold(None, Case::evolve)?;
        Some(Ok(Self { law, procedure, now, case, events, facts: facts(law) }))
    }

    /// The stage that the case is in.
    pub fn stage(&self) -> Option<&'a Stage> {
        self.procedure.stage(&self.case.current()?.stage)
    }

    /// An act that leads on: the first outcome that says yes, the form filled, the documents
    /// attached, the present content read.
    pub fn good_act(&self, stage: &Stage) -> Acting {
        let outcome = onward(stage);
        let schema = self.law.form(&self.procedure.id, &stage.id);
        let today = self.law.local_date(self.now);
        let given = given(self.law, today, self.case.dossier.fields());
        Acting {
            stage: stage.id.clone(),
            outcome: outcome.map(|outcome| outcome.id.clone()).unwrap_or_default(),
            role: None,
            form: schema.map(|schema| example(schema, &given, &today.to_string())),
            documents: documents_asked(stage, self.law)
                .into_iter()
                .map(|id| (id.clone(), ContentHash::of(id.as_bytes())))
                .collect(),
            reason: None,
            read: self.case.dossier.content,
            facts: self.facts.clone(),
        }
    }

    /// The actors who can take the stage to its outcome: one for each role where each must act,
    /// and as many persons as must agree; none of them acted in a stage that they may not have.
    pub fn actors(&self, stage: &Stage) -> Vec<(String, Actor)> {
        let needed = persons_needed(stage, self.law).max(1);
        let used = self.case.dossier.persons_of(&stage.unlike);
        let mut chosen: Vec<(String, Actor)> = Vec::new();
        let roles = if stage.every {
            stage.actors.as_slice()
        } else {
            stage.actors.get(..1).unwrap_or_default()
        };
        for number in 1.. {
            for role in roles {
                let actor = actor(self.law, role, number);
                if !used.contains(&actor.person) && (chosen.len() < needed.max(roles.len())) {
                    chosen.push((role.clone(), actor));
                }
            }
            if chosen.len() >= needed.max(roles.len()) || number > 64 {
                break;
            }
        }
        chosen
    }

    /// What would come of an act; the case does not change.
    pub fn attempt(&self, actor: &Actor, acting: Acting) -> Result<Vec<Event>, Refusal> {
        let ctx = Context { now: self.now, actor, law: self.law };
        Case::decide(Some(&self.case), Command::Act(Box::new(acting)), &ctx)
    }

    /// Does an act.
    pub fn act(&mut self, actor: &Actor, acting: Acting) -> Result<(), Refusal> {
        let events = self.attempt(actor, acting)?;
        if let Some(case) = events.iter().fold(Some(self.case.clone()), Case::evolve) {
            self.case = case;
        }
        self.events.extend(events);
        Ok(())
    }

    /// Waits until the stage may end.
    pub fn wait(&mut self) {
        if let Some(not_before) = self.case.current().and_then(|current| current.not_before) {
            self.now = self.now.max(not_before + chrono::Duration::seconds(1));
        }
    }

    /// Takes the stage to its first positive outcome by the right actors.
    pub fn step(&mut self) -> Result<(), Refusal> {
        let Some(stage) = self.stage() else { return Ok(()) };
        self.wait();
        for (role, actor) in self.actors(stage) {
            let mut acting = self.good_act(stage);
            acting.role = Some(role);
            self.act(&actor, acting)?;
        }
        Ok(())
    }

    /// Walks to the end, and says which.
    pub fn to_end(&mut self) -> Result<Option<String>, Refusal> {
        // A procedure that goes round in a circle by its positive outcomes has no such end.
        for _ in 0..=self.procedure.stages.len() {
            if let Some(end) = self.case.end() {
                return Ok(Some(end.to_owned()));
            }
            self.step()?;
        }
        Ok(self.case.end().map(str::to_owned))
    }
}

/// The first outcome of a stage that says yes.
pub fn onward(stage: &Stage) -> Option<&Outcome> {
    stage.outcomes.iter().find(|outcome| !outcome.negative)
}

/// The `number`th person who acts in a role, for the organisation that holds it.
pub fn actor(law: &Law, role: &str, number: u32) -> Actor {
    let holder = law.holder_of(role);
    let seed = ContentHash::of(holder.as_bytes());
    let mut half = [0_u8; 16];
    half.iter_mut().zip(seed.as_bytes()).for_each(|(to, from)| *to = *from);
    let base = u128::from_be_bytes(half) >> 16;
    Actor {
        person: PersonId::from_u128((base << 8) | u128::from(number)),
        organisation: OrganisationId::from_u128(base),
        roles: law.roles_of(holder).iter().map(Role::new).collect(),
    }
}

/// Values of fields that a schema alone does not tell: the term of an agreement, the method of
/// pricing, what the case has said before.
pub fn given(
    law: &Law,
    today: chrono::NaiveDate,
    mut earlier: Map<String, Value>,
) -> Map<String, Value> {
    let years =
        law.parameter("agreement_term").and_then(|term| term.field("years")?.as_i64()).unwrap_or(1);
    let last = crate::guard::last_day(today, years.saturating_mul(12)).unwrap_or(today);
    let ids = |name: &str| -> Vec<Value> {
        law.parameter(name).into_iter().flat_map(|p| p.ids()).map(Value::from).collect()
    };
    let mut put = |name: &str, value: Value| {
        earlier.insert(name.to_owned(), value);
    };
    put("from", json!(today));
    put("to", json!(last));
    put("opens", json!(today));
    put("closes", json!(today.checked_add_days(Days::new(60)).unwrap_or(today)));
    put("trial_months", json!(0));
    put(
        "shares",
        json!([{ "party": "operator", "weight": 3 }, { "party": "authority", "weight": 1 }]),
    );
    put("fen", json!(10));
    put("ceiling_fen", json!(20));
    put("agreement", json!(AgreementId::from_u128(1)));
    put("on_lists", json!([]));
    if let Some(ground) = ids("rectification_grounds").first() {
        put("ground", ground.clone());
    } else {
        earlier.remove("ground");
    }
    if let Some(method) = law.parameter("price_method") {
        earlier.insert("method".to_owned(), method.value.clone());
    }
    if law.parameter("operator_ownership").is_some() {
        earlier.insert("ownership".to_owned(), json!("state_owned"));
    }
    let receipts: Vec<Value> = law
        .parameter("filings")
        .and_then(|filings| filings.value.as_array())
        .into_iter()
        .flatten()
        .filter_map(|filing| filing.get("recipients").and_then(Value::as_array).cloned())
        .flatten()
        .map(|recipient| json!({ "recipient": recipient, "number": "number 1", "date": today }))
        .collect();
    earlier.insert("receipts".to_owned(), Value::Array(receipts));
    let training: Vec<Value> = ids("training_roles")
        .into_iter()
        .map(|role| {
            json!({
                "person": PersonId::from_u128(1), "role": role, "course": "security",
                "date": today, "passed": true,
            })
        })
        .collect();
    earlier.insert("training".to_owned(), Value::Array(training));
    earlier
}

/// Facts under which every guard holds.
pub fn facts(law: &Law) -> Facts {
    let form = law
        .parameter("operator_legal_forms")
        .and_then(|p| p.ids().first().map(|f| (*f).to_owned()));
    let resource = json!({ "published": true, "level": 1, "origin": null, "columns": ["xx"] });
    let resources: BTreeMap<&str, Value> =
        ["xx", "res-", "res-xx"].into_iter().map(|id| (id, resource.clone())).collect();
    let fields: Vec<Value> =
        resources.keys().map(|id| json!({ "resource": id, "column": "xx" })).collect();
    [
        ("operator", json!({ "legal_form": form, "ownership": "state_owned", "lists": [], "last_incident": null })),
        ("plan", json!({ "status": "in_force" })),
        ("emergency_plan", json!({ "status": "in_force" })),
        ("resources", json!(resources)),
        ("scenario", json!({ "status": "approved", "agreement": AgreementId::from_u128(1), "fields": fields })),
        ("release", json!({ "status": "released" })),
        ("upstream_consents", json!(["shared_in", "returned_provincial"])),
    ]
    .into_iter()
    .map(|(name, fact)| (name.to_owned(), fact))
    .collect()
}
