//! The envelope: each secret under a data key of its own, that key under a vault key.
//!
//! AES-256-GCM in both layers. Keeps nothing and reads no file.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::{VaultError, entropy, keyring::Kek, secret::SecretField};
use crate::model::ids::{AccountId, ChannelId};

/// A sealed secret, as the store keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The data key, under the vault key.
    pub wrapped_key: Vec<u8>,
    /// The secret, under the data key.
    pub ciphertext: Vec<u8>,
    /// The vault key that was used.
    pub kek_id: String,
}

/// Of the form of both layers: version, nonce, ciphertext and tag.
const VERSION: u8 = 1;

/// Secrets are filled up to whole blocks, so that the database does not tell their length.
const BLOCK: usize = 64;
const END: u8 = 0x80;

/// What a sealed secret belongs to. It opens for nothing else, so rows cannot be swapped.
pub(super) enum Place<'a> {
    Account {
        account: &'a AccountId,
        field: SecretField,
    },
    Channel(&'a ChannelId),
}

pub(super) fn seal(kek: &Kek, place: &Place<'_>, plaintext: &[u8]) -> SealedSecret {
    let data_key = Zeroizing::new(entropy());
    let ciphertext = encrypt(&data_key, &place.of_secret(), &padded(plaintext));
    let wrapped_key = encrypt(&kek.key, &place.of_data_key(&kek.id), data_key.as_slice());
    SealedSecret {
        wrapped_key,
        ciphertext,
        kek_id: kek.id.clone(),
    }
}

pub(super) fn unseal(
    kek: &Kek,
    place: &Place<'_>,
    sealed: &SealedSecret,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let data_key = unwrap_key(kek, place, sealed)?;
    let mut plaintext = decrypt(&data_key, &place.of_secret(), &sealed.ciphertext)?;
    let end = plaintext
        .iter()
        .rposition(|byte| *byte != 0)
        .ok_or(VaultError::NotAuthentic)?;
    if plaintext[end] != END {
        return Err(VaultError::NotAuthentic);
    }
    plaintext.truncate(end);
    Ok(plaintext)
}

/// A key of something else than a secret, under a vault key, bound to what `place` says.
pub(super) fn wrap(kek: &Kek, place: &[&str], key: &[u8; 32]) -> Vec<u8> {
    encrypt(&kek.key, &bound(&[place, &[kek.id.as_str()]].concat()), key)
}

pub(super) fn unwrap(
    kek: &Kek,
    place: &[&str],
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let aad = bound(&[place, &[kek.id.as_str()]].concat());
    sized(&decrypt(&kek.key, &aad, wrapped)?)
}

/// The same secret under another vault key. The secret itself stays sealed meanwhile.
pub(super) fn rewrap(
    from: &Kek,
    to: &Kek,
    place: &Place<'_>,
    sealed: &SealedSecret,
) -> Result<SealedSecret, VaultError> {
    let data_key = unwrap_key(from, place, sealed)?;
    let wrapped_key = encrypt(&to.key, &place.of_data_key(&to.id), data_key.as_slice());
    Ok(SealedSecret {
        wrapped_key,
        ciphertext: sealed.ciphertext.clone(),
        kek_id: to.id.clone(),
    })
}

fn unwrap_key(
    kek: &Kek,
    place: &Place<'_>,
    sealed: &SealedSecret,
) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    sized(&decrypt(
        &kek.key,
        &place.of_data_key(&kek.id),
        &sealed.wrapped_key,
    )?)
}

fn sized(key: &[u8]) -> Result<Zeroizing<[u8; 32]>, VaultError> {
    let key: &[u8; 32] = key.try_into().map_err(|_| VaultError::NotAuthentic)?;
    Ok(Zeroizing::new(*key))
}

impl Place<'_> {
    fn of_secret(&self) -> Vec<u8> {
        match self {
            Self::Account { account, field } => {
                bound(&["doorward secret", account.as_str(), field.as_str()])
            }
            Self::Channel(channel) => bound(&["doorward channel secret", channel.as_str()]),
        }
    }

    fn of_data_key(&self, kek_id: &str) -> Vec<u8> {
        match self {
            Self::Account { account, field } => bound(&[
                "doorward data key",
                account.as_str(),
                field.as_str(),
                kek_id,
            ]),
            Self::Channel(channel) => {
                bound(&["doorward channel data key", channel.as_str(), kek_id])
            }
        }
    }
}

/// The parts, each after its length, so that no two lists of parts look alike.
fn bound(parts: &[&str]) -> Vec<u8> {
    let mut aad = vec![VERSION];
    for part in parts {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

fn padded(plaintext: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; (plaintext.len() / BLOCK + 1) * BLOCK]);
    padded[..plaintext.len()].copy_from_slice(plaintext);
    padded[plaintext.len()] = END;
    padded
}

fn encrypt(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = cipher(key);
    // Encrypted in place, so this holds the plaintext for a moment: room for the tag is made
    // before, or growing would leave a copy behind.
    let mut sealed = Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(plaintext);
    let nonce = key
        .seal_in_place_append_tag(Aad::from(aad), &mut sealed)
        .expect("what is sealed is far below the cipher's limit");
    [&[VERSION], nonce.as_ref().as_slice(), &sealed].concat()
}

fn decrypt(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (version, rest) = sealed.split_first().ok_or(VaultError::NotAuthentic)?;
    let (nonce, rest) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(VaultError::NotAuthentic)?;
    if *version != VERSION {
        return Err(VaultError::NotAuthentic);
    }
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut opened = Zeroizing::new(rest.to_vec());
    let plaintext = cipher(key).open_in_place(nonce, Aad::from(aad), &mut opened);
    let length = plaintext.map_err(|_| VaultError::NotAuthentic)?.len();
    opened.truncate(length);
    Ok(opened)
}

fn cipher(key: &[u8; 32]) -> RandomizedNonceKey {
    RandomizedNonceKey::new(&AES_256_GCM, key).expect("the cipher takes every key of its length")
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedSecret")
            .field("kek_id", &self.kek_id)
            .finish_non_exhaustive()
    }
}
