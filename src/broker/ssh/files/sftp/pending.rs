//! What was asked and has no answer yet, by its number, in the order of asking.
//!
//! Pure and bounded. An answer of the gateway's own waits here until everything that was
//! asked before it is answered, as one server would have it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::{broken::Broken, request::Flags};
use crate::model::file::{FilePath, Moved};

/// Most clients have 64 requests on their way, paramiko as many as a file has pieces: what
/// is more than this waits until answers have come.
const MOST: usize = 4_096;

/// The paths in them, in bytes.
const MOST_PATHS: usize = 1024 * 1024;

/// Which of the open files; a handle may be given again, this is not.
pub type FileNumber = u64;

#[derive(Debug)]
pub enum Asked {
    /// Whatever is answered changes nothing here.
    Look,
    Open {
        path: FilePath,
        flags: Flags,
    },
    OpenDirectory(FilePath),
    Close(FileNumber),
    Read {
        file: FileNumber,
        offset: u64,
        length: u32,
    },
    Write {
        file: FileNumber,
        length: u32,
    },
    /// Sets a file's length.
    Resize {
        file: FileNumber,
        size: u64,
    },
    Size(FileNumber),
    /// Its size, by a path and not by a handle.
    SizeOf(FilePath),
    Change(Box<Moved>),
}

impl Asked {
    fn weight(&self) -> usize {
        let path = match self {
            Self::Open { path, .. } | Self::OpenDirectory(path) | Self::SizeOf(path) => path,
            Self::Change(moved) => {
                let to = moved.to.as_ref().map_or(0, |to| to.as_str().len());
                return moved.path.as_str().len() + to;
            }
            _ => return 0,
        };
        path.as_str().len()
    }
}

#[derive(Default)]
pub struct Pending {
    numbers: HashMap<u32, u64>,
    asked: BTreeMap<u64, Asked>,
    ours: VecDeque<(u64, Bytes)>,
    next: u64,
    paths: usize,
}

impl Pending {
    /// Whether one more may be asked now.
    pub fn has_room(&self) -> bool {
        self.asked.len() + self.ours.len() < MOST && self.paths < MOST_PATHS
    }

    /// # Errors
    /// If `id` is in use: its answer could not be told from the other's.
    pub fn ask(&mut self, id: u32, asked: Asked) -> Result<(), Broken> {
        let number = self.count();
        if self.numbers.insert(id, number).is_some() {
            return Err(Broken::Malformed("a request with the number of another"));
        }
        self.paths += asked.weight();
        self.asked.insert(number, asked);
        Ok(())
    }

    /// Keeps an answer of ours until its turn.
    pub fn answer_ourselves(&mut self, answer: Bytes) {
        let number = self.count();
        self.ours.push_back((number, answer));
    }

    pub fn answered(&mut self, id: u32) -> Result<Asked, Broken> {
        let number = self.numbers.remove(&id).ok_or(Broken::Unasked)?;
        let asked = self
            .asked
            .remove(&number)
            .expect("each number stands for a request");
        self.paths -= asked.weight();
        Ok(asked)
    }

    /// The next answer of ours whose turn it is.
    pub fn our_turn(&mut self) -> Option<Bytes> {
        let (number, _) = self.ours.front()?;
        let earliest = self.asked.first_key_value().map(|(number, _)| *number);
        if earliest.is_some_and(|earliest| earliest < *number) {
            return None;
        }
        self.ours.pop_front().map(|(_, answer)| answer)
    }

    /// Those of our answers that are left, when nothing else will be answered any more.
    pub fn rest_of_ours(&mut self) -> Option<Bytes> {
        self.ours.pop_front().map(|(_, answer)| answer)
    }

    /// What was asked and will have no answer.
    pub fn unanswered(&mut self) -> impl Iterator<Item = Asked> + use<> {
        self.numbers.clear();
        std::mem::take(&mut self.asked).into_values()
    }

    fn count(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
