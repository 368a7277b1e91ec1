//! What a start finds and makes: folders, the store, keys, the time, this node.

use std::time::Duration;

use tracing::warn;

use super::StartError;
use crate::{
    audit,
    clock::Clock,
    config::Config,
    lifecycle::Lifecycle,
    model::{ids::NodeId, time::Timestamp, web::KeySet},
    store::{
        self, Store, StoreError,
        authority::{AuthorityRow, Which},
        node::Node,
    },
    vault::{self, IdentityKey, SigningKey, Vault, VaultError, WrappedKey, entropy, keyfile},
};

/// How far behind the newest audit event the wall clock may be before it is worth a word.
const SLACK: Duration = Duration::from_secs(2);

pub fn folder(path: &std::path::Path) -> Result<(), StartError> {
    keyfile::private_directory(path).map_err(|source| StartError::Folder {
        path: path.to_owned(),
        source,
    })
}

pub async fn store(config: &Config) -> Result<Store, StartError> {
    let database = &config.database;
    let url = match &database.password {
        None => zeroize::Zeroizing::new(database.url.as_str().to_owned()),
        Some(source) => {
            let password = vault::read_source(source)?;
            let password = std::str::from_utf8(&password).map_err(|_| StartError::Password)?;
            database.url.with_password(password.trim_end())
        }
    };
    Ok(Store::open(&url).await?)
}

/// The vault, if it holds every key that this database was sealed with: a database that was
/// restored without its keys is noticed now, and not by the first who is let in.
pub async fn vault(config: &Config, store: &Store) -> Result<Vault, StartError> {
    let vault = Vault::open(&config.vault)?;
    let mut missing = store::secret::kek_ids(store).await?;
    missing.extend(store::recording::kek_ids(store).await?);
    match missing.into_iter().find(|key| !vault.has_key(key)) {
        Some(key) => Err(StartError::OtherVault(key)),
        None => Ok(vault),
    }
}

/// The public key of the user authority, which is made at the first start.
pub async fn authority(store: &Store, vault: &Vault, now: Timestamp) -> Result<String, StartError> {
    kept_or_made(store, Which::User, now, || {
        let (public, sealed) = vault.make_authority()?;
        let public = public.to_openssh().map_err(VaultError::Certificate)?;
        Ok((public, sealed))
    })
    .await
}

/// The public keys with which web targets verify who is there; one is made at the first start.
pub async fn identity_keys(
    store: &Store,
    vault: &Vault,
    now: Timestamp,
) -> Result<KeySet, StartError> {
    let public = kept_or_made(store, Which::WebIdentity, now, || {
        let (public, sealed) = vault.make_identity_key()?;
        Ok((public.to_text(), sealed))
    });
    let key = IdentityKey::parse(&public.await?)?;
    Ok(KeySet {
        keys: vec![key.jwk()],
    })
}

/// The public half of a key of the gateway's own.
async fn kept_or_made(
    store: &Store,
    which: Which,
    now: Timestamp,
    make: impl FnOnce() -> Result<(String, WrappedKey), VaultError>,
) -> Result<String, StartError> {
    if let Some(row) = store::authority::load(store, which).await? {
        return Ok(row.public_key);
    }
    let (public_key, key) = make()?;
    let row = AuthorityRow {
        public_key,
        wrapped: key.bytes,
        kek_id: key.kek_id,
    };
    let mut tx = store.begin().await?;
    // Another node may have been faster.
    let kept = store::authority::put_once(&mut tx, which, &row, now).await?;
    tx.commit().await?;
    Ok(kept.public_key)
}

/// The key that signs the audit chain.
pub fn signer(config: &Config) -> Result<SigningKey, StartError> {
    Ok(SigningKey::load_or_create(
        &config.data.dir.join("audit.key"),
    )?)
}

/// Time goes on where the newest audit event left it, should the wall clock have stepped back.
pub async fn floor(clock: &Clock, store: &Store) -> Result<(), StoreError> {
    let Some(newest) = audit::newest_at(store).await? else {
        return Ok(());
    };
    let ahead = clock.floor(newest);
    if ahead > SLACK {
        warn!(
            seconds = ahead.as_secs(),
            "The wall clock is behind the newest audit event, counting on from there"
        );
    }
    Ok(())
}

/// Enters this run of the gateway, and closes what earlier runs of it left open.
///
/// INVARIANT (P9): what an earlier run left open is closed before anybody new is admitted.
pub async fn node(
    store: &Store,
    clock: &Clock,
    lifecycle: &Lifecycle,
    config: &Config,
) -> Result<Node, StoreError> {
    let now = clock.now();
    let node = Node {
        id: NodeId::new(now, entropy()),
        name: name(config),
        started_at: now,
        seen_at: now,
    };
    let mut tx = store.begin().await?;
    store::node::register(&mut tx, &node).await?;
    tx.commit().await?;
    for gone in store::node::gone(store, &node.id, &node.name, Timestamp::from_millis(0)).await? {
        lifecycle.close_lost(&gone).await?;
    }
    Ok(node)
}

/// The same after a restart, and no other gateway's: the machine and the data folder.
fn name(config: &Config) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let data = std::path::absolute(&config.data.dir).unwrap_or_else(|_| config.data.dir.clone());
    format!("{}:{}", host.trim(), data.display())
}
