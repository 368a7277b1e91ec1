//! Plain HTTP, which only says where to go: the same address with `https`.
//!
//! Serves nothing, asks nobody who they are, and leads to no name that is not ours.

use std::{convert::Infallible, time::Duration};

use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri, Version,
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use super::{answer::Answer, body::Body, host::Names};
use crate::{
    broker::{Broker, Connection},
    model::ways_in::WebWay,
};

const HEAD_WITHIN: Duration = Duration::from_secs(10);
const LONGEST_HEAD: usize = 32 * 1024;

pub struct RedirectBroker {
    names: Names,
    way: WebWay,
}

impl RedirectBroker {
    /// `port` is where it listens itself.
    pub fn new(way: WebWay, port: u16) -> Self {
        // A host without a port is read as the usual one.
        let names = Names::new(way.domain.clone(), vec![443, 80, port]);
        Self { names, way }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let mut response = match self.leads_to(request.version(), request.uri(), request.headers())
        {
            Ok(location) => {
                let mut response = Response::new(Body::Empty);
                // The same method again, and a browser may remember it.
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(header::LOCATION, location);
                response
            }
            Err(answer) => answer.respond(false),
        };
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
        response
    }

    fn leads_to(
        &self,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, Answer> {
        let place = self.names.place(version, uri, headers)?;
        let authority = self.way.authority(&place.target);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let unclear = || Answer::bad_request("path-unclear", "a path begins with a slash");
        if !path.starts_with('/') {
            return Err(unclear());
        }
        HeaderValue::from_str(&format!("https://{authority}{path}")).map_err(|_| unclear())
    }
}

impl Broker for RedirectBroker {
    async fn serve(&self, connection: Connection) {
        // Nobody signs in here, so the door's deadline is that of the whole connection.
        let Connection {
            stream,
            peer,
            switch: _switch,
            arrival: _arrival,
        } = connection;
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(LONGEST_HEAD)
            .keep_alive(false)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(async |request| Ok::<_, Infallible>(self.answer(&request))),
            );
        if let Err(error) = served.await {
            debug!(%peer, %error, "Redirect ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(uri: &str, host: &str) -> Option<String> {
        let way = WebWay {
            domain: "door.localhost".to_owned(),
            port: 8444,
        };
        let broker = RedirectBroker::new(way, 8080);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        let location = broker.leads_to(Version::HTTP_11, &uri.parse().unwrap(), &headers);
        Some(location.ok()?.to_str().unwrap().to_owned())
    }

    #[test]
    fn it_leads_to_our_names_and_to_no_other() {
        let to = |text: &str| Some(format!("https://wiki.door.localhost:8444{text}"));
        assert_eq!(leads("/a?b=c", "wiki.door.localhost"), to("/a?b=c"));
        assert_eq!(leads("/", "WIKI.door.localhost:8080"), to("/"));
        assert_eq!(
            leads("//evil.example/", "wiki.door.localhost"),
            to("//evil.example/")
        );
        for (uri, host) in [
            ("/", "evil.example"),
            ("/", "door.localhost"),
            ("/", "wiki.door.localhost.evil.example"),
            ("/", "wiki.door.localhost@evil.example"),
            ("/", "wiki.door.localhost:8081"),
            ("http://evil.example/", "wiki.door.localhost"),
            ("*", "wiki.door.localhost"),
        ] {
            assert_eq!(leads(uri, host), None, "{uri} {host}");
        }
    }
}
