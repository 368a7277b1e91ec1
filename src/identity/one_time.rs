//! Somebody who comes with the one-time secret of a check-out, and no other proof.
//!
//! Who compares the secret calls `one_time` after it was right, and `refuse_one_time` after it
//! was not. Every try is counted first, as those with passwords are.

use std::net::IpAddr;

use tracing::warn;

use super::sign_in::{Door, Identity, SignInError};
use crate::{
    model::{
        audit::{Actor, AuditEvent, AuditOutcome},
        ids::{CheckoutId, UserId},
        principal::{Principal, Proof, Scope},
    },
    store,
};

impl Identity {
    /// Counts a try with this name, or says that there were too many.
    pub fn try_one_time(&self, name: &str, peer: IpAddr) -> Result<(), SignInError> {
        let admitted = self.0.throttle.admit(name, peer);
        admitted.map_err(SignInError::Throttled)
    }

    /// Who holds the check-out whose secret was shown. Never call it before the secret was
    /// compared.
    pub async fn one_time(
        &self,
        user: &UserId,
        checkout: &CheckoutId,
    ) -> Result<Principal, SignInError> {
        let user = store::found(store::user::by_id(&self.0.store, user).await)?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Err(SignInError::Refused);
        };
        let proof = Proof::OneTime {
            checkout: checkout.clone(),
        };
        // Good for using that check-out, and for nothing else.
        let scopes = [Scope::Request].into_iter().collect();
        Ok(user.scoped_principal(proof, scopes))
    }

    /// Has the auditor told of a client that was turned away before it said who it is.
    ///
    /// Slowed as guessing is, so that a flood of strangers does not fill the log.
    pub async fn note_unsuited(&self, why: &str, peer: IpAddr) {
        // No user is called so.
        if self.0.throttle.admit("a client", peer).is_err() {
            return;
        }
        let actor = Actor::Nobody {
            claimed: String::new(),
            peer: peer.to_string(),
        };
        let message = format!("sign-in refused: {why}");
        let mut event = AuditEvent::done(self.0.clock.now(), "user.sign-in", actor, message);
        event.outcome = AuditOutcome::Refused("unsuited-client".to_owned());
        event.detail = serde_json::json!({ "door": Door::Rdp.as_str() });
        if let Err(error) = self.note(&event).await {
            warn!(%error, "Refused client not audited");
        }
    }

    /// Has the auditor told of a secret that was wrong, or of a name that means nothing.
    pub async fn refuse_one_time(&self, name: &str, peer: IpAddr) -> SignInError {
        self.refused(name, peer, Door::Rdp, "one-time secret").await
    }
}
