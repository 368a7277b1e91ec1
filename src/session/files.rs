//! The file log of one channel: each file and change on its way to the store, and in the end
//! an audit event with how many there were and a hash over all of them.
//!
//! Bounded: where the store is slower than the files, whoever moves them waits. What a cut
//! leaves is written without waiting, as there is nobody left who could.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde_json::json;

use super::{Session, clerk::Entry};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        file::{Direction, FileRecord, FileResult, Moved},
        ids::{FileId, RecordingId},
    },
    store::file::ChannelEnd,
    vault::entropy,
};

/// Rows that may wait for the clerk, of all sessions.
pub const MOST_WAITING: usize = 1_024;

/// Held by reference, or by whoever shares the session.
pub struct FileLog<S: Deref<Target = Session>> {
    session: S,
    channel: u32,
    recording: Option<RecordingId>,
    tally: Mutex<Tally>,
}

/// What the last event of a channel says.
struct Tally {
    root: Context,
    rows: u32,
    files_up: u64,
    files_down: u64,
    changes: u64,
    refused: u64,
    cut: u64,
    bytes_up: u64,
    bytes_down: u64,
}

impl<S: Deref<Target = Session>> FileLog<S> {
    /// The log of the session's next channel; when it is dropped the channel is closed and
    /// audited.
    pub fn of(session: S, recording: Option<RecordingId>) -> Self {
        let channel = session.next_file_channel();
        Self {
            session,
            channel,
            recording,
            tally: Mutex::new(Tally {
                root: Context::new(&SHA256),
                rows: 0,
                files_up: 0,
                files_down: 0,
                changes: 0,
                refused: 0,
                cut: 0,
                bytes_up: 0,
                bytes_down: 0,
            }),
        }
    }

    /// Writes down what is over. Waits where too much waits already.
    pub async fn enter(&self, moved: Moved) {
        let room = self.session.gate.file_room().await;
        self.put(moved, |record| Entry::File(Box::new(record), Some(room)));
    }

    /// Writes down what the channel's end left in the middle: as much as was open.
    pub fn enter_at_the_end(&self, moved: Moved) {
        self.put(moved, |record| Entry::File(Box::new(record), None));
    }

    fn put(&self, moved: Moved, entry: impl FnOnce(FileRecord) -> Entry) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.session.gate.now();
        // INVARIANT: ids are in the order of the root: the clock never goes back, and behind
        // it stands the number of the row.
        let mut unique: [u8; 10] = entropy();
        unique[..4].copy_from_slice(&tally.rows.to_be_bytes());
        let record = FileRecord {
            id: FileId::new(at, unique),
            session: self.session.id.clone(),
            channel: self.channel,
            recording: self.recording.clone(),
            at,
            op: moved.op,
            path: moved.path,
            to: moved.to,
            direction: moved.op.direction(),
            bytes: moved.bytes,
            sha256: moved.sha256,
            result: moved.result,
            detail: moved.detail,
        };
        tally.count(&record);
        // In the order of the root as well.
        self.session.gate.enter(entry(record));
    }
}

impl Tally {
    fn count(&mut self, record: &FileRecord) {
        let line = serde_json::to_string(record).expect("a row is plain data");
        self.root.update(line.as_bytes());
        self.root.update(b"\n");
        self.rows = self.rows.saturating_add(1);
        match (record.result, record.direction) {
            (FileResult::Refused, _) => self.refused += 1,
            (_, Some(Direction::Up)) => self.files_up += 1,
            (_, Some(Direction::Down)) => self.files_down += 1,
            (_, None) => self.changes += 1,
        }
        if record.result == FileResult::Cut {
            self.cut += 1;
        }
        match record.direction {
            Some(Direction::Up) => self.bytes_up += record.bytes,
            Some(Direction::Down) => self.bytes_down += record.bytes,
            None => {}
        }
    }
}

impl<S: Deref<Target = Session>> Drop for FileLog<S> {
    fn drop(&mut self) {
        let tally = self.tally.get_mut().unwrap_or_else(PoisonError::into_inner);
        let session = &*self.session;
        let message = format!(
            "{} files up, {} down, {} changes, {} refused",
            tally.files_up, tally.files_down, tally.changes, tally.refused
        );
        let root = HEXLOWER.encode(tally.root.clone().finish().as_ref());
        let actor = Actor::from(&session.principal);
        let event = AuditEvent::done(session.gate.now(), "files.close", actor, message);
        let event = session.about(event).with(json!({
            "channel": self.channel,
            "recording": self.recording,
            "rows": tally.rows,
            "files_up": tally.files_up,
            "files_down": tally.files_down,
            "changes": tally.changes,
            "refused": tally.refused,
            "cut": tally.cut,
            "bytes_up": tally.bytes_up,
            "bytes_down": tally.bytes_down,
            "root": root,
        }));
        let end = ChannelEnd {
            session: session.id.clone(),
            channel: self.channel,
            at: event.at,
            entries: tally.rows,
            root,
        };
        session
            .gate
            .enter(Entry::FilesClosed(Box::new((end, event))));
    }
}
