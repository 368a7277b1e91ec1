//! Passkeys: what their authenticators' signatures are checked against, and challenges.

use super::{
    Result, Source, StoreError, Tx,
    sql::{Row, hex, sql},
};
use crate::model::{factor::Passkey, ids::UserId, time::Timestamp};

/// What a signature of a passkey is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    /// COSE.
    pub public_key: Vec<u8>,
    /// What its authenticator had counted at its last use; many count nothing.
    pub counter: u32,
}

/// Keeps a passkey. `Duplicate` where it is known already, to whomever.
pub async fn insert(
    tx: &mut Tx,
    user: &UserId,
    passkey: &Passkey,
    verifier: &Verifier,
) -> Result<()> {
    let write = sql(
        "keeping a passkey",
        "insert into passkey (id, user_id, label, public_key, counter, added_at)
         values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing",
    );
    let write = write
        .text(&passkey.id)
        .text(user.as_str())
        .text(passkey.label.as_str())
        .text(hex(&verifier.public_key))
        .number(verifier.counter.into())
        .time(passkey.added_at);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        Ok(0) => Err(StoreError::Duplicate("passkey")),
        done => done.map(drop),
    }
}

/// The passkeys of a user, oldest first.
pub async fn of_user(mut from: impl Source, user: &UserId) -> Result<Vec<Passkey>> {
    let query = sql(
        "reading passkeys",
        "select id, label, added_at, last_used_at from passkey where user_id = $1
         order by added_at, id",
    );
    let rows = from.rows(query.text(user.as_str())).await?;
    let read = |row: &Row| {
        Ok(Passkey {
            id: row.text("id")?,
            label: row.parsed("label")?,
            added_at: row.time("added_at")?,
            last_used_at: row.maybe_time("last_used_at")?,
        })
    };
    rows.iter().map(read).collect()
}

/// What to check a passkey of this user against.
pub async fn verifier(mut from: impl Source, user: &UserId, id: &str) -> Result<Option<Verifier>> {
    let query = sql(
        "reading a passkey",
        "select public_key, counter from passkey where id = $1 and user_id = $2",
    );
    let row = from.maybe_one(query.text(id).text(user.as_str())).await?;
    row.map(|row| {
        let counter = row.number("counter")?;
        Ok(Verifier {
            public_key: row.bytes("public_key")?,
            counter: u32::try_from(counter)
                .map_err(|error| StoreError::unreadable("counter", error))?,
        })
    })
    .transpose()
}

/// Notes a use. `Conflict` if another came in between, or it is gone.
pub async fn note_use(
    tx: &mut Tx,
    id: &str,
    before: u32,
    counter: u32,
    now: Timestamp,
) -> Result<()> {
    let write = sql(
        "noting the use of a passkey",
        "update passkey set counter = $1, last_used_at = $2 where id = $3 and counter = $4",
    );
    let write = write.number(counter.into()).time(now).text(id);
    tx.run_guarded(write.number(before.into())).await
}

pub async fn remove(tx: &mut Tx, user: &UserId, id: &str) -> Result<()> {
    let write = sql(
        "removing a passkey",
        "delete from passkey where id = $1 and user_id = $2",
    );
    match tx.run(write.text(id).text(user.as_str())).await? {
        0 => Err(StoreError::NotFound("passkey")),
        _ => Ok(()),
    }
}

/// Keeps what an authenticator of this user is to sign, for what it is bound to; those of theirs
/// that are over go.
pub async fn put_challenge(
    tx: &mut Tx,
    user: &UserId,
    hash: &str,
    bound_to: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let over = sql(
        "removing challenges that are over",
        "delete from passkey_challenge where user_id = $1 and expires_at <= $2",
    );
    tx.run(over.text(user.as_str()).time(now)).await?;
    let write = sql(
        "keeping a challenge",
        "insert into passkey_challenge (secret_hash, user_id, bound_to, expires_at)
         values ($1, $2, $3, $4)",
    );
    let write = write.text(hash).text(user.as_str()).text(bound_to);
    match tx.run(write.time(expires_at)).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        done => done.map(drop),
    }
}

/// Uses a challenge up. `Conflict` if it is over, of another, or for something else.
pub async fn spend_challenge(
    tx: &mut Tx,
    user: &UserId,
    hash: &str,
    bound_to: &str,
    now: Timestamp,
) -> Result<()> {
    let write = sql(
        "using a challenge up",
        "delete from passkey_challenge
         where secret_hash = $1 and user_id = $2 and bound_to = $3 and expires_at > $4",
    );
    let write = write.text(hash).text(user.as_str()).text(bound_to);
    tx.run_guarded(write.time(now)).await
}
