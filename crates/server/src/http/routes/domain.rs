//! The operation domain: grants, sessions, questions, samples.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_enclave::{
    Basis, Column, Derived, Explanation, Grant, Sample, Session, Sheet, Step, Told,
};
use shuyu_kernel::{
    AgreementId, GrantId, OrganisationId, PersonId, ResourceId, ScenarioId, SessionId,
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::{Made, Reason};
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path, Query},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_grants))
        .routes(routes!(read_grant))
        .routes(routes!(suspend_grant))
        .routes(routes!(restore_grant))
        .routes(routes!(end_grant))
        .routes(routes!(open_session))
        .routes(routes!(list_sessions))
        .routes(routes!(read_session))
        .routes(routes!(close_session))
        .routes(routes!(columns))
        .routes(routes!(sample))
        .routes(routes!(ask))
        .routes(routes!(explain))
}

/// What may be done under a grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Operation {
    /// Look at a desensitised sample.
    Develop,
    /// Ask immediate questions of the closed class.
    Ask,
    /// Run frozen jobs on the full data.
    Produce,
}

impl From<Operation> for shuyu_enclave::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Develop => Self::Develop,
            Operation::Ask => Self::Ask,
            Operation::Produce => Self::Produce,
        }
    }
}

impl From<shuyu_enclave::Operation> for Operation {
    fn from(operation: shuyu_enclave::Operation) -> Self {
        match operation {
            shuyu_enclave::Operation::Develop => Self::Develop,
            shuyu_enclave::Operation::Ask => Self::Ask,
            shuyu_enclave::Operation::Produce => Self::Produce,
        }
    }
}

/// A granted table.
#[derive(Serialize, ToSchema)]
struct ItemView {
    #[schema(value_type = String)]
    resource: ResourceId,
    /// What queries call it.
    table: String,
    /// Its granted columns, and what each may do.
    #[schema(value_type = Object)]
    columns: Value,
    /// The column that says whom a row is about; absent: the table is about nobody.
    subject_key: Option<String>,
    /// Which of its rows are there, and through which masks columns are seen: `scope`, `consent`,
    /// `masks`.
    #[schema(value_type = Object)]
    barrier: Value,
}

/// A grant: the one object from which sessions, queries, jobs, the gate and products take their
/// limits.
#[derive(Serialize, ToSchema)]
struct GrantView {
    #[schema(value_type = String)]
    id: GrantId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    #[schema(value_type = String)]
    scenario: ScenarioId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    items: Vec<ItemView>,
    operations: BTreeSet<Operation>,
    /// Who may work under it.
    #[schema(value_type = BTreeSet<String>)]
    people: BTreeSet<PersonId>,
    from: DateTime<Utc>,
    /// Until this instant, which is no longer within.
    to: DateTime<Utc>,
    /// The least number of persons behind a figure.
    least_persons: u32,
    /// The least number of enterprises behind a figure.
    least_enterprises: u32,
    /// Where it stands: `active`, `suspended` or `ended`.
    status: String,
}

impl From<(GrantId, Grant)> for GrantView {
    fn from((id, grant): (GrantId, Grant)) -> Self {
        let terms = grant.terms;
        let item = |item: shuyu_enclave::Item| ItemView {
            resource: item.resource,
            table: item.table,
            columns: serde_json::to_value(&item.columns).unwrap_or_default(),
            subject_key: item.subject_key,
            barrier: serde_json::to_value(&item.barrier).unwrap_or_default(),
        };
        Self {
            id,
            agreement: terms.agreement,
            scenario: terms.scenario,
            operator: terms.operator,
            items: terms.items.into_iter().map(item).collect(),
            operations: terms.operations.into_iter().map(Into::into).collect(),
            people: terms.people,
            from: terms.from,
            to: terms.to,
            least_persons: grant.thresholds.persons,
            least_enterprises: grant.thresholds.enterprises,
            status: grant.status.name().to_owned(),
        }
    }
}

/// A session.
#[derive(Serialize, ToSchema)]
struct SessionView {
    #[schema(value_type = String)]
    id: SessionId,
    #[schema(value_type = String)]
    person: PersonId,
    #[schema(value_type = String)]
    grant: GrantId,
    opened_at: DateTime<Utc>,
    /// Why it was closed; absent: it is open.
    closed: Option<String>,
}

impl From<(SessionId, Session)> for SessionView {
    fn from((id, session): (SessionId, Session)) -> Self {
        Self {
            id,
            person: session.person,
            grant: session.grant,
            opened_at: session.opened_at,
            closed: session.closed,
        }
    }
}

reads!(
    Grant as GrantView, tag = "domain",
    list_grants: "/grants" "listGrants" "List the grants that the caller may see.",
    read_grant: "/grants/{id}" "readGrant" "Read a grant.",
);
reads!(
    Session as SessionView, tag = "domain",
    list_sessions: "/sessions" "listSessions" "List the sessions that the caller may see.",
    read_session: "/sessions/{id}" "readSession" "Read a session.",
);
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionBody {
    operation: Operation,
}

/// Open a session of the caller under a grant.
#[utoipa::path(
    post, path = "/grants/{id}/sessions", operation_id = "openSession", tag = "domain",
    params(("id" = String, Path)), request_body = SessionBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn open_session(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
    Json(body): Json<SessionBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let session = app.open_session(&actor, id, body.operation.into()).await?;
    Ok((StatusCode::CREATED, Json(Made { id: session.to_string() })))
}

/// Close a session.
#[utoipa::path(
    post, path = "/sessions/{id}/close", operation_id = "closeSession", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn close_session(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, Problem> {
    app.close_session(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A granted column, and what it may do.
#[derive(Serialize, ToSchema)]
struct ColumnView {
    table: String,
    column: String,
    /// What it may do: `dimension`, `measure`, `join` or `blocked`, with its codes, bands or
    /// bounds.
    #[schema(value_type = Object)]
    label: Value,
    /// Why.
    why: Vec<ReasonView>,
}

/// Why a column has its label.
#[derive(Serialize, ToSchema)]
struct ReasonView {
    /// From what it follows: `classification`, `level`, `grant` or `pack`.
    #[schema(value_type = String)]
    by: Basis,
    /// What follows.
    what: String,
}

impl From<Column> for ColumnView {
    fn from(column: Column) -> Self {
        let view = |it: shuyu_enclave::Reason| ReasonView { by: it.by, what: it.what };
        Self {
            table: column.table,
            column: column.column,
            label: serde_json::to_value(&column.label).unwrap_or_default(),
            why: column.why.into_iter().map(view).collect(),
        }
    }
}

/// The granted columns of a session. Nothing else has a name in it.
#[utoipa::path(
    get, path = "/sessions/{id}/columns", operation_id = "listColumns", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<ColumnView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn columns(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
) -> Result<Json<Vec<ColumnView>>, Problem> {
    let columns = app.enclave().columns(&actor, id).await?;
    Ok(Json(columns.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfTable {
    /// The table.
    table: String,
}

/// A desensitised sample.
#[derive(Serialize, ToSchema)]
struct SampleView {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// How each column was desensitised.
    treatment: Vec<String>,
    /// How far the sample is from the data, by column and by two columns: total variation,
    /// Kolmogorov and Smirnov's and Wasserstein's distance, association. 0 is alike.
    #[schema(value_type = Object)]
    distances: Value,
}

impl From<Sample> for SampleView {
    fn from(sample: Sample) -> Self {
        Self {
            columns: sample.columns,
            rows: sample.rows,
            treatment: sample.treatment,
            distances: serde_json::to_value(&sample.distances).unwrap_or_default(),
        }
    }
}

/// A desensitised sample of a granted table, to develop against.
#[utoipa::path(
    get, path = "/sessions/{id}/sample", operation_id = "readSample", tag = "domain",
    params(("id" = String, Path), OfTable),
    responses(
        (status = 200, body = SampleView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn sample(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
    Query(of): Query<OfTable>,
) -> Result<Json<SampleView>, Problem> {
    Ok(Json(app.sample(&actor, id, &of.table).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuestionBody {
    /// The question, in SQL over the granted tables.
    sql: String,
}

/// An answer: only cells that enough subjects stand behind.
#[derive(Serialize, ToSchema)]
struct SheetView {
    columns: Vec<String>,
    /// The rows; an absent value is null.
    rows: Vec<Vec<Option<String>>>,
    /// How many declared cells are not shown.
    withheld: Option<u64>,
}

impl From<Sheet> for SheetView {
    fn from(sheet: Sheet) -> Self {
        Self { columns: sheet.columns, rows: sheet.rows, withheld: sheet.withheld }
    }
}

/// Ask an aggregate question of the closed class, to be answered at once.
#[utoipa::path(
    post, path = "/sessions/{id}/ask", operation_id = "ask", tag = "domain",
    params(("id" = String, Path)), request_body = QuestionBody,
    responses(
        (status = 200, body = SheetView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn ask(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
    Json(body): Json<QuestionBody>,
) -> Result<Json<SheetView>, Problem> {
    Ok(Json(app.ask(&actor, id, &body.sql).await?.into()))
}

/// What a question would come to.
#[derive(Serialize, ToSchema)]
struct ExplanationView {
    /// Whether it would be answered at once.
    is_answered: bool,
    /// Whether it could run as a job.
    runs_as_job: bool,
    /// The rule by which it would not be answered.
    rule: Option<String>,
    /// Why not, and what would pass.
    why: Option<String>,
    /// The same of both ways, with the column, its way through the plan, and what would pass.
    refused: RefusedView,
    /// The granted columns.
    columns: Vec<ColumnView>,
    /// What is inferred at each node of the plan, from the scans upwards, as far as it is
    /// understood.
    derivation: Vec<StepView>,
}

/// Why a query would be refused, each way.
#[derive(Serialize, ToSchema)]
struct RefusedView {
    /// When asked.
    ask: Option<ToldView>,
    /// As a job.
    job: Option<ToldView>,
}

/// Why a query would be refused.
#[derive(Serialize, ToSchema)]
struct ToldView {
    /// The rule.
    rule: String,
    /// What is wrong, and what would pass.
    detail: String,
    /// The column that it is about, as `table.column`.
    column: Option<String>,
    /// The nodes of the plan on the column's way, from where it is read to where it may not be.
    path: Vec<String>,
    /// What would pass instead.
    passes: Option<String>,
}

impl From<Told> for ToldView {
    fn from(Told { rule, detail, cause }: Told) -> Self {
        Self { rule, detail, column: cause.column, path: cause.path, passes: cause.passes }
    }
}

/// What is inferred at a node of a plan.
#[derive(Serialize, ToSchema)]
struct StepView {
    /// What the node does.
    node: String,
    /// What it hands on.
    columns: Vec<DerivedView>,
    /// The tables whose raw rows can still be told apart in what it hands on.
    protected: Vec<String>,
}

/// What is inferred of a column that a node hands on.
#[derive(Serialize, ToSchema)]
struct DerivedView {
    /// How it is called.
    name: String,
    /// What may be done with it: `free`, `dimension`, `measure` or `identity`.
    role: String,
    /// The granted columns in it, as `table.column`.
    from: Vec<String>,
}

impl From<Step> for StepView {
    fn from(Step { node, columns, protected }: Step) -> Self {
        let view = |Derived { name, role, from }: Derived| DerivedView { name, role, from };
        Self { node, columns: columns.into_iter().map(view).collect(), protected }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        let of_ask = explanation.objection.as_ref();
        Self {
            is_answered: explanation.is_answered,
            runs_as_job: explanation.runs_as_job,
            rule: of_ask.map(|told| told.rule.clone()),
            why: of_ask.map(|told| told.detail.clone()),
            refused: RefusedView {
                ask: explanation.objection.map(Into::into),
                job: explanation.job_objection.map(Into::into),
            },
            columns: explanation.columns.into_iter().map(Into::into).collect(),
            derivation: explanation.derivation.into_iter().map(Into::into).collect(),
        }
    }
}

/// Say what a question would come to, without touching data.
#[utoipa::path(
    post, path = "/sessions/{id}/explain", operation_id = "explainQuestion", tag = "domain",
    params(("id" = String, Path)), request_body = QuestionBody,
    responses(
        (status = 200, body = ExplanationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn explain(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<SessionId>,
    Json(body): Json<QuestionBody>,
) -> Result<Json<ExplanationView>, Problem> {
    Ok(Json(app.explain(&actor, id, &body.sql).await?.into()))
}

/// Stop the use of a grant for a time. What runs under it stops at once.
#[utoipa::path(
    post, path = "/grants/{id}/suspend", operation_id = "suspendGrant", tag = "domain",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = GrantView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn suspend_grant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
    Json(body): Json<Reason>,
) -> Result<Json<GrantView>, Problem> {
    Ok(Json((id, app.suspend_grant(&actor, id, &body.reason).await?).into()))
}

/// Let a grant be used again that was suspended.
#[utoipa::path(
    post, path = "/grants/{id}/restore", operation_id = "restoreGrant", tag = "domain",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = GrantView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn restore_grant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
) -> Result<Json<GrantView>, Problem> {
    Ok(Json((id, app.restore_grant(&actor, id).await?).into()))
}

/// Stop the use of a grant for good. What runs under it stops at once.
#[utoipa::path(
    post, path = "/grants/{id}/end", operation_id = "endGrant", tag = "domain",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = GrantView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn end_grant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<GrantId>,
    Json(body): Json<Reason>,
) -> Result<Json<GrantView>, Problem> {
    Ok(Json((id, app.end_grant(&actor, id, &body.reason).await?).into()))
}
