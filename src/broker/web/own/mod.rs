//! What the gateway keeps for itself on every target's host: `/.doorward/…`.
//!
//! Browsers arrive here, ask here and leave here. None of it goes to a target, none of it is
//! done for a page that is not the gateway's, and a cookie works on its own host only.

mod ask;
mod enter;
mod wait;

pub use self::{ask::account, enter::COOKIE};

use std::sync::{Arc, Weak};

use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::{
    answer::{Answer, wants_page},
    body::Body,
    callers::Caller,
    host::Place,
    proxy::Proxy,
    unread::Unread,
    visit::Visit,
};
use crate::{
    model::web::CanonicalPath,
    page::{self, Page},
};

/// Paths of the gateway's own on every target's host.
const OWN: &str = "/.doorward";

/// How often it is looked whether those who are here are still signed in.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

pub fn is_own(path: &CanonicalPath) -> bool {
    path.as_str() == OWN || path.as_str().starts_with("/.doorward/")
}

impl Proxy {
    pub async fn own(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        path: &CanonicalPath,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let path = path.as_str().strip_prefix(OWN).unwrap_or_default();
        match (request.method(), path) {
            (&Method::GET, "/enter") => self.enter(visit, place, request).await,
            (&Method::GET, "/banner.js") => Ok(self.banner()),
            (&Method::GET, "/time") => self.time_left(visit, place, request).await,
            (&Method::GET, "/events") => self.events(visit, place, request).await,
            (&Method::POST, "/ask") => self.ask(visit, place, request).await,
            (&Method::POST, "/cancel") => self.cancel(visit, place, request).await,
            (&Method::POST, "/account") => self.choose_account(visit, place, request).await,
            (&Method::POST, "/sign-out") => self.sign_out(visit, place, request).await,
            _ => Err(Answer::nothing_here()),
        }
    }

    /// Who is here, at something of the gateway's own.
    async fn here(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        headers: &HeaderMap,
    ) -> Result<Arc<Caller>, Answer> {
        let from = visit.peer.ip();
        let caller = self.callers.who(headers, place.host(), from).await?;
        visit.signed_in(&caller.principal, &self.gate);
        Ok(caller)
    }

    /// Who looks at something of the gateway's own that only its page on this host asks for.
    pub async fn looking(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &Request<Unread>,
    ) -> Result<Arc<Caller>, Answer> {
        let caller = self.here(visit, place, request.headers()).await?;
        not_from_elsewhere(request, place)?;
        Ok(caller)
    }

    /// Who sends a form of the gateway's own page on this host.
    async fn at_own_page(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        headers: &HeaderMap,
    ) -> Result<Arc<Caller>, Answer> {
        let caller = self.here(visit, place, headers).await?;
        if !page::is_same_origin(headers, &place.authority) {
            return Err(Answer::forbidden(
                "cross-origin",
                "another page has sent this, and nothing was done",
            ));
        }
        Ok(caller)
    }

    async fn sign_out(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let caller = self.at_own_page(visit, place, request.headers()).await?;
        if !caller.by_cookie {
            return Err(Answer::nothing_here());
        }
        let identity = self.gate.identity();
        let done = identity.sign_out(&caller.principal, &caller.token).await;
        done.map_err(|error| {
            warn!(%error, "Sign-out failed");
            Answer::from(super::callers::Unknown::Lost)
        })?;
        self.left(&caller.token);
        let page = Page::new("Signed out")
            .says("You are signed out here, at the console and on every other target.")
            .links("/", &format!("Sign in again at {}", place.authority));
        let mut response = shown(StatusCode::OK, &page, "", None);
        let gone = format!(
            "{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
            enter::COOKIE
        );
        set_cookie(&mut response, &gone);
        Ok(response)
    }

    /// Everything under this token, and under those that came out of it, ends.
    fn left(&self, token: &crate::model::ids::TokenId) {
        self.callers.forget(token);
        self.sessions
            .signed_out(|known, parent| known == token || parent == Some(token));
    }
}

/// Ends what belongs to sign-ins that are over: at once where that was done in this process,
/// within a second where another did it or time has.
pub fn follow_sign_outs(proxy: &Arc<Proxy>) -> AbortOnDropHandle<()> {
    let mut told = proxy.gate.identity().signed_out();
    let proxy = Arc::downgrade(proxy);
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let token = tokio::select! {
                token = told.recv() => token.ok(),
                _ = looks.tick() => None,
            };
            let Some(proxy) = Weak::upgrade(&proxy) else {
                return;
            };
            match token {
                Some(token) => proxy.left(&token),
                None => look(&proxy).await,
            }
        }
    }))
}

async fn look(proxy: &Proxy) {
    let here = proxy.sessions.tokens();
    if here.is_empty() {
        return;
    }
    match proxy.gate.identity().standing(&here).await {
        Ok(standing) => {
            let gone = here.iter().filter(|token| !standing.contains(*token));
            gone.for_each(|token| proxy.left(token));
        }
        // A store that stays away ends sessions by itself.
        Err(error) => warn!(%error, "Not known who is still signed in"),
    }
}

/// A cookie speaks for its host alone: a page of another host, be it a sibling, may lead
/// somebody here, and do nothing in their name. (`SameSite` would let siblings.)
pub fn not_from_elsewhere(request: &Request<Unread>, place: &Place) -> Result<(), Answer> {
    let headers = request.headers();
    let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let may = match site {
        Some(b"same-origin" | b"none") => true,
        Some(_) => reads && is_window(headers),
        // Older browsers say at least where a change comes from.
        None => {
            reads
                || !headers.contains_key(header::ORIGIN)
                || page::is_same_origin(headers, &place.authority)
        }
    };
    if may {
        return Ok(());
    }
    Err(Answer::forbidden(
        "cross-origin",
        "a page of another address asks this in your name; the gateway does not pass it on",
    ))
}

/// A script that browsers keep and ask before the gateway: it would show a target's pages after
/// the end, and read what is between this host and the console.
pub fn no_service_worker(headers: &HeaderMap) -> Result<(), Answer> {
    if !headers.contains_key("service-worker") {
        return Ok(());
    }
    Err(Answer::forbidden(
        "no-service-worker",
        "a service worker would outlive the check-out, so the gateway does not pass one on",
    ))
}

/// Whether a person looks at what is answered, in a window and not in a frame.
fn wants_window(request: &Request<Unread>) -> bool {
    *request.method() == Method::GET
        && wants_page(request.method(), request.headers())
        && is_window(request.headers())
}

/// What browsers do not say is not held against them.
fn is_window(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &str| headers.get(name).is_none_or(|value| value == what);
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// A page of the gateway's own.
pub fn shown(status: StatusCode, page: &Page, forms: &str, script: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::text(page.html()));
    *response.status_mut() = status;
    let policy = page::policy(forms, script);
    let headers = response.headers_mut();
    for (name, value) in page::PRIVATE {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        headers.insert(name, value);
    }
    let policy = HeaderValue::from_str(&policy).expect("policies of ours are ASCII");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn see_other(address: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let address = HeaderValue::from_str(address).expect("it was held to be ASCII");
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, address);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let none = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, none);
    response
}

fn set_cookie(response: &mut Response<Body>, cookie: &str) {
    let cookie = HeaderValue::from_str(cookie).expect("cookies of ours are ASCII");
    response.headers_mut().append(header::SET_COOKIE, cookie);
}
