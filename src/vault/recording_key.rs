//! The keys of recordings: one each, wrapped by a vault key and bound to its recording.
//!
//! Makes, opens and rewraps them. Keeps none and reads no recording; whoever holds a
//! `RecordingKeys` can open recordings and no account's secret.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{Vault, VaultError, WrappedKey};
use crate::model::ids::RecordingId;

/// What opens one recording. Wiped when dropped; it cannot be copied or shown.
pub struct RecordingKey(Zeroizing<[u8; 32]>);

/// The half of the vault that knows recordings' keys and nothing else.
#[derive(Clone)]
pub struct RecordingKeys(Vault);

impl RecordingKeys {
    pub(super) fn of(vault: &Vault) -> Self {
        Self(vault.clone())
    }

    /// A new key for one recording, under the newest vault key.
    pub fn make(&self, recording: &RecordingId) -> Result<(RecordingKey, WrappedKey), VaultError> {
        let (key, wrapped) = self.0.make_key(&place(recording))?;
        Ok((RecordingKey(key), wrapped))
    }

    pub fn open(
        &self,
        recording: &RecordingId,
        wrapped: &WrappedKey,
    ) -> Result<RecordingKey, VaultError> {
        self.0
            .open_key(&place(recording), wrapped)
            .map(RecordingKey)
    }

    /// The same key under the newest vault key.
    pub fn rewrap(
        &self,
        recording: &RecordingId,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, VaultError> {
        self.0.rewrap_key(&place(recording), wrapped)
    }
}

impl RecordingKey {
    pub const TAG: usize = 16;

    /// Seals in place from `from` on and appends the tag.
    ///
    /// INVARIANT: a number is used once in the life of a key, so its nonce is.
    pub fn seal(&self, number: u64, aad: &[u8], bytes: &mut Vec<u8>, from: usize) {
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(nonce(number), Aad::from(aad), &mut bytes[from..])
            .expect("a frame is far below the cipher's limit");
        bytes.extend_from_slice(tag.as_ref());
    }

    /// Opens in place; none if a bit of it, its number or its surroundings was changed.
    pub fn open<'a>(&self, number: u64, aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a [u8]> {
        let opened = self
            .cipher()
            .open_in_place(nonce(number), Aad::from(aad), sealed);
        opened.ok().map(|bytes| &*bytes)
    }

    /// Made anew each time: it is three times as large as the key, and a recording that is
    /// silent should cost nothing.
    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, self.0.as_slice());
        LessSafeKey::new(key.expect("the cipher takes every key of its length"))
    }
}

impl From<[u8; 32]> for RecordingKey {
    fn from(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn place(recording: &RecordingId) -> [&str; 2] {
    ["doorward recording key", recording.as_str()]
}
