//! Signing in and out, and the first admin of all.
//!
//! Wrong, unknown and disabled are one answer; `identity` makes them take one time as well,
//! slows guessing and writes every failure down.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Peer},
    body::Body,
    error::Problem,
    secret_text::SecretText,
};
use crate::{
    identity::sign_in::Door,
    model::{name::UserName, principal::Principal, text::Text, time::Timestamp, user::User},
    store,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Not parsed: a name that cannot exist is as wrong as one that does not.
    pub(super) user: String,
    pub(super) password: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The one-time token that the first start printed.
    token: SecretText,
    user: UserName,
    password: SecretText,
    #[serde(default)]
    full_name: Text,
}

/// Shown once.
#[derive(Serialize, ToSchema)]
pub struct SignedIn {
    token: String,
    expires_at: Timestamp,
    user: User,
}

pub async fn sign_in(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<SignIn>,
) -> Result<Json<SignedIn>, Problem> {
    let identity = api.identity();
    let by = identity
        .password(&body.user, body.password.expose(), peer.ip(), Door::Api)
        .await?;
    answer(&api, &by, peer).await.map(Json)
}

pub async fn bootstrap(
    State(api): State<Api>,
    Peer(peer): Peer,
    Body(body): Body<Bootstrap>,
) -> Result<(StatusCode, Json<SignedIn>), Problem> {
    let identity = api.identity();
    let by = identity
        .bootstrap(
            body.token.expose(),
            body.user,
            body.full_name,
            body.password.expose(),
            peer.ip(),
        )
        .await?;
    api.announce("user", &by.name);
    let signed_in = answer(&api, &by, peer).await?;
    Ok((StatusCode::CREATED, Json(signed_in)))
}

pub async fn sign_out(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    api.identity()
        .sign_out(&caller.principal, &caller.token)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    api: &Api,
    by: &Principal,
    peer: std::net::SocketAddr,
) -> Result<SignedIn, Problem> {
    let issued = api.identity().sign_in(by, peer.ip(), Door::Api).await?;
    let user = store::user::by_id(api.store(), &by.user).await?;
    Ok(SignedIn {
        token: issued.secret.reveal().to_owned(),
        expires_at: issued.token.expires_at,
        user,
    })
}
