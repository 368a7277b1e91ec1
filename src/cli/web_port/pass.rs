//! A request of the local port on its way to the gateway, and the answer on its way back.
//!
//! Adds the token, and lets the two names of one place stand for each other. Keeps no body.

use std::net::SocketAddr;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use reqwest::Url;

use super::gatekeeper::told;
use crate::{
    cli::{
        exit::{Exit, Failure},
        profile::Access,
        trust,
    },
    model::name::AccountName,
};

pub type Body = BoxBody<Bytes, reqwest::Error>;

pub struct Passer {
    /// HTTP/2 where the gateway speaks it.
    http: reqwest::Client,
    /// For what is upgraded.
    http1: reqwest::Client,
    /// `https://wiki.door.example.org:8444`.
    there: String,
    /// `http://127.0.0.1:40000`.
    here: String,
    token: HeaderValue,
    account: Option<HeaderValue>,
}

/// Of one connection alone, and what is only for the gateway.
const DROPPED: [HeaderName; 9] = [
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Passer {
    pub async fn open(
        access: &Access,
        authority: &str,
        port: u16,
        account: Option<&AccountName>,
    ) -> Result<Self, Failure> {
        let there = format!("https://{authority}");
        let url = Url::parse(&there)
            .map_err(|error| Failure::fault(format!("{there} is no address: {error}")))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let found = found(&host, access).await?;
        let client = || -> Result<reqwest::ClientBuilder, Failure> {
            let builder = trust::apply(&access.trust, reqwest::Client::builder())?
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy();
            Ok(match found.is_empty() {
                true => builder,
                false => builder.resolve_to_addrs(&host, &found),
            })
        };
        let failed = |error| Failure::fault(format!("cannot set up TLS: {error}"));
        let text = access.token.as_ref().map_or("", |token| token.as_str());
        let mut token = HeaderValue::from_str(text)
            .map_err(|_| Failure::usage("the token is none that a header could carry"))?;
        token.set_sensitive(true);
        Ok(Self {
            http: client()?.build().map_err(failed)?,
            http1: client()?.http1_only().build().map_err(failed)?,
            there,
            here: format!("http://127.0.0.1:{port}"),
            token,
            account: account.and_then(|it| HeaderValue::from_str(it.as_str()).ok()),
        })
    }

    /// Never fails: what goes wrong is an answer too.
    pub async fn pass(&self, mut request: Request<Incoming>) -> Response<Body> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str());
        let Ok(url) = Url::parse(&format!("{}{path}", self.there)) else {
            let why = "doorward: this address cannot be passed on\n";
            return told(StatusCode::BAD_REQUEST, why);
        };
        let upgrade = request.headers().get(header::UPGRADE).cloned();
        let person = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        self.outward(&mut headers);
        let http = match &upgrade {
            None => &self.http,
            Some(upgrade) => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
                headers.insert(header::UPGRADE, upgrade.clone());
                &self.http1
            }
        };
        let mut asked = http.request(parts.method, url).headers(headers);
        if !hyper::body::Body::is_end_stream(&body) {
            asked = asked.body(reqwest::Body::wrap(body));
        }
        match asked.send().await {
            Ok(answer) => self.answered(answer, person),
            Err(error) => {
                tracing::debug!(%error, "Gateway not reached");
                told(
                    StatusCode::BAD_GATEWAY,
                    "doorward: the gateway cannot be reached, or cannot be trusted\n",
                )
            }
        }
    }

    fn answered(
        &self,
        answer: reqwest::Response,
        person: Option<hyper::upgrade::OnUpgrade>,
    ) -> Response<Body> {
        let status = answer.status();
        let mut headers = answer.headers().clone();
        let upgraded = headers.get(header::UPGRADE).cloned();
        self.inward(&mut headers);
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = StreamBody::new(answer.bytes_stream().map_ok(Frame::data));
            return response(status, headers, BodyExt::boxed(body));
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Some(upgraded) = upgraded {
            headers.insert(header::UPGRADE, upgraded);
        }
        if let Some(person) = person {
            // Ends with either of its two connections, both of which end with this process.
            tokio::spawn(async move {
                if let (Ok(person), Ok(mut there)) = tokio::join!(person, answer.upgrade()) {
                    let mut person = TokioIo::new(person);
                    tokio::io::copy_bidirectional(&mut person, &mut there)
                        .await
                        .ok();
                }
            });
        }
        let nothing = http_body_util::Empty::new().map_err(|never| match never {});
        response(status, headers, BodyExt::boxed(nothing))
    }

    fn outward(&self, headers: &mut HeaderMap) {
        for name in DROPPED {
            headers.remove(name);
        }
        let own: Vec<HeaderName> = headers
            .keys()
            .filter(|name| name.as_str().starts_with("doorward-"))
            .cloned()
            .collect();
        for name in own {
            headers.remove(name);
        }
        for name in [header::ORIGIN, header::REFERER] {
            self.renamed(headers, &name, &self.here, &self.there);
            let by_name = self.here.replace("127.0.0.1", "localhost");
            self.renamed(headers, &name, &by_name, &self.there);
        }
        headers.insert(
            HeaderName::from_static("doorward-token"),
            self.token.clone(),
        );
        if let Some(account) = &self.account {
            headers.insert(HeaderName::from_static("doorward-account"), account.clone());
        }
    }

    fn inward(&self, headers: &mut HeaderMap) {
        for name in DROPPED {
            headers.remove(name);
        }
        // A promise about the gateway's name, which this port does not have.
        headers.remove(header::STRICT_TRANSPORT_SECURITY);
        for name in [header::LOCATION, header::CONTENT_LOCATION] {
            self.renamed(headers, &name, &self.there, &self.here);
        }
        let cookies: Vec<HeaderValue> = headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(unsecured)
            .collect();
        headers.remove(header::SET_COOKIE);
        for cookie in cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
    }

    fn renamed(&self, headers: &mut HeaderMap, name: &HeaderName, from: &str, to: &str) {
        let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) else {
            return;
        };
        let rest = text.strip_prefix(from);
        let Some(rest) = rest.filter(|it| it.is_empty() || it.starts_with(['/', '?', '#'])) else {
            return;
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{to}{rest}")) {
            headers.insert(name, value);
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Without `Secure`: between here and the browser there is no TLS, and nobody else either.
fn unsecured(cookie: &HeaderValue) -> HeaderValue {
    let Ok(text) = cookie.to_str() else {
        return cookie.clone();
    };
    let kept: Vec<&str> = text
        .split(';')
        .filter(|part| !part.trim().eq_ignore_ascii_case("secure"))
        .collect();
    HeaderValue::from_str(&kept.join(";")).unwrap_or_else(|_| cookie.clone())
}

/// Where the gateway's web names are found, if not by the resolver: those of `localhost` are
/// known to browsers and to few resolvers, and mean the machine that the gateway is on.
async fn found(host: &str, access: &Access) -> Result<Vec<SocketAddr>, Failure> {
    if !host.ends_with(".localhost") {
        return Ok(Vec::new());
    }
    let gateway = access.server.host().trim_matches(['[', ']']);
    let found = tokio::net::lookup_host((gateway, 0)).await;
    let found = found.map_err(|error| {
        Failure::new(
            Exit::Unreachable,
            format!("{gateway} is not found by name: {error}"),
        )
    })?;
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_loses_what_it_could_not_be_kept_with() {
        for (cookie, kept) in [
            ("a=1; Secure; Path=/", "a=1; Path=/"),
            ("a=secure;secure", "a=secure"),
            ("a=1", "a=1"),
        ] {
            assert_eq!(unsecured(&HeaderValue::from_static(cookie)), kept);
        }
    }
}
