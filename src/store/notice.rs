//! What people are to be told, written with the decision it tells of and sorted once.
//! Beside it what a person does not want to hear of.

use std::collections::BTreeSet;

use super::{
    Result, Source, Tx,
    sql::{Row, sql},
};
use crate::model::{
    ids::{NoticeId, UserId},
    notice::{Event, Notice},
    time::Timestamp,
};

/// Keeps it, unless the same thing was to be told already.
pub async fn insert(tx: &mut Tx, notice: &Notice) -> Result<()> {
    let write = sql(
        "keeping what is to be told",
        "insert into notice (id, event, at, key, facts, sorted) values ($1, $2, $3, $4, $5, 0)
         on conflict (key) do nothing",
    );
    let write = write
        .text(notice.id.as_str())
        .text(notice.event.as_str())
        .time(notice.at)
        .text(&notice.key)
        .json(&notice.facts);
    tx.run(write).await.map(drop)
}

/// Marks it as sorted. `Conflict` if another node was faster: then its deliveries are there.
pub async fn sort(tx: &mut Tx, id: &NoticeId) -> Result<()> {
    let write = sql(
        "sorting what is to be told",
        "update notice set sorted = 1 where id = $1 and sorted = 0",
    );
    tx.run_guarded(write.text(id.as_str())).await
}

/// The oldest whose deliveries are not worked out yet.
pub async fn unsorted(mut from: impl Source, limit: usize) -> Result<Vec<Notice>> {
    let query = sql(
        "reading what is to be told",
        "select id, event, at, key, facts from notice where sorted = 0 order by id limit $1",
    );
    let rows = from.rows(query.count(limit as u64)).await?;
    rows.iter().map(notice).collect()
}

pub async fn by_id(mut from: impl Source, id: &NoticeId) -> Result<Option<Notice>> {
    let query = sql(
        "reading what is to be told",
        "select id, event, at, key, facts from notice where id = $1",
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    row.as_ref().map(notice).transpose()
}

/// Removes what is sorted and older than `before`, unless something of it still waits.
pub async fn prune(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    let write = sql(
        "removing what was told",
        "delete from notice where sorted = 1 and at < $1 and not exists
             (select 1 from delivery where notice = notice.id and state = 'waiting')",
    );
    tx.run(write.time(before)).await
}

/// What this person does not want to be told by mail.
pub async fn muted(mut from: impl Source, user: &UserId) -> Result<BTreeSet<Event>> {
    let query = sql(
        "reading what somebody does not want to be told",
        "select muted from notice_choice where user_id = $1",
    );
    match from.maybe_one(query.text(user.as_str())).await? {
        Some(row) => row.json("muted"),
        None => Ok(BTreeSet::new()),
    }
}

pub async fn mute(tx: &mut Tx, user: &UserId, events: &BTreeSet<Event>) -> Result<()> {
    let write = sql(
        "keeping what somebody does not want to be told",
        "insert into notice_choice (user_id, muted) values ($1, $2)
         on conflict (user_id) do update set muted = excluded.muted",
    );
    tx.run(write.text(user.as_str()).json(events))
        .await
        .map(drop)
}

fn notice(row: &Row) -> Result<Notice> {
    Ok(Notice {
        id: row.parsed("id")?,
        event: row.parsed("event")?,
        at: row.time("at")?,
        key: row.text("key")?,
        facts: row.json("facts")?,
    })
}
