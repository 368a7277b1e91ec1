//! The witness: the newest checkpoint, kept in a file outside the database.
//!
//! Answers whether the database is still the one that was signed, or an older copy that was
//! put back. Never forgets: what contradicts the witness does not replace it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::export::CheckpointLine;
use crate::{
    model::audit::Checkpoint,
    store::{Store, StoreError, audit as rows},
};

#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("witness of the audit log cannot be used")]
    File(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the audit log is not the one that was signed at record {0}: its tail was cut or an older copy of the database was put back; see `doorward audit verify`"
    )]
    Contradicted(i64),
}

/// Replaces the witness at `path` by a younger checkpoint, if the log in `store` still holds
/// what the old one signed. Otherwise the old one stays, as the proof that it does not.
pub async fn renew_witness(
    store: &Store,
    path: &Path,
    checkpoint: &Checkpoint,
) -> Result<(), WitnessError> {
    if let Some(old) = read_witness(path)?
        && !is_held(store, &old).await?
    {
        return Err(WitnessError::Contradicted(old.seq));
    }
    keep_witness(path, checkpoint)?;
    Ok(())
}

/// Whether the log in `store` has the record that `witness` signed.
pub async fn is_held(store: &Store, witness: &Checkpoint) -> Result<bool, StoreError> {
    let found = rows::records_after(store, witness.seq - 1, 1).await?;
    let record = found.first().map(|lying| &lying.record);
    Ok(record.is_some_and(|record| record.seq == witness.seq && record.hash == witness.hash))
}

/// Keeps `checkpoint` in the file at `path`, whole or not at all; never over a younger one. It
/// belongs where whoever can write the database cannot: beside the key, or better on another
/// machine. `renew_witness` looks first whether it may.
pub fn keep_witness(path: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    if let Some(old) = read_witness(path)?
        && old.seq > checkpoint.seq
    {
        let why = format!("the log ended at record {} before", old.seq);
        return Err(io::Error::other(why));
    }
    let line = CheckpointLine::from(checkpoint.clone());
    let text = serde_json::to_string(&line).expect("a line has text keys");
    let new = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // The rename itself is in the folder.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The checkpoint in the file at `path`; none if there is no file yet.
pub fn read_witness(path: &Path) -> io::Result<Option<Checkpoint>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let line: CheckpointLine = serde_json::from_str(&text)?;
    let checkpoint = line.try_into();
    checkpoint.map(Some).map_err(io::Error::other)
}
