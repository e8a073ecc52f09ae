//! What a case has gathered: acts, forms, documents, objections.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shuyu_kernel::{Actor, ContentHash, OrganisationId, PersonId};

/// One act in a stage: who, in which role, with which outcome, form and documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// The stage.
    pub stage: String,
    /// Which entry into that stage, counted from 1: a stage that was sent back is entered anew.
    pub entry: u32,
    /// The outcome that the actor gave their voice to.
    pub outcome: String,
    /// Whether that outcome says no.
    #[serde(default)]
    pub negative: bool,
    /// The person.
    pub person: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// In which role.
    pub role: String,
    /// What they filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
    /// The documents that they attached: what each is, and the hash of its content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, ContentHash>,
    /// The reason that they gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The content of the dossier that they had read.
    pub read: ContentHash,
    /// When.
    pub at: DateTime<Utc>,
}

/// An objection of somebody, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// Its number in the case, from 1.
    pub number: u32,
    /// The stage in which it was raised.
    pub stage: String,
    /// Who objects.
    pub person: PersonId,
    /// For whom.
    pub organisation: OrganisationId,
    /// In their words; absent after erasure.
    #[serde(default)]
    pub text: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The answer, once there is one.
    #[serde(default)]
    pub answer: Option<String>,
}

/// What a case has gathered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dossier {
    /// The acts, in their order.
    pub acts: Vec<Act>,
    /// The objections, in their order.
    pub objections: Vec<Objection>,
    /// The digest of all that was brought in so far, each part chained to those before it.
    pub content: ContentHash,
}

impl Dossier {
    /// A dossier that begins with `head`: what the case is about.
    pub(crate) fn new(head: &Value) -> Self {
        Self { acts: Vec::new(), objections: Vec::new(), content: ContentHash::of_json(head) }
    }

    /// The acts of a stage, of every entry into it.
    pub fn acts_of<'a>(&'a self, stage: &'a str) -> impl Iterator<Item = &'a Act> {
        self.acts.iter().filter(move |act| act.stage == stage)
    }

    /// The acts of one entry into a stage.
    pub fn acts_in<'a>(&'a self, stage: &'a str, entry: u32) -> impl Iterator<Item = &'a Act> {
        self.acts_of(stage).filter(move |act| act.entry == entry)
    }

    /// The latest value of a form's field, whichever stage it was filled in at. Forms of acts
    /// that said no do not count. Dots lead into objects.
    pub fn field(&self, path: &str) -> Option<&Value> {
        self.acts
            .iter()
            .rev()
            .filter(|act| !act.negative)
            .find_map(|act| lookup(act.form.as_ref()?, path))
    }

    /// The latest values of all fields.
    pub fn fields(&self) -> serde_json::Map<String, Value> {
        let mut fields = serde_json::Map::new();
        for act in self.acts.iter().filter(|act| !act.negative) {
            if let Some(Value::Object(form)) = &act.form {
                fields.extend(form.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        fields
    }

    /// Objections that nobody has answered yet.
    pub fn unanswered(&self) -> impl Iterator<Item = &Objection> {
        self.objections.iter().filter(|objection| objection.answer.is_none())
    }

    /// The persons who acted in any of these stages.
    pub fn persons_of(&self, stages: &[String]) -> BTreeSet<PersonId> {
        self.acts.iter().filter(|act| stages.contains(&act.stage)).map(|act| act.person).collect()
    }

    pub(crate) fn add(&mut self, act: Act) {
        // A bare voice brings nothing in: those who read before it have read the same content.
        if act.form.is_some() || !act.documents.is_empty() {
            self.chain(&json!({
                "stage": act.stage, "form": act.form, "documents": act.documents,
            }));
        }
        self.acts.push(act);
    }

    pub(crate) fn object(&mut self, objection: Objection) {
        // Not its words: they can be erased, and the chain must be computable without them.
        self.chain(&json!({ "objection": objection.number, "stage": objection.stage }));
        self.objections.push(objection);
    }

    pub(crate) fn answer(&mut self, number: u32, answer: &str) {
        self.chain(&json!({ "objection": number, "answer": answer }));
        for objection in &mut self.objections {
            if objection.number == number {
                objection.answer = Some(answer.to_owned());
            }
        }
    }

    fn chain(&mut self, part: &Value) {
        let part = ContentHash::of_json(part);
        self.content = ContentHash::of_parts(&[self.content.as_bytes(), part.as_bytes()]);
    }
}

/// A case as a guard sees it: the dossier with the act that is being decided.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// What was gathered before.
    pub dossier: &'a Dossier,
    /// What the act brings.
    pub form: Option<&'a Value>,
    /// The documents that the act brings.
    pub documents: &'a BTreeMap<String, ContentHash>,
    /// Who acts.
    pub actor: &'a Actor,
}

impl<'a> Reading<'a> {
    /// The value of a field: in this form, else the latest before.
    pub fn field(&self, path: &str) -> Option<&'a Value> {
        self.form.and_then(|form| lookup(form, path)).or_else(|| self.dossier.field(path))
    }

    /// A field that is a text.
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.field(path).and_then(Value::as_str)
    }

    /// The texts of a field that is a list.
    pub fn texts(&self, path: &str) -> BTreeSet<&'a str> {
        self.field(path).map(texts).unwrap_or_default()
    }

    /// The names of the fields that are filled in.
    pub fn filled(&self) -> BTreeSet<&'a str> {
        let earlier = self.dossier.acts.iter().filter(|act| !act.negative);
        earlier
            .filter_map(|act| act.form.as_ref())
            .chain(self.form)
            .filter_map(Value::as_object)
            .flatten()
            .filter(|(_, value)| is_filled(value))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Whether a condition of a stage, `field` or `field=value`, holds.
    pub fn holds(&self, condition: &str) -> bool {
        match condition.split_once('=') {
            Some((field, expected)) => self.field(field.trim()).is_some_and(|value| {
                let written = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                written == expected.trim()
            }),
            None => self.field(condition.trim()).is_some_and(is_filled),
        }
    }
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => true,
    }
}

/// The texts in a list: its texts, or the ids of its entries.
pub(crate) fn texts(list: &Value) -> BTreeSet<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().or_else(|| item.get("id").and_then(Value::as_str)))
        .collect()
}

fn lookup<'v>(form: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(form, |value, step| value.get(step))
}
