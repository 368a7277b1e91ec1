//! The public keys people sign in with. One key belongs to one user.

use super::{
    Result, Source, StoreError, Tx,
    sql::{Row, sql},
    voucher,
};
use crate::model::{ids::UserId, user::SshKey};

/// Adds a key. `Duplicate` if anybody has it already. Who vouches for it is written by
/// `voucher`, in the same transaction.
pub async fn insert(tx: &mut Tx, user: &UserId, key: &SshKey) -> Result<()> {
    let write = sql(
        "adding an SSH key",
        "insert into ssh_key (fingerprint, user_id, public_key, note, added_at)
         values ($1, $2, $3, $4, $5)",
    );
    let write = write
        .text(&key.fingerprint)
        .text(user.as_str())
        .text(&key.public_key)
        .text(key.comment.as_str())
        .time(key.added_at);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        done => done.map(drop),
    }
}

/// Removes a key of this user.
pub async fn delete(tx: &mut Tx, user: &UserId, fingerprint: &str) -> Result<()> {
    let write = sql(
        "removing an SSH key",
        "delete from ssh_key where fingerprint = $1 and user_id = $2",
    );
    match tx.run(write.text(fingerprint).text(user.as_str())).await? {
        0 => Err(StoreError::NotFound("SSH key")),
        _ => voucher::forget_key(tx, user, fingerprint).await,
    }
}

/// The keys of one user, oldest first.
pub async fn of_user(mut from: impl Source, user: &UserId) -> Result<Vec<SshKey>> {
    let query = sql(
        "reading SSH keys",
        "select fingerprint, public_key, note, added_at from ssh_key
         where user_id = $1 order by added_at, fingerprint",
    );
    let rows = from.rows(query.text(user.as_str())).await?;
    rows.iter().map(ssh_key).collect()
}

fn ssh_key(row: &Row) -> Result<SshKey> {
    Ok(SshKey {
        fingerprint: row.text("fingerprint")?,
        public_key: row.text("public_key")?,
        comment: row.parsed("note")?,
        added_at: row.time("added_at")?,
    })
}
