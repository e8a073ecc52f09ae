//! A clause explained: what it says, by which figures, and what the platform does about it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::{Clause, ClauseId, Law, PackError, Packs, Proof, Source, Text};

/// A parameter that a clause reads, as the city sets it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParameterValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// The article that sets it.
    pub article: String,
    /// Where it comes from: a default is not law.
    pub source: Source,
}

/// Something that enforces a clause or rests on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enforcer {
    /// What sort of thing: `rule`, `procedure`, `stage`, `outcome`, `document` or `policy`, or
    /// else the sort that the binding names.
    pub kind: String,
    /// Its name; of a stage, `<procedure>/<stage>`.
    pub name: String,
    /// What it says, where it has words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<Text>,
}

/// What there is to know of a clause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The clause.
    pub clause: Clause,
    /// How far the platform has come with it.
    pub proof: Proof,
    /// The parameters that it reads.
    pub parameters: Vec<ParameterValue>,
    /// What its binding says enforces it.
    pub enforced_by: Vec<Enforcer>,
    /// What else cites it.
    pub cited_by: Vec<Enforcer>,
    /// The tests that prove it.
    pub tests: Vec<String>,
    /// Where it is open: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<String>,
}

impl Law {
    /// What there is to know of a clause of this law, or nothing if it has no such clause.
    pub fn explain(&self, id: &ClauseId) -> Option<Explanation> {
        let clause = self.clauses.iter().find(|clause| clause.id == *id)?.clone();
        let binding = self.bindings.iter().find(|binding| binding.clause == *id);
        let parameters = clause
            .params
            .iter()
            .filter_map(|name| {
                let parameter = self.parameter(name)?;
                Some(ParameterValue {
                    name: name.clone(),
                    value: parameter.value.clone(),
                    article: parameter.article.clone(),
                    source: parameter.source,
                })
            })
            .collect();
        let enforced_by: Vec<Enforcer> =
            binding.iter().flat_map(|one| &one.by).map(|target| self.enforcer(target)).collect();
        let mut cited_by = self.citing(id);
        cited_by.retain(|one| !enforced_by.contains(one));
        Some(Explanation {
            proof: binding.map_or(Proof::Open, crate::Binding::proof),
            parameters,
            enforced_by,
            cited_by,
            tests: binding.map(|binding| binding.tests.clone()).unwrap_or_default(),
            open: binding.and_then(|binding| binding.open.clone()),
            clause,
        })
    }

    /// What a binding's target is.
    fn enforcer(&self, target: &str) -> Enforcer {
        let (kind, name) = target.split_once(':').unwrap_or(("", target));
        let (kind, words) = match (kind, name.split_once('/')) {
            ("rule", _) => (kind, self.rules.get(name).map(|rule| rule.message.clone())),
            ("procedure", Some((procedure, stage))) => {
                let stage = self.procedure(procedure).and_then(|found| found.stage(stage));
                ("stage", stage.map(|stage| stage.title.clone()))
            }
            ("procedure", None) => (kind, self.procedure(name).map(|found| found.title.clone())),
            ("term", _) => (kind, self.terms.get(name).cloned()),
            _ => (kind, None),
        };
        Enforcer { kind: kind.to_owned(), name: name.to_owned(), words }
    }

    /// Whatever cites a clause.
    fn citing(&self, id: &ClauseId) -> Vec<Enforcer> {
        let mut found = Vec::new();
        let mut add = |kind: &str, name: String, words: Option<&Text>| {
            found.push(Enforcer { kind: kind.to_owned(), name, words: words.cloned() });
        };
        for (name, rule) in self.rules.iter().filter(|(_, rule)| rule.clauses.contains(id)) {
            add("rule", name.clone(), Some(&rule.message));
        }
        for procedure in self.procedures.values() {
            if procedure.clauses.contains(id) {
                add("procedure", procedure.id.clone(), Some(&procedure.title));
            }
            for stage in &procedure.stages {
                let place = format!("{}/{}", procedure.id, stage.id);
                if stage.clauses.contains(id) {
                    add("stage", place.clone(), Some(&stage.title));
                }
                for outcome in stage.outcomes.iter().filter(|one| one.clauses.contains(id)) {
                    add("outcome", format!("{place}/{}", outcome.id), Some(&outcome.title));
                }
                for document in stage.documents.iter().filter(|one| one.clauses.contains(id)) {
                    add("document", format!("{place}/{}", document.id), Some(&document.title));
                }
            }
        }
        for note in self.policies().notes().filter(|note| note.clauses.contains(id)) {
            add("policy", note.id.clone(), None);
        }
        found
    }
}

impl Packs {
    /// What there is to know of a clause, under the pack that it is named for; nothing if that
    /// pack has no such clause.
    pub fn explain(&self, id: &ClauseId) -> Result<Option<Explanation>, PackError> {
        Ok(self.load(id.pack())?.explain(id))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = &self.clause;
        writeln!(
            f,
            "{} ({}), {:?}, {:?}, {}",
            clause.id, clause.article, clause.kind, clause.force, clause.area
        )?;
        writeln!(f, "  {}\n  {}", clause.summary.zh, clause.summary.en)?;
        if !clause.actors.is_empty() {
            writeln!(f, "concerns: {}", clause.actors.join(", "))?;
        }
        for one in &self.parameters {
            let source = match one.source {
                Source::Text => "the regulation",
                Source::Default => "a default, not law",
                Source::External => "another instrument, to be confirmed",
            };
            writeln!(f, "parameter {} = {} ({}, {source})", one.name, one.value, one.article)?;
        }
        let list = |f: &mut fmt::Formatter<'_>, label: &str, ones: &[Enforcer]| {
            ones.iter().try_for_each(|one| {
                write!(f, "{label} {} {}", one.kind, one.name)?;
                match &one.words {
                    Some(words) => writeln!(f, ": {words}"),
                    None => writeln!(f),
                }
            })
        };
        list(f, "enforced by", &self.enforced_by)?;
        list(f, "cited by", &self.cited_by)?;
        for test in &self.tests {
            writeln!(f, "proved by {test}")?;
        }
        if let Some(reason) = &self.open {
            writeln!(f, "open: {reason}")?;
        }
        Ok(())
    }
}
