//! The target's credential, for one permit.
//!
//! Unsealed only after the audit event that says so is written. The broker gives it to the
//! target and to nobody else.

use std::sync::Arc;

use russh::keys::{Certificate, PrivateKey};
use serde_json::json;

use super::{Gate, Session};
use crate::{
    audit,
    model::{
        audit::{Actor, AuditEvent},
        target::{Account, SecretKind},
    },
    store::{self, StoreError},
    vault::{SealedSecret, Secret, SecretField, VaultError},
};

/// What the gateway signs in to the target with.
pub struct Credential {
    /// The user name at the target.
    pub login: String,
    pub secret: AccountSecret,
}

pub enum AccountSecret {
    Password(Secret),
    SshKey {
        key: Secret,
        passphrase: Option<Secret>,
    },
    /// A certificate and its key, as PEM text.
    ClientCertificate(Secret),
    /// Good for this session and nothing else, so there is nothing to keep from anybody.
    Certificate {
        key: Arc<PrivateKey>,
        certificate: Box<Certificate>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error("account {0} has no secret")]
    Missing(String),
    #[error("the secret of account {account} cannot be unsealed")]
    Sealed { account: String, source: VaultError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gate {
    pub(super) async fn credential(
        &self,
        session: &Session,
    ) -> Result<Credential, CredentialError> {
        if session.account.secret == Some(SecretKind::SshCa) {
            return self.vouch(session).await;
        }
        let actor = Actor::from(&session.principal);
        let message = format!("the credential of {} was used", session.account.name);
        let event = AuditEvent::done(self.now(), "credential.use", actor, message);
        self.write_down(&session.about(event)).await?;
        self.unseal(&session.account).await
    }

    /// INVARIANT: called only after an audit event of the use or the view is committed.
    pub(super) async fn unseal(&self, account: &Account) -> Result<Credential, CredentialError> {
        let parts = &self.0.parts;
        let rows = store::secret::load(&parts.store, &account.id).await?;
        let open = |field: SecretField| -> Result<Option<Secret>, CredentialError> {
            let Some(row) = rows.iter().find(|row| row.field == field.as_str()) else {
                return Ok(None);
            };
            let sealed = SealedSecret {
                wrapped_key: row.wrapped_key.clone(),
                ciphertext: row.ciphertext.clone(),
                kek_id: row.kek_id.clone(),
            };
            let opened = parts.vault.unseal(&account.id, field, &sealed);
            opened.map(Some).map_err(|source| CredentialError::Sealed {
                account: account.name.to_string(),
                source,
            })
        };
        let missing = || CredentialError::Missing(account.name.to_string());
        let secret = match account.secret.ok_or_else(missing)? {
            SecretKind::Password => {
                AccountSecret::Password(open(SecretField::Password)?.ok_or_else(missing)?)
            }
            SecretKind::SshKey => AccountSecret::SshKey {
                key: open(SecretField::SshKey)?.ok_or_else(missing)?,
                passphrase: open(SecretField::Passphrase)?,
            },
            SecretKind::ClientCertificate => {
                let opened = open(SecretField::ClientCertificate)?;
                AccountSecret::ClientCertificate(opened.ok_or_else(missing)?)
            }
            // There is none that could be opened.
            SecretKind::SshCa => return Err(missing()),
        };
        Ok(Credential {
            login: account.login.clone(),
            secret,
        })
    }

    pub(super) async fn write_down(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let mut tx = self.0.parts.store.begin().await?;
        audit::append(&mut tx, event).await?;
        tx.commit().await
    }
}

/// The kind of an account's secret, as the audit log names it.
pub(super) fn described(account: &Account) -> serde_json::Value {
    json!({ "account": account.name, "login": account.login, "kind": account.secret })
}
