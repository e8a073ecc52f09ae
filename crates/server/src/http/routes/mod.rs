//! The operations, one file for each subject.

mod agreements;
mod cases;
mod consents;
mod datasets;
mod documents;
mod domain;
mod evaluations;
mod invoices;
mod jobs;
mod law;
mod ledger;
mod oversight;
mod people;
mod products;
mod releases;
mod resources;
mod sign_in;
mod subscriptions;
mod tasks;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every operation, under `/api/v1`.
pub(super) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(sign_in::routes())
        .merge(law::routes())
        .merge(people::routes())
        .merge(cases::routes())
        .merge(documents::routes())
        .merge(resources::routes())
        .merge(datasets::routes())
        .merge(agreements::routes())
        .merge(domain::routes())
        .merge(jobs::routes())
        .merge(consents::routes())
        .merge(releases::routes())
        .merge(products::routes())
        .merge(subscriptions::routes())
        .merge(invoices::routes())
        .merge(oversight::routes())
        .merge(tasks::routes())
        .merge(evaluations::routes())
        .merge(ledger::routes())
}
