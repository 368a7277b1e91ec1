//! The person's side of a channel: what is written to their client, and in which words.
//!
//! Never waits for a client that does not read when there is something to end.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use russh::{ChannelId, ChannelWriteHalf, server};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{inbox::Stream, talk::Tell};
use crate::clock::Stopwatch;

/// Refused, or ended by the gateway: sysexits.h `EX_NOPERM`.
pub const NO_PERMISSION: u32 = 77;
/// The target cannot be used: `EX_UNAVAILABLE`.
pub const UNAVAILABLE: u32 = 69;
/// The gateway cannot decide now, the same may work soon: `EX_TEMPFAIL`.
pub const TRY_AGAIN: u32 = 75;

/// How long the last words of a cut may take. Within the grace of the leg.
const LAST_WORDS: Duration = Duration::from_millis(160);

/// How long a client that was told may take to leave by itself.
const LEAVE: Duration = Duration::from_millis(100);

/// The same while output was on its way: there is no telling whether it still reads, and the
/// disconnect carries the sentence as well.
const LEAVE_BUSY: Duration = Duration::from_millis(10);

/// A client to which nothing was written for this long has read what there was.
const QUIET: Duration = Duration::from_millis(200);

const STANDARD_ERROR: u32 = 1;

/// What the person is told, and the exit status that programs see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub sentence: String,
    pub status: u32,
}

/// One channel of the person's client.
pub struct PersonChannel {
    write: ChannelWriteHalf<server::Msg>,
    handle: server::Handle,
    /// Set once a terminal was asked for: then text goes where it is seen.
    terminal: OnceLock<()>,
    /// Cancelled once the client has closed the channel.
    left: CancellationToken,
    opened: Stopwatch,
    /// When output was last put on its way, in milliseconds after that.
    busy_at: AtomicU64,
}

/// The person's leg is gone. There is nobody to tell.
#[derive(Debug, thiserror::Error)]
#[error("the client is gone")]
pub struct PersonGone;

impl PersonChannel {
    pub fn new(write: ChannelWriteHalf<server::Msg>, handle: server::Handle) -> Self {
        Self {
            write,
            handle,
            terminal: OnceLock::new(),
            left: CancellationToken::new(),
            opened: Stopwatch::start(),
            busy_at: AtomicU64::new(0),
        }
    }

    pub fn id(&self) -> ChannelId {
        self.write.id()
    }

    pub fn has_terminal(&self) {
        self.terminal.get_or_init(|| ());
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal.get().is_some()
    }

    /// The client has closed the channel: it reads no more, and waits to hear how what ran
    /// on it has ended.
    pub fn leaves(&self) {
        self.left.cancel();
    }

    pub fn has_left(&self) -> bool {
        self.left.is_cancelled()
    }

    /// Waits for the client's window: this is the back-pressure of the way down. What nobody
    /// reads any more is dropped.
    pub async fn bytes(&self, stream: Stream, bytes: Bytes) -> Result<(), PersonGone> {
        self.busy_at.store(self.age(), Ordering::Relaxed);
        let sending = async {
            match stream {
                Stream::Out => self.write.data_bytes(bytes).await,
                Stream::Err => self.write.extended_data_bytes(STANDARD_ERROR, bytes).await,
            }
        };
        tokio::select! {
            biased;
            () = self.left.cancelled() => Ok(()),
            sent = sending => sent.map_err(|_| PersonGone),
        }
    }

    /// Gives back window for what has reached the target.
    pub async fn grant(&self, amount: u32) -> Result<(), PersonGone> {
        let granted = self.write.grant_window(amount).await;
        granted.map_err(|_| PersonGone)
    }

    /// Answers the oldest request of the client that wants an answer and has none.
    pub async fn answer(&self, yes: bool) -> Result<(), PersonGone> {
        let answered = match yes {
            true => self.handle.channel_success(self.id()).await,
            false => self.handle.channel_failure(self.id()).await,
        };
        answered.map_err(|()| PersonGone)
    }

    pub async fn pass_on(&self, tell: Tell) -> Result<(), PersonGone> {
        match tell {
            Tell::Answer(yes) => self.answer(yes).await,
            Tell::EndOfWrite => self.write.end_of_write().await.map_err(|_| PersonGone),
            Tell::Eof => self.write.eof().await.map_err(|_| PersonGone),
            Tell::Close | Tell::Lost => self.write.close().await.map_err(|_| PersonGone),
            Tell::ExitStatus(status) => {
                let sent = self.write.exit_status(status).await;
                sent.map_err(|_| PersonGone)
            }
            Tell::ExitSignal {
                signal,
                core_dumped,
                message,
                language,
            } => self
                .handle
                .exit_signal_request(self.id(), signal, core_dumped, message, language)
                .await
                .map_err(|()| PersonGone),
        }
    }

    /// A sentence of the gateway's own, in a line of its own.
    pub async fn say(&self, sentence: &str) -> Result<(), PersonGone> {
        let (stream, line) = self.line(sentence);
        self.bytes(stream, line).await
    }

    /// Tells why there is nothing here, and closes the channel.
    pub async fn refuse(&self, told: &Told) -> Result<(), PersonGone> {
        self.say(&told.sentence).await?;
        self.finish(told.status).await
    }

    /// The last words of a cut. Returns how long the client may take to leave, if they went
    /// into its window: one that has stopped reading cannot be told here.
    pub async fn last_words(&self, sentence: &str) -> Option<Duration> {
        let (stream, line) = self.line(sentence);
        let silence = self.age() - self.busy_at.load(Ordering::Relaxed);
        let leave = match u128::from(silence) < QUIET.as_millis() {
            true => LEAVE_BUSY,
            false => LEAVE,
        };
        let said = timeout(LAST_WORDS, async {
            let fits = self.write.writable_packet_size().await >= line.len();
            if fits {
                self.bytes(stream, line).await?;
            }
            self.finish(NO_PERMISSION).await?;
            Ok::<_, PersonGone>(fits)
        });
        matches!(said.await, Ok(Ok(true))).then_some(leave)
    }

    fn age(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    pub async fn finish(&self, status: u32) -> Result<(), PersonGone> {
        self.pass_on(Tell::ExitStatus(status)).await?;
        self.pass_on(Tell::Eof).await?;
        self.pass_on(Tell::Close).await
    }

    /// A terminal in raw mode needs the carriage returns, and shows only the one stream.
    fn line(&self, sentence: &str) -> (Stream, Bytes) {
        match self.terminal.get() {
            Some(()) => (Stream::Out, Bytes::from(format!("\r\n{sentence}\r\n"))),
            None => (Stream::Err, Bytes::from(format!("{sentence}\n"))),
        }
    }
}
