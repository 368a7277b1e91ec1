//! Recovery codes: what somebody writes down for the day on which their phone is gone.
//!
//! Made here, shown once, stored as hashes. 80 random bits each need no slow hash.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use crate::{model::ids::UserId, vault::entropy};

const CODES: usize = 10;
const RANDOM: usize = 10;
pub(super) const LETTERS: usize = 16;
const GROUP: usize = 4;

/// New ones, to be shown once. Wiped when dropped.
pub struct RecoveryCodes(Vec<Zeroizing<String>>);

impl RecoveryCodes {
    pub(super) fn generate() -> Self {
        let code = || {
            let random = Zeroizing::new(entropy::<RANDOM>());
            let mut letters = Zeroizing::new(BASE32_NOPAD.encode(random.as_slice()));
            letters.make_ascii_lowercase();
            letters
        };
        Self((0..CODES).map(|_| code()).collect())
    }

    pub(super) fn hashes(&self, user: &UserId) -> Vec<String> {
        self.0.iter().map(|code| hash(user, code)).collect()
    }

    /// As people write them down: `abcd-efgh-ijkl-mnop`.
    pub fn spelled(&self) -> Vec<String> {
        let groups = |code: &Zeroizing<String>| {
            let parts: Vec<&str> = (0..LETTERS / GROUP)
                .map(|part| &code[part * GROUP..(part + 1) * GROUP])
                .collect();
            parts.join("-")
        };
        self.0.iter().map(groups).collect()
    }
}

/// What is stored of a code. It is of one user: nobody else's opens anything of theirs.
pub(super) fn hash(user: &UserId, letters: &str) -> String {
    let parts = ["doorward recovery code", user.as_str(), letters];
    let text = Zeroizing::new(parts.join("\n"));
    HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn they_differ_and_are_of_one_user() {
        let user = |byte| UserId::new(Timestamp::from_millis(1), [byte; 10]);
        let codes = RecoveryCodes::generate();
        let spelled = codes.spelled();
        assert_eq!(spelled.len(), CODES);
        let distinct: std::collections::BTreeSet<_> = spelled.iter().collect();
        assert_eq!(distinct.len(), CODES);
        assert!(spelled.iter().all(|code| code.len() == 19), "{spelled:?}");
        assert_ne!(codes.hashes(&user(1)), codes.hashes(&user(2)));
        let letters = spelled[0].replace('-', "");
        assert_eq!(hash(&user(1), &letters), codes.hashes(&user(1))[0]);
    }
}
