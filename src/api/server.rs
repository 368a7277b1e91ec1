//! Serves the API over TLS: HTTP/1.1 and HTTP/2, bounded in connections and in patience.
//!
//! Takes a listener that is bound already and ends when it is told to: no new connections,
//! the old ones finish what they began within the drain.

use std::{
    future::pending,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes, HttpBody},
    extract::Request,
    middleware::{self, Next},
};
use hyper::body::{Frame, SizeHint};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use super::room::Capacity;
use super::{
    auth::Peer,
    room::{Place, Room},
};

/// How much one listener takes on.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub connections: Capacity,
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head, and from the end of one to
    /// the next.
    pub head: Duration,
    /// From the handshake to a token that is proven. Whoever has none asks again.
    pub guest: Duration,
    /// From being told to stop to cutting what is left.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: Capacity {
                all: 2_000,
                of_network: 200,
                guests: 500,
            },
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            guest: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

/// Streams of one HTTP/2 connection at once, and the most its headers may hold.
const STREAMS: u32 = 100;
const HEADERS: u32 = 16 * 1024;

/// Serves until `stop`, then drains. `tls` is asked for each connection, so that certificates
/// can be renewed under it.
pub async fn serve(
    listener: TcpListener,
    tls: impl Fn() -> Arc<ServerConfig>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let room = Room::new(bounds.connections);
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a client that was gone at once: neither ends us.
                    warn!(%error, "Connection not accepted");
                    sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        // Accepted before it is refused: what waits in the kernel's queue waits for a place that
        // may be somebody else's.
        let Some(place) = room.take(peer) else {
            debug!(%peer, "Connection refused: too many");
            continue;
        };
        let acceptor = TlsAcceptor::from(tls());
        let router = router.clone();
        let stop = stop.clone();
        tasks.spawn(async move {
            let stream = tokio::select! {
                stream = shake_hands(acceptor, stream, peer, bounds.handshake) => stream,
                () = place.shed() => None,
            };
            if let Some(stream) = stream {
                converse(stream, peer, place, router, bounds, stop).await;
            }
        });
    }
    drop(listener);
    let ends = async { while tasks.join_next().await.is_some() {} };
    if timeout(bounds.drain, ends).await.is_err() {
        info!("Requests were still open at the end of the drain");
    }
    tasks.shutdown().await;
}

async fn converse(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    place: Place,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (open, mut seen) = watch::channel(0);
    let counted = open.clone();
    let router = router
        .layer(Extension(Peer(peer)))
        .layer(Extension(place.clone()))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let exchange = Exchange::begin(&counted);
            async move {
                let response = next.run(request).await;
                response.map(|body| {
                    Body::new(Counted {
                        body,
                        _exchange: exchange,
                    })
                })
            }
        }));
    let service = TowerToHyperService::new(router);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_buf_size(2 * HEADERS as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(bounds.head);
    let builder = if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection.into_owned());
    let overstayed = async {
        if timeout(bounds.guest, place.proven()).await.is_ok() {
            pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = place.shed() => return,
        () = stop.cancelled() => None,
        // Whoever shook hands and says nothing, or nothing more, is not waited for.
        () = idle(&mut seen, bounds.head) => None,
        () = overstayed => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // A peer that does not take its leave is left; one that asked for something in the
            // meantime gets it, if it is known.
            let leaving = async {
                if place.is_proven() {
                    idle(&mut seen, bounds.head).await;
                } else {
                    sleep(bounds.head).await;
                }
            };
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = place.shed() => return,
                () = leaving => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "Connection broke off");
    }
}

/// Ends once nothing was asked and nothing answered for so long.
async fn idle(open: &mut watch::Receiver<usize>, patience: Duration) {
    // The sender lives as long as the connection does.
    while open.wait_for(|open| *open == 0).await.is_ok() {
        if timeout(patience, open.changed()).await.is_err() {
            return;
        }
    }
}

/// One request, from its head to the end of its answer.
struct Exchange(watch::Sender<usize>);

impl Exchange {
    fn begin(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// An answer's body that knows when it was sent or given up.
struct Counted {
    body: Body,
    _exchange: Exchange,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    limit: Duration,
) -> Option<TlsStream<TcpStream>> {
    // Answers are small and written whole; waiting for more of them only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "Delay not switched off");
    }
    match timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            debug!(%peer, %error, "TLS handshake failed");
            None
        }
        Err(_) => {
            debug!(%peer, "TLS handshake took too long");
            None
        }
    }
}
