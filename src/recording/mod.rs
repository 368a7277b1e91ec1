//! What sessions leave: who records, where it goes, how it is read again.
//!
//! A `Recorder` belongs to one session, a `Track` to one channel of it and to one asciicast
//! file. Never decides whether a session must be recorded, and never writes a row.
//!
//! What a recording promises:
//! - The file exists, with its header, before `Recorder::attach` returns a `Track`.
//! - `Track::output` returns when the bytes are queued for the file; whoever forwards only
//!   then forwards nothing that was not accepted. The queue of a track is bounded
//!   (`QUEUE_LIMIT`), so a slow disk slows the session and costs no memory.
//! - What is on the disk is sealed under the recording's own key, in frames that open only at
//!   their own place (`frame.rs`), and its hash is in the audit chain.
//! - A crash of the gateway loses what was accepted in the last `FLUSH_EVERY` (1 s, longer
//!   if the disk is slower than the session) and at most `QUEUE_LIMIT` a track; a crash of the
//!   machine what was written in the last `SYNC_EVERY` (5 s) on top. What is there is
//!   readable up to its last whole frame.
//! - A recording that fails pulls the session's switch where it is required, and is given up
//!   with a word in the log and in `Finished` where it is not.
//! - New recordings are refused below the reserve, running ones end below half of it, and what
//!   was accepted until then is still written, so that a volume that fills up loses nothing
//!   and the rest of the gateway still has room to work. A disk that fails loses what was
//!   queued.

mod archive;
mod cast;
mod content;
mod film;
mod frame;
mod picture;
mod place;
mod plain;
mod png;
mod reader;
mod recorder;
mod reel;
mod search;
mod seek;
mod tape;
#[cfg(test)]
mod tests;
mod typed;
mod unsealing;
mod writers;

pub use self::{
    archive::{Archive, ArchiveError, Opened},
    cast::{Belongs, Env, Header},
    content::{Content, Terminal},
    film::{Camera, Film, NoPicture, Shot, key_frame},
    frame::{LONGEST_TEXT, Press, Sealing, is_sealed},
    picture::{Area, Canvas, PIXEL, Picture},
    place::Recordings,
    png::png,
    reader::{Cast, CastError, Event, Kind},
    recorder::{Recorder, Subject, Track},
    search::{Found, NothingToFind, Search},
    seek::{SeekError, Sought, Start},
    tape::{Finished, QUEUE_LIMIT},
    unsealing::{Ending, FrameError, Unsealing},
    writers::{FLUSH_EVERY, SYNC_EVERY},
};
use crate::{
    model::{session::KillReason, time::Span},
    vault::VaultError,
};

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error(
        "the recording volume is nearly full: {free_mb} MiB are left, {reserve_mb} MiB are kept free"
    )]
    Full { free_mb: u64, reserve_mb: u64 },
    #[error("recording failed while {doing}")]
    Io {
        doing: &'static str,
        source: std::io::Error,
    },
    #[error("this recording has got no key")]
    Key(#[from] VaultError),
    /// Why the store did not take the recording and its key.
    #[error("this recording was not written down: {0}")]
    NotKept(String),
    #[error("the recording volume gave no answer for {0}")]
    TooSlow(Span),
    /// Whoever records could not go on.
    #[error("{0}")]
    GivenUp(String),
    /// It failed before; the reason was logged then.
    #[error("recording failed: {0}")]
    Failed(String),
    #[error("this recording is closed")]
    Closed,
    #[error("{0}")]
    Killed(KillReason),
}
