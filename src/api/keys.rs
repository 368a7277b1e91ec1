//! SSH public keys, and what targets must prove, as people send them: parsed, of a safe kind,
//! in one line each.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Api, diff::FieldChange, error::Problem};
use crate::{
    identity::ssh_key::SshPublicKey,
    model::{
        ids::UserId,
        target::{Pin, Protocol},
        text::Text,
        time::Timestamp,
        user::SshKey,
        web::{NotAPin, TlsPin},
    },
    store,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// OpenSSH's one-line form: `ssh-ed25519 AAAA… alice@laptop`.
    public_key: String,
    /// Left out, the key's own comment is taken.
    comment: Option<Text>,
}

impl NewKey {
    pub fn of(line: &str) -> Self {
        Self {
            public_key: line.to_owned(),
            comment: None,
        }
    }

    pub fn read(self, now: Timestamp) -> Result<SshKey, Problem> {
        let key = SshPublicKey::of_person(&self.public_key)
            .map_err(|why| Problem::invalid("public_key", why))?;
        Ok(SshKey {
            fingerprint: key.fingerprint(),
            public_key: key.to_string(),
            comment: self.comment.unwrap_or_else(|| Text::ours(key.comment())),
            added_at: now,
        })
    }
}

/// Whether a user may have one more key.
pub async fn room(api: &Api, user: &UserId) -> Result<(), Problem> {
    const MOST: usize = 50;
    if store::ssh_key::of_user(api.store(), user).await?.len() < MOST {
        return Ok(());
    }
    let detail = format!("a user has {MOST} SSH keys at most");
    Err(Problem::conflict("too-many", detail).hint("remove those that are not used"))
}

/// What the audit says of a key.
pub fn key_of(key: &SshKey) -> [FieldChange; 1] {
    [FieldChange {
        field: "fingerprint".to_owned(),
        before: serde_json::Value::Null,
        after: key.fingerprint.clone().into(),
    }]
}

/// The key of an authority, out of a line with or without the host patterns that known_hosts
/// has there: a pin is for one target.
fn authority(line: &str) -> Option<&str> {
    let Pin::Authority(rest) = Pin::of(line) else {
        return None;
    };
    let rest = rest.trim_start();
    let is_key = |text: &str| text.starts_with("ssh-") || text.starts_with("ecdsa-");
    match rest.split_once(' ') {
        Some((_, key)) if !is_key(rest) && is_key(key.trim_start()) => Some(key.trim_start()),
        _ => Some(rest),
    }
}

/// What a target may prove itself with, in one form each.
pub fn pins(protocol: Protocol, given: Vec<String>) -> Result<Vec<String>, Problem> {
    if given.len() > 20 {
        return Err(Problem::invalid("host_keys", "at most 20 are expected"));
    }
    let mut pins = Vec::new();
    for (index, line) in given.into_iter().enumerate() {
        let read = match protocol {
            Protocol::Ssh => host_key(&line),
            Protocol::Web | Protocol::Rdp => tls_pin(&line),
        };
        let pin = read.map_err(|why| Problem::invalid(format!("host_keys[{index}]"), why))?;
        if !pins.contains(&pin) {
            pins.push(pin);
        }
    }
    Ok(pins)
}

fn host_key(line: &str) -> Result<String, String> {
    let key = |line: &str| match SshPublicKey::of_target(line) {
        Ok(key) => Ok(key.to_string()),
        Err(why) => Err(why.to_string()),
    };
    match authority(line.trim()) {
        None => key(line),
        Some(line) => Ok(Pin::Authority(&key(line)?).to_string()),
    }
}

fn tls_pin(line: &str) -> Result<String, String> {
    let pin: TlsPin = line
        .trim()
        .parse()
        .map_err(|why: NotAPin| why.to_string())?;
    if let TlsPin::Authority(der) = &pin {
        let is_authority = x509_parser::parse_x509_certificate(der)
            .is_ok_and(|(rest, certificate)| rest.is_empty() && certificate.is_ca());
        if !is_authority {
            return Err("this is not the certificate of an authority".to_owned());
        }
    }
    Ok(pin.to_string())
}
