//! Both directions of one scp channel, followed together.
//!
//! The two sides take turns: a source sends a record and waits for the sink's answer. So a
//! record is told from content by the answer before it, as the sink itself tells it; who
//! does not wait is not followed.

use std::mem;

use bytes::Bytes;

use super::{
    super::content::Content,
    command::{ScpCommand, Side},
    line::{LONGEST_LINE, Record},
};
use crate::model::file::{FileOp, FilePath, FileResult, Moved};

/// Of the names of folders in one another, in bytes. No path has room for more.
const DEEPEST: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("a line of more than {LONGEST_LINE} bytes")]
    LongLine,
    #[error("what was sent is no record of scp's")]
    NoRecord,
    #[error("something was sent before the last record was answered")]
    Early,
    #[error("folders deeper than any path")]
    Deep,
}

pub struct Scp {
    command: ScpCommand,
    /// The names of the folders that are open.
    folders: Vec<Vec<u8>>,
    source: Source,
    /// What has come of a source's line.
    line: Vec<u8>,
    /// What has come of a sink's answer.
    answer: Answer,
    file: Option<File>,
}

/// What a source sends next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Nothing: it waits for this to be answered.
    Waits(Waits),
    Line,
    Content(u64),
    /// After the content, whether it could read it.
    Status,
    /// The rest of such a status that is a complaint.
    StatusLine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Beginning,
    Times,
    File(u64),
    Folder,
    FolderEnd,
    /// For the answer to a file's content.
    Stored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    None,
    /// A complaint of this many bytes so far.
    Complaint(usize),
}

struct File {
    path: FilePath,
    hint: String,
    content: Content,
    failure: Option<&'static str>,
    /// The sink has complained in the middle, and answers no more for it.
    answered: bool,
}

impl Scp {
    pub fn new(command: ScpCommand) -> Self {
        Self {
            command,
            folders: Vec::new(),
            source: Source::Waits(Waits::Beginning),
            line: Vec::new(),
            answer: Answer::None,
            file: None,
        }
    }

    /// From the person's client.
    pub fn up(&mut self, bytes: &Bytes) -> Result<Vec<Moved>, Broken> {
        match self.command.side {
            Side::Sink => self.source_says(bytes),
            Side::Source => self.sink_says(bytes),
        }
    }

    /// From the target.
    pub fn down(&mut self, bytes: &Bytes) -> Result<Vec<Moved>, Broken> {
        match self.command.side {
            Side::Sink => self.sink_says(bytes),
            Side::Source => self.source_says(bytes),
        }
    }

    /// The file that is not over when the channel ends.
    pub fn cut(&mut self) -> Option<Moved> {
        let file = self.file.take()?;
        let detail = "the channel ended first".to_owned();
        Some(self.moved(file, FileResult::Cut, detail))
    }

    fn source_says(&mut self, whole: &Bytes) -> Result<Vec<Moved>, Broken> {
        let mut bytes = &whole[..];
        let mut moved = Vec::new();
        while let Some(first) = bytes.first() {
            match self.source {
                // A source that gives up says so without being asked.
                Source::Waits(Waits::Beginning) if matches!(first, 1 | 2) => {
                    self.source = Source::Line;
                }
                Source::Waits(_) => return Err(Broken::Early),
                Source::Content(left) => {
                    let part = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let (content, rest) = bytes.split_at(part);
                    if let Some(file) = &mut self.file {
                        file.content.add(&whole.slice_ref(content));
                    }
                    let left = left - part as u64;
                    self.source = match left {
                        0 => Source::Status,
                        left => Source::Content(left),
                    };
                    bytes = rest;
                }
                Source::Status => match first {
                    0 => {
                        bytes = &bytes[1..];
                        moved.extend(self.content_ends());
                    }
                    1 | 2 => self.source = Source::StatusLine,
                    _ => return Err(Broken::NoRecord),
                },
                Source::StatusLine => {
                    if self.take_line(&mut bytes)?.is_some()
                        && let Some(file) = &mut self.file
                    {
                        file.failure = Some("its source could not be read");
                        moved.extend(self.content_ends());
                    }
                }
                Source::Line => {
                    if let Some(line) = self.take_line(&mut bytes)? {
                        self.record(&line)?;
                    }
                }
            }
        }
        Ok(moved)
    }

    fn sink_says(&mut self, mut bytes: &[u8]) -> Result<Vec<Moved>, Broken> {
        let mut moved = Vec::new();
        while let Some((first, rest)) = bytes.split_first() {
            match self.answer {
                Answer::None if *first == 0 => {
                    bytes = rest;
                    moved.extend(self.answered(true)?);
                }
                // Whatever else it begins with, scp takes it for a complaint.
                Answer::None => {
                    bytes = rest;
                    self.answer = Answer::Complaint(1);
                    // A lone line end is one too.
                    if *first == b'\n' {
                        self.answer = Answer::None;
                        moved.extend(self.answered(false)?);
                    }
                }
                Answer::Complaint(so_far) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let part = end.map_or(bytes.len(), |end| end + 1);
                    if so_far + part > LONGEST_LINE {
                        return Err(Broken::LongLine);
                    }
                    bytes = &bytes[part..];
                    self.answer = Answer::Complaint(so_far + part);
                    if end.is_some() {
                        self.answer = Answer::None;
                        moved.extend(self.answered(false)?);
                    }
                }
            }
        }
        Ok(moved)
    }

    /// A line of the source, once it is whole.
    fn take_line(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Broken> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = end.unwrap_or(bytes.len());
        if self.line.len() + part > LONGEST_LINE {
            return Err(Broken::LongLine);
        }
        self.line.extend_from_slice(&bytes[..part]);
        *bytes = &bytes[end.map_or(part, |end| end + 1)..];
        Ok(end.map(|_| mem::take(&mut self.line)))
    }

    fn record(&mut self, line: &[u8]) -> Result<(), Broken> {
        let waits = match Record::parse(line).ok_or(Broken::NoRecord)? {
            // Nobody answers a complaint.
            Record::Complaint(_) => return Ok(()),
            Record::Times => Waits::Times,
            Record::FolderEnd if self.folders.is_empty() => return Err(Broken::NoRecord),
            Record::FolderEnd => Waits::FolderEnd,
            Record::Folder(name) => {
                let deep: usize = self.folders.iter().map(|folder| folder.len() + 1).sum();
                if deep + name.len() > DEEPEST {
                    return Err(Broken::Deep);
                }
                self.folders.push(name.to_vec());
                Waits::Folder
            }
            Record::File { size, name } => {
                let (path, hint) = self.place(name);
                self.file = Some(File {
                    path,
                    hint,
                    content: Content::default(),
                    failure: None,
                    answered: false,
                });
                Waits::File(size)
            }
        };
        self.source = Source::Waits(waits);
        Ok(())
    }

    fn answered(&mut self, yes: bool) -> Result<Option<Moved>, Broken> {
        let Source::Waits(waits) = self.source else {
            return match &mut self.file {
                // A full disk is told while the content still comes.
                Some(file) if !yes => {
                    file.failure = Some("the other side could not write it");
                    file.answered = true;
                    Ok(None)
                }
                _ if !yes => Ok(None),
                _ => Err(Broken::Early),
            };
        };
        self.source = Source::Line;
        match waits {
            Waits::Beginning | Waits::Times => {}
            Waits::Folder => {
                if !yes {
                    self.folders.pop();
                }
            }
            Waits::FolderEnd => {
                self.folders.pop();
            }
            Waits::File(size) if yes => {
                if let Some(file) = &mut self.file {
                    file.content.at(0);
                }
                self.source = match size {
                    0 => Source::Status,
                    size => Source::Content(size),
                };
            }
            Waits::File(_) => {
                let file = self.file.take();
                let detail = "the other side did not take it".to_owned();
                return Ok(file.map(|file| self.moved(file, FileResult::Failed, detail)));
            }
            Waits::Stored => {
                if let Some(mut file) = self.file.take() {
                    if !yes {
                        file.failure
                            .get_or_insert("the other side could not write it");
                    }
                    return Ok(Some(self.over(file)));
                }
            }
        }
        Ok(None)
    }

    /// The content and the source's own status are through.
    fn content_ends(&mut self) -> Option<Moved> {
        match self.file.take_if(|file| file.answered) {
            Some(file) => {
                self.source = Source::Line;
                Some(self.over(file))
            }
            None => {
                self.source = Source::Waits(Waits::Stored);
                None
            }
        }
    }

    fn over(&self, file: File) -> Moved {
        match file.failure {
            Some(why) => self.moved(file, FileResult::Failed, why.to_owned()),
            None => {
                let hint = file.hint.clone();
                self.moved(file, FileResult::Complete, hint)
            }
        }
    }

    fn moved(&self, file: File, result: FileResult, detail: String) -> Moved {
        Moved {
            op: match self.command.side {
                Side::Sink => FileOp::Write,
                Side::Source => FileOp::Read,
            },
            path: file.path,
            to: None,
            bytes: file.content.bytes(),
            sha256: file.content.sha256(),
            result,
            detail,
        }
    }

    /// Where on the target a file of this name is, as far as the two sides say, and what
    /// they leave open.
    fn place(&self, name: &[u8]) -> (FilePath, String) {
        let mut inside = self.folders.join(&b'/');
        match self.command.side {
            Side::Sink => {
                let given = self.command.paths[0].bytes();
                if self.command.into_folder {
                    if !inside.is_empty() {
                        inside.push(b'/');
                    }
                    inside.extend_from_slice(name);
                    return (FilePath::join(&given, &inside), String::new());
                }
                // Whether the path is a folder already, only the target knows.
                match self.folders.split_first() {
                    None => {
                        let hint = format!("or {} in it", FilePath::from_bytes(name));
                        (FilePath::from_bytes(&given), hint)
                    }
                    Some((first, deeper)) => {
                        let mut inside = deeper.join(&b'/');
                        if !inside.is_empty() {
                            inside.push(b'/');
                        }
                        inside.extend_from_slice(name);
                        let hint = format!("or below {} in it", FilePath::from_bytes(first));
                        (FilePath::join(&given, &inside), hint)
                    }
                }
            }
            Side::Source => {
                let top = self.folders.first().map_or(name, Vec::as_slice);
                let asked = self.asked_for(top);
                if !self.folders.is_empty() {
                    inside.push(b'/');
                    inside.extend_from_slice(name);
                }
                let below = if inside.is_empty() { name } else { &inside };
                match asked {
                    Some(folder) => (FilePath::join(&folder, below), String::new()),
                    None => {
                        let paths = self.command.paths.iter();
                        let paths: Vec<_> = paths
                            .map(|path| FilePath::from_bytes(&path.bytes()).to_string())
                            .collect();
                        let hint = format!("asked for as {}", paths.join(" "));
                        (FilePath::from_bytes(below), hint)
                    }
                }
            }
        }
    }

    /// The folder of the path that was asked for under this name.
    fn asked_for(&self, top: &[u8]) -> Option<Vec<u8>> {
        let paths = &self.command.paths;
        paths.iter().find_map(|word| {
            let path = word.bytes();
            let trimmed = path.strip_suffix(b"/").unwrap_or(&path);
            let (folder, last) = match trimmed.iter().rposition(|byte| *byte == b'/') {
                Some(slash) => trimmed.split_at(slash + 1),
                None => (&b""[..], trimmed),
            };
            let folder_is_plain =
                !word.is_pattern() || !folder.iter().any(|byte| b"*?[".contains(byte));
            let last_fits = last == top || (paths.len() == 1 && word.is_pattern());
            (folder_is_plain && last_fits).then(|| folder.to_vec())
        })
    }
}
