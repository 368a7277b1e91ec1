//! HTTP to the gateway's API: one request, one answer or one failure with its next step.
//!
//! Never follows a redirect, never speaks without TLS, never sends a token to a server it
//! was not made for. What the API answers is handed on as it came.

use std::{error::Error as _, io, time::Duration};

use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use super::{
    exit::{Exit, Failure},
    hints,
    profile::Access,
    second,
    trust::{self, Trust},
};

/// The most that one page of a list may hold.
const PAGE: usize = 200;
const CONNECT: Duration = Duration::from_secs(10);
/// An answer that is not a stream.
const ANSWER: Duration = Duration::from_secs(60);

pub type Query = Vec<(&'static str, String)>;

/// What the gateway answered: to the byte for programs, parsed for people.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub value: Value,
    /// 201 rather than 200.
    pub created: bool,
}

impl Answer {
    pub fn items(&self) -> &[Value] {
        self.value["items"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// Where the gateway is: `https://host[:port]`, nothing behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server(Url);

#[derive(Debug, thiserror::Error)]
pub enum NotAServer {
    #[error("this is not the address of a gateway: https://host:port is expected")]
    Malformed,
    #[error("a password or token never goes over http: write https://…")]
    NotEncrypted,
}

impl std::str::FromStr for Server {
    type Err = NotAServer;
    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let text = text.trim_end_matches('/');
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url = Url::parse(&full).map_err(|_| NotAServer::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" => return Err(NotAServer::NotEncrypted),
            _ => return Err(NotAServer::Malformed),
        }
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if plain && url.host_str().is_some_and(|host| !host.is_empty()) {
            Ok(Self(url))
        } else {
            Err(NotAServer::Malformed)
        }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl Server {
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    fn at(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

pub struct Client {
    http: reqwest::Client,
    /// The API itself, where this runs inside the gateway.
    inside: Option<axum::Router>,
    server: Server,
    token: Option<Zeroizing<String>>,
}

impl Client {
    /// A client for what the profile, or the environment, says.
    pub fn new(access: &Access) -> Result<Self, Failure> {
        Self::open(&access.server, &access.trust, access.token.clone())
    }

    pub fn open(
        server: &Server,
        trust: &Trust,
        token: Option<Zeroizing<String>>,
    ) -> Result<Self, Failure> {
        let http = trust::apply(trust, reqwest::Client::builder())?
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("doorward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::fault(format!("cannot set up TLS: {error}")))?;
        Ok(Self {
            http,
            inside: None,
            server: server.clone(),
            token,
        })
    }

    /// A client inside the gateway: the same requests, answered by the API without a network.
    pub fn inside(api: axum::Router, token: Zeroizing<String>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            // It never connects, so it believes nobody.
            .tls_certs_only([])
            .build()
            .map_err(|error| Failure::fault(format!("cannot set up requests: {error}")))?;
        Ok(Self {
            http,
            inside: Some(api),
            server: Server(Url::parse("https://localhost").expect("a host behind TLS")),
            token: Some(token),
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<reqwest::Response> {
        let Some(api) = &self.inside else {
            return request.send().await;
        };
        let request = axum::http::Request::try_from(request.build()?)?;
        let answered = api
            .clone()
            .oneshot(request.map(axum::body::Body::new))
            .await;
        let response = answered.unwrap_or_else(|never| match never {});
        let stream = |body: axum::body::Body| reqwest::Body::wrap_stream(body.into_data_stream());
        Ok(response.map(stream).into())
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub async fn get(&self, path: &[&str], query: &Query) -> Result<Answer, Failure> {
        self.answer(self.request(Method::GET, path, query)).await
    }

    pub async fn post(&self, path: &[&str], body: &impl Serialize) -> Result<Answer, Failure> {
        let answer = self.post_once(path, body).await;
        let wanted = |failure: &Failure| match failure.code() {
            Some("step-up") => Some(second::Wanted::Factor),
            Some("prove-again") => Some(second::Wanted::AnyProof),
            _ => None,
        };
        match answer {
            Err(failure) if self.inside.is_none() && wanted(&failure).is_some() => {
                match Box::pin(second::prove(self, wanted(&failure))).await? {
                    true => self.post_once(path, body).await,
                    false => Err(failure),
                }
            }
            answer => answer,
        }
    }

    /// Without asking anybody for a fresh proof.
    pub async fn post_once(&self, path: &[&str], body: &impl Serialize) -> Result<Answer, Failure> {
        self.answer(self.request(Method::POST, path, &Query::new()).json(body))
            .await
    }

    pub async fn put(&self, path: &[&str], body: &impl Serialize) -> Result<Answer, Failure> {
        self.answer(self.request(Method::PUT, path, &Query::new()).json(body))
            .await
    }

    pub async fn patch(&self, path: &[&str], body: &impl Serialize) -> Result<Answer, Failure> {
        self.answer(self.request(Method::PATCH, path, &Query::new()).json(body))
            .await
    }

    pub async fn delete(&self, path: &[&str]) -> Result<Answer, Failure> {
        self.answer(self.request(Method::DELETE, path, &Query::new()))
            .await
    }

    /// A list, page after page, until `limit` items are there or nothing is left.
    pub async fn list(
        &self,
        path: &[&str],
        query: &Query,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        let mut looked = 0;
        loop {
            let wanted = (limit - items.len()).min(PAGE);
            let mut page = query.clone();
            page.push(("limit", wanted.to_string()));
            page.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut answer = self.get(path, &page).await?;
            let next = answer.value["next"].as_str().map(str::to_owned);
            // One page that holds everything is handed on to the byte.
            let first = items.is_empty() && looked == 0;
            looked += 1;
            if first && (next.is_none() || answer.items().len() >= limit) {
                return Ok(answer);
            }
            let Value::Array(mut more) = answer.value["items"].take() else {
                return Err(not_doorward(&self.server));
            };
            items.append(&mut more);
            if next.is_none() || items.len() >= limit {
                let value = json!({"items": items, "next": next});
                return Ok(Answer {
                    text: value.to_string(),
                    value,
                    created: false,
                });
            }
            cursor = next;
        }
    }

    /// Whether the certificate is believed; whatever else the gateway says does not matter here.
    pub async fn is_trusted(&self) -> Result<bool, Failure> {
        let request = self
            .request(Method::GET, &["me"], &Query::new())
            .timeout(ANSWER);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if distrust(&error).is_some() => Ok(false),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    /// An answer that is read while it comes: events, a recording, an export.
    pub async fn stream(&self, path: &[&str], query: &Query) -> Result<reqwest::Response, Failure> {
        let response = self
            .send(self.request(Method::GET, path, query))
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        Err(self.refused(status, &text))
    }

    fn request(&self, method: Method, path: &[&str], query: &Query) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.server.at(path, query));
        match &self.token {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
        let response = self
            .send(request.timeout(ANSWER))
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            return Err(self.refused(status, &text));
        }
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).map_err(|_| not_doorward(&self.server))?
        };
        Ok(Answer {
            text,
            value,
            created: status == StatusCode::CREATED,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let server = &self.server;
        if let Some(why) = distrust(error) {
            return Failure::new(
                Exit::Unreachable,
                format!("the certificate of {server} is not trusted ({why})"),
            )
            .next(format!(
                "if it was changed on purpose, run `doorward login --server {server} --fingerprint …`"
            ));
        }
        let why = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            cause(error)
        };
        Failure::new(Exit::Unreachable, format!("cannot reach {server} ({why})"))
            .next("check the address and that the gateway runs")
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        match serde_json::from_str::<Value>(text) {
            Ok(problem) if problem.is_object() => {
                problem_failure(status, problem, self.token.is_some(), &self.server)
            }
            _ if status == StatusCode::UNAUTHORIZED => not_signed_in(&self.server),
            _ if status.is_server_error() => {
                Failure::new(Exit::Fault, format!("{} answered {status}", self.server))
                    .next("look at the gateway's log")
            }
            _ => not_doorward(&self.server),
        }
    }
}

/// What to do when nobody is signed in.
pub fn not_signed_in(server: &Server) -> Failure {
    Failure::new(Exit::NotSignedIn, "not signed in")
        .next(format!("run `doorward login --server {server}`"))
}

fn not_doorward(server: &Server) -> Failure {
    Failure::new(
        Exit::Fault,
        format!("{server} does not answer like a Doorward gateway"),
    )
    .next("check the address")
}

/// The gateway's no, as our exit code and sentence.
fn problem_failure(
    status: StatusCode,
    problem: Value,
    signed_in: bool,
    server: &Server,
) -> Failure {
    let field = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let code = field("code").unwrap_or_default().to_owned();
    let mut sentence = field("detail")
        .or(field("title"))
        .map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
    for wrong in problem["fields"].as_array().into_iter().flatten() {
        if let (Some(name), Some(why)) = (
            wrong["field"].as_str().or(wrong["name"].as_str()),
            wrong["message"].as_str().or(wrong["detail"].as_str()),
        ) && !sentence.contains(why)
        {
            sentence.push_str(&format!("; {name}: {why}"));
        }
    }
    let exit = exit_of(status, &code);
    // The gateway speaks of its addresses; where this command line has words of its own, they win.
    let hint = match exit {
        Exit::NotSignedIn if signed_in => Some(format!("run `doorward login --server {server}`")),
        _ => hints::after(&code)
            .or(field("hint"))
            .or(match exit {
                Exit::Later => Some("try again in a moment"),
                Exit::Fault => Some("look at the gateway's log"),
                _ => None,
            })
            .map(str::to_owned),
    };
    let failure = Failure::new(exit, sentence).with_problem(problem);
    match hint {
        Some(hint) => failure.next(hint),
        None => failure,
    }
}

fn exit_of(status: StatusCode, code: &str) -> Exit {
    match status.as_u16() {
        401 => Exit::NotSignedIn,
        404 | 410 => Exit::NotFound,
        409 if code == "recording-changed" => Exit::Broken,
        // A refusal by the rules stays one, whatever status it travels under.
        409 if matches!(code, "conflict" | "already-there" | "in-use" | "last-admin") => {
            Exit::Conflict
        }
        429 | 503 => Exit::Later,
        400 | 413 | 415 => Exit::Usage,
        422 if code == "invalid" => Exit::Usage,
        400..500 => Exit::Refused,
        _ => Exit::Fault,
    }
}

/// Why the certificate was not taken, if that is what went wrong.
fn distrust(error: &reqwest::Error) -> Option<String> {
    match tls_error(error.source()?)? {
        rustls::Error::InvalidCertificate(why) => Some(plain(why)),
        _ => None,
    }
}

/// What rustls said, however deep: an I/O error hides what is in it from `source`.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let hidden = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .and_then(|hidden| tls_error(hidden));
    hidden.or_else(|| tls_error(error.source()?))
}

fn plain(error: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Wrong;
    match error {
        Wrong::UnknownIssuer => "nobody known has signed it".to_owned(),
        Wrong::Expired | Wrong::ExpiredContext { .. } => "it has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        Wrong::ApplicationVerificationFailure => "it is not the pinned one".to_owned(),
        other => other.to_string(),
    }
}

/// The innermost cause: that is where the network says what it means.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Server {
        "gw.example.org:8443".parse().unwrap()
    }

    #[test]
    fn a_server_is_a_host_behind_tls() {
        for (text, shown) in [
            ("gw.example.org:8443", "https://gw.example.org:8443"),
            ("https://gw.example.org/", "https://gw.example.org"),
            ("[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), shown);
        }
        for text in [
            "http://gw",
            "ftp://gw",
            "https://u:p@gw",
            "https://gw/x",
            "https://gw?x",
            "",
        ] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_cannot_leave_its_segment() {
        let path = ["users", "a/../b?c", "ssh-keys", "SHA256:x+/y"];
        let url = server().at(&path, &Query::new());
        assert_eq!(
            url.as_str(),
            "https://gw.example.org:8443/api/v1/users/a%2F..%2Fb%3Fc/ssh-keys/SHA256:x+%2Fy"
        );
    }

    #[test]
    fn each_answer_has_its_exit_code() {
        for (status, code, exit) in [
            (401, "unauthenticated", Exit::NotSignedIn),
            (403, "forbidden", Exit::Refused),
            (404, "not-found", Exit::NotFound),
            (409, "conflict", Exit::Conflict),
            (409, "already-ended", Exit::Refused),
            (422, "ticket-format", Exit::Refused),
            (422, "invalid", Exit::Usage),
            (400, "invalid", Exit::Usage),
            (429, "rate-limited", Exit::Later),
            (500, "internal", Exit::Fault),
            (503, "shutting-down", Exit::Later),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(exit_of(status, code), exit, "{status} {code}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_taken_is_found_however_deep() {
        let refused = rustls::Error::from(rustls::CertificateError::UnknownIssuer);
        let deep = io::Error::other(io::Error::other(refused));
        assert!(matches!(
            tls_error(&deep),
            Some(rustls::Error::InvalidCertificate(_))
        ));
        assert!(tls_error(&io::Error::other("reset")).is_none());
    }

    #[test]
    fn a_problem_becomes_one_sentence_with_its_hint() {
        let problem = json!({
            "detail": "nobody approves their own request",
            "code": "self-approval",
            "hint": "POST /api/v1/checkouts/{id}/assign",
        });
        let Failure::Said(said) = problem_failure(StatusCode::FORBIDDEN, problem, true, &server())
        else {
            panic!("it is said")
        };
        assert_eq!(said.exit, Exit::Refused);
        assert_eq!(
            said.to_string(),
            "nobody approves their own request: another approver must answer it"
        );
    }
}
