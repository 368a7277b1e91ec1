//! The target's credential on its way into a request.
//!
//! Made once for a session and written into each of its requests. It is in no log, no
//! recording and no answer: what a target sends back of it in a header is dropped, in a page
//! covered (`veil`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use zeroize::Zeroizing;

use super::{errand::encoded, jar::Jar, masks::Masks};
use crate::{
    model::{permit::Permit, time::Timestamp, web::WebSignIn},
    session::{Credential, credential::AccountSecret},
};

pub enum Injected {
    Nothing,
    Header {
        name: HeaderName,
        /// Marked as sensitive, so that nobody prints it and HTTP/2 does not index it.
        value: HeaderValue,
        secret: Needles,
    },
    Query {
        /// `name=secret`, encoded.
        pair: Zeroizing<String>,
        name: String,
        secret: Needles,
    },
    /// The cookies of a sign-in.
    Jar(Jar),
}

/// What must not come back: the secret, and how it was sent.
pub struct Needles(Vec<Zeroizing<Vec<u8>>>);

/// Shorter ones would be found in everything.
const SHORTEST: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    #[error("the account's secret is no password")]
    NoPassword,
    #[error("the account's secret cannot be looked at")]
    Hidden,
    #[error("the account's password holds characters that no header can carry")]
    NotAHeader,
    #[error("the account's secret is none that this target takes")]
    OtherMeans,
}

impl Injected {
    pub fn new(
        sign_in: &WebSignIn,
        credential: &Credential,
        permit: &Permit,
    ) -> Result<Self, InjectError> {
        let AccountSecret::Password(secret) = &credential.secret else {
            return Err(InjectError::NoPassword);
        };
        let made = secret.expose(permit, |secret| make(sign_in, &credential.login, secret));
        made.map_err(|_| InjectError::Hidden)?
    }

    /// `Authorization: Bearer`, RFC 6750.
    pub fn bearer(token: &[u8]) -> Result<Self, InjectError> {
        let text = Zeroizing::new([b"Bearer ", token].concat());
        in_header(AUTHORIZATION, &text, [token, token])
    }

    /// The header that carries it, by name; a client's own is dropped.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header { name, .. } => Some(name.as_str()),
            _ => None,
        }
    }

    /// Puts it into the headers of a request for `path` at the target.
    pub fn fill(&self, headers: &mut HeaderMap, path: &str, now: Timestamp) {
        match self {
            Self::Header { name, value, .. } => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Jar(jar) => jar.fill(headers, path, now),
            Self::Nothing | Self::Query { .. } => {}
        }
    }

    /// The query with the secret in it, and without one of the same name from elsewhere.
    pub fn query_with(&self, query: Option<&str>) -> Option<Zeroizing<String>> {
        let Self::Query { pair, name, .. } = self else {
            return query.map(|query| Zeroizing::new(query.to_owned()));
        };
        let mut whole = Zeroizing::new(String::new());
        for part in query.unwrap_or_default().split('&') {
            let own = part.split('=').next().unwrap_or_default();
            if part.is_empty() || decoded(own) == name.as_bytes() {
                continue;
            }
            whole.push_str(part);
            whole.push('&');
        }
        whole.push_str(pair);
        Some(whole)
    }

    /// What an answer must not hold; nothing where it is too short to be told from other words.
    pub fn needles(&self) -> Vec<&[u8]> {
        match self {
            Self::Header { secret, .. } | Self::Query { secret, .. } => {
                secret.0.iter().map(|needle| &needle[..]).collect()
            }
            Self::Nothing | Self::Jar(_) => Vec::new(),
        }
    }

    /// Drops the headers of an answer that hold it, and keeps the cookies that belong to it.
    pub fn keep_out(&self, headers: &mut HeaderMap, path: &str, now: Timestamp) {
        if let Self::Jar(jar) = self {
            jar.take(headers, path, now);
        }
        let holds = |value: &[u8]| match self {
            Self::Nothing => false,
            Self::Header { secret, .. } | Self::Query { secret, .. } => secret.are_in(value),
            Self::Jar(jar) => jar.is_in(value),
        };
        let holding: Vec<HeaderName> = headers
            .iter()
            .filter(|(_, value)| holds(value.as_bytes()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in holding {
            headers.remove(name);
        }
    }
}

impl Injected {
    /// Takes what was sent of it out of a text.
    pub fn mask(&self, text: &mut Vec<u8>) {
        let mut masks = Masks::default();
        match self {
            Self::Nothing => return,
            Self::Header { secret, .. } | Self::Query { secret, .. } => {
                secret.0.iter().for_each(|needle| masks.add(needle));
            }
            Self::Jar(jar) => jar.each_value(|value| masks.add(value)),
        }
        *text = masks.out_of(std::mem::take(text), false);
    }
}

impl Needles {
    fn of<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let long = texts.into_iter().filter(|text| text.len() >= SHORTEST);
        Self(long.map(|text| Zeroizing::new(text.to_vec())).collect())
    }

    fn are_in(&self, value: &[u8]) -> bool {
        self.0.iter().any(|needle| {
            value.len() >= needle.len()
                && value.windows(needle.len()).any(|part| part == &needle[..])
        })
    }
}

fn in_header(name: HeaderName, text: &[u8], secret: [&[u8]; 2]) -> Result<Injected, InjectError> {
    let mut value = HeaderValue::from_bytes(text).map_err(|_| InjectError::NotAHeader)?;
    value.set_sensitive(true);
    let secret = Needles::of(secret);
    Ok(Injected::Header {
        name,
        value,
        secret,
    })
}

fn make(sign_in: &WebSignIn, login: &str, secret: &[u8]) -> Result<Injected, InjectError> {
    let header = |name, text: &[u8], sent: &[u8]| in_header(name, text, [secret, sent]);
    match sign_in {
        WebSignIn::None {} => Ok(Injected::Nothing),
        // They have a file of their own.
        WebSignIn::ClientCertificate {} | WebSignIn::ClientCredentials(_) | WebSignIn::Form(_) => {
            Err(InjectError::OtherMeans)
        }
        WebSignIn::Basic {} => {
            let pair = Zeroizing::new([login.as_bytes(), b":", secret].concat());
            let sent = Zeroizing::new(STANDARD.encode(&*pair));
            let text = Zeroizing::new(format!("Basic {}", *sent));
            header(AUTHORIZATION, text.as_bytes(), sent.as_bytes())
        }
        WebSignIn::Bearer {} => Injected::bearer(secret),
        WebSignIn::Header { name, template } => {
            let (before, behind) = template.around();
            let text = Zeroizing::new([before.as_bytes(), secret, behind.as_bytes()].concat());
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            header(name.map_err(|_| InjectError::NotAHeader)?, &text, secret)
        }
        WebSignIn::Query { name } => {
            let sent = encoded(secret);
            Ok(Injected::Query {
                pair: Zeroizing::new(format!("{name}={}", *sent)),
                name: name.to_string(),
                secret: Needles::of([secret, sent.as_bytes()]),
            })
        }
    }
}

/// A parameter's name as a server reads it.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3);
        let encoded = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, encoded) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sign_in: serde_json::Value, secret: &str) -> Result<Injected, InjectError> {
        let sign_in: WebSignIn = serde_json::from_value(sign_in).unwrap();
        make(&sign_in, "ops", secret.as_bytes())
    }

    fn headers(injected: &Injected) -> HeaderMap {
        let mut headers = HeaderMap::new();
        injected.fill(&mut headers, "/", Timestamp::from_millis(0));
        headers
    }

    #[test]
    fn each_way_puts_the_secret_where_it_belongs() {
        let basic = made(serde_json::json!({"by": "basic"}), "hunter22").unwrap();
        assert_eq!(headers(&basic)[AUTHORIZATION], "Basic b3BzOmh1bnRlcjIy");
        assert!(headers(&basic)[AUTHORIZATION].is_sensitive());
        let bearer = made(serde_json::json!({"by": "bearer"}), "hunter22").unwrap();
        assert_eq!(headers(&bearer)[AUTHORIZATION], "Bearer hunter22");
        let own = serde_json::json!({"by": "header", "name": "X-Key", "template": "k={secret};"});
        let own = made(own, "hunter22").unwrap();
        assert_eq!(headers(&own)["x-key"], "k=hunter22;");
        assert_eq!(own.header(), Some("x-key"));
        let lines = made(serde_json::json!({"by": "bearer"}), "a\r\nX: y");
        assert!(matches!(lines, Err(InjectError::NotAHeader)));
    }

    #[test]
    fn a_parameter_of_the_same_name_is_replaced_however_it_is_written() {
        let query = made(serde_json::json!({"by": "query", "name": "key"}), "a&b c").unwrap();
        let whole = |text: Option<&str>| query.query_with(text).unwrap().to_string();
        assert_eq!(whole(None), "key=a%26b%20c");
        assert_eq!(whole(Some("x=1&key=mine&y")), "x=1&y&key=a%26b%20c");
        assert_eq!(whole(Some("%6bey=mine&k%65y")), "key=a%26b%20c");
        let none = Injected::Nothing;
        assert_eq!(none.query_with(None), None);
        assert_eq!(none.query_with(Some("a=1")).unwrap().as_str(), "a=1");
    }

    #[test]
    fn what_comes_back_of_it_in_a_header_is_dropped() {
        let basic = made(serde_json::json!({"by": "basic"}), "hunter22").unwrap();
        let mut answer = HeaderMap::new();
        for (name, value) in [
            ("x-echo", "you sent Basic b3BzOmh1bnRlcjIy"),
            ("location", "https://elsewhere/?p=hunter22"),
            ("x-other", "hunter2"),
        ] {
            answer.insert(name, HeaderValue::from_static(value));
        }
        basic.keep_out(&mut answer, "/", Timestamp::from_millis(0));
        let left: Vec<_> = answer.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-other"]);
    }
}
