//! Reads a leg in large pieces while it is busy and small ones while it is not.
//!
//! A packet's length and its body are two reads for the protocol library; here they are one
//! system call, at full speed one for several packets. An idle connection keeps no large
//! buffer for that.
//!
//! A connection in bulk gives way after each turn. Left to itself it would keep its thread
//! for eight mebibytes, and a revoke would wait for that.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::yield_now,
};

const SMALL: usize = 2 * 1024;
const LARGE: usize = 64 * 1024;

/// So many small reads in a row are taken for the end of a bulk transfer.
const CALM: u8 = 32;

/// So much is read before everybody else has had a turn.
const TURN: usize = 256 * 1024;

#[derive(Debug)]
pub struct ReadAhead<S> {
    stream: S,
    buffer: Box<[u8]>,
    /// What was read and not yet taken.
    from: usize,
    to: usize,
    calm: u8,
    /// Read in this turn.
    turn: usize,
}

impl<S> ReadAhead<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: vec![0; SMALL].into(),
            from: 0,
            to: 0,
            calm: 0,
            turn: 0,
        }
    }

    /// Chooses the size of the next read by what the last ones brought.
    fn adapt(&mut self) {
        let large = self.buffer.len() == LARGE;
        if !large && self.to == self.buffer.len() {
            self.buffer = vec![0; LARGE].into();
            self.calm = 0;
        } else if large && self.to > SMALL {
            self.calm = 0;
        } else if large {
            self.calm += 1;
            if self.calm == CALM {
                self.buffer = vec![0; SMALL].into();
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.from == this.to {
            if this.turn >= TURN {
                this.turn = 0;
                // Comes back after whatever is ready, and after a look at the sockets.
                ready!(pin!(yield_now()).poll(cx));
            }
            this.adapt();
            let mut read = ReadBuf::new(&mut this.buffer);
            let polled = Pin::new(&mut this.stream).poll_read(cx, &mut read);
            if polled.is_pending() {
                this.turn = 0;
            }
            ready!(polled)?;
            (this.from, this.to) = (0, read.filled().len());
            this.turn += this.to;
        }
        let count = into.remaining().min(this.to - this.from);
        into.put_slice(&this.buffer[this.from..this.from + count]);
        this.from += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read_whatever_the_sizes() {
        let (mut near, far) = duplex(300_000);
        let sent: Vec<u8> = (0..1_000_000_u32)
            .map(|index| (index % 251) as u8)
            .collect();
        let expected = sent.clone();
        let writer = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
        });
        let mut reader = ReadAhead::new(far);
        let mut seen = Vec::new();
        for size in [4, 32 * 1024, 1, 100_000, 4096].into_iter().cycle() {
            let mut piece = vec![0; size];
            let count = reader.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&piece[..count]);
        }
        writer.await.unwrap();
        assert_eq!(seen.len(), expected.len());
        assert!(seen == expected);
    }

    #[tokio::test]
    async fn the_large_buffer_goes_when_it_is_quiet() {
        let (mut near, far) = duplex(300_000);
        let mut reader = ReadAhead::new(far);
        near.write_all(&vec![1; 200_000]).await.unwrap();
        reader.read_exact(&mut vec![0; 200_000]).await.unwrap();
        assert_eq!(reader.buffer.len(), LARGE);
        for _ in 0..=CALM {
            near.write_all(b"x").await.unwrap();
            reader.read_u8().await.unwrap();
        }
        assert_eq!(reader.buffer.len(), SMALL);
    }
}
