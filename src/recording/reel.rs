//! The file of a recording while it is written: text becomes frames, frames are appended.
//!
//! Keeps the root, the hash of all that is written. Never writes behind a frame that is torn.

use std::{
    fs::File,
    io::{self, Write as _},
};

use super::{
    RecordingError,
    frame::{Press, Sealing},
    place::doing,
};
use crate::{model::ids::RecordingId, vault::RecordingKey};

pub struct Reel {
    file: File,
    sealing: Sealing,
    root: blake3::Hasher,
    bytes: u64,
    torn: bool,
}

impl Reel {
    /// Begins a file: its first line, and the header as its first frame.
    pub fn begin(
        file: File,
        id: RecordingId,
        key: RecordingKey,
        header: &[u8],
        press: &mut Press,
    ) -> Result<Self, RecordingError> {
        let mut reel = Self {
            file,
            sealing: Sealing::new(id, key),
            root: blake3::Hasher::new(),
            bytes: 0,
            torn: false,
        };
        let mut frames = reel.sealing.first_line();
        reel.sealing
            .text(header, press, &mut frames)
            .map_err(doing("compressing"))?;
        reel.write(&frames)?;
        Ok(reel)
    }

    /// On a file in which nothing stands yet.
    #[cfg(test)]
    pub fn on(file: File, id: RecordingId, key: RecordingKey) -> Self {
        Self {
            file,
            sealing: Sealing::new(id, key),
            root: blake3::Hasher::new(),
            bytes: 0,
            torn: false,
        }
    }

    pub fn append(&mut self, text: &[u8], press: &mut Press) -> Result<(), RecordingError> {
        let mut frames = Vec::new();
        self.sealing
            .text(text, press, &mut frames)
            .map_err(doing("compressing"))?;
        self.write(&frames)
    }

    /// Appends the last frame and has the disk confirm all of it.
    pub fn end(&mut self) -> Result<(), RecordingError> {
        let mut frame = Vec::new();
        self.sealing.end(&mut frame);
        self.write(&frame)?;
        confirmed(self.file.sync_all()).map_err(doing("syncing the file"))
    }

    pub fn sync(&self) -> Result<(), RecordingError> {
        confirmed(self.file.sync_data()).map_err(doing("syncing the file"))
    }

    /// How many bytes are the recording, and their BLAKE3, hexadecimal.
    pub fn written(&self) -> (u64, String) {
        (self.bytes, self.root.finalize().to_hex().to_string())
    }

    fn write(&mut self, frames: &[u8]) -> Result<(), RecordingError> {
        if self.torn {
            return Err(RecordingError::Closed);
        }
        if let Err(error) = self.file.write_all(frames) {
            // Part of a frame may be there: whatever came behind it could not be read.
            self.torn = true;
            return Err(doing("writing the file")(error));
        }
        self.root.update(frames);
        self.bytes += frames.len() as u64;
        Ok(())
    }
}

/// A pipe or device has no disk that could confirm anything.
fn confirmed(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}
