//! A loaded pack: the law of one city at one version.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Calendar, local_date};

use crate::{Binding, Clause, Parameter, Procedure, Refusal, Rule, RuleText, Text};

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
}

impl Law {
    /// The refusal of `rule`, with the details named in its words filled in.
    ///
    /// A rule that the pack does not speak of (which `law check` reports) still refuses, by its
    /// name and without a clause.
    pub fn refuse(&self, rule: Rule, details: &[(&str, &str)]) -> Refusal {
        let fill = |words: &str| {
            details.iter().fold(words.to_owned(), |words, (name, value)| {
                words.replace(&format!("{{{name}}}"), value)
            })
        };
        match self.rules.get(rule.name()) {
            Some(text) => Refusal {
                rule: rule.name().to_owned(),
                clauses: text.clauses.clone(),
                code: text.code.clone(),
                message: Text { zh: fill(&text.message.zh), en: fill(&text.message.en) },
                detail: None,
            },
            None => Refusal {
                rule: rule.name().to_owned(),
                clauses: Vec::new(),
                code: None,
                message: Text { zh: rule.name().to_owned(), en: rule.name().replace('-', " ") },
                detail: None,
            },
        }
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
}
