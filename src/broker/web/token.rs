//! A token of OAuth 2.0, fetched for the account's login and password (RFC 6749 s4.4).
//!
//! The password goes to the token's server alone, the token to the target alone. Neither is
//! in a log, an answer or a recording.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    errand::{self, Errand, FORM, Server, encoded, form},
    inject::Injected,
    pins::PinError,
};
use crate::{
    model::web::{ClientProof, TlsPin, TokenRequest, TokenUrl},
    session::Session,
};

/// Before a token expires it is replaced so much earlier, at the most.
const EARLIER: Duration = Duration::from_secs(30);
/// How long a token is used of which nobody says how long it is good.
const UNSAID: Duration = Duration::from_secs(3_600);
const LONGEST: usize = 16 * 1024;

/// Where tokens come from, and what is shown there.
pub struct TokenSource {
    url: TokenUrl,
    server: Server,
    /// The body of the request.
    body: Zeroizing<String>,
    /// Sensitive.
    authorization: Option<HeaderValue>,
}

/// As RFC 6749 s5.1 writes it, and the code of s5.2.
#[derive(Deserialize)]
struct Told {
    access_token: Option<String>,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
}

/// What a server may say of a no. Anything else it says is not repeated.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

impl TokenSource {
    pub fn new(
        asked: &TokenRequest,
        of_target: &[String],
        login: &str,
        secret: &[u8],
    ) -> Result<Self, PinError> {
        let lines: Vec<String> = match asked.pins.as_slice() {
            [] => of_target.to_vec(),
            pins => pins.iter().map(TlsPin::to_string).collect(),
        };
        let (host, authority) = (
            asked.token_url.address().host(),
            asked.token_url.authority(),
        );
        let server = Server::with_tls(&lines, None, host, authority)?;
        let mut fields: Vec<(&str, &[u8])> = vec![("grant_type", b"client_credentials")];
        if let Some(scope) = &asked.scope {
            fields.push(("scope", scope.as_str().as_bytes()));
        }
        let authorization = match asked.proof {
            ClientProof::Basic => Some(basic(login, secret)),
            ClientProof::Body => {
                fields.push(("client_id", login.as_bytes()));
                fields.push(("client_secret", secret));
                None
            }
        };
        Ok(Self {
            url: asked.token_url.clone(),
            server,
            body: form(fields),
            authorization,
        })
    }

    /// A new token, and how long it is to be used.
    pub async fn fetch(&self, session: &Session) -> Result<(Injected, Duration), String> {
        const WHO: &str = "the server of its token";
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, FORM);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let asked = Errand {
            method: Method::POST,
            path_and_query: &self.url.path_and_query(),
            headers,
            body: self.body.clone(),
        };
        let dialling = session.dial_to(self.url.address());
        let told = self.server.ask(dialling, asked).await;
        let told = told.map_err(|error| errand::failed(WHO, &session.target().name, &error))?;
        read(told.status, &told.body).map_err(|why| format!("{WHO} {why}"))
    }
}

/// RFC 6749 s2.3.1: both are encoded before they are put together.
fn basic(login: &str, secret: &[u8]) -> HeaderValue {
    let (login, secret) = (encoded(login.as_bytes()), encoded(secret));
    let pair = Zeroizing::new([login.as_bytes(), b":", secret.as_bytes()].concat());
    let text = Zeroizing::new(format!(
        "Basic {}",
        *Zeroizing::new(STANDARD.encode(&*pair))
    ));
    let mut value = HeaderValue::from_str(&text).expect("base64 is printable");
    value.set_sensitive(true);
    value
}

fn read(status: StatusCode, body: &[u8]) -> Result<(Injected, Duration), String> {
    let told: Option<Told> = serde_json::from_slice(body).ok();
    if status != StatusCode::OK {
        let known = |said: &str| ERRORS.into_iter().find(|error| *error == said);
        let said = told.and_then(|told| told.error);
        return Err(match said.as_deref().and_then(known) {
            Some(error) => format!("refused: {error}"),
            None => format!("refused, with status {}", status.as_u16()),
        });
    }
    let told = told.ok_or("answered with something that is no token")?;
    let token = Zeroizing::new(told.access_token.ok_or("gave no token")?);
    let is_bearer = told
        .token_type
        .is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !is_bearer {
        return Err("gave a token that is no bearer token".to_owned());
    }
    let sound =
        (1..=LONGEST).contains(&token.len()) && token.bytes().all(|it| it.is_ascii_graphic());
    let injected = match sound {
        true => Injected::bearer(token.as_bytes()).ok(),
        false => None,
    };
    let injected = injected.ok_or("gave a token that no header can carry")?;
    Ok((injected, used_for(told.expires_in.as_ref())))
}

/// Until shortly before it expires.
fn used_for(expires_in: Option<&serde_json::Value>) -> Duration {
    // Some servers write the number as a text.
    let seconds = expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    });
    let Some(seconds) = seconds else {
        return UNSAID;
    };
    let whole = Duration::from_secs(seconds);
    whole - EARLIER.min(whole / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> String {
        match read(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Ok(_) => panic!("taken: {body}"),
            Err(why) => why,
        }
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let body = r#"{"access_token":"abc.def-123","token_type":"bearer","expires_in":600}"#;
        let (injected, used_for) =
            read(StatusCode::OK, body.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(used_for, Duration::from_secs(570));
        let mut headers = HeaderMap::new();
        injected.fill(
            &mut headers,
            "/",
            crate::model::time::Timestamp::from_millis(0),
        );
        assert_eq!(headers[AUTHORIZATION], "Bearer abc.def-123");
        assert!(headers[AUTHORIZATION].is_sensitive());
        for (expires_in, seconds) in [
            ("\"60\"", 54),
            ("10", 9),
            ("0", 0),
            ("null", 3_600),
            ("-1", 3_600),
        ] {
            let value = serde_json::from_str(expires_in).unwrap();
            assert_eq!(
                super::used_for(Some(&value)).as_secs(),
                seconds,
                "{expires_in}"
            );
        }
    }

    #[test]
    fn what_is_no_token_is_said_without_what_was_answered() {
        for (status, body, why) in [
            (
                200,
                "<html>hunter22",
                "answered with something that is no token",
            ),
            (200, r#"{"token_type":"bearer"}"#, "gave no token"),
            (
                200,
                r#"{"access_token":"hunter22","token_type":"mac"}"#,
                "gave a token that is no bearer token",
            ),
            (
                200,
                r#"{"access_token":"hunter22"}"#,
                "gave a token that is no bearer token",
            ),
            (
                200,
                r#"{"access_token":"a b","token_type":"bearer"}"#,
                "gave a token that no header can carry",
            ),
            (
                200,
                r#"{"access_token":"","token_type":"bearer"}"#,
                "gave a token that no header can carry",
            ),
            (
                401,
                r#"{"error":"invalid_client"}"#,
                "refused: invalid_client",
            ),
            (400, r#"{"error":"hunter22"}"#, "refused, with status 400"),
            (302, "", "refused, with status 302"),
            (500, "hunter22", "refused, with status 500"),
        ] {
            assert_eq!(refused(status, body), why, "{body}");
        }
    }

    #[test]
    fn both_halves_are_encoded_before_they_are_put_together() {
        let value = basic("a:b", b"c d");
        let sent = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(sent).unwrap(), b"a%3Ab:c%20d");
    }
}
