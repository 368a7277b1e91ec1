//! API tokens, found by the hash of their secret; the secret itself is kept nowhere.

use std::collections::BTreeSet;

use super::{
    Result, Source, StoreError, Tx,
    sql::{Row, sql},
};
use crate::model::{
    ids::{TokenId, UserId},
    time::Timestamp,
    user::Token,
};

/// So many are named in one statement.
const AT_ONCE: usize = 200;

const COLUMNS: &str = "id, user_id, label, scopes, created_at, expires_at, last_used_at, host, parent, \
     peer, proven_at, factor_at";

/// Adds a token under the SHA-256 of its secret, hexadecimal.
pub async fn insert(tx: &mut Tx, token: &Token, secret_hash: &str) -> Result<()> {
    let write = sql(
        "adding a token",
        "insert into token (id, user_id, label, scopes, secret_hash, created_at, expires_at,
             last_used_at, host, parent, peer, proven_at, factor_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    );
    let write = write
        .text(token.id.as_str())
        .text(token.user.as_str())
        .text(token.label.as_str())
        .json(&token.scopes)
        .text(secret_hash)
        .time(token.created_at)
        .time(token.expires_at)
        .maybe_time(token.last_used_at)
        .maybe_text(token.host.as_ref())
        .maybe_text(token.parent.as_ref())
        .maybe_text(token.peer.as_ref())
        .maybe_time(token.proven_at)
        .maybe_time(token.factor_at);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("user")),
        done => done.map(drop),
    }
}

/// The token with this hash, expired or not.
pub async fn by_hash(mut from: impl Source, secret_hash: &str) -> Result<Token> {
    let query = sql(
        "reading a token",
        format!("select {COLUMNS} from token where secret_hash = $1"),
    );
    let row = from.maybe_one(query.text(secret_hash)).await?;
    token(&row.ok_or(StoreError::NotFound("token"))?)
}

pub async fn by_id(mut from: impl Source, id: &TokenId) -> Result<Token> {
    let query = sql(
        "reading a token",
        format!("select {COLUMNS} from token where id = $1"),
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    token(&row.ok_or(StoreError::NotFound("token"))?)
}

/// The tokens of one user, newest first.
pub async fn of_user(mut from: impl Source, user: &UserId) -> Result<Vec<Token>> {
    let query = sql(
        "reading tokens",
        format!("select {COLUMNS} from token where user_id = $1 order by created_at desc, id desc"),
    );
    let rows = from.rows(query.text(user.as_str())).await?;
    rows.iter().map(token).collect()
}

/// Those of these tokens that are good at `now`.
pub async fn standing(
    mut from: impl Source,
    ids: &[TokenId],
    now: Timestamp,
) -> Result<BTreeSet<TokenId>> {
    let mut standing = BTreeSet::new();
    for some in ids.chunks(AT_ONCE) {
        let mut query = sql(
            "looking whether tokens stand",
            "select id from token where expires_at > $1 and id in (",
        )
        .time(now);
        for (at, id) in some.iter().enumerate() {
            let place = query.next_place();
            query.push(if at == 0 { "" } else { ", " });
            query.push(&place);
            query = query.text(id.as_str());
        }
        query.push(")");
        for row in from.rows(query).await? {
            standing.insert(row.parsed("id")?);
        }
    }
    Ok(standing)
}

/// Removes a token of this user, and what came out of it.
pub async fn delete(tx: &mut Tx, user: &UserId, id: &TokenId) -> Result<()> {
    let write = sql(
        "removing a token",
        "delete from token where id = $1 and user_id = $2",
    );
    match tx.run(write.text(id.as_str()).text(user.as_str())).await? {
        0 => Err(StoreError::NotFound("token")),
        _ => Ok(()),
    }
}

/// Removes all tokens of a user; answers how many there were.
pub async fn delete_all(tx: &mut Tx, user: &UserId) -> Result<u64> {
    let write = sql("removing tokens", "delete from token where user_id = $1");
    tx.run(write.text(user.as_str())).await
}

/// Ends every sign-in of a user, and what came out of it; tokens that were made for programs
/// stay. Answers how many sign-ins there were.
pub async fn delete_sign_ins(tx: &mut Tx, user: &UserId) -> Result<u64> {
    let write = sql(
        "ending sign-ins",
        "delete from token where user_id = $1 and peer is not null",
    );
    tx.run(write.text(user.as_str())).await
}

/// Notes that somebody has shown anew who they are, where they signed in; `factor` if with a
/// second factor. `Conflict` where that sign-in is over.
pub async fn prove(
    tx: &mut Tx,
    id: &TokenId,
    now: Timestamp,
    factor: Option<Timestamp>,
) -> Result<()> {
    let write = sql(
        "noting a fresh proof",
        "update token set proven_at = $1, factor_at = coalesce($2, factor_at)
         where id = $3 and peer is not null and expires_at > $4",
    );
    let write = write.time(now).maybe_time(factor).text(id.as_str());
    tx.run_guarded(write.time(now)).await
}

/// Removes what of this user's expired by `by`; answers how many there were.
pub async fn delete_expired(tx: &mut Tx, user: &UserId, by: Timestamp) -> Result<u64> {
    let write = sql(
        "removing expired tokens",
        "delete from token where user_id = $1 and expires_at <= $2",
    );
    tx.run(write.text(user.as_str()).time(by)).await
}

/// Notes that a token was used, unless that was noted after `unless_since`: a caller that
/// comes often must not cost a write each time.
pub async fn touch(
    tx: &mut Tx,
    id: &TokenId,
    now: Timestamp,
    unless_since: Timestamp,
) -> Result<()> {
    let write = sql(
        "noting the use of a token",
        "update token set last_used_at = $1
         where id = $2 and coalesce(last_used_at, 0) <= $3",
    );
    let write = write.time(now).text(id.as_str()).time(unless_since);
    tx.run(write).await.map(drop)
}

fn token(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        label: row.parsed("label")?,
        scopes: row.json("scopes")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        last_used_at: row.maybe_time("last_used_at")?,
        host: row.maybe_text("host")?,
        parent: row.maybe_parsed("parent")?,
        peer: row.maybe_text("peer")?,
        proven_at: row.maybe_time("proven_at")?,
        factor_at: row.maybe_time("factor_at")?,
    })
}
