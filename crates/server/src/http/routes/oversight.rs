//! Supervision: alerts, cuts, destructions, filings, notices.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{AgreementId, AlertId, OrganisationId};
use shuyu_oversight::{
    Alert, AlertCommand, AlertFinding, Cut, CutId, Destruction, DestructionId, Filing, FilingId,
    Notice, NoticeId, Severity, Source,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::Made;
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path, Query},
        page::{Listing, Page, reads},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_alerts, raise))
        .routes(routes!(read_alert))
        .routes(routes!(acknowledge))
        .routes(routes!(close))
        .routes(routes!(list_cuts))
        .routes(routes!(read_cut))
        .routes(routes!(list_destructions))
        .routes(routes!(read_destruction))
        .routes(routes!(list_filings))
        .routes(routes!(read_filing))
        .routes(routes!(list_notices))
        .routes(routes!(read_notice))
        .routes(routes!(public_notices))
}

/// How much an alert matters.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SeverityName {
    /// To be known.
    Notice,
    /// To be looked at.
    Warning,
    /// To be acted on at once.
    Critical,
}

impl From<SeverityName> for Severity {
    fn from(name: SeverityName) -> Self {
        match name {
            SeverityName::Notice => Self::Notice,
            SeverityName::Warning => Self::Warning,
            SeverityName::Critical => Self::Critical,
        }
    }
}

impl From<Severity> for SeverityName {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Notice => Self::Notice,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

/// An alert.
#[derive(Serialize, ToSchema)]
struct AlertView {
    #[schema(value_type = String)]
    id: AlertId,
    /// What it is about, such as `out_of_scope_attempts`.
    ground: String,
    /// In words.
    detail: String,
    severity: SeverityName,
    /// What it concerns, by id.
    subject: String,
    #[schema(value_type = Option<String>)]
    organisation: Option<OrganisationId>,
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
    raised_at: DateTime<Utc>,
    /// What came of it.
    outcome: Option<String>,
    /// Where it stands.
    status: String,
}

impl From<(AlertId, Alert)> for AlertView {
    fn from((id, alert): (AlertId, Alert)) -> Self {
        Self {
            id,
            ground: alert.finding.ground,
            detail: alert.finding.detail,
            severity: alert.finding.severity.into(),
            subject: alert.finding.subject,
            organisation: alert.finding.organisation,
            agreement: alert.finding.agreement,
            raised_at: alert.raised_at,
            outcome: alert.outcome,
            status: alert.status.name().to_owned(),
        }
    }
}

/// A cut of access.
#[derive(Serialize, ToSchema)]
struct CutView {
    #[schema(value_type = String)]
    id: CutId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    /// The trigger, as the pack names it.
    trigger: String,
    reason: String,
    at: DateTime<Utc>,
    /// When the last session, job and key was found to be closed.
    effected_at: Option<DateTime<Utc>>,
    /// Where it stands: `closed`, `restored` or `ended`.
    status: String,
}

impl From<(CutId, Cut)> for CutView {
    fn from((id, cut): (CutId, Cut)) -> Self {
        Self {
            id,
            agreement: cut.order.agreement,
            trigger: cut.order.trigger,
            reason: cut.order.reason,
            at: cut.order.at,
            effected_at: cut.effected_at,
            status: cut.status.name().to_owned(),
        }
    }
}

/// A destruction, and its certificate once it is shown.
#[derive(Serialize, ToSchema)]
struct DestructionView {
    #[schema(value_type = String)]
    id: DestructionId,
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
    /// What is destroyed, by id.
    objects: Vec<String>,
    ground: String,
    /// How many approvals it needs, and how many there are.
    approvals_needed: u32,
    approvals: usize,
    /// The certificate: what the attempt to read each object answered, and who witnessed it.
    #[schema(value_type = Option<Object>)]
    certificate: Option<Value>,
    /// Where it stands: `ordered`, `approved`, `destroyed`, `verified` or `refused`.
    status: String,
}

impl From<(DestructionId, Destruction)> for DestructionView {
    fn from((id, destruction): (DestructionId, Destruction)) -> Self {
        Self {
            id,
            agreement: destruction.agreement,
            objects: destruction.objects.into_iter().collect(),
            ground: destruction.ground,
            approvals_needed: destruction.approvals_needed,
            approvals: destruction.approvals.len(),
            certificate: destruction.certificate.and_then(|it| serde_json::to_value(it).ok()),
            status: destruction.status.name().to_owned(),
        }
    }
}

/// A filing with one recipient.
#[derive(Serialize, ToSchema)]
struct FilingView {
    #[schema(value_type = String)]
    id: FilingId,
    /// What is filed, as the pack names it.
    subject: String,
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
    /// With which role.
    recipient: String,
    due_at: DateTime<Utc>,
    /// The number of the receipt.
    receipt: Option<String>,
    /// Where it stands: `due`, `sent` or `received`.
    status: String,
}

impl From<(FilingId, Filing)> for FilingView {
    fn from((id, filing): (FilingId, Filing)) -> Self {
        Self {
            id,
            subject: filing.subject,
            agreement: filing.agreement,
            recipient: filing.recipient,
            due_at: filing.due_at,
            receipt: filing.receipt,
            status: filing.status.name().to_owned(),
        }
    }
}

/// A notice to the public.
#[derive(Serialize, ToSchema)]
struct NoticeView {
    #[schema(value_type = String)]
    id: NoticeId,
    /// What is made known: `call`, `decision`, `operator`, `plan` or `disclosure`.
    kind: String,
    title: String,
    body: String,
    at: DateTime<Utc>,
    /// Until when objections may be made, where they may.
    objections_until: Option<DateTime<Utc>>,
    /// Where it stands: `published`, `closed` or `withdrawn`.
    status: String,
}

impl From<(NoticeId, Notice)> for NoticeView {
    fn from((id, notice): (NoticeId, Notice)) -> Self {
        Self {
            id,
            kind: notice.kind.name().to_owned(),
            title: notice.title,
            body: notice.body,
            at: notice.at,
            objections_until: notice.objections_until,
            status: notice.status.name().to_owned(),
        }
    }
}

reads!(
    Alert as AlertView, tag = "oversight",
    list_alerts: "/alerts" "listAlerts" "List the alerts that the caller may see.",
    read_alert: "/alerts/{id}" "readAlert" "Read an alert.",
);
reads!(
    Cut as CutView, tag = "oversight",
    list_cuts: "/cuts" "listCuts" "List the cuts that the caller may see.",
    read_cut: "/cuts/{id}" "readCut" "Read a cut.",
);
reads!(
    Destruction as DestructionView, tag = "oversight",
    list_destructions: "/destructions" "listDestructions" "List the destructions that the caller may see.",
    read_destruction: "/destructions/{id}" "readDestruction" "Read a destruction.",
);
reads!(
    Filing as FilingView, tag = "oversight",
    list_filings: "/filings" "listFilings" "List the filings that the caller may see.",
    read_filing: "/filings/{id}" "readFiling" "Read a filing.",
);
reads!(
    Notice as NoticeView, tag = "oversight",
    list_notices: "/notices" "listNotices" "List notices.",
    read_notice: "/notices/{id}" "readNotice" "Read a notice.",
);

/// What is made known to the public. Nobody needs to sign in to read it.
#[utoipa::path(
    get, path = "/public/notices", operation_id = "listPublicNotices", tag = "public",
    security(()), params(Listing),
    responses(
        (status = 200, body = Page<NoticeView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn public_notices(
    State(app): State<App>,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<NoticeView>>, Problem> {
    let filter = listing.filter();
    let found = app.public_notices(&filter).await?;
    let last = found.last().map(|(id, _)| id.to_string());
    let items = found.into_iter().map(Into::into).collect();
    Ok(Json(Page::new(items, &filter, last)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AlertBody {
    /// What it is about.
    ground: String,
    /// In words.
    detail: String,
    severity: SeverityName,
    /// What it concerns, by id.
    subject: String,
    /// The organisation that it concerns.
    #[schema(value_type = Option<String>)]
    organisation: Option<OrganisationId>,
    /// The agreement that it concerns.
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
}

/// Raise an alert of what the caller has observed.
#[utoipa::path(
    post, path = "/alerts", operation_id = "raiseAlert", tag = "oversight",
    request_body = AlertBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn raise(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<AlertBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let finding = AlertFinding {
        ground: body.ground,
        detail: body.detail,
        severity: body.severity.into(),
        subject: body.subject,
        organisation: body.organisation,
        agreement: body.agreement,
        source: Source::Person { id: actor.person },
    };
    let id = app.raise_alert(&actor, finding).await?;
    Ok((StatusCode::CREATED, Json(Made { id: id.to_string() })))
}

/// Look into an alert.
#[utoipa::path(
    post, path = "/alerts/{id}/acknowledge", operation_id = "acknowledgeAlert", tag = "oversight",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = AlertView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn acknowledge(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AlertId>,
) -> Result<Json<AlertView>, Problem> {
    Ok(Json((id, app.change_alert(&actor, id, AlertCommand::Acknowledge).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloseBody {
    /// What came of it.
    outcome: String,
}

/// Close an alert.
#[utoipa::path(
    post, path = "/alerts/{id}/close", operation_id = "closeAlert", tag = "oversight",
    params(("id" = String, Path)), request_body = CloseBody,
    responses(
        (status = 200, body = AlertView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn close(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AlertId>,
    Json(body): Json<CloseBody>,
) -> Result<Json<AlertView>, Problem> {
    let command = AlertCommand::Close { outcome: body.outcome };
    Ok(Json((id, app.change_alert(&actor, id, command).await?).into()))
}
