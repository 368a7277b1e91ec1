//! Stands before every route: who is it, may they, how often, and is a no written down.
//!
//! A program shows a token, a browser the console's cookie; what a cookie asks for must come
//! from a page of the console. Enforces the class from the table of routes; no handler has to remember it. Never looks
//! at the body and never decides about the thing that is asked for.

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::time::timeout;
use tracing::debug;

use super::{
    Api,
    auth::{Caller, Peer},
    class::Class,
    console::cookie,
    error::{Problem, Refused},
    route::Spec,
};
use crate::{
    model::{
        audit::{Actor, AuditEvent, AuditOutcome},
        refusal::Refusal,
    },
    page,
};

/// Longest time from the last byte of the head to the first of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a guard stands.
#[derive(Clone)]
pub struct Post {
    pub api: Api,
    pub spec: Spec,
}

pub async fn guard(State(post): State<Post>, mut request: Request, next: Next) -> Response {
    let Post { api, spec } = post;
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(Peer::UNKNOWN, |peer| *peer);
    let caller = match admit(&api, &spec, peer.0, request.uri(), request.headers()).await {
        Ok(caller) => caller,
        Err((caller, problem)) => {
            return answered(&api, &spec, peer, caller, problem.into_response()).await;
        }
    };
    if let Some(caller) = &caller {
        request.extensions_mut().insert(caller.clone());
    }
    request.extensions_mut().insert(spec.clone());
    if spec.streams() {
        let response = next.run(request).await;
        return answered(&api, &spec, peer, caller, response).await;
    }
    // In a task of its own: what was begun is done whole, also for a caller who hangs up or
    // has waited too long. A user who is written down as disabled must be cut as well.
    let whole = tokio::spawn(async move {
        let response = next.run(request).await;
        answered(&api, &spec, peer, caller, response).await
    });
    match timeout(PATIENCE, whole).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => Problem::too_slow().into_response(),
    }
}

/// Who calls, if the class of the route lets them.
async fn admit(
    api: &Api,
    spec: &Spec,
    peer: SocketAddr,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Caller>, (Option<Caller>, Problem)> {
    if let Class::Open { .. } = spec.class {
        return Ok(None);
    }
    let proof = proof(headers).ok_or((None, Problem::unauthenticated().already_audited()))?;
    let recognised = match proof {
        Proof::Token(secret) => api.recognise(secret).await,
        Proof::Cookie(secret) => api.recognise_browser(secret).await,
    };
    let caller = match recognised {
        Ok(caller) => caller,
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            // What opens nothing costs a turn, so that guessing at tokens is slow and the
            // audit log cannot be filled from outside.
            api.limits()
                .unproven(peer)
                .map_err(|wait| (None, Problem::rate_limited(wait.0)))?;
            return Err((None, problem));
        }
        Err(problem) => return Err((None, problem)),
    };
    let refuse = |problem| (Some(caller.clone()), problem);
    api.limits()
        .request(&caller.principal.user)
        .map_err(|wait| refuse(Problem::rate_limited(wait.0)))?;
    if let Proof::Cookie(_) = proof {
        own_page(&spec.method, uri, headers).map_err(refuse)?;
    }
    spec.class
        .allows(&caller.principal)
        .map_err(|refusal: Refusal| refuse(refusal.into()))?;
    Ok(Some(caller))
}

/// What somebody shows of themselves.
enum Proof<'a> {
    Token(&'a str),
    Cookie(&'a str),
}

/// Whoever shows a token is a program and has no cookie, whatever else is sent along.
fn proof(headers: &HeaderMap) -> Option<Proof<'_>> {
    if headers.contains_key(header::AUTHORIZATION) {
        return bearer(headers).map(Proof::Token);
    }
    // Of two cookies of one name nobody knows which is ours, so neither is.
    let cookie = cookie::shown(headers).ok().flatten();
    cookie.map(Proof::Cookie)
}

/// A browser sends its cookie along whoever has it ask. What changes something is asked by a
/// page of the console that the browser names; what only reads, by no other page that it names.
fn own_page(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let authority = page::authority(uri, headers).unwrap_or_default();
    let own = if method.is_safe() {
        !page::is_foreign(headers, authority)
    } else {
        page::is_same_origin(headers, authority)
    };
    own.then_some(()).ok_or_else(Problem::foreign)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next()?.to_str().ok()?;
    // Two of them are one too many: which one counts must not be a matter of taste.
    if given.next().is_some() {
        return None;
    }
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(secret.trim())
        .filter(|secret| !secret.is_empty())
}

/// Writes down the refusals that nobody wrote down yet.
async fn answered(
    api: &Api,
    spec: &Spec,
    peer: Peer,
    caller: Option<Caller>,
    mut response: Response,
) -> Response {
    let status = response.status();
    if let Some(refused) = response.extensions_mut().remove::<Refused>() {
        debug!(
            route = spec.path,
            status = status.as_u16(),
            code = refused.code,
            "Refused"
        );
        // A stranger fills the audit log no faster than strangers may knock. Elsewhere than
        // on the open routes the turn was taken on the way in.
        let open = matches!(spec.class, Class::Open { .. });
        let heard = || !open || api.limits().unproven(peer.0).is_ok();
        if !refused.audited && is_news(spec, status) && heard() {
            api.note(event(api, spec, peer, caller, refused)).await;
        }
    }
    response
}

/// Faults are logged, slowed callers were told before, and looking for what is not there is
/// no attempt to change anything.
fn is_news(spec: &Spec, status: StatusCode) -> bool {
    let looked_in_vain = spec.method == Method::GET
        && matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::NOT_ACCEPTABLE
        );
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS && !looked_in_vain
}

fn event(
    api: &Api,
    spec: &Spec,
    Peer(peer): Peer,
    caller: Option<Caller>,
    refused: Refused,
) -> AuditEvent {
    let actor = match &caller {
        Some(caller) => Actor::from(&caller.principal),
        None => Actor::Nobody {
            claimed: String::new(),
            peer: peer.ip().to_string(),
        },
    };
    let mut event = AuditEvent::done(api.now(), "api.refuse", actor, refused.detail);
    event.outcome = AuditOutcome::Refused(refused.code.to_owned());
    event.user = caller.map(|caller| caller.principal.user);
    event.with(json!({ "method": spec.method.as_str(), "route": spec.path, "peer": peer.ip() }))
}
