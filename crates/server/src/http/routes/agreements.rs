//! Agreements, the scenarios and instruments under them, cutting them off, sharing proceeds.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_casework::{Agreement, Instrument, InstrumentId, Scenario};
use shuyu_kernel::{AgreementId, CaseId, ContentHash, OrganisationId, ResourceId, ScenarioId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    invoices::SettlementView,
    people::{Made, Reason},
};
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
        .routes(routes!(cut))
        .routes(routes!(settle))
        .routes(routes!(certificates))
        .routes(routes!(list_scenarios))
        .routes(routes!(read_scenario))
        .routes(routes!(close_scenario))
        .routes(routes!(list_instruments))
        .routes(routes!(read_instrument))
}

/// A share of the proceeds.
#[derive(Serialize, ToSchema)]
struct ShareView {
    /// Whose: an organisation, a role, `redistribution` or `budget`.
    party: String,
    /// Its part, in proportion to the other weights.
    weight: u32,
}

/// An agreement.
#[derive(Serialize, ToSchema)]
struct AgreementView {
    #[schema(value_type = String)]
    id: AgreementId,
    /// The case that led to it.
    #[schema(value_type = String)]
    case: CaseId,
    #[schema(value_type = String)]
    operator: OrganisationId,
    /// Who signed for the public side.
    #[schema(value_type = Vec<String>)]
    signatories: Vec<OrganisationId>,
    /// The first day.
    from: NaiveDate,
    /// The last day.
    to: NaiveDate,
    /// Months of trial at the beginning; zero: none.
    trial_months: u32,
    /// How the proceeds are shared.
    shares: Vec<ShareView>,
    /// What is authorised.
    scope: String,
    /// The digest of the text that was signed.
    #[schema(value_type = String)]
    text: ContentHash,
    /// Where it stands: `signed`, `filed`, `trial`, `active`, `suspended`, `ended` or `closed`.
    status: String,
    /// The facts of that state, such as the ground and the instant.
    #[schema(value_type = Object)]
    standing: Value,
}

impl From<(AgreementId, Agreement)> for AgreementView {
    fn from((id, agreement): (AgreementId, Agreement)) -> Self {
        let terms = agreement.terms;
        Self {
            id,
            case: terms.case,
            operator: terms.operator,
            signatories: terms.signatories,
            from: terms.from,
            to: terms.to,
            trial_months: terms.trial_months,
            shares: terms
                .shares
                .into_iter()
                .map(|share| ShareView { party: share.party, weight: share.weight })
                .collect(),
            scope: terms.scope,
            text: terms.text,
            status: agreement.status.name().to_owned(),
            standing: serde_json::to_value(&agreement.status).unwrap_or_default(),
        }
    }
}

/// A field that a scenario needs, and why.
#[derive(Serialize, ToSchema)]
struct NeededField {
    #[schema(value_type = String)]
    resource: ResourceId,
    column: String,
    necessity: String,
}

/// A scenario.
#[derive(Serialize, ToSchema)]
struct ScenarioView {
    #[schema(value_type = String)]
    id: ScenarioId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    /// The case that approved it.
    #[schema(value_type = String)]
    case: CaseId,
    title: String,
    /// What the data are used for.
    purpose: String,
    /// The fields that it needs.
    fields: Vec<NeededField>,
    /// Where it stands: `approved` or `closed`.
    status: String,
}

impl From<(ScenarioId, Scenario)> for ScenarioView {
    fn from((id, scenario): (ScenarioId, Scenario)) -> Self {
        Self {
            id,
            agreement: scenario.agreement,
            case: scenario.case,
            status: scenario.status_name().to_owned(),
            title: scenario.title,
            purpose: scenario.purpose,
            fields: scenario
                .fields
                .into_iter()
                .map(|field| NeededField {
                    resource: field.resource,
                    column: field.column,
                    necessity: field.necessity,
                })
                .collect(),
        }
    }
}

/// A plan, rules, a zone, a call or an emergency plan.
#[derive(Serialize, ToSchema)]
struct InstrumentView {
    #[schema(value_type = String)]
    id: InstrumentId,
    /// What sort it is: `plan`, `rules`, `zone`, `call` or `emergency_plan`.
    kind: String,
    title: String,
    /// What it covers, by ids of the pack's lists.
    contents: BTreeSet<String>,
    /// The case that approved it.
    #[schema(value_type = String)]
    case: CaseId,
    /// The agreement that it is for, where it is for one.
    #[schema(value_type = Option<String>)]
    agreement: Option<AgreementId>,
    /// Where it stands: `in_force` or `ended`.
    status: String,
}

impl From<(InstrumentId, Instrument)> for InstrumentView {
    fn from((id, instrument): (InstrumentId, Instrument)) -> Self {
        Self {
            id,
            kind: instrument.kind.name().to_owned(),
            status: instrument.status_name().to_owned(),
            title: instrument.title,
            contents: instrument.contents,
            case: instrument.case,
            agreement: instrument.agreement,
        }
    }
}

reads!(
    Agreement as AgreementView, tag = "agreements",
    list: "/agreements" "listAgreements" "List the agreements that the caller may see.",
    read: "/agreements/{id}" "readAgreement" "Read an agreement.",
);
reads!(
    Scenario as ScenarioView, tag = "agreements",
    list_scenarios: "/scenarios" "listScenarios" "List the scenarios that the caller may see.",
    read_scenario: "/scenarios/{id}" "readScenario" "Read a scenario.",
);
reads!(
    Instrument as InstrumentView, tag = "agreements",
    list_instruments: "/instruments" "listInstruments" "List plans, rules, zones and calls.",
    read_instrument: "/instruments/{id}" "readInstrument" "Read a plan, rules, a zone or a call.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CutBody {
    /// The trigger, as the pack names it.
    trigger: String,
    /// Why.
    reason: String,
}

/// Cut off at once everything that rests on an agreement: sessions, jobs, products, keys.
#[utoipa::path(
    post, path = "/agreements/{id}/cut", operation_id = "cutAgreement", tag = "oversight",
    params(("id" = String, Path)), request_body = CutBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn cut(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AgreementId>,
    Json(body): Json<CutBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let cut = app.cut(&actor, id, &body.trigger, &body.reason).await?;
    Ok((StatusCode::CREATED, Json(Made { id: cut.to_string() })))
}

/// Share the proceeds of an agreement's paid invoices as the agreement says, to the fen.
#[utoipa::path(
    post, path = "/agreements/{id}/settlements", operation_id = "settleAgreement", tag = "money",
    params(("id" = String, Path)),
    responses(
        (status = 201, body = SettlementView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn settle(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AgreementId>,
) -> Result<(StatusCode, Json<SettlementView>), Problem> {
    let settled = app.settle(&actor, id).await?;
    Ok((StatusCode::CREATED, Json(settled.into())))
}

/// Proof that a dataset was destroyed.
#[derive(Serialize, ToSchema)]
struct CertificateView {
    /// The dataset.
    dataset: String,
    /// Whether reading it was tried after its destruction, and failed.
    reading_fails: bool,
    /// What each attempt answered.
    attempts: Vec<String>,
}

/// The certificates of what was destroyed for an agreement.
#[utoipa::path(
    get, path = "/agreements/{id}/certificates", operation_id = "listCertificates",
    tag = "agreements", params(("id" = String, Path)),
    responses(
        (status = 200, body = Vec<CertificateView>),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn certificates(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<AgreementId>,
) -> Result<Json<Vec<CertificateView>>, Problem> {
    // Whoever may read the agreement may know that its data are gone.
    app.read::<Agreement>(&actor, id).await?;
    let destroyed = app.destroyed_for(id).await?;
    let view = destroyed.into_iter().map(|(dataset, certificate)| CertificateView {
        dataset: dataset.to_string(),
        reading_fails: certificate.reading_fails,
        attempts: certificate.attempts,
    });
    Ok(Json(view.collect()))
}

/// End a scenario, and with it every grant under it.
#[utoipa::path(
    post, path = "/scenarios/{id}/close", operation_id = "closeScenario", tag = "agreements",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = ScenarioView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn close_scenario(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ScenarioId>,
    Json(body): Json<Reason>,
) -> Result<Json<ScenarioView>, Problem> {
    Ok(Json((id, app.close_scenario(&actor, id, &body.reason).await?).into()))
}
