//! The outbox: one notice on its way to one place, until it arrived or was given up.
//! Whoever tries one puts it off first, so that no other node tries it at the same time.

use super::{
    Listing, Order, Page, Result, Source, StoreError, Tx,
    list::sorts,
    select::Select,
    sql::{Row, sql},
};
use crate::model::{
    ids::{ChannelId, DeliveryId, NoticeId, UserId},
    name::UserName,
    notice::{ChannelName, Delivery, DeliveryState, Event},
    time::Timestamp,
};

/// One that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    pub id: DeliveryId,
    pub notice: NoticeId,
    pub channel: ChannelId,
    pub recipient: String,
    /// The user it is for, if it is for one.
    pub reader: Option<UserId>,
}

/// One that was taken to be tried, with whom it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub delivery: Delivery,
    pub reader: Option<UserName>,
}

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub channel: Option<ChannelName>,
    pub state: Option<DeliveryState>,
    pub event: Option<Event>,
}

sorts! {
    CreatedAt "created_at" Number("d.created_at");
}

const COLUMNS: &str = "d.id as id, d.notice, d.channel, c.name as channel_name, n.event as event,
     n.facts as facts, d.recipient, d.reader, d.state as state, d.attempts,
     d.created_at as created_at, d.due_at, d.finished_at, d.error as error";
const FROM: &str = "delivery d join channel c on c.id = d.channel join notice n on n.id = d.notice";

/// Adds one that is due at once, unless the same is on its way already.
pub async fn insert(tx: &mut Tx, new: &New, now: Timestamp) -> Result<()> {
    let write = sql(
        "sending something on its way",
        "insert into delivery (id, notice, channel, recipient, reader, state, attempts,
             created_at, due_at)
         values ($1, $2, $3, $4, $5, 'waiting', 0, $6, $7) on conflict do nothing",
    );
    let write = write
        .text(new.id.as_str())
        .text(new.notice.as_str())
        .text(new.channel.as_str())
        .text(&new.recipient)
        .maybe_text(new.reader.as_ref().map(UserId::as_str))
        .time(now)
        .time(now);
    tx.run(write).await.map(drop)
}

/// What is due on a channel, longest waiting first.
pub async fn due(
    mut from: impl Source,
    channel: &ChannelId,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    let query = sql(
        "reading what is to be sent",
        format!(
            "select {COLUMNS}, u.name as reader_name from {FROM}
             left join users u on u.id = d.reader
             where d.channel = $1 and d.state = 'waiting' and d.due_at <= $2
             order by d.due_at, d.id limit $3"
        ),
    );
    let query = query.text(channel.as_str()).time(now).count(limit as u64);
    let rows = from.rows(query).await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                delivery: delivery(row)?,
                reader: row.maybe_parsed("reader_name")?,
            })
        })
        .collect()
}

/// Puts it off until `until` to try it meanwhile, and counts the try. `Conflict` if another
/// was faster.
pub async fn take(tx: &mut Tx, before: &Delivery, until: Timestamp) -> Result<()> {
    let write = sql(
        "taking something to be sent",
        "update delivery set due_at = $1, attempts = attempts + 1
         where id = $2 and state = 'waiting' and attempts = $3 and due_at = $4",
    );
    let write = write
        .time(until)
        .text(before.id.as_str())
        .number(i64::from(before.attempts))
        .time(before.due_at);
    tx.run_guarded(write).await
}

/// It arrived, in its try number `attempts`.
pub async fn arrived(tx: &mut Tx, id: &DeliveryId, attempts: u32, now: Timestamp) -> Result<()> {
    let write = sql(
        "writing down what arrived",
        "update delivery set state = 'delivered', finished_at = $1, error = null
         where id = $2 and state = 'waiting' and attempts = $3",
    );
    let write = write
        .time(now)
        .text(id.as_str())
        .number(i64::from(attempts));
    tx.run_guarded(write).await
}

/// It failed, and is tried again at `due_at`.
pub async fn put_off(
    tx: &mut Tx,
    id: &DeliveryId,
    attempts: u32,
    due_at: Timestamp,
    error: &str,
) -> Result<()> {
    let write = sql(
        "putting off what did not arrive",
        "update delivery set due_at = $1, error = $2
         where id = $3 and state = 'waiting' and attempts = $4",
    );
    let write = write
        .time(due_at)
        .text(error)
        .text(id.as_str())
        .number(i64::from(attempts));
    tx.run_guarded(write).await
}

/// It failed, and is not tried again by itself.
pub async fn give_up(
    tx: &mut Tx,
    id: &DeliveryId,
    attempts: u32,
    now: Timestamp,
    error: &str,
) -> Result<()> {
    let write = sql(
        "giving up what does not arrive",
        "update delivery set state = 'dead', finished_at = $1, error = $2
         where id = $3 and state = 'waiting' and attempts = $4",
    );
    let write = write
        .time(now)
        .text(error)
        .text(id.as_str())
        .number(i64::from(attempts));
    tx.run_guarded(write).await
}

/// Begins anew with one that was given up or that waits for its next try. `Conflict` if it
/// arrived meanwhile.
pub async fn retry(tx: &mut Tx, id: &DeliveryId, now: Timestamp) -> Result<()> {
    let write = sql(
        "trying once more what did not arrive",
        "update delivery set state = 'waiting', attempts = 0, due_at = $1, finished_at = null
         where id = $2 and state <> 'delivered'",
    );
    tx.run_guarded(write.time(now).text(id.as_str())).await
}

pub async fn by_id(mut from: impl Source, id: &DeliveryId) -> Result<Delivery> {
    let query = sql(
        "reading something on its way",
        format!("select {COLUMNS} from {FROM} where d.id = $1"),
    );
    let row = from.maybe_one(query.text(id.as_str())).await?;
    delivery(&row.ok_or(StoreError::NotFound("delivery"))?)
}

pub async fn list(
    from: impl Source,
    filter: &Filter,
    order: Order<Sort>,
    page: &Page,
) -> Result<Listing<Delivery>> {
    let select = Select::new("listing what is on its way", COLUMNS, FROM)
        .equal("c.name", filter.channel.as_ref())
        .equal("d.state", filter.state.map(DeliveryState::as_str))
        .equal("n.event", filter.event);
    let by = (order.by.as_str(), order.by.column(), "d.id");
    select
        .page(from, by, order.descending, page, delivery)
        .await
}

fn delivery(row: &Row) -> Result<Delivery> {
    let facts: crate::model::notice::Facts = row.json("facts")?;
    let attempts = row.number("attempts")?;
    Ok(Delivery {
        id: row.parsed("id")?,
        notice: row.parsed("notice")?,
        channel: row.parsed("channel")?,
        channel_name: row.parsed("channel_name")?,
        event: row.parsed("event")?,
        code: facts.code,
        recipient: row.text("recipient")?,
        state: row.parsed("state")?,
        attempts: u32::try_from(attempts)
            .map_err(|error| StoreError::unreadable("attempts", error))?,
        created_at: row.time("created_at")?,
        due_at: row.time("due_at")?,
        finished_at: row.maybe_time("finished_at")?,
        error: row.maybe_text("error")?,
    })
}
