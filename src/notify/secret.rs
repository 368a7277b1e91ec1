//! What a webhook signs with: made here, or given, in the form of Standard Webhooks.
//!
//! `whsec_` and the base64 of the key. Nothing here keeps one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::vault::entropy;

const PREFIX: &str = "whsec_";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("whsec_ and the base64 of 24 to 64 bytes is expected; left out, the gateway makes one")]
pub struct BadSecret;

/// A new one, as whoever verifies is given it.
pub fn hook_secret() -> Zeroizing<String> {
    let key = Zeroizing::new(entropy::<32>());
    Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(key.as_slice())))
}

/// The key in a secret.
pub fn signing_key(secret: &str) -> Result<Zeroizing<Vec<u8>>, BadSecret> {
    let encoded = secret.trim().strip_prefix(PREFIX).ok_or(BadSecret)?;
    let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| BadSecret)?);
    match (24..=64).contains(&key.len()) {
        true => Ok(key),
        false => Err(BadSecret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_made_can_be_used_and_a_weak_one_cannot() {
        assert_eq!(signing_key(&hook_secret()).unwrap().len(), 32);
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "hunter2", "whsec_%%%"] {
            assert_eq!(signing_key(text), Err(BadSecret), "{text}");
        }
    }
}
