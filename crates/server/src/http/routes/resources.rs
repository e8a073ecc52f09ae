//! Resources in the catalogue, and the deliveries of their data.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_catalogue::{Resource, resource};
use shuyu_kernel::{ContentHash, DatasetId, OrganisationId, ResourceId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::{Made, Reason};
use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
        upload::Upload,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(deliver))
        // A delivery is read piece by piece: it has no largest size.
        .layer(DefaultBodyLimit::disable())
        .routes(routes!(list, register))
        .routes(routes!(read, amend))
        .routes(routes!(submit))
        .routes(routes!(retire))
        .routes(routes!(profile))
        .routes(routes!(quarantine))
}

/// What a field is for.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FieldRole {
    /// Tells one subject from another.
    Identifier,
    /// Groups subjects.
    Dimension,
    /// Is counted, summed and averaged.
    Measure,
    /// Free text.
    Text,
}

/// Whom data is about.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SubjectKind {
    /// Natural persons.
    NaturalPerson,
    /// Legal persons and other organisations with a social credit code.
    LegalPerson,
    /// Organisations that are no legal person.
    UnincorporatedOrganisation,
    /// Places and things.
    Object,
}

/// Whom data is about, and the field that tells them apart.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Subject {
    kind: SubjectKind,
    /// The field.
    key: String,
}

/// A field of a resource.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    /// Its name in the data.
    name: String,
    /// What it means.
    meaning: String,
    /// Its type, such as `text`, `integer`, `date`, `resident_id`.
    kind: String,
    role: FieldRole,
    /// Its classification, such as `personal` or `sensitive`.
    #[serde(default)]
    classification: String,
    /// Whether a row without it is refused.
    #[serde(default)]
    required: bool,
}

/// What a resource is.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Description {
    /// Its name, one of its provider; queries call its table so.
    name: String,
    /// What people call it.
    title: String,
    fields: Vec<Field>,
    /// Whom its data are about; absent: nobody.
    #[serde(default)]
    subject: Option<Subject>,
    /// How sensitive it is, 1 to 4 where the city sets no levels of its own.
    level: u8,
    /// How it is shared among agencies, by an id of the pack.
    #[serde(default)]
    sharing_class: Option<String>,
    /// How it is opened to the public, by an id of the pack.
    #[serde(default)]
    opening_class: Option<String>,
    /// Why it is not shared, by an id of the pack.
    #[serde(default)]
    not_shared_basis: Option<String>,
    /// How often it is updated.
    update_cycle: String,
    /// The system that it comes from.
    source_system: String,
    /// Where the data came from, if not from the provider, by an id of the pack.
    #[serde(default)]
    origin: Option<String>,
    /// The kinds of data that the law keeps out which it contains, as its provider declares.
    #[serde(default)]
    excluded: BTreeSet<String>,
}

impl From<FieldRole> for resource::FieldRole {
    fn from(role: FieldRole) -> Self {
        match role {
            FieldRole::Identifier => Self::Identifier,
            FieldRole::Dimension => Self::Dimension,
            FieldRole::Measure => Self::Measure,
            FieldRole::Text => Self::Text,
        }
    }
}

impl From<resource::FieldRole> for FieldRole {
    fn from(role: resource::FieldRole) -> Self {
        match role {
            resource::FieldRole::Identifier => Self::Identifier,
            resource::FieldRole::Dimension => Self::Dimension,
            resource::FieldRole::Measure => Self::Measure,
            resource::FieldRole::Text => Self::Text,
        }
    }
}

impl From<SubjectKind> for resource::SubjectKind {
    fn from(kind: SubjectKind) -> Self {
        match kind {
            SubjectKind::NaturalPerson => Self::NaturalPerson,
            SubjectKind::LegalPerson => Self::LegalPerson,
            SubjectKind::UnincorporatedOrganisation => Self::UnincorporatedOrganisation,
            SubjectKind::Object => Self::Object,
        }
    }
}

impl From<resource::SubjectKind> for SubjectKind {
    fn from(kind: resource::SubjectKind) -> Self {
        match kind {
            resource::SubjectKind::NaturalPerson => Self::NaturalPerson,
            resource::SubjectKind::LegalPerson => Self::LegalPerson,
            resource::SubjectKind::UnincorporatedOrganisation => Self::UnincorporatedOrganisation,
            resource::SubjectKind::Object => Self::Object,
        }
    }
}

impl From<Description> for resource::Description {
    fn from(body: Description) -> Self {
        let field = |field: Field| resource::Field {
            name: field.name,
            meaning: field.meaning,
            kind: field.kind,
            role: field.role.into(),
            classification: field.classification,
            required: field.required,
        };
        Self {
            name: body.name,
            title: body.title,
            fields: body.fields.into_iter().map(field).collect(),
            subject: body
                .subject
                .map(|subject| resource::Subject { kind: subject.kind.into(), key: subject.key }),
            level: body.level,
            sharing_class: body.sharing_class,
            opening_class: body.opening_class,
            not_shared_basis: body.not_shared_basis,
            update_cycle: body.update_cycle,
            source_system: body.source_system,
            origin: body.origin,
            excluded: body.excluded,
        }
    }
}

impl From<resource::Description> for Description {
    fn from(known: resource::Description) -> Self {
        let field = |field: resource::Field| Field {
            name: field.name,
            meaning: field.meaning,
            kind: field.kind,
            role: field.role.into(),
            classification: field.classification,
            required: field.required,
        };
        Self {
            name: known.name,
            title: known.title,
            fields: known.fields.into_iter().map(field).collect(),
            subject: known
                .subject
                .map(|subject| Subject { kind: subject.kind.into(), key: subject.key }),
            level: known.level,
            sharing_class: known.sharing_class,
            opening_class: known.opening_class,
            not_shared_basis: known.not_shared_basis,
            update_cycle: known.update_cycle,
            source_system: known.source_system,
            origin: known.origin,
            excluded: known.excluded,
        }
    }
}

/// A resource.
#[derive(Serialize, ToSchema)]
struct ResourceView {
    #[schema(value_type = String)]
    id: ResourceId,
    /// Whose it is.
    #[schema(value_type = String)]
    provider: OrganisationId,
    /// What it is, as last described.
    description: Description,
    /// What it is, as published; what others may rest on.
    published: Option<Description>,
    /// Its data, once there are any.
    #[schema(value_type = Option<String>)]
    dataset: Option<DatasetId>,
    /// Where it stands: `draft`, `submitted`, `returned`, `published`, `changed` or `retired`.
    status: String,
    /// The digest of the description that a review binds to.
    #[schema(value_type = String)]
    content: ContentHash,
}

impl From<(ResourceId, Resource)> for ResourceView {
    fn from((id, resource): (ResourceId, Resource)) -> Self {
        Self {
            id,
            provider: resource.provider,
            content: resource.description.content(),
            description: resource.description.into(),
            published: resource.published.map(Into::into),
            dataset: resource.dataset,
            status: resource.status.name().to_owned(),
        }
    }
}

reads!(
    Resource as ResourceView, tag = "catalogue",
    list: "/resources" "listResources" "List the resources that the caller may see.",
    read: "/resources/{id}" "readResource" "Read a resource.",
);

/// Register a resource of the caller's organisation, as a draft.
#[utoipa::path(
    post, path = "/resources", operation_id = "registerResource", tag = "catalogue",
    request_body = Description,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn register(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<Description>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let id = app.register_resource(&actor, body.into()).await?;
    Ok((StatusCode::CREATED, Json(Made { id: id.to_string() })))
}

/// Describe a resource anew. What is published stands until the change is reviewed.
#[utoipa::path(
    put, path = "/resources/{id}", operation_id = "amendResource", tag = "catalogue",
    params(("id" = String, Path)), request_body = Description,
    responses(
        (status = 200, body = ResourceView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn amend(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
    Json(body): Json<Description>,
) -> Result<Json<ResourceView>, Problem> {
    let command = resource::Command::Amend(Box::new(body.into()));
    Ok(Json((id, app.change_resource(&actor, id, command).await?).into()))
}

/// Put a resource before its reviewer.
#[utoipa::path(
    post, path = "/resources/{id}/submit", operation_id = "submitResource", tag = "catalogue",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ResourceView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn submit(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
) -> Result<Json<ResourceView>, Problem> {
    let changed = app.change_resource(&actor, id, resource::Command::Submit).await?;
    Ok(Json((id, changed).into()))
}

/// Take a resource out of the catalogue.
#[utoipa::path(
    post, path = "/resources/{id}/retire", operation_id = "retireResource", tag = "catalogue",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = ResourceView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn retire(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
    Json(body): Json<Reason>,
) -> Result<Json<ResourceView>, Problem> {
    let command = resource::Command::Retire { reason: body.reason };
    Ok(Json((id, app.change_resource(&actor, id, command).await?).into()))
}

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
struct DeliveredView {
    #[schema(value_type = String)]
    dataset: DatasetId,
    /// The number of the version that it made.
    version: u32,
    /// Rows that are good.
    rows: u64,
    /// Rows that were set aside, with line and reason.
    quarantined: u64,
    /// What the columns look like.
    #[schema(value_type = Object)]
    profile: Value,
    /// How good the delivery is.
    #[schema(value_type = Object)]
    quality: Value,
}

/// Deliver data of a resource: the body is the file (CSV in any encoding, delimiter and record
/// end). The good rows become a new version, all at once; the bad ones are set aside.
#[utoipa::path(
    post, path = "/resources/{id}/deliveries", operation_id = "deliverData", tag = "catalogue",
    params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "text/csv"),
    responses(
        (status = 201, body = DeliveredView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn deliver(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
    body: Body,
) -> Result<(StatusCode, Json<DeliveredView>), Problem> {
    let delivered = app.deliver(&actor, id, Upload::receive(body)).await?;
    let view = DeliveredView {
        dataset: delivered.dataset,
        version: delivered.version,
        rows: delivered.rows,
        quarantined: delivered.quarantined,
        profile: serde_json::to_value(&delivered.profile).unwrap_or_default(),
        quality: serde_json::to_value(&delivered.quality).unwrap_or_default(),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// The profile and the quality report of the current version. For its provider.
#[utoipa::path(
    get, path = "/resources/{id}/profile", operation_id = "readProfile", tag = "catalogue",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Object),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn profile(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(app.profile(&actor, id).await?))
}

/// The rows that were set aside, as CSV: line, column, reason, text. For its provider alone.
#[utoipa::path(
    get, path = "/resources/{id}/quarantine", operation_id = "readQuarantine", tag = "catalogue",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "text/csv"),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn quarantine(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ResourceId>,
) -> Result<impl IntoResponse, Problem> {
    let bytes = app.quarantine(&actor, id).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], bytes))
}
