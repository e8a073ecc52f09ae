//! Policies: the clauses, rules and actions that they name, and the attributes that they test.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Finding, Severity};

/// What every principal shows.
const OF_PRINCIPAL: [&str; 3] = ["roles", "person", "organisation"];

/// What every resource shows, whatever its kind.
const OF_RESOURCE: [&str; 2] = ["id", "kind"];

impl Checker<'_> {
    pub(super) fn check_policies(&mut self) {
        let own = format!("{}/policies.cedar", self.name);
        let notes: Vec<_> =
            self.law.policies().notes().filter(|note| note.file == own).cloned().collect();
        for note in notes {
            let id = &note.id;
            let mut messages = Vec::new();
            if note.clauses.is_empty() {
                messages.push(format!("the policy `{id}` rests on no clause"));
            }
            for clause in &note.clauses {
                if !self.clauses.contains(clause.as_str()) {
                    messages.push(format!("the policy `{id}`: there is no clause `{clause}`"));
                }
            }
            if let Some(rule) = &note.rule
                && !self.law.rules.contains_key(rule)
            {
                messages.push(format!("the policy `{id}`: there is no rule `{rule}`"));
            }
            for action in &note.actions {
                if !Self::is_known(&self.vocabulary.actions, action) {
                    messages.push(format!("the policy `{id}`: there is no action `{action}`"));
                }
            }
            let mut tested = Tested::default();
            if let Some(body) = self.law.policies().body(id) {
                tested.read(&body);
            }
            for name in &tested.read {
                if !tested.guarded.contains(name) {
                    messages.push(format!(
                        "the policy `{id}` reads `{name}` without `has {name}` before it"
                    ));
                }
            }
            for name in tested.read.union(&tested.guarded) {
                let known = Self::is_known(&self.vocabulary.attributes, name);
                if !known {
                    messages.push(format!("the policy `{id}`: there is no attribute `{name}`"));
                }
            }
            self.findings.extend(messages.into_iter().map(|message| Finding {
                file: own.clone(),
                line: note.line,
                severity: Severity::Error,
                message,
            }));
        }
    }
}

/// Whether the platform itself shows the attribute, of whatever kind the thing is.
fn is_always_there(of: Option<&str>, name: &str) -> bool {
    match of {
        Some("principal") => OF_PRINCIPAL.contains(&name),
        Some("resource") => OF_RESOURCE.contains(&name),
        _ => false,
    }
}

/// The attributes that a policy reads, and those whose presence it tests.
#[derive(Default)]
struct Tested {
    read: BTreeSet<String>,
    guarded: BTreeSet<String>,
}

impl Tested {
    /// Goes through a policy in Cedar's JSON form, where `a.b` is `{".": {"attr": "b", …}}` and
    /// `a has b` is `{"has": {"attr": "b", …}}`.
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    if let Some(name) = inner.get("attr").and_then(Value::as_str) {
                        let of = inner.pointer("/left/Var").and_then(Value::as_str);
                        match key.as_str() {
                            _ if is_always_there(of, name) => {}
                            "." => drop(self.read.insert(name.to_owned())),
                            "has" => drop(self.guarded.insert(name.to_owned())),
                            _ => {}
                        }
                    }
                    self.read(inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
