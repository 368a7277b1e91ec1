//! Entering a target with the gateway's own word: a key of the moment, and a certificate of
//! the user authority for this permit.
//!
//! Written down with its serial before it is signed. The key is never stored.

use std::{sync::Arc, time::Duration};

use russh::keys::{
    PrivateKey,
    ssh_key::private::{Ed25519Keypair, KeypairData},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    Gate, Session,
    credential::{AccountSecret, Credential, CredentialError},
};
use crate::{
    model::{
        audit::{Actor, AuditEvent},
        capability::Capability,
        permit::Permit,
        time::Timestamp,
    },
    store::{self, authority::Which},
    vault::{Claims, VaultError, WrappedKey, entropy},
};

/// A certificate begins before it was signed: the target's clock may be behind.
const BEFORE_MS: i64 = 30_000;

/// It is looked at when the session opens and never again, and so is good for no longer than
/// clocks differ.
const AFTER: Duration = Duration::from_secs(600);

impl Gate {
    pub(super) async fn vouch(&self, session: &Session) -> Result<Credential, CredentialError> {
        let parts = &self.0.parts;
        let name = || session.account.name.to_string();
        let row = store::authority::load(&parts.store, Which::User).await?;
        let row = row.ok_or_else(|| CredentialError::Missing(name()))?;
        let sealed = WrappedKey {
            bytes: row.wrapped,
            kek_id: row.kek_id,
        };
        let failed = |source| CredentialError::Sealed {
            account: name(),
            source,
        };
        let key = key_of_the_moment().map_err(failed)?;
        let claims = self.claims(session);
        let message = format!(
            "a certificate was signed for {}@{}",
            session.account.name, session.target.name
        );
        let actor = Actor::from(&session.principal);
        let event = AuditEvent::done(self.now(), "credential.use", actor, message).with(json!({
            "kind": session.account.secret,
            // More than a number of JSON holds.
            "serial": claims.serial.to_string(),
            "login": session.account.login,
            "source": claims.source.map(|source| source.to_string()),
            "valid_until": claims.until,
        }));
        self.write_down(&session.about(event)).await?;
        let certificate = parts
            .vault
            .certify(
                &session.permit,
                &session.account,
                &sealed,
                key.public_key(),
                claims,
            )
            .map_err(failed)?;
        Ok(Credential {
            login: session.account.login.clone(),
            secret: AccountSecret::Certificate {
                key: Arc::new(key),
                certificate: Box::new(certificate),
            },
        })
    }

    fn claims(&self, session: &Session) -> Claims {
        let now = self.now();
        let permit = &session.permit;
        Claims {
            serial: u64::from_be_bytes(entropy()),
            key_id: format!(
                "check-out {}, {}, session {}",
                permit.code(),
                permit.user_name(),
                session.id
            ),
            source: session
                .source
                .get()
                .copied()
                .filter(|_| self.0.parts.bind_certificates),
            from: Timestamp::from_millis(now.millis() - BEFORE_MS),
            until: (now + AFTER).min(permit.until()),
            extensions: extensions(permit),
        }
    }
}

/// What the target's server may give, no more than the check-out does.
fn extensions(permit: &Permit) -> Vec<&'static str> {
    let has = |fits: fn(&Capability) -> bool| permit.capabilities().iter().any(fits);
    let mut extensions = vec!["permit-pty"];
    if has(|it| matches!(it, Capability::Forward(_) | Capability::RemoteForward(_))) {
        extensions.push("permit-port-forwarding");
    }
    if has(|it| matches!(it, Capability::Agent)) {
        extensions.push("permit-agent-forwarding");
    }
    if has(|it| matches!(it, Capability::X11)) {
        extensions.push("permit-X11-forwarding");
    }
    extensions
}

fn key_of_the_moment() -> Result<PrivateKey, VaultError> {
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(entropy());
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    PrivateKey::new(pair, "").map_err(VaultError::Certificate)
}
