//! The recording of a desktop: what the client was sent, decoded and written down.
//!
//! Beside the relay, on other threads. The relay hands each frame over before it passes it on
//! and waits only where too much waits already, and where the session must be recorded, and
//! only so long. Whoever cannot be followed is given up, never shown as something else.

mod studio;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use tracing::warn;

use self::studio::{Studio, Why};
use super::{clipboard::Side, mcs::Said};
use crate::{
    kill::KillSwitch,
    model::session::KillReason,
    recording::{RecordingError, Track},
};

/// So many bytes of frames may wait to be decoded.
const QUEUE: usize = 16 * 1024 * 1024;
/// A frame counts for no less: many small ones take room too.
const LEAST: usize = 128;
/// Smaller frames are copied, so that they do not keep what was read with them.
const SMALL: usize = 4 * 1024;
/// How long a session that must be recorded waits for room before it is ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often at most it is looked what the screen shows.
const SHUTTER: Duration = Duration::from_millis(200);
/// So many frames are decoded in one go.
const BATCH: usize = 256;

/// How long what waits may take when the session is over.
const FINISH_WITHIN: Duration = Duration::from_secs(20);

/// Decoding takes a processor, and relaying comes first.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, usize::from);
    Semaphore::new(processors.saturating_sub(1).max(1))
});

/// The channels that are followed.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    pub screen: u16,
    /// Only where something may go over it.
    pub clipboard: Option<u16>,
}

/// One desktop's recording while it is being made.
pub struct Filming {
    frames: mpsc::UnboundedSender<Item>,
    room: Arc<Semaphore>,
    track: Arc<Track>,
    followed: Followed,
    switch: KillSwitch,
    is_over: Arc<AtomicBool>,
    developing: JoinHandle<()>,
}

enum Item {
    Seen(Seen),
    /// There was no room for what came here.
    Behind,
}

struct Seen {
    side: Side,
    frame: Bytes,
    /// Given back when it was decoded.
    _room: OwnedSemaphorePermit,
}

impl Filming {
    /// Begins; `track` stands since before the target heard of the person.
    pub fn begin(track: Track, followed: Followed, switch: KillSwitch) -> Self {
        Self::with_room(track, followed, switch, QUEUE)
    }

    fn with_room(track: Track, followed: Followed, switch: KillSwitch, room: usize) -> Self {
        let track = Arc::new(track);
        let is_over = Arc::new(AtomicBool::new(false));
        let (frames, seen) = mpsc::unbounded_channel();
        let studio = Studio::new(followed, track.takes_input());
        // It ends when the sender is gone and all that was sent is written.
        let developing = tokio::spawn({
            let (track, is_over) = (track.clone(), is_over.clone());
            async move {
                if let Err(why) = develop(seen, studio, &track, &is_over).await {
                    is_over.store(true, Ordering::Relaxed);
                    track.give_up(&why.to_string());
                }
            }
        });
        Self {
            frames,
            room: Arc::new(Semaphore::new(room)),
            track,
            followed,
            switch,
            is_over,
            developing,
        }
    }

    /// Takes a frame that is about to go to the client.
    ///
    /// # Errors
    /// If the session must be recorded and cannot: the frame may not be passed on.
    pub async fn shown(&self, frame: &Bytes) -> Result<(), RecordingError> {
        match Said::read(frame) {
            Ok(Some(Said::Fast)) => self.take(Side::Target, frame).await,
            Ok(Some(Said::Data(data))) if self.follows(data.channel) => {
                self.take(Side::Target, frame).await
            }
            _ => Ok(()),
        }
    }

    /// Takes a frame of input that is about to go to the target.
    ///
    /// # Errors
    /// As `shown`.
    pub async fn typed(&self, frame: &Bytes) -> Result<(), RecordingError> {
        self.take(Side::Client, frame).await
    }

    /// Takes a frame of another channel that is about to go to the target.
    ///
    /// # Errors
    /// As `shown`.
    pub async fn sent(&self, frame: &Bytes) -> Result<(), RecordingError> {
        match Said::read(frame) {
            // INVARIANT: never what the client says on the screen's channel beside its input:
            // the account's password stands there.
            Ok(Some(Said::Data(data))) if Some(data.channel) == self.followed.clipboard => {
                self.take(Side::Client, frame).await
            }
            _ => Ok(()),
        }
    }

    /// Ends it and waits until all that was seen is written; the track, to be closed.
    pub async fn finish(self) -> Option<Track> {
        let Self {
            frames,
            track,
            mut developing,
            ..
        } = self;
        drop(frames);
        if timeout(FINISH_WITHIN, &mut developing).await.is_err() {
            track.give_up("its end took too long to be written");
            developing.abort();
            developing.await.ok();
        }
        Arc::into_inner(track)
    }

    fn follows(&self, channel: u16) -> bool {
        channel == self.followed.screen || Some(channel) == self.followed.clipboard
    }

    async fn take(&self, side: Side, frame: &Bytes) -> Result<(), RecordingError> {
        if self.is_over.load(Ordering::Relaxed) {
            return self.lost(RecordingError::Closed);
        }
        let size = u32::try_from(frame.len().max(LEAST)).expect("a frame is bounded");
        let room = match self.room.clone().try_acquire_many_owned(size) {
            Ok(room) => room,
            Err(_) if !self.track.is_required() => return self.fell_behind(),
            Err(_) => {
                let waiting = timeout(PATIENCE, self.room.clone().acquire_many_owned(size));
                let waited = tokio::select! {
                    waited = waiting => waited,
                    reason = self.switch.killed() => return Err(RecordingError::Killed(reason)),
                };
                match waited {
                    Ok(room) => room.expect("nobody closes it"),
                    Err(_) => return self.fell_behind(),
                }
            }
        };
        let frame = match frame.len() {
            ..SMALL => Bytes::copy_from_slice(frame),
            _ => frame.clone(),
        };
        let seen = Seen {
            side,
            frame,
            _room: room,
        };
        // Gone if it cannot be followed, which `is_over` says next time.
        match self.frames.send(Item::Seen(seen)) {
            Ok(()) => Ok(()),
            Err(_) => self.lost(RecordingError::Closed),
        }
    }

    fn fell_behind(&self) -> Result<(), RecordingError> {
        warn!("Recorder of a desktop fell behind");
        self.is_over.store(true, Ordering::Relaxed);
        // What is waiting was shown, so it is still decoded before the recording is given up.
        self.frames.send(Item::Behind).ok();
        self.lost(RecordingError::GivenUp(Why::Behind.to_string()))
    }

    /// Where it is not required the session goes on.
    fn lost(&self, error: RecordingError) -> Result<(), RecordingError> {
        match self.track.is_required() {
            true => {
                self.switch.pull(KillReason::RecordingFailed);
                Err(error)
            }
            false => Ok(()),
        }
    }
}

/// Until nobody sends any more: decodes what comes, and looks at the screen now and then.
async fn develop(
    mut items: mpsc::UnboundedReceiver<Item>,
    mut studio: Studio,
    track: &Track,
    is_over: &AtomicBool,
) -> Result<(), Why> {
    let mut shutter = Box::pin(sleep(SHUTTER));
    loop {
        let mut batch = Vec::new();
        let goes_on = tokio::select! {
            count = items.recv_many(&mut batch, BATCH) => count > 0,
            () = &mut shutter, if studio.has_news() => true,
        };
        let looks = !goes_on || shutter.is_elapsed();
        let turn = TURNS.acquire().await;
        let working = spawn_blocking(move || {
            let worked = studio.work(&batch, looks);
            (studio, worked)
        });
        // What a decoder panics at ends the recording, and nothing else.
        let worked;
        (studio, worked) = working.await.map_err(|_| Why::Broke)?;
        drop(turn);
        let (notes, worked) = worked;
        // Nothing more is taken, and where it must be recorded nothing more is shown.
        is_over.fetch_or(worked.is_err(), Ordering::Relaxed);
        for note in notes {
            note.write(track).await?;
        }
        worked?;
        if looks {
            shutter = Box::pin(sleep(SHUTTER));
        }
        if !goes_on {
            return Ok(());
        }
    }
}
