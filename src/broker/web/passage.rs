//! A request on its way to its target: over which connection, what if nobody answers, and the
//! answer as the person gets it.
//!
//! What it may do was decided before, in `proxy`. Never sends twice what changes something.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Method, Request, Response, Uri, Version,
    body::{Body as _, Incoming},
    header::{self, HeaderName, HeaderValue},
    http::uri::{Authority, PathAndQuery, Scheme},
};
use tokio::time::timeout;
use tracing::debug;

use super::{
    answer::Answer,
    banner,
    body::{Body, Over, Watch},
    exchange::Exchange,
    file::Transfer,
    headers,
    identity::Who,
    inject::Injected,
    pool::{Answered, NotAnswered, Own, ReachError, Way},
    rewrite,
    sessions::{Sessions, WebSession},
    veil::Veil,
    visit::Visit,
};
use crate::{
    model::{
        file::Direction, name::TargetName, target::Address, ways_in::WaysIn, web::CanonicalPath,
    },
    session::DialError,
};

/// A target that says nothing for so long, while nothing is sent to it either, is given up.
const SILENT_FOR: Duration = Duration::from_secs(120);

const CHECKOUT: HeaderName = HeaderName::from_static("doorward-checkout");
const ENDS: HeaderName = HeaderName::from_static("doorward-ends");

/// A request that may go on, and what it takes.
pub struct Passage<'a> {
    pub session: Arc<WebSession>,
    pub exchange: Arc<Exchange>,
    /// What it carries of the credential.
    pub injected: Arc<Injected>,
    /// What it says of its sender.
    pub who: Who,
    pub target: &'a TargetName,
    pub ways_in: &'a WaysIn,
    /// The host as the person knows it.
    pub authority: &'a str,
    /// What was asked for, as it was decided on.
    pub method: Method,
    pub path: CanonicalPath,
    /// The same as the target has it.
    pub path_and_query: PathAndQuery,
    /// Whether a page is to say how long the check-out lasts.
    pub wants_banner: bool,
    pub visit: &'a Arc<Visit>,
    pub sessions: &'a Sessions,
}

impl Passage<'_> {
    pub fn names(&self) -> rewrite::Names<'_> {
        rewrite::Names {
            web: self.session.web(),
            inside: self.session.authority(),
            outside: self.authority,
        }
    }

    pub fn has_lapsed(&self, answer: &Response<Incoming>) -> bool {
        let means = self.session.means();
        means.has_lapsed(answer.status(), answer.headers())
    }

    /// Signs in again, for this request and those that come.
    pub async fn renew(&mut self) -> Result<(), Answer> {
        let (session, stale) = (&self.session, &self.injected);
        match session.means().given_anew(stale, session.session()).await {
            Ok(injected) => {
                self.injected = injected;
                Ok(())
            }
            Err(refusal) => {
                self.exchange.failed(refusal.code());
                Err(match session.reason() {
                    Some(reason) => Answer::ended(&reason, self.target),
                    None => Answer::refusal(&refusal, self.target, self.ways_in),
                })
            }
        }
    }

    pub async fn sent(&self, request: Request<Body>) -> Result<Answered, Answer> {
        let sent = self.send(request).await;
        if sent.is_err() {
            self.exchange.failed("no answer");
        }
        sent
    }

    /// Over a connection that is there, else over a new one.
    async fn send(&self, mut request: Request<Body>) -> Result<Answered, Answer> {
        let (pool, session) = (self.session.pool(), self.session.session());
        let mut known = pool.known();
        let mut others = session.addresses().count() - 1;
        loop {
            // It may have been closed at the other end while nobody used it.
            let was_known = known.is_some();
            let way = match known.take() {
                Some(way) => way,
                None => {
                    let fresh = Box::pin(pool.fresh(session)).await;
                    fresh.map_err(|error| self.not_reached(&error))?
                }
            };
            let at = way.at().clone();
            let again = (was_known || others > 0)
                .then(|| repeatable(&request))
                .flatten();
            self.address(&mut request, &way);
            let sent = self.unless_silent(pin!(way.send(request))).await;
            let sent = sent.inspect_err(|_| self.failed_at(&at, "no answer in time"))?;
            let NotAnswered { why, unsent } = match sent {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            if self.session.reason().is_some() || self.exchange.refused().is_some() {
                return Err(self.no_answer(&why));
            }
            // An answer that is no HTTP is an answer all the same.
            let again = again.filter(|_| !why.is_parse());
            request = match unsent.map(|unsent| *unsent).or(again) {
                Some(request) if was_known => request,
                again => {
                    self.failed_at(&at, &why);
                    let again = again.filter(|_| others > 0);
                    others = others.saturating_sub(1);
                    again.ok_or_else(|| self.no_answer(&why))?
                }
            };
        }
    }

    /// An address did not answer; where there are others, they come first for a while.
    fn failed_at(&self, at: &Address, why: impl std::fmt::Display) {
        let session = self.session.session();
        if session.addresses().nth(1).is_some() {
            session.failed_at(at, &why);
            self.session.pool().leave(at);
        }
    }

    /// HTTP/1 names the host in a header, HTTP/2 in the address.
    pub fn address(&self, request: &mut Request<Body>, way: &Way) {
        let authority = self.session.authority();
        match way {
            Way::Own(_) => {
                *request.version_mut() = Version::HTTP_11;
                *request.uri_mut() = Uri::from(self.path_and_query.clone());
                if let Ok(host) = HeaderValue::from_str(authority) {
                    request.headers_mut().insert(header::HOST, host);
                }
            }
            Way::Shared(_) => {
                *request.version_mut() = Version::HTTP_2;
                let mut parts = hyper::http::uri::Parts::default();
                parts.scheme = Some(Scheme::HTTPS);
                parts.authority = authority.parse::<Authority>().ok();
                parts.path_and_query = Some(self.path_and_query.clone());
                request.headers_mut().remove(header::HOST);
                if let Ok(uri) = Uri::from_parts(parts) {
                    *request.uri_mut() = uri;
                }
            }
        }
    }

    async fn unless_silent<T>(
        &self,
        mut sending: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Answer> {
        let mut sent = self.exchange.sent();
        loop {
            match timeout(SILENT_FOR, &mut sending).await {
                Ok(done) => return Ok(done),
                Err(_) if self.exchange.sent() != sent => sent = self.exchange.sent(),
                Err(_) => {
                    let seconds = SILENT_FOR.as_secs();
                    let why = format!(
                        "the target {} did not answer within {seconds} s",
                        self.target
                    );
                    return Err(Answer::target_too_slow(why));
                }
            }
        }
    }

    pub fn not_reached(&self, error: &ReachError) -> Answer {
        debug!(session = %self.session.id(), %error, "Web target not reached");
        if let Some(reason) = self.session.reason() {
            return Answer::ended(&reason, self.target);
        }
        self.sessions.abandon(&self.session, &error.to_string());
        let why = match error {
            // Where it is, is not for everybody to know.
            ReachError::Dial(DialError::Unknown(..)) => "cannot be found by name",
            ReachError::Dial(DialError::Unreachable(..)) => "cannot be reached",
            ReachError::Dial(DialError::TimedOut(..)) => {
                let why = format!("the target {} did not take the connection", self.target);
                return Answer::target_too_slow(why);
            }
            ReachError::Dial(DialError::Misled(_)) => {
                "has a name that leads back to the gateway, or to a link-local address; an admin \
                 can give its address instead"
            }
            ReachError::Dial(DialError::Killed(_)) => "was left",
            ReachError::Tls(_) | ReachError::TlsTooSlow(_) | ReachError::Name => {
                "did not prove that it is the one that is pinned"
            }
            ReachError::Http(_) => "does not speak HTTP",
        };
        Answer::target(
            "target-unreachable",
            format!("the target {} {why}", self.target),
        )
    }

    pub fn no_answer(&self, error: &hyper::Error) -> Answer {
        debug!(session = %self.session.id(), %error, "Web target did not answer");
        if let Some(reason) = self.session.reason() {
            return Answer::ended(&reason, self.target);
        }
        // It was the gateway that broke off.
        if let Some(refusal) = self.exchange.refused() {
            return Answer::refusal(refusal, self.target, self.ways_in);
        }
        let why = match error {
            error if error.is_parse() => "answered with something that is no HTTP",
            error if error.is_incomplete_message() => "closed the connection without an answer",
            _ => "broke off before it answered",
        };
        Answer::target(
            "target-garbled",
            format!("the target {} {why}", self.target),
        )
    }

    /// The target's answer as the person gets it.
    pub async fn passed_on(
        self,
        answer: Response<Incoming>,
        way: Option<Own>,
    ) -> Result<Response<Body>, Answer> {
        let (mut parts, incoming) = answer.into_parts();
        let announced = incoming.size_hint().lower();
        if let Err(refusal) = self.exchange.room_for_answer(announced) {
            return Err(Answer::refusal(&refusal, self.target, self.ways_in));
        }
        parts.extensions.clear();
        parts.version = Version::default();
        self.translate(&mut parts.headers);
        let veil = Veil::over(&self.injected, &parts.headers);
        self.exchange.status(parts.status);
        let banner = (self.wants_banner)
            .then(|| banner::under(&self.session, parts.status, &mut parts.headers))
            .flatten();
        let mut watch = Watch::default();
        if !incoming.is_end_stream() {
            let (status, headers) = (parts.status, &parts.headers);
            watch.file = Transfer::down(&self.method, &self.path, status, headers);
            watch.sample = self.session.sample(Direction::Down, headers);
        }
        if watch.file.is_some() {
            self.session.room_for_file().await;
        }
        let body = Body::to_person(incoming, self.exchange, watch, way, Over { veil, banner });
        Ok(Response::from_parts(parts, body))
    }

    pub fn translate(&self, headers: &mut hyper::HeaderMap) {
        // Before anything is translated: its cookies are the target's own.
        let (path, now) = (self.path_and_query.path(), self.session.session().now());
        self.injected.keep_out(headers, path, now);
        headers::of_answer(headers);
        self.names().of_answer(headers);
        let session = &self.session;
        for (name, text) in [
            (CHECKOUT, session.permit().code().to_string()),
            (ENDS, session.until().to_string()),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// The same once more, where sending it twice does nothing that sending it once does not: what
/// only reads (RFC 9110 s9.2.1), and brings no body.
fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    let again = reads && matches!(request.body(), Body::Empty);
    again.then(|| {
        let mut same = Request::new(Body::Empty);
        *same.method_mut() = request.method().clone();
        *same.headers_mut() = request.headers().clone();
        same
    })
}
