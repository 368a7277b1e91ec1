//! Passwords of people: what may be one, how one is stored, whether one is right.
//!
//! Argon2id. An unknown user costs the same time as a known one with a wrong password.

use std::{fmt, str::FromStr, sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::PasswordHash as Phc,
};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tracing::error;
use zeroize::Zeroizing;

use crate::vault::entropy;

/// What OWASP recommends for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A stored hash that costs more is refused: it would let whoever wrote it stop the gateway.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 8;

const SHORTEST: usize = 12;
const LONGEST: usize = 1_024;

/// Checked when there is no user, so that the time does not tell. Nobody knows its password.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
                      Tm9ib2R5IGtub3dzIGl0$k6FvS0h3F0dqS8yYq5m8cKXQ2Jj0m4n5u7w9y1A3C5E";

/// A password that may be set.
pub struct NewPassword(Zeroizing<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has {SHORTEST} characters at least: a few words are easy to remember")]
    TooShort,
    #[error("a password has {LONGEST} bytes at most")]
    TooLong,
    #[error("a password has no control characters: this one may be broken by copying")]
    Control,
}

impl NewPassword {
    pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, BadPassword> {
        let text = text.into();
        if text.len() > LONGEST {
            return Err(BadPassword::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(BadPassword::Control);
        }
        if text.chars().count() < SHORTEST {
            return Err(BadPassword::TooShort);
        }
        Ok(Self(text))
    }
}

/// What is stored of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Phc);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stored password hash is none, or costs more than is sane")]
pub struct BadHash;

impl FromStr for PasswordHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let hash = Phc::new(text).map_err(|_| BadHash)?;
        let params = Params::try_from(&hash).map_err(|_| BadHash)?;
        let is_sane = params.m_cost() <= MOST_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES
            && hash.algorithm.as_str() == Algorithm::Argon2id.as_str()
            && hash.hash.is_some_and(|output| output.len() >= 16);
        if is_sane {
            Ok(Self(hash))
        } else {
            Err(BadHash)
        }
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Makes and checks hashes, as many at once as there are processors: each takes its 19 MiB,
/// so a crowd that signs in waits instead of filling the memory.
#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        let at_once = available_parallelism().map_or(2, usize::from);
        Self(Arc::new(Semaphore::new(at_once)))
    }
}

impl Passwords {
    pub async fn hash(&self, password: NewPassword) -> PasswordHash {
        self.work(move || {
            let salt: [u8; 16] = entropy();
            let hash = argon2().hash_password_with_salt(password.0.as_bytes(), &salt);
            PasswordHash(hash.expect("fixed parameters and a bounded password always hash"))
        })
        .await
    }

    /// Whether `typed` is the password behind `stored`. `None`, for a user who is not there
    /// or has no password, is never right and takes as long.
    pub async fn verify(
        &self,
        typed: impl Into<Zeroizing<String>>,
        stored: Option<&PasswordHash>,
    ) -> bool {
        let typed = typed.into();
        let stored = stored.map(|stored| stored.0.clone());
        self.work(move || {
            // Longer than any that could be set; what is hashed in its stead takes as long.
            let fits = typed.len() <= LONGEST;
            let typed = if fits { typed.as_bytes() } else { b"" };
            let is_known = stored.is_some();
            let hash = stored.unwrap_or_else(nobody);
            let is_right = argon2().verify_password(typed, &hash).is_ok();
            is_right && is_known && fits
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.0.clone().acquire_owned().await.expect("never closed");
        let done = spawn_blocking(move || {
            let result = work();
            // Held to the end of the work, also when nobody waits for it any more.
            drop(permit);
            result
        });
        match done.await {
            Ok(result) => result,
            Err(panic) => {
                error!(error = %panic, "Hashing failed");
                std::panic::resume_unwind(panic.into_panic())
            }
        }
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("constant and in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn nobody() -> Phc {
    Phc::new(NOBODY).expect("a constant in the right form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> NewPassword {
        NewPassword::new(text.to_owned())
            .map_err(|error| format!("{text:?}: {error}"))
            .unwrap()
    }

    fn typed(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_no_other() {
        let passwords = Passwords::default();
        let stored = passwords.hash(new("correct horse battery")).await;
        assert!(
            passwords
                .verify(typed("correct horse battery"), Some(&stored))
                .await
        );
        for wrong in [
            "",
            "correct horse batter",
            "correct horse battery ",
            "Correct horse battery",
        ] {
            assert!(
                !passwords.verify(typed(wrong), Some(&stored)).await,
                "{wrong:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_is_salted_and_reads_back() {
        let passwords = Passwords::default();
        let one = passwords.hash(new("correct horse battery")).await;
        let two = passwords.hash(new("correct horse battery")).await;
        assert_ne!(one, two);
        let read: PasswordHash = one.to_string().parse().unwrap();
        assert!(
            passwords
                .verify(typed("correct horse battery"), Some(&read))
                .await
        );
        assert!(
            one.to_string()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        assert_eq!(format!("{one:?}"), "PasswordHash");
    }

    #[tokio::test]
    async fn nobody_is_never_right() {
        let passwords = Passwords::default();
        for text in ["", "Nobody knows it", "correct horse battery"] {
            assert!(!passwords.verify(typed(text), None).await);
        }
        assert!(!passwords.verify(typed(&"x".repeat(1 << 20)), None).await);
    }

    #[test]
    fn nobody_costs_what_everybody_costs() {
        let nobody = Params::try_from(&nobody()).unwrap();
        assert_eq!(
            (nobody.m_cost(), nobody.t_cost(), nobody.p_cost()),
            (MEMORY_KIB, PASSES, LANES)
        );
        assert_eq!(nobody.output_len(), Some(32));
        NOBODY.parse::<PasswordHash>().unwrap();
    }

    #[tokio::test]
    async fn one_that_is_too_long_to_be_set_is_not_cut_into_one_that_fits() {
        let passwords = Passwords::default();
        let longest = "x".repeat(LONGEST);
        let stored = passwords.hash(new(&longest)).await;
        assert!(passwords.verify(typed(&longest), Some(&stored)).await);
        assert!(
            !passwords
                .verify(typed(&"x".repeat(LONGEST + 1)), Some(&stored))
                .await
        );
    }

    #[test]
    fn what_may_be_set_is_bounded() {
        for (text, expected) in [
            ("", Some(BadPassword::TooShort)),
            ("elevenchars", Some(BadPassword::TooShort)),
            ("twelve chars", None),
            ("zwölf Zeichen", None),
            ("twelve\0chars", Some(BadPassword::Control)),
            ("twelve chars\n", Some(BadPassword::Control)),
            ("twelve\u{9b}chars", Some(BadPassword::Control)),
        ] {
            assert_eq!(
                NewPassword::new(text.to_owned()).err(),
                expected,
                "{text:?}"
            );
        }
        assert!(NewPassword::new("x".repeat(LONGEST)).is_ok());
        assert_eq!(
            NewPassword::new("x".repeat(LONGEST + 1)).err(),
            Some(BadPassword::TooLong)
        );
    }

    #[test]
    fn a_stored_hash_that_would_stop_the_gateway_is_refused() {
        let with = |params: &str| {
            NOBODY
                .replace("m=19456,t=2,p=1", params)
                .parse::<PasswordHash>()
        };
        assert!(with("m=65536,t=3,p=4").is_ok());
        for params in [
            "m=4194304,t=2,p=1",
            "m=19456,t=4000000000,p=1",
            "m=19456,t=2,p=255",
        ] {
            assert_eq!(with(params), Err(BadHash), "{params}");
        }
        let other = NOBODY.replace("argon2id", "argon2d");
        for text in [
            "",
            "x",
            "$1$abc$def",
            other.as_str(),
            "$argon2id$v=19$m=19456,t=2,p=1",
        ] {
            assert_eq!(text.parse::<PasswordHash>(), Err(BadHash), "{text}");
        }
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_the_place_back_when_the_work_is_done() {
        let passwords = Passwords(Arc::new(Semaphore::new(1)));
        let abandoned = passwords.verify(typed("x"), None);
        // Polled once, so that the work has begun, and then dropped.
        let begun = tokio::time::timeout(std::time::Duration::ZERO, abandoned).await;
        assert!(begun.is_err());
        assert!(!passwords.verify(typed("y"), None).await);
    }
}
