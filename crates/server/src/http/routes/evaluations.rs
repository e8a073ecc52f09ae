//! Evaluations of operators: who is evaluated objects, and is answered.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, OrganisationId};
use shuyu_oversight::{Evaluation, EvaluationCommand, EvaluationId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::Reason;
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(object))
        .routes(routes!(answer))
        .routes(routes!(finish))
}

/// An evaluation of an operator.
#[derive(Serialize, ToSchema)]
struct EvaluationView {
    #[schema(value_type = String)]
    id: EvaluationId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    from: NaiveDate,
    to: NaiveDate,
    /// The scores by item, each of 100.
    scores: BTreeMap<String, u32>,
    /// The mean of the scores, in hundredths.
    score_hundredths: u32,
    /// The grade, where the pack has grades.
    grade: Option<String>,
    /// What follows.
    consequences: Vec<String>,
    /// What the evaluated party objects, once it does.
    objection: Option<String>,
    /// The answer to the objection.
    answer: Option<String>,
    /// Where it stands: `recorded`, `objected` or `final`.
    status: String,
}

impl From<(EvaluationId, Evaluation)> for EvaluationView {
    fn from((id, evaluation): (EvaluationId, Evaluation)) -> Self {
        let (objection, answer) = evaluation.objection.unzip();
        Self {
            id,
            agreement: evaluation.agreement,
            operator: evaluation.operator,
            from: evaluation.period.0,
            to: evaluation.period.1,
            scores: evaluation.scores,
            score_hundredths: evaluation.grading.score_hundredths,
            grade: evaluation.grading.grade,
            consequences: evaluation.grading.consequences,
            objection,
            answer: answer.flatten(),
            status: evaluation.status.name().to_owned(),
        }
    }
}

reads!(
    Evaluation as EvaluationView, tag = "oversight",
    list: "/evaluations" "listEvaluations" "List the evaluations that the caller may see.",
    read: "/evaluations/{id}" "readEvaluation" "Read an evaluation.",
);

/// Object to an evaluation. For whoever is evaluated.
#[utoipa::path(
    post, path = "/evaluations/{id}/object", operation_id = "objectToEvaluation", tag = "oversight",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = EvaluationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn object(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<EvaluationId>,
    Json(body): Json<Reason>,
) -> Result<Json<EvaluationView>, Problem> {
    let command = EvaluationCommand::Object { reason: body.reason };
    Ok(Json((id, app.change_evaluation(&actor, id, command).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerBody {
    /// In one's own words.
    answer: String,
    /// The scores that stand, by item, each of 100: others than before, or the same.
    scores: BTreeMap<String, u32>,
}

/// Answer the objection to an evaluation, which is final then.
#[utoipa::path(
    post, path = "/evaluations/{id}/answer", operation_id = "answerEvaluation", tag = "oversight",
    params(("id" = String, Path)), request_body = AnswerBody,
    responses(
        (status = 200, body = EvaluationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn answer(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<EvaluationId>,
    Json(body): Json<AnswerBody>,
) -> Result<Json<EvaluationView>, Problem> {
    let command = EvaluationCommand::Answer { answer: body.answer, scores: body.scores };
    Ok(Json((id, app.change_evaluation(&actor, id, command).await?).into()))
}

/// Make an evaluation final to which nobody objected.
#[utoipa::path(
    post, path = "/evaluations/{id}/finish", operation_id = "finishEvaluation", tag = "oversight",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = EvaluationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn finish(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<EvaluationId>,
) -> Result<Json<EvaluationView>, Problem> {
    Ok(Json((id, app.change_evaluation(&actor, id, EvaluationCommand::Finish).await?).into()))
}
