//! Keys of the gateway's own making, each wrapped by a vault key and bound to the one place
//! where it belongs.
//!
//! Makes, opens and rewraps them for the files that know what a key is for. Keeps none.

use std::fmt;

use zeroize::Zeroizing;

use super::{Vault, VaultError, entropy, envelope};

/// A key as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    pub bytes: Vec<u8>,
    /// The vault key that wraps it.
    pub kek_id: String,
}

pub(super) type Key = Zeroizing<[u8; 32]>;

impl Vault {
    /// A new key for a place, under the newest vault key.
    pub(super) fn make_key(&self, place: &[&str]) -> Result<(Key, WrappedKey), VaultError> {
        let key = Zeroizing::new(entropy());
        let wrapped = self.wrap_key(place, &key)?;
        Ok((key, wrapped))
    }

    /// As `make_key`, for a key that was made elsewhere.
    pub(super) fn wrap_key(&self, place: &[&str], key: &Key) -> Result<WrappedKey, VaultError> {
        // As for secrets: what is wrapped by a key on its way out would be lost with it.
        self.reload()?;
        self.with_keyring(|keyring| {
            let kek = keyring.newest();
            Ok(WrappedKey {
                bytes: envelope::wrap(kek, place, key),
                kek_id: kek.id.clone(),
            })
        })
    }

    pub(super) fn open_key(&self, place: &[&str], wrapped: &WrappedKey) -> Result<Key, VaultError> {
        self.with_key(&wrapped.kek_id, |_, kek| {
            envelope::unwrap(kek, place, &wrapped.bytes)
        })
    }

    /// The same key under the newest vault key.
    pub(super) fn rewrap_key(
        &self,
        place: &[&str],
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, VaultError> {
        self.with_key(&wrapped.kek_id, |keyring, kek| {
            let key = envelope::unwrap(kek, place, &wrapped.bytes)?;
            let newest = keyring.newest();
            Ok(WrappedKey {
                bytes: envelope::wrap(newest, place, &key),
                kek_id: newest.id.clone(),
            })
        })
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrappedKey")
            .field("kek_id", &self.kek_id)
            .finish_non_exhaustive()
    }
}
