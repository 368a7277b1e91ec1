//! The connections of one session to its target: made when needed, used again, never shared.
//!
//! INVARIANT: a pool belongs to one session. What one person's request left on a connection
//! is never in the way of another's.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::body::Body;
use crate::{
    clock::Stopwatch,
    kill::Leashed,
    model::target::Address,
    session::{DialError, Session},
};

/// Idle connections that are kept.
const MOST_IDLE: usize = 128;
/// A connection that was idle for longer may be gone at the other end.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// From connected to TLS being spoken.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

const H2: &[u8] = b"h2";

#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the target did not prove to be the one that is pinned, or speaks no TLS: {0}")]
    Tls(std::io::Error),
    #[error("the target did not finish its TLS handshake within {0:?}")]
    TlsTooSlow(Duration),
    #[error("the target's name is no name that a certificate can have")]
    Name,
    #[error("the target does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
}

pub struct Pool {
    tls: Option<Tls>,
    /// The one that was used last is the last.
    idle: Mutex<VecDeque<(Own, Stopwatch)>>,
    shared: Mutex<Option<Shared>>,
    /// Ends what drives the connections.
    over: DropGuard,
}

struct Tls {
    any: TlsConnector,
    /// For what HTTP/2 is not spoken: an upgrade.
    http1: TlsConnector,
    name: ServerName<'static>,
}

/// A connection that takes a request now.
pub enum Way {
    Own(Own),
    Shared(Shared),
}

/// For one request at a time.
pub struct Own {
    way: http1::SendRequest<Body>,
    /// Which of the target's addresses is at its other end.
    at: Address,
}

/// For all at once.
#[derive(Clone)]
pub struct Shared {
    way: http2::SendRequest<Body>,
    at: Address,
}

enum Wire {
    Plain(Leashed<TcpStream>),
    Tls(Box<TlsStream<Leashed<TcpStream>>>),
}

impl Pool {
    pub fn plain() -> Self {
        Self::with(None)
    }

    pub fn with_tls(any: ClientConfig, name: &str) -> Result<Self, ReachError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ReachError::Name)?;
        let mut http1 = any.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self::with(Some(Tls {
            any: TlsConnector::from(Arc::new(any)),
            http1: TlsConnector::from(Arc::new(http1)),
            name,
        })))
    }

    fn with(tls: Option<Tls>) -> Self {
        Self {
            tls,
            idle: Mutex::default(),
            shared: Mutex::default(),
            over: CancellationToken::new().drop_guard(),
        }
    }

    /// A connection that was used before, if one is ready.
    pub fn known(&self) -> Option<Way> {
        if let Some(shared) = &*locked(&self.shared)
            && !shared.way.is_closed()
        {
            return Some(Way::Shared(shared.clone()));
        }
        let mut idle = locked(&self.idle);
        let ready = idle.iter().rposition(|(own, _)| own.way.is_ready())?;
        let (own, since) = idle.remove(ready)?;
        if since.elapsed() < IDLE_FOR {
            return Some(Way::Own(own));
        }
        // All the others are older still.
        idle.drain(..ready);
        None
    }

    /// A new connection.
    pub async fn fresh(&self, session: &Session) -> Result<Way, ReachError> {
        let connector = self.tls.as_ref().map(|tls| &tls.any);
        let (wire, at) = self.connect(session, connector).await?;
        let is_h2 = match &wire {
            Wire::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(H2),
            Wire::Plain(_) => false,
        };
        match (is_h2, wire) {
            (true, Wire::Tls(stream)) => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .timer(TokioTimer::new())
                    .initial_stream_window_size(1024 * 1024)
                    .initial_connection_window_size(4 * 1024 * 1024)
                    .max_header_list_size(64 * 1024);
                let (way, driver) = builder.handshake(TokioIo::new(*stream)).await?;
                self.drive(driver);
                let shared = Shared { way, at };
                *locked(&self.shared) = Some(shared.clone());
                Ok(Way::Shared(shared))
            }
            (_, Wire::Tls(stream)) => self.http1(*stream, at).await,
            (_, Wire::Plain(stream)) => self.http1(stream, at).await,
        }
    }

    /// A connection for one request that may turn it into something else.
    pub async fn to_upgrade(&self, session: &Session) -> Result<Way, ReachError> {
        let connector = self.tls.as_ref().map(|tls| &tls.http1);
        let (wire, at) = self.connect(session, connector).await?;
        let way = match wire {
            Wire::Tls(stream) => {
                let (way, driver) = http1::handshake(TokioIo::new(*stream)).await?;
                self.drive(driver.with_upgrades());
                way
            }
            Wire::Plain(stream) => {
                let (way, driver) = http1::handshake(TokioIo::new(stream)).await?;
                self.drive(driver.with_upgrades());
                way
            }
        };
        Ok(Way::Own(Own { way, at }))
    }

    /// Takes a connection back whose answer was read to its end.
    pub fn back(&self, own: Own) {
        if own.way.is_closed() {
            return;
        }
        let now = Stopwatch::start();
        let mut idle = locked(&self.idle);
        let is_over =
            |(own, since): &(Own, Stopwatch)| own.way.is_closed() || since.elapsed() >= IDLE_FOR;
        while idle.len() >= MOST_IDLE || idle.front().is_some_and(is_over) {
            idle.pop_front();
        }
        idle.push_back((own, now));
    }

    /// Leaves the connections to an address that has failed to those who are on them.
    pub fn leave(&self, at: &Address) {
        locked(&self.idle).retain(|(own, _)| own.at != *at);
        let mut shared = locked(&self.shared);
        if shared.as_ref().is_some_and(|shared| shared.at == *at) {
            *shared = None;
        }
    }

    /// An address that is there and does not prove what it must is as good as none: nothing
    /// was sent to it, and the next one is asked.
    async fn connect(
        &self,
        session: &Session,
        connector: Option<&TlsConnector>,
    ) -> Result<(Wire, Address), ReachError> {
        let mut first_failure = None;
        for _ in session.addresses() {
            let (stream, at) = session.reach().await?;
            let (Some(connector), Some(tls)) = (connector, &self.tls) else {
                return Ok((Wire::Plain(stream), at.clone()));
            };
            let spoken = connector.connect(tls.name.clone(), stream);
            let error = match timeout(HANDSHAKE_WITHIN, spoken).await {
                Ok(Ok(stream)) => return Ok((Wire::Tls(Box::new(stream)), at.clone())),
                Ok(Err(error)) => ReachError::Tls(error),
                Err(_) => ReachError::TlsTooSlow(HANDSHAKE_WITHIN),
            };
            session.failed_at(at, &error);
            first_failure.get_or_insert(error);
        }
        Err(first_failure.expect("a target has an address"))
    }

    async fn http1<S>(&self, stream: S, at: Address) -> Result<Way, ReachError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (way, driver) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await?;
        self.drive(driver);
        Ok(Way::Own(Own { way, at }))
    }

    fn drive(&self, driver: impl Future<Output = hyper::Result<()>> + Send + 'static) {
        let over = self.over.token().clone();
        tokio::spawn(async move {
            if let Some(Err(error)) = over.run_until_cancelled(driver).await {
                debug!(%error, "Connection to a web target ended");
            }
        });
    }
}

/// An answer, and the connection to give back after it where it is our own.
pub type Answered = (Response<Incoming>, Option<Own>);

impl Way {
    /// Which of the target's addresses it leads to.
    pub fn at(&self) -> &Address {
        match self {
            Self::Own(own) => &own.at,
            Self::Shared(shared) => &shared.at,
        }
    }

    /// The request comes back where it was not sent.
    pub async fn send(self, request: Request<Body>) -> Result<Answered, NotAnswered> {
        let failed = |mut failed: TrySendError<Request<Body>>| NotAnswered {
            unsent: failed.take_message().map(Box::new),
            why: failed.into_error(),
        };
        match self {
            Self::Own(mut own) => {
                let answer = own.way.try_send_request(request).await.map_err(failed)?;
                Ok((answer, Some(own)))
            }
            Self::Shared(mut shared) => {
                let answer = shared.way.try_send_request(request).await.map_err(failed)?;
                Ok((answer, None))
            }
        }
    }
}

pub struct NotAnswered {
    pub why: hyper::Error,
    pub unsent: Option<Box<Request<Body>>>,
}

/// Each change under these locks is one push or one pop, so a poisoned one is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
