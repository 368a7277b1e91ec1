//! Whether what was shown is right. A try is counted before it is looked at, and what was
//! right once is taken, so that it is right on no node again.
//!
//! Never says which of several things was wrong.

use std::net::IpAddr;

use tracing::warn;

use super::{
    Second,
    recovery::{self, LETTERS},
    totp,
};
use crate::{
    audit,
    identity::sign_in::{Door, FactorError, Identity, SignInError},
    model::{
        audit::{Actor, AuditEvent, AuditOutcome},
        factor::FactorKind,
        principal::Proof,
        time::Span,
        user::User,
    },
    store::{self, StoreError, Tx, factor::Guard},
    vault::WrappedKey,
};

/// So many wrong ones in a row cost no waiting; each further one doubles it.
const FREE: i64 = 5;
const FIRST_WAIT: Span = Span::seconds(30);
/// Six digits that are guessed once an hour last longer than anybody's patience.
const LONGEST_WAIT: Span = Span::hours(1);

/// Something right that is not taken yet.
pub(super) enum Matched {
    /// The time step of a code.
    App(i64),
    /// The hash of a recovery code, which may be nobody's.
    RecoveryCode(String),
    /// A passkey, and what it had counted and counts now.
    Passkey {
        id: String,
        before: u32,
        counter: u32,
    },
}

impl Matched {
    pub(super) fn kind(&self) -> FactorKind {
        match self {
            Self::App(_) => FactorKind::App,
            Self::RecoveryCode(_) => FactorKind::RecoveryCode,
            Self::Passkey { .. } => FactorKind::Passkey,
        }
    }
}

impl Identity {
    /// Counts a try and looks at what was shown, for the sign-in that it is bound to.
    pub(super) async fn matched(
        &self,
        user: &User,
        shown: &Second<'_>,
        bound_to: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<Matched, SignInError> {
        self.0
            .throttle
            .admit(user.name.as_str(), peer)
            .map_err(SignInError::Throttled)?;
        self.count(user).await?;
        let matched = match shown {
            Second::Code(typed) => self.code(user, typed).await?,
            Second::Passkey(shown, site) => self.assertion(user, shown, site, bound_to).await?,
        };
        match matched {
            Some(matched) => Ok(matched),
            None => Err(self.wrong(user, peer, door).await),
        }
    }

    async fn code(&self, user: &User, typed: &str) -> Result<Option<Matched>, SignInError> {
        match Typed::read(typed) {
            Some(Typed::Recovery(letters)) => {
                let hash = recovery::hash(&user.id, &letters);
                Ok(Some(Matched::RecoveryCode(hash)))
            }
            Some(Typed::App(digits)) => {
                let row = store::factor::totp(&self.0.store, &user.id).await?;
                let Some(row) = row.filter(|row| row.proven_at.is_some()) else {
                    return Ok(None);
                };
                let wrapped = WrappedKey {
                    bytes: row.wrapped_key,
                    kek_id: row.kek_id,
                };
                let seed = self.0.seeds.open(&user.id, &wrapped)?;
                let now = self.0.clock.now();
                let step = seed.expose(|seed| totp::step(seed, &digits, now));
                Ok(step.map(Matched::App))
            }
            None => Ok(None),
        }
    }

    /// A transaction in which this was right for the last time; refused if it was before.
    pub(super) async fn taken(
        &self,
        user: &User,
        matched: &Matched,
        peer: IpAddr,
        door: Door,
    ) -> Result<Tx, SignInError> {
        let mut tx = self.0.store.begin().await?;
        match self.take(&mut tx, user, matched).await {
            Err(StoreError::Conflict) => {
                drop(tx);
                Err(self.wrong(user, peer, door).await)
            }
            taken => {
                taken?;
                Ok(tx)
            }
        }
    }

    /// `Conflict` if it was right before.
    async fn take(&self, tx: &mut Tx, user: &User, matched: &Matched) -> Result<(), StoreError> {
        match matched {
            Matched::App(step) => store::factor::take_step(tx, &user.id, *step).await?,
            Matched::Passkey {
                id,
                before,
                counter,
            } => {
                let now = self.0.clock.now();
                store::passkey::note_use(tx, id, *before, *counter, now).await?;
            }
            Matched::RecoveryCode(hash) => {
                let now = self.0.clock.now();
                store::factor::spend_recovery_code(tx, &user.id, hash, now).await?;
                let left = store::factor::of_user(&mut *tx, &user.id).await?;
                let by = user.principal(Proof::TwoFactors {
                    second: matched.kind(),
                });
                let message = format!("{} used a recovery code up", user.name);
                let event = AuditEvent::done(now, "factor.recover", Actor::from(&by), message)
                    .about_user(&user.id)
                    .with(serde_json::json!({ "left": left.recovery_codes }));
                audit::append(tx, &event).await?;
            }
        }
        store::factor::forget_tries(tx, &user.id).await
    }

    /// INVARIANT: counted before it is looked at, and by one at a time, so that many tries at
    /// once are not one try.
    async fn count(&self, user: &User) -> Result<(), SignInError> {
        let store = &self.0.store;
        let now = self.0.clock.now();
        let before = store::factor::guard(store, &user.id).await?;
        if let Some(guard) = before.filter(|guard| guard.heard_at > now) {
            return Err(SignInError::Throttled(guard.heard_at.since(now)));
        }
        let wrong = before.map_or(0, |guard| guard.wrong) + 1;
        let after = Guard {
            wrong,
            heard_at: now + wait(wrong),
        };
        let mut tx = store.begin().await?;
        match store::factor::count_try(&mut tx, &user.id, before, after).await {
            Err(StoreError::Conflict) => {
                return Err(SignInError::Throttled(Span::seconds(1).duration()));
            }
            counted => counted?,
        }
        Ok(tx.commit().await?)
    }

    async fn wrong(&self, user: &User, peer: IpAddr, door: Door) -> SignInError {
        let actor = Actor::Nobody {
            claimed: user.name.to_string(),
            peer: peer.to_string(),
        };
        let message = "second factor refused: not right, or used already";
        let mut event = AuditEvent::done(self.0.clock.now(), "user.sign-in", actor, message)
            .about_user(&user.id)
            .with(serde_json::json!({ "door": door.as_str() }));
        event.outcome = AuditOutcome::Refused("second-factor".to_owned());
        if let Err(error) = self.note(&event).await {
            warn!(%error, "Refused second factor not audited");
        }
        SignInError::Factor(FactorError::Wrong)
    }
}

/// How long nobody is heard after so many wrong ones in a row.
fn wait(wrong: i64) -> Span {
    if wrong <= FREE {
        return Span::seconds(0);
    }
    let doublings = u32::try_from(wrong - FREE - 1).unwrap_or(u32::MAX);
    let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
    let seconds = FIRST_WAIT.as_secs().saturating_mul(factor);
    Span::seconds(seconds.min(LONGEST_WAIT.as_secs()))
}

/// What was typed, by its form: people type blanks and dashes where they see them.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    App(String),
    Recovery(zeroize::Zeroizing<String>),
}

impl Typed {
    fn read(typed: &str) -> Option<Self> {
        let letters = typed.chars().take(64).filter(|c| *c != ' ' && *c != '-');
        let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
        let letters = zeroize::Zeroizing::new(letters);
        let base32 = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
        match letters.len() {
            totp::DIGITS if letters.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Self::App(letters.to_string()))
            }
            LETTERS if letters.bytes().all(base32) => Some(Self::Recovery(letters)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_again_and_again_waits_longer_and_longer() {
        let waits: Vec<u64> = (1..=15).map(|wrong| wait(wrong).as_secs()).collect();
        assert_eq!(waits[..5], [0; 5]);
        assert_eq!(waits[5..12], [30, 60, 120, 240, 480, 960, 1920]);
        assert_eq!(waits[12..], [3600; 3]);
        assert_eq!(wait(i64::MAX).as_secs(), 3600);
    }

    #[test]
    fn what_is_typed_is_read_as_people_write_it() {
        let app = |text: &str| Some(Typed::App(text.to_owned()));
        let recovery = Some(Typed::Recovery("abcdefghijklmnop".to_owned().into()));
        assert_eq!(Typed::read("123456"), app("123456"));
        assert_eq!(Typed::read(" 123 456 "), app("123456"));
        assert_eq!(Typed::read("ABCD-efgh-ijkl-mnop"), recovery);
        assert_eq!(Typed::read("abcd efgh ijkl mnop "), recovery);
        for wrong in [
            "",
            "12345",
            "1234567",
            "abcdef",
            "abcd-efgh-ijkl-mno1",
            "१२३४५६",
        ] {
            assert_eq!(Typed::read(wrong), None, "{wrong}");
        }
    }
}
