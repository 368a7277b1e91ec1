//! Files that move through a channel: followed, held to the directions that are allowed,
//! written down.
//!
//! The readers below are pure. Here they meet a session: its permit, its file log, its
//! audit. Never holds a file's content, never waits for a peer.

mod content;
mod heard;
mod passage;
pub mod plan;
pub mod rights;
pub mod scp;
pub mod sftp;

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;
use tracing::debug;

pub use self::{
    heard::{Heard, Refused, Why},
    plan::Plan,
};
use self::{plan::Scope, rights::Missing, scp::Scp, sftp::Sftp};
use crate::{
    model::{
        file::{FilePath, FileResult, Moved},
        ids::RecordingId,
        refusal::Refusal,
    },
    session::{FileLog, Session},
};

/// Different refusals of one channel that are audited; the rest is in the file log.
const MOST_KINDS: usize = 32;

/// One channel that moves files.
pub struct Files<'a> {
    session: &'a Session,
    log: FileLog<&'a Session>,
    scope: Scope,
    reader: Mutex<Reader>,
    /// The kinds of refusal that were audited.
    audited: Mutex<HashSet<String>>,
    /// Told when an answer of ours may be due.
    ours: Notify,
    /// Told when answers have made room for requests.
    room: Notify,
}

enum Reader {
    Sftp(Box<Sftp>),
    Scp(Box<Scp>),
    /// It was no scp after all, and the command may do as it likes.
    Lost,
}

/// What follows from one piece.
#[derive(Debug, Default)]
pub struct Step {
    pub pass: Vec<Bytes>,
    /// What stands in the recording, before that is passed on.
    pub lines: Vec<String>,
    /// What the person is told beside the stream.
    pub say: Vec<String>,
}

impl<'a> Files<'a> {
    pub fn new(session: &'a Session, plan: Plan, recording: Option<RecordingId>) -> Self {
        let (reader, scope) = match plan {
            Plan::Sftp(scope) => {
                let sftp = Sftp::new(scope.rights());
                (Reader::Sftp(Box::new(sftp)), scope)
            }
            Plan::Scp { command, scope } => (Reader::Scp(Box::new(Scp::new(command))), scope),
        };
        Self {
            session,
            log: FileLog::of(session, recording),
            scope,
            reader: Mutex::new(reader),
            audited: Mutex::default(),
            ours: Notify::new(),
            room: Notify::new(),
        }
    }

    /// From the person's client; takes from `bytes` what there is room for, which is
    /// something, once this returns.
    ///
    /// # Errors
    /// The stream cannot be followed, and so may not go on.
    pub async fn up(&self, bytes: &mut Bytes) -> Result<Step, Refusal> {
        while !self.has_room() {
            self.room.notified().await;
        }
        let heard = {
            let mut reader = self.reader();
            match &mut *reader {
                Reader::Sftp(sftp) => sftp.up(bytes).map_err(unreadable)?,
                Reader::Scp(scp) => {
                    let heard = scp.up(bytes);
                    let moved = self.heard_scp(&mut reader, heard)?;
                    through(std::mem::take(bytes), moved)
                }
                Reader::Lost => through(std::mem::take(bytes), Vec::new()),
            }
        };
        if !heard.refused.is_empty() {
            self.ours.notify_one();
        }
        Ok(self.follow(heard).await)
    }

    /// From the target.
    ///
    /// # Errors
    /// As `up`.
    pub async fn down(&self, bytes: Bytes) -> Result<Step, Refusal> {
        let heard = {
            let mut reader = self.reader();
            match &mut *reader {
                Reader::Sftp(sftp) => sftp.down(bytes).map_err(unreadable)?,
                Reader::Scp(scp) => {
                    let heard = scp.down(&bytes);
                    let moved = self.heard_scp(&mut reader, heard)?;
                    through(bytes, moved)
                }
                Reader::Lost => through(bytes, Vec::new()),
            }
        };
        self.room.notify_one();
        Ok(self.follow(heard).await)
    }

    /// Waits until answers of ours are due to the person, while the target says nothing.
    pub async fn ours(&self) -> Vec<Bytes> {
        loop {
            self.ours.notified().await;
            if let Reader::Sftp(sftp) = &mut *self.reader() {
                let ours = sftp.ours();
                if !ours.is_empty() {
                    self.room.notify_one();
                    return ours;
                }
            }
        }
    }

    /// The answers of ours that are left when the target has said its last.
    pub fn last_of_ours(&self) -> Vec<Bytes> {
        match &mut *self.reader() {
            Reader::Sftp(sftp) => sftp.last_of_ours(),
            Reader::Scp(_) | Reader::Lost => Vec::new(),
        }
    }

    /// Whether all that passes is files, so that a line for each is the whole recording. A
    /// command that may be anything is recorded as one besides.
    pub fn are_all(&self) -> bool {
        !self.scope.anything
    }

    async fn follow(&self, heard: Heard) -> Step {
        let mut lines = Vec::with_capacity(heard.moved.len());
        for moved in heard.moved {
            lines.push(line(&moved));
            self.log.enter(moved).await;
        }
        let mut say = Vec::new();
        for refused in heard.refused {
            if let Some(refusal) = self.first_of_its_kind(refused) {
                self.session.audit_refused("file.refused", &refusal).await;
                say.push(format!("Refused: {refusal}"));
            }
        }
        Step {
            pass: heard.pass,
            lines,
            say,
        }
    }

    /// What the audit says of a refusal, if it is the first such on this channel.
    fn first_of_its_kind(&self, refused: Refused) -> Option<Refusal> {
        let mut audited = self.audited.lock().unwrap_or_else(PoisonError::into_inner);
        if audited.len() == MOST_KINDS || !audited.insert(refused.what.clone()) {
            return None;
        }
        let unsupported = || Refusal::Unsupported(refused.what.clone());
        let refusal = match refused.why {
            Why::Missing(Missing::Read) => self.scope.read.clone().err(),
            Why::Missing(Missing::Write) => self.scope.write.clone().err(),
            Why::Unknown => None,
        };
        Some(refusal.unwrap_or_else(unsupported))
    }

    /// A command that may be anything may also be no scp at all: then it is followed no
    /// more, and the log says so. One that may only be scp ends here.
    fn heard_scp(
        &self,
        reader: &mut Reader,
        heard: Result<Vec<Moved>, scp::Broken>,
    ) -> Result<Vec<Moved>, Refusal> {
        let broken = match heard {
            Ok(moved) => return Ok(moved),
            Err(broken) if self.scope.anything => broken,
            Err(broken) => return Err(Refusal::Unsupported(format!("scp, but {broken}"))),
        };
        debug!(session = %self.session.id(), %broken, "Not followed as scp any more");
        let mut moved = Vec::new();
        if let Reader::Scp(scp) = reader {
            moved.extend(scp.cut().map(|file| Moved {
                result: FileResult::Partial,
                detail: format!("not followed to its end: {broken}"),
                ..file
            }));
        }
        *reader = Reader::Lost;
        Ok(moved)
    }

    fn has_room(&self) -> bool {
        match &*self.reader() {
            Reader::Sftp(sftp) => sftp.has_room(),
            Reader::Scp(_) | Reader::Lost => true,
        }
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        let moved = match &mut *self.reader() {
            Reader::Sftp(sftp) => sftp.cut(),
            Reader::Scp(scp) => scp.cut().into_iter().collect(),
            Reader::Lost => Vec::new(),
        };
        for moved in moved {
            self.log.enter_at_the_end(moved);
        }
    }
}

fn through(bytes: Bytes, moved: Vec<Moved>) -> Heard {
    Heard {
        pass: vec![bytes],
        moved,
        refused: Vec::new(),
    }
}

fn unreadable(broken: sftp::Broken) -> Refusal {
    Refusal::Unsupported(broken.to_string())
}

/// One line for a recording: what happened to which file.
fn line(moved: &Moved) -> String {
    let to = moved.to.as_ref().map(FilePath::as_str);
    let arrow = to.map(|to| format!(" -> {to}")).unwrap_or_default();
    let hash = moved.sha256.as_deref();
    let hash = hash
        .map(|hash| format!(", SHA-256 {hash}"))
        .unwrap_or_default();
    let Moved {
        op,
        path,
        bytes,
        result,
        ..
    } = moved;
    match op.direction() {
        Some(_) => format!("{op} {path}: {result}, {bytes} bytes{hash}"),
        None => format!("{op} {path}{arrow}: {result}"),
    }
}
