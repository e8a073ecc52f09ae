//! What falls due: it is handed in, accepted or handed back, or called off.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId, TaskId};
use shuyu_oversight::{Task, TaskCommand};
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
        .routes(routes!(submit))
        .routes(routes!(accept))
        .routes(routes!(hand_back))
        .routes(routes!(cancel))
}

/// What was handed in.
#[derive(Serialize, ToSchema)]
struct SubmissionView {
    /// The digest of the document, or of the sections where there is none.
    #[schema(value_type = String)]
    evidence: ContentHash,
    /// The sections, by name.
    sections: BTreeMap<String, String>,
}

/// Something that falls due.
#[derive(Serialize, ToSchema)]
struct TaskView {
    #[schema(value_type = String)]
    id: TaskId,
    /// What sort of thing: a report, a filing, an evaluation.
    kind: String,
    /// Which, as the pack names it.
    subject: String,
    #[schema(value_type = String)]
    agreement: AgreementId,
    /// Whose it is, where it is one organisation's.
    #[schema(value_type = Option<String>)]
    owner: Option<OrganisationId>,
    /// In which role it is done.
    owner_role: String,
    /// To which role it goes.
    recipient: Option<String>,
    /// The first day of the period that it covers.
    from: NaiveDate,
    /// The last day of that period.
    to: NaiveDate,
    due_at: DateTime<Utc>,
    /// How many reminders were given.
    reminded: usize,
    /// What was handed in last.
    submission: Option<SubmissionView>,
    /// Where it stands: `open`, `submitted`, `accepted`, `returned`, `overdue` or `cancelled`.
    status: String,
}

impl From<(TaskId, Task)> for TaskView {
    fn from((id, task): (TaskId, Task)) -> Self {
        Self {
            id,
            kind: task.kind.name().to_owned(),
            subject: task.subject,
            agreement: task.agreement,
            owner: task.owner,
            owner_role: task.owner_role,
            recipient: task.recipient,
            from: task.period.0,
            to: task.period.1,
            due_at: task.due_at,
            reminded: task.reminded,
            submission: task.submission.map(|handed_in| SubmissionView {
                evidence: handed_in.evidence,
                sections: handed_in.sections,
            }),
            status: task.status.name().to_owned(),
        }
    }
}

reads!(
    Task as TaskView, tag = "oversight",
    list: "/tasks" "listTasks" "List what falls due for the caller.",
    read: "/tasks/{id}" "readTask" "Read something that falls due.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubmissionBody {
    /// The sections, by the names of the pack.
    #[serde(default)]
    sections: BTreeMap<String, String>,
    /// The document, by the hash that `POST /documents` gave it; absent: the sections are all.
    #[schema(value_type = Option<String>)]
    document: Option<ContentHash>,
}

/// Hand in what falls due. For whoever it falls to.
#[utoipa::path(
    post, path = "/tasks/{id}/submit", operation_id = "submitTask", tag = "oversight",
    params(("id" = String, Path)), request_body = SubmissionBody,
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn submit(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TaskId>,
    Json(body): Json<SubmissionBody>,
) -> Result<Json<TaskView>, Problem> {
    Ok(Json((id, app.submit_task(&actor, id, body.sections, body.document).await?).into()))
}

/// Accept what was handed in.
#[utoipa::path(
    post, path = "/tasks/{id}/accept", operation_id = "acceptTask", tag = "oversight",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn accept(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TaskId>,
) -> Result<Json<TaskView>, Problem> {
    Ok(Json((id, app.change_task(&actor, id, TaskCommand::Accept).await?).into()))
}

/// Hand back what was handed in, to be done again.
#[utoipa::path(
    post, path = "/tasks/{id}/return", operation_id = "returnTask", tag = "oversight",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn hand_back(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TaskId>,
    Json(body): Json<Reason>,
) -> Result<Json<TaskView>, Problem> {
    let command = TaskCommand::Return { reason: body.reason };
    Ok(Json((id, app.change_task(&actor, id, command).await?).into()))
}

/// Call off what falls due.
#[utoipa::path(
    post, path = "/tasks/{id}/cancel", operation_id = "cancelTask", tag = "oversight",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = TaskView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn cancel(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<TaskId>,
    Json(body): Json<Reason>,
) -> Result<Json<TaskView>, Problem> {
    let command = TaskCommand::Cancel { reason: body.reason };
    Ok(Json((id, app.change_task(&actor, id, command).await?).into()))
}
