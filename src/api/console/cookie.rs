//! The session of a browser at the console: begun with a password, kept in a cookie, ended.
//!
//! The cookie is of this host alone, no script sees it, and what it opens is what its sign-in
//! opens. Whether a request that brings it was made by a page of ours is the guard's question.

use std::net::IpAddr;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use serde::Serialize;

use super::{
    super::{
        Api,
        auth::Peer,
        body::Body,
        error::Problem,
        sign_in::{HalfSignedIn, SecondHalf, SignIn},
    },
    No, own_page,
};
use crate::{
    identity::{
        Shown,
        second::RecoveryCodes,
        sign_in::{Door, SIGNED_IN_FOR, SignInError},
        token::Token as Secret,
    },
    model::{principal::Principal, user::Token},
    page,
};

const NAME: &str = "__Host-doorward-console";

/// What of it is always the same. `Lax`, because the way from a web target leads over here, and
/// a link in a message is to be opened by whoever is signed in.
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";

/// The cookie of a request, if it has exactly one.
pub fn shown(headers: &HeaderMap) -> Result<Option<&str>, page::Doubled> {
    page::cookie(headers, NAME)
}

/// Who this browser is signed in as.
pub async fn whose(api: &Api, headers: &HeaderMap) -> Result<Option<(Principal, Token)>, No> {
    let Some(cookie) = shown(headers).map_err(|_| No::Unclear)? else {
        return Ok(None);
    };
    match api.identity().cookie(cookie, &api.ways_in().console).await {
        Ok(known) => Ok(Some(known)),
        Err(SignInError::Refused) => Ok(None),
        Err(error) => Err(No::SignIn(error)),
    }
}

pub fn give(response: &mut Response, secret: &Secret) {
    let seconds = SIGNED_IN_FOR.as_secs();
    let secret = secret.reveal();
    set(
        response,
        &format!("{NAME}={secret}; {ATTRIBUTES}; Max-Age={seconds}"),
    );
}

pub fn take_back(response: &mut Response) {
    set(response, &format!("{NAME}=; {ATTRIBUTES}; Max-Age=0"));
}

fn set(response: &mut Response, cookie: &str) {
    let cookie = HeaderValue::from_str(cookie).expect("cookies of ours are ASCII");
    response.headers_mut().append(header::SET_COOKIE, cookie);
}

/// `POST /session`: the application signs in. The secret goes into the cookie and nowhere else.
pub async fn begin(
    State(api): State<Api>,
    Peer(peer): Peer,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body<SignIn>,
) -> Result<Response, Problem> {
    own_page(&uri, &headers).map_err(|_| Problem::foreign())?;
    let identity = api.identity();
    let (user, password) = (body.user.trim(), body.password.expose());
    let shown = identity.password(user, password, peer.ip(), Door::Console);
    match shown.await? {
        Shown::Proven(by) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            enter(&api, &by, peer.ip(), &mut response).await?;
            Ok(response)
        }
        Shown::Half(half) => {
            let half = Json(HalfSignedIn::from(half));
            Ok((StatusCode::ACCEPTED, half).into_response())
        }
    }
}

/// What is told once, at the first sign-in with a second factor.
#[derive(Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

/// `POST /session/second`: the second factor makes the sign-in whole.
pub async fn second(
    State(api): State<Api>,
    Peer(peer): Peer,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body<SecondHalf>,
) -> Result<Response, Problem> {
    own_page(&uri, &headers).map_err(|_| Problem::foreign())?;
    let whole = body.shown(&api, peer.ip(), Door::Console).await?;
    let recovery_codes = whole.recovery_codes.as_ref().map(RecoveryCodes::spelled);
    let mut response = Json(Told { recovery_codes }).into_response();
    enter(&api, &whole.principal, peer.ip(), &mut response).await?;
    Ok(response)
}

async fn enter(
    api: &Api,
    by: &Principal,
    peer: IpAddr,
    response: &mut Response,
) -> Result<(), Problem> {
    let console = &api.ways_in().console;
    let issued = api.identity().sign_in_browser(by, peer, console).await?;
    give(response, &issued.secret);
    Ok(())
}

/// `DELETE /session`: signs out, here and at every web target that was entered from here.
pub async fn end(
    State(api): State<Api>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    own_page(&uri, &headers).map_err(|_| Problem::foreign())?;
    // Whoever is not signed in any more wants the same: to be signed out.
    if let Some(cookie) = shown(&headers).ok().flatten() {
        match api.identity().cookie(cookie, &api.ways_in().console).await {
            Ok((by, token)) => api.identity().sign_out(&by, &token.id).await?,
            Err(SignInError::Refused) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    take_back(&mut response);
    Ok(response)
}
