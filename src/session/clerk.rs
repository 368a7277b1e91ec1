//! Writes down what sessions leave: their recordings, and that they have ended.
//!
//! A session ends in a `Drop`, which cannot wait for a database; the clerk can, and tries
//! until it succeeds. Never drops an entry: what it cannot write before the process ends,
//! the next start finds and closes as lost.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::{error, info, warn};

use super::traffic::Bytes;
use crate::{
    audit,
    kill::KillSwitch,
    lifecycle::{Change, Lifecycle, LifecycleError},
    model::{
        audit::AuditEvent,
        checkout::Command,
        file::FileRecord,
        ids::{CheckoutId, SessionId},
        recording::Recording,
        session::Outcome,
        target::Protocol,
    },
    recording::{Finished, Recorder},
    store::{self, Store, StoreError, Tx, file::ChannelEnd, recording::End},
    telemetry::Metrics,
};

/// How many ends share one transaction when many sessions close together.
const BATCH: usize = 64;

const PAUSE: Duration = Duration::from_millis(500);

/// Something on its way into the store. Those of one session stay in order.
pub enum Entry {
    /// A recording that has ended, well or not.
    Finished(Box<(Finished, AuditEvent)>),
    /// How much has gone through a session that is still open.
    Counted {
        session: SessionId,
        traffic: Bytes,
    },
    /// Something that has ended inside a session.
    Noted(Box<AuditEvent>),
    /// A file that has moved, and its place among those that may wait.
    File(Box<FileRecord>, Option<OwnedSemaphorePermit>),
    /// The end of a channel that moved files.
    FilesClosed(Box<(ChannelEnd, AuditEvent)>),
    Closed(Box<Closed>),
    /// One whose opening got no answer: it may be written down as open, and nobody uses it.
    Doubtful(Box<(SessionId, AuditEvent)>),
}

/// One session's end.
pub struct Closed {
    pub(super) session: SessionId,
    pub(super) checkout: CheckoutId,
    pub(super) outcome: Outcome,
    pub(super) event: AuditEvent,
    /// What it was still recording.
    pub(super) recorder: Recorder,
    pub(super) check_in_when_last: bool,
    pub(super) switch: KillSwitch,
    pub(super) protocol: Protocol,
    pub(super) traffic: Bytes,
}

pub struct Clerk {
    store: Store,
    lifecycle: Lifecycle,
    metrics: Metrics,
    entries: mpsc::UnboundedReceiver<Entry>,
}

impl Clerk {
    pub fn new(
        store: Store,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> (Self, mpsc::UnboundedSender<Entry>) {
        let (sender, entries) = mpsc::unbounded_channel();
        (
            Self {
                store,
                lifecycle,
                metrics,
                entries,
            },
            sender,
        )
    }

    /// Writes until the last `Gate` is gone and every entry is written.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.entries.recv_many(&mut batch, BATCH).await > 0 {
            let stragglers = join_all(batch.iter().map(stragglers)).await;
            // What a session was still recording ends before the session does, and after it
            // was entered.
            let mut entries: Vec<Entry> = Vec::with_capacity(batch.len());
            for (mut before, entry) in stragglers.into_iter().zip(batch.drain(..)) {
                entries.append(&mut before);
                entries.push(entry);
            }
            self.write_all(&entries).await;
            for entry in entries {
                match entry {
                    Entry::Closed(closed) => self.follow(*closed).await,
                    Entry::Finished(ended) => {
                        self.metrics.recording_ended(ended.0.failure.is_none());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Until all is written: together, or each apart where the store says no to one, which
    /// must not keep the rest.
    async fn write_all(&self, entries: &[Entry]) {
        if self.persist(entries).await.is_ok() {
            return;
        }
        for entry in entries {
            while let Err(error) = self.persist(std::slice::from_ref(entry)).await {
                if !matches!(entry, Entry::Closed(_)) {
                    error!(%error, kind = entry.kind(), "Left out what the store does not take");
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Until the store has answered. A try that got no answer may have been written all the
    /// same, so each entry can be written twice and counts once.
    async fn persist(&self, entries: &[Entry]) -> Result<(), StoreError> {
        loop {
            let Err(error) = self.write(entries).await else {
                return Ok(());
            };
            warn!(%error, waiting = entries.len(), "Session ends not written");
            // Two that waited for each other are tried again as well.
            if !error.is_unavailable() && !matches!(error, StoreError::Conflict) {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        for entry in entries {
            match entry {
                Entry::Finished(ended) => {
                    let (finished, event) = &**ended;
                    if write_finished(&mut tx, &finished.recording).await? {
                        audit::append(&mut tx, event).await?;
                    }
                }
                Entry::Counted { session, traffic } => {
                    let Bytes {
                        bytes_in,
                        bytes_out,
                    } = *traffic;
                    store::session::count_bytes(&mut tx, session, bytes_in, bytes_out).await?;
                }
                Entry::Noted(event) => audit::append(&mut tx, event).await.map(drop)?,
                Entry::File(file, _) => store::file::insert(&mut tx, file).await?,
                Entry::FilesClosed(closed) => {
                    let (end, event) = &**closed;
                    match store::file::close_channel(&mut tx, end).await {
                        Ok(()) => audit::append(&mut tx, event).await.map(drop)?,
                        // Written in a try that got no answer.
                        Err(StoreError::Conflict) => {}
                        Err(error) => return Err(error),
                    }
                }
                Entry::Closed(closed) => write_closed(&mut tx, closed).await?,
                Entry::Doubtful(doubtful) => {
                    let (session, event) = &**doubtful;
                    write_end(&mut tx, session, &Outcome::Lost, Bytes::default(), event).await?;
                }
            }
        }
        tx.commit().await
    }

    async fn follow(&self, closed: Closed) {
        self.count(&closed);
        info!(
            session = %closed.session,
            checkout = %closed.checkout,
            outcome = closed.outcome.code(),
            bytes_in = closed.traffic.bytes_in,
            bytes_out = closed.traffic.bytes_out,
            "Session closed"
        );
        self.lifecycle.announce(Change::Session {
            id: closed.session,
            live: false,
        });
        if closed.check_in_when_last {
            self.check_in_if_last(&closed.checkout).await;
        }
    }

    fn count(&self, closed: &Closed) {
        let (metrics, protocol) = (self.metrics.clone(), closed.protocol);
        metrics.session_ended(protocol, &closed.outcome);
        if closed.switch.is_pulled() {
            let switch = closed.switch.clone();
            // The bound is about the sockets, and those of a stalled peer may outlive this row.
            tokio::spawn(async move { metrics.killed(protocol, switch.severed().await) });
        }
    }

    async fn check_in_if_last(&self, checkout: &CheckoutId) {
        let last = match store::session::count_open_under(&self.store, checkout).await {
            Ok(open) => open == 0,
            Err(error) => {
                warn!(%checkout, %error, "Not checked in after its last session");
                return;
            }
        };
        if !last {
            return;
        }
        match self
            .lifecycle
            .command(checkout, Command::LastSessionClosed)
            .await
        {
            // Refused: it ended first, and that ended the session.
            Ok(_) | Err(LifecycleError::Refused(_)) => {}
            Err(error) => warn!(%checkout, %error, "Not checked in after its last session"),
        }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            warn!(
                left = self.entries.len(),
                "Session ends left for the next start"
            );
        }
    }
}

/// The recordings that a session has not finished itself, as it was cut in the middle.
async fn stragglers(entry: &Entry) -> Vec<Entry> {
    let Entry::Closed(closed) = entry else {
        return Vec::new();
    };
    let finished = closed.recorder.close().await.into_iter();
    finished
        .map(|finished| {
            let event = told(&closed.event, &finished);
            Entry::Finished(Box::new((finished, event)))
        })
        .collect()
}

/// The audit event of a recording's end; `like` is one about the same session.
pub(super) fn told(like: &AuditEvent, finished: &Finished) -> AuditEvent {
    let Finished { recording, failure } = finished;
    let message = match failure {
        None => format!("recording {} is whole", recording.id),
        Some(why) => format!("recording {} is not whole: {why}", recording.id),
    };
    AuditEvent {
        kind: "recording.finish".to_owned(),
        message,
        detail: json!({
            "recording": recording.id,
            "bytes": recording.bytes,
            "root": recording.root,
            "failure": failure,
        }),
        ..like.clone()
    }
}

/// Whether this is news.
async fn write_finished(tx: &mut Tx, recording: &Recording) -> Result<bool, StoreError> {
    // One whose disk gave no answer has no end yet; the next start looks at it again.
    let (Some(at), Some(root)) = (recording.finished_at, &recording.root) else {
        return Ok(true);
    };
    let end = End {
        at,
        bytes: recording.bytes,
        root,
        failure: recording.failure.as_deref(),
    };
    match store::recording::finish(tx, &recording.id, &end).await {
        Ok(()) => Ok(true),
        // Written by a try that got no answer.
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn write_closed(tx: &mut Tx, closed: &Closed) -> Result<(), StoreError> {
    let Closed {
        session,
        outcome,
        traffic,
        event,
        ..
    } = closed;
    write_end(tx, session, outcome, *traffic, event).await
}

async fn write_end(
    tx: &mut Tx,
    session: &SessionId,
    outcome: &Outcome,
    traffic: Bytes,
    event: &AuditEvent,
) -> Result<(), StoreError> {
    let Bytes {
        bytes_in,
        bytes_out,
    } = traffic;
    match store::session::close(tx, session, outcome, bytes_in, bytes_out, event.at).await {
        Ok(()) => audit::append(tx, event).await.map(drop),
        // Closed by somebody else, as a start of this node does with lost ones, or never open.
        Err(StoreError::Conflict | StoreError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Entry {
    fn kind(&self) -> &'static str {
        match self {
            Self::Finished(_) => "end of a recording",
            Self::Counted { .. } => "traffic",
            Self::Noted(_) => "note",
            Self::File(..) => "file",
            Self::FilesClosed(_) => "end of a file channel",
            Self::Closed(_) => "end of a session",
            Self::Doubtful(_) => "doubtful session",
        }
    }
}
