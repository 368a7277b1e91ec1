//! One request and its answer: counted, recorded at both ends, and in flight until both are
//! over.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use hyper::StatusCode;

use super::{
    file::{End, Transfer},
    inject::Injected,
    pool::Own,
    record::{self, AnswerLine},
    sample::Sample,
    sessions::WebSession,
    visit::InFlight,
};
use crate::{
    clock::Stopwatch,
    model::{refusal::Refusal, session::KillReason, web::Room},
};

pub struct Exchange {
    session: Arc<WebSession>,
    n: u64,
    /// How much it may move.
    room: Room,
    /// Why it was cut before its end, where it moved more.
    refused: OnceLock<Refusal>,
    began: Stopwatch,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    status: OnceLock<StatusCode>,
    error: OnceLock<String>,
    whole: AtomicBool,
    /// Files whose body is over, and whether it was read to its end.
    moved: Mutex<Vec<(Transfer, bool)>>,
    /// The same of what is recorded of bodies.
    samples: Mutex<Vec<(Sample, bool)>>,
    /// What was sent of the credential: more than one where the gateway signed in again.
    injected: Mutex<Vec<Arc<Injected>>>,
    _in_flight: InFlight,
}

impl Exchange {
    /// Begins when its request was recorded, as number `n` of its session.
    pub fn begin(session: Arc<WebSession>, n: u64, room: Room, in_flight: InFlight) -> Arc<Self> {
        session.begun();
        Arc::new(Self {
            session,
            n,
            room,
            refused: OnceLock::new(),
            began: Stopwatch::start(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            status: OnceLock::new(),
            error: OnceLock::new(),
            whole: AtomicBool::new(false),
            moved: Mutex::default(),
            samples: Mutex::default(),
            injected: Mutex::default(),
            _in_flight: in_flight,
        })
    }

    pub fn number(&self) -> u64 {
        self.n
    }

    pub fn killed(&self) -> Option<KillReason> {
        self.session.reason()
    }

    pub fn count_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
        self.session.count_in(bytes);
    }

    pub fn count_out(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        self.session.count_out(bytes);
    }

    /// Whether what has been counted is still allowed. The first no is audited.
    pub fn within_room(&self) -> Result<(), Refusal> {
        let down = self.bytes_out.load(Ordering::Relaxed);
        self.room_for(self.sent(), down)
    }

    /// The same for an answer that says how long it will be.
    pub fn room_for_answer(&self, bytes: u64) -> Result<(), Refusal> {
        self.room_for(self.sent(), bytes)
    }

    fn room_for(&self, up: u64, down: u64) -> Result<(), Refusal> {
        let Err(much) = self.room.holds(up, down) else {
            return Ok(());
        };
        let refusal = self.session.permit().too_much(much);
        if self.refused.set(refusal.clone()).is_ok() {
            self.failed(refusal.code());
            self.session
                .session()
                .audit_refused_later("web.request", &refusal);
        }
        Err(refusal)
    }

    /// Why it was cut before its end.
    pub fn refused(&self) -> Option<&Refusal> {
        self.refused.get()
    }

    /// So much of the request has gone to the target.
    pub fn sent(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    pub fn status(&self, status: StatusCode) {
        // The target answers once; the first word counts.
        self.status.set(status).ok();
    }

    pub fn failed(&self, why: impl Into<String>) {
        self.error.set(why.into()).ok();
    }

    pub fn broke_off(&self, error: &hyper::Error) {
        let cause = error.source().map(|cause| format!(": {cause}"));
        self.failed(format!("{error}{}", cause.unwrap_or_default()));
    }

    /// The answer is over; `whole` if it was read to its end.
    pub fn answered(&self, whole: bool) {
        self.whole.store(whole, Ordering::Relaxed);
    }

    /// As much of a file as there was has passed.
    pub fn moved(&self, file: Transfer, whole: bool) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.push((file, whole));
    }

    /// As much of a body as there was has passed.
    pub fn sampled(&self, sample: Sample, whole: bool) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push((sample, whole));
    }

    /// What is sent of the credential, and so must not be recorded.
    pub fn carries(&self, injected: &Arc<Injected>) {
        let mut carried = self.injected.lock().unwrap_or_else(PoisonError::into_inner);
        carried.push(injected.clone());
    }

    pub fn give_back(&self, own: Own) {
        self.session.pool().back(own);
    }
}

impl Exchange {
    /// INVARIANT: without what was injected nothing is kept, as nothing could be masked.
    fn record_bodies(&mut self) {
        let samples = self
            .samples
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let samples = std::mem::take(samples);
        let injected = self
            .injected
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if injected.is_empty() {
            return;
        }
        for (sample, whole) in samples {
            let masks = self.session.masks();
            if let Some(line) = sample.line(self.n, whole, masks, injected) {
                self.session.recorded_body(&line);
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let error = match (self.session.reason(), self.error.take()) {
            (_, None) if self.whole.load(Ordering::Relaxed) => None,
            (Some(reason), _) => Some(reason.code().to_owned()),
            (None, Some(error)) => Some(error),
            (None, None) => Some("not read to its end".to_owned()),
        };
        self.record_bodies();
        let status = self.status.get().copied();
        let moved = std::mem::take(self.moved.get_mut().unwrap_or_else(PoisonError::into_inner));
        let moved = moved.into_iter();
        let moved: Vec<_> = moved
            .flat_map(|(file, whole)| file.end(End { whole, status }))
            .collect();
        let line = AnswerLine {
            n: self.n,
            status: status.and_then(record::status),
            bytes_in: *self.bytes_in.get_mut(),
            bytes_out: *self.bytes_out.get_mut(),
            ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
            files: moved.iter().map(Into::into).collect(),
        };
        self.session.recorded(&line);
        moved.into_iter().for_each(|file| self.session.moved(file));
        self.session.over();
    }
}
