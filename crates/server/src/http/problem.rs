//! What is answered when something is not done: RFC 9457 problems, with clause ids.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shuyu_law::{Refusal, Text};
use utoipa::ToSchema;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem (RFC 9457). `code` is stable; `clauses` says on what a refusal by law rests.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`, or the page that explains the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A few words for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable code for programs: the name of the rule, or of the kind of error.
    pub code: String,
    /// What is wrong, and what to do.
    pub detail: String,
    /// The same in Chinese, where the law words it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_zh: Option<String>,
    /// The clauses that a refusal rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// The city's own code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city_code: Option<String>,
}

impl Problem {
    /// A problem of this status and code.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("problem").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            detail_zh: None,
            clauses: Vec::new(),
            city_code: None,
        }
    }

    /// The request is not of the form expected.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// There is no such thing, or the caller may not know of it.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("there is no such {what}"))
    }

    /// The caller is not signed in.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail)
    }

    /// Something went wrong inside; the cause is logged here, once, and never answered.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error; it has been logged")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Text { zh, en } = &refusal.message;
        let with = |message: &str| match &refusal.detail {
            Some(detail) => format!("{message}: {detail}"),
            None => message.to_owned(),
        };
        Self {
            detail_zh: Some(with(zh)),
            clauses: refusal.clauses.iter().map(ToString::to_string).collect(),
            city_code: refusal.code.clone(),
            ..Self::new(StatusCode::FORBIDDEN, &refusal.rule, with(en))
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
