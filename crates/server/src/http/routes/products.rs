//! Products: drafted on released content, priced and listed by their cases, and subscribed to.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shuyu_kernel::{AgreementId, ContentHash, OrganisationId, ProductId, ReleaseId, ScenarioId};
use shuyu_market::{
    Comparison, Parameter, Price, Product, QueryTemplate, SubscriptionOrder, Substance, ValueType,
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::people::{Made, Reason};
use crate::{
    app::{App, NewProduct},
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json, Path},
        page::reads,
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, draft))
        .routes(routes!(read))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(withdraw))
        .routes(routes!(list_prices))
        .routes(routes!(read_price))
        .routes(routes!(subscribe))
}

/// The type of a parameter, by which values are compared.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ParameterType {
    Text,
    Number,
    /// A calendar day, `YYYY-MM-DD`.
    Day,
}

/// How a parameter restricts the rows.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Restriction {
    Equal,
    AtLeast,
    AtMost,
}

/// A parameter of a query API.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ParameterBody {
    name: String,
    /// The column that it restricts.
    column: String,
    value_type: ParameterType,
    comparison: Restriction,
    /// Whether it must be given.
    required: bool,
}

/// How released content is delivered.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "delivery", rename_all = "snake_case")]
enum Delivery {
    /// As it is, whole.
    Package,
    /// By questions with typed parameters, answered from the released table.
    Api {
        parameters: Vec<ParameterBody>,
        /// The columns that are answered, in order.
        columns: Vec<String>,
        /// How many rows an answer holds at most.
        row_limit: usize,
    },
}

impl From<Delivery> for Substance {
    fn from(delivery: Delivery) -> Self {
        let parameter = |body: ParameterBody| Parameter {
            name: body.name,
            column: body.column,
            value_type: match body.value_type {
                ParameterType::Text => ValueType::Text,
                ParameterType::Number => ValueType::Number,
                ParameterType::Day => ValueType::Day,
            },
            comparison: match body.comparison {
                Restriction::Equal => Comparison::Equal,
                Restriction::AtLeast => Comparison::AtLeast,
                Restriction::AtMost => Comparison::AtMost,
            },
            required: body.required,
        };
        match delivery {
            Delivery::Package => Self::Package,
            Delivery::Api { parameters, columns, row_limit } => Self::Api {
                template: QueryTemplate {
                    parameters: parameters.into_iter().map(parameter).collect(),
                    columns,
                    row_limit,
                },
            },
        }
    }
}

impl From<Substance> for Delivery {
    fn from(substance: Substance) -> Self {
        let parameter = |known: Parameter| ParameterBody {
            name: known.name,
            column: known.column,
            value_type: match known.value_type {
                ValueType::Text => ParameterType::Text,
                ValueType::Number => ParameterType::Number,
                ValueType::Day => ParameterType::Day,
            },
            comparison: match known.comparison {
                Comparison::Equal => Restriction::Equal,
                Comparison::AtLeast => Restriction::AtLeast,
                Comparison::AtMost => Restriction::AtMost,
            },
            required: known.required,
        };
        match substance {
            Substance::Package => Self::Package,
            Substance::Api { template } => Self::Api {
                parameters: template.parameters.into_iter().map(parameter).collect(),
                columns: template.columns,
                row_limit: template.row_limit,
            },
        }
    }
}

/// A product.
#[derive(Serialize, ToSchema)]
struct ProductView {
    #[schema(value_type = String)]
    id: ProductId,
    title: String,
    /// The form, as the pack names forms.
    form: String,
    delivery: Delivery,
    /// For the public's use or for industry's.
    use_kind: String,
    /// The purposes that it may be used for; empty: any that the law permits.
    purposes: BTreeSet<String>,
    #[schema(value_type = String)]
    operator: OrganisationId,
    #[schema(value_type = String)]
    agreement: AgreementId,
    #[schema(value_type = String)]
    scenario: ScenarioId,
    #[schema(value_type = String)]
    release: ReleaseId,
    /// The digest of the released content.
    #[schema(value_type = String)]
    content: ContentHash,
    /// The number under which it is registered.
    registration: Option<String>,
    /// Where it stands, such as `draft` or `listed`.
    status: String,
}

impl From<(ProductId, Product)> for ProductView {
    fn from((id, product): (ProductId, Product)) -> Self {
        Self {
            id,
            title: product.title,
            form: product.form,
            delivery: product.substance.into(),
            use_kind: product.use_kind,
            purposes: product.purposes,
            operator: product.operator,
            agreement: product.agreement,
            scenario: product.scenario,
            release: product.release,
            content: product.content,
            registration: product.registration.map(|registration| registration.number),
            status: product.status.name().to_owned(),
        }
    }
}

/// A price.
#[derive(Serialize, ToSchema)]
struct PriceView {
    /// The product.
    #[schema(value_type = String)]
    product: ProductId,
    /// The guided price, where one was issued.
    #[schema(value_type = Option<Object>)]
    guide: Option<Value>,
    /// What is proposed and not yet in force.
    #[schema(value_type = Option<Object>)]
    proposal: Option<Value>,
    /// What is in force; amounts are whole fen.
    #[schema(value_type = Option<Object>)]
    current: Option<Value>,
}

impl From<(ProductId, Price)> for PriceView {
    fn from((_, price): (ProductId, Price)) -> Self {
        let value = |part: Option<serde_json::Result<Value>>| part.and_then(Result::ok);
        Self {
            product: price.product,
            guide: value(price.guide.as_ref().map(serde_json::to_value)),
            proposal: value(price.proposal.as_ref().map(serde_json::to_value)),
            current: value(price.current.as_ref().map(|(set, _)| serde_json::to_value(set))),
        }
    }
}

reads!(
    Product as ProductView, tag = "market",
    list: "/products" "listProducts" "List the products that the caller may see.",
    read: "/products/{id}" "readProduct" "Read a product.",
);
reads!(
    Price as PriceView, tag = "market",
    list_prices: "/prices" "listPrices" "List prices.",
    read_price: "/products/{id}/price" "readPrice" "Read the price of a product.",
);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DraftBody {
    title: String,
    /// The form, as the pack names forms.
    form: String,
    delivery: Delivery,
    /// For the public's use or for industry's: `public` or `industry`.
    use_kind: String,
    /// The purposes that it may be used for, as the pack names them.
    #[serde(default)]
    purposes: BTreeSet<String>,
    /// The release that it is made of.
    #[schema(value_type = String)]
    release: ReleaseId,
}

/// Draft a product on released content.
#[utoipa::path(
    post, path = "/products", operation_id = "draftProduct", tag = "market",
    request_body = DraftBody,
    responses(
        (status = 201, body = Made),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn draft(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<DraftBody>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let new = NewProduct {
        title: body.title,
        form: body.form,
        substance: body.delivery.into(),
        use_kind: body.use_kind,
        purposes: body.purposes,
        release: body.release,
    };
    let id = app.draft_product(&actor, new).await?;
    Ok((StatusCode::CREATED, Json(Made { id: id.to_string() })))
}

/// Stop offering a product for good.
#[utoipa::path(
    post, path = "/products/{id}/withdraw", operation_id = "withdrawProduct", tag = "market",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = ProductView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn withdraw(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ProductId>,
    Json(body): Json<Reason>,
) -> Result<Json<ProductView>, Problem> {
    Ok(Json((id, app.withdraw_product(&actor, id, &body.reason).await?).into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    /// The purpose, as the pack names purposes.
    purpose: String,
    /// What the product is used for, in the consumer's words.
    statement: String,
    /// How many calls or downloads at most; absent: no limit.
    quota: Option<u64>,
    /// The last day.
    until: Option<NaiveDate>,
    /// Whether the consumer undertakes not to sell it on.
    no_resale: bool,
}

#[derive(Serialize, ToSchema)]
struct Subscribed {
    /// The subscription.
    id: String,
    /// The key of a query API, to be sent as `X-Api-Key`. It is shown this once.
    key: Option<String>,
}

/// Subscribe the caller's organisation to a product.
#[utoipa::path(
    post, path = "/products/{id}/subscriptions", operation_id = "subscribe", tag = "market",
    params(("id" = String, Path)), request_body = OrderBody,
    responses(
        (status = 201, body = Subscribed),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn subscribe(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ProductId>,
    Json(body): Json<OrderBody>,
) -> Result<(StatusCode, Json<Subscribed>), Problem> {
    let order = SubscriptionOrder {
        purpose: body.purpose,
        statement: body.statement,
        quota: body.quota,
        until: body.until,
        no_resale: body.no_resale,
    };
    let (id, key) = app.subscribe(&actor, id, order).await?;
    Ok((StatusCode::CREATED, Json(Subscribed { id: id.to_string(), key })))
}

/// Stop the delivery of a product for the time being.
#[utoipa::path(
    post, path = "/products/{id}/suspend", operation_id = "suspendProduct", tag = "market",
    params(("id" = String, Path)), request_body = Reason,
    responses(
        (status = 200, body = ProductView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn suspend(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ProductId>,
    Json(body): Json<Reason>,
) -> Result<Json<ProductView>, Problem> {
    Ok(Json((id, app.suspend_product(&actor, id, &body.reason).await?).into()))
}

/// Let a product be delivered again that was suspended.
#[utoipa::path(
    post, path = "/products/{id}/resume", operation_id = "resumeProduct", tag = "market",
    params(("id" = String, Path)),
    responses(
        (status = 200, body = ProductView),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn resume(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<ProductId>,
) -> Result<Json<ProductView>, Problem> {
    Ok(Json((id, app.resume_product(&actor, id).await?).into()))
}
