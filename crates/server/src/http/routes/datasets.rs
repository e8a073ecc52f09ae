//! Datasets: where the data of a resource stand, and sealing them.

use axum::extract::State;
use serde::Serialize;
use shuyu_kernel::{AgreementId, DatasetId, OrganisationId, ResourceId};
use shuyu_store::Entity as _;
use shuyu_vault::{Dataset, DatasetCommand};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::Reason;
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
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(seal))
        .routes(routes!(unseal))
}

/// A dataset. Nothing of what it holds is among what is read.
#[derive(Serialize, ToSchema)]
struct DatasetView {
    #[schema(value_type = String)]
    id: DatasetId,
    /// The resource that it supplies.
    #[schema(value_type = String)]
    resource: ResourceId,
    /// Whose it is.
    #[schema(value_type = String)]
    owner: OrganisationId,
    /// The agreement for whose domain it is a copy or a result; absent: the original.
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
    /// What queries call its table.
    name: String,
    /// How many versions it has.
    versions: usize,
    /// Where it stands: `open`, `sealed`, `destruction_ordered` or `destroyed`.
    status: String,
}

impl From<(DatasetId, Dataset)> for DatasetView {
    fn from((id, dataset): (DatasetId, Dataset)) -> Self {
        Self {
            id,
            status: dataset.keys().status,
            resource: dataset.resource,
            owner: dataset.owner,
            agreement: dataset.agreement,
            name: dataset.name,
            versions: dataset.versions.len(),
        }
    }
}

reads!(
    Dataset as DatasetView, tag = "catalogue",
    list: "/datasets" "listDatasets" "List the datasets that the caller may see.",
    read: "/datasets/{id}" "readDataset" "Read where a dataset stands.",
);

/// Seal a dataset: no delivery is added to it any more.
#[utoipa::path(
    post, path = "/datasets/{id}/seal", operation_id = "sealDataset", tag = "catalogue",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = DatasetView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn seal(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DatasetId>,
    Json(body): Json<Reason>,
) -> Result<Json<DatasetView>, Problem> {
    let command = DatasetCommand::Seal { reason: body.reason };
    Ok(Json((id, app.change_dataset(&actor, id, command).await?).into()))
}

/// Let deliveries be added again to a dataset that was sealed.
#[utoipa::path(
    post, path = "/datasets/{id}/unseal", operation_id = "unsealDataset", tag = "catalogue",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = DatasetView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn unseal(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<DatasetId>,
    Json(body): Json<Reason>,
) -> Result<Json<DatasetView>, Problem> {
    let command = DatasetCommand::Unseal { reason: body.reason };
    Ok(Json((id, app.change_dataset(&actor, id, command).await?).into()))
}
