//! The ways on which people are told, with their sealed secrets as bytes that mean nothing here.
//! Decides nothing about what goes which way.

use super::{
    Result, Source, StoreError, Tx,
    sql::{Row, Sql, hex, sql},
};
use crate::model::{
    ids::ChannelId,
    notice::{Channel, ChannelName, Email, Hook, Scope},
    time::Timestamp,
};

/// A channel's secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    pub wrapped_key: Vec<u8>,
    pub ciphertext: Vec<u8>,
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
}

/// How a channel does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// On their way or waiting for another try.
    pub waiting: u64,
    /// Of the waiting, those that failed at least once.
    pub failing: u64,
    pub dead: u64,
    pub delivered_at: Option<Timestamp>,
    /// Why the newest that failed did.
    pub error: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Settings {
    scope: Scope,
    email: Option<Email>,
    hook: Option<Hook>,
}

const COLUMNS: &str = "id, name, kind, disabled, settings, created_at, kek_id";

pub async fn insert(tx: &mut Tx, channel: &Channel, secret: Option<&SealedRow>) -> Result<()> {
    let write = sql(
        "adding a channel",
        "insert into channel (name, kind, disabled, settings, created_at, wrapped_key,
             ciphertext, kek_id, id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing",
    );
    let write = values(write, channel)
        .time(channel.created_at)
        .maybe_text(secret.map(|it| hex(&it.wrapped_key)))
        .maybe_text(secret.map(|it| hex(&it.ciphertext)))
        .maybe_text(secret.map(|it| &it.kek_id))
        .text(channel.id.as_str());
    match tx.run(write).await? {
        0 => Err(StoreError::Duplicate("channel")),
        _ => Ok(()),
    }
}

/// Writes `after` over `before`. `Conflict` if it is not as `before` any more.
pub async fn update(tx: &mut Tx, before: &Channel, after: &Channel) -> Result<()> {
    let write = sql(
        "changing a channel",
        "update channel set name = $1, kind = $2, disabled = $3, settings = $4
         where id = $5 and name = $6 and disabled = $7 and settings = $8",
    );
    let write = values(write, after)
        .text(before.id.as_str())
        .text(&before.name)
        .flag(before.disabled)
        .json(&settings(before));
    tx.run_guarded(write).await
}

/// Gives a channel its secret. `NotFound` without the channel.
pub async fn set_secret(tx: &mut Tx, id: &ChannelId, secret: &SealedRow) -> Result<()> {
    let write = sql(
        "keeping a channel's secret",
        "update channel set wrapped_key = $1, ciphertext = $2, kek_id = $3 where id = $4",
    );
    let write = sealed_values(write, secret).text(id.as_str());
    match tx.run(write).await? {
        0 => Err(StoreError::NotFound("channel")),
        _ => Ok(()),
    }
}

/// The same secret wrapped anew, unless another was set meanwhile.
pub async fn rewrap(
    tx: &mut Tx,
    id: &ChannelId,
    before: &SealedRow,
    after: &SealedRow,
) -> Result<()> {
    let write = sql(
        "rewrapping a channel's secret",
        "update channel set wrapped_key = $1, ciphertext = $2, kek_id = $3
         where id = $4 and wrapped_key = $5 and kek_id = $6",
    );
    let write = sealed_values(write, after)
        .text(id.as_str())
        .text(hex(&before.wrapped_key))
        .text(&before.kek_id);
    tx.run_guarded(write).await
}

/// Removes a channel, and with it what is on its way there.
pub async fn delete(tx: &mut Tx, id: &ChannelId) -> Result<()> {
    let write = sql("removing a channel", "delete from channel where id = $1");
    match tx.run(write.text(id.as_str())).await? {
        0 => Err(StoreError::NotFound("channel")),
        _ => Ok(()),
    }
}

pub async fn by_name(mut from: impl Source, name: &ChannelName) -> Result<Channel> {
    let query = sql("reading a channel", select("where name = $1"));
    let row = from.maybe_one(query.text(name)).await?;
    channel(&row.ok_or(StoreError::NotFound("channel"))?)
}

/// All channels by name.
pub async fn list(mut from: impl Source) -> Result<Vec<Channel>> {
    let query = sql("listing channels", select("order by name"));
    from.rows(query).await?.iter().map(channel).collect()
}

pub async fn secret(mut from: impl Source, id: &ChannelId) -> Result<Option<SealedRow>> {
    let query = sql(
        "reading a channel's secret",
        "select wrapped_key, ciphertext, kek_id from channel
         where id = $1 and kek_id is not null",
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    row.as_ref().map(sealed).transpose()
}

/// Some secrets that are not wrapped by `kek_id` yet; none means that all are.
pub async fn wrapped_otherwise(
    mut from: impl Source,
    kek_id: &str,
    limit: usize,
) -> Result<Vec<(ChannelId, SealedRow)>> {
    let query = sql(
        "reading channels' secrets to rewrap",
        "select id, wrapped_key, ciphertext, kek_id from channel
         where kek_id is not null and kek_id <> $1 order by id limit $2",
    );
    let rows = from.rows(query.text(kek_id).count(limit as u64)).await?;
    rows.iter()
        .map(|row| Ok((row.parsed("id")?, sealed(row)?)))
        .collect()
}

/// How a channel does, from what is on its way there and what went.
pub async fn standing(mut from: impl Source, id: &ChannelId) -> Result<Standing> {
    let query = sql(
        "reading how a channel does",
        "select
             (select count(*) from delivery where channel = $1 and state = 'waiting') as waiting,
             (select count(*) from delivery where channel = $2 and state = 'waiting'
                 and error is not null) as failing,
             (select count(*) from delivery where channel = $3 and state = 'dead') as dead,
             (select max(finished_at) from delivery where channel = $4
                 and state = 'delivered') as delivered_at,
             (select error from delivery where channel = $5 and error is not null
                 and state <> 'delivered' order by created_at desc, id desc limit 1) as error",
    );
    let id = id.as_str();
    let row = from
        .one(query.text(id).text(id).text(id).text(id).text(id))
        .await?;
    Ok(Standing {
        waiting: row.count("waiting")?,
        failing: row.count("failing")?,
        dead: row.count("dead")?,
        delivered_at: row.maybe_time("delivered_at")?,
        error: row.maybe_text("error")?,
    })
}

fn values(sql: Sql, channel: &Channel) -> Sql {
    sql.text(&channel.name)
        .text(channel.kind.as_str())
        .flag(channel.disabled)
        .json(&settings(channel))
}

fn settings(channel: &Channel) -> Settings {
    Settings {
        scope: channel.scope.clone(),
        email: channel.email.clone(),
        hook: channel.hook.clone(),
    }
}

fn sealed_values(sql: Sql, secret: &SealedRow) -> Sql {
    sql.text(hex(&secret.wrapped_key))
        .text(hex(&secret.ciphertext))
        .text(&secret.kek_id)
}

fn select(rest: &str) -> String {
    format!("select {COLUMNS} from channel {rest}")
}

fn channel(row: &Row) -> Result<Channel> {
    let Settings { scope, email, hook } = row.json("settings")?;
    Ok(Channel {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        kind: row.parsed("kind")?,
        disabled: row.flag("disabled")?,
        scope,
        email,
        hook,
        has_secret: row.maybe_text("kek_id")?.is_some(),
        created_at: row.time("created_at")?,
    })
}

fn sealed(row: &Row) -> Result<SealedRow> {
    Ok(SealedRow {
        wrapped_key: row.bytes("wrapped_key")?,
        ciphertext: row.bytes("ciphertext")?,
        kek_id: row.text("kek_id")?,
    })
}
