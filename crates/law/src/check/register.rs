//! Roles, clauses, rules and bindings.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Severity};
use crate::{Binding, source::Step};

const PACK: &str = "pack.toml";
const CLAUSES: &str = "clauses.toml";
const RULES: &str = "rules.toml";
const BINDINGS: &str = "bindings.toml";

impl Checker<'_> {
    pub(super) fn check_roles(&mut self) {
        let roles = &self.law.roles;
        for role in self.pack.head.roles.keys() {
            let mut seen = BTreeSet::from([role.as_str()]);
            let mut holder = roles.get(role).map(String::as_str);
            let message = loop {
                match holder {
                    None | Some("self") => break None,
                    Some(name) if !seen.insert(name) => {
                        break Some(format!("`{role}` is held, in the end, by itself"));
                    }
                    Some(name) if !roles.contains_key(name) => {
                        break Some(format!("`{role}` is held by `{name}`, which is no role"));
                    }
                    Some(name) => holder = roles.get(name).map(String::as_str),
                }
            };
            if let Some(message) = message {
                self.error(PACK, &[Step::Key("roles"), Step::Key(role)], message);
            }
        }
    }

    pub(super) fn check_clauses(&mut self) {
        let mut seen = BTreeSet::new();
        for (index, clause) in self.pack.clauses.iter().enumerate() {
            let at = |key| [Step::Key("clause"), Step::Index(index), Step::Key(key)];
            let id = clause.id.as_str();
            if clause.id.pack() != self.name || !id.contains('/') {
                let message = format!("the clause `{id}` is not named `{}/…`", self.name);
                self.error(CLAUSES, &at("id"), message);
            }
            if !seen.insert(id) {
                self.error(CLAUSES, &at("id"), format!("the clause `{id}` stands here twice"));
            }
            if clause.summary.zh.is_empty() || clause.summary.en.is_empty() {
                self.error(CLAUSES, &at("summary"), format!("the clause `{id}` says nothing"));
            }
            for actor in &clause.actors {
                if !self.law.roles.contains_key(actor) && !self.law.terms.contains_key(actor) {
                    let message = format!("`{actor}` is neither a role nor a term of this pack");
                    self.error(CLAUSES, &at("actors"), message);
                }
            }
            for parameter in &clause.params {
                if !self.law.parameters.contains_key(parameter) {
                    let message = format!("this pack sets no parameter `{parameter}`");
                    self.error(CLAUSES, &at("params"), message);
                }
            }
        }
    }

    pub(super) fn check_rules(&mut self) {
        for (name, text) in &self.pack.rules {
            let path = [Step::Key(name)];
            if !Self::is_known(&self.vocabulary.rules, name) {
                self.error(RULES, &path, format!("no room enforces a rule `{name}`"));
            }
            if text.message.zh.is_empty() || text.message.en.is_empty() {
                self.error(RULES, &path, format!("the rule `{name}` refuses without words"));
            }
            if text.clauses.is_empty() {
                self.error(RULES, &path, format!("the rule `{name}` rests on no clause"));
            }
            self.check_clause_ids(RULES, &path, &text.clauses);
        }
        if self.is_baseline() {
            for rule in &self.vocabulary.rules {
                if !self.pack.rules.contains_key(rule) {
                    let message = format!(
                        "the rule `{rule}` is enforced, but the baseline has no text for it"
                    );
                    self.error(RULES, &[], message);
                }
            }
        }
    }

    pub(super) fn check_bindings(&mut self) {
        let mut bound: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, binding) in self.pack.bindings.iter().enumerate() {
            let id = binding.clause.as_str();
            let at = |key| [Step::Key("binding"), Step::Index(index), Step::Key(key)];
            if !self.pack.clauses.iter().any(|clause| clause.id == binding.clause) {
                self.error(BINDINGS, &at("clause"), format!("this pack has no clause `{id}`"));
            }
            if bound.insert(id, index).is_some() {
                self.error(BINDINGS, &at("clause"), format!("the clause `{id}` is bound twice"));
            }
            self.check_binding(binding, &at);
        }
        for (index, clause) in self.pack.clauses.iter().enumerate() {
            let id = clause.id.as_str();
            if !bound.contains_key(id) {
                let message = format!(
                    "nothing is said of the clause `{id}`: {}/{BINDINGS} names what enforces it, \
                     or why it is open",
                    self.name
                );
                let path = [Step::Key("clause"), Step::Index(index), Step::Key("id")];
                self.error(CLAUSES, &path, message);
            }
        }
        self.check_proofs();
    }

    fn check_binding<'s>(&mut self, binding: &Binding, at: &impl Fn(&'s str) -> [Step<'s>; 3]) {
        let id = binding.clause.as_str();
        let reason = binding.open.as_deref().map(str::trim);
        if binding.by.is_empty() && reason.is_none_or(str::is_empty) {
            let message = format!("the clause `{id}` is open without a reason");
            self.error(BINDINGS, &at("clause"), message);
        }
        if binding.by.is_empty() && !binding.tests.is_empty() {
            let message = format!("the clause `{id}` has tests, but nothing enforces it");
            self.error(BINDINGS, &at("tests"), message);
        }
        for (index, test) in binding.tests.iter().enumerate() {
            if let Some(message) = self.fault_of_test(test, binding) {
                let path = [&at("tests")[..], &[Step::Index(index)]].concat();
                self.error(BINDINGS, &path, message);
            }
        }
        for (index, target) in binding.by.iter().enumerate() {
            if let Some(message) = self.fault_of_target(target) {
                let path = [&at("by")[..], &[Step::Index(index)]].concat();
                self.find(Severity::Error, BINDINGS, &path, message);
            }
        }
    }

    fn fault_of_test(&self, test: &str, binding: &Binding) -> Option<String> {
        if let Some(name) = test.strip_prefix("proof:") {
            let proof = self.pack.proofs.iter().find(|proof| proof.name == name);
            return match proof {
                None => Some(format!("this pack has no proof `{name}`")),
                Some(proof) if !proof.clauses.contains(&binding.clause) => {
                    Some(format!("the proof `{name}` is not of the clause `{}`", binding.clause))
                }
                Some(_) => None,
            };
        }
        let named = test.split_once("::");
        named
            .is_none_or(|(room, path)| room.is_empty() || path.is_empty())
            .then(|| format!("`{test}` is not the path of a test, `<crate>::<path>`"))
    }

    /// Each clause of a proof names it among its tests, so that none is run for nothing.
    fn check_proofs(&mut self) {
        let mut names = BTreeSet::new();
        for proof in &self.pack.proofs {
            if !names.insert(&proof.name) {
                let message = format!("the proof `{}` is there twice", proof.name);
                self.error(BINDINGS, &[], message);
            }
            let test = format!("proof:{}", proof.name);
            for clause in &proof.clauses {
                let bound = self.pack.bindings.iter().find(|binding| binding.clause == *clause);
                if !bound.is_some_and(|binding| binding.tests.contains(&test)) {
                    let message = format!("the clause `{clause}` does not name its proof `{test}`");
                    self.error(BINDINGS, &[], message);
                }
            }
        }
    }

    fn fault_of_target(&self, target: &str) -> Option<String> {
        let Some((kind, name)) = target.split_once(':') else {
            return Some(format!("`{target}` is not of the form `<kind>:<name>`"));
        };
        let vocabulary = self.vocabulary;
        let exists = match kind {
            "rule" if vocabulary.rules.is_empty() => true,
            "rule" => vocabulary.rules.contains(name),
            "policy" => self.law.policies().note(name).is_some(),
            "parameter" => self.law.parameters.contains_key(name),
            "guard" => Self::is_known(&vocabulary.guards, name),
            "effect" => Self::is_known(&vocabulary.effects, name),
            "term" => self.law.terms.contains_key(name),
            "procedure" => {
                let (procedure, stage) = match name.split_once('/') {
                    Some((procedure, stage)) => (procedure, Some(stage)),
                    None => (name, None),
                };
                let found = self.law.procedure(procedure);
                found.is_some_and(|found| stage.is_none_or(|stage| found.stage(stage).is_some()))
            }
            _ => {
                return Some(format!(
                    "`{kind}` is not something that enforces a clause: rule, procedure, policy, \
                     parameter, guard, effect or term"
                ));
            }
        };
        (!exists).then(|| format!("there is no {kind} `{name}`"))
    }
}
