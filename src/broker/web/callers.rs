//! Who sends a request: the one place where that is found out.
//!
//! Programs show a token of the gateway's. It is looked up again once a second at the most,
//! not for each request. What the target may see of it is decided in `headers`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{HeaderMap, header::AUTHORIZATION};
use tracing::{debug, warn};

use super::headers::TOKEN;
use crate::{
    clock::Stopwatch,
    identity::{
        sign_in::{Identity, SignInError},
        token::{Token, TokenKind},
    },
    model::{
        ids::TokenId,
        principal::{Principal, Scope},
    },
};

/// Somebody whose token was verified.
#[derive(Debug)]
pub struct Caller {
    pub principal: Principal,
    pub token: TokenId,
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
    /// The token is for something else.
    NoScope,
    /// The gateway could not look.
    Lost,
}

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_secs(1);
const MOST: usize = 10_000;

pub struct Callers {
    identity: Identity,
    /// By the token's hash.
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

fn presented(headers: &HeaderMap) -> Result<&str, Unknown> {
    let mut tokens = headers.get_all(TOKEN).iter();
    if let Some(token) = tokens.next() {
        return match tokens.next() {
            Some(_) => Err(Unknown::Doubled),
            None => token.to_str().map_err(|_| Unknown::Wrong),
        };
    }
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let first = authorizations.next().and_then(|value| value.to_str().ok());
    match (first.and_then(bearer), authorizations.next()) {
        (Some(_), Some(_)) => Err(Unknown::Doubled),
        (Some(token), None) => Ok(token),
        (None, _) => Err(Unknown::Nobody),
    }
}

impl Callers {
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            known: Mutex::default(),
        }
    }

    pub async fn who(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Unknown> {
        let text = presented(headers)?;
        let token = Token::parse(text).map_err(|_| Unknown::Wrong)?;
        if token.kind() != TokenKind::Api {
            return Err(Unknown::Wrong);
        }
        let hash = token.hash().to_string();
        if let Some(caller) = self.fresh(&hash) {
            return Ok(caller);
        }
        let caller = self.look(text).await;
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

    async fn look(&self, text: &str) -> Result<Arc<Caller>, Unknown> {
        match self.identity.token(text).await {
            Ok((principal, _)) if !principal.may(Scope::Request) => Err(Unknown::NoScope),
            Ok((principal, token)) => Ok(Arc::new(Caller {
                principal,
                token: token.id,
            })),
            Err(SignInError::Refused | SignInError::Throttled(_)) => {
                debug!("Token for a web target not known");
                Err(Unknown::Wrong)
            }
            Err(SignInError::Store(error)) => {
                warn!(%error, "Store failed while a token was looked up");
                Err(Unknown::Lost)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

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
        assert_eq!(presented(&shown(&[(TOKEN, ours)])), Ok(ours));
        assert_eq!(presented(&shown(&[(AUTHORIZATION, &bearer)])), Ok(ours));
        let both = shown(&[(TOKEN, ours), own("Bearer theirs")]);
        assert_eq!(presented(&both), Ok(ours));
        assert!(!is_own_bearer(&both));
        assert!(is_own_bearer(&shown(&[(AUTHORIZATION, &bearer)])));
        for (lines, why) in [
            (&[][..], Unknown::Nobody),
            (&[own("Bearer theirs")], Unknown::Nobody),
            (&[own("Basic b3BzOmh1bnRlcjIy")], Unknown::Nobody),
            (&[(TOKEN, ours), (TOKEN, ours)], Unknown::Doubled),
            (
                &[(AUTHORIZATION, &*bearer), own("Basic x")],
                Unknown::Doubled,
            ),
        ] {
            assert_eq!(presented(&shown(lines)), Err(why), "{lines:?}");
        }
    }
}
