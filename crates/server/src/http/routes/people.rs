//! Organisations and the people who act for them.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shuyu_casework::{
    Organisation, Person,
    organisation::{Command, Record},
};
use shuyu_kernel::{OrganisationId, PersonId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{App, NewPerson},
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_organisations, register_organisation))
        .routes(routes!(read_organisation))
        .routes(routes!(amend_organisation))
        .routes(routes!(bind_organisation))
        .routes(routes!(close_organisation))
        .routes(routes!(list_persons, register_person))
        .routes(routes!(read_person))
        .routes(routes!(bind_person))
        .routes(routes!(close_person))
        .routes(routes!(erase_person))
}

/// What is on record of an organisation.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordBody {
    /// Its legal form, by an id of the pack's list.
    #[serde(default)]
    legal_form: String,
    /// How it is owned, such as `state_owned`.
    #[serde(default)]
    ownership: String,
    /// Its unified social credit code (GB 32100).
    #[serde(default)]
    credit_code: String,
    /// The lists that it stands on, by ids of the pack.
    #[serde(default)]
    lists: BTreeSet<String>,
    /// The day of its last security incident.
    #[serde(default)]
    last_incident: Option<NaiveDate>,
}

impl From<RecordBody> for Record {
    fn from(body: RecordBody) -> Self {
        Self {
            legal_form: body.legal_form,
            ownership: body.ownership,
            credit_code: body.credit_code,
            lists: body.lists,
            last_incident: body.last_incident,
        }
    }
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        Self {
            legal_form: record.legal_form,
            ownership: record.ownership,
            credit_code: record.credit_code,
            lists: record.lists,
            last_incident: record.last_incident,
        }
    }
}

/// An organisation.
#[derive(Serialize, ToSchema)]
struct OrganisationView {
    #[schema(value_type = String)]
    id: OrganisationId,
    /// What it is called.
    name: String,
    /// The roles that it is bound to.
    roles: BTreeSet<String>,
    record: RecordBody,
    /// Whether it takes part.
    is_open: bool,
}

impl From<(OrganisationId, Organisation)> for OrganisationView {
    fn from((id, organisation): (OrganisationId, Organisation)) -> Self {
        Self {
            id,
            name: organisation.name,
            roles: organisation.roles,
            record: organisation.record.into(),
            is_open: organisation.is_open,
        }
    }
}

/// A person. The hash of their password is never shown.
#[derive(Serialize, ToSchema)]
struct PersonView {
    #[schema(value_type = String)]
    id: PersonId,
    /// For whom they act.
    #[schema(value_type = String)]
    organisation: OrganisationId,
    /// The name that they sign in by.
    sign_in: String,
    /// Their own name; empty after erasure.
    name: String,
    /// The roles that they hold of their organisation's.
    roles: BTreeSet<String>,
    /// Whether they may sign in.
    is_open: bool,
}

impl From<(PersonId, Person)> for PersonView {
    fn from((id, person): (PersonId, Person)) -> Self {
        Self {
            id,
            organisation: person.organisation,
            sign_in: person.sign_in,
            name: person.name,
            roles: person.roles,
            is_open: person.is_open,
        }
    }
}

reads!(
    Organisation as OrganisationView, tag = "people",
    list_organisations: "/organisations" "listOrganisations" "List organisations.",
    read_organisation: "/organisations/{id}" "readOrganisation" "Read an organisation.",
);
reads!(
    Person as PersonView, tag = "people",
    list_persons: "/persons" "listPersons" "List the people whom the caller may see.",
    read_person: "/persons/{id}" "readPerson" "Read a person.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganisationBody {
    /// What it is called.
    name: String,
    /// The roles that it is bound to, by names of the pack.
    roles: BTreeSet<String>,
    record: Option<RecordBody>,
}

/// What was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// Its id.
    pub(super) id: String,
}

/// Register an organisation in its roles.
#[utoipa::path(
    post, path = "/organisations", operation_id = "registerOrganisation", tag = "people",
    request_body = OrganisationBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn register_organisation(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<OrganisationBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let record = body.record.map(Into::into).unwrap_or_default();
    let id = app.register_organisation(&actor, &body.name, body.roles, record).await?;
    Ok((StatusCode::CREATED, Json(Made { id: id.to_string() })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonBody {
    /// For whom they act.
    #[schema(value_type = String)]
    organisation: OrganisationId,
    /// The name to sign in by; unique.
    sign_in: String,
    /// Their own name.
    name: String,
    /// Their first password: at least 8 characters of four kinds.
    password: String,
    /// Their roles, among those of the organisation.
    roles: BTreeSet<String>,
}

/// Register a person of an organisation.
#[utoipa::path(
    post, path = "/persons", operation_id = "registerPerson", tag = "people",
    request_body = PersonBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn register_person(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<PersonBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let new = NewPerson {
        organisation: body.organisation,
        sign_in: body.sign_in,
        name: body.name,
        password: body.password,
        roles: body.roles,
    };
    let id = app.register_person(&actor, new).await?;
    Ok((StatusCode::CREATED, Json(Made { id: id.to_string() })))
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// In one's own words.
    pub(super) reason: String,
}

/// Close a person's account: they are out with their next request.
#[utoipa::path(
    post, path = "/persons/{id}/close", operation_id = "closePerson", tag = "people",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn close_person(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<PersonId>,
    Json(body): Json<Reason>,
) -> Result<StatusCode, Problem> {
    app.close_person(&actor, id, &body.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Correct what is on record of an organisation.
#[utoipa::path(
    put, path = "/organisations/{id}/record", operation_id = "amendOrganisation", tag = "people",
    params(("id" = String, Path)), request_body = RecordBody,
    responses(
        (status = 200, body = OrganisationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn amend_organisation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<OrganisationId>,
    Json(body): Json<RecordBody>,
) -> Result<Json<OrganisationView>, Problem> {
    let command = Command::Amend { record: body.into() };
    Ok(Json((id, app.change_organisation(&actor, id, command).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolesBody {
    /// All the roles, by names of the pack. Those that are not among them end.
    roles: BTreeSet<String>,
}

/// Bind an organisation to these roles, and no others. Its people lose those that it loses.
#[utoipa::path(
    put, path = "/organisations/{id}/roles", operation_id = "bindOrganisation", tag = "people",
    params(("id" = String, Path)), request_body = RolesBody,
    responses(
        (status = 200, body = OrganisationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn bind_organisation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<OrganisationId>,
    Json(body): Json<RolesBody>,
) -> Result<Json<OrganisationView>, Problem> {
    let command = Command::Bind { roles: body.roles };
    Ok(Json((id, app.change_organisation(&actor, id, command).await?).into()))
}

/// End an organisation's taking part: its people are in no role any more.
#[utoipa::path(
    post, path = "/organisations/{id}/close", operation_id = "closeOrganisation", tag = "people",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = OrganisationView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn close_organisation(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<OrganisationId>,
    Json(body): Json<Reason>,
) -> Result<Json<OrganisationView>, Problem> {
    let command = Command::Close { reason: body.reason };
    Ok(Json((id, app.change_organisation(&actor, id, command).await?).into()))
}

/// Give a person these roles of their organisation's, and no others.
#[utoipa::path(
    put, path = "/persons/{id}/roles", operation_id = "bindPerson", tag = "people",
    params(("id" = String, Path)), request_body = RolesBody,
    responses(
        (status = 200, body = PersonView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn bind_person(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<PersonId>,
    Json(body): Json<RolesBody>,
) -> Result<Json<PersonView>, Problem> {
    Ok(Json((id, app.bind_person(&actor, id, body.roles).await?).into()))
}

/// Erase the personal data of a person whose account is closed. What they did stays on record
/// under their id, and every proof still verifies.
#[utoipa::path(
    post, path = "/persons/{id}/erase", operation_id = "erasePerson", tag = "people",
    params(("id" = String, Path)),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn erase_person(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<PersonId>,
) -> Result<StatusCode, Problem> {
    app.erase_person(&actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
