//! Recordings that are there: opened against their row, checked, removed.
//!
//! Answers whether a file is what was recorded, and gives its text. Never writes to one, and
//! never decides who may look. Reads files, so it is for threads that may block.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _, Seek as _, Take},
    path::{Component, Path},
    sync::Arc,
};

use super::{
    Recordings,
    place::Place,
    unsealing::{Ending, FrameError, Unsealing},
};
use crate::{
    model::recording::Recording,
    vault::{RecordingKey, RecordingKeys, VaultError, WrappedKey},
};

/// The recordings of this gateway, for reading. Clones share them.
#[derive(Clone)]
pub struct Archive {
    place: Arc<Place>,
    keys: RecordingKeys,
}

/// A recording that was found to be what was recorded; reads as asciicast text.
pub type Opened = Unsealing<BufReader<Take<File>>>;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the file of this recording is not there any more")]
    Gone,
    #[error("this recording was changed: {0}")]
    Changed(String),
    #[error("the key of this recording cannot be used")]
    Key(#[from] VaultError),
    #[error("this recording cannot be read")]
    Io(#[from] io::Error),
}

impl ArchiveError {
    /// Whether somebody did something to the recording, rather than the disk or the vault.
    pub fn is_tampering(&self) -> bool {
        matches!(self, Self::Gone | Self::Changed(_))
    }
}

impl From<FrameError> for ArchiveError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(error) => Self::Io(error),
            error => Self::Changed(error.to_string()),
        }
    }
}

impl Archive {
    pub fn new(recordings: &Recordings) -> Self {
        Self {
            place: Arc::clone(&recordings.place),
            keys: recordings.keys.clone(),
        }
    }

    /// How many bytes the volume has left, where it says, and how many are kept free.
    pub fn room(&self) -> (Option<u64>, u64) {
        self.place.room()
    }

    /// Opens a recording after it was found whole: the bytes that its end was written down
    /// with, or where it has no end yet, frames that are all in their place.
    pub fn open(&self, recording: &Recording, key: &WrappedKey) -> Result<Opened, ArchiveError> {
        let mut file = self.file(recording)?;
        match &recording.root {
            Some(root) => hold(&mut file, recording, root)?,
            None => {
                let mut frames = unsealing(&file, recording, self.keys.open(&recording.id, key)?)?;
                while frames.next_text()?.is_some() {}
            }
        }
        file.rewind()?;
        unsealing(&file, recording, self.keys.open(&recording.id, key)?)
    }

    /// Opens and reads all of a recording; how it ended.
    pub fn verify(&self, recording: &Recording, key: &WrappedKey) -> Result<Ending, ArchiveError> {
        let mut frames = self.open(recording, key)?;
        while frames.next_text()?.is_some() {}
        let ending = frames.ending().unwrap_or(Ending::Open);
        if recording.root.is_some() && recording.failure.is_none() && ending == Ending::Open {
            return Err(ArchiveError::Changed("its end is missing".to_owned()));
        }
        Ok(ending)
    }

    /// The size and the root of a file as it lies there, for one that was never finished.
    pub fn measure(&self, recording: &Recording) -> Result<(u64, String), ArchiveError> {
        let mut file = self.file(recording)?;
        let mut root = blake3::Hasher::new();
        let bytes = io::copy(&mut file, &mut root)?;
        Ok((bytes, root.finalize().to_hex().to_string()))
    }

    /// Removes a file; one that is not there is no fault.
    pub fn remove(&self, recording: &Recording) -> io::Result<()> {
        let Some(path) = inside(&recording.file) else {
            return Ok(());
        };
        match fs::remove_file(self.place.path(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn file(&self, recording: &Recording) -> Result<File, ArchiveError> {
        let path = inside(&recording.file)
            .ok_or_else(|| ArchiveError::Changed("its file is not in its folder".to_owned()))?;
        match File::open(self.place.path(path)) {
            Ok(file) => Ok(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ArchiveError::Gone),
            Err(error) => Err(error.into()),
        }
    }
}

fn unsealing(
    file: &File,
    recording: &Recording,
    key: RecordingKey,
) -> Result<Opened, ArchiveError> {
    // Behind what was recorded by one that failed a torn frame may lie.
    let length = recording
        .root
        .as_ref()
        .map_or(u64::MAX, |_| recording.bytes);
    let reader = BufReader::with_capacity(64 * 1024, file.try_clone()?.take(length));
    Ok(Unsealing::new(reader, recording.id.clone(), key)?)
}

/// Whether a file is as long as it was, and hashes to what it did.
fn hold(file: &mut File, recording: &Recording, root: &str) -> Result<(), ArchiveError> {
    let changed = |what: &str| Err(ArchiveError::Changed(what.to_owned()));
    let length = file.metadata()?.len();
    if length < recording.bytes {
        return changed("its end is missing");
    }
    if length > recording.bytes && recording.failure.is_none() {
        return changed("something was added to it");
    }
    let mut found = blake3::Hasher::new();
    io::copy(&mut file.take(recording.bytes), &mut found)?;
    if found.finalize().to_hex().as_str() != root {
        return changed("its bytes are not those that were recorded");
    }
    Ok(())
}

/// A path below the folder, and nothing that leads out of it.
fn inside(file: &str) -> Option<&Path> {
    let path = Path::new(file);
    let mut parts = path.components();
    let named = !file.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)));
    named.then_some(path)
}
