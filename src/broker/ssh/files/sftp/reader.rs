//! Both directions of one SFTP channel, followed together.

use std::collections::HashMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    super::{
        heard::{Heard, Refused, Why},
        passage::Passage,
        rights::Rights,
    },
    answer::{self, Answer, Says, Status},
    broken::Broken,
    frames::{Frames, Piece},
    open::Open,
    pending::{Asked, FileNumber, Pending},
    request::{self, Asks, Change, Request},
};
use crate::model::file::{FileOp, FilePath, FileResult, Moved};

/// The version that is read here, and that both sides are held to.
const VERSION: u32 = 3;

/// Open files and folders at once. A process may have 1,024 by default.
const MOST_OPEN: usize = 1_024;

pub struct Sftp {
    rights: Rights,
    up: Frames,
    down: Frames,
    greeting: Greeting,
    pending: Pending,
    handles: HashMap<Box<[u8]>, FileNumber>,
    places: HashMap<FileNumber, Place>,
    next_place: FileNumber,
    /// Opens without an answer.
    opening: usize,
    /// The last size that was asked for by path: clients look before they open.
    looked_at: Option<(FilePath, u64)>,
    /// Where the rest of the packet from the client belongs.
    sending: Sending,
    /// The file that the content from the target is of.
    receiving: Option<FileNumber>,
}

enum Place {
    File(Box<Open>),
    Directory(FilePath),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
    Awaited,
    Asked,
    Done,
}

#[derive(Clone, Copy)]
enum Sending {
    Through,
    Content(FileNumber),
    Nowhere,
}

/// What is done with a request.
enum Verdict {
    Pass,
    Replace(Bytes),
    Answer(Status, String),
}

impl Sftp {
    pub fn new(rights: Rights) -> Self {
        Self {
            rights,
            up: Frames::new(request::needed),
            down: Frames::new(answer::needed),
            greeting: Greeting::Awaited,
            pending: Pending::default(),
            handles: HashMap::new(),
            places: HashMap::new(),
            next_place: 0,
            opening: 0,
            looked_at: None,
            sending: Sending::Through,
            receiving: None,
        }
    }

    /// Whether a next request can be taken before answers have come.
    pub fn has_room(&self) -> bool {
        self.pending.has_room()
    }

    /// From the person's client. What there is no room for stays in `chunk`.
    pub fn up(&mut self, chunk: &mut Bytes) -> Result<Heard, Broken> {
        let mut heard = Heard::default();
        let mut passage = Passage::new(chunk.clone());
        let whole = chunk.len();
        while !self.up.expects_head() || self.pending.has_room() {
            let start = whole - chunk.len();
            let piece = self.up.next(chunk)?;
            let range = start..whole - chunk.len();
            match piece {
                None => break,
                Some(Piece::Rest(bytes)) => match self.sending {
                    Sending::Nowhere => {}
                    Sending::Through => passage.pass(range),
                    Sending::Content(file) => {
                        if let Some(Place::File(open)) = self.places.get_mut(&file) {
                            open.write(&bytes);
                        }
                        passage.pass(range);
                    }
                },
                Some(Piece::Head { bytes, was_held }) => {
                    self.sending = Sending::Through;
                    let request = Request::read(&bytes)?;
                    let id = request.id;
                    match self.judge(request, &mut heard)? {
                        Verdict::Pass if was_held => passage.insert(bytes),
                        Verdict::Pass => passage.pass(range),
                        Verdict::Replace(ours) => passage.insert(ours),
                        Verdict::Answer(status, sentence) => {
                            self.sending = Sending::Nowhere;
                            let answer = status.packet(id, &sentence);
                            self.pending.answer_ourselves(answer);
                        }
                    }
                }
            }
        }
        heard.pass = passage.finish();
        Ok(heard)
    }

    /// From the target. Answers of ours stand between its own where their turn is.
    pub fn down(&mut self, chunk: Bytes) -> Result<Heard, Broken> {
        let mut heard = Heard::default();
        let mut passage = Passage::new(chunk.clone());
        let whole = chunk.len();
        let mut chunk = chunk;
        loop {
            self.put_ours(&mut passage);
            let start = whole - chunk.len();
            let piece = self.down.next(&mut chunk)?;
            passage.pass(start..whole - chunk.len());
            match piece {
                None => break,
                Some(Piece::Head { bytes, .. }) => {
                    self.receiving = None;
                    self.hear(Answer::read(&bytes)?, &mut heard)?;
                }
                Some(Piece::Rest(bytes)) => {
                    if let Some(Place::File(open)) =
                        self.receiving.and_then(|file| self.places.get_mut(&file))
                    {
                        open.read(&bytes);
                    }
                }
            }
        }
        heard.pass = passage.finish();
        Ok(heard)
    }

    /// Answers of ours that need not wait for the target.
    pub fn ours(&mut self) -> Vec<Bytes> {
        let mut passage = Passage::new(Bytes::new());
        self.put_ours(&mut passage);
        passage.finish()
    }

    /// The answers of ours that are left when the target says nothing more.
    pub fn last_of_ours(&mut self) -> Vec<Bytes> {
        if !self.down.between_packets() {
            return Vec::new();
        }
        std::iter::from_fn(|| self.pending.rest_of_ours()).collect()
    }

    /// Everything that is not over when the channel ends.
    pub fn cut(&mut self) -> Vec<Moved> {
        let mut places: Vec<_> = self.places.drain().collect();
        places.sort_unstable_by_key(|(number, _)| *number);
        let mut moved = Vec::new();
        for (_, place) in places {
            if let Place::File(open) = place {
                moved.extend(open.cut());
            }
        }
        self.handles.clear();
        for asked in self.pending.unanswered() {
            match asked {
                Asked::Open { path, flags } => moved.extend(Open::new(path, flags).cut()),
                Asked::Change(change) => moved.push(Moved {
                    result: FileResult::Cut,
                    detail: "the channel ended before the target answered".to_owned(),
                    ..*change
                }),
                _ => {}
            }
        }
        moved
    }

    fn put_ours(&mut self, passage: &mut Passage) {
        while self.down.between_packets() {
            let Some(answer) = self.pending.our_turn() else {
                return;
            };
            passage.insert(answer);
        }
    }

    fn judge(&mut self, request: Request<'_>, heard: &mut Heard) -> Result<Verdict, Broken> {
        let Request { id, asks } = request;
        match (self.greeting, &asks) {
            (Greeting::Awaited, Asks::Version(version)) => {
                self.greeting = Greeting::Asked;
                return Ok(Verdict::Replace(init(*version)));
            }
            (Greeting::Awaited, _) => return Err(Broken::NoVersion),
            (_, Asks::Version(_)) => return Err(Broken::Malformed("a second version")),
            _ => {}
        }
        if let Err((missing, sentence)) = self.rights.allow(asks.need()) {
            let verdict = Verdict::Answer(Status::PERMISSION_DENIED, sentence.to_owned());
            heard.refused.push(Refused {
                what: asks.name(),
                why: Why::Missing(missing),
            });
            heard.moved.extend(self.refused_change(&asks, sentence));
            return Ok(verdict);
        }
        match self.follow(&asks) {
            Ok(asked) => {
                self.pending.ask(id, asked)?;
                Ok(Verdict::Pass)
            }
            Err(NotFollowed::Unknown) => {
                let what = asks.name();
                let sentence = format!("this is not supported through the gateway: {what}");
                let why = Why::Unknown;
                heard.refused.push(Refused { what, why });
                Ok(Verdict::Answer(Status::UNSUPPORTED, sentence))
            }
            Err(NotFollowed::NoSuchHandle) => Ok(Verdict::Answer(
                Status::FAILURE,
                "there is no such open file".to_owned(),
            )),
            Err(NotFollowed::TooManyOpen) => Ok(Verdict::Answer(
                Status::FAILURE,
                format!("{MOST_OPEN} files are open, and that is the most"),
            )),
        }
    }

    /// What to expect of a request's answer. Notes where its content belongs.
    fn follow(&mut self, asks: &Asks<'_>) -> Result<Asked, NotFollowed> {
        let path = FilePath::from_bytes;
        Ok(match *asks {
            Asks::Version(_) | Asks::Unknown(_) => return Err(NotFollowed::Unknown),
            Asks::Open { flags, .. } if !flags.are_known() => return Err(NotFollowed::Unknown),
            Asks::Open { .. } | Asks::OpenDirectory(_)
                if self.places.len() + self.opening >= MOST_OPEN =>
            {
                return Err(NotFollowed::TooManyOpen);
            }
            Asks::Open { path: at, flags } => {
                self.opening += 1;
                let path = path(at);
                Asked::Open { path, flags }
            }
            Asks::OpenDirectory(at) => {
                self.opening += 1;
                Asked::OpenDirectory(path(at))
            }
            Asks::Close(handle) => match self.handles.remove(handle) {
                Some(file) => Asked::Close(file),
                None => Asked::Look,
            },
            Asks::Read {
                handle,
                offset,
                length,
            } => {
                let (file, _) = self.file(handle)?;
                Asked::Read {
                    file,
                    offset,
                    length,
                }
            }
            Asks::Write {
                handle,
                offset,
                length,
            } => {
                let (file, open) = self.file(handle)?;
                open.writes_at(offset);
                self.sending = Sending::Content(file);
                Asked::Write { file, length }
            }
            Asks::StatHandle(handle) => match self.file(handle) {
                Ok((file, _)) => Asked::Size(file),
                Err(_) => Asked::Look,
            },
            Asks::Stat(at) => Asked::SizeOf(path(at)),
            Asks::SetStatHandle { handle, size } => self.set_stat(handle, size),
            Asks::Copy { from, to } => {
                let from = self.file(from)?.1.path().clone();
                let (_, to) = self.file(to)?;
                to.copied_into();
                change(FileOp::Copy, from, Some(to.path().clone()))
            }
            Asks::Flush(_) | Asks::Look => Asked::Look,
            ref asks => {
                let asked = asks.change().expect("every other request is a change");
                change(asked.op, path(asked.path), asked.to.map(path))
            }
        })
    }

    /// What a client sets on a file that it writes belongs to the writing.
    fn set_stat(&mut self, handle: &[u8], size: Option<u64>) -> Asked {
        let Some(number) = self.handles.get(handle) else {
            return Asked::Look;
        };
        match (self.places.get(number), size) {
            (Some(Place::File(open)), Some(size)) if open.writes() => Asked::Resize {
                file: *number,
                size,
            },
            (Some(Place::File(open)), None) if open.writes() => Asked::Look,
            (Some(Place::File(open)), _) => {
                change(FileOp::SetAttributes, open.path().clone(), None)
            }
            (Some(Place::Directory(path)), _) => change(FileOp::SetAttributes, path.clone(), None),
            (None, _) => Asked::Look,
        }
    }

    fn file(&mut self, handle: &[u8]) -> Result<(FileNumber, &mut Open), NotFollowed> {
        let number = self.handles.get(handle).ok_or(NotFollowed::NoSuchHandle)?;
        match self.places.get_mut(number) {
            Some(Place::File(open)) => Ok((*number, open)),
            _ => Err(NotFollowed::NoSuchHandle),
        }
    }

    /// The row of something that was refused; content without an open file has none.
    fn refused_change(&self, asks: &Asks<'_>, sentence: &str) -> Option<Moved> {
        let asked = match *asks {
            Asks::Open { path, flags } => Change {
                op: match flags.changes() {
                    true => FileOp::Write,
                    false => FileOp::Read,
                },
                path,
                to: None,
            },
            ref asks => asks.change()?,
        };
        Some(Moved {
            op: asked.op,
            path: FilePath::from_bytes(asked.path),
            to: asked.to.map(FilePath::from_bytes),
            bytes: 0,
            sha256: None,
            result: FileResult::Refused,
            detail: sentence.to_owned(),
        })
    }

    fn hear(&mut self, answer: Answer<'_>, heard: &mut Heard) -> Result<(), Broken> {
        if let Says::Version(version) = answer.says {
            if self.greeting != Greeting::Asked {
                return Err(Broken::Unasked);
            }
            if version > VERSION {
                return Err(Broken::Version(version));
            }
            self.greeting = Greeting::Done;
            return Ok(());
        }
        let asked = self.pending.answered(answer.id)?;
        if matches!(asked, Asked::Open { .. } | Asked::OpenDirectory(_)) {
            self.opening -= 1;
        }
        match (asked, answer.says) {
            (Asked::Open { path, flags }, Says::Handle(handle)) => {
                let mut open = Open::new(path, flags);
                match self.looked_at.take() {
                    Some((path, size)) if path == *open.path() => open.has_size(size),
                    _ => {}
                }
                self.enter(handle, Place::File(Box::new(open)), heard);
            }
            (Asked::Open { path, flags }, Says::Status(status)) => {
                heard.moved.extend(Open::new(path, flags).closed(status));
            }
            (Asked::OpenDirectory(path), Says::Handle(handle)) => {
                self.enter(handle, Place::Directory(path), heard);
            }
            (Asked::Close(number), Says::Status(status)) => {
                if let Some(Place::File(open)) = self.places.remove(&number) {
                    heard.moved.extend(open.closed(status));
                }
            }
            (
                Asked::Read {
                    file,
                    offset,
                    length,
                },
                Says::Data { length: came },
            ) => {
                self.receiving = Some(file);
                self.on(file, |open| open.reads_at(offset, length, came));
            }
            (Asked::Read { file, offset, .. }, Says::Status(status)) => {
                self.on(file, |open| open.read_ended(offset, status));
            }
            (Asked::Write { file, length }, Says::Status(status)) => {
                self.on(file, |open| open.write_ended(length, status));
            }
            (Asked::Resize { file, size }, Says::Status(Status::OK)) => {
                self.on(file, |open| open.resized(size));
            }
            (Asked::Size(file), Says::Attributes { size: Some(size) }) => {
                self.on(file, |open| open.has_size(size));
            }
            (Asked::SizeOf(path), Says::Attributes { size: Some(size) }) => {
                self.looked_at = Some((path, size));
            }
            (Asked::Change(change), Says::Status(status)) => {
                let (result, detail) = match status {
                    Status::OK => (FileResult::Complete, String::new()),
                    status => (FileResult::Failed, status.words()),
                };
                heard.moved.push(Moved {
                    result,
                    detail,
                    ..*change
                });
            }
            (
                Asked::Look | Asked::SizeOf(_) | Asked::Size(_),
                Says::Attributes { .. } | Says::Other,
            )
            | (_, Says::Status(_)) => {}
            _ => return Err(Broken::Unasked),
        }
        Ok(())
    }

    fn enter(&mut self, handle: &[u8], place: Place, heard: &mut Heard) {
        let number = self.next_place;
        self.next_place += 1;
        let before = self.handles.insert(handle.into(), number);
        // A target that gives a handle twice has closed the first by itself.
        if let Some(Place::File(open)) = before.and_then(|before| self.places.remove(&before)) {
            heard.moved.extend(open.cut());
        }
        self.places.insert(number, place);
    }

    fn on(&mut self, file: FileNumber, change: impl FnOnce(&mut Open)) {
        // Closed while the answer was on its way.
        if let Some(Place::File(open)) = self.places.get_mut(&file) {
            change(open);
        }
    }
}

enum NotFollowed {
    Unknown,
    NoSuchHandle,
    TooManyOpen,
}

fn change(op: FileOp, path: FilePath, to: Option<FilePath>) -> Asked {
    Asked::Change(Box::new(Moved {
        op,
        path,
        to,
        bytes: 0,
        sha256: None,
        result: FileResult::Cut,
        detail: String::new(),
    }))
}

/// The client's first packet, without what only a later version would understand.
fn init(version: u32) -> Bytes {
    const INIT: u8 = 1;
    let mut packet = BytesMut::with_capacity(9);
    packet.put_u32(5);
    packet.put_u8(INIT);
    packet.put_u32(version.min(VERSION));
    packet.freeze()
}
