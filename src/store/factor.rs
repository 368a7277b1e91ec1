//! Second factors as they are checked: sealed seeds, hashes of recovery codes, and how often
//! somebody was wrong. What is sealed means nothing here.

use super::{
    Result, Source, StoreError, Tx,
    sql::{hex, sql},
};
use crate::model::{factor::Factors, ids::UserId, time::Timestamp};

/// The seed of an authenticator app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpRow {
    pub wrapped_key: Vec<u8>,
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
    pub made_at: Timestamp,
    /// Since when it counts; none before a code of it was shown.
    pub proven_at: Option<Timestamp>,
    /// The newest time step of which a code was taken.
    pub last_step: i64,
}

/// How often somebody was wrong in a row, and when they are heard again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub wrong: i64,
    pub heard_at: Timestamp,
}

/// What a user has to show.
pub async fn of_user(mut from: impl Source, user: &UserId) -> Result<Factors> {
    let query = sql(
        "reading second factors",
        "select (select proven_at from totp where user_id = $1) as app,
             (select count(*) from recovery_code where user_id = $2 and used_at is null) as codes",
    );
    let query = query.text(user.as_str()).text(user.as_str());
    let row = from.one(query).await?;
    Ok(Factors {
        app: row.maybe_time("app")?,
        recovery_codes: row.count("codes")?,
        passkeys: super::passkey::of_user(from, user).await?,
    })
}

pub async fn totp(mut from: impl Source, user: &UserId) -> Result<Option<TotpRow>> {
    let query = sql(
        "reading a seed",
        "select wrapped_key, kek_id, made_at, proven_at, last_step from totp where user_id = $1",
    );
    let row = from.maybe_one(query.text(user.as_str())).await?;
    row.map(|row| {
        Ok(TotpRow {
            wrapped_key: row.bytes("wrapped_key")?,
            kek_id: row.text("kek_id")?,
            made_at: row.time("made_at")?,
            proven_at: row.maybe_time("proven_at")?,
            last_step: row.number("last_step")?,
        })
    })
    .transpose()
}

/// Keeps a seed that does not count yet. `Conflict` where one counts already.
pub async fn offer_totp(tx: &mut Tx, user: &UserId, row: &TotpRow) -> Result<()> {
    let write = sql(
        "keeping a seed",
        "insert into totp (user_id, wrapped_key, kek_id, made_at, last_step)
         values ($1, $2, $3, $4, $5)
         on conflict (user_id) do update set wrapped_key = excluded.wrapped_key,
             kek_id = excluded.kek_id, made_at = excluded.made_at, last_step = excluded.last_step
         where totp.proven_at is null",
    );
    let write = write
        .text(user.as_str())
        .text(hex(&row.wrapped_key))
        .text(&row.kek_id)
        .time(row.made_at)
        .number(row.last_step);
    match tx.run_guarded(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        done => done,
    }
}

/// From now on the seed that was made at `made_at` counts; the code of this step was taken.
pub async fn prove_totp(
    tx: &mut Tx,
    user: &UserId,
    made_at: Timestamp,
    step: i64,
    now: Timestamp,
) -> Result<()> {
    let write = sql(
        "making a seed count",
        "update totp set proven_at = $1, last_step = $2
         where user_id = $3 and made_at = $4 and proven_at is null",
    );
    let write = write.time(now).number(step).text(user.as_str());
    tx.run_guarded(write.time(made_at)).await
}

/// Takes the code of a step, which is then taken on every node. `Conflict` if it was before.
pub async fn take_step(tx: &mut Tx, user: &UserId, step: i64) -> Result<()> {
    let write = sql(
        "taking a code",
        "update totp set last_step = $1
         where user_id = $2 and last_step < $3 and proven_at is not null",
    );
    let write = write.number(step).text(user.as_str()).number(step);
    tx.run_guarded(write).await
}

pub async fn remove_totp(tx: &mut Tx, user: &UserId) -> Result<()> {
    let write = sql("removing a seed", "delete from totp where user_id = $1");
    match tx.run(write.text(user.as_str())).await? {
        0 => Err(StoreError::NotFound("authenticator app")),
        _ => Ok(()),
    }
}

/// Some seeds that are not wrapped by `kek_id` yet; none means that all are.
pub async fn wrapped_otherwise(
    mut from: impl Source,
    kek_id: &str,
    limit: usize,
) -> Result<Vec<(UserId, Vec<u8>, String)>> {
    let query = sql(
        "reading seeds to rewrap",
        "select user_id, wrapped_key, kek_id from totp where kek_id <> $1
         order by user_id limit $2",
    );
    let rows = from.rows(query.text(kek_id).count(limit as u64)).await?;
    let read = |row: &super::sql::Row| {
        Ok((
            row.parsed("user_id")?,
            row.bytes("wrapped_key")?,
            row.text("kek_id")?,
        ))
    };
    rows.iter().map(read).collect()
}

/// The same seed under another key-encryption key, unless it was changed meanwhile.
pub async fn rewrap(
    tx: &mut Tx,
    user: &UserId,
    before: &[u8],
    after: &[u8],
    kek_id: &str,
) -> Result<()> {
    let write = sql(
        "rewrapping a seed",
        "update totp set wrapped_key = $1, kek_id = $2 where user_id = $3 and wrapped_key = $4",
    );
    let write = write.text(hex(after)).text(kek_id).text(user.as_str());
    tx.run_guarded(write.text(hex(before))).await
}

/// Gives a user these recovery codes, and takes all others away.
pub async fn put_recovery_codes(
    tx: &mut Tx,
    user: &UserId,
    hashes: &[String],
    now: Timestamp,
) -> Result<()> {
    remove_recovery_codes(tx, user).await?;
    for hash in hashes {
        let write = sql(
            "keeping a recovery code",
            "insert into recovery_code (secret_hash, user_id, made_at) values ($1, $2, $3)",
        );
        tx.run(write.text(hash).text(user.as_str()).time(now))
            .await?;
    }
    Ok(())
}

/// Uses a recovery code up. `Conflict` if it is none of theirs or was used before.
pub async fn spend_recovery_code(
    tx: &mut Tx,
    user: &UserId,
    hash: &str,
    now: Timestamp,
) -> Result<()> {
    let write = sql(
        "using a recovery code up",
        "update recovery_code set used_at = $1
         where secret_hash = $2 and user_id = $3 and used_at is null",
    );
    let write = write.time(now).text(hash).text(user.as_str());
    tx.run_guarded(write).await
}

pub async fn remove_recovery_codes(tx: &mut Tx, user: &UserId) -> Result<()> {
    let write = sql(
        "removing recovery codes",
        "delete from recovery_code where user_id = $1",
    );
    tx.run(write.text(user.as_str())).await.map(drop)
}

/// Takes everything away that a user could show besides a password, and forgets what was wrong.
pub async fn remove_all(tx: &mut Tx, user: &UserId) -> Result<()> {
    for text in [
        "delete from totp where user_id = $1",
        "delete from passkey where user_id = $1",
        "delete from sign_in_step where user_id = $1",
        "delete from factor_guard where user_id = $1",
    ] {
        let write = sql("removing second factors", text);
        tx.run(write.text(user.as_str())).await?;
    }
    remove_recovery_codes(tx, user).await
}

pub async fn guard(mut from: impl Source, user: &UserId) -> Result<Option<Guard>> {
    let query = sql(
        "reading how often somebody was wrong",
        "select wrong, heard_at from factor_guard where user_id = $1",
    );
    let row = from.maybe_one(query.text(user.as_str())).await?;
    row.map(|row| {
        Ok(Guard {
            wrong: row.number("wrong")?,
            heard_at: row.time("heard_at")?,
        })
    })
    .transpose()
}

/// Counts a try before it is looked at. `Conflict` if another came in between.
pub async fn count_try(
    tx: &mut Tx,
    user: &UserId,
    before: Option<Guard>,
    after: Guard,
) -> Result<()> {
    let write = sql(
        "counting a second factor",
        "insert into factor_guard (user_id, wrong, heard_at) values ($1, $2, $3)
         on conflict (user_id) do update set wrong = excluded.wrong, heard_at = excluded.heard_at
         where factor_guard.wrong = $4",
    );
    // No guard has counted less than nothing.
    let before = before.map_or(-1, |guard| guard.wrong);
    let write = write
        .text(user.as_str())
        .number(after.wrong)
        .time(after.heard_at)
        .number(before);
    tx.run_guarded(write).await
}

/// They were right: nothing is held against them any more.
pub async fn forget_tries(tx: &mut Tx, user: &UserId) -> Result<()> {
    let write = sql(
        "forgetting what was wrong",
        "delete from factor_guard where user_id = $1",
    );
    tx.run(write.text(user.as_str())).await.map(drop)
}
