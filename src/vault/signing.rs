//! The gateway's own signature, for the checkpoints of the audit chain.
//!
//! Ed25519; the private key is a file beside the vault's. It never leaves this file.

use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::keyfile::{self, KeyFileError};

pub struct SigningKey(Ed25519KeyPair);

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("the signing key's file failed")]
    KeyFile(#[from] KeyFileError),
    #[error("{0} is not an Ed25519 key in PKCS#8 form")]
    NotAKey(String),
}

impl SigningKey {
    /// Reads the key, or makes it at the first start.
    pub fn load_or_create(path: &Path) -> Result<Self, SigningKeyError> {
        let contents = keyfile::load_or_create(path, || {
            let pair = Ed25519KeyPair::generate().expect("the machine gives randomness");
            let document = pair.to_pkcs8().expect("a fresh key can be written");
            Zeroizing::new(document.as_ref().to_vec())
        })?;
        Ed25519KeyPair::from_pkcs8(&contents)
            .map(Self)
            .map_err(|_| SigningKeyError::NotAKey(path.display().to_string()))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }

    pub fn key_pair(&self) -> &Ed25519KeyPair {
        &self.0
    }

    pub fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

/// Whether `signature` is that of `message` by the owner of `public_key`.
pub fn is_signed_by(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(message, signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_kept_and_its_signature_holds_for_its_message_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let signature = SigningKey::load_or_create(&path)
            .unwrap()
            .sign(b"checkpoint 7");
        let again = SigningKey::load_or_create(&path).unwrap();
        assert!(is_signed_by(
            again.public_key(),
            b"checkpoint 7",
            &signature
        ));
        assert!(!is_signed_by(
            again.public_key(),
            b"checkpoint 8",
            &signature
        ));
        let other = SigningKey::load_or_create(&folder.path().join("other.key")).unwrap();
        assert!(!is_signed_by(
            other.public_key(),
            b"checkpoint 7",
            &signature
        ));
        assert!(!is_signed_by(b"short", b"checkpoint 7", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        keyfile::replace(&path, b"not a key").unwrap();
        assert!(matches!(
            SigningKey::load_or_create(&path),
            Err(SigningKeyError::NotAKey(_))
        ));
    }
}
