//! Who may use the local port: programs, and pages of this very address.
//!
//! A page of another site reaches ports of this machine too, by a link, a script or a name
//! that it lets point here (DNS rebinding). It is refused before anything is asked for.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{self, HeaderValue},
};

use super::pass::Body;

#[derive(Debug, Clone, Copy)]
pub struct Gatekeeper {
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It was asked for by another name.
    Host,
    /// Another site asks.
    CrossSite,
    /// Another user of this machine asks.
    Stranger,
}

impl Gatekeeper {
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    pub fn admits(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let one = |name| -> Result<Option<&str>, ()> {
            let mut values = headers.get_all(name).iter();
            match (values.next().map(HeaderValue::to_str), values.next()) {
                (None, _) => Ok(None),
                (Some(Ok(text)), None) => Ok(Some(text)),
                _ => Err(()),
            }
        };
        let own = [
            format!("127.0.0.1:{}", self.port),
            format!("localhost:{}", self.port),
        ];
        let host = one(header::HOST).map_err(|()| Refused::Host)?;
        let Some(host) = host.filter(|host| own.iter().any(|own| own.eq_ignore_ascii_case(host)))
        else {
            return Err(Refused::Host);
        };
        // What browsers say by themselves, and no page can change (W3C Fetch Metadata).
        match one(header::HeaderName::from_static("sec-fetch-site")) {
            Ok(None | Some("same-origin" | "none")) => {}
            _ => return Err(Refused::CrossSite),
        }
        let same = |origin: &str| {
            let origin = origin.strip_prefix("http://");
            origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        };
        match one(header::ORIGIN) {
            Ok(None) => Ok(()),
            Ok(Some(origin)) if same(origin) => Ok(()),
            _ => Err(Refused::CrossSite),
        }
    }
}

impl Refused {
    pub fn answer(self) -> Response<Body> {
        let (status, why) = match self {
            Self::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "doorward: this port is asked for as 127.0.0.1 or localhost, with its number\n",
            ),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "doorward: a page of another site asked for this; open the address yourself\n",
            ),
            Self::Stranger => (
                StatusCode::FORBIDDEN,
                "doorward: this port is for the user who opened it\n",
            ),
        };
        told(status, why)
    }
}

/// A sentence of our own.
pub fn told(status: StatusCode, why: &str) -> Response<Body> {
    let body = Full::from(Bytes::from(why.to_owned()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let own = HeaderValue::from_static;
    headers.insert(header::CONTENT_TYPE, own("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, own("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, own("nosniff"));
    headers.insert(header::CONNECTION, own("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(lines: &[(&'static str, &str)]) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Gatekeeper::new(4000).admits(&headers)
    }

    #[test]
    fn programs_and_pages_of_this_address_are_let_in_and_nobody_else() {
        let own = ("host", "127.0.0.1:4000");
        for (lines, expected) in [
            (&[own][..], Ok(())),
            (&[("host", "LocalHost:4000")], Ok(())),
            (&[own, ("origin", "http://127.0.0.1:4000")], Ok(())),
            (&[own, ("sec-fetch-site", "same-origin")], Ok(())),
            (&[own, ("sec-fetch-site", "none")], Ok(())),
            (&[], Err(Refused::Host)),
            (&[("host", "127.0.0.1")], Err(Refused::Host)),
            (&[("host", "localhost:4001")], Err(Refused::Host)),
            (&[("host", "rebound.evil.example:4000")], Err(Refused::Host)),
            (
                &[("host", "127.0.0.1:4000.evil.example")],
                Err(Refused::Host),
            ),
            (&[own, own], Err(Refused::Host)),
            (&[own, ("origin", "null")], Err(Refused::CrossSite)),
            (
                &[own, ("origin", "https://evil.example")],
                Err(Refused::CrossSite),
            ),
            (
                &[own, ("origin", "http://localhost:4000")],
                Err(Refused::CrossSite),
            ),
            (
                &[own, ("origin", "http://127.0.0.1:4001")],
                Err(Refused::CrossSite),
            ),
            (
                &[own, ("sec-fetch-site", "cross-site")],
                Err(Refused::CrossSite),
            ),
            (
                &[own, ("sec-fetch-site", "same-site")],
                Err(Refused::CrossSite),
            ),
        ] {
            assert_eq!(admits(lines), expected, "{lines:?}");
        }
    }
}
