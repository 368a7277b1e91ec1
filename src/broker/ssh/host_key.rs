//! The gateway's own SSH host keys: read, or made at the first start.
//!
//! It never replaces a key that is there: people have it in their `known_hosts`.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use russh::keys::{
    PrivateKey, load_secret_key,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
    },
};
use zeroize::Zeroizing;

/// The one that is made when it is missing.
const MADE: &str = "ssh_host_ed25519_key";

/// OpenSSH's names. The other two are for operators whose clients know nothing newer.
const NAMES: [&str; 3] = [MADE, "ssh_host_ecdsa_key", "ssh_host_rsa_key"];

#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("the host key {path} cannot be read")]
    Read {
        path: PathBuf,
        source: russh::keys::Error,
    },
    #[error("the host key {path} cannot be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("a host key cannot be made")]
    Make(#[source] russh::keys::ssh_key::Error),
    #[error("the system has no entropy for a host key")]
    Entropy,
}

/// The host keys in `folder`, in OpenSSH's form; an Ed25519 key is made if it is missing.
pub fn load_or_create(folder: &Path) -> Result<Vec<PrivateKey>, HostKeyError> {
    load_or_make(&folder.join(MADE), "doorward")?;
    NAMES
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.exists())
        .map(|path| load(&path))
        .collect()
}

/// The Ed25519 key in this file, made if it is missing.
pub fn load_or_make(path: &Path, comment: &str) -> Result<PrivateKey, HostKeyError> {
    if !path.exists() {
        write(path, &make(comment)?)?;
    }
    load(path)
}

fn load(path: &Path) -> Result<PrivateKey, HostKeyError> {
    load_secret_key(path, None).map_err(|source| HostKeyError::Read {
        path: path.to_owned(),
        source,
    })
}

fn make(comment: &str) -> Result<PrivateKey, HostKeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| HostKeyError::Entropy)?;
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    PrivateKey::new(pair, comment).map_err(HostKeyError::Make)
}

/// Readable by its owner alone from its first byte on, and whole or not there.
fn write(path: &Path, key: &PrivateKey) -> Result<(), HostKeyError> {
    let pem = key.to_openssh(LineEnding::LF).map_err(HostKeyError::Make)?;
    let failed = |source| HostKeyError::Write {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed)?;
    file.write_all(pem.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_of_the_first_start_is_kept_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("ssh");
        let first = load_or_create(&folder).unwrap();
        let second = load_or_create(&folder).unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].public_key(), second[0].public_key());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join(MADE)), 0o600);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MADE);
        fs::write(&path, "not a key").unwrap();
        assert!(load_or_create(folder.path()).is_err());
        assert_eq!(fs::read_to_string(path).unwrap(), "not a key");
    }
}
