//! Procedures: their stages, what these name, and whether every case comes to an end.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Severity};
use crate::{
    Next, Period, Procedure, Stage,
    form::{compile, reference},
    source::Step,
};

impl Checker<'_> {
    pub(super) fn check_procedures(&mut self) {
        for procedure in self.pack.procedures.values() {
            let file = format!("procedures/{}.toml", procedure.id);
            self.check_clause_ids(&file, &[], &procedure.clauses);
            let mut seen = BTreeSet::new();
            for (index, stage) in procedure.stages.iter().enumerate() {
                let path = [Step::Key("stage"), Step::Index(index)];
                if !seen.insert(stage.id.as_str()) {
                    let message = format!("the stage `{}` stands here twice", stage.id);
                    self.error(&file, &[&path[..], &[Step::Key("id")]].concat(), message);
                }
                self.check_stage(&file, &path, procedure, stage);
                self.check_outcomes(&file, &path, procedure, stage);
            }
            self.check_ways(&file, procedure);
        }
    }

    fn check_stage(&mut self, file: &str, path: &[Step<'_>], procedure: &Procedure, stage: &Stage) {
        let id = &stage.id;
        let at = |key| [path, &[Step::Key(key)]].concat();
        self.check_clause_ids(file, path, &stage.clauses);
        if stage.actors.is_empty() {
            self.error(file, path, format!("nobody acts at the stage `{id}`"));
        }
        for actor in &stage.actors {
            if !self.law.roles.contains_key(actor) {
                let message = format!("`{actor}` acts at the stage `{id}`, but is no role");
                self.error(file, &at("actors"), message);
            }
        }
        for other in &stage.unlike {
            if procedure.stage(other).is_none() {
                self.error(file, &at("unlike"), format!("there is no stage `{other}`"));
            }
        }
        for guard in &stage.guards {
            if !Self::is_known(&self.vocabulary.guards, guard) {
                self.error(file, &at("guards"), format!("there is no guard `{guard}`"));
            }
        }
        if stage.persons == 0 {
            self.error(file, &at("persons"), format!("the stage `{id}` needs nobody to agree"));
        }
        for (key, parameter) in
            [("persons_from", &stage.persons_from), ("documents_from", &stage.documents_from)]
        {
            if let Some(name) = parameter
                && !self.law.parameters.contains_key(name)
            {
                self.error(file, &at(key), format!("this pack sets no parameter `{name}`"));
            }
        }
        if let Some(condition) = &stage.when
            && condition.split('=').next().is_none_or(|field| field.trim().is_empty())
        {
            self.error(file, &at("when"), "a condition names a field".to_owned());
        }
        let mut documents = BTreeSet::new();
        for document in &stage.documents {
            if !documents.insert(&document.id) {
                let message = format!("the document `{}` is asked for twice", document.id);
                self.error(file, &at("documents"), message);
            }
            for clause in &document.clauses {
                if !self.clauses.contains(clause.as_str()) {
                    self.error(file, &at("documents"), format!("there is no clause `{clause}`"));
                }
            }
        }
        if let Some(deadline) = &stage.deadline {
            self.check_period(file, &at("deadline"), &deadline.period);
            if let Some(effect) = &deadline.on_overdue
                && !Self::is_known(&self.vocabulary.effects, effect)
            {
                self.error(file, &at("deadline"), format!("there is no effect `{effect}`"));
            }
        }
        if let Some(period) = &stage.at_least {
            self.check_period(file, &at("at_least"), period);
        }
        self.check_form(file, &at("form"), procedure, stage);
    }

    /// A period whose parameter the city does not set is no period. One that no city sets at
    /// all is probably misspelt; one that is no figure is wrong.
    fn check_period(&mut self, file: &str, path: &[Step<'_>], period: &Period) {
        let name = &period.parameter;
        if !self.set_somewhere.contains(name.as_str()) {
            let message = format!("no pack sets the parameter `{name}`, so there is no such time");
            self.find(Severity::Warning, file, path, message);
        } else if let Err(error) = self.law.due(period, chrono::DateTime::UNIX_EPOCH) {
            self.error(file, path, error.to_string());
        } else if let (Some(parameter), Some(field)) = (self.law.parameter(name), &period.field)
            && !parameter.value.is_object()
        {
            let message = format!("the parameter `{name}` is no table, so it has no `{field}`");
            self.error(file, path, message);
        }
    }

    fn check_form(&mut self, file: &str, path: &[Step<'_>], procedure: &Procedure, stage: &Stage) {
        let Some(form) = &stage.form else { return };
        let mut named = Vec::new();
        references(form, &mut Vec::new(), &mut named);
        for (place, name, field) in named {
            let place: Vec<Step<'_>> = path.iter().copied().chain(place).collect();
            match (self.law.parameter(name), field) {
                (None, _) => {
                    self.error(file, &place, format!("this pack sets no parameter `{name}`"));
                }
                (Some(parameter), Some(field)) if parameter.field(field).is_none() => {
                    let message = format!("the parameter `{name}` has no field `{field}`");
                    self.error(file, &place, message);
                }
                (Some(_), _) => {}
            }
        }
        let schema = self.law.form(&procedure.id, &stage.id);
        if let Some(Err(error)) = schema.map(compile) {
            self.error(file, path, error.to_string());
        }
    }

    fn check_outcomes(
        &mut self,
        file: &str,
        path: &[Step<'_>],
        procedure: &Procedure,
        stage: &Stage,
    ) {
        let mut seen = BTreeSet::new();
        for (index, outcome) in stage.outcomes.iter().enumerate() {
            let path = [path, &[Step::Key("outcome"), Step::Index(index)]].concat();
            let at = |key| [&path[..], &[Step::Key(key)]].concat();
            if !seen.insert(&outcome.id) {
                let message = format!("the outcome `{}` stands here twice", outcome.id);
                self.error(file, &at("id"), message);
            }
            if index == 0 && outcome.negative {
                let message = "the first outcome is the one that leads on, but it says no";
                self.error(file, &at("negative"), message.to_owned());
            }
            if let Next::Stage(next) = &outcome.next
                && procedure.stage(next).is_none()
            {
                self.error(file, &at("next"), format!("there is no stage `{next}`"));
            }
            for effect in &outcome.effects {
                if !Self::is_known(&self.vocabulary.effects, effect) {
                    self.error(file, &at("effects"), format!("there is no effect `{effect}`"));
                }
            }
            self.check_clause_ids(file, &path, &outcome.clauses);
        }
    }

    /// Every stage can be reached from the first, and has a way to an end.
    fn check_ways(&mut self, file: &str, procedure: &Procedure) {
        let leads_to = |stage: &Stage, goal: &str| {
            stage.outcomes.iter().any(|one| matches!(&one.next, Next::Stage(next) if next == goal))
        };
        let stages = &procedure.stages;
        let reached =
            closure(stages.first().map(|stage| stage.id.as_str()).into_iter().collect(), |known| {
                let ways = stages.iter().filter(|stage| known.contains(stage.id.as_str()));
                ways.flat_map(|stage| {
                    stages
                        .iter()
                        .filter(|next| leads_to(stage, &next.id))
                        .map(|next| next.id.as_str())
                })
                .collect()
            });
        let ends =
            |stage: &&Stage| stage.outcomes.iter().any(|one| matches!(one.next, Next::End(_)));
        let ending =
            closure(stages.iter().filter(ends).map(|stage| stage.id.as_str()).collect(), |known| {
                let leads = |stage: &&Stage| known.iter().any(|goal| leads_to(stage, goal));
                stages.iter().filter(leads).map(|stage| stage.id.as_str()).collect()
            });
        for (index, stage) in stages.iter().enumerate() {
            let path = [Step::Key("stage"), Step::Index(index), Step::Key("id")];
            if !reached.contains(stage.id.as_str()) {
                self.error(file, &path, format!("no way leads to the stage `{}`", stage.id));
            }
            if !ending.contains(stage.id.as_str()) {
                let message = format!("no way leads from the stage `{}` to an end", stage.id);
                self.error(file, &path, message);
            }
        }
    }
}

/// `known` with whatever follows from it, until nothing more does.
fn closure<'a>(
    mut known: BTreeSet<&'a str>,
    follow: impl Fn(&BTreeSet<&'a str>) -> Vec<&'a str>,
) -> BTreeSet<&'a str> {
    loop {
        let before = known.len();
        let more = follow(&known);
        known.extend(more);
        if known.len() == before {
            return known;
        }
    }
}

/// The parameters that a form names, each with its place in the form and its field.
fn references<'a>(
    value: &'a Value,
    place: &mut Vec<Step<'a>>,
    found: &mut Vec<(Vec<Step<'a>>, &'a str, Option<&'a str>)>,
) {
    if let Some((name, field)) = reference(value) {
        found.push((place.clone(), name, field));
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                place.push(Step::Key(key));
                references(inner, place, found);
                place.pop();
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                place.push(Step::Index(index));
                references(inner, place, found);
                place.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
