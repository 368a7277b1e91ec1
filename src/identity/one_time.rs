//! Somebody who comes with the one-time secret of a check-out, and no other proof.
//!
//! Who compares the secret calls `one_time` after it was right, and `refuse_one_time` after it
//! was not. Every try is counted first, as those with passwords are.

use std::net::IpAddr;

use super::sign_in::{Door, Identity, SignInError};
use crate::{
    model::{
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

    /// Has the auditor told of a secret that was wrong, or of a name that means nothing.
    pub async fn refuse_one_time(&self, name: &str, peer: IpAddr) -> SignInError {
        self.refused(name, peer, Door::Rdp, "one-time secret").await
    }
}
