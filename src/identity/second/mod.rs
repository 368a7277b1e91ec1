//! The second factor: what comes after a right password, and what shows it.
//!
//! A password alone is a sign-in for nobody who has set a second factor up, or must. What was
//! wrong is counted by user, on all nodes alike. Keeps no secret of anybody's.

mod check;
mod cose;
mod enrol;
mod passkey;
mod recovery;
mod totp;
mod webauthn;

use std::net::IpAddr;

pub use self::{
    cose::ALGORITHMS,
    enrol::AppOffer,
    passkey::{Challenge, WITHIN as PASSKEY_WITHIN},
    recovery::RecoveryCodes,
    webauthn::{Assertion, Registration, Site},
};
use super::{
    sign_in::{Door, FactorError, Identity, SignInError},
    token::{Token as Secret, TokenKind},
};
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        factor::{FactorKind, Factors},
        ids::TokenId,
        name::UserName,
        principal::{Principal, Proof},
        time::{Span, Timestamp},
        user::User,
    },
    store::{self, StoreError, step::Step},
};

/// How long the second half of a sign-in may take.
const STEP: Span = Span::minutes(10);

/// What a right password leads to.
pub enum Shown {
    Proven(Principal),
    /// Not enough: a second factor is to come.
    Half(Half),
}

/// A right password that is not enough.
pub struct Half {
    /// Goes on from here; to be shown to whoever typed the password and nobody else.
    pub secret: Secret,
    pub user: UserName,
    pub expires_at: Timestamp,
    /// What they could show; nothing where they must set something up first.
    pub factors: Factors,
}

impl Half {
    /// Whether they must set a second factor up first.
    pub fn enrols(&self) -> bool {
        !self.factors.any()
    }
}

/// What somebody shows besides a password.
pub enum Second<'a> {
    /// Of an authenticator app, or a recovery code: as it was typed.
    Code(&'a str),
    /// What an authenticator has signed, for that site.
    Passkey(&'a Assertion, &'a Site),
}

/// Somebody who has shown all they must.
pub struct Whole {
    pub principal: Principal,
    /// To be shown once, where this was the first time with a second factor.
    pub recovery_codes: Option<RecoveryCodes>,
}

/// What an app that was given this secret shows now: for tests, which have no phone.
#[cfg(test)]
pub fn code_of(secret: &str, now: Timestamp) -> String {
    let seed = data_encoding::BASE32_NOPAD.decode(secret.as_bytes());
    totp::code(&seed.expect("a secret of ours"), now.millis() / 30_000).to_string()
}

impl Identity {
    /// What a right password is worth: the whole sign-in, or the first half of it.
    pub(super) async fn after_password(&self, user: User) -> Result<Shown, SignInError> {
        let factors = store::factor::of_user(&self.0.store, &user.id).await?;
        if !factors.any() && !self.0.rule.demands(&user.roles) {
            return Ok(Shown::Proven(user.principal(Proof::Password)));
        }
        let now = self.0.clock.now();
        let secret = Secret::generate(TokenKind::Step);
        let step = Step {
            user: user.id,
            enrols: !factors.any(),
            expires_at: now + STEP,
        };
        let mut tx = self.0.store.begin().await?;
        store::step::insert(&mut tx, &step, &secret.hash().to_string(), now).await?;
        tx.commit().await?;
        Ok(Shown::Half(Half {
            secret,
            user: user.name,
            expires_at: step.expires_at,
            factors,
        }))
    }

    /// The second half of a sign-in.
    pub async fn second(
        &self,
        step: &str,
        shown: &Second<'_>,
        peer: IpAddr,
        door: Door,
    ) -> Result<Whole, SignInError> {
        let (hash, step, user) = self.half(step, peer, door).await?;
        if step.enrols {
            let Second::Code(code) = shown else {
                return Err(FactorError::NoApp.into());
            };
            let codes = self.confirm_app(&user, code, peer, Some(&hash)).await?;
            return Ok(self.whole(&user, FactorKind::App, codes));
        }
        let matched = self.matched(&user, shown, &hash, peer, door).await?;
        let mut tx = self.taken(&user, &matched, peer, door).await?;
        match store::step::spend(&mut tx, &hash).await {
            Err(StoreError::NotFound(_)) => return Err(FactorError::StepOver.into()),
            spent => spent?,
        }
        tx.commit().await?;
        Ok(self.whole(&user, matched.kind(), None))
    }

    fn whole(
        &self,
        user: &User,
        second: FactorKind,
        recovery_codes: Option<RecoveryCodes>,
    ) -> Whole {
        let mut principal = user.principal(Proof::TwoFactors { second });
        principal.factor_at = Some(self.0.clock.now());
        Whole {
            principal,
            recovery_codes,
        }
    }

    /// Somebody who is signed in shows anew who they are: with a second factor if they have one.
    pub async fn prove_again(
        &self,
        by: &Principal,
        token: &TokenId,
        shown: &Second<'_>,
        peer: IpAddr,
        door: Door,
    ) -> Result<(), SignInError> {
        let user = store::user::by_id(&self.0.store, &by.user).await?;
        let matched = self
            .matched(&user, shown, token.as_str(), peer, door)
            .await?;
        let tx = self.taken(&user, &matched, peer, door).await?;
        self.note_proof(tx, by, token, Some(matched.kind())).await
    }

    /// As `prove_again`, with a password, for somebody who has no second factor.
    pub async fn prove_password(
        &self,
        by: &Principal,
        token: &TokenId,
        password: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<(), SignInError> {
        if store::factor::of_user(&self.0.store, &by.user).await?.any() {
            return Err(FactorError::Wrong.into());
        }
        self.right_password(by.name.as_str(), password, peer, door)
            .await?;
        let tx = self.0.store.begin().await?;
        self.note_proof(tx, by, token, None).await
    }

    /// A factor was set up in this sign-in, and shown with that.
    pub async fn first_shown(&self, by: &Principal, token: &TokenId) -> Result<(), SignInError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        match store::token::prove(&mut tx, token, now, Some(now)).await {
            Err(StoreError::Conflict) => return Err(FactorError::Program.into()),
            noted => noted?,
        }
        let message = format!("{} showed a new second factor", by.name);
        let event = AuditEvent::done(now, "user.prove", Actor::from(by), message);
        audit::append(&mut tx, &event.about_user(&by.user)).await?;
        Ok(tx.commit().await?)
    }

    async fn note_proof(
        &self,
        mut tx: store::Tx,
        by: &Principal,
        token: &TokenId,
        second: Option<FactorKind>,
    ) -> Result<(), SignInError> {
        let now = self.0.clock.now();
        match store::token::prove(&mut tx, token, now, second.map(|_| now)).await {
            // The token of a program, or a sign-in that is over: nobody is there to show anything.
            Err(StoreError::Conflict) => return Err(FactorError::Program.into()),
            noted => noted?,
        }
        let message = format!("{} showed again who they are", by.name);
        let second = second.map_or("password", FactorKind::as_str);
        let event = AuditEvent::done(now, "user.prove", Actor::from(by), message)
            .about_user(&by.user)
            .with(serde_json::json!({ "by": second }));
        audit::append(&mut tx, &event).await?;
        Ok(tx.commit().await?)
    }

    /// Whose half of a sign-in this is; none where it is over.
    pub(super) async fn half(
        &self,
        presented: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<(String, Step, User), SignInError> {
        let known = Secret::parse(presented).ok();
        let known = known.filter(|secret| secret.kind() == TokenKind::Step);
        let Some(hash) = known.map(|secret| secret.hash().to_string()) else {
            return Err(self.strange_token(peer, door).await);
        };
        let store = &self.0.store;
        let step = store::found(store::step::by_hash(store, &hash).await)?;
        let now = self.0.clock.now();
        let Some(step) = step.filter(|step| step.expires_at > now) else {
            // Slowed, and no news for the auditor: people go for a coffee.
            self.0
                .throttle
                .admit("a token", peer)
                .map_err(SignInError::Throttled)?;
            return Err(FactorError::StepOver.into());
        };
        let user = store::user::by_id(store, &step.user).await?;
        if user.disabled {
            return Err(self
                .refused(user.name.as_str(), peer, door, "second factor")
                .await);
        }
        Ok((hash, step, user))
    }
}
