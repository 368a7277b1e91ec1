//! What a web target must prove over TLS: a key, or an authority that vouches for its name.
//!
//! Reads and writes a line. Whether a certificate fits is seen where TLS is spoken.

use std::{fmt, str::FromStr};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TlsPin {
    /// SHA-256 over the public key (SubjectPublicKeyInfo), as `curl --pinnedpubkey` takes it.
    Key([u8; 32]),
    /// A certificate of an authority, DER.
    Authority(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not what a web target can prove: sha256//BASE64 of its public key, or \
     @cert-authority BASE64 of an authority's certificate, is expected"
)]
pub struct NotAPin;

const KEY: &str = "sha256//";
const AUTHORITY: &str = "@cert-authority ";

impl FromStr for TlsPin {
    type Err = NotAPin;
    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let decoded = |base64: &str| BASE64.decode(base64.as_bytes()).map_err(|_| NotAPin);
        if let Some(key) = text.strip_prefix(KEY) {
            return decoded(key)?.try_into().map(Self::Key).map_err(|_| NotAPin);
        }
        let authority = text.strip_prefix(AUTHORITY).ok_or(NotAPin)?;
        match decoded(authority.trim())? {
            der if (1..=8_192).contains(&der.len()) => Ok(Self::Authority(der)),
            _ => Err(NotAPin),
        }
    }
}

impl TryFrom<String> for TlsPin {
    type Error = NotAPin;
    fn try_from(text: String) -> Result<Self, NotAPin> {
        text.parse()
    }
}

impl From<TlsPin> for String {
    fn from(pin: TlsPin) -> String {
        pin.to_string()
    }
}

impl fmt::Display for TlsPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(hash) => write!(f, "{KEY}{}", BASE64.encode(hash)),
            Self::Authority(der) => write!(f, "{AUTHORITY}{}", BASE64.encode(der)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_back() {
        for pin in [TlsPin::Key([7; 32]), TlsPin::Authority(vec![1, 2, 3])] {
            assert_eq!(pin.to_string().parse(), Ok(pin));
        }
        let short = format!("sha256//{}", BASE64.encode(&[7; 31]));
        for text in [
            "",
            "sha256//",
            "sha1//AAAA",
            "ssh-ed25519 AAAA",
            "@cert-authority ",
            &short,
        ] {
            assert_eq!(text.parse::<TlsPin>(), Err(NotAPin), "{text}");
        }
    }
}
