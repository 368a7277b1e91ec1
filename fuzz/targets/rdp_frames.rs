//! A stream of RDP in pieces of any size: the same frames come of it, one behind the other and
//! nothing between them, and data that is put back into its frame is read again as the same.
#![no_main]

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use doorward::broker::rdp::parts::{Frames, Said, length};
use futures::FutureExt;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

fuzz_target!(|input: &[u8]| {
    let Some((most, sent)) = input.split_first() else { return };
    let (frames, is_whole) = frames(sent, usize::MAX);
    let pieces = self::frames(sent, usize::from(*most) + 1);
    assert_eq!(pieces, (frames.clone(), is_whole), "in pieces of {most}");
    let passed = frames.concat();
    assert!(sent.starts_with(&passed), "nothing is made up");
    assert_eq!(is_whole, sent.len() == passed.len(), "nothing is left without a word");
    for frame in &frames {
        assert_eq!(length(frame), Ok(Some(frame.len())));
        let Ok(Some(Said::Data(data))) = Said::read(frame) else { continue };
        let again = data.with(data.bytes).expect("it was in a frame");
        assert_eq!(length(&again), Ok(Some(again.len())));
        assert_eq!(Said::read(&again), Ok(Some(Said::Data(data))));
    }
});

/// The frames, and whether they end where the stream does.
fn frames(bytes: &[u8], most: usize) -> (Vec<Bytes>, bool) {
    let mut frames = Frames::new(Pieces { bytes, most });
    let mut all = Vec::new();
    loop {
        match frames.next().now_or_never().expect("bytes do not wait") {
            Ok(Some(frame)) => all.push(frame),
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
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
