//! Showing an account's secret to the holder of a check-out that was asked for that.
//!
//! An admission of its own: authorised, counted and audited before the first byte is unsealed.

use super::{
    Gate,
    credential::{Credential, CredentialError, described},
    gate::lost,
};
use crate::model::{
    audit::{Actor, AuditEvent},
    ids::CheckoutId,
    permit::{Permit, Purpose, authorize},
    principal::{Principal, Scope},
    refusal::Refusal,
};

/// A credential on its way to a person, and the permit to look into it.
pub struct Revealed {
    pub permit: Permit,
    pub credential: Credential,
}

#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// What `api` holds: it can show a secret this way and in no other.
#[derive(Clone)]
pub struct Revealer(pub(super) Gate);

impl Revealer {
    pub fn new(gate: Gate) -> Self {
        Self(gate)
    }

    pub async fn reveal(&self, by: &Principal, id: &CheckoutId) -> Result<Revealed, RevealError> {
        match self.admit(by, id).await {
            Ok(revealed) => Ok(revealed),
            Err(RevealError::Refused(refusal)) => {
                let actor = Actor::from(by);
                let mut event =
                    AuditEvent::refused(self.0.now(), "credential.reveal", actor, &refusal);
                event.checkout = Some(id.clone());
                self.0.note(event).await;
                Err(refusal.into())
            }
            Err(error) => Err(error),
        }
    }

    async fn admit(&self, by: &Principal, id: &CheckoutId) -> Result<Revealed, RevealError> {
        let Self(gate) = self;
        if !by.may(Scope::Reveal) {
            return Err(Refusal::NotAllowed("reveal").into());
        }
        let checkout = gate.checkout(id).await?;
        let (target, account) = gate.place(&checkout).await?;
        let permit = authorize(
            Purpose::Reveal,
            by,
            &checkout,
            &target,
            &account,
            0,
            gate.now(),
        )?;
        let message = format!(
            "{} viewed the secret of {}@{}",
            by.name, account.name, target.name
        );
        let event = AuditEvent::done(gate.now(), "credential.reveal", Actor::from(by), message)
            .about_checkout(&checkout)
            .with(described(&account));
        gate.write_down(&event).await.map_err(lost)?;
        let credential = gate.unseal(&account).await?;
        Ok(Revealed { permit, credential })
    }
}
