//! One open file: what was read from it and written to it, and what that amounts to in the
//! end.
//!
//! Pure. Calls a file complete only when all of it was seen.

use bytes::Bytes;

use super::{super::content::Content, answer::Status, request::Flags};
use crate::model::file::{FileOp, FilePath, FileResult, Moved};

pub struct Open {
    path: FilePath,
    flags: Flags,
    read: Content,
    /// The least offset at which there was nothing more to read.
    end_of_file: Option<u64>,
    /// The last piece was shorter than what was asked for: a file's end, or a server's limit.
    last_was_short: bool,
    /// What the target said it holds.
    size: Option<u64>,
    written: Content,
    /// Of what was written, as much as the target has said yes to.
    acknowledged: u64,
    /// Whether what was written is all that the file holds.
    only_what_was_written: bool,
    failure: Option<Status>,
}

impl Open {
    pub fn new(path: FilePath, flags: Flags) -> Self {
        Self {
            path,
            flags,
            read: Content::default(),
            end_of_file: None,
            last_was_short: false,
            size: None,
            written: Content::default(),
            acknowledged: 0,
            only_what_was_written: flags.empties(),
            failure: None,
        }
    }

    pub fn path(&self) -> &FilePath {
        &self.path
    }

    pub fn writes(&self) -> bool {
        self.flags.writes()
    }

    /// Content of `length` follows by `read`, where `asked` was wanted at `offset`.
    pub fn reads_at(&mut self, offset: u64, asked: u32, length: u32) {
        self.read.at(offset);
        self.last_was_short = length < asked;
    }

    pub fn read(&mut self, bytes: &Bytes) {
        self.read.add(bytes);
    }

    pub fn read_ended(&mut self, offset: u64, status: Status) {
        if status == Status::END_OF_FILE {
            let least = self.end_of_file.map_or(offset, |known| known.min(offset));
            self.end_of_file = Some(least);
        } else {
            self.failed(status);
        }
    }

    /// Content follows by `write`.
    pub fn writes_at(&mut self, offset: u64) {
        self.written.at(offset);
    }

    pub fn write(&mut self, bytes: &Bytes) {
        self.written.add(bytes);
    }

    pub fn write_ended(&mut self, length: u32, status: Status) {
        if status == Status::OK {
            self.acknowledged += u64::from(length);
        } else {
            self.failed(status);
        }
    }

    pub fn has_size(&mut self, size: u64) {
        self.size = Some(size);
    }

    /// The client has set its length. OpenSSH's scp cuts a longer file so when it is through.
    pub fn resized(&mut self, size: u64) {
        self.only_what_was_written = self.written.end() == Some(size);
        if !self.only_what_was_written {
            self.written.spoil();
        }
    }

    /// It holds something that did not pass here.
    pub fn copied_into(&mut self) {
        self.only_what_was_written = false;
        self.written.spoil();
    }

    /// What became of it, after the target has answered its close.
    pub fn closed(mut self, status: Status) -> Vec<Moved> {
        if status != Status::OK {
            self.failed(status);
        }
        let failure = self.failure;
        self.moved(|whole, why_not| match failure {
            Some(status) => (FileResult::Failed, status.words()),
            None if whole => (FileResult::Complete, String::new()),
            None => (FileResult::Partial, why_not.to_owned()),
        })
    }

    /// What became of it when the channel ended under it.
    pub fn cut(self) -> Vec<Moved> {
        self.moved(|_, _| (FileResult::Cut, "the channel ended first".to_owned()))
    }

    fn failed(&mut self, status: Status) {
        self.failure.get_or_insert(status);
    }

    fn moved(self, result: impl Fn(bool, &str) -> (FileResult, String)) -> Vec<Moved> {
        let was_read = !self.read.is_untouched() || self.end_of_file.is_some();
        let was_written = !self.written.is_untouched() || self.flags.empties();
        let (read_whole, why_not_read) = match self.read.end() {
            None => (false, "not read in order from its beginning"),
            Some(end) => (self.ends_at(end), "not read to its end"),
        };
        let mut moved = Vec::new();
        if was_written || self.flags.writes() && !was_read {
            let why_not = match self.written.end() {
                None => "not written in order from its beginning",
                Some(_) => "it may hold more than what was written",
            };
            let whole = self.only_what_was_written && self.written.end().is_some();
            let (result, detail) = result(whole, why_not);
            let all_acknowledged = self.acknowledged == self.written.bytes();
            moved.push(Moved {
                op: FileOp::Write,
                path: self.path.clone(),
                to: None,
                bytes: self.acknowledged,
                sha256: self.written.sha256().filter(|_| all_acknowledged),
                result,
                detail,
            });
        }
        if was_read || !self.flags.writes() {
            let (result, detail) = result(read_whole, why_not_read);
            moved.push(Moved {
                op: FileOp::Read,
                path: self.path,
                to: None,
                bytes: self.read.bytes(),
                sha256: self.read.sha256(),
                result,
                detail,
            });
        }
        moved
    }

    /// Whether the file is known to end there. Some clients ask on after a short piece
    /// where it would have ended, some where the piece did.
    fn ends_at(&self, end: u64) -> bool {
        let was_told = match self.end_of_file {
            Some(offset) => offset == end || (offset > end && self.last_was_short),
            None => false,
        };
        was_told || self.size == Some(end)
    }
}
