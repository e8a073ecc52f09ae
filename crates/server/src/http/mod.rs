//! The HTTP interface: `/api/v1`, described by an OpenAPI document, with problems (RFC 9457)
//! that cite the clauses on which a refusal rests.
//!
//! **Invariant:** a handler decides nothing. It parses, hands one act to the application in the
//! name of whoever the bearer token names, and maps the answer.

mod extract;
mod page;
mod problem;
mod routes;
mod serve;
mod upload;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
    trace::TraceLayer,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

pub use problem::Problem;
pub use serve::{Bounds, ServeError, serve};

use crate::app::App;

/// The media type of problems (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The header in which a consumer's program hands in the key of its subscription.
pub const API_KEY: &str = "x-api-key";

/// What the OpenAPI document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shuyu 数域",
        description = "The platform on which a city runs its public data. Every act is permitted \
                       by the city's regulation pack and recorded; every refusal cites its clauses.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&Schemes),
    security(("bearer" = []))
)]
struct Document;

/// How callers say who they are.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(API_KEY)));
        components.add_security_scheme("subscription_key", key);
    }
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi()).nest("/api/v1", routes::all())
}

/// The OpenAPI document of the interface.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

/// The interface of an application.
pub fn router(app: App) -> Router {
    let (router, document) = described().split_for_parts();
    let text = document.to_json().unwrap_or_default();
    let id = HeaderName::from_static("x-request-id");
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .route(
            "/api/v1/openapi.json",
            axum::routing::get(async move || {
                ([(header::CONTENT_TYPE, "application/json")], text.clone())
            }),
        )
        .fallback(async || Problem::no_such_path())
        .method_not_allowed_fallback(async || Problem::no_such_method())
        .with_state(app)
        .layer(middleware::from_fn(to_its_end))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(PropagateRequestIdLayer::new(id.clone()))
        .layer(TraceLayer::new_for_http())
        .layer(SetRequestIdLayer::new(id, MakeRequestUuid))
}

/// Lets an act run to its end even if whoever asked for it has gone in the meantime, so that
/// nothing is left half-done; and makes a problem of a panic.
async fn to_its_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => Problem::internal(&error).into_response(),
    }
}
