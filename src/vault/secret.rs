//! A secret in the clear, for as short as possible.
//!
//! It can be looked at, against a permit, and nothing else: not copied, shown or written.

use std::{fmt, str::FromStr};

use zeroize::Zeroizing;

use super::VaultError;
use crate::model::{ids::AccountId, permit::Permit};

/// Which of an account's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretField {
    Password,
    /// A private key as PEM text.
    SshKey,
    /// What the private key is itself encrypted with, if it is.
    Passphrase,
    /// A certificate and its private key, as PEM text.
    ClientCertificate,
}

impl SecretField {
    pub const ALL: [Self; 4] = [
        Self::Password,
        Self::SshKey,
        Self::Passphrase,
        Self::ClientCertificate,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SshKey => "ssh-key",
            Self::Passphrase => "passphrase",
            Self::ClientCertificate => "client-certificate",
        }
    }
}

impl fmt::Display for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a field of a secret: password, ssh-key, passphrase or client-certificate is expected"
)]
pub struct NotASecretField;

impl FromStr for SecretField {
    type Err = NotASecretField;
    fn from_str(text: &str) -> Result<Self, NotASecretField> {
        Self::ALL
            .into_iter()
            .find(|field| field.as_str() == text)
            .ok_or(NotASecretField)
    }
}

/// A secret in the clear. Wiped when dropped.
///
/// It has no shape: it cannot be printed,
/// ```compile_fail,E0277
/// fn shown(secret: &doorward::vault::Secret) -> String {
///     format!("{secret:?}")
/// }
/// ```
/// ```compile_fail,E0277
/// fn shown(secret: &doorward::vault::Secret) -> String {
///     format!("{secret}")
/// }
/// ```
/// copied,
/// ```compile_fail,E0382
/// fn twice(secret: doorward::vault::Secret) -> [doorward::vault::Secret; 2] {
///     [secret, secret]
/// }
/// ```
/// ```compile_fail,E0277
/// fn cloned<T: Clone>() {}
/// cloned::<doorward::vault::Secret>();
/// ```
/// written out,
/// ```compile_fail,E0277
/// fn written(secret: &doorward::vault::Secret) -> serde_json::Value {
///     serde_json::json!(secret)
/// }
/// ```
/// or carried out of the closure that looks at it.
/// ```compile_fail
/// fn kept<'a>(secret: &'a doorward::vault::Secret, permit: &doorward::model::permit::Permit) -> &'a [u8] {
///     secret.expose(permit, |bytes| bytes).unwrap()
/// }
/// ```
/// What does compile is a look:
/// ```
/// # use doorward::{model::permit::Permit, vault::{Secret, VaultError}};
/// fn length(secret: &Secret, permit: &Permit) -> Result<usize, VaultError> {
///     secret.expose(permit, |bytes| bytes.len())
/// }
/// ```
pub struct Secret {
    account: AccountId,
    field: SecretField,
    bytes: Zeroizing<Vec<u8>>,
}

impl Secret {
    pub(super) fn new(account: AccountId, field: SecretField, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self {
            account,
            field,
            bytes,
        }
    }

    pub fn field(&self) -> SecretField {
        self.field
    }

    /// Lets `look` see the secret if the permit is for its account.
    pub fn expose<T>(
        &self,
        permit: &Permit,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, VaultError> {
        if *permit.account() == self.account {
            Ok(look(&self.bytes))
        } else {
            Err(VaultError::OtherAccount)
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
