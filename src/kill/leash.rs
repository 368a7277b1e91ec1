//! A byte stream that dies with its switch.
//!
//! Sits under the protocol libraries, so that none of them has to know. The stream is held
//! in a slot that the switch can empty from any thread: a task that is stuck, or waits for
//! a peer that no longer reads, keeps nothing open.

use std::{
    any::Any,
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    time::timeout,
};

use super::{Attachment, KillSwitch, Line, locked};
use crate::model::session::KillReason;

/// What can be leashed. For a socket, leash the socket itself, below any TLS: closing it is
/// then all that a cut has to do.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// A stream that is closed when its switch is pulled, whether anybody polls it or not.
///
/// A TCP socket is then reset: what the kernel still held for a peer that does not read is
/// thrown away, never delivered after the end. Every later read, write and flush fails with
/// the sentence of the `KillReason`.
pub struct Leashed<S: Stream> {
    leash: Arc<Leash<S>>,
    meter: Arc<Meter>,
    vectored: bool,
}

impl<S: Stream> Leashed<S> {
    /// Cut in the moment of the pull: the leg towards the target.
    pub fn new(stream: S, switch: KillSwitch) -> Self {
        Self::tie(stream, switch, None)
    }

    /// Cut `grace` after the pull: the leg towards the person, who is to read why.
    ///
    /// Within the grace the stream works as before; dropping it ends the grace early, as
    /// soon as the peer has taken what was written and closed.
    ///
    /// # Panics
    /// Outside a tokio runtime, which keeps the time of the grace.
    pub fn with_grace(stream: S, switch: KillSwitch, grace: Duration) -> Self {
        Self::tie(
            stream,
            switch,
            Some(Grace {
                length: grace,
                runtime: Handle::current(),
            }),
        )
    }

    fn tie(stream: S, switch: KillSwitch, grace: Option<Grace>) -> Self {
        let vectored = stream.is_write_vectored();
        let slot = Slot {
            stream: Some(stream),
            attachment: None,
            reader: None,
            writer: None,
        };
        let leash = Arc::new(Leash {
            slot: Mutex::new(slot),
            grace,
            switch,
        });
        let attachment = leash.switch.attach(leash.clone());
        let mut slot = locked(&leash.slot);
        if slot.stream.is_some() {
            slot.attachment = Some(attachment);
        }
        drop(slot);
        Self {
            leash,
            meter: Arc::default(),
            vectored,
        }
    }

    /// Counts this stream's bytes; readable while and after it lives.
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }
}

/// The bytes of one stream, as its holder sees them.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    written: AtomicU64,
}

impl Meter {
    /// Bytes read from the stream.
    pub fn bytes_in(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes written to the stream.
    pub fn bytes_out(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

struct Leash<S: Stream> {
    slot: Mutex<Slot<S>>,
    grace: Option<Grace>,
    switch: KillSwitch,
}

/// INVARIANT: whoever takes the stream out takes the attachment too and drops it after the
/// stream, so that `KillSwitch::severed` speaks of sockets that are closed.
struct Slot<S> {
    stream: Option<S>,
    attachment: Option<Attachment>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Grace {
    length: Duration,
    runtime: Handle,
}

impl<S: Stream> Line for Leash<S> {
    fn pulled(self: Arc<Self>) {
        match &self.grace {
            None => self.sever(),
            Some(grace) => {
                let leash = self.clone();
                grace.runtime.spawn(async move {
                    tokio::time::sleep(leash.grace_left()).await;
                    leash.sever();
                });
            }
        }
    }
}

impl<S: Stream> Leash<S> {
    fn sever(&self) {
        let mut slot = locked(&self.slot);
        let (stream, attachment) = (slot.stream.take(), slot.attachment.take());
        let waiting = [slot.reader.take(), slot.writer.take()];
        drop(slot);
        if let Some(stream) = stream {
            abort(stream);
        }
        drop(attachment);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// How long after now a pulled stream still lives.
    fn grace_left(&self) -> Duration {
        let grace = self
            .grace
            .as_ref()
            .map_or(Duration::ZERO, |grace| grace.length);
        grace.saturating_sub(self.switch.pulled_for().unwrap_or_default())
    }

    /// Polls the stream if it is still there, and remembers who waits for it.
    ///
    /// INVARIANT: stream and wakers are behind one lock. A cut either comes before the poll,
    /// which then fails, or finds the waker it has to wake.
    fn poll<T>(
        &self,
        waiting: impl FnOnce(&mut Slot<S>) -> &mut Option<Waker>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.grace.is_none() && self.switch.is_pulled() {
            // The pull is on its way here; nothing passes meanwhile.
            self.sever();
        }
        let mut slot = locked(&self.slot);
        let Some(stream) = &mut slot.stream else {
            return Poll::Ready(Err(self.cut()));
        };
        let polled = poll(Pin::new(stream), cx);
        if polled.is_pending() {
            match waiting(&mut slot) {
                Some(waker) => waker.clone_from(cx.waker()),
                empty => *empty = Some(cx.waker().clone()),
            }
        }
        polled
    }

    fn cut(&self) -> io::Error {
        let reason = self
            .switch
            .reason()
            .expect("only a pulled switch empties a polled slot");
        io::Error::new(io::ErrorKind::ConnectionAborted, Cut(reason))
    }
}

impl<S: Stream> AsyncRead for Leashed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = |stream: Pin<&mut S>, cx: &mut Context<'_>| stream.poll_read(cx, buffer);
        let polled = self.leash.poll(|slot| &mut slot.reader, cx, read);
        ready!(polled)?;
        let count = buffer.filled().len() - before;
        self.meter.read.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Leashed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.leash.poll(
            |slot| &mut slot.writer,
            cx,
            |stream, cx| stream.poll_write(cx, bytes),
        );
        self.written(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write =
            |stream: Pin<&mut S>, cx: &mut Context<'_>| stream.poll_write_vectored(cx, slices);
        let polled = self.leash.poll(|slot| &mut slot.writer, cx, write);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.leash.poll(
            |slot| &mut slot.writer,
            cx,
            |stream, cx| stream.poll_flush(cx),
        )
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.leash.poll(
            |slot| &mut slot.writer,
            cx,
            |stream, cx| stream.poll_shutdown(cx),
        )
    }
}

impl<S: Stream> Leashed<S> {
    fn written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = polled {
            self.meter
                .written
                .fetch_add(count as u64, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: Stream> Drop for Leashed<S> {
    fn drop(&mut self) {
        let mut slot = locked(&self.leash.slot);
        let (stream, attachment) = (slot.stream.take(), slot.attachment.take());
        drop(slot);
        let Some(stream) = stream else { return };
        match &self.leash.grace {
            // The end of a session that nobody killed: closed as the peer expects it.
            _ if !self.leash.switch.is_pulled() => drop(stream),
            None => abort(stream),
            Some(grace) => {
                grace
                    .runtime
                    .spawn(part(stream, attachment, self.leash.grace_left()));
                return;
            }
        }
        drop(attachment);
    }
}

impl<S: Stream> fmt::Debug for Leashed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (switch, meter) = (&self.leash.switch, &self.meter);
        f.debug_struct("Leashed")
            .field("switch", switch)
            .field("meter", meter)
            .finish()
    }
}

/// Lets the peer take the last words, for what is left of the grace, and then closes.
async fn part<S: Stream>(mut stream: S, attachment: Option<Attachment>, left: Duration) {
    let farewell = async {
        stream.shutdown().await?;
        let mut ignored = [0; 512];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // Closed, failed or out of time: it is over either way.
    let _ = timeout(left, farewell).await;
    abort(stream);
    drop(attachment);
}

/// Closes at once. With `SO_LINGER` zero the kernel forgets what it has not sent; after a
/// close that both sides have finished it sends nothing more.
fn abort<S: Stream>(stream: S) {
    if let Some(socket) = (&stream as &dyn Any).downcast_ref::<TcpStream>() {
        // Fails only on a socket that is already closed.
        let _ = socket.set_zero_linger();
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cut(KillReason);
