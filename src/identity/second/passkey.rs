//! Passkeys: asked for, kept, checked and taken away.
//!
//! What an authenticator signs is asked for once, for one sign-in, and is used up whatever
//! comes back.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;

use super::{
    RecoveryCodes,
    check::Matched,
    webauthn::{Assertion, Registration, Site},
};
use crate::{
    identity::sign_in::{Door, FactorError, Identity, SignInError},
    model::{
        factor::{FactorKind, Passkey},
        ids::{TokenId, UserId},
        principal::Principal,
        text::Text,
        time::Span,
        user::User,
    },
    store::{self, StoreError, Tx, passkey::Verifier},
    vault::entropy,
};

/// How long somebody may look for their key.
pub const WITHIN: Span = Span::minutes(5);

/// So many of one person; nobody has more hands and pockets.
const MOST: usize = 20;

/// What an authenticator is to sign, and which of them may.
pub struct Challenge {
    /// base64url
    pub challenge: String,
    /// The names of the passkeys that fit; at enrolment, of those that are there already.
    pub known: Vec<String>,
}

impl Identity {
    /// For the second half of a sign-in.
    pub async fn challenge_at_sign_in(
        &self,
        step: &str,
        peer: std::net::IpAddr,
        door: Door,
    ) -> Result<Challenge, SignInError> {
        let (hash, step, _) = self.half(step, peer, door).await?;
        self.challenge(&step.user, &hash).await
    }

    /// For somebody who is signed in, and shows again who they are.
    pub async fn challenge_again(
        &self,
        by: &Principal,
        token: &TokenId,
    ) -> Result<Challenge, SignInError> {
        self.challenge(&by.user, token.as_str()).await
    }

    /// For a new passkey.
    pub async fn challenge_new(
        &self,
        by: &Principal,
        token: &TokenId,
    ) -> Result<Challenge, SignInError> {
        self.challenge(&by.user, &enrolling(token)).await
    }

    async fn challenge(&self, user: &UserId, bound_to: &str) -> Result<Challenge, SignInError> {
        let challenge = URL_SAFE_NO_PAD.encode(entropy::<32>());
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        let hash = hash(&challenge);
        store::passkey::put_challenge(&mut tx, user, &hash, bound_to, now + WITHIN, now).await?;
        tx.commit().await?;
        let known = store::passkey::of_user(&self.0.store, user).await?;
        Ok(Challenge {
            challenge,
            known: known.into_iter().map(|passkey| passkey.id).collect(),
        })
    }

    /// Uses a challenge up, if it was made for this.
    async fn spend(
        &self,
        user: &UserId,
        challenge: &str,
        bound_to: &str,
    ) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        let spent =
            store::passkey::spend_challenge(&mut tx, user, &hash(challenge), bound_to, now).await;
        match spent {
            Err(StoreError::Conflict) => Ok(false),
            spent => {
                spent?;
                tx.commit().await?;
                Ok(true)
            }
        }
    }

    /// What a passkey has signed, if it is one of theirs.
    pub(super) async fn assertion(
        &self,
        user: &User,
        shown: &Assertion,
        site: &Site,
        bound_to: &str,
    ) -> Result<Option<Matched>, SignInError> {
        let Ok(challenge) = shown.challenge(site) else {
            return Ok(None);
        };
        if !self.spend(&user.id, &challenge, bound_to).await? {
            return Ok(None);
        }
        let kept = store::passkey::verifier(&self.0.store, &user.id, &shown.id).await?;
        let Some(kept) = kept else {
            return Ok(None);
        };
        let counter = shown.verify(site, &kept.public_key, kept.counter).ok();
        Ok(counter.map(|counter| Matched::Passkey {
            id: shown.id.clone(),
            before: kept.counter,
            counter,
        }))
    }

    /// A new passkey of somebody who is signed in. Answers recovery codes where there are none.
    pub async fn add_passkey(
        &self,
        by: &Principal,
        token: &TokenId,
        label: Text,
        made: &Registration,
        site: &Site,
    ) -> Result<Option<RecoveryCodes>, SignInError> {
        let unfit = || SignInError::from(FactorError::Unfit);
        let challenge = made.challenge(site).map_err(|_| unfit())?;
        if !self.spend(&by.user, &challenge, &enrolling(token)).await? {
            return Err(unfit());
        }
        let registered = made.read(site).map_err(|_| unfit())?;
        let held = store::passkey::of_user(&self.0.store, &by.user).await?;
        if held.len() >= MOST {
            return Err(FactorError::TooMany.into());
        }
        let passkey = Passkey {
            id: registered.id,
            label,
            added_at: self.0.clock.now(),
            last_used_at: None,
        };
        let verifier = Verifier {
            public_key: registered.public_key,
            counter: registered.counter,
        };
        let user = store::user::by_id(&self.0.store, &by.user).await?;
        let mut tx = self.0.store.begin().await?;
        store::passkey::insert(&mut tx, &by.user, &passkey, &verifier).await?;
        let codes = self.first_codes(&mut tx, &user).await?;
        self.added(&mut tx, &user, FactorKind::Passkey).await?;
        tx.commit().await?;
        Ok(codes)
    }

    pub async fn remove_passkey(&self, by: &Principal, id: &str) -> Result<(), SignInError> {
        let tx = self.without(&by.user, async |tx: &mut Tx| {
            store::passkey::remove(tx, &by.user, id).await
        });
        let tx = tx.await?;
        self.removed(tx, by, FactorKind::Passkey).await
    }
}

/// What signs in registers nothing, and the other way round.
fn enrolling(token: &TokenId) -> String {
    format!("new:{token}")
}

fn hash(challenge: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, challenge.as_bytes());
    HEXLOWER.encode(digest.as_ref())
}
