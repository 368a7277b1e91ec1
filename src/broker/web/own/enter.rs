//! Browsers that nobody knows: sent to the console to sign in, and received from there.
//!
//! What goes out with them is an address and the hash of a number; what comes back is a code
//! that is good once, here, and in the browser that holds the number.

use std::sync::Arc;

use hyper::{Request, Response};
use tracing::warn;

use super::{see_other, set_cookie, wants_window};
use crate::{
    broker::web::{
        answer::Answer,
        body::Body,
        callers::{Unknown, is_own_bearer},
        headers::TOKEN,
        host::Place,
        proxy::Proxy,
        unread::Unread,
        visit::Visit,
    },
    identity::{
        browser::NotEntered,
        sign_in::SignInError,
        token::{Token, TokenKind},
    },
    model::web::WebPlace,
    page::{self, Fields},
};

/// The session of a browser on one target's host.
pub const COOKIE: &str = "__Host-doorward";

/// What it was given when it was sent away.
const BEGIN: &str = "__Host-doorward-begin";

/// How long somebody may take to sign in.
const BEGIN_FOR: u32 = 600;

impl Proxy {
    /// Sends a window to the console; everybody else is told no.
    pub fn begin(
        &self,
        place: &Place,
        request: &Request<Unread>,
        unknown: Unknown,
    ) -> Result<Response<Body>, Answer> {
        let headers = request.headers();
        let program = headers.contains_key(TOKEN) || is_own_bearer(headers);
        let helps = matches!(unknown, Unknown::Nobody | Unknown::Wrong);
        if program || !helps || !wants_window(request) {
            return Err(unknown.into());
        }
        let ways_in = self.gate.ways_in();
        let asked = request.uri().path_and_query();
        let asked = asked.map_or("/", |asked| asked.as_str());
        let to = |path| WebPlace::new(place.target.clone(), &ways_in.web, path);
        // What cannot be carried around begins at the front.
        let to = to(asked).or_else(|_| to("/")).expect("`/` is a path");
        let nonce = Token::generate(TokenKind::Nonce);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return", &to.to_string())
            .append_pair("nonce", &nonce.hash().to_string())
            .finish();
        let mut response = see_other(&format!("{}/sign-in?{query}", ways_in.console));
        let cookie = format!(
            "{BEGIN}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={BEGIN_FOR}",
            nonce.reveal()
        );
        set_cookie(&mut response, &cookie);
        Ok(response)
    }

    /// Receives a window from the console, and leads it to what it had asked for.
    pub async fn enter(
        &self,
        visit: &Arc<Visit>,
        place: &Place,
        request: &Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let query = request.uri().query().unwrap_or_default();
        let fields = Fields::read(query.as_bytes());
        let fields = fields.map_err(|error| Answer::bad_request("form", error.to_string()))?;
        let nonce = page::cookie(request.headers(), BEGIN);
        let nonce = nonce.map_err(|_| Unknown::DoubledCookie)?;
        let identity = self.gate.identity();
        let entered = identity.enter(fields.of("code"), place.host(), nonce, visit.peer.ip());
        let here = format!("https://{}", place.authority);
        match entered.await {
            Ok(entered) => {
                visit.signed_in(&entered.principal, &self.gate);
                let mut response = see_other(&format!("{here}{}", entered.path));
                let secret = entered.issued.secret.reveal();
                let cookie = format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax");
                set_cookie(&mut response, &cookie);
                let gone = format!("{BEGIN}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
                set_cookie(&mut response, &gone);
                Ok(response)
            }
            // Several windows began at once, and this is not the last: it begins again.
            Err(NotEntered::NotHere { path }) => Ok(see_other(&format!("{here}{path}"))),
            Err(NotEntered::SignIn(SignInError::Store(error))) => {
                warn!(%error, "Store failed while somebody came from the console");
                Err(Unknown::Lost.into())
            }
            Err(NotEntered::SignIn(_)) => Err(Answer::forbidden(
                "not-entered",
                "this link was used already, is older than a minute, or your browser did not \
                 keep the cookie with which it began",
            )
            .linked(format!("{here}/"))),
        }
    }
}
