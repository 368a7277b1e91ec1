//! Keeps recordings for as long as they are to be kept.
//!
//! Ends those that a crash left open, deletes those whose time is over, and tells how much
//! room is left. Every deletion is audited with its reason; the key goes first, so that what
//! is left of a file is noise.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    audit,
    clock::{Clock, Stopwatch},
    model::{
        audit::{Actor, AuditEvent},
        recording::Recording,
        time::{Span, Timestamp},
    },
    recording::{Archive, ArchiveError, Recordings},
    store::{
        self, Store, StoreError,
        recording::{End, RecordingView},
    },
    telemetry::Metrics,
};

const EVERY: Duration = Duration::from_secs(10);
/// Between two looks at what other nodes left without an end, and how long they had for it.
const LOST_EVERY: Duration = Duration::from_secs(600);
const GRACE: i64 = 60_000;
/// So many are deleted in one round; the rest in the next.
const BATCH: usize = 100;

pub struct Keeper {
    pub store: Store,
    pub clock: Clock,
    pub recordings: Recordings,
    pub metrics: Metrics,
}

impl Keeper {
    pub async fn run(self, stop: CancellationToken) {
        // Nothing of this run has ended yet, so whatever has no end is of an earlier one.
        self.try_end_lost(self.clock.now()).await;
        let mut looked = Stopwatch::start();
        loop {
            if looked.elapsed() >= LOST_EVERY {
                looked = Stopwatch::start();
                let now = self.clock.now().millis();
                self.try_end_lost(Timestamp::from_millis(now - GRACE)).await;
            }
            self.metrics.recording_room(self.recordings.free());
            if let Err(error) = self.round().await {
                warn!(%error, "Old recordings not deleted");
            }
            let pause = tokio::time::sleep(EVERY);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Deletes what is due, and removes the files of what was deleted.
    pub async fn round(&self) -> Result<(), StoreError> {
        for due in store::recording::due(&self.store, self.clock.now(), BATCH).await? {
            match self.delete(&due).await {
                // Another node was faster.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        for left in store::recording::left_behind(&self.store, BATCH).await? {
            self.remove(left.row).await?;
        }
        Ok(())
    }

    async fn try_end_lost(&self, until: Timestamp) {
        if let Err(error) = self.end_lost(until).await {
            warn!(%error, "Recordings that were left open not ended");
        }
    }

    /// Writes down the end of recordings that were left without one, of sessions that ended
    /// before `until`: what a crash left cannot be changed unseen either.
    pub async fn end_lost(&self, until: Timestamp) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let lost =
                store::recording::unfinished(&self.store, until, after.as_ref(), BATCH).await?;
            let Some(last) = lost.last() else {
                return Ok(());
            };
            after = Some(last.row.id.clone());
            for view in lost {
                self.end(&view).await?;
            }
        }
    }

    async fn delete(&self, due: &RecordingView) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = &due.row;
        let kept = row
            .keep_until
            .map(|until| Span::whole(until.since(row.started_at)))
            .unwrap_or_default();
        let message = format!(
            "recording {} of {} on {} was deleted: policy {} keeps recordings for {kept}",
            row.id, due.user_name, due.target_name, due.policy
        );
        let detail = serde_json::json!({
            "recording": row.id,
            "started_at": row.started_at,
            "policy": due.policy,
            "retention": kept,
            "root": row.root,
        });
        let event = AuditEvent::done(now, "recording.delete", Actor::Gateway, message);
        let mut tx = self.store.begin().await?;
        store::recording::delete(&mut tx, &row.id, now).await?;
        audit::append(&mut tx, &about(event, due).with(detail)).await?;
        tx.commit().await?;
        info!(recording = %row.id, "Recording deleted, its time is over");
        Ok(())
    }

    async fn remove(&self, row: Recording) -> Result<(), StoreError> {
        let (archive, gone) = (Archive::new(&self.recordings), row.clone());
        match spawn_blocking(move || archive.remove(&gone)).await {
            Ok(Ok(())) => {
                let mut tx = self.store.begin().await?;
                store::recording::removed(&mut tx, &row.id).await?;
                tx.commit().await
            }
            Ok(Err(error)) => {
                warn!(recording = %row.id, %error, "File of a deleted recording not removed");
                Ok(())
            }
            Err(error) => {
                warn!(recording = %row.id, %error, "File of a deleted recording not removed");
                Ok(())
            }
        }
    }

    async fn end(&self, view: &RecordingView) -> Result<(), StoreError> {
        let (archive, row) = (Archive::new(&self.recordings), view.row.clone());
        let measured = spawn_blocking(move || archive.measure(&row)).await;
        let (bytes, root) = match measured {
            Ok(Ok(measured)) => measured,
            Ok(Err(error)) => {
                // On another node, perhaps: it ends its own.
                let gone = matches!(error, ArchiveError::Gone);
                warn!(recording = %view.row.id, gone, error = &error as &dyn std::error::Error,
                    "Recording of an earlier run not ended");
                return Ok(());
            }
            Err(error) => {
                warn!(recording = %view.row.id, %error, "Recording of an earlier run not ended");
                return Ok(());
            }
        };
        let now = self.clock.now();
        let failure = "the gateway stopped while it was recorded";
        let end = End {
            at: now,
            bytes,
            root: &root,
            failure: Some(failure),
        };
        let message = format!("recording {} is not whole: {failure}", view.row.id);
        let detail = serde_json::json!({
            "recording": view.row.id,
            "bytes": bytes,
            "root": root,
            "failure": failure,
        });
        let event = AuditEvent::done(now, "recording.finish", Actor::Gateway, message);
        let mut tx = self.store.begin().await?;
        match store::recording::finish(&mut tx, &view.row.id, &end).await {
            Ok(()) => {
                audit::append(&mut tx, &about(event, view).with(detail)).await?;
                tx.commit().await
            }
            Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn about(event: AuditEvent, view: &RecordingView) -> AuditEvent {
    AuditEvent {
        checkout: Some(view.row.checkout.clone()),
        ..event
            .about_user(&view.user)
            .about_session(&view.row.session)
    }
}
