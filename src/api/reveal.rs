//! Shows an account's secret to the holder of a check-out that was asked for that.
//!
//! `session` admits, unseals and writes it down; here it only goes out, once.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroize;

use super::{Api, auth::Caller, body::At, error::Problem, sight};
use crate::{
    model::target::SecretKind,
    session::{
        credential::AccountSecret,
        reveal::{RevealError, Revealed},
    },
};

/// Wiped once it is sent.
#[derive(Serialize, ToSchema)]
pub struct RevealedSecret {
    /// The user name at the target.
    login: String,
    kind: SecretKind,
    secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<String>,
}

impl Drop for RevealedSecret {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.passphrase.zeroize();
    }
}

pub async fn reveal(
    State(api): State<Api>,
    caller: Caller,
    At(named): At<String>,
) -> Result<Json<RevealedSecret>, Problem> {
    let by = &caller.principal;
    let id = sight::checkout(&api, by, &named).await?.id;
    let Revealed { permit, credential } = api.revealer().reveal(by, &id).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (kind, secret, passphrase) = match &credential.secret {
        AccountSecret::Password(password) => {
            (SecretKind::Password, password.expose(&permit, text), None)
        }
        AccountSecret::SshKey { key, passphrase } => {
            let passphrase = passphrase.as_ref().map(|it| it.expose(&permit, text));
            (SecretKind::SshKey, key.expose(&permit, text), passphrase)
        }
        AccountSecret::ClientCertificate(pem) => {
            let pem = pem.expose(&permit, text);
            (SecretKind::ClientCertificate, pem, None)
        }
        AccountSecret::Certificate { .. } => {
            let why = "this account has no secret: each session has a certificate of its own";
            return Err(Problem::conflict("no-secret", why.to_owned()));
        }
    };
    Ok(Json(RevealedSecret {
        login: credential.login,
        kind,
        secret: secret.map_err(unreadable)?,
        passphrase: passphrase.transpose().map_err(unreadable)?,
    }))
}

fn unreadable(error: impl std::error::Error) -> Problem {
    Problem::fault("reading a secret", &error)
}

impl From<RevealError> for Problem {
    fn from(error: RevealError) -> Self {
        use crate::session::credential::CredentialError as C;
        match error {
            RevealError::Refused(refusal) => Self::from(refusal).already_audited(),
            RevealError::Credential(C::Store(error)) => error.into(),
            RevealError::Credential(error @ C::Missing(_)) => {
                Self::conflict("no-secret", error.to_string())
            }
            RevealError::Credential(error @ C::Sealed { .. }) => {
                Self::fault("unsealing a secret", &error)
            }
        }
    }
}
