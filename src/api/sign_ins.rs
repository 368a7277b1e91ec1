//! Where somebody is signed in: since when, from where, last seen; and how that ends.
//!
//! Tokens that were made for programs are no sign-ins, and stay.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, auth::Caller, body::At, error::Problem, page::List};
use crate::{
    model::{
        ids::{TokenId, UserId},
        name::UserName,
        time::Timestamp,
        user::User,
    },
    store,
};

#[derive(Serialize, ToSchema)]
pub struct SignInView {
    id: TokenId,
    /// The address it came from.
    peer: String,
    /// Whether it is a browser at the console; others are command lines.
    browser: bool,
    since: Timestamp,
    /// Within some minutes.
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    /// Whether a second factor was shown.
    second_factor: bool,
    /// Whether it is the one that asks.
    this_one: bool,
}

pub async fn list(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<List<SignInView>>, Problem> {
    of(&api, &caller.principal.user, Some(&caller.token)).await
}

pub async fn of_user(
    State(api): State<Api>,
    At(name): At<UserName>,
) -> Result<Json<List<SignInView>>, Problem> {
    let user = store::user::by_name(api.store(), &name).await?;
    of(&api, &user.id, None).await
}

async fn of(
    api: &Api,
    user: &UserId,
    own: Option<&TokenId>,
) -> Result<Json<List<SignInView>>, Problem> {
    let now = api.now();
    let tokens = store::token::of_user(api.store(), user).await?;
    let standing = tokens.into_iter().filter(|token| token.expires_at > now);
    let items = standing.filter_map(|token| {
        Some(SignInView {
            peer: token.peer?,
            browser: token.host.is_some(),
            since: token.created_at,
            last_seen_at: token.last_used_at.unwrap_or(token.created_at),
            expires_at: token.expires_at,
            second_factor: token.factor_at.is_some(),
            this_one: own == Some(&token.id),
            id: token.id,
        })
    });
    Ok(Json(List {
        items: items.collect(),
        next: None,
    }))
}

/// Signs out everywhere, here as well.
pub async fn end(State(api): State<Api>, caller: Caller) -> Result<StatusCode, Problem> {
    let user = store::user::by_id(api.store(), &caller.principal.user).await?;
    end_all(&api, &caller, &user).await
}

pub async fn end_of_user(
    State(api): State<Api>,
    caller: Caller,
    At(name): At<UserName>,
) -> Result<StatusCode, Problem> {
    let user = store::user::by_name(api.store(), &name).await?;
    end_all(&api, &caller, &user).await
}

async fn end_all(api: &Api, caller: &Caller, user: &User) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    api.identity().sign_out_everywhere(by, user).await?;
    Ok(StatusCode::NO_CONTENT)
}
