//! Signing in to a target with the account's secret.
//!
//! The secret is given once, to the one question that was expected. A target that asks
//! again, or asks something else, gets nothing more.

use std::sync::Arc;

use russh::{
    MethodKind,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer, Prompt},
    keys::{PrivateKeyWithHashAlg, decode_secret_key},
};
use zeroize::Zeroizing;

use super::target::{FromTarget, TargetError, offers};
use crate::session::{Credential, CredentialError, Session, credential::AccountSecret};

/// How many rounds of mere information a target may send before its question.
const NOTICES: usize = 4;

pub async fn sign_in(
    handle: &mut Handle<FromTarget>,
    credential: &Credential,
    session: &Session,
) -> Result<(), TargetError> {
    let refused = || TargetError::Refused {
        target: session.target().name.to_string(),
        account: session.account().name.to_string(),
    };
    let accepted = match &credential.secret {
        AccountSecret::Password(_) => password(handle, credential, session).await?,
        AccountSecret::SshKey { .. } => key(handle, credential, session).await?,
        AccountSecret::Certificate { key, certificate } => handle
            .authenticate_openssh_cert(&credential.login, key.clone(), (**certificate).clone())
            .await
            .map_err(|source| protocol(session, source))?
            .success(),
        // Nothing that SSH could show.
        AccountSecret::ClientCertificate(_) => false,
    };
    accepted.then_some(()).ok_or_else(refused)
}

async fn key(
    handle: &mut Handle<FromTarget>,
    credential: &Credential,
    session: &Session,
) -> Result<bool, TargetError> {
    let AccountSecret::SshKey { key, passphrase } = &credential.secret else {
        return Ok(false);
    };
    let permit = session.permit();
    let sealed = |source| {
        let account = session.account().name.to_string();
        TargetError::Credential(CredentialError::Sealed { account, source })
    };
    let passphrase = match passphrase {
        Some(passphrase) => Some(passphrase.expose(permit, text).map_err(sealed)?),
        None => None,
    };
    let key = key.expose(permit, text).map_err(sealed)?;
    let key = decode_secret_key(&key, passphrase.as_ref().map(|text| text.as_str()))
        .map_err(|_| TargetError::BadKey(session.account().name.to_string()))?;
    // The hash is for RSA alone, and never SHA-1: a target that knows no other is refused.
    let hash = match key.algorithm().is_rsa() {
        true => handle
            .best_supported_rsa_hash()
            .await
            .map_err(|source| protocol(session, source))?
            .flatten()
            .or(Some(russh::keys::HashAlg::Sha512)),
        false => None,
    };
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
    let result = handle
        .authenticate_publickey(&credential.login, key)
        .await
        .map_err(|source| protocol(session, source))?;
    Ok(result.success())
}

async fn password(
    handle: &mut Handle<FromTarget>,
    credential: &Credential,
    session: &Session,
) -> Result<bool, TargetError> {
    let AccountSecret::Password(secret) = &credential.secret else {
        return Ok(false);
    };
    // Asks which ways there are, so that the password is tried by one and not by each.
    let ways = handle
        .authenticate_none(&credential.login)
        .await
        .map_err(|source| protocol(session, source))?;
    if let AuthResult::Success = ways {
        // It lets in whoever comes. So be it; it has not got the password.
        return Ok(true);
    }
    let password = || {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let exposed = secret.expose(session.permit(), text);
        exposed.map_err(|source| {
            let account = session.account().name.to_string();
            TargetError::Credential(CredentialError::Sealed { account, source })
        })
    };
    if offers(&ways, MethodKind::Password) {
        let result = handle
            .authenticate_password(&credential.login, password()?)
            .await
            .map_err(|source| protocol(session, source))?;
        return Ok(result.success());
    }
    if !offers(&ways, MethodKind::KeyboardInteractive) {
        return Ok(false);
    }
    let mut answer = handle
        .authenticate_keyboard_interactive_start(&credential.login, None::<String>)
        .await
        .map_err(|source| protocol(session, source))?;
    let mut given = false;
    for _ in 0..NOTICES {
        let responses = match &answer {
            Answer::Success => return Ok(true),
            Answer::Failure { .. } => return Ok(false),
            Answer::InfoRequest { prompts, .. } => match expected(prompts, given) {
                Question::Notice => Vec::new(),
                Question::Password => {
                    given = true;
                    vec![password()?]
                }
                Question::Other => return Err(unexpected(session, prompts)),
            },
        };
        answer = handle
            .authenticate_keyboard_interactive_respond(responses)
            .await
            .map_err(|source| protocol(session, source))?;
    }
    Ok(matches!(answer, Answer::Success))
}

#[derive(Debug, PartialEq, Eq)]
enum Question {
    Notice,
    Password,
    Other,
}

/// One hidden question for a password, once. Everything else is somebody fishing, or a
/// second factor that the gateway does not have.
fn expected(prompts: &[Prompt], given: bool) -> Question {
    match prompts {
        [] => Question::Notice,
        [prompt] if !given && !prompt.echo && is_for_password(&prompt.prompt) => Question::Password,
        _ => Question::Other,
    }
}

fn is_for_password(prompt: &str) -> bool {
    let prompt = prompt.to_lowercase();
    let asks = prompt.contains("password") || prompt.contains("passwort");
    // After a log-in, a password that has run out is asked for like this.
    let changes = ["new ", "change", "current", "retype", "old "]
        .iter()
        .any(|word| prompt.contains(word));
    asks && !changes && prompt.len() <= 256
}

fn text(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(secret).into_owned())
}

fn unexpected(session: &Session, prompts: &[Prompt]) -> TargetError {
    let asked = prompts.first().map_or("", |prompt| prompt.prompt.as_str());
    let asked: String = asked.chars().take(80).collect();
    TargetError::UnexpectedQuestion {
        target: session.target().name.to_string(),
        asked: crate::model::text::Text::ours(&asked).one_line(),
    }
}

fn protocol(session: &Session, source: russh::Error) -> TargetError {
    TargetError::Protocol {
        target: session.target().name.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(text: &str, echo: bool) -> Prompt {
        Prompt {
            prompt: text.to_owned(),
            echo,
        }
    }

    #[test]
    fn the_password_is_given_to_one_expected_question() {
        let asks = || vec![prompt("(root@db1) Password: ", false)];
        assert_eq!(expected(&asks(), false), Question::Password);
        assert_eq!(expected(&asks(), true), Question::Other, "not twice");
        assert_eq!(expected(&[], false), Question::Notice);
        for text in [
            "One-time code:",
            "New password:",
            "Current password:",
            "Retype new password:",
            "Passcode:",
            "",
        ] {
            assert_eq!(
                expected(&[prompt(text, false)], false),
                Question::Other,
                "{text}"
            );
        }
        let shown = [prompt("Password:", true)];
        assert_eq!(expected(&shown, false), Question::Other, "not in the clear");
        let two = [prompt("Password:", false), prompt("Password:", false)];
        assert_eq!(expected(&two, false), Question::Other);
    }
}
