//! The ledger: its checkpoint and proofs for anyone, its entries for who audits.

use axum::{extract::State, http::header, response::IntoResponse};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{OrganisationId, PersonId};
use shuyu_law::ClauseId;
use shuyu_store::{Recorded, Trail};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Query},
    },
};

/// How many entries are handed out at once at the most.
const MOST: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(key))
        .routes(routes!(inclusion))
        .routes(routes!(entries))
        .routes(routes!(verify))
}

/// The latest signed checkpoint (C2SP tlog-checkpoint): the size and the root of the log.
#[utoipa::path(
    get, path = "/ledger/checkpoint", operation_id = "readCheckpoint", tag = "public",
    security(()),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn checkpoint(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let note = app.desk().checkpoint().await?;
    let note = note.ok_or_else(|| Problem::not_found("checkpoint: the log is empty"))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note))
}

/// The public key with which the log is verified (a C2SP note verifier key).
#[utoipa::path(
    get, path = "/ledger/key", operation_id = "readLedgerKey", tag = "public", security(()),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
async fn key(State(app): State<App>) -> impl IntoResponse {
    let key = format!("{}\n", app.desk().verifier());
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], key)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Leaf {
    /// The place of the entry in the log, from 0.
    index: u64,
    /// The size of the log to which the proof leads; absent: its present size.
    size: Option<u64>,
}

/// That an entry is in the log (RFC 6962, 2.1.1).
#[derive(Serialize, ToSchema)]
struct InclusionView {
    index: u64,
    size: u64,
    /// The hash of the entry's leaf, in base64.
    leaf: String,
    /// The hashes beside the way from the leaf to the root, in base64.
    path: Vec<String>,
}

/// Prove that an entry is in the log, without showing it.
#[utoipa::path(
    get, path = "/ledger/inclusion", operation_id = "proveInclusion", tag = "public",
    security(()), params(Leaf),
    responses(
        (status = 200, body = InclusionView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn inclusion(
    State(app): State<App>,
    Query(leaf): Query<Leaf>,
) -> Result<Json<InclusionView>, Problem> {
    let present = app.desk().size().await?;
    let size = leaf.size.unwrap_or(present).min(present);
    let proof = app.prove_inclusion(leaf.index, size).await?;
    let own = app.desk().leaves(leaf.index..leaf.index + 1).await?;
    Ok(Json(InclusionView {
        index: proof.index,
        size: proof.size,
        leaf: own.first().map(ToString::to_string).unwrap_or_default(),
        path: proof.path.iter().map(ToString::to_string).collect(),
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Entries {
    /// What was done, `<kind>.<command>`.
    act: Option<String>,
    /// From this instant on.
    from: Option<DateTime<Utc>>,
    /// Before this instant.
    until: Option<DateTime<Utc>>,
    /// Those behind this place in the log.
    after: Option<u64>,
    /// How many, at most 1000.
    limit: Option<u32>,
}

/// An entry of the log, without personal fields.
#[derive(Serialize, ToSchema)]
struct EntryView {
    /// Its place in the log, from 0.
    seq: u64,
    /// What it happened to.
    stream: String,
    /// What was wanted.
    act: String,
    /// What happened; absent: it changed nothing.
    event: Option<String>,
    at: DateTime<Utc>,
    #[schema(value_type = String)]
    person: PersonId,
    #[schema(value_type = String)]
    organisation: OrganisationId,
    roles: Vec<String>,
    /// The version of the pack under which it was decided.
    pack: String,
    #[schema(value_type = Vec<String>)]
    clauses: Vec<ClauseId>,
    #[schema(value_type = Object)]
    body: Value,
}

impl From<Recorded> for EntryView {
    fn from(entry: Recorded) -> Self {
        Self {
            seq: entry.seq,
            stream: entry.stream.to_string(),
            act: entry.act,
            event: entry.event,
            at: entry.at,
            person: entry.person,
            organisation: entry.organisation,
            roles: entry.roles.iter().map(ToString::to_string).collect(),
            pack: entry.pack.0,
            clauses: entry.clauses,
            body: entry.body,
        }
    }
}

/// Read entries of the log. For supervisors and auditors; the read is itself an entry.
#[utoipa::path(
    get, path = "/ledger/entries", operation_id = "listEntries", tag = "ledger", params(Entries),
    responses(
        (status = 200, body = Vec<EntryView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn entries(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(wanted): Query<Entries>,
) -> Result<Json<Vec<EntryView>>, Problem> {
    let trail = Trail {
        act: wanted.act,
        from: wanted.from,
        until: wanted.until,
        after: wanted.after,
        limit: Some(wanted.limit.unwrap_or(MOST).clamp(1, MOST)),
        ..Trail::default()
    };
    let found = app.entries(&actor, &trail).await?;
    Ok(Json(found.into_iter().map(Into::into).collect()))
}

/// What the check of the whole history found.
#[derive(Serialize, ToSchema)]
struct VerifiedView {
    /// How many entries were checked.
    size: u64,
    /// What is wrong, each in words; empty: all is well.
    faults: Vec<String>,
}

/// Check the whole history, and every state against it. For supervisors and auditors.
#[utoipa::path(
    post, path = "/ledger/verify", operation_id = "verifyLedger", tag = "ledger",
    responses(
        (status = 200, body = VerifiedView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn verify(
    State(app): State<App>,
    Caller(actor): Caller,
) -> Result<Json<VerifiedView>, Problem> {
    let faults = app.verify_for(&actor).await?;
    let size = app.desk().size().await?;
    Ok(Json(VerifiedView { size, faults: faults.iter().map(ToString::to_string).collect() }))
}
