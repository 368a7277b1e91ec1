//! A desktop in the browser: the code with which a page of the console opens one.
//!
//! Made for one sign-in and one check-out, good for a minute, and spent once it was shown. It
//! says that somebody wants in now; whether they may is asked elsewhere.

use std::net::IpAddr;

use super::{
    browser::ON_THE_WAY,
    sign_in::{Door, Identity, SignInError},
    token::{Token as Secret, TokenKind},
};
use crate::{
    model::ids::{CheckoutId, TokenId},
    store::{self, StoreError, handover::Handover},
};

/// Where such a code leads. No host of a target is called that: those have a domain.
const HOST: &str = "desktop";

impl Identity {
    pub async fn desktop_code(
        &self,
        sign_in: &TokenId,
        checkout: &CheckoutId,
    ) -> Result<Secret, SignInError> {
        let now = self.0.clock.now();
        let code = Secret::generate(TokenKind::Handover);
        let handover = Handover {
            token: sign_in.clone(),
            host: HOST.to_owned(),
            nonce_hash: String::new(),
            path: checkout.to_string(),
            expires_at: now + ON_THE_WAY,
        };
        let mut tx = self.0.store.begin().await?;
        let hash = code.hash().to_string();
        match store::handover::insert(&mut tx, &handover, &hash, now).await {
            // Signed out in this moment.
            Err(StoreError::NotFound(_)) => return Err(SignInError::Refused),
            inserted => inserted?,
        }
        tx.commit().await?;
        Ok(code)
    }

    /// Takes a code from the browser of that sign-in, for that check-out.
    ///
    /// INVARIANT: a code that was shown is spent, whether it opened anything or not.
    pub async fn take_desktop_code(
        &self,
        code: &str,
        sign_in: &TokenId,
        checkout: &CheckoutId,
        peer: IpAddr,
    ) -> Result<(), SignInError> {
        let Some((hash, handover)) = self.handed_over(code).await? else {
            return Err(self.not_opened(peer).await);
        };
        let mut tx = self.0.store.begin().await?;
        match store::handover::spend(&mut tx, &hash).await {
            Err(StoreError::NotFound(_)) => return Err(self.not_opened(peer).await),
            spent => spent?,
        }
        tx.commit().await?;
        let fits = handover.host == HOST
            && handover.token == *sign_in
            && handover.path == checkout.as_str()
            && handover.expires_at > self.0.clock.now();
        match fits {
            true => Ok(()),
            false => Err(self.not_opened(peer).await),
        }
    }

    async fn not_opened(&self, peer: IpAddr) -> SignInError {
        if self.0.throttle.admit("", peer).is_ok() {
            self.refused("", peer, Door::Console, "desktop").await;
        }
        SignInError::Refused
    }
}
