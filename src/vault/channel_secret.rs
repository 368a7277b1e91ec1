//! What channels sign, sign in or are reached with: sealed as every secret, bound to its channel.
//!
//! Whoever holds a `ChannelSecrets` can tell people of things, and open no account's secret.

use zeroize::Zeroizing;

use super::{
    LONGEST, SealedSecret, Vault, VaultError,
    envelope::{self, Place},
};
use crate::model::ids::ChannelId;

/// The half of the vault that knows the secrets of channels and nothing else.
#[derive(Clone)]
pub struct ChannelSecrets(Vault);

impl ChannelSecrets {
    pub(super) fn of(vault: &Vault) -> Self {
        Self(vault.clone())
    }

    pub fn seal(&self, channel: &ChannelId, plaintext: &[u8]) -> Result<SealedSecret, VaultError> {
        if !(1..=LONGEST).contains(&plaintext.len()) {
            return Err(VaultError::Length);
        }
        // As for accounts: what is sealed by a key on its way out would be lost with it.
        self.0.reload()?;
        let place = Place::Channel(channel);
        self.0
            .with_keyring(|keyring| Ok(envelope::seal(keyring.newest(), &place, plaintext)))
    }

    /// Wiped when dropped.
    pub fn open(
        &self,
        channel: &ChannelId,
        sealed: &SealedSecret,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let place = Place::Channel(channel);
        self.0.with_key(&sealed.kek_id, |_, kek| {
            envelope::unseal(kek, &place, sealed)
        })
    }

    /// The same secret under the newest vault key.
    pub fn rewrap(
        &self,
        channel: &ChannelId,
        sealed: &SealedSecret,
    ) -> Result<SealedSecret, VaultError> {
        let place = Place::Channel(channel);
        self.0.with_key(&sealed.kek_id, |keyring, kek| {
            envelope::rewrap(kek, keyring.newest(), &place, sealed)
        })
    }
}
