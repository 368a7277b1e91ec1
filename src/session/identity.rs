//! Telling a web target who is there, in a way that it can verify: a JWT (RFC 7519) of the
//! gateway's, for this target, this user and a short while.
//!
//! Never for somebody else than the permit is for, and never for longer than it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use super::Session;
use crate::{
    model::{principal::Principal, web::IdentityClaims},
    store::{self, StoreError, authority::Which},
    vault::{IdentityKey, VaultError, WrappedKey},
};

/// Clocks differ by less, and whoever gets hold of one has it for no longer.
const GOOD_FOR: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("there is no key to sign with")]
    Missing,
    #[error("this is somebody else's session")]
    SomebodyElse,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// A token, and how long it is good for.
pub struct SignedIdentity {
    pub token: String,
    pub good_for: Duration,
}

impl Session {
    pub async fn identity_token(&self, by: &Principal) -> Result<SignedIdentity, IdentityError> {
        if by.user != *self.permit.user() {
            return Err(IdentityError::SomebodyElse);
        }
        let parts = &self.gate.0.parts;
        let row = store::authority::load(&parts.store, Which::WebIdentity).await?;
        let row = row.ok_or(IdentityError::Missing)?;
        let public = IdentityKey::parse(&row.public_key)?;
        let sealed = WrappedKey {
            bytes: row.wrapped,
            kek_id: row.kek_id,
        };
        let now = self.now();
        let until = (now + GOOD_FOR).min(self.until());
        let claims = IdentityClaims {
            iss: &parts.ways_in.console,
            aud: self.target.name.as_str(),
            sub: by.name.as_str(),
            groups: by.groups.iter().map(|group| group.as_str()).collect(),
            iat: now.millis().div_euclid(1_000),
            exp: until.millis().div_euclid(1_000),
            checkout: self.permit.code().as_str(),
            session: self.id.as_str(),
        };
        let head = json!({ "alg": "ES256", "kid": public.jwk().kid, "typ": "JWT" });
        let encoded = |part: Vec<u8>| BASE64URL_NOPAD.encode(&part);
        let head = encoded(head.to_string().into_bytes());
        let claims = serde_json::to_vec(&claims).expect("names and numbers become JSON");
        let mut token = format!("{head}.{}", encoded(claims));
        let signature =
            parts
                .vault
                .sign_identity(&self.permit, &sealed, &public, token.as_bytes())?;
        token.push('.');
        token.push_str(&encoded(signature));
        let left = until.millis().saturating_sub(now.millis());
        Ok(SignedIdentity {
            token,
            good_for: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        })
    }
}
