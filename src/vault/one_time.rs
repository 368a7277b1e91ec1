//! The one-time secret of a check-out, with which its holder comes in by RDP.
//!
//! Derived from the vault's keys and the check-out, and stored nowhere: NTLM needs it in the
//! clear on this side, and what is not in the database cannot be read out of it, swapped in it
//! or forgotten in it. It opens nothing that the check-out itself does not admit.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::{Vault, VaultError, keyring::Kek};
use crate::model::checkout::Checkout;

/// 20 letters of five bits each: nobody tries 100 bits, online or with what they overheard.
const LETTERS: usize = 20;
const GROUP: usize = 5;

const PURPOSE: &[u8] = b"doorward one-time secret 1";

/// Wiped when dropped; it cannot be copied or shown by accident.
pub struct OneTime(Zeroizing<String>);

impl OneTime {
    /// One that nobody holds, so that a wrong name takes as long as a wrong secret.
    pub fn of_nobody() -> Self {
        Self(spelled(&Zeroizing::new(super::entropy::<32>())[..]))
    }

    pub fn expose<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        look(&self.0)
    }

    fn derive(kek: &Kek, checkout: &Checkout) -> Self {
        // A key of its own, so that nothing is said of the one that seals.
        let own = Zeroizing::new(
            sign(&Key::new(HMAC_SHA256, &kek.key[..]), PURPOSE)
                .as_ref()
                .to_vec(),
        );
        // Bound to all that it is for: a row that is changed has another secret.
        let parts = [
            checkout.id.as_str(),
            checkout.requester.as_str(),
            checkout.target.as_str(),
            checkout.account.as_str(),
        ];
        // An id holds no line end, so that no two check-outs read alike.
        let message = parts.join("\n");
        let tag = sign(&Key::new(HMAC_SHA256, &own), message.as_bytes());
        Self(spelled(tag.as_ref()))
    }
}

impl Vault {
    /// The secret of a check-out, to be shown to its holder.
    pub fn one_time(&self, checkout: &Checkout) -> Result<OneTime, VaultError> {
        self.reload()?;
        self.with_keyring(|keyring| Ok(OneTime::derive(keyring.newest(), checkout)))
    }

    /// All that were shown for it, the newest first: they end with the key they come from.
    pub fn one_times(&self, checkout: &Checkout) -> Result<Vec<OneTime>, VaultError> {
        self.reload()?;
        self.with_keyring(|keyring| {
            let keys = keyring.all().iter();
            Ok(keys.map(|kek| OneTime::derive(kek, checkout)).collect())
        })
    }
}

/// `k3v7q-…`: letters and digits that are hard to take for each other, in groups.
fn spelled(bytes: &[u8]) -> Zeroizing<String> {
    let mut letters = Zeroizing::new(BASE32_NOPAD.encode(bytes));
    letters.make_ascii_lowercase();
    let mut text = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
    for (index, letter) in letters.chars().take(LETTERS).enumerate() {
        if index > 0 && index % GROUP == 0 {
            text.push('-');
        }
        text.push(letter);
    }
    text
}
