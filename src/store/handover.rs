//! Browsers on their way from the console to a target's host: what a one-time code stands for.
//! The code itself is kept nowhere, only its hash.

use super::{Result, Source, StoreError, Tx, sql::sql};
use crate::model::{ids::TokenId, time::Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The sign-in at the console.
    pub token: TokenId,
    /// The host that it is for.
    pub host: String,
    /// The SHA-256, hexadecimal, of what the browser was given at that host before.
    pub nonce_hash: String,
    /// What was asked for there: path and query.
    pub path: String,
    pub expires_at: Timestamp,
}

/// Adds one under the SHA-256 of its code, hexadecimal, and removes what is over by `now`.
pub async fn insert(
    tx: &mut Tx,
    handover: &Handover,
    secret_hash: &str,
    now: Timestamp,
) -> Result<()> {
    let write = sql(
        "handing somebody over",
        "insert into handover (secret_hash, token, host, nonce_hash, path, expires_at)
         values ($1, $2, $3, $4, $5, $6)",
    );
    let write = write
        .text(secret_hash)
        .text(handover.token.as_str())
        .text(&handover.host)
        .text(&handover.nonce_hash)
        .text(&handover.path)
        .time(handover.expires_at);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => return Err(StoreError::NotFound("token")),
        done => done?,
    };
    let old = sql(
        "removing what nobody came for",
        "delete from handover where expires_at <= $1",
    );
    tx.run(old.time(now)).await.map(drop)
}

/// What this code stands for, over or not.
pub async fn by_hash(mut from: impl Source, secret_hash: &str) -> Result<Handover> {
    let query = sql(
        "reading what a code stands for",
        "select token, host, nonce_hash, path, expires_at from handover where secret_hash = $1",
    );
    let row = from.maybe_one(query.text(secret_hash)).await?;
    let row = row.ok_or(StoreError::NotFound("code"))?;
    Ok(Handover {
        token: row.parsed("token")?,
        host: row.text("host")?,
        nonce_hash: row.text("nonce_hash")?,
        path: row.text("path")?,
        expires_at: row.time("expires_at")?,
    })
}

/// Spends the code. Only one of several who try has done it.
pub async fn spend(tx: &mut Tx, secret_hash: &str) -> Result<()> {
    let write = sql(
        "spending a code",
        "delete from handover where secret_hash = $1",
    );
    match tx.run(write.text(secret_hash)).await? {
        0 => Err(StoreError::NotFound("code")),
        _ => Ok(()),
    }
}
