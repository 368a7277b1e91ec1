//! The gateway's own SSH host keys: read, or made at the first start.
//!
//! It never replaces a key that is there: people have it in their `known_hosts`.

use std::path::{Path, PathBuf};

use russh::keys::{
    PrivateKey, decode_secret_key,
    ssh_key::{
        LineEnding,
        private::{Ed25519Keypair, KeypairData},
    },
};
use zeroize::Zeroizing;

use crate::vault::keyfile::{self, Contents, KeyFileError};

/// The one that is made when it is missing.
const MADE: &str = "ssh_host_ed25519_key";

/// OpenSSH's names. The other two are for operators whose clients know nothing newer.
const NAMES: [&str; 3] = [MADE, "ssh_host_ecdsa_key", "ssh_host_rsa_key"];

#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("a host key's file failed")]
    File(#[from] KeyFileError),
    #[error("{path} holds no private key in OpenSSH's form without a passphrase")]
    NotAKey {
        path: PathBuf,
        source: russh::keys::Error,
    },
}

/// The host keys in `folder`, in OpenSSH's form; an Ed25519 key is made if it is missing.
pub fn load_or_create(folder: &Path) -> Result<Vec<PrivateKey>, HostKeyError> {
    load_or_make(&folder.join(MADE), "doorward")?;
    NAMES
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.exists())
        .map(|path| read(&path, &keyfile::load(&path)?))
        .collect()
}

/// The Ed25519 key in this file, made if it is missing.
pub fn load_or_make(path: &Path, comment: &str) -> Result<PrivateKey, HostKeyError> {
    let contents = keyfile::load_or_create(path, || make(comment))?;
    read(path, &contents)
}

fn read(path: &Path, contents: &[u8]) -> Result<PrivateKey, HostKeyError> {
    let text = String::from_utf8_lossy(contents);
    decode_secret_key(&text, None).map_err(|source| HostKeyError::NotAKey {
        path: path.to_owned(),
        source,
    })
}

fn make(comment: &str) -> Contents {
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice())
        .expect("a machine without randomness runs no gateway");
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    let pem = PrivateKey::new(pair, comment).and_then(|key| key.to_openssh(LineEnding::LF));
    let pem = pem.expect("an Ed25519 key has OpenSSH's form");
    Zeroizing::new(pem.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

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
        keyfile::replace(&path, b"not a key").unwrap();
        let error = load_or_create(folder.path()).unwrap_err();
        assert!(matches!(error, HostKeyError::NotAKey { .. }), "{error:?}");
        assert_eq!(fs::read_to_string(path).unwrap(), "not a key");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        load_or_create(folder.path()).unwrap();
        let (made, other) = (folder.path().join(MADE), folder.path().join(NAMES[2]));
        fs::copy(&made, &other).unwrap();
        for path in [&made, &other] {
            for mode in [0o640, 0o604] {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
                let error = load_or_create(folder.path()).unwrap_err();
                assert!(
                    matches!(error, HostKeyError::File(KeyFileError::Exposed { .. })),
                    "{error:?}"
                );
            }
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
            load_or_create(folder.path()).unwrap();
        }
    }
}
