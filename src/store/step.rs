//! Sign-ins that are half done: the password was right, the second factor is to come. And what
//! authenticators are asked to sign.

use super::{Result, Source, StoreError, Tx, sql::sql};
use crate::model::{ids::UserId, time::Timestamp};

/// A right password, for a few minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub user: UserId,
    /// Whether they must set a second factor up first.
    pub enrols: bool,
    pub expires_at: Timestamp,
}

/// Keeps it under the hash of its secret; those of this user that are over go.
pub async fn insert(tx: &mut Tx, step: &Step, hash: &str, now: Timestamp) -> Result<()> {
    let over = sql(
        "removing sign-ins that were never whole",
        "delete from sign_in_step where user_id = $1 and expires_at <= $2",
    );
    tx.run(over.text(step.user.as_str()).time(now)).await?;
    let write = sql(
        "keeping half a sign-in",
        "insert into sign_in_step (secret_hash, user_id, enrols, expires_at)
         values ($1, $2, $3, $4)",
    );
    let write = write
        .text(hash)
        .text(step.user.as_str())
        .flag(step.enrols)
        .time(step.expires_at);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        done => done.map(drop),
    }
}

pub async fn by_hash(mut from: impl Source, hash: &str) -> Result<Step> {
    let query = sql(
        "reading half a sign-in",
        "select user_id, enrols, expires_at from sign_in_step where secret_hash = $1",
    );
    let row = from.maybe_one(query.text(hash)).await?;
    let row = row.ok_or(StoreError::NotFound("sign-in"))?;
    Ok(Step {
        user: row.parsed("user_id")?,
        enrols: row.flag("enrols")?,
        expires_at: row.time("expires_at")?,
    })
}

/// Ends it: it was whole, once.
pub async fn spend(tx: &mut Tx, hash: &str) -> Result<()> {
    let write = sql(
        "ending half a sign-in",
        "delete from sign_in_step where secret_hash = $1",
    );
    match tx.run(write.text(hash)).await? {
        0 => Err(StoreError::NotFound("sign-in")),
        _ => Ok(()),
    }
}
