//! The target of all that is large or long: bodies of any size that nobody keeps, streams that
//! go on, WebSockets that say nothing. A process of its own.

use std::{
    convert::Infallible,
    net::Ipv4Addr,
    process::{ExitCode, Stdio},
    time::Duration,
};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Frame, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    time::timeout,
};

use crate::{Result, stage};

/// The first argument of the process that is this target.
pub const WORD: &str = "serve-as-target";
/// One piece of what is sent.
const PIECE: usize = 256 * 1024;
/// How often a stream goes on.
const BEAT: Duration = Duration::from_millis(100);
const STARTS_WITHIN: Duration = Duration::from_secs(10);

static ZEROES: [u8; PIECE] = [0; PIECE];

type Body = UnsyncBoxBody<Bytes, Infallible>;

pub struct Target {
    pub port: u16,
    child: Child,
}

impl Target {
    pub async fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(WORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let line = timeout(STARTS_WITHIN, said.lines().next_line()).await??;
        let port = line.ok_or("the target did not start")?.parse()?;
        Ok(Self { port, child })
    }

    pub async fn stop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill().await;
    }
}

/// Says its port, and serves until whoever started it is gone.
pub async fn serve() -> ExitCode {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("target: {error}");
            return ExitCode::FAILURE;
        }
    };
    match listener.local_addr() {
        Ok(address) => println!("{}", address.port()),
        Err(_) => return ExitCode::FAILURE,
    }
    let expected = format!("Basic {}", stage::basic());
    let accepting = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(BEAT).await;
                continue;
            };
            // A frame is to go when it is said.
            stream.set_nodelay(true).ok();
            let expected = expected.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, expected.clone()));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // The other end going away is the usual end.
                connection.with_upgrades().await.ok();
            });
        }
    };
    let mut end = [0];
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        () = accepting => {}
        _ = stdin.read(&mut end) => {}
    }
    ExitCode::SUCCESS
}

async fn answer(
    mut request: Request<Incoming>,
    expected: String,
) -> Result<Response<Body>, Infallible> {
    let shown = request.headers().get(header::AUTHORIZATION);
    if shown.is_none_or(|shown| shown.as_bytes() != expected.as_bytes()) {
        return Ok(short(StatusCode::UNAUTHORIZED, String::new()));
    }
    let query = request.uri().query().unwrap_or_default().to_owned();
    Ok(match request.uri().path() {
        "/own/bytes" => zeroes(
            query.parse().unwrap_or_default(),
            "application/octet-stream",
        ),
        "/own/style" => zeroes(query.parse().unwrap_or_default(), "text/css"),
        "/own/sink" => swallowed(request).await,
        "/own/stream" => beats(),
        "/own/socket" => socket(&mut request),
        _ => short(StatusCode::NOT_FOUND, String::new()),
    })
}

fn short(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// So many zeroes.
fn zeroes(bytes: u64, kind: &'static str) -> Response<Body> {
    let pieces = stream::unfold(bytes, |left| async move {
        if left == 0 {
            return None;
        }
        let now = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let piece = Bytes::from_static(&ZEROES[..now]);
        Some((Ok(Frame::data(piece)), left - now as u64))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Reads a body to its end and says how long it was.
async fn swallowed(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    let mut bytes = 0;
    while !body.is_end_stream() {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(_)) => return short(StatusCode::BAD_REQUEST, String::new()),
            None => break,
        }
    }
    short(StatusCode::OK, bytes.to_string())
}

/// A line now and then, until nobody reads it.
fn beats() -> Response<Body> {
    let lines = stream::unfold((), |()| async {
        tokio::time::sleep(BEAT).await;
        Some((Ok(Frame::data(Bytes::from_static(&[b'.'; 1024]))), ()))
    });
    Response::new(StreamBody::new(lines).boxed_unsync())
}

/// Opened, and then silent (RFC 6455 s4.2.2).
fn socket(request: &mut Request<Incoming>) -> Response<Body> {
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        return short(StatusCode::BAD_REQUEST, String::new());
    };
    let joined = [key.as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &joined));
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut buffer = [0; 16];
        while stream.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let mut yes = short(StatusCode::SWITCHING_PROTOCOLS, String::new());
    let headers = yes.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    yes
}
