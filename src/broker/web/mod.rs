//! Web targets: `https://wiki.door.example.org/`, with what the target needs put in on the way.
//!
//! HTTP/1.1 and HTTP/2 from the person, either towards the target, and between them one
//! decision for each request. Never the target's credential towards the person, never a
//! request that the session was not admitted for, and never one that is not recorded.

mod answer;
mod banner;
mod body;
mod callers;
mod errand;
mod exchange;
mod file;
mod form;
pub mod headers;
mod host;
mod identity;
mod inject;
pub mod jar;
mod masks;
mod means;
mod multipart;
mod own;
mod passage;
pub(super) mod pins;
mod pool;
mod proxy;
mod record;
mod redirect;
pub mod rewrite;
mod sample;
pub mod scrape;
mod sessions;
mod socket;
pub mod strict;
mod token;
mod unread;
mod veil;
mod visit;

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request,
    body::Incoming,
    header::HeaderValue,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::debug;

pub use self::redirect::RedirectBroker;
use self::{
    callers::Callers, host::Names, proxy::Proxy, sessions::Sessions, strict::Strict, visit::Visit,
};
use super::{Broker, Connection};
use crate::{model::ways_in::WebWay, session::Gate};

/// From the first byte of a request to the end of its head, and from one request to the next.
const HEAD_WITHIN: Duration = Duration::from_secs(75);
/// Whether a client that says nothing is still there.
const ASK_EVERY: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// What one stream, and all of a connection, may have on its way to the gateway.
const STREAM_WINDOW: u32 = 1024 * 1024;
const WINDOW: u32 = 4 * 1024 * 1024;

/// What an operator may set.
pub struct WebSettings {
    pub tls: Arc<ServerConfig>,
    pub way: WebWay,
    /// Where it really listens, which clients may name as well.
    pub port: u16,
    pub closing: CancellationToken,
}

/// Serves people and programs that come with HTTP.
pub struct WebBroker {
    proxy: Arc<Proxy>,
    acceptor: TlsAcceptor,
    closing: CancellationToken,
    _tidy: AbortOnDropHandle<()>,
    _sign_outs: AbortOnDropHandle<()>,
}

impl WebBroker {
    pub fn new(gate: Gate, settings: WebSettings) -> Self {
        let WebSettings {
            tls,
            way,
            port,
            closing,
        } = settings;
        let sessions = Sessions::new(gate.clone());
        let proxy = Proxy {
            callers: Callers::new(gate.identity().clone()),
            names: Names::new(way.domain, vec![way.port, port]),
            port: HeaderValue::from(way.port),
            sessions: sessions.clone(),
            gate,
        };
        let proxy = Arc::new(proxy);
        Self {
            _sign_outs: own::follow_sign_outs(&proxy),
            proxy,
            acceptor: TlsAcceptor::from(tls),
            _tidy: sessions.tidy(closing.clone()),
            closing,
        }
    }
}

type Wire = TlsStream<crate::kill::Leashed<tokio::net::TcpStream>>;

impl Broker for WebBroker {
    /// With what a client has to read its last answer in, this is what every person's leg has.
    const GRACE: Duration = Duration::from_millis(100);

    async fn serve(&self, connection: Connection) {
        let Connection {
            stream,
            peer,
            switch,
            arrival,
        } = connection;
        // The door's deadline cuts a client that does not finish its handshake.
        let stream = match self.acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                debug!(%peer, %error, "TLS handshake failed");
                return;
            }
        };
        let visit = Visit::new(peer, switch, arrival);
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let ended = match is_http2 {
            true => self.http2(stream, &visit).await,
            false => self.http1(stream, &visit).await,
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "Connection ended");
        }
        visit.over().await;
    }
}

impl WebBroker {
    async fn http1(&self, stream: Wire, visit: &Arc<Visit>) -> hyper::Result<()> {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(2 * strict::LONGEST_HEAD)
            .serve_connection(
                TokioIo::new(Strict::new(stream)),
                service_fn(|request| self.answer(visit, request)),
            )
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn http2(&self, stream: Wire, visit: &Arc<Visit>) -> hyper::Result<()> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .enable_connect_protocol()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(u32::try_from(strict::LONGEST_HEAD).expect("it is small"))
            .keep_alive_interval(Some(ASK_EVERY))
            .keep_alive_timeout(ANSWER_WITHIN);
        let (proxy, visit) = (self.proxy.clone(), visit.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (proxy, visit) = (proxy.clone(), visit.clone());
            async move { Ok::<_, Infallible>(proxy.answer(&visit, request).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    }

    async fn answer(
        &self,
        visit: &Arc<Visit>,
        request: Request<Incoming>,
    ) -> Result<hyper::Response<body::Body>, Infallible> {
        Ok(self.proxy.answer(visit, request).await)
    }
}
