//! Who records a session, and a channel's way into its recording.
//!
//! Attaches before anything flows, waits when the disk is slow, says what became of it.
//! Never forwards a byte itself, and never keeps one that was not accepted.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use tracing::warn;

use super::{
    RecordingError, Recordings,
    cast::{self, Belongs, Env, Header},
    content::{Content, Events, Stream},
    film::Shot,
    frame::Press,
    reel::Reel,
    tape::{Finished, Tape},
    writers::Desk,
};
use crate::{
    kill::KillSwitch,
    model::{
        ids::{CheckoutId, RecordingId, SessionId},
        recording::{Recording, RecordingMode, RecordingTerms},
        time::{Span, Timestamp},
    },
    vault::{RecordingKeys, WrappedKey, entropy},
};

/// How long a volume may take to make a file before the channel is refused.
const ATTACH_WITHIN: Duration = Duration::from_secs(5);
/// How long a closing session waits for its last bytes to be on the disk.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// Output is queued in pieces of this size, so that one call cannot outgrow the queue.
const PIECE: usize = 32 * 1024;

/// What is recorded, as its header says it.
#[derive(Debug, Clone)]
pub struct Subject {
    pub session: SessionId,
    pub checkout: CheckoutId,
    /// For people: `alice on db1 as root (check-out 7K3F)`.
    pub title: String,
}

/// Records the channels of one session, each in a file of its own.
pub struct Recorder {
    recordings: Recordings,
    terms: RecordingTerms,
    subject: Subject,
    switch: KillSwitch,
    tapes: Mutex<Vec<Arc<Tape>>>,
}

impl Recorder {
    pub fn new(
        recordings: &Recordings,
        terms: RecordingTerms,
        subject: Subject,
        switch: KillSwitch,
    ) -> Self {
        Self {
            recordings: recordings.clone(),
            terms,
            subject,
            switch,
            tapes: Mutex::default(),
        }
    }

    /// Begins the recording of a channel. When this returns the file stands with its header,
    /// and `keep` has put its key where it is found again; nothing of the channel may go to
    /// the target before.
    ///
    /// # Errors
    /// Only where the recording is required. Where it is not, the track records nothing and
    /// `Track::failure` says why.
    pub async fn attach(
        &self,
        content: Content,
        keep: impl AsyncFnOnce(&Recording, &WrappedKey) -> Result<(), RecordingError>,
    ) -> Result<Track, RecordingError> {
        if self.terms.mode == RecordingMode::Off {
            return Ok(self.track(None, None));
        }
        match self.make(content, keep).await {
            Ok(tape) => {
                let mut tapes = self.tapes();
                // A connection that is used for days may open thousands of channels.
                tapes.retain(|tape| !tape.is_reported());
                tapes.push(Arc::clone(&tape));
                Ok(self.track(Some(tape), None))
            }
            Err(error) if self.terms.mode == RecordingMode::BestEffort => {
                let session = &self.subject.session;
                warn!(
                    %session,
                    error = &error as &dyn std::error::Error,
                    "Recording not begun, session goes on without"
                );
                Ok(self.track(None, Some(error.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends what is still being recorded and says what became of each recording that no
    /// `Track::finish` has reported.
    pub async fn close(&self) -> Vec<Finished> {
        let mut tapes = mem::take(&mut *self.tapes());
        tapes.retain(|tape| !tape.is_reported());
        for tape in &tapes {
            tape.close(None);
        }
        let mut finished = Vec::with_capacity(tapes.len());
        for tape in tapes {
            finished.push(ended(&tape).await);
        }
        finished
    }

    async fn make(
        &self,
        content: Content,
        keep: impl AsyncFnOnce(&Recording, &WrappedKey) -> Result<(), RecordingError>,
    ) -> Result<Arc<Tape>, RecordingError> {
        let clock = &self.recordings.clock;
        let at = clock.now();
        let id = RecordingId::new(at, entropy());
        let header = self.header(&content, &id, at).line();
        let begun = self.file(id.clone(), at, header).await?;
        let recording = Recording {
            id,
            session: self.subject.session.clone(),
            checkout: self.subject.checkout.clone(),
            kind: content.kind().to_owned(),
            file: begun.name.clone(),
            started_at: at,
            finished_at: None,
            bytes: 0,
            root: None,
            failure: None,
            keep_until: self.terms.retention.map(|length| at + length),
            deleted_at: None,
        };
        keep(&recording, &begun.key).await?;
        let required = self.terms.mode == RecordingMode::Required;
        let events = match self.terms.input {
            true => Events::new(&content).with_input(&content),
            false => Events::new(&content),
        };
        let tape = Tape::new(
            recording,
            required.then(|| self.switch.clone()),
            clock.clone(),
            self.recordings.writers.desk(),
            events,
            begun.keep(),
        );
        tape.started();
        Ok(tape)
    }

    /// Has a writer make the file, so that a volume that hangs holds up no other session.
    async fn file(
        &self,
        id: RecordingId,
        at: Timestamp,
        header: Vec<u8>,
    ) -> Result<Begun, RecordingError> {
        let (reply, answer) = oneshot::channel();
        let desk = self.recordings.writers.desk();
        let writer = desk.clone();
        let keys = self.recordings.keys.clone();
        desk.run(move |press| {
            // If nobody waits any more (the session was cut, the volume took too long) the
            // answer is dropped, and with it the file.
            drop(reply.send(begin(writer, &keys, &id, at, &header, press)));
        });
        tokio::select! {
            biased;
            reason = self.switch.killed() => Err(RecordingError::Killed(reason)),
            made = timeout(ATTACH_WITHIN, answer) => match made {
                Ok(made) => made.expect("a writer answers each job"),
                Err(_) => Err(RecordingError::TooSlow(Span::whole(ATTACH_WITHIN))),
            },
        }
    }

    fn header(&self, content: &Content, id: &RecordingId, at: Timestamp) -> Header {
        let terminal = match content {
            Content::Terminal(terminal) => Some(terminal),
            Content::Command(_) | Content::Subsystem(_) | Content::Requests | Content::Desktop => {
                None
            }
        };
        // Players need a size, also where there is no terminal, or one that told none, or a
        // desktop, which tells its own before it shows anything.
        let usual = match content {
            Content::Desktop => (1024, 768),
            _ => (80, 24),
        };
        Header {
            version: Header::VERSION,
            width: size(terminal.map(|terminal| terminal.width), usual.0),
            height: size(terminal.map(|terminal| terminal.height), usual.1),
            timestamp: Some(at.millis().div_euclid(1_000)),
            title: Some(self.subject.title.clone()),
            command: match content {
                Content::Terminal(terminal) => terminal.command.clone(),
                Content::Command(command) => Some(command.clone()),
                Content::Subsystem(name) => Some(name.clone()),
                Content::Requests | Content::Desktop => None,
            },
            env: Env {
                term: terminal.map(|terminal| terminal.term.clone()),
            },
            doorward: Some(Belongs {
                recording: id.to_string(),
                session: self.subject.session.to_string(),
                checkout: self.subject.checkout.to_string(),
            }),
        }
    }

    fn track(&self, tape: Option<Arc<Tape>>, failure: Option<String>) -> Track {
        Track {
            tape,
            failure,
            switch: self.switch.clone(),
            input: self.terms.input,
        }
    }

    fn tapes(&self) -> MutexGuard<'_, Vec<Arc<Tape>>> {
        self.tapes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever forgets a recorder still gets whole files.
impl Drop for Recorder {
    fn drop(&mut self) {
        for tape in self.tapes().iter() {
            tape.close(None);
        }
    }
}

/// A channel's recording. Ends when it is finished or dropped.
pub struct Track {
    tape: Option<Arc<Tape>>,
    failure: Option<String>,
    switch: KillSwitch,
    /// Whether the policy asks for what is typed.
    input: bool,
}

impl Track {
    #[cfg(test)]
    pub(super) fn of(tape: Arc<Tape>, switch: KillSwitch) -> Self {
        Self {
            tape: Some(tape),
            failure: None,
            switch,
            input: false,
        }
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.tape.as_ref().map_or(0, |tape| tape.queued())
    }

    /// The recording as it stands at its beginning; none where nothing is recorded.
    pub fn recording(&self) -> Option<&Recording> {
        self.tape.as_ref().map(|tape| &tape.recording)
    }

    /// Why nothing is recorded, or no more, where that did not end the session.
    pub fn failure(&self) -> Option<String> {
        let recording = self.tape.as_ref().and_then(|tape| tape.failure());
        self.failure.clone().or(recording)
    }

    /// Accepts what the target sent. Forward it after this returned `Ok`, and not otherwise.
    ///
    /// # Errors
    /// If the session was cut meanwhile, or must be recorded and cannot.
    pub async fn output(&self, bytes: &[u8]) -> Result<(), RecordingError> {
        self.add(Stream::Output, bytes).await
    }

    /// Like `output`, for the error stream of a command.
    pub async fn error_output(&self, bytes: &[u8]) -> Result<(), RecordingError> {
        self.add(Stream::Error, bytes).await
    }

    /// Takes what the person sends, where the policy asks for it. Forward it afterwards: the
    /// target's answer must not be there first.
    ///
    /// # Errors
    /// As `output`.
    pub async fn input(&self, bytes: &[u8]) -> Result<(), RecordingError> {
        let Some(tape) = self.tape.as_ref().filter(|_| self.input) else {
            return Ok(());
        };
        tape.accept(&self.switch, |events, millis, into| {
            events.input(millis, bytes, into);
        })
        .await
    }

    pub async fn resize(&self, width: u32, height: u32) -> Result<(), RecordingError> {
        let Some(tape) = &self.tape else {
            return Ok(());
        };
        tape.accept(&self.switch, |_, millis, into| {
            cast::resize(millis, width, height, into);
        })
        .await
    }

    /// Says something about the session beside its output, for example its exit status.
    pub async fn marker(&self, text: &str) -> Result<(), RecordingError> {
        let Some(tape) = &self.tape else {
            return Ok(());
        };
        tape.accept(&self.switch, |events, millis, into| {
            events.marker(millis, text, into);
        })
        .await
    }

    /// Accepts a request to a web target, as JSON. Pass it on after this returned `Ok`.
    ///
    /// # Errors
    /// As `output`.
    pub async fn request(&self, json: &str) -> Result<(), RecordingError> {
        let Some(tape) = &self.tape else {
            return Ok(());
        };
        tape.accept(&self.switch, |_, millis, into| {
            cast::request(millis, json, into);
        })
        .await
    }

    /// Takes what became of a request, as JSON. Never waits: there is one for each request
    /// that was waited for, so they stay within bounds too.
    pub fn answer(&self, json: &str) {
        if let Some(tape) = &self.tape {
            tape.add_small(|_, millis, into| cast::answer(millis, json, into));
        }
    }

    /// Takes what is recorded of a body, as JSON. Never waits, as `answer` does not: there are
    /// two for each request at the most, each bounded by the policy.
    pub fn body(&self, json: &str) {
        if let Some(tape) = &self.tape {
            tape.add_small(|_, millis, into| cast::body(millis, json, into));
        }
    }

    /// Takes what a desktop shows, which its person has seen by now: waits for room on behalf
    /// of whoever recorded it, also after the kill.
    ///
    /// # Errors
    /// If it must be recorded and cannot.
    pub async fn shot(&self, shot: &Shot) -> Result<(), RecordingError> {
        self.note(|millis, into| cast::shot(millis, shot, into))
            .await
    }

    /// Takes what was typed at a desktop, where the policy asks for it. Waits as `shot` does.
    ///
    /// # Errors
    /// As `shot`.
    pub async fn typed(&self, text: &str) -> Result<(), RecordingError> {
        match self.input {
            true => {
                self.note(|millis, into| cast::typed(millis, text, into))
                    .await
            }
            false => Ok(()),
        }
    }

    /// Takes text that went over the clipboard, as `typed`.
    ///
    /// # Errors
    /// As `shot`.
    pub async fn clipboard(&self, text: &str) -> Result<(), RecordingError> {
        match self.input {
            true => {
                self.note(|millis, into| cast::clipboard(millis, text, into))
                    .await
            }
            false => Ok(()),
        }
    }

    /// Takes where somebody points.
    ///
    /// # Errors
    /// As `shot`.
    pub async fn pointer(&self, x: u16, y: u16) -> Result<(), RecordingError> {
        self.note(|millis, into| cast::pointer(millis, x, y, into))
            .await
    }

    /// Whether the policy asks for what is typed.
    pub fn takes_input(&self) -> bool {
        self.input && self.tape.is_some()
    }

    /// Whether a session without it has to end.
    pub fn is_required(&self) -> bool {
        self.tape
            .as_ref()
            .is_some_and(|tape| tape.required_by.is_some())
    }

    /// Gives the recording up, as if its disk had failed: what was accepted is written, and
    /// why there is no more; the session ends where it must be recorded. Waits for nothing.
    pub fn give_up(&self, why: &str) {
        if let Some(tape) = &self.tape {
            tape.give_up(why);
        }
    }

    async fn note(&self, write: impl FnOnce(u64, &mut Vec<u8>)) -> Result<(), RecordingError> {
        let Some(tape) = &self.tape else {
            return Ok(());
        };
        tape.accept(&KillSwitch::new(), |_, millis, into| write(millis, into))
            .await
    }

    /// Ends the recording with a last word (`exit status 0`) and waits until it is on the disk.
    pub async fn finish(&self, last_word: &str) -> Option<Finished> {
        let tape = self.tape.as_ref()?;
        tape.close(Some(last_word));
        let finished = ended(tape).await;
        tape.report();
        Some(finished)
    }

    async fn add(&self, stream: Stream, bytes: &[u8]) -> Result<(), RecordingError> {
        let Some(tape) = &self.tape else {
            return Ok(());
        };
        for piece in bytes.chunks(PIECE) {
            tape.output(stream, piece, &self.switch).await?;
        }
        Ok(())
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if let Some(tape) = &self.tape {
            tape.close(None);
        }
    }
}

fn size(told: Option<u32>, usual: u32) -> u32 {
    told.filter(|size| *size > 0).unwrap_or(usual)
}

/// A file with a header and, as yet, nobody who records to it.
struct Begun {
    desk: Desk,
    name: String,
    key: WrappedKey,
    reel: Option<Reel>,
}

impl Begun {
    fn keep(mut self) -> Reel {
        self.reel.take().expect("a file is kept once")
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.reel.is_some() {
            self.desk.place().discard(&self.name);
        }
    }
}

fn begin(
    desk: Desk,
    keys: &RecordingKeys,
    id: &RecordingId,
    at: Timestamp,
    header: &[u8],
    press: &mut Press,
) -> Result<Begun, RecordingError> {
    desk.place().check()?;
    let (key, wrapped) = keys.make(id)?;
    let (name, file) = desk.place().create(id, at)?;
    match Reel::begin(file, id.clone(), key, header, press) {
        Ok(reel) => Ok(Begun {
            desk,
            name,
            key: wrapped,
            reel: Some(reel),
        }),
        Err(error) => {
            desk.place().discard(&name);
            Err(error)
        }
    }
}

/// Waits for the end, but not for a disk that hangs.
async fn ended(tape: &Tape) -> Finished {
    match timeout(FINISH_WITHIN, tape.ended()).await {
        Ok(finished) => finished,
        Err(_) => Finished {
            recording: tape.recording.clone(),
            failure: Some(RecordingError::TooSlow(Span::whole(FINISH_WITHIN)).to_string()),
        },
    }
}
