//! Seals secrets, unseals them for a permit, and changes the keys without downtime.
//!
//! Answers where keys come from. It stores no secret, decides about no access, and never
//! hands a secret out in a form that could be printed, copied or written.

mod authority;
mod channel_secret;
mod envelope;
mod identity_key;
pub mod keyfile;
mod keyring;
mod one_time;
mod recording_key;
mod secret;
mod seed;
mod signing;
#[cfg(test)]
mod tests;
mod wrapped;

use std::{
    collections::BTreeSet,
    env,
    sync::{Arc, PoisonError, RwLock},
};

use tracing::info;
use zeroize::Zeroizing;

pub use self::{
    authority::Claims,
    channel_secret::ChannelSecrets,
    envelope::SealedSecret,
    identity_key::IdentityKey,
    keyfile::KeyFileError,
    keyring::KeyringError,
    one_time::OneTime,
    recording_key::{RecordingKey, RecordingKeys},
    secret::{NotASecretField, Secret, SecretField},
    seed::{Seed, Seeds},
    signing::{SigningKey, SigningKeyError, is_signed_by},
    wrapped::WrappedKey,
};
use self::{
    envelope::Place,
    keyfile::Contents,
    keyring::{Kek, Keyring},
};
use crate::{
    config::{SecretSource, VaultConfig},
    model::ids::{AccountId, ChannelId},
};

/// The longest secret; a private key of 16,384 bits is a fifth of it.
const LONGEST: usize = 64 * 1024;

/// Seals and unseals. Clones share the keys.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    source: SecretSource,
    keyring: RwLock<Keyring>,
}

/// The half of the vault that only seals.
#[derive(Clone)]
pub struct Sealer(Vault);

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("the vault's key file failed")]
    KeyFile(#[from] KeyFileError),
    #[error("the vault's keys in {place} cannot be used")]
    Keyring {
        place: SecretSource,
        source: KeyringError,
    },
    #[error("the environment variable {variable} is not set")]
    NoVariable { variable: String },
    #[error("the secret in {0} is not text")]
    NotText(SecretSource),
    #[error(
        "the vault has no key {kek_id}: this database was sealed with another key file; \
         restore that one or add its key"
    )]
    UnknownKey { kek_id: String },
    #[error("something sealed was changed, or belongs to another place than where it was found")]
    NotAuthentic,
    #[error("a certificate cannot be made")]
    Certificate(#[source] russh::keys::ssh_key::Error),
    #[error("a signature cannot be made")]
    Signature,
    #[error("this permit is for another account than the secret")]
    OtherAccount,
    #[error("a secret has {LONGEST} bytes at most and is not empty")]
    Length,
    #[error(
        "the vault's keys come from the environment variable {variable}, which only you can \
         change: put a new key before the old one in it, separated by a comma, start the \
         gateway with it, and run this again"
    )]
    OnlyOneKey { variable: String },
}

impl Vault {
    /// Takes the keys from where the configuration says. A key file that is not there is
    /// made; whether the database then knows its keys is the caller's to ask (`has_key`).
    pub fn open(config: &VaultConfig) -> Result<Self, VaultError> {
        let source = config.key.clone();
        let contents = match &source {
            SecretSource::File(path) => {
                keyfile::load_or_create(path, || Keyring::generate().contents())?
            }
            SecretSource::Env(_) => read_source(&source)?,
        };
        let keyring = RwLock::new(parse(&source, &contents)?);
        Ok(Self(Arc::new(Inner { source, keyring })))
    }

    /// Seals a secret for one field of one account, with the newest key there is.
    pub fn seal(
        &self,
        account: &AccountId,
        field: SecretField,
        plaintext: &[u8],
    ) -> Result<SealedSecret, VaultError> {
        if !(1..=LONGEST).contains(&plaintext.len()) {
            return Err(VaultError::Length);
        }
        // Read again each time: another process may be changing the key right now, and what
        // is sealed under a key that is on its way out would be lost with it.
        self.reload()?;
        let place = Place::Account { account, field };
        self.with_keyring(|keyring| Ok(envelope::seal(keyring.newest(), &place, plaintext)))
    }

    pub fn unseal(
        &self,
        account: &AccountId,
        field: SecretField,
        sealed: &SealedSecret,
    ) -> Result<Secret, VaultError> {
        let place = Place::Account { account, field };
        let bytes = self.with_key(&sealed.kek_id, |_, kek| {
            envelope::unseal(kek, &place, sealed)
        })?;
        Ok(Secret::new(account.clone(), field, bytes))
    }

    /// The half that may be given to who must never read a secret.
    pub fn seal_only(&self) -> Sealer {
        Sealer(self.clone())
    }

    /// The half that knows the keys of recordings and no secret.
    pub fn recording_keys(&self) -> RecordingKeys {
        RecordingKeys::of(self)
    }

    /// The half that opens the secrets of channels and no other.
    pub fn channel_secrets(&self) -> ChannelSecrets {
        ChannelSecrets::of(self)
    }

    /// Whether secrets sealed under this key can be read.
    pub fn has_key(&self, kek_id: &str) -> bool {
        self.with_key(kek_id, |_, _| Ok(())).is_ok()
    }

    /// The key that seals now.
    pub fn newest_key(&self) -> Result<String, VaultError> {
        self.with_keyring(|keyring| Ok(keyring.newest().id.clone()))
    }

    /// First step of a rekey: from now on a new key seals; the old ones still unseal.
    ///
    /// With keys from the environment the new one must be there already.
    pub fn add_key(&self) -> Result<String, VaultError> {
        match &self.0.source {
            SecretSource::File(path) => keyfile::update(path, |contents| {
                let mut keyring = parse(&self.0.source, contents)?;
                keyring.add_newest(Kek::generate());
                Ok::<_, VaultError>(keyring.contents())
            })?,
            SecretSource::Env(variable) => {
                if self.with_keyring(|keyring| Ok(keyring.len()))? < 2 {
                    return Err(VaultError::OnlyOneKey {
                        variable: variable.clone(),
                    });
                }
            }
        }
        self.reload()?;
        let id = self.newest_key()?;
        info!(key = %id, "New vault key");
        Ok(id)
    }

    /// Second step, for each sealed secret: the same secret under the newest key. May be
    /// repeated; what is already under it comes back under it.
    pub fn rewrap(
        &self,
        account: &AccountId,
        field: SecretField,
        sealed: &SealedSecret,
    ) -> Result<SealedSecret, VaultError> {
        let place = Place::Account { account, field };
        self.with_key(&sealed.kek_id, |keyring, kek| {
            envelope::rewrap(kek, keyring.newest(), &place, sealed)
        })
    }

    /// Last step: forgets every key but the newest and those that `in_use` names, which are
    /// all under which a secret is stored. Says which were forgotten.
    ///
    /// A secret sealed just before `add_key` may be stored just after: ask the store for the
    /// keys in use once more, some seconds after the last rewrap, and pass that.
    pub fn retire_keys(&self, in_use: &BTreeSet<String>) -> Result<Vec<String>, VaultError> {
        let SecretSource::File(path) = &self.0.source else {
            // The operator takes them out of the variable.
            return Ok(Vec::new());
        };
        let mut retired = Vec::new();
        keyfile::update(path, |contents| {
            let mut keyring = parse(&self.0.source, contents)?;
            retired = keyring.retire(in_use);
            Ok::<_, VaultError>(keyring.contents())
        })?;
        self.reload()?;
        info!(keys = ?retired, "Retired vault keys");
        Ok(retired)
    }

    /// Takes up what another process did to the key file.
    fn reload(&self) -> Result<(), VaultError> {
        if let SecretSource::File(path) = &self.0.source {
            let keyring = parse(&self.0.source, &keyfile::load(path)?)?;
            *self
                .0
                .keyring
                .write()
                .unwrap_or_else(PoisonError::into_inner) = keyring;
        }
        Ok(())
    }

    /// Uses the key with this id, from the key file if it came there since the last look.
    fn with_key<T>(
        &self,
        kek_id: &str,
        used: impl FnOnce(&Keyring, &Kek) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        if self.with_keyring(|keyring| Ok(keyring.find(kek_id).is_none()))? {
            self.reload()?;
        }
        self.with_keyring(|keyring| {
            let unknown = || VaultError::UnknownKey {
                kek_id: kek_id.to_owned(),
            };
            used(keyring, keyring.find(kek_id).ok_or_else(unknown)?)
        })
    }

    fn with_keyring<T>(
        &self,
        used: impl FnOnce(&Keyring) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        used(
            &self
                .0
                .keyring
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Sealer {
    /// See `Vault::seal`.
    pub fn seal(
        &self,
        account: &AccountId,
        field: SecretField,
        plaintext: &[u8],
    ) -> Result<SealedSecret, VaultError> {
        self.0.seal(account, field, plaintext)
    }

    /// What a channel signs, signs in or is reached with.
    pub fn seal_channel(
        &self,
        channel: &ChannelId,
        plaintext: &[u8],
    ) -> Result<SealedSecret, VaultError> {
        self.0.channel_secrets().seal(channel, plaintext)
    }
}

/// Reads a secret that the configuration refers to; a line end at its end is not part of it.
pub fn read_source(source: &SecretSource) -> Result<Contents, VaultError> {
    let mut contents = match source {
        SecretSource::File(path) => keyfile::load(path)?,
        SecretSource::Env(variable) => match env::var(variable) {
            Ok(value) => Zeroizing::new(value.into_bytes()),
            Err(_) => {
                return Err(VaultError::NoVariable {
                    variable: variable.clone(),
                });
            }
        },
    };
    while matches!(contents.last(), Some(b'\n' | b'\r')) {
        contents.pop();
    }
    Ok(contents)
}

/// Unpredictable bytes.
pub fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("a machine without randomness runs no gateway");
    bytes
}

fn parse(source: &SecretSource, contents: &[u8]) -> Result<Keyring, VaultError> {
    let place = source.clone();
    Keyring::parse(contents).map_err(|source| VaultError::Keyring { place, source })
}
