//! HTTP/1 as two programs in a row must agree on it: every head is looked at before it is
//! parsed.
//!
//! What a lenient parser mends (a bare line feed, a length beside chunks, a folded line) is
//! where requests are smuggled through, so it is answered with 400 and the connection ends.
//! Decides nothing about what a request means.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest head that is passed on.
pub const LONGEST_HEAD: usize = 64 * 1024;
/// Lines of a chunked body that are no data: a size with its extension, a trailer.
const LONGEST_LINE: usize = 8 * 1024;

/// No parser takes this for the beginning of a request: it answers 400 and closes.
const POISON: &[u8] = b"\0\r\n\r\n";

/// Where in the stream the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    Body(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Another protocol from here on.
    Raw,
    Refused,
}

/// Follows the messages of one connection. Pure: bytes in, vetted bytes out.
#[derive(Debug)]
struct Vetting {
    at: At,
    /// A head or line that is not whole yet.
    held: Vec<u8>,
    trailer_bytes: usize,
}

impl Default for Vetting {
    fn default() -> Self {
        Self {
            at: At::Head,
            held: Vec::new(),
            trailer_bytes: 0,
        }
    }
}

impl Vetting {
    /// Appends to `out` what may be parsed of `bytes` and what was held back.
    fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match self.at {
                At::Raw => {
                    out.extend_from_slice(bytes);
                    return;
                }
                At::Refused => return,
                At::Body(left) => {
                    let rest = take(left, &mut bytes, out);
                    self.at = if rest == 0 { At::Head } else { At::Body(rest) };
                }
                At::Chunk(left) => {
                    let rest = take(left, &mut bytes, out);
                    self.at = if rest == 0 {
                        At::ChunkEnd
                    } else {
                        At::Chunk(rest)
                    };
                }
                At::Head => self.head(&mut bytes, out),
                At::ChunkSize | At::ChunkEnd | At::Trailers => self.line(&mut bytes, out),
            }
        }
    }

    /// So many bytes of a body have gone another way.
    fn took(&mut self, count: u64) {
        if let At::Body(left) = self.at {
            self.at = match left - count {
                0 => At::Head,
                left => At::Body(left),
            };
        }
    }

    fn refuse(&mut self, out: &mut Vec<u8>) {
        self.at = At::Refused;
        self.held = Vec::new();
        out.extend_from_slice(POISON);
    }

    fn head(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) {
        // A client may send an empty line before a request (RFC 9112 s2.2); nobody needs to.
        let searched = self.held.len().saturating_sub(3);
        let before = self.held.len();
        self.held.extend_from_slice(bytes);
        let Some(end) = find(&self.held[searched..], b"\r\n\r\n").map(|at| searched + at + 4)
        else {
            *bytes = &[];
            // Seen early, so that what will never be a head is not waited for.
            let fresh = before.saturating_sub(1);
            if self.held.len() > LONGEST_HEAD || has_bare_line_feed(&self.held, fresh) {
                self.refuse(out);
            }
            return;
        };
        *bytes = &bytes[end - before..];
        self.held.truncate(end);
        match framing(&self.held) {
            Some(at) if end <= LONGEST_HEAD => {
                self.at = at;
                out.append(&mut self.held);
            }
            _ => self.refuse(out),
        }
    }

    fn line(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) {
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|at| at + 1);
        let (piece, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.held.extend_from_slice(piece);
        *bytes = rest;
        if self.held.len() > LONGEST_LINE {
            return self.refuse(out);
        }
        if end.is_none() {
            return;
        }
        let Some(line) = self.held.strip_suffix(b"\r\n") else {
            return self.refuse(out);
        };
        let next = match self.at {
            At::ChunkEnd if line.is_empty() => Some(At::ChunkSize),
            At::ChunkSize => match chunk_size(line) {
                Some(0) => {
                    self.trailer_bytes = 0;
                    Some(At::Trailers)
                }
                size => size.map(At::Chunk),
            },
            At::Trailers if line.is_empty() => Some(At::Head),
            At::Trailers => {
                self.trailer_bytes += line.len();
                let sound = is_field(line) && self.trailer_bytes <= LONGEST_HEAD;
                sound.then_some(At::Trailers)
            }
            _ => None,
        };
        match next {
            Some(at) => {
                self.at = at;
                out.append(&mut self.held);
            }
            None => self.refuse(out),
        }
    }
}

fn take(left: u64, bytes: &mut &[u8], out: &mut Vec<u8>) -> u64 {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (now, rest) = bytes.split_at(count);
    out.extend_from_slice(now);
    *bytes = rest;
    left - count as u64
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn has_bare_line_feed(bytes: &[u8], from: usize) -> bool {
    (from..bytes.len()).any(|at| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r'))
}

/// A field line: a name, a colon right behind it, no control character in its value.
fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (name, value) = line.split_at(colon);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty()
        && name.iter().all(is_token)
        && !value
            .iter()
            .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
}

/// What comes behind this head; none where it is not to be passed on.
fn framing(head: &[u8]) -> Option<At> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    let mut rest = head;
    let mut lines = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 2..).unwrap_or_default();
        Some(line)
    });
    let request = lines.next()?;
    let mut words = request.split(|byte| *byte == b' ');
    let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
    let whole = !method.is_empty() && !uri.is_empty() && words.next().is_none();
    let is_newest = version == b"HTTP/1.1";
    if !whole || !(is_newest || version == b"HTTP/1.0") || request.iter().any(u8::is_ascii_control)
    {
        return None;
    }
    let mut length: Option<u64> = None;
    let mut chunked = false;
    let mut upgrades = method == b"CONNECT";
    for line in lines {
        if !is_field(line) {
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            // Twice the same is still two that the next program may read in another way.
            if length.is_some() {
                return None;
            }
            length = Some(digits(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // `chunked` alone, once, and spelt out: everything else is read differently.
            if chunked || !is_newest || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            upgrades = true;
        }
    }
    match (chunked, length) {
        (true, Some(_)) => None,
        // Nobody needs a body in a request that asks for another protocol.
        (true, None) if upgrades => None,
        (false, Some(1..)) if upgrades => None,
        _ if upgrades => Some(At::Raw),
        (true, None) => Some(At::ChunkSize),
        (false, None | Some(0)) => Some(At::Head),
        (false, Some(length)) => Some(At::Body(length)),
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let sound = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    sound.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    // An extension means nothing to anybody; programs differ over how it ends.
    let sound = (1..=15).contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit);
    sound.then(|| u64::from_str_radix(std::str::from_utf8(line).ok()?, 16).ok())?
}

/// A stream whose reader sees only heads that were looked at.
pub struct Strict<S> {
    stream: S,
    vetting: Vetting,
    vetted: Vec<u8>,
    read: usize,
    buffer: Box<[u8]>,
}

impl<S> Strict<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            vetting: Vetting::default(),
            vetted: Vec::new(),
            read: 0,
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.read < this.vetted.len() {
                let waiting = &this.vetted[this.read..];
                let count = waiting.len().min(into.remaining());
                into.put_slice(&waiting[..count]);
                this.read += count;
                return Poll::Ready(Ok(()));
            }
            this.vetted.clear();
            this.read = 0;
            if this.vetting.at == At::Raw {
                // Nothing is looked at any more, for hours perhaps.
                this.buffer = Box::default();
                this.vetted = Vec::new();
                return Pin::new(&mut this.stream).poll_read(cx, into);
            }
            if this.vetting.at == At::Refused {
                return Poll::Ready(Ok(()));
            }
            if let At::Body(left) = this.vetting.at {
                // What is long is not copied twice.
                let before = into.filled().len();
                ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                let body = (into.filled().len() - before).min(left);
                let beyond = into.filled()[before + body..].to_vec();
                into.set_filled(before + body);
                this.vetting.took(body as u64);
                this.vetting.pass(&beyond, &mut this.vetted);
                return Poll::Ready(Ok(()));
            }
            let mut fresh = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut fresh))?;
            if fresh.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.vetting.pass(fresh.filled(), &mut this.vetted);
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is passed on of these bytes, in pieces of any size.
    fn passed(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut vetting = Vetting::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            vetting.pass(piece, &mut out);
        }
        out
    }

    const SOUND: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n",
    ];

    #[test]
    fn sound_requests_pass_as_they_are_one_behind_the_other() {
        let all = SOUND.concat();
        for piece in 1..all.len() {
            assert_eq!(passed(all.as_bytes(), piece), all.as_bytes(), "{piece}");
        }
    }

    #[test]
    fn what_programs_read_differently_ends_the_connection() {
        for shape in [
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
            "GET / HTTP/1.1\r\nnothing\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / http/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello",
            "POST / HTTP/1.1\r\nContent-Length: \r\n\r\nhello",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            for piece in [1, 7, shape.len()] {
                assert_eq!(passed(shape.as_bytes(), piece), POISON, "{shape:?} {piece}");
            }
        }
    }

    #[test]
    fn a_chunked_body_is_chunks_and_nothing_else() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5;a=b\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "-1\r\nhello\r\n0\r\n\r\n",
            "\r\nhello\r\n0\r\n\r\n",
            "5\r\nhelloo\r\n0\r\n\r\n",
            "ffffffffffffffff\r\nhello\r\n",
            "0\r\nX : 1\r\n\r\n",
            "0\r\nX: 1\n\r\n",
        ] {
            let shape = [head, body].concat();
            let out = passed(shape.as_bytes(), 3);
            assert!(out.ends_with(POISON), "{body:?}");
        }
    }

    #[test]
    fn what_never_ends_is_not_waited_for() {
        let endless = [
            b"GET / HTTP/1.1\r\nX: ".to_vec(),
            vec![b'a'; LONGEST_HEAD + 1],
        ]
        .concat();
        assert_eq!(passed(&endless, 1_000), POISON);
        let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_vec();
        let trailers = [head, b"X: 1\r\n".repeat(LONGEST_HEAD)].concat();
        assert!(passed(&trailers, 4_096).ends_with(POISON));
    }

    #[test]
    fn behind_an_upgrade_everything_passes() {
        let bytes = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\0\n\xff anything".to_vec();
        assert_eq!(passed(&bytes, 5), bytes);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_same_passes(
            bytes in proptest::collection::vec(prop_oneof![
                Just(b"GET / HTTP/1.1\r\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"\n".to_vec()),
                Just(b"Content-Length: 3\r\n".to_vec()), Just(b"abc".to_vec()),
                Just(b"Transfer-Encoding: chunked\r\n".to_vec()), Just(b"3\r\nabc\r\n".to_vec()),
                Just(b"0\r\n\r\n".to_vec()), proptest::collection::vec(any::<u8>(), 0..4),
            ], 0..12),
            piece in 1_usize..40,
        ) {
            let bytes = bytes.concat();
            let whole = passed(&bytes, bytes.len().max(1));
            prop_assert_eq!(passed(&bytes, piece), whole);
        }
    }
}
