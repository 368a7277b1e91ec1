//! What people do about themselves: their password, their keys, their tokens.
//!
//! Credentials are changed only with the full reach of a sign-in, so that a narrow token
//! cannot make itself a wide one.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::{Caller, Peer},
    body::{At, Body},
    error::Problem,
    keys::{self, NewKey, key_of},
    page::List,
    secret_text::SecretText,
    users,
};
use crate::{
    identity::sign_in::{Door, SignInError},
    model::{
        audit::{Actor, AuditEvent},
        ids::TokenId,
        principal::{Scope, Scopes},
        text::Text,
        time::{Span, Timestamp},
        user::{SshKey, Token, User},
        ways_in::WaysIn,
    },
    store,
};

/// The longest an API token may live.
const LONGEST: Span = Span::hours(24 * 366);

/// Living tokens of one user, sign-ins among them.
const MOST_TOKENS: usize = 200;

#[derive(Serialize, ToSchema)]
pub struct Me {
    #[serde(flatten)]
    user: User,
    /// How far the token reaches that was sent.
    #[schema(value_type = BTreeSet<Scope>)]
    scopes: Scopes,
    /// When it ends.
    expires_at: Timestamp,
    /// Where the gateway is found.
    gateway: WaysIn,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current: SecretText,
    new: SecretText,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    label: Text,
    #[schema(value_type = BTreeSet<Scope>)]
    scopes: Scopes,
    expires_in: Span,
}

/// The secret is shown here and never again.
#[derive(Serialize, ToSchema)]
pub struct IssuedToken {
    token: String,
    id: TokenId,
    label: Text,
    #[schema(value_type = BTreeSet<Scope>)]
    scopes: Scopes,
    created_at: Timestamp,
    expires_at: Timestamp,
}

pub async fn show(State(api): State<Api>, caller: Caller) -> Result<Json<Me>, Problem> {
    let user = store::user::by_id(api.store(), &caller.principal.user).await?;
    Ok(Json(Me {
        user,
        scopes: caller.principal.scopes,
        expires_at: caller.expires_at,
        gateway: api.ways_in().clone(),
    }))
}

pub async fn set_password(
    State(api): State<Api>,
    caller: Caller,
    Peer(peer): Peer,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let identity = api.identity();
    identity
        .is_password(by, body.current.expose(), peer.ip(), Door::Api)
        .await
        .map_err(|error| match error {
            SignInError::Refused => {
                Problem::invalid("current", "this is not your password").already_audited()
            }
            error => error.into(),
        })?;
    let hash = users::hash(&api, "new", &body.new).await?;
    let sign_ins = store::token::of_user(api.store(), &by.user).await?;
    let mut tx = api.store().begin().await?;
    store::user::set_password(&mut tx, &by.user, Some(&hash)).await?;
    // Whoever else signed in with the old password is not any more; tokens of programs stay.
    for token in sign_ins {
        if token.id != caller.token && Scope::ALL.iter().all(|s| token.scopes.contains(s)) {
            store::token::delete(&mut tx, &by.user, &token.id).await?;
        }
    }
    let event = api.changed(by, "user", "set-password", by.name.as_str(), &[]);
    api.commit(tx, &event.about_user(&by.user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn keys(State(api): State<Api>, caller: Caller) -> Result<Json<List<SshKey>>, Problem> {
    let items = store::ssh_key::of_user(api.store(), &caller.principal.user).await?;
    Ok(Json(List { items, next: None }))
}

pub async fn add_key(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewKey>,
) -> Result<(StatusCode, Json<SshKey>), Problem> {
    let by = &caller.principal;
    let key = body.read(api.now())?;
    keys::room(&api, &by.user).await?;
    let mut tx = api.store().begin().await?;
    store::ssh_key::insert(&mut tx, &by.user, &key).await?;
    store::voucher::inherited(&mut tx, &by.user, &key.fingerprint).await?;
    let event = api.changed(by, "user", "add-key", by.name.as_str(), &key_of(&key));
    api.commit(tx, &event.about_user(&by.user)).await?;
    Ok((StatusCode::CREATED, Json(key)))
}

pub async fn remove_key(
    State(api): State<Api>,
    caller: Caller,
    At(fingerprint): At<String>,
) -> Result<StatusCode, Problem> {
    let user = store::user::by_id(api.store(), &caller.principal.user).await?;
    users::forget_key(&api, &caller.principal, &user, &fingerprint).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn tokens(State(api): State<Api>, caller: Caller) -> Result<Json<List<Token>>, Problem> {
    let items = store::token::of_user(api.store(), &caller.principal.user).await?;
    Ok(Json(List { items, next: None }))
}

pub async fn add_token(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<IssuedToken>), Problem> {
    if body.expires_in.is_zero() || body.expires_in > LONGEST {
        return Err(Problem::invalid(
            "expires_in",
            format!("more than nothing and at most {LONGEST} is expected"),
        ));
    }
    if body.scopes.is_empty() {
        return Err(Problem::invalid("scopes", "at least one is expected"));
    }
    if body.label.is_empty() {
        return Err(Problem::invalid(
            "label",
            "what the token is for is expected",
        ));
    }
    let by = &caller.principal;
    let held = store::token::of_user(api.store(), &by.user).await?;
    let living = held
        .iter()
        .filter(|token| token.expires_at > api.now())
        .count();
    if living >= MOST_TOKENS {
        let detail = format!("you have {MOST_TOKENS} tokens already, which is the most");
        return Err(Problem::conflict("too-many", detail).hint("take back those you do not need"));
    }
    let issued = api
        .identity()
        .issue(by, body.label, body.scopes, body.expires_in)
        .await?;
    let answer = IssuedToken {
        token: issued.secret.reveal().to_owned(),
        id: issued.token.id,
        label: issued.token.label,
        scopes: issued.token.scopes,
        created_at: issued.token.created_at,
        expires_at: issued.token.expires_at,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub async fn remove_token(
    State(api): State<Api>,
    caller: Caller,
    At(id): At<TokenId>,
) -> Result<StatusCode, Problem> {
    let by = &caller.principal;
    let mut tx = api.store().begin().await?;
    store::token::delete(&mut tx, &by.user, &id).await?;
    let message = format!("{} took a token back", by.name);
    let event = AuditEvent::done(api.now(), "token.delete", Actor::from(by), message)
        .about_user(&by.user)
        .with(serde_json::json!({ "token": id }));
    api.commit(tx, &event).await?;
    Ok(StatusCode::NO_CONTENT)
}
