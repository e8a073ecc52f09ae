//! A loaded pack: the law of one city at one version.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Calendar, local_date};

use crate::{
    Binding, Clause, Forms, Parameter, Policies, Procedure, Refusal, Regulation, Rule, RuleText,
    Text,
};

/// The version of a pack: the digest of its files. A case keeps the one that it began with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackVersion(pub String);

/// The law of one city: its pack, laid over the baseline.
#[derive(Debug, Clone)]
pub struct Law {
    /// The version of the pack that this is.
    pub version: PackVersion,
    /// The city's id.
    pub city: String,
    /// Hours east of Greenwich of the place where the law applies.
    pub utc_offset_hours: i32,
    /// Working days.
    pub calendar: Calendar,
    /// Parameters by name; a point on which the city is silent is absent.
    pub parameters: BTreeMap<String, Parameter>,
    /// Procedures by id.
    pub procedures: BTreeMap<String, Procedure>,
    /// Clauses in the order of the register.
    pub clauses: Vec<Clause>,
    /// What enforces each clause.
    pub bindings: Vec<Binding>,
    /// What the pack says of each rule, by name.
    pub rules: BTreeMap<String, RuleText>,
    /// The city's own terms, by glossary id.
    pub terms: BTreeMap<String, Text>,
    /// The instrument that the pack writes down.
    pub regulation: Regulation,
    /// The roles that the city has, and who holds each: `self`, or another role.
    pub roles: BTreeMap<String, String>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) forms: Arc<Forms>,
}

impl Law {
    /// The refusal of `rule`, with the details named in its words filled in.
    ///
    /// A rule that the pack does not speak of (which `law check` reports) still refuses, by its
    /// name and without a clause.
    pub fn refuse(&self, rule: Rule, details: &[(&str, &str)]) -> Refusal {
        self.refuse_named(rule.name(), details)
    }

    /// A parameter, if the city sets it.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.get(name)
    }

    /// A whole number, if the city sets it.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.parameter(name).and_then(Parameter::integer)
    }

    /// The calendar day at `at` where the law applies.
    pub fn local_date(&self, at: DateTime<Utc>) -> NaiveDate {
        local_date(at, self.utc_offset_hours)
    }

    /// The procedure of this id, if the city has it.
    pub fn procedure(&self, id: &str) -> Option<&Procedure> {
        self.procedures.get(id)
    }

    /// The city's own term for a concept, or its id where the city has none.
    pub fn term(&self, id: &str) -> Text {
        self.terms.get(id).cloned().unwrap_or_else(|| Text { zh: id.to_owned(), en: id.to_owned() })
    }

    /// The role whose holder holds `role` in the city: itself, or another.
    pub fn holder_of<'a>(&'a self, role: &'a str) -> &'a str {
        let mut held = role;
        // A pack whose roles hold one another in a circle is found by its check.
        for _ in 0..self.roles.len() {
            match self.roles.get(held).map(String::as_str) {
                Some(other) if other != "self" => held = other,
                _ => break,
            }
        }
        held
    }

    /// The roles that an organisation founded as `role` holds: that one, and those that the pack
    /// gives to it.
    pub fn roles_of(&self, role: &str) -> std::collections::BTreeSet<String> {
        let mut held = std::collections::BTreeSet::from([role.to_owned()]);
        loop {
            let before = held.len();
            let given = self.roles.iter().filter(|(_, holder)| held.contains(*holder));
            let given: Vec<String> = given.map(|(role, _)| role.clone()).collect();
            held.extend(given);
            if held.len() == before {
                return held;
            }
        }
    }
}
