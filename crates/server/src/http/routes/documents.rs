//! Documents that are attached to cases.

use axum::{
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;
use shuyu_kernel::{CaseId, ContentHash};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, LARGEST_DOCUMENT_BYTES},
    http::{
        PROBLEM_JSON, Problem,
        extract::{Bytes, Caller, Json, Path},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(keep))
        // One byte more, so that the application says what is too large.
        .layer(DefaultBodyLimit::max(LARGEST_DOCUMENT_BYTES + 1))
        .routes(routes!(read))
}

#[derive(Serialize, ToSchema)]
struct Kept {
    /// The hash by which a case refers to it.
    #[schema(value_type = String)]
    hash: ContentHash,
}

/// Keep a document: its bytes are the body. The same bytes are kept once.
#[utoipa::path(
    post, path = "/documents", operation_id = "keepDocument", tag = "cases",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = Kept),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn keep(
    State(app): State<App>,
    Caller(actor): Caller,
    Bytes(body): Bytes,
) -> Result<(StatusCode, Json<Kept>), Problem> {
    let hash = app.keep_document(&actor, body.to_vec()).await?;
    Ok((StatusCode::CREATED, Json(Kept { hash })))
}

/// Read a document that is attached to a case. The read is recorded.
#[utoipa::path(
    get, path = "/cases/{id}/documents/{hash}", operation_id = "readDocument", tag = "cases",
    params(("id" = String, Path), ("hash" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn read(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((case, hash)): Path<(CaseId, ContentHash)>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = app.read_document(&actor, case, hash).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes))
}
