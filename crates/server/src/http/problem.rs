//! Problems (RFC 9457): every way in which an act can fail, as a program and a person read it.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use shuyu_law::{ClauseId, Refusal, Text};
use shuyu_market::QueryError;
use shuyu_store::{ActError, StoreError};
use shuyu_vault::VaultError;
use tower_http::timeout::TimeoutError;
use utoipa::ToSchema;

use super::PROBLEM_JSON;
use crate::app::{
    DocumentError, GateError, ProveError, SignInError, SupplyError, TradeError, token::TokenError,
};

/// After how many seconds a sign-in name that is locked may be tried again.
const LOCKED_SECONDS: &str = "1800";

/// Words in the two languages of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Words {
    /// In Chinese.
    zh: String,
    /// In English.
    en: String,
}

impl From<Text> for Words {
    fn from(text: Text) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

/// What went wrong, on which clauses that rests, and what would pass.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What sort of problem, as a URN that ends with `code`.
    #[serde(rename = "type")]
    kind: String,
    /// The sort of problem in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, and what would pass.
    detail: String,
    /// A stable name of the problem; of a refusal, the rule's.
    code: String,
    /// The city's own code of the refusal, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    city_code: Option<String>,
    /// Why the law refuses, in both languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Words>,
    /// The clauses on which a refusal rests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    clauses: Vec<ClauseId>,
    /// The column that a refused query is about, as `table.column`.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// The nodes of the plan on the column's way, from where it is read to where it may not be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<String>,
    /// What would pass instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    passes: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:shuyu:problem:{code}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            city_code: None,
            message: None,
            clauses: Vec::new(),
            column: None,
            path: Vec::new(),
            passes: None,
        }
    }

    /// The cause goes to the log, once, and never into an answer.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "an act failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the platform failed; the cause is in its log, under the request's id",
        )
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    }

    pub(super) fn not_signed_in(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail)
    }

    pub(super) fn no_such_path() -> Self {
        let detail = "there is nothing at this path; /api/v1/openapi.json lists what there is";
        Self::new(StatusCode::NOT_FOUND, "no-such-path", detail)
    }

    pub(super) fn no_such_method() -> Self {
        let detail = "this path knows no such method; /api/v1/openapi.json lists what there is";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", detail)
    }

    fn too_slow() -> Self {
        let detail = "the rest of the body did not come in time; send the request again";
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail)
    }

    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no {what}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(LOCKED_SECONDS));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::new(StatusCode::FORBIDDEN, &refusal.rule, refusal.to_string());
        let cause = refusal.cause.map(|cause| *cause).unwrap_or_default();
        Self {
            city_code: refusal.code,
            message: Some(refusal.message.into()),
            clauses: refusal.clauses,
            column: cause.column,
            path: cause.path,
            passes: cause.passes,
            ..problem
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(refusal) => refusal.into(),
            ActError::NotFound(stream) => Self::not_found(stream),
            ActError::Conflict(_) => {
                Self::new(StatusCode::CONFLICT, "changed-meanwhile", error.to_string())
            }
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NameTaken { .. } => {
                Self::new(StatusCode::CONFLICT, "name-taken", error.to_string())
            }
            StoreError::ClockBackwards { .. } | StoreError::Closed => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
            }
            StoreError::UnknownKind(_)
            | StoreError::UnknownPack(_)
            | StoreError::Unreadable { .. }
            | StoreError::NoState(_)
            | StoreError::Unsound(_)
            | StoreError::Foreign(_)
            | StoreError::Database(_) => Self::internal(&error),
        }
    }
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        let text = error.to_string();
        match error {
            SignInError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "sign-in-wrong", text),
            SignInError::Locked => Self::new(StatusCode::TOO_MANY_REQUESTS, "sign-in-locked", text),
            SignInError::Token(TokenError::Invalid) => Self::not_signed_in(text),
            SignInError::Token(TokenError::Expired) => {
                Self::new(StatusCode::UNAUTHORIZED, "token-expired", text)
            }
            SignInError::Password(_) => Self::invalid(text),
            SignInError::Act(error) => error.into(),
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Size(_) => Self::invalid(error.to_string()),
            DocumentError::Absent(hash) => Self::not_found(format!("document {hash}")),
            DocumentError::Act(error) => error.into(),
            DocumentError::Altered(_) | DocumentError::Io(_) => Self::internal(&error),
        }
    }
}

impl From<SupplyError> for Problem {
    fn from(error: SupplyError) -> Self {
        match error {
            SupplyError::Act(error) => error.into(),
            SupplyError::Type(..) => Self::invalid(error.to_string()),
            SupplyError::Vault(error) => error.into(),
        }
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match &error {
            VaultError::Unreadable(_) | VaultError::Spec(_) => Self::invalid(error.to_string()),
            VaultError::NoSuchColumn { .. } | VaultError::NoSuchPart { .. } => {
                Self::new(StatusCode::NOT_FOUND, "not-found", error.to_string())
            }
            VaultError::KeyMissing(_) => {
                Self::new(StatusCode::GONE, "destroyed", "its key is gone: it was destroyed")
            }
            VaultError::KeyRefused(_)
            | VaultError::Keyring(_)
            | VaultError::Altered(_)
            | VaultError::Missing(_)
            | VaultError::DestructionIncomplete(_)
            | VaultError::Io(_)
            | VaultError::Objects(_)
            | VaultError::Parquet(_)
            | VaultError::Arrow(_)
            | VaultError::Engine(_)
            | VaultError::Interrupted(_) => Self::internal(&error),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<GateError> for Problem {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Act(error) => error.into(),
            GateError::Table(error) => error.into(),
        }
    }
}

impl From<TradeError> for Problem {
    fn from(error: TradeError) -> Self {
        match error {
            TradeError::Act(error) => error.into(),
            TradeError::Gate(error) => error.into(),
            TradeError::Query(error) => error.into(),
            TradeError::OtherDelivery => {
                Self::new(StatusCode::CONFLICT, "other-delivery", error.to_string())
            }
        }
    }
}

impl From<ProveError> for Problem {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Store(error) => error.into(),
            ProveError::Proof(error) => Self::invalid(error.to_string()),
            ProveError::Bundle(_) | ProveError::Io(_) => Self::internal(&error),
        }
    }
}

/// Whether a request was given up because its body paused for too long.
fn is_timeout(rejection: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(rejection), |error| error.source())
        .any(<dyn std::error::Error>::is::<TimeoutError>)
}

/// What a request says wrongly, before any act: in its body, its path or its query.
macro_rules! malformed {
    ($($rejection:ty),+ $(,)?) => {
        $(impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                if is_timeout(&rejection) {
                    return Self::too_slow();
                }
                Self::new(rejection.status(), "malformed", rejection.body_text())
            }
        })+
    };
}

malformed!(JsonRejection, PathRejection, QueryRejection, axum::extract::rejection::BytesRejection);
