//! SSH public keys as people send them: parsed, of a safe kind, in one line.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Api, diff::FieldChange, error::Problem};
use crate::{
    identity::ssh_key::SshPublicKey,
    model::{ids::UserId, target::Pin, text::Text, time::Timestamp, user::SshKey},
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

/// The keys a target may prove itself with, in one form each.
pub fn host_keys(given: Vec<String>) -> Result<Vec<String>, Problem> {
    if given.len() > 20 {
        return Err(Problem::invalid("host_keys", "at most 20 are expected"));
    }
    let mut keys = Vec::new();
    for (index, key) in given.into_iter().enumerate() {
        let bad = |why| Problem::invalid(format!("host_keys[{index}]"), why);
        let key = match authority(key.trim()) {
            None => SshPublicKey::of_target(&key).map_err(bad)?.to_string(),
            Some(key) => {
                let key = SshPublicKey::of_target(key).map_err(bad)?.to_string();
                Pin::Authority(&key).to_string()
            }
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}
