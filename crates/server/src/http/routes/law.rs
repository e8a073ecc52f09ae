//! The law in force: what the city's pack says, and how far each clause is kept. Public.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_law::{ClauseId, CoverageFilter, Proof};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Json, Path, Query},
        problem::Words,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(law))
        .routes(routes!(procedure))
        .routes(routes!(clauses))
        .routes(routes!(clause))
}

/// A figure, list or choice of the pack.
#[derive(Serialize, ToSchema)]
struct ParameterView {
    #[schema(value_type = Object)]
    value: Value,
    /// The article that sets it.
    article: String,
}

/// The law in force.
#[derive(Serialize, ToSchema)]
struct LawView {
    /// The city, by the id of its pack.
    city: String,
    /// What the regulation is called.
    title: Words,
    /// The version of the pack, a digest of its files.
    version: String,
    /// The city's names of roles and things.
    terms: BTreeMap<String, Words>,
    /// Which role holds which: `self`, or another.
    roles: BTreeMap<String, String>,
    /// The procedures, with their titles.
    procedures: BTreeMap<String, Words>,
    parameters: BTreeMap<String, ParameterView>,
}

/// Read the law in force: terms, roles, procedures, parameters.
#[utoipa::path(
    get, path = "/law", operation_id = "readLaw", tag = "public", security(()),
    responses((status = 200, body = LawView)),
)]
async fn law(State(app): State<App>) -> Json<LawView> {
    let law = app.law();
    let parameter = |parameter: &shuyu_law::Parameter| ParameterView {
        value: parameter.value.clone(),
        article: parameter.article.clone(),
    };
    Json(LawView {
        city: law.city.clone(),
        title: law.regulation.title.clone().into(),
        version: law.version.0.clone(),
        terms: law.terms.iter().map(|(id, term)| (id.clone(), term.clone().into())).collect(),
        roles: law.roles.iter().map(|(role, holder)| (role.clone(), holder.clone())).collect(),
        procedures: law
            .procedures
            .iter()
            .map(|(id, procedure)| (id.clone(), procedure.title.clone().into()))
            .collect(),
        parameters: law.parameters.iter().map(|(id, it)| (id.clone(), parameter(it))).collect(),
    })
}

/// Read a procedure: its stages, actors, forms, documents, outcomes, deadlines, clauses.
#[utoipa::path(
    get, path = "/law/procedures/{id}", operation_id = "readProcedure", tag = "public",
    security(()), params(("id" = String, Path)),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn procedure(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let procedure = app.law().procedure(&id);
    let procedure = procedure.ok_or_else(|| Problem::not_found(format!("procedure `{id}`")))?;
    Ok(Json(serde_json::to_value(procedure).unwrap_or_default()))
}

/// A clause, and how far the platform keeps it.
#[derive(Serialize, ToSchema)]
struct ClauseView {
    id: String,
    article: String,
    summary: Words,
    /// `proved`, `bound` or `open`.
    proof: String,
    /// Where it is open: why.
    reason: Option<String>,
}

/// List the clauses of the city and of the platform, and how far each is kept.
#[utoipa::path(
    get, path = "/law/clauses", operation_id = "listClauses", tag = "public", security(()),
    responses((status = 200, body = Vec<ClauseView>)),
)]
async fn clauses(State(app): State<App>) -> Json<Vec<ClauseView>> {
    let law = app.law();
    let coverage = law.coverage(&CoverageFilter::default());
    let known: BTreeMap<&ClauseId, &shuyu_law::Clause> =
        law.clauses.iter().map(|clause| (&clause.id, clause)).collect();
    let view = coverage.clauses.into_iter().filter_map(|covered| {
        let clause = known.get(&covered.id)?;
        Some(ClauseView {
            id: covered.id.to_string(),
            article: clause.article.clone(),
            summary: clause.summary.clone().into(),
            proof: match covered.proof {
                Proof::Proved => "proved",
                Proof::Bound => "bound",
                Proof::Open => "open",
            }
            .to_owned(),
            reason: covered.reason,
        })
    });
    Json(view.collect())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OfClause {
    /// Its id, `<pack>/<article>…`.
    id: String,
}

/// Explain a clause: what it says, by which figures, what enforces it and which test proves it.
#[utoipa::path(
    get, path = "/law/clause", operation_id = "explainClause", tag = "public", security(()),
    params(OfClause),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn clause(
    State(app): State<App>,
    Query(of): Query<OfClause>,
) -> Result<Json<Value>, Problem> {
    let explained = app.law().explain(&ClauseId::new(&of.id));
    let explained = explained.ok_or_else(|| Problem::not_found(format!("clause `{}`", of.id)))?;
    Ok(Json(serde_json::to_value(explained).unwrap_or_default()))
}
