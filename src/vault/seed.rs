//! The seeds of authenticator apps: one a user, wrapped by a vault key and bound to that user.
//!
//! Makes, opens and rewraps them. Keeps none; whoever holds `Seeds` can open them and no
//! account's secret.

use zeroize::Zeroizing;

use super::{Vault, VaultError, WrappedKey};
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
        let (seed, wrapped) = self.0.make_key(&place(user))?;
        Ok((Seed(seed), wrapped))
    }

    pub fn open(&self, user: &UserId, wrapped: &WrappedKey) -> Result<Seed, VaultError> {
        self.0.open_key(&place(user), wrapped).map(Seed)
    }

    /// The same seed under the newest vault key.
    pub fn rewrap(&self, user: &UserId, wrapped: &WrappedKey) -> Result<WrappedKey, VaultError> {
        self.0.rewrap_key(&place(user), wrapped)
    }
}

fn place(user: &UserId) -> [&str; 2] {
    ["doorward authenticator app", user.as_str()]
}
