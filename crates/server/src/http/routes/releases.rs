//! The one gate: what is put forward for release, its checks, its reviews, and what came out.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shuyu_enclave::{Finding, Record, Release, ReleaseStatus, Verdict};
use shuyu_kernel::{ContentHash, GrantId, JobId, OrganisationId, PersonId, ReleaseId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::{Made, Reason};
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
        .routes(routes!(request))
        .routes(routes!(list))
        .routes(routes!(read, amend))
        .routes(routes!(inspect))
        .routes(routes!(report))
        .routes(routes!(findings))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(withdraw))
        .routes(routes!(content))
}

/// What an automatic check found.
#[derive(Serialize, ToSchema)]
struct FindingView {
    /// Which check.
    check: String,
    /// `pass`, `review` or `fail`.
    verdict: String,
    /// Why.
    reason: String,
}

/// A reviewer's approval.
#[derive(Serialize, ToSchema)]
struct ApprovalView {
    #[schema(value_type = String)]
    by: PersonId,
    #[schema(value_type = String)]
    organisation: OrganisationId,
    at: DateTime<Utc>,
}

/// A release.
#[derive(Serialize, ToSchema)]
struct ReleaseView {
    #[schema(value_type = String)]
    id: ReleaseId,
    #[schema(value_type = String)]
    job: JobId,
    #[schema(value_type = String)]
    grant: GrantId,
    /// Who wrote the job.
    #[schema(value_type = String)]
    author: PersonId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    /// What it is for.
    purpose: String,
    /// The form in which it is to be used.
    form: String,
    /// The digest of all that is put forward, with chance in it: what a review binds to.
    #[schema(value_type = String)]
    content: ContentHash,
    /// How many reviewers must approve.
    needed: u32,
    approvals: Vec<ApprovalView>,
    /// Where it stands: `in_review`, `released`, `rejected` or `withdrawn`.
    status: String,
    /// Why it was rejected or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<(ReleaseId, Release)> for ReleaseView {
    fn from((id, release): (ReleaseId, Release)) -> Self {
        Self {
            id,
            job: release.job,
            grant: release.grant,
            author: release.author,
            operator: release.operator,
            content: release.proposal.hash(),
            purpose: release.proposal.purpose,
            form: release.proposal.form,
            needed: release.needed,
            approvals: release
                .approvals
                .into_iter()
                .map(|approval| ApprovalView {
                    by: approval.by,
                    organisation: approval.organisation,
                    at: approval.at,
                })
                .collect(),
            status: release.status.name().to_owned(),
            reason: match release.status {
                ReleaseStatus::Rejected { reason, .. } | ReleaseStatus::Withdrawn { reason } => {
                    Some(reason)
                }
                ReleaseStatus::InReview | ReleaseStatus::Released { .. } => None,
            },
        }
    }
}

reads!(
    Release as ReleaseView, tag = "gate",
    list: "/releases" "listReleases" "List the releases that the caller may see.",
    read: "/releases/{id}" "readRelease" "Read a release, with its reviews.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RequestBody {
    /// What it is for.
    purpose: String,
    /// The form in which it is to be used, as the pack names forms.
    form: String,
}

/// Ask for the output of a job to be released. The automatic checks are made at once, for its
/// reviewers to read.
#[utoipa::path(
    post, path = "/jobs/{id}/releases", operation_id = "requestRelease", tag = "gate",
    params(("id" = String, Path)), request_body = RequestBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn request(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<JobId>,
    Json(body): Json<RequestBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let release = app.request_release(&actor, id, &body.purpose, &body.form).await?;
    Ok((StatusCode::CREATED, Json(Made { id: release.to_string() })))
}

/// What the automatic checks found of an output.
#[derive(Serialize, ToSchema)]
struct RecordView {
    /// The digest of the output in quarantine.
    #[schema(value_type = String)]
    package: ContentHash,
    /// How many rows the output has.
    rows: u64,
    /// What each check found.
    findings: Vec<FindingView>,
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        let view = |finding: Finding| FindingView {
            check: finding.check,
            verdict: match finding.verdict {
                Verdict::Pass => "pass",
                Verdict::Review => "review",
                Verdict::Fail => "fail",
            }
            .to_owned(),
            reason: finding.reason,
        };
        Self {
            package: record.package,
            rows: record.rows,
            findings: record.findings.into_iter().map(view).collect(),
        }
    }
}

/// Read what the automatic checks found. For its reviewers alone: whoever could try outputs out
/// on the checks would learn from them what the data hold.
#[utoipa::path(
    get, path = "/releases/{id}/findings", operation_id = "readFindings", tag = "gate",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = RecordView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn findings(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
) -> Result<Json<RecordView>, Problem> {
    Ok(Json(app.enclave().findings(&actor, id).await?.into()))
}

/// Look at what is put forward, as it lies in quarantine. For its reviewers alone.
#[utoipa::path(
    get, path = "/releases/{id}/quarantine", operation_id = "inspectRelease", tag = "gate",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "text/csv"),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn inspect(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = app.enclave().inspect(&actor, id).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes))
}

/// How the program ended that made what is put forward, what it printed and what it used: `null`
/// where a query made it. For its reviewers alone, as the content is.
#[utoipa::path(
    get, path = "/releases/{id}/report", operation_id = "readProgramReport", tag = "gate",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Option<Object>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn report(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
) -> Result<impl IntoResponse, Problem> {
    let report = app.enclave().report(&actor, id).await?;
    let bytes = report.unwrap_or_else(|| b"null".to_vec());
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewBody {
    /// The `content` of the release that was read.
    #[schema(value_type = String)]
    content: ContentHash,
}

/// Approve what was read. Two who are not its author must.
#[utoipa::path(
    post, path = "/releases/{id}/approve", operation_id = "approveRelease", tag = "gate",
    params(("id" = String, Path)), request_body = ReviewBody,
    responses(
        (status = 200, body = ReleaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn approve(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
    Json(body): Json<ReviewBody>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json((id, app.approve_release(&actor, id, body.content).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    /// The `content` of the release that was read.
    #[schema(value_type = String)]
    content: ContentHash,
    /// Why.
    reason: String,
}

/// Turn it down.
#[utoipa::path(
    post, path = "/releases/{id}/reject", operation_id = "rejectRelease", tag = "gate",
    params(("id" = String, Path)), request_body = RejectBody,
    responses(
        (status = 200, body = ReleaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn reject(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
    Json(body): Json<RejectBody>,
) -> Result<Json<ReleaseView>, Problem> {
    let rejected = app.reject_release(&actor, id, body.content, &body.reason).await?;
    Ok(Json((id, rejected).into()))
}

/// Read out what was released. For the operator that asked for it.
#[utoipa::path(
    get, path = "/releases/{id}/content", operation_id = "readReleased", tag = "gate",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "text/csv"),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn content(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = app.read_released(&actor, id).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes))
}

/// Change what an output is to be used for, and in which form. It is checked again, and its
/// reviews begin anew.
#[utoipa::path(
    put, path = "/releases/{id}", operation_id = "amendRelease", tag = "gate",
    params(("id" = String, Path)), request_body = RequestBody,
    responses(
        (status = 200, body = ReleaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn amend(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
    Json(body): Json<RequestBody>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json((id, app.amend_release(&actor, id, &body.purpose, &body.form).await?).into()))
}

/// Take a release back: nothing of it is handed out any more, nor of what was made of it.
#[utoipa::path(
    post, path = "/releases/{id}/withdraw", operation_id = "withdrawRelease", tag = "gate",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = ReleaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn withdraw(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ReleaseId>,
    Json(body): Json<Reason>,
) -> Result<Json<ReleaseView>, Problem> {
    Ok(Json((id, app.withdraw_release(&actor, id, &body.reason).await?).into()))
}
