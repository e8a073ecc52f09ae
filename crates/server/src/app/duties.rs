//! Duties: what falls due is handed in and decided on; who is evaluated objects, and is answered.

use std::collections::BTreeMap;

use serde_json::json;
use shuyu_kernel::{Actor, ContentHash, TaskId};
use shuyu_oversight::{Evaluation, EvaluationCommand, EvaluationId, Submission, Task, TaskCommand};
use shuyu_store::ActError;

use super::App;

impl App {
    /// Hands in what falls due: a document by its digest, or sections, whose digest stands for
    /// them where there is no document.
    pub async fn submit_task(
        &self,
        actor: &Actor,
        id: TaskId,
        sections: BTreeMap<String, String>,
        document: Option<ContentHash>,
    ) -> Result<Task, ActError> {
        let evidence = document.unwrap_or_else(|| ContentHash::of_json(&json!(sections)));
        let submission = Submission { evidence, sections };
        self.change_task(actor, id, TaskCommand::Submit(submission)).await
    }

    /// Accepts what was handed in, hands it back, or calls the task off.
    pub async fn change_task(
        &self,
        actor: &Actor,
        id: TaskId,
        command: TaskCommand,
    ) -> Result<Task, ActError> {
        Ok(self.desk().act::<Task>(actor, id, command).await?.state)
    }

    /// Objects to an evaluation, answers the objection, or makes it final.
    pub async fn change_evaluation(
        &self,
        actor: &Actor,
        id: EvaluationId,
        command: EvaluationCommand,
    ) -> Result<Evaluation, ActError> {
        Ok(self.desk().act::<Evaluation>(actor, id, command).await?.state)
    }
}
