//! Frames of RDP as they stand on the wire: TPKT, and the short form called fast-path.
//!
//! Finds where one ends and the next begins. Never looks into one, and holds no more than
//! the largest that the two forms can name.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Every frame of the long form begins with its version.
pub const TPKT: u8 = 3;

const TPKT_HEAD: usize = 4;

/// So much is asked for at once: a busy screen comes in frames of 16 KiB.
const READ: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a frame of RDP")]
pub struct NotAFrame;

/// A stream, frame by frame.
pub struct Frames<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> Frames<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame; none at the end of the stream. May be dropped at any time: what was
    /// read stays.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(length) = length(&self.buffer).map_err(invalid)?
                && self.buffer.len() >= length
            {
                return Ok(Some(self.buffer.split_to(length).freeze()));
            }
            self.buffer.reserve(READ);
            // Peers close without a word: to TLS that is a fault, here it is an end.
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error)
                    if error.kind() == io::ErrorKind::UnexpectedEof && self.buffer.is_empty() =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// How long the frame is that begins here; none while too little of it is there to say.
pub fn length(head: &[u8]) -> Result<Option<usize>, NotAFrame> {
    let (length, least) = match *head {
        [TPKT, _, high, low, ..] => (u16::from_be_bytes([high, low]), TPKT_HEAD + 3),
        [] | [TPKT, ..] => return Ok(None),
        // The two low bits say the form, and there are two.
        [first, ..] if first & 3 != 0 => return Err(NotAFrame),
        [_, high, low, ..] if high & 0x80 != 0 => (u16::from_be_bytes([high & 0x7f, low]), 4),
        [_, short, ..] if short & 0x80 == 0 => (u16::from(short), 3),
        _ => return Ok(None),
    };
    let length = usize::from(length);
    match length >= least {
        true => Ok(Some(length)),
        false => Err(NotAFrame),
    }
}

pub fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_tell_their_length_and_nothing_else_is_one() {
        for (head, expected) in [
            (&[][..], Ok(None)),
            (&[3], Ok(None)),
            (&[3, 0, 0], Ok(None)),
            (&[3, 0, 0, 19], Ok(Some(19))),
            (&[3, 0, 0xff, 0xff], Ok(Some(65_535))),
            (&[3, 0, 0, 6], Err(NotAFrame)),
            (&[0], Ok(None)),
            (&[0, 5], Ok(Some(5))),
            (&[0x80, 0x81], Ok(None)),
            (&[0x80, 0x81, 0x02], Ok(Some(0x102))),
            (&[0, 2], Err(NotAFrame)),
            (&[0, 0x80, 0x03], Err(NotAFrame)),
            (&[1, 5], Err(NotAFrame)),
            (&[2, 5], Err(NotAFrame)),
            (&[7, 0, 0, 19], Err(NotAFrame)),
        ] {
            assert_eq!(length(head), expected, "{head:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_comes_apart_where_its_frames_end() {
        let bytes = [&[3, 0, 0, 8, 1, 2, 3, 4][..], &[0, 5, 1, 2, 3], &[0, 4, 9]].concat();
        let mut frames = Frames::new(&bytes[..]);
        assert_eq!(frames.next().await.unwrap().unwrap().len(), 8);
        assert_eq!(frames.next().await.unwrap().unwrap(), &[0, 5, 1, 2, 3][..]);
        let error = frames.next().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(Frames::new(&[][..]).next().await.unwrap().is_none());
    }

    proptest! {
        #[test]
        fn a_length_never_grows_with_what_follows(
            head in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            if let Ok(Some(known)) = length(&head) {
                let mut longer = head.clone();
                longer.extend([0; 8]);
                prop_assert_eq!(length(&longer), Ok(Some(known)));
            }
        }
    }
}
