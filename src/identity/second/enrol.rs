//! Setting second factors up and taking them away: one's own, or another's by an admin.
//!
//! An app counts once a code of it was shown. Who takes the last factor away has no recovery
//! codes either. Whether the caller has just shown who they are is asked before.

use std::net::IpAddr;

use zeroize::Zeroizing;

use super::{RecoveryCodes, totp};
use crate::{
    audit,
    identity::sign_in::{Door, FactorError, Identity, SignInError},
    model::{
        audit::{Actor, AuditEvent},
        factor::{FactorKind, Factors},
        ids::UserId,
        principal::{Principal, Proof},
        user::User,
    },
    store::{self, StoreError, Tx, factor::TotpRow},
    vault::WrappedKey,
};

/// What an authenticator app is set up with. Shown once, and wiped.
pub struct AppOffer {
    /// To be typed by hand.
    pub secret: Zeroizing<String>,
    /// To be read from a picture.
    pub uri: Zeroizing<String>,
}

impl Identity {
    /// What they have to show, and whether they must have something.
    pub async fn factors(&self, user: &User) -> Result<(Factors, bool), SignInError> {
        let factors = store::factor::of_user(&self.0.store, &user.id).await?;
        Ok((factors, self.0.rule.demands(&user.roles)))
    }

    /// A seed for an app of theirs, which counts once a code of it was shown.
    pub async fn offer_app(&self, user: &User, gateway: &str) -> Result<AppOffer, SignInError> {
        let (seed, wrapped) = self.0.seeds.make(&user.id)?;
        let row = TotpRow {
            wrapped_key: wrapped.bytes,
            kek_id: wrapped.kek_id,
            made_at: self.0.clock.now(),
            proven_at: None,
            last_step: 0,
        };
        let mut tx = self.0.store.begin().await?;
        match store::factor::offer_totp(&mut tx, &user.id, &row).await {
            Err(StoreError::Conflict) => return Err(FactorError::AppThere.into()),
            offered => offered?,
        }
        tx.commit().await?;
        let secret = seed.expose(totp::spelled);
        let uri = totp::uri(&secret, gateway, user.name.as_str());
        Ok(AppOffer { secret, uri })
    }

    /// For somebody who must set an app up before they are signed in.
    pub async fn offer_app_at_sign_in(
        &self,
        step: &str,
        gateway: &str,
        peer: IpAddr,
        door: Door,
    ) -> Result<AppOffer, SignInError> {
        let (_, step, user) = self.half(step, peer, door).await?;
        if !step.enrols {
            return Err(FactorError::AppThere.into());
        }
        self.offer_app(&user, gateway).await
    }

    /// The first code of an app: from now on it counts. Answers recovery codes, to be shown
    /// once, where there are none yet. `step` is the half of a sign-in that this makes whole.
    pub async fn confirm_app(
        &self,
        user: &User,
        code: &str,
        peer: IpAddr,
        step: Option<&str>,
    ) -> Result<Option<RecoveryCodes>, SignInError> {
        self.0
            .throttle
            .admit(user.name.as_str(), peer)
            .map_err(SignInError::Throttled)?;
        let store = &self.0.store;
        let row = store::factor::totp(store, &user.id).await?;
        let Some(row) = row.filter(|row| row.proven_at.is_none()) else {
            return Err(FactorError::NoApp.into());
        };
        let wrapped = WrappedKey {
            bytes: row.wrapped_key,
            kek_id: row.kek_id,
        };
        let seed = self.0.seeds.open(&user.id, &wrapped)?;
        let now = self.0.clock.now();
        let digits: String = code.chars().filter(char::is_ascii_digit).collect();
        let Some(fitting) = seed.expose(|seed| totp::step(seed, &digits, now)) else {
            return Err(FactorError::Wrong.into());
        };
        let mut tx = store.begin().await?;
        match store::factor::prove_totp(&mut tx, &user.id, row.made_at, fitting, now).await {
            Err(StoreError::Conflict) => return Err(FactorError::NoApp.into()),
            proven => proven?,
        }
        if let Some(step) = step {
            match store::step::spend(&mut tx, step).await {
                Err(StoreError::NotFound(_)) => return Err(FactorError::StepOver.into()),
                spent => spent?,
            }
        }
        let codes = self.first_codes(&mut tx, user).await?;
        self.added(&mut tx, user, FactorKind::App).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Recovery codes where there are none yet.
    pub(super) async fn first_codes(
        &self,
        tx: &mut Tx,
        user: &User,
    ) -> Result<Option<RecoveryCodes>, StoreError> {
        let held = store::factor::of_user(&mut *tx, &user.id).await?;
        if held.recovery_codes > 0 {
            return Ok(None);
        }
        let codes = RecoveryCodes::generate();
        let now = self.0.clock.now();
        store::factor::put_recovery_codes(tx, &user.id, &codes.hashes(&user.id), now).await?;
        Ok(Some(codes))
    }

    pub(super) async fn added(
        &self,
        tx: &mut Tx,
        user: &User,
        second: FactorKind,
    ) -> Result<(), StoreError> {
        let by = user.principal(Proof::TwoFactors { second });
        let message = format!("{} set a second factor up", user.name);
        let event = AuditEvent::done(self.0.clock.now(), "factor.add", Actor::from(&by), message)
            .about_user(&user.id)
            .with(serde_json::json!({ "factor": second.as_str() }));
        audit::append(tx, &event).await?;
        Ok(())
    }

    /// Ten new recovery codes; the old ones are worth nothing from then on.
    pub async fn new_recovery_codes(&self, by: &Principal) -> Result<RecoveryCodes, SignInError> {
        let held = store::factor::of_user(&self.0.store, &by.user).await?;
        if !held.any() {
            return Err(FactorError::None.into());
        }
        let codes = RecoveryCodes::generate();
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        store::factor::put_recovery_codes(&mut tx, &by.user, &codes.hashes(&by.user), now).await?;
        let message = format!("{} made new recovery codes", by.name);
        let event = AuditEvent::done(now, "factor.renew", Actor::from(by), message);
        audit::append(&mut tx, &event.about_user(&by.user)).await?;
        tx.commit().await?;
        Ok(codes)
    }

    /// Takes one's app away.
    pub async fn remove_app(&self, by: &Principal) -> Result<(), SignInError> {
        let tx = self.without(&by.user, async |tx: &mut Tx| {
            store::factor::remove_totp(tx, &by.user).await
        });
        let tx = tx.await?;
        self.removed(tx, by, FactorKind::App).await
    }

    /// Removes a factor, and the recovery codes with the last one. Refused where somebody who
    /// must have a factor would have none.
    pub(super) async fn without(
        &self,
        user: &UserId,
        remove: impl AsyncFnOnce(&mut Tx) -> Result<(), StoreError>,
    ) -> Result<Tx, SignInError> {
        let mut tx = self.0.store.begin().await?;
        remove(&mut tx).await?;
        if !store::factor::of_user(&mut tx, user).await?.any() {
            let roles = store::user::by_id(&mut tx, user).await?.roles;
            if self.0.rule.demands(&roles) {
                return Err(FactorError::Last.into());
            }
            store::factor::remove_recovery_codes(&mut tx, user).await?;
        }
        Ok(tx)
    }

    pub(super) async fn removed(
        &self,
        mut tx: Tx,
        by: &Principal,
        second: FactorKind,
    ) -> Result<(), SignInError> {
        let now = self.0.clock.now();
        let message = format!("{} took a second factor away", by.name);
        let event = AuditEvent::done(now, "factor.remove", Actor::from(by), message)
            .about_user(&by.user)
            .with(serde_json::json!({ "factor": second.as_str() }));
        audit::append(&mut tx, &event).await?;
        Ok(tx.commit().await?)
    }

    /// An admin takes everything away that somebody could show besides a password, because they
    /// have lost it. Their sign-ins end: whoever holds what was lost may have made one.
    pub async fn reset_factors(&self, by: &Principal, user: &User) -> Result<(), SignInError> {
        let now = self.0.clock.now();
        let mut tx = self.0.store.begin().await?;
        store::factor::remove_all(&mut tx, &user.id).await?;
        let ended = store::token::delete_sign_ins(&mut tx, &user.id).await?;
        let message = format!("{} took the second factors of {} away", by.name, user.name);
        let event = AuditEvent::done(now, "factor.reset", Actor::from(by), message)
            .about_user(&user.id)
            .with(serde_json::json!({ "name": user.name, "sign_ins_ended": ended }));
        audit::append(&mut tx, &event).await?;
        Ok(tx.commit().await?)
    }
}
