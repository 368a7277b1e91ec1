//! A client's side of an HTTP/1 connection: in whatever pieces it comes the same is passed on,
//! what is passed on passes again, and another parser reads each head of it as the gateway did.
#![no_main]

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use doorward::broker::web::strict::Strict;
use futures::task::noop_waker;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

/// What no parser takes for a request.
const REFUSED: &[u8] = b"\0\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let Some((pieces, sent)) = input.split_first() else { return };
    let (most, room) = (usize::from(pieces >> 4) + 1, usize::from(pieces & 15) + 1);
    let passed = passed(sent, usize::MAX, 32 * 1024);
    assert_eq!(passed, self::passed(sent, most, room), "in pieces of {most} for {room}");
    let (sound, refused) = match passed.strip_suffix(REFUSED) {
        Some(sound) => (sound, true),
        None => (&passed[..], false),
    };
    assert!(sent.starts_with(sound), "nothing is made up");
    if !refused {
        assert_eq!(self::passed(sound, usize::MAX, 32 * 1024), sound);
    }
    read_as_others_do(sound);
});

/// The messages one behind the other, as httparse and RFC 9112 s6.3 see them.
fn read_as_others_do(mut rest: &[u8]) {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 512];
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            // A parser may refuse more; it must not read on.
            Ok(httparse::Status::Partial) | Err(_) => return,
        };
        assert_eq!(Some(length), rest.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4));
        let of = |name: &str| -> Vec<&[u8]> {
            let named = head.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
            named.map(|it| it.value).collect()
        };
        let (lengths, codings) = (of("content-length"), of("transfer-encoding"));
        assert!(lengths.len() + codings.len() < 2, "one framing or none");
        if head.method == Some("CONNECT") || !of("upgrade").is_empty() {
            // Another protocol from here on, and no body before it.
            assert!(codings.is_empty() && lengths.iter().all(|it| it.iter().all(|it| *it == b'0')));
            return;
        }
        rest = &rest[length..];
        if let Some(text) = lengths.first() {
            let text = std::str::from_utf8(text).expect("digits");
            let length: u64 = text.parse().expect("digits");
            let Some(behind) = usize::try_from(length).ok().and_then(|it| rest.get(it..)) else {
                return;
            };
            rest = behind;
        } else if let Some(coding) = codings.first() {
            assert!(coding.eq_ignore_ascii_case(b"chunked"));
            match behind_chunks(rest) {
                Some(behind) => rest = behind,
                None => return,
            }
        }
    }
}

/// What stands behind the last chunk and its trailers; none while it is not whole.
fn behind_chunks(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let httparse::Status::Complete((at, size)) =
            httparse::parse_chunk_size(rest).expect("a size that others read")
        else {
            return None;
        };
        rest = &rest[at..];
        if size == 0 {
            break;
        }
        rest = rest.get(usize::try_from(size).ok()?..)?;
        if rest.len() < 2 {
            return None;
        }
        rest = rest.strip_prefix(b"\r\n").expect("a chunk ends with its line");
    }
    loop {
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        let (line, behind) = (&rest[..end], &rest[end + 2..]);
        if line.is_empty() {
            return Some(behind);
        }
        assert!(line.contains(&b':') && !line.contains(&b'\n'), "a trailer is a field");
        rest = behind;
    }
}

/// What a reader with so much room gets of these bytes, which come in such pieces.
fn passed(bytes: &[u8], most: usize, room: usize) -> Vec<u8> {
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut strict = Strict::new(Pieces { bytes, most });
    let mut out = Vec::new();
    let mut buffer = vec![0; room];
    loop {
        let mut into = ReadBuf::new(&mut buffer);
        match Pin::new(&mut strict).poll_read(&mut cx, &mut into) {
            Poll::Ready(Ok(())) if into.filled().is_empty() => return out,
            Poll::Ready(Ok(())) => out.extend_from_slice(into.filled()),
            Poll::Ready(Err(_)) | Poll::Pending => unreachable!("bytes do not fail"),
        }
    }
}

struct Pieces<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let count = this.bytes.len().min(this.most).min(into.remaining());
        let (now, rest) = this.bytes.split_at(count);
        into.put_slice(now);
        this.bytes = rest;
        Poll::Ready(Ok(()))
    }
}
