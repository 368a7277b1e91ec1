//! Where recordings are kept, and how much room there is.
//!
//! Makes the folders and files, readable by the gateway's user alone, and counts free space.
//! Never opens a file of anybody else and never deletes one.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::sys::statvfs::statvfs;
use tracing::error;

use super::{RecordingError, writers::Writers};
use crate::{
    clock::Clock,
    config::RecordingConfig,
    model::{ids::RecordingId, time::Timestamp},
    vault::RecordingKeys,
};

/// The recordings of this gateway: one folder and a few threads that write to it.
/// Clones share both; the threads end after the last clone and the last track.
#[derive(Clone)]
pub struct Recordings {
    pub(super) place: Arc<Place>,
    pub(super) writers: Arc<Writers>,
    pub(super) clock: Clock,
    pub(super) keys: RecordingKeys,
}

impl Recordings {
    /// Takes the configured folder in use. If it is not usable the gateway still starts, so that admins get
    /// in; attaching fails then, and `check` says why.
    pub fn open(config: &RecordingConfig, keys: RecordingKeys, clock: Clock) -> Self {
        let folder = &config.dir;
        let place = Arc::new(Place {
            folder: folder.clone(),
            reserve: AtomicU64::new(u64::from(config.reserve_mb) * MIB),
        });
        if let Err(error) = place.make(folder).and_then(|()| place.check()) {
            error!(
                folder = %folder.display(),
                error = &error as &dyn std::error::Error,
                "Recordings cannot be kept, sessions that must be recorded are refused"
            );
        }
        Self {
            writers: Writers::start(Arc::clone(&place)),
            place,
            clock,
            keys,
        }
    }

    /// Whether a new session could be recorded, as far as can be said without trying.
    pub fn check(&self) -> Result<(), RecordingError> {
        self.place.check()
    }

    /// Changes how much is kept free, for this and all clones.
    pub fn reserve(&self, mb: u32) {
        let bytes = u64::from(mb) * MIB;
        self.place.reserve.store(bytes, Ordering::Relaxed);
    }

    /// How much room the volume has, in bytes; none where it does not say.
    pub fn free(&self) -> Option<u64> {
        self.place.free().ok()
    }

    /// Waits until every track is written and closed.
    pub async fn drained(&self) {
        self.writers.drained().await;
    }
}

pub(super) struct Place {
    folder: PathBuf,
    /// In bytes.
    reserve: AtomicU64,
}

const MIB: u64 = 1024 * 1024;

impl Place {
    pub fn check(&self) -> Result<(), RecordingError> {
        self.at_least(self.reserve.load(Ordering::Relaxed))
    }

    /// Whether recordings that run may go on.
    pub fn check_running(&self) -> Result<(), RecordingError> {
        self.at_least(self.reserve.load(Ordering::Relaxed) / 2)
    }

    pub fn room(&self) -> (Option<u64>, u64) {
        (self.free().ok(), self.reserve.load(Ordering::Relaxed))
    }

    fn free(&self) -> Result<u64, RecordingError> {
        let volume = statvfs(&self.folder)
            .map_err(|errno| doing("asking for free space")(io::Error::from(errno)))?;
        // As a user without privileges may fill it: what is kept for root is not ours.
        Ok(volume
            .blocks_available()
            .saturating_mul(volume.fragment_size()))
    }

    fn at_least(&self, needed: u64) -> Result<(), RecordingError> {
        let free = self.free()?;
        if free < needed {
            return Err(RecordingError::Full {
                free_mb: free / MIB,
                reserve_mb: needed / MIB,
            });
        }
        Ok(())
    }

    /// The file of a recording, by the name its row has.
    pub fn path(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.join(file)
    }

    /// Makes the file of a recording and says its name below the folder: `2030/01/31/ID.cast`.
    pub fn create(
        &self,
        id: &RecordingId,
        at: Timestamp,
    ) -> Result<(String, File), RecordingError> {
        let day = at.utc().unwrap_or_default().format("%Y/%m/%d");
        let name = format!("{day}/{id}.cast");
        let path = self.folder.join(&name);
        self.make(path.parent().expect("it stands in the folder of a day"))?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(doing("making the file"))?;
        Ok((name, file))
    }

    /// Takes back a file that nothing was recorded to.
    pub fn discard(&self, name: &str) {
        if let Err(error) = std::fs::remove_file(self.folder.join(name)) {
            error!(file = name, %error, "Empty recording could not be removed");
        }
    }

    fn make(&self, folder: &Path) -> Result<(), RecordingError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(doing("making the folder"))
    }
}

pub(super) fn doing(doing: &'static str) -> impl Fn(io::Error) -> RecordingError {
    move |source| RecordingError::Io { doing, source }
}
