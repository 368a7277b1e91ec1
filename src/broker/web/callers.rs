//! Who sends a request: the one place where that is found out.
//!
//! Programs show a token of the gateway's, browsers the cookie of this very host. It is looked up again once a second at the most,
//! not for each request. What the target may see of it is decided in `headers`.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{HeaderMap, header::AUTHORIZATION};
use tracing::{debug, warn};

use super::{headers::TOKEN, own};
use crate::{
    clock::Stopwatch,
    identity::{
        sign_in::{Door, Identity, SignInError},
        token::{Token, TokenKind},
    },
    model::{
        ids::TokenId,
        principal::{Principal, Scope},
    },
    page,
};

/// Somebody whose token was verified.
#[derive(Debug)]
pub struct Caller {
    pub principal: Principal,
    pub token: TokenId,
    /// The sign-in that the token came out of.
    pub parent: Option<TokenId>,
    /// It came with the request by itself, and not because somebody put it there.
    pub by_cookie: bool,
}

/// What somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown<'a> {
    Token(&'a str),
    Cookie(&'a str),
}

/// Why nobody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They showed nothing.
    Nobody,
    /// What they showed opens nothing, or not any more.
    Wrong,
    /// More than one token.
    Doubled,
    /// More than one cookie of the gateway's: one of them was planted.
    DoubledCookie,
    /// The token is for something else.
    NoScope,
    /// They have shown so many that open nothing that they wait for so many seconds.
    Slowed(NonZeroU32),
    /// The gateway could not look.
    Lost,
}

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);
const MOST: usize = 10_000;

pub struct Callers {
    identity: Identity,
    /// By the token's hash, and for a cookie its host.
    known: Mutex<HashMap<String, (Stopwatch, Arc<Caller>)>>,
}

/// Whether `Authorization` speaks to the gateway, and so not to the target.
pub fn is_own_bearer(headers: &HeaderMap) -> bool {
    headers
        .get_all(AUTHORIZATION)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| bearer(text).is_some()))
}

/// A bearer token that is one of ours by its form.
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    let token = token.trim();
    let own = scheme.eq_ignore_ascii_case("bearer") && Token::parse(token).is_ok();
    own.then_some(token)
}

fn presented(headers: &HeaderMap) -> Result<Shown<'_>, Unknown> {
    let mut tokens = headers.get_all(TOKEN).iter();
    if let Some(token) = tokens.next() {
        return match tokens.next() {
            Some(_) => Err(Unknown::Doubled),
            None => Ok(Shown::Token(token.to_str().map_err(|_| Unknown::Wrong)?)),
        };
    }
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let first = authorizations.next().and_then(|value| value.to_str().ok());
    match (first.and_then(bearer), authorizations.next()) {
        (Some(_), Some(_)) => return Err(Unknown::Doubled),
        (Some(token), None) => return Ok(Shown::Token(token)),
        (None, _) => {}
    }
    match page::cookie(headers, own::COOKIE) {
        Ok(Some(cookie)) => Ok(Shown::Cookie(cookie)),
        Ok(None) => Err(Unknown::Nobody),
        Err(page::Doubled) => Err(Unknown::DoubledCookie),
    }
}

impl Callers {
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            known: Mutex::default(),
        }
    }

    /// `host` is the one that is asked for, without a port.
    pub async fn who(
        &self,
        headers: &HeaderMap,
        host: &str,
        peer: IpAddr,
    ) -> Result<Arc<Caller>, Unknown> {
        let shown = presented(headers)?;
        match (self.find(shown, host).await, shown) {
            // A cookie goes on being sent when it is over, with everything that a page loads.
            (Err(Unknown::Wrong), Shown::Token(_)) => Err(Box::pin(self.strange(peer)).await),
            (found, _) => found,
        }
    }

    async fn strange(&self, peer: IpAddr) -> Unknown {
        match self.identity.strange_token(peer, Door::Web).await {
            SignInError::Throttled(wait) => {
                let seconds = u32::try_from(wait.as_secs()).ok().and_then(NonZeroU32::new);
                Unknown::Slowed(seconds.unwrap_or(NonZeroU32::MIN))
            }
            _ => Unknown::Wrong,
        }
    }

    async fn find(&self, shown: Shown<'_>, host: &str) -> Result<Arc<Caller>, Unknown> {
        let (text, kind) = match shown {
            Shown::Token(text) => (text, TokenKind::Api),
            Shown::Cookie(text) => (text, TokenKind::Cookie),
        };
        let token = Token::parse(text).map_err(|_| Unknown::Wrong)?;
        if token.kind() != kind {
            return Err(Unknown::Wrong);
        }
        // INVARIANT: what was found out about a cookie on one host says nothing on another.
        let hash = match shown {
            Shown::Token(_) => token.hash().to_string(),
            Shown::Cookie(_) => format!("{host} {}", token.hash()),
        };
        if let Some(caller) = self.fresh(&hash) {
            return Ok(caller);
        }
        let caller = Box::pin(self.look(shown, host)).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &caller {
            Ok(caller) => {
                if known.len() >= MOST {
                    known.retain(|_, (since, _)| since.elapsed() < GOOD_FOR);
                }
                known.insert(hash, (Stopwatch::start(), caller.clone()));
            }
            Err(_) => {
                known.remove(&hash);
            }
        }
        caller
    }

    /// What is known and not old. The first who finds it old looks again, and the others go on
    /// with it meanwhile.
    fn fresh(&self, hash: &str) -> Option<Arc<Caller>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, caller) = known.get_mut(hash)?;
        if since.elapsed() < GOOD_FOR {
            return Some(caller.clone());
        }
        *since = Stopwatch::start();
        None
    }

    /// Signed out: the next who shows it, or what came out of it, is looked up.
    pub fn forget(&self, gone: &TokenId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .retain(|_, (_, caller)| caller.token != *gone && caller.parent.as_ref() != Some(gone));
    }

    async fn look(&self, shown: Shown<'_>, host: &str) -> Result<Arc<Caller>, Unknown> {
        let found = match shown {
            Shown::Token(text) => self.identity.token(text).await,
            Shown::Cookie(text) => self.identity.cookie(text, host).await,
        };
        match found {
            Ok((principal, _)) if !principal.may(Scope::Request) => Err(Unknown::NoScope),
            Ok((principal, token)) => Ok(Arc::new(Caller {
                principal,
                token: token.id,
                parent: token.parent,
                by_cookie: matches!(shown, Shown::Cookie(_)),
            })),
            Err(SignInError::Refused | SignInError::Throttled(_) | SignInError::Factor(_)) => {
                debug!("Token for a web target not known");
                Err(Unknown::Wrong)
            }
            Err(error @ (SignInError::Store(_) | SignInError::Vault(_))) => {
                warn!(%error, "Store failed while a token was looked up");
                Err(Unknown::Lost)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{COOKIE, HeaderName, HeaderValue};

    use super::*;

    fn shown(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn one_token_is_shown_in_one_place() {
        let token = Token::generate(TokenKind::Api);
        let ours = token.reveal();
        let bearer = format!("bearer {ours}");
        let own = |value: &'static str| (AUTHORIZATION, value);
        let ok = Ok(Shown::Token(ours));
        assert_eq!(presented(&shown(&[(TOKEN, ours)])), ok);
        assert_eq!(presented(&shown(&[(AUTHORIZATION, &bearer)])), ok);
        let both = shown(&[(TOKEN, ours), own("Bearer theirs")]);
        assert_eq!(presented(&both), ok);
        assert!(!is_own_bearer(&both));
        assert!(is_own_bearer(&shown(&[(AUTHORIZATION, &bearer)])));
        for (lines, why) in [
            (&[][..], Unknown::Nobody),
            (&[own("Bearer theirs")], Unknown::Nobody),
            (&[own("Basic b3BzOmh1bnRlcjIy")], Unknown::Nobody),
            (&[(TOKEN, ours), (TOKEN, ours)], Unknown::Doubled),
            (
                &[(COOKIE, "__Host-doorward=a; b=1; __Host-doorward=a")],
                Unknown::DoubledCookie,
            ),
            (
                &[(AUTHORIZATION, &*bearer), own("Basic x")],
                Unknown::Doubled,
            ),
        ] {
            assert_eq!(presented(&shown(lines)), Err(why), "{lines:?}");
        }
    }
}
