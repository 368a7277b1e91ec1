//! What is known of the recordings; their files are elsewhere.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    select::Select,
    sql::{Row, sql},
};
use crate::model::{
    ids::{CheckoutId, RecordingId, SessionId},
    recording::Recording,
    time::Timestamp,
};

const COLUMNS: &str = "id, session, checkout, kind, file, started_at, finished_at, bytes, sha256";

sorts! {
    StartedAt "started_at" Number("started_at");
    Bytes "bytes" Number("bytes");
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub session: Option<SessionId>,
    pub checkout: Option<CheckoutId>,
}

/// Enters a recording that begins. One that is there already stays as it is: whoever does
/// not know whether the first try was written tries again.
pub async fn insert(tx: &mut Tx, recording: &Recording) -> Result<()> {
    let write = sql(
        "entering a recording",
        "insert into recording (id, session, checkout, kind, file, started_at, finished_at,
             bytes, sha256)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
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
        .maybe_text(recording.sha256.as_ref());
    match tx.run(write).await {
        Err(error) if error.is_foreign_key() => Err(StoreError::NotFound("session")),
        done => done.map(drop),
    }
}

/// Enters its end. `Conflict` if it is finished already.
pub async fn finish(
    tx: &mut Tx,
    id: &RecordingId,
    bytes: u64,
    sha256: &str,
    at: Timestamp,
) -> Result<()> {
    let write = sql(
        "finishing a recording",
        "update recording set finished_at = $1, bytes = $2, sha256 = $3
         where id = $4 and finished_at is null",
    );
    let write = write.time(at).count(bytes).text(sha256).text(id.as_str());
    tx.run_guarded(write).await
}

pub async fn by_id(mut from: impl Source, id: &RecordingId) -> Result<Recording> {
    let query = sql(
        "reading a recording",
        format!("select {COLUMNS} from recording where id = $1"),
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    recording(&row.ok_or(StoreError::NotFound("recording"))?)
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<Recording>> {
    let select = Select::new("listing recordings", COLUMNS, "recording")
        .equal("session", filter.session.as_ref().map(SessionId::as_str))
        .equal("checkout", filter.checkout.as_ref().map(CheckoutId::as_str));
    let by = (order.by.as_str(), order.by.column(), "id");
    select
        .page(from, by, order.descending, page, recording)
        .await
}

fn recording(row: &Row) -> Result<Recording> {
    Ok(Recording {
        id: row.parsed("id")?,
        session: row.parsed("session")?,
        checkout: row.parsed("checkout")?,
        kind: row.text("kind")?,
        file: row.text("file")?,
        started_at: row.time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        bytes: row.count("bytes")?,
        sha256: row.maybe_text("sha256")?,
    })
}
