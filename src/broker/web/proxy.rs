//! One request from its head to its answer: where to, who, whether, and then through.
//!
//! The order is the promise: nothing goes to a target before its host is clear, its sender
//! known, the check-out active and the request recorded.

use std::sync::Arc;

use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{self, HeaderValue},
    http::uri::PathAndQuery,
};
use tracing::{debug, warn};

use super::{
    answer::{Answer, wants_page},
    banner,
    body::{Body, Watch},
    callers::{self, Callers},
    exchange::Exchange,
    file::Transfer,
    headers::{self, Told},
    host::Names,
    inject::Injected,
    own,
    passage::Passage,
    record::{self, RequestLine, json, masked},
    sessions::{Sessions, WebSession, Wish},
    socket::{self, Asked},
    unread::Unread,
    veil,
    visit::Visit,
};
use crate::{
    model::{
        capability::Use,
        file::Direction,
        name::TargetName,
        refusal::Refusal,
        web::{CanonicalPath, NotAPath},
    },
    recording::RecordingError,
    session::Gate,
};

pub struct Proxy {
    pub gate: Gate,
    pub names: Names,
    pub callers: Callers,
    pub sessions: Sessions,
    /// As targets are told it.
    pub port: HeaderValue,
}

impl Proxy {
    /// Never fails: what goes wrong is an answer too.
    pub async fn answer(&self, visit: &Arc<Visit>, request: Request<Incoming>) -> Response<Body> {
        let page = wants_page(request.method(), request.headers());
        let is_http1 = request.version() < Version::HTTP_2;
        let asked_to_upgrade = request.headers().contains_key(header::UPGRADE);
        let waits_to_send = is_http1 && request.headers().contains_key(header::EXPECT);
        let mut request = request.map(Unread::new);
        let had_body = request.body().is_left();
        let (mut response, no) = match self.pass(visit, &mut request).await {
            Ok(response) => (response, None),
            Err(answer) => {
                if answer.is_unclear() {
                    Box::pin(self.note_unclear(visit, &request, &answer)).await;
                }
                (answer.respond(page), Some(answer))
            }
        };
        let unclear = no.as_ref().is_some_and(Answer::is_unclear);
        // Its client may still be sending, and is not to take a closed door for the answer.
        let left = request.body_mut().take();
        let breaks_off = left.is_some() || had_body && no.is_some();
        if let Some(rest) = left
            && !waits_to_send
        {
            visit.let_finish(rest);
        }
        // What follows behind an upgrade was not looked at by `strict`, what follows a request
        // that nobody understands may be anything, and a body that nobody wants may be long.
        let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if is_http1 && (unclear || breaks_off || asked_to_upgrade && !upgraded) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }

    /// What few requests wait for is boxed: each request's future is as large as the largest
    /// thing that it could wait for, and is moved about.
    async fn pass(
        &self,
        visit: &Arc<Visit>,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let place = self
            .names
            .place(request.version(), request.uri(), request.headers())?;
        let asked = Asked::of(request);
        let method = match asked {
            Some(_) => Method::GET,
            None => request.method().clone(),
        };
        // TRACE would show the target's credential to whoever asks.
        if method == Method::CONNECT || method == Method::TRACE {
            return Err(Answer::method(&method));
        }
        let path = CanonicalPath::with_encoded_slashes(request.uri().path())?;
        let query = request.uri().query();
        if query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic())) {
            let why = "a query holds printable ASCII, and everything else encoded";
            return Err(Answer::bad_request("query-unclear", why));
        }
        if own::is_own(&path) {
            return Box::pin(self.own(visit, &place, &path, request)).await;
        }
        let from = visit.peer.ip();
        let caller = self.callers.who(request.headers(), place.host(), from);
        let caller = match caller.await {
            Ok(caller) => caller,
            Err(unknown) => return self.begin(&place, request, unknown),
        };
        visit.signed_in(&caller.principal, &self.gate);
        if caller.by_cookie {
            own::not_from_elsewhere(request, &place)?;
        }
        own::no_service_worker(request.headers())?;
        let wish = Wish {
            target: &place.target,
            account: own::account(request, &caller)?,
            peer: visit.peer,
            agent: request.headers().get(header::USER_AGENT),
        };
        let account = wish.account.clone();
        let standing = self
            .sessions
            .standing(&caller, &place.target, account.as_ref());
        if standing.is_none()
            && let Some(page) =
                Box::pin(self.waits(&caller, &place, account.as_ref(), request)).await
        {
            return Ok(page);
        }
        let session = match self.sessions.admitted(&caller, wish).await {
            Ok(session) => session,
            Err(no) => {
                let asks = self.asks(&caller, &place, account.as_ref(), request, no);
                return Box::pin(asks).await;
            }
        };
        // INVARIANT: before anything is decided on it: what the target reads otherwise is refused.
        if path.has_encoded_slash() && !session.web().encoded_slashes {
            return Err(NotAPath::Slash.into());
        }
        self.allowed(&session, &method, &path, asked, &place.target)
            .await?;
        if asked.is_some() {
            same_origin(request, &place.authority)?;
        }
        let room = session.permit().room(method.as_str(), &path);
        let announced = request.body().announced();
        if let Err(much) = room.holds(announced, 0) {
            let refusal = session.permit().too_much(much);
            return Err(Box::pin(self.refused(&session, &refusal, &place.target)).await);
        }
        let n = session.next();
        let line = RequestLine {
            n,
            method: method.as_str(),
            path: masked(&path, query),
            peer: visit.peer,
            agent: request
                .headers()
                .get(header::USER_AGENT)
                .and_then(|agent| agent.to_str().ok()),
            http: record::version(request.version()),
            websocket: asked.is_some(),
        };
        // INVARIANT (P1): recorded before a byte of it goes to the target.
        if let Err(error) = session.track().request(&json(&line)).await {
            return Err(self.not_recorded(&session, &place.target, &error));
        }
        let in_flight = visit.in_flight(&session);
        let exchange = Exchange::begin(session.clone(), n, room, in_flight);
        let injected = match session.means().given(session.session()).await {
            Ok(injected) => injected,
            Err(refusal) => {
                exchange.failed(refusal.code());
                return Err(match session.reason() {
                    Some(reason) => Answer::ended(&reason, &place.target),
                    None => Answer::refusal(&refusal, &place.target, self.gate.ways_in()),
                });
            }
        };
        let who = match session
            .teller()
            .says(session.session(), &caller.principal)
            .await
        {
            Ok(who) => who,
            Err(error) => {
                warn!(session = %session.id(), %error, "Web target not told who is there");
                let answer = Answer::not_identified();
                exchange.failed(answer.code());
                return Err(answer);
            }
        };
        let path_and_query = at_target(&session, &injected, &path, query)?;
        let wants_banner = banner::is_wanted(&session, &method, request.headers());
        let passage = Passage {
            exchange,
            injected,
            who,
            session,
            target: &place.target,
            ways_in: self.gate.ways_in(),
            authority: &place.authority,
            method,
            path,
            path_and_query,
            wants_banner,
            visit,
            sessions: &self.sessions,
        };
        match asked {
            Some(asked) => Box::pin(socket::open(self, passage, request, asked)).await,
            None => self.forward(passage, request).await,
        }
    }

    async fn allowed(
        &self,
        session: &WebSession,
        method: &Method,
        path: &CanonicalPath,
        asked: Option<Asked>,
        target: &TargetName,
    ) -> Result<(), Answer> {
        let wanted = Use::Http {
            method: method.as_str(),
            path,
        };
        let mut allowed = session.permit().allows(wanted);
        if asked.is_some() && allowed.is_ok() {
            allowed = session.permit().allows(Use::WebSocket);
        }
        match allowed {
            Ok(()) => Ok(()),
            Err(refusal) => Err(Box::pin(self.refused(session, &refusal, target)).await),
        }
    }

    async fn refused(
        &self,
        session: &WebSession,
        refusal: &Refusal,
        target: &TargetName,
    ) -> Answer {
        let session = session.session();
        session.audit_refused("web.request", refusal).await;
        Answer::refusal(refusal, target, self.gate.ways_in())
    }

    /// A request that can be read in two ways may be an attempt, so the auditor hears who has
    /// sent it. From strangers there is no end of them, and the log says them at most.
    async fn note_unclear(&self, visit: &Visit, request: &Request<Unread>, answer: &Answer) {
        debug!(peer = %visit.peer, code = answer.code(), "Request refused as unclear");
        let headers = request.headers();
        let place = self.names.place(request.version(), request.uri(), headers);
        let Ok(place) = place else { return };
        let caller = self.callers.who(headers, place.host(), visit.peer.ip());
        if let Ok(caller) = caller.await {
            let refusal = Refusal::Unsupported(answer.detail().to_owned());
            let (by, peer) = (&caller.principal, visit.peer);
            let audited = self.gate.audit_refused(by, peer, "web.request", &refusal);
            audited.await;
        }
    }

    fn not_recorded(
        &self,
        session: &WebSession,
        target: &TargetName,
        error: &RecordingError,
    ) -> Answer {
        debug!(session = %session.id(), %error, "Request not recorded, not passed on");
        match session.reason() {
            Some(reason) => Answer::ended(&reason, target),
            None => Answer::refusal(&Refusal::NoRecording, target, self.gate.ways_in()),
        }
    }

    async fn forward(
        &self,
        mut passage: Passage<'_>,
        request: &mut Request<Unread>,
    ) -> Result<Response<Body>, Answer> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = passage.method.clone();
        parts.headers = std::mem::take(request.headers_mut());
        let body = match request.body_mut().take() {
            None => Body::Empty,
            Some(body) => {
                let session = &passage.session;
                let watch = Watch {
                    file: Transfer::up(&parts.method, &passage.path, &parts.headers),
                    sample: session.sample(Direction::Up, &parts.headers),
                };
                if watch.file.is_some() {
                    session.room_for_file().await;
                }
                Body::to_target(body, passage.exchange.clone(), watch, passage.visit)
            }
        };
        // Only what has no body can be sent twice.
        let again = (passage.session.means().can_lapse() && matches!(body, Body::Empty))
            .then(|| parts.clone());
        self.make_ready(&passage, &mut parts.headers);
        let outgoing = Request::from_parts(parts, body);
        let (mut answer, mut way) = passage.sent(outgoing).await?;
        if passage.has_lapsed(&answer) {
            Box::pin(passage.renew()).await?;
            let mut parts = again.ok_or_else(Answer::send_again)?;
            self.make_ready(&passage, &mut parts.headers);
            let outgoing = Request::from_parts(parts, Body::Empty);
            (answer, way) = passage.sent(outgoing).await?;
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let why = "the target changed the protocol without being asked";
            return Err(Answer::target("target-garbled", why));
        }
        passage.passed_on(answer, way).await
    }

    /// The headers as the target gets them.
    pub fn make_ready(&self, passage: &Passage<'_>, headers: &mut hyper::HeaderMap) {
        let session = &passage.session;
        let own_bearer = callers::is_own_bearer(headers);
        veil::ask_plainly(&passage.injected, headers);
        headers::of_request(headers, passage.injected.header(), own_bearer);
        passage.names().of_request(headers);
        let request = format!("{}-{}", session.id(), passage.exchange.number());
        let told = Told {
            peer: &passage.visit.address,
            authority: passage.authority,
            port: &self.port,
            request: &request,
            who: &passage.who,
        };
        headers::tell(headers, &told);
        let path = passage.path_and_query.path();
        passage
            .injected
            .fill(headers, path, session.session().now());
        passage.exchange.carries(&passage.injected);
        if session.keeps_bodies().is_some() || passage.wants_banner {
            // What is compressed cannot be searched for secrets, and would not be kept; nor can
            // anything be written on it.
            let plain = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, plain);
        }
    }
}

/// A page of another place may open a WebSocket with this place's cookies, so the browser's
/// word for where it comes from must be this place (RFC 6455 s10.2). Programs send none.
fn same_origin(request: &Request<Unread>, authority: &str) -> Result<(), Answer> {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let own = format!("https://{authority}");
    let same = |origin: &HeaderValue| origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
    match (origins.next(), origins.next()) {
        (None, _) => Ok(()),
        (Some(origin), None) if same(origin) => Ok(()),
        _ => Err(Answer::forbidden(
            "cross-origin",
            "a WebSocket is opened by pages of the same address only",
        )),
    }
}

fn at_target(
    session: &WebSession,
    injected: &Injected,
    path: &CanonicalPath,
    query: Option<&str>,
) -> Result<PathAndQuery, Answer> {
    let mut text = session.web().path.before(path);
    if let Some(query) = injected.query_with(query) {
        text.push('?');
        text.push_str(&query);
    }
    PathAndQuery::try_from(text)
        .map_err(|_| Answer::bad_request("path-unclear", "this address cannot be passed on"))
}
