//! Cases: opening them, acting in them, and what follows from an outcome that stands.

use std::collections::BTreeMap;

use serde_json::Value;
use shuyu_casework::{Case, Facts, case, view::View};
use shuyu_kernel::{Actor, AgreementId, CaseId, ContentHash};
use shuyu_law::ClauseId;
use shuyu_store::ActError;

use super::{App, effects::Cause, facts::agreement_of};

/// The effects after which nothing of an agreement is used.
const ENDS_USE: [&str; 2] = ["agreement.suspend", "agreement.end"];

/// What somebody does in a stage.
#[derive(Debug, Clone)]
pub struct Act {
    /// The stage.
    pub stage: String,
    /// The outcome that they give their voice to.
    pub outcome: String,
    /// In which role, where they hold several of the stage's.
    pub role: Option<String>,
    /// What they fill in.
    pub form: Option<Value>,
    /// What they attach.
    pub documents: BTreeMap<String, ContentHash>,
    /// Why; must be given with an outcome that says no.
    pub reason: Option<String>,
    /// The content of the dossier that they read.
    pub read: ContentHash,
}

/// What is wanted of a case.
enum What {
    /// Something that rests on nothing but the case.
    Command(case::Command),
    /// An act, for which facts are gathered in the unit of work: anew when it is tried again.
    Act(Act),
}

fn acting(act: Act, facts: Facts) -> case::Acting {
    case::Acting {
        stage: act.stage,
        outcome: act.outcome,
        role: act.role,
        form: act.form,
        documents: act.documents,
        reason: act.reason,
        read: act.read,
        facts,
    }
}

impl App {
    /// Opens a case of a procedure.
    pub async fn open_case(
        &self,
        actor: &Actor,
        procedure: &str,
        title: &str,
        subject: Option<String>,
        agreement: Option<AgreementId>,
    ) -> Result<View, ActError> {
        let id: CaseId = self.fresh();
        let command = case::Command::Open {
            procedure: procedure.to_owned(),
            title: title.to_owned(),
            subject,
            agreement,
        };
        let (case, _) = self.in_case(actor, id, What::Command(command)).await?;
        self.seen(actor, id, &case)
    }

    /// Acts in the stage that a case is in. What follows from an outcome that stands happens in
    /// the same unit of work: all of it, or nothing.
    ///
    /// The clauses that the act rests on are returned with the case.
    pub async fn act_in_case(
        &self,
        actor: &Actor,
        id: CaseId,
        act: Act,
    ) -> Result<(View, Vec<ClauseId>), ActError> {
        self.check_kept(actor, id, act.documents.values().copied()).await?;
        let (case, clauses) = self.in_case(actor, id, What::Act(act)).await?;
        // The act stands: what has not been destroyed yet does not undo it, and is tried again.
        if let Err(error) = self.finish_exits().await {
            tracing::warn!(%error, "a destruction waits to be finished");
        }
        Ok((self.seen(actor, id, &case)?, clauses))
    }

    /// Objects to a case whose stage gives time for it.
    pub async fn object(&self, actor: &Actor, id: CaseId, text: &str) -> Result<(), ActError> {
        let command = case::Command::Object { text: text.to_owned() };
        self.in_case(actor, id, What::Command(command)).await.map(drop)
    }

    /// Answers an objection.
    pub async fn answer(
        &self,
        actor: &Actor,
        id: CaseId,
        number: u32,
        answer: &str,
    ) -> Result<(), ActError> {
        let command = case::Command::Answer { number, answer: answer.to_owned() };
        self.in_case(actor, id, What::Command(command)).await.map(drop)
    }

    /// Takes a case back.
    pub async fn withdraw(&self, actor: &Actor, id: CaseId, reason: &str) -> Result<(), ActError> {
        let command = case::Command::Withdraw { reason: reason.to_owned() };
        self.in_case(actor, id, What::Command(command)).await.map(drop)
    }

    /// Notes that the time of a case's stage has passed, with what follows from it.
    pub(super) async fn note_overdue(&self, id: CaseId) -> Result<(), ActError> {
        self.in_case(&Actor::system(), id, What::Command(case::Command::NoteOverdue))
            .await
            .map(drop)
    }

    /// Does something to a case, with what follows from it, in one unit of work.
    async fn in_case(
        &self,
        actor: &Actor,
        id: CaseId,
        what: What,
    ) -> Result<(Case, Vec<ClauseId>), ActError> {
        let what = &what;
        let (case, clauses, effects) = self
            .desk()
            .run(actor, |unit| async move {
                let command = match what {
                    What::Command(command) => command.clone(),
                    What::Act(act) => {
                        let facts = self.facts(&unit, id, act).await?;
                        case::Command::Act(Box::new(acting(act.clone(), facts)))
                    }
                };
                let decided = if unit.actor().is_system() {
                    unit.follow::<Case>(id, command, &[]).await?
                } else {
                    unit.act::<Case>(id, command).await?
                };
                let mut clauses = decided.clauses;
                let mut effects = Vec::new();
                for event in &decided.events {
                    for effect in event.effects() {
                        let cause = Cause { id, case: &decided.state, clauses: &clauses };
                        self.apply(&unit, effect, &cause).await?;
                        effects.push(effect.to_owned());
                    }
                }
                clauses.dedup();
                Ok((decided.state, clauses, effects))
            })
            .await?;
        if effects.iter().any(|effect| ENDS_USE.contains(&effect.as_str())) {
            self.close_late(agreement_of(id, &case, &case.dossier.fields())).await?;
        }
        Ok((case, clauses))
    }
}
