//! Secrets of the gateway's own making: API tokens and the bootstrap token.
//!
//! Shown once and stored as a hash. What a token may do, and until when, is not in it.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use crate::vault::entropy;

/// What stands before every secret of a kind, so that scanners for leaked ones find it.
const API: &str = "dw_";
const BOOTSTRAP: &str = "dwb_";
const COOKIE: &str = "dwc_";
const HANDOVER: &str = "dwh_";
const NONCE: &str = "dwn_";
const STEP: &str = "dws_";

const RANDOM: usize = 32;
/// Tells a slip in copying from a wrong token, without asking the store.
const CHECKSUM: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// For programs and for `doorward login`.
    Api,
    /// Once, at the first start: makes the first admin.
    Bootstrap,
    /// In a browser's cookie, for one host.
    Cookie,
    /// Once, for a minute: takes somebody who signed in at the console to a target's host.
    Handover,
    /// What a browser is given before it is sent to sign in, and shows when it comes back.
    Nonce,
    /// For some minutes after a right password: goes on with the second factor.
    Step,
}

/// A token in the clear: when it is made, and when somebody presents it. Wiped when dropped.
pub struct Token {
    kind: TokenKind,
    text: Zeroizing<String>,
}

/// What is stored of a token.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a token of this gateway: it may be cut off or mistyped")]
pub struct NotAToken;

impl Token {
    pub fn generate(kind: TokenKind) -> Self {
        let random = Zeroizing::new(entropy::<RANDOM>());
        let mut bytes = Zeroizing::new([0; RANDOM + CHECKSUM]);
        bytes[..RANDOM].copy_from_slice(random.as_slice());
        bytes[RANDOM..].copy_from_slice(&checksum(kind, random.as_slice()));
        let mut text = Zeroizing::new(BASE32_NOPAD.encode(bytes.as_slice()));
        text.make_ascii_lowercase();
        Self {
            kind,
            text: Zeroizing::new([kind.prefix(), &text].concat()),
        }
    }

    /// Reads what somebody presents.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let (kind, digits) = TokenKind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))
            .ok_or(NotAToken)?;
        // One way to write each token: upper case is another text and another hash.
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if digits.len() != BASE32_NOPAD.encode_len(RANDOM + CHECKSUM)
            || !digits.bytes().all(is_plain)
        {
            return Err(NotAToken);
        }
        let upper = Zeroizing::new(digits.to_ascii_uppercase());
        let bytes = BASE32_NOPAD
            .decode(upper.as_bytes())
            .map_err(|_| NotAToken)?;
        let bytes = Zeroizing::new(bytes);
        let (random, sum) = bytes.split_at(RANDOM);
        if sum != checksum(kind, random) {
            return Err(NotAToken);
        }
        Ok(Self {
            kind,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    pub fn hash(&self) -> TokenHash {
        // 256 random bits need no slow hash, and the prefix keeps the kinds apart.
        let hash = digest(&SHA256, self.text.as_bytes());
        TokenHash(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    /// The token itself, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl TokenKind {
    const ALL: [Self; 6] = [
        Self::Api,
        Self::Bootstrap,
        Self::Cookie,
        Self::Handover,
        Self::Nonce,
        Self::Step,
    ];

    fn prefix(self) -> &'static str {
        match self {
            Self::Api => API,
            Self::Bootstrap => BOOTSTRAP,
            Self::Cookie => COOKIE,
            Self::Handover => HANDOVER,
            Self::Nonce => NONCE,
            Self::Step => STEP,
        }
    }
}

/// In a time that does not depend on where two hashes differ.
impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for TokenHash {}

/// As it is stored: lower-case hexadecimal.
impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

impl FromStr for TokenHash {
    type Err = NotAToken;
    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotAToken)?;
        bytes.try_into().map(Self).map_err(|_| NotAToken)
    }
}

fn checksum(kind: TokenKind, random: &[u8]) -> [u8; CHECKSUM] {
    let summed = Zeroizing::new([b"doorward token", kind.prefix().as_bytes(), random].concat());
    let digest = digest(&SHA256, &summed);
    *digest
        .as_ref()
        .first_chunk()
        .expect("SHA-256 is longer than the checksum")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_as_itself_and_differs_from_every_other() {
        for kind in TokenKind::ALL {
            let token = Token::generate(kind);
            let read = Token::parse(token.reveal()).unwrap();
            assert_eq!(read.kind(), kind);
            assert_eq!(read.hash(), token.hash());
            assert_ne!(Token::generate(kind).hash(), token.hash());
            assert_eq!(
                token.hash().to_string().parse::<TokenHash>(),
                Ok(token.hash())
            );
        }
        assert!(Token::generate(TokenKind::Api).reveal().starts_with("dw_"));
    }

    #[test]
    fn every_slip_in_copying_is_noticed() {
        let token = Token::generate(TokenKind::Api);
        let text = token.reveal();
        for at in 0..text.len() {
            assert!(Token::parse(&text[..at]).is_err(), "cut at {at}");
            let mut changed = text.to_owned();
            let other = if &text[at..=at] == "a" { "b" } else { "a" };
            changed.replace_range(at..=at, other);
            assert!(Token::parse(&changed).is_err(), "changed at {at}");
        }
        for wrong in ["", "dw_", "dwb_", " ", "Bearer x"] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Token::parse(&text.to_uppercase()).is_err());
        assert!(Token::parse(&format!("{text} ")).is_err());
        assert!(Token::parse(&format!("{text}a")).is_err());
        assert!(Token::parse(&text.replace("dw_", "dwb_")).is_err());
    }

    #[test]
    fn a_hash_is_stored_in_one_form() {
        let hash = Token::generate(TokenKind::Api).hash();
        let text = hash.to_string();
        assert_eq!(text.len(), 64);
        assert!(text.to_uppercase().parse::<TokenHash>().is_err());
        assert!(text[..62].parse::<TokenHash>().is_err());
        assert_eq!(format!("{hash:?}"), "TokenHash");
    }
}
