//! Consents of subjects to scenarios. Whose they are is kept as a keyed digest and nothing else.

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use shuyu_kernel::ScenarioId;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::Made;
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(give_consent)).routes(routes!(withdraw_consent))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubjectBody {
    /// The identifier of the subject, as it stands in the subject key of the tables. It is not
    /// kept.
    subject: String,
}

/// Note that a subject consents to a scenario.
#[utoipa::path(
    post, path = "/scenarios/{id}/consents", operation_id = "giveConsent", tag = "domain",
    params(("id" = String, Path)), request_body = SubjectBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn give_consent(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScenarioId>,
    Json(body): Json<SubjectBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let consent = app.enclave().give_consent(&actor, id, &body.subject).await?;
    Ok((StatusCode::CREATED, Json(Made { id: consent.to_string() })))
}

/// Note that a subject withdraws their consent to a scenario: at once their rows are not there,
/// and what runs on them ends.
#[utoipa::path(
    post, path = "/scenarios/{id}/consents/withdraw", operation_id = "withdrawConsent",
    tag = "domain", params(("id" = String, Path)), request_body = SubjectBody,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn withdraw_consent(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScenarioId>,
    Json(body): Json<SubjectBody>,
) -> Result<StatusCode, Problem> {
    app.enclave().withdraw_consent(&actor, id, &body.subject).await?;
    Ok(StatusCode::NO_CONTENT)
}
