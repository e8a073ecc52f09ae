//! Views: what whoever takes part in a case sees of it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shuyu_kernel::{Actor, CaseId, ContentHash};
use shuyu_law::{ClauseId, Document, Law, Procedure, Stage, Text};

use crate::{
    Case,
    deciding::{documents_asked, persons_needed},
    dossier::{Act, Objection},
};

/// What there is to see of a case.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// Its id.
    pub id: CaseId,
    /// Its procedure.
    pub procedure: String,
    /// What people call the procedure.
    pub procedure_title: Text,
    /// What people call the case.
    pub title: String,
    /// The digest of all that it holds; an act names it.
    pub content: ContentHash,
    /// The stage that it is in.
    pub stage: Option<StageView>,
    /// The end that it came to.
    pub end: Option<String>,
    /// The acts, in their order.
    pub acts: Vec<Act>,
    /// The objections, in their order.
    pub objections: Vec<Objection>,
}

/// What is to be done in a stage.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, by its name")]
pub struct StageView {
    /// Its name in the procedure.
    pub id: String,
    /// What people call it.
    pub title: Text,
    /// The roles that may act.
    pub actors: Vec<String>,
    /// Whether each of them must.
    pub every: bool,
    /// How many different persons must agree.
    pub persons: usize,
    /// What is to be filled in: JSON Schema.
    pub form: Option<Value>,
    /// The documents to attach, by id.
    pub documents: Vec<String>,
    /// The documents that the stage itself names, with their titles.
    pub document_titles: Vec<Document>,
    /// What may come of it: id, title, and whether it says no.
    pub outcomes: Vec<(String, Text, bool)>,
    /// By when it must be done.
    pub due_at: Option<DateTime<Utc>>,
    /// Before when it does not end well.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether its time has passed.
    pub overdue: bool,
    /// Whether anyone may object.
    pub objections: bool,
    /// The clauses that it rests on.
    pub clauses: Vec<ClauseId>,
    /// Whether whoever asks may act now.
    pub may_act: bool,
}

/// What `actor` sees of a case under its law.
pub fn view(law: &Law, id: CaseId, case: &Case, actor: &Actor) -> View {
    let procedure = law.procedure(&case.procedure);
    let stage = case
        .current()
        .and_then(|current| Some((current, procedure?.stage(&current.stage)?)))
        .map(|(current, stage)| StageView {
            id: stage.id.clone(),
            title: stage.title.clone(),
            actors: stage.actors.clone(),
            every: stage.every,
            persons: persons_needed(stage, law),
            form: law.form(&case.procedure, &stage.id).cloned(),
            documents: documents_asked(stage, law),
            document_titles: stage.documents.clone(),
            outcomes: stage
                .outcomes
                .iter()
                .map(|outcome| (outcome.id.clone(), outcome.title.clone(), outcome.negative))
                .collect(),
            due_at: current.due_at,
            not_before: current.not_before,
            overdue: current.overdue,
            objections: current.objections,
            clauses: stage.clauses.clone(),
            may_act: may_act(case, stage, current.entry, actor),
        });
    View {
        id,
        procedure: case.procedure.clone(),
        procedure_title: procedure
            .map(|procedure: &Procedure| procedure.title.clone())
            .unwrap_or_default(),
        title: case.title.clone(),
        content: case.dossier.content,
        stage,
        end: case.end().map(str::to_owned),
        acts: case.dossier.acts.clone(),
        objections: case.dossier.objections.clone(),
    }
}

/// Whether an actor holds a role of the stage in which they have not yet acted, and has not
/// acted where who acts here may not have.
fn may_act(case: &Case, stage: &Stage, entry: u32, actor: &Actor) -> bool {
    let acted: BTreeSet<&str> = case
        .dossier
        .acts_in(&stage.id, entry)
        .filter(|act| act.person == actor.person)
        .map(|act| act.role.as_str())
        .collect();
    let free = |role: &String| {
        actor.has_role(role) && (acted.is_empty() || stage.every && !acted.contains(role.as_str()))
    };
    stage.actors.iter().any(free) && !case.dossier.persons_of(&stage.unlike).contains(&actor.person)
}
