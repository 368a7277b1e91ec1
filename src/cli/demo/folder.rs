//! A folder of the demo's own, for its owner alone, gone when it is dropped.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use crate::{cli::screen::warn, vault::entropy};

pub struct Folder(PathBuf);

impl Folder {
    pub fn make() -> io::Result<Self> {
        let name = data_encoding::HEXLOWER.encode(&entropy::<4>());
        let path = std::env::temp_dir().join(format!("doorward-demo-{name}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A new file that only its owner reads.
    pub fn file(&self, name: &str) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.at(name))
    }

    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        self.file(name)?.write_all(text.as_bytes())?;
        Ok(self.at(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            warn(&format!(
                "doorward: {} could not be removed: {error}",
                self.0.display()
            ));
        }
    }
}
