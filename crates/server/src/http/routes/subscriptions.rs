//! Subscriptions: downloads, calls by key, keys, and what was used.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::Value;
use shuyu_kernel::{OrganisationId, ProductId, SubscriptionId};
use shuyu_market::Subscription;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{invoices::InvoiceView, people::Reason};
use crate::{
    app::App,
    http::{
        API_KEY, PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(download))
        .routes(routes!(call))
        .routes(routes!(rotate))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(end))
        .routes(routes!(invoice))
}

/// A subscription. Its key is not shown: only its digest is kept.
#[derive(Serialize, ToSchema)]
struct SubscriptionView {
    #[schema(value_type = String)]
    id: SubscriptionId,
    #[schema(value_type = String)]
    product: ProductId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    #[schema(value_type = String)]
    consumer: OrganisationId,
    /// The purpose, as the pack names purposes.
    purpose: String,
    /// How many uses at most; absent: no limit.
    quota: Option<u64>,
    /// The last day.
    until: Option<NaiveDate>,
    /// What each use costs in whole fen, or why it is free.
    #[schema(value_type = Object)]
    charge: Value,
    since: DateTime<Utc>,
    /// How many uses have been invoiced.
    billed: u64,
    /// Where it stands: `active`, `suspended` or `ended`.
    status: String,
}

impl From<(SubscriptionId, Subscription)> for SubscriptionView {
    fn from((id, subscription): (SubscriptionId, Subscription)) -> Self {
        Self {
            id,
            product: subscription.product,
            operator: subscription.operator,
            consumer: subscription.consumer,
            purpose: subscription.order.purpose,
            quota: subscription.order.quota,
            until: subscription.order.until,
            charge: serde_json::to_value(&subscription.charge).unwrap_or_default(),
            since: subscription.since,
            billed: subscription.billed,
            status: subscription.status.name().to_owned(),
        }
    }
}

reads!(
    Subscription as SubscriptionView, tag = "market",
    list: "/subscriptions" "listSubscriptions" "List the subscriptions that the caller may see.",
    read: "/subscriptions/{id}" "readSubscription" "Read a subscription.",
);

/// Download a data package. The delivery is metered before it is handed out.
#[utoipa::path(
    get, path = "/subscriptions/{id}/download", operation_id = "download", tag = "market",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "text/csv",
         headers(("etag" = String, description = "The digest of the content."))),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn download(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<impl IntoResponse, Problem> {
    let package = app.download(&actor, id).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::ETAG, format!("\"{}\"", package.content)),
    ];
    Ok((headers, package.bytes))
}

/// What a query API answers.
#[derive(Serialize, ToSchema)]
struct AnswerView {
    columns: Vec<String>,
    /// The rows, each with a text for each column.
    rows: Vec<Vec<String>>,
    /// Whether more rows match than an answer may hold.
    truncated: bool,
}

/// Call a query API with the key of the subscription. The body holds the arguments by name. The
/// call is metered before it is answered.
#[utoipa::path(
    post, path = "/subscriptions/{id}/calls", operation_id = "callProduct", tag = "market",
    params(("id" = String, Path)),
    request_body = BTreeMap<String, Value>,
    security(("subscription_key" = [])),
    responses(
        (status = 200, body = AnswerView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn call(
    State(app): State<App>,
    Path(id): Path<SubscriptionId>,
    headers: HeaderMap,
    Json(arguments): Json<BTreeMap<String, Value>>,
) -> Result<Json<AnswerView>, Problem> {
    let key = headers.get(API_KEY).and_then(|key| key.to_str().ok()).ok_or_else(|| {
        Problem::not_signed_in("send the key of the subscription in the header X-Api-Key")
    })?;
    let answer = app.call(id, key, &arguments).await?;
    Ok(Json(AnswerView { columns: answer.columns, rows: answer.rows, truncated: answer.truncated }))
}

#[derive(Serialize, ToSchema)]
struct NewKey {
    /// The key that holds from now on. It is shown this once.
    key: String,
}

/// Replace the key of a subscription; the old one ends at once.
#[utoipa::path(
    post, path = "/subscriptions/{id}/key", operation_id = "rotateKey", tag = "market",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = NewKey),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn rotate(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<NewKey>, Problem> {
    Ok(Json(NewKey { key: app.rotate_key(&actor, id).await? }))
}

/// End a subscription for good.
#[utoipa::path(
    post, path = "/subscriptions/{id}/end", operation_id = "endSubscription", tag = "market",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = SubscriptionView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn end(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
    Json(body): Json<Reason>,
) -> Result<Json<SubscriptionView>, Problem> {
    Ok(Json((id, app.end_subscription(&actor, id, &body.reason).await?).into()))
}

/// Invoice what was used since the last invoice, each use once, and post it.
#[utoipa::path(
    post, path = "/subscriptions/{id}/invoices", operation_id = "invoice", tag = "money",
    params(("id" = String, Path)),
    responses(
        (status = 201, body = InvoiceView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn invoice(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<(StatusCode, Json<InvoiceView>), Problem> {
    let issued = app.invoice(&actor, id).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}

/// Stop the use of a subscription for the time being.
#[utoipa::path(
    post, path = "/subscriptions/{id}/suspend", operation_id = "suspendSubscription", tag = "market",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = SubscriptionView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn suspend(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
    Json(body): Json<Reason>,
) -> Result<Json<SubscriptionView>, Problem> {
    Ok(Json((id, app.suspend_subscription(&actor, id, &body.reason).await?).into()))
}

/// Take a subscription up again that was suspended.
#[utoipa::path(
    post, path = "/subscriptions/{id}/resume", operation_id = "resumeSubscription", tag = "market",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = SubscriptionView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn resume(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<SubscriptionView>, Problem> {
    Ok(Json((id, app.resume_subscription(&actor, id).await?).into()))
}
