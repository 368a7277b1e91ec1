//! WebSockets: opened as the target answers, passed through frame by frame, closed with a
//! word where the person still reads.
//!
//! RFC 6455 over HTTP/1.1, RFC 8441 over HTTP/2; towards the target always the former. What
//! is in a frame is nobody's business here.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    ext::Protocol,
    header::{self, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};
use tracing::debug;

use super::{
    answer::Answer, body::Body, exchange::Exchange, passage::Passage, proxy::Proxy, unread::Unread,
};
use crate::kill::KillSwitch;

/// How long a person's client may take to hear why its WebSocket ends.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// From the target's yes until both connections are handed over.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(10);

/// So much is read at once.
const PIECE: usize = 16 * 1024;

/// How a WebSocket is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `Upgrade: websocket`.
    Http1,
    /// `:protocol: websocket`.
    Http2,
}

impl Asked {
    pub fn of(request: &Request<Unread>) -> Option<Self> {
        if request.version() == Version::HTTP_2 {
            let protocol = request.extensions().get::<Protocol>()?;
            let is_it = request.method() == Method::CONNECT && protocol.as_str() == "websocket";
            return is_it.then_some(Self::Http2);
        }
        let upgrade = request.headers().get(header::UPGRADE)?;
        let is_it = upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
            && request.method() == Method::GET
            && request.version() == Version::HTTP_11;
        is_it.then_some(Self::Http1)
    }
}

pub async fn open(
    proxy: &Proxy,
    mut passage: Passage<'_>,
    request: &mut Request<Unread>,
    asked: Asked,
) -> Result<Response<Body>, Answer> {
    let person = hyper::upgrade::on(&mut *request);
    let mut headers = std::mem::take(request.headers_mut());
    proxy.make_ready(&passage, &mut headers);
    let own = HeaderValue::from_static;
    headers.insert(header::CONNECTION, own("Upgrade"));
    headers.insert(header::UPGRADE, own("websocket"));
    if asked == Asked::Http2 {
        headers.insert(SEC_WEBSOCKET_KEY, key());
        headers.insert(SEC_WEBSOCKET_VERSION, own("13"));
    }
    let mut outgoing = Request::new(Body::Empty);
    *outgoing.headers_mut() = headers;
    let session = &passage.session;
    let way = session.pool().to_upgrade(session.session()).await;
    let way = way.map_err(|error| passage.not_reached(&error))?;
    passage.address(&mut outgoing, &way);
    let sent = timeout(HANDED_OVER_WITHIN, way.send(outgoing)).await;
    let Ok(answered) = sent else {
        let why = format!("the target {} did not answer", passage.target);
        return Err(Answer::target_too_slow(why));
    };
    let (mut answer, _) = answered.map_err(|failed| passage.no_answer(&failed.why))?;
    if passage.has_lapsed(&answer) {
        passage.renew().await?;
        return Err(Answer::send_again());
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return passage.passed_on(answer, None).await;
    }
    let target = hyper::upgrade::on(&mut answer);
    let mut headers = std::mem::take(answer.headers_mut());
    passage.translate(&mut headers);
    passage.exchange.status(StatusCode::SWITCHING_PROTOCOLS);
    let switch = session.switch().clone();
    let exchange = passage.exchange.clone();
    passage
        .visit
        .drive(connect(person, target, exchange, switch));
    Ok(agreed(headers, asked))
}

/// The yes, as the person's protocol says it.
fn agreed(mut headers: HeaderMap, asked: Asked) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    headers.remove(header::CONTENT_LENGTH);
    match asked {
        Asked::Http1 => {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let own = HeaderValue::from_static;
            headers.insert(header::CONNECTION, own("Upgrade"));
            headers.insert(header::UPGRADE, own("websocket"));
        }
        Asked::Http2 => {
            // RFC 8441 s5: the key and its echo have no use there.
            headers.remove(SEC_WEBSOCKET_ACCEPT);
        }
    }
    *response.headers_mut() = headers;
    response
}

fn key() -> HeaderValue {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).expect("the machine gives randomness");
    HeaderValue::from_str(&STANDARD.encode(nonce)).expect("base64 is printable")
}

async fn connect(
    person: OnUpgrade,
    target: OnUpgrade,
    exchange: Arc<Exchange>,
    switch: KillSwitch,
) {
    let both = async { tokio::try_join!(person, target) };
    let (person, target) = match timeout(HANDED_OVER_WITHIN, both).await {
        Ok(Ok(both)) => both,
        Ok(Err(error)) => {
            debug!(%error, "WebSocket not handed over");
            return exchange.broke_off(&error);
        }
        Err(_) => return exchange.failed("not handed over"),
    };
    let (from_person, to_person) = tokio::io::split(TokioIo::new(person));
    let (from_target, to_target) = tokio::io::split(TokioIo::new(target));
    let up = pass_up(from_person, to_target, &exchange);
    let down = pass_down(from_target, to_person, &exchange, &switch);
    // Each side's end is the end: a WebSocket is not used half open.
    let ended = tokio::select! {
        ended = down => ended,
        ended = up => ended,
    };
    match ended {
        Ok(()) => exchange.answered(!switch.is_pulled()),
        Err(error) => exchange.failed(error.to_string()),
    }
}

async fn pass_up(
    mut person: impl AsyncRead + Unpin,
    mut target: impl AsyncWrite + Unpin,
    exchange: &Exchange,
) -> io::Result<()> {
    loop {
        let piece = next(&mut person).await?;
        if piece.is_empty() {
            target.shutdown().await?;
            // The target's own end is heard by the other direction.
            return std::future::pending().await;
        }
        exchange.count_in(piece.len() as u64);
        if let Err(refusal) = exchange.within_room() {
            return Err(io::Error::other(refusal));
        }
        let written = async {
            target.write_all(&piece).await?;
            target.flush().await
        };
        if written.await.is_err() {
            // Killed, or gone: the other direction knows which, and says it.
            return std::future::pending().await;
        }
    }
}

async fn pass_down(
    mut target: impl AsyncRead + Unpin,
    mut person: impl AsyncWrite + Unpin,
    exchange: &Exchange,
    switch: &KillSwitch,
) -> io::Result<()> {
    let mut frames = Frames::default();
    loop {
        let read = tokio::select! {
            biased;
            _ = switch.killed() => break,
            read = next(&mut target) => read,
        };
        let piece = match read {
            Ok(piece) => piece,
            // The socket is closed before everybody is told why.
            Err(_) if switch.is_pulled() => break,
            Err(error) => return Err(error),
        };
        if piece.is_empty() {
            return person.shutdown().await;
        }
        exchange.count_out(piece.len() as u64);
        if let Err(refusal) = exchange.within_room() {
            return Err(io::Error::other(refusal));
        }
        person.write_all(&piece).await?;
        person.flush().await?;
        frames.take(&piece);
    }
    let Some(reason) = switch.reason() else {
        return Ok(());
    };
    if frames.at_boundary() {
        let goodbye = async {
            person.write_all(&close_frame(&reason.to_string())).await?;
            person.flush().await?;
            person.shutdown().await
        };
        // Where nobody reads, the connection is cut by the clock.
        if timeout(LAST_WORDS, goodbye).await.is_err() {
            debug!("WebSocket's last word not taken");
        }
    }
    Ok(())
}

/// What comes next; nothing at the end. While it waits it holds no room, as most WebSockets are
/// silent most of the time.
async fn next(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut room = [MaybeUninit::uninit(); PIECE];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
        Poll::Ready(Ok(read.filled().to_vec()))
    })
    .await
}

/// 1008, policy violation, with the reason (RFC 6455 s5.5.1, s7.4.1).
fn close_frame(reason: &str) -> Vec<u8> {
    const MOST: usize = 123;
    let mut end = reason.len().min(MOST);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let length = u8::try_from(2 + end).expect("a close frame is short");
    let mut frame = vec![0x88, length];
    frame.extend_from_slice(&1008_u16.to_be_bytes());
    frame.extend_from_slice(&reason.as_bytes()[..end]);
    frame
}

/// Follows where frames begin and end (RFC 6455 s5.2).
#[derive(Debug, Default)]
struct Frames {
    head: Vec<u8>,
    payload: u64,
}

impl Frames {
    fn at_boundary(&self) -> bool {
        self.head.is_empty() && self.payload == 0
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let count = usize::try_from(self.payload).unwrap_or(usize::MAX);
                let count = count.min(bytes.len());
                self.payload -= count as u64;
                bytes = &bytes[count..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(payload) = payload(&self.head) {
                self.payload = payload;
                self.head.clear();
            }
        }
    }
}

/// How much follows this head, once it is whole.
fn payload(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, at) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(*head.get(2..)?.first_chunk()?)),
            4,
        ),
        127 => (u64::from_be_bytes(*head.get(2..)?.first_chunk()?), 10),
        length => (u64::from(length), 2),
    };
    (head.len() == at + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    #[test]
    fn a_word_is_put_between_two_frames_and_never_into_one() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let whole = frame(length);
            let mut frames = Frames::default();
            for (at, byte) in whole.iter().enumerate() {
                assert_eq!(frames.at_boundary(), at == 0, "{length} {at}");
                frames.take(&[*byte]);
            }
            assert!(frames.at_boundary(), "{length}");
            frames.take(&[frame(7), frame(length), frame(0)].concat());
            assert!(frames.at_boundary(), "{length}");
            frames.take(&whole[..whole.len() - 1]);
            assert_eq!(frames.at_boundary(), whole.len() == 1);
        }
    }

    #[test]
    fn the_last_word_fits_into_its_frame() {
        let frame = close_frame(&"ä".repeat(200));
        assert_eq!(frame[..4], [0x88, 124, 0x03, 0xf0]);
        assert_eq!(frame.len(), 126);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
