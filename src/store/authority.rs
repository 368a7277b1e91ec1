//! The keys with which the gateway vouches for people: their public halves, and bytes that
//! mean nothing here.

use super::{
    Result, Source, StoreError, Tx,
    sql::{hex, sql},
};
use crate::model::time::Timestamp;

/// There is one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Signs SSH certificates for targets.
    User,
    /// Signs what web targets are told of who is there.
    WebIdentity,
}

impl Which {
    pub const ALL: [Self; 2] = [Self::User, Self::WebIdentity];

    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::WebIdentity => "web-identity",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRow {
    /// OpenSSH's one-line form, or base64url of its point.
    pub public_key: String,
    pub wrapped: Vec<u8>,
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
}

pub async fn load(mut from: impl Source, which: Which) -> Result<Option<AuthorityRow>> {
    let query = sql(
        "reading a key of the gateway",
        "select public_key, wrapped_key, kek_id from authority where name = $1",
    );
    let row = from.maybe_one(query.text(which.name())).await?;
    row.map(|row| {
        Ok(AuthorityRow {
            public_key: row.text("public_key")?,
            wrapped: row.bytes("wrapped_key")?,
            kek_id: row.text("kek_id")?,
        })
    })
    .transpose()
}

/// Keeps it unless there is one; answers the one there is afterwards.
pub async fn put_once(
    tx: &mut Tx,
    which: Which,
    row: &AuthorityRow,
    now: Timestamp,
) -> Result<AuthorityRow> {
    let write = sql(
        "keeping a key of the gateway",
        "insert into authority (name, public_key, wrapped_key, kek_id, created_at)
         values ($1, $2, $3, $4, $5) on conflict (name) do nothing",
    );
    let write = write
        .text(which.name())
        .text(&row.public_key)
        .text(hex(&row.wrapped))
        .text(&row.kek_id)
        .time(now);
    tx.run(write).await?;
    let kept = load(&mut *tx, which).await?;
    Ok(kept.unwrap_or_else(|| row.clone()))
}

/// The same key under another key-encryption key, unless it was changed meanwhile.
pub async fn rewrap(
    tx: &mut Tx,
    which: Which,
    before: &AuthorityRow,
    after: &AuthorityRow,
) -> Result<()> {
    let write = sql(
        "rewrapping a key of the gateway",
        "update authority set wrapped_key = $1, kek_id = $2
         where name = $3 and wrapped_key = $4 and kek_id = $5",
    );
    let write = write
        .text(hex(&after.wrapped))
        .text(&after.kek_id)
        .text(which.name())
        .text(hex(&before.wrapped))
        .text(&before.kek_id);
    match tx.run(write).await? {
        0 => Err(StoreError::Conflict),
        _ => Ok(()),
    }
}
