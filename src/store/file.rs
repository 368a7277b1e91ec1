//! The file log: what moved by sftp, scp and HTTP. Written once, never changed.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    select::Select,
    sql::{Row, sql},
};
use crate::model::{file::FileRecord, ids::SessionId, time::Timestamp};

const COLUMNS: &str = "id, session, channel, recording, at, op, path, to_path, direction, \
    bytes, sha256, result, detail";

sorts! {
    At "at" Number("at");
    Bytes "bytes" Number("bytes");
}

#[derive(Debug, Clone)]
pub struct Filter {
    pub session: SessionId,
    pub channel: Option<u32>,
}

/// Enters a file; one that is entered already stays as it is.
pub async fn insert(tx: &mut Tx, file: &FileRecord) -> Result<()> {
    let write = sql(
        "entering a file",
        "insert into file (id, session, channel, recording, at, op, path, to_path, direction,
             bytes, sha256, result, detail)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (id) do nothing",
    );
    let write = write
        .text(&file.id)
        .text(&file.session)
        .number(i64::from(file.channel))
        .maybe_text(file.recording.as_ref())
        .time(file.at)
        .text(file.op)
        .text(&file.path)
        .maybe_text(file.to.as_ref())
        .maybe_text(file.direction)
        .count(file.bytes)
        .maybe_text(file.sha256.as_ref())
        .text(file.result)
        .text(&file.detail);
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("session")),
        done => done.map(drop),
    }
}

/// The end of a channel that moved files.
#[derive(Debug, Clone)]
pub struct ChannelEnd {
    pub session: SessionId,
    pub channel: u32,
    pub at: Timestamp,
    pub entries: u32,
    /// SHA-256 over all of them, hexadecimal.
    pub root: String,
}

/// Closes a channel. `Conflict` if it is closed already.
pub async fn close_channel(tx: &mut Tx, end: &ChannelEnd) -> Result<()> {
    let write = sql(
        "closing a file channel",
        "insert into file_channel (session, channel, closed_at, entries, root)
         values ($1, $2, $3, $4, $5)
         on conflict (session, channel) do nothing",
    );
    let write = write
        .text(&end.session)
        .number(i64::from(end.channel))
        .time(end.at)
        .number(i64::from(end.entries))
        .text(&end.root);
    tx.run_guarded(write).await
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<FileRecord>> {
    let select = Select::new("listing files", COLUMNS, "file")
        .equal("session", Some(filter.session.as_str()))
        .equal_number("channel", filter.channel.map(i64::from));
    let by = (order.by.as_str(), order.by.column(), "id");
    select.page(from, by, order.descending, page, file).await
}

fn file(row: &Row) -> Result<FileRecord> {
    Ok(FileRecord {
        id: row.parsed("id")?,
        session: row.parsed("session")?,
        channel: u32::try_from(row.count("channel")?)
            .map_err(|error| StoreError::unreadable("channel", error))?,
        recording: row.maybe_parsed("recording")?,
        at: row.time("at")?,
        op: row.parsed("op")?,
        path: row.text("path")?.into(),
        to: row.maybe_text("to_path")?.map(Into::into),
        direction: row.maybe_parsed("direction")?,
        bytes: row.count("bytes")?,
        sha256: row.maybe_text("sha256")?,
        result: row.parsed("result")?,
        detail: row.text("detail")?,
    })
}
