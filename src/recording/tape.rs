//! One recording while it is being made: what is queued, what is written, how it ends.
//!
//! Accepts output up to a bound and makes the caller wait beyond it; hands it to a writer
//! thread in batches. Never lets two threads write at once, and never accepts after a failure.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tracing::{error, warn};

use super::{
    RecordingError,
    content::{Events, Stream},
    frame::Press,
    reel::Reel,
    writers::Desk,
};
use crate::{
    clock::Clock,
    kill::KillSwitch,
    model::{recording::Recording, session::KillReason},
};

/// So many bytes of a track, as asciicast text, may wait for the disk. One piece
/// of output may reach beyond it.
pub const QUEUE_LIMIT: usize = 1024 * 1024;
/// A thread is called at once when so much waits: each call costs a switch between threads,
/// and a larger frame is pressed better.
const WRITE_AT: usize = 256 * 1024;

/// What became of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Without `finished_at` and `root` if the disk gave no answer.
    pub recording: Recording,
    /// Why it is not whole.
    pub failure: Option<String>,
}

pub(super) struct Tape {
    pub recording: Recording,
    /// Pulled when the recording fails; none where it is not required.
    pub required_by: Option<KillSwitch>,
    clock: Clock,
    desk: Desk,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    events: Events,
    /// Accepted and not yet taken by a thread.
    queued: Vec<u8>,
    /// Taken by a thread and not yet written.
    in_flight: usize,
    /// Room for what is queued next, while much is: the buffer of the batch before the last.
    spare: Vec<u8>,
    /// None while a thread has it, and after the end.
    reel: Option<Reel>,
    called: Called,
    unsynced: bool,
    sync_due: bool,
    closing: bool,
    /// Why whoever recorded could not go on, until the thread with the reel knows.
    given_up: Option<String>,
    /// Why nothing is accepted any more.
    failure: Option<String>,
    end: Option<Finished>,
    reported: bool,
}

/// Whether a thread has been told that something is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Called {
    No,
    Soon,
    Now,
}

impl Tape {
    /// A tape for a file in which the header stands already.
    pub fn new(
        recording: Recording,
        required_by: Option<KillSwitch>,
        clock: Clock,
        desk: Desk,
        events: Events,
        reel: Reel,
    ) -> Arc<Self> {
        desk.opened();
        Arc::new(Self {
            recording,
            required_by,
            clock,
            desk,
            state: Mutex::new(State {
                events,
                queued: Vec::new(),
                in_flight: 0,
                spare: Vec::new(),
                reel: Some(reel),
                called: Called::No,
                unsynced: true,
                sync_due: false,
                closing: false,
                given_up: None,
                failure: None,
                end: None,
                reported: false,
            }),
            changed: Notify::new(),
        })
    }

    pub async fn output(
        self: &Arc<Self>,
        stream: Stream,
        bytes: &[u8],
        switch: &KillSwitch,
    ) -> Result<(), RecordingError> {
        self.accept(switch, |events, millis, into| {
            events.add(stream, millis, bytes, into);
        })
        .await
    }

    /// Waits until there is room, then queues the event that `write` appends.
    pub async fn accept(
        self: &Arc<Self>,
        switch: &KillSwitch,
        write: impl FnOnce(&mut Events, u64, &mut Vec<u8>),
    ) -> Result<(), RecordingError> {
        let mut write = Some(write);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on a change is seen, also one that comes before the wait.
            changed.as_mut().enable();
            if self.try_accept(&mut write)? {
                return Ok(());
            }
            tokio::select! {
                () = changed => {}
                reason = switch.killed() => return Err(RecordingError::Killed(reason)),
            }
        }
    }

    fn try_accept(
        self: &Arc<Self>,
        write: &mut Option<impl FnOnce(&mut Events, u64, &mut Vec<u8>)>,
    ) -> Result<bool, RecordingError> {
        let mut state = self.state();
        if let Some(failure) = state.failure.as_ref().or(state.given_up.as_ref()) {
            // Given up where it is not required: the session goes on without.
            return match self.required_by {
                Some(_) => Err(RecordingError::Failed(failure.clone())),
                None => Ok(true),
            };
        }
        if state.closing {
            return Err(RecordingError::Closed);
        }
        if state.queued.len() + state.in_flight >= QUEUE_LIMIT {
            return Ok(false);
        }
        let write = write.take().expect("it is accepted once");
        self.put(&mut state, write);
        Ok(true)
    }

    fn put(
        self: &Arc<Self>,
        state: &mut State,
        write: impl FnOnce(&mut Events, u64, &mut Vec<u8>),
    ) {
        // The clock is asked under the lock, so events stand in the order of their times.
        write(&mut state.events, self.millis(), &mut state.queued);
        self.call(state);
    }

    /// How long the recording has run.
    fn millis(&self) -> u64 {
        let length = self.clock.now().since(self.recording.started_at);
        u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
    }

    fn call(self: &Arc<Self>, state: &mut State) {
        // A thread that has the reel looks again when it puts it back.
        if state.reel.is_none() {
            return;
        }
        let is_over = state.closing || state.given_up.is_some();
        if is_over || state.sync_due || state.queued.len() >= WRITE_AT {
            if state.called != Called::Now {
                state.called = Called::Now;
                self.desk.write_now(self);
            }
        } else if !state.queued.is_empty() && state.called == Called::No {
            state.called = Called::Soon;
            self.desk.write_soon(self);
        }
    }

    /// Accepts something small even where the queue is full, as long as it is accepted at all.
    pub fn add_small(self: &Arc<Self>, write: impl FnOnce(&mut Events, u64, &mut Vec<u8>)) {
        let mut state = self.state();
        if !state.closing && state.failure.is_none() && state.given_up.is_none() {
            self.put(&mut state, write);
        }
    }

    /// Ends the recording with a last word; waits for nothing. Once is enough.
    pub fn close(self: &Arc<Self>, last_word: Option<&str>) {
        let mut state = self.state();
        if state.closing || state.failure.is_some() || state.given_up.is_some() {
            return;
        }
        self.put(&mut state, |events, millis, into| {
            events.end(millis, into);
            if let Some(last_word) = last_word {
                events.marker(millis, last_word, into);
            }
        });
        state.closing = true;
        self.call(&mut state);
    }

    /// Accepts no more and ends the recording as one that failed.
    pub fn give_up(self: &Arc<Self>, why: &str) {
        let mut state = self.state();
        if state.closing || state.failure.is_some() || state.given_up.is_some() {
            return;
        }
        state.given_up = Some(why.to_owned());
        self.call(&mut state);
        drop(state);
        // Not when the disk is done: what nobody records may not go on until then.
        if let Some(switch) = &self.required_by {
            switch.pull(KillReason::RecordingFailed);
        }
        self.changed.notify_waiters();
    }

    pub async fn ended(&self) -> Finished {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(end) = self.end() {
                return end;
            }
            changed.await;
        }
    }

    /// What waits for the disk.
    #[cfg(test)]
    pub fn queued(&self) -> usize {
        let state = self.state();
        state.queued.len() + state.in_flight
    }

    /// Notes that somebody has been told of the end and will keep it.
    pub fn report(&self) {
        self.state().reported = true;
    }

    pub fn is_reported(&self) -> bool {
        self.state().reported
    }

    fn end(&self) -> Option<Finished> {
        self.state().end.clone()
    }

    pub fn failure(&self) -> Option<String> {
        let state = self.state();
        state.failure.clone().or_else(|| state.given_up.clone())
    }

    /// Writes what is queued; on a writer's thread.
    pub fn write(self: &Arc<Self>, press: &mut Press) {
        let (mut batch, sync, mut reel) = {
            let mut state = self.state();
            state.called = Called::No;
            let Some(reel) = state.reel.take() else {
                return;
            };
            let spare = mem::take(&mut state.spare);
            let batch = mem::replace(&mut state.queued, spare);
            state.in_flight = batch.len();
            (batch, mem::take(&mut state.sync_due), reel)
        };
        let mut written = self.write_batch(&mut reel, &batch, press);
        if sync && written.is_ok() {
            written = reel.sync();
        }
        let mut state = self.state();
        state.in_flight = 0;
        if let Err(error) = written {
            return self.fail(state, reel, press, &error);
        }
        if sync {
            state.unsynced = false;
        } else if !batch.is_empty() && !state.unsynced {
            state.unsynced = true;
            self.desk.sync_later(self);
        }
        // A channel that is quiet keeps no room.
        if batch.len() >= WRITE_AT {
            batch.clear();
            state.spare = batch;
        }
        self.put_back(state, reel, press);
    }

    /// Has the disk confirm what was written; on a writer's thread.
    pub fn sync(self: &Arc<Self>, press: &mut Press) {
        self.state().sync_due = true;
        self.write(press);
    }

    /// Schedules the first sync: the header is written when a tape is made.
    pub fn started(self: &Arc<Self>) {
        self.desk.sync_later(self);
    }

    fn write_batch(
        &self,
        reel: &mut Reel,
        batch: &[u8],
        press: &mut Press,
    ) -> Result<(), RecordingError> {
        if batch.is_empty() {
            return Ok(());
        }
        // What was accepted is still written when the reserve is touched: half of it is left.
        let room = self.desk.place().check_running();
        reel.append(batch, press)?;
        room
    }

    fn put_back(self: &Arc<Self>, mut state: MutexGuard<'_, State>, reel: Reel, press: &mut Press) {
        if let Some(why) = state.given_up.clone() {
            return self.fail(state, reel, press, &RecordingError::GivenUp(why));
        }
        if state.closing && state.queued.is_empty() {
            drop(state);
            return self.finish(reel, press);
        }
        state.reel = Some(reel);
        self.call(&mut state);
        drop(state);
        self.changed.notify_waiters();
    }

    fn finish(self: &Arc<Self>, mut reel: Reel, press: &mut Press) {
        let ended = reel.end();
        let state = self.state();
        match ended {
            Err(error) => self.fail(state, reel, press, &error),
            Ok(()) => self.over(state, &reel, None),
        }
    }

    /// Gives the recording up: accepts no more, ends the session where it must be recorded.
    fn fail(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        mut reel: Reel,
        press: &mut Press,
        error: &RecordingError,
    ) {
        let failure = with_cause(error);
        let mut rest = mem::take(&mut state.queued);
        state.events.end(self.millis(), &mut rest);
        let last_word = format!("the recording ends here: {failure}");
        state.events.marker(self.millis(), &last_word, &mut rest);
        // INVARIANT: the failure is set before the switch is pulled, so that nothing is
        // accepted between the two.
        state.failure = Some(failure.clone());
        drop(state);
        let (session, recorded) = (&self.recording.session, &self.recording.id);
        if let Some(switch) = &self.required_by {
            switch.pull(KillReason::RecordingFailed);
            error!(%session, recording = %recorded, error = failure, "Recording lost, ending session");
        } else {
            warn!(%session, recording = %recorded, error = failure, "Recording lost, session goes on without");
        }
        self.changed.notify_waiters();
        // Only a file that is whole so far takes more: behind a torn line it would be damage.
        if matches!(
            error,
            RecordingError::Full { .. } | RecordingError::GivenUp(_)
        ) && let Err(error) = reel.append(&rest, press)
        {
            warn!(%session, recording = %recorded, error = with_cause(&error), "Recording's end not written");
        }
        self.over(self.state(), &reel, Some(failure));
    }

    fn over(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        reel: &Reel,
        failure: Option<String>,
    ) {
        // Also of one that failed: what is there must not be changed afterwards.
        let (bytes, root) = reel.written();
        let recording = Recording {
            finished_at: Some(self.clock.now()),
            bytes,
            root: Some(root),
            failure: failure.clone(),
            ..self.recording.clone()
        };
        state.end = Some(Finished { recording, failure });
        drop(state);
        self.desk.closed();
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while an event is appended leaves a torn line at worst, which readers take.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_cause(error: &RecordingError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
