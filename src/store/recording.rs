//! What is known of the recordings, and their keys, wrapped; their files are elsewhere.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    checkout::Reader,
    list::sorts,
    select::Select,
    sql::{Row, hex, sql},
};
use crate::model::{
    ids::{CheckoutId, Code, RecordingId, SessionId, UserId},
    name::{AccountName, PolicyName, TargetName, UserName},
    recording::Recording,
    time::Timestamp,
};

const VIEW: &str = "r.id, r.session, r.checkout, r.kind, r.file, r.started_at, r.finished_at, \
    r.bytes, r.root, r.failure, r.keep_until, r.deleted_at, \
    c.code, c.requester, c.requester_name, c.target_name, c.account_name, c.policy";
const FROM: &str = "recording r join checkout c on c.id = r.checkout";

sorts! {
    StartedAt "started_at" Number("r.started_at");
    Bytes "bytes" Number("r.bytes");
    User "user" Text("c.requester_name");
    Target "target" Text("c.target_name");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only under check-outs that they may see; none means all.
    pub reader: Option<Reader>,
    pub session: Option<SessionId>,
    pub checkout: Option<CheckoutId>,
    pub user: Option<UserId>,
    pub user_name: Option<UserName>,
    pub target: Option<TargetName>,
    /// Started at this time or later.
    pub since: Option<Timestamp>,
    /// Started before this time.
    pub until: Option<Timestamp>,
    /// Yes: only those that are not deleted.
    pub kept: bool,
}

/// A recording with the names people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingView {
    pub row: Recording,
    pub code: Code,
    pub user: UserId,
    pub user_name: UserName,
    pub target_name: TargetName,
    pub account_name: AccountName,
    pub policy: PolicyName,
}

/// A recording's key as it is kept: bytes that mean nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub wrapped_key: Vec<u8>,
    /// Which key-encryption key wrapped it.
    pub kek_id: String,
}

/// How a recording ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    pub at: Timestamp,
    pub bytes: u64,
    pub root: &'a str,
    pub failure: Option<&'a str>,
}

/// Enters a recording that begins.
pub async fn insert(tx: &mut Tx, recording: &Recording, key: &KeyRow) -> Result<()> {
    let write = sql(
        "entering a recording",
        "insert into recording (id, session, checkout, kind, file, started_at, finished_at,
             bytes, root, failure, keep_until, deleted_at, wrapped_key, kek_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let write = write
        .text(recording.id.as_str())
        .text(recording.session.as_str())
        .text(recording.checkout.as_str())
        .text(&recording.kind)
        .text(&recording.file)
        .time(recording.started_at)
        .maybe_time(recording.finished_at)
        .count(recording.bytes)
        .maybe_text(recording.root.as_ref())
        .maybe_text(recording.failure.as_ref())
        .maybe_time(recording.keep_until)
        .maybe_time(recording.deleted_at)
        .text(hex(&key.wrapped_key))
        .text(&key.kek_id);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("session")),
        done => done.map(drop),
    }
}

/// Enters its end. `Conflict` if it is finished already.
pub async fn finish(tx: &mut Tx, id: &RecordingId, end: &End<'_>) -> Result<()> {
    let write = sql(
        "finishing a recording",
        "update recording set finished_at = $1, bytes = $2, root = $3, failure = $4
         where id = $5 and finished_at is null",
    );
    let write = write
        .time(end.at)
        .count(end.bytes)
        .text(end.root)
        .maybe_text(end.failure)
        .text(id.as_str());
    tx.run_guarded(write).await
}

/// Deletes one: forgets its key, so that its file is noise from here on. `Conflict` if that
/// happened already. `removed` is for when the file is gone too.
pub async fn delete(tx: &mut Tx, id: &RecordingId, at: Timestamp) -> Result<()> {
    let write = sql(
        "deleting a recording",
        "update recording set deleted_at = $1, wrapped_key = null, kek_id = null
         where id = $2 and deleted_at is null",
    );
    tx.run_guarded(write.time(at).text(id.as_str())).await
}

/// Notes that the file of a deleted recording is gone.
pub async fn removed(tx: &mut Tx, id: &RecordingId) -> Result<()> {
    let write = sql(
        "noting that a recording's file is gone",
        "update recording set file = '' where id = $1 and deleted_at is not null",
    );
    tx.run_guarded(write.text(id.as_str())).await
}

pub async fn by_id(mut from: impl Source, id: &RecordingId) -> Result<RecordingView> {
    let query = sql(
        "reading a recording",
        format!("select {VIEW} from {FROM} where r.id = $1"),
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    view(&row.ok_or(StoreError::NotFound("recording"))?)
}

/// The key of a recording; none once it is deleted.
pub async fn key(mut from: impl Source, id: &RecordingId) -> Result<Option<KeyRow>> {
    let query = sql(
        "reading a recording's key",
        "select wrapped_key, kek_id from recording where id = $1 and kek_id is not null",
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    row.as_ref().map(key_of).transpose()
}

/// Some keys that are not wrapped by `kek_id` yet; none means that all are.
pub async fn wrapped_otherwise(
    mut from: impl Source,
    kek_id: &str,
    limit: usize,
) -> Result<Vec<(RecordingId, KeyRow)>> {
    let query = sql(
        "reading recordings' keys to rewrap",
        "select id, wrapped_key, kek_id from recording
         where kek_id is not null and kek_id <> $1 order by id limit $2",
    );
    let rows = from.rows(query.text(kek_id).count(limit as u64)).await?;
    let read = |row: &Row| Ok((row.parsed("id")?, key_of(row)?));
    rows.iter().map(read).collect()
}

/// Writes a key wrapped anew, if it is still as it was read. `Conflict` if the recording was
/// deleted meanwhile.
pub async fn replace_key(
    tx: &mut Tx,
    id: &RecordingId,
    before: &KeyRow,
    after: &KeyRow,
) -> Result<()> {
    let write = sql(
        "rewrapping a recording's key",
        "update recording set wrapped_key = $1, kek_id = $2
         where id = $3 and wrapped_key = $4 and kek_id = $5",
    );
    let write = write
        .text(hex(&after.wrapped_key))
        .text(&after.kek_id)
        .text(id.as_str())
        .text(hex(&before.wrapped_key))
        .text(&before.kek_id);
    tx.run_guarded(write).await
}

/// The key-encryption keys that some recording's key is still wrapped by.
pub async fn kek_ids(mut from: impl Source) -> Result<Vec<String>> {
    let query = sql(
        "reading which keys are in use",
        "select distinct kek_id from recording where kek_id is not null order by kek_id",
    );
    let rows = from.rows(query).await?;
    rows.iter().map(|row| row.text("kek_id")).collect()
}

/// Recordings whose time is over and whose session has ended, the oldest first.
pub async fn due(
    mut from: impl Source,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<RecordingView>> {
    let query = sql(
        "reading recordings to delete",
        format!(
            "select {VIEW} from {FROM} join session s on s.id = r.session
             where r.keep_until <= $1 and r.deleted_at is null and s.closed_at is not null
             order by r.keep_until, r.id limit $2"
        ),
    );
    let rows = from.rows(query.time(now).count(limit as u64)).await?;
    rows.iter().map(view).collect()
}

/// Deleted recordings whose file may still be there.
pub async fn left_behind(mut from: impl Source, limit: usize) -> Result<Vec<RecordingView>> {
    let query = sql(
        "reading files to remove",
        format!(
            "select {VIEW} from {FROM} where r.deleted_at is not null and r.file <> ''
             order by r.id limit $1"
        ),
    );
    let rows = from.rows(query.count(limit as u64)).await?;
    rows.iter().map(view).collect()
}

/// Recordings without an end whose session had ended by `until`, behind `after` in the order
/// of ids.
pub async fn unfinished(
    mut from: impl Source,
    until: Timestamp,
    after: Option<&RecordingId>,
    limit: usize,
) -> Result<Vec<RecordingView>> {
    let query = sql(
        "reading recordings without an end",
        format!(
            "select {VIEW} from {FROM} join session s on s.id = r.session
             where r.finished_at is null and r.deleted_at is null and s.closed_at <= $1
                 and r.id > $2
             order by r.id limit $3"
        ),
    );
    let after = after.map_or("", RecordingId::as_str);
    let rows = from
        .rows(query.time(until).text(after).count(limit as u64))
        .await?;
    rows.iter().map(view).collect()
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<RecordingView>> {
    let select = Select::new("listing recordings", VIEW, FROM)
        .readable("c.", filter.reader.as_ref())
        .equal("r.session", filter.session.as_ref().map(SessionId::as_str))
        .equal(
            "r.checkout",
            filter.checkout.as_ref().map(CheckoutId::as_str),
        )
        .equal("c.requester", filter.user.as_ref().map(UserId::as_str))
        .equal("c.requester_name", filter.user_name.as_ref())
        .equal("c.target_name", filter.target.as_ref())
        .when(filter.kept, "r.deleted_at is null")
        .since_time("r.started_at", filter.since)
        .until_time("r.started_at", filter.until);
    let by = (order.by.as_str(), order.by.column(), "r.id");
    select.page(from, by, order.descending, page, view).await
}

fn key_of(row: &Row) -> Result<KeyRow> {
    Ok(KeyRow {
        wrapped_key: row.bytes("wrapped_key")?,
        kek_id: row.text("kek_id")?,
    })
}

fn view(row: &Row) -> Result<RecordingView> {
    Ok(RecordingView {
        row: Recording {
            id: row.parsed("id")?,
            session: row.parsed("session")?,
            checkout: row.parsed("checkout")?,
            kind: row.text("kind")?,
            file: row.text("file")?,
            started_at: row.time("started_at")?,
            finished_at: row.maybe_time("finished_at")?,
            bytes: row.count("bytes")?,
            root: row.maybe_text("root")?,
            failure: row.maybe_text("failure")?,
            keep_until: row.maybe_time("keep_until")?,
            deleted_at: row.maybe_time("deleted_at")?,
        },
        code: row.parsed("code")?,
        user: row.parsed("requester")?,
        user_name: row.parsed("requester_name")?,
        target_name: row.parsed("target_name")?,
        account_name: row.parsed("account_name")?,
        policy: row.parsed("policy")?,
    })
}
