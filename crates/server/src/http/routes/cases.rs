//! Cases: opened, acted in, objected to, taken back; and what waits for the caller.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_casework::{
    Act as Acted, Objection,
    view::{StageView, View},
};
use shuyu_kernel::{AgreementId, CaseId, ContentHash, OrganisationId, PersonId};
use shuyu_law::ClauseId;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::Reason;
use crate::{
    app::{Act, App},
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path, Query},
        page::{Listing, Page},
        problem::Words,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, open))
        .routes(routes!(read))
        .routes(routes!(tasks))
        .routes(routes!(act))
        .routes(routes!(object))
        .routes(routes!(answer))
        .routes(routes!(erase_objections))
        .routes(routes!(withdraw))
}

/// A case, as the caller sees it.
#[derive(Serialize, ToSchema)]
struct CaseView {
    #[schema(value_type = String)]
    id: CaseId,
    /// Its procedure.
    procedure: String,
    /// What people call the procedure.
    procedure_title: Words,
    /// What people call the case.
    title: String,
    /// The digest of all that it holds. An act names it, so that nobody approves what they have
    /// not read.
    #[schema(value_type = String)]
    content: ContentHash,
    /// The stage that it is in; absent: it has ended.
    stage: Option<Stage>,
    /// The end that it came to.
    end: Option<String>,
    /// What was done, in order.
    acts: Vec<ActView>,
    /// The objections, in order.
    objections: Vec<ObjectionView>,
}

/// What is to be done in a stage.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, by its name")]
struct Stage {
    /// Its name in the procedure.
    id: String,
    title: Words,
    /// The roles that may act.
    actors: Vec<String>,
    /// Whether each of them must.
    every: bool,
    /// How many different persons must agree.
    persons: usize,
    /// What is to be filled in: a JSON Schema.
    #[schema(value_type = Option<Object>)]
    form: Option<Value>,
    /// The documents to attach.
    documents: Vec<DocumentAsked>,
    /// What may come of it.
    outcomes: Vec<OutcomeView>,
    /// By when it must be done.
    due_at: Option<DateTime<Utc>>,
    /// Before when it does not end well.
    not_before: Option<DateTime<Utc>>,
    /// Whether its time has passed.
    overdue: bool,
    /// Whether objections may be made now.
    objections: bool,
    /// The clauses that it rests on.
    #[schema(value_type = Vec<String>)]
    clauses: Vec<ClauseId>,
    /// Whether the caller may act now.
    may_act: bool,
}

#[derive(Serialize, ToSchema)]
struct DocumentAsked {
    id: String,
    /// Its title, where the stage gives one.
    title: Option<Words>,
}

#[derive(Serialize, ToSchema)]
struct OutcomeView {
    id: String,
    title: Words,
    /// Whether it says no; then a reason must be given.
    negative: bool,
}

/// What somebody did in a stage.
#[derive(Serialize, ToSchema)]
struct ActView {
    stage: String,
    outcome: String,
    #[schema(value_type = String)]
    person: PersonId,
    #[schema(value_type = String)]
    organisation: OrganisationId,
    role: String,
    /// What they filled in.
    #[schema(value_type = Option<Object>)]
    form: Option<Value>,
    /// What they attached: the hash of each document.
    #[schema(value_type = BTreeMap<String, String>)]
    documents: BTreeMap<String, ContentHash>,
    reason: Option<String>,
    at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
struct ObjectionView {
    /// Its number in the case, from 1.
    number: u32,
    stage: String,
    text: String,
    at: DateTime<Utc>,
    answer: Option<String>,
}

impl From<View> for CaseView {
    fn from(view: View) -> Self {
        Self {
            id: view.id,
            procedure: view.procedure,
            procedure_title: view.procedure_title.into(),
            title: view.title,
            content: view.content,
            stage: view.stage.map(Into::into),
            end: view.end,
            acts: view.acts.into_iter().map(Into::into).collect(),
            objections: view.objections.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<StageView> for Stage {
    fn from(stage: StageView) -> Self {
        let titles = stage.document_titles;
        let asked = |id: String| {
            let title = titles.iter().find(|document| document.id == id);
            DocumentAsked { title: title.map(|document| document.title.clone().into()), id }
        };
        Self {
            id: stage.id,
            title: stage.title.into(),
            actors: stage.actors,
            every: stage.every,
            persons: stage.persons,
            form: stage.form,
            documents: stage.documents.into_iter().map(asked).collect(),
            outcomes: stage
                .outcomes
                .into_iter()
                .map(|(id, title, negative)| OutcomeView { id, title: title.into(), negative })
                .collect(),
            due_at: stage.due_at,
            not_before: stage.not_before,
            overdue: stage.overdue,
            objections: stage.objections,
            clauses: stage.clauses,
            may_act: stage.may_act,
        }
    }
}

impl From<Acted> for ActView {
    fn from(act: Acted) -> Self {
        Self {
            stage: act.stage,
            outcome: act.outcome,
            person: act.person,
            organisation: act.organisation,
            role: act.role,
            form: act.form,
            documents: act.documents,
            reason: act.reason,
            at: act.at,
        }
    }
}

impl From<Objection> for ObjectionView {
    fn from(objection: Objection) -> Self {
        Self {
            number: objection.number,
            stage: objection.stage,
            text: objection.text,
            at: objection.at,
            answer: objection.answer,
        }
    }
}

/// List the cases that concern the caller.
#[utoipa::path(
    get, path = "/cases", operation_id = "listCases", tag = "cases", params(Listing),
    responses(
        (status = 200, body = Page<CaseView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn list(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<CaseView>>, Problem> {
    let filter = listing.filter();
    let found = app.cases(&actor, &filter).await?;
    let last = found.last().map(|view| view.id.to_string());
    let items = found.into_iter().map(Into::into).collect();
    Ok(Json(Page::new(items, &filter, last)))
}

/// Read a case: its stage, who may act, what to fill in and attach, by when.
#[utoipa::path(
    get, path = "/cases/{id}", operation_id = "readCase", tag = "cases",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = CaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn read(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<CaseId>,
) -> Result<Json<CaseView>, Problem> {
    Ok(Json(app.case(&actor, id).await?.into()))
}

/// List the cases in which the caller may act now.
#[utoipa::path(
    get, path = "/me/cases", operation_id = "listMyCases", tag = "cases",
    responses(
        (status = 200, body = Vec<CaseView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn tasks(
    State(app): State<App>,
    Caller(actor): Caller,
) -> Result<Json<Vec<CaseView>>, Problem> {
    Ok(Json(app.tasks_of(&actor).await?.into_iter().map(Into::into).collect()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OpenBody {
    /// The procedure, by its id in the pack.
    procedure: String,
    /// What people are to call the case.
    title: String,
    /// What it is about, by id: a resource, a product.
    subject: Option<String>,
    /// The agreement that it belongs to.
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
}

/// Open a case of a procedure.
#[utoipa::path(
    post, path = "/cases", operation_id = "openCase", tag = "cases", request_body = OpenBody,
    responses(
        (status = 201, body = CaseView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn open(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<OpenBody>,
) -> Result<(StatusCode, Json<CaseView>), Problem> {
    let view =
        app.open_case(&actor, &body.procedure, &body.title, body.subject, body.agreement).await?;
    Ok((StatusCode::CREATED, Json(view.into())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ActBody {
    /// The stage, so that an act is never taken for one in another stage.
    stage: String,
    /// The outcome that the caller gives their voice to.
    outcome: String,
    /// In which role, where the caller holds several of the stage's.
    role: Option<String>,
    /// What they fill in, as the stage's form asks.
    #[schema(value_type = Option<Object>)]
    form: Option<Value>,
    /// What they attach: for each document its hash, as `POST /documents` gave it.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    documents: BTreeMap<String, ContentHash>,
    /// Why; must be given with an outcome that says no.
    reason: Option<String>,
    /// The `content` of the case that they read.
    #[schema(value_type = String)]
    read: ContentHash,
}

#[derive(Serialize, ToSchema)]
struct ActedView {
    case: CaseView,
    /// The clauses on which the act rests.
    #[schema(value_type = Vec<String>)]
    clauses: Vec<ClauseId>,
}

/// Act in the stage that a case is in. What follows from an outcome that stands happens at once.
#[utoipa::path(
    post, path = "/cases/{id}/acts", operation_id = "actInCase", tag = "cases",
    params(("id" = String, Path)), request_body = ActBody,
    responses(
        (status = 200, body = ActedView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn act(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<CaseId>,
    Json(body): Json<ActBody>,
) -> Result<Json<ActedView>, Problem> {
    let act = Act {
        stage: body.stage,
        outcome: body.outcome,
        role: body.role,
        form: body.form,
        documents: body.documents,
        reason: body.reason,
        read: body.read,
    };
    let (case, clauses) = app.act_in_case(&actor, id, act).await?;
    Ok(Json(ActedView { case: case.into(), clauses }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Objecting {
    /// In one's own words.
    text: String,
}

/// Object to a case whose stage gives time for it.
#[utoipa::path(
    post, path = "/cases/{id}/objections", operation_id = "objectToCase", tag = "cases",
    params(("id" = String, Path)), request_body = Objecting,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn object(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<CaseId>,
    Json(body): Json<Objecting>,
) -> Result<StatusCode, Problem> {
    app.object(&actor, id, &body.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Answering {
    /// In one's own words.
    answer: String,
}

/// Answer an objection.
#[utoipa::path(
    post, path = "/cases/{id}/objections/{number}/answer", operation_id = "answerObjection",
    tag = "cases", params(("id" = String, Path), ("number" = u32, Path)), request_body = Answering,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn answer(
    State(app): State<App>,
    Caller(actor): Caller,
    Path((id, number)): Path<(CaseId, u32)>,
    Json(body): Json<Answering>,
) -> Result<StatusCode, Problem> {
    app.answer(&actor, id, number, &body.answer).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a case back.
#[utoipa::path(
    post, path = "/cases/{id}/withdraw", operation_id = "withdrawCase", tag = "cases",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn withdraw(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<CaseId>,
    Json(body): Json<Reason>,
) -> Result<StatusCode, Problem> {
    app.withdraw(&actor, id, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Erase the words of the objections in a case that has ended. That they were raised, and what
/// was answered, stays.
#[utoipa::path(
    post, path = "/cases/{id}/objections/erase", operation_id = "eraseObjections", tag = "cases",
    params(("id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn erase_objections(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<CaseId>,
) -> Result<StatusCode, Problem> {
    app.erase_objections(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
