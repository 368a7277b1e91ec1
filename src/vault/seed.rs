//! The seeds of authenticator apps: one a user, wrapped by a vault key and bound to that user.
//!
//! Makes, opens and rewraps them. Keeps none; whoever holds `Seeds` can open them and no
//! account's secret.

use zeroize::Zeroizing;

use super::{Vault, VaultError, WrappedKey, entropy, envelope};
use crate::model::ids::UserId;

/// What RFC 4226 recommends for HMAC-SHA-1.
const LENGTH: usize = 20;

/// What an app and the gateway share. Wiped when dropped; it cannot be copied or shown by
/// accident.
pub struct Seed(Zeroizing<[u8; 32]>);

/// The part of the vault that knows seeds and nothing else.
#[derive(Clone)]
pub struct Seeds(Vault);

impl Seed {
    pub fn expose<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.0[..LENGTH])
    }
}

impl Vault {
    pub fn seeds(&self) -> Seeds {
        Seeds(self.clone())
    }
}

impl Seeds {
    /// A new seed for a user, under the newest vault key.
    pub fn make(&self, user: &UserId) -> Result<(Seed, WrappedKey), VaultError> {
        // As for secrets: what is wrapped by a key on its way out would be lost with it.
        self.0.reload()?;
        let seed = Seed(Zeroizing::new(entropy()));
        let wrapped = self.0.with_keyring(|keyring| {
            let kek = keyring.newest();
            Ok(WrappedKey {
                bytes: envelope::wrap(kek, &place(user), &seed.0),
                kek_id: kek.id.clone(),
            })
        })?;
        Ok((seed, wrapped))
    }

    pub fn open(&self, user: &UserId, wrapped: &WrappedKey) -> Result<Seed, VaultError> {
        let seed = self.0.with_key(&wrapped.kek_id, |_, kek| {
            envelope::unwrap(kek, &place(user), &wrapped.bytes)
        })?;
        Ok(Seed(seed))
    }

    /// The same seed under the newest vault key.
    pub fn rewrap(&self, user: &UserId, wrapped: &WrappedKey) -> Result<WrappedKey, VaultError> {
        self.0.with_key(&wrapped.kek_id, |keyring, kek| {
            let seed = envelope::unwrap(kek, &place(user), &wrapped.bytes)?;
            let newest = keyring.newest();
            Ok(WrappedKey {
                bytes: envelope::wrap(newest, &place(user), &seed),
                kek_id: newest.id.clone(),
            })
        })
    }
}

fn place(user: &UserId) -> [&str; 2] {
    ["doorward authenticator app", user.as_str()]
}
