//! What an operator does on the gateway's own machine: look at the configuration, bring the
//! database up to date, change the vault's key, verify the audit chain without a gateway.

use std::{collections::BTreeSet, time::Duration};

use clap::{Args, Subcommand};

use super::{
    evidence,
    exit::{Done, Exit, Failure},
    screen::Screen,
    serve::{At, chain},
    table::Table,
};
use crate::{
    app,
    audit::{self, PublicKey},
    clock::Clock,
    config::{Config, Origin},
    model::{
        audit::{Actor, AuditEvent},
        ids::AccountId,
    },
    store::{
        self, Store, StoreError,
        authority::{AuthorityRow, Which},
        recording::KeyRow,
        secret::SealedRow,
    },
    vault::{ChannelSecrets, RecordingKeys, SealedSecret, SecretField, Seeds, Vault, WrappedKey},
};

#[derive(Subcommand)]
pub enum ConfigVerb {
    /// Print every value in force and where it came from
    Check(Operate),
}

#[derive(Subcommand)]
pub enum VaultVerb {
    /// Seal every secret under a new key; the gateway may go on running
    Rekey(Operate),
}

#[derive(Args)]
pub struct Operate {
    #[command(flatten)]
    pub at: At,
}

/// How many secrets are sealed anew in one transaction.
const BATCH: usize = 100;

/// A secret that another process sealed under the old key is stored within this time.
const STRAGGLERS: Duration = Duration::from_secs(3);

pub async fn config(verb: ConfigVerb, screen: &Screen) -> Done {
    let ConfigVerb::Check(Operate { at }) = verb;
    let effective = at.load()?;
    if screen.json() {
        let values = effective.rows().map(|(key, value, origin)| {
            serde_json::json!({ "key": key, "value": value, "from": came_from(origin) })
        });
        return screen.raw(&serde_json::Value::from_iter(values).to_string());
    }
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    for (key, value, origin) in effective.rows() {
        table.row([key.to_owned(), value, came_from(origin)]);
    }
    screen.say(table.shown(screen, "No keys."))
}

fn came_from(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::Env(variable) => variable.clone(),
        Origin::Flag(flag) => flag.clone(),
    }
}

pub async fn migrate(Operate { at }: Operate, screen: &Screen) -> Done {
    // Opening brings it up to date, as every start does.
    open(&at.load()?.config).await?.close().await;
    if screen.json() {
        return screen.raw("{}");
    }
    screen.say("The database is up to date.")
}

pub async fn vault(verb: VaultVerb, screen: &Screen) -> Done {
    let VaultVerb::Rekey(Operate { at }) = verb;
    let config = at.load()?.config;
    let store = existing(&config).await?;
    let vault = Vault::open(&config.vault).map_err(fault)?;
    knows_every_key(&vault, &store).await?;
    let key = vault.add_key().map_err(fault)?;
    screen.note(format!("New key {key}; sealing every secret under it."));
    let mut count = rewrap_all(&store, &vault, &key).await?;
    // A gateway that runs may have sealed one under the old key just before.
    tokio::time::sleep(STRAGGLERS).await;
    count += rewrap_all(&store, &vault, &key).await?;
    let in_use = keys_in_use(&store).await?;
    let retired = vault.retire_keys(&in_use).map_err(fault)?;
    note(&store, &key, count, &retired).await.map_err(fault)?;
    store.close().await;
    if screen.json() {
        let done = serde_json::json!({ "key": key, "rewrapped": count, "retired": retired });
        return screen.raw(&done.to_string());
    }
    screen.say(format!(
        "{count} sealed under the new key {key}, {} forgotten. Copy the key file again.",
        retired.len()
    ))
}

/// Every vault key that a secret or a recording is sealed under.
async fn keys_in_use(store: &Store) -> Result<BTreeSet<String>, Failure> {
    let secrets = store::secret::kek_ids(store).await.map_err(fault)?;
    let recordings = store::recording::kek_ids(store).await.map_err(fault)?;
    Ok(secrets.into_iter().chain(recordings).collect())
}

/// A key file that does not belong to this database must not get a new key.
async fn knows_every_key(vault: &Vault, store: &Store) -> Result<(), Failure> {
    let in_use = keys_in_use(store).await?;
    match in_use.iter().find(|key| !vault.has_key(key)) {
        None => Ok(()),
        Some(key) => Err(Failure::fault(format!(
            "the vault has no key {key}, under which secrets of this database are sealed"
        ))
        .next("restore the key file that belongs to this database")),
    }
}

/// A key of the gateway's own: one row, or none yet.
async fn rewrap_authority(
    store: &Store,
    vault: &Vault,
    which: Which,
    key: &str,
) -> Result<usize, Failure> {
    let row = store::authority::load(store, which).await.map_err(fault)?;
    let Some(before) = row.filter(|row| row.kek_id != key) else {
        return Ok(0);
    };
    let sealed = WrappedKey {
        bytes: before.wrapped.clone(),
        kek_id: before.kek_id.clone(),
    };
    let rewrapped = match which {
        Which::User => vault.rewrap_authority(&sealed),
        Which::WebIdentity => vault.rewrap_identity_key(&sealed),
    };
    let WrappedKey { bytes, kek_id } = rewrapped.map_err(fault)?;
    let after = AuthorityRow {
        wrapped: bytes,
        kek_id,
        ..before.clone()
    };
    let mut tx = store.begin().await.map_err(fault)?;
    store::authority::rewrap(&mut tx, which, &before, &after)
        .await
        .map_err(fault)?;
    tx.commit().await.map_err(fault)?;
    Ok(1)
}

async fn rewrap_all(store: &Store, vault: &Vault, key: &str) -> Result<usize, Failure> {
    let mut count = 0;
    for which in Which::ALL {
        count += rewrap_authority(store, vault, which, key).await?;
    }
    count += rewrap_recordings(store, &vault.recording_keys(), key).await?;
    count += rewrap_channels(store, &vault.channel_secrets(), key).await?;
    count += rewrap_seeds(store, &vault.seeds(), key).await?;
    loop {
        let rows = store::secret::wrapped_otherwise(store, key, BATCH)
            .await
            .map_err(fault)?;
        if rows.is_empty() {
            return Ok(count);
        }
        for row in rows {
            let after = rewrap(vault, &row)?;
            let mut tx = store.begin().await.map_err(fault)?;
            match store::secret::replace(&mut tx, &row, &after).await {
                Ok(()) => tx.commit().await.map_err(fault)?,
                // Set anew in the meantime, and so sealed under the newest key.
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(fault(error)),
            }
            count += 1;
        }
    }
}

/// What channels sign, sign in or are reached with, under the newest vault key.
async fn rewrap_channels(
    store: &Store,
    secrets: &ChannelSecrets,
    key: &str,
) -> Result<usize, Failure> {
    let mut count = 0;
    loop {
        let rows = store::channel::wrapped_otherwise(store, key, BATCH)
            .await
            .map_err(fault)?;
        if rows.is_empty() {
            return Ok(count);
        }
        for (id, before) in rows {
            let sealed = SealedSecret {
                wrapped_key: before.wrapped_key.clone(),
                ciphertext: before.ciphertext.clone(),
                kek_id: before.kek_id.clone(),
            };
            let sealed = secrets.rewrap(&id, &sealed).map_err(fault)?;
            let after = store::channel::SealedRow {
                wrapped_key: sealed.wrapped_key,
                ciphertext: sealed.ciphertext,
                kek_id: sealed.kek_id,
            };
            let mut tx = store.begin().await.map_err(fault)?;
            match store::channel::rewrap(&mut tx, &id, &before, &after).await {
                Ok(()) => tx.commit().await.map_err(fault)?,
                // Set anew in the meantime, and so sealed under the newest key.
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(fault(error)),
            }
            count += 1;
        }
    }
}

/// The seeds of authenticator apps.
async fn rewrap_seeds(store: &Store, seeds: &Seeds, key: &str) -> Result<usize, Failure> {
    let mut count = 0;
    loop {
        let rows = store::factor::wrapped_otherwise(store, key, BATCH)
            .await
            .map_err(fault)?;
        if rows.is_empty() {
            return Ok(count);
        }
        for (user, bytes, kek_id) in rows {
            let before = WrappedKey { bytes, kek_id };
            let after = seeds.rewrap(&user, &before).map_err(fault)?;
            let mut tx = store.begin().await.map_err(fault)?;
            let (from, to) = (&before.bytes, &after.bytes);
            match store::factor::rewrap(&mut tx, &user, from, to, &after.kek_id).await {
                Ok(()) => tx.commit().await.map_err(fault)?,
                // Set up anew in the meantime, and so sealed under the newest key.
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(fault(error)),
            }
            count += 1;
        }
    }
}

/// The keys of recordings, under the newest vault key; the recordings stay as they are.
async fn rewrap_recordings(
    store: &Store,
    keys: &RecordingKeys,
    key: &str,
) -> Result<usize, Failure> {
    let mut count = 0;
    loop {
        let rows = store::recording::wrapped_otherwise(store, key, BATCH)
            .await
            .map_err(fault)?;
        if rows.is_empty() {
            return Ok(count);
        }
        let mut tx = store.begin().await.map_err(fault)?;
        for (id, before) in rows {
            let wrapped = WrappedKey {
                bytes: before.wrapped_key.clone(),
                kek_id: before.kek_id.clone(),
            };
            let wrapped = keys.rewrap(&id, &wrapped).map_err(fault)?;
            let after = KeyRow {
                wrapped_key: wrapped.bytes,
                kek_id: wrapped.kek_id,
            };
            match store::recording::replace_key(&mut tx, &id, &before, &after).await {
                Ok(()) => count += 1,
                // Deleted in the meantime.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        tx.commit().await.map_err(fault)?;
    }
}

fn rewrap(vault: &Vault, row: &SealedRow) -> Result<SealedRow, Failure> {
    let field: SecretField = row.field.parse().map_err(fault)?;
    let sealed = SealedSecret {
        wrapped_key: row.wrapped_key.clone(),
        ciphertext: row.ciphertext.clone(),
        kek_id: row.kek_id.clone(),
    };
    let account: &AccountId = &row.account;
    let SealedSecret {
        wrapped_key,
        ciphertext,
        kek_id,
    } = vault.rewrap(account, field, &sealed).map_err(fault)?;
    Ok(SealedRow {
        wrapped_key,
        ciphertext,
        kek_id,
        ..row.clone()
    })
}

async fn note(
    store: &Store,
    key: &str,
    count: usize,
    retired: &[String],
) -> Result<(), StoreError> {
    let now = Clock::system().now();
    let message = format!("{count} secrets and keys of recordings were sealed under a new key");
    let event = AuditEvent::done(now, "vault.rekey", Actor::Gateway, message)
        .with(serde_json::json!({ "key": key, "retired": retired }));
    let mut tx = store.begin().await?;
    audit::append(&mut tx, &event).await?;
    tx.commit().await
}

/// Verifies the chain in the database itself, against the gateway's own key.
pub async fn verify(at: At, screen: &Screen) -> Done {
    let config = at.load()?.config;
    let store = existing(&config).await?;
    let signer = app::signer(&config).map_err(fault)?;
    let witness = audit::read_witness(&app::witness(&config)).map_err(fault)?;
    let key = PublicKey::of(signer.key_pair());
    let verdict = audit::verify(&store, &key, witness.as_ref())
        .await
        .map_err(fault)?;
    store.close().await;
    evidence::say(&verdict, screen)
}

/// The key that the chain's checkpoints are signed with.
pub async fn public_key(at: &At) -> Result<PublicKey, Failure> {
    let config = at.load()?.config;
    existing(&config).await?.close().await;
    let signer = app::signer(&config).map_err(fault)?;
    Ok(PublicKey::of(signer.key_pair()))
}

/// A database that is there: looking at one must not make one.
async fn existing(config: &Config) -> Result<Store, Failure> {
    match config.database.url.file() {
        Some(file) if !file.exists() => {
            let sentence = format!("there is no database {}", file.display());
            Err(Failure::new(Exit::NotFound, sentence)
                .next("name the gateway's configuration with --config"))
        }
        _ => open(config).await,
    }
}

async fn open(config: &Config) -> Result<Store, Failure> {
    app::store(config).await.map_err(fault)
}

fn fault(error: impl std::error::Error) -> Failure {
    Failure::fault(chain(&error))
}
