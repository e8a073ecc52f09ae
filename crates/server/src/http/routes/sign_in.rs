//! Signing in and out, and who one is.

use std::collections::BTreeSet;

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shuyu_kernel::{Actor, OrganisationId, PersonId};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App,
    http::{
        PROBLEM_JSON, Problem,
        extract::{Caller, Json},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
        .routes(routes!(me))
        .routes(routes!(change_password))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    /// The name to sign in by.
    sign_in: String,
    /// The password.
    password: String,
}

#[derive(Serialize, ToSchema)]
struct SignedIn {
    /// To be sent with every request, as `Authorization: Bearer …`. It is good for 8 hours.
    token: String,
    #[serde(flatten)]
    me: Me,
}

/// Who somebody is, and in which roles they act at this moment.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The person.
    #[schema(value_type = String)]
    person: PersonId,
    /// For whom they act.
    #[schema(value_type = String)]
    organisation: OrganisationId,
    /// In which roles.
    roles: BTreeSet<String>,
}

impl From<Actor> for Me {
    fn from(actor: Actor) -> Self {
        Self {
            person: actor.person,
            organisation: actor.organisation,
            roles: actor.roles.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Sign in: a bearer token for a name and its password.
#[utoipa::path(
    post, path = "/sign-in", operation_id = "signIn", tag = "people", security(()),
    request_body = SignInBody,
    responses(
        (status = 200, body = SignedIn),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn sign_in(
    State(app): State<App>,
    Json(body): Json<SignInBody>,
) -> Result<Json<SignedIn>, Problem> {
    let token = app.sign_in(&body.sign_in, &body.password).await?;
    let me = app.actor_of(&token).await?.into();
    Ok(Json(SignedIn { token, me }))
}

/// Sign out everywhere: every token of the caller ends.
#[utoipa::path(
    post, path = "/sign-out", operation_id = "signOut", tag = "people",
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn sign_out(State(app): State<App>, Caller(actor): Caller) -> Result<StatusCode, Problem> {
    app.sign_out(&actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who the caller is.
#[utoipa::path(
    get, path = "/me", operation_id = "readMe", tag = "people",
    responses(
        (status = 200, body = Me),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn me(Caller(actor): Caller) -> Json<Me> {
    Json(actor.into())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// The password that holds now.
    current: String,
    /// The one that is to hold: at least 8 characters of four kinds.
    new: String,
}

/// Change one's own password. Every token ends, the caller's too.
#[utoipa::path(
    post, path = "/me/password", operation_id = "changePassword", tag = "people",
    request_body = PasswordBody,
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
async fn change_password(
    State(app): State<App>,
    Caller(actor): Caller,
    Json(body): Json<PasswordBody>,
) -> Result<StatusCode, Problem> {
    app.change_password(&actor, &body.current, body.new).await?;
    Ok(StatusCode::NO_CONTENT)
}
