//! Serves the API over TLS: HTTP/1.1 and HTTP/2, bounded in connections and in patience.
//!
//! Takes a listener that is bound already and ends when it is told to: no new connections,
//! the old ones finish what they began within the drain.

use std::{
    collections::HashMap,
    future::ready,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Extension, Router, extract::Request, middleware};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::auth::Peer;

/// How much one listener takes on.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub connections: usize,
    pub per_address: usize,
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From being told to stop to cutting what is left.
    pub drain: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 2_000,
            per_address: 200,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
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
    let room = Arc::new(Semaphore::new(bounds.connections));
    let places = Arc::new(Places::default());
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let turn = tokio::select! {
            turn = Arc::clone(&room).acquire_owned() => turn.expect("the semaphore is never closed"),
            () = stop.cancelled() => break,
        };
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
        let Some(place) = Places::take(&places, peer.ip(), bounds.per_address) else {
            debug!(%peer, "Connection refused: too many from this address");
            continue;
        };
        let acceptor = TlsAcceptor::from(tls());
        let router = router.clone();
        let watcher = graceful.watcher();
        tasks.spawn(async move {
            let _held = (turn, place);
            if let Some(stream) = shake_hands(acceptor, stream, peer, bounds.handshake).await {
                converse(stream, peer, router, bounds, watcher).await;
            }
        });
    }
    drop(listener);
    if timeout(bounds.drain, graceful.shutdown()).await.is_err() {
        info!("Requests were still open at the end of the drain");
    }
    tasks.shutdown().await;
}

async fn converse(
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    watcher: Watcher,
) {
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    // Somebody who shook hands and then says nothing is not waited for.
    let spoken = CancellationToken::new();
    let said = spoken.clone();
    let router = router
        .layer(Extension(Peer(peer)))
        .layer(middleware::map_request(move |request: Request| {
            said.cancel();
            ready(request)
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
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(watcher.watch(connection.into_owned()));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        said = timeout(bounds.head, spoken.cancelled()) => match said {
            Ok(()) => connection.await,
            Err(_) => return,
        },
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "Connection broke off");
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

/// How many connections each address has.
#[derive(Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, address: IpAddr, most: usize) -> Option<Place> {
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place {
            places: Arc::clone(places),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}
