//! A web target for the demo: a page, a WebSocket and a slow download behind one password.
//!
//! Speaks HTTP/1.1 on loopback, without TLS. Takes one login with one random password; what it
//! was shown and did not like goes nowhere.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use zeroize::Zeroizing;

use super::target::LOGIN;
use crate::vault::entropy;

pub const GREETING: &str = "hello from the wiki";

/// How often the WebSocket says that it is there, and the download goes on.
const BEAT: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub struct DemoWiki {
    pub address: SocketAddr,
    pub password: Zeroizing<String>,
    visits: Arc<AtomicUsize>,
    _stop: DropGuard,
}

impl DemoWiki {
    /// How many connections have come so far.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }

    pub async fn start() -> io::Result<Self> {
        let password = data_encoding::BASE32_NOPAD.encode(&entropy::<20>());
        let password = Zeroizing::new(password);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let expected = STANDARD.encode(format!("{LOGIN}:{}", *password));
        let expected: Arc<str> = format!("Basic {expected}").into();
        let visits = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, expected, visits.clone(), stop.clone()));
        Ok(Self {
            address,
            password,
            visits,
            _stop: stop.drop_guard(),
        })
    }
}

async fn serve(
    listener: TcpListener,
    expected: Arc<str>,
    visits: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        while connections.try_join_next().is_some() {}
        visits.fetch_add(1, Ordering::Relaxed);
        let expected = expected.clone();
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(request, &expected);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // The other end going away is the usual end.
            connection.with_upgrades().await.ok();
        });
    }
}

fn answer(mut request: Request<Incoming>, expected: &str) -> Response<Body> {
    let shown = request.headers().get(header::AUTHORIZATION);
    if shown.is_none_or(|shown| shown.as_bytes() != expected.as_bytes()) {
        let mut refused = text(StatusCode::UNAUTHORIZED, "who are you?\n");
        let challenge = HeaderValue::from_static("Basic realm=\"wiki\"");
        refused
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        return refused;
    }
    match request.uri().path() {
        "/" => page(),
        "/socket" => socket(&mut request),
        "/slow" => slow(),
        _ => text(StatusCode::NOT_FOUND, "there is no such page\n"),
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn page() -> Response<Body> {
    let mut page = text(
        StatusCode::OK,
        "<!doctype html><title>The wiki</title><h1>hello from the wiki</h1>\n\
         <p id=\"beat\"></p><p><a href=\"/slow\">a slow download</a></p>\n\
         <script>const beat = document.getElementById(\"beat\");\
         const socket = new WebSocket(location.href.replace(\"http\", \"ws\") + \"socket\");\
         socket.onmessage = (event) => beat.textContent = event.data;\
         socket.onclose = (event) => beat.textContent = event.reason || \"closed\";</script>\n",
    );
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    page.headers_mut().insert(header::CONTENT_TYPE, html);
    page
}

/// A line now and then, for ten minutes.
fn slow() -> Response<Body> {
    let lines = stream::unfold(0_u32, |number| async move {
        if number == 12_000 {
            return None;
        }
        tokio::time::sleep(BEAT).await;
        let line = Bytes::from(format!("line {number}\n"));
        Some((Ok(Frame::data(line)), number + 1))
    });
    Response::new(StreamBody::new(lines).boxed_unsync())
}

/// RFC 6455, as far as saying something now and then takes it.
fn socket(request: &mut Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return text(StatusCode::BAD_REQUEST, "this is for WebSockets\n");
    };
    let joined = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined));
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        for beat in 1_u32.. {
            let said = format!("beat {beat}");
            let length = u8::try_from(said.len()).unwrap_or(0);
            let frame = [&[0x81, length], said.as_bytes()].concat();
            if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            tokio::time::sleep(BEAT).await;
        }
    });
    let mut yes = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = yes.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    yes
}
