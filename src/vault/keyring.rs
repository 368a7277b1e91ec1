//! The key-encryption keys: the newest seals, all of them unseal.
//!
//! Knows how they are written down, in the key file or an environment variable. Never sees
//! a secret.

use std::{collections::BTreeSet, fmt};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::{entropy, keyfile::Contents};

const LENGTH: usize = 32;
const HEAD: &str = "\
# Doorward's vault keys, the newest first. Whoever has this file and the database can read
# every secret; without this file nobody can. Keep a copy of it apart from the database.
";

/// One key-encryption key. Its id is made from it, so a damaged key is noticed.
pub(super) struct Kek {
    pub(super) id: String,
    pub(super) key: Zeroizing<[u8; LENGTH]>,
}

/// INVARIANT: never empty, no key twice.
pub(super) struct Keyring(Vec<Kek>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    #[error("there is no key in it")]
    Empty,
    #[error(
        "key {number} is damaged: expected are 32 bytes in base64, after their id if there is one"
    )]
    Damaged { number: usize },
    #[error("key {number} does not belong to the id before it: one of the two is damaged")]
    WrongId { number: usize },
    #[error("key {number} stands there twice")]
    Twice { number: usize },
}

impl Kek {
    pub(super) fn generate() -> Self {
        Self::from(Zeroizing::new(entropy()))
    }
}

impl From<Zeroizing<[u8; LENGTH]>> for Kek {
    fn from(key: Zeroizing<[u8; LENGTH]>) -> Self {
        let named = Zeroizing::new([b"doorward kek id", key.as_slice()].concat());
        let id = HEXLOWER.encode(&digest(&SHA256, &named).as_ref()[..8]);
        Self { id, key }
    }
}

impl Keyring {
    pub(super) fn generate() -> Self {
        Self(vec![Kek::generate()])
    }

    /// Reads keys as `contents` writes them: `ID KEY` a line, lines that begin with `#` left
    /// out. The id may be missing, and commas may stand for the ends of lines, so that an
    /// environment variable can hold what `openssl rand -base64 32` prints.
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeyringError> {
        let mut keks: Vec<Kek> = Vec::new();
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let entries = lines
            .filter(|line| !line.starts_with(b"#"))
            .flat_map(|line| line.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|entry| !entry.is_empty());
        for (entry, number) in entries.zip(1..) {
            let mut words = entry
                .split(u8::is_ascii_whitespace)
                .filter(|word| !word.is_empty());
            let (id, key) = match (words.next(), words.next(), words.next()) {
                (Some(key), None, None) => (None, key),
                (Some(id), Some(key), None) => (Some(id), key),
                _ => return Err(KeyringError::Damaged { number }),
            };
            let kek = Kek::from(decode(key).ok_or(KeyringError::Damaged { number })?);
            if id.is_some_and(|id| id != kek.id.as_bytes()) {
                return Err(KeyringError::WrongId { number });
            }
            if keks.iter().any(|earlier| earlier.id == kek.id) {
                return Err(KeyringError::Twice { number });
            }
            keks.push(kek);
        }
        if keks.is_empty() {
            Err(KeyringError::Empty)
        } else {
            Ok(Self(keks))
        }
    }

    pub(super) fn contents(&self) -> Contents {
        // Ample, so that it does not grow and leave copies behind.
        let mut contents = Zeroizing::new(Vec::with_capacity(HEAD.len() + self.0.len() * 80));
        contents.extend_from_slice(HEAD.as_bytes());
        for kek in &self.0 {
            let key = Zeroizing::new(BASE64.encode(kek.key.as_slice()));
            for part in [kek.id.as_bytes(), b" ", key.as_bytes(), b"\n"] {
                contents.extend_from_slice(part);
            }
        }
        contents
    }

    pub(super) fn newest(&self) -> &Kek {
        self.0.first().expect("a keyring is never empty")
    }

    /// The newest first.
    pub(super) fn all(&self) -> &[Kek] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Kek> {
        self.0.iter().find(|kek| kek.id == id)
    }

    pub(super) fn add_newest(&mut self, kek: Kek) {
        self.0.insert(0, kek);
    }

    /// Drops all keys but the newest and those in use; says which.
    pub(super) fn retire(&mut self, in_use: &BTreeSet<String>) -> Vec<String> {
        let newest = self.newest().id.clone();
        let retired = self
            .0
            .extract_if(.., |kek| kek.id != newest && !in_use.contains(&kek.id));
        retired.map(|kek| kek.id).collect()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|kek| &kek.id))
            .finish()
    }
}

fn decode(text: &[u8]) -> Option<Zeroizing<[u8; LENGTH]>> {
    let bytes = Zeroizing::new(BASE64.decode(text).ok()?);
    let key: &[u8; LENGTH] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn what_is_written_reads_back() {
        let mut ring = Keyring::generate();
        ring.add_newest(Kek::generate());
        let again = Keyring::parse(&ring.contents()).unwrap();
        assert_eq!(again.contents(), ring.contents());
        assert_eq!(again.newest().id, ring.newest().id);
    }

    #[test]
    fn an_environment_variable_holds_bare_keys() {
        let other = BASE64.encode(&[7; 32]);
        let ring = Keyring::parse(format!("{other},{KEY}").as_bytes()).unwrap();
        assert_eq!(*ring.newest().key, [7; 32]);
        assert_eq!(ring.0.len(), 2);
    }

    #[test]
    fn a_damaged_key_is_named_and_not_shown() {
        let id = Keyring::parse(KEY.as_bytes()).unwrap().newest().id.clone();
        let changed = KEY.replacen("AAEC", "AAED", 1);
        for (text, expected) in [
            (String::new(), KeyringError::Empty),
            ("# only a comment\n".to_owned(), KeyringError::Empty),
            (
                format!("{id} {changed}"),
                KeyringError::WrongId { number: 1 },
            ),
            (
                format!("# head\n{KEY}\n{id} {KEY}"),
                KeyringError::Twice { number: 2 },
            ),
            (KEY[..40].to_owned(), KeyringError::Damaged { number: 1 }),
            (format!("{KEY}\n!"), KeyringError::Damaged { number: 2 }),
            (
                format!("{id} {KEY} more"),
                KeyringError::Damaged { number: 1 },
            ),
        ] {
            let error = Keyring::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains(&KEY[..8]));
        }
    }

    #[test]
    fn what_is_in_use_and_the_newest_are_never_retired() {
        let mut ring = Keyring::generate();
        let oldest = ring.newest().id.clone();
        ring.add_newest(Kek::generate());
        let middle = ring.newest().id.clone();
        ring.add_newest(Kek::generate());
        let newest = ring.newest().id.clone();
        assert_eq!(ring.retire(&BTreeSet::from([oldest.clone()])), [middle]);
        assert_eq!(ring.retire(&BTreeSet::new()), [oldest]);
        assert_eq!(ring.newest().id, newest);
    }
}
