//! Cases on a desk: opened, acted on, watched, and seen by whoever takes part.
//!
//! What an outcome does is not done here. A composition that must apply effects takes a unit of
//! the desk, acts on the case in it, applies [`case::Event::effects`] in their order, and commits.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shuyu_kernel::{Actor, CaseId, ContentHash};
use shuyu_law::{ClauseId, Document, Law, Procedure, Refusal, Stage, Text};
use shuyu_store::{ActError, Acted, Desk, Filter, StoreError};

use crate::{
    Case,
    case::{Acting, Command, Event},
    deciding::{documents_asked, persons_needed},
    dossier::{Act, Objection},
    rules,
};

/// How many cases are read at once.
const PAGE: u32 = 500;

/// The cases of a deployment.
#[derive(Clone)]
pub struct Cases {
    desk: Desk,
}

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

impl Cases {
    /// The cases on `desk`.
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// Opens a case.
    pub async fn open(
        &self,
        actor: &Actor,
        id: CaseId,
        command: Command,
    ) -> Result<Acted<Case>, ActError> {
        self.desk.act::<Case>(actor, id, command).await
    }

    /// Acts in a stage whose outcomes have no effects.
    ///
    /// An act whose outcome has effects belongs into a unit of work with them; done here, it is
    /// refused and changes nothing.
    pub async fn act(
        &self,
        actor: &Actor,
        id: CaseId,
        acting: Acting,
    ) -> Result<Acted<Case>, ActError> {
        let command = Command::Act(Box::new(acting));
        let unit = self.desk.unit(actor);
        let decided = unit.act::<Case>(id, command).await?;
        if decided.events.iter().any(|event| !event.effects().is_empty()) {
            let refusal = self.refusal(rules::EFFECTS_TOGETHER);
            return Err(unit
                .refuse(&shuyu_store::StreamId::of::<Case>(id), "case.act", refusal)
                .await);
        }
        let receipt = unit.commit().await?;
        Ok(Acted {
            events: decided.events,
            version: decided.version,
            state: decided.state,
            clauses: decided.clauses,
            receipt,
        })
    }

    /// Objects to a case.
    pub async fn object(
        &self,
        actor: &Actor,
        id: CaseId,
        text: String,
    ) -> Result<Acted<Case>, ActError> {
        self.desk.act::<Case>(actor, id, Command::Object { text }).await
    }

    /// Answers an objection.
    pub async fn answer(
        &self,
        actor: &Actor,
        id: CaseId,
        number: u32,
        answer: String,
    ) -> Result<Acted<Case>, ActError> {
        self.desk.act::<Case>(actor, id, Command::Answer { number, answer }).await
    }

    /// The cases whose time has passed without that being noted. Each wants
    /// [`Command::NoteOverdue`] in a unit of work with the effect that follows.
    pub async fn overdue(&self, now: DateTime<Utc>) -> Result<Vec<(CaseId, Case)>, StoreError> {
        self.all(Filter::due_before(now)).await
    }

    /// Notes what is overdue and has no effect but that it is known; what has one is left to
    /// the composition, by id.
    pub async fn tick(&self, now: DateTime<Utc>) -> Result<Vec<CaseId>, ActError> {
        let mut left = Vec::new();
        for (id, _) in self.overdue(now).await? {
            let unit = self.desk.unit(&Actor::system());
            let decided = unit.act::<Case>(id, Command::NoteOverdue).await?;
            let followed = |event: &Event| !event.effects().is_empty();
            if decided.events.iter().any(followed) {
                left.push(id);
            } else {
                unit.commit().await?;
            }
        }
        Ok(left)
    }

    /// The open cases in which an actor may act now.
    pub async fn tasks(&self, actor: &Actor) -> Result<Vec<(CaseId, View)>, StoreError> {
        let mut tasks = Vec::new();
        for (id, case) in self.all(Filter::default()).await? {
            let view = self.seen(id, &case, actor)?;
            if view.stage.as_ref().is_some_and(|stage| stage.may_act) {
                tasks.push((id, view));
            }
        }
        Ok(tasks)
    }

    /// What `actor` sees of a case.
    pub async fn view(&self, actor: &Actor, id: CaseId) -> Result<Option<View>, StoreError> {
        match self.desk.find::<Case>(id).await? {
            Some((_, case)) => Ok(Some(self.seen(id, &case, actor)?)),
            None => Ok(None),
        }
    }

    fn seen(&self, id: CaseId, case: &Case, actor: &Actor) -> Result<View, StoreError> {
        Ok(view(self.desk.laws().of(Some(&case.pack))?, id, case, actor))
    }

    async fn all(&self, filter: Filter) -> Result<Vec<(CaseId, Case)>, StoreError> {
        let mut found: Vec<(CaseId, Case)> = Vec::new();
        loop {
            let after = found.last().map(|(id, _)| id.to_string());
            let page = Filter { limit: Some(PAGE), after, ..filter.clone() };
            let cases = self.desk.list::<Case>(&page).await?;
            let last = cases.len() < PAGE as usize;
            found.extend(cases);
            if last {
                return Ok(found);
            }
        }
    }

    fn refusal(&self, rule: shuyu_law::Rule) -> Refusal {
        match self.desk.laws().of(None) {
            Ok(law) => law.refuse(rule, &[]),
            Err(error) => Refusal {
                rule: rule.name().to_owned(),
                clauses: Vec::new(),
                code: None,
                message: Text::default(),
                detail: Some(error.to_string()),
            },
        }
    }
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
