//! A desktop in the browser: a code for it, and the WebSocket that the code is shown in.
//!
//! Says who comes, from which page and for which check-out; the session is made, recorded and
//! ended where those of native clients are. Never a byte of the desktop is looked at here.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequestParts, State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{header, request::Parts},
    response::Response,
};
use futures::{Sink, Stream, future::BoxFuture};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use utoipa::ToSchema;
use zeroize::Zeroize;

use super::{
    Api,
    auth::{Caller, Peer},
    body::At,
    error::Problem,
    room::Place,
    sight,
};
use crate::{
    model::{
        ids::{CheckoutId, TokenId},
        name::TargetName,
        principal::Principal,
        text::Text,
        time::Timestamp,
    },
    page,
};

/// Browsers send what somebody types and points at.
const LARGEST: usize = 256 * 1024;

/// Opens desktops for browsers that were found to be somebody's.
#[derive(Clone)]
pub struct Desktops(Arc<dyn Fn(Visitor, Socket) -> BoxFuture<'static, ()> + Send + Sync>);

impl Desktops {
    pub fn new<F>(open: impl Fn(Visitor, Socket) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |visitor, socket| {
            Box::pin(open(visitor, socket))
        }))
    }
}

/// Somebody whose browser has opened a WebSocket for a check-out that they may see.
pub struct Visitor {
    pub principal: Principal,
    /// The sign-in that their browser has shown.
    pub sign_in: TokenId,
    pub checkout: CheckoutId,
    pub target: TargetName,
    pub peer: SocketAddr,
    /// What their browser calls itself, cleaned.
    pub client: String,
}

/// Wiped once it is sent.
#[derive(Serialize, ToSchema)]
pub struct DesktopWay {
    /// To be shown within a minute, once, by the same sign-in.
    code: String,
    ends_at: Timestamp,
}

impl Drop for DesktopWay {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}

/// A code, for somebody whose check-out admits them now.
pub async fn code(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
) -> Result<Json<DesktopWay>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let until = api.revealer().desktop(by, &id).await;
    let ends_at = until.map_err(|refusal| Problem::from(refusal).already_audited())?;
    let code = api.identity().desktop_code(&caller.token, &id).await?;
    Ok(Json(DesktopWay {
        code: code.reveal().to_owned(),
        ends_at,
    }))
}

/// The WebSocket. The code is the first thing that is said in it.
pub async fn open(
    State(api): State<Api>,
    caller: Caller,
    Peer(peer): Peer,
    At(named): At<String>,
    browser: Browser,
    place: Option<axum::Extension<Place>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let checkout = sight::checkout(&api, &caller.principal, &named).await?;
    // INVARIANT: a page of the console, and no other, whatever proof came along: browsers ask
    // nobody before they open a WebSocket to another origin.
    if !browser.is_on_our_page {
        return Err(Problem::foreign());
    }
    let upgrade = upgrade.map_err(|_| Problem::invalid("upgrade", "a WebSocket is expected"))?;
    let visitor = Visitor {
        principal: caller.principal,
        sign_in: caller.token,
        checkout: checkout.id,
        target: checkout.target_name,
        peer,
        client: browser.name,
    };
    let desktops = api.desktops().clone();
    let upgrade = upgrade.max_message_size(LARGEST).max_frame_size(LARGEST);
    Ok(upgrade.on_upgrade(async move |socket| {
        // Its connection counts for as long as it is there.
        let _place = place;
        (desktops.0)(visitor, Socket::new(socket)).await;
    }))
}

/// What a browser says of itself and of the page that asks.
pub struct Browser {
    is_on_our_page: bool,
    name: String,
}

impl<S: Sync> FromRequestParts<S> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let headers = &parts.headers;
        let authority = page::authority(&parts.uri, headers).unwrap_or_default();
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let agent: String = agent.chars().take(200).collect();
        Ok(Self {
            is_on_our_page: page::is_same_origin(headers, authority),
            name: Text::ours(&agent).one_line(),
        })
    }
}

/// A WebSocket as a stream of bytes: where its messages begin and end means nothing.
pub struct Socket {
    socket: WebSocket,
    /// What came and was not read yet.
    rest: Bytes,
}

impl Socket {
    fn new(socket: WebSocket) -> Self {
        Self {
            socket,
            rest: Bytes::new(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.rest = bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
            }
        }
        let length = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(context)).map_err(io::Error::other)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.socket)
            .start_send(message)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        flushed.map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.socket).poll_close(context);
        closed.map_err(io::Error::other)
    }
}
